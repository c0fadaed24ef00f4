//! Shares and closings as people read them: who may spend what of a SIM, and how far the closing of a device is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::output::{Printer, minute, table, text};
use crate::http::Language;

const CURRENCIES: [&str; 2] = ["USD", "CDF"];

/// Who holds how much of a SIM, then what is on its way.
pub(super) fn shares(printer: Printer, view: &Value) -> String {
    let head = [
        printer.pick("Appareil", "Device"),
        "USD",
        "CDF",
        printer.pick("Vu (UTC)", "Seen (UTC)"),
        printer.pick("État", "State"),
    ];
    let title = format!("SIM {} ({} {})", text(view, "sim"), printer.pick("agence", "shop"), text(view, "shop_id"));
    let rows: Vec<Vec<String>> = holders(view).iter().map(|holder| holder.row(printer)).collect();
    let mut lines = vec![title, table(&head, &rows, &[1, 2])];
    for currency in CURRENCIES {
        for gift in list(view, "/on_the_way", currency) {
            lines.push(format!(
                "{} : {} {currency}, {} → {}",
                printer.pick("En chemin", "On its way"),
                text(gift, "amount"),
                text(gift, "from"),
                text(gift, "to"),
            ));
        }
    }
    for currency in CURRENCIES {
        let back = view.pointer(&format!("/coming_back/{currency}")).and_then(Value::as_str);
        if let Some(back) = back.filter(|back| !is_zero(back)) {
            lines.push(format!(
                "{} : {back} {currency} ({})",
                printer.pick("En retour", "Coming back"),
                printer.pick(
                    "crédits annulés ; leur appareil les rend quand les autres le savent, ou par ucash credit return",
                    "cancelled credits; their device returns them once the others know, or by ucash credit return",
                ),
            ));
        }
    }
    lines.join("\n")
}

/// One life of a device's store, and its share in each currency.
struct Holder<'a> {
    about: &'a Value,
    shares: BTreeMap<&'static str, String>,
}

impl Holder<'_> {
    fn row(&self, printer: Printer) -> Vec<String> {
        let is = |name: &str| self.about.get(name).is_some_and(|value| value == true);
        let state = if is("closed") {
            printer.pick("fermé", "closed")
        } else if is("this_device") {
            printer.pick("cet appareil", "this device")
        } else if is("connected") {
            printer.pick("en contact", "in contact")
        } else {
            printer.pick("pas en contact", "not in contact")
        };
        let never = self.about.get("last_seen").is_none_or(Value::is_null);
        let seen = if never { printer.pick("jamais", "never").to_owned() } else { minute(self.about, "last_seen") };
        let share = |currency: &str| self.shares.get(currency).cloned().unwrap_or_else(|| "-".to_owned());
        vec![text(self.about, "device"), share("USD"), share("CDF"), seen, state.to_owned()]
    }
}

/// The holders of both currencies, this device's share first.
fn holders(view: &Value) -> Vec<Holder<'_>> {
    let mut holders: Vec<Holder<'_>> = Vec::new();
    let same = |left: &Value, right: &Value| {
        ["device_key", "this_device", "closed"].iter().all(|name| left.get(name) == right.get(name))
    };
    for currency in CURRENCIES {
        for about in list(view, "/shares", currency) {
            // Two old lives of one device look alike: each keeps a line of its own.
            let known = holders.iter_mut().find(|one| same(one.about, about) && !one.shares.contains_key(currency));
            match known {
                Some(holder) => drop(holder.shares.insert(currency, text(about, "share"))),
                None => {
                    holders.push(Holder { about, shares: BTreeMap::from([(currency, text(about, "share"))]) });
                }
            }
        }
    }
    holders.sort_by_key(|holder| holder.about.get("this_device").is_none_or(|this| this != true));
    holders
}

fn list<'a>(view: &'a Value, member: &str, currency: &str) -> &'a [Value] {
    let found = view.pointer(&format!("{member}/{currency}")).and_then(Value::as_array);
    found.map(Vec::as_slice).unwrap_or_default()
}

