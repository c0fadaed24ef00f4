//! One replica as a state machine without IO.
//!
//! ```text
//!             now, Input                     Outputs
//! faces ───► Command, Query ───►┌─────────┐───► Answer
//! network ─► Connected, Frame ─►│ Replica │───► Send, Publish, Trust, Ban
//! clock ───► Tick ─────────────►└────┬────┘
//!                                  Store: reads at any time; one batch at the end of each step
//! ```
//!
//! **The rule of the loop.** [`Replica::handle_all`] applies at most one batch to its store and answers outputs. The
//! driver may call it again and again; before it lets any output out it calls [`Replica::sync`] and waits for
//! it. So nothing is answered or sent before it is durable, and many commands share one sync.
//!
//! Time and randomness are handed in: nothing here reads a clock, draws a random number, or opens a file.

mod asking;
mod backup;
mod boot;
mod branches;
mod changes;
mod clock;
mod closing;
mod command;
mod commands;
mod conduct;
mod conflicts;
mod error;
mod fold;
mod forks;
mod gateway;
mod greeting;
mod heard;
mod io;
mod join;
mod keys;
mod logs;
mod opening;
mod operations;
mod queries;
mod reading;
mod restore;
mod rounds;
mod salvage;
mod session;
mod sightings;
mod soundness;
mod steward;
mod sync;
mod transfer;
mod verify;
mod view;

use std::collections::BTreeMap;

pub use crate::ledger::{CreditRequest as GrantRequest, ImportRow, ImportedCredit, ImportedPayment, ReportedRow};
pub use backup::{BackupFrame, BackupHeader, FRAME_HASH_BYTES, FRAME_HEAD_BYTES, FrameError, Frames, Snapshot};
pub use boot::{BootError, Founder, Identity};
pub use changes::Change;
pub use command::{Command, ConflictFilter, Query, RowOutcome};
use error::CommandError;
pub use error::ReplicaError;
pub use gateway::{ReportOutcome, RowFilter, RowView};
pub use io::{Input, Output, Tally};
pub use join::{JoinError, Joiner, shop_gossip_key};
pub use operations::SetAside;
pub use reading::LogFilter;
pub use restore::{BackupCheck, RestoreError, Restorer};
pub use salvage::{Heads, Salvaged};
pub use soundness::{Damage, LostEntries};
pub use view::{
    AccountView, Answer, BalanceView, BeneficiaryView, ChangeView, ClosingView, ConflictView, CreditView, DeviceView,
    DocumentView, EntryView, EventView, ExposureView, GiftView, HandledView, HeardView, InvitationView, LostView,
    MovementView, Page, PaymentView, PeerView, ShareView, SharesView, ShopView, SimView, StatisticsView, StatusView,
    VerifyView,
};

use crate::ledger::{Book, Refusal, SetDigest};
use crate::log::{Head, LogId, SigningKey};
use crate::membership::{ReadScope, Registry};
use crate::model::{DeviceKey, DocumentId, Hlc, Holder, Incarnation, Origin, Scope, ShopId, Timestamp};
use crate::planted::{self, Bug};
use crate::replica::fold::{Entries, Fold};
use crate::replica::logs::Logs;
use crate::replica::session::Session;
use crate::store::{Batch, Store, StoreError, SyncWork};
use crate::wire::{Message, Packed, encode};

/// A replica of the network's logs on one device.
#[derive(Debug)]
pub struct Replica<S> {
    identity: Identity,
    incarnation: Incarnation,
    /// Of this run: the Automerge actors follow from it.
    run: u64,
    random: boot::Random,
    clock: Hlc,
    own_clock: clock::OwnClock,
    logs: Logs<S>,
    fold: Fold,
    sessions: BTreeMap<DeviceKey, Session>,
    /// The last that each device told of what it holds, kept after it went.
    seen: BTreeMap<DeviceKey, session::Seen>,
    /// How far others are known to hold the own logs, as it was last written.
    confirmed: BTreeMap<LogId, u64>,
    syncs: Vec<rounds::Requested>,
    sync_every_ms: i64,
    conducts: conduct::Conducts,
    traffic: sync::Traffic,
    rehearsal: Option<(u64, Book)>,
    /// Commands that wait for others to give some of their share.
    waiting: Vec<asking::Waiting>,
    steward: steward::Timers,
    apps: gateway::Apps,
    /// Entries of others that came with a stamp ahead of this clock, until it is recorded that they were seen.
    doubts: BTreeMap<LogId, BTreeMap<u64, Origin>>,
    /// Own values set in this step; `None` removes.
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    outputs: Vec<Output>,
    /// Who was there when it was last told.
    company: changes::Told,
    /// The conflicts when they were last looked at.
    known: changes::Known,
    known_as_of: Option<crate::ledger::ConflictsStamp>,
    failed: Option<Refusal>,
    /// A batch was applied that no sync has made durable.
    unsynced: bool,
    /// The sum of the own records in the store.
    own: SetDigest,
    /// The digest of the books that was last written.
    books: Option<[u8; 32]>,
    /// Heads that an earlier store of this device had reached, and this one has not seen yet.
    expected: Vec<(LogId, Head)>,
}

