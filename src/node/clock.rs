//! The one place that reads clocks and draws random numbers.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn now() -> Timestamp {
    let milliseconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |before| -before),
    };
    Timestamp(milliseconds)
}

/// Fills the bytes with randomness fit for keys.
///
/// # Panics
///
/// If the operating system has none: going on would make keys that others can guess.
#[expect(clippy::disallowed_methods, reason = "the one place that draws random numbers")]
#[expect(clippy::panic, reason = "keys that others can guess are worse than no node")]
pub fn draw(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        panic!("the operating system gives no randomness: {error}");
    }
}

/// Random bytes fit for keys.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    draw(&mut bytes);
    bytes
}

/// The monotonic clock, for waiting and for measuring how long something took: never for what is written.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub(super) fn instant() -> Instant {
    Instant::now()
}
