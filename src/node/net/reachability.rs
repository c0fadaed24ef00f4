//! Whether others reach this device from outside (AutoNAT v2): a device asks a relay to call it at the address that it
//! seems to have, and the relay does.
//!
//! The two halves are libp2p's, each behind a fence of ours:
//!
//! - a device asks about addresses only that mean anything beyond its own network, and about so many and no more: anyone it
//!   is connected with may claim to see it at another one;
//! - a relay calls devices back that it trusts, at the host from which they called: nobody makes it call others.
//!
//! <https://github.com/libp2p/specs/blob/master/autonat/autonat-v2.md>

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::task::{Context, Poll, ready};

use libp2p::autonat::v2::{client, server};
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure, NewExternalAddrCandidate};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use thiserror::Error;

use super::keys::{host_of, is_of_everyone};
use super::limits::{ASKS_PER_ADDRESS, CANDIDATES_MAX};
use super::trusted::Trusted;

/// The half that asks.
#[derive(Default)]
pub(super) struct Client {
    inner: client::Behaviour,
    /// The library keeps all of which it hears.
    asked: BTreeSet<Multiaddr>,
    /// How often it has asked.
    asks: usize,
}

impl Client {
    /// Whether an address is worth asking about.
    fn is_taken(&mut self, address: &Multiaddr) -> bool {
        if !is_of_everyone(address) {
            return false;
        }
        self.asked.contains(address) || (self.asked.len() < CANDIDATES_MAX && self.asked.insert(address.clone()))
    }

    /// Whether it may ask once more. Behind a router that answers nothing a relay's call takes longer than the library waits
    /// for it, and the library would ask again every few seconds as long as it runs: at a relay of some hundred devices
    /// these calls would leave no room for its own.
    fn may_ask(&mut self) -> bool {
        let may = self.asks < self.asked.len() * ASKS_PER_ADDRESS;
        self.asks += usize::from(may);
        may
    }
}

impl NetworkBehaviour for Client {
    type ConnectionHandler = THandler<client::Behaviour>;
    type ToSwarm = client::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr }) = event
            && !self.is_taken(addr)
        {
            return;
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            match ready!(self.inner.poll(context)) {
                // Its only word to a connection is a question. One that is not asked is waited for without end.
                ToSwarm::NotifyHandler { .. } if !self.may_ask() => {}
                action => return Poll::Ready(action),
            }
        }
    }
}

/// Why a device is not called back.
#[derive(Debug, Error)]
#[error("a device is called back at the host only from which it called")]
struct Elsewhere;

/// The half that calls back.
pub(super) struct Server {
    inner: server::Behaviour,
    trusted: Trusted,
    /// From where devices have called.
    callers: BTreeMap<ConnectionId, Caller>,
    /// Calls back, under way or made.
    calls: BTreeSet<ConnectionId>,
}

/// Who has called, and from where.
struct Caller {
    peer: PeerId,
    host: Option<IpAddr>,
}

impl Server {
    pub(super) fn new(trusted: Trusted) -> Server {
        Server { inner: server::Behaviour::default(), trusted, callers: BTreeMap::new(), calls: BTreeSet::new() }
    }

    /// Whether this connection is a call back, and of no use for anything else.
    pub(super) fn is_call_back(&self, connection: ConnectionId) -> bool {
        self.calls.contains(&connection)
    }

    fn may_call(&self, peer: Option<PeerId>, addresses: &[Multiaddr]) -> bool {
        let Some(peer) = peer.filter(|peer| self.trusted.contains(peer)) else { return false };
        let is_at = |host| self.callers.values().any(|caller| caller.peer == peer && caller.host == host);
        addresses.iter().map(host_of).all(|host| host.is_some() && is_at(host))
    }
}

impl NetworkBehaviour for Server {
    type ConnectionHandler = THandler<server::Behaviour>;
    type ToSwarm = server::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.calls.contains(&connection) && !self.may_call(peer, addresses) {
            return Err(ConnectionDenied::new(Elsewhere));
        }
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, endpoint, .. })
                if endpoint.is_listener() =>
            {
                let caller = Caller { peer: *peer_id, host: host_of(endpoint.get_remote_address()) };
                self.callers.insert(*connection_id, caller);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
            | FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                self.callers.remove(connection_id);
                self.calls.remove(connection_id);
            }
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        let action = ready!(self.inner.poll(context));
        if let ToSwarm::Dial { opts } = &action {
            // It dials for nothing else.
            self.calls.insert(opts.connection_id());
        }
        Poll::Ready(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a well-formed address")
    }

    #[test]
    fn only_so_many_addresses_and_only_those_that_others_could_use_are_asked_about() {
        let mut client = Client::default();
        for private in ["/ip4/192.168.1.7/tcp/1", "/ip4/127.0.0.1/tcp/1", "/ip6/fd00::1/tcp/1", "/ip4/100.64.0.1/tcp/1"]
        {
            assert!(!client.is_taken(&address(private)), "{private}");
        }
        let claimed = |port: usize| address(&format!("/ip4/203.0.113.7/tcp/{port}"));
        let taken = (1..1_000).filter(|port| client.is_taken(&claimed(*port))).count();
        assert_eq!(taken, CANDIDATES_MAX);
        assert!(client.is_taken(&claimed(1)), "what was asked about once may be confirmed again");
        assert_eq!((0..1_000).filter(|_| client.may_ask()).count(), CANDIDATES_MAX * ASKS_PER_ADDRESS);
    }

    #[test]
    fn a_relay_calls_back_whom_it_trusts_at_the_host_that_called_and_nobody_else() {
        let (ours, stranger) = (PeerId::random(), PeerId::random());
        let trusted = Trusted::default();
        trusted.replace(BTreeSet::from([ours]));
        let mut server = Server::new(trusted);
        for (number, peer) in [ours, stranger].into_iter().enumerate() {
            let host = host_of(&address("/ip4/203.0.113.7/tcp/9"));
            server.callers.insert(ConnectionId::new_unchecked(number), Caller { peer, host });
        }
        let back = ConnectionId::new_unchecked(7);
        server.calls.insert(back);
        let mut may = |connection, peer, text: &str| {
            let addresses = [address(text)];
            server.handle_pending_outbound_connection(connection, Some(peer), &addresses, Endpoint::Dialer).is_ok()
        };
        assert!(may(back, ours, "/ip4/203.0.113.7/tcp/7071"));
        assert!(!may(back, ours, "/ip4/203.0.113.8/tcp/7071"), "another host");
        assert!(!may(back, ours, "/ip4/127.0.0.1/tcp/22"), "ourselves");
        assert!(!may(back, stranger, "/ip4/203.0.113.7/tcp/7071"), "no device of ours");
        assert!(may(ConnectionId::new_unchecked(8), ours, "/ip4/203.0.113.8/tcp/1"), "what we dial ourselves");
    }
}
