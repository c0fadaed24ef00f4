//! Amounts and currencies: exact, two decimals, never added across currencies.
//!
//! ```text
//! Amount   >= 0, below 10^13, two decimals, knows its currency      what one operation moves
//! Balance  any sign, sum of amounts of one currency                what a SIM holds
//! ```
//!
//! There is no way in from a binary float (fault F8 of the replaced system), and no operator that could
//! forget the currency (F9): arithmetic is by named, checked methods.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The currencies a SIM holds, ISO 4217.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Currency {
    /// United States dollar.
    #[serde(rename = "USD")]
    Usd,
    /// Congolese franc.
    #[serde(rename = "CDF")]
    Cdf,
}

impl Currency {
    /// Both, in the order in which they are shown.
    pub const ALL: [Currency; 2] = [Currency::Usd, Currency::Cdf];

    /// The three letters of ISO 4217.
    pub fn code(self) -> &'static str {
        match self {
            Currency::Usd => "USD",
            Currency::Cdf => "CDF",
        }
    }

    /// Reads the three letters in any case.
    pub fn parse(text: &str) -> Result<Currency, MoneyError> {
        Currency::ALL
            .into_iter()
            .find(|currency| currency.code().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| MoneyError::UnknownCurrency { text: text.chars().take(16).collect() })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// Why something is not an amount, or two amounts cannot be combined.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum MoneyError {
    /// Neither USD nor CDF.
    #[error("unknown currency \"{text}\"")]
    UnknownCurrency {
        /// What was written, cut at 16 characters.
        text: String,
    },
    /// Not digits with at most one point.
    #[error("\"{text}\" is not a decimal number")]
    NotANumber {
        /// What was written, cut at 32 characters.
        text: String,
    },
    /// Below zero.
    #[error("{value} is below zero")]
    Negative {
        /// The value.
        value: String,
    },
    /// A third decimal that is not zero.
    #[error("{value} has more than two decimals")]
    TooManyDecimals {
        /// The value.
        value: String,
    },
    /// 10^13 or more.
    #[error("{value} is too large")]
    TooLarge {
        /// The value, cut at 32 characters.
        value: String,
    },
    /// USD met CDF.
    #[error("{left} and {right} cannot be combined")]
    CurrencyMismatch {
        /// One currency.
        left: Currency,
        /// The other.
        right: Currency,
    },
}

/// A sum of money of one currency, zero or more, exact to the cent, below 10^13.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Amount {
    value: Decimal,
    currency: Currency,
}

/// What a record says is an amount: read through [`Amount::new`], like everything else.
#[derive(Deserialize)]
struct Unchecked {
    value: Decimal,
    currency: Currency,
}

impl TryFrom<Unchecked> for Amount {
    type Error = MoneyError;

    fn try_from(Unchecked { value, currency }: Unchecked) -> Result<Amount, MoneyError> {
        Amount::new(value, currency)
    }
}

/// What amounts stay below: thirteen digits, so that ten thousand billion of them still add up exactly.
const LIMIT: i64 = 10_000_000_000_000;

impl Amount {
    /// Nothing, in that currency.
    pub fn zero(currency: Currency) -> Amount {
        Amount { value: Decimal::new(0, 2), currency }
    }

    /// An amount from an exact decimal.
    pub fn new(value: Decimal, currency: Currency) -> Result<Amount, MoneyError> {
        if value.is_sign_negative() && !value.is_zero() {
            return Err(MoneyError::Negative { value: value.to_string() });
        }
        if value >= Decimal::from(LIMIT) {
            return Err(MoneyError::TooLarge { value: value.to_string() });
        }
        let mut cents = value.normalize();
        if cents.scale() > 2 {
            return Err(MoneyError::TooManyDecimals { value: value.to_string() });
        }
        cents.rescale(2);
        cents.set_sign_positive(true);
        Ok(Amount { value: cents, currency })
    }

