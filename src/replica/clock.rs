//! This device's clock, held against the others' (`domain`, rule 6): what it is believed to show, and the correction of
//! what it wrote while it was wrong.
//!
//! ```text
//! read ──► + what is known to be wrong with it ──► believed: stamps, walls, deadlines
//!                     ▲
//!   offsets of those in contact: two agree, or this clock is older than the network
//! ```
//!
//! A correction is an entry of this device's own log, written in the step that learns of it: what it corrects has not left
//! yet, and leaves with it. Nothing here changes what others wrote.

use crate::ledger::Plan;
use crate::log::LogId;
use crate::model::{Correction, EXPLAINED_MS, Hlc, Holder, Operation, Scope, ShopId, Timestamp};
use crate::replica::fold::{Entries, EntryRef};
use crate::replica::{Replica, ReplicaError};
use crate::store::Store;

/// Between two readings of a clock that runs no more than this passes: a node ticks every second.
const JUMP_MS: i64 = 120_000;
/// A clock that was wrong by so much and jumps by about as much was set right: within this part of it.
const SET_RIGHT_PART: i64 = 10;

/// Further apart than two clocks can stand, in milliseconds: from 1970 to 2106 and back.
const OFFSET_MS_MAX: i64 = 2 * 136 * 365 * 86_400_000;

/// What is known of this device's clock.
#[derive(Debug, Default)]
pub(super) struct OwnClock {
    /// What is to be added to it, in milliseconds.
    pub add_ms: i64,
    last_read: Option<Timestamp>,
    /// Somebody told of their clock since it was last looked at.
    pub told: bool,
}

impl OwnClock {
    /// What the last reading is believed to mean; before the first, the end of time.
    pub fn last(&self) -> Timestamp {
        self.last_read.map_or(Timestamp(i64::MAX), |read| self.believed(read))
    }

    /// What a reading is believed to mean.
    pub fn believed(&self, read: Timestamp) -> Timestamp {
        read.plus_ms(self.add_ms)
    }
}

impl<S: Store> Replica<S> {
    /// Takes a reading of the clock, and says what time it is believed to be. Where it jumps, somebody set it or the
    /// machine slept: what was known of it is asked anew.
    pub(super) fn read_clock(&mut self, read: Timestamp) -> Timestamp {
        let ran = |last: Timestamp| (-1_000..=JUMP_MS).contains(&read.0.saturating_sub(last.0));
        let jumped = self.own_clock.last_read.is_some_and(|last| !ran(last));
        let add_ms = self.own_clock.add_ms;
        if jumped && add_ms != 0 {
            let passed = self.own_clock.last_read.map_or(0, |last| read.0.saturating_sub(last.0));
            let tolerance = EXPLAINED_MS.max(add_ms.saturating_abs() / SET_RIGHT_PART);
            if passed.saturating_sub(add_ms).saturating_abs() <= tolerance {
                self.shift_clock(add_ms.saturating_neg());
            }
            // Each answers with what its own clock shows.
            self.greet_again(self.own_clock.believed(read));
        }
        self.own_clock.last_read = Some(read);
        self.own_clock.believed(read)
    }

    /// What is added to this device's clock, in milliseconds, since the others showed that it is wrong.
    pub fn clock_correction_ms(&self) -> i64 {
        self.own_clock.add_ms
    }

    fn shift_clock(&mut self, by_ms: i64) {
        self.own_clock.add_ms = self.own_clock.add_ms.saturating_add(by_ms);
        for session in self.sessions.values_mut() {
            session.offset_ms = session.offset_ms.map(|offset| offset.saturating_sub(by_ms));
        }
    }

    /// The others' clocks less this one as it is read, in the middle.
    pub(super) fn clock_offset_ms(&self) -> Option<i64> {
        let offsets = self.offsets();
        Some(offsets.get(offsets.len() / 2)?.saturating_add(self.own_clock.add_ms))
    }

    /// The clocks of those in contact less this one as it is believed, ascending. What no computer shows is no clock.
    fn offsets(&self) -> Vec<i64> {
        let known = self.sessions.values().filter(|session| session.certificate.is_some());
        let is_one = |offset: &i64| offset.saturating_abs() <= OFFSET_MS_MAX;
        let mut offsets: Vec<i64> = known.filter_map(|session| session.offset_ms).filter(is_one).collect();
        offsets.sort_unstable();
        offsets
    }

