//! The auditor's own books, in cents.
//!
//! They take in what was acknowledged, and what was in doubt and then seen. They know no order of events but for one
//! thing: what a device showed when it acknowledged a cancellation, since what it had seen it overrides.

use std::collections::{BTreeMap, BTreeSet};

use crate::lab::Cast;
use crate::lab::auditor::cents;
use crate::ledger::Refusal;
use crate::model::{CreditId, CreditStatus, DeviceKey, Edit, MovementId, PaymentId, ShopId, Timestamp};
use crate::money::{Amount, Currency};
use crate::replica::{Command, CreditView, GrantRequest};

/// A SIM.
#[derive(Clone, Debug)]
pub struct KeptSim {
    pub shop: ShopId,
    /// What it held when it was made known.
    pub opening: BTreeMap<Currency, i128>,
}

/// A field of a credit that people edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Name,
    Phone,
    Address,
    DueAt,
    Notes,
}

/// What was said of one field. A device's later word replaces its earlier one, whatever the clocks; between devices
/// either may stand.
#[derive(Clone, Debug, Default)]
pub struct Words {
    pub granted: Option<String>,
    pub last: BTreeMap<usize, Vec<Option<String>>>,
    pub doubtful: BTreeSet<Option<String>>,
    pub said: Vec<Said>,
}

/// A word, when it was truly said, and by how much the clock of who said it was ahead then, in milliseconds.
#[derive(Clone, Debug)]
pub struct Said {
    pub word: Option<String>,
    pub device: usize,
    pub at: i64,
    pub ahead: i64,
}

impl Words {
    fn say(&mut self, device: usize, word: Option<String>, moment: Option<(i64, i64)>) {
        let (at, ahead) = moment.unwrap_or_default();
        self.said.push(Said { word: word.clone(), device, at, ahead });
        let said = self.granted == word || self.last.values().flatten().any(|known| *known == word);
        let words = self.last.entry(device).or_default();
        if !said {
            // What says nothing new is not written, and then the device's earlier word still stands.
            words.clear();
        }
        words.push(word);
    }

    /// Whether the field may show that.
    pub fn allow(&self, word: &Option<String>) -> bool {
        let said = self.last.values().flatten().any(|known| known == word);
        said || self.doubtful.contains(word) || (self.last.is_empty() && self.granted == *word)
    }
}

/// A credit.
#[derive(Clone, Debug)]
pub struct KeptCredit {
    pub reference: String,
    pub cents: i128,
    pub currency: Currency,
    pub sim: String,
    pub shop: ShopId,
    pub words: BTreeMap<Field, Words>,
    pub payments: BTreeSet<PaymentId>,
    /// For each acknowledged cancellation, the payments that its device showed then.
    pub cancellations: Vec<BTreeSet<PaymentId>>,
    /// A cancellation is or was in doubt.
    pub perhaps_cancelled: bool,
    /// Its amount may be spent again. Today a cancellation gives back at once; with shares, its granter's return does.
    pub given_back: bool,
    /// Taken in because it was seen, while its answer was in doubt.
    pub claimed: bool,
}

/// A payment.
#[derive(Clone, Debug)]
pub struct KeptPayment {
    pub credit: CreditId,
    pub cents: i128,
    pub reversed: bool,
    /// The asks that reversed it, or may have.
    pub reversals: BTreeSet<u64>,
    pub claimed: bool,
}

/// What moves a balance besides credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Capture,
    Withdrawal,
    Deposit,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Capture => "capture",
            Kind::Withdrawal => "withdrawal",
            Kind::Deposit => "deposit",
        }
    }
}

/// A movement.
#[derive(Clone, Debug)]
pub struct KeptMovement {
    /// Who recorded it.
    pub device: usize,
    pub sim: String,
    pub shop: ShopId,
    pub kind: Kind,
    pub cents: i128,
    pub currency: Currency,
    pub validated: bool,
    pub reversed: bool,
    pub reimbursed: bool,
    pub claimed: bool,
}

