//! Anything may happen in any order: three replicas do random commands, meet in part, are closed and opened; in the
//! end, when all have met, they show one state, it follows from the entries alone, and the money adds up.
//!
//! The account that the money is checked against is kept by the test, in cents, from what the replicas acknowledged;
//! it shares nothing with the ledger.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ucash::ledger::CreditFilter;
use ucash::model::{CaptureState, CreditStatus, Edit};
use ucash::money::Currency;
use ucash::replica::{Answer, Command, CreditView, MovementView, Query};

use crate::seats::{Desk, OFFICE, SHOP, SIM, capture, deposit, movement, sim_number, withdrawal};

/// What one step may be. Numbers choose among what there is, modulo how much there is.
#[derive(Clone, Debug)]
enum Step {
    Grant { cents: u32, cdf: bool },
    Pay { credit: u8, cents: u32 },
    PayRest { credit: u8 },
    Unpay { credit: u8, payment: u8 },
    Cancel { credit: u8 },
    Edit { credit: u8, field: u8 },
    Capture { cents: u32, state: u8 },
    Withdraw { cents: u32 },
    Deposit { cents: u32, cdf: bool },
    Validate { movement: u8 },
    Reimburse { movement: u8 },
    Undo { movement: u8 },
    Give { to: u8, cents: u32 },
    Meet { with: u8, frames: u8 },
    Reopen,
    ClockOff { hours: i8 },
}

fn step() -> impl Strategy<Value = Step> {
    let cents = 1..30_000_u32;
    prop_oneof![
        4 => (cents.clone(), any::<bool>()).prop_map(|(cents, cdf)| Step::Grant { cents, cdf }),
        4 => (any::<u8>(), cents.clone()).prop_map(|(credit, cents)| Step::Pay { credit, cents }),
        2 => any::<u8>().prop_map(|credit| Step::PayRest { credit }),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(credit, payment)| Step::Unpay { credit, payment }),
        3 => any::<u8>().prop_map(|credit| Step::Cancel { credit }),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(credit, field)| Step::Edit { credit, field }),
        2 => (cents.clone(), any::<u8>()).prop_map(|(cents, state)| Step::Capture { cents, state }),
        1 => cents.clone().prop_map(|cents| Step::Withdraw { cents }),
        1 => (cents, any::<bool>()).prop_map(|(cents, cdf)| Step::Deposit { cents, cdf }),
        1 => any::<u8>().prop_map(|movement| Step::Validate { movement }),
        1 => any::<u8>().prop_map(|movement| Step::Reimburse { movement }),
        1 => any::<u8>().prop_map(|movement| Step::Undo { movement }),
        2 => (any::<u8>(), 1..30_000_u32).prop_map(|(to, cents)| Step::Give { to, cents }),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(with, frames)| Step::Meet { with, frames }),
        1 => Just(Step::Reopen),
        1 => (-100..100_i8).prop_map(|hours| Step::ClockOff { hours }),
    ]
}

/// What was acknowledged: all that must be there in the end.
#[derive(Default)]
struct Acknowledged {
    /// By credit: amount in cents and currency.
    credits: BTreeMap<String, (i128, Currency)>,
    /// By payment: credit, cents, whether a reversal was acknowledged.
    payments: BTreeMap<String, (String, i128, bool)>,
    /// By movement: cents towards the balance when it counts, currency, whether it counts.
    movements: BTreeMap<String, (i128, Currency, bool)>,
    refused: usize,
}

fn money(cents: u32, cdf: bool) -> String {
    format!("{}.{:02} {}", cents / 100, cents % 100, if cdf { "CDF" } else { "USD" })
}

fn cents(decimal: &str) -> i128 {
    let (whole, fraction) = decimal.split_once('.').expect("two decimals");
    assert_eq!(fraction.len(), 2, "{decimal}");
    let magnitude: i128 = format!("{whole}{fraction}").trim_start_matches('-').parse().expect("digits");
    if decimal.starts_with('-') { -magnitude } else { magnitude }
}

fn pick<T: Clone>(all: &[T], number: u8) -> Option<T> {
    (!all.is_empty()).then(|| all[number as usize % all.len()].clone())
}

fn credits(desk: &mut Desk, seat: usize) -> Vec<CreditView> {
    match desk.query(seat, Query::Credits(CreditFilter { limit: 1_000, ..CreditFilter::default() })) {
        Ok(Answer::Credits(page)) => page.items,
        other => panic!("asked for credits, got {other:?}"),
    }
}

fn movements(desk: &mut Desk, seat: usize) -> Vec<MovementView> {
    match desk.query(seat, Query::Movements { sim: sim_number(SIM), limit: 1_000, after: None }) {
        Ok(Answer::Movements(page)) => page.items,
        other => panic!("asked for movements, got {other:?}"),
    }
}

