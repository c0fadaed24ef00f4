//! The network layer over real loopback sockets, several nodes in one process.
//!
//! Nothing here sleeps for luck: every step waits for an event, with a generous end.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use ucash::model::DeviceKey;
use ucash::node::net::limits::{FRAME_BYTES_MAX, OUTBOX_BYTES_MAX};
use ucash::node::net::{Multiaddr, NetCommand, NetConfig, NetError, NetEvent, NetHandle, spawn};

/// The end of every wait. Nothing here takes a tenth of it on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct Node {
    handle: NetHandle,
    events: mpsc::Receiver<NetEvent>,
    addresses: Vec<Multiaddr>,
}

fn config(seed: u8, peers: &[&Node]) -> NetConfig {
    NetConfig {
        secret_key: [seed; 32],
        listen: vec![any_port()],
        peers: peers.iter().map(|peer| peer.address()).collect(),
        public: Vec::new(),
        relay: None,
        mdns: false,
        gossip_topics: vec!["hints".into()],
        address_book: None,
    }
}

fn any_port() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().expect("a well-formed address")
}

/// An address without the `/p2p/` end.
fn bare(address: &Multiaddr) -> Multiaddr {
    let text = address.to_string();
    let end = text.find("/p2p/").unwrap_or(text.len());
    text[..end].parse().expect("a well-formed address")
}

async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

async fn start(config: NetConfig) -> Node {
    start_with_room(config, 64).await
}

async fn start_with_room(config: NetConfig, room: usize) -> Node {
    let (sender, events) = mpsc::channel(room);
    let handle = spawn(config, sender).expect("the network starts");
    let addresses = handle.listening().await.expect("loopback is there");
    Node { handle, events, addresses }
}

impl Node {
    fn device(&self) -> DeviceKey {
        self.handle.device
    }

    fn address(&self) -> Multiaddr {
        self.addresses[0].clone()
    }

    async fn tell(&self, command: NetCommand) {
        self.handle.commands.send(command).await.expect("the network runs");
    }

    async fn send(&self, peer: DeviceKey, frame: Vec<u8>) {
        self.tell(NetCommand::Send { peer, frame }).await;
    }

    async fn trust(&self, peer: DeviceKey) {
        self.tell(NetCommand::Trust { peer }).await;
    }

    /// Skips events until one fits.
    async fn until<T>(&mut self, what: &str, fits: impl Fn(&NetEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the network runs");
                if let Some(found) = fits(&event) {
                    return found;
                }
            }
        };
        patiently(what, found).await
    }

    async fn connected(&mut self, to: DeviceKey) -> bool {
        self.until("Connected", |event| match event {
            NetEvent::Connected { peer, outbound, .. } if *peer == to => Some(*outbound),
            _ => None,
        })
        .await
    }

    async fn disconnected(&mut self, from: DeviceKey) {
        self.until("Disconnected", |event| (*event == NetEvent::Disconnected { peer: from }).then_some(())).await;
    }

    async fn frame(&mut self, from: DeviceKey) -> Vec<u8> {
        self.until("a frame", |event| match event {
            NetEvent::Frame { peer, frame } if *peer == from => Some(frame.clone()),
            _ => None,
        })
        .await
    }

    async fn gossip(&mut self) -> (NetCommand, Vec<u8>) {
        self.until("gossip", |event| match event {
            NetEvent::Gossip { id, bytes, .. } => {
                Some((NetCommand::JudgeGossip { id: id.clone(), accept: true }, bytes.clone()))
            }
            _ => None,
        })
        .await
    }
}

fn publish(bytes: Vec<u8>) -> NetCommand {
    NetCommand::Publish { topic: "hints".into(), bytes }
}

