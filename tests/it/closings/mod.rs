//! A lost device is closed: what it held is not lost, and is not counted twice (`domain`, rule 7).

mod beyond;
mod open;
mod random;
mod who;

use ucash::model::{CaptureState, CreditStatus, MovementAct, MovementKind, Place, ShopId};
use ucash::money::Currency;
use ucash::replica::{ClosingView, Command, Input, Output};

use crate::seats::{Desk, OFFICE, SIM, capture, grant_request, withdrawal};
use crate::shares::assert_adds_up;

/// The shop whose devices are closed; the head office is no device of it.
pub const BUKAVU: ShopId = ShopId(2);

/// Shop 2 with its keeper, which holds 500 USD and 500000 CDF, a till with 300 USD and a phone with 200 USD.
pub fn shop() -> (Desk, [usize; 3]) {
    shop_of(["keeper", "till", "phone"], ["300 USD", "200 USD"])
}

/// Shop 2 with its keeper, a till with 300 USD, a phone with 200 USD and a tablet with 100 USD: the keeper has the rest.
pub fn four() -> (Desk, [usize; 4]) {
    shop_of(["keeper", "till", "phone", "tablet"], ["300 USD", "200 USD", "100 USD"])
}

/// Shop 2 with these devices; the first keeps 1000 USD and 500000 CDF, and hands each other its share.
fn shop_of<const N: usize, const M: usize>(names: [&str; N], shares: [&str; M]) -> (Desk, [usize; N]) {
    let mut desk = Desk::found_bare();
    desk.add_shop(BUKAVU, "Bukavu");
    let seats = names.map(|name| desk.join(BUKAVU, name));
    desk.add_sim(seats[0], SIM, "1000", "500000");
    for (seat, share) in seats[1..].iter().zip(shares) {
        desk.hand(seats[0], *seat, share);
    }
    desk.meet_all();
    (desk, seats)
}

/// Asserts that these seats show one state, which is sound.
pub fn assert_agree(desk: &mut Desk, seats: &[usize]) {
    let digests: Vec<String> = seats.iter().map(|seat| desk.digest(*seat)).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{seats:?} show different states: {digests:?}");
    for seat in seats {
        let verified = desk.verify(*seat);
        assert!(verified.sound, "seat {seat}: {:?}", verified.faults);
        assert_eq!(desk.status(*seat).waiting, 0, "seat {seat}: entries wait");
        let digest = desk.digest(*seat);
        desk.reopen(*seat);
        assert_eq!(desk.digest(*seat), digest, "seat {seat}: opened again");
    }
}

/// All of these meet, without the others, until nothing is new to any of them.
pub fn meet_among(desk: &mut Desk, seats: &[usize]) {
    let mut before = Vec::new();
    for _ in 0..10 {
        for (place, left) in seats.iter().enumerate() {
            seats[place + 1..].iter().for_each(|right| desk.meet(*left, *right));
        }
        let entries: Vec<u64> = seats.iter().map(|seat| desk.status(*seat).entries).collect();
        if entries == before {
            return;
        }
        before = entries;
    }
    panic!("they never stop having something new to say");
}

/// Gifts from beyond the end of a closed log that somebody took and nobody has borne, since no life that still runs has taken
/// over that log: in cents. So much more is held than the balance, until one does, which bears them.
pub fn to_bear(desk: &Desk, seat: usize) -> i128 {
    let book = desk.replica(seat).book();
    let is_beyond = |at: &Place| book.closings().end(BUKAVU, &at.holder).is_some_and(|closing| at.number > closing.end);
    let is_left = |at: &Place| {
        let mut running = (0..desk.seats()).map(|seat| desk.replica(seat).holder());
        running.all(|by| book.taken_over(BUKAVU, by, at.holder).is_none())
    };
    let gifts = book.movements().filter(|one| matches!(one.kind, MovementKind::Gift(_)) && one.taken_by.is_some());
    let gifts = gifts.filter(|one| is_beyond(&one.origin.place()) && is_left(&one.origin.place()));
    let unborne = gifts.filter(|one| one.acts.iter().all(|(act, _)| *act != MovementAct::Bear));
    unborne.map(|one| one.kind.amount().cents()).sum()
}

