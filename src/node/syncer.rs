//! The thread that waits for the disk, so that the engine need not: reads go on while a sync takes its time.
//!
//! One piece of work at a time, in order. It also writes the heads file, which costs two syncs of its own.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::clock::instant;
use super::metrics::Metrics;
use super::storage::{Heads, HeadsFile};
use crate::store::{StoreError, SyncWork};

struct Job {
    work: SyncWork,
    /// What the work makes durable, if it is time to write it down.
    heads: Option<Heads>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// The way to that thread. Dropping it waits until what was asked is done.
#[derive(Debug)]
pub(super) struct Syncer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread.
    pub fn start(heads: Option<HeadsFile>, metrics: Metrics) -> std::io::Result<Syncer> {
        let (jobs, asked) = mpsc::channel::<Job>();
        let thread = thread::Builder::new().name("sync".to_owned()).spawn(move || work_off(&asked, heads, &metrics))?;
        Ok(Syncer { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Has the work done; the answer comes when it is.
    pub fn run(&self, work: SyncWork, heads: Option<Heads>) -> oneshot::Receiver<Result<(), StoreError>> {
        let (done, outcome) = oneshot::channel();
        if let Some(jobs) = &self.jobs {
            // A thread that is gone drops the sender, which the receiver hears.
            let _ = jobs.send(Job { work, heads, done });
        }
        outcome
    }
}

fn work_off(asked: &mpsc::Receiver<Job>, mut file: Option<HeadsFile>, metrics: &Metrics) {
    while let Ok(Job { work, heads, done }) = asked.recv() {
        let begun = instant();
        let under_way = metrics.syncing();
        let outcome = work();
        drop(under_way);
        let is_durable = outcome.is_ok();
        metrics.sync(instant().saturating_duration_since(begun), is_durable);
        let _ = done.send(outcome);
        // The disk may stall here as well, and whoever comes next waits for it.
        let _under_way = metrics.syncing();
        if let Some((file, heads)) = file.as_mut().zip(heads).filter(|_| is_durable)
            && let Err(error) = file.update(instant(), &heads)
        {
            tracing::warn!(%error, "the heads file could not be written");
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}
