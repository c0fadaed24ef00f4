//! Conflicts over HTTP: what each route answers, refuses, and to whom.

use serde_json::{Value, json};
use ucash::model::{Decision, ShopId};
use ucash::replica::{Change, Command};

use super::fake::{Ask, Node, conflict};

const FAR: &str = "192.168.1.77:50000";

fn id(shop: u32) -> String {
    conflict(shop).conflict.id.to_string()
}

fn one(shop: u32) -> String {
    format!("/api/v1/conflicts/{}", id(shop))
}

fn decide(shop: u32, body: &Value) -> Ask {
    Ask::post(&format!("{}/resolution", one(shop)), body)
}

fn shops(told: &Value) -> Vec<&Value> {
    told["items"].as_array().expect("items").iter().map(|item| &item["shop_id"]).collect()
}

#[tokio::test]
async fn they_are_told_in_the_language_of_who_asks() {
    let node = Node::start();
    let told = node.ask(Ask::get(&one(1))).await;
    assert_eq!(told.body["decision"], "Tous les paiements comptent : 5.00 USD de trop ont été reçus.");
    let english = node.ask(Ask::get(&one(1)).header("accept-language", "en-GB, fr;q=0.5")).await;
    assert_eq!(english.body["decision"], "All payments count: 5.00 USD too much was received.");
    let listed = node.ask(Ask::get("/api/v1/conflicts").header("accept-language", "en")).await;
    assert_eq!(listed.body["items"][0], english.body, "as the list tells it");
    let known = ["id", "kind", "shop_id", "credit", "sim", "summary", "sides", "decision", "rule", "todo", "decisions"];
    let mut known: Vec<&str> = known.into_iter().chain(["handled"]).collect();
    known.sort_unstable();
    let mut members: Vec<&str> = told.body.as_object().expect("an object").keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, known, "the interface's members");
    assert_eq!(told.body["decisions"], json!(["handled", "give_back"]));
    let decided = node.ask(decide(1, &json!({"reason": "x"})).header("accept-language", "en")).await;
    assert_eq!((decided.status.as_u16(), &decided.body), (200, &english.body));
}

#[tokio::test]
async fn a_list_is_narrowed_and_a_wrong_filter_is_refused() {
    let node = Node::start();
    let ask = async |query: &str| node.ask(Ask::get(&format!("/api/v1/conflicts?{query}"))).await;
    assert_eq!(shops(&ask("").await.body), [&json!(1), &json!(2), &Value::Null], "the register has no shop");
    assert_eq!(shops(&ask("shop=2").await.body), [&json!(2)]);
    // The fake engine does not narrow by these: that they are taken is what is seen here.
    for query in ["kind=overpaid", "handled=true", "handled=0", "limit=1&after=cf_x", "kind=&handled="] {
        assert_eq!(ask(query).await.status.as_u16(), 200, "{query}");
    }
    for (query, code, field) in [
        ("kind=quarrel", "invalid_field", "kind"),
        ("handled=perhaps", "invalid_field", "handled"),
        ("shop=0", "invalid_field", "shop"),
        ("limit=0", "invalid_field", "limit"),
        ("limit=1001", "invalid_field", "limit"),
        ("credit=x", "unknown_field", "credit"),
        ("shop=1&shop=2", "duplicate_field", "shop"),
    ] {
        let told = ask(query).await;
        assert_eq!((told.code(), &told.body["field"]), ((422, code), &json!(field)), "{query}");
    }
}

#[tokio::test]
async fn every_decision_is_read_with_what_belongs_to_it() {
    let node = Node::start();
    let reference = ucash::model::Reference::new("CRED-002").expect("a reference");
    for (fields, expected) in [
        (json!({}), Decision::Handled),
        (json!({"decision": null}), Decision::Handled),
        (json!({"decision": "handled"}), Decision::Handled),
        (json!({"decision": "give_back"}), Decision::GiveBack),
        (json!({"decision": "reinstate"}), Decision::Reinstate),
        (json!({"decision": "cancel"}), Decision::Cancel),
        (json!({"decision": "renumber", "reference": " cred-002 "}), Decision::Renumber(reference)),
        (json!({"decision": "take", "side": 2}), Decision::Take(2)),
    ] {
        let mut body = fields.clone();
        body["reason"] = json!("Vu avec le client");
        body["agent"] = json!("Marie");
        let told = node.ask(decide(1, &body).header("idempotency-key", "k")).await;
        assert_eq!(told.status.as_u16(), 200, "{fields}: {told:?}");
        let agent = Some("Marie".to_owned());
        let command =
            Command::Resolve { conflict: id(1), decision: expected, why: "Vu avec le client".to_owned(), agent };
        assert_eq!(node.last_told(), Some((command, Some("k".to_owned()))), "{fields}");
    }
}

