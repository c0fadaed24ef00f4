//! `ucash backup` and `ucash restore`: all that was acknowledged comes back, under a new incarnation; what is damaged,
//! cut or made up comes to nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};
use ucash::node::{BackupError, check_backup};
use ucash::replica::{BackupFrame, FRAME_HASH_BYTES, FRAME_HEAD_BYTES, Frames, RestoreError};

use crate::process::{Shop, eventually};

const SIM: &str = "+243971777631";

fn utf8(path: &Path) -> &str {
    path.to_str().expect("a path in Unicode")
}

/// A head office with a SIM that holds 100,000 USD.
fn office() -> Shop {
    let shop = Shop::found("siege", "Kivu", 1);
    shop.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "100000"]);
    shop
}

fn grant(reference: &str) -> Value {
    json!({"reference": reference, "amount": "1.25", "currency": "USD", "sim": SIM, "beneficiary": {"name": "Amani"}})
}

fn available(shop: &Shop, part: &str) -> String {
    shop.ok(&["sim", "balance", SIM])["balances"]["USD"][part].as_str().expect("an amount").to_owned()
}

/// What a backup's stream is made of: the part before it, and its frames.
pub fn frames(bytes: &[u8]) -> (Vec<u8>, Vec<(BackupFrame, Vec<u8>)>) {
    let magic = b"ucash backup 1\n".len();
    let length = u32::from_be_bytes(bytes[magic..magic + 4].try_into().expect("four bytes")) as usize;
    let (head, mut rest) = bytes.split_at(magic + 4 + length + 32);
    let mut chain = Frames::default();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (head, after) = rest.split_first_chunk::<FRAME_HEAD_BYTES>().expect("a head");
        let (payload, after) = after.split_at(Frames::payload_bytes(head).expect("a length"));
        let (hash, after) = after.split_first_chunk::<FRAME_HASH_BYTES>().expect("a hash");
        found.push((chain.read(head, payload, hash).expect("as it was written"), payload.to_vec()));
        rest = after;
    }
    (head.to_vec(), found)
}

/// The same with other frames, rightly hashed: as somebody would who makes a backup up.
fn forged(head: &[u8], frames: &[(BackupFrame, Vec<u8>)]) -> Vec<u8> {
    let mut chain = Frames::default();
    let mut bytes = head.to_vec();
    frames.iter().for_each(|(kind, payload)| bytes.extend(chain.write(*kind, payload)));
    bytes
}

/// The entries of a frame, if it can be read.
fn suffix(payload: &[u8]) -> Option<ucash::log::Suffix> {
    match ucash::wire::decode(payload) {
        Ok(ucash::wire::Message::Entries(packed)) => packed.unpack().ok(),
        _ => None,
    }
}

fn check(bytes: &[u8]) -> Result<u64, BackupError> {
    check_backup(bytes, &mut |_| true).map(|header| header.entries)
}

