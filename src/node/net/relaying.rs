//! What a relay carries for devices that cannot reach each other: circuits (libp2p circuit relay v2), for devices that we
//! trust and for nobody else.
//!
//! Trust is asked at every reservation and at every circuit, not once at the connection: a device is known for one of ours
//! some moments after it has called. One that is banned loses its connection, and with it all that hung on that.
//!
//! <https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md>

use std::num::NonZeroU32;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId, relay};

use super::limits::{
    CIRCUIT_BYTES_MAX, CIRCUIT_PAUSE, CIRCUIT_TIME_MAX, CIRCUITS_AT_ONCE, CIRCUITS_MAX, CIRCUITS_PER_PEER_MAX,
    RELAY_INCOMING_MAX, RESERVATION_PAUSE, RESERVATION_TIME, RESERVATIONS_AT_ONCE, RESERVATIONS_PER_PEER_MAX,
};
use super::trusted::Trusted;

/// What one circuit may carry before it ends; its two devices open another and go on where they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitLimits {
    /// Bytes of both directions together.
    pub bytes: u64,
    /// How long it may last, in whole seconds.
    pub time: Duration,
}

impl Default for CircuitLimits {
    fn default() -> CircuitLimits {
        CircuitLimits { bytes: CIRCUIT_BYTES_MAX, time: CIRCUIT_TIME_MAX }
    }
}

/// The relay's part of the circuits.
pub(super) fn new(own: PeerId, limits: CircuitLimits, trusted: &Trusted) -> relay::Behaviour {
    let only_trusted = || {
        let trusted = trusted.clone();
        Box::new(move |peer: PeerId, _: &Multiaddr, _| trusted.contains(&peer)) as Box<dyn relay::RateLimiter>
    };
    // Not counted by address, as the library would: a whole town may stand behind one router.
    let config = relay::Config {
        max_reservations: RELAY_INCOMING_MAX,
        max_reservations_per_peer: RESERVATIONS_PER_PEER_MAX,
        reservation_duration: RESERVATION_TIME,
        reservation_rate_limiters: vec![only_trusted()],
        max_circuits: CIRCUITS_MAX,
        max_circuits_per_peer: CIRCUITS_PER_PEER_MAX,
        max_circuit_duration: limits.time,
        max_circuit_bytes: limits.bytes,
        circuit_src_rate_limiters: vec![only_trusted()],
    };
    let at_once = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    let config = config
        .reservation_rate_per_peer(at_once(RESERVATIONS_AT_ONCE), RESERVATION_PAUSE)
        .circuit_src_per_peer(at_once(CIRCUITS_AT_ONCE), CIRCUIT_PAUSE);
    let mut relay = relay::Behaviour::new(own, config);
    // By itself the library would offer nothing before it knows an address of ours to be reachable from outside.
    relay.set_status(Some(relay::Status::Enable));
    relay
}
