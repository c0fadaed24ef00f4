//! `backup` and `restore`: the whole node as one file, and a directory made from one.
//!
//! A backup holds the device's secrets (see `node::backup`), so that its file can be read by its owner alone. Encrypted
//! it is a file of the `age` format (age-encryption.org/v1, passphrase by scrypt), which other programs open as well.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use age::secrecy::SecretString;
use serde_json::{Value, json};

use super::Context;
use super::draft::Draft;
use super::export::{interrupted, progress};
use super::failure::{Failure, of_backup};
use super::import::watch_interrupt;
use super::output::{items, text};
use crate::node;
use crate::replica::BackupHeader;

/// Longest passphrase that is read from a file, in bytes.
const PASSPHRASE_BYTES_MAX: u64 = 4_096;

#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// Le fichier à écrire.
    file: PathBuf,
    /// Chiffrer avec une phrase secrète, demandée deux fois.
    #[arg(long)]
    encrypt: bool,
    /// Chiffrer avec la phrase secrète de la première ligne de ce fichier.
    #[arg(long, value_name = "FICHIER")]
    passphrase_file: Option<PathBuf>,
    /// Remplacer le fichier s'il existe.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// La sauvegarde.
    file: PathBuf,
    /// La phrase secrète est la première ligne de ce fichier ; sinon elle est demandée.
    #[arg(long, value_name = "FICHIER")]
    passphrase_file: Option<PathBuf>,
}

/// A file that is written as it is, or encrypted.
enum Sink {
    Plain(Draft),
    Sealed(age::stream::StreamWriter<Draft>),
}

impl Sink {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Sink::Plain(draft) => draft.write_all(bytes),
            Sink::Sealed(sealed) => sealed.write_all(bytes),
        }
    }

    fn end(self) -> io::Result<Draft> {
        match self {
            Sink::Plain(draft) => Ok(draft),
            Sink::Sealed(sealed) => sealed.finish(),
        }
    }
}