impl KeptMovement {
    /// Whether it moves the balance.
    pub fn counts(&self) -> bool {
        !self.reversed && (self.validated || self.kind != Kind::Capture)
    }

    /// What it adds to the balance as it stands.
    pub fn effect(&self) -> i128 {
        match (self.counts(), self.kind) {
            (false, _) => 0,
            (true, Kind::Capture) => self.cents,
            (true, Kind::Withdrawal | Kind::Deposit) => -self.cents,
        }
    }
}

/// Whether a credit is cancelled, as far as that follows without looking at the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A cancellation saw everything else.
    Cancelled,
    /// Nobody cancelled it.
    Stands,
    /// Something did not see the cancellation: timestamps decide.
    Either,
}

/// All that was acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Books {
    pub sims: BTreeMap<String, KeptSim>,
    pub credits: BTreeMap<CreditId, KeptCredit>,
    pub payments: BTreeMap<PaymentId, KeptPayment>,
    pub movements: BTreeMap<MovementId, KeptMovement>,
    /// What was put into each account and not taken out.
    room: BTreeMap<(String, Currency), i128>,
    /// By device and shop, under which reference it granted which credit first.
    references: BTreeMap<(usize, ShopId, String), CreditId>,
    shops: Vec<ShopId>,
    devices: Vec<(DeviceKey, ShopId)>,
    /// Shops of which a device was closed, or may have been: what it acknowledged beyond its end has no effect, so of
    /// these only what holds all the same is asked for.
    shaken: BTreeSet<ShopId>,
    /// Those of which a device was closed before all had said how far they hold its log, or may have been.
    insisted: BTreeSet<ShopId>,
    /// SIMs that moved to another shop, or may have.
    moved: BTreeSet<String>,
    /// The true time, and by how much the clock is ahead of the device whose answer is being taken, where it is known.
    pub moment: Option<(i64, i64)>,
    /// By how much each device's clock may be off at most, where it is known.
    pub clock_errors: Vec<i64>,
    /// Longer than the whole run, in milliseconds.
    pub run_ms: i64,
}

impl Books {
    pub fn new(cast: &Cast) -> Books {
        let devices = cast.devices.iter().map(|device| (device.key, device.shop)).collect();
        let mut books = Books { shops: cast.shops.clone(), devices, ..Books::default() };
        for sim in &cast.sims {
            books.sim_in(sim.number.to_string(), sim.shop, &sim.opening);
        }
        books
    }

    /// Notes what a command, done or in doubt, may have unsettled.
    pub fn unsettled_by(&mut self, command: &Command, by: usize) {
        match command {
            Command::CloseDevice { device, insist, .. } => {
                let target = self.devices.iter().find(|(key, _)| key.to_text() == *device);
                let shop = target.or_else(|| self.devices.get(by)).map(|(_, shop)| *shop);
                self.shaken.extend(shop);
                self.insisted.extend(shop.filter(|_| *insist));
            }
            Command::MoveSim { sim, .. } => drop(self.moved.insert(sim.to_string())),
            _ => {}
        }
    }

    /// Whether a device of that shop was closed, or may have been.
    pub fn is_shaken(&self, shop: ShopId) -> bool {
        self.shaken.contains(&shop)
    }

    /// Whether somebody insisted on closing a device of that shop, or may have: only then may a share be below zero.
    pub fn was_insisted(&self, shop: ShopId) -> bool {
        self.insisted.contains(&shop)
    }

    /// Whether a device is of the company, and not in wrong hands.
    pub fn is_honest(&self, device: &DeviceKey) -> bool {
        self.devices.iter().any(|(key, _)| key == device)
    }

    /// Whether a SIM moved, or may have.
    pub fn has_moved(&self, sim: &str) -> bool {
        self.moved.contains(sim)
    }

    pub fn shops(&self) -> Vec<ShopId> {
        self.shops.clone()
    }

