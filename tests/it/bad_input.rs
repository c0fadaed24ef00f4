//! Bad input through the command line: a clear error, in the language asked for, and nothing is changed.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use ucash::membership::{Invitation, Secret};
use ucash::model::Timestamp;

use crate::process::{ANY_HTTP, ANY_LISTEN, Ran, Shop, eventually, ucash};

const SIM: &str = "+243970000001";
const SIM_OF_2: &str = "+243970000002";

/// A head office with two shops, a SIM each, and a credit of 10.00 USD of which 4.00 are paid.
fn company() -> Shop {
    let shop = Shop::found("siege", "Fautes", 1);
    shop.ok(&["shop", "add", "Agence 2", "--shop-id", "2"]);
    shop.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "100.00"]);
    shop.ok(&["sim", "add", SIM_OF_2, "--operator", "Orange", "--shop", "2", "--initial-usd", "100.00"]);
    shop.ok(&grant("F-1", "10.00", "USD", SIM));
    shop.ok(&["credit", "pay", "F-1", "--amount", "4.00"]);
    shop
}

fn grant<'a>(reference: &'a str, amount: &'a str, currency: &'a str, sim: &'a str) -> [&'a str; 12] {
    let words = ["--reference", reference, "--amount", amount, "--currency", currency];
    let [a, b, c, d, e, f] = words;
    ["credit", "grant", a, b, c, d, e, f, "--to", "Divine", "--sim", sim]
}

/// A sentence: it begins with a capital, ends with a full stop, and is more than a word.
#[track_caller]
fn assert_sentence(message: &str) {
    let begins = message.chars().next().is_some_and(|first| first.is_uppercase() || "«\"/".contains(first));
    assert!(begins && message.ends_with('.') && message.split_whitespace().count() >= 5, "no sentence: {message}");
}

#[track_caller]
fn assert_refused(what: &str, ran: &Ran, code: &str) -> String {
    assert_eq!(ran.code, Some(1), "{what}: {ran:?}");
    assert_eq!(ran.stdout, "", "{what}: nothing on stdout");
    let error = ran.error();
    assert_eq!(error["code"], code, "{what}: {error}");
    let message = error["message"].as_str().expect("a message").to_owned();
    assert_sentence(&message);
    message
}

/// Runs those words in French and in English, and expects that code, two sentences, and the state as it was.
#[track_caller]
fn refuse(what: &str, shop: &Shop, words: &[&str], code: &str) -> Value {
    let digest = shop.digest();
    let french = shop.run(words);
    let message = assert_refused(what, &french, code);
    let english = assert_refused(what, &shop.run(&[&["--lang", "en"], words].concat()), code);
    assert_ne!(message, english, "{what}: two languages");
    // Without --json a person reads the same sentence.
    let data = shop.directory().to_str().expect("a path in Unicode");
    let human = ucash(&[&["--data", data], words].concat());
    assert_eq!((human.code, human.stderr.trim_end().lines().last()), (Some(1), message.lines().last()), "{what}");
    assert_eq!(shop.digest(), digest, "{what}: nothing is changed");
    french.error()
}