/// Whether a decimal text says nothing but zero.
fn is_zero(amount: &str) -> bool {
    amount.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

/// What a SIM holds and what of it this device may spend, in sentences.
pub(super) fn in_hand(printer: Printer, sim: &Value) -> String {
    let mut lines = Vec::new();
    let mut elsewhere = false;
    for currency in CURRENCIES {
        let Some(account) = sim.pointer(&format!("/balances/{currency}")) else { continue };
        let (available, share) = (text(account, "available"), text(account, "this_device"));
        if is_zero(&available) && is_zero(&share) {
            continue;
        }
        lines.push(format!(
            "{} {available} {currency} ; {} {share} {currency}.",
            printer.pick("La SIM contient", "The SIM holds"),
            printer.pick("cet appareil peut en dépenser", "this device may spend"),
        ));
        lines.extend(bounds(printer, account, currency));
        elsewhere |= available != share;
    }
    if elsewhere {
        lines.push(format!(
            "{} : ucash sim share {}",
            printer.pick(
                "Le reste est chez d'autres appareils, ou en chemin. Qui le détient",
                "The rest is with other devices, or on its way. Who holds it"
            ),
            text(sim, "sim"),
        ));
    }
    lines.join("\n")
}

/// What a balance is at least and at most while a device is silent, and since when it is; nothing where both are one.
fn bounds(printer: Printer, account: &Value, currency: &str) -> Option<String> {
    let heard = account.get("oldest_heard").filter(|heard| !heard.is_null())?;
    let (least, most) = (text(account, "at_least"), text(account, "at_most"));
    if least == most {
        return None;
    }
    let (device, at) = (text(heard, "device"), minute(heard, "at"));
    let is_known = heard.get("at").is_some_and(Value::is_string);
    Some(match (printer.language, is_known) {
        (Language::French, true) => format!(
            "Au moins {least}, au plus {most} {currency} : « {device} » n'a pas donné de nouvelles depuis le {at} (UTC)."
        ),
        (Language::English, true) => {
            format!("At least {least}, at most {most} {currency}: nothing was heard of \"{device}\" since {at} (UTC).")
        }
        (Language::French, false) => {
            format!("Au moins {least}, au plus {most} {currency} : « {device} » n'a encore jamais donné de nouvelles.")
        }
        (Language::English, false) => {
            format!("At least {least}, at most {most} {currency}: nothing was ever heard of \"{device}\".")
        }
    })
}

/// What a balance is where it stands in a table: one amount, or from how much to how much.
pub(super) fn span(account: &Value) -> String {
    let (least, most) = (text(account, "at_least"), text(account, "at_most"));
    if least == most { text(account, "available") } else { format!("{least} – {most}") }
}

/// How far the closing of a device is: what holds it up, what is at stake, what to do.
pub(super) fn closing(printer: Printer, view: &Value) -> String {
    let (device, successor) = (text(view, "device"), text(view, "successor"));
    let waiting: Vec<String> = view
        .get("waiting_for")
        .and_then(Value::as_array)
        .map_or_else(Vec::new, |names| names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect());
    let closed = view.get("state").is_some_and(|state| state == "closed");
    let insisted = view.get("insisted").is_some_and(|insisted| insisted == true);
    let mut lines = Vec::new();
    if closed {
        lines.push(match printer.language {
            Language::French => format!(
                "« {device} » est fermé : son journal compte jusqu'à l'entrée {}. « {successor} » prend la suite.",
                text(view, "end")
            ),
            Language::English => format!(
                "\"{device}\" is closed: its log counts up to entry {}. \"{successor}\" takes over.",
                text(view, "end")
            ),
        });
    } else {
        lines.push(match printer.language {
            Language::French => format!(
                "« {device} » est arrêté, pas encore fermé ; « {successor} » prendra la suite.\n\
                 On attend que notent jusqu'où ils ont son journal : {}.",
                waiting.join(", ")
            ),
            Language::English => format!(
                "\"{device}\" is stopped, not closed yet; \"{successor}\" will take over.\n\
                 Waiting for these to record how far they hold its log: {}.",
                waiting.join(", ")
            ),
        });
    }
    lines.extend(exposure(printer, view, closed));
    lines.push(next_step(printer, &device, &successor, closed, insisted));
    lines.join("\n")
}

fn exposure(printer: Printer, view: &Value, closed: bool) -> Option<String> {
    let exposed = view.get("exposure").and_then(Value::as_array).filter(|list| !list.is_empty())?;
    let row = |one: &Value| vec![text(one, "sim"), text(one, "share"), text(one, "currency")];
    let rows: Vec<Vec<String>> = exposed.iter().map(row).collect();
    let title = if closed {
        printer.pick("Ce qui passera à la suite :", "What will pass over:")
    } else {
        printer.pick(
            "En jeu tant qu'il n'est pas fermé (d'après ce qu'on sait de lui) :",
            "At stake until it is closed (as far as it is known):",
        )
    };
    Some(format!("{title}\n{}", table(&["SIM", printer.pick("Part", "Share"), ""], &rows, &[1])))
}

fn next_step(printer: Printer, device: &str, successor: &str, closed: bool, insisted: bool) -> String {
    match (printer.language, closed, insisted) {
        (Language::French, false, _) => format!(
            "Ensuite : rien, si ces appareils se connectent ; la fermeture se fera d'elle-même. S'ils ne reviennent pas :\n\
             ucash device close {device} --insist (ce que l'appareil perdu a donné sans qu'on le sache sera alors à la charge\n\
             de « {successor} »)."
        ),
        (Language::English, false, _) => format!(
            "Next: nothing, if these devices connect; it will then close by itself. If they do not come back:\n\
             ucash device close {device} --insist (what the lost device gave unknown to the others is then borne by\n\
             \"{successor}\")."
        ),
        (Language::French, true, true) => format!(
            "Attention : fermé sans attendre tous les autres. Ce que l'appareil perdu a donné au-delà de cette entrée et que\n\
             d'autres ont pris reste pris, et c'est « {successor} » qui le supporte : sa part peut tomber sous zéro, et il ne\n\
             dépense alors plus rien jusqu'à ce qu'elle soit comblée. Les paiements reçus par l'appareil perdu comptent toujours."
        ),
        (Language::English, true, true) => format!(
            "Mind: closed without waiting for all the others. What the lost device gave beyond that entry and others took stays\n\
             taken, and \"{successor}\" bears it: its share may fall below zero, and it then spends nothing until that is made\n\
             up. Payments that the lost device received count all the same."
        ),
        (Language::French, true, false) => format!(
            "Ensuite : rien. Si « {device} » reparaît, ce qu'il a fait après cette entrée est sans effet, sauf les paiements\n\
             reçus, et il repart avec une part nulle."
        ),
        (Language::English, true, false) => format!(
            "Next: nothing. If \"{device}\" turns up again, what it did after that entry has no effect but for payments\n\
             received, and it goes on with a share of zero."
        ),
    }
}
