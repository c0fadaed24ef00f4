//! A run of entries of one log, as it is sent, and the check that makes it believed.

use thiserror::Error;

use crate::log::entry::{Body, BodyError, chain};
use crate::log::{EntryHash, Head, LogId, SUFFIX_ENTRIES_MAX, Signature, SigningKey, verify};
use crate::planted::{self, Bug};

const PURPOSE: &str = "ucash/v1/entry";

/// Consecutive entries of a log with one signature, on the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suffix {
    /// The log.
    pub log: LogId,
    /// The number of the first entry.
    pub from: u64,
    /// The bodies, at least one.
    pub bodies: Vec<Vec<u8>>,
    /// The signature on the hash of the last entry.
    pub signature: Signature,
}

/// An entry whose place in its log is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainedEntry {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: EntryHash,
    /// Its body as it was sent.
    pub bytes: Vec<u8>,
    /// The same, read; or why it cannot be: such an entry is in the log all the same, without effect.
    pub body: Result<Body, BodyError>,
}

/// Why a suffix is not believed. Nothing of it is kept, and nothing follows from it about the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SuffixError {
    /// It begins after the entry that is needed next.
    #[error("begins at {from}, but {needed} is needed next")]
    Gap {
        /// Its first number.
        from: u64,
        /// The number needed.
        needed: u64,
    },
    /// It brings nothing new.
    #[error("brings nothing new")]
    Old,
    /// No entry, too many, or numbers beyond counting.
    #[error("holds no entries, or too many")]
    Bounds,
    /// The signature is not that of the log's device on this chain.
    #[error("not signed by the log's device")]
    Signature,
}

/// Chains the next entries of an own log and signs the last.
pub(crate) fn sign(head: &EntryHash, key: &SigningKey) -> Signature {
    key.sign(PURPOSE, head)
}

/// Whether that device signed the entry of that hash.
pub(crate) fn verify_head(device: &crate::model::DeviceKey, hash: &EntryHash, signature: &Signature) -> bool {
    verify(device, PURPOSE, hash, signature)
}

/// The hash of the next entry after `head`.
pub(crate) fn next_hash(head: &Head, body: &[u8]) -> EntryHash {
    chain(&head.hash, head.number + 1, body)
}

/// Believes the part of a suffix that continues `head`, if its device signed it. What is held already is skipped:
/// the signature proves the rest all the same.
pub fn check_suffix(head: &Head, suffix: &Suffix) -> Result<Vec<ChainedEntry>, SuffixError> {
    let count = suffix.bodies.len() as u64;
    if count == 0 || suffix.bodies.len() > SUFFIX_ENTRIES_MAX || suffix.from == 0 {
        return Err(SuffixError::Bounds);
    }
    let last = suffix.from.checked_add(count - 1).ok_or(SuffixError::Bounds)?;
    // No log grows that far; a head that says so is not one to go on from.
    let needed = head.number.checked_add(1).ok_or(SuffixError::Old)?;
    if suffix.from > needed {
        return Err(SuffixError::Gap { from: suffix.from, needed });
    }
    if last < needed {
        return Err(SuffixError::Old);
    }
    let skipped = (needed - suffix.from) as usize;
    let mut entries = Vec::with_capacity(suffix.bodies.len() - skipped);
    let mut previous = head.hash;
    for (bytes, number) in suffix.bodies[skipped..].iter().zip(needed..) {
        previous = chain(&previous, number, bytes);
        entries.push((number, previous, bytes));
    }
    if !is_signed(&suffix.log, &previous, &suffix.signature) {
        return Err(SuffixError::Signature);
    }
    Ok(entries.into_iter().map(|(number, hash, bytes)| ChainedEntry::read(number, hash, bytes)).collect())
}

/// Whether a log's device signed the entry of that hash.
pub(super) fn is_signed(log: &LogId, hash: &EntryHash, signature: &Signature) -> bool {
    verify(&log.device, PURPOSE, hash, signature) || planted::is(Bug::SignatureNotChecked)
}

impl ChainedEntry {
    /// An entry whose place was proven.
    pub(crate) fn read(number: u64, hash: EntryHash, bytes: &[u8]) -> ChainedEntry {
        ChainedEntry { number, hash, bytes: bytes.to_vec(), body: Body::from_bytes(bytes) }
    }
}
