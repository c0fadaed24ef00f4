//! The nouns of the domain. Plain data, no rules: those are in `ledger`.

mod ids;
pub use ids::DeviceKey;
