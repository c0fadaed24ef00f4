//! Why an entry is without effect, to stand after a colon or in a table. What has no word here is shown by its code.

use crate::http::Language;

/// The code of a reason, in French, in English.
const REASONS: [(&str, &str, &str); 11] = [
    ("body", "n'a pas la forme d'une écriture", "is not formed as an entry"),
    ("scope", "touche un document d'un autre journal", "changes a document of another log's scope"),
    ("right", "cet appareil n'a pas le droit d'écrire là", "this device has no right to write there"),
    ("shape", "son changement n'est pas l'un des nôtres", "its change is not one of ours"),
    ("actor", "son acteur n'est pas celui de son journal", "its actor is not its log's"),
    ("time", "son changement porte une autre heure", "its change bears another time"),
    ("place", "son changement n'est pas à sa place", "its change does not belong where it says"),
    ("field", "un champ est hors limites", "a field is out of bounds"),
    ("id", "son identifiant n'est pas le sien", "its id is not bound to it"),
    ("registry", "le registre la refuse", "the registry refuses it"),
    ("branch", "elle est d'une deuxième suite du journal du siège", "it is of a second sequel of head office's log"),
];

/// Why an entry is set aside.
pub fn reason(code: &str, language: Language) -> &str {
    REASONS.iter().find(|(known, ..)| *known == code).map_or(code, |(_, french, english)| match language {
        Language::French => french,
        Language::English => english,
    })
}