fn act(desk: &mut Desk, seat: usize, number: usize, step: &Step, done: &mut Acknowledged) {
    let known = credits(desk, seat);
    let recorded = movements(desk, seat);
    let credit = |number: u8| pick(&known, number).map(|view| view.id.to_string());
    let chosen = |number: u8| pick(&recorded, number).map(|view| view.id.to_string());
    let currency = |cdf: bool| if cdf { Currency::Cdf } else { Currency::Usd };
    match *step {
        Step::Grant { cents, cdf } => match desk.grant(seat, &format!("R{seat}-{number}"), &money(cents, cdf)) {
            Ok(view) => drop(done.credits.insert(view.id.to_string(), (cents.into(), currency(cdf)))),
            Err(_) => done.refused += 1,
        },
        Step::Pay { credit: one, .. } | Step::PayRest { credit: one } => {
            let Some(view) = pick(&known, one) else { return };
            let sum = match *step {
                Step::Pay { cents, .. } => format!("{}.{:02}", cents / 100, cents % 100),
                _ => view.remaining.clone(),
            };
            let before: Vec<_> = view.payments.iter().map(|payment| payment.id).collect();
            match desk.pay(seat, &view.id.to_string(), &sum) {
                Ok(after) => {
                    let made = after.payments.iter().find(|payment| !before.contains(&payment.id)).expect("made");
                    let entry = (view.id.to_string(), cents(&sum), false);
                    assert!(done.payments.insert(made.id.to_string(), entry).is_none(), "an id of its own");
                }
                Err(_) => done.refused += 1,
            }
        }
        Step::Unpay { credit: one, payment } => {
            let Some(view) = pick(&known, one) else { return };
            let Some(payment) = pick(&view.payments, payment) else { return };
            match desk.reverse_payment(seat, &view.id.to_string(), &payment.id.to_string()) {
                Ok(_) => done.payments.get_mut(&payment.id.to_string()).expect("acknowledged").2 = true,
                Err(_) => done.refused += 1,
            }
        }
        Step::Cancel { credit: one } => {
            let Some(id) = credit(one) else { return };
            done.refused += usize::from(desk.cancel(seat, &id).is_err());
        }
        Step::Edit { credit: one, field } => {
            let Some(id) = credit(one) else { return };
            let text = format!("by {seat} at {number}");
            let edit = match field % 4 {
                0 => Edit::Name(text),
                1 => Edit::Address(Some(text)),
                2 => Edit::Notes(Some(text)),
                _ => Edit::DueAt(Some(desk.now(seat))),
            };
            desk.edit(seat, &id, &[edit]).expect("a text that never was");
        }
        Step::Capture { cents, state } => {
            let state = CaptureState::ALL[state as usize % 3];
            let view = desk.record(seat, capture(&money(cents, false), state)).expect("captures are always taken");
            assert_eq!(view.counts, state == CaptureState::Validated);
            done.movements.insert(view.id.to_string(), (cents.into(), Currency::Usd, view.counts));
        }
        Step::Withdraw { cents } => match desk.record(seat, withdrawal(&money(cents, false))) {
            Ok(view) => drop(done.movements.insert(view.id.to_string(), (-i128::from(cents), Currency::Usd, true))),
            Err(_) => done.refused += 1,
        },
        Step::Deposit { cents, cdf } => match desk.record(seat, deposit(&money(cents, cdf))) {
            Ok(view) => drop(done.movements.insert(view.id.to_string(), (-i128::from(cents), currency(cdf), true))),
            Err(_) => done.refused += 1,
        },
        Step::Validate { movement: one } => {
            let Some(id) = chosen(one) else { return };
            match desk.command(seat, Command::ValidateCapture { movement: id.clone() }) {
                Ok(answer) => {
                    assert!(movement(answer).counts);
                    done.movements.get_mut(&id).expect("acknowledged").2 = true;
                }
                Err(_) => done.refused += 1,
            }
        }
        Step::Reimburse { movement: one } => {
            let Some(id) = chosen(one) else { return };
            done.refused += usize::from(desk.command(seat, Command::Reimburse { movement: id }).is_err());
        }
        Step::Undo { movement: one } => {
            let Some(id) = chosen(one) else { return };
            let (why, agent) = ("mistyped".to_owned(), None);
            match desk.command(seat, Command::ReverseMovement { movement: id.clone(), why, agent }) {
                Ok(_) => done.movements.get_mut(&id).expect("acknowledged").2 = false,
                Err(_) => done.refused += 1,
            }
        }
        Step::Give { to, cents } => {
            let other = (seat + 1 + to as usize % 2) % 3;
            done.refused += usize::from(desk.give(seat, other, &money(cents, false)).is_err());
        }
        Step::Meet { with, frames } => {
            let other = (seat + 1 + with as usize % 2) % 3;
            // Half of the meetings are cut off.
            let frames = if frames < 128 { frames as usize / 4 } else { usize::MAX };
            desk.meet_for(seat, other, frames);
        }
        Step::Reopen => desk.reopen(seat),
        Step::ClockOff { hours } => desk.set_clock_off(seat, i64::from(hours) * 3_600_000),
    }
}

