//! Rows from the app: read, handed on in one piece, and each answered for, in the three shapes that the app may ask in.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::row::{local_time, number};
use super::{answer, reporter, require};
use crate::http::auth::TokenScope;
use crate::http::body::PlainText;
use crate::http::fields::Fields;
use crate::http::limits::UPLOAD_BYTES_MAX;
use crate::http::messages::{self, Language};
use crate::http::problem::ApiError;
use crate::http::state::ApiState;
use crate::ledger::Refusal;
use crate::model::ShopId;
use crate::money::Amount;
use crate::replica::{Answer, Command, ReportOutcome, ReportedRow};
use crate::rows::{Members, RowContext, RowRefusal, name_row, read_report};

/// What became of one row.
struct Judged {
    /// `id`, as it was sent.
    id: Box<RawValue>,
    reference: Option<String>,
    fate: Fate,
}

enum Fate {
    Taken { deed: Deed, server_id: u64, amount: Amount },
    Refused { why: String },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Created,
    Updated,
    Skipped { smaller: bool },
}

impl Deed {
    /// Its word in `action` and `status`.
    fn word(self) -> &'static str {
        match self {
            Deed::Created => "created",
            Deed::Updated => "updated",
            Deed::Skipped { .. } => "skipped",
        }
    }
}

#[derive(Serialize)]
struct BatchEntry<'a> {
    id: &'a RawValue,
    local_id: &'a RawValue,
    server_id: u64,
    action: &'static str,
    status: &'static str,
    reference: &'a str,
    montant_credit: Box<RawValue>,
}

#[derive(Serialize)]
struct BatchError<'a> {
    index: usize,
    credit_id: &'a RawValue,
    reference: Option<&'a str>,
    error: &'a str,
}

#[derive(Serialize)]
struct Batch<'a> {
    success: bool,
    synced_credits: Vec<BatchEntry<'a>>,
    errors: Vec<BatchError<'a>>,
    statistics: Value,
    total_processed: usize,
    total_errors: usize,
}

#[derive(Serialize)]
struct UploadEntry<'a> {
    id: &'a RawValue,
    server_id: u64,
    status: &'static str,
}

#[derive(Serialize)]
struct UploadError<'a> {
    credit_id: &'a RawValue,
    error: &'a str,
}

#[derive(Serialize)]
struct Upload<'a> {
    success: bool,
    synced_credits: Vec<UploadEntry<'a>>,
    errors: Vec<UploadError<'a>>,
    total_synced: usize,
    total_errors: usize,
}

/// `{"shop_id", "credits"}`: what became of each row, with its place and reference.
pub(super) async fn batch(
    State(state): State<ApiState>,
    scope: TokenScope,
    body: PlainText<UPLOAD_BYTES_MAX>,
) -> Result<Response, ApiError> {
    let rows = take(&state, &scope, &body.0).await?;
    let mut entries = Vec::new();
    let mut errors = Vec::new();
    let (mut created, mut updated, mut skipped) = (0, 0, 0);
    for (index, row) in rows.iter().enumerate() {
        let reference = row.reference.as_deref();
        match &row.fate {
            Fate::Refused { why } => errors.push(BatchError { index, credit_id: &row.id, reference, error: why }),
            Fate::Taken { deed, server_id, amount } => {
                match deed {
                    Deed::Created => created += 1,
                    Deed::Updated => updated += 1,
                    Deed::Skipped { .. } => skipped += 1,
                }
                entries.push(BatchEntry {
                    id: &row.id,
                    local_id: &row.id,
                    server_id: *server_id,
                    action: deed.word(),
                    status: deed.word(),
                    reference: reference.unwrap_or_default(),
                    montant_credit: number(amount.to_decimal_string())?,
                });
            }
        }
    }
    let statistics = json!({ "created": created, "updated": updated, "skipped": skipped, "errors": errors.len() });
    let (total_processed, total_errors) = (rows.len(), errors.len());
    answer(&Batch { success: true, synced_credits: entries, errors, statistics, total_processed, total_errors })
}

/// The same body, answered more briefly.
pub(super) async fn upload(
    State(state): State<ApiState>,
    scope: TokenScope,
    body: PlainText<UPLOAD_BYTES_MAX>,
) -> Result<Response, ApiError> {
    let rows = take(&state, &scope, &body.0).await?;
    let mut entries = Vec::new();
    let mut errors = Vec::new();
    for row in &rows {
        match &row.fate {
            Fate::Refused { why } => errors.push(UploadError { credit_id: &row.id, error: why }),
            Fate::Taken { deed, server_id, .. } => {
                entries.push(UploadEntry { id: &row.id, server_id: *server_id, status: deed.word() });
            }
        }
    }
    let (total_synced, total_errors) = (entries.len(), errors.len());
    answer(&Upload { success: true, synced_credits: entries, errors, total_synced, total_errors })
}

/// The same body, answered row by row in their order.
pub(super) async fn sync_upload(
    State(state): State<ApiState>,
    scope: TokenScope,
    body: PlainText<UPLOAD_BYTES_MAX>,
) -> Result<Response, ApiError> {
    let rows = take(&state, &scope, &body.0).await?;
    let results: Vec<Value> = rows.iter().map(Judged::result).collect();
    let timestamp = local_time(state.now(), state.zone().await?);
    answer(&json!({ "success": true, "processed": results.len(), "results": results, "timestamp": timestamp }))
}

