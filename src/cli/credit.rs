//! `credit`: granting, paying, cancelling, looking.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::Context;
use super::client::{Client, Parameters, path};
use super::failure::Failure;
use super::founding::without_nulls;
use super::moments::{Edge, moment};
use super::output::{card, items, minute, table, text};

#[derive(Debug, Subcommand)]
pub(super) enum Credit {
    /// Accorder un crédit.
    Grant(Box<Grant>),
    /// Enregistrer un paiement.
    Pay {
        /// La référence ou l'id du crédit.
        credit: String,
        /// Le montant, dans la devise du crédit.
        #[arg(long, allow_hyphen_values = true)]
        amount: String,
        /// cash, mobile_money ou virement.
        #[arg(long, default_value = "cash")]
        mode: String,
        /// La référence du paiement.
        #[arg(long)]
        payment_ref: Option<String>,
        /// Qui l'enregistre.
        #[arg(long)]
        agent: Option<String>,
    },
    /// Annuler un paiement saisi par erreur.
    ReversePayment {
        /// La référence ou l'id du crédit.
        credit: String,
        /// L'id du paiement.
        payment: String,
        /// Pourquoi.
        #[arg(long)]
        why: String,
    },
    /// Annuler un crédit sur lequel rien n'a été payé.
    Cancel {
        /// La référence ou l'id du crédit.
        credit: String,
        /// Pourquoi.
        #[arg(long)]
        why: String,
    },
    /// Rendre à cet appareil, sans attendre que les autres le sachent, le montant d'un crédit annulé qu'il a accordé.
    Return {
        /// La référence ou l'id du crédit.
        credit: String,
    },
    /// Changer le contact, l'échéance ou les notes ; un texte vide efface.
    Edit {
        /// La référence ou l'id du crédit.
        credit: String,
        /// Le bénéficiaire.
        #[arg(long)]
        to: Option<String>,
        /// Son téléphone.
        #[arg(long)]
        phone: Option<String>,
        /// Son adresse.
        #[arg(long)]
        address: Option<String>,
        /// L'échéance.
        #[arg(long, value_name = "DATE")]
        due: Option<String>,
        /// Les notes.
        #[arg(long)]
        note: Option<String>,
        /// Qui change.
        #[arg(long)]
        agent: Option<String>,
    },
    /// Un crédit et ses paiements.
    Show {
        /// La référence ou l'id du crédit.
        credit: String,
    },
    /// Ce qui a été fait d'un crédit, et sur quel appareil.
    History {
        /// La référence ou l'id du crédit.
        credit: String,
    },
    /// Les crédits, les derniers accordés d'abord.
    List(List),
    /// Les sommes, par devise.
    Stats {
        /// D'une agence.
        #[arg(long)]
        shop: Option<u32>,
        /// Accordés à partir de.
        #[arg(long, value_name = "DATE")]
        from: Option<String>,
        /// Accordés jusqu'à.
        #[arg(long, value_name = "DATE")]
        to: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Grant {
    /// La référence, unique.
    #[arg(long)]
    reference: String,
    /// Le montant, comme 125.50.
    #[arg(long, allow_hyphen_values = true)]
    amount: String,
    /// USD ou CDF.
    #[arg(long)]
    currency: String,
    /// Le bénéficiaire.
    #[arg(long)]
    to: String,
    /// La SIM.
    #[arg(long)]
    sim: String,
    /// shop, partenaire ou autre.
    #[arg(long)]
    kind: Option<String>,
    /// Le téléphone du bénéficiaire.
    #[arg(long)]
    phone: Option<String>,
    /// L'adresse du bénéficiaire.
    #[arg(long)]
    address: Option<String>,
    /// L'échéance : AAAA-MM-JJ, ou une heure RFC 3339.
    #[arg(long, value_name = "DATE")]
    due: Option<String>,
    /// Une note.
    #[arg(long)]
    note: Option<String>,
    /// Qui accorde.
    #[arg(long)]
    agent: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: Filter,
    /// Combien, au plus 1000.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Où la page précédente s'est arrêtée.
    #[arg(long)]
    after: Option<String>,
}

/// Which credits: the filters of the list, and of an export.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// D'une agence.
    #[arg(long)]
    shop: Option<u32>,
    /// D'une SIM.
    #[arg(long)]
    sim: Option<String>,
    /// accorde, partiellementPaye, paye, annule ou enRetard.
    #[arg(long)]
    status: Option<String>,
    /// USD ou CDF.
    #[arg(long)]
    currency: Option<String>,
    /// Accordés à partir de.
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Accordés jusqu'à.
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Dont le bénéficiaire contient.
    #[arg(long)]
    beneficiary: Option<String>,
    /// De cette référence.
    #[arg(long)]
    reference: Option<String>,
    /// En retard seulement.
    #[arg(long)]
    overdue: bool,
}

impl Credit {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let client = context.client()?;
        let printer = context.printer;
        let credit_card = |credit: &Value| show(context, credit);
        let answer = match self {
            Credit::Grant(grant) => grant.send(context, &client)?,
            Credit::Pay { credit, amount, mode, payment_ref, agent } => {
                let body = json!({ "amount": amount, "mode": mode, "reference": payment_ref, "agent": agent });
                client.post(&path(&["credits", &credit, "payments"], &[]), &without_nulls(body))?
            }
            Credit::ReversePayment { credit, payment, why } => {
                let path = path(&["credits", &credit, "payments", &payment, "reversal"], &[]);
                client.post(&path, &json!({ "reason": why }))?
            }
            Credit::Cancel { credit, why } => {
                client.post(&path(&["credits", &credit, "cancellation"], &[]), &json!({ "reason": why }))?
            }
            Credit::Return { credit } => client.post(&path(&["credits", &credit, "return"], &[]), &json!({}))?,
            Credit::Edit { credit, to, phone, address, due, note, agent } => {
                let due =
                    due.map(|due| if due.is_empty() { Ok(due) } else { date(context, &client, &due, Edge::Last) });
                let due = due.transpose()?;
                let mut beneficiary = Map::new();
                let mut body = Map::new();
                set(&mut beneficiary, "name", to);
                set(&mut beneficiary, "phone", phone);
                set(&mut beneficiary, "address", address);
                set(&mut body, "due_at", due);
                set(&mut body, "notes", note);
                if !beneficiary.is_empty() {
                    body.insert("beneficiary".to_owned(), Value::Object(beneficiary));
                }
                if let Some(agent) = agent {
                    body.insert("agent".to_owned(), json!(agent));
                }
                client.patch(&path(&["credits", &credit], &[]), &Value::Object(body))?
            }
            Credit::Show { credit } => {
                let credit = client.get(&path(&["credits", &credit], &[]))?;
                let told = open_conflicts(context, &client, &credit)?;
                printer.answer(&credit, |credit| format!("{}{told}", show(context, credit)));
                return Ok(ExitCode::SUCCESS);
            }
            Credit::History { credit } => {
                let events = client.get(&path(&["credits", &credit, "history"], &[]))?;
                printer.answer(&events, |events| history(context, events));
                return Ok(ExitCode::SUCCESS);
            }
            Credit::List(filter) => {
                let page = client.get(&filter.path(context, &client)?)?;
                printer.answer(&page, |page| list(context, page));
                return Ok(ExitCode::SUCCESS);
            }
            Credit::Stats { shop, from, to } => {
                let query = [
                    ("shop", shop.map(|shop| shop.to_string())),
                    ("from", from.map(|from| date(context, &client, &from, Edge::Start)).transpose()?),
                    ("to", to.map(|to| date(context, &client, &to, Edge::After)).transpose()?),
                ];
                let sums = client.get(&path(&["statistics"], &query))?;
                printer.answer(&sums, |sums| statistics(context, sums));
                return Ok(ExitCode::SUCCESS);
            }
        };
        printer.answer(&answer, credit_card);
        Ok(ExitCode::SUCCESS)
    }
}

