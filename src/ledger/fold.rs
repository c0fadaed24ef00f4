//! From what was done to what stands. Every fold is a function of the set of operations: their order of arrival
//! decides nothing.

use crate::ledger::clashes::clashes;
use crate::model::{
    ContactField, Credit, CreditId, CreditStatus, Edit, Grant, History, MovementAct, MovementId, MovementKind,
    MovementRecord, Operation, Origin, Payment, Place, Reference, Register, ShopId, SimNumber, Stamped, Timestamp,
};
use crate::money::{Amount, Balance};
use crate::planted::{self, Bug};

/// The credit that this history made; `None` before its grant.
/// A reversal for which `counts` says no is without effect; what is not visible in the history is so already.
pub fn fold_credit(
    id: CreditId,
    shop: ShopId,
    history: &History<'_>,
    counts: impl Fn(&Stamped) -> bool,
) -> Option<Credit> {
    let (grant, origin) = history.operations.iter().find_map(|stamped| match &stamped.operation {
        Operation::Grant(grant) => Some((grant, stamped.origin)),
        _ => None,
    })?;
    let payments = fold_payments(history, &counts);
    let paid = payments
        .iter()
        .try_fold(Balance::zero(grant.amount.currency()), |sum, payment| sum.plus(payment.net()))
        .unwrap_or_else(|error| unreachable!("payments bear their credit's currency: {error}"));
    let cancelled_at = standing(history, Register::Status).and_then(|stamped| match &stamped.operation {
        Operation::Cancel { at, .. } => Some(*at),
        _ => None,
    });
    let places = |wanted: fn(&Operation) -> Option<Timestamp>| {
        let found = history.operations.iter();
        found.filter_map(move |stamped| Some((stamped.origin.place(), wanted(&stamped.operation)?)))
    };
    let cancellations = places(|operation| match operation {
        Operation::Cancel { at, .. } => Some(*at),
        _ => None,
    });
    let returns = places(|operation| match operation {
        Operation::Return { at } => Some(*at),
        _ => None,
    });
    let mut cancellations: Vec<Place> = cancellations.map(|(place, _)| place).collect();
    let mut returns: Vec<(Place, Timestamp)> = returns.collect();
    cancellations.sort_unstable();
    returns.sort_unstable();
    let completed_at = completed_at(grant.amount, &payments);
    let mut beneficiary = grant.beneficiary.clone();
    let (mut due_at, mut notes) = (grant.due_at, grant.notes.clone());
    for edit in standing_edits(history) {
        match edit {
            Edit::Name(name) => beneficiary.name.clone_from(name),
            Edit::Phone(phone) => beneficiary.phone.clone_from(phone),
            Edit::Address(address) => beneficiary.address.clone_from(address),
            Edit::DueAt(due) => due_at = *due,
            Edit::Notes(text) => notes.clone_from(text),
        }
    }
    let newest = history.operations.iter().map(|stamped| stamped.origin).max().unwrap_or(origin);
    let Grant { amount, sim, agent, granted_at, old_id, old_modified_at, reported, .. } = grant.clone();
    let (reference, former_references) = references(history, grant);
    let credit = Credit {
        id,
        shop,
        reference,
        former_references,
        amount,
        sim,
        beneficiary,
        agent,
        granted_at,
        due_at,
        notes,
        old_id,
        old_modified_at,
        reported,
        payments,
        paid,
        status: CreditStatus::Granted,
        completed_at,
        cancelled_at,
        cancellations,
        returns,
        returned_at: None,
        void: false,
        clashes: clashes(history, &counts),
        origin,
        updated_at: newest.wall,
    };
    // Whether it was returned, or is void, its granter's share says: see `Book::put_credit`.
    Some(credit.settled(None, false))
}

/// Of the values that stand side by side in a register, the one with the newest timestamp (`domain`, rule 3;
/// Automerge itself ignores time, finding 8).
fn standing<'a>(history: &History<'a>, register: Register) -> Option<&'a Stamped> {
    let visible = history.visible.get(&register)?;
    let mut standing = visible.iter().filter_map(|index| history.operations.get(*index));
    if planted::is(Bug::LastToArriveWins) {
        return standing.next_back();
    }
    standing.max_by_key(|stamped| stamped.origin)
}

/// The reference that stands, and all others that it bore.
fn references(history: &History<'_>, grant: &Grant) -> (Reference, Vec<Reference>) {
    let given = |stamped: &Stamped| match &stamped.operation {
        Operation::Renumber { reference, .. } => Some(reference.clone()),
        _ => None,
    };
    let stands = standing(history, Register::Reference).and_then(given).unwrap_or_else(|| grant.reference.clone());
    let borne = history.operations.iter().filter_map(given).chain([grant.reference.clone()]);
    let former: std::collections::BTreeSet<Reference> = borne.filter(|one| *one != stands).collect();
    (stands, former.into_iter().collect())
}

