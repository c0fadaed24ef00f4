//! What one entry does: whether its change is its own, what its operation is about, and whether it is bound to the entry.

use serde::{Deserialize, Serialize};

use crate::document::{ParsedChange, parse};
use crate::ledger::Closings;
use crate::log::{Body, LogId, actor_of, credit_id, movement_id, payment_id};
use crate::model::{DocumentId, Month, MovementId, Operation, ShopId, Stamped};

/// The change of an entry, if it is one of ours, of this log's actor, and of the entry's time.
pub(super) fn read_change(log: &LogId, body: &Body) -> Result<ParsedChange, SetAside> {
    let change = parse(&body.change).map_err(|_| SetAside::Shape)?;
    if change.actor != actor_of(log, body.run) {
        return Err(SetAside::Actor);
    }
    if change.time != body.stamp.time() {
        return Err(SetAside::Time);
    }
    Ok(change)
}

/// Which movement an operation is about.
pub(super) fn movement_of(operation: &Operation) -> Option<MovementId> {
    match operation {
        Operation::Move(movement) => Some(movement.id),
        Operation::ValidateCapture { movement, .. }
        | Operation::Reimburse { movement, .. }
        | Operation::ReverseMovement { movement, .. }
        | Operation::TakeGift { movement, .. }
        | Operation::BearGift { movement, .. } => Some(*movement),
        _ => None,
    }
}

/// Whether an operation says that the existing app reported it: a shape that only gateways may write.
pub(super) fn is_reported(operation: &Operation) -> bool {
    match operation {
        Operation::Grant(grant) => grant.reported.is_some(),
        Operation::Pay(payment) => payment.reported.is_some(),
        _ => false,
    }
}

/// Whether what an entry makes bears the id that is bound to the entry: nobody can make another's credit, movement
/// or payment, or make one twice. Of a payment too: ids can be foreseen, and one who wrote under another's next id
/// first would swallow that payment, or stop that device's writing.
pub(super) fn is_bound(operation: &Operation, log: &LogId, number: u64, body: &Body) -> bool {
    match (operation, &body.document) {
        (Operation::Grant(_), DocumentId::Credit { id, .. }) => *id == credit_id(log, number, &body.change),
        (Operation::Pay(payment), document) => match (&payment.reported, document) {
            (Some(reported), DocumentId::Credit { id, .. }) => payment.id == reported.payment_id(id),
            _ => payment.id == payment_id(log, body.run, number),
        },
        (Operation::Move(movement), DocumentId::SimMonth { month, .. }) => {
            movement.id == movement_id(log, body.run, number) && *month == Month::of(movement.at)
        }
        (Operation::Sight { by, .. } | Operation::TakeOver { by, .. }, _) => {
            (by.device, by.incarnation) == (log.device, log.incarnation)
        }
        // Of what is yet to be written nothing can be known.
        (Operation::CorrectClock { by, correction }, _) => {
            (by.device, by.incarnation) == (log.device, log.incarnation) && correction.to < number
        }
        _ => true,
    }
}

/// Whether an operation has effect of its own: not beyond the closing of its log, unless it records a payment, which is
/// money received (`domain`, rule 7). What moves a share is judged by the share.
pub(super) fn counts(closings: &Closings, shop: ShopId, stamped: &Stamped) -> bool {
    let beyond =
        closings.end(shop, &stamped.origin.holder()).is_some_and(|closing| stamped.origin.number > closing.end);
    !beyond || matches!(stamped.operation, Operation::Pay(_))
}

/// Why an entry is kept without effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SetAside {
    /// Its body is not one.
    Body,
    /// It changes a document of another scope than its log's.
    Scope,
    /// Its device has no right to write that scope. Judged again when a certificate comes.
    Right,
    /// Its change is not one of ours.
    Shape,
    /// Its actor is not that of its log and run.
    Actor,
    /// Its change bears another time than the entry.
    Time,
    /// Its change does not belong where it says.
    Place,
    /// A field is out of bounds.
    Field,
    /// Its id is not the one bound to the entry.
    Id,
    /// The registry refuses it. Judged again when a certificate comes.
    Registry,
    /// It stands in a second sequel of the authority's log, of which only the first counts.
    Branch,
}
