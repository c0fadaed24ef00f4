//! Who may spend how much of a SIM's balance: a share for each holder, SIM and currency (`domain`, rule 2; escrow,
//! or a bounded counter: Balegas et al., 2015).
//!
//! ```text
//! one log, in order:   opening +500   grant -120   gift to B -100   take +40   return +120   ...
//!                                     └─ not covered by what came before: void, for everyone
//! ```
//!
//! A holder's share follows from its own log, read in its order, and from the gifts which that log takes by name.
//! So it is known exactly to the holder, and never below zero, whatever it has not heard of; the proof is in
//! `docs/shares.md`. What everybody else makes of it is a function of the entries they hold: this module computes
//! it for one **pot** (shop, SIM, currency) at a time, step by step where an entry continues its log, from the
//! beginning where one came late.
//!
//! Nothing here knows why a person gives or takes, or how entries travel.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::pot::{Deed, Item, Pot, Rules};
use crate::model::{CreditId, Holder, MovementId, Place, ShopId, SimNumber};
use crate::money::{Balance, Currency};

/// The unit in which shares are settled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PotId {
    pub shop: ShopId,
    pub sim: SimNumber,
    pub currency: Currency,
}

/// What a share was spent on or came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ItemId {
    Credit(CreditId),
    Movement(MovementId),
}

/// What became of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Without effect.
    pub void: bool,
    /// A pending capture that was confirmed.
    pub validated: bool,
    /// A movement reversed, a credit returned; by which entry.
    pub given_back: Option<Place>,
    /// A gift taken; by whom.
    pub taken_by: Option<Holder>,
}

impl Standing {
    /// It is given back. What was never covered and is taken back again was nothing (an imported row that says it was
    /// cancelled): it is shown as cancelled, not as without effect.
    pub(super) fn give_back(&mut self, at: Place) {
        self.void = false;
        self.given_back.get_or_insert(at);
    }
}

/// Every pot.
#[derive(Clone, Debug, Default)]
pub(super) struct Shares {
    pots: BTreeMap<PotId, Pot>,
    dirty: BTreeSet<PotId>,
    /// Successions by shop: they concern every pot of it.
    successions: BTreeMap<ShopId, BTreeMap<Place, (Holder, u64)>>,
}

impl Shares {
    /// An entry of a log does something to a pot. Known already, it does nothing more.
    pub fn put(&mut self, id: PotId, at: Place, deed: Deed, rules: &Rules) {
        let pot = match self.pots.get_mut(&id) {
            Some(pot) => pot,
            None => {
                let mut pot = Pot::default();
                for (at, (of, end)) in self.successions.get(&id.shop).into_iter().flatten() {
                    pot.put(*at, Deed::TakeOver { of: *of, end: *end }, rules);
                }
                self.pots.entry(id.clone()).or_insert(pot)
            }
        };
        if !pot.put(at, deed, rules) {
            self.dirty.insert(id);
        }
    }

    /// A successor takes over what a closed log held, in every pot of the shop.
    pub fn take_over(&mut self, shop: ShopId, at: Place, of: Holder, end: u64, rules: &Rules) {
        if self.successions.entry(shop).or_default().insert(at, (of, end)).is_some() {
            return;
        }
        for (id, pot) in self.pots.iter_mut().filter(|(id, _)| id.shop == shop) {
            if !pot.put(at, Deed::TakeOver { of, end }, rules) {
                self.dirty.insert(id.clone());
            }
        }
    }

    /// Up to which entry of that log that holder has taken over what it held, itself or by one whom it succeeded.
    pub fn taken_over(&self, shop: ShopId, by: Holder, of: Holder) -> Option<u64> {
        self.reach(shop, by).get(&of).copied()
    }

    /// Whether a holder may do to what another's entry made what that one might: the pot says so, for not every succession
    /// that was written counts.
    pub fn may_act_for(&self, id: &PotId, by: &Holder, made_by: &Place) -> bool {
        let may = |pot: &Pot| pot.may_act_for(*by, made_by.holder, made_by.number);
        *by == made_by.holder || self.pots.get(id).is_some_and(may)
    }

    /// Those for whom that holder says it has taken over, itself among them.
    pub fn acts_for(&self, shop: ShopId, by: Holder) -> BTreeSet<Holder> {
        let mut found: BTreeSet<Holder> = self.reach(shop, by).into_keys().collect();
        found.insert(by);
        found
    }

    /// Whom a holder has taken over, itself or by one whom it succeeded; each up to which entry.
    fn reach(&self, shop: ShopId, by: Holder) -> BTreeMap<Holder, u64> {
        let mut found: BTreeMap<Holder, u64> = BTreeMap::new();
        let mut open = vec![(by, u64::MAX)];
        while let Some((holder, limit)) = open.pop() {
            for (at, (of, end)) in self.successions.get(&shop).into_iter().flatten() {
                let here = at.holder == holder && at.number <= limit;
                if here && found.get(of).is_none_or(|known| known < end) {
                    found.insert(*of, *end);
                    open.push((*of, *end));
                }
            }
        }
        found
    }

    /// A closing came or moved: every pot of the shop is settled anew.
    pub fn closed(&mut self, shop: ShopId) {
        self.dirty.extend(self.pots.keys().filter(|id| id.shop == shop).cloned());
    }

    /// Whether something waits to be settled.
    pub fn is_settled(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Settles what came late; answers the items of which something changed.
    pub fn settle(&mut self, rules: &Rules) -> Vec<(PotId, ItemId)> {
        let mut changed = Vec::new();
        for id in std::mem::take(&mut self.dirty) {
            if let Some(pot) = self.pots.get_mut(&id) {
                changed.extend(pot.settle(id.shop, rules).into_iter().map(|item| (id.clone(), item)));
            }
        }
        changed
    }

    /// What became of an item; nothing special if it is not known.
    pub fn standing(&self, id: &PotId, item: &ItemId) -> Standing {
        self.item(id, item).map(|item| item.standing).unwrap_or_default()
    }

    fn item(&self, id: &PotId, item: &ItemId) -> Option<&Item> {
        self.pots.get(id)?.item(item)
    }

    /// A holder's share. Below zero only after the exceptions of rule 2.
    pub fn share(&self, id: &PotId, holder: &Holder) -> Balance {
        let cents = self.pots.get(id).map_or(0, |pot| pot.share(holder));
        Balance::from_cents(cents, id.currency)
    }

    /// Every holder that something was ever put to in this pot, and its share.
    pub fn holders(&self, id: &PotId) -> impl Iterator<Item = (Holder, Balance)> {
        let currency = id.currency;
        let pot = self.pots.get(id);
        pot.into_iter().flat_map(Pot::shares).map(move |(holder, cents)| (holder, Balance::from_cents(cents, currency)))
    }

    /// The pots of a shop; of every shop if none is named.
    pub fn pots(&self, shop: Option<ShopId>) -> impl Iterator<Item = &PotId> {
        self.pots.keys().filter(move |id| shop.is_none_or(|shop| id.shop == shop))
    }

    /// One pot.
    pub fn pot(&self, id: &PotId) -> Option<&Pot> {
        self.pots.get(id)
    }
}
