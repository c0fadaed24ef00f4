//! What can go wrong below the rules: the disk.

use thiserror::Error;

use crate::ledger::Refusal;
use crate::store::StoreError;

/// The replica cannot go on writing; what it holds may be ahead of what its disk holds.
#[derive(Debug, Error)]
pub enum ReplicaError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store holds what this replica never wrote.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Writing has stopped earlier.
    #[error("{0}")]
    Stopped(String),
    /// The store was made for another device or network.
    #[error("the store belongs to another device or network")]
    Foreign,
}

impl ReplicaError {
    /// What commands are told from then on.
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            ReplicaError::Store(StoreError::Full) => Refusal::DiskFull,
            other => Refusal::ReadOnly { detail: other.to_string() },
        }
    }

    pub(crate) fn damaged(what: &str) -> ReplicaError {
        ReplicaError::Damaged(what.to_owned())
    }
}

/// Why a command came to nothing.
#[derive(Debug)]
pub(super) enum CommandError {
    /// The rules say no. Nothing was written.
    Refused(Box<Refusal>),
    /// The disk failed.
    Failed(ReplicaError),
    /// Others may give what is lacking: nothing was written, and the command is to be tried again.
    Lacks(Box<Refusal>),
}

impl From<Refusal> for CommandError {
    fn from(refusal: Refusal) -> CommandError {
        CommandError::Refused(Box::new(refusal))
    }
}

impl From<ReplicaError> for CommandError {
    fn from(error: ReplicaError) -> CommandError {
        CommandError::Failed(error)
    }
}
