//! The world of one run: devices, the network between them, time that jumps from one event to the next.
//!
//! ```text
//! queue ──► next event ──► device: inbox ──► Replica::handle_all ──► outputs held
//!   ▲                                              │                      │
//!   │                                      auditor looks on       disk synced (or power lost)
//!   └───────── frames, gossip, ticks ◄──────────────────────────── outputs let out
//! ```
//!
//! The driver here obeys the rule of the loop like `node`'s: no output leaves before the disk is synced. Everything
//! that happens follows from the seed; events of one moment happen in the order in which they were planned.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;

use crate::lab::Cast;
use crate::lab::auditor::{Auditor, Broken};
use crate::lab::device::{Device, State};
use crate::lab::disk::Fails;
use crate::lab::faults::Fault;
use crate::lab::glance::Watcher;
use crate::lab::hostile::Hostile;
use crate::lab::network::{Network, Pair};
use crate::lab::options::Options;
use crate::lab::tape::What;
use crate::lab::trace::{Happened, Trace};
use crate::lab::workload::Workload;
use crate::ledger::Refusal;
use crate::model::DeviceKey;
use crate::replica::{Answer, Change, Input, Output, Replica};

/// What is to happen.
#[derive(Debug)]
pub(super) enum Event {
    /// People act.
    Act { moment: usize, device: usize },
    /// A frame arrives.
    Frame { from: usize, to: usize, epoch: u64, bytes: Vec<u8> },
    /// Something gossiped arrives.
    Gossip { from: usize, to: usize, bytes: Rc<[u8]> },
    /// A device is told that time has passed.
    Tick { device: usize },
    /// A device looks at what has come.
    Step { device: usize, life: u64 },
    /// A device's disk has done what it was told.
    Synced { device: usize, life: u64 },
    /// A device has power again.
    Restart { device: usize, life: u64 },
    /// Two devices may connect.
    Dial(Pair),
    /// A connection ends, if it is still that one.
    End { pair: Pair, epoch: u64 },
    /// A device notices that a connection has ended.
    Parted { device: usize, peer: usize, life: u64 },
    /// Something goes wrong.
    Fault(Fault),
}

/// What a run is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The network is founded, everybody joins; nothing goes wrong, nobody watches.
    Founding,
    /// People work and things go wrong.
    Safety,
    /// Nothing goes wrong any more, nobody works: all must come to agree.
    Healing,
    /// A story is played: only what it says happens, and who asked keeps the answers.
    Staged,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Steps of replicas.
    pub steps: u64,
    /// Frames that arrived.
    pub frames: u64,
    /// Batches written.
    pub batches: u64,
    /// Commands carried out and answered so.
    pub done: u64,
    /// Commands refused by the rules.
    pub refused: u64,
    /// Commands asked of a device.
    pub asked: u64,
    /// Disks that failed to write or to sync.
    pub disk_errors: u64,
    /// Losses of power, those after an error of the disk included.
    pub power_cuts: u64,
    /// Connections ended by a ban.
    pub bans: u64,
    /// Rounds of comparison until all agreed.
    pub rounds: u32,
}

/// Why honest devices may leave each other: the first frames are late, or a joiner's certificate is. Any other reason
/// is a device's misjudgement of an honest one.
const HONEST_BANS: [&str; 3] = ["it did not say who it is", "not a device of this network", "it refuses this device"];

/// The whole of it.
pub(super) struct World {
    pub options: Options,
    pub cast: Cast,
    pub phase: Phase,
    /// Milliseconds since the start.
    pub now: i64,
    /// When the network was founded.
    pub began: i64,
    pub queue: BTreeMap<(i64, u64), Event>,
    planned: u64,
    pub devices: Vec<Device>,
    /// Who bears a key: several, where a disk was copied.
    numbers: BTreeMap<DeviceKey, Vec<usize>>,
    pub network: Network,
    pub workload: Workload,
    pub auditor: Auditor,
    pub hostile: Option<Hostile>,
    /// Who looks on.
    pub watcher: Option<Box<dyn Watcher>>,
    pub trace: Trace,
    pub counts: Counts,
    /// While founding, and in a story: what was answered.
    pub answers: Vec<Result<Answer, Refusal>>,
}

