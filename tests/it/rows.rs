//! Rows of the old server: every rule as a line of a table.

use std::path::PathBuf;

use chrono_tz::Tz;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use ucash::model::{CreditStatus, MovementKind, PaymentMode, Timestamp};
use ucash::replica::{ImportRow, ImportedCredit};
use ucash::rows::{RowContext, RowRefusal, Table, WireTime, name_row, read_row, split};

/// 2026-10-01T00:00:00Z.
const NOW: Timestamp = Timestamp(1_790_812_800_000);
const CONTEXT: RowContext = RowContext { zone: Tz::Africa__Lubumbashi, now: NOW };

fn read_text(table: Table, text: &str) -> Result<ImportRow, RowRefusal> {
    let raw: &RawValue = serde_json::from_str(text).expect("test rows are JSON");
    read_row(table, raw, &CONTEXT)
}

fn credit_text(text: &str) -> Result<ImportedCredit, RowRefusal> {
    match read_text(Table::Credits, text)? {
        ImportRow::Credit(credit) => Ok(credit),
        other => panic!("a credit row was read as {other:?}"),
    }
}

fn good_credit() -> Value {
    json!({
        "id": 7, "reference": "CRED-1", "montant_credit": 100.0, "devise": "USD", "beneficiaire_nom": "Amani",
        "beneficiaire_telephone": "+243810000000", "beneficiaire_adresse": null, "type_beneficiaire": "partenaire",
        "sim_numero": "+243971777631", "shop_id": 1, "agent_id": 11, "agent_username": "agent_goma_1",
        "statut": "accorde", "date_sortie": "2025-06-01T10:00:00.000", "date_paiement": null, "date_echeance": null,
        "notes": null, "montant_paye": 0.0, "mode_paiement": null, "reference_paiement": null,
        "last_modified_at": "2025-06-02T10:00:00.000", "is_synced": 1, "couleur": "ignored",
    })
}

fn with(mut row: Value, changes: &[(&str, Value)]) -> Value {
    for (field, value) in changes {
        row[*field] = value.clone();
    }
    row
}

fn without(mut row: Value, field: &str) -> Value {
    row.as_object_mut().expect("rows are objects").remove(field);
    row
}

#[test]
fn the_good_row_is_read_field_for_field() {
    let credit = credit_text(&good_credit().to_string()).expect("good");
    assert_eq!(credit.shop.0, 1);
    assert_eq!(credit.grant.reference.as_str(), "CRED-1");
    assert_eq!(credit.grant.amount.to_string(), "100.00 USD");
    assert_eq!(credit.grant.old_id, Some(7));
    assert_eq!(credit.grant.granted_at.to_rfc3339(), "2025-06-01T08:00:00.000Z");
    assert_eq!(credit.grant.agent.as_deref(), Some("agent_goma_1"));
    assert_eq!((credit.paid, credit.cancelled, credit.status), (None, None, CreditStatus::Granted));
}

