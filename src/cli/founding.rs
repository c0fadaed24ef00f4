//! `init`, `invite`, `join`: how networks and their devices begin.

use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::Context;
use super::client::path;
use super::failure::Failure;
use super::moments::duration;
use super::output::{card, text};
use crate::http::Language;
use crate::membership::{Invitation, InvitationError};
use crate::model::ShopId;
use crate::node::net::Multiaddr;
use crate::node::{self, FoundOptions, JoinOptions};
use crate::replica::Founder;

/// What reads times that bear no zone, unless told otherwise.
pub(super) const ZONE_DEFAULT: &str = "Africa/Lubumbashi";

#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// Le nom de l'entreprise.
    #[arg(long)]
    network: String,
    /// Le nom de la première agence.
    #[arg(long)]
    shop: String,
    /// Son numéro.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    shop_id: u32,
    /// Le nom de cet appareil.
    #[arg(long)]
    device: Option<String>,
    /// Le fuseau qui lit les heures sans fuseau.
    #[arg(long, default_value = ZONE_DEFAULT)]
    time_zone: chrono_tz::Tz,
}

impl Init {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let founder = Founder {
            network: self.network,
            time_zone: self.time_zone.name().to_owned(),
            shop: ShopId(self.shop_id),
            shop_name: self.shop,
            device_name: self.device.unwrap_or_else(device_name),
        };
        let founded = node::found(&context.data, &FoundOptions { founder });
        drop(founded.map_err(|error| Failure::of_node(&error, context.printer.language))?);
        let status = context.client()?.get("/api/v1/status")?;
        context.printer.answer(&status, |status| {
            let title = context.printer.pick(
                "Réseau fondé. Cet appareil en est le siège.",
                "Network founded. This device is its head office.",
            );
            let next = context.printer.pick(
                "Ensuite : ucash start, puis ucash invite pour chaque autre appareil.",
                "Next: ucash start, then ucash invite for each further device.",
            );
            format!("{title}\n{}\n{next}", who(context, status))
        });
        Ok(ExitCode::SUCCESS)
    }
}

fn who(context: &Context, status: &Value) -> String {
    let printer = context.printer;
    card(&[
        (printer.pick("Réseau", "Network"), text(status, "network")),
        (printer.pick("Agence", "Shop"), format!("{} {}", text(status, "shop_id"), text(status, "shop"))),
        (printer.pick("Appareil", "Device"), text(status, "device")),
        (printer.pick("Rôle", "Role"), text(status, "role")),
    ])
}

/// The name of this machine, as its users know it.
pub(super) fn device_name() -> String {
    let set = |name| std::env::var(name).ok();
    let read = || std::fs::read_to_string("/etc/hostname").ok();
    let name = set("HOSTNAME").or_else(|| set("COMPUTERNAME")).or_else(read).unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| !c.is_control()).take(60).collect();
    if name.is_empty() { "appareil".to_owned() } else { name }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum InvitedRole {
    Device,
    Relay,
    Auditor,
    Manager,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Read {
    Own,
    All,
}

#[derive(Debug, clap::Args)]
pub(super) struct Invite {
    /// L'agence de l'appareil invité ; la nôtre si absent.
    #[arg(long, conflicts_with = "new_shop")]
    shop: Option<u32>,
    /// Ouvrir pour lui une agence de ce nom.
    #[arg(long)]
    new_shop: Option<String>,
    /// Le numéro de la nouvelle agence.
    #[arg(long, requires = "new_shop")]
    shop_id: Option<u32>,
    /// Ce qu'il pourra faire.
    #[arg(long, value_enum, default_value = "device")]
    role: InvitedRole,
    /// Ce qu'il pourra lire.
    #[arg(long, value_enum, default_value = "all")]
    read: Read,
    /// Combien de temps l'invitation reste valable.
    #[arg(long, default_value = "15m", value_parser = duration)]
    expires: Duration,
}

impl Invite {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let word =
            |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| value().map(|value| value.get_name().to_owned());
        let body = json!({
            "shop_id": self.shop.or(self.shop_id),
            "new_shop": self.new_shop,
            "role": word(&|| self.role.to_possible_value()),
            "read": word(&|| self.read.to_possible_value()),
            "expires": format!("{}s", self.expires.as_secs().max(1)),
        });
        let answer = context.client()?.post(&path(&["invitations"], &[]), &without_nulls(body))?;
        context.printer.answer(&answer, |answer| {
            let invitation = text(answer, "invitation");
            let valid = context.printer.pick("Sert une seule fois, jusqu'au", "Serves once, until");
            let picture =
                if std::io::IsTerminal::is_terminal(&std::io::stdout()) { picture(&invitation) } else { String::new() };
            format!("{picture}{invitation}\n{valid} {}", text(answer, "expires_at"))
        });
        Ok(ExitCode::SUCCESS)
    }
}

