//! What the loop does about everything that libp2p tells, other than sessions: listeners, failed dials, gossip,
//! identify, mDNS. Nothing here ends a session.

use libp2p::gossipsub::{self, MessageAcceptance};
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{identify, mdns};
use tracing::{debug, info, warn};

use super::behaviour::{BehaviourEvent, new_mdns};
use super::dialing::Origin;
use super::keys::{device_of, is_dialable, is_loopback, split_peer};
use super::limits::{GOSSIP_PENDING_MAX, MDNS_RECORDS_MAX, PEER_ADDRESSES_MAX};
use super::network::{Network, jitter};
use super::{GossipId, Multiaddr, NetEvent};
use crate::node::clock::instant;

impl Network {
    pub(super) async fn handle_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.handle_connected(peer_id, connection_id, endpoint).await;
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                debug!(peer = %peer_id, ?cause, "connection closed");
                self.handle_closed(peer_id, connection_id).await;
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => self.dial_failed(connection_id, &error),
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                debug!(address = %send_back_addr, %error, "an incoming connection failed");
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                let address = self.with_own_peer(address);
                info!(%address, "listening");
                self.listeners_waiting.retain(|waiting| *waiting != listener_id);
                let waiting = self.listeners_waiting.len();
                let place = self.listeners.iter().position(|known| *known == listener_id).unwrap_or(usize::MAX);
                self.listening.send_modify(|state| {
                    state.waiting = waiting;
                    state.addresses.push((place, address.clone()));
                });
                self.tell(NetEvent::Listening(address));
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                let address = self.with_own_peer(address);
                debug!(%address, "no longer listening");
                self.listening.send_modify(|state| state.addresses.retain(|(_, known)| *known != address));
            }
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                let error = reason.err().map_or_else(|| "closed".to_string(), |error| error.to_string());
                warn!(%error, "a listener was closed");
                if self.listeners_waiting.contains(&listener_id) {
                    self.listening.send_modify(|state| state.failed = Some(error.clone()));
                }
                self.tell(NetEvent::ListenFailed { address: addresses.into_iter().next(), error });
            }
            SwarmEvent::ListenerError { error, .. } => debug!(%error, "a listener had trouble"),
            SwarmEvent::Behaviour(BehaviourEvent::Frames(event)) => self.handle_stream(event).await,
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.handle_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.handle_identify(event),
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(event)) => self.handle_mdns(event),
            _ => {}
        }
    }

    pub(super) fn dial_failed(&mut self, connection: ConnectionId, error: &DialError) {
        if matches!(error, DialError::LocalPeerId { .. }) {
            debug!("an address is our own");
            self.dialing.reached_ourselves(connection);
            return;
        }
        self.counters.dials_failed.add();
        let Some(failure) = self.dialing.failed(connection, instant(), jitter()) else { return };
        debug!(address = ?failure.address, %error, "dial failed");
        if failure.origin != Origin::Discovered {
            let error = error.to_string();
            self.tell(NetEvent::DialFailed { peer: failure.device, address: failure.address, error });
        }
    }

    fn handle_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source, message_id, message } = event else { return };
        let Some(from) = device_of(&propagation_source) else { return };
        let is_too_much = !self.allowance.take(from, message.data.len(), instant());
        if is_too_much || self.pending.len() >= GOSSIP_PENDING_MAX {
            let counter = if is_too_much { &self.counters.gossip_flooded } else { &self.counters.gossip_dropped };
            counter.add();
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            gossip.report_message_validation_result(&message_id, &propagation_source, MessageAcceptance::Ignore);
            return;
        }
        let id = GossipId { message: message_id, source: propagation_source };
        self.tell(NetEvent::Gossip { id, from, bytes: message.data });
    }

    fn handle_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        let Some(device) = device_of(&peer_id) else { return };
        let Some(session) = self.sessions.get_mut(&device) else { return };
        let is_local = session.connections.values().any(|link| is_loopback(&link.address));
        // Another machine's loopback address is ours: we would dial ourselves.
        let announced = info.listen_addrs.into_iter().map(|address| split_peer(address).0);
        let useful = announced.filter(|address| is_dialable(address) && (is_local || !is_loopback(address)));
        session.identified = useful.take(PEER_ADDRESSES_MAX).collect();
        if self.is_trusted(&device) {
            self.trust(device);
        }
    }

    fn handle_mdns(&mut self, event: mdns::Event) {
        match event {
            mdns::Event::Discovered(found) => {
                let now = instant();
                for (peer, address) in found {
                    self.counters.finds.add();
                    let (address, _) = split_peer(address);
                    if let Some(device) = device_of(&peer)
                        && is_dialable(&address)
                    {
                        self.dialing.add(Origin::Discovered, Some(device), &[address], now);
                    }
                }
                self.restart_full_mdns();
            }
            mdns::Event::Expired(gone) => {
                for (peer, address) in gone {
                    if let Some(device) = device_of(&peer) {
                        self.dialing.expire(device, &split_peer(address).0);
                    }
                }
            }
        }
    }

    /// The behaviour's own table has no bound; when a storm fills it, a fresh one takes its place.
    fn restart_full_mdns(&mut self) {
        let records = self.swarm.behaviour().mdns.as_ref().map_or(0, |mdns| mdns.discovered_nodes().len());
        if records <= MDNS_RECORDS_MAX {
            return;
        }
        warn!(records, "too many mDNS records, starting mDNS afresh");
        let own = *self.swarm.local_peer_id();
        let listening: Vec<Multiaddr> = self.swarm.listeners().cloned().collect();
        match new_mdns(own, &listening) {
            Ok(fresh) => {
                self.swarm.behaviour_mut().mdns = Toggle::from(Some(fresh));
                // What is there answers within a moment; what is not would be dialled for ever.
                self.dialing.forget_finds();
            }
            Err(error) => warn!(%error, "mDNS cannot start again"),
        }
    }
}
