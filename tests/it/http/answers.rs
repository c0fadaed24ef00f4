//! What is answered when all is well.

use axum::http::Method;
use serde_json::json;
use ucash::model::CaptureState;
use ucash::model::MovementKind;
use ucash::replica::Command;

use super::fake::{Ask, Node, SIM_1, credit_id};

#[tokio::test]
async fn what_is_made_says_where_it_stands() {
    let node = Node::start();
    let credit = json!({"reference": " r-1 ", "amount": "125.5", "currency": "usd", "sim": SIM_1,
        "beneficiary": {"name": "A", "shop_id": 4}, "agent": "Amani"});
    let credit_place = format!("/api/v1/credits/{}", credit_id(1));
    let cases = [
        ("/api/v1/credits", credit, credit_place.clone()),
        ("/api/v1/credits/CRED-1/payments", json!({"amount": "1", "mode": "virement"}), credit_place),
        (
            "/api/v1/sims",
            json!({"sim": SIM_1, "operator": "Orange", "initial": {"USD": "5", "CDF": "0"}}),
            format!("/api/v1/sims/{SIM_1}/balance"),
        ),
        (
            "/api/v1/sims/+243000001/movements",
            json!({"kind": "capture", "amount": "10", "currency": "CDF", "cash": "9", "fee": "1", "pending": true}),
            format!("/api/v1/sims/{SIM_1}/movements"),
        ),
        ("/api/v1/shops", json!({"name": "Goma", "shop_id": 3, "town": "Goma"}), "/api/v1/shops".to_owned()),
        ("/api/v1/invitations", json!({"role": "relay", "expires": "15m"}), "/api/v1/devices".to_owned()),
    ];
    for (path, body, place) in cases {
        let told = node.ask(Ask::post(path, &body)).await;
        assert_eq!(told.status.as_u16(), 201, "{path}: {told:?}");
        assert_eq!(told.headers["location"].to_str().ok(), Some(place.as_str()), "{path}");
        assert_eq!(told.headers["cache-control"], "no-store", "{path}");
    }
    let told = node.told.lock().expect("unpoisoned");
    let commands: Vec<&Command> = told.iter().map(|(command, _)| command).collect();
    match commands.as_slice() {
        [
            Command::Grant(grant),
            Command::Pay { amount, .. },
            Command::AddSim { opening, .. },
            Command::Move { kind: MovementKind::Capture(capture), .. },
            Command::AddShop { .. },
            Command::Invite { read, addresses, expires_in_ms, .. },
        ] => {
            assert_eq!((grant.reference.as_str(), grant.amount.to_string().as_str()), ("R-1", "125.50 USD"));
            assert_eq!(amount, "1.00");
            assert_eq!(format!("{opening:?}"), "[5.00 USD]");
            assert_eq!(capture.state, CaptureState::Pending);
            assert_eq!(format!("{read:?} {expires_in_ms} {}", addresses.len()), "All 900000 1");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_shown_has_the_shape_of_its_view() {
    let node = Node::start();
    let credit = node.ask(Ask::get("/api/v1/credits/CRED-1")).await;
    assert_eq!((credit.body["id"].as_str(), credit.body["amount"].as_str()), (Some(&*credit_id(1)), Some("125.50")));
    let list = node.ask(Ask::get("/api/v1/credits")).await;
    assert!(list.body["items"].is_array() && list.body["next"].is_null() && list.body.get("next").is_some());
    let sync = node.ask(Ask::new(Method::POST, "/api/v1/sync")).await;
    assert_eq!(sync.body, json!({"peers": 0, "in_step": 0, "sent": 0, "received": 0}));
    assert_eq!(node.ask(Ask::new(Method::POST, "/api/v1/verification")).await.body["sound"], true);
    for path in ["/healthz", "/readyz"] {
        let far = Ask::get(path).from("10.0.0.9:1").header("host", "anything");
        assert_eq!(node.ask(far).await.status.as_u16(), 200, "{path}");
    }
    let edit = Ask::new(Method::PATCH, "/api/v1/credits/CRED-1")
        .raw("{\"beneficiary\":{\"name\":\"B\",\"phone\":null},\"notes\":\"n\",\"due_at\":null}");
    assert_eq!(node.ask(edit).await.status.as_u16(), 200);
    match node.last_told() {
        Some((Command::Edit { edits, .. }, _)) => assert_eq!(edits.len(), 4),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn f17_rows_are_judged_one_by_one_and_each_refusal_is_reported() {
    let node = Node::start();
    let body = json!({"session": 9, "dry_run": true, "table": "shops",
        "rows": [{"id": 1, "designation": "A"}, "no row", {"id": 2}, {"id": 3, "designation": "C"}]});
    let told = node.ask(Ask::post("/api/v1/imports", &body)).await;
    assert_eq!(told.status.as_u16(), 200, "{told:?}");
    assert_eq!((&told.body["created"], &told.body["refused"]), (&json!(2), &json!(2)));
    let items = told.body["items"].as_array().expect("a list");
    let outcomes: Vec<&str> = items.iter().map(|item| item["outcome"].as_str().expect("a word")).collect();
    assert_eq!(outcomes, ["created", "refused", "refused", "created"]);
    assert_eq!((&items[2]["id"], &items[2]["field"]), (&json!(2), &json!("designation")));
    assert!(items[1]["reason"].is_string());
    match node.last_told() {
        Some((Command::Import { session: 9, dry_run: true, rows }, _)) => assert_eq!(rows.len(), 2),
        other => panic!("{other:?}"),
    }
}
