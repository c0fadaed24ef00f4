//! Why a command came to nothing: a code for programs, a sentence for people, and the facts.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::faults;
use crate::http::{Language, messages};
use crate::node::{
    self, BackupError, HomeError, NodeError,
    net::NetError,
    storage::{DirectoryError, OpenError},
};
use crate::replica::{BootError, JoinError, RestoreError};
use crate::wire::Answered;

/// A failure as it is told.
#[derive(Debug)]
pub(super) struct Failure {
    pub code: String,
    pub message: String,
    pub facts: Map<String, Value>,
}

impl Failure {
    pub fn new(code: &str, message: impl Into<String>) -> Failure {
        Failure { code: code.to_owned(), message: message.into(), facts: Map::new() }
    }

    /// A failure of this program's own, with the system's reason.
    pub fn system(language: Language, what: &str, error: impl std::fmt::Display) -> Failure {
        let message = match language {
            Language::French => format!("Impossible : {what} ({error})."),
            Language::English => format!("Not possible: {what} ({error})."),
        };
        Failure::new("failed", message)
    }

    /// What a problem document (RFC 9457) says, its facts beside the message.
    pub fn of_problem(problem: &Value) -> Failure {
        let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let known = ["type", "title", "status", "detail", "code", "instance"];
        let members = problem.as_object().cloned().unwrap_or_default();
        let facts = members.into_iter().filter(|(name, _)| !known.contains(&name.as_str())).collect();
        let message = [text("detail"), text("title"), problem.to_string()].into_iter().find(|text| !text.is_empty());
        let code = Some(text("code")).filter(|code| !code.is_empty());
        Failure { code: code.unwrap_or_else(|| "failed".to_owned()), message: message.unwrap_or_default(), facts }
    }

    /// The object that `--json` prints on stderr.
    pub fn to_json(&self) -> Value {
        let mut error = self.facts.clone();
        error.insert("code".to_owned(), json!(self.code));
        error.insert("message".to_owned(), json!(self.message));
        json!({ "error": error })
    }

    /// A node's error in a sentence: what happened, what it means, what to do.
    pub fn of_node(error: &NodeError, language: Language) -> Failure {
        let (code, french, english) = sentences(error);
        match error {
            NodeError::Home(HomeError::Boot(BootError::Refused(refusal))) => {
                let message = messages::sentence(refusal, language);
                Failure { code: refusal.code().to_owned(), message, facts: messages::facts(refusal) }
            }
            _ => Failure::new(code, if language == Language::French { french } else { english }),
        }
    }
}

/// Why a backup was not made, or not taken.
pub(super) fn of_backup(error: &BackupError, file: &Path, language: Language) -> Failure {
    let file = file.display();
    let (code, french, english) = match error {
        BackupError::Home(error) => home(error),
        // What was encrypted and is cut or changed does not open to its end.
        BackupError::Io(error) if !matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) => (
            "file_not_read",
            format!("{file} ne peut pas être lu ({error}). Rien n'a été écrit : vérifiez le nom et les droits."),
            format!("{file} cannot be read ({error}). Nothing was written: check its name and permissions."),
        ),
        BackupError::NotABackup => (
            "not_a_backup",
            format!("{file} n'est pas une sauvegarde de ucash. Rien n'a été écrit : indiquez le bon fichier."),
            format!("{file} is no backup of ucash. Nothing was written: name the right file."),
        ),
        BackupError::Encrypted => (
            "no_passphrase",
            format!("{file} est chiffré. Donnez la phrase secrète avec --passphrase-file."),
            format!("{file} is encrypted. Give the passphrase with --passphrase-file."),
        ),
        BackupError::TooNew | BackupError::Restore(RestoreError::TooNew { .. }) => (
            "backup_too_new",
            format!("{file} a été fait par un ucash plus récent. Rien n'a été écrit : mettez ucash à jour."),
            format!("{file} was made by a newer ucash. Nothing was written: update ucash."),
        ),
        BackupError::GivenUp => (
            "interrupted",
            "Interrompu : rien n'a été gardé. Relancez la même commande pour recommencer.".to_owned(),
            "Interrupted: nothing was kept. Run the same command again to start over.".to_owned(),
        ),
        BackupError::Restore(RestoreError::Replica(_) | RestoreError::Boot(_)) => (
            "store",
            format!(
                "Les données n'ont pas pu être écrites ({error}). Rien n'a été gardé : vérifiez la place sur le disque, puis recommencez."
            ),
            format!(
                "The data could not be written ({error}). Nothing was kept: check the room on the disk, then try again."
            ),
        ),
        BackupError::Io(_) | BackupError::Truncated { .. } | BackupError::Frame { .. } | BackupError::Restore(_) => (
            "backup_damaged",
            format!(
                "{file} est abîmé ou incomplet ({error}). Rien n'a été écrit : prenez une autre copie de cette sauvegarde, ou une sauvegarde plus ancienne."
            ),
            format!(
                "{file} is damaged or not whole ({error}). Nothing was written: take another copy of this backup, or an older one."
            ),
        ),
    };
    Failure::new(code, if language == Language::French { french } else { english })
}

