//! Where the logs of lost devices end, and who goes on with what they held (`domain`, rule 7).
//!
//! ```text
//! keeper:   stop A ──────────────► close A at 41, B succeeds        two entries on the registry
//! others:          "I hold 38"  "I hold 41"                          a sighting each, then nothing taken from beyond
//! B:                                       holds 41: takes over      once
//! ```
//!
//! Each shop has one keeper at a time: the device that the authority named; when the authority closes the keeper, the
//! successor is keeper. A keeper's word ends where its own registry log was closed. All of this is a function of the
//! entries held, whatever their order of arrival: entries are collected, and what they mean is worked out anew.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Closing, DeviceKey, Holder, Origin, Place, Seen, ShopId};

/// A device's word that from one of its entries on it takes nothing from beyond a place in another's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The promising entry's number.
    at: u64,
    /// The last entry of the stopped log that was held then.
    held: u64,
    /// The same of its registry log.
    registry: u64,
}

impl Promise {
    /// Whether taking that gift by that entry breaks the promise.
    pub(super) fn forbids(&self, taking: Place, gift: Place) -> bool {
        taking.number > self.at && gift.number > self.held
    }
}

/// That a log is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Who is to take over.
    pub successor: Holder,
    /// Who said so.
    pub by: Origin,
}

#[derive(Clone, Debug, Default)]
struct Shop {
    named: Option<(Origin, DeviceKey)>,
    stops: BTreeMap<Place, (Holder, Stopped, bool)>,
    closes: BTreeMap<Place, (Closing, bool)>,
    promises: BTreeMap<(Holder, Holder), Promise>,
    /// What the above comes to.
    keeper: Option<DeviceKey>,
    stopped: BTreeMap<Holder, Stopped>,
    ends: BTreeMap<Holder, Closing>,
}

/// Every stop, closing and promise of every shop, and what they come to.
#[derive(Clone, Debug, Default)]
pub struct Closings {
    shops: BTreeMap<ShopId, Shop>,
    touched: BTreeSet<Holder>,
    /// Branches of forked logs: what each departs from, and after which of its entries.
    branches: BTreeMap<(ShopId, Holder), (Holder, u64)>,
    /// Whose logs have branches, and the branches.
    forked: BTreeSet<Holder>,
}

impl Closings {
    /// The authority names a shop's keeper: the first naming counts.
    pub(super) fn name_keeper(&mut self, shop: ShopId, device: DeviceKey, origin: Origin) {
        let of = self.shops.entry(shop).or_default();
        // By place and not by stamp: the authority's log has an order of its own.
        if of.named.is_none_or(|(known, _)| known.place() > origin.place()) {
            of.named = Some((origin, device));
        }
        self.work_out(shop);
    }

    /// Somebody says that a log is to be closed.
    pub(super) fn stop(&mut self, shop: ShopId, of: Holder, stopped: Stopped, by_authority: bool) {
        let known = self.shops.entry(shop).or_default();
        known.stops.insert(stopped.by.place(), (of, stopped, by_authority));
        self.work_out(shop);
    }

    /// Somebody says where a log ends.
    pub(super) fn close(&mut self, closing: Closing, origin: Origin, by_authority: bool) {
        let known = self.shops.entry(closing.shop).or_default();
        known.closes.insert(origin.place(), (closing, by_authority));
        self.work_out(closing.shop);
    }

    /// A device says how far it holds others' logs: where that answers a stop, it promises.
    pub(super) fn sight(&mut self, shop: ShopId, by: Place, seen: &[Seen]) {
        let known = self.shops.entry(shop).or_default();
        for one in seen {
            if one.stop {
                let promise = Promise { at: by.number, held: one.number, registry: one.registry };
                // The first promise binds; a later one cannot loosen it.
                let first = known.promises.entry((by.holder, one.of)).or_insert(promise);
                if first.at > promise.at {
                    *first = promise;
                }
            }
        }
    }

    /// These are all the branches of forked logs. Answers the shops in which that is news.
    pub(super) fn know_branches(&mut self, branches: Vec<(ShopId, Holder, Holder, u64)>) -> BTreeSet<ShopId> {
        let branches: BTreeMap<(ShopId, Holder), (Holder, u64)> =
            branches.into_iter().map(|(shop, branch, of, after)| ((shop, branch), (of, after))).collect();
        let is_news = |at: &(ShopId, Holder)| branches.get(at) != self.branches.get(at);
        let news: BTreeSet<ShopId> =
            branches.keys().chain(self.branches.keys()).filter(|at| is_news(at)).map(|(shop, _)| *shop).collect();
        self.forked = branches.iter().flat_map(|((_, branch), (of, _))| [*branch, *of]).collect();
        self.branches = branches;
        for shop in &news {
            self.work_out(*shop);
        }
        news
    }

    /// What a branch of a forked log departs from, and after which of its entries.
    pub fn departs(&self, shop: ShopId, branch: &Holder) -> Option<(Holder, u64)> {
        self.branches.get(&(shop, *branch)).copied()
    }

    /// Whether any log was continued twice.
    pub(super) fn has_branches(&self) -> bool {
        !self.forked.is_empty()
    }

    /// Whether the log of that holder was continued twice, or is one of the sequels.
    pub fn is_forked(&self, holder: &Holder) -> bool {
        self.forked.contains(holder)
    }

    /// Whose log a branch is of, whatever it departs from.
    pub fn trunk(&self, shop: ShopId, branch: &Holder) -> Holder {
        let mut holder = *branch;
        while let Some((of, _)) = self.departs(shop, &holder) {
            holder = of;
        }
        holder
    }

