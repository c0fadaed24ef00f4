//! What this node counts and measures while it runs, for `GET /metrics`.
//!
//! | file | what it is |
//! | --- | --- |
//! | `mod` | the numbers themselves, where the engine, the syncer and `http` write them down |
//! | `page` | all of them as one text, with what is only asked for when somebody reads it |
//! | `process` | what the system says of this process and its directory |
//!
//! Numbers only. No label bears a name, a key, an address or an amount: whoever may read this need not be trusted with
//! what the shop knows. Labels come from closed lists, so that no stranger can make them grow.
//!
//! Nothing here decides anything, with one exception: health and readiness (`http::api::node`) read the [`Disk`] and
//! [`Metrics::busy_for`] that the engine writes down here.

mod page;
mod process;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use super::clock::instant;
use super::net::NetCounters;
use crate::replica::Tally;

pub use page::CONTENT_TYPE;

/// What the disk allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Disk {
    /// Everything.
    Writable = 0,
    /// Nothing more is written until there is room; then this node goes on by itself.
    Full = 1,
    /// It failed: nothing more is written until this node is started again.
    ReadOnly = 2,
}

/// Which way something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    In,
    Out,
}

impl EncodeLabelValue for Way {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> std::fmt::Result {
        EncodeLabelValue::encode(&if *self == Way::In { "in" } else { "out" }, encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Direction {
    direction: Way,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfShop {
    shop: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

type Latencies = Family<Route, Histogram, fn() -> Histogram>;

/// From a tenth of a millisecond to some ten seconds: a good disk syncs within a few milliseconds, a bad card takes
/// seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.5, 13))
}

/// From one input to the 256 that share a sync at most.
fn counts() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 9))
}

/// The numbers of one node; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    numbers: Arc<Numbers>,
}

struct Numbers {
    started: Instant,
    /// The store's directory, to be measured.
    store: Option<PathBuf>,
    network: Option<Box<dyn Fn() -> NetCounters + Send + Sync>>,
    disk: AtomicU8,
    /// When the engine began what it is at, in milliseconds after the start, and one more; 0 while it waits.
    busy_since: AtomicU64,
    /// When the sync under way began, in the same way.
    syncing_since: AtomicU64,
    // What the engine writes down.
    logs: Gauge,
    commands_waiting: Gauge,
    entries: Family<Direction, Counter>,
    gossiped: Counter,
    repaired: Counter,
    rounds: Counter,
    refused: Counter,
    frames: Family<Direction, Counter>,
    frame_bytes: Family<Direction, Counter>,
    gossip: Family<Direction, Counter>,
    gossip_unsealed: Counter,
    bans: Family<Reason, Counter>,
    steps: Histogram,
    batches: Histogram,
    // What the syncer writes down.
    syncs: Histogram,
    syncs_failed: Counter,
    // What `http` writes down.
    tokens: Gauge,
    identities_refused: Counter,
    requests: Family<Asked, Counter>,
    latencies: Latencies,
}

impl std::fmt::Debug for Numbers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Numbers").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new(None, None)
    }
}

impl Metrics {
    /// Nothing counted yet. Where there is a store, its directory is measured; where there is a network, it is asked
    /// for what it counts itself.
    pub(super) fn new(store: Option<PathBuf>, network: Option<Box<dyn Fn() -> NetCounters + Send + Sync>>) -> Metrics {
        let numbers = Numbers {
            started: instant(),
            store,
            network,
            disk: AtomicU8::new(Disk::Writable as u8),
            busy_since: AtomicU64::new(0),
            syncing_since: AtomicU64::new(0),
            logs: Gauge::default(),
            commands_waiting: Gauge::default(),
            entries: Family::default(),
            gossiped: Counter::default(),
            repaired: Counter::default(),
            rounds: Counter::default(),
            refused: Counter::default(),
            frames: Family::default(),
            frame_bytes: Family::default(),
            gossip: Family::default(),
            gossip_unsealed: Counter::default(),
            bans: Family::default(),
            steps: seconds(),
            batches: counts(),
            syncs: seconds(),
            syncs_failed: Counter::default(),
            tokens: Gauge::default(),
            identities_refused: Counter::default(),
            requests: Family::default(),
            latencies: Family::new_with_constructor(seconds),
        };
        // A number that is not there before it first grows looks, to who reads rates, as if it never grew.
        for direction in [Way::In, Way::Out].map(|direction| Direction { direction }) {
            for family in [&numbers.entries, &numbers.frames, &numbers.frame_bytes, &numbers.gossip] {
                drop(family.get_or_create(&direction));
            }
        }
        Metrics { numbers: Arc::new(numbers) }
    }

    /// What the disk allows.
    pub fn disk(&self) -> Disk {
        match self.numbers.disk.load(Ordering::Acquire) {
            0 => Disk::Writable,
            1 => Disk::Full,
            _ => Disk::ReadOnly,
        }
    }

