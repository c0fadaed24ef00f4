//! What a SIM holds in one currency, and of what it is made.
//!
//! ```text
//! available = initial + captures validated - credits granted and not cancelled - withdrawals - deposits
//!             - what it took along when it moved to another shop
//! ```

use crate::money::{Amount, Balance, Currency, MoneyError};

/// The sums of one SIM in one shop and one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Opening balances.
    pub initial: Balance,
    /// Captures validated.
    pub captures: Balance,
    /// Credits granted and not cancelled.
    pub credits: Balance,
    /// Virtual withdrawals not reversed.
    pub withdrawals: Balance,
    /// Client deposits not reversed.
    pub deposits: Balance,
    /// What the SIM took along to another shop.
    pub moved: Balance,
}

/// Which sum an amount belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Initial,
    Captures,
    Credits,
    Withdrawals,
    Deposits,
    Moved,
}

impl Account {
    /// An account that nothing has moved.
    pub fn empty(currency: Currency) -> Account {
        let zero = Balance::zero(currency);
        Account { initial: zero, captures: zero, credits: zero, withdrawals: zero, deposits: zero, moved: zero }
    }

    /// What the SIM holds. Below zero only after the exceptions of rule 2.
    pub fn available(&self) -> Balance {
        let sum = || {
            let income = self.initial.total_with(self.captures)?.less(self.moved)?;
            income.less(self.credits)?.less(self.withdrawals)?.less(self.deposits)
        };
        // One currency throughout, and sums of amounts stay far below what a decimal holds.
        sum().unwrap_or(self.initial)
    }

    pub(super) fn add(&mut self, part: Part, amount: Amount) -> Result<(), MoneyError> {
        let sum = self.part(part);
        *sum = sum.plus(amount)?;
        Ok(())
    }

    pub(super) fn take(&mut self, part: Part, amount: Amount) -> Result<(), MoneyError> {
        let sum = self.part(part);
        *sum = sum.minus(amount)?;
        Ok(())
    }

    fn part(&mut self, part: Part) -> &mut Balance {
        match part {
            Part::Initial => &mut self.initial,
            Part::Captures => &mut self.captures,
            Part::Credits => &mut self.credits,
            Part::Withdrawals => &mut self.withdrawals,
            Part::Deposits => &mut self.deposits,
            Part::Moved => &mut self.moved,
        }
    }
}
