//! The order of arrival decides nothing: replicas that hold the same entries agree on everything.
//!
//! One story with honest and wrong entries in seven logs, told in any order that keeps each log's own. Entries
//! wait for their causes, and for the certificates that give their writers a right.

use proptest::prelude::*;
use ucash::log::{Head, SigningKey, actor_of};
use ucash::membership::{Certificate, ReadScope, Role};
use ucash::model::{DeviceKey, DocumentId, Edit, NetworkId, Operation, Scope, ShopId};
use ucash::replica::{Command, Joiner, Output, Replica, SetAside};

use crate::forge::{
    AUTHORITY, Forger, Net, Node, device, done, gossip, identity, invite, join, key, knock, meet, net, pay_command,
    shown, status, verified,
};
use crate::samples::{NOW, grant, payment, usd};

const SHOP_5: Scope = Scope::Shop(ShopId(5));
/// A device that is certified as an auditor first, and as a manager later.
const LATE: u8 = 20;
/// A device that the late manager certifies.
const LATER: u8 = 21;
const READERS: [u8; 2] = [10, 11];

struct Story {
    readers: Vec<Node>,
    /// Each log's entries, a frame each, in the log's order.
    logs: Vec<Vec<Vec<u8>>>,
}

fn edit(name: &str) -> Operation {
    Operation::Edit { edits: vec![Edit::Name(name.to_owned())], agent: None }
}

fn edit_command(name: &str) -> Command {
    let edits = vec![Edit::Name(name.to_owned())];
    Command::Edit { credit: "CRED-001".to_owned(), edits, agent: None }
}

fn rename(seed: u8, name: &str) -> Operation {
    Operation::RenameDevice { device: device(seed), name: name.to_owned() }
}

/// What the office publishes when it admits a device.
fn certified(office: &mut Node, seed: u8, role: Role) -> Vec<Vec<u8>> {
    let invitation = invite(office, Some(5), role, ReadScope::Own);
    let joiner = Joiner::new(key(seed), invitation, format!("appareil {seed}"));
    let outputs = knock(office, &joiner, seed, NOW.plus_ms(i64::from(role as u8)));
    let published = outputs.into_iter().filter_map(|output| match output {
        Output::Publish { bytes, .. } => Some(bytes),
        _ => None,
    });
    published.collect()
}

