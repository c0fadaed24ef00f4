//! The existing app's interface, as the server that this node replaces spoke it (`docs/existing-app.md`).
//!
//! ```text
//! path in any spelling ── path ──▶ routes ──▶ receiving ──rows──▶ Command::Report
//!                                        └──▶ sending ◀──rows── Command::Download, Query::Rows
//! ```
//!
//! Names, shapes and statuses here are those of a client that cannot be changed: they must never follow the rest of the
//! interface. What a row means is not decided here but in `replica::gateway`. No route here is open to who only sits at
//! this machine: a row is read by what its app has had, and the token is the app.

mod path;
mod receiving;
mod row;
mod sending;

pub use path::normalised;
pub(super) use path::{is_ours, normalise};

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::auth::{Access, TokenScope};
use super::messages::{self, Language};
use super::problem::ApiError;
use super::routes::Routes;
use super::state::ApiState;
use super::status;
use crate::ledger::Refusal;
use crate::model::{Reporter, ShopId};

/// What the app takes for text in UTF-8.
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

pub(super) fn add(routes: Routes) -> Routes {
    let (reads, writes) = (Access::AppReads, Access::AppWrites);
    routes
        .existing(Method::GET, "/api/ping", Access::Public, ping)
        .existing(Method::GET, "/api/sync/ping", Access::Public, ping)
        .existing(Method::GET, "/api/credit-virtuels", reads, sending::list)
        .existing(Method::GET, "/api/sync/credit_virtuel/download", reads, sending::list)
        .existing(Method::GET, "/api/credit-virtuels/download", reads, sending::download)
        .existing(Method::POST, "/api/credit-virtuels/batch", writes, receiving::batch)
        .existing(Method::POST, "/api/credit-virtuels/upload", writes, receiving::upload)
        .existing(Method::POST, "/api/sync/credit_virtuel/upload", writes, receiving::sync_upload)
}

/// That this node is there, and its time.
async fn ping(State(state): State<ApiState>) -> Result<Response, ApiError> {
    let time = row::local_time(state.now(), state.zone().await?);
    answer(&json!({
        "success": true,
        "message": "Le serveur UCASH répond.",
        "timestamp": time,
        "server_time": time,
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

/// 200 and that value.
fn answer(value: &impl Serialize) -> Result<Response, ApiError> {
    let bytes = serde_json::to_vec(value).map_err(|_| ApiError::Internal)?;
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The app that bears a token.
fn reporter(scope: &TokenScope) -> Reporter {
    Reporter { token: scope.id.clone(), label: scope.name.clone() }
}

/// Refuses another shop's data, whether that shop is known or not.
fn require(scope: &TokenScope, shop: ShopId) -> Result<ShopId, ApiError> {
    if scope.shops.contains(&shop) { Ok(shop) } else { Err(ApiError::ShopOutsideToken { shop }) }
}

/// Writes an answer that is no in the shape that the app reads: `{"error", "message"}`, in French.
pub(super) fn render(error: &ApiError, mut response: Response) -> Response {
    let status = status_of(error);
    *response.status_mut() = status;
    let message = match error {
        ApiError::TimedOut => "Ce nœud n'a pas répondu à temps. Envoyez de nouveau les mêmes lignes : aucune ne sera \
             comptée deux fois."
            .to_owned(),
        other => messages::detail(other, Language::French),
    };
    let body = json!({ "error": messages::title(status, Language::French), "message": message });
    *response.body_mut() = Body::from(body.to_string());
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().remove(CONTENT_LENGTH);
    response
}

/// The app knows few statuses: whatever is wrong with a request is 400, a shop that is not there is not the token's.
fn status_of(error: &ApiError) -> StatusCode {
    if matches!(error, ApiError::Refused(Refusal::UnknownShop { .. })) {
        return StatusCode::FORBIDDEN;
    }
    match status::of(error) {
        known @ (StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::TOO_MANY_REQUESTS) => known,
        ours if ours.is_server_error() => ours,
        _ => StatusCode::BAD_REQUEST,
    }
}
