//! `import`: the old server's JSON, read byte for byte, sent in pieces, reported row by row.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Context;
use super::client::Client;
use super::failure::Failure;
use super::output::{table, text};
use crate::rows::{Members, Table};

/// Rows sent at once: the node answers others in between.
const CHUNK_ROWS: usize = 500;
/// Bytes sent at once: half of what the node takes.
const CHUNK_BYTES: usize = 4 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// Un fichier JSON, ou un répertoire de tels fichiers.
    source: PathBuf,
    /// Juger chaque ligne sans rien écrire.
    #[arg(long)]
    dry_run: bool,
}

/// A file to import.
struct Source {
    table: Table,
    path: PathBuf,
    rows: Vec<Box<RawValue>>,
}

#[derive(Debug, Default)]
struct Counts {
    created: u64,
    unchanged: u64,
    refused: u64,
}

/// A row of a file that says for each row what is to become of it: the row is what counts.
#[derive(Deserialize)]
struct Wrapped {
    #[expect(dead_code, reason = "told apart from a bare row by these members")]
    outcome: String,
    row: Box<RawValue>,
}

impl Import {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let sources = self.sources(context)?;
        let client = context.client()?;
        let stopped = Arc::new(AtomicBool::new(false));
        watch_interrupt(Arc::clone(&stopped));
        let total: usize = sources.iter().map(|source| source.rows.len()).sum();
        let bar = progress(context, total as u64);
        let mut session = [0; 8];
        crate::node::draw(&mut session);
        // Below 2^53, so that any JSON reader keeps it.
        let session = u64::from_be_bytes(session) >> 12;
        let mut counts: BTreeMap<Table, Counts> = BTreeMap::new();
        let mut refused = Vec::new();
        for source in &sources {
            bar.set_message(source.table.word());
            let mut start = 0;
            while start < source.rows.len() && !stopped.load(Ordering::Relaxed) {
                let length = chunk_length(&source.rows[start..]);
                let chunk = &source.rows[start..start + length];
                let sent = send(&client, source.table, session, self.dry_run, chunk);
                let Ok(report) = sent.as_ref().inspect_err(|_| bar.finish_and_clear()) else {
                    // What came before was taken all the same: say so, then why it ends here.
                    context.printer.remark(&human(context, &counts, &refused, self.dry_run));
                    return sent.map(|_| ExitCode::from(1));
                };
                take(report, source, start, counts.entry(source.table).or_default(), &mut refused);
                start += length;
                bar.inc(length as u64);
            }
        }
        bar.finish_and_clear();
        let interrupted = stopped.load(Ordering::Relaxed);
        let report = json!({
            "dry_run": self.dry_run,
            "interrupted": interrupted,
            "tables": counts.iter().map(|(table, counts)| (table.word().to_owned(), json!({
                "created": counts.created, "unchanged": counts.unchanged, "refused": counts.refused,
            }))).collect::<serde_json::Map<_, _>>(),
            "refused": refused,
        });
        context.printer.answer(&report, |_| human(context, &counts, &refused, self.dry_run));
        if interrupted {
            context.printer.remark(context.printer.pick(
                "Interrompu. Ce qui a été pris l'est pour de bon ; relancez la même commande pour continuer.",
                "Interrupted. What was taken stays; run the same command again to go on.",
            ));
        }
        Ok(ExitCode::from(u8::from(interrupted || !refused.is_empty())))
    }

    fn sources(&self, context: &Context) -> Result<Vec<Source>, Failure> {
        if !self.source.is_dir() {
            return Ok(vec![read(context, &self.source, None)?]);
        }
        let mut sources = Vec::new();
        for table in Table::ALL {
            let path = self.source.join(format!("{}.json", table.word()));
            if path.exists() {
                sources.push(read(context, &path, Some(table))?);
            }
        }
        if sources.is_empty() {
            let names: Vec<String> = Table::ALL.iter().map(|table| format!("{}.json", table.word())).collect();
            let what = context.printer.pick("ne contient aucun des fichiers", "contains none of the files");
            return Err(Failure::new(
                "nothing_to_import",
                format!("{} {what} {}.", self.source.display(), names.join(", ")),
            ));
        }
        Ok(sources)
    }
}

fn read(context: &Context, path: &Path, table: Option<Table>) -> Result<Source, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::system(context.printer.language, &format!("{}", path.display()), error)
    };
    let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
    let text = String::from_utf8(bytes).map_err(|error| failed(&error))?;
    // Some editors put a mark at the beginning of a file.
    let rows: Vec<Box<RawValue>> =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| failed(&error))?;
    let unwrap = |row: Box<RawValue>| match serde_json::from_str::<Wrapped>(row.get()) {
        Ok(wrapped) => wrapped.row,
        Err(_) => row,
    };
    let rows: Vec<Box<RawValue>> = rows.into_iter().map(unwrap).collect();
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let table = table.or_else(|| Table::from_word(stem)).or_else(|| rows.iter().find_map(|row| guess(row)));
    let table = table.ok_or_else(|| {
        let unknown = context.printer.pick(
            "ne ressemble à aucune des tables shops, sims, captures, retraits, depots, credits",
            "looks like none of the tables shops, sims, captures, retraits, depots, credits",
        );
        Failure::new("unknown_table", format!("{} {unknown}.", path.display()))
    })?;
    Ok(Source { table, path: path.to_owned(), rows })
}

