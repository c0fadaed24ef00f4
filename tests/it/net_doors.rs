//! H8: whoever takes places and gives nothing for them loses them to whoever calls next: half-open handshakes, silent
//! strangers, second connections of devices that dialled each other at the same instant, gossip without end.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{Swarm, SwarmEvent, dummy};
use libp2p::{Multiaddr, SwarmBuilder, gossipsub, identity, noise, tcp, yamux};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use ucash::model::DeviceKey;
use ucash::node::net::{NetCommand, NetConfig, NetEvent, NetHandle, spawn};

use crate::net_gossip;

const PATIENCE: Duration = Duration::from_secs(20);
/// How long an attacker takes breath before it calls again.
const PACE: Duration = Duration::from_millis(20);
/// The same for one that goes through with the handshake, which costs it, and this machine, a key agreement.
const STRANGERS_PACE: Duration = Duration::from_millis(250);
const HOSTS: std::ops::Range<u8> = 2..10;
const EACH: usize = 16;

async fn node_of(seed: u8, peers: Vec<Multiaddr>) -> (NetHandle, mpsc::Receiver<NetEvent>) {
    let (sender, events) = mpsc::channel(64);
    let config = NetConfig {
        secret_key: [seed; 32],
        // A host of its own: attackers that call again may do so from 127.0.0.1.
        listen: vec![format!("/ip4/127.0.0.{seed}/tcp/0").parse().expect("a well-formed address")],
        peers,
        public: Vec::new(),
        relay: None,
        mdns: false,
        gossip_topics: vec!["hints".into()],
        address_book: None,
    };
    (spawn(config, sender).expect("the network starts"), events)
}

async fn address_of(node: &NetHandle) -> Multiaddr {
    node.listening().await.expect("the node listens").remove(0)
}

fn socket_of(address: &Multiaddr) -> SocketAddr {
    let mut parts = address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::Ip4(ip)), Some(Protocol::Tcp(port))) => SocketAddr::from((ip, port)),
        _ => panic!("{address} is not of TCP"),
    }
}

async fn send(node: &NetHandle, peer: DeviceKey, frame: &[u8]) {
    node.commands.send(NetCommand::Send { peer, frame: frame.to_vec() }).await.expect("the network runs");
}

async fn trust(node: &NetHandle, peer: DeviceKey) {
    node.commands.send(NetCommand::Trust { peer }).await.expect("the network runs");
}

/// Waits for an event, whatever happens meanwhile; within the patience for all of it.
async fn until(events: &mut mpsc::Receiver<NetEvent>, is_it: impl Fn(&NetEvent) -> bool) {
    let wanted = async { while !is_it(&events.recv().await.expect("the network runs")) {} };
    timeout(PATIENCE, wanted).await.expect("what is waited for comes in time");
}

/// That a device calls, is heard and is answered.
async fn passes(node: &NetHandle, events: &mut mpsc::Receiver<NetEvent>, seed: u8) -> NetHandle {
    let (caller, mut heard) = node_of(seed, vec![address_of(node).await]).await;
    // In each session anew, as a replica does: a handshake that is let go may look done to who called.
    let asks = async {
        loop {
            until(&mut heard, |event| matches!(event, NetEvent::Connected { peer, .. } if *peer == node.device)).await;
            send(&caller, node.device, b"asked").await;
        }
    };
    // Whoever does not take a node's events holds it up, and all who call it.
    let asked = NetEvent::Frame { peer: caller.device, frame: b"asked".to_vec() };
    tokio::select! {
        () = until(events, |event| *event == asked) => {}
        () = asks => {}
    }
    send(node, caller.device, b"answered").await;
    let answered = NetEvent::Frame { peer: node.device, frame: b"answered".to_vec() };
    tokio::select! {
        () = until(&mut heard, |event| *event == answered) => {}
        () = until(events, |_| false) => {}
    }
    caller
}

/// What was read; zero at the end, whatever kind of end.
async fn read(stream: &TcpStream, into: &mut [u8]) -> usize {
    loop {
        if stream.readable().await.is_err() {
            return 0;
        }
        match stream.try_read(into) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            read => return read.unwrap_or(0),
        }
    }
}

