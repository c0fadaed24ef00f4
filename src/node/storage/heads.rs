//! How far each log had come, kept outside the database.
//!
//! sled opens a damaged database with keys missing and says nothing. A log that lost entries in its middle shows it,
//! since entries are numbered and chained; one that lost its end does not. So one small file beside the database says
//! how far each log had come, and at opening every log must still reach that far, with the same hash there.
//!
//! **What it proves and what not.** The file is a lower bound. Writing it costs two syncs, too dear for each commit, so
//! it is written at most every [`HeadsFile::PERIOD`] and on a clean stop. Entries of the last seconds before a crash
//! are guarded by the database alone; once a peer has them, by the peer. A file that claimed more than the database
//! has made durable would cry wolf, so only heads that [`sync`](crate::store::Store::sync) has covered may be written.
//!
//! ```text
//! "ucash heads 1\n" | count u32 BE | count × (length u8 | log | number u64 BE | hash 32) | blake3 of all before (32)
//! ```
//!
//! It knows no log from another: a log is named by up to 64 bytes that mean nothing here. It reads no clock.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use thiserror::Error;

use super::directory::{DirectoryError, write_atomically};
use crate::store::StoreError;

/// The file's name in the data directory.
pub(super) const NAME: &str = "heads";

const MAGIC: &[u8] = b"ucash heads 1\n";
const CHECKSUM_BYTES: usize = 32;
const LOG_BYTES_MAX: usize = 64;
/// Room for half a million logs; what is longer is not ours.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// How many logs an error names; it says how many more there are.
const NAMED_MAX: usize = 8;

/// For each log, the number and the hash of its last durable entry.
pub type Heads = BTreeMap<Vec<u8>, (u64, [u8; 32])>;

/// What the store holds of a log where the file says there is an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The entry of that number, with this hash.
    Entry([u8; 32]),
    /// Not that entry; the log ends at this number.
    UpTo(u64),
    /// Nothing of the log.
    Nothing,
}

/// A log that is not what the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discrepancy {
    /// The log.
    pub log: Vec<u8>,
    /// The number that the file has for it.
    pub number: u64,
    /// What the store has there. [`Held::Entry`] means another hash: an older copy was written on.
    pub held: Held,
}

