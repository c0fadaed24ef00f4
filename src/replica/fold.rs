//! Entries in, what stands out: the part of a replica that is derived and can be rebuilt from its logs.
//!
//! ```text
//! entry ──right?──shape?──place in its document?──> effect on registry and book
//!   │        │       │            └─ causes missing: waits
//!   └────────┴───────┴─ wrong: set aside (kept, forwarded, in the digest, without effect)
//! ```
//!
//! The verdict depends on the entry, its causal past and the certificates held, never on the order of arrival or
//! a clock: so every replica that holds the same entries says the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::document::{Actor, ChangeHash, DocumentState, ParsedChange, Placement, parse};
use crate::ledger::{Book, Shop, Stretch, fold_credit, fold_movement};
use crate::log::{Body, BodyError, LogId};
use crate::membership::Registry;
use crate::model::{
    DeviceKey, DocumentId, EXPLAINED_MS, Holder, MovementId, Operation, Origin, Register, Scope, Seen, ShopId, Sim,
    Stamped,
};
use crate::planted::{self, Bug};
use crate::replica::ReplicaError;
use crate::replica::operations::{SetAside, counts, is_bound, is_reported, movement_of, read_change};
use crate::replica::sightings::Deeds;

/// An entry by its place: the log's number in this store, and the entry's in its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct EntryRef {
    pub log: u32,
    pub number: u64,
}

/// Where entries that were taken before are read from.
pub(crate) trait Entries {
    /// The log of that number.
    fn log(&self, log: u32) -> Option<LogId>;
    /// What an entry says.
    fn body(&self, at: EntryRef) -> Result<Result<Body, BodyError>, ReplicaError>;
    /// The number of a log in this store, if it is held.
    fn index(&self, log: &LogId) -> Option<u32>;
    /// The log as its device wrote it: of a branch of a forked log, that log.
    fn written(&self, log: &LogId) -> LogId;
    /// The number of the first entry of a log: above 1 for a branch.
    fn first(&self, log: u32) -> u64;
    /// What an entry says, if it is held.
    fn entry(&self, at: EntryRef) -> Result<Option<Result<Body, BodyError>>, ReplicaError>;
    /// The entries that made a document, in the order in which they were applied here.
    fn positions(&self, document: &DocumentId) -> Result<Vec<EntryRef>, ReplicaError>;
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Applied,
    Waits(ChangeHash),
    SetAside(SetAside),
}

/// What a fold changed since it was last asked: what is to be written to the store.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub documents: BTreeSet<DocumentId>,
    pub movements: BTreeSet<MovementId>,
    pub verdicts: BTreeSet<EntryRef>,
}

#[derive(Debug)]
struct OpenDocument {
    state: DocumentState,
    positions: Vec<EntryRef>,
    used: u64,
}

/// Most documents kept open, beside those just touched. A credit's takes about 4 kB.
const OPEN_DOCUMENTS: usize = 4_096;

/// What the entries made.
#[derive(Debug)]
pub(crate) struct Fold {
    pub registry: Registry,
    pub book: Book,
    open: BTreeMap<DocumentId, OpenDocument>,
    clock: u64,
    capacity: usize,
    waiting: BTreeMap<ChangeHash, BTreeSet<EntryRef>>,
    waits_for: BTreeMap<EntryRef, ChangeHash>,
    set_aside: BTreeMap<EntryRef, SetAside>,
    /// How many entries of each log wait or are set aside.
    without_effect: BTreeMap<u32, u64>,
    /// For each actor and log (two branches of one log may use one actor), the numbers that its changes without effect
    /// claim in a document, and the first entry that claims each. An actor's number is its first claimant's, whatever becomes of that entry: else a second use
    /// of it (finding 6) would count where the first still waits, and not where it no longer does.
    claims: BTreeMap<(Actor, u32), BTreeMap<(DocumentId, u64), u64>>,
    /// Shops in which something changed since somebody last looked.
    pub stirred: BTreeSet<ShopId>,
    /// Shops in which a closing came since the last [`Fold::finish`], and the ends that were folded by.
    closed: BTreeSet<ShopId>,
    ends: BTreeMap<ShopId, BTreeMap<Holder, u64>>,
    /// Entries whose stamps came to be worth something else since then.
    pub rejudged: BTreeSet<Stretch>,
    /// Which entries are more than records of what was seen.
    pub deeds: Deeds,
    pub touched: Touched,
}

