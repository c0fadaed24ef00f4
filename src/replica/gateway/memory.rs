//! What each app has had, and how far its clock is off: kept in the store, since a row is read by it.
//!
//! | key | value |
//! | --- | --- |
//! | `t` token(8) | the app: its marks, its clock |
//! | `t` token(8) credit(10) | the versions of that credit that it had, and what its copy shows |

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::ledger::{CLOCK_MARGIN_MS, EditTime, Had, Opinion};
use crate::model::{CreditId, ShopId, Timestamp, VersionId};
use crate::replica::{Replica, ReplicaError, keys};
use crate::store::Store;

/// How many measurements of an app's clock are looked at.
const CLOCK_SAMPLES: usize = 8;
/// Beyond this a clock was set, and what was measured before no longer holds.
const CLOCK_SET_MS: i64 = 5 * 60_000;
/// No estimate of a clock is better than this: what two clocks differ by within one millisecond, and a little more.
const CLOCK_ERROR_MIN_MS: i64 = 5;
/// A change of this size in what is known of its clock is worth a write.
const CLOCK_NEWS_MS: i64 = 5_000;
/// No app's mark is older than this unless it has none: the default of the app is the first day of 2020.
const MARK_MIN: Timestamp = Timestamp(1_600_000_000_000);
/// The answers of which it is remembered when the app next asked for something.
const RECEIPTS_MAX: usize = 16;

/// What is known of one app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct App {
    /// The mark of its last download, by its clock.
    pub since: Option<Timestamp>,
    /// Since when it downloads by this mark, by this node's clock: what was sent since then it may have lost.
    pub since_from: Option<Timestamp>,
    /// From when on, by its clock, it wants all again, and when it asked for that: it has lost its mark or its rows.
    pub again: Option<(Timestamp, Timestamp)>,
    /// When its last download came, in this run of the node.
    #[serde(skip)]
    downloaded_at: Option<Timestamp>,
    /// The mark before its last one, by its clock: whatever it had edited by then it has uploaded before it took the last.
    pub uploaded_until: Option<Timestamp>,
    /// How far its clock was off when that was last written down.
    written_offset_ms: Option<i64>,
    /// How far its clock is ahead at least: it has stamped something so far in this node's future.
    ahead_ms: i64,
    /// Shops of which it had everything, at which state of the logs: as long as that is so, nothing need be looked through.
    #[serde(skip)]
    pub complete: BTreeMap<ShopId, u64>,
    /// When something of its was answered last, in this run of the node.
    #[serde(skip)]
    answered_at: Option<Timestamp>,
    /// How far its clock was ahead of this node's, each time by a little too much: what an answer took to arrive.
    offsets: Vec<i64>,
    /// How far its clock was ahead at least: what it stamped before it was sent, less when that came.
    least_ms: Option<i64>,
    /// When rows were sent, and by which mark, of its own clock, it ended that round, if it did: then it had uploaded
    /// whatever it kept in their place.
    receipts: Vec<(Timestamp, Option<Timestamp>)>,
}

/// One credit as an app has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copy {
    /// The versions that it had, oldest first.
    pub had: Vec<Had>,
    /// What its copy shows, as far as is known.
    pub shows: Option<(Option<VersionId>, Opinion)>,
    /// The latest stamp that its copy is known to bear.
    pub stamp: Option<Timestamp>,
    /// When it uploaded the row last, if it has not been sent since: it stamps the row anew when that is answered.
    pub uploaded_at: Option<Timestamp>,
    /// When it was sent last.
    pub sent_at: Option<Timestamp>,
}

/// The apps that asked for something since the start, and what is not yet worth a write.
#[derive(Debug, Default)]
pub(in crate::replica) struct Apps {
    known: BTreeMap<String, App>,
}

impl App {
    /// How far its clock is ahead of this node's, in milliseconds, if that was ever seen.
    fn offset_ms(&self) -> Option<i64> {
        self.offsets.iter().min().copied()
    }

