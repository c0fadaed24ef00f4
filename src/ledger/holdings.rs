//! Shares and closings as the rest of the node asks of them, and tells of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::book::{pot_of_credit, pot_of_movement};
use crate::ledger::shares::{PotId, Shares};
use crate::ledger::{Book, Clocks, Closings, Stopped, Stretch};
use crate::model::{
    Closing, Correction, Credit, CreditId, DeviceKey, Holder, MovementId, MovementRecord, Origin, Place, Seen, ShopId,
    SimNumber,
};
use crate::money::{Balance, Currency};
use crate::planted::{self, Bug};

/// A holder and its share of one SIM's balance in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Who.
    pub holder: Holder,
    /// How much it may spend. Of a closed log: what its successor has not taken over.
    pub share: Balance,
}

/// A gift on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenGift {
    /// The movement that records it.
    pub movement: MovementId,
    /// The SIM.
    pub sim: SimNumber,
    /// The entry that made it.
    pub from: Place,
    /// Who may take it.
    pub to: Holder,
    /// How much.
    pub amount: Balance,
}

fn pot(shop: ShopId, sim: &SimNumber, currency: Currency) -> PotId {
    PotId { shop, sim: sim.clone(), currency: if planted::is(Bug::CurrenciesMixed) { Currency::Usd } else { currency } }
}

impl Book {
    /// What that holder may spend of a SIM: its share. Below zero only after the exceptions of rule 2; it then spends
    /// nothing, and what it receives covers the deficit first.
    pub fn spendable(&self, shop: ShopId, sim: &SimNumber, currency: Currency, holder: &Holder) -> Balance {
        self.shares.share(&pot(shop, sim, currency), holder)
    }

    /// Who holds how much of a SIM in a shop and currency; whoever holds nothing and may still write is left out.
    pub fn holdings(&self, shop: ShopId, sim: &SimNumber, currency: Currency) -> Vec<Holding> {
        let id = pot(shop, sim, currency);
        let left = |holder: Holder, share: Balance| match self.closings.end(shop, &holder) {
            None => share,
            Some(closing) => {
                let cents =
                    self.shares.pot(&id).map_or(0, |pot| pot.left_behind(&holder, closing.end, shop, &self.closings));
                Balance::from_cents(cents, currency)
            }
        };
        let found = self.shares.holders(&id).map(|(holder, share)| Holding { holder, share: left(holder, share) });
        found.filter(|holding| !holding.share.value().is_zero()).collect()
    }

    /// What of a SIM's balance may be gone without anybody here knowing: what those may spend of whom `is_unheard` says
    /// that they may have done more than is known, with who they are. `is_any_unheard`: somebody may have paid a credit
    /// whose cancelled amount is coming back.
    pub fn at_stake(
        &self,
        shop: ShopId,
        sim: &SimNumber,
        currency: Currency,
        is_any_unheard: bool,
        is_unheard: impl Fn(&Holder) -> bool,
    ) -> (Balance, BTreeSet<Holder>) {
        let id = pot(shop, sim, currency);
        let held = self.holdings(shop, sim, currency).into_iter().map(|one| (one.holder, one.share.cents()));
        let gifts = self.shares.pot(&id).into_iter().flat_map(|pot| pot.open_gifts());
        let theirs: Vec<(Holder, i128)> = held
            .filter(|(_, cents)| *cents > 0)
            .chain(gifts.map(|gift| (gift.to, gift.cents)))
            .filter(|(holder, _)| is_unheard(holder))
            .collect();
        let back = self.returning(shop).filter_map(|credit| self.credit(credit));
        let back = back.filter(|credit| credit.sim == *sim && credit.amount.currency() == currency);
        // A payment that nobody has heard of may stand over the cancellation, whoever took it.
        let back: i128 = back
            .filter(|credit| is_any_unheard || is_unheard(&credit.origin.holder()))
            .map(|credit| credit.amount.cents())
            .sum();
        let cents = theirs.iter().map(|(_, cents)| cents).sum::<i128>() + back;
        (Balance::from_cents(cents, currency), theirs.into_iter().map(|(holder, _)| holder).collect())
    }

