//! Who may have a handshake open with us: a transport around all others, which lets the oldest handshake of the busiest
//! host go when one too many calls.
//!
//! Whoever opens connections and never says a word takes places from its own host only; whoever calls from a host that
//! has fewer open always gets one. Nobody is refused for how many its host has while there is room: a whole town may
//! stand behind one router. This must never touch a connection whose handshake is done (that is `places`), nor one that
//! we dialled.
//!
//! It is a transport and no behaviour since libp2p's swarm can refuse a new handshake, but end none that has begun.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use libp2p::Multiaddr;
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use tokio::sync::oneshot;

use super::counters::Counters;
use super::keys::{busiest, neighbourhood_of};
use super::limits::PENDING_MAX;

/// An open handshake.
struct Open {
    host: IpAddr,
    /// Dropping it lets the handshake go.
    _holds: oneshot::Sender<()>,
}

/// The open handshakes by age.
#[derive(Default)]
struct Table {
    open: BTreeMap<u64, Open>,
    next: u64,
}

impl Table {
    /// Takes a place. Says its number, how it is told to let go, and whether another had to go for it.
    fn take(&mut self, host: IpAddr) -> (u64, oneshot::Receiver<()>, bool) {
        let is_full = self.open.len() >= PENDING_MAX;
        if is_full && let Some(oldest) = busiest(self.open.iter().map(|(number, open)| (*number, Some(open.host)))) {
            self.open.remove(&oldest);
        }
        let number = self.next;
        self.next += 1;
        let (holds, let_go) = oneshot::channel();
        self.open.insert(number, Open { host, _holds: holds });
        (number, let_go, is_full)
    }
}

type Shared = Arc<Mutex<Table>>;

fn lock(table: &Shared) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place, given back when the handshake is done, fails or is dropped.
struct Held {
    table: Shared,
    number: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.table).open.remove(&self.number);
    }
}

/// See the module's documentation.
pub(super) struct Doors<O> {
    inner: Boxed<O>,
    table: Shared,
    counters: Arc<Counters>,
}

impl<O> Doors<O> {
    pub(super) fn new(inner: Boxed<O>, counters: Arc<Counters>) -> Doors<O> {
        Doors { inner, table: Shared::default(), counters }
    }
}

impl<O: Send + 'static> Doors<O> {
    fn watch(
        &self,
        upgrade: <Boxed<O> as Transport>::ListenerUpgrade,
        remote: &Multiaddr,
    ) -> BoxFuture<'static, io::Result<O>> {
        // Within this process nobody attacks, and many nodes meet at one instant.
        let Some(host) = neighbourhood_of(remote) else { return Box::pin(upgrade) };
        let (number, let_go, is_full) = lock(&self.table).take(host);
        if is_full {
            self.counters.handshakes_let_go.add();
        }
        let held = Held { table: Arc::clone(&self.table), number };
        Box::pin(async move {
            let _held = held;
            tokio::select! {
                done = upgrade => done,
                _ = let_go => Err(io::Error::other("the handshake was let go for another caller")),
            }
        })
    }
}

impl<O: Send + 'static> Transport for Doors<O> {
    type Output = O;
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<O>>;
    type Dial = <Boxed<O> as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let event = std::task::ready!(Pin::new(&mut self.inner).poll(context));
        Poll::Ready(match event {
            TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr } => {
                let upgrade = self.watch(upgrade, &send_back_addr);
                TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr }
            }
            // The upgrade is of another type from here on, which only this arm would carry.
            other => other.map_upgrade(|upgrade| Box::pin(upgrade) as BoxFuture<'static, io::Result<O>>),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_the_host_that_has_most_goes_for_who_calls_next() {
        let mut table = Table::default();
        let host = |number: u8| IpAddr::from([10, 0, 0, number]);
        let (first, mut let_go, _) = table.take(host(1));
        let (_, mut honest, _) = table.take(host(2));
        let mut attackers: Vec<_> = (2..PENDING_MAX).map(|_| table.take(host(3))).collect();
        assert!(attackers.iter_mut().all(|(_, let_go, is_full)| !*is_full && let_go.try_recv().is_err()));
        for number in 4..14 {
            assert!(table.take(host(number)).2, "one had to go");
        }
        let gone = |let_go: &mut oneshot::Receiver<()>| let_go.try_recv() == Err(oneshot::error::TryRecvError::Closed);
        let left: Vec<bool> = attackers.iter_mut().map(|(_, let_go, _)| gone(let_go)).collect();
        assert!(left[..10].iter().all(|gone| *gone) && !left[10..].iter().any(|gone| *gone), "the oldest ten");
        assert!(!gone(&mut let_go) && !gone(&mut honest));
        assert!(table.open.contains_key(&first));
        assert_eq!(table.open.len(), PENDING_MAX);
    }

    #[test]
    fn a_place_is_given_back() {
        let shared = Shared::default();
        let (number, _let_go, _) = lock(&shared).take(IpAddr::from([10, 0, 0, 1]));
        drop(Held { table: Arc::clone(&shared), number });
        assert_eq!(lock(&shared).open.len(), 0);
    }
}
