//! The shell around the replica: what touches the world.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`storage`] | the data directory, the store on disk, the heads kept beside it |
//!
//! Nothing here decides about money: it carries out what the replica asks for and hands back what happened.

pub mod storage;
