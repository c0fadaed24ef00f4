//! The page's files: how they are served, and what must not be in them. What they do in a browser is not seen here.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use tokio::sync::mpsc;
use tower::ServiceExt;
use ucash::http::{Access, ApiSettings, ApiState, router, rules};
use ucash::model::Timestamp;
use ucash::node::NodeHandle;

const INDEX: &str = include_str!("../../assets/page/index.html");
const STYLE: &str = include_str!("../../assets/page/page.css");
const DOCS_INDEX: &str = include_str!("../../assets/docs/index.html");
const DOCS_STYLE: &str = include_str!("../../assets/docs/docs.css");
const DOCS_SCRIPT: &str = include_str!("../../assets/docs/docs.js");
const SCRIPT: &str = include_str!("../../assets/page/page.js");

/// A face without an engine: the page must not need one.
fn face() -> ApiState {
    let (requests, _) = mpsc::channel(1);
    let (looks, _) = mpsc::channel(1);
    ApiState::new(ApiSettings {
        node: NodeHandle::new(requests, looks, std::sync::Arc::default(), Default::default()),
        local_credential: String::new(),
        bound: Some(([127, 0, 0, 1], 8080).into()),
        hosts: Vec::new(),
        origins: Vec::new(),
        clock: || Timestamp(0),
        draw: |_| {},
        addresses: std::sync::Arc::new(Vec::new),
    })
}

async fn ask(method: Method, path: &str, known: Option<&str>) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:8080");
    if let Some(tag) = known {
        request = request.header("if-none-match", tag);
    }
    let request = request.body(Body::empty()).expect("a request");
    router(face()).oneshot(request).await.expect("infallible")
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().expect("text"))
}

async fn text(response: Response<Body>) -> String {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// What stands between `open` and the next `close`, everywhere.
fn between<'a>(text: &'a str, open: &str, close: char) -> Vec<&'a str> {
    text.split(open).skip(1).filter_map(|rest| rest.split(close).next()).collect()
}

/// The table of texts: key, French, English.
fn texts() -> BTreeMap<&'static str, [String; 2]> {
    let table = SCRIPT.split_once("const TEXTS = {\n").expect("the table").1.split_once("\n};").expect("its end").0;
    let mut texts = BTreeMap::new();
    for line in table.lines() {
        let (key, pair) = line.trim().split_once(": ").expect(line);
        let pair: [String; 2] = serde_json::from_str(pair.trim_end_matches(',')).expect(line);
        assert!(texts.insert(key, pair).is_none(), "{key} stands twice");
    }
    texts
}

