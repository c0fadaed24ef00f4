//! One simulated device: a replica, the disk and clock it has, what waits for it and what it waits for.

use crate::lab::Draw;
use crate::lab::clock::Clock;
use crate::lab::disk::Disk;
use crate::lab::options::Options;
use crate::log::SigningKey;
use crate::replica::{Identity, Input, Joiner, Output, Replica};
use crate::store::MemoryStore;

/// What a device is doing.
#[derive(Debug)]
pub(super) enum State {
    /// Not yet bought.
    Absent,
    /// It has an invitation of that device, and asks to be admitted.
    Joining(Box<Joiner>, usize),
    /// It runs.
    Up(Box<Replica<Disk>>),
    /// It has no power.
    Down,
}

/// One device.
#[derive(Debug)]
pub(super) struct Device {
    pub identity: Identity,
    pub state: State,
    pub disk: Disk,
    pub clock: Clock,
    /// What its clock is once people work.
    pub wrong_clock: Clock,
    /// The chances of this device alone.
    pub draw: Draw,
    /// How often it has lost power: what was planned for an earlier life is void.
    pub life: u64,
    /// What has come and was not yet looked at.
    pub inbox: Vec<Input>,
    /// What may leave once the disk is synced.
    pub held: Vec<Output>,
    /// A step is planned: more inputs may come before it.
    pub step_due: bool,
    /// A sync is planned: more steps may come before it.
    pub sync_due: bool,
    /// The disk is busy: nothing is done until it is done.
    pub syncing: bool,
    pub ticks: Ticks,
    tickets: u64,
    /// A copy of the disk, if one was taken.
    pub image: Option<MemoryStore>,
    /// What will be on the disk when power is back, in the place of what is.
    pub brought_back: Option<MemoryStore>,
}

impl Device {
    pub fn new(key: SigningKey, draw: Draw, ticks: Ticks) -> Device {
        Device {
            identity: Identity { key, authority_key: None, gossip_key: [0; 32] },
            state: State::Absent,
            disk: Disk::default(),
            clock: Clock::default(),
            wrong_clock: Clock::default(),
            draw,
            life: 0,
            inbox: Vec::new(),
            held: Vec::new(),
            step_due: false,
            sync_due: false,
            syncing: false,
            ticks,
            tickets: 0,
            image: None,
            brought_back: None,
        }
    }

    /// The same with what will be wrong with it.
    pub fn with_faults(mut self, draw: &mut Draw, options: &Options) -> Device {
        if draw.permille(options.rates.clocks_wrong) {
            self.wrong_clock = Clock::wrong(draw, options.days);
        }
        if options.lying_disks {
            self.disk = Disk::lying();
        }
        self
    }

    pub fn replica(&mut self) -> Option<&mut Replica<Disk>> {
        match &mut self.state {
            State::Up(replica) => Some(replica),
            _ => None,
        }
    }

    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    pub fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Forgets everything that was not on the disk.
    pub fn lose_power(&mut self, kept: usize) {
        self.state = State::Down;
        self.disk.lose_power(kept);
        self.life += 1;
        self.inbox.clear();
        self.held.clear();
        (self.step_due, self.sync_due, self.syncing) = (false, false, false);
        self.ticks.stop();
    }
}

/// When a device is told that time has passed.
///
/// A real node is told every quarter of a second; a simulated one only when it may have something to do, so that a
/// night costs nothing:
///
/// ```text
/// it wrote something     one time in three, after 0.3 s to a quarter of an hour (the run's leisure), once for all that
///                        is written meanwhile; a second later again if things were not quiet. While founding and
///                        healing every time, after 0.3 s
/// it met somebody        after 31 s: then all are compared with, and who does not say who it is is left
/// nothing                20 to 90 minutes later, then after twice as long each time, up to 6 hours
/// ```
#[derive(Clone, Debug)]
pub(super) struct Ticks {
    /// When the next is due.
    due: Option<i64>,
    wrote_at: i64,
    idle_ms: i64,
    idle_ms_min: i64,
    leisure_ms: i64,
}

/// After this long without a write a replica compares.
const QUIET_MS: i64 = 300;
const MET_MS: i64 = 31_000;
const IDLE_MS_MAX: i64 = 6 * 3_600_000;

impl Ticks {
    pub fn new(draw: &mut Draw) -> Ticks {
        let idle_ms_min = draw.between(1_200_000, 5_400_000);
        Ticks { due: None, wrote_at: i64::MIN / 2, idle_ms: idle_ms_min, idle_ms_min, leisure_ms: 0 }
    }

    /// From now on what is written is compared within so much of a second at 1, of a quarter of an hour at 1000; at
    /// once at 0.
    pub fn at_leisure(&mut self, leisure: u32) {
        self.leisure_ms = i64::from(leisure) * 900;
    }

    /// The device wrote something: when it is to be told of the time, if that is sooner than it would be.
    pub fn wrote(&mut self, now: i64, draw: &mut Draw) -> Option<i64> {
        self.wrote_at = now;
        self.idle_ms = self.idle_ms_min;
        let after = match self.leisure_ms {
            0 => 0,
            _ if draw.below(3) > 0 => self.idle_ms,
            most => draw.between(0, most),
        };
        self.at_latest(now + QUIET_MS + after)
    }

    /// The device met another.
    pub fn met(&mut self, now: i64) -> Option<i64> {
        self.at_latest(now + MET_MS)
    }

    /// The device is to be told now.
    pub fn now(&mut self, now: i64) -> Option<i64> {
        self.at_latest(now)
    }

    fn at_latest(&mut self, at: i64) -> Option<i64> {
        let sooner = self.due.is_none_or(|due| at < due);
        sooner.then(|| {
            self.due = Some(at);
            at
        })
    }

    /// Whether it is time: what was planned may have been planned anew.
    pub fn is_due(&mut self, now: i64) -> bool {
        self.due == Some(now)
    }

    /// It was told: when to tell it next.
    pub fn told(&mut self, now: i64) -> i64 {
        let next = if now - self.wrote_at < QUIET_MS {
            now + 1_000
        } else {
            let idle_ms = self.idle_ms;
            self.idle_ms = (idle_ms * 2).min(IDLE_MS_MAX);
            now + idle_ms
        };
        self.due = Some(next);
        next
    }

    pub fn stop(&mut self) {
        self.due = None;
    }
}
