//! All integration tests, in one binary: it links once.

mod boot;
#[cfg(feature = "node")]
mod data_directory;
mod document_automerge;
mod document_hostile;
mod document_shapes;
mod forge;
mod golden;
#[cfg(feature = "node")]
mod heads_file;
#[cfg(feature = "node")]
mod http;
mod joining;
mod logs;
mod membership;
#[cfg(feature = "node")]
mod net;
#[cfg(feature = "node")]
mod net_hostile;
mod orders;
mod rows;
mod samples;
mod set_aside;
mod store_conformance;
#[cfg(feature = "node")]
mod store_sled;
mod strangers;
mod wire;
