//! The logs as this store holds them: their heads, and reading and writing their entries.
//!
//! New entries are staged in memory and become part of the batch that ends the step; readers see them at once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::log::{
    Body, BodyError, ChainedEntry, Digest, EntryHash, Head, LogId, SEGMENT_ENTRIES, SUFFIX_BYTES_MAX,
    SUFFIX_ENTRIES_MAX, Segment, Signature, SigningKey, Suffix, digest_of, next_hash, root_of, sign,
};
use crate::model::{DocumentId, Scope};
use crate::replica::ReplicaError;
use crate::replica::branches::Branch;
use crate::replica::fold::{Entries, EntryRef};
use crate::replica::keys;
use crate::replica::soundness::{self, Damage};
use crate::store::{Batch, Store};

/// One log held here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// Its number in this store.
    pub index: u32,
    /// How far it is held.
    pub head: Head,
    /// How far it stands in the store: what this step added follows with its batch.
    stored: u64,
}

/// What reads a log piece by piece: the number of the piece's first entry, and the piece.
type VisitOf<'a, T> = &'a mut dyn FnMut(u64, &T) -> Result<(), ReplicaError>;

#[derive(Debug)]
struct Staged {
    from: u64,
    bodies: Vec<Vec<u8>>,
    /// On the last entry, if it came signed; own entries are signed when they are written.
    signature: Option<Signature>,
    /// The hash of the last entry.
    end: EntryHash,
    /// For own entries, the hash before each: what is gone back to when one is taken back.
    before: Vec<EntryHash>,
}

/// The logs and the store they stand in.
#[derive(Debug)]
pub(crate) struct Logs<S> {
    pub store: S,
    held: BTreeMap<LogId, Held>,
    names: Vec<LogId>,
    pub(super) branches: BTreeMap<LogId, Branch>,
    staged: BTreeMap<LogId, Vec<Staged>>,
    entries: u64,
    /// Goes up whenever a head moves.
    moves: u64,
}

/// Bytes of bodies after which a segment is closed: compressed to a third or less, it stays within sled's durable
/// 4 kB (finding 1); longer ones are split by the store.
const SEGMENT_BYTES: usize = 10_000;

impl<S: Store> Logs<S> {
    /// Reads the logs of a store, each from its beginning, and says what is wrong with them.
    pub fn open(store: S) -> Result<(Logs<S>, Damage), ReplicaError> {
        let (found, branches, damage) = soundness::take_stock(&store)?;
        let (held, names, staged) = Default::default();
        let mut logs = Logs { store, held, names, branches, staged, entries: 0, moves: 0 };
        for (index, (log, head)) in found {
            logs.entries += head.number.saturating_sub(logs.base(&log).number);
            logs.held.insert(log, Held { index, head, stored: head.number });
            logs.names.push(log);
        }
        Ok((logs, damage))
    }

    /// Every log by id.
    pub fn held(&self) -> &BTreeMap<LogId, Held> {
        &self.held
    }

    /// How many entries there are in all logs.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// How many logs there are.
    pub fn count(&self) -> usize {
        self.held.len()
    }

    /// How far a log is held; its root if it is not.
    pub fn head(&self, log: &LogId) -> Head {
        self.held.get(log).map_or_else(|| self.base(log), |held| held.head)
    }

    /// The logs of one scope.
    pub fn of_scope(&self, scope: Scope) -> impl Iterator<Item = (&LogId, &Head)> {
        self.held.iter().filter(move |(log, _)| log.scope == scope).map(|(log, held)| (log, &held.head))
    }

    /// The digest of the logs of one scope.
    pub fn scope_digest(&self, scope: Scope) -> Digest {
        digest_of(self.of_scope(scope))
    }

    /// The digest of the logs of the scopes that `reads` allows.
    pub fn digest(&self, reads: impl Fn(Scope) -> bool) -> Digest {
        digest_of(self.held.iter().filter(|(log, _)| reads(log.scope)).map(|(log, held)| (log, &held.head)))
    }

    /// The scopes in which any log is held.
    pub fn scopes(&self) -> Vec<Scope> {
        let mut scopes: Vec<Scope> = self.held.keys().map(|log| log.scope).collect();
        scopes.dedup();
        scopes
    }

    fn index_of(&mut self, log: &LogId) -> u32 {
        if let Some(held) = self.held.get(log) {
            return held.index;
        }
        let index = self.names.len() as u32;
        self.names.push(*log);
        let head = self.base(log);
        self.held.insert(*log, Held { index, head, stored: head.number });
        index
    }

