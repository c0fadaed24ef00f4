//! The interface described for programs and readers: OpenAPI 3.1 at `/api/openapi.json`, a page of it at
//! `/api/docs`.
//!
//! Nothing is kept twice: routes bring their [`Operation`], answers' shapes are derived from the structs that are
//! written out, refusals from samples of the enums. It must never say anything about money or members: both are
//! public.

mod document;
mod example;
pub(super) mod kinds;
mod operation;
mod samples;
mod shapes;

pub use document::{codes, document};
pub use operation::{Operation, RequestBody};

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use axum::extract::Extension;
use axum::http::HeaderMap;
use axum::response::Response;

use super::auth::Access;
use super::page::{Asset, serve};
use super::problem::ApiError;
use super::routes::{Routes, Rule};

/// The page that shows the document: loads nothing from elsewhere, as there may be no elsewhere.
const READER: Asset =
    Asset { content_type: "text/html; charset=utf-8", text: include_str!("../../../assets/docs/index.html") };
const STYLE: Asset =
    Asset { content_type: "text/css; charset=utf-8", text: include_str!("../../../assets/docs/docs.css") };
const SCRIPT: Asset =
    Asset { content_type: "text/javascript; charset=utf-8", text: include_str!("../../../assets/docs/docs.js") };

/// The router's rules, and the document once somebody asked for it.
#[derive(Clone)]
pub(super) struct Described(Arc<(Vec<Rule>, OnceLock<String>)>);

impl Described {
    /// Those routes.
    pub(super) fn new(rules: Vec<Rule>) -> Described {
        Described(Arc::new((rules, OnceLock::new())))
    }

    fn text(&self) -> &str {
        self.0.1.get_or_init(|| document(&self.0.0).to_string())
    }
}

pub(super) fn add(routes: Routes) -> Routes {
    let described = Operation::new("Cette description, en OpenAPI 3.1.", "This description, in OpenAPI 3.1.")
        .shows::<serde_json::Map<String, serde_json::Value>>()
        .or_unchanged();
    let routes = routes.get("/api/openapi.json", Access::Public, described, openapi);
    let routes = READER.at("/api/docs", routes);
    SCRIPT.at("/api/docs/docs.js", STYLE.at("/api/docs/docs.css", routes))
}

async fn openapi(Extension(described): Extension<Described>, headers: HeaderMap) -> Result<Response, ApiError> {
    serve("application/json", described.text(), &headers)
}

/// One of each answer that is no.
pub fn samples() -> Vec<ApiError> {
    samples::all()
}

/// The codes that the document can name.
pub fn known_codes() -> BTreeSet<&'static str> {
    samples::all().iter().map(ApiError::code).collect()
}

/// Amounts and currencies that are not what they must be.
pub(super) const MONEY: &[&str] = &[
    "unknown_currency",
    "amount_not_a_number",
    "amount_negative",
    "amount_too_many_decimals",
    "amount_too_large",
    "currency_mismatch",
];
/// What any writing command may be refused for.
pub(super) const WRITES: &[&str] = &["clock_before_2020", "not_allowed", "invalid_field"];
/// A credit that is not named, or not by one name.
pub(super) const CREDIT: &[&str] = &["unknown_credit", "ambiguous_reference"];
/// A SIM that cannot be used.
pub(super) const SIM: &[&str] = &["unknown_sim", "sim_of_another_shop", "sim_inactive"];
/// More than this device may spend.
pub(super) const SHARE: &[&str] = &["insufficient_share"];
