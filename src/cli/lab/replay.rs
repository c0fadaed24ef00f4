//! `lab replay`: a trace run again, at once or event by event.
//!
//! What is shown at a stop is what the devices show: their clocks, credits, balances, what their disks have not kept yet,
//! and what is on its way between them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use serde_json::{Value, json};

use super::super::Context;
use super::super::failure::Failure;
use super::super::output::{Printer, print_line};
use super::header::{Header, Source};
use super::scenario::parse;
use super::told::Told;
use super::wrong;
use crate::lab::scenario::{play, play_watched};
use crate::lab::{DeviceGlance, Glance, START, Watcher, run, run_watched};

/// Most bytes of a trace's head that are looked at.
const HEAD_BYTES_MAX: usize = 1 << 21;
/// What is on its way, as much as is told of it.
const FLIGHT_MAX: usize = 8;
/// Changes of a device that are told at one stop.
const CHANGES_MAX: usize = 20;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Replay {
    /// La trace, telle que --trace l'a écrite.
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// S'arrêter à chaque événement : Entrée continue, « n APPAREIL » va au prochain de cet appareil, « s APPAREIL »
    /// montre tout ce qu'il montre, « q » arrête.
    #[arg(long)]
    step: bool,
}

/// The flags of a header, read as the command line reads them.
#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    told: Told,
}

impl Replay {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let printer = context.printer;
        let header = self.header(&printer)?;
        if self.step { step(&self.trace, &header, printer) } else { again(&self.trace, &header, printer) }
    }

    fn header(&self, printer: &Printer) -> Result<Header, Failure> {
        let path = self.trace.display();
        let bytes =
            std::fs::read(&self.trace).map_err(|error| Failure::system(printer.language, &path.to_string(), error))?;
        let head = String::from_utf8_lossy(bytes.get(..HEAD_BYTES_MAX).unwrap_or(&bytes));
        let Some(header) = Header::read(&head) else { return Err(not_a_trace(&self.trace, printer)) };
        if header.is_ours() {
            return Ok(header);
        }
        let (theirs, ours) = (&header.version, env!("CARGO_PKG_VERSION"));
        let message = printer
            .pick(
                "{path} vient de la version {theirs} de ucash, et celle-ci est {ours} : la même graine y donne autre chose. Rejouez-la avec la version {theirs}, ou refaites la trace avec celle-ci.",
                "{path} is from version {theirs} of ucash, and this is {ours}: the same seed gives something else here. Replay it with version {theirs}, or make the trace again with this one.",
            )
            .replace("{path}", &path.to_string())
            .replace("{theirs}", theirs)
            .replace("{ours}", ours);
        let mut failure = Failure::new("another_version", message);
        failure.facts.insert("trace_version".to_owned(), json!(theirs));
        failure.facts.insert("version".to_owned(), json!(ours));
        Err(failure)
    }
}

fn not_a_trace(path: &Path, printer: &Printer) -> Failure {
    let message = printer
        .pick(
            "{path} n'est pas une trace du laboratoire. Faites-en une avec : ucash lab run --seed N --trace FICHIER",
            "{path} is no trace of the lab. Make one with: ucash lab run --seed N --trace FILE",
        )
        .replace("{path}", &path.display().to_string());
    Failure::new("not_a_trace", message)
}

fn told(path: &Path, flags: &str, printer: &Printer) -> Result<Told, Failure> {
    let words = std::iter::once("replay").chain(flags.split_whitespace());
    Flags::try_parse_from(words).map(|flags| flags.told).map_err(|_| not_a_trace(path, printer))
}

/// Runs it again, and compares the digests.
fn again(path: &Path, header: &Header, printer: Printer) -> Result<ExitCode, Failure> {
    let digest = match &header.source {
        Source::Seed(seed, flags) => run(*seed, &told(path, flags, &printer)?.overrides()).trace_text(),
        Source::Scenario(name, text) => {
            let scenario = parse(name, text, printer.language)?;
            let played = play(&scenario, false);
            played.map_err(|why| wrong::of_scenario(name, text, &why, printer.language))?.trace_text()
        }
    };
    let same = digest == header.digest;
    let value = json!({ "same": same, "trace": header.digest, "again": digest, "version": header.version });
    printer.answer(&value, |_| {
        if same {
            printer.pick("La même trace : {}", "The same trace: {}").replace("{}", &digest)
        } else {
            printer
                .pick(
                    "Une autre trace : {again}, et non {was}. Ce programme n'est plus celui qui l'a écrite.",
                    "Another trace: {again}, and not {was}. This program is no longer the one that wrote it.",
                )
                .replace("{again}", &digest)
                .replace("{was}", &header.digest)
        }
    });
    Ok(ExitCode::from(u8::from(!same)))
}

