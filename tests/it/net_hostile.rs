//! The network layer against a peer that speaks the protocols in its own way: a bare libp2p swarm with raw streams.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::swarm::{DialError, Swarm, SwarmEvent};
use libp2p::{Stream, StreamProtocol, SwarmBuilder, identity, noise, tcp, yamux};
use tokio::sync::mpsc;
use tokio::time::timeout;
use ucash::model::DeviceKey;
use ucash::node::net::limits::{FRAME_BYTES_MAX, OUTBOXES_BYTES_MAX};
use ucash::node::net::{Multiaddr, NetCommand, NetConfig, NetEvent, NetHandle, spawn};

const PATIENCE: Duration = Duration::from_secs(20);
const FRAMES: StreamProtocol = StreamProtocol::new("/ucash/frames/1");

/// A peer that does what it is told, not what the protocol says.
struct Rogue {
    device: DeviceKey,
    control: libp2p_stream::Control,
    node: libp2p::PeerId,
}

async fn node() -> (NetHandle, mpsc::Receiver<NetEvent>) {
    node_of([200; 32], Vec::new()).await
}

async fn node_of(secret_key: [u8; 32], peers: Vec<Multiaddr>) -> (NetHandle, mpsc::Receiver<NetEvent>) {
    let (sender, events) = mpsc::channel(64);
    let config = NetConfig {
        secret_key,
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

/// Dials the node and answers it as little as possible.
async fn rogue(node: &NetHandle) -> Rogue {
    let keypair = identity::Keypair::generate_ed25519();
    let key = keypair.public().try_into_ed25519().expect("an Ed25519 key");
    let mut swarm: Swarm<libp2p_stream::Behaviour> = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    let mut control = swarm.behaviour().new_control();
    // It takes the node's stream, since one that does not is cut off at once, and never looks at it.
    let mut incoming = control.accept(FRAMES).expect("the first to accept");
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Some((_, stream)) = incoming.next().await {
            kept.push(stream);
        }
    });
    let address = node.listening().await.expect("the node listens").remove(0);
    let peer = node.peer_id.parse().expect("a peer id");
    let dialled: Result<(), DialError> = swarm.dial(address);
    dialled.expect("a dial");
    let connected = async { while !matches!(swarm.next().await, Some(SwarmEvent::ConnectionEstablished { .. })) {} };
    timeout(PATIENCE, connected).await.expect("the node accepts");
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
    Rogue { device: DeviceKey(key.to_bytes()), control, node: peer }
}

impl Rogue {
    async fn open(&mut self) -> Stream {
        let opened = self.control.open_stream(self.node, FRAMES);
        timeout(PATIENCE, opened).await.expect("an answer in time").expect("the node takes the stream")
    }
}

async fn write(stream: &mut Stream, length: usize, bytes: &[u8]) {
    let length = u32::try_from(length).expect("a length");
    stream.write_all(&length.to_be_bytes()).await.expect("an open stream");
    stream.write_all(bytes).await.expect("an open stream");
    stream.flush().await.expect("an open stream");
}

async fn next(events: &mut mpsc::Receiver<NetEvent>) -> NetEvent {
    loop {
        let event = timeout(PATIENCE, events.recv()).await.expect("an event in time").expect("the network runs");
        if !matches!(event, NetEvent::Listening(_)) {
            return event;
        }
    }
}

#[tokio::test]
async fn a_length_beyond_the_limit_costs_the_connection() {
    let (node, mut events) = node().await;
    let mut rogue = rogue(&node).await;
    assert!(matches!(next(&mut events).await, NetEvent::Connected { peer, .. } if peer == rogue.device));
    let mut stream = rogue.open().await;
    write(&mut stream, 2, b"ok").await;
    write(&mut stream, FRAME_BYTES_MAX + 1, b"the beginning of too much").await;
    assert_eq!(next(&mut events).await, NetEvent::Frame { peer: rogue.device, frame: b"ok".to_vec() });
    assert_eq!(next(&mut events).await, NetEvent::Disconnected { peer: rogue.device });
    assert_eq!(node.counters().frames_oversize, 1);
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the node hangs up");
    assert!(ended.is_err() || rest.is_empty());
}

#[tokio::test]
async fn a_second_stream_replaces_an_unused_one_and_otherwise_begins_a_new_session() {
    let (node, mut events) = node().await;
    let mut rogue = rogue(&node).await;
    assert!(matches!(next(&mut events).await, NetEvent::Connected { .. }));
    let _unused = rogue.open().await;
    let mut second = rogue.open().await;
    write(&mut second, 1, b"a").await;
    assert_eq!(next(&mut events).await, NetEvent::Frame { peer: rogue.device, frame: b"a".to_vec() });
    let mut third = rogue.open().await;
    write(&mut third, 1, b"b").await;
    assert_eq!(next(&mut events).await, NetEvent::Disconnected { peer: rogue.device });
    assert!(matches!(next(&mut events).await, NetEvent::Connected { .. }));
    assert_eq!(next(&mut events).await, NetEvent::Frame { peer: rogue.device, frame: b"b".to_vec() });
}

