//! What a person types, read as the faces read it.

use ucash::ledger::Refusal;
use ucash::model::{Reference, ShopId};
use ucash::money::{Amount, Currency};
use ucash::replica::{Command, GrantRequest};

use crate::desk::request;

pub fn add_shop(shop: Option<u32>, name: &str) -> Command {
    Command::AddShop { shop: shop.map(ShopId), name: name.to_owned(), town: None }
}

/// An amount as a person types it: `12.50` or `12.50 CDF`.
pub fn typed(text: &str) -> Result<Amount, Refusal> {
    let (value, code) = text.split_once(' ').unwrap_or((text, "USD"));
    let amount = Currency::parse(code).and_then(|currency| Amount::parse(value, currency));
    amount.map_err(|fault| Refusal::Money { field: "amount".to_owned(), fault })
}

pub fn typed_grant(reference: &str, amount: &str, sim: &str) -> Result<GrantRequest, Refusal> {
    let (reference, amount) = (Reference::new(reference)?, typed(amount)?);
    Ok(GrantRequest { reference, amount, ..request("X", sim, "1") })
}
