//! Backups as files: what is written before the ledger's stream, and a device's directory made from one.
//!
//! ```text
//! file    = "ucash backup 1\n" | length u32 BE | directory, JSON | BLAKE3 of all before (32) | stream (`replica::backup`)
//! directory = {"files": {"identity": "...", "peers.json": "...", "ucash.toml": "..."}}
//! ```
//!
//! The device's secrets stand in it: without them nobody can go on as this device, nor as the network's authority. So
//! such a file is as secret as the directory: readable by its owner alone, and encrypted where it leaves the machine.
//!
//! A restore checks the whole file before it writes anything, then fills a directory in which a mark says until the end
//! that it is not whole.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::clock::random;
use super::home::{Home, HomeError, identity_in};
use crate::replica::{
    BackupCheck, BackupFrame, BackupHeader, FRAME_HASH_BYTES, FRAME_HEAD_BYTES, FrameError, Frames, RestoreError,
    Restorer,
};

const MAGIC: &[u8] = b"ucash backup 1\n";
/// The beginning that every version has.
const MAGIC_STEM: &[u8] = b"ucash backup ";
/// Longest directory part: an address book at its bound, and room to spare.
const DIRECTORY_BYTES_MAX: usize = 4 << 20;
/// What of a directory goes into a backup, beside what its store holds.
const FILES: [&str; 3] = ["identity", "peers.json", "ucash.toml"];

/// Why a backup was not made or not taken.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The file cannot be read or written.
    #[error("it cannot be read: {0}")]
    Io(io::Error),
    /// It is something else.
    #[error("it is no backup of ucash")]
    NotABackup,
    /// It was encrypted, by this program or another that does so as `age` does.
    #[error("it is encrypted")]
    Encrypted,
    /// A newer program made it.
    #[error("a newer program made it")]
    TooNew,
    /// It ends early.
    #[error("it ends early, after {entries} entries")]
    Truncated {
        /// How many were there.
        entries: u64,
    },
    /// Its bytes are not what was written.
    #[error("it is damaged after {entries} entries: {source}")]
    Frame {
        /// How many were right.
        entries: u64,
        /// What is wrong.
        source: FrameError,
    },
    /// What it holds is not to be believed.
    #[error("what it holds is not right: {0}")]
    Restore(#[from] RestoreError),
    /// The directory.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Whoever asked for it no longer wants it.
    #[error("it was given up")]
    GivenUp,
}

#[derive(Serialize, Deserialize)]
struct DirectoryPart {
    files: BTreeMap<String, String>,
}

/// What stands in a backup of that directory before its ledger's stream: the device's secrets, its address book and
/// its settings.
///
/// # Errors
///
/// [`BackupError::Home`] where there is no device, [`BackupError::Io`] where a file cannot be read.
pub fn backup_head(path: &Path) -> Result<Vec<u8>, BackupError> {
    let mut files = BTreeMap::new();
    for name in FILES {
        match std::fs::read_to_string(path.join(name)) {
            Ok(text) => drop(files.insert(name.to_owned(), text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(BackupError::Io(error)),
        }
    }
    if !files.contains_key(FILES[0]) {
        return Err(HomeError::NoDevice { path: path.to_owned() }.into());
    }
    let part = serde_json::to_vec(&DirectoryPart { files }).map_err(|error| BackupError::Io(error.into()))?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&part);
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    Ok(bytes)
}

/// A backup as it is read.
struct Reading<R> {
    source: R,
    frames: Frames,
    entries: u64,
}

impl<R: Read> Reading<R> {
    /// Reads the part before the stream.
    fn begin(mut source: R) -> Result<(Reading<R>, DirectoryPart), BackupError> {
        let mut head = [0; MAGIC.len() + 4];
        let length = fill(&mut source, &mut head)?;
        if head.starts_with(b"age-encryption.org/") {
            return Err(BackupError::Encrypted);
        }
        if !head.starts_with(MAGIC) {
            let is_newer = head.starts_with(MAGIC_STEM) && head[MAGIC_STEM.len()].is_ascii_digit();
            return Err(if is_newer { BackupError::TooNew } else { BackupError::NotABackup });
        }
        let truncated = BackupError::Truncated { entries: 0 };
        let Some((_, size)) = head[..length].split_last_chunk::<4>().filter(|_| length == head.len()) else {
            return Err(truncated);
        };
        let size = u32::from_be_bytes(*size) as usize;
        let damaged = || BackupError::Frame { entries: 0, source: FrameError::Damaged };
        if size > DIRECTORY_BYTES_MAX {
            return Err(damaged());
        }
        let mut part = vec![0; size + FRAME_HASH_BYTES];
        if fill(&mut source, &mut part)? < part.len() {
            return Err(truncated);
        }
        let (part, hash) = part.split_at(size);
        let mut hasher = blake3::Hasher::new();
        if hasher.update(&head).update(part).finalize().as_bytes()[..] != *hash {
            return Err(damaged());
        }
        let part = serde_json::from_slice(part).map_err(|_| damaged())?;
        Ok((Reading { source, frames: Frames::default(), entries: 0 }, part))
    }

    /// The next frame of the stream.
    fn next(&mut self) -> Result<(BackupFrame, Vec<u8>), BackupError> {
        let entries = self.entries;
        let truncated = || BackupError::Truncated { entries };
        let wrong = |source| BackupError::Frame { entries, source };
        let mut head = [0; FRAME_HEAD_BYTES];
        if fill(&mut self.source, &mut head)? < head.len() {
            return Err(truncated());
        }
        // What a damaged length asks for is not allocated before it has come.
        let length = Frames::payload_bytes(&head).map_err(wrong)?;
        let mut payload = Vec::new();
        let read = (&mut self.source).take(length as u64).read_to_end(&mut payload).map_err(BackupError::Io)?;
        let mut hash = [0; FRAME_HASH_BYTES];
        if read < length || fill(&mut self.source, &mut hash)? < hash.len() {
            return Err(truncated());
        }
        let kind = self.frames.read(&head, &payload, &hash).map_err(wrong)?;
        Ok((kind, payload))
    }

    fn header(&mut self) -> Result<Vec<u8>, BackupError> {
        match self.next()? {
            (BackupFrame::Header, payload) => Ok(payload),
            _ => Err(RestoreError::Unreadable("the header").into()),
        }
    }

    /// After the last frame there is nothing.
    fn end(&mut self) -> Result<(), BackupError> {
        match fill(&mut self.source, &mut [0])? {
            0 => Ok(()),
            _ => Err(BackupError::Frame { entries: self.entries, source: FrameError::Damaged }),
        }
    }
}

/// Reads as much as there is.
fn fill(source: &mut impl Read, bytes: &mut [u8]) -> Result<usize, BackupError> {
    let mut length = 0;
    while length < bytes.len() {
        match source.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BackupError::Io(error)),
        }
    }
    Ok(length)
}