    /// It has stamped something at that time, by its clock.
    pub fn stamped(&mut self, stamp: Option<Timestamp>, now: Timestamp) {
        self.ahead_ms = self.ahead_ms.max(stamp.map_or(0, |stamp| stamp.0.saturating_sub(now.0)));
        // A stamp of hours ahead of what is known is one of a clock that was set.
        let sample = stamp.map(|stamp| stamp.0.saturating_sub(now.0));
        let is_possible = |sample: &i64| self.offset_ms().is_some_and(|most| *sample <= most);
        self.least_ms = self.least_ms.max(sample.filter(is_possible));
    }

    /// How far what is known of its clock may be wrong, in milliseconds.
    pub fn error_ms(&self) -> i64 {
        match (self.offset_ms(), self.least_ms) {
            (Some(most), Some(least)) => most.saturating_sub(least).clamp(CLOCK_ERROR_MIN_MS, CLOCK_MARGIN_MS),
            _ => CLOCK_MARGIN_MS,
        }
    }

    /// Since when it had for certain what was sent at that time, and had edited nothing else by then.
    pub fn had_by(&self, sent: Timestamp) -> Option<Timestamp> {
        match self.receipts.iter().find(|(from, _)| *from == sent) {
            Some((_, mark)) => mark.map(|mark| self.by_our_clock(mark)),
            // Long ago: it has ended many rounds since.
            None => self.receipts.first().is_some_and(|(first, _)| sent < *first).then_some(sent),
        }
    }

    /// It is answered.
    pub fn answered(&mut self, now: Timestamp, with_rows: bool) {
        self.answered_at = Some(now);
        if with_rows {
            self.receipts.push((now, None));
            let surplus = self.receipts.len().saturating_sub(RECEIPTS_MAX);
            self.receipts.drain(..surplus);
        }
    }

    /// It downloads by that mark.
    pub fn downloads(&mut self, now: Timestamp, since: Option<Timestamp>) {
        let mark = since.filter(|mark| *mark >= MARK_MIN);
        if let (Some(mark), Some(answered)) = (mark, self.answered_at)
            && self.since != Some(mark)
        {
            let sample = mark.0.saturating_sub(answered.0);
            let was_set = self.offset_ms().is_some_and(|known| (known - sample).abs() > CLOCK_SET_MS);
            if was_set {
                self.offsets.clear();
                (self.least_ms, self.uploaded_until, self.since) = (None, None, None);
                // Their marks are of the clock as it was.
                self.receipts.iter_mut().for_each(|(_, mark)| *mark = None);
            }
            self.offsets.push(sample);
            let surplus = self.offsets.len().saturating_sub(CLOCK_SAMPLES);
            self.offsets.drain(..surplus);
        }
        if mark.is_some() && self.since < mark {
            self.uploaded_until = self.since.filter(|before| *before >= MARK_MIN).or(self.uploaded_until);
            self.receipts.iter_mut().for_each(|(_, until)| *until = until.or(mark));
        }
        self.stamped(mark, now);
        self.downloaded_at = Some(now);
        let from = since.unwrap_or(Timestamp(0));
        let went_back = mark.is_none() || self.since.is_some_and(|known| from < known);
        if went_back {
            self.again = Some((from, now));
        }
        if went_back || self.since == since {
            self.complete.clear();
        }
        if self.since != since || mark.is_none() {
            self.since = since;
            self.since_from = Some(now);
        }
    }

    /// A time of this node's clock, by its own as far as that is known.
    pub fn by_its_clock(&self, time: Timestamp) -> Timestamp {
        time.plus_ms(self.offset_ms().unwrap_or(self.ahead_ms))
    }

    /// A time of its clock, by this node's.
    pub fn by_our_clock(&self, time: Timestamp) -> Timestamp {
        time.plus_ms(-self.offset_ms().unwrap_or(self.ahead_ms))
    }

    /// When something that it stamped happened, by this node's clock; never in the future.
    pub fn instant(&self, stamp: Option<Timestamp>, now: Timestamp) -> Timestamp {
        stamp.map_or(now, |stamp| self.by_our_clock(stamp).min(now))
    }

