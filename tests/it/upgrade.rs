//! Data of the first released format open in every later program (D9).
//!
//! `tests/fixtures/format-1.zst` is a device's directory as that program left it, and `format-1.json` what it showed.
//! Neither is ever made anew: a later format gets a fixture of its own, by `UCASH_MAKE_FIXTURE=DIR cargo test upgrade::`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::process::Shop;

const SIM: &str = "+243970000001";

/// The files of a directory: their names below it, and what is in them.
type Files = Vec<(String, Vec<u8>)>;

fn gather(directory: &Path, below: &str, files: &mut Files) {
    let mut entries: Vec<_> = fs::read_dir(directory).expect("listed").map(|entry| entry.expect("an entry")).collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let name = format!("{below}{}", entry.file_name().to_str().expect("Unicode"));
        if entry.path().is_dir() {
            gather(&entry.path(), &format!("{name}/"), files);
        // The note of which file the database is would make a copy of it; the reserve says nothing.
        } else if !["lock", "place", "reserve", "node.json"].contains(&name.as_str()) {
            files.push((name, fs::read(entry.path()).expect("read")));
        }
    }
}

fn unpack(packed: &[u8], to: &Path) {
    let plain = zstd::decode_all(packed).expect("unpacked");
    let files: Files = postcard::from_bytes(&plain).expect("files");
    for (name, bytes) in files {
        let path = to.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, bytes).expect("written");
    }
    fs::create_dir_all(to.join("store/blobs")).expect("made");
}

/// What a program shows of a directory, without what depends on the day. The state's digest is not in it: it covers
/// whatever a version keeps of the state, so it compares nodes of one version only.
fn shown(shop: &Shop) -> Value {
    let status = shop.status();
    let credits: Vec<Value> = shop.ok(&["credit", "list", "--limit", "1000"])["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|credit| {
            json!([
                credit["reference"],
                credit["amount"],
                credit["paid"],
                credit["remaining"],
                credit["cancelled_at"],
                credit["payments"]
            ])
        })
        .collect();
    json!({
        "entries": status["entries"], "network": status["network"],
        "credits": credits, "balance": shop.ok(&["sim", "balance", SIM])["balances"],
        "movements": shop.ok(&["sim", "movements", SIM]),
        "shops": shop.ok(&["shop", "list"]),
    })
}

/// A little of everything.
fn make(directory: &Path) {
    let shop = Shop::found("siege", "Archives", 5);
    shop.ok(&["shop", "add", "Bukavu", "--shop-id", "7"]);
    shop.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "900.00", "--initial-cdf", "50000"]);
    for number in 1..=12 {
        let reference = format!("CRED-{number:03}");
        let amount = format!("{number}.50");
        shop.ok(&[
            "credit",
            "grant",
            "--reference",
            &reference,
            "--amount",
            &amount,
            "--currency",
            "USD",
            "--to",
            "Aimée",
            "--sim",
            SIM,
            "--due",
            "2026-01-31",
            "--note",
            "été",
        ]);
        match number % 4 {
            0 => drop(shop.ok(&["credit", "pay", &reference, "--amount", &amount])),
            1 => drop(shop.ok(&["credit", "pay", &reference, "--amount", "1"])),
            2 => drop(shop.ok(&["credit", "cancel", &reference, "--why", "erreur"])),
            _ => {}
        }
    }
    shop.ok(&["sim", "capture", SIM, "--amount", "40", "--currency", "USD", "--cash", "39"]);
    shop.ok(&["sim", "withdraw", SIM, "--amount", "1000", "--currency", "CDF"]);
    shop.ok(&["sim", "deposit", SIM, "--amount", "5", "--currency", "USD"]);
    let expected = shown(&shop);
    let mut files = Files::new();
    gather(shop.directory(), "", &mut files);
    let packed = zstd::encode_all(&postcard::to_stdvec(&files).expect("encoded")[..], 19).expect("packed");
    fs::write(directory.join("format-1.zst"), packed).expect("written");
    fs::write(directory.join("format-1.json"), format!("{expected:#}\n")).expect("written");
}

#[test]
fn the_first_format_opens_shows_what_it_showed_and_goes_on() {
    if let Some(directory) = std::env::var_os("UCASH_MAKE_FIXTURE") {
        return make(Path::new(&directory));
    }
    let shop = Shop::empty("archives");
    unpack(include_bytes!("../fixtures/format-1.zst"), shop.directory());
    let expected: Value = serde_json::from_str(include_str!("../fixtures/format-1.json")).expect("JSON");
    let mut found = shown(&shop);
    // What later versions tell besides.
    for account in found["balance"].as_object_mut().expect("by currency").values_mut() {
        let account = account.as_object_mut().expect("an account");
        ["at_least", "at_most", "oldest_heard"].iter().for_each(|name| drop(account.remove(*name)));
    }
    for shop in found["shops"]["items"].as_array_mut().expect("shops") {
        drop(shop.as_object_mut().expect("a shop").remove("gateway"));
    }
    assert_eq!(found, expected);
    shop.assert_sound();
    // It is the same device in the same life: it holds its share, and goes on.
    let granted = shop.ok(&[
        "credit",
        "grant",
        "--reference",
        "NOUVEAU",
        "--amount",
        "2",
        "--currency",
        "USD",
        "--to",
        "Aimée",
        "--sim",
        SIM,
    ]);
    assert_eq!(granted["amount"], "2.00");
    assert_eq!(shop.ok(&["verify", "--repair"])["sound"], true);
}

#[test]
fn a_newer_format_is_refused_and_left_as_it_is() {
    let shop = Shop::empty("archives");
    unpack(include_bytes!("../fixtures/format-1.zst"), shop.directory());
    let format = shop.directory().join("format");
    fs::write(&format, "ucash 2\n").expect("written");
    let mut before = Files::new();
    gather(shop.directory(), "", &mut before);
    for words in [&["status"][..], &["start", "--http", "127.0.0.1:0"], &["verify", "--repair"]] {
        let refused = shop.run(words);
        assert_eq!((refused.code, &refused.error()["code"]), (Some(1), &json!("directory_too_new")), "{words:?}");
    }
    let mut after = Files::new();
    gather(shop.directory(), "", &mut after);
    assert!(before == after, "nothing was touched");
}
