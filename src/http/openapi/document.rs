//! The OpenAPI 3.1 document, made from the router's rules. What every route of a kind may be refused for is said
//! here once; statuses, sentences and facts come from [`samples`].

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operation::Operation;
use super::{example, samples};
use crate::http::auth::Access;
use crate::http::messages::{self, Language};
use crate::http::problem::ApiError;
use crate::http::routes::Rule;
use crate::http::status;

/// May befall any request that reaches the engine.
const ENGINE: &[&str] = &["timed_out", "busy", "disk_full", "read_only", "internal"];
/// May befall who must say who they are.
const IDENTITY: &[&str] = &["unauthorized", "foreign_host", "foreign_origin", "too_many_failures", "too_many_requests"];
/// May be wrong with a query.
const QUERY: &[&str] = &["body_unreadable", "unknown_field", "duplicate_field", "invalid_field"];
/// May be wrong with a body.
const BODY: &[&str] = &[
    "not_json",
    "body_too_large",
    "body_unreadable",
    "not_utf8",
    "malformed_json",
    "missing_field",
    "unknown_field",
    "duplicate_field",
    "invalid_field",
];
/// May be wrong with an idempotency key.
const KEY: &[&str] = &["invalid_idempotency_key", "idempotency_key_reused"];

/// The codes that a route may be refused with.
pub fn codes(rule: &Rule) -> BTreeSet<&'static str> {
    let mut codes: BTreeSet<&'static str> = rule.operation.codes.iter().copied().collect();
    codes.extend(ENGINE);
    if rule.access != Access::Public {
        codes.extend(IDENTITY);
        if rule.method == Method::GET {
            codes.extend(QUERY);
        }
    }
    match rule.access {
        Access::Public | Access::Read => {}
        Access::Write => drop(codes.insert("token_reads_only")),
        Access::Owner => drop(codes.insert("not_for_tokens")),
    }
    if rule.path.contains('{') {
        codes.insert("not_found");
    }
    if rule.operation.body.is_some() {
        codes.extend(BODY);
    }
    if rule.operation.has_key {
        codes.extend(KEY);
    }
    codes
}

/// The document of those routes.
pub fn document(rules: &[Rule]) -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .for_serialize()
        .into_generator();
    let samples = samples::all();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for rule in rules {
        let written = operation(rule, &samples, &mut generator);
        paths.entry(rule.path).or_default().insert(rule.method.as_str().to_lowercase(), written);
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem_shape());
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ucash",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            "description": "The HTTP face of one node. Money is a decimal text, never a JSON number. Times are RFC 3339 \
                with a zone. A credit has one document; the same Idempotency-Key gives the same answer, after a \
                restart too. Who sits at the node (a loopback request that nobody forwarded) needs no token.",
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http", "scheme": "bearer",
                    "description": "A token of this node, made by `ucash token create`. On loopback none is needed.",
                },
            },
        },
    });
    example::fill(&mut document);
    document
}

fn operation(rule: &Rule, samples: &[ApiError], generator: &mut SchemaGenerator) -> Value {
    let Operation { french, english, parameters, body, answers, .. } = &rule.operation;
    let mut written = json!({
        "operationId": name(rule),
        "tags": [tag(rule.path)],
        "summary": english,
        "x-summary-fr": french,
        "x-access": rule.access.word(),
        // An empty alternative: on loopback the owner needs nothing.
        "security": if rule.access == Access::Public { json!([]) } else { json!([{ "token": [] }, {}]) },
    });
    let in_query = parameters.iter().map(
        |one| json!({ "name": one.name, "in": "query", "required": one.required, "schema": one.schema, "description": one.schema.pointer("/anyOf/0/description"), "allowEmptyValue": true }),
    );
    let key = rule.operation.has_key.then(key_parameter);
    let all: Vec<Value> = in_path(rule.path).chain(in_query).chain(key).collect();
    if !all.is_empty() {
        written["parameters"] = all.into();
    }
    if let Some(body) = body {
        let examples = body.examples.iter().enumerate();
        let examples: Map<String, Value> =
            examples.map(|(index, value)| (format!("{}", index + 1), json!({ "value": value }))).collect();
        written["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": body.schema(), "examples": examples } },
        });
    }
    let mut responses = Map::new();
    for answer in answers {
        let before = responses.remove(&answer.status.to_string());
        let mut response: Value = before.unwrap_or_else(|| json!({ "description": meaning(answer.status) }));
        if let Some((media_type, shape)) = answer.content {
            response["content"][media_type] = json!({ "schema": shape(generator) });
        }
        if answer.status == 201 {
            response["headers"] = json!({
                "Location": { "required": true, "description": "Where it stands.", "schema": { "type": "string" } },
            });
        }
        responses.insert(answer.status.to_string(), response);
    }
    responses.extend(problems(rule, samples));
    written["responses"] = responses.into();
    written
}

