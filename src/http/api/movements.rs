//! A SIM's captures, withdrawals and deposits, and what is done to them later.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::sims::sim_in_path;
use super::{Body, scope, why_and_who};
use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::fields::Fields;
use crate::http::openapi::{MONEY, Operation, RequestBody, SHARE, SIM, WRITES, kinds};
use crate::http::parameters::{InPath, Parameters};
use crate::http::problem::ApiError;
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::model::{Capture, CaptureState, Deposit, MovementKind, Withdrawal};
use crate::replica::{Command, MovementView, Page, Query};

pub(super) fn add(routes: Routes) -> Routes {
    let done = |french, english| {
        Operation::new(french, english).keyed().shows::<MovementView>().refuses(WRITES).refuses(MOVEMENT)
    };
    let why = RequestBody::new()
        .needs("reason", kinds::text("Why."))
        .may("agent", kinds::agent())
        .example(json!({ "reason": "Saisi deux fois" }));
    routes
        .get(
            "/api/v1/sims/{numero}/movements",
            Access::Read,
            Operation::new("Les mouvements d'une SIM, page par page.", "A SIM's movements, page by page.")
                .query("limit", kinds::limit())
                .query("after", kinds::after())
                .shows::<Page<MovementView>>()
                .refuses(&["unknown_sim", "bad_cursor"])
                .scoped(),
            list,
        )
        .post("/api/v1/sims/{numero}/movements", Access::Write, records(), create)
        .post(
            "/api/v1/movements/{id}/validation",
            Access::Write,
            done("Valider une capture en attente.", "Validates a pending capture.").refuses(&["capture_not_pending"]),
            validate,
        )
        .post(
            "/api/v1/movements/{id}/reimbursement",
            Access::Write,
            done("Noter qu'un retrait est remboursé.", "Records that a withdrawal is reimbursed.")
                .refuses(&["already_reimbursed"]),
            reimburse,
        )
        .post(
            "/api/v1/movements/{id}/reversal",
            Access::Write,
            done("Annuler un mouvement.", "Reverses a movement.").body(why).refuses(SHARE),
            reverse,
        )
}

/// What any change of a movement may be refused for.
const MOVEMENT: &[&str] = &[
    "unknown_movement",
    "unknown_sim",
    "movement_kind",
    "movement_of_another_device",
    "movement_reversed",
    "without_effect",
];

fn records() -> Operation {
    let body = RequestBody::new()
        .needs("kind", kinds::words(&KINDS))
        .needs("amount", kinds::decimal("How much, above zero."))
        .needs("currency", kinds::currency())
        .may("cash", kinds::decimal("Capture: what was handed out."))
        .may("fee", kinds::decimal("Capture: what the shop kept."))
        .may("reference", kinds::text("Capture: the operator's reference."))
        .may("client", kinds::text("Capture: who."))
        .may("phone", kinds::text("Capture, deposit: whose."))
        .may("pending", kinds::boolean("Capture: not validated yet."))
        .may("owed_by", kinds::shop("Withdrawal: the shop that owes the cash."))
        .may("agent", kinds::agent())
        .example(json!({ "kind": "deposit", "amount": "50.00", "currency": "USD", "phone": "+243990000001" }))
        .example(json!({ "kind": "withdrawal", "amount": "20.00", "currency": "USD", "owed_by": 2 }))
        .example(json!({ "kind": "capture", "amount": "10.00", "currency": "CDF", "cash": "9.00", "fee": "1.00" }));
    Operation::new("Noter une capture, un retrait ou un dépôt.", "Records a capture, withdrawal or deposit.")
        .body(body)
        .keyed()
        .creates::<MovementView>()
        .refuses(MONEY)
        .refuses(WRITES)
        .refuses(SIM)
        .refuses(SHARE)
        .refuses(&["unknown_shop"])
        .scoped()
}

async fn list(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(numero): InPath<String>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let sim = sim_in_path(&numero)?;
    let (limit, after) = (parameters.limit()?, parameters.after());
    parameters.finish()?;
    scope::require_sim(&state, &identity, &sim).await?;
    answer::shown(&state.node().query(Query::Movements { sim, limit, after }).await?)
}

/// `{"kind": "capture", "amount", "currency", "cash"?, "fee"?, "reference"?, "client"?, "phone"?, "pending"?}`,
/// `{"kind": "withdrawal", "amount", "currency", "owed_by"?}` or
/// `{"kind": "deposit", "amount", "currency", "phone"?}`, each with `"agent"?`
async fn create(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(numero): InPath<String>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let sim = sim_in_path(&numero)?;
    let fields = body.fields()?;
    let kind = read_kind(&fields)?;
    let agent = identity.agent(fields.text("agent")?);
    fields.finish()?;
    scope::require_sim(&state, &identity, &sim).await?;
    let answer = state.node().command(Command::Move { sim: sim.clone(), kind, agent }, key.0).await?;
    answer::created(answer::shown(&answer)?, &["sims", sim.as_str(), "movements"])
}

#[derive(Clone, Copy)]
enum Kind {
    Capture,
    Withdrawal,
    Deposit,
}

const KINDS: [(&str, Kind); 3] =
    [("capture", Kind::Capture), ("withdrawal", Kind::Withdrawal), ("deposit", Kind::Deposit)];

fn read_kind(fields: &Fields<'_>) -> Result<MovementKind, ApiError> {
    let kind = fields.word("kind", &KINDS)?;
    let kind = fields.require("kind", kind)?;
    let currency = fields.currency("currency")?;
    let amount = fields.positive_amount("amount", currency)?;
    Ok(match kind {
        Kind::Capture => MovementKind::Capture(Capture {
            amount,
            cash: fields.amount("cash", currency)?,
            fee: fields.amount("fee", currency)?,
            reference: fields.text("reference")?,
            client: fields.text("client")?,
            phone: fields.text("phone")?,
            state: match fields.boolean("pending")? {
                Some(true) => CaptureState::Pending,
                Some(false) | None => CaptureState::Validated,
            },
        }),
        Kind::Withdrawal => {
            MovementKind::Withdrawal(Withdrawal { amount, owed_by: fields.shop("owed_by")?, reimbursed: false })
        }
        Kind::Deposit => MovementKind::Deposit(Deposit { amount, phone: fields.text("phone")? }),
    })
}

async fn validate(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(movement): InPath<String>,
    key: IdempotencyKey,
) -> Result<Response, ApiError> {
    scope::require_movement(&state, &identity, &movement).await?;
    answer::shown(&state.node().command(Command::ValidateCapture { movement }, key.0).await?)
}

async fn reimburse(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(movement): InPath<String>,
    key: IdempotencyKey,
) -> Result<Response, ApiError> {
    scope::require_movement(&state, &identity, &movement).await?;
    answer::shown(&state.node().command(Command::Reimburse { movement }, key.0).await?)
}

/// `{"reason", "agent"?}`
async fn reverse(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(movement): InPath<String>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let (why, agent) = why_and_who(&body, &identity)?;
    scope::require_movement(&state, &identity, &movement).await?;
    answer::shown(&state.node().command(Command::ReverseMovement { movement, why, agent }, key.0).await?)
}
