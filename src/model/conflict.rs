//! What devices that act apart make of one thing, and what a person decides about it afterwards.

use serde::{Deserialize, Serialize};

use crate::model::credit::words;
use crate::model::{
    ConflictId, ContactField, CreditId, DeviceKey, Edit, MovementId, Origin, Reference, ShopId, SimNumber, Timestamp,
};
use crate::money::{Amount, Balance};

/// What operations that did not know of each other competed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ClashOver {
    /// Whether the credit is cancelled.
    Status,
    /// The value of an editable field.
    Contact(ContactField),
    /// The credit's number.
    Reference,
}

/// What one side of a clash said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClashValue {
    /// Money came in: the credit goes on.
    Paid(Amount),
    /// A payment was mistyped: the credit goes on.
    PaymentReversed,
    /// The credit is called off.
    Cancelled,
    /// The amount of the cancelled credit is given back to its granter's share: nothing overrides that.
    Returned,
    /// A cancellation is taken back: the credit goes on.
    Reinstated,
    /// A field has this value.
    Edited(Edit),
    /// The credit has this reference.
    Renumbered(Reference),
}

impl ClashValue {
    /// Whether by this value the credit is called off.
    pub fn is_cancellation(&self) -> bool {
        matches!(self, ClashValue::Cancelled | ClashValue::Returned)
    }
}

/// One side of a clash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClashSide {
    /// The entry: on which device, when.
    pub origin: Origin,
    /// Who.
    pub agent: Option<String>,
    /// What it said.
    pub value: ClashValue,
}

/// Operations that competed for one place, none of which had seen all the others (`domain`, rule 3). A fact of
/// history: whatever is written later does not undo it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clash {
    /// For what.
    pub over: ClashOver,
    /// At least two, by their stamps: the last is the one that stood when they met.
    pub sides: Vec<ClashSide>,
}

words!(
    /// What kind of automatic decision had a loser, or what went wrong (`domain`, rule 4).
    ConflictKind {
        /// Devices apart disagreed on whether a credit is cancelled.
        ConcurrentStatus = "concurrent_status",
        /// Cash was received for a credit that stands cancelled.
        PaidCancelled = "paid_cancelled",
        /// More was received than was owed.
        Overpaid = "overpaid",
        /// A share is below zero.
        Overdrawn = "overdrawn",
        /// Two credits of a shop were given one reference.
        SameReference = "same_reference",
        /// Devices apart gave one field different values.
        ConcurrentEdit = "concurrent_edit",
        /// One operator's reference stands on two captures.
        PossibleDuplicate = "possible_duplicate",
        /// A stamp that nobody can explain.
        WrongClock = "wrong_clock",
        /// A log was continued twice.
        ForkedDevice = "forked_device",
        /// An entry is kept without effect.
        SetAside = "set_aside",
    }
);

/// What one side of a conflict says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SideValue {
    /// One of the operations that competed.
    Did(ClashValue),
    /// A credit under the reference.
    Credit {
        /// Which.
        id: CreditId,
        /// How it is shown now.
        shown: String,
        /// Its amount.
        amount: Amount,
    },
    /// A movement of a SIM.
    Movement {
        /// Which.
        id: MovementId,
        /// The word of its kind.
        what: String,
        /// Its amount.
        amount: Amount,
    },
    /// What a share comes to.
    Share(Balance),
    /// Entries of one log whose times nobody can explain. They count; their times win nothing.
    Stamped {
        /// How many.
        count: u64,
        /// The number of the first.
        first: u64,
    },
    /// Entries of one log without effect.
    Entries {
        /// How many.
        count: u64,
        /// The number of the first.
        first: u64,
        /// The code of the reason.
        reason: String,
    },
    /// One of several sequels of one log.
    Sequel {
        /// How many entries.
        count: u64,
        /// The number of the first.
        first: u64,
    },
}

/// One side of a conflict: who said what, when, on which device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// On which device.
    pub device: DeviceKey,
    /// Who.
    pub agent: Option<String>,
    /// When, by that device's clock.
    pub at: Option<Timestamp>,
    /// What.
    pub value: SideValue,
}

/// What was decided without a person. With the kind of the conflict it says by which rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The credit stands cancelled.
    Cancelled {
        /// What was received for it and not handed back.
        received: Amount,
        /// Whether its amount was given back: then it cannot be reinstated.
        returned: bool,
    },
    /// The credit goes on.
    GoesOn,
    /// All payments count: this much more than was owed was received, and not handed back.
    Overpaid(Amount),
    /// Who stands below zero spends nothing, and what it receives covers that first.
    Overdrawn(Balance),
    /// The first side keeps the reference, the others bear a suffix.
    Suffixed,
    /// All credits have references of their own by now.
    Renumbered,
    /// This side's value stands: counted from 1.
    Stands(u8),
    /// All count.
    AllCount,
    /// It has no effect.
    NoEffect,
}

/// An automatic decision that had a loser, or what went wrong (`domain`, rule 4). It follows from the entries alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The same on every device that holds the same entries.
    pub id: ConflictId,
    /// What kind.
    pub kind: ConflictKind,
    /// In which shop.
    pub shop: ShopId,
    /// About which credit, if about one.
    pub credit: Option<CreditId>,
    /// About which SIM, if about one.
    pub sim: Option<SimNumber>,
    /// What they are over, if operations competed.
    pub over: Option<ClashOver>,
    /// Who said what.
    pub sides: Vec<Side>,
    /// What was decided.
    pub outcome: Outcome,
}

/// What a person decides about a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// It was looked at, and what had to be done outside was done.
    Handled,
    /// What was paid beyond the amount is given back.
    GiveBack,
    /// The cancellation is taken back.
    Reinstate,
    /// The credit is cancelled after all.
    Cancel,
    /// The credit gets this number.
    Renumber(Reference),
    /// The value of that side is taken instead: counted from 1, as the sides are listed.
    Take(u8),
}

impl Decision {
    /// The word in the interface, and in documents.
    pub fn word(&self) -> &'static str {
        match self {
            Decision::Handled => "handled",
            Decision::GiveBack => "give_back",
            Decision::Reinstate => "reinstate",
            Decision::Cancel => "cancel",
            Decision::Renumber(_) => "renumber",
            Decision::Take(_) => "take",
        }
    }

    /// The word, with what belongs to it: `renumber=CRED-002`, `take=2`.
    pub fn to_text(&self) -> String {
        match self {
            Decision::Renumber(reference) => format!("renumber={reference}"),
            Decision::Take(side) => format!("take={side}"),
            other => other.word().to_owned(),
        }
    }

    /// Reads what [`Decision::to_text`] wrote.
    pub fn from_text(text: &str) -> Option<Decision> {
        let (word, with) = text.split_once('=').map_or((text, None), |(word, with)| (word, Some(with)));
        Some(match (word, with) {
            ("handled", None) => Decision::Handled,
            ("give_back", None) => Decision::GiveBack,
            ("reinstate", None) => Decision::Reinstate,
            ("cancel", None) => Decision::Cancel,
            ("renumber", Some(reference)) => Decision::Renumber(Reference::new(reference).ok()?),
            ("take", Some(side)) => Decision::Take(side.parse().ok()?),
            _ => return None,
        })
    }
}

/// That a person dealt with a conflict. It does nothing by itself: what it decides is done by operations beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// With which.
    pub conflict: ConflictId,
    /// What was decided.
    pub decision: Decision,
    /// Why.
    pub why: String,
    /// Who.
    pub agent: Option<String>,
    /// When.
    pub at: Timestamp,
}
