//! What happened, as rows of the page: one for each thing that people or the world did, and one for all messages between
//! two of them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::speech::Speaker;
use super::super::verdicts::{Both, came, deed};
use crate::http::Language;
use crate::lab::scenario::{Action, Came, Deed, Names, Play, Played};
use crate::lab::{Mark, Record, What};
use crate::model::ConflictId;
use crate::replica::ConflictView;

/// Most rows of a page: what comes before the last of them is left out.
const ROWS_MAX: usize = 1_500;
/// Pairs of devices whose messages have an arrow of their own in one row.
const ARROWS_MAX: usize = 6;
/// Pairs that are named in one sentence.
const PAIRS_MAX: usize = 4;

/// What stands on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Icon {
    Done,
    Refused,
    Cut,
    Back,
    PowerOff,
    PowerOn,
    Clock,
    Conflict,
    Handled,
    Trouble,
}

impl Icon {
    /// The id of its symbol.
    pub fn word(self) -> &'static str {
        match self {
            Icon::Done => "done",
            Icon::Refused => "refused",
            Icon::Cut => "cut",
            Icon::Back => "back",
            Icon::PowerOff => "off",
            Icon::PowerOn => "on",
            Icon::Clock => "clock",
            Icon::Conflict => "conflict",
            Icon::Handled => "handled",
            Icon::Trouble => "trouble",
        }
    }
}

/// Messages of one pair within one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrow {
    pub left: usize,
    pub right: usize,
    /// How many went to the right, and to the left.
    pub counts: [usize; 2],
}

/// A row of the page.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub at_ms: i64,
    /// What stands on which lane.
    pub icons: Vec<(usize, Icon)>,
    pub arrows: Vec<Arrow>,
    /// Devices without power.
    pub off: BTreeSet<usize>,
    pub text: Both,
    /// A word of the storyteller before it.
    pub say: Option<String>,
    /// Whether it is not as the story says.
    pub wrong: bool,
}

/// Rows in the making: messages are gathered until something else happens.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    messages: BTreeMap<(usize, usize), [usize; 2]>,
    bytes: usize,
    since_ms: i64,
    off: BTreeSet<usize>,
    /// The conflict of the last row, and how it is listed there.
    conflict: Option<ConflictId>,
    /// Who lists which conflict already.
    known: BTreeSet<(ConflictId, usize)>,
}

impl Rows {
    fn heard(&mut self, at_ms: i64, from: usize, to: usize, bytes: usize) {
        if self.messages.is_empty() {
            self.since_ms = at_ms;
        }
        let counts = self.messages.entry((from.min(to), from.max(to))).or_default();
        counts[usize::from(from > to)] += 1;
        self.bytes += bytes;
    }

    fn flush(&mut self) {
        if self.messages.is_empty() {
            return;
        }
        let all = std::mem::take(&mut self.messages);
        let bytes = std::mem::take(&mut self.bytes);
        let count: usize = all.values().flatten().sum();
        let kilobytes = format!("{}.{}", bytes / 1_000, bytes % 1_000 / 100);
        let more = all.len().saturating_sub(ARROWS_MAX);
        let mut text = match count {
            1 => Both::new(format!("1 message ({kilobytes} ko)"), format!("1 message ({kilobytes} kB)")),
            _ => Both::new(format!("{count} messages ({kilobytes} ko)"), format!("{count} messages ({kilobytes} kB)")),
        };
        if more > 0 {
            text = text.and(&format!(", dont {more} autres liens"), &format!(", {more} more links among them"));
        }
        let mut arrows: Vec<Arrow> =
            all.into_iter().map(|((left, right), counts)| Arrow { left, right, counts }).collect();
        arrows.sort_by_key(|arrow| std::cmp::Reverse(arrow.counts[0] + arrow.counts[1]));
        arrows.truncate(ARROWS_MAX);
        let (at_ms, off) = (self.since_ms, self.off.clone());
        self.rows.push(Row { at_ms, icons: Vec::new(), arrows, off, text, say: None, wrong: false });
    }

    /// A device loses power, or has it again: what was said before was said before.
    fn power(&mut self, device: usize, on: bool) {
        self.flush();
        if on {
            self.off.remove(&device);
        } else {
            self.off.insert(device);
        }
    }

    fn push(&mut self, at_ms: i64, icons: Vec<(usize, Icon)>, text: Both) {
        self.flush();
        self.conflict = None;
        let off = self.off.clone();
        self.rows.push(Row { at_ms, icons, arrows: Vec::new(), off, text, say: None, wrong: false });
    }

