//! `device`: the devices of the network.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::client::path;
use super::failure::Failure;
use super::founding::without_nulls;
use super::output::{items, table, text};
use super::share::closing;

#[derive(Debug, Subcommand)]
pub(super) enum Device {
    /// Les appareils du réseau.
    List,
    /// Mettre fin aux connexions avec un appareil.
    Revoke {
        /// Son nom ou sa clé.
        device: String,
    },
    /// Fermer un appareil perdu : sa part et ses droits passent à un autre (depuis le gardien de l'agence).
    Close {
        /// Son nom ou sa clé.
        device: String,
        /// Qui prend la suite, de la même agence ; cet appareil si absent.
        #[arg(long, value_name = "APPAREIL")]
        successor: Option<String>,
        /// Fermer sans attendre que tous les autres aient noté jusqu'où ils ont son journal.
        #[arg(long)]
        insist: bool,
    },
    /// Nommer un appareil autrement.
    Rename {
        /// Son nom ou sa clé.
        device: String,
        /// Son nouveau nom.
        name: String,
    },
}

impl Device {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let client = context.client()?;
        let printer = context.printer;
        let answer = match self {
            Device::List => {
                let devices = client.get("/api/v1/devices")?;
                printer.answer(&devices, |devices| {
                    let row = |device: &serde_json::Value| {
                        let state = match device.get("revoked").is_some_and(|revoked| revoked == true) {
                            true => printer.pick("révoqué", "revoked"),
                            false if device.get("this_device").is_some_and(|this| this == true) => {
                                printer.pick("cet appareil", "this device")
                            }
                            false if device.get("connected").is_some_and(|connected| connected == true) => {
                                printer.pick("connecté", "connected")
                            }
                            false => "-",
                        };
                        let key: String = text(device, "key").chars().take(12).collect();
                        vec![text(device, "name"), text(device, "shop_id"), text(device, "role"), state.to_owned(), key]
                    };
                    let rows: Vec<Vec<String>> = items(devices).iter().map(row).collect();
                    let head = [
                        printer.pick("Appareil", "Device"),
                        printer.pick("Agence", "Shop"),
                        printer.pick("Rôle", "Role"),
                        printer.pick("État", "State"),
                        printer.pick("Clé", "Key"),
                    ];
                    table(&head, &rows, &[1])
                });
                return Ok(ExitCode::SUCCESS);
            }
            Device::Revoke { device } => client.delete(&path(&["devices", &device], &[]))?,
            Device::Close { device, successor, insist } => {
                let body = without_nulls(json!({ "successor": successor, "insist": insist }));
                let view = client.post(&path(&["devices", &device, "closing"], &[]), &body)?;
                printer.answer(&view, |view| closing(printer, view));
                return Ok(ExitCode::SUCCESS);
            }
            Device::Rename { device, name } => {
                client.patch(&path(&["devices", &device], &[]), &json!({ "name": name }))?
            }
        };
        printer.answer(&answer, |device| match device.get("revoked").is_some_and(|revoked| revoked == true) {
            true => format!("{} : {}", text(device, "name"), printer.pick("révoqué", "revoked")),
            false => text(device, "name"),
        });
        Ok(ExitCode::SUCCESS)
    }
}
