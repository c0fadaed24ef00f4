//! Who is not of the network gets nothing and writes nothing: a stranger's node, a device of another network, and a
//! device that was revoked.
//!
//! That nothing came is judged after something else came: the same entry reached a device that may have it.

use serde_json::Value;
use ucash::sample::Size;

use crate::process::{Shop, eventually, one_digest, same};
use crate::totals::made_up;

const COMPANY: Size = Size { shops: 2, sims_per_shop: 2, captures_per_sim: 2, credits: 30 };

/// A head office with a company of its own.
fn company(name: &str, network: &str, seed: u64) -> Shop {
    let head = Shop::found(name, network, 1);
    let tables = made_up(&head, seed, COMPANY);
    head.ok(&["import", tables.to_str().expect("a path in Unicode")]);
    head
}

fn grant(shop: &Shop, reference: &str) {
    let sims = shop.get("/api/v1/sims?shop=1");
    let sim = sims["items"][0]["sim"].as_str().expect("a SIM").to_owned();
    let words = ["credit", "grant", "--amount", "1.00", "--currency", "USD", "--to", "Divine"];
    shop.ok(&[&words[..], &["--reference", reference, "--sim", &sim]].concat());
}

/// Waits until the device may spend all that its shop's SIMs hold: the head office, which imported it, hands it over.
fn handed_over(shop: &Shop, number: u32) {
    eventually("the head office to hand the shop's balances over", || {
        let sims = shop.get(&format!("/api/v1/sims?shop={number}"));
        let accounts = sims["items"].as_array().expect("a list").iter();
        let mut accounts = accounts.flat_map(|sim| sim["balances"].as_object().expect("by currency").values());
        match accounts.find(|account| account["this_device"] != account["available"]) {
            None => Ok(()),
            Some(account) => Err(account.to_string()),
        }
    });
}

fn key(shop: &Shop) -> Value {
    shop.status()["device_key"].clone()
}

/// Fails if `shop` shows any of these devices as one that it knows or is connected with.
fn assert_unknown(shop: &Shop, strangers: &[&Shop]) {
    let peers = shop.get("/api/v1/peers");
    let devices = shop.get("/api/v1/devices");
    for stranger in strangers.iter().map(|stranger| key(stranger)) {
        let shown = peers["items"].as_array().expect("a list").iter().find(|peer| peer["device_key"] == stranger);
        let certified = shown.is_some_and(|peer| peer["connected"] == true || !peer["shop_id"].is_null());
        assert!(!certified, "a stranger among the peers: {peers}");
        let known = devices["items"].as_array().expect("a list").iter().any(|device| device["key"] == stranger);
        assert!(!known, "a stranger among the devices: {devices}");
    }
}

/// Waits until one of the two has sent the other away: whoever is greeted first does.
fn parted(host: &Shop, guest: &Shop) {
    let says = |shop: &Shop, other: &Shop| {
        let key = key(other).as_str().expect("a text").chars().take(8).collect::<String>();
        let log = shop.log();
        log.lines().any(|line| line.contains("another network") && line.contains(&key))
    };
    eventually("devices of two networks to part", || match says(host, guest) || says(guest, host) {
        true => Ok(()),
        false => Err("no such line in their logs".to_owned()),
    });
}

