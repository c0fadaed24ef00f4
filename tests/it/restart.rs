//! Stopping and starting again: cleanly, with all that was promised kept, and back in touch by itself.

use serde_json::{Value, json};

use crate::process::{Shop, eventually, one_digest, same};

const SIM: &str = "+243970000001";

fn shop_with_sim() -> Shop {
    let shop = Shop::found("siege", "Reprise", 1);
    shop.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "100.00"]);
    shop
}

fn grant(reference: &str) -> Value {
    json!({
        "reference": reference, "amount": "10.00", "currency": "USD", "sim": SIM,
        "beneficiary": { "name": "Aimée" },
    })
}

fn connected(shop: &Shop) -> Result<(), String> {
    let peers = shop.get("/api/v1/peers");
    let any = peers["items"].as_array().expect("a list").iter().any(|peer| peer["connected"] == true);
    if any { Ok(()) } else { Err(peers.to_string()) }
}

#[test]
fn a_stopped_node_leaves_its_directory_whole_and_free() {
    let mut shop = shop_with_sim();
    let heads = std::fs::read(shop.directory().join("heads")).unwrap_or_default();
    shop.start(&[]);
    let granted = shop.face().post("/api/v1/credits", "a", &grant("R-1")).expect("an answer");
    assert_eq!(granted.status, 201);
    let digest = shop.digest();
    assert!(shop.stop().success(), "SIGTERM ends it with 0");
    assert!(!shop.directory().join("node.json").exists(), "nobody is announced any more");
    let written = std::fs::read(shop.directory().join("heads")).expect("the heads are written");
    assert!(!written.is_empty() && written != heads, "with the grant");
    // A command opens the directory itself now.
    assert_eq!(shop.digest(), digest);
    shop.assert_sound();
    // SIGTERM while nothing was ever asked of it, at once after the ready line.
    shop.start(&[]);
    assert!(shop.stop().success());
}

#[test]
fn a_restart_keeps_tokens_and_the_answers_of_idempotency_keys() {
    let mut shop = shop_with_sim();
    shop.start(&[]);
    let token = shop.ok(&["token", "create", "--name", "caisse", "--shop", "1"]);
    let bearer = format!("Bearer {}", token["token"].as_str().expect("a token"));
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", "cle-1")];
    let post = |shop: &Shop, body: &Value| shop.face().request("POST", "/api/v1/credits", &headers, Some(body));
    let first = post(&shop, &grant("R-1")).expect("an answer");
    assert_eq!(first.status, 201, "{first:?}");
    let paid = shop.face().post("/api/v1/credits/R-1/payments", "cle-2", &json!({ "amount": "4.00" }));
    let paid = paid.expect("an answer");
    assert_eq!(paid.status, 201, "{paid:?}");
    let refused = shop.face().post("/api/v1/credits/R-1/payments", "cle-3", &json!({ "amount": "99.00" }));
    let refused = refused.expect("an answer");
    assert_eq!(refused.status, 409, "{refused:?}");

    for kill in [false, true] {
        let digest = shop.digest();
        if kill {
            shop.kill();
        } else {
            assert!(shop.stop().success());
        }
        shop.start(&[]);
        assert_eq!(shop.digest(), digest);
        assert_eq!(post(&shop, &grant("R-1")), Ok(first.clone()), "the same answer, later payment or not");
        let again = shop.face().post("/api/v1/credits/R-1/payments", "cle-2", &json!({ "amount": "4.00" }));
        assert_eq!(again, Ok(paid.clone()));
        let other = post(&shop, &grant("R-2")).expect("an answer");
        assert_eq!((other.status, other.code().as_str()), (409, "idempotency_key_reused"));
        assert_eq!(shop.credit("R-1").expect("it is there")["paid"], "4.00");
        assert_eq!(shop.digest(), digest, "nothing was done again");
        let tokens = shop.ok(&["token", "list"]);
        assert_eq!(tokens["items"][0]["id"], token["id"]);
    }
}

#[test]
fn nodes_find_each_other_again_without_being_told_where() {
    let mut head = shop_with_sim();
    head.start(&[]);
    let mut device = Shop::join("comptoir", &head, 1);
    device.start(&["--peer", &head.address()]);
    eventually("first contact", || connected(&device));
    one_digest(&[&head, &device]);

    // The device comes back and dials what its address book knows.
    assert!(device.stop().success());
    head.ok(&["sim", "capture", SIM, "--amount", "5.00", "--currency", "USD"]);
    device.start(&[]);
    eventually("contact after the device's restart", || connected(&device));
    one_digest(&[&head, &device]);

    // The head office comes back at its address, killed; the device is still there and dials again.
    let listen = head.listen();
    head.kill();
    device.ok(&["sim", "capture", SIM, "--amount", "7.00", "--currency", "USD"]);
    head.start_at(crate::process::ANY_HTTP, &listen, &[]);
    eventually("contact after the head office's restart", || connected(&head));
    one_digest(&[&head, &device]);
    for shop in [&head, &device] {
        let balance = shop.get(&format!("/api/v1/sims/{SIM}/balance"));
        assert_eq!(balance["balances"]["USD"]["available"], "112.00");
        shop.assert_sound();
    }
}

#[test]
fn d4_a_node_whose_database_was_cut_short_says_so_goes_on_and_is_refilled() {
    let mut office = shop_with_sim();
    office.start(&[]);
    let mut friend = Shop::join("ami", &office, 1);
    friend.start(&[]);
    for number in 0..4 {
        let answer = office.face().post("/api/v1/credits", &format!("{number}"), &grant(&format!("R-{number}")));
        assert_eq!(answer.expect("an answer").status, 201, "{number}");
    }
    let digest = one_digest(&[&office, &friend]);
    assert!(office.stop().success());
    let database = office.directory().join("store/db");
    let bytes = std::fs::read(&database).expect("the database");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("something");
    std::fs::write(&database, &bytes[..used / 3]).expect("cut");

    // A command changes nothing, and says what to do.
    let refused = office.run(&["credit", "list"]);
    assert_eq!((refused.code, &refused.error()["code"]), (Some(1), &json!("store_damaged")));
    assert!(refused.stderr.contains("verify --repair"), "{}", refused.stderr);
    office.start(&[]);
    let log = office.log();
    assert!(log.contains("the data were damaged") && log.contains("store.damaged-1"), "{log}");
    assert!(office.directory().join("store.damaged-1/db").exists());
    eventually("what was lost to come back", || {
        same(office.status()["lost"].clone(), json!([]))?;
        same(office.status()["state_digest"].clone(), json!(friend.digest()))
    });
    assert_eq!(one_digest(&[&office, &friend]), digest, "the money is as it was");
    office.assert_sound();
    // What the old life held comes to the new one when the keeper has closed the old.
    let held = |shop: &Shop| shop.get("/api/v1/sims?shop=1")["items"][0]["balances"]["USD"]["this_device"].clone();
    let friends = held(&friend);
    office.ok(&["device", "close", "siege"]);
    let mut tries = 0;
    eventually("the old life's share to be spendable", || {
        // Under one key, the first refusal would be the answer for good.
        tries += 1;
        let answer = office.face().post("/api/v1/credits", &format!("apres-{tries}"), &grant("APRES"))?;
        if answer.status == 201 { Ok(()) } else { Err(format!("{answer:?}, the friend held {friends}")) }
    });
    assert!(office.stop().success() && friend.stop().success());
    let again = office.ok(&["verify", "--repair"]);
    assert_eq!(again["sound"], true, "{again}");
}
