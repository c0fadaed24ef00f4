//! The existing app against the real program: its loop over real HTTP, before nodes that are killed and clocks that are
//! hours off.

mod client;
mod faults;
mod moving;
mod storm;

use client::App;
use serde_json::{Value, json};

use crate::process::Shop;

/// The SIM of [`office`].
pub const SIM: &str = "+243970000001";

/// A head office of shop 1 whose node runs and whose SIM holds a million dollars.
pub fn office() -> Shop {
    let mut shop = Shop::found("siege", "Passerelle", 1);
    shop.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "1000000"]);
    shop.start(&[]);
    shop
}

/// A token of that node for shops.
pub fn token(shop: &Shop, name: &str, shops: &[u32]) -> String {
    let body = json!({ "name": name, "shops": shops });
    let answer = shop.face().request("POST", "/api/v1/tokens", &[], Some(&body)).expect("an answer");
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["token"].as_str().expect("a token").to_owned()
}

/// An app of shop 1 that was just installed and pointed at that node.
pub fn app(shop: &Shop, name: &str) -> App {
    App::new(shop.face(), &shop.http(), &token(shop, name, &[1]), 1)
}

/// Lets some time go by: more than a request takes, so that it is known what came first.
pub fn a_while() {
    std::thread::sleep(std::time::Duration::from_millis(300));
}

/// What was paid of a credit at a node, in cents.
pub fn paid(shop: &Shop, reference: &str) -> i64 {
    let credit = shop.credit(reference).unwrap_or_else(|error| panic!("{error}"));
    client::cents(&Value::String(credit["paid"].as_str().expect("an amount").to_owned()))
}

/// The conflicts that stand open at a node.
pub fn open_conflicts(shop: &Shop) -> Vec<Value> {
    shop.get("/api/v1/conflicts")["items"].as_array().expect("a list").clone()
}
