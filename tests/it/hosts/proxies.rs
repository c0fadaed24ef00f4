//! Two hosts with no way to each other but a proxy of ours, which loses, delays, reorders, doubles and cuts what passes.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::{Cable, Host, among_hosts, grant, has, is_paid, joined_at, office_at, start};
use crate::process::one_digest;

const OFFICE: &str = "203.0.113.30:7071";
const PROXY: &str = "198.51.100.254:7071";
const SEED: u64 = 7;

/// Chance that one seed decides (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What was done to what passed.
#[derive(Default)]
struct Done {
    passed: AtomicU64,
    lost: AtomicU64,
    doubled: AtomicU64,
    overtaken: AtomicU64,
    cut: AtomicU64,
}

impl Done {
    fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// A datagram on its way.
struct Letter {
    bytes: Vec<u8>,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
}

/// Sends datagrams when their time has come; each is named by when, and by the order in which they came.
fn post(done: Arc<Done>) -> mpsc::Sender<((Instant, u64), Letter)> {
    let (sender, told) = mpsc::channel();
    thread::spawn(move || {
        let mut waiting: BTreeMap<(Instant, u64), Letter> = BTreeMap::new();
        let mut newest = 0;
        loop {
            let next = waiting.first_key_value().map(|((at, _), _)| *at);
            let wait = next.map_or(Duration::from_secs(1), |at| at.saturating_duration_since(Instant::now()));
            match told.recv_timeout(wait) {
                Ok((name, letter)) => drop(waiting.insert(name, letter)),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            while let Some(first) = waiting.first_entry().filter(|first| first.key().0 <= Instant::now()) {
                let number = first.key().1;
                if number < newest {
                    done.overtaken.fetch_add(1, Ordering::Relaxed);
                }
                newest = newest.max(number);
                let letter = first.remove();
                let _ = letter.socket.send_to(&letter.bytes, letter.to);
            }
        }
    });
    sender
}

/// Of a hundred datagrams ten are lost and two come twice; each takes 20 to 200 ms, so that they overtake each other.
fn bad_datagrams(done: &Arc<Done>) {
    let near = Arc::new(UdpSocket::bind(PROXY).expect("the port is free"));
    let office: SocketAddr = OFFICE.parse().expect("an address");
    let post = post(Arc::clone(done));
    let chance = Arc::new(Mutex::new(Chance(SEED)));
    let done = Arc::clone(done);
    let treat = move |bytes: &[u8], socket: &Arc<UdpSocket>, to: SocketAddr| {
        let mut chance = chance.lock().expect("not poisoned");
        let number = done.passed.fetch_add(1, Ordering::Relaxed);
        let copies = match chance.below(100) {
            0..10 => {
                done.lost.fetch_add(1, Ordering::Relaxed);
                0
            }
            10..12 => {
                done.doubled.fetch_add(1, Ordering::Relaxed);
                2
            }
            _ => 1,
        };
        for copy in 0..copies {
            let at = Instant::now() + Duration::from_millis(20 + chance.below(180));
            let letter = Letter { bytes: bytes.to_vec(), socket: Arc::clone(socket), to };
            let _ = post.send(((at, number * 2 + copy), letter));
        }
    };
    thread::spawn(move || {
        let mut callers: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
        let mut bytes = [0; 65_536];
        while let Ok((length, from)) = near.recv_from(&mut bytes) {
            let far = callers.entry(from).or_insert_with(|| {
                let far = Arc::new(UdpSocket::bind("0.0.0.0:0").expect("a port"));
                let (back, near, treat) = (Arc::clone(&far), Arc::clone(&near), treat.clone());
                thread::spawn(move || {
                    let mut bytes = [0; 65_536];
                    while let Ok((length, _)) = back.recv_from(&mut bytes) {
                        treat(&bytes[..length], &near, from);
                    }
                });
                far
            });
            treat(&bytes[..length], far, office);
        }
    });
}

/// Carries pieces of a thousand bytes at most, each 1 to 40 ms late, and cuts the connection after so many bytes.
fn trickle(mut from: TcpStream, mut to: TcpStream, mut left: u64, seed: u64, done: &Done) {
    let (mut chance, mut piece) = (Chance(seed), [0; 1_000]);
    loop {
        let length = match from.read(&mut piece) {
            Ok(length) if length > 0 => length,
            _ => break,
        };
        // What is done to what passes, not a wait for anything.
        thread::sleep(Duration::from_millis(1 + chance.below(40)));
        done.passed.fetch_add(length as u64, Ordering::Relaxed);
        left = left.saturating_sub(length as u64);
        if left == 0 {
            done.cut.fetch_add(1, Ordering::Relaxed);
            break;
        }
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Connections that are slow and come to an end, the first after a kilobyte, each later one after half as many again.
fn bad_connections(done: &Arc<Done>) {
    let listener = TcpListener::bind(PROXY).expect("the port is free");
    let done = Arc::clone(done);
    thread::spawn(move || {
        for (number, caller) in listener.incoming().enumerate() {
            let (Ok(caller), Ok(callee)) = (caller, TcpStream::connect(OFFICE)) else { continue };
            let bytes = (0..number.min(30)).fold(1_000, |bytes, _| bytes + bytes / 2);
            let ends = [(&caller, &callee), (&callee, &caller)].map(|(from, to)| (from.try_clone(), to.try_clone()));
            for (way, ends) in ends.into_iter().enumerate() {
                let (Ok(from), Ok(to)) = ends else { continue };
                let done = Arc::clone(&done);
                let seed = SEED + (number * 2 + way) as u64;
                thread::spawn(move || trickle(from, to, bytes, seed, &done));
            }
        }
    });
}

/// A head office and a till that know the proxy only; they work on both sides, and come to one state.
fn through(proxy: fn(&Arc<Done>), transport: &str) -> Arc<Done> {
    super::shell(
        &[],
        "ip link add other type bridge; ip link set other up; \
        ip addr add 203.0.113.254/24 dev inet; ip addr add 198.51.100.254/24 dev other",
    );
    let (desk, counter) = (Host::new(), Host::new());
    let _desk_cable = Cable::lay(Vec::new(), "inet", &desk, "eth0", "203.0.113.30");
    let _cable = Cable::lay(Vec::new(), "other", &counter, "eth0", "198.51.100.40");
    let mut office = office_at(&desk, &["--no-mdns"]);
    let mut till = joined_at("guichet", &office, (&desk, &counter), &[]);
    office.stop();
    let done = Arc::new(Done::default());
    proxy(&done);
    let listen = transport.replace("PORT", "7071");
    for (shop, more) in
        [(&mut office, vec![]), (&mut till, vec!["--peer".to_owned(), format!("/ip4/198.51.100.254{listen}")])]
    {
        let own = ["--no-mdns".to_owned(), "--listen".to_owned(), format!("/ip4/0.0.0.0{listen}")];
        let words = [&own[..], &more].concat();
        start(shop, "start", &words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    (0..20).for_each(|number| grant(&office, &format!("A-{number}")));
    for number in 0..20 {
        let reference = format!("A-{number}");
        has(&till, &reference);
        till.ok(&["credit", "pay", &reference, "--amount", "2.50"]);
        office.ok(&["credit", "pay", &reference, "--amount", "1.25"]);
    }
    for shop in [&office, &till] {
        (0..20).for_each(|number| is_paid(shop, &format!("A-{number}"), "3.75"));
    }
    one_digest(&[&office, &till]);
    [&office, &till].into_iter().for_each(|shop| shop.assert_sound());
    done
}

#[test]
fn datagrams_that_are_lost_late_doubled_and_out_of_order_bring_everything_once() {
    among_hosts("hosts::proxies::datagrams_that_are_lost_late_doubled_and_out_of_order_bring_everything_once", || {
        let done = through(bad_datagrams, "/udp/PORT/quic-v1");
        for (what, count) in [("lost", &done.lost), ("doubled", &done.doubled), ("overtaken", &done.overtaken)] {
            let (count, all) = (Done::get(count), Done::get(&done.passed));
            println!("{count} of {all} datagrams {what}");
            assert!(count > 0, "{what}");
        }
    });
}

#[test]
fn connections_that_trickle_and_are_cut_bring_everything_once() {
    among_hosts("hosts::proxies::connections_that_trickle_and_are_cut_bring_everything_once", || {
        let done = through(bad_connections, "/tcp/PORT");
        let (cut, bytes) = (Done::get(&done.cut), Done::get(&done.passed));
        println!("{bytes} bytes over connections of which {cut} were cut");
        assert!(cut >= 3, "{cut} cut");
    });
}
