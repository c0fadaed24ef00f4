//! N4: links that break anywhere in a transfer. Nothing is taken in part or twice, and the rest comes with the next link.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use ucash::node::net::{Multiaddr, NetCommand, NetConfig, NetEvent, NetHandle, spawn};

use crate::seats::{Desk, OFFICE, SHOP};

const PATIENCE: Duration = Duration::from_secs(30);

/// A shop's work of a day on each of two devices that do not see each other.
fn two_full_devices() -> (Desk, usize) {
    let mut desk = Desk::found();
    let phone = desk.join(SHOP, "phone");
    desk.hand(OFFICE, phone, "300 USD");
    desk.meet_all();
    for number in 0..6 {
        for (seat, name) in [(OFFICE, "O"), (phone, "P")] {
            let reference = format!("{name}{number}");
            desk.grant(seat, &reference, "10 USD").expect("granted");
            desk.pay(seat, &reference, "4").expect("paid");
        }
    }
    (desk, phone)
}

#[test]
fn n4_a_link_cut_after_any_number_of_frames_loses_and_doubles_nothing() {
    let (mut whole, _) = two_full_devices();
    whole.meet_all();
    let wanted = whole.digest(OFFICE);
    let mut cuts = 0;
    for frames in 0.. {
        let (mut desk, phone) = two_full_devices();
        desk.meet_for(OFFICE, phone, frames);
        for seat in [OFFICE, phone] {
            let status = desk.status(seat);
            assert_eq!((status.waiting, status.set_aside), (0, 0), "after {frames} frames");
            assert!(desk.verify(seat).sound, "after {frames} frames");
        }
        let is_all = desk.digest(OFFICE) == wanted && desk.digest(phone) == wanted;
        desk.reopen(phone);
        desk.meet_all();
        desk.assert_one_state();
        assert_eq!(desk.digest(phone), wanted, "cut after {frames} frames");
        if is_all {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 5, "there were {cuts} places to cut at");
}

async fn node(seed: u8, peers: Vec<Multiaddr>) -> (NetHandle, mpsc::Receiver<NetEvent>) {
    let (sender, events) = mpsc::channel(64);
    let config = NetConfig {
        secret_key: [seed; 32],
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().expect("a well-formed address")],
        peers,
        public: Vec::new(),
        relay: None,
        mdns: false,
        gossip_topics: Vec::new(),
        address_book: None,
    };
    (spawn(config, sender).expect("the network starts"), events)
}

/// Carries so many bytes from `from` to `to`, then ends both.
fn carry(mut from: &TcpStream, mut to: &TcpStream, mut bytes: usize) {
    let mut chunk = [0; 4_096];
    while bytes > 0 {
        let room = chunk.len().min(bytes);
        match from.read(&mut chunk[..room]) {
            Ok(read) if read > 0 && to.write_all(&chunk[..read]).is_ok() => bytes -= read,
            _ => break,
        }
    }
    for socket in [from, to] {
        let _ = socket.shutdown(Shutdown::Both);
    }
}

/// A proxy to that port: its first connection carries so many bytes back and dies, all others are whole.
fn proxy(port: u16, first: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let own = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let mut bytes = first;
        for caller in listener.incoming() {
            let (Ok(caller), Ok(callee)) = (caller, TcpStream::connect(("127.0.0.1", port))) else { return };
            let limit = std::mem::replace(&mut bytes, usize::MAX);
            std::thread::spawn(move || {
                std::thread::scope(|scope| {
                    scope.spawn(|| carry(&caller, &callee, usize::MAX));
                    carry(&callee, &caller, limit);
                });
            });
        }
    });
    own
}

/// Sends the same frames in each session, through a proxy that cuts the first connection; all arrive in the end.
async fn frames_through_a_cut_at(bytes: usize) -> usize {
    let frames: Vec<Vec<u8>> = (0..20_u8).map(|number| vec![number + 1; 500]).collect();
    let seed = u8::try_from(bytes % 97).expect("small");
    let (giver, mut given) = node(100 + seed, Vec::new()).await;
    let address = giver.listening().await.expect("it listens").remove(0).to_string();
    let port: u16 = address.split('/').nth(4).and_then(|port| port.parse().ok()).expect("a port");
    let through = address.replace(&format!("/tcp/{port}"), &format!("/tcp/{}", proxy(port, bytes)));
    let (taker, mut taken) = node(seed + 1, vec![through.parse().expect("an address")]).await;
    let (commands, sent) = (giver.commands.clone(), frames.clone());
    tokio::spawn(async move {
        while let Some(event) = given.recv().await {
            if let NetEvent::Connected { peer, .. } = event {
                for frame in sent.clone() {
                    let _ = commands.send(NetCommand::Send { peer, frame }).await;
                }
            }
        }
    });
    let (mut sessions, mut arrived) = (0, 0);
    while arrived < frames.len() {
        match timeout(PATIENCE, taken.recv()).await.expect("an event in time").expect("the network runs") {
            NetEvent::Connected { .. } => (sessions, arrived) = (sessions + 1, 0),
            NetEvent::Frame { frame, .. } => {
                assert_eq!(frame, frames[arrived], "cut at byte {bytes}: in order, whole, once");
                arrived += 1;
            }
            _ => {}
        }
    }
    drop(taker);
    sessions
}

#[tokio::test]
async fn n4_a_link_cut_at_a_byte_delivers_whole_frames_only_and_the_next_link_all() {
    let at = [0, 1, 63, 300, 1_000, 1_500, 2_500, 4_000, 6_001, 8_002, 9_999, 11_000];
    let all = futures::future::join_all(at.map(frames_through_a_cut_at)).await;
    assert!(all.iter().any(|sessions| *sessions > 1), "some were cut within a session: {all:?}");
    assert!(all.contains(&1), "some were cut before one began: {all:?}");
}
