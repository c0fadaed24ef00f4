//! What the API itself refuses, in both languages. Refusals of the rules are said in the files beside this one.

use super::{Language, fitness, sentence};
use crate::http::problem::{ApiError, Expected};

/// The sentence in French.
pub(super) fn french(error: &ApiError) -> String {
    match error {
        ApiError::Refused(refusal) => sentence(refusal, Language::French),
        ApiError::NotFound => "Rien ne se trouve à cette adresse. Vérifiez-la dans la documentation de l'API.".to_owned(),
        ApiError::MethodNotAllowed => {
            "Cette adresse existe, mais pas pour cette méthode. L'en-tête Allow dit lesquelles sont permises.".to_owned()
        }
        ApiError::Unauthorized => "Il faut un jeton valide : celui-ci manque, est faux, a expiré ou a été révoqué. \
             Demandez-en un à qui tient ce nœud."
            .to_owned(),
        ApiError::TooManyFailures { retry_after_s } => format!(
            "Trop d'identifications ont échoué cette minute. Attendez {retry_after_s} secondes, puis recommencez avec un \
             jeton valide."
        ),
        ApiError::TooManyRequests { retry_after_s } => format!(
            "Ce jeton demande trop vite : rien n'a été fait. Attendez {retry_after_s} secondes, puis recommencez plus \
             lentement."
        ),
        ApiError::TokenReadsOnly => {
            "Ce jeton ne permet que de lire : rien n'a été fait. Demandez un jeton qui permet d'écrire.".to_owned()
        }
        ApiError::NotForTokens => {
            "Un jeton ne permet pas de faire cela : rien n'a été fait. Faites-le sur la machine même de ce nœud.".to_owned()
        }
        ApiError::ShopOutsideToken { shop } => format!(
            "Ce jeton ne vaut pas pour le shop {shop} : rien n'a été fait. Demandez un jeton de ce shop."
        ),
        ApiError::ForeignHost => {
            "L'en-tête Host ne nomme pas ce nœud : la demande est refusée. Ouvrez la page par l'adresse que le nœud affiche \
             à son démarrage."
                .to_owned()
        }
        ApiError::ForeignOrigin => {
            "Cette demande vient d'une page qui n'est pas celle de ce nœud : elle est refusée.".to_owned()
        }
        ApiError::BodyTooLarge { limit } => {
            format!("La demande dépasse {limit} octets : rien n'a été fait. Envoyez-la en plusieurs fois.")
        }
        ApiError::NotJson => "Le corps de la demande doit être du JSON, avec l'en-tête Content-Type: application/json.".to_owned(),
        ApiError::BodyUnreadable => "Le corps de la demande n'est pas arrivé en entier : rien n'a été fait. Recommencez.".to_owned(),
        ApiError::NotUtf8 => "Le corps de la demande n'est pas de l'UTF-8 : rien n'a été fait. Envoyez-le en UTF-8.".to_owned(),
        ApiError::MalformedJson { line, column } => format!(
            "Le corps de la demande n'est pas du JSON lisible à la ligne {line}, colonne {column} : rien n'a été fait."
        ),
        ApiError::MissingField { field } => format!("Le champ « {field} » est obligatoire et manque. Ajoutez-le."),
        ApiError::UnknownField { field } => {
            format!("Le champ « {field} » est inconnu ici : rien n'a été fait. Vérifiez son nom, ou enlevez-le.")
        }
        ApiError::DuplicateField { field } => {
            format!("Le champ « {field} » est écrit deux fois : rien n'a été fait. Gardez-en un seul.")
        }
        ApiError::InvalidField { field, expected } => {
            format!("Le champ « {field} » doit être {}. Corrigez-le, puis recommencez.", expected_french(expected))
        }
        ApiError::InvalidIdempotencyKey => {
            "L'en-tête Idempotency-Key doit avoir 1 à 255 caractères ASCII visibles, et être seul.".to_owned()
        }
        ApiError::UnknownToken { id } => format!("Aucun jeton ne porte l'identifiant « {id} ». Vérifiez-le dans la liste."),
        ApiError::TooManyTokens { limit } => {
            format!("{limit} jetons sont déjà en service, et c'est le plus possible. Révoquez-en un qui ne sert plus.")
        }
        ApiError::TooManyStreams => {
            "Trop de lecteurs suivent déjà ce nœud en direct. Fermez une page ouverte ailleurs, ou réessayez plus tard.".to_owned()
        }
        ApiError::NotReady { checks } => fitness::told(checks, Language::French),
        ApiError::TimedOut => "Ce nœud n'a pas répondu à temps ; l'opération peut avoir été faite. Recommencez avec la même \
             Idempotency-Key : elle ne sera pas faite deux fois."
            .to_owned(),
        ApiError::Internal => "Une erreur du programme a empêché de répondre. Recommencez ; si cela dure, montrez le \
             journal du nœud à qui l'entretient."
            .to_owned(),
    }
}

