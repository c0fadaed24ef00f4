//! The invariants that are sums: of a credit, a SIM's account, a shop. In cents, from the books alone.

use std::collections::BTreeMap;

use crate::lab::auditor::books::{Books, KeptCredit, Kind, Standing};
use crate::lab::auditor::cents;
use crate::lab::auditor::invariants::{Evidence, Found};
use crate::lab::auditor::shown::Shown;
use crate::model::{CreditStatus, ShopId};
use crate::money::Currency;
use crate::replica::{CreditView, StatisticsView};

/// I2: of every credit, what is paid is the sum of its payments that stand; what remains and what is overpaid follow.
pub fn credits_add_up(evidence: &Evidence<'_>) -> Found {
    for shown in evidence.shown {
        for (view, kept) in known(evidence.books, shown) {
            let paid = evidence.books.paid(kept);
            let expected = [paid, (kept.cents - paid).max(0), (paid - kept.cents).max(0)];
            let found = [cents::shown(&view.paid)?, cents::shown(&view.remaining)?, cents::shown(&view.overpaid)?];
            let whose = || format!("credit {} ({}) on device {}", view.id, view.reference, shown.device);
            compare(&whose, &["paid", "remaining", "overpaid"], &expected, &found)?;
        }
    }
    Ok(())
}

/// I2: per SIM and currency, every part of the account and what is available.
pub fn accounts_add_up(evidence: &Evidence<'_>) -> Found {
    for shown in evidence.shown {
        let accounts = accounts(evidence.books, shown);
        for view in &shown.sims {
            let Some(sim) = evidence.books.sims.get(&view.sim) else { continue };
            if !evidence.readers.reads(shown.device, sim.shop)
                || evidence.books.is_shaken(sim.shop)
                || evidence.books.has_moved(&view.sim)
            {
                continue;
            }
            for currency in Currency::ALL {
                let account = accounts.get(&(view.sim.as_str(), currency)).copied().unwrap_or_default();
                let Some(found) = view.balances.get(&currency) else {
                    return Err(format!("device {} shows no {currency} of SIM {}", shown.device, view.sim));
                };
                let parts = [
                    &found.initial,
                    &found.captures,
                    &found.credits,
                    &found.withdrawals,
                    &found.deposits,
                    &found.available,
                ];
                let found: Vec<i128> = parts.into_iter().map(|text| cents::shown(text)).collect::<Result<_, _>>()?;
                let Account { initial, captures, credits, withdrawals, deposits } = account;
                let expected = [initial, captures, credits, withdrawals, deposits, account.available()];
                let names = ["initial", "captures", "credits", "withdrawals", "deposits", "available"];
                let whose = || format!("SIM {} in {currency} on device {}", view.sim, shown.device);
                compare(&whose, &names, &expected, &found)?;
            }
        }
    }
    Ok(())
}

/// I2: per shop and currency, the sums over its credits that are not cancelled.
pub fn statistics_add_up(evidence: &Evidence<'_>) -> Found {
    for shown in evidence.shown {
        let mut sums: BTreeMap<(ShopId, Currency), Sums> = BTreeMap::new();
        for (view, kept) in
            known(evidence.books, shown).filter(|(view, kept)| !is_cancelled(evidence.books, kept, view))
        {
            let (paid, sum) = (evidence.books.paid(kept), sums.entry((kept.shop, kept.currency)).or_default());
            let remaining = (kept.cents - paid).max(0);
            sum.count += 1;
            sum.granted += kept.cents;
            sum.paid += paid;
            sum.paid_count += u64::from(remaining == 0);
            sum.waiting += remaining;
            sum.waiting_count += u64::from(remaining > 0);
            if view.status == CreditStatus::Overdue {
                sum.overdue += remaining;
                sum.overdue_count += 1;
            }
        }
        for (shop, found) in shown
            .statistics
            .iter()
            .filter(|(shop, _)| evidence.readers.reads(shown.device, **shop) && !evidence.books.is_shaken(**shop))
        {
            for currency in Currency::ALL {
                let expected = sums.get(&(*shop, currency)).copied().unwrap_or_default();
                let found = found.get(&currency).map_or(Ok(Sums::default()), Sums::read)?;
                if found != expected {
                    let whose = format!("shop {shop} in {currency} on device {}", shown.device);
                    return Err(format!("{whose}: shown {found:?}, expected {expected:?}"));
                }
            }
        }
    }
    Ok(())
}

/// I4: by what stands once everything is healed (reinstated credits count again), no account is below zero.
pub fn nothing_overdrawn_when_healed(evidence: &Evidence<'_>) -> Found {
    for shown in evidence.shown {
        for ((sim, currency), account) in accounts(evidence.books, shown) {
            let shop = evidence.books.sims.get(sim).map(|sim| sim.shop);
            let shop = shop.filter(|shop| !evidence.books.is_shaken(*shop) && !evidence.books.has_moved(sim));
            let reads = shop.is_some_and(|shop| evidence.readers.reads(shown.device, shop));
            if reads && account.available() < 0 {
                return Err(format!("SIM {sim} holds {} {currency}", cents::text(account.available())));
            }
        }
    }
    Ok(())
}

