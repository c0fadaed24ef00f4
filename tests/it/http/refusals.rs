//! Every refusal has a status, a code, a French and an English sentence, and facts that keep out of the problem's
//! own members.

use std::collections::BTreeSet;

use serde_json::Value;
use ucash::http::messages::{facts, sentence};
use ucash::http::{ApiError, Language, retry_after_s, status_of_refusal};
use ucash::ledger::{OtherShare, Refusal};
use ucash::model::{
    CaptureState, CreditId, FieldError, FieldFault, MovementId, PaymentId, Reference, ShopId, SimNumber, Timestamp,
};
use ucash::money::{Amount, Balance, Currency, MoneyError};

/// Each variant once, with its status. A new variant does not compile until [`place`] has it, and does not pass
/// until it is here.
pub fn table() -> Vec<(Refusal, u16)> {
    let sim = || SimNumber::new("+243000001").expect("a number");
    let reference = || Reference::new("CRED-1").expect("a reference");
    let amount = |text| Amount::parse(text, Currency::Usd).expect("an amount");
    let balance = |text| -> Balance { amount(text).balance() };
    let (credit, payment, movement) = (CreditId([1; 10]), PaymentId([2; 10]), MovementId([3; 10]));
    let shop = ShopId(1);
    vec![
        (Refusal::ClockBefore2020 { now: Timestamp(0) }, 409),
        (Refusal::KeyReused, 409),
        (Refusal::NotAllowed { needs: "head office".to_owned() }, 403),
        (Refusal::Field(FieldError::new("notes", FieldFault::ControlCharacter)), 422),
        (Refusal::Money { field: "amount".to_owned(), fault: MoneyError::Negative { value: "-1".to_owned() } }, 422),
        (Refusal::UnknownShop { shop }, 404),
        (Refusal::ShopExists { shop, name: "Goma".to_owned() }, 409),
        (Refusal::UnknownSim { sim: sim() }, 404),
        (Refusal::SimExists { sim: sim(), shop }, 409),
        (Refusal::SimOfAnotherShop { sim: sim(), owner: ShopId(2), shop }, 409),
        (Refusal::SimInactive { sim: sim() }, 409),
        (Refusal::ReferenceTaken { reference: reference(), credit }, 409),
        (Refusal::OldIdTaken { old_id: 7, credit }, 409),
        (row_says_more(), 409),
        (Refusal::UnknownCredit { key: "X".to_owned() }, 404),
        (Refusal::AmbiguousReference { reference: reference(), count: 2 }, 409),
        (Refusal::CreditCancelled { reference: reference() }, 409),
        (Refusal::CreditPaid { reference: reference() }, 409),
        (Refusal::CancelWithPayments { reference: reference(), paid: balance("5") }, 409),
        (Refusal::PaymentExceedsRemaining { asked: amount("9"), remaining: amount("8") }, 409),
        (Refusal::UnknownPayment { reference: reference(), payment: "pm_x".to_owned() }, 404),
        (Refusal::PaymentReversed { payment }, 409),
        (Refusal::NothingToChange, 409),
        (Refusal::UnknownMovement { key: "mv_x".to_owned() }, 404),
        (Refusal::MovementKind { movement, found: "deposit".to_owned(), expected: "capture".to_owned() }, 409),
        (Refusal::MovementOfAnotherDevice { movement, device: "pc".to_owned() }, 409),
        (Refusal::MovementReversed { movement }, 409),
        (Refusal::CaptureNotPending { movement, state: CaptureState::Validated }, 409),
        (Refusal::AlreadyReimbursed { movement }, 409),
        (Refusal::WithoutEffect { movement }, 409),
        (Refusal::CreditNotCancelled { reference: reference() }, 409),
        (Refusal::CreditReturned { reference: reference() }, 409),
        (Refusal::CreditOfAnotherDevice { reference: reference(), device: "pc".to_owned() }, 409),
        (insufficient_share(Vec::new()), 409),
        (Refusal::SimNotInHand { sim: sim(), share: balance("20"), available: balance("100") }, 409),
        (Refusal::UnknownDevice { key: "pc".to_owned() }, 404),
        (Refusal::DeviceNeverMet { device: "pc".to_owned() }, 409),
        (Refusal::NotKeeper { shop, keeper: "pc".to_owned() }, 403),
        (Refusal::NothingToClose { device: "pc".to_owned() }, 409),
        (Refusal::CannotSucceed { device: "pc".to_owned() }, 409),
        (Refusal::UnknownInvitation, 404),
        (Refusal::InvitationUsed, 409),
        (Refusal::InvitationExpired { expired_at: Timestamp(0) }, 409),
        (Refusal::BadCursor, 422),
        (Refusal::DiskFull, 503),
        (Refusal::ReadOnly { detail: "full".to_owned() }, 503),
        (Refusal::Busy, 503),
        (Refusal::UnknownConflict { key: "cf_x".to_owned() }, 404),
        (Refusal::DecisionNotOpen { decision: "cancel".to_owned(), open: vec!["handled".to_owned()] }, 409),
        (Refusal::NotGateway { shop, gateway: None }, 403),
    ]
}

const VARIANTS: usize = 50;

fn insufficient_share(holders: Vec<OtherShare>) -> Refusal {
    let usd = |text| Amount::parse(text, Currency::Usd).expect("an amount");
    let sim = SimNumber::new("+243971777631").expect("a number");
    let (share, available) = (usd("20").balance(), usd("100").balance());
    Refusal::InsufficientShare { asked: usd("80"), share, available, sim, shop: ShopId(1), holders }
}

