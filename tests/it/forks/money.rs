//! What both sequels did with money counts, once.

use ucash::model::{CaptureState, ConflictKind};
use ucash::money::Currency;

use super::{copied, forks, meet_apart};
use crate::closings::{BUKAVU, assert_agree, shares};
use crate::seats::{Desk, OFFICE, amount, capture, withdrawal};
use crate::shares::sums;

/// Every seat's shares, gifts on their way and amounts on their way back add up to its balance.
pub fn assert_sums(desk: &Desk) {
    for (seat, sum, available) in sums(desk) {
        assert_eq!(sum, available, "seat {seat}: held, given and coming back; and the balance");
    }
}

/// What the branches of the till's first life hold together, in cents, as that seat has it.
fn held_by(desk: &Desk, seat: usize, device: usize) -> i128 {
    let book = desk.replica(seat).book();
    let sim = crate::seats::sim_number(crate::seats::SIM);
    let held = book.holdings(BUKAVU, &sim, Currency::Usd);
    held.iter().filter(|one| one.holder.device == desk.device(device)).map(|one| one.share.cents()).sum()
}

fn overdrawn(desk: &Desk, seat: usize) -> usize {
    desk.replica(seat).conflicts().values().filter(|conflict| conflict.kind == ConflictKind::Overdrawn).count()
}

#[test]
fn grants_of_both_sequels_within_what_was_held_leave_the_rest() {
    let (mut desk, [keeper, till, phone, copy]) = copied();
    desk.grant(till, "A1", "100 USD").expect("covered");
    desk.grant(copy, "B1", "150 USD").expect("covered");
    desk.record(copy, capture("20 USD", CaptureState::Validated)).expect("captured");
    meet_apart(&mut desk, &[keeper, phone], &[till, copy]);
    assert_agree(&mut desk, &[keeper, till, phone, copy]);
    assert_sums(&desk);
    for seat in [keeper, till, phone, copy] {
        assert_eq!(desk.account(seat, Currency::Usd).available, "770.00");
        assert_eq!((held_by(&desk, seat, till), overdrawn(&desk, seat)), (7_000, 0), "300 - 100 - 150 + 20");
    }
    assert_eq!(shares(&mut desk, &[till, copy]), ["0.00", "0.00"], "both go on as other lives, without a share");
}

#[test]
fn the_same_share_spent_twice_is_listed_as_overdrawn() {
    let (mut desk, [keeper, till, phone, copy]) = copied();
    desk.grant(till, "A1", "250 USD").expect("covered");
    desk.grant(copy, "B1", "280 USD").expect("covered");
    meet_apart(&mut desk, &[keeper, phone], &[till, copy]);
    let seats = [keeper, till, phone, copy];
    assert_agree(&mut desk, &seats);
    assert_sums(&desk);
    for seat in seats {
        assert_eq!(desk.account(seat, Currency::Usd).available, "470.00");
        assert_eq!((held_by(&desk, seat, till), overdrawn(&desk, seat)), (-23_000, 1), "300 - 250 - 280");
    }
}

#[test]
fn what_is_done_by_right_counts_once_though_both_sequels_did_it() {
    let (mut desk, [keeper, till, phone]) = crate::closings::shop();
    desk.grant(till, "OLD", "40 USD").expect("covered");
    let moved = desk.record(till, withdrawal("30 USD")).expect("recorded").id.to_string();
    let waiting = desk.record(till, capture("60 USD", CaptureState::Pending)).expect("recorded").id.to_string();
    desk.meet_all();
    let image = desk.image(till);
    let copy = desk.seat_copy(till, image);
    desk.give(phone, till, "50 USD").expect("giving to the life that both are");
    for seat in [till, copy] {
        desk.cancel(seat, "OLD").expect("cancelling");
        desk.give_back(seat, "OLD").expect("returning");
        desk.undo(seat, &moved).expect("taken back");
        let validate = ucash::replica::Command::ValidateCapture { movement: waiting.clone() };
        desk.command(seat, validate).expect("validated");
        desk.meet(phone, seat);
    }
    meet_apart(&mut desk, &[keeper, phone], &[till, copy]);
    let seats = [keeper, till, phone, copy];
    assert_agree(&mut desk, &seats);
    assert_sums(&desk);
    for seat in seats {
        assert_eq!(desk.account(seat, Currency::Usd).available, "1060.00");
        assert_eq!((held_by(&desk, seat, till), overdrawn(&desk, seat)), (41_000, 0), "300 + 60 captured + 50 given");
    }
}

#[test]
fn the_keeper_closes_both_sequels_and_one_successor_takes_over_both() {
    for (first, second) in [("250 USD", "100 USD"), ("100 USD", "120 USD")] {
        let (mut desk, [keeper, till, phone, copy]) = copied();
        desk.grant(till, "A1", first).expect("covered");
        desk.grant(copy, "B1", second).expect("covered");
        desk.give(copy, phone, "50 USD").expect("covered");
        meet_apart(&mut desk, &[OFFICE, keeper, phone], &[till, copy]);
        desk.close(keeper, till, None, true).expect("closing");
        meet_apart(&mut desk, &[OFFICE, keeper, phone], &[till, copy]);
        let seats = [OFFICE, keeper, till, phone, copy];
        assert_agree(&mut desk, &seats);
        assert_sums(&desk);
        let ends = desk.replica(phone).book().closings().ends(BUKAVU).count();
        assert_eq!(ends, 2, "both sequels of the first life");
        for seat in seats {
            assert_eq!(held_by(&desk, seat, till), 0, "taken over");
            assert_eq!(forks(&desk, seat).len(), 1);
        }
        let left = amount("300 USD").cents() - amount(first).cents() - amount(second).cents() - 5_000;
        let keepers = held_by(&desk, phone, keeper);
        assert_eq!(keepers, 50_000 + left);
        assert_eq!(overdrawn(&desk, phone), usize::from(keepers < 0));
        assert_eq!(shares(&mut desk, &[phone]), ["250.00"], "its gift was covered in its own sequel");
    }
}

#[test]
fn what_a_closed_log_did_beyond_its_end_keeps_nobody_from_doing_it_by_right() {
    let (mut desk, [keeper, till, phone]) = crate::closings::shop();
    desk.grant(till, "OLD", "40 USD").expect("covered");
    desk.meet_all();
    let image = desk.image(phone);
    let copy = desk.seat_copy(phone, image);
    desk.grant(phone, "A1", "10 USD").expect("covered");
    desk.grant(copy, "B1", "20 USD").expect("covered");
    desk.cancel(keeper, "OLD").expect("cancelling");
    desk.close(keeper, till, None, true).expect("closing");
    // The till knows nothing of that, and gives the amount back where nothing counts any more.
    desk.cancel(till, "OLD").expect("cancelling");
    desk.give_back(till, "OLD").expect("returning");
    meet_apart(&mut desk, &[OFFICE, keeper, till], &[phone, copy]);
    let is_returned =
        |desk: &Desk, seat: usize| desk.replica(seat).book().credits().any(|one| one.returned_at.is_some());
    if !is_returned(&desk, keeper) {
        desk.give_back(keeper, "OLD").expect("the successor's to return");
    }
    meet_apart(&mut desk, &[OFFICE, keeper, till], &[phone, copy]);
    let seats = [OFFICE, keeper, till, phone, copy];
    assert_agree(&mut desk, &seats);
    assert_sums(&desk);
    for seat in seats {
        assert!(is_returned(&desk, seat), "seat {seat}");
        assert_eq!(held_by(&desk, seat, keeper), 80_000, "its 500 and the till's 300: the 40 came back");
    }
}
