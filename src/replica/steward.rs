//! What a device does by itself with shares: it takes what was given to it, returns what came back, says what it has
//! seen where somebody waits for that, succeeds whom it was named to succeed, and shares out what lies idle.
//!
//! Every duty follows from the books, so it can be done late, again, or after a crash: nothing here is remembered but
//! when to look again. What a duty writes is an entry like a person's.

use std::collections::BTreeSet;

use crate::ledger::{OpenGift, Plan};
use crate::log::LogId;
use crate::model::{Closing, CreditId, Holder, MovementId, Operation, Scope, ShopId, SimNumber, Timestamp};
use crate::money::{Amount, Currency};
use crate::planted::{self, Bug};
use crate::replica::{CommandError, Replica, ReplicaError, keys};
use crate::store::Store;

/// How long idle shares are left alone before they are looked at again.
const EVEN_OUT_MS: i64 = 5_000;
/// How often a cancelled credit's waiting time is looked at.
const LOOK_MS: i64 = 60_000;
/// After how long a granter returns a cancelled amount though not all have said that they know (`domain`, rule 3).
const RETURN_AFTER_MS: i64 = 24 * 3_600_000;
/// A duty may make another one possible; no honest state needs more rounds than this.
const ROUNDS_MAX: u32 = 16;

/// When to look again.
#[derive(Debug)]
pub(super) struct Timers {
    /// Time has passed in this step.
    pub ticked: bool,
    evened_at: Option<Timestamp>,
    pub recorded_at: Option<Timestamp>,
    /// Shops of which it is to be recorded in this step what was seen.
    pub recording: BTreeSet<ShopId>,
    looked_at: Option<Timestamp>,
    pub return_after_ms: i64,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers {
            ticked: false,
            evened_at: None,
            recorded_at: None,
            recording: BTreeSet::new(),
            looked_at: None,
            return_after_ms: RETURN_AFTER_MS,
        }
    }
}

/// Whether so much time has passed since then; a clock that was set back counts as enough.
pub(super) fn is_due(then: Option<Timestamp>, now: Timestamp, after_ms: i64) -> bool {
    then.is_none_or(|then| !(0..after_ms).contains(&now.0.saturating_sub(then.0)))
}

impl<S: Store> Replica<S> {
    /// After how long a cancelled amount is returned without having heard of all, in milliseconds.
    pub fn set_return_after_ms(&mut self, milliseconds: i64) {
        self.steward.return_after_ms = milliseconds.max(0);
    }

    /// Does what is due in every shop of which something changed, and what time has brought.
    pub(super) fn do_duties(&mut self, now: Timestamp) -> Result<(), ReplicaError> {
        self.fold.finish(&self.logs)?;
        let has_ticked = self.steward.ticked;
        if std::mem::take(&mut self.steward.ticked) {
            if is_due(self.steward.looked_at, now, LOOK_MS) {
                self.steward.looked_at = Some(now);
                let returning = |shop: &ShopId| self.fold.book.returning(*shop).next().is_some();
                let shops: Vec<ShopId> = self.fold.book.shops().keys().copied().filter(returning).collect();
                self.fold.stirred.extend(shops);
            }
            if is_due(self.steward.evened_at, now, EVEN_OUT_MS) {
                self.steward.evened_at = Some(now);
                self.even_out(now)?;
            }
        }
        self.stir_to_record(has_ticked, now);
        for _ in 0..ROUNDS_MAX {
            let stirred = std::mem::take(&mut self.fold.stirred);
            if stirred.is_empty() {
                return Ok(());
            }
            self.renew_if_stopped(&stirred, now);
            for shop in stirred {
                if self.may_write(Scope::Shop(shop)) {
                    self.serve(shop, now)?;
                    self.fold.finish(&self.logs)?;
                }
            }
        }
        Ok(())
    }

    /// Brings the books up to what this step has heard, before anything is decided by them: a device that hears of
    /// its own closing and is asked for money in one step must not answer for a life that has ended.
    pub(super) fn settle(&mut self, now: Timestamp) -> Result<(), ReplicaError> {
        self.fold.finish(&self.logs)?;
        let stirred = self.fold.stirred.clone();
        self.renew_if_stopped(&stirred, now);
        Ok(())
    }

