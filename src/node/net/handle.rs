//! Starting a network, and the handle that its owner keeps.

use std::net::{Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::core::transport::ListenerId;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::behaviour::build_swarm;
use super::counters::Counters;
use super::keys::{device_of, is_loopback, is_of_the_link};
use super::limits::{COMMANDS_PENDING_MAX, INTERFACES_WAIT, LISTEN_WAIT};
use super::network::Network;
use super::trusted::Trusted;
use super::{DeviceKey, Multiaddr, NetCommand, NetConfig, NetCounters, NetError, NetEvent};

/// What is known about our listeners.
#[derive(Clone, Debug, Default)]
pub(super) struct Listening {
    /// Listeners that have not reported an address yet.
    pub(super) waiting: usize,
    /// Real addresses, each ending in our `/p2p/` key, with the place of their listener in the order given.
    pub(super) addresses: Vec<(usize, Multiaddr)>,
    /// Where others have been found to reach us from outside.
    pub(super) confirmed: Vec<Multiaddr>,
    /// Our places at relays.
    pub(super) circuits: Vec<(ListenerId, Multiaddr)>,
    /// Why a listener closed before it had an address.
    pub(super) failed: Option<String>,
}

/// A running network. Dropping it stops the network, too, without waiting for the end.
pub struct NetHandle {
    /// The device's libp2p peer id, as text: what stands behind `/p2p/` in its addresses.
    pub peer_id: String,
    /// The device's key.
    pub device: DeviceKey,
    /// Where commands go. Bounded; the network takes commands even while its events wait, so that whoever sends
    /// a command and takes events in one loop cannot lock itself up.
    pub commands: mpsc::Sender<NetCommand>,
    listening: watch::Receiver<Listening>,
    /// Where this device is reached from outside, as it was told.
    public: Vec<Multiaddr>,
    /// Whether a listener is on all interfaces.
    everywhere: bool,
    counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Listening {
    /// The addresses in the order in which their listeners were given; of one listener, those of this machine alone
    /// last, since no other device can use them.
    pub(super) fn in_order(&self) -> Vec<Multiaddr> {
        let mut addresses: Vec<_> = self.addresses.iter().filter(|(_, address)| !is_of_the_link(address)).collect();
        addresses.sort_by_key(|(place, address)| (*place, is_loopback(address)));
        addresses.into_iter().map(|(_, address)| address.clone()).collect()
    }

    /// The same for others: those of this machine alone stand behind all that others can use.
    fn for_others(&self) -> Vec<Multiaddr> {
        let mut addresses = self.in_order();
        addresses.sort_by_key(is_loopback);
        addresses
    }
}

impl NetHandle {
    /// Waits until every listener has a real address, and returns those known by then, each ending in our `/p2p/`
    /// key. Returns at once when they are known already.
    ///
    /// # Errors
    /// [`NetError::ListenerClosed`] if a listener broke down, [`NetError::NotReady`] if it takes longer than some
    /// seconds, [`NetError::Stopped`] if the network ended.
    pub async fn listening(&self) -> Result<Vec<Multiaddr>, NetError> {
        let mut listening = self.listening.clone();
        let ready = listening.wait_for(|state| state.waiting == 0 || state.failed.is_some());
        let state = match tokio::time::timeout(LISTEN_WAIT, ready).await {
            Ok(Ok(state)) => state.clone(),
            Ok(Err(_)) => return Err(NetError::Stopped),
            Err(_) => return Err(NetError::NotReady),
        };
        if let Some(reason) = state.failed {
            return Err(NetError::ListenerClosed { reason });
        }
        if !self.everywhere {
            return Ok(state.in_order());
        }
        // A listener on all interfaces tells of them one after the other, and never that it is done.
        while let Ok(Ok(())) = tokio::time::timeout(INTERFACES_WAIT, listening.changed()).await {}
        Ok(listening.borrow().for_others())
    }

    /// Tells, whenever it is asked, where this device can be reached at that moment: interfaces come and go.
    pub fn addresses(&self) -> impl Fn() -> Vec<Multiaddr> + Send + Sync + 'static + use<> {
        let (listening, public) = (self.listening.clone(), self.public.clone());
        move || {
            let state = listening.borrow();
            let circuits = state.circuits.iter().map(|(_, address)| address);
            let mut addresses: Vec<Multiaddr> = public.iter().chain(&state.confirmed).cloned().collect();
            addresses.extend(state.in_order().into_iter().chain(circuits.cloned()));
            addresses
        }
    }

    /// Totals since the start.
    pub fn counters(&self) -> NetCounters {
        self.counters.snapshot()
    }

    /// Tells those totals whenever it is asked, after the network ended too.
    pub fn counting(&self) -> impl Fn() -> NetCounters + Send + Sync + 'static + use<> {
        let counters = Arc::clone(&self.counters);
        move || counters.snapshot()
    }

    /// Stops: connections are closed, the address book is on disk and the ports are free when it returns.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        // A loop that panicked has stopped as well.
        let _ = self.task.await;
        // QUIC lets its socket go a little after it was told to: a node that is started again at once would be refused.
        let told: Vec<Multiaddr> = self.listening.borrow().in_order();
        for address in
            told.iter().map(|address| address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect())
        {
            let until = tokio::time::Instant::now() + FREED_WAIT;
            while matches!(place(&address), Some(Place::Quic(_)))
                && try_bind(&address).is_err()
                && tokio::time::Instant::now() < until
            {
                tokio::time::sleep(FREED_LOOK).await;
            }
        }
    }
}

