//! What this device records of having seen others' entries: "seen by", the judgement of clocks, returns and closings
//! rest on it.
//!
//! Such a record answers deeds, never another record: else two devices would answer each other for ever. At most one a
//! minute, unless somebody waits for it.

use std::collections::BTreeMap;

use crate::ledger::Plan;
use crate::log::{Body, LogId};
use crate::model::{EXPLAINED_MS, Holder, Operation, Origin, Place, SEEN_MAX, Scope, Seen, ShopId, Timestamp};
use crate::replica::Replica;
use crate::replica::fold::EntryRef;
use crate::replica::logs::Logs;
use crate::replica::steward::is_due;
use crate::store::Store;

/// How often it is recorded how far others' logs are held, if there is anything new.
const RECORD_MS: i64 = 60_000;
/// The same where a stamp is ahead of this device's clock: until then it may win.
const RECORD_AHEAD_MS: i64 = 5_000;
/// Most stretches of records remembered of one log: only the last are asked for.
const STRETCHES_MAX: usize = 64;

/// Which entries of each log are more than records of what was seen.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    last: BTreeMap<u32, u64>,
    /// Of each log the stretches of records: the first of each, and the last.
    records: BTreeMap<u32, BTreeMap<u64, u64>>,
}

impl Deeds {
    /// An entry counts.
    pub fn note(&mut self, at: EntryRef, operation: &Operation) {
        if !matches!(operation, Operation::Sight { .. }) {
            let last = self.last.entry(at.log).or_default();
            *last = at.number.max(*last);
            return;
        }
        let stretches = self.records.entry(at.log).or_default();
        let before = stretches.range_mut(..=at.number).next_back();
        match before {
            Some((_, to)) if at.number <= *to + 1 => *to = at.number.max(*to),
            _ => drop(stretches.insert(at.number, at.number)),
        }
        if stretches.len() > STRETCHES_MAX {
            stretches.pop_first();
        }
    }

    /// Of a store that was opened only the records have been noted: every log ends with a deed or with records.
    pub fn recall<S: Store>(&mut self, logs: &Logs<S>) {
        for held in logs.held().values() {
            let records = self.records.get(&held.index).and_then(|stretches| stretches.last_key_value());
            let ends_with_records = records.filter(|(_, to)| **to == held.head.number);
            let last = ends_with_records.map_or(held.head.number, |(from, _)| from.saturating_sub(1));
            self.last.insert(held.index, last);
        }
    }

    /// The last deed of a log; 0 if there is none.
    pub fn last(&self, log: u32) -> u64 {
        self.last.get(&log).copied().unwrap_or(0)
    }

    /// How many deeds of a log come after that number.
    pub fn count_after(&self, log: u32, number: u64) -> u64 {
        let last = self.last(log);
        let stretches = self.records.get(&log).into_iter().flatten();
        let records = stretches.map(|(from, to)| (last.min(*to) + 1).saturating_sub(*from.max(&(number + 1))));
        last.saturating_sub(number).saturating_sub(records.sum())
    }
}

impl<S: Store> Replica<S> {
    /// Notes a stamp that is ahead of this device's clock. It pulls no clock forward; that it is ahead is recorded once all
    /// that came with it is here. Of other shops nobody asks this device.
    pub(super) fn doubt(&mut self, log: &LogId, number: u64, body: &Body) {
        let of_own_shop = self.own_standing().is_some_and(|(shop, ..)| log.scope == Scope::Shop(shop));
        if of_own_shop && log.device != self.device() && self.may_write(log.scope) {
            let (device, incarnation) = (log.device, log.incarnation);
            let origin = Origin { stamp: body.stamp, device, incarnation, number, wall: body.wall };
            self.doubts.entry(*log).or_default().insert(number, origin);
        }
    }

    /// Has this device's own shop looked at if it is time to record what was seen there.
    pub(super) fn stir_to_record(&mut self, has_ticked: bool, now: Timestamp) {
        let Some((shop, ..)) = self.own_standing() else { return };
        let recorded_at = self.steward.recorded_at;
        // What explains a stamp comes after it, in the same transfer.
        let is_deed = |log: &LogId, first: u64| {
            let last = self.logs.held().get(log).map(|held| self.fold.deeds.last(held.index));
            log.scope == Scope::Shop(shop) && last.is_some_and(|last| last >= first)
        };
        let mut first = self.doubts.iter().filter_map(|(log, doubts)| Some((log, *doubts.keys().next()?)));
        let is_doubtful = first.any(|(log, first)| is_deed(log, first)) && !self.is_syncing();
        let is_time = has_ticked && is_due(recorded_at, now, RECORD_MS);
        let is_time = is_time || is_doubtful && is_due(recorded_at, now, RECORD_AHEAD_MS);
        if is_time && self.may_write(Scope::Shop(shop)) && !self.to_record(shop).is_empty() {
            self.steward.recorded_at = Some(now);
            self.steward.recording.insert(shop);
            self.fold.stirred.insert(shop);
        }
    }

