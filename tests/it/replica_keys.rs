//! The same key is the same command: its answer is remembered, over closings too; and what is refused changes
//! nothing.

use std::cell::Cell;
use std::rc::Rc;

use ucash::log::SigningKey;
use ucash::membership::{ReadScope, Role};
use ucash::model::{CaptureState, Edit, MovementKind, ShopId, Timestamp};
use ucash::replica::{Answer, Command, Founder, Identity, Input, Output, Query, Replica};
use ucash::store::{Batch, MemoryStore, Store, StoreError, Visit};

use crate::seats::{
    Answered, Desk, FOUNDED, OFFICE, SHOP, SIM, capture, deposit, grant_request, pay_command, sim_number, withdrawal,
};

fn text(answered: &Answered) -> String {
    serde_json::to_string(answered).expect("answers encode")
}

/// A day's commands, each under its key; some are refused.
fn day(desk: &mut Desk) -> Vec<(String, Command, Answered)> {
    let movement = |kind: MovementKind| Command::Move { sim: sim_number(SIM), kind, agent: Some("éva".to_owned()) };
    let mut commands = vec![
        Command::Grant(grant_request("A1", "100 USD")),
        Command::Grant(grant_request("A1", "100 USD")),
        Command::Grant(grant_request("A2", "5000.01 USD")),
        pay_command("A1", "30"),
        pay_command("A1", "1.005"),
        pay_command("A1", "-1"),
        pay_command("A1", "71"),
        pay_command("NOBODY", "1"),
        Command::Cancel { credit: "A1".to_owned(), why: "called off".to_owned(), agent: None },
        Command::Edit { credit: "A1".to_owned(), edits: vec![Edit::Phone(Some("+1".to_owned()))], agent: None },
        Command::Edit { credit: "A1".to_owned(), edits: vec![], agent: None },
        movement(capture("5 USD", CaptureState::Pending)),
        movement(withdrawal("5 USD")),
        movement(deposit("5 CDF")),
        movement(deposit("5000000 CDF")),
        Command::AddShop { shop: Some(ShopId(3)), name: "Uvira".to_owned(), town: Some("Uvira".to_owned()) },
        Command::AddShop { shop: Some(ShopId(3)), name: "Uvira".to_owned(), town: None },
        Command::AddShop { shop: None, name: "\u{7}".to_owned(), town: None },
        Command::AddSim {
            sim: sim_number("+243990000003"),
            operator: ucash::model::Operator::Africell,
            shop: Some(ShopId(3)),
            opening: vec![crate::seats::amount("1 CDF")],
        },
        Command::Invite {
            shop: None,
            new_shop: Some("Kindu".to_owned()),
            role: Role::Device,
            read: ReadScope::Own,
            expires_in_ms: 60_000,
            addresses: vec!["/ip4/10.0.0.1/tcp/4001".to_owned()],
        },
        Command::RenameDevice { device: "office".to_owned(), name: "comptoir".to_owned() },
        Command::RevokeDevice { device: "nobody".to_owned() },
        Command::ValidateCapture { movement: "mv_aaaaaaaaaaaaaaaa".to_owned() },
        Command::PutLocal { key: "a".to_owned(), value: Some(vec![1, 2, 3]) },
        Command::Import {
            session: 1,
            dry_run: false,
            rows: vec![ucash::replica::ImportRow::Shop { shop: ShopId(1), name: "Goma".to_owned(), town: None }],
        },
    ];
    commands.push(Command::Grant(grant_request("A3", "0 USD")));
    commands
        .into_iter()
        .enumerate()
        .map(|(number, command)| {
            let key = format!("key {number}");
            let answered = desk.keyed(OFFICE, &key, command.clone());
            (key, command, answered)
        })
        .collect()
}

#[test]
fn the_same_key_gives_the_same_answer_also_after_reopening() {
    let mut desk = Desk::found();
    let done = day(&mut desk);
    assert!(done.iter().filter(|(.., answered)| answered.is_ok()).count() >= 11);
    assert!(done.iter().filter(|(.., answered)| answered.is_err()).count() >= 11);
    let before = (desk.digest(OFFICE), desk.status(OFFICE).entries);
    for _ in 0..3 {
        // What has changed since changes no answer.
        desk.wait(86_400_000);
        for (key, command, answered) in &done {
            let again = desk.keyed(OFFICE, key, command.clone());
            assert_eq!(text(&again), text(answered), "{command:?}");
            assert_eq!(&again, answered);
        }
        assert_eq!((desk.digest(OFFICE), desk.status(OFFICE).entries), before, "nothing was done again");
        desk.reopen(OFFICE);
    }
}

