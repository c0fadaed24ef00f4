//! A counter to test at: replicas in memory, one clock for all, and frames carried by hand.
//!
//! ```text
//! let mut desk = Desk::found();                      seat 0, OFFICE: head office of shop 1, with SIM
//! let till = desk.join(ShopId(1), "till");           a further device; it has met the office once
//! desk.grant(OFFICE, "A1", "100 USD").expect("...");   each command a second after the one before
//! desk.meet(OFFICE, till);                           carries frames until both are quiet
//! ```
//!
//! Seats see each other only while they meet. A seat's clock may be wrong: see [`Desk::set_clock_off`].

mod images;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ucash::ledger::Refusal;
use ucash::log::SigningKey;
use ucash::membership::{Credentials, Invitation, ReadScope, Role};
use ucash::model::{
    Beneficiary, BeneficiaryKind, Capture, CaptureState, Deposit, DeviceKey, Edit, MovementKind, Operator, PaymentMode,
    Reference, ShopId, SimNumber, Timestamp, Withdrawal,
};
use ucash::money::{Amount, Currency};
use ucash::replica::{
    AccountView, Answer, BootError, Change, ClosingView, Command, CreditView, Founder, GrantRequest, Identity, Input,
    Joiner, MovementView, Output, Query, Replica, SharesView, StatusView, VerifyView,
};
use ucash::store::MemoryStore;

/// The founder's seat.
pub const OFFICE: usize = 0;
/// The SIM of shop 1.
pub const SIM: &str = "+243971777631";
/// The founder's shop.
pub const SHOP: ShopId = ShopId(1);
/// When the network is founded: 2026-05-28T20:26:40Z.
pub const FOUNDED: Timestamp = Timestamp(1_780_000_000_000);

type Open = fn(MemoryStore, Identity, [u8; 32]) -> Result<Replica<MemoryStore>, BootError>;

/// What closing a device comes to.
pub type Closed = Result<ClosingView, Refusal>;

/// What a command or query comes to.
pub type Answered = Result<Answer, Refusal>;

/// One device at the counter.
struct Seat {
    /// Absent only while the replica is being reopened.
    replica: Option<Replica<MemoryStore>>,
    identity: Identity,
    clock_off_ms: i64,
    runs: u8,
}

/// Replicas of one network, and the clock they share.
pub struct Desk {
    now: Timestamp,
    seats: Vec<Seat>,
    contacts: BTreeSet<(usize, usize)>,
    under_way: VecDeque<(usize, Input)>,
    /// The answers that came, by ticket.
    answers: BTreeMap<u64, Answered>,
    tickets: u64,
    /// What was published, in order: what a device that hears everything would hear.
    pub published: Vec<Vec<u8>>,
    /// What each seat was told looks different now, in order.
    pub changes: Vec<(usize, Change)>,
}

impl Desk {
    /// A network of one device and one shop, no SIM.
    pub fn found_bare() -> Desk {
        let identity = Identity {
            key: SigningKey::from_seed(&[1; 32]),
            authority_key: Some(SigningKey::from_seed(&[200; 32])),
            gossip_key: [7; 32],
        };
        let founder = Founder {
            network: "Kivu Cash".to_owned(),
            time_zone: "Africa/Lubumbashi".to_owned(),
            shop: SHOP,
            shop_name: "Goma".to_owned(),
            device_name: "office".to_owned(),
        };
        let replica = Replica::found(MemoryStore::default(), identity.clone(), [1; 32], &founder, FOUNDED);
        let replica = Some(replica.expect("founding a network"));
        let seats = vec![Seat { replica, identity, clock_off_ms: 0, runs: 1 }];
        let (contacts, under_way, answers, published, changes) = Default::default();
        Desk { now: FOUNDED, seats, contacts, under_way, answers, tickets: 0, published, changes }
    }

