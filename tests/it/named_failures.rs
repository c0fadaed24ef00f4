//! What operators do wrong and machines do to them (fault O7): each kind of failure has a code, a sentence in both
//! languages that says what to do, and the exit status of the interface; nothing is started or changed.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::disks::{Mounted, tool};
use crate::process::{ANY_HTTP, ANY_LISTEN, Shop, ucash, ucash_in};

const START: [&str; 6] = ["start", "--http", ANY_HTTP, "--listen", ANY_LISTEN, "--no-mdns"];

/// Runs words that must fail with that code on that directory; in both languages the sentence must hold the hint, a word
/// of what to do.
#[track_caller]
fn fails(data: &Path, words: &[&str], environment: &[(&str, &str)], code: &str, hint: &str) {
    let data = data.to_str().expect("Unicode");
    let mut told: Vec<String> = Vec::new();
    for language in ["fr", "en"] {
        let ran = ucash_in(&[&["--data", data, "--json", "--lang", language][..], words].concat(), environment);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{words:?}: {ran:?}");
        let error: Value = ran.error();
        assert_eq!(error["code"], code, "{words:?}: {error}");
        let message = error["message"].as_str().expect("a sentence").to_owned();
        assert!(message.contains(hint) && message.ends_with('.') && message.len() > 40, "{code}: {message}");
        told.push(message);
    }
    assert_ne!(told[0], told[1], "{code} is said in one language only");
    // Without --json people get the same sentence, and no other.
    let human = ucash_in(&[&["--data", data, "--lang", "en"][..], words].concat(), environment);
    assert_eq!(human.code, Some(1), "{human:?}");
    // Its end: a clock that is wrong goes on, too.
    let advice = told[1].rsplit(": ").next().expect("an end");
    assert!(human.stderr.trim_end().ends_with(advice), "{human:?}");
}

#[track_caller]
fn with(changed: &[(&str, &str)]) -> Vec<String> {
    let mut words: Vec<String> = START.iter().map(|word| (*word).to_owned()).collect();
    for (flag, value) in changed {
        let at = words.iter().position(|word| word == flag).expect("a flag of START");
        words[at + 1] = (*value).to_owned();
    }
    words
}

#[track_caller]
fn start_fails(data: &Path, changed: &[(&str, &str)], code: &str, hint: &str) {
    let words = with(changed);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    fails(data, &words, &[], code, hint);
}

#[test]
fn o7_addresses_that_cannot_be_listened_on() {
    let shop = Shop::found("siege", "Ports", 1);
    let digest = shop.digest();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let http = format!("127.0.0.1:{port}");
    let listen = format!("/ip4/127.0.0.1/tcp/{port}");
    start_fails(shop.directory(), &[("--http", &http)], "port_in_use", "--http");
    start_fails(shop.directory(), &[("--listen", &listen)], "port_in_use", "--listen");
    // TEST-NET-3 (RFC 5737): no machine has it. That nobody else could read it is asked before.
    start_fails(shop.directory(), &[("--http", "203.0.113.1:7070")], "plain_http", "--plain-http");
    fs::write(shop.directory().join("ucash.toml"), "plain_http = true\n").expect("written");
    start_fails(shop.directory(), &[("--http", "203.0.113.1:7070")], "address_not_here", "--http");
    start_fails(shop.directory(), &[("--listen", "/ip4/203.0.113.1/tcp/7071")], "address_not_here", "--listen");
    start_fails(shop.directory(), &[("--listen", "/ip4/127.0.0.1/udp/7071")], "network", "127.0.0.1");
    assert_eq!(shop.digest(), digest);
}

#[test]
fn o7_directories_that_are_none_or_in_use() {
    let mut shop = Shop::found("siege", "Lieux", 1);
    let file = shop.write_beside("fichier", "ni répertoire ni données\n");
    start_fails(Path::new(&file), &[], "not_a_directory", "--data");
    fails(&shop.beside("jamais"), &["status"], &[], "no_device", "ucash init");

    // A directory of somebody's photos.
    let photos = shop.beside("photos");
    fs::create_dir(&photos).expect("made");
    fs::write(photos.join("kin.jpg"), [0xff, 0xd8]).expect("written");
    fails(&photos, &["status"], &[], "no_device", "--data");
    assert_eq!(fs::read_dir(&photos).expect("listed").count(), 1, "nothing was put beside the photos");

    shop.start(&[]);
    start_fails(shop.directory(), &[], "directory_in_use", "");
    assert!(shop.stop().success());
}