/// The sentence in English.
pub(super) fn english(error: &ApiError) -> String {
    match error {
        ApiError::Refused(refusal) => sentence(refusal, Language::English),
        ApiError::NotFound => "Nothing stands at this address. Check it in the documentation of the API.".to_owned(),
        ApiError::MethodNotAllowed => {
            "This address exists, but not for this method. The Allow header says which ones are permitted.".to_owned()
        }
        ApiError::Unauthorized => {
            "A valid token is needed: this one is missing, wrong, expired or revoked. Ask whoever \
             runs this node for one."
                .to_owned()
        }
        ApiError::TooManyFailures { retry_after_s } => format!(
            "Too many authentications failed this minute. Wait {retry_after_s} seconds, then try again with a valid token."
        ),
        ApiError::TooManyRequests { retry_after_s } => format!(
            "This token asks too fast: nothing was done. Wait {retry_after_s} seconds, then try again more slowly."
        ),
        ApiError::TokenReadsOnly => {
            "This token may only read: nothing was done. Ask for a token that may write.".to_owned()
        }
        ApiError::NotForTokens => {
            "No token may do that: nothing was done. Do it on the machine of this node itself.".to_owned()
        }
        ApiError::ShopOutsideToken { shop } => {
            format!("This token does not hold for shop {shop}: nothing was done. Ask for a token of that shop.")
        }
        ApiError::ForeignHost => {
            "The Host header does not name this node: the request is refused. Open the page by the \
             address that the node shows when it starts."
                .to_owned()
        }
        ApiError::ForeignOrigin => "This request comes from a page that is not this node's: it is refused.".to_owned(),
        ApiError::BodyTooLarge { limit } => {
            format!("The request is larger than {limit} bytes: nothing was done. Send it in several parts.")
        }
        ApiError::NotJson => {
            "The body of the request must be JSON, with the header Content-Type: application/json.".to_owned()
        }
        ApiError::BodyUnreadable => {
            "The body of the request did not arrive whole: nothing was done. Try again.".to_owned()
        }
        ApiError::NotUtf8 => "The body of the request is not UTF-8: nothing was done. Send it as UTF-8.".to_owned(),
        ApiError::MalformedJson { line, column } => {
            format!("The body of the request is not readable JSON at line {line}, column {column}: nothing was done.")
        }
        ApiError::MissingField { field } => format!("The field \"{field}\" is required and missing. Add it."),
        ApiError::UnknownField { field } => {
            format!("The field \"{field}\" is not known here: nothing was done. Check its name, or leave it out.")
        }
        ApiError::DuplicateField { field } => {
            format!("The field \"{field}\" is written twice: nothing was done. Keep one of them.")
        }
        ApiError::InvalidField { field, expected } => {
            format!("The field \"{field}\" must be {}. Correct it, then try again.", expected_english(expected))
        }
        ApiError::InvalidIdempotencyKey => {
            "The Idempotency-Key header must have 1 to 255 visible ASCII characters, and stand alone.".to_owned()
        }
        ApiError::UnknownToken { id } => format!("No token has the id \"{id}\". Check it in the list."),
        ApiError::TooManyTokens { limit } => {
            format!("{limit} tokens are in use, and that is the most there can be. Revoke one that is no longer used.")
        }
        ApiError::TooManyStreams => {
            "Too many readers follow this node live already. Close a page that is open elsewhere, or try again later."
                .to_owned()
        }
        ApiError::NotReady { checks } => fitness::told(checks, Language::English),
        ApiError::TimedOut => {
            "This node did not answer in time; the operation may have been done. Try again with the same \
             Idempotency-Key: it will not be done twice."
                .to_owned()
        }
        ApiError::Internal => {
            "A fault of the program kept it from answering. Try again; if it lasts, show the node's log to \
             whoever maintains it."
                .to_owned()
        }
    }
}

