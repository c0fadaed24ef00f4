//! What happened, in order: hashed as it goes, so that two runs of one seed can be compared by one digest, and kept
//! as lines of text only where somebody wants to read it.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::lab::tape::{Mark, What};
use crate::ledger::Refusal;
use crate::replica::Command;

/// One thing that happened to a device. Others are named by their numbers.
#[derive(Debug, Serialize)]
pub(super) enum Happened<'a> {
    Founded,
    Joined,
    Met { peer: usize },
    Parted { peer: usize },
    Heard { from: usize, bytes: usize },
    Gossip { from: usize, bytes: usize },
    Ticked,
    Asked { ticket: u64, key: Option<&'a str>, command: &'a Command },
    Answered { ticket: u64, refused: Option<&'a Refusal> },
    Wrote { unsynced: usize },
    Syncing { for_ms: i64 },
    Synced,
    Banned { peer: usize, reason: &'a str },
    DiskFailed,
    PowerLost { kept: usize, of: usize },
    Restarted,
    Fault { name: &'static str },
    Attack { name: &'static str },
    Healed { round: u32 },
    Holds { log: &'a [u8], number: u64, hash: [u8; 32] },
}

/// Bytes gathered before they are hashed: many at a time are hashed faster.
const GATHERED: usize = 1 << 14;

/// The digest of what happened so far, and its text if it is kept.
#[derive(Debug)]
pub(super) struct Trace {
    hasher: blake3::Hasher,
    gathered: Vec<u8>,
    lines: Option<Vec<String>>,
    tape: Option<Vec<Mark>>,
    events: u64,
    /// Lines are for somebody who looks on, and are gone once they were looked at.
    passing: bool,
    /// To whom the last thing happened.
    last: usize,
}

impl Trace {
    pub fn new(keep: bool) -> Trace {
        let hasher = blake3::Hasher::new_derive_key("ucash/lab/v1/trace");
        Trace {
            hasher,
            gathered: Vec::with_capacity(GATHERED + 256),
            lines: keep.then(Vec::new),
            tape: None,
            events: 0,
            passing: false,
            last: 0,
        }
    }

    /// Keeps from now on what happened as it can be drawn.
    pub fn record(&mut self) {
        self.tape.get_or_insert_default();
    }

    /// Notes what only a drawing shows: it is in no digest.
    pub fn mark(&mut self, at_ms: i64, device: usize, what: impl FnOnce() -> What) {
        if let Some(tape) = &mut self.tape {
            tape.push(Mark { at_ms, device, what: what() });
        }
    }

    /// What was kept since it was last taken.
    pub fn take_tape(&mut self) -> Vec<Mark> {
        self.tape.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Notes what happened to that device, so many milliseconds after the start.
    pub fn note(&mut self, at: i64, device: usize, happened: &Happened<'_>) {
        self.events += 1;
        self.last = device;
        match postcard::to_stdvec(&(at, device, happened)) {
            Ok(bytes) => self.gathered.extend_from_slice(&bytes),
            Err(error) => unreachable!("what happened is plain data: {error}"),
        }
        if self.gathered.len() >= GATHERED {
            self.hasher.update(&self.gathered);
            self.gathered.clear();
        }
        if let Some(tape) = &mut self.tape
            && let Some(what) = What::of(happened)
        {
            tape.push(Mark { at_ms: at, device, what });
        }
        if let Some(lines) = &mut self.lines {
            let mut line = String::new();
            let _ = write!(line, "{} {device:>2} {happened:?}", Moment(at));
            lines.push(line);
        }
    }

    /// From now on lines are only for who looks on.
    pub fn drop_lines(&mut self, passing: bool) {
        self.passing = passing;
        self.new_lines();
    }

    /// The lines since this was last asked, if somebody looks on; and to whom the last of it happened.
    pub fn new_lines(&mut self) -> (Vec<String>, usize) {
        let lines = if self.passing { self.lines.as_mut().map(std::mem::take) } else { None };
        (lines.unwrap_or_default(), self.last)
    }

    /// How many things happened.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The digest, and the lines if they were kept.
    pub fn end(mut self) -> ([u8; 32], Vec<String>) {
        self.hasher.update(&self.gathered);
        (*self.hasher.finalize().as_bytes(), self.lines.unwrap_or_default())
    }
}

/// A time of the run as people read it: day, hours, minutes, seconds, milliseconds.
struct Moment(i64);

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.rem_euclid(86_400_000);
        let day = self.0.div_euclid(86_400_000);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        write!(formatter, "{day}d{hour:02}:{minute:02}:{second:02}.{:03}", ms % 1_000)
    }
}
