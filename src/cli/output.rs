//! What is printed, for people and for programs.

use std::io::Write;

use serde_json::Value;

use super::failure::Failure;
use crate::http::Language;

/// How answers are printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printer {
    pub json: bool,
    pub language: Language,
}

impl Printer {
    /// The text in the language spoken.
    pub fn pick<'a>(&self, french: &'a str, english: &'a str) -> &'a str {
        match self.language {
            Language::French => french,
            Language::English => english,
        }
    }

    /// Prints an answer: as it is for programs, as `human` writes it for people.
    pub fn answer(&self, value: &Value, human: impl FnOnce(&Value) -> String) {
        let text = if self.json { value.to_string() } else { human(value) };
        print_line(text.trim_end());
    }

    /// Prints why a command came to nothing, on stderr.
    pub fn fail(&self, failure: &Failure) {
        let text = if self.json { failure.to_json().to_string() } else { failure.message.clone() };
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Prints a remark for people, on stderr; programs are not told.
    pub fn remark(&self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

/// Prints a line on stdout. A reader that has gone is no error of ours.
pub(super) fn print_line(text: &str) {
    let _ = try_print_line(text);
}

/// Prints a line on stdout, and says whether somebody still reads there: who goes on printing for ever must ask.
pub(super) fn try_print_line(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush())
}

/// A member of an object as people read it: text bare, nothing as a dash.
pub(super) fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}

/// A table with aligned columns; the columns of `right` (by index) are aligned to the right.
pub(super) fn table(head: &[&str], rows: &[Vec<String>], right: &[usize]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).enumerate().map(|(column, (cell, width))| {
            let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
            if right.contains(&column) { format!("{fill}{cell}") } else { format!("{cell}{fill}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

/// A card: names to the left, values to the right.
pub(super) fn card(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{name:width$}  {value}");
    fields.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The items of a list.
pub(super) fn items(value: &Value) -> &[Value] {
    value.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A time cut to the minute, in UTC, for tables.
pub(super) fn minute(value: &Value, name: &str) -> String {
    text(value, name).chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}