fn expected_french(expected: &Expected) -> String {
    match expected {
        Expected::Text => "un texte".to_owned(),
        Expected::DecimalText => {
            "un nombre décimal écrit comme un texte, entre guillemets, tel que \"125.50\" (pas un nombre JSON)"
                .to_owned()
        }
        Expected::AboveZero => "supérieur à zéro".to_owned(),
        Expected::TrueOrFalse => "true ou false".to_owned(),
        Expected::WholeNumber => "un nombre entier à partir de 0".to_owned(),
        Expected::ShopNumber => "un numéro de shop, un nombre entier à partir de 1".to_owned(),
        Expected::Object => "un objet JSON".to_owned(),
        Expected::List { limit } => format!("une liste de 1 à {limit} éléments"),
        Expected::Rows => "une liste de lignes".to_owned(),
        Expected::WireTime => "une date du calendrier, telle que 2025-06-01T10:00:00.000".to_owned(),
        Expected::Time => {
            "un instant avec son fuseau, tel que 2025-06-01T10:00:00+02:00, ou une date, telle que 2025-06-01"
                .to_owned()
        }
        Expected::Duration { days_max } => format!("une durée telle que 15m, 24h ou 30d, de {days_max} jours au plus"),
        Expected::OneOf { words } => format!("l'un de : {}", words.join(", ")),
        Expected::Limit => "un nombre entier de 1 à 1000".to_owned(),
        Expected::WithoutOther { other } => {
            format!("absent là où « {other} » est donné : l'un ou l'autre, pas les deux")
        }
    }
}

fn expected_english(expected: &Expected) -> String {
    match expected {
        Expected::Text => "a text".to_owned(),
        Expected::DecimalText => {
            "a decimal number written as a text, in quotes, such as \"125.50\" (not a JSON number)".to_owned()
        }
        Expected::AboveZero => "above zero".to_owned(),
        Expected::TrueOrFalse => "true or false".to_owned(),
        Expected::WholeNumber => "a whole number from 0".to_owned(),
        Expected::ShopNumber => "a shop's number, a whole number from 1".to_owned(),
        Expected::Object => "a JSON object".to_owned(),
        Expected::List { limit } => format!("a list of 1 to {limit} items"),
        Expected::Rows => "a list of rows".to_owned(),
        Expected::WireTime => "a calendar date, such as 2025-06-01T10:00:00.000".to_owned(),
        Expected::Time => {
            "an instant with its zone, such as 2025-06-01T10:00:00+02:00, or a date, such as 2025-06-01".to_owned()
        }
        Expected::Duration { days_max } => format!("a duration such as 15m, 24h or 30d, of {days_max} days at most"),
        Expected::OneOf { words } => format!("one of: {}", words.join(", ")),
        Expected::Limit => "a whole number from 1 to 1000".to_owned(),
        Expected::WithoutOther { other } => format!("absent where \"{other}\" is given: one or the other, not both"),
    }
}
