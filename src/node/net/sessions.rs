//! What the loop does about connections and streams: when a session begins, and everything that ends it.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | first connection of a peer | session begins, outbound stream asked for |
//! | further connections | kept; the streams stay where they are |
//! | a direct connection beside a circuit | the circuit is closed, and the session begins anew on the other |
//! | both dialled at the same instant | the connections that the higher key dialled are closed |
//! | our own address is gone from which a connection left | the connection is closed |
//! | the connection of our stream is lost, another is there | the session begins anew on that one |
//! | last connection closed, ban, full outbox, oversize frame, silence | session ends |
//! | our stream dies before a frame was written | opened again, a few times |
//! | our stream dies later | session ends: frames may be missing, and the order is promised |
//! | the peer opens a second stream before a frame came | it replaces the first |
//! | the peer opens a second stream later | the peer has begun anew (restart, lost connection): so do we |

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::{ConnectionId, Stream};
use tracing::{debug, info, warn};

use super::keys::device_of;
use super::limits::{STREAM_REOPENS_MAX, STREAMS_INBOUND_MAX};
use super::network::{Network, Pending, jitter};
use super::session::{Ended, Link, Outbound, Report, Session, stop_reader};
use super::streams::{Delivery, ReadEnd, read_frames, write_frames};
use super::{DeviceKey, NetEvent, frames};
use crate::node::clock::instant;

impl Network {
    pub(super) async fn handle_connected(&mut self, peer: PeerId, connection: ConnectionId, endpoint: ConnectedPoint) {
        let now = instant();
        let Some(device) = device_of(&peer) else {
            warn!(%peer, "a peer without an Ed25519 key");
            let _ = self.swarm.disconnect_peer_id(peer);
            return;
        };
        if self.swarm.behaviour().calling_back.as_ref().is_some_and(|server| server.is_call_back(connection)) {
            return;
        }
        self.dialing.connected(connection, device, now);
        let link = Link::of(&endpoint);
        let dialled = (link.is_ours && !link.is_circuit).then(|| link.address.clone());
        if let Some(session) = self.sessions.get_mut(&device) {
            debug!(%device, address = %link.address, "one more connection");
            session.connections.insert(connection, link);
            let needless = session.needless_circuits();
            if needless.is_empty() {
                let too_many = session.crossed(connection, self.own < device, now);
                if !too_many.is_empty() {
                    debug!(%device, "we dialled each other, closing one connection");
                    self.counters.crossed.add();
                    self.part_with(device, &too_many).await;
                }
            } else {
                info!(peer = %device, "reached directly, leaving the relay");
                self.counters.circuits_left.add();
                self.part_with(device, &needless).await;
            }
        } else {
            self.begin_session(device, peer, connection, link);
        }
        if let (Some(address), Some(session)) = (dialled, self.sessions.get_mut(&device)) {
            session.dialled.get_or_insert(address);
        }
    }

    fn begin_session(&mut self, device: DeviceKey, peer: PeerId, connection: ConnectionId, link: Link) {
        let Link { address, is_ours: outbound, .. } = link.clone();
        if self.is_trusted(&device) {
            info!(peer = %device, %address, outbound, "connected");
        } else {
            debug!(peer = %device, %address, outbound, "connected");
        }
        let number = self.next_session;
        self.next_session += 1;
        let session = Session::new(peer, number, connection, link, instant());
        self.sessions.insert(device, session);
        self.swarm.behaviour_mut().frames.open(peer, connection);
        let event = NetEvent::Connected { peer: device, address, outbound };
        self.pending.push_back(Pending { event, announces: Some((device, number)) });
    }

    /// Closes these connections of a session, which has others, or has lost them; a stream of ours that was on one of
    /// them goes to another.
    async fn part_with(&mut self, device: DeviceKey, gone: &[ConnectionId]) {
        let Some(session) = self.sessions.get_mut(&device) else { return };
        for connection in gone {
            session.connections.remove(connection);
            self.swarm.close_connection(*connection);
        }
        let Some((other, link)) = session.connections.last_key_value().map(|(other, link)| (*other, link.clone()))
        else {
            self.end_session(device).await;
            return;
        };
        match &mut session.outbound {
            Some(outbound) if !gone.contains(&outbound.connection()) => {}
            // Nothing was written: the next connection will do.
            Some(Outbound::Opening { connection: opening, .. }) => {
                *opening = other;
                self.swarm.behaviour_mut().frames.open(session.peer, other);
            }
            // Frames may be missing.
            Some(Outbound::Running { .. }) | None => {
                let (peer, left) = (session.peer, session.connections.clone());
                let (streams_before, dialled) = (session.inbound_streams, session.dialled.clone());
                self.end_session(device).await;
                self.begin_session(device, peer, other, link);
                if let Some(session) = self.sessions.get_mut(&device) {
                    session.connections = left;
                    // A peer that does this without end is stopped by the same count.
                    session.inbound_streams = streams_before;
                    session.dialled = dialled;
                }
            }
        }
    }

