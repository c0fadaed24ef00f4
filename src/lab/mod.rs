//! The laboratory: many replicas in one process on a virtual network, virtual disks and virtual clocks, driven by
//! one seed.

mod cast;
mod draw;

pub use cast::{Cast, CastDevice, CastSim};
pub use draw::Draw;
