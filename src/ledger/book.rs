//! What stands, over all shops that this device reads: credits, movements, SIMs, and the sums over them.
//!
//! A credit or movement is put in as a whole; what it added to sums and indexes before is taken out first. So
//! folding step by step equals folding from scratch.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::account::{Account, Part};
use crate::ledger::digest::SetDigest;
use crate::ledger::index::{self, CreditIndex};
use crate::ledger::pot::Deed;
use crate::ledger::shares::{ItemId, PotId, Shares};
use crate::ledger::{Clocks, Closings, Conflicts, CreditFilter, CreditOrder, Refusal};
use crate::model::{
    CaptureState, Credit, CreditId, CreditStatus, MovementAct, MovementId, MovementKind, MovementRecord, Origin,
    Reference, ShopId, Sim, SimNumber, Timestamp,
};
use crate::money::Currency;
use crate::planted::{self, Bug};

/// A shop of the company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shop {
    /// Its number.
    pub id: ShopId,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub town: Option<String>,
    /// The entry that made it known; of two, the earlier counts.
    pub origin: Origin,
}

/// The books of all shops that this device reads.
#[derive(Clone, Debug, Default)]
pub struct Book {
    shops: BTreeMap<ShopId, Shop>,
    sims: BTreeMap<SimNumber, Sim>,
    credits: BTreeMap<CreditId, Credit>,
    pub(super) references: BTreeMap<Reference, BTreeSet<CreditId>>,
    /// Those that more than one credit bears or bore: few.
    pub(super) shared_references: BTreeSet<Reference>,
    old_credits: BTreeMap<u64, CreditId>,
    index: CreditIndex,
    movements: BTreeMap<MovementId, MovementRecord>,
    movements_by_sim: BTreeMap<SimNumber, BTreeSet<(Timestamp, MovementId)>>,
    old_movements: BTreeMap<(&'static str, u64, SimNumber), MovementId>,
    accounts: BTreeMap<(ShopId, SimNumber, Currency), Account>,
    digests: BTreeMap<ShopId, SetDigest>,
    /// When something was last done in each shop, by the clock of who did it.
    newest: BTreeMap<ShopId, Timestamp>,
    pub(super) shares: Shares,
    pub(super) closings: Closings,
    pub(super) clocks: Clocks,
    pub(super) conflicts: Conflicts,
    /// Cancelled credits whose amount is on its way back.
    pub(super) to_return: BTreeMap<ShopId, BTreeSet<CreditId>>,
    /// The shop in which each SIM was made known.
    sim_founders: BTreeMap<SimNumber, ShopId>,
    pub(super) moves: BTreeMap<SimNumber, BTreeMap<Origin, (ShopId, ShopId)>>,
}

impl Book {
    /// The shops by number.
    pub fn shops(&self) -> &BTreeMap<ShopId, Shop> {
        &self.shops
    }

    /// The SIMs by number.
    pub fn sims(&self) -> &BTreeMap<SimNumber, Sim> {
        &self.sims
    }

    /// How many credits there are, without those that have no effect.
    pub fn credit_count(&self) -> usize {
        self.index.len()
    }

    /// How many movements there are.
    pub fn movement_count(&self) -> usize {
        self.movements.len()
    }

    /// How many credits a shop has.
    pub fn credits_of(&self, shop: ShopId) -> usize {
        self.index.granted_in(Some(shop), None, None).count()
    }

    /// The credits of a shop that have effect.
    pub fn credits_in(&self, shop: ShopId) -> impl Iterator<Item = &Credit> {
        self.granted_in(Some(shop), None, None)
    }

    /// Every credit, by id.
    pub fn credits(&self) -> impl Iterator<Item = &Credit> {
        self.credits.values()
    }

    /// Every movement, by id.
    pub fn movements(&self) -> impl Iterator<Item = &MovementRecord> {
        self.movements.values()
    }

