//! What every handler needs: the engine, the tokens, and what the outside world is asked through.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono_tz::Tz;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::auth::{Failures, Identity, TokenRegister, WebOrigin};
use super::limits::EVENT_STREAMS_MAX;
use super::problem::ApiError;
use crate::model::Timestamp;
use crate::node::NodeHandle;
use crate::replica::{Answer, Query, StatusView};

/// Reads times that bear no zone where the network's own cannot be told.
const DEFAULT_ZONE: Tz = Tz::Africa__Lubumbashi;

/// What the shell tells the HTTP face.
#[derive(Clone)]
pub struct ApiSettings {
    /// The way to the engine.
    pub node: NodeHandle,
    /// The secret by which commands of this data directory are known. Never shown, never logged.
    pub local_credential: String,
    /// Where the face listens; `None` where it is called within the process, by whoever runs it.
    pub bound: Option<SocketAddr>,
    /// Further names by which this node is reached (a public name in front of a relay), without port.
    pub hosts: Vec<String>,
    /// Pages of other sites that may ask with a token.
    pub origins: Vec<WebOrigin>,
    /// The wall clock.
    pub clock: fn() -> Timestamp,
    /// Fills the bytes with randomness fit for secrets.
    pub draw: fn(&mut [u8]),
    /// Where this node can be reached at the moment, as multiaddrs: goes into invitations.
    pub addresses: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
}

/// What every handler needs; cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    shared: Arc<Shared>,
}

struct Shared {
    settings: ApiSettings,
    tokens: TokenRegister,
    failures: Failures,
    zone: OnceCell<Tz>,
    streams: Arc<Semaphore>,
}

impl ApiState {
    /// The state of a face that has not been used yet.
    pub fn new(settings: ApiSettings) -> ApiState {
        let tokens = TokenRegister::new(settings.node.clone());
        let streams = Arc::new(Semaphore::new(EVENT_STREAMS_MAX));
        let shared = Shared { settings, tokens, failures: Failures::default(), zone: OnceCell::new(), streams };
        ApiState { shared: Arc::new(shared) }
    }

    /// Reads the tokens from the node's store; otherwise done by the first request that bears one.
    pub async fn load_tokens(&self) -> Result<(), ApiError> {
        self.shared.tokens.load().await
    }

    pub(super) fn settings(&self) -> &ApiSettings {
        &self.shared.settings
    }

    pub(super) fn node(&self) -> &NodeHandle {
        &self.shared.settings.node
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.shared.settings.clock)()
    }

    pub(super) fn tokens(&self) -> &TokenRegister {
        &self.shared.tokens
    }

    pub(super) fn failures(&self) -> &Failures {
        &self.shared.failures
    }

    /// A place among those who read events, if there is one.
    pub(super) fn stream_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.streams).try_acquire_owned().ok()
    }

    /// Whether who asked a while ago may still ask.
    pub(super) async fn still_holds(&self, identity: &Identity) -> bool {
        match identity {
            Identity::Owner => true,
            Identity::Token(scope) => self.tokens().holds(&scope.id, self.now()).await,
        }
    }

    /// The network's zone. It never changes once the network is founded.
    pub(super) async fn zone(&self) -> Result<Tz, ApiError> {
        let read = async || {
            let status = self.status().await?;
            Ok::<Tz, ApiError>(status.time_zone.parse().unwrap_or(DEFAULT_ZONE))
        };
        self.shared.zone.get_or_try_init(read).await.copied()
    }

    /// The node at a glance.
    pub(super) async fn status(&self) -> Result<StatusView, ApiError> {
        match self.node().query(Query::Status).await? {
            Answer::Status(status) => Ok(*status),
            _ => Err(ApiError::Internal),
        }
    }
}
