//! How a replica is opened again.
//!
//! ```text
//! logs whole? own records there? ──no──> Damage: refused, nothing changed (`salvage` goes on from there)
//!        └─yes─> derived as this version derives it, complete, and fit? ──yes──> read
//!                                                                   └─no───> folded anew
//! ```
//!
//! It must never go on with fewer entries than were written, and never trust a derived record that is not the newest.

use std::ops::ControlFlow;

use crate::log::{Body, BodyError, LogId};
use crate::model::{Credit, DeviceKey, DocumentId, Incarnation, MovementRecord, ShopId};
use crate::planted::{self, Bug};
use crate::replica::boot::{BootError, Identity, Random};
use crate::replica::fold::{Entries, EntryRef, Fold, Touched};
use crate::replica::forks::branches_told;
use crate::replica::logs::Logs;
use crate::replica::soundness::{LOG_RECORD_BYTES, own_records, read_head};
use crate::replica::{Replica, ReplicaError, keys};
use crate::store::{Batch, Pair, Store};

/// Entries folded anew before what they made is written.
const REBUILD_ENTRIES: usize = 4_096;

/// What derived records hold beside what they are for: the entries that made them.
type Made<T> = (Vec<EntryRef>, T);

impl<S: Store> Replica<S> {
    /// Opens a replica again. What is derived is read, or folded anew where this version lays it out otherwise, or where
    /// it is damaged.
    ///
    /// # Errors
    ///
    /// [`BootError::Damaged`] with all that the store has lost; [`BootError::Emptiness`] of a store that holds nothing.
    pub fn open(store: S, identity: Identity, seed: [u8; 32]) -> Result<Replica<S>, BootError> {
        let get = |key: &[u8]| store.get(key).map_err(ReplicaError::from);
        let named = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let incarnation = get(keys::INCARNATION)?.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        let (authority, device) = (named(get(keys::AUTHORITY)?), named(get(keys::DEVICE)?));
        let (derived, own_sum, books) = (get(keys::DERIVED_NOW)?, get(keys::OWN_SUM)?, get(keys::BOOKS_DIGEST)?);
        let (expected, confirmed) =
            (get(keys::EXPECTED)?.unwrap_or_default(), get(keys::CONFIRMED)?.unwrap_or_default());
        if is_empty(&store)? {
            return Err(BootError::Emptiness { expected_empty: false });
        }
        if device.is_some_and(|device| device != identity.key.public().0) {
            return Err(ReplicaError::Foreign.into());
        }
        let (logs, mut damage) = Logs::open(store)?;
        let own = own_records(&logs.store)?;
        let is_counted = own_sum.as_deref() == Some(&own.to_bytes());
        let is_older = own_sum.is_none() && derived.as_deref() == Some(keys::UNCOUNTED_VERSION);
        if !is_counted && !is_older {
            damage.records.push("own records (answers by key, invitations, settings) are missing or not the newest");
        }
        let (Some(incarnation), Some(authority), Some(_)) = (incarnation, authority, device) else {
            damage.records.push("the store's own name is missing or unreadable");
            return Err(BootError::Damaged(damage));
        };
        if !damage.is_none() {
            return Err(BootError::Damaged(damage));
        }
        let mut random = Random::new(seed);
        let run = u64::from_be_bytes(random.draw());
        let fold = Fold::new(DeviceKey(authority));
        let incarnation = Incarnation(u64::from_be_bytes(incarnation));
        let mut replica = Replica::assemble(identity, incarnation, run, random, logs, fold);
        replica.own = own;
        replica.recall_confirmed(&confirmed);
        replica.expected = expected.chunks(LOG_RECORD_BYTES).filter_map(read_head).collect();
        let is_derived = derived.as_deref() == Some(keys::DERIVED_VERSION);
        if !is_derived || !replica.recall_whole(books.as_deref())? {
            replica.rebuild()?;
        }
        replica.recall_clock()?;
        replica.known = replica.known_conflicts();
        Ok(replica)
    }