#[test]
fn another_command_under_a_used_key_is_refused() {
    let mut desk = Desk::found();
    let done = day(&mut desk);
    let before = (desk.digest(OFFICE), desk.status(OFFICE).entries);
    for reopened in [false, true] {
        for (key, command, _) in &done {
            let other = pay_command("A1", "2");
            assert_ne!(*command, other);
            let refusal = desk.keyed(OFFICE, key, other).expect_err("another command");
            assert_eq!(refusal.code(), "idempotency_key_reused", "after {command:?}, reopened: {reopened}");
        }
        desk.reopen(OFFICE);
    }
    assert_eq!((desk.digest(OFFICE), desk.status(OFFICE).entries), before);
}

/// A refusal under a key is an answer like any other: it stands even where the command could be done by now.
#[test]
fn a_refusal_is_remembered() {
    let mut desk = Desk::found();
    let pay = pay_command("A1", "10");
    let refused = desk.keyed(OFFICE, "k", pay.clone());
    assert_eq!(refused.as_ref().expect_err("not granted yet").code(), "unknown_credit");
    desk.grant(OFFICE, "A1", "100 USD").expect("granting");
    desk.reopen(OFFICE);
    assert_eq!(desk.keyed(OFFICE, "k", pay.clone()), refused);
    assert!(desk.keyed(OFFICE, "another", pay).is_ok());
    assert_eq!(desk.credit(OFFICE, "A1").paid, "10.00");
}

/// Keys are a device's own: another device has not heard of them, and two devices may use one.
#[test]
fn keys_are_each_devices_own() {
    let mut desk = Desk::found();
    desk.grant(OFFICE, "A1", "100 USD").expect("granting");
    let till = desk.join(SHOP, "till");
    for seat in [OFFICE, till] {
        desk.keyed(seat, "k", pay_command("A1", "10")).expect("paying");
    }
    desk.meet_all();
    desk.assert_one_state();
    assert_eq!(desk.credit(OFFICE, "A1").paid, "20.00");
}

#[test]
fn on_a_clock_before_2020_nothing_is_done() {
    let mut desk = Desk::found();
    desk.grant(OFFICE, "A1", "100 USD").expect("granting");
    let before = (desk.digest(OFFICE), desk.status(OFFICE).entries, desk.replica(OFFICE).heads());
    let last_bad = Timestamp::YEAR_2020.0 - 1;
    for wall in [last_bad, 0, -1, i64::MIN / 2] {
        let off = wall - 1_000 - desk.now(OFFICE).0;
        desk.set_clock_off(OFFICE, off);
        for key in [None, Some("k")] {
            let answered = match key {
                Some(key) => desk.keyed(OFFICE, key, pay_command("A1", "10")),
                None => desk.command(OFFICE, pay_command("A1", "10")),
            };
            assert_eq!(answered.expect_err("1970 is over").code(), "clock_before_2020");
            desk.wait(-1_000);
        }
        desk.set_clock_off(OFFICE, 0);
    }
    assert_eq!((desk.digest(OFFICE), desk.status(OFFICE).entries, desk.replica(OFFICE).heads()), before);
    desk.keyed(OFFICE, "k", pay_command("A1", "10")).expect("the key is not used up");
}

/// Two commands without a key are two commands, however alike.
#[test]
fn without_a_key_nothing_is_remembered() {
    let mut desk = Desk::found();
    desk.grant(OFFICE, "A1", "100 USD").expect("granting");
    desk.pay(OFFICE, "A1", "10").expect("paying");
    desk.pay(OFFICE, "A1", "10").expect("paying");
    assert_eq!(desk.credit(OFFICE, "A1").payments.len(), 2);
}

/// The longest texts that the rules let through are written, not stumbled over.
#[test]
fn the_longest_fields_fit() {
    let mut desk = Desk::found();
    let long = |count: usize| "𝄞".repeat(count);
    let mut request = grant_request(&long(50), "9.99 USD");
    request.beneficiary.name = long(255);
    request.beneficiary.phone = Some(long(20));
    request.beneficiary.address = Some(long(2_000));
    request.notes = Some(long(2_000));
    request.agent = Some(long(255));
    desk.command(OFFICE, Command::Grant(request)).expect("within bounds");
    let edits = [
        Edit::Name(format!("{}x", long(254))),
        Edit::Phone(Some(format!("{}x", long(19)))),
        Edit::Address(Some(format!("{}x", long(1_999)))),
        Edit::Notes(Some(format!("{}x", long(1_999)))),
    ];
    desk.edit(OFFICE, &long(50), &edits).expect("within bounds");
    let till = desk.join(SHOP, "till");
    desk.assert_one_state();
    assert_eq!(desk.credit(till, &long(50)).notes, Some(format!("{}x", long(1_999))));
}

