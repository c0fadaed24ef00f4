//! Times as the old wire and the interface write them. No clock is read, and no zone but the one handed in.

use chrono::{Datelike, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

use crate::model::Timestamp;

/// A time as it was written: `2025-06-01T10:00:00.000`, `2025-06-01 10:00:00`, with or without `Z` or `+02:00`,
/// or a date alone. Real calendar dates of the years 1970 to 9999 only; beyond milliseconds, digits are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireTime {
    /// What the calendar and the clock on the wall say.
    pub local: NaiveDateTime,
    /// The distance from UTC, if it was written.
    pub offset: Option<FixedOffset>,
    /// Whether only a date was written.
    pub date_only: bool,
}

impl WireTime {
    /// Reads a time; nothing if it is not one.
    pub fn read(text: &str) -> Option<WireTime> {
        let (date_text, rest) = text.split_at_checked(10)?;
        let date = read_date(date_text)?;
        if rest.is_empty() {
            return Some(WireTime { local: date.and_hms_opt(0, 0, 0)?, offset: None, date_only: true });
        }
        let rest = rest.strip_prefix(['T', 't', ' '])?;
        let (clock, rest) = rest.split_at_checked(8)?;
        let part = |at: usize| digits(clock.get(at..at + 2)?);
        if clock.as_bytes()[2] != b':' || clock.as_bytes()[5] != b':' {
            return None;
        }
        let (milliseconds, rest) = read_fraction(rest)?;
        let local = date.and_hms_milli_opt(part(0)?, part(3)?, part(6)?, milliseconds)?;
        Some(WireTime { local, offset: read_offset(rest)?, date_only: false })
    }

    /// The instant, by the written distance from UTC, else in that zone.
    ///
    /// Where the zone's clocks were set back the earlier of the two instants is taken; where they were set
    /// forward over this time, the instant that was meant before anyone touched the clock.
    pub fn instant(&self, zone: Tz) -> Option<Timestamp> {
        if let Some(offset) = self.offset {
            return Some(Timestamp(offset.from_local_datetime(&self.local).single()?.timestamp_millis()));
        }
        if let Some(time) = zone.from_local_datetime(&self.local).earliest() {
            return Some(Timestamp(time.timestamp_millis()));
        }
        let skipped = TimeDelta::hours(3);
        let before = zone.from_local_datetime(&self.local.checked_sub_signed(skipped)?).earliest()?;
        Some(Timestamp(before.checked_add_signed(skipped)?.timestamp_millis()))
    }
}

fn read_date(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = digits(text.get(0..4)?)?;
    let date = NaiveDate::from_ymd_opt(year.cast_signed(), digits(text.get(5..7)?)?, digits(text.get(8..10)?)?)?;
    (date.year() >= 1970).then_some(date)
}

/// Reads `.` and one to nine digits if they are there: their milliseconds, and what follows.
fn read_fraction(text: &str) -> Option<(u32, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let milliseconds = digits(&format!("{:0<3}", &rest[..count])[..3])?;
    Some((milliseconds, &rest[count..]))
}

/// Reads nothing, `Z`, or `+02:00`.
fn read_offset(text: &str) -> Option<Option<FixedOffset>> {
    let (sign, rest) = match text.as_bytes().first() {
        None => return Some(None),
        Some(b'Z' | b'z') if text.len() == 1 => return Some(Some(FixedOffset::east_opt(0)?)),
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        Some(_) => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60).cast_signed()).map(Some)
}

/// ASCII digits only: `str::parse` would take a sign.
fn digits(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
