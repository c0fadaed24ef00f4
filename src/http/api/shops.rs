//! `shops`.

use axum::extract::State;
use axum::response::Response;

use super::Body;
use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::replica::{Answer, Command, Query};

pub(super) fn add(routes: Routes) -> Routes {
    routes.get("/api/v1/shops", Access::Read, list).post("/api/v1/shops", Access::Owner, create)
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
