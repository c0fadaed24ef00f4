//! Devices that cannot reach each other, through a relay that both reach (circuit relay v2), over real loopback sockets.
//!
//! A device without a listener is one behind a router: it dials, and nobody can dial it.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{interval, timeout};
use ucash::model::DeviceKey;
use ucash::node::net::{CircuitLimits, Multiaddr, NetCommand, NetConfig, NetEvent, NetHandle, spawn};

/// The end of every wait. A place that was refused is asked for again after five seconds, a dial after one.
const PATIENCE: Duration = Duration::from_secs(60);

struct Node {
    handle: NetHandle,
    events: mpsc::Receiver<NetEvent>,
}

fn anywhere() -> Vec<Multiaddr> {
    vec!["/ip4/127.0.0.1/tcp/0".parse().expect("a well-formed address")]
}

async fn start(seed: u8, listen: Vec<Multiaddr>, peers: Vec<Multiaddr>, relay: Option<CircuitLimits>) -> Node {
    let (sender, events) = mpsc::channel(256);
    let config = NetConfig {
        secret_key: [seed; 32],
        listen,
        peers,
        public: Vec::new(),
        relay,
        mdns: false,
        gossip_topics: Vec::new(),
        address_book: None,
    };
    let handle = spawn(config, sender).expect("the network starts");
    handle.listening().await.expect("loopback is there");
    Node { handle, events }
}

async fn relay(seed: u8) -> Node {
    start(seed, anywhere(), Vec::new(), Some(CircuitLimits::default())).await
}

/// Devices that know these relays, each trusting the other.
async fn behind<const N: usize>(relays: &[&Node], seeds: [u8; N], listen: &[Multiaddr]) -> [Node; N] {
    let addresses: Vec<Multiaddr> = relays.iter().map(|relay| relay.address()).collect();
    let mut nodes = Vec::new();
    for seed in seeds {
        let node = start(seed, listen.to_vec(), addresses.clone(), None).await;
        for relay in relays {
            node.trust(relay.handle.device).await;
            relay.trust(node.handle.device).await;
        }
        nodes.push(node);
    }
    nodes.try_into().unwrap_or_else(|_| unreachable!("as many as seeds"))
}

async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Looks again and again: what is looked at sends no event.
async fn shown<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let mut again = interval(Duration::from_millis(20));
    let found = async {
        loop {
            again.tick().await;
            if let Some(found) = look() {
                return found;
            }
        }
    };
    patiently(what, found).await
}

impl Node {
    fn address(&self) -> Multiaddr {
        self.handle.addresses()().first().expect("it listens").clone()
    }

    async fn tell(&self, command: NetCommand) {
        self.handle.commands.send(command).await.expect("the network runs");
    }

    async fn trust(&self, peer: DeviceKey) {
        self.tell(NetCommand::Trust { peer }).await;
    }

    fn places(&self) -> Vec<Multiaddr> {
        let known = self.handle.addresses()();
        known.into_iter().filter(|address| address.to_string().contains("/p2p-circuit/")).collect()
    }

    /// Its address through that relay, once it has a place there.
    async fn place_at(&self, relay: &Node) -> Multiaddr {
        let part = format!("/p2p/{}/p2p-circuit/", relay.handle.peer_id);
        let look = || self.places().into_iter().find(|place| place.to_string().contains(&part));
        shown("a place at the relay", look).await
    }

