//! What is signed and chained but wrong is kept, forwarded and counted, and has no effect on anybody's books.
//!
//! One row for every reason. The forger is a certified device of shop 5; what it writes is chained and signed.

use ucash::document::DocumentState;
use ucash::log::{Body, actor_of};
use ucash::model::{
    CreditId, DocumentId, Grant, Hlc, Month, Movement, MovementId, MovementKind, Operation, Operator, PaymentId, Scope,
    ShopId, Timestamp,
};
use ucash::replica::SetAside;

use crate::forge::{
    COUNTER, FORGER, Forger, Net, OFFICE, device, done, gossip, meet, net, pay_command, shown, status, verified,
};
use crate::samples::{NOW, cdf, grant, payment, reported_grant, reported_payment, sim, usd};

/// What a row writes: from a forger's log and the shop's credit, the bytes of a body.
type Write = fn(&Forger, &DocumentId) -> Vec<u8>;

const SHOP_5: Scope = Scope::Shop(ShopId(5));
const SHOP_7: Scope = Scope::Shop(ShopId(7));

/// An honest payment, altered before it is signed.
fn payment_but(forger: &Forger, credit: &DocumentId, alter: impl FnOnce(&mut Body)) -> Vec<u8> {
    let mut body = forger.pay(credit, "10");
    alter(&mut body);
    body.to_bytes()
}

