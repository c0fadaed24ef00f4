//! Sums over the credits of a shop and period, per currency, cancelled ones left out.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::ledger::{Book, StatisticsPeriod};
use crate::model::{CreditStatus, Timestamp};
use crate::money::{Balance, Currency};

/// The sums of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Number of credits.
    pub credits: u64,
    /// Total granted.
    pub granted: Balance,
    /// Total paid.
    pub paid: Balance,
    /// Total still to be paid, overdue ones included.
    pub waiting: Balance,
    /// Of that, what is overdue.
    pub overdue: Balance,
    /// Number paid.
    pub paid_count: u64,
    /// Number still to be paid, overdue ones included.
    pub waiting_count: u64,
    /// Of those, how many are overdue.
    pub overdue_count: u64,
}

impl Statistics {
    fn empty(currency: Currency) -> Statistics {
        let zero = Balance::zero(currency);
        Statistics {
            credits: 0,
            granted: zero,
            paid: zero,
            waiting: zero,
            overdue: zero,
            paid_count: 0,
            waiting_count: 0,
            overdue_count: 0,
        }
    }

    /// Paid by granted, to four decimals; `None` where nothing was granted.
    pub fn recovery_rate(&self) -> Option<Decimal> {
        let mut rate = self.paid.value().checked_div(self.granted.value())?.round_dp(4);
        rate.rescale(4);
        Some(rate)
    }
}

impl Book {
    /// The sums over that shop and period at that instant, for each currency in which something was granted.
    pub fn statistics(&self, period: &StatisticsPeriod, now: Timestamp) -> BTreeMap<Currency, Statistics> {
        let mut sums: BTreeMap<Currency, Statistics> = BTreeMap::new();
        for credit in self.granted_in(period.shop, period.from, period.to) {
            let status = credit.status_at(now);
            if status == CreditStatus::Cancelled {
                continue;
            }
            let currency = credit.amount.currency();
            let sum = sums.entry(currency).or_insert_with(|| Statistics::empty(currency));
            let add = |left: Balance, right: Balance| left.total_with(right).unwrap_or(left);
            sum.credits += 1;
            sum.granted = add(sum.granted, credit.amount.balance());
            sum.paid = add(sum.paid, credit.paid);
            if status == CreditStatus::Paid {
                sum.paid_count += 1;
                continue;
            }
            sum.waiting = add(sum.waiting, credit.remaining().balance());
            sum.waiting_count += 1;
            if status == CreditStatus::Overdue {
                sum.overdue = add(sum.overdue, credit.remaining().balance());
                sum.overdue_count += 1;
            }
        }
        sums
    }
}
