//! `sims` and what they hold.

use axum::extract::State;
use axum::response::Response;

use super::{Body, scope};
use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::parameters::{InPath, Parameters};
use crate::http::problem::ApiError;
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::model::{Operator, SimNumber};
use crate::money::Currency;
use crate::replica::{Answer, Command, Query};

pub(super) fn add(routes: Routes) -> Routes {
    routes.get("/api/v1/sims", Access::Read, list).post("/api/v1/sims", Access::Write, create).get(
        "/api/v1/sims/{numero}/balance",
        Access::Read,
        balance,
    )
}

/// A SIM's number in a path. What cannot be one names nothing.
pub(super) fn sim_in_path(text: &str) -> Result<SimNumber, ApiError> {
    SimNumber::new(text).map_err(|_| ApiError::NotFound)
}

async fn list(State(state): State<ApiState>, identity: Identity, parameters: Parameters) -> Result<Response, ApiError> {
    let shop = identity.narrow(parameters.shop("shop")?)?;
    parameters.finish()?;
    match state.node().query(Query::Sims { shop }).await? {
        Answer::Sims(mut page) => {
            page.items.retain(|sim| identity.may_see(sim.shop_id));
            answer::json(&page)
        }
        _ => Err(ApiError::Internal),
    }
}

/// `{"sim", "operator", "shop_id"?, "initial"?: {"USD"?, "CDF"?}}`
async fn create(
    State(state): State<ApiState>,
    identity: Identity,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let fields = body.fields()?;
    let sim = fields.sim("sim")?;
    let operators: Vec<_> = Operator::ALL.iter().map(|operator| (operator.word(), *operator)).collect();
    let operator = fields.word("operator", &operators)?;
    let operator = fields.require("operator", operator)?;
    let shop = fields.shop("shop_id")?;
    let mut opening = Vec::new();
    if let Some(initial) = fields.object("initial")? {
        for currency in Currency::ALL {
            opening.extend(initial.amount(currency.code(), currency)?.filter(|amount| !amount.is_zero()));
        }
        initial.finish()?;
    }
    fields.finish()?;
    scope::require_shop(&state, &identity, shop).await?;
    let command = Command::AddSim { sim: sim.clone(), operator, shop, opening };
    let answer = state.node().command(command, key.0).await?;
    answer::created(answer::shown(&answer)?, &["sims", sim.as_str(), "balance"])
}

async fn balance(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(numero): InPath<String>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    answer::json(&scope::balance(&state, &identity, sim_in_path(&numero)?).await?)
}