    /// The same with [`SIM`], which holds 1000 USD and 500000 CDF.
    pub fn found() -> Desk {
        let mut desk = Desk::found_bare();
        desk.add_sim(OFFICE, SIM, "1000", "500000");
        desk
    }

    // ---- time ----

    /// Lets time pass.
    pub fn wait(&mut self, milliseconds: i64) {
        self.now = self.now.plus_ms(milliseconds);
    }

    /// What that seat's clock shows.
    pub fn now(&self, seat: usize) -> Timestamp {
        self.now.plus_ms(self.seats[seat].clock_off_ms)
    }

    /// Sets that seat's clock wrong by so much.
    pub fn set_clock_off(&mut self, seat: usize, milliseconds: i64) {
        self.seats[seat].clock_off_ms = milliseconds;
    }

    // ---- devices ----

    /// A further device of that shop, which reads everything.
    pub fn join(&mut self, shop: ShopId, name: &str) -> usize {
        self.join_as(OFFICE, shop, Role::Device, ReadScope::All, name)
    }

    /// A further device, invited by that seat. It has met its inviter once.
    pub fn join_as(&mut self, inviter: usize, shop: ShopId, role: Role, read: ReadScope, name: &str) -> usize {
        let (identity, credentials) = self.admit(inviter, shop, role, read, name);
        let seat = self.seats.len();
        let replica = Replica::join(MemoryStore::default(), identity.clone(), [seat as u8 + 1; 32], &credentials);
        let replica = Some(replica.expect("joining on good credentials"));
        self.seats.push(Seat { replica, identity, clock_off_ms: 0, runs: 1 });
        self.meet(inviter, seat);
        seat
    }

    /// Invites a device and lets it ask: its secrets and credentials, for a seat of another making.
    pub fn admit(
        &mut self,
        inviter: usize,
        shop: ShopId,
        role: Role,
        read: ReadScope,
        name: &str,
    ) -> (Identity, Credentials) {
        let expires_in_ms = 900_000;
        let (shop, new_shop, addresses) = (Some(shop), None, Vec::new());
        let invite = Command::Invite { shop, new_shop, role, read, expires_in_ms, addresses };
        let invitation = match self.command(inviter, invite) {
            Ok(Answer::Invitation(view)) => Invitation::from_text(&view.invitation).expect("an invitation is readable"),
            other => panic!("asked for an invitation, got {other:?}"),
        };
        let key = SigningKey::from_seed(&[self.seats.len() as u8 + 1; 32]);
        let joiner = Joiner::new(key.clone(), invitation, name.to_owned());
        self.handle(inviter, Input::Connected { peer: key.public() });
        let outputs = self.handle(inviter, Input::Frame { peer: key.public(), bytes: joiner.request() });
        let admitted = outputs.iter().find_map(|output| match output {
            Output::Send { bytes, .. } => joiner.answer(bytes).expect("the inviter admits"),
            _ => None,
        });
        self.handle(inviter, Input::Disconnected { peer: key.public() });
        let (credentials, gossip_key) = admitted.expect("the inviter answers");
        (Identity { key, authority_key: None, gossip_key }, credentials)
    }

    pub fn seats(&self) -> usize {
        self.seats.len()
    }

    pub fn device(&self, seat: usize) -> DeviceKey {
        self.replica(seat).device()
    }

    pub fn replica(&self, seat: usize) -> &Replica<MemoryStore> {
        self.seats[seat].replica.as_ref().expect("every seat is taken")
    }

    /// Closes a seat's replica and opens it again on what was durable.
    pub fn reopen(&mut self, seat: usize) {
        let store = self.seats[seat].replica.take().expect("every seat is taken").into_store().crash();
        self.open_on(seat, store, Replica::open);
    }

    fn open_on(&mut self, seat: usize, store: MemoryStore, open: Open) {
        let Seat { replica, identity, runs, .. } = &mut self.seats[seat];
        *runs += 1;
        let mut seed = [*runs; 32];
        seed[0] = seat as u8;
        *replica = Some(open(store, identity.clone(), seed).expect("opening a replica again"));
    }