fn story() -> Story {
    let Net { mut office, forger, credit, .. } = net();
    let credit = DocumentId::Credit { shop: ShopId(5), id: credit };
    let mut readers =
        READERS.iter().map(|seed| join(&mut office, *seed, 5, Role::Device, ReadScope::All)).collect::<Vec<_>>();
    for reader in &mut readers {
        meet(&mut office, reader);
    }

    let mut own: Vec<Vec<u8>> = Vec::new();
    own.extend(done(&mut office, NOW.plus_ms(1_000), edit_command("A")));
    own.extend(done(&mut office, NOW.plus_ms(2_000), pay_command("CRED-001", "5")));
    own.extend(done(&mut office, NOW.plus_ms(3_000), edit_command("B")));
    let mut authority = certified(&mut office, LATE, Role::Auditor);
    authority.extend(certified(&mut office, LATE, Role::Manager));

    // The forger heard of the office's first edit; its twin of the same run did not.
    let mut heard = forger.clone();
    heard.hear(&own[0]);
    let mut bad = Vec::new();
    let first = heard.pay(&credit, "10");
    let twin = forger.write(&credit, &Operation::Pay(payment(2, usd("11"))));
    bad.push(heard.entry(&first));
    bad.push(heard.entry(&twin));
    let lost = heard.body(credit.clone(), vec![0; 30]);
    bad.push(heard.entry(&lost));
    heard.run += 1;
    heard.hear(&own[1]);
    let second = heard.pay(&credit, "12");
    bad.push(heard.entry(&second));
    let granted = heard.grant(grant());
    bad.push(heard.entry(&granted));
    let paid = heard.pay(&granted.document, "13");
    bad.push(heard.entry(&paid));

    // On the registry: one that is never right, one that is, and a twin of it.
    let mut registrar = forger.in_scope(Scope::Registry);
    let never = registrar.write(&DocumentId::Registry, &rename(LATE, "volé"));
    let right = registrar.write(&DocumentId::Registry, &rename(crate::forge::FORGER, "honnête"));
    let mut names = vec![registrar.entry(&never), registrar.entry(&right)];
    registrar.run += 1;
    let again = registrar.write(&DocumentId::Registry, &rename(crate::forge::FORGER, "encore"));
    names.push(registrar.entry(&again));

    // The late one writes before anyone knows that it may.
    let mut late = Forger { documents: forger.documents.clone(), ..Forger::new(LATE, SHOP_5) };
    let mut twin = late.clone();
    let one = late.pay(&credit, "14");
    let two = twin.write(&credit, &Operation::Pay(payment(3, usd("15"))));
    let mut early = vec![late.entry(&one), late.entry(&two)];
    late.run += 1;
    twin.run += 1;
    let three = late.write(&credit, &edit("C"));
    early.push(late.entry(&three));

    let mut issuer = late.in_scope(Scope::Registry);
    let before = issuer.clone();
    let certificate = Certificate {
        network: NetworkId::of_authority(&device(AUTHORITY)),
        subject: device(LATER),
        shop: ShopId(5),
        role: Role::Device,
        read: ReadScope::Own,
        issued_at: NOW,
        expires_at: None,
        issuer: device(LATE),
    };
    let certify = Operation::Certify {
        device: device(LATER),
        certificate: certificate.sign(&key(LATE)),
        name: "tardif".to_owned(),
    };
    let certify = issuer.write(&DocumentId::Registry, &certify);
    let twin = before.write(&DocumentId::Registry, &rename(LATE, "jumeau"));
    let issued = vec![issuer.entry(&certify), issuer.entry(&twin)];

    let mut later = Forger { documents: forger.documents.clone(), ..Forger::new(LATER, SHOP_5) };
    let last = later.pay(&credit, "16");
    let latest = vec![later.entry(&last)];
    Story { readers, logs: vec![own, authority, bad, names, early, issued, latest] }
}

/// Tells a story: the logs in the order that `choices` draws, then whatever was not taken, until nothing is new.
fn tell(reader: &mut Node, logs: &[Vec<Vec<u8>>], choices: &[usize]) {
    let mut next = vec![0; logs.len()];
    for choice in choices {
        let log = choice % logs.len();
        if let Some(frame) = logs[log].get(next[log]) {
            gossip(reader, frame);
            next[log] += 1;
        }
    }
    loop {
        let before = status(reader).entries;
        logs.iter().flatten().for_each(|frame| drop(gossip(reader, frame)));
        if status(reader).entries == before {
            break;
        }
    }
}

#[test]
fn the_story_in_order_is_judged_as_it_should_be() {
    let Story { mut readers, logs } = story();
    let reader = &mut readers[0];
    let before = status(reader).entries;
    for log in [1, 5, 6, 0, 2, 3, 4] {
        logs[log].iter().for_each(|frame| drop(gossip(reader, frame)));
    }
    let all: usize = logs.iter().map(Vec::len).sum();
    assert_eq!(status(reader).entries, before + all as u64);
    let found = shown(reader);
    let reasons: Vec<(DeviceKey, Scope, u64, SetAside)> =
        found.set_aside.iter().map(|(log, number, why)| (log.device, log.scope, *number, *why)).collect();
    let forger = device(crate::forge::FORGER);
    let mut wanted = vec![
        (forger, SHOP_5, 2, SetAside::Place),
        (forger, SHOP_5, 3, SetAside::Shape),
        (device(LATE), SHOP_5, 2, SetAside::Place),
        (forger, Scope::Registry, 1, SetAside::Registry),
        (forger, Scope::Registry, 2, SetAside::Place),
        (device(LATE), Scope::Registry, 2, SetAside::Place),
    ];
    wanted.sort_by_key(|row| (row.1, row.0, row.2));
    assert_eq!(reasons, wanted);
    assert_eq!(found.waiting, 1, "the last name rests on one that is set aside");
}

