//! Who may spend how much of a SIM: showing it, giving and asking, and a SIM's move with all that it holds.

use axum::extract::State;
use axum::response::Response;

use super::sims::sim_in_path;
use super::{Body, scope};
use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::fields::Fields;
use crate::http::parameters::{InPath, Parameters};
use crate::http::problem::{ApiError, Expected};
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::model::SimNumber;
use crate::replica::{Answer, Command, Query};

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get("/api/v1/sims/{numero}/shares", Access::Read, show)
        .post("/api/v1/sims/{numero}/share-requests", Access::Write, request)
        .post("/api/v1/sims/{numero}/move", Access::Owner, depart)
}

async fn show(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(numero): InPath<String>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    let sim = sim_in_path(&numero)?;
    match state.node().query(Query::SimShares { sim }).await? {
        Answer::Shares(shares) => {
            identity.require(shares.shop_id)?;
            answer::json(&shares)
        }
        _ => Err(ApiError::Internal),
    }
}

/// `{"give", "currency", "to"}` or `{"ask", "currency"}`
async fn request(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(numero): InPath<String>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let sim = sim_in_path(&numero)?;
    let fields = body.fields()?;
    let command = read_request(&fields, sim.clone())?;
    fields.finish()?;
    scope::require_sim(&state, &identity, &sim).await?;
    let answer = state.node().command(command, key.0).await?;
    answer::created(answer::shown(&answer)?, &["sims", sim.as_str(), "shares"])
}

fn read_request(fields: &Fields<'_>, sim: SimNumber) -> Result<Command, ApiError> {
    match (fields.is_given("give"), fields.is_given("ask")) {
        (true, true) => Err(ApiError::field("give", Expected::WithoutOther { other: "ask" })),
        (false, false) => fields.require("ask", None),
        (true, false) => {
            let amount = fields.positive_amount("give", fields.currency("currency")?)?;
            Ok(Command::GiveShare { sim, amount, to: fields.required_text("to")? })
        }
        (false, true) => {
            let amount = fields.positive_amount("ask", fields.currency("currency")?)?;
            Ok(Command::AskShare { sim, amount })
        }
    }
}

/// `{"shop_id"}`
async fn depart(
    State(state): State<ApiState>,
    InPath(numero): InPath<String>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let sim = sim_in_path(&numero)?;
    let fields = body.fields()?;
    let shop = fields.shop("shop_id")?;
    let shop = fields.require("shop_id", shop)?;
    fields.finish()?;
    answer::shown(&state.node().command(Command::MoveSim { sim, shop }, key.0).await?)
}
