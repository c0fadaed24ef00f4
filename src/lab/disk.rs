//! A device's disk: a store in memory that the world can still reach while a replica writes to it.

use std::cell::RefCell;
use std::rc::Rc;

use crate::store::{Batch, MemoryStore, Pair, Store, StoreError, Visit};

/// What is on it, and how often it was written.
#[derive(Debug, Default)]
struct Platter {
    store: MemoryStore,
    applied: u64,
    /// It says that it has synced, and has not.
    lies: bool,
    /// What it will not do the next time it is told to.
    fails: Option<Fails>,
    /// It has failed since it was last looked after.
    failed: bool,
}

/// What a disk fails to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// To write a batch: it is full.
    Apply,
    /// To sync: what of it is there after all is known only when it is opened again.
    Sync,
}

/// One end of the cable: the replica holds another.
#[derive(Clone, Debug, Default)]
pub struct Disk(Rc<RefCell<Platter>>);

impl Disk {
    /// A disk that says that it has synced, and has not: whoever watches must notice.
    pub fn lying() -> Disk {
        Disk(Rc::new(RefCell::new(Platter { lies: true, ..Platter::default() })))
    }

    /// The next time it is told to do that, it fails.
    pub fn fail_next(&self, fails: Fails) {
        self.0.borrow_mut().fails = Some(fails);
    }

    /// Whether it has failed since it last lost power.
    pub fn failed(&self) -> bool {
        self.0.borrow().failed
    }

    /// Whether it fails now.
    fn fails(&self, what: Fails) -> bool {
        let mut platter = self.0.borrow_mut();
        let fails = platter.fails == Some(what);
        if fails {
            (platter.fails, platter.failed) = (None, true);
        }
        fails
    }

    /// How many batches were ever applied.
    pub fn applied(&self) -> u64 {
        self.0.borrow().applied
    }

    /// How many batches the next sync would make durable.
    pub fn unsynced(&self) -> usize {
        self.0.borrow().store.unsynced()
    }

    /// The power goes. The disk had written the first `kept` of the batches that it was not yet told to.
    pub fn lose_power(&self, kept: usize) {
        let mut platter = self.0.borrow_mut();
        (platter.fails, platter.failed) = (None, false);
        platter.store = std::mem::take(&mut platter.store).crash_keeping(kept);
    }

    /// A copy of what is durable.
    pub fn image(&self) -> MemoryStore {
        self.0.borrow().store.clone().crash()
    }

    /// Puts an image in the place of what is there.
    pub fn bring_back(&self, image: MemoryStore) {
        self.0.borrow_mut().store = image;
    }
}

impl Store for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.borrow().store.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        self.0.borrow().store.scan(prefix, from, visit)
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Pair>, StoreError> {
        self.0.borrow().store.floor(prefix, key)
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if self.fails(Fails::Apply) {
            return Err(StoreError::Full);
        }
        let mut platter = self.0.borrow_mut();
        platter.applied += 1;
        platter.store.apply(batch)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        if self.fails(Fails::Sync) {
            return Err(StoreError::Failed("no sync".to_owned()));
        }
        let mut platter = self.0.borrow_mut();
        if platter.lies { Ok(()) } else { platter.store.sync() }
    }
}