#[test]
fn a_number_belongs_to_the_first_that_claims_it_even_while_that_one_waits() {
    // The forger's first entry waits for the office's; the second uses its number again, and waits for nothing.
    let Story { readers, logs } = story();
    let [mut cause_first, mut cause_last] = <[Node; 2]>::try_from(readers).expect("two readers");
    let (cause, effect, twin) = (&logs[0][0], &logs[2][0], &logs[2][1]);
    [cause, effect, twin].into_iter().for_each(|frame| drop(gossip(&mut cause_first, frame)));
    [effect, twin].into_iter().for_each(|frame| drop(gossip(&mut cause_last, frame)));
    let reasons = |node: &Node| node.set_aside().iter().map(|(_, number, why)| (*number, *why)).collect::<Vec<_>>();
    assert_eq!(reasons(&cause_last), [(2, SetAside::Place)], "at once, and for good");
    gossip(&mut cause_last, cause);
    assert_eq!(shown(&mut cause_first), shown(&mut cause_last));
    assert_eq!(reasons(&cause_first), [(2, SetAside::Place)]);
}

#[test]
fn the_last_of_several_certificates_wakes_what_waited_for_it() {
    let Net { mut office, mut counter, forger, credit, .. } = net();
    let credit = DocumentId::Credit { shop: ShopId(5), id: credit };
    certified(&mut office, LATE, Role::Auditor);
    meet(&mut office, &mut counter);
    let mut late = Forger { documents: forger.documents.clone(), ..Forger::new(LATE, SHOP_5) };
    let body = late.pay(&credit, "10");
    let early = late.entry(&body);
    gossip(&mut counter, &early);
    let reasons: Vec<SetAside> = counter.set_aside().iter().map(|(_, _, why)| *why).collect();
    assert_eq!(reasons, [SetAside::Right], "an auditor writes nothing");
    // Two more, which come in one piece: neither is a right yet but the last.
    certified(&mut office, LATE, Role::Relay);
    certified(&mut office, LATE, Role::Device);
    meet(&mut office, &mut counter);
    assert_eq!(counter.set_aside(), []);
    assert_eq!(shown(&mut counter), shown(&mut office));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_order_of_arrival_decides_nothing(choices in proptest::collection::vec(0..7_usize, 0..60)) {
        let Story { readers, logs } = story();
        let [mut in_order, mut shuffled] = <[Node; 2]>::try_from(readers).expect("two readers");
        for log in [1, 5, 6, 0, 2, 3, 4] {
            logs[log].iter().for_each(|frame| drop(gossip(&mut in_order, frame)));
        }
        tell(&mut shuffled, &logs, &choices);
        prop_assert_eq!(shown(&mut in_order), shown(&mut shuffled));
        prop_assert_eq!(verified(&mut shuffled).faults, Vec::<String>::new());
        let before = shown(&mut shuffled);
        shuffled.rebuild().expect("it is folded anew");
        prop_assert_eq!(&before, &shown(&mut shuffled), "folded anew");
        let mut again = Replica::open(shuffled.into_store(), identity(READERS[1]), [99; 32]).expect("opened");
        prop_assert_eq!(&before, &shown(&mut again), "opened again");
    }

    #[test]
    fn a_reopening_in_the_middle_decides_nothing(choices in proptest::collection::vec(0..7_usize, 0..40)) {
        let Story { readers, logs } = story();
        let [mut in_order, mut reopened] = <[Node; 2]>::try_from(readers).expect("two readers");
        tell(&mut in_order, &logs, &[]);
        let mut next = vec![0; logs.len()];
        for choice in &choices {
            if let Some(frame) = logs[*choice].get(next[*choice]) {
                gossip(&mut reopened, frame);
                next[*choice] += 1;
            }
            let before = shown(&mut reopened);
            reopened = Replica::open(reopened.into_store(), identity(READERS[1]), [99; 32]).expect("opened");
            prop_assert_eq!(before, shown(&mut reopened));
        }
        tell(&mut reopened, &logs, &[]);
        prop_assert_eq!(shown(&mut in_order), shown(&mut reopened));
    }
}

