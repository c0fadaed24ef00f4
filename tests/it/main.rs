//! Integration tests: one binary, one module per surface.

#[cfg(feature = "node")]
mod net;
#[cfg(feature = "node")]
mod net_hostile;
