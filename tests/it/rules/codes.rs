//! Every refusal, and where it is met: who adds one is made to say where it is tried.

use ucash::ledger::Refusal;

/// Where a refusal is met: in a table above, or elsewhere, and why.
#[derive(Debug, PartialEq)]
pub enum Met {
    InTables,
    Elsewhere(&'static str),
}

/// No wildcard: who adds a refusal must say here where it is tried.
pub fn met(refusal: &Refusal) -> Met {
    match refusal {
        Refusal::KeyReused
        | Refusal::NotAllowed { .. }
        | Refusal::NotGateway { .. }
        | Refusal::Field(_)
        | Refusal::Money { .. }
        | Refusal::UnknownShop { .. }
        | Refusal::ShopExists { .. }
        | Refusal::UnknownSim { .. }
        | Refusal::SimExists { .. }
        | Refusal::SimOfAnotherShop { .. }
        | Refusal::ReferenceTaken { .. }
        | Refusal::OldIdTaken { .. }
        | Refusal::UnknownCredit { .. }
        | Refusal::AmbiguousReference { .. }
        | Refusal::UnknownConflict { .. }
        | Refusal::DecisionNotOpen { .. }
        | Refusal::CreditCancelled { .. }
        | Refusal::CreditPaid { .. }
        | Refusal::CancelWithPayments { .. }
        | Refusal::PaymentExceedsRemaining { .. }
        | Refusal::UnknownPayment { .. }
        | Refusal::PaymentReversed { .. }
        | Refusal::NothingToChange
        | Refusal::UnknownMovement { .. }
        | Refusal::MovementKind { .. }
        | Refusal::MovementOfAnotherDevice { .. }
        | Refusal::MovementReversed { .. }
        | Refusal::CaptureNotPending { .. }
        | Refusal::AlreadyReimbursed { .. }
        | Refusal::InsufficientShare { .. }
        | Refusal::UnknownDevice { .. }
        | Refusal::BadCursor => Met::InTables,
        Refusal::WithoutEffect { .. }
        | Refusal::CreditNotCancelled { .. }
        | Refusal::CreditReturned { .. }
        | Refusal::CreditOfAnotherDevice { .. }
        | Refusal::SimNotInHand { .. }
        | Refusal::DeviceNeverMet { .. }
        | Refusal::NotKeeper { .. }
        | Refusal::NothingToClose { .. }
        | Refusal::CannotSucceed { .. } => Met::Elsewhere("in `shares` and `closings`, a row each"),
        Refusal::RowSaysMore { .. } => Met::Elsewhere("an import's row, in `keys_and_imports`"),
        Refusal::ClockBefore2020 { .. } => Met::Elsewhere("only founding is refused, in `bad_input`"),
        Refusal::SimInactive { .. } => Met::Elsewhere("no command puts a SIM out of use yet"),
        Refusal::UnknownInvitation | Refusal::InvitationUsed | Refusal::InvitationExpired { .. } => {
            Met::Elsewhere("a joiner hears it over the wire, not by a command")
        }
        Refusal::DiskFull => Met::Elsewhere("needs a disk that is full"),
        Refusal::ReadOnly { .. } => Met::Elsewhere("needs a disk that fails"),
        Refusal::Busy => Met::Elsewhere("said by the node's queue, before the replica is asked"),
    }
}

/// The codes of every refusal that is met in the tables.
pub const CODES: [&str; 33] = [
    "already_reimbursed",
    "ambiguous_reference",
    "amount_negative",
    "amount_not_a_number",
    "amount_too_large",
    "amount_too_many_decimals",
    "bad_cursor",
    "cancel_with_payments",
    "capture_not_pending",
    "credit_cancelled",
    "credit_paid",
    "idempotency_key_reused",
    "insufficient_share",
    "invalid_field",
    "movement_kind",
    "movement_of_another_device",
    "movement_reversed",
    "not_allowed",
    "nothing_to_change",
    "old_id_taken",
    "payment_exceeds_remaining",
    "payment_reversed",
    "reference_taken",
    "shop_exists",
    "sim_exists",
    "sim_of_another_shop",
    "unknown_credit",
    "unknown_currency",
    "unknown_device",
    "unknown_movement",
    "unknown_payment",
    "unknown_shop",
    "unknown_sim",
];
