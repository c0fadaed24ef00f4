//! The OpenAPI document against the router and against real answers: [`Described`] judges every answer that any test
//! of this folder gets.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};
use ucash::http::openapi::{codes, document, known_codes};
use ucash::http::{Access, ApiError, ApiState, Rule, rules};

use super::fake::{Ask, Node, Told};
use super::refusals::table;

/// The document of a face.
pub struct Described {
    rules: Vec<Rule>,
    document: Value,
}

impl Described {
    pub fn of(state: &ApiState) -> Described {
        let rules = rules(state.clone());
        Described { document: document(&rules), rules }
    }

    /// The route of a request, if there is one: fixed segments before those in braces.
    fn rule(&self, method: &Method, path: &str) -> Option<&Rule> {
        let path = path.strip_prefix("http://evil.example").unwrap_or(path);
        let asked: Vec<&str> = path.split('?').next().unwrap_or("").split('/').collect();
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let fits = |rule: &&Rule| {
            let known: Vec<&str> = rule.path.split('/').collect();
            rule.method == *method
                && known.len() == asked.len()
                && known.iter().zip(&asked).all(|(known, asked)| known.starts_with('{') || known == asked)
        };
        self.rules.iter().filter(fits).min_by_key(|rule| rule.path.matches('{').count())
    }

    fn operation(&self, rule: &Rule) -> &Value {
        &self.document["paths"][rule.path][rule.method.as_str().to_lowercase()]
    }

    fn schema(&self, schema: &Value) -> Validator {
        let mut schema = schema.clone();
        schema["components"] = self.document["components"].clone();
        jsonschema::draft202012::new(&schema).expect("a schema")
    }

    fn check(&self, schema: &Value, value: &Value, what: &str) {
        let faults: Vec<String> =
            self.schema(schema).iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{what}: {faults:#?}\n{value:#}");
    }

    /// Fails on an answer that the document does not describe.
    pub fn judge(&self, method: &Method, path: &str, told: &Told) {
        let Some(rule) = self.rule(method, path) else {
            assert!(
                matches!(told.code(), (404, "not_found") | (405, "method_not_allowed")),
                "{method} {path}: {told:?}"
            );
            return;
        };
        let what = format!("{} {} ({path}): {}", rule.method, rule.path, told.status);
        let response = &self.operation(rule)["responses"][told.status.as_str()];
        assert!(response.is_object(), "{what} is not described: {told:?}");
        for (name, _) in response["headers"].as_object().into_iter().flatten() {
            assert!(told.headers.contains_key(name.to_lowercase()), "{what}: without {name}");
        }
        let Some(content) = response["content"].as_object() else {
            assert!(told.body.is_null(), "{what} says something: {told:?}");
            return;
        };
        let found = told.headers["content-type"].to_str().expect("a media type");
        let content = content.get(found).unwrap_or_else(|| panic!("{what}: {found} is not described"));
        self.check(&content["schema"], &told.body, &what);
    }
}

fn described() -> (Vec<Rule>, Value) {
    let node = Node::start();
    let rules = rules(node.state.clone());
    let document = document(&rules);
    (rules, document)
}

#[tokio::test]
async fn the_document_has_the_routers_routes_and_no_others() {
    let (rules, document) = described();
    let routed: BTreeSet<(String, String)> =
        rules.iter().map(|rule| (rule.path.to_owned(), rule.method.as_str().to_lowercase())).collect();
    assert_eq!(routed.len(), rules.len(), "no route twice");
    let mut written = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            assert!(ids.insert(operation["operationId"].to_string()), "{operation}");
            for summary in ["summary", "x-summary-fr"] {
                assert!(operation[summary].as_str().is_some_and(|text| text.ends_with('.')), "{method} {path}");
            }
            written.insert((path.clone(), method.clone()));
        }
    }
    assert_eq!(written, routed);
    let node = Node::start();
    let served = node.ask(Ask::get("/api/openapi.json").from("192.168.1.77:50000")).await;
    assert_eq!(served.body, document, "what is served is what is made");
    assert_eq!(served.body["openapi"], "3.1.0");
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_example_fits_its_schema() {
    let node = Node::start();
    let described = Described::of(&node.state);
    let mut seen = 0;
    for rule in &described.rules {
        let operation = described.operation(rule);
        let mut contents: Vec<&Value> = Vec::new();
        contents.extend(operation["requestBody"]["content"].as_object().into_iter().flat_map(|it| it.values()));
        for response in operation["responses"].as_object().expect("responses").values() {
            contents.extend(response["content"].as_object().into_iter().flat_map(|it| it.values()));
        }
        for content in contents {
            let given = content["examples"].as_object().into_iter().flat_map(|it| it.values()).map(|it| &it["value"]);
            for example in given.chain(content.get("example")) {
                described.check(&content["schema"], example, &format!("an example of {} {}", rule.method, rule.path));
                seen += 1;
            }
        }
        let body = &operation["requestBody"]["content"]["application/json"];
        assert!(body.is_null() || body["examples"]["1"].is_object(), "{} {} has no example", rule.method, rule.path);
    }
    assert!(seen > 300, "{seen} examples");
}

