//! `ucash`: an offline-first, peer-to-peer replication node for companies of mobile-money shops.
//!
//! Read the modules in this order; each knows nothing of those below it:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`money`] | amounts and currencies, exact |
//! | [`model`] | the nouns: ids, times, shops, SIMs, credits, operations |
//! | [`ledger`] | the money rules: decide, fold, refuse |
//! | [`membership`] | certificates, roles, invitations, the registry |
//! | [`store`] | the trait behind which disks stand |
//! | [`wire`] | messages between nodes, and their limits |
//! | [`replica`] | all of the above as one state machine without IO |
//! | [`lab`] | many replicas in a simulated world, and the auditor who watches them |
//! | [`rows`] | the old server's rows, read and checked for form |
//! | `node` | the shell: event loop, disk, network |
//! | `http`, `cli` | the faces |
//!
//! Everything above `node` is pure: it reads no clock, draws no randomness and opens no socket or file.
//! `cargo check --lib --no-default-features` proves it.

// What no test forbids itself, and the program does. `panic!` and the like mean a bug, never an input; each exception
// is one `#[expect(..., reason = "...")]`.
#![warn(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

#[cfg(feature = "node")]
pub mod cli;
pub mod document;
#[cfg(feature = "node")]
pub mod http;
pub mod lab;
pub mod ledger;
pub mod log;
pub mod membership;
pub mod model;
pub mod money;
#[cfg(feature = "node")]
pub mod node;
pub mod planted;
pub mod replica;
pub mod rows;
pub mod sample;
pub mod store;
pub mod wire;
