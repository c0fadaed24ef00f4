//! Rows of the old server: what each becomes here, or why it is not taken.
//!
//! A row goes in whole or not at all. A row that is here already is recognised, by its old id or by its reference,
//! so that an import can be run again.

use serde::{Deserialize, Serialize};

use crate::ledger::{Book, CreditStep, Plan, PlannedMovement, Refusal};
use crate::model::{
    Credit, CreditStatus, Grant, Holder, MovementKind, Operation, Operator, PaymentMode, ShopId, SimNumber, Timestamp,
};
use crate::money::Amount;

/// A row of the old server, read and checked for form; whether it fits what is known is decided by the replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "most rows of an import are credits")]
pub enum ImportRow {
    /// `shops.json`.
    Shop {
        /// `id`.
        shop: ShopId,
        /// `designation`.
        name: String,
        /// `localisation`.
        town: Option<String>,
    },
    /// `sims.json`.
    Sim {
        /// `numero`.
        sim: SimNumber,
        /// `operateur`.
        operator: Operator,
        /// `shop_id`.
        shop: ShopId,
        /// `solde_initial_usd`, `solde_initial_cdf`, those above zero.
        opening: Vec<Amount>,
        /// `date_creation`.
        at: Timestamp,
    },
    /// `captures.json`, `retraits.json`, `depots.json`.
    Movement {
        /// `id`, in the table of its kind.
        old_id: u64,
        /// `shop_id` or `shop_source_id`.
        shop: ShopId,
        /// `sim_numero`.
        sim: SimNumber,
        /// What happened, with `statut`.
        kind: MovementKind,
        /// Whether a withdrawal's `statut` is `annule`.
        reversed: bool,
        /// `date_enregistrement`, `date_retrait`, `date_depot`.
        at: Timestamp,
        /// `agent_username`.
        agent: Option<String>,
    },
    /// `credits.json`.
    Credit(ImportedCredit),
}

/// A credit row of the old server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedCredit {
    /// `shop_id`.
    pub shop: ShopId,
    /// The credit as it was granted.
    pub grant: Grant,
    /// `montant_paye`, if above zero.
    pub paid: Option<ImportedPayment>,
    /// Whether `statut` is `annule`, and when and why.
    pub cancelled: Option<(Timestamp, String)>,
    /// `statut`, which must not contradict the amounts.
    pub status: CreditStatus,
}

/// What a credit row says of its payments: only their total is known (fault F11 of the replaced system).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedPayment {
    /// `montant_paye`.
    pub amount: Amount,
    /// `mode_paiement`; missing means cash.
    pub mode: PaymentMode,
    /// `reference_paiement`.
    pub reference: Option<String>,
    /// `date_paiement`, else `last_modified_at`.
    pub at: Timestamp,
}

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowPlan {
    /// It is here already.
    Unchanged,
    /// These are to be done, all of them.
    Do(Vec<Plan>),
}

impl Book {
    /// What an imported row becomes.
    pub fn plan_row(&self, row: &ImportRow, holder: &Holder) -> Result<RowPlan, Refusal> {
        match row {
            ImportRow::Shop { shop, name, town } => self.plan_shop_row(*shop, name, town.as_deref()),
            ImportRow::Sim { sim, operator, shop, opening, at } => {
                if let Some(known) = self.sims().get(sim) {
                    if known.shop != *shop {
                        return Err(Refusal::SimExists { sim: sim.clone(), shop: known.shop });
                    }
                    return Ok(RowPlan::Unchanged);
                }
                self.plan_sim(sim, *operator, *shop, opening, *at).map(RowPlan::Do)
            }
            ImportRow::Movement { old_id, shop, sim, kind, reversed, at, agent } => {
                if self.movement_of_old_id(kind, sim, *old_id).is_some() {
                    return Ok(RowPlan::Unchanged);
                }
                self.check_sim_of_shop(sim, *shop)?;
                if let MovementKind::Withdrawal(withdrawal) = kind {
                    withdrawal.owed_by.map_or(Ok(()), |shop| self.check_shop(shop))?;
                }
                if !reversed && !matches!(kind, MovementKind::Capture(_)) {
                    self.check_spendable(*shop, sim, kind.amount(), holder)?;
                }
                let planned = PlannedMovement {
                    shop: *shop,
                    sim: sim.clone(),
                    kind: kind.clone(),
                    at: *at,
                    agent: agent.clone(),
                    old_id: Some(*old_id),
                    reversed: reversed.then(|| "annule".to_owned()),
                };
                planned.check_fields()?;
                Ok(RowPlan::Do(vec![Plan::Movement(planned)]))
            }
            ImportRow::Credit(row) => self.plan_credit_row(row, holder),
        }
    }

