//! Commands that come twice, and rows of the old server: neither doubles anything.

use ucash::ledger::Refusal;
use ucash::membership::Role;
use ucash::model::{
    CaptureState, CreditStatus, Grant, MovementKind, Operator, PaymentMode, Reference, ShopId, Timestamp,
};
use ucash::money::Currency;
use ucash::replica::{Answer, Command, ImportRow, ImportedCredit, ImportedPayment, RowOutcome};

use crate::desk::{
    Desk, Outcome, SIM, START, all, cancel, capture, deposit, invite, join, meet, money, number, pay, request,
    withdrawal,
};

/// The bytes of an answer as it leaves the node.
fn bytes(outcome: &Outcome) -> String {
    serde_json::to_string(outcome).unwrap()
}

#[test]
fn f3_a_command_that_comes_again_is_done_once_and_answered_alike() {
    let mut desk = Desk::with_sim("500");
    desk.grant("KNOWN", "100").unwrap();
    let commands = [
        Command::Grant(request("C", SIM, "100")),
        pay("C", "40"),
        Command::Move { sim: number(SIM), kind: capture("5", CaptureState::Pending), agent: None },
        Command::Move { sim: number(SIM), kind: withdrawal("20"), agent: None },
        Command::AddSim {
            sim: number("0990000002"),
            operator: Operator::Orange,
            shop: None,
            opening: vec![money("7")],
        },
        Command::AddShop { shop: None, name: "Bukavu".to_owned(), town: Some("Bukavu".to_owned()) },
        cancel("KNOWN"),
        invite(1, Role::Device),
        Command::Import { session: 1, dry_run: false, rows: company() },
        Command::PutLocal { key: "k".to_owned(), value: Some(vec![1, 2, 3]) },
    ];
    let first: Vec<String> = commands
        .iter()
        .zip(0..)
        .map(|(command, key)| bytes(&desk.keyed(&format!("key-{key}"), command.clone())))
        .collect();
    let after = desk.mark();
    for round in 0..3 {
        for ((command, first), key) in commands.iter().zip(&first).zip(0..) {
            assert!(first.starts_with("{\"Ok\""), "{first}");
            let again = bytes(&desk.keyed(&format!("key-{key}"), command.clone()));
            assert_eq!(&again, first, "round {round}: {command:?}");
        }
        assert_eq!(desk.mark(), after, "nothing was written again");
        desk.reopen();
        assert_eq!(desk.mark(), after);
    }
    assert_eq!(desk.credit("C").payments.len(), 1);
}

#[test]
fn a_key_belongs_to_one_command() {
    let mut desk = Desk::with_sim("500");
    desk.grant("C", "100").unwrap();
    let first = desk.keyed("key", pay("C", "40"));
    for again in [pay("C", "41"), pay("c", "40"), cancel("C"), Command::Grant(request("D", SIM, "1"))] {
        let before = desk.mark();
        assert_eq!(desk.keyed("key", again.clone()), Err(Refusal::KeyReused), "{again:?}");
        assert_eq!(desk.mark(), before);
        desk.reopen();
        assert_eq!(desk.keyed("key", again), Err(Refusal::KeyReused));
    }
    assert_eq!(desk.keyed("key", pay("C", "40")), first);
    // The same command under another key is another command.
    desk.keyed("key ", pay("C", "40")).unwrap();
    assert_eq!(desk.credit("C").paid, "80.00");
}

#[test]
fn a_refusal_is_remembered_too() {
    let mut desk = Desk::with_sim("500");
    let commands = [
        pay("C", "40"),
        Command::Grant(request("C", SIM, "500.01")),
        Command::Move { sim: number(SIM), kind: MovementKind::Opening(money("1")), agent: None },
        Command::RevokeDevice { device: "nobody".to_owned() },
    ];
    let first: Vec<Outcome> =
        commands.iter().zip(0..).map(|(command, key)| desk.keyed(&format!("key-{key}"), command.clone())).collect();
    assert!(first.iter().all(Result::is_err));
    // By now the first two would be allowed.
    desk.moved(capture("1000", CaptureState::Validated));
    desk.grant("C", "100").unwrap();
    for _ in 0..2 {
        for ((command, first), key) in commands.iter().zip(&first).zip(0..) {
            assert_eq!(&desk.keyed(&format!("key-{key}"), command.clone()), first, "{command:?}");
        }
        desk.reopen();
    }
    desk.keyed("another", pay("C", "40")).unwrap();
}

#[test]
fn a_key_is_each_devices_own() {
    let mut office = Desk::with_sim("500");
    office.grant("C", "100").unwrap();
    let mut phone = join(&mut office, "telephone", 1, Role::Device);
    office.keyed("key", pay("C", "10")).unwrap();
    phone.keyed("key", pay("C", "20")).unwrap();
    meet(&mut office, &mut phone);
    assert_eq!(office.credit("C").paid, "30.00");
}

