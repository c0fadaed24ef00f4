//! Entries: a certified device that turned hostile writes honest bodies with something mutated, rightly sealed,
//! chained and signed; and a stranger hands on the same under its own key.
//!
//! Each ends in one of four ways. *Refused*: nothing is kept. *Without effect*: kept, waiting or set aside, and the
//! state digest is what it was. *Legal*: it took effect, and then it is an operation that an honest device may write,
//! in the one form that it has: the test reads it again by itself. *Honest*: the control, not mutated; it always
//! takes effect, so the generators cannot pass by being refused for something else.

use ucash::document::{items, operation, parse};
use ucash::log::{Body, Head, LogId, actor_of, credit_id, movement_id, payment_id, root_of};
use ucash::membership::{ReadScope, Role};
use ucash::model::{
    CreditId, Deposit, DocumentId, Edit, Hlc, Incarnation, Month, MovementId, MovementKind, Operation, Operator,
    PaymentId, Scope, ShopId, SimNumber, Timestamp, Withdrawal,
};
use ucash::wire::{Message, Packed, encode};

use super::chunks::{mutate_bytes, mutate_field, mutate_operation};
use super::draw::Draw;
use super::{Tally, rounds};
use crate::forge::{Forger, Net, Node, admit, gossip, key, net, signed, verified};
use crate::samples::{NOW, grant, sim, taken, usd};

const MANAGER: u8 = 5;
const STRANGER: u8 = 66;
const SHOP: ShopId = ShopId(5);
/// Cases in one network: few enough that a failure is quickly shown again, many enough to pay for its founding.
const CASES: usize = 120;

struct World {
    office: Node,
    /// The same key in the shop's log and in the registry's.
    hostile: [Forger; 2],
    credit: DocumentId,
    /// Payments that counted: what a reversal can mean.
    paid: Vec<PaymentId>,
    moved: Vec<MovementId>,
}

impl World {
    fn new() -> World {
        let Net { mut office, forger, credit, .. } = net();
        admit(&mut office, MANAGER, 5, Role::Manager, ReadScope::All);
        let documents = forger.documents;
        let shop = Forger { documents, ..Forger::new(MANAGER, Scope::Shop(SHOP)) };
        let registry = shop.in_scope(Scope::Registry);
        World {
            office,
            hostile: [shop, registry],
            credit: DocumentId::Credit { shop: SHOP, id: credit },
            paid: Vec::new(),
            moved: Vec::new(),
        }
    }
}

fn month() -> DocumentId {
    DocumentId::SimMonth { shop: SHOP, sim: sim(), month: Month::of(NOW) }
}

/// What an honest device in its place might write now.
fn honest(draw: &mut Draw, world: &World) -> (usize, Body) {
    let [shop, registry] = &world.hostile;
    let credit = &world.credit;
    let month = month();
    let why = "mal tapé".to_owned();
    let body = match draw.below(11) {
        0 => shop.grant(grant()),
        1 => shop.movement(MovementKind::Deposit(Deposit { amount: usd("5"), phone: None })),
        2 => shop.movement(MovementKind::Withdrawal(Withdrawal {
            amount: usd("1"),
            owed_by: Some(ShopId(7)),
            reimbursed: false,
        })),
        3 => {
            let edits = vec![Edit::Notes(Some("plus tard".to_owned())), Edit::Phone(None)];
            shop.write(credit, &Operation::Edit { edits, agent: None })
        }
        4 => match world.paid.last() {
            Some(payment) => {
                shop.write(credit, &Operation::ReversePayment { payment: *payment, why, agent: Some("x".to_owned()) })
            }
            None => shop.pay(credit, "0.01"),
        },
        5 => shop.write(&DocumentId::Shop(SHOP), &Operation::DescribeShop { town: "Goma".to_owned() }),
        6 => {
            let number = format!("+24397{:07}", draw.below(10_000_000));
            let sim = SimNumber::new(&number).expect("a number");
            return (
                1,
                registry
                    .write(&DocumentId::Registry, &Operation::AddSim { sim, operator: Operator::Orange, shop: SHOP }),
            );
        }
        7 => {
            let device = registry.log.device;
            return (
                1,
                registry.write(&DocumentId::Registry, &Operation::RenameDevice { device, name: "moi".to_owned() }),
            );
        }
        8 => match world.moved.last() {
            Some(movement) => shop.write(&month, &Operation::ReverseMovement { movement: *movement, why, agent: None }),
            None => shop.movement(MovementKind::Opening(usd("500"))),
        },
        _ => shop.pay(credit, "0.01"),
    };
    (0, body)
}

