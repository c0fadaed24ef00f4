//! Examples of answers, made by walking their schemas: so that each has one, and none can lack a field. Only what a
//! text stands for is known here by the field's name.

use serde_json::{Map, Value, json};

/// References followed at most: no shape of ours holds itself, and if one came to, this would still end.
const DEPTH_MAX: usize = 8;

/// Gives each JSON answer that has none its example.
pub(super) fn fill(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let Some(responses) = operation["responses"].as_object_mut() else { continue };
        for response in responses.values_mut() {
            let Some(content) = response.pointer_mut("/content/application~1json") else { continue };
            content["example"] = of(&content["schema"], "", &schemas, 0);
        }
    }
}

fn of(schema: &Value, name: &str, schemas: &Value, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(target) = schema["$ref"].as_str() {
        return of(&schemas[target.rsplit('/').next().unwrap_or("")], name, schemas, depth + 1);
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.first().cloned().unwrap_or_default();
    }
    let either = ["anyOf", "oneOf", "allOf"].iter().find_map(|word| schema[*word].as_array()?.first());
    if let Some(first) = either {
        return of(first, name, schemas, depth + 1);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].as_array()?.first()?.as_str());
    match kind {
        Some("object") => object(schema, schemas, depth),
        Some("array") => json!([of(&schema["items"], name, schemas, depth + 1)]),
        Some("integer" | "number") => json!(schema["minimum"].as_u64().unwrap_or(0).max(1)),
        Some("boolean") => json!(false),
        Some("string") => text(schema, name),
        _ => json!({}),
    }
}

fn object(schema: &Value, schemas: &Value, depth: usize) -> Value {
    let mut made = Map::new();
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        made.insert(name.clone(), of(inner, name, schemas, depth + 1));
    }
    if schema["additionalProperties"].is_object() {
        // The maps of the interface are by currency, or by a shop's number.
        made.insert("USD".to_owned(), of(&schema["additionalProperties"], "amount", schemas, depth + 1));
    }
    let by_number = schema["patternProperties"].as_object().into_iter().flat_map(Map::values).next();
    if let Some(inner) = by_number {
        made.insert("1".to_owned(), of(inner, "digest", schemas, depth + 1));
    }
    Value::Object(made)
}

fn text(schema: &Value, name: &str) -> Value {
    if let Some(prefix) =
        schema["pattern"].as_str().and_then(|pattern| pattern.get(1..4)).filter(|it| it.ends_with('_'))
    {
        return json!(format!("{prefix}aeaqcaibaeaqcaib"));
    }
    let text = match name {
        "amount" | "paid" | "remaining" | "overpaid" | "available" | "at_least" | "at_most" | "this_device"
        | "initial" | "captures" | "credits" | "withdrawals" | "deposits" | "share" | "granted" | "waiting"
        | "overdue" | "cash" | "fee" => "125.50",
        "recovery_rate" => "0.8125",
        "sim" => "+243970000001",
        "operator" => "Airtel",
        "reference" => "CRED-2026-001",
        "currency" => "USD",
        "time_zone" => "Africa/Lubumbashi",
        "next" => "b2xkZXI",
        name if name.ends_with("_at") || name.ends_with("_time") || matches!(name, "at" | "now" | "last_seen") => {
            "2026-10-01T08:30:00.000Z"
        }
        _ => "…",
    };
    json!(text)
}
