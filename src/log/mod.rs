//! The unit of truth: a device's log.
//!
//! ```text
//!   entry 1 <--previous-- entry 2 <--previous-- entry 3        one log: device, incarnation, scope
//!      |                     |                     |
//!    body                  body                  body + signature over the hash of entry 3
//! ```
//!
//! Each entry's hash covers its log, its number, the hash before it and its body; a signature on an entry proves
//! it and all before it. Signatures stand beside the chain, not in it: one is enough for a whole transfer.
//!
//! Nothing here knows what an entry does, or who may write it: a log that is chained and signed is a log.

mod branch;
mod entry;
mod keys;
mod packing;
mod position;
mod segment;
mod suffix;

pub use branch::{BRANCHES_MAX, Departure, LOCATE_MAX, chain_from, places};
pub(crate) use entry::document_bytes;
pub use entry::{Body, BodyError, EntryHash, LogId, actor_of, credit_id, movement_id, payment_id, root_of};
pub use keys::{Signature, SigningKey, remembering_signatures, verify};
pub(crate) use packing::{pack, unpack};
pub use position::{Digest, Head, digest_of};
pub use segment::{SEGMENT_ENTRIES, Segment, SegmentError};
pub use suffix::{ChainedEntry, Suffix, SuffixError, check_suffix};
pub(crate) use suffix::{next_hash, sign, verify_head};

/// Longest body of an entry, in bytes: a change at its limit and the few numbers beside it.
pub const BODY_BYTES_MAX: usize = crate::document::CHANGE_BYTES_MAX + 256;
/// Most entries that one signature covers in a transfer or a stored segment.
pub const SUFFIX_ENTRIES_MAX: usize = 512;
/// Most bytes of bodies in a transfer, unless its first entry alone is longer.
pub const SUFFIX_BYTES_MAX: usize = 256 * 1024;
