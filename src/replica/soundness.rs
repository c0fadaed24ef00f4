//! What a store must show before its replica goes on: every log whole, and nothing of its own gone.
//!
//! A damaged database may open and have keys missing without a word (finding 2). So each time a replica is opened every
//! log is chained anew from its beginning to the head that was recorded with it, and what stands in no log is counted
//! and summed. What is only derived is no matter of this: it is derived anew where it does not fit (`boot`).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use crate::ledger::SetDigest;
use crate::log::{Departure, Head, LogId, Segment, next_hash, root_of};
use crate::replica::branches::Branch;
use crate::replica::{ReplicaError, keys};
use crate::store::{Store, StoreError};

/// Entries that a store held, and does not hold any more or cannot prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LostEntries {
    /// Of which log.
    pub log: LogId,
    /// The number of the first.
    pub from: u64,
    /// The number of the last that is known to have been there.
    pub to: u64,
}

/// All that is wrong with a store. Nothing was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Entries that are missing or not what was written, in the order of the logs' ids.
    pub lost: Vec<LostEntries>,
    /// Segments of logs of which not even the name is left.
    pub nameless_segments: u64,
    /// What else is missing or unreadable, by name.
    pub records: Vec<&'static str>,
}

impl Damage {
    /// Whether nothing is wrong.
    pub fn is_none(&self) -> bool {
        *self == Damage::default()
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for LostEntries { log, from, to } in &self.lost {
            write!(out, "{comma}entries {from} to {to} of log {log} are lost")?;
            comma = ", ";
        }
        if self.nameless_segments > 0 {
            write!(out, "{comma}{} segments belong to no log that is named", self.nameless_segments)?;
            comma = ", ";
        }
        for record in &self.records {
            write!(out, "{comma}{record}")?;
            comma = ", ";
        }
        Ok(())
    }
}

/// The logs of a store by their numbers in it, each with its head.
pub(super) type Stock = BTreeMap<u32, (LogId, Head)>;

/// The branches of a store's forked logs.
pub(super) type Branches = BTreeMap<LogId, Branch>;

/// The logs of a store, the branches among them, and what is wrong with them.
pub(super) fn take_stock(store: &impl Store) -> Result<(Stock, Branches, Damage), ReplicaError> {
    let mut damage = Damage::default();
    let mut logs = BTreeMap::new();
    scan(store, keys::LOG, |key, value| {
        let index = key.get(1..).and_then(|index| <[u8; 4]>::try_from(index).ok()).map(u32::from_be_bytes);
        match index.zip(read_head(value)) {
            Some((index, named)) => {
                logs.insert(index, named);
            }
            None => damage.records.push("a log's head is unreadable"),
        }
    })?;
    if logs.keys().copied().ne(0..logs.len() as u32) {
        damage.records.push("a log's head is missing");
    }
    let mut departures: BTreeMap<LogId, Departure> = BTreeMap::new();
    scan(store, keys::BRANCH, |key, value| {
        let index = key.get(1..).and_then(|index| <[u8; 4]>::try_from(index).ok()).map(u32::from_be_bytes);
        let named = index.and_then(|index| logs.get(&index));
        match named.zip(read_departure(value)).filter(|((log, _), departure)| *log == departure.name()) {
            Some(((log, _), departure)) => drop(departures.insert(*log, departure)),
            None => damage.records.push("where a branch departs is unreadable"),
        }
    })?;
    let base = |log: &LogId| departures.get(log).map_or_else(|| root(log), |departure| departure.after);
    let mut reached: BTreeMap<u32, Head> = logs.iter().map(|(index, (log, _))| (*index, base(log))).collect();
    // A branch whose log does not hold the entry that it departs after hangs on nothing.
    let mut branches: Branches = BTreeMap::new();
    let mut pass = |log: &LogId, head: &Head| {
        for (name, departure) in departures.iter().filter(|(name, departure)| departure.after == *head && *name != log)
        {
            if departures.get(log).map_or(*log, |of| of.written) == departure.written {
                branches.insert(*name, Branch { departure: *departure, parent: *log });
            }
        }
    };
    logs.values().filter(|(log, _)| !departures.contains_key(log)).for_each(|(log, _)| pass(log, &root(log)));
    scan(store, keys::SEGMENT, |key, value| {
        let Some(at) = keys::read_entry(key) else { return damage.records.push("a segment's key is unreadable") };
        match reached.get_mut(&at.log) {
            None => damage.nameless_segments += 1,
            // What follows a gap proves nothing.
            Some(head) if at.number != head.number + 1 => {}
            Some(head) => {
                if let Ok(segment) = Segment::from_bytes(value) {
                    for body in &segment.bodies {
                        *head = chained(head, body);
                        if !departures.is_empty()
                            && let Some((log, _)) = logs.get(&at.log)
                        {
                            pass(log, head);
                        }
                    }
                }
            }
        }
    })?;
    for (index, (log, head)) in &logs {
        let to = head.number;
        match reached.get(index) {
            Some(found) if found == head => {}
            Some(found) if found.number < to => {
                damage.lost.push(LostEntries { log: *log, from: found.number + 1, to });
            }
            // As many as there should be, or more, and not those: which of them is wrong cannot be known.
            _ => damage.lost.push(LostEntries { log: *log, from: base(log).number + 1, to }),
        }
    }
    damage.lost.sort_unstable();
    if branches.len() < departures.len() && damage.lost.is_empty() {
        damage.records.push("a branch departs from a log that does not hold its last common entry");
    }
    Ok((logs, branches, damage))
}

