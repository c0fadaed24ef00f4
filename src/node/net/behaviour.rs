//! The libp2p behaviours of a node, put together, and the swarm that runs them.
//!
//! Limits and bans come first, so that a refused connection costs the others nothing. What these libraries offer
//! beyond this (name lookup, upnp) is not used.

use std::io;
use std::sync::Arc;

use libp2p::allow_block_list::{self, BlockedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, ListenerId, MemoryTransport, Transport};
use libp2p::core::upgrade::Version;
use libp2p::gossipsub::{self, MessageAuthenticity, MessageId, ValidationMode};
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::behaviour::{FromSwarm, NewListenAddr};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, dcutr, identify, mdns, noise, quic, relay, tcp, yamux};
use tracing::warn;

use super::counters::Counters;
use super::error::NetError;
use super::frames;
use super::handshakes::Doors;
use super::limits::{
    GOSSIP_BYTES_MAX, GOSSIP_QUEUE_MAX, HANDSHAKE_MAX, HEARTBEAT, IDLE_CONNECTION, INCOMING_MAX, MDNS_QUERY_INTERVAL,
    PENDING_DIALS_MAX, PER_PEER_MAX, QUIC_CONNECTION_BYTES_MAX, QUIC_STREAM_BYTES_MAX, QUIC_STREAMS_MAX,
    RELAY_INCOMING_MAX, SILENCE_MAX, STREAMS_NEGOTIATING_MAX, YAMUX_STREAMS_MAX,
};
use super::relaying::{self, CircuitLimits};
use super::trusted::Trusted;
use super::{places, reachability};

/// What identify says we speak.
const PROTOCOL_VERSION: &str = "/ucash/1";

/// Everything that runs on our connections.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) limits: connection_limits::Behaviour,
    pub(super) blocked: allow_block_list::Behaviour<BlockedPeers>,
    /// After those that refuse, so that nobody is let go for a caller that is refused.
    pub(super) places: places::Behaviour,
    pub(super) frames: frames::Behaviour,
    pub(super) gossip: gossipsub::Behaviour,
    pub(super) identify: identify::Behaviour,
    pub(super) mdns: Toggle<mdns::tokio::Behaviour>,
    /// Circuits of ours through relays.
    pub(super) circuits: relay::client::Behaviour,
    /// Circuits of others through us, if we are a relay.
    pub(super) relaying: Toggle<relay::Behaviour>,
    /// Direct connections in place of circuits (DCUtR).
    pub(super) punching: dcutr::Behaviour,
    /// Whether we are reached from outside.
    pub(super) reachability: reachability::Client,
    /// Whether others are, if we are a relay.
    pub(super) calling_back: Toggle<reachability::Server>,
}

/// Builds the swarm of a device. mDNS that cannot start (no multicast here) is left out with a warning.
pub(super) fn build_swarm(
    keypair: Keypair,
    with_mdns: bool,
    relay: Option<CircuitLimits>,
    trusted: &Trusted,
    counters: &Arc<Counters>,
) -> Result<Swarm<Behaviour>, NetError> {
    let setup = |reason: String| NetError::Setup { reason };
    let gossip = gossip(relay.is_some()).map_err(setup)?;
    let peer = keypair.public().to_peer_id();
    let identify = identify::Config::new(PROTOCOL_VERSION.into(), keypair.public())
        .with_agent_version(concat!("ucash/", env!("CARGO_PKG_VERSION")).into())
        .with_push_listen_addr_updates(true)
        .with_cache_size(0);
    // Those who call us are bounded by `handshakes` and `places`, which make room where this would refuse.
    let limits = ConnectionLimits::default()
        .with_max_pending_outgoing(Some(PENDING_DIALS_MAX))
        .with_max_established_per_peer(Some(PER_PEER_MAX));
    let mdns = if with_mdns {
        new_mdns(peer, &[]).inspect_err(|error| warn!(%error, "mDNS cannot start, going on without it")).ok()
    } else {
        None
    };
    let (circuit_transport, circuits) = relay::client::new(peer);
    let incoming = if relay.is_some() { RELAY_INCOMING_MAX } else { INCOMING_MAX };
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        blocked: allow_block_list::Behaviour::default(),
        places: places::Behaviour::new(incoming, trusted.clone(), Arc::clone(counters)),
        frames: frames::Behaviour::default(),
        gossip,
        identify: identify::Behaviour::new(identify),
        mdns: Toggle::from(mdns),
        circuits,
        relaying: Toggle::from(relay.map(|limits| relaying::new(peer, limits, trusted))),
        punching: dcutr::Behaviour::new(peer),
        reachability: reachability::Client::default(),
        calling_back: Toggle::from(relay.map(|_| reachability::Server::new(trusted.clone()))),
    };
    let muxer = || {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(YAMUX_STREAMS_MAX);
        config
    };
    let builder = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_other_transport(|keypair| every_way(keypair, circuit_transport, &muxer, Arc::clone(counters)))
        .map_err(|error| setup(error.to_string()))?
        .with_behaviour(|_| behaviour)
        // The behaviour exists already, so this step has no way to fail.
        .map_err(|error| setup(error.to_string()))?
        .with_swarm_config(|config| {
            config
                .with_idle_connection_timeout(IDLE_CONNECTION)
                .with_max_negotiating_inbound_streams(STREAMS_NEGOTIATING_MAX)
        })
        .with_connection_timeout(HANDSHAKE_MAX);
    Ok(builder.build())
}