async fn pair(seed: u8) -> (Node, Node) {
    let mut first = start(config(seed, &[])).await;
    let mut second = start(config(seed + 1, &[&first])).await;
    assert!(second.connected(first.device()).await, "the one with the address dials");
    assert!(!first.connected(second.device()).await);
    (first, second)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_go_both_ways_in_order() {
    let (mut first, mut second) = pair(10).await;
    let sizes = [1, 7, FRAME_BYTES_MAX - 1, 2, FRAME_BYTES_MAX, 3];
    for (number, size) in sizes.into_iter().enumerate() {
        first.send(second.device(), vec![number as u8; size]).await;
        second.send(first.device(), vec![100 + number as u8; size]).await;
    }
    for (number, size) in sizes.into_iter().enumerate() {
        assert!(second.frame(first.device()).await == vec![number as u8; size], "frame {number} of the first");
        assert!(first.frame(second.device()).await == vec![100 + number as u8; size], "frame {number} of the second");
    }
    for number in 0..1000u32 {
        first.send(second.device(), number.to_be_bytes().to_vec()).await;
    }
    for number in 0..1000u32 {
        assert_eq!(second.frame(first.device()).await, number.to_be_bytes());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_too_large_ends_the_session_and_is_never_delivered() {
    let (mut first, mut second) = pair(20).await;
    first.send(second.device(), vec![1]).await;
    assert_eq!(second.frame(first.device()).await, [1]);
    first.send(second.device(), vec![2; FRAME_BYTES_MAX + 1]).await;
    first.disconnected(second.device()).await;
    second.disconnected(first.device()).await;
    // The configured peer comes back, and the next frame is the next that was sent.
    first.connected(second.device()).await;
    second.connected(first.device()).await;
    first.send(second.device(), vec![3]).await;
    assert_eq!(second.frame(first.device()).await, [3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_is_not_forwarded_until_it_is_judged() {
    let (first, mut middle) = pair(30).await;
    let mut last = start(config(32, &[&middle])).await;
    last.connected(middle.device()).await;
    middle.connected(last.device()).await;
    // Subscriptions travel after the connection; a hint that nobody can hear yet is no error.
    let warm_up = async {
        for number in 0u32.. {
            first.tell(publish(format!("warm-up {number}").into())).await;
            if let Ok((judge, _)) = timeout(Duration::from_millis(200), middle.gossip()).await {
                middle.tell(judge).await;
                if timeout(Duration::from_millis(200), last.gossip()).await.is_ok() {
                    break;
                }
            }
        }
    };
    patiently("the first gossip", warm_up).await;

    let bytes = |name: &str| name.as_bytes().to_vec();
    first.tell(publish(bytes("held back"))).await;
    first.tell(publish(bytes("let through"))).await;
    let mut judge_held_back = None;
    let mut judge_let_through = None;
    while judge_held_back.is_none() || judge_let_through.is_none() {
        match middle.gossip().await {
            (judge, bytes) if bytes == b"held back" => judge_held_back = Some(judge),
            (judge, bytes) if bytes == b"let through" => judge_let_through = Some(judge),
            _ => {}
        }
    }
    middle.tell(judge_let_through.expect("it came")).await;
    assert_eq!(next_hint(&mut last).await, b"let through", "what was not judged did not come first");
    middle.tell(judge_held_back.expect("it came")).await;
    assert_eq!(next_hint(&mut last).await, b"held back");
}

async fn next_hint(node: &mut Node) -> Vec<u8> {
    loop {
        let (_, bytes) = node.gossip().await;
        if !bytes.starts_with(b"warm-up") {
            return bytes;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_restarts_on_its_port_is_met_again_soon() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("peers.json");
    let mut first = start(NetConfig { address_book: Some(path.clone()), ..config(40, &[]) }).await;
    let mut second = start(config(41, &[&first])).await;
    second.connected(first.device()).await;
    first.connected(second.device()).await;
    let (device, port) = (second.device(), bare(&second.address()));
    // The first has met the second as a caller only: it learns where the second listens soon after the connection,
    // and trusting it is what makes it dial. The book tells when it knows.
    first.trust(device).await;
    let known = async {
        while !std::fs::read_to_string(&path).is_ok_and(|book| book.contains(&port.to_string())) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    patiently("the address in the book", known).await;
    first.send(device, vec![1]).await;
    second.frame(first.device()).await;
    second.handle.stop().await;
    first.disconnected(device).await;
    let mut again = start(NetConfig { listen: vec![port], ..config(41, &[]) }).await;
    let back = Instant::now();
    first.connected(device).await;
    again.connected(first.device()).await;
    assert!(back.elapsed() < Duration::from_secs(5), "it took {:?}", back.elapsed());
    first.send(device, vec![2]).await;
    assert_eq!(again.frame(first.device()).await, [2]);
    again.send(first.device(), vec![3]).await;
    assert_eq!(first.frame(device).await, [3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configured_address_needs_no_key_and_its_key_may_change() {
    let first = start(config(50, &[])).await;
    let port = bare(&first.address());
    let mut dialer = start(NetConfig { peers: vec![port.clone()], ..config(51, &[]) }).await;
    dialer.connected(first.device()).await;
    let gone = first.device();
    first.handle.stop().await;
    dialer.disconnected(gone).await;
    let other = start(NetConfig { listen: vec![port], ..config(52, &[]) }).await;
    dialer.connected(other.device()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_holds_both_ways_and_ends() {
    let (mut first, mut second) = pair(60).await;
    first.tell(NetCommand::Ban { peer: second.device(), for_: Duration::from_secs(3) }).await;
    let banned = Instant::now();
    first.disconnected(second.device()).await;
    // The second goes on dialling, and a third comes meanwhile: the ban is about one peer only.
    let mut third = start(config(62, &[&first])).await;
    third.connected(first.device()).await;
    first
        .until("the third", |event| {
            matches!(event, NetEvent::Connected { peer, .. } if *peer == third.device()).then_some(())
        })
        .await;
    // Asked to dial it, the first does not do that either.
    first.tell(NetCommand::Dial { addresses: vec![second.address()] }).await;
    first.connected(second.device()).await;
    assert!(banned.elapsed() >= Duration::from_secs(3), "accepted after {:?}", banned.elapsed());
    second.disconnected(first.device()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_never_reads_slows_no_other() {
    let mut sender = start(config(70, &[])).await;
    // Its events are never taken, so that its reader stops, its window closes, and the sender's queue fills.
    let stuck = start_with_room(config(71, &[&sender]), 1).await;
    let mut honest = start(config(72, &[&sender])).await;
    let (mut seen_stuck, mut seen_honest) = (false, false);
    while !(seen_stuck && seen_honest) {
        let met = sender
            .until("both peers", |event| match event {
                NetEvent::Connected { peer, .. } => Some(*peer),
                _ => None,
            })
            .await;
        seen_stuck |= met == stuck.device();
        seen_honest |= met == honest.device();
    }
    for _ in 0..OUTBOX_BYTES_MAX / FRAME_BYTES_MAX - 1 {
        sender.send(stuck.device(), vec![0; FRAME_BYTES_MAX]).await;
    }
    for number in 0..100u8 {
        sender.send(honest.device(), vec![number; 1000]).await;
        assert_eq!(honest.frame(sender.device()).await, vec![number; 1000]);
    }
    // Beyond its bound the queue costs the stuck peer its session, and again nobody else.
    let (stuck_device, counters) = (stuck.device(), sender.handle.counters());
    assert_eq!(counters.outboxes_full, 0);
    for _ in 0..OUTBOX_BYTES_MAX / FRAME_BYTES_MAX * 2 {
        sender.send(stuck_device, vec![0; FRAME_BYTES_MAX]).await;
    }
    sender.disconnected(stuck_device).await;
    assert!(sender.handle.counters().outboxes_full > 0);
    sender.send(honest.device(), vec![9]).await;
    assert_eq!(honest.frame(sender.device()).await, [9]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_book_survives_a_restart_and_damage() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path: PathBuf = directory.path().join("peers.json");
    let with_book = |config: NetConfig| NetConfig { address_book: Some(path.clone()), ..config };
    let mut other = start(config(80, &[])).await;
    let mut keeper = start(with_book(config(81, &[&other]))).await;
    keeper.connected(other.device()).await;
    other.connected(keeper.device()).await;
    keeper.trust(other.device()).await;
    let keeper_device = keeper.device();
    keeper.handle.stop().await;
    other.disconnected(keeper_device).await;

    let mut again = start(with_book(config(81, &[]))).await;
    assert!(again.connected(other.device()).await, "it was dialled, from the book alone");
    again.handle.stop().await;

    std::fs::write(&path, b"{ damaged").expect("a writable directory");
    let mut damaged = start(with_book(config(81, &[]))).await;
    damaged.tell(NetCommand::Dial { addresses: vec![other.address()] }).await;
    damaged.connected(other.device()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unusable_listen_address_is_refused_by_name() {
    let first = start(config(90, &[])).await;
    let refused = |listen: Multiaddr| {
        let (events, _receiver) = mpsc::channel(1);
        spawn(NetConfig { listen: vec![listen], ..config(91, &[]) }, events).err()
    };
    assert!(matches!(refused(bare(&first.address())), Some(NetError::Listen { .. })), "in use, by one of ours even");
    let foreign = "/ip4/203.0.113.1/tcp/0".parse().expect("a well-formed address");
    assert!(matches!(refused(foreign), Some(NetError::Listen { .. })), "not an address of this machine");
    let datagrams = "/ip4/127.0.0.1/udp/0".parse().expect("a well-formed address");
    assert!(matches!(refused(datagrams), Some(NetError::ListenAddress { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_dials_itself_and_failures_are_told() {
    let mut first = start(config(95, &[])).await;
    let own = bare(&first.address());
    let second = start(config(96, &[])).await;
    let (absent, absent_device) = (second.address(), second.device());
    second.handle.stop().await;
    first.tell(NetCommand::Dial { addresses: vec![own] }).await;
    first.tell(NetCommand::Dial { addresses: vec![absent] }).await;
    let failed = first
        .until("DialFailed", |event| match event {
            NetEvent::DialFailed { peer, .. } => Some(*peer),
            NetEvent::Connected { .. } => panic!("there is nobody to meet"),
            _ => None,
        })
        .await;
    assert_eq!(failed, Some(absent_device));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_on_one_network_find_each_other() {
    // Sends nothing: only asks the system for a way to mDNS's group.
    let way = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.connect("224.0.0.251:5353"));
    if let Err(error) = way {
        println!("skipped: this machine has no interface with multicast, which mDNS needs ({error})");
        return;
    }
    let everywhere = || "/ip4/0.0.0.0/tcp/0".parse().expect("a well-formed address");
    let mut first = start(NetConfig { listen: vec![everywhere()], mdns: true, ..config(110, &[]) }).await;
    let mut second = start(NetConfig { listen: vec![everywhere()], mdns: true, ..config(111, &[]) }).await;
    first.connected(second.device()).await;
    second.connected(first.device()).await;
    first.send(second.device(), vec![1]).await;
    assert_eq!(second.frame(first.device()).await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_on_all_interfaces_names_the_one_that_others_reach() {
    // Sends nothing: only asks the system which of its addresses leads out.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
    if let Err(error) = socket.connect("192.0.2.254:9") {
        println!("skipped: this machine has no interface but loopback ({error})");
        return;
    }
    let leads_out = socket.local_addr().expect("an address").ip().to_string();
    let everywhere = "/ip4/0.0.0.0/tcp/0".parse().expect("a well-formed address");
    let node = start(NetConfig { listen: vec![everywhere], ..config(112, &[]) }).await;
    let names = |addresses: &[Multiaddr]| addresses.iter().any(|address| address.to_string().contains(&leads_out));
    assert!(names(&node.addresses), "{:?} name {leads_out}", node.addresses);
    assert!(names(&node.handle.addresses()()), "and so does who is asked later");
}
