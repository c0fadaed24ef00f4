//! `status`, `peers`, `sync`, `verify`: the node itself.

use std::process::ExitCode;

use serde_json::json;

use super::Context;
use super::failure::Failure;
use super::output::{card, items, minute, table, text};

pub(super) fn status(context: &Context) -> Result<ExitCode, Failure> {
    let printer = context.printer;
    let status = context.client()?.get("/api/v1/status")?;
    printer.answer(&status, |status| {
        let peers = status.get("peers").and_then(|peers| peers.as_array()).map_or(0, |peers| {
            peers.iter().filter(|peer| peer.get("connected").is_some_and(|connected| connected == true)).count()
        });
        card(&[
            (printer.pick("Réseau", "Network"), text(status, "network")),
            (printer.pick("Agence", "Shop"), format!("{} {}", text(status, "shop_id"), text(status, "shop"))),
            (printer.pick("Appareil", "Device"), format!("{} ({})", text(status, "device"), text(status, "role"))),
            (printer.pick("Connectés", "Connected"), peers.to_string()),
            (printer.pick("Dernière synchro", "Last sync"), minute(status, "last_sync_time")),
            (printer.pick("En attente", "Pending"), text(status, "pending_count")),
            (printer.pick("Écart d'horloge", "Clock offset"), format!("{} ms", text(status, "clock_offset_ms"))),
            (printer.pick("Crédits", "Credits"), text(status, "credits")),
            (printer.pick("Écritures", "Entries"), text(status, "entries")),
            (printer.pick("Mises de côté", "Set aside"), text(status, "set_aside")),
            (printer.pick("Empreinte", "Digest"), text(status, "state_digest").chars().take(16).collect()),
            ("Version", text(status, "version")),
        ])
    });
    Ok(ExitCode::SUCCESS)
}

pub(super) fn peers(context: &Context) -> Result<ExitCode, Failure> {
    let printer = context.printer;
    let peers = context.client()?.get("/api/v1/peers")?;
    printer.answer(&peers, |peers| {
        let yes_no = |value: &serde_json::Value, name: &str| match value.get(name).and_then(|value| value.as_bool()) {
            Some(true) => printer.pick("oui", "yes").to_owned(),
            _ => printer.pick("non", "no").to_owned(),
        };
        let rows: Vec<Vec<String>> = items(peers)
            .iter()
            .map(|peer| {
                vec![
                    text(peer, "device"),
                    text(peer, "shop_id"),
                    yes_no(peer, "connected"),
                    yes_no(peer, "in_step"),
                    minute(peer, "last_sync_time"),
                ]
            })
            .collect();
        if rows.is_empty() {
            return printer
                .pick("Aucun autre appareil n'a encore été rencontré.", "No other device was met yet.")
                .to_owned();
        }
        let head = [
            printer.pick("Appareil", "Device"),
            printer.pick("Agence", "Shop"),
            printer.pick("Connecté", "Connected"),
            printer.pick("À jour", "In step"),
            printer.pick("Dernière synchro", "Last sync"),
        ];
        table(&head, &rows, &[1])
    });
    Ok(ExitCode::SUCCESS)
}

pub(super) fn sync(context: &Context) -> Result<ExitCode, Failure> {
    let printer = context.printer;
    let report = context.client()?.post("/api/v1/sync", &json!({}))?;
    printer.answer(&report, |report| {
        let [peers, in_step, sent, received] = ["peers", "in_step", "sent", "received"].map(|name| text(report, name));
        match peers.as_str() {
            "0" => printer
                .pick(
                    "Aucun pair joignable : rien n'a été échangé. Vérifiez que ce nœud tourne (ucash start) et qu'un autre appareil est allumé.",
                    "No peer reachable: nothing was exchanged. Check that this node runs (ucash start) and that another device is on.",
                )
                .to_owned(),
            _ => format!(
                "{}: {in_step}/{peers}. {}: {sent}. {}: {received}.",
                printer.pick("Pairs à jour", "Peers in step"),
                printer.pick("Écritures envoyées", "Entries sent"),
                printer.pick("reçues", "received"),
            ),
        }
    });
    Ok(ExitCode::SUCCESS)
}

pub(super) fn verify(context: &Context) -> Result<ExitCode, Failure> {
    let printer = context.printer;
    printer.remark(printer.pick("Vérification de chaque écriture...", "Checking every entry..."));
    let found = context.client()?.post("/api/v1/verification", &json!({}))?;
    let sound = found.get("sound").is_some_and(|sound| sound == true);
    printer.answer(&found, |found| {
        let counts = format!(
            "{} {}, {} {}, {} {}",
            text(found, "entries"),
            printer.pick("écritures", "entries"),
            text(found, "logs"),
            printer.pick("journaux", "logs"),
            text(found, "credits"),
            printer.pick("crédits", "credits"),
        );
        let faults = found.get("faults").and_then(|faults| faults.as_array()).cloned().unwrap_or_default();
        let faults: Vec<String> =
            faults.iter().filter_map(|fault| fault.as_str()).map(|fault| format!("- {fault}")).collect();
        match sound {
            true => format!("{counts} : {}", printer.pick("tout est exact.", "all is sound.")),
            false => format!("{counts} :\n{}", faults.join("\n")),
        }
    });
    Ok(ExitCode::from(u8::from(!sound)))
}