impl World {
    pub fn new(
        options: Options,
        cast: Cast,
        devices: Vec<Device>,
        network: Network,
        workload: Workload,
        trace: Trace,
        began: i64,
    ) -> World {
        let mut numbers: BTreeMap<DeviceKey, Vec<usize>> = BTreeMap::new();
        for (number, device) in cast.devices.iter().enumerate() {
            numbers.entry(device.key).or_default().push(number);
        }
        let skipped: Vec<&str> = options.skipped.iter().map(String::as_str).collect();
        let auditor = Auditor::new(&cast).skipping(&skipped);
        World {
            options,
            cast,
            phase: Phase::Founding,
            now: began,
            began,
            queue: BTreeMap::new(),
            planned: 0,
            devices,
            numbers,
            network,
            workload,
            auditor,
            hostile: None,
            watcher: None,
            trace,
            counts: Counts::default(),
            answers: Vec::new(),
        }
    }

    // ---- time ----

    pub fn plan(&mut self, at: i64, event: Event) {
        self.planned += 1;
        self.queue.insert((at.max(self.now), self.planned), event);
    }

    /// Lets happen what is planned up to then, then.
    pub fn run_until(&mut self, end: i64) -> Result<(), Broken> {
        while let Some(next) = self.queue.first_entry() {
            if next.key().0 > end {
                break;
            }
            let ((at, _), event) = next.remove_entry();
            self.now = at;
            let result = self.happen(event);
            if self.watcher.is_some() {
                self.show()?;
            }
            result?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Act { moment, device } => self.act(moment, device),
            Event::Frame { from, to, epoch, bytes } => {
                let link = self.network.link(Pair::new(from, to));
                if !link.connected || link.epoch != epoch {
                    return Ok(());
                }
                self.counts.frames += 1;
                self.trace.note(self.now, to, &Happened::Heard { from, bytes: bytes.len() });
                let peer = self.cast.devices[from].key;
                self.deliver(to, Input::Frame { peer, bytes })
            }
            Event::Gossip { from, to, bytes } => {
                if self.network.link(Pair::new(from, to)).blocked > 0 {
                    return Ok(());
                }
                self.trace.note(self.now, to, &Happened::Gossip { from, bytes: bytes.len() });
                let from = self.cast.devices[from].key;
                self.deliver(to, Input::Gossip { from, bytes: bytes.to_vec() })
            }
            Event::Tick { device } => self.tick(device),
            Event::Step { device, life } if self.devices[device].life == life => self.step(device),
            Event::Synced { device, life } if self.devices[device].life == life => self.synced(device),
            Event::Restart { device, life } if self.devices[device].life == life => self.restart(device),
            Event::Dial(pair) => self.dial(pair),
            Event::End { pair, epoch } => {
                if self.network.link(pair).connected && self.network.link(pair).epoch == epoch {
                    self.end(pair);
                }
                Ok(())
            }
            Event::Parted { device, peer, life } if self.devices[device].life == life => {
                self.trace.note(self.now, device, &Happened::Parted { peer });
                let peer = self.cast.devices[peer].key;
                self.deliver(device, Input::Disconnected { peer })
            }
            Event::Fault(Fault::Attack { device }) if self.phase == Phase::Safety => self.attack(device),
            Event::Fault(fault) if self.phase == Phase::Safety => {
                self.go_wrong(fault);
                Ok(())
            }
            // Planned for a life that is over, or a time that is.
            Event::Step { .. }
            | Event::Synced { .. }
            | Event::Restart { .. }
            | Event::Parted { .. }
            | Event::Fault(_) => Ok(()),
        }
    }

    // ---- people ----

    fn act(&mut self, moment: usize, device: usize) -> Result<(), Broken> {
        let one = &mut self.devices[device];
        let now = one.clock.read(self.now);
        let State::Up(replica) = &one.state else { return Ok(()) };
        for asked in self.workload.act(moment, device, replica, now) {
            let ticket = self.devices[device].ticket();
            let (command, key) = (asked.command, asked.key);
            self.counts.asked += 1;
            self.auditor.asked(device, ticket, &command, key.as_deref());
            let happened = Happened::Asked { ticket, key: key.as_deref(), command: &command };
            self.trace.note(self.now, device, &happened);
            self.devices[device].inbox.push(Input::Command { ticket, command: Box::new(command), key });
        }
        self.look(device)
    }

