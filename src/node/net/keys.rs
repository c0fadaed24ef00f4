//! Device keys and libp2p's peer ids: the same Ed25519 key in two spellings.
//!
//! A peer id is the identity multihash of the key's protobuf form, so both directions are exact. Nothing here
//! accepts a key of another kind.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, identity};

use super::limits::ADDRESS_BYTES_MAX;
use crate::model::DeviceKey;

/// Multihash code of "identity": the digest is the key itself.
const IDENTITY_CODE: u64 = 0;
/// Protobuf of a public key: field 1 (kind) is 1 (Ed25519), field 2 (bytes) has 32 bytes.
const ED25519_PREFIX: [u8; 4] = [0x08, 0x01, 0x12, 0x20];

/// The device behind a peer id, or `None` if its key is not an Ed25519 key.
pub(super) fn device_of(peer: &PeerId) -> Option<DeviceKey> {
    let hash = peer.as_ref();
    if hash.code() != IDENTITY_CODE {
        return None;
    }
    let key = hash.digest().strip_prefix(&ED25519_PREFIX)?;
    key.try_into().ok().map(DeviceKey)
}

/// The peer id of a device, or `None` if the 32 bytes are no point of the curve.
pub(super) fn peer_of(device: &DeviceKey) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(&device.0).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

/// An address without its `/p2p/` end, and the peer that end named.
pub(super) fn split_peer(mut address: Multiaddr) -> (Multiaddr, Option<PeerId>) {
    match address.pop() {
        Some(Protocol::P2p(peer)) => (address, Some(peer)),
        Some(other) => {
            address.push(other);
            (address, None)
        }
        None => (address, None),
    }
}

/// Whether an address heard from someone else is worth dialling: direct, or through a relay.
pub(super) fn is_dialable(address: &Multiaddr) -> bool {
    address.len() <= ADDRESS_BYTES_MAX && (is_direct(address) || relay_of(address).is_some())
}

/// The relay of an address that leads through one: `<its address>/p2p/<relay>/p2p-circuit`.
pub(super) fn relay_of(address: &Multiaddr) -> Option<PeerId> {
    let mut address = address.clone();
    let (Some(Protocol::P2pCircuit), Some(Protocol::P2p(relay))) = (address.pop(), address.pop()) else { return None };
    is_direct(&address).then_some(relay)
}

/// Whether an address leads through a relay, or claims to.
pub(in crate::node) fn is_circuit(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// Whether an address is plain TCP or QUIC to a definite IP address.
///
/// An IPv6 address of the link alone (`fe80::/10`) is not: it means nothing without the interface, which no address
/// names.
pub(super) fn is_direct(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    let host_is_definite = match parts.next() {
        Some(Protocol::Ip4(ip)) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        Some(Protocol::Ip6(ip)) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_unicast_link_local(),
        _ => false,
    };
    let port_is_definite = match (parts.next(), parts.next()) {
        (Some(Protocol::Tcp(port)), None) => port != 0,
        (Some(Protocol::Udp(port)), Some(Protocol::QuicV1)) => port != 0,
        _ => false,
    };
    host_is_definite && port_is_definite && parts.next().is_none()
}

/// Whether an address means one link only (`fe80::/10`), which is of no use without the name of the interface.
pub(super) fn is_of_the_link(address: &Multiaddr) -> bool {
    matches!(address.iter().next(), Some(Protocol::Ip6(ip)) if ip.is_unicast_link_local())
}

/// The IP address of the host that an address leads to; one within this process leads to none.
pub(super) fn host_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.to_canonical()),
        _ => None,
    }
}

/// Whose place a caller takes: its host, or of an IPv6 address the /64 that any one host commands. One within this
/// process takes nobody's.
pub(super) fn neighbourhood_of(address: &Multiaddr) -> Option<IpAddr> {
    host_of(address).map(|host| match host {
        IpAddr::V4(_) => host,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    })
}

/// Who has to go for another: of the host that holds most places the one that came first; of two such hosts, of the one
/// that came first. Handed in by age.
pub(super) fn busiest<T: Copy + Ord>(callers: impl Iterator<Item = (T, Option<IpAddr>)>) -> Option<T> {
    let mut hosts: BTreeMap<Option<IpAddr>, (usize, Reverse<T>)> = BTreeMap::new();
    for (caller, host) in callers {
        hosts.entry(host).or_insert((0, Reverse(caller))).0 += 1;
    }
    hosts.into_values().max().map(|(_, Reverse(oldest))| oldest)
}

/// Whether an address means the same host to everyone: none of those that each network gives anew (RFC 1918, RFC 4193,
/// RFC 6598), of the link, or of the machine.
pub(super) fn is_of_everyone(address: &Multiaddr) -> bool {
    match host_of(address) {
        Some(IpAddr::V4(ip)) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            let is_local = ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared;
            !is_local && is_dialable(address)
        }
        Some(IpAddr::V6(ip)) => !ip.is_loopback() && !ip.is_unique_local() && is_dialable(address),
        None => false,
    }
}