impl Judged {
    fn result(&self) -> Value {
        let reference = &self.reference;
        match &self.fate {
            Fate::Refused { why } => json!({ "reference": reference, "action": "error", "id": null, "error": why }),
            Fate::Taken { deed: Deed::Skipped { smaller }, server_id, .. } => {
                let reason = match smaller {
                    true => "montant_paye est inférieur à ce que cette application avait déjà : rien n'est repris",
                    false => "rien n'a changé",
                };
                json!({ "reference": reference, "action": "skipped", "id": server_id, "reason": reason })
            }
            Fate::Taken { deed, server_id, .. } => {
                let action = if *deed == Deed::Created { "inserted" } else { "updated" };
                json!({ "reference": reference, "action": action, "id": server_id })
            }
        }
    }
}

/// Reads the rows of a body, hands on those that can be read and are the token's, and says what became of each.
async fn take(state: &ApiState, scope: &TokenScope, body: &str) -> Result<Vec<Judged>, ApiError> {
    let fields = Fields::of_body(body)?;
    let shop = require(scope, ShopId(fields.any_shop("shop_id")?))?;
    // The bound of the body is the bound of the rows.
    let rows = fields.rows("credits")?;

    let context = RowContext { zone: state.zone().await?, now: state.now() };
    let read: Vec<Result<(ReportedRow, Option<RowRefusal>), String>> =
        rows.iter().map(|row| read_one(row, &context, scope)).collect();
    let mut taken = Vec::new();
    taken.extend(read.iter().filter_map(|row| row.as_ref().ok().map(|(row, _)| row.clone())));
    let mut outcomes = if taken.is_empty() {
        Vec::new()
    } else {
        match state.node().command(Command::Report { by: reporter(scope), shop, rows: taken }, None).await? {
            Answer::Reported(outcomes) => outcomes,
            _ => return Err(ApiError::Internal),
        }
    }
    .into_iter();

    let mut judged = Vec::with_capacity(rows.len());
    for (raw, row) in rows.iter().zip(read) {
        let (_, mut reference) = name_row(raw);
        let fate = match row {
            Err(why) => Fate::Refused { why },
            Ok((row, doubt)) => {
                reference = Some(row.grant.reference.to_string());
                fate_of(outcomes.next().ok_or(ApiError::Internal)?, row.grant.amount, doubt)
            }
        };
        judged.push(Judged { id: id_as_sent(raw)?, reference, fate });
    }
    Ok(judged)
}

/// Reads a row, unless it is another shop's.
fn read_one(
    row: &RawValue,
    context: &RowContext,
    scope: &TokenScope,
) -> Result<(ReportedRow, Option<RowRefusal>), String> {
    let (row, doubt) = read_report(row, context).map_err(|refusal| told(&refusal))?;
    let ShopId(shop) = row.shop;
    if scope.shops.contains(&row.shop) {
        Ok((row, doubt))
    } else {
        Err(format!("shop_id : ce jeton ne vaut pas pour le shop {shop}"))
    }
}

fn fate_of(outcome: ReportOutcome, amount: Amount, doubt: Option<RowRefusal>) -> Fate {
    let (deed, server_id) = match outcome {
        ReportOutcome::Created { server_id } => (Deed::Created, server_id),
        ReportOutcome::Updated { server_id } => (Deed::Updated, server_id),
        ReportOutcome::Skipped { server_id, smaller } => (Deed::Skipped { smaller }, server_id),
        ReportOutcome::Contradicts => {
            let why = doubt.as_ref().map_or_else(|| "statut : contredit les montants".to_owned(), told);
            return Fate::Refused { why };
        }
        ReportOutcome::Refused(refusal) => {
            return Fate::Refused { why: in_wire_words(&refusal) };
        }
    };
    Fate::Taken { deed, server_id, amount }
}

/// The sentence of a refusal of the rules, after the name of the field that it is about.
fn in_wire_words(refusal: &Refusal) -> String {
    let field = match refusal {
        Refusal::UnknownShop { .. } | Refusal::NotGateway { .. } => "shop_id : ",
        Refusal::UnknownSim { .. } | Refusal::SimOfAnotherShop { .. } | Refusal::SimInactive { .. } => "sim_numero : ",
        Refusal::ReferenceTaken { .. } | Refusal::AmbiguousReference { .. } => "reference : ",
        _ => "",
    };
    format!("{field}{}", messages::sentence(refusal, Language::French))
}

/// The field and what is wrong with it.
fn told(refusal: &RowRefusal) -> String {
    match refusal.field.as_str() {
        "" => refusal.reason.clone(),
        field => format!("{field} : {}", refusal.reason),
    }
}

/// The row's own id, as the app wrote it: by it the app finds the row again.
fn id_as_sent(row: &RawValue) -> Result<Box<RawValue>, ApiError> {
    let members = Members::read(row.get()).unwrap_or_default();
    let text = members.get("id").map_or("null", RawValue::get);
    RawValue::from_string(text.to_owned()).map_err(|_| ApiError::Internal)
}
