//! A counter to try the money rules at: a replica in memory, driven by hand on a clock that the test turns.
//!
//! All desks of a network share one clock, which goes on by a second with every command: of two commands given
//! one after the other, on whichever desks, the later has the newer stamp.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use ucash::ledger::{CreditFilter, Refusal};
use ucash::log::SigningKey;
use ucash::membership::{Invitation, ReadScope, Role};
use ucash::model::{
    Beneficiary, BeneficiaryKind, Capture, CaptureState, Deposit, DeviceKey, MovementKind, Operator, PaymentMode,
    Reference, ShopId, SimNumber, Timestamp, Withdrawal,
};
use ucash::money::{Amount, Currency};
use ucash::replica::{
    AccountView, Answer, Command, CreditView, Founder, GrantRequest, Identity, Input, Joiner, MovementView, Output,
    Query, Replica, StatusView, VerifyView,
};
use ucash::store::MemoryStore;

/// What a command or query came to.
pub type Outcome = Result<Answer, Refusal>;

/// A digest, and each log's head.
pub type Mark = (String, BTreeMap<Vec<u8>, (u64, [u8; 32])>);

/// When every network of the tests begins: 2026-05-28.
pub const START: Timestamp = Timestamp(1_780_000_000_000);
/// A day.
pub const DAY: i64 = 24 * 3_600_000;
/// The SIM of shop 1 in most tests.
pub const SIM: &str = "+243971777631";

/// One device of a network, and the person at it.
pub struct Desk {
    replica: Option<Replica<MemoryStore>>,
    identity: Identity,
    seed: u8,
    clock: Rc<Cell<i64>>,
    /// The seeds of the keys that the network's devices were made of so far.
    seeds: Rc<Cell<u8>>,
}

impl Desk {
    /// The head office of a new network, in shop 1, `Goma`, which has no SIM yet.
    pub fn found() -> Desk {
        let identity = identity(1, Some(200), [7; 32]);
        let founder = Founder {
            network: "Kivu Cash".to_owned(),
            time_zone: "Africa/Lubumbashi".to_owned(),
            shop: ShopId(1),
            shop_name: "Goma".to_owned(),
            device_name: "siege".to_owned(),
        };
        let replica = Replica::found(MemoryStore::default(), identity.clone(), [1; 32], &founder, START);
        let replica = replica.unwrap_or_else(|error| panic!("founding: {error}"));
        Desk {
            replica: Some(replica),
            identity,
            seed: 1,
            clock: Rc::new(Cell::new(START.0)),
            seeds: Rc::new(Cell::new(1)),
        }
    }

    /// A head office whose SIM holds `opening` USD.
    pub fn with_sim(opening: &str) -> Desk {
        let mut desk = Desk::found();
        desk.add_sim(SIM, &[opening]).unwrap_or_else(|refusal| panic!("SIM: {refusal}"));
        desk
    }

