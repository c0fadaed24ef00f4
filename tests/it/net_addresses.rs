//! Where devices listen and how they find each other: QUIC beside TCP, IPv6, and addresses told by others.

use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;
use ucash::node::net::{Multiaddr, NetCommand, NetConfig, NetEvent, NetHandle, has_ipv6, spawn};

use crate::process::{Shop, eventually, same};

const PATIENCE: Duration = Duration::from_secs(20);

fn config(seed: u8, listen: &[&str], peers: Vec<Multiaddr>) -> NetConfig {
    NetConfig {
        secret_key: [seed; 32],
        listen: listen.iter().map(|address| address.parse().expect("a well-formed address")).collect(),
        peers,
        public: Vec::new(),
        relay: None,
        mdns: false,
        gossip_topics: Vec::new(),
        address_book: None,
    }
}

async fn start(config: NetConfig) -> (NetHandle, mpsc::Receiver<NetEvent>, Vec<Multiaddr>) {
    let (sender, events) = mpsc::channel(64);
    let handle = spawn(config, sender).expect("the network starts");
    let addresses = handle.listening().await.expect("loopback is there");
    (handle, events, addresses)
}

async fn until<T>(events: &mut mpsc::Receiver<NetEvent>, fits: impl Fn(NetEvent) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = fits(events.recv().await.expect("the network runs")) {
                return found;
            }
        }
    };
    timeout(PATIENCE, found).await.expect("an event in time")
}

/// Two nodes meet at that address and exchange a large frame each way.
async fn they_talk_over(listen: &str, seed: u8, part: &str) {
    let (first, mut first_events, addresses) = start(config(seed, &[listen], Vec::new())).await;
    let (second, mut second_events, _) = start(config(seed + 1, &[listen], addresses)).await;
    let connected = |event| match event {
        NetEvent::Connected { address, .. } => Some(address),
        _ => None,
    };
    let address = until(&mut second_events, connected).await.to_string();
    assert!(address.contains(part), "{address} is not over {part}");
    until(&mut first_events, connected).await;
    for (from, to, events) in [(&first, &second, &mut second_events), (&second, &first, &mut first_events)] {
        let frame = vec![7; 1 << 20];
        from.commands.send(NetCommand::Send { peer: to.device, frame: frame.clone() }).await.expect("it runs");
        let got = until(events, |event| match event {
            NetEvent::Frame { frame, .. } => Some(frame),
            _ => None,
        })
        .await;
        assert!(got == frame, "the frame came as it was sent");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_travel_over_quic_and_within_the_process() {
    they_talk_over("/ip4/127.0.0.1/udp/0/quic-v1", 60, "quic-v1").await;
    they_talk_over("/memory/0", 62, "memory").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_travel_over_ipv6() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this host has no IPv6");
        return;
    }
    assert!(has_ipv6());
    they_talk_over("/ip6/::1/tcp/0", 64, "/ip6/::1/tcp").await;
    they_talk_over("/ip6/::1/udp/0/quic-v1", 66, "quic-v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_stand_in_the_order_in_which_their_listeners_were_given() {
    let given = ["/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.2/tcp/0", "/ip4/127.0.0.1/tcp/0"];
    for seed in 68..72 {
        let (_, _, addresses) = start(config(seed, &given, Vec::new())).await;
        let starts = ["/ip4/127.0.0.1/udp/", "/ip4/127.0.0.2/tcp/", "/ip4/127.0.0.1/tcp/"];
        assert_eq!(addresses.len(), starts.len());
        for (address, start) in addresses.iter().zip(starts) {
            assert!(address.to_string().starts_with(start), "{addresses:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_dead_address_among_several_keeps_nobody_from_being_met() {
    let listen = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"];
    let (first, _events, mut addresses) = start(config(72, &listen, Vec::new())).await;
    // Nobody answers at the first one.
    let dead = format!("/ip4/127.0.0.1/udp/1/quic-v1/p2p/{}", first.peer_id);
    addresses.insert(0, dead.parse().expect("a well-formed address"));
    let (_second, mut events, _) = start(config(73, &["/ip4/127.0.0.1/tcp/0"], addresses)).await;
    let met = until(&mut events, |event| match event {
        NetEvent::Connected { peer, .. } => Some(peer),
        _ => None,
    });
    assert_eq!(met.await, first.device);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_is_free_again_once_its_node_has_stopped() {
    for listen in ["/memory/0", "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"] {
        let (first, _events, addresses) = start(config(74, &[listen], Vec::new())).await;
        let place = addresses[0].to_string();
        let place = place.split("/p2p/").next().expect("an address");
        first.stop().await;
        let (_again, _events, addresses) = start(config(74, &[place], Vec::new())).await;
        assert!(addresses[0].to_string().starts_with(place), "{addresses:?} is not {place}");
    }
}

#[test]
fn devices_that_know_one_inviter_find_each_other_and_go_on_without_it() {
    let mut office = Shop::found("A", "addresses", 1);
    office.ok(&["sim", "add", "+243970000001", "--operator", "Airtel", "--initial-usd", "100.00"]);
    office.start(&[]);
    let grant = json!({
        "reference": "R-1", "amount": "10.00", "currency": "USD", "sim": "+243970000001",
        "beneficiary": { "name": "Aimée" },
    });
    assert_eq!(office.face().post("/api/v1/credits", "a", &grant).expect("an answer").status, 201);
    let mut second = Shop::join("B", &office, 1);
    let mut third = Shop::join("C", &office, 1);
    let inviter = office.address();
    second.start(&["--peer", &inviter]);
    third.start(&["--peer", &inviter]);
    let peers = |shop: &Shop| {
        let status = shop.status();
        let peers = status["peers"].as_array().expect("a list");
        peers.iter().filter(|peer| peer["connected"] == true).count()
    };
    for shop in [&second, &third] {
        eventually("B and C are connected directly", || same(peers(shop), 2));
    }
    eventually("C holds the credit", || third.credit("R-1"));
    eventually("B holds the credit", || second.credit("R-1"));
    office.stop();
    for shop in [&second, &third] {
        eventually("the inviter is gone, the other is not", || same(peers(shop), 1));
    }
    let paid = second.ok(&["credit", "pay", "R-1", "--amount", "4.00", "--mode", "cash"]);
    assert_eq!(paid["remaining"], "6.00");
    eventually("C sees the payment", || same(third.credit("R-1")?["remaining"].as_str(), Some("6.00")));
    eventually("B and C show the same", || same(second.digest(), third.digest()));
}
