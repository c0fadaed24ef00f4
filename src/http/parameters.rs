//! The parameters of a query string, each read by name and type; unknown and repeated ones are refused, as a
//! filter that is not applied shows more than was asked for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use chrono_tz::Tz;

use super::limits::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX};
use super::problem::{ApiError, Expected};
use super::state::ApiState;
use super::when;
use crate::ledger::Refusal;
use crate::model::{ShopId, Timestamp};

/// The parameters of a request.
pub(super) struct Parameters {
    values: BTreeMap<String, String>,
    read: RefCell<BTreeSet<String>>,
}

impl FromRequestParts<ApiState> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        let pairs: Query<Vec<(String, String)>> =
            Query::try_from_uri(&parts.uri).map_err(|_| ApiError::BodyUnreadable)?;
        let mut values = BTreeMap::new();
        for (name, value) in pairs.0 {
            if values.insert(name.clone(), value).is_some() {
                return Err(ApiError::DuplicateField { field: name.chars().take(64).collect() });
            }
        }
        Ok(Parameters { values, read: RefCell::default() })
    }
}

impl Parameters {
    /// Refuses what was not read.
    pub(super) fn finish(&self) -> Result<(), ApiError> {
        let read = self.read.borrow();
        match self.values.keys().find(|name| !read.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(ApiError::UnknownField { field: name.chars().take(64).collect() }),
        }
    }

    /// A text; an empty one is as good as absent, as forms send every field.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.read.borrow_mut().insert(name.to_owned());
        self.values.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Something that is read from a text.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Result<Option<T>, ApiError> {
        Ok(self.text(name).map(read).transpose()?)
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, name: &str, words: &[(&'static str, T)]) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.map(Some).ok_or_else(|| {
            ApiError::field(name, Expected::OneOf { words: words.iter().map(|(word, _)| *word).collect() })
        })
    }

    /// A shop's number.
    pub(super) fn shop(&self, name: &str) -> Result<Option<ShopId>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if is_digits { text.parse::<u32>().ok() } else { None };
        let shop = number.filter(|number| *number > 0).map(ShopId);
        shop.map(Some).ok_or_else(|| ApiError::field(name, Expected::ShopNumber))
    }

    /// The beginning of a period.
    pub(super) fn from(&self, zone: Tz) -> Result<Option<Timestamp>, ApiError> {
        self.time("from", |text| when::start(text, zone))
    }

    /// The end of a period.
    pub(super) fn to(&self, zone: Tz) -> Result<Option<Timestamp>, ApiError> {
        self.time("to", |text| when::after(text, zone))
    }

    fn time(&self, name: &str, read: impl Fn(&str) -> Option<Timestamp>) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| ApiError::field(name, Expected::Time))
    }

    /// `overdue`, `overdue=true` or `overdue=false`.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        self.read.borrow_mut().insert(name.to_owned());
        match self.values.get(name).map(String::as_str) {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(_) => Err(ApiError::field(name, Expected::TrueOrFalse)),
        }
    }

    /// `limit`.
    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.text("limit") else { return Ok(PAGE_ITEMS_DEFAULT) };
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let limit = if is_digits { text.parse::<usize>().ok() } else { None };
        limit
            .filter(|limit| (1..=PAGE_ITEMS_MAX).contains(limit))
            .ok_or_else(|| ApiError::field("limit", Expected::Limit))
    }

    /// `after`.
    pub(super) fn after(&self) -> Option<String> {
        self.text("after").map(str::to_owned)
    }
}

/// Segments of the path. What is not even text names nothing.
pub(super) struct InPath<T>(pub(super) T);

impl<T: serde::de::DeserializeOwned + Send> FromRequestParts<ApiState> for InPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        read.map(|Path(segments)| InPath(segments)).map_err(|_| ApiError::NotFound)
    }
}
