//! A replica as one stream of bytes, taken while it goes on.
//!
//! Logs only grow, so a list of their heads is a snapshot: whatever is read of them later, up to those heads, is what
//! stood there at that instant. The node is asked for a piece at a time and answers others in between.
//!
//! ```text
//! stream  = frame*                      begins with a header, ends with an end; nothing follows that
//! frame   = kind 1 | length u32 BE | payload | hash 32
//! hash    = BLAKE3, keyed by the hash before it (at first by a key derived from a name), over all before it in the frame
//! payload = h: BackupHeader in JSON     o: own values, postcard      e: entries, a wire frame      z: nothing
//! ```
//!
//! A damaged, cut or reordered stream is known by its hashes before anything of it is used. What they cannot tell, that
//! somebody made another stream up, the signatures on the entries do. The secrets of the device are no part of it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ledger::Refusal;
use crate::log::LogId;
use crate::model::{ShopId, Timestamp};
use crate::replica::{Replica, ReplicaError, keys};
use crate::store::{Pair, Store};
use crate::wire::{Message, Packed, encode};

/// The newest layout that this program writes and reads.
pub const BACKUP_VERSION: u32 = 1;
/// Longest payload of a frame: a header that names 60,000 logs.
pub const BACKUP_FRAME_BYTES_MAX: usize = 16 << 20;
/// Bytes of own values in one frame.
const OWN_BYTES: usize = 256 << 10;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name says it")]
pub struct BackupHeader {
    pub version: u32,
    pub program: String,
    pub network: String,
    pub network_id: String,
    pub shop_id: ShopId,
    pub shop: String,
    pub device: String,
    pub device_key: String,
    /// When it was taken, by this device's clock.
    pub made_at: String,
    pub entries: u64,
    pub credits: u64,
    /// How far each log goes: its id in hexadecimal, then the number and the hash of its last entry.
    pub logs: BTreeMap<String, (u64, String)>,
}

/// What a snapshot is read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// What the backup says of itself.
    pub header: BackupHeader,
    /// The keys of the own values at that instant.
    pub own: Vec<Vec<u8>>,
}

/// What kind of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupFrame {
    /// What the backup says of itself; the first.
    Header,
    /// Own values.
    Own,
    /// Entries of one log.
    Entries,
    /// The last.
    End,
}

impl BackupFrame {
    const ALL: [(u8, BackupFrame); 4] =
        [(b'h', BackupFrame::Header), (b'o', BackupFrame::Own), (b'e', BackupFrame::Entries), (b'z', BackupFrame::End)];

    fn byte(self) -> u8 {
        BackupFrame::ALL.iter().find(|(_, kind)| *kind == self).map_or(0, |(byte, _)| *byte)
    }
}

/// Why a stream is no backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// It is damaged, or was never one.
    #[error("its bytes are not what was written")]
    Damaged,
    /// A frame longer than any that is written.
    #[error("a part is longer than any that is written")]
    TooLong,
}

/// The chain of hashes through a stream: the same for who writes and who reads.
#[derive(Clone, Debug)]
pub struct Frames {
    hash: [u8; 32],
}

/// Bytes before the payload: kind and length.
pub const FRAME_HEAD_BYTES: usize = 5;
/// Bytes after the payload.
pub const FRAME_HASH_BYTES: usize = 32;

impl Default for Frames {
    fn default() -> Frames {
        Frames { hash: blake3::derive_key("ucash/v1/backup", b"") }
    }
}

impl Frames {
    /// The next frame.
    pub fn write(&mut self, kind: BackupFrame, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind.byte()];
        bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        bytes.extend_from_slice(payload);
        self.hash = *blake3::keyed_hash(&self.hash, &bytes).as_bytes();
        bytes.extend_from_slice(&self.hash);
        bytes
    }

    /// How many bytes of payload follow a frame's head.
    pub fn payload_bytes(head: &[u8; FRAME_HEAD_BYTES]) -> Result<usize, FrameError> {
        let [_, length @ ..] = head;
        let length = u32::from_be_bytes(*length) as usize;
        if length > BACKUP_FRAME_BYTES_MAX { Err(FrameError::TooLong) } else { Ok(length) }
    }

    /// Believes the next frame, or does not.
    pub fn read(
        &mut self,
        head: &[u8; FRAME_HEAD_BYTES],
        payload: &[u8],
        hash: &[u8; FRAME_HASH_BYTES],
    ) -> Result<BackupFrame, FrameError> {
        let mut hasher = blake3::Hasher::new_keyed(&self.hash);
        self.hash = *hasher.update(head).update(payload).finalize().as_bytes();
        let found = BackupFrame::ALL.iter().find(|(byte, _)| *byte == head[0]).map(|(_, kind)| *kind);
        found.filter(|_| self.hash == *hash).ok_or(FrameError::Damaged)
    }
}

