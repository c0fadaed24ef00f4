//! Shares between devices that are in contact: who runs short asks, and waits for the answer no longer than a round
//! trip takes.
//!
//! ```text
//! grant 80, share 20 ──Ask 60──► the others, the largest share first
//!        (the command waits)     a gift in the giver's log ──entries──► taken ──► the command is tried again
//!                       ◄──Given 60
//! ```
//!
//! A message moves nothing: the gift is an entry like any other, and so is its taking.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{OtherShare, Refusal};
use crate::model::{DeviceKey, Holder, Scope, ShopId, SimNumber, Timestamp};
use crate::money::Amount;
use crate::replica::commands::fingerprint;
use crate::replica::{Answer, Command, CommandError, GiftView, Output, Replica, ReplicaError, ShareView, SharesView};
use crate::store::Store;
use crate::wire::Message;

/// How long a command waits for others to give: many times a round trip, and less than an agent's patience.
const WAIT_MS: i64 = 3_000;
/// Most commands that wait at once; more are refused as if nobody could be asked.
const WAITING_MAX: usize = 256;
/// How often one device may ask within a minute, whatever connections it has had: an ask makes an entry. Twenty a second is
/// what eight cashiers at one counter never reach, even where each credit has to be asked for.
const ASKS_A_MINUTE_MAX: u32 = 1_200;

/// A command that waits for others to give.
#[derive(Debug)]
pub(super) struct Waiting {
    ticket: u64,
    command: Command,
    key: Option<String>,
    deadline: Timestamp,
    /// The share that is needed, and of what.
    shop: ShopId,
    sim: SimNumber,
    needed: Amount,
    /// Who was asked and has not answered.
    open: BTreeSet<DeviceKey>,
}

impl<S: Store> Replica<S> {
    /// A command is answered, or waits for others to give what it lacks.
    pub(super) fn asked(&mut self, now: Timestamp, ticket: u64, command: Command, key: Option<String>) {
        let result = match self.command(now, command.clone(), key.clone(), false) {
            Err(CommandError::Lacks(refusal)) => match self.ask_around(&refusal) {
                Some((shop, sim, needed, open)) => {
                    let deadline = now.plus_ms(WAIT_MS);
                    self.waiting.push(Waiting { ticket, command, key, deadline, shop, sim, needed, open });
                    return;
                }
                None => self.command(now, command, key, true),
            },
            other => other,
        };
        let result = self.finish(result);
        self.outputs.push(Output::Answer { ticket, result });
    }

    /// Whether what is lacking might be given by somebody who is there.
    pub(super) fn can_be_mended(&self, refusal: &Refusal) -> bool {
        let Refusal::InsufficientShare { asked, share, sim, shop, .. } = refusal else { return false };
        let lack = asked.cents() - share.cents();
        let there = self.in_contact(*shop).into_iter().map(|peer| self.share_of(*shop, sim, *asked, &peer));
        self.waiting.len() < WAITING_MAX && there.map(|cents| cents.max(0)).sum::<i128>() >= lack
    }

    /// The devices that are there and may give of a shop's balances.
    pub(super) fn in_contact(&self, shop: ShopId) -> Vec<Holder> {
        let sessions = self.sessions.iter().filter(|(_, session)| {
            session.certificate.as_ref().is_some_and(|one| one.role.may_write(one.shop, Scope::Shop(shop)))
        });
        let gateway = self.fold.registry.gateway(shop);
        let named = gateway.and_then(|device| self.sessions.get_key_value(&device));
        let named = named.filter(|(_, session)| session.certificate.is_some());
        let sessions: BTreeMap<_, _> = sessions.chain(named).collect();
        let holders = sessions
            .into_iter()
            .filter_map(|(device, session)| Some(Holder { device: *device, incarnation: session.incarnation? }));
        holders.filter(|holder| self.fold.book.closings().is_open(holder)).collect()
    }

    /// A holder's share in cents, of the currency of that amount.
    fn share_of(&self, shop: ShopId, sim: &SimNumber, like: Amount, holder: &Holder) -> i128 {
        self.fold.book.spendable(shop, sim, like.currency(), holder).cents()
    }

