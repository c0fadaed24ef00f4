//! The laboratory: many replicas in one process on a virtual network, virtual disks and virtual clocks, driven by
//! one seed.

mod auditor;
mod cast;
mod draw;
mod workload;

pub use auditor::{Auditor, Broken, INVARIANTS, Invariant, Shown, When};
pub use cast::{Cast, CastDevice, CastSim};
pub use draw::Draw;
pub use workload::{Act, Asked, Workload};
