//! What a device must go on showing because it acknowledged it, and the glimpse that tells.

use crate::model::{Credit, CreditId, MovementId, MovementRecord, PaymentId};

/// Something that a device acknowledged and must not forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A credit is there.
    Credit(CreditId),
    /// A payment of it is there.
    Payment(CreditId, PaymentId),
    /// A payment of it is reversed.
    Reversal(CreditId, PaymentId),
    /// A movement is there.
    Movement(MovementId),
    /// A capture counts, or was reversed since.
    Validated(MovementId),
    /// A movement is reversed.
    Reversed(MovementId),
    /// A withdrawal is reimbursed.
    Reimbursed(MovementId),
}

impl Proof {
    /// The credit to look at.
    pub fn credit(&self) -> Option<CreditId> {
        match self {
            Proof::Credit(id) | Proof::Payment(id, _) | Proof::Reversal(id, _) => Some(*id),
            _ => None,
        }
    }

    /// The movement to look at.
    pub fn movement(&self) -> Option<MovementId> {
        match self {
            Proof::Movement(id) | Proof::Validated(id) | Proof::Reversed(id) | Proof::Reimbursed(id) => Some(*id),
            _ => None,
        }
    }

    /// Whether the glimpse shows it.
    pub fn is_in(&self, glimpse: &Glimpse<'_>) -> bool {
        let payment = |id: &PaymentId| glimpse.credit?.payments.iter().find(|known| known.id == *id);
        match self {
            Proof::Credit(_) => glimpse.credit.is_some(),
            Proof::Payment(_, id) => payment(id).is_some(),
            Proof::Reversal(_, id) => payment(id).is_some_and(|payment| payment.reversed),
            Proof::Movement(_) => glimpse.movement.is_some(),
            Proof::Validated(_) => glimpse.movement.is_some_and(|record| record.validated),
            Proof::Reversed(_) => glimpse.movement.is_some_and(|record| record.reversed),
            Proof::Reimbursed(_) => glimpse.movement.is_some_and(|record| record.reimbursed),
        }
    }
}

/// What a device holds of the one thing that a proof is about.
#[derive(Clone, Copy, Debug)]
pub struct Glimpse<'a> {
    pub credit: Option<&'a Credit>,
    pub movement: Option<&'a MovementRecord>,
}