#[test]
fn what_the_rules_refuse_is_told_in_a_sentence_and_changes_nothing() {
    let mut shop = company();
    let scrap = shop.write_beside("scrap.json", r#"[{"couleur": "rouge"}]"#);
    let cut = shop.write_beside("credits.json", r#"[{"reference": "#);
    let none = shop.beside("none.json");
    let none = none.to_str().expect("a path in Unicode");
    for running in [false, true] {
        if running {
            shop.start(&[]);
        }
        let table: &[(&str, &[&str], &str)] = &[
            ("unknown currency", &grant("F-2", "10.00", "EUR", SIM), "unknown_currency"),
            ("third decimal", &grant("F-2", "10.005", "USD", SIM), "amount_too_many_decimals"),
            ("negative", &grant("F-2", "-5.00", "USD", SIM), "amount_negative"),
            ("zero", &grant("F-2", "0.00", "USD", SIM), "invalid_field"),
            ("not a number", &grant("F-2", "dix", "USD", SIM), "amount_not_a_number"),
            ("unknown SIM", &grant("F-2", "10.00", "USD", "+243999999999"), "unknown_sim"),
            ("more than the SIM holds", &grant("F-2", "90.01", "USD", SIM), "insufficient_share"),
            ("reference taken", &grant("F-1", "10.00", "USD", SIM), "reference_taken"),
            ("reference taken, other case", &grant(" f-1 ", "10.00", "USD", SIM), "reference_taken"),
            ("reference blank", &grant(" ", "10.00", "USD", SIM), "invalid_field"),
            ("pay beyond", &["credit", "pay", "F-1", "--amount", "6.01"], "payment_exceeds_remaining"),
            ("pay nothing", &["credit", "pay", "F-1", "--amount", "0"], "invalid_field"),
            ("pay a negative amount", &["credit", "pay", "F-1", "--amount", "-1"], "amount_negative"),
            ("pay an unknown credit", &["credit", "pay", "F-9", "--amount", "1"], "unknown_credit"),
            ("pay by barter", &["credit", "pay", "F-1", "--amount", "1", "--mode", "troc"], "invalid_field"),
            ("cancel with payments", &["credit", "cancel", "F-1", "--why", "erreur"], "cancel_with_payments"),
            ("no date", &["credit", "edit", "F-1", "--due", "demain"], "invalid_field"),
            ("unknown operator", &["sim", "add", "+243970000003", "--operator", "Tigo"], "invalid_field"),
            ("SIM twice", &["sim", "add", SIM, "--operator", "Airtel"], "sim_exists"),
            ("shop twice", &["shop", "add", "Encore", "--shop-id", "2"], "shop_exists"),
            ("invite into no shop", &["invite", "--shop", "99"], "unknown_shop"),
            ("revoke nobody", &["device", "revoke", "personne"], "unknown_device"),
            ("revoke no token", &["token", "revoke", "abcdefgh"], "unknown_token"),
            ("import nothing", &["import", none], "failed"),
            ("import unreadable JSON", &["import", &cut], "failed"),
            ("import an unknown table", &["import", &scrap], "unknown_table"),
            (
                "found again",
                &["init", "--network", "X", "--shop", "Y"],
                if running { "directory_in_use" } else { "device_exists" },
            ),
            ("join with scrap", &["join", "ucash1xyz"], "invitation_unreadable"),
        ];
        for (what, words, code) in table {
            let error = refuse(what, &shop, words, code);
            // The facts stand beside the sentence.
            match *what {
                "more than the SIM holds" => {
                    assert_eq!((&error["asked"], &error["available"]), (&"90.01".into(), &"90.00".into()), "{error}");
                }
                "pay beyond" => assert_eq!(error["remaining"], "6.00", "{error}"),
                "reference taken" => assert_eq!(error["reference"], "F-1", "{error}"),
                _ => {}
            }
        }
    }
    // A counter of shop 2 may not touch the SIM of shop 1; what it may, it does.
    let mut counter = Shop::join("comptoir-2", &shop, 2);
    counter.start(&[]);
    crate::process::one_digest(&[&shop, &counter]);
    refuse("SIM of another shop", &counter, &grant("F-3", "1.00", "USD", SIM), "sim_of_another_shop");
    counter.ok(&grant("F-3", "1.00", "USD", SIM_OF_2));
}

#[test]
fn misuse_of_the_command_line_ends_with_2() {
    let shop = company();
    let digest = shop.digest();
    let misused: [&[&str]; 8] = [
        &[],
        &["voler"],
        &["credit", "grant"],
        &["credit", "pay", "F-1"],
        &["token", "create", "--name", "x"],
        &["invite", "--shop", "un"],
        &["start", "--sync-every", "souvent"],
        &["--lang", "xx", "status"],
    ];
    for words in misused {
        let ran = shop.run(words);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{words:?}: {ran:?}");
        assert!(!ran.stderr.is_empty(), "{words:?}");
    }
    for words in [["--version"], ["--help"]] {
        let ran = shop.run(&words);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{words:?}");
        assert!(ran.stdout.contains("ucash"));
    }
    assert_eq!(shop.digest(), digest);
}

#[test]
fn a_directory_that_cannot_be_used_is_named_and_left_alone() {
    let mut shop = company();
    shop.start(&[]);
    let start: &[&str] = &["start", "--http", ANY_HTTP, "--listen", ANY_LISTEN, "--no-mdns"];
    refuse("a second process on the directory", &shop, start, "directory_in_use");
    let digest = shop.digest();
    shop.stop();

    let format = shop.directory().join("format");
    let ours = std::fs::read_to_string(&format).expect("the format is there");
    std::fs::write(&format, "ucash 999\n").expect("the format is written");
    let before = listing(shop.directory());
    let words: [&[&str]; 4] =
        [start, &["status"], &grant("F-2", "1.00", "USD", SIM), &["init", "--network", "X", "--shop", "Y"]];
    for words in words {
        for language in ["fr", "en"] {
            let ran = shop.run(&[words, &["--lang", language]].concat());
            let message = assert_refused("a newer format", &ran, "directory_too_new");
            assert!(message.contains("999"), "{message}");
        }
    }
    assert_eq!(listing(shop.directory()), before, "nothing was touched");
    std::fs::write(&format, ours).expect("the format is written");
    assert_eq!(shop.digest(), digest);

    // No directory, an empty one, and one in which somebody keeps other things: no device.
    let nowhere = Shop::empty("nulle-part");
    for _ in 0..2 {
        for words in [["status", "--json"], ["verify", "--json"], ["sync", "--json"]] {
            assert_refused("no device", &nowhere.run(&words), "no_device");
            assert_refused("no device", &nowhere.run(&[&words[..], &["--lang", "en"]].concat()), "no_device");
        }
        std::fs::create_dir_all(nowhere.directory()).expect("the directory is made");
        std::fs::write(nowhere.directory().join("notes.txt"), "rien").expect("the file is written");
    }
    assert_eq!(listing(nowhere.directory()).len(), 1, "asking made no files");
}

/// Every file below a directory with its content.
fn listing(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(directory).expect("the directory is read");
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            files.extend(listing(&path));
        } else if path.file_name().is_none_or(|name| name != "lock") {
            let content = std::fs::read(&path).expect("the file is read");
            files.push((path, content));
        }
    }
    files.sort();
    files
}