/// Tells how many entries have been read; says whether to go on.
pub type Progress<'a> = &'a mut dyn FnMut(u64) -> bool;

/// Reads a whole backup and checks each chain and signature. Writes nothing.
///
/// # Errors
///
/// Every variant of [`BackupError`] but [`BackupError::Home`] of a directory.
pub fn check_backup(source: impl Read, progress: Progress<'_>) -> Result<BackupHeader, BackupError> {
    let (mut reading, part) = Reading::begin(source)?;
    let mut check = BackupCheck::begin(&reading.header()?)?;
    let identity = part.files.get(FILES[0]).ok_or(RestoreError::Foreign)?;
    check.check_identity(&identity_in(identity)?)?;
    loop {
        match reading.next()? {
            (BackupFrame::Entries, payload) => drop(check.entries_of(&payload)?),
            (BackupFrame::Own, _) => {}
            (BackupFrame::End, _) => break,
            (BackupFrame::Header, _) => return Err(RestoreError::Unreadable("the header").into()),
        }
        reading.entries = check.entries();
        if !progress(reading.entries) {
            return Err(BackupError::GivenUp);
        }
    }
    reading.end()?;
    check.finish()?;
    Ok(check.header().clone())
}

/// Makes a device's directory from a backup that [`check_backup`] has found right: the same device, in a new
/// incarnation. Whatever goes wrong, the directory holds no device then.
///
/// # Errors
///
/// As [`check_backup`], and [`BackupError::Home`].
pub fn restore(path: &Path, source: impl Read, progress: Progress<'_>) -> Result<BackupHeader, BackupError> {
    let home = Home::begin_restore(path)?;
    let restored = fill_home(home, source, progress);
    if restored.is_err() {
        Home::give_up_restore(path);
    }
    restored
}

fn fill_home(mut home: Home, source: impl Read, progress: Progress<'_>) -> Result<BackupHeader, BackupError> {
    let (mut reading, part) = Reading::begin(source)?;
    let header = reading.header()?;
    let identity = part.files.get(FILES[0]).ok_or(RestoreError::Foreign)?;
    let identity = identity_in(identity)?;
    let mut restorer = Restorer::begin(home.store()?, &header)?;
    loop {
        match reading.next()? {
            (BackupFrame::Entries, payload) => restorer.entries(&payload)?,
            (BackupFrame::Own, payload) => restorer.own(&payload)?,
            (BackupFrame::End, _) => break,
            (BackupFrame::Header, _) => return Err(RestoreError::Unreadable("the header").into()),
        }
        reading.entries = restorer.read();
        if !progress(reading.entries) {
            return Err(BackupError::GivenUp);
        }
    }
    reading.end()?;
    let header = restorer.header().clone();
    let replica = restorer.finish(identity, random())?;
    for (name, text) in part.files.iter().filter(|(name, _)| FILES.contains(&name.as_str())) {
        home.put_file(name, text)?;
    }
    home.watch(&replica)?;
    home.keep_heads(&replica, true);
    drop(replica);
    home.end_restore()?;
    Ok(header)
}
