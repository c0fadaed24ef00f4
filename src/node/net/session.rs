//! One peer's session: its connections, its two streams, and what is known of it. Holds state, decides nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use libp2p::PeerId;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::ConnectionId;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Multiaddr;
use super::keys::{host_of, is_circuit, split_peer};
use super::limits::{HANDSHAKE_MAX, STRANGER_WAIT, STREAM_WAIT};
use super::streams::{Outbox, OutboxReader, ReadEnd, WriteEnd, outbox};
use crate::model::DeviceKey;

/// The stream on which we write.
pub(super) enum Outbound {
    /// Asked for on this connection; the queue waits.
    Opening { connection: ConnectionId, queue: OutboxReader },
    /// The writer has the queue.
    Running { connection: ConnectionId, task: JoinHandle<()> },
}

impl Outbound {
    /// The connection on which it is.
    pub(super) fn connection(&self) -> ConnectionId {
        match self {
            Outbound::Opening { connection, .. } | Outbound::Running { connection, .. } => *connection,
        }
    }
}

/// One connection.
#[derive(Clone)]
pub(super) struct Link {
    /// The other end's address.
    pub(super) address: Multiaddr,
    /// Whether we dialled.
    pub(super) is_ours: bool,
    /// Our own address that it leaves from, where the system tells.
    pub(super) source: Option<IpAddr>,
    /// Whether it leads through a relay.
    pub(super) is_circuit: bool,
    /// The addresses at which the peer says it listens; it says so once for each connection, and when they change.
    pub(super) identified: Vec<Multiaddr>,
    /// Whether the peer says that it carries circuits.
    pub(super) is_relay: bool,
}

impl Link {
    /// A connection as its endpoint tells of it. Of two that punch a hole both dial, and one of them in the part of who
    /// is dialled.
    pub(super) fn of(endpoint: &ConnectedPoint) -> Link {
        let is_circuit = endpoint.is_relayed();
        let (address, is_ours) = match endpoint {
            ConnectedPoint::Dialer { address, role_override, .. } => (address, *role_override == Endpoint::Dialer),
            // The other end of a circuit has no address but the relay's.
            ConnectedPoint::Listener { local_addr, .. } if is_circuit => (local_addr, false),
            ConnectedPoint::Listener { send_back_addr, .. } => (send_back_addr, false),
        };
        let source = match endpoint {
            _ if is_circuit => None,
            ConnectedPoint::Dialer { address, .. } => host_of(address).and_then(source_towards),
            ConnectedPoint::Listener { local_addr, .. } => host_of(local_addr),
        };
        let address = split_peer(address.clone()).0;
        Link { address, is_ours, source, is_circuit, identified: Vec::new(), is_relay: false }
    }
}

