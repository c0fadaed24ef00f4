//! How much each token asks for: a bucket of requests that fills as time passes. A script in a loop must not keep the
//! counter waiting; whoever sits at the node is not counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::http::limits::{TOKEN_BURST, TOKEN_REQUESTS_A_SECOND};
use crate::model::Timestamp;

/// A request in thousandths: what a millisecond adds is a whole number of them.
const REQUEST: u64 = 1_000;
const FULL: u64 = TOKEN_BURST as u64 * REQUEST;

/// The buckets of the tokens that asked for something.
#[derive(Debug, Default)]
pub(in crate::http) struct Rates {
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u64,
    at: Timestamp,
}

impl Rates {
    /// Takes one request of a token that exists. Beyond the limit, after how many seconds there will be one again.
    pub(super) fn take(&self, token: &str, now: Timestamp) -> Option<u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(token.to_owned()).or_insert(Bucket { left: FULL, at: now });
        // A clock that was set back adds nothing, and goes on from there.
        let passed_ms = u64::try_from(now.0.saturating_sub(bucket.at.0)).unwrap_or(0);
        let added = passed_ms.saturating_mul(u64::from(TOKEN_REQUESTS_A_SECOND));
        *bucket = Bucket { left: bucket.left.saturating_add(added).min(FULL), at: now };
        match bucket.left.checked_sub(REQUEST) {
            Some(left) => {
                bucket.left = left;
                None
            }
            None => Some((REQUEST - bucket.left).div_ceil(u64::from(TOKEN_REQUESTS_A_SECOND) * 1_000).max(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_burst_then_its_rate_and_no_other_token_pays_for_it() {
        let rates = Rates::default();
        let now = Timestamp(1_000_000);
        for request in 0..TOKEN_BURST {
            assert_eq!(rates.take("a", now), None, "request {request}");
        }
        assert_eq!(rates.take("a", now), Some(1));
        assert_eq!(rates.take("b", now), None);
        let later = now.plus_ms(1_000);
        for request in 0..TOKEN_REQUESTS_A_SECOND {
            assert_eq!(rates.take("a", later), None, "request {request} after a second");
        }
        assert_eq!(rates.take("a", later), Some(1));
        assert_eq!(rates.take("a", now), Some(1), "a clock set back gives nothing");
        assert_eq!(rates.take("a", now.plus_ms(200)), None, "and takes nothing for ever");
    }
}
