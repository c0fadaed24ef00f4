//! `sim`: SIMs, what they hold, and what moves it.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::Context;
use super::client::path;
use super::failure::Failure;
use super::founding::without_nulls;
use super::output::{items, minute, table, text};
use super::share::{in_hand, shares, span};

#[derive(Debug, Subcommand)]
pub(super) enum Sim {
    /// Ajouter une SIM.
    Add {
        /// Son numéro.
        numero: String,
        /// Airtel, Vodacom, Orange ou Africell.
        #[arg(long)]
        operator: String,
        /// Son agence ; la nôtre si absent.
        #[arg(long)]
        shop: Option<u32>,
        /// Son solde initial en USD.
        #[arg(long, allow_hyphen_values = true)]
        initial_usd: Option<String>,
        /// Son solde initial en CDF.
        #[arg(long, allow_hyphen_values = true)]
        initial_cdf: Option<String>,
    },
    /// Les SIM et leurs soldes.
    List,
    /// Le solde d'une SIM, et de quoi il est fait.
    Balance {
        /// Son numéro.
        numero: String,
    },
    /// Qui peut dépenser combien d'une SIM ; donner de sa part, ou en demander.
    #[command(group = clap::ArgGroup::new("moved").args(["give", "ask"]))]
    Share {
        /// Son numéro.
        numero: String,
        /// Donner tant de la part de cet appareil.
        #[arg(long, value_name = "MONTANT", allow_hyphen_values = true, requires_all = ["currency", "to"])]
        give: Option<String>,
        /// Demander tant aux autres appareils en contact.
        #[arg(long, value_name = "MONTANT", allow_hyphen_values = true, requires = "currency")]
        ask: Option<String>,
        /// USD ou CDF.
        #[arg(long, requires = "moved")]
        currency: Option<String>,
        /// À qui donner : le nom ou la clé d'un appareil.
        #[arg(long, value_name = "APPAREIL", requires = "give", conflicts_with = "ask")]
        to: Option<String>,
    },
    /// Faire passer une SIM à une autre agence, avec tout son solde (depuis un appareil qui le détient en entier).
    Move {
        /// Son numéro.
        numero: String,
        /// L'agence où elle va.
        #[arg(long, value_name = "SHOP")]
        to_shop: u32,
    },
    /// Enregistrer une capture (un transfert de client reçu).
    Capture {
        /// Le numéro de la SIM.
        numero: String,
        #[command(flatten)]
        money: Money,
        /// Le cash remis au client.
        #[arg(long, allow_hyphen_values = true)]
        cash: Option<String>,
        /// Les frais gardés.
        #[arg(long, allow_hyphen_values = true)]
        fee: Option<String>,
        /// La référence de l'opérateur.
        #[arg(long)]
        reference: Option<String>,
        /// Le client.
        #[arg(long)]
        client: Option<String>,
        /// Pas encore confirmée.
        #[arg(long)]
        pending: bool,
    },
    /// Confirmer une capture en attente.
    Validate {
        /// Le mouvement.
        id: String,
    },
    /// Enregistrer un retrait virtuel.
    Withdraw {
        /// Le numéro de la SIM.
        numero: String,
        #[command(flatten)]
        money: Money,
        /// L'agence qui doit le cash.
        #[arg(long, value_name = "SHOP")]
        owed_by: Option<u32>,
    },
    /// Le cash d'un retrait est revenu.
    Reimburse {
        /// Le mouvement.
        id: String,
    },
    /// Enregistrer un dépôt de client.
    Deposit {
        /// Le numéro de la SIM.
        numero: String,
        #[command(flatten)]
        money: Money,
        /// Le téléphone du client.
        #[arg(long)]
        phone: Option<String>,
    },
    /// Annuler un mouvement, depuis l'appareil qui l'a enregistré.
    Reverse {
        /// Le mouvement.
        id: String,
        /// Pourquoi.
        #[arg(long)]
        why: String,
    },
    /// Les mouvements d'une SIM, les derniers d'abord.
    Movements {
        /// Son numéro.
        numero: String,
        /// Combien.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Où la page précédente s'est arrêtée.
        #[arg(long)]
        after: Option<String>,
    },
}

/// An amount and its currency.
#[derive(Debug, clap::Args)]
pub(super) struct Money {
    /// Le montant, comme 125.50.
    #[arg(long, allow_hyphen_values = true)]
    amount: String,
    /// USD ou CDF.
    #[arg(long)]
    currency: String,
}

