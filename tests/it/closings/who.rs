//! Who may close, who may succeed: one keeper a shop, one successor a closed log.

use ucash::ledger::Refusal;
use ucash::membership::{ReadScope, Role};
use ucash::model::{Closing, DocumentId, Operation, Scope, ShopId};
use ucash::money::Currency;
use ucash::replica::Command;

use super::{BUKAVU, assert_agree, meet_among, shares, shop};
use crate::seats::{Desk, OFFICE, SHOP};
use crate::shares::{assert_adds_up, code, forger, hear};

fn keeper_of(desk: &Desk, seat: usize) -> Option<ucash::model::DeviceKey> {
    desk.replica(seat).book().closings().keeper(BUKAVU)
}

#[test]
fn the_first_device_of_a_shop_is_its_keeper_and_others_are_told_whom_to_ask() {
    let (mut desk, [keeper, till, phone]) = shop();
    for seat in [OFFICE, keeper, till, phone] {
        assert_eq!(keeper_of(&desk, seat), Some(desk.device(keeper)));
        assert_eq!(desk.replica(seat).book().closings().keeper(SHOP), Some(desk.device(OFFICE)));
    }
    for seat in [till, phone] {
        let other = till + phone - seat;
        let Err(Refusal::NotKeeper { shop, keeper }) = desk.close(seat, other, None, true) else { panic!("refused") };
        assert_eq!((shop, keeper.as_str()), (BUKAVU, "keeper"));
    }
    let digest = desk.digest(keeper);
    let Err(Refusal::NotAllowed { .. }) = desk.close(keeper, keeper, Some(till), true) else { panic!("refused") };
    assert_eq!(code(desk.close(till, keeper, None, true)), "not_allowed");
    assert_eq!(desk.digest(keeper), digest);
    // The head office may, wherever it is needed.
    let view = desk.close(OFFICE, till, Some(phone), true).expect("by the authority");
    assert_eq!((view.state.as_str(), view.successor.as_str()), ("closed", "phone"));
}

#[test]
fn each_thing_that_cannot_be_closed_or_succeed_is_refused() {
    let (mut desk, [keeper, till, phone]) = shop();
    desk.add_sim(OFFICE, "0990000066", "5", "0");
    let tablet = desk.join(BUKAVU, "tablet");
    let auditor = desk.join_as(OFFICE, BUKAVU, Role::Auditor, ReadScope::All, "audit");
    let goma = desk.join(SHOP, "goma");
    desk.meet_all();
    desk.close(keeper, phone, None, true).expect("closing");
    desk.meet(keeper, phone);
    let digest = desk.digest(keeper);
    let close = |desk: &mut Desk, device: &str, successor: Option<&str>| {
        let (device, successor) = (device.to_owned(), successor.map(str::to_owned));
        desk.command(keeper, Command::CloseDevice { device, successor, insist: true })
    };
    let rows = [
        ("nobody", None, "unknown_device"),
        ("till", Some("nobody"), "unknown_device"),
        // It never wrote in the shop, so there is nothing of it to close, nor is it known who would succeed.
        ("tablet", None, "nothing_to_close"),
        ("audit", None, "nothing_to_close"),
        ("till", Some("tablet"), "device_never_met"),
        ("till", Some("goma"), "cannot_succeed"),
        ("till", Some("till"), "cannot_succeed"),
        ("phone", None, "nothing_to_close"),
        ("keeper", Some("till"), "not_allowed"),
        ("goma", None, "not_keeper"),
    ];
    for (device, successor, expected) in rows {
        assert_eq!(code(close(&mut desk, device, successor)), expected, "{device}, succeeded by {successor:?}");
    }
    assert_eq!(desk.digest(keeper), digest, "nothing was stopped");
    // Closed, and not met since it became another.
    assert_eq!(code(close(&mut desk, "till", Some("phone"))), "device_never_met");
    // In contact it can.
    for seat in [tablet, auditor, goma] {
        desk.connect(keeper, seat);
    }
    desk.carry();
    assert_eq!(code(close(&mut desk, "till", Some("audit"))), "cannot_succeed");
    let view = desk.close(keeper, till, Some(tablet), false).expect("closing");
    assert_eq!(view.successor, "tablet");
    desk.carry();
}

