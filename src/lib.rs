//! `ucash`: an offline-first, peer-to-peer replication node for companies of mobile-money shops.
//!
//! Read the modules in this order, each knows nothing of those below it:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`money`] | amounts and currencies, exact |
//! | [`model`] | the nouns: ids, times, shops, SIMs, credits, operations |
//! | [`ledger`] | the money rules: decide, fold, refuse |
//! | [`document`] | how an operation is laid out in an Automerge change, and how a change is checked |
//! | [`log`] | entries, chains, signatures, positions, digests |
//! | [`membership`] | certificates, invitations, the registry |
//! | [`store`] | the trait behind which disks stand |
//! | [`wire`] | messages between nodes, and their limits |
//! | [`replica`] | all of the above as one state machine without IO |
//! | `node` | the shell: event loop, disk, network |
//! | `http`, `cli` | the faces |
//!
//! Everything above `node` is pure: it reads no clock, draws no randomness and opens no socket or file.
//! `cargo check --lib --no-default-features` proves it.

pub mod model;
#[cfg(feature = "node")]
pub mod node;
pub mod store;
