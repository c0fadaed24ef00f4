//! All integration tests, in one binary: it links once.

#[cfg(feature = "node")]
mod data_directory;
mod seats;
#[cfg(feature = "node")]
mod heads_file;
#[cfg(feature = "node")]
mod http;
mod ledger_folds;
mod ledger_rules;
#[cfg(feature = "node")]
mod net;
#[cfg(feature = "node")]
mod net_hostile;
mod refusals;
mod replica_apart;
mod replica_import;
mod replica_keys;
mod replica_random;
mod rows;
mod store_conformance;
#[cfg(feature = "node")]
mod store_sled;
mod table;
