//! The store on disk: sled, one tree, made durable.
//!
//! What sled alone does not give, and what is done about it here:
//!
//! - Its `flush` starts the writes on Linux and does not make them durable: each [`Store::sync`] also calls
//!   `sync_data` on a second handle to the database file, and opening makes the directories and sled's own small files
//!   durable once.
//! - Long values go to files that are never made durable: they are cut into parts (`record`).
//! - Batches over several trees can tear: there is one tree, and one `apply_batch` for each batch.
//! - It panics on damaged files: every call into it is guarded, and a panic becomes an error that says so. (The
//!   process's panic hook still prints.)
//! - It takes the unfinished draft of a snapshot, which a crash or a full disk leaves behind while it opens, for the
//!   snapshot itself, and calls the database corrupt from then on: drafts are removed before opening.
//! - It loses keys of damaged files in silence: not seen here. The logs prove themselves, and `heads` says how far each
//!   must reach.
//!
//! After a failed write or sync nothing more is written: the operating system forgets what it failed to write, so
//! a second attempt that "succeeds" proves nothing. The store is opened again instead; on a full disk only after some
//! room was made, since sled writes when it opens.

use std::{
    any::Any,
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use ::sled::{Config, Db, Error as SledError, IVec, Mode};
use thiserror::Error;

use super::{
    directory::{is_full, parent_of, sync_directory},
    record::{self, Record},
};
use crate::planted::{self, Bug};
use crate::store::{Batch, KeyRange, Pair, Store, StoreError, SyncWork, Visit, Write, floor_range, scan_range};

/// How often opening tries again while an earlier store of this process still lets go of its files. Other processes
/// are kept out by the lock of the data directory, not by sled's, which does not exist on every platform.
const OPEN_ATTEMPTS: u32 = 200;
const OPEN_PAUSE: Duration = Duration::from_millis(10);

/// Why the database could not be opened. Nothing was repaired or removed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The disk has no room, and sled cannot open its files without some.
    #[error("the disk is full: {} cannot be opened", path.display())]
    Full {
        /// The database's directory.
        path: PathBuf,
    },
    /// Somebody has the database open.
    #[error("{} is in use", path.display())]
    InUse {
        /// The database's directory.
        path: PathBuf,
    },
    /// The files are not what sled wrote.
    #[error("{} is damaged: {detail}", path.display())]
    Damaged {
        /// The database's directory.
        path: PathBuf,
        /// What sled said, or the text of its panic.
        detail: String,
    },
    /// The operating system refused.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// What was attempted: "create", "clean up", "open", "sync".
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Whether the store may still be used.
#[derive(Debug)]
enum State {
    /// It may.
    Open,
    /// A sync failed: nothing may be written. What readers see is whole, but sled refuses to fetch again what has left
    /// its cache, so that a read may fail as well.
    ReadOnly(String),
    /// A batch failed half way: readers would see a part of it.
    Stopped(String),
}

/// A [`Store`] in a directory of its own. Dropping it makes nothing durable: call [`Store::sync`] first.
#[derive(Debug)]
pub struct SledStore {
    /// `None` only while being dropped.
    db: Option<Db>,
    /// A second handle on the database file, for `sync_data`.
    file: Arc<File>,
    /// Whether something was applied since the last sync.
    unsynced: bool,
    state: State,
}

impl SledStore {
    /// Opens the database in `dir`, creating both if they are not there. `cache_bytes` bounds the pages that sled keeps
    /// in memory; it should not be less than what is written in one burst. The caller has locked the data directory:
    /// sled's own lock comes too late for what is cleaned up first, and does not exist on every platform.
    ///
    /// # Errors
    ///
    /// Every variant of [`OpenError`]. sled's panics on damaged files come back as [`OpenError::Damaged`].
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, OpenError> {
        let io = |doing, path: &Path, source: io::Error| match is_full(&source) {
            true => OpenError::Full { path: dir.to_owned() },
            false => OpenError::Io { doing, path: path.to_owned(), source },
        };
        fs::create_dir_all(dir).map_err(|error| io("create", dir, error))?;
        remove_drafts(dir).map_err(|error| io("clean up", dir, error))?;

        let config = Config::new()
            .path(dir)
            .cache_capacity(cache_bytes)
            // A background flush would only log its failure; ours are called for and answered.
            .flush_every_ms(None)
            // sled 0.34.7 reads the mode nowhere. Should a later one do so, space is what phones run out of.
            .mode(Mode::LowSpace);
        let db = open_patiently(&config, dir, io)?;

        // From here on `db` is dropped on failure: nothing was written through this store yet.
        let database = dir.join("db");
        let file = OpenOptions::new().read(true).write(true).open(&database);
        let file = file.map_err(|error| io("open", &database, error))?;
        file.sync_all().map_err(|error| io("sync", &database, error))?;
        let settings = dir.join("conf");
        let synced = OpenOptions::new().write(true).open(&settings).and_then(|file| file.sync_all());
        synced.map_err(|error| io("sync", &settings, error))?;
        for directory in [&dir.join("blobs"), dir, parent_of(dir)] {
            sync_directory(directory).map_err(|error| io("sync", directory, error))?;
        }
        Ok(SledStore { db: Some(db), file: Arc::new(file), unsynced: false, state: State::Open })
    }

    fn db(&self) -> Result<&Db, StoreError> {
        match (&self.state, &self.db) {
            (State::Stopped(why), _) => Err(StoreError::Failed(format!(
                "the store stopped in the middle of a batch and must be opened again: {why}"
            ))),
            (_, Some(db)) => Ok(db),
            (_, None) => Err(StoreError::Failed("the store is closed".to_owned())),
        }
    }

    fn writable(&self) -> Result<&Db, StoreError> {
        if let State::ReadOnly(why) = &self.state {
            return Err(StoreError::Failed(format!("the store takes no more writes and must be opened again: {why}")));
        }
        self.db()
    }

    /// What must be written to the tree for the batch, the remains of overwritten long values included.
    fn plan(&self, db: &Db, batch: &Batch) -> Result<::sled::Batch, StoreError> {
        let mut last_writes: BTreeMap<&[u8], Option<&[u8]>> = BTreeMap::new();
        for write in &batch.writes {
            match write {
                Write::Put(key, value) => last_writes.insert(key, Some(value)),
                Write::Delete(key) => last_writes.insert(key, None),
            };
        }
        let mut plan = ::sled::Batch::default();
        for (key, value) in last_writes {
            let data_key = record::data_key(key);
            let old_parts = match guarded(|| db.get(&data_key))? {
                None => 0,
                Some(old) => match record::decode(key, &old)? {
                    Record::Short(_) => 0,
                    Record::Long(long) => long.parts(key),
                },
            };
            let mut new_parts = 0;
            match value {
                None => plan.remove(data_key),
                Some(value) => {
                    let (record, parts) = record::encode(key, value);
                    plan.insert(data_key, record);
                    for (part_key, part) in parts {
                        plan.insert(part_key, part);
                        new_parts += 1;
                    }
                }
            }
            for index in new_parts..old_parts {
                plan.remove(record::part_key(key, index));
            }
        }
        Ok(plan)
    }
}

/// Removes snapshots that sled began and never finished. It makes each from the log and the snapshot before it, which it
/// removes only when the new one has its final name, so nothing is lost with a draft.
fn remove_drafts(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating")) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Opens the database, waiting for an earlier store of this process whose last write sled is still finishing.
#[expect(clippy::disallowed_methods, reason = "runs before there is a loop, on a thread that may block")]
fn open_patiently(
    config: &Config,
    dir: &Path,
    io: impl Fn(&'static str, &Path, io::Error) -> OpenError,
) -> Result<Db, OpenError> {
    let damaged = |detail| OpenError::Damaged { path: dir.to_owned(), detail };
    for _ in 0..OPEN_ATTEMPTS {
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(SledError::Io(error))) if is_locked(&error) => thread::sleep(OPEN_PAUSE),
            Ok(Err(SledError::Io(error))) if !is_damage(&error) => return Err(io("open", dir, error)),
            Ok(Err(error)) => return Err(damaged(error.to_string())),
            Err(panic) => return Err(damaged(panic_text(&*panic))),
        }
    }
    Err(OpenError::InUse { path: dir.to_owned() })
}

impl Store for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let db = self.db()?;
        match guarded(|| db.get(record::data_key(key)))? {
            None => Ok(None),
            Some(found) => with_value(db, key, &found, <[u8]>::to_vec).map(Some),
        }
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        let db = self.db()?;
        let Some(range) = scan_range(&record::data_key(prefix), &record::data_key(from)) else {
            return Ok(());
        };
        let mut pairs = guarded(|| Ok(db.range::<Vec<u8>, KeyRange>(range)))?;
        while let Some((data_key, found)) = guarded(|| pairs.next().transpose())? {
            let key = record::logical_key(&data_key);
            if with_value(db, key, &found, |value| visit(key, value))? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Pair>, StoreError> {
        let db = self.db()?;
        let Some(range) = floor_range(&record::data_key(prefix), &record::data_key(key)) else {
            return Ok(None);
        };
        match guarded(|| db.range::<Vec<u8>, KeyRange>(range).next_back().transpose())? {
            None => Ok(None),
            Some((data_key, found)) => {
                let key = record::logical_key(&data_key);
                Ok(Some((key.to_vec(), with_value(db, key, &found, <[u8]>::to_vec)?)))
            }
        }
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        batch.check()?;
        let db = self.writable()?;
        // sled writes in the background. If that has failed already, the batch is refused before any of it can be seen.
        if let Err(error) = guarded(|| db.context.global_error()) {
            self.state = State::ReadOnly(error.to_string());
            return Err(error);
        }
        if batch.is_empty() {
            return Ok(());
        }
        let plan = self.plan(db, batch)?;
        let applied = guarded(|| db.apply_batch(plan));
        self.unsynced = true;
        if let Err(error) = &applied {
            self.state = State::Stopped(error.to_string());
        }
        applied
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let work = self.begin_sync()?;
        self.end_sync(work())
    }

    fn begin_sync(&mut self) -> Result<SyncWork, StoreError> {
        let db = self.writable()?.clone();
        if !self.unsynced {
            return Ok(Box::new(|| Ok(())));
        }
        let file = Arc::clone(&self.file);
        Ok(Box::new(move || {
            guarded(|| db.flush())?;
            if planted::is(Bug::SyncDataSkipped) {
                return Ok(());
            }
            match file.sync_data() {
                Ok(()) => Ok(()),
                Err(error) if is_full(&error) => Err(StoreError::Full),
                Err(error) => Err(StoreError::Failed(error.to_string())),
            }
        }))
    }

    fn end_sync(&mut self, synced: Result<(), StoreError>) -> Result<(), StoreError> {
        match &synced {
            Ok(()) => self.unsynced = false,
            Err(error) => self.state = State::ReadOnly(error.to_string()),
        }
        synced
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        // sled writes what it still holds when it is dropped, and panics if it cannot.
        let db = self.db.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
    }
}

/// Hands the value of a record to `then`, joined if it is in parts.
fn with_value<T>(db: &Db, key: &[u8], found: &IVec, then: impl FnOnce(&[u8]) -> T) -> Result<T, StoreError> {
    match record::decode(key, found)? {
        Record::Short(value) => Ok(then(value)),
        Record::Long(long) => Ok(then(&long.join(key, |part| guarded(|| db.get(part)))?)),
    }
}

/// Calls sled. Its panics are damage.
fn guarded<T>(call: impl FnOnce() -> Result<T, SledError>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(store_error),
        Err(panic) => Err(StoreError::Damaged(panic_text(&*panic))),
    }
}

