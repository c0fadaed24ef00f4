//! What people and the world do in the lab, in words: an operation, a link, a clock.
//!
//! It must never judge: what came of it is said elsewhere.

use std::collections::BTreeMap;

use crate::http::Language;
use crate::lab::scenario::{Action, Names};
use crate::model::{Edit, MovementKind, Timestamp};
use crate::replica::Command;

/// Somebody who tells what happened, in one language, with the names that the reader knows.
#[derive(Debug)]
pub(super) struct Speaker<'a> {
    pub language: Language,
    /// Names by ids and keys.
    pub names: &'a BTreeMap<String, String>,
}

impl Speaker<'_> {
    fn pick(&self, french: String, english: String) -> String {
        match self.language {
            Language::French => french,
            Language::English => english,
        }
    }

    /// The name of an id or key; itself if it has none.
    pub fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.names.get(id).map_or(id, String::as_str)
    }

    /// What a device is asked to do, to be read after who asks.
    pub fn command(&self, command: &Command) -> String {
        match command {
            Command::Grant(request) => {
                let (reference, amount, sim) = (&request.reference, request.amount, &request.sim);
                let (to, code) = (&request.beneficiary.name, amount.currency());
                let amount = amount.to_decimal_string();
                self.pick(
                    format!("accorde le crédit {reference} : {amount} {code} à {to}, de la SIM {sim}"),
                    format!("grants credit {reference}: {amount} {code} to {to}, from SIM {sim}"),
                )
            }
            Command::Pay { credit, amount, .. } => {
                let credit = self.name(credit);
                self.pick(
                    format!("encaisse {amount} pour le crédit {credit}"),
                    format!("takes a payment of {amount} for credit {credit}"),
                )
            }
            Command::ReversePayment { credit, payment, .. } => {
                let (credit, payment) = (self.name(credit), self.name(payment));
                self.pick(
                    format!("contre-passe le paiement {payment} du crédit {credit}"),
                    format!("reverses payment {payment} of credit {credit}"),
                )
            }
            Command::Cancel { credit, .. } => {
                let credit = self.name(credit);
                self.pick(format!("annule le crédit {credit}"), format!("cancels credit {credit}"))
            }
            Command::ReturnCredit { credit } => {
                let credit = self.name(credit);
                self.pick(
                    format!("rend tout de suite le montant du crédit annulé {credit}"),
                    format!("returns the amount of the cancelled credit {credit} at once"),
                )
            }
            Command::Edit { credit, edits, .. } => {
                let credit = self.name(credit);
                let edits: Vec<String> = edits.iter().map(|edit| self.edit(edit)).collect();
                let edits = edits.join(", ");
                self.pick(format!("modifie le crédit {credit} : {edits}"), format!("edits credit {credit}: {edits}"))
            }
            Command::Resolve { conflict, decision, .. } => {
                let decision = decision.to_text();
                self.pick(
                    format!("décide du conflit {conflict} : {decision}"),
                    format!("decides about conflict {conflict}: {decision}"),
                )
            }
            other => self.sims(other),
        }
    }

    fn edit(&self, edit: &Edit) -> String {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        match edit {
            Edit::Name(text) => self.pick(format!("nom « {text} »"), format!("name \"{text}\"")),
            Edit::Phone(text) => {
                let text = or_none(text);
                self.pick(format!("téléphone {text}"), format!("phone {text}"))
            }
            Edit::Address(text) => {
                let text = or_none(text);
                self.pick(format!("adresse « {text} »"), format!("address \"{text}\""))
            }
            Edit::DueAt(time) => {
                let text = or_none(&time.map(|time| Timestamp::to_rfc3339(time).chars().take(10).collect()));
                self.pick(format!("échéance {text}"), format!("due {text}"))
            }
            Edit::Notes(text) => {
                let text = or_none(text);
                self.pick(format!("note « {text} »"), format!("note \"{text}\""))
            }
        }
    }

    fn sims(&self, command: &Command) -> String {
        match command {
            Command::Move { sim, kind, .. } => {
                let amount = kind.amount();
                let amount = format!("{} {}", amount.to_decimal_string(), amount.currency());
                let (french, english) = match kind {
                    MovementKind::Capture(capture) => {
                        let with = capture.reference.as_ref().map_or_else(String::new, |text| format!(" ({text})"));
                        (format!("capture{with}"), format!("capture{with}"))
                    }
                    MovementKind::Withdrawal(_) => ("retrait virtuel".to_owned(), "virtual withdrawal".to_owned()),
                    MovementKind::Deposit(_) => ("dépôt client".to_owned(), "client deposit".to_owned()),
                    other => (other.word().to_owned(), other.word().to_owned()),
                };
                self.pick(
                    format!("enregistre sur la SIM {sim} : {french}, {amount}"),
                    format!("records on SIM {sim}: {english}, {amount}"),
                )
            }
            Command::ValidateCapture { movement } => {
                let movement = self.name(movement);
                self.pick(format!("valide la capture {movement}"), format!("validates capture {movement}"))
            }
            Command::Reimburse { movement } => {
                let movement = self.name(movement);
                self.pick(
                    format!("note le remboursement de {movement}"),
                    format!("records the reimbursement of {movement}"),
                )
            }
            Command::ReverseMovement { movement, .. } => {
                let movement = self.name(movement);
                self.pick(format!("contre-passe le mouvement {movement}"), format!("reverses movement {movement}"))
            }
            Command::GiveShare { sim, amount, to } => {
                let (code, amount, to) = (amount.currency(), amount.to_decimal_string(), self.name(to));
                self.pick(
                    format!("donne à {to} {amount} {code} de sa part de la SIM {sim}"),
                    format!("gives {to} {amount} {code} of its share of SIM {sim}"),
                )
            }
            Command::AskShare { sim, amount } => {
                let (code, amount) = (amount.currency(), amount.to_decimal_string());
                self.pick(
                    format!("demande {amount} {code} de la SIM {sim} aux autres appareils"),
                    format!("asks the other devices for {amount} {code} of SIM {sim}"),
                )
            }
            Command::MoveSim { sim, shop } => {
                let shop = shop.0;
                self.pick(
                    format!("transfère la SIM {sim} à l'agence {shop}"),
                    format!("moves SIM {sim} to shop {shop}"),
                )
            }
            Command::AddSim { sim, .. } => self.pick(format!("ajoute la SIM {sim}"), format!("adds SIM {sim}")),
            other => self.company(other),
        }
    }

    fn company(&self, command: &Command) -> String {
        match command {
            Command::CloseDevice { device, insist, .. } => {
                let device = self.name(device);
                let (how, by) = if *insist { (" en insistant", ", insisting") } else { ("", "") };
                self.pick(format!("ferme l'appareil {device}{how}"), format!("closes device {device}{by}"))
            }
            Command::RevokeDevice { device } => {
                let device = self.name(device);
                self.pick(format!("révoque l'appareil {device}"), format!("revokes device {device}"))
            }
            Command::AddShop { name, .. } => self.pick(format!("ajoute l'agence {name}"), format!("adds shop {name}")),
            Command::Invite { .. } => self.pick("invite un appareil".to_owned(), "invites a device".to_owned()),
            // What the lab never asks is named as the program names it.
            other => {
                let debug = format!("{other:?}");
                debug.chars().take_while(|c| c.is_alphanumeric()).collect()
            }
        }
    }

    /// What happens around the devices, as a sentence.
    pub fn around(&self, action: &Action) -> String {
        match action {
            Action::Cut(names) => {
                let who = self.who(names);
                self.pick(format!("Coupure : {who}."), format!("Cut: {who}."))
            }
            Action::Heal(names) => {
                let who = self.who(names);
                self.pick(format!("Le réseau revient : {who}."), format!("The network is back: {who}."))
            }
            Action::Meet(names) => {
                let who = self.who(names);
                self.pick(format!("Rencontre : {who}."), format!("Meeting: {who}."))
            }
            Action::Wait(time) => self.pick(format!("Rien pendant {time}."), format!("Nothing for {time}.")),
            Action::SetClock(set) => {
                let (device, to) = (&set.device, &set.to);
                match to.as_str() {
                    "right" => self.pick(
                        format!("L'horloge de {device} est mise à l'heure."),
                        format!("The clock of {device} is set right."),
                    ),
                    _ => self.pick(
                        format!("L'horloge de {device} est réglée : {to}."),
                        format!("The clock of {device} is set: {to}."),
                    ),
                }
            }
            Action::PowerCut(name) => self.pick(format!("{name} perd le courant."), format!("{name} loses power.")),
            Action::PowerOn(name) => {
                self.pick(format!("{name} a de nouveau du courant."), format!("{name} has power again."))
            }
            Action::Copy(copy) => {
                let (device, to) = (&copy.device, &copy.to);
                self.pick(
                    format!("Le disque de {device} est copié : {to}."),
                    format!("The disk of {device} is copied: {to}."),
                )
            }
            Action::Start(start) => {
                let (copy, name) = (&start.copy, &start.name);
                self.pick(
                    format!("La copie {copy} démarre sur une autre machine : {name}."),
                    format!("The copy {copy} is started on another machine: {name}."),
                )
            }
            Action::Restore(restored) => {
                let (device, copy) = (&restored.device, &restored.copy);
                self.pick(
                    format!("La copie {copy} est remise sur {device}."),
                    format!("The copy {copy} is put back on {device}."),
                )
            }
            // An operation that could not be asked.
            _ => self.pick("Opération impossible.".to_owned(), "Impossible operation.".to_owned()),
        }
    }

    fn who(&self, names: &Names) -> String {
        match names {
            Names::One(name) if name == "all" => self.pick("tous les appareils".to_owned(), "all devices".to_owned()),
            Names::One(name) => self.pick(format!("{name} et tous les autres"), format!("{name} and all others")),
            Names::Many(names) => names.join(", "),
        }
    }
}
