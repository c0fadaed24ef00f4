//! The network loop: takes commands, polls the swarm, hands over events, and dials what is due.
//!
//! The loop waits for nobody: events that the consumer has not room for wait in `pending`, and while too many wait
//! the swarm is left unpolled; commands are taken all the while. What it does about connections is in `sessions`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::gossipsub::{IdentTopic, MessageAcceptance, PublishError};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{PeerId, Swarm};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use super::address_book::{AddressBook, BookWriter};
use super::allowance::Allowance;
use super::bans::Bans;
use super::behaviour::Behaviour;
use super::circuits::Places;
use super::counters::Counters;
use super::dialing::{Dialing, Origin, Reach, Sight};
use super::handle::Listening;
use super::keys::{device_of, is_dialable, is_loopback, peer_of, split_peer};
use super::limits::{
    CIRCUITS_WANTED, DIALS_PER_TICK, EVENTS_PENDING_MAX, GOSSIP_BYTES_MAX, OUTBOXES_BYTES_MAX, PEER_ADDRESSES_MAX,
    PEERS_WANTED, REPORTS_PENDING_MAX, TICK,
};
use super::session::{Report, Session};
use super::streams::PushError;
use super::trusted::Trusted;
use super::{DeviceKey, Multiaddr, NetCommand, NetConfig, NetEvent};
use crate::node::clock::instant;

/// An event that waits for the consumer.
pub(super) struct Pending {
    pub(super) event: NetEvent,
    /// The session whose frames may flow once this was handed over.
    pub(super) announces: Option<(DeviceKey, u64)>,
}

/// Everything the loop owns.
pub(super) struct Network {
    pub(super) own: DeviceKey,
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) events: mpsc::Sender<NetEvent>,
    commands: mpsc::Receiver<NetCommand>,
    pub(super) pending: VecDeque<Pending>,
    pub(super) reports_told: mpsc::Sender<Report>,
    reports: mpsc::Receiver<Report>,
    pub(super) sessions: BTreeMap<DeviceKey, Session>,
    pub(super) next_session: u64,
    pub(super) dialing: Dialing,
    pub(super) bans: Bans,
    pub(super) book: AddressBook,
    book_writer: Option<BookWriter>,
    /// In the order given.
    pub(super) listeners: Vec<ListenerId>,
    pub(super) listeners_waiting: Vec<ListenerId>,
    pub(super) listening: watch::Sender<Listening>,
    /// Whether it was told where it is reached from outside.
    pub(super) has_public: bool,
    /// Whether it was told to listen on this machine alone.
    pub(super) listens_on_loopback: bool,
    pub(super) circuits: Places,
    topics: BTreeMap<String, IdentTopic>,
    trusted: Trusted,
    pub(super) allowance: Allowance,
    pub(super) counters: Arc<Counters>,
}

impl Network {
    /// Puts a network together; it does nothing before [`Network::run`].
    #[expect(clippy::too_many_arguments, reason = "called once, by `spawn`, which makes all of them")]
    pub(super) fn new(
        config: NetConfig,
        swarm: Swarm<Behaviour>,
        listeners: Vec<ListenerId>,
        listeners_waiting: Vec<ListenerId>,
        own: DeviceKey,
        events: mpsc::Sender<NetEvent>,
        commands: mpsc::Receiver<NetCommand>,
        listening: watch::Sender<Listening>,
        trusted: Trusted,
        counters: Arc<Counters>,
    ) -> Network {
        let (reports_told, reports) = mpsc::channel(REPORTS_PENDING_MAX);
        let book = config.address_book.as_deref().map(AddressBook::load).unwrap_or_default();
        let mut network = Network {
            own,
            swarm,
            events,
            commands,
            pending: VecDeque::new(),
            reports_told,
            reports,
            sessions: BTreeMap::new(),
            next_session: 0,
            dialing: Dialing::new(own),
            bans: Bans::default(),
            book,
            book_writer: config.address_book.map(BookWriter::start),
            listeners,
            listeners_waiting,
            listening,
            has_public: !config.public.is_empty(),
            listens_on_loopback: config.listen.iter().any(is_loopback),
            circuits: Places::new(config.public.is_empty() && config.relay.is_none()),
            trusted,
            topics: BTreeMap::new(),
            allowance: Allowance::default(),
            counters,
        };
        network.keep_places();
        let now = instant();
        network.add_targets(Origin::Configured, config.peers);
        for (device, addresses) in network.book.peers() {
            network.dialing.add(Origin::Trusted, Some(*device), addresses, now);
        }
        network.subscribe(config.gossip_topics);
        network
    }

