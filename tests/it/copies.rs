//! A copied directory knows that it is one: it goes on as another life or refuses aloud, and never writes what the
//! original writes.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};
use ucash::log::SigningKey;
use ucash::model::Timestamp;
use ucash::replica::{Answer, BackupFrame, Identity, Input, Output, Query, Replica, Restorer};
use ucash::store::MemoryStore;

use crate::backups::frames;
use crate::process::{Shop, eventually, ucash};

const SIM: &str = "+243971777631";
/// Copies of a running node's directory, unless `UCASH_COPIES` says how many.
const COPIES: u64 = 8;

fn office() -> Shop {
    let shop = Shop::found("siege", "Kivu", 1);
    shop.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "100000"]);
    shop
}

/// `cp -a`, but for owners: file after file, in the order of their names or against it.
pub fn copy(from: &Path, to: &Path, backwards: bool) {
    fs::create_dir_all(to).expect("a directory");
    let mut entries: Vec<_> = fs::read_dir(from).expect("a directory").map(|entry| entry.expect("an entry")).collect();
    entries.sort_by_key(|entry| entry.file_name());
    if backwards {
        entries.reverse();
    }
    for entry in entries {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target, backwards);
        } else if let Err(error) = fs::copy(&path, &target) {
            // A draft that was renamed meanwhile, as `cp` would say too.
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{}", path.display());
        }
    }
}

fn balance(directory: &Path) -> Value {
    let data = directory.to_str().expect("Unicode");
    ucash(&["--data", data, "--json", "sim", "balance", SIM]).answer()["balances"]["USD"].clone()
}

#[test]
fn a_copy_is_another_life_and_a_directory_that_was_moved_is_not() {
    let mut shop = office();
    let home = shop.beside("");
    let whole = json!("100000.00");
    shop.start(&[]);
    let copied = home.join("copied");
    copy(shop.directory(), &copied, false);
    let data = copied.to_str().expect("Unicode");
    // Beside the running original, whose address stands in the copy too: the copy answers for itself.
    let told = ucash(&["--data", data, "--lang", "en", "sim", "balance", SIM]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stderr.contains("is a copy of") && told.stderr.contains("device close"), "{told:?}");
    assert_eq!((&balance(&copied)["available"], &balance(&copied)["this_device"]), (&whole, &json!("0.00")));
    let again = ucash(&["--data", data, "--lang", "en", "status"]);
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""), "it is told once");
    assert_eq!(balance(shop.directory())["this_device"], whole, "the original goes on");
    shop.stop();
    assert_eq!(balance(shop.directory())["this_device"], whole);

    // Renamed, and without a lock that somebody took for a leftover: the same directory.
    let moved = home.join("moved");
    fs::rename(shop.directory(), &moved).expect("renamed");
    fs::remove_file(moved.join("lock")).expect("removed");
    assert_eq!(balance(&moved)["this_device"], whole);
    // An old copy brought back to the old place is no original.
    let kept = home.join("kept");
    copy(&moved, &kept, false);
    fs::remove_dir_all(&moved).expect("removed");
    copy(&kept, &moved, false);
    assert_eq!(balance(&moved)["this_device"], "0.00");
    // A note that cannot be read proves nothing; one that never was, is of an older program.
    let other = office();
    assert_eq!(balance(other.directory())["this_device"], whole);
    fs::remove_file(other.directory().join("place")).expect("removed");
    assert_eq!(balance(other.directory())["this_device"], whole);
    fs::write(other.directory().join("place"), "{").expect("written");
    assert_eq!(balance(other.directory())["this_device"], "0.00");

    // What a copy lacks is said aloud, and the copy is left as it is.
    let torn = home.join("torn");
    let third = office();
    copy(third.directory(), &torn, false);
    third.ok(&["sim", "deposit", SIM, "--amount", "1", "--currency", "USD"]);
    fs::copy(third.directory().join("heads"), torn.join("heads")).expect("copied");
    let refused = ucash(&["--data", torn.to_str().expect("Unicode"), "--json", "status"]);
    assert_eq!((refused.code, &refused.error()["code"]), (Some(1), &json!("store_damaged")), "{refused:?}");
}

type Memory = Replica<MemoryStore>;

