//! All integration tests, in one binary: it links once.

#[cfg(feature = "node")]
mod data_directory;
#[cfg(feature = "node")]
mod heads_file;
#[cfg(feature = "node")]
mod http;
#[cfg(feature = "node")]
mod net;
#[cfg(feature = "node")]
mod net_hostile;
#[cfg(feature = "node")]
mod page;
mod rows;
mod store_conformance;
#[cfg(feature = "node")]
mod store_sled;