/// Something of a body mutated, and all that rests on it made right again; what it is called.
fn mutated(draw: &mut Draw, body: &Body) -> (&'static str, Vec<u8>) {
    let mut other = body.clone();
    let class = match draw.below(16) {
        0 => {
            other.stamp = Hlc(draw.number(body.stamp.0));
            "body: stamp"
        }
        1 => {
            other.wall = Timestamp(draw.number(body.wall.0 as u64) as i64);
            "body: wall clock"
        }
        2 => {
            other.run = draw.number(body.run);
            "body: run"
        }
        3 => {
            other.document = match draw.below(5) {
                0 => DocumentId::Registry,
                1 => DocumentId::Shop(ShopId(draw.number(5) as u32)),
                2 => DocumentId::SimMonth {
                    shop: SHOP,
                    sim: sim(),
                    month: Month { year: 1970 + draw.below(80) as u16, month: 1 + draw.below(12) as u8 },
                },
                3 => DocumentId::Credit { shop: SHOP, id: CreditId(draw.array([3; 10])) },
                _ => DocumentId::Credit { shop: ShopId(draw.number(5) as u32), id: CreditId([3; 10]) },
            };
            "body: document"
        }
        4 => return ("body: bytes", draw.damaged(&body.to_bytes())),
        5 => {
            // Another time, said by both: in the far past or future.
            other.stamp = Hlc(draw.number(body.stamp.0));
            let change = mutate_operation(&mut draw.clone(), &body.change);
            other.change = change.unwrap_or_default();
            "body: stamp and change"
        }
        6..=8 => {
            let Some(change) = mutate_operation(draw, &body.change) else {
                return ("change: none", Vec::new());
            };
            other.change = change;
            "change: operations"
        }
        9 | 10 => {
            other.change = mutate_bytes(draw, &body.change);
            "change: bytes"
        }
        _ => {
            let (class, change) = mutate_field(draw, &body.change);
            other.change = change;
            class
        }
    };
    // A grant's id is bound to its change: that, too, is made right again.
    if let DocumentId::Credit { id, .. } = &mut other.document
        && draw.one_in(2)
        && let Ok(parsed) = parse(&other.change)
        && matches!(operation(&body.document, &parsed.items), Some(Operation::Grant(_)))
    {
        // Bound where its place in the log is known.
        *id = CreditId([0; 10]);
    }
    (class, other.to_bytes())
}

/// Whether bytes that took effect are an operation that may be written there, in its one form.
fn assert_legal(log: &LogId, number: u64, bytes: &[u8]) {
    let body = Body::from_bytes(bytes).expect("what takes effect is a body");
    assert_eq!(body.to_bytes(), bytes, "in its one form");
    assert_eq!(body.document.scope(), log.scope, "of its log's scope");
    let change = parse(&body.change).expect("what takes effect is a change");
    assert_eq!(change.actor, actor_of(log, body.run), "of its log's actor");
    assert_eq!(change.time, body.stamp.time(), "of its entry's time");
    let operation = operation(&body.document, &change.items).expect("what takes effect is an operation");
    assert_eq!(items(&operation), change.items, "laid out as we lay it out");
    operation.check_fields().expect("within its bounds");
    match (&operation, &body.document) {
        (Operation::Grant(_), DocumentId::Credit { id, .. }) => {
            assert_eq!(*id, credit_id(log, number, &body.change), "a credit's id is bound");
        }
        (Operation::Pay(payment), _) => {
            assert_eq!(payment.id, payment_id(log, body.run, number), "a payment's id is bound");
        }
        (Operation::Move(movement), _) => {
            assert_eq!(movement.id, movement_id(log, body.run, number), "a movement's id is bound");
        }
        _ => {}
    }
}

