//! What a lost device did beyond the end that was put to its log: without effect but for payments; and what may follow
//! when a person insisted.

use ucash::model::{CreditStatus, Edit};
use ucash::money::Currency;

use super::{assert_agree, available, meet_among, shares, shop};
use crate::seats::{Desk, OFFICE, deposit, withdrawal};
use crate::shares::{assert_adds_up, code};

#[test]
fn beyond_the_end_only_payments_count() {
    let (mut desk, [keeper, till, phone]) = shop();
    for reference in ["PAY", "EDIT", "CANCEL"] {
        desk.grant(keeper, reference, "50 USD").expect("granting");
    }
    desk.meet_all();
    desk.close(keeper, till, None, false).expect("stopping");
    meet_among(&mut desk, &[OFFICE, keeper, phone]);
    // The till does not know, and works on.
    desk.pay(till, "PAY", "30").expect("paying");
    desk.edit(till, "EDIT", &[Edit::Name("Beyond".to_owned())]).expect("editing");
    desk.cancel(till, "CANCEL").expect("cancelling");
    desk.grant(till, "GRANT", "40 USD").expect("granting");
    desk.record(till, withdrawal("10 USD")).expect("withdrawing");
    desk.record(till, deposit("10 USD")).expect("depositing");
    desk.give(till, phone, "60 USD").expect("giving");
    desk.add_sim(till, "0990000055", "5", "0");
    desk.meet_all();
    let all = [OFFICE, keeper, till, phone];
    assert_agree(&mut desk, &all);
    for seat in all {
        let credit = desk.credit(seat, "PAY");
        assert_eq!((credit.status, credit.paid.as_str()), (CreditStatus::PartlyPaid, "30.00"), "money was received");
        assert_eq!(desk.credit(seat, "EDIT").beneficiary.name, "Amani Mumbere");
        assert_eq!(desk.credit(seat, "CANCEL").status, CreditStatus::Granted);
        let account = desk.account(seat, Currency::Usd);
        let sums = [&account.credits, &account.withdrawals, &account.deposits, &account.available];
        assert_eq!(sums.map(String::as_str), ["150.00", "0.00", "0.00", "850.00"]);
    }
    assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["650.00", "0.00", "200.00"]);
    assert_adds_up(&desk);
}

#[test]
fn after_its_promise_a_device_takes_nothing_more_from_the_stopped_log() {
    let (mut desk, [keeper, till, phone]) = shop();
    desk.close(keeper, till, None, false).expect("stopping");
    // The phone promises, and the keeper does not hear of it.
    desk.connect(keeper, phone);
    desk.carry();
    desk.part(keeper, phone);
    desk.give(till, phone, "60 USD").expect("not knowing");
    desk.meet(till, phone);
    assert_eq!(desk.share(phone), "200.00", "the gift came too late");
    desk.meet_all();
    assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["800.00", "0.00", "200.00"]);
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
    assert_adds_up(&desk);
}

#[test]
fn what_was_given_and_taken_before_anyone_promised_counts() {
    let (mut desk, [keeper, till, phone]) = shop();
    desk.give(till, phone, "60 USD").expect("giving");
    desk.meet(till, phone);
    desk.close(keeper, till, None, false).expect("stopping");
    meet_among(&mut desk, &[keeper, phone]);
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["740.00", "260.00"]);
    assert_agree(&mut desk, &[keeper, phone]);
    assert_adds_up(&desk);
}

/// The till gave the phone 60 that the phone took, which the keeper did not know when it insisted.
fn insisted() -> (Desk, [usize; 3]) {
    let (mut desk, seats @ [keeper, till, phone]) = shop();
    desk.grant(till, "KNOWN", "10 USD").expect("granting");
    desk.meet(keeper, till);
    desk.give(till, phone, "60 USD").expect("giving");
    desk.grant(till, "UNKNOWN", "40 USD").expect("granting");
    desk.meet(till, phone);
    let view = desk.close(keeper, till, None, true).expect("closing");
    assert!(view.insisted);
    assert_eq!(desk.share(keeper), "790.00");
    (desk, seats)
}

#[test]
fn a_gift_from_beyond_an_end_insisted_on_counts_and_the_successor_bears_it() {
    let (mut desk, [keeper, till, phone]) = insisted();
    meet_among(&mut desk, &[OFFICE, keeper, phone]);
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["730.00", "260.00"]);
    assert_eq!(available(&mut desk, keeper), "990.00", "the unknown credit is without effect");
    assert_adds_up(&desk);
    desk.meet_all();
    assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["730.00", "0.00", "260.00"], "borne once");
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
    assert_eq!(desk.replica(keeper).book().overdrawn(), []);
    assert_adds_up(&desk);
}

