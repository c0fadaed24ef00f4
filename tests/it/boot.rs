//! A replica that is opened again, folded anew, or pulled from under its feet, is the one that it was.

use ucash::log::Body;
use ucash::model::{Deposit, MovementKind, Timestamp};
use ucash::replica::{Answer, BootError, Command, Founder, Input, Output, Query, Replica, ReplicaError};
use ucash::store::{Batch, MemoryStore, Store};
use ucash::wire::{Message, decode};

use crate::forge::{
    AUTHORITY, COUNTER, FORGER, Net, Node, OFFICE, ask, done, found, gossip, grant_command, identity, meet, net,
    pay_command, run, shown, verified,
};
use crate::samples::{NOW, sim};

/// Everything that a replica shows of the books.
fn everything(node: &mut Node) -> Vec<String> {
    let credits = Query::Credits(Default::default());
    let movements = Query::Movements { sim: sim(), limit: 100, after: None };
    let history = Query::CreditHistory { key: "CRED-001".to_owned() };
    let queries = [
        Query::Devices,
        Query::Shops,
        Query::Sims { shop: None },
        Query::SimBalance { sim: sim() },
        credits,
        movements,
        history,
    ];
    let mut all: Vec<String> = queries.into_iter().map(|query| format!("{:?}", ask(node, query))).collect();
    all.push(format!("{:?}", shown(node)));
    all.push(format!("{:?}", node.heads()));
    all
}

/// An office with honest entries, wrong ones, and one that waits.
fn busy() -> Node {
    let Net { mut office, mut counter, mut forger, credit, .. } = net();
    done(&mut counter, NOW.plus_ms(1_000), pay_command("CRED-001", "10"));
    meet(&mut office, &mut counter);
    let document = ucash::model::DocumentId::Credit { shop: ucash::model::ShopId(5), id: credit };
    let wrong = forger.sign(vec![vec![1, 2, 3]]);
    gossip(&mut office, &wrong);
    let mut ahead = counter;
    let cause = done(&mut ahead, NOW.plus_ms(2_000), pay_command("CRED-001", "11"));
    let published = done(&mut office, NOW.plus_ms(3_000), pay_command("CRED-001", "12"));
    forger.hear(&published[0]);
    let _ = cause;
    let waits = {
        let mut secret = forger.clone();
        let hidden = secret.pay(&document, "1");
        secret.entry(&hidden);
        secret.head = forger.head;
        secret.run += 1;
        let orphan = secret.pay(&document, "2");
        secret.entry(&orphan)
    };
    gossip(&mut office, &waits);
    let state = shown(&mut office);
    assert_eq!((state.waiting, state.set_aside.len()), (1, 1));
    office
}

#[test]
fn a_replica_opened_again_is_the_one_that_it_was() {
    let mut office = busy();
    let before = everything(&mut office);
    let mut again = Replica::open(office.into_store(), identity(OFFICE), [50; 32]).expect("opened");
    assert_eq!(everything(&mut again), before);
    assert_eq!(verified(&mut again).faults, Vec::<String>::new());
    // And goes on.
    done(&mut again, NOW.plus_ms(9_000), pay_command("CRED-001", "1"));
    assert_ne!(everything(&mut again), before);
}

#[test]
fn a_replica_folded_anew_is_the_one_that_it_was() {
    let mut office = busy();
    let before = everything(&mut office);
    office.rebuild().expect("folded anew");
    assert_eq!(everything(&mut office), before);
    let mut again = Replica::open(office.into_store(), identity(OFFICE), [50; 32]).expect("opened");
    assert_eq!(everything(&mut again), before);
}

/// Writes straight into the store, as a version that lays things out otherwise would have.
fn put(store: &mut MemoryStore, key: &[u8], value: &[u8]) {
    let mut batch = Batch::default();
    batch.put(key, value);
    store.apply(&batch).and_then(|()| store.sync()).expect("in memory");
}

fn keys(store: &MemoryStore, letter: u8) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let scanned = store.scan(&[letter], &[letter], &mut |key, _| {
        found.push(key.to_vec());
        std::ops::ControlFlow::Continue(())
    });
    scanned.expect("in memory");
    found
}

#[test]
fn what_another_version_derived_is_derived_anew() {
    let mut office = busy();
    let before = everything(&mut office);
    let mut store = office.into_store();
    put(&mut store, b"sderived", b"0");
    for letter in *b"cmdwx" {
        for key in keys(&store, letter) {
            put(&mut store, &key, b"\xff\xff another layout");
        }
    }
    let mut again = Replica::open(store, identity(OFFICE), [50; 32]).expect("opened");
    assert_eq!(everything(&mut again), before);
    let store = again.into_store();
    assert_ne!(store.get(b"sderived").expect("in memory"), Some(b"0".to_vec()), "once");
}

