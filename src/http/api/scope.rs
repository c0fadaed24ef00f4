//! Whose data a request touches: what the owner may name freely, a token must have in its shops.

use crate::http::auth::{Identity, TokenScope};
use crate::http::limits::{PAGE_ITEMS_MAX, SEARCHED_PAGES_MAX};
use crate::http::problem::ApiError;
use crate::http::state::ApiState;
use crate::ledger::{CreditFilter, Refusal};
use crate::model::{MovementId, Reference, ShopId, SimNumber};
use crate::replica::{Answer, BalanceView, Query};

/// The name by which the node is to be asked for a credit: the owner's as it is, a token's once its shop is known.
pub(super) async fn credit_key(state: &ApiState, identity: &Identity, key: String) -> Result<String, ApiError> {
    let Identity::Token(scope) = identity else { return Ok(key) };
    match state.node().query(Query::Credit { key }).await {
        Ok(Answer::Credit(credit)) => {
            identity.require(credit.shop_id)?;
            Ok(credit.id.to_string())
        }
        Ok(_) => Err(ApiError::Internal),
        Err(Refusal::AmbiguousReference { reference, .. }) => own_of_reference(state, scope, reference).await,
        Err(refusal) => Err(refusal.into()),
    }
}

/// Several shops have that reference; within the token's shops it may still name one credit.
async fn own_of_reference(state: &ApiState, scope: &TokenScope, reference: Reference) -> Result<String, ApiError> {
    let mut found = Vec::new();
    for shop in &scope.shops {
        let filter =
            CreditFilter { shop: Some(*shop), reference: Some(reference.clone()), limit: 2, ..CreditFilter::default() };
        match state.node().query(Query::Credits(filter)).await? {
            Answer::Credits(page) => found.extend(page.items.into_iter().map(|credit| credit.id)),
            _ => return Err(ApiError::Internal),
        }
    }
    match found.as_slice() {
        [] => Err(Refusal::UnknownCredit { key: reference.to_string() }.into()),
        [one] => Ok(one.to_string()),
        several => Err(Refusal::AmbiguousReference { reference, count: several.len() }.into()),
    }
}

/// What a SIM holds, if its shop may be seen.
pub(super) async fn balance(state: &ApiState, identity: &Identity, sim: SimNumber) -> Result<BalanceView, ApiError> {
    match state.node().query(Query::SimBalance { sim }).await? {
        Answer::Balance(balance) => {
            identity.require(balance.shop_id)?;
            Ok(balance)
        }
        _ => Err(ApiError::Internal),
    }
}

/// Refuses a SIM of a shop that a token does not hold for. The owner's are judged by the rules alone.
pub(super) async fn require_sim(state: &ApiState, identity: &Identity, sim: &SimNumber) -> Result<(), ApiError> {
    match identity {
        Identity::Owner => Ok(()),
        Identity::Token(_) => balance(state, identity, sim.clone()).await.map(|_| ()),
    }
}

/// Refuses another shop's, this device's own shop where the request names none.
pub(super) async fn require_shop(state: &ApiState, identity: &Identity, shop: Option<ShopId>) -> Result<(), ApiError> {
    match (identity, shop) {
        (Identity::Owner, _) => Ok(()),
        (Identity::Token(_), Some(shop)) => identity.require(shop),
        (Identity::Token(_), None) => identity.require(state.status().await?.shop_id),
    }
}

/// Refuses a movement that is not of a token's shops.
///
/// The node has no query for one movement, so that it is looked for among those of the token's SIMs. Whether it
/// is nowhere or in another shop is not said.
pub(super) async fn require_movement(state: &ApiState, identity: &Identity, key: &str) -> Result<(), ApiError> {
    let Identity::Token(scope) = identity else { return Ok(()) };
    let unknown = || ApiError::from(Refusal::UnknownMovement { key: key.chars().take(64).collect() });
    let wanted = MovementId::from_text(key).ok_or_else(unknown)?;
    for shop in &scope.shops {
        let sims = match state.node().query(Query::Sims { shop: Some(*shop) }).await? {
            Answer::Sims(page) => page.items,
            _ => return Err(ApiError::Internal),
        };
        for sim in sims {
            let sim = SimNumber::new(&sim.sim).map_err(|_| ApiError::Internal)?;
            if has_movement(state, identity, sim, wanted).await? {
                return Ok(());
            }
        }
    }
    Err(unknown())
}

async fn has_movement(
    state: &ApiState,
    identity: &Identity,
    sim: SimNumber,
    wanted: MovementId,
) -> Result<bool, ApiError> {
    let mut after = None;
    for _ in 0..SEARCHED_PAGES_MAX {
        let query = Query::Movements { sim: sim.clone(), limit: PAGE_ITEMS_MAX, after };
        let page = match state.node().query(query).await? {
            Answer::Movements(page) => page,
            _ => return Err(ApiError::Internal),
        };
        if page.items.iter().any(|movement| movement.id == wanted && identity.may_see(movement.shop_id)) {
            return Ok(true);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(false),
        }
    }
    Ok(false)
}
