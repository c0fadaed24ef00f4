//! `tokens`: made, listed and revoked by who sits at this node. A token makes no tokens.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::Body;
use crate::http::answer;
use crate::http::auth::{Access, NewToken, bytes_of_key, drawn_bytes};
use crate::http::body::IdempotencyKey;
use crate::http::limits::{TOKEN_MS_MAX, TOKEN_SHOPS_MAX};
use crate::http::openapi::{Operation, RequestBody, kinds};
use crate::http::parameters::{InPath, Parameters};
use crate::http::problem::{ApiError, Expected};
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::ledger::Refusal;
use crate::model::{FieldError, FieldFault, ShopId};
use crate::replica::{Answer, Page, Query};

/// Longest name of a token, in characters: it is recorded as the agent of what the token does.
const NAME_CHARS_MAX: usize = 255;

pub(super) fn add(routes: Routes) -> Routes {
    let lists = Operation::new("Les jetons de ce nœud.", "This node's tokens.").shows::<Page<ListedToken>>();
    let ends = Operation::new("Révoquer un jeton.", "Revokes a token.").says_nothing().refuses(&["unknown_token"]);
    routes
        .get("/api/v1/tokens", Access::Owner, lists, list)
        .post("/api/v1/tokens", Access::Owner, creates(), create)
        .delete("/api/v1/tokens/{id}", Access::Owner, ends, revoke)
}

fn creates() -> Operation {
    let shops = json!({
        "type": "array", "items": kinds::shop("A shop's number."), "minItems": 1, "maxItems": TOKEN_SHOPS_MAX,
        "description": "What it holds for.",
    });
    let body = RequestBody::new()
        .needs("name", kinds::text("What it is called; recorded as who acted."))
        .needs("shops", shops)
        .may("read_only", kinds::boolean("Whether it may only read."))
        .may("expires", kinds::duration("How long it holds; else until it is revoked."))
        .example(json!({ "name": "app", "shops": [1], "read_only": false, "expires": "90d" }));
    Operation::new("Créer un jeton ; montré une seule fois.", "Makes a token; shown once.")
        .body(body)
        .keyed()
        .creates::<CreatedToken>()
        .refuses(&["unknown_shop", "too_many_tokens"])
}

/// A token when it was made: the only time that its text is shown.
#[derive(Serialize, JsonSchema)]
struct CreatedToken {
    id: String,
    token: String,
    shops: BTreeSet<ShopId>,
    read_only: bool,
    expires_at: Option<String>,
}

/// A token in the list.
#[derive(Serialize, JsonSchema)]
struct ListedToken {
    id: String,
    name: String,
    shops: BTreeSet<ShopId>,
    read_only: bool,
    created_at: String,
    expires_at: Option<String>,
    /// Whether that has passed: it admits nobody any more.
    expired: bool,
    last_used_at: Option<String>,
}

/// `{"name", "shops": [1], "read_only"?, "expires"?: "90d"}`
async fn create(State(state): State<ApiState>, key: IdempotencyKey, body: Body) -> Result<Response, ApiError> {
    let fields = body.fields()?;
    let name = fields.required_text("name")?;
    check_name(&name)?;
    let items = fields.list("shops", TOKEN_SHOPS_MAX)?;
    let items = fields.require("shops", items)?;
    let numbers = items.into_iter().map(|item| serde_json::from_str::<u32>(item.get()));
    let numbers: BTreeSet<u32> =
        numbers.collect::<Result<_, _>>().map_err(|_| ApiError::field("shops", Expected::ShopNumber))?;
    let shops: BTreeSet<ShopId> = numbers.into_iter().map(ShopId).collect();
    let read_only = fields.boolean("read_only")?.unwrap_or(false);
    let length_ms = fields.duration_ms("expires", TOKEN_MS_MAX)?;
    fields.finish()?;
    require_known(&state, &shops).await?;

    let now = state.now();
    let expires_at = length_ms.map(|length| now.plus_ms(length));
    let settings = state.settings();
    let drawn = match key.0 {
        Some(key) => bytes_of_key(&settings.local_credential, &key),
        None => drawn_bytes(settings.draw),
    };
    let new = NewToken { name, shops, read_only, expires_at };
    let (id, token, record) = state.tokens().create(new, &drawn, now).await?;
    let shown = CreatedToken {
        id: id.clone(),
        token,
        shops: record.shops,
        read_only: record.read_only,
        expires_at: record.expires_at.map(|time| time.to_rfc3339()),
    };
    answer::created(answer::json(&shown)?, &["tokens", &id])
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let length = name.chars().count();
    let fault = if name.trim().is_empty() {
        FieldFault::Blank
    } else if length > NAME_CHARS_MAX {
        FieldFault::TooLong { length, limit: NAME_CHARS_MAX }
    } else if name.chars().any(char::is_control) {
        FieldFault::ControlCharacter
    } else {
        return Ok(());
    };
    Err(Refusal::Field(FieldError::new("name", fault)).into())
}

/// A token for a shop that does not exist would hold for whichever is given that number later.
async fn require_known(state: &ApiState, shops: &BTreeSet<ShopId>) -> Result<(), ApiError> {
    let known: BTreeSet<ShopId> = match state.node().query(Query::Shops).await? {
        Answer::Shops(page) => page.items.into_iter().map(|shop| shop.id).collect(),
        _ => return Err(ApiError::Internal),
    };
    match shops.iter().find(|shop| !known.contains(shop)) {
        None => Ok(()),
        Some(shop) => Err(Refusal::UnknownShop { shop: *shop }.into()),
    }
}

async fn list(State(state): State<ApiState>, parameters: Parameters) -> Result<Response, ApiError> {
    parameters.finish()?;
    let tokens = state.tokens().list().await?;
    let now = state.now();
    let items = tokens.into_iter().map(|(id, record, used_at)| ListedToken {
        id,
        name: record.name,
        shops: record.shops,
        read_only: record.read_only,
        created_at: record.created_at.to_rfc3339(),
        expired: record.expires_at.is_some_and(|end| end <= now),
        expires_at: record.expires_at.map(|time| time.to_rfc3339()),
        last_used_at: used_at.map(|time| time.to_rfc3339()),
    });
    answer::json(&Page::whole(items.collect()))
}

async fn revoke(State(state): State<ApiState>, InPath(id): InPath<String>) -> Result<Response, ApiError> {
    state.tokens().revoke(&id).await?;
    Ok(answer::nothing())
}
