//! What is stored, readable: `log show`, `doc show`, `peers --watch`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::Shop;

const SIM: &str = "+243970000001";

fn shop() -> Shop {
    let shop = Shop::found("siege", "Lisible", 5);
    shop.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "500"]);
    shop.ok(&[
        "credit",
        "grant",
        "--reference",
        "CRED-1",
        "--amount",
        "100",
        "--currency",
        "USD",
        "--to",
        "Aimée",
        "--sim",
        SIM,
        "--agent",
        "Riziki",
    ]);
    shop.ok(&["credit", "pay", "CRED-1", "--amount", "40"]);
    shop.ok(&["credit", "edit", "CRED-1", "--phone", "+243990000001"]);
    shop
}

/// The lines of a stream of JSON.
fn lines(shop: &Shop, words: &[&str]) -> Vec<Value> {
    let ran = shop.run(words);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("one value a line")).collect()
}

#[test]
fn a_log_is_shown_entry_by_entry_whole_or_in_part() {
    let shop = shop();
    let all = lines(&shop, &["log", "show", "--limit", "1000"]);
    assert_eq!(all.len() as u64, shop.entries(), "every entry once");
    assert!(all.iter().all(|entry| entry["verdict"] == "counts" && entry["reason"].is_null()));
    let kinds = |entries: &[Value]| {
        entries.iter().map(|entry| entry["kind"].as_str().expect("a word").to_owned()).collect::<Vec<_>>()
    };
    let registry = lines(&shop, &["log", "show", "--registry"]);
    assert!(registry.iter().all(|entry| entry["shop_id"].is_null()));
    assert!(kinds(&registry).contains(&"found".to_owned()) && kinds(&registry).contains(&"certify".to_owned()));
    let of_shop = lines(&shop, &["log", "show", "--shop", "5"]);
    assert_eq!(registry.len() + of_shop.len(), all.len());
    let grant = of_shop.iter().find(|entry| entry["kind"] == "grant").expect("the grant");
    assert_eq!((&grant["device"], &grant["agent"]), (&json!("siege"), &json!("Riziki")));
    assert!(
        grant["wall"].is_string()
            && grant["sets"].is_object()
            && grant["document"].as_str().is_some_and(|name| name.starts_with("credit cr_"))
    );
    // Page by page it is the same.
    assert_eq!(lines(&shop, &["log", "show", "--limit", "3"]), all[..3]);
    let later = lines(&shop, &["log", "show", "--shop", "5", "--from", "2"]);
    assert_eq!(later, of_shop[1..]);
    assert_eq!(lines(&shop, &["log", "show", "--set-aside"]), Vec::<Value>::new());
    assert_eq!(lines(&shop, &["log", "show", "--device", "siege", "--shop", "5"]), of_shop);
    let unknown = shop.run(&["log", "show", "--device", "personne"]);
    assert_eq!((unknown.code, &unknown.error()["code"]), (Some(1), &json!("unknown_device")));
}

#[test]
fn a_document_is_shown_change_by_change_and_says_what_stands() {
    let shop = shop();
    let document = shop.ok(&["doc", "show", "CRED-1"]);
    let changes = document["changes"].as_array().expect("changes");
    let kinds: Vec<&Value> = changes.iter().map(|change| &change["entry"]["kind"]).collect();
    assert_eq!(kinds, ["grant", "pay", "edit"]);
    assert_eq!(changes[0]["dependencies"], json!([]));
    assert_eq!(changes[1]["dependencies"], json!([changes[0]["hash"]]), "the payment rests on the grant");
    assert_eq!(changes[2]["dependencies"], json!([changes[1]["hash"]]));
    assert_eq!(changes[1]["stands_in"], json!(["status"]), "the newest word on the status");
    assert_eq!(changes[2]["stands_in"], json!(["phone"]));
    assert_eq!(shop.ok(&["doc", "show", document["id"].as_str().expect("an id")]), document, "by its id too");
    let unknown = shop.run(&["doc", "show", "RIEN"]);
    assert_eq!((unknown.code, &unknown.error()["code"]), (Some(1), &json!("unknown_credit")));
}

#[test]
fn who_watches_peers_hears_of_each_that_comes() {
    let mut office = shop();
    office.start(&[]);
    let mut watching = Command::new(env!("CARGO_BIN_EXE_ucash"))
        .args(["--data", office.directory().to_str().expect("Unicode"), "--json", "peers", "--watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let heard = BufReader::new(watching.stdout.take().expect("piped")).lines();
    let (told, lines) = mpsc::channel();
    std::thread::spawn(move || heard.map_while(Result::ok).try_for_each(|line| told.send(line)));
    let mut friend = Shop::join("ami", &office, 5);
    friend.start(&[]);
    let first = lines.recv_timeout(Duration::from_secs(60)).expect("a line about who came");
    let first: Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(first["device"], "ami");
    watching.kill().expect("ended");
    watching.wait().expect("ended");
}
