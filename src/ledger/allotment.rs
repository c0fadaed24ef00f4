//! Decisions about shares: giving, giving back, moving a SIM.

use crate::ledger::decide::{Planned, on};
use crate::ledger::{Book, CreditStep, Plan, PlannedMovement, Refusal};
use crate::model::{CreditStatus, Gift, Holder, MovementKind, Operation, ShopId, SimNumber, Timestamp};
use crate::money::{Amount, Currency};

/// A movement of a share, which no agent records.
fn movement(shop: ShopId, sim: &SimNumber, kind: MovementKind, at: Timestamp) -> PlannedMovement {
    PlannedMovement { shop, sim: sim.clone(), kind, at, agent: None, old_id: None, reversed: None }
}

impl Book {
    /// A holder gives some of its share to another of the same shop. Of a SIM that moved away too: what came back
    /// late follows it.
    pub fn plan_gift(
        &self,
        shop: ShopId,
        sim: &SimNumber,
        amount: Amount,
        from: &Holder,
        to: Holder,
        at: Timestamp,
    ) -> Planned {
        let planned = movement(shop, sim, MovementKind::Gift(Gift { amount, to }), at);
        planned.check_fields()?;
        self.check_shop(shop)?;
        self.check_spendable(shop, sim, amount, from)?;
        Ok(Plan::Movement(planned))
    }

    /// A cancelled credit's amount comes back, by who granted it or succeeded its granter. Whether all know of the
    /// cancellation is asked elsewhere: a person may decide not to wait.
    pub fn plan_return(&self, key: &str, holder: Holder, at: Timestamp) -> Planned {
        let credit = self.find_credit(key)?;
        let reference = credit.reference.clone();
        if credit.returned_at.is_some() {
            return Err(Refusal::CreditReturned { reference });
        }
        if credit.status != CreditStatus::Cancelled || credit.void {
            return Err(Refusal::CreditNotCancelled { reference });
        }
        if !self.may_return(credit, &holder) {
            let device = credit.origin.device.to_text();
            return Err(Refusal::CreditOfAnotherDevice { reference, device });
        }
        Ok(on(credit, CreditStep::Return { at }))
    }

    /// A SIM goes to another shop, by a device that holds all of its balance: its account in the old shop ends, one in
    /// the new begins with that amount.
    pub fn plan_sim_move(
        &self,
        sim: &SimNumber,
        to: ShopId,
        holder: &Holder,
        at: Timestamp,
    ) -> Result<Vec<Plan>, Refusal> {
        let known = self.sims().get(sim).ok_or_else(|| Refusal::UnknownSim { sim: sim.clone() })?;
        self.check_shop(to)?;
        if known.shop == to {
            return Err(Refusal::NothingToChange);
        }
        let from = known.shop;
        let mut plans = Vec::new();
        let mut arrivals = Vec::new();
        for currency in Currency::ALL {
            let share = self.spendable(from, sim, currency, holder);
            let available = self.account(from, sim, currency).available();
            if share != available {
                return Err(Refusal::SimNotInHand { sim: sim.clone(), share, available });
            }
            self.plan_departure(sim, from, to, share.above_zero(), at, &mut plans, &mut arrivals);
        }
        plans
            .push(Plan::Registry { operation: Operation::MoveSim { sim: sim.clone(), from, to }, by_authority: false });
        plans.append(&mut arrivals);
        Ok(plans)
    }

    /// What came back late in a shop that a SIM has left follows it, once the mover has it.
    pub fn plan_follow(&self, sim: &SimNumber, from: ShopId, amount: Amount, at: Timestamp) -> Vec<Plan> {
        let (mut plans, mut arrivals) = (Vec::new(), Vec::new());
        if let Some(known) = self.sims().get(sim) {
            self.plan_departure(sim, from, known.shop, amount, at, &mut plans, &mut arrivals);
        }
        plans.append(&mut arrivals);
        plans
    }

    #[expect(clippy::too_many_arguments, reason = "both ends of one transfer")]
    fn plan_departure(
        &self,
        sim: &SimNumber,
        from: ShopId,
        to: ShopId,
        amount: Amount,
        at: Timestamp,
        departures: &mut Vec<Plan>,
        arrivals: &mut Vec<Plan>,
    ) {
        if !amount.is_zero() {
            departures.push(Plan::Movement(movement(from, sim, MovementKind::Moved(amount), at)));
            arrivals.push(Plan::Movement(movement(to, sim, MovementKind::Opening(amount), at)));
        }
    }

    /// Who moved a SIM out of a shop: to whom what comes back there late is to be given.
    pub fn mover_of(&self, shop: ShopId, sim: &SimNumber) -> Option<Holder> {
        let moves = self.moves.get(sim)?.iter().rev();
        moves.into_iter().find(|(_, (from, _))| *from == shop).map(|(origin, _)| origin.holder())
    }
}