#[test]
fn a_backup_under_load_brings_back_what_was_acknowledged_as_a_new_life() {
    let mut shop = office();
    shop.start(&[]);
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let granting = {
        let (face, acknowledged, stop) = (shop.face().clone(), Arc::clone(&acknowledged), Arc::clone(&stop));
        thread::spawn(move || {
            for number in 1.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let reference = format!("C{number}");
                let answer = face.post("/api/v1/credits", &reference, &grant(&reference)).expect("an answer");
                assert_eq!(answer.status, 201, "{answer:?}");
                acknowledged.store(number, Ordering::SeqCst);
            }
        })
    };
    let reached = |count| move |seen: u64| if seen >= count { Ok(()) } else { Err(format!("{seen} granted")) };
    eventually("some credits", || reached(30)(acknowledged.load(Ordering::SeqCst)));
    let before = acknowledged.load(Ordering::SeqCst);
    let file = shop.beside("kivu.backup");
    let told = shop.ok(&["backup", utf8(&file)]);
    let after = acknowledged.load(Ordering::SeqCst);
    assert_eq!(told["encrypted"], false);
    assert_eq!(told["bytes"], json!(fs::metadata(&file).expect("written").len()));
    eventually("the node goes on", || reached(after + 5)(acknowledged.load(Ordering::SeqCst)));
    stop.store(true, Ordering::SeqCst);
    granting.join().expect("every credit was granted");
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).expect("written").permissions());
        assert_eq!(mode & 0o777, 0o600, "it holds the device's keys");
    }

    let mut restored = Shop::empty("restored");
    let told = restored.ok(&["restore", utf8(&file)]);
    let held = told["credits"].as_u64().expect("a number");
    assert!((before..=after + 1).contains(&held), "{before} to {after} were acknowledged, {held} are there");
    restored.assert_sound();
    assert_eq!(restored.status()["entries"], told["entries"]);
    let device = |shop: &Shop| shop.status()["device_key"].clone();
    assert_eq!(device(&restored), device(&shop), "it is the same device");

    // Nothing can be spent twice: the share stays with the old life until that is closed.
    assert_eq!(available(&restored, "this_device"), "0.00");
    assert_eq!(
        told["old_shares"],
        json!([{"sim": SIM, "currency": "USD", "share": available(&restored, "available")}])
    );
    let words = |reference: &'static str| {
        ["credit", "grant", "--reference", reference, "--amount", "1", "--currency", "USD", "--to", "A", "--sim", SIM]
    };
    let refused = restored.run(&words("D1"));
    assert_eq!((refused.code, &refused.error()["code"]), (Some(1), &json!("insufficient_share")));
    restored.start(&[]);
    // An idempotency key of before gives the answer of before.
    let again = restored.face().post("/api/v1/credits", "C7", &grant("C7")).expect("an answer");
    assert_eq!((again.status, again.json()["reference"].clone()), (201, json!("C7")));
    assert_eq!(restored.status()["credits"], json!(held));
    restored.ok(&["device", "close", "siege"]);
    assert_eq!(available(&restored, "this_device"), available(&restored, "available"));
    restored.ok(&words("D2"));
    restored.assert_sound();
}

#[test]
fn a_damaged_cut_or_made_up_backup_is_refused_before_anything_is_written() {
    let shop = office();
    for number in 1..6 {
        shop.ok(&["sim", "deposit", SIM, "--amount", &format!("{number}.50"), "--currency", "USD"]);
    }
    let file = shop.beside("kivu.backup");
    shop.ok(&["backup", utf8(&file)]);
    let bytes = fs::read(&file).expect("written");
    let entries = check(&bytes).expect("it is right");
    assert_eq!(entries, shop.entries());

    // Every byte, one bit; every length.
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(check(&damaged).is_err(), "one bit at {at} of {}", bytes.len());
        assert!(check(&bytes[..at]).is_err(), "cut at {at} of {}", bytes.len());
    }
    assert!(check(&[&bytes[..], &[0]].concat()).is_err(), "something after the end");

    // Rightly hashed, and still nobody's: what counts is what the devices signed.
    let (head, parts) = frames(&bytes);
    assert_eq!(check(&forged(&head, &parts)).expect("the same again"), entries);
    let places: Vec<usize> = (0..parts.len()).filter(|index| parts[*index].0 == BackupFrame::Entries).collect();
    assert!(places.len() >= 2);
    for place in places {
        let mut missing = parts.clone();
        missing.remove(place);
        assert!(matches!(check(&forged(&head, &missing)), Err(BackupError::Restore(_))), "without part {place}");
        for at in 0..parts[place].1.len() {
            let mut changed = parts.clone();
            changed[place].1[at] ^= 1;
            // Some bits of a compressed piece mean nothing: then it still says what was signed.
            let same = suffix(&changed[place].1).is_some_and(|piece| Some(piece) == suffix(&parts[place].1));
            let told = check(&forged(&head, &changed));
            assert!(same || matches!(told, Err(BackupError::Restore(_))), "part {place}, {at}: {told:?}");
        }
    }
    // With the keys of another device it is refused too.
    let other = office();
    let theirs = other.beside("other.backup");
    other.ok(&["backup", utf8(&theirs)]);
    let (their_head, _) = frames(&fs::read(&theirs).expect("written"));
    let mixed = check(&forged(&their_head, &parts));
    assert!(matches!(mixed, Err(BackupError::Restore(RestoreError::Foreign))), "{mixed:?}");
    let mut newer = bytes.clone();
    newer[b"ucash backup ".len()] = b'2';
    assert!(matches!(check(&newer), Err(BackupError::TooNew)));
    assert!(matches!(check(b"PK\x03\x04 something else entirely, and long enough"), Err(BackupError::NotABackup)));

    // And by the command: nothing is there afterwards.
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 4;
    let path = shop.beside("damaged.backup");
    fs::write(&path, damaged).expect("written");
    let empty = Shop::empty("empty");
    let refused = empty.run(&["restore", utf8(&path)]);
    assert_eq!((refused.code, &refused.error()["code"]), (Some(1), &json!("backup_damaged")));
    assert!(!empty.directory().exists(), "nothing was written");
    empty.ok(&["restore", utf8(&file)]);
}