    /// A SIM is known. One that is known already says nothing new.
    pub fn sim_in(&mut self, number: String, shop: ShopId, opening: &[Amount]) {
        if self.sims.contains_key(&number) {
            return;
        }
        let opening: BTreeMap<Currency, i128> = opening
            .iter()
            .filter(|amount| !amount.is_zero())
            .map(|amount| (amount.currency(), cents::of(*amount)))
            .collect();
        for (currency, cents) in &opening {
            self.make_room(&number, *currency, *cents);
        }
        self.sims.insert(number, KeptSim { shop, opening });
    }

    /// What was put into an account and not taken out; `None` of a SIM whose making is in doubt.
    pub fn room(&self, sim: &str, currency: Currency) -> Option<i128> {
        self.sims.contains_key(sim).then(|| self.room.get(&(sim.to_owned(), currency)).copied().unwrap_or_default())
    }

    fn make_room(&mut self, sim: &str, currency: Currency, cents: i128) {
        *self.room.entry((sim.to_owned(), currency)).or_default() += cents;
    }

    /// A credit that was granted.
    pub fn credit_in(&mut self, id: CreditId, device: usize, shop: ShopId, request: &GrantRequest, claimed: bool) {
        if let Some(known) = self.credits.get_mut(&id) {
            known.claimed &= claimed;
            return;
        }
        let (cents, currency, sim) = (cents::of(request.amount), request.amount.currency(), request.sim.to_string());
        let mut words: BTreeMap<Field, Words> = BTreeMap::new();
        let beneficiary = &request.beneficiary;
        let granted = [
            (Field::Name, Some(beneficiary.name.clone())),
            (Field::Phone, beneficiary.phone.clone()),
            (Field::Address, beneficiary.address.clone()),
            (Field::DueAt, request.due_at.map(Timestamp::to_rfc3339)),
            (Field::Notes, request.notes.clone()),
        ];
        for (field, granted) in granted {
            words.insert(field, Words { granted, ..Words::default() });
        }
        self.make_room(&sim, currency, -cents);
        self.references.entry((device, shop, request.reference.to_string())).or_insert(id);
        let credit = KeptCredit {
            reference: request.reference.to_string(),
            cents,
            currency,
            sim,
            shop,
            words,
            payments: BTreeSet::new(),
            cancellations: Vec::new(),
            perhaps_cancelled: false,
            given_back: false,
            claimed,
        };
        self.credits.insert(id, credit);
    }

    pub fn payment_in(&mut self, id: PaymentId, credit: CreditId, cents: i128, claimed: bool) {
        if let Some(known) = self.payments.get_mut(&id) {
            known.claimed &= claimed;
            return;
        }
        let payment = KeptPayment { credit, cents, reversed: false, reversals: BTreeSet::new(), claimed };
        self.payments.insert(id, payment);
        if let Some(credit) = self.credits.get_mut(&credit) {
            credit.payments.insert(id);
        }
    }

    pub fn movement_in(&mut self, id: MovementId, movement: KeptMovement) {
        if let Some(known) = self.movements.get_mut(&id) {
            known.claimed &= movement.claimed;
            return;
        }
        self.make_room(&movement.sim.clone(), movement.currency, movement.effect());
        self.movements.insert(id, movement);
    }

    /// Changes a movement, and what it adds to its balance.
    pub fn change_movement(&mut self, id: &MovementId, change: impl Fn(&mut KeptMovement)) {
        let Some(movement) = self.movements.get_mut(id) else { return };
        let before = movement.effect();
        change(movement);
        let (sim, currency, more) = (movement.sim.clone(), movement.currency, movement.effect() - before);
        self.make_room(&sim, currency, more);
    }

    /// A payment is taken back, by that ask.
    pub fn reversed(&mut self, id: &PaymentId, ask: u64) {
        if let Some(payment) = self.payments.get_mut(id) {
            payment.reversed = true;
            payment.reversals.insert(ask);
        }
    }

