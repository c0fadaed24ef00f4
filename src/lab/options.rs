//! What one seed decides of a run: its size, and how bad the world is in it. Every figure is drawn from the seed, can
//! be told otherwise, and is printed with the outcome.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::lab::Draw;

/// Most devices of a run.
pub const DEVICES_MAX: u32 = 64;
/// Most shops of a run.
pub const SHOPS_MAX: u32 = 20;
/// Longest run, in days.
pub const DAYS_MAX: u32 = 400;
/// Most operations of a run.
pub const OPERATIONS_MAX: u32 = 1_000_000;

/// The faults that happen at steps and on the way, as chance has it: they have no place in the plan of a run, and only a
/// whole kind of them can be left out.
pub const STEP_FAULTS: [&str; 8] = [
    "gossip_lost",
    "gossip_twice",
    "frames_late",
    "power_cuts",
    "disk_errors",
    "syncs_slow",
    "grouped",
    "clocks_wrong",
];

/// Places in a plan, counted from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(BTreeSet<u32>);

impl Places {
    /// These.
    pub fn of(places: impl IntoIterator<Item = u32>) -> Places {
        Places(places.into_iter().collect())
    }

    /// Whether that is one of them.
    pub fn contains(&self, place: u32) -> bool {
        self.0.contains(&place)
    }

    /// Reads `3,17-20`, or `none`.
    pub fn parse(text: &str) -> Option<Places> {
        if text == "none" {
            return Some(Places::default());
        }
        let mut places = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            if first > last || last > OPERATIONS_MAX {
                return None;
            }
            places.extend(first..=last);
        }
        Some(Places(places))
    }
}

impl fmt::Display for Places {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("none");
        }
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for place in &self.0 {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == *place => *last = *place,
                _ => runs.push((*place, *place)),
            }
        }
        let text = |(first, last): &(u32, u32)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        formatter.write_str(&runs.iter().map(text).collect::<Vec<_>>().join(","))
    }
}

/// What is told and not drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// How many devices.
    pub devices: Option<u32>,
    /// How many shops.
    pub shops: Option<u32>,
    /// How many days.
    pub days: Option<u32>,
    /// How many operations people do.
    pub operations: Option<u32>,
    /// How bad the world is, in thousandths: 0 nothing goes wrong, 1000 everything as often as it may.
    pub faults: Option<u32>,
    /// Whether every disk says that it has synced and has not. Then nothing can hold: that shows who watches.
    pub lying_disks: bool,
    /// Invariants at which the auditor does not look.
    pub skipped: Vec<String>,
    /// Of the operations that were drawn only these are done.
    pub only_operations: Option<Places>,
    /// Of the faults that were planned only these happen.
    pub only_faults: Option<Places>,
    /// Kinds of faults at steps ([`STEP_FAULTS`]) that do not happen.
    pub calm: Vec<String>,
}

impl Overrides {
    /// The flags that tell a command line the same.
    pub fn flags(&self) -> String {
        let of = [
            ("devices", self.devices),
            ("shops", self.shops),
            ("days", self.days),
            ("operations", self.operations),
            ("faults", self.faults),
        ];
        let told = of.iter().filter_map(|(name, value)| value.map(|value| format!(" --{name} {value}")));
        let lying = self.lying_disks.then(|| " --lying-disks".to_owned());
        let skipped = self.skipped.iter().map(|name| format!(" --skip {name}"));
        let only = [("only-operations", &self.only_operations), ("only-faults", &self.only_faults)];
        let only = only.into_iter().filter_map(|(name, places)| Some(format!(" --{name} {}", places.as_ref()?)));
        let calm = (!self.calm.is_empty()).then(|| format!(" --calm {}", self.calm.join(",")));
        told.chain(lying).chain(skipped).chain(only).chain(calm).collect()
    }
}