fn rows() -> Vec<(&'static str, Scope, Write, SetAside)> {
    let registry = Scope::Registry;
    vec![
        ("no body", SHOP_5, |_, _| vec![1, 2, 3], SetAside::Body),
        ("an empty body", SHOP_5, |_, _| Vec::new(), SetAside::Body),
        ("a body too long", SHOP_5, |_, _| vec![0; 60_000], SetAside::Body),
        (
            "a body and more",
            SHOP_5,
            |forger, credit| [forger.pay(credit, "10").to_bytes(), vec![0]].concat(),
            SetAside::Body,
        ),
        (
            "shop 7's credit in shop 5's log",
            SHOP_5,
            |forger, credit| {
                payment_but(forger, credit, |body| {
                    body.document = DocumentId::Credit { shop: ShopId(7), id: CreditId([7; 10]) };
                })
            },
            SetAside::Scope,
        ),
        (
            "the registry in a shop's log",
            SHOP_5,
            |forger, _| {
                let add = Operation::AddSim { sim: sim(), operator: Operator::Orange, shop: ShopId(5) };
                forger.write(&DocumentId::Registry, &add).to_bytes()
            },
            SetAside::Scope,
        ),
        ("a grant in another shop", SHOP_7, |forger, _| forger.grant(grant()).to_bytes(), SetAside::Right),
        (
            "another shop's town",
            SHOP_7,
            |forger, _| {
                let town = Operation::DescribeShop { town: "Nulle part".to_owned() };
                forger.write(&DocumentId::Shop(ShopId(7)), &town).to_bytes()
            },
            SetAside::Right,
        ),
        (
            "no change",
            SHOP_5,
            |forger, credit| payment_but(forger, credit, |body| body.change.clear()),
            SetAside::Shape,
        ),
        (
            "a compressed change (finding 7)",
            SHOP_5,
            |forger, credit| payment_but(forger, credit, |body| body.change[8] = 2),
            SetAside::Shape,
        ),
        (
            "a change with a wrong checksum",
            SHOP_5,
            |forger, credit| payment_but(forger, credit, |body| body.change[4] ^= 1),
            SetAside::Shape,
        ),
        (
            "another run's actor",
            SHOP_5,
            |forger, credit| payment_but(forger, credit, |body| body.run += 1),
            SetAside::Actor,
        ),
        (
            "another device's actor",
            SHOP_5,
            |forger, credit| {
                let victim = ucash::log::LogId { device: device(OFFICE), ..forger.log };
                let operation = Operation::Pay(payment(1, usd("10")));
                let change = forger.state(credit).write(&operation, actor_of(&victim, forger.run), forger.now);
                forger.body(credit.clone(), change).to_bytes()
            },
            SetAside::Actor,
        ),
        (
            "a change of another time than its entry",
            SHOP_5,
            |forger, credit| payment_but(forger, credit, |body| body.stamp = Hlc(body.stamp.0 + (1 << 16))),
            SetAside::Time,
        ),
        (
            "a payment before the grant",
            SHOP_5,
            |forger, credit| {
                let operation = Operation::Pay(payment(1, usd("10")));
                let actor = actor_of(&forger.log, forger.run);
                let change = DocumentState::new(credit.clone()).write(&operation, actor, forger.now);
                forger.body(credit.clone(), change).to_bytes()
            },
            SetAside::Place,
        ),
        (
            "a payment in another currency",
            SHOP_5,
            |forger, credit| forger.write(credit, &Operation::Pay(payment(1, cdf("10")))).to_bytes(),
            SetAside::Place,
        ),
        (
            "a reversal of what was never paid",
            SHOP_5,
            |forger, credit| {
                let payment = PaymentId([9; 10]);
                let operation = Operation::ReversePayment { payment, why: "x".to_owned(), agent: None };
                forger.write(credit, &operation).to_bytes()
            },
            SetAside::Place,
        ),
        (
            "a second grant of one credit",
            SHOP_5,
            |forger, credit| forger.write(credit, &Operation::Grant(Grant { amount: usd("1"), ..grant() })).to_bytes(),
            SetAside::Place,
        ),
        (
            "a movement on a credit",
            SHOP_5,
            |forger, credit| {
                let opening = Movement {
                    id: MovementId([1; 10]),
                    kind: MovementKind::Opening(usd("500")),
                    at: NOW,
                    agent: None,
                    old_id: None,
                };
                forger.write(credit, &Operation::Move(opening)).to_bytes()
            },
            SetAside::Place,
        ),
        (
            "a payment of nothing",
            SHOP_5,
            |forger, credit| forger.write(credit, &Operation::Pay(payment(1, usd("0")))).to_bytes(),
            SetAside::Field,
        ),
        (
            "a cancellation without a reason",
            SHOP_5,
            |forger, credit| {
                let operation = Operation::Cancel { why: " ".to_owned(), agent: None, at: NOW };
                forger.write(credit, &operation).to_bytes()
            },
            SetAside::Field,
        ),
        (
            "a reason with a control character",
            SHOP_5,
            |forger, credit| {
                let operation = Operation::Cancel { why: "a\u{1b}[2J".to_owned(), agent: None, at: NOW };
                forger.write(credit, &operation).to_bytes()
            },
            SetAside::Field,
        ),
        (
            "a credit under an id of one's choice",
            SHOP_5,
            |forger, _| {
                let document = DocumentId::Credit { shop: ShopId(5), id: CreditId([9; 10]) };
                forger.write(&document, &Operation::Grant(grant())).to_bytes()
            },
            SetAside::Id,
        ),
        (
            "a payment under an id of one's choice",
            SHOP_5,
            |forger, credit| forger.write(credit, &Operation::Pay(payment(1, usd("10")))).to_bytes(),
            SetAside::Id,
        ),
        (
            "a grant said to be reported, by who is no gateway",
            SHOP_5,
            |forger, _| forger.grant(reported_grant()).to_bytes(),
            SetAside::Right,
        ),
        (
            "a payment said to be reported, by who is no gateway",
            SHOP_5,
            |forger, credit| {
                let DocumentId::Credit { id, .. } = credit else { panic!("a credit") };
                let mut payment = reported_payment(usd("10"), false);
                payment.id = payment.reported.as_ref().expect("reported").payment_id(id);
                forger.write(credit, &Operation::Pay(payment)).to_bytes()
            },
            SetAside::Right,
        ),
        (
            "a movement under an id of one's choice",
            SHOP_5,
            |forger, _| {
                let document = DocumentId::SimMonth { shop: ShopId(5), sim: sim(), month: Month::of(NOW) };
                let opening = MovementKind::Opening(usd("9999"));
                let movement = Movement { id: MovementId([9; 10]), kind: opening, at: NOW, agent: None, old_id: None };
                forger.write(&document, &Operation::Move(movement)).to_bytes()
            },
            SetAside::Id,
        ),
        (
            "a movement in another month than its own",
            SHOP_5,
            |forger, _| {
                let mut body = forger.movement(MovementKind::Opening(usd("9999")));
                let month = Month { year: 1999, month: 1 };
                body.document = DocumentId::SimMonth { shop: ShopId(5), sim: sim(), month };
                let Some(operation) = ucash::document::operation(
                    &body.document,
                    &ucash::document::parse(&body.change).expect("honest").items,
                ) else {
                    panic!("a movement")
                };
                forger.write(&body.document, &operation).to_bytes()
            },
            SetAside::Id,
        ),
        (
            "a shop that only the authority adds",
            registry,
            |forger, _| {
                let add = Operation::AddShop { shop: ShopId(8), name: "Uvira".to_owned() };
                forger.write(&DocumentId::Registry, &add).to_bytes()
            },
            SetAside::Registry,
        ),
        (
            "a revocation of the head office",
            registry,
            |forger, _| {
                let revoke = Operation::Revoke { device: device(OFFICE) };
                forger.write(&DocumentId::Registry, &revoke).to_bytes()
            },
            SetAside::Registry,
        ),
        (
            "another shop's SIM",
            registry,
            |forger, _| {
                let add = Operation::AddSim { sim: sim(), operator: Operator::Orange, shop: ShopId(7) };
                forger.write(&DocumentId::Registry, &add).to_bytes()
            },
            SetAside::Registry,
        ),
        (
            "another device's name",
            registry,
            |forger, _| {
                let rename = Operation::RenameDevice { device: device(COUNTER), name: "volé".to_owned() };
                forger.write(&DocumentId::Registry, &rename).to_bytes()
            },
            SetAside::Registry,
        ),
        (
            "a certificate that nobody signed",
            registry,
            |forger, _| {
                let certify =
                    Operation::Certify { device: device(50), certificate: vec![1, 2, 3], name: "x".to_owned() };
                forger.write(&DocumentId::Registry, &certify).to_bytes()
            },
            SetAside::Registry,
        ),
    ]
}

