//! Replicas that acted apart and meet: what the replaced system lost is kept here. A test that answers one of
//! that system's faults bears the fault's number.

use ucash::membership::{ReadScope, Role};
use ucash::model::{CaptureState, CreditStatus, Edit, ShopId};
use ucash::money::Currency;
use ucash::replica::{Command, CreditView, PaymentView};

use crate::seats::{Desk, FOUNDED, OFFICE, SHOP, capture, deposit, withdrawal};

/// Three devices of one shop that know one credit `A1` of 100 USD; the office granted it, the others have 200 USD each.
fn three() -> (Desk, [usize; 3]) {
    let mut desk = Desk::found();
    let till = desk.join(SHOP, "till");
    let phone = desk.join(SHOP, "phone");
    desk.grant(OFFICE, "A1", "100 USD").expect("granting");
    for seat in [till, phone] {
        desk.hand(OFFICE, seat, "200 USD");
    }
    desk.meet_all();
    (desk, [OFFICE, till, phone])
}

/// Every order in which three can meet pair by pair and end up knowing all.
const ORDERS: [[(usize, usize); 3]; 6] = [
    [(0, 1), (1, 2), (0, 1)],
    [(0, 1), (0, 2), (0, 1)],
    [(0, 2), (0, 1), (0, 2)],
    [(0, 2), (1, 2), (0, 2)],
    [(1, 2), (0, 1), (1, 2)],
    [(1, 2), (0, 2), (1, 2)],
];

/// Lets `act` happen apart, then the three meet in every order; each time all show one state, and what `A1` is then
/// is the same whatever the order.
fn in_every_order(act: impl Fn(&mut Desk, [usize; 3])) -> CreditView {
    let mut seen: Vec<CreditView> = Vec::new();
    for order in ORDERS {
        let (mut desk, seats) = three();
        act(&mut desk, seats);
        order.into_iter().for_each(|(left, right)| desk.meet(left, right));
        let shown = seats.map(|seat| CreditView { seen_by: 0, seen_by_devices: Vec::new(), ..desk.credit(seat, "A1") });
        if shown[0].status != CreditStatus::Cancelled {
            assert!(shown.iter().all(|credit| *credit == shown[0]), "three meetings tell all: {shown:#?}");
            desk.assert_one_state();
        }
        // Of a cancellation all say that they know of it, and then its granter returns the amount.
        desk.meet_all();
        desk.assert_one_state();
        for seat in seats {
            // When a cancelled amount came back depends on who met whom.
            seen.push(CreditView {
                seen_by: 0,
                seen_by_devices: Vec::new(),
                updated_at: String::new(),
                ..desk.credit(seat, "A1")
            });
        }
    }
    assert!(seen.iter().all(|credit| *credit == seen[0]), "the order of meeting decides: {seen:#?}");
    seen.swap_remove(0)
}

fn sums(payments: &[PaymentView]) -> Vec<(&str, &str)> {
    payments.iter().map(|payment| (payment.amount.as_str(), payment.device.as_str())).collect()
}

#[test]
fn f1_two_partial_payments_recorded_apart_both_stand() {
    let credit = in_every_order(|desk, [_, till, phone]| {
        desk.pay(till, "A1", "30").expect("paying");
        desk.pay(phone, "A1", "50").expect("paying");
    });
    assert_eq!(sums(&credit.payments), [("30.00", "till"), ("50.00", "phone")]);
    assert_eq!((credit.paid.as_str(), credit.remaining.as_str()), ("80.00", "20.00"));
    assert_eq!(credit.status, CreditStatus::PartlyPaid);
}

#[test]
fn f1_two_halves_paid_apart_make_a_whole() {
    let credit = in_every_order(|desk, [_, till, phone]| {
        desk.pay(till, "A1", "50").expect("paying");
        desk.pay(phone, "A1", "50").expect("paying");
    });
    assert_eq!(credit.status, CreditStatus::Paid);
    assert_eq!(credit.paid_at.as_deref(), Some(credit.payments[1].at.as_str()), "the payment that completed it");
}