    /// Goes on as another life where this one was stopped or closed.
    fn renew_if_stopped(&mut self, stirred: &BTreeSet<ShopId>, now: Timestamp) {
        if stirred.iter().any(|shop| self.is_stopped(*shop)) {
            self.begin_incarnation();
            self.greet_again(now);
        }
    }

    fn is_stopped(&self, shop: ShopId) -> bool {
        let closings = self.fold.book.closings();
        closings.stopped(shop, &self.holder()).is_some() || closings.end(shop, &self.holder()).is_some()
    }

    /// Everything that is due in one shop.
    fn serve(&mut self, shop: ShopId, now: Timestamp) -> Result<(), ReplicaError> {
        let me = self.holder();
        let mut plans: Vec<Plan> = Vec::new();
        self.succeed(shop, &mut plans);
        let book = &self.fold.book;
        let is_ours = |gift: &OpenGift| book.is_for(shop, gift, &me) || planted::is(Bug::GiftTakenByAnyone);
        for gift in book.open_gifts(shop).into_iter().filter(is_ours) {
            if self.may_take(shop, &gift) {
                let take = on(gift.movement, Operation::TakeGift { movement: gift.movement, at: now });
                if planted::is(Bug::GiftTakenTwice) {
                    plans.push(take.clone());
                }
                plans.push(take);
            }
        }
        for movement in self.fold.book.gifts_to_bear(shop, &me) {
            plans.push(on(movement, Operation::BearGift { movement, at: now }));
        }
        // What is here is taken first; only then is it said that no more will be.
        self.do_all(now, plans)?;
        let mut plans = Vec::new();
        // Looked for while what is doubted is still known; written after it was said.
        let due = self.due_returns(shop, now);
        self.say_what_is_seen(shop, now, &mut plans);
        for credit in due {
            plans.push(Plan::OnCredit { shop, credit, step: crate::ledger::CreditStep::Return { at: now } });
        }
        self.send_after(shop, now, &mut plans);
        self.do_all(now, plans)?;
        self.close_what_is_recorded(shop, now)
    }

    /// Writes plans; one that no longer fits what stands is left, and is looked at again when something changes.
    pub(super) fn do_all(&mut self, now: Timestamp, plans: Vec<Plan>) -> Result<(), ReplicaError> {
        if !plans.is_empty() {
            self.changed(now);
        }
        for plan in plans {
            match self.carry_out(now, &plan) {
                Err(CommandError::Failed(error)) => return Err(error),
                Ok(_) | Err(CommandError::Refused(_) | CommandError::Lacks(_)) => {}
            }
        }
        Ok(())
    }

    /// A successor takes over when it holds the closed log up to its end.
    fn succeed(&self, shop: ShopId, plans: &mut Vec<Plan>) {
        let me = self.holder();
        let acts_for = self.fold.book.acts_for(shop, me);
        // Named, or heir of who was named and did not come to it.
        let named = |closing: &&Closing| acts_for.contains(&closing.successor) || planted::is(Bug::TwoSuccessors);
        for closing in self.fold.book.closings().ends(shop).filter(named) {
            let log =
                LogId { scope: Scope::Shop(shop), device: closing.of.device, incarnation: closing.of.incarnation };
            // What of it waits for its causes is not yet counted.
            let held = self.logs.head(&log).number >= closing.end && !self.waits_in(&log, closing.end);
            let taken = self.fold.book.taken_over(shop, me, closing.of);
            if held && taken.is_none_or(|taken| taken < closing.end) {
                let operation = Operation::TakeOver { by: me, of: closing.of, end: closing.end };
                if planted::is(Bug::TakesOverTwice) {
                    plans.push(Plan::Shop { shop, operation: operation.clone() });
                }
                plans.push(Plan::Shop { shop, operation });
            }
        }
    }

    /// Whether an entry of a log up to that number waits for what it rests on.
    fn waits_in(&self, log: &LogId, end: u64) -> bool {
        use crate::replica::fold::Entries;
        self.logs.index(log).is_some_and(|index| self.fold.is_any_waiting(index, end))
    }

