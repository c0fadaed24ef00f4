//! Devices in wrong hands: keys that the network certified, and that write what no honest device would, rightly
//! chained and signed. Nothing of it may have an effect, stop anybody, or drive honest devices apart.
//!
//! What an honest program would also have written (a cashier who lies about cash) is not here: no program can tell.

use std::collections::VecDeque;
use std::rc::Rc;

use automerge::Change;
use automerge::legacy::{ObjectId, OpId};

use crate::document::DocumentState;
use crate::lab::Draw;
use crate::lab::auditor::Broken;
use crate::lab::trace::Happened;
use crate::lab::world::{Phase, World};
use crate::log::{Body, Head, LogId, SigningKey, Suffix, actor_of, credit_id, movement_id, next_hash, root_of, sign};
use crate::membership::{Invitation, ReadScope, Role};
use crate::model::{
    Beneficiary, BeneficiaryKind, CreditId, DocumentId, Gift, Grant, Hlc, Incarnation, Month, Movement, MovementId,
    MovementKind, Operation, Reference, Scope, ShopId, SimNumber, Timestamp,
};
use crate::money::{Amount, Currency};
use crate::replica::{Answer, Command, Input, Joiner};
use crate::wire::{Message, Packed, decode, encode};

/// What a stolen key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attack {
    /// A credit is granted from a share that the thief does not have.
    Overspend,
    /// A share is given that the thief does not have, to itself under another incarnation, which takes it.
    GiftOfNothing,
    /// A device that may only read writes money.
    NoRight,
    /// A change that does not fit its place.
    ForgedShape,
    /// Entries in another device's name, not signed by it.
    NotSigned,
    /// What was once gossiped, by whomever, is said again.
    Replay,
    /// The stolen log is continued in two ways, each told to another device.
    Fork,
}

impl Attack {
    pub const ALL: [Attack; 7] = [
        Attack::Overspend,
        Attack::GiftOfNothing,
        Attack::NoRight,
        Attack::ForgedShape,
        Attack::NotSigned,
        Attack::Replay,
        Attack::Fork,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Attack::Overspend => "overspend",
            Attack::GiftOfNothing => "gift of nothing",
            Attack::NoRight => "no right",
            Attack::ForgedShape => "forged shape",
            Attack::NotSigned => "not signed",
            Attack::Replay => "replay",
            Attack::Fork => "fork",
        }
    }
}

/// A stolen key and the log it writes.
#[derive(Debug)]
struct Hand {
    key: SigningKey,
    log: LogId,
    head: Head,
}

/// Everything in wrong hands.
#[derive(Debug)]
pub(super) struct Hostile {
    thief: Hand,
    watcher: Hand,
    sim: SimNumber,
    draw: Draw,
    /// Gossip that was heard, the last of it.
    heard: VecDeque<Rc<[u8]>>,
    /// A device that hands on nothing of what others wrote.
    withholds: Option<usize>,
}

/// How much of what was heard is kept, to be said again.
const HEARD_MAX: usize = 256;

const RUN: u64 = 7;

impl Hand {
    fn new(key: SigningKey, shop: ShopId) -> Hand {
        let log = LogId { scope: Scope::Shop(shop), device: key.public(), incarnation: Incarnation(0xbad) };
        Hand { key, log, head: Head { number: 0, hash: root_of(&log) } }
    }

    fn body(&self, document: DocumentId, change: Vec<u8>, now: Timestamp) -> Body {
        Body { stamp: Hlc::at(now), wall: now, run: RUN, document, change }
    }

    /// A movement in a month in which nothing else happened, so that its document begins with it.
    fn movement(&self, sim: &SimNumber, kind: MovementKind, now: Timestamp, year: u16) -> Body {
        let LogId { scope: Scope::Shop(shop), .. } = self.log else { unreachable!("hands write for shops") };
        // Another month for each entry.
        let number = self.head.number + 1;
        let at = Timestamp(i64::from(year - 1970) * 31_556_952_000 + number.cast_signed() * 2_700_000_000);
        let document = DocumentId::SimMonth { shop, sim: sim.clone(), month: Month::of(at) };
        let movement = Movement { id: movement_id(&self.log, RUN, number), kind, at, agent: None, old_id: None };
        let change =
            DocumentState::new(document.clone()).write(&Operation::Move(movement), actor_of(&self.log, RUN), now);
        self.body(document, change, now)
    }

