//! The shell around the replica: what touches the network, the disk and the clock.

pub mod net;
