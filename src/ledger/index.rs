//! In which order credits are listed without looking at all of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{CreditFilter, CreditOrder, Refusal};
use crate::model::{Credit, CreditId, CreditStatus, ShopId, SimNumber, Timestamp};

/// What a list can be narrowed to before anything is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    All,
    Shop(ShopId),
    Sim(SimNumber),
    ShopStatus(ShopId, CreditStatus),
}

/// A place in a list: a time and, among equal times, an id.
type Place = (Timestamp, CreditId);

/// Credits by time granted, for each way of narrowing; and the unpaid ones by due date.
#[derive(Clone, Debug, Default)]
pub(super) struct CreditIndex {
    granted: BTreeMap<Key, BTreeSet<Place>>,
    due: BTreeSet<Place>,
}

impl CreditIndex {
    /// How many credits are in it.
    pub(super) fn len(&self) -> usize {
        self.granted.get(&Key::All).map_or(0, BTreeSet::len)
    }

    fn keys(credit: &Credit) -> [Key; 4] {
        [Key::All, Key::Shop(credit.shop), Key::Sim(credit.sim.clone()), Key::ShopStatus(credit.shop, credit.status)]
    }

    pub(super) fn insert(&mut self, credit: &Credit) {
        for key in CreditIndex::keys(credit) {
            self.granted.entry(key).or_default().insert((credit.granted_at, credit.id));
        }
        if let Some(due) = due_of(credit) {
            self.due.insert((due, credit.id));
        }
    }

    pub(super) fn remove(&mut self, credit: &Credit) {
        for key in CreditIndex::keys(credit) {
            if let Some(places) = self.granted.get_mut(&key) {
                places.remove(&(credit.granted_at, credit.id));
            }
        }
        if let Some(due) = due_of(credit) {
            self.due.remove(&(due, credit.id));
        }
    }

    /// Every credit of that shop (or all) granted in that time, oldest first.
    pub(super) fn granted_in<'a>(
        &'a self,
        shop: Option<ShopId>,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> impl Iterator<Item = CreditId> + 'a {
        let places = self.granted.get(&shop.map_or(Key::All, Key::Shop));
        let (start, end) = span(from, to);
        let end = end.max(start);
        places.into_iter().flat_map(move |places| places.range(start..end).map(|(_, id)| *id))
    }

    /// The ids that a filter may find, in the order asked for, after the cursor; the caller looks at the rest of
    /// the filter.
    pub(super) fn candidates<'a>(
        &'a self,
        filter: &CreditFilter,
        after: Option<Place>,
        now: Timestamp,
    ) -> Box<dyn Iterator<Item = Place> + 'a> {
        if filter.order == CreditOrder::DueFirst {
            let end = if wants_overdue(filter) { now } else { Timestamp(i64::MAX) };
            let start = after.unwrap_or(FIRST);
            return between(&self.due, start, (end, FIRST.1), move |place| Some(*place) != after);
        }
        let settled = filter.status.filter(|status| *status != CreditStatus::Overdue);
        let key = match (&filter.sim, filter.shop, settled) {
            (Some(sim), _, _) => Key::Sim(sim.clone()),
            // A credit found as granted or partly paid is indexed as that; the reverse is looked at one by one,
            // since it may be overdue.
            (None, Some(shop), Some(status)) => Key::ShopStatus(shop, status),
            (None, Some(shop), None) => Key::Shop(shop),
            (None, None, _) => Key::All,
        };
        let Some(places) = self.granted.get(&key) else { return Box::new(std::iter::empty()) };
        let (start, end) = span(filter.from, filter.to);
        if filter.order == CreditOrder::OldestFirst {
            let start = after.map_or(start, |after| start.max(after));
            return between(places, start, end, move |place| Some(*place) != after);
        }
        let end = after.map_or(end, |after| end.min(after));
        if start >= end { Box::new(std::iter::empty()) } else { Box::new(places.range(start..end).rev().copied()) }
    }
}

/// Before every place.
const FIRST: Place = (Timestamp(i64::MIN), CreditId([0; 10]));

fn span(from: Option<Timestamp>, to: Option<Timestamp>) -> (Place, Place) {
    (from.map_or(FIRST, |from| (from, FIRST.1)), (to.unwrap_or(Timestamp(i64::MAX)), FIRST.1))
}

fn between<'a>(
    places: &'a BTreeSet<Place>,
    start: Place,
    end: Place,
    keep: impl Fn(&Place) -> bool + 'a,
) -> Box<dyn Iterator<Item = Place> + 'a> {
    if start >= end {
        return Box::new(std::iter::empty());
    }
    Box::new(places.range(start..end).copied().filter(keep))
}

fn wants_overdue(filter: &CreditFilter) -> bool {
    filter.overdue || filter.status == Some(CreditStatus::Overdue)
}

/// The due date of a credit that can still become overdue.
fn due_of(credit: &Credit) -> Option<Timestamp> {
    credit.due_at.filter(|_| matches!(credit.status, CreditStatus::Granted | CreditStatus::PartlyPaid))
}

/// Whether a credit is what the filter asks for, at that instant.
pub(super) fn matches(filter: &CreditFilter, credit: &Credit, now: Timestamp) -> bool {
    let contains = |text: &str, part: &str| text.to_lowercase().contains(part);
    let status = credit.status_at(now);
    filter.shop.is_none_or(|shop| shop == credit.shop)
        && filter.sim.as_ref().is_none_or(|sim| *sim == credit.sim)
        && filter.status.is_none_or(|wanted| wanted == status)
        && (!filter.overdue || status == CreditStatus::Overdue)
        && filter.currency.is_none_or(|currency| currency == credit.amount.currency())
        && filter.from.is_none_or(|from| credit.granted_at >= from)
        && filter.to.is_none_or(|to| credit.granted_at < to)
        && filter.reference.as_ref().is_none_or(|reference| *reference == credit.reference)
        && filter.beneficiary.as_ref().is_none_or(|part| {
            let part = part.to_lowercase();
            contains(&credit.beneficiary.name, &part)
                || credit.beneficiary.phone.as_ref().is_some_and(|phone| contains(phone, &part))
        })
}

/// Where a page ended, as text that is safe in a URL.
pub(super) fn cursor_text((time, id): Place) -> String {
    format!("{}.{id}", time.0)
}

/// Reads what [`cursor_text`] wrote.
pub(super) fn read_cursor(text: &str) -> Result<Place, Refusal> {
    let read = || {
        let (time, id) = text.split_once('.')?;
        Some((Timestamp(time.parse().ok()?), CreditId::from_text(id)?))
    };
    read().ok_or(Refusal::BadCursor)
}