    /// Runs until told to stop, or until nobody takes events or gives commands any more.
    pub(super) async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // A clone, so that a place in the channel can be held while the loop changes itself.
        let events = self.events.clone();
        loop {
            let has_room = self.pending.len() < EVENTS_PENDING_MAX;
            tokio::select! {
                _ = &mut stopped => break,
                command = self.commands.recv() => match command {
                    Some(command) => self.handle_command(command).await,
                    None => break,
                },
                place = events.reserve(), if !self.pending.is_empty() => match place {
                    Ok(place) => self.hand_over(place),
                    Err(_) => break,
                },
                report = self.reports.recv() => if let Some(report) = report {
                    self.handle_report(report).await;
                },
                event = self.swarm.select_next_some(), if has_room => self.handle_swarm(event).await,
                _ = tick.tick() => self.handle_tick().await,
            }
        }
        // What was told before the stop holds, a `Trust` above all. Nothing can be told any more.
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.handle_command(command).await;
        }
        for (_, session) in std::mem::take(&mut self.sessions) {
            session.end().await;
        }
        let Network { mut swarm, book_writer, listeners, .. } = self;
        // The memory transport keeps a place taken until it is told, even when all of it is dropped.
        for listener in listeners {
            swarm.remove_listener(listener);
        }
        drop(swarm);
        if let Some(writer) = book_writer {
            writer.finish().await;
        }
    }

    fn hand_over(&mut self, place: mpsc::Permit<'_, NetEvent>) {
        let Some(Pending { event, announces }) = self.pending.pop_front() else { return };
        place.send(event);
        if let Some((device, number)) = announces
            && let Some(session) = self.sessions.get(&device)
            && session.number == number
        {
            session.announced.send_replace(true);
        }
    }

    /// Puts an event in the queue.
    pub(super) fn tell(&mut self, event: NetEvent) {
        self.pending.push_back(Pending { event, announces: None });
    }

    async fn handle_command(&mut self, command: NetCommand) {
        match command {
            NetCommand::Send { peer, frame } => self.send(peer, frame).await,
            NetCommand::Publish { topic, bytes } => self.publish(&topic, bytes),
            NetCommand::JudgeGossip { id, accept } => {
                let verdict = if accept { MessageAcceptance::Accept } else { MessageAcceptance::Reject };
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                if !gossip.report_message_validation_result(&id.message, &id.source, verdict) {
                    debug!("a gossip message was judged after it had been forgotten");
                }
            }
            NetCommand::Dial { addresses } => self.add_targets(Origin::Asked, addresses),
            NetCommand::Trust { peer } => self.trust(peer),
            NetCommand::Hint { peer, addresses } => {
                let bare = addresses.into_iter().map(|address| split_peer(address).0);
                let usable: Vec<Multiaddr> = bare.filter(is_dialable).take(PEER_ADDRESSES_MAX).collect();
                self.dialing.add(Origin::Told, Some(peer), &usable, instant());
            }
            NetCommand::Ban { peer, for_ } => {
                let Some(peer_id) = peer_of(&peer) else { return };
                info!(%peer, seconds = for_.as_secs(), "peer banned");
                if let Some(lifted) = self.bans.add(peer, for_, instant()) {
                    self.unblock(lifted);
                }
                // This closes its connections, too.
                self.swarm.behaviour_mut().blocked.block_peer(peer_id);
                self.end_session(peer).await;
            }
            NetCommand::Subscribe(topics) => self.subscribe(topics),
        }
    }

    async fn send(&mut self, peer: DeviceKey, frame: Vec<u8>) {
        let Some(session) = self.sessions.get(&peer) else {
            debug!(%peer, "a frame for a peer that is not connected");
            return;
        };
        if frame.is_empty() {
            // On the wire this is a heartbeat, which nobody above would see.
            warn!(%peer, "an empty frame was to be sent");
            return;
        }
        match session.outbox.push(frame) {
            Ok(()) => self.relieve().await,
            Err(PushError::Full) => {
                warn!(%peer, "the peer takes no more frames, closing the connection");
                self.counters.outboxes_full.add();
                self.disconnect(peer).await;
            }
            Err(PushError::Oversize) => {
                warn!(%peer, "a frame beyond the limit was to be sent, closing the connection");
                self.disconnect(peer).await;
            }
        }
    }

    /// Lets the peer go that takes its frames slowest, if all together hold more than they may.
    async fn relieve(&mut self) {
        let queued: usize = self.sessions.values().map(|session| session.outbox.queued()).sum();
        if queued <= OUTBOXES_BYTES_MAX {
            return;
        }
        let fullest = self.sessions.iter().max_by_key(|(_, session)| session.outbox.queued());
        if let Some(peer) = fullest.map(|(peer, _)| *peer) {
            warn!(%peer, "too much waits for peers that take nothing, closing the connection with the slowest");
            self.counters.outboxes_full.add();
            self.disconnect(peer).await;
        }
    }

    fn publish(&mut self, topic: &str, bytes: Vec<u8>) {
        let Some(topic) = self.topics.get(topic) else {
            warn!("gossip on a topic that we do not hear");
            return;
        };
        if bytes.len() > GOSSIP_BYTES_MAX {
            warn!(bytes = bytes.len(), "gossip beyond the limit was to be published");
            return;
        }
        match self.swarm.behaviour_mut().gossip.publish(topic.hash(), bytes) {
            Ok(_) | Err(PublishError::Duplicate) => {}
            Err(PublishError::NoPeersSubscribedToTopic) => debug!("nobody to gossip with"),
            Err(PublishError::AllQueuesFull(peers)) => debug!(peers, "gossip dropped, all queues are full"),
            Err(error) => warn!(%error, "gossip failed"),
        }
    }

    fn subscribe(&mut self, topics: Vec<String>) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        self.topics.retain(|name, topic| topics.contains(name) || !gossip.unsubscribe(topic));
        for name in topics {
            let topic = IdentTopic::new(&name);
            if let Err(error) = gossip.subscribe(&topic) {
                warn!(%error, "a gossip topic cannot be joined");
            }
            self.topics.insert(name, topic);
        }
    }

    /// Remembers a peer as one of ours, with the addresses known of it.
    pub(super) fn trust(&mut self, device: DeviceKey) {
        if peer_of(&device).is_none() || device == self.own {
            warn!(%device, "this key cannot be a peer");
            return;
        }
        let addresses = self.sessions.get(&device).map(Session::addresses).unwrap_or_default();
        if self.book.remember(device, &addresses)
            && let Some(writer) = &self.book_writer
        {
            writer.write(self.book.to_json());
        }
        self.keep_places();
        self.dialing.add(Origin::Trusted, Some(device), &addresses, instant());
    }

    /// Has places kept for whoever is in the address book, which bounds how many these are.
    fn keep_places(&mut self) {
        let trusted = self.book.peers().filter_map(|(device, _)| peer_of(device)).collect();
        self.trusted.replace(trusted);
    }

    /// Whether the peer was trusted, in this run or an earlier one.
    pub(super) fn is_trusted(&self, device: &DeviceKey) -> bool {
        self.book.contains(device)
    }

    /// Addresses from people: those with one key are one peer, those without stand alone.
    fn add_targets(&mut self, origin: Origin, addresses: Vec<Multiaddr>) {
        let mut by_key: BTreeMap<DeviceKey, Vec<Multiaddr>> = BTreeMap::new();
        let now = instant();
        for address in addresses {
            let (bare, peer) = split_peer(address);
            match peer.map(|peer| device_of(&peer)) {
                Some(Some(device)) => by_key.entry(device).or_default().push(bare),
                Some(None) => warn!(address = %bare, "the address names a key that is no Ed25519 key"),
                None => {
                    self.dialing.add(origin, None, &[bare], now);
                }
            }
        }
        for (device, addresses) in by_key {
            self.dialing.add(origin, Some(device), &addresses, now);
        }
    }

    async fn handle_tick(&mut self) {
        let now = instant();
        for device in self.bans.ended(now) {
            self.unblock(device);
        }
        self.end_useless_sessions(now).await;
        self.reserve_places(now);
        let relays = self.relays_at_hand();
        let listening: Vec<Multiaddr> = self.swarm.listeners().cloned().collect();
        let sight = Sight {
            wants_more: self.sessions.len() < PEERS_WANTED,
            circuits_wanted: CIRCUITS_WANTED.saturating_sub(self.circuits_dialled()),
            is_relay: &|relay| relays.contains(relay),
            own: &listening,
            reach: &|device| match self.sessions.get(device) {
                _ if self.bans.contains(device) => Reach::Banned,
                Some(session) if session.direct().is_some() => Reach::Direct,
                Some(_) => Reach::Circuit,
                None => Reach::Not,
            },
        };
        for dial in self.dialing.due(now, DIALS_PER_TICK, &sight) {
            let Some(first) = dial.addresses.first().cloned() else {
                debug!("an address is our own");
                self.dialing.is_ours(dial.target);
                continue;
            };
            let opts = match dial.device.as_ref().and_then(peer_of) {
                // A connection that is closing still counts for libp2p; we know better who is connected.
                Some(peer) => {
                    DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(dial.addresses.clone()).build()
                }
                None => DialOpts::unknown_peer_id().address(first).build(),
            };
            let connection = opts.connection_id();
            self.counters.dials.add();
            self.dialing.started(&dial, connection);
            if let Err(error) = self.swarm.dial(opts) {
                self.dial_failed(connection, &error);
            }
        }
    }

    fn unblock(&mut self, device: DeviceKey) {
        if let Some(peer) = peer_of(&device) {
            self.swarm.behaviour_mut().blocked.unblock_peer(peer);
        }
    }

    /// An address with our own key at its end.
    pub(super) fn with_own_peer(&self, address: Multiaddr) -> Multiaddr {
        let own: PeerId = *self.swarm.local_peer_id();
        address.with(Protocol::P2p(own))
    }
}

/// Randomness for a back-off. Without it devices may return together, which is a pity and no more.
#[expect(clippy::disallowed_methods, reason = "no secret is made of it, and unlike `clock::draw` it goes on without")]
pub(super) fn jitter() -> u32 {
    let mut bytes = [0; 4];
    if getrandom::fill(&mut bytes).is_err() {
        return u32::MAX / 2;
    }
    u32::from_le_bytes(bytes)
}
