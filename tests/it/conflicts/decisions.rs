//! What a person decides about a conflict: done by operations that merge like all others.

use ucash::ledger::Refusal;
use ucash::model::{ConflictKind, CreditStatus, Decision, Edit, Outcome};

use super::{apart, only, resolve};
use crate::seats::{OFFICE, amount};

#[test]
fn too_much_is_given_back_once_whoever_decides_it_apart() {
    let (mut desk, phone) = apart();
    desk.pay(OFFICE, "C", "60").expect("paid");
    desk.pay(phone, "C", "60").expect("paid");
    let found = only(&mut desk, ConflictKind::Overpaid);
    assert_eq!(found.decisions, ["handled", "give_back"]);
    resolve(&mut desk, phone, &found.conflict, Decision::GiveBack).expect("given back");
    resolve(&mut desk, OFFICE, &found.conflict, Decision::GiveBack).expect("given back");
    let after = only(&mut desk, ConflictKind::Overpaid);
    assert_eq!(after.conflict.outcome, Outcome::Overpaid(amount("0 USD")));
    let handled = after.handled.expect("dealt with");
    assert_eq!((handled.device.as_str(), handled.decision.as_str()), ("office", "give_back"), "the newer is shown");
    let credit = desk.credit(phone, "C");
    assert_eq!((credit.paid.as_str(), credit.overpaid.as_str(), credit.status), ("100.00", "0.00", CreditStatus::Paid));
    assert_eq!(desk.status(OFFICE).conflicts_open, 0);
}

#[test]
fn cash_of_a_cancelled_credit_is_given_back_and_it_stays_cancelled() {
    let (mut desk, phone) = apart();
    desk.pay(phone, "C", "40").expect("paid");
    desk.cancel(OFFICE, "C").expect("cancelled");
    let found = only(&mut desk, ConflictKind::PaidCancelled);
    resolve(&mut desk, phone, &found.conflict, Decision::GiveBack).expect("given back");
    let after = only(&mut desk, ConflictKind::PaidCancelled);
    assert!(after.handled.is_some());
    let credit = desk.credit(OFFICE, "C");
    assert_eq!((credit.status, credit.paid.as_str()), (CreditStatus::Cancelled, "0.00"));
}

#[test]
fn a_cancellation_is_taken_back_while_its_amount_is_on_its_way() {
    let (mut desk, phone) = apart();
    desk.pay(phone, "C", "40").expect("paid");
    desk.cancel(OFFICE, "C").expect("cancelled");
    // The two meet without the sighting upon which the granter would give the amount back.
    desk.meet_for(OFFICE, phone, 12);
    let found = super::listed(&mut desk, phone);
    let [found] = found.as_slice() else { panic!("expected one, got {found:#?}") };
    assert!(found.decisions.contains(&"reinstate".to_owned()), "{found:?}");
    resolve(&mut desk, phone, &found.conflict, Decision::Reinstate).expect("reinstated");
    let credit = desk.credit(phone, "C");
    assert_eq!((credit.status, credit.paid.as_str()), (CreditStatus::PartlyPaid, "40.00"));
}

#[test]
fn the_other_value_of_a_field_is_taken() {
    let (mut desk, phone) = apart();
    desk.edit(phone, "C", &[Edit::Name("Bahati".to_owned())]).expect("edited");
    desk.edit(OFFICE, "C", &[Edit::Name("Furaha".to_owned())]).expect("edited");
    let found = only(&mut desk, ConflictKind::ConcurrentEdit);
    let refused = resolve(&mut desk, phone, &found.conflict, Decision::Take(3));
    assert_eq!(
        refused,
        Err(Refusal::DecisionNotOpen {
            decision: "take=3".to_owned(),
            open: vec!["take=1".to_owned(), "take=2".to_owned()]
        })
    );
    resolve(&mut desk, phone, &found.conflict, Decision::Take(1)).expect("taken");
    let after = only(&mut desk, ConflictKind::ConcurrentEdit);
    assert_eq!((after.conflict.id, after.conflict.outcome), (found.conflict.id, Outcome::Stands(1)));
    assert_eq!(desk.credit(OFFICE, "C").beneficiary.name, "Bahati");
}

#[test]
fn what_cannot_be_decided_is_refused_and_changes_nothing() {
    let (mut desk, phone) = apart();
    desk.pay(OFFICE, "C", "100").expect("paid");
    desk.pay(phone, "C", "30").expect("paid");
    let found = only(&mut desk, ConflictKind::Overpaid);
    let before = desk.digest(phone);
    let closed = [
        Decision::Reinstate,
        Decision::Cancel,
        Decision::Take(1),
        Decision::Renumber(ucash::model::Reference::new("X").expect("a reference")),
    ];
    for decision in closed {
        let word = decision.word().to_owned();
        let refused = resolve(&mut desk, phone, &found.conflict, decision);
        let open = vec!["handled".to_owned(), "give_back".to_owned()];
        assert_eq!(refused, Err(Refusal::DecisionNotOpen { decision: word, open }));
    }
    let unknown = ucash::model::Conflict { id: ucash::model::ConflictId([1; 10]), ..found.conflict };
    let refused = resolve(&mut desk, phone, &unknown, Decision::Handled);
    assert_eq!(refused, Err(Refusal::UnknownConflict { key: unknown.id.to_string() }));
    assert_eq!(desk.digest(phone), before);
}