/// Everything that a run is made of, beside what chance does within it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Options {
    /// How many devices.
    pub devices: u32,
    /// How many shops; each has at least one device.
    pub shops: u32,
    /// How many days people work and things go wrong.
    pub days: u32,
    /// How many operations people do in that time.
    pub operations: u32,
    /// How bad the world is, in thousandths.
    pub faults: u32,
    /// Whether all clocks are set right before the devices are to agree.
    pub clocks_set_right: bool,
    /// Whether every disk says that it has synced and has not.
    pub lying_disks: bool,
    /// Invariants at which the auditor does not look.
    pub skipped: Vec<String>,
    /// What goes wrong, how often.
    #[serde(flatten)]
    pub rates: Rates,
}

/// What goes wrong, how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rates {
    /// Gossip that does not arrive, of a thousand.
    pub gossip_lost: u32,
    /// Gossip that arrives twice, of a thousand.
    pub gossip_twice: u32,
    /// Frames that are held up, of a thousand.
    pub frames_late: u32,
    /// For how long at most, in milliseconds.
    pub frame_late_ms_max: u32,
    /// Connections cut, a day.
    pub cuts: u32,
    /// Connections that carry in one direction only until they end, a day.
    pub one_way: u32,
    /// Times that the company falls into two parts, a day.
    pub partitions: u32,
    /// Connections that come and go every few seconds for a while, a day.
    pub flapping: u32,
    /// Devices clogged one after the other and set free in another order (FoundationDB's swizzle).
    pub swizzles: u32,
    /// Devices alone for days, in the whole run.
    pub islands: u32,
    /// Steps that wrote something and at which the device loses power, of ten thousand.
    pub power_cuts: u32,
    /// Steps at which the disk fails to write or to sync, of a hundred thousand. The device is then started again.
    pub disk_errors: u32,
    /// Syncs that take time, of a thousand.
    pub syncs_slow: u32,
    /// How long such a sync takes at most, in milliseconds.
    pub sync_slow_ms_max: u32,
    /// Steps that wait for more inputs, and steps whose syncs are put together, of a thousand.
    pub grouped: u32,
    /// Devices whose clocks are wrong, of a thousand.
    pub clocks_wrong: u32,
    /// Old images of a disk brought back, in the whole run.
    pub images: u32,
    /// Stolen keys used, in the whole run.
    pub hostile: u32,
    /// How soon a device compares after a change: 1 within a second, 1000 within a quarter of an hour.
    pub leisure: u32,
}

impl Options {
    /// What this seed decides, but for what is told.
    pub fn draw(seed: u64, overrides: &Overrides) -> Options {
        let draw = Draw::from_seed(seed).child("options");
        let devices = overrides.devices.unwrap_or(8).clamp(1, DEVICES_MAX);
        let shops = overrides.shops.unwrap_or(2).clamp(1, SHOPS_MAX.min(devices));
        let days = overrides.days.unwrap_or(2).clamp(1, DAYS_MAX);
        let operations = draw.child("operations").between(350, 450).unsigned_abs() as u32;
        let operations = overrides.operations.unwrap_or(operations).min(OPERATIONS_MAX);
        // One seed in eight is a good world: what fails there is no matter of faults.
        let mut own = draw.child("faults");
        let drawn = if own.below(8) == 0 { 0 } else { own.between(100, 1_000).unsigned_abs() as u32 };
        let faults = overrides.faults.unwrap_or(drawn).min(1_000);
        let clocks_set_right = draw.child("clocks_set_right").below(2) == 0;
        let rates = Rates::draw(&draw, faults, days);
        let (lying_disks, skipped) = (overrides.lying_disks, overrides.skipped.clone());
        Options { devices, shops, days, operations, faults, clocks_set_right, lying_disks, skipped, rates }
    }
}

impl Rates {
    /// A good world.
    pub fn none() -> Rates {
        Rates::draw(&Draw::from_seed(0), 0, 1)
    }