    pub fn replica(&self) -> &Replica<MemoryStore> {
        self.replica.as_ref().unwrap_or_else(|| panic!("the desk is closed"))
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.clock.get())
    }

    pub fn set_now(&self, now: Timestamp) {
        self.clock.set(now.0);
    }

    /// Lets time pass for the whole network.
    pub fn wait(&self, milliseconds: i64) {
        self.clock.set(self.clock.get() + milliseconds);
    }

    pub fn handle(&mut self, input: Input) -> Vec<Output> {
        let now = self.now();
        let replica = self.replica.as_mut().unwrap_or_else(|| panic!("the desk is closed"));
        let outputs = replica.handle(now, input);
        replica.sync().unwrap_or_else(|error| panic!("sync: {error}"));
        outputs
    }

    /// A command, a second after the last.
    pub fn command(&mut self, command: Command) -> Outcome {
        self.wait(1_000);
        answer(self.handle(Input::Command { ticket: 1, command: Box::new(command), key: None }))
    }

    /// A command under an idempotency key.
    pub fn keyed(&mut self, key: &str, command: Command) -> Outcome {
        self.wait(1_000);
        answer(self.handle(Input::Command { ticket: 1, command: Box::new(command), key: Some(key.to_owned()) }))
    }

    pub fn ask(&mut self, query: Query) -> Outcome {
        answer(self.handle(Input::Query { ticket: 2, query: Box::new(query) }))
    }

    pub fn add_sim(&mut self, sim: &str, opening: &[&str]) -> Outcome {
        let opening = opening.iter().map(|text| money(text)).collect();
        self.command(Command::AddSim { sim: number(sim), operator: Operator::Airtel, shop: None, opening })
    }

    /// Grants that many USD from [`SIM`].
    pub fn grant(&mut self, reference: &str, amount: &str) -> Outcome {
        self.command(Command::Grant(request(reference, SIM, amount)))
    }

    pub fn pay(&mut self, credit: &str, amount: &str) -> Outcome {
        self.command(pay(credit, amount))
    }

    pub fn cancel(&mut self, credit: &str) -> Outcome {
        self.command(cancel(credit))
    }

    /// Takes back a credit's payment of that place in its list.
    pub fn reverse_payment(&mut self, credit: &str, place: usize) -> Outcome {
        let payment = self.credit(credit).payments[place].id.to_string();
        self.command(reverse_payment(credit, &payment))
    }

    /// Meets another and gives it some of what it may spend of [`SIM`].
    pub fn give(&mut self, to: &mut Desk, amount: &str) {
        self.give_of(SIM, to, amount);
    }

    /// The same of another SIM.
    pub fn give_of(&mut self, sim: &str, to: &mut Desk, amount: &str) {
        let device = to.replica().device().to_text();
        let command = Command::GiveShare { sim: number(sim), amount: money(amount), to: device };
        meet_and(self, to, Some(command));
    }

    /// Records a movement of [`SIM`] and answers its id.
    pub fn moved(&mut self, kind: MovementKind) -> String {
        match self.command(Command::Move { sim: number(SIM), kind, agent: None }) {
            Ok(Answer::Movement(movement)) => movement.id.to_string(),
            other => panic!("no movement: {other:?}"),
        }
    }

    pub fn credit(&mut self, key: &str) -> CreditView {
        match self.ask(Query::Credit { key: key.to_owned() }) {
            Ok(Answer::Credit(credit)) => *credit,
            other => panic!("no credit {key}: {other:?}"),
        }
    }

    /// A page of credits: what is on it and where the next begins.
    pub fn page(&mut self, filter: CreditFilter) -> (Vec<CreditView>, Option<String>) {
        match self.ask(Query::Credits(filter)) {
            Ok(Answer::Credits(page)) => (page.items, page.next),
            other => panic!("no credits: {other:?}"),
        }
    }

    /// All that a filter finds, page by page.
    pub fn list(&mut self, filter: &CreditFilter) -> Vec<CreditView> {
        let mut found = Vec::new();
        let mut after = None;
        for _ in 0..10_000 {
            let (items, next) = self.page(CreditFilter { after, ..filter.clone() });
            found.extend(items);
            after = next;
            if after.is_none() {
                return found;
            }
        }
        panic!("the pages do not end");
    }

    /// The references that a filter finds, in its order.
    pub fn references(&mut self, filter: &CreditFilter) -> Vec<String> {
        self.list(filter).into_iter().map(|credit| credit.reference).collect()
    }

    /// A SIM's movements, newest first, page by page.
    pub fn movements(&mut self, sim: &str, limit: usize) -> Vec<MovementView> {
        let mut found = Vec::new();
        let mut after = None;
        for _ in 0..10_000 {
            match self.ask(Query::Movements { sim: number(sim), limit, after }) {
                Ok(Answer::Movements(page)) => {
                    found.extend(page.items);
                    after = page.next;
                }
                other => panic!("no movements: {other:?}"),
            }
            if after.is_none() {
                return found;
            }
        }
        panic!("the pages do not end");
    }

    pub fn accounts(&mut self, sim: &str) -> BTreeMap<Currency, AccountView> {
        match self.ask(Query::SimBalance { sim: number(sim) }) {
            Ok(Answer::Balance(balance)) => balance.balances,
            other => panic!("no balance: {other:?}"),
        }
    }

    /// What [`SIM`] holds in USD.
    pub fn available(&mut self) -> String {
        self.accounts(SIM)[&Currency::Usd].available.clone()
    }

    pub fn status(&mut self) -> StatusView {
        match self.ask(Query::Status) {
            Ok(Answer::Status(status)) => *status,
            other => panic!("no status: {other:?}"),
        }
    }

    /// What desks that hold the same entries agree on.
    pub fn digest(&mut self) -> String {
        self.status().state_digest
    }

    /// The digest and every log's head: unchanged, if nothing was written.
    pub fn mark(&mut self) -> Mark {
        (self.digest(), self.replica().heads())
    }

    pub fn verify(&mut self) -> VerifyView {
        match self.ask(Query::Verify) {
            Ok(Answer::Verified(verified)) => verified,
            other => panic!("no verification: {other:?}"),
        }
    }

    /// Everything holds when it is checked anew, and nothing waits or is set aside.
    pub fn assert_sound(&mut self) {
        let verified = self.verify();
        assert!(verified.sound, "{:?}", verified.faults);
        let status = self.status();
        assert_eq!((status.waiting, status.set_aside), (0, 0), "entries wait or are set aside");
    }

    /// Loses power and starts again from what was synced.
    pub fn reopen(&mut self) {
        let store = self.replica.take().unwrap_or_else(|| panic!("the desk is closed")).into_store().crash();
        let opened = Replica::open(store, self.identity.clone(), [self.seed.wrapping_add(100); 32]);
        self.replica = Some(opened.unwrap_or_else(|error| panic!("opening: {error}")));
    }
}

