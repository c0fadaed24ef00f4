//! One operation of every kind, drawn ones for property tests, and a hand that writes them into documents.
//!
//! Nothing here is a test. [`Paper`] is a document as one writer sees it; [`taken`] is what a receiver does.

use proptest::prelude::*;
use ucash::document::{Actor, DocumentState, Fault, Malformed, ParsedChange, Placement, parse};
use ucash::model::{
    Beneficiary, BeneficiaryKind, Capture, CaptureState, Closing, Correction, CreditId, Deposit, DeviceKey, DocumentId,
    Edit, Gift, Grant, Hlc, Holder, Incarnation, Month, Movement, MovementId, MovementKind, Operation, Operator,
    Origin, PaymentId, PaymentMade, PaymentMode, Reference, ReportedGrant, ReportedPayment, Reporter, Seen, ShopId,
    SimNumber, Timestamp, VersionId, Withdrawal,
};
use ucash::money::{Amount, Currency};

/// 2026-05-28T20:26:40Z.
pub const NOW: Timestamp = Timestamp(1_780_000_000_000);

pub fn usd(text: &str) -> Amount {
    Amount::parse(text, Currency::Usd).expect("an amount")
}

pub fn cdf(text: &str) -> Amount {
    Amount::parse(text, Currency::Cdf).expect("an amount")
}

pub fn sim() -> SimNumber {
    SimNumber::new("+243971777631").expect("a SIM")
}

pub fn credit_document() -> DocumentId {
    DocumentId::Credit { shop: ShopId(5), id: CreditId([7; 10]) }
}

pub fn month_document() -> DocumentId {
    DocumentId::SimMonth { shop: ShopId(5), sim: sim(), month: Month::of(NOW) }
}

pub fn grant() -> Grant {
    Grant {
        reference: Reference::new("CRED-001").expect("a reference"),
        amount: usd("100"),
        sim: sim(),
        beneficiary: Beneficiary {
            name: "Amani Mumbere".to_owned(),
            phone: Some("+243971000001".to_owned()),
            address: Some("Av. du Lac 4\nGoma".to_owned()),
            kind: BeneficiaryKind::Shop,
            shop: Some(ShopId(7)),
        },
        agent: Some("esperance".to_owned()),
        granted_at: NOW,
        due_at: Some(NOW.plus_ms(86_400_000)),
        notes: Some("à payer vendredi".to_owned()),
        old_id: Some(4_711),
        old_modified_at: None,
        reported: None,
    }
}

/// A life of some device's store.
pub fn holder(seed: u8) -> Holder {
    Holder { device: DeviceKey([seed; 32]), incarnation: Incarnation(seed.into()) }
}

fn gift() -> MovementKind {
    MovementKind::Gift(Gift { amount: usd("20"), to: holder(2) })
}

fn closing(insisted: bool) -> Closing {
    Closing { shop: ShopId(5), of: holder(1), end: 41, registry_end: 3, successor: holder(2), insisted }
}

fn sight(ahead: Option<u64>) -> Operation {
    let seen = |seed, stop| Seen { of: holder(seed), number: 41, registry: 3, stop, ahead };
    Operation::Sight { by: holder(2), seen: vec![seen(1, true), seen(3, false)] }
}

pub fn bare_grant() -> Grant {
    let Beneficiary { name, kind, .. } = grant().beneficiary;
    let beneficiary = Beneficiary { name, kind, phone: None, address: None, shop: None };
    Grant { beneficiary, agent: None, due_at: None, notes: None, old_id: None, old_modified_at: None, ..grant() }
}

pub fn payment(seed: u8, amount: Amount) -> PaymentMade {
    PaymentMade {
        id: PaymentId([seed; 10]),
        amount,
        mode: PaymentMode::Cash,
        reference: Some("REÇU 12".to_owned()),
        agent: Some("esperance".to_owned()),
        at: NOW,
        reported: None,
    }
}

/// The existing app that reports in samples.
pub fn reporter() -> Reporter {
    Reporter { token: "k3v9x2".to_owned(), label: "Caisse 1".to_owned() }
}

/// A grant of the old server that says when its row changed last.
pub fn imported_grant() -> Grant {
    Grant { old_modified_at: Some(NOW.plus_ms(-5_000)), ..grant() }
}

