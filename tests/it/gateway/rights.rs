//! Who writes for a shop's apps, and how a shop moves from app to node.

use ucash::ledger::Refusal;
use ucash::membership::{ReadScope, Role};
use ucash::model::ShopId;
use ucash::replica::{Answer, Command};

use crate::gateway::{App, Lost, paid};
use crate::seats::{Desk, OFFICE, SIM};

const BUKAVU: ShopId = ShopId(2);

/// Shop 2 without a device of its own, served by a relay; its SIM holds 1000 USD.
fn served() -> (Desk, usize) {
    let mut desk = Desk::found_bare();
    desk.add_shop(BUKAVU, "Bukavu");
    let relay = desk.join_as(OFFICE, ShopId(1), Role::Relay, ReadScope::All, "relais");
    desk.add_sim_to(OFFICE, Some(BUKAVU), SIM, "1000", "0");
    (desk, relay)
}

fn name(desk: &mut Desk, by: usize, device: usize) -> Result<Answer, Refusal> {
    let device = desk.device(device).to_text();
    desk.command(by, Command::NameGateway { shop: BUKAVU, device })
}

#[test]
fn a_relay_only_carries_until_it_is_named() {
    let (mut desk, relay) = served();
    desk.meet_all();
    let app = App::new("caisse 1", BUKAVU);
    let (by, shop, rows) = (app.by.clone(), BUKAVU, Vec::new());
    let refused = desk.command(relay, Command::Report { by, shop, rows });
    assert!(matches!(refused, Err(Refusal::NotGateway { gateway: None, .. })), "{refused:?}");
    let till = desk.join(BUKAVU, "guichet");
    let refused = name(&mut desk, till, relay);
    assert!(matches!(refused, Err(Refusal::NotAllowed { .. })), "a device names no gateway: {refused:?}");
    name(&mut desk, OFFICE, relay).expect("the head office names");
    assert!(matches!(name(&mut desk, OFFICE, relay), Err(Refusal::NothingToChange)));
    let blind = desk.join_as(OFFICE, ShopId(1), Role::Device, ReadScope::Own, "ailleurs");
    assert!(matches!(name(&mut desk, OFFICE, blind), Err(Refusal::NotAllowed { .. })), "it does not read that shop");
}

#[test]
fn a_shop_moves_from_app_to_node() {
    let (mut desk, relay) = served();
    name(&mut desk, OFFICE, relay).expect("naming the relay");
    let mut app = App::new("caisse 1", BUKAVU);
    desk.connect(OFFICE, relay);
    desk.carry();
    // The gateway counts as one of the shop's devices: it is given of the balance.
    for _ in 0..3 {
        desk.wait(6_000);
        desk.tick();
        desk.carry();
    }
    assert_eq!(desk.share(relay), "1000.00");
    let now = app.now(&desk, relay);
    app.grant(now, "CRED-1", "100 USD");
    app.pay(now, "CRED-1", 30_00);
    app.round(&mut desk, relay, Lost::Nothing);
    desk.carry();
    desk.part(OFFICE, relay);

    let till = desk.join(BUKAVU, "guichet");
    desk.meet_all();
    name(&mut desk, OFFICE, till).expect("naming the shop's own device");
    desk.meet_all();
    desk.connect(relay, till);
    desk.carry();
    for _ in 0..3 {
        desk.wait(6_000);
        desk.tick();
        desk.carry();
    }
    desk.part(relay, till);
    assert_eq!((desk.share(relay).as_str(), desk.share(till).as_str()), ("0.00", "900.00"));
    let (by, shop, rows) = (app.by.clone(), BUKAVU, Vec::new());
    let refused = desk.command(relay, Command::Report { by, shop, rows });
    assert!(
        matches!(&refused, Err(Refusal::NotGateway { gateway: Some(gateway), .. }) if gateway == "guichet"),
        "{refused:?}"
    );
    // The app goes on at the new node, with a token of that one.
    app.by.token = "token of the till".to_owned();
    app.restart();
    app.round(&mut desk, till, Lost::Nothing);
    let now = app.now(&desk, till);
    app.pay(now, "CRED-1", 20_00);
    desk.wait(1_000);
    app.round(&mut desk, till, Lost::Nothing);
    assert_eq!(paid(&mut desk, till, "CRED-1"), "50.00");
    desk.meet_all();
    desk.assert_one_state();
}

#[test]
fn what_a_gateway_writes_before_it_is_known_to_be_one_counts_once_that_is_heard() {
    let (mut desk, relay) = served();
    let far = desk.join(BUKAVU, "loin");
    desk.meet_all();
    name(&mut desk, OFFICE, relay).expect("naming the relay");
    desk.meet(OFFICE, relay);
    let mut app = App::new("caisse 1", BUKAVU);
    let now = app.now(&desk, relay);
    app.grant(now, "CRED-1", "100 USD");
    app.round(&mut desk, relay, Lost::Nothing);
    desk.meet_all();
    assert_eq!(desk.credit(far, "CRED-1").amount, "100.00");
    desk.assert_one_state();
}

#[test]
fn what_a_gateway_lacks_the_shops_devices_make_up_for() {
    for (granted, shares) in [("300 USD", ("350.00", "350.00")), ("1200 USD", ("-200.00", "0.00"))] {
        let (mut desk, relay) = served();
        let till = desk.join(BUKAVU, "guichet");
        desk.meet_all();
        desk.hand(OFFICE, till, "1000 USD");
        name(&mut desk, OFFICE, relay).expect("naming the relay");
        desk.meet_all();
        let mut app = App::new("caisse 1", BUKAVU);
        let now = app.now(&desk, relay);
        app.grant(now, "CRED-1", granted);
        app.round(&mut desk, relay, Lost::Nothing);
        desk.connect(relay, till);
        desk.carry();
        for _ in 0..3 {
            desk.wait(6_000);
            desk.tick();
            desk.carry();
        }
        desk.part(relay, till);
        assert_eq!((desk.share(relay).as_str(), desk.share(till).as_str()), shares, "{granted}");
        desk.meet_all();
        desk.assert_one_state();
    }
}
