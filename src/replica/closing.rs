//! Closing a lost device, in two steps, by the shop's keeper (`domain`, rule 7): *stop*, upon which the others record
//! how far they hold its log; then *close*, when all have, or when a person insists.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{Plan, Refusal};
use crate::log::LogId;
use crate::model::{Closing, DeviceKey, Holder, Operation, Scope, ShopId, Timestamp};
use crate::replica::{Answer, ClosingView, CommandError, ExposureView, Replica};
use crate::store::Store;

impl<S: Store> Replica<S> {
    /// Stops a device's open incarnations, and closes those whose end all others have recorded; at once if a person
    /// insists. Asked of a closed device, the end moves forward to what is held.
    pub(super) fn close_device(
        &mut self,
        now: Timestamp,
        device: &str,
        successor: Option<&str>,
        insist: bool,
    ) -> Result<Answer, CommandError> {
        let device = self.find_device(device)?;
        let successor = successor.map(|key| self.find_device(key)).transpose()?;
        let mut view: Option<ClosingView> = None;
        let mut refused = None;
        // Where it only imported or helped out it may hold a share too.
        for shop in self.shops_of(&device) {
            match self.close_in(now, shop, &device, successor, insist) {
                Ok(one) => match &mut view {
                    Some(view) => view.and_elsewhere(one),
                    None => view = Some(one),
                },
                Err(CommandError::Refused(refusal)) => drop(refused.get_or_insert(refusal)),
                Err(failed) => return Err(failed),
            }
        }
        match (view, refused) {
            (Some(view), _) => Ok(Answer::Closing(view)),
            (None, Some(refusal)) => Err(CommandError::Refused(refusal)),
            (None, None) => Err(Refusal::NothingToClose { device: self.fold.registry.name_of(&device) }.into()),
        }
    }

    /// The shops in which a device is closed: its own, and by the authority also those in which it helped out.
    fn shops_of(&self, device: &DeviceKey) -> Vec<ShopId> {
        let own = self.fold.registry.standing(device).map(|(shop, ..)| shop);
        let others = self.fold.book.shops().keys().copied().filter(|shop| Some(*shop) != own);
        let wrote = |shop: &ShopId| {
            self.identity.authority_key.is_some()
                && self.logs.of_scope(Scope::Shop(*shop)).any(|(log, head)| log.device == *device && head.number > 0)
        };
        own.into_iter().chain(others.filter(wrote)).collect()
    }

    fn close_in(
        &mut self,
        now: Timestamp,
        shop: ShopId,
        device: &DeviceKey,
        successor: Option<DeviceKey>,
        insist: bool,
    ) -> Result<ClosingView, CommandError> {
        let by_authority = self.check_keeper(shop, device)?;
        let targets = self.to_close(shop, device);
        let name = |device: &DeviceKey| self.fold.registry.name_of(device);
        if targets.is_empty() {
            return Err(Refusal::NothingToClose { device: name(device) }.into());
        }
        let successor = successor.unwrap_or_else(|| self.device());
        let cannot = Refusal::CannotSucceed { device: name(&successor) };
        if !self.fold.registry.may_write(&successor, Scope::Shop(shop)) {
            return Err(cannot.into());
        }
        let heir = self.holder_of(shop, &successor)?;
        if targets.contains(&heir) || !self.fold.book.closings().is_open(&heir) {
            return Err(cannot.into());
        }
        for of in &targets {
            if self.fold.book.closings().stopped(shop, of).is_none() {
                let operation = Operation::Stop { shop, of: *of, successor: heir };
                self.carry_out(now, &Plan::Registry { operation, by_authority })?;
            }
        }
        self.do_duties(now)?;
        for of in &targets {
            self.close_one(now, shop, *of, by_authority, insist)?;
        }
        self.do_duties(now)?;
        Ok(self.closing_view(shop, device, &targets))
    }

    /// Only the keeper closes, and a keeper only the authority.
    fn check_keeper(&self, shop: ShopId, device: &DeviceKey) -> Result<bool, Refusal> {
        let keeper = self.fold.book.closings().keeper(shop);
        let name = |device: Option<DeviceKey>| {
            device.map_or_else(|| "?".to_owned(), |device| self.fold.registry.name_of(&device))
        };
        let has_authority = self.identity.authority_key.is_some();
        if keeper == Some(*device) {
            let needs = "the head office's device: this one is the shop's keeper".to_owned();
            return if has_authority { Ok(true) } else { Err(Refusal::NotAllowed { needs }) };
        }
        // A keeper whose older incarnation is still open may not know what that one closed: the authority goes first.
        let olds = self.open_holders(shop).into_iter().any(|one| one.device == self.device() && one != self.holder());
        if keeper == Some(self.device()) && !olds {
            return Ok(false);
        }
        if has_authority { Ok(true) } else { Err(Refusal::NotKeeper { shop, keeper: name(keeper) }) }
    }

    /// Which incarnations are meant: the open ones, but not the one in contact if there are others; else the closed
    /// ones of which more is held than counts.
    fn to_close(&self, shop: ShopId, device: &DeviceKey) -> BTreeSet<Holder> {
        let closings = self.fold.book.closings();
        let logs = self.logs.of_scope(Scope::Shop(shop)).filter(|(log, head)| log.device == *device && head.number > 0);
        let held: BTreeMap<Holder, u64> = logs
            .map(|(log, head)| (Holder { device: log.device, incarnation: log.incarnation }, head.number))
            .collect();
        let here = self.in_contact(shop).into_iter().find(|holder| holder.device == *device);
        let here = here.or_else(|| (*device == self.device()).then(|| self.holder()));
        let elsewhere = self.fold.registry.standing(device).is_none_or(|(own, ..)| own != shop);
        let unclosed: BTreeSet<Holder> = held.keys().filter(|of| closings.end(shop, of).is_none()).copied().collect();
        let others: BTreeSet<Holder> = unclosed.iter().filter(|of| Some(**of) != here).copied().collect();
        if !others.is_empty() {
            return others;
        }
        if !unclosed.is_empty() {
            // The life that is at work stays so in a shop that is not its own.
            return if elsewhere { BTreeSet::new() } else { unclosed };
        }
        let more = |of: &&Holder| closings.end(shop, of).is_some_and(|closing| closing.end < held[*of]);
        held.keys().filter(more).copied().collect()
    }

