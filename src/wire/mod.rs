//! What two nodes say to each other, and its bounds.
//!
//! ```text
//! A                                   B
//! Hello{network, digest} ───────────► known device? same network?
//!   ◄─────────── WhoAreYou            (only if B has not heard of A)
//! Credentials ──────────────────────► certified
//!   ◄─────────── Hello                (both sides greet)
//! Digest ───────────────────────────► equal: Same, and that was all
//!   ◄─────────── Scopes               the registry's digest and each shop's
//! Positions(of what differs) ───────►
//!   ◄─────────── Positions            each now knows what it lacks
//! Want ─────────────────────────────►
//!   ◄─────────── Entries ...          in pieces; asked for again from where it stood
//! ```
//!
//! Every message is one frame. A frame is CBOR, and everything in it has a bound, with its reason, in `limits`.
//! Decoding is total: whatever the bytes, it answers a message or an error.

mod limits;
mod message;

pub use limits::*;
pub use message::{Answered, GossipKey, Message, Packed, Position, ScopeDigest, Want, WireError, decode, encode};

/// The version of this protocol. Others are told so and left.
pub const PROTOCOL: u32 = 1;