    // ---- inputs ----

    /// One step of one replica, made durable.
    pub fn handle(&mut self, seat: usize, input: Input) -> Vec<Output> {
        self.handle_all(seat, vec![input])
    }

    /// Several inputs as one step.
    pub fn handle_all(&mut self, seat: usize, inputs: Vec<Input>) -> Vec<Output> {
        let now = self.now(seat);
        let replica = self.seats[seat].replica.as_mut().expect("every seat is taken");
        let outputs = replica.handle_all(now, inputs);
        replica.sync().expect("a store in memory does not fail");
        let published = outputs.iter().filter_map(|output| match output {
            Output::Publish { bytes, .. } => Some(bytes.clone()),
            _ => None,
        });
        self.published.extend(published);
        let changed = outputs.iter().filter_map(|output| match output {
            Output::Changed { changes } => Some(changes.clone()),
            _ => None,
        });
        self.changes.extend(changed.flatten().map(|change| (seat, change)));
        outputs
    }

    /// A command, a second after the one before.
    pub fn command(&mut self, seat: usize, command: Command) -> Answered {
        self.ask(seat, command, None)
    }

    fn ask(&mut self, seat: usize, command: Command, key: Option<String>) -> Answered {
        let ticket = self.begin(seat, command, key);
        // What it lacks may come from another that is in contact: a round trip.
        self.carry_until(|desk| desk.answers.contains_key(&ticket));
        self.answer(ticket).expect("a command is answered at once, or within a round trip")
    }

    /// A command whose answer may come later.
    pub fn begin(&mut self, seat: usize, command: Command, key: Option<String>) -> u64 {
        self.wait(1_000);
        self.tickets += 1;
        self.step(seat, Input::Command { ticket: self.tickets, command: Box::new(command), key });
        self.tickets
    }

    /// The answer to a command, if it came.
    pub fn answer(&mut self, ticket: u64) -> Option<Answered> {
        self.answers.remove(&ticket)
    }

    /// A look; no time passes.
    pub fn query(&mut self, seat: usize, query: Query) -> Answered {
        self.tickets += 1;
        self.step(seat, Input::Query { ticket: self.tickets, query: Box::new(query) });
        self.answer(self.tickets).expect("a query is answered at once")
    }

    /// Lets the seats know that time has passed.
    pub fn tick(&mut self) {
        (0..self.seats()).for_each(|seat| self.step(seat, Input::Tick));
    }

    // ---- meeting ----

    /// Carries frames between the two until neither has anything more to say, then parts them.
    pub fn meet(&mut self, left: usize, right: usize) {
        self.meet_for(left, right, usize::MAX);
    }

    /// The same, cut off after so many frames.
    pub fn meet_for(&mut self, left: usize, right: usize, frames: usize) {
        self.connect(left, right);
        let mut left_over = frames;
        self.carry_until(|desk| match desk.under_way.front() {
            Some((_, Input::Frame { .. })) if left_over == 0 => true,
            Some((_, Input::Frame { .. })) => {
                left_over -= 1;
                false
            }
            _ => false,
        });
        self.part(left, right);
    }

    /// Brings two in contact; [`Desk::carry`] lets them talk.
    pub fn connect(&mut self, left: usize, right: usize) {
        // Two copies of one device take each other for themselves.
        let is_other = self.device(left) != self.device(right);
        for (from, to) in [(left, right), (right, left)].into_iter().filter(|_| is_other) {
            self.contacts.insert((from, to));
            self.under_way.push_back((from, Input::Connected { peer: self.device(to) }));
        }
    }

