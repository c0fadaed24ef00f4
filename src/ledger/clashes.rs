//! What was done to one credit apart, and disagreed: found in its history, in which it stays.
//!
//! Operations compete if neither writer had seen the other's and they say different things of one place. Those that are
//! joined by competing form one clash. Grants, payments and reversals do not compete with each other: their sums add.

use crate::model::{Clash, ClashOver, ClashSide, ClashValue, ContactField, Edit, History, Operation, Origin, Stamped};

/// The clashes in a history, in the order of what they are over and of their first sides. Operations for which `counts`
/// says no take no part.
pub(super) fn clashes(history: &History<'_>, counts: &impl Fn(&Stamped) -> bool) -> Vec<Clash> {
    if history.seen.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for over in places(history) {
        let writers: Vec<(usize, ClashSide)> = history
            .operations
            .iter()
            .enumerate()
            .filter(|(_, stamped)| counts(stamped))
            .filter_map(|(index, stamped)| Some((index, side(stamped, over)?)))
            .collect();
        found.extend(joined(history, &writers).into_iter().map(|sides| Clash { over, sides }));
    }
    found.sort_by_key(|clash| (clash.over, first(clash)));
    found
}

fn first(clash: &Clash) -> Option<Origin> {
    clash.sides.first().map(|side| side.origin)
}

/// What anything in a history is over, beside the status that everything is over.
fn places(history: &History<'_>) -> Vec<ClashOver> {
    let mut fields: Vec<ContactField> = Vec::new();
    for stamped in history.operations {
        if let Operation::Edit { edits, .. } = &stamped.operation {
            fields.extend(edits.iter().map(Edit::field));
        }
    }
    fields.sort_unstable();
    fields.dedup();
    let fields = fields.into_iter().map(ClashOver::Contact);
    [ClashOver::Status, ClashOver::Reference].into_iter().chain(fields).collect()
}

fn side(stamped: &Stamped, over: ClashOver) -> Option<ClashSide> {
    let (value, agent) = match (over, &stamped.operation) {
        (ClashOver::Status, Operation::Pay(payment)) => (ClashValue::Paid(payment.amount), &payment.agent),
        (ClashOver::Status, Operation::ReversePayment { agent, .. }) => (ClashValue::PaymentReversed, agent),
        (ClashOver::Status, Operation::Cancel { agent, .. }) => (ClashValue::Cancelled, agent),
        (ClashOver::Status, Operation::Reinstate { agent, .. }) => (ClashValue::Reinstated, agent),
        // Giving the amount back is a cancellation that nothing overrides, and says so itself.
        (ClashOver::Status, Operation::Return { .. }) => (ClashValue::Returned, &None),
        (ClashOver::Reference, Operation::Renumber { reference, agent }) => {
            (ClashValue::Renumbered(reference.clone()), agent)
        }
        (ClashOver::Contact(field), Operation::Edit { edits, agent }) => {
            let edit = edits.iter().find(|edit| edit.field() == field)?;
            (ClashValue::Edited(edit.clone()), agent)
        }
        _ => return None,
    };
    Some(ClashSide { origin: stamped.origin, agent: agent.clone(), value })
}

fn competes(left: &ClashValue, right: &ClashValue) -> bool {
    match (left, right) {
        (ClashValue::Edited(left), ClashValue::Edited(right)) => left != right,
        (ClashValue::Renumbered(left), ClashValue::Renumbered(right)) => left != right,
        _ => left.is_cancellation() != right.is_cancellation(),
    }
}

/// Groups of writers joined by competing, each in the order of their stamps.
fn joined(history: &History<'_>, writers: &[(usize, ClashSide)]) -> Vec<Vec<ClashSide>> {
    let mut group: Vec<usize> = (0..writers.len()).collect();
    for (here, (one, left)) in writers.iter().enumerate() {
        for (there, (other, right)) in writers.iter().enumerate().take(here) {
            let (from, to) = (group[here], group[there]);
            if from != to && competes(&left.value, &right.value) && history.is_apart(*one, *other) {
                group.iter_mut().filter(|of| **of == from).for_each(|of| *of = to);
            }
        }
    }
    let mut found = Vec::new();
    for leader in 0..writers.len() {
        let members = writers.iter().zip(&group).filter(|(_, of)| **of == leader);
        let mut sides: Vec<ClashSide> = members.map(|((_, side), _)| side.clone()).collect();
        if sides.len() > 1 {
            sides.sort_by_key(|side| side.origin);
            found.push(sides);
        }
    }
    found
}
