//! The money rules, pure: decide, fold, refuse.

mod filter;
mod refusal;

pub use filter::{CreditFilter, CreditOrder, StatisticsPeriod};
pub use refusal::Refusal;
