//! The kinds of fields that requests have, as JSON schemas. Words and bounds come from the code that reads them.

use serde_json::{Value, json};

use crate::http::limits::PAGE_ITEMS_MAX;
use crate::money::Currency;

/// A text.
pub(in crate::http) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// A decimal text of an amount.
pub(in crate::http) fn decimal(description: &str) -> Value {
    json!({ "type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,2})?$", "description": description })
}

/// A currency.
pub(in crate::http) fn currency() -> Value {
    json!({ "type": "string", "enum": Currency::ALL.map(Currency::code) })
}

/// A shop's number.
pub(in crate::http) fn shop(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX, "description": description })
}

/// A whole number from 0.
pub(in crate::http) fn whole(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

/// `true` or `false`.
pub(in crate::http) fn boolean(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

/// `true` or `false`, in a query.
pub(in crate::http) fn flag(description: &str) -> Value {
    json!({ "enum": ["true", "false", "1", "0"], "type": "string", "description": description })
}

/// A SIM's number.
pub(in crate::http) fn sim() -> Value {
    json!({ "type": "string", "description": "A SIM's number, as +243970000001." })
}

/// An instant with its zone, or a date.
pub(in crate::http) fn time(description: &str) -> Value {
    let more = "RFC 3339 with a zone, or a date in the network's zone.";
    json!({ "type": "string", "description": format!("{description} {more}") })
}

/// A duration.
pub(in crate::http) fn duration(description: &str) -> Value {
    json!({ "type": "string", "pattern": "^[0-9]+[smhdw]$", "description": description })
}

/// One of the words of a table.
pub(in crate::http) fn words<T>(table: &[(&'static str, T)]) -> Value {
    json!({ "type": "string", "enum": table.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
}

/// How many items a page has.
pub(in crate::http) fn limit() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": PAGE_ITEMS_MAX, "description": "Items on a page." })
}

/// Where a page begins.
pub(in crate::http) fn after() -> Value {
    text("The `next` of the page before.")
}

/// Who is recorded as having acted.
pub(in crate::http) fn agent() -> Value {
    text("Who is recorded as having acted; a token's name where it is absent.")
}
