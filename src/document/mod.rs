//! The only place that knows how a thing is laid out in Automerge: write, read, check.
//!
//! ```text
//! Operation  --layout-->  items  --change-->  bytes of one Automerge change     (writing)
//! Operation  <--layout--  items  <--change--  bytes                             (reading, and checking)
//!                                   state: what a document has seen; numbering, causes, concurrent values
//! ```
//!
//! A change is accepted only if it is, byte for byte, what this module would have written for the operation
//! that it reads out of it, at the place in the document's history that it names. So a foreign change has no
//! freedom left: no forged numbering (`start_op`, finding 5), no second use of an actor's number (finding 6), no
//! compression (finding 7), no counters or lists, no keys but ours. Automerge's parser runs inside
//! `catch_unwind`, since hostile bytes make it panic (finding 4).
//!
//! Nothing here knows what an amount is worth or who may write: see `ledger` and `membership`.

mod change;
mod layout;
mod reader;
mod state;

pub use change::{Actor, ChangeHash, Malformed, ParsedChange, parse, remembering_changes};
pub use layout::{Content, Item, Scalar, items};
pub use reader::operation;
pub use state::{DocumentState, Fault, Placement};

/// Longest change that an entry may bear, in bytes: a grant with every text at its limit in four-byte letters
/// takes 21 kB.
pub const CHANGE_BYTES_MAX: usize = 48 * 1024;
