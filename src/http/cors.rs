//! Pages of other sites that the settings name: browsers let them ask here, and read the answers.
//!
//! It only tells browsers so. Who may do what is decided by `auth::guard`, which takes such a page for a stranger that
//! must bring a token, also on loopback. Cookies are never allowed: this node has none, and a token is said by name.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, ORIGIN, RETRY_AFTER};
use axum::http::{HeaderName, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::DURABLE;
use super::auth::{check_origin, is_configured};
use super::problem::ApiError;
use super::state::ApiState;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// How long a browser need not ask again whether it may: what Chromium takes at most.
const MAX_AGE: Duration = Duration::from_secs(7_200);

/// Adds what other pages need, where any are named. Where none is, nothing is answered otherwise than without.
pub(super) fn add(router: Router<ApiState>, state: &ApiState) -> Router<ApiState> {
    if state.settings().origins.is_empty() {
        return router;
    }
    let known = state.clone();
    // No DELETE: what it ends, no token may end.
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| is_configured(known.settings(), origin)))
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::OPTIONS])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, IDEMPOTENCY_KEY])
        .expose_headers([LOCATION, RETRY_AFTER, DURABLE])
        .max_age(MAX_AGE);
    router.layer(layer).layer(from_fn_with_state(state.clone(), refuse_foreign_preflights))
}

/// The layer below answers every OPTIONS: those of pages that nobody named must not come so far.
async fn refuse_foreign_preflights(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if request.method() == Method::OPTIONS && request.headers().contains_key(ORIGIN) {
        check_origin(state.settings(), request.uri(), request.headers(), request.extensions())?;
    }
    Ok(next.run(request).await)
}
