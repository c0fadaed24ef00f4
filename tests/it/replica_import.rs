//! Rows of the old server, taken by a replica: each whole or not at all, each once.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use ucash::model::{CaptureState, MovementKind, Operator, ShopId, SimNumber};
use ucash::money::{Amount, Currency};
use ucash::replica::{Answer, Command, ImportRow, RowOutcome};
use ucash::rows::{RowContext, Table, read_row, split};
use ucash::sample::{Size, company};

use crate::seats::{Desk, FOUNDED, OFFICE, SHOP, SIM, amount, capture, deposit, sim_number};
use crate::table::check;

macro_rules! tables {
    ($($(#[$docs:meta])* $name:ident = $table:literal;)+) => {
        /// Every table, for the test that each refusal has a line.
        pub const TABLES: &[&str] = &[$($table),+];

        $($(#[$docs])* #[test] fn $name() { check($table); })+
    };
}

tables! {
    credits = "
        import credit 7 A1 100 USD                         => created
        show A1                                            => accorde 0.00 100.00
        import credit 7 A1 100 USD                         => unchanged
        import credit 8 A2 100 USD paid=40                 => created
        show A2                                            => partiellementPaye 40.00 60.00
        import credit 9 A3 100 USD paid=100                => created
        show A3                                            => paye 100.00 0.00
        history A3                                         => grant pay
        import credit 10 A4 100 USD cancelled=annule       => created
        show A4                                            => annule 0.00 100.00
        import credit 11 A5 100 USD paid=5 cancelled=annule => created
        show A5                                            => annule 5.00 95.00
        unpay A5 1                                         => ! credit_cancelled
        balance USD                                        => 700.00
        pay A1 100                                         => paye 100.00 0.00
        import credit 7 A1 100 USD                         => unchanged
        show A1                                            => paye 100.00 0.00
    ";

    /// A row that says something else of what is known is refused; it is never a second credit.
    contradicting_credits = "
        import credit 7 A1 100 USD                         => created
        import credit 7 A1 101 USD                         => ! old_id_taken
        import credit 7 A1 100 CDF                         => ! old_id_taken
        import credit 7 A2 100 USD                         => ! old_id_taken
        import credit 7 A1 100 USD shop=2 sim=+243990000002 => ! old_id_taken
        import credit 8 A1 100 USD                         => ! reference_taken
        import credit - A1 100 USD                         => unchanged
        import credit - A1 101 USD                         => ! reference_taken
        balance USD                                        => 900.00
    ";

    /// A row goes in whole or not at all.
    impossible_credits = "
        import credit 7 A1 1000.01 USD                     => ! insufficient_share
        import credit 7 A1 1000.01 USD cancelled=annule    => created
        import credit 8 A2 100 USD paid=100.01             => ! payment_exceeds_remaining
        show A2                                            => ! unknown_credit
        import credit 8 A2 100 USD paid=0                  => ! invalid_field
        show A2                                            => ! unknown_credit
        import credit 8 A2 100 USD cancelled=_             => ! invalid_field
        show A2                                            => ! unknown_credit
        import credit 8 A2 0 USD                           => ! invalid_field
        import credit 8 A2 100 USD shop=9                  => ! unknown_shop
        import credit 8 A2 100 USD sim=+243999999999       => ! unknown_sim
        import credit 8 A2 100 USD shop=2                  => ! sim_of_another_shop
        till: import credit 8 A2 1 USD shop=2 sim=+243990000002 => ! not_allowed
        till: show A2                                      => ! unknown_credit
        balance USD                                        => 1000.00
        import credit 8 A2 100 USD                         => created
    ";

    movements = "
        import capture 1 50 USD                            => created
        import capture 1 50 USD                            => unchanged
        import capture 2 50 USD state=enAttente            => created
        import capture 3 50 USD state=annulee              => created
        balance USD                                        => 1050.00
        import withdrawal 1 200 USD owed_by=2              => created
        import withdrawal 1 200 USD owed_by=2              => unchanged
        import withdrawal 2 100 USD reimbursed=1           => created
        import withdrawal 3 100 USD reversed=1             => created
        import withdrawal 3 100 USD reversed=1             => unchanged
        balance USD                                        => 750.00
        import deposit 1 50 USD                            => created
        import deposit 1 50 USD                            => unchanged
        balance USD                                        => 700.00
        import capture 4 100 CDF                           => created
        balance CDF                                        => 500100.00
    ";

    impossible_movements = "
        import capture 1 50 USD shop=9                     => ! unknown_shop
        import capture 1 50 USD shop=2                     => ! sim_of_another_shop
        import capture 1 50 USD sim=+243999999999          => ! unknown_sim
        import capture 1 0 USD                             => ! invalid_field
        import withdrawal 1 50 USD owed_by=9               => ! unknown_shop
        import withdrawal 1 1000.01 USD                    => ! insufficient_share
        import deposit 1 1000.01 USD                       => ! insufficient_share
        import withdrawal 1 1000.01 USD reversed=1         => created
        till: import deposit 1 1 USD shop=2 sim=+243990000002 => ! not_allowed
        balance USD                                        => 1000.00
    ";

    /// An old id names one movement of its kind and SIM, however often its row comes.
    old_ids_of_movements = "
        import deposit 1 50 USD                            => created
        import deposit 1 50 USD shop=2 sim=+243990000002   => created
        import deposit 1 50 USD shop=2 sim=+243990000002   => unchanged
        import deposit 1 50 USD                            => unchanged
        import capture 1 50 USD                            => created
        import withdrawal 1 50 USD                         => created
        balance USD                                        => 950.00
        balance USD sim=+243990000002                      => 50.00
    ";

    /// A row tells no news of a movement that is known: what was done here since stands.
    movements_that_went_on = "
        import capture 1 50 USD state=enAttente            => created
        import capture 1 50 USD state=validee              => unchanged
        balance USD                                        => 1000.00
        import withdrawal 1 10 USD                         => created
        import withdrawal 1 10 USD reimbursed=1            => unchanged
    ";

    shops_and_sims = "
        import shop 3 name=Uvira town=Uvira                => created
        import shop 3 name=Uvira town=Uvira                => unchanged
        import shop 3 name=Another                         => unchanged
        import shop 1 name=Goma town=Himbi                 => created
        import shop 1 name=Goma town=Himbi                 => unchanged
        import shop 0                                      => ! invalid_field
        import shop 4 name=_                               => ! invalid_field
        till: import shop 4                                => ! not_allowed
        import sim +243990000003 shop=3 opening=70_USD     => created
        import sim +243990000003 shop=3 opening=70_USD     => unchanged
        balance USD sim=+243990000003                      => 70.00
        import sim +243990000003 shop=2 opening=70_USD     => ! sim_exists
        import sim +243990000004 shop=9                    => ! unknown_shop
        import capture 1 5 USD shop=3 sim=+243990000003    => created
        balance USD sim=+243990000003                      => 75.00
    ";
}

fn import(desk: &mut Desk, seat: usize, session: u64, dry_run: bool, rows: &[ImportRow]) -> Vec<RowOutcome> {
    match desk.command(seat, Command::Import { session, dry_run, rows: rows.to_vec() }) {
        Ok(Answer::Imported(outcomes)) => outcomes,
        other => panic!("asked to import, got {other:?}"),
    }
}

/// A made-up company in the old server's own files, read as `ucash import` reads them.
fn sample() -> Vec<ImportRow> {
    let context = RowContext { zone: chrono_tz::Africa::Lubumbashi, now: FOUNDED };
    let mut rows = Vec::new();
    for (word, text) in company(1, Size::DEMO).tables {
        let table = Table::from_word(word).expect("a table");
        for raw in split(&text).expect("an array") {
            rows.push(read_row(table, raw, &context).expect("sample rows are good"));
        }
    }
    rows
}

fn cents(amount: Amount) -> i128 {
    let mut value = amount.value();
    value.rescale(2);
    value.mantissa()
}

/// What each SIM must hold, in cents, from the rows alone.
fn expected(rows: &[ImportRow]) -> BTreeMap<(String, Currency), i128> {
    let mut sums = BTreeMap::new();
    let mut add = |sim: &SimNumber, amount: Amount, sign: i128| {
        *sums.entry((sim.to_string(), amount.currency())).or_default() += sign * cents(amount);
    };
    for row in rows {
        match row {
            ImportRow::Shop { .. } => {}
            ImportRow::Sim { sim, opening, .. } => opening.iter().for_each(|amount| add(sim, *amount, 1)),
            ImportRow::Movement { reversed: true, .. } => {}
            ImportRow::Movement { sim, kind, .. } => match kind {
                MovementKind::Opening(_) => panic!("no table has opening balances"),
                MovementKind::Capture(capture) if capture.state == CaptureState::Validated => {
                    add(sim, capture.amount, 1);
                }
                MovementKind::Capture(_) => {}
                MovementKind::Withdrawal(withdrawal) => add(sim, withdrawal.amount, -1),
                MovementKind::Deposit(deposit) => add(sim, deposit.amount, -1),
            },
            ImportRow::Credit(credit) if credit.cancelled.is_some() => {}
            ImportRow::Credit(credit) => add(&credit.grant.sim, credit.grant.amount, -1),
        }
    }
    sums
}

/// The shop that a network is founded with is in the file too.
fn is_created(row: &ImportRow, outcome: &RowOutcome) -> bool {
    match row {
        ImportRow::Shop { shop, town, .. } if *shop == SHOP && town.is_none() => *outcome == RowOutcome::Unchanged,
        _ => *outcome == RowOutcome::Created,
    }
}

#[test]
fn a_company_is_taken_whole_and_adds_up() {
    let mut desk = Desk::found_bare();
    let rows = sample();
    let outcomes = import(&mut desk, OFFICE, 1, false, &rows);
    for (row, outcome) in rows.iter().zip(&outcomes) {
        assert!(is_created(row, outcome), "{row:?} came to {outcome:?}");
    }
    let sums = expected(&rows);
    assert!(sums.len() > 6, "both currencies of several SIMs");
    for ((sim, currency), sum) in sums {
        let expected = Decimal::from_i128_with_scale(sum, 2).to_string();
        assert_eq!(desk.account_of(OFFICE, &sim, currency).available, expected, "{sim} {currency}");
    }
    assert_eq!(desk.status(OFFICE).credits, 60);
    let till = desk.join(SHOP, "till");
    assert_eq!(desk.digest(till), desk.digest(OFFICE));
    desk.assert_one_state();
}

#[test]
fn the_same_files_twice_change_nothing() {
    let mut desk = Desk::found_bare();
    let rows = sample();
    import(&mut desk, OFFICE, 1, false, &rows);
    let before = (desk.digest(OFFICE), desk.status(OFFICE).entries);
    desk.reopen(OFFICE);
    let outcomes = import(&mut desk, OFFICE, 2, false, &rows);
    assert!(outcomes.iter().all(|outcome| *outcome == RowOutcome::Unchanged), "{outcomes:?}");
    assert_eq!((desk.digest(OFFICE), desk.status(OFFICE).entries), before);
}

/// Cut after every tenth row and run again from the start, an import comes to what it comes to in one go.
#[test]
fn an_import_that_was_cut_off_is_finished_by_the_next() {
    let rows = sample();
    let mut whole = Desk::found_bare();
    import(&mut whole, OFFICE, 1, false, &rows);
    let mut desk = Desk::found_bare();
    for end in (0..=rows.len()).step_by(10).chain([rows.len()]) {
        import(&mut desk, OFFICE, end as u64, false, &rows[..end]);
    }
    assert_eq!(desk.status(OFFICE).entries, whole.status(OFFICE).entries);
    for ((sim, currency), sum) in expected(&rows) {
        let expected = Decimal::from_i128_with_scale(sum, 2).to_string();
        assert_eq!(desk.account_of(OFFICE, &sim, currency).available, expected, "{sim} {currency}");
    }
}

#[test]
fn a_dry_run_writes_nothing_and_says_what_the_run_will() {
    let mut desk = Desk::found_bare();
    let mut rows = sample();
    // Some that cannot be taken, among good ones.
    let last = rows.last().cloned().expect("rows");
    rows.push(last);
    rows.push(movement_row(9_001, "+243999999999", capture("1 USD", CaptureState::Validated)));
    let before = (desk.digest(OFFICE), desk.status(OFFICE).entries, desk.replica(OFFICE).heads());
    let foretold = import(&mut desk, OFFICE, 1, true, &rows);
    assert_eq!((desk.digest(OFFICE), desk.status(OFFICE).entries, desk.replica(OFFICE).heads()), before);
    desk.reopen(OFFICE);
    assert_eq!((desk.digest(OFFICE), desk.status(OFFICE).entries, desk.replica(OFFICE).heads()), before);
    let done = import(&mut desk, OFFICE, 2, false, &rows);
    assert_eq!(foretold, codes_only(&foretold, &done));
    assert_eq!(done[done.len() - 2], RowOutcome::Unchanged);
    assert!(matches!(done[done.len() - 1], RowOutcome::Refused(_)));
}

/// The outcomes of the second, except where both refuse under one code: a rehearsal has no ids to name.
fn codes_only(foretold: &[RowOutcome], done: &[RowOutcome]) -> Vec<RowOutcome> {
    assert_eq!(foretold.len(), done.len());
    let pick = |(foretold, done): (&RowOutcome, &RowOutcome)| match (foretold, done) {
        (RowOutcome::Refused(one), RowOutcome::Refused(other)) if one.code() == other.code() => foretold.clone(),
        _ => done.clone(),
    };
    foretold.iter().zip(done).map(pick).collect()
}

fn movement_row(old_id: u64, sim: &str, kind: MovementKind) -> ImportRow {
    let (sim, at, agent) = (sim_number(sim), FOUNDED, None);
    ImportRow::Movement { old_id, shop: SHOP, sim, kind, reversed: false, at, agent }
}

/// A dry run in pieces: later rows of one session are judged by earlier ones, another session begins anew.
#[test]
fn a_dry_run_judges_later_rows_by_earlier_ones_of_its_session() {
    let mut desk = Desk::found();
    let sim = "+243990000007";
    let shop = ImportRow::Shop { shop: ShopId(7), name: "Kindu".to_owned(), town: Some("Kindu".to_owned()) };
    let sim_row = ImportRow::Sim {
        sim: sim_number(sim),
        operator: Operator::Vodacom,
        shop: ShopId(7),
        opening: vec![amount("10 USD")],
        at: FOUNDED,
    };
    let out = |old_id, sum: &str| match movement_row(old_id, sim, deposit(sum)) {
        ImportRow::Movement { old_id, sim, kind, reversed, at, agent, .. } => {
            ImportRow::Movement { old_id, shop: ShopId(7), sim, kind, reversed, at, agent }
        }
        other => other,
    };
    let code = |outcomes: Vec<RowOutcome>| match &outcomes[..] {
        [RowOutcome::Refused(refusal)] => refusal.code(),
        [RowOutcome::Created] => "created",
        [RowOutcome::Unchanged] => "unchanged",
        other => panic!("{other:?}"),
    };
    //  session  row                   outcome
    let table = [
        (1, sim_row.clone(), "unknown_shop"),
        (1, shop.clone(), "created"),
        (1, shop.clone(), "unchanged"),
        (1, sim_row.clone(), "created"),
        (1, sim_row.clone(), "unchanged"),
        (1, out(1, "6 USD"), "created"),
        (1, out(1, "6 USD"), "unchanged"),
        (1, out(2, "6 USD"), "insufficient_share"),
        (1, out(3, "4 USD"), "created"),
        (1, out(4, "0.01 USD"), "insufficient_share"),
        (2, out(2, "6 USD"), "unknown_shop"),
        (2, shop, "created"),
        (2, sim_row, "created"),
        (2, out(2, "6 USD"), "created"),
    ];
    for (session, row, expected) in table {
        assert_eq!(
            code(import(&mut desk, OFFICE, session, true, std::slice::from_ref(&row))),
            expected,
            "{session}: {row:?}"
        );
    }
    assert_eq!(desk.account(OFFICE, Currency::Usd).available, "1000.00");
    assert_eq!(desk.verify(OFFICE).movements, 2, "the opening balances of the one SIM there is");
}

/// Good and bad rows in one request: each is judged by itself, and the bad ones sink none.
#[test]
fn f17_bad_rows_sink_no_good_ones() {
    let mut desk = Desk::found();
    let validated = |old_id, sim, sum| movement_row(old_id, sim, capture(sum, CaptureState::Validated));
    let rows = [
        validated(1, SIM, "1 USD"),
        validated(2, "+243999999999", "1 USD"),
        validated(3, SIM, "0 USD"),
        validated(4, SIM, "2 USD"),
    ];
    let outcomes = import(&mut desk, OFFICE, 1, false, &rows);
    let taken: Vec<bool> = outcomes.iter().map(|outcome| *outcome == RowOutcome::Created).collect();
    assert_eq!(taken, [true, false, false, true]);
    assert_eq!(desk.account(OFFICE, Currency::Usd).captures, "3.00");
}

/// Under an idempotency key an import is one command: asked again it answers again, and takes nothing twice.
#[test]
fn an_import_under_a_key_is_done_once() {
    let mut desk = Desk::found_bare();
    let command = Command::Import { session: 1, dry_run: false, rows: sample() };
    let first = desk.keyed(OFFICE, "files-of-june", command.clone());
    let entries = desk.status(OFFICE).entries;
    assert_eq!(desk.keyed(OFFICE, "files-of-june", command), first);
    assert_eq!(desk.status(OFFICE).entries, entries);
}
