//! Every refusal as a whole sentence, in French and English: what happened, what it means, what to do. Cashiers
//! read them, at the counter, with a client waiting.
//!
//! Amounts are written as the decimal strings of the interface, so that what is read aloud can be found again.

pub mod conflicts;
mod english;
mod face;
mod facts;
mod fitness;
mod french;

pub use facts::facts;

use axum::http::StatusCode;

use super::problem::ApiError;
use crate::ledger::{OtherShare, Refusal};
use crate::model::Timestamp;

/// Devices named in one sentence: more cannot be taken in at a glance, and the facts have them all.
const NAMED_MAX: usize = 3;

/// The language in which a refusal is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// French, unless the reader asks otherwise.
    #[default]
    French,
    /// English.
    English,
}

impl Language {
    /// The language that an `Accept-Language` header prefers (RFC 9110, 12.5.4).
    pub fn from_accept(header: Option<&str>) -> Language {
        let mut best = (Language::French, 0.0_f32);
        for wanted in header.unwrap_or("").split(',') {
            let mut parts = wanted.split(';').map(str::trim);
            let tag = parts.next().unwrap_or("");
            let weight = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1.0, |text| text.parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0));
            let Some(language) = Language::from_tag(tag) else { continue };
            if weight > best.1 {
                best = (language, weight);
            }
        }
        best.0
    }

    /// The language of a tag such as `fr-CD` or `en_GB.UTF-8`, if it is one of ours.
    pub fn from_tag(tag: &str) -> Option<Language> {
        let primary = tag.split(['-', '_', '.']).next().unwrap_or("");
        if primary.eq_ignore_ascii_case("fr") {
            Some(Language::French)
        } else if primary.eq_ignore_ascii_case("en") {
            Some(Language::English)
        } else {
            None
        }
    }
}

/// The sentence of a refusal of the rules.
pub fn sentence(refusal: &Refusal, language: Language) -> String {
    match language {
        Language::French => french::sentence(refusal),
        Language::English => english::sentence(refusal),
    }
}

/// A time as people read it: to the minute. Sentences know no zone but UTC, and say so.
fn short(at: Timestamp) -> String {
    let minute: String = at.to_rfc3339().chars().take(16).collect();
    format!("{} UTC", minute.replace('T', " "))
}

/// The holders that a sentence names, those who hold most first, and whether there are more.
fn named(holders: &[OtherShare]) -> (Vec<&OtherShare>, bool) {
    let mut named: Vec<&OtherShare> = holders.iter().filter(|other| other.share.cents() > 0).collect();
    named.sort_by_key(|other| std::cmp::Reverse(other.share.cents()));
    let more = named.len() > NAMED_MAX;
    named.truncate(NAMED_MAX);
    (named, more)
}

fn listed(holders: &[&OtherShare], one: impl Fn(&OtherShare) -> String) -> String {
    let all: Vec<String> = holders.iter().map(|other| one(other)).collect();
    all.join(", ")
}

/// The sentence of an answer of the API that is no.
pub fn detail(error: &ApiError, language: Language) -> String {
    match (error, language) {
        (ApiError::Refused(refusal), _) => sentence(refusal, language),
        (_, Language::French) => face::french(error),
        (_, Language::English) => face::english(error),
    }
}

/// The title of a status: the kind of no.
pub fn title(status: StatusCode, language: Language) -> &'static str {
    let (french, english) = match status {
        StatusCode::BAD_REQUEST => ("Demande illisible", "Unreadable request"),
        StatusCode::UNAUTHORIZED => ("Identification requise", "Authentication required"),
        StatusCode::FORBIDDEN => ("Accès refusé", "Not allowed"),
        StatusCode::NOT_FOUND => ("Introuvable", "Not found"),
        StatusCode::METHOD_NOT_ALLOWED => ("Méthode non permise", "Method not allowed"),
        StatusCode::CONFLICT => ("Opération refusée", "Operation refused"),
        StatusCode::PAYLOAD_TOO_LARGE => ("Demande trop grande", "Request too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ("Format non pris en charge", "Unsupported format"),
        StatusCode::UNPROCESSABLE_ENTITY => ("Champ à corriger", "A field needs correcting"),
        StatusCode::TOO_MANY_REQUESTS => ("Trop d'essais", "Too many attempts"),
        StatusCode::SERVICE_UNAVAILABLE => ("Momentanément indisponible", "Temporarily unavailable"),
        _ => ("Erreur interne", "Internal error"),
    };
    match language {
        Language::French => french,
        Language::English => english,
    }
}
