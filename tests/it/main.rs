//! All integration tests, in one binary: it links once.

#[cfg(feature = "node")]
mod data_directory;
mod desk;
mod folds;
#[cfg(feature = "node")]
mod heads_file;
#[cfg(feature = "node")]
mod http;
mod keys_and_imports;
mod merges;
mod money;
#[cfg(feature = "node")]
mod net;
#[cfg(feature = "node")]
mod net_hostile;
mod rows;
mod rules;
mod store_conformance;
#[cfg(feature = "node")]
mod store_sled;
