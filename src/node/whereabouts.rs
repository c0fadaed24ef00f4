//! Where the devices of a network can be dialled, told by each of them about itself, sealed, by gossip.
//!
//! Without it, devices that joined through one inviter and hear no mDNS know that inviter only, and lose each other
//! when it stops. What is told is a hint and nothing more: whoever answers at such an address still has to prove its
//! key, and a false hint costs some dials. It must never replace what was proven, and never count for a device that
//! the network has not certified.

use std::sync::Arc;
use std::time::Duration;

use minicbor::{Decode, Encode};
use tokio::time::Instant;

use super::net::Multiaddr;
use super::net::limits::{ADDRESS_BYTES_MAX, PEER_ADDRESSES_MAX};
use crate::model::DeviceKey;

/// How soon after a new peer it is told: its subscription to the gossip comes some moments after the connection.
const SOON: Duration = Duration::from_secs(2);
/// How often it is told at most, however many peers come and go.
const PAUSE_MIN: Duration = Duration::from_secs(10);
/// How often it is told in any case, for those who missed it: with fifty devices some two megabytes a day.
const PAUSE_MAX: Duration = Duration::from_secs(900);

/// Tells where this device is reachable at the moment of asking.
pub(super) type Reachable = Arc<dyn Fn() -> Vec<Multiaddr> + Send + Sync>;

#[derive(Encode, Decode)]
#[cbor(array)]
struct Told {
    #[cbor(n(0), with = "minicbor::bytes")]
    device: [u8; 32],
    #[n(1)]
    addresses: Vec<String>,
}

/// When to tell, and what.
pub(super) struct Whereabouts {
    own: DeviceKey,
    reachable: Reachable,
    due: Instant,
    told_at: Option<Instant>,
    last: Vec<Multiaddr>,
}

impl Whereabouts {
    pub fn new(own: DeviceKey, reachable: Reachable, now: Instant) -> Whereabouts {
        Whereabouts { own, reachable, due: now + PAUSE_MAX, told_at: None, last: Vec::new() }
    }

    /// Someone new is there, who may not know.
    pub fn met(&mut self, now: Instant) {
        let earliest = self.told_at.map_or(now, |at| at + PAUSE_MIN);
        self.due = self.due.min(earliest.max(now + SOON));
    }

    /// What is to be told now, if anything.
    pub fn tell(&mut self, now: Instant) -> Option<Vec<u8>> {
        let may = self.told_at.is_none_or(|at| now >= at + PAUSE_MIN);
        let is_due = now >= self.due;
        // Before the first telling nobody has heard anything that could have changed.
        let looks = is_due || (may && self.told_at.is_some());
        if !looks {
            return None;
        }
        let addresses = (self.reachable)();
        if !is_due && addresses == self.last {
            return None;
        }
        self.told_at = Some(now);
        self.due = now + PAUSE_MAX;
        self.last.clone_from(&addresses);
        encode(self.own, &addresses)
    }
}

fn encode(device: DeviceKey, addresses: &[Multiaddr]) -> Option<Vec<u8>> {
    let is_local = |address: &&Multiaddr| {
        let text = address.to_string();
        text.starts_with("/ip4/127.") || text.starts_with("/ip6/::1/")
    };
    // An address of this machine is of use to its neighbours on it only, and where it has no other.
    let mut useful: Vec<&Multiaddr> = addresses.iter().filter(|address| !is_local(address)).collect();
    if useful.is_empty() {
        useful = addresses.iter().collect();
    }
    let addresses = useful.into_iter().take(PEER_ADDRESSES_MAX).map(Multiaddr::to_string).collect::<Vec<_>>();
    if addresses.is_empty() {
        return None;
    }
    minicbor::to_vec(Told { device: device.0, addresses }).ok()
}

/// Who is where, as told. `None` where it is no such message, or names more than one may.
pub(super) fn decode(bytes: &[u8]) -> Option<(DeviceKey, Vec<Multiaddr>)> {
    // An address in text is at most some four times as long as in bytes.
    if bytes.len() > 64 + PEER_ADDRESSES_MAX * ADDRESS_BYTES_MAX * 4 {
        return None;
    }
    let told: Told = minicbor::decode(bytes).ok()?;
    if told.addresses.len() > PEER_ADDRESSES_MAX {
        return None;
    }
    let addresses = told.addresses.iter().filter_map(|address| address.parse().ok()).collect();
    Some((DeviceKey(told.device), addresses))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
        texts.iter().map(|text| text.parse().expect("a well-formed address")).collect()
    }

    #[test]
    fn what_is_told_is_read_and_bounded() {
        let here = addresses(&["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.7/tcp/1"]);
        let told = encode(DeviceKey([7; 32]), &here).expect("there is something to tell");
        assert_eq!(decode(&told), Some((DeviceKey([7; 32]), addresses(&["/ip4/10.0.0.7/tcp/1"]))));
        for length in 0..told.len() {
            assert_eq!(decode(&told[..length]), None, "cut at {length}");
        }
        let many = vec!["/ip4/10.0.0.7/tcp/1".to_owned(); PEER_ADDRESSES_MAX + 1];
        let many = minicbor::to_vec(Told { device: [7; 32], addresses: many }).expect("memory");
        assert_eq!(decode(&many), None);
        let local = addresses(&["/ip4/127.0.0.1/tcp/1"]);
        assert!(encode(DeviceKey([7; 32]), &local).is_some(), "a neighbour on this machine can use it");
    }

    #[test]
    fn it_is_told_to_who_comes_and_when_it_changes_and_no_more_often() {
        let now = Instant::now();
        let place = Arc::new(std::sync::Mutex::new(addresses(&["/ip4/10.0.0.7/tcp/1"])));
        let shown = Arc::clone(&place);
        let reachable: Reachable = Arc::new(move || shown.lock().expect("not poisoned").clone());
        let mut here = Whereabouts::new(DeviceKey([7; 32]), reachable, now);
        assert!(here.tell(now + SOON).is_none(), "nobody is there");
        here.met(now);
        assert!(here.tell(now).is_none(), "not heard yet");
        assert!(here.tell(now + SOON).is_some());
        here.met(now + SOON);
        assert!(here.tell(now + SOON + SOON).is_none(), "not twice in a moment");
        let later = now + SOON + PAUSE_MIN;
        assert!(here.tell(later).is_some());
        assert!(here.tell(later + PAUSE_MIN).is_none(), "nothing is new");
        *place.lock().expect("not poisoned") = addresses(&["/ip4/10.0.0.8/tcp/1"]);
        assert!(here.tell(later + PAUSE_MIN).is_some(), "the address changed");
        assert!(here.tell(later + PAUSE_MIN + PAUSE_MAX).is_some(), "for those who missed it");
    }
}
