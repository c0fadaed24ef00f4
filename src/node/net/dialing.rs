//! Whom to dial, when: targets with their back-off. Pure: the time and the jitter are handed in.
//!
//! | origin | comes from | kept |
//! | --- | --- | --- |
//! | `Configured` | the configuration | always |
//! | `Trusted` | the address book, `Trust` | always |
//! | `Asked` | `Dial` | until it was met and lost, or failed [`ASKED_TRIES_MAX`] times |
//! | `Told` | `Hint` | as `Asked`; dialled only while there are few peers |
//! | `Discovered` | mDNS | until its record expires or a newer find needs the place; hosts share the places evenly |
//!
//! A target with a device is one peer with its addresses; one without is a single address whose key is not known
//! beforehand. Nothing here dials ourselves, and no target is dialled while its peer is connected or banned.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use libp2p::swarm::ConnectionId;

use super::keys::host_of;
use super::limits::{
    ASKED_TRIES_MAX, BACKOFF_MAX, BACKOFF_MIN, DISCOVERED_DIALS_MAX, DISCOVERED_MAX, DISCOVERED_PER_HOST_MAX,
    PEER_ADDRESSES_MAX, TARGETS_GIVEN_MAX, TOLD_MAX,
};
use crate::model::DeviceKey;

/// Where a target comes from; the earlier ones are dialled first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Configured,
    Trusted,
    Asked,
    Told,
    Discovered,
}

/// Names a target as long as it is kept.
pub(super) type TargetId = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { until: Instant },
    Dialing { connection: ConnectionId },
}

#[derive(Debug)]
struct Target {
    origin: Origin,
    /// The key the target must have, if it was given.
    device: Option<DeviceKey>,
    addresses: Vec<Multiaddr>,
    /// The host of its first address, also when that has been forgotten.
    host: Option<IpAddr>,
    /// The key last met there, if none was given.
    met: Option<DeviceKey>,
    state: State,
    failures: u32,
}

impl Target {
    fn peer(&self) -> Option<DeviceKey> {
        self.device.or(self.met)
    }

    fn is_dialing(&self) -> bool {
        matches!(self.state, State::Dialing { .. })
    }
}

/// A dial to begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dial {
    pub(super) target: TargetId,
    pub(super) device: Option<DeviceKey>,
    pub(super) addresses: Vec<Multiaddr>,
}

/// A dial that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) origin: Origin,
    pub(super) device: Option<DeviceKey>,
    pub(super) address: Option<Multiaddr>,
}

/// All targets.
pub(super) struct Dialing {
    own: DeviceKey,
    targets: BTreeMap<TargetId, Target>,
    next_target: TargetId,
}

impl Dialing {
    pub(super) fn new(own: DeviceKey) -> Dialing {
        Dialing { own, targets: BTreeMap::new(), next_target: 0 }
    }

    /// Adds addresses of a peer, or one address without a peer's key. Says whether it was taken.
    pub(super) fn add(
        &mut self,
        origin: Origin,
        device: Option<DeviceKey>,
        addresses: &[Multiaddr],
        now: Instant,
    ) -> bool {
        if addresses.is_empty() || device == Some(self.own) {
            return false;
        }
        let known = self.targets.values_mut().find(|target| match device {
            Some(_) => target.device == device,
            None => target.device.is_none() && target.addresses == addresses,
        });
        if let Some(target) = known {
            if origin >= Origin::Told && target.origin < origin {
                // Anyone of the network may lie about another, and anyone of the local network as well: half of the
                // places stay with what is known better.
                let known = target.addresses.iter().take(PEER_ADDRESSES_MAX / 2).cloned().collect::<Vec<_>>();
                let told = addresses.iter().filter(|address| !known.contains(address));
                let rest = target.addresses.iter().skip(known.len()).filter(|address| !addresses.contains(address));
                target.addresses = known.iter().chain(told).chain(rest).cloned().collect();
            } else if origin < target.origin || target.origin == Origin::Trusted {
                // What comes from a better source goes before what is known already.
                let mut merged = addresses.to_vec();
                merged.extend(target.addresses.iter().filter(|known| !addresses.contains(known)).cloned());
                target.addresses = merged;
                target.origin = target.origin.min(origin);
            } else {
                let new: Vec<_> = addresses.iter().filter(|address| !target.addresses.contains(address)).collect();
                target.addresses.extend(new.into_iter().cloned());
            }
            target.addresses.truncate(PEER_ADDRESSES_MAX);
            if origin == Origin::Asked && !target.is_dialing() {
                target.state = State::Waiting { until: now };
                target.failures = 0;
            }
            return true;
        }
        let host = addresses.first().and_then(host_of);
        if !self.make_room(origin, host) {
            return false;
        }
        let addresses = addresses.iter().take(PEER_ADDRESSES_MAX).cloned().collect();
        let state = State::Waiting { until: now };
        self.targets
            .insert(self.next_target, Target { origin, device, addresses, host, met: None, state, failures: 0 });
        self.next_target += 1;
        true
    }