#[test]
fn strangers_get_nothing_and_write_nothing() {
    let mut ours = company("siege", "Nous", 1);
    ours.start(&[]);
    let mut friend = Shop::join("ami", &ours, 2);
    friend.start(&[]);
    one_digest(&[&ours, &friend]);

    // A stranger's node with a network of its own, and a plain device of that network; both dial us and our friend.
    let mut stranger = company("etranger", "Eux", 2);
    stranger.start(&["--peer", &ours.address(), "--peer", &friend.address()]);
    let mut device = Shop::join("leur-appareil", &stranger, 2);
    device.start(&["--peer", &ours.address()]);
    for (host, guest) in [(&ours, &stranger), (&friend, &stranger), (&ours, &device)] {
        parted(host, guest);
    }
    handed_over(&friend, 2);
    handed_over(&device, 2);
    one_digest(&[&ours, &friend]);
    one_digest(&[&stranger, &device]);
    let theirs = (stranger.entries(), stranger.digest());

    let before = ours.entries();
    grant(&ours, "NOTRE-1");
    eventually("our friend sees our grant", || friend.credit("NOTRE-1"));
    assert_eq!((stranger.entries(), stranger.digest()), theirs, "the stranger got nothing");
    assert_eq!((device.entries(), device.digest()), theirs, "the other network's device got nothing");

    grant(&stranger, "LEUR-1");
    eventually("their device sees their grant", || device.credit("LEUR-1"));
    let ours_after = (ours.entries(), ours.digest());
    ours.ok(&["sync"]);
    assert_eq!((ours.entries(), ours.digest()), ours_after, "nothing of theirs is written here");
    assert_eq!(ours.entries(), before + 1);
    for shop in [&ours, &friend] {
        assert!(shop.credit("LEUR-1").is_err());
        assert_unknown(shop, &[&stranger, &device]);
        shop.assert_sound();
    }
    for shop in [&stranger, &device] {
        assert!(shop.credit("NOTRE-1").is_err());
        assert_unknown(shop, &[&ours, &friend]);
    }
    one_digest(&[&ours, &friend]);
}

#[test]
fn a_revoked_device_is_cut_off_and_receives_nothing_further() {
    let mut ours = company("siege", "Nous", 3);
    ours.start(&[]);
    let mut friend = Shop::join("ami", &ours, 1);
    friend.start(&[]);
    let mut lost = Shop::join("perdu", &ours, 1);
    lost.start(&["--peer", &friend.address()]);
    one_digest(&[&ours, &friend, &lost]);
    eventually("the friend to know the device", || {
        let peers = friend.get("/api/v1/peers");
        let met = peers["items"].as_array().expect("a list").iter().any(|peer| peer["device_key"] == key(&lost));
        if met { Ok(()) } else { Err(peers.to_string()) }
    });

    // Shares even out while they are in contact: it has something to spend alone.
    eventually("the device to have a share", || {
        let sims = lost.get("/api/v1/sims?shop=1");
        let share = &sims["items"][0]["balances"]["USD"]["this_device"];
        let share: f64 = share.as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
        if share >= 1.0 { Ok(()) } else { Err(sims.to_string()) }
    });
    assert_eq!(ours.ok(&["device", "revoke", "perdu"])["revoked"], true);
    // Everyone lets go of it.
    for shop in [&ours, &friend] {
        eventually("the revoked device to be cut off", || {
            let peers = shop.get("/api/v1/peers");
            let peers = peers["items"].as_array().expect("a list");
            let theirs = peers.iter().find(|peer| peer["device_key"] == key(&lost));
            same(theirs.is_some_and(|peer| peer["connected"] == true), false)
        });
    }
    grant(&ours, "APRES-1");
    eventually("the friend sees what came after", || friend.credit("APRES-1"));
    let held = lost.entries();
    assert!(lost.credit("APRES-1").is_err(), "the revoked device received what came after");

    // What it does alone stays with it, and a restart that dials everyone opens no door.
    grant(&lost, "SEUL-1");
    let words = ["--peer".to_owned(), ours.address(), "--peer".to_owned(), friend.address()];
    assert!(lost.stop().success());
    let logged = lost.log().len();
    lost.start(&words.each_ref().map(String::as_str));
    eventually("the revoked device to be sent away", || {
        let since = lost.log().split_off(logged);
        let parted = since.contains("disconnected") || since.contains("connection ended");
        if parted { Ok(()) } else { Err(since) }
    });
    grant(&ours, "APRES-2");
    eventually("the friend sees what came after", || friend.credit("APRES-2"));
    assert!(lost.credit("APRES-2").is_err(), "the revoked device received what came after its restart");
    assert!(lost.entries() <= held + 1, "it holds its own grant and nothing more");
    for shop in [&ours, &friend] {
        assert!(shop.credit("SEUL-1").is_err(), "an entry of the revoked device came in");
        shop.assert_sound();
    }
    one_digest(&[&ours, &friend]);
}