/// Whether an address means this machine only.
pub(super) fn is_loopback(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_both_ways() {
        let keypair = identity::Keypair::generate_ed25519();
        let peer = keypair.public().to_peer_id();
        let device = device_of(&peer).expect("an Ed25519 peer id names its key");
        assert_eq!(peer_of(&device), Some(peer));
    }

    #[test]
    fn other_kinds_are_refused() {
        // A random peer id is an identity hash of arbitrary bytes, and no key.
        assert_eq!(device_of(&PeerId::random()), None);
    }

    #[test]
    fn the_busiest_neighbourhood_gives_its_oldest_and_among_equals_the_oldest_goes() {
        let at = |text: &str| neighbourhood_of(&text.parse().expect("a well-formed address"));
        let callers = [
            at("/ip4/10.0.0.9/tcp/1"),
            at("/ip6/2001:db8:1:2::1/tcp/1"),
            at("/ip6/::ffff:10.0.0.9/udp/7/quic-v1"),
            at("/ip6/2001:db8:1:2:ffff::9/tcp/1"),
            at("/ip6/2001:db8:1:2::7/udp/7/quic-v1"),
            at("/ip6/2001:db8:1:3::1/tcp/1"),
        ];
        assert_eq!(busiest(callers.into_iter().enumerate()), Some(1), "three of one /64");
        assert_eq!(busiest(callers[..4].iter().copied().enumerate()), Some(0), "two and two");
        assert_eq!(busiest(callers[4..].iter().copied().enumerate()), Some(0), "one and one");
        assert_eq!(busiest(std::iter::empty::<(u8, _)>()), None);
        assert_eq!(at("/memory/7"), None);
    }

    #[test]
    fn addresses_are_judged() {
        let cases = [
            ("/ip4/192.168.1.7/tcp/4001", true),
            ("/ip6/fd00::1/tcp/4001", true),
            ("/ip6/fe80::1/tcp/4001", false),
            ("/ip4/192.168.1.7/udp/4001/quic-v1", true),
            ("/ip6/fd00::1/udp/4001/quic-v1", true),
            ("/ip4/192.168.1.7/udp/0/quic-v1", false),
            ("/ip4/192.168.1.7/udp/4001/quic-v1/ws", false),
            ("/memory/7", false),
            ("/ip4/0.0.0.0/tcp/4001", false),
            ("/ip4/192.168.1.7/tcp/0", false),
            ("/ip4/192.168.1.7/udp/4001", false),
            ("/ip4/224.0.0.1/tcp/4001", false),
            ("/ip4/192.168.1.7/tcp/4001/ws", false),
        ];
        for (text, expected) in cases {
            let address: Multiaddr = text.parse().expect("a well-formed address");
            assert_eq!((is_dialable(&address), is_direct(&address)), (expected, expected), "{text}");
        }
    }

    #[test]
    fn a_circuit_leads_through_one_relay_that_is_dialable() {
        let relay = identity::Keypair::generate_ed25519().public().to_peer_id();
        let of = |text: String| text.parse::<Multiaddr>().expect("a well-formed address");
        let circuit = of(format!("/ip4/203.0.113.7/tcp/1/p2p/{relay}/p2p-circuit"));
        assert_eq!((relay_of(&circuit), is_dialable(&circuit), is_direct(&circuit)), (Some(relay), true, false));
        for text in [
            format!("/p2p/{relay}/p2p-circuit"),
            "/p2p-circuit".to_owned(),
            "/ip4/203.0.113.7/tcp/1/p2p-circuit".to_owned(),
            format!("/ip4/203.0.113.7/tcp/0/p2p/{relay}/p2p-circuit"),
            format!("{circuit}/p2p/{relay}/p2p-circuit"),
            format!("{circuit}/p2p-circuit"),
            format!("{circuit}/ip4/203.0.113.7/tcp/1"),
        ] {
            let address = of(text.clone());
            assert_eq!(
                (relay_of(&address), is_dialable(&address), is_circuit(&address)),
                (None, false, true),
                "{text}"
            );
        }
    }

    #[test]
    fn addresses_that_each_network_gives_anew_are_not_everyones() {
        let cases = [
            ("/ip4/203.0.113.7/tcp/1", true),
            ("/ip6/2001:db8::1/udp/1/quic-v1", true),
            ("/ip4/100.128.0.1/tcp/1", true),
            ("/ip4/100.64.0.1/tcp/1", false),
            ("/ip4/10.0.0.1/tcp/1", false),
            ("/ip4/169.254.0.1/tcp/1", false),
            ("/ip4/127.0.0.1/tcp/1", false),
            ("/ip6/::1/tcp/1", false),
            ("/ip6/fd00::1/tcp/1", false),
            ("/ip6/fe80::1/tcp/1", false),
            ("/memory/7", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_of_everyone(&text.parse().expect("a well-formed address")), expected, "{text}");
        }
    }
}
