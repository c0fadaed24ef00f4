//! `shops`.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::Body;
use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::fields::any_number;
use crate::http::openapi::{Operation, RequestBody, WRITES, kinds};
use crate::http::parameters::{InPath, Parameters};
use crate::http::problem::{ApiError, Expected};
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::model::ShopId;
use crate::replica::{Answer, Command, Page, Query, ShopView};

pub(super) fn add(routes: Routes) -> Routes {
    let lists = Operation::new("Les shops du réseau.", "The network's shops.").shows::<Page<ShopView>>();
    let body = RequestBody::new()
        .needs("name", kinds::text("What people call it."))
        .may("shop_id", kinds::shop("Its number; else the next one."))
        .may("town", kinds::text("Where it is."))
        .example(json!({ "name": "Goma", "town": "Goma" }));
    let creates = Operation::new("Ajouter un shop.", "Adds a shop.")
        .body(body)
        .keyed()
        .creates::<ShopView>()
        .refuses(WRITES)
        .refuses(&["shop_exists"]);
    let body = RequestBody::new()
        .needs("device", kinds::text("Name or key of the device that writes for the shop's existing apps."))
        .example(json!({ "device": "relais" }));
    let names = Operation::new(
        "Désigner l'appareil qui sert les anciennes applications du shop.",
        "Names the device that serves the shop's existing apps.",
    );
    let names = names.body(body).keyed().shows::<ShopView>().refuses(WRITES).refuses(&[
        "unknown_shop",
        "unknown_device",
        "nothing_to_change",
    ]);
    routes.get("/api/v1/shops", Access::Read, lists, list).post("/api/v1/shops", Access::Owner, creates, create).post(
        "/api/v1/shops/{id}/gateway",
        Access::Owner,
        names,
        name_gateway,
    )
}

async fn list(State(state): State<ApiState>, identity: Identity, parameters: Parameters) -> Result<Response, ApiError> {
    parameters.finish()?;
    match state.node().query(Query::Shops).await? {
        Answer::Shops(mut page) => {
            page.items.retain(|shop| identity.may_see(shop.id));
            answer::json(&page)
        }
        _ => Err(ApiError::Internal),
    }
}

/// `{"device"}`
async fn name_gateway(
    State(state): State<ApiState>,
    InPath(shop): InPath<String>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let number = any_number(&shop).filter(|number| *number > 0);
    let shop = number.map(ShopId).ok_or_else(|| ApiError::field("id", Expected::ShopNumber))?;
    let fields = body.fields()?;
    let device = fields.required_text("device")?;
    fields.finish()?;
    answer::shown(&state.node().command(Command::NameGateway { shop, device }, key.0).await?)
}

/// `{"name", "shop_id"?, "town"?}`
async fn create(State(state): State<ApiState>, key: IdempotencyKey, body: Body) -> Result<Response, ApiError> {
    let fields = body.fields()?;
    let command = Command::AddShop {
        shop: fields.shop("shop_id")?,
        name: fields.required_text("name")?,
        town: fields.text("town")?,
    };
    fields.finish()?;
    let answer = state.node().command(command, key.0).await?;
    answer::created(answer::shown(&answer)?, &["shops"])
}
