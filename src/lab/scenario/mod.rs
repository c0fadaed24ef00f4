//! Stories told in a file: a company, what happens to it step by step, and what is expected at the end.
//!
//! ```text
//! file ──serde──► Scenario ──play──► Play: each step and what came of it, conflicts, verdicts, a tape to draw
//!                    └──► Wrong: where the file says something that cannot be
//! ```
//!
//! It must never decide about money: what a device answers is what the replica answers.

mod around;
mod asks;
mod company;
mod expect;
mod format;
mod play;
mod reading;
mod wrong;

pub use expect::{Difference, Subject, Verdict, outcome_word};
pub use format::{
    Action, Ask, Capture, Close, Copied, Deposit, Device, Edits, Expect, Give, Grant, Listed, MoveSim, Names, OfCredit,
    Pay, Resolve, Restored, Reverse, ReversePayment, Scenario, SetClock, Shop, Sim, Started, Step, Withdraw,
};
pub(super) use play::conflicts_of;
pub use play::{Came, Deed, Play, Played, play, play_watched};
pub use wrong::{Noun, Place, Why, Wrong};
