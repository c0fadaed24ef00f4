//! A failing seed made small: which of its operations and faults are enough to fail in the same way.
//!
//! Delta debugging (`ddmin`; Zeller and Hildebrandt, 2002, "Simplifying and isolating failure-inducing input"): halves
//! are left out, then quarters, and so on, as long as what is left still breaks the same invariant. What is left out
//! shifts none of what is drawn for the others: each operation is drawn from its own name, and faults are planned before
//! any of them is skipped. What a device draws at its own steps (latencies, losses of power at a step) does shift, so a
//! smaller run is another run: it counts only because it was tried.

use std::fmt;

use crate::lab::options::{Overrides, Places, STEP_FAULTS};
use crate::lab::run::{Failure, Sizes, run_sized};

/// What came of shrinking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// How the smallest run fails.
    pub failure: Failure,
    /// What makes it so small.
    pub overrides: Overrides,
    /// How many operations are left, and of how many.
    pub operations: (usize, usize),
    /// How many planned faults are left, and of how many.
    pub faults: (usize, usize),
    /// The kinds of faults at steps that are left.
    pub at_steps: Vec<&'static str>,
    /// How many runs it took.
    pub runs: u32,
}

/// Something that may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// A kind of fault that happens at steps.
    AtSteps(&'static str),
    /// A planned fault.
    Planned(u32),
}

/// The smallest set found of which `fails` still holds, given that it holds of all: nothing more can be left out of it
/// alone.
pub fn ddmin<T: Clone>(all: Vec<T>, fails: &mut dyn FnMut(&[T]) -> bool) -> Vec<T> {
    if all.is_empty() || fails(&[]) {
        return Vec::new();
    }
    let mut left = all;
    let mut parts = 2;
    while left.len() >= 2 {
        let size = left.len().div_ceil(parts);
        let chunks: Vec<Vec<T>> = left.chunks(size).map(<[T]>::to_vec).collect();
        let alone = chunks.iter().find(|chunk| chunk.len() < left.len() && fails(chunk)).cloned();
        if let Some(chunk) = alone {
            (left, parts) = (chunk, 2);
            continue;
        }
        let without = (0..chunks.len()).filter(|_| chunks.len() > 2).find_map(|out| {
            let kept = chunks.iter().enumerate().filter(|(place, _)| *place != out);
            let kept: Vec<T> = kept.flat_map(|(_, chunk)| chunk.clone()).collect();
            fails(&kept).then_some(kept)
        });
        match without {
            Some(kept) => (left, parts) = (kept, (parts - 1).max(2)),
            None if size == 1 => break,
            None => parts = (parts * 2).min(left.len()),
        }
    }
    left
}

/// Somebody who tries smaller and smaller runs.
struct Shrinker<'a> {
    seed: u64,
    told: &'a Overrides,
    invariant: &'static str,
    operations: Vec<u32>,
    troubles: Vec<Trouble>,
    runs: u32,
    runs_max: u32,
    /// The last that failed in the same way.
    failure: Failure,
    tried: &'a mut dyn FnMut(u32, usize),
}

impl Shrinker<'_> {
    fn overrides(&self, operations: &[u32], troubles: &[Trouble]) -> Overrides {
        let planned = troubles.iter().filter_map(|trouble| match trouble {
            Trouble::Planned(place) => Some(*place),
            Trouble::AtSteps(_) => None,
        });
        let calm = STEP_FAULTS.iter().filter(|kind| !troubles.contains(&Trouble::AtSteps(kind)));
        Overrides {
            only_operations: Some(Places::of(operations.iter().copied())),
            only_faults: Some(Places::of(planned)),
            calm: calm.map(|kind| (*kind).to_owned()).collect(),
            ..self.told.clone()
        }
    }

    /// Whether that much still breaks the same invariant. Once enough was tried, nothing does.
    fn fails(&mut self, operations: &[u32], troubles: &[Trouble]) -> bool {
        if self.runs >= self.runs_max {
            return false;
        }
        self.runs += 1;
        (self.tried)(self.runs, operations.len());
        let (outcome, _) = run_sized(self.seed, &self.overrides(operations, troubles));
        match outcome.result {
            Err(failure) if failure.invariant == self.invariant => {
                self.failure = failure;
                true
            }
            _ => false,
        }
    }

    fn fewer_operations(&mut self) -> bool {
        let (all, troubles) = (self.operations.clone(), self.troubles.clone());
        let before = all.len();
        self.operations = ddmin(all, &mut |kept| self.fails(kept, &troubles));
        self.operations.len() < before
    }

    fn fewer_troubles(&mut self) -> bool {
        let (all, operations) = (self.troubles.clone(), self.operations.clone());
        let before = all.len();
        self.troubles = ddmin(all, &mut |kept| self.fails(&operations, kept));
        self.troubles.len() < before
    }
}

/// Makes a failing seed small, within so many runs. `tried` is told of each run: which, and of how many operations.
/// Nothing if the seed does not fail.
pub fn shrink(seed: u64, told: &Overrides, runs_max: u32, tried: &mut dyn FnMut(u32, usize)) -> Option<Shrunk> {
    let (outcome, sizes) = run_sized(seed, told);
    let failure = outcome.result.err()?;
    let Sizes { operations, faults } = sizes;
    let chosen = |of: usize, only: &Option<Places>| {
        let all = 0..of as u32;
        all.filter(|place| only.as_ref().is_none_or(|only| only.contains(*place))).collect::<Vec<_>>()
    };
    let asked = chosen(operations, &told.only_operations);
    let planned = chosen(faults, &told.only_faults).into_iter().map(Trouble::Planned);
    let at_steps = STEP_FAULTS.iter().filter(|kind| !told.calm.iter().any(|calm| calm == *kind));
    let troubles: Vec<Trouble> = at_steps.map(|kind| Trouble::AtSteps(kind)).chain(planned).collect();
    let invariant = failure.invariant;
    let mut shrinker =
        Shrinker { seed, told, invariant, operations: asked, troubles, runs: 1, runs_max, failure, tried };
    // Most failures need no faults at all, and then everything is quicker.
    let all = shrinker.operations.clone();
    if shrinker.fails(&all, &[]) {
        shrinker.troubles.clear();
    }
    while shrinker.fewer_operations() | shrinker.fewer_troubles() {
        if shrinker.runs >= runs_max || shrinker.operations.is_empty() {
            break;
        }
    }
    let overrides = shrinker.overrides(&shrinker.operations, &shrinker.troubles);
    let at_steps = shrinker.troubles.iter().filter_map(|trouble| match trouble {
        Trouble::AtSteps(kind) => Some(*kind),
        Trouble::Planned(_) => None,
    });
    let at_steps: Vec<&'static str> = at_steps.collect();
    let planned = shrinker.troubles.len() - at_steps.len();
    // What was found last need not be what is left: it is run once more, to be told as it is.
    let failure = run_sized(seed, &overrides).0.result.err().unwrap_or(shrinker.failure);
    Some(Shrunk {
        failure,
        overrides,
        operations: (shrinker.operations.len(), operations),
        faults: (planned, faults),
        at_steps,
        runs: shrinker.runs + 1,
    })
}

impl fmt::Display for Shrunk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shrunk { operations: (left, of), faults: (planned, all), at_steps, runs, failure, .. } = self;
        write!(formatter, "{left} of {of} operations, {planned} of {all} planned faults")?;
        if !at_steps.is_empty() {
            write!(formatter, ", {}", at_steps.join(", "))?;
        }
        write!(formatter, "; {runs} runs\n{failure}")
    }
}
