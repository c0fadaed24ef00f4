//! The main job: four processes, a company's whole data, and a credit that lives across them.

use std::path::Path;

use serde_json::json;
use ucash::sample::Size;

use crate::process::{Shop, eventually, one_digest, same};
use crate::totals::{Credit, Totals, made_up, shared_data_set};

/// A company of 7 shops with some hundreds of credits.
const COMPANY: Size = Size { shops: 7, sims_per_shop: 2, captures_per_sim: 5, credits: 400 };

#[test]
fn four_processes_share_a_made_up_company() {
    let head = Shop::found("siege", "Transferts", 1);
    let tables = made_up(&head, 11, COMPANY);
    story(head, &tables);
}

#[test]
fn four_processes_share_the_whole_data_set() {
    let Some(tables) = shared_data_set("four_processes_share_the_whole_data_set") else { return };
    story(Shop::found("siege", "Transferts", 1), &tables);
}

/// So rarely that whatever is seen in time was sent when it happened.
const LIVE: [&str; 2] = ["--sync-every", "10m"];

fn story(mut head: Shop, tables: &Path) {
    let mut expected = Totals::of_tables(tables);
    let report = head.ok(&["import", tables.to_str().expect("a path in Unicode")]);
    assert_eq!(report["tables"]["credits"]["created"], expected.credits.len(), "{report}");
    assert_eq!(report["refused"], json!([]));
    head.start(&LIVE);
    eventually("the head office shows the totals", || expected.compare(&head));

    // A device of shop 5 joins and receives everything; then two more.
    let mut counter = Shop::join("comptoir-5", &head, 5);
    counter.start(&LIVE);
    one_digest(&[&head, &counter]);
    let mut phone = Shop::join("telephone-5", &head, 5);
    phone.start(&[&LIVE[..], &["--peer", &counter.address()]].concat());
    let mut other = Shop::join("comptoir-7", &head, 7);
    other.start(&LIVE);
    let all = [&head, &counter, &phone, &other];
    one_digest(&all);
    for shop in all {
        eventually("the totals of the data set", || expected.compare(shop));
    }

    // Shop 5 grants, its second device takes a payment, shop 7 sees both.
    let sim = expected.sim_with(5, 12_550);
    let body = json!({
        "reference": "VIVE-1", "amount": "125.50", "currency": "USD", "sim": sim,
        "beneficiary": { "name": "Shop 7", "kind": "shop", "shop_id": 7 }, "agent": "espérance",
    });
    let granted = counter.face().post("/api/v1/credits", "grant-1", &body).expect("an answer");
    assert_eq!(granted.status, 201, "{granted:?}");
    let id = granted.json()["id"].clone();
    eventually("the phone sees the grant", || phone.credit("VIVE-1"));
    eventually("shop 7 sees the grant", || same(other.credit("VIVE-1")?["status"].as_str(), Some("accorde")));
    let paid = phone.ok(&["credit", "pay", "VIVE-1", "--amount", "25.50", "--mode", "mobile_money"]);
    assert_eq!(paid["remaining"], "100.00");
    let seen = eventually("shop 7 sees the payment", || {
        let credit = other.credit("VIVE-1")?;
        same(credit["status"].as_str(), Some("partiellementPaye")).map(|()| credit)
    });
    assert_eq!(seen["id"], id);
    assert_eq!((&seen["paid"], &seen["remaining"]), (&json!("25.50"), &json!("100.00")));
    assert_eq!(seen["device"], "comptoir-5");
    assert_eq!(seen["payments"][0]["device"], "telephone-5");
    assert_eq!(seen["agent"], "espérance");

    let credit =
        Credit { shop: 5, sim, currency: "USD".to_owned(), amount: 12_550, paid: 0, cancelled: false, due: None };
    expected.grant("VIVE-1", credit);
    expected.pay("VIVE-1", 2_550);
    one_digest(&all);
    for shop in all {
        eventually("the totals with the new credit", || expected.compare(shop));
        shop.assert_sound();
    }
}
