//! No host holds more than its part of the handshakes that may be open at one time.
//!
//! Whoever opens connections and never says a word fills its own places only; without this it would keep everybody else
//! out for as long as a handshake may take, again and again.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};
use libp2p::{Multiaddr, PeerId};
use thiserror::Error;

use super::keys::host_of;
use super::limits::PENDING_PER_HOST_MAX;

/// Why a connection was not taken.
#[derive(Debug, Error)]
#[error("{host} has too many handshakes open")]
struct TooMany {
    host: IpAddr,
}

/// Counts the open handshakes of each host.
#[derive(Debug, Default)]
pub(super) struct Behaviour {
    open: BTreeMap<ConnectionId, IpAddr>,
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(host) = host_of(remote) else { return Ok(()) };
        if self.open.values().filter(|other| **other == host).count() >= PENDING_PER_HOST_MAX {
            return Err(ConnectionDenied::new(TooMany { host }));
        }
        self.open.insert(connection, host);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.open.remove(&connection);
        Ok(dummy::ConnectionHandler)
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
        if let FromSwarm::ListenFailure(failure) = event {
            self.open.remove(&failure.connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a well-formed address")
    }

    #[test]
    fn a_host_is_counted_by_its_address_in_whatever_form_and_others_are_not_touched() {
        let mut handshakes = Behaviour::default();
        let local = address("/ip4/10.0.0.1/tcp/1");
        let mut take = |id, remote: &str| {
            handshakes.handle_pending_inbound_connection(ConnectionId::new_unchecked(id), &local, &address(remote))
        };
        for id in 0..PENDING_PER_HOST_MAX {
            let remote = ["/ip4/10.0.0.9/tcp/5", "/ip6/::ffff:10.0.0.9/udp/7/quic-v1"][id % 2];
            take(id, remote).expect("within its part");
        }
        take(1_000, "/ip4/10.0.0.9/tcp/6").expect_err("beyond its part");
        take(1_001, "/ip4/10.0.0.8/tcp/6").expect("another host");
        for id in 2_000..2_100 {
            take(id, "/memory/7").expect("within this process");
        }
    }
}
