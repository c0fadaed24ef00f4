//! How the faces talk to the engine: typed requests through a bounded queue, typed answers back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::changes::Changes;
use super::metrics::Metrics;
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

/// A look at something, and where the answer goes.
pub type Look = (Box<Query>, oneshot::Sender<Result<Answer, Refusal>>);

/// A cheap, cloneable way to the engine.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    requests: mpsc::Sender<Request>,
    looks: mpsc::Sender<Look>,
    undurable: Arc<AtomicBool>,
    changes: Changes,
    metrics: Metrics,
}

impl NodeHandle {
    /// A handle on the engine that reads the other ends, and says through `undurable` that what it shows is not durable
    /// yet. Looks have a way of their own: they are answered while requests wait for the disk.
    pub fn new(
        requests: mpsc::Sender<Request>,
        looks: mpsc::Sender<Look>,
        undurable: Arc<AtomicBool>,
        changes: Changes,
    ) -> NodeHandle {
        NodeHandle { requests, looks, undurable, changes, metrics: Metrics::default() }
    }

    /// The same way, where that is what the engine counts and measures.
    pub(super) fn with_metrics(mut self, metrics: Metrics) -> NodeHandle {
        self.metrics = metrics;
        self
    }

    /// What this node counts and measures.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether the engine is there to answer.
    pub fn is_running(&self) -> bool {
        !self.requests.is_closed() && !self.looks.is_closed()
    }

    /// Whether what is shown now may not be durable: the disk is slow to sync, or has failed.
    pub fn shows_undurable(&self) -> bool {
        self.undurable.load(Ordering::Acquire)
    }

    /// What changes, for who looks at this node.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Does something. The answer is durable when it arrives.
    pub async fn command(&self, command: Command, key: Option<String>) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Command { command: Box::new(command), key, reply };
        self.requests.send(request).await.map_err(|_| Refusal::Busy)?;
        answer.await.map_err(|_| Refusal::Busy)?
    }

    /// Looks at something.
    pub async fn query(&self, query: Query) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.looks.send((Box::new(query), reply)).await.map_err(|_| Refusal::Busy)?;
        answer.await.map_err(|_| Refusal::Busy)?
    }

    /// Compares with every connected peer now.
    pub async fn sync(&self) -> Result<SyncReport, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Sync { reply }).await.map_err(|_| Refusal::Busy)?;
        answer.await.map_err(|_| Refusal::Busy)
    }
}
