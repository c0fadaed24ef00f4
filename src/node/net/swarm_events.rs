//! What the loop does about everything that libp2p tells, other than sessions: listeners, failed dials, gossip,
//! identify, mDNS, circuits of others, being reached from outside. Nothing here ends a session.

use libp2p::gossipsub::{self, MessageAcceptance};
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{identify, mdns, relay};
use tracing::{debug, info, warn};

use super::behaviour::{BehaviourEvent, new_mdns};
use super::dialing::Origin;
use super::keys::{
    device_of, host_of, is_circuit, is_dialable, is_direct, is_loopback, is_of_everyone, is_of_the_link, relay_of,
    split_peer,
};
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
                if self.place_given(listener_id, &address) {
                    return;
                }
                self.show_as_relay(&address);
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
                self.swarm.remove_external_address(&address);
                if let Some(source) = host_of(&address) {
                    self.part_from(source).await;
                }
                // In another network others may reach us at other addresses, or at none: then places are asked for again.
                self.listening.send_modify(|state| state.confirmed.clear());
                let address = self.with_own_peer(address);
                debug!(%address, "no longer listening");
                self.listening.send_modify(|state| state.addresses.retain(|(_, known)| *known != address));
            }
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                let error = reason.err().map_or_else(|| "closed".to_string(), |error| error.to_string());
                if self.place_lost(listener_id, &error) {
                    return;
                }
                warn!(%error, "a listener was closed");
                if self.listeners_waiting.contains(&listener_id) {
                    self.listening.send_modify(|state| state.failed = Some(error.clone()));
                }
                self.tell(NetEvent::ListenFailed { address: addresses.into_iter().next(), error });
            }
            SwarmEvent::ExternalAddrConfirmed { address } => self.handle_confirmed(address),
            SwarmEvent::ListenerError { error, .. } => debug!(%error, "a listener had trouble"),
            SwarmEvent::Behaviour(BehaviourEvent::Frames(event)) => self.handle_stream(event).await,
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.handle_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.handle_identify(event),
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(event)) => self.handle_mdns(event),
            SwarmEvent::Behaviour(BehaviourEvent::Relaying(event)) => self.handle_relaying(&event),
            SwarmEvent::Behaviour(BehaviourEvent::CallingBack(event)) => {
                debug!(client = %event.client, address = %event.tested_addr, is_reached = event.result.is_ok(), "called back");
            }
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
        self.tell(NetEvent::Gossip { id, from, topic: message.topic.into_string(), bytes: message.data });
    }

    fn handle_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { connection_id, peer_id, info } = event else { return };
        let Some(device) = device_of(&peer_id) else { return };
        let Some(session) = self.sessions.get_mut(&device) else { return };
        let is_local = session.connections.values().any(|link| is_loopback(&link.address));
        let Some(link) = session.connections.get_mut(&connection_id) else { return };
        let mut announced: Vec<Multiaddr> = Vec::new();
        for address in info.listen_addrs.into_iter().map(|address| split_peer(address).0) {
            let is_useful = match relay_of(&address) {
                // A relay may have told several addresses, and is known by its key.
                Some(relay) => announced.iter().all(|known| relay_of(known) != Some(relay)),
                // Another machine's loopback address is ours: we would dial ourselves.
                None => is_local || !is_loopback(&address),
            };
            if is_dialable(&address) && is_useful {
                announced.push(address);
            }
        }
        announced.sort_by_key(is_circuit);
        announced.truncate(PEER_ADDRESSES_MAX);
        link.identified = announced;
        link.is_relay = info.protocols.contains(&relay::HOP_PROTOCOL_NAME);
        if self.is_trusted(&device) {
            self.trust(device);
        }
    }

    /// Somebody reached us from outside, who was asked to try.
    fn handle_confirmed(&mut self, address: Multiaddr) {
        if !is_of_everyone(&address) {
            return;
        }
        let address = self.with_own_peer(split_peer(address).0);
        info!(%address, "reached from outside");
        self.listening.send_modify(|state| {
            if state.confirmed.len() < PEER_ADDRESSES_MAX && !state.confirmed.contains(&address) {
                state.confirmed.push(address);
            }
        });
    }

    /// A relay tells those who reserve a place where it is: where it was told others reach it, or else where it listens.
    fn show_as_relay(&mut self, address: &Multiaddr) {
        let is_relay = self.swarm.behaviour().relaying.is_enabled();
        let is_useful = !is_of_the_link(address) && (!is_loopback(address) || self.listens_on_loopback);
        if is_relay && !self.has_public && is_useful {
            self.swarm.add_external_address(address.clone());
        }
    }

    fn handle_relaying(&mut self, event: &relay::Event) {
        match event {
            relay::Event::CircuitReqAccepted { src_peer_id, dst_peer_id } => {
                debug!(from = %src_peer_id, to = %dst_peer_id, "carrying a circuit");
                self.counters.circuits_carried.add();
            }
            relay::Event::CircuitReqDenied { src_peer_id, dst_peer_id, status } => {
                debug!(from = %src_peer_id, to = %dst_peer_id, ?status, "a circuit was refused");
                self.counters.circuits_refused.add();
            }
            relay::Event::ReservationReqDenied { src_peer_id, status } => {
                debug!(peer = %src_peer_id, ?status, "a place was refused");
                self.counters.circuits_refused.add();
            }
            _ => {}
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
                        && is_direct(&address)
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