/// The replica of a backup, in memory.
fn replica_of(file: &Path, seed: u8) -> Memory {
    let bytes = fs::read(file).expect("a backup");
    let magic = b"ucash backup 1\n".len() + 4;
    let (head, parts) = frames(&bytes);
    let part: Value = serde_json::from_slice(&head[magic..head.len() - 32]).expect("JSON");
    let kept: Value = serde_json::from_str(part["files"]["identity"].as_str().expect("a text")).expect("JSON");
    let key = |name: &str| -> Option<[u8; 32]> {
        let text = kept[name].as_str()?.to_ascii_uppercase();
        data_encoding::BASE32_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
    };
    let identity = Identity {
        key: SigningKey::from_seed(&key("device").expect("a key")),
        authority_key: key("authority").map(|seed| SigningKey::from_seed(&seed)),
        gossip_key: key("gossip").expect("a key"),
    };
    let mut restorer = Restorer::begin(MemoryStore::default(), &parts[0].1).expect("a header");
    for (kind, payload) in &parts[1..] {
        match kind {
            BackupFrame::Own => restorer.own(payload).expect("own values"),
            BackupFrame::Entries => restorer.entries(payload).expect("entries"),
            BackupFrame::Header | BackupFrame::End => {}
        }
    }
    restorer.finish(identity, [seed; 32]).expect("a replica")
}

/// Carries frames between the two until both are quiet.
fn meet(left: &mut Memory, right: &mut Memory) {
    let now = Timestamp(4_000_000_000_000);
    let keys = [left.device(), right.device()];
    let replicas = [left, right];
    let mut under_way: VecDeque<(usize, Input)> =
        (0..2).map(|seat| (seat, Input::Connected { peer: keys[1 - seat] })).collect();
    let mut steps = 0;
    while let Some((seat, input)) = under_way.pop_front() {
        steps += 1;
        assert!(steps < 100_000, "they never fall silent");
        for output in replicas[seat].handle(now, input) {
            if let Output::Send { bytes, .. } = output {
                under_way.push_back((1 - seat, Input::Frame { peer: keys[seat], bytes }));
            }
        }
    }
    for seat in 0..2 {
        replicas[seat].handle(now, Input::Disconnected { peer: keys[1 - seat] });
    }
}

fn digest(replica: &mut Memory) -> String {
    let query = Input::Query { ticket: 1, query: Box::new(Query::Status) };
    let outputs = replica.handle(Timestamp(4_000_000_000_000), query);
    let found = outputs.into_iter().find_map(|output| match output {
        Output::Answer { result: Ok(Answer::Status(status)), .. } => Some(status.state_digest),
        _ => None,
    });
    found.expect("a status")
}

