//! How many authentications failed this minute, from anywhere: guessing is slowed, and never a valid token.

use std::sync::{Mutex, PoisonError};

use crate::http::limits::FAILURES_A_MINUTE_MAX;
use crate::model::Timestamp;

const MINUTE_MS: i64 = 60_000;

/// Failures of the minute that runs.
#[derive(Debug, Default)]
pub(in crate::http) struct Failures {
    minute: Mutex<Minute>,
}

#[derive(Debug, Default)]
struct Minute {
    begun_ms: i64,
    failures: u32,
}

impl Failures {
    /// Counts one more. Beyond the limit, how many seconds are left of the minute.
    pub(super) fn count(&self, now: Timestamp) -> Option<u64> {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let passed_ms = now.0.saturating_sub(minute.begun_ms);
        // A clock that was set back begins a new minute too: otherwise nobody could fail until it caught up.
        if !(0..MINUTE_MS).contains(&passed_ms) {
            *minute = Minute { begun_ms: now.0, failures: 0 };
        }
        minute.failures = minute.failures.saturating_add(1);
        if minute.failures <= FAILURES_A_MINUTE_MAX {
            return None;
        }
        let left_ms = MINUTE_MS - now.0.saturating_sub(minute.begun_ms);
        Some(u64::try_from(left_ms).unwrap_or(0).div_ceil(1_000).max(1))
    }
}