    /// A shop is known. Of two of one number, the earlier counts.
    pub fn put_shop(&mut self, shop: Shop) {
        let known = self.shops.get(&shop.id);
        if known.is_none_or(|known| known.origin >= shop.origin) {
            let town = shop.town.clone().or_else(|| known.and_then(|known| known.town.clone()));
            self.shops.insert(shop.id, Shop { town, ..shop });
        }
    }

    /// A shop says where it is.
    pub fn set_town(&mut self, shop: ShopId, town: String) {
        if let Some(known) = self.shops.get_mut(&shop) {
            known.town = Some(town);
        }
    }

    /// A SIM is known. Of two of one number, the earlier counts.
    pub fn put_sim(&mut self, sim: Sim) {
        if self.sims.get(&sim.number).is_none_or(|known| known.origin >= sim.origin) {
            let number = sim.number.clone();
            self.sim_founders.insert(number.clone(), sim.shop);
            self.sims.insert(number.clone(), sim);
            self.find_owner(&number);
        }
    }

    /// A SIM goes to another shop, if it was the first one's then.
    pub fn move_sim(&mut self, sim: &SimNumber, from: ShopId, to: ShopId, origin: Origin) {
        self.moves.entry(sim.clone()).or_default().insert(origin, (from, to));
        self.find_owner(sim);
    }

    /// Follows a SIM's moves from the shop where it was made known, in the order of their stamps.
    fn find_owner(&mut self, number: &SimNumber) {
        let (Some(sim), Some(first)) = (self.sims.get_mut(number), self.sim_founders.get(number)) else { return };
        sim.shop = *first;
        for (from, to) in self.moves.get(number).into_iter().flat_map(BTreeMap::values) {
            if sim.shop == *from {
                sim.shop = *to;
            }
        }
    }

    /// Puts a credit in the place of what it was.
    pub fn put_credit(&mut self, credit: Credit) {
        let (pot, item) = (pot_of_credit(&credit), ItemId::Credit(credit.id));
        if self.credits.get(&credit.id).is_none_or(|known| known.origin.place() != credit.origin.place()) {
            let cents = credit.amount.cents();
            let deed = match credit.reported {
                Some(_) => Deed::Owe { item, cents },
                None => Deed::Spend { item, cents },
            };
            self.shares.put(pot.clone(), credit.origin.place(), deed, &self.closings);
        }
        let known = self.credits.get(&credit.id).map_or(&[][..], |known| &known.returns);
        for (place, _) in credit.returns.iter().filter(|one| !known.contains(one)) {
            self.shares.put(pot.clone(), *place, Deed::Return { credit: credit.id }, &self.closings);
        }
        self.show_credit(credit);
    }

    /// When something was last done with the money of a shop, by the clock of who did it.
    pub fn newest(&self) -> &BTreeMap<ShopId, Timestamp> {
        &self.newest
    }

    fn note_newest(&mut self, shop: ShopId, at: Timestamp) {
        let newest = self.newest.entry(shop).or_insert(at);
        *newest = at.max(*newest);
    }

    /// Shows a credit as its granter's share says it stands.
    fn show_credit(&mut self, credit: Credit) {
        self.note_newest(credit.shop, credit.updated_at);
        self.hide_credit(&credit.id);
        let standing = self.shares.standing(&pot_of_credit(&credit), &ItemId::Credit(credit.id));
        let returned = standing.given_back.and_then(|by| credit.returns.iter().find(|(place, _)| *place == by));
        let overridden = planted::is(Bug::ReturnOverridden) && credit.cancelled_at.is_none();
        let returned_at = returned.map(|(_, at)| *at).filter(|_| !overridden);
        let credit = credit.settled(returned_at, standing.void);
        if !credit.void {
            self.index.insert(&credit);
        }
        self.count_credit(&credit, Account::add);
        self.count(credit.shop, &credit, SetDigest::insert);
        if credit.status == CreditStatus::Cancelled && returned_at.is_none() && !credit.void {
            self.to_return.entry(credit.shop).or_default().insert(credit.id);
        }
        self.bear(&credit);
        self.note_credit(&credit);
        if let Some(old_id) = credit.old_id {
            self.old_credits.entry(old_id).or_insert(credit.id);
        }
        self.credits.insert(credit.id, credit);
    }

