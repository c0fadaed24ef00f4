//! Statuses and fields that devices apart gave different values: who wins, and that the loser is not forgotten.

use ucash::model::{ClashValue, ConflictKind, CreditStatus, Edit, Outcome, SideValue};

use super::{agreed, apart, only};
use crate::seats::{Desk, OFFICE, SHOP, amount};

fn did(conflict: &ucash::model::Conflict) -> Vec<&ClashValue> {
    let values = conflict.sides.iter().map(|side| match &side.value {
        SideValue::Did(value) => value,
        other => panic!("expected something done, got {other:?}"),
    });
    values.collect()
}

#[test]
fn a_payment_later_than_a_cancellation_made_apart_lets_the_credit_go_on() {
    let (mut desk, phone) = apart();
    desk.cancel(OFFICE, "C").expect("cancelled");
    desk.pay(phone, "C", "40").expect("paid");
    let found = only(&mut desk, ConflictKind::ConcurrentStatus);
    assert_eq!(did(&found.conflict), [&ClashValue::Cancelled, &ClashValue::Paid(amount("40 USD"))]);
    assert_eq!(found.devices, ["office", "phone"]);
    assert_eq!(found.conflict.outcome, Outcome::GoesOn);
    let credit = desk.credit(OFFICE, "C");
    assert_eq!((credit.status, credit.paid.as_str()), (CreditStatus::PartlyPaid, "40.00"));
    assert_eq!(credit.conflicts, [found.conflict.id.to_string()]);
}

#[test]
fn a_cancellation_later_than_a_payment_made_apart_stands_and_the_cash_stays_recorded() {
    let (mut desk, phone) = apart();
    desk.pay(phone, "C", "40").expect("paid");
    desk.cancel(OFFICE, "C").expect("cancelled");
    let found = only(&mut desk, ConflictKind::PaidCancelled);
    assert_eq!(did(&found.conflict), [&ClashValue::Paid(amount("40 USD")), &ClashValue::Cancelled]);
    let Outcome::Cancelled { received, .. } = found.conflict.outcome else { panic!("{:?}", found.conflict.outcome) };
    assert_eq!(received, amount("40 USD"));
    let credit = desk.credit(phone, "C");
    assert_eq!((credit.status, credit.paid.as_str()), (CreditStatus::Cancelled, "40.00"));
}

#[test]
fn payments_reversals_and_cancellations_that_agree_are_no_conflict() {
    let (mut desk, phone) = apart();
    desk.pay(OFFICE, "C", "30").expect("paid");
    desk.pay(phone, "C", "30").expect("paid");
    assert!(agreed(&mut desk).is_empty(), "sums add");
    let payment = desk.credit(OFFICE, "C").payments[0].id.to_string();
    desk.reverse_payment(OFFICE, "C", &payment).expect("reversed");
    desk.pay(phone, "C", "20").expect("paid");
    assert!(agreed(&mut desk).is_empty(), "a reversal does not compete with a payment");
    desk.grant(OFFICE, "D", "10 USD").expect("granted");
    desk.meet_all();
    desk.cancel(OFFICE, "D").expect("cancelled");
    desk.cancel(phone, "D").expect("cancelled");
    assert!(agreed(&mut desk).is_empty(), "both say the same");
}

#[test]
fn what_was_done_knowingly_is_no_conflict() {
    let (mut desk, phone) = apart();
    desk.pay(phone, "C", "40").expect("paid");
    desk.meet_all();
    let payment = desk.credit(OFFICE, "C").payments[0].id.to_string();
    desk.reverse_payment(OFFICE, "C", &payment).expect("reversed");
    desk.cancel(OFFICE, "C").expect("cancelled");
    assert!(agreed(&mut desk).is_empty());
}