#[test]
fn work_goes_on_whatever_the_clock_shows() {
    let mut desk = Desk::with_sim("500");
    desk.grant("C", "100").unwrap();
    let readings = [0, -1, i64::MIN, 1_577_836_800_000 - 1, 4_000_000_000_000, i64::MAX - 10_000];
    for (number, reading) in readings.into_iter().enumerate() {
        desk.set_now(Timestamp(reading));
        let key = format!("key {number}");
        for _ in 0..2 {
            desk.keyed(&key, pay("C", "1")).unwrap();
        }
        assert_eq!(desk.credit("C").paid, format!("{}.00", number + 1), "{reading}");
    }
    desk.assert_sound();
}

fn shop(shop: u32, name: &str) -> ImportRow {
    ImportRow::Shop { shop: ShopId(shop), name: name.to_owned(), town: Some(name.to_owned()) }
}

fn sim(sim: &str, shop: u32, opening: &[&str]) -> ImportRow {
    let opening = opening.iter().map(|text| money(text)).collect();
    ImportRow::Sim { sim: number(sim), operator: Operator::Airtel, shop: ShopId(shop), opening, at: START }
}

fn movement(old_id: u64, shop: u32, sim: &str, kind: MovementKind, reversed: bool) -> ImportRow {
    ImportRow::Movement { old_id, shop: ShopId(shop), sim: number(sim), kind, reversed, at: START, agent: None }
}

fn credit(old_id: Option<u64>, reference: &str, sim: &str, amount: &str) -> ImportedCredit {
    let grant = Grant {
        reference: Reference::new(reference).unwrap(),
        amount: money(amount),
        sim: number(sim),
        beneficiary: request("X", SIM, "1").beneficiary,
        agent: Some("esperance".to_owned()),
        granted_at: START,
        due_at: None,
        notes: None,
        old_id,
        old_modified_at: None,
        reported: None,
    };
    ImportedCredit { shop: ShopId(11), grant, paid: None, cancelled: None, status: CreditStatus::Granted }
}

fn paid(row: ImportedCredit, amount: &str) -> ImportRow {
    let payment = ImportedPayment { amount: money(amount), mode: PaymentMode::Cash, reference: None, at: START };
    ImportRow::Credit(ImportedCredit { paid: Some(payment), status: CreditStatus::PartlyPaid, ..row })
}

fn cancelled(row: ImportedCredit) -> ImportRow {
    let cancelled = Some((START, "called off".to_owned()));
    ImportRow::Credit(ImportedCredit { cancelled, status: CreditStatus::Cancelled, ..row })
}

const A: &str = "0990000011";
const B: &str = "0990000012";

/// A small company: each row rests on those before it.
fn company() -> Vec<ImportRow> {
    vec![
        shop(11, "Bunia"),
        shop(12, "Beni"),
        sim(A, 11, &["100", "5000 CDF"]),
        sim(B, 12, &[]),
        movement(1, 11, A, capture("50", CaptureState::Validated), false),
        movement(2, 11, A, capture("50", CaptureState::Pending), false),
        movement(1, 11, A, withdrawal("20"), false),
        movement(2, 11, A, withdrawal("9999"), true),
        movement(1, 11, A, deposit("30"), false),
        ImportRow::Credit(credit(Some(1), "OLD-1", A, "40")),
        paid(credit(Some(2), "OLD-2", A, "10"), "4.50"),
        paid(credit(Some(3), "OLD-3", A, "1000 CDF"), "1000 CDF"),
        cancelled(credit(Some(4), "OLD-4", A, "8888")),
        ImportRow::Credit(credit(None, "OLD-5", A, "5")),
    ]
}

fn import(desk: &mut Desk, session: u64, dry_run: bool, rows: &[ImportRow]) -> Vec<RowOutcome> {
    match desk.command(Command::Import { session, dry_run, rows: rows.to_vec() }) {
        Ok(Answer::Imported(outcomes)) => outcomes,
        other => panic!("no outcomes: {other:?}"),
    }
}

fn codes(outcomes: &[RowOutcome]) -> Vec<&'static str> {
    let code = |outcome: &RowOutcome| match outcome {
        RowOutcome::Created => "created",
        RowOutcome::Unchanged => "unchanged",
        RowOutcome::Refused(refusal) => refusal.code(),
    };
    outcomes.iter().map(code).collect()
}

