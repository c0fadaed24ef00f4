//! Pages of other sites: those that the settings name may ask with a token, all others get nothing.

use axum::http::Method;

use super::fake::{Ask, LOCAL_CREDENTIAL, Node, Told};

const FAR: &str = "192.168.1.77:50000";
const PAGE: &str = "https://app.example";
const FOREIGN: [&str; 7] = [
    "https://evil.example",
    "http://app.example",
    "https://app.example:8443",
    "https://app.example.evil.example",
    "https://evilapp.example",
    "https://app.example/",
    "null",
];

fn preflight(path: &str, origin: &str) -> Ask {
    Ask::new(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type")
}

fn header(told: &Told, name: &str) -> Option<String> {
    told.headers.get(name).map(|value| value.to_str().expect("visible").to_lowercase())
}

fn tells_a_browser(told: &Told) -> bool {
    told.headers.keys().any(|name| name.as_str().starts_with("access-control-"))
}

#[tokio::test]
async fn a_named_page_is_told_what_it_may_send() {
    let node = Node::start();
    for path in ["/api/v1/credits", "/api/v1/status", "/nothing/stands/here"] {
        for origin in [PAGE, "https://APP.example:443"] {
            let told = node.ask_plainly(preflight(path, origin).from(FAR)).await;
            assert_eq!(told.status.as_u16(), 200, "{path}: {told:?}");
            assert_eq!(header(&told, "access-control-allow-origin"), Some(origin.to_lowercase()), "{path}");
            assert_eq!(header(&told, "access-control-allow-methods").as_deref(), Some("get,post,patch,options"));
            let allowed = header(&told, "access-control-allow-headers");
            assert_eq!(allowed.as_deref(), Some("authorization,content-type,idempotency-key"));
            assert_eq!(header(&told, "access-control-allow-credentials"), None, "no cookies");
            assert!(header(&told, "vary").is_some_and(|vary| vary.contains("origin")), "{told:?}");
        }
    }
}

#[tokio::test]
async fn an_unnamed_page_is_refused_before_and_after_it_asks_whether_it_may() {
    let node = Node::start();
    let (_, token) = node.token(&[1], true, None).await;
    for origin in FOREIGN {
        let told = node.ask_plainly(preflight("/api/v1/credits", origin).from(FAR)).await;
        assert_eq!(told.code(), (403, "foreign_origin"), "{origin}: {told:?}");
        assert!(!tells_a_browser(&told), "{origin}: {told:?}");
        let asked = Ask::get("/api/v1/status").from(FAR).bearer(&token).header("origin", origin);
        let told = node.ask(asked).await;
        assert_eq!(told.code(), (403, "foreign_origin"), "{origin}: {told:?}");
        assert_eq!(header(&told, "access-control-allow-origin"), None, "{origin}");
    }
    let told = node.ask_plainly(preflight("/api/v1/credits", PAGE).header("host", "evil.example")).await;
    assert_eq!(told.code(), (403, "foreign_host"));
}

#[tokio::test]
async fn a_named_page_needs_a_token_on_loopback_too_and_reads_why_it_was_refused() {
    let node = Node::start();
    let (_, token) = node.token(&[1], true, None).await;
    let ask = || Ask::get("/api/v1/status").header("origin", PAGE);
    let near = node.ask(ask()).await;
    assert_eq!(near.code(), (401, "unauthorized"), "whoever's page it is, the owner of this machine did not write it");
    assert_eq!(header(&near, "access-control-allow-origin").as_deref(), Some(PAGE));
    let admitted = node.ask(ask().from(FAR).bearer(&token)).await;
    assert_eq!(admitted.status.as_u16(), 200);
    assert_eq!(header(&admitted, "access-control-allow-origin").as_deref(), Some(PAGE));
    assert!(header(&admitted, "access-control-expose-headers").is_some_and(|names| names.contains("retry-after")));
    assert!(header(&admitted, "vary").is_some_and(|vary| vary.contains("origin")));
    // One foreign among named ones is foreign.
    let mut two = ask().from(FAR).bearer(&token);
    two.headers.push(("origin".to_owned(), "https://evil.example".to_owned()));
    assert_eq!(node.ask(two).await.code(), (403, "foreign_origin"));
}

#[tokio::test]
async fn without_named_pages_nothing_is_answered_otherwise() {
    let node = Node::start().with_origins(&[]);
    let told = node.ask_plainly(preflight("/api/v1/credits", PAGE)).await;
    assert_eq!(told.code(), (405, "method_not_allowed"));
    assert!(!tells_a_browser(&told), "{told:?}");
    let told = node.ask(Ask::get("/api/v1/status").header("origin", PAGE)).await;
    assert_eq!(told.code(), (403, "foreign_origin"));
    assert!(!tells_a_browser(&told) && header(&told, "vary").is_none(), "{told:?}");
}

#[tokio::test]
async fn what_a_proxy_passes_on_is_not_the_owners() {
    let node = Node::start();
    let ask = || Ask::get("/api/v1/tokens");
    assert_eq!(node.ask(ask()).await.status.as_u16(), 200);
    let by_name = node.ask(ask().header("host", "relay.example")).await;
    assert_eq!(by_name.code(), (401, "unauthorized"), "a public name is what strangers ask for");
    let old = node.answered_in(ask(), axum::http::Version::HTTP_10).await;
    assert_eq!(old.status().as_u16(), 401, "HTTP/1.0 is how a careless proxy speaks");
    let known = node.ask(ask().header("host", "relay.example").bearer(LOCAL_CREDENTIAL)).await;
    assert_eq!(known.status.as_u16(), 200);
}
