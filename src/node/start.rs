//! Found a network, join one, run a node, or open a replica for one command.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::clock::{now, random};
use super::engine::{Engine, Pace};
use super::gossip::Circles;
use super::handle::NodeHandle;
use super::home::{Home, HomeError, RESTORING, Running};
use super::metrics::Metrics;
use super::net::{
    CircuitLimits, Multiaddr, NetCommand, NetConfig, NetError, NetEvent, NetHandle, has_ipv6, is_circuit, spawn,
};
use super::rescue::Rescue;
use super::storage::SledStore;
use super::whereabouts::Whereabouts;
use crate::membership::Invitation;
use crate::model::Timestamp;
use crate::replica::{BootError, Founder, Identity, Input, JoinError, Joiner, Output, Replica, ReplicaError};

/// Requests that may wait for the engine: beyond it, askers wait.
const REQUESTS_MAX: usize = 1_024;
/// Network events that may wait for the engine: beyond it, peers wait.
const EVENTS_MAX: usize = 256;
/// Where a node listens unless told otherwise.
const LISTEN_DEFAULT: [&str; 4] =
    ["/ip4/0.0.0.0/tcp/7071", "/ip4/0.0.0.0/udp/7071/quic-v1", "/ip6/::/tcp/7071", "/ip6/::/udp/7071/quic-v1"];
const LISTEN_ANY: [&str; 4] =
    ["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1", "/ip6/::/tcp/0", "/ip6/::/udp/0/quic-v1"];
/// How long a joiner looks for its inviter.
const JOIN_WAIT: Duration = Duration::from_secs(30);

/// Why a node could not do what was asked.
#[derive(Debug, Error)]
pub enum NodeError {
    /// Its directory.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its network.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Its replica.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The page's address cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Http {
        /// As it was given.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The clock stands before 2020.
    #[error("the clock stands at {}, before 2020", now.to_rfc3339())]
    ClockBefore2020 {
        /// What it shows.
        now: Timestamp,
    },
    /// The inviter was not reached in time.
    #[error("the inviting device was not reached within {} seconds", JOIN_WAIT.as_secs())]
    InviterNotReached,
    /// The inviter said no.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// A thread or runtime could not be started.
    #[error("the system gives no more threads: {0}")]
    Thread(std::io::Error),
}

impl From<BootError> for NodeError {
    fn from(error: BootError) -> NodeError {
        NodeError::Home(HomeError::Boot(error))
    }
}

/// How to found a network.
#[derive(Clone, Debug)]
pub struct FoundOptions {
    /// What is founded.
    pub founder: Founder,
}

/// How to join a network.
#[derive(Clone, Debug)]
pub struct JoinOptions {
    /// The invitation.
    pub invitation: Invitation,
    /// Where the inviter may be reached, beside what the invitation says.
    pub peers: Vec<Multiaddr>,
    /// What this device wants to be called.
    pub name: String,
    /// Whether to look for the inviter on the LAN.
    pub mdns: bool,
}

/// How to run a node.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Where the page and the API listen.
    pub http: SocketAddr,
    /// The socket to serve them on, where there is one already: see [`handed_over`].
    pub socket: Option<Arc<std::net::TcpListener>>,
    /// Whether that is served over TLS: commands of this directory then get a listener of their own, on loopback.
    pub tls: bool,
    /// Addresses under which it is reached from outside: told to others before its own.
    pub public: Vec<Multiaddr>,
    /// Whether it carries circuits of devices that cannot reach each other: a relay does.
    pub relay: Option<CircuitLimits>,
    /// Where other devices reach this one; empty for the default, or any free port where that is taken.
    pub listen: Vec<Multiaddr>,
    /// Devices always dialled.
    pub peers: Vec<Multiaddr>,
    /// Whether to look for devices on the LAN.
    pub mdns: bool,
    /// How often to compare with connected devices.
    pub sync_every: Duration,
    /// After how long a cancelled credit's amount comes back though not all the others have said that they know.
    pub return_after: Duration,
}