    /// Asks the others for what is lacking, the largest share first, no more than each is known to hold.
    fn ask_around(&mut self, refusal: &Refusal) -> Option<(ShopId, SimNumber, Amount, BTreeSet<DeviceKey>)> {
        let Refusal::InsufficientShare { asked, share, sim, shop, .. } = refusal else { return None };
        let (shop, currency) = (*shop, asked.currency());
        let mut lack = asked.cents() - share.cents();
        let mut holders: Vec<(i128, Holder)> = self
            .in_contact(shop)
            .into_iter()
            .map(|holder| (self.share_of(shop, sim, *asked, &holder), holder))
            .collect();
        holders.sort_unstable_by(|left, right| right.cmp(left));
        let mut open = BTreeSet::new();
        for (cents, holder) in holders {
            let Some(amount) = Amount::from_cents(lack.min(cents), currency).filter(|amount| !amount.is_zero()) else {
                break;
            };
            lack -= amount.cents();
            open.insert(holder.device);
            self.send(holder.device, &Message::Ask { shop, sim: sim.clone(), amount });
        }
        (!open.is_empty()).then(|| (shop, sim.clone(), *asked, open))
    }

    /// A device of the shop runs short: it is given what it asks for, as far as this device's share reaches.
    pub(super) fn asked_for_share(
        &mut self,
        peer: DeviceKey,
        shop: ShopId,
        sim: &SimNumber,
        asked: Amount,
        now: Timestamp,
    ) {
        if let Err(error) = self.settle(now) {
            return self.fail(&error);
        }
        let to = self.in_contact(shop).into_iter().find(|holder| holder.device == peer);
        let mut given = Amount::zero(asked.currency());
        if let Some(to) = to.filter(|_| self.may_ask_again(&peer, now)) {
            let share = self.share_of(shop, sim, asked, &self.holder());
            let amount = Amount::from_cents(share.min(asked.cents()), asked.currency());
            if let Some(amount) = amount.filter(|amount| !amount.is_zero()) {
                match self.give(now, shop, sim, amount, to) {
                    Ok(()) => given = amount,
                    Err(CommandError::Failed(error)) => return self.fail(&error),
                    Err(CommandError::Refused(_) | CommandError::Lacks(_)) => {}
                }
            }
        }
        self.send(peer, &Message::Given { shop, sim: sim.clone(), amount: given });
    }

    fn may_ask_again(&mut self, peer: &DeviceKey, now: Timestamp) -> bool {
        let conduct = self.conducts.at(*peer, now);
        if !(0..60_000).contains(&now.0.saturating_sub(conduct.asks.0.0)) {
            conduct.asks = (now, 0);
        }
        conduct.asks.1 = conduct.asks.1.saturating_add(1);
        conduct.asks.1 <= ASKS_A_MINUTE_MAX
    }

    /// Gives some of this device's share.
    pub(super) fn give(
        &mut self,
        now: Timestamp,
        shop: ShopId,
        sim: &SimNumber,
        amount: Amount,
        to: Holder,
    ) -> Result<(), CommandError> {
        let plan = self.fold.book.plan_gift(shop, sim, amount, &self.holder(), to, now)?;
        self.carry_out(now, &plan)?;
        self.changed(now);
        Ok(())
    }

    /// A device that was asked said what it gave, or went away. What it gave comes as an entry.
    pub(super) fn answered_by(&mut self, peer: &DeviceKey, given: Option<(ShopId, &SimNumber, Amount)>) {
        for waiting in &mut self.waiting {
            let concerned =
                given.is_none_or(|(shop, sim, amount)| waiting.shop == shop && waiting.sim == *sim && amount.is_zero());
            if concerned {
                waiting.open.remove(peer);
            }
        }
    }

