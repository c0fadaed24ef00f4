//! All integration tests, in one binary: it links once.

#![expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::items_after_statements,
    reason = "tests make small numbers, and name a thing where they use it"
)]

#[cfg(feature = "node")]
mod app;
#[cfg(feature = "node")]
mod backups;
#[cfg(feature = "node")]
mod bad_input;
mod boot;
mod clocks;
mod closings;
#[cfg(feature = "node")]
mod conflicts;
#[cfg(feature = "node")]
mod conflicts_cli;
mod copies;
mod damage;
mod data_directory;
mod desk;
mod disks;
mod document_automerge;
mod document_hostile;
mod document_shapes;
mod empty_words;
#[cfg(feature = "node")]
mod exports;
mod failing_store;
mod floods;
mod folds;
mod forge;
mod forks;
mod gateway;
mod golden;
#[cfg(feature = "node")]
mod heads_file;
#[cfg(feature = "node")]
mod hosts;
#[cfg(feature = "node")]
mod http;
mod https;
#[cfg(feature = "node")]
mod import_cli;
#[cfg(feature = "node")]
mod inspect;
mod interrupts;
mod joining;
mod keys_and_imports;
#[cfg(feature = "node")]
mod kill_storm;
mod lab;
mod lab_auditor;
mod live;
mod logs;
#[cfg(feature = "node")]
mod main_job;
#[cfg(feature = "node")]
mod manual;
#[cfg(feature = "node")]
mod many_nodes;
mod membership;
mod merges;
#[cfg(feature = "node")]
mod metrics;
mod money;
mod mutations;
#[cfg(feature = "node")]
mod named_failures;
#[cfg(feature = "node")]
mod namespace;
#[cfg(feature = "node")]
mod net;
#[cfg(feature = "node")]
mod net_addresses;
mod net_circuits;
mod net_cuts;
mod net_doors;
mod net_gossip;
mod net_hostile;
#[cfg(feature = "node")]
mod net_moves;
#[cfg(feature = "node")]
mod net_storm;
mod orders;
#[cfg(feature = "node")]
mod packaging;
mod page;
#[cfg(feature = "node")]
mod planted;
mod process;
mod relay;
mod replica_apart;
mod replica_random;
#[cfg(feature = "node")]
mod restart;
mod rows;
mod rules;
mod samples;
#[cfg(feature = "node")]
mod scenarios;
mod seats;
#[cfg(feature = "node")]
mod secrets;
mod seen;
mod set_aside;
#[cfg(feature = "node")]
mod settings;
mod share_faces;
mod shares;
mod shrinking;
mod store_conformance;
#[cfg(feature = "node")]
mod store_sled;
#[cfg(feature = "node")]
mod strange_processes;
mod strangers;
#[cfg(feature = "node")]
mod tidy;
#[cfg(feature = "node")]
#[cfg(feature = "node")]
mod tokens;
mod told_conflicts;
#[cfg(feature = "node")]
mod totals;
#[cfg(feature = "node")]
mod upgrade;
#[cfg(feature = "node")]
mod watching;
mod wire;
