//! Comparing with other devices, asking for what is missing, and answering them.
//!
//! Digests first, then positions, then entries: cost follows the difference, not the history (`wire`). What is
//! asked for is bounded, and asked again from where it stood. A device that is silent is not waited for.

use std::collections::BTreeSet;

use crate::log::{Digest, Head, LogId, SuffixError, check_suffix};
use crate::membership::{Certificate, Credentials, ReadScope, Role};
use crate::model::{DeviceKey, Scope, ShopId, Timestamp};
use crate::replica::fold::EntryRef;
use crate::replica::session::{Seen, Session};
use crate::replica::{CommandError, Output, Replica};
use crate::store::Store;
use crate::wire::{
    Answered, Message, PROTOCOL, Packed, Position, SCOPES_MAX, ScopeDigest, WANT_ENTRIES_MAX, WANTS_MAX, Want, decode,
    encode,
};

/// Entries handed over since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub sent: u64,
    pub received: u64,
}

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
/// How much a device may say before it has shown who it is: what is under way when it is asked.
const UNHEARD_MAX: u32 = 8;
/// How long a device may take over a request before it is given up and another is asked.
const STALLED_MS: i64 = 20_000;
/// How long things must be quiet before a change is compared: what gossip missed is found this soon.
const QUIET_MS: i64 = 250;
/// How long somebody who asked for a comparison waits for it.
const REQUESTED_MS: i64 = 10_000;
/// For how long a device that is none of ours, or breaks the protocol, is left alone.
const BAN_MS: u64 = 60_000;
/// How far ahead of this device's clock a stamp may be and still pull its hybrid clock (`domain`, rule 6).
const BELIEVED_AHEAD_MS: i64 = 5 * 60_000;
/// Requests under way with one device: one being answered while the one before is stored.
const OUTSTANDING_MAX: u32 = 2;

impl<S: Store> Replica<S> {
    fn send(&mut self, peer: DeviceKey, message: &Message) {
        self.outputs.push(Output::Send { peer, bytes: encode(message) });
    }

    fn ban(&mut self, peer: DeviceKey, reason: &'static str) {
        self.sessions.remove(&peer);
        self.outputs.push(Output::Ban { peer, for_ms: BAN_MS, reason });
    }

    pub(super) fn connected(&mut self, peer: DeviceKey, now: Timestamp) {
        let mut session = Session::new(now);
        session.certificate = self.known_certificate(&peer, now);
        self.sessions.insert(peer, session);
        let digest = self.digest_for(&peer).unwrap_or_default();
        let network = self.fold.registry.network();
        self.send(peer, &Message::Hello { protocol: PROTOCOL, network, wall: now, digest });
    }

    pub(super) fn disconnected(&mut self, peer: &DeviceKey) {
        self.sessions.remove(peer);
        self.settle_requests();
    }

    /// The certificate by which a device is known from the registry, if connections with it have not ended.
    fn known_certificate(&self, peer: &DeviceKey, now: Timestamp) -> Option<Certificate> {
        let certificate = self.fold.registry.member(peer)?.certificate();
        self.is_current(peer, certificate, now).then(|| certificate.clone())
    }

    fn is_current(&self, peer: &DeviceKey, certificate: &Certificate, now: Timestamp) -> bool {
        !self.fold.registry.is_revoked(peer) && certificate.expires_at.is_none_or(|end| now < end)
    }

    /// Whether entries of a scope pass between this device and that one: both must be allowed to read it.
    fn shares(own: Option<(ShopId, Role, ReadScope)>, peer: &Certificate, scope: Scope) -> bool {
        let reads = |shop: ShopId, read: ReadScope| match (scope, read) {
            (Scope::Registry, _) | (_, ReadScope::All) => true,
            (Scope::Shop(wanted), ReadScope::Own) => wanted == shop,
        };
        own.is_some_and(|(shop, _, read)| reads(shop, read)) && reads(peer.shop, peer.read)
    }

