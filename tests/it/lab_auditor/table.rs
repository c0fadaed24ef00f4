//! A small company around one table, frames carried by hand, under an auditor's eyes. What its devices show can be
//! doctored before the auditor sees it, and what they answer too.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::rc::Rc;

use ucash::lab::{Act, Auditor, Broken, Cast, CastDevice, CastSim, Draw, Shown, Workload};
use ucash::ledger::Refusal;
use ucash::log::SigningKey;
use ucash::membership::{Invitation, ReadScope, Role};
use ucash::model::{CaptureState, Edit, Operator, ShopId, Timestamp};
use ucash::replica::{Answer, Command, CreditView, Founder, Identity, Input, Joiner, MovementView, Output, Replica};
use ucash::store::{Batch, MemoryStore, Pair, Store, StoreError, Visit};

use crate::seats::{amount, capture, deposit, grant_request, pay_command, sim_number, withdrawal};

pub const GOMA: ShopId = ShopId(1);
pub const BUKAVU: ShopId = ShopId(2);
pub const SIM: &str = crate::seats::SIM;
/// Midnight in the shops: 2026-05-27T22:00:00Z.
pub const MIDNIGHT: Timestamp = Timestamp(1_779_919_200_000);

/// A disk in memory that can be told to fail.
#[derive(Default)]
pub struct Disk {
    memory: MemoryStore,
    pub fails: Rc<Cell<bool>>,
}

impl Disk {
    pub fn works(&self) -> Result<(), StoreError> {
        if self.fails.get() { Err(StoreError::Failed("unplugged".to_owned())) } else { Ok(()) }
    }
}

impl Store for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.works().and_then(|()| self.memory.get(key))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        self.works()?;
        self.memory.scan(prefix, from, &mut |key, value| -> ControlFlow<()> { visit(key, value) })
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Pair>, StoreError> {
        self.works().and_then(|()| self.memory.floor(prefix, key))
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.works().and_then(|()| self.memory.apply(batch))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.works().and_then(|()| self.memory.sync())
    }
}

pub struct Seat {
    pub replica: Option<Replica<Disk>>,
    pub identity: Identity,
    pub fails: Rc<Cell<bool>>,
    pub clock_off_ms: i64,
}

/// The company around the table, and its auditor.
pub struct Table {
    pub seats: Vec<Seat>,
    pub cast: Cast,
    pub auditor: Auditor,
    pub now: Timestamp,
    pub tickets: u64,
    pub runs: u8,
}

impl Table {
    /// Two shops: the office and a till in Goma, a till in Bukavu that reads all, a phone there that reads its own.
    pub fn new(skipped: &[&str]) -> Table {
        let keys: Vec<SigningKey> = (1..=4).map(|number| SigningKey::from_seed(&[number; 32])).collect();
        let device = |index: usize, name: &str, shop, role, read| {
            let (name, key) = (name.to_owned(), keys[index].public());
            CastDevice { name, key, shop, role, read }
        };
        let sim = |number: &str, shop, usd: &str, cdf: &str| CastSim {
            number: sim_number(number),
            operator: Operator::Airtel,
            shop,
            opening: vec![amount(&format!("{usd} USD")), amount(&format!("{cdf} CDF"))],
        };
        let cast = Cast {
            shops: vec![GOMA, BUKAVU],
            sims: vec![sim(SIM, GOMA, "1000.00", "500000.00"), sim("+243990000002", BUKAVU, "3000.00", "0")],
            devices: vec![
                device(0, "office", GOMA, Role::HeadOffice, ReadScope::All),
                device(1, "till", GOMA, Role::Device, ReadScope::All),
                device(2, "bukavu", BUKAVU, Role::Manager, ReadScope::All),
                device(3, "phone", BUKAVU, Role::Device, ReadScope::Own),
            ],
        };
        let auditor = Auditor::new(&cast).skipping(skipped);
        let mut table = Table { seats: Vec::new(), cast, auditor, now: MIDNIGHT, tickets: 0, runs: 10 };
        table.found(&keys[0]);
        (1..4).for_each(|seat| table.join(seat, &keys[seat]));
        table.meet_all();
        table.hand_out_shares();
        table
    }