    // ---- devices ----

    /// Whom a device means by a key: the one that it is connected with, where several bear it.
    fn bearer(&mut self, device: usize, key: &DeviceKey) -> Option<usize> {
        let bearers = self.numbers.get(key)?;
        match bearers.as_slice() {
            [one] => Some(*one),
            several => {
                let others = several.iter().copied().filter(|other| *other != device).collect::<Vec<_>>();
                others.into_iter().find(|other| self.network.link(Pair::new(device, *other)).connected)
            }
        }
    }

    /// Hands something to a device; one without power does not hear it.
    pub fn deliver(&mut self, device: usize, input: Input) -> Result<(), Broken> {
        match &self.devices[device].state {
            State::Up(_) => {
                self.devices[device].inbox.push(input);
                self.look(device)
            }
            State::Joining(..) => self.joiner_hears(device, input),
            State::Absent | State::Down => Ok(()),
        }
    }

    /// The device looks at what has come: at once, after a moment in which more may come, or when its disk is done.
    pub fn look(&mut self, device: usize) -> Result<(), Broken> {
        let wait = self.chance(device, self.options.rates.grouped);
        let one = &mut self.devices[device];
        if one.syncing || one.step_due || one.inbox.is_empty() {
            return Ok(());
        }
        if wait {
            one.step_due = true;
            let (life, after) = (one.life, one.draw.between(1, 200));
            self.plan(self.now + after, Event::Step { device, life });
            return Ok(());
        }
        self.step(device)
    }

    /// Whether something of that many in a thousand happens to this device; nothing does but while things go wrong.
    fn chance(&mut self, device: usize, permille: u32) -> bool {
        self.phase == Phase::Safety && permille > 0 && self.devices[device].draw.permille(permille)
    }

    fn tick(&mut self, device: usize) -> Result<(), Broken> {
        if !self.devices[device].ticks.is_due(self.now) {
            return Ok(());
        }
        let next = self.devices[device].ticks.told(self.now);
        self.plan(next, Event::Tick { device });
        self.trace.note(self.now, device, &Happened::Ticked);
        self.deliver(device, Input::Tick)
    }

    pub fn step(&mut self, device: usize) -> Result<(), Broken> {
        let one = &mut self.devices[device];
        one.step_due = false;
        let now = one.clock.read(self.now);
        let inputs = std::mem::take(&mut one.inbox);
        let before = one.disk.applied();
        if self.phase == Phase::Safety && one.draw.below(100_000) < u64::from(self.options.rates.disk_errors) {
            one.disk.fail_next(if one.draw.below(2) == 0 { Fails::Apply } else { Fails::Sync });
        }
        let State::Up(replica) = &mut one.state else { return Ok(()) };
        let mut outputs = replica.handle_all(now, inputs);
        self.counts.steps += 1;
        if let Some(why) = replica.failure() {
            let why = why.to_string();
            return self.disk_failed(device, &why, &outputs);
        }
        one.held.append(&mut outputs);
        if one.disk.applied() == before {
            // Nothing was written, so nothing shows that did not show before.
            return if one.sync_due { Ok(()) } else { self.synced(device) };
        }
        self.counts.batches += 1;
        if self.phase != Phase::Founding {
            self.auditor.stepped(device, replica)?;
        }
        let next = one.ticks.wrote(self.now, &mut one.draw);
        self.trace.note(self.now, device, &Happened::Wrote { unsynced: one.disk.unsynced() });
        if let Some(at) = next {
            self.plan(at, Event::Tick { device });
        }
        self.wrote(device)
    }

