//! Who may spend how much of a SIM: showing it, giving and asking, and a SIM's move with all that it holds.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::sims::sim_in_path;
use super::{Body, scope};
use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::fields::Fields;
use crate::http::openapi::{MONEY, Operation, RequestBody, SHARE, SIM, WRITES, kinds};
use crate::http::parameters::{InPath, Parameters};
use crate::http::problem::{ApiError, Expected};
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::model::SimNumber;
use crate::replica::{Answer, BalanceView, Command, Query, SharesView};

pub(super) fn add(routes: Routes) -> Routes {
    let path = "/api/v1/sims/{numero}/shares";
    let shows = Operation::new("Qui peut dépenser combien d'une SIM.", "Who may spend how much of a SIM.");
    let shows = shows.shows::<SharesView>().refuses(&["unknown_sim"]).scoped();
    let body = RequestBody::new().needs("shop_id", kinds::shop("Where it goes.")).example(json!({ "shop_id": 2 }));
    let moves = Operation::new("Passer une SIM à un autre shop.", "Moves a SIM to another shop.")
        .body(body)
        .keyed()
        .shows::<BalanceView>()
        .refuses(WRITES)
        .refuses(SIM)
        .refuses(&["unknown_shop", "sim_not_in_hand", "nothing_to_change"]);
    routes
        .get(path, Access::Read, shows, show)
        .post("/api/v1/sims/{numero}/share-requests", Access::Write, asks(), request)
        .post("/api/v1/sims/{numero}/move", Access::Owner, moves, depart)
}

fn asks() -> Operation {
    let body = RequestBody::new()
        .may("give", kinds::decimal("What this device gives; without `ask`."))
        .may("ask", kinds::decimal("What it asks the others for; without `give`."))
        .needs("currency", kinds::currency())
        .may("to", kinds::text("The device that is given to; with `give`."))
        .example(json!({ "ask": "40.00", "currency": "USD" }))
        .example(json!({ "give": "15.00", "currency": "USD", "to": "caisse-2" }));
    Operation::new("Donner ou demander une part d'une SIM.", "Gives or asks for a share of a SIM.")
        .body(body)
        .keyed()
        .creates::<SharesView>()
        .refuses(MONEY)
        .refuses(WRITES)
        .refuses(SIM)
        .refuses(SHARE)
        .refuses(&["unknown_device", "nothing_to_change", "cannot_succeed"])
        .scoped()
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