    /// From a stopped log nothing is taken that this device did not hold when it said so; from a closed one nothing
    /// from beyond its end.
    fn may_take(&self, shop: ShopId, gift: &OpenGift) -> bool {
        let closings = self.fold.book.closings();
        let giver = &gift.from.holder;
        let log = LogId { scope: Scope::Shop(shop), device: giver.device, incarnation: giver.incarnation };
        if self.waits_in(&log, gift.from.number) {
            // An earlier debit of the giver may come to count, and leave the gift uncovered.
            return false;
        }
        match (closings.end(shop, giver), closings.stopped(shop, giver)) {
            (Some(closing), _) => gift.from.number <= closing.end,
            (None, Some(_)) => closings.promised(shop, &self.holder(), giver).is_none(),
            (None, None) => true,
        }
    }

    /// The cancelled credits whose amount this device is to give back now: all the others know, or the time is over.
    fn due_returns(&mut self, shop: ShopId, now: Timestamp) -> Vec<CreditId> {
        let book = &self.fold.book;
        let me = self.holder();
        let own = book.returning(shop).filter_map(|id| book.credit(id));
        let own: Vec<(CreditId, Vec<crate::model::Place>)> = own
            .filter(|credit| book.may_return(credit, &me))
            .map(|credit| (credit.id, credit.cancellations.clone()))
            .collect();
        if own.is_empty() {
            return Vec::new();
        }
        let active = self.active_devices(shop);
        let mut due = Vec::new();
        for (credit, cancellations) in own {
            let clocks = self.fold.book.clocks();
            let knows = |holder: &Holder| {
                cancellations
                    .iter()
                    .any(|place| place.holder == *holder || clocks.sighted(shop, holder, &place.holder) >= place.number)
            };
            let others = active.iter().filter(|(device, _)| **device != self.device());
            let all_know = others.into_iter().all(|(_, holders)| holders.iter().any(knows));
            // A return is for good: a stamp that nobody can explain must not bring it about before a person had time to look.
            let is_explained = cancellations.iter().any(|place| !self.is_doubted(shop, place));
            if all_know && is_explained || self.has_waited(&credit, now) {
                due.push(credit);
            }
        }
        due
    }

    /// Whether this device has known for long enough that a credit is cancelled. It remembers since when.
    fn has_waited(&mut self, credit: &CreditId, now: Timestamp) -> bool {
        let key = keys::cancelled_since(credit);
        let known = self.get(&key).ok().flatten().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        match known.map(i64::from_be_bytes) {
            // A clock that was set back begins to wait anew.
            Some(since) if since <= now.0 => now.0 - since >= self.steward.return_after_ms,
            _ => {
                self.put(key, Some(now.0.to_be_bytes().to_vec()));
                false
            }
        }
    }

    /// What came back late in a shop that its SIM has left goes to the mover, and by the mover to the new shop.
    fn send_after(&self, shop: ShopId, now: Timestamp, plans: &mut Vec<Plan>) {
        let me = self.holder();
        let book = &self.fold.book;
        let gone = |sim: &SimNumber| book.sims().get(sim).is_some_and(|known| known.shop != shop);
        let left: Vec<(&SimNumber, Currency)> = book.pots_of(shop).filter(|(sim, _)| gone(sim)).collect();
        for (sim, currency) in left {
            let share = book.spendable(shop, sim, currency, &me).above_zero();
            let Some(mover) = book.mover_of(shop, sim).filter(|_| !share.is_zero()) else { continue };
            if book.acts_for(shop, me).contains(&mover) {
                plans.extend(book.plan_follow(sim, shop, share, now));
            } else if let Ok(plan) = book.plan_gift(shop, sim, share, &me, mover, now) {
                plans.push(plan);
            }
        }
    }

    /// The keeper closes a stopped log as soon as all have recorded how far they hold it.
    fn close_what_is_recorded(&mut self, shop: ShopId, now: Timestamp) -> Result<(), ReplicaError> {
        let keeper = self.fold.book.closings().keeper(shop);
        let stops: Vec<(Holder, bool)> = {
            let closing = self.fold.book.closings().closing(shop);
            closing.map(|(of, stopped)| (*of, stopped.by.device == self.fold.registry.authority())).collect()
        };
        for (of, by_authority) in stops {
            let mine = if by_authority { self.identity.authority_key.is_some() } else { keeper == Some(self.device()) };
            if mine {
                match self.close_one(now, shop, of, by_authority, false) {
                    Err(CommandError::Failed(error)) => return Err(error),
                    Ok(()) | Err(CommandError::Refused(_) | CommandError::Lacks(_)) => {}
                }
            }
        }
        Ok(())
    }