/// Which table a row is of, by the field that only that table has.
fn guess(row: &RawValue) -> Option<Table> {
    let members = Members::read(row.get()).ok()?;
    let has = |name: &str| members.get(name).is_some();
    [
        ("montant_credit", Table::Credits),
        ("montant_virtuel", Table::Captures),
        ("shop_source_id", Table::Withdrawals),
        ("date_depot", Table::Deposits),
        ("numero", Table::Sims),
        ("designation", Table::Shops),
    ]
    .into_iter()
    .find(|(name, _)| has(name))
    .map(|(_, table)| table)
}

fn chunk_length(rows: &[Box<RawValue>]) -> usize {
    let mut bytes = 0;
    let fits = rows.iter().take(CHUNK_ROWS).take_while(|row| {
        bytes += row.get().len();
        bytes <= CHUNK_BYTES
    });
    fits.count().max(1)
}

fn send(client: &Client, table: Table, session: u64, dry_run: bool, rows: &[Box<RawValue>]) -> Result<Value, Failure> {
    // Rows go on byte for byte: an amount must not pass through a number of this program.
    let rows: Vec<&str> = rows.iter().map(|row| row.get()).collect();
    let body = format!(
        r#"{{"session": {session}, "dry_run": {dry_run}, "table": "{}", "rows": [{}]}}"#,
        table.word(),
        rows.join(",")
    );
    client.post_text("/api/v1/imports", body)
}

fn take(report: &Value, source: &Source, start: usize, counts: &mut Counts, refused: &mut Vec<Value>) {
    let rows = report.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (row, number) in rows.iter().zip(start + 1..) {
        match text(row, "outcome").as_str() {
            "created" => counts.created += 1,
            "unchanged" => counts.unchanged += 1,
            _ => {
                counts.refused += 1;
                refused.push(json!({
                    "table": source.table.word(),
                    "file": source.path.file_name().map(|name| name.to_string_lossy().into_owned()),
                    "row": number,
                    "id": row.get("id"),
                    "reference": row.get("reference"),
                    "field": row.get("field"),
                    "code": row.get("code"),
                    "reason": row.get("reason"),
                }));
            }
        }
    }
}

fn human(context: &Context, counts: &BTreeMap<Table, Counts>, refused: &[Value], dry_run: bool) -> String {
    let printer = context.printer;
    let row = |(table, counts): (&Table, &Counts)| {
        vec![
            table.word().to_owned(),
            counts.created.to_string(),
            counts.unchanged.to_string(),
            counts.refused.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = counts.iter().map(row).collect();
    let head = [
        "Table",
        printer.pick("Prises", "Taken"),
        printer.pick("Déjà là", "Known"),
        printer.pick("Refusées", "Refused"),
    ];
    let mut lines = vec![table(&head, &rows, &[1, 2, 3])];
    if dry_run {
        lines.push(printer.pick("Essai : rien n'a été écrit.", "Dry run: nothing was written.").to_owned());
    }
    lines.extend(refused.iter().map(|row| {
        let reference = match text(row, "reference") {
            none if none == "-" => String::new(),
            some => format!(" ({some})"),
        };
        format!("{} {}{reference} : {}", text(row, "file"), text(row, "row"), text(row, "reason"))
    }));
    lines.join("\n")
}

fn progress(context: &Context, total: u64) -> ProgressBar {
    let visible = std::io::stderr().is_terminal() && !context.printer.json;
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    match ProgressStyle::with_template("{msg:9} {bar:30} {pos}/{len}  {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Ctrl-C between two pieces of work ends it; what was done is done.
#[expect(clippy::exit, reason = "whoever presses Ctrl-C twice wants the process gone")]
pub(super) fn watch_interrupt(stopped: Arc<AtomicBool>) {
    let watch = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Ok(runtime) = runtime
            && runtime.block_on(tokio::signal::ctrl_c()).is_ok()
        {
            stopped.store(true, Ordering::Relaxed);
            // Who asks twice does not want to wait for the piece under way.
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                std::process::exit(130);
            }
        }
    };
    // Without the watch, Ctrl-C ends the program as it ends any other: what was sent is done all the same.
    drop(std::thread::Builder::new().name("interrupt".to_owned()).spawn(watch));
}
