//! Entries as they are stored: a few in a row under one key, compressed together.
//!
//! sled is durable for values up to 4 kB (finding 1), and a key per entry is dear: so a segment holds what fits.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::log::{SUFFIX_ENTRIES_MAX, Signature, pack, unpack};

/// Entries in one segment. A segment of this many grants compresses to about 3 kB.
pub const SEGMENT_ENTRIES: usize = 24;
/// What a segment may unpack to, in bytes: [`SEGMENT_ENTRIES`] of the longest bodies.
const UNPACKED_BYTES_MAX: usize = 2 << 20;
/// Below this a segment is stored as it is.
const COMPRESS_FROM_BYTES: usize = 600;

/// Consecutive entries of one log on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The bodies.
    pub bodies: Vec<Vec<u8>>,
    /// The signature on the last entry, where there is one.
    pub signature: Option<Signature>,
}

#[derive(Encode, Decode)]
struct SegmentCbor {
    #[n(0)]
    bodies: Vec<ByteVec>,
    #[n(1)]
    signature: Option<ByteArray<64>>,
}

/// Why stored bytes are not a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a stored segment is damaged")]
pub struct SegmentError;

impl Segment {
    /// The stored bytes: a tag (0 plain, 1 zstd), then CBOR.
    pub fn to_bytes(&self) -> Vec<u8> {
        let cbor = SegmentCbor {
            bodies: self.bodies.iter().map(|body| ByteVec::from(body.clone())).collect(),
            signature: self.signature.map(ByteArray::from),
        };
        let mut plain = vec![0];
        if minicbor::encode(&cbor, &mut plain).is_err() {
            unreachable!("a segment always encodes into memory");
        }
        if plain.len() < COMPRESS_FROM_BYTES {
            return plain;
        }
        match pack(&plain[1..]) {
            Some(packed) => [&[1][..], &packed].concat(),
            None => plain,
        }
    }

    /// Reads stored bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Segment, SegmentError> {
        let (tag, rest) = bytes.split_first().ok_or(SegmentError)?;
        let unpacked;
        let plain = match tag {
            0 => rest,
            1 => {
                unpacked = unpack(rest, UNPACKED_BYTES_MAX).ok_or(SegmentError)?;
                &unpacked
            }
            _ => return Err(SegmentError),
        };
        let cbor: SegmentCbor = minicbor::decode(plain).map_err(|_| SegmentError)?;
        if cbor.bodies.is_empty() || cbor.bodies.len() > SUFFIX_ENTRIES_MAX {
            return Err(SegmentError);
        }
        Ok(Segment {
            bodies: cbor.bodies.into_iter().map(Into::into).collect(),
            signature: cbor.signature.map(Into::into),
        })
    }
}