fn row_says_more() -> Refusal {
    let usd = |text| Amount::parse(text, Currency::Usd).expect("an amount");
    Refusal::RowSaysMore {
        reference: Reference::new("CRED-1").expect("a reference"),
        paid: usd("1").balance(),
        row_paid: usd("2"),
        row_cancelled: true,
    }
}

/// The place of each variant in [`table`].
fn place(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::ClockBefore2020 { .. } => 0,
        Refusal::KeyReused => 1,
        Refusal::NotAllowed { .. } => 2,
        Refusal::Field(_) => 3,
        Refusal::Money { .. } => 4,
        Refusal::UnknownShop { .. } => 5,
        Refusal::ShopExists { .. } => 6,
        Refusal::UnknownSim { .. } => 7,
        Refusal::SimExists { .. } => 8,
        Refusal::SimOfAnotherShop { .. } => 9,
        Refusal::SimInactive { .. } => 10,
        Refusal::ReferenceTaken { .. } => 11,
        Refusal::OldIdTaken { .. } => 12,
        Refusal::RowSaysMore { .. } => 13,
        Refusal::UnknownCredit { .. } => 14,
        Refusal::AmbiguousReference { .. } => 15,
        Refusal::CreditCancelled { .. } => 16,
        Refusal::NotGateway { .. } => 49,
        Refusal::UnknownConflict { .. } => 47,
        Refusal::DecisionNotOpen { .. } => 48,
        Refusal::CreditPaid { .. } => 17,
        Refusal::CancelWithPayments { .. } => 18,
        Refusal::PaymentExceedsRemaining { .. } => 19,
        Refusal::UnknownPayment { .. } => 20,
        Refusal::PaymentReversed { .. } => 21,
        Refusal::NothingToChange => 22,
        Refusal::UnknownMovement { .. } => 23,
        Refusal::MovementKind { .. } => 24,
        Refusal::MovementOfAnotherDevice { .. } => 25,
        Refusal::MovementReversed { .. } => 26,
        Refusal::CaptureNotPending { .. } => 27,
        Refusal::AlreadyReimbursed { .. } => 28,
        Refusal::WithoutEffect { .. } => 29,
        Refusal::CreditNotCancelled { .. } => 30,
        Refusal::CreditReturned { .. } => 31,
        Refusal::CreditOfAnotherDevice { .. } => 32,
        Refusal::InsufficientShare { .. } => 33,
        Refusal::SimNotInHand { .. } => 34,
        Refusal::UnknownDevice { .. } => 35,
        Refusal::DeviceNeverMet { .. } => 36,
        Refusal::NotKeeper { .. } => 37,
        Refusal::NothingToClose { .. } => 38,
        Refusal::CannotSucceed { .. } => 39,
        Refusal::UnknownInvitation => 40,
        Refusal::InvitationUsed => 41,
        Refusal::InvitationExpired { .. } => 42,
        Refusal::BadCursor => 43,
        Refusal::DiskFull => 44,
        Refusal::ReadOnly { .. } => 45,
        Refusal::Busy => 46,
    }
}

#[test]
fn every_refusal_is_said_in_full() {
    let table = table();
    assert_eq!(table.iter().map(|(refusal, _)| place(refusal)).collect::<Vec<_>>(), (0..VARIANTS).collect::<Vec<_>>());
    let codes: BTreeSet<&str> = table.iter().map(|(refusal, _)| refusal.code()).collect();
    assert_eq!(codes.len(), VARIANTS, "each has a code of its own");
    for (refusal, status) in &table {
        let code = refusal.code();
        assert_eq!(status_of_refusal(refusal).as_u16(), *status, "{code}");
        let (french, english) = (sentence(refusal, Language::French), sentence(refusal, Language::English));
        assert_ne!(french, english, "{code}");
        for text in [&french, &english] {
            assert!(text.len() > 30 && text.ends_with('.') && !text.contains("  "), "{code}: {text}");
        }
        let error = ApiError::from(refusal.clone());
        assert_eq!(retry_after_s(&error).is_some(), *status == 503, "{code}");
        for member in ["type", "title", "status", "detail", "code"] {
            assert!(!facts(refusal).contains_key(member), "{code} has a fact called {member}");
        }
        let document = error.document(Language::English);
        assert_eq!(document["detail"], Value::from(english));
        assert_eq!((document["status"].as_u64(), document["code"].as_str()), (Some((*status).into()), Some(code)));
    }
}

#[test]
fn the_facts_of_a_missing_share_are_the_interfaces() {
    let found = table().into_iter().find(|(refusal, _)| matches!(refusal, Refusal::InsufficientShare { .. }));
    let (refusal, _) = found.expect("in the table");
    let expected = serde_json::json!({"asked": "80.00", "share": "20.00", "available": "100.00", "currency": "USD"});
    assert_eq!(Value::Object(facts(&refusal)), expected);
}

#[test]
fn the_language_is_the_one_preferred() {
    for (header, expected) in [
        (None, Language::French),
        (Some("en"), Language::English),
        (Some("en-GB,fr;q=0.5"), Language::English),
        (Some("de, en;q=0.3, fr;q=0.8"), Language::French),
        (Some("en;q=0, *"), Language::French),
        (Some("en;q=x"), Language::French),
        (Some("sw"), Language::French),
    ] {
        assert_eq!(Language::from_accept(header), expected, "{header:?}");
    }
}
