//! `status`, `peers`, `sync`, `verify`: the node itself.

use std::process::ExitCode;

use serde_json::json;

use super::Context;
use super::client::Client;
use super::failure::Failure;
use super::output::{Printer, card, items, minute, table, text};
use crate::http::Language;
use crate::node::Rescue;

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
            (printer.pick("Perdues", "Lost"), lost_entries(status)),
            (printer.pick("Conflits ouverts", "Open conflicts"), open_conflicts(printer, status)),
            (printer.pick("Empreinte", "Digest"), text(status, "state_digest").chars().take(16).collect()),
            ("Version", text(status, "version")),
        ])
    });
    Ok(ExitCode::SUCCESS)
}

/// How many conflicts nobody dealt with, and how to see them.
fn open_conflicts(printer: Printer, status: &serde_json::Value) -> String {
    match status.get("conflicts_open").and_then(serde_json::Value::as_u64).unwrap_or(0) {
        0 => "0".to_owned(),
        some => format!("{some} ({}ucash conflicts list)", printer.pick("pour les voir : ", "to see them: ")),
    }
}

/// How many entries a damaged store of this device has lost and nobody has brought back.
fn lost_entries(status: &serde_json::Value) -> String {
    let number = |lost: &serde_json::Value, name: &str| lost.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
    let lost = status.get("lost").and_then(|lost| lost.as_array()).into_iter().flatten();
    lost.map(|lost| (number(lost, "to") + 1).saturating_sub(number(lost, "from"))).sum::<u64>().to_string()
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
                    text(peer, "refused"),
                    minute(peer, "banned_until"),
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
            printer.pick("Refus", "Refused"),
            printer.pick("Écarté jusqu'à", "Left alone until"),
        ];
        table(&head, &rows, &[1, 5])
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

pub(super) fn verify(context: &Context, repair: bool) -> Result<ExitCode, Failure> {
    let printer = context.printer;
    let path = match repair {
        true => {
            printer.remark(printer.pick("Réparation...", "Repairing..."));
            if !Client::is_running(&context.data, printer.language) {
                let rescued = crate::node::repair(&context.data);
                let rescued = rescued.map_err(|error| Failure::of_node(&error, printer.language))?;
                rescued.iter().for_each(|rescue| tell_rescue(context, rescue));
            }
            "/api/v1/repair"
        }
        false => "/api/v1/verification",
    };
    printer.remark(printer.pick("Vérification de chaque écriture...", "Checking every entry..."));
    let found = context.client()?.post(path, &json!({}))?;
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

/// What was done about damaged data: what happened, what it means, what to do.
pub(super) fn tell_rescue(context: &Context, rescue: &Rescue) {
    let printer = context.printer;
    let kept = rescue.kept_in.as_ref().map_or_else(String::new, |path| path.display().to_string());
    printer.remark(&match printer.language {
        Language::French => format!(
            "Les données de cet appareil étaient endommagées ({}). {} écritures prouvées par leur signature ont été reprises ; l'ancienne base est gardée dans {kept}. Cet appareil continue sous une nouvelle vie, sans part des soldes : connectez-le aux autres, et faites clore l'ancienne vie par le gardien (ucash device close).",
            rescue.why, rescue.entries
        ),
        Language::English => format!(
            "This device's data were damaged ({}). {} entries proven by their signatures go on; the old database is kept in {kept}. This device goes on as a new life, without a share of any balance: connect it to the others, and have the keeper close the old life (ucash device close).",
            rescue.why, rescue.entries
        ),
    });
    for lost in &rescue.lost {
        let shop = lost.shop_id.map_or_else(
            || printer.pick("registre", "registry").to_owned(),
            |shop| format!("{} {shop}", printer.pick("agence", "shop")),
        );
        printer.remark(&match printer.language {
            Language::French => format!(
                "- perdues ici, à reprendre des autres appareils : écritures {} à {} de {} ({shop})",
                lost.from, lost.to, lost.device
            ),
            Language::English => format!(
                "- lost here, to be brought back by other devices: entries {} to {} of {} ({shop})",
                lost.from, lost.to, lost.device
            ),
        });
    }
    if !rescue.is_all_named {
        printer.remark(printer.pick(
            "- jusqu'où allaient les journaux n'est pas connu (le fichier heads manque ou est illisible) : d'autres écritures peuvent manquer. Connectez cet appareil aux autres avant de vous fier aux soldes.",
            "- how far the logs had come is not known (the heads file is missing or unreadable): more entries may be missing. Connect this device to the others before relying on balances.",
        ));
    }
    if rescue.own_records_lost {
        printer.remark(printer.pick(
            "- les réponses gardées par clé, les invitations ou les jetons sont peut-être incomplets : recréez les jetons, et vérifiez la liste avant de renvoyer une ancienne commande.",
            "- answers kept by key, invitations or tokens may be incomplete: make tokens anew, and look at the list before an old command is sent again.",
        ));
    }
}