fn sentences(error: &NodeError) -> (&'static str, String, String) {
    match error {
        NodeError::ClockBefore2020 { now } => (
            "clock_before_2020",
            format!("L'horloge de cet appareil indique {}, avant 2020 : elle est fausse. Réglez la date et l'heure, puis recommencez.", now.to_rfc3339()),
            format!("This device's clock shows {}, before 2020: it is wrong. Set date and time, then try again.", now.to_rfc3339()),
        ),
        NodeError::Http { address, source } => faults::listening(address, source, "--http"),
        NodeError::Net(NetError::Listen { address, source }) => faults::listening(address, source, "--listen"),
        NodeError::Net(other) => (
            "network",
            format!("Le réseau n'a pas pu démarrer ({other}). Vérifiez les adresses données."),
            format!("The network could not start ({other}). Check the addresses given."),
        ),
        NodeError::InviterNotReached => (
            "inviter_not_reached",
            "L'appareil qui a invité n'a pas répondu en 30 secondes. Vérifiez qu'il tourne (ucash start) et qu'il est sur le même réseau, ou donnez son adresse avec --peer ; l'invitation reste valable jusqu'à son échéance.".to_owned(),
            "The inviting device did not answer within 30 seconds. Check that it is running (ucash start) and on the same network, or give its address with --peer; the invitation stays valid until it expires.".to_owned(),
        ),
        NodeError::Join(JoinError::Refused(answer)) => refused_join(*answer),
        NodeError::Join(JoinError::Unbelievable) => (
            "inviter_unbelievable",
            "La réponse de l'appareil qui a invité n'est pas digne de foi. Rien n'a été gardé : demandez une nouvelle invitation.".to_owned(),
            "The inviting device's answer is not to be believed. Nothing was kept: ask for a new invitation.".to_owned(),
        ),
        NodeError::Home(error) => home(error),
        NodeError::Replica(error) => (
            "store",
            format!("Les données n'ont pas pu être écrites ({error}). Vérifiez la place sur le disque, puis recommencez."),
            format!("The data could not be written ({error}). Check the room on the disk, then try again."),
        ),
        NodeError::Thread(error) => (
            "system",
            format!("Le système refuse un fil d'exécution ({error}). Fermez d'autres programmes, puis recommencez."),
            format!("The system refuses a thread ({error}). Close other programs, then try again."),
        ),
    }
}

fn refused_join(answer: Answered) -> (&'static str, String, String) {
    let (code, french, english) = match answer {
        Answered::InvitationUsed => (
            "invitation_used",
            "Cette invitation a déjà servi : chacune ne sert qu'une fois. Demandez-en une nouvelle.",
            "This invitation was used already: each serves once. Ask for a new one.",
        ),
        Answered::InvitationExpired => (
            "invitation_expired",
            "Cette invitation a expiré. Demandez-en une nouvelle.",
            "This invitation has expired. Ask for a new one.",
        ),
        Answered::InvitationUnknown => (
            "unknown_invitation",
            "L'appareil contacté ne connaît pas cette invitation. Vérifiez que vous l'avez recopiée en entier, ou demandez-en une nouvelle.",
            "The device does not know this invitation. Check that you copied all of it, or ask for a new one.",
        ),
        Answered::Version => (
            "other_version",
            "L'appareil contacté parle une autre version. Mettez les deux à jour.",
            "The device speaks another version. Update both.",
        ),
        Answered::Stranger | Answered::Unable => (
            "join_refused",
            "L'appareil contacté refuse. Demandez une nouvelle invitation.",
            "The device refuses. Ask for a new invitation.",
        ),
    };
    (code, french.to_owned(), english.to_owned())
}