/// Why the heads could not be read, written or confirmed.
#[derive(Debug, Error)]
pub enum HeadsError {
    /// The file is not what was written.
    #[error("{} is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// There is none, though there is a store: nothing says how far its logs had come.
    #[error("{} is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The store has lost entries, or is an older copy. Nothing was changed.
    #[error("the store is behind its heads file: {}", listed(logs))]
    Behind {
        /// Each log that does not hold what the file says, in order of their names.
        logs: Vec<Discrepancy>,
    },
    /// A log's name is too long to be kept.
    #[error("a log is named by {bytes} bytes, more than the {LOG_BYTES_MAX} allowed")]
    NameTooLong {
        /// Its length.
        bytes: usize,
    },
    /// There are more logs than the file may hold.
    #[error("{logs} logs are more than a heads file holds")]
    TooMany {
        /// How many.
        logs: usize,
    },
    /// The operating system refused to let the file be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file could not be replaced.
    #[error(transparent)]
    Write(#[from] DirectoryError),
    /// The store could not say what it holds.
    #[error("could not compare the store with its heads file")]
    Store(#[from] StoreError),
}

/// The file of one data directory, and when it was last written.
#[derive(Debug)]
pub struct HeadsFile {
    directory: PathBuf,
    written: Heads,
    written_at: Option<Instant>,
}

impl HeadsFile {
    /// How often the file is written at most while the node runs.
    pub const PERIOD: Duration = Duration::from_secs(5);

    /// Reads the file of a data directory and has each log confirmed by `look`, which says what the store holds of
    /// a log at a number. A store that never had such a file passes.
    ///
    /// # Errors
    ///
    /// [`HeadsError::Behind`] with every log that is not as the file says, [`HeadsError::Damaged`],
    /// [`HeadsError::Read`], or the error of `look`.
    pub fn open(
        directory: &Path,
        mut look: impl FnMut(&[u8], u64) -> Result<Held, StoreError>,
    ) -> Result<Self, HeadsError> {
        let written = Self::read(directory)?;
        let mut logs = Vec::new();
        for (log, &(number, hash)) in &written {
            let held = look(log, number)?;
            if held != Held::Entry(hash) {
                logs.push(Discrepancy { log: log.clone(), number, held });
            }
        }
        if !logs.is_empty() {
            return Err(HeadsError::Behind { logs });
        }
        Ok(HeadsFile { directory: directory.to_owned(), written, written_at: None })
    }

    /// Whether it is time to write again.
    pub fn is_due(&self, now: Instant) -> bool {
        self.written_at.is_none_or(|at| now.saturating_duration_since(at) >= Self::PERIOD)
    }

    /// Writes the heads, which the store must have made durable. Called when due and on a clean stop; costs nothing
    /// if nothing has changed.
    ///
    /// # Errors
    ///
    /// As [`HeadsFile::write`]. The file is then as it was, and still due.
    pub fn update(&mut self, now: Instant, heads: &Heads) -> Result<(), HeadsError> {
        if *heads != self.written {
            Self::write(&self.directory, heads)?;
            self.written = heads.clone();
        }
        self.written_at = Some(now);
        Ok(())
    }

    /// Whether there is such a file in a data directory.
    pub fn exists(directory: &Path) -> bool {
        directory.join(NAME).exists()
    }

    /// Reads the file of a data directory. No file, no heads.
    ///
    /// # Errors
    ///
    /// [`HeadsError::Damaged`] or [`HeadsError::Read`].
    pub fn read(directory: &Path) -> Result<Heads, HeadsError> {
        let path = directory.join(NAME);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
        match read {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Heads::new()),
            Err(source) => Err(HeadsError::Read { path, source }),
            Ok(_) => decode(&bytes).map_err(|detail| HeadsError::Damaged { path, detail }),
        }
    }

    /// Replaces the file of a data directory, durably and as a whole.
    ///
    /// # Errors
    ///
    /// [`HeadsError::NameTooLong`], [`HeadsError::TooMany`] or [`HeadsError::Write`].
    pub fn write(directory: &Path, heads: &Heads) -> Result<(), HeadsError> {
        write_atomically(&directory.join(NAME), &encode(heads)?, 0o600)?;
        Ok(())
    }
}

fn encode(heads: &Heads) -> Result<Vec<u8>, HeadsError> {
    let too_many = || HeadsError::TooMany { logs: heads.len() };
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&u32::try_from(heads.len()).map_err(|_| too_many())?.to_be_bytes());
    for (log, (number, hash)) in heads {
        if log.len() > LOG_BYTES_MAX {
            return Err(HeadsError::NameTooLong { bytes: log.len() });
        }
        bytes.push(log.len() as u8);
        bytes.extend_from_slice(log);
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(hash);
    }
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    // What could not be read back must not be written.
    if bytes.len() as u64 > FILE_BYTES_MAX { Err(too_many()) } else { Ok(bytes) }
}

fn decode(bytes: &[u8]) -> Result<Heads, &'static str> {
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err("it is too long");
    }
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or("it ends early")?;
    if blake3::hash(body).as_bytes() != checksum {
        return Err("its checksum is wrong");
    }
    let rest = body.strip_prefix(MAGIC).ok_or("it is no heads file of a known version")?;
    read_entries(rest).ok_or("its entries cannot be read")
}

fn read_entries(bytes: &[u8]) -> Option<Heads> {
    let (count, mut rest) = bytes.split_first_chunk()?;
    let mut heads = Heads::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let (&length, after) = rest.split_first()?;
        let (log, after) = after.split_at_checked(length.into())?;
        let (number, after) = after.split_first_chunk()?;
        let (hash, after) = after.split_first_chunk()?;
        if log.len() > LOG_BYTES_MAX || heads.insert(log.to_vec(), (u64::from_be_bytes(*number), *hash)).is_some() {
            return None;
        }
        rest = after;
    }
    rest.is_empty().then_some(heads)
}

/// The logs, their numbers and what is there instead, on one line.
fn listed(logs: &[Discrepancy]) -> String {
    let mut line = String::new();
    for (index, Discrepancy { log, number, held }) in logs.iter().take(NAMED_MAX).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let log = data_encoding::HEXLOWER.encode(log);
        let held = match held {
            Held::Nothing => "has nothing".to_owned(),
            Held::UpTo(last) => format!("ends at {last}"),
            Held::Entry(_) => "has another entry there".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = write!(line, "{comma}log {log} reached {number} and {held}");
    }
    match logs.len().checked_sub(NAMED_MAX) {
        Some(more @ 1..) => line + &format!(", and {more} more"),
        _ => line,
    }
}
