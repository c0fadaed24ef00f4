//! Who may do what, for every route that the router has.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::{HeaderValue, Method};
use serde_json::{Value, json};
use ucash::http::limits::TOKEN_REQUESTS_A_MINUTE_MAX;
use ucash::http::openapi::document;
use ucash::http::{Access, Rule, rules};
use ucash::model::Timestamp;

use super::fake::{Ask, LOCAL_CREDENTIAL, Node, SIM_1, SIM_2, conflict, credit_id, later, movement_id, now};

const FAR: &str = "192.168.1.77:50000";

/// A request that the route would take, for shop 1: its description's first example.
fn fitting(rule: &Rule, document: &Value) -> Ask {
    let filled = rule
        .path
        .replace("{numero}", SIM_1)
        .replace("{key}", "CRED-1")
        .replace("/movements/{id}", &format!("/movements/{}", movement_id(1)))
        .replace("/conflicts/{id}", &format!("/conflicts/{}", conflict(1).conflict.id))
        .replace("/shops/{id}", "/shops/1")
        .replace("{id}", "x")
        .replace("{payment}", "pm_x");
    let path = if filled.ends_with("/statistics") { format!("{filled}?shop=1") } else { filled };
    let path = if path.contains("{what}") { path.replace("{what}", "credits?format=json") } else { path };
    let operation = &document["paths"][rule.path][rule.method.as_str().to_lowercase()];
    let ask = Ask::new(rule.method.clone(), &path);
    match operation.pointer("/requestBody/content/application~1json/examples/1/value") {
        Some(body) => ask.raw(body.to_string()),
        None => ask,
    }
}

/// Whether something of shop 1 is among what a list shows.
fn shows_shop_1(body: &Value) -> bool {
    let items = body["items"].as_array();
    items.into_iter().flatten().any(|item| item["shop_id"] == 1 || (item.get("town").is_some() && item["id"] == 1))
}

