//! A small network in memory, and a certified device that writes what no honest one would.
//!
//! Nothing here is a test. [`Net`] founds a network of two shops; [`Forger`] signs and chains any content with a
//! key that the network knows, which is all that a stolen or broken device can do.

use std::collections::{BTreeMap, VecDeque};

use ucash::document::DocumentState;
use ucash::ledger::Refusal;
use ucash::log::{Body, Head, LogId, SigningKey, Suffix, actor_of, credit_id, movement_id, payment_id, root_of};
use ucash::membership::{Credentials, Invitation, ReadScope, Role};
use ucash::model::{
    CreditId, DeviceKey, DocumentId, Grant, Hlc, Incarnation, Month, Movement, MovementKind, Operation, Operator,
    PaymentMade, PaymentMode, Reference, Scope, ShopId, Timestamp,
};
use ucash::money::Amount;
use ucash::replica::{
    Answer, Command, Founder, GrantRequest, Identity, Input, Joiner, Output, Query, Replica, SetAside, StatusView,
    VerifyView,
};
use ucash::store::MemoryStore;
use ucash::wire::{Message, Packed, decode, encode};

use crate::samples::{NOW, grant, payment, sim, taken, usd};

pub type Node = Replica<MemoryStore>;

pub const OFFICE: u8 = 1;
pub const COUNTER: u8 = 2;
pub const SOUTH: u8 = 3;
pub const FORGER: u8 = 4;
pub const AUTHORITY: u8 = 9;

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub fn device(seed: u8) -> DeviceKey {
    key(seed).public()
}

pub fn identity(seed: u8) -> Identity {
    let authority_key = (seed == OFFICE).then(|| key(AUTHORITY));
    Identity { key: key(seed), authority_key, gossip_key: [7; 32] }
}

pub fn found(seed: u8, authority: u8) -> Node {
    let founder = Founder {
        network: "Kivu Cash".to_owned(),
        time_zone: "Africa/Lubumbashi".to_owned(),
        shop: ShopId(5),
        shop_name: "Goma".to_owned(),
        device_name: "siège".to_owned(),
    };
    let identity = Identity { key: key(seed), authority_key: Some(key(authority)), gossip_key: [7; 32] };
    Replica::found(MemoryStore::default(), identity, [seed; 32], &founder, NOW).expect("founded")
}

/// Does a command; answers what it answered and what was published.
pub fn run(node: &mut Node, now: Timestamp, command: Command) -> (Result<Answer, Refusal>, Vec<Vec<u8>>) {
    let outputs = node.handle(now, Input::Command { ticket: 1, command: Box::new(command), key: None });
    node.sync().expect("synced");
    let mut answer = None;
    let mut published = Vec::new();
    for output in outputs {
        match output {
            Output::Answer { result, .. } => answer = Some(result),
            Output::Publish { bytes, .. } => published.push(bytes),
            _ => {}
        }
    }
    (answer.expect("an answer"), published)
}

/// Does a command that is not refused; answers what was published.
pub fn done(node: &mut Node, now: Timestamp, command: Command) -> Vec<Vec<u8>> {
    let (answer, published) = run(node, now, command);
    answer.expect("not refused");
    published
}

pub fn ask(node: &mut Node, query: Query) -> Answer {
    let outputs = node.handle(NOW, Input::Query { ticket: 1, query: Box::new(query) });
    let answer = outputs.into_iter().find_map(|output| match output {
        Output::Answer { result, .. } => Some(result),
        _ => None,
    });
    answer.expect("an answer").expect("not refused")
}

pub fn status(node: &mut Node) -> StatusView {
    let Answer::Status(status) = ask(node, Query::Status) else { panic!("no status") };
    *status
}

pub fn verified(node: &mut Node) -> VerifyView {
    let Answer::Verified(view) = ask(node, Query::Verify) else { panic!("no verification") };
    view
}

/// All that two replicas that hold the same entries must agree on.
#[derive(Debug, PartialEq)]
pub struct Shown {
    pub digest: String,
    pub entries: u64,
    pub waiting: u64,
    pub set_aside: Vec<(LogId, u64, SetAside)>,
    pub conflicts: u64,
}

pub fn shown(node: &mut Node) -> Shown {
    let status = status(node);
    let set_aside = node.set_aside();
    assert_eq!(status.set_aside, set_aside.len() as u64, "each is counted");
    Shown {
        digest: status.state_digest,
        entries: status.entries,
        waiting: status.waiting,
        set_aside,
        conflicts: status.conflicts_open,
    }
}

/// Hands a frame over by gossip, as the relay of another device would.
pub fn gossip(node: &mut Node, frame: &[u8]) -> Vec<Output> {
    let outputs = node.handle(NOW, Input::Gossip { from: device(OFFICE), bytes: frame.to_vec() });
    node.sync().expect("synced");
    outputs
}

