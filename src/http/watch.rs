//! The outermost layer: each request gets an id, is counted under its route, and what became of it is logged.
//!
//! Neither the path as it was asked for nor any header but the id is ever logged: names, references and tokens stand in
//! them. A route is what the router calls it.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::Instrument;

use super::state::ApiState;

/// The header of a request's id, asked for or given.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id of a caller's that is taken up: a UUID has 36 characters.
const ID_CHARS_MAX: usize = 64;
/// What is counted where no route stands.
const NO_ROUTE: &str = "none";

/// Counts, times and logs a request.
pub(super) async fn watch(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let id = id_of(&state, &request);
    let method = method_of(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id, method, route);
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status(), begun.elapsed());
    state.node().metrics().request(method, &route, status.as_u16(), took);
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| {
        if status.is_server_error() {
            tracing::warn!(status = status.as_u16(), milliseconds, "answered");
        } else {
            tracing::debug!(status = status.as_u16(), milliseconds, "answered");
        }
    });
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The caller's id where it is a plain one, else one of our own.
fn id_of(state: &ApiState, request: &Request) -> String {
    let is_plain = |id: &&str| {
        (1..=ID_CHARS_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let asked = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_plain);
    asked.map_or_else(
        || {
            let mut drawn = [0; 8];
            (state.settings().draw)(&mut drawn);
            data_encoding::HEXLOWER.encode(&drawn)
        },
        str::to_owned,
    )
}

/// One of a few words: what a stranger makes up must not become a label.
fn method_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::PUT => "PUT",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