    /// Says what the disk allows.
    pub fn set_disk(&self, disk: Disk) {
        self.numbers.disk.store(disk as u8, Ordering::Release);
    }

    /// For how long the engine has been at one thing; zero while it waits for something to do.
    pub fn busy_for(&self) -> Duration {
        self.since(&self.numbers.busy_since)
    }

    /// For how long the disk has been at the sync under way; zero where none is.
    pub fn syncing_for(&self) -> Duration {
        self.since(&self.numbers.syncing_since)
    }

    fn since(&self, begun: &AtomicU64) -> Duration {
        match begun.load(Ordering::Acquire) {
            0 => Duration::ZERO,
            since => self.uptime().saturating_sub(Duration::from_millis(since - 1)),
        }
    }

    fn begin<'metrics>(&self, begun: &'metrics AtomicU64) -> Busy<'metrics> {
        let since = u64::try_from(self.uptime().as_millis()).unwrap_or(u64::MAX - 1);
        begun.store(since.saturating_add(1), Ordering::Release);
        Busy { begun }
    }

    /// How long this node has run.
    pub fn uptime(&self) -> Duration {
        instant().saturating_duration_since(self.numbers.started)
    }

    /// The engine begins something.
    pub(super) fn busy(&self) -> Busy<'_> {
        self.begin(&self.numbers.busy_since)
    }

    /// The syncer begins a sync.
    pub(super) fn syncing(&self) -> Busy<'_> {
        self.begin(&self.numbers.syncing_since)
    }

    /// The engine handled so many inputs as one step, and it took that long.
    pub(super) fn step(&self, inputs: usize, took: Duration) {
        self.numbers.batches.observe(u32::try_from(inputs).unwrap_or(u32::MAX).into());
        self.numbers.steps.observe(took.as_secs_f64());
    }

    /// What the replica counts, as it stands after a step.
    pub(super) fn tally(&self, before: Tally, after: Tally) {
        let numbers = &self.numbers;
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        numbers.logs.set(whole(after.logs));
        numbers.commands_waiting.set(whole(after.commands_waiting));
        // A store that was opened anew counts from zero again.
        let grown = |before: u64, after: u64| after.checked_sub(before).unwrap_or(after);
        let entries = |direction| numbers.entries.get_or_create_owned(&Direction { direction });
        entries(Way::In).inc_by(grown(before.received, after.received));
        entries(Way::Out).inc_by(grown(before.sent, after.sent));
        let gossiped = grown(before.gossiped, after.gossiped);
        numbers.gossiped.inc_by(gossiped);
        numbers.repaired.inc_by(grown(before.received, after.received).saturating_sub(gossiped));
        numbers.rounds.inc_by(grown(before.rounds, after.rounds));
        numbers.refused.inc_by(grown(before.refused, after.refused));
    }

    /// A frame of so many bytes came or went.
    pub(super) fn frame(&self, direction: Way, bytes: usize) {
        let direction = Direction { direction };
        self.numbers.frames.get_or_create(&direction).inc();
        self.numbers.frame_bytes.get_or_create(&direction).inc_by(bytes as u64);
    }

    /// Gossip came that a device of the network sealed, or went.
    pub(super) fn gossip(&self, direction: Way) {
        self.numbers.gossip.get_or_create(&Direction { direction }).inc();
    }

    /// Gossip came that no device of the network sealed.
    pub(super) fn gossip_unsealed(&self) {
        self.numbers.gossip_unsealed.inc();
    }

    /// A connection was ended for what came over it.
    pub(super) fn ban(&self, reason: &'static str) {
        self.numbers.bans.get_or_create(&Reason { reason }).inc();
    }

    /// A sync of the disk took that long.
    pub(super) fn sync(&self, took: Duration, is_done: bool) {
        self.numbers.syncs.observe(took.as_secs_f64());
        if !is_done {
            self.numbers.syncs_failed.inc();
        }
    }

    /// So many tokens are in use.
    pub fn tokens(&self, count: usize) {
        self.numbers.tokens.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Somebody presented no credential, or one that does not hold.
    pub fn identity_refused(&self) {
        self.numbers.identities_refused.inc();
    }

    /// A request was answered. `route` is the path as the router knows it, never as it was asked for.
    pub fn request(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let asked = Asked { method, route: route.to_owned(), status };
        self.numbers.requests.get_or_create(&asked).inc();
        self.numbers.latencies.get_or_create(&Route { route: route.to_owned() }).observe(took.as_secs_f64());
    }
}

/// While it is there, something is under way.
#[derive(Debug)]
pub(super) struct Busy<'metrics> {
    begun: &'metrics AtomicU64,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.begun.store(0, Ordering::Release);
    }
}