    /// After a step that wrote: the disk is told to sync, at once or later, or the power goes.
    fn wrote(&mut self, device: usize) -> Result<(), Broken> {
        let (power_cuts, slow) = (self.options.rates.power_cuts, self.options.rates.syncs_slow);
        let one = &mut self.devices[device];
        if self.phase == Phase::Safety && one.draw.below(10_000) < u64::from(power_cuts) {
            // Half of the times after the sync and before anything is let out.
            let synced = one.draw.below(2) == 0;
            let result = if synced { one.replica().map(Replica::sync) } else { None };
            match result {
                Some(Err(error)) => return self.disk_failed(device, &error.to_string(), &[]),
                _ => self.lose_power(device),
            }
            return Ok(());
        }
        if self.devices[device].sync_due {
            return Ok(());
        }
        let later = self.chance(device, self.options.rates.grouped);
        let busy = self.chance(device, slow);
        let slow_ms_max = i64::from(self.options.rates.sync_slow_ms_max).max(1);
        let one = &mut self.devices[device];
        if !later && !busy {
            return self.synced(device);
        }
        // A busy disk lets nothing else be done; one that is not yet told lets more be gathered.
        (one.syncing, one.sync_due) = (busy, true);
        let after = one.draw.between(1, if busy { slow_ms_max } else { 50 });
        let life = one.life;
        self.trace.note(self.now, device, &Happened::Syncing { for_ms: after });
        self.plan(self.now + after, Event::Synced { device, life });
        Ok(())
    }

    fn synced(&mut self, device: usize) -> Result<(), Broken> {
        let one = &mut self.devices[device];
        if one.sync_due {
            (one.syncing, one.sync_due) = (false, false);
            self.trace.note(self.now, device, &Happened::Synced);
        }
        let Some(replica) = one.replica() else { return Ok(()) };
        if let Err(error) = replica.sync() {
            return self.disk_failed(device, &error.to_string(), &[]);
        }
        for output in std::mem::take(&mut one.held) {
            self.let_out(device, output)?;
        }
        self.look(device)
    }

    fn let_out(&mut self, device: usize, output: Output) -> Result<(), Broken> {
        match output {
            Output::Answer { ticket, result } => {
                let happened = Happened::Answered { ticket, refused: result.as_ref().err() };
                self.trace.note(self.now, device, &happened);
                if matches!(self.phase, Phase::Founding | Phase::Staged) {
                    self.answers.push(result);
                    return Ok(());
                }
                match &result {
                    Ok(_) => self.counts.done += 1,
                    Err(_) => self.counts.refused += 1,
                }
                let ahead = self.devices[device].clock.read(self.now).0 - crate::lab::START.plus_ms(self.now).0;
                self.auditor.moment(self.now, ahead);
                return self.auditor.answered(device, ticket, &result);
            }
            Output::Send { peer, bytes } => {
                let Some(to) = self.bearer(device, &peer) else { return Ok(()) };
                if self.is_kept_back(device, &bytes) {
                    return Ok(());
                }
                if let Some((at, epoch)) = self.network.send(self.now, device, to) {
                    self.plan(at, Event::Frame { from: device, to, epoch, bytes });
                }
            }
            Output::Publish { bytes, .. } => {
                let bytes: Rc<[u8]> = bytes.into();
                self.overhear(&bytes);
                for to in self.network.connected(device) {
                    for at in self.network.gossip(self.now, device, to).into_iter().flatten() {
                        self.plan(at, Event::Gossip { from: device, to, bytes: Rc::clone(&bytes) });
                    }
                }
            }
            Output::Ban { peer, for_ms, reason } => {
                let Some(peer) = self.bearer(device, &peer) else { return Ok(()) };
                self.counts.bans += 1;
                self.trace.note(self.now, device, &Happened::Banned { peer, reason });
                let is_forgiven = self.phase == Phase::Staged || self.withholds(peer);
                if !is_forgiven && !HONEST_BANS.contains(&reason) {
                    let detail = format!("device {device} bans the honest device {peer}: {reason}");
                    return Err(Broken { invariant: "honest_ban", detail });
                }
                let pair = Pair::new(device, peer);
                let link = self.network.link(pair);
                link.dial_after = link.dial_after.max(self.now.saturating_add_unsigned(for_ms));
                self.end(pair);
            }
            // The world knows by itself who belongs to the network.
            Output::Trust { .. } | Output::Synced { .. } => {}
            Output::Changed { changes, .. } => {
                for change in changes {
                    if let Change::Conflict { id, .. } = change {
                        self.trace.mark(self.now, device, || What::Conflict(id));
                    }
                }
            }
        }
        Ok(())
    }
}
