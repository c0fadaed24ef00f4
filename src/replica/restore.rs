//! A store made from a backup, and the check before it: every chain, every signature, every log up to its head.
//!
//! Nothing of a backup is believed but entries that their devices signed; what is derived from them is folded anew. The
//! store goes on as a new incarnation (`domain`, rule 7): what was written since the backup may be anywhere.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::log::{Departure, EntryHash, Head, LogId, SuffixError, check_suffix, root_of};
use crate::replica::backup::{BACKUP_VERSION, BackupHeader, is_kept};
use crate::replica::boot::Random;
use crate::replica::logs::Logs;
use crate::replica::soundness::own_records;
use crate::replica::{BootError, Identity, Replica, ReplicaError, keys};
use crate::store::{Batch, Pair, Store};
use crate::wire::{Message, Packed, decode};

/// Bytes staged before they are applied as one batch.
const BATCH_BYTES: usize = 1 << 20;

/// Why a backup is not taken.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// A newer program made it.
    #[error("it has version {found}, newer than {BACKUP_VERSION}")]
    TooNew {
        /// Its version.
        found: u32,
    },
    /// Something in it cannot be read.
    #[error("{0} is unreadable")]
    Unreadable(&'static str),
    /// Entries that their device did not sign, or that do not follow those before them.
    #[error("entries of a log are not what its device signed: {0}")]
    Entries(#[from] SuffixError),
    /// A log does not end where the header says.
    #[error("a log ends at entry {found}, the header says {expected}")]
    Incomplete {
        /// Its last entry.
        found: u64,
        /// What the header says.
        expected: u64,
    },
    /// It is another device's.
    #[error("it is of another device than its keys")]
    Foreign,
    /// The store.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The replica could not be opened.
    #[error(transparent)]
    Boot(#[from] BootError),
}

/// Follows the logs of a backup as they come by.
#[derive(Debug)]
pub struct BackupCheck {
    header: BackupHeader,
    expected: BTreeMap<LogId, Head>,
    heads: BTreeMap<LogId, Head>,
    entries: u64,
}

impl BackupCheck {
    /// Reads a header.
    pub fn begin(header: &[u8]) -> Result<BackupCheck, RestoreError> {
        #[derive(serde::Deserialize)]
        struct Version {
            version: u32,
        }
        let unreadable = |_| RestoreError::Unreadable("the header");
        let Version { version } = serde_json::from_slice(header).map_err(unreadable)?;
        if version > BACKUP_VERSION {
            return Err(RestoreError::TooNew { found: version });
        }
        let header: BackupHeader = serde_json::from_slice(header).map_err(unreadable)?;
        let mut expected = BTreeMap::new();
        for (log, (number, hash)) in &header.logs {
            let bytes = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
            let log = bytes(log).and_then(|bytes| LogId::from_bytes(&bytes));
            let hash = bytes(hash).and_then(|bytes| bytes.try_into().ok());
            let (log, hash) = log.zip(hash).ok_or(RestoreError::Unreadable("the list of logs"))?;
            expected.insert(log, Head { number: *number, hash });
        }
        Ok(BackupCheck { header, expected, heads: BTreeMap::new(), entries: 0 })
    }

    /// What the backup says of itself.
    pub fn header(&self) -> &BackupHeader {
        &self.header
    }

    /// How many entries have come by.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Whether the keys that came with it are its device's.
    pub fn check_identity(&self, identity: &Identity) -> Result<(), RestoreError> {
        if self.header.device_key == identity.key.public().to_text() { Ok(()) } else { Err(RestoreError::Foreign) }
    }

    /// The next entries: chained to those before, and signed.
    pub fn entries_of(&mut self, frame: &[u8]) -> Result<Piece, RestoreError> {
        let packed = match decode(frame) {
            Ok(Message::Entries(packed)) => packed,
            Ok(Message::Branch { after, entries }) => return self.branch_of(after, &entries),
            _ => return Err(RestoreError::Unreadable("a piece of a log")),
        };
        let suffix = packed.unpack().map_err(|_| RestoreError::Unreadable("a piece of a log"))?;
        let log = suffix.log;
        let head = self.heads.get(&log).copied().unwrap_or_else(|| Head { number: 0, hash: root_of(&log) });
        let entries = check_suffix(&head, &suffix)?;
        if let Some(last) = entries.last() {
            self.heads.insert(log, Head { number: last.number, hash: last.hash });
        }
        self.entries += entries.len() as u64;
        Ok(Piece { log, entries, signature: suffix.signature, departure: None })
    }

    /// The first entries of a branch of a forked log. Whether the log holds what it departs from is seen when the store
    /// is opened.
    fn branch_of(&mut self, after: EntryHash, packed: &Packed) -> Result<Piece, RestoreError> {
        let suffix = packed.unpack().map_err(|_| RestoreError::Unreadable("a piece of a log"))?;
        let number = suffix.from.checked_sub(1).ok_or(SuffixError::Bounds)?;
        let after = Head { number, hash: after };
        let entries = check_suffix(&after, &suffix)?;
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Err(SuffixError::Bounds.into());
        };
        let departure = Departure { written: suffix.log, after, first: first.hash };
        let log = departure.name();
        if self.heads.insert(log, Head { number: last.number, hash: last.hash }).is_some() {
            return Err(SuffixError::Old.into());
        }
        self.entries += entries.len() as u64;
        Ok(Piece { log, entries, signature: suffix.signature, departure: Some(departure) })
    }

    /// At the end every log reaches its head, and there is no other.
    pub fn finish(&self) -> Result<(), RestoreError> {
        for (log, expected) in self.expected.iter().filter(|(_, head)| head.number > 0) {
            let found = self.heads.get(log).map_or(0, |head| head.number);
            if self.heads.get(log) != Some(expected) {
                return Err(RestoreError::Incomplete { found, expected: expected.number });
            }
        }
        match self.heads.iter().find(|(log, _)| !self.expected.contains_key(log)) {
            Some((_, head)) => Err(RestoreError::Incomplete { found: head.number, expected: 0 }),
            None => Ok(()),
        }
    }
}

/// Entries of one log that were found right.
#[derive(Debug)]
pub struct Piece {
    log: LogId,
    entries: Vec<crate::log::ChainedEntry>,
    signature: crate::log::Signature,
    /// Of a branch's first entries: where it departs.
    departure: Option<Departure>,
}

/// Fills an empty store from a backup.
#[derive(Debug)]
pub struct Restorer<S> {
    logs: Logs<S>,
    check: BackupCheck,
    own: Batch,
    staged: usize,
}

impl<S: Store> Restorer<S> {
    /// Begins with a store that holds nothing.
    pub fn begin(store: S, header: &[u8]) -> Result<Restorer<S>, RestoreError> {
        let (logs, _) = Logs::open(store)?;
        if !logs.held().is_empty() || logs.store.get(keys::INCARNATION).map_err(ReplicaError::from)?.is_some() {
            return Err(BootError::Emptiness { expected_empty: true }.into());
        }
        Ok(Restorer { logs, check: BackupCheck::begin(header)?, own: Batch::default(), staged: 0 })
    }

    /// What the backup says of itself.
    pub fn header(&self) -> &BackupHeader {
        self.check.header()
    }

    /// How many entries were taken.
    pub fn read(&self) -> u64 {
        self.check.entries()
    }

    /// Takes own values. What a backup must not hold is left out.
    pub fn own(&mut self, payload: &[u8]) -> Result<(), RestoreError> {
        for (key, value) in read_own(payload)?.into_iter().filter(|(key, _)| is_kept(key)) {
            self.staged += key.len() + value.len();
            self.own.put(key, value);
        }
        self.apply(BATCH_BYTES)
    }

    /// Takes the next entries.
    pub fn entries(&mut self, frame: &[u8]) -> Result<(), RestoreError> {
        let Piece { log, entries, signature, departure } = self.check.entries_of(frame)?;
        if let Some(departure) = departure {
            // What exactly it departs from is found when the store is opened.
            self.logs.begin_branch(departure, departure.written);
        }
        self.staged += frame.len();
        self.logs.extend(&log, &entries, signature);
        self.apply(BATCH_BYTES)
    }

    fn apply(&mut self, from_bytes: usize) -> Result<(), RestoreError> {
        if self.staged < from_bytes {
            return Ok(());
        }
        self.staged = 0;
        let mut batch = std::mem::take(&mut self.own);
        self.logs.write(&mut batch, |_| None);
        self.logs.store.apply(&batch).map_err(ReplicaError::from)?;
        Ok(())
    }

    /// Folds what was taken and begins a new incarnation of its device, durably.
    pub fn finish(mut self, identity: Identity, seed: [u8; 32]) -> Result<Replica<S>, RestoreError> {
        self.check.finish()?;
        self.check.check_identity(&identity)?;
        self.apply(0)?;
        let device = self.logs.store.get(keys::DEVICE).map_err(ReplicaError::from)?;
        if device != Some(identity.key.public().0.to_vec()) {
            return Err(RestoreError::Foreign);
        }
        let mut random = Random::new(seed);
        // Last: a store without it is none yet.
        let mut batch = Batch::default();
        batch.put(keys::INCARNATION, random.draw::<8>());
        batch.put(keys::OWN_SUM, own_records(&self.logs.store)?.to_bytes());
        self.logs.store.apply(&batch).map_err(ReplicaError::from)?;
        self.logs.store.sync().map_err(ReplicaError::from)?;
        Ok(Replica::open(self.logs.store, identity, random.draw())?)
    }
}

/// Reads a frame of own values.
fn read_own(payload: &[u8]) -> Result<Vec<Pair>, RestoreError> {
    postcard::from_bytes(payload).map_err(|_| RestoreError::Unreadable("the own values"))
}
