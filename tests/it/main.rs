//! All integration tests, in one binary: it links once.

#[cfg(feature = "node")]
mod bad_input;
#[cfg(feature = "node")]
mod data_directory;
#[cfg(feature = "node")]
mod heads_file;
#[cfg(feature = "node")]
mod http;
#[cfg(feature = "node")]
mod import_cli;
#[cfg(feature = "node")]
mod kill_storm;
#[cfg(feature = "node")]
mod main_job;
#[cfg(feature = "node")]
mod net;
#[cfg(feature = "node")]
mod net_hostile;
#[cfg(feature = "node")]
mod process;
#[cfg(feature = "node")]
mod restart;
mod rows;
mod store_conformance;
#[cfg(feature = "node")]
mod store_sled;
#[cfg(feature = "node")]
mod strangers;
#[cfg(feature = "node")]
mod tokens;
#[cfg(feature = "node")]
mod totals;
