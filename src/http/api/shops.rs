//! `shops`.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::Body;
use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::openapi::{Operation, RequestBody, WRITES, kinds};
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::http::routes::Routes;
use crate::http::state::ApiState;
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
    routes.get("/api/v1/shops", Access::Read, lists, list).post("/api/v1/shops", Access::Owner, creates, create)
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