/// The state, with the entries that were received: where a stamp is ahead of its clock a node records what it saw.
fn received_state_of(node: &mut Node) -> (String, u64, u64, u64) {
    let (digest, entries, waiting, set_aside) = super::state_of(node);
    let own = node.device().0;
    let heads = node.heads();
    let is_own = |log: &[u8]| log.windows(own.len()).any(|part| part == own);
    let written: u64 = heads.iter().filter(|(log, _)| is_own(log)).map(|(_, head)| head.0).sum();
    (digest, entries - written, waiting, set_aside)
}

/// Hands over one body that is rightly chained after the hostile device's head and signed; what became of it.
fn hand_over(world: &mut World, which: usize, bytes: &[u8]) -> &'static str {
    let before = received_state_of(&mut world.office);
    let forger = &mut world.hostile[which];
    let log = forger.log;
    let number = forger.head.number + 1;
    let (suffix, head) = signed(log, &forger.key, forger.head, vec![bytes.to_vec()]);
    gossip(&mut world.office, &encode(&Message::Entries(Packed::pack(&suffix))));
    let after = received_state_of(&mut world.office);
    if after.1 == before.1 {
        assert_eq!(after, before, "a refused entry leaves all as it was");
        return "refused";
    }
    assert_eq!(after.1, before.1 + 1, "one entry was handed over");
    world.hostile[which].head = head;
    let without = (after.2 + after.3).cast_signed() - (before.2 + before.3).cast_signed();
    if without == 1 {
        // What it claimed of its actor's numbers is used up (finding 6): it goes on as after a restart.
        world.hostile.iter_mut().for_each(|forger| forger.run += 1_000_003);
        assert_eq!(after.0, before.0, "an entry without effect leaves the state as it was");
        return if after.3 > before.3 { "set aside" } else { "waits" };
    }
    assert_legal(&log, number, bytes);
    let body = Body::from_bytes(bytes).expect("a body");
    for forger in &mut world.hostile {
        let state = forger.state(&body.document);
        let state = forger.documents.entry(body.document.clone()).or_insert(state);
        let _ = taken(state, &body.change);
    }
    // What may be undone once is undone once by an honest device.
    let change = parse(&body.change).expect("a change");
    match operation(&body.document, &change.items) {
        Some(Operation::Pay(payment)) if body.document == world.credit => world.paid.push(payment.id),
        Some(Operation::Move(movement)) if body.document == month() => world.moved.push(movement.id),
        Some(Operation::ReversePayment { payment, .. }) => world.paid.retain(|known| *known != payment),
        Some(Operation::ReverseMovement { movement, .. }) => world.moved.retain(|known| *known != movement),
        _ => {}
    }
    "legal"
}

