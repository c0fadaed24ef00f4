//! What is foreign and wrong has no effect, however well it is wrapped: every field mutated, then checksum, chain and
//! signature made right again.
//!
//! Without a word a fixed slice runs. `UCASH_MUTATIONS=N` runs at least that many cases of each generator,
//! `UCASH_MUTATION_SECONDS=S` (and `UCASH_FUZZ_SECONDS=S` for the decoders) that long, on every core. A failure names
//! the seed of its round; `UCASH_MUTATION_SEED` runs that round alone.

mod certificates;
mod chunks;
mod decoders;
mod draw;
mod entries;
mod messages;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use crate::forge::Node;
use draw::Draw;

/// How many cases came to which end: class, end, count.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<(&'static str, &'static str), u64>);

impl Tally {
    pub fn count(&mut self, class: &'static str, end: &'static str) {
        *self.0.entry((class, end)).or_default() += 1;
    }

    pub fn of(&self, class: &str, end: &str) -> u64 {
        self.0.iter().filter(|((c, e), _)| *c == class && *e == end).map(|(_, count)| count).sum()
    }

    pub fn ends(&self, end: &str) -> u64 {
        self.0.iter().filter(|((_, e), _)| *e == end).map(|(_, count)| count).sum()
    }

    fn total(&self) -> u64 {
        self.0.values().sum()
    }

    fn add(&mut self, other: Tally) {
        for (key, count) in other.0 {
            *self.0.entry(key).or_default() += count;
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// Automerge panics over some foreign changes, and `document` catches that: not a word of it here, of anything else all.
fn hush_what_is_caught() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|location| location.file().contains("/automerge-")) {
                before(panic);
            }
        }));
    });
}

/// Runs rounds until there are enough. A round draws all it does from its seed, so that its seed shows it again.
pub fn rounds(name: &str, seconds: &str, slice: u64, round: impl Fn(&mut Draw, &mut Tally) + Sync) -> Tally {
    hush_what_is_caught();
    if let Some(seed) = number("UCASH_MUTATION_SEED") {
        let mut tally = Tally::default();
        round(&mut Draw::new(seed), &mut tally);
        return tally;
    }
    let (cases, time) = (number("UCASH_MUTATIONS"), number(seconds).map(Duration::from_secs));
    let long = cases.is_some() || time.is_some();
    let threads = if long { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 };
    let (next, done, all) = (AtomicU64::new(1), AtomicU64::new(0), Mutex::new(Tally::default()));
    let began = Instant::now();
    let enough = |seed: u64| match (cases, time) {
        (Some(cases), _) => done.load(Ordering::Relaxed) >= cases,
        (None, Some(time)) => began.elapsed() >= time,
        (None, None) => seed > slice,
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if enough(seed) {
                        return;
                    }
                    let mut tally = Tally::default();
                    let guard = Failing { name, seed };
                    round(&mut Draw::new(seed), &mut tally);
                    drop(guard);
                    done.fetch_add(tally.total(), Ordering::Relaxed);
                    all.lock().expect("no other thread failed").add(tally);
                }
            });
        }
    });
    let all = all.into_inner().expect("no thread failed");
    println!("{name}: {} cases in {:.1} s", all.total(), began.elapsed().as_secs_f64());
    for ((class, end), count) in &all.0 {
        println!("  {class:<28} {end:<28} {count:>9}");
    }
    all
}

/// Says which round failed, if it does.
struct Failing<'a> {
    name: &'a str,
    seed: u64,
}

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        eprintln!("{}: the round of UCASH_MUTATION_SEED={} failed", self.name, self.seed);
    }
}

/// What must not change where nothing has an effect.
pub fn state_of(node: &mut Node) -> (String, u64, u64, u64) {
    let status = crate::forge::status(node);
    (status.state_digest, status.entries, status.waiting, status.set_aside)
}
