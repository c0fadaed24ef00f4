//! What a row means, one rule a test.

use ucash::model::{ConflictKind, CreditStatus};
use ucash::replica::ReportOutcome;

use crate::gateway::{App, Lost, conflicts, office, paid, round, two_apps};
use crate::seats::{Desk, OFFICE, SHOP};

fn pays(app: &mut App, desk: &Desk, reference: &str, cents: i128) {
    let now = app.now(desk, OFFICE);
    app.pay(now, reference, cents);
}

/// A credit of 100 USD that both apps have.
fn shared() -> (Desk, App, App) {
    let (mut desk, mut one, mut two) = two_apps();
    let now = one.now(&desk, OFFICE);
    one.grant(now, "CRED-1", "100 USD");
    round(&mut one, &mut desk);
    round(&mut two, &mut desk);
    (desk, one, two)
}

#[test]
fn a_new_row_grants_and_what_it_says_is_paid_is_a_payment() {
    let mut desk = office();
    let mut app = App::new("caisse 1", SHOP);
    let now = app.now(&desk, OFFICE);
    app.grant(now, "CRED-1", "100 USD");
    app.pay(now, "CRED-1", 30_00);
    let told = app.round(&mut desk, OFFICE, Lost::Nothing);
    assert!(matches!(told[..], [(_, ReportOutcome::Created { server_id })] if server_id >= 1 << 40), "{told:?}");
    let credit = desk.credit(OFFICE, "CRED-1");
    assert_eq!((credit.paid.as_str(), credit.status), ("30.00", CreditStatus::PartlyPaid));
    assert_eq!(credit.device, "caisse 1 (office)", "the app's name stands with the device's");
    assert_eq!(app.row("CRED-1").paid_cents, 30_00);
    assert!(!app.row("CRED-1").is_unsent);
}

#[test]
fn f01_two_apps_that_each_raise_what_is_paid_made_two_payments() {
    let (mut desk, mut one, mut two) = shared();
    pays(&mut one, &desk, "CRED-1", 50_00);
    pays(&mut two, &desk, "CRED-1", 50_00);
    round(&mut one, &mut desk);
    round(&mut two, &mut desk);
    round(&mut one, &mut desk);
    assert_eq!(paid(&mut desk, OFFICE, "CRED-1"), "100.00");
    round(&mut two, &mut desk);
    assert_eq!((one.row("CRED-1").paid_cents, two.row("CRED-1").paid_cents), (100_00, 100_00));
    assert_eq!((one.forgotten, two.forgotten), (0, 0), "no app forgot what its cashier had entered");
}

#[test]
fn f01_an_earlier_payment_that_is_still_in_the_app_outlives_a_later_one_of_another() {
    let (mut desk, mut one, mut two) = shared();
    round(&mut two, &mut desk);
    pays(&mut two, &desk, "CRED-1", 20_00);
    desk.wait(60_000);
    desk.pay(OFFICE, "CRED-1", "30").expect("paying here");
    round(&mut two, &mut desk);
    assert_eq!(two.forgotten, 0, "a row that is sent does not make the app forget what it has not uploaded");
    assert_eq!(paid(&mut desk, OFFICE, "CRED-1"), "50.00");
    round(&mut two, &mut desk);
    assert_eq!(two.row("CRED-1").paid_cents, 50_00);
    round(&mut one, &mut desk);
    assert_eq!(one.row("CRED-1").paid_cents, 50_00);
}

#[test]
fn f03_what_was_sent_is_marked_and_not_sent_again() {
    let (mut desk, mut one, _) = shared();
    let entries = desk.status(OFFICE).entries;
    for _ in 0..3 {
        round(&mut one, &mut desk);
        assert_eq!(one.uploaded, 0);
    }
    assert_eq!(desk.status(OFFICE).entries, entries);
}

