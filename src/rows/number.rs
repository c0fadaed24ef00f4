//! Numbers as they were written: exact whatever their form, never through binary floating point.
//!
//! The existing app computes with binary floats, so that what it means by 0.30 may arrive as
//! `0.30000000000000004`. Less than 10^-9 beside whole cents is read as those cents; anything more is a third
//! decimal and refused.

use rust_decimal::Decimal;

use crate::money::{Amount, Currency, MoneyError};

/// How many digits may stand before the point: amounts stay below 10^13.
const WHOLE_DIGITS_MAX: i64 = 13;
/// How many digits after the second decimal must be all 0 or all 9 to be noise: 10^-9 is the seventh of them.
const NOISE_DIGITS: usize = 7;
/// From so many zeros after the point on, what follows is noise whatever it is.
const LEADING_ZEROS_MAX: i64 = 12;

/// Reads an amount from the text of a JSON number, or of a string that holds one.
pub fn amount(text: &str, currency: Currency) -> Result<Amount, MoneyError> {
    let shown = || text.chars().take(32).collect::<String>();
    let written = Written::read(text).ok_or_else(|| MoneyError::NotANumber { text: shown() })?;
    let whole_digits = written.whole_digits();
    if written.digits.is_empty() || whole_digits < -LEADING_ZEROS_MAX {
        return Ok(Amount::zero(currency));
    }
    if whole_digits > WHOLE_DIGITS_MAX {
        return Err(if written.negative {
            MoneyError::Negative { value: shown() }
        } else {
            MoneyError::TooLarge { value: shown() }
        });
    }
    let cents = written.cents().ok_or_else(|| MoneyError::TooManyDecimals { value: shown() })?;
    let value = Decimal::from_i128_with_scale(if written.negative { -cents } else { cents }, 2);
    Amount::new(value, currency)
}

/// Reads a whole number from 0 to 2^64 - 1, in whatever form it is written (`1`, `1.0`, `1e0`).
pub fn integer(text: &str) -> Option<u64> {
    let written = Written::read(text)?;
    if written.digits.is_empty() {
        return Some(0);
    }
    let zeros = usize::try_from(written.exponent).ok().filter(|zeros| *zeros <= 20)?;
    if written.negative || written.digits.len() > 20 {
        return None;
    }
    format!("{}{}", written.digits, "0".repeat(zeros)).parse().ok()
}

/// Significant digits and the power of ten that scales them: `12.50` is 125 times 10^-1.
struct Written {
    negative: bool,
    /// Neither leading nor trailing zeros; empty for zero.
    digits: String,
    exponent: i64,
}

impl Written {
    /// Reads ASCII digits, optional sign, fraction and exponent.
    fn read(text: &str) -> Option<Written> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (rest, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !fraction.is_none_or(is_digits) {
            return None;
        }
        let fraction = fraction.unwrap_or("");
        let power = exponent.map_or(Some(0), read_exponent)?;
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0').trim_end_matches('0');
        let trailing_zeros = all.len() - all.trim_end_matches('0').len();
        let shift = i64::try_from(trailing_zeros).ok()? - i64::try_from(fraction.len()).ok()?;
        Some(Written { negative, digits: significant.to_owned(), exponent: power.saturating_add(shift) })
    }

    /// How many digits stand before the point; below zero, how many zeros follow it first.
    fn whole_digits(&self) -> i64 {
        i64::try_from(self.digits.len()).unwrap_or(i64::MAX).saturating_add(self.exponent)
    }

    /// The value in cents, noise taken off; nothing if there is a third decimal. Only for values whose digits
    /// are few enough to be written out.
    fn cents(&self) -> Option<i128> {
        let point = self.whole_digits();
        let leading = "0".repeat(usize::try_from(-point.min(0)).ok()?);
        let trailing = "0".repeat(usize::try_from(self.exponent.max(0)).ok()?);
        let all = format!("{leading}{}{trailing}", self.digits);
        let (whole, fraction) = all.split_at(usize::try_from(point.max(0)).ok()?);
        let digit = |at: usize| fraction.as_bytes().get(at).copied().unwrap_or(b'0');
        let mut cents: i128 = format!("{whole}{}{}", char::from(digit(0)), char::from(digit(1))).parse().ok()?;
        let beyond = fraction.get(2..).unwrap_or("");
        let near = |wanted: u8| (0..NOISE_DIGITS).all(|at| digit(2 + at) == wanted);
        if near(b'9') && beyond.len() > NOISE_DIGITS {
            cents += 1;
        } else if !near(b'0') {
            return None;
        }
        Some(cents)
    }
}

/// Reads an exponent; one too long for the type is as good as the largest.
fn read_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    Some(if negative { -size } else { size })
}