/// Carries frames between two until neither has anything more to say. Answers how many frames were carried.
pub fn meet(left: &mut Node, right: &mut Node) -> usize {
    let keys = [left.device(), right.device()];
    let mut waiting =
        VecDeque::from([(0, Input::Connected { peer: keys[1] }), (1, Input::Connected { peer: keys[0] })]);
    let mut carried = 0;
    while let Some((to, input)) = waiting.pop_front() {
        let node = if to == 0 { &mut *left } else { &mut *right };
        let outputs = node.handle(NOW, input);
        node.sync().expect("synced");
        for output in outputs {
            if let Output::Send { bytes, peer } = output {
                assert_eq!(peer, keys[1 - to], "nobody else is there");
                waiting.push_back((1 - to, Input::Frame { peer: keys[to], bytes }));
                carried += 1;
            }
        }
        assert!(carried < 10_000, "they never stop talking");
    }
    left.handle(NOW, Input::Disconnected { peer: keys[1] });
    right.handle(NOW, Input::Disconnected { peer: keys[0] });
    carried
}

/// Makes an invitation.
pub fn invite(inviter: &mut Node, shop: Option<u32>, role: Role, read: ReadScope) -> Invitation {
    let command = Command::Invite {
        shop: shop.map(ShopId),
        new_shop: None,
        role,
        read,
        expires_in_ms: 900_000,
        addresses: Vec::new(),
    };
    let (answer, _) = run(inviter, NOW, command);
    let Ok(Answer::Invitation(view)) = answer else { panic!("no invitation: {answer:?}") };
    Invitation::from_text(&view.invitation).expect("an invitation")
}

/// The inviter's answer to a joiner that connects, asks once and leaves.
pub fn knock(inviter: &mut Node, joiner: &Joiner, seed: u8, now: Timestamp) -> Vec<Output> {
    let peer = device(seed);
    inviter.handle(now, Input::Connected { peer });
    let outputs = inviter.handle(now, Input::Frame { peer, bytes: joiner.request() });
    inviter.sync().expect("synced");
    inviter.handle(now, Input::Disconnected { peer });
    outputs
}

/// Has a key admitted; answers its credentials.
pub fn admit(inviter: &mut Node, seed: u8, shop: u32, role: Role, read: ReadScope) -> Credentials {
    let invitation = invite(inviter, Some(shop), role, read);
    let joiner = Joiner::new(key(seed), invitation, format!("appareil {seed}"));
    let outputs = knock(inviter, &joiner, seed, NOW);
    let answer = outputs.iter().find_map(|output| match output {
        Output::Send { bytes, .. } => joiner.answer(bytes).expect("admitted"),
        _ => None,
    });
    answer.expect("an answer").0
}

/// Has a key admitted, and begins a replica with it.
pub fn join(inviter: &mut Node, seed: u8, shop: u32, role: Role, read: ReadScope) -> Node {
    let credentials = admit(inviter, seed, shop, role, read);
    let mut node = Replica::join(MemoryStore::default(), identity(seed), [seed; 32], &credentials).expect("joined");
    meet(inviter, &mut node);
    node
}

pub fn grant_command(reference: &str, amount: &str) -> Command {
    let Grant { sim, beneficiary, due_at, notes, agent, .. } = grant();
    let reference = Reference::new(reference).expect("a reference");
    Command::Grant(GrantRequest { reference, amount: usd(amount), sim, beneficiary, due_at, notes, agent })
}

pub fn pay_command(reference: &str, amount: &str) -> Command {
    Command::Pay {
        credit: reference.to_owned(),
        amount: amount.to_owned(),
        mode: PaymentMode::Cash,
        reference: None,
        agent: None,
    }
}

/// A network of two shops: the head office and a counter in shop 5, a phone in shop 7, and a device of shop 5
/// whose key is in wrong hands. Shop 5 has a SIM with 500 USD and a credit of 100 USD.
pub struct Net {
    pub office: Node,
    pub counter: Node,
    pub south: Node,
    pub forger: Forger,
    pub credit: CreditId,
}

pub fn net() -> Net {
    let mut office = found(OFFICE, AUTHORITY);
    let add = Command::AddShop { shop: Some(ShopId(7)), name: "Bukavu".to_owned(), town: None };
    done(&mut office, NOW, add);
    let mut forger = Forger::new(FORGER, Scope::Shop(ShopId(5)));
    let opening: Vec<Amount> = vec![usd("500")];
    let add = Command::AddSim { sim: sim(), operator: Operator::Airtel, shop: None, opening };
    done(&mut office, NOW, add).iter().for_each(|frame| forger.hear(frame));
    done(&mut office, NOW, grant_command("CRED-001", "100")).iter().for_each(|frame| forger.hear(frame));
    let credit = forger.documents.keys().find_map(|document| match document {
        DocumentId::Credit { id, .. } => Some(*id),
        _ => None,
    });
    let mut counter = join(&mut office, COUNTER, 5, Role::Device, ReadScope::All);
    let mut south = join(&mut office, SOUTH, 7, Role::Device, ReadScope::Own);
    admit(&mut office, FORGER, 5, Role::Device, ReadScope::Own);
    meet(&mut office, &mut counter);
    meet(&mut office, &mut south);
    Net { office, counter, south, forger, credit: credit.expect("the credit") }
}

