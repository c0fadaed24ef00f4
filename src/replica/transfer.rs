//! Entries asked for, given and taken.
//!
//! What is asked for is bounded, and asked again from where it stood; no two devices are asked for the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::log::{ChainedEntry, LogId, Signature, SuffixError, check_suffix};
use crate::model::{DeviceKey, EXPLAINED_MS, Scope, Timestamp};
use crate::replica::conduct::Misconduct;
use crate::replica::fold::{Entries, EntryRef};
use crate::replica::{Replica, ReplicaError};
use crate::store::Store;
use crate::wire::{ANSWER_BYTES_MAX, Message, Packed, WANT_ENTRIES_MAX, WANTS_MAX, WITHOUT_EFFECT_MAX, Want, decode};

/// Requests under way with one device: one being answered while the one before is stored.
const OUTSTANDING_MAX: u32 = 2;

impl<S: Store> Replica<S> {
    /// Asks a device for what it holds and we lack, as much as may be under way.
    pub(super) fn pump(&mut self, peer: DeviceKey, now: Timestamp) {
        loop {
            let wants = self.next_wants(&peer);
            let Some(session) = self.sessions.get_mut(&peer) else { return };
            if wants.is_empty() {
                // All that was asked for is here: see whether that is all there is.
                if session.outstanding == 0 && !session.requested.is_empty() {
                    session.requested.clear();
                    self.send_digest(peer, now);
                }
                return;
            }
            if session.outstanding >= OUTSTANDING_MAX {
                return;
            }
            session.outstanding += 1;
            session.active_at = now;
            for want in &wants {
                session.requested.insert(want.log, want.to);
            }
            self.send(peer, &Message::Want(wants));
        }
    }

    /// Devices of which so many entries are here without effect that no more of theirs are taken: what one in wrong hands
    /// makes others keep is bounded. Their logs stay where they are, and stand in nobody else's way.
    fn overfull(&self) -> BTreeSet<DeviceKey> {
        let mut counts: BTreeMap<DeviceKey, u64> = BTreeMap::new();
        if self.fold.without_effect_count() >= WITHOUT_EFFECT_MAX {
            for (log, count) in self.fold.without_effect() {
                if let Some(log) = self.logs.log(*log) {
                    *counts.entry(log.device).or_default() += count;
                }
            }
        }
        counts.into_iter().filter(|(_, count)| *count >= WITHOUT_EFFECT_MAX).map(|(device, _)| device).collect()
    }

    fn next_wants(&self, peer: &DeviceKey) -> Vec<Want> {
        // What cannot be kept is not asked for, again and again, as fast as it comes.
        let session = self.sessions.get(peer).filter(|_| self.failed.is_none());
        let (Some(session), Some(shared)) = (session, self.shared(peer)) else { return Vec::new() };
        let under_way = |log: &LogId| {
            let asked = self.sessions.values().filter_map(|session| session.requested.get(log));
            asked.max().copied().unwrap_or(0)
        };
        let overfull = self.overfull();
        let mut registry_first = false;
        let mut budget = WANT_ENTRIES_MAX;
        let mut wants = Vec::new();
        // The registry sorts first: who may write is learnt before what was written.
        for (log, head) in &session.theirs {
            let held = self.logs.head(log).number;
            if head.number <= held
                || !shared(log.scope)
                || !self.fold.registry.knows(&log.device)
                || overfull.contains(&log.device)
                || session.located.contains_key(log)
            {
                continue;
            }
            registry_first |= log.scope == Scope::Registry;
            let from = held.max(under_way(log)) + 1;
            if registry_first && log.scope != Scope::Registry || wants.len() == WANTS_MAX || budget == 0 {
                break;
            }
            if from <= head.number {
                let to = head.number.min(from + budget - 1);
                budget -= to - from + 1;
                wants.push(Want { log: *log, from, to });
            }
        }
        wants
    }