    /// Ends the contact of two; what was under way between them is lost.
    pub fn part(&mut self, left: usize, right: usize) {
        let keys = [self.device(left), self.device(right)];
        self.under_way.retain(|(to, input)| match input {
            Input::Frame { peer, .. } | Input::Connected { peer } | Input::Gossip { from: peer, .. } => {
                (*to, *peer) != (left, keys[1]) && (*to, *peer) != (right, keys[0])
            }
            _ => true,
        });
        for (from, to) in [(left, right), (right, left)] {
            self.contacts.remove(&(from, to));
            self.step(from, Input::Disconnected { peer: self.device(to) });
        }
    }

    /// Carries frames between all in contact until nobody has anything more to say.
    pub fn carry(&mut self) {
        self.carry_until(|_| false);
    }

    fn carry_until(&mut self, mut enough: impl FnMut(&Desk) -> bool) {
        for _ in 0..8_000 {
            if enough(self) {
                return;
            }
            let Some((seat, input)) = self.under_way.pop_front() else { return };
            self.step(seat, input);
            self.wait(1);
        }
        panic!("they never fall silent");
    }

    fn near(&self, seat: usize) -> impl Iterator<Item = usize> {
        (0..self.seats()).filter(move |other| self.contacts.contains(&(seat, *other)))
    }

    /// One step of a seat: what it says to those in contact is under way, what it answers is kept.
    fn step(&mut self, seat: usize, input: Input) {
        let own = self.device(seat);
        for output in self.handle(seat, input) {
            match output {
                Output::Send { peer, bytes } => {
                    let found = self.near(seat).find(|other| self.device(*other) == peer);
                    self.under_way.extend(found.map(|other| (other, Input::Frame { peer: own, bytes })));
                }
                Output::Publish { bytes, .. } => {
                    let near: Vec<usize> = self.near(seat).collect();
                    let gossip = |other| (other, Input::Gossip { from: own, bytes: bytes.clone() });
                    self.under_way.extend(near.into_iter().map(gossip));
                }
                Output::Answer { ticket, result } => drop(self.answers.insert(ticket, result)),
                Output::Ban { reason, .. } => panic!("seat {seat} bans another: {reason}"),
                _ => {}
            }
        }
    }

    /// All meet all until nothing is new to anyone: what is heard may make a device say or return something.
    pub fn meet_all(&mut self) {
        let mut before = Vec::new();
        for _ in 0..10 {
            for left in 0..self.seats() {
                (left + 1..self.seats()).for_each(|right| self.meet(left, right));
            }
            let entries: Vec<u64> = (0..self.seats()).map(|seat| self.status(seat).entries).collect();
            if entries == before {
                return;
            }
            before = entries;
        }
        panic!("they never stop having something new to say: {before:?}");
    }

    /// One seat gives another a part of its share.
    pub fn give(&mut self, from: usize, to: usize, amount: &str) -> Answered {
        let to = self.device(to).to_text();
        self.command(from, Command::GiveShare { sim: sim_number(SIM), amount: self::amount(amount), to })
    }

    /// The two meet, and one gives the other a part of its share, which the other takes.
    pub fn hand(&mut self, from: usize, to: usize, amount: &str) {
        self.connect(from, to);
        self.carry();
        self.give(from, to, amount).expect("giving");
        self.carry();
        self.part(from, to);
    }

    /// Asserts that all seats show one state, that it is sound, and that nothing waits or is set aside.
    pub fn assert_one_state(&mut self) {
        let digests: Vec<String> = (0..self.seats()).map(|seat| self.digest(seat)).collect();
        assert!(digests.iter().all(|digest| *digest == digests[0]), "different states: {digests:?}");
        for seat in 0..self.seats() {
            let verified = self.verify(seat);
            assert!(verified.sound, "seat {seat}: {:?}", verified.faults);
            let StatusView { waiting, set_aside, .. } = self.status(seat);
            assert_eq!((waiting, set_aside), (0, 0), "seat {seat}: entries waiting, set aside");
        }
    }

    /// The digest of a seat's state.
    pub fn digest(&mut self, seat: usize) -> String {
        self.status(seat).state_digest
    }

    // ---- the commands of a day ----

