//! `log show`, `doc show`: what is stored, readable; and `peers --watch`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use serde_json::Value;

use super::client::{Client, path};
use super::failure::Failure;
use super::output::{items, print_line, text, try_print_line};
use super::{Context, words};
use crate::http::messages::conflicts::reason as reason_in_words;

/// How often who watches asks again.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum Log {
    /// Les écritures, une par ligne : qui, quand, quoi, et ce qu'elles valent.
    Show {
        /// Celles de cette agence seulement.
        #[arg(long, value_name = "N", conflicts_with = "registry")]
        shop: Option<u32>,
        /// Celles du registre seulement.
        #[arg(long)]
        registry: bool,
        /// Celles de cet appareil seulement : son nom ou sa clé.
        #[arg(long)]
        device: Option<String>,
        /// À partir de ce numéro de chaque journal.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Au plus tant d'écritures.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Seulement celles qui sont mises de côté.
        #[arg(long)]
        set_aside: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Doc {
    /// Le document d'un crédit : chaque changement, de qui, quand, et ce qui en vaut.
    Show {
        /// L'identifiant ou la référence du crédit.
        credit: String,
    },
}

/// Most entries that the API gives at once.
const PAGE: usize = 1_000;

impl Log {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let Log::Show { shop, registry, device, from, limit, set_aside } = self;
        let client = context.client()?;
        let mut left = limit;
        let mut after = None;
        while left > 0 {
            let query = [
                ("from", Some(from.to_string())),
                ("registry", Some(registry.to_string())),
                ("set_aside", Some(set_aside.to_string())),
                ("shop", shop.map(|shop| shop.to_string())),
                ("device", device.clone()),
                ("limit", Some(left.min(PAGE).to_string())),
                ("after", after),
            ];
            let page = client.get(&path(&["log"], &query))?;
            for entry in items(&page) {
                // One value a line, for programs as for people: a log is long.
                print_line(&if context.printer.json { entry.to_string() } else { entry_line(context, entry) });
            }
            left = left.saturating_sub(items(&page).len());
            match page.get("next").and_then(Value::as_str) {
                Some(next) => after = Some(next.to_owned()),
                None => break,
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Doc {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let Doc::Show { credit } = self;
        let document = context.client()?.get(&path(&["documents", &credit], &[]))?;
        let printer = context.printer;
        printer.answer(&document, |document| {
            let mut lines = vec![format!("{} ({})", text(document, "reference"), text(document, "id"))];
            let changes = document.get("changes").and_then(Value::as_array).cloned().unwrap_or_default();
            for change in &changes {
                let list = |name: &str| -> String {
                    let all = change.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
                    all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
                };
                lines.push(String::new());
                lines.push(entry_line(context, change.get("entry").unwrap_or(&Value::Null)));
                lines.push(format!(
                    "    {} {}, {} {} ({} {}, {} {})",
                    printer.pick("changement", "change"),
                    text(change, "hash"),
                    printer.pick("acteur", "actor"),
                    text(change, "actor"),
                    printer.pick("son n°", "its no."),
                    text(change, "sequence"),
                    printer.pick("opérations dès", "operations from"),
                    text(change, "start_op"),
                ));
                let before = list("dependencies");
                if !before.is_empty() {
                    lines.push(format!("    {} {before}", printer.pick("après", "after")));
                }
                let stands = list("stands_in");
                if !stands.is_empty() {
                    lines.push(format!("    {} {stands}", printer.pick("vaut dans :", "stands in:")));
                }
            }
            lines.join("\n")
        });
        Ok(ExitCode::SUCCESS)
    }
}

/// An entry on one line: where it stands, when, who, what.
fn entry_line(context: &Context, entry: &Value) -> String {
    let printer = context.printer;
    let place = match entry.get("shop_id").and_then(Value::as_u64) {
        Some(shop) => format!("{} {shop}", printer.pick("agence", "shop")),
        None => printer.pick("registre", "registry").to_owned(),
    };
    let pick = |french, english| printer.pick(french, english);
    let (kind, reason) = (text(entry, "kind"), text(entry, "reason"));
    let (kind, reason) = (words::kind(&kind, pick), reason_in_words(&reason, printer.language));
    let verdict = match text(entry, "verdict").as_str() {
        "counts" => String::new(),
        "waits" => format!(" [{}]", printer.pick("attend ce qui la précède", "waits for what precedes it")),
        _ => format!(" [{} : {}]", printer.pick("mise de côté", "set aside"), reason),
    };
    let agent = entry.get("agent").and_then(Value::as_str).map_or(String::new(), |agent| format!(" ({agent})"));
    format!(
        "{place} · {}{agent} · n° {} · {} · {} · {} {}{verdict}",
        text(entry, "device"),
        text(entry, "number"),
        text(entry, "wall"),
        text(entry, "document"),
        kind,
        entry.get("sets").map(Value::to_string).unwrap_or_default(),
    )
}

/// Prints each device that this node is or was in contact with, and again whenever something changes, until Ctrl-C or
/// until nobody reads any more.
#[expect(clippy::disallowed_methods, reason = "a command that waits between two looks")]
pub(super) fn watch_peers(context: &Context) -> Result<ExitCode, Failure> {
    let printer = context.printer;
    // Without a node nobody comes or goes, and a store held open for ever would keep `ucash start` out.
    if !Client::is_running(&context.data, printer.language) {
        return Err(Failure::new(
            "node_not_running",
            printer.pick(
                "Aucun nœud ne tourne sur ce répertoire : personne ne peut arriver ni partir. Lancez ucash start, puis recommencez.",
                "No node runs on this directory: nobody can come or go. Run ucash start, then try again.",
            ),
        ));
    }
    let client = context.client()?;
    printer.remark(printer.pick("Ctrl-C pour finir.", "Ctrl-C ends it."));
    let mut known = BTreeMap::new();
    loop {
        for peer in news(&mut known, items(&client.get("/api/v1/peers")?)) {
            let line = if printer.json { peer.to_string() } else { peer_line(context, &peer) };
            if try_print_line(&line).is_err() {
                return Ok(ExitCode::SUCCESS);
            }
        }
        std::thread::sleep(WATCH_PAUSE);
    }
}

/// What is new about whom; who is no longer told of is away.
fn news(known: &mut BTreeMap<String, Value>, peers: &[Value]) -> Vec<Value> {
    let mut told = Vec::new();
    let mut before = std::mem::take(known);
    for peer in peers {
        let mut state = peer.clone();
        // That it was heard again is no news.
        state.as_object_mut().into_iter().for_each(|state| drop(state.remove("last_sync_time")));
        let key = text(peer, "device_key");
        if before.remove(&key).as_ref() != Some(&state) {
            told.push(peer.clone());
        }
        known.insert(key, state);
    }
    for mut gone in before.into_values() {
        gone["connected"] = Value::Bool(false);
        gone["in_step"] = Value::Bool(false);
        told.push(gone);
    }
    told
}

fn peer_line(context: &Context, peer: &Value) -> String {
    let printer = context.printer;
    let is = |name: &str| peer.get(name).is_some_and(|value| value == true);
    let there = if is("connected") { printer.pick("connecté", "connected") } else { printer.pick("absent", "away") };
    let step =
        if is("in_step") { printer.pick("à jour", "in step") } else { printer.pick("pas à jour", "not in step") };
    format!("{} · {there} · {step}", text(peer, "device"))
}
