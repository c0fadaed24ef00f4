//! A device spends only its own share (`domain`, rule 2; faults F9 and F10 of the replaced system): what joins a
//! share, gifts, and that nobody can spend, take or move what is not theirs.

mod asking;
mod evening;
mod moves;
mod random;
mod returns;

use ucash::ledger::{OtherShare, Refusal};
use ucash::log::SigningKey;
use ucash::membership::{ReadScope, Role};
use ucash::model::{CaptureState, CreditStatus, Gift, Holder, Incarnation, MovementId, MovementKind, Operation, Scope};
use ucash::model::{DocumentId, Month, ShopId};
use ucash::money::{Balance, Currency};
use ucash::replica::{Answer, Command, Input, Query};

use crate::forge::Forger;
use crate::samples::{NOW, bare_grant, usd};
use crate::seats::{Desk, OFFICE, SHOP, SIM, amount, capture, deposit, sim_number, withdrawal};

/// The office, which holds all, and a till and a phone that hold nothing; all have met.
pub fn three() -> (Desk, usize, usize) {
    let mut desk = Desk::found();
    let till = desk.join(SHOP, "till");
    let phone = desk.join(SHOP, "phone");
    desk.meet_all();
    (desk, till, phone)
}

/// The code by which something was refused.
pub fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> &'static str {
    result.expect_err("it is refused").code()
}

/// Asserts of every seat that each balance is the sum of its shares, of the gifts on their way and of what is coming
/// back, and that no share is below zero.
pub fn assert_adds_up(desk: &Desk) {
    for seat in 0..desk.seats() {
        let book = desk.replica(seat).book();
        for shop in book.shops().keys() {
            let gifts = book.open_gifts(*shop);
            for (sim, currency) in book.pots_of(*shop) {
                let is_here = |of, amount: Balance| of == sim && amount.currency() == currency;
                let holdings = book.holdings(*shop, sim, currency);
                let held: i128 = holdings.iter().map(|holding| holding.share.cents()).sum();
                let gifts = gifts.iter().filter(|gift| is_here(&gift.sim, gift.amount));
                let given: i128 = gifts.map(|gift| gift.amount.cents()).sum();
                let credits = book.returning(*shop).filter_map(|id| book.credit(id));
                let credits = credits.filter(|credit| is_here(&credit.sim, credit.amount.balance()));
                let back: i128 = credits.map(|credit| credit.amount.cents()).sum();
                let available = book.account(*shop, sim, currency).available().cents();
                assert_eq!(held + given + back, available, "seat {seat}: {held} held, {given} given, {back} back");
                let below = holdings.iter().find(|holding| holding.share.cents() < 0);
                assert_eq!(below, None, "seat {seat}: a share below zero");
            }
        }
    }
}

/// A device of the shop whose key is in wrong hands, which has heard all that was published so far.
pub fn forger(desk: &mut Desk, role: Role) -> Forger {
    let (identity, _) = desk.admit(OFFICE, SHOP, role, ReadScope::All, "wrong hands");
    desk.meet_all();
    let mut forger = Forger::new(0, Scope::Shop(SHOP));
    forger.log.device = identity.key.public();
    forger.head.hash = ucash::log::root_of(&forger.log);
    forger.key = identity.key;
    desk.published.iter().for_each(|frame| forger.hear(frame));
    forger
}

/// The holder in whose name a forger writes.
fn holder(forger: &Forger) -> Holder {
    Holder { device: forger.log.device, incarnation: forger.log.incarnation }
}

/// Hands what was forged to one seat, as the gossip of another device would.
pub fn hear(desk: &mut Desk, seat: usize, frame: &[u8]) {
    let from = desk.device(OFFICE);
    desk.handle(seat, Input::Gossip { from, bytes: frame.to_vec() });
}

/// The one gift that is on its way, as a seat sees it.
fn open_gift(desk: &Desk, seat: usize) -> MovementId {
    let gifts = desk.replica(seat).book().open_gifts(SHOP);
    assert_eq!(gifts.len(), 1, "{gifts:?}");
    gifts[0].movement
}

fn month() -> DocumentId {
    DocumentId::SimMonth { shop: SHOP, sim: sim_number(SIM), month: Month::of(NOW) }
}

