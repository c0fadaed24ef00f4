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

use crate::model::{Correction, DeviceKey, Hlc, Holder, Operation, Origin, Place, Seen, ShopId, Stamped, Timestamp};
use crate::planted::{self, Bug};

/// What one device recorded of another's log.
#[derive(Clone, Debug, Default)]
struct Sights {
    /// How far it said it held the log.
    seen: u64,
    /// The same, while its own clock could be believed.
    witnessed: u64,
    /// Stretches that were ahead of its clock, and the numbers of its entries that say so.
    ahead: Vec<(u64, u64, u64)>,
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

/// Corrections and sightings of every shop, and what they make of stamps.
#[derive(Clone, Debug, Default)]
pub struct Clocks {
    shops: BTreeMap<ShopId, Shop>,
}

/// Entries whose stamps are to be judged anew: a log's, from that number on.
pub type Anew = Vec<(Holder, u64)>;

/// In a shop, entries of a log from that number to that.
pub type Stretch = (ShopId, Holder, u64, u64);

impl Clocks {
    /// A device says how far it holds others' logs, and what of them is ahead of its clock; `is_witness` if its own
    /// clock can be believed.
    pub(super) fn sight(&mut self, shop: ShopId, by: Place, seen: &[Seen], is_witness: bool) -> Anew {
        let known = self.shops.entry(shop).or_default();
        let mut anew = Anew::new();
        for one in seen {
            let sights = known.sights.entry(one.of).or_default().entry(by.holder).or_default();
            sights.seen = sights.seen.max(one.number);
            if is_witness && one.number > sights.witnessed {
                let first = sights.witnessed + 1;
                sights.witnessed = one.number;
                let ahead = one.ahead.filter(|from| *from <= one.number).map(|from| from.max(first));
                if let Some(from) = ahead {
                    sights.ahead.push((from, one.number, by.number));
                    known.doubted.insert(one.of);
                }
                if known.doubted.contains(&one.of) {
                    anew.push((one.of, first));
                }
            }
            if one.of.device == by.holder.device {
                continue;
            }
            for (at, corrected) in known.corrections.get_mut(&one.of).into_iter().flatten() {
                let covers = (corrected.correction.from..*at).contains(&one.number);
                if covers && one.number > corrected.known_to {
                    corrected.known_to = one.number;
                    anew.push((one.of, corrected.correction.from));
                }
            }
        }
        anew
    }

    /// A device says that its clock was wrong while it wrote a part of its log. `said` are the sightings that are known
    /// of that log: by whom, and up to which entry.
    pub(super) fn correct(
        &mut self,
        shop: ShopId,
        at: Place,
        correction: Correction,
        said: impl Iterator<Item = (Holder, u64)>,
    ) -> Anew {
        let known = self.shops.entry(shop).or_default();
        // Who had seen a part of the stretch, and not yet this entry. Every one that was ever said, not the furthest of
        // each: a liar who said more since must not be believed by those alone who heard that first.
        let others = said.filter(|(by, _)| by.device != at.holder.device);
        let before = others.map(|(_, seen)| seen).filter(|seen| (correction.from..at.number).contains(seen));
        let known_to = before.max().unwrap_or(0);
        known.corrections.entry(at.holder).or_default().insert(at.number, Corrected { correction, known_to });
        let mut anew = vec![(at.holder, correction.from)];
        // What it took for the future was none: its own clock was wrong.
        for (of, by) in &mut known.sights {
            let Some(sights) = by.get_mut(&at.holder) else { continue };
            let before = sights.ahead.len();
            let first = sights.ahead.iter().map(|(from, ..)| *from).min();
            sights.ahead.retain(|(_, _, said)| !(correction.from..=correction.to).contains(said));
            if sights.ahead.len() < before {
                anew.push((*of, first.unwrap_or(1)));
            }
        }
        anew
    }

    /// How far any life of that device said it holds a log.
    pub fn seen(&self, shop: ShopId, by: &DeviceKey, of: &Holder) -> u64 {
        let sights = self.shops.get(&shop).and_then(|known| known.sights.get(of));
        let own = sights.into_iter().flatten().filter(|(holder, _)| holder.device == *by);
        own.map(|(_, sights)| sights.seen).max().unwrap_or(0)
    }

    /// The other devices that said they hold an entry.
    pub fn seen_by(&self, shop: ShopId, place: &Place) -> BTreeSet<DeviceKey> {
        let sights = self.shops.get(&shop).and_then(|known| known.sights.get(&place.holder));
        let seen = sights.into_iter().flatten().filter(|(_, sights)| sights.seen >= place.number);
        seen.map(|(by, _)| by.device).filter(|device| *device != place.holder.device).collect()
    }

    /// Whether every stamp of a shop is worth what it says.
    pub fn is_plain(&self, shop: ShopId) -> bool {
        self.shops.get(&shop).is_none_or(|known| known.corrections.is_empty() && known.doubted.is_empty())
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
        let Some(known) = self.shops.get(&shop).filter(|known| known.doubted.contains(&place.holder)) else {
            return false;
        };
        // Of several lives of one device, one that saw nothing wrong with it is enough.
        let mut witnesses: BTreeMap<DeviceKey, bool> = BTreeMap::new();
        for (by, sights) in known.sights.get(&place.holder).into_iter().flatten() {
            if by.device != place.holder.device && sights.witnessed >= place.number {
                let is_ahead = sights.ahead.iter().any(|(from, to, _)| (*from..=*to).contains(&place.number));
                let all = witnesses.entry(by.device).or_insert(true);
                *all = *all && is_ahead;
            }
        }
        let doubting = witnesses.values().filter(|is_ahead| **is_ahead).count();
        2 * doubting > witnesses.len()
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

    /// An operation with what decides and with corrected times.
    pub fn judged_operation(&self, shop: ShopId, stamped: &Stamped) -> Stamped {
        let origin = self.judged(shop, &stamped.origin);
        let mut operation = stamped.operation.clone();
        if origin.wall != stamped.origin.wall {
            correct_times(&mut operation, stamped.origin.wall, origin.wall);
        }
        Stamped { operation, origin }
    }

    /// A document's operations with what decides: as they are, where every stamp is worth what it says.
    pub fn all_judged<'a>(&self, shop: ShopId, operations: &'a [Stamped]) -> Cow<'a, [Stamped]> {
        if self.is_plain(shop) {
            return Cow::Borrowed(operations);
        }
        Cow::Owned(operations.iter().map(|stamped| self.judged_operation(shop, stamped)).collect())
    }

    /// The stretches of the shops' logs whose stamps nobody can explain.
    pub fn unexplained(&self) -> Vec<Stretch> {
        let mut found: Vec<Stretch> = Vec::new();
        for (shop, known) in &self.shops {
            for of in &known.doubted {
                // Between these nothing changes.
                let mut edges: BTreeSet<u64> = BTreeSet::new();
                for (_, sights) in known.sights.get(of).into_iter().flatten() {
                    edges.insert(sights.witnessed + 1);
                    edges.extend(sights.ahead.iter().flat_map(|(from, to, _)| [*from, to + 1]));
                }
                let edges: Vec<u64> = edges.into_iter().collect();
                for pair in edges.windows(2) {
                    let [from, next] = [pair[0], pair[1]];
                    if !self.is_unexplained(*shop, &Place { holder: *of, number: from }) {
                        continue;
                    }
                    match found.last_mut() {
                        Some((_, holder, _, to)) if holder == of && *to + 1 == from => *to = next - 1,
                        _ => found.push((*shop, *of, from, next - 1)),
                    }
                }
            }
        }
        found
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