#[test]
fn the_device_itself_and_a_closed_one_cannot_succeed() {
    let (mut desk, [keeper, till, phone]) = shop();
    assert_eq!(code(desk.close(keeper, till, Some(till), true)), "cannot_succeed");
    // The phone is stopped, and in contact as what it was.
    desk.connect(keeper, phone);
    desk.carry();
    desk.close(keeper, phone, None, false).expect("stopping");
    assert_eq!(code(desk.close(keeper, till, Some(phone), false)), "device_never_met", "not as what it will be");
    desk.carry();
    desk.part(keeper, phone);
    // Of a keeper the head office names another.
    assert_eq!(code(desk.close(OFFICE, keeper, Some(keeper), true)), "cannot_succeed");
}

#[test]
fn a_keeper_is_closed_by_the_authority_and_its_successor_is_keeper() {
    let (mut desk, [keeper, till, phone]) = shop();
    let view = desk.close(OFFICE, keeper, Some(till), false).expect("stopping");
    assert_eq!(view.state, "stopped");
    let mut waiting = view.waiting_for;
    waiting.sort_unstable();
    assert_eq!(waiting, ["phone", "till"]);
    meet_among(&mut desk, &[OFFICE, till, phone]);
    assert_eq!(shares(&mut desk, &[till, phone]), ["800.00", "200.00"]);
    for seat in [OFFICE, till, phone] {
        assert_eq!(keeper_of(&desk, seat), Some(desk.device(till)));
    }
    assert_eq!(code(desk.close(phone, till, None, true)), "not_allowed");
    let view = desk.close(till, phone, None, true).expect("it is keeper now");
    assert_eq!(view.state, "closed");
    assert_eq!(desk.share(till), "1000.00");
    // The former keeper comes back and is nobody's keeper, nor was what it closed meanwhile closed.
    assert_eq!(desk.close(keeper, till, None, true).expect("not knowing").state, "closed");
    desk.meet_all();
    let all = [OFFICE, keeper, till, phone];
    for seat in all {
        assert_eq!(keeper_of(&desk, seat), Some(desk.device(till)));
    }
    assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["0.00", "1000.00", "0.00"]);
    assert_agree(&mut desk, &all);
    assert_adds_up(&desk);
    assert_eq!(code(desk.close(keeper, till, None, true)), "not_allowed");
    assert_eq!(code(desk.close(keeper, phone, None, true)), "not_keeper");
}

#[test]
fn a_log_has_one_successor_however_often_and_by_whomever_it_is_closed() {
    // The keeper and the authority, apart, each name another.
    for keeper_first in [true, false] {
        let (mut desk, [keeper, till, phone]) = shop();
        let by_keeper = |desk: &mut Desk| desk.close(keeper, till, Some(keeper), true).expect("closing");
        if keeper_first {
            by_keeper(&mut desk);
        }
        desk.close(OFFICE, till, Some(phone), true).expect("closing");
        if !keeper_first {
            by_keeper(&mut desk);
        }
        assert_eq!(desk.share(keeper), "800.00", "until it hears otherwise");
        meet_among(&mut desk, &[OFFICE, keeper, phone]);
        assert_eq!(shares(&mut desk, &[keeper, phone]), ["500.00", "500.00"], "the authority's word goes first");
        desk.meet_all();
        assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
        assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["500.00", "0.00", "500.00"]);
        assert_adds_up(&desk);
    }
}

/// What a successor spent of a share that another turns out to succeed to is an exception of rule 2... unless no
/// debit of it is covered any more: then it is set aside by everyone alike.
#[test]
fn a_successor_that_was_not_one_holds_nothing_of_it_for_anyone() {
    let (mut desk, [keeper, till, phone]) = shop();
    desk.close(keeper, till, Some(keeper), true).expect("closing");
    desk.grant(keeper, "MINE", "500 USD").expect("its own");
    desk.grant(keeper, "TILLS", "300 USD").expect("as the till's successor");
    desk.close(OFFICE, till, Some(phone), true).expect("closing");
    desk.meet_all();
    let all = [OFFICE, keeper, till, phone];
    assert_agree(&mut desk, &all);
    for seat in all {
        assert_eq!(desk.account(seat, Currency::Usd).available, "500.00");
    }
    assert_eq!(shares(&mut desk, &[keeper, till, phone]), ["0.00", "0.00", "500.00"]);
    assert_adds_up(&desk);
}