    /// Whether a sighting changes what closings mean: one that answers a stop does.
    pub(super) fn matters(seen: &[Seen]) -> bool {
        seen.iter().any(|one| one.stop)
    }

    fn work_out(&mut self, shop: ShopId) {
        let Some(known) = self.shops.get_mut(&shop) else { return };
        let mut keeper = known.named.map(|(_, device)| device);
        let mut keepers: Vec<DeviceKey> = keeper.into_iter().collect();
        let mut ends: BTreeMap<Holder, Closing> = BTreeMap::new();
        // The authority's word first, in its own order; whoever succeeds a keeper is keeper.
        for (closing, _) in known.closes.values().filter(|(_, by_authority)| *by_authority) {
            extend(&mut ends, closing);
            let successor = ends.get(&closing.of).map_or(closing.successor, |first| first.successor);
            if keeper == Some(closing.of.device) && successor.device != closing.of.device {
                keeper = Some(successor.device);
                keepers.push(successor.device);
            }
        }
        let authority_ends = ends.clone();
        // Then each keeper's, as far as its own registry log counts.
        let counts = |at: &Place| {
            keepers.contains(&at.holder.device)
                && authority_ends.get(&at.holder).is_none_or(|closing| at.number <= closing.registry_end)
        };
        for device in &keepers {
            let of_keeper = known
                .closes
                .iter()
                .filter(|(at, (_, by_authority))| !by_authority && at.holder.device == *device && counts(at));
            for (_, (closing, _)) in of_keeper {
                extend(&mut ends, closing);
            }
        }
        let mut stopped: BTreeMap<Holder, Stopped> = BTreeMap::new();
        for (at, (of, stop, by_authority)) in &known.stops {
            if *by_authority || counts(at) {
                stopped.entry(*of).or_insert(*stop);
            }
        }
        let branches = self.branches.iter().filter(|((of, _), _)| *of == shop);
        let branches: Vec<(Holder, Holder, u64)> =
            branches.map(|((_, branch), (of, after))| (*branch, *of, *after)).collect();
        close_what_departs_beyond(&mut ends, &branches);
        known.keeper = keeper;
        known.stopped = stopped;
        known.ends = ends;
        let shops = self.shops.values();
        self.touched = shops.flat_map(|known| known.stopped.keys().chain(known.ends.keys())).copied().collect();
    }

    /// A shop's keeper.
    pub fn keeper(&self, shop: ShopId) -> Option<DeviceKey> {
        self.shops.get(&shop)?.keeper
    }

    /// Where a log ends, if it was closed.
    pub fn end(&self, shop: ShopId, of: &Holder) -> Option<&Closing> {
        self.shops.get(&shop)?.ends.get(of)
    }

    /// Every log of a shop that was closed.
    pub fn ends(&self, shop: ShopId) -> impl Iterator<Item = &Closing> {
        self.shops.get(&shop).into_iter().flat_map(|known| known.ends.values())
    }

    /// The stop of a log, if it is to be closed or was.
    pub fn stopped(&self, shop: ShopId, of: &Holder) -> Option<&Stopped> {
        self.shops.get(&shop)?.stopped.get(of)
    }

    /// The logs of a shop that are to be closed and are not yet.
    pub fn closing(&self, shop: ShopId) -> impl Iterator<Item = (&Holder, &Stopped)> {
        let known = self.shops.get(&shop);
        known.into_iter().flat_map(|known| known.stopped.iter().filter(|(of, _)| !known.ends.contains_key(of)))
    }

    /// Whether a holder may still write: it was neither stopped nor closed in any shop.
    pub fn is_open(&self, holder: &Holder) -> bool {
        !self.touched.contains(holder)
    }

    /// What a device promised about a stopped log.
    pub fn promised(&self, shop: ShopId, by: &Holder, of: &Holder) -> Option<Promise> {
        self.shops.get(&shop)?.promises.get(&(*by, *of)).copied()
    }

    /// How far the devices that answered a stop held the stopped logs: the furthest of the shop's and the registry's.
    pub fn furthest(&self, shop: ShopId, of: &Holder) -> (u64, u64) {
        let Some(known) = self.shops.get(&shop) else { return (0, 0) };
        let promises = known.promises.iter().filter(|((_, whose), _)| whose == of).map(|(_, promise)| promise);
        promises.fold((0, 0), |(end, registry), promise| (end.max(promise.held), registry.max(promise.registry)))
    }

    /// Keepers, stops and ends, for those who compare states.
    pub(super) fn to_digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/closings");
        for (shop, known) in &self.shops {
            hasher.update(format!("{shop} {:?} {:?} {:?};", known.keeper, known.stopped, known.ends).as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// Whether a stop or closing concerns that holder.
    pub(super) fn touches(&self, holder: &Holder) -> bool {
        self.touched.contains(holder)
    }
}

/// A branch that departs beyond the end of what it goes on from stands beyond that end as a whole.
fn close_what_departs_beyond(ends: &mut BTreeMap<Holder, Closing>, branches: &[(Holder, Holder, u64)]) {
    loop {
        let before = ends.len();
        for (branch, of, after) in branches {
            if let Some(closing) = ends.get(of).filter(|closing| closing.end <= *after).copied() {
                ends.entry(*branch).or_insert(Closing { of: *branch, ..closing });
            }
        }
        if ends.len() == before {
            return;
        }
    }
}

/// The first closing of a log names its successor; a later one may move the end forward, never back.
fn extend(ends: &mut BTreeMap<Holder, Closing>, closing: &Closing) {
    let known = ends.entry(closing.of).or_insert(*closing);
    known.end = known.end.max(closing.end);
    known.registry_end = known.registry_end.max(closing.registry_end);
    known.insisted |= closing.insisted;
}
