//! Rows of `shops` and `sims`.

use super::RowRefusal;
use super::fields::Row;
use crate::model::{Operation, Operator, Timestamp};
use crate::money::Currency;
use crate::replica::ImportRow;

/// Reads `id, designation, localisation`.
pub(super) fn read_shop(row: &Row<'_>) -> Result<ImportRow, RowRefusal> {
    let shop = row.required_shop("id")?;
    let name = row.required_text("designation")?;
    let town = row.text("localisation")?;
    let wire_names = [("name", "designation"), ("town", "localisation"), ("shop_id", "id")];
    let describe = town.iter().map(|town| Operation::DescribeShop { town: town.clone() });
    for operation in describe.chain([Operation::AddShop { shop, name: name.clone() }]) {
        operation.check_fields().map_err(|error| RowRefusal::of_field(&error, &wire_names))?;
    }
    Ok(ImportRow::Shop { shop, name, town })
}

/// Reads `numero, operateur, shop_id, solde_initial_usd, solde_initial_cdf, statut, date_creation`.
///
/// A row without `date_creation` opens in January 2020, before anything the old server knows: a second import of
/// the same file then finds the same opening.
pub(super) fn read_sim(row: &Row<'_>) -> Result<ImportRow, RowRefusal> {
    let sim = row.sim("numero")?;
    let operator = read_operator(row)?;
    let shop = row.required_shop("shop_id")?;
    // A SIM out of use would come back to life: this version cannot import one as what it is.
    row.word("statut", &[("active", ())])?;
    let mut opening = Vec::new();
    for (field, currency) in [("solde_initial_usd", Currency::Usd), ("solde_initial_cdf", Currency::Cdf)] {
        opening.extend(row.amount(field, currency)?.filter(|amount| !amount.is_zero()));
    }
    let at = match row.time("date_creation")? {
        Some(_) => row.past_time("date_creation")?,
        None => Timestamp::YEAR_2020,
    };
    Ok(ImportRow::Sim { sim, operator, shop, opening, at })
}

fn read_operator(row: &Row<'_>) -> Result<Operator, RowRefusal> {
    let text = row.required_text("operateur")?;
    let found = Operator::ALL.iter().find(|operator| operator.word().eq_ignore_ascii_case(text.trim()));
    found.copied().ok_or_else(|| {
        let known: Vec<&str> = Operator::ALL.iter().map(|operator| operator.word()).collect();
        RowRefusal::new("operateur", format!("est inconnu ; sont connus : {}", known.join(", ")))
    })
}
