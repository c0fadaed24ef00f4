//! A store in memory, with the disk that a loss of power would leave behind.
//!
//! It serves the tests and the lab. It keeps two images: *live*, what readers see, and *durable*, what has been
//! synced. Between them lie the batches that were applied and not yet synced, in order:
//!
//! ```text
//! apply ──> live            get, scan and floor read here
//!      └──> unsynced ──sync──> durable ──crash──> a new store
//! ```
//!
//! It does no IO and never fails but for the limits; faults are injected by whoever wraps it.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use super::{
    Batch, Pair, Store, StoreError, Visit, Write,
    range::{floor_range, scan_range},
};

/// Values are shared between the images, so that keeping two costs keys only.
type Image = BTreeMap<Vec<u8>, Arc<[u8]>>;

/// An ordered map that remembers what of it is durable.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    live: Image,
    durable: Image,
    unsynced: Vec<Vec<Change>>,
}

/// A write whose value is already shared.
type Change = (Vec<u8>, Option<Arc<[u8]>>);

impl MemoryStore {
    /// What is there after a loss of power that spared exactly what was synced.
    #[must_use]
    pub fn crash(self) -> MemoryStore {
        self.crash_keeping(0)
    }

    /// What is there after a loss of power that also spared the first `batches` of the unsynced ones. A disk may
    /// write before it is told to, but only in order; a caller that relies on less being there is wrong too.
    #[must_use]
    pub fn crash_keeping(mut self, batches: usize) -> MemoryStore {
        for batch in self.unsynced.into_iter().take(batches) {
            change(&mut self.durable, batch);
        }
        MemoryStore { live: self.durable.clone(), durable: self.durable, unsynced: Vec::new() }
    }

    /// How many applied batches the next sync would make durable.
    pub fn unsynced(&self) -> usize {
        self.unsynced.len()
    }
}

fn change(image: &mut Image, changes: Vec<Change>) {
    for (key, value) in changes {
        match value {
            Some(value) => image.insert(key, value),
            None => image.remove(&key),
        };
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.live.get(key).map(|value| value.to_vec()))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        if let Some(range) = scan_range(prefix, from) {
            let _ = self.live.range(range).try_for_each(|(key, value)| -> ControlFlow<()> { visit(key, value) });
        }
        Ok(())
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Pair>, StoreError> {
        let last = floor_range(prefix, key).and_then(|range| self.live.range(range).next_back());
        Ok(last.map(|(key, value)| (key.clone(), value.to_vec())))
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        batch.check()?;
        let changes: Vec<Change> = batch
            .writes
            .iter()
            .map(|write| match write {
                Write::Put(key, value) => (key.clone(), Some(value.as_slice().into())),
                Write::Delete(key) => (key.clone(), None),
            })
            .collect();
        change(&mut self.live, changes.clone());
        self.unsynced.push(changes);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        for batch in self.unsynced.drain(..) {
            change(&mut self.durable, batch);
        }
        Ok(())
    }
}