    fn grant(&self, sim: &SimNumber, amount: Amount, now: Timestamp) -> Option<Body> {
        let LogId { scope: Scope::Shop(shop), .. } = self.log else { return None };
        let number = self.head.number + 1;
        let beneficiary = Beneficiary {
            name: "Nobody".to_owned(),
            phone: None,
            address: None,
            kind: BeneficiaryKind::Other,
            shop: None,
        };
        let grant = Grant {
            reference: Reference::new(&format!("STOLEN-{number}")).ok()?,
            amount,
            sim: sim.clone(),
            beneficiary,
            agent: None,
            granted_at: now,
            due_at: None,
            notes: None,
            old_id: None,
            old_modified_at: None,
            reported: None,
        };
        let empty = DocumentState::new(DocumentId::Credit { shop, id: CreditId([0; 10]) });
        let change = empty.write(&Operation::Grant(grant), actor_of(&self.log, RUN), now);
        let id = credit_id(&self.log, number, &change);
        Some(self.body(DocumentId::Credit { shop, id }, change, now))
    }

    /// Chains and signs; the log goes on from there.
    fn append(&mut self, bodies: &[Body]) -> Suffix {
        let from = self.head.number + 1;
        let bodies: Vec<Vec<u8>> = bodies.iter().map(Body::to_bytes).collect();
        for body in &bodies {
            self.head = Head { number: self.head.number + 1, hash: next_hash(&self.head, body) };
        }
        Suffix { log: self.log, from, bodies, signature: sign(&self.head.hash, &self.key) }
    }
}

/// The same change with its operations numbered otherwise, whatever they say of each other included.
fn misnumbered(change: &[u8]) -> Option<Vec<u8>> {
    const SKIPPED: u64 = 5;
    let mut expanded = Change::from_bytes(change.to_vec()).ok()?.decode();
    expanded.start_op = expanded.start_op.checked_add(SKIPPED)?;
    for operation in &mut expanded.operations {
        if let ObjectId::Id(of) = &operation.obj {
            operation.obj = ObjectId::Id(OpId::new(of.counter() + SKIPPED, of.actor()));
        }
    }
    expanded.hash = None;
    Some(Change::from(expanded).raw_bytes().to_vec())
}

impl World {
    /// The founder is made to admit two devices that are in wrong hands from the first day: one that may write for a
    /// shop, revoked at once (which judges no entry), and one that may only read.
    pub fn admit_hostile(&mut self, root: &Draw) -> Result<(), Broken> {
        if self.options.rates.hostile == 0 {
            return Ok(());
        }
        let draw = root.child("hostile");
        let Some(sim) = self.cast.sims.first().cloned() else { return Ok(()) };
        let key = |name: &str| SigningKey::from_seed(&draw.child(name).seed());
        let (thief, watcher) = (key("thief"), key("watcher"));
        self.let_in(&thief, sim.shop, Role::Device)?;
        self.let_in(&watcher, sim.shop, Role::Auditor)?;
        self.command(0, Command::RevokeDevice { device: thief.public().to_text() })?;
        self.hostile = Some(Hostile {
            thief: Hand::new(thief, sim.shop),
            watcher: Hand::new(watcher, sim.shop),
            sim: sim.number,
            draw: draw.child("attacks"),
            heard: VecDeque::new(),
            // In every other company that has enemies, and never the founder, by whom everybody joins.
            withholds: {
                let drawn = draw.child("withholding").below(2 * self.devices.len() as u64) as usize;
                Some(drawn).filter(|device| (1..self.devices.len()).contains(device))
            },
        });
        Ok(())
    }

    fn let_in(&mut self, key: &SigningKey, shop: ShopId, role: Role) -> Result<(), Broken> {
        let (shop, new_shop, addresses) = (Some(shop), None, Vec::new());
        let invite = Command::Invite { shop, new_shop, role, read: ReadScope::Own, expires_in_ms: 900_000, addresses };
        let Answer::Invitation(view) = self.command(0, invite)? else { return Ok(()) };
        let invitation = Invitation::from_text(&view.invitation)
            .map_err(|error| Broken { invariant: "founding", detail: error.to_string() })?;
        let joiner = Joiner::new(key.clone(), invitation, format!("stolen {}", role.word()));
        let peer = key.public();
        self.deliver(0, Input::Connected { peer })?;
        self.deliver(0, Input::Frame { peer, bytes: joiner.request() })?;
        self.deliver(0, Input::Disconnected { peer })
    }

