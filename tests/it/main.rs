//! One binary for all integration tests: it links once.

#[cfg(feature = "node")]
mod http;
mod rows;
