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
//! A device spends its own share of a balance (`domain`, rule 2): `shares`, `pot` and `closings` say how much that is;
//! `docs/shares.md` proves that no balance goes below zero. Conflicts (rule 4) will be found by the folds in `fold`.

mod account;
mod allotment;
mod book;
mod clashes;
mod clocks;
mod closings;
mod conflicts;
mod decide;
mod digest;
mod filter;
mod fold;
mod holdings;
mod import;
mod index;
mod pot;
mod references;
mod refusal;
mod report;
mod resolve;
mod shares;
mod statistics;

pub use account::Account;
pub use book::{Book, Shop};
pub use clocks::{Clocks, Stretch};
pub use closings::{Closings, Promise, Stopped};
pub use conflicts::{Conflicts, ConflictsStamp, conflict_id};
pub use decide::{CreditRequest, CreditStep, Plan, PlannedMovement};
pub use digest::SetDigest;
pub use filter::{CreditFilter, CreditOrder, StatisticsPeriod};
pub use fold::{fold_credit, fold_movement};
pub use holdings::{Holding, OpenGift};
pub use import::{ImportRow, ImportedCredit, ImportedPayment, RowPlan};
pub use refusal::{OtherShare, Refusal};
pub use report::{
    CLOCK_MARGIN_MS, EditTime, Had, Judgement, Opinion, ReportedRow, VERSIONS_MAX, accepted_version, had_by_entries,
    judge as judge_report, note_accepted, note_sent,
};
pub use statistics::Statistics;
