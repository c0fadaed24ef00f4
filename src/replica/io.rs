//! What goes into a replica and what comes out of it: all that the world and the rules say to each other.

use std::collections::BTreeSet;

use crate::ledger::Refusal;
use crate::model::{DeviceKey, Scope};
use crate::replica::{Answer, Change, Command, Query};

/// What happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// A person or program wants something done.
    Command {
        /// By which the answer is recognised.
        ticket: u64,
        /// What.
        command: Box<Command>,
        /// The idempotency key, if there is one.
        key: Option<String>,
    },
    /// A person or program wants to see something.
    Query {
        /// By which the answer is recognised.
        ticket: u64,
        /// What.
        query: Box<Query>,
    },
    /// Compare with every peer now.
    Sync {
        /// By which the report is recognised.
        ticket: u64,
    },
    /// A device is reachable.
    Connected {
        /// Its key, proven by the transport.
        peer: DeviceKey,
    },
    /// A device is no longer reachable.
    Disconnected {
        /// Its key.
        peer: DeviceKey,
    },
    /// A device said something.
    Frame {
        /// Its key, proven by the transport.
        peer: DeviceKey,
        /// What it said.
        bytes: Vec<u8>,
    },
    /// Something came by gossip, already opened with the network's gossip key.
    Gossip {
        /// Who handed it on.
        from: DeviceKey,
        /// A frame of entries.
        bytes: Vec<u8>,
    },
    /// Time has passed.
    Tick,
}

/// What is to be done outside, once the store is synced.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a step has few outputs, and most are answers")]
pub enum Output {
    /// The answer to a command or query.
    Answer {
        /// Of which.
        ticket: u64,
        /// What.
        result: Result<Answer, Refusal>,
    },
    /// What a requested comparison came to.
    Synced {
        /// Of which request.
        ticket: u64,
        /// Peers asked.
        peers: u32,
        /// Of those, how many hold the same now.
        in_step: u32,
        /// Entries sent since the request.
        sent: u64,
        /// Entries received since the request.
        received: u64,
    },
    /// Say this to a device.
    Send {
        /// To whom.
        peer: DeviceKey,
        /// A frame.
        bytes: Vec<u8>,
    },
    /// Gossip this to the devices of the network that read its scope.
    Publish {
        /// What the entries speak about.
        scope: Scope,
        /// A frame of entries, to be sealed.
        bytes: Vec<u8>,
    },
    /// The device is one of us: keep in touch with it.
    Trust {
        /// Which.
        peer: DeviceKey,
    },
    /// End the connection, and let none be made for a while.
    Ban {
        /// With whom.
        peer: DeviceKey,
        /// For how long, in milliseconds.
        for_ms: u64,
        /// Why, for the log.
        reason: &'static str,
    },
    /// Tell who looks at this node what to look at again.
    Changed {
        /// What.
        changes: BTreeSet<Change>,
    },
}

/// What a replica counts since it was opened, and how much it holds of what no view tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Entries sent to other devices.
    pub sent: u64,
    /// Entries received from other devices, those held already included.
    pub received: u64,
    /// Of those received, how many came by gossip; comparing brought the rest.
    pub gossiped: u64,
    /// Digests sent, each of which begins a comparison.
    pub rounds: u64,
    /// What devices said or did that was refused.
    pub refused: u64,
    /// Logs held.
    pub logs: usize,
    /// Commands that wait for others to give some of their share.
    pub commands_waiting: usize,
}