/// A field of an edit: absent says nothing, an empty text takes away.
fn set(fields: &mut Map<String, Value>, name: &str, value: Option<String>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), if value.is_empty() { Value::Null } else { Value::String(value) });
    }
}

/// A date as people write it, read in the network's zone.
fn date(context: &Context, client: &Client, written: &str, edge: Edge) -> Result<String, Failure> {
    let status = client.get("/api/v1/status")?;
    let zone = text(&status, "time_zone").parse().unwrap_or(chrono_tz::UTC);
    moment(written, zone, edge).ok_or_else(|| {
        let message = format!(
            "« {} » {}",
            written.chars().take(40).collect::<String>(),
            context.printer.pick(
                "n'est pas une date : écrivez AAAA-MM-JJ, ou une heure RFC 3339 avec fuseau. Rien n'a été changé.",
                "is not a date: write YYYY-MM-DD, or an RFC 3339 time with zone. Nothing was changed.",
            )
        );
        Failure::new("invalid_field", message)
    })
}

impl Grant {
    fn send(self, context: &Context, client: &Client) -> Result<Value, Failure> {
        let due = self.due.as_deref().map(|due| date(context, client, due, Edge::Last)).transpose()?;
        let beneficiary = json!({ "name": self.to, "phone": self.phone, "address": self.address, "kind": self.kind });
        let body = json!({
            "reference": self.reference, "amount": self.amount, "currency": self.currency, "sim": self.sim,
            "beneficiary": without_nulls(beneficiary), "due_at": due, "notes": self.note, "agent": self.agent,
        });
        client.post("/api/v1/credits", &without_nulls(body))
    }
}

