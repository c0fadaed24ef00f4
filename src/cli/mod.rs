//! The command line: one file per family of commands.
//!
//! ```text
//! words ──clap──▶ command ──▶ Client ──HTTP──▶ the running node of the directory
//!                               └──in process──▶ the same routes, on the store opened for this command
//! ```
//!
//! A command is a request of the API and the printing of its answer; it decides nothing about money. What it
//! prints on stdout is the answer alone; progress, logs and reasons go to stderr.

mod backup;
mod client;
mod conflicts;
mod credit;
mod device;
mod draft;
mod export;
mod failure;
mod faults;
mod founding;
mod import;
mod inspect;
mod lab;
mod log;
mod man;
mod moments;
mod node;
mod output;
mod settings;
mod share;
mod shop;
mod sim;
mod start;
mod token;
mod way;
mod words;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::client::Client;
use self::failure::Failure;
use self::output::Printer;
use crate::http::Language;

/// Nœud de réplication pour les crédits virtuels entre agences de mobile money.
#[derive(Debug, Parser)]
#[command(name = "ucash", version, propagate_version = true, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
struct Shared {
    /// Le répertoire des données de cet appareil.
    #[arg(long, global = true, value_name = "DIR", env = "UCASH_DATA")]
    data: Option<PathBuf>,
    /// Répondre en JSON sur la sortie standard.
    #[arg(long, global = true)]
    json: bool,
    /// La langue des messages : fr ou en.
    #[arg(long, global = true, value_name = "LANG", value_parser = ["fr", "en"])]
    lang: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fonder un réseau : cet appareil en devient le siège.
    Init(founding::Init),
    /// Inviter un appareil : imprime une invitation à usage unique.
    Invite(founding::Invite),
    /// Rejoindre un réseau avec une invitation.
    Join(founding::Join),
    /// Faire tourner ce nœud : réplication, API et page.
    Start(start::Start),
    /// Faire tourner ce nœud comme relais : il garde l'histoire de chaque agence, la fait suivre, et sert les anciennes
    /// applications.
    Relay(start::Relay),
    /// Les agences.
    #[command(subcommand)]
    Shop(shop::Shop),
    /// Les appareils du réseau.
    #[command(subcommand)]
    Device(device::Device),
    /// Les SIM, leurs soldes et leurs mouvements.
    #[command(subcommand)]
    Sim(sim::Sim),
    /// Les crédits virtuels.
    #[command(subcommand)]
    Credit(credit::Credit),
    /// Les conflits : ce que des appareils qui ne se voyaient pas ont décidé différemment.
    #[command(subcommand)]
    Conflicts(conflicts::Conflicts),
    /// Synchroniser maintenant avec tous les pairs joignables.
    Sync,
    /// L'état de ce nœud.
    Status,
    /// Les appareils avec lesquels ce nœud est ou a été en contact.
    Peers {
        /// Continuer, et imprimer ce qui change.
        #[arg(long)]
        watch: bool,
    },
    /// Les journaux, lisibles.
    #[command(subcommand)]
    Log(inspect::Log),
    /// Le document d'un crédit, changement par changement.
    #[command(subcommand)]
    Doc(inspect::Doc),
    /// Importer les données de l'ancien serveur.
    Import(import::Import),
    /// Écrire les crédits, les paiements, les mouvements ou les conflits dans un fichier JSON, CSV ou XLSX.
    Export(export::Export),
    /// Sauvegarder ce nœud, en marche ou non, dans un fichier.
    Backup(backup::Backup),
    /// Refaire cet appareil à partir d'une sauvegarde, dans un répertoire vide.
    Restore(backup::Restore),
    /// Revérifier chaque signature, chaîne et solde.
    Verify {
        /// Refaire d'abord ce qui se déduit des écritures ; si elles sont endommagées, reprendre ce qui se prouve.
        #[arg(long)]
        repair: bool,
    },
    /// Les jetons d'accès à l'API de ce nœud.
    #[command(subcommand)]
    Token(token::Token),
    /// Le laboratoire : des compagnies simulées, leurs pannes, et ce qui doit tenir malgré elles.
    #[command(subcommand)]
    Lab(lab::Lab),
    /// Imprimer les complétions d'un interpréteur de commandes.
    Completions {
        /// bash, elvish, fish, powershell ou zsh.
        shell: clap_complete::Shell,
    },
    /// Écrire les pages du manuel.
    #[command(hide = true)]
    Man(man::Man),
}

