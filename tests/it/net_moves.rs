//! Devices whose addresses change: interfaces that come and go, another address after a restart.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use ucash::node::net::{Multiaddr, NetCommand, NetConfig, NetEvent, NetHandle, spawn};

use crate::many_nodes::crowd::Crowd;
use crate::namespace::{again_in_a_namespace, is_in_its_namespace};

const PATIENCE: Duration = Duration::from_secs(60);

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waits = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waits).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

fn names(book: &Path, part: &str) -> bool {
    std::fs::read_to_string(book).is_ok_and(|book| book.contains(part))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_has_another_address_after_a_restart_is_found_by_who_never_knew_it() {
    // The last dials the one in the middle only, and has forgotten whom else it met.
    let mut crowd = Crowd::gather(3, "/ip4/127.0.0.1/tcp/0", Duration::from_secs(30)).await.expect("a crowd");
    for place in 0..3 {
        crowd.start(place).await.expect("it starts");
    }
    let moved = crowd.status(2).await.expect("it answers").device_key;
    let is_met = async |crowd: &Crowd| {
        let peers = crowd.status(0).await.expect("it answers").peers;
        peers.iter().any(|peer| peer.device_key == moved && peer.connected)
    };
    until("the first and the last have met", async || is_met(&crowd).await).await;

    crowd.stop(2).await;
    until("the first has noticed", async || !is_met(&crowd).await).await;
    let book = crowd.directory(0).join("peers.json");
    assert!(!names(&book, "/ip4/127.0.0.2/"), "nobody has heard of that address");
    std::fs::remove_file(crowd.directory(2).join("peers.json")).expect("a book");
    crowd.addresses[2] = "/ip4/127.0.0.2/tcp/0".parse().expect("a well-formed address");
    crowd.start(2).await.expect("it starts elsewhere");
    until("they have met again", async || is_met(&crowd).await).await;
    until("the first knows where", async || names(&book, "/ip4/127.0.0.2/tcp/")).await;

    crowd.pay(2, 0).await.expect("paid");
    until("both show the same", async || crowd.states([0, 2].into_iter()).await.expect("they answer").len() == 1).await;
    crowd.disperse().await;
}

const NAME: &str = "net_moves::a_device_is_found_where_it_is_now_as_its_interfaces_come_and_go";
/// One interface with an address that will go; another comes later.
const SETUP: &str = "ip link set lo up && ip link add old type veth peer name old1 && ip link set old1 up \
    && ip link set old up && ip addr add 10.98.0.1/24 dev old \
    && ip link add new type veth peer name new1 && ip link set new1 up && ip link set new up";

#[test]
fn a_device_is_found_where_it_is_now_as_its_interfaces_come_and_go() {
    if is_in_its_namespace() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        return runtime.expect("threads").block_on(interfaces_come_and_go());
    }
    again_in_a_namespace(NAME, SETUP);
}

fn start(seed: u8, listen: &str, peers: Vec<Multiaddr>, book: Option<&Path>) -> (NetHandle, mpsc::Receiver<NetEvent>) {
    let (sender, events) = mpsc::channel(64);
    let config = NetConfig {
        secret_key: [seed; 32],
        listen: vec![listen.parse().expect("a well-formed address")],
        peers,
        public: Vec::new(),
        relay: None,
        mdns: false,
        gossip_topics: Vec::new(),
        address_book: book.map(Path::to_owned),
    };
    (spawn(config, sender).expect("the network starts"), events)
}

/// Waits for a session that this side began, and answers where the other is.
async fn connected(events: &mut mpsc::Receiver<NetEvent>) -> String {
    let met = async {
        loop {
            if let Some(NetEvent::Connected { address, outbound: true, .. }) = events.recv().await {
                return address.to_string();
            }
        }
    };
    timeout(PATIENCE, met).await.expect("they meet")
}

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status();
    assert!(status.is_ok_and(|status| status.success()), "ip {words}");
}

async fn interfaces_come_and_go() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let book = home.path().join("peers.json");
    let (mover, mut mover_events) = start(1, "/ip4/0.0.0.0/tcp/0", Vec::new(), None);
    tokio::spawn(async move { while mover_events.recv().await.is_some() {} });
    let known = mover.listening().await.expect("it listens");
    let old: Vec<Multiaddr> = known.into_iter().filter(|known| known.to_string().contains("/10.98.0.1/")).collect();
    assert_eq!(old.len(), 1, "the interface is listed");
    let (other, mut events) = start(2, "/ip4/127.0.0.2/tcp/0", old, Some(&book));
    assert!(connected(&mut events).await.contains("/10.98.0.1/"));
    other.commands.send(NetCommand::Trust { peer: mover.device }).await.expect("it runs");

    ip("addr add 10.97.0.1/24 dev new");
    let shown = mover.addresses();
    let is_shown = |part: &str| shown().iter().any(|address| address.to_string().contains(part));
    until("both interfaces are listed", async || is_shown("/10.97.0.1/") && is_shown("/10.98.0.1/")).await;
    until("the other has been told", async || names(&book, "/ip4/10.97.0.1/tcp/")).await;

    ip("addr del 10.98.0.1/24 dev old");
    until("the old one is listed no more", async || !is_shown("/10.98.0.1/")).await;
    assert!(is_shown("/10.97.0.1/"));
    other.stop().await;
    let (_other, mut events) = start(2, "/ip4/127.0.0.2/tcp/0", Vec::new(), Some(&book));
    assert!(connected(&mut events).await.contains("/10.97.0.1/"), "it is found where it is now");
}