    fn make_room(&mut self, origin: Origin, host: Option<IpAddr>) -> bool {
        let count = self.targets.values().filter(|target| target.origin == origin).count();
        match origin {
            // The address book is bounded itself.
            Origin::Trusted => true,
            Origin::Configured | Origin::Asked => count < TARGETS_GIVEN_MAX,
            Origin::Told => count < TOLD_MAX,
            Origin::Discovered => count < DISCOVERED_MAX || self.remove_find(host),
        }
    }

    /// In a storm of false finds, those that failed make room, so that a real one gets its turn; then those of the host
    /// that has most, for one that has fewer.
    fn remove_find(&mut self, host: Option<IpAddr>) -> bool {
        let of_host = self.count_finds(|_| true);
        let count_at = |target: &Target| of_host.get(&target.host).copied().unwrap_or_default();
        let idle =
            self.targets.iter().filter(|(_, target)| target.origin == Origin::Discovered && !target.is_dialing());
        let failed = idle.clone().filter(|(_, target)| target.failures > 0);
        let worst = failed.max_by_key(|(_, target)| (count_at(target), target.failures)).map(|(id, _)| *id);
        let own = of_host.get(&host).copied().unwrap_or_default();
        // Of those of one host the newest goes: who came first is dialled first.
        let crowded = || {
            let (id, target) = idle.max_by_key(|(id, target)| (count_at(target), **id))?;
            (count_at(target) > own + 1).then_some(*id)
        };
        worst.or_else(crowded).is_some_and(|id| self.targets.remove(&id).is_some())
    }

    /// How many finds of that kind there are at each host.
    fn count_finds(&self, is_counted: impl Fn(&Target) -> bool) -> BTreeMap<Option<IpAddr>, usize> {
        let mut counts = BTreeMap::new();
        for target in self.targets.values().filter(|target| target.origin == Origin::Discovered && is_counted(target)) {
            *counts.entry(target.host).or_default() += 1;
        }
        counts
    }

    /// Forgets an address that mDNS no longer vouches for.
    pub(super) fn expire(&mut self, device: DeviceKey, address: &Multiaddr) {
        self.targets.retain(|_, target| {
            if target.origin == Origin::Discovered && target.device == Some(device) {
                target.addresses.retain(|known| known != address);
            }
            !target.addresses.is_empty() || target.is_dialing()
        });
    }

    /// Forgets all finds: mDNS begins afresh, and nothing that it told before would ever expire.
    pub(super) fn forget_finds(&mut self) {
        self.targets.retain(|_, target| {
            if target.origin == Origin::Discovered {
                target.addresses.clear();
            }
            !target.addresses.is_empty() || target.is_dialing()
        });
    }