#[test]
fn o7_data_that_were_deleted_or_are_from_the_future() {
    let shop = Shop::found("siege", "Perdu", 1);
    let identity = shop.directory().join("identity");
    let kept = fs::read(&identity).expect("read");
    fs::remove_file(&identity).expect("deleted");
    let ran = shop.run(&["status"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let code = ran.error()["code"].as_str().expect("a code").to_owned();
    assert!(["no_device", "identity_unreadable"].contains(&code.as_str()), "{ran:?}");
    fs::write(&identity, b"{").expect("written");
    fails(shop.directory(), &["status"], &[], "identity_unreadable", "ucash restore");
    fs::write(&identity, kept).expect("written");
    shop.ok(&["status"]);

    fs::write(shop.directory().join("format"), "ucash 999\n").expect("written");
    start_fails(shop.directory(), &[], "directory_too_new", "999");
}

#[test]
fn o7_a_disk_that_is_read_only() {
    let home = tempfile::tempdir().expect("a directory");
    let place = home.path().join("carte");
    let Some(_mounted) = Mounted::mount(&place, &["-t", "tmpfs", "-o", "size=24m", "tmpfs"]) else { return };
    let shop = Shop::found_in("siege", "Carte", 1, &place.join("data"));
    let place = place.to_str().expect("Unicode");
    if let Err(reason) = tool(&["mount", "-o", "remount,ro", place]) {
        println!("skipped: nothing can be remounted here ({reason})");
        return;
    }
    start_fails(shop.directory(), &[], "directory_not_writable", "remount,rw");
    tool(&["mount", "-o", "remount,rw", place]).expect("writable again");
    shop.ok(&["status"]);
    // Before what it is mounted on.
    drop(shop);
}

#[test]
fn o7_a_clock_that_a_power_cut_reset() {
    let shop = Shop::found("siege", "Heure", 1);
    let library = shop.beside("clock.so");
    let library = library.to_str().expect("Unicode");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shims/clock.c");
    if let Err(reason) = tool(&["cc", "-shared", "-fPIC", "-O1", "-o", library, source]) {
        println!("skipped: no shim can be compiled here ({reason})");
        return;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let shift = format!("-{now}");
    let reset = [("LD_PRELOAD", library), ("UCASH_CLOCK_SHIFT", shift.as_str())];
    // Work goes on; only a network cannot be as old as that.
    let ran = shop.run_in(&["status", "--json"], &reset);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let fresh = Shop::empty("neuf");
    fails(fresh.directory(), &["init", "--network", "X", "--shop", "Y"], &reset, "clock_before_2020", "1970");
    assert!(!fresh.directory().exists(), "nothing was made");
    shop.ok(&["status"]);
}

#[test]
fn the_exit_status_says_done_refused_or_misused() {
    let shop = Shop::found("siege", "Codes", 1);
    let data = shop.directory().to_str().expect("Unicode");
    let table: [(&[&str], i32); 12] = [
        (&["--help"], 0),
        (&["--version"], 0),
        (&["completions", "bash"], 0),
        (&["status"], 0),
        (&["start", "--print-config"], 0),
        // Refused or failed.
        (&["credit", "show", "NULLE-PART"], 1),
        (&["join", "ucash1n'importequoi"], 1),
        (&["token", "revoke", "inconnu"], 1),
        // Misused.
        (&[], 2),
        (&["start", "--http", "ici"], 2),
        (&["start", "--log-format", "xml"], 2),
        (&["status", "--non"], 2),
    ];
    for (words, code) in table {
        let ran = ucash(&[&["--data", data][..], words].concat());
        assert_eq!(ran.code, Some(code), "{words:?}: {ran:?}");
        assert_eq!(ran.stderr.trim().is_empty(), code == 0, "{words:?}: {ran:?}");
    }
}