impl Sim {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let client = context.client()?;
        let printer = context.printer;
        let movement = |answer: &Value| movement_line(context, answer);
        match self {
            Sim::Add { numero, operator, shop, initial_usd, initial_cdf } => {
                let initial = without_nulls(json!({ "USD": initial_usd, "CDF": initial_cdf }));
                let body = json!({ "sim": numero, "operator": operator, "shop_id": shop, "initial": initial });
                let sim = client.post("/api/v1/sims", &without_nulls(body))?;
                printer.answer(&sim, |sim| balance(context, sim));
            }
            Sim::List => {
                let sims = client.get("/api/v1/sims")?;
                printer.answer(&sims, |sims| {
                    let held = |sim: &Value, currency: &str| {
                        sim.pointer(&format!("/balances/{currency}")).map_or_else(String::new, span)
                    };
                    let row = |sim: &Value| {
                        vec![
                            text(sim, "sim"),
                            text(sim, "operator"),
                            text(sim, "shop_id"),
                            held(sim, "USD"),
                            held(sim, "CDF"),
                        ]
                    };
                    let rows: Vec<Vec<String>> = items(sims).iter().map(row).collect();
                    let head =
                        ["SIM", printer.pick("Opérateur", "Operator"), printer.pick("Agence", "Shop"), "USD", "CDF"];
                    table(&head, &rows, &[2, 3, 4])
                });
            }
            Sim::Balance { numero } => {
                let sim = client.get(&path(&["sims", &numero, "balance"], &[]))?;
                printer.answer(&sim, |sim| balance(context, sim));
            }
            Sim::Share { numero, give: None, ask: None, .. } => {
                let view = client.get(&path(&["sims", &numero, "shares"], &[]))?;
                printer.answer(&view, |view| shares(printer, view));
            }
            Sim::Share { numero, give, ask, currency, to } => {
                let body = json!({ "give": give, "ask": ask, "currency": currency, "to": to });
                let view = client.post(&path(&["sims", &numero, "share-requests"], &[]), &without_nulls(body))?;
                printer.answer(&view, |view| shares(printer, view));
            }
            Sim::Move { numero, to_shop } => {
                let sim = client.post(&path(&["sims", &numero, "move"], &[]), &json!({ "shop_id": to_shop }))?;
                printer.answer(&sim, |sim| balance(context, sim));
            }
            Sim::Capture { numero, money, cash, fee, reference, client: name, pending } => {
                let body = json!({
                    "kind": "capture", "amount": money.amount, "currency": money.currency, "cash": cash, "fee": fee,
                    "reference": reference, "client": name, "pending": pending,
                });
                printer
                    .answer(&client.post(&path(&["sims", &numero, "movements"], &[]), &without_nulls(body))?, movement);
            }
            Sim::Withdraw { numero, money, owed_by } => {
                let body = json!({
                    "kind": "withdrawal", "amount": money.amount, "currency": money.currency, "owed_by": owed_by,
                });
                printer
                    .answer(&client.post(&path(&["sims", &numero, "movements"], &[]), &without_nulls(body))?, movement);
            }
            Sim::Deposit { numero, money, phone } => {
                let body = json!({
                    "kind": "deposit", "amount": money.amount, "currency": money.currency, "phone": phone,
                });
                printer
                    .answer(&client.post(&path(&["sims", &numero, "movements"], &[]), &without_nulls(body))?, movement);
            }
            Sim::Validate { id } => {
                printer.answer(&client.post(&path(&["movements", &id, "validation"], &[]), &json!({}))?, movement);
            }
            Sim::Reimburse { id } => {
                printer.answer(&client.post(&path(&["movements", &id, "reimbursement"], &[]), &json!({}))?, movement);
            }
            Sim::Reverse { id, why } => {
                let body = json!({ "reason": why });
                printer.answer(&client.post(&path(&["movements", &id, "reversal"], &[]), &body)?, movement);
            }
            Sim::Movements { numero, limit, after } => {
                let query = [("limit", Some(limit.to_string())), ("after", after)];
                let page = client.get(&path(&["sims", &numero, "movements"], &query))?;
                printer.answer(&page, |page| movements(context, page));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn movement_line(context: &Context, movement: &Value) -> String {
    let counts = match movement.get("counts").is_some_and(|counts| counts == true) {
        true => context.printer.pick("compte dans le solde", "counts in the balance"),
        false => context.printer.pick("ne compte pas dans le solde", "does not count in the balance"),
    };
    format!(
        "{}  {} {} {} : {counts}",
        text(movement, "id"),
        text(movement, "kind"),
        text(movement, "amount"),
        text(movement, "currency"),
    )
}

fn movements(context: &Context, page: &Value) -> String {
    let printer = context.printer;
    let row = |movement: &Value| {
        let state = match movement.get("reversed").is_some_and(|reversed| reversed == true) {
            true => printer.pick("annulé", "reversed").to_owned(),
            false => text(movement, "state"),
        };
        vec![
            minute(movement, "at"),
            text(movement, "kind"),
            text(movement, "amount"),
            text(movement, "currency"),
            state,
            text(movement, "id"),
        ]
    };
    let rows: Vec<Vec<String>> = items(page).iter().map(row).collect();
    let head = [
        "UTC",
        printer.pick("Nature", "Kind"),
        printer.pick("Montant", "Amount"),
        "",
        printer.pick("État", "State"),
        "Id",
    ];
    let more = page.get("next").and_then(Value::as_str).map_or_else(String::new, |next| format!("\n--after {next}"));
    format!("{}{more}", table(&head, &rows, &[2]))
}

fn balance(context: &Context, sim: &Value) -> String {
    let printer = context.printer;
    let title = format!(
        "SIM {} ({}, {} {})",
        text(sim, "sim"),
        text(sim, "operator"),
        printer.pick("agence", "shop"),
        text(sim, "shop_id"),
    );
    let parts = [
        ("initial", printer.pick("Solde initial", "Opening balance")),
        ("captures", printer.pick("+ captures validées", "+ captures validated")),
        ("credits", printer.pick("- crédits accordés", "- credits granted")),
        ("withdrawals", printer.pick("- retraits virtuels", "- virtual withdrawals")),
        ("deposits", printer.pick("- dépôts clients", "- client deposits")),
        ("available", printer.pick("= disponible", "= available")),
    ];
    let part = |currency: &str, name: &str| {
        sim.pointer(&format!("/balances/{currency}")).map_or_else(String::new, |account| text(account, name))
    };
    let rows: Vec<Vec<String>> =
        parts.iter().map(|(name, label)| vec![(*label).to_owned(), part("USD", name), part("CDF", name)]).collect();
    format!("{title}\n{}\n{}", table(&["", "USD", "CDF"], &rows, &[1, 2]), in_hand(printer, sim))
}
