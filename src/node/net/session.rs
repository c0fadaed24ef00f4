//! One peer's session: its connections, its two streams, and what is known of it. Holds state, decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Multiaddr;
use super::limits::HANDSHAKE_MAX;
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
    /// The addresses at which the peer says it listens.
    pub(super) identified: Vec<Multiaddr>,
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
            identified: Vec::new(),
        }
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
        self.dialled.iter().chain(&self.identified).cloned().collect()
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