    /// A device lists a conflict: one row for all that do so one after the other.
    fn listed(&mut self, at_ms: i64, device: usize, id: ConflictId, listed: &[ConflictView]) {
        let view = listed.iter().find(|view| view.conflict.id == id);
        let anybody = self.known.iter().any(|(known, _)| *known == id);
        let is_new = self.known.insert((id, device));
        let icon = match view.is_some_and(|view| view.handled.is_some()) && !is_new {
            true => Icon::Handled,
            false => Icon::Conflict,
        };
        if self.conflict == Some(id)
            && let Some(row) = self.rows.last_mut()
        {
            if !row.icons.iter().any(|(known, _)| *known == device) {
                row.icons.push((device, icon));
            }
            return;
        }
        let kind = view.map_or("", |view| view.conflict.kind.word());
        let text = match (is_new, view) {
            (true, _) if anybody => {
                Both::new(format!("Conflit {id} {kind}, ici aussi"), format!("Conflict {id} {kind}, here too"))
            }
            (true, _) => Both::new(format!("Conflit {id} {kind}"), format!("Conflict {id} {kind}")),
            (false, Some(_)) => Both::new(
                format!("Le conflit {id} ({kind}) se lit autrement"),
                format!("Conflict {id} ({kind}) reads otherwise"),
            ),
            (false, None) => {
                Both::new(format!("Le conflit {id} n'en est plus un"), format!("Conflict {id} is none any more"))
            }
        };
        self.push(at_ms, vec![(device, icon)], text);
        self.conflict = Some(id);
    }

    fn end(mut self) -> (Vec<Row>, usize) {
        self.flush();
        let left_out = self.rows.len().saturating_sub(ROWS_MAX);
        (self.rows.split_off(left_out), left_out)
    }
}

fn speakers(names: &BTreeMap<String, String>) -> [Speaker<'_>; 2] {
    [Language::French, Language::English].map(|language| Speaker { language, names })
}

/// The rows of a run from a seed.
pub(super) fn rows_of_seed(record: &Record) -> (Vec<Row>, usize) {
    let mut rows = Rows::default();
    let [french, english] = speakers(&record.names);
    let refused: BTreeMap<(usize, u64), &str> = record.tape.iter().filter_map(refusal).collect();
    for mark in &record.tape {
        let (at_ms, device) = (mark.at_ms, mark.device);
        let name = record.devices.get(device).map_or("", String::as_str);
        match &mark.what {
            What::Asked { ticket, command } => {
                let code = refused.get(&(device, *ticket));
                let text = Both::new(
                    format!("{name} : {}", french.command(command)),
                    format!("{name}: {}", english.command(command)),
                );
                let (icon, text) = match code {
                    Some(code) => {
                        (Icon::Refused, text.and(&format!(" — refusé ({code})"), &format!(" — refused ({code})")))
                    }
                    None => (Icon::Done, text),
                };
                rows.push(at_ms, vec![(device, icon)], text);
            }
            what => around(&mut rows, &record.devices, at_ms, device, what, &record.conflicts),
        }
    }
    rows.end()
}

fn refusal(mark: &Mark) -> Option<((usize, u64), &'static str)> {
    match mark.what {
        What::Answered { ticket, refused: Some(code) } => Some(((mark.device, ticket), code)),
        _ => None,
    }
}

/// What happened that nobody asked for.
fn around(rows: &mut Rows, names: &[String], at_ms: i64, device: usize, what: &What, listed: &[ConflictView]) {
    let name = names.get(device).map_or("", String::as_str);
    let both = |french: &str, english: &str| Both::new(format!("{name} {french}"), format!("{name} {english}"));
    match what {
        What::Heard { from, bytes } => rows.heard(at_ms, *from, device, *bytes),
        What::Conflict(id) => rows.listed(at_ms, device, *id, listed),
        What::Apart(pairs) => {
            let text = pairs_text(names, pairs);
            rows.push(at_ms, lanes(pairs, Icon::Cut), Both::new(format!("Coupure : {text}"), format!("Cut: {text}")));
        }
        What::Together(pairs) => {
            let text = pairs_text(names, pairs);
            let both = Both::new(format!("Le réseau revient : {text}"), format!("The network is back: {text}"));
            rows.push(at_ms, lanes(pairs, Icon::Back), both);
        }
        What::PowerLost => {
            rows.power(device, false);
            rows.push(at_ms, vec![(device, Icon::PowerOff)], both("perd le courant", "loses power"));
        }
        What::Restarted => {
            rows.power(device, true);
            rows.push(at_ms, vec![(device, Icon::PowerOn)], both("redémarre", "starts again"));
        }
        What::DiskFailed => {
            rows.push(
                at_ms,
                vec![(device, Icon::Trouble)],
                both(": son disque n'écrit pas", ": its disk does not write"),
            );
        }
        What::ClockSet(ahead_ms) => {
            let seconds = ahead_ms / 1_000;
            let french = format!(": son horloge est à {seconds:+} s");
            rows.push(at_ms, vec![(device, Icon::Clock)], both(&french, &format!(": its clock is at {seconds:+} s")));
        }
        What::Banned { peer, reason } => {
            let peer = names.get(*peer).map_or("", String::as_str);
            let (french, english) = (format!("quitte {peer} : {reason}"), format!("leaves {peer}: {reason}"));
            rows.push(at_ms, vec![(device, Icon::Trouble)], both(&french, &english));
        }
        What::Fault(name) if *name != "power cut" => {
            rows.push(at_ms, vec![(device, Icon::Trouble)], both(&format!(": {name}"), &format!(": {name}")));
        }
        What::Attack(name) => {
            let (french, english) = (format!("entend une clé volée : {name}"), format!("hears a stolen key: {name}"));
            rows.push(at_ms, vec![(device, Icon::Trouble)], both(&french, &english));
        }
        What::Healed(round) => {
            rows.push(
                at_ms,
                Vec::new(),
                Both::new(format!("Ronde {round} terminée"), format!("Round {round} is over")),
            );
        }
        What::Fault(_)
        | What::Founded
        | What::Joined
        | What::Met(_)
        | What::Parted(_)
        | What::Asked { .. }
        | What::Answered { .. } => {}
    }
}

