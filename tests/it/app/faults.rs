//! The faults of the server that is replaced, each tried by the app's own loop against the real program.

use serde_json::{Value, json};

use super::client::{Lost, cents};
use super::{SIM, a_while, app, office, open_conflicts, paid, token};
use crate::process::{Shop, eventually};
use crate::totals::shared_data_set;

/// Pays at the node itself.
#[track_caller]
fn pay_at(shop: &Shop, reference: &str, amount: &str) {
    shop.ok(&["credit", "pay", reference, "--amount", amount, "--mode", "cash"]);
}

fn imported(id: u64, shop: u32, reference: &str, sim: &str) -> Value {
    json!({
        "id": id, "reference": reference, "montant_credit": 100.0, "devise": "USD", "beneficiaire_nom": "Gloire",
        "type_beneficiaire": "autre", "sim_numero": sim, "shop_id": shop, "agent_id": 11, "agent_username": "agent_1",
        "statut": "accorde", "date_sortie": "2025-06-01T08:00:00.000", "montant_paye": 0.0, "mode_paiement": null,
        "last_modified_at": "2025-06-01T08:00:00.000",
    })
}

#[test]
fn f01_two_apps_pay_apart_and_both_payments_count() {
    let office = office();
    let (mut one, mut two) = (app(&office, "caisse 1"), app(&office, "caisse 2"));
    one.grant("CRED-1", SIM, 100_00);
    one.settle();
    two.settle();
    assert_eq!(two.row("CRED-1").cents("montant_credit"), 100_00);
    one.pay("CRED-1", 50_00);
    two.pay("CRED-1", 50_00);
    // A cashier's time: what is entered in the milliseconds in which another's payment comes is asked about.
    a_while();
    for _ in 0..3 {
        assert!(one.round(Lost::Nothing) && two.round(Lost::Nothing));
    }
    assert_eq!(paid(&office, "CRED-1"), 100_00);
    for app in [&one, &two] {
        let row = app.row("CRED-1");
        assert_eq!((row.cents("montant_paye"), &row.fields["statut"]), (100_00, &json!("paye")), "{row:?}");
        assert_eq!(app.forgotten, 0);
    }
    let credit = office.credit("CRED-1").expect("the credit");
    assert_eq!(credit["payments"].as_array().map(Vec::len), Some(2), "{credit}");
    assert_eq!(open_conflicts(&office), Vec::<Value>::new());
    office.assert_sound();
}

#[test]
fn f02_an_own_small_number_overwrites_no_other_credit() {
    let office = office();
    office.ok(&["shop", "add", "Goma", "--shop-id", "2"]);
    let sim_of_2 = "+243970000002";
    office.ok(&["sim", "add", sim_of_2, "--operator", "Airtel", "--shop", "2", "--initial-usd", "500"]);
    let rows = json!([imported(1, 2, "OLD-1", sim_of_2), imported(2, 1, "OLD-2", SIM)]);
    let file = office.write_beside("credits.json", &rows.to_string());
    office.ok(&["import", &file]);
    let before = office.credit("OLD-1").expect("the credit");

    let mut app = app(&office, "caisse");
    app.grant("NEW-1", SIM, 10_00);
    app.grant("NEW-2", SIM, 20_00);
    // Its own numbers are those of another shop's credit, and of one of its own shop that it has not seen.
    assert_eq!((&app.row("NEW-1").fields["id"], &app.row("NEW-2").fields["id"]), (&json!(1), &json!(2)));
    assert!(app.upload(Lost::Nothing));
    assert_eq!(app.errors, Vec::<Value>::new());
    app.settle();
    assert_eq!(office.credit("OLD-1").expect("the credit"), before);
    assert_eq!(app.row("OLD-2").fields["id"], 2, "imported credits keep their numbers");
    for (reference, amount) in [("NEW-1", 10_00), ("NEW-2", 20_00), ("OLD-2", 100_00)] {
        let row = app.row(reference);
        assert_eq!((row.cents("montant_credit"), row.cents("montant_paye")), (amount, 0), "{row:?}");
    }
    for reference in ["NEW-1", "NEW-2"] {
        let id = app.row(reference).fields["id"].as_u64().expect("a number");
        assert!((1 << 40..1 << 53).contains(&id), "{reference}: {id}");
    }
    // The other shop's credit by its very number and reference is outside of the token.
    let body = json!({ "shop_id": 1, "credits": [imported(1, 2, "OLD-1", sim_of_2)] });
    let answer = app.ask("POST", "/api/credit-virtuels/batch", Some(&body)).expect("an answer");
    let answer = answer.json();
    assert_eq!((&answer["total_errors"], &answer["errors"][0]["credit_id"]), (&json!(1), &json!(1)), "{answer}");
    office.assert_sound();
}