#[test]
fn each_rule_of_a_credit_row_names_its_field() {
    let refused: &[(&str, Value)] = &[
        ("reference", json!(null)),
        ("reference", json!("")),
        ("reference", json!("   ")),
        ("reference", json!("R".repeat(51))),
        ("reference", json!("A\u{0}B")),
        ("reference", json!(12)),
        ("montant_credit", json!(null)),
        ("montant_credit", json!(0)),
        ("montant_credit", json!(-5.0)),
        ("montant_credit", json!("abc")),
        ("montant_credit", json!("١٢")),
        ("montant_credit", json!("1,50")),
        ("montant_credit", json!(" 1")),
        ("montant_credit", json!(true)),
        ("montant_credit", json!([1])),
        ("montant_credit", json!(10.005)),
        ("montant_credit", json!("1e300")),
        ("montant_credit", json!("10000000000000")),
        ("montant_credit", json!("1e-300")),
        ("devise", json!("EUR")),
        ("devise", json!(1)),
        ("beneficiaire_nom", json!("")),
        ("beneficiaire_nom", json!("A\u{0}B")),
        ("beneficiaire_nom", json!("x".repeat(256))),
        ("beneficiaire_telephone", json!("1".repeat(21))),
        ("beneficiaire_adresse", json!("x".repeat(2_001))),
        ("notes", json!("x".repeat(2_001))),
        ("notes", json!("a\u{7}b")),
        ("type_beneficiaire", json!("banque")),
        ("sim_numero", json!("")),
        ("sim_numero", json!("abc")),
        ("shop_id", json!(null)),
        ("shop_id", json!("un")),
        ("shop_id", json!(0)),
        ("shop_id", json!(1.5)),
        ("shop_id", json!(4_294_967_296_u64)),
        ("agent_id", json!(null)),
        ("agent_id", json!("")),
        ("statut", json!("bizarre")),
        ("statut", json!("paye")),
        ("montant_paye", json!(-1)),
        ("montant_paye", json!(100.01)),
        ("montant_paye", json!(0.001)),
        ("mode_paiement", json!("troc")),
        ("date_sortie", json!(null)),
        ("date_sortie", json!("2025-02-31T10:00:00.000")),
        ("date_sortie", json!("2025-02-29")),
        ("date_sortie", json!("2025-06-01T25:00:00")),
        ("date_sortie", json!("0000-00-00 00:00:00")),
        ("date_sortie", json!("hier")),
        ("date_echeance", json!("2025-13-01T00:00:00")),
        ("date_paiement", json!("2025-06-01T10:60:00")),
        ("last_modified_at", json!("x")),
        ("id", json!(-1)),
        ("id", json!(9_007_199_254_740_992_u64)),
    ];
    for (field, value) in refused {
        let row = with(good_credit(), &[(field, value.clone())]);
        let refusal = credit_text(&row.to_string()).expect_err(&format!("{field} = {value}"));
        assert_eq!(refusal.field, *field, "{field} = {value}: {}", refusal.reason);
        assert!(!refusal.reason.is_empty());
    }
    for field in ["reference", "montant_credit", "beneficiaire_nom", "sim_numero", "shop_id", "agent_id", "date_sortie"]
    {
        let refusal = credit_text(&without(good_credit(), field).to_string()).expect_err(field);
        assert_eq!(refusal.field, field);
    }
}

#[test]
fn what_is_odd_but_clear_is_taken() {
    let taken: &[(&str, Value)] = &[
        ("devise", json!("usd")),
        ("devise", json!(null)),
        ("montant_credit", json!("100.10")),
        ("reference", json!("  cred-2 ")),
        ("beneficiaire_nom", json!("<script>alert(1)</script>")),
        ("beneficiaire_nom", json!("Épicerie « Ñdjili » 🏪")),
        ("notes", json!("deux\nlignes")),
        ("shop_id", json!("1")),
        ("date_sortie", json!("2025-06-01 10:00:00")),
        ("date_sortie", json!("2025-06-01T10:00:00+02:00")),
        ("date_sortie", json!("2025-06-01T10:00:00.123456")),
        ("last_modified_at", json!("2099-01-01T00:00:00.000")),
        ("statut", json!(null)),
        ("statut", json!("enRetard")),
        ("id", json!(null)),
        ("montant_paye", json!(null)),
        ("montant_paye", json!(-0.0)),
    ];
    for (field, value) in taken {
        let row = with(good_credit(), &[(field, value.clone())]);
        credit_text(&row.to_string()).unwrap_or_else(|refusal| panic!("{field} = {value}: {refusal:?}"));
    }
}

#[test]
fn amounts_are_read_exactly_from_the_text() {
    let read = |number: &str| {
        let text =
            good_credit().to_string().replace("\"montant_credit\":100.0", &format!("\"montant_credit\":{number}"));
        credit_text(&text).map(|credit| credit.grant.amount.to_decimal_string()).map_err(|refusal| refusal.field)
    };
    let refused = Err("montant_credit".to_owned());
    for (number, expected) in [
        ("0.30000000000000004", Some("0.30")),
        ("0.29999999999999999", Some("0.30")),
        ("9.9999999999999999", Some("10.00")),
        ("0.0000000000000001", None),
        ("0.010000000999", Some("0.01")),
        ("0.010000001", None),
        ("0.009999999", None),
        ("0.0099999991", Some("0.01")),
        ("1e2", Some("100.00")),
        ("1.25E+1", Some("12.50")),
        ("12345e-2", Some("123.45")),
        ("1234.5e-1", Some("123.45")),
        ("12345e-3", None),
        ("9999999999999.99", Some("9999999999999.99")),
        ("9999999999999.9999999999", None),
        ("10000000000000", None),
        ("1e400", None),
        ("1e-400", None),
        ("1e99999999999999999999", None),
        ("1e-99999999999999999999", None),
        ("9223372036854775808", None),
        ("-0", None),
        ("\"00012.50\"", Some("12.50")),
        ("\"+1\"", None),
        ("\"1.\"", None),
        ("\".5\"", None),
        ("\"NaN\"", None),
        ("\"1e\"", None),
    ] {
        assert_eq!(read(number), expected.map_or(refused.clone(), |amount| Ok(amount.to_owned())), "{number}");
    }
}

