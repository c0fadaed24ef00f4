//! The loop: inputs in, one sync, outputs out. It follows the rule of the loop in `replica`.
//!
//! 1. Wait for something: a request, a network event, the tick.
//! 2. Hand all that is there to the replica as one step, up to a bound; keep the outputs.
//! 3. Have it synced once, on a thread that may wait (`syncer`). Nothing is handled until that is done.
//! 4. Let the outputs out. If the sync failed, only refusals go out, and nothing is written any more.
//!
//! Who looks waits for a sync that is under way, but not for long: a disk that stalls does not blind the shop. What is
//! then shown may not be durable yet, and is marked so ([`NodeHandle::shows_undurable`](super::NodeHandle)).
//!
//! A full disk is looked at again from time to time, and the store opened anew once there is room. A disk that failed
//! otherwise is not believed again by this process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::changes::Changes;
use super::clock::now;
use super::gossip::Circles;
use super::handle::{Request, SyncReport};
use super::home::Home;
use super::metrics::{Disk, Metrics, Way};
use super::net::{GossipId, NetCommand, NetEvent, limits::GOSSIP_BYTES_MAX};
use super::storage::{HeadsFile, SledStore};
use super::syncer::Syncer;
use super::whereabouts::{self, Whereabouts};
use crate::ledger::Refusal;
use crate::model::DeviceKey;
use crate::replica::{Answer, Input, Output, Query, Replica, Tally};
use crate::store::StoreError;

/// Inputs that share one sync at most: what one fsync costs is then a small part, and nobody waits long.
const GROUP_MAX: usize = 256;
/// How often the replica is told that time has passed.
const TICK: Duration = Duration::from_millis(100);
/// How long who looks waits for a sync that is under way: longer than a healthy disk takes, shorter than people notice.
const PATIENCE: Duration = Duration::from_millis(25);
/// How often a full disk is looked at again.
const ROOM_PAUSE: Duration = Duration::from_secs(2);

enum Waiting {
    Answer(oneshot::Sender<Result<Answer, Refusal>>),
    Sync(oneshot::Sender<SyncReport>),
}

/// What a replica is told when it is opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How often to compare with connected devices, in milliseconds.
    pub sync_every_ms: i64,
    /// After how long a cancelled amount comes back in any case, in milliseconds.
    pub return_after_ms: i64,
}

impl Pace {
    pub fn set(&self, replica: &mut Replica<SledStore>) {
        replica.set_sync_every_ms(self.sync_every_ms);
        replica.set_return_after_ms(self.return_after_ms);
    }
}

/// A sync under way, and what goes out when it is done.
struct InFlight {
    outputs: Vec<Output>,
    done: oneshot::Receiver<Result<(), StoreError>>,
    /// Until when who looks waits for it.
    patience: Instant,
}

type Look = (Box<Query>, oneshot::Sender<Result<Answer, Refusal>>);

/// A replica, its disk and its ways in and out.
pub(super) struct Engine {
    /// None only while the store is being opened anew on a disk that was full.
    replica: Option<Replica<SledStore>>,
    home: Home,
    pace: Option<Pace>,
    circles: Circles,
    net: Option<mpsc::Sender<NetCommand>>,
    whereabouts: Option<Whereabouts>,
    hints: Vec<NetCommand>,
    connected: BTreeSet<DeviceKey>,
    waiting: BTreeMap<u64, Waiting>,
    next_ticket: u64,
    judged: Vec<(GossipId, bool)>,
    in_flight: Option<InFlight>,
    looks: Vec<Look>,
    undurable: Arc<AtomicBool>,
    /// When the heads file was last written.
    heads_at: Option<Instant>,
    room_at: Instant,
    changes: Changes,
    metrics: Metrics,
    /// What the replica had counted after the last step.
    counted: Tally,
}

impl Engine {
    pub fn new(
        replica: Replica<SledStore>,
        home: Home,
        pace: Option<Pace>,
        net: Option<mpsc::Sender<NetCommand>>,
        whereabouts: Option<Whereabouts>,
        undurable: Arc<AtomicBool>,
        metrics: Metrics,
    ) -> Engine {
        let circles = Circles::of(&replica);
        metrics.set_disk(disk(&replica));
        Engine {
            replica: Some(replica),
            home,
            pace,
            circles,
            net,
            whereabouts,
            hints: Vec::new(),
            connected: BTreeSet::new(),
            waiting: BTreeMap::new(),
            next_ticket: 0,
            judged: Vec::new(),
            in_flight: None,
            looks: Vec::new(),
            undurable,
            heads_at: None,
            room_at: Instant::now(),
            changes: Changes::default(),
            metrics,
            counted: Tally::default(),
        }
    }