/// Removes a key behind the replica's back, as a damaged database does in silence.
fn remove(store: &mut MemoryStore, key: &[u8]) {
    let mut batch = Batch::default();
    batch.delete(key);
    store.apply(&batch).and_then(|()| store.sync()).expect("in memory");
}

#[test]
fn a_derived_record_that_is_damaged_missing_or_older_is_derived_anew() {
    let mut office = busy();
    let before = everything(&mut office);
    let store = office.into_store();
    let mut older = net().office;
    done(&mut older, NOW.plus_ms(1_000), pay_command("CRED-001", "10"));
    let older = older.into_store();
    for letter in *b"cmdwx" {
        for key in keys(&store, letter) {
            let mut damaged = store.clone();
            put(&mut damaged, &key, b"\xff\xff\xff");
            let mut missing = store.clone();
            remove(&mut missing, &key);
            let mut images = vec![damaged, missing];
            if let Some(value) = older.get(&key).expect("in memory") {
                let mut stale = store.clone();
                put(&mut stale, &key, &value);
                images.push(stale);
            }
            for (image, what) in images.into_iter().zip(["damaged", "missing", "older"]) {
                // What waits or is set aside bears its verdict in its key or in one byte.
                let mut again = Replica::open(image, identity(OFFICE), [50; 32]).expect("opened");
                assert_eq!(everything(&mut again), before, "{} {what}", letter as char);
                assert_eq!(verified(&mut again).faults, Vec::<String>::new(), "{} {what}", letter as char);
            }
        }
    }
}

#[test]
fn whatever_else_is_gone_from_a_store_is_named_and_nothing_is_changed() {
    let mut office = busy();
    let command = Box::new(pay_command("CRED-001", "1"));
    office.handle(NOW.plus_ms(9_000), Input::Command { ticket: 1, command, key: Some("clef".to_owned()) });
    office.sync().expect("synced");
    let store = office.into_store();
    for letter in *b"eil" {
        for key in keys(&store, letter) {
            let mut image = store.clone();
            remove(&mut image, &key);
            let before = image.clone();
            let opened = Replica::open(image, identity(OFFICE), [50; 32]);
            let Err(BootError::Damaged(damage)) = opened else { panic!("{}: {opened:?}", letter as char) };
            match letter {
                b'e' => assert_eq!(damage.lost.len(), 1, "{damage}"),
                b'l' => assert!(damage.nameless_segments > 0 || damage.records.len() == 1, "{damage}"),
                _ => assert!(damage.records.len() == 1 && damage.lost.is_empty(), "{damage}"),
            }
            // Salvaged, all that a signature proves goes on, in a new life.
            let authority = crate::forge::key(AUTHORITY).public();
            let expected = busy().heads();
            let (mut again, report) =
                Replica::salvage(&before, MemoryStore::default(), identity(OFFICE), authority, [51; 32], &expected)
                    .expect("salvaged");
            // A store that lost entries may have fallen back as a whole.
            assert_eq!(report.own_records_lost, letter != b'l', "{report:?}");
            match letter {
                b'e' => assert_eq!((report.lost.len(), again.lost()), (1, report.lost.clone()), "{report:?}"),
                // Even a log that lost its name is known by who signed it.
                _ => assert!(report.lost.is_empty(), "{report:?}"),
            }
            assert_eq!(shown(&mut again).entries, report.entries);
            let old = Replica::open(store.clone(), identity(OFFICE), [50; 32]).expect("whole");
            assert_ne!(again.holder(), old.holder(), "a new life");
        }
    }
}

#[test]
fn a_month_that_goes_bad_while_it_is_open_stops_all_writing() {
    let store = busy().into_store();
    let key = keys(&store, b'd').pop().expect("a month");
    let mut office = Replica::open(Spoilt { store, key }, identity(OFFICE), [50; 32]).expect("opened");
    let kind = MovementKind::Deposit(Deposit { amount: crate::samples::usd("5"), phone: None });
    let refused = run_unsynced(&mut office, Command::Move { sim: sim(), kind, agent: None });
    assert!(matches!(refused, Err(ucash::ledger::Refusal::ReadOnly { .. })), "{refused:?}");
    assert!(office.failure().is_some());
}

/// A store of which one value cannot be read on its own any more, though it could be scanned.
#[derive(Debug)]
struct Spoilt {
    store: MemoryStore,
    key: Vec<u8>,
}

impl Store for Spoilt {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ucash::store::StoreError> {
        if key == self.key {
            return Ok(Some(vec![0xff; 3]));
        }
        self.store.get(key)
    }
    fn scan(&self, prefix: &[u8], from: &[u8], visit: ucash::store::Visit<'_>) -> Result<(), ucash::store::StoreError> {
        self.store.scan(prefix, from, visit)
    }
    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ucash::store::Pair>, ucash::store::StoreError> {
        self.store.floor(prefix, key)
    }
    fn apply(&mut self, batch: &Batch) -> Result<(), ucash::store::StoreError> {
        self.store.apply(batch)
    }
    fn sync(&mut self) -> Result<(), ucash::store::StoreError> {
        self.store.sync()
    }
}

