//! `credits`: listing, granting, editing, and the sums over them.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use chrono_tz::Tz;
use serde_json::json;

use super::{Body, scope};
use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::fields::Fields;
use crate::http::openapi::{CREDIT, MONEY, Operation, RequestBody, SHARE, SIM, WRITES, kinds};
use crate::http::parameters::{InPath, Parameters};
use crate::http::problem::{ApiError, Expected};
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::ledger::{CreditFilter, CreditOrder, Refusal, StatisticsPeriod};
use crate::model::{Beneficiary, BeneficiaryKind, CreditStatus, Edit, Reference, SimNumber};
use crate::money::Currency;
use crate::replica::{Answer, Command, CreditView, EventView, GrantRequest, Page, Query, StatisticsView};

/// The orders of a list. Words of `sort`.
const ORDERS: [(&str, CreditOrder); 3] =
    [("newest", CreditOrder::NewestFirst), ("oldest", CreditOrder::OldestFirst), ("due", CreditOrder::DueFirst)];

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get("/api/v1/credits", Access::Read, lists(), list)
        .post("/api/v1/credits", Access::Write, creates(), create)
        .get(
            "/api/v1/credits/{key}",
            Access::Read,
            Operation::new("Un crédit et ses paiements.", "A credit and its payments.")
                .shows::<CreditView>()
                .refuses(CREDIT)
                .scoped(),
            show,
        )
        .patch("/api/v1/credits/{key}", Access::Write, edits(), edit)
        .get(
            "/api/v1/credits/{key}/history",
            Access::Read,
            Operation::new("Ce qui a été fait à un crédit.", "What was done to a credit.")
                .shows::<Page<EventView>>()
                .refuses(CREDIT)
                .scoped(),
            history,
        )
        .get(
            "/api/v1/statistics",
            Access::Read,
            Operation::new("Sommes des crédits, par monnaie.", "Sums of credits, by currency.")
                .query("shop", kinds::shop("Of this shop. A token of several shops must name one."))
                .query("from", kinds::time("Granted from then on."))
                .query("to", kinds::time("Granted before; a date includes its day."))
                .shows::<BTreeMap<Currency, StatisticsView>>()
                .scoped(),
            statistics,
        )
}

fn lists() -> Operation {
    Operation::new("Les crédits, filtrés et page par page.", "Credits, filtered and page by page.")
        .query("shop", kinds::shop("Granted by this shop."))
        .query("sim", kinds::sim())
        .query(
            "status",
            json!({ "type": "string", "enum": CreditStatus::ALL.iter().map(|it| it.word()).collect::<Vec<_>>() }),
        )
        .query("currency", kinds::currency())
        .query("from", kinds::time("Granted from then on."))
        .query("to", kinds::time("Granted before; a date includes its day."))
        .query("beneficiary", kinds::text("Part of the beneficiary's name or phone."))
        .query("reference", kinds::text("Exactly that reference."))
        .query("overdue", kinds::flag("Only those that are late."))
        .query("sort", kinds::words(&ORDERS))
        .query("limit", kinds::limit())
        .query("after", kinds::after())
        .shows::<Page<CreditView>>()
        .refuses(&["unknown_currency", "bad_cursor"])
        .scoped()
}

fn creates() -> Operation {
    let kinds_of =
        json!({ "type": "string", "enum": BeneficiaryKind::ALL.iter().map(|it| it.word()).collect::<Vec<_>>() });
    let beneficiary = RequestBody::new()
        .needs("name", kinds::text("Who receives it."))
        .may("phone", kinds::text("Their phone."))
        .may("address", kinds::text("Where they are."))
        .may("kind", kinds_of)
        .may("shop_id", kinds::shop("The shop, where it is one of the company's."));
    let body = RequestBody::new()
        .needs("reference", kinds::text("Unique within the shop."))
        .needs("amount", kinds::decimal("How much, above zero."))
        .needs("currency", kinds::currency())
        .needs("sim", kinds::sim())
        .needs("beneficiary", beneficiary.schema())
        .may("due_at", kinds::time("When it is to be paid back."))
        .may("notes", kinds::text("Anything else."))
        .may("agent", kinds::agent())
        .example(json!({
            "reference": "CRED-2026-001", "amount": "125.50", "currency": "USD", "sim": "+243970000001",
            "beneficiary": { "name": "Amani", "phone": "+243990000001" }, "due_at": "2026-10-31",
        }));
    Operation::new("Accorder un crédit.", "Grants a credit.")
        .body(body)
        .keyed()
        .creates::<CreditView>()
        .refuses(MONEY)
        .refuses(WRITES)
        .refuses(SIM)
        .refuses(SHARE)
        .refuses(&["unknown_shop", "reference_taken"])
        .scoped()
}

