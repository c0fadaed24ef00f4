//! A SIM goes to another shop with its whole balance, or not at all (`domain`, rule 2).

use ucash::ledger::Refusal;
use ucash::model::{CaptureState, ShopId, SimNumber};
use ucash::money::Currency;
use ucash::replica::{Answer, Command, Query};

use super::{assert_adds_up, code};
use crate::seats::{Answered, Desk, OFFICE, SHOP, SIM, capture, grant_request, sim_number, withdrawal};

const BUKAVU: ShopId = ShopId(2);

/// The office of shop 1, whose SIM holds 1000 USD and 500000 CDF, its till, and a device of shop 2.
fn two_shops() -> (Desk, usize, usize) {
    let mut desk = Desk::found();
    desk.add_shop(BUKAVU, "Bukavu");
    let till = desk.join(SHOP, "till");
    let bukavu = desk.join(BUKAVU, "bukavu");
    desk.meet_all();
    (desk, till, bukavu)
}

fn to(sim: &str, shop: ShopId) -> Command {
    Command::MoveSim { sim: sim_number(sim), shop }
}

fn move_sim(desk: &mut Desk, seat: usize) -> Answered {
    desk.command(seat, to(SIM, BUKAVU))
}

/// What the SIM's account in a shop holds, as a seat's books say.
fn in_shop(desk: &Desk, seat: usize, shop: ShopId) -> [String; 2] {
    let sim: SimNumber = sim_number(SIM);
    Currency::ALL
        .map(|currency| desk.replica(seat).book().account(shop, &sim, currency).available().value().to_string())
}

#[test]
fn a_sim_goes_to_another_shop_with_all_that_it_holds() {
    let (mut desk, till, bukavu) = two_shops();
    desk.grant(OFFICE, "A1", "100 USD").expect("granting");
    let Ok(Answer::Balance(view)) = move_sim(&mut desk, OFFICE) else { panic!("no balance") };
    assert_eq!(view.shop_id, BUKAVU);
    let shown = Currency::ALL.map(|currency| view.balances[&currency].available.clone());
    assert_eq!(shown, ["900.00", "500000.00"]);
    desk.meet_all();
    desk.assert_one_state();
    for seat in [OFFICE, till, bukavu] {
        assert_eq!(in_shop(&desk, seat, SHOP), ["0.00", "0.00"], "its account in the old shop ends");
        assert_eq!(in_shop(&desk, seat, BUKAVU), ["900.00", "500000.00"]);
        assert_eq!(desk.account(seat, Currency::Usd).initial, "900.00", "in the new one it begins");
        let Ok(Answer::Balance(view)) = desk.query(seat, Query::SimBalance { sim: sim_number(SIM) }) else { panic!() };
        assert_eq!(view.shop_id, BUKAVU);
    }
    assert_adds_up(&desk);
    // The old shop grants nothing on it any more; the new one does, once it was given something.
    assert_eq!(code(desk.grant(till, "A2", "1 USD")), "sim_of_another_shop");
    desk.connect(OFFICE, bukavu);
    desk.carry();
    desk.grant(bukavu, "B1", "900 USD").expect("asked for and given");
    desk.carry();
    desk.part(OFFICE, bukavu);
    // What was granted in the old shop is paid there.
    desk.pay(till, "A1", "100").expect("paying");
    desk.meet_all();
    desk.assert_one_state();
    assert_adds_up(&desk);
}

#[test]
fn a_sim_moves_only_with_its_whole_balance_in_the_hand_that_moves_it() {
    let (mut desk, till, _) = two_shops();
    desk.hand(OFFICE, till, "1 CDF");
    desk.meet_all();
    let digest = desk.digest(OFFICE);
    let Err(Refusal::SimNotInHand { sim, share, available }) = move_sim(&mut desk, OFFICE) else { panic!("refused") };
    assert_eq!(sim, sim_number(SIM));
    assert_eq!([share.to_string(), available.to_string()], ["499999.00 CDF", "500000.00 CDF"]);
    let rows = [
        (OFFICE, to(SIM, ShopId(9)), "unknown_shop"),
        (OFFICE, to(SIM, SHOP), "nothing_to_change"),
        (OFFICE, to("0990000009", BUKAVU), "unknown_sim"),
        (till, to(SIM, BUKAVU), "sim_not_in_hand"),
    ];
    for (seat, command, expected) in rows {
        assert_eq!(code(desk.command(seat, command.clone())), expected, "{command:?}");
    }
    // A gift on its way, and what is coming back, are in nobody's hand.
    desk.hand(till, OFFICE, "1 CDF");
    desk.meet_all();
    assert_ne!(desk.digest(OFFICE), digest);
    desk.give(OFFICE, till, "0.01 USD").expect("giving");
    assert_eq!(code(move_sim(&mut desk, OFFICE)), "sim_not_in_hand");
    desk.meet_all();
    desk.hand(till, OFFICE, "0.01 USD");
    desk.grant(OFFICE, "A1", "1 USD").expect("granting");
    desk.cancel(OFFICE, "A1").expect("cancelling");
    assert_eq!(code(move_sim(&mut desk, OFFICE)), "sim_not_in_hand");
    desk.give_back(OFFICE, "A1").expect("returning");
    move_sim(&mut desk, OFFICE).expect("all is in its hand");
    desk.meet_all();
    desk.assert_one_state();
    assert_adds_up(&desk);
}

