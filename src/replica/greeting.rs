//! What is heard from a device, and what is heard before it has shown that it is one of us.

use crate::membership::Credentials;
use crate::model::{DeviceKey, Timestamp};
use crate::replica::conduct::Misconduct;
use crate::replica::session::Session;
use crate::replica::{CommandError, Output, Replica};
use crate::store::Store;
use crate::wire::{Answered, FRAME_COST_BYTES, Message, PROTOCOL, STRANGER_FRAMES_MAX, decode};

/// How much a device may say before it has shown who it is: what is under way when it is asked.
const UNHEARD_MAX: u32 = 8;
/// Who greets again is greeted again, unless that was just done.
const GREETED_MS: i64 = 5_000;

impl<S: Store> Replica<S> {
    pub(super) fn connected(&mut self, peer: DeviceKey, now: Timestamp) {
        let mut session = Session::new(now);
        session.certificate = self.known_certificate(&peer, now);
        self.sessions.insert(peer, session);
        self.greet(peer, now);
    }

    /// Greets again everybody who is there: this device goes on under another incarnation, or by another clock.
    pub(super) fn greet_again(&mut self, now: Timestamp) {
        let peers: Vec<DeviceKey> = self.sessions.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.greet(peer, now));
    }

    fn greet(&mut self, peer: DeviceKey, now: Timestamp) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.greeted_at = now;
        }
        let digest = self.digest_for(&peer).unwrap_or_default();
        let (network, incarnation) = (self.fold.registry.network(), self.incarnation);
        self.send(peer, &Message::Hello { protocol: PROTOCOL, network, wall: now, digest, incarnation });
    }

    pub(super) fn disconnected(&mut self, peer: &DeviceKey) {
        self.sessions.remove(peer);
        self.settle_requests();
        self.answered_by(peer, None);
    }

    /// Something a device said: it is answered as long as that is within what the device may make this one do.
    pub(super) fn frame(&mut self, peer: DeviceKey, bytes: &[u8], now: Timestamp) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let message = match decode(bytes) {
            Ok(message) => message,
            Err(_) => return self.misbehaved(peer, Misconduct::Broken, "a frame that is no message", now),
        };
        if session.certificate.is_none() {
            session.stranger_frames += 1;
            if session.stranger_frames > STRANGER_FRAMES_MAX {
                return self.ban(peer, "a stranger that goes on talking");
            }
            return self.heard(peer, message, false, now);
        }
        let asked_for = matches!(message, Message::Entries(_) | Message::Sent) && session.outstanding > 0;
        if !self.conducts.at(peer, now).is_within() {
            return self.misbehaved(peer, Misconduct::Excess, "it asks without end", now);
        }
        let (is_want, before) = (matches!(message, Message::Want(_)), self.outputs.len());
        self.heard(peer, message, true, now);
        if asked_for {
            return;
        }
        // What was wanted is counted where it is given: what is new to the device costs it nothing.
        let answers = self.outputs.iter().skip(before).filter(|_| !is_want);
        let answers = answers.map(|output| match output {
            Output::Send { peer: to, bytes } if *to == peer => bytes.len(),
            _ => 0,
        });
        let cost = i64::try_from(answers.sum::<usize>()).unwrap_or(i64::MAX);
        self.conducts.at(peer, now).charge(cost.saturating_add(FRAME_COST_BYTES));
    }

    fn heard(&mut self, peer: DeviceKey, message: Message, certified: bool, now: Timestamp) {
        match message {
            Message::Hello { protocol, network, wall, digest, incarnation } => {
                if protocol != PROTOCOL {
                    self.send(peer, &Message::Refused(Answered::Version));
                    return self.ban(peer, "another version of the protocol");
                }
                if network != self.fold.registry.network() {
                    self.send(peer, &Message::Refused(Answered::Stranger));
                    return self.ban(peer, "a device of another network");
                }
                let mut is_again = false;
                if let Some(session) = self.sessions.get_mut(&peer) {
                    // Who greets again wants to know what the clock shows here.
                    let is_due = !(0..GREETED_MS).contains(&now.0.saturating_sub(session.greeted_at.0));
                    is_again = session.offset_ms.is_some() && is_due;
                    session.offset_ms = Some(wall.0.saturating_sub(now.0));
                    session.digest = Some(digest);
                    session.incarnation = Some(incarnation);
                }
                self.own_clock.told = true;
                if is_again {
                    self.greet(peer, now);
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
            Message::Want(wants) => self.wanted(peer, &wants, now),
            Message::Entries(packed) => {
                self.active(&peer, now);
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.delivered = true;
                }
                self.received(peer, &packed, true, now);
            }
            Message::Locate { log, places } => self.asked_where(peer, log, &places, now),
            Message::Branch { after, entries } => {
                self.active(&peer, now);
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.delivered = true;
                }
                self.told_branch(peer, after, &entries, now);
            }
            Message::Sent => {
                self.active(&peer, now);
                let mut is_empty = false;
                if let Some(session) = self.sessions.get_mut(&peer) {
                    is_empty = session.outstanding > 0;
                    session.outstanding = session.outstanding.saturating_sub(1);
                    // It had nothing of what it said it held: its word is not asked after again before it compares.
                    if std::mem::take(&mut session.delivered) {
                        is_empty = false;
                    } else {
                        session.theirs.clear();
                        session.give_up();
                    }
                }
                if is_empty {
                    self.misbehaved(peer, Misconduct::Empty, "it has not what it says it has", now);
                }
                self.pump(peer, now);
            }
            Message::Ask { shop, sim, amount } => self.asked_for_share(peer, shop, &sim, amount, now),
            Message::Given { shop, sim, amount } => self.answered_by(&peer, Some((shop, &sim, amount))),
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
                    session.own_digest = None;
                }
                self.own_clock.told = true;
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
            Err(CommandError::Refused(_) | CommandError::Lacks(_)) => Message::Refused(Answered::Unable),
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
                session.own_digest = None;
            }
            self.outputs.push(Output::Trust { peer });
            self.changed(now);
        }
    }
}