impl<S: Store> Replica<S> {
    /// Takes one input and says what is to be done. See the rule of the loop above.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        self.handle_all(now, [input])
    }

    /// Takes several inputs, one after the other, as one step: they share one batch and one signature a log.
    pub fn handle_all(&mut self, now: Timestamp, inputs: impl IntoIterator<Item = Input>) -> Vec<Output> {
        let read = now;
        let mut now = self.read_clock(read);
        for input in inputs {
            self.take(now, input);
            now = self.own_clock.believed(read);
        }
        let written = self.keep_house(now).and_then(|()| self.write());
        if let Err(error) = written {
            self.fail(&error);
        }
        let changes = self.changed_company();
        if !changes.is_empty() && self.failed.is_none() {
            self.outputs.push(Output::Changed { changes });
        }
        std::mem::take(&mut self.outputs)
    }

    fn take(&mut self, now: Timestamp, input: Input) {
        if matches!(input, Input::Command { .. } | Input::Query { .. } | Input::Tick)
            && let Err(error) = self.settle(now)
        {
            self.fail(&error);
        }
        match input {
            Input::Command { ticket, command, key } => self.asked(now, ticket, *command, key),
            Input::Query { ticket, query } => {
                let result = self.query(now, &query);
                self.outputs.push(Output::Answer { ticket, result });
            }
            Input::Sync { ticket } => self.sync_requested(ticket, now),
            Input::Connected { peer } => self.connected(peer, now),
            Input::Disconnected { peer } => self.disconnected(&peer),
            Input::Frame { peer, bytes } => {
                self.frame(peer, &bytes, now);
                // Before anything leaves that a wrong clock has stamped.
                if let Err(error) = self.mind_clock(now) {
                    self.fail(&error);
                }
            }
            Input::Gossip { from, bytes } => self.gossip(from, &bytes, now),
            Input::Tick => self.tick(now),
        }
    }

    /// Sets a value at the end of this step; readers see it at once.
    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.pending.insert(key, value);
    }

    /// The value of a key, this step's writes included.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReplicaError> {
        match self.pending.get(key) {
            Some(value) => Ok(value.clone()),
            None => Ok(self.logs.store.get(key)?),
        }
    }

    /// Makes all that was handled durable. After an error nothing is written any more.
    pub fn sync(&mut self) -> Result<(), ReplicaError> {
        let synced = match self.begin_sync()? {
            Some(work) => work(),
            None => return Ok(()),
        };
        self.end_sync(synced)
    }

    /// The work that makes all that was handled durable, to be done on any thread; none where all is durable. Until
    /// [`Replica::end_sync`] nothing may be handled; [`Replica::look`] may.
    pub fn begin_sync(&mut self) -> Result<Option<SyncWork>, ReplicaError> {
        if let Some(stopped) = &self.failed {
            return Err(ReplicaError::Stopped(stopped.to_string()));
        }
        if !self.unsynced || planted::is(Bug::SyncSkipped) {
            return Ok(None);
        }
        match self.logs.store.begin_sync() {
            Ok(work) => Ok(Some(work)),
            Err(error) => self.end_sync(Err(error)).map(|()| None),
        }
    }

    /// Hears what became of the work. After an error nothing is written any more.
    pub fn end_sync(&mut self, synced: Result<(), StoreError>) -> Result<(), ReplicaError> {
        match self.logs.store.end_sync(synced) {
            Ok(()) => {
                self.unsynced = false;
                Ok(())
            }
            Err(error) => {
                let error = ReplicaError::from(error);
                self.fail(&error);
                Err(error)
            }
        }
    }

    /// Looks at what stands, durable or not: while a sync is under way, or has failed, the newest may not be.
    pub fn look(&self, now: Timestamp, query: &Query) -> Result<Answer, Refusal> {
        self.query(self.own_clock.believed(now), query)
    }

    /// Why nothing is written any more, if so.
    pub fn failure(&self) -> Option<&Refusal> {
        self.failed.as_ref()
    }

    /// What it counts.
    pub fn tally(&self) -> Tally {
        let sync::Traffic { sent, received, gossiped, rounds } = self.traffic;
        let refused = self.conducts.refused;
        Tally {
            sent,
            received,
            gossiped,
            rounds,
            refused,
            logs: self.logs.count(),
            commands_waiting: self.waiting.len(),
        }
    }

    /// Writes nothing from now on: the disk has no room to spare.
    pub fn stop_for_room(&mut self) {
        self.failed.get_or_insert(Refusal::DiskFull);
    }

    /// How often to compare with connected peers, in milliseconds.
    pub fn set_sync_every_ms(&mut self, milliseconds: i64) {
        self.sync_every_ms = milliseconds.max(100);
    }

    /// This device.
    pub fn device(&self) -> DeviceKey {
        self.identity.key.public()
    }

    /// Who belongs to the network.
    pub fn registry(&self) -> &Registry {
        &self.fold.registry
    }

    /// What stands.
    pub fn book(&self) -> &Book {
        &self.fold.book
    }

    /// The logs' heads: what must at least be there when this store is opened again.
    pub fn heads(&self) -> BTreeMap<Vec<u8>, (u64, [u8; 32])> {
        let held = self.logs.held().iter();
        held.map(|(log, held)| (log.to_bytes().to_vec(), (held.head.number, held.head.hash))).collect()
    }

    /// The hash of one entry, if it is held.
    pub fn hash_at(&self, log: &[u8], number: u64) -> Result<Option<[u8; 32]>, ReplicaError> {
        let Some(log) = LogId::from_bytes(log) else { return Ok(None) };
        self.logs.hash_at(&log, number)
    }

    /// Whether that entry is held in a branch of that log: a lower sequel that came since took its place in the log itself.
    pub fn is_in_branch(&self, log: &[u8], number: u64, hash: &[u8; 32]) -> Result<bool, ReplicaError> {
        let Some(log) = LogId::from_bytes(log) else { return Ok(false) };
        let at = Head { number, hash: *hash };
        Ok(self.logs.holder_of(&self.logs.written(&log), &at)?.is_some())
    }

    /// The entries kept without effect: log, number, why. In the order of the logs' ids, the same on every replica
    /// that holds the same entries.
    pub fn set_aside(&self) -> Vec<(LogId, u64, SetAside)> {
        let found = self.fold.set_aside().iter();
        let mut found: Vec<_> = found.filter_map(|(at, why)| Some((self.logs.log(at.log)?, at.number, *why))).collect();
        found.sort_unstable();
        found
    }

    /// The store, for a driver that simulates disks.
    pub fn into_store(self) -> S {
        self.logs.store
    }

    /// The gossip key that this device was given: the network's, or its shop's if it reads no other.
    pub fn gossip_key(&self) -> [u8; 32] {
        self.identity.gossip_key
    }

    /// The shop of this device, and the one to which its reading is confined, if it is.
    pub fn reading(&self) -> (Option<ShopId>, Option<ShopId>) {
        let standing = self.own_standing();
        let own = standing.map(|(shop, ..)| shop);
        (own, standing.filter(|(.., read)| *read == ReadScope::Own).and(own))
    }

    /// The shops that are known.
    pub fn shops(&self) -> impl Iterator<Item = ShopId> {
        self.fold.book.shops().keys().copied()
    }

    /// The secrets of this device.
    #[cfg(feature = "node")]
    pub(crate) fn identity(&self) -> Identity {
        self.identity.clone()
    }

    /// This life of this device's store: who holds its shares.
    pub fn holder(&self) -> Holder {
        Holder { device: self.device(), incarnation: self.incarnation }
    }

    fn own_log(&self, scope: Scope) -> LogId {
        LogId { scope, device: self.device(), incarnation: self.incarnation }
    }

    /// The authority's log, where this device holds its key.
    fn authority_log(&self) -> Option<LogId> {
        let key = self.identity.authority_key.as_ref()?;
        Some(LogId { scope: Scope::Registry, device: key.public(), incarnation: self.incarnation })
    }

    /// Turns a command's error into a refusal; a failing disk stops all writing.
    fn finish<T>(&mut self, result: Result<T, CommandError>) -> Result<T, Refusal> {
        result.map_err(|error| match error {
            CommandError::Refused(refusal) | CommandError::Lacks(refusal) => *refusal,
            CommandError::Failed(error) => {
                self.fail(&error);
                error.refusal()
            }
        })
    }

    fn fail(&mut self, error: &ReplicaError) {
        let refusal = error.refusal();
        // What waits to be let out may rest on what was not written.
        self.outputs.retain_mut(|output| match output {
            Output::Answer { result, .. } => {
                if result.is_ok() {
                    *result = Err(refusal.clone());
                }
                true
            }
            _ => false,
        });
        self.failed.get_or_insert(refusal);
    }

    /// Ends a step: what was staged and touched becomes one batch.
    fn write(&mut self) -> Result<(), ReplicaError> {
        if self.failed.is_some() {
            return Ok(());
        }
        self.fold.finish(&self.logs)?;
        let mut batch = Batch::default();
        self.write_own(&mut batch)?;
        let (device, authority) = (self.identity.key.clone(), self.identity.authority_key.clone());
        let fresh = self.logs.write(&mut batch, |log| sign_with(log, &device, authority.as_ref()));
        let mut changes = self.changed_books();
        changes.extend(self.changed_conflicts());
        self.write_touched(&mut batch)?;
        let books = self.fold.book.digest();
        if self.books != Some(books) {
            batch.put(keys::BOOKS_DIGEST, books);
            self.books = Some(books);
        }
        self.fold.close_idle();
        if batch.is_empty() {
            return Ok(());
        }
        self.write_confirmed(&mut batch);
        self.logs.store.apply(&batch)?;
        self.unsynced = true;
        for suffix in fresh {
            let packed = Packed::pack(&suffix);
            let scope = packed.log().scope;
            self.outputs.push(Output::Publish { scope, bytes: encode(&Message::Entries(packed)) });
        }
        if !changes.is_empty() {
            self.outputs.push(Output::Changed { changes });
        }
        Ok(())
    }

    /// Moves the own values that were set into a batch, and keeps their sum.
    fn write_own(&mut self, batch: &mut Batch) -> Result<(), ReplicaError> {
        let before = self.own;
        for (key, value) in std::mem::take(&mut self.pending) {
            if key.first().is_some_and(|letter| keys::OWN.contains(letter)) {
                if let Some(old) = self.logs.store.get(&key)? {
                    self.own.remove(&soundness::own_record(&key, &old));
                }
                if let Some(value) = &value {
                    self.own.insert(&soundness::own_record(&key, value));
                }
            }
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        if self.own != before {
            batch.put(keys::OWN_SUM, self.own.to_bytes());
        }
        Ok(())
    }

    fn write_touched(&mut self, batch: &mut Batch) -> Result<(), ReplicaError> {
        let touched = std::mem::take(&mut self.fold.touched);
        let damaged = |_| ReplicaError::damaged("a record does not encode");
        for id in &touched.documents {
            let positions = self.fold.positions(id).unwrap_or_default();
            match id {
                DocumentId::Credit { id, .. } => {
                    let Some(credit) = self.fold.book.credit(id) else { continue };
                    batch.put(keys::credit(id), postcard::to_stdvec(&(positions, credit)).map_err(damaged)?);
                }
                other => {
                    batch.put(keys::document(other), postcard::to_stdvec(&(positions, ())).map_err(damaged)?);
                }
            }
        }
        for id in &touched.movements {
            let Some(movement) = self.fold.book.movement(id) else { continue };
            batch.put(keys::movement(id), postcard::to_stdvec(movement).map_err(damaged)?);
        }
        for at in &touched.verdicts {
            match self.fold.set_aside().get(at) {
                Some(why) => batch.put(keys::entry(keys::SET_ASIDE, *at), postcard::to_stdvec(why).map_err(damaged)?),
                None => batch.delete(keys::entry(keys::SET_ASIDE, *at)),
            }
            if self.fold.is_waiting(at) {
                batch.put(keys::entry(keys::WAITING, *at), Vec::new());
            } else {
                batch.delete(keys::entry(keys::WAITING, *at));
            }
        }
        Ok(())
    }
}

fn sign_with(log: &LogId, device: &SigningKey, authority: Option<&SigningKey>) -> Option<SigningKey> {
    if log.device == device.public() {
        return Some(device.clone());
    }
    authority.filter(|key| key.public() == log.device).cloned()
}