#[test]
fn f07_a_row_that_is_only_stamped_anew_changes_nothing() {
    let (mut desk, mut one, _) = shared();
    desk.pay(OFFICE, "CRED-1", "40").expect("paying here");
    let now = one.now(&desk, OFFICE);
    one.edit(now, "CRED-1", |_| {});
    let told = one.round(&mut desk, OFFICE, Lost::Nothing);
    assert!(matches!(told[..], [(_, ReportOutcome::Skipped { smaller: false, .. })]), "{told:?}");
    assert_eq!(paid(&mut desk, OFFICE, "CRED-1"), "40.00");
    round(&mut one, &mut desk);
    assert_eq!(one.row("CRED-1").paid_cents, 40_00, "and the payment that was made here reaches the app");
}

#[test]
fn a_row_whose_answer_was_lost_is_recognised_also_after_a_restart_of_the_node() {
    let (mut desk, mut one, _) = shared();
    pays(&mut one, &desk, "CRED-1", 50_00);
    one.round(&mut desk, OFFICE, Lost::Upload);
    desk.reopen(OFFICE);
    one.restart();
    let told = one.round(&mut desk, OFFICE, Lost::Nothing);
    assert!(matches!(told[..], [(_, ReportOutcome::Skipped { smaller: false, .. })] | []), "{told:?}");
    assert_eq!(paid(&mut desk, OFFICE, "CRED-1"), "50.00");
}

#[test]
fn an_edit_after_a_lost_answer_adds_to_what_was_taken() {
    let (mut desk, mut one, _) = shared();
    pays(&mut one, &desk, "CRED-1", 50_00);
    one.round(&mut desk, OFFICE, Lost::Upload);
    desk.wait(5_000);
    pays(&mut one, &desk, "CRED-1", 20_00);
    round(&mut one, &mut desk);
    assert_eq!(paid(&mut desk, OFFICE, "CRED-1"), "70.00");
}

#[test]
fn a_smaller_total_is_skipped() {
    let (mut desk, mut one, _) = shared();
    pays(&mut one, &desk, "CRED-1", 50_00);
    round(&mut one, &mut desk);
    desk.wait(60_000);
    pays(&mut one, &desk, "CRED-1", -20_00);
    let told = one.round(&mut desk, OFFICE, Lost::Nothing);
    assert!(matches!(told[..], [(_, ReportOutcome::Skipped { smaller: true, .. })]), "{told:?}");
    assert_eq!(paid(&mut desk, OFFICE, "CRED-1"), "50.00");
    round(&mut one, &mut desk);
    assert_eq!(one.row("CRED-1").paid_cents, 50_00, "the app is told again what stands");
}

#[test]
fn a_cancellation_that_is_reported_stands_beside_a_payment_and_is_a_conflict() {
    let (mut desk, mut one, _) = shared();
    desk.pay(OFFICE, "CRED-1", "40").expect("paying here");
    let now = one.now(&desk, OFFICE);
    one.edit(now, "CRED-1", |row| row.is_cancelled = true);
    round(&mut one, &mut desk);
    let credit = desk.credit(OFFICE, "CRED-1");
    assert_eq!((credit.status, credit.paid.as_str()), (CreditStatus::Cancelled, "40.00"));
    assert_eq!(conflicts(&mut desk, OFFICE), [ConflictKind::PaidCancelled]);
}

#[test]
fn a_payment_that_is_reported_on_a_cancelled_credit_takes_nothing_back_in_silence() {
    let (mut desk, mut one, _) = shared();
    pays(&mut one, &desk, "CRED-1", 40_00);
    desk.cancel(OFFICE, "CRED-1").expect("cancelling here");
    round(&mut one, &mut desk);
    let credit = desk.credit(OFFICE, "CRED-1");
    assert_eq!((credit.status, credit.paid.as_str()), (CreditStatus::Cancelled, "40.00"));
    assert_eq!(conflicts(&mut desk, OFFICE), [ConflictKind::PaidCancelled]);
}