fn home(error: &HomeError) -> (&'static str, String, String) {
    if let HomeError::Directory(directory) = error
        && let Some(told) = faults::directory(directory)
    {
        return told;
    }
    match error {
        HomeError::Directory(DirectoryError::InUse { pid, .. }) => {
            let by = pid.map_or(String::new(), |pid| format!(" ({pid})"));
            (
                "directory_in_use",
                format!(
                    "Un autre processus{by} utilise déjà ce répertoire. Arrêtez-le, ou attendez qu'il finisse, puis recommencez."
                ),
                format!(
                    "Another process{by} uses this directory already. Stop it, or wait for it to end, then try again."
                ),
            )
        }
        HomeError::Directory(DirectoryError::TooNew { found, supported }) => (
            "directory_too_new",
            format!(
                "Ce répertoire est au format {found}, plus récent que le format {supported} que connaît ce programme. Rien n'a été touché : mettez ucash à jour."
            ),
            format!(
                "This directory has format {found}, newer than format {supported} that this program knows. Nothing was touched: update ucash."
            ),
        ),
        HomeError::Directory(DirectoryError::Full { path }) | HomeError::Open(OpenError::Full { path }) => (
            "disk_full",
            format!(
                "Le disque est plein : {} ne peut pas être écrit. Rien n'a été perdu. Libérez de la place, puis recommencez.",
                path.display()
            ),
            format!(
                "The disk is full: {} cannot be written. Nothing was lost. Free some space, then try again.",
                path.display()
            ),
        ),
        HomeError::NoDevice { path } => (
            "no_device",
            format!(
                "Il n'y a pas d'appareil dans {}. Fondez un réseau (ucash init), rejoignez-en un (ucash join), ou indiquez le bon répertoire avec --data.",
                path.display()
            ),
            format!(
                "There is no device in {}. Found a network (ucash init), join one (ucash join), or name the right directory with --data.",
                path.display()
            ),
        ),
        HomeError::TornCopy { original, fault } => (
            "torn_copy",
            format!(
                "Ce répertoire est une copie de {} faite pendant que le nœud écrivait, et elle n'est pas entière ({fault}). Elle n'est pas utilisable et rien n'a été changé : faites une sauvegarde avec « ucash backup » et restaurez-la.",
                original.display()
            ),
            format!(
                "This directory is a copy of {} made while the node was writing, and it is not whole ({fault}). It cannot be used and nothing was changed: make a backup with \"ucash backup\" and restore that.",
                original.display()
            ),
        ),
        HomeError::HalfRestored { path } => (
            "half_restored",
            format!(
                "Une restauration dans {} n'est pas allée au bout : ce qui s'y trouve n'est pas un registre entier. Relancez « ucash restore » avec la même sauvegarde.",
                path.display()
            ),
            format!(
                "A restore into {} came to no end: what is there is no whole ledger. Run \"ucash restore\" again with the same backup.",
                path.display()
            ),
        ),
        HomeError::DeviceExists { path } => (
            "device_exists",
            format!(
                "Il y a déjà un appareil dans {}. Rien n'a été changé : indiquez un répertoire vide avec --data.",
                path.display()
            ),
            format!(
                "There is a device in {} already. Nothing was changed: name an empty directory with --data.",
                path.display()
            ),
        ),
        HomeError::Identity { path, detail } => (
            "identity_unreadable",
            format!(
                "L'identité de cet appareil ({}) est illisible : {detail}. Sans elle, rien ne peut être écrit en son nom, et elle n'existe nulle part ailleurs. Reprenez une sauvegarde (ucash restore), ou rejoignez le réseau dans un répertoire vide avec une nouvelle invitation, puis faites clore cet appareil (ucash device close). Rien n'a été changé.",
                path.display()
            ),
            format!(
                "This device's identity ({}) is unreadable: {detail}. Without it nothing can be written in its name, and it exists nowhere else. Restore a backup (ucash restore), or join the network from an empty directory with a new invitation and have this device closed (ucash device close). Nothing was changed.",
                path.display()
            ),
        ),
        other if node::is_damage(other) => (
            "store_damaged",
            format!(
                "Les données de ce répertoire sont endommagées ({}). Rien n'a été changé. Lancez « ucash start » ou « ucash verify --repair » : ce qui se prouve est repris, l'ancienne base est gardée à côté, et le reste revient des autres appareils.",
                with_sources(other)
            ),
            format!(
                "The data in this directory are damaged ({}). Nothing was changed. Run `ucash start` or `ucash verify --repair`: what can be proven goes on, the old database is kept beside it, and the rest comes back from the other devices.",
                with_sources(other)
            ),
        ),
        other => (
            "directory",
            format!(
                "Le répertoire de données ne peut pas être utilisé : {}. Rien n'a été changé.",
                with_sources(other)
            ),
            format!("The data directory cannot be used: {}. Nothing was changed.", with_sources(other)),
        ),
    }
}

/// An error and what it rests on, in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = inner.source();
    }
    text
}
