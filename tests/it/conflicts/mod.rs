//! Conflicts (`domain`, rules 3 to 5): found alike on every device, whatever came first, and dealt with by people.

mod decisions;
mod references;
mod statuses;
mod told;

use ucash::model::{Conflict, ConflictKind, Decision};
use ucash::replica::{Answer, Command, ConflictFilter, ConflictView, Query};

use crate::seats::{Answered, Desk, OFFICE, SHOP};

/// Two devices of one shop, with a credit `C` of 100 USD, that do not see each other.
pub fn apart() -> (Desk, usize) {
    let mut desk = Desk::found();
    let phone = desk.join(SHOP, "phone");
    desk.grant(OFFICE, "C", "100 USD").expect("granted");
    desk.hand(OFFICE, phone, "200 USD");
    desk.meet_all();
    (desk, phone)
}

pub fn listed(desk: &mut Desk, seat: usize) -> Vec<ConflictView> {
    let filter = ConflictFilter { limit: 1_000, ..ConflictFilter::default() };
    match desk.query(seat, Query::Conflicts(filter)) {
        Ok(Answer::Conflicts(page)) => page.items,
        other => panic!("expected conflicts, got {other:?}"),
    }
}

/// What both list after they met, which is the same.
pub fn agreed(desk: &mut Desk) -> Vec<ConflictView> {
    desk.meet_all();
    desk.assert_one_state();
    let first = listed(desk, OFFICE);
    for seat in 1..desk.seats() {
        assert_eq!(listed(desk, seat), first, "seat {seat} lists the same");
    }
    for seat in 0..desk.seats() {
        let open = first.iter().filter(|one| one.handled.is_none()).count() as u64;
        assert_eq!(desk.status(seat).conflicts_open, open, "and counts the same");
        desk.reopen(seat);
        assert_eq!(listed(desk, seat), first, "and still when it is started again");
    }
    first
}

/// The only conflict that both list.
pub fn only(desk: &mut Desk, kind: ConflictKind) -> ConflictView {
    let all = agreed(desk);
    let [one] = all.as_slice() else { panic!("expected one conflict, got {all:#?}") };
    assert_eq!(one.conflict.kind, kind);
    one.clone()
}

pub fn resolve(desk: &mut Desk, seat: usize, conflict: &Conflict, decision: Decision) -> Answered {
    let conflict = conflict.id.to_string();
    let (why, agent) = ("seen with the client".to_owned(), Some("amani".to_owned()));
    desk.command(seat, Command::Resolve { conflict, decision, why, agent })
}
