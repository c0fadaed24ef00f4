//! Who runs short asks those in contact, and waits no longer than a round trip takes.

use ucash::ledger::Refusal;
use ucash::model::{CaptureState, ShopId};
use ucash::money::Currency;
use ucash::replica::{Answer, Command, Input, Output};
use ucash::wire::{Message, decode, encode};

use super::{assert_adds_up, code, three};
use crate::seats::{Answered, Desk, OFFICE, SHOP, SIM, amount, capture, credit, deposit, grant_request, sim_number};

fn ask(sum: &str) -> Command {
    Command::AskShare { sim: sim_number(SIM), amount: amount(sum) }
}

/// All three in contact with each other, and in step.
fn together() -> (Desk, usize, usize) {
    let (mut desk, till, phone) = three();
    for (left, right) in [(OFFICE, till), (OFFICE, phone), (till, phone)] {
        desk.connect(left, right);
    }
    desk.carry();
    (desk, till, phone)
}

fn held(desk: &mut Desk, seats: [usize; 3]) -> [String; 3] {
    desk.carry();
    assert_adds_up(desk);
    seats.map(|seat| desk.share(seat))
}

#[test]
fn who_runs_short_is_given_what_it_lacks_and_no_more() {
    let (mut desk, till, phone) = together();
    let view = desk.grant(till, "A1", "80 USD").expect("asked for and given");
    assert_eq!((view.amount.as_str(), view.device.as_str()), ("80.00", "till"));
    assert_eq!(held(&mut desk, [OFFICE, till, phone]), ["920.00", "0.00", "0.00"]);
    // What it has counts first.
    desk.record(till, capture("15 USD", CaptureState::Validated)).expect("capturing");
    desk.record(till, deposit("20 USD")).expect("asked for and given");
    assert_eq!(held(&mut desk, [OFFICE, till, phone]), ["915.00", "0.00", "0.00"]);
    // Francs like dollars.
    desk.grant(till, "A2", "500000 CDF").expect("asked for and given");
    desk.carry();
    assert_eq!(desk.account(OFFICE, Currency::Cdf).available, "0.00");
    assert_adds_up(&desk);
    desk.assert_one_state();
}

#[test]
fn several_give_together_the_largest_share_first() {
    let (mut desk, till, phone) = three();
    desk.hand(OFFICE, phone, "400 USD");
    desk.meet_all();
    for (left, right) in [(OFFICE, till), (till, phone)] {
        desk.connect(left, right);
    }
    desk.carry();
    desk.grant(till, "A1", "500 USD").expect("the office's all would do, and it is asked first");
    assert_eq!(held(&mut desk, [OFFICE, till, phone]), ["100.00", "0.00", "400.00"]);
    desk.grant(till, "A2", "450 USD").expect("of both");
    assert_eq!(held(&mut desk, [OFFICE, till, phone]), ["50.00", "0.00", "0.00"]);
    desk.meet_all();
    desk.assert_one_state();
}

#[test]
fn a_person_may_ask_beforehand() {
    let (mut desk, till, phone) = together();
    let Ok(Answer::Shares(view)) = desk.command(till, ask("300 USD")) else { panic!("no shares") };
    let own = view.shares[&Currency::Usd].iter().find(|share| share.this_device).expect("its own");
    assert_eq!((own.device.as_str(), own.share.as_str()), ("till", "300.00"));
    desk.command(till, ask("50 USD")).expect("more, though it has some");
    assert_eq!(held(&mut desk, [OFFICE, till, phone]), ["650.00", "350.00", "0.00"]);
    [till, phone].into_iter().for_each(|other| desk.part(OFFICE, other));
    desk.grant(till, "A1", "350 USD").expect("it is its own, also alone");
    assert_eq!(code(desk.command(till, ask("1 USD"))), "insufficient_share");
}

