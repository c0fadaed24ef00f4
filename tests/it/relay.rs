//! The relay: the same program in the part of the central server. Devices that are never up together meet in it.

use serde_json::json;

use crate::process::{Shop, eventually, same};

const SIM: &str = "+243971777631";

/// A head office whose node runs, with a SIM of shop 1.
fn office() -> Shop {
    let mut office = Shop::found("siege", "Relais", 1);
    office.start(&[]);
    office.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "1000"]);
    office
}

fn relay_of(office: &Shop, name: &str) -> Shop {
    let mut relay = Shop::join_as(name, office, 1, &["--role", "relay"]);
    relay.relay(&["--peer", &office.address()]);
    relay
}

fn grant(shop: &Shop, reference: &str) {
    let words = ["credit", "grant", "--reference", reference, "--amount", "10", "--currency", "USD", "--to", "Amani"];
    shop.ok(&[&words[..], &["--sim", SIM]].concat());
}

fn has(shop: &Shop, reference: &str) {
    eventually(reference, || shop.credit(reference).map(drop));
}

fn in_step(left: &Shop, right: &Shop) {
    eventually("one digest", || same(left.digest(), right.digest()));
}

#[test]
fn devices_that_are_never_up_together_converge_through_a_relay() {
    let mut office = office();
    let mut relay = relay_of(&office, "relais");
    let mut till = Shop::join("guichet", &office, 1);
    let address = relay.address();
    in_step(&relay, &office);
    // From here on the head office and the till are never up at the same time.
    grant(&office, "A-1");
    has(&relay, "A-1");
    office.stop();
    till.start(&["--peer", &address]);
    has(&till, "A-1");
    till.ok(&["credit", "pay", "A-1", "--amount", "4"]);
    in_step(&relay, &till);
    till.stop();
    office.start(&["--peer", &address]);
    eventually("the payment", || same(office.credit("A-1")?["paid"].clone(), json!("4.00")));
    assert_eq!(relay.status()["role"], "relay");
    // It only carries.
    let refused = relay.run(&["credit", "pay", "A-1", "--amount", "1"]);
    assert_eq!((refused.code, &refused.error()["code"]), (Some(1), &json!("not_allowed")), "{refused:?}");
    relay.stop();
}

#[test]
fn a_relay_that_lost_its_disk_is_refilled_by_the_devices() {
    let mut office = office();
    let mut relay = relay_of(&office, "relais");
    (1..=5).for_each(|number| grant(&office, &format!("A-{number}")));
    in_step(&relay, &office);
    relay.kill();
    drop(relay);
    let again = relay_of(&office, "relais 2");
    in_step(&again, &office);
    assert_eq!(again.credit("A-5").expect("refilled")["amount"], "10.00");
    again.assert_sound();
    office.stop();
}

#[test]
fn of_two_relays_one_may_die() {
    let mut office = office();
    let mut relays = [relay_of(&office, "relais 1"), relay_of(&office, "relais 2")];
    let mut till = Shop::join("guichet", &office, 1);
    let addresses = [relays[0].address(), relays[1].address()];
    let peers = ["--peer", &addresses[0], "--peer", &addresses[1]];
    office.stop();
    office.start(&peers);
    till.start(&peers);
    grant(&office, "A-1");
    has(&till, "A-1");
    relays[0].kill();
    grant(&office, "A-2");
    has(&till, "A-2");
    till.ok(&["credit", "pay", "A-2", "--amount", "10"]);
    eventually("paid", || same(relays[1].credit("A-2")?["paid"].clone(), json!("10.00")));
    eventually("paid", || same(office.credit("A-2")?["paid"].clone(), json!("10.00")));
}

#[test]
fn who_reads_its_own_shop_learns_nothing_else_from_a_relay() {
    let office = office();
    office.ok(&["shop", "add", "Bukavu", "--shop-id", "2"]);
    let relay = relay_of(&office, "relais");
    let mut blind = Shop::join_as("bukavu", &office, 2, &["--read", "own"]);
    let mut other = Shop::join_as("bukavu 2", &office, 2, &["--read", "own"]);
    grant(&office, "GOMA-1");
    has(&relay, "GOMA-1");
    blind.start(&["--peer", &relay.address()]);
    blind.ok(&["sim", "add", "+243971777639", "--operator", "Airtel", "--initial-usd", "100"]);
    let words = ["credit", "grant", "--reference", "BUKAVU-1", "--amount", "10", "--currency", "USD", "--to", "Amani"];
    blind.ok(&[&words[..], &["--sim", "+243971777639"]].concat());
    has(&relay, "BUKAVU-1");
    other.start(&["--peer", &relay.address()]);
    has(&other, "BUKAVU-1");
    eventually("one digest", || same(blind.digest(), other.digest()));
    for one in [&blind, &other] {
        assert!(one.credit("GOMA-1").is_err(), "another shop's credit");
        assert!(one.entries() < relay.entries(), "{} of {} entries", one.entries(), relay.entries());
        let shop = |status: &serde_json::Value| status["shop_digests"]["2"].clone();
        assert_eq!(shop(&one.status()), shop(&relay.status()), "what both read is equal");
        let logs = one.run(&["log", "show"]).stdout;
        assert!(!logs.contains("GOMA"), "{logs}");
    }
}

#[test]
fn a_relay_founds_nothing() {
    let shop = Shop::empty("relais");
    let ran = shop.run(&["relay", "--no-mdns"]);
    assert_eq!((ran.code, &ran.error()["code"]), (Some(1), &json!("no_device")), "{ran:?}");
    assert!(!shop.directory().join("identity").exists());
}