#[test]
fn f10_two_devices_apart_never_overdraw_a_sim() {
    // What the till holds of the 1000; both then try to spend all that the SIM holds.
    for (held, rest) in [(None, "1000.00"), (Some("1000"), "0.00"), (Some("400"), "600.00"), (Some("0.01"), "999.99")] {
        let (mut desk, till, _) = three();
        if let Some(held) = held {
            desk.hand(OFFICE, till, &format!("{held} USD"));
        }
        desk.meet_all();
        let met = desk.now(OFFICE);
        let results = [OFFICE, till].map(|seat| desk.grant(seat, &format!("ALL-{seat}"), "1000 USD"));
        assert!(results.iter().filter(|result| result.is_ok()).count() <= 1, "{held:?}: overdrawn");
        let refusal = results[0].clone().err().or(results[1].clone().err()).expect("not both");
        let Refusal::InsufficientShare { asked, share, available, holders, sim, shop } = refusal else {
            panic!("{refusal}")
        };
        let office_was_refused = results[0].is_err();
        let held = held.map_or_else(|| "0.00 USD".to_owned(), |held| amount(&format!("{held} USD")).to_string());
        let rest = format!("{rest} USD");
        let (own, others) = if office_was_refused { (rest, held) } else { (held, rest) };
        assert_eq!((asked, share.to_string(), available.to_string()), (amount("1000 USD"), own, "1000.00 USD".into()));
        assert_eq!((sim, shop), (sim_number(SIM), SHOP));
        let [OtherShare { device, share, last_seen }] = &holders[..] else { panic!("{holders:?}") };
        assert_eq!(
            (device.as_str(), share.to_string()),
            (["till", "office"][usize::from(!office_was_refused)], others)
        );
        assert!(last_seen.is_some_and(|seen| seen <= met && seen.0 > met.0 - 60_000), "when they met last");
        // Each spends what it has, to the cent, and not a cent more.
        for seat in [OFFICE, till] {
            let share = desk.share(seat);
            if share != "0.00" {
                desk.grant(seat, &format!("REST-{seat}"), &format!("{share} USD")).expect("its own share");
            }
            assert_eq!(code(desk.grant(seat, &format!("CENT-{seat}"), "0.01 USD")), "insufficient_share");
        }
        desk.meet_all();
        desk.assert_one_state();
        assert_eq!(desk.account(OFFICE, Currency::Usd).available, "0.00", "spent once");
        assert_adds_up(&desk);
    }
}

#[test]
fn f10_withdrawals_and_deposits_apart_never_overdraw_either() {
    let (mut desk, till, _) = three();
    desk.hand(OFFICE, till, "400 USD");
    for kind in [withdrawal("400.01 USD"), deposit("400.01 USD")] {
        assert_eq!(code(desk.record(till, kind)), "insufficient_share");
    }
    desk.record(till, withdrawal("150 USD")).expect("of its own");
    desk.record(till, deposit("250 USD")).expect("of its own");
    desk.record(OFFICE, withdrawal("600 USD")).expect("of its own");
    for (seat, kind) in [(till, deposit("0.01 USD")), (OFFICE, withdrawal("0.01 USD"))] {
        assert_eq!(code(desk.record(seat, kind)), "insufficient_share");
    }
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!(desk.account(till, Currency::Usd).available, "0.00");
}

#[test]
fn f9_a_share_of_dollars_spends_no_francs() {
    let (mut desk, till, phone) = three();
    desk.hand(OFFICE, till, "100 USD");
    desk.hand(OFFICE, phone, "300000 CDF");
    assert_eq!(code(desk.grant(till, "A1", "1 CDF")), "insufficient_share");
    assert_eq!(code(desk.grant(phone, "A2", "1 USD")), "insufficient_share");
    desk.grant(till, "A3", "100 USD").expect("its dollars");
    desk.grant(phone, "A4", "300000 CDF").expect("its francs");
    desk.meet_all();
    desk.assert_one_state();
    let shown = Currency::ALL.map(|currency| desk.account(OFFICE, currency));
    assert_eq!(shown.map(|account| account.this_device), ["900.00", "200000.00"]);
    assert_adds_up(&desk);
}