/// Carries bytes one way until either side ends.
async fn carry(from: &TcpStream, to: &TcpStream) {
    let mut piece = vec![0; 16 << 10];
    loop {
        let count = read(from, &mut piece).await;
        if count == 0 {
            return;
        }
        let mut written = 0;
        while written < count {
            if to.writable().await.is_err() {
                return;
            }
            match to.try_write(&piece[written..count]) {
                Ok(more) => written += more,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

/// Attackers of many hosts that open connections, say nothing, and call again when they are let go.
async fn open_half(to: SocketAddr) -> Vec<tokio::task::JoinHandle<()>> {
    let mut attackers = Vec::new();
    for host in HOSTS {
        for _ in 0..EACH {
            let call = move || async move {
                let socket = TcpSocket::new_v4().expect("a socket");
                socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).expect("another host");
                socket.connect(to).await
            };
            let mut stream = call().await.expect("the node listens");
            attackers.push(tokio::spawn(async move {
                loop {
                    // The node speaks first or hangs up; nobody answers it.
                    while read(&stream, &mut [0; 64]).await > 0 {}
                    sleep(PACE).await;
                    match call().await {
                        Ok(again) => stream = again,
                        Err(_) => return,
                    }
                }
            }));
        }
    }
    attackers
}

#[tokio::test]
async fn h8_half_open_handshakes_of_many_hosts_keep_nobody_out() {
    let (node, mut events) = node_of(200, Vec::new()).await;
    let attackers = open_half(socket_of(&address_of(&node).await)).await;
    let known = identity::Keypair::ed25519_from_bytes([201; 32]).expect("a key");
    let known = known.public().try_into_ed25519().expect("an Ed25519 key");
    trust(&node, DeviceKey(known.to_bytes())).await;
    passes(&node, &mut events, 201).await;
    passes(&node, &mut events, 202).await;
    attackers.iter().for_each(|attacker| attacker.abort());
    assert!(node.counters().handshakes_let_go > 0, "there were more than there are places");
}

/// A stranger that finishes the handshake from this host, says nothing, and calls again whenever it is let go.
fn be_silent(host: u8, to: Multiaddr) -> tokio::task::JoinHandle<()> {
    let mut swarm: Swarm<dummy::Behaviour> = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|_| dummy::Behaviour)
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build();
    // Whoever listens dials from where it listens.
    swarm.listen_on(format!("/ip4/127.0.0.{host}/tcp/0").parse().expect("an address")).expect("another host");
    tokio::spawn(async move {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { .. }
                | SwarmEvent::ConnectionClosed { .. }
                | SwarmEvent::OutgoingConnectionError { .. } => {
                    sleep(STRANGERS_PACE).await;
                    let _ = swarm.dial(to.clone());
                }
                _ => {}
            }
        }
    })
}

#[tokio::test]
async fn h8_silent_strangers_in_every_place_keep_neither_a_known_device_nor_a_joiner_out() {
    let (node, mut events) = node_of(200, Vec::new()).await;
    let known = identity::Keypair::ed25519_from_bytes([201; 32]).expect("a key");
    let known = DeviceKey(known.public().try_into_ed25519().expect("an Ed25519 key").to_bytes());
    trust(&node, known).await;
    let address = address_of(&node).await;
    let strangers: Vec<_> =
        HOSTS.flat_map(|host| (0..EACH + 4).map(move |_| host)).map(|host| be_silent(host, address.clone())).collect();
    // As many as there are places; the others wait for one to become free.
    for _ in 0..EACH * HOSTS.len() {
        until(&mut events, |event| matches!(event, NetEvent::Connected { .. })).await;
    }
    let device = passes(&node, &mut events, 201).await;
    assert_eq!(device.device, known);
    let joiner = passes(&node, &mut events, 202).await;
    trust(&node, joiner.device).await;
    // Both stay, whatever else goes on.
    for (peer, word) in [(&device, b"device"), (&joiner, b"joiner")] {
        send(peer, node.device, word).await;
        let said = NetEvent::Frame { peer: peer.device, frame: word.to_vec() };
        until(&mut events, |event| {
            assert!(!matches!(event, NetEvent::Disconnected { peer } if [device.device, joiner.device].contains(peer)));
            *event == said
        })
        .await;
    }
    strangers.iter().for_each(|stranger| stranger.abort());
    assert!(node.counters().strangers_let_go > 0, "there were more than there are places");
}

