//! A device's clock: true time, and what is wrong with it.

use crate::lab::Draw;
use crate::model::Timestamp;

/// When people begin to work: 2026-06-01T00:00:00Z, in the milliseconds of a true clock. Times of a run count from it.
pub const START: Timestamp = Timestamp(1_780_272_000_000);

/// A day, in milliseconds.
pub(super) const DAY_MS: i64 = 86_400_000;

/// What stands between a device's clock and the truth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Ahead by so much at the start.
    skew_ms: i64,
    /// Gains so many microseconds a second.
    drift_ppm: i64,
    /// Set forward by so much at those times, ascending.
    jumps: Vec<(i64, i64)>,
    /// Set by a person: ahead by exactly so much, whatever else there is.
    told: Option<i64>,
}

impl Clock {
    /// A clock that is wrong in up to three ways.
    pub fn wrong(draw: &mut Draw, days: u32) -> Clock {
        let skew_ms = if draw.below(3) > 0 { error(draw) } else { 0 };
        let drift_ppm = if draw.below(2) == 0 { draw.between(-200, 200) } else { 0 };
        let mut jumps: Vec<(i64, i64)> =
            (0..draw.below(4)).map(|_| (draw.between(0, i64::from(days) * DAY_MS), error(draw))).collect();
        jumps.sort_unstable();
        Clock { skew_ms, drift_ppm, jumps, told: None }
    }

    /// A clock that a story says is so much ahead of the truth. It may show any year, as real ones do.
    pub fn told(ahead_ms: i64) -> Clock {
        Clock { told: Some(ahead_ms), ..Clock::default() }
    }

    /// What it shows that many milliseconds after the start.
    pub fn read(&self, at: i64) -> Timestamp {
        if let Some(ahead_ms) = self.told {
            return START.plus_ms(at.saturating_add(ahead_ms));
        }
        let drift = at.max(0).saturating_mul(self.drift_ppm) / 1_000_000;
        let jumped: i64 = self.jumps.iter().take_while(|(when, _)| *when <= at).map(|(_, by)| by).sum();
        START.plus_ms(at + self.skew_ms + drift + jumped)
    }
}

impl Clock {
    /// By how much it may be off at most in that many days.
    pub fn error_ms(&self, days: u32) -> i64 {
        let drift = i64::from(days) * DAY_MS * self.drift_ppm.abs() / 1_000_000;
        let jumps: i64 = self.jumps.iter().map(|(_, by)| by.abs()).sum();
        self.skew_ms.abs() + drift + jumps
    }
}

/// From a minute to six years, each size as likely as the next, either way.
fn error(draw: &mut Draw) -> i64 {
    let minutes = 1_i64 << draw.between(0, 21);
    let milliseconds = draw.between(minutes * 60_000, 2 * minutes * 60_000) * 3 / 4;
    if draw.below(2) == 0 { milliseconds } else { -milliseconds }
}
