//! The kinds of things that people do, and how often.

use crate::lab::Draw;

/// A kind of act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// A credit is granted.
    Grant,
    /// Part of a credit is paid.
    PayPart,
    /// All that remains of a credit is paid.
    PayRest,
    /// A credit that another device granted is paid.
    PayElsewhere,
    /// A mistyped payment is taken back.
    ReversePayment,
    /// A credit is called off.
    Cancel,
    /// A credit's contact fields, due date or notes change.
    Edit,
    /// A capture that is not confirmed yet.
    CapturePending,
    /// A capture that is.
    CaptureValidated,
    /// A pending capture is confirmed.
    Validate,
    /// Float out against cash that is owed.
    Withdraw,
    /// Float out against cash in hand.
    Deposit,
    /// A movement is taken back.
    ReverseMovement,
    /// The cash of a withdrawal came back.
    Reimburse,
    /// Something that must be refused.
    Wrong,
    /// Something asked before, under its key, asked again.
    Retry,
    /// Something else under a key that was used.
    KeyReused,
    /// One command twice in one step, under one key.
    TwiceAtOnce,
    /// Several commands in one step.
    Several,
    /// Two devices: each takes payment of all that remains of one credit.
    BothPayAll,
    /// Two devices: one takes payment of a credit, the other calls it off.
    PayAndCancel,
    /// Two devices: each takes the same payment back.
    BothReverse,
    /// Two devices: each grants under the same reference.
    OneReference,
    /// Two devices: each grants nearly all that one SIM holds.
    Overdraw,
    /// Some of this device's share is given to another.
    GiveShare,
    /// Others are asked for some of theirs.
    AskShare,
    /// A cancelled amount is given back without waiting.
    ReturnCredit,
    /// A device is closed, lost or not.
    CloseDevice,
    /// A SIM goes to another shop.
    MoveSim,
}

impl Act {
    /// Every kind.
    pub const ALL: [Act; 29] = [
        Act::Grant,
        Act::PayPart,
        Act::PayRest,
        Act::PayElsewhere,
        Act::ReversePayment,
        Act::Cancel,
        Act::Edit,
        Act::CapturePending,
        Act::CaptureValidated,
        Act::Validate,
        Act::Withdraw,
        Act::Deposit,
        Act::ReverseMovement,
        Act::Reimburse,
        Act::Wrong,
        Act::Retry,
        Act::KeyReused,
        Act::TwiceAtOnce,
        Act::Several,
        Act::BothPayAll,
        Act::PayAndCancel,
        Act::BothReverse,
        Act::OneReference,
        Act::Overdraw,
        Act::GiveShare,
        Act::AskShare,
        Act::ReturnCredit,
        Act::CloseDevice,
        Act::MoveSim,
    ];

    /// Whether it asks for something that was not asked before.
    pub(super) fn is_new(self) -> bool {
        !matches!(self, Act::Retry | Act::KeyReused)
    }
}

/// What one command does, and how often people do it.
const SIMPLE: [(Act, u32); 20] = [
    (Act::Grant, 260),
    (Act::PayPart, 130),
    (Act::PayRest, 110),
    (Act::PayElsewhere, 60),
    (Act::ReversePayment, 30),
    (Act::Cancel, 35),
    (Act::Edit, 60),
    (Act::CapturePending, 40),
    (Act::CaptureValidated, 70),
    (Act::Validate, 40),
    (Act::Withdraw, 40),
    (Act::Deposit, 40),
    (Act::ReverseMovement, 25),
    (Act::Reimburse, 20),
    (Act::Wrong, 40),
    (Act::GiveShare, 25),
    (Act::AskShare, 25),
    (Act::ReturnCredit, 14),
    (Act::CloseDevice, 6),
    (Act::MoveSim, 3),
];

/// What is made of others.
const COMPOUND: [(Act, u32); 4] = [(Act::Retry, 40), (Act::KeyReused, 8), (Act::TwiceAtOnce, 20), (Act::Several, 30)];

/// What two devices do at once.
const RACES: [(Act, u32); 5] =
    [(Act::BothPayAll, 3), (Act::PayAndCancel, 3), (Act::BothReverse, 2), (Act::OneReference, 2), (Act::Overdraw, 2)];

/// What one device does by itself.
pub(super) fn draw_one(draw: &mut Draw) -> Act {
    weighted(draw, SIMPLE.iter().chain(&COMPOUND))
}

/// What one command does.
pub(super) fn draw_simple(draw: &mut Draw) -> Act {
    weighted(draw, SIMPLE.iter())
}

/// What two devices do at once.
pub(super) fn draw_race(draw: &mut Draw) -> Act {
    weighted(draw, RACES.iter())
}

fn weighted<'a>(draw: &mut Draw, of: impl Iterator<Item = &'a (Act, u32)> + Clone) -> Act {
    let sum: u64 = of.clone().map(|(_, weight)| u64::from(*weight)).sum();
    let mut at = draw.below(sum);
    for (act, weight) in of {
        match at.checked_sub(u64::from(*weight)) {
            Some(rest) => at = rest,
            None => return *act,
        }
    }
    Act::Grant
}
