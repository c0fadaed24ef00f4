//! What a request must look like: amounts, fields, bodies, keys, parameters.

use axum::http::Method;
use serde_json::{Value, json};
use ucash::http::limits::{BODY_BYTES_MAX, UPLOAD_BYTES_MAX};
use ucash::replica::Command;

use super::fake::{Ask, Node, SIM_1};

fn grant() -> Value {
    json!({"reference": "R-1", "amount": "125.50", "currency": "USD", "sim": SIM_1, "beneficiary": {"name": "A"}})
}

#[tokio::test]
async fn amounts() {
    let node = Node::start();
    let cases: &[(&str, u16, &str)] = &[
        ("\"0\"", 422, "invalid_field"),
        ("\"0.00\"", 422, "invalid_field"),
        ("\"-1\"", 422, "amount_negative"),
        ("\"-0\"", 422, "invalid_field"),
        ("1e400", 422, "invalid_field"),
        ("9223372036854775808", 422, "invalid_field"),
        ("\"9223372036854775808\"", 422, "amount_too_large"),
        ("\"1e400\"", 422, "amount_not_a_number"),
        ("125.5", 422, "invalid_field"),
        ("125", 422, "invalid_field"),
        ("\"1.005\"", 422, "amount_too_many_decimals"),
        ("\"١٢\"", 422, "amount_not_a_number"),
        ("\"\"", 422, "amount_not_a_number"),
        ("\" 1\"", 422, "amount_not_a_number"),
        ("\"1,5\"", 422, "amount_not_a_number"),
        ("\"NaN\"", 422, "amount_not_a_number"),
        ("null", 422, "missing_field"),
        ("true", 422, "invalid_field"),
        ("[\"1\"]", 422, "invalid_field"),
        ("\"\\ud800\"", 422, "invalid_field"),
    ];
    for path in ["/api/v1/credits", "/api/v1/credits/CRED-1/payments"] {
        for (amount, status, code) in cases {
            let rest = if path.ends_with("credits") {
                format!(
                    ",\"reference\":\"R\",\"currency\":\"USD\",\"sim\":\"{SIM_1}\",\"beneficiary\":{{\"name\":\"A\"}}"
                )
            } else {
                String::new()
            };
            let ask = Ask::new(Method::POST, path).raw(format!("{{\"amount\":{amount}{rest}}}"));
            let told = node.ask(ask).await;
            assert_eq!(told.code(), (*status, *code), "{path} {amount}");
            assert_eq!(told.body["field"], "amount", "{path} {amount}");
        }
    }
    assert!(node.last_told().is_none());
    let number = node.ask(Ask::post("/api/v1/credits/CRED-1/payments", &json!({"amount": 5}))).await;
    assert!(number.body["detail"].as_str().is_some_and(|detail| detail.contains("\"125.50\"")), "{number:?}");
}

#[tokio::test]
async fn fields() {
    let node = Node::start();
    let with = |field: &str, value: Value| {
        let mut body = grant();
        body[field] = value;
        body.to_string()
    };
    let deep = format!("{{\"notes\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    let cases: Vec<(String, u16, &str, &str)> = vec![
        (with("montant", json!(1)), 422, "unknown_field", "montant"),
        (with("beneficiary", json!({"name": "A", "nom": "B"})), 422, "unknown_field", "beneficiary.nom"),
        (with("beneficiary", json!({})), 422, "missing_field", "beneficiary.name"),
        (with("beneficiary", json!("A")), 422, "invalid_field", "beneficiary"),
        (with("beneficiary", json!({"name": "A", "kind": "banque"})), 422, "invalid_field", "beneficiary.kind"),
        (with("beneficiary", json!({"name": "A", "shop_id": 0})), 422, "invalid_field", "beneficiary.shop_id"),
        (with("reference", json!(null)), 422, "missing_field", "reference"),
        (with("reference", json!("  ")), 422, "invalid_field", "reference"),
        (with("reference", json!(1)), 422, "invalid_field", "reference"),
        (with("currency", json!("EUR")), 422, "unknown_currency", "currency"),
        (with("sim", json!("abc")), 422, "invalid_field", "sim"),
        (with("due_at", json!("2025-06-01T10:00:00")), 422, "invalid_field", "due_at"),
        (with("due_at", json!("2025-02-31")), 422, "invalid_field", "due_at"),
        ("{\"reference\":\"a\",\"reference\":\"b\"}".to_owned(), 422, "duplicate_field", "reference"),
        ("[]".to_owned(), 422, "invalid_field", "body"),
        (deep, 422, "missing_field", "reference"),
    ];
    for (body, status, code, field) in cases {
        let shown: String = body.chars().take(120).collect();
        let told = node.ask(Ask::new(Method::POST, "/api/v1/credits").raw(body)).await;
        assert_eq!(told.code(), (status, code), "{shown}");
        assert_eq!(told.body["field"], field, "{shown}");
    }
    assert!(node.last_told().is_none());
}

