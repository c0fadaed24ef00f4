//! What happened, kept so that it can be drawn and told: the same events as the trace's, with those that only a
//! drawing needs. It is in no digest, and nothing follows from it.

use crate::lab::trace::Happened;
use crate::model::ConflictId;
use crate::replica::Command;

/// Something that happened to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When, in milliseconds since the start.
    pub at_ms: i64,
    /// To whom: its place in the cast.
    pub device: usize,
    /// What.
    pub what: What,
}

/// What happened. Other devices are named by their places in the cast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The network was founded here.
    Founded,
    /// It was admitted.
    Joined,
    /// A connection was made.
    Met(usize),
    /// It noticed that a connection had ended.
    Parted(usize),
    /// Something came from another device.
    Heard {
        /// From whom.
        from: usize,
        /// How many bytes.
        bytes: usize,
    },
    /// It was asked something.
    Asked {
        /// By which the answer is known.
        ticket: u64,
        /// What.
        command: Box<Command>,
    },
    /// It answered.
    Answered {
        /// What was asked.
        ticket: u64,
        /// The code of the refusal, if it refused.
        refused: Option<&'static str>,
    },
    /// It left another for good, or for a while.
    Banned {
        /// Whom.
        peer: usize,
        /// Why.
        reason: String,
    },
    /// Its disk failed.
    DiskFailed,
    /// It lost power.
    PowerLost,
    /// It has power again.
    Restarted,
    /// These cannot reach each other any more.
    Apart(Vec<(usize, usize)>),
    /// These can again.
    Together(Vec<(usize, usize)>),
    /// Something else from outside.
    Fault(&'static str),
    /// A stolen key was used.
    Attack(&'static str),
    /// Its clock was set: ahead by so much.
    ClockSet(i64),
    /// It lists a conflict that it did not, or lists it otherwise, or no more.
    Conflict(ConflictId),
    /// A round of comparison was over, of those in which all come to agree.
    Healed(u32),
}

impl What {
    /// What of an event of the trace is drawn; the rest is bookkeeping.
    pub(super) fn of(happened: &Happened<'_>) -> Option<What> {
        Some(match happened {
            Happened::Founded => What::Founded,
            Happened::Joined => What::Joined,
            Happened::Met { peer } => What::Met(*peer),
            Happened::Parted { peer } => What::Parted(*peer),
            Happened::Heard { from, bytes } | Happened::Gossip { from, bytes } => {
                What::Heard { from: *from, bytes: *bytes }
            }
            Happened::Asked { ticket, command, .. } => {
                What::Asked { ticket: *ticket, command: Box::new((*command).clone()) }
            }
            Happened::Answered { ticket, refused } => {
                What::Answered { ticket: *ticket, refused: refused.map(|refusal| refusal.code()) }
            }
            Happened::Banned { peer, reason } => What::Banned { peer: *peer, reason: (*reason).to_owned() },
            Happened::DiskFailed => What::DiskFailed,
            Happened::PowerLost { .. } => What::PowerLost,
            Happened::Restarted => What::Restarted,
            Happened::Attack { name } => What::Attack(name),
            Happened::Healed { round } => What::Healed(*round),
            Happened::Fault { .. }
            | Happened::Ticked
            | Happened::Wrote { .. }
            | Happened::Syncing { .. }
            | Happened::Synced
            | Happened::Holds { .. } => return None,
        })
    }
}