impl List {
    fn path(self, context: &Context, client: &Client) -> Result<String, Failure> {
        let mut parameters = self.filter.parameters(context, client)?;
        parameters.push(("limit", Some(self.limit.to_string())));
        parameters.push(("after", self.after));
        Ok(path(&["credits"], &parameters))
    }
}

impl Filter {
    /// As parameters of the API.
    pub fn parameters(self, context: &Context, client: &Client) -> Result<Parameters, Failure> {
        let from = self.from.map(|from| date(context, client, &from, Edge::Start)).transpose()?;
        let to = self.to.map(|to| date(context, client, &to, Edge::After)).transpose()?;
        Ok(vec![
            ("shop", self.shop.map(|shop| shop.to_string())),
            ("sim", self.sim),
            ("status", self.status),
            ("currency", self.currency),
            ("from", from),
            ("to", to),
            ("beneficiary", self.beneficiary),
            ("reference", self.reference),
            ("overdue", self.overdue.then(|| "true".to_owned())),
        ])
    }
}

/// How many devices hold a credit, and which.
fn seen_by(credit: &Value) -> String {
    let names = credit.get("seen_by_devices").and_then(Value::as_array);
    let names: Vec<&str> = names.into_iter().flatten().filter_map(Value::as_str).collect();
    let count = text(credit, "seen_by");
    if names.is_empty() { count } else { format!("{count} ({})", names.join(", ")) }
}

fn show(context: &Context, credit: &Value) -> String {
    let printer = context.printer;
    let currency = text(credit, "currency");
    let money = |name: &str| format!("{} {currency}", text(credit, name));
    let beneficiary = credit.get("beneficiary").cloned().unwrap_or_default();
    let mut fields = vec![
        (printer.pick("Crédit", "Credit"), format!("{}  {}", text(credit, "reference"), text(credit, "status"))),
        ("Id", text(credit, "id")),
        (printer.pick("Bénéficiaire", "Beneficiary"), text(&beneficiary, "name")),
        (printer.pick("Montant", "Amount"), money("amount")),
        (printer.pick("Payé", "Paid"), money("paid")),
        (printer.pick("Reste", "Remaining"), money("remaining")),
        ("SIM", text(credit, "sim")),
        (printer.pick("Accordé (UTC)", "Granted (UTC)"), minute(credit, "granted_at")),
        (printer.pick("Échéance (UTC)", "Due (UTC)"), minute(credit, "due_at")),
        (printer.pick("Vu par", "Seen by"), seen_by(credit)),
    ];
    if credit.get("notes").is_some_and(|notes| !notes.is_null()) {
        fields.push((printer.pick("Notes", "Notes"), text(credit, "notes")));
    }
    let row = |payment: &Value| {
        let reversed = payment.get("reversed").is_some_and(|reversed| reversed == true);
        vec![
            minute(payment, "at"),
            text(payment, "amount"),
            text(payment, "mode"),
            if reversed { printer.pick("annulé", "reversed").to_owned() } else { text(payment, "device") },
            text(payment, "id"),
        ]
    };
    let payments = credit.get("payments").and_then(Value::as_array).cloned().unwrap_or_default();
    let rows: Vec<Vec<String>> = payments.iter().map(row).collect();
    let head = [
        printer.pick("Paiement (UTC)", "Payment (UTC)"),
        printer.pick("Montant", "Amount"),
        "Mode",
        printer.pick("Appareil", "Device"),
        "Id",
    ];
    let payments = if rows.is_empty() { String::new() } else { format!("\n{}", table(&head, &rows, &[1])) };
    format!("{}{payments}", card(&fields))
}

