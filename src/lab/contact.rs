//! Devices that find each other, and lose each other again.

use crate::lab::auditor::Broken;
use crate::lab::device::State;
use crate::lab::network::Pair;
use crate::lab::trace::Happened;
use crate::lab::world::{Event, World};
use crate::replica::Input;

impl World {
    pub fn consider_all(&mut self, device: usize) {
        for other in (0..self.devices.len()).filter(|other| *other != device) {
            self.consider(Pair::new(device, other));
        }
    }

    /// Has two devices connect soon, if they may.
    pub fn consider(&mut self, pair: Pair) {
        if !self.may_meet(pair) || self.network.link(pair).dialing {
            return;
        }
        let at = self.network.dialled(self.now);
        let link = self.network.link(pair);
        link.dialing = true;
        let at = at.max(link.dial_after);
        self.plan(at, Event::Dial(pair));
    }

    fn may_meet(&mut self, pair: Pair) -> bool {
        let met = match (&self.devices[pair.0].state, &self.devices[pair.1].state) {
            (State::Up(_), State::Up(_)) => true,
            (State::Up(_), State::Joining(_, inviter)) => *inviter == pair.0,
            (State::Joining(_, inviter), State::Up(_)) => *inviter == pair.1,
            _ => false,
        };
        let link = self.network.link(pair);
        let may = met && link.exists && !link.connected && link.blocked == 0;
        may && !self.is_taken(pair)
    }

    /// Whether one of the two speaks already with the other's twin, or is that twin: a copied device has the same key,
    /// and nobody holds two conversations with one key.
    fn is_taken(&mut self, pair: Pair) -> bool {
        let twins = |world: &World, of: usize| {
            let key = world.cast.devices[of].key;
            let all = world.cast.devices.iter().enumerate();
            all.filter(|(number, one)| *number != of && one.key == key).map(|(number, _)| number).collect::<Vec<_>>()
        };
        [pair.0, pair.1].into_iter().any(|device| {
            let other = pair.other(device);
            twins(self, other)
                .into_iter()
                .any(|twin| twin == device || self.network.link(Pair::new(device, twin)).connected)
        })
    }

    pub fn dial(&mut self, pair: Pair) -> Result<(), Broken> {
        self.network.link(pair).dialing = false;
        if !self.may_meet(pair) {
            return Ok(());
        }
        let link = self.network.link(pair);
        if self.now < link.dial_after {
            self.consider(pair);
            return Ok(());
        }
        link.connect();
        for device in [pair.0, pair.1] {
            let peer = pair.other(device);
            self.trace.note(self.now, device, &Happened::Met { peer });
            if let Some(at) = self.devices[device].ticks.met(self.now) {
                self.plan(at, Event::Tick { device });
            }
            let peer = self.cast.devices[peer].key;
            self.deliver(device, Input::Connected { peer })?;
        }
        Ok(())
    }

    /// Ends a connection; each side notices in its own time.
    pub fn end(&mut self, pair: Pair) {
        if !self.network.link(pair).connected {
            return;
        }
        let noticed = self.network.noticed(self.now);
        let link = self.network.link(pair);
        link.disconnect();
        link.dial_after = link.dial_after.max(noticed[0].max(noticed[1]) + 1);
        for (device, at) in [pair.0, pair.1].into_iter().zip(noticed) {
            // One that has just lost power notices nothing.
            if !self.devices[device].is_up() {
                continue;
            }
            let life = self.devices[device].life;
            self.plan(at, Event::Parted { device, peer: pair.other(device), life });
        }
        self.consider(pair);
    }
}
