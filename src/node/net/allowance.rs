//! How much gossip each peer may pass on: a bucket of tokens that fills as time goes by. Pure: the time is handed in.
//!
//! It belongs to the peer's key, so that hanging up and calling again fills nothing. Whoever passes on too much is not
//! judged for it: it may be the only one through whom a busy network is heard, and what is dropped comes with the next
//! comparison of logs.

use std::collections::BTreeMap;
use std::time::Instant;

use super::limits::{GOSSIP_BURST, GOSSIP_PEERS_MAX, GOSSIP_PER_SECOND, GOSSIP_TOKEN_BYTES};
use crate::model::DeviceKey;

/// Thousandths of a token: what one token a second gives in a millisecond.
const PER_TOKEN: u64 = 1_000;

/// What one peer may still pass on.
struct Bucket {
    /// In thousandths of a token.
    left: u64,
    at: Instant,
}

impl Bucket {
    fn fill(&mut self, now: Instant) {
        let waited = u64::try_from(now.saturating_duration_since(self.at).as_millis()).unwrap_or(u64::MAX);
        let filled = self.left.saturating_add(waited.saturating_mul(GOSSIP_PER_SECOND));
        self.left = filled.min(GOSSIP_BURST * PER_TOKEN);
        // What a millisecond was begun with is not lost by asking often.
        if waited > 0 {
            self.at = now;
        }
    }

    fn is_full(&self) -> bool {
        self.left == GOSSIP_BURST * PER_TOKEN
    }
}

/// The buckets that are not full.
#[derive(Default)]
pub(super) struct Allowance {
    buckets: BTreeMap<DeviceKey, Bucket>,
}

impl Allowance {
    /// Takes what a message of so many bytes costs. Says whether the peer had that much left.
    pub(super) fn take(&mut self, peer: DeviceKey, bytes: usize, now: Instant) -> bool {
        if !self.buckets.contains_key(&peer) && self.buckets.len() >= GOSSIP_PEERS_MAX {
            // A full one is the same as none.
            self.buckets.retain(|_, bucket| {
                bucket.fill(now);
                !bucket.is_full()
            });
            if self.buckets.len() >= GOSSIP_PEERS_MAX {
                return false;
            }
        }
        let bucket = self.buckets.entry(peer).or_insert(Bucket { left: GOSSIP_BURST * PER_TOKEN, at: now });
        bucket.fill(now);
        let tokens = 1 + u64::try_from(bytes / GOSSIP_TOKEN_BYTES).unwrap_or(u64::MAX - 1);
        match bucket.left.checked_sub(tokens.saturating_mul(PER_TOKEN)) {
            Some(left) => {
                bucket.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::node::clock::instant;

    fn device(number: u16) -> DeviceKey {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_be_bytes());
        DeviceKey(key)
    }

    /// Fifty devices, all heard through one: each writes thrice a second in an hour's rush, for ten minutes, and then all
    /// come back from a power cut and tell at one instant what they wrote meanwhile, and where they are.
    #[test]
    fn an_honest_network_of_fifty_devices_is_heard_through_one_of_them() {
        let mut allowance = Allowance::default();
        let start = instant();
        for tick in 0..600 * 150u32 {
            let now = start + Duration::from_secs(1) * tick / 150;
            assert!(allowance.take(device(1), 900, now), "message {tick}");
        }
        for message in 0..50 * 10 {
            assert!(allowance.take(device(1), 900, start + Duration::from_secs(600)), "message {message}");
        }
    }

    #[test]
    fn whoever_passes_on_without_end_is_held_to_the_rate_and_others_are_not_touched() {
        let mut allowance = Allowance::default();
        let start = instant();
        let mut passed = 0;
        for message in 0..100_000u32 {
            passed += u64::from(allowance.take(device(1), 100, start + Duration::from_micros(100) * message));
        }
        // Ten seconds.
        assert!((GOSSIP_BURST + 9 * GOSSIP_PER_SECOND..=GOSSIP_BURST + 10 * GOSSIP_PER_SECOND).contains(&passed));
        assert!(allowance.take(device(2), 100, start + Duration::from_secs(10)));
    }

    #[test]
    fn long_messages_cost_more() {
        let mut allowance = Allowance::default();
        let now = instant();
        let passed = (0..1_000).filter(|_| allowance.take(device(1), 64 << 10, now)).count();
        assert_eq!(passed, GOSSIP_BURST as usize / 65);
    }

    #[test]
    fn keys_without_end_take_no_memory_without_end() {
        let mut allowance = Allowance::default();
        let now = instant();
        let known = u16::try_from(GOSSIP_PEERS_MAX).expect("few");
        assert!((0..known).all(|number| allowance.take(device(number), 1, now)));
        assert!(!allowance.take(device(known), 1, now));
        assert!(allowance.take(device(0), 1, now), "who has a bucket keeps it");
        let later = now + Duration::from_secs(60);
        assert!(allowance.take(device(known), 1, later), "by then the others' are full");
        assert_eq!(allowance.buckets.len(), 1);
    }
}
