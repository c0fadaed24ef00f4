//! The network: moves opaque bytes between devices and knows nothing of their meaning.
//!
//! ```text
//!             NetCommand                              frames: one stream each way per peer
//!   node  ----------------->  [ network loop ]  <---------------------------------------->  other devices
//!         <-----------------                         gossip: hints, forwarded once judged
//!              NetEvent
//! ```
//!
//! A **session** with a peer lasts from [`NetEvent::Connected`] to [`NetEvent::Disconnected`], whatever number of
//! connections it uses. Within a session frames arrive in the order in which they were sent, without gaps; when it
//! ends, frames under way are lost, and whoever is above compares and resumes.
//!
//! libp2p is an implementation detail: nothing above sees a peer id except as text. The network never judges a
//! peer (it is told to trust or to ban), never answers a frame, and never logs a payload or a secret. All bounds
//! are in [`limits`].
//!
//! Read on in `network` (the loop), `sessions` (what it does about connections), `streams` (frames), `dialing`,
//! `circuits` (reached through a relay), `relaying` (being that relay).

mod address_book;
mod allowance;
mod bans;
mod behaviour;
mod circuits;
mod counters;
mod dialing;
mod error;
mod frames;
mod handle;
mod handshakes;
mod keys;
pub mod limits;
mod network;
mod places;
mod reachability;
mod relaying;
mod session;
mod sessions;
mod streams;
mod swarm_events;
mod trusted;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use libp2p::Multiaddr;
use libp2p::PeerId;
use libp2p::gossipsub::MessageId;

pub use self::counters::NetCounters;
pub use self::error::NetError;
pub use self::handle::{NetHandle, has_ipv6, spawn};
pub(super) use self::keys::is_circuit;
pub use self::relaying::CircuitLimits;
use crate::model::DeviceKey;

/// How a network is set up.
#[derive(Clone)]
pub struct NetConfig {
    /// The device's Ed25519 seed. The device's key is its network identity.
    pub secret_key: [u8; 32],
    /// Where to listen: `/ip4/../tcp/..`, `/ip4/../udp/../quic-v1` or the same with `/ip6/..`, port 0 for any free
    /// one; within this process also `/memory/..`.
    pub listen: Vec<Multiaddr>,
    /// Peers always dialled, with or without their key (`/p2p/..`) at the end.
    pub peers: Vec<Multiaddr>,
    /// Addresses under which this device is reached from outside: told before those it listens on.
    pub public: Vec<Multiaddr>,
    /// Whether it carries circuits of trusted devices that cannot reach each other, and how much on one.
    pub relay: Option<CircuitLimits>,
    /// Whether devices on the local network are looked for.
    pub mdns: bool,
    /// The gossip topics that are known already.
    pub gossip_topics: Vec<String>,
    /// The file in which addresses of trusted peers are kept across restarts.
    pub address_book: Option<PathBuf>,
}

/// Without the secret.
impl fmt::Debug for NetConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NetConfig")
            .field("listen", &self.listen)
            .field("peers", &self.peers)
            .field("public", &self.public)
            .field("relay", &self.relay)
            .field("mdns", &self.mdns)
            .field("gossip_topics", &self.gossip_topics.len())
            .field("address_book", &self.address_book)
            .finish_non_exhaustive()
    }
}

/// Names a gossip message towards [`NetCommand::JudgeGossip`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GossipId {
    message: MessageId,
    source: PeerId,
}

/// What the network is told. None of these is answered; what comes of them comes as events.
#[derive(Clone)]
pub enum NetCommand {
    /// Sends a frame to a connected peer; nothing happens if it is not connected. At most
    /// [`limits::FRAME_BYTES_MAX`] bytes, and not empty. If the peer's queue is full, or the frame too long, the
    /// session is ended rather than the frame skipped.
    Send {
        /// To whom.
        peer: DeviceKey,
        /// Opaque bytes.
        frame: Vec<u8>,
    },
    /// Gossips a hint of at most [`limits::GOSSIP_BYTES_MAX`] bytes. It may be lost: with no peers that hear the topic,
    /// full queues, or said already.
    Publish {
        /// Who hears it.
        topic: String,
        /// Opaque bytes.
        bytes: Vec<u8>,
    },
    /// Says whether a gossip message may be forwarded. One that is not judged within some seconds is forgotten.
    JudgeGossip {
        /// From [`NetEvent::Gossip`].
        id: GossipId,
        /// Whether others should get it.
        accept: bool,
    },
    /// Dials addresses a few times. Those that end in the same `/p2p/` key count as one peer.
    Dial {
        /// With or without the peer's key.
        addresses: Vec<Multiaddr>,
    },
    /// The peer is one of ours: its addresses are remembered, and it is dialled again whenever it is lost. Those of
    /// a peer that called us are known some moments after the connection; if it is lost before, it has to call.
    Trust {
        /// Whom.
        peer: DeviceKey,
    },
    /// A device of ours may be at these addresses: someone said so. They stand behind what is known, and are tried
    /// while we have few peers.
    Hint {
        /// Who.
        peer: DeviceKey,
        /// Where, perhaps.
        addresses: Vec<Multiaddr>,
    },
    /// Ends the session, and neither dials nor accepts the peer within that time.
    Ban {
        /// Whom.
        peer: DeviceKey,
        /// For how long.
        for_: Duration,
    },
    /// Hears these gossip topics from now on, and no others.
    Subscribe(Vec<String>),
}

