//! A log continued twice: its chain is a tree, and each branch of the tree is held as a log of its own.
//!
//! ```text
//! written log L:   1 ── 2 ── 3 ── 4 ── 5 ── 6        L itself: at every parting the lower hash goes on under the name
//!                             └── 4'── 5'            a branch: its own name, first number 4, chained to the hash of 3
//! ```
//!
//! Which entries bear which name follows from the entries held alone, not from the order in which they came. The device
//! signed, and computed actors and ids, under the written name; positions and closings use the branch's.

use crate::log::entry::chain;
use crate::log::suffix::is_signed;
use crate::log::{EntryHash, Head, LogId, Signature};
use crate::model::Incarnation;

/// Most branches of one log beside the log itself. A disk is copied a few times by mistake; a device in wrong hands may
/// sign as many as it likes, and each is kept by everybody. What is beyond them is not taken.
pub const BRANCHES_MAX: usize = 16;

/// How many places of its own chain a device names to find out where another's departs: the last 32, then twice as far
/// each time back to the root. A log of 2^32 entries needs no more.
pub const LOCATE_MAX: usize = 64;

/// Where a branch departs from the rest of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The log as its device wrote and signed it.
    pub written: LogId,
    /// The last entry that the branch shares with the log or branch it departs from.
    pub after: Head,
    /// The hash of the branch's first entry.
    pub first: EntryHash,
}

impl Departure {
    /// The name under which the branch is held: the written log's, but for the incarnation, which follows from the
    /// branch's first entry. Nobody can make up another first entry for a name.
    pub fn name(&self) -> LogId {
        let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/branch");
        hasher.update(&self.written.to_bytes());
        hasher.update(&self.first);
        let mut incarnation = [0; 8];
        incarnation.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        LogId { incarnation: Incarnation(u64::from_be_bytes(incarnation)), ..self.written }
    }
}

/// The heads that these bodies lead to from there, one by one, if the log's device signed the last.
pub fn chain_from(after: &Head, log: &LogId, bodies: &[Vec<u8>], signature: &Signature) -> Option<Vec<Head>> {
    let mut heads = Vec::with_capacity(bodies.len());
    let mut head = *after;
    for body in bodies {
        let number = head.number.checked_add(1)?;
        head = Head { number, hash: chain(&head.hash, number, body) };
        heads.push(head);
    }
    (!heads.is_empty() && is_signed(log, &head.hash, signature)).then_some(heads)
}

/// The numbers of a log of that length to name when asking where another's departs, from its end on.
pub fn places(length: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    let (mut number, mut step) = (length, 1);
    while numbers.len() < LOCATE_MAX - 1 && number > 0 {
        numbers.push(number);
        if numbers.len() >= 32 {
            step *= 2;
        }
        number = number.saturating_sub(step);
    }
    numbers.push(0);
    numbers
}
