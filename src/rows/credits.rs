//! Rows of `credits`: a credit, the total paid on it, and whether it was cancelled.

use super::RowRefusal;
use super::fields::Row;
use crate::model::{
    Beneficiary, BeneficiaryKind, CreditStatus, Grant, Operation, PaymentId, PaymentMade, PaymentMode, Reference,
    Timestamp,
};
use crate::money::{Amount, Currency};
use crate::replica::{ImportedCredit, ImportedPayment, ReportedRow};

/// What a cancellation of the old server is said to be for where its notes do not say.
const CANCELLED_BEFORE: &str = "annulé dans l'ancien système";

/// Longest name of who modified a row last, in characters.
const NAME_CHARS_MAX: usize = 255;

/// The model's names of the fields and the wire's.
const WIRE_NAMES: [(&str, &str); 8] = [
    ("reference", "reference"),
    ("amount", "montant_credit"),
    ("beneficiary.name", "beneficiaire_nom"),
    ("beneficiary.phone", "beneficiaire_telephone"),
    ("beneficiary.address", "beneficiaire_adresse"),
    ("notes", "notes"),
    ("agent", "agent_username"),
    ("why", "notes"),
];

/// The words of both schemas of the old server (fault F13: one it does not know is refused, not `accorde`).
pub const STATUSES: [(&str, CreditStatus); 7] = [
    ("accorde", CreditStatus::Granted),
    ("partiellementPaye", CreditStatus::PartlyPaid),
    ("partiellement_paye", CreditStatus::PartlyPaid),
    ("paye", CreditStatus::Paid),
    ("annule", CreditStatus::Cancelled),
    ("enRetard", CreditStatus::Overdue),
    ("en_retard", CreditStatus::Overdue),
];

/// Reads a credit row.
pub(super) fn read_credit(row: &Row<'_>) -> Result<ImportedCredit, RowRefusal> {
    let old_modified_at = row.believed_time("last_modified_at")?;
    let grant = Grant { old_id: row.id("id")?, old_modified_at, ..read_grant(row)? };
    let modified_at = old_modified_at.unwrap_or(grant.granted_at);
    let paid = read_payment(row, grant.amount.currency(), modified_at)?;
    let status = read_status(row, grant.amount, paid.as_ref())?;
    let cancelled =
        matches!(status, CreditStatus::Cancelled).then(|| (modified_at, cancellation_reason(grant.notes.as_deref())));
    Ok(ImportedCredit { shop: row.required_shop("shop_id")?, grant, paid, cancelled, status })
}

/// Reads a credit row that an app uploads. Whether its status and amounts go together in a new credit is said apart: of a
/// credit that is known, more may have been paid than was owed.
pub(super) fn read_report(row: &Row<'_>) -> Result<(ReportedRow, Option<RowRefusal>), RowRefusal> {
    let grant = read_grant(row)?;
    let modified_at = row.time("last_modified_at")?;
    let believed = row.believed_time("last_modified_at")?.unwrap_or(grant.granted_at);
    let paid = read_payment(row, grant.amount.currency(), believed)?;
    let doubt = read_status(row, grant.amount, paid.as_ref()).err();
    // A word that is not known is refused of any row (fault F13).
    let said = row.word("statut", &STATUSES)?;
    let cancelled = (said == Some(CreditStatus::Cancelled)).then(|| cancellation_reason(grant.notes.as_deref()));
    // It names who acted and refuses no money: what does not fit a name is left out.
    let name = |text: String| text.chars().filter(|letter| !letter.is_control()).take(NAME_CHARS_MAX).collect();
    let modified_by = row.text("last_modified_by")?.map(name).filter(|name: &String| !name.trim().is_empty());
    let report = ReportedRow {
        id: row.id("id")?,
        shop: row.required_shop("shop_id")?,
        agent_number: row.required_id("agent_id")?,
        grant,
        paid,
        cancelled,
        modified_at,
        modified_by,
        is_consistent: doubt.is_none(),
    };
    Ok((report, doubt))
}

