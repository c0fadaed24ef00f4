//! `ucash import`: what it takes and refuses, once and only once, with a node running and with none.

use std::path::Path;

use serde_json::{Value, json};
use ucash::sample::Size;

use crate::process::{Shop, eventually};
use crate::totals::{Totals, made_up, shared_data_set};

const COMPANY: Size = Size { shops: 3, sims_per_shop: 2, captures_per_sim: 4, credits: 120 };
const SIM: &str = "+243970000001";
const SIM_OF_2: &str = "+243970000002";

fn utf8(path: &Path) -> &str {
    path.to_str().expect("a path in Unicode")
}

fn counts(report: &Value, what: &str) -> u64 {
    report["tables"].as_object().expect("tables").values().map(|table| table[what].as_u64().expect("a number")).sum()
}

#[test]
fn importing_twice_doubles_nothing_and_a_dry_run_writes_nothing() {
    for running in [false, true] {
        let mut shop = Shop::found("siege", "Import", 1);
        let tables = made_up(&shop, 3, COMPANY);
        if running {
            shop.start(&[]);
        }
        let empty = (shop.entries(), shop.digest());
        let dry = shop.ok(&["import", "--dry-run", utf8(&tables)]);
        assert_eq!((shop.entries(), shop.digest()), empty, "a dry run writes nothing");
        let done = shop.ok(&["import", utf8(&tables)]);
        assert_eq!((&dry["dry_run"], &done["dry_run"]), (&json!(true), &json!(false)));
        assert_eq!(dry["tables"], done["tables"], "a dry run reports what an import does");
        assert_eq!(dry["refused"], done["refused"]);
        assert_eq!(done["tables"]["credits"], json!({ "created": 120, "unchanged": 0, "refused": 0 }));

        let full = (shop.entries(), shop.digest());
        for dry in [true, false] {
            let words = if dry { vec!["import", "--dry-run", utf8(&tables)] } else { vec!["import", utf8(&tables)] };
            let again = shop.ok(&words);
            assert_eq!((counts(&again, "created"), counts(&again, "refused")), (0, 0), "{again}");
            assert_eq!(counts(&again, "unchanged"), counts(&done, "created"));
            assert_eq!((shop.entries(), shop.digest()), full, "a second import writes nothing");
        }
        shop.assert_sound();
        if !running {
            shop.start(&[]);
        }
        eventually("the totals of the tables", || Totals::of_tables(&tables).compare(&shop));
    }
}