#[tokio::test]
async fn every_route_against_every_identity() {
    let node = Node::start();
    let (_, writer) = node.token(&[1], false, None).await;
    let (_, reader) = node.token(&[1], true, None).await;
    let (revoked_id, revoked) = node.token(&[1], false, None).await;
    let (_, expiring) = node.token(&[1], false, Some("1d")).await;
    let ended = node.ask(Ask::new(Method::DELETE, &format!("/api/v1/tokens/{revoked_id}"))).await;
    assert_eq!(ended.status.as_u16(), 204);
    let cut = &writer[..writer.len() - 1];
    let (_, foreign) = Node::start().token(&[1], false, None).await;
    let (_, elsewhere) = node.token(&[2], false, None).await;
    let rules = rules(node.state.clone());
    let document = document(&rules);
    // By status and code, the one body that a refusal has: what was wrong with a credential is never said.
    let mut bodies: BTreeMap<String, Value> = BTreeMap::new();

    for rule in rules {
        let fitting = |rule: &Rule| fitting(rule, &document);
        // A face of its own for each route: together they fail more often than a minute allows.
        let node = node.restarted(now);
        let long_after = node.restarted(later);
        let name = format!("{} {}", rule.method, rule.path);
        let public = rule.access == Access::Public;
        let refused = |status: u16| if public { None } else { Some(status) };
        let reads = rule.access == Access::Read || public;
        let writes = reads || rule.access == Access::Write;
        // What is asked, and the status of the refusal; none means that it is not about who asks.
        let cases = [
            ("near", fitting(&rule), None),
            ("near, IPv4 in IPv6", fitting(&rule).from("[::ffff:127.0.0.1]:5"), None),
            ("far", fitting(&rule).from(FAR), refused(401)),
            ("forwarded", fitting(&rule).header("x-forwarded-for", "10.0.0.1"), refused(401)),
            ("through a proxy", fitting(&rule).header("via", "1.1 p"), refused(401)),
            ("far, local credential", fitting(&rule).from(FAR).bearer(LOCAL_CREDENTIAL), None),
            ("far, wrong credential", fitting(&rule).from(FAR).bearer("local-secreT"), refused(401)),
            ("near, wrong credential", fitting(&rule).bearer("x"), refused(401)),
            ("near, cut token", fitting(&rule).bearer(cut), refused(401)),
            ("near, another node's token", fitting(&rule).bearer(&foreign), refused(401)),
            ("far, another node's token", fitting(&rule).from(FAR).bearer(&foreign), refused(401)),
            ("near, other scheme", fitting(&rule).header("authorization", "Basic eA=="), refused(401)),
            ("far, revoked", fitting(&rule).from(FAR).bearer(&revoked), refused(401)),
            ("far, writer", fitting(&rule).from(FAR).bearer(&writer), if writes { None } else { Some(403) }),
            ("near, writer", fitting(&rule).bearer(&writer), if writes { None } else { Some(403) }),
            ("far, reader", fitting(&rule).from(FAR).bearer(&reader), if reads { None } else { Some(403) }),
            ("foreign host", fitting(&rule).header("host", "evil.example"), refused(403)),
            ("foreign origin", fitting(&rule).header("origin", "http://evil.example"), refused(403)),
            ("other port", fitting(&rule).header("origin", "http://127.0.0.1:3000"), refused(403)),
            ("no origin", fitting(&rule).header("origin", "null"), refused(403)),
            ("own origin", fitting(&rule).header("origin", "http://127.0.0.1:8080"), None),
        ];
        for (who, ask, expected) in cases {
            let told = node.ask(ask).await;
            let found = Some(told.status.as_u16()).filter(|status| matches!(status, 401 | 403 | 429));
            assert_eq!(found, expected, "{name}, {who}: {told:?}");
            if found.is_some() {
                let known = bodies.entry(format!("{:?}", told.code())).or_insert_with(|| told.body.clone());
                assert_eq!(*known, told.body, "{name}, {who}");
            }
            // No route of the table may be a hole in the router.
            assert!(!matches!(told.status.as_u16(), 405 | 500), "{name}, {who}: {told:?}");
            assert_ne!(told.body["code"], "not_found", "{name}, {who}");
        }
        let told = long_after.ask(fitting(&rule).from(FAR).bearer(&expiring)).await;
        let found = Some(told.status.as_u16()).filter(|status| matches!(status, 401 | 403 | 429));
        assert_eq!(found, refused(401), "{name}, expired: {told:?}");

        // A token of another shop: refused where the path names something of shop 1, or it is left out.
        let told = node.ask(fitting(&rule).from(FAR).bearer(&elsewhere)).await;
        // Which list is no name of anything.
        if !public && rule.path.contains('{') && !rule.path.contains("{what}") {
            assert!(matches!(told.status.as_u16(), 403 | 404), "{name}, other shop: {told:?}");
        }
        assert!(!shows_shop_1(&told.body), "{name}, other shop: {told:?}");
    }
}

