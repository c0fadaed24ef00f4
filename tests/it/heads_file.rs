//! The heads beside the database: read back, damaged, behind.

use std::{
    fs,
    time::{Duration, Instant},
};

use ucash::node::storage::{Discrepancy, Heads, HeadsError, HeadsFile, Held};

fn heads() -> Heads {
    Heads::from([(Vec::new(), (0, [0; 32])), (vec![1; 64], (u64::MAX, [0xff; 32])), (b"log".to_vec(), (7, [7; 32]))])
}

fn new() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn what_is_written_is_read_and_no_file_is_no_heads() {
    let directory = new();
    assert_eq!(HeadsFile::read(directory.path()).expect("no file"), Heads::new());
    for heads in [heads(), Heads::new(), heads()] {
        HeadsFile::write(directory.path(), &heads).expect("written");
        assert_eq!(HeadsFile::read(directory.path()).expect("read"), heads);
    }
    let long = Heads::from([(vec![0; 65], (1, [0; 32]))]);
    let refused = HeadsFile::write(directory.path(), &long);
    assert!(matches!(refused, Err(HeadsError::NameTooLong { bytes: 65 })), "{refused:?}");
    assert_eq!(HeadsFile::read(directory.path()).expect("read"), heads(), "the old file is still there");
}

#[test]
fn any_flipped_bit_and_any_cut_is_damage() {
    let directory = new();
    HeadsFile::write(directory.path(), &heads()).expect("written");
    let path = directory.path().join("heads");
    let good = fs::read(&path).expect("read");
    let check = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).expect("written");
        let read = HeadsFile::read(directory.path());
        assert!(matches!(read, Err(HeadsError::Damaged { .. })), "{what}: {read:?}");
    };
    for at in 0..good.len() {
        check(&good[..at], &format!("cut at {at}"));
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 8);
        check(&flipped, &format!("flipped at {at}"));
    }
    check(&[&good[..], b"\0"].concat(), "longer");
}

#[test]
fn a_right_checksum_over_nonsense_is_damage() {
    let directory = new();
    let entry = |length: u8| [&[length][..], &[b'k'; 65], &[0; 40]].concat();
    for body in [
        b"ucash heads 2\n\0\0\0\0".to_vec(),
        b"ucash heads 1\n\0\0\0".to_vec(),
        b"ucash heads 1\n\0\0\0\x01".to_vec(),
        b"ucash heads 1\n\xff\xff\xff\xff".to_vec(),
        [b"ucash heads 1\n\0\0\0\x01", &entry(65)[..]].concat(),
        [b"ucash heads 1\n\0\0\0\0", &entry(65)[..]].concat(),
        [b"ucash heads 1\n\0\0\0\x02", &[0; 41][..], &[0; 41]].concat(),
    ] {
        let bytes = [&body[..], blake3::hash(&body).as_bytes()].concat();
        fs::write(directory.path().join("heads"), bytes).expect("written");
        let read = HeadsFile::read(directory.path());
        assert!(matches!(read, Err(HeadsError::Damaged { .. })), "{body:?}: {read:?}");
    }
}

#[test]
fn a_store_behind_its_heads_is_refused_with_every_log_named() {
    let directory = new();
    let logs = [b"a", b"b", b"c", b"d"];
    let heads: Heads = logs.iter().zip(5_u64..).map(|(log, number)| (log.to_vec(), (number, [1; 32]))).collect();
    HeadsFile::write(directory.path(), &heads).expect("written");
    let opened = HeadsFile::open(directory.path(), |log, _| {
        Ok(match log {
            b"a" => Held::Entry([1; 32]),
            b"b" => Held::Entry([2; 32]),
            b"c" => Held::UpTo(3),
            _ => Held::Nothing,
        })
    });
    let error = opened.expect_err("behind");
    assert_eq!(
        error.to_string(),
        "the store is behind its heads file: log 62 reached 6 and has another entry there, \
         log 63 reached 7 and ends at 3, log 64 reached 8 and has nothing"
    );
    let HeadsError::Behind { logs } = error else { panic!("{error:?}") };
    assert_eq!(logs.len(), 3);
    assert_eq!(logs[1], Discrepancy { log: b"c".to_vec(), number: 7, held: Held::UpTo(3) });
    assert_eq!(HeadsFile::read(directory.path()).expect("read"), heads, "nothing was changed");
}

#[test]
fn it_is_written_when_due_and_only_if_something_changed() {
    let directory = new();
    let mut file = HeadsFile::open(directory.path(), |_, _| unreachable!("no heads yet")).expect("opened");
    let start = Instant::now();
    assert!(file.is_due(start));
    file.update(start, &heads()).expect("written");
    assert!(!file.is_due(start + HeadsFile::PERIOD - Duration::from_millis(1)));
    assert!(file.is_due(start + HeadsFile::PERIOD));
    fs::remove_file(directory.path().join("heads")).expect("removed");
    file.update(start + HeadsFile::PERIOD, &heads()).expect("nothing new");
    assert_eq!(HeadsFile::read(directory.path()).expect("not written"), Heads::new());
    file.update(start + HeadsFile::PERIOD * 2, &Heads::new()).expect("written");
    assert!(directory.path().join("heads").exists());
}