pub fn shares(desk: &mut Desk, seats: &[usize]) -> Vec<String> {
    seats.iter().map(|seat| desk.share(*seat)).collect()
}

fn available(desk: &mut Desk, seat: usize) -> String {
    desk.account(seat, Currency::Usd).available
}

#[test]
fn a_lost_device_is_stopped_then_closed_by_itself_when_all_have_recorded() {
    let (mut desk, [keeper, till, phone]) = shop();
    let view = desk.close(keeper, till, None, false).expect("stopping");
    let ClosingView { device, device_key, shop_id, state, successor, waiting_for, end, insisted, exposure } = view;
    assert_eq!((device.as_str(), device_key, shop_id), ("till", desk.device(till).to_text(), BUKAVU));
    assert_eq!((state.as_str(), successor.as_str(), end, insisted), ("stopped", "keeper", None, false));
    assert_eq!(waiting_for, ["phone"]);
    let exposed: Vec<_> = exposure.iter().map(|one| (one.sim.as_str(), one.currency, one.share.as_str())).collect();
    assert_eq!(exposed, [(SIM, Currency::Usd, "300.00")]);
    assert_eq!(desk.share(keeper), "500.00", "nothing is taken over yet");
    let again = desk.close(keeper, till, None, false).expect("asking again");
    assert_eq!((again.state.as_str(), again.waiting_for), ("stopped", vec!["phone".to_owned()]));
    // The phone records how far it holds the till's log, by itself, and the keeper closes, by itself.
    meet_among(&mut desk, &[OFFICE, keeper, phone]);
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["800.00", "200.00"]);
    assert_eq!(desk.close(keeper, till, None, false).expect_err("it is closed").code(), "nothing_to_close");
    for seat in [OFFICE, keeper, phone] {
        let view = desk.shares(seat);
        let shown: Vec<_> = view.shares[&Currency::Usd].iter().filter(|one| one.share != "0.00").collect();
        assert_eq!(
            shown.iter().map(|one| (one.device.as_str(), one.closed)).collect::<Vec<_>>(),
            [("keeper", false), ("phone", false)]
        );
        assert_eq!(available(&mut desk, seat), "1000.00");
    }
    assert_agree(&mut desk, &[OFFICE, keeper, phone]);
    assert_adds_up(&desk);
    desk.grant(keeper, "ALL", "800 USD").expect("its own and the till's");
}

#[test]
fn it_ends_at_the_furthest_that_anybody_holds() {
    let (mut desk, [keeper, till, phone]) = shop();
    desk.grant(till, "A1", "120 USD").expect("granting");
    desk.meet(till, phone);
    desk.grant(till, "A2", "30 USD").expect("granting what nobody hears of");
    desk.close(keeper, till, None, false).expect("stopping");
    desk.meet(keeper, phone);
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["680.00", "200.00"], "180 were left when the phone met it");
    meet_among(&mut desk, &[keeper, phone]);
    assert_eq!(available(&mut desk, keeper), "880.00");
    // The till comes back: what nobody had heard of has no effect.
    desk.meet_all();
    let all = [OFFICE, keeper, till, phone];
    assert_agree(&mut desk, &all);
    for seat in all {
        assert_eq!(available(&mut desk, seat), "880.00");
        assert_eq!(desk.credit(seat, "A1").status, CreditStatus::Granted);
    }
    assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["680.00", "0.00", "200.00"]);
    assert_adds_up(&desk);
}

#[test]
fn who_insists_closes_at_once_at_what_it_holds() {
    let (mut desk, [keeper, till, phone]) = shop();
    let view = desk.close(keeper, till, None, true).expect("closing");
    assert_eq!((view.state.as_str(), view.insisted, view.waiting_for), ("closed", true, Vec::<String>::new()));
    assert!(view.end.is_some_and(|end| end > 0));
    assert_eq!(view.exposure, [], "its share was taken over");
    assert_eq!(desk.share(keeper), "800.00");
    meet_among(&mut desk, &[OFFICE, keeper, phone]);
    assert_agree(&mut desk, &[OFFICE, keeper, phone]);
    assert_adds_up(&desk);
}

