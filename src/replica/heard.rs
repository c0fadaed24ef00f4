//! Who else holds what, when each device was last heard of, and what a balance is at least while some are not.
//!
//! Three things tell that a device holds an entry: it wrote it; it recorded in its own log how far it holds that log
//! (`sightings`), which lasts; or it said so in this run, which is newer. A relay will be a fourth, by positions that it
//! signs outside the logs: it counts in `Replica::has_told`, beside what devices said.
//!
//! Nothing here decides about money: what is shown as "at least" binds nobody.

use std::collections::{BTreeMap, BTreeSet};

use crate::log::LogId;
use crate::model::{DeviceKey, Holder, Origin, Scope, ShopId, SimNumber, Timestamp};
use crate::money::Currency;
use crate::replica::fold::{Entries, EntryRef};
use crate::replica::{AccountView, HeardView, Replica, keys};
use crate::store::{Batch, Store};

/// Devices of a shop that may have done something which is not known here, and when each was last heard of.
pub(super) type Quiet = BTreeMap<DeviceKey, Option<Timestamp>>;

impl<S: Store> Replica<S> {
    /// How far a device said in this run that it holds a log.
    fn has_told(&self, device: &DeviceKey, log: &LogId) -> u64 {
        self.seen.get(device).and_then(|seen| seen.numbers.get(log)).copied().unwrap_or(0)
    }

    /// The devices known to hold all of these entries of one shop, this one among them. A closed life of a device's
    /// store holds nothing any more, nor does a device that was put out.
    pub(super) fn seen_by(&self, shop: ShopId, entries: &[(LogId, u64)]) -> BTreeSet<DeviceKey> {
        let (registry, clocks) = (&self.fold.registry, self.fold.book.clocks());
        let lives = self.open_holders(shop);
        let holds = |device: &DeviceKey, log: &LogId, number: u64| {
            let of = Holder { device: log.device, incarnation: log.incarnation };
            let mut own = lives.iter().filter(|life| life.device == *device);
            self.has_told(device, log) >= number
                || own.any(|life| *life == of || clocks.sighted(shop, life, &of) >= number)
        };
        let devices: BTreeSet<DeviceKey> =
            lives.iter().map(|life| life.device).chain(self.seen.keys().copied()).collect();
        let others = devices.into_iter().filter(|device| *device != self.device() && !registry.is_revoked(device));
        let mut found: BTreeSet<DeviceKey> =
            others.filter(|device| entries.iter().all(|(log, number)| holds(device, log, *number))).collect();
        found.insert(self.device());
        found
    }

    /// Up to which entry another device is known to hold an own log.
    pub(super) fn confirmed(&self, log: &LogId) -> u64 {
        let told = self.seen.keys().map(|device| self.has_told(device, log)).max().unwrap_or(0);
        let recorded = match log.scope {
            Scope::Registry => 0,
            Scope::Shop(shop) => {
                let of = Holder { device: log.device, incarnation: log.incarnation };
                self.fold.book.clocks().furthest(shop, &of, |by| *by != of.device)
            }
        };
        told.max(recorded).max(self.confirmed.get(log).copied().unwrap_or(0))
    }

    fn own_logs(&self) -> impl Iterator<Item = (&LogId, u32)> {
        let authority = self.authority_log().map(|log| log.device);
        let own = move |log: &LogId| log.device == self.device() || Some(log.device) == authority;
        self.logs.held().iter().filter(move |(log, _)| own(log)).map(|(log, held)| (log, held.index))
    }

    /// How many own deeds no other device is known to hold: own records of what was seen are none.
    pub(super) fn pending_count(&self) -> u64 {
        self.own_logs().map(|(log, index)| self.fold.deeds.count_after(index, self.confirmed(log))).sum()
    }

    /// Remembers, with what is written anyway, how far others are known to hold the own logs: nobody records the
    /// registry's.
    pub(super) fn write_confirmed(&mut self, batch: &mut Batch) {
        let now: BTreeMap<LogId, u64> = self.own_logs().map(|(log, _)| (*log, self.confirmed(log))).collect();
        if now != self.confirmed {
            let record = now.iter().flat_map(|(log, number)| [&log.to_bytes()[..], &number.to_be_bytes()].concat());
            batch.put(keys::CONFIRMED, record.collect::<Vec<u8>>());
            self.confirmed = now;
        }
    }

    /// Reads what [`Replica::write_confirmed`] wrote. What is not readable is not confirmed.
    pub(super) fn recall_confirmed(&mut self, record: &[u8]) {
        for bytes in record.chunks(CONFIRMED_BYTES) {
            let Some((log, number)) = bytes.split_last_chunk::<8>() else { continue };
            let Some(log) = LogId::from_bytes(log) else { continue };
            let held = self.logs.head(&log).number;
            self.confirmed.insert(log, u64::from_be_bytes(*number).min(held));
        }
    }

