//! The laboratory: many replicas in one process on a virtual network, virtual disks and virtual clocks, driven by
//! one seed.
//!
//! ```text
//! seed ─► options ─► founding ─► days of work and faults ─► healing ─► the auditor's verdict
//!                                └──────────── trace: every event, hashed ───────────┘
//! ```
//!
//! [`run()`] is all of it. The same seed (and the same program) gives the same run, bit for bit. It must never read a
//! clock, draw a number that does not follow from the seed, or share code with the ledger where it judges it.

mod auditor;
mod cast;
mod clock;
mod contact;
mod device;
mod disk;
mod draw;
mod faults;
mod founding;
mod glance;
mod healing;
mod hostile;
mod network;
mod options;
mod run;
pub mod scenario;
mod shrink;
mod tape;
mod trace;
mod trouble;
mod workload;
mod world;

pub use auditor::{Auditor, Broken, INVARIANTS, Invariant, Shown, When};
pub use cast::{Cast, CastDevice, CastSim};
pub use clock::START;
pub use draw::Draw;
pub use glance::{DeviceGlance, Glance, InFlight, Watcher};
pub use options::{DAYS_MAX, DEVICES_MAX, OPERATIONS_MAX, Options, Overrides, Places, Rates, SHOPS_MAX, STEP_FAULTS};
pub use run::{Failure, Outcome, Record, WORLD_INVARIANTS, run, run_recorded, run_traced, run_watched};
pub use shrink::{Shrunk, ddmin, shrink};
pub use tape::{Mark, What};
pub use workload::{Act, Asked, Workload};
pub use world::Counts;
