//! Conflicts: the list, one of them, and what a person decides about it; in sentences of the reader's language.

use axum::extract::{Extension, State};
use axum::response::Response;
use serde_json::json;

use super::Body;
use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::fields::Fields;
use crate::http::messages::Language;
use crate::http::messages::conflicts::{ConflictText, conflict, conflicts};
use crate::http::openapi::{Operation, RequestBody, WRITES, kinds};
use crate::http::parameters::{InPath, Parameters};
use crate::http::problem::{ApiError, Expected};
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::ledger::Refusal;
use crate::model::{ConflictKind, Decision, Reference, ShopId};
use crate::replica::{Answer, Command, ConflictFilter, ConflictView, Page, Query};

const HANDLED: [(&str, bool); 4] = [("true", true), ("false", false), ("1", true), ("0", false)];

/// What is decided, by its word; what belongs to it stands in fields of its own.
#[derive(Clone, Copy)]
enum Word {
    Plain(fn() -> Decision),
    Renumber,
    Take,
}

const DECISIONS: [(&str, Word); 6] = [
    ("handled", Word::Plain(|| Decision::Handled)),
    ("give_back", Word::Plain(|| Decision::GiveBack)),
    ("reinstate", Word::Plain(|| Decision::Reinstate)),
    ("cancel", Word::Plain(|| Decision::Cancel)),
    ("renumber", Word::Renumber),
    ("take", Word::Take),
];

pub(super) fn add(routes: Routes) -> Routes {
    let path = "/api/v1/conflicts/{id}";
    let one = Operation::new("Un conflit, raconté.", "One conflict, told.").shows::<ConflictText>();
    routes
        .get("/api/v1/conflicts", Access::Read, lists(), list)
        .get(path, Access::Read, one.refuses(&["unknown_conflict"]).scoped(), show)
        .post("/api/v1/conflicts/{id}/resolution", Access::Write, decides(), resolve)
}

fn lists() -> Operation {
    let kind: Vec<_> = ConflictKind::ALL.iter().map(|kind| (kind.word(), *kind)).collect();
    Operation::new("Les conflits, racontés, page par page.", "The conflicts, told, page by page.")
        .query("shop", kinds::shop("Of this shop."))
        .query("kind", kinds::words(&kind))
        .query("handled", kinds::flag("Only those that somebody dealt with, or only those that nobody did."))
        .query("limit", kinds::limit())
        .query("after", kinds::after())
        .shows::<Page<ConflictText>>()
        .refuses(&["bad_cursor"])
        .scoped()
}

fn decides() -> Operation {
    let side = json!({ "type": "integer", "minimum": 1, "maximum": u8::MAX, "description":
        "With `take`: whose value is taken, counted from 1 as the sides are listed." });
    let body = RequestBody::new()
        .may("decision", kinds::words(&DECISIONS))
        .may("reference", kinds::text("With `renumber`: the credit's new reference."))
        .may("side", side)
        .needs("reason", kinds::text("Why."))
        .may("agent", kinds::agent())
        .example(json!({ "reason": "Client rappelé" }))
        .example(json!({ "decision": "give_back", "reason": "40 USD rendus au comptoir", "agent": "Marie" }))
        .example(json!({ "decision": "renumber", "reference": "CRED-2026-002", "reason": "Numéro donné deux fois" }))
        .example(json!({ "decision": "take", "side": 1, "reason": "C'est ce numéro qui répond" }));
    Operation::new("Traiter un conflit, ou en décider autrement.", "Deals with a conflict, or decides otherwise.")
        .body(body)
        .keyed()
        .shows::<ConflictText>()
        .refuses(WRITES)
        .refuses(&["unknown_conflict", "decision_not_open", "reference_taken"])
        .refuses(&["credit_cancelled", "credit_paid", "cancel_with_payments"])
        .scoped()
}

/// What a list is narrowed by; how long a page is, is another matter.
pub(super) fn filter(parameters: &Parameters, identity: &Identity) -> Result<ConflictFilter, ApiError> {
    let kinds: Vec<_> = ConflictKind::ALL.iter().map(|kind| (kind.word(), *kind)).collect();
    Ok(ConflictFilter {
        shop: identity.narrow(parameters.shop("shop")?)?,
        kind: parameters.word("kind", &kinds)?,
        handled: parameters.word("handled", &HANDLED)?,
        limit: 0,
        after: None,
    })
}

async fn list(
    State(state): State<ApiState>,
    Extension(language): Extension<Language>,
    identity: Identity,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let filter = filter(&parameters, &identity)?;
    let filter = ConflictFilter { limit: parameters.limit()?, after: parameters.after(), ..filter };
    parameters.finish()?;
    match state.node().query(Query::Conflicts(filter)).await? {
        Answer::Conflicts(mut page) => {
            // A token of several shops reads the list of all: a page of it may be short, or even empty.
            page.items.retain(|view| identity.may_see(view.conflict.shop));
            answer::json(&conflicts(&page, language))
        }
        _ => Err(ApiError::Internal),
    }
}

async fn show(
    State(state): State<ApiState>,
    Extension(language): Extension<Language>,
    identity: Identity,
    InPath(key): InPath<String>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    answer::json(&conflict(&found(&state, &identity, key).await?, language))
}

/// The conflict, if its shop may be seen. What concerns the register is no token's, and is not said to be there.
async fn found(state: &ApiState, identity: &Identity, key: String) -> Result<ConflictView, ApiError> {
    match state.node().query(Query::Conflict { key: key.clone() }).await? {
        Answer::Conflict(view) if view.conflict.shop == ShopId(0) && !identity.may_see(ShopId(0)) => {
            Err(Refusal::UnknownConflict { key: key.chars().take(64).collect() }.into())
        }
        Answer::Conflict(view) => {
            identity.require(view.conflict.shop)?;
            Ok(*view)
        }
        _ => Err(ApiError::Internal),
    }
}

/// `{"decision"?, "reference"?, "side"?, "reason", "agent"?}`
async fn resolve(
    State(state): State<ApiState>,
    Extension(language): Extension<Language>,
    identity: Identity,
    InPath(id): InPath<String>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let fields = body.fields()?;
    let decision = read_decision(&fields)?;
    let why = fields.required_text("reason")?;
    let agent = identity.agent(fields.text("agent")?);
    fields.finish()?;
    if let Identity::Token(_) = &identity {
        found(&state, &identity, id.clone()).await?;
    }
    let command = Command::Resolve { conflict: id, decision, why, agent };
    match state.node().command(command, key.0).await? {
        Answer::Conflict(view) => answer::json(&conflict(&view, language)),
        _ => Err(ApiError::Internal),
    }
}

fn read_decision(fields: &Fields<'_>) -> Result<Decision, ApiError> {
    match fields.word("decision", &DECISIONS)? {
        None => Ok(Decision::Handled),
        Some(Word::Plain(decision)) => Ok(decision()),
        Some(Word::Renumber) => {
            let reference = Reference::new(&fields.required_text("reference")?).map_err(Refusal::from)?;
            Ok(Decision::Renumber(reference))
        }
        Some(Word::Take) => {
            let side = u8::try_from(fields.whole("side")?).ok().filter(|side| *side > 0);
            side.map(Decision::Take).ok_or_else(|| ApiError::field("side", Expected::WholeNumber))
        }
    }
}