fn run_unsynced<S: Store>(node: &mut Replica<S>, command: Command) -> Result<Answer, ucash::ledger::Refusal> {
    let outputs = node.handle(NOW.plus_ms(5_000), Input::Command { ticket: 1, command: Box::new(command), key: None });
    let answer = outputs.into_iter().find_map(|output| match output {
        Output::Answer { result, .. } => Some(result),
        _ => None,
    });
    answer.expect("an answer")
}

#[test]
fn each_wrong_store_is_refused_by_name() {
    let store = busy().into_store();
    let other = Replica::open(store.clone(), identity(COUNTER), [50; 32]);
    assert!(matches!(other, Err(BootError::Replica(ReplicaError::Foreign))), "another device's");
    let empty = Replica::open(MemoryStore::default(), identity(OFFICE), [50; 32]);
    assert!(matches!(empty, Err(BootError::Emptiness { expected_empty: false })));
    let founder = Founder {
        network: "X".to_owned(),
        time_zone: "UTC".to_owned(),
        shop: ucash::model::ShopId(1),
        shop_name: "X".to_owned(),
        device_name: "X".to_owned(),
    };
    let again = Replica::found(store.clone(), identity(OFFICE), [50; 32], &founder, NOW);
    assert!(matches!(again, Err(BootError::Emptiness { expected_empty: true })), "in use");
    let credentials = busy().registry().credentials(&crate::forge::device(FORGER)).expect("certified");
    let joined = Replica::join(store, identity(FORGER), [50; 32], &credentials);
    assert!(matches!(joined, Err(BootError::Emptiness { expected_empty: true })), "in use");
    let early = Replica::found(MemoryStore::default(), identity(OFFICE), [50; 32], &founder, Timestamp(0));
    assert!(matches!(early, Err(BootError::Refused(_))), "a clock before 2020");
    let no_key = ucash::replica::Identity { authority_key: None, ..identity(OFFICE) };
    let unfounded = Replica::found(MemoryStore::default(), no_key, [50; 32], &founder, NOW);
    assert!(matches!(unfounded, Err(BootError::Refused(_))), "without the authority's key");
    let nameless = Founder { network: " ".to_owned(), ..founder };
    let refused = Replica::found(MemoryStore::default(), identity(OFFICE), [50; 32], &nameless, NOW);
    assert!(matches!(refused, Err(BootError::Refused(_))), "a network without a name");
}

#[test]
fn a_loss_of_power_loses_only_what_was_not_synced_and_no_half_of_anything() {
    let mut office = found(OFFICE, AUTHORITY);
    let bukavu = Some(ucash::model::ShopId(7));
    done(&mut office, NOW, Command::AddShop { shop: bukavu, name: "Bukavu".to_owned(), town: None });
    let add = Command::AddSim {
        sim: sim(),
        operator: ucash::model::Operator::Airtel,
        shop: None,
        opening: vec![crate::samples::usd("500"), crate::samples::cdf("900000")],
    };
    done(&mut office, NOW, add);
    // Handled, and not synced: nothing of it was said to anyone. The states after each batch:
    let mut states = vec![everything_of(&mut office)];
    let commands = [
        grant_command("CRED-001", "100"),
        pay_command("CRED-001", "30"),
        grant_command("CRED-002", "50"),
        Command::AddShop { shop: None, name: "Uvira".to_owned(), town: Some("Uvira".to_owned()) },
        pay_command("CRED-001", "70"),
    ];
    let count = commands.len();
    for (command, step) in commands.into_iter().zip(1..) {
        let input = Input::Command { ticket: 1, command: Box::new(command), key: Some(format!("key {step}")) };
        let outputs = office.handle(NOW.plus_ms(step * 1_000), input);
        assert!(outputs.iter().any(|output| matches!(output, Output::Answer { result: Ok(_), .. })), "{outputs:?}");
        states.push(everything_of(&mut office));
    }
    let store = office.into_store();
    assert_eq!(store.unsynced(), count, "one batch for each command, however many entries it makes");
    for (kept, state) in states.iter().enumerate() {
        let image = store.clone().crash_keeping(kept);
        let mut again = Replica::open(image, identity(OFFICE), [60; 32]).expect("opened");
        assert_eq!(&everything_of(&mut again), state, "{kept} batches kept");
        assert_eq!(verified(&mut again).faults, Vec::<String>::new());
    }
    let mut after = Replica::open(store.crash(), identity(OFFICE), [60; 32]).expect("opened");
    assert_eq!(everything_of(&mut after), states[0], "what was synced, and nothing else");
}

