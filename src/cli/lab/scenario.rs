//! `lab run SCENARIO`: a story from a file, what happened in it, its conflicts, and what was expected.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::Context;
use super::super::conflicts::facts;
use super::super::failure::Failure;
use super::super::output::Printer;
use super::header::Header;
use super::run::write;
use super::speech::Speaker;
use super::verdicts::{came, deed, subject, verdict};
use super::wrong;
use crate::http::Language;
use crate::http::messages::{conflicts::conflict, sentence};
use crate::lab::START;
use crate::lab::scenario::{Came, Difference, Play, Played, Scenario, Verdict, play};

/// Most bytes of a file that is read: a story is told in less.
const BYTES_MAX: u64 = 1 << 20;

/// Reads a story.
pub(super) fn read(path: &Path, language: Language) -> Result<(Scenario, String), Failure> {
    let system = |error| Failure::system(language, &path.display().to_string(), error);
    let length = std::fs::metadata(path).map_err(system)?.len();
    if length > BYTES_MAX {
        return Err(system(std::io::Error::other("> 1 MiB")));
    }
    let text = std::fs::read_to_string(path).map_err(system)?;
    let scenario = parse(path, &text, language)?;
    Ok((scenario, text))
}

/// Reads a story from its text; the path is how people know it.
pub(super) fn parse(path: &Path, text: &str, language: Language) -> Result<Scenario, Failure> {
    toml::from_str(text).map_err(|error| wrong::of_toml(path, text, &error, language))
}

/// Plays a story and says what came of it: 1 if something is not as it says.
pub(super) fn run(context: &Context, path: &Path, trace: Option<&Path>) -> Result<ExitCode, Failure> {
    let printer = context.printer;
    let (scenario, text) = read(path, printer.language)?;
    let played = play(&scenario, trace.is_some());
    let played = played.map_err(|why| wrong::of_scenario(path, &text, &why, printer.language))?;
    if let Some(trace) = trace {
        let header = Header::of_scenario(path, &text, played.trace_text());
        write(context, trace, &header.lines(), &played.lines)?;
    }
    let teller = Teller { printer, play: &played, speaker: speaker(&played, printer.language) };
    printer.answer(&teller.to_json(&scenario), |_| teller.human(&scenario));
    Ok(ExitCode::from(u8::from(!played.holds())))
}

fn speaker(play: &Play, language: Language) -> Speaker<'_> {
    Speaker { language, names: &play.names }
}

/// A time of the story as people read it.
pub(super) fn minute(at_ms: i64) -> String {
    START.plus_ms(at_ms).to_rfc3339().chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

struct Teller<'a> {
    printer: Printer,
    play: &'a Play,
    speaker: Speaker<'a>,
}

