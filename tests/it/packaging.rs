//! What is installed beside the program: dashboards and rules name numbers that there are, and a service manager restarts
//! a relay without a request that fails.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::process::{Shop, eventually};

fn file(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The words of a text that are names of our numbers.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let words = text.split(|letter| !is_part(letter));
    words.filter(|word| word.starts_with("ucash_")).map(str::to_owned).collect()
}

/// A family that is served only once something of it has happened: no node was cut off here.
const ONLY_WHEN_IT_HAPPENED: &str = "ucash_bans_total";

/// The families that two nodes in contact serve, by the names under which Prometheus keeps their samples.
fn served() -> BTreeSet<String> {
    let mut office = Shop::found("siege", "Nombres", 1);
    office.start(&[]);
    office.ok(&["sim", "add", "+243971777631", "--operator", "Airtel", "--initial-usd", "10"]);
    let mut till = Shop::join("guichet", &office, 1);
    till.start(&["--peer", &office.address()]);
    eventually("the first comparison", || {
        let answer = office.face().request("GET", "/metrics", &[], None)?;
        let families = answer.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let mut names = BTreeSet::from([ONLY_WHEN_IT_HAPPENED.to_owned()]);
        for (name, kind) in families.filter_map(|line| line.split_once(' ')) {
            let suffixes: &[&str] = match kind {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                "info" => &["_info"],
                _ => &[""],
            };
            names.extend(suffixes.iter().map(|suffix| format!("{name}{suffix}")));
        }
        let is_whole =
            names.contains("ucash_clock_offset_seconds") && names.contains("ucash_last_sync_timestamp_seconds");
        if is_whole { Ok(names) } else { Err(format!("{names:?}")) }
    })
}

#[test]
fn dashboards_rules_and_the_handbook_name_the_numbers_that_there_are() {
    let served = served();
    for name in ["packaging/grafana-dashboard.json", "packaging/alerts.yml", "packaging/alerts_test.yml"] {
        let text = file(name);
        let unknown: Vec<_> = named(&text).into_iter().filter(|word| !served.contains(word)).collect();
        assert!(unknown.is_empty(), "{name} names {unknown:?}, which no node serves");
        assert!(!named(&text).is_empty(), "{name} names none");
    }
    let dashboard: serde_json::Value = serde_json::from_str(&file("packaging/grafana-dashboard.json")).expect("JSON");
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() > 10));
    let handbook = named(&file("docs/operations.md"));
    let base = |name: &str| {
        let ends = ["_total", "_bucket", "_sum", "_count", "_info"];
        ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    };
    let told: BTreeSet<String> = handbook.iter().map(|name| base(name)).collect();
    let untold: BTreeSet<String> = served.iter().map(|name| base(name)).filter(|name| !told.contains(name)).collect();
    assert!(untold.is_empty(), "docs/operations.md does not tell of {untold:?}");
    let invented: Vec<_> = handbook
        .iter()
        .filter(|name| !served.contains(*name) && !served.iter().any(|one| base(one) == **name))
        .collect();
    assert!(invented.is_empty(), "docs/operations.md tells of {invented:?}, which no node serves");
}

/// A process that does not outlive its test.
struct Managed(Child);

impl Drop for Managed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program as a service manager starts it: with a listening socket as file 3.
fn managed(shop: &Shop, socket: &TcpListener) -> Managed {
    let socket = OwnedFd::from(socket.try_clone().expect("a second handle"));
    let mut command = Command::new("sh");
    command.args(["-c", "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_ucash")).arg("--data").arg(shop.directory());
    command.args(["--json", "relay", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"]);
    command.stdin(Stdio::from(socket)).stdout(Stdio::null()).stderr(Stdio::null());
    Managed(command.spawn().expect("the program starts"))
}

/// One request on a connection of its own.
fn ask(address: SocketAddr) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(address).map_err(told)?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(told)?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").map_err(told)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(told)?;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(format!("{answer:?}")) }
}

#[test]
fn a_relay_is_restarted_without_a_request_that_fails() {
    let shop = Shop::found("relais", "Relève", 1);
    let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("its address");
    let mut relay = managed(&shop, &socket);
    let (is_over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let askers: Vec<_> = (0..4)
        .map(|_| {
            let (is_over, asked) = (Arc::clone(&is_over), Arc::clone(&asked));
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    ask(address)?;
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), String>(())
            })
        })
        .collect();
    for round in 1..=3_u64 {
        let so_far = asked.load(Ordering::Relaxed);
        eventually("requests are answered", || {
            if asked.load(Ordering::Relaxed) > so_far + 20 { Ok(()) } else { Err(format!("in round {round}")) }
        });
        let id = relay.0.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(told.success());
        let ended = relay.0.wait().expect("it ends");
        assert!(ended.success(), "round {round}: {ended}");
        relay = managed(&shop, &socket);
    }
    let so_far = asked.load(Ordering::Relaxed);
    eventually("the last one answers", || {
        if asked.load(Ordering::Relaxed) > so_far { Ok(()) } else { Err("not yet".to_owned()) }
    });
    is_over.store(true, Ordering::Relaxed);
    for asker in askers {
        asker.join().expect("an asker ends").expect("no request fails");
    }
}

#[test]
fn a_socket_that_others_can_reach_is_served_in_the_clear_only_when_that_is_said() {
    let shop = Shop::found("relais", "Ouvert", 1);
    let socket = TcpListener::bind("0.0.0.0:0").expect("a socket");
    let mut relay = managed(&shop, &socket);
    let ended = relay.0.wait().expect("it ends");
    assert_eq!(ended.code(), Some(1), "whatever the setting `http` says");
}