    /// A new log that is in the store already, up to that head.
    pub(super) fn begin_at(&mut self, log: &LogId, head: Head) -> u32 {
        let index = self.index_of(log);
        self.set_head(log, head);
        if let Some(held) = self.held.get_mut(log) {
            held.stored = head.number;
        }
        index
    }

    /// A log ends there now: what came after it stands elsewhere.
    pub(super) fn cut(&mut self, log: &LogId, head: Head) {
        if let Some(held) = self.held.get_mut(log) {
            self.moves += 1;
            self.entries -= held.head.number - head.number;
            held.head = head;
            held.stored = head.number;
        }
    }

    /// Appends an entry to an own log.
    pub fn append(&mut self, log: &LogId, body: &Body) -> (EntryRef, EntryHash) {
        let bytes = body.to_bytes();
        let index = self.index_of(log);
        let head = self.head(log);
        let hash = next_hash(&head, &bytes);
        let number = head.number + 1;
        self.stage_own(log, number, bytes, hash, head.hash);
        self.set_head(log, Head { number, hash });
        (EntryRef { log: index, number }, hash)
    }

    /// Takes back the last entry appended in this step.
    pub fn retract(&mut self, log: &LogId) {
        let Some(runs) = self.staged.get_mut(log) else { return };
        let Some(run) = runs.last_mut() else { return };
        if run.bodies.pop().is_some() {
            let before = run.before.pop().unwrap_or_else(|| root_of(log));
            run.end = before;
            if run.bodies.is_empty() {
                runs.pop();
            }
            let number = self.head(log).number - 1;
            self.entries -= 1;
            self.moves += 1;
            if let Some(held) = self.held.get_mut(log) {
                held.head = Head { number, hash: before };
            }
        }
    }