#[test]
fn what_a_device_adds_joins_its_own_share() {
    let (mut desk, till, phone) = three();
    desk.record(till, capture("40 USD", CaptureState::Validated)).expect("capturing");
    desk.record(till, capture("9 USD", CaptureState::Cancelled)).expect("capturing");
    let pending = desk.record(phone, capture("25 USD", CaptureState::Pending)).expect("capturing").id.to_string();
    desk.meet_all();
    assert_eq!([OFFICE, till, phone].map(|seat| desk.share(seat)), ["1000.00", "40.00", "0.00"]);
    desk.command(phone, Command::ValidateCapture { movement: pending }).expect("validating");
    desk.meet_all();
    assert_eq!([OFFICE, till, phone].map(|seat| desk.share(seat)), ["1000.00", "40.00", "25.00"]);
    assert_eq!(desk.account(till, Currency::Usd).available, "1065.00");
    // A SIM's opening is its adder's.
    desk.add_sim(phone, "0990000077", "70", "0");
    desk.meet_all();
    assert_eq!(desk.account_of(phone, "0990000077", Currency::Usd).this_device, "70.00");
    assert_eq!(desk.account_of(OFFICE, "0990000077", Currency::Usd).this_device, "0.00");
    desk.assert_one_state();
    assert_adds_up(&desk);
}

#[test]
fn a_gift_moves_a_share_and_no_balance_and_on_its_way_is_nobodys() {
    let (mut desk, till, phone) = three();
    desk.hand(OFFICE, till, "1 USD");
    desk.meet_all();
    desk.give(OFFICE, till, "100 USD").expect("giving, though the till is away");
    assert_eq!(desk.share(OFFICE), "899.00");
    assert_eq!(code(desk.grant(OFFICE, "A1", "899.01 USD")), "insufficient_share");
    desk.meet(OFFICE, phone);
    for seat in [OFFICE, phone] {
        let view = desk.shares(seat);
        let held: Vec<(&str, &str)> =
            view.shares[&Currency::Usd].iter().map(|one| (one.device.as_str(), one.share.as_str())).collect();
        assert_eq!(held[..2], [("office", "899.00"), ("till", "1.00")]);
        let gifts = &view.on_the_way[&Currency::Usd];
        assert_eq!(
            gifts.iter().map(|gift| (gift.from.as_str(), gift.to.as_str(), gift.amount.as_str())).collect::<Vec<_>>(),
            [("office", "till", "100.00")]
        );
        assert_eq!(desk.account(seat, Currency::Usd).available, "1000.00");
    }
    assert_adds_up(&desk);
    assert_eq!(code(desk.grant(till, "A2", "1.01 USD")), "insufficient_share");
    // From whomever it hears of the gift, the till takes it.
    desk.meet(phone, till);
    assert_eq!(desk.share(till), "101.00");
    desk.grant(till, "A3", "101 USD").expect("it is its own now");
    desk.meet_all();
    assert!(desk.shares(OFFICE).on_the_way[&Currency::Usd].is_empty());
    desk.assert_one_state();
    assert_adds_up(&desk);
}

#[test]
fn what_cannot_be_given_is_refused_and_moves_nothing() {
    let (mut desk, till, phone) = three();
    desk.hand(OFFICE, till, "100 USD");
    desk.add_shop(ShopId(2), "Bukavu");
    let bukavu = desk.join(ShopId(2), "bukavu");
    desk.add_sim(bukavu, "0990000002", "50", "0");
    desk.meet_all();
    let digest = desk.digest(till);
    let keys = [OFFICE, bukavu, phone].map(|seat| desk.device(seat).to_text());
    let [office, bukavu, phone] = keys.each_ref().map(String::as_str);
    let rows = [
        (SIM, "100.01 USD", office, "insufficient_share"),
        (SIM, "0.01 CDF", office, "insufficient_share"),
        (SIM, "0 USD", office, "invalid_field"),
        (SIM, "1 USD", "nobody", "unknown_device"),
        // It has written nothing in this shop and is not here: nobody knows which life of its store would take it.
        (SIM, "1 USD", phone, "device_never_met"),
        (SIM, "1 USD", bukavu, "device_never_met"),
        ("0990000002", "1 USD", office, "sim_of_another_shop"),
        ("0990000009", "1 USD", office, "unknown_sim"),
    ];
    for (sim, sum, to, expected) in rows {
        let command = Command::GiveShare { sim: sim_number(sim), amount: amount(sum), to: to.to_owned() };
        assert_eq!(code(desk.command(till, command)), expected, "{sum} of {sim} to {to}");
    }
    assert_eq!(desk.digest(till), digest);
    assert_eq!(desk.share(till), "100.00");
    let unknown = desk.query(till, Query::SimShares { sim: sim_number("0990000009") });
    assert_eq!(code(unknown), "unknown_sim");
}