#[test]
fn f03_what_was_uploaded_once_is_marked_as_sent() {
    let office = office();
    let mut app = app(&office, "caisse");
    app.grant("CRED-1", SIM, 100_00);
    app.grant("CRED-2", SIM, 50_00);
    assert!(app.round(Lost::Nothing));
    assert_eq!(app.uploaded, 2);
    assert!(app.rows.iter().all(|row| row.sent), "{:?}", app.rows);
    let entries = office.entries();
    for _ in 0..3 {
        assert!(app.round(Lost::Nothing));
        assert_eq!(app.uploaded, 0);
    }
    assert_eq!((app.rows.len(), office.entries()), (2, entries));
}

#[test]
fn f04_no_download_is_cut_in_silence() {
    let office = office();
    let rows: Vec<Value> = (1..=1_200).map(|id| imported(id, 1, &format!("OLD-{id}"), SIM)).collect();
    let file = office.write_beside("credits.json", &json!(rows).to_string());
    office.ok(&["import", &file]);
    let mut app = app(&office, "caisse");
    app.settle();
    assert_eq!(app.rows.len(), 1_200);
    // What changes between its download and its mark is older than the mark, and comes all the same.
    assert!(app.download(Lost::Nothing));
    for id in [1, 700, 1_200] {
        pay_at(&office, &format!("OLD-{id}"), "10");
    }
    assert!(app.upload(Lost::Nothing));
    app.settle();
    for id in [1, 700, 1_200] {
        assert_eq!(app.row(&format!("OLD-{id}")).cents("montant_paye"), 10_00);
    }
    // An answer of many rows is lost, and the app asks by a mark that is none the wiser.
    for id in 2..30 {
        pay_at(&office, &format!("OLD-{id}"), "10");
    }
    assert!(!app.round(Lost::Download));
    app.settle();
    for id in 2..30 {
        assert_eq!(app.row(&format!("OLD-{id}")).cents("montant_paye"), 10_00, "OLD-{id}");
    }
}

#[test]
fn f05_a_mark_of_a_clock_that_is_hours_off_hides_nothing() {
    for hours in [5, -7] {
        let office = office();
        let mut app = app(&office, "caisse");
        app.clock_off_ms = hours * 3_600_000;
        app.settle();
        app.grant("CRED-1", SIM, 100_00);
        app.settle();
        for turn in 1..=3 {
            pay_at(&office, "CRED-1", "10");
            app.settle();
            assert_eq!(app.row("CRED-1").cents("montant_paye"), turn * 10_00, "{hours} h off");
        }
        app.pay("CRED-1", 5_00);
        app.settle();
        assert_eq!(paid(&office, "CRED-1"), 35_00, "{hours} h off");
        // With its rows, without its mark.
        app.restart();
        pay_at(&office, "CRED-1", "10");
        app.settle();
        assert_eq!(app.row("CRED-1").cents("montant_paye"), 45_00, "{hours} h off");
        assert_eq!((app.forgotten, paid(&office, "CRED-1")), (0, 45_00), "{hours} h off");
    }
}

#[test]
fn f07_having_sent_a_row_beats_no_change_made_elsewhere() {
    let office = office();
    let mut app = app(&office, "caisse");
    app.grant("CRED-1", SIM, 100_00);
    // The payment is made after the row came and before the app stamps it as changed now.
    assert!(app.round(Lost::Nothing));
    pay_at(&office, "CRED-1", "30");
    app.edit("CRED-1", |fields| fields["notes"] = json!("vendredi"));
    app.settle();
    let row = app.row("CRED-1");
    assert_eq!((row.cents("montant_paye"), &row.fields["notes"]), (30_00, &json!("vendredi")), "{row:?}");
    assert_eq!(paid(&office, "CRED-1"), 30_00);
    assert_eq!(office.credit("CRED-1").expect("the credit")["notes"], "vendredi");
}

