//! Rows of the old server, read and checked for form: text in, [`ImportRow`] or [`RowRefusal`] out.
//!
//! ```text
//! JSON text ── members ──▶ fields by name ── number, time ──▶ exact values ── shops, movements, credits ──▶ ImportRow
//! ```
//!
//! Everything that a row can be refused for by itself is decided here; whether its shop, SIM and reference fit
//! what is known is decided by the replica. Nothing here reads a clock, a zone file or a disk, knows of HTTP, or
//! lets a number pass through binary floating point (fault F8 of the replaced system). Unknown fields are
//! ignored; a field written twice is not, for which of the two is meant nobody can say.

mod credits;
mod fields;
mod members;
mod movements;
mod number;
mod refusal;
mod shops;
mod time;

pub use credits::STATUSES;
pub use members::{Members, MembersFault};
pub use refusal::{RowRefusal, fault_in_french, money_in_french};
pub use time::WireTime;

use chrono_tz::Tz;
use serde_json::value::RawValue;

use crate::model::Timestamp;
use crate::replica::{ImportRow, ReportedRow};
use fields::Row;

/// A table of the old server, in the order in which tables must be read: each refers to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `shops.json`.
    Shops,
    /// `sims.json`.
    Sims,
    /// `captures.json`.
    Captures,
    /// `retraits.json`.
    Withdrawals,
    /// `depots.json`.
    Deposits,
    /// `credits.json`.
    Credits,
}

impl Table {
    /// Every table, in reading order.
    pub const ALL: [Table; 6] =
        [Table::Shops, Table::Sims, Table::Captures, Table::Withdrawals, Table::Deposits, Table::Credits];

    /// Its word on the wire; its file is the word and `.json`.
    pub fn word(self) -> &'static str {
        match self {
            Table::Shops => "shops",
            Table::Sims => "sims",
            Table::Captures => "captures",
            Table::Withdrawals => "retraits",
            Table::Deposits => "depots",
            Table::Credits => "credits",
        }
    }

    /// Reads exactly that word.
    pub fn from_word(word: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.word() == word)
    }
}

/// What a row cannot say of itself.
#[derive(Clone, Copy, Debug)]
pub struct RowContext {
    /// The network's zone: reads times that bear none.
    pub zone: Tz,
    /// The time by which a stamp is in the future.
    pub now: Timestamp,
}

/// Splits the text of a table, a JSON array, into its rows.
pub fn split(text: &str) -> Result<Vec<&RawValue>, RowRefusal> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        RowRefusal::new("", format!("le fichier n'est pas un tableau JSON lisible (ligne {line}, colonne {column})"))
    })
}

/// Reads one row of a table.
pub fn read_row(table: Table, row: &RawValue, context: &RowContext) -> Result<ImportRow, RowRefusal> {
    let row = Row::new(row, *context)?;
    match table {
        Table::Shops => shops::read_shop(&row),
        Table::Sims => shops::read_sim(&row),
        Table::Captures => movements::read_capture(&row),
        Table::Withdrawals => movements::read_withdrawal(&row),
        Table::Deposits => movements::read_deposit(&row),
        Table::Credits => credits::read_credit(&row).map(ImportRow::Credit),
    }
}

/// Reads one credit row that an app uploads, and what speaks against it if it is a new credit.
pub fn read_report(row: &RawValue, context: &RowContext) -> Result<(ReportedRow, Option<RowRefusal>), RowRefusal> {
    credits::read_report(&Row::new(row, *context)?)
}

/// What a report calls the row by: its `id` and `reference` as far as they can be read, whatever else is wrong.
pub fn name_row(row: &RawValue) -> (Option<u64>, Option<String>) {
    let Ok(members) = Members::read(row.get()) else { return (None, None) };
    let read = |field: &str| members.get(field);
    let id = read("id").and_then(|raw| number::integer(raw.get().trim_matches('"')));
    let reference = read("reference").and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    (id, reference.map(|text| text.chars().take(REPORTED_CHARS_MAX).collect()))
}

/// How much of a foreign reference a report repeats.
const REPORTED_CHARS_MAX: usize = 64;