    pub fn found(&mut self, key: &SigningKey) {
        let authority_key = Some(SigningKey::from_seed(&[200; 32]));
        let identity = Identity { key: key.clone(), authority_key, gossip_key: [7; 32] };
        let founder = Founder {
            network: "Kivu Cash".to_owned(),
            time_zone: "Africa/Lubumbashi".to_owned(),
            shop: GOMA,
            shop_name: "Goma".to_owned(),
            device_name: "office".to_owned(),
        };
        let replica = Replica::found(Disk::default(), identity.clone(), [1; 32], &founder, self.now).expect("founded");
        self.sit(replica, identity);
        let shop = Command::AddShop { shop: Some(BUKAVU), name: "Bukavu".to_owned(), town: None };
        self.unwatched(0, shop).expect("a shop");
        for CastSim { number, operator, shop, opening } in self.cast.sims.clone() {
            let command = Command::AddSim { sim: number, operator, shop: Some(shop), opening };
            self.unwatched(0, command).expect("a SIM");
        }
    }

    pub fn join(&mut self, seat: usize, key: &SigningKey) {
        let CastDevice { name, shop, role, read, .. } = self.cast.devices[seat].clone();
        let (expires_in_ms, addresses) = (900_000, Vec::new());
        let invite = Command::Invite { shop: Some(shop), new_shop: None, role, read, expires_in_ms, addresses };
        let invitation = match self.unwatched(0, invite) {
            Ok(Answer::Invitation(view)) => Invitation::from_text(&view.invitation).expect("readable"),
            other => panic!("asked for an invitation, got {other:?}"),
        };
        let joiner = Joiner::new(key.clone(), invitation, name);
        self.step(0, vec![Input::Connected { peer: key.public() }]);
        let outputs = self.step(0, vec![Input::Frame { peer: key.public(), bytes: joiner.request() }]);
        let admitted = outputs.iter().find_map(|output| match output {
            Output::Send { bytes, .. } => joiner.answer(bytes).expect("admitted"),
            _ => None,
        });
        self.step(0, vec![Input::Disconnected { peer: key.public() }]);
        let (credentials, gossip_key) = admitted.expect("an answer");
        let identity = Identity { key: key.clone(), authority_key: None, gossip_key };
        let seed = [seat as u8 + 1; 32];
        let replica = Replica::join(Disk::default(), identity.clone(), seed, &credentials).expect("joined");
        self.sit(replica, identity);
        self.meet(0, seat, usize::MAX);
    }

    /// What a SIM holds is the head office's until it gives: half of each to the till, and to those in Bukavu.
    fn hand_out_shares(&mut self) {
        let gifts = [(0, 1, "500 USD"), (0, 1, "250000 CDF"), (1, 2, "1000 USD"), (1, 3, "1000 USD")];
        for (sim, seat, sum) in gifts {
            let (sim, to) = (self.cast.sims[sim].number.clone(), self.cast.devices[seat].key.to_text());
            let give = Command::GiveShare { sim, amount: amount(sum), to };
            // What holds nothing yet is known only to those who meet it.
            self.meet_and(0, seat, usize::MAX, |table| drop(table.unwatched(0, give).expect("given")));
        }
        self.meet_all();
    }

    pub fn sit(&mut self, replica: Replica<Disk>, identity: Identity) {
        // The disk shares its switch with nobody yet: it is put in when the replica is opened again.
        let fails = Rc::new(Cell::new(false));
        let mut store = replica.into_store();
        store.fails = Rc::clone(&fails);
        self.runs += 1;
        let replica = Replica::open(store, identity.clone(), [self.runs; 32]).expect("opened");
        self.seats.push(Seat { replica: Some(replica), identity, fails, clock_off_ms: 0 });
    }

    pub fn now(&self, seat: usize) -> Timestamp {
        self.now.plus_ms(self.seats[seat].clock_off_ms)
    }

    pub fn replica(&mut self, seat: usize) -> &mut Replica<Disk> {
        self.seats[seat].replica.as_mut().expect("every seat is taken")
    }

    pub fn step(&mut self, seat: usize, inputs: Vec<Input>) -> Vec<Output> {
        let now = self.now(seat);
        let replica = self.replica(seat);
        let outputs = replica.handle_all(now, inputs);
        replica.sync().expect("synced");
        outputs
    }

    pub fn unwatched(&mut self, seat: usize, command: Command) -> Result<Answer, Refusal> {
        let outputs = self.step(seat, vec![Input::Command { ticket: 0, command: Box::new(command), key: None }]);
        let answer = outputs.into_iter().find_map(|output| match output {
            Output::Answer { result, .. } => Some(result),
            _ => None,
        });
        answer.expect("an answer")
    }

