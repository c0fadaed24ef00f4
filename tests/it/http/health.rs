//! The probes before a fake engine: what is looked at, and what each fault is called.

use axum::http::header::ACCEPT_LANGUAGE;
use serde_json::{Value, json};
use ucash::model::Timestamp;
use ucash::node::Disk;

use super::fake::{Ask, Node};

fn far(path: &str) -> Ask {
    Ask::get(path).from("10.0.0.9:1").header("host", "anything")
}

fn fault(body: &Value, name: &str) -> Value {
    let checks = body["checks"].as_array().unwrap_or_else(|| panic!("no checks: {body}"));
    let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {body}"));
    assert_eq!(check["ok"], check["fault"].is_null(), "{body}");
    check["fault"].clone()
}

#[tokio::test]
async fn a_healthy_node_names_what_was_looked_at() {
    let node = Node::start();
    let alive = node.ask(far("/healthz")).await;
    assert_eq!((alive.status.as_u16(), &alive.body["status"]), (200, &json!("ok")));
    assert_eq!(fault(&alive.body, "engine"), Value::Null);
    let ready = node.ask(far("/readyz")).await;
    assert_eq!((ready.status.as_u16(), &ready.body["status"]), (200, &json!("ok")));
    for name in ["engine", "store", "clock"] {
        assert_eq!(fault(&ready.body, name), Value::Null);
    }
}

#[tokio::test]
async fn a_disk_that_is_not_written_makes_it_not_ready_but_alive() {
    let node = Node::start();
    for (disk, expected) in [(Disk::Full, json!("disk_full")), (Disk::ReadOnly, json!("disk_failed"))] {
        node.handle.metrics().set_disk(disk);
        let told = node.ask(far("/readyz").header(ACCEPT_LANGUAGE.as_str(), "en")).await;
        assert_eq!(told.code(), (503, "not_ready"), "{told:?}");
        assert_eq!(fault(&told.body, "store"), expected);
        assert_eq!(fault(&told.body, "engine"), Value::Null);
        assert!(told.body["detail"].as_str().is_some_and(|text| text.contains("disk")), "{told:?}");
        assert!(told.headers.contains_key("retry-after"));
        // Starting it anew would mend neither.
        assert_eq!(node.ask(far("/healthz")).await.status.as_u16(), 200);
    }
    node.handle.metrics().set_disk(Disk::Writable);
    assert_eq!(node.ask(far("/readyz")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_clock_before_2020_makes_it_not_ready() {
    let node = Node::start().restarted(|| Timestamp(86_400_000));
    let told = node.ask(far("/readyz")).await;
    assert_eq!(told.code(), (503, "not_ready"), "{told:?}");
    assert_eq!(fault(&told.body, "clock"), json!("clock_before_2020"));
    assert_eq!(fault(&told.body, "store"), Value::Null);
}

#[tokio::test]
async fn an_engine_that_is_gone_is_neither_alive_nor_ready() {
    let node = Node::without_engine();
    for path in ["/healthz", "/readyz"] {
        let told = node.ask(far(path)).await;
        assert_eq!(told.code(), (503, "not_ready"), "{path}: {told:?}");
        assert_eq!(fault(&told.body, "engine"), json!("engine_gone"), "{path}");
    }
}

/// It waits for as long as a probe may take.
#[tokio::test]
async fn an_engine_that_does_not_answer_is_alive_but_not_ready() {
    let node = Node::with_deaf_engine();
    let told = node.ask(far("/readyz")).await;
    assert_eq!(told.code(), (503, "not_ready"), "{told:?}");
    assert_eq!(fault(&told.body, "engine"), json!("engine_slow"));
    assert_eq!(node.ask(far("/healthz")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn every_answer_has_the_id_of_its_request() {
    let node = Node::start();
    let id = |told: &super::fake::Told| told.headers["x-request-id"].to_str().expect("ASCII").to_owned();
    let asked = node.ask(Ask::get("/api/v1/status").header("x-request-id", "caisse-7.42")).await;
    assert_eq!(id(&asked), "caisse-7.42");
    let drawn = id(&node.ask(Ask::get("/api/v1/status")).await);
    assert_eq!(drawn.len(), 16);
    // What a stranger made up does not go into the log.
    for foreign in ["", "a b", "\"x\"", &"x".repeat(65)] {
        let told = node.ask(Ask::get("/nowhere").header("x-request-id", foreign)).await;
        assert_eq!(id(&told).len(), 16, "{foreign:?}");
    }
}

#[tokio::test]
async fn metrics_are_for_who_may_read() {
    let node = Node::start();
    let stranger = Ask::get("/metrics").from("192.168.1.77:50000");
    assert_eq!(node.ask(stranger).await.code(), (401, "unauthorized"));
    assert_eq!(node.ask(Ask::get("/metrics?mot=1")).await.code(), (422, "unknown_field"));
    let owner = node.ask(Ask::get("/metrics")).await;
    assert_eq!(owner.status.as_u16(), 200);
    let page = owner.body.as_str().expect("a text");
    // The refusals just now are counted under their route, never under what was asked for.
    assert!(page.contains(r#"ucash_http_requests_total{method="GET",route="/metrics",status="401"} 1"#), "{page}");
    assert!(!page.contains("mot"), "{page}");
}
