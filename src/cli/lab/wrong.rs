//! What is wrong with a scenario's file, in sentences with the line where it stands.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use toml::Spanned;

use super::super::failure::Failure;
use crate::http::Language;
use crate::lab::scenario::{Noun, Place, Why, Wrong};

/// The parts of a file, for the places where they begin.
#[derive(Debug, Default, Deserialize)]
struct Lines {
    #[serde(default)]
    shop: Vec<Spanned<IgnoredAny>>,
    #[serde(default)]
    device: Vec<Spanned<IgnoredAny>>,
    #[serde(default)]
    sim: Vec<Spanned<IgnoredAny>>,
    #[serde(default)]
    step: Vec<Spanned<IgnoredAny>>,
    #[serde(default)]
    expect: Vec<Spanned<IgnoredAny>>,
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn place_line(text: &str, place: Place) -> Option<usize> {
    let lines: Lines = toml::from_str(text).ok()?;
    let (of, index) = match place {
        Place::File => return None,
        Place::Shop(index) => (lines.shop, index),
        Place::Device(index) => (lines.device, index),
        Place::Sim(index) => (lines.sim, index),
        Place::Step(index) => (lines.step, index),
        Place::Expect(index) => (lines.expect, index),
    };
    of.get(index).map(|part| line_of(text, part.span().start))
}

/// The file is not TOML, or says something that is not known there.
pub(super) fn of_toml(path: &Path, text: &str, error: &toml::de::Error, language: Language) -> Failure {
    let line = error.span().map(|span| line_of(text, span.start));
    let message = error.message();
    let (french, english) = match unknown_field(message) {
        Some((field, known)) => (
            format!("la clé « {field} » n'est pas connue ici. Corrigez-la ; on peut y écrire : {known}."),
            format!("the key \"{field}\" is not known here. Correct it; what may stand here: {known}."),
        ),
        None => (
            format!("ceci ne se lit pas ({message}). Corrigez cette ligne."),
            format!("this cannot be read ({message}). Correct this line."),
        ),
    };
    failure(path, line, &french, &english, language)
}

/// The field and the known ones of serde's message about an unknown field.
fn unknown_field(message: &str) -> Option<(&str, String)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (field, known) = rest.split_once('`')?;
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    Some((field, known.join(", ")))
}

/// The file can be read, and says something that cannot be.
pub(super) fn of_scenario(path: &Path, text: &str, wrong: &Wrong, language: Language) -> Failure {
    let (french, english) = why(&wrong.why);
    failure(path, place_line(text, wrong.place), &french, &english, language)
}

fn failure(path: &Path, line: Option<usize>, french: &str, english: &str, language: Language) -> Failure {
    let path = path.display().to_string();
    let message = match (language, line) {
        (Language::French, Some(line)) => format!("{path}, ligne {line} : {french}"),
        (Language::French, None) => format!("{path} : {french}"),
        (Language::English, Some(line)) => format!("{path}, line {line}: {english}"),
        (Language::English, None) => format!("{path}: {english}"),
    };
    let mut failure = Failure::new("bad_scenario", message);
    failure.facts.insert("file".to_owned(), json!(path));
    failure.facts.insert("line".to_owned(), json!(line));
    failure
}

fn noun(noun: Noun) -> (&'static str, &'static str) {
    match noun {
        Noun::Device => ("appareil", "device"),
        Noun::Shop => ("agence", "shop"),
        Noun::Sim => ("SIM", "SIM"),
        Noun::Copy => ("copie de disque", "copy of a disk"),
        Noun::Named => ("paiement ou mouvement nommé par « as »", "payment or movement named by \"as\""),
    }
}

/// Why a step cannot be, to be read after where it stands.
pub(super) fn why(why: &Why) -> (String, String) {
    match why {
        Why::Nothing(of) => {
            let (french, english) = noun(*of);
            (
                format!("il n'y a pas de {french}. Il en faut une au moins."),
                format!("there is no {english}. At least one is needed."),
            )
        }
        Why::TooMany(of) => {
            let (french, english) = noun(*of);
            (format!("trop pour le laboratoire : {french}."), format!("more than the lab holds: {english}."))
        }
        Why::Unknown(of, name) => {
            let (french, english) = noun(*of);
            (
                format!(
                    "il n'y a ici aucun {french} « {name} ». Vérifiez le nom, et que l'étape qui le crée vient avant."
                ),
                format!(
                    "there is no {english} \"{name}\" here. Check the name, and that the step that makes it comes before."
                ),
            )
        }
        Why::Twice(of, name) => {
            let (french, english) = noun(*of);
            (
                format!("le nom « {name} » ne peut pas servir ici ({french}) : il est pris, ou réservé."),
                format!("the name \"{name}\" cannot be used here ({english}): it is taken, or reserved."),
            )
        }
        Why::Unreadable { key, text, expected } => (
            format!("« {text} » ne convient pas pour « {key} ». On peut écrire : {expected}."),
            format!("\"{text}\" does not fit \"{key}\". What may stand there: {expected}."),
        ),
        Why::NoAction => (
            "cette étape ne fait rien. Dites ce qu'elle fait : cut, heal, meet, wait, grant, pay...".to_owned(),
            "this step does nothing. Say what it does: cut, heal, meet, wait, grant, pay...".to_owned(),
        ),
        Why::SeveralActions(keys) => {
            let keys = keys.join(", ");
            (
                format!("cette étape fait plusieurs choses ({keys}). Faites-en plusieurs étapes."),
                format!("this step does several things ({keys}). Make several steps of them."),
            )
        }
        Why::NoDoer(key) => (
            format!("l'opération « {key} » ne dit pas sur quel appareil. Ajoutez by = \"APPAREIL\"."),
            format!("the operation \"{key}\" does not say on which device. Add by = \"DEVICE\"."),
        ),
        Why::NotAnOperation(key) => (
            format!("« {key} » ne va qu'avec une opération, et cette étape n'en est pas une. Retirez-le."),
            format!("\"{key}\" only goes with an operation, and this step is none. Take it away."),
        ),
        Why::WhichSim => (
            "l'agence a plusieurs SIM, ou aucune. Dites laquelle avec sim = \"...\".".to_owned(),
            "the shop has several SIMs, or none. Say which with sim = \"...\".".to_owned(),
        ),
        Why::ExpectsWhat => (
            "une attente dit une seule chose : credit, sim, conflicts, ou agree = true, avec ce qui va avec."
                .to_owned(),
            "an expectation is about one thing: credit, sim, conflicts, or agree = true, and what goes with it."
                .to_owned(),
        ),
    }
}
