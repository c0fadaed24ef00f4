//! `lab run` from seeds: what failed, and the command that shows it again.

use std::io::IsTerminal;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::super::Context;
use super::super::failure::Failure;
use super::super::import::watch_interrupt;
use super::super::output::{card, print_line};
use super::header::Header;
use super::scenario;
use super::shrunk;
use super::told::Told;
use crate::lab::{Outcome, run, run_traced};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Run {
    /// Un scénario à jouer (TOML), au lieu d'une graine.
    #[arg(
        value_name = "SCENARIO",
        conflicts_with_all = ["seed", "seeds", "devices", "shops", "days", "operations", "faults", "lying_disks", "skipped"]
    )]
    scenario: Option<PathBuf>,
    /// La graine d'où tout découle.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plusieurs graines, de A à B, toutes deux comprises.
    #[arg(long, value_name = "A..B", value_parser = seeds, conflicts_with = "seed")]
    seeds: Option<RangeInclusive<u64>>,
    #[command(flatten)]
    told: Told,
    /// Réduire une graine qui échoue aux opérations et aux pannes qu'il lui faut.
    #[arg(long)]
    shrink: bool,
    /// Au plus tant d'essais pour réduire.
    #[arg(long, value_name = "N", default_value_t = 2_000, requires = "shrink")]
    shrink_runs: u32,
    /// Écrire dans ce fichier tout ce qui se passe, une ligne par événement ; « - » pour la sortie standard.
    #[arg(long, value_name = "FILE", conflicts_with = "seeds")]
    trace: Option<PathBuf>,
}

/// Reads `A..B`, or one number.
fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let number = |text: &str| text.trim().parse::<u64>().map_err(|error| format!("{text}: {error}"));
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (number(first)?, number(last.trim_start_matches('='))?),
        None => (number(text)?, number(text)?),
    };
    if first > last { Err(format!("{first} > {last}")) } else { Ok(first..=last) }
}

/// All seeds together.
#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    failed: Vec<u64>,
    operations: u64,
    steps: u64,
    virtual_ms: i64,
}

impl Run {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        if let Some(path) = &self.scenario {
            return scenario::run(context, path, self.trace.as_deref());
        }
        let overrides = self.told.overrides();
        let Run { seed, seeds, trace, shrink: shrinks, shrink_runs, .. } = self;
        let seeds = seeds.unwrap_or(seed..=seed);
        let many = seeds.end() > seeds.start();
        let stopped = Arc::new(AtomicBool::new(false));
        watch_interrupt(Arc::clone(&stopped));
        let bar = progress(context, (seeds.end() - seeds.start()).saturating_add(1));
        let mut sum = Sum::default();
        for seed in seeds {
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            let outcome = match &trace {
                None => run(seed, &overrides),
                Some(path) => {
                    let (outcome, lines) = run_traced(seed, &overrides);
                    let header = Header::of_seed(seed, &overrides, outcome.trace_text());
                    write(context, path, &header.lines(), &lines)?;
                    outcome
                }
            };
            sum.take(&outcome);
            // Of many seeds people are told those that failed.
            bar.suspend(|| tell(context, &outcome, many));
            if shrinks && outcome.result.is_err() {
                bar.suspend(|| shrunk::tell(context, seed, &overrides, shrink_runs));
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        let interrupted = stopped.load(Ordering::Relaxed);
        context.printer.answer(&sum.to_json(interrupted), |_| sum.human(context));
        if interrupted {
            let text = "Interrompu : ce qui précède est ce qui a été fait.";
            context.printer.remark(context.printer.pick(text, "Interrupted: the above is what was done."));
        }
        Ok(ExitCode::from(u8::from(interrupted || !sum.failed.is_empty())))
    }
}

impl Sum {
    fn take(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.operations += outcome.counts.done;
        self.steps += outcome.counts.steps;
        self.virtual_ms = self.virtual_ms.saturating_add(outcome.virtual_ms);
        if outcome.result.is_err() {
            self.failed.push(outcome.seed);
        }
    }

