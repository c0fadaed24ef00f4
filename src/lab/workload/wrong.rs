//! What people ask that must be refused.

use crate::lab::workload::{Counter, cents_of, credits, decimal};
use crate::model::{Credit, CreditStatus, PaymentMode, SimNumber};
use crate::money::Currency;
use crate::replica::Command;

impl Counter<'_> {
    pub(super) fn wrong(&mut self) -> Option<Command> {
        let sims = self.sims();
        let sim = self.draw.pick(&sims).cloned();
        let any = self.credits().into_iter().map(|credit| credit.id.to_string()).next();
        let any = any.unwrap_or_else(|| "cr_aaaaaaaaaaaaaaaa".to_owned());
        let why = "par erreur".to_owned();
        let reference = format!("W{}-{}.{}", self.shop, self.moment, self.asked);
        match self.draw.below(15) {
            0 => {
                // A cent more than remains.
                let open = self.credits().into_iter().find(|credit| credits::is_open(credit)).cloned()?;
                Some(pay(&open.id.to_string(), &decimal(cents_of(open.remaining()) + 1)))
            }
            1 => Some(pay("NO SUCH CREDIT", "1.00")),
            2 => Some(pay(&any, "0")),
            3 => Some(pay(&any, "1.005")),
            4 => Some(pay(&any, "-5.00")),
            5 => self.grant_of(&reference, sim?, Currency::Usd, 0),
            6 => {
                let sim = sim?;
                let cents = self.spendable(&sim, Currency::Usd) + 1;
                self.grant_of(&reference, sim, Currency::Usd, cents)
            }
            7 => self.grant_of(&reference, SimNumber::new("+243000000000").ok()?, Currency::Cdf, 1_00),
            8 => {
                // A reference that is taken, written otherwise.
                let taken = self.credits().into_iter().next()?.reference.to_string().to_lowercase();
                self.grant_of(&format!("  {taken} "), sim?, Currency::Usd, 1)
            }
            9 => {
                // Fault F14 of the replaced system: somebody paid, and it is called off all the same.
                let paid = self.pick_credit(|credit| !credit.paid.value().is_zero())?;
                Some(self.cancel_of(&paid))
            }
            10 => {
                let over = self.pick_credit(|credit| credit.status == CreditStatus::Cancelled)?;
                Some(self.pay(&over, 1_00))
            }
            11 => {
                let over = self.pick_credit(|credit| credit.status == CreditStatus::Cancelled)?;
                Some(self.cancel_of(&over))
            }
            12 => {
                let reversed = |credit: &Credit| credit.payments.iter().any(|payment| payment.reversed);
                let credit = self.pick_credit(reversed)?;
                let payment = credit.payments.iter().find(|payment| payment.reversed)?.id;
                Some(self.reverse_of(&credit, payment))
            }
            13 => {
                // An opening balance is no movement that somebody recorded.
                let opening = self.book.movements_of(&sim?, None).last()?.id.to_string();
                Some(Command::ReverseMovement { movement: opening, why, agent: None })
            }
            _ => {
                let payment = "pm_aaaaaaaaaaaaaaaa".to_owned();
                Some(Command::ReversePayment { credit: any, payment, why, agent: None })
            }
        }
    }
}

fn pay(credit: &str, amount: &str) -> Command {
    let (credit, amount) = (credit.to_owned(), amount.to_owned());
    Command::Pay { credit, amount, mode: PaymentMode::Cash, reference: None, agent: None }
}
