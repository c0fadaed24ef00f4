//! What is done as time passes: the regular comparison, giving up on the silent, answering who asked for a round.

use std::collections::BTreeSet;

use crate::model::{DeviceKey, Timestamp};
use crate::replica::sync::Traffic;
use crate::replica::{Output, Replica};
use crate::store::Store;

/// A comparison that somebody waits for.
#[derive(Debug)]
pub(super) struct Requested {
    ticket: u64,
    deadline: Timestamp,
    asked: u32,
    open: BTreeSet<DeviceKey>,
    before: Traffic,
}

/// How long a stranger may take to say who it is.
const STRANGER_MS: i64 = 10_000;
/// How long a device may take over a request before it is given up and another is asked.
const STALLED_MS: i64 = 20_000;
/// How long things must be quiet before a change is compared: what gossip missed is found this soon.
const QUIET_MS: i64 = 250;
/// How long somebody who asked for a comparison waits for it.
const REQUESTED_MS: i64 = 10_000;

impl<S: Store> Replica<S> {
    pub(super) fn tick(&mut self, now: Timestamp) {
        let mut due = Vec::new();
        let mut strangers = Vec::new();
        let mut stalled = Vec::new();
        for (peer, session) in &mut self.sessions {
            let since = |then: Timestamp| now.0.saturating_sub(then.0);
            if session.certificate.is_none() {
                if since(session.since) > STRANGER_MS {
                    strangers.push(*peer);
                }
                continue;
            }
            if session.outstanding > 0 && since(session.active_at) > STALLED_MS {
                session.give_up();
                stalled.push(*peer);
            }
            let quiet = session.changed_at.is_some_and(|changed| since(changed) >= QUIET_MS);
            let idle = session.outstanding == 0;
            // A clock that was set back must not silence the comparison.
            let elapsed = since(session.compared_at);
            if idle && (quiet || elapsed >= self.sync_every_ms || elapsed < 0) {
                due.push(*peer);
            }
        }
        strangers.into_iter().for_each(|peer| self.ban(peer, "it did not say who it is"));
        due.into_iter().for_each(|peer| self.send_digest(peer, now));
        if !stalled.is_empty() {
            let others: Vec<DeviceKey> = self.sessions.keys().copied().collect();
            others.into_iter().filter(|peer| !stalled.contains(peer)).for_each(|peer| self.pump(peer, now));
        }
        self.steward.ticked = true;
        let late: Vec<Requested> = self.syncs.extract_if(.., |one| one.deadline <= now).collect();
        late.into_iter().for_each(|one| self.report(one));
    }

    pub(super) fn sync_requested(&mut self, ticket: u64, now: Timestamp) {
        let peers: BTreeSet<DeviceKey> =
            self.sessions.iter().filter(|(_, session)| session.certificate.is_some()).map(|(peer, _)| *peer).collect();
        let request = Requested {
            ticket,
            deadline: now.plus_ms(REQUESTED_MS),
            asked: peers.len() as u32,
            open: peers.clone(),
            before: self.traffic,
        };
        peers.into_iter().for_each(|peer| self.send_digest(peer, now));
        self.syncs.push(request);
        self.settle_requests();
    }

    pub(super) fn requests_heard(&mut self, peer: &DeviceKey) {
        for request in &mut self.syncs {
            request.open.remove(peer);
        }
        self.settle_requests();
    }

    /// Reports the comparisons that wait for nobody any more.
    pub(super) fn settle_requests(&mut self) {
        let sessions = &self.sessions;
        let done: Vec<Requested> =
            self.syncs.extract_if(.., |request| !request.open.iter().any(|peer| sessions.contains_key(peer))).collect();
        done.into_iter().for_each(|request| self.report(request));
    }

    fn report(&mut self, request: Requested) {
        let open = request.open.len() as u32;
        self.outputs.push(Output::Synced {
            ticket: request.ticket,
            peers: request.asked,
            in_step: request.asked - open,
            sent: self.traffic.sent - request.before.sent,
            received: self.traffic.received - request.before.received,
        });
    }
}