fn identity(seed: u8, authority: Option<u8>, gossip_key: [u8; 32]) -> Identity {
    Identity {
        key: SigningKey::from_seed(&[seed; 32]),
        authority_key: authority.map(|seed| SigningKey::from_seed(&[seed; 32])),
        gossip_key,
    }
}

fn answer(outputs: Vec<Output>) -> Outcome {
    let found = outputs.into_iter().find_map(|output| match output {
        Output::Answer { result, .. } => Some(result),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no answer"))
}

/// An invitation of that desk into one of its network's shops, good for a quarter of an hour.
pub fn invite(shop: u32, role: Role) -> Command {
    Command::Invite {
        shop: Some(ShopId(shop)),
        new_shop: None,
        role,
        read: ReadScope::All,
        expires_in_ms: 900_000,
        addresses: Vec::new(),
    }
}

/// A new device is invited, joins, and hears of all that its inviter knows.
pub fn join(inviter: &mut Desk, name: &str, shop: u32, role: Role) -> Desk {
    let invitation = match inviter.command(invite(shop, role)) {
        Ok(Answer::Invitation(invitation)) => invitation.invitation,
        other => panic!("no invitation: {other:?}"),
    };
    let invitation = Invitation::from_text(&invitation).unwrap_or_else(|error| panic!("invitation: {error}"));
    let seed = inviter.seeds.get() + 1;
    inviter.seeds.set(seed);
    let key = SigningKey::from_seed(&[seed; 32]);
    let joiner = Joiner::new(key.clone(), invitation, name.to_owned());
    let peer = DeviceKey(key.public().0);
    inviter.handle(Input::Connected { peer });
    let answers = inviter.handle(Input::Frame { peer, bytes: joiner.request() });
    inviter.handle(Input::Disconnected { peer });
    let admitted = answers.iter().find_map(|output| match output {
        Output::Send { bytes, .. } => joiner.answer(bytes).unwrap_or_else(|error| panic!("joining: {error}")),
        _ => None,
    });
    let (credentials, gossip_key) = admitted.unwrap_or_else(|| panic!("{name} was not admitted"));
    let identity = identity(seed, None, gossip_key);
    let replica = Replica::join(MemoryStore::default(), identity.clone(), [seed; 32], &credentials);
    let replica = replica.unwrap_or_else(|error| panic!("joining: {error}"));
    let (clock, seeds) = (Rc::clone(&inviter.clock), Rc::clone(&inviter.seeds));
    let mut joined = Desk { replica: Some(replica), identity, seed, clock, seeds };
    meet(inviter, &mut joined);
    joined
}

/// Carries frames between the two until neither has anything more to say.
pub fn meet(left: &mut Desk, right: &mut Desk) {
    meet_and(left, right, None);
}

/// The same; when they have told each other all, the left one does something, and they go on until all is told again.
fn meet_and(left: &mut Desk, right: &mut Desk, mut command: Option<Command>) {
    let keys = [left.replica().device(), right.replica().device()];
    let mut under_way: VecDeque<(usize, Input)> =
        VecDeque::from([(0, Input::Connected { peer: keys[1] }), (1, Input::Connected { peer: keys[0] })]);
    for _ in 0..10_000 {
        let next = under_way.pop_front().or_else(|| {
            let command = Box::new(command.take()?);
            Some((0, Input::Command { ticket: 1, command, key: None }))
        });
        let Some((to, input)) = next else {
            left.handle(Input::Disconnected { peer: keys[1] });
            right.handle(Input::Disconnected { peer: keys[0] });
            return;
        };
        let desk = if to == 0 { &mut *left } else { &mut *right };
        for output in desk.handle(input) {
            match output {
                Output::Send { bytes, .. } => under_way.push_back((1 - to, Input::Frame { peer: keys[to], bytes })),
                Output::Answer { result: Err(refusal), .. } => panic!("refused: {refusal}"),
                _ => {}
            }
        }
        left.wait(1);
    }
    panic!("the two never fall silent");
}

/// Two desks meet, and show one state afterwards.
pub fn meet_and_agree(left: &mut Desk, right: &mut Desk) {
    meet(left, right);
    assert_eq!(left.digest(), right.digest(), "two desks that met show one state");
}

pub fn number(sim: &str) -> SimNumber {
    SimNumber::new(sim).unwrap_or_else(|error| panic!("{sim}: {error}"))
}

/// `12.50` is USD, `12.50 CDF` what it says.
pub fn money(text: &str) -> Amount {
    let (value, code) = text.split_once(' ').unwrap_or((text, "USD"));
    let amount = Currency::parse(code).and_then(|currency| Amount::parse(value, currency));
    amount.unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub fn request(reference: &str, sim: &str, amount: &str) -> GrantRequest {
    GrantRequest {
        reference: Reference::new(reference).unwrap_or_else(|error| panic!("{reference}: {error}")),
        amount: money(amount),
        sim: number(sim),
        beneficiary: Beneficiary {
            name: "Amani Mumbere".to_owned(),
            phone: Some("+243810000001".to_owned()),
            address: None,
            kind: BeneficiaryKind::Partner,
            shop: None,
        },
        due_at: None,
        notes: None,
        agent: Some("esperance".to_owned()),
    }
}

pub fn pay(credit: &str, amount: &str) -> Command {
    let (credit, amount) = (credit.to_owned(), amount.to_owned());
    Command::Pay { credit, amount, mode: PaymentMode::Cash, reference: None, agent: None }
}

pub fn reverse_payment(credit: &str, payment: &str) -> Command {
    let (credit, payment) = (credit.to_owned(), payment.to_owned());
    Command::ReversePayment { credit, payment, why: "mistyped".to_owned(), agent: None }
}

pub fn cancel(credit: &str) -> Command {
    Command::Cancel { credit: credit.to_owned(), why: "called off".to_owned(), agent: None }
}

pub fn reverse_movement(movement: &str) -> Command {
    Command::ReverseMovement { movement: movement.to_owned(), why: "mistyped".to_owned(), agent: None }
}

pub fn capture(amount: &str, state: CaptureState) -> MovementKind {
    let amount = money(amount);
    MovementKind::Capture(Capture { amount, cash: None, fee: None, reference: None, client: None, phone: None, state })
}

pub fn withdrawal(amount: &str) -> MovementKind {
    MovementKind::Withdrawal(Withdrawal { amount: money(amount), owed_by: None, reimbursed: false })
}

pub fn deposit(amount: &str) -> MovementKind {
    MovementKind::Deposit(Deposit { amount: money(amount), phone: None })
}

/// Every credit, a few a page.
pub fn all() -> CreditFilter {
    CreditFilter { limit: 7, ..CreditFilter::default() }
}

/// Cents, read by the tests' own arithmetic.
pub fn cents(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or_else(|| panic!("{text} has no two decimals"));
    assert_eq!(fraction.len(), 2, "{text} has no two decimals");
    format!("{whole}{fraction}").parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
