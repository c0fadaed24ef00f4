//! Bugs on purpose, to see whether the lab finds them. Compiled only into tests (feature `planted`), and even there none
//! is at work unless a test plants it on its own thread.

/// A bug that somebody might make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// A device spends what the SIM holds, whosever share it is.
    SpendsOthersShares,
    /// A debit beyond the share of its log counts.
    UncoveredCounts,
    /// A gift is taken as often as somebody says so.
    GiftTakenTwice,
    /// Anyone may take a gift.
    GiftTakenByAnyone,
    /// A cancelled amount comes back twice.
    ReturnedTwice,
    /// A return does not hold against a later payment.
    ReturnOverridden,
    /// A store that was brought back goes on under its old incarnation.
    RestoreKeepsShares,
    /// Entries of a closed log from beyond its end count.
    LateEntryCounts,
    /// Whoever holds a closed log takes it over, named or not.
    TwoSuccessors,
    /// A successor takes over twice what it was left.
    TakesOverTwice,
    /// Shares of dollars and francs are one.
    CurrenciesMixed,
    /// A disk is not told to sync.
    SyncSkipped,
    /// Of two payments of one credit that did not see each other one is lost.
    PaymentDropped,
    /// Of concurrent statuses the one that came last stands, not the newest.
    LastToArriveWins,
    /// What an entry rests on need not be here: what waits is forgotten.
    WaitingForgotten,
    /// A change is not compared with the one form that it may have.
    ForgedShapeAccepted,
    /// Everybody may write everything.
    RightNotChecked,
    /// A signature is not looked at.
    SignatureNotChecked,
    /// A key that was used is forgotten.
    KeyForgotten,
    /// A pending capture counts twice when it is confirmed.
    ValidatedTwice,
    /// A stamp that nobody can explain decides like any other. Rare in the lab: a case of the auditor's tests shows it.
    UnexplainedDecides,
    /// The database is told to flush, and the system not to sync: what plain sled does. Only a loss of power tells.
    SyncDataSkipped,
}

impl Bug {
    /// Every one that the lab can find.
    pub const ALL: [Bug; 20] = [
        Bug::SpendsOthersShares,
        Bug::UncoveredCounts,
        Bug::GiftTakenTwice,
        Bug::GiftTakenByAnyone,
        Bug::ReturnedTwice,
        Bug::ReturnOverridden,
        Bug::RestoreKeepsShares,
        Bug::LateEntryCounts,
        Bug::TwoSuccessors,
        Bug::TakesOverTwice,
        Bug::CurrenciesMixed,
        Bug::SyncSkipped,
        Bug::PaymentDropped,
        Bug::LastToArriveWins,
        Bug::WaitingForgotten,
        Bug::ForgedShapeAccepted,
        Bug::RightNotChecked,
        Bug::SignatureNotChecked,
        Bug::KeyForgotten,
        Bug::ValidatedTwice,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Does something with that bug at work on this thread.
#[cfg(feature = "planted")]
pub fn with<T>(bug: Bug, run: impl FnOnce() -> T) -> T {
    PLANTED.set(Some(bug));
    let result = run();
    PLANTED.set(None);
    result
}

#[cfg(feature = "planted")]
static PLANTED_EVERYWHERE: std::sync::OnceLock<Bug> = std::sync::OnceLock::new();

/// Plants a bug of that name in the whole process, for good.
#[cfg(feature = "planted")]
pub fn everywhere(name: &str) {
    if name == "SyncDataSkipped" {
        let _ = PLANTED_EVERYWHERE.set(Bug::SyncDataSkipped);
    }
}

/// Whether that bug is at work here.
#[cfg(feature = "planted")]
pub(crate) fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug) || PLANTED_EVERYWHERE.get() == Some(&bug)
}

/// Never, in the program that people use.
#[cfg(not(feature = "planted"))]
pub(crate) const fn is(_: Bug) -> bool {
    false
}