#[test]
fn two_whole_payments_apart_are_both_kept_and_one_is_too_much() {
    let credit = in_every_order(|desk, [_, till, phone]| {
        desk.pay(till, "A1", "100").expect("paying");
        desk.pay(phone, "A1", "100").expect("paying");
    });
    assert_eq!(credit.status, CreditStatus::Paid);
    assert_eq!(
        (credit.paid.as_str(), credit.remaining.as_str(), credit.overpaid.as_str()),
        ("200.00", "0.00", "100.00")
    );
    assert_eq!(credit.paid_at.as_deref(), Some(credit.payments[0].at.as_str()), "the first completed it");
}

#[test]
fn one_payment_reversed_apart_twice_is_reversed_once() {
    let credit = in_every_order(|desk, [office, till, phone]| {
        let payment = desk.pay(office, "A1", "40").expect("paying").payments[0].id.to_string();
        desk.pay(office, "A1", "10").expect("paying");
        desk.meet_all();
        desk.reverse_payment(till, "A1", &payment).expect("reversing");
        desk.reverse_payment(phone, "A1", &payment).expect("reversing");
    });
    assert_eq!(credit.payments.iter().map(|payment| payment.reversed).collect::<Vec<_>>(), [true, false]);
    assert_eq!((credit.paid.as_str(), credit.status), ("10.00", CreditStatus::PartlyPaid));
}

/// F2: here no small integer of one device's own names a credit. Same reference, same SIM, same second: two credits.
#[test]
fn f2_credits_granted_apart_never_overwrite_each_other() {
    let (mut desk, [_, till, phone]) = three();
    let first = desk.grant(till, "B1", "10 USD").expect("granting");
    desk.wait(-1_000);
    let second = desk.grant(phone, "B1", "20 USD").expect("granting");
    assert_ne!(first.id, second.id);
    desk.meet_all();
    desk.assert_one_state();
    for seat in 0..3 {
        assert_eq!(desk.credit(seat, &first.id.to_string()).amount, "10.00");
        assert_eq!(desk.credit(seat, &second.id.to_string()).amount, "20.00");
        assert_eq!(desk.account(seat, Currency::Usd).credits, "130.00");
    }
}

#[test]
fn f6_a_clock_in_the_future_wins_only_what_was_concurrent() {
    let (mut desk, [_, till, phone]) = three();
    desk.set_clock_off(phone, 10 * 365 * 86_400_000);
    desk.edit(phone, "A1", &[Edit::Name("From the future".to_owned())]).expect("editing");
    desk.meet_all();
    desk.edit(till, "A1", &[Edit::Name("Seen and corrected".to_owned())]).expect("editing");
    desk.meet_all();
    desk.assert_one_state();
    for seat in 0..3 {
        assert_eq!(desk.credit(seat, "A1").beneficiary.name, "Seen and corrected");
    }
}

#[test]
fn f6_a_clock_in_the_future_pulls_no_other_clock_along() {
    let (mut desk, [_, till, phone]) = three();
    desk.set_clock_off(phone, 365 * 86_400_000);
    desk.pay(phone, "A1", "1").expect("paying");
    desk.meet(till, phone);
    // Were the till's clock pulled along, its edit would beat the office's, made later by one who never met the phone.
    desk.edit(till, "A1", &[Edit::Notes(Some("earlier".to_owned()))]).expect("editing");
    desk.edit(OFFICE, "A1", &[Edit::Notes(Some("later".to_owned()))]).expect("editing");
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!(desk.credit(till, "A1").notes.as_deref(), Some("later"));
}

#[test]
fn f7_having_met_is_not_a_change() {
    let (mut desk, [_, till, phone]) = three();
    desk.edit(till, "A1", &[Edit::Name("Changed".to_owned())]).expect("editing");
    // The others meet again and again, later than the change, without changing anything.
    for _ in 0..5 {
        desk.wait(60_000);
        desk.meet(OFFICE, phone);
    }
    let entries = desk.status(OFFICE).entries;
    desk.meet_all();
    assert_eq!(desk.status(OFFICE).entries, entries + 1, "meeting writes nothing");
    assert_eq!(desk.credit(phone, "A1").beneficiary.name, "Changed");
}

#[test]
fn of_concurrent_edits_of_one_field_the_newest_stamp_wins() {
    let credit = in_every_order(|desk, [_, till, phone]| {
        desk.edit(phone, "A1", &[Edit::Name("Older".to_owned())]).expect("editing");
        desk.edit(till, "A1", &[Edit::Name("Newer".to_owned())]).expect("editing");
    });
    assert_eq!(credit.beneficiary.name, "Newer");
}