#[test]
fn a_closing_forged_by_a_device_that_is_not_the_keeper_closes_nothing() {
    let mut desk = Desk::found();
    let till = desk.join(SHOP, "till");
    desk.hand(OFFICE, till, "300 USD");
    desk.meet_all();
    let shop_log = forger(&mut desk, Role::Device);
    let me = ucash::model::Holder { device: shop_log.log.device, incarnation: shop_log.log.incarnation };
    let of = desk.replica(till).holder();
    let mut forger = shop_log.in_scope(Scope::Registry);
    let closing = Closing { shop: SHOP, of, end: 1, registry_end: 0, successor: me, insisted: true };
    let stop = forger.write(&DocumentId::Registry, &Operation::Stop { shop: SHOP, of, successor: me });
    let stop = forger.entry(&stop);
    let close = forger.write(&DocumentId::Registry, &Operation::Close(closing));
    let close = forger.entry(&close);
    let name = forger.write(&DocumentId::Registry, &Operation::NameKeeper { shop: SHOP, device: me.device });
    let name = forger.entry(&name);
    let holder = desk.replica(till).holder();
    for seat in [OFFICE, till] {
        [&stop, &close, &name].into_iter().for_each(|frame| hear(&mut desk, seat, frame));
        let book = desk.replica(seat).book();
        assert_eq!(book.closings().end(SHOP, &of), None);
        assert_eq!(book.closings().stopped(SHOP, &of), None);
        assert_eq!(book.closings().keeper(SHOP), Some(desk.device(OFFICE)));
    }
    assert_eq!(desk.replica(till).holder(), holder, "it goes on as what it is");
    desk.meet_all();
    assert_eq!(shares(&mut desk, &[OFFICE, till]), ["700.00", "300.00"]);
    assert_eq!(desk.digest(OFFICE), desk.digest(till));
    assert_eq!(desk.status(OFFICE).set_aside, 1, "naming a keeper is the authority's");
    assert_adds_up(&desk);
}

#[test]
fn a_takeover_forged_by_one_who_was_not_named_has_no_effect() {
    let mut desk = Desk::found();
    let till = desk.join(SHOP, "till");
    desk.hand(OFFICE, till, "300 USD");
    desk.meet_all();
    let mut forger = forger(&mut desk, Role::Device);
    let me = ucash::model::Holder { device: forger.log.device, incarnation: forger.log.incarnation };
    let of = desk.replica(till).holder();
    let end = 100;
    let body = forger.write(&DocumentId::Shop(SHOP), &Operation::TakeOver { by: me, of, end });
    let frame = forger.entry(&body);
    let body = forger.movement(crate::seats::withdrawal("1 USD"));
    let spent = forger.entry(&body);
    for seat in [OFFICE, till] {
        hear(&mut desk, seat, &frame);
        hear(&mut desk, seat, &spent);
    }
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!(shares(&mut desk, &[OFFICE, till]), ["700.00", "300.00"]);
    assert_eq!(desk.account(OFFICE, Currency::Usd).withdrawals, "0.00");
    assert_adds_up(&desk);
    // Nor when the till is closed for another.
    desk.close(OFFICE, till, None, true).expect("closing");
    assert_eq!(desk.share(OFFICE), "1000.00");
    desk.meet_all();
    assert_eq!(desk.digest(OFFICE), desk.digest(till));
    assert_adds_up(&desk);
}

#[test]
fn a_former_life_of_the_head_office_is_closed_in_every_shop_it_imported_for() {
    let mut desk = Desk::found();
    desk.add_shop(ShopId(2), "Bukavu");
    desk.join(ShopId(2), "keeper");
    desk.add_sim_to(OFFICE, Some(ShopId(2)), "0990000002", "50", "0");
    let image = desk.image(OFFICE);
    desk.bring_back(OFFICE, image);
    let in_shop_2 = |desk: &mut Desk| desk.account_of(OFFICE, "0990000002", Currency::Usd).this_device;
    assert_eq!((desk.share(OFFICE), in_shop_2(&mut desk)), ("0.00".to_owned(), "0.00".to_owned()));
    desk.close(OFFICE, OFFICE, None, true).expect("closing");
    assert_eq!((desk.share(OFFICE), in_shop_2(&mut desk)), ("1000.00".to_owned(), "50.00".to_owned()));
    assert_adds_up(&desk);
}