/// The credit as it was granted.
fn read_grant(row: &Row<'_>) -> Result<Grant, RowRefusal> {
    let reference =
        Reference::new(&row.required_text("reference")?).map_err(|error| RowRefusal::of_field(&error, &WIRE_NAMES))?;
    let currency = row.currency()?;
    let amount = row.positive_amount("montant_credit", currency)?;
    let beneficiary = read_beneficiary(row)?;
    let sim = row.sim("sim_numero")?;
    row.required_shop("shop_id")?;
    row.required_id("agent_id")?;
    let grant = Grant {
        reference,
        amount,
        sim,
        beneficiary,
        agent: row.agent("agent_id")?,
        granted_at: row.past_time("date_sortie")?,
        due_at: row.time("date_echeance")?,
        notes: row.text("notes")?,
        old_id: None,
        old_modified_at: None,
        reported: None,
    };
    let checked = Operation::Grant(grant.clone());
    checked.check_fields().map_err(|error| RowRefusal::of_field(&error, &WIRE_NAMES))?;
    Ok(grant)
}

fn read_beneficiary(row: &Row<'_>) -> Result<Beneficiary, RowRefusal> {
    let kinds: Vec<_> = BeneficiaryKind::ALL.iter().map(|kind| (kind.word(), *kind)).collect();
    Ok(Beneficiary {
        name: row.required_text("beneficiaire_nom")?,
        phone: row.text("beneficiaire_telephone")?,
        address: row.text("beneficiaire_adresse")?,
        // Where nothing is said, the kind that claims least.
        kind: row.word("type_beneficiaire", &kinds)?.unwrap_or(BeneficiaryKind::Other),
        shop: None,
    })
}

/// The total paid as one payment: more is not known of them. A date in the future is not believed.
fn read_payment(
    row: &Row<'_>,
    currency: Currency,
    modified_at: Timestamp,
) -> Result<Option<ImportedPayment>, RowRefusal> {
    let modes: Vec<_> = PaymentMode::ALL.iter().map(|mode| (mode.word(), *mode)).collect();
    let mode = row.word("mode_paiement", &modes)?.unwrap_or(PaymentMode::Cash);
    let reference = row.text("reference_paiement")?;
    let at = row.believed_time("date_paiement")?.unwrap_or(modified_at);
    let Some(amount) = row.amount("montant_paye", currency)?.filter(|amount| !amount.is_zero()) else {
        return Ok(None);
    };
    let id = PaymentId([0; 10]);
    Operation::Pay(PaymentMade { id, amount, mode, reference: reference.clone(), agent: None, at, reported: None })
        .check_fields()
        .map_err(|error| RowRefusal::of_field(&error, &[("reference", "reference_paiement")]))?;
    Ok(Some(ImportedPayment { amount, mode, reference, at }))
}

/// What the row's word and amounts say together. `accorde`, `partiellementPaye` and `enRetard` are whatever the
/// amounts make of them; `paye` must be true.
fn read_status(row: &Row<'_>, amount: Amount, paid: Option<&ImportedPayment>) -> Result<CreditStatus, RowRefusal> {
    let paid = paid.map_or(Amount::zero(amount.currency()), |payment| payment.amount);
    if !amount.balance().covers(paid) {
        let reason = format!("{paid} dépasse le montant du crédit, {amount}");
        return Err(RowRefusal::new("montant_paye", reason));
    }
    let said = row.word("statut", &STATUSES)?.unwrap_or(CreditStatus::Granted);
    let from_amounts = if paid == amount {
        CreditStatus::Paid
    } else if paid.is_zero() {
        CreditStatus::Granted
    } else {
        CreditStatus::PartlyPaid
    };
    match said {
        CreditStatus::Cancelled => Ok(CreditStatus::Cancelled),
        CreditStatus::Paid if from_amounts != CreditStatus::Paid => {
            let reason = format!("« paye », alors que {paid} sur {amount} sont payés");
            Err(RowRefusal::new("statut", reason))
        }
        CreditStatus::Granted | CreditStatus::PartlyPaid | CreditStatus::Paid | CreditStatus::Overdue => {
            Ok(from_amounts)
        }
    }
}

/// The old app writes `ANNULÉ: why` into the notes.
fn cancellation_reason(notes: Option<&str>) -> String {
    let said = notes.and_then(|notes| notes.strip_prefix("ANNULÉ:")).map(str::trim);
    let fits = |why: &&str| !why.is_empty() && !why.chars().any(char::is_control);
    said.filter(fits).unwrap_or(CANCELLED_BEFORE).to_owned()
}