#[test]
fn f3_rows_imported_twice_double_nothing() {
    let mut desk = Desk::found();
    let rows = company();
    assert_eq!(codes(&import(&mut desk, 1, false, &rows)), vec!["created"; rows.len()]);
    let mark = desk.mark();
    let accounts = desk.accounts(A);
    assert_eq!(accounts[&Currency::Usd].available, "45.00", "100 + 50 - 20 - 30 - 40 - 10 - 5");
    assert_eq!(accounts[&Currency::Cdf].available, "4000.00");
    for session in 2..4 {
        assert_eq!(codes(&import(&mut desk, session, false, &rows)), vec!["unchanged"; rows.len()]);
        assert_eq!(desk.mark(), mark);
        desk.reopen();
        let reversed: Vec<ImportRow> = rows.iter().rev().cloned().collect();
        assert_eq!(codes(&import(&mut desk, session, false, &reversed)), vec!["unchanged"; rows.len()]);
        assert_eq!(desk.mark(), mark, "in whatever order");
    }
    let shown = |desk: &mut Desk, key: &str| {
        let credit = desk.credit(key);
        (credit.status, credit.paid, credit.payments.len())
    };
    assert_eq!(shown(&mut desk, "OLD-1"), (CreditStatus::Granted, "0.00".to_owned(), 0));
    assert_eq!(shown(&mut desk, "OLD-2"), (CreditStatus::PartlyPaid, "4.50".to_owned(), 1));
    assert_eq!(shown(&mut desk, "OLD-3"), (CreditStatus::Paid, "1000.00".to_owned(), 1));
    assert_eq!(shown(&mut desk, "OLD-4"), (CreditStatus::Cancelled, "0.00".to_owned(), 0));
    desk.assert_sound();
}

#[test]
fn a_dry_run_writes_nothing_and_judges_later_rows_by_earlier_ones() {
    let mut desk = Desk::found();
    let rows = company();
    let mark = desk.mark();
    assert_eq!(codes(&import(&mut desk, 1, true, &rows)), vec!["created"; rows.len()]);
    assert_eq!(desk.mark(), mark);
    // What has been rehearsed is remembered within its session, over several requests, and nowhere else.
    assert_eq!(codes(&import(&mut desk, 1, true, &rows)), vec!["unchanged"; rows.len()]);
    let late =
        [ImportRow::Credit(credit(Some(9), "OLD-9", A, "45")), ImportRow::Credit(credit(Some(8), "OLD-8", A, "1"))];
    assert_eq!(codes(&import(&mut desk, 1, true, &late)), ["created", "insufficient_share"]);
    assert_eq!(codes(&import(&mut desk, 2, true, &late)), ["unknown_shop", "unknown_shop"]);
    assert_eq!(desk.mark(), mark);
    assert_eq!(desk.list(&all()).len(), 0);
    // What the dry run said is what then happens.
    let mut rows = company();
    rows.extend(late);
    rows.push(ImportRow::Credit(credit(Some(1), "OLD-X", A, "40")));
    rows.push(sim(B, 11, &[]));
    let dry = import(&mut desk, 3, true, &rows);
    let real = import(&mut desk, 3, false, &rows);
    assert_eq!(codes(&dry), codes(&real));
    assert_eq!(codes(&real)[14..], ["created", "insufficient_share", "old_id_taken", "sim_exists"]);
    desk.assert_sound();
}

#[test]
fn f2_rows_that_contradict_what_is_known_are_refused_and_change_nothing() {
    let mut desk = Desk::found();
    import(&mut desk, 1, false, &company());
    let of_shop = |shop: u32, row: ImportedCredit| ImportRow::Credit(ImportedCredit { shop: ShopId(shop), ..row });
    let rows = [
        (ImportRow::Credit(credit(Some(1), "OLD-1", A, "41")), "old_id_taken"),
        (ImportRow::Credit(credit(Some(1), "OTHER", A, "40")), "old_id_taken"),
        (ImportRow::Credit(credit(Some(1), "OLD-1", B, "40")), "old_id_taken"),
        (of_shop(12, credit(Some(1), "OLD-1", A, "40")), "old_id_taken"),
        (ImportRow::Credit(credit(Some(1), "OLD-1", A, "40 CDF")), "old_id_taken"),
        (ImportRow::Credit(credit(Some(77), "OLD-1", A, "40")), "reference_taken"),
        (paid(credit(Some(1), "OLD-1", A, "40"), "40"), "row_says_more"),
        (ImportRow::Credit(credit(None, "old-1 ", A, "41")), "reference_taken"),
        (ImportRow::Credit(credit(Some(77), "NEW", B, "1")), "sim_of_another_shop"),
        (ImportRow::Credit(credit(Some(77), "NEW", "0990000099", "1")), "unknown_sim"),
        (of_shop(99, credit(Some(77), "NEW", A, "1")), "unknown_shop"),
        (ImportRow::Credit(credit(Some(77), "NEW", A, "0")), "invalid_field"),
        (ImportRow::Credit(credit(Some(77), "NEW", A, "45.01")), "insufficient_share"),
        (paid(credit(Some(77), "NEW", A, "10"), "10.01"), "payment_exceeds_remaining"),
        (paid(credit(Some(77), "NEW", A, "10"), "10 CDF"), "payment_exceeds_remaining"),
        (sim(A, 12, &["100"]), "sim_exists"),
        (sim("0990000099", 99, &[]), "unknown_shop"),
        (shop(0, "Nowhere"), "invalid_field"),
        (shop(13, " "), "invalid_field"),
        (movement(77, 12, A, capture("1", CaptureState::Validated), false), "sim_of_another_shop"),
        (movement(77, 11, "0990000099", capture("1", CaptureState::Validated), false), "unknown_sim"),
        (movement(77, 11, A, withdrawal("45.01"), false), "insufficient_share"),
        (movement(77, 11, A, deposit("0"), false), "invalid_field"),
    ];
    let mark = desk.mark();
    for (row, expected) in &rows {
        for dry_run in [true, false] {
            let outcomes = import(&mut desk, 5, dry_run, std::slice::from_ref(row));
            assert_eq!(codes(&outcomes), [*expected], "dry run: {dry_run}, {row:?}");
        }
        assert_eq!(desk.mark(), mark, "{row:?}");
    }
    desk.assert_sound();
}

