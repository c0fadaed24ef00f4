//! The fields of a JSON body, each read by name and type. A field that nobody reads is refused at the end: most
//! often it is a slip of the pen, and a note that vanished is found out too late.

use std::cell::RefCell;
use std::collections::BTreeSet;

use chrono_tz::Tz;
use serde_json::value::RawValue;

use super::problem::{ApiError, Expected};
use super::when;
use crate::ledger::Refusal;
use crate::model::{ShopId, SimNumber, Timestamp};
use crate::money::{Amount, Currency};
use crate::rows::{Members, MembersFault};

/// A number of a shop, be it one that no shop can have: that one is nobody's. Nothing for what is no number.
pub(super) fn any_number(text: &str) -> Option<u32> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().unwrap_or(u32::MAX))
}

/// The fields of a JSON object of a request.
pub(super) struct Fields<'a> {
    /// The object's own name and a point; empty for the body.
    prefix: String,
    members: Members<'a>,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Fields<'a> {
    /// The fields of a body.
    pub(super) fn of_body(text: &'a str) -> Result<Fields<'a>, ApiError> {
        Fields::read(text, "")
    }

    fn read(text: &'a str, prefix: &str) -> Result<Fields<'a>, ApiError> {
        let members = Members::read(text).map_err(|fault| match fault {
            MembersFault::Syntax { line, column } => ApiError::MalformedJson { line, column },
            MembersFault::Duplicate { field } => ApiError::DuplicateField { field: format!("{prefix}{field}") },
            MembersFault::NotAnObject => {
                let name = prefix.trim_end_matches('.');
                ApiError::field(if name.is_empty() { "body" } else { name }, Expected::Object)
            }
        })?;
        Ok(Fields { prefix: prefix.to_owned(), members, read: RefCell::default() })
    }

    /// Refuses what was not read. To be called before anything is done.
    pub(super) fn finish(&self) -> Result<(), ApiError> {
        let read = self.read.borrow();
        match self.members.names().find(|name| !read.contains(*name)) {
            None => Ok(()),
            Some(name) => {
                let field: String = format!("{}{name}", self.prefix).chars().take(64).collect();
                Err(ApiError::UnknownField { field })
            }
        }
    }

    fn name(&self, field: &str) -> String {
        format!("{}{field}", self.prefix)
    }

    fn invalid(&self, field: &str, expected: Expected) -> ApiError {
        ApiError::InvalidField { field: self.name(field), expected }
    }

    fn missing(&self, field: &str) -> ApiError {
        ApiError::MissingField { field: self.name(field) }
    }

    /// The value as it was written, `null` included.
    fn written(&self, field: &str) -> Option<&'a RawValue> {
        self.read.borrow_mut().insert(field.to_owned());
        self.members.get(field)
    }

    /// The value as it was written; absent if it is missing or `null`.
    fn value(&self, field: &str) -> Option<&'a str> {
        self.written(field).map(RawValue::get).filter(|text| *text != "null")
    }

    /// Whether the field is there at all, be it `null`.
    pub(super) fn has(&self, field: &str) -> bool {
        self.written(field).is_some()
    }

    /// Whether the field is there with a value.
    pub(super) fn is_given(&self, field: &str) -> bool {
        self.value(field).is_some()
    }

    /// A text, if there is one.
    pub(super) fn text(&self, field: &str) -> Result<Option<String>, ApiError> {
        let Some(text) = self.value(field) else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|_| self.invalid(field, Expected::Text))
    }

    /// A text that must be there.
    pub(super) fn required_text(&self, field: &str) -> Result<String, ApiError> {
        self.text(field)?.ok_or_else(|| self.missing(field))
    }

    /// One of a few words, if there is one.
    pub(super) fn word<T: Copy>(&self, field: &str, words: &[(&'static str, T)]) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.map(Some).ok_or_else(|| {
            self.invalid(field, Expected::OneOf { words: words.iter().map(|(word, _)| *word).collect() })
        })
    }

    /// A currency that must be there.
    pub(super) fn currency(&self, field: &str) -> Result<Currency, ApiError> {
        let text = self.required_text(field)?;
        Currency::parse(&text).map_err(|fault| Refusal::Money { field: self.name(field), fault }.into())
    }

    /// A decimal text that must be there, for an amount above zero of a currency that is not known yet.
    pub(super) fn decimal(&self, field: &str) -> Result<String, ApiError> {
        let amount = self.positive_amount(field, Currency::Usd)?;
        Ok(amount.to_decimal_string())
    }

    /// An amount above zero that must be there.
    pub(super) fn positive_amount(&self, field: &str, currency: Currency) -> Result<Amount, ApiError> {
        let amount = self.amount(field, currency)?.ok_or_else(|| self.missing(field))?;
        if amount.is_zero() { Err(self.invalid(field, Expected::AboveZero)) } else { Ok(amount) }
    }

    /// An amount from zero, if there is one.
    pub(super) fn amount(&self, field: &str, currency: Currency) -> Result<Option<Amount>, ApiError> {
        let Some(written) = self.value(field) else { return Ok(None) };
        // A JSON number is refused even where it would be exact: the next one would come from a binary float.
        let text: String = serde_json::from_str(written).map_err(|_| self.invalid(field, Expected::DecimalText))?;
        let amount = Amount::parse(&text, currency);
        amount.map(Some).map_err(|fault| Refusal::Money { field: self.name(field), fault }.into())
    }

    /// `true` or `false`, if it is there.
    pub(super) fn boolean(&self, field: &str) -> Result<Option<bool>, ApiError> {
        match self.value(field) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(self.invalid(field, Expected::TrueOrFalse)),
        }
    }

    /// A whole number that must be there.
    pub(super) fn whole(&self, field: &str) -> Result<u64, ApiError> {
        let text = self.value(field).ok_or_else(|| self.missing(field))?;
        serde_json::from_str(text).map_err(|_| self.invalid(field, Expected::WholeNumber))
    }

    /// A shop's number, if there is one.
    pub(super) fn shop(&self, field: &str) -> Result<Option<ShopId>, ApiError> {
        let Some(text) = self.value(field) else { return Ok(None) };
        let number: Option<u32> = serde_json::from_str(text).ok();
        let shop = number.filter(|number| *number > 0).map(ShopId);
        shop.map(Some).ok_or_else(|| self.invalid(field, Expected::ShopNumber))
    }

    /// A shop's number that must be there, as a number or as a text, be it one that no shop can have.
    pub(super) fn any_shop(&self, field: &str) -> Result<u32, ApiError> {
        let text = self.value(field).ok_or_else(|| self.missing(field))?;
        any_number(text.trim_matches('"')).ok_or_else(|| self.invalid(field, Expected::ShopNumber))
    }

    /// A list that must be there, empty or not, of values as they were written.
    pub(super) fn rows(&self, field: &str) -> Result<Vec<&'a RawValue>, ApiError> {
        let text = self.value(field).ok_or_else(|| self.missing(field))?;
        serde_json::from_str(text).map_err(|_| self.invalid(field, Expected::Rows))
    }

    /// A SIM's number that must be there.
    pub(super) fn sim(&self, field: &str) -> Result<SimNumber, ApiError> {
        Ok(SimNumber::new(&self.required_text(field)?).map_err(Refusal::from)?)
    }

    /// The end of a day or an instant, if there is one.
    pub(super) fn deadline(&self, field: &str, zone: Tz) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        when::end(&text, zone).map(Some).ok_or_else(|| self.invalid(field, Expected::Time))
    }

    /// A duration in milliseconds, if there is one.
    pub(super) fn duration_ms(&self, field: &str, longest_ms: i64) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        when::duration_ms(&text)
            .filter(|length| *length <= longest_ms)
            .map(Some)
            .ok_or_else(|| self.invalid(field, Expected::Duration { days_max: longest_ms / 86_400_000 }))
    }

    /// An object, if there is one.
    pub(super) fn object(&self, field: &str) -> Result<Option<Fields<'a>>, ApiError> {
        self.value(field).map(|text| Fields::read(text, &format!("{}.", self.name(field)))).transpose()
    }

    /// A list of 1 to `limit` values as they were written, if there is one.
    pub(super) fn list(&self, field: &str, limit: usize) -> Result<Option<Vec<&'a RawValue>>, ApiError> {
        let Some(text) = self.value(field) else { return Ok(None) };
        let items: Option<Vec<&'a RawValue>> = serde_json::from_str(text).ok();
        let items = items.filter(|items| (1..=limit).contains(&items.len()));
        items.map(Some).ok_or_else(|| self.invalid(field, Expected::List { limit }))
    }

    /// The refusal of a field that must be there, for lists and objects.
    pub(super) fn require<T>(&self, field: &str, value: Option<T>) -> Result<T, ApiError> {
        value.ok_or_else(|| self.missing(field))
    }
}
