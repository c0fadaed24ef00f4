//! What is known of a connected device, and what it was asked.

use std::collections::BTreeMap;

use crate::log::{Digest, Head, LogId};
use crate::membership::Certificate;
use crate::model::{Incarnation, Scope, Timestamp};

/// One connected device.
#[derive(Debug)]
pub(super) struct Session {
    /// Since when, for those who do not say who they are.
    pub since: Timestamp,
    /// What it showed or is known by, once that is believed. Nothing else is heard before.
    pub certificate: Option<Certificate>,
    /// What it said before it had shown who it is, beside greetings.
    pub unheard: u32,
    /// The digest it said last.
    pub digest: Option<Digest>,
    /// How far it said it holds each log.
    pub theirs: BTreeMap<LogId, Head>,
    /// How far it was asked for each log.
    pub requested: BTreeMap<LogId, u64>,
    /// Logs of which it was asked where its chain departs from ours, up to which entry both are known
    /// to be one, and when.
    pub located: BTreeMap<LogId, (u64, Timestamp)>,
    /// Requests it has not finished answering.
    pub outstanding: u32,
    /// Whether entries have come since the last request was answered.
    pub delivered: bool,
    /// When it was last asked or last answered.
    pub active_at: Timestamp,
    /// When the digest was last sent.
    pub compared_at: Timestamp,
    /// Something changed here since; when.
    pub changed_at: Option<Timestamp>,
    /// When it was last greeted.
    pub greeted_at: Timestamp,
    /// Its clock less ours when it greeted, in milliseconds.
    pub offset_ms: Option<i64>,
    /// Whether it held what we held when we last compared.
    pub in_step: bool,
    /// The digest of what both may read, and of which moves of the heads it is.
    pub own_digest: Option<(u64, Digest)>,
    /// Which life of its store it said it is.
    pub incarnation: Option<Incarnation>,
    /// How far each log was given to it: who asks for the same again has to wait at some time.
    pub given: BTreeMap<LogId, u64>,
    /// How much it said in all before it had shown who it is.
    pub stranger_frames: u32,
}

impl Session {
    pub fn new(now: Timestamp) -> Session {
        Session {
            since: now,
            certificate: None,
            unheard: 0,
            digest: None,
            theirs: BTreeMap::new(),
            requested: BTreeMap::new(),
            located: BTreeMap::new(),
            outstanding: 0,
            delivered: false,
            active_at: now,
            compared_at: now,
            changed_at: None,
            greeted_at: now,
            offset_ms: None,
            in_step: false,
            own_digest: None,
            incarnation: None,
            given: BTreeMap::new(),
            stranger_frames: 0,
        }
    }

    /// Takes what the device says of the logs of these scopes in the place of what it said before; or, where it follows
    /// what did not fit, beside it.
    pub fn told(&mut self, scopes: &[Scope], follows: bool, positions: impl Iterator<Item = (LogId, Head)>) {
        self.theirs.retain(|log, _| !scopes.contains(&log.scope));
        self.theirs.extend(positions.filter(|(log, _)| follows || scopes.contains(&log.scope)));
    }

    /// Forgets what was asked: to be asked again, of this device or another.
    pub fn give_up(&mut self) {
        self.outstanding = 0;
        self.requested.clear();
    }
}

/// What a device was last known to hold; kept when it goes.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// How far it holds each log.
    pub numbers: BTreeMap<LogId, u64>,
    /// When it last held all that we held.
    pub in_step_at: Option<Timestamp>,
}
