//! No secret is ever logged: a company does all that takes secrets, with every node logging all it can, and nothing that
//! would let a reader of the log in stands there. In JSON, every line is an object.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use ucash::wire::{GossipKey, Message};

use crate::forge::{AUTHORITY, OFFICE, device, found};
use crate::process::{Shop, eventually};

const SIM: &str = "+243970000001";

fn everything() -> [(&'static str, String); 1] {
    [("UCASH_LOG", "trace".to_owned())]
}

/// A key as it might be written: base32 as it is kept, hexadecimal, and a list as `Debug` prints bytes.
fn written(name: &str, kept: &str, secrets: &mut BTreeMap<String, String>) {
    let bytes = data_encoding::BASE32_NOPAD.decode(kept.to_ascii_uppercase().as_bytes()).expect("base32");
    assert_eq!(bytes.len(), 32, "{name}");
    secrets.insert(format!("{name} as kept"), kept.to_owned());
    secrets.insert(format!("{name} in hexadecimal"), data_encoding::HEXLOWER.encode(&bytes));
    secrets.insert(format!("{name} in base64"), data_encoding::BASE64.encode(&bytes));
    let list = format!("{bytes:?}");
    secrets.insert(format!("{name} as a list"), list.trim_matches(['[', ']']).to_owned());
}

/// The keys that a device keeps.
fn keys_of(shop: &Shop, secrets: &mut BTreeMap<String, String>) {
    let text = fs::read_to_string(shop.directory().join("identity")).expect("read");
    let kept: Value = serde_json::from_str(&text).expect("JSON");
    for name in ["device", "authority", "gossip"] {
        if let Some(key) = kept[name].as_str() {
            written(name, key, secrets);
        }
    }
}

#[test]
fn a_message_that_carries_the_gossip_key_is_printed_without_it() {
    let office = found(OFFICE, AUTHORITY);
    let credentials = office.registry().credentials(&device(OFFICE)).expect("certified");
    let joined = Message::Joined { credentials: Box::new(credentials), gossip_key: GossipKey([0xab; 32]) };
    for printed in [format!("{joined:?}"), format!("{joined:#?}")] {
        let closed_up: String = printed.to_lowercase().split_whitespace().collect();
        assert!(!closed_up.contains("171,171") && !closed_up.contains("abab"), "{printed}");
        assert!(printed.contains("GossipKey(..)"), "{printed}");
    }
}

#[test]
fn nothing_that_lets_anyone_in_is_logged() {
    let mut secrets = BTreeMap::new();
    let mut one = Shop::found("siege", "Muet", 1);
    one.start_in(&["--log-format", "json"], &everything());
    one.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "100.00"]);
    let invitation = one.invite(1);
    secrets.insert("the invitation".to_owned(), invitation.clone());
    let mut two = Shop::empty("guichet");
    let joined = two.run_in(&["join", &invitation, "--device", "guichet"], &[("UCASH_LOG", "trace")]);
    assert_eq!(joined.code, Some(0), "{joined:?}");
    two.start_in(&["--log-format", "human", "--peer", &one.address()], &everything());

    let made = one.ok(&["token", "create", "--name", "caisse", "--shop", "1"]);
    let token = made["token"].as_str().expect("a token").to_owned();
    secrets.insert("the token".to_owned(), token.clone());
    let secret = token.rsplit('_').next().expect("its last part").to_owned();
    secrets.insert("the token's secret".to_owned(), secret);
    let bearer = format!("Bearer {token}");
    let id = ("X-Request-Id", "requete-42");
    for (headers, status) in [
        (vec![("Authorization", bearer.as_str()), id], 200),
        (vec![("Authorization", "Bearer ucash_faux_secretfaux"), id], 401),
    ] {
        let answer = one.face().request("GET", "/api/v1/credits?reference=MUET-SECRET", &headers, None);
        let answer = answer.expect("an answer");
        assert!(answer.status == status || (status == 200 && answer.status == 422), "{answer:?}");
    }
    secrets.insert("a false token".to_owned(), "secretfaux".to_owned());
    let grant = json!({
        "reference": "MUET-1", "amount": "7.25", "currency": "USD", "sim": SIM,
        "beneficiary": { "name": "Aimée Kabila", "phone": "+243990001122" },
    });
    assert_eq!(one.face().post("/api/v1/credits", "muet-1", &grant).expect("an answer").status, 201);
    eventually("the credit to arrive", || two.credit("MUET-1").map(drop));
    // Neither are clients' affairs.
    for word in ["Kabila", "+243990001122", "MUET-1", "MUET-SECRET"] {
        secrets.insert(format!("a client's {word}"), word.to_owned());
    }
    for shop in [&one, &two] {
        let running = fs::read_to_string(shop.directory().join("node.json")).expect("the file for commands");
        let running: Value = serde_json::from_str(&running).expect("JSON");
        let credential = running["credential"].as_str().expect("a credential").to_owned();
        secrets.insert(format!("the credential {}", &credential[..4]), credential);
        keys_of(shop, &mut secrets);
    }
    assert!(one.stop().success() && two.stop().success());

    let (json, human) = (one.log(), two.log());
    for log in [&json, &human, &joined.stderr] {
        for (name, secret) in &secrets {
            assert!(!log.contains(secret.as_str()), "{name} is logged: {secret}");
        }
    }
    // The logs do tell: every line is an object, requests have their ids and routes.
    let lines: Vec<Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    assert!(lines.iter().all(|line| ["timestamp", "level", "target"].iter().all(|key| line[*key].is_string())));
    let answered = lines.iter().find(|line| line["span"]["id"] == "requete-42" && line["fields"]["status"] == 401);
    let answered = answered.unwrap_or_else(|| panic!("the request is not logged: {json}"));
    assert_eq!(answered["span"]["route"], "/api/v1/credits");
    assert!(human.contains("TRACE") || human.contains("DEBUG"), "all was to be logged: {human}");
}

