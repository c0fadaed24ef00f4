//! One of each answer that is no: status, code, sentence and facts of the document's examples are made from them by
//! the code that makes the real ones. A test sees that none is missing.

use crate::http::limits::{BODY_BYTES_MAX, TOKENS_MAX};
use crate::http::problem::{ApiError, Expected, Unfit};
use crate::ledger::{OtherShare, Refusal};
use crate::model::{
    CaptureState, CreditId, FieldError, FieldFault, MovementId, PaymentId, Reference, ShopId, SimNumber, Timestamp,
};
use crate::money::{Amount, Currency, MoneyError};

/// One of each. Where two share a code, the first is the example.
pub(super) fn all() -> Vec<ApiError> {
    let mut all = of_the_face();
    all.extend(of_the_rules().unwrap_or_default().into_iter().map(ApiError::Refused));
    all
}

fn of_the_face() -> Vec<ApiError> {
    let field = |name: &str| name.to_owned();
    vec![
        ApiError::NotFound,
        ApiError::MethodNotAllowed,
        ApiError::Unauthorized,
        ApiError::TooManyFailures { retry_after_s: 42 },
        ApiError::TooManyRequests { retry_after_s: 1 },
        ApiError::TokenReadsOnly,
        ApiError::NotForTokens,
        ApiError::ShopOutsideToken { shop: ShopId(2) },
        ApiError::ForeignHost,
        ApiError::ForeignOrigin,
        ApiError::BodyTooLarge { limit: BODY_BYTES_MAX },
        ApiError::NotJson,
        ApiError::BodyUnreadable,
        ApiError::NotUtf8,
        ApiError::MalformedJson { line: 1, column: 17 },
        ApiError::MissingField { field: field("amount") },
        ApiError::UnknownField { field: field("amout") },
        ApiError::DuplicateField { field: field("amount") },
        ApiError::InvalidField { field: field("amount"), expected: Expected::DecimalText },
        ApiError::InvalidIdempotencyKey,
        ApiError::UnknownToken { id: field("k3v7") },
        ApiError::TooManyTokens { limit: TOKENS_MAX },
        ApiError::TooManyStreams,
        ApiError::NotReady { checks: vec![("engine", None), ("store", Some(Unfit::DiskFull)), ("clock", None)] },
        ApiError::TimedOut,
        ApiError::Internal,
    ]
}

/// `None` cannot be: it would mean that a number or reference written here is not one, which the test would see.
fn of_the_rules() -> Option<Vec<Refusal>> {
    let mut all = of_books()?;
    all.extend(of_money());
    all.extend(of_devices()?);
    Some(all)
}

fn of_books() -> Option<Vec<Refusal>> {
    let amount = |text| Amount::parse(text, Currency::Usd).ok();
    let text = |text: &str| text.to_owned();
    let reference = Reference::new("CRED-2026-001").ok()?;
    let sim = SimNumber::new("+243970000001").ok()?;
    let (credit, payment, movement) = (CreditId([1; 10]), PaymentId([2; 10]), MovementId([3; 10]));
    let shop = ShopId(1);
    let at = Timestamp(1_790_812_800_000);
    Some(vec![
        Refusal::ClockBefore2020 { now: Timestamp(0) },
        Refusal::KeyReused,
        Refusal::NotAllowed { needs: text("head office") },
        Refusal::Field(FieldError::new("notes", FieldFault::ControlCharacter)),
        Refusal::UnknownShop { shop },
        Refusal::ShopExists { shop, name: text("Goma") },
        Refusal::UnknownSim { sim: sim.clone() },
        Refusal::SimExists { sim: sim.clone(), shop },
        Refusal::SimOfAnotherShop { sim: sim.clone(), owner: ShopId(2), shop },
        Refusal::SimInactive { sim: sim.clone() },
        Refusal::ReferenceTaken { reference: reference.clone(), credit },
        Refusal::OldIdTaken { old_id: 7, credit },
        Refusal::RowSaysMore {
            reference: reference.clone(),
            paid: amount("1")?.balance(),
            row_paid: amount("2")?,
            row_cancelled: true,
        },
        Refusal::UnknownCredit { key: text("CRED-2026-001") },
        Refusal::AmbiguousReference { reference: reference.clone(), count: 2 },
        Refusal::UnknownConflict { key: text("cf_aaaaaaaaaaaaaaaa") },
        Refusal::DecisionNotOpen { decision: text("renumber"), open: vec![text("handled"), text("give_back")] },
        Refusal::CreditCancelled { reference: reference.clone() },
        Refusal::CreditPaid { reference: reference.clone() },
        Refusal::CancelWithPayments { reference: reference.clone(), paid: amount("25.50")?.balance() },
        Refusal::PaymentExceedsRemaining { asked: amount("150")?, remaining: amount("100")? },
        Refusal::UnknownPayment { reference: reference.clone(), payment: payment.to_string() },
        Refusal::PaymentReversed { payment },
        Refusal::NothingToChange,
        Refusal::UnknownMovement { key: movement.to_string() },
        Refusal::MovementKind { movement, found: text("deposit"), expected: text("capture") },
        Refusal::MovementOfAnotherDevice { movement, device: text("phone") },
        Refusal::MovementReversed { movement },
        Refusal::CaptureNotPending { movement, state: CaptureState::Validated },
        Refusal::AlreadyReimbursed { movement },
        Refusal::WithoutEffect { movement },
        Refusal::CreditNotCancelled { reference: reference.clone() },
        Refusal::CreditReturned { reference: reference.clone() },
        Refusal::CreditOfAnotherDevice { reference, device: text("phone") },
        Refusal::InsufficientShare {
            asked: amount("80")?,
            share: amount("20")?.balance(),
            available: amount("100")?.balance(),
            sim: sim.clone(),
            shop,
            holders: vec![OtherShare { device: text("phone"), share: amount("80")?.balance(), last_seen: Some(at) }],
        },
        Refusal::SimNotInHand { sim, share: amount("20")?.balance(), available: amount("100")?.balance() },
        Refusal::BadCursor,
        Refusal::DiskFull,
        Refusal::ReadOnly { detail: text("input/output error") },
        Refusal::Busy,
    ])
}

fn of_money() -> Vec<Refusal> {
    let value = |text: &str| text.to_owned();
    let faults = [
        ("currency", MoneyError::UnknownCurrency { text: value("EUR") }),
        ("amount", MoneyError::NotANumber { text: value("12,50") }),
        ("amount", MoneyError::Negative { value: value("-1") }),
        ("amount", MoneyError::TooManyDecimals { value: value("1.005") }),
        ("amount", MoneyError::TooLarge { value: value("10000000000000") }),
        ("amount", MoneyError::CurrencyMismatch { left: Currency::Usd, right: Currency::Cdf }),
    ];
    faults.into_iter().map(|(field, fault)| Refusal::Money { field: field.to_owned(), fault }).collect()
}

fn of_devices() -> Option<Vec<Refusal>> {
    let device = || "phone".to_owned();
    Some(vec![
        Refusal::UnknownDevice { key: device() },
        Refusal::DeviceNeverMet { device: device() },
        Refusal::NotKeeper { shop: ShopId(1), keeper: "pc".to_owned() },
        Refusal::NothingToClose { device: device() },
        Refusal::CannotSucceed { device: device() },
        Refusal::UnknownInvitation,
        Refusal::InvitationUsed,
        Refusal::InvitationExpired { expired_at: Timestamp(1_790_812_800_000) },
    ])
}