    /// When a device was last heard of: in contact in this run, or by the newest entry of it that is held, whoever
    /// brought it; or when it joined. Never later than now, whatever its clock says.
    pub(super) fn last_heard(&self, device: &DeviceKey, now: Timestamp) -> Option<Timestamp> {
        let session = self.sessions.get(device).map(|session| session.active_at.max(session.compared_at));
        let compared = self.seen.get(device).and_then(|seen| seen.in_step_at);
        let joined = self.fold.registry.member(device).and_then(crate::membership::Member::first_issued_at);
        let written = self.last_written(|log| log.device == *device);
        let known = [session, compared, joined, written].into_iter().flatten();
        known.map(|at| at.min(now)).max()
    }

    /// When the newest entry of these logs was written, as far as anybody can tell.
    fn last_written(&self, is_one: impl Fn(&LogId) -> bool) -> Option<Timestamp> {
        let logs = self.logs.held().iter().filter(|(log, held)| is_one(log) && held.head.number > 0);
        let walls = logs.filter_map(|(log, held)| {
            let number = held.head.number;
            let body = self.logs.body(EntryRef { log: held.index, number }).ok()?.ok()?;
            let (device, incarnation) = (log.device, log.incarnation);
            let origin = Origin { stamp: body.stamp, device, incarnation, number, wall: body.wall };
            Some(match log.scope {
                Scope::Registry => origin.wall,
                Scope::Shop(shop) => self.fold.book.clocks().corrected(shop, &origin).wall,
            })
        });
        walls.max()
    }

    /// Whether a device in contact holds all of a shop that this one holds, and nothing else.
    fn is_in_step(&self, shop: ShopId, device: &DeviceKey) -> bool {
        let in_step = self.sessions.get(device).is_some_and(|session| session.in_step);
        in_step && self.shared(device).is_some_and(|shared| shared(Scope::Shop(shop)))
    }

    /// Whether a holder may have done something for a shop that is not known here.
    fn is_unheard(&self, shop: ShopId, holder: &Holder) -> bool {
        let closings = self.fold.book.closings();
        let mut holder = *holder;
        // What a closed log left behind its successor may have, or who took that one over; in no circle.
        for _ in 0..=closings.ends(shop).count() {
            let Some(closing) = closings.end(shop, &holder) else { break };
            let log = LogId { scope: Scope::Shop(shop), device: holder.device, incarnation: holder.incarnation };
            if self.logs.head(&log).number < closing.end {
                return true;
            }
            holder = closing.successor;
        }
        let lives = |session: &crate::replica::session::Session| session.incarnation == Some(holder.incarnation);
        let is_there = self.is_in_step(shop, &holder.device) && self.sessions.get(&holder.device).is_some_and(lives);
        holder != self.holder() && !is_there
    }

    /// The devices at work in a shop that are not in step with this one now.
    pub(super) fn quiet(&self, shop: ShopId, now: Timestamp) -> Quiet {
        let active = self.active_devices(shop).into_keys();
        let others = active.filter(|device| *device != self.device() && !self.is_in_step(shop, device));
        others.map(|device| (device, self.last_heard(&device, now))).collect()
    }

    /// Adds to an account what it is at least and at most, and who was not heard of for longest.
    pub(super) fn add_bounds(
        &self,
        view: &mut AccountView,
        shop: ShopId,
        sim: &SimNumber,
        currency: Currency,
        quiet: &Quiet,
        now: Timestamp,
    ) {
        let book = &self.fold.book;
        let available = book.account(shop, sim, currency).available();
        let (at_stake, others) =
            book.at_stake(shop, sim, currency, !quiet.is_empty(), |one| self.is_unheard(shop, one));
        let at_least = available.cents().saturating_sub(at_stake.cents());
        view.at_least = crate::money::Balance::from_cents(at_least, currency).value().to_string();
        view.at_most.clone_from(&view.available);
        // A life that a device's store has left is not heard of any more, though the device is there.
        let lives = others.into_iter().filter(|holder| !quiet.contains_key(&holder.device)).map(|holder| {
            let is_its = |log: &LogId| log.device == holder.device && log.incarnation == holder.incarnation;
            (self.last_written(is_its).map(|at| at.min(now)), holder.device)
        });
        let oldest = quiet.iter().map(|(device, at)| (*at, *device)).chain(lives).min();
        view.oldest_heard = oldest.map(|(at, device)| HeardView {
            device: self.fold.registry.name_of(&device),
            at: at.map(Timestamp::to_rfc3339),
        });
    }
}

/// A log and a number.
const CONFIRMED_BYTES: usize = 45 + 8;
