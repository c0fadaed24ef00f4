//! Rows of `captures`, `retraits` and `depots`.

use super::RowRefusal;
use super::fields::{Row, missing};
use crate::model::{
    Capture, CaptureState, Deposit, Movement, MovementId, MovementKind, Operation, ShopId, SimNumber, Timestamp,
    Withdrawal,
};
use crate::money::Currency;
use crate::replica::ImportRow;

/// Where a withdrawal of the old server stands.
#[derive(Clone, Copy)]
enum WithdrawalState {
    Pending,
    Reimbursed,
    Cancelled,
}

/// Reads a capture. Its `statut` decides whether it counts, and so must be there.
pub(super) fn read_capture(row: &Row<'_>) -> Result<ImportRow, RowRefusal> {
    let place = Place::read(row, "shop_id")?;
    let currency = row.currency()?;
    let states: Vec<_> = CaptureState::ALL.iter().map(|state| (state.word(), *state)).collect();
    row.time("date_validation")?;
    let capture = Capture {
        amount: row.positive_amount("montant_virtuel", currency)?,
        cash: row.amount("montant_cash", currency)?,
        fee: row.amount("frais", currency)?,
        reference: row.text("reference")?,
        client: row.text("client_nom")?,
        phone: row.text("client_telephone")?,
        state: row.word("statut", &states)?.ok_or_else(|| missing("statut"))?,
    };
    let at = row.past_time("date_enregistrement")?;
    place.movement(MovementKind::Capture(capture), false, at, row.agent("agent_id")?)
}

/// Reads a withdrawal. A cancelled one was recorded and then reversed.
pub(super) fn read_withdrawal(row: &Row<'_>) -> Result<ImportRow, RowRefusal> {
    let place = Place::read(row, "shop_source_id")?;
    let states = [
        ("enAttente", WithdrawalState::Pending),
        ("rembourse", WithdrawalState::Reimbursed),
        ("annule", WithdrawalState::Cancelled),
    ];
    let state = row.word("statut", &states)?.ok_or_else(|| missing("statut"))?;
    let withdrawal = Withdrawal {
        amount: row.positive_amount("montant", row.currency()?)?,
        owed_by: row.shop("shop_debiteur_id")?,
        reimbursed: matches!(state, WithdrawalState::Reimbursed),
    };
    let at = row.past_time("date_retrait")?;
    let reversed = matches!(state, WithdrawalState::Cancelled);
    place.movement(MovementKind::Withdrawal(withdrawal), reversed, at, row.agent("agent_id")?)
}

/// Reads a deposit: always USD. One that says otherwise is refused, for it would count in the wrong currency.
pub(super) fn read_deposit(row: &Row<'_>) -> Result<ImportRow, RowRefusal> {
    let place = Place::read(row, "shop_id")?;
    if row.currency()? != Currency::Usd {
        return Err(RowRefusal::new("devise", "un dépôt de l'ancien serveur est toujours en USD"));
    }
    let deposit =
        Deposit { amount: row.positive_amount("montant", Currency::Usd)?, phone: row.text("telephone_client")? };
    let at = row.past_time("date_depot")?;
    place.movement(MovementKind::Deposit(deposit), false, at, row.agent("user_id")?)
}

/// What the three tables have in common.
struct Place {
    old_id: u64,
    shop: ShopId,
    sim: SimNumber,
}

impl Place {
    fn read(row: &Row<'_>, shop_field: &str) -> Result<Place, RowRefusal> {
        Ok(Place { old_id: row.required_id("id")?, sim: row.sim("sim_numero")?, shop: row.required_shop(shop_field)? })
    }

    /// The row, its texts held to the bounds of any other movement's.
    fn movement(
        self,
        kind: MovementKind,
        reversed: bool,
        at: Timestamp,
        agent: Option<String>,
    ) -> Result<ImportRow, RowRefusal> {
        let phone = match &kind {
            MovementKind::Deposit(_) => "telephone_client",
            _ => "client_telephone",
        };
        let wire_names = [("agent", "agent_username"), ("client", "client_nom"), ("phone", phone)];
        // The identity is the replica's to give; the bounds do not depend on it.
        let id = MovementId([0; 10]);
        let movement = Movement { id, kind: kind.clone(), at, agent: agent.clone(), old_id: Some(self.old_id) };
        Operation::Move(movement).check_fields().map_err(|error| RowRefusal::of_field(&error, &wire_names))?;
        let Place { old_id, shop, sim } = self;
        Ok(ImportRow::Movement { old_id, shop, sim, kind, reversed, at, agent })
    }
}
