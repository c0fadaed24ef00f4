//! One pot: the shares of one SIM's balance in one shop and currency, settled from the logs that touch it.
//!
//! Each log is an **account**: its deeds in the order of its entries. Accounts are settled side by side; one waits for
//! another only where it takes a gift of it, or takes it over. Entries cannot name what comes after them (a
//! change names its causes by hash), so this always ends.

mod lines;

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::closings::Closings;
use crate::ledger::shares::{ItemId, Standing};
use crate::model::{CreditId, Holder, MovementId, Place, ShopId};
use crate::planted::{self, Bug};

/// What settling asks of the rest of the books: where logs end, who recorded what.
pub(super) type Rules = Closings;

/// What an entry does to the pot it belongs to, in cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// An opening, or a capture recorded as validated.
    Add { movement: MovementId, cents: i128 },
    /// A capture that does not count yet.
    Await { movement: MovementId, cents: i128 },
    /// A grant, a withdrawal, a deposit, or what a SIM took along.
    Spend { item: ItemId, cents: i128 },
    /// A grant that the existing app reported: it has happened, whether it is covered or not.
    Owe { item: ItemId, cents: i128 },
    /// A gift is made.
    Give { gift: MovementId, to: Holder, cents: i128 },
    /// A gift is taken.
    Take { gift: MovementId },
    /// A gift from beyond a closing is borne.
    Bear { gift: MovementId },
    /// A pending capture is confirmed.
    Validate { movement: MovementId },
    /// A movement is taken back.
    Reverse { movement: MovementId },
    /// A cancelled credit's amount is given back.
    Return { credit: CreditId },
    /// A closed log's share is taken over, up to an entry.
    TakeOver { of: Holder, end: u64 },
}

/// What giving back needs to know of a thing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// The entry that made it.
    pub by: Place,
    pub cents: i128,
    kind: Kind,
    pub standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Income,
    Pending,
    Spent,
    Gift { to: Holder },
}

/// A gift on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenGift {
    pub movement: MovementId,
    pub from: Place,
    pub to: Holder,
    pub cents: i128,
}

/// A deed in its place, and what it did to the share.
#[derive(Clone, Copy, Debug)]
struct Event {
    number: u64,
    deed: Deed,
    /// Cents added to the share (below zero: taken from it); 0 if it is void.
    delta: i128,
    /// Cents that count in another branch of the same log, and cover what comes after in this one all the same: below
    /// zero, what the other took and this one lacks.
    cover: i128,
}

/// What a deed adds to its holder's share, and what it lets that spend or keeps from it besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weight {
    delta: i128,
    cover: i128,
}

#[derive(Clone, Debug, Default)]
struct Account {
    events: Vec<Event>,
    /// How many of the events are settled.
    settled: usize,
    share: i128,
    /// How far each closed log was taken over.
    taken_over: BTreeMap<Holder, u64>,
    /// What was done by right, at most once: by which of the own entries.
    done: BTreeMap<Act, u64>,
    /// Of a branch of a forked log: the share where it departs, by which its first debits are covered. It is counted
    /// there and not here; so what a branch holds may be below zero.
    start: Option<i128>,
    /// The sum of what its events cover besides.
    cover: i128,
    /// What another branch of the same log had done already: by which of the own entries.
    repeated: BTreeMap<Act, u64>,
}

/// Something that can be done to an item once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Take(MovementId),
    Bear(MovementId),
    Validate(MovementId),
    GiveBack(ItemId),
}

impl Account {
    /// Whether it is yet to take that gift.
    fn is_to_take(&self, gift: &MovementId) -> bool {
        let rest = &self.events[self.settled..];
        rest.iter().any(|event| matches!(event.deed, Deed::Take { gift: taken } if taken == *gift))
    }
}

impl Deed {
    fn act(&self) -> Option<Act> {
        Some(match *self {
            Deed::Take { gift } => Act::Take(gift),
            Deed::Bear { gift } => Act::Bear(gift),
            Deed::Validate { movement } => Act::Validate(movement),
            Deed::Reverse { movement } => Act::GiveBack(ItemId::Movement(movement)),
            Deed::Return { credit } => Act::GiveBack(ItemId::Credit(credit)),
            _ => return None,
        })
    }

