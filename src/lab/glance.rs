//! A look at a run while it is in the middle of something: what just happened, what each device shows, what is on its way.
//!
//! Whoever looks changes nothing: the same seed goes on as if nobody looked.

use std::fmt;

use crate::lab::START;
use crate::lab::auditor::Broken;
use crate::lab::device::State;
use crate::lab::tape::What;
use crate::lab::world::{Event, Phase, World};
use crate::model::{CreditStatus, Timestamp};
use crate::replica::{Answer, Query};

/// The invariant that is said to be broken when somebody who looks on has seen enough.
pub(super) const STOPPED: &str = "stopped";

/// Somebody who looks after everything that happens.
pub trait Watcher: fmt::Debug {
    /// The company is founded, and people are about to work.
    fn began(&mut self, glance: &Glance<'_>);

    /// Something happened. Whether the run is to go on.
    fn looked(&mut self, glance: &Glance<'_>) -> bool;
}

/// What can be seen at one moment.
pub struct Glance<'a> {
    world: &'a World,
    /// What happened, a line each, as in a trace.
    pub lines: &'a [String],
    /// To which device.
    pub device: usize,
}

/// Something on its way from one device to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// From whom.
    pub from: usize,
    /// To whom.
    pub to: usize,
    /// How many bytes.
    pub bytes: usize,
    /// In how many milliseconds it arrives.
    pub in_ms: i64,
}

/// What one device shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceGlance {
    /// What it is called.
    pub name: String,
    /// Whether it runs.
    pub up: bool,
    /// What its clock shows.
    pub clock: Timestamp,
    /// By how much that is ahead of the truth, in milliseconds.
    pub ahead_ms: i64,
    /// Its credits: reference, status, paid of amount.
    pub credits: Vec<(String, CreditStatus, String)>,
    /// Its SIMs: number and currency, what the SIM holds, what this device may spend of it.
    pub balances: Vec<(String, String, String)>,
    /// Conflicts that nobody dealt with.
    pub conflicts: u64,
    /// Entries that it holds.
    pub entries: u64,
    /// Batches that its disk was not yet told to keep.
    pub unsynced: usize,
    /// What has come and was not yet looked at.
    pub inbox: usize,
    /// What may leave once the disk is synced.
    pub held: usize,
    /// Whom it is connected with.
    pub connected: Vec<usize>,
}

impl Glance<'_> {
    /// When it is, in milliseconds since people began to work.
    pub fn at_ms(&self) -> i64 {
        self.world.now
    }

    /// The names of the devices, by their numbers.
    pub fn names(&self) -> Vec<&str> {
        self.world.cast.devices.iter().map(|device| device.name.as_str()).collect()
    }

    /// What a device shows; nothing of one that there is not.
    pub fn of(&self, device: usize) -> Option<DeviceGlance> {
        let (one, cast) = (self.world.devices.get(device)?, self.world.cast.devices.get(device)?);
        let clock = one.clock.read(self.world.now);
        let mut glance = DeviceGlance {
            name: cast.name.clone(),
            up: one.is_up(),
            clock,
            ahead_ms: clock.0 - START.plus_ms(self.world.now).0,
            credits: Vec::new(),
            balances: Vec::new(),
            conflicts: 0,
            entries: 0,
            unsynced: one.disk.unsynced(),
            inbox: one.inbox.len(),
            held: one.held.len(),
            connected: self.world.network.connected_now(device),
        };
        let State::Up(replica) = &one.state else { return Some(glance) };
        if let Ok(Answer::Status(status)) = replica.look(clock, &Query::Status) {
            (glance.conflicts, glance.entries) = (status.conflicts_open, status.entries);
        }
        for credit in replica.book().credits() {
            let key = credit.id.to_string();
            if let Ok(Answer::Credit(view)) = replica.look(clock, &Query::Credit { key }) {
                let paid = format!("{}/{} {}", view.paid, view.amount, view.currency);
                glance.credits.push((view.reference, view.status, paid));
            }
        }
        glance.credits.sort();
        for sim in replica.book().sims().keys() {
            let Ok(Answer::Balance(view)) = replica.look(clock, &Query::SimBalance { sim: sim.clone() }) else {
                continue;
            };
            for (currency, account) in view.balances {
                glance.balances.push((format!("{sim} {currency}"), account.available, account.this_device));
            }
        }
        Some(glance)
    }

    /// What is on its way, soonest first.
    pub fn in_flight(&self) -> Vec<InFlight> {
        let one = |((at, _), event): (&(i64, u64), &Event)| {
            let in_ms = at - self.world.now;
            match event {
                Event::Frame { from, to, bytes, .. } => {
                    Some(InFlight { from: *from, to: *to, bytes: bytes.len(), in_ms })
                }
                Event::Gossip { from, to, bytes } => Some(InFlight { from: *from, to: *to, bytes: bytes.len(), in_ms }),
                _ => None,
            }
        };
        self.world.queue.iter().filter_map(one).collect()
    }
}

impl World {
    /// Notes which clocks are wrong, for a drawing.
    pub(super) fn mark_clocks(&mut self) {
        for (number, device) in self.devices.iter().enumerate() {
            let ahead_ms = device.clock.read(self.now).0 - START.plus_ms(self.now).0;
            if ahead_ms != 0 {
                self.trace.mark(self.now, number, || What::ClockSet(ahead_ms));
            }
        }
    }

    /// From now on somebody looks on.
    pub(super) fn begin_watching(&mut self, watcher: Option<Box<dyn Watcher>>) {
        let Some(mut watcher) = watcher else { return };
        self.trace.drop_lines(true);
        watcher.began(&Glance { world: self, lines: &[], device: 0 });
        self.watcher = Some(watcher);
    }

    /// Shows whoever looks on what just happened.
    pub(super) fn show(&mut self) -> Result<(), Broken> {
        let (lines, device) = self.trace.new_lines();
        let Some(mut watcher) = self.watcher.take() else { return Ok(()) };
        let shown = self.phase != Phase::Founding && !lines.is_empty();
        let goes_on = !shown || watcher.looked(&Glance { world: self, lines: &lines, device });
        self.watcher = Some(watcher);
        if goes_on { Ok(()) } else { Err(Broken { invariant: STOPPED, detail: String::new() }) }
    }
}
