//! Whether this node is alive, whether it can serve, and what it counts: for service managers, relays in front of it,
//! and Prometheus.
//!
//! | path | no means | what to do about it |
//! | --- | --- | --- |
//! | `/healthz` | the engine is gone, or has been at one thing for longer than anything takes | start the process anew |
//! | `/readyz` | what would be written now would be refused, late or misdated | send no one here; a person looks |
//!
//! The first must not say no for what a new start does not mend, or a full disk would have the node started again
//! and again. Neither says anything of money, so that both are public.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use serde::Serialize;
use tokio::time::timeout;

use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::limits::{CLOCK_APART_MS, ENGINE_STUCK_TIME, READY_TIME, SYNC_STALLED_TIME};
use crate::http::openapi::Operation;
use crate::http::parameters::Parameters;
use crate::http::problem::{ApiError, Unfit};
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::model::Timestamp;
use crate::node::{Disk, METRICS_TYPE, Metrics};
use crate::replica::StatusView;

/// What was looked at, and that it is well.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct HealthView {
    /// `ok`: where something is not, the answer is a problem with the same `checks`.
    status: &'static str,
    /// What was looked at.
    checks: Vec<CheckView>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct CheckView {
    /// `engine`, `store`, `clock`.
    name: &'static str,
    /// Whether it is well.
    ok: bool,
    /// What is not well.
    fault: Option<&'static str>,
}

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get(
            "/healthz",
            Access::Public,
            Operation::new("Le processus et son moteur vivent.", "The process and its engine are alive.")
                .shows::<HealthView>()
                .refuses(&["not_ready"]),
            health,
        )
        .get(
            "/readyz",
            Access::Public,
            Operation::new(
                "Le nœud peut servir : le moteur répond, le disque s'écrit, l'horloge est plausible.",
                "The node can serve: the engine answers, the disk can be written, the clock is plausible.",
            )
            .shows::<HealthView>()
            .refuses(&["not_ready"]),
            readiness,
        )
        .get(
            "/metrics",
            Access::Read,
            Operation::new("Ce que le nœud compte et mesure, pour Prometheus.", "What the node counts and measures.")
                .sends(METRICS_TYPE),
            metrics,
        )
}

/// 200 where all is well, else 503.
fn judged(checks: &[(&'static str, Option<Unfit>)]) -> Result<Response, ApiError> {
    if checks.iter().any(|(_, unfit)| unfit.is_some()) {
        return Err(ApiError::NotReady { checks: checks.to_vec() });
    }
    let checks = checks.iter().map(|(name, _)| CheckView { name, ok: true, fault: None }).collect();
    answer::json(&HealthView { status: "ok", checks })
}

async fn health(State(state): State<ApiState>) -> Result<Response, ApiError> {
    let engine = if state.node().is_running() {
        (state.node().metrics().busy_for() > ENGINE_STUCK_TIME).then_some(Unfit::EngineStuck)
    } else {
        Some(Unfit::EngineGone)
    };
    judged(&[("engine", engine)])
}

async fn readiness(State(state): State<ApiState>) -> Result<Response, ApiError> {
    let answered = timeout(READY_TIME, state.status()).await;
    let engine = match &answered {
        _ if !state.node().is_running() => Some(Unfit::EngineGone),
        Err(_) | Ok(Err(_)) => Some(Unfit::EngineSlow),
        Ok(Ok(_)) => None,
    };
    let status = answered.ok().and_then(Result::ok);
    let clock = clock_fault(state.now(), status.as_ref().and_then(|status| status.clock_offset_ms));
    judged(&[("engine", engine), ("store", store_fault(state.node().metrics())), ("clock", clock)])
}

fn store_fault(metrics: &Metrics) -> Option<Unfit> {
    match metrics.disk() {
        Disk::Full => Some(Unfit::DiskFull),
        Disk::ReadOnly => Some(Unfit::DiskFailed),
        Disk::Writable => (metrics.syncing_for() > SYNC_STALLED_TIME).then_some(Unfit::DiskStalled),
    }
}

/// `offset_ms`: the clocks of the others less ours, in the middle.
fn clock_fault(now: Timestamp, offset_ms: Option<i64>) -> Option<Unfit> {
    if now < Timestamp::YEAR_2020 {
        return Some(Unfit::ClockBefore2020);
    }
    offset_ms.is_some_and(|offset| offset.unsigned_abs() > CLOCK_APART_MS).then_some(Unfit::ClockApart)
}

async fn metrics(
    State(state): State<ApiState>,
    identity: Identity,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    let mut status: StatusView = state.status().await?;
    status.shop_newest.retain(|shop, _| identity.may_see(*shop));
    let metrics = state.node().metrics().clone();
    // It looks at the store's files.
    let page = tokio::task::spawn_blocking(move || metrics.page(&status));
    let mut response = Response::new(Body::from(page.await.map_err(|_| ApiError::Internal)?));

    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
    Ok(response)
}