#[test]
fn f13_statuses_follow_from_amounts_must_not_contradict_them_and_none_is_guessed() {
    let cases: &[(&str, f64, Result<CreditStatus, &str>)] = &[
        ("accorde", 0.0, Ok(CreditStatus::Granted)),
        ("accorde", 40.0, Ok(CreditStatus::PartlyPaid)),
        ("accorde", 100.0, Ok(CreditStatus::Paid)),
        ("partiellementPaye", 0.0, Ok(CreditStatus::Granted)),
        ("partiellement_paye", 40.0, Ok(CreditStatus::PartlyPaid)),
        ("en_retard", 40.0, Ok(CreditStatus::PartlyPaid)),
        ("enRetard", 0.0, Ok(CreditStatus::Granted)),
        ("paye", 100.0, Ok(CreditStatus::Paid)),
        ("paye", 99.99, Err("statut")),
        ("paye", 0.0, Err("statut")),
        ("annule", 0.0, Ok(CreditStatus::Cancelled)),
        ("annule", 40.0, Ok(CreditStatus::Cancelled)),
        ("Paye", 100.0, Err("statut")),
    ];
    for (word, paid, expected) in cases {
        let row = with(good_credit(), &[("statut", json!(word)), ("montant_paye", json!(paid))]);
        let found = credit_text(&row.to_string()).map(|credit| credit.status).map_err(|refusal| refusal.field);
        assert_eq!(found, expected.map_err(str::to_owned), "{word} with {paid} paid");
    }
}

#[test]
fn a_payment_bears_the_best_date_that_is_believed() {
    let paid = [("montant_paye", json!(40))];
    let base = with(good_credit(), &paid);
    let at = |changes: &[(&str, Value)]| {
        let credit = credit_text(&with(base.clone(), changes).to_string()).expect("good");
        credit.paid.expect("paid").at.to_rfc3339()
    };
    assert_eq!(at(&[("date_paiement", json!("2025-06-05T12:00:00"))]), "2025-06-05T10:00:00.000Z");
    assert_eq!(at(&[]), "2025-06-02T08:00:00.000Z", "last_modified_at");
    assert_eq!(at(&[("last_modified_at", json!("2099-01-01T00:00:00"))]), "2025-06-01T08:00:00.000Z", "date_sortie");
    assert_eq!(at(&[("last_modified_at", json!(null))]), "2025-06-01T08:00:00.000Z", "date_sortie");
    let credit = credit_text(&base.to_string()).expect("good");
    assert_eq!(credit.paid.expect("paid").mode, PaymentMode::Cash, "a missing mode means cash");
    let future = with(good_credit(), &[("date_sortie", json!("2099-01-01T00:00:00"))]);
    assert_eq!(credit_text(&future.to_string()).expect("good").grant.granted_at, NOW);
}

#[test]
fn a_cancellation_says_when_and_why() {
    let row = with(good_credit(), &[("statut", json!("annule")), ("notes", json!("ANNULÉ: Erreur de saisie"))]);
    let (at, why) = credit_text(&row.to_string()).expect("good").cancelled.expect("cancelled");
    assert_eq!((at.to_rfc3339().as_str(), why.as_str()), ("2025-06-02T08:00:00.000Z", "Erreur de saisie"));
    let row = with(good_credit(), &[("statut", json!("annule"))]);
    let (_, why) = credit_text(&row.to_string()).expect("good").cancelled.expect("cancelled");
    assert!(!why.is_empty());
}

