//! Logs continued twice (`domain`, rules 2 and 7): how a second sequel is found, proven and told.
//!
//! ```text
//! A, on one sequel                     B, on the other
//! Want(L, 41..) ────────────────────►
//!   ◄──────────────── Entries          do not continue A's 40: no verdict yet
//! Locate(L, 40, 39, 38, 36 ... 0) ──►
//!   ◄──────────────── Branch           B's entries from the last place on that both have: two with one number, both
//! Branch ───────────────────────────►  signed. A answers with its own, so that both have both
//! ```
//!
//! From then on each branch is a log of its own (`log::Departure`), and the comparison by positions carries them on. Only
//! a device whose entries no such question explains has misbehaved.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

use crate::log::{BRANCHES_MAX, ChainedEntry, Departure, EntryHash, Head, LogId, chain_from, places};
use crate::model::{DeviceKey, Holder, Timestamp};
use crate::replica::conduct::Misconduct;
use crate::replica::{Replica, ReplicaError};
use crate::store::Store;
use crate::wire::{Message, Packed, Position, Want};

/// How long a device has to show where its chain departs, in milliseconds: two comparisons.
const LOCATE_ANSWER_MS: i64 = 60_000;
/// What looking through a log's chain costs who asks for it, in bytes an entry: hashing it.
const LOOK_COST_BYTES: i64 = 64;

impl<S: Store> Replica<S> {
    /// What that device sends or says of a log does not continue what is held: asks where its chain departs, once.
    pub(super) fn locate(&mut self, peer: DeviceKey, log: LogId, now: Timestamp) {
        let Some(session) = self.sessions.get_mut(&peer).filter(|session| session.certificate.is_some()) else {
            return;
        };
        let reached = self.logs.head(&log).number;
        if let Entry::Vacant(place) = session.located.entry(log) {
            place.insert((reached, now));
            self.ask_where(peer, log, reached);
        }
    }

    /// A device tells how far it holds its logs: one that says so of a log of which it was asked long ago where its chain
    /// departs, and has not shown it, says what nobody signed.
    pub(super) fn told_after_asked(&mut self, peer: DeviceKey, told: &[Position], now: Timestamp) {
        let Some(session) = self.sessions.get(&peer) else { return };
        let is_due = |log: &LogId| {
            let asked = session.located.get(log);
            asked.is_some_and(|(_, at)| now.0.saturating_sub(at.0) >= LOCATE_ANSWER_MS)
        };
        let differs = |one: &Position| {
            let own = self.logs.head(&one.log);
            one.head.number > own.number || one.head.number == own.number && one.head != own
        };
        if told.iter().any(|one| is_due(&one.log) && differs(one)) {
            self.misbehaved(peer, Misconduct::Broken, "it holds entries that nobody signed", now);
        }
    }