    /// Appends entries of another's log that were checked against its head, with the signature on the last.
    pub fn extend(&mut self, log: &LogId, entries: &[ChainedEntry], signature: Signature) -> u32 {
        let index = self.index_of(log);
        if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            debug_assert_eq!(first.number, self.head(log).number + 1);
            self.staged.entry(*log).or_default().push(Staged {
                from: first.number,
                bodies: entries.iter().map(|entry| entry.bytes.clone()).collect(),
                signature: Some(signature),
                end: last.hash,
                before: Vec::new(),
            });
            self.set_head(log, Head { number: last.number, hash: last.hash });
        }
        index
    }

    /// Own entries of one step share signatures, as far as one signature may reach.
    fn stage_own(&mut self, log: &LogId, number: u64, bytes: Vec<u8>, hash: EntryHash, before: EntryHash) {
        let staged = self.staged.entry(*log).or_default();
        if let Some(run) = staged.last_mut().filter(|run| run.signature.is_none()) {
            let length: usize = run.bodies.iter().map(Vec::len).sum();
            if run.bodies.len() < SUFFIX_ENTRIES_MAX / 2 && length + bytes.len() <= SUFFIX_BYTES_MAX / 2 {
                run.bodies.push(bytes);
                run.before.push(before);
                run.end = hash;
                return;
            }
        }
        staged.push(Staged { from: number, bodies: vec![bytes], signature: None, end: hash, before: vec![before] });
    }

    /// A number that stays the same as long as every head does.
    pub fn moves(&self) -> u64 {
        self.moves
    }

    fn set_head(&mut self, log: &LogId, head: Head) {
        self.moves += 1;
        if let Some(held) = self.held.get_mut(log) {
            self.entries += head.number - held.head.number;
            held.head = head;
        }
    }

    /// Moves what is staged into a batch; own entries are signed with the key that `key_of` gives for their log.
    /// Answers the suffixes that others may be told of.
    pub fn write(&mut self, batch: &mut Batch, key_of: impl Fn(&LogId) -> Option<SigningKey>) -> Vec<Suffix> {
        let mut fresh = Vec::new();
        for (log, runs) in std::mem::take(&mut self.staged) {
            let Some(held) = self.held.get_mut(&log) else { continue };
            held.stored = held.head.number;
            let Held { index, head, .. } = *held;
            for run in runs {
                let own = run.signature.is_none();
                let signature = run.signature.or_else(|| key_of(&log).map(|key| sign(&run.end, &key)));
                if own && let Some(signature) = signature {
                    fresh.push(Suffix { log, from: run.from, bodies: run.bodies.clone(), signature });
                }
                let mut number = run.from;
                let mut rest = run.bodies;
                while !rest.is_empty() {
                    let take = segment_length(&rest);
                    let after = rest.split_off(take);
                    let bodies = std::mem::replace(&mut rest, after);
                    let signature = signature.filter(|_| rest.is_empty());
                    let key = keys::segment(EntryRef { log: index, number });
                    number += bodies.len() as u64;
                    batch.put(key, Segment { bodies, signature }.to_bytes());
                }
            }
            batch.put(keys::log(index), soundness::write_head(&log, &head));
            if let Some(branch) = self.branches.get(&log) {
                batch.put(keys::branch(index), soundness::write_departure(&branch.departure));
            }
        }
        fresh
    }

    /// The hash of an entry that is held: chained anew from the log's beginning.
    pub fn hash_at(&self, log: &LogId, number: u64) -> Result<Option<EntryHash>, ReplicaError> {
        let Some(held) = self.held.get(log).filter(|held| number <= held.head.number) else { return Ok(None) };
        if number == held.head.number {
            return Ok(Some(held.head.hash));
        }
        let mut head = self.base(log);
        self.each_body(held.index, &mut |_, body| {
            if head.number < number {
                head = Head { number: head.number + 1, hash: next_hash(&head, body) };
            }
            Ok(())
        })?;
        Ok((head.number == number).then_some(head.hash))
    }

    /// How many segments no log reaches: what a copy may hold that was made while the store was written. The next
    /// entries would be written before or over them.
    pub fn strays(&self) -> Result<u64, ReplicaError> {
        let mut strays = 0;
        self.store.scan(&[keys::SEGMENT], &[keys::SEGMENT], &mut |key, _| {
            let log = keys::read_entry(key).and_then(|at| Some((self.names.get(at.log as usize)?, at.number)));
            let reached = log.is_some_and(|(log, first)| self.held.get(log).is_some_and(|held| first <= held.stored));
            strays += u64::from(!reached);
            ControlFlow::Continue(())
        })?;
        Ok(strays)
    }

    /// The next bodies of a log in the store, from that number on: that many, or a segment more.
    pub fn bodies(&self, index: u32, from: u64, count: usize) -> Result<Vec<Vec<u8>>, ReplicaError> {
        let stored = self.names.get(index as usize).and_then(|log| self.held.get(log)).map_or(0, |held| held.stored);
        if from < self.first(index) || from > stored {
            return Ok(Vec::new());
        }
        let (first, _) = self.segment_at(EntryRef { log: index, number: from })?;
        let start = keys::segment(EntryRef { log: index, number: first });
        let mut skipped = from - first;
        let mut bodies = Vec::new();
        let mut damaged = None;
        self.store.scan(&keys::segment_prefix(index), &start, &mut |_, value| {
            match Segment::from_bytes(value) {
                Ok(segment) => {
                    bodies.extend(segment.bodies.into_iter().skip(skipped as usize));
                    skipped = 0;
                }
                Err(error) => damaged = Some(ReplicaError::Damaged(error.to_string())),
            }
            if bodies.len() >= count || damaged.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        damaged.map_or(Ok(bodies), Err)
    }

    /// The number of a log's first entry: a branch goes on from where it departs.
    pub fn first(&self, index: u32) -> u64 {
        self.names.get(index as usize).map_or(1, |log| self.base(log).number + 1)
    }

    /// Reads a log from its beginning, body by body. Ends early, without error, where an entry is missing.
    pub fn each_body(&self, index: u32, visit: VisitOf<'_, [u8]>) -> Result<(), ReplicaError> {
        self.each_segment(index, &mut |first, segment| {
            segment.bodies.iter().zip(first..).try_for_each(|(body, number)| visit(number, body))
        })
    }

    /// Reads a log from its beginning, segment by segment, each with the number of its first entry.
    pub fn each_segment(&self, index: u32, visit: VisitOf<'_, Segment>) -> Result<(), ReplicaError> {
        let prefix = keys::segment_prefix(index);
        let mut result = Ok(());
        let mut next = self.first(index);
        self.store.scan(&prefix, &prefix, &mut |key, value| {
            let first = keys::read_entry(key).map_or(0, |at| at.number);
            let step = match Segment::from_bytes(value) {
                Ok(segment) if first == next => {
                    next += segment.bodies.len() as u64;
                    visit(first, &segment)
                }
                // What follows a gap proves nothing.
                Ok(_) => return ControlFlow::Break(()),
                Err(error) => Err(ReplicaError::Damaged(error.to_string())),
            };
            if step.is_err() {
                result = step;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        result
    }

    fn segment_at(&self, at: EntryRef) -> Result<(u64, Segment), ReplicaError> {
        let missing = || ReplicaError::Damaged(format!("entry {} of log {} is missing", at.number, at.log));
        let prefix = keys::segment_prefix(at.log);
        let (key, value) = self.store.floor(&prefix, &keys::segment(at))?.ok_or_else(missing)?;
        let first = keys::read_entry(&key).ok_or_else(missing)?.number;
        let segment = Segment::from_bytes(&value).map_err(|error| ReplicaError::Damaged(error.to_string()))?;
        if at.number - first < segment.bodies.len() as u64 { Ok((first, segment)) } else { Err(missing()) }
    }

    /// The bytes of an entry's body.
    pub fn body_bytes(&self, at: EntryRef) -> Result<Vec<u8>, ReplicaError> {
        let log = self.names.get(at.log as usize).ok_or_else(|| ReplicaError::damaged("a log has no name"))?;
        for run in self.staged.get(log).into_iter().flatten() {
            if let Some(body) = at.number.checked_sub(run.from).and_then(|index| run.bodies.get(index as usize)) {
                return Ok(body.clone());
            }
        }
        let (first, mut segment) = self.segment_at(at)?;
        Ok(segment.bodies.swap_remove((at.number - first) as usize))
    }

    /// The next piece of a log from that number on, ending at a signed entry at or after `to` or at the limits.
    pub fn suffix(&self, log: &LogId, from: u64, to: u64) -> Result<Option<Suffix>, ReplicaError> {
        let Some(held) = self.held.get(log).filter(|held| from >= self.first(held.index) && from <= held.stored) else {
            return Ok(None);
        };
        let (first, _) = self.segment_at(EntryRef { log: held.index, number: from })?;
        let prefix = keys::segment_prefix(held.index);
        let start = keys::segment(EntryRef { log: held.index, number: first });
        let mut bodies: Vec<Vec<u8>> = Vec::new();
        let mut best: Option<(usize, Signature)> = None;
        let mut bytes = 0;
        let mut number = first;
        let mut damaged = false;
        self.store.scan(&prefix, &start, &mut |_, value| {
            let Ok(segment) = Segment::from_bytes(value) else {
                damaged = true;
                return ControlFlow::Break(());
            };
            for body in segment.bodies {
                if number >= from {
                    bytes += body.len();
                    bodies.push(body);
                }
                number += 1;
            }
            // Within the limits of one signature's reach the first signed place must be taken, however far.
            let within = bodies.len() <= SUFFIX_ENTRIES_MAX && bytes <= SUFFIX_BYTES_MAX;
            if let Some(signature) = segment.signature
                && !bodies.is_empty()
                && (within || best.is_none())
            {
                best = Some((bodies.len(), signature));
            }
            if best.is_some() && (number > to || !within) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        let (count, signature) = best
            .filter(|_| !damaged)
            .ok_or_else(|| ReplicaError::Damaged(format!("no signed entry from {from} on in log {}", held.index)))?;
        bodies.truncate(count);
        Ok(Some(Suffix { log: *log, from, bodies, signature }))
    }
}

impl<S: Store> Entries for Logs<S> {
    fn log(&self, log: u32) -> Option<LogId> {
        self.names.get(log as usize).copied()
    }

    fn body(&self, at: EntryRef) -> Result<Result<Body, BodyError>, ReplicaError> {
        Ok(Body::from_bytes(&self.body_bytes(at)?))
    }

    fn index(&self, log: &LogId) -> Option<u32> {
        self.held.get(log).map(|held| held.index)
    }

    fn written(&self, log: &LogId) -> LogId {
        self.written(log)
    }

    fn first(&self, log: u32) -> u64 {
        self.first(log)
    }

    fn entry(&self, at: EntryRef) -> Result<Option<Result<Body, BodyError>>, ReplicaError> {
        let held = self.log(at.log).map_or(0, |log| self.head(&log).number);
        if at.number > held || at.number < self.first(at.log) { Ok(None) } else { self.body(at).map(Some) }
    }

    fn positions(&self, document: &DocumentId) -> Result<Vec<EntryRef>, ReplicaError> {
        let (key, unreadable) = match document {
            DocumentId::Credit { id, .. } => (keys::credit(id), "a credit's record is unreadable"),
            other => (keys::document(other), "a document's record is unreadable"),
        };
        let Some(bytes) = self.store.get(&key)? else { return Ok(Vec::new()) };
        // A credit's record begins with its positions, so that both kinds are read alike.
        let (positions, _) = postcard::take_from_bytes(&bytes).map_err(|_| ReplicaError::damaged(unreadable))?;
        Ok(positions)
    }
}

fn segment_length(bodies: &[Vec<u8>]) -> usize {
    let mut bytes = 0;
    let fits = bodies.iter().take(SEGMENT_ENTRIES).take_while(|body| {
        bytes += body.len();
        bytes <= SEGMENT_BYTES
    });
    fits.count().max(1)
}