/// A device that is certified and writes what it likes: bodies of any content, rightly chained and signed.
#[derive(Clone, Debug)]
pub struct Forger {
    pub key: SigningKey,
    pub log: LogId,
    pub head: Head,
    pub run: u64,
    pub now: Timestamp,
    pub documents: BTreeMap<DocumentId, DocumentState>,
}

impl Forger {
    pub fn new(seed: u8, scope: Scope) -> Forger {
        let log = LogId { scope, device: device(seed), incarnation: Incarnation(0xf0) };
        Forger::on(log, key(seed))
    }

    fn on(log: LogId, key: SigningKey) -> Forger {
        let head = Head { number: 0, hash: root_of(&log) };
        Forger { key, log, head, run: 1, now: NOW.plus_ms(60_000), documents: BTreeMap::new() }
    }

    /// The same device in its log of another scope.
    pub fn in_scope(&self, scope: Scope) -> Forger {
        let documents = self.documents.clone();
        Forger { documents, ..Forger::on(LogId { scope, ..self.log }, self.key.clone()) }
    }

    /// Learns what a frame of entries did to documents.
    pub fn hear(&mut self, frame: &[u8]) {
        let Ok(Message::Entries(packed)) = decode(frame) else { panic!("not entries") };
        for bytes in packed.unpack().expect("entries").bodies {
            self.learn(&bytes);
        }
    }

    fn learn(&mut self, bytes: &[u8]) {
        let Ok(body) = Body::from_bytes(bytes) else { return };
        let state = self.documents.entry(body.document.clone()).or_insert_with(|| DocumentState::new(body.document));
        let _ = taken(state, &body.change);
    }

    pub fn state(&self, document: &DocumentId) -> DocumentState {
        self.documents.get(document).cloned().unwrap_or_else(|| DocumentState::new(document.clone()))
    }

    /// The number of the entry that is signed next.
    pub fn number(&self) -> u64 {
        self.head.number + 1
    }

    /// A body around a change.
    pub fn body(&self, document: DocumentId, change: Vec<u8>) -> Body {
        Body { stamp: Hlc::at(self.now), wall: self.now, run: self.run, document, change }
    }

    /// What an honest device would write for that operation.
    pub fn write(&self, document: &DocumentId, operation: &Operation) -> Body {
        let change = self.state(document).write(operation, actor_of(&self.log, self.run), self.now);
        self.body(document.clone(), change)
    }

    /// An honest payment.
    pub fn pay(&self, credit: &DocumentId, amount: &str) -> Body {
        let id = payment_id(&self.log, self.run, self.number());
        self.write(credit, &Operation::Pay(PaymentMade { id, ..payment(0, usd(amount)) }))
    }

    /// An honest grant.
    pub fn grant(&self, grant: Grant) -> Body {
        let Scope::Shop(shop) = self.log.scope else { panic!("the registry grants nothing") };
        let empty = DocumentId::Credit { shop, id: CreditId([0; 10]) };
        let operation = Operation::Grant(grant);
        let change = DocumentState::new(empty).write(&operation, actor_of(&self.log, self.run), self.now);
        let id = credit_id(&self.log, self.number(), &change);
        self.body(DocumentId::Credit { shop, id }, change)
    }

    /// An honest movement.
    pub fn movement(&self, kind: MovementKind) -> Body {
        let Scope::Shop(shop) = self.log.scope else { panic!("the registry moves nothing") };
        let id = movement_id(&self.log, self.run, self.number());
        let document = DocumentId::SimMonth { shop, sim: sim(), month: Month::of(NOW) };
        self.write(&document, &Operation::Move(Movement { id, kind, at: NOW, agent: None, old_id: None }))
    }

    /// Chains and signs bodies of any content: a frame of entries.
    pub fn sign(&mut self, bodies: Vec<Vec<u8>>) -> Vec<u8> {
        bodies.iter().for_each(|bytes| self.learn(bytes));
        let (suffix, head) = signed(self.log, &self.key, self.head, bodies);
        self.head = head;
        encode(&Message::Entries(Packed::pack(&suffix)))
    }

    /// One body, chained and signed.
    pub fn entry(&mut self, body: &Body) -> Vec<u8> {
        self.sign(vec![body.to_bytes()])
    }
}

/// Chains these bodies after a head and signs the last.
pub fn signed(log: LogId, key: &SigningKey, head: Head, bodies: Vec<Vec<u8>>) -> (Suffix, Head) {
    let mut end = head;
    for body in &bodies {
        let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/entry");
        hasher.update(&end.hash).update(&(end.number + 1).to_be_bytes()).update(body);
        end = Head { number: end.number + 1, hash: *hasher.finalize().as_bytes() };
    }
    let signature = key.sign("ucash/v1/entry", &end.hash);
    (Suffix { log, from: head.number + 1, bodies, signature }, end)
}