    /// When it edited something, and how well that is known.
    pub fn edit_time(&self, at: Timestamp, copy: &Copy) -> EditTime {
        // A clock that was never measured, as of a client that tells no marks, is believed unless it is seen to be ahead.
        let error_ms = match self.offset_ms() {
            Some(_) => Some(self.error_ms()),
            None => (self.ahead_ms == 0).then_some(0),
        };
        let sent = self.downloaded_at.filter(|asked| copy.sent_at == Some(*asked));
        let fresh_from = sent.zip(error_ms).map(|(sent, error_ms)| sent.plus_ms(error_ms));
        EditTime { at, error_ms: self.error_ms(), fresh_from }
    }

    /// Whether it has a mark: it has none before its first round, and after each of its starts.
    pub fn has_mark(&self) -> bool {
        self.since.is_some_and(|mark| mark >= MARK_MIN)
    }
}

impl<S: Store> Replica<S> {
    pub(super) fn app(&mut self, token: &str) -> Result<App, ReplicaError> {
        if let Some(app) = self.apps.known.get(token) {
            return Ok(app.clone());
        }
        let Some(bytes) = self.get(&keys::app(token))? else { return Ok(App::default()) };
        postcard::from_bytes(&bytes).map_err(|_| ReplicaError::damaged("what is known of an app is unreadable"))
    }

    /// Remembers what is known of an app; in the store only if something rests on it that was sent or taken.
    pub(super) fn put_app(&mut self, token: &str, mut app: App, durable: bool) -> Result<(), ReplicaError> {
        let is_as_written = match (app.offset_ms(), app.written_offset_ms) {
            (Some(offset), Some(written)) => (offset - written).abs() < CLOCK_NEWS_MS,
            (None, _) => true,
            (Some(_), None) => false,
        };
        if durable || !is_as_written {
            app.written_offset_ms = app.offset_ms();
            let bytes = postcard::to_stdvec(&app).map_err(|_| ReplicaError::damaged("an app does not encode"))?;
            self.put(keys::app(token), Some(bytes));
        }
        self.apps.known.insert(token.to_owned(), app);
        Ok(())
    }

    pub(super) fn copy_of(&mut self, token: &str, credit: &CreditId) -> Result<Copy, ReplicaError> {
        match self.get(&keys::copy(token, credit))? {
            Some(bytes) => read_copy(&bytes),
            None => Ok(Copy::default()),
        }
    }

    pub(super) fn put_copy(&mut self, token: &str, credit: &CreditId, copy: &Copy) -> Result<(), ReplicaError> {
        let bytes = postcard::to_stdvec(copy).map_err(|_| ReplicaError::damaged("a version does not encode"))?;
        self.put(keys::copy(token, credit), Some(bytes));
        Ok(())
    }

    /// All that an app has of all credits.
    pub(super) fn copies(&mut self, token: &str) -> Result<BTreeMap<CreditId, Copy>, ReplicaError> {
        let start = keys::app(token);
        let mut found: BTreeMap<CreditId, Vec<u8>> = BTreeMap::new();
        let credit_of = |key: &[u8]| key.get(start.len()..)?.try_into().ok().map(CreditId);
        self.logs.store.scan(&start, &start, &mut |key, value| {
            found.extend(credit_of(key).map(|credit| (credit, value.to_vec())));
            ControlFlow::Continue(())
        })?;
        for (key, value) in self.pending.iter().filter(|(key, _)| key.starts_with(&start)) {
            if let (Some(credit), Some(value)) = (credit_of(key), value) {
                found.insert(credit, value.clone());
            }
        }
        found.into_iter().map(|(credit, bytes)| Ok((credit, read_copy(&bytes)?))).collect()
    }
}

fn read_copy(bytes: &[u8]) -> Result<Copy, ReplicaError> {
    postcard::from_bytes(bytes).map_err(|_| ReplicaError::damaged("what an app had is unreadable"))
}
