//! `imports`: rows of the old server, each taken whole or refused with its reason.

use axum::extract::{Extension, State};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::http::answer;
use crate::http::auth::Access;
use crate::http::body::{IdempotencyKey, JsonText};
use crate::http::limits::UPLOAD_BYTES_MAX;
use crate::http::messages::{self, Language};
use crate::http::openapi::{Operation, RequestBody, WRITES, kinds};
use crate::http::problem::ApiError;
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::replica::{Answer, Command, RowOutcome};
use crate::rows::{RowContext, RowRefusal, Table, name_row, read_row};

pub(super) fn add(routes: Routes) -> Routes {
    let tables = Table::ALL.map(|table| (table.word(), table));
    let body = RequestBody::new()
        .needs("session", kinds::whole("A number of the caller's for one import: all tables under one."))
        .may("dry_run", kinds::boolean("Say what would become of each row, and take none."))
        .needs("table", kinds::words(&tables))
        .needs("rows", json!({ "type": "array", "items": {}, "minItems": 1, "description": "The old server's rows." }))
        .example(
            json!({ "session": 1, "table": "shops", "dry_run": true, "rows": [{ "id": 1, "designation": "Goma" }] }),
        );
    let operation = Operation::new(
        "Reprendre des lignes de l'ancien serveur, chacune entière ou refusée avec sa raison.",
        "Takes rows of the old server, each whole or refused with its reason.",
    );
    let operation = operation.body(body).keyed().shows::<Report>().refuses(WRITES);
    routes.long_post("/api/v1/imports", Access::Owner, operation, import)
}

/// What became of each row, and how many fared how.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Report {
    table: &'static str,
    dry_run: bool,
    created: usize,
    unchanged: usize,
    refused: usize,
    items: Vec<ReportedRow>,
}

/// What became of one row.
#[derive(Debug, Serialize, JsonSchema)]
struct ReportedRow {
    index: usize,
    id: Option<u64>,
    reference: Option<String>,
    outcome: &'static str,
    /// The field that was refused for, where one was.
    field: Option<String>,
    code: Option<&'static str>,
    reason: Option<String>,
}

/// `{"session", "dry_run"?, "table", "rows": [...]}`
async fn import(
    State(state): State<ApiState>,
    Extension(language): Extension<Language>,
    key: IdempotencyKey,
    body: JsonText<UPLOAD_BYTES_MAX>,
) -> Result<Response, ApiError> {
    let fields = body.fields()?;
    let session = fields.whole("session")?;
    let dry_run = fields.boolean("dry_run")?.unwrap_or(false);
    let tables = Table::ALL.map(|table| (table.word(), table));
    let table = fields.word("table", &tables)?;
    let table = fields.require("table", table)?;
    // Two bytes are the least that a row takes: the bound of the body is the bound of the rows.
    let rows = fields.list("rows", UPLOAD_BYTES_MAX / 2)?;
    let rows = fields.require("rows", rows)?;
    fields.finish()?;

    let context = RowContext { zone: state.zone().await?, now: state.now() };
    let read: Vec<_> = rows.iter().map(|row| read_row(table, row, &context)).collect();
    let taken: Vec<_> = read.iter().filter_map(|row| row.as_ref().ok().cloned()).collect();
    let mut outcomes = if taken.is_empty() {
        Vec::new()
    } else {
        match state.node().command(Command::Import { session, dry_run, rows: taken }, key.0).await? {
            Answer::Imported(outcomes) => outcomes,
            _ => return Err(ApiError::Internal),
        }
    }
    .into_iter();

    let mut report = Report { table: table.word(), dry_run, ..Report::default() };
    for (index, (raw, row)) in rows.iter().zip(&read).enumerate() {
        let (id, reference) = name_row(raw);
        let mut line = ReportedRow { index, id, reference, outcome: "refused", field: None, code: None, reason: None };
        match row {
            Err(refusal) => line.refuse_row(refusal),
            Ok(_) => line.take(&outcomes.next().ok_or(ApiError::Internal)?, language),
        }
        match line.outcome {
            "created" => report.created += 1,
            "unchanged" => report.unchanged += 1,
            _ => report.refused += 1,
        }
        report.items.push(line);
    }
    answer::json(&report)
}

impl ReportedRow {
    fn refuse_row(&mut self, refusal: &RowRefusal) {
        self.code = Some("invalid_row");
        self.field = Some(refusal.field.clone()).filter(|field| !field.is_empty());
        self.reason = Some(match &self.field {
            Some(field) => format!("{field} : {}", refusal.reason),
            None => refusal.reason.clone(),
        });
    }

    fn take(&mut self, outcome: &RowOutcome, language: Language) {
        match outcome {
            RowOutcome::Created => self.outcome = "created",
            RowOutcome::Unchanged => self.outcome = "unchanged",
            RowOutcome::Refused(refusal) => {
                self.code = Some(refusal.code());
                self.reason = Some(messages::sentence(refusal, language));
            }
        }
    }
}
