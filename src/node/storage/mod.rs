//! What a node keeps on disk.
//!
//! ```text
//! DIR/            one process at a time, mode 0700        directory
//!   lock          held while the process lives
//!   format        "ucash 1"
//!   store/        the database                            sled, record
//!   heads         how far each log had come, checksummed  heads
//! ```
//!
//! The order of opening is the order above: the format is read before anything is touched, the lock is taken before
//! the database is opened, and the heads are compared last, with what the database holds.
//!
//! Nothing here knows what the stored bytes mean, and nothing here repairs in silence: damage is an error that names
//! what is damaged.

mod directory;
pub(in crate::node) use directory::sync_directory;
pub use directory::{DataDirectory, DirectoryError, FORMAT_SUPPORTED, write_atomically};

mod heads;
pub use heads::{Discrepancy, Heads, HeadsError, HeadsFile, Held};

mod record;

mod sled;
pub use sled::{OpenError, SledStore};