    /// The item that an earlier entry made and this one speaks of.
    fn about(&self) -> Option<ItemId> {
        Some(match *self {
            Deed::Take { gift } | Deed::Bear { gift } => ItemId::Movement(gift),
            Deed::Validate { movement } | Deed::Reverse { movement } => ItemId::Movement(movement),
            Deed::Return { credit } => ItemId::Credit(credit),
            _ => return None,
        })
    }
}

/// The accounts of one pot, and the things in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Pot {
    accounts: BTreeMap<Holder, Account>,
    items: BTreeMap<ItemId, Item>,
    open_gifts: BTreeSet<MovementId>,
    dirty: bool,
    /// Of branches of forked logs: what they depart from, and after which entry.
    bases: BTreeMap<Holder, (Holder, u64)>,
    /// What any holder did by right: two branches may both think it theirs to do, and it counts once.
    done: BTreeSet<Act>,
}

impl Pot {
    /// Takes a deed. `false`: it came out of order, the pot is to be settled anew.
    pub fn put(&mut self, at: Place, deed: Deed, rules: &Rules) -> bool {
        self.note(at, &deed);
        let account = self.accounts.entry(at.holder).or_default();
        let last = account.events.last().map_or(0, |event| event.number);
        account.events.push(Event { number: at.number, deed, delta: 0, cover: 0 });
        let continues = at.number > last && account.settled + 1 == account.events.len();
        let plain = !matches!(deed, Deed::TakeOver { .. } | Deed::Bear { .. })
            && !rules.touches(&at.holder)
            && !rules.is_forked(&at.holder);
        if self.dirty || !continues || !plain || !self.is_ready(&deed) {
            self.dirty = true;
            return false;
        }
        // Others' closings too: a gift of a log that was closed may be beyond its end. And of what branches did.
        let giver = deed.about().and_then(|item| self.items.get(&item)).map(|item| item.by.holder);
        let shared = deed.act().is_some() && rules.has_branches();
        if shared || giver.is_some_and(|giver| giver != at.holder && rules.touches(&giver)) {
            self.dirty = true;
            return false;
        }
        self.settle_next(at.holder, None);
        true
    }

    fn note(&mut self, at: Place, deed: &Deed) {
        let (id, cents, kind) = match *deed {
            Deed::Add { movement, cents } => (ItemId::Movement(movement), cents, Kind::Income),
            Deed::Await { movement, cents } => (ItemId::Movement(movement), cents, Kind::Pending),
            Deed::Spend { item, cents } | Deed::Owe { item, cents } => (item, cents, Kind::Spent),
            Deed::Give { gift, to, cents } => (ItemId::Movement(gift), cents, Kind::Gift { to }),
            _ => return,
        };
        self.items.entry(id).or_insert(Item { by: at, cents, kind, standing: Standing::default() });
    }

    pub fn item(&self, id: &ItemId) -> Option<&Item> {
        self.items.get(id)
    }

    pub fn share(&self, holder: &Holder) -> i128 {
        self.accounts.get(holder).map_or(0, |account| account.share)
    }

