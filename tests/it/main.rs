//! Integration tests: one binary, one module per surface.

#[cfg(feature = "node")]
mod net;