/// The access tokens of this node's interface: one that was revoked must not come back with an older state.
const TOKENS: &[u8] = b"ntoken";

/// Whether a value goes into a backup, and back from it: what idempotency keys were used for, since when a credit is
/// known to be cancelled, the shell's own values, and what this device was admitted by. Not its incarnation, which
/// ends with this store; nor invitations, which may have been used since.
pub(super) fn is_kept(key: &[u8]) -> bool {
    [keys::AUTHORITY, keys::DEVICE, keys::CREDENTIALS].contains(&key)
        || (key.first().is_some_and(|letter| b"irn".contains(letter)) && !key.starts_with(TOKENS))
}

impl<S: Store> Replica<S> {
    /// What stands at this instant: how far each log goes, and which own values there are.
    pub(super) fn snapshot(&self, now: Timestamp) -> Result<Snapshot, Refusal> {
        let failed = |error: ReplicaError| Refusal::ReadOnly { detail: error.to_string() };
        let registry = &self.fold.registry;
        let shop_id = self.own_standing().map_or(ShopId(0), |(shop, ..)| shop);
        let shop = self.fold.book.shops().get(&shop_id);
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        let mut own = Vec::new();
        for letter in *b"sirn" {
            let found = self.logs.store.scan(&[letter], &[letter], &mut |key, _| {
                if is_kept(key) {
                    own.push(key.to_vec());
                }
                ControlFlow::Continue(())
            });
            found.map_err(|error| failed(error.into()))?;
        }
        Ok(Snapshot {
            header: BackupHeader {
                version: BACKUP_VERSION,
                program: env!("CARGO_PKG_VERSION").to_owned(),
                network: registry.founding().map_or_else(String::new, |founding| founding.network.clone()),
                network_id: registry.network().to_string(),
                shop_id,
                shop: shop.map_or_else(String::new, |shop| shop.name.clone()),
                device: registry.name_of(&self.device()),
                device_key: self.device().to_text(),
                made_at: now.to_rfc3339(),
                entries: self.logs.entries(),
                credits: self.fold.book.credit_count() as u64,
                logs: self.heads().iter().map(|(log, (number, hash))| (hex(log), (*number, hex(hash)))).collect(),
            },
            own,
        })
    }

    /// The values of the first of those keys, as many as one frame holds, and how many keys that were. One that is no
    /// longer there is left out.
    pub(super) fn own_values(&self, wanted: &[Vec<u8>]) -> Result<(Vec<u8>, usize), Refusal> {
        let failed = |error: ReplicaError| Refusal::ReadOnly { detail: error.to_string() };
        let mut pairs: Vec<Pair> = Vec::new();
        let (mut bytes, mut taken) = (0, 0);
        for key in wanted.iter().filter(|key| is_kept(key)) {
            if bytes >= OWN_BYTES {
                break;
            }
            if let Some(value) = self.get(key).map_err(failed)? {
                bytes += key.len() + value.len();
                pairs.push((key.clone(), value));
            }
            taken += 1;
        }
        let payload = postcard::to_stdvec(&pairs).map_err(|_| failed(ReplicaError::damaged("values do not encode")))?;
        Ok((payload, taken))
    }

    /// The next piece of a log as a frame, and the number after its last entry; none where the log does not go there.
    pub(super) fn piece(&self, log: &[u8], from: u64, to: u64) -> Result<Option<(Vec<u8>, u64)>, Refusal> {
        let failed = |error: ReplicaError| Refusal::ReadOnly { detail: error.to_string() };
        let Some(log) = LogId::from_bytes(log) else { return Ok(None) };
        // A branch of a forked log begins where it departs, and says what from.
        let base = self.logs.base(&log);
        let is_first = self.logs.branches().contains_key(&log) && from <= base.number + 1;
        let from = if is_first { base.number + 1 } else { from };
        let suffix = self.logs.suffix(&log, from, to.max(from)).map_err(failed)?;
        Ok(suffix.map(|suffix| {
            let next = from + suffix.bodies.len() as u64;
            let message = if is_first {
                let entries = Packed::pack(&crate::log::Suffix { log: self.logs.written(&log), ..suffix });
                Message::Branch { after: base.hash, entries }
            } else {
                Message::Entries(Packed::pack(&suffix))
            };
            (encode(&message), next)
        }))
    }
}