    /// Looks at this clock beside those of the devices in contact, once they have told of them. If it was wrong, says so
    /// in the own logs before anything leaves.
    pub(super) fn mind_clock(&mut self, now: Timestamp) -> Result<(), ReplicaError> {
        if !std::mem::take(&mut self.own_clock.told) || self.failed.is_some() {
            return Ok(());
        }
        let offsets = self.offsets();
        let Some(middle) = offsets.get(offsets.len() / 2).copied() else { return Ok(()) };
        let agree =
            offsets.iter().filter(|offset| offset.saturating_sub(middle).saturating_abs() <= EXPLAINED_MS).count();
        if middle.saturating_abs() <= EXPLAINED_MS {
            return self.correct_future(now);
        }
        let add_ms = self.own_clock.add_ms;
        if add_ms != 0 && middle.saturating_add(add_ms).saturating_abs() <= EXPLAINED_MS {
            // It was set right since: as it stands it agrees with the others.
            self.shift_clock(add_ms.saturating_neg());
            let right = now.plus_ms(add_ms.saturating_neg());
            self.greet_again(right);
            return self.correct_future(right);
        }
        let is_too_early = !self.is_possible(now) && self.is_possible(now.plus_ms(middle));
        // More than half of those who compare, this device included.
        let is_outvoted = agree >= 2 && 2 * agree > offsets.len() + 1;
        if !is_too_early && !is_outvoted {
            return Ok(());
        }
        self.shift_clock(middle);
        let right = now.plus_ms(middle);
        self.correct_own(right, |body_wall, next| {
            let corrected = body_wall.plus_ms(middle);
            // Going back: as long as the clock ran on, and what it showed was not the time.
            let ran = body_wall <= next.plus_ms(1_000);
            let was_wrong = if middle < 0 { body_wall > right } else { corrected <= right.plus_ms(1_000) };
            (ran && was_wrong).then_some(middle)
        })?;
        // Stamps go on from what is believed now, also where they had run ahead.
        self.clock = Hlc::at(right);
        self.greet_again(right);
        Ok(())
    }

    /// The clock is right, and this log is ahead of it: it was set right since. When exactly its last unsent entries
    /// were written nobody knows any more; not later than now.
    fn correct_future(&mut self, now: Timestamp) -> Result<(), ReplicaError> {
        if self.clock.time() <= now.plus_ms(EXPLAINED_MS) {
            return Ok(());
        }
        let mut add_ms = None;
        self.correct_own(now, |wall, _| {
            let is_ahead = wall > now.plus_ms(EXPLAINED_MS);
            // Entries in the stretch keep their distances; those after it have a right time and a stamp that was not.
            Some(if is_ahead { *add_ms.get_or_insert(now.0.saturating_sub(wall.0)) } else { 0 })
        })?;
        self.clock = Hlc::at(now);
        Ok(())
    }

    /// Writes corrections into the own logs of shops: of the entries that no other device is known to hold, going back
    /// as long as `add_ms` says by how much, given an entry's time and the next one's.
    fn correct_own(
        &mut self,
        now: Timestamp,
        mut add_ms: impl FnMut(Timestamp, Timestamp) -> Option<i64>,
    ) -> Result<(), ReplicaError> {
        let me = self.holder();
        let shops: Vec<ShopId> = self.fold.book.shops().keys().copied().collect();
        let mut plans = Vec::new();
        for shop in shops.into_iter().filter(|shop| self.may_write(Scope::Shop(*shop))) {
            for correction in self.wrong_stretches(shop, me, &mut add_ms)? {
                plans.push(Plan::Shop { shop, operation: Operation::CorrectClock { by: me, correction } });
            }
        }
        // The entries that say so bear the right time themselves.
        self.clock = Hlc::at(now);
        self.do_all(now, plans)
    }

    fn wrong_stretches(
        &self,
        shop: ShopId,
        me: Holder,
        add_ms: &mut impl FnMut(Timestamp, Timestamp) -> Option<i64>,
    ) -> Result<Vec<Correction>, ReplicaError> {
        let log = LogId { scope: Scope::Shop(shop), device: me.device, incarnation: me.incarnation };
        let Some(index) = self.logs.index(&log) else { return Ok(Vec::new()) };
        let held_elsewhere = self.confirmed(&log);
        let mut found: Vec<Correction> = Vec::new();
        let mut next = Timestamp(i64::MAX);
        let mut number = self.logs.head(&log).number;
        while number > held_elsewhere {
            let Ok(body) = self.logs.body(EntryRef { log: index, number })? else { break };
            let Some(add_ms) = add_ms(body.wall, next) else { break };
            match found.last_mut() {
                Some(last) if last.add_ms == add_ms && last.from == number + 1 => last.from = number,
                _ => found.push(Correction { from: number, to: number, add_ms }),
            }
            next = body.wall;
            number -= 1;
        }
        found.reverse();
        Ok(found)
    }

    /// Whether it can be that time: the network was there, and this device a part of it.
    pub(super) fn is_possible(&self, now: Timestamp) -> bool {
        let earliest = self.fold.registry.earliest_of(&self.device());
        earliest.is_none_or(|earliest| now.plus_ms(EXPLAINED_MS) >= earliest)
    }
}
