//! Whether a person's command may be done, and what is to be written if so.
//!
//! Everything here runs on the device that acts, against what that device knows. A [`Plan`] is written without
//! further questions; ids are drawn when it is written, since they are bound to the entry that bears them.

use serde::{Deserialize, Serialize};

use crate::ledger::{Book, Refusal};
use crate::model::{
    Beneficiary, CaptureState, Credit, CreditId, CreditStatus, Edit, Grant, Holder, Movement, MovementId, MovementKind,
    MovementRecord, Operation, Operator, PaymentId, PaymentMode, Reference, ReportedPayment, ShopId, SimNumber,
    Timestamp,
};
use crate::money::{Amount, Currency};
use crate::planted::{self, Bug};

/// What is to be written: one entry each, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Something on the registry.
    Registry {
        /// What.
        operation: Operation,
        /// Whether it goes into the authority's log.
        by_authority: bool,
    },
    /// Something on a shop's own document.
    Shop {
        /// The shop.
        shop: ShopId,
        /// What.
        operation: Operation,
    },
    /// A new movement; and its reversal, if it was imported as reversed.
    Movement(PlannedMovement),
    /// Something done to a movement.
    OnMovement {
        /// Which.
        movement: MovementId,
        /// What.
        operation: Operation,
    },
    /// A new credit, and what is done to it at once: an entry each.
    Grant {
        /// The shop.
        shop: ShopId,
        /// The credit.
        grant: Grant,
        /// What follows.
        then: Vec<CreditStep>,
    },
    /// Something done to a credit.
    OnCredit {
        /// The shop.
        shop: ShopId,
        /// Which.
        credit: CreditId,
        /// What.
        step: CreditStep,
    },
}

impl Plan {
    /// Checks every field that would be written, so that a plan is written whole or not at all.
    pub fn check_fields(&self) -> Result<(), Refusal> {
        match self {
            Plan::Registry { operation, .. } | Plan::Shop { operation, .. } | Plan::OnMovement { operation, .. } => {
                Ok(operation.check_fields()?)
            }
            Plan::Movement(movement) => {
                let why = movement.reversed.clone().unwrap_or_else(|| "-".to_owned());
                let (id, agent) = (MovementId([0; 10]), movement.agent.clone());
                Operation::ReverseMovement { movement: id, why, agent }.check_fields()?;
                movement.check_fields()
            }
            Plan::Grant { grant, then, .. } => {
                Operation::Grant(grant.clone()).check_fields()?;
                then.iter().try_for_each(CreditStep::check_fields)
            }
            Plan::OnCredit { step, .. } => step.check_fields(),
        }
    }
}

/// A movement that has no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedMovement {
    /// The shop whose account it moves.
    pub shop: ShopId,
    /// The SIM whose account it moves.
    pub sim: SimNumber,
    /// What happened.
    pub kind: MovementKind,
    /// When.
    pub at: Timestamp,
    /// Who records it.
    pub agent: Option<String>,
    /// Its id on the old server.
    pub old_id: Option<u64>,
    /// Why it is reversed at once, if it is.
    pub reversed: Option<String>,
}

impl PlannedMovement {
    /// The movement under an id.
    pub fn with_id(&self, id: MovementId) -> Movement {
        let PlannedMovement { kind, at, agent, old_id, .. } = self.clone();
        Movement { id, kind, at, agent, old_id }
    }

    pub(super) fn check_fields(&self) -> Result<(), Refusal> {
        Ok(Operation::Move(self.with_id(MovementId([0; 10]))).check_fields()?)
    }
}