#[test]
fn a_port_in_use_is_named() {
    let shop = company();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let (http, listen) = (format!("127.0.0.1:{port}"), format!("/ip4/127.0.0.1/tcp/{port}"));
    for (http, listen) in [(http.as_str(), ANY_LISTEN), (ANY_HTTP, listen.as_str())] {
        let words = ["start", "--http", http, "--listen", listen, "--no-mdns"];
        let error = refuse("a port in use", &shop, &words, "port_in_use");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(&port.to_string())), "{error}");
    }
}

/// The same invitation with another secret: well written, and worth nothing.
fn forged(invitation: &str) -> String {
    let mut read = Invitation::from_text(invitation).expect("an invitation");
    read.secret = Secret([7; 16]);
    read.to_text()
}

#[test]
fn a_bad_invitation_lets_nobody_in() {
    let mut head = company();
    head.start(&[]);
    let good = head.invite(2);
    let short = head.ok(&["invite", "--shop", "2", "--expires", "1s"]);
    let mut mistyped = good.clone();
    let last = if mistyped.pop() == Some('q') { 'p' } else { 'q' };
    mistyped.push(last);
    let mut other = Shop::found("etranger", "Eux", 1);
    other.start(&[]);
    let foreign =
        Invitation { addresses: vec![head.address()], ..Invitation::from_text(&good).expect("an invitation") };
    let foreign = Invitation { id: [9; 8], ..foreign }.to_text();
    let entries = head.entries();

    let end: Timestamp = {
        let text = short["expires_at"].as_str().expect("a time");
        let time: chrono::DateTime<chrono::Utc> = text.parse().expect("a time");
        Timestamp(time.timestamp_millis())
    };
    eventually("the short invitation to expire", || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
        let now = now.as_millis() as i64;
        if now > end.0 { Ok(()) } else { Err(now.to_string()) }
    });
    let expired = short["invitation"].as_str().expect("an invitation");
    let cases: [(&str, &str, &str); 5] = [
        ("mistyped", &mistyped, "invitation_unreadable"),
        ("cut", &good[..good.len() / 2], "invitation_unreadable"),
        ("with another secret", &forged(&good), "unknown_invitation"),
        ("never made", &foreign, "unknown_invitation"),
        ("expired", expired, "invitation_expired"),
    ];
    for (what, invitation, code) in cases {
        let joiner = Shop::empty("nouveau");
        let french = assert_refused(what, &joiner.run(&["join", invitation]), code);
        let english = assert_refused(what, &joiner.run(&["--lang", "en", "join", invitation]), code);
        assert_ne!(french, english);
        assert_refused(what, &joiner.run(&["status"]), "no_device");
        assert_eq!(head.entries(), entries, "{what}: nobody came in");
    }

    // The good one is good once.
    let joined = Shop::empty("nouveau");
    joined.ok(&["join", &good]);
    let entries = entries + 2;
    assert_eq!(head.entries(), entries, "its certificate, and that it is its shop's keeper");
    let late = Shop::empty("tard");
    assert_refused("used", &late.run(&["join", &good]), "invitation_used");
    assert_refused("used", &late.run(&["--lang", "en", "join", &good]), "invitation_used");
    assert_refused("a device is here", &joined.run(&["join", &head.invite(2)]), "device_exists");
    assert_eq!(head.entries(), entries);
}

