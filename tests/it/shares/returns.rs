//! What was spent comes back once: a cancelled credit's amount by its granter, a withdrawal or deposit by its
//! recorder (`domain`, rules 2 and 3).

use ucash::ledger::Refusal;
use ucash::model::{CaptureState, CreditStatus};
use ucash::money::Currency;
use ucash::replica::{Command, Input};

use super::{assert_adds_up, code, three};
use crate::seats::{Desk, OFFICE, SHOP, capture, deposit, withdrawal};

const HOUR: i64 = 3_600_000;

/// The credit `A1` of 100, granted by the office, which then has 900; the three know of it and have met.
fn granted() -> (Desk, usize, usize) {
    let (mut desk, till, phone) = three();
    desk.grant(OFFICE, "A1", "100 USD").expect("granting");
    desk.meet_all();
    (desk, till, phone)
}

fn coming_back(desk: &mut Desk, seat: usize) -> String {
    desk.shares(seat).coming_back[&Currency::Usd].clone()
}

#[test]
fn in_a_shop_of_one_it_comes_back_at_once() {
    let mut desk = Desk::found();
    desk.grant(OFFICE, "A1", "1000 USD").expect("granting");
    desk.cancel(OFFICE, "A1").expect("cancelling");
    assert_eq!((desk.share(OFFICE), coming_back(&mut desk, OFFICE)), ("1000.00".to_owned(), "0.00".to_owned()));
    desk.grant(OFFICE, "A2", "1000 USD").expect("it is there again");
    assert_adds_up(&desk);
}

#[test]
fn an_auditor_and_a_revoked_device_are_not_waited_for() {
    let mut desk = Desk::found();
    desk.join_as(OFFICE, SHOP, ucash::membership::Role::Auditor, ucash::membership::ReadScope::All, "audit");
    let lost = desk.join(SHOP, "lost");
    desk.hand(OFFICE, lost, "1 USD");
    desk.grant(OFFICE, "A1", "100 USD").expect("granting");
    desk.meet(OFFICE, lost);
    desk.cancel(OFFICE, "A1").expect("cancelling");
    assert_eq!(coming_back(&mut desk, OFFICE), "100.00", "the other device may be taking money for it");
    let device = desk.device(lost).to_text();
    desk.command(OFFICE, Command::RevokeDevice { device }).expect("revoking");
    desk.handle(OFFICE, Input::Tick);
    assert_eq!((desk.share(OFFICE), coming_back(&mut desk, OFFICE)), ("999.00".to_owned(), "0.00".to_owned()));
}

#[test]
fn it_comes_back_when_all_the_shops_devices_have_said_that_they_know() {
    let (mut desk, till, phone) = granted();
    desk.cancel(OFFICE, "A1").expect("cancelling");
    for seat in [OFFICE, till, phone] {
        assert_adds_up(&desk);
        let shown = (desk.account(seat, Currency::Usd).available, coming_back(&mut desk, seat));
        let knows = seat == OFFICE;
        assert_eq!(
            shown,
            (["900.00", "1000.00"][usize::from(knows)].into(), ["0.00", "100.00"][usize::from(knows)].into())
        );
    }
    assert_eq!(desk.share(OFFICE), "900.00", "shown, and not to be spent");
    assert_eq!(code(desk.grant(OFFICE, "A2", "900.01 USD")), "insufficient_share");
    desk.meet(OFFICE, till);
    desk.meet(OFFICE, till);
    assert_eq!((desk.share(OFFICE), coming_back(&mut desk, OFFICE)), ("900.00".into(), "100.00".into()), "one of two");
    desk.meet(till, phone);
    desk.meet(till, OFFICE);
    assert_eq!((desk.share(OFFICE), coming_back(&mut desk, OFFICE)), ("1000.00".into(), "0.00".into()), "both");
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!([till, phone].map(|seat| desk.share(seat)), ["0.00", "0.00"]);
    assert_adds_up(&desk);
}

#[test]
fn whoever_cancels_the_granter_returns() {
    let (mut desk, till, phone) = granted();
    desk.cancel(till, "A1").expect("cancelling");
    desk.meet(till, phone);
    assert_eq!(coming_back(&mut desk, phone), "100.00");
    assert_eq!([till, phone].map(|seat| desk.share(seat)), ["0.00", "0.00"]);
    desk.meet(phone, OFFICE);
    assert_eq!([OFFICE, till, phone].map(|seat| desk.share(seat)), ["1000.00", "0.00", "0.00"]);
    desk.meet_all();
    desk.assert_one_state();
    assert_adds_up(&desk);
}

#[test]
fn several_cancellations_apart_bring_it_back_once() {
    let (mut desk, till, phone) = granted();
    for seat in [OFFICE, till, phone] {
        desk.cancel(seat, "A1").expect("cancelling");
    }
    desk.meet_all();
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!([OFFICE, till, phone].map(|seat| desk.share(seat)), ["1000.00", "0.00", "0.00"]);
    assert_adds_up(&desk);
}

