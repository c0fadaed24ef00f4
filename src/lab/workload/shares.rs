//! What people do with shares, lost devices and SIMs that move.

use crate::lab::workload::{Counter, money};
use crate::model::{Credit, CreditStatus};
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

    /// Most who try are not the keeper, and are refused.
    pub(super) fn close_device(&mut self) -> Option<Command> {
        let device = self.colleague()?;
        let successor = if self.draw.permille(500) { None } else { self.colleague() };
        Some(Command::CloseDevice { device, successor, insist: self.draw.permille(400) })
    }

    /// Most who try hold only a part of it, and are refused.
    pub(super) fn move_sim(&mut self) -> Option<Command> {
        let sim = self.draw.pick(&self.sims()).cloned()?;
        let shops: Vec<_> = self.book.shops().keys().copied().collect();
        Some(Command::MoveSim { sim, shop: *self.draw.pick(&shops)? })
    }
}
