//! Who holds how many connections: one address must not take the places of all the others.
//!
//! Loopback is not counted: a proxy on this machine stands for everybody, and the owner is there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use super::limits::CONNECTIONS_OF_ONE_MAX;

/// Who is connected.
#[derive(Clone, Debug)]
pub struct Crowd {
    of_one_max: usize,
    counts_loopback: bool,
    /// How many connections each address holds; none is kept that holds none.
    held: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl Default for Crowd {
    fn default() -> Crowd {
        Crowd { of_one_max: CONNECTIONS_OF_ONE_MAX, counts_loopback: false, held: Arc::default() }
    }
}

/// A connection's place; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    address: Option<IpAddr>,
    held: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl Crowd {
    /// One where each address, loopback too, may hold so many: for tests, which have no other addresses.
    pub fn of(of_one_max: usize) -> Crowd {
        Crowd { of_one_max, counts_loopback: true, held: Arc::default() }
    }

    /// A place for a connection from there, unless that address holds as many as it may.
    pub fn admit(&self, from: IpAddr) -> Option<Place> {
        let address = Some(neighbourhood(from)).filter(|address| self.counts_loopback || !address.is_loopback());
        if let Some(address) = address {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let count = held.entry(address).or_insert(0);
            if *count >= self.of_one_max {
                return None;
            }
            *count += 1;
        }
        Some(Place { address, held: Arc::clone(&self.held) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&address);
            }
        }
    }
}

/// What is one host's: an IPv4 address, or the 64-bit prefix of an IPv6 one, within which a host makes addresses up.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(long) if !long.is_loopback() => {
            let [a, b, c, d, ..] = long.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        other => other,
    }
}
