//! The money rules, pure: fold, decide, refuse.
//!
//! ```text
//! History --fold--> Credit, MovementRecord --Book--> balances, lists, statistics, digests
//!                                             |
//!                        request --decide-----+--> Plan | Refusal
//! ```
//!
//! *Deciding* runs on the device that acts and may say no. *Folding* runs everywhere and may not: what a merge
//! brings is never undone. A fold depends on what was done, never on the order in which it arrived.
//!
//! Shares of a balance (`domain`, rule 2) have their place in [`Book::spendable`]; until they exist a device may
//! spend what it knows of the balance. Conflicts (rule 4) will be found by the folds in `fold`.

mod account;
mod book;
mod decide;
mod digest;
mod filter;
mod fold;
mod import;
mod index;
mod refusal;
mod statistics;

pub use account::Account;
pub use book::{Book, Shop};
pub use decide::{CreditRequest, CreditStep, Plan, PlannedMovement};
pub use digest::SetDigest;
pub use filter::{CreditFilter, CreditOrder, StatisticsPeriod};
pub use fold::{fold_credit, fold_movement};
pub use import::{ImportRow, ImportedCredit, ImportedPayment, RowPlan};
pub use refusal::Refusal;
pub use statistics::Statistics;
