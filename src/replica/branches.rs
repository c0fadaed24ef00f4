//! Logs that were continued twice, as this store holds them: which branches there are, and moving entries to the branch
//! they belong to when a lower one comes (`log::Departure`).
//!
//! It must never lose an entry of either branch: what is moved, what takes its place and the mark that all is to be
//! folded anew are one batch.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::log::{
    ChainedEntry, Departure, EntryHash, Head, LogId, SUFFIX_BYTES_MAX, SUFFIX_ENTRIES_MAX, Segment, Signature, Suffix,
    next_hash, root_of,
};
use crate::replica::fold::EntryRef;
use crate::replica::logs::Logs;
use crate::replica::{ReplicaError, keys, soundness};
use crate::store::{Batch, Store};

/// One branch held here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    /// Where it departs.
    pub departure: Departure,
    /// The log or branch that goes on beside it.
    pub parent: LogId,
}

impl<S: Store> Logs<S> {
    /// Every branch held, by its name.
    pub fn branches(&self) -> &BTreeMap<LogId, Branch> {
        &self.branches
    }

    /// The log as its device wrote it: for a branch not its own name.
    pub fn written(&self, log: &LogId) -> LogId {
        self.branches.get(log).map_or(*log, |branch| branch.departure.written)
    }

    /// What a log continues: nothing, or for a branch the entry that it departs after.
    pub fn base(&self, log: &LogId) -> Head {
        let root = || Head { number: 0, hash: root_of(log) };
        self.branches.get(log).map_or_else(root, |branch| branch.departure.after)
    }

    /// A written log and its branches, as far as they are held.
    pub fn family(&self, written: &LogId) -> Vec<LogId> {
        let branches = self.branches.iter().filter(|(_, branch)| branch.departure.written == *written);
        let own = self.held().contains_key(written).then_some(*written);
        own.into_iter().chain(branches.map(|(name, _)| *name)).collect()
    }

    /// The branches that depart from a log or branch.
    pub fn departing(&self, parent: &LogId) -> impl Iterator<Item = (&LogId, &Departure)> {
        let found = self.branches.iter().filter(move |(_, branch)| branch.parent == *parent);
        found.map(|(name, branch)| (name, &branch.departure))
    }

    /// The stretches that lead from a log's root to the end of a branch: whose, the first number, the last.
    fn path(&self, log: &LogId) -> Vec<(LogId, u64, u64)> {
        let mut parts = Vec::new();
        let (mut log, mut last) = (*log, self.head(log).number);
        loop {
            parts.push((log, self.base(&log).number + 1, last));
            let Some(branch) = self.branches.get(&log) else { break };
            (log, last) = (branch.parent, branch.departure.after.number);
        }
        parts.reverse();
        parts
    }