#[tokio::test]
async fn every_code_is_known_and_stands_at_some_route() {
    let (rules, _) = described();
    let known = known_codes();
    let mut used = BTreeSet::new();
    for rule in &rules {
        for code in codes(rule) {
            assert!(known.contains(code), "{} {}: {code} is no code", rule.method, rule.path);
            used.insert(code);
        }
    }
    let of_rules: BTreeSet<&str> = table().iter().map(|(refusal, _)| refusal.code()).collect();
    let lacking: Vec<_> = of_rules.difference(&known).collect();
    assert!(lacking.is_empty(), "no sample in src/http/openapi/samples.rs of {lacking:?}");
    // No route answers these: joining is not done over HTTP, and no route stands where nothing does.
    let elsewhere = [
        "unknown_invitation",
        "invitation_used",
        "invitation_expired",
        "method_not_allowed",
        "old_id_taken",
        "row_says_more",
    ];
    let undocumented: Vec<_> = known.difference(&used).filter(|code| !elsewhere.contains(code)).collect();
    assert!(undocumented.is_empty(), "no route says that it may answer {undocumented:?}");
}

/// What [`known_codes`] is made of has every variant: a new one does not compile until it is placed here.
#[test]
fn every_answer_of_the_face_has_a_sample() {
    let code = |error: &ApiError| match error {
        ApiError::Refused(_) => None,
        ApiError::NotFound
        | ApiError::MethodNotAllowed
        | ApiError::Unauthorized
        | ApiError::TooManyFailures { .. }
        | ApiError::TooManyRequests { .. }
        | ApiError::TokenReadsOnly
        | ApiError::NotForTokens
        | ApiError::ShopOutsideToken { .. }
        | ApiError::ForeignHost
        | ApiError::ForeignOrigin
        | ApiError::BodyTooLarge { .. }
        | ApiError::NotJson
        | ApiError::BodyUnreadable
        | ApiError::NotUtf8
        | ApiError::MalformedJson { .. }
        | ApiError::MissingField { .. }
        | ApiError::UnknownField { .. }
        | ApiError::DuplicateField { .. }
        | ApiError::InvalidField { .. }
        | ApiError::InvalidIdempotencyKey
        | ApiError::UnknownToken { .. }
        | ApiError::TooManyTokens { .. }
        | ApiError::TooManyStreams
        | ApiError::NotReady { .. }
        | ApiError::TimedOut
        | ApiError::Internal => Some(error.code()),
    };
    let samples = ucash::http::openapi::samples();
    assert_eq!(samples.iter().filter_map(code).count(), 26, "one of each variant above");
}

/// The documented fields are the fields that are read: each documented one is taken, a made-up one is not.
#[tokio::test]
async fn documented_fields_are_the_fields_that_are_read() {
    let node = Node::start();
    let described = Described::of(&node.state);
    let mut bodies = 0;
    for rule in described.rules.iter().filter(|rule| rule.access != Access::Public) {
        let body = &described.operation(rule)["requestBody"]["content"]["application/json"];
        let Some(examples) = body["examples"].as_object() else { continue };
        let path = rule.path.replace("{numero}", super::fake::SIM_1).replace("{key}", "CRED-1");
        let own = format!("/conflicts/{}", super::fake::conflict(1).conflict.id);
        let path = path.replace("/conflicts/{id}", &own).replace("{id}", "x");
        let ask = async |body: &Value| node.ask(Ask::new(rule.method.clone(), &path).raw(body.to_string())).await;
        let mut taken = BTreeMap::new();
        for example in examples.values().map(|example| &example["value"]) {
            let told = ask(example).await;
            assert!(told.status.is_success(), "{} {}: {told:?}", rule.method, rule.path);
            let mut slip = example.clone();
            slip["amout"] = json!("1");
            assert_eq!(ask(&slip).await.code(), (422, "unknown_field"), "{} {}", rule.method, rule.path);
            for name in body["schema"]["properties"].as_object().expect("properties").keys() {
                let mut more = example.clone();
                // Of no kind that any field is: a field that is read refuses it by its own name.
                more[name] = json!([[]]);
                let told = ask(&more).await;
                *taken.entry(name.clone()).or_insert(false) |= told.code() != (422, "unknown_field");
            }
            bodies += 1;
        }
        assert!(taken.values().all(|taken| *taken), "{} {}: {taken:?}", rule.method, rule.path);
    }
    assert!(bodies >= 14, "{bodies}");
}