/// The address that packets to this host leave from at this moment; none is sent.
fn source_towards(host: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if host.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // The discard port (RFC 863): only its being one matters.
    socket.connect((host, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The state between `Connected` and `Disconnected`.
pub(super) struct Session {
    pub(super) peer: PeerId,
    /// Tells this session from earlier ones with the same peer, in reports that come late.
    pub(super) number: u64,
    /// Its live connections.
    pub(super) connections: BTreeMap<ConnectionId, Link>,
    pub(super) outbox: Outbox,
    /// `None` only while it changes hands.
    pub(super) outbound: Option<Outbound>,
    pub(super) reader: Option<JoinHandle<()>>,
    /// Inbound streams so far; the number of the reader that counts.
    pub(super) inbound_streams: u32,
    /// How often the outbound stream was opened again.
    pub(super) reopens: u32,
    /// When it began.
    pub(super) began: Instant,
    /// Since when there has been no inbound stream.
    pub(super) without_reader_since: Instant,
    /// Becomes true when `Connected` has been handed over.
    pub(super) announced: watch::Sender<bool>,
    /// Set by the reader with the first frame.
    pub(super) delivered: Arc<AtomicBool>,
    /// The address at which we dialled the peer.
    pub(super) dialled: Option<Multiaddr>,
}

impl Session {
    /// A session whose outbound stream is being opened on its first connection.
    pub(super) fn new(peer: PeerId, number: u64, connection: ConnectionId, link: Link, now: Instant) -> Session {
        let (outbox, queue) = outbox();
        Session {
            peer,
            number,
            connections: BTreeMap::from([(connection, link)]),
            outbox,
            outbound: Some(Outbound::Opening { connection, queue }),
            reader: None,
            inbound_streams: 0,
            reopens: 0,
            began: now,
            without_reader_since: now,
            announced: watch::Sender::new(false),
            delivered: Arc::new(AtomicBool::new(false)),
            dialled: None,
        }
    }

    /// A connection that leads through no relay, if there is one.
    pub(super) fn direct(&self) -> Option<&Link> {
        self.connections.values().find(|link| !link.is_circuit)
    }

    /// A direct connection with a peer that carries circuits.
    pub(super) fn to_relay(&self) -> Option<&Link> {
        self.connections.values().find(|link| !link.is_circuit && link.is_relay)
    }

    /// The circuits, once there is a direct connection: they cost the relay, and are slower.
    pub(super) fn needless_circuits(&self) -> Vec<ConnectionId> {
        let circuits = self.connections.iter().filter(|(_, link)| link.is_circuit && self.direct().is_some());
        circuits.map(|(connection, _)| *connection).collect()
    }

    /// The connections that are one too many since both devices dialled at the same instant, seen from the one that came
    /// last. Both devices know which: those that the device of the higher key dialled.
    ///
    /// One that the peer dialled may instead come from a peer that lost the others without our noticing, and would then
    /// be the only one that lives: so it counts only while the session is young and nothing has been heard.
    pub(super) fn crossed(&self, last: ConnectionId, ours_stay: bool, now: Instant) -> Vec<ConnectionId> {
        let is_young = now.saturating_duration_since(self.began) <= HANDSHAKE_MAX;
        let is_crossing = self.connections.get(&last).is_some_and(|last| {
            self.connections.values().any(|other| other.is_ours != last.is_ours)
                && is_young
                && (last.is_ours || !self.has_delivered())
        });
        let too_many = self.connections.iter().filter(|(_, link)| is_crossing && link.is_ours != ours_stay);
        too_many.map(|(connection, _)| *connection).collect()
    }

    /// Whether the session is of no use: the peer has had no stream towards us for too long, or is a stranger that has
    /// never said anything.
    pub(super) fn is_useless(&self, is_trusted: bool, now: Instant) -> bool {
        let has_waited = |since, wait| now.saturating_duration_since(since) > wait;
        let has_no_stream = self.reader.is_none() && has_waited(self.without_reader_since, STREAM_WAIT);
        let says_nothing = !is_trusted && !self.has_delivered() && has_waited(self.began, STRANGER_WAIT);
        has_no_stream || says_nothing
    }

    /// Whether the peer took part at all: it opened a stream. One that refuses us never does.
    pub(super) fn was_live(&self) -> bool {
        self.inbound_streams > 0
    }

    /// Whether any frame of this session has been passed up.
    pub(super) fn has_delivered(&self) -> bool {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Where the peer can be dialled, the best first.
    pub(super) fn addresses(&self) -> Vec<Multiaddr> {
        let mut identified: Vec<&Multiaddr> = self.connections.values().flat_map(|link| &link.identified).collect();
        // What leads through a relay is the last resort.
        identified.sort_by_key(|address| is_circuit(address));
        self.dialled.iter().chain(identified).cloned().collect()
    }

    /// Ends both tasks. When this returns, no frame of this session is passed up any more.
    pub(super) async fn end(self) {
        if let Some(Outbound::Running { task, .. }) = self.outbound {
            task.abort();
        }
        if let Some(reader) = self.reader {
            stop_reader(reader).await;
        }
    }
}

/// Ends a reader. It is always at an `.await` or a few instructions from one, so this is soon over.
pub(super) async fn stop_reader(reader: JoinHandle<()>) {
    reader.abort();
    let _ = reader.await;
}

/// What a stream's task reports to the loop when it ends.
pub(super) struct Report {
    pub(super) device: DeviceKey,
    pub(super) session: u64,
    pub(super) ended: Ended,
}

/// Which stream ended, and how.
pub(super) enum Ended {
    Writer { queue: OutboxReader, end: WriteEnd },
    Reader { stream: u32, end: ReadEnd },
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::node::clock::instant;

    const SOON: Duration = Duration::from_millis(1);

    fn link(is_ours: bool) -> Link {
        let address = "/ip4/10.0.0.1/tcp/1".parse().expect("an address");
        Link { address, is_ours, source: None, is_circuit: false, identified: Vec::new(), is_relay: false }
    }

    fn connection(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    /// A session whose first connection we dialled, or the peer.
    fn session(is_ours: bool, now: Instant) -> Session {
        Session::new(PeerId::random(), 1, connection(1), link(is_ours), now)
    }

    #[test]
    fn a_stranger_that_says_nothing_is_let_go_and_nobody_else() {
        let now = instant();
        let session = session(false, now);
        assert!(!session.is_useless(false, now + STRANGER_WAIT), "it may still speak");
        assert!(session.is_useless(false, now + STRANGER_WAIT + SOON));
        assert!(!session.is_useless(true, now + STRANGER_WAIT + SOON), "a device that we trust may be slow");
        assert!(session.is_useless(true, now + STREAM_WAIT + SOON), "but it opens a stream");
        session.delivered.store(true, Ordering::Relaxed);
        assert!(!session.is_useless(false, now + STRANGER_WAIT + SOON), "it spoke");
    }

    #[test]
    fn both_devices_close_the_same_of_two_connections_that_crossed() {
        let now = instant();
        for ours_stay in [false, true] {
            for first_is_ours in [false, true] {
                let mut session = session(first_is_ours, now);
                assert_eq!(session.crossed(connection(1), ours_stay, now), [], "there is but one");
                session.connections.insert(connection(2), link(!first_is_ours));
                let closed = connection(if first_is_ours == ours_stay { 2 } else { 1 });
                assert_eq!(session.crossed(connection(2), ours_stay, now), [closed]);
                assert_eq!(session.crossed(connection(2), ours_stay, now + HANDSHAKE_MAX + SOON), []);
            }
        }
    }

    #[test]
    fn a_connection_knows_the_address_that_it_leaves_from() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(source_towards(loopback), Some(loopback));
        let endpoint = ConnectedPoint::Listener {
            local_addr: "/ip4/10.0.0.7/tcp/1".parse().expect("an address"),
            send_back_addr: "/ip4/10.0.0.8/tcp/2".parse().expect("an address"),
        };
        assert_eq!(Link::of(&endpoint).source, Some(IpAddr::from([10, 0, 0, 7])));
    }

    #[test]
    fn a_direct_connection_takes_the_place_of_circuits() {
        let now = instant();
        let mut session = session(false, now);
        session.connections.insert(connection(1), Link { is_circuit: true, ..link(false) });
        session.connections.insert(connection(2), Link { is_circuit: true, ..link(true) });
        assert_eq!(session.needless_circuits(), [], "there is nothing better");
        session.connections.insert(connection(3), link(true));
        assert_eq!(session.needless_circuits(), [connection(1), connection(2)]);
    }

    #[test]
    fn of_a_hole_that_is_punched_one_end_only_counts_as_having_dialled() {
        use libp2p::core::transport::PortUse;
        let address: Multiaddr = "/ip4/203.0.113.7/tcp/1".parse().expect("an address");
        let dialled = |role_override| {
            Link::of(&ConnectedPoint::Dialer { address: address.clone(), role_override, port_use: PortUse::Reuse })
        };
        assert!(dialled(Endpoint::Dialer).is_ours);
        assert!(!dialled(Endpoint::Listener).is_ours);
    }

    #[test]
    fn a_peer_that_calls_again_has_perhaps_lost_what_it_had() {
        let now = instant();
        let mut one = session(true, now);
        one.delivered.store(true, Ordering::Relaxed);
        one.connections.insert(connection(2), link(false));
        assert_eq!(one.crossed(connection(2), true, now), [], "the only one that surely lives");
        let mut again = session(false, now);
        again.connections.insert(connection(2), link(false));
        assert_eq!(again.crossed(connection(2), true, now), [], "the peer dialled both");
    }
}