    pub fn shares(&self) -> impl Iterator<Item = (Holder, i128)> + '_ {
        self.accounts.iter().map(|(holder, account)| (*holder, account.share))
    }

    pub fn open_gifts(&self) -> impl Iterator<Item = OpenGift> + '_ {
        self.open_gifts.iter().filter_map(|movement| {
            let item = self.items.get(&ItemId::Movement(*movement))?;
            let Kind::Gift { to } = item.kind else { return None };
            Some(OpenGift { movement: *movement, from: item.by, to, cents: item.cents })
        })
    }

    /// What a closed log held at its end and nobody has taken over.
    pub fn left_behind(&self, of: &Holder, end: u64, shop: ShopId, rules: &Rules) -> i128 {
        let Some(account) = self.accounts.get(of) else { return 0 };
        let counts = |holder: &Holder, number: u64| rules.end(shop, holder).is_none_or(|closing| number <= closing.end);
        let taken = self.accounts.iter().flat_map(|(holder, account)| {
            let here = account.events.iter().filter(move |event| counts(holder, event.number));
            here.filter_map(|event| match event.deed {
                Deed::TakeOver { of: whom, end } if whom == *of && account.taken_over.contains_key(of) => Some(end),
                _ => None,
            })
        });
        let taken = taken.max().unwrap_or(0);
        let within = account.events.iter().filter(|event| event.number > taken && event.number <= end);
        within.map(|event| event.delta).sum()
    }

    /// Gifts of a log that a holder has taken over, made beyond the end, that someone took and nobody has borne.
    pub fn to_bear(&self, of: &Holder, by: &Holder) -> Vec<MovementId> {
        let Some(until) = self.reach(*by).get(of).copied() else { return Vec::new() };
        let borne = |gift: MovementId| self.has_done(*by, Act::Bear(gift)) || self.is_done_elsewhere(Act::Bear(gift));
        let beyond = self.items.iter().filter(|(_, item)| item.by.holder == *of && item.by.number > until);
        beyond
            .filter_map(|(id, item)| match (id, item.kind) {
                (ItemId::Movement(gift), Kind::Gift { .. }) if item.standing.taken_by.is_some() => Some(*gift),
                _ => None,
            })
            .filter(|gift| !borne(*gift))
            .collect()
    }

    /// Whether everything that a deed speaks of is settled.
    fn is_ready(&self, deed: &Deed) -> bool {
        if let Deed::TakeOver { of, end } = deed {
            let account = self.accounts.get(of);
            return account
                .is_none_or(|account| account.events.get(account.settled).is_none_or(|next| next.number > *end));
        }
        if let Deed::Bear { gift } = deed {
            // Whoever took it is settled first: what nobody took is not to be borne.
            if self.accounts.values().any(|account| account.is_to_take(gift)) {
                return false;
            }
        }
        let Some(item) = deed.about().and_then(|id| self.items.get(&id)) else { return true };
        let account = self.accounts.get(&item.by.holder);
        account
            .is_some_and(|account| account.events.get(account.settled).is_none_or(|next| next.number > item.by.number))
    }

    /// Settles every account from its beginning. Answers the items of which something changed.
    pub fn settle(&mut self, shop: ShopId, rules: &Rules) -> Vec<ItemId> {
        let before: Vec<(ItemId, Standing)> = self.items.iter().map(|(id, item)| (*id, item.standing)).collect();
        self.open_gifts.clear();
        self.items.values_mut().for_each(|item| item.standing = Standing::default());
        for account in self.accounts.values_mut() {
            account.events.sort_by_key(|event| event.number);
            account.events.dedup_by_key(|event| event.number);
            account.settled = 0;
            account.share = 0;
            account.taken_over.clear();
            account.done.clear();
            account.start = None;
            account.cover = 0;
            account.repeated.clear();
        }
        self.done.clear();
        self.learn_bases(shop, rules);
        let holders: Vec<Holder> = self.accounts.keys().copied().collect();
        let view = (shop, rules);
        loop {
            let mut moved = false;
            for holder in &holders {
                while self.has_begun(holder) && self.next_deed(holder).is_some_and(|deed| self.is_ready(&deed)) {
                    self.settle_next(*holder, Some(view));
                    moved = true;
                }
            }
            if moved {
                continue;
            }
            // What waits for itself in a circle no honest device writes: one of the circle counts for nothing, and
            // nobody who only waits for it loses anything.
            match holders.iter().find(|holder| self.next_deed(holder).is_some()) {
                Some(holder) => self.skip_next(&self.circle_from(*holder)),
                None => break,
            }
        }
        self.dirty = false;
        let standing = |id: &ItemId| self.items.get(id).map(|item| item.standing);
        before.into_iter().filter(|(id, old)| standing(id) != Some(*old)).map(|(id, _)| id).collect()
    }

    fn next_deed(&self, holder: &Holder) -> Option<Deed> {
        let account = self.accounts.get(holder)?;
        account.events.get(account.settled).map(|event| event.deed)
    }

    /// The first holder, by name, of the circle into which waiting from that holder on leads.
    fn circle_from(&self, start: Holder) -> Holder {
        let mut path = vec![start];
        loop {
            let Some(next) = path.last().and_then(|holder| self.waits_for(holder)) else { return start };
            if let Some(place) = path.iter().position(|holder| *holder == next) {
                return path[place..].iter().min().copied().unwrap_or(start);
            }
            path.push(next);
        }
    }

    /// Whose account the next deed of a holder waits for.
    fn waits_for(&self, holder: &Holder) -> Option<Holder> {
        let deed = self.next_deed(holder)?;
        if !self.has_begun(holder) {
            let (mut of, after) = *self.bases.get(holder)?;
            if self.is_settled_to(&of, after) {
                of = self.waits_for(&of).unwrap_or(of);
            }
            return Some(of);
        }
        if let Deed::Bear { gift } = deed
            && let Some(taker) = self.accounts.iter().find(|(_, account)| account.is_to_take(&gift))
        {
            return Some(*taker.0);
        }
        match deed {
            Deed::TakeOver { of, .. } => Some(of),
            _ => Some(self.items.get(&deed.about()?)?.by.holder),
        }
    }

    fn skip_next(&mut self, holder: &Holder) {
        if let Some(account) = self.accounts.get_mut(holder)
            && let Some(event) = account.events.get_mut(account.settled)
        {
            event.delta = 0;
            account.settled += 1;
        }
    }

    /// Settles the next event of an account. Without rules no closing concerns it.
    fn settle_next(&mut self, holder: Holder, rules: Option<(ShopId, &Rules)>) {
        let Some(event) = self.accounts.get(&holder).and_then(|account| account.events.get(account.settled)) else {
            return;
        };
        let (number, deed) = (event.number, event.deed);
        let at = Place { holder, number };
        let start = self.start_of(&holder);
        if let Some(account) = self.accounts.get_mut(&holder) {
            account.start = Some(start);
        }
        let end = rules.and_then(|(shop, rules)| rules.end(shop, &holder)).map(|closing| closing.end);
        let beyond = end.is_some_and(|end| number > end) && !planted::is(Bug::LateEntryCounts);
        let weight = self.weigh(at, &deed, rules);
        // Done by another branch before, it counts there.
        let repeats = deed.act().filter(|act| weight.is_some() && self.is_done_elsewhere(*act));
        let effective = weight.is_some() && repeats.is_none();
        let Weight { delta, cover } = match weight.unwrap_or_default() {
            Weight { delta, cover } if repeats.is_some() => Weight { delta: 0, cover: delta + cover },
            weight => weight,
        };
        // Only a branch can have done it without knowing; anybody else does nothing by it.
        let cover = if self.is_branch(&holder) { cover } else { 0 };
        self.mark(at, &deed, effective, beyond);
        let Some(account) = self.accounts.get_mut(&holder) else { return };
        if effective && let Some(act) = deed.act() {
            account.done.insert(act, number);
            // What stands beyond the end of its log does not count, and keeps nobody from doing it by right.
            if !beyond {
                self.done.insert(act);
            }
        }
        if let Some(act) = repeats {
            account.repeated.insert(act, number);
        }
        if effective && let Deed::TakeOver { of, end } = deed {
            account.taken_over.insert(of, end);
        }
        account.events[account.settled].delta = delta;
        account.events[account.settled].cover = cover;
        account.cover += cover;
        account.settled += 1;
        account.share += delta;
    }

    /// What a deed adds to its holder's share; `None` if it is void.
    fn weigh(&self, at: Place, deed: &Deed, rules: Option<(ShopId, &Rules)>) -> Option<Weight> {
        let account = self.accounts.get(&at.holder)?;
        let available = account.share + account.cover + account.start.unwrap_or(0);
        let covered = |cents: i128| (available >= cents || planted::is(Bug::UncoveredCounts)).then_some(-cents);
        let plain = |delta: i128| Weight { delta, cover: 0 };
        let delta = match *deed {
            Deed::Add { cents, .. } => Some(cents),
            Deed::Await { .. } => Some(0),
            Deed::Owe { cents, .. } => Some(-cents),
            Deed::Spend { cents, .. } | Deed::Give { cents, .. } => covered(cents),
            Deed::TakeOver { of, end } => return self.weigh_succession(at.holder, account, of, end, rules),
            Deed::Take { gift } => {
                let item = self.items.get(&ItemId::Movement(gift))?;
                let Kind::Gift { to } = item.kind else { return None };
                (self.may_act_for(at.holder, to, 0) || planted::is(Bug::GiftTakenByAnyone)).then_some(())?;
                self.is_takable(at, item, rules).then_some(())?;
                let again = self.has_done(at.holder, Act::Take(gift)) && !planted::is(Bug::GiftTakenTwice);
                (!again).then_some(item.cents)
            }
            Deed::Bear { gift } => {
                let item = self.items.get(&ItemId::Movement(gift))?;
                let until = *self.reach(at.holder).get(&item.by.holder)?;
                let beyond = matches!(item.kind, Kind::Gift { .. }) && item.by.number > until;
                let taken = item.standing.taken_by.is_some();
                (beyond && taken && !self.has_done(at.holder, Act::Bear(gift))).then_some(-item.cents)
            }
            Deed::Validate { movement } => {
                let item = self.items.get(&ItemId::Movement(movement))?;
                let right = item.kind == Kind::Pending && self.may_act_for(at.holder, item.by.holder, item.by.number);
                let again = self.has_done(at.holder, Act::Validate(movement))
                    || self.has_done(at.holder, Act::GiveBack(ItemId::Movement(movement)));
                let times = if planted::is(Bug::ValidatedTwice) { 2 } else { 1 };
                (right && !again).then_some(times * item.cents)
            }
            Deed::Reverse { movement } => self.weigh_reversal(at.holder, movement, covered),
            Deed::Return { credit } => {
                let id = ItemId::Credit(credit);
                let item = self.items.get(&id)?;
                let right = self.may_act_for(at.holder, item.by.holder, item.by.number);
                let right = right && !self.has_done(at.holder, Act::GiveBack(id));
                // What had no effect gives nothing back.
                let times = if planted::is(Bug::ReturnedTwice) { 2 } else { 1 };
                right.then_some(if item.standing.void { 0 } else { times * item.cents })
            }
        };
        delta.map(plain)
    }

    fn weigh_reversal(
        &self,
        holder: Holder,
        movement: MovementId,
        covered: impl Fn(i128) -> Option<i128>,
    ) -> Option<i128> {
        let id = ItemId::Movement(movement);
        let item = self.items.get(&id)?;
        let right = self.may_act_for(holder, item.by.holder, item.by.number);
        if !right || self.has_done(holder, Act::GiveBack(id)) {
            return None;
        }
        match item.kind {
            Kind::Income => covered(item.cents),
            Kind::Pending if self.has_done(holder, Act::Validate(movement)) => covered(item.cents),
            Kind::Pending => Some(0),
            // What had no effect gives nothing back.
            Kind::Spent => Some(if item.standing.void { 0 } else { item.cents }),
            Kind::Gift { .. } => None,
        }
    }

    /// A gift may be taken unless it is void, or from beyond its giver's end and not to be excused.
    fn is_takable(&self, at: Place, gift: &Item, rules: Option<(ShopId, &Rules)>) -> bool {
        let giver = self.accounts.get(&gift.by.holder);
        let covered = giver.is_some_and(|account| {
            let found = account.events[..account.settled].binary_search_by_key(&gift.by.number, |event| event.number);
            found.is_ok_and(|index| account.events[index].delta != 0)
        });
        let Some((shop, rules)) = rules else { return covered };
        let Some(closing) = rules.end(shop, &gift.by.holder) else { return covered };
        let excused = closing.insisted
            && !rules.promised(shop, &at.holder, &gift.by.holder).is_some_and(|promise| promise.forbids(at, gift.by));
        covered && (gift.by.number <= closing.end || excused)
    }

    fn is_pending(&self, movement: MovementId) -> bool {
        self.items.get(&ItemId::Movement(movement)).is_some_and(|item| item.kind == Kind::Pending)
    }

    /// What a succession brings: all that the closed log did to its share up to the end, less what was taken over
    /// before, and less what the successor did itself in the meantime.
    fn weigh_succession(
        &self,
        by: Holder,
        account: &Account,
        of: Holder,
        end: u64,
        rules: Option<(ShopId, &Rules)>,
    ) -> Option<Weight> {
        let (shop, rules) = rules?;
        let closing = rules.end(shop, &of)?;
        let reach = self.reach(by);
        // Or whom the named one left all it had to, before it came to take over; or another branch of its log.
        let named = closing.successor == by
            || account.taken_over.contains_key(&closing.successor)
            || self.line(by).iter().any(|(holder, _)| *holder == closing.successor)
            || planted::is(Bug::TwoSuccessors);
        let from = reach.get(&of).copied();
        let again = from.is_some_and(|from| end <= from) && !planted::is(Bug::TakesOverTwice);
        if !named || again || end > closing.end {
            return None;
        }
        let from = from.filter(|_| !planted::is(Bug::TakesOverTwice)).unwrap_or(0);
        let Some(closed) = self.accounts.get(&of) else { return Some(Weight::default()) };
        let did_here = |act: Act| self.did_any(by, act, &reach);
        let done_here = |event: &&Event| match event.deed {
            Deed::Give { gift, .. } => did_here(Act::Bear(gift)),
            // As heir of who was named, before an end was moved over the named one's own succession.
            Deed::TakeOver { of: whom, end } => reach.get(&whom).is_some_and(|until| *until >= end),
            // Confirmed by one and taken back by the other, a pending capture gives to neither.
            Deed::Validate { movement } | Deed::Reverse { movement } if self.is_pending(movement) => {
                did_here(Act::Validate(movement)) || did_here(Act::GiveBack(ItemId::Movement(movement)))
            }
            _ => event.deed.act().is_some_and(did_here),
        };
        let sum = |from: u64| -> i128 {
            let within = closed.events.iter().filter(|event| event.number > from && event.number <= end);
            within.filter(|event| !done_here(event)).map(|event| event.delta).sum()
        };
        let counted = sum(from.max(self.taken_elsewhere(by, of).min(end)));
        Some(Weight { delta: counted, cover: sum(from) - counted })
    }

    /// Notes what a deed did to the thing it made or speaks of.
    fn mark(&mut self, at: Place, deed: &Deed, effective: bool, beyond: bool) {
        let counts = effective && !beyond;
        match *deed {
            Deed::Add { movement, .. } | Deed::Await { movement, .. } => {
                self.standing(ItemId::Movement(movement), |standing| standing.void = !counts);
            }
            Deed::Spend { item, .. } | Deed::Owe { item, .. } => {
                self.standing(item, |standing| standing.void = !counts);
            }
            Deed::Give { gift, .. } => {
                self.standing(ItemId::Movement(gift), |standing| standing.void = !counts);
                if counts {
                    self.open_gifts.insert(gift);
                }
            }
            Deed::Take { gift } if counts => {
                self.standing(ItemId::Movement(gift), |standing| standing.taken_by = Some(at.holder));
                self.open_gifts.remove(&gift);
            }
            Deed::Validate { movement } if counts => {
                self.standing(ItemId::Movement(movement), |standing| standing.validated = true);
            }
            Deed::Reverse { movement } if counts => {
                self.standing(ItemId::Movement(movement), |standing| standing.give_back(at));
            }
            Deed::Return { credit } if counts => {
                self.standing(ItemId::Credit(credit), |standing| standing.give_back(at));
            }
            _ => {}
        }
    }

    fn standing(&mut self, id: ItemId, change: impl FnOnce(&mut Standing)) {
        if let Some(item) = self.items.get_mut(&id) {
            change(&mut item.standing);
        }
    }
}