#[test]
fn rows_that_are_no_objects_or_say_a_thing_twice_are_refused() {
    for text in ["\"not a row\"", "12", "null", "[]", "{\"a\":1,\"a\":2}"] {
        assert!(read_text(Table::Credits, text).is_err(), "{text}");
    }
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(read_text(Table::Credits, &deep).expect_err("incomplete").field, "reference");
    assert!(split("{}").is_err());
    assert_eq!(split("[{}, 1]").map(|rows| rows.len()), Ok(2));
    let raw: &RawValue = serde_json::from_str("{\"id\":\"12\",\"reference\":\"X\"}").expect("JSON");
    assert_eq!(name_row(raw), (Some(12), Some("X".to_owned())));
}

#[test]
fn the_other_tables() {
    let shop = json!({"id": 3, "designation": "UCASH Goma", "localisation": "Goma"});
    let sim = json!({"numero": "+243971777631", "operateur": "airtel", "shop_id": 1, "solde_initial_usd": 249.0,
        "solde_initial_cdf": 0, "statut": "active", "date_creation": "2025-01-02T08:00:00.000"});
    let capture = json!({"id": 1, "reference": "cap1", "montant_virtuel": 10.5, "frais": 0.5, "montant_cash": 10,
        "devise": "CDF", "sim_numero": "+243971777631", "shop_id": 1, "agent_id": 12, "agent_username": "a",
        "client_nom": null, "client_telephone": null, "statut": "enAttente",
        "date_enregistrement": "2025-01-19T23:17:00.000", "date_validation": null});
    let withdrawal = json!({"id": 1, "sim_numero": "+243971777631", "shop_source_id": 1, "shop_debiteur_id": 5,
        "montant": 170.64, "devise": "USD", "agent_username": "a", "statut": "annule",
        "date_retrait": "2025-07-10T10:43:00.000"});
    let deposit = json!({"id": 1, "shop_id": 1, "sim_numero": "+243971777631", "montant": 706.63,
        "telephone_client": "+243810513268", "date_depot": "2026-07-09T08:43:00.000", "user_id": 13});
    let good = [
        (Table::Shops, &shop),
        (Table::Sims, &sim),
        (Table::Captures, &capture),
        (Table::Withdrawals, &withdrawal),
        (Table::Deposits, &deposit),
    ];
    for (table, row) in good {
        read_text(table, &row.to_string()).unwrap_or_else(|refusal| panic!("{table:?}: {refusal:?}"));
    }
    match read_text(Table::Sims, &sim.to_string()) {
        Ok(ImportRow::Sim { opening, .. }) => assert_eq!(format!("{opening:?}"), "[249.00 USD]"),
        other => panic!("{other:?}"),
    }
    match read_text(Table::Withdrawals, &withdrawal.to_string()) {
        Ok(ImportRow::Movement { reversed: true, kind: MovementKind::Withdrawal(kind), .. }) => {
            assert_eq!(kind.owed_by.map(|shop| shop.0), Some(5));
        }
        other => panic!("{other:?}"),
    }
    let refused: &[(Table, &Value, &str, Value)] = &[
        (Table::Shops, &shop, "id", json!(null)),
        (Table::Shops, &shop, "designation", json!(" ")),
        (Table::Shops, &shop, "localisation", json!("x".repeat(256))),
        (Table::Sims, &sim, "numero", json!("x")),
        (Table::Sims, &sim, "operateur", json!("Tigo")),
        (Table::Sims, &sim, "solde_initial_usd", json!(-1)),
        (Table::Sims, &sim, "statut", json!("perdue")),
        (Table::Captures, &capture, "id", json!(null)),
        (Table::Captures, &capture, "montant_virtuel", json!(0)),
        (Table::Captures, &capture, "frais", json!(-1)),
        (Table::Captures, &capture, "statut", json!(null)),
        (Table::Captures, &capture, "statut", json!("valide")),
        (Table::Captures, &capture, "client_telephone", json!("1".repeat(21))),
        (Table::Captures, &capture, "client_nom", json!("a\u{1}")),
        (Table::Captures, &capture, "date_enregistrement", json!(null)),
        (Table::Captures, &capture, "date_validation", json!("2025-99-01")),
        (Table::Withdrawals, &withdrawal, "shop_source_id", json!(null)),
        (Table::Withdrawals, &withdrawal, "statut", json!("fini")),
        (Table::Withdrawals, &withdrawal, "montant", json!("1.001")),
        (Table::Deposits, &deposit, "devise", json!("CDF")),
        (Table::Deposits, &deposit, "telephone_client", json!("1".repeat(21))),
        (Table::Deposits, &deposit, "date_depot", json!("")),
    ];
    for (table, row, field, value) in refused {
        let row = with((*row).clone(), &[(field, value.clone())]);
        let refusal = read_text(*table, &row.to_string()).expect_err(&format!("{table:?} {field} = {value}"));
        assert_eq!(refusal.field, *field, "{table:?} {field} = {value}: {}", refusal.reason);
    }
}

