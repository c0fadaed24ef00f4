//! `export`: a list as a file, written as it comes.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::Context;
use super::client::path;
use super::credit::Filter;
use super::draft::Draft;
use super::failure::Failure;
use super::import::watch_interrupt;

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// La forme du fichier.
    #[arg(long, value_enum)]
    format: Format,
    /// Ce qui est écrit.
    #[arg(long, value_enum, default_value = "credits")]
    what: What,
    /// Le fichier ; sans lui, la sortie standard.
    #[arg(long, short, value_name = "FICHIER")]
    output: Option<PathBuf>,
    /// Remplacer le fichier s'il existe.
    #[arg(long)]
    force: bool,
    /// En CSV : « comma » et « tab » pour les programmes (noms de l'API, UTC, point décimal) ; « semicolon » pour un
    /// tableur français (en-têtes en français, heure du réseau, virgule décimale).
    #[arg(long, value_enum, default_value = "comma")]
    separator: Separator,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Csv,
    Xlsx,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    Credits,
    Payments,
    Movements,
    Conflicts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Separator {
    #[value(alias = ",")]
    Comma,
    #[value(alias = ";")]
    Semicolon,
    Tab,
}

/// The word of an enum's value, which is also the API's.
fn word(value: &impl ValueEnum) -> Option<String> {
    value.to_possible_value().map(|value| value.get_name().to_owned())
}

impl Export {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let printer = context.printer;
        if self.format == Format::Xlsx && self.output.is_none() && std::io::stdout().is_terminal() {
            return Err(Failure::new(
                "binary_to_terminal",
                printer.pick(
                    "Un classeur XLSX ne se lit pas dans un terminal. Nommez un fichier avec --output, ou redirigez la sortie.",
                    "An XLSX workbook cannot be read in a terminal. Name a file with --output, or redirect the output.",
                ),
            ));
        }
        let stopped = Arc::new(AtomicBool::new(false));
        watch_interrupt(Arc::clone(&stopped));
        let mut draft =
            self.output.as_deref().map(|path| Draft::begin(context, path, self.force, false)).transpose()?;
        let client = context.client()?;
        let mut parameters = self.filter.parameters(context, &client)?;
        parameters.push(("format", word(&self.format)));
        if self.format == Format::Csv {
            parameters.push(("separator", word(&self.separator)));
        }
        let what = word(&self.what).unwrap_or_default();
        let bar = progress(context, draft.is_some() || !std::io::stdout().is_terminal());
        let mut written = 0_u64;
        let mut out = std::io::stdout().lock();
        let sent = client.download(&path(&["export", &what], &parameters), &mut |bytes| {
            if stopped.load(Ordering::Relaxed) {
                return Err(interrupted(context));
            }
            let done = match &mut draft {
                Some(draft) => draft.write_all(bytes),
                None => out.write_all(bytes),
            };
            done.map_err(|error| {
                let place = self.output.clone().unwrap_or_else(|| PathBuf::from("stdout"));
                Draft::failed(context, &place, &error)
            })?;
            written += bytes.len() as u64;
            bar.set_position(written);
            Ok(())
        });
        bar.finish_and_clear();
        sent?;
        drop(out);
        let Some((draft, path)) = draft.zip(self.output) else {
            // A reader that has gone is no error of ours.
            let _ = std::io::stdout().flush();
            return Ok(ExitCode::SUCCESS);
        };
        draft.finish(context)?;
        let answer = json!({ "file": path.display().to_string(), "what": what, "bytes": written });
        printer.answer(&answer, |_| format!("{} ({written} {})", path.display(), printer.pick("octets", "bytes")));
        Ok(ExitCode::SUCCESS)
    }
}

/// Ctrl-C: what was begun is taken away again.
pub(super) fn interrupted(context: &Context) -> Failure {
    Failure::new(
        "interrupted",
        context.printer.pick(
            "Interrompu : aucun fichier n'a été laissé. Relancez la même commande pour recommencer.",
            "Interrupted: no file was left. Run the same command again to start over.",
        ),
    )
}

/// Shows on a terminal how much has been written, where nothing else is printed there.
pub(super) fn progress(context: &Context, elsewhere: bool) -> ProgressBar {
    let visible = elsewhere && std::io::stderr().is_terminal() && !context.printer.json;
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    match ProgressStyle::with_template("{spinner} {bytes}  {elapsed}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
