//! Every refusal is either produced by a line of a table, or cannot be produced by a command and says why.
//!
//! The list is matched without a wildcard: a new variant does not compile until it stands here.

use std::collections::BTreeSet;

use ucash::ledger::Refusal;
use ucash::money::MoneyError;

use crate::{ledger_rules, replica_import};

/// Where a refusal is tested.
#[derive(Clone, Copy, Debug)]
enum Tested {
    /// By a line of a table that names one of these codes; each of them has one.
    Rows(&'static [&'static str]),
    /// Not by a table: why not, and where else.
    Elsewhere(&'static str),
}
use Tested::{Elsewhere, Rows};

macro_rules! every_variant {
    ($name:ident, $list:ident, $enum:ident { $($variant:ident: $tested:expr),+ $(,)? }) => {
        fn $name(value: &$enum) -> Tested {
            match value { $($enum::$variant { .. } => $tested,)+ }
        }

        const $list: &[(&str, Tested)] = &[$((stringify!($variant), $tested)),+];
    };
}

every_variant!(
    tested,
    REFUSALS,
    Refusal {
        ClockBefore2020: Rows(&["clock_before_2020"]),
        KeyReused: Rows(&["idempotency_key_reused"]),
        NotAllowed: Rows(&["not_allowed"]),
        Field: Rows(&["invalid_field"]),
        Money: Rows(&["amount_not_a_number", "amount_negative", "amount_too_many_decimals", "amount_too_large"]),
        UnknownShop: Rows(&["unknown_shop"]),
        ShopExists: Rows(&["shop_exists"]),
        UnknownSim: Rows(&["unknown_sim"]),
        SimExists: Rows(&["sim_exists"]),
        SimOfAnotherShop: Rows(&["sim_of_another_shop"]),
        SimInactive: Elsewhere("no operation takes a SIM out of use yet"),
        ReferenceTaken: Rows(&["reference_taken"]),
        OldIdTaken: Rows(&["old_id_taken"]),
        UnknownCredit: Rows(&["unknown_credit"]),
        AmbiguousReference: Rows(&["ambiguous_reference"]),
        CreditCancelled: Rows(&["credit_cancelled"]),
        CreditPaid: Rows(&["credit_paid"]),
        CancelWithPayments: Rows(&["cancel_with_payments"]),
        PaymentExceedsRemaining: Rows(&["payment_exceeds_remaining"]),
        UnknownPayment: Rows(&["unknown_payment"]),
        PaymentReversed: Rows(&["payment_reversed"]),
        NothingToChange: Rows(&["nothing_to_change"]),
        UnknownMovement: Rows(&["unknown_movement"]),
        MovementKind: Rows(&["movement_kind"]),
        MovementOfAnotherDevice: Rows(&["movement_of_another_device"]),
        MovementReversed: Rows(&["movement_reversed"]),
        CaptureNotPending: Rows(&["capture_not_pending"]),
        AlreadyReimbursed: Rows(&["already_reimbursed"]),
        InsufficientShare: Rows(&["insufficient_share"]),
        UnknownDevice: Rows(&["unknown_device"]),
        UnknownInvitation: Elsewhere("a joiner is answered by `wire::Answered`, no command is"),
        InvitationUsed: Elsewhere("a joiner is answered by `wire::Answered`, no command is"),
        InvitationExpired: Elsewhere("a joiner is answered by `wire::Answered`, no command is"),
        BadCursor: Rows(&["bad_cursor"]),
        ReadOnly: Elsewhere("the disk must fail: `replica_keys::a_failed_disk_refuses_and_keeps_what_was`"),
        Busy: Elsewhere("said by the shell when its queue is closed, never by the replica"),
    }
);

every_variant!(
    tested_money,
    FAULTS,
    MoneyError {
        UnknownCurrency: Elsewhere("commands bear typed currencies; the faces read the text"),
        NotANumber: Rows(&["amount_not_a_number"]),
        Negative: Rows(&["amount_negative"]),
        TooManyDecimals: Rows(&["amount_too_many_decimals"]),
        TooLarge: Rows(&["amount_too_large"]),
        CurrencyMismatch: Elsewhere("a payment is read in its credit's currency: see `money`"),
    }
);

/// Asserts that a refusal is one that tables are known to produce, under a code that is its own.
pub fn assert_known(refusal: &Refusal) {
    let known = |tested| matches!(tested, Rows(codes) if codes.contains(&refusal.code()));
    assert!(known(tested(refusal)), "{refusal:?} has the code {}", refusal.code());
    if let Refusal::Money { fault, .. } = refusal {
        assert!(known(tested_money(fault)), "{refusal:?} has the code {}", refusal.code());
    }
}

#[test]
fn every_refusal_has_a_line_in_a_table() {
    let tables = ledger_rules::TABLES.iter().chain(replica_import::TABLES);
    let lines = tables.flat_map(|table| table.lines()).filter(|line| !line.trim().starts_with('#'));
    let refused: BTreeSet<&str> = lines.filter_map(|line| Some(line.split_once("=> !")?.1.trim())).collect();
    let mut expected = BTreeSet::new();
    for (variant, tested) in REFUSALS.iter().chain(FAULTS) {
        match tested {
            Rows(codes) => {
                let missing: Vec<_> = codes.iter().filter(|code| !refused.contains(*code)).collect();
                assert!(missing.is_empty(), "{variant}: no line is refused with {missing:?}");
                expected.extend(codes.iter().copied());
            }
            Elsewhere(why) => assert!(!why.is_empty(), "{variant}"),
        }
    }
    assert_eq!(refused, expected, "codes in tables, and codes that are known");
}