fn edits() -> Operation {
    let beneficiary = RequestBody::new()
        .may("name", kinds::text("Who receives it; it cannot be taken away."))
        .may("phone", kinds::text("Their phone."))
        .may("address", kinds::text("Where they are."));
    let body = RequestBody::new()
        .may("beneficiary", beneficiary.schema())
        .may("due_at", kinds::time("When it is to be paid back."))
        .may("notes", kinds::text("Anything else."))
        .may("agent", kinds::agent())
        .example(json!({ "notes": null, "due_at": "2026-11-15", "beneficiary": { "phone": "+243990000002" } }));
    Operation::new(
        "Corriger un crédit : ce qui est donné est écrit, null enlève.",
        "Edits a credit: what is there is set, null takes it away.",
    )
    .body(body)
    .keyed()
    .shows::<CreditView>()
    .refuses(WRITES)
    .refuses(CREDIT)
    .refuses(&["nothing_to_change", "credit_cancelled"])
    .scoped()
}

/// What a list is narrowed by, and its order; how long a page is, is another matter.
pub(super) fn filter(parameters: &Parameters, identity: &Identity, zone: Tz) -> Result<CreditFilter, ApiError> {
    let statuses: Vec<_> = CreditStatus::ALL.iter().map(|status| (status.word(), *status)).collect();
    Ok(CreditFilter {
        shop: identity.narrow(parameters.shop("shop")?)?,
        sim: parameters.parsed("sim", |text| Ok(SimNumber::new(&text.replace(' ', "+"))?))?,
        status: parameters.word("status", &statuses)?,
        currency: currency(parameters)?,
        from: parameters.from(zone)?,
        to: parameters.to(zone)?,
        beneficiary: parameters.text("beneficiary").map(str::to_owned),
        reference: parameters.parsed("reference", |text| Ok(Reference::new(text)?))?,
        overdue: parameters.flag("overdue")?,
        order: parameters.word("sort", &ORDERS)?.unwrap_or_default(),
        limit: 0,
        after: None,
    })
}

pub(super) fn currency(parameters: &Parameters) -> Result<Option<Currency>, ApiError> {
    let money = |fault| Refusal::Money { field: "currency".to_owned(), fault };
    parameters.parsed("currency", |text| Currency::parse(text).map_err(money))
}

async fn list(State(state): State<ApiState>, identity: Identity, parameters: Parameters) -> Result<Response, ApiError> {
    let zone = state.zone().await?;
    let filter = filter(&parameters, &identity, zone)?;
    let filter = CreditFilter { limit: parameters.limit()?, after: parameters.after(), ..filter };
    parameters.finish()?;
    match state.node().query(Query::Credits(filter)).await? {
        Answer::Credits(mut page) => {
            // A token of several shops reads the list of all: a page of it may be short, or even empty.
            page.items.retain(|credit| identity.may_see(credit.shop_id));
            answer::json(&page)
        }
        _ => Err(ApiError::Internal),
    }
}

