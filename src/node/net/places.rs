//! Which of those who called us keep their connections when places run out.
//!
//! A device that we trust gets in as long as not all places are held by devices that we trust. Strangers (a joiner is
//! one, until it has joined) share a part of the places among hosts: for one too many the oldest of the host that has
//! most is let go. This must never end a connection of a trusted device, nor one that we dialled, and never judges who is
//! to be trusted.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use thiserror::Error;

use super::counters::Counters;
use super::keys::{busiest, neighbourhood_of};
use super::limits::STRANGERS_MAX;
use super::trusted::Trusted;

/// Why a connection was not taken.
#[derive(Debug, Error)]
#[error("every place is held by a trusted device")]
struct Full;

/// A connection that somebody opened to us.
#[derive(Debug)]
struct Caller {
    peer: PeerId,
    host: Option<IpAddr>,
}

/// See the module's documentation.
pub(super) struct Behaviour {
    trusted: Trusted,
    /// How many there are.
    count: usize,
    /// By age; those being let go are not in it any more.
    callers: BTreeMap<ConnectionId, Caller>,
    let_go: VecDeque<(PeerId, ConnectionId)>,
    counters: Arc<Counters>,
}

impl Behaviour {
    pub(super) fn new(count: usize, trusted: Trusted, counters: Arc<Counters>) -> Behaviour {
        Behaviour { trusted, count, callers: BTreeMap::new(), let_go: VecDeque::new(), counters }
    }

    fn strangers(&self) -> impl Iterator<Item = (ConnectionId, Option<IpAddr>)> {
        let strangers = self.callers.iter().filter(|(_, caller)| !self.trusted.contains(&caller.peer));
        strangers.map(|(connection, caller)| (*connection, caller.host))
    }

    /// Makes room for one more. Says whether there is any.
    fn make_room(&mut self, peer: &PeerId) -> bool {
        let has_room = if self.trusted.contains(peer) {
            self.callers.len() < self.count
        } else {
            self.strangers().count() < STRANGERS_MAX && self.callers.len() < self.count
        };
        if has_room {
            return true;
        }
        let Some(connection) = busiest(self.strangers()) else { return false };
        if let Some(caller) = self.callers.remove(&connection) {
            self.let_go.push_back((caller.peer, connection));
            self.counters.strangers_let_go.add();
        }
        true
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if self.make_room(&peer) { Ok(dummy::ConnectionHandler) } else { Err(ConnectionDenied::new(Full)) }
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            // Counted here, since another behaviour may have refused it after us.
            FromSwarm::ConnectionEstablished(made) => {
                if let ConnectedPoint::Listener { send_back_addr, .. } = made.endpoint {
                    let caller = Caller { peer: made.peer_id, host: neighbourhood_of(send_back_addr) };
                    self.callers.insert(made.connection_id, caller);
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                self.callers.remove(&closed.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // The swarm asks again after each connection, so no waker is kept.
        match self.let_go.pop_front() {
            Some((peer_id, connection)) => {
                Poll::Ready(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::One(connection) })
            }
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::INCOMING_MAX;
    use super::*;

    struct Door {
        places: Behaviour,
        next: usize,
    }

    impl Door {
        fn new() -> Door {
            Door { places: Behaviour::new(INCOMING_MAX, Trusted::default(), Arc::default()), next: 0 }
        }

        /// A peer calls; says its connection, if it was taken.
        fn call(&mut self, peer: PeerId, host: &str) -> Option<ConnectionId> {
            let local_addr: Multiaddr = "/ip4/10.0.0.1/tcp/1".parse().expect("an address");
            let send_back_addr: Multiaddr = format!("/ip4/{host}/tcp/9").parse().expect("an address");
            let connection = ConnectionId::new_unchecked(self.next);
            self.next += 1;
            self.places.handle_established_inbound_connection(connection, peer, &local_addr, &send_back_addr).ok()?;
            let endpoint = ConnectedPoint::Listener { local_addr, send_back_addr };
            self.places.on_swarm_event(FromSwarm::ConnectionEstablished(
                libp2p::swarm::behaviour::ConnectionEstablished {
                    peer_id: peer,
                    connection_id: connection,
                    endpoint: &endpoint,
                    failed_addresses: &[],
                    other_established: 0,
                },
            ));
            Some(connection)
        }
    }

    #[test]
    fn strangers_share_their_part_and_the_oldest_of_the_busiest_host_goes() {
        let mut door = Door::new();
        let joiner = door.call(PeerId::random(), "10.0.0.2").expect("room");
        let silent: Vec<_> = (0..500).map(|_| door.call(PeerId::random(), "10.0.0.3").expect("room is made")).collect();
        assert_eq!(door.places.callers.len(), STRANGERS_MAX);
        assert!(door.places.callers.contains_key(&joiner));
        assert!(door.places.callers.contains_key(&silent[499]));
        assert_eq!(door.places.let_go.len(), 501 - STRANGERS_MAX);
        assert_eq!(door.places.let_go[0].1, silent[0], "the oldest goes first");
    }

    #[test]
    fn who_is_trusted_is_never_let_go_and_takes_the_places_of_strangers() {
        let mut door = Door::new();
        let ours: Vec<PeerId> = (0..=INCOMING_MAX).map(|_| PeerId::random()).collect();
        door.places.trusted.replace(ours.iter().copied().collect());
        for _ in 0..STRANGERS_MAX {
            door.call(PeerId::random(), "10.0.0.3").expect("room");
        }
        for peer in &ours[..INCOMING_MAX] {
            door.call(*peer, "10.0.0.4").expect("room");
        }
        assert_eq!(door.places.let_go.len(), STRANGERS_MAX);
        assert_eq!(door.places.callers.len(), INCOMING_MAX);
        assert_eq!(door.call(ours[INCOMING_MAX], "10.0.0.4"), None, "there is an end to it");
        assert_eq!(door.call(PeerId::random(), "10.0.0.5"), None);
    }
}
