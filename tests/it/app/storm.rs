//! Two apps on one shop, beside people at the node itself: lost answers, a node that is killed, clocks that are hours
//! off. What cashiers entered is in the credits exactly once, and everybody sees the same.

use std::collections::BTreeMap;

use super::client::{App, Lost};
use super::{SIM, a_while, app, office, open_conflicts, paid};
use crate::process::{ANY_LISTEN, Shop};

/// What was entered of each credit, in cents.
type Entered = BTreeMap<String, i64>;

fn pay(app: &mut App, entered: &mut Entered, reference: &str, cents: i64) {
    app.pay(reference, cents);
    *entered.entry(reference.to_owned()).or_default() += cents;
}

fn pay_at(shop: &Shop, entered: &mut Entered, reference: &str, cents: i64) {
    let amount = format!("{}.{:02}", cents / 100, cents % 100);
    shop.ok(&["credit", "pay", reference, "--amount", &amount]);
    *entered.entry(reference.to_owned()).or_default() += cents;
}

/// As a power cut does it; the apps go on asking where they asked.
fn cut(office: &mut Shop) {
    let http = office.http();
    office.kill();
    office.start_at(&http, ANY_LISTEN, &[]);
}

#[test]
fn two_apps_and_a_counter_lose_and_double_nothing() {
    for (one_off, two_off) in [(0, 0), (5, -7)] {
        let mut office = office();
        let (mut one, mut two) = (app(&office, "caisse 1"), app(&office, "caisse 2"));
        one.clock_off_ms = one_off * 3_600_000;
        two.clock_off_ms = two_off * 3_600_000;
        one.settle();
        two.settle();
        let mut entered = Entered::new();
        for number in 1..=4 {
            one.grant(&format!("CRED-{number}"), SIM, 100_00);
        }
        one.settle();
        two.settle();
        for turn in 1..=4_i64 {
            let reference = |offset: i64| format!("CRED-{}", (turn + offset) % 4 + 1);
            pay(&mut one, &mut entered, &reference(0), 1_00 + turn);
            pay(&mut two, &mut entered, &reference(0), 2_00 + turn);
            pay(&mut two, &mut entered, &reference(1), 3_00);
            pay_at(&office, &mut entered, &reference(0), 4_01);
            pay_at(&office, &mut entered, &reference(1), 5_00);
            a_while();
            match turn {
                // The node has taken the rows, and the app does not hear of it; then the node goes down.
                1 => {
                    assert!(!one.round(Lost::Upload));
                    cut(&mut office);
                }
                2 => {
                    assert!(!two.round(Lost::Download));
                    one.restart();
                }
                3 => {
                    cut(&mut office);
                    assert!(!two.round(Lost::Upload));
                    two.restart();
                }
                _ => {}
            }
            // Some more is entered before what was lost is made up for.
            pay(&mut one, &mut entered, &reference(2), 1_00);
            a_while();
            // Rounds until all have all, and one more: an app that is closed before it comes again has not said whether it
            // took what it was sent last, and what it says next is then asked about.
            for _ in 0..3 {
                assert!(one.round(Lost::Nothing) && two.round(Lost::Nothing));
                a_while();
            }
        }
        for _ in 0..2 {
            one.settle();
            two.settle();
        }
        for (reference, cents) in &entered {
            assert_eq!(paid(&office, reference), *cents, "{reference}: {:?}", office.credit(reference));
            for (name, app) in [("1", &one), ("2", &two)] {
                let row = app.row(reference);
                assert_eq!(
                    row.cents("montant_paye"),
                    *cents,
                    "{reference} in app {name}, {:?}",
                    open_conflicts(&office)
                );
            }
        }
        assert_eq!((one.forgotten, two.forgotten), (0, 0));
        assert_eq!((one.rows.len(), two.rows.len()), (4, 4));
        let listed = one.ask("GET", "/api/credit-virtuels?shop_id=1", None).expect("an answer").json();
        for row in listed["data"].as_array().expect("rows") {
            for app in [&one, &two] {
                let own = &app.row(row["reference"].as_str().expect("a text")).fields;
                for field in ["id", "statut", "beneficiaire_nom", "notes", "shop_id", "sim_numero"] {
                    assert_eq!(own[field], row[field], "{field} of {row}");
                }
            }
        }
        office.stop();
        office.assert_sound();
    }
}
