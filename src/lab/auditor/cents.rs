//! Decimal strings as whole cents. The auditor's own reading: no other code reads its money.

use crate::money::Amount;

/// The cents of a decimal as devices show it: a sign if below zero, digits, a point, two digits.
pub fn shown(text: &str) -> Result<i128, String> {
    let unreadable = || format!("\"{text}\" is not a decimal with two places");
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').ok_or_else(unreadable)?;
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || fraction.len() != 2 {
        return Err(unreadable());
    }
    let cents: i128 = format!("{whole}{fraction}").parse().map_err(|_| unreadable())?;
    Ok(if digits.len() < text.len() { -cents } else { cents })
}

/// The cents of a decimal as people type it: the places may be left out, further ones must be zeros.
pub fn typed(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (places, rest) = fraction.split_at_checked(2).unwrap_or((fraction, ""));
    if rest.bytes().any(|byte| byte != b'0') {
        return None;
    }
    shown(&format!("{whole}.{places:0<2}")).ok()
}

/// The cents of an amount that is asked for.
pub fn of(amount: Amount) -> i128 {
    shown(&amount.to_decimal_string()).unwrap_or_else(|fault| unreachable!("amounts have two places: {fault}"))
}

/// How so many cents are told.
pub fn text(cents: i128) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}
