//! Which HTTP status each refusal has. The only file that chooses one; no match here has a wildcard, so that a
//! new refusal cannot be forgotten.

use axum::http::StatusCode;

use super::problem::ApiError;
use crate::ledger::Refusal;

/// When to try again where the engine is busy.
const RETRY_BUSY_S: u64 = 1;
/// When to try again where a disk must first be mended or emptied.
const RETRY_DISK_S: u64 = 60;

/// The status of an answer that is no.
pub fn of(error: &ApiError) -> StatusCode {
    match error {
        ApiError::Refused(refusal) => of_refusal(refusal),
        ApiError::BodyUnreadable | ApiError::NotUtf8 | ApiError::MalformedJson { .. } => StatusCode::BAD_REQUEST,
        ApiError::Unauthorized => StatusCode::UNAUTHORIZED,
        ApiError::TokenReadsOnly
        | ApiError::NotForTokens
        | ApiError::ShopOutsideToken { .. }
        | ApiError::ForeignHost
        | ApiError::ForeignOrigin => StatusCode::FORBIDDEN,
        ApiError::NotFound | ApiError::UnknownToken { .. } => StatusCode::NOT_FOUND,
        ApiError::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ApiError::TooManyTokens { .. } => StatusCode::CONFLICT,
        ApiError::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        ApiError::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ApiError::MissingField { .. }
        | ApiError::UnknownField { .. }
        | ApiError::DuplicateField { .. }
        | ApiError::InvalidField { .. }
        | ApiError::InvalidIdempotencyKey => StatusCode::UNPROCESSABLE_ENTITY,
        ApiError::TooManyFailures { .. } | ApiError::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
        ApiError::TimedOut | ApiError::TooManyStreams | ApiError::NotReady { .. } => StatusCode::SERVICE_UNAVAILABLE,
        ApiError::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The status of a refusal of the rules.
pub fn of_refusal(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::NotAllowed { .. } | Refusal::NotKeeper { .. } => StatusCode::FORBIDDEN,
        Refusal::UnknownShop { .. }
        | Refusal::UnknownSim { .. }
        | Refusal::UnknownCredit { .. }
        | Refusal::UnknownConflict { .. }
        | Refusal::UnknownPayment { .. }
        | Refusal::UnknownMovement { .. }
        | Refusal::UnknownDevice { .. }
        | Refusal::UnknownInvitation => StatusCode::NOT_FOUND,
        Refusal::ClockBefore2020 { .. }
        | Refusal::KeyReused
        | Refusal::ShopExists { .. }
        | Refusal::SimExists { .. }
        | Refusal::SimOfAnotherShop { .. }
        | Refusal::SimInactive { .. }
        | Refusal::ReferenceTaken { .. }
        | Refusal::OldIdTaken { .. }
        | Refusal::RowSaysMore { .. }
        | Refusal::AmbiguousReference { .. }
        | Refusal::DecisionNotOpen { .. }
        | Refusal::CreditCancelled { .. }
        | Refusal::CreditPaid { .. }
        | Refusal::CancelWithPayments { .. }
        | Refusal::PaymentExceedsRemaining { .. }
        | Refusal::PaymentReversed { .. }
        | Refusal::NothingToChange
        | Refusal::MovementKind { .. }
        | Refusal::MovementOfAnotherDevice { .. }
        | Refusal::MovementReversed { .. }
        | Refusal::CaptureNotPending { .. }
        | Refusal::AlreadyReimbursed { .. }
        | Refusal::WithoutEffect { .. }
        | Refusal::CreditNotCancelled { .. }
        | Refusal::CreditReturned { .. }
        | Refusal::CreditOfAnotherDevice { .. }
        | Refusal::InsufficientShare { .. }
        | Refusal::SimNotInHand { .. }
        | Refusal::DeviceNeverMet { .. }
        | Refusal::NothingToClose { .. }
        | Refusal::CannotSucceed { .. }
        | Refusal::InvitationUsed
        | Refusal::InvitationExpired { .. } => StatusCode::CONFLICT,
        Refusal::Field(_) | Refusal::Money { .. } | Refusal::BadCursor => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::DiskFull | Refusal::ReadOnly { .. } | Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The `Retry-After` of an answer that may be otherwise later. Every 429 and 503 has one.
pub fn retry_after_s(error: &ApiError) -> Option<u64> {
    match error {
        ApiError::TooManyFailures { retry_after_s } | ApiError::TooManyRequests { retry_after_s } => {
            Some(*retry_after_s)
        }
        ApiError::Refused(Refusal::DiskFull | Refusal::ReadOnly { .. }) => Some(RETRY_DISK_S),
        _ if of(error) == StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_BUSY_S),
        _ => None,
    }
}