/// Every file below a directory, and what it holds.
fn files_below(directory: &std::path::Path, found: &mut Vec<(std::path::PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            let bytes = fs::read(&path).expect("read");
            found.push((path, bytes));
        }
    }
}

#[test]
fn of_a_token_nothing_but_a_hash_is_kept_or_logged() {
    let mut shop = Shop::found("siege", "Traces", 1);
    shop.start_in(&["--log-format", "json"], &everything());
    let made = shop.ok(&["token", "create", "--name", "caisse", "--shop", "1", "--expires", "90d"]);
    let token = made["token"].as_str().expect("a token").to_owned();
    let secret = token.rsplit('_').next().expect("its last part");
    let bearer = format!("Bearer {token}");
    let use_it = |shop: &Shop, path: &str| {
        let answer = shop.face().request("GET", path, &[("Authorization", &bearer)], None);
        answer.expect("an answer").status
    };
    assert_eq!(use_it(&shop, "/api/v1/credits"), 200);
    // A token in a URL is no credential, and is not written down for having stood there.
    let in_url = shop.face().request("GET", &format!("/api/v1/credits?access_token={token}"), &[], None);
    assert_eq!(in_url.expect("an answer").status, 422);
    let id = made["id"].as_str().expect("an id");
    assert!(shop.ok(&["token", "list"])["items"][0]["last_used_at"].is_string());
    assert!(shop.stop().success());
    shop.start_in(&["--log-format", "json"], &everything());
    assert_eq!(use_it(&shop, "/api/v1/credits"), 200);
    shop.ok(&["token", "revoke", id]);
    assert_eq!(use_it(&shop, "/api/v1/credits"), 401);
    let ready = shop.ready().to_string();
    assert!(shop.stop().success());

    let bytes = data_encoding::BASE32_NOPAD.decode(secret.to_ascii_uppercase().as_bytes()).expect("base32");
    let forms = [secret.as_bytes().to_vec(), bytes.clone(), data_encoding::HEXLOWER.encode(&bytes).into_bytes()];
    let mut files = Vec::new();
    files_below(shop.directory(), &mut files);
    files.push(("the log".into(), shop.log().into_bytes()));
    files.push(("the ready line".into(), ready.into_bytes()));
    let holds = |bytes: &[u8], sought: &[u8]| bytes.windows(sought.len()).any(|window| window == sought);
    for (path, bytes) in &files {
        assert!(!forms.iter().any(|form| holds(bytes, form)), "the token's secret stands in {}", path.display());
    }
    // What is kept is seen by this very search.
    let hash = blake3::Hasher::new_derive_key("ucash/v1/token-secret").update(secret.as_bytes()).finalize().to_hex();
    assert!(files.iter().any(|(_, bytes)| holds(bytes, hash.as_bytes())), "the hash is kept");
}