#[test]
fn an_effect_waits_for_its_cause_over_a_reopening() {
    let Net { mut office, mut counter, mut forger, credit, .. } = net();
    let document = DocumentId::Credit { shop: ShopId(5), id: credit };
    let cause = done(&mut office, NOW.plus_ms(1_000), edit_command("A"));
    forger.hear(&cause[0]);
    let effect = forger.pay(&document, "10");
    let effect = forger.entry(&effect);
    let on_top = forger.pay(&document, "20");
    let on_top = forger.entry(&on_top);

    let before = shown(&mut counter);
    gossip(&mut counter, &effect);
    gossip(&mut counter, &on_top);
    let waiting = shown(&mut counter);
    assert_eq!((waiting.waiting, waiting.digest.as_str()), (2, before.digest.as_str()), "kept, without effect");
    assert_eq!(waiting.set_aside, []);
    assert_eq!(verified(&mut counter).faults, Vec::<String>::new());

    let mut counter = Replica::open(counter.into_store(), identity(crate::forge::COUNTER), [50; 32]).expect("opened");
    assert_eq!(shown(&mut counter), waiting);
    counter.rebuild().expect("folded anew");
    assert_eq!(shown(&mut counter), waiting);
    gossip(&mut counter, &cause[0]);
    assert_eq!(shown(&mut counter).waiting, 0);
    gossip(&mut office, &effect);
    gossip(&mut office, &on_top);
    assert_eq!(shown(&mut office), shown(&mut counter));
    let paid = counter.book().credit(&credit).expect("the credit").paid;
    assert_eq!(paid.value().to_string(), "30.00");
    let mut counter = Replica::open(counter.into_store(), identity(crate::forge::COUNTER), [51; 32]).expect("opened");
    assert_eq!(shown(&mut counter), shown(&mut office), "what waited no longer waits");
}

#[test]
fn what_waits_is_forwarded_to_who_has_the_cause() {
    let Net { mut office, mut counter, mut forger, credit, .. } = net();
    let document = DocumentId::Credit { shop: ShopId(5), id: credit };
    let cause = done(&mut office, NOW.plus_ms(1_000), edit_command("A"));
    forger.hear(&cause[0]);
    let effect = forger.pay(&document, "10");
    gossip(&mut counter, &forger.entry(&effect));
    meet(&mut counter, &mut office);
    assert_eq!(shown(&mut counter).waiting, 0);
    assert_eq!(shown(&mut counter), shown(&mut office));
}

#[test]
fn a_cause_that_never_comes_holds_up_nobody_else() {
    let Net { mut office, mut counter, mut forger, credit, .. } = net();
    let document = DocumentId::Credit { shop: ShopId(5), id: credit };
    let mut secret = forger.clone();
    let hidden = secret.write(&document, &edit("caché"));
    secret.entry(&hidden);
    // In a run of its own, resting on what was never shown.
    secret.head = Head { ..forger.head };
    secret.run += 1;
    let orphan = secret.pay(&document, "10");
    gossip(&mut counter, &secret.entry(&orphan));
    forger.head = secret.head;
    forger.run += 2;
    let honest = forger.pay(&document, "1");
    gossip(&mut counter, &forger.entry(&honest));
    done(&mut counter, NOW.plus_ms(1_000), pay_command("CRED-001", "2"));
    meet(&mut counter, &mut office);
    assert_eq!(shown(&mut counter), shown(&mut office));
    assert_eq!(shown(&mut office).waiting, 1);
    let paid = office.book().credit(&credit).expect("the credit").paid;
    assert_eq!(paid.value().to_string(), "3.00");
}

#[test]
fn the_actor_of_a_log_is_nobody_elses() {
    // What makes a second use of an actor's number visible is that only its own log may bear it.
    let Net { forger, .. } = net();
    let other: SigningKey = key(LATE);
    let log = ucash::log::LogId { device: other.public(), ..forger.log };
    assert_ne!(actor_of(&forger.log, 1), actor_of(&log, 1));
    assert_ne!(actor_of(&forger.log, 1), actor_of(&forger.log, 2));
    let shop_7 = ucash::log::LogId { scope: Scope::Shop(ShopId(7)), ..forger.log };
    assert_ne!(actor_of(&forger.log, 1), actor_of(&shop_7, 1));
}