    fn to_json(&self, interrupted: bool) -> Value {
        json!({ "summary": {
            "version": env!("CARGO_PKG_VERSION"),
            "seeds": self.seeds,
            "failed": self.failed,
            "operations": self.operations,
            "steps": self.steps,
            "virtual_ms": self.virtual_ms,
            "interrupted": interrupted,
        }})
    }

    fn human(&self, context: &Context) -> String {
        let printer = context.printer;
        let Sum { seeds, operations, steps, virtual_ms, .. } = self;
        let (failed, hours) = (self.failed.len(), virtual_ms / 3_600_000);
        printer
            .pick(
                "{seeds} graine(s), {failed} échec(s) : {operations} opérations faites, {steps} pas, {hours} heures simulées.",
                "{seeds} seed(s), {failed} failed: {operations} operations done, {steps} steps, {hours} hours simulated.",
            )
            .replace("{seeds}", &seeds.to_string())
            .replace("{failed}", &failed.to_string())
            .replace("{operations}", &operations.to_string())
            .replace("{steps}", &steps.to_string())
            .replace("{hours}", &hours.to_string())
    }
}

fn tell(context: &Context, outcome: &Outcome, many: bool) {
    if context.printer.json {
        print_line(&to_json(outcome).to_string());
    } else if let Err(failure) = &outcome.result {
        print_line(&format!("{}\nucash {}", human(context, outcome), env!("CARGO_PKG_VERSION")));
        print_line(&failure.replay);
    } else if !many {
        print_line(&human(context, outcome));
    }
}

fn to_json(outcome: &Outcome) -> Value {
    let Outcome { seed, options, counts, virtual_ms, events, result, .. } = outcome;
    json!({
        "seed": seed,
        "ok": result.is_ok(),
        "options": options,
        "counts": counts,
        "virtual_ms": virtual_ms,
        "events": events,
        "trace": outcome.trace_text(),
        "failure": result.as_ref().err().map(|failure| json!({
            "invariant": failure.invariant,
            "detail": failure.detail,
            "at_ms": failure.at_ms,
            "replay": failure.replay,
            "version": env!("CARGO_PKG_VERSION"),
        })),
    })
}

fn human(context: &Context, outcome: &Outcome) -> String {
    let pick = |french, english| context.printer.pick(french, english);
    let counts = &outcome.counts;
    let mut fields = vec![
        (pick("Graine", "Seed"), outcome.seed.to_string()),
        (pick("Réglages", "Options"), outcome.options.to_string()),
        (pick("Opérations", "Operations"), {
            let words = pick("faites, {} refusées", "done, {} refused");
            format!("{} {}", counts.done, words.replace("{}", &counts.refused.to_string()))
        }),
        (pick("Pannes de courant", "Power cuts"), counts.power_cuts.to_string()),
        (pick("Rondes jusqu'à l'accord", "Rounds to agree"), counts.rounds.to_string()),
        (pick("Pas", "Steps"), counts.steps.to_string()),
        (pick("Heures simulées", "Hours simulated"), (outcome.virtual_ms / 3_600_000).to_string()),
        (pick("Trace", "Trace"), outcome.trace_text()),
    ];
    let verdict = match &outcome.result {
        Ok(()) => pick("tout tient", "everything holds").to_owned(),
        Err(failure) => format!("{} : {}", failure.invariant, failure.detail),
    };
    fields.push((pick("Verdict", "Verdict"), verdict));
    card(&fields)
}

/// Writes a trace: what makes it again, and what happened.
pub(super) fn write(context: &Context, path: &Path, header: &[String], lines: &[String]) -> Result<(), Failure> {
    if path.as_os_str() == "-" {
        header.iter().chain(lines).for_each(|line| print_line(line));
        return Ok(());
    }
    let mut text = String::new();
    for line in header.iter().chain(lines) {
        text.push_str(line);
        text.push('\n');
    }
    std::fs::write(path, text)
        .map_err(|error| Failure::system(context.printer.language, &path.display().to_string(), error))
}

fn progress(context: &Context, total: u64) -> ProgressBar {
    let visible = total > 1 && std::io::stderr().is_terminal() && !context.printer.json;
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    match ProgressStyle::with_template("{bar:30} {pos}/{len}  {per_sec}  {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