    /// A cancellation was acknowledged by a device that showed the credit so.
    pub fn cancelled(&mut self, view: &CreditView) {
        let seen = view.payments.iter().map(|payment| payment.id).collect();
        if let Some(credit) = self.credits.get_mut(&view.id) {
            credit.cancellations.push(seen);
        }
        self.give_back(&view.id, true);
    }

    fn give_back(&mut self, id: &CreditId, given_back: bool) {
        let Some(credit) = self.credits.get_mut(id) else { return };
        if credit.given_back != given_back {
            credit.given_back = given_back;
            let (sim, currency, cents) = (credit.sim.clone(), credit.currency, credit.cents);
            self.make_room(&sim, currency, if given_back { cents } else { -cents });
        }
    }

    /// A device edited a credit.
    pub fn edited(&mut self, id: &CreditId, device: usize, edits: &[Edit]) {
        for (field, word) in last_words(edits) {
            if let Some(words) = self.credits.get_mut(id).and_then(|credit| credit.words.get_mut(&field)) {
                words.say(device, word, self.moment);
            }
        }
    }

    /// What all show once everything is healed: cancelled credits have given back, reinstated ones have taken again.
    pub fn statuses_are(&mut self, shown: &[super::Shown]) {
        for view in shown.iter().flat_map(|one| &one.credits) {
            self.give_back(&view.id, view.status == CreditStatus::Cancelled);
        }
    }

    /// What of a credit is paid.
    pub fn paid(&self, credit: &KeptCredit) -> i128 {
        let payments = credit.payments.iter().filter_map(|id| self.payments.get(id));
        payments.filter(|payment| !payment.reversed).map(|payment| payment.cents).sum()
    }

    /// Whether a credit is cancelled, as far as that follows.
    pub fn standing(&self, credit: &KeptCredit) -> Standing {
        if credit.cancellations.is_empty() && !credit.perhaps_cancelled {
            return Standing::Stands;
        }
        // It was reversed once, so by the time it was cancelled the one reversal had been seen.
        let once = |id: &PaymentId| self.payments.get(id).is_some_and(|known| known.reversals.len() == 1);
        let saw_all = credit.cancellations.contains(&credit.payments);
        if saw_all && credit.payments.iter().all(once) { Standing::Cancelled } else { Standing::Either }
    }

    /// The credit that a device granted first under a reference.
    pub fn granted_as(&self, device: usize, shop: ShopId, reference: &str) -> Option<CreditId> {
        self.references.get(&(device, shop, reference.to_owned())).copied()
    }

    /// The credits that a person may mean by that id or reference.
    pub fn meant(&self, key: &str) -> Vec<CreditId> {
        if let Some(id) = CreditId::from_text(key.trim()) {
            return vec![id];
        }
        let key = key.trim().to_uppercase();
        self.credits.iter().filter(|(_, credit)| credit.reference == key).map(|(id, _)| *id).collect()
    }
}

/// Each field's last word in a list of edits.
pub fn last_words(edits: &[Edit]) -> BTreeMap<Field, Option<String>> {
    let word = |edit: &Edit| match edit.clone() {
        Edit::Name(name) => (Field::Name, Some(name)),
        Edit::Phone(phone) => (Field::Phone, phone),
        Edit::Address(address) => (Field::Address, address),
        Edit::DueAt(due) => (Field::DueAt, due.map(Timestamp::to_rfc3339)),
        Edit::Notes(notes) => (Field::Notes, notes),
    };
    edits.iter().map(word).collect()
}

/// What a view shows of an editable field.
pub fn shown_word(view: &CreditView, field: Field) -> Option<String> {
    match field {
        Field::Name => Some(view.beneficiary.name.clone()),
        Field::Phone => view.beneficiary.phone.clone(),
        Field::Address => view.beneficiary.address.clone(),
        Field::DueAt => view.due_at.clone(),
        Field::Notes => view.notes.clone(),
    }
}

/// Whether a refusal says that nothing was even looked at.
pub fn not_looked_at(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::ClockBefore2020 { .. } | Refusal::Busy | Refusal::DiskFull | Refusal::ReadOnly { .. })
}
