//! A SIM's captures, withdrawals and deposits, and what is done to them later.

use axum::extract::State;
use axum::response::Response;

use super::sims::sim_in_path;
use super::{Body, scope, why_and_who};
use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::fields::Fields;
use crate::http::parameters::{InPath, Parameters};
use crate::http::problem::ApiError;
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::model::{Capture, CaptureState, Deposit, MovementKind, Withdrawal};
use crate::replica::{Command, Query};

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get("/api/v1/sims/{numero}/movements", Access::Read, list)
        .post("/api/v1/sims/{numero}/movements", Access::Write, create)
        .post("/api/v1/movements/{id}/validation", Access::Write, validate)
        .post("/api/v1/movements/{id}/reimbursement", Access::Write, reimburse)
        .post("/api/v1/movements/{id}/reversal", Access::Write, reverse)
}

async fn list(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(numero): InPath<String>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let sim = sim_in_path(&numero)?;
    let (limit, after) = (parameters.limit()?, parameters.after());
    parameters.finish()?;
    scope::require_sim(&state, &identity, &sim).await?;
    answer::shown(&state.node().query(Query::Movements { sim, limit, after }).await?)
}

/// `{"kind": "capture", "amount", "currency", "cash"?, "fee"?, "reference"?, "client"?, "phone"?, "pending"?}`,
/// `{"kind": "withdrawal", "amount", "currency", "owed_by"?}` or
/// `{"kind": "deposit", "amount", "currency", "phone"?}`, each with `"agent"?`
async fn create(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(numero): InPath<String>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let sim = sim_in_path(&numero)?;
    let fields = body.fields()?;
    let kind = read_kind(&fields)?;
    let agent = identity.agent(fields.text("agent")?);
    fields.finish()?;
    scope::require_sim(&state, &identity, &sim).await?;
    let answer = state.node().command(Command::Move { sim: sim.clone(), kind, agent }, key.0).await?;
    answer::created(answer::shown(&answer)?, &["sims", sim.as_str(), "movements"])
}

#[derive(Clone, Copy)]
enum Kind {
    Capture,
    Withdrawal,
    Deposit,
}

fn read_kind(fields: &Fields<'_>) -> Result<MovementKind, ApiError> {
    let kinds = [("capture", Kind::Capture), ("withdrawal", Kind::Withdrawal), ("deposit", Kind::Deposit)];
    let kind = fields.word("kind", &kinds)?;
    let kind = fields.require("kind", kind)?;
    let currency = fields.currency("currency")?;
    let amount = fields.positive_amount("amount", currency)?;
    Ok(match kind {
        Kind::Capture => MovementKind::Capture(Capture {
            amount,
            cash: fields.amount("cash", currency)?,
            fee: fields.amount("fee", currency)?,
            reference: fields.text("reference")?,
            client: fields.text("client")?,
            phone: fields.text("phone")?,
            state: match fields.boolean("pending")? {
                Some(true) => CaptureState::Pending,
                Some(false) | None => CaptureState::Validated,
            },
        }),
        Kind::Withdrawal => {
            MovementKind::Withdrawal(Withdrawal { amount, owed_by: fields.shop("owed_by")?, reimbursed: false })
        }
        Kind::Deposit => MovementKind::Deposit(Deposit { amount, phone: fields.text("phone")? }),
    })
}

async fn validate(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(movement): InPath<String>,
    key: IdempotencyKey,
) -> Result<Response, ApiError> {
    scope::require_movement(&state, &identity, &movement).await?;
    answer::shown(&state.node().command(Command::ValidateCapture { movement }, key.0).await?)
}

async fn reimburse(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(movement): InPath<String>,
    key: IdempotencyKey,
) -> Result<Response, ApiError> {
    scope::require_movement(&state, &identity, &movement).await?;
    answer::shown(&state.node().command(Command::Reimburse { movement }, key.0).await?)
}

/// `{"reason", "agent"?}`
async fn reverse(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(movement): InPath<String>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let (why, agent) = why_and_who(&body, &identity)?;
    scope::require_movement(&state, &identity, &movement).await?;
    answer::shown(&state.node().command(Command::ReverseMovement { movement, why, agent }, key.0).await?)
}