/// Nothing is asked of the others where it could not suffice, or nobody is there: the answer names who holds the rest.
#[test]
fn who_cannot_be_helped_is_told_at_once_who_holds_the_rest() {
    let names = |result: Result<_, Refusal>| {
        let Err(Refusal::InsufficientShare { holders, share, .. }) = result else { panic!("{result:?}") };
        let told = holders.iter().map(|one| (one.device.clone(), one.share.to_string(), one.last_seen.is_some()));
        (share.to_string(), told.collect::<Vec<_>>())
    };
    let expected = |office: &str, phone: &str| {
        let told =
            [("office", office), ("phone", phone)].map(|(name, share)| (name.to_owned(), share.to_owned(), true));
        ("0.00 USD".to_owned(), told.to_vec())
    };
    let (mut desk, till, phone) = three();
    desk.hand(OFFICE, phone, "400 USD");
    desk.meet_all();
    let entries = desk.status(till).entries;
    assert_eq!(names(desk.grant(till, "A1", "1 USD")), expected("600.00 USD", "400.00 USD"), "nobody is there");
    // One is there, and has too little.
    desk.connect(till, phone);
    desk.carry();
    let ticket = desk.begin(till, Command::Grant(grant_request("A1", "400.01 USD")), None);
    let refused = desk.answer(ticket).expect("at once");
    assert_eq!(names(refused.map(credit)), expected("600.00 USD", "400.00 USD"));
    desk.carry();
    assert_eq!(desk.status(till).entries, entries, "and nothing moved");
    assert_eq!(held(&mut desk, [OFFICE, till, phone]), ["600.00", "0.00", "400.00"]);
    // With the other it would do.
    desk.connect(till, OFFICE);
    desk.carry();
    desk.grant(till, "A1", "400.01 USD").expect("asked for and given");
}

/// A command that waits, and how it ends if the asked one says nothing.
fn waiting(desk: &mut Desk, till: usize) -> u64 {
    let ticket = desk.begin(till, Command::Grant(grant_request("A1", "80 USD")), None);
    assert_eq!(desk.answer(ticket), None, "it waits");
    ticket
}

#[test]
fn a_wait_ends_after_three_seconds_whatever_the_others_say() {
    let (mut desk, till, phone) = together();
    let ticket = waiting(&mut desk, till);
    let began = desk.now(till);
    desk.wait(2_999);
    desk.handle(till, Input::Tick);
    assert_eq!(desk.answer(ticket), None, "a little longer");
    desk.wait(1);
    assert_eq!(desk.now(till), began.plus_ms(3_000));
    let refused = answered(desk.handle(till, Input::Tick)).expect("the wait is over");
    assert_eq!(code(refused), "insufficient_share");
    // What comes late is had all the same.
    assert_eq!(held(&mut desk, [OFFICE, till, phone]), ["920.00", "80.00", "0.00"]);
    assert_eq!(desk.status(till).credits, 0, "the command was refused, and is not done later");
}

fn answered(outputs: Vec<Output>) -> Option<Answered> {
    outputs.into_iter().find_map(|output| match output {
        Output::Answer { result, .. } => Some(result),
        _ => None,
    })
}

#[test]
fn a_wait_ends_when_the_clock_is_set_back_and_when_all_who_were_asked_went_away() {
    let (mut desk, till, _) = together();
    waiting(&mut desk, till);
    desk.wait(-3_600_000);
    assert_eq!(answered(desk.handle(till, Input::Tick)).map(code), Some("insufficient_share"));
    desk.wait(3_600_000);

    let (mut desk, till, _) = together();
    let ticket = waiting(&mut desk, till);
    desk.part(OFFICE, till);
    assert_eq!(desk.answer(ticket).map(code), Some("insufficient_share"), "who was asked went");
}

#[test]
fn a_wait_ends_when_the_asked_one_has_spent_it_meanwhile() {
    let (mut desk, till, phone) = together();
    // The office spends all before the question arrives.
    let ticket = waiting(&mut desk, till);
    desk.grant(OFFICE, "FIRST", "1000 USD").expect("its own");
    desk.carry();
    let Some(Err(Refusal::InsufficientShare { holders, available, .. })) = desk.answer(ticket) else {
        panic!("refused")
    };
    assert_eq!((holders, available.to_string()), (Vec::new(), "0.00 USD".to_owned()), "as it stands now");
    assert_eq!(held(&mut desk, [OFFICE, till, phone]), ["0.00", "0.00", "0.00"]);
}