    fn ask_where(&mut self, peer: DeviceKey, log: LogId, from: u64) {
        let found = self.write().and_then(|()| self.logs.hashes(&log, &places(from).into_iter().collect()));
        match found {
            Ok(found) => {
                let places = found.into_iter().rev().map(|(number, hash)| Head { number, hash }).collect();
                self.send(peer, &Message::Locate { log, places });
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Another device stands elsewhere in a log: it is given ours from the last place on that both have.
    pub(super) fn asked_where(&mut self, peer: DeviceKey, log: LogId, places: &[Head], now: Timestamp) {
        let Some(shared) = self.shared(&peer) else { return };
        if !shared(log.scope) || !self.logs.held().contains_key(&log) {
            return;
        }
        let cost = i64::try_from(self.logs.head(&log).number).unwrap_or(i64::MAX).saturating_mul(LOOK_COST_BYTES);
        self.conducts.at(peer, now).charge(cost);
        let answered = self.write().and_then(|()| {
            let wanted: BTreeSet<u64> = places.iter().map(|place| place.number).collect();
            let ours = self.logs.hashes(&log, &wanted)?;
            let both = places.iter().filter(|place| ours.get(&place.number) == Some(&place.hash));
            match both.max_by_key(|place| place.number) {
                Some(both) => self.send_branch(peer, &log, both),
                None => Ok(()),
            }
        });
        if let Err(error) = answered {
            self.fail(&error);
        }
    }

    /// Sends what follows that entry on the way to the end of a log or branch.
    fn send_branch(&mut self, peer: DeviceKey, log: &LogId, after: &Head) -> Result<(), ReplicaError> {
        if let Some(suffix) = self.logs.path_suffix(log, after.number + 1)? {
            self.traffic.sent += suffix.bodies.len() as u64;
            self.send(peer, &Message::Branch { after: after.hash, entries: Packed::pack(&suffix) });
        }
        Ok(())
    }

    /// Where a branch is wanted from its beginning on, says what it departs from. Answers from where it goes on.
    pub(super) fn begin_giving(&mut self, peer: DeviceKey, want: &Want) -> Result<Want, ReplicaError> {
        let base = self.logs.base(&want.log);
        if want.from > base.number + 1 || !self.logs.branches().contains_key(&want.log) {
            return Ok(*want);
        }
        let more = want.to - want.from;
        let Some(suffix) = self.logs.suffix(&want.log, base.number + 1, base.number + 1)? else { return Ok(*want) };
        let from = base.number.saturating_add(1).saturating_add(suffix.bodies.len() as u64);
        let suffix = crate::log::Suffix { log: self.logs.written(&want.log), ..suffix };
        self.traffic.sent += suffix.bodies.len() as u64;
        self.send(peer, &Message::Branch { after: base.hash, entries: Packed::pack(&suffix) });
        Ok(Want { log: want.log, from, to: from.saturating_add(more) })
    }

    /// Entries of a log from a place on that may be held, or be another sequel.
    pub(super) fn told_branch(&mut self, peer: DeviceKey, after: EntryHash, packed: &Packed, now: Timestamp) {
        let written = packed.log();
        if self.failed.is_some() || !self.reads(written.scope) {
            return;
        }
        if !self.fold.registry.knows(&written.device) {
            return self.compare_soon(&peer, now);
        }
        let suffix = match packed.unpack() {
            Ok(suffix) if suffix.from > 0 => suffix,
            _ => return self.misbehaved(peer, Misconduct::Broken, "entries that do not unpack", now),
        };
        let after = Head { number: suffix.from - 1, hash: after };
        let Some(heads) = chain_from(&after, &written, &suffix.bodies, &suffix.signature) else {
            return self.misbehaved(peer, Misconduct::Broken, "entries that are not signed", now);
        };
        let chained = heads.iter().zip(&suffix.bodies);
        let entries: Vec<ChainedEntry> =
            chained.map(|(head, body)| ChainedEntry::read(head.number, head.hash, body)).collect();
        let taken = self.write().and_then(|()| self.graft(peer, &written, &after, &entries, suffix.signature, now));
        if let Err(error) = taken {
            self.fail(&error);
        }
    }

    /// Puts entries where they belong in the tree of their log, and answers with what is held beside them.
    fn graft(
        &mut self,
        peer: DeviceKey,
        written: &LogId,
        after: &Head,
        entries: &[ChainedEntry],
        signature: crate::log::Signature,
        now: Timestamp,
    ) -> Result<(), ReplicaError> {
        let Some(mut log) = self.logs.holder_of(written, after)? else {
            // What it departs from has not come yet: the next comparison brings it first.
            self.compare_soon(&peer, now);
            return Ok(());
        };
        // Follows what is held.
        let numbers: BTreeSet<u64> = entries.iter().map(|entry| entry.number).collect();
        let mut held = self.logs.hashes(&log, &numbers)?;
        let mut last = *after;
        let mut known = 0;
        for entry in entries {
            let departs = |departure: &Departure| departure.after == last && departure.first == entry.hash;
            if held.get(&entry.number) != Some(&entry.hash) {
                let found = self.logs.departing(&log).find(|(_, departure)| departs(departure));
                let Some(branch) = found.map(|(name, _)| *name) else { break };
                log = branch;
                held = self.logs.hashes(&log, &numbers)?;
            }
            last = Head { number: entry.number, hash: entry.hash };
            known += 1;
        }
        let fresh = &entries[known..];
        self.answer_located(peer, written, &last, fresh.is_empty(), now)?;
        let Some(first) = fresh.first() else { return Ok(()) };
        let head = self.logs.head(&log);
        if head == last {
            return self.take_in(&log, fresh, signature, now);
        }
        // Two entries with one number, each signed: the log was continued twice.
        if self.logs.family(written).len() > BRANCHES_MAX {
            self.conducts.refused += 1;
            return Ok(());
        }
        let next = BTreeSet::from([first.number]);
        let ours = self.logs.hashes(&log, &next)?.remove(&first.number);
        for seen in self.seen.values_mut() {
            seen.numbers.retain(|of, _| of.device != written.device);
        }
        if ours.is_none_or(|ours| ours < first.hash) {
            let departure = Departure { written: *written, after: last, first: first.hash };
            let branch = self.logs.begin_branch(departure, log);
            self.tell_branches();
            return self.take_in(&branch, fresh, signature, now);
        }
        self.leave_forked(written, now);
        self.write()?;
        self.logs.put_before(&log, last, fresh, signature)?;
        self.traffic.received += fresh.len() as u64;
        self.rebuild()?;
        self.leave_revoked();
        self.changed(now);
        Ok(())
    }

    /// A device that was asked where its chain departs has answered: with another sequel than ours, so it is given ours
    /// from there; or with what both have, so it is asked again from there on.
    fn answer_located(
        &mut self,
        peer: DeviceKey,
        written: &LogId,
        last: &Head,
        is_known: bool,
        now: Timestamp,
    ) -> Result<(), ReplicaError> {
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(()) };
        session.delivered = true;
        let asked: Vec<LogId> = session.located.keys().copied().collect();
        let asked: Vec<LogId> = asked.into_iter().filter(|log| self.logs.written(log) == *written).collect();
        for log in asked {
            let on_ours = self.logs.hashes(&log, &BTreeSet::from([last.number]))?.get(&last.number) == Some(&last.hash);
            let reached = self.logs.head(&log).number;
            let Some(session) = self.sessions.get_mut(&peer) else { return Ok(()) };
            if !on_ours || last.number < reached && !is_known {
                // Ours departs from its: it may not know, and what it says of that log is to be heard anew.
                session.located.remove(&log);
                session.theirs.remove(&log);
                let both = self.common(&log, written, last)?;
                self.send_branch(peer, &log, &both)?;
                self.compare_soon(&peer, now);
            } else if !is_known {
                session.located.remove(&log);
            } else if last.number < reached
                && session.located.get(&log).is_some_and(|(before, _)| last.number != *before)
            {
                session.located.insert(log, (last.number, now));
                self.ask_where(peer, log, last.number);
            }
        }
        Ok(())
    }

    /// The last entry that the ways to the end of a log and to that entry have in common.
    fn common(&self, log: &LogId, written: &LogId, at: &Head) -> Result<Head, ReplicaError> {
        let mut at = *at;
        loop {
            let ours = self.logs.hashes(log, &BTreeSet::from([at.number]))?;
            if ours.get(&at.number) == Some(&at.hash) {
                return Ok(at);
            }
            match self.logs.holder_of(written, &at)? {
                Some(holder) if self.logs.branches().contains_key(&holder) => at = self.logs.base(&holder),
                _ => return Ok(self.logs.base(written)),
            }
        }
    }

    /// This life's own log was continued by another copy of its store: it goes on as another.
    pub(super) fn leave_forked(&mut self, written: &LogId, now: Timestamp) {
        let is_own = *written == self.own_log(written.scope) || Some(*written) == self.authority_log();
        if is_own {
            self.begin_incarnation();
            self.greet_again(now);
        }
    }

    /// Tells the books which logs are branches of which.
    pub(super) fn tell_branches(&mut self) {
        let told = branches_told(&self.logs);
        self.fold.know_branches(told);
    }
}

/// The branches of the shops' logs, as the books know them: the branch, what it departs from, after which entry.
pub(super) fn branches_told<S: Store>(
    logs: &crate::replica::logs::Logs<S>,
) -> Vec<(crate::model::ShopId, Holder, Holder, u64)> {
    let holder = |log: &LogId| Holder { device: log.device, incarnation: log.incarnation };
    let found = logs.branches().iter().filter_map(|(name, branch)| match name.scope {
        crate::model::Scope::Shop(shop) => {
            Some((shop, holder(name), holder(&branch.parent), branch.departure.after.number))
        }
        crate::model::Scope::Registry => None,
    });
    found.collect()
}