    /// The same without those kinds of faults at steps.
    #[must_use]
    pub(super) fn calm(mut self, kinds: &[String]) -> Rates {
        for kind in kinds {
            match kind.as_str() {
                "gossip_lost" => self.gossip_lost = 0,
                "gossip_twice" => self.gossip_twice = 0,
                "frames_late" => (self.frames_late, self.frame_late_ms_max) = (0, 0),
                "power_cuts" => self.power_cuts = 0,
                "disk_errors" => self.disk_errors = 0,
                "syncs_slow" => self.syncs_slow = 0,
                "grouped" => self.grouped = 0,
                "clocks_wrong" => self.clocks_wrong = 0,
                _ => {}
            }
        }
        self
    }

    fn draw(draw: &Draw, faults: u32, days: u32) -> Rates {
        // A kind of fault is absent from a third of the runs, so that none hides behind the others.
        let upto = |name: &str, most: u32| {
            let mut own = draw.child(name);
            let absent = own.below(3) == 0;
            let drawn = own.below(u64::from(most) + 1) as u32;
            if absent { 0 } else { scaled(drawn, faults) }
        };
        let swizzled = draw.child("swizzles").below(4) == 0;
        Rates {
            // In some runs gossip brings nothing at all: comparing must find everything.
            gossip_lost: if draw.child("no_gossip").below(10) == 0 && faults > 0 {
                1_000
            } else {
                upto("gossip_lost", 300)
            },
            gossip_twice: upto("gossip_twice", 500),
            frames_late: upto("frames_late", 100),
            frame_late_ms_max: upto("frame_late_ms_max", 30_000),
            cuts: upto("cuts", 40),
            one_way: upto("one_way", 12),
            partitions: upto("partitions", 4),
            flapping: upto("flapping", 3),
            swizzles: if swizzled { faults.min(1) } else { 0 },
            islands: upto("islands", days.min(4)),
            power_cuts: upto("power_cuts", 60),
            disk_errors: upto("disk_errors", 100),
            syncs_slow: upto("syncs_slow", 200),
            sync_slow_ms_max: upto("sync_slow_ms_max", 3_000),
            grouped: upto("grouped", 300),
            clocks_wrong: upto("clocks_wrong", 500),
            images: upto("images", 2),
            hostile: upto("hostile", 12),
            leisure: draw.child("leisure").between(1, 1_000).unsigned_abs() as u32,
        }
    }
}

fn scaled(most: u32, faults: u32) -> u32 {
    (u64::from(most) * u64::from(faults) / 1_000) as u32
}

impl fmt::Display for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { devices, shops, days, operations, faults, clocks_set_right, lying_disks, skipped, rates } = self;
        write!(formatter, "devices={devices} shops={shops} days={days} operations={operations} faults={faults}")?;
        write!(formatter, " clocks_set_right={clocks_set_right} lying_disks={lying_disks}")?;
        skipped.iter().try_for_each(|name| write!(formatter, " skip={name}"))?;
        rates.fmt(formatter)
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart, so that a new figure cannot be forgotten here.
        let Rates {
            gossip_lost,
            gossip_twice,
            frames_late,
            frame_late_ms_max,
            cuts,
            one_way,
            partitions,
            flapping,
            swizzles,
            islands,
            power_cuts,
            disk_errors,
            syncs_slow,
            sync_slow_ms_max,
            grouped,
            clocks_wrong,
            images,
            hostile,
            leisure,
        } = self;
        write!(formatter, " gossip_lost={gossip_lost} gossip_twice={gossip_twice} frames_late={frames_late}")?;
        write!(formatter, " frame_late_ms_max={frame_late_ms_max} cuts={cuts} one_way={one_way}")?;
        write!(formatter, " partitions={partitions} flapping={flapping} swizzles={swizzles} islands={islands}")?;
        write!(
            formatter,
            " power_cuts={power_cuts} disk_errors={disk_errors} syncs_slow={syncs_slow} sync_slow_ms_max={sync_slow_ms_max}"
        )?;
        write!(
            formatter,
            " grouped={grouped} clocks_wrong={clocks_wrong} images={images} hostile={hostile} leisure={leisure}"
        )
    }
}
