//! What only the store on disk can do: come back, clean up after itself, and survive damaged files.

use std::{
    fs,
    ops::{ControlFlow, Deref, DerefMut},
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use ucash::{
    node::storage::{OpenError, SledStore},
    store::{Batch, Pair, Store, StoreError, Visit},
};

const CACHE_BYTES: u64 = 8 << 20;

/// A store whose directory goes when it does.
pub struct Temporary {
    // Dropped in this order: the store writes when it is dropped.
    store: SledStore,
    _directory: TempDir,
}

/// A new store, for the conformance suite.
pub fn temporary() -> Temporary {
    let directory = tempfile::tempdir().expect("a directory");
    Temporary { store: open(directory.path()), _directory: directory }
}

impl Deref for Temporary {
    type Target = SledStore;
    fn deref(&self) -> &SledStore {
        &self.store
    }
}

impl DerefMut for Temporary {
    fn deref_mut(&mut self) -> &mut SledStore {
        &mut self.store
    }
}

impl Store for Temporary {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key)
    }
    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        self.store.scan(prefix, from, visit)
    }
    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Pair>, StoreError> {
        self.store.floor(prefix, key)
    }
    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.store.apply(batch)
    }
    fn sync(&mut self) -> Result<(), StoreError> {
        self.store.sync()
    }
}

fn open(directory: &Path) -> SledStore {
    SledStore::open(directory, CACHE_BYTES).expect("open")
}

fn value(index: u32) -> Vec<u8> {
    vec![index as u8; if index.is_multiple_of(50) { 9_000 } else { 100 }]
}

/// 400 keys, every fiftieth with a long value, each number twice.
fn fill(directory: &Path) {
    let mut store = open(directory);
    for round in 0..2_u32 {
        for chunk in 0..20_u32 {
            let mut batch = Batch::default();
            for index in chunk * 20..(chunk + 1) * 20 {
                batch.put(index.to_be_bytes(), value(index + 1 - round));
            }
            store.apply(&batch).expect("apply");
        }
        store.sync().expect("sync");
    }
}

fn count(store: &SledStore) -> Result<u32, StoreError> {
    let mut count = 0;
    store.scan(b"", b"", &mut |_, _| {
        count += 1;
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

/// The database's files, in a fixed order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("list").map(|entry| entry.expect("entry").path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// A copy of a closed database, each file as `change` leaves it. A copy has no lock: sled lets go of its own a moment
/// after the store is dropped, and only our opening waits for that.
fn copy(origin: &Path, change: impl Fn(&Path, &mut Vec<u8>)) -> TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    fs::create_dir(copy.path().join("blobs")).expect("blobs");
    for file in files(origin) {
        let mut bytes = fs::read(&file).expect("read");
        change(&file, &mut bytes);
        fs::write(copy.path().join(file.file_name().expect("a name")), bytes).expect("write");
    }
    copy
}

/// The database as sled sees it, in a directory that is dropped after it.
fn raw(origin: &Path) -> (sled::Db, TempDir) {
    let copy = copy(origin, |_, _| {});
    (sled::open(copy.path()).expect("open raw"), copy)
}

#[test]
fn reopened_it_holds_everything() {
    let directory = tempfile::tempdir().expect("a directory");
    fill(directory.path());
    for _ in 0..3 {
        let store = open(directory.path());
        assert_eq!(count(&store).expect("scan"), 400);
        for index in 0..400_u32 {
            assert_eq!(store.get(&index.to_be_bytes()).expect("get"), Some(value(index)));
        }
    }
}

/// A kill or a full disk while sled opens leaves such a draft, and sled alone takes it for its newest snapshot.
#[test]
fn an_unfinished_snapshot_is_no_damage() {
    let directory = tempfile::tempdir().expect("a directory");
    fill(directory.path());
    for draft in [&b""[..], b"torn", &[0; 4_096]] {
        let draft_path = directory.path().join("snap.FFFFFFFFFFFFFFFF.generating");
        fs::write(&draft_path, draft).expect("written");
        let alone = copy(directory.path(), |_, _| {});
        assert!(sled::open(alone.path()).is_err(), "sled has mended this: the cleaning can go");
        assert_eq!(count(&open(directory.path())).expect("scan"), 400);
        assert!(!draft_path.exists());
    }
}

#[test]
fn it_makes_its_directory_and_those_above() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(&directory.path().join("a/b/store")));
}

#[test]
fn an_overwritten_long_value_leaves_no_parts() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let mut store = open(path);
    for bytes in [1 << 20, 20_000, 3] {
        let mut batch = Batch::default();
        batch.put("k", vec![1; bytes]);
        batch.put("deleted", vec![2; bytes]);
        store.apply(&batch).expect("apply");
    }
    let mut batch = Batch::default();
    batch.delete("deleted");
    store.apply(&batch).expect("apply");
    store.sync().expect("sync");
    drop(store);
    // The raw tree holds the one short record and nothing else, and sled made no file for a long value.
    let (raw, _copy) = raw(path);
    assert_eq!(raw.iter().keys().collect::<Result<Vec<_>, _>>().expect("keys"), [b"\x01k"]);
    assert_eq!(fs::read_dir(path.join("blobs")).expect("blobs").count(), 0);
}

#[test]
fn a_lost_part_is_named_and_the_rest_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    fill(directory.path());
    let (raw, copy) = raw(directory.path());
    // The second part of key 50.
    let part = [&[0x02], &50_u32.to_be_bytes()[..], &1_u32.to_be_bytes()].concat();
    assert!(raw.remove(part).expect("remove").is_some());
    drop(raw);
    let store = open(copy.path());
    match store.get(&50_u32.to_be_bytes()) {
        Err(StoreError::Damaged(detail)) => assert_eq!(detail, "part 1 of key 00000032 is gone"),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.get(&51_u32.to_be_bytes()).expect("get"), Some(value(51)));
}

/// Flips bits, zeroes a page or cuts the file. Whether sled notices is its affair; a panic of its own must not escape,
/// and what is refused must be refused by name.
#[test]
fn no_damage_makes_opening_panic() {
    let origin = tempfile::tempdir().expect("a directory");
    fill(origin.path());
    let mut refused = 0;
    for trial in 0..trials() {
        let files = files(origin.path());
        let draw = |salt: u64| blake3::hash(&[trial, salt].map(u64::to_be_bytes).concat()).as_bytes()[..8].try_into();
        let draw = |salt, below: usize| u64::from_be_bytes(draw(salt).expect("8 bytes")) as usize % below.max(1);
        let victim = &files[draw(0, files.len())];
        let copy = copy(origin.path(), |file, bytes| {
            if file != victim {
                return;
            }
            // The rest of the database file is zeroes.
            let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            let at = draw(1, used);
            match draw(2, 3) {
                0 => bytes[at] ^= 1 << draw(3, 8),
                1 => bytes[at..used.min(at + 4_096)].fill(0),
                _ => bytes.truncate(at),
            }
        });
        match SledStore::open(copy.path(), CACHE_BYTES) {
            Ok(store) => drop(count(&store)),
            Err(OpenError::Damaged { .. } | OpenError::Io { .. }) => refused += 1,
            Err(other) => panic!("trial {trial}: {other}"),
        }
    }
    assert!(refused > 0, "the test damages nothing that matters");
}

/// How many damaged copies are tried; more by hand, with `UCASH_DAMAGE_TRIALS`.
fn trials() -> u64 {
    std::env::var("UCASH_DAMAGE_TRIALS").ok().and_then(|text| text.parse().ok()).unwrap_or(24)
}
