//! All integration tests, in one binary: it links once.

#[cfg(feature = "node")]
mod data_directory;
#[cfg(feature = "node")]
mod heads_file;
mod store_conformance;
#[cfg(feature = "node")]
mod store_sled;