    /// Tries again the commands whose lack was mended, and gives up on those that waited long enough.
    pub(super) fn try_waiting(&mut self, now: Timestamp) {
        let mut index = 0;
        while let Some(waiting) = self.waiting.get(index) {
            let share = self.fold.book.spendable(waiting.shop, &waiting.sim, waiting.needed.currency(), &self.holder());
            // A clock that was set back must not make anybody wait for ever.
            let elapsed = now >= waiting.deadline || waiting.deadline.0 - now.0 > WAIT_MS;
            if !share.covers(waiting.needed) && !elapsed && !waiting.open.is_empty() {
                index += 1;
                continue;
            }
            let Waiting { ticket, command, key, shop, sim, needed, .. } = self.waiting.remove(index);
            let result = match &command {
                // What it asked for more was counted from the share it had then.
                Command::AskShare { amount, .. } => {
                    let (amount, digest) = (*amount, fingerprint(&command));
                    self.under_key(key, digest, |replica| {
                        if share.covers(needed) {
                            return Ok(Answer::Shares(replica.shares_view(&sim, now)?));
                        }
                        Err(replica.lacking(shop, &sim, amount).into())
                    })
                }
                _ => self.command(now, command, key, true),
            };
            let result = self.finish(result);
            self.outputs.push(Output::Answer { ticket, result });
        }
    }

    /// A person gives some of this device's share to another device.
    pub(super) fn give_share(
        &mut self,
        now: Timestamp,
        sim: &SimNumber,
        amount: Amount,
        to: &str,
    ) -> Result<Answer, CommandError> {
        let shop = self.shop_of_share(sim)?;
        let device = self.find_device(to)?;
        let to = self.holder_of(shop, &device)?;
        self.give(now, shop, sim, amount, to)?;
        Ok(Answer::Shares(self.shares_view(sim, now)?))
    }

    /// A person asks for more than this device has: the refusal that follows is mended like any other.
    pub(super) fn ask_share(&mut self, sim: &SimNumber, amount: Amount) -> Result<Answer, CommandError> {
        let shop = self.shop_of_share(sim)?;
        Err(self.lacking(shop, sim, amount).into())
    }

    fn lacking(&self, shop: ShopId, sim: &SimNumber, more: Amount) -> Refusal {
        let currency = more.currency();
        let share = self.fold.book.spendable(shop, sim, currency, &self.holder());
        let asked = Amount::from_cents(share.cents().max(0) + more.cents(), currency).unwrap_or(more);
        let available = self.fold.book.account(shop, sim, currency).available();
        let mut refusal =
            Refusal::InsufficientShare { asked, share, available, sim: sim.clone(), shop, holders: Vec::new() };
        self.name_holders(&mut refusal);
        refusal
    }

    fn shop_of_share(&self, sim: &SimNumber) -> Result<ShopId, Refusal> {
        let known = self.fold.book.sims().get(sim).ok_or_else(|| Refusal::UnknownSim { sim: sim.clone() })?;
        let shop = self.shop_of_sim(sim)?;
        if known.shop != shop {
            return Err(Refusal::SimOfAnotherShop { sim: sim.clone(), owner: known.shop, shop });
        }
        Ok(shop)
    }

    /// Which life of a device's store a share may be given to: the one that is there, else the only one known.
    pub(super) fn holder_of(&self, shop: ShopId, device: &DeviceKey) -> Result<Holder, Refusal> {
        if *device == self.device() {
            return Ok(self.holder());
        }
        if let Some(holder) = self.in_contact(shop).into_iter().find(|holder| holder.device == *device) {
            return Ok(holder);
        }
        let open = self.open_holders(shop).into_iter().filter(|holder| holder.device == *device);
        let mut open: Vec<Holder> = open.collect();
        match (open.pop(), open.is_empty()) {
            (Some(holder), true) => Ok(holder),
            _ => Err(Refusal::DeviceNeverMet { device: self.fold.registry.name_of(device) }),
        }
    }

    /// Says in a refusal which devices are meant: the books know their keys alone.
    pub(super) fn name_devices(&self, refusal: &mut Refusal) {
        if let Refusal::CreditOfAnotherDevice { device, .. } | Refusal::MovementOfAnotherDevice { device, .. } = refusal
            && let Some(key) = DeviceKey::from_text(device)
        {
            *device = self.fold.registry.name_of(&key);
        }
        self.name_holders(refusal);
    }