/// What a manager may invite, it can also admit.
#[test]
fn whom_a_manager_may_invite_it_admits() {
    let mut desk = Desk::found();
    let manager = desk.join_as(OFFICE, SHOP, Role::Manager, ReadScope::All, "manager");
    for (role, read) in
        [(Role::Device, ReadScope::Own), (Role::Device, ReadScope::All), (Role::Auditor, ReadScope::All)]
    {
        desk.join_as(manager, SHOP, role, read, &format!("{role:?} {read:?}"));
    }
    desk.grant(2, "A1", "1 USD").expect("a device writes");
    assert_eq!(desk.grant(4, "A2", "1 USD").expect_err("an auditor does not").code(), "not_allowed");
    desk.meet_all();
    desk.assert_one_state();
}

/// A store that fails once it is told to.
struct Failing {
    disk: MemoryStore,
    fails: Rc<Cell<bool>>,
}

impl Store for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        self.disk.scan(prefix, from, visit)
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ucash::store::Pair>, StoreError> {
        self.disk.floor(prefix, key)
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if self.fails.get() { Err(StoreError::Full) } else { self.disk.apply(batch) }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        if self.fails.get() { Err(StoreError::Full) } else { self.disk.sync() }
    }
}

#[test]
fn a_failed_disk_refuses_and_keeps_what_was() {
    let identity = Identity {
        key: SigningKey::from_seed(&[1; 32]),
        authority_key: Some(SigningKey::from_seed(&[2; 32])),
        gossip_key: [7; 32],
    };
    let founder = Founder {
        network: "Kivu Cash".to_owned(),
        time_zone: "Africa/Lubumbashi".to_owned(),
        shop: SHOP,
        shop_name: "Goma".to_owned(),
        device_name: "office".to_owned(),
    };
    let fails = Rc::new(Cell::new(false));
    let store = Failing { disk: MemoryStore::default(), fails: Rc::clone(&fails) };
    let mut replica = Replica::found(store, identity.clone(), [1; 32], &founder, FOUNDED).expect("founding");
    let shop = |number: u32| Command::AddShop { shop: Some(ShopId(number)), name: "Uvira".to_owned(), town: None };
    let ask = |replica: &mut Replica<Failing>, number: u32, key: Option<&str>| {
        let key = key.map(str::to_owned);
        let outputs = replica.handle(FOUNDED, Input::Command { ticket: 1, command: Box::new(shop(number)), key });
        let sends = outputs.iter().filter(|output| !matches!(output, Output::Answer { .. })).count();
        let answer = outputs.into_iter().find_map(|output| match output {
            Output::Answer { result, .. } => Some(result),
            _ => None,
        });
        (answer.expect("an answer"), sends)
    };
    ask(&mut replica, 2, None).0.expect("the disk is well");
    replica.sync().expect("the disk is well");
    fails.set(true);
    for key in [None, Some("k")] {
        let (answer, sends) = ask(&mut replica, 3, key);
        assert_eq!(answer.expect_err("the disk is full").code(), "read_only");
        assert_eq!(sends, 0, "nothing that was not written is told to others");
    }
    assert!(replica.sync().is_err() && replica.failure().is_some());
    // There is room again; but what the disk holds is known only after opening it again.
    fails.set(false);
    assert_eq!(ask(&mut replica, 3, None).0.expect_err("until it is opened again").code(), "read_only");
    let mut replica = Replica::open(replica.into_store(), identity, [2; 32]).expect("opening again");
    assert_eq!(replica.book().shops().keys().map(|shop| shop.0).collect::<Vec<_>>(), [1, 2]);
    ask(&mut replica, 3, Some("k")).0.expect("the key was not used up");
    let outputs = replica.handle(FOUNDED, Input::Query { ticket: 1, query: Box::new(Query::Verify) });
    match outputs.as_slice() {
        [Output::Answer { result: Ok(Answer::Verified(view)), .. }] => assert!(view.sound, "{:?}", view.faults),
        other => panic!("asked to verify, got {other:?}"),
    }
}
