//! Who looks at a node is told which conflicts to look at again: when one comes up, changes, is dealt with, or goes.

use std::collections::BTreeSet;

use ucash::model::{ConflictId, ConflictKind, Decision};
use ucash::replica::Change;

use super::{apart, listed, only, resolve};
use crate::seats::{Desk, OFFICE, SHOP};

/// The conflicts that a seat was told of since this was last asked.
fn told(desk: &mut Desk, seat: usize) -> BTreeSet<ConflictId> {
    let changes = std::mem::take(&mut desk.changes);
    let (own, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(|(of, _)| *of == seat);
    desk.changes = others;
    let ids = own.into_iter().filter_map(|(_, change)| match change {
        Change::Conflict { shop, id } => {
            assert_eq!(shop, SHOP);
            Some(id)
        }
        _ => None,
    });
    ids.collect()
}

#[test]
fn every_device_hears_of_a_conflict_that_comes_up_and_is_dealt_with() {
    let (mut desk, phone) = apart();
    desk.pay(OFFICE, "C", "60").expect("paid");
    desk.pay(phone, "C", "60").expect("paid");
    assert!(told(&mut desk, OFFICE).is_empty() && told(&mut desk, phone).is_empty(), "apart there is none");
    let found = only(&mut desk, ConflictKind::Overpaid).conflict;
    let own = BTreeSet::from([found.id]);
    assert_eq!((told(&mut desk, OFFICE), told(&mut desk, phone)), (own.clone(), own.clone()), "it came up");

    desk.grant(OFFICE, "D", "10 USD").expect("granted");
    desk.meet_all();
    assert!(told(&mut desk, OFFICE).is_empty() && told(&mut desk, phone).is_empty(), "another credit changes nothing");

    desk.reopen(phone);
    resolve(&mut desk, phone, &found, Decision::Handled).expect("dealt with");
    assert_eq!(told(&mut desk, phone), own, "by whom it was dealt with, also after a start");
    desk.meet_all();
    assert_eq!(told(&mut desk, OFFICE), own, "and by the others");
}

#[test]
fn a_conflict_that_changes_or_goes_is_named_too() {
    let (mut desk, phone) = apart();
    desk.pay(OFFICE, "C", "60").expect("paid");
    desk.pay(phone, "C", "60").expect("paid");
    let found = only(&mut desk, ConflictKind::Overpaid).conflict;
    told(&mut desk, phone);
    // Some of what is too much is taken back, then all.
    desk.pay(phone, "C", "1").expect_err("nothing remains");
    assert!(told(&mut desk, phone).is_empty(), "what is refused changes nothing");
    let payment = desk.credit(phone, "C").payments[0].id.to_string();
    desk.reverse_payment(phone, "C", &payment).expect("reversed");
    assert_eq!(listed(&mut desk, phone), [], "it is none any more");
    assert_eq!(told(&mut desk, phone), BTreeSet::from([found.id]));
    desk.meet_all();
    assert!(told(&mut desk, OFFICE).contains(&found.id));
}
