//! What people do with the movements of a SIM.

use crate::lab::workload::{Counter, money};
use crate::model::{Capture, CaptureState, Deposit, MovementKind, MovementRecord, SimNumber, Withdrawal};
use crate::money::{Amount, Currency};
use crate::replica::Command;

/// How many movements of a SIM a person looks through.
const LATEST: usize = 30;

impl Counter<'_> {
    fn pick_movement(&mut self, fits: impl Fn(&MovementRecord) -> bool) -> Option<MovementRecord> {
        let sim = self.draw.pick(&self.sims()).cloned()?;
        let latest = self.book.movements_of(&sim, None).take(LATEST);
        let found: Vec<&MovementRecord> = latest.filter(|record| !record.reversed && fits(record)).collect();
        self.draw.pick(&found).map(|record| (*record).clone())
    }

    fn moving(&mut self, kind: impl FnOnce(&mut Self, Amount) -> MovementKind, out: bool) -> Option<Command> {
        let sim = self.draw.pick(&self.sims()).cloned()?;
        let (cents, currency) = self.moved(&sim, out);
        let kind = kind(self, money(cents, currency)?);
        Some(Command::Move { sim, kind, agent: self.agent() })
    }

    fn moved(&mut self, sim: &SimNumber, out: bool) -> (i64, Currency) {
        let currency = self.currency();
        if out {
            let spendable = self.spendable(sim, currency);
            return (self.cents_within(currency, spendable), currency);
        }
        (self.cents(currency), currency)
    }

    pub(super) fn capture(&mut self, state: CaptureState) -> Option<Command> {
        let reference = format!("MP{}.{}", self.moment, self.asked);
        let phone = format!("+24397{:07}", self.moment);
        let make = |counter: &mut Self, amount: Amount| {
            let kept = counter.draw.permille(500);
            MovementKind::Capture(Capture {
                amount,
                cash: Some(amount),
                fee: kept.then(|| Amount::zero(amount.currency())),
                reference: counter.draw.permille(700).then_some(reference),
                client: None,
                phone: counter.draw.permille(300).then_some(phone),
                state,
            })
        };
        self.moving(make, false)
    }

    pub(super) fn validate(&mut self) -> Option<Command> {
        let device = self.device;
        let pending = |record: &MovementRecord| {
            let capture =
                matches!(&record.kind, MovementKind::Capture(capture) if capture.state == CaptureState::Pending);
            capture && !record.validated && record.origin.device == device
        };
        Some(Command::ValidateCapture { movement: self.pick_movement(pending)?.id.to_string() })
    }

    pub(super) fn withdraw(&mut self) -> Option<Command> {
        let shops: Vec<_> = self.book.shops().keys().copied().collect();
        let make = |counter: &mut Self, amount: Amount| {
            let owed_by = counter.draw.pick(&shops).copied();
            let owed_by = owed_by.filter(|_| counter.draw.permille(700));
            MovementKind::Withdrawal(Withdrawal { amount, owed_by, reimbursed: false })
        };
        self.moving(make, true)
    }

    pub(super) fn deposit(&mut self) -> Option<Command> {
        let phone = format!("+24385{:07}", self.moment);
        let make = |counter: &mut Self, amount: Amount| {
            MovementKind::Deposit(Deposit { amount, phone: counter.draw.permille(500).then_some(phone) })
        };
        self.moving(make, true)
    }

    pub(super) fn reverse_movement(&mut self) -> Option<Command> {
        let device = self.device;
        // What gives back is done by the device that took; some try it on another's all the same.
        let stranger = self.draw.permille(100);
        let fits = |record: &MovementRecord| {
            !matches!(record.kind, MovementKind::Opening(_)) && (stranger || record.origin.device == device)
        };
        let movement = self.pick_movement(fits)?.id.to_string();
        Some(Command::ReverseMovement { movement, why: "saisi deux fois".to_owned(), agent: self.agent() })
    }

    pub(super) fn reimburse(&mut self) -> Option<Command> {
        let owed = |record: &MovementRecord| matches!(record.kind, MovementKind::Withdrawal(_)) && !record.reimbursed;
        Some(Command::Reimburse { movement: self.pick_movement(owed)?.id.to_string() })
    }
}
