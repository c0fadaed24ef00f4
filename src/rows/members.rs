//! The members of a JSON object, each as the text it was written in. Shared by rows and by request bodies.
//!
//! Values are not interpreted here, so that numbers stay exact and a wrong type can be answered with the name of
//! its field. Skipping over values takes no stack: a deeply nested value is as harmless as a long string.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Why a text is not an object whose members can be told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembersFault {
    /// Not JSON.
    Syntax {
        /// Where it stops being JSON.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// JSON, but no object.
    NotAnObject,
    /// A name stands twice.
    Duplicate {
        /// Which, cut at 64 characters.
        field: String,
    },
}

/// The members of one object by name.
#[derive(Clone, Debug, Default)]
pub struct Members<'a> {
    values: BTreeMap<String, &'a RawValue>,
    duplicate: Option<String>,
}

impl<'a> Members<'a> {
    /// Reads the text of an object.
    pub fn read(text: &'a str) -> Result<Members<'a>, MembersFault> {
        let raw: &RawValue = serde_json::from_str(text)
            .map_err(|error| MembersFault::Syntax { line: error.line(), column: error.column() })?;
        if !raw.get().starts_with('{') {
            return Err(MembersFault::NotAnObject);
        }
        let members: Members<'a> = serde_json::from_str(raw.get())
            .map_err(|error| MembersFault::Syntax { line: error.line(), column: error.column() })?;
        match members.duplicate {
            Some(field) => Err(MembersFault::Duplicate { field }),
            None => Ok(members),
        }
    }

    /// A member as it was written, `null` included.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.values.get(name).copied()
    }

    /// The names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map_err(D::Error::custom)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
            if members.values.contains_key(&name) {
                members.duplicate.get_or_insert_with(|| name.chars().take(64).collect());
            }
            members.values.insert(name, value);
        }
        Ok(members)
    }
}
