//! Lists written out as files: JSON, CSV, XLSX.
//!
//! ```text
//! pages (rows)  ──▶  items as the API shows them  ──▶  JSON as it is
//!                                                 └─▶  columns  ──▶  CSV (text, neutral), XLSX (sheet)
//! ```
//!
//! A file holds what the list with the same filters shows, page by page, so that neither the node nor its memory is
//! taken by a long one. Amounts stay the decimal strings of the interface until they are written; nothing is added
//! up here, least of all two currencies.

mod columns;
mod neutral;
mod rows;
mod sheet;
mod text;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::Response;
use chrono_tz::Tz;
use futures::stream;

pub(super) use columns::{Column, Kind, of_what};
pub(super) use neutral::is_dangerous;
pub use neutral::neutral;
pub(super) use rows::{MovementFilter, Rows};

use super::Language;
use super::problem::ApiError;
use super::state::ApiState;
use crate::model::Timestamp;

/// What is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Credits,
    Payments,
    Movements,
    Conflicts,
}

impl What {
    /// Their words in the address.
    pub const WORDS: [(&'static str, What); 4] = [
        ("credits", What::Credits),
        ("payments", What::Payments),
        ("movements", What::Movements),
        ("conflicts", What::Conflicts),
    ];

    fn word(self) -> &'static str {
        What::WORDS.iter().find(|(_, what)| *what == self).map_or("", |(word, _)| word)
    }
}

/// As what kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
    Xlsx,
}

impl Format {
    /// Their words in a request; also the endings of the files' names.
    pub const WORDS: [(&'static str, Format); 3] =
        [("json", Format::Json), ("csv", Format::Csv), ("xlsx", Format::Xlsx)];

    fn word(self) -> &'static str {
        Format::WORDS.iter().find(|(_, format)| *format == self).map_or("", |(word, _)| word)
    }

    fn media_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Csv => "text/csv; charset=utf-8",
            Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// What separates the fields of a CSV file, and with it for whom the file is.
///
/// A comma or a tab is for programs (RFC 4180): names as in the API, times in UTC, a dot before the cents. A
/// semicolon is what a French spreadsheet opens by a double click: headings in the reader's language, times of the
/// network's zone, a comma before the cents, and the mark by which it knows UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Separator {
    #[default]
    Comma,
    Semicolon,
    Tab,
}

impl Separator {
    /// Their words in a request.
    pub const WORDS: [(&'static str, Separator); 3] =
        [("comma", Separator::Comma), ("semicolon", Separator::Semicolon), ("tab", Separator::Tab)];

    fn byte(self) -> u8 {
        match self {
            Separator::Comma => b',',
            Separator::Semicolon => b';',
            Separator::Tab => b'\t',
        }
    }
}

/// How a file is to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub what: What,
    pub format: Format,
    pub separator: Separator,
    pub language: Language,
    /// In which zone a spreadsheet shows times.
    pub zone: Tz,
}

/// The file as an answer. What goes wrong before the first row is a refusal; what goes wrong later cuts the answer
/// off, so that no reader takes a part for the whole.
pub(super) async fn answer(state: &ApiState, look: Look, mut rows: Rows) -> Result<Response, ApiError> {
    let body = match look.format {
        Format::Xlsx => sheet::body(&look, rows).await?,
        Format::Json | Format::Csv => {
            let first = rows.next().await?;
            let writer = text::Writer::new(look);
            let parts = stream::try_unfold(Some((writer, rows, first)), async |left| {
                let Some((mut writer, mut rows, items)) = left else { return Ok(None) };
                let Some(items) = items else { return Ok(Some((writer.end()?, None))) };
                let bytes = writer.rows(&items)?;
                let next = rows.next().await.map_err(|error| std::io::Error::other(error.code()))?;
                Ok::<_, std::io::Error>(Some((bytes, Some((writer, rows, next)))))
            });
            Body::from_stream(parts)
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(look.format.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let name = file_name(&look, state.now());
    let value = HeaderValue::from_str(&name).map_err(|_| ApiError::Internal)?;
    headers.insert(CONTENT_DISPOSITION, value);
    Ok(response)
}

/// Under what name a browser keeps it: what, and the day in the network's zone.
fn file_name(look: &Look, now: Timestamp) -> String {
    let day =
        now.to_utc().map_or_else(String::new, |now| now.with_timezone(&look.zone).format("-%Y-%m-%d").to_string());
    format!("attachment; filename=\"{}{day}.{}\"", look.what.word(), look.format.word())
}

/// A piece of a body.
fn piece(bytes: Vec<u8>) -> Bytes {
    Bytes::from(bytes)
}
