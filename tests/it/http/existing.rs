//! The existing app's wire before the fake engine: paths, who may, and the shape of what is said.

use axum::http::Method;
use serde_json::{Value, json};
use ucash::http::{Access, existing_rules, normalised_path};
use ucash::replica::Command;

use super::fake::{Ask, LOCAL_CREDENTIAL, Node, Told};

const FAR: &str = "192.168.1.77:50000";

#[test]
fn every_spelling_of_a_path_is_one() {
    let families = [
        "/api/credit-virtuels",
        "/api/credit-virtuels/download",
        "/api/credit-virtuels/batch",
        "/api/credit-virtuels/upload",
        "/api/sync/credit_virtuel/download",
        "/api/sync/credit_virtuel/upload",
        "/api/ping",
        "/api/sync/ping",
    ];
    for path in families {
        let rest = path.strip_prefix("/api").expect("it begins so");
        for prefix in ["/api", "/server/api", "/server/api/api", "/api/api", "//api", "/server//api/api/api"] {
            for end in ["", ".php", "/", ".php/"] {
                let asked = format!("{prefix}{rest}{end}");
                assert_eq!(normalised_path(&asked).as_deref(), Some(path), "{asked}");
            }
        }
    }
    let foreign = [
        "/",
        "/api",
        "/api/",
        "/server/api/",
        "/api/v1/credits",
        "/server/api/v1/credits",
        "/credit-virtuels/download",
        "/server/credit-virtuels/download",
        "/api/credit-virtuelsx",
        "/apix/ping",
        "/api/v1/sync",
        "/healthz",
    ];
    for path in foreign {
        assert_eq!(normalised_path(path), None, "{path}");
    }
}

/// What an answer that is no looks like to the app.
#[track_caller]
fn refused(told: &Told, status: u16, what: &str) {
    assert_eq!(told.status.as_u16(), status, "{what}: {told:?}");
    let body = told.body.as_object().unwrap_or_else(|| panic!("{what}: {told:?}"));
    assert_eq!(body.keys().collect::<Vec<_>>(), ["error", "message"], "{what}");
    assert!(body.values().all(|text| text.as_str().is_some_and(|text| text.len() > 3)), "{what}: {told:?}");
    assert_eq!(told.headers["content-type"], "application/json; charset=utf-8", "{what}");
}

fn fitting(method: &Method, path: &str) -> Ask {
    match *method {
        Method::POST => Ask::post(path, &json!({"shop_id": 1, "credits": []})),
        _ => Ask::get(&format!("{path}?shop_id=1")),
    }
}

