//! After the trouble: everybody is up, every link carries, nobody works. Within a few rounds of comparison all must
//! hold what they may read, and fall silent.

use std::collections::BTreeMap;

use crate::lab::auditor::Broken;
use crate::lab::clock::{Clock, DAY_MS};
use crate::lab::device::State;
use crate::lab::faults::Fault;
use crate::lab::options::Places;
use crate::lab::trace::Happened;
use crate::lab::world::{Event, Phase, World};
use crate::log::LogId;
use crate::membership::ReadScope;
use crate::model::Scope;

/// The time of a round: a little more than between two regular comparisons.
const ROUND_MS: i64 = 31_000;
/// The rounds that are granted. Two pass before everybody has noticed the end of an old connection and dialled.
const ROUNDS_MAX: u32 = 12;

/// A log's head: how far, and what stands there.
type Head = (u64, [u8; 32]);

impl World {
    /// People work and things go wrong, as long as was drawn; only the acts at those places, if some are named.
    pub fn run_days(&mut self, faults: Vec<(i64, Fault)>, only: Option<&Places>) -> Result<(), Broken> {
        for (at, fault) in faults {
            self.plan(at, Event::Fault(fault));
        }
        let moments = self.workload.moments().to_vec();
        let last = moments.last().map_or(0, |(at, _)| *at);
        for (moment, (at, device)) in moments.into_iter().enumerate() {
            if device < self.devices.len() && only.is_none_or(|only| only.contains(moment as u32)) {
                self.plan(at, Event::Act { moment, device });
            }
        }
        self.run_until((i64::from(self.options.days) * DAY_MS).max(last))
    }

    /// Ends what went wrong, lets all agree, and has the auditor look at everything.
    pub fn heal(&mut self) -> Result<(), Broken> {
        self.phase = Phase::Healing;
        self.network.calm();
        for pair in self.network.pairs() {
            let soon = self.now + ROUND_MS;
            let link = self.network.link(pair);
            link.blocked = 0;
            link.dial_after = link.dial_after.min(soon);
            if link.deaf != [false; 2] {
                self.end(pair);
            }
        }
        for device in 0..self.devices.len() {
            self.devices[device].ticks.at_leisure(0);
            if self.options.clocks_set_right {
                self.devices[device].clock = Clock::default();
            }
            if matches!(self.devices[device].state, State::Down) {
                self.restart(device)?;
            }
            self.consider_all(device);
        }
        self.agree()?;
        self.audit()
    }

    /// Rounds until all hold the same and a whole round has brought nothing new.
    fn agree(&mut self) -> Result<(), Broken> {
        for round in 1..=ROUNDS_MAX {
            let before = self.counts.batches;
            for device in 0..self.devices.len() {
                if let Some(at) = self.devices[device].ticks.now(self.now) {
                    self.plan(at, Event::Tick { device });
                }
            }
            self.run_until(self.now + ROUND_MS)?;
            self.trace.note(self.now, 0, &Happened::Healed { round });
            let apart = self.apart();
            if apart.is_none() && self.counts.rounds == 0 {
                self.counts.rounds = round;
            }
            if apart.is_none() && self.counts.batches == before {
                return Ok(());
            }
        }
        let detail = self.apart().unwrap_or_else(|| "all hold the same and still write".to_owned());
        Err(Broken { invariant: "liveness", detail: format!("after {ROUNDS_MAX} rounds: {detail}") })
    }

    /// Who lacks something that it may read, and what.
    fn apart(&mut self) -> Option<String> {
        let mut furthest: BTreeMap<LogId, Head> = BTreeMap::new();
        let mut held = Vec::with_capacity(self.devices.len());
        for (number, device) in self.devices.iter_mut().enumerate() {
            // A disk may fail while all is being healed: its device comes back like any other.
            let Some(replica) = device.replica() else { return Some(format!("device {number} has no power")) };
            let heads = replica.heads();
            let heads: BTreeMap<LogId, Head> =
                heads.into_iter().filter_map(|(log, head)| Some((LogId::from_bytes(&log)?, head))).collect();
            for (log, head) in &heads {
                let known = furthest.entry(*log).or_insert(*head);
                *known = (*known).max(*head);
            }
            held.push(heads);
        }
        for (device, heads) in held.iter().enumerate() {
            let one = &self.cast.devices[device];
            let reads = |log: &LogId| match log.scope {
                Scope::Registry => true,
                Scope::Shop(shop) => one.read == ReadScope::All || one.shop == shop,
            };
            for (log, head) in furthest.iter().filter(|(log, _)| reads(log)) {
                let own = heads.get(log).map_or(0, |own| own.0);
                if heads.get(log) != Some(head) {
                    let number = head.0;
                    return Some(format!("device {device} holds {own} of {number} entries of {log:?}, or others"));
                }
            }
        }
        None
    }

    fn audit(&mut self) -> Result<(), Broken> {
        for (device, one) in self.devices.iter_mut().enumerate() {
            let Some(replica) = one.replica() else { continue };
            for (log, (number, hash)) in replica.heads() {
                self.trace.note(self.now, device, &Happened::Holds { log: &log, number, hash });
            }
        }
        let now = crate::lab::START.plus_ms(self.now);
        let up = self.devices.iter_mut().enumerate();
        let mut replicas: Vec<_> = up.filter_map(|(number, one)| Some((number, one.replica()?))).collect();
        self.auditor.healed(&mut replicas, now)
    }
}
