//! The small trait behind which disks stand.
//!
//! Keys and values are bytes in one ordered space. A [`Batch`] is atomic: after a crash all of it is there, or
//! none. What [`Store::apply`] wrote is readable at once and durable after the next [`Store::sync`]; batches
//! become durable in the order in which they were applied. Nothing here knows what the bytes mean.

mod memory;
pub use memory::MemoryStore;

mod range;
#[cfg(feature = "node")]
pub(crate) use range::{KeyRange, floor_range, scan_range};

use std::ops::ControlFlow;

use thiserror::Error;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// Longest value, in bytes. Implementations split what their disk cannot hold in one piece.
pub const VALUE_BYTES_MAX: usize = 4 << 20;

/// One thing a batch does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets the key to the value, whatever it was.
    Put(Vec<u8>, Vec<u8>),
    /// Removes the key if it is there.
    Delete(Vec<u8>),
}

/// Writes that become true together. A later write to the same key replaces an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// In the order in which they are to be applied.
    pub writes: Vec<Write>,
}

impl Batch {
    /// Adds a put.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.push(Write::Put(key.into(), value.into()));
    }

    /// Adds a delete.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.writes.push(Write::Delete(key.into()));
    }

    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Checks every key and value against the limits. An implementation of [`Store::apply`] calls it first, so that a
    /// batch that is refused has written nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] for the first key or value beyond its limit.
    pub fn check(&self) -> Result<(), StoreError> {
        let within = |what, bytes, limit| {
            if bytes > limit { Err(StoreError::TooLarge { what, bytes, limit }) } else { Ok(()) }
        };
        self.writes.iter().try_for_each(|write| match write {
            Write::Put(key, value) => {
                within("key", key.len(), KEY_BYTES_MAX)?;
                within("value", value.len(), VALUE_BYTES_MAX)
            }
            Write::Delete(key) => within("key", key.len(), KEY_BYTES_MAX),
        })
    }
}

/// Why a store could not do what was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk has no room. Nothing of the batch was written.
    #[error("the disk is full")]
    Full,
    /// A key or value beyond [`KEY_BYTES_MAX`] or [`VALUE_BYTES_MAX`]. Nothing of the batch was written.
    #[error("a {what} of {bytes} bytes is longer than the {limit} allowed")]
    TooLarge {
        /// "key" or "value".
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The bytes on disk are not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The operating system or the database refused.
    #[error("{0}")]
    Failed(String),
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// A visitor of [`Store::scan`]: key, value; `Break` ends the scan.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// Work that takes as long as a disk does. See [`Store::begin_sync`].
pub type SyncWork = Box<dyn FnOnce() -> Result<(), StoreError> + Send>;

/// An ordered key-value space with atomic batches.
pub trait Store {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits every pair whose key starts with `prefix` and is at or after `from`, in ascending order.
    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), StoreError>;

    /// The pair with the greatest key that starts with `prefix` and is at or before `key`.
    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Pair>, StoreError>;

    /// Writes the batch, all or nothing. Readable at once; durable after [`Store::sync`]. A store that fails in the
    /// middle shows no part of the batch: it refuses further reads and writes until it is opened again.
    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError>;

    /// The work that makes every batch applied so far durable, to be done on any thread while this store is only read.
    /// [`Store::end_sync`] is told what became of it.
    fn begin_sync(&mut self) -> Result<SyncWork, StoreError> {
        let synced = self.sync();
        Ok(Box::new(|| synced))
    }

    /// Hears what became of the work of [`Store::begin_sync`], and says it again; after an error nothing more may be
    /// written.
    fn end_sync(&mut self, synced: Result<(), StoreError>) -> Result<(), StoreError> {
        synced
    }

    /// Makes every applied batch durable against loss of power. After an error nothing more may be written:
    /// what the disk holds is then known only after opening it again.
    fn sync(&mut self) -> Result<(), StoreError>;
}