/// The suffix itself mutated, and signed by a key that is not its log's or over another place; nothing is kept.
fn hand_over_wrongly(draw: &mut Draw, world: &mut World, which: usize, bytes: &[u8]) -> (&'static str, &'static str) {
    let forger = &world.hostile[which];
    let (mut log, mut head, mut signer) = (forger.log, forger.head, forger.key.clone());
    let class = match draw.below(6) {
        0 => {
            signer = key(STRANGER);
            "suffix: a stranger's signature"
        }
        1 => {
            signer = key(STRANGER);
            log.device = signer.public();
            head = Head { number: 0, hash: root_of(&log) };
            "suffix: a stranger's log"
        }
        2 => {
            head.hash = draw.array(head.hash);
            "suffix: another hash before"
        }
        3 => {
            head.number = draw.number(head.number).min(u64::MAX - 1);
            if head.number == forger.head.number {
                head.number += 1;
            }
            "suffix: another number"
        }
        4 => {
            log.scope = if log.scope == Scope::Registry { Scope::Shop(SHOP) } else { Scope::Registry };
            "suffix: another scope's chain"
        }
        _ => {
            log.incarnation = Incarnation(draw.number(log.incarnation.0));
            "suffix: another life's chain"
        }
    };
    if log == world.hostile[1 - which].log
        && head.number == world.hostile[1 - which].head.number
        && head.hash == world.hostile[1 - which].head.hash
    {
        return (class, "the same");
    }
    let before = received_state_of(&mut world.office);
    let (suffix, _) = signed(log, &signer, head, vec![bytes.to_vec()]);
    gossip(&mut world.office, &encode(&Message::Entries(Packed::pack(&suffix))));
    assert_eq!(received_state_of(&mut world.office), before, "{class}: nothing is kept");
    (class, "refused")
}

/// Who may what: nobody is above the manager but whom the founder put there.
fn powers(node: &Node) -> (usize, usize) {
    let members = node.registry().members();
    let above = members.values().filter(|member| matches!(member.certificate().role, Role::HeadOffice | Role::Manager));
    (members.len(), above.count())
}

fn round(draw: &mut Draw, tally: &mut Tally) {
    let mut world = World::new();
    let first = powers(&world.office);
    for _ in 0..CASES {
        let (which, body) = honest(draw, &world);
        let honest_bytes = body.to_bytes();
        if draw.one_in(20) {
            let end = hand_over(&mut world, which, &honest_bytes);
            let why = || {
                let operation = parse(&body.change).map(|change| operation(&body.document, &change.items));
                let verdict = world.office.set_aside().pop();
                format!("an honest {operation:?} takes effect: {end}, {verdict:?}")
            };
            assert!(end == "legal", "{}", why());
            tally.count("honest", end);
            continue;
        }
        let (class, mut bytes) = mutated(draw, &body);
        // A grant's id is bound to its change and its number.
        if let Ok(mut grant) = Body::from_bytes(&bytes)
            && let DocumentId::Credit { shop, id: CreditId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) } = grant.document
        {
            let forger = &world.hostile[which];
            let id = credit_id(&forger.log, forger.number(), &grant.change);
            grant.document = DocumentId::Credit { shop, id };
            bytes = grant.to_bytes();
        }
        if draw.one_in(6) {
            let (class, end) = hand_over_wrongly(draw, &mut world, which, &bytes);
            tally.count(class, end);
        } else {
            let end = hand_over(&mut world, which, &bytes);
            tally.count(class, if bytes == honest_bytes { "the same" } else { end });
        }
    }
    assert_eq!(powers(&world.office), first, "nobody came in and nobody rose");
    let before = received_state_of(&mut world.office);
    let view = verified(&mut world.office);
    assert!(view.sound, "folded anew it is the same: {:?}", view.faults);
    assert_eq!(received_state_of(&mut world.office), before);
}

#[test]
fn mutated_entries_have_no_effect() {
    let tally = rounds("entries", "UCASH_MUTATION_SECONDS", 12, round);
    for end in ["refused", "set aside", "waits", "legal"] {
        let count: u64 = tally.ends(end);
        assert!(count > 0, "no case ended so: {end}");
    }
    assert!(tally.of("honest", "legal") > 0, "the control ran");
}

/// In both a stamp that is ahead has a hostile log folded anew, in which an entry without effect names another's credit
/// as if it were of another shop: it took the place of the real one.
#[test]
fn what_is_folded_anew_is_only_what_had_effect() {
    for seed in [3_533, 3_594] {
        round(&mut Draw::new(seed), &mut Tally::default());
    }
}