/// Everything acknowledged is there, once, as it was acknowledged; and the balances are its sums.
fn audit(desk: &mut Desk, seat: usize, done: &Acknowledged) {
    let credits = credits(desk, seat);
    let granted: BTreeMap<String, (i128, Currency)> =
        credits.iter().map(|view| (view.id.to_string(), (cents(&view.amount), view.currency))).collect();
    assert_eq!(granted, done.credits, "credits");
    let mut paid: BTreeMap<String, (String, i128, bool)> = BTreeMap::new();
    for view in &credits {
        for payment in &view.payments {
            let entry = (view.id.to_string(), cents(&payment.amount), payment.reversed);
            assert!(paid.insert(payment.id.to_string(), entry).is_none(), "a payment on two credits");
        }
    }
    assert_eq!(paid, done.payments, "payments");
    for view in &credits {
        let standing = done.payments.values().filter(|(of, _, reversed)| *of == view.id.to_string() && !reversed);
        let sum: i128 = standing.map(|(_, cents, _)| cents).sum();
        let amount = cents(&view.amount);
        let shown = [&view.paid, &view.remaining, &view.overpaid].map(|text| cents(text));
        assert_eq!(shown, [sum, (amount - sum).max(0), (sum - amount).max(0)], "{}", view.reference);
        match view.status {
            CreditStatus::Cancelled => assert!(view.cancelled_at.is_some()),
            CreditStatus::Paid => assert!(sum >= amount && view.paid_at.is_some()),
            CreditStatus::PartlyPaid => assert!(sum > 0 && sum < amount),
            CreditStatus::Granted => assert_eq!(sum, 0),
            CreditStatus::Overdue => assert!(sum < amount && view.due_at.is_some()),
        }
    }
    let shown: Vec<_> = movements(desk, seat).into_iter().filter(|view| view.kind != "gift").collect();
    for (id, (_, _, counts)) in &done.movements {
        let view = shown.iter().find(|view| view.id.to_string() == *id).expect("an acknowledged movement is shown");
        assert_eq!(view.counts, *counts, "{view:?}");
    }
    assert_eq!(shown.len(), done.movements.len() + 2, "and the two opening balances");
    for (currency, opening) in [(Currency::Usd, 100_000), (Currency::Cdf, 50_000_000)] {
        let of = |(cents, of, counts): &(i128, Currency, bool)| if *of == currency && *counts { *cents } else { 0 };
        let moved: i128 = done.movements.values().map(of).sum();
        let stands = |view: &&CreditView| view.status != CreditStatus::Cancelled && view.currency == currency;
        let lent: i128 = credits.iter().filter(stands).map(|view| cents(&view.amount)).sum();
        let account = desk.account(seat, currency);
        assert_eq!(cents(&account.available), opening + moved - lent, "{currency}: {account:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn replicas_that_have_all_met_agree_and_add_up(steps in prop::collection::vec((0..3_usize, step()), 1..80)) {
        let mut desk = Desk::found();
        desk.join(SHOP, "till");
        desk.join(SHOP, "phone");
        for (seat, share) in [(1, "300 USD"), (1, "200000 CDF"), (2, "300 USD"), (2, "100000 CDF")] {
            desk.hand(OFFICE, seat, share);
        }
        desk.meet_all();
        let mut done = Acknowledged::default();
        for (number, (seat, step)) in steps.iter().enumerate() {
            act(&mut desk, *seat, number, step, &mut done);
        }
        (0..3).for_each(|seat| desk.set_clock_off(seat, 0));
        desk.meet_all();
        desk.assert_one_state();
        audit(&mut desk, OFFICE, &done);
        // What each shows is also what its disk says.
        let digest = desk.digest(OFFICE);
        for seat in 0..3 {
            desk.reopen(seat);
            prop_assert_eq!(desk.digest(seat), digest.clone(), "seat {} opened again", seat);
            prop_assert!(desk.verify(seat).sound);
        }
        audit(&mut desk, 2, &done);
    }
}