/// A peer that gossips without end what nobody asked for, each time something else.
async fn gossip_without_end(to: Multiaddr) {
    const AT_A_TIME: u32 = 100;
    let mut swarm = net_gossip::stranger();
    let topic = gossipsub::IdentTopic::new(net_gossip::TOPIC);
    swarm.dial(to.clone()).expect("a dial");
    let mut repeat = tokio::time::interval(PACE);
    let mut number = 0u32;
    loop {
        tokio::select! {
            event = swarm.select_next_some() => if matches!(event, SwarmEvent::ConnectionClosed { .. }) {
                swarm.dial(to.clone()).expect("a dial");
            },
            _ = repeat.tick() => for _ in 0..AT_A_TIME {
                number += 1;
                let _ = swarm.behaviour_mut().publish(topic.hash(), number.to_be_bytes());
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_without_end_is_dropped_and_honest_gossip_is_heard_meanwhile() {
    let (node, mut events) = node_of(200, Vec::new()).await;
    let (honest, mut heard) = node_of(201, vec![address_of(&node).await]).await;
    let flood = tokio::spawn(gossip_without_end(address_of(&node).await));
    let mut from_flood = 0;
    let all = async {
        let mut number = 0u32;
        let mut repeat = tokio::time::interval(PACE);
        loop {
            tokio::select! {
                event = events.recv() => if let NetEvent::Gossip { id, from, .. } = event.expect("the network runs") {
                    node.commands.send(NetCommand::JudgeGossip { id, accept: true }).await.expect("the network runs");
                    if from != honest.device {
                        from_flood += 1;
                    } else if node.counters().gossip_flooded > 0 {
                        return;
                    }
                },
                event = heard.recv() => if let NetEvent::Gossip { id, .. } = event.expect("the network runs") {
                    honest.commands.send(NetCommand::JudgeGossip { id, accept: false }).await.expect("the network runs");
                },
                _ = repeat.tick() => {
                    // Said until it is heard: who is subscribed is known some moments after the connection.
                    number += 1;
                    let hint = format!("hint {number}").into_bytes();
                    honest.commands.send(NetCommand::Publish { topic: "hints".into(), bytes: hint }).await.expect("the network runs");
                }
            }
        }
    };
    let done = timeout(PATIENCE, all).await;
    assert!(done.is_ok(), "{from_flood} of the flood were heard, and no honest gossip after: {:?}", node.counters());
    assert!(from_flood > 0, "what is within the bound is heard");
    flood.abort();
}

/// A connection on its way: it waits until it is let through, and tells when it has ended.
struct Way {
    address: Multiaddr,
    called: oneshot::Receiver<()>,
    ended: oneshot::Receiver<()>,
}

async fn way(to: &Multiaddr, mut open: watch::Receiver<bool>) -> Way {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (to_socket, peer) = (socket_of(to), to.iter().last().expect("a key at its end"));
    let (call, called) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    tokio::spawn(async move {
        let (from, _) = listener.accept().await.expect("a caller");
        drop(listener);
        let _ = call.send(());
        open.wait_for(|open| *open).await.expect("the test opens it");
        let onwards = TcpStream::connect(to_socket).await.expect("the node listens");
        tokio::select! {
            () = carry(&from, &onwards) => {}
            () = carry(&onwards, &from) => {}
        }
        let _ = end.send(());
    });
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().expect("an address");
    Way { address: address.with(peer), called, ended }
}

/// What one of two devices has seen.
struct Side {
    node: NetHandle,
    events: mpsc::Receiver<NetEvent>,
    hears: bool,
}

impl Side {
    async fn new(seed: u8) -> Side {
        let (node, events) = node_of(seed, Vec::new()).await;
        Side { node, events, hears: false }
    }

    async fn step(&mut self) {
        match self.events.recv().await.expect("the network runs") {
            NetEvent::Connected { peer, .. } => {
                self.hears = false;
                send(&self.node, peer, b"here").await;
            }
            NetEvent::Disconnected { .. } => self.hears = false,
            NetEvent::Frame { .. } => self.hears = true,
            _ => {}
        }
    }
}

#[tokio::test]
async fn devices_that_dial_each_other_at_the_same_instant_keep_the_connection_of_the_lower_key() {
    for round in 0..6 {
        let (mut one, mut two) = (Side::new(201).await, Side::new(202).await);
        if one.node.device > two.node.device {
            std::mem::swap(&mut one, &mut two);
        }
        let (let_lower, lower_open) = watch::channel(false);
        let (let_higher, higher_open) = watch::channel(false);
        let mut of_lower = way(&address_of(&two.node).await, lower_open).await;
        let mut of_higher = way(&address_of(&one.node).await, higher_open).await;
        for (side, way) in [(&one, &of_lower), (&two, &of_higher)] {
            let addresses = vec![way.address.clone()];
            side.node.commands.send(NetCommand::Dial { addresses }).await.expect("the network runs");
        }
        let both = async { (&mut of_lower.called).await.and((&mut of_higher.called).await) };
        timeout(PATIENCE, both).await.expect("both dial").expect("both dial");
        // Whichever comes through first: sometimes by far.
        let order = if round % 2 == 0 { [&let_lower, &let_higher] } else { [&let_higher, &let_lower] };
        order[0].send_replace(true);
        if round >= 2 {
            let first = async {
                tokio::select! { () = one.step() => {}, () = two.step() => {} }
            };
            timeout(PATIENCE, first).await.expect("they meet");
        }
        if round >= 4 {
            let words = async {
                while !(one.hears && two.hears) {
                    tokio::select! { () = one.step() => {}, () = two.step() => {} }
                }
            };
            timeout(PATIENCE, words).await.expect("they speak");
        }
        order[1].send_replace(true);
        let mut has_ended = false;
        let settled = async {
            while !(has_ended && one.hears && two.hears) {
                tokio::select! {
                    _ = &mut of_higher.ended, if !has_ended => has_ended = true,
                    () = one.step() => {}
                    () = two.step() => {}
                }
            }
        };
        timeout(PATIENCE, settled).await.expect("the connection that the higher key dialled is closed");
        assert!((&mut of_lower.ended).now_or_never().is_none(), "the other stays");
        one.node.stop().await;
        two.node.stop().await;
    }
}