    /// Says how far this device holds the logs that somebody waits to hear of: stopped ones, and those that bear a
    /// cancellation of another's credit. And of all others, where it is time to.
    pub(super) fn say_what_is_seen(&mut self, shop: ShopId, now: Timestamp, plans: &mut Vec<Plan>) {
        let me = self.holder();
        let closings = self.fold.book.closings();
        let mut seen: BTreeMap<Holder, bool> = BTreeMap::new();
        for (of, _) in closings.closing(shop).filter(|(of, _)| **of != me) {
            if closings.promised(shop, &me, of).is_none() {
                seen.insert(*of, true);
            }
        }
        for credit in self.fold.book.returning(shop).filter_map(|id| self.fold.book.credit(id)) {
            if self.fold.book.may_return(credit, &me) {
                continue;
            }
            for place in credit.cancellations.iter().filter(|place| place.holder != me) {
                if self.fold.book.clocks().sighted(shop, &me, &place.holder) < place.number {
                    seen.entry(place.holder).or_insert(false);
                }
            }
        }
        if self.steward.recording.remove(&shop) {
            for of in self.to_record(shop) {
                seen.entry(of).or_insert(false);
            }
        }
        let held = |of: &Holder, scope| {
            self.logs.head(&LogId { scope, device: of.device, incarnation: of.incarnation }).number
        };
        let all: Vec<Seen> = seen
            .into_iter()
            .map(|(of, stop)| {
                let (number, registry) = (held(&of, Scope::Shop(shop)), held(&of, Scope::Registry));
                Seen { of, number, registry, stop, ahead: self.ahead_of(shop, &of, now) }
            })
            .collect();
        for one in &all {
            let log = LogId { scope: Scope::Shop(shop), device: one.of.device, incarnation: one.of.incarnation };
            self.doubts.remove(&log);
        }
        for seen in all.chunks(SEEN_MAX) {
            plans.push(Plan::Shop { shop, operation: Operation::Sight { by: me, seen: seen.to_vec() } });
        }
    }

    /// Whose logs of a shop hold deeds that this device has not recorded to have seen.
    fn to_record(&self, shop: ShopId) -> Vec<Holder> {
        let (clocks, own) = (self.fold.book.clocks(), self.device());
        let logs = self.logs.held().iter().filter(|(log, _)| log.scope == Scope::Shop(shop));
        let others = logs.filter(|(log, _)| log.device != self.device());
        let unseen = others.filter_map(|(log, held)| {
            let of = Holder { device: log.device, incarnation: log.incarnation };
            let last = self.fold.deeds.last(held.index);
            (last > clocks.furthest(shop, &of, |by| *by == own)).then_some(of)
        });
        unseen.collect()
    }

    /// Whether an entry's stamp is unexplained, or will be as soon as it is recorded that it was seen.
    pub(super) fn is_doubted(&self, shop: ShopId, place: &Place) -> bool {
        let of = place.holder;
        let log = LogId { scope: Scope::Shop(shop), device: of.device, incarnation: of.incarnation };
        let is_ahead = self.doubts.get(&log).is_some_and(|doubts| doubts.contains_key(&place.number));
        is_ahead || self.fold.book.clocks().is_unexplained(shop, place)
    }

    /// From which entry on a log is ahead of this device's clock, if it was not recorded before.
    fn ahead_of(&self, shop: ShopId, of: &Holder, now: Timestamp) -> Option<u64> {
        let log = LogId { scope: Scope::Shop(shop), device: of.device, incarnation: of.incarnation };
        let clocks = self.fold.book.clocks();
        let is_ahead = |stamp: crate::model::Hlc| stamp.time() > now.plus_ms(EXPLAINED_MS);
        let mut doubts = self.doubts.get(&log)?.iter();
        doubts.find(|(_, origin)| is_ahead(clocks.corrected(shop, origin).stamp)).map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeviceKey, Incarnation};

    #[test]
    fn records_are_no_deeds_wherever_they_stand() {
        let mut deeds = Deeds::default();
        let by = Holder { device: DeviceKey([1; 32]), incarnation: Incarnation(1) };
        // 1 and 4 are deeds; 2, 3, 5 and 6 are records.
        for number in 1..=6 {
            let operation = match number {
                1 | 4 => Operation::DescribeShop { town: String::new() },
                _ => Operation::Sight { by, seen: Vec::new() },
            };
            deeds.note(EntryRef { log: 7, number }, &operation);
        }
        assert_eq!(deeds.last(7), 4);
        let counted: Vec<u64> = (0..=7).map(|number| deeds.count_after(7, number)).collect();
        assert_eq!(counted, [2, 1, 1, 1, 0, 0, 0, 0]);
        assert_eq!((deeds.last(8), deeds.count_after(8, 0)), (0, 0));
    }
}