/// `{"reference", "amount", "currency", "sim", "beneficiary": {"name", "phone"?, "address"?, "kind"?, "shop_id"?},
/// "due_at"?, "notes"?, "agent"?}`
async fn create(
    State(state): State<ApiState>,
    identity: Identity,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let zone = state.zone().await?;
    let fields = body.fields()?;
    let reference = Reference::new(&fields.required_text("reference")?).map_err(Refusal::from)?;
    let currency = fields.currency("currency")?;
    let request = GrantRequest {
        reference,
        amount: fields.positive_amount("amount", currency)?,
        sim: fields.sim("sim")?,
        beneficiary: read_beneficiary(&fields)?,
        due_at: fields.deadline("due_at", zone)?,
        notes: fields.text("notes")?,
        agent: identity.agent(fields.text("agent")?),
    };
    fields.finish()?;
    scope::require_sim(&state, &identity, &request.sim).await?;
    match state.node().command(Command::Grant(request), key.0).await? {
        Answer::Credit(credit) => {
            let id = credit.id.to_string();
            answer::created(answer::json(&credit)?, &["credits", &id])
        }
        _ => Err(ApiError::Internal),
    }
}

fn read_beneficiary(fields: &Fields<'_>) -> Result<Beneficiary, ApiError> {
    let kinds: Vec<_> = BeneficiaryKind::ALL.iter().map(|kind| (kind.word(), *kind)).collect();
    let inner = fields.object("beneficiary")?;
    let inner = fields.require("beneficiary", inner)?;
    let shop = inner.shop("shop_id")?;
    // Who names a shop means one.
    let usual = if shop.is_some() { BeneficiaryKind::Shop } else { BeneficiaryKind::Other };
    let beneficiary = Beneficiary {
        name: inner.required_text("name")?,
        phone: inner.text("phone")?,
        address: inner.text("address")?,
        kind: inner.word("kind", &kinds)?.unwrap_or(usual),
        shop,
    };
    inner.finish()?;
    Ok(beneficiary)
}

async fn show(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(key): InPath<String>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    let key = scope::credit_key(&state, &identity, key).await?;
    answer::shown(&state.node().query(Query::Credit { key }).await?)
}

async fn history(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(key): InPath<String>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    let key = scope::credit_key(&state, &identity, key).await?;
    answer::shown(&state.node().query(Query::CreditHistory { key }).await?)
}

/// `{"beneficiary"?: {"name"?, "phone"?, "address"?}, "due_at"?, "notes"?, "agent"?}`: what is there is set, `null`
/// takes it away.
async fn edit(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(credit): InPath<String>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let zone = state.zone().await?;
    let fields = body.fields()?;
    let mut edits = Vec::new();
    if let Some(inner) = fields.object("beneficiary")? {
        if inner.has("name") {
            edits.push(Edit::Name(inner.required_text("name")?));
        }
        if inner.has("phone") {
            edits.push(Edit::Phone(inner.text("phone")?));
        }
        if inner.has("address") {
            edits.push(Edit::Address(inner.text("address")?));
        }
        inner.finish()?;
    }
    if fields.has("due_at") {
        edits.push(Edit::DueAt(fields.deadline("due_at", zone)?));
    }
    if fields.has("notes") {
        edits.push(Edit::Notes(fields.text("notes")?));
    }
    let agent = identity.agent(fields.text("agent")?);
    fields.finish()?;
    if edits.is_empty() {
        return Err(Refusal::NothingToChange.into());
    }
    let credit = scope::credit_key(&state, &identity, credit).await?;
    answer::shown(&state.node().command(Command::Edit { credit, edits, agent }, key.0).await?)
}

/// Sums cannot be narrowed afterwards: a token of several shops names one.
async fn statistics(
    State(state): State<ApiState>,
    identity: Identity,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let zone = state.zone().await?;
    let shop = identity.narrow(parameters.shop("shop")?)?;
    let period = StatisticsPeriod { shop, from: parameters.from(zone)?, to: parameters.to(zone)? };
    parameters.finish()?;
    if shop.is_none() && matches!(identity, Identity::Token(_)) {
        return Err(ApiError::field("shop", Expected::ShopNumber));
    }
    answer::shown(&state.node().query(Query::Statistics(period)).await?)
}
