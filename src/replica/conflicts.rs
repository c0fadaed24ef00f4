//! Conflicts as they are listed: what the books show, and what the logs show besides.
//!
//! The same list with the same ids on every device that holds the same entries: nothing here asks a clock, or who was met.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{Refusal, conflict_id};
use crate::log::LogId;
use crate::model::{Conflict, ConflictId, ConflictKind, Credit, Outcome, Scope, ShopId, Side, SideValue, Timestamp};
use crate::replica::view::{ConflictView, HandledView, Page};
use crate::replica::{ConflictFilter, Replica, SetAside};
use crate::store::Store;

/// Most conflicts on a page.
const PAGE_MAX: usize = 1_000;

impl<S: Store> Replica<S> {
    /// Every conflict, by id; those that were dealt with included.
    pub fn conflicts(&self) -> BTreeMap<ConflictId, Conflict> {
        let mut found = self.fold.book.conflicts();
        found.extend(self.without_effect());
        found.extend(self.forks());
        found
    }

    /// Logs that were continued twice: one conflict each, with a side for each sequel.
    fn forks(&self) -> BTreeMap<ConflictId, Conflict> {
        let mut forked: BTreeMap<LogId, BTreeSet<[u8; 32]>> = BTreeMap::new();
        for branch in self.logs.branches().values() {
            forked.entry(branch.departure.written).or_default().insert(branch.departure.first);
        }
        let conflicts = forked.into_iter().map(|(written, firsts)| {
            let (kind, shop) = (ConflictKind::ForkedDevice, shop_of(&written));
            let log = written.to_bytes();
            let hashes = firsts.iter().map(|hash| &hash[..]);
            let id = conflict_id(kind, shop, "", std::iter::once(&log[..]).chain(hashes));
            let sides = self.logs.family(&written).into_iter().map(|log| {
                let parted = self.logs.departing(&log).map(|(_, departure)| departure.after.number).min();
                let after = if log == written { parted.unwrap_or_default() } else { self.logs.base(&log).number };
                let (count, first) = (self.logs.head(&log).number.saturating_sub(after), after + 1);
                let value = SideValue::Sequel { count, first };
                Side { device: written.device, agent: None, at: None, value }
            });
            let is_authority = written.device == self.fold.registry.authority();
            let outcome = if is_authority { Outcome::NoEffect } else { Outcome::AllCount };
            let (credit, sim, over) = (None, None, None);
            (id, Conflict { id, kind, shop, credit, sim, over, sides: sides.collect(), outcome })
        });
        conflicts.collect()
    }

    /// Entries kept without effect, by log and reason: one that writes thousands makes one conflict.
    fn without_effect(&self) -> BTreeMap<ConflictId, Conflict> {
        let mut groups: BTreeMap<(LogId, SetAside), Vec<u64>> = BTreeMap::new();
        for (log, number, reason) in self.set_aside() {
            groups.entry((log, reason)).or_default().push(number);
        }
        let conflicts = groups.into_iter().map(|((log, reason), numbers)| {
            let shop = shop_of(&log);
            let (kind, first) = (ConflictKind::SetAside, numbers.first().copied().unwrap_or_default());
            let about = format!("{reason:?}");
            let sides = [log.to_bytes().to_vec(), first.to_be_bytes().to_vec()];
            let id = conflict_id(kind, shop, &about, sides.iter().map(Vec::as_slice));
            let value = SideValue::Entries { count: numbers.len() as u64, first, reason: about.to_lowercase() };
            let sides = vec![Side { device: log.device, agent: None, at: None, value }];
            let (credit, sim, over) = (None, None, None);
            (id, Conflict { id, kind, shop, credit, sim, over, sides, outcome: Outcome::NoEffect })
        });
        conflicts.collect()
    }

    /// How many conflicts nobody dealt with.
    pub(super) fn conflicts_open(&self) -> u64 {
        self.conflicts().keys().filter(|id| self.fold.book.resolution(id).is_none()).count() as u64
    }

    /// The ids of a credit's conflicts that nobody dealt with.
    pub(super) fn conflict_ids(&self, credit: &Credit) -> Vec<String> {
        let found = self.fold.book.conflicts_of(credit);
        let open = found.iter().filter(|conflict| self.fold.book.resolution(&conflict.id).is_none());
        open.map(|conflict| conflict.id.to_string()).collect()
    }

    pub(super) fn find_conflict(&self, key: &str) -> Result<Conflict, Refusal> {
        let found = ConflictId::from_text(key.trim()).and_then(|id| self.conflicts().remove(&id));
        found.ok_or_else(|| Refusal::UnknownConflict { key: key.chars().take(64).collect() })
    }

    /// A conflict as it is after something was decided; as it was, if nothing of it is left.
    pub(super) fn conflict_now(&self, before: Conflict) -> Conflict {
        self.conflicts().remove(&before.id).unwrap_or(before)
    }

    pub(super) fn conflicts_page(&self, filter: &ConflictFilter) -> Result<Page<ConflictView>, Refusal> {
        let after = match filter.after.as_deref() {
            Some(text) => Some(ConflictId::from_text(text).ok_or(Refusal::BadCursor)?),
            None => None,
        };
        let is_wanted = |conflict: &&Conflict| {
            filter.shop.is_none_or(|shop| shop == conflict.shop)
                && filter.kind.is_none_or(|kind| kind == conflict.kind)
                && filter.handled.is_none_or(|handled| handled == self.fold.book.resolution(&conflict.id).is_some())
                && after.is_none_or(|after| conflict.id > after)
        };
        let limit = filter.limit.clamp(1, PAGE_MAX);
        let all = self.conflicts();
        let mut found: Vec<&Conflict> = all.values().filter(is_wanted).take(limit + 1).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(Page { items: found.into_iter().map(|conflict| self.conflict_view(conflict)).collect(), next })
    }

    pub(super) fn conflict_view(&self, conflict: &Conflict) -> ConflictView {
        let (book, registry) = (&self.fold.book, &self.fold.registry);
        let credit = conflict.credit.and_then(|id| book.credit(&id));
        let handled = book.resolution(&conflict.id).map(|(origin, resolution)| HandledView {
            decision: resolution.decision.to_text(),
            why: resolution.why.clone(),
            agent: resolution.agent.clone(),
            device: registry.name_of(&origin.device),
            at: Timestamp::to_rfc3339(resolution.at),
        });
        ConflictView {
            conflict: conflict.clone(),
            devices: conflict.sides.iter().map(|side| registry.name_of(&side.device)).collect(),
            credit: credit.map(|credit| (book.shown_reference(credit), credit.beneficiary.name.clone())),
            decisions: conflict.decisions().into_iter().map(str::to_owned).collect(),
            handled,
        }
    }
}

fn shop_of(log: &LogId) -> ShopId {
    match log.scope {
        Scope::Shop(shop) => shop,
        Scope::Registry => ShopId(0),
    }
}
