//! What changed, for who looks at this node: the latest are kept, numbered within this run, so that who lost the
//! thread takes it up again. What is older is not: who asks for it is told to look at everything anew.
//!
//! Readers hold a number and nothing is kept for each of them: a slow one cannot make this grow.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::clock;
use crate::replica::Change;

/// Changes kept: a shop's busy hour. One takes about 60 bytes.
const KEPT_MAX: usize = 1_024;

/// The changes of this run; cheap to clone.
#[derive(Clone, Debug)]
pub struct Changes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    run: u64,
    kept: Mutex<VecDeque<Change>>,
    /// How many there were in all: the number of the latest, from 1.
    told: watch::Sender<u64>,
}

impl Default for Changes {
    fn default() -> Changes {
        let run = u64::from_be_bytes(clock::random());
        let shared = Shared { run, kept: Mutex::default(), told: watch::channel(0).0 };
        Changes { shared: Arc::new(shared) }
    }
}

impl Changes {
    /// Drawn at random for this run: a number of another run names nothing here.
    pub fn run(&self) -> u64 {
        self.shared.run
    }

    /// Tells who looks.
    pub fn tell(&self, changes: impl IntoIterator<Item = Change>) {
        let mut kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        for change in changes {
            if kept.len() == KEPT_MAX {
                kept.pop_front();
            }
            kept.push_back(change);
            count += 1;
        }
        if count > 0 {
            self.shared.told.send_modify(|told| *told += count);
        }
    }

    /// The number of the latest, and by and by of later ones.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shared.told.subscribe()
    }

    /// Up to `count` changes after that number, each with its own; `None` if some of them are no longer kept, or that
    /// number was never told.
    pub fn after(&self, number: u64, count: usize) -> Option<Vec<(u64, Change)>> {
        let kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let told = *self.shared.told.borrow();
        let behind = usize::try_from(told.checked_sub(number)?).ok()?;
        let skipped = kept.len().checked_sub(behind)?;
        let numbered = (number + 1..).zip(kept.iter().skip(skipped));
        Some(numbered.take(count).map(|(number, change)| (number, change.clone())).collect())
    }
}
