//! References given twice apart: unique on screen, found by every name they ever had (`domain`, rule 5).

use ucash::ledger::Refusal;
use ucash::model::{ConflictKind, Decision, Outcome, Reference};

use super::{agreed, apart, only, resolve};
use crate::seats::{Desk, OFFICE, SHOP};

/// Two credits granted under one reference apart: the phone's first.
fn twice() -> (Desk, usize) {
    let (mut desk, phone) = apart();
    desk.grant(phone, "CRED-001", "10 USD").expect("granted");
    desk.grant(OFFICE, "CRED-001", "20 USD").expect("granted");
    (desk, phone)
}

#[test]
fn the_earlier_keeps_the_reference_and_the_later_has_the_same_suffix_everywhere() {
    let (mut desk, phone) = twice();
    let found = only(&mut desk, ConflictKind::SameReference);
    assert_eq!(
        (found.devices.as_slice(), found.conflict.outcome),
        (["phone".to_owned(), "office".to_owned()].as_slice(), Outcome::Suffixed)
    );
    for seat in [OFFICE, phone] {
        assert_eq!(desk.credit(seat, "CRED-001").amount, "10.00", "the earlier's name is plain");
        let later = desk.credit(seat, &found.conflict.credit.expect("the later").to_string());
        assert!(later.reference.starts_with("CRED-001~") && later.reference.len() == "CRED-001~".len() + 2);
        assert_eq!(desk.credit(seat, &later.reference), later, "found as it is shown");
        assert_eq!(desk.credit(seat, &later.reference.to_lowercase()), later);
        assert_eq!(later.conflicts, [found.conflict.id.to_string()]);
    }
}

#[test]
fn a_renumbered_credit_is_found_by_every_name_it_had_and_none_is_free_again() {
    let (mut desk, phone) = twice();
    let found = only(&mut desk, ConflictKind::SameReference);
    let shown = desk.credit(OFFICE, &found.conflict.credit.expect("the later").to_string()).reference;
    let taken = Decision::Renumber(Reference::new("C").expect("a reference"));
    let refused = resolve(&mut desk, phone, &found.conflict, taken);
    assert!(matches!(refused, Err(Refusal::ReferenceTaken { .. })), "{refused:?}");
    let free = Decision::Renumber(Reference::new("CRED-002").expect("a reference"));
    resolve(&mut desk, phone, &found.conflict, free).expect("renumbered");
    let after = only(&mut desk, ConflictKind::SameReference);
    assert_eq!((after.conflict.id, after.conflict.outcome), (found.conflict.id, Outcome::Renumbered));
    assert!(after.handled.is_some());
    for seat in [OFFICE, phone] {
        assert_eq!(desk.credit(seat, "CRED-002").amount, "20.00");
        assert_eq!(desk.credit(seat, &shown).reference, "CRED-002", "by the suffix it was shown under");
        assert_eq!(desk.credit(seat, "CRED-001").amount, "10.00");
        for reference in ["CRED-001", "CRED-002"] {
            let again = desk.grant(seat, reference, "1 USD");
            assert!(matches!(again, Err(Refusal::ReferenceTaken { .. })), "{again:?}");
        }
    }
}

#[test]
fn of_three_credits_the_latest_that_still_bears_the_reference_is_to_be_renumbered() {
    let (mut desk, phone) = apart();
    let tablet = desk.join(SHOP, "tablet");
    desk.meet_all();
    desk.hand(OFFICE, tablet, "50 USD");
    desk.meet_all();
    for (seat, sum) in [(phone, "10 USD"), (tablet, "20 USD"), (OFFICE, "30 USD")] {
        desk.grant(seat, "CRED-001", sum).expect("granted");
    }
    let mut renumbered = |number: &str, left: Outcome| {
        let found = only(&mut desk, ConflictKind::SameReference).conflict;
        let credit = found.credit.expect("one of them").to_string();
        let free = Decision::Renumber(Reference::new(number).expect("a reference"));
        resolve(&mut desk, phone, &found, free).expect("renumbered");
        assert_eq!(only(&mut desk, ConflictKind::SameReference).conflict.outcome, left);
        desk.credit(OFFICE, &credit)
    };
    let last = renumbered("CRED-002", Outcome::Suffixed);
    assert_eq!((last.reference.as_str(), last.amount.as_str()), ("CRED-002", "30.00"));
    let middle = renumbered("CRED-003", Outcome::Renumbered);
    assert_eq!((middle.reference.as_str(), middle.amount.as_str()), ("CRED-003", "20.00"), "not the last once more");
    let after = only(&mut desk, ConflictKind::SameReference).conflict;
    assert_eq!(after.credit, Some(last.id), "nothing is left to renumber");
}

#[test]
fn renumbered_apart_to_different_numbers_is_a_conflict_of_its_own() {
    let (mut desk, phone) = twice();
    let found = only(&mut desk, ConflictKind::SameReference);
    let number = |text: &str| Decision::Renumber(Reference::new(text).expect("a reference"));
    resolve(&mut desk, phone, &found.conflict, number("N1")).expect("renumbered");
    resolve(&mut desk, OFFICE, &found.conflict, number("N2")).expect("renumbered");
    let all = agreed(&mut desk);
    let edit = all.iter().find(|one| one.conflict.kind == ConflictKind::ConcurrentEdit).expect("two numbers");
    assert_eq!(edit.conflict.outcome, Outcome::Stands(2));
    let credit = found.conflict.credit.expect("the later").to_string();
    for name in ["N1", "N2", &credit] {
        assert_eq!(desk.credit(phone, name).reference, "N2", "the newest, found by both");
    }
}

#[test]
fn two_shops_may_use_one_reference() {
    let (mut desk, _) = apart();
    let south = ucash::model::ShopId(2);
    desk.add_shop(south, "Bukavu");
    let other = desk.join(south, "south");
    desk.meet_all();
    desk.add_sim_to(other, None, "+243990000002", "50", "0");
    desk.grant(OFFICE, "SAME", "1 USD").expect("granted");
    let request = ucash::replica::GrantRequest {
        sim: crate::seats::sim_number("+243990000002"),
        ..crate::seats::grant_request("SAME", "2 USD")
    };
    desk.command(other, ucash::replica::Command::Grant(request)).expect("granted");
    assert!(agreed(&mut desk).is_empty(), "clashes between shops rename nothing");
}