    /// Up to `max` dials that are due, the best origins first. Those only told of are dialled where `wants_more` peers.
    /// `is_excluded` names peers that are connected or
    /// banned. Each dial must be answered by [`Dialing::started`].
    pub(super) fn due(
        &self,
        now: Instant,
        max: usize,
        wants_more: bool,
        is_excluded: impl Fn(&DeviceKey) -> bool,
    ) -> Vec<Dial> {
        let in_flight: Vec<DeviceKey> =
            self.targets.values().filter(|target| target.is_dialing()).filter_map(Target::peer).collect();
        let mut finds_under_way = self.count_finds(Target::is_dialing);
        let mut finds_allowed = DISCOVERED_DIALS_MAX.saturating_sub(finds_under_way.values().sum());
        // Of the finds those go first at whose host least has failed or hangs.
        let in_vain = self.count_finds(|target| target.failures > 0 || target.is_dialing());
        let mut due: Vec<(Origin, usize, Instant, TargetId)> = Vec::new();
        for (id, target) in &self.targets {
            let State::Waiting { until } = target.state else { continue };
            let excluded = target.peer().is_some_and(|peer| is_excluded(&peer) || in_flight.contains(&peer));
            let wanted = wants_more || target.origin != Origin::Told;
            if until <= now && wanted && !excluded && !target.addresses.is_empty() {
                let behind = match target.origin {
                    Origin::Discovered => in_vain.get(&target.host).copied().unwrap_or_default(),
                    Origin::Told => self.place_among_told(target),
                    Origin::Configured | Origin::Trusted | Origin::Asked => 0,
                };
                due.push((target.origin, behind, until, *id));
            }
        }
        due.sort();
        let mut dials: Vec<Dial> = Vec::new();
        // An address whose key was met and the address book's entry for that key are one peer: one dial.
        let mut picked: Vec<DeviceKey> = Vec::new();
        for (origin, _, _, id) in due {
            let target = &self.targets[&id];
            if dials.len() == max {
                break;
            }
            if target.peer().is_some_and(|peer| picked.contains(&peer)) {
                continue;
            }
            if origin == Origin::Discovered {
                let at_host = finds_under_way.entry(target.host).or_default();
                if finds_allowed == 0 {
                    break;
                }
                if *at_host >= DISCOVERED_PER_HOST_MAX {
                    continue;
                }
                *at_host += 1;
                finds_allowed -= 1;
            }
            picked.extend(target.peer());
            dials.push(Dial { target: id, device: target.device, addresses: target.addresses.clone() });
        }
        dials
    }

    /// Each device has an order of its own in which it dials those it was told of. Else all would dial who spoke first,
    /// and that one, perhaps a phone, would keep connections with all.
    fn place_among_told(&self, target: &Target) -> usize {
        let key = target.peer().map_or([0; 32], |device| device.0);
        let hash = blake3::keyed_hash(&self.own.0, &key);
        usize::from(u16::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]))
    }

    /// A dial was begun as this connection.
    pub(super) fn started(&mut self, id: TargetId, connection: ConnectionId) {
        if let Some(target) = self.targets.get_mut(&id) {
            target.state = State::Dialing { connection };
        }
    }

    /// A dial failed. Returns whose, unless the connection was none of ours.
    pub(super) fn failed(&mut self, connection: ConnectionId, now: Instant, jitter: u32) -> Option<Failure> {
        let id = self.dialled_as(connection)?;
        let target = self.targets.get_mut(&id)?;
        target.failures = target.failures.saturating_add(1);
        target.state = State::Waiting { until: now + backoff(target.failures - 1, jitter) };
        let failure =
            Failure { origin: target.origin, device: target.device, address: target.addresses.first().cloned() };
        let is_given_up = matches!(target.origin, Origin::Asked | Origin::Told) && target.failures >= ASKED_TRIES_MAX;
        // Its last address went while it was dialled.
        if is_given_up || target.addresses.is_empty() {
            self.targets.remove(&id);
        }
        Some(failure)
    }

    /// All addresses of a target are ours. Without a key it is of no use; a peer may get another address later.
    pub(super) fn is_ours(&mut self, id: TargetId, now: Instant) {
        match self.targets.get_mut(&id) {
            Some(target) if target.device.is_some() => target.state = State::Waiting { until: now + BACKOFF_MAX },
            _ => drop(self.targets.remove(&id)),
        }
    }

    /// A dial reached ourselves: that address is never tried again.
    pub(super) fn reached_ourselves(&mut self, connection: ConnectionId) {
        if let Some(id) = self.dialled_as(connection) {
            self.targets.remove(&id);
        }
    }

    /// A connection with a peer was made, by us or by them.
    pub(super) fn connected(&mut self, connection: ConnectionId, device: DeviceKey, now: Instant) {
        for target in self.targets.values_mut() {
            if target.state == (State::Dialing { connection }) {
                target.state = State::Waiting { until: now };
                if target.device.is_none() {
                    target.met = Some(device);
                }
            }
        }
    }

    /// The last connection with a peer is gone. `was_live` says that the peer had really taken part, which starts
    /// the back-off anew; a peer that hangs up at once backs off further.
    pub(super) fn disconnected(&mut self, device: DeviceKey, was_live: bool, now: Instant, jitter: u32) {
        let is_kept = |target: &Target| target.origin != Origin::Asked && !target.addresses.is_empty();
        self.targets.retain(|_, target| target.peer() != Some(device) || is_kept(target));
        for target in self.targets.values_mut() {
            if target.peer() != Some(device) || target.is_dialing() {
                continue;
            }
            target.failures = if was_live { 0 } else { target.failures.saturating_add(1) };
            target.state = State::Waiting { until: now + backoff(target.failures.saturating_sub(1), jitter) };
        }
    }

    fn dialled_as(&self, connection: ConnectionId) -> Option<TargetId> {
        let mut targets = self.targets.iter();
        targets.find(|(_, target)| target.state == State::Dialing { connection }).map(|(id, _)| *id)
    }
}