#[test]
fn a_part_that_was_given_is_kept_though_it_does_not_suffice() {
    let (mut desk, till, phone) = together();
    let ticket = waiting(&mut desk, till);
    desk.grant(OFFICE, "FIRST", "950 USD").expect("its own");
    desk.carry();
    assert_eq!(held(&mut desk, [OFFICE, till, phone]), ["0.00", "50.00", "0.00"]);
    desk.wait(3_000);
    desk.tick();
    assert_eq!(desk.answer(ticket).map(code), Some("insufficient_share"));
    assert_eq!(desk.status(till).credits, 1);
}

#[test]
fn several_commands_wait_side_by_side() {
    let (mut desk, till, phone) = together();
    let mut begin = |number| {
        desk.wait(-1_000);
        desk.begin(till, Command::Grant(grant_request(&format!("A{number}"), "100 USD")), None)
    };
    let tickets: Vec<u64> = (0..5).map(&mut begin).collect();
    desk.carry();
    for ticket in tickets {
        desk.answer(ticket).expect("answered").expect("granted");
    }
    assert_eq!(desk.account(OFFICE, Currency::Usd).credits, "500.00");
    held(&mut desk, [OFFICE, till, phone]);
    desk.assert_one_state();
}

#[test]
fn a_command_under_a_key_waits_and_is_done_once() {
    let (mut desk, till, phone) = together();
    let grant = || Command::Grant(grant_request("A1", "80 USD"));
    let first = desk.begin(till, grant(), Some("key".to_owned()));
    // The program that asked lost patience and asks again.
    let second = desk.begin(till, grant(), Some("key".to_owned()));
    desk.carry();
    let [first, second] = [first, second].map(|ticket| desk.answer(ticket).expect("answered").map(credit));
    assert_eq!(first.expect("granted").id, second.expect("the same answer").id);
    assert_eq!(desk.status(till).credits, 1);
    let again = desk.begin(till, grant(), Some("key".to_owned()));
    assert!(desk.answer(again).expect("at once").is_ok());
    assert_eq!(desk.account(OFFICE, Currency::Usd).credits, "80.00");
    held(&mut desk, [OFFICE, till, phone]);
}

#[test]
fn a_device_of_another_shop_is_given_nothing() {
    let mut desk = Desk::found();
    desk.add_shop(ShopId(2), "Bukavu");
    let bukavu = desk.join(ShopId(2), "bukavu");
    desk.connect(OFFICE, bukavu);
    desk.carry();
    let bytes = encode(&Message::Ask { shop: SHOP, sim: sim_number(SIM), amount: amount("100 USD") });
    let peer = desk.device(bukavu);
    let outputs = desk.handle(OFFICE, Input::Frame { peer, bytes });
    let given = outputs.iter().find_map(|output| match output {
        Output::Send { bytes, .. } => decode(bytes).ok(),
        _ => None,
    });
    assert_eq!(given, Some(Message::Given { shop: SHOP, sim: sim_number(SIM), amount: amount("0 USD") }));
    assert_eq!(desk.share(OFFICE), "1000.00");
}

#[test]
fn who_asks_without_end_is_given_nothing_more_within_the_minute() {
    let (mut desk, till, _) = together();
    let bytes = encode(&Message::Ask { shop: SHOP, sim: sim_number(SIM), amount: amount("0.01 USD") });
    let peer = desk.device(till);
    let entries = desk.status(OFFICE).entries;
    for _ in 0..1_300 {
        desk.handle(OFFICE, Input::Frame { peer, bytes: bytes.clone() });
    }
    let written = desk.status(OFFICE).entries - entries;
    assert_eq!(written, 1_200, "each makes an entry");
    desk.wait(60_000);
    desk.handle(OFFICE, Input::Frame { peer, bytes });
    assert_eq!(desk.status(OFFICE).entries - entries, 1_201, "after a minute it may ask again");
}