#[test]
fn every_reason_has_a_row() {
    let all = [
        SetAside::Body,
        SetAside::Scope,
        SetAside::Right,
        SetAside::Shape,
        SetAside::Actor,
        SetAside::Time,
        SetAside::Place,
        SetAside::Field,
        SetAside::Id,
        SetAside::Registry,
    ];
    for reason in all {
        assert!(rows().iter().any(|row| row.3 == reason), "{reason:?}");
        // A reason more in the code is a row more here: this match does not compile without it.
        match reason {
            SetAside::Body | SetAside::Scope | SetAside::Right | SetAside::Shape | SetAside::Actor => {}
            SetAside::Time | SetAside::Place | SetAside::Field | SetAside::Id | SetAside::Registry => {}
            // Of the authority's own log: see `forks`.
            SetAside::Branch => {}
        }
    }
}

/// An honest entry of the forger's device after the wrong one, in a run of its own.
fn honest_after(forger: &mut Forger, credit: &DocumentId) -> Option<Vec<u8>> {
    forger.run += 1;
    match forger.log.scope {
        Scope::Registry => {
            let rename = Operation::RenameDevice { device: device(FORGER), name: "honnête".to_owned() };
            Some(forger.write(&DocumentId::Registry, &rename).to_bytes())
        }
        SHOP_5 => Some(forger.pay(credit, "1").to_bytes()),
        Scope::Shop(_) => None,
    }
}

