//! Rows for the app: what it downloads, and lists.

use axum::extract::State;
use axum::response::Response;
use chrono::Days;
use chrono_tz::Tz;
use serde::Serialize;

use super::row::{Row, local_time};
use super::{answer, reporter, require};
use crate::http::auth::TokenScope;
use crate::http::fields::any_number;
use crate::http::parameters::Parameters;
use crate::http::problem::{ApiError, Expected};
use crate::http::state::ApiState;
use crate::http::when;
use crate::ledger::{CreditFilter, CreditOrder};
use crate::model::{ShopId, SimNumber, Timestamp};
use crate::replica::{Answer, Command, Query, RowFilter, RowView};
use crate::rows::STATUSES;

/// A list and what stands around it.
#[derive(Serialize)]
struct List {
    success: bool,
    data: Vec<Row>,
    count: usize,
    timestamp: String,
}

/// `?shop_id=N&since=T`: a bare array of what the app has not, or may have lost.
pub(super) async fn download(
    State(state): State<ApiState>,
    scope: TokenScope,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let zone = state.zone().await?;
    let shop = require(&scope, shop(&parameters)?)?;
    let since = time(&parameters, "since", zone)?;
    let command = Command::Download { by: reporter(&scope), shop, since };
    let rows = rows_of(state.node().command(command, None).await?)?;
    let rows: Vec<Row> = rows.into_iter().map(|row| Row::of(row, zone)).collect::<Result<_, _>>()?;
    answer(&rows)
}

/// `?shop_id=N` and filters: what is there now, whatever the app has had.
pub(super) async fn list(
    State(state): State<ApiState>,
    scope: TokenScope,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let zone = state.zone().await?;
    let credits = CreditFilter {
        shop: Some(require(&scope, shop(&parameters)?)?),
        sim: sim(&parameters)?,
        status: parameters.word("statut", &STATUSES)?,
        beneficiary: parameters.text("beneficiaire").map(str::to_owned),
        from: time(&parameters, "date_debut", zone)?,
        to: end(&parameters, "date_fin", zone)?,
        order: CreditOrder::NewestFirst,
        ..CreditFilter::default()
    };
    let since = time(&parameters, "last_sync", zone)?;
    let rows = rows_of(state.node().query(Query::Rows(RowFilter { credits, since })).await?)?;
    let data: Vec<Row> = rows.into_iter().map(|row| Row::of_list(row, zone)).collect::<Result<_, _>>()?;
    answer(&List { success: true, count: data.len(), data, timestamp: local_time(state.now(), zone) })
}

fn rows_of(answer: Answer) -> Result<Vec<RowView>, ApiError> {
    match answer {
        Answer::Rows(rows) => Ok(rows),
        _ => Err(ApiError::Internal),
    }
}

/// `shop_id`: a number, be it one that no shop has.
fn shop(parameters: &Parameters) -> Result<ShopId, ApiError> {
    let text = parameters.text("shop_id").ok_or_else(|| ApiError::MissingField { field: "shop_id".to_owned() })?;
    any_number(text).map(ShopId).ok_or_else(|| ApiError::field("shop_id", Expected::ShopNumber))
}

/// `sim_numero`, whose `+` arrives as a blank where the app did not escape it.
fn sim(parameters: &Parameters) -> Result<Option<SimNumber>, ApiError> {
    let read = |text: &str| match text.strip_prefix(' ') {
        Some(digits) => SimNumber::new(&format!("+{digits}")),
        None => SimNumber::new(text),
    };
    parameters.parsed("sim_numero", |text| Ok(read(text)?))
}

/// An instant, or the beginning of a day.
fn time(parameters: &Parameters, name: &str, zone: Tz) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = parameters.text(name) else { return Ok(None) };
    let read = when::read_wire(text).and_then(|time| time.instant(zone));
    read.map(Some).ok_or_else(|| ApiError::field(name, Expected::WireTime))
}

/// Just after an instant, or the beginning of the day after: the app means what it names to be in the list.
fn end(parameters: &Parameters, name: &str, zone: Tz) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = parameters.text(name) else { return Ok(None) };
    let read = when::read_wire(text).and_then(|mut time| {
        if time.date_only {
            time.local = time.local.checked_add_days(Days::new(1))?;
            return time.instant(zone);
        }
        time.instant(zone).map(|instant| instant.plus_ms(1))
    });
    read.map(Some).ok_or_else(|| ApiError::field(name, Expected::WireTime))
}