#[test]
fn it_comes_back_after_a_day_whoever_is_away() {
    let (mut desk, ..) = granted();
    desk.cancel(OFFICE, "A1").expect("cancelling");
    let began = desk.now(OFFICE);
    desk.wait(24 * HOUR - 1);
    desk.handle(OFFICE, Input::Tick);
    assert_eq!(desk.share(OFFICE), "900.00");
    desk.reopen(OFFICE);
    desk.wait(60_000);
    desk.handle(OFFICE, Input::Tick);
    assert!(desk.now(OFFICE).0 - began.0 > 24 * HOUR);
    assert_eq!((desk.share(OFFICE), coming_back(&mut desk, OFFICE)), ("1000.00".into(), "0.00".into()));
    desk.meet_all();
    desk.assert_one_state();
}

#[test]
fn the_day_is_counted_on_the_granters_clock_and_anew_if_that_is_set_back() {
    let (mut desk, ..) = granted();
    desk.cancel(OFFICE, "A1").expect("cancelling");
    desk.wait(23 * HOUR);
    desk.set_clock_off(OFFICE, -24 * HOUR);
    desk.handle(OFFICE, Input::Tick);
    desk.wait(23 * HOUR);
    desk.handle(OFFICE, Input::Tick);
    assert_eq!(desk.share(OFFICE), "900.00", "it has not seen a day go by");
    desk.wait(HOUR);
    desk.handle(OFFICE, Input::Tick);
    assert_eq!(desk.share(OFFICE), "1000.00");
}

#[test]
fn a_person_may_return_it_at_once_on_the_device_that_granted() {
    let (mut desk, till, _) = granted();
    let not_cancelled = [OFFICE, till].map(|seat| code(desk.give_back(seat, "A1")));
    assert_eq!(not_cancelled, ["credit_not_cancelled"; 2]);
    assert_eq!(code(desk.give_back(OFFICE, "A404")), "unknown_credit");
    desk.cancel(OFFICE, "A1").expect("cancelling");
    desk.meet(OFFICE, till);
    let Err(Refusal::CreditOfAnotherDevice { reference, device }) = desk.give_back(till, "A1") else {
        panic!("another device granted it")
    };
    assert_eq!((reference.as_str(), device.as_str()), ("A1", "office"));
    assert_eq!(desk.give_back(OFFICE, "A1").expect("returning").status, CreditStatus::Cancelled);
    assert_eq!(desk.share(OFFICE), "1000.00");
    for seat in [OFFICE, till] {
        let expected = if seat == OFFICE { "credit_returned" } else { "credit_of_another_device" };
        assert_eq!(code(desk.give_back(seat, "A1")), expected);
    }
    desk.meet_all();
    assert_eq!(code(desk.give_back(till, "A1")), "credit_returned");
    desk.assert_one_state();
    assert_eq!(desk.share(OFFICE), "1000.00", "once");
    assert_adds_up(&desk);
}

/// Asked twice in one step, or by a person just when all have said that they know: once.
#[test]
fn it_comes_back_once_however_often_it_is_asked_for() {
    let (mut desk, till, phone) = granted();
    desk.cancel(OFFICE, "A1").expect("cancelling");
    desk.connect(OFFICE, till);
    desk.connect(OFFICE, phone);
    let back = || Command::ReturnCredit { credit: "A1".to_owned() };
    let tickets = [desk.begin(OFFICE, back(), None), desk.begin(OFFICE, back(), None)];
    desk.carry();
    let answers = tickets.map(|ticket| desk.answer(ticket).expect("answered").is_ok());
    assert_eq!(answers, [true, false]);
    desk.tick();
    desk.carry();
    let kinds = history(&mut desk, OFFICE);
    assert_eq!(kinds.iter().filter(|kind| *kind == "return").count(), 1, "{kinds:?}");
    assert_eq!(desk.account(OFFICE, Currency::Usd).available, "1000.00");
    assert_adds_up(&desk);
}

fn history(desk: &mut Desk, seat: usize) -> Vec<String> {
    use ucash::replica::{Answer, Query};
    match desk.query(seat, Query::CreditHistory { key: "A1".to_owned() }) {
        Ok(Answer::History(page)) => page.items.into_iter().map(|event| event.kind).collect(),
        other => panic!("asked for a history, got {other:?}"),
    }
}

