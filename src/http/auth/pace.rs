//! How fast one token may ask: so many requests a minute, at once or spread, and no more than that for long.

use crate::http::limits::TOKEN_REQUESTS_A_MINUTE_MAX;
use crate::model::Timestamp;

const MINUTE_MS: i64 = 60_000;
/// What one request costs of the minute.
const REQUEST_MS: i64 = MINUTE_MS / TOKEN_REQUESTS_A_MINUTE_MAX;

/// What a token has used of its minute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Until when its requests would have lasted, had each taken its share of the minute (a leaky bucket, GCRA).
    paid_until: Timestamp,
}

impl Pace {
    /// Nothing used.
    pub(super) const UNUSED: Pace = Pace { paid_until: Timestamp(0) };

    /// Takes one request, or says in how many seconds there is room for one.
    pub(super) fn take(&mut self, now: Timestamp) -> Result<(), u64> {
        let full = now.plus_ms(MINUTE_MS);
        // A clock that was set back must not lock a token out until it has caught up.
        self.paid_until = self.paid_until.clamp(now, full);
        let paid_until = self.paid_until.plus_ms(REQUEST_MS);
        if paid_until > full {
            let wait_ms = paid_until.0.saturating_sub(full.0);
            return Err(u64::try_from(wait_ms).unwrap_or(0).div_ceil(1_000).max(1));
        }
        self.paid_until = paid_until;
        Ok(())
    }
}
