//! One run from one seed, and what came of it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::document::remembering_changes;
use crate::lab::auditor::Broken;
use crate::lab::faults;
use crate::lab::options::{Options, Overrides};
use crate::lab::world::{Counts, World};
use crate::lab::{Draw, START};
use crate::log::remembering_signatures;

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

/// One run.
pub fn run(seed: u64, overrides: &Overrides) -> Outcome {
    run_keeping(seed, overrides, false).0
}

/// One run, and what happened in it, a line each.
pub fn run_traced(seed: u64, overrides: &Overrides) -> (Outcome, Vec<String>) {
    run_keeping(seed, overrides, true)
}

fn run_keeping(seed: u64, overrides: &Overrides, keep_trace: bool) -> (Outcome, Vec<String>) {
    let options = Options::draw(seed, overrides);
    let (world, result) = remembering(|| match World::found(seed, options, keep_trace) {
        Ok(world) => live(seed, world),
        Err((world, broken)) => (*world, Err(broken)),
    });
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
    (Outcome { seed, options, counts, virtual_ms, events, trace: digest, result }, lines)
}

/// A founded company's days, and what holds after them. What panics is a broken promise like any other.
fn live(seed: u64, mut world: World) -> (World, Result<(), Broken>) {
    let plan = faults::plan(&world.options, &world.network.pairs(), &Draw::from_seed(seed));
    let lived = catch_unwind(AssertUnwindSafe(|| world.run_days(plan).and_then(|()| world.heal())));
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
