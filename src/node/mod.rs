//! The shell around a replica: event loop, clock, identity, disk, network.
//!
//! | module | what it is |
//! | --- | --- |
//! | `engine` | the loop: inputs in, one sync, outputs out |
//! | `handle` | how the faces talk to the loop |
//! | `backup` | backups as files, and directories made from them |
//! | `home` | a device's directory: lock, identity, store, heads |
//! | `place` | whether a directory is a copy of the one that was at work |
//! | `rescue` | a damaged directory, made usable again |
//! | `metrics` | what is counted and measured, for the operator |
//! | `syncer` | the thread that waits for the disk |
//! | `start` | found, join, run, or open for one command |
//! | [`storage`] | the data directory, the store on disk, the heads kept beside it |
//! | [`net`] | libp2p: frames, gossip, dialling |
//! | `changes` | what changed, numbered, for who looks |
//! | `gossip` | what is gossiped is sealed for the network's devices |
//! | `clock` | the one place that reads clocks and draws random numbers |
//!
//! Nothing here decides about money: it carries out what the replica asks for and hands back what happened.

mod backup;
mod changes;
mod clock;
mod engine;
mod gossip;
mod handle;
mod home;
mod metrics;
pub mod net;
mod place;
mod rescue;
mod start;
pub mod storage;
mod syncer;
mod whereabouts;

pub use backup::{BackupError, backup_head, check_backup, restore};
pub use changes::Changes;
pub use clock::{draw, now};
pub use handle::{Look, NodeHandle, Request, SyncReport};
pub use home::{HomeError, Running};
pub use metrics::{CONTENT_TYPE as METRICS_TYPE, Disk, Metrics};
pub use rescue::{Rescue, is_damage};
pub use start::{
    FoundOptions, JoinOptions, NodeError, Offline, Online, OnlineParts, RunOptions, found, handed_over, holds_device,
    join, open_offline, repair, run, running,
};
