//! `sims` and what they hold.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::{Body, scope};
use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::openapi::{MONEY, Operation, RequestBody, WRITES, kinds};
use crate::http::parameters::{InPath, Parameters};
use crate::http::problem::ApiError;
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::model::{Operator, SimNumber};
use crate::money::Currency;
use crate::replica::{Answer, BalanceView, Command, Page, Query, SimView};

pub(super) fn add(routes: Routes) -> Routes {
    let lists = Operation::new("Les SIM et leurs soldes.", "SIMs and what they hold.")
        .query("shop", kinds::shop("Of this shop."))
        .shows::<Page<SimView>>()
        .scoped();
    let shows = Operation::new("Ce que porte une SIM.", "What a SIM holds.")
        .shows::<BalanceView>()
        .refuses(&["unknown_sim"])
        .scoped();
    routes.get("/api/v1/sims", Access::Read, lists, list).post("/api/v1/sims", Access::Write, creates(), create).get(
        "/api/v1/sims/{numero}/balance",
        Access::Read,
        shows,
        balance,
    )
}

fn creates() -> Operation {
    let operators: Vec<_> = Operator::ALL.iter().map(|operator| (operator.word(), ())).collect();
    let initial = Currency::ALL.iter().fold(RequestBody::new(), |body, currency| {
        body.may(currency.code(), kinds::decimal("What it holds at first."))
    });
    let body = RequestBody::new()
        .needs("sim", kinds::sim())
        .needs("operator", kinds::words(&operators))
        .may("shop_id", kinds::shop("Whose it is; else this device's shop."))
        .may("initial", initial.schema())
        .example(json!({ "sim": "+243970000001", "operator": "Airtel", "initial": { "USD": "500.00" } }));
    Operation::new("Ajouter une SIM.", "Adds a SIM.")
        .body(body)
        .keyed()
        .creates::<BalanceView>()
        .refuses(MONEY)
        .refuses(WRITES)
        .refuses(&["sim_exists", "unknown_shop", "sim_of_another_shop"])
        .scoped()
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
