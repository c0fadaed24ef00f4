//! `conflicts`: what devices apart decided differently, and what a person decides about it.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::Context;
use super::client::path;
use super::failure::Failure;
use super::output::{Printer, card, items, minute, text};
use crate::http::messages::conflicts::decision_named;

#[derive(Debug, Subcommand)]
pub(super) enum Conflicts {
    /// Ceux que personne n'a encore traités.
    List(List),
    /// Un conflit : ce qui s'est passé, ce qui a été décidé, ce qui reste à faire.
    Show {
        /// Son id.
        id: String,
    },
    /// Marquer un conflit comme traité, ou en décider autrement.
    Resolve(Resolve),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// D'une agence.
    #[arg(long)]
    shop: Option<u32>,
    /// D'un type : paid_cancelled, overpaid, same_reference...
    #[arg(long)]
    kind: Option<String>,
    /// Aussi ceux qui sont traités.
    #[arg(long, conflicts_with = "handled")]
    all: bool,
    /// Seulement ceux qui sont traités.
    #[arg(long)]
    handled: bool,
    /// Combien, au plus 1000.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Où la page précédente s'est arrêtée.
    #[arg(long)]
    after: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Resolve {
    /// Son id.
    id: String,
    /// handled, give_back, reinstate, cancel, renumber=RÉFÉRENCE ou take=N (le côté, compté à partir de 1).
    #[arg(long, default_value = "handled")]
    decision: String,
    /// Pourquoi.
    #[arg(long)]
    why: String,
    /// Qui décide.
    #[arg(long)]
    agent: Option<String>,
}

impl Conflicts {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let client = context.client()?;
        let printer = context.printer;
        match self {
            Conflicts::List(list) => {
                let page = client.get(&list.path())?;
                printer.answer(&page, |page| listed(&printer, page));
            }
            Conflicts::Show { id } => {
                let conflict = client.get(&path(&["conflicts", &id], &[]))?;
                printer.answer(&conflict, |conflict| told(&printer, conflict));
            }
            Conflicts::Resolve(resolve) => {
                let target = path(&["conflicts", &resolve.id, "resolution"], &[]);
                let conflict = client.post(&target, &resolve.body())?;
                printer.answer(&conflict, |conflict| told(&printer, conflict));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    fn path(self) -> String {
        let handled = match (self.all, self.handled) {
            (true, _) => None,
            (false, handled) => Some(handled.to_string()),
        };
        let parameters = [
            ("shop", self.shop.map(|shop| shop.to_string())),
            ("kind", self.kind),
            ("handled", handled),
            ("limit", Some(self.limit.to_string())),
            ("after", self.after),
        ];
        path(&["conflicts"], &parameters)
    }
}

impl Resolve {
    /// What belongs to a decision stands after `=` here, and in a field of its own there.
    fn body(self) -> Value {
        let mut body = Map::new();
        let (word, with) = match self.decision.split_once('=') {
            Some((word, with)) => (word.to_owned(), Some(with.to_owned())),
            None => (self.decision, None),
        };
        match (word.as_str(), with) {
            // What is no number is sent as it is: the answer says what is wrong with it.
            ("take", Some(side)) => {
                body.insert("side".to_owned(), side.parse::<u64>().map_or(json!(side), |side| json!(side)));
            }
            (_, Some(reference)) => {
                body.insert("reference".to_owned(), json!(reference));
            }
            (_, None) => {}
        }
        body.insert("decision".to_owned(), json!(word));
        body.insert("reason".to_owned(), json!(self.why));
        if let Some(agent) = self.agent {
            body.insert("agent".to_owned(), json!(agent));
        }
        Value::Object(body)
    }
}

fn listed(printer: &Printer, page: &Value) -> String {
    let one = |conflict: &Value| {
        let todo = printer.pick("À faire", "To do");
        let head = format!("{}  {}", text(conflict, "id"), text(conflict, "kind"));
        format!("{head}\n  {}\n  {todo}{}{}", text(conflict, "summary"), colon(printer), text(conflict, "todo"))
    };
    let all: Vec<String> = items(page).iter().map(one).collect();
    let more = page.get("next").and_then(Value::as_str).map_or_else(String::new, |next| format!("\n\n--after {next}"));
    if all.is_empty() && more.is_empty() {
        return printer.pick("Aucun conflit ne correspond.", "No conflict matches.").to_owned();
    }
    format!("{}{more}", all.join("\n\n"))
}

fn colon(printer: &Printer) -> &'static str {
    match printer.language {
        crate::http::Language::French => " : ",
        crate::http::Language::English => ": ",
    }
}

fn told(printer: &Printer, conflict: &Value) -> String {
    format!("{}{}", facts(printer, conflict), open(printer, conflict))
}

/// A conflict without what may be done about it.
pub(super) fn facts(printer: &Printer, conflict: &Value) -> String {
    let mut fields = vec![
        (printer.pick("Conflit", "Conflict"), format!("{}  {}", text(conflict, "id"), text(conflict, "kind"))),
        (printer.pick("Ce qui s'est passé", "What happened"), text(conflict, "summary")),
        (printer.pick("Décision", "Decision"), text(conflict, "decision")),
        (printer.pick("Règle", "Rule"), text(conflict, "rule")),
        (printer.pick("À faire", "To do"), text(conflict, "todo")),
    ];
    if let Some(credit) = conflict.get("credit").filter(|credit| !credit.is_null()) {
        fields.insert(1, (printer.pick("Crédit", "Credit"), text(credit, "reference")));
    }
    if let Some(handled) = conflict.get("handled").filter(|handled| !handled.is_null()) {
        let who = match handled.get("agent").and_then(Value::as_str) {
            Some(agent) => format!("{agent} ({})", text(handled, "device")),
            None => text(handled, "device"),
        };
        let decision = text(handled, "decision");
        let line = format!("{who}, {} UTC · {decision} · {}", minute(handled, "at"), text(handled, "why"));
        fields.push((printer.pick("Traité par", "Dealt with by"), line));
    }
    let sides = conflict.get("sides").and_then(Value::as_array).cloned().unwrap_or_default();
    let sides: Vec<String> = sides.iter().zip(1..).map(|(side, number)| side_line(side, number)).collect();
    let sides = format!("\n\n{}\n{}", printer.pick("Les côtés", "The sides"), sides.join("\n"));
    format!("{}{sides}", card(&fields))
}

fn side_line(side: &Value, number: u32) -> String {
    let who = match side.get("agent").and_then(Value::as_str) {
        Some(agent) => format!("{agent} ({})", text(side, "device")),
        None => text(side, "device"),
    };
    let when = match side.get("at").is_some_and(Value::is_string) {
        true => format!(", {} UTC", minute(side, "at")),
        false => String::new(),
    };
    format!("{number}. {who}{when} : {}", text(side, "value"))
}

/// What may be decided and how that is said, while nobody has.
fn open(printer: &Printer, conflict: &Value) -> String {
    if conflict.get("handled").is_some_and(|handled| !handled.is_null()) {
        return String::new();
    }
    let decisions = conflict.get("decisions").and_then(Value::as_array).cloned().unwrap_or_default();
    let line = |word: &Value| {
        let word = word.as_str().unwrap_or_default();
        let with = match word {
            "renumber" => printer.pick("=RÉFÉRENCE", "=REFERENCE"),
            "take" => "=N",
            _ => "",
        };
        format!("  --decision {word}{with}: {}", decision_named(word, printer.language))
    };
    let lines: Vec<String> = decisions.iter().map(line).collect();
    let head = printer.pick("Pour le traiter", "To deal with it");
    let why = printer.pick("RAISON", "REASON");
    format!(
        "\n\n{head}{}ucash conflicts resolve {} --why {why}\n{}",
        colon(printer),
        text(conflict, "id"),
        lines.join("\n")
    )
}
