//! What a stamp is worth: stretches that their writer corrected, and stamps from the future that nobody can explain
//! (`domain`, rule 6).
//!
//! ```text
//! A's log:   1 2 3 4 5 6 7 8            7: "2 to 6 were written by a clock nine years behind"
//! B saw      ──────►4      ─►8           without saying more: its clock had reached those stamps
//! C saw      ──────►4 ^3                 "from 3 on they are ahead of my clock"
//! ```
//!
//! Of entry 4 one of two witnesses says that it is ahead: that is not more than half, and it is explained. All of this
//! is a function of the entries held: nothing here asks a clock, or in which order they came.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::model::{Correction, DeviceKey, Hlc, Holder, Operation, Origin, Place, Seen, ShopId, Stamped, Timestamp};
use crate::planted::{self, Bug};

/// What one device recorded of another's log.
#[derive(Clone, Debug, Default)]
struct Sights {
    /// How far it said it held the log.
    seen: u64,
    /// The same, while its own clock could be believed.
    witnessed: u64,
    /// What was ahead of its clock: ascending, and none twice.
    ahead: Vec<Ahead>,
}

/// Entries `from..=to` were ahead of a witness's clock, which says so in its entry of that number.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    from: u64,
    to: u64,
    said: u64,
}

impl Sights {
    /// What it says of an entry: nothing, or whether it was ahead.
    fn verdict(&self, number: u64) -> Option<bool> {
        let next = self.ahead.partition_point(|one| one.to < number);
        (self.witnessed >= number).then(|| self.ahead.get(next).is_some_and(|one| one.from <= number))
    }

    /// Where within a stretch what it says may change.
    fn edges(&self, within: &RangeInclusive<u64>) -> impl Iterator<Item = u64> {
        let first = self.ahead.partition_point(|one| one.to < *within.start());
        let last = self.ahead.partition_point(|one| one.from <= *within.end());
        let stretches = self.ahead.get(first..last).unwrap_or_default().iter();
        let edges = stretches.flat_map(|one| [one.from, one.to.saturating_add(1)]);
        edges.chain([self.witnessed.saturating_add(1)])
    }
}

#[derive(Clone, Copy, Debug)]
struct Corrected {
    correction: Correction,
    /// Entries up to here had been seen by others before they were corrected: nothing may be made of them afterwards.
    known_to: u64,
}

#[derive(Clone, Debug, Default)]
struct Shop {
    /// Of whom, by whom.
    sights: BTreeMap<Holder, BTreeMap<Holder, Sights>>,
    /// By the log, then by the number of the entry that corrects.
    corrections: BTreeMap<Holder, BTreeMap<u64, Corrected>>,
    /// Of whose entries anybody says that they are ahead.
    doubted: BTreeSet<Holder>,
}

impl Shop {
    /// Whether more than half of the other devices that recorded having seen an entry found its stamp ahead.
    fn is_unexplained(&self, of: &Holder, number: u64) -> bool {
        if !self.doubted.contains(of) {
            return false;
        }
        let sights = self.sights.get(of).into_iter().flatten();
        let others = sights.filter(|(by, _)| by.device != of.device);
        // The lives of one device stand side by side; one that saw nothing wrong with it is enough.
        let mut witnesses: Vec<(DeviceKey, bool)> = Vec::new();
        for (device, is_ahead) in others.filter_map(|(by, sights)| Some((by.device, sights.verdict(number)?))) {
            match witnesses.last_mut() {
                Some((last, all)) if *last == device => *all &= is_ahead,
                _ => witnesses.push((device, is_ahead)),
            }
        }
        2 * witnesses.iter().filter(|(_, is_ahead)| *is_ahead).count() > witnesses.len()
    }

    /// The parts of a stretch that nobody can explain, ascending.
    fn unexplained(&self, of: &Holder, within: RangeInclusive<u64>) -> Vec<(u64, u64)> {
        if !self.doubted.contains(of) {
            return Vec::new();
        }
        let (start, end) = (*within.start(), *within.end());
        let sights = self.sights.get(of).into_iter().flatten();
        let mut edges: BTreeSet<u64> = sights.flat_map(|(_, sights)| sights.edges(&within)).collect();
        edges.retain(|edge| within.contains(edge));
        edges.insert(start);
        let ends = edges.iter().skip(1).map(|next| next - 1).chain([end]);
        let mut found: Vec<(u64, u64)> = Vec::new();
        for (from, to) in edges.iter().zip(ends).filter(|(from, _)| self.is_unexplained(of, **from)) {
            match found.last_mut() {
                Some((_, last)) if last.saturating_add(1) == *from => *last = to,
                _ => found.push((*from, to)),
            }
        }
        found
    }
}

