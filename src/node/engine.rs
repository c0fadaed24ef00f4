//! The loop: inputs in, one sync, outputs out. It follows the rule of the loop in `replica`.
//!
//! 1. Wait for something: a request, a network event, the tick.
//! 2. Hand all that is there to the replica as one step, up to a bound; keep the outputs.
//! 3. Sync once.
//! 4. Let the outputs out. If the sync failed, only refusals go out, and nothing is written any more.
//!
//! It runs on a thread of its own, since a sync blocks.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::changes::Changes;
use super::clock::now;
use super::gossip::Seal;
use super::handle::{Request, SyncReport};
use super::home::Home;
use super::net::{GossipId, NetCommand, NetEvent, limits::GOSSIP_BYTES_MAX};
use crate::ledger::Refusal;
use crate::model::DeviceKey;
use crate::replica::{Answer, Input, Output, Replica};
use crate::store::Store;

/// Inputs that share one sync at most: what one fsync costs is then a small part, and nobody waits long.
const GROUP_MAX: usize = 256;
/// How often the replica is told that time has passed.
const TICK: Duration = Duration::from_millis(100);

enum Waiting {
    Answer(oneshot::Sender<Result<Answer, Refusal>>),
    Sync(oneshot::Sender<SyncReport>),
}

/// A replica, its disk and its ways in and out.
pub struct Engine<S: Store> {
    replica: Replica<S>,
    home: Home,
    seal: Seal,
    net: Option<mpsc::Sender<NetCommand>>,
    waiting: BTreeMap<u64, Waiting>,
    next_ticket: u64,
    judged: Vec<(GossipId, bool)>,
    changes: Changes,
}

impl<S: Store> Engine<S> {
    pub(super) fn new(replica: Replica<S>, home: Home, net: Option<mpsc::Sender<NetCommand>>) -> Engine<S> {
        let seal = Seal::new(&replica.gossip_key());
        Engine {
            replica,
            home,
            seal,
            net,
            waiting: BTreeMap::new(),
            next_ticket: 0,
            judged: Vec::new(),
            changes: Changes::default(),
        }
    }

    /// What it will tell of changes.
    pub(super) fn changes(&self) -> Changes {
        self.changes.clone()
    }

    /// Runs until `stop` or until nobody can ask any more. What was acknowledged is durable in any case.
    pub(super) async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut events: mpsc::Receiver<NetEvent>,
        mut stop: oneshot::Receiver<()>,
    ) {
        let mut tick = interval_at(Instant::now() + TICK, TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut asked = Vec::with_capacity(GROUP_MAX);
        let mut heard = Vec::with_capacity(GROUP_MAX);
        let online = self.net.is_some();
        loop {
            let mut inputs = Vec::new();
            tokio::select! {
                _ = &mut stop => break,
                count = requests.recv_many(&mut asked, GROUP_MAX) => {
                    if count == 0 {
                        break;
                    }
                }
                count = events.recv_many(&mut heard, GROUP_MAX), if online => {
                    if count == 0 {
                        tracing::error!("the network has stopped");
                        break;
                    }
                }
                _ = tick.tick() => inputs.push(Input::Tick),
            }
            inputs.extend(asked.drain(..).map(|request| self.ticket(request)));
            inputs.extend(heard.drain(..).filter_map(|event| self.hear(event)));
            let outputs = self.replica.handle_all(now(), inputs);
            self.let_out(outputs).await;
        }
        if self.replica.sync().is_ok() {
            self.home.keep_heads(&self.replica, true);
        }
        self.home.withdraw();
    }

    fn ticket(&mut self, request: Request) -> Input {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        match request {
            Request::Command { command, key, reply } => {
                self.waiting.insert(ticket, Waiting::Answer(reply));
                Input::Command { ticket, command, key }
            }
            Request::Query { query, reply } => {
                self.waiting.insert(ticket, Waiting::Answer(reply));
                Input::Query { ticket, query }
            }
            Request::Sync { reply } => {
                self.waiting.insert(ticket, Waiting::Sync(reply));
                Input::Sync { ticket }
            }
        }
    }

    fn hear(&mut self, event: NetEvent) -> Option<Input> {
        match event {
            NetEvent::Connected { peer, .. } => Some(Input::Connected { peer }),
            NetEvent::Disconnected { peer } => Some(Input::Disconnected { peer }),
            NetEvent::Frame { peer, frame } => Some(Input::Frame { peer, bytes: frame }),
            NetEvent::Gossip { id, from, bytes } => {
                let plain = self.seal.open(&bytes);
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

    async fn let_out(&mut self, outputs: Vec<Output>) {
        let durable = match self.replica.sync() {
            Ok(()) => {
                self.home.keep_heads(&self.replica, false);
                true
            }
            Err(error) => {
                if !outputs.is_empty() {
                    tracing::error!(%error, "nothing is written any more");
                }
                false
            }
        };
        for (id, accept) in std::mem::take(&mut self.judged) {
            self.tell(NetCommand::JudgeGossip { id, accept }).await;
        }
        for output in outputs {
            self.let_one_out(output, durable).await;
        }
    }

    async fn let_one_out(&mut self, output: Output, durable: bool) {
        match output {
            Output::Answer { ticket, result } => {
                if let Some(Waiting::Answer(reply)) = self.waiting.remove(&ticket) {
                    let detail = self.replica.failure().unwrap_or("not durable").to_owned();
                    let result = if durable { result } else { result.and(Err(Refusal::ReadOnly { detail })) };
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
            Output::Send { peer, bytes } => self.tell(NetCommand::Send { peer, frame: bytes }).await,
            Output::Publish { bytes } => {
                // What is too long for gossip is found by the next comparison.
                if let Some(sealed) = self.seal.seal(&bytes).filter(|sealed| sealed.len() <= GOSSIP_BYTES_MAX) {
                    self.tell(NetCommand::Publish(sealed)).await;
                }
            }
            Output::Changed { changes } => self.changes.tell(changes),
            Output::Trust { peer } => self.tell(NetCommand::Trust { peer }).await,
            Output::Ban { peer, for_ms, reason } => {
                tracing::info!(peer = %short(&peer), reason, "connection ended");
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

fn short(peer: &DeviceKey) -> String {
    peer.to_text().chars().take(8).collect()
}
