//! `log` and `documents`: what is stored, for whoever runs this node.

use axum::extract::State;
use axum::response::Response;

use crate::http::answer;
use crate::http::auth::Access;
use crate::http::openapi::{Operation, kinds};
use crate::http::parameters::{InPath, Parameters};
use crate::http::problem::ApiError;
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::ledger::Refusal;
use crate::model::FieldError;
use crate::replica::{DocumentView, EntryView, LogFilter, Page, Query};

pub(super) fn add(routes: Routes) -> Routes {
    let lists = Operation::new(
        "Les écritures des journaux, telles qu'elles sont gardées.",
        "The logs' entries, as they are stored.",
    )
    .query("registry", kinds::flag("Of the registry alone."))
    .query("shop", kinds::shop("Of this shop's logs alone."))
    .query("device", kinds::text("Of this device alone: its name or key."))
    .query("from", kinds::whole("From this number of each log on."))
    .query("set_aside", kinds::flag("Only those kept without effect."))
    .query("limit", kinds::limit())
    .query("after", kinds::after())
    .shows::<Page<EntryView>>()
    .refuses(&["unknown_device", "bad_cursor"]);
    let shows =
        Operation::new("Le document d'un crédit, changement par changement.", "A credit's document, change by change.")
            .shows::<DocumentView>()
            .refuses(&["unknown_credit", "ambiguous_reference"]);
    routes.get("/api/v1/log", Access::Owner, lists, log).get("/api/v1/documents/{key}", Access::Owner, shows, document)
}

fn whole(text: &str) -> Result<u64, Refusal> {
    let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    number.ok_or_else(|| Refusal::Field(FieldError::malformed("from", "a whole number")))
}

async fn log(State(state): State<ApiState>, parameters: Parameters) -> Result<Response, ApiError> {
    let filter = LogFilter {
        registry: parameters.flag("registry")?,
        shop: parameters.shop("shop")?,
        device: parameters.text("device").map(str::to_owned),
        from: parameters.parsed("from", whole)?.unwrap_or(1),
        set_aside: parameters.flag("set_aside")?,
        limit: parameters.limit()?,
        after: parameters.after(),
    };
    parameters.finish()?;
    answer::shown(&state.node().query(Query::Log(filter)).await?)
}

async fn document(
    State(state): State<ApiState>,
    InPath(key): InPath<String>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    answer::shown(&state.node().query(Query::Document { key }).await?)
}