    fn hide_credit(&mut self, id: &CreditId) {
        let Some(old) = self.credits.remove(id) else { return };
        if !old.void {
            self.index.remove(&old);
        }
        self.count_credit(&old, Account::take);
        self.count(old.shop, &old, SetDigest::remove);
        if let Some(ids) = self.to_return.get_mut(&old.shop) {
            ids.remove(&old.id);
        }
        self.bear_no_more(&old);
    }

    /// Puts a movement in the place of what it was.
    pub fn put_movement(&mut self, movement: MovementRecord) {
        let known = self.movements.get(&movement.id);
        let done = known.map_or(&[][..], |known| &known.acts);
        let pot = pot_of_movement(&movement);
        if known.is_none_or(|known| known.origin.place() != movement.origin.place()) {
            self.shares.put(pot.clone(), movement.origin.place(), deed_of(&movement), &self.closings);
        }
        for (act, place) in movement.acts.iter().filter(|one| !done.contains(one)) {
            let deed = match act {
                MovementAct::Validate => Deed::Validate { movement: movement.id },
                MovementAct::Reverse => Deed::Reverse { movement: movement.id },
                MovementAct::Take => Deed::Take { gift: movement.id },
                MovementAct::Bear => Deed::Bear { gift: movement.id },
            };
            self.shares.put(pot.clone(), *place, deed, &self.closings);
        }
        self.show_movement(movement);
    }

    /// Shows a movement as its recorder's share says it stands.
    fn show_movement(&mut self, mut movement: MovementRecord) {
        self.note_newest(movement.shop, movement.origin.wall);
        if let Some(old) = self.movements.remove(&movement.id) {
            self.count_movement(&old, Account::take);
            self.count(old.shop, &old, SetDigest::remove);
            if let Some(known) = self.movements_by_sim.get_mut(&old.sim).filter(|_| old.at != movement.at) {
                known.remove(&(old.at, old.id));
            }
        }
        let standing = self.shares.standing(&pot_of_movement(&movement), &ItemId::Movement(movement.id));
        let recorded =
            matches!(&movement.kind, MovementKind::Capture(capture) if capture.state == CaptureState::Validated);
        movement.validated = recorded || standing.validated;
        movement.reversed = standing.given_back.is_some();
        movement.taken_by = standing.taken_by;
        movement.void = standing.void;
        self.count_movement(&movement, Account::add);
        self.count(movement.shop, &movement, SetDigest::insert);
        self.note_movement(&movement);
        self.movements_by_sim.entry(movement.sim.clone()).or_default().insert((movement.at, movement.id));
        if let Some(old_id) = movement.old_id {
            let place = (movement.kind.word(), old_id, movement.sim.clone());
            self.old_movements.entry(place).or_insert(movement.id);
        }
        self.movements.insert(movement.id, movement);
    }

    /// Settles the shares that an entry which came late concerns, and shows anew what that changed. Sums, lists and
    /// shares are to be read only after this.
    pub fn settle(&mut self) {
        if self.shares.is_settled() {
            return;
        }
        for (_, item) in self.shares.settle(&self.closings) {
            match item {
                ItemId::Credit(id) => {
                    if let Some(credit) = self.credits.get(&id).cloned() {
                        self.show_credit(credit);
                    }
                }
                ItemId::Movement(id) => {
                    if let Some(movement) = self.movements.get(&id).cloned() {
                        self.show_movement(movement);
                    }
                }
            }
        }
    }

    fn count_credit(&mut self, credit: &Credit, count: impl Fn(&mut Account, Part, crate::money::Amount) -> Counted) {
        if credit.status != CreditStatus::Cancelled && !credit.void {
            let account = self.account_mut(credit.shop, &credit.sim, credit.amount.currency());
            expect_counted(count(account, Part::Credits, credit.amount));
        }
    }