#[test]
fn an_auditor_has_no_share_and_is_told_so() {
    let mut desk = Desk::found();
    let auditor = desk.join_as(OFFICE, SHOP, Role::Auditor, ReadScope::All, "audit");
    desk.connect(OFFICE, auditor);
    desk.carry();
    assert_eq!(code(desk.grant(auditor, "A1", "1 USD")), "not_allowed");
    assert_eq!(
        code(desk.command(auditor, Command::AskShare { sim: sim_number(SIM), amount: amount("1 USD") })),
        "not_allowed"
    );
    assert_eq!(code(desk.give(OFFICE, auditor, "1 USD")), "device_never_met");
    desk.tick();
    desk.carry();
    assert_eq!(desk.share(OFFICE), "1000.00", "nothing was given to one who cannot spend");
}

#[test]
fn a_gift_is_taken_once_and_only_by_the_one_it_names() {
    let (mut desk, till, phone) = three();
    desk.hand(OFFICE, till, "1 USD");
    desk.meet_all();
    desk.give(OFFICE, till, "100 USD").expect("giving");
    desk.meet_all();
    assert_eq!([OFFICE, till, phone].map(|seat| desk.share(seat)), ["899.00", "101.00", "0.00"]);
    let digest = desk.digest(OFFICE);
    desk.meet_all();
    assert_eq!(desk.digest(OFFICE), digest, "meeting again takes nothing again");
    desk.reopen(till);
    desk.meet_all();
    assert_eq!(desk.digest(till), digest, "nor does opening again");
}

#[test]
fn a_gift_taken_by_another_or_again_has_no_effect() {
    let (mut desk, till, phone) = three();
    desk.hand(OFFICE, till, "1 USD");
    desk.meet_all();
    desk.give(OFFICE, till, "100 USD").expect("giving");
    let mut forger = forger_who_missed(&mut desk, till);
    // While it is on its way: by another device.
    let movement = open_gift(&desk, OFFICE);
    let take = Operation::TakeGift { movement, at: NOW };
    let body = forger.write(&month(), &take);
    let stolen = forger.entry(&body);
    hear(&mut desk, OFFICE, &stolen);
    assert_eq!(open_gift(&desk, OFFICE), movement, "still on its way");
    assert_eq!(
        desk.replica(OFFICE).book().spendable(SHOP, &sim_number(SIM), Currency::Usd, &holder(&forger)).cents(),
        0
    );
    desk.meet_all();
    assert_eq!([OFFICE, till, phone].map(|seat| desk.share(seat)), ["899.00", "101.00", "0.00"]);
    // Taken: again, by another life of the same device.
    let mut again = forger.clone();
    again.log.device = desk.device(till);
    again.log.incarnation = Incarnation(0xf1);
    again.key = SigningKey::from_seed(&[till as u8 + 1; 32]);
    again.head = ucash::log::Head { number: 0, hash: ucash::log::root_of(&again.log) };
    let body = again.write(&month(), &take);
    let twice = again.entry(&body);
    hear(&mut desk, phone, &twice);
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!([OFFICE, till, phone].map(|seat| desk.share(seat)), ["899.00", "101.00", "0.00"]);
    assert_adds_up(&desk);
}

/// A forger that has heard all, at a desk of which that seat has not heard the latest.
fn forger_who_missed(desk: &mut Desk, seat: usize) -> Forger {
    let (identity, _) = desk.admit(OFFICE, SHOP, Role::Device, ReadScope::All, "wrong hands");
    (1..desk.seats()).filter(|other| *other != seat).for_each(|other| desk.meet(OFFICE, other));
    let mut forger = Forger::new(0, Scope::Shop(SHOP));
    forger.log.device = identity.key.public();
    forger.head.hash = ucash::log::root_of(&forger.log);
    forger.key = identity.key;
    desk.published.iter().for_each(|frame| forger.hear(frame));
    forger
}

