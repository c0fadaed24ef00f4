//! How the faces talk to the engine: typed requests through a bounded queue, typed answers back.

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::changes::Changes;
use crate::ledger::Refusal;
use crate::replica::{Answer, Command, Query};

/// What a face asks of the engine.
#[derive(Debug)]
pub enum Request {
    /// Do something, under an idempotency key if there is one.
    Command {
        /// What.
        command: Box<Command>,
        /// The key; the same key gives the same answer, after a restart too.
        key: Option<String>,
        /// Where the answer goes, once what it says is durable.
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    },
    /// Look at something.
    Query {
        /// What.
        query: Box<Query>,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    },
    /// Compare with every connected peer now, and say when all have answered or ten seconds have passed.
    Sync {
        /// Where the report goes.
        reply: oneshot::Sender<SyncReport>,
    },
}

/// What a synchronisation brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SyncReport {
    /// Peers that were asked.
    pub peers: u32,
    /// Peers that hold the same now.
    pub in_step: u32,
    /// Entries sent.
    pub sent: u64,
    /// Entries received.
    pub received: u64,
}

/// A cheap, cloneable way to the engine.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    requests: mpsc::Sender<Request>,
    changes: Changes,
}

impl NodeHandle {
    /// A handle on the engine that reads the other end.
    pub fn new(requests: mpsc::Sender<Request>) -> NodeHandle {
        NodeHandle::telling(requests, Changes::default())
    }

    /// A handle on the engine that reads the other end and tells what changes.
    pub fn telling(requests: mpsc::Sender<Request>, changes: Changes) -> NodeHandle {
        NodeHandle { requests, changes }
    }

    /// What changes, for who looks at this node.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Does something. The answer is durable when it arrives.
    pub async fn command(&self, command: Command, key: Option<String>) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Command { command: Box::new(command), key, reply }, answer).await
    }

    /// Looks at something.
    pub async fn query(&self, query: Query) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Query { query: Box::new(query), reply }, answer).await
    }

    /// Compares with every connected peer now.
    pub async fn sync(&self) -> Result<SyncReport, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Sync { reply }).await.map_err(|_| Refusal::Busy)?;
        answer.await.map_err(|_| Refusal::Busy)
    }

    async fn ask(
        &self,
        request: Request,
        answer: oneshot::Receiver<Result<Answer, Refusal>>,
    ) -> Result<Answer, Refusal> {
        self.requests.send(request).await.map_err(|_| Refusal::Busy)?;
        answer.await.map_err(|_| Refusal::Busy)?
    }
}