fn step(path: &Path, header: &Header, printer: Printer) -> Result<ExitCode, Failure> {
    let stepper = Box::new(Stepper { printer, until: Until::Next, shown: BTreeMap::new(), stops: 0 });
    match &header.source {
        Source::Seed(seed, flags) => {
            let outcome = run_watched(*seed, &told(path, flags, &printer)?.overrides(), stepper);
            if let Some(failure) = outcome.result.err().filter(|failure| failure.invariant != "stopped") {
                print_line(&failure.to_string());
            }
        }
        Source::Scenario(name, text) => {
            let scenario = parse(name, text, printer.language)?;
            play_watched(&scenario, stepper).map_err(|why| wrong::of_scenario(name, text, &why, printer.language))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Until when the run goes on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// Whatever happens next.
    Next,
    /// Something happens to that device.
    Device(usize),
}

/// Somebody at the keyboard.
#[derive(Debug)]
struct Stepper {
    printer: Printer,
    until: Until,
    /// What each device showed when it was last looked at.
    shown: BTreeMap<usize, DeviceGlance>,
    stops: u64,
}

impl Watcher for Stepper {
    fn began(&mut self, glance: &Glance<'_>) {
        let all = (0..glance.names().len()).filter_map(|device| Some((device, glance.of(device)?)));
        self.shown = all.collect();
    }

    fn looked(&mut self, glance: &Glance<'_>) -> bool {
        if let Until::Device(device) = self.until
            && device != glance.device
        {
            return true;
        }
        self.stops += 1;
        self.stop(glance);
        self.ask(glance)
    }
}

impl Stepper {
    fn pick<'a>(&self, french: &'a str, english: &'a str) -> &'a str {
        self.printer.pick(french, english)
    }

    fn stop(&mut self, glance: &Glance<'_>) {
        let names = glance.names();
        let now: Vec<DeviceGlance> = (0..names.len()).filter_map(|device| glance.of(device)).collect();
        let mut changes = Vec::new();
        for (device, one) in now.iter().enumerate() {
            let before = self.shown.insert(device, one.clone());
            changes.extend(before.map(|before| (device, changed(&before, one))));
        }
        changes.retain(|(_, all)| !all.is_empty());
        if self.printer.json {
            print_line(&self.to_json(glance, &now, &changes).to_string());
            return;
        }
        for line in glance.lines {
            print_line(line);
        }
        for one in &now {
            print_line(&format!("  {}", self.line(one)));
        }
        for (device, all) in &changes {
            let name = names.get(*device).copied().unwrap_or_default();
            for text in all.iter().take(CHANGES_MAX) {
                print_line(&format!("  * {name}: {text}"));
            }
            if all.len() > CHANGES_MAX {
                print_line(&format!("  * {name}: … +{}", all.len() - CHANGES_MAX));
            }
        }
        let flight = glance.in_flight();
        for one in flight.iter().take(FLIGHT_MAX) {
            let name = |device: usize| names.get(device).copied().unwrap_or_default();
            let bytes = self.pick("octets", "bytes");
            let text = format!("{} → {}: {} {bytes}, +{} ms", name(one.from), name(one.to), one.bytes, one.in_ms);
            print_line(&format!("  ~ {text}"));
        }
        if flight.len() > FLIGHT_MAX {
            print_line(&format!("  ~ … +{}", flight.len() - FLIGHT_MAX));
        }
    }

    /// A device in one line.
    fn line(&self, one: &DeviceGlance) -> String {
        let clock: String = one.clock.to_rfc3339().chars().take(19).collect();
        if !one.up {
            return format!("{:<20} {clock}  {}", one.name, self.pick("sans courant", "without power"));
        }
        let mut credits: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, status, _) in &one.credits {
            *credits.entry(status.word()).or_default() += 1;
        }
        let credits: Vec<String> = credits.into_iter().map(|(word, count)| format!("{word} {count}")).collect();
        let ahead = match one.ahead_ms {
            0 => String::new(),
            ms => format!(" ({:+} s)", ms / 1_000),
        };
        format!(
            "{:<20} {clock}{ahead}  {}: {}; {}: [{}]; {}: {}; {}: {}; {}: {}, {}",
            one.name,
            self.pick("écritures", "entries"),
            one.entries,
            self.pick("crédits", "credits"),
            credits.join(", "),
            self.pick("conflits", "conflicts"),
            one.conflicts,
            self.pick("non gardé", "unsynced"),
            one.unsynced,
            self.pick("en attente", "waiting"),
            one.inbox,
            one.held,
        )
    }

    fn to_json(&self, glance: &Glance<'_>, now: &[DeviceGlance], changes: &[(usize, Vec<String>)]) -> Value {
        let names = glance.names();
        let changed: BTreeMap<&str, &Vec<String>> =
            changes.iter().filter_map(|(device, all)| Some((*names.get(*device)?, all))).collect();
        let flight = glance.in_flight();
        let flight: Vec<Value> = flight
            .iter()
            .map(|one| json!({ "from": names.get(one.from), "to": names.get(one.to), "bytes": one.bytes, "in_ms": one.in_ms }))
            .collect();
        json!({
            "stop": self.stops,
            "at": START.plus_ms(glance.at_ms()).to_rfc3339(),
            "device": names.get(glance.device),
            "events": glance.lines,
            "devices": now.iter().map(device_json).collect::<Vec<_>>(),
            "changed": changed,
            "in_flight": flight,
        })
    }

    /// What to do next. The end of the input is the end of the wish to see more.
    fn ask(&mut self, glance: &Glance<'_>) -> bool {
        loop {
            let _ = write!(std::io::stderr(), "> ").and_then(|()| std::io::stderr().flush());
            let mut line = String::new();
            match std::io::stdin().read_line(&mut line) {
                Ok(0) | Err(_) => return false,
                Ok(_) => {}
            }
            let line = line.trim();
            let (word, with) = line.split_once(' ').map_or((line, ""), |(word, with)| (word, with.trim()));
            match word {
                "" => {
                    self.until = Until::Next;
                    return true;
                }
                "q" => return false,
                "n" | "s" => match find(glance, with) {
                    Some(device) if word == "n" => {
                        self.until = Until::Device(device);
                        return true;
                    }
                    Some(device) => self.show(glance, device),
                    None => self.printer.remark(
                        &self
                            .pick("Aucun appareil « {} ». Il y a : {all}.", "No device \"{}\". There are: {all}.")
                            .replace("{}", with)
                            .replace("{all}", &glance.names().join(", ")),
                    ),
                },
                _ => self.printer.remark(self.pick(
                    "Entrée : suite ; n APPAREIL : son prochain événement ; s APPAREIL : ce qu'il montre ; q : arrêter.",
                    "Enter: on; n DEVICE: its next event; s DEVICE: what it shows; q: stop.",
                )),
            }
        }
    }

    /// All that a device shows.
    fn show(&self, glance: &Glance<'_>, device: usize) {
        let Some(one) = glance.of(device) else { return };
        if self.printer.json {
            print_line(&device_json(&one).to_string());
            return;
        }
        print_line(&format!("  {}", self.line(&one)));
        for (reference, status, paid) in &one.credits {
            print_line(&format!("    {reference:<24} {:<18} {paid}", status.word()));
        }
        for (sim, available, own) in &one.balances {
            print_line(&format!("    {sim:<24} {available:>14} {own:>14}"));
        }
    }
}

/// A device as programs read it.
fn device_json(one: &DeviceGlance) -> Value {
    json!({
        "device": one.name,
        "up": one.up,
        "clock": one.clock.to_rfc3339(),
        "ahead_ms": one.ahead_ms,
        "entries": one.entries,
        "conflicts_open": one.conflicts,
        "unsynced": one.unsynced,
        "inbox": one.inbox,
        "held": one.held,
        "credits": one.credits.iter().map(|(reference, status, paid)| json!([reference, status.word(), paid])).collect::<Vec<_>>(),
        "balances": one.balances,
    })
}

/// The device of that name or number.
fn find(glance: &Glance<'_>, text: &str) -> Option<usize> {
    let names = glance.names();
    let number = text.parse::<usize>().ok().filter(|number| *number < names.len());
    names.iter().position(|name| *name == text).or(number)
}

/// What a device shows otherwise than before, a line each.
fn changed(before: &DeviceGlance, now: &DeviceGlance) -> Vec<String> {
    let mut found = Vec::new();
    if before.up != now.up {
        found.push(if now.up { "up".to_owned() } else { "down".to_owned() });
    }
    let of = |one: &DeviceGlance| -> BTreeMap<String, String> {
        let credits = one
            .credits
            .iter()
            .map(|(reference, status, paid)| (reference.clone(), format!("{} {paid}", status.word())));
        let balances = one.balances.iter().map(|(sim, available, own)| (sim.clone(), format!("{available} ({own})")));
        let conflicts = ("conflicts".to_owned(), one.conflicts.to_string());
        credits.chain(balances).chain([conflicts]).collect()
    };
    // What a device without power would show is not known, and no change.
    if before.up && now.up {
        let (before, now) = (of(before), of(now));
        for (key, value) in &now {
            match before.get(key) {
                Some(old) if old == value => {}
                Some(old) => found.push(format!("{key}: {old} → {value}")),
                None => found.push(format!("{key}: + {value}")),
            }
        }
        found.extend(
            before.iter().filter(|(key, _)| !now.contains_key(*key)).map(|(key, old)| format!("{key}: - {old}")),
        );
    }
    found
}
