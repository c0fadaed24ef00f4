//! What a document has seen: its changes in an order in which causes come first, and what stands under each key.
//!
//! This is enough to write the next change and to judge a foreign one, without opening the document in
//! Automerge. A verdict depends on the change and its causal past alone, never on what else has arrived.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::document::change::{self, Actor, ChangeHash, Frame, ParsedChange};
use crate::document::{layout, reader};
use crate::model::{DocumentId, History, Operation, Origin, PaymentMade, Register, Stamped};
use crate::planted::{self, Bug};

/// Why a well-formed change is kept without effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Its first operation is not one more than the greatest of what it has seen (finding 5).
    #[error("its operations are not numbered after what it has seen")]
    StartOp,
    /// It is not the next of its actor in this document (finding 6).
    #[error("it is not the next of its actor")]
    Sequence,
    /// It replaces other values than those that its writer had seen.
    #[error("it replaces other values than it had seen")]
    Replaces,
    /// It sets a key that is written once, and had seen it set.
    #[error("it writes again what is written once")]
    WrittenOnce,
    /// Its items are no operation of this document.
    #[error("it does nothing that may be done to this document")]
    NoOperation,
    /// A credit that begins without its grant, or is granted in the middle.
    #[error("the grant must come first, once")]
    Grant,
    /// It speaks of a payment or movement that its writer had not seen.
    #[error("it speaks of what it had not seen")]
    Unseen,
    /// A payment in another currency than its credit's.
    #[error("it is in another currency than its credit")]
    Currency,
}

/// Where a change belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It fits: this is what it does.
    Fits(Box<Operation>),
    /// It waits: these changes, which it has seen, are not here yet.
    Waits(Vec<ChangeHash>),
    /// It is wrong, whatever may still arrive.
    Wrong(Fault),
}

#[derive(Clone, Debug)]
struct Applied {
    dependencies: Vec<u32>,
    actor: Actor,
    sequence: u64,
    max_op: u64,
    hash: ChangeHash,
}

#[derive(Clone, Debug)]
struct Slot {
    change: u32,
    counter: u64,
    replaced_by: Vec<u32>,
}

/// A document as its changes made it.
#[derive(Clone, Debug)]
pub struct DocumentState {
    id: DocumentId,
    changes: Vec<Applied>,
    by_hash: BTreeMap<ChangeHash, u32>,
    heads: Vec<u32>,
    keys: BTreeMap<String, Vec<Slot>>,
    operations: Vec<Stamped>,
}

/// The changes that a change had seen, itself excluded. `None` stands for all that are here.
struct Past(Option<Vec<bool>>);

impl Past {
    fn contains(&self, change: u32) -> bool {
        self.0.as_ref().is_none_or(|seen| seen[change as usize])
    }
}

/// Of the documents that are held most have one to three changes, and a vector would take room for four at once.
fn push_tight<T>(list: &mut Vec<T>, item: T) {
    if list.len() < 4 {
        list.reserve_exact(1);
    }
    list.push(item);
}

impl DocumentState {
    /// A document to which nothing has been done.
    pub fn new(id: DocumentId) -> DocumentState {
        DocumentState {
            id,
            changes: Vec::new(),
            by_hash: BTreeMap::new(),
            heads: Vec::new(),
            keys: BTreeMap::new(),
            operations: Vec::new(),
        }
    }

    /// Which document.
    pub fn id(&self) -> &DocumentId {
        &self.id
    }

