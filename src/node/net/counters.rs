//! What the network counts for the operator. Numbers only: no addresses, no payloads.

use std::sync::atomic::{AtomicU64, Ordering};

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetCounters {
    /// Peers cut off because they announced a frame beyond the limit.
    pub frames_oversize: u64,
    /// Sessions ended because a peer did not take what was queued for it.
    pub outboxes_full: u64,
    /// Sessions ended because a peer was silent or never opened its stream.
    pub peers_silent: u64,
    /// Sessions ended because a peer opened streams without end.
    pub streams_flooded: u64,
    /// Handshakes let go for another caller.
    pub handshakes_let_go: u64,
    /// Connections of strangers let go for another caller.
    pub strangers_let_go: u64,
    /// Second connections closed with a device that dialled us as we dialled it.
    pub crossed: u64,
    /// Circuits taken on for two other devices.
    pub circuits_carried: u64,
    /// Places and circuits refused: no device of ours, or too many.
    pub circuits_refused: u64,
    /// Circuits of ours left for a direct connection.
    pub circuits_left: u64,
    /// Gossip dropped because the peer that passed it on sent too much of it.
    pub gossip_flooded: u64,
    /// Gossip dropped because the consumer was slow.
    pub gossip_dropped: u64,
    /// Addresses of devices that mDNS told of.
    pub finds: u64,
    /// Dials begun.
    pub dials: u64,
    /// Dials failed.
    pub dials_failed: u64,
}

/// The counters as the network's loop writes them.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) frames_oversize: Counter,
    pub(super) outboxes_full: Counter,
    pub(super) peers_silent: Counter,
    pub(super) streams_flooded: Counter,
    pub(super) handshakes_let_go: Counter,
    pub(super) strangers_let_go: Counter,
    pub(super) crossed: Counter,
    pub(super) circuits_carried: Counter,
    pub(super) circuits_refused: Counter,
    pub(super) circuits_left: Counter,
    pub(super) gossip_flooded: Counter,
    pub(super) gossip_dropped: Counter,
    pub(super) finds: Counter,
    pub(super) dials: Counter,
    pub(super) dials_failed: Counter,
}

/// One number, only ever growing.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(super) fn snapshot(&self) -> NetCounters {
        NetCounters {
            frames_oversize: self.frames_oversize.get(),
            outboxes_full: self.outboxes_full.get(),
            peers_silent: self.peers_silent.get(),
            streams_flooded: self.streams_flooded.get(),
            handshakes_let_go: self.handshakes_let_go.get(),
            strangers_let_go: self.strangers_let_go.get(),
            crossed: self.crossed.get(),
            circuits_carried: self.circuits_carried.get(),
            circuits_refused: self.circuits_refused.get(),
            circuits_left: self.circuits_left.get(),
            gossip_flooded: self.gossip_flooded.get(),
            gossip_dropped: self.gossip_dropped.get(),
            finds: self.finds.get(),
            dials: self.dials.get(),
            dials_failed: self.dials_failed.get(),
        }
    }
}