    fn count_movement(
        &mut self,
        movement: &MovementRecord,
        count: impl Fn(&mut Account, Part, crate::money::Amount) -> Counted,
    ) {
        if movement.counts() {
            let amount = movement.kind.amount();
            let part = match movement.kind {
                MovementKind::Opening(_) => Part::Initial,
                MovementKind::Capture(_) => Part::Captures,
                MovementKind::Withdrawal(_) => Part::Withdrawals,
                MovementKind::Deposit(_) => Part::Deposits,
                MovementKind::Moved(_) => Part::Moved,
                MovementKind::Gift(_) => return,
            };
            expect_counted(count(self.account_mut(movement.shop, &movement.sim, amount.currency()), part, amount));
        }
    }

    fn account_mut(&mut self, shop: ShopId, sim: &SimNumber, currency: Currency) -> &mut Account {
        self.accounts.entry((shop, sim.clone(), currency)).or_insert_with(|| Account::empty(currency))
    }

    pub(super) fn count(
        &mut self,
        shop: ShopId,
        thing: &impl serde::Serialize,
        change: impl Fn(&mut SetDigest, &[u8]),
    ) {
        let bytes = postcard::to_stdvec(thing).unwrap_or_else(|error| unreachable!("nouns always encode: {error}"));
        change(self.digests.entry(shop).or_default(), &bytes);
    }

    /// What a SIM holds in a shop and currency, and of what it is made.
    pub fn account(&self, shop: ShopId, sim: &SimNumber, currency: Currency) -> Account {
        let key = (shop, sim.clone(), currency);
        self.accounts.get(&key).copied().unwrap_or_else(|| Account::empty(currency))
    }

    /// The credit of that id.
    pub fn credit(&self, id: &CreditId) -> Option<&Credit> {
        self.credits.get(id)
    }

    /// The credits that bear that reference, or ever bore it.
    pub fn credits_with(&self, reference: &Reference) -> impl Iterator<Item = &Credit> {
        let ids = self.references.get(reference);
        ids.into_iter().flatten().filter_map(|id| self.credits.get(id))
    }

    /// The credit that had that id on the old server.
    pub fn credit_of_old_id(&self, old_id: u64) -> Option<&Credit> {
        self.credits.get(self.old_credits.get(&old_id)?)
    }

    /// The movement of that id.
    pub fn movement(&self, id: &MovementId) -> Option<&MovementRecord> {
        self.movements.get(id)
    }

    /// The movement of that kind and SIM that had that id on the old server.
    pub fn movement_of_old_id(&self, kind: &MovementKind, sim: &SimNumber, old_id: u64) -> Option<&MovementRecord> {
        self.movements.get(self.old_movements.get(&(kind.word(), old_id, sim.clone()))?)
    }

