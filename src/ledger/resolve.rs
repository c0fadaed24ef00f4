//! What a person may decide about a conflict, and what is written then.
//!
//! A decision is done by ordinary operations, so that two people who decide apart merge like any others: what both do is
//! done once, and where they differ, that is a conflict again.

use crate::ledger::decide::{Planned, on};
use crate::ledger::{Book, CreditStep, Plan, Refusal};
use crate::model::{
    ClashValue, Conflict, ConflictKind, Credit, Decision, Outcome, Payment, Reference, Resolution, SideValue, Timestamp,
};
use crate::money::{Amount, Balance};

impl Conflict {
    /// The words of the decisions that are open to a person.
    pub fn decisions(&self) -> Vec<&'static str> {
        let mut found = vec!["handled"];
        match (&self.kind, &self.outcome) {
            (
                ConflictKind::PaidCancelled | ConflictKind::ConcurrentStatus,
                Outcome::Cancelled { received, returned },
            ) => {
                found.extend((!received.is_zero()).then_some("give_back"));
                found.extend((!returned).then_some("reinstate"));
            }
            (ConflictKind::PaidCancelled | ConflictKind::ConcurrentStatus, Outcome::GoesOn) => found.push("cancel"),
            (ConflictKind::Overpaid, Outcome::Overpaid(more)) => {
                found.extend((!more.is_zero()).then_some("give_back"));
            }
            (ConflictKind::SameReference, Outcome::Suffixed) => found.push("renumber"),
            (ConflictKind::ConcurrentEdit, _) => found.push("take"),
            _ => {}
        }
        found
    }
}

impl Book {
    /// What is written when a person decides so about a conflict: what the decision does, then that it was made.
    ///
    /// # Errors
    /// The decision is not open for that conflict, or no longer, or what it does is refused.
    pub fn plan_resolution(
        &self,
        conflict: &Conflict,
        decision: Decision,
        why: &str,
        agent: Option<String>,
        now: Timestamp,
    ) -> Result<Vec<Plan>, Refusal> {
        let open = conflict.decisions();
        if !open.contains(&decision.word()) {
            let open = open.into_iter().map(str::to_owned).collect();
            return Err(Refusal::DecisionNotOpen { decision: decision.word().to_owned(), open });
        }
        let credit = conflict.credit.and_then(|id| self.credit(&id));
        let mut plans = match (&decision, credit) {
            (Decision::GiveBack, Some(credit)) => plan_giving_back(credit, why, &agent, now),
            (Decision::Reinstate, Some(credit)) => {
                vec![on(credit, CreditStep::Reinstate { why: why.to_owned(), agent: agent.clone(), at: now })]
            }
            (Decision::Cancel, Some(credit)) => {
                vec![self.plan_cancellation(&credit.id.to_string(), why, agent.clone(), now)?]
            }
            (Decision::Renumber(reference), Some(credit)) => {
                vec![self.plan_renumbering(credit, reference, agent.clone())?]
            }
            (Decision::Take(side), Some(credit)) => self.plan_taking(conflict, credit, *side, agent.clone())?,
            _ => Vec::new(),
        };
        let resolution = Resolution { conflict: conflict.id, decision, why: why.to_owned(), agent, at: now };
        plans.push(Plan::Shop { shop: conflict.shop, operation: crate::model::Operation::Resolve(resolution) });
        Ok(plans)
    }

    fn plan_renumbering(&self, credit: &Credit, reference: &Reference, agent: Option<String>) -> Planned {
        if let Some(known) = self.credits_with(reference).find(|known| known.id != credit.id) {
            return Err(Refusal::ReferenceTaken { reference: reference.clone(), credit: known.id });
        }
        Ok(on(credit, CreditStep::Renumber { reference: reference.clone(), agent }))
    }

    fn plan_taking(
        &self,
        conflict: &Conflict,
        credit: &Credit,
        side: u8,
        agent: Option<String>,
    ) -> Result<Vec<Plan>, Refusal> {
        let chosen = usize::from(side).checked_sub(1).and_then(|index| conflict.sides.get(index));
        let plan = match chosen.map(|side| &side.value) {
            Some(SideValue::Did(ClashValue::Edited(edit))) => {
                self.plan_edit(&credit.id.to_string(), std::slice::from_ref(edit), agent)
            }
            Some(SideValue::Did(ClashValue::Renumbered(reference))) => self.plan_renumbering(credit, reference, agent),
            _ => {
                let open = (1..=conflict.sides.len()).map(|side| format!("take={side}")).collect();
                return Err(Refusal::DecisionNotOpen { decision: format!("take={side}"), open });
            }
        };
        match plan {
            Ok(plan) => Ok(vec![plan]),
            // It is what stands already: to say so is enough.
            Err(Refusal::NothingToChange) => Ok(Vec::new()),
            Err(refusal) => Err(refusal),
        }
    }
}

/// Gives back what is too much, from the last payment on: of a cancelled credit all. It names the payments, so that two
/// people who decide it apart give the same money back once.
fn plan_giving_back(credit: &Credit, why: &str, agent: &Option<String>, now: Timestamp) -> Vec<Plan> {
    let currency = credit.amount.currency();
    let is_cancelled = credit.annulled_at().is_some();
    let mut left: Balance = if is_cancelled { credit.paid } else { credit.overpaid().balance() };
    let mut plans = Vec::new();
    for payment in credit.payments.iter().rev().filter(|payment| !payment.net().is_zero()) {
        let back = smaller(payment.net(), left.above_zero());
        if back.is_zero() {
            break;
        }
        left = left.less(back.balance()).unwrap_or(Balance::zero(currency));
        let amount = already_back(payment).balance().plus(back).map_or(back, Balance::above_zero);
        let step =
            CreditStep::GiveBack { payment: payment.id, amount, why: why.to_owned(), agent: agent.clone(), at: now };
        plans.push(on(credit, step));
    }
    plans
}

fn already_back(payment: &Payment) -> Amount {
    payment.given_back.unwrap_or(Amount::zero(payment.amount.currency()))
}

fn smaller(one: Amount, other: Amount) -> Amount {
    if one.balance().covers(other) { other } else { one }
}