    /// Idle shares even out among the shop's devices in contact: whoever holds more than an equal part of what those in
    /// contact hold gives to those below half of it, and keeps its part: two who give at once overfill, and no more. A
    /// device of another shop, which only imported, or was the gateway and is no more, hands over all it holds.
    fn even_out(&mut self, now: Timestamp) -> Result<(), ReplicaError> {
        let Some((own_shop, ..)) = self.own_standing() else { return Ok(()) };
        if self.sessions.is_empty() {
            return Ok(());
        }
        let shops: Vec<ShopId> = self.fold.book.shops().keys().copied().collect();
        let mut plans = Vec::new();
        for shop in shops.into_iter().filter(|shop| self.may_write(Scope::Shop(*shop))) {
            let in_step = |holder: &Holder| {
                self.sessions.get(&holder.device).is_some_and(|session| {
                    let is_gateway = self.fold.registry.gateway(shop) == Some(holder.device);
                    session.in_step && session.certificate.as_ref().is_some_and(|one| one.shop == shop || is_gateway)
                })
            };
            let others: Vec<Holder> = self.in_contact(shop).into_iter().filter(in_step).collect();
            if others.is_empty() {
                continue;
            }
            let gifts = self.fold.book.open_gifts(shop);
            let pots: Vec<(SimNumber, Currency)> =
                self.fold.book.pots_of(shop).map(|(sim, currency)| (sim.clone(), currency)).collect();
            for (sim, currency) in pots {
                let owned = self.fold.book.sims().get(&sim).is_some_and(|known| known.shop == shop);
                if owned {
                    self.portion(shop, own_shop, &sim, currency, &others, &gifts, now, &mut plans);
                }
            }
        }
        self.do_all(now, plans)
    }

    #[expect(clippy::too_many_arguments, reason = "one pot, and what was gathered for all of them")]
    fn portion(
        &self,
        shop: ShopId,
        own_shop: ShopId,
        sim: &SimNumber,
        currency: Currency,
        others: &[Holder],
        gifts: &[OpenGift],
        now: Timestamp,
        plans: &mut Vec<Plan>,
    ) {
        let me = self.holder();
        let coming = |holder: &Holder| {
            let to = gifts.iter().filter(|gift| gift.to == *holder && gift.sim == *sim);
            to.filter(|gift| gift.amount.currency() == currency).map(|gift| gift.amount.cents()).sum::<i128>()
        };
        let share = |holder: &Holder| self.fold.book.spendable(shop, sim, currency, holder).cents() + coming(holder);
        let mine = self.fold.book.spendable(shop, sim, currency, &me).cents();
        if mine <= 0 {
            return;
        }
        let mut give = |to: &Holder, cents: i128| {
            let amount = Amount::from_cents(cents, currency).filter(|amount| !amount.is_zero());
            let plan = amount.map(|amount| self.fold.book.plan_gift(shop, sim, amount, &me, *to, now));
            plans.extend(plan.and_then(Result::ok));
        };
        if own_shop != shop && self.fold.registry.gateway(shop) != Some(self.device()) {
            if let Some(least) = others.iter().min_by_key(|holder| (share(holder), **holder)) {
                give(least, mine);
            }
            return;
        }
        // What is below zero is for a person to look at: it would swallow what the others need, and spend nothing. But what
        // a gateway lacks an app has granted from the SIM itself, and the others hold what is no longer there.
        let gateway = self.fold.registry.gateway(shop);
        let may_lack = |holder: &Holder| gateway == Some(holder.device);
        let counted = |holder: &Holder| if may_lack(holder) { share(holder) } else { share(holder).max(0) };
        let total: i128 = others.iter().map(counted).sum::<i128>() + mine;
        let part = (total / (others.len() as i128 + 1)).max(0);
        let mut surplus = mine - part;
        for other in others {
            let have = share(other);
            if (have >= 0 || may_lack(other)) && 2 * have < part && surplus > 0 {
                let cents = (part - have).min(surplus);
                surplus -= cents;
                give(other, cents);
            }
        }
    }
}

/// Something done to a movement.
fn on(movement: MovementId, operation: Operation) -> Plan {
    Plan::OnMovement { movement, operation }
}
