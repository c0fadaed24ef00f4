//! The virtual network: which devices may reach which, and when what they say arrives.
//!
//! A link joins two devices. While it is *connected* it carries frames, in order and with delay, each way; a
//! connection that ends takes with it what was under way, and bears a new number (*epoch*) when it is made again.
//! What keeps two apart is counted (*blocked*), so that two partitions that overlap end one after the other.
//! Nothing here knows what is said.

use crate::lab::Draw;
use crate::lab::options::Rates;

/// What is between two devices.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// Whether these two ever speak to each other directly.
    pub exists: bool,
    /// How many things keep them apart now.
    pub blocked: u32,
    /// Nothing is dialled before then: a ban, or one side has not yet noticed the end of the last connection.
    pub dial_after: i64,
    /// Whether somebody is about to dial.
    pub dialing: bool,
    /// Whether there is a connection.
    pub connected: bool,
    /// Which connection this is.
    pub epoch: u64,
    /// Directions (from the lower number, from the higher) in which frames vanish.
    pub deaf: [bool; 2],
    /// When the last frame of each direction arrives.
    arrives: [i64; 2],
    /// Nothing arrives before then.
    pub clogged_until: i64,
}

impl Link {
    fn new() -> Link {
        Link {
            exists: false,
            blocked: 0,
            dial_after: i64::MIN,
            dialing: false,
            connected: false,
            epoch: 0,
            deaf: [false; 2],
            arrives: [i64::MIN; 2],
            clogged_until: i64::MIN,
        }
    }

    pub fn connect(&mut self) {
        self.connected = true;
        self.epoch += 1;
        self.arrives = [i64::MIN; 2];
    }

    pub fn disconnect(&mut self) {
        self.connected = false;
        self.epoch += 1;
        self.deaf = [false; 2];
    }
}

/// Every link, and the chance that rules over what they carry.
#[derive(Debug)]
pub(super) struct Network {
    devices: usize,
    links: Vec<Link>,
    draw: Draw,
    rates: Rates,
}

/// Two different devices, the lower number first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair(pub usize, pub usize);

impl Pair {
    pub fn new(left: usize, right: usize) -> Pair {
        Pair(left.min(right), left.max(right))
    }

    pub fn other(self, device: usize) -> usize {
        if device == self.0 { self.1 } else { self.0 }
    }
}

impl Network {
    /// Shops are joined within, and with the head office (device 0); others as chance has it.
    pub fn new(shops: &[usize], draw: &Draw) -> Network {
        let mut own = draw.child("links");
        let devices = shops.len();
        let further = if own.below(2) == 0 { 0 } else { own.between(0, 1_000).unsigned_abs() as u32 };
        let mut links = vec![Link::new(); devices * devices];
        for pair in pairs(devices) {
            let near = shops[pair.0] == shops[pair.1] || pair.0 == 0;
            links[pair.0 * devices + pair.1].exists = near || own.permille(further);
        }
        Network { devices, links, draw: draw.child("traffic"), rates: Rates::none() }
    }

    /// From now on things go wrong that often.
    pub fn rates(&mut self, rates: Rates) {
        self.rates = rates;
    }

    pub fn link(&mut self, pair: Pair) -> &mut Link {
        &mut self.links[pair.0 * self.devices + pair.1]
    }

    /// Every two devices.
    pub fn pairs(&self) -> Vec<Pair> {
        pairs(self.devices)
    }

    /// Whoever this device is connected with.
    pub fn connected(&mut self, device: usize) -> Vec<usize> {
        let others = (0..self.devices).filter(|other| *other != device);
        others.collect::<Vec<_>>().into_iter().filter(|other| self.link(Pair::new(device, *other)).connected).collect()
    }

    /// The same, for who only looks on.
    pub fn connected_now(&self, device: usize) -> Vec<usize> {
        let link = |other: usize| &self.links[device.min(other) * self.devices + device.max(other)];
        (0..self.devices).filter(|other| *other != device && link(*other).connected).collect()
    }

    /// Nothing that is said to or by this device arrives before then.
    pub fn clog(&mut self, device: usize, until: i64) {
        for other in (0..self.devices).filter(|other| *other != device) {
            let link = &mut self.links[device.min(other) * self.devices + device.max(other)];
            link.clogged_until = link.clogged_until.max(until);
        }
    }

    /// From now on nothing more goes wrong by chance.
    pub fn calm(&mut self) {
        self.rates = Rates::none();
        for link in &mut self.links {
            link.clogged_until = i64::MIN;
        }
    }

    /// When somebody who wants this connection has dialled.
    pub fn dialled(&mut self, now: i64) -> i64 {
        now + self.draw.between(20, 2_000)
    }

    /// When each of the two notices that a connection has ended: at once, or only once it hears nothing more.
    pub fn noticed(&mut self, now: i64) -> [i64; 2] {
        let draw = &mut self.draw;
        let late_ms_max = i64::from(self.rates.frame_late_ms_max);
        [(); 2].map(|()| if draw.below(2) == 0 { now } else { now + draw.between(0, late_ms_max) })
    }

    /// When a frame arrives, if ever, and by which connection.
    pub fn send(&mut self, now: i64, from: usize, to: usize) -> Option<(i64, u64)> {
        let latency = self.latency();
        let link = self.link(Pair::new(from, to));
        let way = usize::from(from > to);
        if !link.connected || link.deaf[way] {
            return None;
        }
        let arrives = (now + latency).max(link.clogged_until).max(link.arrives[way]);
        link.arrives[way] = arrives;
        Some((arrives, link.epoch))
    }

    /// When copies of something gossiped arrive: none, one or two of them, in any order with others.
    pub fn gossip(&mut self, now: i64, from: usize, to: usize) -> [Option<i64>; 2] {
        let lost = self.draw.permille(self.rates.gossip_lost);
        let twice = self.draw.permille(self.rates.gossip_twice);
        let times = [self.latency() + self.latency(), self.latency() + self.draw.between(0, 2_000)];
        let link = self.link(Pair::new(from, to));
        if lost || !link.connected || link.deaf[usize::from(from > to)] {
            return [None, None];
        }
        let arrives = times.map(|after| Some((now + after).max(link.clogged_until)));
        if twice { arrives } else { [arrives[0], None] }
    }

    fn latency(&mut self) -> i64 {
        let late = self.draw.permille(self.rates.frames_late);
        self.draw.between(1, if late { i64::from(self.rates.frame_late_ms_max).max(1) } else { 80 })
    }
}

/// Every two of so many devices.
pub(super) fn pairs(devices: usize) -> Vec<Pair> {
    (0..devices).flat_map(|left| (left + 1..devices).map(move |right| Pair(left, right))).collect()
}
