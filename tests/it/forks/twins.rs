//! Two machines with one disk, as real processes: what the program cannot notice by itself is found where they meet others.

use serde_json::{Value, json};

use crate::copies::copy;
use crate::process::{Shop, eventually, same};

const SIM: &str = "+243970000001";

fn grant(shop: &Shop, reference: &str, amount: &str) {
    let words = ["credit", "grant", "--reference", reference, "--amount", amount, "--currency", "USD", "--to", "Amani"];
    shop.ok(&[&words[..], &["--sim", SIM]].concat());
}

/// Another machine with a copy of that disk. Beside the original a copy knows itself by the note of its place, which a
/// program of before had not: so this one is as a whole disk that was copied.
fn copied(shop: &Shop, name: &str) -> Shop {
    let twin = Shop::empty(name);
    copy(shop.directory(), twin.directory(), false);
    std::fs::remove_file(twin.directory().join("place")).expect("the note of its place");
    twin
}

/// The forks that a node lists.
fn forks(shop: &Shop) -> Vec<Value> {
    let listed = shop.ok(&["conflicts", "list"]);
    let items = listed["items"].as_array().expect("items").clone();
    items.into_iter().filter(|one| one["kind"] == "forked_device").collect()
}

#[test]
fn two_machines_with_one_disk_are_found_out_and_lose_nothing() {
    let mut office = Shop::found("siege", "Jumeaux", 1);
    office.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "500.00"]);
    office.start(&[]);
    let mut phone = Shop::join("telephone", &office, 1);
    phone.start(&[]);
    let share = |shop: &Shop| shop.ok(&["sim", "balance", SIM])["balances"]["USD"]["this_device"].clone();
    eventually("its share comes", || same(share(&phone), json!("250.00")));
    assert!(phone.stop().success());
    let mut twin = copied(&phone, "jumeau");
    grant(&phone, "P-1", "100");
    grant(&twin, "J-1", "120");

    // Both at once, as one device: each is heard in turn.
    let address = office.address();
    phone.start(&["--peer", &address]);
    twin.start(&["--peer", &address]);
    for reference in ["P-1", "J-1"] {
        eventually("both credits come", || office.credit(reference));
    }
    eventually("the fork is found", || same(forks(&office).len(), 1));
    // Each goes on as another life.
    eventually("they go on without the share", || {
        same([share(&phone), share(&twin)].contains(&json!("250.00")), false)
    });
    assert!(phone.stop().success() && twin.stop().success());
    let mut twins = [phone, twin];
    for which in [0, 1, 0] {
        let shop = &mut twins[which];
        shop.start(&["--peer", &address]);
        eventually("it holds the same as the office", || same(office.digest(), shop.digest()));
        // The digest is of what is shown: records of what was seen, which lengthen a sequel, may come after.
        eventually("the same fork is listed everywhere", || same(forks(&office), forks(shop)));
        shop.assert_sound();
        assert!(shop.stop().success());
    }
    office.assert_sound();
    let paid = office.credit("J-1").expect("granted");
    assert_eq!(
        (&paid["status"], &office.credit("P-1").expect("granted")["status"]),
        (&json!("accorde"), &json!("accorde"))
    );
}