    /// Opens a store that is a copy of an older one, or was brought back: as a new incarnation, which writes logs of
    /// its own and holds no share, so that nothing can be written or spent twice (`domain`, rule 7).
    pub fn open_restored(store: S, identity: Identity, seed: [u8; 32]) -> Result<Replica<S>, BootError> {
        let mut replica = Replica::open(store, identity, seed)?;
        replica.begin_anew()?;
        Ok(replica)
    }

    /// Goes on as a new incarnation, durably: for a store that was opened and is known to be a copy.
    pub fn begin_anew(&mut self) -> Result<(), ReplicaError> {
        if !planted::is(Bug::RestoreKeepsShares) {
            self.begin_incarnation();
        }
        self.write()?;
        self.sync()
    }

    /// Goes on as a new life of this store. What was written before stays, and is no longer continued.
    pub(super) fn begin_incarnation(&mut self) {
        let incarnation = self.random.draw::<8>();
        self.incarnation = Incarnation(u64::from_be_bytes(incarnation));
        self.put(keys::INCARNATION.to_vec(), Some(incarnation.to_vec()));
    }

    /// Reads what is derived, and says whether it is what the entries made: a damaged database loses records, or shows
    /// older ones, in silence (finding 2).
    fn recall_whole(&mut self, books: Option<&[u8]>) -> Result<bool, ReplicaError> {
        match self.recall() {
            // Every entry held is in one document, or waits, or is set aside; and the books are those last written.
            Ok(placed) => Ok(placed == self.logs.entries() && books == Some(&self.fold.book.digest())),
            Err(ReplicaError::Damaged(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads what is derived, and says for how many entries that accounts.
    fn recall(&mut self) -> Result<u64, ReplicaError> {
        let mut placed = 0;
        self.tell_branches();
        for (_, value) in self.values(keys::DOCUMENT)? {
            let (positions, ()): Made<()> =
                postcard::from_bytes(&value).map_err(|_| ReplicaError::damaged("a document's record is unreadable"))?;
            placed += positions.len() as u64;
        }
        self.fold.reopen(&self.logs, &DocumentId::Registry)?;
        let shops: Vec<ShopId> = self.fold.book.shops().keys().copied().collect();
        for shop in shops {
            self.fold.reopen(&self.logs, &DocumentId::Shop(shop))?;
        }
        let damaged = ReplicaError::damaged;
        for (_, value) in self.values(keys::CREDIT)? {
            let (positions, credit): Made<Credit> =
                postcard::from_bytes(&value).map_err(|_| damaged("a credit's record is unreadable"))?;
            placed += positions.len() as u64;
            self.fold.book.put_credit(credit);
        }
        for (_, value) in self.values(keys::MOVEMENT)? {
            let movement: MovementRecord =
                postcard::from_bytes(&value).map_err(|_| damaged("a movement's record is unreadable"))?;
            self.fold.book.put_movement(movement);
        }
        for (key, value) in self.values(keys::SET_ASIDE)? {
            let at = keys::read_entry(&key).ok_or_else(|| damaged("a verdict names no entry"))?;
            let why = postcard::from_bytes(&value).map_err(|_| damaged("a verdict is unreadable"))?;
            let log = self.logs.log(at.log).ok_or(damaged("a log has no name"))?;
            self.fold.recall_set_aside(at, why, &self.logs.written(&log), &self.logs.body(at)?);
            placed += 1;
        }
        for (key, _) in self.values(keys::WAITING)? {
            let at = keys::read_entry(&key).ok_or_else(|| damaged("a verdict names no entry"))?;
            self.take_again(at)?;
            placed += 1;
        }
        // The records are of what was judged.
        self.fold.rejudged.clear();
        self.fold.finish(&self.logs)?;
        self.fold.deeds.recall(&self.logs);
        self.fold.touched = Touched::default();
        // What was due when this device went is due still.
        self.fold.stirred = self.fold.book.shops().keys().copied().collect();
        self.books = Some(self.fold.book.digest());
        Ok(placed)
    }

    fn values(&self, letter: u8) -> Result<Vec<Pair>, ReplicaError> {
        let mut found = Vec::new();
        self.logs.store.scan(&[letter], &[letter], &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    fn take_again(&mut self, at: EntryRef) -> Result<(), ReplicaError> {
        let log = self.logs.log(at.log).ok_or(ReplicaError::damaged("a log has no name"))?;
        let body = self.logs.body(at)?;
        self.fold.take(&self.logs, at, &log, &body)
    }

    /// Throws away what is derived and folds every entry anew.
    pub fn rebuild(&mut self) -> Result<(), ReplicaError> {
        let authority = self.fold.registry.authority();
        let mut batch = Batch::default();
        for letter in keys::DERIVED {
            for (key, _) in self.values(letter)? {
                batch.delete(key);
            }
        }
        batch.put(keys::DERIVED_NOW, keys::DERIVED_VERSION);
        batch.put(keys::OWN_SUM, self.own.to_bytes());
        self.logs.store.apply(&batch)?;
        self.fold = Fold::new(authority);
        self.tell_branches();
        self.books = None;
        let logs: Vec<(LogId, u32)> = self.logs.held().iter().map(|(log, held)| (*log, held.index)).collect();
        for (log, index) in logs {
            let mut number = self.logs.first(index);
            loop {
                // Piece by piece, as in a first synchronisation: documents are closed between pieces.
                let bodies = self.logs.bodies(index, number, REBUILD_ENTRIES)?;
                if bodies.is_empty() {
                    break;
                }
                for bytes in bodies {
                    let at = EntryRef { log: index, number };
                    self.fold.take(&self.logs, at, &log, &Body::from_bytes(&bytes))?;
                    number += 1;
                }
                self.write()?;
            }
        }
        self.write()?;
        self.logs.store.sync()?;
        self.fold = Fold::new(authority);
        match self.recall()? == self.logs.entries() {
            true => Ok(()),
            false => Err(ReplicaError::damaged("what was derived just now is not all there")),
        }
    }

    /// Every entry held, folded into that fold.
    pub(super) fn fold_all(&self, mut fold: Fold) -> Result<Fold, ReplicaError> {
        fold.know_branches(branches_told(&self.logs));
        for (log, held) in self.logs.held() {
            self.logs.each_body(held.index, &mut |number, bytes| {
                let at = EntryRef { log: held.index, number };
                fold.take(&FromScratch(&self.logs), at, log, &Body::from_bytes(bytes))
            })?;
        }
        fold.finish(&FromScratch(&self.logs))?;
        Ok(fold)
    }

    /// The clock goes on after the last own entry.
    fn recall_clock(&mut self) -> Result<(), ReplicaError> {
        let own: Vec<(LogId, EntryRef)> = self
            .logs
            .held()
            .iter()
            .filter(|(log, held)| log.device == self.device() && held.head.number > 0)
            .map(|(log, held)| (*log, EntryRef { log: held.index, number: held.head.number }))
            .collect();
        for (_, at) in own {
            if let Ok(body) = self.logs.body(at)? {
                self.clock = self.clock.max(body.stamp);
            }
        }
        Ok(())
    }
}

fn is_empty(store: &impl Store) -> Result<bool, ReplicaError> {
    let mut is_empty = true;
    store.scan(&[], &[], &mut |_, _| {
        is_empty = false;
        ControlFlow::Break(())
    })?;
    Ok(is_empty)
}

/// Entries alone: no record of what was derived from them is believed.
struct FromScratch<'a, S>(&'a Logs<S>);

impl<S: Store> Entries for FromScratch<'_, S> {
    fn log(&self, log: u32) -> Option<LogId> {
        self.0.log(log)
    }

    fn body(&self, at: EntryRef) -> Result<Result<Body, BodyError>, ReplicaError> {
        self.0.body(at)
    }

    fn index(&self, log: &LogId) -> Option<u32> {
        self.0.index(log)
    }

    fn written(&self, log: &LogId) -> LogId {
        self.0.written(log)
    }

    fn first(&self, log: u32) -> u64 {
        self.0.first(log)
    }

    fn entry(&self, at: EntryRef) -> Result<Option<Result<Body, BodyError>>, ReplicaError> {
        self.0.entry(at)
    }

    fn positions(&self, _: &DocumentId) -> Result<Vec<EntryRef>, ReplicaError> {
        Ok(Vec::new())
    }
}
