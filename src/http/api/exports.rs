//! `export/{what}`: a list as a file, with the filters of the list.

use axum::extract::{Extension, State};
use axum::response::Response;

use super::scope;
use super::{conflicts, credits};
use crate::http::auth::{Access, Identity};
use crate::http::export::{self, Format, Look, MovementFilter, Rows, Separator, What};
use crate::http::messages::Language;
use crate::http::openapi::{Operation, kinds};
use crate::http::parameters::{InPath, Parameters};
use crate::http::problem::{ApiError, Expected};
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::model::SimNumber;

const LANGUAGES: [(&str, Language); 2] = [("fr", Language::French), ("en", Language::English)];

pub(super) fn add(routes: Routes) -> Routes {
    let operation = Operation::new("Une liste comme fichier.", "A list as a file.")
        .query("format", kinds::words(&Format::WORDS))
        .query("separator", kinds::words(&Separator::WORDS))
        .query("lang", kinds::words(&LANGUAGES))
        .query("shop", kinds::shop("Of this shop."))
        .query("kind", kinds::text("Conflicts only: of that kind."))
        .query("handled", kinds::flag("Conflicts only: dealt with, or not."))
        .query("sim", kinds::sim())
        .query("status", kinds::text("Credits only: of that status."))
        .query("currency", kinds::currency())
        .query("from", kinds::time("From then on: granted, paid or moved."))
        .query("to", kinds::time("Before then; a date includes its day."))
        .query("beneficiary", kinds::text("Part of the beneficiary's name or phone."))
        .query("reference", kinds::text("Exactly that reference."))
        .query("overdue", kinds::flag("Only those that are late."))
        .sends_file("application/json")
        .sends_file("text/csv; charset=utf-8")
        .sends_file("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        .refuses(&["missing_field", "unknown_currency", "unknown_sim"])
        .scoped();
    routes.long_get("/api/v1/export/{what}", Access::Read, operation, export)
}

/// `?format=json|csv|xlsx&separator=comma|semicolon|tab&lang=fr|en` and the filters of the list: those of `credits`
/// (for payments, `from` and `to` mean when they were made), `shop`, `sim`, `currency`, `from`, `to` for movements,
/// `shop`, `kind`, `handled` for conflicts.
async fn export(
    State(state): State<ApiState>,
    Extension(language): Extension<Language>,
    identity: Identity,
    InPath(what): InPath<String>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let words = What::WORDS.map(|(word, _)| word).to_vec();
    let what = What::WORDS.iter().find(|(word, _)| *word == what).map(|(_, what)| *what);
    let what = what.ok_or_else(|| ApiError::field("what", Expected::OneOf { words }))?;
    let format = parameters.word("format", &Format::WORDS)?;
    let format = format.ok_or_else(|| ApiError::MissingField { field: "format".to_owned() })?;
    let zone = state.zone().await?;
    let look = Look {
        what,
        format,
        separator: parameters.word("separator", &Separator::WORDS)?.unwrap_or_default(),
        language: parameters.word("lang", &LANGUAGES)?.unwrap_or(language),
        zone,
    };
    let rows = match what {
        What::Credits | What::Payments => {
            let filter = credits::filter(&parameters, &identity, zone)?;
            parameters.finish()?;
            Rows::of_credits(state.clone(), identity, what, filter)
        }
        What::Conflicts => {
            let filter = conflicts::filter(&parameters, &identity)?;
            parameters.finish()?;
            Rows::of_conflicts(state.clone(), identity, filter, look.language)
        }
        What::Movements => {
            let filter = MovementFilter {
                shop: identity.narrow(parameters.shop("shop")?)?,
                sim: parameters.parsed("sim", |text| Ok(SimNumber::new(&text.replace(' ', "+"))?))?,
                currency: credits::currency(&parameters)?,
                from: parameters.from(zone)?,
                to: parameters.to(zone)?,
            };
            parameters.finish()?;
            if let Some(sim) = &filter.sim {
                scope::require_sim(&state, &identity, sim).await?;
            }
            Rows::of_movements(state.clone(), identity, filter).await?
        }
    };
    export::answer(&state, look, rows).await
}