/// Something done to a credit; a payment has no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreditStep {
    /// Money came in.
    Pay {
        /// More than zero.
        amount: Amount,
        /// How.
        mode: PaymentMode,
        /// The payer's or operator's reference.
        reference: Option<String>,
        /// Who records it.
        agent: Option<String>,
        /// When it was received.
        at: Timestamp,
        /// That the existing app reported it, if so.
        reported: Option<ReportedPayment>,
    },
    /// A payment is taken back.
    ReversePayment {
        /// Which.
        payment: PaymentId,
        /// Why.
        why: String,
        /// Who.
        agent: Option<String>,
    },
    /// It is called off.
    Cancel {
        /// Why.
        why: String,
        /// Who.
        agent: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// Its amount is given back to its granter's share.
    Return {
        /// When.
        at: Timestamp,
    },
    /// Some or all of a payment is handed back.
    GiveBack {
        /// Which.
        payment: PaymentId,
        /// How much.
        amount: Amount,
        /// Why.
        why: String,
        /// Who.
        agent: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// The cancellation is taken back.
    Reinstate {
        /// Why.
        why: String,
        /// Who.
        agent: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// It gets another reference.
    Renumber {
        /// The new one.
        reference: Reference,
        /// Who.
        agent: Option<String>,
    },
    /// Contact fields, due date or notes change.
    Edit {
        /// What changes.
        edits: Vec<Edit>,
        /// Who.
        agent: Option<String>,
    },
}

/// What is needed to grant a credit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditRequest {
    /// The reference, checked.
    pub reference: Reference,
    /// The amount.
    pub amount: Amount,
    /// The SIM.
    pub sim: SimNumber,
    /// To whom.
    pub beneficiary: Beneficiary,
    /// When it is to be paid.
    pub due_at: Option<Timestamp>,
    /// Free text.
    pub notes: Option<String>,
    /// Who grants.
    pub agent: Option<String>,
}

impl Book {
    /// A new shop; without a number, the next free one.
    pub fn plan_shop(
        &self,
        shop: Option<ShopId>,
        name: &str,
        town: Option<&str>,
    ) -> Result<(ShopId, Vec<Plan>), Refusal> {
        let next = || ShopId(self.shops().keys().next_back().map_or(1, |last| last.0.saturating_add(1)));
        let shop = shop.unwrap_or_else(next);
        if let Some(known) = self.shops().get(&shop) {
            return Err(Refusal::ShopExists { shop, name: known.name.clone() });
        }
        let operation = Operation::AddShop { shop, name: name.trim().to_owned() };
        operation.check_fields()?;
        let mut plans = vec![Plan::Registry { operation, by_authority: true }];
        if let Some(town) = town {
            let operation = Operation::DescribeShop { town: town.trim().to_owned() };
            operation.check_fields()?;
            plans.push(Plan::Shop { shop, operation });
        }
        Ok((shop, plans))
    }

    /// A new SIM and what it holds.
    pub fn plan_sim(
        &self,
        sim: &SimNumber,
        operator: Operator,
        shop: ShopId,
        opening: &[Amount],
        at: Timestamp,
    ) -> Result<Vec<Plan>, Refusal> {
        self.check_shop(shop)?;
        if let Some(known) = self.sims().get(sim) {
            return Err(Refusal::SimExists { sim: sim.clone(), shop: known.shop });
        }
        let operation = Operation::AddSim { sim: sim.clone(), operator, shop };
        let mut plans = vec![Plan::Registry { operation, by_authority: false }];
        for amount in opening.iter().filter(|amount| !amount.is_zero()) {
            plans.push(Plan::Movement(PlannedMovement {
                shop,
                sim: sim.clone(),
                kind: MovementKind::Opening(*amount),
                at,
                agent: None,
                old_id: None,
                reversed: None,
            }));
        }
        Ok(plans)
    }

    /// A capture, a withdrawal or a deposit.
    pub fn plan_movement(&self, shop: ShopId, movement: PlannedMovement, holder: &Holder) -> Result<Plan, Refusal> {
        movement.check_fields()?;
        self.check_sim_of_shop(&movement.sim, shop)?;
        match &movement.kind {
            MovementKind::Opening(_) | MovementKind::Moved(_) => {
                return Err(Refusal::NotAllowed { needs: "a SIM that is new".to_owned() });
            }
            MovementKind::Capture(_) => {}
            MovementKind::Withdrawal(withdrawal) => {
                withdrawal.owed_by.map_or(Ok(()), |shop| self.check_shop(shop))?;
                self.check_spendable(shop, &movement.sim, withdrawal.amount, holder)?;
            }
            MovementKind::Deposit(deposit) => self.check_spendable(shop, &movement.sim, deposit.amount, holder)?,
            MovementKind::Gift(gift) => self.check_spendable(shop, &movement.sim, gift.amount, holder)?,
        }
        Ok(Plan::Movement(movement))
    }

    /// The movement of that id, as a person names it.
    pub fn find_movement(&self, key: &str) -> Result<&MovementRecord, Refusal> {
        let found = MovementId::from_text(key.trim()).and_then(|id| self.movement(&id));
        found.ok_or_else(|| Refusal::UnknownMovement { key: key.chars().take(64).collect() })
    }

    /// A pending capture is confirmed, by the device that recorded it.
    pub fn plan_validation(&self, key: &str, holder: Holder, at: Timestamp) -> Planned {
        let found = self.find_movement(key)?;
        let MovementKind::Capture(capture) = &found.kind else { return Err(wrong_kind(found, "capture")) };
        self.check_recorder(found, holder)?;
        let state = if found.validated { CaptureState::Validated } else { capture.state };
        if found.reversed {
            return Err(Refusal::MovementReversed { movement: found.id });
        }
        if state != CaptureState::Pending {
            return Err(Refusal::CaptureNotPending { movement: found.id, state });
        }
        Ok(Plan::OnMovement { movement: found.id, operation: Operation::ValidateCapture { movement: found.id, at } })
    }

    /// The cash of a withdrawal came back.
    pub fn plan_reimbursement(&self, key: &str, at: Timestamp) -> Planned {
        let found = self.find_movement(key)?;
        if !matches!(found.kind, MovementKind::Withdrawal(_)) {
            return Err(wrong_kind(found, "withdrawal"));
        }
        if found.reversed {
            return Err(Refusal::MovementReversed { movement: found.id });
        }
        if found.reimbursed {
            return Err(Refusal::AlreadyReimbursed { movement: found.id });
        }
        Ok(Plan::OnMovement { movement: found.id, operation: Operation::Reimburse { movement: found.id, at } })
    }

    /// A movement is taken back by the device that recorded it; a capture only while the balance covers it.
    pub fn plan_movement_reversal(&self, key: &str, holder: Holder, why: &str, agent: Option<String>) -> Planned {
        let found = self.find_movement(key)?;
        if matches!(found.kind, MovementKind::Opening(_) | MovementKind::Gift(_) | MovementKind::Moved(_)) {
            return Err(wrong_kind(found, "capture, withdrawal or deposit"));
        }
        self.check_recorder(found, holder)?;
        if found.reversed {
            return Err(Refusal::MovementReversed { movement: found.id });
        }
        if matches!(found.kind, MovementKind::Capture(_)) && found.counts() {
            self.check_spendable(found.shop, &found.sim, found.kind.amount(), &holder)?;
        }
        let operation = Operation::ReverseMovement { movement: found.id, why: why.to_owned(), agent };
        operation.check_fields()?;
        Ok(Plan::OnMovement { movement: found.id, operation })
    }

    /// A credit is granted.
    pub fn plan_grant(&self, shop: ShopId, request: CreditRequest, holder: &Holder, now: Timestamp) -> Planned {
        let CreditRequest { reference, amount, sim, beneficiary, due_at, notes, agent } = request;
        let grant = Grant {
            reference,
            amount,
            sim,
            beneficiary,
            agent,
            granted_at: now,
            due_at,
            notes,
            old_id: None,
            old_modified_at: None,
            reported: None,
        };
        Operation::Grant(grant.clone()).check_fields()?;
        grant.beneficiary.shop.map_or(Ok(()), |shop| self.check_shop(shop))?;
        self.check_sim_of_shop(&grant.sim, shop)?;
        if let Some(known) = self.credits_with(&grant.reference).next() {
            return Err(Refusal::ReferenceTaken { reference: grant.reference.clone(), credit: known.id });
        }
        self.check_spendable(shop, &grant.sim, grant.amount, holder)?;
        Ok(Plan::Grant { shop, grant, then: Vec::new() })
    }

    /// A payment of a credit. The amount is read in the credit's currency.
    pub fn plan_payment(
        &self,
        key: &str,
        amount: &str,
        mode: PaymentMode,
        reference: Option<String>,
        agent: Option<String>,
        now: Timestamp,
    ) -> Planned {
        let credit = self.find_credit(key)?;
        let amount = Amount::parse(amount, credit.amount.currency())
            .map_err(|fault| Refusal::Money { field: "amount".to_owned(), fault })?;
        let made = crate::model::PaymentMade {
            id: PaymentId([0; 10]),
            amount,
            mode,
            reference,
            agent,
            at: now,
            reported: None,
        };
        Operation::Pay(made.clone()).check_fields()?;
        match credit.status {
            CreditStatus::Cancelled => return Err(Refusal::CreditCancelled { reference: credit.reference.clone() }),
            CreditStatus::Paid => return Err(Refusal::CreditPaid { reference: credit.reference.clone() }),
            CreditStatus::Granted | CreditStatus::PartlyPaid | CreditStatus::Overdue => {}
        }
        let remaining = credit.remaining();
        if !remaining.balance().covers(amount) {
            return Err(Refusal::PaymentExceedsRemaining { asked: amount, remaining });
        }
        let crate::model::PaymentMade { reference, agent, at, .. } = made;
        Ok(on(credit, CreditStep::Pay { amount, mode, reference, agent, at, reported: None }))
    }

    /// A mistyped payment is taken back; not of a cancelled credit, which the reversal's status would reinstate.
    pub fn plan_payment_reversal(&self, key: &str, payment: &str, why: &str, agent: Option<String>) -> Planned {
        let credit = self.find_credit(key)?;
        if credit.status == CreditStatus::Cancelled {
            return Err(Refusal::CreditCancelled { reference: credit.reference.clone() });
        }
        let id = PaymentId::from_text(payment.trim());
        let found = id.and_then(|id| credit.payments.iter().find(|known| known.id == id));
        let found = found.ok_or_else(|| Refusal::UnknownPayment {
            reference: credit.reference.clone(),
            payment: payment.chars().take(64).collect(),
        })?;
        if found.reversed {
            return Err(Refusal::PaymentReversed { payment: found.id });
        }
        let step = CreditStep::ReversePayment { payment: found.id, why: why.to_owned(), agent };
        step.check_fields()?;
        Ok(on(credit, step))
    }

    /// A credit is called off: never once any payment stands.
    pub fn plan_cancellation(&self, key: &str, why: &str, agent: Option<String>, now: Timestamp) -> Planned {
        let credit = self.find_credit(key)?;
        let step = CreditStep::Cancel { why: why.to_owned(), agent, at: now };
        step.check_fields()?;
        if credit.status == CreditStatus::Cancelled {
            return Err(Refusal::CreditCancelled { reference: credit.reference.clone() });
        }
        if !credit.paid.value().is_zero() {
            return Err(Refusal::CancelWithPayments { reference: credit.reference.clone(), paid: credit.paid });
        }
        Ok(on(credit, step))
    }

    /// Contact fields, due date or notes change.
    pub fn plan_edit(&self, key: &str, edits: &[Edit], agent: Option<String>) -> Planned {
        let credit = self.find_credit(key)?;
        let mut changing: Vec<Edit> = Vec::new();
        for edit in edits.iter().filter(|edit| !is_already(credit, edit)) {
            changing.retain(|earlier| earlier.field() != edit.field());
            changing.push(edit.clone());
        }
        let step = CreditStep::Edit { edits: changing.clone(), agent };
        if changing.is_empty() {
            return Err(Refusal::NothingToChange);
        }
        step.check_fields()?;
        Ok(on(credit, step))
    }

    pub(super) fn check_shop(&self, shop: ShopId) -> Result<(), Refusal> {
        if self.shops().contains_key(&shop) { Ok(()) } else { Err(Refusal::UnknownShop { shop }) }
    }

    /// The SIM is known, of that shop, and active.
    pub(super) fn check_sim_of_shop(&self, sim: &SimNumber, shop: ShopId) -> Result<(), Refusal> {
        self.check_shop(shop)?;
        let known = self.sims().get(sim).ok_or_else(|| Refusal::UnknownSim { sim: sim.clone() })?;
        if known.shop != shop {
            return Err(Refusal::SimOfAnotherShop { sim: sim.clone(), owner: known.shop, shop });
        }
        if known.active { Ok(()) } else { Err(Refusal::SimInactive { sim: sim.clone() }) }
    }

    pub(super) fn check_spendable(
        &self,
        shop: ShopId,
        sim: &SimNumber,
        asked: Amount,
        holder: &Holder,
    ) -> Result<(), Refusal> {
        let currency: Currency = asked.currency();
        let share = match planted::is(Bug::SpendsOthersShares) {
            false => self.spendable(shop, sim, currency, holder),
            true => self.account(shop, sim, currency).available(),
        };
        if share.covers(asked) {
            return Ok(());
        }
        let available = self.account(shop, sim, currency).available();
        // Who holds the rest is known by name to the replica alone.
        Err(Refusal::InsufficientShare { asked, share, available, sim: sim.clone(), shop, holders: Vec::new() })
    }

    /// What gives back is done by the device that took, or by who took over from it.
    fn check_recorder(&self, found: &MovementRecord, holder: Holder) -> Result<(), Refusal> {
        if found.void {
            return Err(Refusal::WithoutEffect { movement: found.id });
        }
        if self.may_settle(found, &holder) {
            return Ok(());
        }
        Err(Refusal::MovementOfAnotherDevice { movement: found.id, device: found.origin.device.to_text() })
    }
}

/// What a decision comes to.
pub(super) type Planned = Result<Plan, Refusal>;

impl CreditStep {
    /// The operation that this step writes, a payment under that id.
    pub fn operation(&self, id: PaymentId) -> Operation {
        match self.clone() {
            CreditStep::Pay { amount, mode, reference, agent, at, reported } => {
                Operation::Pay(crate::model::PaymentMade { id, amount, mode, reference, agent, at, reported })
            }
            CreditStep::ReversePayment { payment, why, agent } => Operation::ReversePayment { payment, why, agent },
            CreditStep::Cancel { why, agent, at } => Operation::Cancel { why, agent, at },
            CreditStep::Return { at } => Operation::Return { at },
            CreditStep::GiveBack { payment, amount, why, agent, at } => {
                Operation::GiveBack { payment, amount, why, agent, at }
            }
            CreditStep::Reinstate { why, agent, at } => Operation::Reinstate { why, agent, at },
            CreditStep::Renumber { reference, agent } => Operation::Renumber { reference, agent },
            CreditStep::Edit { edits, agent } => Operation::Edit { edits, agent },
        }
    }

    pub(super) fn check_fields(&self) -> Result<(), Refusal> {
        Ok(self.operation(PaymentId([0; 10])).check_fields()?)
    }
}

pub(super) fn on(credit: &Credit, step: CreditStep) -> Plan {
    Plan::OnCredit { shop: credit.shop, credit: credit.id, step }
}

fn wrong_kind(found: &MovementRecord, expected: &str) -> Refusal {
    Refusal::MovementKind { movement: found.id, found: found.kind.word().to_owned(), expected: expected.to_owned() }
}

/// Whether a credit has that value already.
pub(super) fn is_already(credit: &Credit, edit: &Edit) -> bool {
    match edit {
        Edit::Name(name) => *name == credit.beneficiary.name,
        Edit::Phone(phone) => *phone == credit.beneficiary.phone,
        Edit::Address(address) => *address == credit.beneficiary.address,
        Edit::DueAt(due) => *due == credit.due_at,
        Edit::Notes(notes) => *notes == credit.notes,
    }
}