#[tokio::test]
async fn what_is_not_a_decision_reaches_nobody() {
    let node = Node::start();
    for (body, code, field) in [
        (json!({}), "missing_field", "reason"),
        (json!({"reason": 5}), "invalid_field", "reason"),
        (json!({"reason": "x", "decision": "forget"}), "invalid_field", "decision"),
        (json!({"reason": "x", "decision": "take=2"}), "invalid_field", "decision"),
        (json!({"reason": "x", "decision": "renumber"}), "missing_field", "reference"),
        (json!({"reason": "x", "decision": "renumber", "reference": ""}), "invalid_field", "reference"),
        (json!({"reason": "x", "decision": "take"}), "missing_field", "side"),
        (json!({"reason": "x", "decision": "take", "side": 0}), "invalid_field", "side"),
        (json!({"reason": "x", "decision": "take", "side": 256}), "invalid_field", "side"),
        (json!({"reason": "x", "decision": "take", "side": "2"}), "invalid_field", "side"),
        (json!({"reason": "x", "decision": "handled", "side": 2}), "unknown_field", "side"),
        (json!({"reason": "x", "decision": "take", "side": 2, "reference": "C"}), "unknown_field", "reference"),
        (json!({"reason": "x", "why": "x"}), "unknown_field", "why"),
    ] {
        let told = node.ask(decide(1, &body)).await;
        assert_eq!((told.code(), &told.body["field"]), ((422, code), &json!(field)), "{body}");
    }
    assert!(node.last_told().is_none(), "nothing reached the engine");
    for path in ["/api/v1/conflicts/cf_nobody", "/api/v1/conflicts/CRED-1"] {
        assert_eq!(node.ask(Ask::get(path)).await.code(), (404, "unknown_conflict"), "{path}");
        let told = node.ask(Ask::post(&format!("{path}/resolution"), &json!({"reason": "x"}))).await;
        assert_eq!(told.code(), (404, "unknown_conflict"), "{path}");
    }
}

#[tokio::test]
async fn a_token_sees_its_shops_conflicts_and_none_of_the_register() {
    let node = Node::start();
    let (_, both) = node.token(&[1, 2], false, None).await;
    let (_, second) = node.token(&[2], false, None).await;
    let (_, reader) = node.token(&[2], true, None).await;
    let ask = async |ask: Ask, token: &str| node.ask(ask.from(FAR).bearer(token)).await;
    let list = || Ask::get("/api/v1/conflicts");
    assert_eq!(shops(&ask(list(), &both).await.body), [&json!(1), &json!(2)], "and not the register's");
    assert_eq!(shops(&ask(list(), &second).await.body), [&json!(2)]);
    assert_eq!(ask(Ask::get("/api/v1/conflicts?shop=1"), &second).await.code(), (403, "shop_outside_token"));
    let exported = ask(Ask::get("/api/v1/export/conflicts?format=json"), &both).await;
    assert_eq!(shops(&exported.body), [&json!(1), &json!(2)]);

    for (request, code) in [
        (Ask::get(&one(1)), (403, "shop_outside_token")),
        (decide(1, &json!({"reason": "x"})), (403, "shop_outside_token")),
        // Not even that it is there is said of what concerns the register.
        (Ask::get(&one(0)), (404, "unknown_conflict")),
        (decide(0, &json!({"reason": "x"})), (404, "unknown_conflict")),
    ] {
        let path = request.path.clone();
        assert_eq!(ask(request, &second).await.code(), code, "{path}");
    }
    assert_eq!(ask(decide(2, &json!({"reason": "x"})), &reader).await.code(), (403, "token_reads_only"));
    assert!(node.last_told().is_none(), "nothing reached the engine");

    let told = ask(decide(2, &json!({"reason": "x"})), &second).await;
    assert_eq!(told.status.as_u16(), 200, "{told:?}");
    let (command, _) = node.last_told().expect("told");
    assert!(format!("{command:?}").contains("agent: Some(\"test\")"), "the token's name is who acted: {command:?}");
    // The owner sees the register's, without a shop.
    let own = node.ask(Ask::get(&one(0))).await;
    assert_eq!((own.status.as_u16(), &own.body["shop_id"]), (200, &Value::Null));
}

#[tokio::test]
async fn they_are_exported_with_the_filters_of_the_list() {
    let node = Node::start();
    let all = node.ask(Ask::get("/api/v1/export/conflicts?format=json")).await;
    assert_eq!(shops(&all.body), [&json!(1), &json!(2), &Value::Null]);
    let csv = node.ask(Ask::get("/api/v1/export/conflicts?format=csv&separator=semicolon&shop=2&handled=false")).await;
    let text = csv.body.as_str().expect("a text");
    assert!(text.trim_start_matches('\u{feff}').starts_with("Type;Agence;Référence du crédit;SIM;Ce qui s'est passé;"));
    assert!(text.contains("overpaid;2;;;") && text.contains("5.00 USD de trop"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
    let wrong = node.ask(Ask::get("/api/v1/export/conflicts?format=csv&overdue=true")).await;
    assert_eq!(wrong.code(), (422, "unknown_field"), "a filter that does not apply is not ignored");
}

#[tokio::test]
async fn who_may_see_a_conflict_hears_of_it() {
    let node = Node::start();
    let (_, second) = node.token(&[2], false, None).await;
    let changes = node.handle.changes();
    let first = conflict(1).conflict.id;
    let mut own = super::events::Stream::open(&node, Ask::get("/api/v1/events")).await;
    let mut narrow = super::events::Stream::open(&node, Ask::get("/api/v1/events").from(FAR).bearer(&second)).await;
    changes.tell([0, 1, 2].map(|shop| Change::Conflict { shop: ShopId(shop), id: first }));
    for shop in [Value::Null, json!(1), json!(2)] {
        assert_eq!(own.event().await.named(), ("conflict".to_owned(), json!({"id": first, "shop_id": shop})));
    }
    assert_eq!(narrow.event().await.named(), ("conflict".to_owned(), json!({"id": first, "shop_id": 2})));
}
