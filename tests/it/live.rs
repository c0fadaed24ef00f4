//! Events of real nodes: what is done on one device is heard at another's face, without asking.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};

use crate::process::{PATIENCE, Shop};

const SIM: &str = "+243970000001";

/// The events of a node's face, name and data, until it ends.
fn listen(http: &str) -> Receiver<(String, Value)> {
    let mut stream = TcpStream::connect(http).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {http}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("written");
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().expect("an answer").expect("a line");
    assert!(first.starts_with("HTTP/1.1 200 "), "{first}");
    // The beginning is written once the stream is followed: what happens from here on is heard.
    let began = lines.by_ref().find(|line| line.as_ref().is_ok_and(|line| line == ": ucash"));
    assert!(began.is_some(), "a beginning");
    let (hears, heard) = channel();
    thread::spawn(move || {
        let mut name = String::new();
        for line in lines.map_while(Result::ok) {
            if let Some(event) = line.strip_prefix("event: ") {
                name = event.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                let _ = hears.send((name.clone(), serde_json::from_str(data).expect("JSON")));
            }
        }
    });
    heard
}

/// Waits for that event.
#[track_caller]
fn hear(heard: &Receiver<(String, Value)>, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
    loop {
        let (found, data) = heard.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no {name}: {error}"));
        if found == name && fits(&data) {
            return data;
        }
    }
}

#[test]
fn what_one_device_does_is_heard_at_another() {
    let mut counter = Shop::found("comptoir", "Réseau", 1);
    counter.start(&["--sync-every", "1s"]);
    let heard = listen(&counter.http());
    let sim = json!({"sim": SIM, "operator": "Airtel", "initial": {"USD": "500"}});
    let made = counter.face().post("/api/v1/sims", "k-sim", &sim).expect("an answer");
    assert_eq!(made.status, 201, "{made:?}");
    hear(&heard, "balance", |data| *data == json!({"sim": SIM, "shop_id": 1}));
    let credit = json!({"reference": "C-1", "amount": "20", "currency": "USD", "sim": SIM,
        "beneficiary": {"name": "Amani"}});
    let made = counter.face().post("/api/v1/credits", "k-credit", &credit).expect("an answer");
    let id = made.json()["id"].clone();
    hear(&heard, "credit", |data| *data == json!({"id": id, "shop_id": 1}));

    let mut phone = Shop::join("téléphone", &counter, 1);
    phone.start(&["--sync-every", "1s", "--peer", &counter.address()]);
    let key = phone.status()["device_key"].clone();
    hear(&heard, "peer", |data| data["device_key"] == key && data["connected"] == true && data["shop_id"] == 1);
    hear(&heard, "sync", |data| data["device_key"] == key);
    crate::process::eventually("the credit", || phone.credit("C-1"));
    let paid = phone.face().post("/api/v1/credits/C-1/payments", "k-paid", &json!({"amount": "5"})).expect("an answer");
    assert_eq!(paid.status, 201, "{paid:?}");
    hear(&heard, "credit", |data| data["id"] == id);
    assert_eq!(counter.credit("C-1").expect("known")["paid"], "5.00", "it was told after it was there");
    phone.stop();
    hear(&heard, "peer", |data| data["device_key"] == key && data["connected"] == false);
    // A stream that is open does not keep a node from ending.
    assert!(counter.stop().success());
}