/// The sum of what a store holds beside the logs and what is derived from them.
pub(super) fn own_records(store: &impl Store) -> Result<SetDigest, ReplicaError> {
    let mut sum = SetDigest::default();
    for letter in keys::OWN {
        scan(store, letter, |key, value| sum.insert(&own_record(key, value)))?;
    }
    Ok(sum)
}

/// A record as it goes into the sum.
pub(super) fn own_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    [&(key.len() as u64).to_be_bytes()[..], key, value].concat()
}

pub(super) fn root(log: &LogId) -> Head {
    Head { number: 0, hash: root_of(log) }
}

pub(super) fn chained(head: &Head, body: &[u8]) -> Head {
    Head { number: head.number + 1, hash: next_hash(head, body) }
}

/// The length of a log's record: its name, its number, its hash.
pub(super) const LOG_RECORD_BYTES: usize = 45 + 8 + 32;

/// A log's record: its name and its head.
pub(super) fn read_head(bytes: &[u8]) -> Option<(LogId, Head)> {
    let (log, rest) = bytes.split_at_checked(45)?;
    let (number, hash) = rest.split_first_chunk::<8>()?;
    Some((LogId::from_bytes(log)?, Head { number: u64::from_be_bytes(*number), hash: hash.try_into().ok()? }))
}

pub(super) fn write_head(log: &LogId, head: &Head) -> Vec<u8> {
    [&log.to_bytes()[..], &head.number.to_be_bytes(), &head.hash].concat()
}

/// Where a branch departs: the log as written, the entry before its first, the hash of its first.
pub(super) fn read_departure(bytes: &[u8]) -> Option<Departure> {
    let (after, first) = bytes.split_at_checked(LOG_RECORD_BYTES)?;
    let (written, after) = read_head(after)?;
    Some(Departure { written, after, first: first.try_into().ok()? })
}

pub(super) fn write_departure(departure: &Departure) -> Vec<u8> {
    [&write_head(&departure.written, &departure.after)[..], &departure.first].concat()
}

fn scan(store: &impl Store, letter: u8, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
    store.scan(&[letter], &[letter], &mut |key, value| {
        visit(key, value);
        ControlFlow::Continue(())
    })
}
