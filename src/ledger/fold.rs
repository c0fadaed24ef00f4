//! From what was done to what stands. Every fold is a function of the set of operations: their order of arrival
//! decides nothing.

use crate::model::{
    ContactField, Credit, CreditId, CreditStatus, Edit, Grant, History, MovementId, MovementKind, MovementRecord,
    Operation, Origin, Payment, Register, ShopId, SimNumber, Stamped, Timestamp,
};
use crate::money::{Amount, Balance};

/// The credit that this history made; `None` before its grant.
pub fn fold_credit(id: CreditId, shop: ShopId, history: &History<'_>) -> Option<Credit> {
    let (grant, origin) = history.operations.iter().find_map(|stamped| match &stamped.operation {
        Operation::Grant(grant) => Some((grant, stamped.origin)),
        _ => None,
    })?;
    let payments = fold_payments(history);
    let paid = payments
        .iter()
        .filter(|payment| !payment.reversed)
        .try_fold(Balance::zero(grant.amount.currency()), |sum, payment| sum.plus(payment.amount))
        .unwrap_or_else(|error| unreachable!("payments bear their credit's currency: {error}"));
    let cancelled_at = standing(history, Register::Status).and_then(|stamped| match &stamped.operation {
        Operation::Cancel { at, .. } => Some(*at),
        _ => None,
    });
    let status = match cancelled_at {
        Some(_) => CreditStatus::Cancelled,
        None if paid.covers(grant.amount) => CreditStatus::Paid,
        None if paid.value().is_zero() => CreditStatus::Granted,
        None => CreditStatus::PartlyPaid,
    };
    let paid_at = completed_at(grant.amount, &payments);
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
    let Grant { reference, amount, sim, agent, granted_at, old_id, .. } = grant.clone();
    Some(Credit {
        id,
        shop,
        reference,
        amount,
        sim,
        beneficiary,
        agent,
        granted_at,
        due_at,
        notes,
        old_id,
        payments,
        paid,
        status,
        paid_at: (status == CreditStatus::Paid).then_some(paid_at).flatten(),
        cancelled_at,
        origin,
        updated_at: newest.wall,
    })
}

/// Of the values that stand side by side in a register, the one with the newest timestamp (`domain`, rule 3;
/// Automerge itself ignores time, finding 8).
fn standing<'a>(history: &History<'a>, register: Register) -> Option<&'a Stamped> {
    let visible = history.visible.get(&register)?;
    visible.iter().filter_map(|index| history.operations.get(*index)).max_by_key(|stamped| stamped.origin)
}

fn standing_edits<'a>(history: &History<'a>) -> impl Iterator<Item = &'a Edit> {
    const FIELDS: [ContactField; 5] =
        [ContactField::Name, ContactField::Phone, ContactField::Address, ContactField::DueAt, ContactField::Notes];
    FIELDS.into_iter().filter_map(|field| match &standing(history, Register::Contact(field))?.operation {
        Operation::Edit { edits, .. } => edits.iter().find(|edit| edit.field() == field),
        _ => None,
    })
}

fn fold_payments(history: &History<'_>) -> Vec<Payment> {
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
        };
        // Recorded twice under one identity, it is one payment; the earlier record stands.
        match payments.iter_mut().find(|known| known.id == payment.id) {
            Some(known) if known.origin > payment.origin => *known = payment,
            Some(_) => {}
            None => payments.push(payment),
        }
    }
    for stamped in history.operations {
        if let Operation::ReversePayment { payment, .. } = &stamped.operation {
            payments.iter_mut().filter(|known| known.id == *payment).for_each(|known| known.reversed = true);
        }
    }
    payments.sort_by_key(|payment| (payment.at, payment.origin));
    payments
}

fn completed_at(amount: Amount, payments: &[Payment]) -> Option<Timestamp> {
    let mut sum = Balance::zero(amount.currency());
    payments.iter().filter(|payment| !payment.reversed).find_map(|payment| {
        sum = sum.plus(payment.amount).ok()?;
        sum.covers(amount).then_some(payment.at)
    })
}

/// The movement of that id that this history of a SIM's month made; `None` before it was recorded.
pub fn fold_movement(id: MovementId, shop: ShopId, sim: &SimNumber, operations: &[Stamped]) -> Option<MovementRecord> {
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
    };
    for Stamped { operation, origin: by } in operations {
        // What gives back is done by the device that took (`domain`, rule 2): another's has no effect.
        let by_recorder = by.device == origin.device && by.incarnation == origin.incarnation;
        match operation {
            Operation::ValidateCapture { movement, .. } if *movement == id => record.validated |= by_recorder,
            Operation::ReverseMovement { movement, .. } if *movement == id => record.reversed |= by_recorder,
            Operation::Reimburse { movement, .. } if *movement == id => record.reimbursed = true,
            _ => {}
        }
    }
    Some(record)
}
