//! Peers with whom we do not speak for a while. Pure: the time is handed in.
//!
//! This table knows when a ban ends; that no connection is made meanwhile is the block list's work.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::limits::BANS_MAX;
use crate::model::DeviceKey;

/// Bans with their ends.
#[derive(Default)]
pub(super) struct Bans {
    ends: BTreeMap<DeviceKey, Instant>,
}

impl Bans {
    /// Bans a device; a longer ban that it has already stands. Returns the device whose ban had to be lifted for
    /// it, if the table was full.
    pub(super) fn add(&mut self, device: DeviceKey, for_: Duration, now: Instant) -> Option<DeviceKey> {
        // A ban beyond what the clock can hold lasts as long as the process.
        let end = now.checked_add(for_).unwrap_or_else(|| now + Duration::from_secs(100 * 365 * 86_400));
        let longest = self.ends.get(&device).map_or(end, |before| end.max(*before));
        self.ends.insert(device, longest);
        if self.ends.len() <= BANS_MAX {
            return None;
        }
        let first = self.ends.iter().filter(|(held, _)| **held != device).min_by_key(|(_, end)| **end);
        let lifted = first.map(|(held, _)| *held)?;
        self.ends.remove(&lifted);
        Some(lifted)
    }

    /// Whether the device is banned.
    pub(super) fn contains(&self, device: &DeviceKey) -> bool {
        self.ends.contains_key(device)
    }

    /// Removes and returns those whose ban has ended.
    pub(super) fn ended(&mut self, now: Instant) -> Vec<DeviceKey> {
        let ended: Vec<DeviceKey> =
            self.ends.iter().filter(|(_, end)| **end <= now).map(|(device, _)| *device).collect();
        for device in &ended {
            self.ends.remove(device);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::clock::instant;

    #[test]
    fn bans_end_and_are_bounded() {
        let now = instant();
        let mut bans = Bans::default();
        bans.add(DeviceKey([1; 32]), Duration::from_secs(5), now);
        bans.add(DeviceKey([1; 32]), Duration::from_secs(1), now);
        assert_eq!(bans.ended(now + Duration::from_secs(4)), [], "the longer one stands");
        assert_eq!(bans.ended(now + Duration::from_secs(5)), [DeviceKey([1; 32])]);
        bans.add(DeviceKey([1; 32]), Duration::from_secs(5), now);
        for number in 0..BANS_MAX as u16 {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&number.to_be_bytes());
            let lifted = bans.add(DeviceKey(key), Duration::MAX, now);
            assert_eq!(lifted.is_some(), number as usize == BANS_MAX - 1);
        }
        assert!(!bans.contains(&DeviceKey([1; 32])), "the one that ends first was lifted");
    }
}