impl Teller<'_> {
    fn pick<'a>(&self, french: &'a str, english: &'a str) -> &'a str {
        self.printer.pick(french, english)
    }

    fn device(&self, device: Option<usize>) -> &str {
        device.and_then(|device| self.play.devices.get(device)).map_or("", String::as_str)
    }

    fn human(&self, scenario: &Scenario) -> String {
        let mut parts = vec![scenario.name.clone()];
        if !scenario.about.trim().is_empty() {
            parts.push(scenario.about.trim().to_owned());
        }
        let mut lines = Vec::new();
        for step in &self.play.steps {
            lines.push(self.step(step));
        }
        if let Some((invariant, detail)) = &self.play.broken {
            lines.push(format!("✗ {invariant}: {detail}"));
        }
        parts.push(lines.join("\n"));
        parts.push(self.conflicts());
        parts.push(self.verdicts());
        parts.push(self.outcome());
        parts.join("\n\n")
    }

    fn step(&self, step: &Played) -> String {
        let mut text = String::new();
        if let Some(say) = &step.say {
            text.push_str(&format!("                   — {say}\n"));
        }
        text.push_str(&format!("{:>3}. {}  {}", step.number, minute(step.at_ms), deed(self.play, step, &self.speaker)));
        if let Some(came) = came(step, self.printer.language) {
            text.push_str(&format!("\n                        → {came}"));
        }
        for view in &step.conflicts {
            let told = conflict(view, self.printer.language);
            let head = match &told.handled {
                None => self.pick("conflit", "conflict"),
                Some(_) => self.pick("conflit traité", "conflict dealt with"),
            };
            text.push_str(&format!("\n                        ! {head} {} ({})", told.id, told.kind.word()));
        }
        text
    }

    fn conflicts(&self) -> String {
        let head = match self.play.conflicts.len() {
            0 => return self.pick("Aucun conflit à la fin.", "No conflict at the end.").to_owned(),
            1 => self.pick("Un conflit à la fin :", "One conflict at the end:").to_owned(),
            number => {
                self.pick("{} conflits à la fin :", "{} conflicts at the end:").replace("{}", &number.to_string())
            }
        };
        let told = self.play.conflicts.iter().map(|view| {
            let value = serde_json::to_value(conflict(view, self.printer.language)).unwrap_or_default();
            indented(&facts(&self.printer, &value))
        });
        format!("{head}\n\n{}", told.collect::<Vec<_>>().join("\n\n"))
    }

    fn verdicts(&self) -> String {
        if self.play.verdicts.is_empty() {
            return self.pick("Rien n'était attendu.", "Nothing was expected.").to_owned();
        }
        let line = |one: &Verdict| {
            let mark = if one.holds() { "✓" } else { "✗" };
            format!("{mark} {}", verdict(self.play, one, self.printer.language).join("\n    "))
        };
        let head = self.pick("Ce qui était attendu :", "What was expected:");
        let lines: Vec<String> = self.play.verdicts.iter().map(line).collect();
        format!("{head}\n{}", lines.join("\n"))
    }

    fn outcome(&self) -> String {
        let steps = self.play.steps.iter().filter(|step| !step.holds()).count();
        let expectations = self.play.verdicts.iter().filter(|verdict| !verdict.holds()).count();
        let verdict = match self.play.holds() {
            true => self.pick("Tout est comme attendu.", "Everything is as expected.").to_owned(),
            false => self
                .pick(
                    "Pas comme attendu : {steps} étape(s), {expectations} attente(s).",
                    "Not as expected: {steps} step(s), {expectations} expectation(s).",
                )
                .replace("{steps}", &steps.to_string())
                .replace("{expectations}", &expectations.to_string()),
        };
        format!("{verdict}\nTrace {}", self.play.trace_text())
    }

    fn to_json(&self, scenario: &Scenario) -> Value {
        let language = self.printer.language;
        let step = |step: &Played| {
            let refused = match &step.came {
                Came::Refused(refusal) => {
                    json!({ "code": refusal.code(), "message": sentence(refusal, language) })
                }
                _ => Value::Null,
            };
            json!({
                "step": step.number,
                "at": START.plus_ms(step.at_ms).to_rfc3339(),
                "device": step.device.map(|device| self.device(Some(device))),
                "agent": step.agent,
                "say": step.say,
                "did": deed(self.play, step, &self.speaker),
                "done": matches!(step.came, Came::Done),
                "refused": refused,
                "ok": step.holds(),
                "conflicts": step.conflicts.iter().map(|view| conflict(view, language)).collect::<Vec<_>>(),
            })
        };
        let judged = |verdict: &Verdict| {
            let difference = |difference: &Difference| {
                json!({
                    "device": difference.device.map(|device| self.device(Some(device))),
                    "key": difference.key,
                    "wanted": difference.wanted,
                    "found": difference.found,
                })
            };
            json!({
                "expectation": verdict.number,
                "about": subject(&verdict.subject, language),
                "wanted": verdict.wanted.iter().map(|(key, value)| json!([key, value])).collect::<Vec<_>>(),
                "ok": verdict.holds(),
                "differences": verdict.differences.iter().map(difference).collect::<Vec<_>>(),
            })
        };
        json!({
            "scenario": scenario.name,
            "ok": self.play.holds(),
            "steps": self.play.steps.iter().map(step).collect::<Vec<_>>(),
            "conflicts": self.play.conflicts.iter().map(|view| conflict(view, language)).collect::<Vec<_>>(),
            "expectations": self.play.verdicts.iter().map(judged).collect::<Vec<_>>(),
            "broken": self.play.broken.as_ref().map(|(name, detail)| json!({ "invariant": name, "detail": detail })),
            "trace": self.play.trace_text(),
            "version": env!("CARGO_PKG_VERSION"),
        })
    }
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("  {line}") })
        .collect::<Vec<_>>()
        .join("\n")
}
