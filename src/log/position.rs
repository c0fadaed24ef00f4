//! How far a log is held, and digests that compare many logs at once.

use crate::log::{EntryHash, LogId};

/// The last entry of a log that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number: 0 for none.
    pub number: u64,
    /// Its hash, or the log's root.
    pub hash: EntryHash,
}

/// BLAKE3 over the heads of some logs: equal only where the same entries are held.
pub type Digest = [u8; 32];

/// The digest of these logs, which must come in the order of their ids. Empty logs do not count.
pub fn digest_of<'a>(heads: impl Iterator<Item = (&'a LogId, &'a Head)>) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/positions");
    for (log, head) in heads.filter(|(_, head)| head.number > 0) {
        hasher.update(&log.to_bytes());
        hasher.update(&head.number.to_be_bytes());
        hasher.update(&head.hash);
    }
    *hasher.finalize().as_bytes()
}
