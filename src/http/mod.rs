//! The HTTP face: `/api/v1`, the existing app's paths, `/healthz`, `/readyz`, `/metrics`, and the page at `/`.
//!
//! ```text
//! connection ── serve ──▶ watch ──▶ render ──▶ cors ──▶ auth::guard ──▶ time limit ──▶ api::* ──▶ NodeHandle
//!               limits    problems    other    Host, Origin,                 one file
//!                         in words    pages    identity, rule                a family, or existing::*
//! ```
//!
//! Nothing here decides about money: handlers read a request into a `Command` or `Query`, and write out the answer
//! as it is. Nothing here reads a clock or draws randomness but through [`ApiSettings`]. A route cannot be added
//! without saying who may use it: see [`Routes`].

mod answer;
mod api;
mod auth;
mod body;
mod cors;
mod crowd;
mod existing;
pub mod export;
mod fields;
pub mod limits;
pub mod messages;
pub mod openapi;
mod page;
mod parameters;
mod patience;
mod problem;
mod routes;
mod serve;
mod state;
mod status;
mod tls;
mod watch;
mod when;

pub use auth::{Access, Identity, NoOrigin, TokenScope, WebOrigin, is_plain_host};
pub use crowd::{Crowd, Place};
pub use existing::normalised as normalised_path;
pub use messages::Language;
pub use problem::{ApiError, Expected, Unfit};
pub use routes::{Routes, Rule};
pub use serve::{Door, Times, serve, serve_within};
pub use state::{ApiSettings, ApiState};
pub use status::{of_refusal as status_of_refusal, retry_after_s};
pub use tls::{Reload, Tls, TlsError, keep_current};

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use tower::ServiceBuilder;

/// The header of answers that may show what is not durable yet; its value is `no`.
const DURABLE: HeaderName = HeaderName::from_static("ucash-durable");

use openapi::Described;

/// Everything that this node serves over HTTP.
pub fn router(state: ApiState) -> Router {
    let (router, rules, _) = routes(state.clone()).into_parts();
    let router = router
        .layer(Extension(Described::new(rules)))
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed);
    let router = cors::add(router, &state)
        .layer(from_fn(problem::render))
        .layer(from_fn_with_state(state.clone(), mark_undurable))
        .layer(from_fn_with_state(state.clone(), watch::watch))
        .with_state(state);
    // Outside of the router: what is changed inside of it is changed after it chose a route.
    Router::new().fallback_service(ServiceBuilder::new().map_request(existing::normalise).service(router))
}

/// Says of an answer that what it shows may not be durable yet: the disk is slow to sync, or has failed.
async fn mark_undurable(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if state.node().shows_undurable() {
        response.headers_mut().insert(DURABLE, HeaderValue::from_static("no"));
    }
    response
}

/// Every route and who may use it: what the tables of the tests and of the documentation are made from.
pub fn rules(state: ApiState) -> Vec<Rule> {
    routes(state).into_parts().1
}

/// The routes of the existing app, which no document describes but that of its wire, and who may use them.
pub fn existing_rules(state: ApiState) -> Vec<(Method, &'static str, Access)> {
    routes(state).into_parts().2
}

fn routes(state: ApiState) -> Routes {
    existing::add(page::add(openapi::add(api::routes(state))))
}