#[tokio::test]
async fn a_token_sees_its_shops_only() {
    let node = Node::start();
    let (_, token) = node.token(&[1], false, None).await;
    let ask = async |ask: Ask| node.ask(ask.from(FAR).bearer(&token)).await;
    for path in
        ["/api/v1/shops", "/api/v1/devices", "/api/v1/sims", "/api/v1/credits", "/api/v1/peers", "/api/v1/conflicts"]
    {
        let told = ask(Ask::get(path)).await;
        assert_eq!(told.body["items"].as_array().map(Vec::len), Some(1), "{path}: {told:?}");
    }
    for what in ["credits", "movements", "conflicts"] {
        let told = ask(Ask::get(&format!("/api/v1/export/{what}?format=json"))).await;
        let shops: Vec<&Value> =
            told.body["items"].as_array().expect("items").iter().map(|item| &item["shop_id"]).collect();
        assert_eq!(shops, [&json!(1)], "{what}: {told:?}");
    }
    assert_eq!(ask(Ask::get("/api/v1/status")).await.body["shop_digests"], json!({"1": "a"}));
    let pay = |key: &str| Ask::post(&format!("/api/v1/credits/{key}/payments"), &json!({"amount": "1"}));
    let other_id = credit_id(2);
    let denied = [
        Ask::get("/api/v1/credits/CRED-2"),
        Ask::get("/api/v1/credits/CRED-2/history"),
        Ask::get(&format!("/api/v1/credits/{other_id}")),
        Ask::get("/api/v1/credits?shop=2"),
        Ask::get("/api/v1/export/credits?format=csv&shop=2"),
        Ask::get("/api/v1/export/payments?format=json&shop=2"),
        Ask::get("/api/v1/export/movements?format=xlsx&shop=2"),
        Ask::get(&format!("/api/v1/export/movements?format=csv&sim={SIM_2}")),
        Ask::get("/api/v1/sims?shop=2"),
        Ask::get("/api/v1/statistics?shop=2"),
        Ask::get(&format!("/api/v1/sims/{SIM_2}/balance")),
        Ask::get(&format!("/api/v1/sims/{SIM_2}/movements")),
        pay("CRED-2"),
        Ask::post("/api/v1/credits/CRED-2/cancellation", &json!({"reason": "x"})),
        Ask::post("/api/v1/credits/CRED-2/payments/pm_x/reversal", &json!({"reason": "x"})),
        Ask::new(Method::PATCH, "/api/v1/credits/CRED-2").raw("{\"notes\":null}"),
        Ask::post("/api/v1/sims", &json!({"sim": "+243000009", "operator": "Airtel", "shop_id": 2})),
        Ask::post(
            &format!("/api/v1/sims/{SIM_2}/movements"),
            &json!({"kind": "deposit", "amount": "1", "currency": "USD"}),
        ),
        Ask::post(
            "/api/v1/credits",
            &json!({"reference": "R", "amount": "1", "currency": "USD", "sim": SIM_2, "beneficiary": {"name": "A"}}),
        ),
    ];
    for request in denied {
        let name = format!("{} {}", request.method, request.path);
        let told = ask(request).await;
        assert_eq!(told.code(), (403, "shop_outside_token"), "{name}: {told:?}");
    }
    let other = format!("/api/v1/movements/{}/validation", movement_id(2));
    assert_eq!(ask(Ask::new(Method::POST, &other)).await.code(), (404, "unknown_movement"));
    assert!(node.last_told().is_none(), "nothing reached the engine");
    assert_eq!(ask(pay("CRED-1")).await.status.as_u16(), 201);
    let (command, _) = node.last_told().expect("told");
    assert!(format!("{command:?}").contains("agent: Some(\"test\")"), "the token's name is who acted: {command:?}");
}

#[tokio::test]
async fn tokens_outlive_a_restart_and_show_no_secret() {
    let node = Node::start();
    let (id, token) = node.token(&[1, 2], true, Some("90d")).await;
    assert!(token.starts_with(&format!("ucash_{id}_")), "{token}");
    let secret = token.rsplit('_').next().expect("a secret");
    assert_eq!(secret.len(), 52, "256 bits in base32");
    let stored = format!("{:?}", node.told.lock().expect("unpoisoned"));
    assert!(!stored.contains(secret));
    let again = node.restarted(now);
    assert_eq!(again.ask(Ask::get("/api/v1/status").from(FAR).bearer(&token)).await.status.as_u16(), 200);
    let listed = again.ask(Ask::get("/api/v1/tokens")).await;
    let item = &listed.body["items"][0];
    assert_eq!((item["id"].as_str(), item["read_only"].as_bool()), (Some(id.as_str()), Some(true)));
    assert_eq!(item["expired"], false);
    let (_, short) = node.token(&[1], true, Some("1d")).await;
    let aged = node.restarted(later);
    let listed_later = aged.ask(Ask::get("/api/v1/tokens")).await;
    let expired: Vec<&Value> =
        listed_later.body["items"].as_array().expect("items").iter().map(|one| &one["expired"]).collect();
    assert_eq!(expired.iter().filter(|expired| **expired == &json!(true)).count(), 1, "{listed_later:?}, {short}");
    assert!(item["last_used_at"].is_string() && !listed.body.to_string().contains(secret));
    let unknown = again.ask(Ask::new(Method::DELETE, "/api/v1/tokens/nobody")).await;
    assert_eq!(unknown.code(), (404, "unknown_token"));
}

#[tokio::test]
async fn the_same_key_makes_the_same_token_and_revives_none() {
    let node = Node::start();
    let make = |shops: &[u32]| {
        Ask::post("/api/v1/tokens", &json!({"name": "n", "shops": shops})).header("idempotency-key", "k1")
    };
    let first = node.ask(make(&[1])).await;
    let second = node.restarted(now).ask(make(&[1])).await;
    assert_eq!(first.body, second.body);
    assert_eq!(node.ask(make(&[2])).await.code(), (409, "idempotency_key_reused"));
    let id = first.body["id"].as_str().expect("an id");
    node.ask(Ask::new(Method::DELETE, &format!("/api/v1/tokens/{id}"))).await;
    assert_eq!(node.ask(make(&[1])).await.code(), (409, "idempotency_key_reused"));
    let unknown = node.ask(Ask::post("/api/v1/tokens", &json!({"name": "n", "shops": [9]}))).await;
    assert_eq!(unknown.code(), (404, "unknown_shop"));
}