#[tokio::test]
async fn streams_without_end_cost_the_connection_and_no_other_peer() {
    let (node, mut events) = node().await;
    let mut flooder = rogue(&node).await;
    assert!(matches!(next(&mut events).await, NetEvent::Connected { .. }));
    let mut honest = rogue(&node).await;
    assert!(matches!(next(&mut events).await, NetEvent::Connected { .. }));
    let flooding = async {
        let mut kept = Vec::new();
        while let Ok(stream) = flooder.control.open_stream(flooder.node, FRAMES).await {
            kept.push(stream);
        }
    };
    let serving = async {
        let mut stream = honest.open().await;
        for number in 0..100u8 {
            write(&mut stream, 1, &[number]).await;
            loop {
                match next(&mut events).await {
                    NetEvent::Frame { peer, frame } if peer == honest.device => {
                        assert_eq!(frame, [number]);
                        break;
                    }
                    NetEvent::Disconnected { peer } => assert_eq!(peer, flooder.device),
                    _ => {}
                }
            }
        }
    };
    tokio::select! {
        () = serving => {}
        () = async { timeout(PATIENCE, flooding).await.expect("the flood ends"); std::future::pending().await } => {}
    }
}

async fn send(node: &NetHandle, peer: DeviceKey, frame: Vec<u8>) {
    node.commands.send(NetCommand::Send { peer, frame }).await.expect("the network runs");
}

/// N8: peers that keep their streams open and never read.
#[tokio::test]
async fn n8_stuck_peers_hold_bounded_memory_and_slow_no_other() {
    const FRAMES_EACH: usize = 7;
    let (node, mut events) = node().await;
    let mut stuck = Vec::new();
    // Together they would hold more than all may, and none of them more than one may.
    for _ in 0..OUTBOXES_BYTES_MAX / (FRAMES_EACH * FRAME_BYTES_MAX) + 4 {
        let rogue = rogue(&node).await;
        assert!(matches!(next(&mut events).await, NetEvent::Connected { .. }));
        stuck.push(rogue);
    }
    let address = node.listening().await.expect("the node listens").remove(0);
    let (honest, mut heard) = node_of([201; 32], vec![address]).await;
    assert!(matches!(next(&mut events).await, NetEvent::Connected { .. }));
    assert!(matches!(next(&mut heard).await, NetEvent::Connected { .. }));
    for round in 0..FRAMES_EACH {
        for rogue in &stuck {
            send(&node, rogue.device, vec![9; FRAME_BYTES_MAX]).await;
        }
        let frame = vec![u8::try_from(round).expect("few") + 1; 1_000];
        send(&node, honest.device, frame.clone()).await;
        assert_eq!(next(&mut heard).await, NetEvent::Frame { peer: node.device, frame });
    }
    let mut gone = 0;
    while node.counters().outboxes_full > gone {
        match next(&mut events).await {
            NetEvent::Disconnected { peer } if peer != honest.device => gone += 1,
            other => panic!("only stuck peers are let go: {other:?}"),
        }
    }
    assert!(gone > 0, "what waited was more than all may hold");
}

/// H8: connections that are opened, and not a word is said.
#[tokio::test]
async fn h8_half_open_handshakes_of_one_host_keep_nobody_else_out() {
    let (node, mut events) = node().await;
    let address = node.listening().await.expect("the node listens").remove(0);
    let port = address.iter().find_map(|part| match part {
        libp2p::multiaddr::Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    let to = std::net::SocketAddr::from(([127, 0, 0, 1], port.expect("a port")));
    let mut half_open = Vec::new();
    for _ in 0..200 {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.2:0".parse().expect("an address")).expect("another host");
        half_open.push(socket.connect(to).await.expect("the node listens"));
    }
    let (honest, mut heard) = node_of([201; 32], vec![address]).await;
    assert!(matches!(next(&mut events).await, NetEvent::Connected { peer, .. } if peer == honest.device));
    assert!(matches!(next(&mut heard).await, NetEvent::Connected { .. }));
    send(&node, honest.device, b"here".to_vec()).await;
    assert_eq!(next(&mut heard).await, NetEvent::Frame { peer: node.device, frame: b"here".to_vec() });
    assert_eq!(half_open.len(), 200);
}
