//! A storm of false announcements on the local network: ten thousand devices that are not there, over real UDP.
//!
//! The test runs itself again in a network namespace of its own, where it may make an interface and disturbs nobody.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use libp2p::identity;
use tokio::sync::mpsc;
use tokio::time::timeout;
use ucash::node::net::{NetConfig, NetEvent, NetHandle, spawn};

use crate::namespace::{again_in_a_namespace, is_in_its_namespace};

const NAME: &str = "net_storm::ten_thousand_devices_that_are_not_there";
/// One interface with two addresses: where the nodes listen, and where the storm comes from.
const SETUP: &str = "ip link set lo up && ip link add storm0 type veth peer name storm1 && ip link set storm1 up \
    && ip link set storm0 up && ip addr add 10.99.0.1/24 dev storm0 && ip addr add 10.99.0.2/24 dev storm0 \
    && ip route add 224.0.0.0/4 dev storm0";

const FALSE_DEVICES: u64 = 10_000;
/// What the process may grow by. Fault N7 allows 20 MB; tables without bound take 18 here, those with bounds 9 to 12.
const GROWTH_MAX_KB: u64 = 15 << 10;
/// Two dials a tick, four ticks a second (fault N7).
const DIALS_A_SECOND_MAX: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn ten_thousand_devices_that_are_not_there() {
    if is_in_its_namespace() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        return runtime.expect("threads").block_on(storm());
    }
    again_in_a_namespace(NAME, SETUP);
}

fn start(seed: u8) -> (NetHandle, mpsc::Receiver<NetEvent>) {
    let (sender, events) = mpsc::channel(64);
    let config = NetConfig {
        secret_key: [seed; 32],
        listen: vec!["/ip4/10.99.0.1/tcp/0".parse().expect("a well-formed address")],
        peers: Vec::new(),
        public: Vec::new(),
        relay: None,
        mdns: true,
        gossip_topics: Vec::new(),
        address_book: None,
    };
    (spawn(config, sender).expect("the network starts"), events)
}

async fn storm() {
    let (first, mut first_events) = start(1);
    first.listening().await.expect("it listens");
    // Whoever dials a false device is let in by the system, and never hears anything.
    let silent = TcpListener::bind("10.99.0.2:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let liar = UdpSocket::bind("10.99.0.2:0").expect("a socket");
    let everyone: SocketAddr = "224.0.0.251:5353".parse().expect("mDNS's group");

    let (before, begun) = (resident_kb(), Instant::now());
    let mut announced = 0;
    let mut second = None;
    while first.counters().finds < FALSE_DEVICES {
        // Packets that are not taken are lost: so many at a time as the system's buffer holds, until enough have come.
        let wanted = (first.counters().finds + 50).min(FALSE_DEVICES);
        for _ in 0..50 {
            let packet = announcement(announced, port);
            announced += 1;
            liar.send_to(&packet, everyone).expect("sent");
        }
        let taken = async {
            while first.counters().finds < wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = timeout(Duration::from_millis(200), taken).await;
        assert!(begun.elapsed() < PATIENCE, "{} finds of {announced}", first.counters().finds);
        // In the midst of it a real device comes.
        if announced > FALSE_DEVICES / 2 && second.is_none() {
            second = Some(start(2));
        }
    }
    let (second, mut second_events) = second.expect("started");
    for node in [&first, &second] {
        dials_are_few(node, begun);
    }
    for (events, other) in [(&mut first_events, second.device), (&mut second_events, first.device)] {
        let met =
            async { while !matches!(events.recv().await, Some(NetEvent::Connected { peer, .. }) if peer == other) {} };
        timeout(PATIENCE, met).await.expect("the real ones meet");
    }
    for node in [&first, &second] {
        assert!(dials_are_few(node, begun) > 0, "nobody dialled anybody");
    }
    let growth = resident_kb().saturating_sub(before);
    println!("{announced} announced; the process grew by {growth} kB");
    assert!(growth < GROWTH_MAX_KB, "{growth} kB");
}

/// However slow the machine is, there are no more dials than the time allows.
fn dials_are_few(node: &NetHandle, begun: Instant) -> u64 {
    let (counters, seconds) = (node.counters(), begun.elapsed().as_secs() + 1);
    println!("{} finds, {} dials in {:.1?}", counters.finds, counters.dials, begun.elapsed());
    assert!(counters.dials <= seconds * DIALS_A_SECOND_MAX, "{} dials in {seconds} s", counters.dials);
    counters.dials
}

/// An answer of mDNS that names one device, as libp2p writes it (RFC 1035, RFC 6762, libp2p's mDNS specification).
fn announcement(number: u64, port: u16) -> Vec<u8> {
    let mut seed = [9; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    let key = identity::Keypair::ed25519_from_bytes(seed).expect("a key");
    let text = format!("dnsaddr=/ip4/10.99.0.2/tcp/{port}/p2p/{}", key.public().to_peer_id());
    let labels = |name: &[&str]| {
        let mut bytes: Vec<u8> =
            name.iter().flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
        bytes.push(0);
        bytes
    };
    let service = labels(&["_p2p", "_udp", "local"]);
    let device = labels(&[&format!("device{number}"), "_p2p", "_udp", "local"]);
    let record = |name: &[u8], kind: u16, data: &[u8]| {
        let length = data.len() as u16;
        let fixed =
            [&kind.to_be_bytes()[..], &1u16.to_be_bytes(), &300u32.to_be_bytes(), &length.to_be_bytes()].concat();
        [name, &fixed, data].concat()
    };
    const PTR: u16 = 12;
    const TXT: u16 = 16;
    // No question, one answer, no authority, one additional record.
    let header = [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    let text = [&[text.len() as u8], text.as_bytes()].concat();
    [&header[..], &record(&service, PTR, &device), &record(&device, TXT, &text)].concat()
}

/// What the system says this process holds in memory.
fn resident_kb() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("this is Linux: there are namespaces");
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("it says so");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number")
}