#[test]
fn only_who_writes_both_shops_moves_a_sim() {
    let (mut desk, till, _) = two_shops();
    desk.hand(OFFICE, till, "1000 USD");
    desk.hand(OFFICE, till, "500000 CDF");
    desk.meet_all();
    let digest = desk.digest(till);
    assert_eq!(code(move_sim(&mut desk, till)), "not_allowed");
    assert_eq!((desk.digest(till), desk.share(till)), (digest, "1000.00".to_owned()), "whole or not at all");
}

#[test]
fn what_comes_back_late_in_the_old_shop_follows_to_the_new_one() {
    let (mut desk, till, bukavu) = two_shops();
    desk.hand(OFFICE, till, "200 USD");
    desk.grant(till, "LATE", "150 USD").expect("granting");
    let spent = desk.record(till, withdrawal("50 USD")).expect("recording").id.to_string();
    desk.grant(OFFICE, "OWN", "100 USD").expect("granting");
    desk.meet_all();
    move_sim(&mut desk, OFFICE).expect("the till holds nothing");
    desk.meet_all();
    assert_eq!(in_shop(&desk, bukavu, BUKAVU)[0], "700.00");
    desk.cancel(till, "LATE").expect("cancelling");
    desk.undo(till, &spent).expect("reversing");
    desk.cancel(OFFICE, "OWN").expect("cancelling");
    desk.meet_all();
    desk.assert_one_state();
    for seat in [OFFICE, till, bukavu] {
        assert_eq!(in_shop(&desk, seat, SHOP)[0], "0.00");
        assert_eq!(in_shop(&desk, seat, BUKAVU)[0], "1000.00", "150 and 50 by way of the mover, and its own 100");
    }
    assert_adds_up(&desk);
}

/// On a SIM that is gone nothing new can be spent, whatever the device has not heard.
#[test]
fn f10_a_sim_moved_and_spent_apart_is_not_overdrawn() {
    let (mut desk, till, bukavu) = two_shops();
    desk.hand(OFFICE, till, "1 USD");
    desk.hand(till, OFFICE, "1 USD");
    desk.meet_all();
    move_sim(&mut desk, OFFICE).expect("moving");
    assert_eq!(code(desk.command(till, Command::Grant(grant_request("A1", "1 USD")))), "insufficient_share");
    desk.record(till, capture("30 USD", CaptureState::Validated)).expect("not knowing");
    desk.grant(till, "A1", "10 USD").expect("its own, not knowing");
    desk.meet_all();
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!(in_shop(&desk, bukavu, SHOP)[0], "0.00");
    assert_eq!(in_shop(&desk, bukavu, BUKAVU)[0], "1020.00", "what the till still added follows too");
    assert_adds_up(&desk);
}

#[test]
fn a_sim_may_come_back() {
    let (mut desk, till, bukavu) = two_shops();
    move_sim(&mut desk, OFFICE).expect("moving");
    desk.grant(OFFICE, "B1", "100 USD").expect("of shop 2 now");
    desk.command(OFFICE, to(SIM, SHOP)).expect("and back");
    desk.meet_all();
    desk.assert_one_state();
    for seat in [OFFICE, till, bukavu] {
        assert_eq!(in_shop(&desk, seat, SHOP), ["900.00", "500000.00"]);
        assert_eq!(in_shop(&desk, seat, BUKAVU), ["0.00", "0.00"]);
    }
    desk.grant(OFFICE, "A1", "900 USD").expect("all of it");
    assert_adds_up(&desk);
}