/// One second doubling to sixty, less up to a half by jitter, so that devices cut off together do not return
/// together.
fn backoff(failures_before: u32, jitter: u32) -> Duration {
    let full = BACKOFF_MIN.saturating_mul(1 << failures_before.min(16)).min(BACKOFF_MAX);
    let half = full / 2;
    let spread = u64::from(jitter) * half.as_millis() as u64 / u64::from(u32::MAX);
    full - Duration::from_millis(spread)
}

#[cfg(test)]
mod tests {
    use super::super::limits::{DIALS_PER_TICK, HANDSHAKE_MAX, TICK};
    use super::*;
    use crate::node::clock::instant;

    fn device(number: u16) -> DeviceKey {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_be_bytes());
        DeviceKey(key)
    }

    fn address(port: u16) -> Vec<Multiaddr> {
        vec![format!("/ip4/192.168.1.7/tcp/{port}").parse().expect("a well-formed address")]
    }

    fn nobody(_: &DeviceKey) -> bool {
        false
    }

    const OWN: u16 = 0xffff;

    #[test]
    fn backoff_doubles_to_a_minute_and_jitter_shortens_it() {
        let seconds: Vec<u64> = (0..9).map(|failures| backoff(failures, 0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff(0, u32::MAX), Duration::from_millis(500));
        assert_eq!(backoff(u32::MAX, u32::MAX), Duration::from_secs(30));
    }

    #[test]
    fn a_failed_target_waits_and_a_lost_live_one_hardly() {
        let now = instant();
        let mut dialing = Dialing::new(device(OWN));
        dialing.add(Origin::Configured, None, &address(1), now);
        for (failure, wait) in [1, 2, 4, 8].into_iter().enumerate() {
            let at = now + Duration::from_secs(100 * failure as u64);
            let dial = dialing.due(at, 9, true, nobody).pop().expect("due");
            let connection = ConnectionId::new_unchecked(failure);
            dialing.started(dial.target, connection);
            assert_eq!(dialing.due(at, 9, true, nobody), [], "one dial at a time");
            assert!(dialing.failed(connection, at, 0).is_some());
            assert_eq!(dialing.due(at + Duration::from_millis(wait * 1000 - 1), 9, true, nobody), []);
            assert_eq!(dialing.due(at + Duration::from_secs(wait), 9, true, nobody).len(), 1);
        }
        let connection = ConnectionId::new_unchecked(99);
        dialing.started(0, connection);
        dialing.connected(connection, device(1), now);
        assert_eq!(dialing.due(now, 9, true, |peer| *peer == device(1)), [], "connected, by the key that was met");
        dialing.disconnected(device(1), true, now, 0);
        assert_eq!(dialing.due(now + BACKOFF_MIN, 9, true, nobody).len(), 1);
    }

    #[test]
    fn a_storm_of_finds_is_bounded_and_does_not_delay_the_configured() {
        let now = instant();
        let mut dialing = Dialing::new(device(OWN));
        for number in 0..10_000 {
            dialing.add(Origin::Discovered, Some(device(number)), &at(&format!("10.0.0.{}", number % 100), 1), now);
        }
        assert_eq!(dialing.targets.len(), DISCOVERED_MAX);
        dialing.add(Origin::Configured, Some(device(20_000)), &address(2), now + Duration::from_secs(1));
        let later = now + Duration::from_secs(2);
        let dials = dialing.due(later, 1000, true, nobody);
        assert_eq!(dials[0].device, Some(device(20_000)));
        assert_eq!(dials.len(), 1 + DISCOVERED_DIALS_MAX);
        // A find that failed makes room for a new one.
        let connection = ConnectionId::new_unchecked(1);
        dialing.started(dials[1].target, connection);
        dialing.failed(connection, later, 0);
        assert!(dialing.add(Origin::Discovered, Some(device(30_000)), &address(1), later));
        assert_eq!(dialing.targets.len(), DISCOVERED_MAX + 1);
    }

    fn at(host: &str, port: u16) -> Vec<Multiaddr> {
        vec![format!("/ip4/{host}/tcp/{port}").parse().expect("a well-formed address")]
    }

    #[test]
    fn in_a_storm_of_one_host_another_is_dialled_at_once_and_no_more_than_eight_a_second() {
        let mut now = instant();
        let mut dialing = Dialing::new(device(OWN));
        let (honest, announced_in_tick) = (device(20_000), 50);
        // One that never answers costs its place for the longest handshake there is.
        let handshake_ticks = (HANDSHAKE_MAX.as_millis() / TICK.as_millis()) as usize;
        let mut begun: Vec<Vec<ConnectionId>> = Vec::new();
        let mut honest_dialled_in_tick = None;
        let mut next: u16 = 0;
        for tick in 0..400_usize {
            now += TICK;
            for _ in 0..100.min(10_000 - next) {
                dialing.add(Origin::Discovered, Some(device(next)), &at("10.0.0.66", 1), now);
                next += 1;
            }
            if tick == announced_in_tick {
                assert!(dialing.add(Origin::Discovered, Some(honest), &at("10.0.0.7", 1), now), "it has a place");
            }
            assert!(dialing.targets.len() <= DISCOVERED_MAX);
            for silent in begun.get(tick.wrapping_sub(handshake_ticks)).into_iter().flatten() {
                dialing.failed(*silent, now, 0);
            }
            let mut dials = Vec::new();
            for dial in dialing.due(now, DIALS_PER_TICK, true, nobody) {
                if dial.device == Some(honest) {
                    honest_dialled_in_tick.get_or_insert(tick);
                }
                let connection = ConnectionId::new_unchecked(10_000 * tick + dials.len());
                dialing.started(dial.target, connection);
                dials.push(connection);
            }
            begun.push(dials);
            let last_second: usize = begun.iter().rev().take(4).map(Vec::len).sum();
            assert!(last_second <= 8, "{last_second} dials within a second");
            let under_way = dialing.targets.values().filter(|target| target.is_dialing()).count();
            assert!(under_way <= DISCOVERED_DIALS_MAX);
        }
        assert_eq!(next, 10_000, "all were announced");
        assert!(begun.iter().map(Vec::len).sum::<usize>() > DISCOVERED_PER_HOST_MAX, "finds are dialled");
        assert_eq!(honest_dialled_in_tick, Some(announced_in_tick));
    }

    #[test]
    fn finds_whose_records_nobody_keeps_any_more_are_forgotten() {
        let now = instant();
        let mut dialing = Dialing::new(device(OWN));
        dialing.add(Origin::Trusted, Some(device(99)), &address(1), now);
        for number in 0..3 {
            dialing.add(Origin::Discovered, Some(device(number)), &at(&format!("10.0.0.{number}"), 1), now);
        }
        let ids = (0..2).map(ConnectionId::new_unchecked);
        let finds = dialing.due(now, 9, true, nobody).into_iter().filter(|dial| dial.device != Some(device(99)));
        for (dial, connection) in finds.zip(ids) {
            dialing.started(dial.target, connection);
        }
        dialing.forget_finds();
        assert_eq!(dialing.targets.len(), 3, "what is being dialled is waited for");
        let hosts = [0, 1].map(|host| Some(format!("10.0.0.{host}").parse().expect("an address")));
        let under_way: Vec<_> = dialing.count_finds(Target::is_dialing).into_keys().collect();
        assert_eq!(under_way, hosts, "and counts where it hangs");
        dialing.failed(ConnectionId::new_unchecked(0), now, 0);
        dialing.connected(ConnectionId::new_unchecked(1), device(1), now);
        dialing.disconnected(device(1), true, now, 0);
        let left: Vec<_> =
            dialing.due(now + BACKOFF_MAX, 9, true, nobody).into_iter().map(|dial| dial.device).collect();
        assert_eq!(left, [Some(device(99))]);
        assert_eq!(dialing.targets.len(), 1);
    }

    #[test]
    fn a_storm_of_many_hosts_leaves_each_its_place() {
        let now = instant();
        let mut dialing = Dialing::new(device(OWN));
        for number in 0..10_000 {
            let host = format!("10.0.0.{}", number % 100);
            dialing.add(Origin::Discovered, Some(device(number)), &at(&host, 1), now);
        }
        assert!(dialing.add(Origin::Discovered, Some(device(20_000)), &at("10.0.0.200", 1), now));
        assert_eq!(dialing.targets.len(), DISCOVERED_MAX);
        let kept = |host: &str| dialing.targets.values().filter(|target| target.addresses == at(host, 1)).count();
        assert_eq!(kept("10.0.0.200"), 1);
        assert!((0..100).all(|host| kept(&format!("10.0.0.{host}")) >= 1), "none was pushed out by the others");
    }

    #[test]
    fn false_finds_do_not_push_out_where_a_device_was_really_met() {
        let now = instant();
        let mut dialing = Dialing::new(device(OWN));
        let known: Vec<Multiaddr> = (1..=8).flat_map(address).collect();
        dialing.add(Origin::Trusted, Some(device(1)), &known, now);
        for port in 100..10_000 {
            dialing.add(Origin::Discovered, Some(device(1)), &address(port), now);
        }
        let dial = dialing.due(now, 9, true, nobody).pop().expect("due");
        assert_eq!(dial.addresses[..PEER_ADDRESSES_MAX / 2], known[..PEER_ADDRESSES_MAX / 2]);
        assert_eq!(dial.addresses.len(), PEER_ADDRESSES_MAX);
        assert!(dial.addresses.contains(&address(9_999)[0]), "the device may have moved: the latest is tried, too");
    }

    #[test]
    fn we_are_never_dialled() {
        let now = instant();
        let mut dialing = Dialing::new(device(OWN));
        assert!(!dialing.add(Origin::Configured, Some(device(OWN)), &address(1), now));
        dialing.add(Origin::Configured, None, &address(1), now);
        dialing.started(0, ConnectionId::new_unchecked(1));
        dialing.reached_ourselves(ConnectionId::new_unchecked(1));
        assert_eq!(dialing.due(now, 9, true, nobody), []);
    }

    #[test]
    fn an_address_that_was_asked_for_is_forgotten_after_some_tries() {
        let mut now = instant();
        let mut dialing = Dialing::new(device(OWN));
        dialing.add(Origin::Asked, None, &address(1), now);
        for attempt in 0..ASKED_TRIES_MAX as usize {
            now += BACKOFF_MAX;
            let dial = dialing.due(now, 9, true, nobody).pop().expect("due");
            dialing.started(dial.target, ConnectionId::new_unchecked(attempt));
            dialing.failed(ConnectionId::new_unchecked(attempt), now, 0);
        }
        assert_eq!(dialing.due(now + BACKOFF_MAX, 9, true, nobody), []);
    }

    #[test]
    fn devices_told_of_the_same_do_not_all_dial_the_same() {
        let now = instant();
        let mut dialled: Vec<DeviceKey> = Vec::new();
        for own in 1_000..1_050 {
            let mut dialing = Dialing::new(device(own));
            for number in 0..50 {
                dialing.add(Origin::Told, Some(device(number)), &address(1), now + TICK * u32::from(number));
            }
            dialled.extend(dialing.due(now + BACKOFF_MAX, 8, true, nobody).into_iter().filter_map(|dial| dial.device));
        }
        assert_eq!(dialled.len(), 50 * 8);
        for number in 0..50 {
            let dials = dialled.iter().filter(|dialled| **dialled == device(number)).count();
            assert!(dials <= 20, "{dials} of 50 dial device {number}");
        }
    }

    #[test]
    fn what_was_only_told_stands_behind_what_is_known_and_is_dialled_by_who_has_few_peers() {
        let now = instant();
        let mut dialing = Dialing::new(device(OWN));
        dialing.add(Origin::Told, Some(device(1)), &address(1), now);
        assert_eq!(dialing.due(now, 9, false, nobody), []);
        assert_eq!(dialing.due(now, 9, true, nobody).len(), 1);
        for port in 1..20 {
            dialing.add(Origin::Trusted, Some(device(2)), &address(port), now);
        }
        let lies: Vec<Multiaddr> = (100..120).flat_map(address).collect();
        dialing.add(Origin::Told, Some(device(2)), &lies, now);
        let dials = dialing.due(now, 9, false, nobody);
        assert_eq!(dials.len(), 1);
        let known: Vec<Multiaddr> = (16..20).rev().flat_map(address).collect();
        assert_eq!(dials[0].addresses[..PEER_ADDRESSES_MAX / 2], known, "half of the places cannot be taken");
        assert_eq!(dials[0].addresses.len(), PEER_ADDRESSES_MAX);
        for number in 10..10_000 {
            dialing.add(Origin::Told, Some(device(number)), &address(1), now);
        }
        assert_eq!(dialing.targets.len(), 1 + TOLD_MAX);
    }
}