#[tokio::test]
async fn guessing_is_slowed_and_never_a_valid_token() {
    let node = Node::start();
    let (_, token) = node.token(&[1], true, None).await;
    let guess = || Ask::get("/api/v1/status").from(FAR).bearer("ucash_x_y");
    let mut bodies = Vec::new();
    for _ in 0..100 {
        let told = node.ask(guess()).await;
        assert_eq!(told.status.as_u16(), 401);
        assert!(told.headers.contains_key("www-authenticate"));
        bodies.push(told.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "the answer to a failure is always the same");
    let told = node.ask(guess()).await;
    assert_eq!(told.code(), (429, "too_many_failures"));
    assert!(told.headers.contains_key("retry-after"));
    let valid = node.ask(Ask::get("/api/v1/status").from(FAR).bearer(&token)).await;
    assert_eq!(valid.status.as_u16(), 200);
}

#[tokio::test]
async fn names_of_this_node() {
    let node = Node::start();
    for (host, expected) in [
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("127.0.0.1", 200),
        ("[::1]:8080", 200),
        // Its own name, but one that only others go by.
        ("relay.example", 401),
        ("0.0.0.0:8080", 200),
        ("192.168.1.5", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost:x", 403),
        ("user@localhost", 403),
        ("", 403),
    ] {
        let told = node.ask(Ask::get("/api/v1/status").header("host", host)).await;
        assert_eq!(told.status.as_u16(), expected, "{host}");
    }
    let mut nameless = Ask::get("/api/v1/status");
    nameless.headers.clear();
    assert_eq!(node.ask(nameless).await.code(), (403, "foreign_host"));
    let absolute = Ask::get("http://evil.example/api/v1/status");
    assert_eq!(node.ask(absolute).await.code(), (403, "foreign_host"));
}

/// A clock that stands until it is moved: only the test below looks at it.
static MOVED_MS: AtomicI64 = AtomicI64::new(0);

fn moved() -> Timestamp {
    now().plus_ms(MOVED_MS.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_token_that_asks_too_fast_waits_and_keeps_nobody_else_waiting() {
    let node = Node::start().restarted(moved);
    let (_, token) = node.token(&[1], true, None).await;
    let (_, other) = node.token(&[1], true, None).await;
    let ask = |token: &str| Ask::get("/api/v1/status").from(FAR).bearer(token);
    // Guesses at its secret use up nothing of what it may ask.
    for _ in 0..50 {
        assert_eq!(node.answered(ask(&token[..token.len() - 1])).await.status().as_u16(), 401);
    }
    let granted = async |expected: i64| {
        for number in 0..expected {
            let status = node.answered(ask(&token)).await.status().as_u16();
            assert_eq!(status, 200, "request {number} of {expected}");
        }
        let told = node.ask(ask(&token)).await;
        assert_eq!(told.code(), (429, "too_many_requests"), "after {expected}: {told:?}");
        assert_eq!((&told.headers["retry-after"], &told.body["retry_after_s"]), (&HeaderValue::from(1), &json!(1)));
    };
    granted(TOKEN_REQUESTS_A_MINUTE_MAX).await;
    assert_eq!(node.ask(ask(&other)).await.status.as_u16(), 200, "another token");
    assert_eq!(node.ask(Ask::get("/api/v1/status")).await.status.as_u16(), 200, "the owner");
    assert_eq!(node.ask(ask(LOCAL_CREDENTIAL)).await.status.as_u16(), 200, "a command");
    MOVED_MS.store(1_000, Ordering::Relaxed);
    granted(TOKEN_REQUESTS_A_MINUTE_MAX / 60).await;
    // A clock that is set back by a day keeps it out no longer.
    MOVED_MS.store(-86_400_000, Ordering::Relaxed);
    assert_eq!(node.ask(ask(&token)).await.code(), (429, "too_many_requests"));
    MOVED_MS.store(1_000 - 86_400_000, Ordering::Relaxed);
    granted(TOKEN_REQUESTS_A_MINUTE_MAX / 60).await;
}
