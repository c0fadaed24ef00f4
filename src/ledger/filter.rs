//! What a list of credits is narrowed by.

use serde::{Deserialize, Serialize};

use crate::model::{CreditStatus, Reference, ShopId, SimNumber, Timestamp};
use crate::money::Currency;

/// In which order credits are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CreditOrder {
    /// Latest granted first.
    #[default]
    NewestFirst,
    /// Earliest granted first.
    OldestFirst,
    /// Earliest due first; those without a due date are left out.
    DueFirst,
}

/// Which credits, in which order, from where. Empty: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditFilter {
    /// Of that shop.
    pub shop: Option<ShopId>,
    /// From that SIM.
    pub sim: Option<SimNumber>,
    /// Of that status at the time of asking; `Overdue` finds what is overdue.
    pub status: Option<CreditStatus>,
    /// In that currency.
    pub currency: Option<Currency>,
    /// Granted at or after.
    pub from: Option<Timestamp>,
    /// Granted before.
    pub to: Option<Timestamp>,
    /// Whose beneficiary's name or phone contains this, in any case.
    pub beneficiary: Option<String>,
    /// Of that reference.
    pub reference: Option<Reference>,
    /// Only overdue ones.
    pub overdue: bool,
    /// The order.
    pub order: CreditOrder,
    /// At most so many, 1 to 1,000.
    pub limit: usize,
    /// Where the page before ended: its `next`.
    pub after: Option<String>,
}

/// Which credits to add up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatisticsPeriod {
    /// Of that shop.
    pub shop: Option<ShopId>,
    /// Granted at or after.
    pub from: Option<Timestamp>,
    /// Granted before.
    pub to: Option<Timestamp>,
}
