//! Text that no spreadsheet takes for a formula (OWASP, "CSV Injection").
//!
//! A cell that begins with `=`, `+`, `-`, `@`, a tab or a line break may be run as a formula, and so may one that
//! begins so once another program splits the line at another separator than ours. Quotes do not help: a spreadsheet
//! takes them off first. An apostrophe before the sign does.

/// What begins a formula, half and full width.
const SIGNS: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
/// What some program takes for the end of a cell, or takes off its beginning.
const BREAKS: [char; 9] = [',', ';', '\t', '|', '"', '\'', '\r', '\n', '\u{0}'];

/// The same text with an apostrophe before every sign that could begin a formula: at its beginning, and after what
/// could be taken for a separator, a quote or a line's end. Blanks between count as nothing.
///
/// A telephone number, `+` and digits with blanks alone, stays as it is: it can be a number, but no formula.
pub fn neutral(text: &str) -> String {
    if is_phone(text) {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len() + 1);
    let mut at_beginning = true;
    for (index, c) in text.char_indices() {
        let is_sign = SIGNS.contains(&c);
        // A cell that begins with a control character is neutralised there: what follows is no longer its beginning.
        let is_leading_control = index == 0 && matches!(c, '\t' | '\r' | '\n');
        if at_beginning && is_sign || is_leading_control {
            safe.push('\'');
        }
        safe.push(c);
        at_beginning = BREAKS.contains(&c) || at_beginning && is_blank(c);
    }
    safe
}

/// Whether a spreadsheet could take it for a formula.
pub(in crate::http) fn is_dangerous(text: &str) -> bool {
    neutral(text) != text
}

/// What programs take off the beginning of a cell.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) && rest.chars().all(|c| c.is_ascii_digit() || c == ' ')
    })
}