impl Fold {
    pub fn new(authority: DeviceKey) -> Fold {
        Fold::with_capacity(authority, OPEN_DOCUMENTS)
    }

    /// A fold that keeps that many documents open.
    pub fn with_capacity(authority: DeviceKey, capacity: usize) -> Fold {
        Fold {
            registry: Registry::new(authority),
            book: Book::default(),
            open: BTreeMap::new(),
            clock: 0,
            capacity,
            waiting: BTreeMap::new(),
            waits_for: BTreeMap::new(),
            set_aside: BTreeMap::new(),
            without_effect: BTreeMap::new(),
            claims: BTreeMap::new(),
            stirred: BTreeSet::new(),
            closed: BTreeSet::new(),
            ends: BTreeMap::new(),
            rejudged: BTreeSet::new(),
            deeds: Deeds::default(),
            touched: Touched::default(),
        }
    }

    /// Entries kept without effect.
    pub fn set_aside(&self) -> &BTreeMap<EntryRef, SetAside> {
        &self.set_aside
    }

    /// How many entries of each log wait or are set aside.
    pub fn without_effect(&self) -> &BTreeMap<u32, u64> {
        &self.without_effect
    }

    /// How many entries wait or are set aside.
    pub fn without_effect_count(&self) -> u64 {
        (self.waits_for.len() + self.set_aside.len()) as u64
    }

    /// Entries that wait for what they rest on.
    pub fn waiting_count(&self) -> usize {
        self.waits_for.len()
    }

    /// Whether that entry waits.
    pub fn is_waiting(&self, at: &EntryRef) -> bool {
        self.waits_for.contains_key(at)
    }

    /// Whether an entry of that log up to that number waits.
    pub fn is_any_waiting(&self, log: u32, end: u64) -> bool {
        let (first, last) = (EntryRef { log, number: 0 }, EntryRef { log, number: end });
        self.waits_for.range(first..=last).next().is_some()
    }

    /// Forgets the verdict on an entry that is taken back before it was written, and what it claimed.
    pub fn forget(&mut self, at: &EntryRef, actor: &Actor) {
        self.record(*at, Fate::Applied);
        self.touched.verdicts.remove(at);
        if let Some(claims) = self.claims.get_mut(&(*actor, at.log)) {
            claims.retain(|_, first| *first != at.number);
        }
    }

    /// Remembers a verdict found in the store, and what the entry claims.
    pub fn recall_set_aside(&mut self, at: EntryRef, reason: SetAside, log: &LogId, body: &Result<Body, BodyError>) {
        self.set_aside.insert(at, reason);
        *self.without_effect.entry(at.log).or_default() += 1;
        if let Ok(body) = body
            && let Ok(change) = read_change(log, body)
        {
            self.claim(at, &body.document, &change);
        }
    }

    fn claim(&mut self, at: EntryRef, document: &DocumentId, change: &ParsedChange) {
        let claims = self.claims.entry((change.actor, at.log)).or_default();
        let first = claims.entry((document.clone(), change.sequence)).or_insert(at.number);
        *first = at.number.min(*first);
    }

    /// Whether an earlier entry of the same log claims the same number of the same actor. An actor writes one log.
    fn is_claimed(&self, at: EntryRef, document: &DocumentId, change: &ParsedChange) -> bool {
        let claims = self.claims.get(&(change.actor, at.log));
        let first = claims.and_then(|claims| claims.get(&(document.clone(), change.sequence)));
        first.is_some_and(|first| *first < at.number)
    }

    /// Takes an entry of a log, and whatever waited for it.
    pub fn take(
        &mut self,
        entries: &impl Entries,
        at: EntryRef,
        log: &LogId,
        body: &Result<Body, BodyError>,
    ) -> Result<(), ReplicaError> {
        let mut woken = BTreeSet::new();
        self.take_one(entries, at, log, body, &mut woken)?;
        // In the order of each log: of two entries that wake together the earlier is judged first.
        while let Some(at) = woken.pop_first() {
            let log = entries.log(at.log).ok_or(ReplicaError::damaged("a log has no name"))?;
            self.take_one(entries, at, &log, &entries.body(at)?, &mut woken)?;
        }
        Ok(())
    }

