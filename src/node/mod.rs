//! The shell around a replica: event loop, clock, identity, disk, network.

mod handle;
pub mod net;
pub mod storage;
pub use handle::{NodeHandle, Request, SyncReport};