#[test]
fn nothing_overrides_a_return() {
    let (mut desk, till, phone) = granted();
    desk.cancel(OFFICE, "A1").expect("cancelling");
    desk.give_back(OFFICE, "A1").expect("returning");
    // Later, and without knowing.
    desk.wait(60_000);
    desk.pay(till, "A1", "100").expect("paying");
    desk.edit(phone, "A1", &[ucash::model::Edit::Name("Later".to_owned())]).expect("editing");
    desk.meet_all();
    desk.assert_one_state();
    for seat in [OFFICE, till, phone] {
        let credit = desk.credit(seat, "A1");
        assert_eq!((credit.status, credit.paid.as_str()), (CreditStatus::Cancelled, "100.00"), "the cash is kept");
        assert!(credit.cancelled_at.is_some());
        assert_eq!(code(desk.pay(seat, "A1", "1")), "credit_cancelled");
        assert_eq!(desk.account(seat, Currency::Usd).available, "1000.00");
    }
    assert_eq!(desk.share(OFFICE), "1000.00");
    assert_adds_up(&desk);
}

#[test]
fn a_payment_newer_than_the_cancellation_reinstates_and_nothing_comes_back() {
    let (mut desk, till, phone) = granted();
    desk.cancel(OFFICE, "A1").expect("cancelling");
    desk.pay(till, "A1", "30").expect("paying");
    desk.meet_all();
    desk.assert_one_state();
    for seat in [OFFICE, till, phone] {
        assert_eq!(desk.credit(seat, "A1").status, CreditStatus::PartlyPaid);
        assert_eq!(desk.account(seat, Currency::Usd).available, "900.00");
        assert_eq!(coming_back(&mut desk, seat), "0.00");
    }
    assert_eq!(desk.share(OFFICE), "900.00");
    assert_eq!(code(desk.give_back(OFFICE, "A1")), "credit_not_cancelled");
    // Not after a day either.
    desk.wait(25 * HOUR);
    desk.tick();
    assert_eq!(desk.share(OFFICE), "900.00");
    assert_adds_up(&desk);
}

#[test]
fn a_credit_reinstated_and_cancelled_again_comes_back_once() {
    let (mut desk, till, phone) = granted();
    desk.cancel(OFFICE, "A1").expect("cancelling");
    let payment = desk.pay(till, "A1", "30").expect("paying").payments[0].id.to_string();
    desk.meet_all();
    desk.reverse_payment(phone, "A1", &payment).expect("reversing");
    desk.cancel(phone, "A1").expect("cancelling");
    assert_eq!(desk.share(OFFICE), "900.00");
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!([OFFICE, till, phone].map(|seat| desk.share(seat)), ["1000.00", "0.00", "0.00"]);
    assert_adds_up(&desk);
}

#[test]
fn a_withdrawal_or_deposit_is_taken_back_by_the_device_that_recorded_it() {
    for kind in [withdrawal("40 USD"), deposit("40 USD")] {
        let (mut desk, till, phone) = three();
        desk.hand(OFFICE, till, "100 USD");
        let id = desk.record(till, kind).expect("recording").id.to_string();
        desk.meet_all();
        for seat in [OFFICE, phone] {
            let Err(Refusal::MovementOfAnotherDevice { device, .. }) = desk.undo(seat, &id) else { panic!("refused") };
            assert_eq!(device, "till");
        }
        desk.undo(till, &id).expect("its own");
        assert_eq!(code(desk.undo(till, &id)), "movement_reversed");
        desk.meet_all();
        desk.assert_one_state();
        assert_eq!([OFFICE, till, phone].map(|seat| desk.share(seat)), ["900.00", "100.00", "0.00"]);
        assert_adds_up(&desk);
    }
}

#[test]
fn a_capture_is_taken_back_only_while_its_recorders_share_covers_it() {
    let (mut desk, till, phone) = three();
    let id = desk.record(till, capture("40 USD", CaptureState::Validated)).expect("capturing").id.to_string();
    desk.hand(till, phone, "10 USD");
    desk.meet_all();
    let Err(Refusal::InsufficientShare { asked, share, available, .. }) = desk.undo(till, &id) else {
        panic!("refused")
    };
    let sums = [asked.to_string(), share.to_string(), available.to_string()];
    assert_eq!(sums, ["40.00 USD", "30.00 USD", "1040.00 USD"]);
    // In contact it asks for what it lacks.
    desk.connect(till, phone);
    desk.carry();
    desk.undo(till, &id).expect("asked for and given");
    desk.carry();
    desk.part(till, phone);
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!([OFFICE, till, phone].map(|seat| desk.share(seat)), ["1000.00", "0.00", "0.00"]);
    assert_eq!(desk.account(OFFICE, Currency::Usd).captures, "0.00");
    // One that never counted takes nothing back.
    let id = desk.record(till, capture("40 USD", CaptureState::Pending)).expect("capturing").id.to_string();
    desk.undo(till, &id).expect("nothing is needed for it");
    assert_eq!(desk.share(till), "0.00");
    assert_adds_up(&desk);
}