    /// A SIM of that seat's shop that holds so much USD and CDF.
    pub fn add_sim(&mut self, seat: usize, sim: &str, usd: &str, cdf: &str) {
        self.add_sim_to(seat, None, sim, usd, cdf);
    }

    /// A SIM of that shop.
    pub fn add_sim_to(&mut self, seat: usize, shop: Option<ShopId>, sim: &str, usd: &str, cdf: &str) {
        let opening = vec![amount(&format!("{usd} USD")), amount(&format!("{cdf} CDF"))];
        let command = Command::AddSim { sim: sim_number(sim), operator: Operator::Airtel, shop, opening };
        self.command(seat, command).expect("adding a SIM");
    }

    /// A shop of that number.
    pub fn add_shop(&mut self, shop: ShopId, name: &str) {
        let command = Command::AddShop { shop: Some(shop), name: name.to_owned(), town: None };
        self.command(OFFICE, command).expect("adding a shop");
    }

    /// Grants a credit on [`SIM`].
    pub fn grant(&mut self, seat: usize, reference: &str, sum: &str) -> Result<CreditView, Refusal> {
        self.command(seat, Command::Grant(grant_request(reference, sum))).map(credit)
    }

    /// Records a payment in cash.
    pub fn pay(&mut self, seat: usize, key: &str, sum: &str) -> Result<CreditView, Refusal> {
        self.command(seat, pay_command(key, sum)).map(credit)
    }

    /// Takes a payment back.
    pub fn reverse_payment(&mut self, seat: usize, key: &str, payment: &str) -> Result<CreditView, Refusal> {
        let (why, agent) = ("mistyped".to_owned(), None);
        let command = Command::ReversePayment { credit: key.to_owned(), payment: payment.to_owned(), why, agent };
        self.command(seat, command).map(credit)
    }

    /// Calls a credit off.
    pub fn cancel(&mut self, seat: usize, key: &str) -> Result<CreditView, Refusal> {
        let command = Command::Cancel { credit: key.to_owned(), why: "called off".to_owned(), agent: None };
        self.command(seat, command).map(credit)
    }

    /// Edits a credit.
    pub fn edit(&mut self, seat: usize, key: &str, edits: &[Edit]) -> Result<CreditView, Refusal> {
        let command = Command::Edit { credit: key.to_owned(), edits: edits.to_vec(), agent: None };
        self.command(seat, command).map(credit)
    }

    /// Records a capture, withdrawal or deposit on [`SIM`].
    pub fn record(&mut self, seat: usize, kind: MovementKind) -> Result<MovementView, Refusal> {
        let command = Command::Move { sim: sim_number(SIM), kind, agent: None };
        self.command(seat, command).map(movement)
    }

    /// Runs out of patience with a lost device: the closing as it then stands.
    pub fn close(&mut self, seat: usize, device: usize, successor: Option<usize>, insist: bool) -> Closed {
        let [device, successor] = [Some(device), successor].map(|one| one.map(|one| self.device(one).to_text()));
        let device = device.expect("a device");
        match self.command(seat, Command::CloseDevice { device, successor, insist })? {
            Answer::Closing(view) => Ok(view),
            other => panic!("asked to close, got {other:?}"),
        }
    }

    /// Gives a cancelled credit's amount back.
    pub fn give_back(&mut self, seat: usize, key: &str) -> Result<CreditView, Refusal> {
        self.command(seat, Command::ReturnCredit { credit: key.to_owned() }).map(credit)
    }

    /// Takes a movement back.
    pub fn undo(&mut self, seat: usize, movement: &str) -> Answered {
        let (movement, why) = (movement.to_owned(), "mistyped".to_owned());
        self.command(seat, Command::ReverseMovement { movement, why, agent: None })
    }

    // ---- looks ----

    /// How much of [`SIM`] a seat may spend in USD.
    pub fn share(&mut self, seat: usize) -> String {
        self.account(seat, Currency::Usd).this_device
    }