/// A grant that an existing app reported.
pub fn reported_grant() -> Grant {
    let reported = ReportedGrant { by: reporter(), agent_number: 7 };
    Grant { reported: Some(reported), old_id: None, old_modified_at: None, ..grant() }
}

/// A payment of the credit of [`credit_document`] that an existing app reported.
pub fn reported_payment(amount: Amount, doubtful: bool) -> PaymentMade {
    let reported = ReportedPayment { by: reporter(), start: VersionId([9; 16]), total: usd("50"), doubtful };
    let id = reported.payment_id(&CreditId([7; 10]));
    PaymentMade { id, reported: Some(reported), ..payment(0, amount) }
}

pub fn movement(seed: u8, kind: MovementKind) -> Movement {
    Movement { id: MovementId([seed; 10]), kind, at: NOW, agent: Some("esperance".to_owned()), old_id: Some(9) }
}

pub fn capture(state: CaptureState) -> Capture {
    Capture {
        amount: usd("40.5"),
        cash: Some(usd("39")),
        fee: Some(usd("1.5")),
        reference: Some("MP260528".to_owned()),
        client: Some("Furaha".to_owned()),
        phone: Some("0971000002".to_owned()),
        state,
    }
}

/// Each kind of operation in its fullest and barest form, on its document, after what it rests on.
pub fn every_operation() -> Vec<(DocumentId, Vec<Operation>, Operation)> {
    let device = DeviceKey([3; 32]);
    let registry = |operation| (DocumentId::Registry, Vec::new(), operation);
    let granted = || vec![Operation::Grant(grant())];
    let paid = || vec![Operation::Grant(grant()), Operation::Pay(payment(1, usd("30")))];
    let credit = |before: Vec<Operation>, operation| (credit_document(), before, operation);
    let on_sim = |before: Vec<Operation>, operation| (month_document(), before, operation);
    let moved = |kind| vec![Operation::Move(movement(1, kind))];
    let pending = Capture { cash: None, fee: None, reference: None, client: None, phone: None, ..capture_pending() };
    let withdrawal = |owed_by, reimbursed| Withdrawal { amount: cdf("250000"), owed_by, reimbursed };
    let (agent, why) = (Some("esperance".to_owned()), "mal tapé".to_owned());
    let edits = vec![
        Edit::Name("Amani M.".to_owned()),
        Edit::Phone(Some("0990".to_owned())),
        Edit::Address(Some("Bukavu".to_owned())),
        Edit::DueAt(Some(NOW)),
        Edit::Notes(Some("plus tard".to_owned())),
    ];
    let taken_away = vec![Edit::Notes(None), Edit::DueAt(None), Edit::Address(None), Edit::Phone(None)];
    vec![
        registry(Operation::Found {
            network: "Kivu Cash".to_owned(),
            time_zone: "Africa/Lubumbashi".to_owned(),
            at: NOW,
        }),
        registry(Operation::AddShop { shop: ShopId(5), name: "Goma".to_owned() }),
        registry(Operation::Certify { device, certificate: vec![1, 2, 3], name: "comptoir".to_owned() }),
        registry(Operation::Revoke { device }),
        registry(Operation::RenameDevice { device, name: "téléphone".to_owned() }),
        registry(Operation::AddSim { sim: sim(), operator: Operator::Airtel, shop: ShopId(5) }),
        registry(Operation::NameKeeper { shop: ShopId(5), device }),
        registry(Operation::Stop { shop: ShopId(5), of: holder(1), successor: holder(2) }),
        registry(Operation::Close(closing(false))),
        registry(Operation::Close(closing(true))),
        registry(Operation::MoveSim { sim: sim(), from: ShopId(5), to: ShopId(7) }),
        (DocumentId::Shop(ShopId(5)), Vec::new(), sight(None)),
        (DocumentId::Shop(ShopId(5)), Vec::new(), sight(Some(40))),
        (
            DocumentId::Shop(ShopId(5)),
            Vec::new(),
            Operation::CorrectClock { by: holder(2), correction: Correction { from: 3, to: 9, add_ms: -40_000 } },
        ),
        (DocumentId::Shop(ShopId(5)), Vec::new(), Operation::TakeOver { by: holder(2), of: holder(1), end: 41 }),
        on_sim(Vec::new(), Operation::Move(movement(1, MovementKind::Moved(usd("7.50"))))),
        on_sim(Vec::new(), Operation::Move(movement(1, gift()))),
        on_sim(moved(gift()), Operation::TakeGift { movement: MovementId([1; 10]), at: NOW }),
        on_sim(moved(gift()), Operation::BearGift { movement: MovementId([1; 10]), at: NOW }),
        credit(
            vec![Operation::Grant(grant()), Operation::Cancel { why: why.clone(), agent: agent.clone(), at: NOW }],
            Operation::Return { at: NOW },
        ),
        (DocumentId::Shop(ShopId(5)), Vec::new(), Operation::DescribeShop { town: "Goma".to_owned() }),
        on_sim(Vec::new(), Operation::Move(movement(1, MovementKind::Opening(usd("500"))))),
        on_sim(Vec::new(), Operation::Move(movement(1, MovementKind::Capture(capture(CaptureState::Validated))))),
        on_sim(Vec::new(), Operation::Move(movement(1, MovementKind::Capture(pending.clone())))),
        on_sim(Vec::new(), Operation::Move(movement(1, MovementKind::Withdrawal(withdrawal(Some(ShopId(7)), true))))),
        on_sim(Vec::new(), Operation::Move(movement(1, MovementKind::Withdrawal(withdrawal(None, false))))),
        on_sim(
            Vec::new(),
            Operation::Move(movement(
                1,
                MovementKind::Deposit(Deposit { amount: usd("5"), phone: Some("0990".to_owned()) }),
            )),
        ),
        on_sim(
            Vec::new(),
            Operation::Move(Movement {
                agent: None,
                old_id: None,
                ..movement(1, MovementKind::Deposit(Deposit { amount: usd("5"), phone: None }))
            }),
        ),
        on_sim(
            moved(MovementKind::Capture(pending)),
            Operation::ValidateCapture { movement: MovementId([1; 10]), at: NOW },
        ),
        on_sim(
            moved(MovementKind::Withdrawal(withdrawal(None, false))),
            Operation::Reimburse { movement: MovementId([1; 10]), at: NOW },
        ),
        on_sim(
            moved(MovementKind::Opening(usd("500"))),
            Operation::ReverseMovement { movement: MovementId([1; 10]), why: why.clone(), agent: agent.clone() },
        ),
        credit(Vec::new(), Operation::Grant(grant())),
        credit(Vec::new(), Operation::Grant(bare_grant())),
        credit(Vec::new(), Operation::Grant(imported_grant())),
        credit(Vec::new(), Operation::Grant(reported_grant())),
        credit(granted(), Operation::Pay(reported_payment(usd("30"), false))),
        credit(granted(), Operation::Pay(reported_payment(usd("50"), true))),
        registry(Operation::NameGateway { shop: ShopId(5), device: DeviceKey([4; 32]) }),
        credit(granted(), Operation::Pay(payment(1, usd("30")))),
        credit(granted(), Operation::Pay(PaymentMade { reference: None, agent: None, ..payment(1, usd("0.01")) })),
        credit(
            paid(),
            Operation::ReversePayment { payment: PaymentId([1; 10]), why: why.clone(), agent: agent.clone() },
        ),
        credit(granted(), Operation::Cancel { why: why.clone(), agent: agent.clone(), at: NOW }),
        credit(granted(), Operation::Cancel { why, agent: None, at: NOW }),
        credit(granted(), Operation::Edit { edits, agent }),
        credit(granted(), Operation::Edit { edits: taken_away, agent: None }),
    ]
}