#[test]
fn f14_a_clash_of_three_devices_is_one_conflict_whatever_the_order_of_meeting() {
    for order in [[(0, 1), (1, 2), (0, 2)], [(1, 2), (0, 2), (0, 1)], [(0, 2), (0, 1), (1, 2)]] {
        let (mut desk, phone) = apart();
        let tablet = desk.join(SHOP, "tablet");
        desk.meet_all();
        desk.pay(phone, "C", "40").expect("paid");
        desk.cancel(OFFICE, "C").expect("cancelled");
        desk.pay(tablet, "C", "10").expect("paid");
        for (left, right) in order {
            desk.meet(left, right);
        }
        let found = only(&mut desk, ConflictKind::ConcurrentStatus);
        assert_eq!(found.devices, ["phone", "office", "tablet"]);
        assert_eq!(desk.credit(OFFICE, "C").paid, "50.00");
    }
}

#[test]
fn a_conflict_is_history_whatever_is_written_later() {
    let (mut desk, phone) = apart();
    desk.cancel(OFFICE, "C").expect("cancelled");
    desk.pay(phone, "C", "40").expect("paid");
    let before = only(&mut desk, ConflictKind::ConcurrentStatus);
    desk.pay(OFFICE, "C", "60").expect("paid");
    let after = only(&mut desk, ConflictKind::ConcurrentStatus);
    assert_eq!(after.conflict.id, before.conflict.id);
}

#[test]
fn f11_overpaid_apart_counts_every_payment_and_is_listed() {
    let (mut desk, phone) = apart();
    desk.pay(OFFICE, "C", "100").expect("paid");
    desk.pay(phone, "C", "30").expect("paid");
    let found = only(&mut desk, ConflictKind::Overpaid);
    assert_eq!(found.conflict.outcome, Outcome::Overpaid(amount("30 USD")));
    let credit = desk.credit(phone, "C");
    assert_eq!(
        (credit.paid.as_str(), credit.overpaid.as_str(), credit.status),
        ("130.00", "30.00", CreditStatus::Paid)
    );
}

#[test]
fn a_field_edited_apart_takes_the_newest_value_and_names_the_other() {
    let (mut desk, phone) = apart();
    desk.edit(phone, "C", &[Edit::Name("Bahati".to_owned()), Edit::Notes(Some("one".to_owned()))]).expect("edited");
    desk.edit(OFFICE, "C", &[Edit::Name("Furaha".to_owned())]).expect("edited");
    let found = only(&mut desk, ConflictKind::ConcurrentEdit);
    assert_eq!(found.conflict.outcome, Outcome::Stands(2));
    assert_eq!(found.devices, ["phone", "office"]);
    let credit = desk.credit(OFFICE, "C");
    assert_eq!((credit.beneficiary.name.as_str(), credit.notes.as_deref()), ("Furaha", Some("one")));
}

#[test]
fn the_same_value_given_apart_is_no_conflict() {
    let (mut desk, phone) = apart();
    desk.edit(phone, "C", &[Edit::Name("Bahati".to_owned())]).expect("edited");
    desk.edit(OFFICE, "C", &[Edit::Name("Bahati".to_owned())]).expect("edited");
    assert!(agreed(&mut desk).is_empty());
}

#[test]
fn one_operators_reference_on_two_captures_is_a_possible_duplicate() {
    use ucash::model::{CaptureState, MovementKind};
    let (mut desk, phone) = apart();
    let sms = |desk: &mut Desk, seat, reference: &str| {
        let MovementKind::Capture(mut capture) = crate::seats::capture("25 USD", CaptureState::Validated) else {
            panic!("a capture");
        };
        capture.reference = Some(reference.to_owned());
        desk.record(seat, MovementKind::Capture(capture)).expect("recorded")
    };
    sms(&mut desk, OFFICE, "PP250601.1");
    let second = sms(&mut desk, phone, "pp250601.1 ");
    sms(&mut desk, phone, "PP250601.2");
    let found = only(&mut desk, ConflictKind::PossibleDuplicate);
    assert_eq!((found.devices.len(), found.conflict.outcome), (2, Outcome::AllCount));
    desk.undo(phone, &second.id.to_string()).expect("reversed by who recorded it");
    assert!(agreed(&mut desk).is_empty(), "one is left");
}