    /// Ends a session. Its connections, if there are any left, are no longer looked at; closing them is the
    /// caller's part, and may take long with a peer that takes nothing.
    pub(super) async fn end_session(&mut self, device: DeviceKey) {
        let Some(session) = self.sessions.remove(&device) else { return };
        if self.is_trusted(&device) {
            info!(peer = %device, "disconnected");
        } else {
            debug!(peer = %device, "disconnected");
        }
        self.dialing.disconnected(device, session.was_live(), instant(), jitter());
        session.end().await;
        self.tell(NetEvent::Disconnected { peer: device });
    }

    /// Closes the connections that left from an address which is no longer ours: nothing will come over them, and the
    /// other end would be waited for until it is silent for too long.
    pub(super) async fn part_from(&mut self, source: IpAddr) {
        let left = |session: &Session| -> Vec<ConnectionId> {
            let links = session.connections.iter().filter(|(_, link)| link.source == Some(source));
            links.map(|(connection, _)| *connection).collect()
        };
        let gone: Vec<_> = self.sessions.iter().map(|(device, session)| (*device, left(session))).collect();
        for (device, connections) in gone.into_iter().filter(|(_, connections)| !connections.is_empty()) {
            info!(peer = %device, %source, "our address is gone, leaving the connection");
            self.part_with(device, &connections).await;
        }
    }

    /// Ends a session and closes its connections.
    pub(super) async fn disconnect(&mut self, device: DeviceKey) {
        if let Some(session) = self.sessions.get(&device) {
            let _ = self.swarm.disconnect_peer_id(session.peer);
        }
        self.end_session(device).await;
    }

    pub(super) async fn handle_closed(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some(device) = device_of(&peer) else { return };
        let Some(session) = self.sessions.get(&device) else { return };
        if session.connections.contains_key(&connection) {
            self.part_with(device, &[connection]).await;
        }
    }

    pub(super) async fn handle_stream(&mut self, event: frames::Event) {
        match event {
            frames::Event::Inbound { peer, connection, stream } => self.handle_inbound(peer, connection, stream).await,
            frames::Event::Outbound { peer, connection, stream } => self.handle_outbound(peer, connection, stream),
            frames::Event::OutboundFailed { peer, connection, error } => {
                let Some(device) = device_of(&peer) else { return };
                let Some(session) = self.sessions.get_mut(&device) else { return };
                match session.outbound.take() {
                    Some(Outbound::Opening { connection: opening, queue }) if opening == connection => {
                        debug!(peer = %device, %error, "the frame stream was not opened");
                        self.reopen(device, queue).await;
                    }
                    unconcerned => session.outbound = unconcerned,
                }
            }
        }
    }

    fn handle_outbound(&mut self, peer: PeerId, connection: ConnectionId, stream: Stream) {
        let Some(device) = device_of(&peer) else { return };
        let Some(session) = self.sessions.get_mut(&device) else { return };
        match session.outbound.take() {
            Some(Outbound::Opening { connection: opening, mut queue }) if opening == connection => {
                let (reports, number) = (self.reports_told.clone(), session.number);
                let task = tokio::spawn(async move {
                    if let Some(end) = write_frames(stream, &mut queue).await {
                        let ended = Ended::Writer { queue, end };
                        let _ = reports.send(Report { device, session: number, ended }).await;
                    }
                });
                session.outbound = Some(Outbound::Running { connection, task });
            }
            // One that was asked for twice, or by an earlier session: dropping it closes it.
            unconcerned => session.outbound = unconcerned,
        }
    }