    /// A SIM's movements, latest first, after that one.
    pub fn movements_of<'a>(
        &'a self,
        sim: &SimNumber,
        after: Option<&MovementRecord>,
    ) -> impl Iterator<Item = &'a MovementRecord> {
        let end = after.map_or((Timestamp(i64::MAX), MovementId([0xff; 10])), |after| (after.at, after.id));
        let places = self.movements_by_sim.get(sim);
        let ids = places.into_iter().flat_map(move |places| places.range(..end).rev());
        ids.filter_map(|(_, id)| self.movements.get(id))
    }

    /// A page of credits and where the next begins. Goes through an index, never through all credits.
    pub fn list(&self, filter: &CreditFilter, now: Timestamp) -> Result<(Vec<&Credit>, Option<String>), Refusal> {
        let after = filter.after.as_deref().map(index::read_cursor).transpose()?;
        let filter = CreditFilter { limit: filter.limit.clamp(1, 1_000), ..filter.clone() };
        if let Some(reference) = &filter.reference {
            let found = self.credits_with(reference).filter(|credit| index::matches(&filter, credit, now));
            return Ok((found.take(filter.limit).collect(), None));
        }
        if filter.overdue && filter.order != CreditOrder::DueFirst {
            // Few are overdue among many granted: ask the index of due dates first, then put them in order.
            return Ok(self.list_overdue(&filter, after, now));
        }
        let mut found = Vec::new();
        let mut last = None;
        for place in self.index.candidates(&filter, after, now) {
            let Some(credit) = self.credits.get(&place.1).filter(|credit| index::matches(&filter, credit, now)) else {
                continue;
            };
            if found.len() == filter.limit {
                return Ok((found, last.map(index::cursor_text)));
            }
            found.push(credit);
            last = Some(place);
        }
        Ok((found, None))
    }

    fn list_overdue(
        &self,
        filter: &CreditFilter,
        after: Option<(Timestamp, CreditId)>,
        now: Timestamp,
    ) -> (Vec<&Credit>, Option<String>) {
        let by_due = CreditFilter { order: CreditOrder::DueFirst, after: None, ..filter.clone() };
        let candidates = self.index.candidates(&by_due, None, now);
        let mut found: Vec<&Credit> = candidates
            .filter_map(|(_, id)| self.credits.get(&id))
            .filter(|credit| index::matches(filter, credit, now))
            .collect();
        found.sort_by_key(|credit| (credit.granted_at, credit.id));
        if filter.order == CreditOrder::NewestFirst {
            found.reverse();
        }
        let place = |credit: &Credit| (credit.granted_at, credit.id);
        let before = |credit: &&Credit| match (filter.order, after) {
            (_, None) => false,
            (CreditOrder::NewestFirst, Some(after)) => place(credit) >= after,
            (_, Some(after)) => place(credit) <= after,
        };
        let mut page: Vec<&Credit> = found.into_iter().skip_while(before).take(filter.limit + 1).collect();
        let more = page.len() > filter.limit;
        page.truncate(filter.limit);
        let next = page.last().filter(|_| more).map(|credit| index::cursor_text(place(credit)));
        (page, next)
    }

    /// Every credit of that shop (or all) granted in that time, oldest first.
    pub(super) fn granted_in(
        &self,
        shop: Option<ShopId>,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> impl Iterator<Item = &Credit> {
        self.index.granted_in(shop, from, to).filter_map(|id| self.credits.get(&id))
    }

    /// The digest of every shop's credits and movements.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for (shop, digest) in self.digests.iter().filter(|(_, digest)| **digest != SetDigest::default()) {
            hasher.update(&shop.0.to_be_bytes());
            hasher.update(&digest.to_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// The digest of a shop's credits and movements.
    pub fn shop_digest(&self, shop: ShopId) -> SetDigest {
        self.digests.get(&shop).copied().unwrap_or_default()
    }

    /// Every account that something moved.
    pub fn accounts(&self) -> impl Iterator<Item = (&(ShopId, SimNumber, Currency), &Account)> {
        self.accounts.iter()
    }
}

pub(super) fn pot_of_credit(credit: &Credit) -> PotId {
    PotId { shop: credit.shop, sim: credit.sim.clone(), currency: credit.amount.currency() }
}

pub(super) fn pot_of_movement(movement: &MovementRecord) -> PotId {
    PotId { shop: movement.shop, sim: movement.sim.clone(), currency: movement.kind.amount().currency() }
}

/// What recording a movement does to its recorder's share.
fn deed_of(record: &MovementRecord) -> Deed {
    let (movement, cents) = (record.id, record.kind.amount().cents());
    match &record.kind {
        MovementKind::Opening(_) => Deed::Add { movement, cents },
        MovementKind::Capture(capture) if capture.state == CaptureState::Validated => Deed::Add { movement, cents },
        MovementKind::Capture(_) => Deed::Await { movement, cents },
        MovementKind::Withdrawal(_) | MovementKind::Deposit(_) | MovementKind::Moved(_) => {
            Deed::Spend { item: ItemId::Movement(movement), cents }
        }
        MovementKind::Gift(gift) => Deed::Give { gift: movement, to: gift.to, cents },
    }
}

type Counted = Result<(), crate::money::MoneyError>;

/// Amounts are below 10^13 and a decimal holds 28 digits: a sum that does not fit is a bug, and going on with
/// wrong money is worse than stopping.
fn expect_counted(counted: Counted) {
    if let Err(error) = counted {
        unreachable!("sums of amounts fit: {error}");
    }
}
