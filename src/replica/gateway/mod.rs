//! A node as gateway: the existing app on one side, operations on the other (`existing-wire`).
//!
//! ```text
//! app ──rows──▶ report ──judge against what it had──▶ operations of the credit
//! app ◀─rows─── sending ◀── what it has not, or may have lost
//!                  └─────── memory: which versions each app has had, durable before it is answered
//! ```
//!
//! One token is one installed app. A gateway records what its apps report and refuses nothing that has happened. It
//! must never guess in silence: where two readings of a row are possible, the credit bears a conflict.

mod memory;
mod report;
mod sending;

pub use report::ReportOutcome;
pub use sending::{RowFilter, RowView};

pub(super) use memory::Apps;

use crate::ledger::Refusal;
use crate::model::{Operation, ShopId};
use crate::replica::commands::Made;
use crate::replica::{Answer, CommandError, Replica};
use crate::store::Store;

impl<S: Store> Replica<S> {
    /// Names the device that writes for a shop's existing apps.
    pub(super) fn name_gateway(
        &mut self,
        now: crate::model::Timestamp,
        shop: ShopId,
        device: &str,
    ) -> Result<Answer, CommandError> {
        self.acting_shop(Some(shop))?;
        let device = self.find_device(device)?;
        let registry = &self.fold.registry;
        let reads = registry
            .standing(&device)
            .is_some_and(|(own, _, read)| own == shop || read == crate::membership::ReadScope::All);
        if !reads || registry.is_revoked(&device) {
            return Err(Refusal::NotAllowed { needs: format!("a device that reads shop {shop}") }.into());
        }
        if registry.gateway(shop) == Some(device) {
            return Err(Refusal::NothingToChange.into());
        }
        let by_authority = self.identity.authority_key.is_some();
        let plan = crate::ledger::Plan::Registry { operation: Operation::NameGateway { shop, device }, by_authority };
        let Made { .. } = self.carry_out(now, &plan)?;
        Ok(Answer::Shop(self.shop_view(shop)?))
    }

    /// Refuses to write for a shop's apps unless this device is its gateway; the head office is while none is named.
    fn need_gateway(&self, shop: ShopId) -> Result<(), Refusal> {
        self.acting_shop(Some(shop))?;
        let registry = &self.fold.registry;
        let named = registry.gateway(shop);
        let is_ours = named == Some(self.device()) || named.is_none() && self.identity.authority_key.is_some();
        if is_ours && registry.may_report(&self.device(), shop) {
            return Ok(());
        }
        Err(Refusal::NotGateway { shop, gateway: named.map(|device| registry.name_of(&device)) })
    }
}