    /// Says in a refusal who holds the rest, and when each was last in contact.
    fn name_holders(&self, refusal: &mut Refusal) {
        let Refusal::InsufficientShare { asked, sim, shop, holders, .. } = refusal else { return };
        let found = self.fold.book.holdings(*shop, sim, asked.currency()).into_iter();
        *holders = found
            .filter(|holding| holding.holder != self.holder())
            .map(|holding| OtherShare {
                device: self.fold.registry.name_of(&holding.holder.device),
                share: holding.share,
                last_seen: self.last_heard(&holding.holder.device, self.own_clock.last()),
            })
            .collect();
        holders.sort_by_key(|one| std::cmp::Reverse(one.share.cents()));
    }

    /// Who holds how much of a SIM.
    pub(super) fn shares_view(&self, sim: &SimNumber, now: Timestamp) -> Result<SharesView, Refusal> {
        let book = &self.fold.book;
        let known = book.sims().get(sim).ok_or_else(|| Refusal::UnknownSim { sim: sim.clone() })?;
        let shop = known.shop;
        let name = |device: &DeviceKey| self.fold.registry.name_of(device);
        let mut view = SharesView {
            sim: sim.to_string(),
            shop_id: shop,
            shares: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            coming_back: BTreeMap::new(),
        };
        for currency in crate::money::Currency::ALL {
            let mut holdings = book.holdings(shop, sim, currency);
            if !holdings.iter().any(|one| one.holder == self.holder()) && self.may_write(Scope::Shop(shop)) {
                let share = book.spendable(shop, sim, currency, &self.holder());
                holdings.push(crate::ledger::Holding { holder: self.holder(), share });
            }
            holdings.sort_by_key(|one| (std::cmp::Reverse(one.share.cents()), one.holder));
            let share = |one: &crate::ledger::Holding| {
                let connected =
                    self.sessions.get(&one.holder.device).is_some_and(|session| session.certificate.is_some());
                let this_device = one.holder == self.holder();
                let last_seen =
                    if this_device || connected { Some(now) } else { self.last_heard(&one.holder.device, now) };
                ShareView {
                    device: name(&one.holder.device),
                    device_key: one.holder.device.to_text(),
                    share: one.share.value().to_string(),
                    this_device,
                    connected,
                    last_seen: last_seen.map(Timestamp::to_rfc3339),
                    closed: book.closings().end(shop, &one.holder).is_some(),
                }
            };
            view.shares.insert(currency, holdings.iter().map(share).collect());
            let gifts = book.open_gifts(shop).into_iter();
            let gifts =
                gifts.filter(|gift| gift.sim == *sim && gift.amount.currency() == currency).map(|gift| GiftView {
                    from: name(&gift.from.holder.device),
                    to: name(&gift.to.device),
                    amount: gift.amount.value().to_string(),
                });
            view.on_the_way.insert(currency, gifts.collect());
            let back = book.returning(shop).filter_map(|id| book.credit(id));
            let back = back.filter(|credit| credit.sim == *sim && credit.amount.currency() == currency);
            let cents = back.map(|credit| credit.amount.cents()).sum();
            view.coming_back.insert(currency, crate::money::Balance::from_cents(cents, currency).value().to_string());
        }
        Ok(view)
    }

    /// Every incarnation that has written for a shop and was neither stopped nor closed.
    pub(super) fn open_holders(&self, shop: ShopId) -> Vec<Holder> {
        let logs = self.logs.of_scope(Scope::Shop(shop)).filter(|(_, head)| head.number > 0);
        let holders = logs.map(|(log, _)| Holder { device: log.device, incarnation: log.incarnation });
        holders.filter(|holder| self.fold.book.closings().is_open(holder)).collect()
    }

    /// What is done at the end of each step, before it is written.
    pub(super) fn keep_house(&mut self, now: Timestamp) -> Result<(), ReplicaError> {
        if self.failed.is_some() {
            return Ok(());
        }
        self.do_duties(now)?;
        if !self.waiting.is_empty() {
            self.try_waiting(now);
            self.do_duties(now)?;
        }
        Ok(())
    }
}