fn problems(rule: &Rule, samples: &[ApiError]) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, BTreeMap<&'static str, &ApiError>> = BTreeMap::new();
    let codes = codes(rule);
    for sample in samples.iter().filter(|sample| codes.contains(sample.code())) {
        by_status.entry(status::of(sample).as_u16()).or_default().entry(sample.code()).or_insert(sample);
    }
    let mut written = Map::new();
    for (status, found) in by_status {
        let codes: Vec<&str> = found.keys().copied().collect();
        let title = found.values().next().map(|sample| messages::title(status::of(sample), Language::English));
        let examples: Map<String, Value> = found
            .iter()
            .map(|(code, sample)| ((*code).to_owned(), json!({ "value": sample.document(Language::English) })))
            .collect();
        let mut response = json!({
            "description": title,
            "content": { "application/problem+json": {
                "schema": {
                    "allOf": [{ "$ref": "#/components/schemas/Problem" }],
                    "properties": { "code": { "enum": codes } },
                },
                "examples": examples,
            } },
        });
        if matches!(status, 429 | 503) {
            response["headers"] = json!({
                "Retry-After": { "required": true, "description": "In seconds.", "schema": { "type": "integer" } },
            });
        }
        written.insert(status.to_string(), response);
    }
    written
}

fn problem_shape() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457, with a stable `code` and the facts of the refusal beside it.",
        "properties": {
            "type": { "type": "string", "pattern": "^urn:ucash:problem:" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "What happened, what it means, what to do; French, or English where Accept-Language asks for it." },
            "code": { "type": "string", "description": "For programs. It never changes." },
        },
        "required": ["type", "title", "status", "detail", "code"],
    })
}

fn in_path(path: &str) -> impl Iterator<Item = Value> + '_ {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        json!({
            "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 },
            "description": in_path_meaning(name),
        })
    })
}

fn in_path_meaning(name: &str) -> &'static str {
    match name {
        "key" => "A credit's id (cr_...) or reference.",
        "numero" => "A SIM's number.",
        "payment" => "A payment's id (pm_...).",
        _ => "The id of what is meant.",
    }
}

fn key_parameter() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "The same key gives the same answer, after a restart too.",
        "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" },
    })
}

fn meaning(status: u16) -> &'static str {
    match status {
        200 => "Done.",
        201 => "Made; `Location` says where it stands.",
        204 => "Done, nothing to show.",
        304 => "Unchanged.",
        _ => "",
    }
}

/// The family: what stands behind `/api/v1/`, else the face itself.
fn tag(path: &str) -> &str {
    let family = path.strip_prefix("/api/v1/").and_then(|rest| rest.split('/').next());
    family.unwrap_or("node")
}

/// A name for programs: method and path, in words.
fn name(rule: &Rule) -> String {
    let path = rule.path.trim_start_matches("/api/v1").replace(['{', '}'], "").replace(['/', '.', '-'], "_");
    format!("{}{}", rule.method.as_str().to_lowercase(), if path == "_" { "_page" } else { &path })
}
