//! Comparing with other devices: digests first, then positions, then entries (`transfer`): cost follows the
//! difference, not the history.

use std::collections::BTreeSet;

use crate::log::{Digest, Head, LogId};
use crate::membership::{Certificate, ReadScope, Role};
use crate::model::{DeviceKey, Scope, ShopId, Timestamp};
use crate::replica::conduct::Misconduct;
use crate::replica::session::Seen;
use crate::replica::{Output, Replica};
use crate::store::Store;
use crate::wire::{Answered, BAN_MS, LOGS_TOLD_MAX, Message, POSITIONS_MAX, Position, SCOPES_MAX, ScopeDigest, encode};

/// Entries handed over since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub sent: u64,
    pub received: u64,
    /// Of those received, how many came by gossip; comparing brought the rest.
    pub gossiped: u64,
    pub rounds: u64,
}

impl<S: Store> Replica<S> {
    pub(super) fn send(&mut self, peer: DeviceKey, message: &Message) {
        self.outputs.push(Output::Send { peer, bytes: encode(message) });
    }

    /// Leaves a device alone for a while that did nothing wrong, but with which there is nothing to talk about.
    pub(super) fn ban(&mut self, peer: DeviceKey, reason: &'static str) {
        self.leave(peer, BAN_MS, reason);
    }

    /// Counts what a device did that it should not, and leaves it alone if that was too much: longer each time.
    pub(super) fn misbehaved(&mut self, peer: DeviceKey, how: Misconduct, reason: &'static str, now: Timestamp) {
        if let Some(for_ms) = self.conducts.misbehaved(peer, how, now) {
            self.leave(peer, for_ms, reason);
        }
    }

    fn leave(&mut self, peer: DeviceKey, for_ms: u64, reason: &'static str) {
        self.sessions.remove(&peer);
        self.outputs.push(Output::Ban { peer, for_ms, reason });
    }

    /// The certificate by which a device is known from the registry, if connections with it have not ended.
    pub(super) fn known_certificate(&self, peer: &DeviceKey, now: Timestamp) -> Option<Certificate> {
        let certificate = self.fold.registry.member(peer)?.certificate();
        self.is_current(peer, certificate, now).then(|| certificate.clone())
    }

    pub(super) fn is_current(&self, peer: &DeviceKey, certificate: &Certificate, now: Timestamp) -> bool {
        !self.fold.registry.is_revoked(peer)
            && certificate.expires_at.is_none_or(|end| now < end || !self.is_possible(now))
    }

    /// Whether entries of a scope pass between this device and that one: both must be allowed to read it.
    fn shares(own: Option<(ShopId, Role, ReadScope)>, peer: &Certificate, scope: Scope) -> bool {
        let reads = |shop: ShopId, read: ReadScope| match (scope, read) {
            (Scope::Registry, _) | (_, ReadScope::All) => true,
            (Scope::Shop(wanted), ReadScope::Own) => wanted == shop,
        };
        own.is_some_and(|(shop, _, read)| reads(shop, read)) && reads(peer.shop, peer.read)
    }

    pub(super) fn shared(&self, peer: &DeviceKey) -> Option<impl Fn(Scope) -> bool + use<S>> {
        let certificate = self.sessions.get(peer)?.certificate.clone()?;
        let own = self.own_standing();
        Some(move |scope| Replica::<S>::shares(own, &certificate, scope))
    }

    pub(super) fn digest_for(&mut self, peer: &DeviceKey) -> Option<Digest> {
        let moves = self.logs.moves();
        let known = self.sessions.get(peer)?.own_digest.filter(|(of, _)| *of == moves);
        if let Some((_, digest)) = known {
            return Some(digest);
        }
        let digest = self.logs.digest(self.shared(peer)?);
        self.sessions.get_mut(peer)?.own_digest = Some((moves, digest));
        Some(digest)
    }

    /// Both sides have greeted: equal digests end it; otherwise the one with the lower key goes on.
    pub(super) fn greeted(&mut self, peer: DeviceKey, now: Timestamp) {
        self.outputs.push(Output::Trust { peer });
        let theirs = self.sessions.get(&peer).and_then(|session| session.digest);
        if theirs.is_some() && theirs == self.digest_for(&peer) {
            self.in_step(peer, now);
        } else if self.device() < peer {
            self.send_scopes(peer);
        }
    }