/// The QR code of an invitation, in upper case so that it takes fewer squares.
fn picture(invitation: &str) -> String {
    use qrcode::render::unicode::Dense1x2;
    match qrcode::QrCode::new(invitation.to_uppercase()) {
        // Light on dark: most terminals are dark, and cameras read both.
        Ok(code) => {
            let picture = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
            format!("{picture}\n")
        }
        Err(_) => String::new(),
    }
}

/// The members that say something.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Join {
    /// L'invitation, `ucash1...`.
    invitation: String,
    /// Où joindre l'appareil qui a invité, en plus de ce que dit l'invitation.
    #[arg(long, value_name = "MULTIADDR")]
    peer: Vec<Multiaddr>,
    /// Le nom de cet appareil.
    #[arg(long)]
    device: Option<String>,
    /// Ne pas chercher sur le réseau local.
    #[arg(long)]
    no_mdns: bool,
}

impl Join {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let printer = context.printer;
        let invitation =
            Invitation::from_text(&self.invitation).map_err(|error| unreadable(error, printer.language))?;
        let options = JoinOptions {
            invitation,
            peers: self.peer,
            name: self.device.unwrap_or_else(device_name),
            mdns: !self.no_mdns,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| Failure::system(printer.language, "tokio", error))?;
        printer
            .remark(printer.pick("À la recherche de l'appareil qui a invité...", "Looking for the inviting device..."));
        let joined = runtime.block_on(node::join(&context.data, options));
        drop(joined.map_err(|error| Failure::of_node(&error, printer.language))?);
        let status = context.client()?.get("/api/v1/status")?;
        printer.answer(&status, |status| {
            let title = printer.pick("Cet appareil fait partie du réseau.", "This device belongs to the network.");
            let next = printer.pick("Ensuite :", "Next:");
            let command = if status["role"] == "relay" { "relay" } else { "start" };
            format!("{title}\n{}\n{next} ucash {command}", who(context, status))
        });
        Ok(ExitCode::SUCCESS)
    }
}

fn unreadable(error: InvitationError, language: Language) -> Failure {
    let (french, english) = match error {
        InvitationError::NotAnInvitation => (
            "Ce texte n'est pas une invitation : elles commencent par « ucash1 ». Recopiez-la en entier.",
            "This text is no invitation: they begin with \"ucash1\". Copy all of it.",
        ),
        InvitationError::Mistyped => (
            "L'invitation est incomplète ou mal recopiée. Recopiez-la en entier, ou demandez-en une nouvelle.",
            "The invitation is incomplete or mistyped. Copy all of it, or ask for a new one.",
        ),
        InvitationError::Malformed => (
            "L'invitation vient d'une autre version d'ucash. Mettez les deux appareils à jour.",
            "The invitation comes from another version of ucash. Update both devices.",
        ),
    };
    Failure::new("invitation_unreadable", if language == Language::French { french } else { english })
}