    /// What it will tell of changes.
    pub fn changes(&self) -> Changes {
        self.changes.clone()
    }

    /// Runs until `stop` or until nobody can ask any more. What was acknowledged is durable in any case.
    pub async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut looks: mpsc::Receiver<Look>,
        mut events: mpsc::Receiver<NetEvent>,
        mut stop: oneshot::Receiver<()>,
    ) {
        let mut syncer = match Syncer::start(self.home.take_heads(), self.metrics.clone()) {
            Ok(syncer) => syncer,
            Err(error) => {
                tracing::error!(%error, "the system gives no thread to wait for the disk");
                return;
            }
        };
        let mut tick = interval_at(Instant::now() + TICK, TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut asked = Vec::with_capacity(GROUP_MAX);
        let mut looked = Vec::with_capacity(GROUP_MAX);
        let mut heard = Vec::with_capacity(GROUP_MAX);
        let online = self.net.is_some();
        loop {
            let idle = self.in_flight.is_none();
            let patience = self.in_flight.as_ref().map_or_else(Instant::now, |flight| flight.patience);
            let mut inputs = Vec::new();
            tokio::select! {
                _ = &mut stop => break,
                synced = landed(&mut self.in_flight), if !idle => {
                    self.land(synced).await;
                    continue;
                }
                () = sleep_until(patience), if !idle && !self.looks.is_empty() => {
                    self.answer_looks();
                    continue;
                }
                count = looks.recv_many(&mut looked, GROUP_MAX), if !looks.is_closed() || !looks.is_empty() => {
                    self.looks.append(&mut looked);
                    if count > 0 && idle {
                        self.answer_looks();
                    }
                    continue;
                }
                count = requests.recv_many(&mut asked, GROUP_MAX), if idle => {
                    if count == 0 {
                        break;
                    }
                }
                count = events.recv_many(&mut heard, GROUP_MAX), if online && idle => {
                    if count == 0 {
                        tracing::error!("the network has stopped");
                        break;
                    }
                }
                _ = tick.tick(), if idle => {
                    inputs.push(Input::Tick);
                    self.tell_whereabouts();
                }
            }
            inputs.extend(asked.drain(..).map(|request| self.ticket(request)));
            inputs.extend(heard.drain(..).filter_map(|event| self.hear(event)));
            if let Some(heads) = self.look_for_room(&mut inputs) {
                match Syncer::start(heads, self.metrics.clone()) {
                    Ok(started) => syncer = started,
                    Err(error) => {
                        tracing::error!(%error, "the system gives no thread to wait for the disk");
                        break;
                    }
                }
            }
            self.step(inputs, &syncer).await;
        }
        if let Some(mut flight) = self.in_flight.take() {
            self.land((&mut flight.done).await.unwrap_or_else(|_| Err(gone()))).await;
        }
        if let Some(replica) = &mut self.replica
            && replica.sync().is_ok()
        {
            let heads = replica.heads();
            let _ = syncer.run(Box::new(|| Ok(())), Some(heads)).await;
        }
        drop(syncer);
        self.home.withdraw();
    }

    /// One step of the replica; what it says goes out when it is durable.
    async fn step(&mut self, inputs: Vec<Input>, syncer: &Syncer) {
        let Some(replica) = &mut self.replica else {
            self.refuse_waiting();
            return;
        };
        let (count, begun) = (inputs.len(), Instant::now());
        let busy = self.metrics.busy();
        let outputs = replica.handle_all(now(), inputs);
        drop(busy);
        self.metrics.step(count, begun.elapsed());
        let tally = replica.tally();
        self.metrics.tally(self.counted, tally);
        self.counted = tally;
        self.metrics.set_disk(disk(replica));
        if self.circles.follow(replica) {
            self.hints.push(NetCommand::Subscribe(self.circles.topics()));
        }
        match replica.begin_sync() {
            Ok(None) => self.let_out(outputs, true).await,
            Ok(Some(work)) => {
                let is_due = self.heads_at.is_none_or(|at| at.elapsed() >= HeadsFile::PERIOD);
                let heads = is_due.then(|| replica.heads());
                if is_due {
                    self.heads_at = Some(Instant::now());
                }
                let done = syncer.run(work, heads);
                self.in_flight = Some(InFlight { outputs, done, patience: Instant::now() + PATIENCE });
            }
            Err(_) => self.let_out(outputs, false).await,
        }
    }

    /// A sync is done.
    async fn land(&mut self, synced: Result<(), StoreError>) {
        let outputs = self.in_flight.take().map(|flight| flight.outputs).unwrap_or_default();
        let ended = self.replica.as_mut().map_or(Ok(()), |replica| replica.end_sync(synced));
        if let Err(error) = &ended {
            tracing::error!(%error, "nothing is written any more");
        }
        self.undurable.store(ended.is_err(), Ordering::Release);
        self.metrics.set_disk(self.replica.as_ref().map_or(Disk::Full, disk));
        self.let_out(outputs, ended.is_ok()).await;
        self.answer_looks();
    }

    /// Shows what stands to all who want to see it.
    fn answer_looks(&mut self) {
        if self.looks.is_empty() {
            return;
        }
        let is_failed = self.replica.as_ref().is_none_or(|replica| replica.failure().is_some());
        self.undurable.store(self.in_flight.is_some() || is_failed, Ordering::Release);
        let _busy = self.metrics.busy();
        for (query, reply) in std::mem::take(&mut self.looks) {
            let answer = match &self.replica {
                Some(replica) => replica.look(now(), &query),
                None => Err(Refusal::DiskFull),
            };
            // Nobody may be waiting any more.
            let _ = reply.send(answer);
        }
    }

    /// Where the disk was full: opens the store anew once there is room. Answers the heads file of that store.
    fn look_for_room(&mut self, inputs: &mut Vec<Input>) -> Option<Option<HeadsFile>> {
        let is_full = self.replica.as_ref().is_none_or(|replica| replica.failure() == Some(&Refusal::DiskFull));
        if !is_full || self.room_at.elapsed() < ROOM_PAUSE {
            return None;
        }
        self.room_at = Instant::now();
        if !self.home.has_room() {
            return None;
        }
        // Two stores cannot have one directory open.
        self.replica = None;
        self.refuse_waiting();
        match self.home.replica() {
            Ok(mut replica) => {
                if let Some(pace) = &self.pace {
                    pace.set(&mut replica);
                }
                tracing::info!("there is room on the disk again: this node goes on");
                self.undurable.store(false, Ordering::Release);
                self.replica = Some(replica);
                self.counted = Tally::default();
                // What came in for the one before is for this one, once it knows who is there.
                let came = std::mem::take(inputs);
                inputs.extend(self.connected.iter().map(|peer| Input::Connected { peer: *peer }));
                inputs.extend(came);
                Some(self.home.take_heads())
            }
            Err(error) => {
                tracing::error!(%error, "the store cannot be opened again");
                None
            }
        }
    }

    /// Whoever waits for a replica that is no more is told so.
    fn refuse_waiting(&mut self) {
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            match waiting {
                Waiting::Answer(reply) => drop(reply.send(Err(Refusal::DiskFull))),
                Waiting::Sync(reply) => drop(reply.send(SyncReport::default())),
            }
        }
    }

    fn ticket(&mut self, request: Request) -> Input {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        match request {
            Request::Command { command, key, reply } => {
                self.waiting.insert(ticket, Waiting::Answer(reply));
                Input::Command { ticket, command, key }
            }
            Request::Sync { reply } => {
                self.waiting.insert(ticket, Waiting::Sync(reply));
                Input::Sync { ticket }
            }
        }
    }

    fn hear(&mut self, event: NetEvent) -> Option<Input> {
        match event {
            NetEvent::Connected { peer, .. } => {
                self.connected.insert(peer);
                if let Some(whereabouts) = &mut self.whereabouts {
                    whereabouts.met(Instant::now());
                }
                Some(Input::Connected { peer })
            }
            NetEvent::Disconnected { peer } => {
                self.connected.remove(&peer);
                Some(Input::Disconnected { peer })
            }
            NetEvent::Frame { peer, frame } => {
                self.metrics.frame(Way::In, frame.len());
                Some(Input::Frame { peer, bytes: frame })
            }
            NetEvent::Gossip { id, from, topic, bytes } => {
                let seal = self.circles.seal_of(&topic);
                if let Some(told) = seal.and_then(|seal| seal.open_whereabouts(&bytes)) {
                    let is_ours = self.hear_whereabouts(&told);
                    self.judged.push((id, is_ours));
                    return None;
                }
                let plain = seal.and_then(|seal| seal.open(&bytes));
                match &plain {
                    Some(_) => self.metrics.gossip(Way::In),
                    None => self.metrics.gossip_unsealed(),
                }
                // Only what a device of the network sealed is handed on.
                self.judged.push((id, plain.is_some()));
                plain.map(|bytes| Input::Gossip { from, bytes })
            }
            // The network says so itself.
            NetEvent::Listening(_) => None,
            NetEvent::ListenFailed { address, error } => {
                tracing::warn!(?address, error, "a listener broke down");
                None
            }
            NetEvent::DialFailed { peer, address, error } => {
                tracing::debug!(?peer, ?address, error, "could not be reached");
                None
            }
        }
    }

    /// Says where this device is, if it is time.
    fn tell_whereabouts(&mut self) {
        let Some(told) = self.whereabouts.as_mut().and_then(|whereabouts| whereabouts.tell(Instant::now())) else {
            return;
        };
        for (topic, seal) in self.circles.neighbours() {
            let sealed = seal.seal_whereabouts(&told);
            self.hints.extend(sealed.map(|bytes| NetCommand::Publish { topic: topic.clone(), bytes }));
        }
    }

    /// Someone said where a device is. Answers whether others should hear it, too.
    fn hear_whereabouts(&mut self, told: &[u8]) -> bool {
        let Some((peer, addresses)) = whereabouts::decode(told) else { return false };
        let registry = self.replica.as_ref().map(Replica::registry);
        if !registry.is_some_and(|known| known.member(&peer).is_some() && !known.is_revoked(&peer)) {
            return false;
        }
        self.hints.push(NetCommand::Hint { peer, addresses });
        true
    }

    async fn let_out(&mut self, outputs: Vec<Output>, durable: bool) {
        for (id, accept) in std::mem::take(&mut self.judged) {
            self.tell(NetCommand::JudgeGossip { id, accept }).await;
        }
        for hint in std::mem::take(&mut self.hints) {
            self.tell(hint).await;
        }
        for output in outputs {
            self.let_one_out(output, durable).await;
        }
    }

    async fn let_one_out(&mut self, output: Output, durable: bool) {
        match output {
            Output::Answer { ticket, result } => {
                if let Some(Waiting::Answer(reply)) = self.waiting.remove(&ticket) {
                    let failure = self.replica.as_ref().and_then(|replica| replica.failure().cloned());
                    let refusal = failure.unwrap_or(Refusal::Busy);
                    let result = if durable { result } else { result.and(Err(refusal)) };
                    // Nobody may be waiting any more.
                    let _ = reply.send(result);
                }
            }
            Output::Synced { ticket, peers, in_step, sent, received } => {
                if let Some(Waiting::Sync(reply)) = self.waiting.remove(&ticket) {
                    let _ = reply.send(SyncReport { peers, in_step, sent, received });
                }
            }
            _ if !durable => {}
            Output::Send { peer, bytes } => {
                self.metrics.frame(Way::Out, bytes.len());
                self.tell(NetCommand::Send { peer, frame: bytes }).await;
            }
            Output::Publish { scope, bytes } => {
                let Some((topic, seal)) = self.circles.circle(scope) else { return };
                // What is too long for gossip is found by the next comparison.
                if let Some(bytes) = seal.seal(&bytes).filter(|sealed| sealed.len() <= GOSSIP_BYTES_MAX) {
                    self.metrics.gossip(Way::Out);
                    let topic = topic.clone();
                    self.tell(NetCommand::Publish { topic, bytes }).await;
                }
            }
            Output::Changed { changes } => self.changes.tell(changes),
            Output::Trust { peer } => self.tell(NetCommand::Trust { peer }).await,
            Output::Ban { peer, for_ms, reason } => {
                tracing::info!(peer = %short(&peer), reason, "connection ended");
                self.metrics.ban(reason);
                self.tell(NetCommand::Ban { peer, for_: Duration::from_millis(for_ms) }).await;
            }
        }
    }

    async fn tell(&self, command: NetCommand) {
        if let Some(net) = &self.net {
            // A network that has stopped is noticed by the loop.
            let _ = net.send(command).await;
        }
    }
}

/// What became of the sync under way; never where there is none.
async fn landed(flight: &mut Option<InFlight>) -> Result<(), StoreError> {
    match flight {
        Some(flight) => (&mut flight.done).await.unwrap_or_else(|_| Err(gone())),
        None => std::future::pending().await,
    }
}

/// What the disk of that replica allows.
fn disk(replica: &Replica<SledStore>) -> Disk {
    match replica.failure() {
        None => Disk::Writable,
        Some(Refusal::DiskFull) => Disk::Full,
        Some(_) => Disk::ReadOnly,
    }
}

fn gone() -> StoreError {
    StoreError::Failed("the thread that waits for the disk is gone".to_owned())
}

fn short(peer: &DeviceKey) -> String {
    peer.to_text().chars().take(8).collect()
}
