//! Instants and hybrid timestamps. Nothing here reads a clock: times are handed in.

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{DeviceKey, Holder, Incarnation, Place};

/// An instant of some wall clock: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// 2020-01-01T00:00:00Z. A clock before this is wrong: no network is that old.
    pub const YEAR_2020: Timestamp = Timestamp(1_577_836_800_000);

    /// RFC 3339 in UTC with milliseconds, `2025-06-01T08:00:00.000Z`. What no calendar holds is written as the
    /// plain number of milliseconds.
    pub fn to_rfc3339(self) -> String {
        match self.to_utc() {
            Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
            None => self.0.to_string(),
        }
    }

    /// This instant in the calendar, if the calendar reaches that far.
    pub fn to_utc(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.0)
    }

    /// The later by that many milliseconds, held at the ends of the range.
    pub fn plus_ms(self, milliseconds: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(milliseconds))
    }
}

/// A month of the calendar in UTC: which document a movement of a SIM goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Month {
    /// 1970 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
}

impl Month {
    /// The month of an instant; instants outside the years 1970 to 9999 fall into the nearest month in them.
    pub fn of(time: Timestamp) -> Month {
        match time.to_utc() {
            Some(utc) if utc.year() > 9999 => Month { year: 9999, month: 12 },
            Some(utc) if utc.year() >= 1970 => {
                Month { year: utc.year().cast_unsigned() as u16, month: utc.month() as u8 }
            }
            Some(_) => Month { year: 1970, month: 1 },
            None if time.0 > 0 => Month { year: 9999, month: 12 },
            None => Month { year: 1970, month: 1 },
        }
    }
}

/// A hybrid logical clock's reading (Kulkarni et al., 2014): 48 bits of milliseconds since 1970, then 16 bits
/// of counter. Ordered as the pair; later than every reading its writer had taken or believed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The first reading within that millisecond; instants outside 48 bits are held at the ends.
    pub fn at(time: Timestamp) -> Hlc {
        Hlc(time.0.clamp(0, (1 << 48) - 1).cast_unsigned() << 16)
    }

    /// Its milliseconds.
    pub fn time(self) -> Timestamp {
        Timestamp((self.0 >> 16).cast_signed())
    }

    /// The reading to stamp an event with at `now`, after `self` was the last.
    pub fn next(self, now: Timestamp) -> Hlc {
        Hlc::at(now).max(Hlc(self.0.saturating_add(1)))
    }
}

/// Who did an operation, and when by which clock. Ordered by stamp; ties by device, incarnation, number
/// (`domain`, rule 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The entry's hybrid timestamp.
    pub stamp: Hlc,
    /// The device whose log bears the entry.
    pub device: DeviceKey,
    /// The life of that device's store.
    pub incarnation: Incarnation,
    /// The entry's number in its log.
    pub number: u64,
    /// The device's wall clock at that moment.
    pub wall: Timestamp,
}

impl Origin {
    /// Whose log bears the entry.
    pub fn holder(&self) -> Holder {
        Holder { device: self.device, incarnation: self.incarnation }
    }

    /// Where the entry stands.
    pub fn place(&self) -> Place {
        Place { holder: self.holder(), number: self.number }
    }
}