impl Backup {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let printer = context.printer;
        let passphrase = match &self.passphrase_file {
            Some(file) => Some(read_passphrase(context, file)?),
            None if self.encrypt => Some(ask_passphrase(context, true)?),
            None => None,
        };
        let stopped = Arc::new(AtomicBool::new(false));
        watch_interrupt(Arc::clone(&stopped));
        let draft = Draft::begin(context, &self.file, self.force, true)?;
        let failed = |error: io::Error| Draft::failed(context, &self.file, &error);
        let client = context.client()?;
        let encrypted = passphrase.is_some();
        let mut sink = match passphrase {
            Some(passphrase) => {
                let encryptor = age::Encryptor::with_user_passphrase(passphrase);
                Sink::Sealed(encryptor.wrap_output(draft).map_err(failed)?)
            }
            None => Sink::Plain(draft),
        };
        let head = node::backup_head(&context.data).map_err(|error| of_backup(&error, &self.file, printer.language))?;
        sink.write_all(&head).map_err(failed)?;
        let bar = progress(context, true);
        let mut written = head.len() as u64;
        let sent = client.download("/api/v1/backup", &mut |bytes| {
            if stopped.load(Ordering::Relaxed) {
                return Err(interrupted(context));
            }
            sink.write_all(bytes).map_err(failed)?;
            written += bytes.len() as u64;
            bar.set_position(written);
            Ok(())
        });
        bar.finish_and_clear();
        sent?;
        sink.end().map_err(failed)?.finish(context)?;
        let bytes = std::fs::metadata(&self.file).map_or(written, |file| file.len());
        let answer = json!({ "file": self.file.display().to_string(), "bytes": bytes, "encrypted": encrypted });
        printer.answer(&answer, |_| format!("{} ({bytes} {})", self.file.display(), printer.pick("octets", "bytes")));
        if !encrypted {
            printer.remark(printer.pick(
                "Attention : ce fichier n'est pas chiffré et contient les clés secrètes de cet appareil. Qui le lit peut agir à sa place : gardez-le en lieu sûr, ou refaites-le avec --encrypt.",
                "Beware: this file is not encrypted and holds this device's secret keys. Who reads it can act in its place: keep it safe, or make it again with --encrypt.",
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let printer = context.printer;
        let of = |error: &node::BackupError| of_backup(error, &self.file, printer.language);
        if node::holds_device(&context.data) {
            let exists = node::HomeError::DeviceExists { path: context.data.clone() };
            return Err(of(&exists.into()));
        }
        let passphrase = match &self.passphrase_file {
            Some(file) => Some(read_passphrase(context, file)?),
            None if is_encrypted(&self.file) => Some(ask_passphrase(context, false)?),
            None => None,
        };
        let stopped = Arc::new(AtomicBool::new(false));
        watch_interrupt(Arc::clone(&stopped));
        let bar = progress(context, true);
        let mut go_on = |entries| {
            bar.set_message(entries_text(entries));
            bar.tick();
            !stopped.load(Ordering::Relaxed)
        };
        // Read twice: nothing is written before all of it is known to be right.
        printer.remark(printer.pick("Vérification de la sauvegarde...", "Checking the backup..."));
        node::check_backup(self.open(context, passphrase.as_ref())?, &mut go_on).map_err(|error| of(&error))?;
        let source = self.open(context, passphrase.as_ref())?;
        let header = node::restore(&context.data, source, &mut go_on).map_err(|error| of(&error))?;
        bar.finish_and_clear();
        let lost = old_shares(context)?;
        let answer = json!({
            "network": header.network, "shop_id": header.shop_id, "device": header.device, "entries": header.entries,
            "credits": header.credits, "made_at": header.made_at, "old_shares": lost,
        });
        printer.answer(&answer, |_| told(context, &header, &lost));
        Ok(ExitCode::SUCCESS)
    }

    fn open(&self, context: &Context, passphrase: Option<&SecretString>) -> Result<Box<dyn Read>, Failure> {
        let language = context.printer.language;
        let failed = |error: io::Error| of_backup(&node::BackupError::Io(error), &self.file, language);
        let file = BufReader::new(File::open(&self.file).map_err(failed)?);
        let Some(passphrase) = passphrase.filter(|_| is_encrypted(&self.file)) else { return Ok(Box::new(file)) };
        let identity = age::scrypt::Identity::new(passphrase.clone());
        let decryptor = age::Decryptor::new(file);
        let opened =
            decryptor.and_then(|decryptor| decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)));
        match opened {
            Ok(reader) => Ok(Box::new(reader)),
            Err(age::DecryptError::Io(error)) => Err(failed(error)),
            Err(_) => Err(Failure::new(
                "wrong_passphrase",
                context.printer.pick(
                    "La phrase secrète n'ouvre pas cette sauvegarde, ou la sauvegarde est abîmée. Rien n'a été écrit : vérifiez la phrase, puis recommencez.",
                    "The passphrase does not open this backup, or the backup is damaged. Nothing was written: check the passphrase, then try again.",
                ),
            )),
        }
    }
}

/// Whether a file begins as `age` files do.
fn is_encrypted(path: &Path) -> bool {
    let mut head = [0; 19];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"age-encryption.org/"
}

fn read_passphrase(context: &Context, path: &Path) -> Result<SecretString, Failure> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(PASSPHRASE_BYTES_MAX).read_to_string(&mut text));
    let what = format!("{}", path.display());
    read.map_err(|error| Failure::system(context.printer.language, &what, error))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() { Err(no_passphrase(context)) } else { Ok(SecretString::from(line.to_owned())) }
}