#[tokio::test]
async fn f12_no_path_of_the_app_is_open_without_a_token() {
    let node = Node::start();
    let (_, writer) = node.token(&[1], false, None).await;
    let (_, reader) = node.token(&[1], true, None).await;
    let (_, elsewhere) = node.token(&[2], false, None).await;
    let (revoked_id, revoked) = node.token(&[1], false, None).await;
    node.ask(Ask::new(Method::DELETE, &format!("/api/v1/tokens/{revoked_id}"))).await;
    let rules = existing_rules(node.state.clone());
    assert_eq!(rules.len(), 8);
    for (method, path, access) in rules {
        let ask = || fitting(&method, path);
        let open = access == Access::Public;
        assert_eq!(open, path.ends_with("ping"), "{path}");
        let writes = access == Access::AppWrites;
        assert_eq!(writes, method == Method::POST, "{path}");
        let cases = [
            ("near, nothing", ask(), 401),
            ("far, nothing", ask().from(FAR), 401),
            ("near, local credential", ask().bearer(LOCAL_CREDENTIAL), 401),
            ("near, nonsense", ask().bearer("x"), 401),
            ("far, cut", ask().from(FAR).bearer(&writer[..writer.len() - 1]), 401),
            ("far, revoked", ask().from(FAR).bearer(&revoked), 401),
            ("far, writer", ask().from(FAR).bearer(&writer), 200),
            ("near, writer", ask().bearer(&writer), 200),
            ("far, reader", ask().from(FAR).bearer(&reader), if writes { 403 } else { 200 }),
            ("far, another shop", ask().from(FAR).bearer(&elsewhere), 403),
        ];
        for (who, ask, expected) in cases {
            let what = format!("{method} {path}, {who}");
            let told = node.ask(ask).await;
            match if open { 200 } else { expected } {
                200 => assert_eq!(told.status.as_u16(), 200, "{what}: {told:?}"),
                no => refused(&told, no, &what),
            }
        }
        let told = node.ask(Ask::new(Method::OPTIONS, path).from(FAR)).await;
        assert_eq!(told.status.as_u16(), 200, "{path}");
        let told = node.ask(Ask::new(Method::PUT, path).from(FAR)).await;
        refused(&told, 405, path);
        // As deployed base addresses make it.
        let deployed = format!("/server/api{path}.php");
        let told = node.ask(fitting(&method, &deployed).from(FAR)).await;
        assert_eq!(told.status.as_u16(), if open { 200 } else { 401 }, "{deployed}");
        let told = node.ask(fitting(&method, &deployed).from(FAR).bearer(&writer)).await;
        assert_eq!(told.status.as_u16(), 200, "{deployed}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_400_and_said_in_french() {
    let node = Node::start();
    let (_, token) = node.token(&[1], false, None).await;
    let queries = [
        ("", 400, "shop_id"),
        ("shop_id=", 400, "shop_id"),
        ("shop_id=un", 400, "shop_id"),
        ("shop_id=-1", 400, "shop_id"),
        ("shop_id=1.5", 400, "shop_id"),
        ("shop_id=2", 403, "shop 2"),
        ("shop_id=99", 403, "shop 99"),
        ("shop_id=0", 403, "shop 0"),
        ("shop_id=99999999999999", 403, "shop"),
        ("shop_id=1&shop_id=1", 400, "shop_id"),
        ("shop_id=1&since=hier", 400, "since"),
        ("shop_id=1&since=2025-02-30T00:00:00.000", 400, "since"),
    ];
    for (query, status, hint) in queries {
        let ask = Ask::get(&format!("/api/credit-virtuels/download?{query}"));
        let told = node.ask(ask.from(FAR).bearer(&token).header("accept-language", "en")).await;
        refused(&told, status, query);
        let message = told.body["message"].as_str().expect("a sentence");
        assert!(message.contains(hint) && !message.contains(" the "), "{query}: {message}");
    }
    for query in ["statut=parti", "sim_numero=x", "date_debut=x", "date_fin=x", "last_sync=x"] {
        let ask = Ask::get(&format!("/api/credit-virtuels?shop_id=1&{query}"));
        refused(&node.ask(ask.bearer(&token)).await, 400, query);
    }
    let bodies = [
        ("", 400),
        ("[", 400),
        ("[]", 400),
        ("{}", 400),
        (r#"{"shop_id": 1}"#, 400),
        (r#"{"credits": []}"#, 400),
        (r#"{"shop_id": "un", "credits": []}"#, 400),
        (r#"{"shop_id": null, "credits": []}"#, 400),
        (r#"{"shop_id": 1, "credits": {}}"#, 400),
        (r#"{"shop_id": 1, "shop_id": 1, "credits": []}"#, 400),
        (r#"{"shop_id": 2, "credits": []}"#, 403),
        (r#"{"shop_id": 77, "credits": []}"#, 403),
        (r#"{"shop_id": "1", "credits": [], "more": true}"#, 200),
    ];
    for path in ["/api/credit-virtuels/batch", "/api/credit-virtuels/upload", "/api/sync/credit_virtuel/upload"] {
        for (body, status) in bodies {
            let told = node.ask(Ask::new(Method::POST, path).raw(body).bearer(&token)).await;
            match status {
                200 => assert_eq!(told.status.as_u16(), 200, "{path} {body}: {told:?}"),
                no => refused(&told, no, &format!("{path} {body}")),
            }
        }
        let ask = Ask::new(Method::POST, path).raw(vec![b' '; (8 << 20) + 1]).bearer(&token);
        refused(&node.ask(ask).await, 413, path);
        let ask = Ask::new(Method::POST, path).raw(&b"{\"shop_id\": 1, \"credits\": [], \"x\": \"\xff\"}"[..]);
        refused(&node.ask(ask.bearer(&token)).await, 400, path);
    }
    refused(&node.ask(Ask::get("/api/credit-virtuels/elsewhere").bearer(&token)).await, 404, "elsewhere");
}

#[tokio::test]
async fn an_engine_that_is_gone_is_ours() {
    let node = Node::start();
    let (_, token) = node.token(&[1], false, None).await;
    let deaf = Node::without_engine();
    let told = deaf.ask(Ask::get("/api/credit-virtuels/download?shop_id=1").bearer(&token)).await;
    refused(&told, told.status.as_u16(), "gone");
    assert!(told.status.is_server_error(), "{told:?}");
}

fn row() -> Value {
    json!({
        "id": 7, "reference": " cr-7 ", "montant_credit": 100.1, "devise": "usd", "beneficiaire_nom": "Zoé",
        "sim_numero": "+243000001", "shop_id": 1, "agent_id": 3, "date_sortie": "2026-09-01 10:00:00",
        "is_synced": 0, "last_modified_at": "2026-09-01T10:00:00.123",
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut row = row();
    row[field] = value;
    row
}

/// Rows that cannot be read, what the app is told of their `id`, and the field that is named.
fn unreadable() -> Vec<(Value, Value, &'static str)> {
    vec![
        (with("reference", json!("")), json!(7), "reference : "),
        (with("montant_credit", json!(0)), json!(7), "montant_credit : "),
        (with("date_sortie", json!("2026-02-30 10:00:00")), json!(7), "date_sortie : "),
        (with("statut", json!("perdu")), json!(7), "statut : "),
        (with("shop_id", json!(2)), json!(7), "shop_id : "),
        (with("agent_id", Value::Null), json!(7), "agent_id : "),
        (with("id", json!("x")), json!("x"), "id : "),
        (json!(5), Value::Null, "la ligne"),
        (json!(null), Value::Null, "la ligne"),
    ]
}

#[tokio::test]
async fn f17_what_cannot_be_read_is_told_row_by_row_and_sinks_nothing() {
    let node = Node::start();
    let (id, token) = node.token(&[1], false, None).await;
    let mut rows: Vec<Value> = unreadable().into_iter().map(|(row, ..)| row).collect();
    rows.insert(3, with("id", json!(null)));
    rows.push(row());
    let body = json!({"shop_id": 1, "credits": rows});
    let told = node.ask(Ask::post("/api/credit-virtuels/batch.php", &body).bearer(&token)).await;
    assert_eq!(told.status.as_u16(), 200, "{told:?}");
    let Some((Command::Report { by, rows, .. }, None)) = node.last_told() else { panic!("no report") };
    assert_eq!((by.token, by.label.as_str(), rows.len()), (id, "test", 2), "one command with what can be read");
    let errors = told.body["errors"].as_array().expect("a list");
    assert_eq!(errors.len(), unreadable().len());
    let places = [0, 1, 2, 4, 5, 6, 7, 8, 9];
    for ((error, (row, id, hint)), index) in errors.iter().zip(unreadable()).zip(places) {
        assert_eq!((&error["credit_id"], &error["index"]), (&id, &json!(index)), "{error}");
        assert!(error["error"].as_str().expect("a reason").starts_with(hint), "{row}: {error}");
        assert!(error.get("reference").is_some(), "{error}");
    }
    let server_id = 1_u64 << 41;
    let entry = |id: Value| {
        json!({
            "id": id, "local_id": id, "server_id": server_id, "action": "skipped", "status": "skipped",
            "reference": "CR-7", "montant_credit": 100.1,
        })
    };
    assert_eq!(told.body["synced_credits"], json!([entry(json!(null)), entry(json!(7))]));
    assert_eq!(told.body["statistics"], json!({"created": 0, "updated": 0, "skipped": 2, "errors": 9}));
    assert_eq!((&told.body["total_processed"], &told.body["total_errors"]), (&json!(11), &json!(9)));
    assert_eq!(told.body["success"], true);
    // An id that no number type holds is repeated as it came, or it would be looked for in vain.
    let body = r#"{"shop_id": 1, "credits": [{"id": 1e400}, {"id": 123456789012345678901234567890}]}"#;
    for path in ["/api/credit-virtuels/batch", "/api/credit-virtuels/upload", "/api/sync/credit_virtuel/upload"] {
        let answered = node.answered(Ask::new(Method::POST, path).raw(body).bearer(&token)).await;
        assert_eq!(answered.status().as_u16(), 200, "{path}");
        let bytes = axum::body::to_bytes(answered.into_body(), usize::MAX).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        assert_eq!(text.contains("1e400"), !path.contains("sync"), "{text}");
    }
}

#[tokio::test]
async fn f19_upload_is_answered_with_a_body() {
    let node = Node::start();
    let (_, token) = node.token(&[1], false, None).await;
    let body = json!({"shop_id": 1, "credits": [row(), with("reference", json!(" "))]});
    let told = node.ask(Ask::post("/server/api/credit-virtuels/upload.php", &body).bearer(&token)).await;
    assert_eq!(told.status.as_u16(), 200, "{told:?}");
    let error = told.body["errors"][0]["error"].as_str().expect("a reason").to_owned();
    assert_eq!(
        told.body,
        json!({
            "success": true, "synced_credits": [{"id": 7, "server_id": 1_u64 << 41, "status": "skipped"}],
            "errors": [{"credit_id": 7, "error": error}], "total_synced": 1, "total_errors": 1,
        })
    );
    let told = node.ask(Ask::post("/api/sync/credit_virtuel/upload", &body).bearer(&token)).await;
    let results = told.body["results"].as_array().expect("a list");
    assert_eq!(
        results[0],
        json!({"reference": "CR-7", "action": "skipped", "id": 1_u64 << 41, "reason": "rien n'a changé"})
    );
    assert_eq!((&results[1]["action"], &results[1]["reference"]), (&json!("error"), &json!(" ")));
    assert!(results[1]["error"].as_str().is_some_and(|why| why.starts_with("reference : ")), "{told:?}");
    assert_eq!((&told.body["processed"], &told.body["success"]), (&json!(2), &json!(true)));
    assert_eq!(told.body["timestamp"], "2026-10-01T02:00:00.000", "in the network's zone");
}

#[tokio::test]
async fn ping_says_that_it_is_there() {
    let node = Node::start();
    for path in ["/api/ping", "/server/api/sync/ping.php"] {
        let told = node.ask(Ask::get(path).from(FAR)).await;
        assert_eq!(told.status.as_u16(), 200, "{told:?}");
        assert_eq!(told.headers["content-type"], "application/json; charset=utf-8");
        let body = told.body.as_object().expect("an object");
        assert_eq!(body.keys().collect::<Vec<_>>(), ["message", "server_time", "success", "timestamp", "version"]);
        assert_eq!(told.body["server_time"], "2026-10-01T02:00:00.000");
    }
}

#[tokio::test]
async fn times_of_queries_are_read_as_the_app_writes_them() {
    let node = Node::start();
    let (_, token) = node.token(&[1], false, None).await;
    let times = [
        ("", None),
        ("&since=", None),
        ("&since=2026-10-01T02:00:00.000", Some(0)),
        ("&since=2026-10-01T02:00:00.123", Some(123)),
        ("&since=2026-10-01T02:00:00.123456", Some(123)),
        ("&since=2026-10-01+02:00:00", Some(0)),
        ("&since=2026-10-01%2002:00:00", Some(0)),
        ("&since=2026-10-01T01:00:00+01:00", Some(0)),
        ("&since=2026-10-01T01:00:00%2B01:00", Some(0)),
        ("&since=2026-10-01T00:00:00Z", Some(0)),
        ("&since=2026-10-01", Some(-2 * 3_600_000)),
    ];
    for (query, expected) in times {
        let path = format!("/api/credit-virtuels/download?shop_id=1{query}&unknown=1");
        let told = node.ask(Ask::get(&path).bearer(&token)).await;
        assert_eq!((told.status.as_u16(), &told.body), (200, &json!([])), "{query}: {told:?}");
        let Some((Command::Download { since, .. }, _)) = node.last_told() else { panic!("no download") };
        assert_eq!(since.map(|since| since.0), expected.map(|ms: i64| super::fake::now().0 + ms), "{query}");
    }
}
