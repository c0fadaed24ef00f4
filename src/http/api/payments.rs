//! What is done to one credit: payments, their reversal, cancellation, the return of a cancelled amount.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::{Body, scope, why_and_who};
use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::openapi::{CREDIT, MONEY, Operation, RequestBody, WRITES, kinds};
use crate::http::parameters::InPath;
use crate::http::problem::ApiError;
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::model::PaymentMode;
use crate::replica::{Answer, Command, CreditView};

pub(super) fn add(routes: Routes) -> Routes {
    let done = |french, english| {
        Operation::new(french, english).keyed().shows::<CreditView>().refuses(WRITES).refuses(CREDIT).scoped()
    };
    let why = || {
        RequestBody::new()
            .needs("reason", kinds::text("Why."))
            .may("agent", kinds::agent())
            .example(json!({ "reason": "Erreur de saisie" }))
    };
    routes
        .post("/api/v1/credits/{key}/payments", Access::Write, pays(), pay)
        .post(
            "/api/v1/credits/{key}/payments/{payment}/reversal",
            Access::Write,
            done("Annuler un paiement.", "Reverses a payment.").body(why()).refuses(&[
                "unknown_payment",
                "payment_reversed",
                "credit_cancelled",
            ]),
            reverse,
        )
        .post(
            "/api/v1/credits/{key}/cancellation",
            Access::Write,
            done("Annuler un crédit.", "Cancels a credit.").body(why()).refuses(&[
                "credit_cancelled",
                "credit_paid",
                "cancel_with_payments",
            ]),
            cancel,
        )
        .post(
            "/api/v1/credits/{key}/return",
            Access::Write,
            done("Reprendre le montant d'un crédit annulé.", "Takes back the amount of a cancelled credit.")
                .refuses(&["credit_not_cancelled", "credit_returned", "credit_of_another_device"]),
            give_back,
        )
}

fn pays() -> Operation {
    let modes: Vec<_> = PaymentMode::ALL.iter().map(|mode| (mode.word(), *mode)).collect();
    let body = RequestBody::new()
        .needs("amount", kinds::decimal("How much, above zero, in the credit's currency."))
        .may("mode", kinds::words(&modes))
        .may("reference", kinds::text("Of the transfer."))
        .may("agent", kinds::agent())
        .example(json!({ "amount": "25.50", "mode": "cash" }));
    Operation::new("Noter un paiement.", "Records a payment.")
        .body(body)
        .keyed()
        .creates::<CreditView>()
        .refuses(MONEY)
        .refuses(WRITES)
        .refuses(CREDIT)
        .refuses(&["credit_cancelled", "credit_paid", "payment_exceeds_remaining"])
        .scoped()
}

/// `{"amount", "mode"?, "reference"?, "agent"?}`; the payment stands in its credit.
async fn pay(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(credit): InPath<String>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let fields = body.fields()?;
    let modes: Vec<_> = PaymentMode::ALL.iter().map(|mode| (mode.word(), *mode)).collect();
    let amount = fields.decimal("amount")?;
    let mode = fields.word("mode", &modes)?.unwrap_or(PaymentMode::Cash);
    let reference = fields.text("reference")?;
    let agent = identity.agent(fields.text("agent")?);
    fields.finish()?;
    let credit = scope::credit_key(&state, &identity, credit).await?;
    let command = Command::Pay { credit, amount, mode, reference, agent };
    match state.node().command(command, key.0).await? {
        Answer::Credit(credit) => {
            let id = credit.id.to_string();
            answer::created(answer::json(&credit)?, &["credits", &id])
        }
        _ => Err(ApiError::Internal),
    }
}

/// `{"reason", "agent"?}`
async fn reverse(
    State(state): State<ApiState>,
    identity: Identity,
    InPath((credit, payment)): InPath<(String, String)>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let (why, agent) = why_and_who(&body, &identity)?;
    let credit = scope::credit_key(&state, &identity, credit).await?;
    let command = Command::ReversePayment { credit, payment, why, agent };
    answer::shown(&state.node().command(command, key.0).await?)
}

/// `{"reason", "agent"?}`
async fn cancel(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(credit): InPath<String>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let (why, agent) = why_and_who(&body, &identity)?;
    let credit = scope::credit_key(&state, &identity, credit).await?;
    answer::shown(&state.node().command(Command::Cancel { credit, why, agent }, key.0).await?)
}

/// A cancelled amount comes back to this device's share at once, without waiting for the others to know.
async fn give_back(
    State(state): State<ApiState>,
    identity: Identity,
    InPath(credit): InPath<String>,
    key: IdempotencyKey,
) -> Result<Response, ApiError> {
    let credit = scope::credit_key(&state, &identity, credit).await?;
    answer::shown(&state.node().command(Command::ReturnCredit { credit }, key.0).await?)
}