#[tokio::test]
async fn bodies() {
    let node = Node::start();
    let post = || Ask::new(Method::POST, "/api/v1/credits");
    let large = format!("{{\"notes\":\"{}\"}}", "x".repeat(BODY_BYTES_MAX));
    let huge = vec![b' '; UPLOAD_BYTES_MAX + 1];
    let cases = [
        (post().raw("{"), 400, "malformed_json"),
        (post().raw(""), 400, "malformed_json"),
        (post().raw("{} {}"), 400, "malformed_json"),
        (post().raw("{\"amount\":NaN}"), 400, "malformed_json"),
        (post().raw(vec![b'{', 0xff, b'}']), 400, "not_utf8"),
        (post().raw(large), 413, "body_too_large"),
        (Ask::new(Method::POST, "/api/v1/imports").raw(huge), 413, "body_too_large"),
        (post().raw("{}").header("content-type", "text/plain"), 415, "not_json"),
        (post(), 415, "not_json"),
        (Ask::get("/api/v1/nothing"), 404, "not_found"),
        (Ask::get("/elsewhere"), 404, "not_found"),
        (Ask::get("/api/v1/sims/abc/balance"), 404, "not_found"),
        (Ask::get("/api/v1/credits/%FF"), 404, "not_found"),
        (Ask::get("/api/v1/sims/+243000077/balance"), 404, "unknown_sim"),
        (Ask::get("/api/v1/credits/NOBODY"), 404, "unknown_credit"),
        (Ask::new(Method::PUT, "/api/v1/credits"), 405, "method_not_allowed"),
        (Ask::new(Method::PATCH, "/api/v1/credits/CRED-1").raw("{}"), 409, "nothing_to_change"),
    ];
    for (ask, status, code) in cases {
        let name = format!("{} {}", ask.method, ask.path);
        let told = node.ask(ask).await;
        assert_eq!(told.code(), (status, code), "{name}");
        assert_eq!(told.headers["content-type"], "application/problem+json", "{name}");
        for member in ["type", "title", "detail"] {
            assert!(told.body[member].is_string(), "{name}: {told:?}");
        }
        assert_eq!(told.body["status"], status, "{name}");
    }
    let wrong = node.ask(Ask::new(Method::PUT, "/api/v1/credits")).await;
    let allowed = wrong.headers["allow"].to_str().expect("text");
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    let english = node.ask(Ask::get("/elsewhere").header("accept-language", "en")).await;
    assert_eq!(english.body["title"], "Not found");
}

#[tokio::test]
async fn idempotency_keys() {
    let node = Node::start();
    let ask = |key: &str| Ask::post("/api/v1/credits", &grant()).header("idempotency-key", key);
    for bad in [String::new(), "k".repeat(256), "a b".to_owned(), "é".to_owned()] {
        assert_eq!(node.ask(ask(&bad)).await.code(), (422, "invalid_idempotency_key"), "{bad:?}");
    }
    assert!(node.last_told().is_none());
    let longest = "k".repeat(255);
    node.ask(ask(&longest)).await;
    assert_eq!(node.last_told().and_then(|(_, key)| key), Some(longest));
    let (_, first) = node.token(&[1], false, None).await;
    let (_, second) = node.token(&[1], false, None).await;
    let mut keys = Vec::new();
    for token in [&first, &second, &first] {
        node.ask(ask("same").bearer(token)).await;
        keys.push(node.last_told().and_then(|(_, key)| key).expect("a key"));
    }
    assert!(keys[0] != keys[1] && keys[0] == keys[2], "a key belongs to its token: {keys:?}");
}

#[tokio::test]
async fn parameters() {
    let node = Node::start();
    let filters = "shop=1&sim=%2B243000001&status=enRetard&currency=usd&from=2025-06-01&to=2025-06-30&beneficiary=A\
                   &reference=r&overdue&sort=due&limit=1000&after=x";
    for (query, status, field) in [
        (filters, 200, ""),
        ("from=2025-06-01T00:00:00%2B02:00", 200, ""),
        ("from=2025-06-01T00:00:00+02:00", 200, ""),
        ("sim=+243000001", 200, ""),
        ("limit=0", 422, "limit"),
        ("limit=1001", 422, "limit"),
        ("limit=+5", 422, "limit"),
        ("shop=x", 422, "shop"),
        ("shop=0", 422, "shop"),
        ("status=late", 422, "status"),
        ("currency=EUR", 422, "currency"),
        ("from=2025-06-01T00:00:00", 422, "from"),
        ("to=yesterday", 422, "to"),
        ("overdue=maybe", 422, "overdue"),
        ("sort=size", 422, "sort"),
        ("shp=1", 422, "shp"),
        ("shop=1&shop=2", 422, "shop"),
    ] {
        let told = node.ask(Ask::get(&format!("/api/v1/credits?{query}"))).await;
        assert_eq!(told.status.as_u16(), status, "{query}: {told:?}");
        assert_eq!(told.body["field"].as_str().unwrap_or(""), field, "{query}");
    }
}

#[tokio::test]
async fn a_day_in_the_networks_zone() {
    let node = Node::start();
    let mut body = grant();
    body["due_at"] = json!("2026-10-31");
    node.ask(Ask::post("/api/v1/credits", &body)).await;
    match node.last_told() {
        Some((Command::Grant(request), _)) => {
            let due = request.due_at.map(|due| due.to_rfc3339());
            assert_eq!(due.as_deref(), Some("2026-10-31T21:59:59.999Z"), "the end of that day");
        }
        other => panic!("{other:?}"),
    }
}
