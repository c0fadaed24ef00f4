//! All integration tests, in one binary: it links once.

mod boot;
#[cfg(feature = "node")]
mod data_directory;
mod desk;
mod document_automerge;
mod document_hostile;
mod document_shapes;
mod folds;
mod forge;
mod golden;
#[cfg(feature = "node")]
mod heads_file;
#[cfg(feature = "node")]
mod http;
mod joining;
mod keys_and_imports;
mod logs;
mod membership;
mod merges;
mod money;
#[cfg(feature = "node")]
mod net;
#[cfg(feature = "node")]
mod net_hostile;
mod orders;
mod rows;
mod rules;
mod samples;
mod set_aside;
mod store_conformance;
#[cfg(feature = "node")]
mod store_sled;
mod strangers;
mod wire;