/// Corrections and sightings of every shop, and what they make of stamps.
#[derive(Clone, Debug, Default)]
pub struct Clocks {
    shops: BTreeMap<ShopId, Shop>,
    /// Goes up whenever a stamp came to be worth something else.
    version: u64,
}

/// In a shop, entries of a log from that number to that.
pub type Stretch = (ShopId, Holder, u64, u64);

impl Clocks {
    /// A device says how far it holds others' logs, and what of them is ahead of its clock; `is_witness` if its own
    /// clock can be believed. Answers the entries whose stamps are worth something else by that.
    pub(super) fn sight(&mut self, shop: ShopId, by: Place, seen: &[Seen], is_witness: bool) -> Vec<Stretch> {
        let known = self.shops.entry(shop).or_default();
        let mut anew: Vec<Stretch> = Vec::new();
        for one in seen {
            let sights = known.sights.entry(one.of).or_default().entry(by.holder).or_default();
            sights.seen = sights.seen.max(one.number);
            if is_witness && one.number > sights.witnessed {
                let first = sights.witnessed.saturating_add(1);
                let before = known.unexplained(&one.of, first..=one.number);
                let sights = known.sights.entry(one.of).or_default().entry(by.holder).or_default();
                sights.witnessed = one.number;
                if let Some(from) = one.ahead.filter(|from| *from <= one.number) {
                    sights.ahead.push(Ahead { from: from.max(first), to: one.number, said: by.number });
                    known.doubted.insert(one.of);
                }
                if known.unexplained(&one.of, first..=one.number) != before {
                    anew.push((shop, one.of, first, one.number));
                }
            }
            let corrections = known.corrections.get_mut(&one.of).into_iter().flatten();
            for (at, corrected) in corrections.filter(|_| one.of.device != by.holder.device) {
                let Correction { from, to, .. } = corrected.correction;
                if (from..*at).contains(&one.number) && one.number > corrected.known_to {
                    corrected.known_to = one.number;
                    anew.push((shop, one.of, from, to));
                }
            }
        }
        self.version += anew.len() as u64;
        anew
    }

    /// A device says that its clock was wrong while it wrote a part of its log. `said` are all sightings of that log: by
    /// whom, and up to which entry. Answers the entries whose stamps are worth something else by that.
    pub(super) fn correct(
        &mut self,
        shop: ShopId,
        at: Place,
        correction: Correction,
        said: impl Iterator<Item = (Holder, u64)>,
    ) -> Vec<Stretch> {
        let known = self.shops.entry(shop).or_default();
        // Who had seen a part of the stretch, and not yet this entry. Every one that was ever said, not the furthest of
        // each: a liar who said more since must not be believed by those alone who heard that first.
        let others = said.filter(|(by, _)| by.device != at.holder.device);
        let before = others.map(|(_, seen)| seen).filter(|seen| (correction.from..at.number).contains(seen));
        let known_to = before.max().unwrap_or(0);
        known.corrections.entry(at.holder).or_default().insert(at.number, Corrected { correction, known_to });
        let stretch = correction.from..=correction.to;
        let mut anew = vec![(shop, at.holder, *stretch.start(), *stretch.end())];
        // What it took for the future was none: its own clock was wrong.
        for (of, by) in &mut known.sights {
            let Some(sights) = by.get_mut(&at.holder) else { continue };
            let (wrong, right): (Vec<Ahead>, _) = sights.ahead.iter().partition(|one| stretch.contains(&one.said));
            anew.extend(wrong.iter().map(|one| (shop, *of, one.from, one.to)));
            sights.ahead = right;
        }
        self.version += anew.len() as u64;
        anew
    }

    /// How far a device said in that life that it holds a log.
    pub fn sighted(&self, shop: ShopId, by: &Holder, of: &Holder) -> u64 {
        let sights = self.shops.get(&shop).and_then(|known| known.sights.get(of)?.get(by));
        sights.map_or(0, |sights| sights.seen)
    }