/// What a forger writes beyond its share is kept and has no effect, for everyone alike, whoever hears of it first and
/// whatever it does afterwards.
#[test]
fn what_a_share_does_not_cover_has_no_effect_for_anyone() {
    type Forge = fn(&Forger, Holder) -> ucash::log::Body;
    let rows: [(&str, Forge); 4] = [
        ("a grant", |forger, _| forger.grant(bare_grant())),
        ("a withdrawal", |forger, _| forger.movement(withdrawal("50.01 USD"))),
        ("a deposit", |forger, _| forger.movement(deposit("50.01 USD"))),
        ("a gift", |forger, to| forger.movement(MovementKind::Gift(Gift { amount: usd("50.01"), to }))),
    ];
    for (name, forge) in rows {
        let (mut desk, till, phone) = three();
        let mut forger = forger(&mut desk, Role::Device);
        // What it captured is its own: 50.
        let body = forger.movement(capture("50 USD", CaptureState::Validated));
        let captured = forger.entry(&body);
        hear(&mut desk, OFFICE, &captured);
        desk.meet_all();
        let before = [OFFICE, till, phone].map(|seat| desk.account(seat, Currency::Usd));
        let to = desk.replica(till).holder();
        let body = forge(&forger, to);
        let frame = forger.entry(&body);
        let body = forger.movement(withdrawal("50 USD"));
        let after = forger.entry(&body);
        // The phone hears it late, and after what came after it.
        hear(&mut desk, till, &frame);
        let shown = desk.account(till, Currency::Usd);
        assert_eq!((&shown.available, &shown.credits), (&before[1].available, &before[1].credits), "{name}: no effect");
        hear(&mut desk, till, &after);
        desk.meet_all();
        desk.assert_one_state();
        for seat in [OFFICE, till, phone] {
            let shown = desk.account(seat, Currency::Usd);
            assert_eq!((shown.available.as_str(), shown.withdrawals.as_str()), ("1000.00", "50.00"), "{name}");
            assert_eq!((shown.credits.as_str(), shown.deposits.as_str()), ("0.00", "0.00"), "{name}");
            assert_eq!(desk.replica(seat).book().open_gifts(SHOP), [], "{name}: nothing to take");
        }
        assert_eq!([OFFICE, till, phone].map(|seat| desk.share(seat)), ["1000.00", "0.00", "0.00"], "{name}");
        assert_adds_up(&desk);
        assert_refused_for_nothing(&mut desk, name);
        for seat in [OFFICE, till, phone] {
            let digest = desk.digest(seat);
            desk.reopen(seat);
            assert_eq!(desk.digest(seat), digest, "{name}: opened again");
        }
    }
}

/// To what has no effect nothing can be done.
fn assert_refused_for_nothing(desk: &mut Desk, name: &str) {
    let book = desk.replica(OFFICE).book();
    let movement = book.movements().find(|movement| movement.void).map(|movement| movement.id.to_string());
    let credit = book.credits().find(|credit| credit.void).map(|credit| credit.id.to_string());
    match (movement, credit) {
        (Some(movement), None) if name == "a gift" => assert_eq!(code(desk.undo(OFFICE, &movement)), "movement_kind"),
        (Some(movement), None) => assert_eq!(code(desk.undo(OFFICE, &movement)), "without_effect"),
        (None, Some(credit)) => {
            assert_eq!(code(desk.give_back(OFFICE, &credit)), "credit_not_cancelled");
            // Money that is received for it is money all the same.
            assert_eq!(desk.pay(OFFICE, &credit, "10").expect("paying").status, CreditStatus::PartlyPaid);
        }
        other => panic!("{name}: one thing is without effect, {other:?}"),
    }
}

#[test]
fn a_life_brought_back_starts_with_nothing_and_can_ask() {
    let mut desk = Desk::found();
    let till = desk.join(SHOP, "till");
    desk.hand(OFFICE, till, "300 USD");
    desk.grant(till, "OLD", "50 USD").expect("granting");
    desk.meet_all();
    let (image, old) = (desk.image(till), desk.replica(till).holder());
    desk.grant(till, "LOST", "20 USD").expect("granting what no backup has");
    desk.bring_back(till, image);
    assert_ne!(desk.replica(till).holder(), old);
    assert_eq!(desk.replica(till).holder().device, old.device);
    assert_eq!(desk.share(till), "0.00", "what was its own may have been spent since the copy was made");
    assert_eq!(code(desk.grant(till, "A1", "1 USD")), "insufficient_share");
    assert_eq!(desk.credit(till, "OLD").amount, "50.00", "the old log is kept");
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!(desk.replica(OFFICE).book().spendable(SHOP, &sim_number(SIM), Currency::Usd, &old).cents(), 25_000);
    // In contact it asks like anybody, and what it is given it has.
    desk.connect(OFFICE, till);
    desk.carry();
    desk.grant(till, "A1", "30 USD").expect("asked for and given");
    desk.carry();
    desk.part(OFFICE, till);
    desk.reopen(till);
    assert_eq!(desk.share(till), "0.00");
    assert_eq!(desk.share(OFFICE), "670.00");
    assert_adds_up(&desk);
    let Ok(Answer::Verified(view)) = desk.query(till, Query::Verify) else { panic!("no verification") };
    assert!(view.sound, "{:?}", view.faults);
}