/// A row goes in whole or not at all, whichever of its parts cannot be taken.
#[test]
fn a_row_of_which_a_part_cannot_be_taken_leaves_nothing_behind() {
    let mut desk = Desk::found();
    import(&mut desk, 1, false, &company());
    let mark = desk.mark();
    let with_payment = |change: &dyn Fn(&mut ImportedPayment)| match paid(credit(Some(77), "NEW", A, "10"), "5") {
        ImportRow::Credit(mut row) => {
            row.paid.iter_mut().for_each(change);
            ImportRow::Credit(row)
        }
        other => other,
    };
    let blank = ImportedCredit { cancelled: Some((START, " ".to_owned())), ..credit(Some(77), "NEW", A, "10") };
    let nowhere = ImportRow::Shop { shop: ShopId(14), name: "Isiro".to_owned(), town: Some(" ".to_owned()) };
    let rows = [
        with_payment(&|payment| payment.amount = money("0")),
        with_payment(&|payment| payment.reference = Some("r".repeat(256))),
        with_payment(&|payment| payment.reference = Some("a\nb".to_owned())),
        ImportRow::Credit(blank),
        nowhere,
    ];
    for row in rows {
        for dry_run in [true, false] {
            let outcomes = import(&mut desk, 6, dry_run, std::slice::from_ref(&row));
            assert_eq!(codes(&outcomes), ["invalid_field"], "dry run: {dry_run}, {row:?}");
            assert_eq!(desk.mark(), mark, "dry run: {dry_run}, {row:?}");
        }
    }
}

/// An id of the old server is a number in a table that two exports may both have used, each for a SIM of its own.
#[test]
fn f2_one_old_id_for_movements_of_two_sims_is_two_movements_however_often_imported() {
    let mut desk = Desk::found();
    import(&mut desk, 1, false, &company());
    let rows = [
        movement(1, 11, A, capture("50", CaptureState::Validated), false),
        movement(1, 12, B, capture("60", CaptureState::Validated), false),
    ];
    assert_eq!(codes(&import(&mut desk, 2, false, &rows)), ["unchanged", "created"]);
    let mark = desk.mark();
    for _ in 0..2 {
        assert_eq!(codes(&import(&mut desk, 3, false, &rows)), ["unchanged", "unchanged"]);
        assert_eq!(desk.mark(), mark);
        desk.reopen();
    }
    assert_eq!(desk.accounts(B)[&Currency::Usd].available, "60.00");
}

#[test]
fn a_counter_imports_only_what_it_may_write() {
    let mut office = Desk::with_sim("500");
    import(&mut office, 1, false, &company());
    let mut counter = join(&mut office, "comptoir", 1, Role::Device);
    office.give(&mut counter, "10");
    meet(&mut office, &mut counter);
    let mut own = credit(Some(50), "OWN", SIM, "10");
    own.shop = ShopId(1);
    let rows = [
        shop(20, "Uvira"),
        ImportRow::Credit(credit(Some(51), "FOREIGN", A, "1")),
        movement(51, 11, A, capture("1", CaptureState::Validated), false),
        sim("0990000050", 11, &["5"]),
        ImportRow::Credit(own),
    ];
    let expected = ["not_allowed", "not_allowed", "not_allowed", "not_allowed", "created"];
    let mark = counter.mark();
    assert_eq!(codes(&import(&mut counter, 1, true, &rows)), expected);
    assert_eq!(counter.mark(), mark);
    assert_eq!(codes(&import(&mut counter, 1, false, &rows)), expected);
    meet(&mut office, &mut counter);
    assert_eq!((office.digest(), office.available().as_str()), (counter.digest(), "490.00"));
    office.assert_sound();
}
