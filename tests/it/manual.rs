//! The manual's pages, and what logs look like to people: words, not codes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{Shop, ucash};

fn pages(directory: &Path) -> BTreeMap<String, String> {
    let ran = ucash(&["--data", "/nonexistent", "man", directory.to_str().expect("Unicode")]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let files = fs::read_dir(directory).expect("listed").map(|file| file.expect("a file"));
    let name = |file: &fs::DirEntry| file.file_name().into_string().expect("Unicode");
    files.map(|file| (name(&file), fs::read_to_string(file.path()).expect("UTF-8"))).collect()
}

#[test]
fn each_command_has_its_page_and_each_page_that_is_named_is_there() {
    let home = tempfile::tempdir().expect("a directory");
    let pages = pages(&home.path().join("man1"));
    for name in ["ucash", "ucash-start", "ucash-credit-grant", "ucash-log-show", "ucash-doc-show", "ucash-backup"] {
        assert!(pages.contains_key(&format!("{name}.1")), "{name} has no page: {:?}", pages.keys());
    }
    let mut named = 0;
    for (page, text) in &pages {
        // clap_mangen names the pages below as `name\-below(1)`.
        for word in text.split(|c: char| c.is_whitespace() || c == ',') {
            if let Some(other) = word.strip_suffix("(1)").filter(|word| word.starts_with("ucash")) {
                named += 1;
                let other = format!("{}.1", other.replace("\\-", "-"));
                assert!(pages.contains_key(&other), "{page} names {other}, which is not there");
            }
        }
    }
    assert!(named > 20, "few pages are named: {named}");
    let first = &pages["ucash.1"];
    assert!(first.contains("CODES DE SORTIE") && first.contains("Nœud de réplication"), "{first}");
    assert!(pages["ucash-credit-grant.1"].contains("\\-\\-amount"), "options are told");
    let printed = ucash(&["--data", "/nonexistent", "man"]);
    assert_eq!(printed.stdout.trim_end(), first.trim_end(), "the first page is what is printed");
}

#[test]
fn man_reads_every_page_without_a_warning() {
    let is_there = Command::new("man").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !is_there {
        println!("skipped: there is no `man` here");
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    for page in pages(home.path()).keys() {
        let read = Command::new("man").args(["--warnings", "--local-file"]).arg(home.path().join(page)).output();
        let read = read.expect("man runs");
        let warned = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success() && warned.trim().is_empty(), "{page}: {warned}");
    }
}

#[test]
fn a_log_speaks_in_words_of_the_language_asked_for() {
    let shop = Shop::found("siege", "Mots", 5);
    let sim = "+243970000001";
    shop.ok(&["sim", "add", sim, "--operator", "Airtel", "--initial-usd", "500"]);
    let mut grant = vec!["credit", "grant", "--reference", "CRED-1", "--amount", "100", "--currency", "USD"];
    grant.extend(["--to", "Aimée", "--sim", sim]);
    shop.ok(&grant);
    shop.ok(&["credit", "pay", "CRED-1", "--amount", "40"]);
    let shown = |language| {
        let data = shop.directory().to_str().expect("Unicode");
        let ran = ucash(&["--data", data, "--lang", language, "log", "show"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    };
    let (french, english) = (shown("fr"), shown("en"));
    for (language, text, words) in [
        ("fr", &french, ["fonde le réseau", "admet un appareil", "accorde un crédit", "paiement"]),
        ("en", &english, ["founds the network", "admits a device", "grants a credit", "payment"]),
    ] {
        for word in words {
            assert!(text.contains(&format!(" · {word} ")), "{language}: {word} in {text}");
        }
    }
    assert_eq!(french.lines().count() as u64, shop.entries(), "one line an entry");
}
