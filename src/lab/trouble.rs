//! What goes wrong from outside, and devices that lose power and get it back.

use crate::lab::auditor::Broken;
use crate::lab::device::State;
use crate::lab::faults::Fault;
use crate::lab::network::Pair;
use crate::lab::tape::What;
use crate::lab::trace::Happened;
use crate::lab::world::{Event, Phase, World};
use crate::log::LogId;
use crate::replica::{Output, Replica};

/// The longest loss of power while all is healed: shorter than a round of comparison.
const HEALED_OFF_MS_MAX: i64 = 5_000;

impl World {
    pub fn go_wrong(&mut self, fault: Fault) {
        let device = match &fault {
            Fault::Clog { device, .. } | Fault::PowerCut { device } | Fault::Image { device } => *device,
            Fault::BringBack { device } | Fault::OneWay { from: device, .. } | Fault::Attack { device } => *device,
            Fault::Block(pairs) | Fault::Unblock(pairs) => pairs.first().map_or(0, |pair| pair.0),
        };
        self.trace.note(self.now, device, &Happened::Fault { name: fault.name() });
        let pairs_of = |pairs: &[Pair]| pairs.iter().map(|pair| (pair.0, pair.1)).collect::<Vec<_>>();
        self.trace.mark(self.now, device, || match &fault {
            Fault::Block(pairs) => What::Apart(pairs_of(pairs)),
            Fault::Unblock(pairs) => What::Together(pairs_of(pairs)),
            other => What::Fault(other.name()),
        });
        match fault {
            Fault::Block(pairs) => {
                for pair in pairs {
                    self.network.link(pair).blocked += 1;
                    self.end(pair);
                }
            }
            Fault::Unblock(pairs) => {
                for pair in pairs {
                    let link = self.network.link(pair);
                    link.blocked = link.blocked.saturating_sub(1);
                    self.consider(pair);
                }
            }
            Fault::OneWay { from, to, for_ms } => {
                let pair = Pair::new(from, to);
                let link = self.network.link(pair);
                link.deaf[usize::from(from > to)] = link.connected;
                let epoch = link.epoch;
                self.plan(self.now + for_ms, Event::End { pair, epoch });
            }
            Fault::Clog { device, until } => self.network.clog(device, until),
            Fault::PowerCut { device } => self.lose_power(device),
            Fault::Image { device } => {
                let one = &mut self.devices[device];
                one.image = Some(one.disk.image());
            }
            // What nobody else holds would be gone with the disk that is replaced, and no program could help that.
            Fault::BringBack { device } if self.devices[device].image.is_some() && self.is_held_elsewhere(device) => {
                self.lose_power(device);
                self.auditor.brought_back(device);
                let one = &mut self.devices[device];
                one.brought_back = one.image.take();
            }
            // See `hostile`.
            Fault::Attack { .. } => {}
            Fault::BringBack { .. } => {}
        }
    }

    /// Whether all that a device wrote stands on other devices too.
    fn is_held_elsewhere(&mut self, device: usize) -> bool {
        let key = self.cast.devices[device].key;
        let Some(own) = self.devices[device].replica().map(|replica| replica.heads()) else { return false };
        let own = own.into_iter().filter(|(log, _)| LogId::from_bytes(log).is_some_and(|log| log.device == key));
        let others: Vec<_> = self.devices.iter_mut().enumerate().filter(|(number, _)| *number != device).collect();
        let held: Vec<_> = others.into_iter().filter_map(|(_, one)| one.replica().map(|one| one.heads())).collect();
        own.into_iter()
            .all(|(log, head)| held.iter().any(|heads| heads.get(&log).is_some_and(|known| known.0 >= head.0)))
    }

    /// A replica could not write. It must let nothing out that rests on what was not written; then it is started
    /// again, and whoever waits for an answer gets none.
    pub fn disk_failed(&mut self, device: usize, why: &str, outputs: &[Output]) -> Result<(), Broken> {
        if !self.devices[device].disk.failed() {
            let detail = format!("device {device} writes nothing more, and its disk is well: {why}");
            return Err(Broken { invariant: "disk", detail });
        }
        let refusal = |output: &&Output| !matches!(output, Output::Answer { result: Err(_), .. });
        if let Some(output) = outputs.iter().find(refusal) {
            let detail = format!("device {device} could not write ({why}) and lets out {output:?}");
            return Err(Broken { invariant: "read_only", detail });
        }
        self.counts.disk_errors += 1;
        self.trace.note(self.now, device, &Happened::DiskFailed);
        self.lose_power(device);
        Ok(())
    }

    pub fn lose_power(&mut self, device: usize) {
        if !self.devices[device].is_up() {
            return;
        }
        let one = &mut self.devices[device];
        let of = one.disk.unsynced();
        let kept = one.draw.below(of as u64 + 1) as usize;
        one.lose_power(kept);
        let (life, exponent) = (one.life, one.draw.below(15));
        let off_ms = one.draw.between(1_000, 2_000 << exponent);
        self.counts.power_cuts += 1;
        self.auditor.lost_power(device);
        self.trace.note(self.now, device, &Happened::PowerLost { kept, of });
        for peer in self.network.connected(device) {
            self.end(Pair::new(device, peer));
        }
        // While all is healed nobody waits for hours: what is down then is started again soon.
        let off_ms = if self.phase == Phase::Healing { off_ms.min(HEALED_OFF_MS_MAX) } else { off_ms };
        // In a story power is back when somebody says so.
        if self.phase != Phase::Staged {
            self.plan(self.now + off_ms, Event::Restart { device, life });
        }
    }

    pub fn restart(&mut self, device: usize) -> Result<(), Broken> {
        let one = &mut self.devices[device];
        if !matches!(one.state, State::Down) {
            return Ok(());
        }
        let seed = one.draw.seed();
        // An image of an older time is opened as a new incarnation of its device.
        let opened = match one.brought_back.take() {
            Some(image) => {
                one.disk.bring_back(image);
                Replica::open_restored(one.disk.clone(), one.identity.clone(), seed)
            }
            None => Replica::open(one.disk.clone(), one.identity.clone(), seed),
        };
        let replica = opened.map_err(|error| Broken {
            invariant: "reopen",
            detail: format!("device {device} does not open: {error}"),
        })?;
        // What was acknowledged before must be shown again before anything else happens.
        self.auditor.stepped(device, &replica)?;
        one.state = State::Up(Box::new(replica));
        self.trace.note(self.now, device, &Happened::Restarted);
        self.consider_all(device);
        Ok(())
    }
}
