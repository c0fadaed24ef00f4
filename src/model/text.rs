//! What may stand in a text field. The same bounds hold for what a person types, what a file brings and what
//! another device signed.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest reference of a credit, in characters.
pub const REFERENCE_CHARS_MAX: usize = 50;
/// Longest name of a person, shop or device.
pub const NAME_CHARS_MAX: usize = 255;
/// Longest phone number, SIM number or operator's reference.
pub const PHONE_CHARS_MAX: usize = 20;
/// Longest address, notes or reason.
pub const NOTES_CHARS_MAX: usize = 2_000;

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FieldFault {
    /// Nothing but white space where something is needed.
    Blank,
    /// Longer than allowed, counted in characters.
    TooLong {
        /// Its length.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A control character; in notes, a line break or tab is allowed.
    ControlCharacter,
    /// Not of the form that this field has.
    Malformed {
        /// The form, in a few words.
        expected: String,
    },
}

/// A field that cannot be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("field {field}: {fault:?}")]
pub struct FieldError {
    /// The field's name in the interface.
    pub field: String,
    /// What is wrong.
    pub fault: FieldFault,
}

impl FieldError {
    /// A fault of that field.
    pub fn new(field: &str, fault: FieldFault) -> FieldError {
        FieldError { field: field.to_owned(), fault }
    }

    /// A field that is not of its form.
    pub fn malformed(field: &str, expected: &str) -> FieldError {
        FieldError::new(field, FieldFault::Malformed { expected: expected.to_owned() })
    }
}

/// Checks a one-line text that must say something.
pub(crate) fn line(field: &str, text: &str, limit: usize) -> Result<(), FieldError> {
    if text.trim().is_empty() {
        return Err(FieldError::new(field, FieldFault::Blank));
    }
    bounded(field, text, limit, |_| false)
}

/// Checks a one-line text that may be absent.
pub(crate) fn optional_line(field: &str, text: Option<&str>, limit: usize) -> Result<(), FieldError> {
    text.map_or(Ok(()), |text| bounded(field, text, limit, |_| false))
}

/// Checks a text of several lines that may be absent.
pub(crate) fn notes(field: &str, text: Option<&str>) -> Result<(), FieldError> {
    text.map_or(Ok(()), |text| bounded(field, text, NOTES_CHARS_MAX, |c| matches!(c, '\n' | '\r' | '\t')))
}

fn bounded(field: &str, text: &str, limit: usize, allowed: impl Fn(char) -> bool) -> Result<(), FieldError> {
    let length = text.chars().count();
    if length > limit {
        return Err(FieldError::new(field, FieldFault::TooLong { length, limit }));
    }
    if text.chars().any(|c| c.is_control() && !allowed(c)) {
        return Err(FieldError::new(field, FieldFault::ControlCharacter));
    }
    Ok(())
}

/// A credit's reference as people write it on receipts: trimmed, upper-cased, 1 to 50 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reference(String);

impl Reference {
    /// Normalises and checks what was typed.
    pub fn new(text: &str) -> Result<Reference, FieldError> {
        let normal = text.trim().to_uppercase();
        line("reference", &normal, REFERENCE_CHARS_MAX)?;
        Ok(Reference(normal))
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}
