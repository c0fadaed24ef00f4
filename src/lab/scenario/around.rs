//! What happens around the devices in a story: links, clocks, power, disks that are copied and put back.

use super::company::Company;
use super::format::{Action, Names};
use super::play::{Copied, MEETING_MS, Stage};
use super::reading::{self, ClockWord};
use super::wrong::{Place, Why, Wrong};
use crate::lab::START;
use crate::lab::auditor::Broken;
use crate::lab::clock::Clock;
use crate::lab::device::State;
use crate::lab::faults::Fault;
use crate::lab::network::Pair;
use crate::lab::tape::What;
use crate::store::MemoryStore;

/// Reads a duration that stands there.
pub(super) fn duration(text: &str, key: &'static str, place: Place) -> Result<i64, Wrong> {
    let unreadable = || Wrong::at(place, Why::Unreadable { key, text: text.to_owned(), expected: "90s, 5m, 2h, 3d" });
    reading::duration_ms(text).ok_or_else(unreadable)
}

/// Reads what is no operation, before anything is played.
pub(super) fn check_around(company: &Company, action: &Action, place: Place) -> Result<(), Wrong> {
    match action {
        Action::Cut(names) | Action::Heal(names) | Action::Meet(names) => company.pairs(names, place).map(|_| ()),
        Action::Wait(text) => duration(text, "wait", place).map(|_| ()),
        Action::PowerCut(name) | Action::PowerOn(name) => company.device(name, place).map(|_| ()),
        Action::Restore(restored) => company.device(&restored.device, place).map(|_| ()),
        Action::SetClock(set) => {
            company.device(&set.device, place)?;
            let (key, text, expected) = ("to", set.to.clone(), "+5m, -2h, 2017-01-01, right");
            let unreadable = || Wrong::at(place, Why::Unreadable { key, text, expected });
            reading::clock(&set.to).map(|_| ()).ok_or_else(unreadable)
        }
        _ => Ok(()),
    }
}

impl Stage<'_> {
    pub fn set_clock(&mut self, device: usize, to: ClockWord) {
        let world = &mut self.world;
        let ahead_ms = match to {
            ClockWord::Ahead(ms) => ms,
            ClockWord::Shows(time) => time.0.saturating_sub(START.plus_ms(world.now).0),
        };
        world.devices[device].clock = Clock::told(ahead_ms);
        world.trace.mark(world.now, device, || What::ClockSet(ahead_ms));
    }

    /// Does what is no operation; says whom it concerns, if one.
    pub fn around(&mut self, action: &Action, place: Place, takes_ms: Option<i64>) -> Result<Option<usize>, Broken> {
        match action {
            Action::Cut(names) => self.set_apart(names, place, true),
            Action::Heal(names) => self.set_apart(names, place, false),
            Action::Meet(names) => {
                let pairs = self.pairs(names, place);
                let apart: Vec<Pair> =
                    pairs.into_iter().filter(|pair| self.world.network.link(*pair).blocked > 0).collect();
                self.go(apart.clone(), false);
                self.world.run_until(self.world.now + takes_ms.unwrap_or(MEETING_MS))?;
                self.go(apart, true);
            }
            Action::Wait(text) => {
                let for_ms = reading::duration_ms(text).unwrap_or(0);
                self.world.run_until(self.world.now + for_ms)?;
            }
            Action::SetClock(set) => {
                let device = self.device(&set.device, place);
                if let Some((device, to)) = device.zip(reading::clock(&set.to)) {
                    self.set_clock(device, to);
                }
                return Ok(device);
            }
            Action::PowerCut(name) => {
                let device = self.device(name, place);
                device.into_iter().for_each(|device| self.world.lose_power(device));
                return Ok(device);
            }
            Action::PowerOn(name) => {
                let device = self.device(name, place);
                if let Some(device) = device {
                    self.world.restart(device)?;
                }
                return Ok(device);
            }
            Action::Copy(copy) => {
                let device = self.device(&copy.device, place);
                if let Some(of) = device {
                    let image = self.world.devices[of].disk.image();
                    self.copies.insert(copy.to.clone(), Copied { of, image });
                    self.world.trace.mark(self.world.now, of, || What::Fault("copy"));
                }
                return Ok(device);
            }
            Action::Start(start) => return self.start(&start.copy, &start.name, place),
            Action::Restore(restored) => {
                let device = self.device(&restored.device, place);
                if let Some((device, copy)) = device.zip(self.copies.get(&restored.copy)) {
                    let image = copy.image.clone();
                    self.restore(device, image, restored.unnoticed)?;
                }
                return Ok(device);
            }
            _ => {}
        }
        Ok(None)
    }

    fn device(&self, name: &str, place: Place) -> Option<usize> {
        self.company.device(name, place).ok()
    }

    fn pairs(&self, names: &Names, place: Place) -> Vec<Pair> {
        let pairs = self.company.pairs(names, place).unwrap_or_default();
        pairs.into_iter().map(|(left, right)| Pair::new(left, right)).collect()
    }

    fn set_apart(&mut self, names: &Names, place: Place, apart: bool) {
        let pairs = self.pairs(names, place);
        let changed = pairs.into_iter().filter(|pair| (self.world.network.link(*pair).blocked > 0) != apart).collect();
        self.go(changed, apart);
    }

    fn go(&mut self, pairs: Vec<Pair>, apart: bool) {
        if !pairs.is_empty() {
            self.world.go_wrong(if apart { Fault::Block(pairs) } else { Fault::Unblock(pairs) });
        }
    }

    /// Another machine is started with a copy of a disk, and does not know that it is one.
    fn start(&mut self, copy: &str, name: &str, place: Place) -> Result<Option<usize>, Broken> {
        let Some((device, copy)) = self.device(name, place).zip(self.copies.get(copy)) else { return Ok(None) };
        let (of, image) = (copy.of, copy.image.clone());
        let original = self.world.devices[of].identity.clone();
        let clock = self.world.devices[of].clock.clone();
        let one = &mut self.world.devices[device];
        (one.identity, one.clock) = (original, clock);
        one.disk.bring_back(image);
        one.state = State::Down;
        self.world.restart(device)?;
        Ok(Some(device))
    }

    fn restore(&mut self, device: usize, image: MemoryStore, unnoticed: bool) -> Result<(), Broken> {
        self.world.lose_power(device);
        let one = &mut self.world.devices[device];
        if unnoticed {
            one.disk.bring_back(image);
        } else {
            one.brought_back = Some(image);
        }
        self.world.trace.mark(self.world.now, device, || What::Fault("bring back"));
        self.world.restart(device)
    }
}