    /// Gifts of a shop made and not yet taken.
    pub fn open_gifts(&self, shop: ShopId) -> Vec<OpenGift> {
        let pots = self.shares.pots(Some(shop));
        pots.flat_map(|id| {
            let gifts = self.shares.pot(id).into_iter().flat_map(|pot| pot.open_gifts());
            gifts.map(|gift| OpenGift {
                movement: gift.movement,
                sim: id.sim.clone(),
                from: gift.from,
                to: gift.to,
                amount: Balance::from_cents(gift.cents, id.currency),
            })
        })
        .collect()
    }

    /// Gifts that a successor has to bear: made beyond the end of a log that it took over, and taken.
    pub fn gifts_to_bear(&self, shop: ShopId, by: &Holder) -> Vec<MovementId> {
        let mut found = Vec::new();
        let mut acts_for = self.acts_for(shop, *by);
        // A sequel of the named one's log that took over is the named one too.
        let mut open: Vec<Holder> = acts_for.iter().copied().collect();
        while let Some(holder) = open.pop() {
            open.extend(self.closings.departs(shop, &holder).map(|(of, _)| of).filter(|of| acts_for.insert(*of)));
        }
        for closing in self.closings.ends(shop).filter(|closing| acts_for.contains(&closing.successor)) {
            for id in self.shares.pots(Some(shop)) {
                found.extend(self.shares.pot(id).into_iter().flat_map(|pot| pot.to_bear(&closing.of, by)));
            }
        }
        found
    }

    /// Cancelled credits of a shop whose amount is on its way back to its granter.
    pub fn returning(&self, shop: ShopId) -> impl Iterator<Item = &CreditId> {
        self.to_return.get(&shop).into_iter().flatten()
    }

    /// Whether a holder may give back a cancelled credit's amount: its granter, and who succeeded it.
    pub fn may_return(&self, credit: &Credit, by: &Holder) -> bool {
        self.shares.may_act_for(&pot_of_credit(credit), by, &credit.origin.place())
    }

    /// Whether a holder may confirm a movement or take it back: its recorder, and who succeeded it.
    pub fn may_settle(&self, movement: &MovementRecord, by: &Holder) -> bool {
        self.shares.may_act_for(&pot_of_movement(movement), by, &movement.origin.place())
    }

    /// Whether a gift is for a holder, or for one whom it succeeded.
    pub fn is_for(&self, shop: ShopId, gift: &OpenGift, by: &Holder) -> bool {
        let id = PotId { shop, sim: gift.sim.clone(), currency: gift.amount.currency() };
        self.shares.may_act_for(&id, by, &Place { holder: gift.to, number: 0 })
    }

    /// Those for whom a holder says it stands in a shop: itself, and whom it came to succeed.
    pub fn acts_for(&self, shop: ShopId, by: Holder) -> BTreeSet<Holder> {
        self.shares.acts_for(shop, by)
    }

    /// Up to which entry a successor has taken over a closed log.
    pub fn taken_over(&self, shop: ShopId, by: Holder, of: Holder) -> Option<u64> {
        self.shares.taken_over(shop, by, of)
    }

    /// Stops, closings and sightings.
    pub fn closings(&self) -> &Closings {
        &self.closings
    }

    /// Every holder in whose name a log of that shop moved money, and every SIM and currency it moved.
    pub fn pots_of(&self, shop: ShopId) -> impl Iterator<Item = (&SimNumber, Currency)> {
        self.shares.pots(Some(shop)).map(|id| (&id.sim, id.currency))
    }

