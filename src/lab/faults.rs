//! What goes wrong and when, drawn before the run begins. What goes wrong at a step (a loss of power in the middle of
//! it, a slow sync) is drawn at that step.

use crate::lab::Draw;
use crate::lab::clock::DAY_MS;
use crate::lab::network::Pair;
use crate::lab::options::Options;

/// Something from outside.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// These cannot reach each other.
    Block(Vec<Pair>),
    /// They can again, as far as this was the reason.
    Unblock(Vec<Pair>),
    /// What one says no longer reaches the other; neither notices until the connection ends.
    OneWay { from: usize, to: usize, for_ms: i64 },
    /// What is said to or by a device arrives only then.
    Clog { device: usize, until: i64 },
    /// A device loses power.
    PowerCut { device: usize },
    /// Somebody copies a device's disk.
    Image { device: usize },
    /// Somebody uses a stolen key, and that device hears of it.
    Attack { device: usize },
    /// And puts the copy back.
    BringBack { device: usize },
}

impl Fault {
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Block(_) => "block",
            Fault::Unblock(_) => "unblock",
            Fault::OneWay { .. } => "one way",
            Fault::Clog { .. } => "clog",
            Fault::PowerCut { .. } => "power cut",
            Fault::Image { .. } => "image",
            Fault::BringBack { .. } => "bring back",
            Fault::Attack { .. } => "attack",
        }
    }
}

/// A plan being made.
struct Planner<'a> {
    draw: Draw,
    pairs: &'a [Pair],
    devices: u64,
    end: i64,
    plan: Vec<(i64, Fault)>,
}

/// Everything from outside that will go wrong, by time.
pub(super) fn plan(options: &Options, pairs: &[Pair], draw: &Draw) -> Vec<(i64, Fault)> {
    let end = i64::from(options.days) * DAY_MS;
    let mut planner =
        Planner { draw: draw.child("faults"), pairs, devices: options.devices.into(), end, plan: Vec::new() };
    let rates = &options.rates;
    let all = |a_day: u32| a_day * options.days;
    (0..all(rates.cuts)).for_each(|_| planner.cut());
    (0..all(rates.one_way)).for_each(|_| planner.one_way());
    (0..all(rates.partitions)).for_each(|_| planner.partition());
    (0..all(rates.flapping)).for_each(|_| planner.flap());
    (0..rates.swizzles).for_each(|_| planner.swizzle());
    (0..rates.islands).for_each(|_| planner.island());
    (0..all(rates.power_cuts.div_ceil(20))).for_each(|_| planner.power_cut());
    (0..rates.images).for_each(|_| planner.image());
    (0..rates.hostile).for_each(|_| planner.attack());
    planner.plan.sort_by_key(|(at, _)| *at);
    planner.plan
}

impl Planner<'_> {
    /// Four in five in the hours when people work.
    fn moment(&mut self) -> i64 {
        let day = self.draw.between(0, self.end / DAY_MS - 1) * DAY_MS;
        let working = self.draw.below(5) > 0;
        day + if working { self.draw.between(DAY_MS / 3, DAY_MS * 3 / 4) } else { self.draw.between(0, DAY_MS - 1) }
    }

    /// A time from `low` to `high`, each size as likely as the next.
    fn span(&mut self, low: i64, high: i64) -> i64 {
        let doublings = (high / low).max(1).ilog2();
        let unit = low << self.draw.below(u64::from(doublings) + 1);
        self.draw.between(unit, 2 * unit).min(high)
    }

    fn device(&mut self) -> usize {
        self.draw.below(self.devices) as usize
    }

    fn pair(&mut self) -> Option<Pair> {
        self.draw.pick(self.pairs).copied()
    }

    fn apart(&mut self, at: i64, for_ms: i64, pairs: Vec<Pair>) {
        self.plan.push((at, Fault::Block(pairs.clone())));
        self.plan.push((at + for_ms, Fault::Unblock(pairs)));
    }

    fn cut(&mut self) {
        let Some(pair) = self.pair() else { return };
        let (at, for_ms) = (self.moment(), self.span(100, 3_600_000));
        self.apart(at, for_ms, vec![pair]);
    }

    fn one_way(&mut self) {
        let Some(Pair(left, right)) = self.pair() else { return };
        let (from, to) = if self.draw.below(2) == 0 { (left, right) } else { (right, left) };
        let (at, for_ms) = (self.moment(), self.span(1_000, 120_000));
        self.plan.push((at, Fault::OneWay { from, to, for_ms }));
    }

    fn partition(&mut self) {
        let sides: Vec<bool> = (0..self.devices).map(|_| self.draw.below(2) == 0).collect();
        let between = |pair: &&Pair| sides[pair.0] != sides[pair.1];
        let pairs: Vec<Pair> = self.pairs.iter().filter(between).copied().collect();
        let (at, for_ms) = (self.moment(), self.span(60_000, DAY_MS));
        self.apart(at, for_ms, pairs);
    }

    fn flap(&mut self) {
        let Some(pair) = self.pair() else { return };
        let mut at = self.moment();
        for _ in 0..self.draw.between(5, 40) {
            let for_ms = self.draw.between(100, 10_000);
            self.apart(at, for_ms, vec![pair]);
            at += for_ms + self.draw.between(100, 10_000);
        }
    }

    fn swizzle(&mut self) {
        let mut clogged: Vec<usize> = (0..self.devices as usize).filter(|_| self.draw.below(2) == 0).collect();
        let begin = self.moment();
        let all = begin + self.draw.between(60_000, 900_000);
        // Clogged one by one in one order, set free one by one in another.
        for device in std::mem::take(&mut clogged) {
            let (at, until) = (self.draw.between(begin, all), all + self.draw.between(0, 600_000));
            self.plan.push((at, Fault::Clog { device, until }));
        }
    }

    fn island(&mut self) {
        let device = self.device();
        let alone = |pair: &&Pair| pair.0 == device || pair.1 == device;
        let pairs: Vec<Pair> = self.pairs.iter().filter(alone).copied().collect();
        let at = self.moment();
        let for_ms = self.span(DAY_MS / 2, (self.end - at).max(DAY_MS));
        self.apart(at, for_ms, pairs);
    }

    fn power_cut(&mut self) {
        let (at, device) = (self.moment(), self.device());
        self.plan.push((at, Fault::PowerCut { device }));
    }

    fn attack(&mut self) {
        let (at, device) = (self.moment(), self.device());
        self.plan.push((at, Fault::Attack { device }));
    }

    fn image(&mut self) {
        let (first, second, device) = (self.moment(), self.moment(), self.device());
        self.plan.push((first.min(second), Fault::Image { device }));
        self.plan.push((first.max(second), Fault::BringBack { device }));
    }
}
