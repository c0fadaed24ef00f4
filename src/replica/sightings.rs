//! What this device records of having seen others' entries: "seen by", the judgement of clocks, returns and closings
//! rest on it.
//!
//! Such a record answers deeds, never another record: else two devices would answer each other for ever. At most one a
//! minute, unless somebody waits for it.

use crate::log::LogId;
use crate::model::{EXPLAINED_MS, Holder, Place, Scope, ShopId, Timestamp};
use crate::replica::Replica;
use crate::replica::steward::{RECORD_AHEAD_MS, RECORD_MS, is_due};
use crate::store::Store;

impl<S: Store> Replica<S> {
    /// Has this device's own shop looked at if it is time to record what was seen there.
    pub(super) fn stir_to_record(&mut self, has_ticked: bool, now: Timestamp) {
        let Some((shop, ..)) = self.own_standing() else { return };
        let recorded_at = self.steward.recorded_at;
        // What explains a stamp comes after it, in the same transfer.
        let is_deed = |log: &LogId, first: u64| {
            let last = self.logs.held().get(log).and_then(|held| self.fold.last_deeds.get(&held.index));
            log.scope == Scope::Shop(shop) && last.is_some_and(|last| *last >= first)
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

    /// Whose logs of a shop hold deeds that this device has not recorded to have seen.
    pub(super) fn to_record(&self, shop: ShopId) -> Vec<Holder> {
        let clocks = self.fold.book.clocks();
        let logs = self.logs.held().iter().filter(|(log, _)| log.scope == Scope::Shop(shop));
        let others = logs.filter(|(log, _)| log.device != self.device());
        let unseen = others.filter_map(|(log, held)| {
            let of = Holder { device: log.device, incarnation: log.incarnation };
            let last = self.fold.last_deeds.get(&held.index).copied()?;
            (last > clocks.seen(shop, &self.device(), &of)).then_some(of)
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
    pub(super) fn ahead_of(&self, shop: ShopId, of: &Holder, now: Timestamp) -> Option<u64> {
        let log = LogId { scope: Scope::Shop(shop), device: of.device, incarnation: of.incarnation };
        let clocks = self.fold.book.clocks();
        let is_ahead = |stamp: crate::model::Hlc| stamp.time() > now.plus_ms(EXPLAINED_MS);
        let mut doubts = self.doubts.get(&log)?.iter();
        doubts.find(|(_, origin)| is_ahead(clocks.corrected(shop, origin).stamp)).map(|(number, _)| *number)
    }
}