    pub(super) fn send_digest(&mut self, peer: DeviceKey, now: Timestamp) {
        let Some(digest) = self.digest_for(&peer) else { return };
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.compared_at = now;
            session.changed_at = None;
        }
        self.send(peer, &Message::Digest(digest));
        self.traffic.rounds += 1;
    }

    pub(super) fn compared(&mut self, peer: DeviceKey, digest: Digest, answer: bool, now: Timestamp) {
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

    pub(super) fn told_scopes(&mut self, peer: DeviceKey, theirs: &[ScopeDigest]) {
        let Some(shared) = self.shared(&peer) else { return };
        let mut differing: BTreeSet<Scope> =
            theirs.iter().filter(|one| self.logs.scope_digest(one.scope) != one.digest).map(|one| one.scope).collect();
        let named: BTreeSet<Scope> = theirs.iter().map(|one| one.scope).collect();
        differing.extend(self.logs.scopes().into_iter().filter(|own| !named.contains(own)));
        differing.retain(|scope| shared(*scope));
        if !differing.is_empty() {
            self.send_positions(peer, differing.into_iter().collect(), true);
        }
    }

    /// Tells how far each log of these scopes is held. What does not fit into one message follows in others that name
    /// no scope: they add to what the first has said.
    fn send_positions(&mut self, peer: DeviceKey, scopes: Vec<Scope>, answer: bool) {
        let of = |scope: &Scope| self.logs.of_scope(*scope).collect::<Vec<(&LogId, &Head)>>();
        let mut positions: Vec<Position> =
            scopes.iter().flat_map(of).map(|(log, head)| Position { log: *log, head: *head }).collect();
        positions.truncate(LOGS_TOLD_MAX);
        let mut scopes = Some(scopes);
        loop {
            let rest = positions.split_off(positions.len().min(POSITIONS_MAX));
            let (scopes, answer) = scopes.take().map_or((Vec::new(), false), |scopes| (scopes, answer));
            self.send(peer, &Message::Positions { scopes, positions, answer });
            if rest.is_empty() {
                return;
            }
            positions = rest;
        }
    }

    pub(super) fn told_positions(
        &mut self,
        peer: DeviceKey,
        scopes: &[Scope],
        positions: &[Position],
        answer: bool,
        now: Timestamp,
    ) {
        let Some(shared) = self.shared(&peer) else { return };
        // Each once: a scope named a thousand times would be answered as often.
        let named: BTreeSet<Scope> = scopes.iter().copied().filter(|scope| shared(*scope)).collect();
        let follows = scopes.is_empty();
        let scopes: Vec<Scope> = named.into_iter().collect();
        let positions: Vec<Position> =
            positions.iter().filter(|one| if follows { shared(one.log.scope) } else { true }).copied().collect();
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.told(&scopes, follows, positions.iter().map(|one| (one.log, one.head)));
            // Message by message a device could name scopes without end.
            if session.theirs.len() > LOGS_TOLD_MAX {
                return self.misbehaved(peer, Misconduct::Broken, "more logs than a company has", now);
            }
        }
        // Of logs that are not held here nobody asks who has seen them; and nobody has seen of a log more than there is,
        // or another entry where ours ends.
        let device = self.device();
        let confirmed = |one: &Position| {
            let own = self.logs.held().get(&one.log)?.head;
            // Of its own log nobody else holds more than a device itself.
            let is_beyond = one.log.device == device && one.head.number > own.number;
            let is_ours = one.head.number != own.number || one.head.hash == own.hash;
            (is_ours && !is_beyond).then_some((one.log, one.head.number.min(own.number)))
        };
        let numbers: Vec<(LogId, u64)> = positions.iter().filter_map(confirmed).collect();
        // As many entries, and another one at the end: neither would ask the other for more.
        let own = |one: &Position| self.logs.held().get(&one.log).map(|held| held.head);
        let parted = |one: &&Position| own(one).is_some_and(|own| own.number == one.head.number && own != one.head);
        let parted: Vec<LogId> = positions.iter().filter(parted).map(|one| one.log).collect();
        self.seen.entry(peer).or_default().numbers.extend(numbers);
        self.told_after_asked(peer, &positions, now);
        for log in parted {
            self.locate(peer, log, now);
        }
        if answer && !scopes.is_empty() {
            self.send_positions(peer, scopes, false);
        }
        self.pump(peer, now);
    }

    /// Whether this device itself may read a scope.
    pub(super) fn reads(&self, scope: Scope) -> bool {
        match (self.own_standing(), scope) {
            (_, Scope::Registry) | (Some((_, _, ReadScope::All)), _) => true,
            (Some((shop, _, ReadScope::Own)), Scope::Shop(wanted)) => shop == wanted,
            (None, _) => false,
        }
    }

    pub(super) fn compare_soon(&mut self, peer: &DeviceKey, now: Timestamp) {
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

    /// Whether anything is being fetched.
    pub(super) fn is_syncing(&self) -> bool {
        self.sessions.values().any(|session| session.outstanding > 0)
    }
}