    /// The furthest that any of those said they hold a log.
    pub fn furthest(&self, shop: ShopId, of: &Holder, by: impl Fn(&DeviceKey) -> bool) -> u64 {
        let sights = self.shops.get(&shop).and_then(|known| known.sights.get(of));
        let theirs = sights.into_iter().flatten().filter(|(holder, _)| by(&holder.device));
        theirs.map(|(_, sights)| sights.seen).max().unwrap_or(0)
    }

    /// The same as long as every stamp is worth the same.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What is to be added to the clock's time in that entry, in milliseconds, if its writer corrected it.
    fn correction(&self, shop: ShopId, place: &Place) -> Option<i64> {
        let of = self.shops.get(&shop)?.corrections.get(&place.holder)?;
        let covers = |one: &&Corrected| {
            (one.correction.from..=one.correction.to).contains(&place.number) && place.number > one.known_to
        };
        of.values().rfind(covers).map(|one| one.correction.add_ms)
    }

    /// Whether a stamp is from the future for more than half of the witnesses (`domain`, rule 6): of the other devices
    /// that recorded having seen the entry.
    pub fn is_unexplained(&self, shop: ShopId, place: &Place) -> bool {
        self.shops.get(&shop).is_some_and(|known| known.is_unexplained(&place.holder, place.number))
    }

    /// When an entry was written, as far as anybody can tell: its stamp and wall time, corrected if its writer did so.
    pub fn corrected(&self, shop: ShopId, origin: &Origin) -> Origin {
        let Some(add_ms) = self.correction(shop, &origin.place()) else { return *origin };
        let wall = origin.wall.plus_ms(add_ms);
        // The counter is kept: entries of one millisecond stay in their order.
        Origin { wall, stamp: Hlc(Hlc::at(wall).0 | (origin.stamp.0 & 0xFFFF)), ..*origin }
    }

    /// What decides where devices acted apart: the corrected stamp, or one older than all others if nobody can explain
    /// it.
    pub fn judged(&self, shop: ShopId, origin: &Origin) -> Origin {
        let corrected = self.corrected(shop, origin);
        if self.is_unexplained(shop, &origin.place()) && !planted::is(Bug::UnexplainedDecides) {
            // Milliseconds read as a counter: the first month of 1970, and in the order that they had.
            return Origin { stamp: Hlc(corrected.stamp.0 >> 16), ..corrected };
        }
        corrected
    }

    /// Those of a document's operations that are wanted, with what decides and with corrected times: all as they are,
    /// where every stamp is worth what it says.
    pub fn all_judged<'a>(
        &self,
        shop: ShopId,
        operations: &'a [Stamped],
        is_wanted: impl Fn(&Operation) -> bool,
    ) -> Cow<'a, [Stamped]> {
        let is_plain = |stamped: &Stamped| self.judged(shop, &stamped.origin) == stamped.origin;
        let wanted = || operations.iter().filter(|stamped| is_wanted(&stamped.operation));
        if wanted().all(is_plain) {
            return Cow::Borrowed(operations);
        }
        let judged = wanted().map(|stamped| {
            let origin = self.judged(shop, &stamped.origin);
            let mut operation = stamped.operation.clone();
            correct_times(&mut operation, stamped.origin.wall, origin.wall);
            Stamped { operation, origin }
        });
        Cow::Owned(judged.collect())
    }

    /// The stretches of the shops' logs whose stamps nobody can explain.
    pub fn unexplained(&self) -> Vec<Stretch> {
        let doubted = self.shops.iter().flat_map(|(shop, known)| known.doubted.iter().map(move |of| (shop, known, of)));
        let found = doubted.flat_map(|(shop, known, of)| {
            let stretches = known.unexplained(of, 1..=u64::MAX).into_iter();
            stretches.map(move |(from, to)| (*shop, *of, from, to))
        });
        found.collect()
    }
}

/// The times that an operation took from its device's clock.
fn correct_times(operation: &mut Operation, was: Timestamp, is: Timestamp) {
    let at = match operation {
        Operation::Grant(grant) => &mut grant.granted_at,
        Operation::Pay(payment) => &mut payment.at,
        Operation::Move(movement) => &mut movement.at,
        Operation::Cancel { at, .. } | Operation::Return { at } => at,
        _ => return,
    };
    // A time that a person typed, or an import brought, is not the clock's.
    if *at == was {
        *at = is;
    }
}