    pub fn shares(&mut self, seat: usize) -> SharesView {
        match self.query(seat, Query::SimShares { sim: sim_number(SIM) }) {
            Ok(Answer::Shares(view)) => view,
            other => panic!("asked for shares, got {other:?}"),
        }
    }

    /// A credit as that seat shows it.
    pub fn credit(&mut self, seat: usize, key: &str) -> CreditView {
        credit(self.query(seat, Query::Credit { key: key.to_owned() }).expect("the credit is known"))
    }

    /// What [`SIM`] holds in a currency, as that seat shows it.
    pub fn account(&mut self, seat: usize, currency: Currency) -> AccountView {
        self.account_of(seat, SIM, currency)
    }

    /// What a SIM holds in a currency, as that seat shows it.
    pub fn account_of(&mut self, seat: usize, sim: &str, currency: Currency) -> AccountView {
        match self.query(seat, Query::SimBalance { sim: sim_number(sim) }) {
            Ok(Answer::Balance(view)) => view.balances[&currency].clone(),
            other => panic!("asked for a balance, got {other:?}"),
        }
    }

    /// The node at a glance.
    pub fn status(&mut self, seat: usize) -> StatusView {
        match self.query(seat, Query::Status) {
            Ok(Answer::Status(status)) => *status,
            other => panic!("asked for the status, got {other:?}"),
        }
    }

    /// Everything checked anew.
    pub fn verify(&mut self, seat: usize) -> VerifyView {
        match self.query(seat, Query::Verify) {
            Ok(Answer::Verified(view)) => view,
            other => panic!("asked to verify, got {other:?}"),
        }
    }
}

/// The credit in an answer.
pub fn credit(answer: Answer) -> CreditView {
    match answer {
        Answer::Credit(credit) => *credit,
        other => panic!("expected a credit, got {other:?}"),
    }
}

/// The movement in an answer.
pub fn movement(answer: Answer) -> MovementView {
    match answer {
        Answer::Movement(movement) => movement,
        other => panic!("expected a movement, got {other:?}"),
    }
}

/// Reads `100 USD`.
pub fn amount(text: &str) -> Amount {
    let (value, code) = text.split_once(' ').expect("an amount is written as 100 USD");
    Amount::parse(value, Currency::parse(code).expect("a currency")).expect("an amount")
}

/// Reads a SIM's number.
pub fn sim_number(text: &str) -> SimNumber {
    SimNumber::new(text).expect("a SIM's number")
}

/// A grant on [`SIM`] with nothing but what is needed.
pub fn grant_request(reference: &str, sum: &str) -> GrantRequest {
    GrantRequest {
        reference: Reference::new(reference).expect("a reference"),
        amount: amount(sum),
        sim: sim_number(SIM),
        beneficiary: Beneficiary {
            name: "Amani Mumbere".to_owned(),
            phone: None,
            address: None,
            kind: BeneficiaryKind::Partner,
            shop: None,
        },
        due_at: None,
        notes: None,
        agent: Some("esperance".to_owned()),
    }
}

/// A payment in cash.
pub fn pay_command(key: &str, sum: &str) -> Command {
    let (credit, amount) = (key.to_owned(), sum.to_owned());
    Command::Pay { credit, amount, mode: PaymentMode::Cash, reference: None, agent: None }
}

/// A capture with nothing but its amount.
pub fn capture(sum: &str, state: CaptureState) -> MovementKind {
    let amount = amount(sum);
    MovementKind::Capture(Capture { amount, cash: None, fee: None, reference: None, client: None, phone: None, state })
}

/// A withdrawal that nobody owes yet.
pub fn withdrawal(sum: &str) -> MovementKind {
    MovementKind::Withdrawal(Withdrawal { amount: amount(sum), owed_by: None, reimbursed: false })
}

/// A client's deposit.
pub fn deposit(sum: &str) -> MovementKind {
    MovementKind::Deposit(Deposit { amount: amount(sum), phone: None })
}