    fn take_one(
        &mut self,
        entries: &impl Entries,
        at: EntryRef,
        log: &LogId,
        body: &Result<Body, BodyError>,
        woken: &mut BTreeSet<EntryRef>,
    ) -> Result<(), ReplicaError> {
        let admitted = self.registry.admitted();
        let fate = self.judge(entries, at, log, body, woken)?;
        self.record(at, fate);
        if self.registry.admitted() > admitted {
            // A certificate came that was not known: what lacked a right may have it now.
            let again = [SetAside::Right, SetAside::Registry];
            woken.extend(self.set_aside.iter().filter(|(_, why)| again.contains(why)).map(|(at, _)| *at));
        }
        Ok(())
    }

    fn record(&mut self, at: EntryRef, fate: Fate) {
        let had_none = self.waits_for.contains_key(&at) || self.set_aside.contains_key(&at);
        let has_none = fate != Fate::Applied;
        if had_none != has_none {
            let count = self.without_effect.entry(at.log).or_default();
            *count = if has_none { *count + 1 } else { count.saturating_sub(1) };
        }
        if let Some(hash) = self.waits_for.remove(&at) {
            self.touched.verdicts.insert(at);
            if let Some(others) = self.waiting.get_mut(&hash) {
                others.remove(&at);
            }
        }
        if self.set_aside.remove(&at).is_some() {
            self.touched.verdicts.insert(at);
        }
        match fate {
            Fate::Applied => {}
            Fate::Waits(_) if planted::is(Bug::WaitingForgotten) => {}
            Fate::Waits(hash) => {
                self.waiting.entry(hash).or_default().insert(at);
                self.waits_for.insert(at, hash);
                self.touched.verdicts.insert(at);
            }
            Fate::SetAside(reason) => {
                self.set_aside.insert(at, reason);
                self.touched.verdicts.insert(at);
            }
        }
    }

    fn judge(
        &mut self,
        entries: &impl Entries,
        at: EntryRef,
        log: &LogId,
        body: &Result<Body, BodyError>,
        woken: &mut BTreeSet<EntryRef>,
    ) -> Result<Fate, ReplicaError> {
        let set_aside = |reason| Ok(Fate::SetAside(reason));
        let Ok(body) = body else { return set_aside(SetAside::Body) };
        if body.document.scope() != log.scope {
            return set_aside(SetAside::Scope);
        }
        if !self.registry.may_write(&log.device, log.scope) {
            return set_aside(SetAside::Right);
        }
        let written = entries.written(log);
        if written != *log && log.scope == Scope::Registry && log.device == self.registry.authority() {
            return set_aside(SetAside::Branch);
        }
        let change = match read_change(&written, body) {
            Ok(change) => change,
            Err(reason) => return set_aside(reason),
        };
        if self.is_claimed(at, &body.document, &change) {
            return set_aside(SetAside::Place);
        }
        let fate = self.judge_change(entries, at, log, body, &change)?;
        match fate {
            Fate::Applied => woken.extend(self.waiting.remove(&change.hash).unwrap_or_default()),
            Fate::Waits(_) | Fate::SetAside(_) => self.claim(at, &body.document, &change),
        }
        Ok(fate)
    }

