//! More than one gateway, and what each remembers: a row that comes again elsewhere is the same payment.

use ucash::membership::{ReadScope, Role};
use ucash::model::{CaptureState, ConflictKind, SimNumber};
use ucash::replica::{Command, ReportOutcome};

use crate::gateway::{App, Lost, conflicts, office, paid, round, two_apps};
use crate::seats::{Desk, OFFICE, SHOP, SIM, capture};

/// A relay that serves the head office's shop, an app on it with a credit of 100 USD, and all have met.
fn served() -> (Desk, usize, App) {
    let mut desk = office();
    let relay = desk.join_as(OFFICE, SHOP, Role::Relay, ReadScope::All, "relais");
    name(&mut desk, relay);
    desk.meet_all();
    let mut app = App::new("caisse 1", SHOP);
    let now = app.now(&desk, relay);
    app.grant(now, "CRED-1", "100 USD");
    app.round(&mut desk, relay, Lost::Nothing);
    desk.meet_all();
    (desk, relay, app)
}

fn name(desk: &mut Desk, gateway: usize) {
    let device = desk.device(gateway).to_text();
    desk.command(OFFICE, Command::NameGateway { shop: SHOP, device }).expect("the head office names");
}

#[test]
fn a_row_that_comes_again_at_another_gateway_is_the_same_payment() {
    for they_meet in [true, false] {
        let (mut desk, relay, mut app) = served();
        desk.wait(10);
        let now = app.now(&desk, relay);
        app.pay(now, "CRED-1", 50_00);
        app.round(&mut desk, relay, Lost::Upload);
        if they_meet {
            desk.meet_all();
        }
        name(&mut desk, OFFICE);
        app.restart();
        round(&mut app, &mut desk);
        desk.meet_all();
        assert_eq!(paid(&mut desk, OFFICE, "CRED-1"), "50.00", "they met first: {they_meet}");
        desk.assert_one_state();
    }
}

#[test]
fn f02_a_small_id_of_the_apps_own_overwrites_nobodys_credit() {
    let (mut desk, mut one, mut two) = two_apps();
    let now = one.now(&desk, OFFICE);
    one.grant(now, "CRED-1", "100 USD");
    round(&mut one, &mut desk);
    // The second app numbers its first row as the first did.
    let now = two.now(&desk, OFFICE);
    two.grant(now, "CRED-2", "70 USD");
    two.rows[0].id = one.row("CRED-1").id;
    let told = two.round(&mut desk, OFFICE, Lost::Nothing);
    assert!(matches!(told[..], [(_, ReportOutcome::Created { server_id })] if server_id != one.row("CRED-1").id));
    assert_eq!(desk.credit(OFFICE, "CRED-1").amount, "100.00");
    assert_eq!(desk.credit(OFFICE, "CRED-2").amount, "70.00");
}

#[test]
fn a_row_is_known_by_its_id_under_every_reference_that_it_bore() {
    let (mut desk, mut one, _) = two_apps();
    let till = desk.join(SHOP, "guichet");
    let now = one.now(&desk, OFFICE);
    one.grant(now, "CRED-1", "100 USD");
    round(&mut one, &mut desk);
    // The same reference at a device that did not see it: one of the two is shown with a suffix, and then renumbered.
    desk.hand(OFFICE, till, "200 USD");
    desk.grant(till, "CRED-9", "40 USD").expect("granting apart");
    desk.meet_all();
    let id = one.row("CRED-1").id;
    desk.wait(60_000);
    let now = one.now(&desk, OFFICE);
    one.edit(now, "CRED-1", |row| row.paid_cents = 10_00);
    round(&mut one, &mut desk);
    assert_eq!(one.row("CRED-1").id, id, "its id never changes");
    assert_eq!(paid(&mut desk, till, "CRED-9"), "0.00");
    assert_eq!(paid(&mut desk, OFFICE, "CRED-1"), "10.00");
}

#[test]
fn ids_are_the_same_on_every_node_and_every_reader_keeps_them() {
    let mut desk = office();
    let till = desk.join(SHOP, "guichet");
    let credits: Vec<String> = (0..40).map(|number| format!("CRED-{number}")).collect();
    credits.iter().for_each(|reference| drop(desk.grant(OFFICE, reference, "1 USD").expect("granting")));
    desk.meet_all();
    let ids = |desk: &Desk, seat: usize| -> Vec<u64> {
        desk.replica(seat).book().credits().map(ucash::model::Credit::server_id).collect()
    };
    let here = ids(&desk, OFFICE);
    assert_eq!(here, ids(&desk, till));
    assert!(here.iter().all(|id| (1 << 40..1 << 53).contains(id)), "{here:?}");
    desk.reopen(OFFICE);
    assert_eq!(here, ids(&desk, OFFICE));
}

#[test]
fn f04_nothing_is_cut_from_a_download_though_the_app_moves_its_mark() {
    let mut desk = office();
    let mut app = App::new("caisse 1", SHOP);
    const CREDITS: usize = 5_040;
    for number in 0..CREDITS {
        desk.grant(OFFICE, &format!("CRED-{number}"), "0.10 USD").expect("granting");
    }
    round(&mut app, &mut desk);
    let first = app.rows.len();
    assert!(first < CREDITS, "one answer holds {first} rows");
    desk.wait(30_000);
    round(&mut app, &mut desk);
    assert_eq!(app.rows.len(), CREDITS);
}

#[test]
fn what_is_lost_below_zero_is_made_up_for_by_what_comes_in() {
    let mut desk = office();
    let mut app = App::new("caisse 1", SHOP);
    let now = app.now(&desk, OFFICE);
    app.grant(now, "CRED-1", "1100 USD");
    round(&mut app, &mut desk);
    assert_eq!(conflicts(&mut desk, OFFICE), [ConflictKind::Overdrawn]);
    let kind = capture("150 USD", CaptureState::Validated);
    desk.command(OFFICE, Command::Move { sim: SimNumber::new(SIM).expect("a SIM"), kind, agent: None })
        .expect("a capture");
    assert_eq!((desk.share(OFFICE).as_str(), conflicts(&mut desk, OFFICE).len()), ("50.00", 0));
}