    /// Whether nothing has been done to it.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many changes it has seen.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether that change is here.
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.by_hash.contains_key(hash)
    }

    /// What was done, in the order in which it was applied here.
    pub fn operations(&self) -> &[Stamped] {
        &self.operations
    }

    /// Writes the change with which this operation is done next, having seen all that is here.
    pub fn write(&self, operation: &Operation, actor: Actor, time: crate::model::Timestamp) -> Vec<u8> {
        let items = layout::items(operation);
        let past = Past(None);
        let replaces: Vec<_> = items.iter().map(|item| self.visible_ids(&item.key, &past)).collect();
        let last = self.changes.iter().filter(|applied| applied.actor == actor).map(|applied| applied.sequence).max();
        let greatest = self.heads.iter().map(|head| self.changes[*head as usize].max_op).max();
        let mut dependencies: Vec<_> = self.heads.iter().map(|head| self.changes[*head as usize].hash).collect();
        dependencies.sort_unstable();
        let frame =
            Frame { dependencies, actor, sequence: last.unwrap_or(0) + 1, start_op: greatest.unwrap_or(0) + 1, time };
        change::encode(&frame, &items, &replaces)
    }

    /// Judges a change. `Wrong` is final; `Waits` is asked again when what is missing has come.
    pub fn place(&self, parsed: &ParsedChange) -> Placement {
        let missing: Vec<_> = parsed.dependencies.iter().filter(|hash| !self.contains(hash)).copied().collect();
        if !missing.is_empty() {
            return Placement::Waits(missing);
        }
        match self.judge(parsed) {
            Ok(operation) => Placement::Fits(Box::new(operation)),
            Err(fault) => Placement::Wrong(fault),
        }
    }

    fn judge(&self, parsed: &ParsedChange) -> Result<Operation, Fault> {
        let direct: Vec<u32> = parsed.dependencies.iter().filter_map(|hash| self.by_hash.get(hash)).copied().collect();
        let past = self.past(&direct);
        let greatest = direct.iter().map(|change| self.changes[*change as usize].max_op).max().unwrap_or(0);
        if parsed.start_op != greatest + 1 && !planted::is(Bug::ForgedShapeAccepted) {
            return Err(Fault::StartOp);
        }
        let own = self.changes.iter().zip(0..).filter(|(applied, _)| applied.actor == parsed.actor);
        let seen = own.filter(|(_, index)| past.contains(*index)).map(|(applied, _)| applied.sequence).max();
        if parsed.sequence != seen.unwrap_or(0) + 1 || !self.is_next_of_actor(parsed) {
            return Err(Fault::Sequence);
        }
        let operation = reader::operation(&self.id, &parsed.items).ok_or(Fault::NoOperation)?;
        for (item, replaced) in parsed.items.iter().zip(&parsed.replaces) {
            let visible = self.visible_ids(&item.key, &past);
            if layout::register(&self.id, &item.key).is_none() && !visible.is_empty() {
                return Err(Fault::WrittenOnce);
            }
            if *replaced != visible {
                return Err(Fault::Replaces);
            }
        }
        self.check_sense(&operation, &past)?;
        Ok(operation)
    }

    /// One actor writes one log, and a log is received in order: so the numbers of an actor that are here are
    /// always the first ones, and a second use of a number is seen whatever the order between logs.
    fn is_next_of_actor(&self, parsed: &ParsedChange) -> bool {
        let here = self.changes.iter().filter(|applied| applied.actor == parsed.actor).count() as u64;
        parsed.sequence == here + 1
    }

    fn check_sense(&self, operation: &Operation, past: &Past) -> Result<(), Fault> {
        let is_grant = matches!(operation, Operation::Grant(_));
        if let DocumentId::Credit { .. } = self.id {
            let granted = self.operations.iter().zip(0..).find_map(|(stamped, index)| match &stamped.operation {
                Operation::Grant(grant) if past.contains(index) => Some(grant),
                _ => None,
            });
            match (granted, operation) {
                (None, Operation::Grant(_)) => {}
                (Some(grant), Operation::Pay(PaymentMade { amount, .. }) | Operation::GiveBack { amount, .. })
                    if amount.currency() != grant.amount.currency() =>
                {
                    return Err(Fault::Currency);
                }
                (Some(_), _) if !is_grant => {}
                _ => return Err(Fault::Grant),
            }
        }
        let needed = match operation {
            Operation::ReversePayment { payment, .. } | Operation::GiveBack { payment, .. } => {
                format!("payment/{payment}")
            }
            Operation::ValidateCapture { movement, .. }
            | Operation::Reimburse { movement, .. }
            | Operation::ReverseMovement { movement, .. }
            | Operation::TakeGift { movement, .. }
            | Operation::BearGift { movement, .. } => format!("movement/{movement}"),
            Operation::Return { .. } | Operation::Reinstate { .. } => {
                // What is given back or reinstated must have been called off, as far as who gives it back had seen.
                let cancelled = self.operations.iter().zip(0..).any(|(stamped, index)| {
                    matches!(stamped.operation, Operation::Cancel { .. }) && past.contains(index)
                });
                return if cancelled { Ok(()) } else { Err(Fault::Unseen) };
            }
            _ => return Ok(()),
        };
        if self.visible(&needed, past).next().is_some() { Ok(()) } else { Err(Fault::Unseen) }
    }

    /// Adds a change that [`DocumentState::place`] found to fit.
    pub fn apply(&mut self, parsed: &ParsedChange, operation: Operation, origin: Origin) {
        let index = self.changes.len() as u32;
        let dependencies: Vec<u32> =
            parsed.dependencies.iter().filter_map(|hash| self.by_hash.get(hash)).copied().collect();
        self.heads.retain(|head| !dependencies.contains(head));
        push_tight(&mut self.heads, index);
        let mut counter = parsed.start_op;
        for (item, replaced) in parsed.items.iter().zip(&parsed.replaces) {
            let changes = &self.changes;
            let slots = self.keys.entry(item.key.clone().into_owned()).or_default();
            for slot in slots.iter_mut() {
                if replaced.contains(&(slot.counter, changes[slot.change as usize].actor)) {
                    slot.replaced_by.push(index);
                }
            }
            push_tight(slots, Slot { change: index, counter, replaced_by: Vec::new() });
            counter += 1;
            if let layout::Content::Map(fields) = &item.content {
                counter += fields.len() as u64;
            }
        }
        self.by_hash.insert(parsed.hash, index);
        let applied = Applied {
            dependencies,
            actor: parsed.actor,
            sequence: parsed.sequence,
            max_op: parsed.max_op,
            hash: parsed.hash,
        };
        push_tight(&mut self.changes, applied);
        push_tight(&mut self.operations, Stamped { operation, origin });
    }

    /// What was done, and which values nothing has replaced: what `ledger` and `membership` fold. A value for which
    /// `counts` says no stands nowhere, and neither replaces another by itself; what came after it does.
    pub fn history(&self, counts: impl Fn(&Stamped) -> bool) -> History<'_> {
        let mut visible: BTreeMap<Register, Vec<usize>> = BTreeMap::new();
        let counts = |change: u32| counts(&self.operations[change as usize]);
        for (key, slots) in &self.keys {
            if let Some(Some(register)) = layout::register(&self.id, key) {
                let standing = slots.iter().filter(|slot| counts(slot.change) && !superseded(slots, slot, &counts));
                visible.insert(register, standing.map(|slot| slot.change as usize).collect());
            }
        }
        History { operations: &self.operations, visible, seen: self.seen() }
    }

    /// For each change of a credit, which others its writer had seen; empty if each had seen all before it, as in most.
    fn seen(&self) -> Vec<Vec<bool>> {
        if !matches!(self.id, DocumentId::Credit { .. }) {
            return Vec::new();
        }
        let is_chain = self.changes.iter().zip(0_u32..).all(|(change, index)| match index.checked_sub(1) {
            Some(before) => change.dependencies == [before],
            None => change.dependencies.is_empty(),
        });
        if is_chain {
            return Vec::new();
        }
        let mut all: Vec<Vec<bool>> = Vec::with_capacity(self.changes.len());
        for change in &self.changes {
            let mut seen = vec![false; self.changes.len()];
            for dependency in &change.dependencies {
                let dependency = *dependency as usize;
                seen[dependency] = true;
                for (mark, theirs) in seen.iter_mut().zip(&all[dependency]) {
                    *mark |= theirs;
                }
            }
            all.push(seen);
        }
        all
    }

    fn past(&self, direct: &[u32]) -> Past {
        let mut heads = self.heads.clone();
        let mut named = direct.to_vec();
        heads.sort_unstable();
        named.sort_unstable();
        if heads == named {
            return Past(None);
        }
        let mut seen = vec![false; self.changes.len()];
        let mut open = named;
        while let Some(change) = open.pop() {
            if !std::mem::replace(&mut seen[change as usize], true) {
                open.extend(&self.changes[change as usize].dependencies);
            }
        }
        Past(Some(seen))
    }

    fn visible<'a>(&'a self, key: &str, past: &'a Past) -> impl Iterator<Item = &'a Slot> {
        let slots = self.keys.get(key).map(Vec::as_slice).unwrap_or_default();
        slots.iter().filter(|slot| {
            past.contains(slot.change) && !slot.replaced_by.iter().any(|replacer| past.contains(*replacer))
        })
    }

    fn visible_ids(&self, key: &str, past: &Past) -> Vec<(u64, Actor)> {
        let visible = self.visible(key, past);
        let mut ids: Vec<_> = visible.map(|slot| (slot.counter, self.changes[slot.change as usize].actor)).collect();
        // Automerge's own order of operation ids: by number, then actor.
        ids.sort_unstable();
        ids
    }
}

/// Whether a value was replaced by one that counts, or by one that does not and was itself replaced by one that does.
fn superseded(slots: &[Slot], slot: &Slot, counts: &impl Fn(u32) -> bool) -> bool {
    slot.replaced_by.iter().any(|replacer| {
        let after = || slots.iter().find(|other| other.change == *replacer);
        counts(*replacer) || after().is_some_and(|other| superseded(slots, other, counts))
    })
}