#[test]
fn concurrent_edits_merge_field_by_field() {
    let due = FOUNDED.plus_ms(30 * 86_400_000);
    let credit = in_every_order(|desk, [office, till, phone]| {
        let name = Edit::Name("Espérance".to_owned());
        let (number, address) =
            (Edit::Phone(Some("+243810000001".to_owned())), Edit::Address(Some("Himbi".to_owned())));
        desk.edit(till, "A1", &[name, Edit::Notes(Some("loses".to_owned()))]).expect("editing");
        desk.edit(phone, "A1", &[number, Edit::Notes(Some("wins".to_owned()))]).expect("editing");
        desk.edit(office, "A1", &[address, Edit::DueAt(Some(due))]).expect("editing");
    });
    assert_eq!(credit.beneficiary.name, "Espérance");
    assert_eq!(credit.beneficiary.phone.as_deref(), Some("+243810000001"));
    assert_eq!(credit.beneficiary.address.as_deref(), Some("Himbi"));
    assert_eq!(credit.notes.as_deref(), Some("wins"));
    assert_eq!(credit.due_at, Some(due.to_rfc3339()));
}

#[test]
fn an_edit_that_saw_the_other_replaces_it_whatever_the_clocks() {
    let (mut desk, [_, till, phone]) = three();
    desk.edit(till, "A1", &[Edit::Name("First".to_owned())]).expect("editing");
    desk.meet_all();
    desk.set_clock_off(phone, -3 * 86_400_000);
    desk.edit(phone, "A1", &[Edit::Name("Second, on a slow clock".to_owned())]).expect("editing");
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!(desk.credit(OFFICE, "A1").beneficiary.name, "Second, on a slow clock");
}

#[test]
fn a_cancellation_newer_than_a_concurrent_payment_stands_and_the_payment_is_kept() {
    let credit = in_every_order(|desk, [_, till, phone]| {
        desk.pay(till, "A1", "40").expect("paying");
        desk.cancel(phone, "A1").expect("cancelling");
    });
    assert_eq!((credit.status, credit.paid.as_str()), (CreditStatus::Cancelled, "40.00"));
    assert!(credit.cancelled_at.is_some() && credit.payments.len() == 1);
}

#[test]
fn a_payment_newer_than_a_concurrent_cancellation_stands() {
    let credit = in_every_order(|desk, [_, till, phone]| {
        desk.cancel(phone, "A1").expect("cancelling");
        desk.pay(till, "A1", "40").expect("paying");
    });
    assert_eq!((credit.status, credit.cancelled_at), (CreditStatus::PartlyPaid, None));
}

#[test]
fn of_three_concurrent_statuses_the_newest_stamp_stands() {
    let credit = in_every_order(|desk, [office, till, phone]| {
        desk.pay(office, "A1", "40").expect("paying");
        desk.cancel(phone, "A1").expect("cancelling");
        desk.pay(till, "A1", "60").expect("paying");
    });
    assert_eq!((credit.status, credit.paid.as_str()), (CreditStatus::Paid, "100.00"));
}

#[test]
fn a_cancellation_moves_the_balance_once_whoever_cancels() {
    let credit = in_every_order(|desk, [_, till, phone]| {
        desk.cancel(till, "A1").expect("cancelling");
        desk.cancel(phone, "A1").expect("cancelling");
    });
    assert_eq!(credit.status, CreditStatus::Cancelled);
    let (mut desk, [office, till, phone]) = three();
    assert_eq!(desk.account(office, Currency::Usd).available, "900.00");
    desk.cancel(till, "A1").expect("cancelling");
    desk.cancel(phone, "A1").expect("cancelling");
    desk.meet_all();
    assert_eq!(desk.account(office, Currency::Usd).available, "1000.00");
}