/// Whoever succeeds one that was named and did not come to it, succeeds them both.
#[test]
fn a_successor_closed_before_it_took_over_leaves_both_to_its_own() {
    let (mut desk, [keeper, till, phone]) = shop();
    desk.close(keeper, till, Some(phone), true).expect("closing");
    assert_eq!(desk.share(keeper), "500.00", "the phone has not heard of it");
    desk.close(keeper, phone, None, true).expect("closing");
    assert_eq!(desk.share(keeper), "1000.00");
    desk.meet_all();
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
    assert_adds_up(&desk);
}

/// Named and come to it before it was closed, it left the share once.
#[test]
fn a_successor_closed_after_it_took_over_leaves_both_once() {
    let (mut desk, [keeper, till, phone]) = shop();
    desk.close(keeper, till, Some(phone), true).expect("closing");
    desk.meet(keeper, phone);
    assert_eq!(desk.share(phone), "500.00");
    desk.meet(keeper, phone);
    desk.close(keeper, phone, None, true).expect("closing");
    assert_eq!(desk.share(keeper), "1000.00");
    desk.meet_all();
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
    assert_adds_up(&desk);
}

/// It came to it when its own end was already decided, and that end is moved over it afterwards: its heir, which had
/// taken both over by then, gets nothing twice.
#[test]
fn a_succession_that_an_end_is_moved_over_is_not_inherited_twice() {
    let (mut desk, [keeper, till, phone]) = shop();
    desk.close(keeper, till, Some(phone), true).expect("closing");
    // The phone hears of it by the office, and takes over what the keeper does not hear of.
    desk.meet(OFFICE, keeper);
    desk.meet(OFFICE, phone);
    assert_eq!(desk.share(phone), "500.00");
    desk.close(keeper, phone, None, true).expect("closing");
    assert_eq!(desk.share(keeper), "1000.00");
    desk.meet_all();
    assert_adds_up(&desk);
    desk.close(keeper, phone, None, true).expect("moving the end forward");
    desk.meet_all();
    assert_eq!(desk.share(keeper), "1000.00");
    assert_agree(&mut desk, &[OFFICE, keeper, till, phone]);
    assert_adds_up(&desk);
}

/// A closing in one shop says nothing of another, of which the lost device was none.
#[test]
fn the_head_offices_share_in_another_shop_is_closed_there_alone() {
    let mut desk = Desk::found();
    desk.add_shop(ShopId(2), "Bukavu");
    let keeper = desk.join(ShopId(2), "keeper");
    desk.add_sim_to(OFFICE, Some(ShopId(2)), "0990000002", "50", "0");
    desk.meet_all();
    let command = Command::CloseDevice { device: "office".to_owned(), successor: None, insist: true };
    // The office's logs of shop 2 are not the keeper's to close: it is a device of shop 1.
    assert_eq!(code(desk.command(keeper, command)), "not_allowed");
    assert_eq!(desk.account(OFFICE, Currency::Usd).this_device, "1000.00");
}

#[test]
fn a_revoked_device_is_closed_like_any_other() {
    let (mut desk, [keeper, till, phone]) = shop();
    let device = desk.device(till).to_text();
    desk.command(OFFICE, Command::RevokeDevice { device }).expect("revoking");
    meet_among(&mut desk, &[OFFICE, keeper, phone]);
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["500.00", "200.00"], "revoking judges no entry");
    desk.close(keeper, till, None, false).expect("stopping");
    meet_among(&mut desk, &[OFFICE, keeper, phone]);
    assert_eq!(shares(&mut desk, &[keeper, phone]), ["800.00", "200.00"]);
    assert_agree(&mut desk, &[OFFICE, keeper, phone]);
}

#[test]
fn a_device_that_only_reads_is_no_keeper() {
    let mut desk = Desk::found_bare();
    desk.add_shop(BUKAVU, "Bukavu");
    desk.join_as(OFFICE, BUKAVU, Role::Auditor, ReadScope::All, "audit");
    assert_eq!(keeper_of(&desk, OFFICE), None);
    let till = desk.join(BUKAVU, "till");
    desk.join(BUKAVU, "phone");
    desk.meet_all();
    assert_eq!(keeper_of(&desk, till), Some(desk.device(till)));
}
