//! What people do with shares, lost devices and SIMs that move.

use std::collections::BTreeSet;

use crate::lab::workload::{Counter, money};
use crate::model::{Credit, CreditStatus, DeviceKey};
use crate::replica::Command;

impl Counter<'_> {
    /// Another device of the shop; now and then this one, or none of the shop's.
    fn colleague(&mut self) -> Option<String> {
        let others: Vec<_> = self.colleagues.iter().filter(|key| **key != self.device).copied().collect();
        let device = if self.draw.permille(40) { Some(self.device) } else { self.draw.pick(&others).copied() };
        device.map(|key| key.to_text())
    }

    pub(super) fn give_share(&mut self) -> Option<Command> {
        let sim = self.draw.pick(&self.sims()).cloned()?;
        let currency = self.currency();
        let mine = self.spendable(&sim, currency);
        let cents = if self.draw.permille(100) { mine + 1 } else { self.draw.between(1, mine.max(1)) };
        Some(Command::GiveShare { sim, amount: money(cents, currency)?, to: self.colleague()? })
    }

    pub(super) fn ask_share(&mut self) -> Option<Command> {
        let sim = self.draw.pick(&self.sims()).cloned()?;
        let currency = self.currency();
        let held = self.book.account(self.shop, &sim, currency).available().cents();
        let held = i64::try_from(held).unwrap_or(i64::MAX / 2);
        let rest = held.saturating_sub(self.spendable(&sim, currency));
        let cents = if self.draw.permille(300) { rest } else { self.draw.between(1, rest.max(1)) };
        Some(Command::AskShare { sim, amount: money(cents.max(1), currency)? })
    }

    pub(super) fn return_credit(&mut self) -> Option<Command> {
        let holder = self.holder;
        let fits = |credit: &&Credit| credit.status == CreditStatus::Cancelled && credit.origin.holder() == holder;
        let found: Vec<Credit> = self.credits().into_iter().filter(fits).cloned().collect();
        Some(Command::ReturnCredit { credit: self.draw.pick(&found)?.id.to_string() })
    }

    /// The keeper may; others who try are refused. What was begun is taken up again: a stopped device is closed, of a
    /// closed one the end moves forward.
    pub(super) fn close_device(&mut self) -> Option<Command> {
        if !self.is_keeper() && !self.draw.permille(150) {
            return None;
        }
        let begun = self.begun_to_close();
        let again = self.draw.permille(700);
        let device = match self.draw.pick(&begun).copied().filter(|_| again) {
            Some(key) => key.to_text(),
            None => self.colleague()?,
        };
        let successor = if self.draw.permille(500) { None } else { self.colleague() };
        Some(Command::CloseDevice { device, successor, insist: self.draw.permille(500) })
    }

    /// Whether this device closes others.
    fn is_keeper(&self) -> bool {
        self.book.closings().keeper(self.shop) == Some(self.device)
    }

    /// The shop's devices of which a log was stopped, or closed.
    fn begun_to_close(&self) -> Vec<DeviceKey> {
        let closings = self.book.closings();
        let stopped = closings.closing(self.shop).map(|(of, _)| of.device);
        let begun = stopped.chain(closings.ends(self.shop).map(|closing| closing.of.device));
        let others: BTreeSet<DeviceKey> = begun.filter(|device| *device != self.device).collect();
        others.into_iter().collect()
    }

    /// Whether there is a closing to see to, and somebody who now does.
    pub(super) fn sees_to_closings(&mut self) -> bool {
        self.is_keeper() && !self.begun_to_close().is_empty() && self.draw.permille(60)
    }

    /// Most who try hold only a part of it, and are refused.
    pub(super) fn move_sim(&mut self) -> Option<Command> {
        let sim = self.draw.pick(&self.sims()).cloned()?;
        let shops: Vec<_> = self.book.shops().keys().copied().collect();
        Some(Command::MoveSim { sim, shop: *self.draw.pick(&shops)? })
    }
}