#[test]
fn times_of_the_wire() {
    let read = |text: &str| WireTime::read(text).and_then(|time| time.instant(Tz::Africa__Lubumbashi));
    for (text, expected) in [
        ("2025-06-01T10:00:00.000", Some("2025-06-01T08:00:00.000Z")),
        ("2025-06-01T10:00:00.5", Some("2025-06-01T08:00:00.500Z")),
        ("2025-06-01 10:00:00", Some("2025-06-01T08:00:00.000Z")),
        ("2025-06-01", Some("2025-05-31T22:00:00.000Z")),
        ("2025-06-01T10:00:00Z", Some("2025-06-01T10:00:00.000Z")),
        ("2025-06-01T10:00:00.123-05:30", Some("2025-06-01T15:30:00.123Z")),
        ("2024-02-29T00:00:00", Some("2024-02-28T22:00:00.000Z")),
        ("2025-02-29T00:00:00", None),
        ("2025-06-01T10:00", None),
        ("2025-06-01T10:00:60", None),
        ("2025-06-01T+1:00:00", None),
        ("+025-06-01T10:00:00", None),
        ("2025-06-01T10:00:00+2", None),
        ("2025-06-01T10:00:00 Z", None),
        ("٢٠٢٥-٠٦-٠١", None),
        ("1969-12-31", None),
        ("", None),
    ] {
        assert_eq!(read(text).map(Timestamp::to_rfc3339).as_deref(), expected, "{text}");
    }
    // Paris skips from 02:00 to 03:00 that night, and has 02:30 twice in October.
    let paris = |text: &str| WireTime::read(text).and_then(|time| time.instant(Tz::Europe__Paris));
    assert_eq!(paris("2025-03-30T02:30:00").map(Timestamp::to_rfc3339).as_deref(), Some("2025-03-30T01:30:00.000Z"));
    assert_eq!(paris("2025-10-26T02:30:00").map(Timestamp::to_rfc3339).as_deref(), Some("2025-10-26T00:30:00.000Z"));
}

/// The folder of rows that tell how the old server is read, where there is one.
fn data_folder() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("UCASH_DATA").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no folder of sample rows (UCASH_DATA, or ../shared/data)");
    None
}

#[test]
fn the_sample_tables_are_read_whole() {
    let Some(folder) = data_folder() else { return };
    for table in Table::ALL {
        let text = std::fs::read_to_string(folder.join(format!("{}.json", table.word()))).expect("a table");
        for (index, row) in split(&text).expect("an array").into_iter().enumerate() {
            if let Err(refusal) = read_row(table, row, &CONTEXT) {
                panic!("{table:?} row {index}: {refusal:?}");
            }
        }
    }
}

#[test]
fn the_bad_sample_rows_fare_as_they_say() {
    #[derive(serde::Deserialize)]
    struct Sample {
        why: String,
        outcome: String,
        row: Box<RawValue>,
    }
    let Some(folder) = data_folder() else { return };
    let text = std::fs::read_to_string(folder.join("credits_bad.json")).expect("the bad rows");
    let samples: Vec<Sample> = serde_json::from_str(&text).expect("an array");
    // Whether shop, SIM and reference fit what is known is the replica's to decide.
    let later =
        ["reference of another credit, other case and spaces", "unknown SIM", "SIM of another shop", "unknown shop"];
    for sample in &samples {
        let expected = sample.outcome == "accepted" || later.contains(&sample.why.as_str());
        let read = read_row(Table::Credits, &sample.row, &CONTEXT);
        assert_eq!(read.is_ok(), expected, "{}: {read:?}", sample.why);
    }
}