#[test]
fn an_inviter_that_is_away_is_told_and_the_invitation_stays_good() {
    let mut head = company();
    head.start(&[]);
    let (http, listen, invitation) = (head.http(), head.listen(), head.invite(2));
    head.kill();
    let joiner = Shop::empty("nouveau");
    assert_refused("away", &joiner.run(&["join", &invitation]), "inviter_not_reached");
    head.start_at(&http, &listen, &[]);
    assert_eq!(joiner.ok(&["join", &invitation])["shop_id"], 2);
}

/// A clock that stands at the end of 2019, for a program that is loaded with it.
const CLOCK_OF_2019: &str = r"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, __func__);
    int result = real(clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec = 1577836799;
    return result;
}
";

/// Compiles the clock, or says why it cannot be had here.
fn clock_of_2019(shop: &Shop) -> Result<String, String> {
    if !cfg!(target_os = "linux") {
        return Err("LD_PRELOAD is Linux's".to_owned());
    }
    let source = shop.write_beside("clock.c", CLOCK_OF_2019);
    let library = shop.beside("clock.so").to_str().expect("a path in Unicode").to_owned();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o", &library, &source, "-ldl"]).output();
    match compiled {
        Ok(output) if output.status.success() => Ok(library),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("there is no C compiler: {error}")),
    }
}

#[test]
fn a_clock_before_2020_stops_nobody_and_founds_nothing() {
    let shop = company();
    let clock = match clock_of_2019(&shop) {
        Ok(clock) => clock,
        Err(reason) => return println!("a_clock_before_2020_stops_nobody_and_founds_nothing: skipped: {reason}"),
    };
    let environment = [("LD_PRELOAD", clock.as_str())];
    let words: [&[&str]; 3] =
        [&grant("F-2", "1.00", "USD", SIM), &["credit", "pay", "F-2", "--amount", "1.00"], &["status"]];
    for words in words {
        let ran = shop.run_in(&[words, &["--json"]].concat(), &environment);
        assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
    }
    assert_eq!(shop.ok(&["credit", "show", "F-2"])["status"], "paye");
    for language in ["fr", "en"] {
        let fresh = Shop::empty("neuf");
        let ran = fresh.run_in(&["init", "--network", "X", "--shop", "Y", "--lang", language], &environment);
        let message = assert_refused("founding by such a clock", &ran, "clock_before_2020");
        assert!(message.contains("2019-12-31"), "it says what the clock shows: {message}");
        assert!(!fresh.directory().exists(), "nothing was made");
    }
}