/// What a command needs beside its own words.
struct Context {
    data: PathBuf,
    printer: Printer,
}

impl Context {
    fn client(&self) -> Result<Client, Failure> {
        let client = Client::find(&self.data, self.printer.language)?;
        if let Some(original) = client.copied_from() {
            self.tell_copied(original);
        }
        Ok(client)
    }

    /// A directory that is a copy has just gone on as a new life: what that means, and what is to be done.
    fn tell_copied(&self, original: &Path) {
        let original = original.display();
        self.printer.remark(&match self.printer.language {
            Language::French => format!(
                "Ce répertoire est une copie de {original} : pour que rien ne soit écrit ni dépensé deux fois, il continue sous une nouvelle vie, sans les parts de l'ancienne. Si l'original ne sert plus jamais, l'appareil responsable de l'agence reprend ces parts : ucash device close. Si l'original sert encore, supprimez cette copie."
            ),
            Language::English => format!(
                "This directory is a copy of {original}: so that nothing is written or spent twice, it goes on as a new life, without the shares of the old one. If the original is never used again, the shop's keeper takes those shares over: ucash device close. If the original is still in use, delete this copy."
            ),
        });
    }
}

/// Runs one command line and says how it went: 0 done, 1 refused or failed, 2 misuse.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors, and clap knows where each belongs.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let language = arguments.shared.lang.as_deref().and_then(Language::from_tag).unwrap_or_else(locale);
    let printer = Printer { json: arguments.shared.json, language };
    let outcome = match arguments.shared.data.or_else(default_directory) {
        Some(data) => dispatch(&Context { data, printer }, arguments.command),
        None => Err(Failure::new(
            "no_directory",
            printer.pick(
                "Aucun répertoire de données n'est connu sur ce système. Indiquez-en un avec --data.",
                "No data directory is known on this system. Name one with --data.",
            ),
        )),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            printer.fail(&failure);
            ExitCode::from(1)
        }
    }
}

fn dispatch(context: &Context, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Init(init) => init.run(context),
        Command::Invite(invite) => invite.run(context),
        Command::Join(join) => join.run(context),
        Command::Start(start) => start.run(context),
        Command::Relay(relay) => relay.run(context),
        Command::Shop(shop) => shop.run(context),
        Command::Device(device) => device.run(context),
        Command::Sim(sim) => sim.run(context),
        Command::Credit(credit) => credit.run(context),
        Command::Conflicts(conflicts) => conflicts.run(context),
        Command::Sync => node::sync(context),
        Command::Status => node::status(context),
        Command::Peers { watch: true } => inspect::watch_peers(context),
        Command::Peers { watch: false } => node::peers(context),
        Command::Log(log) => log.run(context),
        Command::Doc(doc) => doc.run(context),
        Command::Import(import) => import.run(context),
        Command::Export(export) => export.run(context),
        Command::Backup(backup) => backup.run(context),
        Command::Restore(restore) => restore.run(context),
        Command::Verify { repair } => node::verify(context, repair),
        Command::Token(token) => token.run(context),
        Command::Lab(lab) => lab.run(context),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "ucash", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man(man) => man.run(context),
    }
}

fn default_directory() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "ucash")?.data_dir().to_owned())
}

/// The locale's language if it is one of ours, else French.
fn locale() -> Language {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let tag = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG"));
    tag.and_then(|tag| Language::from_tag(&tag)).unwrap_or_default()
}