/// I4, "for every SIM, spent <= share at every device": the shares of all devices, the gifts on their way and the amounts
/// on their way back add up to what the SIM holds; none is below zero, but where a person insisted on closing a device
/// before all that it did was known.
pub fn shares_add_up(evidence: &Evidence<'_>) -> Found {
    for shown in evidence.shown {
        for view in shown.shares.iter().filter(|view| evidence.readers.reads(shown.device, view.shop_id)) {
            let balances = shown.sims.iter().find(|sim| sim.sim == view.sim).map(|sim| &sim.balances);
            let whose = |currency| format!("SIM {} in {currency} on device {}", view.sim, shown.device);
            for currency in Currency::ALL {
                let mut sum = view.coming_back.get(&currency).map_or(Ok(0), |text| cents::shown(text))?;
                for gift in view.on_the_way.get(&currency).into_iter().flatten() {
                    sum += cents::shown(&gift.amount)?;
                }
                for share in view.shares.get(&currency).into_iter().flatten() {
                    let cents = cents::shown(&share.share)?;
                    if cents < 0 && !evidence.books.was_insisted(view.shop_id) {
                        return Err(format!("{}: the share of {} is {}", whose(currency), share.device, share.share));
                    }
                    sum += cents;
                }
                let available = balances.and_then(|balances| balances.get(&currency)).map(|account| &account.available);
                let available = available.map_or(Ok(0), |text| cents::shown(text))?;
                if sum != available {
                    let (sum, available) = (cents::text(sum), cents::text(available));
                    return Err(format!("{}: shares make {sum}, the SIM holds {available}", whose(currency)));
                }
            }
        }
    }
    Ok(())
}

/// An account in cents.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    initial: i128,
    captures: i128,
    credits: i128,
    withdrawals: i128,
    deposits: i128,
}

impl Account {
    fn available(self) -> i128 {
        self.initial + self.captures - self.credits - self.withdrawals - self.deposits
    }
}

/// The sums of a shop's credits in cents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    count: u64,
    granted: i128,
    paid: i128,
    waiting: i128,
    overdue: i128,
    paid_count: u64,
    waiting_count: u64,
    overdue_count: u64,
}

impl Sums {
    fn read(view: &StatisticsView) -> Result<Sums, String> {
        Ok(Sums {
            count: view.credits,
            granted: cents::shown(&view.granted)?,
            paid: cents::shown(&view.paid)?,
            waiting: cents::shown(&view.waiting)?,
            overdue: cents::shown(&view.overdue)?,
            paid_count: view.paid_count,
            waiting_count: view.waiting_count,
            overdue_count: view.overdue_count,
        })
    }
}

fn known<'a>(books: &'a Books, shown: &'a Shown) -> impl Iterator<Item = (&'a CreditView, &'a KeptCredit)> {
    let kept = shown.credits.iter().filter_map(|view| Some((view, books.credits.get(&view.id)?)));
    kept.filter(|(_, kept)| !books.is_shaken(kept.shop))
}

/// Where timestamps decide whether a credit is cancelled, what is shown is believed: that all show the same is asked
/// for by itself.
fn is_cancelled(books: &Books, kept: &KeptCredit, view: &CreditView) -> bool {
    match books.standing(kept) {
        Standing::Cancelled => true,
        Standing::Stands => false,
        Standing::Either => view.status == CreditStatus::Cancelled,
    }
}

/// Every account, by what stands on that replica.
fn accounts<'a>(books: &'a Books, shown: &Shown) -> BTreeMap<(&'a str, Currency), Account> {
    let mut accounts: BTreeMap<(&str, Currency), Account> = BTreeMap::new();
    for (number, sim) in &books.sims {
        for (currency, cents) in &sim.opening {
            accounts.entry((number, *currency)).or_default().initial += cents;
        }
    }
    for view in &shown.credits {
        let Some(kept) = books.credits.get(&view.id).filter(|kept| !is_cancelled(books, kept, view)) else { continue };
        accounts.entry((&kept.sim, kept.currency)).or_default().credits += kept.cents;
    }
    for kept in books.movements.values().filter(|kept| kept.counts()) {
        let account = accounts.entry((&kept.sim, kept.currency)).or_default();
        match kept.kind {
            Kind::Capture => account.captures += kept.cents,
            Kind::Withdrawal => account.withdrawals += kept.cents,
            Kind::Deposit => account.deposits += kept.cents,
        }
    }
    accounts
}

fn compare(whose: &dyn Fn() -> String, names: &[&str], expected: &[i128], found: &[i128]) -> Found {
    for ((name, expected), found) in names.iter().zip(expected).zip(found) {
        if expected != found {
            let (found, expected) = (cents::text(*found), cents::text(*expected));
            return Err(format!("{}: {name} is shown as {found}, expected {expected}", whose()));
        }
    }
    Ok(())
}