    pub(super) fn wanted(&mut self, peer: DeviceKey, wants: &[Want], now: Timestamp) {
        let Some(shared) = self.shared(&peer) else { return };
        let (mut budget, mut bytes, mut again) = (WANT_ENTRIES_MAX, ANSWER_BYTES_MAX, 0);
        for want in wants.iter().filter(|want| shared(want.log.scope)) {
            let want = match self.begin_giving(peer, want) {
                Ok(want) => want,
                Err(error) => return self.fail(&error),
            };
            let mut from = want.from;
            while from <= want.to && budget > 0 && bytes > 0 {
                let suffix = match self.logs.suffix(&want.log, from, want.to) {
                    Ok(Some(suffix)) => suffix,
                    Ok(None) => break,
                    Err(error) => return self.fail(&error),
                };
                let count = suffix.bodies.len() as u64;
                let held = self.logs.entries();
                if let Some(session) = self.sessions.get_mut(&peer) {
                    let given = session.given.entry(want.log).or_default();
                    let last = suffix.from.saturating_add(count).saturating_sub(1);
                    let fresh = last.saturating_sub(*given).min(count);
                    let is_again = self.conducts.at(peer, now).is_given_again(fresh, held, now);
                    let bodies = suffix.bodies.iter().zip(suffix.from..);
                    let counted = bodies.filter(|(_, number)| is_again || number <= given);
                    again += counted.map(|(body, _)| body.len()).sum::<usize>();
                    *given = (*given).max(last);
                }
                from += count;
                budget = budget.saturating_sub(count);
                bytes = bytes.saturating_sub(suffix.bodies.iter().map(Vec::len).sum());
                self.traffic.sent += count;
                self.send(peer, &Message::Entries(Packed::pack(&suffix)));
            }
        }
        self.conducts.at(peer, now).charge(i64::try_from(again).unwrap_or(i64::MAX));
        self.send(peer, &Message::Sent);
    }

    /// Gossip is a hint: what continues a log is taken, what does not makes us compare.
    pub(super) fn gossip(&mut self, from: DeviceKey, bytes: &[u8], now: Timestamp) {
        if let Ok(Message::Entries(packed)) = decode(bytes) {
            let before = self.traffic.received;
            self.received(from, &packed, false, now);
            self.traffic.gossiped += self.traffic.received - before;
        }
    }

    pub(super) fn received(&mut self, peer: DeviceKey, packed: &Packed, asked_for: bool, now: Timestamp) {
        let log = packed.log();
        if self.failed.is_some() || !self.reads(log.scope) {
            return;
        }
        let own = log.device == self.device() && log.incarnation == self.incarnation;
        if !self.fold.registry.knows(&log.device) {
            // Its certificate has not come yet: the next comparison brings it first.
            return self.compare_soon(&peer, now);
        }
        let head = self.logs.head(&log);
        if packed.last() <= head.number {
            return;
        }
        if !own && self.overfull().contains(&log.device) {
            return self.conducts.refused += 1;
        }
        let suffix = match packed.unpack() {
            Ok(suffix) => suffix,
            Err(_) if asked_for => return self.misbehaved(peer, Misconduct::Broken, "entries that do not unpack", now),
            // Gossip is handed on unopened: whoever handed this on need not have made it.
            Err(_) => return self.conducts.refused += 1,
        };
        let entries = match check_suffix(&head, &suffix) {
            Ok(entries) => entries,
            Err(SuffixError::Old) => return,
            Err(SuffixError::Gap { .. }) => return self.compare_soon(&peer, now),
            Err(SuffixError::Bounds) if asked_for => {
                let reason = "more entries than one signature may cover";
                return self.misbehaved(peer, Misconduct::Broken, reason, now);
            }
            Err(SuffixError::Bounds) => return self.conducts.refused += 1,
            // Nothing is held of it, so there is no other sequel that this could be of.
            Err(SuffixError::Signature) if asked_for && head.number == 0 => {
                return self.misbehaved(peer, Misconduct::Broken, "entries that are not signed", now);
            }
            // No verdict yet: it may be another sequel of the log than the one held here, and this store its copy.
            Err(SuffixError::Signature) if asked_for => return self.locate(peer, log, now),
            Err(SuffixError::Signature) => return self.conducts.refused += 1,
        };
        if let Err(error) = self.take_in(&log, &entries, suffix.signature, now) {
            self.fail(&error);
        }
    }

    /// Takes entries that continue a log, or begin a branch of one.
    pub(super) fn take_in(
        &mut self,
        log: &LogId,
        entries: &[ChainedEntry],
        signature: Signature,
        now: Timestamp,
    ) -> Result<(), ReplicaError> {
        self.traffic.received += entries.len() as u64;
        // Only this device can have signed it: this store is an older copy of itself, or was copied. It goes on as another.
        self.leave_forked(&self.logs.written(log), now);
        let members = self.fold.registry.members().len() + self.fold.registry.revoked().len();
        let index = self.logs.extend(log, entries, signature);
        for entry in entries {
            let at = EntryRef { log: index, number: entry.number };
            self.fold.take(&self.logs, at, log, &entry.body)?;
            let Ok(body) = &entry.body else { continue };
            if body.stamp.time() <= now.plus_ms(EXPLAINED_MS) {
                self.clock = self.clock.max(body.stamp);
            } else {
                self.doubt(log, entry.number, body);
            }
        }
        if members != self.fold.registry.members().len() + self.fold.registry.revoked().len() {
            self.leave_revoked();
        }
        self.changed(now);
        Ok(())
    }
}
