//! The facts of a refusal as JSON members: amounts as decimal strings beside their currency. No member may be
//! called `type`, `title`, `status`, `detail` or `code`: those are the problem document's own.

use serde_json::{Map, Value, json};

use crate::ledger::{OtherShare, Refusal};
use crate::model::{FieldFault, Timestamp};
use crate::money::MoneyError;

/// The facts that a refusal carries.
pub fn facts(refusal: &Refusal) -> Map<String, Value> {
    let members = match refusal {
        Refusal::ClockBefore2020 { now } => json!({ "now": now.to_rfc3339() }),
        Refusal::NotAllowed { needs } => json!({ "needs": needs }),
        Refusal::Field(error) => match &error.fault {
            FieldFault::TooLong { length, limit } => {
                json!({ "field": error.field, "length": length, "limit": limit })
            }
            FieldFault::Malformed { expected } => json!({ "field": error.field, "expected": expected }),
            FieldFault::Blank | FieldFault::ControlCharacter => json!({ "field": error.field }),
        },
        Refusal::Money { field, fault } => match fault {
            MoneyError::UnknownCurrency { text } | MoneyError::NotANumber { text } => {
                json!({ "field": field, "asked": text })
            }
            MoneyError::Negative { value } | MoneyError::TooManyDecimals { value } | MoneyError::TooLarge { value } => {
                json!({ "field": field, "asked": value })
            }
            MoneyError::CurrencyMismatch { left, right } => {
                json!({ "field": field, "currency": left, "other_currency": right })
            }
        },
        Refusal::NotGateway { shop, gateway } => json!({ "shop_id": shop, "gateway": gateway }),
        Refusal::UnknownShop { shop } => json!({ "shop_id": shop }),
        Refusal::ShopExists { shop, name } => json!({ "shop_id": shop, "name": name }),
        Refusal::UnknownSim { sim } | Refusal::SimInactive { sim } => json!({ "sim": sim }),
        Refusal::SimExists { sim, shop } => json!({ "sim": sim, "shop_id": shop }),
        Refusal::SimOfAnotherShop { sim, owner, shop } => {
            json!({ "sim": sim, "owner_shop_id": owner, "shop_id": shop })
        }
        Refusal::ReferenceTaken { reference, credit } => json!({ "reference": reference, "credit": credit }),
        Refusal::OldIdTaken { old_id, credit } => json!({ "old_id": old_id, "credit": credit }),
        Refusal::RowSaysMore { reference, paid, row_paid, row_cancelled } => json!({
            "reference": reference, "paid": paid.value().to_string(), "row_paid": row_paid.to_decimal_string(),
            "row_cancelled": row_cancelled, "currency": paid.currency(),
        }),
        Refusal::UnknownCredit { key } => json!({ "credit": key }),
        Refusal::UnknownConflict { key } => json!({ "conflict": key }),
        Refusal::DecisionNotOpen { decision, open } => json!({ "decision": decision, "open": open }),
        Refusal::AmbiguousReference { reference, count } => json!({ "reference": reference, "count": count }),
        Refusal::CreditCancelled { reference } | Refusal::CreditPaid { reference } => {
            json!({ "reference": reference })
        }
        Refusal::CancelWithPayments { reference, paid } => {
            json!({ "reference": reference, "paid": paid.value().to_string(), "currency": paid.currency() })
        }
        Refusal::PaymentExceedsRemaining { asked, remaining } => json!({
            "asked": asked.to_decimal_string(),
            "remaining": remaining.to_decimal_string(),
            "currency": asked.currency(),
        }),
        Refusal::UnknownPayment { reference, payment } => json!({ "reference": reference, "payment": payment }),
        Refusal::PaymentReversed { payment } => json!({ "payment": payment }),
        Refusal::UnknownMovement { key } => json!({ "movement": key }),
        Refusal::MovementKind { movement, found, expected } => {
            json!({ "movement": movement, "found": found, "expected": expected })
        }
        Refusal::MovementOfAnotherDevice { movement, device } => json!({ "movement": movement, "device": device }),
        Refusal::MovementReversed { movement } | Refusal::AlreadyReimbursed { movement } => {
            json!({ "movement": movement })
        }
        Refusal::CaptureNotPending { movement, state } => json!({ "movement": movement, "state": state }),
        Refusal::WithoutEffect { movement } => json!({ "movement": movement }),
        Refusal::CreditNotCancelled { reference } | Refusal::CreditReturned { reference } => {
            json!({ "reference": reference })
        }
        Refusal::CreditOfAnotherDevice { reference, device } => json!({ "reference": reference, "device": device }),
        Refusal::InsufficientShare { asked, share, available, holders, .. } => {
            let mut facts = json!({
                "asked": asked.to_decimal_string(),
                "share": share.value().to_string(),
                "available": available.value().to_string(),
                "currency": asked.currency(),
            });
            if !holders.is_empty() {
                let one = |other: &OtherShare| {
                    json!({
                        "device": other.device,
                        "share": other.share.value().to_string(),
                        "last_seen": other.last_seen.map(Timestamp::to_rfc3339),
                    })
                };
                facts["holders"] = holders.iter().map(one).collect();
            }
            facts
        }
        Refusal::SimNotInHand { sim, share, available } => json!({
            "sim": sim,
            "share": share.value().to_string(),
            "available": available.value().to_string(),
            "currency": available.currency(),
        }),
        Refusal::DeviceNeverMet { device } | Refusal::NothingToClose { device } | Refusal::CannotSucceed { device } => {
            json!({ "device": device })
        }
        Refusal::NotKeeper { shop, keeper } => json!({ "shop_id": shop, "keeper": keeper }),
        Refusal::UnknownDevice { key } => json!({ "device": key }),
        Refusal::InvitationExpired { expired_at } => json!({ "expired_at": expired_at.to_rfc3339() }),
        Refusal::DiskFull => json!({}),
        Refusal::ReadOnly { detail } => json!({ "cause": detail }),
        Refusal::BadCursor => json!({ "field": "after" }),
        Refusal::KeyReused => json!({ "field": "Idempotency-Key" }),
        Refusal::NothingToChange | Refusal::UnknownInvitation | Refusal::InvitationUsed | Refusal::Busy => json!({}),
    };
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
