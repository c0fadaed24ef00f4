//! A failing seed made small, told: how much is left, what people still ask, and the command that shows it again.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;

use super::super::Context;
use super::super::output::print_line;
use super::scenario::minute;
use super::speech::Speaker;
use crate::lab::{Overrides, Shrunk, What, run_recorded, shrink};

/// Shrinks a seed that fails, and says what is left of it.
pub(super) fn tell(context: &Context, seed: u64, overrides: &Overrides, runs_max: u32) {
    let visible = std::io::stderr().is_terminal() && !context.printer.json;
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    let shrunk = shrink(seed, overrides, runs_max, &mut |run, operations| {
        bar.set_message(format!("{run}: {operations}"));
        bar.inc(1);
    });
    bar.finish_and_clear();
    let Some(shrunk) = shrunk else { return };
    if context.printer.json {
        print_line(&to_json(&shrunk).to_string());
    } else {
        print_line(&human(context, &shrunk));
    }
}

fn to_json(shrunk: &Shrunk) -> serde_json::Value {
    json!({ "shrunk": {
        "seed": shrunk.failure.seed,
        "invariant": shrunk.failure.invariant,
        "detail": shrunk.failure.detail,
        "operations": shrunk.operations.0,
        "of_operations": shrunk.operations.1,
        "faults": shrunk.faults.0,
        "of_faults": shrunk.faults.1,
        "faults_at_steps": shrunk.at_steps,
        "runs": shrunk.runs,
        "replay": shrunk.failure.replay,
        "version": env!("CARGO_PKG_VERSION"),
    }})
}

fn human(context: &Context, shrunk: &Shrunk) -> String {
    let printer = context.printer;
    let (operations, faults) = (shrunk.operations, shrunk.faults);
    let mut lines = vec![
        printer
            .pick(
                "Réduit : {a} opération(s) sur {b}, {c} panne(s) prévue(s) sur {d}, en {e} essais.",
                "Shrunk: {a} operation(s) of {b}, {c} planned fault(s) of {d}, in {e} runs.",
            )
            .replace("{a}", &operations.0.to_string())
            .replace("{b}", &operations.1.to_string())
            .replace("{c}", &faults.0.to_string())
            .replace("{d}", &faults.1.to_string())
            .replace("{e}", &shrunk.runs.to_string()),
    ];
    if !shrunk.at_steps.is_empty() {
        let head = printer.pick("Il y faut aussi, au hasard du travail", "What also takes part, by chance at work");
        lines.push(format!("{head}: {}", shrunk.at_steps.join(", ")));
    }
    // What is left is little: it can be told.
    let (_, record) = run_recorded(shrunk.failure.seed, &shrunk.overrides);
    let speaker = Speaker { language: printer.language, names: &record.names };
    for mark in &record.tape {
        if let What::Asked { command, .. } = &mark.what {
            let device = record.devices.get(mark.device).map_or("", String::as_str);
            lines.push(format!("  {}  {device}: {}", minute(mark.at_ms), speaker.command(command)));
        }
    }
    lines.push(format!("{}: {}", shrunk.failure.invariant, shrunk.failure.detail));
    lines.push(shrunk.failure.replay.clone());
    lines.join("\n")
}
