//! Tokens, made by the command line and used over HTTP: each opens what it says, as long as it holds.

use serde_json::{Value, json};

use crate::process::{Answer, Shop, eventually, same, ucash};

const OURS: &str = "+243970000001";
const THEIRS: &str = "+243970000002";

fn company() -> Shop {
    let shop = Shop::found("siege", "Jetons", 1);
    shop.ok(&["shop", "add", "Agence de Beni", "--shop-id", "2"]);
    shop.ok(&["sim", "add", OURS, "--operator", "Airtel", "--initial-usd", "100.00"]);
    shop.ok(&["sim", "add", THEIRS, "--operator", "Orange", "--shop", "2", "--initial-usd", "100.00"]);
    shop
}

fn create(shop: &Shop, words: &[&str]) -> (String, String) {
    let token = shop.ok(&[&["token", "create"], words].concat());
    let text = |name: &str| token[name].as_str().expect("a text").to_owned();
    (text("id"), text("token"))
}

fn grant(shop: &Shop, token: &str, reference: &str, sim: &str) -> Answer {
    let body = json!({
        "reference": reference, "amount": "1.00", "currency": "USD", "sim": sim, "beneficiary": { "name": "Baraka" },
    });
    let bearer = format!("Bearer {token}");
    let answer = shop.face().request("POST", "/api/v1/credits", &[("Authorization", &bearer)], Some(&body));
    answer.expect("an answer")
}

fn get(shop: &Shop, token: &str, path: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    shop.face().request("GET", path, &[("Authorization", &bearer)], None).expect("an answer")
}

#[test]
fn tokens_open_what_they_say_until_they_are_revoked() {
    let mut shop = company();
    // One made while no node runs is good for the node that runs later.
    let (early, writer) = create(&shop, &["--name", "caisse", "--shop", "1"]);
    shop.start(&[]);
    let (_, reader) = create(&shop, &["--name", "lecteur", "--shop", "1", "--shop", "2", "--read-only"]);

    let done = grant(&shop, &writer, "J-1", OURS);
    assert_eq!(done.status, 201, "{done:?}");
    assert_eq!(done.json()["agent"], "caisse", "the token's name is who acted, as nobody else is named");

    let cases: [(&str, Answer, u16, &str); 7] = [
        ("a shop it does not hold for", grant(&shop, &writer, "J-2", THEIRS), 403, "shop_outside_token"),
        ("reading only", grant(&shop, &reader, "J-2", OURS), 403, "token_reads_only"),
        ("tokens make no tokens", get(&shop, &writer, "/api/v1/tokens"), 403, "not_for_tokens"),
        ("another shop's sums", get(&shop, &writer, "/api/v1/statistics?shop=2"), 403, "shop_outside_token"),
        ("nobody's token", get(&shop, "ucash_abcdefgh_ijklmnop", "/api/v1/credits"), 401, "unauthorized"),
        ("cut short", get(&shop, &writer[..writer.len() - 1], "/api/v1/credits"), 401, "unauthorized"),
        ("no token at all behind the word", get(&shop, "", "/api/v1/credits"), 401, "unauthorized"),
    ];
    for (what, answer, status, code) in cases {
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{what}: {answer:?}");
        let document = answer.json();
        assert_eq!(document["status"], status, "{what}");
        assert!(document["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{what}: {document}");
    }
    assert_eq!(get(&shop, &reader, "/api/v1/credits/J-1").status, 200);
    assert_eq!(shop.status()["credits"], 1, "nothing that was refused was done");

    // The list tells them apart and shows no secret.
    let list = shop.ok(&["token", "list"]);
    let names: Vec<&Value> = list["items"].as_array().expect("a list").iter().map(|token| &token["name"]).collect();
    assert_eq!(names.len(), 2, "{list}");
    for name in ["caisse", "lecteur"] {
        assert!(names.iter().any(|shown| **shown == name), "{list}");
    }
    for token in [&writer, &reader] {
        let secret = token.rsplit('_').next().expect("a secret");
        assert!(!list.to_string().contains(secret));
    }

    shop.ok(&["token", "revoke", &early]);
    let answer = get(&shop, &writer, "/api/v1/credits");
    assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"), "revoked, on loopback too");
    assert_eq!(grant(&shop, &writer, "J-3", OURS).status, 401);
    let again = shop.run(&["token", "revoke", &early]);
    assert_eq!((again.code, again.error()["code"].as_str()), (Some(1), Some("unknown_token")));
    let unknown = shop.run(&["token", "create", "--name", "x", "--shop", "77"]);
    assert_eq!((unknown.code, unknown.error()["code"].as_str()), (Some(1), Some("unknown_shop")));
    assert!(!shop.log().contains(&writer) && !shop.log().contains(&reader), "no token in a log");

    // A revoked one stays revoked, and a good one good, after a restart.
    assert!(shop.stop().success());
    shop.start(&[]);
    assert_eq!(get(&shop, &writer, "/api/v1/credits").status, 401);
    assert_eq!(get(&shop, &reader, "/api/v1/credits").status, 200);
}

#[test]
fn people_see_what_a_token_may_until_when_and_when_it_was_used() {
    let mut shop = company();
    let data = shop.directory().to_str().expect("a path in Unicode").to_owned();
    let told = |words: &[&str]| ucash(&[&["--data", &data, "--lang", "fr", "token"], words].concat());
    let endless = told(&["create", "--name", "sans fin", "--shop", "1", "--shop", "2"]);
    assert!(
        endless.stderr.contains("n'a pas d'échéance") && endless.stderr.contains("plusieurs agences"),
        "{endless:?}"
    );
    let careful = told(&["create", "--name", "prudent", "--shop", "1", "--read-only", "--expires", "90d"]);
    assert_eq!((careful.code, careful.stderr.as_str()), (Some(0), ""), "nothing to warn of");
    let (_, brief) = create(&shop, &["--name", "bref", "--shop", "1", "--read-only", "--expires", "1s"]);
    shop.start(&[]);
    eventually("its end", || same(get(&shop, &brief, "/api/v1/credits").status, 401));
    let prudent = careful.stdout.lines().next().expect("a token").to_owned();
    assert_eq!(get(&shop, &prudent, "/api/v1/credits").status, 200);
    let list = told(&["list"]).stdout;
    let line = |name: &str| list.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(list.starts_with("Id") && list.contains("Dernier usage") && list.contains("Droit"), "{list}");
    assert!(line("sans fin").contains("lire et écrire") && line("sans fin").ends_with('-'), "{list}");
    assert!(line("bref").contains("(expiré)") && !line("prudent").contains("(expiré)"), "{list}");
    assert_eq!(line("prudent").matches(" 20").count(), 2, "its last use and its end: {list}");
}