    fn judge_change(
        &mut self,
        entries: &impl Entries,
        at: EntryRef,
        log: &LogId,
        body: &Body,
        change: &ParsedChange,
    ) -> Result<Fate, ReplicaError> {
        let set_aside = |reason| Ok(Fate::SetAside(reason));
        self.open(entries, &body.document)?;
        let Some(document) = self.open.get_mut(&body.document) else {
            return Err(ReplicaError::damaged("a document did not open"));
        };
        let operation = match document.state.place(change) {
            Placement::Waits(missing) => {
                return Ok(missing.first().map_or(Fate::SetAside(SetAside::Place), |hash| Fate::Waits(*hash)));
            }
            Placement::Wrong(_) => return set_aside(SetAside::Place),
            Placement::Fits(operation) => *operation,
        };
        if operation.check_fields().is_err() {
            return set_aside(SetAside::Field);
        }
        if let (true, Scope::Shop(shop)) = (is_reported(&operation), log.scope)
            && !self.registry.may_report(&log.device, shop)
        {
            return set_aside(SetAside::Right);
        }
        if !is_bound(&operation, &entries.written(log), at.number, body) {
            return set_aside(SetAside::Id);
        }
        let origin = Origin {
            stamp: body.stamp,
            device: log.device,
            incarnation: log.incarnation,
            number: at.number,
            wall: body.wall,
        };
        if log.scope == Scope::Registry && self.registry.apply(&operation, origin).is_err() {
            return set_aside(SetAside::Registry);
        }
        self.apply(at, &body.document, change, operation, origin);
        Ok(Fate::Applied)
    }

    fn apply(&mut self, at: EntryRef, id: &DocumentId, change: &ParsedChange, operation: Operation, origin: Origin) {
        let Some(document) = self.open.get_mut(id) else { return };
        document.state.apply(change, operation.clone(), origin);
        document.positions.push(at);
        if let Scope::Shop(shop) = id.scope() {
            self.stirred.insert(shop);
        }
        self.touched.documents.insert(id.clone());
        self.deeds.note(at, &operation);
        self.settle(id, &operation, origin);
    }

    /// Brings registry's and book's view of one document up to date with an operation just applied to it.
    fn settle(&mut self, id: &DocumentId, operation: &Operation, origin: Origin) {
        let Some(document) = self.open.get(id) else { return };
        match (id, operation) {
            (DocumentId::Credit { shop, id }, _) => {
                let closings = self.book.closings();
                let mut history = document.state.history(|stamped| counts(closings, *shop, stamped));
                let judged = self.book.clocks().all_judged(*shop, history.operations, |_| true);
                history.operations = &judged;
                if let Some(credit) = fold_credit(*id, *shop, &history, |stamped| counts(closings, *shop, stamped)) {
                    self.book.put_credit(credit);
                }
            }
            (DocumentId::SimMonth { shop, sim, .. }, operation) => {
                let closings = self.book.closings();
                let Some(movement) = movement_of(operation) else { return };
                let is_its = |operation: &Operation| movement_of(operation) == Some(movement);
                let judged = self.book.clocks().all_judged(*shop, document.state.operations(), is_its);
                let counts = |stamped: &Stamped| counts(closings, *shop, stamped);
                if let Some(record) = fold_movement(movement, *shop, sim, &judged, counts) {
                    self.touched.movements.insert(movement);
                    self.book.put_movement(record);
                }
            }
            (DocumentId::Shop(shop), Operation::Sight { seen, .. }) => {
                let earliest = self.registry.earliest_of(&origin.device);
                let is_witness = earliest.is_none_or(|earliest| origin.wall.plus_ms(EXPLAINED_MS) >= earliest);
                self.rejudged.extend(self.book.sight(*shop, origin.place(), seen, is_witness));
            }
            (DocumentId::Shop(shop), Operation::CorrectClock { correction, .. }) => {
                let of = origin.holder();
                let said = document.state.operations().iter().flat_map(|stamped| {
                    let by = stamped.origin.holder();
                    let seen: &[Seen] = match &stamped.operation {
                        Operation::Sight { seen, .. } => seen,
                        _ => &[],
                    };
                    seen.iter().filter(move |one| one.of == of).map(move |one| (by, one.number))
                });
                self.rejudged.extend(self.book.correct_clock(*shop, origin.place(), *correction, said));
            }
            (DocumentId::Shop(shop), Operation::TakeOver { of, end, .. }) => {
                self.book.take_over(*shop, origin.place(), *of, *end);
            }
            (DocumentId::Shop(shop), Operation::Resolve(resolution)) => {
                self.book.resolve(*shop, resolution.clone(), origin);
            }
            (DocumentId::Shop(shop), _) => {
                let history = document.state.history(|_| true);
                let towns = history.visible.get(&Register::Town).into_iter().flatten();
                let newest =
                    towns.filter_map(|index| history.operations.get(*index)).max_by_key(|stamped| stamped.origin);
                if let Some(Operation::DescribeShop { town }) = newest.map(|stamped| &stamped.operation) {
                    self.book.set_town(*shop, town.clone());
                }
            }
            (DocumentId::Registry, Operation::AddShop { shop, name }) => {
                self.book.put_shop(Shop { id: *shop, name: name.clone(), town: None, origin });
                // The shop's own document may have come first.
                self.settle_shop(*shop);
            }
            (DocumentId::Registry, Operation::AddSim { sim, operator, shop }) => {
                let sim = Sim { number: sim.clone(), operator: *operator, shop: *shop, active: true, origin };
                self.book.put_sim(sim);
            }
            (DocumentId::Registry, Operation::MoveSim { sim, from, to }) => {
                self.book.move_sim(sim, *from, *to, origin);
            }
            (DocumentId::Registry, Operation::NameKeeper { shop, device }) => {
                self.book.name_keeper(*shop, *device, origin);
                self.closed.insert(*shop);
            }
            (DocumentId::Registry, Operation::Stop { shop, of, successor }) => {
                let by_authority = origin.device == self.registry.authority();
                self.book.stop(*shop, *of, *successor, origin, by_authority);
                self.stirred.insert(*shop);
            }
            (DocumentId::Registry, Operation::Close(closing)) => {
                let by_authority = origin.device == self.registry.authority();
                self.book.close(*closing, origin, by_authority);
                self.stirred.insert(closing.shop);
                self.closed.insert(closing.shop);
            }
            (DocumentId::Registry, _) => {}
        }
    }