    /// Somebody uses a stolen key: the device that is reached hears it as gossip, and hands it on like any entry.
    pub fn attack(&mut self, device: usize) -> Result<(), Broken> {
        let Some(mut hostile) = self.hostile.take() else { return Ok(()) };
        let attack = *hostile.draw.pick(&Attack::ALL).unwrap_or(&Attack::Overspend);
        self.trace.note(self.now, device, &Happened::Attack { name: attack.name() });
        let now = crate::lab::START.plus_ms(self.now);
        let from = hostile.thief.key.public();
        if attack == Attack::Replay {
            let place = hostile.draw.below(hostile.heard.len().max(1) as u64) as usize;
            let heard = hostile.heard.get(place).map(|bytes| bytes.to_vec());
            self.hostile = Some(hostile);
            return heard.map_or(Ok(()), |bytes| self.deliver(device, Input::Gossip { from, bytes }));
        }
        let before = hostile.thief.head;
        let suffix = self.suffix(&mut hostile, attack, device, now);
        let mut told: Vec<(usize, Suffix)> = suffix.into_iter().map(|suffix| (device, suffix)).collect();
        if attack == Attack::Fork {
            let other = (device + 1) % self.devices.len();
            let on_first = std::mem::replace(&mut hostile.thief.head, before);
            let second = self.suffix(&mut hostile, Attack::ForgedShape, other, now);
            told.extend(second.map(|suffix| (other, suffix)));
            // It goes on with either.
            if hostile.draw.below(2) == 0 {
                hostile.thief.head = on_first;
            }
        }
        self.hostile = Some(hostile);
        for (device, suffix) in told {
            if self.devices[device].replica().is_some() {
                let bytes = encode(&Message::Entries(Packed::pack(&suffix)));
                self.deliver(device, Input::Gossip { from, bytes })?;
            }
        }
        Ok(())
    }

    /// Notes gossip, to be said again at some time.
    pub fn overhear(&mut self, bytes: &Rc<[u8]>) {
        if let Some(hostile) = self.hostile.as_mut() {
            hostile.heard.truncate(HEARD_MAX - 1);
            hostile.heard.push_front(Rc::clone(bytes));
        }
    }

    /// Whether that device is the one that hands on nothing of others.
    pub fn withholds(&self, device: usize) -> bool {
        self.phase == Phase::Safety && self.hostile.as_ref().is_some_and(|hostile| hostile.withholds == Some(device))
    }

    /// Whether a frame of a device is kept back by it: entries that others wrote.
    pub fn is_kept_back(&self, device: usize, bytes: &[u8]) -> bool {
        self.withholds(device)
            && matches!(decode(bytes), Ok(Message::Entries(packed)) if packed.log().device != self.cast.devices[device].key)
    }

    fn suffix(&mut self, hostile: &mut Hostile, attack: Attack, device: usize, now: Timestamp) -> Option<Suffix> {
        let Hostile { thief, watcher, sim, .. } = hostile;
        let amount = Amount::from_cents(777_77, Currency::Usd)?;
        match attack {
            Attack::Replay => None,
            Attack::Overspend | Attack::Fork => {
                let grant = thief.grant(sim, amount, now)?;
                Some(thief.append(&[grant]))
            }
            Attack::GiftOfNothing => {
                let to = crate::model::Holder { device: thief.log.device, incarnation: thief.log.incarnation };
                let gift = thief.movement(sim, MovementKind::Gift(Gift { amount, to }), now, 2001);
                let mut state = DocumentState::new(gift.document.clone());
                let parsed = crate::document::parse(&gift.change).ok()?;
                let movement: MovementId = movement_id(&thief.log, RUN, thief.head.number + 1);
                if let crate::document::Placement::Fits(operation) = state.place(&parsed) {
                    let origin = crate::model::Origin {
                        stamp: Hlc::at(now),
                        device: thief.log.device,
                        incarnation: thief.log.incarnation,
                        number: thief.head.number + 1,
                        wall: now,
                    };
                    state.apply(&parsed, *operation, origin);
                }
                let take = Operation::TakeGift { movement, at: now };
                let change = state.write(&take, actor_of(&thief.log, RUN), now);
                let take = thief.body(gift.document.clone(), change, now);
                Some(thief.append(&[gift, take]))
            }
            Attack::NoRight => {
                let opening = watcher.movement(sim, MovementKind::Opening(amount), now, 2002);
                Some(watcher.append(&[opening]))
            }
            Attack::ForgedShape => {
                let mut opening = thief.movement(sim, MovementKind::Opening(amount), now, 2003);
                opening.change = misnumbered(&opening.change)?;
                Some(thief.append(&[opening]))
            }
            Attack::NotSigned => {
                // In the name of the device that hears of it least expects it: another of those who are there.
                let other = (device + 1) % self.devices.len();
                let key = self.cast.devices[other].key;
                let heads = self.devices[device].replica()?.heads();
                let named = heads.into_iter().filter_map(|(log, head)| Some((LogId::from_bytes(&log)?, head)));
                let (log, (number, hash)) =
                    named.into_iter().find(|(log, _)| log.device == key && log.scope == thief.log.scope)?;
                let mut hand = Hand { key: thief.key.clone(), log, head: Head { number, hash } };
                let opening = hand.movement(sim, MovementKind::Opening(amount), now, 2004);
                Some(hand.append(&[opening]))
            }
        }
    }
}