/// How long a stopped network waits for its ports to be free, and how often it looks.
const FREED_WAIT: Duration = Duration::from_secs(3);
const FREED_LOOK: Duration = Duration::from_millis(5);

/// Starts a network on the current tokio runtime. Its events go to `events`; while that channel is full the
/// network waits, and its peers with it.
///
/// When this returns, the listening sockets are bound; their real addresses are told by [`NetHandle::listening`]
/// and [`NetEvent::Listening`].
///
/// # Errors
/// [`NetError::NoRuntime`], [`NetError::SecretKey`], [`NetError::ListenAddress`], [`NetError::Listen`] and
/// [`NetError::Setup`]; nothing is left running then.
pub fn spawn(config: NetConfig, events: mpsc::Sender<NetEvent>) -> Result<NetHandle, NetError> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(NetError::NoRuntime);
    }
    let keypair = Keypair::ed25519_from_bytes(config.secret_key).map_err(|_| NetError::SecretKey)?;
    let peer = keypair.public().to_peer_id();
    let device = device_of(&peer).ok_or(NetError::SecretKey)?;
    // All are tried before the first is taken, since `[::]` and `0.0.0.0` would stand in each other's way here.
    config.listen.iter().try_for_each(try_bind)?;
    let counters = Arc::new(Counters::default());
    let trusted = Trusted::default();
    let mut swarm = build_swarm(keypair, config.mdns, config.relay, &trusted, &counters)?;
    let mut listeners = Vec::new();
    for address in &config.listen {
        let listener = swarm.listen_on(address.clone()).map_err(|error| NetError::Listen {
            address: address.clone(),
            source: std::io::Error::other(error.to_string()),
        })?;
        listeners.push(listener);
    }

    let places: Vec<Place> = config.listen.iter().filter_map(place).collect();
    let everywhere = places.iter().any(Place::is_everywhere);
    // One that may never tell an address is waited for only where there is no other.
    let some_tell = places.iter().any(|place| !place.may_be_nowhere());
    let waiting: Vec<ListenerId> = listeners
        .iter()
        .zip(&places)
        .filter(|(_, place)| !some_tell || !place.may_be_nowhere())
        .map(|(listener, _)| *listener)
        .collect();
    let public: Vec<Multiaddr> = config.public.iter().map(|address| with_peer(address, peer)).collect();
    public.iter().for_each(|address| swarm.add_external_address(address.clone()));
    let (commands, commands_taken) = mpsc::channel(COMMANDS_PENDING_MAX);
    let (listening_told, listening) = watch::channel(Listening { waiting: waiting.len(), ..Listening::default() });
    let (stop, stopped) = oneshot::channel();
    let network = Network::new(
        config,
        swarm,
        listeners,
        waiting,
        device,
        events,
        commands_taken,
        listening_told,
        trusted,
        counters.clone(),
    );
    let task = tokio::spawn(network.run(stopped));
    Ok(NetHandle {
        peer_id: peer.to_string(),
        device,
        commands,
        listening,
        public,
        everywhere,
        counters,
        stop: Some(stop),
        task,
    })
}

/// An address that ends in our key, whether it was written with it or not.
fn with_peer(address: &Multiaddr, peer: PeerId) -> Multiaddr {
    let bare: Multiaddr = address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
    bare.with(Protocol::P2p(peer))
}

/// Finds out whether an address is usable. libp2p shares ports between sockets so that dials can come from the
/// listening port; the system would let a second node listen on the same port and halve the connections of both.
fn try_bind(address: &Multiaddr) -> Result<(), NetError> {
    let place = place(address).ok_or_else(|| NetError::ListenAddress { address: address.clone() })?;
    let bound = match place {
        Place::Tcp(socket) => TcpListener::bind(socket).map(drop),
        Place::Quic(socket) => UdpSocket::bind(socket).map(drop),
        // Within this process; taken twice, the transport says so.
        Place::Memory => Ok(()),
    };
    bound.map_err(|source| NetError::Listen { address: address.clone(), source })
}

/// Whether this host has IPv6 at all. Where it has none, a node listens without it.
pub fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok()
}

/// What a listening address means.
enum Place {
    Tcp(SocketAddr),
    Quic(SocketAddr),
    Memory,
}

impl Place {
    fn is_everywhere(&self) -> bool {
        matches!(self, Place::Tcp(socket) | Place::Quic(socket) if socket.ip().is_unspecified())
    }

    /// All IPv6 interfaces, of which there may be none, and then nothing is ever told about them.
    fn may_be_nowhere(&self) -> bool {
        self.is_everywhere() && matches!(self, Place::Tcp(socket) | Place::Quic(socket) if socket.is_ipv6())
    }
}

fn place(address: &Multiaddr) -> Option<Place> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        Protocol::Memory(_) if parts.next().is_none() => return Some(Place::Memory),
        _ => return None,
    };
    match (parts.next()?, parts.next(), parts.next()) {
        (Protocol::Tcp(port), None, None) => Some(Place::Tcp(SocketAddr::new(ip, port))),
        (Protocol::Udp(port), Some(Protocol::QuicV1), None) => Some(Place::Quic(SocketAddr::new(ip, port))),
        _ => None,
    }
}
