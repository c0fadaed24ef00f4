//! The libp2p behaviour that hands out frame streams: one protocol, raw streams, nothing else.
//!
//! Each stream comes with the connection it lives on, and inbound streams of one connection wait only for that
//! connection. (`libp2p-stream` shares one slot for inbound streams among all peers and drops what does not fit,
//! so that one flooding peer could lose the streams of all others; it also keeps a sender for every connection
//! there ever was.) Nothing here reads or writes a stream.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, Stream, StreamProtocol, StreamUpgradeError, SubstreamProtocol, THandlerInEvent, THandlerOutEvent,
    ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

/// The protocol: a stream of frames in one direction, from the peer that opened it.
const FRAMES: StreamProtocol = StreamProtocol::new("/ucash/frames/1");

/// What happened to a frame stream of one connection.
#[derive(Debug)]
pub(super) enum Event {
    /// The peer opened a stream to us.
    Inbound { peer: PeerId, connection: ConnectionId, stream: Stream },
    /// The stream asked for by [`Behaviour::open`].
    Outbound { peer: PeerId, connection: ConnectionId, stream: Stream },
    /// The peer did not take the stream asked for by [`Behaviour::open`].
    OutboundFailed { peer: PeerId, connection: ConnectionId, error: String },
}

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Behaviour {
    actions: VecDeque<ToSwarm<Event, Open>>,
}

impl Behaviour {
    /// Asks for an outbound stream on this connection. If the connection is gone by then nothing comes of it, and
    /// the swarm reports the closed connection. The caller polls the swarm next, so no waker is kept.
    pub(super) fn open(&mut self, peer: PeerId, connection: ConnectionId) {
        self.actions.push_back(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler: NotifyHandler::One(connection),
            event: Open,
        });
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        let event = match event {
            FromHandler::Inbound(stream) => Event::Inbound { peer, connection, stream },
            FromHandler::Outbound(stream) => Event::Outbound { peer, connection, stream },
            FromHandler::OutboundFailed(error) => Event::OutboundFailed { peer, connection, error },
        };
        self.actions.push_back(ToSwarm::GenerateEvent(event));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        match self.actions.pop_front() {
            Some(action) => Poll::Ready(action),
            None => Poll::Pending,
        }
    }
}

/// Asks a connection's handler for an outbound stream.
#[derive(Debug)]
pub(super) struct Open;

/// What a connection's handler tells the behaviour.
#[derive(Debug)]
pub(super) enum FromHandler {
    Inbound(Stream),
    Outbound(Stream),
    OutboundFailed(String),
}

/// The part of the behaviour that lives in one connection's task.
#[derive(Default)]
pub(super) struct Handler {
    opens_wanted: usize,
    events: VecDeque<FromHandler>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = FromHandler;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(FRAMES), ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        if self.opens_wanted > 0 {
            self.opens_wanted -= 1;
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(FRAMES), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, _: Open) {
        self.opens_wanted += 1;
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. }) => {
                self.events.push_back(FromHandler::Inbound(protocol));
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, .. }) => {
                self.events.push_back(FromHandler::Outbound(protocol));
            }
            ConnectionEvent::DialUpgradeError(failure) => {
                self.events.push_back(FromHandler::OutboundFailed(describe(failure.error)));
            }
            _ => {}
        }
    }
}

fn describe(error: StreamUpgradeError<Infallible>) -> String {
    match error {
        StreamUpgradeError::Timeout => "the peer did not answer in time".into(),
        StreamUpgradeError::NegotiationFailed => "the peer does not speak this protocol".into(),
        StreamUpgradeError::Io(error) => error.to_string(),
        StreamUpgradeError::Apply(never) => match never {},
    }
}