fn ask_passphrase(context: &Context, twice: bool) -> Result<SecretString, Failure> {
    let printer = context.printer;
    if !io::stdin().is_terminal() {
        return Err(no_passphrase(context));
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map_err(|error| Failure::system(printer.language, "terminal", error))
    };
    let phrase = ask(printer.pick("Phrase secrète : ", "Passphrase: "))?;
    if twice && phrase != ask(printer.pick("Encore une fois : ", "Once more: "))? {
        return Err(Failure::new(
            "passphrases_differ",
            printer.pick(
                "Les deux phrases secrètes ne sont pas les mêmes. Rien n'a été écrit : recommencez.",
                "The two passphrases are not the same. Nothing was written: try again.",
            ),
        ));
    }
    if phrase.is_empty() { Err(no_passphrase(context)) } else { Ok(SecretString::from(phrase)) }
}

fn no_passphrase(context: &Context) -> Failure {
    Failure::new(
        "no_passphrase",
        context.printer.pick(
            "Il faut une phrase secrète, et elle ne peut pas être vide. Donnez-la dans un fichier avec --passphrase-file, ou lancez la commande dans un terminal.",
            "A passphrase is needed, and it cannot be empty. Give it in a file with --passphrase-file, or run the command in a terminal.",
        ),
    )
}

fn entries_text(entries: u64) -> String {
    entries.to_string()
}

/// What the device held before: shares that nobody can spend until its old incarnations are closed.
fn old_shares(context: &Context) -> Result<Vec<Value>, Failure> {
    let client = context.client()?;
    let own = text(&client.get("/api/v1/status")?, "device_key");
    let mut lost = Vec::new();
    for sim in items(&client.get("/api/v1/sims")?) {
        let number = text(sim, "sim");
        let shares = client.get(&super::client::path(&["sims", &number, "shares"], &[]))?;
        let by_currency = shares.get("shares").and_then(Value::as_object).cloned().unwrap_or_default();
        for (currency, held) in by_currency {
            for share in held.as_array().into_iter().flatten() {
                let is_own = share.get("device_key").and_then(Value::as_str) == Some(own.as_str());
                let is_here = share.get("this_device").is_some_and(|here| here == true);
                let amount = text(share, "share");
                if is_own && !is_here && amount.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
                    lost.push(json!({ "sim": number, "currency": currency, "share": amount }));
                }
            }
        }
    }
    Ok(lost)
}

fn told(context: &Context, header: &BackupHeader, lost: &[Value]) -> String {
    let printer = context.printer;
    let BackupHeader { network, shop_id, device, entries, credits, made_at, .. } = header;
    let mut lines = vec![match printer.language {
        crate::http::Language::French => format!(
            "Restauré : « {device} », agence {shop_id} du réseau « {network} », {entries} écritures et {credits} crédits, dans l'état du {made_at}.\n\
             Ce qui a été fait depuis manque encore : lancez « ucash start » et laissez cet appareil rencontrer les autres.\n\
             Il continue sous une nouvelle vie : ne relancez jamais l'ancien répertoire. Les jetons d'accès sont à recréer."
        ),
        crate::http::Language::English => format!(
            "Restored: \"{device}\", shop {shop_id} of network \"{network}\", {entries} entries and {credits} credits, as of {made_at}.\n\
             What was done since is still missing: run \"ucash start\" and let this device meet the others.\n\
             It goes on as a new life: never start the old directory again. Access tokens must be made anew."
        ),
    }];
    if !lost.is_empty() {
        let held: Vec<String> = lost
            .iter()
            .map(|share| format!("  {}  {} {}", text(share, "sim"), text(share, "share"), text(share, "currency")))
            .collect();
        let (before, after) = match printer.language {
            crate::http::Language::French => (
                "Ces parts de l'ancienne vie ne sont pas dépensables :",
                format!(
                    "Quand tout est synchronisé, l'appareil responsable de l'agence les reprend : ucash device close \"{device}\""
                ),
            ),
            crate::http::Language::English => (
                "These shares of the old life cannot be spent:",
                format!("When all is synchronised, the shop's keeper takes them over: ucash device close \"{device}\""),
            ),
        };
        lines.push(format!("{before}\n{}\n{after}", held.join("\n")));
    }
    lines.join("\n")
}