/// 0.10 + 0.20 is not 0.30 in binary floating point; a thousand cents are ten.
#[test]
fn f8_amounts_are_exact() {
    let (mut desk, [_, till, phone]) = three();
    desk.grant(till, "B1", "0.30 USD").expect("granting");
    desk.meet_all();
    desk.pay(till, "B1", "0.10").expect("paying");
    desk.pay(phone, "B1", "0.20").expect("paying");
    desk.meet_all();
    let credit = desk.credit(OFFICE, "B1");
    assert_eq!((credit.status, credit.remaining.as_str()), (CreditStatus::Paid, "0.00"));
    for number in 0..100 {
        desk.grant(OFFICE, &format!("CENT-{number}"), "0.01 USD").expect("granting");
    }
    assert_eq!(desk.account(OFFICE, Currency::Usd).credits, "101.30");
    desk.grant(OFFICE, "BIG", "500000.00 CDF").expect("granting to the last franc");
    assert_eq!(desk.account(OFFICE, Currency::Cdf).available, "0.00");
}

#[test]
fn f9_dollars_and_francs_are_never_added_and_withdrawals_and_deposits_count() {
    let (mut desk, [_, till, phone]) = three();
    desk.hand(OFFICE, till, "2000 CDF");
    desk.grant(till, "FRANCS", "2000 CDF").expect("granting");
    desk.record(till, withdrawal("50 USD")).expect("withdrawing");
    desk.record(phone, deposit("7.50 USD")).expect("depositing");
    desk.record(phone, capture("300 CDF", CaptureState::Validated)).expect("capturing");
    desk.meet_all();
    desk.assert_one_state();
    for seat in 0..3 {
        let usd = desk.account(seat, Currency::Usd);
        assert_eq!(
            [usd.initial, usd.captures, usd.credits, usd.withdrawals, usd.deposits, usd.available],
            ["1000.00", "0.00", "100.00", "50.00", "7.50", "842.50"]
        );
        let cdf = desk.account(seat, Currency::Cdf);
        assert_eq!(
            [cdf.initial, cdf.captures, cdf.credits, cdf.withdrawals, cdf.deposits, cdf.available],
            ["500000.00", "300.00", "2000.00", "0.00", "0.00", "498300.00"]
        );
    }
}

#[test]
fn f11_every_payment_is_kept_with_who_when_and_how_much() {
    let credit = in_every_order(|desk, [office, till, phone]| {
        for (seat, sum) in [(till, "10"), (phone, "20"), (office, "5"), (till, "10")] {
            desk.pay(seat, "A1", sum).expect("paying");
        }
    });
    assert_eq!(sums(&credit.payments), [("10.00", "till"), ("20.00", "phone"), ("5.00", "office"), ("10.00", "till")]);
    let mut times: Vec<&str> = credit.payments.iter().map(|payment| payment.at.as_str()).collect();
    times.dedup();
    assert_eq!(times.len(), 4, "each has its own time");
}

#[test]
fn f14_no_cancellation_once_any_payment_stands() {
    let (mut desk, [_, till, phone]) = three();
    let payment = desk.pay(till, "A1", "0.01").expect("paying").payments[0].id.to_string();
    desk.meet_all();
    for seat in [OFFICE, till, phone] {
        assert_eq!(desk.cancel(seat, "A1").expect_err("a payment stands").code(), "cancel_with_payments");
    }
    desk.reverse_payment(phone, "A1", &payment).expect("reversing");
    assert_eq!(desk.cancel(phone, "A1").expect("no payment stands").status, CreditStatus::Cancelled);
}

#[test]
fn f16_a_cancelled_credit_stays_cancelled_after_any_merge() {
    // What the others do without knowing of the cancellation: nothing, an earlier payment, an edit, another credit.
    let credit = in_every_order(|desk, [office, till, phone]| {
        desk.pay(phone, "A1", "5").expect("paying");
        desk.cancel(till, "A1").expect("cancelling");
        desk.edit(phone, "A1", &[Edit::Name("Later".to_owned())]).expect("editing");
        desk.edit(office, "A1", &[Edit::Notes(Some("later still".to_owned()))]).expect("editing");
    });
    assert_eq!(credit.status, CreditStatus::Cancelled);
    assert_eq!((credit.beneficiary.name.as_str(), credit.notes.as_deref()), ("Later", Some("later still")));
}

