//! `events`: what changes, as server-sent events (WHATWG HTML, 9.2), for pages and programs that show it live.
//!
//! ```text
//! id: 9f3c52d01be04a77-18        the run of this node, and the number of the change in it
//! event: credit                  credit, balance, conflict, peer, sync; resync: look at all anew
//! data: {"id":"cr_...","shop_id":1}
//! ```
//!
//! An event says what to look at again, never what it holds: it is asked for at its own route, by its rules. Who comes
//! back with `Last-Event-ID` gets what was missed, or `resync` where that is no longer kept or was another run's. A
//! slow reader is never buffered for: the connection's limit on writing ends it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::http::auth::{Access, Identity};
use crate::http::limits::EVENTS_A_CHUNK_MAX;
use crate::http::openapi::Operation;
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::http::routes::Routes;
use crate::http::serve::{Stopping, Times};
use crate::http::state::ApiState;
use crate::model::ShopId;
use crate::node::Changes;
use crate::replica::Change;

pub(super) fn add(routes: Routes) -> Routes {
    let operation = Operation::new(
        "Ce qui change, en direct : credit, balance, peer, sync, conflict ; resync dit de tout relire. \
         Last-Event-ID reprend où l'on en était.",
        "What changes, live: credit, balance, peer, sync, conflict; resync says to read everything anew. \
         Last-Event-ID resumes where one was.",
    );
    let operation = operation.sends("text/event-stream").refuses(&["too_many_streams"]);
    routes.get("/api/v1/events", Access::Read, operation, events)
}

/// One reader.
struct Reader {
    state: ApiState,
    identity: Identity,
    changes: Changes,
    told: watch::Receiver<u64>,
    stopping: Option<Stopping>,
    heartbeat: Duration,
    /// The number of the last change that was looked at.
    at: u64,
    /// What is to be said before anything else.
    first: VecDeque<String>,
    _place: OwnedSemaphorePermit,
}

async fn events(
    State(state): State<ApiState>,
    identity: Identity,
    stopping: Option<Extension<Stopping>>,
    times: Option<Extension<Times>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    let place = state.stream_place().ok_or(ApiError::TooManyStreams)?;
    let changes = state.node().changes().clone();
    let mut told = changes.watch();
    let latest = *told.borrow_and_update();
    // An empty comment first: the reader learns that it is connected, and to whom.
    let mut first = VecDeque::from([": ucash\nretry: 2000\n\n".to_owned()]);
    let at = match headers.get("last-event-id").map(|value| resumed(value, &changes)) {
        None => latest,
        Some(Some(number)) if changes.after(number, 0).is_some() => number,
        Some(_) => {
            first.push_back(resync(&changes, latest));
            latest
        }
    };
    let heartbeat = times.map(|Extension(times)| times).unwrap_or_default().heartbeat;
    let stopping = stopping.map(|Extension(stopping)| stopping);
    let reader = Reader { state, identity, changes, told, stopping, heartbeat, at, first, _place: place };
    let chunks = stream::unfold(reader, async |mut reader| {
        let chunk = reader.next().await?;
        Some((Ok::<Bytes, Infallible>(Bytes::from(chunk)), reader))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Reader {
    /// The next that is to be said; `None` ends the stream.
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        loop {
            // A token may have been revoked, or have come to its end, since the stream began.
            if !self.state.still_holds(&self.identity).await {
                return None;
            }
            self.told.borrow_and_update();
            let Some(found) = self.changes.after(self.at, EVENTS_A_CHUNK_MAX) else {
                self.at = *self.told.borrow_and_update();
                return Some(resync(&self.changes, self.at));
            };
            if let Some((last, _)) = found.last() {
                self.at = *last;
                let seen = found.iter().filter(|(_, change)| may_see(&self.identity, change));
                let text: String = seen.map(|(number, change)| self.write(*number, change)).collect();
                if !text.is_empty() {
                    return Some(text);
                }
                continue;
            }
            tokio::select! {
                changed = self.told.changed() => changed.ok()?,
                () = tokio::time::sleep(self.heartbeat) => return Some(":\n\n".to_owned()),
                () = Stopping::wait(self.stopping.as_mut()) => return None,
            }
        }
    }

    fn write(&self, number: u64, change: &Change) -> String {
        let (event, data) = shown(change);
        event_text(&self.changes, number, event, &data)
    }
}

/// The number after which a reader goes on, if the id is one of this run.
fn resumed(id: &HeaderValue, changes: &Changes) -> Option<u64> {
    let (run, number) = id.to_str().ok()?.split_once('-')?;
    (run == format!("{:016x}", changes.run())).then_some(())?;
    number.parse().ok()
}

fn resync(changes: &Changes, number: u64) -> String {
    event_text(changes, number, "resync", &json!({}))
}

fn event_text(changes: &Changes, number: u64, event: &str, data: &Value) -> String {
    format!("id: {:016x}-{number}\nevent: {event}\ndata: {data}\n\n", changes.run())
}

fn may_see(identity: &Identity, change: &Change) -> bool {
    match change {
        Change::Credit { shop, .. } | Change::Balance { shop, .. } | Change::Conflict { shop, .. } => {
            identity.may_see(*shop)
        }
        Change::Peer { shop, .. } | Change::Synced { shop, .. } => shop.is_none_or(|shop| identity.may_see(shop)),
    }
}

fn shown(change: &Change) -> (&'static str, Value) {
    match change {
        Change::Credit { shop, id } => ("credit", json!({ "id": id, "shop_id": shop })),
        Change::Balance { shop, sim } => ("balance", json!({ "sim": sim, "shop_id": shop })),
        Change::Conflict { shop, id } => {
            let shop = (*shop != ShopId(0)).then_some(shop);
            ("conflict", json!({ "id": id, "shop_id": shop }))
        }
        Change::Peer { device, shop, connected } => {
            ("peer", json!({ "device_key": device.to_text(), "shop_id": shop, "connected": connected }))
        }
        Change::Synced { device, shop } => ("sync", json!({ "device_key": device.to_text(), "shop_id": shop })),
    }
}
