//! `peers --watch`: what it tells, and when it ends. No wait here is without an end.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::{Value, json};

use crate::process::{PATIENCE, Shop, eventually};

/// A watch that is running; killed when a test fails.
struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Watch {
    fn of(shop: &Shop) -> (Watch, BufReader<ChildStdout>) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ucash"))
            .args(["--data", shop.directory().to_str().expect("Unicode"), "--json", "peers", "--watch"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let heard = BufReader::new(child.stdout.take().expect("piped"));
        (Watch(child), heard)
    }
}

/// What is heard, as it comes.
fn events(heard: BufReader<ChildStdout>) -> Receiver<Value> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in heard.lines().map_while(Result::ok) {
            let _ = tell.send(serde_json::from_str(&line).unwrap_or(Value::Null));
        }
    });
    told
}

/// The first event that is so: the line that comes first may be it already, where the devices met between two looks.
#[track_caller]
fn await_event(told: &Receiver<Value>, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    loop {
        match told.recv_timeout(PATIENCE) {
            Ok(event) if is_it(&event) => return event,
            Ok(_) => {}
            Err(error) => panic!("waited in vain for {what}: {error}"),
        }
    }
}

#[test]
fn who_watches_hears_who_comes_catches_up_and_goes() {
    let mut office = Shop::found("siege", "Veille", 5);
    office.start(&[]);
    let (_watch, heard) = Watch::of(&office);
    let told = events(heard);
    let mut friend = Shop::join("ami", &office, 5);
    friend.start(&[]);
    let come = await_event(&told, "the friend in step", |peer| peer["connected"] == true && peer["in_step"] == true);
    assert_eq!((&come["device"], &come["shop_id"]), (&json!("ami"), &json!(5)));
    friend.stop();
    let gone = await_event(&told, "the friend away", |peer| peer["connected"] == false);
    assert_eq!((&gone["device"], &gone["in_step"]), (&json!("ami"), &json!(false)));
}

#[test]
fn a_watch_that_nobody_reads_ends() {
    let mut office = Shop::found("siege", "Veille", 5);
    office.start(&[]);
    let (mut watch, heard) = Watch::of(&office);
    drop(heard);
    let mut friend = Shop::join("ami", &office, 5);
    friend.start(&[]);
    let ended = eventually("the watch's end", || {
        watch.0.try_wait().expect("it can be asked").ok_or_else(|| "it goes on".to_owned())
    });
    assert!(ended.success(), "a reader that has gone is no error: {ended:?}");
}

#[test]
fn nothing_is_watched_where_no_node_runs_and_the_store_stays_free() {
    let mut office = Shop::found("siege", "Veille", 5);
    let refused = office.run(&["peers", "--watch"]);
    assert_eq!((refused.code, &refused.error()["code"]), (Some(1), &json!("node_not_running")), "{refused:?}");
    office.start(&[]);
}
