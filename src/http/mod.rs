//! The HTTP face: `/api/v1`, `/healthz`, `/readyz`, and the page at `/`.
//!
//! ```text
//! connection ── serve ──▶ render ──▶ auth::guard ──▶ time limit ──▶ api::* ──▶ NodeHandle
//!               limits    problems    Host, Origin,                 one file
//!                         in words    identity, rule                a family
//! ```
//!
//! Nothing here decides about money: handlers read a request into a `Command` or `Query`, and write out the answer
//! as it is. Nothing here reads a clock or draws randomness but through [`ApiSettings`]. A route cannot be added
//! without saying who may use it: see [`Routes`].

mod answer;
mod api;
mod auth;
mod body;
pub mod export;
mod fields;
pub mod limits;
pub mod messages;
mod page;
mod parameters;
mod problem;
mod routes;
mod serve;
mod state;
mod status;
mod when;

pub use auth::{Access, Identity, TokenScope};
pub use messages::Language;
pub use problem::{ApiError, Expected};
pub use routes::{Routes, Rule};
pub use serve::serve;
pub use state::{ApiSettings, ApiState};
pub use status::{of_refusal as status_of_refusal, retry_after_s};

use axum::Router;
use axum::middleware::from_fn;

/// Everything that this node serves over HTTP.
pub fn router(state: ApiState) -> Router {
    let (router, _) = routes(state.clone()).into_parts();
    router
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(from_fn(problem::render))
        .with_state(state)
}

/// Every route and who may use it: what the tables of the tests and of the documentation are made from.
pub fn rules(state: ApiState) -> Vec<Rule> {
    routes(state).into_parts().1
}

fn routes(state: ApiState) -> Routes {
    page::add(api::routes(state))
}
