//! The small words of a scenario: durations, clocks, dates, amounts.

use crate::model::Timestamp;
use crate::money::{Amount, Currency};

/// What a clock is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockWord {
    /// That many milliseconds ahead of the truth; behind it, if below zero.
    Ahead(i64),
    /// That instant.
    Shows(Timestamp),
}

/// Reads `90s`, `5m`, `2h`, `3d` and chains of them as milliseconds.
pub fn duration_ms(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    let mut sum = 0_i64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..end].parse().ok()?;
        let unit_ms = match rest[end..].chars().next()? {
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(unit_ms)?)?;
        rest = &rest[end + 1..];
    }
    // A story of years would tick for as long; clocks may be wrong by more than that.
    (sum <= 100 * 366 * 86_400_000).then_some(sum)
}

/// Reads `right`, `+5m`, `-2h`, `2017-01-01` or `2017-01-01T08:00:00Z`.
pub fn clock(text: &str) -> Option<ClockWord> {
    let text = text.trim();
    if text == "right" {
        return Some(ClockWord::Ahead(0));
    }
    match text.split_at_checked(1) {
        Some(("+", rest)) => duration_ms(rest).map(ClockWord::Ahead),
        Some(("-", rest)) => duration_ms(rest).map(|ms| ClockWord::Ahead(-ms)),
        _ => instant(text).map(ClockWord::Shows),
    }
}

/// Reads an RFC 3339 instant, or a date as its first moment in UTC.
pub fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(date) = text.parse::<chrono::NaiveDate>() {
        return Some(Timestamp(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis()));
    }
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| Timestamp(time.timestamp_millis()))
}

/// Reads a due date: who is to pay on a day is not late on that day.
pub fn due(text: &str) -> Option<Timestamp> {
    let is_date = text.parse::<chrono::NaiveDate>().is_ok();
    instant(text).map(|time| if is_date { time.plus_ms(86_400_000 - 1) } else { time })
}

/// Reads an amount and the word of its currency; US dollars if there is none.
pub fn amount(text: &str, currency: Option<&str>) -> Option<Amount> {
    let currency = currency.map_or(Some(Currency::Usd), |word| Currency::parse(word).ok())?;
    Amount::parse(text, currency).ok()
}

/// The cents of a decimal string with at most two decimals, below zero too: by which what is shown is compared.
pub fn cents(text: &str) -> Option<i128> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 20 || part.len() > 2 || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    format!("{whole}{part:0<2}").parse::<i128>().ok().map(|cents| sign * cents)
}