fn lanes(pairs: &[(usize, usize)], icon: Icon) -> Vec<(usize, Icon)> {
    let all: BTreeSet<usize> = pairs.iter().flat_map(|(left, right)| [*left, *right]).collect();
    all.into_iter().map(|device| (device, icon)).collect()
}

fn pairs_text(names: &[String], pairs: &[(usize, usize)]) -> String {
    let name = |device: usize| names.get(device).map_or("", String::as_str);
    let told = pairs.iter().take(PAIRS_MAX).map(|(left, right)| format!("{} – {}", name(*left), name(*right)));
    let mut text = told.collect::<Vec<_>>().join(", ");
    if pairs.len() > PAIRS_MAX {
        text.push_str(&format!(", +{}", pairs.len() - PAIRS_MAX));
    }
    text
}

/// The rows of a story: its steps, and between them what passed by itself.
pub(super) fn rows_of_story(play: &Play) -> (Vec<Row>, usize) {
    let mut rows = Rows::default();
    let began_ms = play.steps.first().map_or(0, |step| step.at_ms);
    let mut steps = play.steps.iter().peekable();
    for mark in play.tape.iter().filter(|mark| mark.at_ms >= began_ms) {
        while let Some(step) = steps.next_if(|step| step.at_ms <= mark.at_ms) {
            told(&mut rows, play, step);
        }
        // What the steps tell need not be told twice.
        if matches!(mark.what, What::Heard { .. } | What::Conflict(_) | What::Banned { .. } | What::DiskFailed) {
            around(&mut rows, &play.devices, mark.at_ms, mark.device, &mark.what, &play.conflicts);
        }
    }
    for step in steps {
        told(&mut rows, play, step);
    }
    rows.end()
}

fn told(rows: &mut Rows, play: &Play, step: &Played) {
    let [french, english] = speakers(&play.names);
    let text = Both::new(deed(play, step, &french), deed(play, step, &english));
    let came = [&french, &english].map(|speaker| came(step, speaker.language));
    let text = match came {
        [Some(french), Some(english)] => text.and(&format!(" — {french}"), &format!(" — {english}")),
        _ => text,
    };
    let icons = icons(play, step);
    for (device, icon) in &icons {
        match icon {
            Icon::PowerOff => rows.power(*device, false),
            Icon::PowerOn => rows.power(*device, true),
            _ => {}
        }
    }
    rows.push(step.at_ms, icons, text);
    if let Some(row) = rows.rows.last_mut() {
        (row.say, row.wrong) = (step.say.clone(), !step.holds());
    }
}

fn icons(play: &Play, step: &Played) -> Vec<(usize, Icon)> {
    let one = |icon| step.device.map(|device| (device, icon)).into_iter().collect();
    match &step.deed {
        Deed::Asked(_) if matches!(step.came, Came::Done) => one(Icon::Done),
        Deed::Asked(_) => one(Icon::Refused),
        Deed::Around(action) => match action.as_ref() {
            Action::Cut(names) => named(play, names, Icon::Cut),
            Action::Heal(names) | Action::Meet(names) => named(play, names, Icon::Back),
            Action::SetClock(_) => one(Icon::Clock),
            Action::PowerCut(_) => one(Icon::PowerOff),
            Action::PowerOn(_) | Action::Start(_) | Action::Restore(_) => one(Icon::PowerOn),
            Action::Wait(_) => Vec::new(),
            _ => one(Icon::Trouble),
        },
    }
}

fn named(play: &Play, names: &Names, icon: Icon) -> Vec<(usize, Icon)> {
    let is_named = |name: &String| match names {
        Names::One(one) => one == "all" || one == name,
        Names::Many(several) => several.contains(name),
    };
    let all = play.devices.iter().enumerate().filter(|(_, name)| is_named(name));
    all.map(|(device, _)| (device, icon)).collect()
}