    /// Which logs are branches of which. What departs beyond a closing stands beyond it.
    pub fn know_branches(&mut self, branches: Vec<(ShopId, Holder, Holder, u64)>) {
        self.closed.extend(self.book.know_branches(branches));
    }

    fn settle_shop(&mut self, shop: ShopId) {
        let id = DocumentId::Shop(shop);
        let described = self.open.get(&id).and_then(|document| {
            let described = |stamped: &&Stamped| matches!(stamped.operation, Operation::DescribeShop { .. });
            document.state.operations().iter().rfind(described).cloned()
        });
        if let Some(stamped) = described {
            self.settle(&id, &stamped.operation, stamped.origin);
        }
    }

    /// Ends a step: settles shares, and folds anew what entries beyond a closing that came or moved had made.
    pub fn finish(&mut self, entries: &impl Entries) -> Result<(), ReplicaError> {
        for shop in std::mem::take(&mut self.closed) {
            let ends: BTreeMap<Holder, u64> =
                self.book.closings().ends(shop).map(|closing| (closing.of, closing.end)).collect();
            let mut before = self.ends.insert(shop, ends.clone()).unwrap_or_default();
            for (of, end) in ends {
                let moved = before.remove(&of);
                if moved != Some(end) {
                    let log = LogId { scope: Scope::Shop(shop), device: of.device, incarnation: of.incarnation };
                    let after = moved.map_or(end, |moved| moved.min(end));
                    self.fold_again(entries, &log, after.saturating_add(1)..=u64::MAX)?;
                }
            }
            // A closing that no longer counts: its keeper's own log was closed before it.
            for (of, end) in before {
                let log = LogId { scope: Scope::Shop(shop), device: of.device, incarnation: of.incarnation };
                self.fold_again(entries, &log, end.saturating_add(1)..=u64::MAX)?;
            }
        }
        for (shop, of, from, to) in std::mem::take(&mut self.rejudged) {
            let log = LogId { scope: Scope::Shop(shop), device: of.device, incarnation: of.incarnation };
            self.fold_again(entries, &log, from..=to)?;
        }
        self.book.settle();
        Ok(())
    }