/// Each row says itself what is to become of it.
fn assert_outcomes(shop: &Shop, rows: &[Value]) {
    let file = shop.write_beside("credits_bad.json", &json!(rows).to_string());
    let before = (shop.entries(), shop.digest(), shop.status()["credits"].as_u64().expect("a number"));
    let dry = shop.run(&["import", "--dry-run", &file]);
    assert_eq!((shop.entries(), shop.digest()), (before.0, before.1.clone()));
    let ran = shop.run(&["import", &file]);
    let report = ran.answer();
    let refused = |report: &Value| {
        let rows = report["refused"].as_array().expect("a list");
        rows.iter().map(|row| (row["row"].as_u64(), row["code"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(refused(&dry.answer()), refused(&report), "a dry run refuses what an import refuses");
    assert_eq!(dry.code, ran.code);

    let mut accepted = 0;
    for (number, row) in (1..).zip(rows) {
        let told = report["refused"].as_array().expect("a list").iter().find(|told| told["row"] == number);
        let why = &row["why"];
        match row["outcome"].as_str() {
            Some("accepted") => {
                assert_eq!(told, None, "row {number}, {why}");
                accepted += 1;
            }
            Some("refused") => {
                let told = told.unwrap_or_else(|| panic!("row {number}, {why}, was taken"));
                let reason = told["reason"].as_str().unwrap_or_default();
                assert!(reason.len() >= 10 && reason.contains(' '), "row {number}, {why}: {told}");
                assert!(told["code"].is_string(), "row {number}, {why}: {told}");
            }
            other => panic!("row {number} has the outcome {other:?}"),
        }
    }
    assert_eq!(counts(&report, "created"), accepted);
    assert_eq!(ran.code, Some(1), "some were refused");
    assert_eq!(shop.status()["credits"].as_u64(), Some(before.2 + accepted), "a row goes in whole or not at all");
    // Again: what was taken is known now, what was refused still is.
    let after = (shop.entries(), shop.digest());
    let again = shop.run(&["import", &file]).answer();
    assert_eq!((counts(&again, "created"), counts(&again, "unchanged")), (0, accepted));
    assert_eq!((shop.entries(), shop.digest()), after);
    shop.assert_sound();
}

fn row(reference: &str, changes: Value) -> Value {
    let mut row = json!({
        "reference": reference, "montant_credit": 10.5, "devise": "USD", "beneficiaire_nom": "Gloire Kasongo",
        "beneficiaire_telephone": null, "type_beneficiaire": "autre", "sim_numero": SIM, "shop_id": 1,
        "agent_id": 11, "agent_username": "agent_1", "statut": "accorde", "date_sortie": "2025-06-01T08:00:00.000",
        "date_echeance": null, "montant_paye": 0.0, "mode_paiement": null,
        "last_modified_at": "2025-06-01T08:00:00.000",
    });
    for (field, value) in changes.as_object().expect("changes") {
        row[field] = value.clone();
    }
    row
}

#[test]
fn each_made_up_bad_row_is_taken_or_refused_as_it_must_be() {
    let paid = json!({ "statut": "paye", "montant_paye": 10.5, "mode_paiement": "cash" });
    let cases = [
        ("plain", "accepted", row("M-1", json!({}))),
        ("amount as text", "accepted", row("M-2", json!({ "montant_credit": "10.50" }))),
        ("noise of a binary fraction", "accepted", row("M-3", json!({ "montant_credit": 0.30000000000000004 }))),
        ("currency in lower case", "accepted", row("M-4", json!({ "devise": "usd" }))),
        ("a field nobody knows", "accepted", row("M-5", json!({ "couleur": "rouge" }))),
        ("paid", "accepted", row("M-6", paid)),
        ("markup in a name", "accepted", row("M-7", json!({ "beneficiaire_nom": "<b>Gloire</b>" }))),
        ("reference blank", "refused", row("  ", json!({}))),
        (
            "a reference beside too long a name",
            "refused",
            row("M-9", json!({ "beneficiaire_nom": "N".repeat(10_000) })),
        ),
        ("reference taken, other case", "refused", row(" m-1 ", json!({ "montant_credit": 11 }))),
        ("reference too long", "refused", row(&"R".repeat(51), json!({}))),
        ("amount zero", "refused", row("M-10", json!({ "montant_credit": 0 }))),
        ("amount negative", "refused", row("M-11", json!({ "montant_credit": -5 }))),
        ("third decimal", "refused", row("M-12", json!({ "montant_credit": 10.005 }))),
        ("amount no number", "refused", row("M-13", json!({ "montant_credit": "dix" }))),
        ("amount beyond all measure", "refused", row("M-14", json!({ "montant_credit": 1e300 }))),
        ("amount null", "refused", row("M-15", json!({ "montant_credit": null }))),
        ("unknown currency", "refused", row("M-16", json!({ "devise": "EUR" }))),
        ("paid beyond", "refused", row("M-17", json!({ "montant_paye": 11, "mode_paiement": "cash" }))),
        ("unknown status", "refused", row("M-18", json!({ "statut": "bizarre" }))),
        ("paid, it says, of which nothing", "refused", row("M-19", json!({ "statut": "paye" }))),
        ("unknown SIM", "refused", row("M-20", json!({ "sim_numero": "+243999999999" }))),
        ("SIM of another shop", "refused", row("M-21", json!({ "sim_numero": SIM_OF_2 }))),
        ("unknown shop", "refused", row("M-22", json!({ "shop_id": 999 }))),
        ("impossible date", "refused", row("M-23", json!({ "date_sortie": "2025-02-30T08:00:00" }))),
        ("beneficiary blank", "refused", row("M-24", json!({ "beneficiaire_nom": " " }))),
        ("no object", "refused", json!("not a row")),
        ("no object, null", "refused", json!(null)),
    ];
    let rows: Vec<Value> =
        cases.into_iter().map(|(why, outcome, row)| json!({ "why": why, "outcome": outcome, "row": row })).collect();
    for running in [false, true] {
        let mut shop = Shop::found("siege", "Import", 1);
        shop.ok(&["shop", "add", "Agence 2", "--shop-id", "2"]);
        shop.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "1000.00"]);
        shop.ok(&["sim", "add", SIM_OF_2, "--operator", "Orange", "--shop", "2", "--initial-usd", "1000.00"]);
        if running {
            shop.start(&[]);
        }
        assert_outcomes(&shop, &rows);
        let markup = shop.ok(&["credit", "show", "M-7"]);
        assert_eq!(markup["beneficiary"]["name"], "<b>Gloire</b>", "kept as text");
        assert_eq!(shop.ok(&["credit", "show", "M-3"])["amount"], "0.30");
    }
}

#[test]
fn each_bad_row_of_the_data_set_is_taken_or_refused_as_it_says() {
    let test = "each_bad_row_of_the_data_set_is_taken_or_refused_as_it_says";
    let Some(tables) = shared_data_set(test) else { return };
    let text = std::fs::read_to_string(tables.join("credits_bad.json")).expect("the rows are there");
    let rows: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let mut shop = Shop::found("siege", "Import", 1);
    shop.ok(&["import", utf8(&tables)]);
    shop.start(&[]);
    assert_outcomes(&shop, &rows);
}