#[test]
fn where_nobody_else_is_it_is_closed_at_once_without_insisting() {
    let mut desk = Desk::found();
    let till = desk.join(crate::seats::SHOP, "till");
    desk.hand(OFFICE, till, "300 USD");
    let view = desk.close(OFFICE, till, None, false).expect("closing");
    assert_eq!((view.state.as_str(), view.insisted), ("closed", false));
    assert_eq!(desk.share(OFFICE), "1000.00");
    assert_adds_up(&desk);
}

#[test]
fn the_successor_may_be_another_device_and_takes_over_when_it_holds_all() {
    let (mut desk, [keeper, till, phone]) = shop();
    desk.grant(till, "A1", "50 USD").expect("granting");
    desk.meet(keeper, till);
    // The phone does not know of the grant when it hears that it is to succeed.
    let view = desk.close(keeper, till, Some(phone), true).expect("closing");
    assert_eq!((view.state.as_str(), view.successor.as_str()), ("closed", "phone"));
    assert_eq!(view.exposure.iter().map(|one| one.share.as_str()).collect::<Vec<_>>(), ["250.00"], "until it has it");
    let closed = desk.shares(keeper).shares[&Currency::Usd].iter().any(|one| one.device == "till" && one.closed);
    assert!(closed, "shown as the till's, and closed");
    assert_adds_up(&desk);
    desk.meet(keeper, phone);
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["500.00", "450.00"]);
    meet_among(&mut desk, &[OFFICE, keeper, phone]);
    assert_agree(&mut desk, &[OFFICE, keeper, phone]);
    assert_adds_up(&desk);
}

#[test]
fn gifts_to_the_lost_device_are_taken_by_its_successor() {
    let (mut desk, [keeper, till, phone]) = shop();
    desk.give(keeper, till, "40 USD").expect("giving");
    desk.give(phone, till, "7 USD").expect("giving");
    desk.meet(keeper, phone);
    desk.close(keeper, till, Some(phone), false).expect("stopping");
    meet_among(&mut desk, &[keeper, phone]);
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["460.00", "540.00"]);
    assert!(desk.shares(keeper).on_the_way[&Currency::Usd].is_empty());
    // Not again by the one they were made for.
    desk.meet_all();
    assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["460.00", "0.00", "540.00"]);
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
    assert_adds_up(&desk);
    // One that was made after by somebody who has not heard: to whom the device is now, or its successor.
    assert_eq!(desk.give(keeper, till, "1 USD").expect_err("no open log").code(), "device_never_met");
}

#[test]
fn a_gift_made_by_one_who_had_not_heard_of_the_closing_goes_to_the_successor() {
    let (mut desk, [keeper, till, phone]) = shop();
    desk.close(keeper, till, None, true).expect("closing");
    desk.give(phone, till, "7 USD").expect("not knowing");
    meet_among(&mut desk, &[keeper, phone]);
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["807.00", "193.00"]);
    assert_agree(&mut desk, &[keeper, phone]);
    assert_adds_up(&desk);
}

/// A credit and a withdrawal of the till, and a capture it had not validated.
fn with_rights(desk: &mut Desk, till: usize) -> [String; 2] {
    desk.grant(till, "A1", "100 USD").expect("granting");
    let spent = desk.record(till, withdrawal("20 USD")).expect("recording").id.to_string();
    let pending = desk.record(till, capture("30 USD", CaptureState::Pending)).expect("recording").id.to_string();
    desk.meet_all();
    [spent, pending]
}

