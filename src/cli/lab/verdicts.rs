//! What a story's steps and expectations came to, in words: for the terminal and for the page alike.

use super::speech::Speaker;
use super::wrong;
use crate::http::Language;
use crate::http::messages::sentence;
use crate::lab::scenario::{Came, Deed, Difference, Play, Played, Subject, Verdict};

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Both {
    pub french: String,
    pub english: String,
}

impl Both {
    pub fn new(french: impl Into<String>, english: impl Into<String>) -> Both {
        Both { french: french.into(), english: english.into() }
    }

    /// What is the same in both.
    pub fn same(text: &str) -> Both {
        Both::new(text, text)
    }

    pub fn and(mut self, french: &str, english: &str) -> Both {
        self.french.push_str(french);
        self.english.push_str(english);
        self
    }
}

pub(super) fn pick<'a>(language: Language, french: &'a str, english: &'a str) -> &'a str {
    match language {
        Language::French => french,
        Language::English => english,
    }
}

fn colon(language: Language) -> &'static str {
    pick(language, " : ", ": ")
}

fn device(play: &Play, device: Option<usize>) -> &str {
    device.and_then(|device| play.devices.get(device)).map_or("", String::as_str)
}

/// What was done, with who did it.
pub(super) fn deed(play: &Play, step: &Played, speaker: &Speaker<'_>) -> String {
    match &step.deed {
        Deed::Asked(command) => {
            let agent = step.agent.as_ref().map_or_else(String::new, |agent| format!(" ({agent})"));
            let colon = colon(speaker.language);
            format!("{}{agent}{colon}{}", device(play, step.device), speaker.command(command))
        }
        Deed::Around(action) => speaker.around(action),
    }
}

/// What came of it; nothing where that goes without saying.
pub(super) fn came(step: &Played, language: Language) -> Option<String> {
    let told = match &step.came {
        Came::Done if matches!(step.deed, Deed::Around(_)) => None,
        Came::Done => Some(pick(language, "fait", "done").to_owned()),
        Came::Refused(refusal) => {
            let refused = pick(language, "refusé", "refused");
            Some(format!("{refused} ({}){}{}", refusal.code(), colon(language), sentence(refusal, language)))
        }
        Came::NoAnswer => Some(pick(language, "aucune réponse", "no answer").to_owned()),
        Came::Impossible(why) => {
            let (french, english) = wrong::why(why);
            Some(pick(language, &french, &english).to_owned())
        }
    };
    if step.holds() {
        return told;
    }
    let expected = match &step.expected {
        Some(code) => pick(language, "attendu : refusé, {}", "expected: refused, {}").replace("{}", code),
        None => pick(language, "attendu : fait", "expected: done").to_owned(),
    };
    Some(format!("✗ {} [{expected}]", told.unwrap_or_default()))
}

/// What an expectation is about.
pub(super) fn subject(subject: &Subject, language: Language) -> String {
    match subject {
        Subject::Credit(name) => format!("{} {name}", pick(language, "crédit", "credit")),
        Subject::Sim(name) => format!("SIM {name}"),
        Subject::Conflicts => pick(language, "liste des conflits", "list of conflicts").to_owned(),
        Subject::Agreement => pick(language, "tous les appareils d'accord", "all devices agree").to_owned(),
    }
}

/// An expectation, and what is otherwise: a line, and a line for each difference.
pub(super) fn verdict(play: &Play, verdict: &Verdict, language: Language) -> Vec<String> {
    let wanted: Vec<String> = match verdict.subject {
        Subject::Agreement => Vec::new(),
        Subject::Conflicts if verdict.wanted.is_empty() => vec![pick(language, "aucun", "none").to_owned()],
        Subject::Conflicts => verdict.wanted.iter().map(|(_, value)| value.clone()).collect(),
        _ => verdict.wanted.iter().map(|(key, value)| format!("{key} = {value}")).collect(),
    };
    let colon = if wanted.is_empty() { "" } else { colon(language) };
    let mut lines = vec![format!("{}{colon}{}", subject(&verdict.subject, language), wanted.join(" ; "))];
    if verdict.asked == 0 {
        let nobody = pick(language, "aucun appareil en marche ne peut le dire", "no running device can tell");
        lines.push(nobody.to_owned());
    }
    lines.extend(verdict.differences.iter().map(|one| difference(play, one, language)));
    lines
}

fn difference(play: &Play, difference: &Difference, language: Language) -> String {
    let Difference { device: of, key, wanted, found } = difference;
    let on = of.map_or_else(String::new, |of| format!("{}{}", device(play, Some(of)), colon(language)));
    let text = match key.as_str() {
        "missing" => pick(language, "il manque {wanted}", "{wanted} is missing"),
        "unexpected" => pick(language, "n'était pas attendu : {found}", "was not expected: {found}"),
        "same_list" => pick(
            language,
            "la liste est {found}, et non comme celle de {wanted}",
            "the list is {found}, and not as that of {wanted}",
        ),
        "agree" => "{found}",
        _ => pick(language, "{key} est {found}, et non {wanted}", "{key} is {found}, and not {wanted}"),
    };
    format!("{on}{}", text.replace("{key}", key).replace("{wanted}", wanted).replace("{found}", found))
}

/// Every expectation of a story in both languages, and whether it holds.
pub(super) fn verdict_lines(play: &Play) -> Vec<(bool, Both)> {
    let told = |one: &Verdict, language| verdict(play, one, language).join(" — ");
    let both = |one: &Verdict| Both::new(told(one, Language::French), told(one, Language::English));
    play.verdicts.iter().map(|one| (one.holds(), both(one))).collect()
}
