//! Circuits, seen from a device that others may not be able to reach: it reserves a place at relays that it trusts, and
//! tells of it like of its other addresses.
//!
//! | when | what |
//! | --- | --- |
//! | a trusted peer to which we have a direct connection says that it carries circuits | a place is asked for |
//! | we are reached from outside without (`--public`, or found so by AutoNAT) | none is asked for |
//! | the place is refused, or lost with its connection | asked for again after a pause, there or at another relay |
//!
//! A circuit is dialled through relays only to which there is a connection already (`dialing`): what anybody tells of a
//! relay's address makes us dial nothing.

use std::collections::BTreeMap;
use std::time::Instant;

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use tracing::{debug, info};

use super::keys::{device_of, split_peer};
use super::limits::{RELAYS_USED_MAX, RESERVE_AGAIN};
use super::network::Network;
use crate::node::clock::instant;

/// A place at a relay.
struct Place {
    listener: ListenerId,
    relay: PeerId,
    is_held: bool,
}

/// The places of this device.
#[derive(Default)]
pub(super) struct Places {
    /// Whether others may be unable to reach this device; they may have been found to reach it all the same.
    is_behind: bool,
    places: Vec<Place>,
    /// Relays that are not asked before this time.
    paused: BTreeMap<PeerId, Instant>,
}

impl Places {
    /// `is_behind` says whether others may be unable to reach this device.
    pub(super) fn new(is_behind: bool) -> Places {
        Places { is_behind, ..Places::default() }
    }

    /// Whether this listener is a place at a relay.
    fn find(&mut self, listener: ListenerId) -> Option<&mut Place> {
        self.places.iter_mut().find(|place| place.listener == listener)
    }
}

impl Network {
    /// Asks for places at relays, as long as there are fewer than there should be.
    pub(super) fn reserve_places(&mut self, now: Instant) {
        self.circuits.paused.retain(|_, until| *until > now);
        // A place that is held stays until its connection ends, needed or not: the library fails if one is given up at the
        // instant at which it is prolonged.
        let is_reached = !self.circuits.is_behind || !self.listening.borrow().confirmed.is_empty();
        if is_reached || self.circuits.places.len() >= RELAYS_USED_MAX {
            return;
        }
        let is_open = |relay: &PeerId| {
            !self.circuits.paused.contains_key(relay) && self.circuits.places.iter().all(|place| place.relay != *relay)
        };
        let trusted = self.sessions.iter().filter(|(device, _)| self.is_trusted(device));
        let relays = trusted.filter_map(|(_, session)| Some((session.peer, session.to_relay()?.address.clone())));
        let Some((relay, address)) = relays.into_iter().find(|(relay, _)| is_open(relay)) else { return };
        self.circuits.paused.insert(relay, now + RESERVE_AGAIN);
        match self.swarm.listen_on(address.with(Protocol::P2p(relay)).with(Protocol::P2pCircuit)) {
            Ok(listener) => self.circuits.places.push(Place { listener, relay, is_held: false }),
            Err(error) => debug!(%relay, %error, "no place at this relay"),
        }
    }

    /// A relay has given us a place. Says whether the listener is one; of the relay's addresses the first is told.
    pub(super) fn place_given(&mut self, listener: ListenerId, address: &Multiaddr) -> bool {
        let Some(place) = self.circuits.find(listener) else { return false };
        if !std::mem::replace(&mut place.is_held, true) {
            let relay = place.relay;
            // It ends in our key already.
            let own = self.with_own_peer(split_peer(address.clone()).0);
            info!(relay = ?device_of(&relay), "reached through a relay");
            self.listening.send_modify(|state| state.circuits.push((listener, own)));
        }
        true
    }

    /// A listener has closed. Says whether it was a place at a relay.
    pub(super) fn place_lost(&mut self, listener: ListenerId, error: &str) -> bool {
        let Some(at) = self.circuits.places.iter().position(|place| place.listener == listener) else { return false };
        let place = self.circuits.places.remove(at);
        debug!(relay = %place.relay, %error, was_held = place.is_held, "no place at this relay any more");
        self.circuits.paused.insert(place.relay, instant() + RESERVE_AGAIN);
        self.listening.send_modify(|state| state.circuits.retain(|(known, _)| *known != listener));
        true
    }

    /// Relays through which a circuit can be dialled at this moment.
    pub(super) fn relays_at_hand(&self) -> Vec<PeerId> {
        let trusted = self.sessions.iter().filter(|(device, _)| self.is_trusted(device));
        trusted.filter(|(_, session)| session.to_relay().is_some()).map(|(_, session)| session.peer).collect()
    }

    /// How many circuits we have dialled.
    pub(super) fn circuits_dialled(&self) -> usize {
        let links = self.sessions.values().flat_map(|session| session.connections.values());
        links.filter(|link| link.is_circuit && link.is_ours).count()
    }
}
