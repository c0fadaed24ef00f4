//! A shop moves from the app to a node of its own, without losing a day.

use serde_json::{Value, json};

use super::client::Lost;
use super::{SIM, a_while, paid, token};
use crate::process::{Shop, eventually};

fn balance(shop: &Shop) -> Value {
    let sim = shop.get(&format!("/api/v1/sims/{}/balance", SIM.replace('+', "%2B")));
    sim["balances"]["USD"]["available"].clone()
}

fn gateway(shop: &Shop) -> Value {
    let shops = shop.get("/api/v1/shops");
    let found = shops["items"].as_array().expect("a list").iter().find(|one| one["id"] == 2);
    found.expect("shop 2")["gateway"].clone()
}

#[test]
fn a_shop_moves_from_the_app_to_a_node() {
    let mut office = Shop::found("siege", "Déménagement", 1);
    office.ok(&["shop", "add", "Goma", "--shop-id", "2"]);
    office.ok(&["sim", "add", SIM, "--operator", "Airtel", "--shop", "2", "--initial-usd", "1000"]);
    office.start(&[]);
    let mut app = super::client::App::new(office.face(), &office.http(), &token(&office, "caisse", &[2]), 2);
    app.grant("CRED-1", SIM, 100_00);
    app.grant("CRED-2", SIM, 50_00);
    app.settle();
    a_while();
    app.pay("CRED-1", 30_00);
    app.settle();
    let before = balance(&office);
    assert_eq!(gateway(&office), Value::Null, "the head office serves whom nobody else serves");

    let mut till = Shop::join("guichet", &office, 2);
    till.start(&["--peer", &office.address()]);
    eventually("the till has the shop's credits", || till.credit("CRED-2"));
    let told = office.ok(&["shop", "gateway", "2", "--device", "guichet"]);
    assert_eq!(told["gateway"], "guichet", "{told}");
    let listed = office.ok(&["shop", "list"]);
    assert_eq!(listed["items"][1]["gateway"], "guichet", "{listed}");
    eventually("the till knows that it is the gateway", || match gateway(&till) {
        Value::String(name) if name == "guichet" => Ok(()),
        other => Err(other.to_string()),
    });

    // The old one takes nothing any more, and says who does.
    app.pay("CRED-2", 20_00);
    assert!(!app.round(Lost::Nothing));
    let row = app.row("CRED-2").fields.clone();
    let body = json!({ "shop_id": 2, "credits": [row] });
    let refused = app.ask("POST", "/api/credit-virtuels/batch", Some(&body)).expect("an answer");
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.json()["message"].as_str().is_some_and(|why| why.contains("guichet")), "{refused:?}");
    assert_eq!(paid(&office, "CRED-2"), 0);

    // Its share goes to the till, all of it; what the SIM holds is the same.
    eventually("the till holds the share", || {
        let shares = till.get(&format!("/api/v1/sims/{}/shares", SIM.replace('+', "%2B")));
        let held = shares["shares"]["USD"].as_array().expect("a list").clone();
        let held: Vec<_> = held.iter().filter(|one| one["share"] != "0.00").collect();
        match &held[..] {
            [one] if one["device"] == "guichet" && one["share"] == before => Ok(()),
            _ => Err(format!("{shares}, {before} in all")),
        }
    });
    assert_eq!((balance(&till), balance(&office)), (before.clone(), before));

    // The app goes on at the till with a token of the till: nothing is lost, nothing is counted twice.
    let new_token = token(&till, "caisse", &[2]);
    let (face, http) = (till.face().clone(), till.http());
    app.point_at(&face, &http, &new_token);
    app.settle();
    assert_eq!((paid(&till, "CRED-1"), paid(&till, "CRED-2")), (30_00, 20_00));
    a_while();
    app.pay("CRED-2", 5_00);
    app.grant("CRED-3", SIM, 10_00);
    app.settle();
    assert_eq!((paid(&till, "CRED-2"), app.row("CRED-2").cents("montant_paye")), (25_00, 25_00));
    till.ok(&["credit", "pay", "CRED-3", "--amount", "4"]);
    app.settle();
    assert_eq!(app.row("CRED-3").cents("montant_paye"), 4_00);
    eventually("the head office hears of it", || match office.credit("CRED-3") {
        Ok(credit) if credit["paid"] == "4.00" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(paid(&office, "CRED-2"), 25_00);
    till.stop();
    office.stop();
    till.assert_sound();
    office.assert_sound();
}