#[test]
fn f08_amounts_are_exact_however_a_float_writes_them() {
    let office = office();
    let mut app = app(&office, "caisse");
    app.grant("CRED-1", SIM, 100_00);
    app.edit("CRED-1", |fields| {
        fields["montant_credit"] = serde_json::from_str("0.30000000000000004").expect("a number");
    });
    app.settle();
    let path = "/api/credit-virtuels?shop_id=1";
    let listed = app.ask("GET", path, None).expect("an answer");
    assert!(listed.text.contains("\"montant_credit\":0.30,") && listed.text.contains("\"montant_restant\":0.30,"));
    // Three payments of a third of a dollar each, as floats add them up.
    app.grant("CRED-2", SIM, 1_00);
    app.settle();
    for total in ["0.1", "0.30000000000000004", "0.7999999999999999"] {
        app.edit("CRED-2", |fields| fields["montant_paye"] = serde_json::from_str(total).expect("a number"));
        app.settle();
    }
    assert_eq!(paid(&office, "CRED-2"), 80);
    let listed = app.ask("GET", path, None).expect("an answer");
    assert!(listed.text.contains("\"montant_paye\":0.80,"), "{}", listed.text);
    // More than any float holds to the cent, and a third decimal.
    app.grant("CRED-3", SIM, 1_00);
    app.edit("CRED-3", |fields| fields["montant_credit"] = json!(10.001));
    assert!(app.upload(Lost::Nothing));
    assert!(
        app.errors[0]["error"].as_str().is_some_and(|why| why.starts_with("montant_credit : ")),
        "{:?}",
        app.errors
    );
}

#[test]
fn f12_who_has_no_token_reads_and_writes_nothing() {
    let office = office();
    let mut owner = app(&office, "caisse");
    owner.grant("CRED-1", SIM, 100_00);
    owner.settle();
    let mut stranger = super::client::App::new(office.face(), &office.http(), "ucash_x_y", 1);
    stranger.grant("CRED-9", SIM, 100_00);
    assert!(!stranger.round(Lost::Nothing) && !stranger.upload(Lost::Nothing));
    assert_eq!(stranger.rows.len(), 1);
    assert!(office.credit("CRED-9").is_err());
    // Nor who sits at the node, without one.
    for path in ["/api/credit-virtuels/download?shop_id=1", "/server/api/credit-virtuels.php?shop_id=1"] {
        let answer = office.face().request("GET", path, &[], None).expect("an answer");
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
        let body = answer.json();
        assert!(body["error"].is_string() && body["message"].is_string() && body.get("code").is_none(), "{body}");
    }
    // One that is revoked is refused at once.
    let id = owner.token.split('_').nth(1).expect("an id").to_owned();
    let revoked = office.face().request("DELETE", &format!("/api/v1/tokens/{id}"), &[], None).expect("an answer");
    assert_eq!(revoked.status, 204);
    owner.pay("CRED-1", 10_00);
    assert!(!owner.round(Lost::Nothing));
    assert_eq!(paid(&office, "CRED-1"), 0);
}