    /// The shares that are below zero, after the exceptions of rule 2: each is the conflict `overdrawn`. The branches of a
    /// forked log are one holder here.
    pub fn overdrawn(&self) -> Vec<(ShopId, SimNumber, Holding)> {
        let mut found = Vec::new();
        for id in self.shares.pots(None) {
            let mut open: BTreeMap<Holder, i128> = BTreeMap::new();
            for (holder, share) in self.shares.holders(id) {
                if self.closings.end(id.shop, &holder).is_none() {
                    // What was held when a log was continued twice is counted with one branch, and may be spent in another.
                    *open.entry(self.closings.trunk(id.shop, &holder)).or_default() += share.cents();
                }
            }
            let below = open.into_iter().filter(|(_, cents)| *cents < 0);
            let holding = |(holder, cents)| Holding { holder, share: Balance::from_cents(cents, id.currency) };
            found.extend(below.map(|one| (id.shop, id.sim.clone(), holding(one))));
        }
        found
    }

    /// These are all the branches of forked logs: each with what it departs from, and after which of its entries.
    pub(crate) fn know_branches(&mut self, branches: Vec<(ShopId, Holder, Holder, u64)>) -> BTreeSet<ShopId> {
        let news = self.closings.know_branches(branches);
        news.iter().for_each(|shop| self.shares.closed(*shop));
        news
    }

    /// The authority names a shop's keeper.
    pub fn name_keeper(&mut self, shop: ShopId, device: DeviceKey, origin: Origin) {
        self.closings.name_keeper(shop, device, origin);
        self.shares.closed(shop);
    }

    /// Somebody says that a log is to be closed.
    pub fn stop(&mut self, shop: ShopId, of: Holder, successor: Holder, by: Origin, by_authority: bool) {
        self.closings.stop(shop, of, Stopped { successor, by }, by_authority);
    }

    /// Somebody says where a log ends.
    pub fn close(&mut self, closing: Closing, origin: Origin, by_authority: bool) {
        self.closings.close(closing, origin, by_authority);
        self.shares.closed(closing.shop);
    }

    /// A device says how far it holds others' logs; `is_witness` if its own clock can be believed. Answers whose stamps
    /// are to be judged anew.
    pub fn sight(&mut self, shop: ShopId, by: Place, seen: &[Seen], is_witness: bool) -> Vec<Stretch> {
        self.closings.sight(shop, by, seen);
        if Closings::matters(seen) {
            self.shares.closed(shop);
        }
        self.clocks.sight(shop, by, seen, is_witness)
    }

    /// A device says that its clock was wrong while it wrote a part of its log; `said` are all sightings of that log, by whom
    /// and up to which entry. Answers whose stamps are to be judged anew.
    pub fn correct_clock(
        &mut self,
        shop: ShopId,
        at: Place,
        correction: Correction,
        said: impl Iterator<Item = (Holder, u64)>,
    ) -> Vec<Stretch> {
        self.clocks.correct(shop, at, correction, said)
    }

    /// What stamps are worth, and who has seen what.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// A successor takes over what a closed log held.
    pub fn take_over(&mut self, shop: ShopId, at: Place, of: Holder, end: u64) {
        self.shares.take_over(shop, at, of, end, &self.closings);
    }

    /// A digest of shares, keepers and closings for those who compare states.
    pub fn shares_digest(&self) -> [u8; 32] {
        digest(&self.shares, &self.closings)
    }
}

fn digest(shares: &Shares, closings: &Closings) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/shares");
    for id in shares.pots(None) {
        let mut held = shares.holders(id).filter(|(_, share)| !share.value().is_zero()).peekable();
        if held.peek().is_some() {
            hasher.update(format!("{} {} {};", id.shop, id.sim, id.currency).as_bytes());
        }
        for (holder, share) in held {
            hasher.update(format!("{} {share};", holder.to_text()).as_bytes());
        }
    }
    hasher.update(&closings.to_digest());
    *hasher.finalize().as_bytes()
}