#[test]
fn a_passphrase_is_needed_where_one_was_given() {
    let shop = office();
    let secret = shop.write_beside("secret", "mot de passe de Goma\nune autre ligne\n");
    let wrong = shop.write_beside("wrong", "mot de passe de goma\n");
    let none = shop.write_beside("none", "\n");
    let file = shop.beside("sealed.backup");
    let told = shop.ok(&["backup", utf8(&file), "--passphrase-file", &secret]);
    assert_eq!(told["encrypted"], true);
    let bytes = fs::read(&file).expect("written");
    assert!(bytes.starts_with(b"age-encryption.org/v1\n-> scrypt "), "a file that other programs know");
    let identity = fs::read_to_string(shop.directory().join("identity")).expect("there");
    let kept: Value = serde_json::from_str(&identity).expect("JSON");
    let plain = shop.beside("plain.backup");
    shop.ok(&["backup", utf8(&plain)]);
    let seed = kept["device"].as_str().expect("a key").as_bytes();
    let holds = |bytes: &[u8]| bytes.windows(seed.len()).any(|window| window == seed);
    assert!(holds(&fs::read(&plain).expect("written")) && !holds(&bytes), "the key is sealed");

    let empty = Shop::empty("empty");
    let cases = [
        (vec![], "no_passphrase"),
        (vec!["--passphrase-file", &wrong], "wrong_passphrase"),
        (vec!["--passphrase-file", &none], "no_passphrase"),
    ];
    for (words, code) in cases {
        let refused = empty.run(&[&["restore", utf8(&file)], &words[..]].concat());
        assert_eq!((refused.code, &refused.error()["code"]), (Some(1), &json!(code)), "{words:?}");
    }
    let refused = shop.run(&["backup", utf8(&shop.beside("x.backup")), "--passphrase-file", &none]);
    assert_eq!(refused.error()["code"], "no_passphrase");
    assert!(!shop.beside("x.backup").exists());
    // What is cut within the encryption is known as well.
    let cut = shop.beside("cut.backup");
    fs::write(&cut, &bytes[..bytes.len() - 40]).expect("written");
    let refused = empty.run(&["restore", utf8(&cut), "--passphrase-file", &secret]);
    assert_eq!(refused.error()["code"], "backup_damaged", "{refused:?}");
    assert!(!empty.directory().exists());
    empty.ok(&["restore", utf8(&file), "--passphrase-file", &secret]);
    empty.assert_sound();
}

#[test]
fn neither_a_file_nor_a_device_is_overwritten() {
    let shop = office();
    let file = shop.beside("kivu.backup");
    shop.ok(&["backup", utf8(&file)]);
    let bytes = fs::read(&file).expect("written");
    let refused = shop.run(&["backup", utf8(&file)]);
    assert_eq!((refused.code, &refused.error()["code"]), (Some(1), &json!("file_exists")));
    assert_eq!(fs::read(&file).expect("there"), bytes);
    shop.ok(&["backup", utf8(&file), "--force"]);
    let missing = shop.run(&["backup", utf8(&shop.beside("no/such/place"))]);
    assert_eq!(missing.error()["code"], "file_not_written");

    let digest = shop.digest();
    let refused = shop.run(&["restore", utf8(&file)]);
    assert_eq!((refused.code, &refused.error()["code"]), (Some(1), &json!("device_exists")));
    assert_eq!(shop.digest(), digest);
    let absent = Shop::empty("empty").run(&["restore", utf8(&shop.beside("none"))]);
    assert_eq!(absent.error()["code"], "file_not_read");

    // A restore that a power cut ended is no ledger, and is done anew.
    let half = Shop::empty("half");
    half.ok(&["restore", utf8(&file)]);
    fs::write(half.directory().join("restoring"), "").expect("written");
    fs::remove_file(half.directory().join("identity")).expect("removed");
    for words in [&["status"][..], &["init", "--network", "N", "--shop", "S"], &["sim", "list"]] {
        let refused = half.run(words);
        assert_eq!((refused.code, &refused.error()["code"]), (Some(1), &json!("half_restored")), "{words:?}");
    }
    half.ok(&["restore", utf8(&file)]);
    half.assert_sound();
    assert_eq!(half.digest(), digest);
}
