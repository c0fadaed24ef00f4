//! `backup`: the whole ledger and this node's own values as one stream, read while the node goes on.
//!
//! The device's secrets are no part of it: they never pass through the API. `ucash backup` adds them from the
//! directory, which only their owner can read.

use std::io;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use futures::stream;

use crate::http::auth::Access;
use crate::http::openapi::Operation;
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::replica::{Answer, BackupFrame, BackupHeader, Frames, Query};

pub(super) fn add(routes: Routes) -> Routes {
    let operation = Operation::new(
        "Tout le registre et les valeurs de ce nœud, sans ses secrets.",
        "The whole ledger and this node's own values, without its secrets.",
    );
    let operation = operation.sends_file("application/octet-stream");
    routes.long_get("/api/v1/backup", Access::Owner, operation, backup)
}

async fn backup(State(state): State<ApiState>, parameters: Parameters) -> Result<Response, ApiError> {
    parameters.finish()?;
    let snapshot = match state.node().query(Query::Snapshot).await? {
        Answer::Snapshot(snapshot) => *snapshot,
        _ => return Err(ApiError::Internal),
    };
    let logs = logs_of(&snapshot.header)?;
    let source = Source {
        state,
        frames: Frames::default(),
        own: snapshot.own,
        logs,
        at: 1,
        left: Left::Header(Box::new(snapshot.header)),
    };
    let parts = stream::try_unfold(source, async |mut source| {
        let piece = source.next().await.map_err(|error| io::Error::other(error.code()))?;
        Ok::<_, io::Error>(piece.map(|piece| (Bytes::from(piece), source)))
    });
    let mut response = Response::new(Body::from_stream(parts));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The logs of a snapshot that hold anything, the last to be read first.
fn logs_of(header: &BackupHeader) -> Result<Vec<(Vec<u8>, u64)>, ApiError> {
    let logs = header.logs.iter().rev().filter(|(_, (number, _))| *number > 0);
    logs.map(|(log, (number, _))| {
        let log = data_encoding::HEXLOWER.decode(log.as_bytes()).map_err(|_| ApiError::Internal)?;
        Ok((log, *number))
    })
    .collect()
}

/// What of a backup has not been sent yet.
struct Source {
    state: ApiState,
    frames: Frames,
    own: Vec<Vec<u8>>,
    logs: Vec<(Vec<u8>, u64)>,
    /// The next entry of the last of the logs.
    at: u64,
    left: Left,
}

enum Left {
    Header(Box<BackupHeader>),
    Rest,
    Nothing,
}

impl Source {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, ApiError> {
        match std::mem::replace(&mut self.left, Left::Rest) {
            Left::Header(header) => {
                let payload = serde_json::to_vec(&header).map_err(|_| ApiError::Internal)?;
                return Ok(Some(self.frames.write(BackupFrame::Header, &payload)));
            }
            Left::Nothing => return Ok(None),
            Left::Rest => {}
        }
        if !self.own.is_empty() {
            let keys = self.own.iter().take(OWN_KEYS).cloned().collect();
            let Answer::OwnValues(payload, taken) = self.state.node().query(Query::OwnValues { keys }).await? else {
                return Err(ApiError::Internal);
            };
            self.own.drain(..taken.clamp(1, self.own.len()));
            return Ok(Some(self.frames.write(BackupFrame::Own, &payload)));
        }
        let Some((log, to)) = self.logs.last().cloned() else {
            self.left = Left::Nothing;
            return Ok(Some(self.frames.write(BackupFrame::End, &[])));
        };
        match self.state.node().query(Query::LogPiece { log, from: self.at, to }).await? {
            Answer::LogPiece(Some((payload, next))) => {
                self.at = next;
                if next > to {
                    self.logs.pop();
                    self.at = 1;
                }
                Ok(Some(self.frames.write(BackupFrame::Entries, &payload)))
            }
            // A log that ends before its head: better no backup than one that is not whole.
            _ => Err(ApiError::Internal),
        }
    }
}

/// Keys sent along with one question: more than one frame holds the values of.
const OWN_KEYS: usize = 2_000;
