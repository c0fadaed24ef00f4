//! A damaged store: what of it can be proven goes on in a new one, as a new incarnation.
//!
//! ```text
//! damaged store ──each log up to its last valid signature──> new store, new incarnation
//! heads known   ──what is not there any more──────────────> expected: named until peers have brought it back
//! ```
//!
//! The new incarnation writes logs of its own and holds no share (`domain`, rule 7): entries of the old ones that were
//! lost here may be held by others, and nothing may be written under their numbers again. Nothing of the damaged store
//! is changed, and nothing of it is believed that no signature proves.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::log::{Departure, EntryHash, Head, LogId, Segment, verify_head};
use crate::model::DeviceKey;
use crate::replica::boot::{BootError, Identity, Random};
use crate::replica::soundness::{
    LOG_RECORD_BYTES, LostEntries, chained, own_records, read_departure, read_head, root, write_departure, write_head,
};
use crate::replica::{Replica, ReplicaError, keys};
use crate::store::{Batch, Store};

/// For each log, by the bytes of its id, the number and hash of the last entry known to have been durable.
pub type Heads = BTreeMap<Vec<u8>, (u64, [u8; 32])>;

/// Bytes after which what was saved is written.
const BATCH_BYTES: usize = 1 << 20;

/// What became of a damaged store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// Entries that could be proven and go on.
    pub entries: u64,
    /// Entries that were there and are to be brought back by others.
    pub lost: Vec<LostEntries>,
    /// Own records (answers by key, invitations, settings) are or may be missing: a command sent again under an old key
    /// may be carried out again.
    pub own_records_lost: bool,
}

/// A log as far as it could be proven.
struct Proven {
    head: Head,
    segments: Vec<(u64, Vec<u8>)>,
    /// The hashes of the entries.
    passed: Vec<EntryHash>,
}

/// Where the branches of forked logs depart, as far as that can be read.
fn departures(damaged: &impl Store) -> BTreeMap<LogId, Departure> {
    let mut found = BTreeMap::new();
    let _ = damaged.scan(&[keys::BRANCH], &[keys::BRANCH], &mut |_, value| {
        found.extend(read_departure(value).map(|departure| (departure.name(), departure)));
        ControlFlow::Continue(())
    });
    found
}

/// Whether what a branch departs from can be proven too: without that it hangs on nothing, and others bring it back.
fn is_rooted(
    departure: Option<&Departure>,
    names: &BTreeMap<u32, LogId>,
    prove: &impl Fn(u32, &LogId) -> Proven,
) -> bool {
    departure.is_none_or(|departure| {
        departure.after.hash == root(&departure.written).hash
            || names.iter().any(|(index, log)| {
                log.device == departure.written.device && prove(*index, log).passed.contains(&departure.after.hash)
            })
    })
}

impl<S: Store> Replica<S> {
    /// Saves what can be proven of a damaged store into an empty one, and opens that as a new incarnation. `expected`
    /// are heads known from elsewhere.
    ///
    /// # Errors
    ///
    /// Those of the new store. Whatever cannot be read of the damaged one counts as lost.
    pub fn salvage(
        damaged: &impl Store,
        mut store: S,
        identity: Identity,
        authority: DeviceKey,
        seed: [u8; 32],
        expected: &Heads,
    ) -> Result<(Replica<S>, Salvaged), BootError> {
        let mut random = Random::new(seed);
        let known = known_heads(damaged, expected);
        let mut names = names(damaged);
        let departures = departures(damaged);
        let prove = |index: u32, log: &LogId| prove(damaged, index, log, departures.get(log));
        let mut unnamed: BTreeSet<LogId> =
            known.keys().copied().filter(|log| !names.values().any(|l| l == log)).collect();
        for index in indices(damaged) {
            if let std::collections::btree_map::Entry::Vacant(place) = names.entry(index)
                && let Some(log) = unnamed.iter().find(|log| prove(index, log).head.number > 0).copied()
            {
                place.insert(log);
                unnamed.remove(&log);
            }
        }

        let mut batch = Batch::default();
        let mut saved: BTreeMap<LogId, Head> = BTreeMap::new();
        for (index, log) in &names {
            let departure = departures.get(log);
            let proven = prove(*index, log);
            let base = departure.map_or(0, |departure| departure.after.number);
            if proven.head.number == base || saved.contains_key(log) || !is_rooted(departure, &names, &prove) {
                continue;
            }
            let place = saved.len() as u32;
            for (number, segment) in proven.segments {
                let at = crate::replica::fold::EntryRef { log: place, number };
                batch.put(keys::segment(at), segment);
                write_full(&mut store, &mut batch)?;
            }
            batch.put(keys::log(place), write_head(log, &proven.head));
            if let Some(departure) = departure {
                batch.put(keys::branch(place), write_departure(departure));
            }
            saved.insert(*log, proven.head);
        }
        for letter in keys::OWN {
            // What could not be read is noticed by the sum.
            let _ = damaged.scan(&[letter], &[letter], &mut |key, value| {
                batch.put(key, value);
                ControlFlow::Continue(())
            });
        }
        if let Ok(Some(credentials)) = damaged.get(keys::CREDENTIALS) {
            batch.put(keys::CREDENTIALS, credentials);
        }
        let reached = |log: &LogId| saved.get(log).map_or(0, |head| head.number);
        let lost: Vec<(LogId, Head)> = known.into_iter().filter(|(log, head)| head.number > reached(log)).collect();
        let records: Vec<u8> = lost.iter().flat_map(|(log, head)| write_head(log, head)).collect();
        batch.put(keys::EXPECTED, records);
        batch.put(keys::INCARNATION, random.draw::<8>());
        batch.put(keys::AUTHORITY, authority.0);
        batch.put(keys::DEVICE, identity.key.public().0);
        store.apply(&batch).map_err(ReplicaError::from)?;
        let sum = own_records(&store)?;
        let mut batch = Batch::default();
        batch.put(keys::OWN_SUM, sum.to_bytes());
        store.apply(&batch).map_err(ReplicaError::from)?;
        store.sync().map_err(ReplicaError::from)?;

        let told = damaged.get(keys::OWN_SUM).ok().flatten();
        let report = Salvaged {
            entries: saved
                .iter()
                .map(|(log, head)| head.number - departures.get(log).map_or(0, |departure| departure.after.number))
                .sum(),
            lost: lost
                .iter()
                .map(|(log, head)| LostEntries { log: *log, from: reached(log) + 1, to: head.number })
                .collect(),
            // A store that fell back to an earlier state is in step with itself.
            own_records_lost: !lost.is_empty() || told.as_deref() != Some(&sum.to_bytes()),
        };
        let mut replica = Replica::open(store, identity, random.draw())?;
        replica.sync()?;
        Ok((replica, report))
    }

