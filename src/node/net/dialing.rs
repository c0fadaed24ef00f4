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
//! beforehand. Nothing here dials ourselves, and no target is dialled while its peer is connected directly or banned. A
//! circuit through a relay is dialled where nothing else was of use, and only through relays that are at hand.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

use super::keys::{host_of, is_circuit, relay_of};
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
    Waiting {
        until: Instant,
    },
    Dialing {
        connection: ConnectionId,
        /// Whether through a relay, too.
        by_circuit: bool,
    },
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

    fn is_dialing_as(&self, connection: ConnectionId) -> bool {
        matches!(self.state, State::Dialing { connection: ours, .. } if ours == connection)
    }

    /// Whether it is we who are there, and nobody else can be.
    fn is_ours(&self, sight: &Sight<'_>) -> bool {
        self.device.is_none() && self.addresses.iter().all(|address| sight.own.contains(address))
    }

    /// Where it is to be dialled as things stand. A circuit is the last resort: taken once a direct dial has failed, and
    /// left alone where there is one already; what may be a shorter way is tried meanwhile.
    fn addresses_in(&self, sight: &Sight<'_>) -> Vec<Multiaddr> {
        let reach = self.peer().map_or(Reach::Not, |peer| (sight.reach)(&peer));
        // In another shop's network the address of a device may be ours: most routers give the same ones.
        let is_direct = |address: &Multiaddr| !is_circuit(address) && !sight.own.contains(address);
        let has_direct = self.addresses.iter().any(is_direct);
        let (direct, circuits) = match reach {
            Reach::Direct | Reach::Banned => (false, false),
            Reach::Circuit => (true, false),
            Reach::Not => (true, self.failures > 0 || !has_direct),
        };
        let is_usable = |address: &&Multiaddr| match relay_of(address) {
            Some(relay) => circuits && (sight.is_relay)(&relay),
            None => direct && is_direct(address),
        };
        self.addresses.iter().filter(is_usable).cloned().collect()
    }
}

/// How a peer is reached at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Not,
    Circuit,
    Direct,
    Banned,
}

/// What of the network's state decides about dials.
pub(super) struct Sight<'a> {
    /// Whether there are few peers.
    pub(super) wants_more: bool,
    /// How many circuits there should be beyond those that there are.
    pub(super) circuits_wanted: usize,
    /// Whether circuits can be dialled through this relay.
    pub(super) is_relay: &'a dyn Fn(&PeerId) -> bool,
    /// Where we listen ourselves: from our own port to our own port TCP would meet itself, and no handshake would tell.
    pub(super) own: &'a [Multiaddr],
    /// How a device is reached.
    pub(super) reach: &'a dyn Fn(&DeviceKey) -> Reach,
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

    /// Up to `max` dials that are due, the best origins first. Those only told of are dialled where more peers are wanted.
    /// Each dial must be answered by [`Dialing::started`], or by [`Dialing::is_ours`] if it has no address left.
    pub(super) fn due(&self, now: Instant, max: usize, sight: &Sight<'_>) -> Vec<Dial> {
        let in_flight: Vec<DeviceKey> =
            self.targets.values().filter(|target| target.is_dialing()).filter_map(Target::peer).collect();
        let mut finds_under_way = self.count_finds(Target::is_dialing);
        let mut finds_allowed = DISCOVERED_DIALS_MAX.saturating_sub(finds_under_way.values().sum());
        let is_by_circuit = |target: &&Target| matches!(target.state, State::Dialing { by_circuit: true, .. });
        let under_way = self.targets.values().filter(is_by_circuit).count();
        let mut circuits_allowed = sight.circuits_wanted.saturating_sub(under_way);
        // Of the finds those go first at whose host least has failed or hangs.
        let in_vain = self.count_finds(|target| target.failures > 0 || target.is_dialing());
        let mut due: Vec<(Origin, usize, Instant, TargetId, Vec<Multiaddr>)> = Vec::new();
        for (id, target) in &self.targets {
            let State::Waiting { until } = target.state else { continue };
            let is_wanted = sight.wants_more || target.origin != Origin::Told;
            let is_in_flight = target.peer().is_some_and(|peer| in_flight.contains(&peer));
            if until > now || !is_wanted || is_in_flight {
                continue;
            }
            let addresses = target.addresses_in(sight);
            if addresses.is_empty() && !target.is_ours(sight) {
                continue;
            }
            let behind = match target.origin {
                Origin::Discovered => in_vain.get(&target.host).copied().unwrap_or_default(),
                _ if target.origin == Origin::Told || addresses.iter().any(is_circuit) => self.place_among(target),
                _ => 0,
            };
            due.push((target.origin, behind, until, *id, addresses));
        }
        due.sort();
        let mut dials: Vec<Dial> = Vec::new();
        // An address whose key was met and the address book's entry for that key are one peer: one dial.
        let mut picked: Vec<DeviceKey> = Vec::new();
        for (origin, _, _, id, mut addresses) in due {
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
            if addresses.iter().any(is_circuit) {
                if circuits_allowed == 0 {
                    addresses.retain(|address| !is_circuit(address));
                }
                circuits_allowed = circuits_allowed.saturating_sub(1);
            }
            if addresses.is_empty() && !target.is_ours(sight) {
                continue;
            }
            picked.extend(target.peer());
            dials.push(Dial { target: id, device: target.device, addresses });
        }
        dials
    }

    /// Each device has an order of its own in which it dials those it was told of, and those it reaches through a relay.
    /// Else all would dial who spoke first, and that one, perhaps a phone, would keep connections with all.
    fn place_among(&self, target: &Target) -> usize {
        let key = target.peer().map_or([0; 32], |device| device.0);
        let hash = blake3::keyed_hash(&self.own.0, &key);
        usize::from(u16::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]))
    }

    /// A dial was begun as this connection.
    pub(super) fn started(&mut self, dial: &Dial, connection: ConnectionId) {
        if let Some(target) = self.targets.get_mut(&dial.target) {
            target.state = State::Dialing { connection, by_circuit: dial.addresses.iter().any(is_circuit) };
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

    /// All addresses of a target without a key are ours: it is of no use.
    pub(super) fn is_ours(&mut self, id: TargetId) {
        self.targets.remove(&id);
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
            if target.is_dialing_as(connection) {
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
        targets.find(|(_, target)| target.is_dialing_as(connection)).map(|(id, _)| *id)
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
mod tests;