    fn plan_shop_row(&self, shop: ShopId, name: &str, town: Option<&str>) -> Result<RowPlan, Refusal> {
        match self.shops().get(&shop) {
            // The founder's own shop may be known under the name it was given at the founding: the row tells
            // where it is, its name stays.
            Some(known) => match town {
                Some(town) if known.town.is_none() => {
                    let operation = Operation::DescribeShop { town: town.to_owned() };
                    operation.check_fields()?;
                    Ok(RowPlan::Do(vec![Plan::Shop { shop, operation }]))
                }
                _ => Ok(RowPlan::Unchanged),
            },
            None => self.plan_shop(Some(shop), name, town).map(|(_, plans)| RowPlan::Do(plans)),
        }
    }

    fn plan_credit_row(&self, row: &ImportedCredit, holder: &Holder) -> Result<RowPlan, Refusal> {
        let grant = &row.grant;
        if let Some(known) = grant.old_id.and_then(|old_id| self.credit_of_old_id(old_id)) {
            return if is_same(known, row) {
                says_no_more(known, row)
            } else {
                Err(Refusal::OldIdTaken { old_id: grant.old_id.unwrap_or_default(), credit: known.id })
            };
        }
        if let Some(known) = self.credits_with(&grant.reference).next() {
            // A row without an old id is recognised by all that identifies a credit on the existing wire.
            return if grant.old_id.is_none() && is_same(known, row) {
                says_no_more(known, row)
            } else {
                Err(Refusal::ReferenceTaken { reference: grant.reference.clone(), credit: known.id })
            };
        }
        self.check_shop(row.shop)?;
        self.check_sim_of_shop(&grant.sim, row.shop)?;
        Operation::Grant(grant.clone()).check_fields()?;
        if let Some(payment) = row.paid.as_ref().filter(|payment| !grant.amount.balance().covers(payment.amount)) {
            let remaining = grant.amount;
            return Err(Refusal::PaymentExceedsRemaining { asked: payment.amount, remaining });
        }
        if row.cancelled.is_none() {
            self.check_spendable(row.shop, &grant.sim, grant.amount, holder)?;
        }
        let mut then = Vec::new();
        if let Some(paid) = &row.paid {
            let ImportedPayment { amount, mode, reference, at } = paid.clone();
            then.push(CreditStep::Pay { amount, mode, reference, agent: grant.agent.clone(), at, reported: None });
        }
        if let Some((at, why)) = &row.cancelled {
            then.push(CreditStep::Cancel { why: why.clone(), agent: grant.agent.clone(), at: *at });
            // Nobody can have known it otherwise than cancelled: its amount comes back at once.
            then.push(CreditStep::Return { at: *at });
        }
        Ok(RowPlan::Do(vec![Plan::Grant { shop: row.shop, grant: grant.clone(), then }]))
    }
}

/// A row of a credit that is here already changes nothing; but one that says more than is recorded is not passed over
/// in silence.
fn says_no_more(known: &Credit, row: &ImportedCredit) -> Result<RowPlan, Refusal> {
    let row_paid = row.paid.as_ref().map_or(Amount::zero(known.amount.currency()), |payment| payment.amount);
    let row_cancelled = row.cancelled.is_some() && known.status != CreditStatus::Cancelled;
    if known.paid.covers(row_paid) && !row_cancelled {
        return Ok(RowPlan::Unchanged);
    }
    Err(Refusal::RowSaysMore { reference: known.reference.clone(), paid: known.paid, row_paid, row_cancelled })
}

fn is_same(known: &Credit, row: &ImportedCredit) -> bool {
    known.reference == row.grant.reference
        && known.amount == row.grant.amount
        && known.sim == row.grant.sim
        && known.shop == row.shop
}