    /// Entries that an earlier store of this device held, and that no other device has brought back yet.
    pub fn lost(&self) -> Vec<LostEntries> {
        let held = |log: &LogId| self.logs.head(log).number;
        let lost = self.expected.iter().filter(|(log, head)| held(log) < head.number);
        lost.map(|(log, head)| LostEntries { log: *log, from: held(log) + 1, to: head.number }).collect()
    }
}

fn write_full(store: &mut impl Store, batch: &mut Batch) -> Result<(), ReplicaError> {
    let bytes: usize = batch
        .writes
        .iter()
        .map(|write| match write {
            crate::store::Write::Put(key, value) => key.len() + value.len(),
            crate::store::Write::Delete(key) => key.len(),
        })
        .sum();
    if bytes >= BATCH_BYTES {
        store.apply(&std::mem::take(batch))?;
        store.sync()?;
    }
    Ok(())
}

/// Every head that was ever on record: in the store, in the file beside it, and what was missing before.
fn known_heads(damaged: &impl Store, expected: &Heads) -> BTreeMap<LogId, Head> {
    let mut known: BTreeMap<LogId, Head> = BTreeMap::new();
    let mut remember = |log: LogId, head: Head| {
        let furthest = known.entry(log).or_insert(head);
        if head.number > furthest.number {
            *furthest = head;
        }
    };
    // What cannot be read is not known: the file beside the store is there for that.
    let _ = damaged.scan(&[keys::LOG], &[keys::LOG], &mut |_, value| {
        if let Some((log, head)) = read_head(value) {
            remember(log, head);
        }
        ControlFlow::Continue(())
    });
    let before = damaged.get(keys::EXPECTED).ok().flatten().unwrap_or_default();
    for (log, head) in before.chunks(LOG_RECORD_BYTES).filter_map(read_head) {
        remember(log, head);
    }
    for (log, (number, hash)) in expected {
        if let Some(log) = LogId::from_bytes(log) {
            remember(log, Head { number: *number, hash: *hash });
        }
    }
    known
}

/// The logs that still have their names, by their numbers in the store.
fn names(damaged: &impl Store) -> BTreeMap<u32, LogId> {
    let mut names = BTreeMap::new();
    let _ = damaged.scan(&[keys::LOG], &[keys::LOG], &mut |key, value| {
        let index = key.get(1..).and_then(|index| <[u8; 4]>::try_from(index).ok()).map(u32::from_be_bytes);
        if let Some((index, (log, _))) = index.zip(read_head(value)) {
            names.insert(index, log);
        }
        ControlFlow::Continue(())
    });
    names
}

/// The numbers of all logs of which a segment is left.
fn indices(damaged: &impl Store) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let _ = damaged.scan(&[keys::SEGMENT], &[keys::SEGMENT], &mut |key, _| {
        found.extend(keys::read_entry(key).map(|at| at.log));
        ControlFlow::Continue(())
    });
    found
}

/// A log from its beginning up to the last valid signature before the first gap.
fn prove(damaged: &impl Store, index: u32, log: &LogId, departure: Option<&Departure>) -> Proven {
    let base = departure.map_or_else(|| root(log), |departure| departure.after);
    let mut proven = Proven { head: base, segments: Vec::new(), passed: Vec::new() };
    let mut reached = proven.head;
    let (mut unproven, mut passing) = (Vec::new(), Vec::new());
    let prefix = keys::segment_prefix(index);
    let _ = damaged.scan(&prefix, &prefix, &mut |key, value| {
        let first = keys::read_entry(key).map_or(0, |at| at.number);
        let Ok(segment) = Segment::from_bytes(value) else { return ControlFlow::Break(()) };
        if first != reached.number + 1 {
            return ControlFlow::Break(());
        }
        for body in &segment.bodies {
            reached = chained(&reached, body);
            passing.push(reached.hash);
        }
        unproven.push((first, value.to_vec()));
        if segment.signature.is_some_and(|signature| verify_head(&log.device, &reached.hash, &signature)) {
            proven.segments.append(&mut unproven);
            proven.head = reached;
            proven.passed.append(&mut passing);
        }
        ControlFlow::Continue(())
    });
    proven
}
