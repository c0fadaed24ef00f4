//! Times and durations as the interface writes them: an instant with its zone, or a date in the network's.

use chrono::Days;
use chrono_tz::Tz;

use crate::model::Timestamp;
use crate::rows::WireTime;

/// The instant, or the beginning of the day.
pub(super) fn start(text: &str, zone: Tz) -> Option<Timestamp> {
    read(text)?.instant(zone)
}

/// The instant, or the beginning of the day after: what a list "to" a day still shows is that whole day.
pub(super) fn after(text: &str, zone: Tz) -> Option<Timestamp> {
    let mut time = read(text)?;
    if time.date_only {
        time.local = time.local.checked_add_days(Days::new(1))?;
    }
    time.instant(zone)
}

/// The instant, or the last millisecond of the day: who is to pay on a day is not late on that day.
pub(super) fn end(text: &str, zone: Tz) -> Option<Timestamp> {
    let is_date = read(text)?.date_only;
    after(text, zone).map(|time| if is_date { time.plus_ms(-1) } else { time })
}

/// Reads `90s`, `15m`, `24h`, `30d` or `2w` as milliseconds: digits and one letter, more than nothing.
pub(super) fn duration_ms(text: &str) -> Option<i64> {
    let unit_ms = match text.as_bytes().last()? {
        b's' => 1_000,
        b'm' => 60_000,
        b'h' => 3_600_000,
        b'd' => 86_400_000,
        b'w' => 7 * 86_400_000,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(unit_ms).filter(|length| *length > 0)
}

/// Without a zone only a date is taken: a clock's time without one means nothing to a program.
fn read(text: &str) -> Option<WireTime> {
    read_wire(text).filter(|time| time.offset.is_some() || time.date_only)
}

/// Reads a time of a query as the existing app writes it, with or without zone.
pub(super) fn read_wire(text: &str) -> Option<WireTime> {
    // In a query `+02:00` arrives as a blank where the client did not escape it.
    let unescaped = match text.len().checked_sub(6).map(|at| text.split_at_checked(at)) {
        Some(Some((local, zone))) if local.len() > 10 && zone.starts_with(' ') => {
            format!("{local}+{}", &zone[1..])
        }
        _ => text.to_owned(),
    };
    WireTime::read(&unescaped)
}