    /// The hashes of some entries on the way to the end of a log or branch, in the store. 0 is the root.
    pub fn hashes(&self, log: &LogId, numbers: &BTreeSet<u64>) -> Result<BTreeMap<u64, EntryHash>, ReplicaError> {
        let mut found = BTreeMap::new();
        if numbers.contains(&0) {
            found.insert(0, root_of(&self.written(log)));
        }
        for (part, _, last) in self.path(log) {
            let Some(held) = self.held().get(&part) else { continue };
            let mut head = self.base(&part);
            self.each_body(held.index, &mut |number, body| {
                if number <= last {
                    head = Head { number, hash: next_hash(&head, body) };
                    if numbers.contains(&number) {
                        found.insert(number, head.hash);
                    }
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// The entries on the way to the end of a log or branch from that number on, under its written name, up to a signed
    /// one; in the store.
    pub fn path_suffix(&self, log: &LogId, from: u64) -> Result<Option<Suffix>, ReplicaError> {
        let mut bodies: Vec<Vec<u8>> = Vec::new();
        let mut best: Option<(usize, Signature)> = None;
        let (mut bytes, mut is_full) = (0, false);
        for (part, first, last) in self.path(log) {
            let Some(held) = self.held().get(&part).filter(|_| !is_full && first <= last && last >= from) else {
                continue;
            };
            self.each_segment(held.index, &mut |start, segment| {
                let end = start + segment.bodies.len() as u64 - 1;
                for (body, number) in segment.bodies.iter().zip(start..) {
                    if number >= from && number <= last && !is_full {
                        bytes += body.len();
                        bodies.push(body.clone());
                    }
                }
                let within = bodies.len() <= SUFFIX_ENTRIES_MAX && bytes <= SUFFIX_BYTES_MAX;
                if let Some(signature) = segment.signature
                    && (from..=last).contains(&end)
                    && !is_full
                    && (within || best.is_none())
                {
                    best = Some((bodies.len(), signature));
                }
                is_full |= best.is_some() && !within;
                Ok(())
            })?;
        }
        Ok(best.map(|(count, signature)| {
            bodies.truncate(count);
            Suffix { log: self.written(log), from, bodies, signature }
        }))
    }

    /// The log or branch of a family in which that entry stands, if it is held; in the store.
    pub fn holder_of(&self, written: &LogId, at: &Head) -> Result<Option<LogId>, ReplicaError> {
        if at.number == 0 {
            return Ok((at.hash == root_of(written)).then_some(*written));
        }
        for log in self.family(written) {
            if (self.base(&log).number + 1..=self.head(&log).number).contains(&at.number)
                && self.hash_at(&log, at.number)? == Some(at.hash)
            {
                return Ok(Some(log));
            }
        }
        Ok(None)
    }

    /// Begins a branch; its entries are staged as any log's.
    pub fn begin_branch(&mut self, departure: Departure, parent: LogId) -> LogId {
        let name = departure.name();
        self.branches.insert(name, Branch { departure, parent });
        name
    }

    /// Gives the entries of a log after `after` to a branch of their own, and these to the log in their place: one batch,
    /// which also says that all is to be folded anew. Nothing may be staged.
    pub fn put_before(
        &mut self,
        log: &LogId,
        after: Head,
        entries: &[ChainedEntry],
        signature: Signature,
    ) -> Result<(), ReplicaError> {
        let missing = || ReplicaError::damaged("a log that forks is not held");
        let next = BTreeSet::from([after.number + 1]);
        let first = self.hashes(log, &next)?.remove(&(after.number + 1)).ok_or_else(missing)?;
        let held = *self.held().get(log).ok_or_else(missing)?;
        let departure = Departure { written: self.written(log), after, first };
        let name = departure.name();
        let mut batch = Batch::default();
        self.branches.insert(name, Branch { departure, parent: *log });
        for (other, branch) in &mut self.branches {
            if branch.parent == *log && *other != name && branch.departure.after.number > after.number {
                branch.parent = name;
            }
        }
        let index = self.begin_at(&name, held.head);
        let prefix = keys::segment_prefix(held.index);
        let mut damaged = None;
        self.store.scan(&prefix, &prefix, &mut |key, value| {
            let read = keys::read_entry(key).zip(Segment::from_bytes(value).ok());
            let Some((EntryRef { number, .. }, mut segment)) = read else {
                damaged = Some(ReplicaError::damaged("a segment is unreadable"));
                return ControlFlow::Break(());
            };
            if number + segment.bodies.len() as u64 <= after.number + 1 {
                return ControlFlow::Continue(());
            }
            if number > after.number {
                batch.delete(key);
                batch.put(keys::segment(EntryRef { log: index, number }), value);
            } else {
                let tail = segment.bodies.split_off((after.number + 1 - number) as usize);
                let tail = Segment { bodies: tail, signature: segment.signature.take() };
                // What stays is proven by the signature on what comes after it now.
                batch.put(key, segment.to_bytes());
                batch.put(keys::segment(EntryRef { log: index, number: after.number + 1 }), tail.to_bytes());
            }
            ControlFlow::Continue(())
        })?;
        if let Some(error) = damaged {
            return Err(error);
        }
        batch.put(keys::log(index), soundness::write_head(&name, &held.head));
        batch.put(keys::branch(index), soundness::write_departure(&departure));
        batch.delete(keys::DERIVED_NOW);
        self.cut(log, after);
        self.extend(log, entries, signature);
        self.write(&mut batch, |_| None);
        self.store.apply(&batch)?;
        Ok(())
    }
}