    /// Asks under the auditor's eyes, and lets the answer be doctored before they see it.
    pub fn ask_as(
        &mut self,
        seat: usize,
        command: Command,
        key: Option<&str>,
        doctor: impl Fn(&mut Result<Answer, Refusal>),
    ) -> Result<Result<Answer, Refusal>, Broken> {
        self.tickets += 1;
        self.now = self.now.plus_ms(1_000);
        let ticket = self.tickets;
        self.auditor.asked(seat, ticket, &command, key);
        let (command, key) = (Box::new(command), key.map(str::to_owned));
        let outputs = self.step(seat, vec![Input::Command { ticket, command, key }]);
        let mut answers = outputs.into_iter().filter_map(|output| match output {
            Output::Answer { result, .. } => Some(result),
            _ => None,
        });
        let mut result = answers.next().expect("an answer");
        doctor(&mut result);
        self.auditor.answered(seat, ticket, &result)?;
        let replica = self.seats[seat].replica.as_ref().expect("taken");
        self.auditor.stepped(seat, replica)?;
        Ok(result)
    }

    pub fn ask(&mut self, seat: usize, command: Command) -> Answer {
        self.ask_as(seat, command, None, |_| ()).expect("the auditor is content").expect("the device agrees")
    }

    pub fn credit(&mut self, seat: usize, command: Command) -> CreditView {
        match self.ask(seat, command) {
            Answer::Credit(view) => *view,
            other => panic!("expected a credit, got {other:?}"),
        }
    }

    pub fn movement(&mut self, seat: usize, command: Command) -> MovementView {
        match self.ask(seat, command) {
            Answer::Movement(view) => view,
            other => panic!("expected a movement, got {other:?}"),
        }
    }

    pub fn meet(&mut self, left: usize, right: usize, frames: usize) {
        self.meet_and(left, right, frames, |_| ());
    }

    /// The two meet, and something is done before they part.
    fn meet_and(&mut self, left: usize, right: usize, frames: usize, act: impl FnOnce(&mut Table)) {
        let (seats, keys) = ([left, right], [left, right].map(|seat| self.cast.devices[seat].key));
        let mut under_way: VecDeque<(usize, Input)> =
            [0, 1].map(|side| (side, Input::Connected { peer: keys[1 - side] })).into();
        let mut carried = 0;
        while let Some((side, input)) = under_way.pop_front() {
            if matches!(input, Input::Frame { .. }) {
                carried += 1;
                if carried > frames {
                    break;
                }
            }
            for output in self.step(seats[side], vec![input]) {
                match output {
                    Output::Send { peer, bytes } if peer == keys[1 - side] => {
                        under_way.push_back((1 - side, Input::Frame { peer: keys[side], bytes }));
                    }
                    Output::Ban { reason, .. } => panic!("{left} and {right}: {reason}"),
                    _ => {}
                }
            }
        }
        act(self);
        self.step(left, vec![Input::Disconnected { peer: keys[1] }]);
        self.step(right, vec![Input::Disconnected { peer: keys[0] }]);
    }

    pub fn meet_all(&mut self) {
        // What is heard may make a device record that it was seen.
        let mut before = Vec::new();
        for _ in 0..10 {
            for left in 0..self.cast.devices.len().min(self.seats.len()) {
                (left + 1..self.seats.len()).for_each(|right| self.meet(left, right, usize::MAX));
            }
            let heads: Vec<_> = (0..self.seats.len()).map(|seat| self.replica(seat).heads()).collect();
            if heads == before {
                return;
            }
            before = heads;
        }
        panic!("they never stop having something new to say");
    }

    /// The power goes and comes back: what was not synced is there as far as the disk felt like it.
    pub fn power_cut(&mut self, seat: usize, spared: usize) {
        let mut store = self.seats[seat].replica.take().expect("taken").into_store();
        store.memory = store.memory.crash_keeping(spared);
        self.runs = self.runs.wrapping_add(1);
        let mut seed = [self.runs; 32];
        seed[..8].copy_from_slice(&self.tickets.to_be_bytes());
        seed[8] = seat as u8;
        let replica = Replica::open(store, self.seats[seat].identity.clone(), seed).expect("opened again");
        self.seats[seat].replica = Some(replica);
        self.auditor.lost_power(seat);
    }

    pub fn healed(&mut self) -> Result<(), Broken> {
        self.meet_all();
        let now = self.now;
        let seats = self.seats.iter_mut().enumerate();
        let mut replicas: Vec<_> = seats.map(|(seat, one)| (seat, one.replica.as_mut().expect("taken"))).collect();
        self.auditor.healed(&mut replicas, now)
    }