    async fn until<T>(&mut self, what: &str, fits: impl Fn(NetEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = fits(self.events.recv().await.expect("the network runs")) {
                    return found;
                }
            }
        };
        patiently(what, found).await
    }

    /// Where the other is, once a session with it has begun.
    async fn connected(&mut self, to: DeviceKey) -> String {
        self.until("a session", |event| match event {
            NetEvent::Connected { peer, address, .. } if peer == to => Some(address.to_string()),
            _ => None,
        })
        .await
    }

    async fn frame(&mut self, from: DeviceKey) -> Vec<u8> {
        self.until("a frame", |event| match event {
            NetEvent::Frame { peer, frame } if peer == from => Some(frame),
            _ => None,
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_devices_that_nobody_can_dial_meet_through_a_relay() {
    let relay = relay(10).await;
    let [mut left, mut right] = behind(&[&relay], [11, 12], &[]).await;
    let place = right.place_at(&relay).await;
    left.connected(relay.handle.device).await;
    left.tell(NetCommand::Dial { addresses: vec![place] }).await;
    assert!(left.connected(right.handle.device).await.contains("/p2p-circuit"));
    assert!(right.connected(left.handle.device).await.contains("/p2p-circuit"));
    for (size, byte) in [(1, 1), (300_000, 2), (7, 3)] {
        left.tell(NetCommand::Send { peer: right.handle.device, frame: vec![byte; size] }).await;
        assert_eq!(right.frame(left.handle.device).await, vec![byte; size]);
        right.tell(NetCommand::Send { peer: left.handle.device, frame: vec![byte; size] }).await;
        assert_eq!(left.frame(right.handle.device).await, vec![byte; size]);
    }
    let carried = relay.handle.counters();
    assert_eq!((carried.circuits_carried, carried.circuits_refused), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_carries_nothing_for_strangers() {
    let relay = relay(20).await;
    let [ours] = behind(&[&relay], [21], &[]).await;
    let place = ours.place_at(&relay).await;
    // It trusts the relay; the relay does not know it.
    let mut stranger = start(22, Vec::new(), vec![relay.address()], None).await;
    stranger.trust(relay.handle.device).await;
    stranger.connected(relay.handle.device).await;
    let refused = || relay.handle.counters().circuits_refused;
    let first = shown("a place is refused", || Some(refused()).filter(|count| *count > 0)).await;
    assert_eq!(stranger.places(), []);
    stranger.tell(NetCommand::Dial { addresses: vec![place] }).await;
    let device = ours.handle.device;
    stranger
        .until("the circuit is refused", |event| {
            matches!(event, NetEvent::DialFailed { peer, .. } if peer == Some(device)).then_some(())
        })
        .await;
    shown("it is counted", || (refused() > first).then_some(())).await;
    assert_eq!(relay.handle.counters().circuits_carried, 0);
    // Once it is one of ours it is carried.
    relay.trust(stranger.handle.device).await;
    stranger.place_at(&relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_banned_loses_its_place_at_the_relay() {
    let relay = relay(30).await;
    let [gone] = behind(&[&relay], [31], &[]).await;
    gone.place_at(&relay).await;
    relay.tell(NetCommand::Ban { peer: gone.handle.device, for_: PATIENCE }).await;
    shown("its place is lost", || gone.places().is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_relay_dies_the_other_carries_on() {
    let relays = [relay(40).await, relay(41).await];
    let [mut left, mut right] = behind(&[&relays[0], &relays[1]], [42, 43], &[]).await;
    let places = vec![right.place_at(&relays[0]).await, right.place_at(&relays[1]).await];
    left.place_at(&relays[0]).await;
    left.place_at(&relays[1]).await;
    // As another device tells of them: they are kept when the session ends.
    left.tell(NetCommand::Hint { peer: right.handle.device, addresses: places }).await;
    let first = left.connected(right.handle.device).await;
    right.connected(left.handle.device).await;
    let [one, two] = relays;
    let (dying, living) = if first.contains(&one.handle.peer_id) { (one, two) } else { (two, one) };
    dying.handle.stop().await;
    assert!(left.connected(right.handle.device).await.contains(&living.handle.peer_id));
    right.connected(left.handle.device).await;
    left.tell(NetCommand::Send { peer: right.handle.device, frame: vec![7] }).await;
    assert_eq!(right.frame(left.handle.device).await, [7]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direct_connection_takes_the_place_of_the_circuit() {
    let relay = relay(50).await;
    let [mut left, mut right] = behind(&[&relay], [51, 52], &anywhere()).await;
    let place = right.place_at(&relay).await;
    left.connected(relay.handle.device).await;
    // Left knows of the circuit only; where right listens it learns by asking for a direct connection (DCUtR).
    left.tell(NetCommand::Dial { addresses: vec![place] }).await;
    assert!(left.connected(right.handle.device).await.contains("/p2p-circuit"));
    for (one, other) in [(&mut left, right.handle.device), (&mut right, key(51))] {
        one.until("a session of another kind", |event| match event {
            NetEvent::Connected { peer, address, .. } if peer == other => {
                (!address.to_string().contains("/p2p-circuit")).then_some(())
            }
            _ => None,
        })
        .await;
    }
    left.tell(NetCommand::Send { peer: right.handle.device, frame: vec![7] }).await;
    assert_eq!(right.frame(left.handle.device).await, [7]);
    // Whoever sees it first closes the circuit, and the other may find it closed.
    assert!(left.handle.counters().circuits_left + right.handle.counters().circuits_left > 0);
}

fn key(seed: u8) -> DeviceKey {
    DeviceKey(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n5_what_is_too_much_for_one_circuit_passes_over_several() {
    const FRAMES: usize = 48;
    const FRAME_BYTES: usize = 100_000;
    let limits = CircuitLimits { bytes: 1 << 20, time: PATIENCE };
    let relay = start(60, anywhere(), Vec::new(), Some(limits)).await;
    let [mut left, mut right] = behind(&[&relay], [61, 62], &[]).await;
    let place = right.place_at(&relay).await;
    left.connected(relay.handle.device).await;
    let (giver, taker) = (left.handle.device, right.handle.device);
    left.trust(taker).await;
    left.tell(NetCommand::Hint { peer: taker, addresses: vec![place] }).await;
    // What a replica does: each session begins with what the other has, and goes on from there.
    let commands = left.handle.commands.clone();
    let giving = tokio::spawn(async move {
        while let Some(event) = left.events.recv().await {
            let NetEvent::Frame { frame: had, .. } = event else { continue };
            for number in usize::from(had[0])..FRAMES {
                let frame = vec![u8::try_from(number).expect("few"); FRAME_BYTES];
                if commands.send(NetCommand::Send { peer: taker, frame }).await.is_err() {
                    return;
                }
            }
        }
    });
    let (mut had, mut sessions) = (0, 0);
    while had < FRAMES {
        match patiently("the rest", right.events.recv()).await.expect("the network runs") {
            NetEvent::Connected { peer, .. } if peer == giver => {
                sessions += 1;
                right.tell(NetCommand::Send { peer, frame: vec![u8::try_from(had).expect("few")] }).await;
            }
            NetEvent::Frame { peer, frame } if peer == giver => {
                assert_eq!(frame, vec![u8::try_from(had).expect("few"); FRAME_BYTES], "in order, whole, once");
                had += 1;
            }
            _ => {}
        }
    }
    assert!(sessions >= 4, "{sessions} circuits");
    giving.abort();
}