/// QUIC with our own bounds: the library would let one peer make us hold fifteen megabytes.
fn bounded_quic(mut config: quic::Config) -> quic::Config {
    config.handshake_timeout = HANDSHAKE_MAX;
    config.max_concurrent_stream_limit = QUIC_STREAMS_MAX;
    config.max_stream_data = QUIC_STREAM_BYTES_MAX;
    config.max_connection_data = QUIC_CONNECTION_BYTES_MAX;
    // The library's five seconds would cost a phone its battery and its data; ours are those of a heartbeat.
    config.keep_alive_interval = HEARTBEAT;
    config.max_idle_timeout = u32::try_from(SILENCE_MAX.as_millis()).unwrap_or(u32::MAX);
    config
}

/// What the builder of the swarm takes as an error of a transport.
type SetupError = Box<dyn std::error::Error + Send + Sync>;

/// Everything that connects devices, behind one door for those who call.
fn every_way(
    keypair: &Keypair,
    circuits: relay::client::Transport,
    muxer: &impl Fn() -> yamux::Config,
    counters: Arc<Counters>,
) -> Result<Doors<(PeerId, StreamMuxerBox)>, SetupError> {
    let noise = noise::Config::new(keypair)?;
    let circuits = circuits
        .upgrade(Version::V1Lazy)
        .authenticate(noise.clone())
        .multiplex(muxer())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(muxer())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let quic = quic::tokio::Transport::new(bounded_quic(quic::Config::new(keypair)))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    // First, since what leads through a relay begins like what leads there.
    let any = circuits.or_transport(tcp).map(|either, _| either.into_inner());
    let any = any.or_transport(quic).map(|either, _| either.into_inner());
    let any = any.or_transport(in_memory(keypair, muxer())?).map(|either, _| either.into_inner());
    Ok(Doors::new(any.boxed(), counters))
}

/// `/memory/<number>`: connections within this process, for tests and measurements with many nodes. No other process
/// can use it, and no address of it that a peer tells is dialled (`keys::is_dialable`).
fn in_memory(keypair: &Keypair, muxer: yamux::Config) -> Result<Boxed<(PeerId, StreamMuxerBox)>, SetupError> {
    let noise = noise::Config::new(keypair)?;
    let upgraded = MemoryTransport::default().upgrade(Version::V1).authenticate(noise).multiplex(muxer);
    Ok(upgraded.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed())
}

fn gossip(is_relay: bool) -> Result<gossipsub::Behaviour, String> {
    // One to twenty peers: the usual mesh of six would be every shop there is. Devices behind routers have no other way
    // than their relay, so it hands everything on to all of them at once: who stands outside its mesh would hear of a
    // payment at the next heartbeat, and ask for it then.
    let (low, wanted, high) =
        if is_relay { (RELAY_INCOMING_MAX, RELAY_INCOMING_MAX, RELAY_INCOMING_MAX) } else { (2, 4, 8) };
    let config = gossipsub::ConfigBuilder::default()
        // What is gossiped is sealed and signed by its author; a second name on it would only leak who spoke.
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(|message| MessageId::new(blake3::hash(&message.data).as_bytes()))
        .validate_messages()
        .flood_publish(true)
        .max_transmit_size(GOSSIP_BYTES_MAX + GOSSIP_ENVELOPE_BYTES)
        .connection_handler_queue_len(GOSSIP_QUEUE_MAX)
        .mesh_n(wanted)
        .mesh_n_low(low)
        .mesh_n_high(high)
        .mesh_outbound_min(1)
        .gossip_lazy(4)
        .heartbeat_interval(std::time::Duration::from_secs(1))
        // The usual five seconds would leave a node that just came back without a mesh.
        .heartbeat_initial_delay(std::time::Duration::from_millis(100))
        .build()
        .map_err(|error| error.to_string())?;
    gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).map_err(str::to_string)
}

/// What gossip adds around a message: topic and lengths.
const GOSSIP_ENVELOPE_BYTES: usize = 1024;

/// A fresh mDNS behaviour that announces these addresses.
///
/// # Errors
/// The operating system's, if interfaces cannot be watched.
pub(super) fn new_mdns(own: PeerId, listening: &[Multiaddr]) -> io::Result<mdns::tokio::Behaviour> {
    let config = mdns::Config { query_interval: MDNS_QUERY_INTERVAL, ..mdns::Config::default() };
    let mut behaviour = mdns::tokio::Behaviour::new(config, own)?;
    for addr in listening {
        // One that is started late has missed the swarm's own announcements.
        let listener_id = ListenerId::next();
        behaviour.on_swarm_event(FromSwarm::NewListenAddr(NewListenAddr { listener_id, addr }));
    }
    Ok(behaviour)
}