fn capture_pending() -> Capture {
    capture(CaptureState::Pending)
}

/// Why a receiver did not take a change.
#[derive(Debug, PartialEq, Eq)]
pub enum NotTaken {
    Malformed(Malformed),
    Wrong(Fault),
    Waits(usize),
}

/// Reads and places a change, without applying it.
pub fn placed(state: &DocumentState, bytes: &[u8]) -> Result<(ParsedChange, Operation), NotTaken> {
    let parsed = parse(bytes).map_err(NotTaken::Malformed)?;
    match state.place(&parsed) {
        Placement::Fits(operation) => Ok((parsed, *operation)),
        Placement::Wrong(fault) => Err(NotTaken::Wrong(fault)),
        Placement::Waits(missing) => Err(NotTaken::Waits(missing.len())),
    }
}

/// What a receiver does with a change: the operation, if it was applied.
pub fn taken(state: &mut DocumentState, bytes: &[u8]) -> Result<Operation, NotTaken> {
    let (parsed, operation) = placed(state, bytes)?;
    let number = state.len() as u64 + 1;
    state.apply(&parsed, operation.clone(), origin(parsed.time, number));
    Ok(operation)
}

fn origin(time: Timestamp, number: u64) -> Origin {
    Origin { stamp: Hlc::at(time), device: DeviceKey([1; 32]), incarnation: Incarnation(1), number, wall: time }
}