#[test]
fn what_the_app_granted_counts_beyond_what_the_gateway_may_spend() {
    let mut desk = office();
    let mut app = App::new("caisse 1", SHOP);
    let now = app.now(&desk, OFFICE);
    app.grant(now, "CRED-1", "1200 USD");
    round(&mut app, &mut desk);
    let credit = desk.credit(OFFICE, "CRED-1");
    assert!(!credit.set_aside);
    assert_eq!(desk.share(OFFICE), "-200.00");
    assert_eq!(conflicts(&mut desk, OFFICE), [ConflictKind::Overdrawn]);
    desk.grant(OFFICE, "CRED-2", "1 USD").expect_err("who stands below zero spends nothing");
}

#[test]
fn another_credit_under_a_known_reference_is_refused() {
    let (mut desk, mut one, _) = shared();
    let now = one.now(&desk, OFFICE);
    one.edit(now, "CRED-1", |row| row.amount = crate::seats::amount("90 USD"));
    let told = one.round(&mut desk, OFFICE, Lost::Nothing);
    assert!(matches!(told[..], [(_, ReportOutcome::Refused(_))]), "{told:?}");
    assert_eq!(desk.credit(OFFICE, "CRED-1").amount, "100.00");
}

#[test]
fn an_edit_made_while_another_version_was_on_its_way_may_be_a_payment_twice() {
    let (mut desk, mut one, _) = shared();
    round(&mut one, &mut desk);
    desk.wait(30_000);
    desk.pay(OFFICE, "CRED-1", "50").expect("paying here");
    // The cashier enters 50 in the moment in which the new version arrives: by the old one it is a payment, by the new
    // one it is none.
    let at = desk.now(OFFICE).plus_ms(1_300);
    let mut racing = one.clone();
    racing.edit(at, "CRED-1", |row| row.paid_cents = 50_00);
    racing.round(&mut desk, OFFICE, Lost::Nothing);
    assert_eq!(paid(&mut desk, OFFICE, "CRED-1"), "100.00");
    assert_eq!(conflicts(&mut desk, OFFICE), [ConflictKind::PossibleDuplicate]);
}

#[test]
fn a_clock_that_is_hours_off_changes_nothing() {
    for off_ms in [5 * 3_600_000, -7 * 3_600_000] {
        let (mut desk, mut one, mut two) = two_apps();
        one.clock_off_ms = off_ms;
        let now = two.now(&desk, OFFICE);
        two.grant(now, "CRED-1", "100 USD");
        round(&mut two, &mut desk);
        round(&mut one, &mut desk);
        for expected in ["10.00", "30.00", "60.00"] {
            desk.wait(30_000);
            let cents = if expected == "10.00" {
                10_00
            } else if expected == "30.00" {
                20_00
            } else {
                30_00
            };
            pays(&mut one, &desk, "CRED-1", cents);
            round(&mut one, &mut desk);
            assert_eq!(paid(&mut desk, OFFICE, "CRED-1"), expected, "{off_ms}");
        }
        desk.pay(OFFICE, "CRED-1", "5").expect("paying here");
        desk.wait(30_000);
        round(&mut one, &mut desk);
        assert_eq!(one.row("CRED-1").paid_cents, 65_00, "{off_ms}");
        desk.wait(30_000);
        pays(&mut one, &desk, "CRED-1", 10_00);
        round(&mut one, &mut desk);
        assert_eq!(paid(&mut desk, OFFICE, "CRED-1"), "75.00", "{off_ms}");
    }
}

#[test]
fn a_token_that_was_never_served_has_what_stands_and_doubles_nothing() {
    let (mut desk, mut one, _) = shared();
    pays(&mut one, &desk, "CRED-1", 50_00);
    round(&mut one, &mut desk);
    let mut again = one.clone();
    again.by.token = "another".to_owned();
    again.restart();
    again.rows.iter_mut().for_each(|row| row.is_unsent = true);
    again.round(&mut desk, OFFICE, Lost::Nothing);
    assert_eq!(paid(&mut desk, OFFICE, "CRED-1"), "50.00");
}