#[test]
fn the_successor_returns_reverses_and_validates_for_the_lost_device() {
    let (mut desk, [keeper, till, phone]) = shop();
    let [spent, pending] = with_rights(&mut desk, till);
    assert_eq!(desk.undo(phone, &spent).expect_err("the till's").code(), "movement_of_another_device");
    desk.close(keeper, till, Some(phone), false).expect("stopping");
    meet_among(&mut desk, &[OFFICE, keeper, phone]);
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["500.00", "380.00"]);
    desk.undo(phone, &spent).expect("for the till");
    desk.command(phone, Command::ValidateCapture { movement: pending.clone() }).expect("for the till");
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["500.00", "430.00"]);
    for refused in
        [desk.undo(keeper, &spent), desk.command(keeper, Command::ValidateCapture { movement: pending.clone() })]
    {
        assert_eq!(refused.expect_err("not the successor").code(), "movement_of_another_device");
    }
    desk.cancel(keeper, "A1").expect("cancelling");
    assert_eq!(desk.give_back(keeper, "A1").expect_err("not the successor").code(), "credit_of_another_device");
    meet_among(&mut desk, &[OFFICE, keeper, phone]);
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["500.00", "530.00"], "each once");
    assert_eq!(desk.undo(phone, &spent).expect_err("done").code(), "movement_reversed");
    assert_eq!(desk.give_back(phone, "A1").expect_err("done").code(), "credit_returned");
    // The till comes back, and has no right to any of it.
    desk.meet_all();
    assert_eq!(desk.give_back(till, "A1").expect_err("done").code(), "credit_returned");
    assert_eq!(desk.undo(till, &pending).expect_err("its former life's").code(), "movement_of_another_device");
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
    assert_adds_up(&desk);
}

/// The lost device returns, reverses and validates too, beyond its end, not having heard: nothing counts twice.
#[test]
fn what_both_the_lost_device_and_its_successor_did_counts_once() {
    for insist in [false, true] {
        let (mut desk, [keeper, till, phone]) = shop();
        let [spent, pending] = with_rights(&mut desk, till);
        desk.close(keeper, till, None, insist).expect("stopping");
        meet_among(&mut desk, &[keeper, phone]);
        desk.cancel(phone, "A1").expect("cancelling");
        for seat in [keeper, till] {
            if seat == till {
                desk.cancel(till, "A1").expect("not knowing");
                desk.give_back(till, "A1").expect("not knowing");
            } else {
                desk.meet(keeper, phone);
            }
            desk.undo(seat, &spent).expect("either");
            desk.command(seat, Command::ValidateCapture { movement: pending.clone() }).expect("either");
        }
        desk.meet_all();
        assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["830.00", "0.00", "200.00"], "insisted: {insist}");
        assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
        assert_adds_up(&desk);
        // And once again if the end moves forward over what the lost device did.
        match desk.close(keeper, till, None, false) {
            Ok(view) => assert_eq!(view.state, "closed"),
            Err(refusal) => panic!("more is held than counts: {refusal}"),
        }
        desk.meet_all();
        assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["830.00", "0.00", "200.00"], "insisted: {insist}");
        assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
        assert_adds_up(&desk);
    }
}

#[test]
fn a_device_that_was_given_up_and_is_alive_goes_on_by_itself_as_a_new_life() {
    let (mut desk, [keeper, till, phone]) = shop();
    desk.close(keeper, till, None, false).expect("stopping");
    let old = desk.replica(till).holder();
    // It hears of the stop in the middle of its work, from the phone.
    desk.connect(till, keeper);
    desk.carry();
    let new = desk.replica(till).holder();
    assert_eq!(new.device, old.device);
    assert_ne!(new.incarnation, old.incarnation);
    assert_eq!(desk.share(till), "0.00");
    // It asks like any other, without having been reconnected, once its log is closed.
    desk.grant(till, "A1", "10 USD").expect("asked for and given");
    desk.carry();
    desk.part(till, keeper);
    meet_among(&mut desk, &[keeper, till, phone]);
    assert_eq!(desk.credit(keeper, "A1").device, "till");
    assert_eq!(available(&mut desk, phone), "990.00");
    let held: Vec<String> = shares(&mut desk, &[keeper, till, phone]);
    assert_eq!(held, ["790.00", "0.00", "200.00"]);
    desk.meet_all();
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
    assert_adds_up(&desk);
}