/// Without payloads, which belong in no log.
impl fmt::Debug for NetCommand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetCommand::Send { peer, frame } => write!(formatter, "Send({peer:?}, {} bytes)", frame.len()),
            NetCommand::Publish { bytes, .. } => write!(formatter, "Publish({} bytes)", bytes.len()),
            NetCommand::JudgeGossip { accept, .. } => write!(formatter, "JudgeGossip({accept})"),
            NetCommand::Dial { addresses } => write!(formatter, "Dial({addresses:?})"),
            NetCommand::Trust { peer } => write!(formatter, "Trust({peer:?})"),
            NetCommand::Hint { peer, addresses } => write!(formatter, "Hint({peer:?}, {addresses:?})"),
            NetCommand::Ban { peer, for_ } => write!(formatter, "Ban({peer:?}, {for_:?})"),
            NetCommand::Subscribe(_) => formatter.write_str("Subscribe"),
        }
    }
}

/// What the network tells.
#[derive(Clone, PartialEq, Eq)]
pub enum NetEvent {
    /// We are reachable at this address, which ends in our `/p2p/` key.
    Listening(Multiaddr),
    /// A listener broke down after it had been accepted.
    ListenFailed {
        /// What it listened on, if that was known.
        address: Option<Multiaddr>,
        /// Why.
        error: String,
    },
    /// A session began.
    Connected {
        /// With whom; proven by the handshake.
        peer: DeviceKey,
        /// Where they are, as the connection sees it.
        address: Multiaddr,
        /// Whether we dialled.
        outbound: bool,
    },
    /// The session ended. Frames not yet delivered, either way, are lost.
    Disconnected {
        /// With whom.
        peer: DeviceKey,
    },
    /// A frame, in the order in which the peer sent it.
    Frame {
        /// From whom.
        peer: DeviceKey,
        /// Opaque bytes.
        frame: Vec<u8>,
    },
    /// A gossip message, to be judged by [`NetCommand::JudgeGossip`] before it is forwarded.
    Gossip {
        /// Names it.
        id: GossipId,
        /// Who passed it on, which is not necessarily who said it.
        from: DeviceKey,
        /// Where it was said.
        topic: String,
        /// Opaque bytes.
        bytes: Vec<u8>,
    },
    /// A peer that was configured, asked for or trusted could not be reached; it is tried again later. Of mDNS
    /// finds nothing is told.
    DialFailed {
        /// The peer, if its key was known.
        peer: Option<DeviceKey>,
        /// The first address that was tried.
        address: Option<Multiaddr>,
        /// Why.
        error: String,
    },
}

/// Without payloads, which belong in no log.
impl fmt::Debug for NetEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetEvent::Listening(address) => write!(formatter, "Listening({address})"),
            NetEvent::ListenFailed { address, error } => write!(formatter, "ListenFailed({address:?}, {error})"),
            NetEvent::Connected { peer, address, outbound } => {
                write!(formatter, "Connected({peer:?}, {address}, outbound {outbound})")
            }
            NetEvent::Disconnected { peer } => write!(formatter, "Disconnected({peer:?})"),
            NetEvent::Frame { peer, frame } => write!(formatter, "Frame({peer:?}, {} bytes)", frame.len()),
            NetEvent::Gossip { from, bytes, .. } => write!(formatter, "Gossip({from:?}, {} bytes)", bytes.len()),
            NetEvent::DialFailed { peer, address, error } => {
                write!(formatter, "DialFailed({peer:?}, {address:?}, {error})")
            }
        }
    }
}