    /// Reads `125.50`: ASCII digits, at most one point with digits on both sides, no sign but a minus (which is
    /// then refused by name), no exponent, no spaces or separators.
    pub fn parse(text: &str, currency: Currency) -> Result<Amount, MoneyError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) {
            return Err(MoneyError::NotANumber { text: text.chars().take(32).collect() });
        }
        if whole.trim_start_matches('0').len() > 13 {
            return Err(MoneyError::TooLarge { value: text.chars().take(32).collect() });
        }
        if fraction.trim_end_matches('0').len() > 2 {
            return Err(MoneyError::TooManyDecimals { value: text.chars().take(32).collect() });
        }
        let exact = format!("{whole}.{}", fraction.chars().take(2).collect::<String>());
        let value =
            Decimal::from_str(&exact).map_err(|_| MoneyError::NotANumber { text: text.chars().take(32).collect() })?;
        Amount::new(if text.starts_with('-') { -value } else { value }, currency)
    }

    /// Reads what `Display` writes, `125.50 USD`, and nothing else: one amount has one spelling in a document.
    pub fn from_document(text: &str) -> Option<Amount> {
        let (value, code) = text.split_once(' ')?;
        let amount = Amount::parse(value, Currency::parse(code).ok()?).ok()?;
        (amount.to_string() == text).then_some(amount)
    }

    /// The number without its currency, always with scale 2.
    pub fn value(self) -> Decimal {
        self.value
    }

    /// The whole of it in cents: below 10^15.
    pub fn cents(self) -> i128 {
        self.value.mantissa()
    }

    /// An amount of that many cents; `None` below zero or at 10^13 and more.
    pub fn from_cents(cents: i128, currency: Currency) -> Option<Amount> {
        Amount::new(Decimal::try_from_i128_with_scale(cents, 2).ok()?, currency).ok()
    }

    /// Its currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.value.is_zero()
    }

    /// This amount as a balance.
    pub fn balance(self) -> Balance {
        Balance { value: self.value, currency: self.currency }
    }

    /// The decimal string of the interface: `125.50`.
    pub fn to_decimal_string(self) -> String {
        self.value.to_string()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.value, self.currency)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A sum of amounts of one currency: may be below zero.
///
/// Sums cannot overflow: 28 digits hold 10^13 amounts of the largest size.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Balance {
    value: Decimal,
    currency: Currency,
}

impl Balance {
    /// Nothing, in that currency.
    pub fn zero(currency: Currency) -> Balance {
        Balance { value: Decimal::new(0, 2), currency }
    }

    /// A balance of that many cents: any sum of amounts fits.
    pub fn from_cents(cents: i128, currency: Currency) -> Balance {
        let value = Decimal::try_from_i128_with_scale(cents, 2);
        Balance { value: value.unwrap_or_else(|error| unreachable!("sums of amounts fit: {error}")), currency }
    }

    /// The whole of it in cents.
    pub fn cents(self) -> i128 {
        self.value.mantissa()
    }

    /// The number without its currency.
    pub fn value(self) -> Decimal {
        self.value
    }

    /// Its currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// This and the amount together.
    pub fn plus(self, amount: Amount) -> Result<Balance, MoneyError> {
        self.total_with(amount.balance())
    }

    /// This without the amount.
    pub fn minus(self, amount: Amount) -> Result<Balance, MoneyError> {
        self.less(amount.balance())
    }

    /// This and the other together.
    pub fn total_with(self, other: Balance) -> Result<Balance, MoneyError> {
        self.combine(other, Decimal::checked_add)
    }

    /// This without the other.
    pub fn less(self, other: Balance) -> Result<Balance, MoneyError> {
        self.combine(other, Decimal::checked_sub)
    }

    /// Whether `amount` can be taken from it and leave zero or more. False across currencies.
    pub fn covers(self, amount: Amount) -> bool {
        self.currency == amount.currency && self.value >= amount.value
    }

    /// What of it is above zero, as an amount.
    pub fn above_zero(self) -> Amount {
        let value = self.value.max(Decimal::new(0, 2));
        Amount { value, currency: self.currency }
    }

    fn combine(
        self,
        other: Balance,
        operation: impl Fn(Decimal, Decimal) -> Option<Decimal>,
    ) -> Result<Balance, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch { left: self.currency, right: other.currency });
        }
        let value = operation(self.value, other.value)
            .ok_or_else(|| MoneyError::TooLarge { value: format!("{} and {}", self.value, other.value) })?;
        Ok(Balance { value, currency: self.currency })
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.value, self.currency)
    }
}

impl fmt::Debug for Balance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
