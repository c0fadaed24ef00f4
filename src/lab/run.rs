//! One run from one seed, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::document::remembering_changes;
use crate::lab::auditor::Broken;
use crate::lab::faults::{self, Fault};
use crate::lab::glance::Watcher;
use crate::lab::network::pairs;
use crate::lab::options::{Options, Overrides, Places};
use crate::lab::scenario::conflicts_of;
use crate::lab::tape::Mark;
use crate::lab::world::{Counts, World};
use crate::lab::{Draw, START};
use crate::log::remembering_signatures;
use crate::replica::ConflictView;

/// What the world holds to by itself, beside the auditor's invariants: that the network can be founded, no honest
/// device leaves another, a disk that is well is used and one that is not lets nothing out, a device opens again, all
/// come to agree, and nothing panics.
pub const WORLD_INVARIANTS: [&str; 7] = ["founding", "honest_ban", "disk", "read_only", "reopen", "liveness", "panic"];

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What it decided, but for what was told.
    pub options: Options,
    /// What was counted.
    pub counts: Counts,
    /// What passed from the founding to the end, in milliseconds of the world's time.
    pub virtual_ms: i64,
    /// How many things happened.
    pub events: u64,
    /// The digest of all that happened, in order.
    pub trace: [u8; 32],
    /// Whether everything held.
    pub result: Result<(), Failure>,
}

impl Outcome {
    /// The digest as 64 digits.
    pub fn trace_text(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.trace)
    }
}

/// Something that did not hold, and how to see it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Which invariant.
    pub invariant: &'static str,
    /// How.
    pub detail: String,
    /// When, in milliseconds since people began to work.
    pub at_ms: i64,
    /// The command that shows it again.
    pub replay: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = START.plus_ms(self.at_ms).to_rfc3339();
        let Failure { seed, invariant, detail, replay, .. } = self;
        write!(formatter, "seed {seed}: {invariant} at {when}: {detail}\n{replay}")
    }
}

/// How much there is in a run that can be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Operations that were drawn.
    pub operations: usize,
    /// Faults that were planned.
    pub faults: usize,
}

/// What happened in a run, to be drawn.
#[derive(Clone, Debug)]
pub struct Record {
    /// The names of the devices, by their numbers.
    pub devices: Vec<String>,
    /// The names of devices by their keys.
    pub names: BTreeMap<String, String>,
    /// What happened.
    pub tape: Vec<Mark>,
    /// The conflicts at the end, as the first device that lists each shows it.
    pub conflicts: Vec<ConflictView>,
    /// When it ended, in milliseconds since people began to work.
    pub ended_ms: i64,
}

/// One run.
pub fn run(seed: u64, overrides: &Overrides) -> Outcome {
    run_keeping(seed, overrides, Keep::default()).0
}

/// One run, and what happened in it, a line each.
pub fn run_traced(seed: u64, overrides: &Overrides) -> (Outcome, Vec<String>) {
    let (outcome, kept) = run_keeping(seed, overrides, Keep { lines: true, ..Keep::default() });
    (outcome, kept.lines)
}

/// One run, and what happened in it, to be drawn.
pub fn run_recorded(seed: u64, overrides: &Overrides) -> (Outcome, Record) {
    let (outcome, kept) = run_keeping(seed, overrides, Keep { tape: true, ..Keep::default() });
    (outcome, kept.record)
}

/// One run, at which somebody looks after everything that happens once people work.
pub fn run_watched(seed: u64, overrides: &Overrides, watcher: Box<dyn Watcher>) -> Outcome {
    run_keeping(seed, overrides, Keep { watcher: Some(watcher), ..Keep::default() }).0
}

/// One run, and how much there is in it that can be left out.
pub(super) fn run_sized(seed: u64, overrides: &Overrides) -> (Outcome, Sizes) {
    let (outcome, kept) = run_keeping(seed, overrides, Keep::default());
    (outcome, kept.sizes)
}

/// What is wanted of a run beside its outcome.
#[derive(Default)]
struct Keep {
    lines: bool,
    tape: bool,
    watcher: Option<Box<dyn Watcher>>,
}

/// What was kept of it.
struct Kept {
    lines: Vec<String>,
    record: Record,
    sizes: Sizes,
}

fn run_keeping(seed: u64, overrides: &Overrides, keep: Keep) -> (Outcome, Kept) {
    // Faults are planned as if nothing were left out, so that each keeps its place.
    let mut options = Options::draw(seed, overrides);
    let pairs = pairs(options.devices as usize);
    let mut plan: Vec<(i64, Fault)> = faults::plan(&options, &pairs, &Draw::from_seed(seed));
    let faults = plan.len();
    if let Some(only) = &overrides.only_faults {
        let mut place = 0..;
        plan.retain(|_| place.next().is_some_and(|place| only.contains(place)));
    }
    options.rates = options.rates.calm(&overrides.calm);
    let only = overrides.only_operations.clone();
    let (mut world, result) = remembering(|| match World::found(seed, options, keep.lines || keep.watcher.is_some()) {
        Ok(mut world) => {
            if keep.tape {
                world.trace.record();
                world.mark_clocks();
            }
            world.begin_watching(keep.watcher);
            live(world, plan, only.as_ref())
        }
        Err((world, broken)) => (*world, Err(broken)),
    });
    let sizes = Sizes { operations: world.workload.moments().len(), faults };
    let record = record(&mut world);
    let World { options, counts, now, began, trace, .. } = world;
    let events = trace.events();
    let (digest, lines) = trace.end();
    let failure = |Broken { invariant, detail }| {
        let replay = format!("ucash lab run --seed {seed}{}", overrides.flags());
        Failure { seed, invariant, detail, at_ms: now, replay }
    };
    let virtual_ms = now - began;
    // What is skipped is not told, though the run ends where it was found.
    let result = result.or_else(|broken| {
        if options.skipped.iter().any(|name| name == broken.invariant) { Ok(()) } else { Err(failure(broken)) }
    });
    let outcome = Outcome { seed, options, counts, virtual_ms, events, trace: digest, result };
    (outcome, Kept { lines, record, sizes })
}

fn record(world: &mut World) -> Record {
    let tape = world.trace.take_tape();
    let devices: Vec<String> = world.cast.devices.iter().map(|device| device.name.clone()).collect();
    let names = world.cast.devices.iter().map(|device| (device.key.to_text(), device.name.clone())).collect();
    let mut conflicts = BTreeMap::new();
    if !tape.is_empty() {
        for device in &mut world.devices {
            let listed = device.replica().map(|replica| conflicts_of(replica, world.now)).unwrap_or_default();
            for view in listed {
                conflicts.entry(view.conflict.id).or_insert(view);
            }
        }
    }
    Record { devices, names, tape, conflicts: conflicts.into_values().collect(), ended_ms: world.now }
}

/// A founded company's days, and what holds after them. What panics is a broken promise like any other.
fn live(mut world: World, plan: Vec<(i64, Fault)>, only: Option<&Places>) -> (World, Result<(), Broken>) {
    let lived = catch_unwind(AssertUnwindSafe(|| world.run_days(plan, only).and_then(|()| world.heal())));
    let result = lived.unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(Broken { invariant: "panic", detail: text.to_owned() })
    });
    (world, result)
}

/// All replicas of a run are in one process: what one found right of a signature or a change, the others need not find
/// again.
fn remembering<T>(run: impl FnOnce() -> T) -> T {
    remembering_signatures(|| remembering_changes(run))
}