fn store_error(error: SledError) -> StoreError {
    match error {
        SledError::Io(error) if is_full(&error) => StoreError::Full,
        SledError::Io(error) if !is_damage(&error) => StoreError::Failed(error.to_string()),
        SledError::CollectionNotFound(_) | SledError::Unsupported(_) => StoreError::Failed(error.to_string()),
        error => StoreError::Damaged(error.to_string()),
    }
}

/// Whether reading failed because the bytes end early or make no sense.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput)
}

/// sled wraps the refusal of its lock in an error whose only mark is its text.
fn is_locked(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Other && error.to_string().starts_with("could not acquire lock")
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("sled panicked: {}", text.unwrap_or("without a text"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn batch(key: &str) -> Batch {
        let mut batch = Batch::default();
        batch.put(key, "value");
        batch
    }

    #[test]
    fn after_a_failed_sync_nothing_is_written_and_all_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut store = SledStore::open(dir.path(), 1 << 20).expect("a new store");
        store.apply(&batch("a")).expect("applied");
        // The device refuses to be synced, as a broken disk would.
        store.file = Arc::new(File::open("/dev/null").expect("the null device"));
        assert!(matches!(store.sync(), Err(StoreError::Failed(_))));
        let refused = store.apply(&batch("b")).expect_err("no more writes").to_string();
        assert!(refused.contains("takes no more writes"), "{refused}");
        assert!(store.sync().is_err(), "a second attempt proves nothing");
        assert_eq!(store.get(b"a").expect("read"), Some(b"value".to_vec()));
        assert_eq!(store.get(b"b").expect("read"), None);
    }

    #[test]
    fn a_store_that_stopped_in_a_batch_shows_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut store = SledStore::open(dir.path(), 1 << 20).expect("a new store");
        store.apply(&batch("a")).expect("applied");
        store.state = State::Stopped("the disk is full".to_owned());
        assert!(store.get(b"a").is_err());
        assert!(store.floor(b"", b"a").is_err());
        assert!(store.apply(&batch("b")).is_err());
    }

    #[test]
    fn panics_become_damage() {
        let result: Result<(), _> = guarded(|| panic!("at {}", 7));
        assert!(matches!(result, Err(StoreError::Damaged(text)) if text == "sled panicked: at 7"));
    }
}