/// A document as one writer sees it.
#[derive(Clone, Debug)]
pub struct Paper {
    pub state: DocumentState,
    pub actor: Actor,
    pub changes: Vec<Vec<u8>>,
}

impl Paper {
    pub fn new(document: DocumentId, actor: u8) -> Paper {
        Paper { state: DocumentState::new(document), actor: [actor; 16], changes: Vec::new() }
    }

    /// A credit's document after these operations.
    pub fn after(document: DocumentId, operations: &[Operation]) -> Paper {
        let mut paper = Paper::new(document, 1);
        for operation in operations {
            paper.write(operation);
        }
        paper
    }

    /// The bytes of the change that this writer would make next.
    pub fn draft(&self, operation: &Operation) -> Vec<u8> {
        self.state.write(operation, self.actor, NOW.plus_ms(self.state.len() as i64))
    }

    /// Writes the operation and applies it.
    pub fn write(&mut self, operation: &Operation) -> Vec<u8> {
        let bytes = self.draft(operation);
        let read = taken(&mut self.state, &bytes);
        assert_eq!(read.as_ref(), Ok(operation), "what was written is not what is read");
        self.changes.push(bytes.clone());
        bytes
    }

    /// Takes another writer's change.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Operation, NotTaken> {
        let operation = taken(&mut self.state, bytes)?;
        self.changes.push(bytes.to_vec());
        Ok(operation)
    }
}

/// Texts of one line.
fn line() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,12}", "[A-Za-zàéêô' ]{0,30}x", Just("現金 💵".to_owned())]
}

fn amount() -> impl Strategy<Value = Amount> {
    (1_u32..=u32::MAX).prop_map(|cents| usd(&format!("{}.{:02}", cents / 100, cents % 100)))
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        line().prop_map(Edit::Name),
        proptest::option::of(line()).prop_map(Edit::Phone),
        proptest::option::of(line()).prop_map(Edit::Address),
        proptest::option::of(0_i64..4_000_000_000_000).prop_map(|time| Edit::DueAt(time.map(Timestamp))),
        proptest::option::of(line()).prop_map(Edit::Notes),
    ]
}

/// An operation that may follow the grant of a credit; payments and reversals draw from a few ids.
pub fn later_operation() -> impl Strategy<Value = Operation> {
    let agent = || proptest::option::of(line());
    let at = || (0_i64..4_000_000_000_000).prop_map(Timestamp);
    prop_oneof![
        3 => (any::<u8>(), amount(), agent(), at()).prop_map(|(seed, amount, agent, at)| {
            Operation::Pay(PaymentMade { agent, at, ..payment(seed, amount) })
        }),
        1 => (0..4_u8, line(), agent()).prop_map(|(seed, why, agent)| {
            Operation::ReversePayment { payment: PaymentId([seed; 10]), why, agent }
        }),
        1 => (line(), agent(), at()).prop_map(|(why, agent, at)| Operation::Cancel { why, agent, at }),
        3 => (proptest::collection::vec(edit(), 1..4), agent()).prop_map(|(edits, agent)| {
            let mut seen = Vec::new();
            let fresh = |edit: &Edit| {
                let is_new = !seen.contains(&edit.field());
                seen.push(edit.field());
                is_new
            };
            Operation::Edit { edits: edits.into_iter().filter(fresh).collect(), agent }
        }),
    ]
}
