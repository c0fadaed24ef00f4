//! Why a row was not taken, in the words of those who must mend it.

use serde::{Deserialize, Serialize};

use crate::model::{FieldError, FieldFault};
use crate::money::MoneyError;

/// A field of a row that cannot be taken, and why, in French: the wire's language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowRefusal {
    /// The field's name on the wire; empty where the row as a whole cannot be read.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl RowRefusal {
    /// A refusal of that field.
    pub fn new(field: &str, reason: impl Into<String>) -> RowRefusal {
        RowRefusal { field: field.to_owned(), reason: reason.into() }
    }

    /// A fault that the model found, under the wire's name of the field.
    pub(crate) fn of_field(error: &FieldError, wire_names: &[(&str, &str)]) -> RowRefusal {
        let wire_name = wire_names.iter().find(|(name, _)| *name == error.field).map(|(_, wire_name)| *wire_name);
        RowRefusal::new(wire_name.unwrap_or(&error.field), fault_in_french(&error.fault))
    }
}

/// What is wrong with a text, in French, to stand after the field's name.
pub fn fault_in_french(fault: &FieldFault) -> String {
    match fault {
        FieldFault::Blank => "est vide".to_owned(),
        FieldFault::TooLong { length, limit } => format!("a {length} caractères, {limit} au plus sont permis"),
        FieldFault::ControlCharacter => "contient un caractère de contrôle".to_owned(),
        FieldFault::Malformed { expected } => format!("n'a pas la forme voulue : {}", form_in_french(expected)),
    }
}

/// The forms that the model asks for, in French; one that is not known here stays as it is.
fn form_in_french(expected: &str) -> &str {
    match expected {
        "3 to 19 digits, with or without a leading +" => "3 à 19 chiffres, avec ou sans + devant",
        "a number from 1" => "un nombre à partir de 1",
        "the currency of the capture" => "la devise de la capture",
        "more than zero" => "un montant supérieur à zéro",
        other => other,
    }
}

/// What is wrong with an amount, in French, to stand after the field's name.
pub fn money_in_french(fault: &MoneyError) -> String {
    match fault {
        MoneyError::UnknownCurrency { text } => format!("« {text} » n'est pas une devise connue (USD ou CDF)"),
        MoneyError::NotANumber { text } => format!("« {text} » n'est pas un nombre"),
        MoneyError::Negative { value } => format!("{value} est négatif"),
        MoneyError::TooManyDecimals { value } => format!("{value} a plus de deux décimales"),
        MoneyError::TooLarge { value } => format!("{value} est trop grand (moins de 10 000 000 000 000)"),
        MoneyError::CurrencyMismatch { left, right } => format!("{left} et {right} ne se combinent pas"),
    }
}

impl std::fmt::Display for RowRefusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.field, self.reason)
    }
}

impl std::error::Error for RowRefusal {}