#[test]
fn f15_overdue_credits_are_found() {
    let office = office();
    let mut app = app(&office, "caisse");
    for reference in ["LATE-1", "SOON-1"] {
        app.grant(reference, SIM, 10_00);
    }
    app.edit("LATE-1", |fields| fields["date_echeance"] = json!("2026-01-01T00:00:00.000"));
    app.edit("SOON-1", |fields| fields["date_echeance"] = json!("2126-01-01T00:00:00.000"));
    app.settle();
    for word in ["enRetard", "en_retard"] {
        let path = format!("/api/credit-virtuels?shop_id=1&statut={word}");
        let listed = app.ask("GET", &path, None).expect("an answer").json();
        assert_eq!((&listed["success"], &listed["count"]), (&json!(true), &json!(1)), "{listed}");
        let row = &listed["data"][0];
        assert_eq!(
            (&row["reference"], &row["est_en_retard"], &row["statut"]),
            (&json!("LATE-1"), &json!(true), &json!("enRetard"))
        );
        assert_eq!(row.as_object().expect("a row").len(), 27, "25 fields and two: {row}");
    }
    let filters = [
        ("statut=accorde", 1),
        ("statut=paye", 0),
        ("sim_numero=%2B243970000001", 2),
        ("sim_numero=+243970000001", 2),
        ("beneficiaire=mumb", 2),
        ("beneficiaire=personne", 0),
        ("date_debut=2100-01-01", 0),
        ("date_fin=2020-01-01", 0),
        ("last_sync=2020-01-01 00:00:00", 2),
        ("last_sync=2100-01-01T00:00:00.000", 0),
    ];
    for (filter, count) in filters {
        for path in ["/api/credit-virtuels", "/server/api/api/sync/credit_virtuel/download.php"] {
            let path = format!("{path}?shop_id=1&{}", filter.replace(' ', "%20"));
            let listed = app.ask("GET", &path, None).expect("an answer").json();
            assert_eq!(listed["count"], count, "{path}: {listed}");
        }
    }
}

#[test]
fn f17_what_was_refused_is_told_again_until_it_is_mended() {
    let office = office();
    let mut app = app(&office, "caisse");
    app.grant("GOOD-1", SIM, 10_00);
    app.grant("BAD-1", "+243979999999", 10_00);
    app.grant("GOOD-2", SIM, 10_00);
    for _ in 0..3 {
        assert!(app.round(Lost::Nothing));
        let [error] = &app.errors[..] else { panic!("one error: {:?}", app.errors) };
        assert_eq!((&error["reference"], &error["credit_id"]), (&json!("BAD-1"), &json!(2)), "{error}");
        let why = error["error"].as_str().expect("a reason");
        assert!(why.starts_with("sim_numero : ") && why.contains("+243979999999"), "{why}");
        assert!(!app.row("BAD-1").sent);
    }
    assert!(app.row("GOOD-1").sent && app.row("GOOD-2").sent);
    app.edit("BAD-1", |fields| fields["sim_numero"] = json!(SIM));
    app.settle();
    assert!(app.row("BAD-1").sent && office.credit("BAD-1").is_ok());
}