fn standing_edits<'a>(history: &History<'a>) -> impl Iterator<Item = &'a Edit> {
    const FIELDS: [ContactField; 5] =
        [ContactField::Name, ContactField::Phone, ContactField::Address, ContactField::DueAt, ContactField::Notes];
    FIELDS.into_iter().filter_map(|field| match &standing(history, Register::Contact(field))?.operation {
        Operation::Edit { edits, .. } => edits.iter().find(|edit| edit.field() == field),
        _ => None,
    })
}

fn fold_payments(history: &History<'_>, counts: &impl Fn(&Stamped) -> bool) -> Vec<Payment> {
    let mut payments: Vec<Payment> = Vec::new();
    for Stamped { operation, origin } in history.operations {
        let Operation::Pay(made) = operation else { continue };
        let payment = Payment {
            id: made.id,
            amount: made.amount,
            mode: made.mode,
            reference: made.reference.clone(),
            agent: made.agent.clone(),
            at: made.at,
            origin: *origin,
            reversed: false,
            given_back: None,
            reported: made.reported.clone(),
        };
        // Recorded twice under one identity, it is one payment; the earlier record stands.
        match payments.iter_mut().find(|known| known.id == payment.id) {
            Some(known) if known.origin > payment.origin => *known = payment,
            Some(_) => {}
            None => payments.push(payment),
        }
    }
    if planted::is(Bug::PaymentDropped) {
        let first = payments.first().map(|payment| payment.origin.device);
        payments.retain(|payment| Some(payment.origin.device) == first);
    }
    for stamped in history.operations.iter().filter(|stamped| counts(stamped)) {
        if let Operation::ReversePayment { payment, .. } = &stamped.operation {
            payments.iter_mut().filter(|known| known.id == *payment).for_each(|known| known.reversed = true);
        }
    }
    for payment in &mut payments {
        if let Some(Operation::GiveBack { amount, .. }) =
            standing(history, Register::GivenBack(payment.id)).map(|stamped| &stamped.operation)
        {
            let is_part = payment.amount.balance().covers(*amount);
            payment.given_back = Some(if is_part { *amount } else { payment.amount });
        }
    }
    payments.sort_by_key(|payment| (payment.at, payment.origin));
    payments
}

fn completed_at(amount: Amount, payments: &[Payment]) -> Option<Timestamp> {
    let mut sum = Balance::zero(amount.currency());
    payments.iter().find_map(|payment| {
        sum = sum.plus(payment.net()).ok()?;
        sum.covers(amount).then_some(payment.at)
    })
}

/// The movement of that id that this history of a SIM's month made; `None` before it was recorded.
/// An operation for which `counts` says no is without effect of its own.
pub fn fold_movement(
    id: MovementId,
    shop: ShopId,
    sim: &SimNumber,
    operations: &[Stamped],
    counts: impl Fn(&Stamped) -> bool,
) -> Option<MovementRecord> {
    let earliest =
        |left: &(&crate::model::Movement, Origin), right: &(&crate::model::Movement, Origin)| left.1.cmp(&right.1);
    let (movement, origin) = operations
        .iter()
        .filter_map(|stamped| match &stamped.operation {
            Operation::Move(movement) if movement.id == id => Some((movement, stamped.origin)),
            _ => None,
        })
        .min_by(earliest)?;
    let mut record = MovementRecord {
        id,
        shop,
        sim: sim.clone(),
        kind: movement.kind.clone(),
        at: movement.at,
        agent: movement.agent.clone(),
        old_id: movement.old_id,
        origin,
        validated: matches!(&movement.kind, MovementKind::Capture(capture)
            if capture.state == crate::model::CaptureState::Validated),
        reimbursed: matches!(&movement.kind, MovementKind::Withdrawal(withdrawal) if withdrawal.reimbursed),
        reversed: false,
        taken_by: None,
        void: false,
        acts: Vec::new(),
    };
    for stamped in operations {
        let act = match &stamped.operation {
            Operation::ValidateCapture { movement, .. } if *movement == id => MovementAct::Validate,
            Operation::ReverseMovement { movement, .. } if *movement == id => MovementAct::Reverse,
            Operation::TakeGift { movement, .. } if *movement == id => MovementAct::Take,
            Operation::BearGift { movement, .. } if *movement == id => MovementAct::Bear,
            Operation::Reimburse { movement, .. } if *movement == id => {
                record.reimbursed |= counts(stamped);
                continue;
            }
            _ => continue,
        };
        // Whether it has effect, the share of who did it says: see `Book::put_movement`.
        record.acts.push((act, stamped.origin.place()));
    }
    record.acts.sort_unstable();
    Some(record)
}