/// The credit's open conflicts: what happened, and how to look at each.
fn open_conflicts(context: &Context, client: &Client, credit: &Value) -> Result<String, Failure> {
    let ids = credit.get("conflicts").and_then(Value::as_array).cloned().unwrap_or_default();
    if context.printer.json {
        return Ok(String::new());
    }
    let mut lines = Vec::new();
    for id in ids.iter().filter_map(Value::as_str) {
        let conflict = match client.get(&path(&["conflicts", id], &[])) {
            Ok(conflict) => conflict,
            // It went since the credit was shown.
            Err(failure) if failure.code == "unknown_conflict" => continue,
            Err(failure) => return Err(failure),
        };
        lines.push(format!(
            "\n\n{} {id} (ucash conflicts show {id})\n  {}\n  {}",
            context.printer.pick("Conflit", "Conflict"),
            text(&conflict, "summary"),
            text(&conflict, "todo"),
        ));
    }
    Ok(lines.concat())
}

fn list(context: &Context, page: &Value) -> String {
    let printer = context.printer;
    let row = |credit: &Value| {
        let name = credit.pointer("/beneficiary/name").and_then(Value::as_str).unwrap_or_default();
        vec![
            text(credit, "reference"),
            minute(credit, "granted_at").chars().take(10).collect(),
            text(credit, "amount"),
            text(credit, "remaining"),
            text(credit, "currency"),
            text(credit, "status"),
            name.chars().take(20).collect(),
        ]
    };
    let rows: Vec<Vec<String>> = items(page).iter().map(row).collect();
    if rows.is_empty() {
        return printer.pick("Aucun crédit ne correspond.", "No credit matches.").to_owned();
    }
    let head = [
        printer.pick("Référence", "Reference"),
        printer.pick("Accordé", "Granted"),
        printer.pick("Montant", "Amount"),
        printer.pick("Reste", "Remaining"),
        "",
        printer.pick("Statut", "Status"),
        printer.pick("Bénéficiaire", "Beneficiary"),
    ];
    let more = page.get("next").and_then(Value::as_str).map_or_else(String::new, |next| format!("\n--after {next}"));
    format!("{}{more}", table(&head, &rows, &[2, 3]))
}

fn history(context: &Context, events: &Value) -> String {
    let row = |event: &Value| {
        let details = event.get("details").map(Value::to_string).unwrap_or_default();
        vec![minute(event, "at"), text(event, "kind"), text(event, "device"), text(event, "agent"), details]
    };
    let rows: Vec<Vec<String>> = items(events).iter().map(row).collect();
    let printer = context.printer;
    let head = [
        "UTC",
        printer.pick("Fait", "Event"),
        printer.pick("Appareil", "Device"),
        "Agent",
        printer.pick("Détail", "Details"),
    ];
    table(&head, &rows, &[])
}

fn statistics(context: &Context, sums: &Value) -> String {
    let printer = context.printer;
    let labels = [
        ("credits", printer.pick("Crédits", "Credits")),
        ("granted", printer.pick("Accordé", "Granted")),
        ("paid", printer.pick("Payé", "Paid")),
        ("waiting", printer.pick("En attente", "Waiting")),
        ("overdue", printer.pick("En retard", "Overdue")),
        ("paid_count", printer.pick("Nombre payés", "Number paid")),
        ("waiting_count", printer.pick("Nombre en attente", "Number waiting")),
        ("overdue_count", printer.pick("Nombre en retard", "Number overdue")),
        ("recovery_rate", printer.pick("Taux de recouvrement", "Recovery rate")),
    ];
    let part = |currency: &str, name: &str| sums.get(currency).map_or_else(|| "-".to_owned(), |sum| text(sum, name));
    let rows: Vec<Vec<String>> =
        labels.iter().map(|(name, label)| vec![(*label).to_owned(), part("USD", name), part("CDF", name)]).collect();
    table(&["", "USD", "CDF"], &rows, &[1, 2])
}
