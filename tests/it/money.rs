//! Amounts: what is read and refused, and that sums are exact.

use proptest::prelude::*;
use rust_decimal::Decimal;
use ucash::money::{Amount, Balance, Currency, MoneyError};

use crate::desk::amount;

/// One line per text: what it is read as, or what is wrong with it.
#[test]
fn amounts_read_and_refused() {
    let table = [
        ("0", "0.00"),
        ("-0", "0.00"),
        ("-0.00", "0.00"),
        ("0.00", "0.00"),
        ("1", "1.00"),
        ("1.1", "1.10"),
        ("1.10", "1.10"),
        ("1.100", "1.10"),
        ("1.10000000000000000000000000000000000000000", "1.10"),
        ("007", "7.00"),
        ("0000000000000000000000000000000000000000001.50", "1.50"),
        ("0.01", "0.01"),
        ("9999999999999.99", "9999999999999.99"),
        ("-5", "negative"),
        ("-0.01", "negative"),
        ("1.005", "decimals"),
        ("0.001", "decimals"),
        ("-1.005", "decimals"),
        ("10000000000000", "large"),
        ("9999999999999.999", "decimals"),
        ("9223372036854775808", "large"),
        ("18446744073709551616", "large"),
        ("99999999999999999999999999999999999999999999999", "large"),
        ("", "not a number"),
        ("-", "not a number"),
        (".", "not a number"),
        ("1.", "not a number"),
        (".5", "not a number"),
        ("+1", "not a number"),
        ("--1", "not a number"),
        ("1-", "not a number"),
        (" 1", "not a number"),
        ("1 ", "not a number"),
        ("1 000", "not a number"),
        ("1\u{a0}000", "not a number"),
        ("1,000", "not a number"),
        ("1,5", "not a number"),
        ("1_000", "not a number"),
        ("1.2.3", "not a number"),
        ("1e3", "not a number"),
        ("1E3", "not a number"),
        ("0x10", "not a number"),
        ("NaN", "not a number"),
        ("inf", "not a number"),
        ("١٢", "not a number"),
        ("１２", "not a number"),
        ("½", "not a number"),
        ("1\u{0}", "not a number"),
        ("12 USD", "not a number"),
    ];
    for (text, expected) in table {
        let found = match Amount::parse(text, Currency::Usd) {
            Ok(amount) => amount.to_decimal_string(),
            Err(MoneyError::Negative { .. }) => "negative".to_owned(),
            Err(MoneyError::TooManyDecimals { .. }) => "decimals".to_owned(),
            Err(MoneyError::TooLarge { .. }) => "large".to_owned(),
            Err(MoneyError::NotANumber { .. }) => "not a number".to_owned(),
            Err(other) => panic!("{text:?}: {other}"),
        };
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn what_is_refused_is_quoted_short() {
    let long = "x".repeat(10_000);
    for error in [Amount::parse(&long, Currency::Usd).expect_err("letters"), Currency::parse(&long).expect_err("x")] {
        assert!(error.to_string().len() < 100, "{error}");
    }
}

#[test]
fn decimals_are_bounded_like_texts() {
    let new = |text: &str| Amount::new(text.parse::<Decimal>().expect("a decimal"), Currency::Cdf);
    assert_eq!(new("12.5").expect("fits").to_string(), "12.50 CDF");
    assert_eq!(new("-0").expect("nothing").to_string(), "0.00 CDF");
    assert!(matches!(new("-0.01"), Err(MoneyError::Negative { .. })));
    assert!(matches!(new("0.001"), Err(MoneyError::TooManyDecimals { .. })));
    assert!(matches!(new("10000000000000"), Err(MoneyError::TooLarge { .. })));
}

#[test]
fn currencies_read_and_refused() {
    for (text, expected) in [("USD", Currency::Usd), ("usd", Currency::Usd), (" Cdf ", Currency::Cdf)] {
        assert_eq!(Currency::parse(text), Ok(expected), "{text:?}");
    }
    for text in ["", "EUR", "US", "USDD", "$", "U S D", "ＵＳＤ"] {
        assert!(matches!(Currency::parse(text), Err(MoneyError::UnknownCurrency { .. })), "{text:?}");
    }
}

#[test]
fn one_amount_has_one_spelling_in_a_document() {
    assert_eq!(Amount::from_document("125.50 USD"), Some(amount("125.5 USD")));
    for text in
        ["125.5 USD", "0125.50 USD", "125.50 usd", "125.50  USD", " 125.50 USD", "125.50", "-0.00 USD", "1e2 USD", ""]
    {
        assert_eq!(Amount::from_document(text), None, "{text:?}");
    }
}

#[test]
fn a_record_with_wrong_money_is_not_read() {
    let read = |text: &str| serde_json::from_str::<Amount>(text);
    assert_eq!(read(r#"{"value":"12.50","currency":"USD"}"#).expect("an amount"), amount("12.50 USD"));
    for value in [r#""-0.01""#, r#""0.001""#, r#""10000000000000""#, "0.1", "1"] {
        let text = format!(r#"{{"value":{value},"currency":"USD"}}"#);
        assert!(read(&text).is_err(), "{text}");
    }
}

fn balance(text: &str) -> Balance {
    match text.strip_prefix('-') {
        Some(text) => {
            let amount = amount(text);
            Balance::zero(amount.currency()).minus(amount).expect("one currency")
        }
        None => amount(text).balance(),
    }
}

#[test]
fn balances_add_and_subtract() {
    //  left           right           sum             difference      covers   above zero
    let table = [
        ("100 USD", "30.50 USD", "130.50 USD", "69.50 USD", true, "100.00 USD"),
        ("30.50 USD", "100 USD", "130.50 USD", "-69.50 USD", false, "30.50 USD"),
        ("0.10 USD", "0.20 USD", "0.30 USD", "-0.10 USD", false, "0.10 USD"),
        ("-5 CDF", "5 CDF", "0.00 CDF", "-10.00 CDF", false, "0.00 CDF"),
        ("0 USD", "0 USD", "0.00 USD", "0.00 USD", true, "0.00 USD"),
        ("0 USD", "0.01 USD", "0.01 USD", "-0.01 USD", false, "0.00 USD"),
        ("0.01 USD", "0.01 USD", "0.02 USD", "0.00 USD", true, "0.01 USD"),
        (
            "9999999999999.99 CDF",
            "9999999999999.99 CDF",
            "19999999999999.98 CDF",
            "0.00 CDF",
            true,
            "9999999999999.99 CDF",
        ),
    ];
    for (left, right, sum, difference, covers, above_zero) in table {
        let (balance, amount) = (balance(left), amount(right));
        assert_eq!(balance.plus(amount).expect("one currency").to_string(), sum, "{left} + {right}");
        assert_eq!(balance.minus(amount).expect("one currency").to_string(), difference, "{left} - {right}");
        assert_eq!(balance.covers(amount), covers, "{left} covers {right}");
        assert_eq!(balance.above_zero().to_string(), above_zero, "{left} above zero");
    }
}

#[test]
fn f9_currencies_do_not_combine() {
    let (usd, cdf) = (amount("100 USD"), amount("1 CDF"));
    let mismatch = MoneyError::CurrencyMismatch { left: Currency::Usd, right: Currency::Cdf };
    assert_eq!(usd.balance().plus(cdf), Err(mismatch.clone()));
    assert_eq!(usd.balance().minus(cdf), Err(mismatch.clone()));
    assert_eq!(usd.balance().add(cdf.balance()), Err(mismatch.clone()));
    assert_eq!(usd.balance().subtract(cdf.balance()), Err(mismatch));
    assert!(!usd.balance().covers(cdf), "100 dollars are not one franc");
    assert!(!usd.balance().covers(Amount::zero(Currency::Cdf)), "nor none");
}

fn text_of(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Cents of any amount there is.
fn cents() -> impl Strategy<Value = u64> {
    prop_oneof![0..1_000_u64, 0..1_000_000_000_000_000_u64]
}

proptest! {
    #[test]
    fn f8_what_is_read_is_shown(cents in cents()) {
        let amount = Amount::parse(&text_of(cents), Currency::Usd).expect("below 10^13, two decimals");
        prop_assert_eq!(amount.to_decimal_string(), text_of(cents));
        prop_assert_eq!(Amount::from_document(&amount.to_string()), Some(amount));
        let json = serde_json::to_string(&amount).expect("encodes");
        prop_assert_eq!(serde_json::from_str::<Amount>(&json).expect("decodes"), amount);
    }

    #[test]
    fn f8_sums_are_exact(changes in prop::collection::vec((cents(), any::<bool>()), 0..200)) {
        let mut balance = Balance::zero(Currency::Cdf);
        let mut expected: i128 = 0;
        for (cents, adds) in changes {
            let amount = Amount::parse(&text_of(cents), Currency::Cdf).expect("an amount");
            if adds {
                balance = balance.plus(amount).expect("fits");
                expected += i128::from(cents);
            } else {
                balance = balance.minus(amount).expect("fits");
                expected -= i128::from(cents);
            }
        }
        let mut found = balance.value();
        found.rescale(2);
        prop_assert_eq!(found, balance.value(), "two decimals, always");
        prop_assert_eq!(found.mantissa(), expected);
    }

    #[test]
    fn any_text_is_read_exactly_or_refused(text in "[-+0-9.eE_ ,]{0,20}|\\PC{0,12}") {
        if let Ok(amount) = Amount::parse(&text, Currency::Usd) {
            let exact: Decimal = text.parse().expect("what is taken is a plain decimal");
            prop_assert_eq!(amount.value(), exact);
        }
    }
}
