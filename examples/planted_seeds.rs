//! For every bug that may be planted, the first seeds of the lab that catch it, and by which invariant: the table of
//! `tests/it/planted.rs` and of `docs/lab.md`.
//!
//! ```text
//! cargo run --release --features planted --example planted_seeds -- [LAST SEED] [BUG..]
//! ```
//!
//! `Nothing` for a bug plants none: then no seed may fail.

use std::sync::atomic::{AtomicUsize, Ordering};

use ucash::lab::{Overrides, run};
use ucash::planted::{Bug, with};

/// How many seeds are shown of each bug.
const SHOWN: usize = 1;

fn main() {
    let mut words = std::env::args().skip(1);
    let last: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(100);
    let named: Vec<String> = words.collect();
    let chosen = |bug: &Bug| named.is_empty() || named.contains(&format!("{bug:?}"));
    let mut bugs: Vec<Option<Bug>> = Bug::ALL.into_iter().filter(chosen).map(Some).collect();
    bugs.extend(named.iter().any(|name| name == "Nothing").then_some(None));
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // A panic of a planted bug is caught by the run, and told as what it broke.
    std::panic::set_hook(Box::new(|_| ()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = row(*bug, last);
                    println!("{row}");
                }
            });
        }
    });
}

/// The first seeds that catch a bug, and how.
fn row(bug: Option<Bug>, last: u64) -> String {
    let once = |seed| {
        let lab = || run(seed, &Overrides::default());
        bug.map_or_else(lab, |bug| with(bug, lab)).result.err()
    };
    let caught = (1..=last).filter_map(once);
    let caught: Vec<_> = caught.take(SHOWN).collect();
    let bug = bug.map_or_else(|| "Nothing".to_owned(), |bug| format!("{bug:?}"));
    let Some(first) = caught.first() else { return format!("{bug}: not in {last} seeds") };
    let seeds: Vec<_> = caught.iter().map(|failure| format!("{} {}", failure.seed, failure.invariant)).collect();
    let detail: String = first.detail.chars().take(160).collect();
    format!("{bug}: {} ({detail})", seeds.join(", "))
}
