//! JSON and CSV, a page at a time.
//!
//! JSON is a list as the API gives it (`{"items": [...], "next": null}`), one item a line. CSV is RFC 4180; see
//! [`Separator`] for whom which one is.

use std::io;

use axum::body::Bytes;
use chrono_tz::Tz;
use serde_json::Value;

use super::{Column, Format, Kind, Look, Separator, neutral, of_what, piece};
use crate::http::Language;

/// What spreadsheets know UTF-8 by.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Writes a text file piece by piece.
pub(super) struct Writer {
    look: Look,
    begun: bool,
    /// Whether an item was written: the next one comes after a comma.
    follows: bool,
}

impl Writer {
    pub fn new(look: Look) -> Writer {
        Writer { look, begun: false, follows: false }
    }

    /// The next rows, with what stands before the first ones.
    pub fn rows(&mut self, items: &[Value]) -> io::Result<Bytes> {
        let begun = std::mem::replace(&mut self.begun, true);
        match self.look.format {
            Format::Json => {
                let mut bytes = if begun { Vec::new() } else { b"{\"items\":[".to_vec() };
                for item in items {
                    let comma: &[u8] = if std::mem::replace(&mut self.follows, true) { b",\n" } else { b"\n" };
                    bytes.extend_from_slice(comma);
                    serde_json::to_writer(&mut bytes, item)?;
                }
                Ok(piece(bytes))
            }
            Format::Csv | Format::Xlsx => {
                let mut bytes = if begun { Vec::new() } else { self.head()? };
                let mut writer = self.writer(&mut bytes);
                for item in items {
                    let cells = of_what(self.look.what).iter().map(|column| self.cell(column, item));
                    writer.write_record(cells)?;
                }
                writer.flush()?;
                drop(writer);
                Ok(piece(bytes))
            }
        }
    }

    /// What stands after the last rows; all there is, if there were none.
    pub fn end(&mut self) -> io::Result<Bytes> {
        let mut bytes = if self.begun { Vec::new() } else { self.rows(&[])?.to_vec() };
        if self.look.format == Format::Json {
            bytes.extend_from_slice(b"\n],\"next\":null}\n");
        }
        Ok(piece(bytes))
    }

    fn is_for_people(&self) -> bool {
        self.look.separator == Separator::Semicolon
    }

    fn writer<'a>(&self, into: &'a mut Vec<u8>) -> csv::Writer<&'a mut Vec<u8>> {
        let mut builder = csv::WriterBuilder::new();
        builder.delimiter(self.look.separator.byte()).terminator(csv::Terminator::CRLF).from_writer(into)
    }

    fn head(&self) -> io::Result<Vec<u8>> {
        let mut bytes = if self.is_for_people() { MARK.to_vec() } else { Vec::new() };
        let mut writer = self.writer(&mut bytes);
        let name = |column: &Column| match self.is_for_people() {
            true => column.heading(self.look.language),
            false => column.name,
        };
        writer.write_record(of_what(self.look.what).iter().map(name))?;
        writer.flush()?;
        drop(writer);
        Ok(bytes)
    }

    fn cell(&self, column: &Column, item: &Value) -> String {
        let value = column.value(item);
        match column.kind {
            Kind::Text => neutral(&value),
            Kind::Money if self.is_for_people() => value.replace('.', ","),
            Kind::Time if self.is_for_people() => local_time(&value, self.look.zone),
            Kind::Flag if self.is_for_people() => yes_or_no(&value, self.look.language).to_owned(),
            Kind::Money | Kind::Whole | Kind::Time | Kind::Flag => value,
        }
    }
}

/// `true` and `false` as people write them.
pub(super) fn yes_or_no(value: &str, language: Language) -> &'static str {
    match (value, language) {
        ("true", Language::French) => "oui",
        ("true", Language::English) => "yes",
        ("false", Language::French) => "non",
        ("false", Language::English) => "no",
        _ => "",
    }
}

/// An instant as the clocks of that zone show it, to the second; what is none stays as it is.
fn local_time(value: &str, zone: Tz) -> String {
    match chrono::DateTime::parse_from_rfc3339(value) {
        Ok(time) => time.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => value.to_owned(),
    }
}