/// A replica opened without network, for one command.
pub struct Offline {
    /// The way to it.
    pub node: NodeHandle,
    /// What shows that a command may read this directory.
    pub credential: String,
    /// Where the original was at work, if the directory was just found to be a copy.
    pub copied_from: Option<PathBuf>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Offline {
    /// Stops and waits until all is on disk and the directory is free.
    pub fn close(self) {
        drop(self.node);
        let _ = self.stop.send(());
        // A thread that panicked has said so itself.
        let _ = self.thread.join();
    }
}

/// A running node.
pub struct Online {
    /// The way to its engine.
    pub node: NodeHandle,
    /// Where its page and API are to be served.
    pub listener: TcpListener,
    /// The real address of that.
    pub http: SocketAddr,
    /// Where commands of this directory reach the API without TLS, if the other address speaks it.
    pub for_commands: Option<TcpListener>,
    /// Where other devices reach it.
    pub listen: Vec<String>,
    /// Its libp2p peer id.
    pub peer_id: String,
    /// What shows that a command may read this directory.
    pub credential: String,
    /// What was done about damaged data, if they were.
    pub rescue: Option<Rescue>,
    /// Where the original was at work, if the directory was just found to be a copy.
    pub copied_from: Option<PathBuf>,
    /// Tells where other devices reach it at the moment of asking, for invitations.
    pub addresses: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    parts: OnlineParts,
}

/// What must be stopped at the end.
pub struct OnlineParts {
    net: NetHandle,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Online {
    /// The socket to serve the page and the API on, and what must be stopped after that.
    pub fn into_parts(self) -> (TcpListener, OnlineParts) {
        (self.listener, self.parts)
    }
}

impl OnlineParts {
    /// Stops cleanly: the engine first, then the network.
    pub async fn stop(self) {
        let OnlineParts { net, stop, thread } = self;
        let _ = stop.send(());
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        net.stop().await;
    }
}

/// A network cannot be as old as such a clock says; anything else goes on by a wrong clock (`domain`, rule 6).
fn check_clock() -> Result<Timestamp, NodeError> {
    let now = now();
    if now < Timestamp::YEAR_2020 { Err(NodeError::ClockBefore2020 { now }) } else { Ok(now) }
}

/// Founds a network in a directory that holds no device.
pub fn found(path: &Path, options: &FoundOptions) -> Result<Replica<SledStore>, NodeError> {
    let now = check_clock()?;
    let mut home = Home::open_or_create(path)?;
    let (replica, _) = found_in(&mut home, options, now)?;
    home.keep_heads(&replica, true);
    Ok(replica)
}

fn found_in(
    home: &mut Home,
    options: &FoundOptions,
    now: Timestamp,
) -> Result<(Replica<SledStore>, Identity), NodeError> {
    let exists = || HomeError::DeviceExists { path: home.path().to_owned() };
    home.need_reserve()?;
    let identity = home.founder_identity()?;
    let found = Replica::found(home.store()?, identity.clone(), random(), &options.founder, now);
    let replica = found.map_err(|error| match error {
        BootError::Emptiness { .. } => exists(),
        other => other.into(),
    })?;
    home.watch(&replica)?;
    Ok((replica, identity))
}

/// Whether that directory holds a device, running or not.
pub fn holds_device(path: &Path) -> bool {
    let has = |name: &str| path.join(name).exists();
    has("identity") || (has("store") && !has(RESTORING))
}

fn engine_thread<F>(run: F) -> Result<JoinHandle<()>, NodeError>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(NodeError::Thread)?;
    let thread = std::thread::Builder::new().name("engine".to_owned());
    thread.spawn(move || runtime.block_on(run)).map_err(NodeError::Thread)
}

/// Where a command looks for the node of its directory.
pub fn running(path: &Path) -> Option<Running> {
    Running::find(path)
}

/// Opens a device's replica for one command: no network, no page.
pub fn open_offline(path: &Path) -> Result<Offline, NodeError> {
    let mut home = Home::open(path)?;
    let replica = home.replica()?;
    let (credential, copied_from) = (home.credential()?, home.copied_from());
    let (requests, asked) = mpsc::channel(REQUESTS_MAX);
    let (looks, looked) = mpsc::channel(REQUESTS_MAX);
    let (_, events) = mpsc::channel(1);
    let (stop, stopped) = oneshot::channel();
    let undurable = Arc::new(AtomicBool::new(false));
    let engine = Engine::new(replica, home, None, None, None, Arc::clone(&undurable), Metrics::default());
    let changes = engine.changes();
    let thread = engine_thread(engine.run(asked, looked, events, stopped))?;
    Ok(Offline { node: NodeHandle::new(requests, looks, undurable, changes), credential, copied_from, stop, thread })
}

/// Mends the data of a directory: what is derived is derived anew from the entries; where entries are damaged, those
/// that can be proven go on (`rescue`).
pub fn repair(path: &Path) -> Result<Option<Rescue>, NodeError> {
    let mut home = Home::open(path)?;
    let (mut replica, rescue) = home.replica_or_rescue()?;
    replica.rebuild()?;
    home.keep_heads(&replica, true);
    Ok(rescue)
}

/// Default listeners, without IPv6 where this host has none.
fn listeners(addresses: &[&str]) -> Vec<Multiaddr> {
    let has_ipv6 = has_ipv6();
    if !has_ipv6 {
        tracing::info!("this host has no IPv6, going on without it");
    }
    let usable = addresses.iter().filter(|address| has_ipv6 || !address.starts_with("/ip6/"));
    usable.filter_map(|address| address.parse().ok()).collect()
}

/// The socket that a service manager holds for this node (`sd_listen_fds`), if it does: who connects while the node is
/// restarted waits there, and is served by the next process. To be asked for while the process has one thread: it takes the
/// variables that told of the socket out of the environment.
///
/// # Errors
/// What was handed over is no listening TCP socket.
pub fn handed_over() -> std::io::Result<Option<Arc<std::net::TcpListener>>> {
    let Some(listener) = listenfd::ListenFd::from_env().take_tcp_listener(0)? else { return Ok(None) };
    listener.set_nonblocking(true)?;
    Ok(Some(Arc::new(listener)))
}

/// Any free port of this machine.
const LOCAL_HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn local_listener() -> Result<TcpListener, NodeError> {
    TcpListener::bind(LOCAL_HTTP).await.map_err(|source| NodeError::Http { address: LOCAL_HTTP, source })
}

/// Runs the node of a directory; where that is empty and `found` says how, founds a network first.
pub async fn run(path: &Path, options: RunOptions, found: Option<FoundOptions>) -> Result<Online, NodeError> {
    let found = found.filter(|_| !holds_device(path));
    let now = if found.is_some() { check_clock()? } else { now() };
    let mut home = if found.is_some() { Home::open_or_create(path)? } else { Home::open(path)? };
    let (mut replica, rescue) = match found {
        Some(options) => (found_in(&mut home, &options, now)?.0, None),
        None => home.replica_or_rescue()?,
    };
    let pace = Pace {
        sync_every_ms: i64::try_from(options.sync_every.as_millis()).unwrap_or(i64::MAX),
        return_after_ms: i64::try_from(options.return_after.as_millis()).unwrap_or(i64::MAX),
    };
    pace.set(&mut replica);
    let listener = match &options.socket {
        Some(socket) => socket.try_clone().and_then(TcpListener::from_std),
        None => TcpListener::bind(options.http).await,
    };
    let listener = listener.map_err(|source| NodeError::Http { address: options.http, source })?;
    let http = listener.local_addr().map_err(|source| NodeError::Http { address: options.http, source })?;
    let own_door = if options.tls { Some(local_listener().await?) } else { None };
    let asked_at = match &own_door {
        Some(local) => local.local_addr().map_err(|source| NodeError::Http { address: LOCAL_HTTP, source })?,
        None => http,
    };

    let (events, heard) = mpsc::channel(EVENTS_MAX);
    let identity = home.identity()?.ok_or_else(|| HomeError::NoDevice { path: path.to_owned() })?;
    let mut config = NetConfig {
        secret_key: identity.key.seed(),
        listen: options.listen.clone(),
        peers: options.peers,
        public: options.public,
        relay: options.relay,
        mdns: options.mdns,
        gossip_topics: Circles::of(&replica).topics(),
        address_book: Some(home.address_book()),
    };
    let net = if config.listen.is_empty() {
        config.listen = listeners(&LISTEN_DEFAULT);
        match spawn(config.clone(), events.clone()) {
            // Another node of this machine has the port: any other serves as well.
            Err(NetError::Listen { .. }) => {
                config.listen = listeners(&LISTEN_ANY);
                spawn(config, events)?
            }
            other => other?,
        }
    } else {
        spawn(config, events)?
    };
    let listen: Vec<String> = net.listening().await?.iter().map(ToString::to_string).collect();

    let (credential, copied_from) = (home.credential()?, home.copied_from());
    home.announce(&Running { http: asked_at.to_string(), credential: credential.clone(), pid: std::process::id() })?;
    let (requests, asked) = mpsc::channel(REQUESTS_MAX);
    let (looks, looked) = mpsc::channel(REQUESTS_MAX);
    let (stop, stopped) = oneshot::channel();
    let undurable = Arc::new(AtomicBool::new(false));
    let metrics = Metrics::new(Some(home.store_path()), Some(Box::new(net.counting())));
    let whereabouts = Whereabouts::new(net.device, Arc::new(net.addresses()), tokio::time::Instant::now());
    let commands = Some(net.commands.clone());
    let engine =
        Engine::new(replica, home, Some(pace), commands, Some(whereabouts), Arc::clone(&undurable), metrics.clone());
    let changes = engine.changes();
    let thread = engine_thread(engine.run(asked, looked, heard, stopped))?;
    let reachable = net.addresses();
    Ok(Online {
        node: NodeHandle::new(requests, looks, undurable, changes).with_metrics(metrics),
        // Not those that lead through a relay: it carries nothing for who has yet to join.
        addresses: Arc::new(move || {
            let direct = reachable().into_iter().filter(|address| !is_circuit(address));
            direct.map(|address| address.to_string()).collect()
        }),
        listener,
        http,
        for_commands: own_door,
        listen,
        rescue,
        peer_id: net.peer_id.clone(),
        credential,
        copied_from,
        parts: OnlineParts { net, stop, thread },
    })
}

/// Becomes a device of a network: done only once certificate and registry are on disk.
pub async fn join(path: &Path, options: JoinOptions) -> Result<Replica<SledStore>, NodeError> {
    let mut home = Home::open_or_create(path)?;
    if home.identity()?.is_some() {
        return Err(HomeError::DeviceExists { path: home.path().to_owned() }.into());
    }
    home.need_reserve()?;
    let key = home.device_key()?;
    let (events, mut heard) = mpsc::channel(EVENTS_MAX);
    let inviter = options.invitation.inviter;
    let told = options.invitation.addresses.iter().filter_map(|address| address.parse().ok());
    let peers: Vec<Multiaddr> = told.chain(options.peers).collect();
    let net = spawn(
        NetConfig {
            secret_key: key.seed(),
            listen: Vec::new(),
            peers,
            public: Vec::new(),
            relay: None,
            mdns: options.mdns,
            gossip_topics: Vec::new(),
            address_book: Some(home.address_book()),
        },
        events,
    )?;
    let joiner = Joiner::new(key.clone(), options.invitation, options.name);
    let joining = admitted(&mut home, &net, &mut heard, inviter, &joiner, key);
    let result = match timeout(JOIN_WAIT, joining).await {
        Ok(result) => result,
        Err(_) => Err(NodeError::InviterNotReached),
    };
    net.stop().await;
    let replica = result?;
    home.keep_heads(&replica, true);
    Ok(replica)
}

async fn admitted(
    home: &mut Home,
    net: &NetHandle,
    heard: &mut mpsc::Receiver<NetEvent>,
    inviter: crate::model::DeviceKey,
    joiner: &Joiner,
    key: crate::log::SigningKey,
) -> Result<Replica<SledStore>, NodeError> {
    let mut replica: Option<Replica<SledStore>> = None;
    while let Some(event) = heard.recv().await {
        let input = match (&mut replica, event) {
            (None, NetEvent::Connected { peer, .. }) if peer == inviter => {
                let _ = net.commands.send(NetCommand::Send { peer, frame: joiner.request() }).await;
                continue;
            }
            (None, NetEvent::Frame { peer, frame }) if peer == inviter => {
                let Some((credentials, gossip_key)) = joiner.answer(&frame)? else { continue };
                let identity = Identity { key: key.clone(), authority_key: None, gossip_key };
                let joined = Replica::join(home.store()?, identity.clone(), random(), &credentials)?;
                home.keep_identity(&identity, credentials.authority)?;
                replica = Some(joined);
                Input::Connected { peer }
            }
            (Some(_), NetEvent::Connected { peer, .. }) => Input::Connected { peer },
            (Some(_), NetEvent::Disconnected { peer }) => Input::Disconnected { peer },
            (Some(_), NetEvent::Frame { peer, frame }) => Input::Frame { peer, bytes: frame },
            _ => continue,
        };
        let Some(joined) = &mut replica else { continue };
        let outputs = joined.handle(now(), input);
        joined.sync()?;
        for output in outputs {
            let command = match output {
                Output::Send { peer, bytes } => NetCommand::Send { peer, frame: bytes },
                Output::Trust { peer } => NetCommand::Trust { peer },
                _ => continue,
            };
            let _ = net.commands.send(command).await;
        }
        if let Some(joined) = replica.take_if(|joined| joined.has_registry()) {
            home.watch(&joined)?;
            return Ok(joined);
        }
    }
    Err(NodeError::InviterNotReached)
}
