//! Amounts: which texts are one, how they are written, and that their sums are exact. Against faults F8 (binary
//! floating point) and F9 (USD and CDF added together).

use proptest::prelude::*;
use ucash::money::{Amount, Balance, Currency, MoneyError};

use crate::desk::cents;

const LIMIT_CENTS: i128 = 1_000_000_000_000_000;

fn parse(text: &str) -> Result<String, &'static str> {
    Amount::parse(text, Currency::Usd).map(Amount::to_decimal_string).map_err(|error| match error {
        MoneyError::UnknownCurrency { .. } => "unknown currency",
        MoneyError::NotANumber { .. } => "not a number",
        MoneyError::Negative { .. } => "negative",
        MoneyError::TooManyDecimals { .. } => "too many decimals",
        MoneyError::TooLarge { .. } => "too large",
        MoneyError::CurrencyMismatch { .. } => "currency mismatch",
    })
}

#[test]
fn texts_that_are_amounts_and_texts_that_are_not() {
    let accepted = [
        ("0", "0.00"),
        ("-0", "0.00"),
        ("-0.00", "0.00"),
        ("0.0", "0.00"),
        ("1", "1.00"),
        ("1.1", "1.10"),
        ("1.10", "1.10"),
        ("1.100", "1.10"),
        ("1.10000000000000000000000000000000000000000000", "1.10"),
        ("0.01", "0.01"),
        ("007", "7.00"),
        ("0000000000000000000000000000000000000001.5", "1.50"),
        ("125.50", "125.50"),
        ("9999999999999", "9999999999999.00"),
        ("9999999999999.99", "9999999999999.99"),
    ];
    for (text, value) in accepted {
        assert_eq!(parse(text).as_deref(), Ok(value), "{text:?}");
    }
    let nines = "9".repeat(400);
    let refused = [
        ("-5", "negative"),
        ("-0.01", "negative"),
        ("1.005", "too many decimals"),
        ("0.001", "too many decimals"),
        ("1.101", "too many decimals"),
        ("10000000000000", "too large"),
        ("10000000000000.00", "too large"),
        (nines.as_str(), "too large"),
        ("", "not a number"),
        ("-", "not a number"),
        (".", "not a number"),
        ("+1", "not a number"),
        ("--1", "not a number"),
        ("1-", "not a number"),
        ("1e3", "not a number"),
        ("1E3", "not a number"),
        ("0x10", "not a number"),
        (" 1", "not a number"),
        ("1 ", "not a number"),
        ("1 000", "not a number"),
        ("1,000", "not a number"),
        ("1,5", "not a number"),
        ("1_000", "not a number"),
        ("1.", "not a number"),
        (".5", "not a number"),
        ("1.2.3", "not a number"),
        ("NaN", "not a number"),
        ("inf", "not a number"),
        ("١٢", "not a number"),
        ("１２", "not a number"),
        ("1\u{a0}000", "not a number"),
        ("1\0", "not a number"),
        ("$5", "not a number"),
        ("5 USD", "not a number"),
    ];
    for (text, fault) in refused {
        assert_eq!(parse(text), Err(fault), "{text:?}");
    }
}

#[test]
fn an_amount_has_one_spelling_in_a_document() {
    let read = |text: &str| Amount::from_document(text).map(|amount| amount.to_string());
    for text in ["0.00 USD", "125.50 USD", "125.50 CDF", "9999999999999.99 CDF"] {
        assert_eq!(read(text).as_deref(), Some(text));
    }
    let others = [
        "125.5 USD",
        "125.500 USD",
        "0125.50 USD",
        "125.50 usd",
        "125.50  USD",
        "125.50 USD ",
        "-0.00 USD",
        "125.50",
        "125.50 EUR",
        "125,50 USD",
        "USD 125.50",
    ];
    for text in others {
        assert_eq!(read(text), None, "{text:?}");
    }
}

#[test]
fn currencies_are_known_by_their_three_letters() {
    for (text, currency) in [("USD", Currency::Usd), ("usd", Currency::Usd), (" cdf ", Currency::Cdf)] {
        assert_eq!(Currency::parse(text), Ok(currency), "{text:?}");
    }
    for text in ["", "US", "USDT", "EUR", "$", "ＵＳＤ"] {
        assert!(matches!(Currency::parse(text), Err(MoneyError::UnknownCurrency { .. })), "{text:?}");
    }
}

