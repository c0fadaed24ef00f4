//! How devices behave: what each may make this one do, and for how long one that misbehaves is left alone.
//!
//! It outlives connections: whoever hangs up and comes back is who it was. It never decides what an entry is worth,
//! which must be the same on every replica; and whoever hands on what another wrote wrongly has done nothing wrong.
//! It is forgotten when the program ends: a restart is how an operator gives everybody another chance.

use std::collections::BTreeMap;

use crate::model::{DeviceKey, Timestamp};
use crate::wire::{
    ALLOWANCE_BYTES_A_SECOND, ALLOWANCE_BYTES_MAX, BAN_FORGOTTEN_MS, BAN_MS, BAN_MS_MAX, CONDUCTS_MAX,
    GIVEN_TIMES_A_DAY_MAX, MISCONDUCT_FORGIVEN_A_MINUTE, MISCONDUCT_POINTS_MAX,
};

const DAY_MS: i64 = 86_400_000;

/// What a device did that it should not, by how sure it is that no honest one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misconduct {
    /// What no program of ours sends: a frame that is no message, entries that nobody signed.
    Broken,
    /// It said that it holds entries, and had none of them when it was asked.
    Empty,
    /// It makes us do more than a device needs.
    Excess,
}

impl Misconduct {
    fn points(self) -> u32 {
        match self {
            Misconduct::Broken => MISCONDUCT_POINTS_MAX,
            Misconduct::Empty => 5,
            Misconduct::Excess => 1,
        }
    }
}

/// One device's conduct.
#[derive(Clone, Debug)]
pub(super) struct Conduct {
    /// How often something it did was refused, since the program began.
    pub refused: u64,
    /// Until when it is left alone for misconduct; it may be over.
    pub banned_until: Option<Timestamp>,
    /// How often it asked for a share, since when.
    pub asks: (Timestamp, u32),
    /// How many entries it was given that were new in their connection, since when.
    given: (Timestamp, u64),
    bans: u32,
    points: u32,
    forgiven_at: Timestamp,
    allowance: i64,
    filled_at: Timestamp,
}

impl Conduct {
    fn new(now: Timestamp) -> Conduct {
        Conduct {
            refused: 0,
            banned_until: None,
            asks: (now, 0),
            given: (now, 0),
            bans: 0,
            points: 0,
            forgiven_at: now,
            allowance: ALLOWANCE_BYTES_MAX,
            filled_at: now,
        }
    }

    /// Lets time do its work. A clock that was set back forgives nothing, and takes nothing.
    fn age(&mut self, now: Timestamp) {
        let elapsed = now.0.saturating_sub(self.filled_at.0).max(0);
        let grown = elapsed.saturating_mul(ALLOWANCE_BYTES_A_SECOND) / 1_000;
        self.allowance = self.allowance.saturating_add(grown).min(ALLOWANCE_BYTES_MAX);
        self.filled_at = now;
        let minute = now.0.saturating_sub(self.forgiven_at.0);
        let forgiven = minute.max(0).saturating_mul(MISCONDUCT_FORGIVEN_A_MINUTE) / 60_000;
        self.points = self.points.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX));
        // Only the time is used up that a whole point took, so that short steps forgive as much as long ones.
        let used = forgiven.saturating_mul(60_000 / MISCONDUCT_FORGIVEN_A_MINUTE);
        self.forgiven_at = if minute < 0 { now } else { self.forgiven_at.plus_ms(used) };
        if let Some(end) = self.banned_until {
            let quiet = now.0.saturating_sub(end.0).max(0) / BAN_FORGOTTEN_MS;
            if quiet > 0 {
                self.bans = self.bans.saturating_sub(u32::try_from(quiet).unwrap_or(u32::MAX));
                self.banned_until = (self.bans > 0).then(|| end.plus_ms(quiet * BAN_FORGOTTEN_MS));
            }
        }
    }

    /// Counts entries that were not given to it in this connection before. Returns whether it has been given so much of
    /// `held` that it counts as given again: else it would but have to hang up each time.
    pub fn is_given_again(&mut self, fresh: u64, held: u64, now: Timestamp) -> bool {
        if !(0..DAY_MS).contains(&now.0.saturating_sub(self.given.0.0)) {
            self.given = (now, 0);
        }
        self.given.1 = self.given.1.saturating_add(fresh);
        self.given.1 > held.saturating_mul(GIVEN_TIMES_A_DAY_MAX)
    }

    /// Whether it may have more of what it had before.
    pub fn is_within(&self) -> bool {
        self.allowance > 0
    }

    /// Takes from what it may have. One answer may go beyond it.
    pub fn charge(&mut self, bytes: i64) {
        self.allowance = self.allowance.saturating_sub(bytes);
    }

    /// Counts what it did. Returns for how long it is to be left alone, in milliseconds, if that was too much.
    fn misbehaved(&mut self, how: Misconduct, now: Timestamp) -> Option<u64> {
        self.refused += 1;
        self.points = self.points.saturating_add(how.points());
        if self.points < MISCONDUCT_POINTS_MAX {
            return None;
        }
        self.points = 0;
        let for_ms = BAN_MS.saturating_mul(1 << self.bans.min(16)).min(BAN_MS_MAX);
        self.bans += 1;
        self.banned_until = Some(now.plus_ms(i64::try_from(for_ms).unwrap_or(i64::MAX)));
        Some(for_ms)
    }
}

