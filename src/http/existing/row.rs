//! A credit as a row of the existing app: 25 fields under their names, amounts as numbers of two exact decimals.

use chrono::TimeZone;
use chrono_tz::Tz;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::http::problem::ApiError;
use crate::model::{CreditStatus, Timestamp};
use crate::replica::RowView;

/// The last millisecond of the last year that has four digits: the app reads no more.
const LAST_TIME: Timestamp = Timestamp(253_402_300_799_999 - 14 * 3_600_000);

/// A row as it is written.
#[derive(Serialize)]
pub(super) struct Row {
    id: u64,
    reference: String,
    montant_credit: Box<RawValue>,
    devise: &'static str,
    beneficiaire_nom: String,
    beneficiaire_telephone: Option<String>,
    beneficiaire_adresse: Option<String>,
    type_beneficiaire: &'static str,
    sim_numero: String,
    shop_id: u32,
    shop_designation: String,
    agent_id: u64,
    agent_username: Option<String>,
    statut: &'static str,
    date_sortie: String,
    date_paiement: Option<String>,
    date_echeance: Option<String>,
    notes: Option<String>,
    montant_paye: Box<RawValue>,
    mode_paiement: Option<&'static str>,
    reference_paiement: Option<String>,
    last_modified_at: String,
    last_modified_by: String,
    is_synced: bool,
    synced_at: String,
    /// In lists only.
    #[serde(skip_serializing_if = "Option::is_none")]
    montant_restant: Option<Box<RawValue>>,
    /// In lists only.
    #[serde(skip_serializing_if = "Option::is_none")]
    est_en_retard: Option<bool>,
}

impl Row {
    /// The row of a credit, its times in that zone.
    pub(super) fn of(view: RowView, zone: Tz) -> Result<Row, ApiError> {
        let modified_at = local_time(view.modified_at, zone);
        Ok(Row {
            id: view.server_id,
            reference: view.reference,
            montant_credit: number(view.amount.to_decimal_string())?,
            devise: view.amount.currency().code(),
            beneficiaire_nom: view.beneficiary.name,
            beneficiaire_telephone: view.beneficiary.phone,
            beneficiaire_adresse: view.beneficiary.address,
            type_beneficiaire: view.beneficiary.kind.word(),
            sim_numero: view.sim,
            shop_id: view.shop.0,
            shop_designation: view.shop_name,
            agent_id: view.agent_number,
            agent_username: view.agent,
            statut: view.status.word(),
            date_sortie: local_time(view.granted_at, zone),
            date_paiement: view.paid_at.map(|time| local_time(time, zone)),
            date_echeance: view.due_at.map(|time| local_time(time, zone)),
            notes: view.notes,
            montant_paye: number(view.paid.value().to_string())?,
            mode_paiement: view.mode.map(|mode| mode.word()),
            reference_paiement: view.payment_reference,
            last_modified_at: modified_at.clone(),
            last_modified_by: view.modified_by,
            is_synced: true,
            synced_at: modified_at,
            montant_restant: None,
            est_en_retard: None,
        })
    }

    /// The same with what lists show besides.
    pub(super) fn of_list(view: RowView, zone: Tz) -> Result<Row, ApiError> {
        let remaining = number(view.remaining.to_decimal_string())?;
        let is_overdue = view.status == CreditStatus::Overdue;
        Ok(Row { montant_restant: Some(remaining), est_en_retard: Some(is_overdue), ..Row::of(view, zone)? })
    }
}

/// A decimal as a JSON number, digit by digit: no float comes near it.
pub(super) fn number(decimal: String) -> Result<Box<RawValue>, ApiError> {
    RawValue::from_string(decimal).map_err(|_| ApiError::Internal)
}

/// A time as the app writes it: without zone, with milliseconds.
pub(super) fn local_time(time: Timestamp, zone: Tz) -> String {
    let bounded = time.clamp(Timestamp(0), LAST_TIME);
    let local = zone.timestamp_millis_opt(bounded.0).single();
    local.map_or_else(String::new, |local| local.format("%Y-%m-%dT%H:%M:%S%.3f").to_string())
}