#[test]
fn f16_a_device_that_was_away_brings_no_cancelled_credit_back() {
    let (mut desk, [_, till, phone]) = three();
    desk.cancel(till, "A1").expect("cancelling");
    desk.meet(OFFICE, till);
    for _ in 0..3 {
        desk.wait(30 * 86_400_000);
        desk.reopen(phone);
        desk.meet(OFFICE, phone);
        desk.reopen(OFFICE);
        assert_eq!(desk.credit(OFFICE, "A1").status, CreditStatus::Cancelled);
        assert_eq!(desk.credit(phone, "A1").status, CreditStatus::Cancelled);
    }
    assert_eq!(desk.pay(phone, "A1", "1").expect_err("it is cancelled").code(), "credit_cancelled");
}

#[test]
fn one_reference_used_apart_stays_with_the_earlier_and_the_later_is_found_by_its_suffix() {
    let (mut desk, [_, till, phone]) = three();
    let first = desk.grant(till, "same", "10 USD").expect("granting");
    let second = desk.grant(phone, " SAME ", "20 USD").expect("granting");
    desk.meet_all();
    assert_eq!(desk.pay(OFFICE, "SAME", "1").expect("paying").id, first.id);
    let shown = desk.credit(OFFICE, &second.id.to_string()).reference;
    assert!(shown.starts_with("SAME~"), "{shown}");
    assert_eq!(desk.pay(phone, &shown, "2").expect("paying").id, second.id);
    assert_eq!(desk.pay(OFFICE, &first.id.to_string(), "9").expect("paying").status, CreditStatus::Paid);
}

#[test]
fn a_capture_validated_twice_or_taken_back_twice_counts_once() {
    let (mut desk, [office, till, phone]) = three();
    let id = desk.record(till, capture("40 USD", CaptureState::Pending)).expect("recording").id.to_string();
    desk.meet_all();
    let validate = Command::ValidateCapture { movement: id.clone() };
    // Only the device that recorded it may say so (what gives back is done by the device that took).
    for seat in [office, phone] {
        let refusal = desk.command(seat, validate.clone()).expect_err("of another device");
        assert_eq!(refusal.code(), "movement_of_another_device");
    }
    desk.command(till, validate.clone()).expect("validating");
    assert_eq!(desk.command(till, validate).expect_err("done").code(), "capture_not_pending");
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!(desk.account(phone, Currency::Usd).captures, "40.00");
}

#[test]
fn a_withdrawal_reimbursed_apart_twice_is_reimbursed() {
    let (mut desk, [office, till, phone]) = three();
    let id = desk.record(till, withdrawal("40 USD")).expect("recording").id.to_string();
    desk.meet_all();
    for seat in [office, phone] {
        desk.command(seat, Command::Reimburse { movement: id.clone() }).expect("reimbursing");
    }
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!(desk.account(till, Currency::Usd).withdrawals, "40.00", "the float is gone either way");
}

#[test]
fn a_device_that_reads_its_own_shop_only_learns_nothing_of_another() {
    let mut desk = Desk::found();
    desk.add_shop(ShopId(2), "Bukavu");
    desk.add_sim_to(OFFICE, Some(ShopId(2)), "+243990000002", "50", "0");
    let till = desk.join_as(OFFICE, ShopId(2), Role::Device, ReadScope::Own, "bukavu");
    desk.grant(OFFICE, "A1", "100 USD").expect("granting");
    desk.meet_all();
    assert_eq!(desk.status(till).credits, 0);
    assert_eq!(desk.status(OFFICE).shop_digests[&ShopId(2)], desk.status(till).shop_digests[&ShopId(2)]);
    assert_ne!(desk.status(OFFICE).shop_digests[&SHOP], desk.status(till).shop_digests[&SHOP]);
    assert!(desk.verify(till).sound);
}

/// A meeting cut off after every possible number of frames loses nothing: the next one brings the rest.
#[test]
fn a_meeting_cut_off_anywhere_is_made_up_for() {
    for frames in 0..12 {
        let (mut desk, [_, till, phone]) = three();
        desk.pay(till, "A1", "30").expect("paying");
        desk.record(till, deposit("3 USD")).expect("depositing");
        desk.pay(phone, "A1", "20").expect("paying");
        desk.meet_for(till, phone, frames);
        desk.reopen(till);
        desk.meet_all();
        desk.assert_one_state();
        assert_eq!(desk.credit(OFFICE, "A1").paid, "50.00", "after {frames} frames");
    }
}
