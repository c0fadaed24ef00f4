//! XLSX: one table, more sheets where one is full.
//!
//! An amount is a number where a spreadsheet keeps it to the cent, which is up to 15 digits (it stores binary
//! floating point, and shows no more than that); beyond that it is text. Each row names its currency, and nothing is
//! added up. Text is always a string cell, never a formula, and marked so that editing it makes none of it either.
//!
//! The sheet is written row by row into a temporary file (constant memory), and only a finished file is sent.

use std::fs::File;
use std::io::{self, Read, Seek};

use axum::body::{Body, Bytes};
use chrono::Offset;
use chrono_tz::Tz;
use futures::stream;
use rust_xlsxwriter::{ExcelDateTime, Format as CellFormat, Workbook, Worksheet, XlsxError};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::text::yes_or_no;
use super::{Column, Kind, Look, Rows, What, is_dangerous, of_what};
use crate::http::Language;
use crate::http::problem::ApiError;

/// Rows below the heading on one sheet: what spreadsheets hold is 1,048,576.
const SHEET_ROWS_MAX: u32 = 1_000_000;
/// Digits that a spreadsheet keeps of a number.
const EXACT_DIGITS_MAX: usize = 15;
/// Bytes sent at once.
const PIECE_BYTES: usize = 64 << 10;

/// The finished file as a body.
pub(super) async fn body(look: &Look, mut rows: Rows) -> Result<Body, ApiError> {
    let (pages, written) = mpsc::channel(2);
    let look = *look;
    let writing = spawn_blocking(move || write(&look, written));
    while let Some(items) = rows.next().await? {
        // A writer that has stopped says below why.
        if pages.send(Some(items)).await.is_err() {
            break;
        }
    }
    let _ = pages.send(None).await;
    let file = match writing.await {
        Ok(Ok(file)) => file,
        Ok(Err(error)) => {
            tracing::error!(%error, "a spreadsheet could not be written");
            return Err(ApiError::Internal);
        }
        Err(_) => return Err(ApiError::Internal),
    };
    Ok(Body::from_stream(stream::try_unfold(file, async |mut file| {
        let read = spawn_blocking(move || {
            let mut bytes = vec![0; PIECE_BYTES];
            let length = file.read(&mut bytes)?;
            bytes.truncate(length);
            Ok::<_, io::Error>((bytes, file))
        });
        let (bytes, file) = read.await.map_err(io::Error::other)??;
        Ok::<_, io::Error>((!bytes.is_empty()).then(|| (Bytes::from(bytes), file)))
    })))
}

/// Writes pages until `None` comes; an asker who has gone lets go of the other end, and then nothing is finished.
fn write(look: &Look, mut pages: mpsc::Receiver<Option<Vec<Value>>>) -> Result<File, XlsxError> {
    let mut workbook = Workbook::new();
    let looks = Looks::new();
    let mut number = 1;
    let mut sheet = begin(&mut workbook, look, &looks, number)?;
    let mut row = 0;
    while let Some(Some(items)) = pages.blocking_recv() {
        for item in &items {
            if row == SHEET_ROWS_MAX {
                number += 1;
                sheet = begin(&mut workbook, look, &looks, number)?;
                row = 0;
            }
            row += 1;
            for (column, at) in of_what(look.what).iter().zip(0..) {
                write_cell(sheet, look, &looks, (row, at), column, item)?;
            }
        }
    }
    let mut file = tempfile::tempfile()?;
    workbook.save_to_writer(&mut file)?;
    file.rewind()?;
    Ok(file)
}

struct Looks {
    heading: CellFormat,
    money: CellFormat,
    time: CellFormat,
    quoted: CellFormat,
}

impl Looks {
    fn new() -> Looks {
        Looks {
            heading: CellFormat::new().set_bold(),
            money: CellFormat::new().set_num_format("0.00"),
            time: CellFormat::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            quoted: CellFormat::new().set_quote_prefix(),
        }
    }
}

fn begin<'a>(
    workbook: &'a mut Workbook,
    look: &Look,
    looks: &Looks,
    number: u32,
) -> Result<&'a mut Worksheet, XlsxError> {
    let name = match (look.what, look.language) {
        (What::Credits, Language::French) => "Crédits",
        (What::Credits, Language::English) => "Credits",
        (What::Payments, Language::French) => "Paiements",
        (What::Payments, Language::English) => "Payments",
        (What::Movements, Language::French) => "Mouvements",
        (What::Movements, Language::English) => "Movements",
        (What::Conflicts, Language::French) => "Conflits",
        (What::Conflicts, Language::English) => "Conflicts",
    };
    let sheet = workbook.add_worksheet_with_constant_memory()?;
    sheet.set_name(if number == 1 { name.to_owned() } else { format!("{name} {number}") })?;
    sheet.set_freeze_panes(1, 0)?;
    for (column, at) in of_what(look.what).iter().zip(0..) {
        let width = match column.kind {
            Kind::Text | Kind::Time => 20,
            Kind::Money => 14,
            Kind::Whole | Kind::Flag => 10,
        };
        sheet.set_column_width(at, width)?;
        sheet.write_string_with_format(0, at, column.heading(look.language), &looks.heading)?;
    }
    Ok(sheet)
}

fn write_cell(
    sheet: &mut Worksheet,
    look: &Look,
    looks: &Looks,
    (row, at): (u32, u16),
    column: &Column,
    item: &Value,
) -> Result<(), XlsxError> {
    let value = column.value(item);
    if value.is_empty() {
        return Ok(());
    }
    match column.kind {
        Kind::Money => match exact(&value) {
            Some(number) => sheet.write_number_with_format(row, at, number, &looks.money)?,
            None => sheet.write_string(row, at, value)?,
        },
        Kind::Whole => match exact(&value) {
            Some(number) => sheet.write_number(row, at, number)?,
            None => sheet.write_string(row, at, value)?,
        },
        Kind::Time => match local(&value, look.zone) {
            Some(time) => sheet.write_datetime_with_format(row, at, time, &looks.time)?,
            None => sheet.write_string(row, at, value)?,
        },
        Kind::Flag => sheet.write_string(row, at, yes_or_no(&value, look.language))?,
        Kind::Text if is_dangerous(&value) => sheet.write_string_with_format(row, at, value, &looks.quoted)?,
        Kind::Text => sheet.write_string(row, at, value)?,
    };
    Ok(())
}

/// The number that a spreadsheet reads back as the same decimal, if there is one.
fn exact(decimal: &str) -> Option<f64> {
    let digits = decimal.bytes().filter(u8::is_ascii_digit).count();
    if digits > EXACT_DIGITS_MAX {
        return None;
    }
    decimal.parse().ok().filter(|number: &f64| number.is_finite())
}

/// An instant as the clocks of that zone show it.
fn local(value: &str, zone: Tz) -> Option<ExcelDateTime> {
    let time = chrono::DateTime::parse_from_rfc3339(value).ok()?.with_timezone(&zone);
    let shown = time.timestamp() + i64::from(time.offset().fix().local_minus_utc());
    ExcelDateTime::from_timestamp(shown).ok()
}
