//! `lab report`: a run drawn on one page that needs nothing else: a lane for each device, what happened in words, the
//! conflicts and how each was decided.
//!
//! It must never fetch anything, and shows what happened as it was recorded, never as it should have been.

mod page;
mod rows;

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use self::page::page;
use self::rows::{Row, rows_of_seed, rows_of_story};
use super::super::Context;
use super::super::failure::Failure;
use super::scenario::read;
use super::told::Told;
use super::verdicts::{Both, verdict_lines};
use super::wrong;
use crate::lab::run_recorded;
use crate::lab::scenario::play;
use crate::replica::ConflictView;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Report {
    /// Un scénario à jouer (TOML), au lieu d'une graine.
    #[arg(
        value_name = "SCENARIO",
        conflicts_with_all = ["seed", "devices", "shops", "days", "operations", "faults", "lying_disks", "skipped", "only_operations", "only_faults", "calm"]
    )]
    scenario: Option<PathBuf>,
    /// La graine d'où tout découle.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    told: Told,
    /// Le fichier à écrire.
    #[arg(long, value_name = "FILE.html")]
    out: PathBuf,
}

/// Everything that is drawn.
#[derive(Debug)]
struct Sheet {
    /// What the run is called.
    pub title: Both,
    /// Its story, or its options.
    pub about: String,
    /// The names of the devices: a lane each.
    pub devices: Vec<String>,
    pub rows: Vec<Row>,
    /// Rows of the beginning that are not shown, since there are too many.
    pub left_out: usize,
    pub conflicts: Vec<ConflictView>,
    /// What held and what did not.
    pub verdicts: Vec<(bool, Both)>,
    /// How to see it again.
    pub command: String,
    pub trace: String,
}

impl Report {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let printer = context.printer;
        let (sheet, holds) = match &self.scenario {
            Some(path) => self.story(context, path)?,
            None => self.seed(),
        };
        let html = page(&sheet);
        let path = self.out.display().to_string();
        std::fs::write(&self.out, &html).map_err(|error| Failure::system(printer.language, &path, error))?;
        let value = json!({ "out": path, "ok": holds, "rows": sheet.rows.len(), "left_out": sheet.left_out });
        printer.answer(&value, |_| {
            let head = printer.pick("Écrit : {}", "Written: {}").replace("{}", &path);
            let verdict = match holds {
                true => printer.pick("tout tient", "everything holds"),
                false => printer.pick("tout ne tient pas", "not everything holds"),
            };
            format!("{head} ({verdict})")
        });
        Ok(ExitCode::SUCCESS)
    }

    fn story(&self, context: &Context, path: &std::path::Path) -> Result<(Sheet, bool), Failure> {
        let language = context.printer.language;
        let (scenario, text) = read(path, language)?;
        let played = play(&scenario, false).map_err(|why| wrong::of_scenario(path, &text, &why, language))?;
        let (rows, left_out) = rows_of_story(&played);
        let sheet = Sheet {
            title: Both::same(&scenario.name),
            about: scenario.about.trim().to_owned(),
            devices: played.devices.clone(),
            rows,
            left_out,
            verdicts: verdict_lines(&played),
            conflicts: played.conflicts.clone(),
            command: format!("ucash lab run {}", path.display()),
            trace: played.trace_text(),
        };
        Ok((sheet, played.holds()))
    }

    fn seed(&self) -> (Sheet, bool) {
        let overrides = self.told.overrides();
        let (outcome, record) = run_recorded(self.seed, &overrides);
        let (rows, left_out) = rows_of_seed(&record);
        let verdict = match &outcome.result {
            Ok(()) => (true, Both::new("tout tient", "everything holds")),
            Err(failure) => (false, Both::same(&format!("{}: {}", failure.invariant, failure.detail))),
        };
        let holds = outcome.result.is_ok();
        let sheet = Sheet {
            title: Both::new(format!("Graine {}", self.seed), format!("Seed {}", self.seed)),
            about: outcome.options.to_string(),
            devices: record.devices,
            rows,
            left_out,
            conflicts: record.conflicts,
            verdicts: vec![verdict],
            command: format!("ucash lab run --seed {}{}", self.seed, overrides.flags()),
            trace: outcome.trace_text(),
        };
        (sheet, holds)
    }
}