    /// Folds anew the documents that these entries of a log changed, as far as they are held.
    fn fold_again(
        &mut self,
        entries: &impl Entries,
        log: &LogId,
        numbers: RangeInclusive<u64>,
    ) -> Result<(), ReplicaError> {
        let Some(index) = entries.index(log) else { return Ok(()) };
        let mut touched = BTreeMap::new();
        for number in (*numbers.start()).max(entries.first(index))..=*numbers.end() {
            let Some(body) = entries.entry(EntryRef { log: index, number })? else { break };
            let at = EntryRef { log: index, number };
            // One without effect may name any document, another shop's credit too.
            let has_effect = !self.set_aside.contains_key(&at) && !self.waits_for.contains_key(&at);
            if let Ok(body) = body
                && has_effect
            {
                touched.insert(body.document, ());
            }
        }
        for id in touched.into_keys() {
            self.open(entries, &id)?;
            let operations =
                self.open.get(&id).map(|document| document.state.operations().to_vec()).unwrap_or_default();
            let mut seen = BTreeSet::new();
            for stamped in operations {
                // One operation of a credit brings the whole of it up to date, one of a movement that movement.
                if seen.insert(movement_of(&stamped.operation)) && matches!(id.scope(), Scope::Shop(_)) {
                    self.touched.documents.insert(id.clone());
                    self.settle(&id, &stamped.operation, stamped.origin);
                }
            }
        }
        Ok(())
    }

    /// Replays a document's entries without asking again whether they were right: for the registry and the
    /// shops' own documents at boot.
    pub fn reopen(&mut self, entries: &impl Entries, id: &DocumentId) -> Result<(), ReplicaError> {
        self.open(entries, id)?;
        let operations = self.open.get(id).map(|document| document.state.operations().to_vec()).unwrap_or_default();
        for (stamped, at) in operations.iter().zip(self.positions(id).unwrap_or_default().to_vec()) {
            self.deeds.note(at, &stamped.operation);
            if *id == DocumentId::Registry {
                // Applied once, so it is right; what it rested on was applied before it.
                let _ = self.registry.apply(&stamped.operation, stamped.origin);
            }
            self.settle(id, &stamped.operation, stamped.origin);
        }
        Ok(())
    }

    /// The open document, after [`Fold::open`].
    pub fn document(&self, id: &DocumentId) -> Option<&DocumentState> {
        self.open.get(id).map(|document| &document.state)
    }

    /// The entries that made an open document.
    pub fn positions(&self, id: &DocumentId) -> Option<&[EntryRef]> {
        self.open.get(id).map(|document| document.positions.as_slice())
    }

    /// Makes sure that a document is open: replays its entries if it is not.
    pub fn open(&mut self, entries: &impl Entries, id: &DocumentId) -> Result<(), ReplicaError> {
        self.clock += 1;
        if let Some(document) = self.open.get_mut(id) {
            document.used = self.clock;
            return Ok(());
        }
        let is_new = matches!(id, DocumentId::Credit { id, .. } if self.book.credit(id).is_none());
        let positions = if is_new { Vec::new() } else { entries.positions(id)? };
        let mut state = DocumentState::new(id.clone());
        for at in &positions {
            let log = entries.log(at.log).ok_or(ReplicaError::damaged("a log has no name"))?;
            let body = entries.body(*at)?.map_err(|_| ReplicaError::damaged("an applied entry is unreadable"))?;
            let change = parse(&body.change).map_err(|_| ReplicaError::damaged("an applied change is unreadable"))?;
            let Placement::Fits(operation) = state.place(&change) else {
                return Err(ReplicaError::damaged("an applied change no longer fits"));
            };
            let origin = Origin {
                stamp: body.stamp,
                device: log.device,
                incarnation: log.incarnation,
                number: at.number,
                wall: body.wall,
            };
            state.apply(&change, *operation, origin);
        }
        self.open.insert(id.clone(), OpenDocument { state, positions, used: self.clock });
        Ok(())
    }

    /// Closes the documents used longest ago. Only between batches: what was touched must have been written.
    pub fn close_idle(&mut self) {
        if self.open.len() <= self.capacity {
            return;
        }
        let mut by_use: Vec<_> = self.open.iter().map(|(id, document)| (document.used, id.clone())).collect();
        by_use.sort_unstable();
        let surplus = self.open.len() - self.capacity / 2;
        for (_, id) in by_use.into_iter().take(surplus).filter(|(_, id)| *id != DocumentId::Registry) {
            self.open.remove(&id);
        }
    }
}