#[test]
fn f17_each_bad_row_of_the_data_set_fares_as_it_must() {
    let Some(tables) = shared_data_set("f17_each_bad_row_of_the_data_set_fares_as_it_must") else { return };
    let bad = std::fs::read_to_string(tables.join("credits_bad.json")).expect("the bad rows");
    // As they are written: a number that is read and written again would be another one.
    let bad: Vec<std::collections::BTreeMap<String, Box<serde_json::value::RawValue>>> =
        serde_json::from_str(&bad).expect("rows");
    let mut office = Shop::found("siege", "Reprise", 1);
    office.ok(&["import", tables.to_str().expect("Unicode")]);
    office.start(&[]);
    let shops = office.get("/api/v1/shops");
    let shops: Vec<u32> = shops["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|shop| u32::try_from(shop["id"].as_u64().expect("a number")).expect("small"))
        .collect();
    let shop = shops[0];
    let app = super::client::App::new(office.face(), &office.http(), &token(&office, "app", &shops), shop);
    let before = office.status()["credits"].as_u64().expect("a number");
    let rows: Vec<&str> = bad.iter().map(|one| one["row"].get()).collect();
    let body = format!("{{\"shop_id\":{shop},\"credits\":[{}]}}", rows.join(","));
    let body: Box<serde_json::value::RawValue> = serde_json::value::RawValue::from_string(body).expect("JSON");
    let answer = app.ask_raw("/api/credit-virtuels/batch", body.get()).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let mut accepted = 0;
    for (index, one) in bad.iter().enumerate() {
        let (why, outcome) = (one["why"].get(), one["outcome"].get());
        let told = answer["errors"].as_array().expect("a list").iter().find(|error| error["index"] == index);
        match outcome {
            "\"accepted\"" => {
                assert_eq!(told, None, "{why}");
                accepted += 1;
            }
            _ => {
                let told = told.unwrap_or_else(|| panic!("{why} was taken"));
                let reason = told["error"].as_str().unwrap_or_default();
                assert!(reason.len() >= 10 && reason.contains(' '), "{why}: {told}");
            }
        }
    }
    assert_eq!((&answer["statistics"]["created"], &answer["total_processed"]), (&json!(accepted), &json!(bad.len())));
    assert_eq!(office.status()["credits"].as_u64(), Some(before + accepted), "a row goes in whole or not at all");
    // What came through reads back to the cent.
    let listed = app.ask("GET", &format!("/api/credit-virtuels?shop_id={shop}"), None).expect("an answer").json();
    let wrong = |row: &&Value| cents(&row["montant_credit"]) <= 0;
    assert_eq!(listed["data"].as_array().expect("rows").iter().find(wrong), None);
    eventually("the same rows again are known", || {
        let again = app.ask_raw("/api/credit-virtuels/batch", body.get())?.json();
        let skipped = again["statistics"]["skipped"].as_u64().unwrap_or_default();
        if skipped == accepted { Ok(()) } else { Err(again["statistics"].to_string()) }
    });
    assert_eq!(office.status()["credits"].as_u64(), Some(before + accepted));
}

#[test]
fn f18_every_endpoint_of_the_app_answers() {
    let office = office();
    let mut app = app(&office, "caisse");
    app.grant("CRED-1", SIM, 10_00);
    app.settle();
    let empty = json!({ "shop_id": 1, "credits": [] });
    for prefix in ["", "/server", "/server/api", "/api"] {
        for end in ["", ".php", "/"] {
            let at = |path: &str| format!("{prefix}{path}{end}");
            for path in ["/api/ping", "/api/sync/ping"] {
                let answer = office.face().request("GET", &at(path), &[], None).expect("an answer");
                assert_eq!((answer.status, &answer.json()["success"]), (200, &json!(true)), "{path}");
            }
            for path in ["/api/credit-virtuels", "/api/credit-virtuels/download", "/api/sync/credit_virtuel/download"] {
                let asked = format!("{}?shop_id=1", at(path));
                let answer = app.ask("GET", &asked, None).expect("an answer");
                assert_eq!((answer.status, answer.text.contains("CRED-1")), (200, true), "{asked}: {answer:?}");
            }
            for path in ["/api/credit-virtuels/batch", "/api/credit-virtuels/upload", "/api/sync/credit_virtuel/upload"]
            {
                let answer = app.ask("POST", &at(path), Some(&empty)).expect("an answer");
                assert_eq!((answer.status, &answer.json()["success"]), (200, &json!(true)), "{}: {answer:?}", at(path));
            }
        }
    }
}

#[test]
fn f19_upload_answers_200_with_a_body() {
    let office = office();
    let mut app = app(&office, "caisse");
    app.grant("CRED-1", SIM, 10_00);
    let row = app.row("CRED-1").fields.clone();
    let mut bad = row.clone();
    bad["montant_credit"] = json!(-0.05);
    let body = json!({ "shop_id": 1, "credits": [row, bad] });
    let path = "/server/api/credit-virtuels/upload.php";
    let answer = app.ask("POST", path, Some(&body)).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    let first = answer.json();
    let entry = &first["synced_credits"][0];
    assert_eq!((&entry["id"], &entry["status"]), (&json!(1), &json!("created")), "{first}");
    assert_eq!((&first["total_synced"], &first["total_errors"]), (&json!(1), &json!(1)), "{first}");
    assert!(first["errors"][0]["error"].as_str().is_some_and(|why| why.starts_with("montant_credit : ")), "{first}");
    let again = app.ask("POST", path, Some(&body)).expect("an answer").json();
    let known = json!({ "id": 1, "server_id": entry["server_id"], "status": "skipped" });
    assert_eq!(again["synced_credits"][0], known, "the number is the same for ever");
    let answer = app.ask("POST", "/api/sync/credit_virtuel/upload", Some(&body)).expect("an answer").json();
    let actions: Vec<&Value> = answer["results"].as_array().expect("a list").iter().map(|one| &one["action"]).collect();
    assert_eq!(actions, ["skipped", "error"], "{answer}");
}