fn everything_of(node: &mut Node) -> Vec<String> {
    let queries = [Query::Shops, Query::SimBalance { sim: sim() }, Query::Credits(Default::default())];
    let mut all: Vec<String> = queries.into_iter().map(|query| format!("{:?}", ask(node, query))).collect();
    all.push(format!("{:?}", node.heads()));
    all.push(format!("{:?}", shown(node)));
    all
}

#[test]
fn an_answer_is_remembered_by_its_key_over_a_loss_of_power() {
    let mut office = net().office;
    let pay = |node: &mut Node, amount: &str| {
        let command = Box::new(pay_command("CRED-001", amount));
        let outputs =
            node.handle(NOW.plus_ms(1_000), Input::Command { ticket: 1, command, key: Some("reçu 12".to_owned()) });
        node.sync().expect("synced");
        outputs.into_iter().find_map(|output| match output {
            Output::Answer { result, .. } => Some(result),
            _ => None,
        })
    };
    let first = pay(&mut office, "10").expect("an answer");
    assert!(matches!(first, Ok(Answer::Credit(_))));
    let mut again = Replica::open(office.into_store().crash(), identity(OFFICE), [60; 32]).expect("opened");
    let entries = shown(&mut again).entries;
    assert_eq!(pay(&mut again, "10"), Some(first), "the same answer");
    assert_eq!(shown(&mut again).entries, entries, "and not a second payment");
    assert_eq!(pay(&mut again, "11"), Some(Err(ucash::ledger::Refusal::KeyReused)));
}

/// The body that a command published.
fn published(node: &mut Node, now: Timestamp, command: Command) -> Body {
    let (answer, frames) = run(node, now, command);
    answer.expect("not refused");
    let Ok(Message::Entries(packed)) = decode(&frames[0]) else { panic!("entries") };
    Body::from_bytes(&packed.unpack().expect("entries").bodies[0]).expect("a body")
}

#[test]
fn a_new_run_has_a_new_actor_and_a_clock_that_goes_on() {
    let mut office = net().office;
    let before = published(&mut office, NOW.plus_ms(50_000), pay_command("CRED-001", "1"));
    let mut again = Replica::open(office.into_store(), identity(OFFICE), [60; 32]).expect("opened");
    // The machine's clock was set back meanwhile.
    let after = published(&mut again, NOW, pay_command("CRED-001", "1"));
    assert_ne!(before.run, after.run);
    assert!(after.stamp > before.stamp, "a stamp is later than every one before it");
    assert_eq!(after.wall, NOW, "what the clock said is on record");
    let actor = |body: &Body| ucash::document::parse(&body.change).expect("honest").actor;
    assert_ne!(actor(&before), actor(&after), "finding 6");
    assert_eq!(again.set_aside(), []);
}

#[test]
fn a_disk_that_fails_stops_all_writing() {
    struct Full(MemoryStore, bool);
    impl Store for Full {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ucash::store::StoreError> {
            self.0.get(key)
        }
        fn scan(
            &self,
            prefix: &[u8],
            from: &[u8],
            visit: ucash::store::Visit<'_>,
        ) -> Result<(), ucash::store::StoreError> {
            self.0.scan(prefix, from, visit)
        }
        fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ucash::store::Pair>, ucash::store::StoreError> {
            self.0.floor(prefix, key)
        }
        fn apply(&mut self, batch: &Batch) -> Result<(), ucash::store::StoreError> {
            if self.1 { Err(ucash::store::StoreError::Full) } else { self.0.apply(batch) }
        }
        fn sync(&mut self) -> Result<(), ucash::store::StoreError> {
            if self.1 { Err(ucash::store::StoreError::Full) } else { self.0.sync() }
        }
    }
    let store = net().office.into_store();
    let before = store.clone();
    let mut office = Replica::open(Full(store, false), identity(OFFICE), [60; 32]).expect("opened");
    office = Replica::open(Full(office.into_store().0, true), identity(OFFICE), [61; 32]).expect("opened");
    let pay = |node: &mut Replica<Full>| {
        let command = Box::new(pay_command("CRED-001", "1"));
        node.handle(NOW, Input::Command { ticket: 1, command, key: None })
    };
    for _ in 0..2 {
        let outputs = pay(&mut office);
        let [Output::Answer { result, .. }] = &outputs[..] else { panic!("only an answer: {outputs:?}") };
        assert_eq!(result, &Err(ucash::ledger::Refusal::DiskFull));
        assert!(office.failure() == Some(&ucash::ledger::Refusal::DiskFull) && office.sync().is_err());
    }
    let after = office.into_store().0;
    assert_eq!(keys(&after, b'e'), keys(&before, b'e'), "nothing was written");
}