#[test]
fn live_copies_make_no_fork_and_all_money_is_there_after_meeting() {
    let mut shop = office();
    shop.start(&[]);
    let till = Shop::join("caisse", &shop, 1);
    let acknowledged = Arc::new(AtomicU64::new(0));
    let (stop, pause) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let granting = {
        let (face, acknowledged) = (shop.face().clone(), Arc::clone(&acknowledged));
        let (stop, pause) = (Arc::clone(&stop), Arc::clone(&pause));
        thread::spawn(move || {
            for number in 1.. {
                while pause.load(Ordering::SeqCst) && !stop.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let reference = format!("C{number}");
                let body = json!({
                    "reference": reference, "amount": "0.01", "currency": "USD", "sim": SIM, "beneficiary": {"name": "A"},
                });
                let answer = face.post("/api/v1/credits", &reference, &body).expect("an answer");
                assert_eq!(answer.status, 201, "{answer:?}");
                acknowledged.store(number, Ordering::SeqCst);
            }
        })
    };
    let copies = std::env::var("UCASH_COPIES").ok().and_then(|text| text.parse().ok()).unwrap_or(COPIES);
    let mut opened = Vec::new();
    let (mut quiet, mut quiet_opened) = (0, 0);
    for index in 0..copies {
        pause.store(false, Ordering::SeqCst);
        let reached = acknowledged.load(Ordering::SeqCst) + 3 + index * 7 % 11;
        eventually("some more credits", || match acknowledged.load(Ordering::SeqCst) {
            seen if seen >= reached => Ok(()),
            seen => Err(format!("{seen} granted")),
        });
        // Every second copy is made while nobody writes, and must open.
        let is_quiet = index % 2 == 1;
        pause.store(is_quiet, Ordering::SeqCst);
        if is_quiet {
            // The one under way is answered before the next status is.
            shop.status();
        }
        let directory = shop.beside(&format!("copy-{index}"));
        copy(shop.directory(), &directory, index % 4 < 2);
        let most = acknowledged.load(Ordering::SeqCst) + 1;
        // While a copy is looked at the ledger need not grow.
        pause.store(true, Ordering::SeqCst);
        let data = directory.to_str().expect("Unicode").to_owned();
        let run = |words: &[&str]| ucash(&[&["--data", &data, "--json"], words].concat());
        quiet += u64::from(is_quiet);
        let told = run(&["status"]);
        if told.code != Some(0) {
            let code = told.error()["code"].clone();
            assert!(code == "torn_copy" || code == "directory", "refused, and not aloud: {told:?}");
            continue;
        }
        quiet_opened += u64::from(is_quiet);
        // What is there is what was granted first, without a gap.
        let file = directory.join("credits.json");
        let written = run(&["export", "--format", "json", "--sim", SIM, "--output", file.to_str().expect("Unicode")]);
        assert_eq!(written.code, Some(0), "{written:?}");
        let list: Value = serde_json::from_slice(&fs::read(&file).expect("written")).expect("JSON");
        let mut numbers: Vec<u64> = list["items"].as_array().expect("a list").iter().map(number_of).collect();
        numbers.sort_unstable();
        assert!(numbers.len() as u64 <= most && numbers.iter().copied().eq(1..=numbers.len() as u64), "{numbers:?}");
        // It spends nothing, and what it records stands in a log of its own.
        let words =
            ["credit", "grant", "--reference", "X", "--amount", "1", "--currency", "USD", "--to", "A", "--sim", SIM];
        assert_eq!(run(&words).error()["code"], "insufficient_share");
        let capture = run(&["sim", "capture", SIM, "--amount", "5", "--currency", "USD"]);
        assert_eq!(capture.code, Some(0), "{capture:?}");
        let backup = directory.with_extension("backup");
        assert_eq!(run(&["backup", backup.to_str().expect("Unicode")]).code, Some(0));
        opened.push(backup);
        let _ = fs::remove_dir_all(&directory);
    }
    stop.store(true, Ordering::SeqCst);
    granting.join().expect("every credit was granted");
    eprintln!(
        "{copies} live copies: {} opened as another life, {} refused",
        opened.len(),
        copies - opened.len() as u64
    );
    assert_eq!(quiet_opened, quiet, "a copy of a node at rest opens");

    let ours = shop.beside("ours.backup");
    shop.ok(&["backup", ours.to_str().expect("Unicode")]);
    let theirs = till.beside("till.backup");
    till.ok(&["backup", theirs.to_str().expect("Unicode")]);
    let (mut original, mut middle) = (replica_of(&ours, 1), replica_of(&theirs, 2));
    let own_heads = original.heads();
    for (backup, seed) in opened.iter().zip((3..=250).cycle()) {
        let mut one = replica_of(backup, seed);
        for (log, (number, hash)) in one.heads() {
            let Some((reached, _)) = own_heads.get(&log) else { continue };
            let both = number.min(*reached);
            assert_eq!(one.hash_at(&log, both).expect("read"), original.hash_at(&log, both).expect("read"), "a fork");
            assert!(number <= *reached, "the copy went on in the original's log: {number} {hash:?}");
        }
        meet(&mut one, &mut middle);
    }
    meet(&mut original, &mut middle);
    assert_eq!(digest(&mut original), digest(&mut middle), "one state");
    for replica in [&original, &middle] {
        let found = replica.verify().expect("read");
        assert!(found.sound, "{found:?}");
    }
    let granted = acknowledged.load(Ordering::SeqCst);
    assert_eq!(original.verify().expect("read").credits, granted);
    let cents = 10_000_000 - granted + 500 * opened.len() as u64;
    assert_eq!(available(&mut original), format!("{}.{:02}", cents / 100, cents % 100));
}

fn available(replica: &mut Memory) -> String {
    let sim = ucash::model::SimNumber::new(SIM).expect("a number");
    let query = Input::Query { ticket: 1, query: Box::new(Query::SimBalance { sim }) };
    let outputs = replica.handle(Timestamp(4_000_000_000_000), query);
    let found = outputs.into_iter().find_map(|output| match output {
        Output::Answer { result: Ok(Answer::Balance(balance)), .. } => Some(balance),
        _ => None,
    });
    found.expect("a balance").balances[&ucash::money::Currency::Usd].available.clone()
}

fn number_of(credit: &Value) -> u64 {
    credit["reference"]
        .as_str()
        .and_then(|text| text.strip_prefix('C'))
        .expect("C and a number")
        .parse()
        .expect("a number")
}