#[test]
fn a_wrong_entry_is_kept_and_forwarded_without_effect() {
    for (name, scope, write, reason) in rows() {
        let Net { mut office, mut counter, mut south, forger, credit } = net();
        let credit = DocumentId::Credit { shop: ShopId(5), id: credit };
        let mut forger = forger.in_scope(scope);
        let before = shown(&mut counter);
        let books = counter.book().clone();

        let bytes = write(&forger, &credit);
        // The forger keeps its wrong entries to itself: its own documents are what honest devices hold.
        let mut signer = forger.clone();
        let wrong = signer.sign(vec![bytes]);
        forger.head = signer.head;
        gossip(&mut counter, &wrong);
        let after = shown(&mut counter);
        assert_eq!(after.set_aside, [(forger.log, 1, reason)], "{name}");
        assert_eq!((&after.digest, after.waiting), (&before.digest, 0), "{name}");
        assert_eq!(after.entries, before.entries + 1, "{name}: it is kept");
        assert_eq!(counter.book().credit_count(), books.credit_count(), "{name}");
        assert!(counter.book().accounts().eq(books.accounts()), "{name}: no balance changed");
        assert_eq!(verified(&mut counter).faults, Vec::<String>::new(), "{name}");

        // It is forwarded, and the one who hears of it from another says the same.
        meet(&mut counter, &mut office);
        assert_eq!(shown(&mut office), after, "{name}: forwarded");
        meet(&mut office, &mut south);
        let reaches_south = scope != SHOP_5;
        assert_eq!(status(&mut south).set_aside, u64::from(reaches_south), "{name}: another shop");

        // Later honest entries of the same log, and of other devices, go on.
        if let Some(honest) = honest_after(&mut forger, &credit) {
            let honest = forger.sign(vec![honest]);
            gossip(&mut office, &honest);
            let gone_on = shown(&mut office);
            assert_ne!(gone_on.digest, after.digest, "{name}: an honest entry after it counts");
            assert_eq!(gone_on.set_aside, after.set_aside, "{name}");
        }
        done(&mut counter, NOW.plus_ms(120_000), pay_command("CRED-001", "5"));
        meet(&mut counter, &mut office);
        assert_eq!(shown(&mut counter), shown(&mut office), "{name}: all agree in the end");
        assert_eq!(verified(&mut office).faults, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn nobody_can_take_the_id_of_anothers_next_payment() {
    // Ids follow from log, run and number, which all can see: whoever could write under the next one first would
    // swallow the honest payment, or stop the honest device's writing.
    let Net { mut office, mut forger, credit, .. } = net();
    let credit = DocumentId::Credit { shop: ShopId(5), id: credit };
    let published = done(&mut office, NOW.plus_ms(1_000), pay_command("CRED-001", "5"));
    forger.hear(&published[0]);
    let Ok(ucash::wire::Message::Entries(packed)) = ucash::wire::decode(&published[0]) else { panic!("entries") };
    let own = Body::from_bytes(&packed.unpack().expect("entries").bodies[0]).expect("a body");
    let next = ucash::log::payment_id(&packed.log(), own.run, packed.last() + 1);
    let stolen = Operation::Pay(ucash::model::PaymentMade { id: next, ..payment(0, usd("0.01")) });
    let stolen = forger.write(&credit, &stolen);
    gossip(&mut office, &forger.entry(&stolen));
    assert_eq!(office.set_aside(), [(forger.log, 1, SetAside::Id)]);
    done(&mut office, NOW.plus_ms(2_000), pay_command("CRED-001", "7"));
    let paid = office.book().credits().next().expect("the credit").paid;
    assert_eq!(paid.value().to_string(), "12.00");
}

#[test]
fn a_stamp_of_the_year_9999_pulls_no_clock_forward() {
    let Net { mut office, mut forger, credit, .. } = net();
    let credit = DocumentId::Credit { shop: ShopId(5), id: credit };
    forger.now = Timestamp(253_402_300_799_000);
    let body = forger.pay(&credit, "10");
    let frame = forger.entry(&body);
    gossip(&mut office, &frame);
    assert_eq!(status(&mut office).set_aside, 0, "the payment counts all the same");
    let published = done(&mut office, NOW.plus_ms(500), pay_command("CRED-001", "5"));
    let Ok(ucash::wire::Message::Entries(packed)) = ucash::wire::decode(&published[0]) else { panic!("entries") };
    let suffix = packed.unpack().expect("entries");
    let own = Body::from_bytes(&suffix.bodies[0]).expect("a body");
    assert_eq!(own.stamp.time(), NOW.plus_ms(500), "its own clock goes on");

    // A stamp a little ahead is what clocks of honest devices are: it is believed, so that causes come first.
    let mut near = net();
    near.forger.now = NOW.plus_ms(4 * 60_000);
    let body = near.forger.pay(&DocumentId::Credit { shop: ShopId(5), id: near.credit }, "10");
    let frame = near.forger.entry(&body);
    gossip(&mut near.office, &frame);
    let published = done(&mut near.office, NOW.plus_ms(500), pay_command("CRED-001", "5"));
    let Ok(ucash::wire::Message::Entries(packed)) = ucash::wire::decode(&published[0]) else { panic!("entries") };
    let own = Body::from_bytes(&packed.unpack().expect("entries").bodies[0]).expect("a body");
    assert!(own.stamp > body.stamp);
}