#[test]
fn what_is_asked_in_the_step_that_brings_the_own_closing_belongs_to_the_new_life() {
    for insist in [true, false] {
        let (mut desk, [keeper, till, phone]) = shop();
        let (old, heard) = (desk.replica(till).holder(), desk.published.len());
        desk.close(keeper, till, None, insist).expect("stopping, or closing at once");
        let from = desk.device(keeper);
        let mut inputs: Vec<Input> =
            desk.published[heard..].iter().map(|bytes| Input::Gossip { from, bytes: bytes.clone() }).collect();
        let grant = Command::Grant(grant_request("A1", "10 USD"));
        inputs.push(Input::Command { ticket: 7, command: Box::new(grant), key: None });
        let outputs = desk.handle_all(till, inputs);
        let answered = outputs.into_iter().find_map(|output| match output {
            Output::Answer { ticket: 7, result } => Some(result),
            _ => None,
        });
        assert_ne!(desk.replica(till).holder(), old, "insisted: {insist}");
        // The new life holds nothing yet, and nobody is in contact to give it anything.
        let refused = answered.expect("an answer").expect_err("no share");
        assert_eq!(refused.code(), "insufficient_share", "insisted: {insist}");
        desk.meet_all();
        assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
        assert_eq!(available(&mut desk, phone), "1000.00");
        assert_adds_up(&desk);
    }
}

#[test]
fn it_stays_the_same_life_when_it_is_opened_again() {
    let (mut desk, [keeper, till, _]) = shop();
    desk.close(keeper, till, None, true).expect("closing");
    desk.meet(keeper, till);
    let new = desk.replica(till).holder();
    desk.reopen(till);
    assert_eq!(desk.replica(till).holder(), new);
    desk.meet(keeper, till);
    desk.handle(till, Input::Tick);
    assert_eq!(desk.replica(till).holder(), new);
    desk.hand(keeper, till, "25 USD");
    desk.grant(till, "A1", "25 USD").expect("its own again");
    // It can be lost again.
    desk.hand(keeper, till, "5 USD");
    desk.close(keeper, till, None, true).expect("closing its new life");
    assert_eq!(desk.share(keeper), "775.00");
    assert_adds_up(&desk);
}

#[test]
fn the_successor_of_a_successor_has_what_both_held() {
    let (mut desk, [keeper, till, phone]) = shop();
    let [spent, _] = with_rights(&mut desk, till);
    desk.close(keeper, till, Some(phone), false).expect("stopping");
    meet_among(&mut desk, &[keeper, phone]);
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["500.00", "380.00"]);
    desk.close(keeper, phone, None, true).expect("closing");
    assert_eq!(desk.share(keeper), "880.00");
    desk.cancel(keeper, "A1").expect("for the till, by way of the phone");
    assert_eq!(desk.give_back(keeper, "A1").expect_err("nobody else is left").code(), "credit_returned");
    desk.undo(keeper, &spent).expect("for the till, by way of the phone");
    assert_eq!((desk.share(keeper), available(&mut desk, keeper)), ("1000.00".to_owned(), "1000.00".to_owned()));
    desk.meet_all();
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
    assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["1000.00", "0.00", "0.00"]);
    assert_adds_up(&desk);
}

#[test]
fn of_a_device_that_was_brought_back_the_former_life_is_closed() {
    let (mut desk, [keeper, till, phone]) = shop();
    let image = desk.image(till);
    desk.bring_back(till, image);
    desk.hand(keeper, till, "10 USD");
    desk.meet_all();
    assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["490.00", "10.00", "200.00"]);
    desk.connect(keeper, till);
    desk.carry();
    let here = desk.replica(till).holder();
    desk.close(keeper, till, None, true).expect("closing its former life");
    desk.carry();
    desk.part(keeper, till);
    assert_eq!(desk.replica(till).holder(), here, "the one that is here goes on");
    assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["790.00", "10.00", "200.00"]);
    desk.meet_all();
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
    assert_adds_up(&desk);
}