#[test]
fn a_successor_that_has_spent_it_goes_below_zero_spends_nothing_and_receives_to_cover_it() {
    let (mut desk, [keeper, till, phone]) = insisted();
    desk.grant(keeper, "ALL", "790 USD").expect("all it has");
    meet_among(&mut desk, &[OFFICE, keeper, phone]);
    for seat in [OFFICE, keeper, phone] {
        let overdrawn = desk.replica(seat).book().overdrawn();
        let shown: Vec<String> = overdrawn.iter().map(|(.., holding)| holding.share.to_string()).collect();
        assert_eq!(shown, ["-60.00 USD"], "seat {seat}");
        assert_eq!(overdrawn[0].2.holder, desk.replica(keeper).holder());
    }
    assert_eq!(available(&mut desk, keeper), "200.00");
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["-60.00", "260.00"]);
    assert_eq!(code(desk.grant(keeper, "B1", "0.01 USD")), "insufficient_share");
    assert_eq!(code(desk.give(keeper, phone, "0.01 USD")), "insufficient_share");
    desk.hand(phone, keeper, "50 USD");
    assert_eq!(desk.share(keeper), "-10.00", "the deficit is covered first");
    assert_eq!(code(desk.grant(keeper, "B1", "0.01 USD")), "insufficient_share");
    // In contact it asks for the deficit too.
    desk.connect(keeper, phone);
    desk.carry();
    desk.grant(keeper, "B2", "25 USD").expect("asked for and given");
    desk.carry();
    desk.part(keeper, phone);
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["0.00", "175.00"]);
    desk.meet_all();
    assert_eq!(desk.replica(till).book().overdrawn(), []);
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
    assert_adds_up(&desk);
}

#[test]
fn a_second_closing_moves_the_end_forward_over_what_is_held_by_then() {
    let (mut desk, [keeper, till, phone]) = insisted();
    meet_among(&mut desk, &[OFFICE, keeper, phone]);
    let before = available(&mut desk, keeper);
    assert_eq!(before, "990.00");
    let view = desk.close(keeper, till, Some(phone), false).expect("closing again");
    assert_eq!((view.state.as_str(), view.successor.as_str()), ("closed", "keeper"), "its successor stays who it is");
    meet_among(&mut desk, &[OFFICE, keeper, phone]);
    // Now the gift and the credit count as what they were: 500 + 300 - 10 - 60 - 40.
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["690.00", "260.00"]);
    assert_eq!(available(&mut desk, keeper), "950.00");
    assert_eq!(desk.credit(phone, "UNKNOWN").status, CreditStatus::Granted);
    assert_eq!(desk.close(keeper, till, None, true).expect_err("no more is held").code(), "nothing_to_close");
    desk.meet_all();
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
    assert_adds_up(&desk);
}

/// The till comes back with more than anybody knew: a closing after that counts all of it.
#[test]
fn when_the_lost_device_is_back_its_end_can_be_moved_to_where_it_stopped() {
    let (mut desk, [keeper, till, phone]) = insisted();
    desk.record(till, withdrawal("25 USD")).expect("withdrawing what only it knows");
    desk.meet_all();
    assert_eq!(available(&mut desk, keeper), "990.00");
    desk.close(keeper, till, None, false).expect("closing again");
    desk.meet_all();
    assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["665.00", "0.00", "260.00"]);
    assert_eq!(available(&mut desk, till), "925.00");
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
    assert_adds_up(&desk);
}

#[test]
fn an_end_moved_forward_over_more_than_the_successor_has_left_leaves_it_below_zero() {
    let (mut desk, [keeper, till, phone]) = insisted();
    desk.grant(keeper, "ALL", "790 USD").expect("all it has");
    desk.meet_all();
    assert_eq!(desk.share(keeper), "-60.00");
    desk.close(keeper, till, None, false).expect("closing again");
    desk.meet_all();
    assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["-100.00", "0.00", "260.00"], "40 more were lent");
    assert_eq!(available(&mut desk, OFFICE), "160.00");
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
}

/// The order in which a device hears of a gift from beyond, its taking, the closing and the bearing decides nothing.
#[test]
fn who_hears_in_another_order_comes_to_the_same() {
    let orders: [&[(usize, usize)]; 4] = [
        &[(1, 3), (2, 3), (0, 3), (0, 1)],
        &[(0, 3), (0, 2), (1, 3), (0, 3)],
        &[(0, 2), (1, 2), (2, 3), (0, 1)],
        &[(0, 1), (1, 2), (1, 3), (0, 2)],
    ];
    let mut seen = Vec::new();
    for order in orders {
        let (mut desk, [keeper, till, phone]) = insisted();
        for (left, right) in order {
            desk.meet(*left, *right);
        }
        desk.meet_all();
        assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
        seen.push(shares(&mut desk, &[keeper, till, phone]));
    }
    assert!(seen.iter().all(|shares| *shares == ["730.00", "0.00", "260.00"]), "{seen:?}");
}
