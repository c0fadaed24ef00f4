//! Which columns a table has, what they are called, and where their values stand in an item of the API.

use serde_json::Value;

use super::What;
use crate::http::Language;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Kind {
    /// What people wrote: never to be taken for a formula.
    Text,
    /// A decimal amount.
    Money,
    /// A whole number, or an id that is one.
    Whole,
    /// An instant, RFC 3339.
    Time,
    /// Yes or no.
    Flag,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Column {
    /// Its name for programs: the API's, with `_` where that goes into an object.
    pub name: &'static str,
    french: &'static str,
    english: &'static str,
    /// Where its value stands (RFC 6901).
    pointer: &'static str,
    /// What it holds.
    pub kind: Kind,
}

impl Column {
    /// Its heading for people.
    pub fn heading(&self, language: Language) -> &'static str {
        match language {
            Language::French => self.french,
            Language::English => self.english,
        }
    }

    /// Its value, as text; empty where there is none.
    pub fn value(&self, item: &Value) -> String {
        match item.pointer(self.pointer) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

const fn column(
    name: &'static str,
    french: &'static str,
    english: &'static str,
    pointer: &'static str,
    kind: Kind,
) -> Column {
    Column { name, french, english, pointer, kind }
}

/// The columns of a table, in order.
pub(in crate::http) fn of_what(what: What) -> &'static [Column] {
    match what {
        What::Credits => &CREDITS,
        What::Payments => &PAYMENTS,
        What::Movements => &MOVEMENTS,
        What::Conflicts => &CONFLICTS,
    }
}

const CREDITS: [Column; 25] = [
    column("reference", "Référence", "Reference", "/reference", Kind::Text),
    column("status", "Statut", "Status", "/status", Kind::Text),
    column("amount", "Montant", "Amount", "/amount", Kind::Money),
    column("paid", "Payé", "Paid", "/paid", Kind::Money),
    column("remaining", "Reste", "Remaining", "/remaining", Kind::Money),
    column("overpaid", "Trop-perçu", "Overpaid", "/overpaid", Kind::Money),
    column("currency", "Devise", "Currency", "/currency", Kind::Text),
    column("shop_id", "Agence", "Shop", "/shop_id", Kind::Whole),
    column("sim", "SIM", "SIM", "/sim", Kind::Text),
    column("beneficiary_name", "Bénéficiaire", "Beneficiary", "/beneficiary/name", Kind::Text),
    column("beneficiary_phone", "Téléphone", "Phone", "/beneficiary/phone", Kind::Text),
    column("beneficiary_address", "Adresse", "Address", "/beneficiary/address", Kind::Text),
    column("beneficiary_kind", "Type de bénéficiaire", "Kind of beneficiary", "/beneficiary/kind", Kind::Text),
    column("beneficiary_shop_id", "Agence bénéficiaire", "Beneficiary's shop", "/beneficiary/shop_id", Kind::Whole),
    column("agent", "Agent", "Agent", "/agent", Kind::Text),
    column("device", "Appareil", "Device", "/device", Kind::Text),
    column("granted_at", "Accordé le", "Granted at", "/granted_at", Kind::Time),
    column("due_at", "Échéance", "Due at", "/due_at", Kind::Time),
    column("paid_at", "Soldé le", "Paid at", "/paid_at", Kind::Time),
    column("cancelled_at", "Annulé le", "Cancelled at", "/cancelled_at", Kind::Time),
    column("notes", "Notes", "Notes", "/notes", Kind::Text),
    column("updated_at", "Modifié le", "Updated at", "/updated_at", Kind::Time),
    column("seen_by", "Vu par", "Seen by", "/seen_by", Kind::Whole),
    column("set_aside", "Mis de côté", "Set aside", "/set_aside", Kind::Flag),
    column("id", "Id", "Id", "/id", Kind::Text),
];

const PAYMENTS: [Column; 13] = [
    column("credit_reference", "Référence du crédit", "Credit's reference", "/credit/reference", Kind::Text),
    column("amount", "Montant", "Amount", "/amount", Kind::Money),
    column("currency", "Devise", "Currency", "/currency", Kind::Text),
    column("mode", "Mode", "Mode", "/mode", Kind::Text),
    column("reference", "Référence du paiement", "Payment's reference", "/reference", Kind::Text),
    column("at", "Payé le", "Paid at", "/at", Kind::Time),
    column("reversed", "Annulé", "Reversed", "/reversed", Kind::Flag),
    column("agent", "Agent", "Agent", "/agent", Kind::Text),
    column("device", "Appareil", "Device", "/device", Kind::Text),
    column("shop_id", "Agence", "Shop", "/shop_id", Kind::Whole),
    column("sim", "SIM", "SIM", "/sim", Kind::Text),
    column("id", "Id", "Id", "/id", Kind::Text),
    column("credit_id", "Id du crédit", "Credit's id", "/credit/id", Kind::Text),
];

const MOVEMENTS: [Column; 20] = [
    column("kind", "Type", "Kind", "/kind", Kind::Text),
    column("at", "Le", "At", "/at", Kind::Time),
    column("sim", "SIM", "SIM", "/sim", Kind::Text),
    column("shop_id", "Agence", "Shop", "/shop_id", Kind::Whole),
    column("amount", "Montant", "Amount", "/amount", Kind::Money),
    column("currency", "Devise", "Currency", "/currency", Kind::Text),
    column("cash", "Espèces", "Cash", "/cash", Kind::Money),
    column("fee", "Frais", "Fee", "/fee", Kind::Money),
    column("state", "État", "State", "/state", Kind::Text),
    column("counts", "Compte", "Counts", "/counts", Kind::Flag),
    column("reversed", "Annulé", "Reversed", "/reversed", Kind::Flag),
    column("set_aside", "Mis de côté", "Set aside", "/set_aside", Kind::Flag),
    column("reference", "Référence", "Reference", "/reference", Kind::Text),
    column("client", "Client", "Client", "/client", Kind::Text),
    column("phone", "Téléphone", "Phone", "/phone", Kind::Text),
    column("owed_by", "Dû par l'agence", "Owed by shop", "/owed_by", Kind::Whole),
    column("to", "Vers", "To", "/to", Kind::Text),
    column("agent", "Agent", "Agent", "/agent", Kind::Text),
    column("device", "Appareil", "Device", "/device", Kind::Text),
    column("id", "Id", "Id", "/id", Kind::Text),
];

const CONFLICTS: [Column; 15] = [
    column("kind", "Type", "Kind", "/kind", Kind::Text),
    column("shop_id", "Agence", "Shop", "/shop_id", Kind::Whole),
    column("credit_reference", "Référence du crédit", "Credit's reference", "/credit/reference", Kind::Text),
    column("sim", "SIM", "SIM", "/sim", Kind::Text),
    column("summary", "Ce qui s'est passé", "What happened", "/summary", Kind::Text),
    column("decision", "Décision", "Decision", "/decision", Kind::Text),
    column("rule", "Règle", "Rule", "/rule", Kind::Text),
    column("todo", "À faire", "To do", "/todo", Kind::Text),
    column("handled_at", "Traité le", "Handled at", "/handled/at", Kind::Time),
    column("handled_decision", "Traité comme", "Handled as", "/handled/decision", Kind::Text),
    column("handled_why", "Pourquoi", "Why", "/handled/why", Kind::Text),
    column("handled_agent", "Traité par", "Handled by", "/handled/agent", Kind::Text),
    column("handled_device", "Sur l'appareil", "On device", "/handled/device", Kind::Text),
    column("id", "Id", "Id", "/id", Kind::Text),
    column("credit_id", "Id du crédit", "Credit's id", "/credit/id", Kind::Text),
];