#[tokio::test]
async fn files_are_served_with_their_headers() {
    for (path, content_type, file) in [
        ("/", "text/html; charset=utf-8", INDEX),
        ("/page.css", "text/css; charset=utf-8", STYLE),
        ("/page.js", "text/javascript; charset=utf-8", SCRIPT),
        ("/api/docs", "text/html; charset=utf-8", DOCS_INDEX),
        ("/api/docs/docs.css", "text/css; charset=utf-8", DOCS_STYLE),
        ("/api/docs/docs.js", "text/javascript; charset=utf-8", DOCS_SCRIPT),
    ] {
        let response = ask(Method::GET, path, None).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        for (name, value) in [
            ("content-type", content_type),
            ("content-security-policy", "default-src 'self'"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(header(&response, name), value, "{path}");
        }
        let tag = header(&response, "etag").to_owned();
        assert!(tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'), "{path}: {tag}");
        assert_eq!(text(response).await, file, "{path}");

        for known in [tag.clone(), format!("\"other\", W/{tag}")] {
            let response = ask(Method::GET, path, Some(&known)).await;
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{path}, {known}");
            assert_eq!(header(&response, "etag"), tag, "{path}");
            assert_eq!(text(response).await, "", "{path}");
        }
        assert_eq!(ask(Method::GET, path, Some("\"other\"")).await.status(), StatusCode::OK, "{path}");
        let response = ask(Method::HEAD, path, None).await;
        assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::OK, content_type), "{path}");
        assert_eq!(ask(Method::POST, path, None).await.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
}

#[test]
fn only_the_files_are_public() {
    let rules = rules(face());
    let public: Vec<_> = rules.iter().filter(|rule| rule.access == Access::Public).map(|rule| rule.path).collect();
    let description = ["/api/openapi.json", "/api/docs", "/api/docs/docs.css", "/api/docs/docs.js"];
    let page = ["/", "/page.css", "/page.js"];
    assert_eq!(public, [&["/healthz", "/readyz"][..], &description, &page].concat());
}

/// What the policy forbids would fail in silence in a browser.
#[test]
fn nothing_inline_and_nothing_from_elsewhere() {
    let html = INDEX.to_lowercase();
    assert_eq!(html.matches("<script").count(), 1);
    assert!(html.contains("<script src=\"/page.js\" defer></script>"));
    assert!(!html.contains("<style") && !html.contains(" style=") && !html.contains("javascript:"));
    for tag in between(&html, "<", '>') {
        let handler = tag.split_whitespace().skip(1).find(|part| part.starts_with("on") && part.contains('='));
        assert_eq!(handler, None, "{tag}");
    }
    let described = [("docs/index.html", DOCS_INDEX), ("docs.css", DOCS_STYLE), ("docs.js", DOCS_SCRIPT)];
    assert!(!DOCS_INDEX.contains("<style") && !DOCS_INDEX.contains(" style=") && !DOCS_INDEX.contains(" onc"));
    for (name, file) in [("index.html", INDEX), ("page.css", STYLE), ("page.js", SCRIPT)].into_iter().chain(described) {
        for forbidden in ["http:", "https:", "\"//", "'//", "url(", "@import", "data:", "<base"] {
            assert!(!file.contains(forbidden), "{name}: {forbidden}");
        }
    }
    for attribute in ["src=\"", "href=\""] {
        for target in between(&html, attribute, '"') {
            assert!(["/page.css", "/page.js"].contains(&target) || target.starts_with('#'), "{target}");
        }
    }
}

/// Names of beneficiaries may contain markup.
#[test]
fn no_text_becomes_markup_or_code() {
    for forbidden in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "createContextualFragment",
        "DOMParser",
        "setHTML",
        "eval(",
        "new Function",
        ".style.",
        "\"style\"",
    ] {
        assert!(!SCRIPT.contains(forbidden) && !DOCS_SCRIPT.contains(forbidden), "{forbidden}");
    }
}

/// An amount that was a binary float once is no amount any more.
#[test]
fn amounts_are_never_numbers() {
    for forbidden in ["parseFloat", "toFixed", "parseInt", "NumberFormat", "toLocaleString", "Number("] {
        assert!(!SCRIPT.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn every_text_is_in_both_languages() {
    let texts = texts();
    assert!(texts.len() > 80, "the table was read: {}", texts.len());
    for (key, [french, english]) in &texts {
        assert!(!french.trim().is_empty() && !english.trim().is_empty(), "{key}");
        let facts = |text: &str| between(text, "{", '}').into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(facts(french), facts(english), "{key}");
    }
}

#[test]
fn texts_and_their_uses_agree() {
    let texts = texts();
    for attribute in ["data-text=\"", "data-hint=\"", "data-label=\""] {
        for key in between(INDEX, attribute, '"') {
            assert!(texts.contains_key(key), "{attribute}{key}");
        }
    }
    for key in between(SCRIPT, " t(\"", '"').into_iter().chain(between(SCRIPT, "(t(\"", '"')) {
        assert!(texts.contains_key(key), "t({key})");
    }
    let code = SCRIPT.split_once("\n};").expect("the table's end").1;
    for key in texts.keys() {
        let quoted = code.contains(&format!("\"{key}\"")) || INDEX.contains(&format!("\"{key}\""));
        // Made of a prefix and a word of the API.
        let composed = ["event_", "mode_", "decide_"].iter().any(|prefix| key.starts_with(prefix));
        assert!(quoted || composed, "{key} is used nowhere");
    }
}

/// Words on the page itself stand in the table: in the HTML they would stay in one language.
#[test]
fn the_document_itself_says_nothing() {
    let body = INDEX.split_once("<body>").expect("a body").1;
    for line in body.lines().filter(|line| !line.contains("<noscript>")) {
        for (index, part) in line.split('>').enumerate() {
            let said = part.split('<').next().unwrap_or("").trim();
            // The first part of a line may be the inside of a tag that began above: none does in this file.
            let is_name = ["UCASH", "USD", "CDF"].contains(&said);
            assert!(said.is_empty() || is_name, "part {index} of {line}");
        }
    }
}