    pub fn shown(&mut self) -> Vec<Shown> {
        self.meet_all();
        let (now, shops) = (self.now, self.cast.shops.clone());
        (0..4).map(|seat| Shown::of(seat, self.replica(seat), &shops, |_| true, true, now).expect("shown")).collect()
    }
}

pub fn grant(reference: &str, sum: &str) -> Command {
    Command::Grant(grant_request(reference, sum))
}

pub fn record(kind: ucash::model::MovementKind) -> Command {
    Command::Move { sim: sim_number(SIM), kind, agent: None }
}

pub fn cancel(credit: &str) -> Command {
    Command::Cancel { credit: credit.to_owned(), why: "called off".to_owned(), agent: None }
}

pub fn unpay(view: &CreditView, payment: usize) -> Command {
    let (credit, payment) = (view.id.to_string(), view.payments[payment].id.to_string());
    Command::ReversePayment { credit, payment, why: "mistyped".to_owned(), agent: None }
}

/// A day in which everything happens once.
pub fn day() -> Table {
    let mut table = Table::new(&[]);
    table.ask(0, grant("A1", "100 USD"));
    table.ask(1, grant("B1", "2500.50 CDF"));
    table.ask(1, grant("B2", "10 USD"));
    let paid = table.credit(0, pay_command("A1", "40"));
    table.ask(0, unpay(&paid, 0));
    table.ask(0, pay_command("a1 ", "60.5"));
    table.ask(1, cancel("B2"));
    let edits = vec![Edit::Name("Furaha".to_owned()), Edit::Notes(Some("two\nlines".to_owned()))];
    table.ask(1, Command::Edit { credit: "B1".to_owned(), edits, agent: None });
    let captured = table.movement(0, record(capture("70 USD", CaptureState::Pending)));
    table.ask(0, Command::ValidateCapture { movement: captured.id.to_string() });
    let out = table.movement(0, record(withdrawal("20 USD")));
    table.ask(1, record(deposit("30 USD")));
    let wrong = table.movement(0, record(deposit("0.01 USD")));
    let (movement, why, agent) = (wrong.id.to_string(), "mistyped".to_owned(), None);
    table.ask(0, Command::ReverseMovement { movement, why, agent });
    table.ask(0, Command::Reimburse { movement: out.id.to_string() });
    let mut elsewhere = grant_request("C1", "5 USD");
    elsewhere.sim = table.cast.sims[1].number.clone();
    table.ask(3, Command::Grant(elsewhere));
    table
}

/// Days of people at work, devices that meet now and then, wrong clocks and power cuts.
pub fn run(seed: u64, days: u32, operations: u32, skipped: &[&str]) -> (Result<(), Broken>, BTreeMap<Act, u32>) {
    let mut table = Table::new(skipped);
    let root = Draw::from_seed(seed);
    let mut draw = root.child("world");
    let mut workload = Workload::new(root.child("people"), &table.cast, days, operations);
    let start = table.now;
    let mut act = || -> Result<(), Broken> {
        for moment in 0..workload.moments().len() {
            let (at, seat) = workload.moments()[moment];
            table.now = start.plus_ms(at);
            let now = table.now(seat);
            let asked = workload.act(moment, seat, table.seats[seat].replica.as_ref().expect("taken"), now);
            let mut inputs = Vec::new();
            for one in asked {
                table.tickets += 1;
                table.auditor.asked(seat, table.tickets, &one.command, one.key.as_deref());
                let ticket = table.tickets;
                inputs.push(Input::Command { ticket, command: Box::new(one.command), key: one.key });
            }
            let outputs = table.replica(seat).handle_all(now, inputs);
            if draw.permille(30) {
                let spared = draw.below(2) as usize;
                table.power_cut(seat, spared);
            } else {
                table.replica(seat).sync().expect("synced");
                for output in outputs {
                    if let Output::Answer { ticket, result } = output {
                        table.auditor.answered(seat, ticket, &result)?;
                    }
                }
            }
            table.auditor.stepped(seat, table.seats[seat].replica.as_ref().expect("taken"))?;
            if draw.permille(250) {
                let (other, frames) = ((seat + 1 + draw.below(3) as usize) % 4, draw.below(60) as usize);
                table.meet(seat, other, frames);
            }
            if draw.permille(10) {
                table.seats[seat].clock_off_ms = draw.between(-5_000_000, 5_000_000);
            }
            if draw.permille(10) {
                table.healed()?;
            }
        }
        table.healed()
    };
    let found = act();
    (found, workload.done().clone())
}
