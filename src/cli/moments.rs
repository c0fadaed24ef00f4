//! Durations and dates as people write them.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, SecondsFormat, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// Reads `250ms`, `30s`, `15m`, `12h`, `90d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("« {text} » : attendu un nombre et ms, s, m, h ou d, comme 30s ou 15m");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(wrong)
}

/// What of a day a plain date means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// Its first moment.
    Start,
    /// Its last millisecond: a credit due that day is not overdue on that day.
    Last,
    /// The first moment after it: the end of a period, itself left out.
    After,
}

/// Reads RFC 3339, or a plain date as that day's start or end in the zone, and writes RFC 3339.
pub(super) fn moment(text: &str, zone: Tz, edge: Edge) -> Option<String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::Millis, true));
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    let date = if edge == Edge::Start { date } else { date.checked_add_days(Days::new(1))? };
    let start = zone.from_local_datetime(&date.and_hms_opt(0, 0, 0)?).earliest()?;
    let before = TimeDelta::milliseconds(i64::from(edge == Edge::Last));
    Some((start.with_timezone(&Utc) - before).to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono_tz::Africa::Lubumbashi;

    use super::{Edge, duration, moment};

    #[test]
    fn durations() {
        let table = [("250ms", 250), ("30s", 30_000), ("15m", 900_000), ("2h", 7_200_000), ("1d", 86_400_000)];
        for (text, milliseconds) in table {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "30", "s", "-1s", "1.5h", "1 s", "1w", "99999999999999999999d", "١s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn dates() {
        let table = [
            ("2026-03-01", Edge::Start, Some("2026-02-28T22:00:00.000Z")),
            ("2026-03-01", Edge::Last, Some("2026-03-01T21:59:59.999Z")),
            ("2026-03-01", Edge::After, Some("2026-03-01T22:00:00.000Z")),
            ("2026-03-01T10:00:00+02:00", Edge::Last, Some("2026-03-01T08:00:00.000Z")),
            ("2026-02-30", Edge::Start, None),
            ("01/03/2026", Edge::Start, None),
        ];
        for (text, edge, expected) in table {
            assert_eq!(moment(text, Lubumbashi, edge).as_deref(), expected, "{text}");
        }
    }
}