    async fn handle_inbound(&mut self, peer: PeerId, connection: ConnectionId, stream: Stream) {
        let Some(device) = device_of(&peer) else { return };
        let Some(session) = self.sessions.get_mut(&device) else { return };
        let Some(link) = session.connections.get(&connection).cloned() else { return };
        if session.inbound_streams >= STREAMS_INBOUND_MAX {
            warn!(peer = %device, "the peer opens streams without end, closing the connection");
            self.counters.streams_flooded.add();
            self.disconnect(device).await;
            return;
        }
        if let Some(reader) = session.reader.take() {
            stop_reader(reader).await;
        }
        if session.has_delivered() {
            debug!(peer = %device, "the peer began anew");
            let streams_before = session.inbound_streams;
            let others: Vec<_> = session.connections.keys().copied().filter(|other| *other != connection).collect();
            for other in others {
                self.swarm.close_connection(other);
            }
            self.end_session(device).await;
            self.begin_session(device, peer, connection, link);
            // A peer that does this without end is stopped by the same count.
            if let Some(session) = self.sessions.get_mut(&device) {
                session.inbound_streams = streams_before;
            }
        }
        let Some(session) = self.sessions.get_mut(&device) else { return };
        session.inbound_streams += 1;
        let (reports, number, stream_number) = (self.reports_told.clone(), session.number, session.inbound_streams);
        let delivery = Delivery {
            peer: device,
            events: self.events.clone(),
            announced: session.announced.subscribe(),
            delivered: Arc::clone(&session.delivered),
        };
        session.reader = Some(tokio::spawn(async move {
            let end = read_frames(stream, delivery).await;
            let ended = Ended::Reader { stream: stream_number, end };
            let _ = reports.send(Report { device, session: number, ended }).await;
        }));
    }

    pub(super) async fn handle_report(&mut self, report: Report) {
        let device = report.device;
        let Some(session) = self.sessions.get_mut(&device) else { return };
        if session.number != report.session {
            return;
        }
        match report.ended {
            Ended::Writer { queue, end } => {
                debug!(peer = %device, error = %end.error, wrote = end.wrote, "the outbound stream died");
                if end.wrote {
                    let on = session.outbound.as_ref().map(Outbound::connection);
                    let is_last = session.connections.keys().all(|other| Some(*other) == on);
                    match on {
                        Some(connection) if !is_last => self.part_with(device, &[connection]).await,
                        _ => self.disconnect(device).await,
                    }
                } else {
                    self.reopen(device, queue).await;
                }
            }
            Ended::Reader { stream, .. } if stream != session.inbound_streams => {}
            Ended::Reader { end, .. } => {
                session.reader = None;
                session.without_reader_since = instant();
                match end {
                    ReadEnd::Closed => debug!(peer = %device, "the inbound stream ended"),
                    ReadEnd::Oversize(size) => {
                        warn!(peer = %device, bytes = size.0, "a frame beyond the limit, closing the connection");
                        self.counters.frames_oversize.add();
                        self.disconnect(device).await;
                    }
                    ReadEnd::Silent => {
                        debug!(peer = %device, "the peer is silent, closing the connection");
                        self.counters.peers_silent.add();
                        self.disconnect(device).await;
                    }
                    ReadEnd::NoConsumer => {}
                }
            }
        }
    }

    /// Opens the outbound stream again, on whatever connection is there.
    async fn reopen(&mut self, device: DeviceKey, queue: super::streams::OutboxReader) {
        let Some(session) = self.sessions.get_mut(&device) else { return };
        session.reopens += 1;
        match session.connections.keys().next_back().copied() {
            Some(connection) if session.reopens <= STREAM_REOPENS_MAX => {
                session.outbound = Some(Outbound::Opening { connection, queue });
                self.swarm.behaviour_mut().frames.open(session.peer, connection);
            }
            _ => self.disconnect(device).await,
        }
    }

    /// Ends sessions in which the peer has no stream towards us for too long, and those of strangers that say nothing.
    pub(super) async fn end_useless_sessions(&mut self, now: Instant) {
        let book = &self.book;
        let useless = |device: &DeviceKey, session: &Session| session.is_useless(book.contains(device), now);
        let devices: Vec<_> = self
            .sessions
            .iter()
            .filter(|(device, session)| useless(device, session))
            .map(|(device, _)| *device)
            .collect();
        for device in devices {
            debug!(peer = %device, "the peer said nothing, closing the connection");
            self.counters.peers_silent.add();
            self.disconnect(device).await;
        }
    }
}