#[test]
fn f8_tenths_that_binary_floats_cannot_hold_add_up() {
    let tenth = Amount::parse("0.10", Currency::Usd).unwrap();
    let sum = (0..10).try_fold(Balance::zero(Currency::Usd), |sum, _| sum.plus(tenth)).unwrap();
    assert_eq!(sum.to_string(), "1.00 USD");
    let large = Amount::parse("9999999999999.99", Currency::Usd).unwrap();
    let sum = (0..1_000_000).try_fold(sum, |sum, _| sum.plus(large)).unwrap();
    assert_eq!(sum.to_string(), "9999999999999990001.00 USD");
}

#[test]
fn f9_currencies_are_never_combined() {
    let usd = Amount::parse("5", Currency::Usd).unwrap();
    let cdf = Amount::parse("5", Currency::Cdf).unwrap();
    let mismatch = Err(MoneyError::CurrencyMismatch { left: Currency::Usd, right: Currency::Cdf });
    assert_eq!(usd.balance().plus(cdf), mismatch);
    assert_eq!(usd.balance().minus(cdf), mismatch);
    assert_eq!(usd.balance().total_with(cdf.balance()), mismatch);
    assert_eq!(usd.balance().less(cdf.balance()), mismatch);
    assert!(!usd.balance().covers(cdf) && usd.balance().covers(usd));
    assert_ne!(usd, cdf);
    assert_ne!(usd.balance(), cdf.balance());
    assert_ne!(Amount::zero(Currency::Usd), Amount::zero(Currency::Cdf));
}

fn currencies() -> impl Strategy<Value = Currency> {
    prop_oneof![Just(Currency::Usd), Just(Currency::Cdf)]
}

fn written(cents: i128) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

proptest! {
    #[test]
    fn what_display_writes_is_read_again(value in 0..LIMIT_CENTS, currency in currencies()) {
        let amount = Amount::parse(&written(value), currency).unwrap();
        prop_assert_eq!(amount.to_string(), format!("{} {}", written(value), currency));
        prop_assert_eq!(Amount::from_document(&amount.to_string()), Some(amount));
        prop_assert_eq!(cents(&amount.to_decimal_string()), value);
        let json = serde_json::to_string(&amount).unwrap();
        prop_assert_eq!(serde_json::from_str::<Amount>(&json).unwrap(), amount);
    }

    #[test]
    fn any_text_is_refused_or_read_exactly(text in "-?[0-9]{0,16}(\\.[0-9]{0,5})?|\\PC{0,12}") {
        if let Ok(amount) = Amount::parse(&text, Currency::Usd) {
            let digits = text.trim_start_matches('-');
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
            let digits = format!("{whole}{:0<2}", fraction.trim_end_matches('0'));
            prop_assert_eq!(cents(&amount.to_decimal_string()), digits.parse::<i128>().unwrap());
            prop_assert!(!text.starts_with('-') || amount.is_zero());
        }
    }

    #[test]
    fn sums_are_exact_to_the_cent(steps in proptest::collection::vec((any::<bool>(), 0..LIMIT_CENTS), 0..200)) {
        let mut sum = Balance::zero(Currency::Cdf);
        let mut exact: i128 = 0;
        for (adds, value) in steps {
            let amount = Amount::parse(&written(value), Currency::Cdf).unwrap();
            sum = if adds { sum.plus(amount) } else { sum.minus(amount) }.unwrap();
            exact += if adds { value } else { -value };
            prop_assert_eq!(cents(&sum.value().to_string()), exact);
            prop_assert_eq!(sum.covers(amount), exact >= value);
            prop_assert_eq!(cents(&sum.above_zero().to_decimal_string()), exact.max(0));
        }
    }
}

#[test]
fn a_record_with_wrong_money_is_not_read() {
    let read = |text: &str| serde_json::from_str::<Amount>(text);
    assert_eq!(read(r#"{"value":"12.50","currency":"USD"}"#).expect("an amount").to_string(), "12.50 USD");
    for value in [r#""-0.01""#, r#""0.001""#, r#""10000000000000""#, "0.1", "1"] {
        let text = format!(r#"{{"value":{value},"currency":"USD"}}"#);
        assert!(read(&text).is_err(), "{text}");
    }
}