/// The conduct of all devices that were heard.
#[derive(Debug, Default)]
pub(super) struct Conducts {
    of: BTreeMap<DeviceKey, Conduct>,
    /// How often something was refused, whoever did it: of bad gossip nobody knows who made it.
    pub refused: u64,
}

impl Conducts {
    /// What is remembered of a device.
    pub fn get(&self, device: &DeviceKey) -> Option<&Conduct> {
        self.of.get(device)
    }

    /// Devices that did what they should not.
    pub fn noted(&self) -> impl Iterator<Item = DeviceKey> {
        self.of.iter().filter(|(_, conduct)| conduct.refused > 0).map(|(device, _)| *device)
    }

    /// A device's conduct at this time.
    pub fn at(&mut self, device: DeviceKey, now: Timestamp) -> &mut Conduct {
        if self.of.len() >= CONDUCTS_MAX && !self.of.contains_key(&device) {
            // Of strangers there is no end: the one is forgotten that did least, and least lately.
            let least = self.of.iter().min_by_key(|(_, one)| (one.bans, one.points, one.filled_at));
            if let Some(least) = least.map(|(least, _)| *least) {
                self.of.remove(&least);
            }
        }
        let conduct = self.of.entry(device).or_insert_with(|| Conduct::new(now));
        conduct.age(now);
        conduct
    }

    /// Counts what a device did. Returns for how long it is to be left alone, in milliseconds, if that was too much.
    pub fn misbehaved(&mut self, device: DeviceKey, how: Misconduct, now: Timestamp) -> Option<u64> {
        self.refused += 1;
        self.at(device, now).misbehaved(how, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);
    const PEER: DeviceKey = DeviceKey([1; 32]);

    #[test]
    fn bans_grow_to_a_bound_and_are_forgotten_with_time() {
        let mut all = Conducts::default();
        let mut now = NOW;
        let mut lengths = Vec::new();
        for _ in 0..8 {
            let for_ms = all.misbehaved(PEER, Misconduct::Broken, now).expect("at once");
            lengths.push(for_ms / BAN_MS);
            now = now.plus_ms(for_ms.cast_signed());
        }
        assert_eq!(lengths, [1, 2, 4, 8, 16, 32, 60, 60]);
        let later = now.plus_ms(6 * BAN_FORGOTTEN_MS);
        assert_eq!(all.misbehaved(PEER, Misconduct::Broken, later), Some(4 * BAN_MS), "two of eight are left");
        let quiet = later.plus_ms(20 * BAN_FORGOTTEN_MS);
        assert_eq!(all.misbehaved(PEER, Misconduct::Broken, quiet), Some(BAN_MS), "all is forgotten");
        assert_eq!((all.refused, all.at(PEER, quiet).refused), (10, 10), "what was counted stays counted");
    }

    #[test]
    fn a_promise_not_kept_once_in_a_comparison_is_forgiven_and_four_at_once_are_not() {
        let mut all = Conducts::default();
        for step in 0..1_000 {
            let now = NOW.plus_ms(step * 27_000);
            assert_eq!(all.misbehaved(PEER, Misconduct::Empty, now), None);
        }
        let other = DeviceKey([2; 32]);
        let bans: Vec<bool> = (0..4).map(|_| all.misbehaved(other, Misconduct::Empty, NOW).is_some()).collect();
        assert_eq!(bans, [false, false, false, true]);
    }

    #[test]
    fn the_allowance_grows_again_and_a_clock_set_back_takes_nothing() {
        let mut all = Conducts::default();
        all.at(PEER, NOW).charge(ALLOWANCE_BYTES_MAX + ALLOWANCE_BYTES_A_SECOND);
        assert!(!all.at(PEER, NOW).is_within());
        assert!(!all.at(PEER, NOW.plus_ms(-1_000_000)).is_within(), "set back");
        assert!(!all.at(PEER, NOW.plus_ms(-999_000)).is_within(), "the debt is paid, nothing is there");
        assert!(all.at(PEER, NOW.plus_ms(-998_000)).is_within());
        assert!(all.at(PEER, Timestamp(i64::MAX)).is_within());
        assert!(all.at(PEER, Timestamp(i64::MIN)).is_within());
    }

    #[test]
    fn who_is_remembered_is_bounded_and_whoever_was_banned_stays() {
        let mut all = Conducts::default();
        all.misbehaved(PEER, Misconduct::Broken, NOW);
        for number in 0..2 * CONDUCTS_MAX as u32 {
            let mut key = [9; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            all.at(DeviceKey(key), NOW.plus_ms(1));
        }
        assert_eq!(all.of.len(), CONDUCTS_MAX);
        assert_eq!(all.get(&PEER).map(|conduct| conduct.refused), Some(1));
    }
}