    /// Closes a stopped log if it may be: when every other device has recorded how far it holds it, or a person
    /// insists.
    pub(super) fn close_one(
        &mut self,
        now: Timestamp,
        shop: ShopId,
        of: Holder,
        by_authority: bool,
        insisted: bool,
    ) -> Result<(), CommandError> {
        let closings = self.fold.book.closings();
        let Some(stopped) = closings.stopped(shop, &of).copied() else { return Ok(()) };
        let waiting = self.unrecorded(shop, &of);
        // Once it is closed nobody takes anything from beyond its end: moving that forward waits for nobody.
        if !insisted && closings.end(shop, &of).is_none() && !waiting.is_empty() {
            return Ok(());
        }
        let (end, registry_end) = closings.furthest(shop, &of);
        let log = |scope| LogId { scope, device: of.device, incarnation: of.incarnation };
        let end = end.max(self.logs.head(&log(Scope::Shop(shop))).number);
        let registry_end = registry_end.max(self.logs.head(&log(Scope::Registry)).number);
        let known = closings.end(shop, &of);
        if known.is_some_and(|known| known.end >= end) {
            return Ok(());
        }
        let successor = known.map_or(stopped.successor, |known| known.successor);
        // A later closing is as much a person's insisting as the first: what lies between was set aside until now.
        let insisted = insisted && !waiting.is_empty() || known.is_some_and(|known| known.insisted);
        let operation = Operation::Close(Closing { shop, of, end, registry_end, successor, insisted });
        self.carry_out(now, &Plan::Registry { operation, by_authority })?;
        Ok(())
    }

    /// The devices of a shop that have not recorded how far they hold a stopped log: those that may have taken a gift
    /// from it which nobody else has heard of.
    pub(super) fn unrecorded(&self, shop: ShopId, of: &Holder) -> BTreeSet<DeviceKey> {
        let closings = self.fold.book.closings();
        let mut missing = BTreeSet::new();
        for (device, holders) in self.active_devices(shop) {
            if device == of.device && holders.is_empty() {
                continue;
            }
            let promised = |holder: &Holder| holder == of || closings.promised(shop, holder, of).is_some();
            if holders.is_empty() || !holders.iter().all(promised) {
                missing.insert(device);
            }
        }
        missing
    }

    /// The devices that may be at work in a shop, with the open incarnations that wrote for it: its own, and others
    /// that have written for it. One that was closed and has not written since is not.
    pub(super) fn active_devices(&self, shop: ShopId) -> BTreeMap<DeviceKey, Vec<Holder>> {
        let registry = &self.fold.registry;
        let mut active: BTreeMap<DeviceKey, Vec<Holder>> = BTreeMap::new();
        let logs = self.logs.of_scope(Scope::Shop(shop)).filter(|(_, head)| head.number > 0);
        let mut closed = BTreeSet::new();
        for (log, _) in logs.filter(|(log, _)| !registry.is_revoked(&log.device)) {
            let holder = Holder { device: log.device, incarnation: log.incarnation };
            if self.fold.book.closings().is_open(&holder) {
                active.entry(log.device).or_default().push(holder);
            } else {
                closed.insert(log.device);
            }
        }
        for (device, member) in registry.members() {
            let certificate = member.certificate();
            let own = certificate.shop == shop && certificate.role.may_write(shop, Scope::Shop(shop));
            if own && !registry.is_revoked(device) && !closed.contains(device) {
                active.entry(*device).or_default();
            }
        }
        active
    }

    fn closing_view(&self, shop: ShopId, device: &DeviceKey, targets: &BTreeSet<Holder>) -> ClosingView {
        let (book, registry) = (&self.fold.book, &self.fold.registry);
        let closings = book.closings();
        let ends = targets.iter().filter_map(|of| closings.end(shop, of));
        let closed = ends.clone().count() == targets.len();
        let waiting: BTreeSet<DeviceKey> = targets.iter().flat_map(|of| self.unrecorded(shop, of)).collect();
        let stopped = targets.iter().find_map(|of| closings.stopped(shop, of));
        let mut exposure = Vec::new();
        for (sim, currency) in book.pots_of(shop) {
            let held = book.holdings(shop, sim, currency).into_iter().filter(|one| targets.contains(&one.holder));
            let cents: i128 = held.map(|one| one.share.cents()).sum();
            if cents != 0 {
                let share = crate::money::Balance::from_cents(cents, currency).value().to_string();
                exposure.push(ExposureView { sim: sim.to_string(), currency, share });
            }
        }
        ClosingView {
            device: registry.name_of(device),
            device_key: device.to_text(),
            shop_id: shop,
            state: if closed { "closed" } else { "stopped" }.to_owned(),
            successor: stopped.map_or_else(String::new, |stopped| registry.name_of(&stopped.successor.device)),
            waiting_for: if closed { Vec::new() } else { waiting.iter().map(|one| registry.name_of(one)).collect() },
            end: ends.clone().map(|closing| closing.end).max(),
            insisted: ends.clone().any(|closing| closing.insisted),
            exposure,
        }
    }
}