    fn shared(&self, peer: &DeviceKey) -> Option<impl Fn(Scope) -> bool + use<S>> {
        let certificate = self.sessions.get(peer)?.certificate.clone()?;
        let own = self.own_standing();
        Some(move |scope| Replica::<S>::shares(own, &certificate, scope))
    }

    fn digest_for(&self, peer: &DeviceKey) -> Option<Digest> {
        Some(self.logs.digest(self.shared(peer)?))
    }

    /// Something a device said.
    pub(super) fn frame(&mut self, peer: DeviceKey, bytes: &[u8], now: Timestamp) {
        if !self.sessions.contains_key(&peer) {
            return;
        }
        let message = match decode(bytes) {
            Ok(message) => message,
            Err(_) => return self.ban(peer, "a frame that is no message"),
        };
        let certified = self.sessions.get(&peer).is_some_and(|session| session.certificate.is_some());
        match message {
            Message::Hello { protocol, network, wall, digest } => {
                if protocol != PROTOCOL {
                    self.send(peer, &Message::Refused(Answered::Version));
                    return self.ban(peer, "another version of the protocol");
                }
                if network != self.fold.registry.network() {
                    self.send(peer, &Message::Refused(Answered::Stranger));
                    return self.ban(peer, "a device of another network");
                }
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.offset_ms = Some(wall.0.saturating_sub(now.0));
                    session.digest = Some(digest);
                }
                if certified { self.greeted(peer, now) } else { self.send(peer, &Message::WhoAreYou) }
            }
            Message::WhoAreYou => match self.own_credentials() {
                Some(credentials) => self.send(peer, &Message::Credentials(Box::new(credentials))),
                None => self.send(peer, &Message::Refused(Answered::Unable)),
            },
            Message::Credentials(credentials) => self.shown(peer, &credentials, now),
            Message::Join { invitation, proof, name } => self.asked_to_join(peer, &invitation, &proof, &name, now),
            Message::Refused(_) => self.ban(peer, "it refuses this device"),
            // Nothing else is heard from a device that has not shown that it is one of us.
            _ if !certified => self.unheard(peer),
            Message::Digest(digest) => self.compared(peer, digest, true, now),
            Message::Same(digest) => self.compared(peer, digest, false, now),
            Message::Scopes(scopes) => self.told_scopes(peer, &scopes),
            Message::Positions { scopes, positions, answer } => {
                self.told_positions(peer, &scopes, &positions, answer, now);
            }
            Message::Want(wants) => self.wanted(peer, &wants),
            Message::Entries(packed) => {
                self.active(&peer, now);
                self.received(peer, &packed, true, now);
            }
            Message::Sent => {
                self.active(&peer, now);
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.outstanding = session.outstanding.saturating_sub(1);
                }
                self.pump(peer, now);
            }
            // Of interest to a joiner only.
            Message::Joined { .. } => {}
        }
    }

    /// A device that was met before it could greet (a joiner's inviter) is asked who it is; one that goes on talking
    /// is left.
    fn unheard(&mut self, peer: DeviceKey) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.unheard += 1;
        match session.unheard {
            1 => self.send(peer, &Message::WhoAreYou),
            2..=UNHEARD_MAX => {}
            _ => {
                self.send(peer, &Message::Refused(Answered::Stranger));
                self.ban(peer, "not a device of this network");
            }
        }
    }

    fn active(&mut self, peer: &DeviceKey, now: Timestamp) {
        if let Some(session) = self.sessions.get_mut(peer) {
            session.active_at = now;
        }
    }

    fn shown(&mut self, peer: DeviceKey, credentials: &Credentials, now: Timestamp) {
        let network = self.fold.registry.network();
        let believed = credentials.check(network, &peer).ok();
        match believed.filter(|certificate| self.is_current(&peer, certificate, now)) {
            Some(certificate) => {
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.certificate = Some(certificate);
                }
                self.outputs.push(Output::Trust { peer });
                self.send_digest(peer, now);
            }
            None => {
                self.send(peer, &Message::Refused(Answered::Stranger));
                self.ban(peer, "not a device of this network");
            }
        }
    }

    fn asked_to_join(&mut self, peer: DeviceKey, invitation: &[u8; 8], proof: &[u8; 32], name: &str, now: Timestamp) {
        let answer = match self.redeem(peer, invitation, proof, name, now) {
            Ok(answer) => answer,
            Err(CommandError::Refused(_)) => Message::Refused(Answered::Unable),
            Err(CommandError::Failed(error)) => {
                self.fail(&error);
                return;
            }
        };
        let admitted = matches!(answer, Message::Joined { .. });
        self.send(peer, &answer);
        if admitted {
            let certificate = self.known_certificate(&peer, now);
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.certificate = certificate;
            }
            self.outputs.push(Output::Trust { peer });
            self.changed(now);
        }
    }

    /// Both sides have greeted: equal digests end it; otherwise the one with the lower key goes on.
    fn greeted(&mut self, peer: DeviceKey, now: Timestamp) {
        self.outputs.push(Output::Trust { peer });
        let theirs = self.sessions.get(&peer).and_then(|session| session.digest);
        if theirs.is_some() && theirs == self.digest_for(&peer) {
            self.in_step(peer, now);
        } else if self.device() < peer {
            self.send_scopes(peer);
        }
    }

    fn send_digest(&mut self, peer: DeviceKey, now: Timestamp) {
        let Some(digest) = self.digest_for(&peer) else { return };
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.compared_at = now;
            session.changed_at = None;
        }
        self.send(peer, &Message::Digest(digest));
    }

    fn compared(&mut self, peer: DeviceKey, digest: Digest, answer: bool, now: Timestamp) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.digest = Some(digest);
        }
        if self.digest_for(&peer) == Some(digest) {
            self.in_step(peer, now);
            if answer {
                self.send(peer, &Message::Same(digest));
            }
        } else {
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.in_step = false;
            }
            if answer {
                self.send_scopes(peer);
            }
        }
    }

    /// The peer holds what we hold.
    fn in_step(&mut self, peer: DeviceKey, now: Timestamp) {
        let Some(shared) = self.shared(&peer) else { return };
        let held = self.logs.held().iter().filter(|(log, _)| shared(log.scope));
        let numbers = held.map(|(log, held)| (*log, held.head.number)).collect();
        self.seen.insert(peer, Seen { numbers, in_step_at: Some(now) });
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.in_step = true;
            session.give_up();
        }
        self.requests_heard(&peer);
    }

    fn send_scopes(&mut self, peer: DeviceKey) {
        let Some(shared) = self.shared(&peer) else { return };
        let scopes = self.logs.scopes().into_iter().filter(|scope| shared(*scope)).take(SCOPES_MAX);
        let scopes = scopes.map(|scope| ScopeDigest { scope, digest: self.logs.scope_digest(scope) }).collect();
        self.send(peer, &Message::Scopes(scopes));
    }

    fn told_scopes(&mut self, peer: DeviceKey, theirs: &[ScopeDigest]) {
        let Some(shared) = self.shared(&peer) else { return };
        let mut differing: BTreeSet<Scope> =
            theirs.iter().filter(|one| self.logs.scope_digest(one.scope) != one.digest).map(|one| one.scope).collect();
        differing.extend(self.logs.scopes().into_iter().filter(|own| !theirs.iter().any(|one| one.scope == *own)));
        differing.retain(|scope| shared(*scope));
        if !differing.is_empty() {
            self.send_positions(peer, differing.into_iter().collect(), true);
        }
    }

    fn send_positions(&mut self, peer: DeviceKey, scopes: Vec<Scope>, answer: bool) {
        let of = |scope: &Scope| self.logs.of_scope(*scope).collect::<Vec<(&LogId, &Head)>>();
        let positions = scopes.iter().flat_map(of).map(|(log, head)| Position { log: *log, head: *head }).collect();
        self.send(peer, &Message::Positions { scopes, positions, answer });
    }

    fn told_positions(
        &mut self,
        peer: DeviceKey,
        scopes: &[Scope],
        positions: &[Position],
        answer: bool,
        now: Timestamp,
    ) {
        let Some(shared) = self.shared(&peer) else { return };
        let scopes: Vec<Scope> = scopes.iter().copied().filter(|scope| shared(*scope)).collect();
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.told(&scopes, positions.iter().map(|one| (one.log, one.head)));
        }
        let seen = self.seen.entry(peer).or_default();
        seen.numbers.extend(positions.iter().map(|one| (one.log, one.head.number)));
        if answer {
            self.send_positions(peer, scopes, false);
        }
        self.pump(peer, now);
    }

    /// Asks a device for what it holds and we lack, as much as may be under way.
    fn pump(&mut self, peer: DeviceKey, now: Timestamp) {
        loop {
            let wants = self.next_wants(&peer);
            let Some(session) = self.sessions.get_mut(&peer) else { return };
            if wants.is_empty() {
                // All that was asked for is here: see whether that is all there is.
                if session.outstanding == 0 && !session.requested.is_empty() {
                    session.requested.clear();
                    self.send_digest(peer, now);
                }
                return;
            }
            if session.outstanding >= OUTSTANDING_MAX {
                return;
            }
            session.outstanding += 1;
            session.active_at = now;
            for want in &wants {
                session.requested.insert(want.log, want.to);
            }
            self.send(peer, &Message::Want(wants));
        }
    }

    fn next_wants(&self, peer: &DeviceKey) -> Vec<Want> {
        let Some(session) = self.sessions.get(peer) else { return Vec::new() };
        let Some(shared) = self.shared(peer) else { return Vec::new() };
        let under_way = |log: &LogId| {
            let asked = self.sessions.values().filter_map(|session| session.requested.get(log));
            asked.max().copied().unwrap_or(0)
        };
        let mut registry_first = false;
        let mut budget = WANT_ENTRIES_MAX;
        let mut wants = Vec::new();
        // The registry sorts first: who may write is learnt before what was written.
        for (log, head) in &session.theirs {
            let held = self.logs.head(log).number;
            let own = log.device == self.device() && log.incarnation == self.incarnation;
            if head.number <= held || own || !shared(log.scope) || !self.fold.registry.knows(&log.device) {
                continue;
            }
            registry_first |= log.scope == Scope::Registry;
            let from = held.max(under_way(log)) + 1;
            if registry_first && log.scope != Scope::Registry || wants.len() == WANTS_MAX || budget == 0 {
                break;
            }
            if from <= head.number {
                let to = head.number.min(from + budget - 1);
                budget -= to - from + 1;
                wants.push(Want { log: *log, from, to });
            }
        }
        wants
    }

    fn wanted(&mut self, peer: DeviceKey, wants: &[Want]) {
        let Some(shared) = self.shared(&peer) else { return };
        let mut budget = WANT_ENTRIES_MAX;
        for want in wants.iter().filter(|want| shared(want.log.scope)) {
            let mut from = want.from;
            while from <= want.to && budget > 0 {
                let suffix = match self.logs.suffix(&want.log, from, want.to) {
                    Ok(Some(suffix)) => suffix,
                    Ok(None) => break,
                    Err(error) => return self.fail(&error),
                };
                let count = suffix.bodies.len() as u64;
                from += count;
                budget = budget.saturating_sub(count);
                self.traffic.sent += count;
                self.send(peer, &Message::Entries(Packed::pack(&suffix)));
            }
        }
        self.send(peer, &Message::Sent);
    }

    /// Gossip is a hint: what continues a log is taken, what does not makes us compare.
    pub(super) fn gossip(&mut self, from: DeviceKey, bytes: &[u8], now: Timestamp) {
        if let Ok(Message::Entries(packed)) = decode(bytes) {
            self.received(from, &packed, false, now);
        }
    }

    fn received(&mut self, peer: DeviceKey, packed: &Packed, asked_for: bool, now: Timestamp) {
        let log = packed.log();
        let own = log.device == self.device() && log.incarnation == self.incarnation;
        if own || self.failed.is_some() || !self.reads(log.scope) {
            return;
        }
        if !self.fold.registry.knows(&log.device) {
            // Its certificate has not come yet: the next comparison brings it first.
            return self.compare_soon(&peer, now);
        }
        let head = self.logs.head(&log);
        if packed.last() <= head.number {
            return;
        }
        let Ok(suffix) = packed.unpack() else { return self.ban(peer, "entries that do not unpack") };
        let entries = match check_suffix(&head, &suffix) {
            Ok(entries) => entries,
            Err(SuffixError::Old) => return,
            Err(SuffixError::Gap { .. }) => return self.compare_soon(&peer, now),
            Err(SuffixError::Bounds) => return self.ban(peer, "more entries than one signature may cover"),
            // No verdict on the log: whoever handed it on may not have checked.
            Err(SuffixError::Signature) if asked_for => return self.ban(peer, "entries that are not signed"),
            Err(SuffixError::Signature) => return,
        };
        self.traffic.received += entries.len() as u64;
        let members = self.fold.registry.members().len() + self.fold.registry.revoked().len();
        let index = self.logs.extend(&log, &entries, suffix.signature);
        for entry in &entries {
            let at = EntryRef { log: index, number: entry.number };
            let taken = self.fold.take(&self.logs, at, &log, &entry.body);
            if let Err(error) = taken {
                return self.fail(&error);
            }
            if let Ok(body) = &entry.body
                && body.stamp.time() <= now.plus_ms(BELIEVED_AHEAD_MS)
            {
                self.clock = self.clock.max(body.stamp);
            }
        }
        if members != self.fold.registry.members().len() + self.fold.registry.revoked().len() {
            self.leave_revoked();
        }
        self.changed(now);
    }

    /// Whether this device itself may read a scope.
    fn reads(&self, scope: Scope) -> bool {
        match (self.own_standing(), scope) {
            (_, Scope::Registry) | (Some((_, _, ReadScope::All)), _) => true,
            (Some((shop, _, ReadScope::Own)), Scope::Shop(wanted)) => shop == wanted,
            (None, _) => false,
        }
    }

    fn compare_soon(&mut self, peer: &DeviceKey, now: Timestamp) {
        if let Some(session) = self.sessions.get_mut(peer) {
            session.changed_at = Some(now);
        }
    }

    /// Something changed here: all are to be compared with once things are quiet.
    pub(super) fn changed(&mut self, now: Timestamp) {
        for session in self.sessions.values_mut().filter(|session| session.certificate.is_some()) {
            session.changed_at = Some(now);
        }
    }

    /// Ends connections with devices whose certificates were revoked.
    pub(super) fn leave_revoked(&mut self) {
        let revoked: Vec<DeviceKey> =
            self.sessions.keys().filter(|peer| self.fold.registry.is_revoked(peer)).copied().collect();
        for peer in revoked {
            self.send(peer, &Message::Refused(Answered::Stranger));
            self.ban(peer, "its certificate was revoked");
        }
    }

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

    fn requests_heard(&mut self, peer: &DeviceKey) {
        for request in &mut self.syncs {
            request.open.remove(peer);
        }
        self.settle_requests();
    }

    /// Reports the comparisons that wait for nobody any more.
    fn settle_requests(&mut self) {
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

    /// How many own entries no other device is known to hold.
    pub(super) fn pending_count(&self) -> u64 {
        let own = self.logs.held().iter().filter(|(log, _)| {
            log.device == self.device() || Some(log.device) == self.authority_log().map(|log| log.device)
        });
        own.map(|(log, held)| {
            let confirmed = self.seen.values().filter_map(|seen| seen.numbers.get(log)).max();
            held.head.number.saturating_sub(confirmed.copied().unwrap_or(0))
        })
        .sum()
    }

    /// How many devices, this one included, hold all of these entries.
    pub(super) fn seen_by(&self, entries: &[(LogId, u64)]) -> u32 {
        let holds =
            |seen: &&Seen| entries.iter().all(|(log, number)| seen.numbers.get(log).is_some_and(|held| held >= number));
        1 + self.seen.values().filter(holds).count() as u32
    }

    /// Whether anything is being fetched.
    pub(super) fn is_syncing(&self) -> bool {
        self.sessions.values().any(|session| session.outstanding > 0)
    }
}
