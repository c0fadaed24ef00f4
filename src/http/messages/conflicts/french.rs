//! Conflicts in French, as one cashier would tell another.

use super::{beneficiary, capitalised, clipped, is_void, reason, reference, told};
use crate::http::Language;
use crate::http::messages::short;
use crate::model::{
    ClashOver, ClashValue, ConflictKind, ContactField, Edit, Outcome, Reference, Side, SideValue, Timestamp,
};
use crate::replica::ConflictView;

/// What happened.
pub(super) fn summary(view: &ConflictView) -> String {
    let (conflict, sides) = (&view.conflict, all(view));
    let count = conflict.sides.len();
    let credit = credit(view);
    match conflict.kind {
        ConflictKind::ConcurrentStatus => format!(
            "{credit} a été annulé par les uns et poursuivi par les autres, sur des appareils qui ne se voyaient pas. \
             {sides}."
        ),
        ConflictKind::PaidCancelled if conflict.over.is_some() => {
            format!("{credit} a été payé et annulé, par des appareils qui ne se voyaient pas. {sides}.")
        }
        ConflictKind::PaidCancelled => format!("{credit} est annulé, mais de l'argent a été reçu. {sides}."),
        ConflictKind::Overpaid => format!("{credit} a reçu plus que son montant. {sides}."),
        ConflictKind::Overdrawn => {
            format!("Une part de la SIM {} est sous zéro : il en a été dépensé plus qu'elle. {sides}.", sim(view))
        }
        ConflictKind::SameReference => {
            format!(
                "La même référence a été donnée à {count} crédits, par des appareils qui ne se voyaient pas. {sides}."
            )
        }
        ConflictKind::ConcurrentEdit => format!(
            "{credit} : des appareils qui ne se voyaient pas ont donné des valeurs différentes pour {}. {sides}.",
            conflict.over.map_or("un champ", over)
        ),
        ConflictKind::PossibleDuplicate if conflict.credit.is_some() => {
            format!("{credit} : l'ancienne application a peut-être envoyé deux fois un même paiement. {sides}.")
        }
        ConflictKind::PossibleDuplicate => format!(
            "La même référence de l'opérateur est notée sur {count} captures de la SIM {} : c'est peut-être une seule \
             opération, notée plusieurs fois. {sides}.",
            sim(view)
        ),
        ConflictKind::WrongClock => format!(
            "L'horloge d'un appareil indiquait une heure que les autres appareils ne peuvent pas expliquer. {sides}."
        ),
        ConflictKind::ForkedDevice => format!(
            "Un appareil a écrit deux suites différentes de son journal : ses données ont sans doute été copiées. {sides}."
        ),
        ConflictKind::SetAside if is_void(conflict) => format!(
            "Une opération est sans effet : la part de l'appareil qui l'a notée ne la couvrait pas, ou cet appareil était \
             fermé. {sides}."
        ),
        ConflictKind::SetAside => format!("Ce qu'un appareil a écrit est sans effet. {sides}."),
    }
}

/// What was decided without a person.
pub(super) fn decision(view: &ConflictView) -> String {
    let conflict = &view.conflict;
    match &conflict.outcome {
        Outcome::Cancelled { received, returned } => {
            let back = if *returned { ", et son montant est revenu sur la SIM" } else { "" };
            let money = match (received.is_zero(), conflict.kind) {
                (false, _) => format!(" Les {received} reçus restent notés, et sont à rendre."),
                (true, ConflictKind::PaidCancelled) => " L'argent reçu a été rendu.".to_owned(),
                (true, _) => String::new(),
            };
            format!("Le crédit est annulé{back}.{money}")
        }
        Outcome::GoesOn => "Le crédit continue, et tout ce qui a été payé compte.".to_owned(),
        Outcome::Overpaid(more) if more.is_zero() => {
            "Tous les paiements comptent ; ce qui était de trop a été rendu.".to_owned()
        }
        Outcome::Overpaid(more) => format!("Tous les paiements comptent : {more} de trop ont été reçus."),
        Outcome::Overdrawn(share) => format!(
            "L'appareil « {} » ne peut plus rien dépenser de cette SIM en {} : ce qu'il reçoit comble d'abord le manque.",
            view.devices.first().map_or("?", String::as_str),
            share.currency()
        ),
        Outcome::Suffixed => format!(
            "Les crédits sont tous valables : le premier garde la référence, et l'autre est montré comme {}.",
            reference(view)
        ),
        Outcome::Renumbered => "Chaque crédit a maintenant sa propre référence.".to_owned(),
        Outcome::Stands(number) => {
            let index = usize::from(*number).saturating_sub(1);
            match conflict.sides.get(index).zip(view.devices.get(index)) {
                Some((side, device)) if index + 1 == conflict.sides.len() => {
                    format!("Une seule valeur compte, la dernière : {}.", one(side, device))
                }
                Some((side, device)) => format!("Une seule valeur compte, choisie depuis : {}.", one(side, device)),
                None => "Une seule valeur compte.".to_owned(),
            }
        }
        Outcome::AllCount => match conflict.kind {
            ConflictKind::ConcurrentEdit => "Aucune de ces valeurs ne compte plus : une autre a été écrite depuis.",
            ConflictKind::PossibleDuplicate if conflict.credit.is_some() => "Tous les paiements comptent.",
            ConflictKind::PossibleDuplicate => "Toutes les captures comptent dans le solde.",
            ConflictKind::ForkedDevice => "Toutes les suites sont gardées, et l'argent noté dans chacune compte.",
            _ => "Tout ce qui a été écrit compte.",
        }
        .to_owned(),
        Outcome::NoEffect if conflict.kind == ConflictKind::ForkedDevice => {
            "Une seule suite compte. Les autres sont gardées et transmises, mais ne changent rien.".to_owned()
        }
        Outcome::NoEffect if is_void(conflict) => {
            "Elle ne compte pas : le solde de la SIM est resté le même.".to_owned()
        }
        Outcome::NoEffect => "C'est gardé et transmis, mais ne change rien.".to_owned(),
    }
}

/// By which rule.
pub(super) fn rule(view: &ConflictView) -> String {
    let conflict = &view.conflict;
    let returned = conflict.sides.iter().any(|side| side.value == SideValue::Did(ClashValue::Returned));
    match conflict.kind {
        ConflictKind::ConcurrentStatus | ConflictKind::PaidCancelled if returned => {
            "Un crédit annulé dont le montant est revenu sur la SIM le reste, même si un paiement arrive ; l'argent reçu \
             reste noté."
        }
        ConflictKind::ConcurrentStatus | ConflictKind::PaidCancelled if conflict.over.is_some() => {
            "Entre annuler et continuer, décidés sans se voir, le plus récent compte ; l'argent reçu reste noté dans tous \
             les cas."
        }
        ConflictKind::ConcurrentStatus | ConflictKind::PaidCancelled => {
            "L'argent reçu reste noté, même quand le crédit est annulé."
        }
        ConflictKind::Overpaid => "Des paiements ne s'excluent pas : tous comptent, et s'additionnent.",
        ConflictKind::Overdrawn => "Une part sous zéro ne se dépense pas, et se comble avant de servir à nouveau.",
        ConflictKind::SameReference => {
            "Le crédit accordé le premier garde la référence ; les autres sont montrés avec un suffixe tiré de leur \
             identifiant."
        }
        ConflictKind::ConcurrentEdit => "De valeurs concurrentes, la plus récente compte ; ce qu'une personne choisit ensuite l'emporte.",
        ConflictKind::PossibleDuplicate => {
            "Rien n'est supprimé sans une personne : tout compte jusqu'à ce que quelqu'un annule ce qui est de trop."
        }
        ConflictKind::WrongClock => "Une heure inexpliquée ne l'emporte dans aucun conflit avant que quelqu'un ait vérifié.",
        ConflictKind::ForkedDevice => "Aucune suite d'un journal n'est perdue : l'argent noté dans chacune compte une fois. Dans le journal du siège, \
             seule compte celle dont l'empreinte est la plus basse.",
        ConflictKind::SetAside if is_void(conflict) => {
            "Ce que la part d'un appareil ne couvre pas, et ce qui vient après la clôture de l'appareil, est mis de côté \
             partout de la même façon."
        }
        ConflictKind::SetAside => {
            "Une écriture qui ne suit pas les règles est mise de côté partout de la même façon, et n'est jamais effacée."
        }
    }
    .to_owned()
}

/// What is left to a person.
pub(super) fn todo(view: &ConflictView) -> String {
    if view.handled.is_some() {
        return "Plus rien : ce conflit est traité.".to_owned();
    }
    let conflict = &view.conflict;
    let client = beneficiary(view).map_or_else(|| "la personne qui a payé".to_owned(), clipped);
    match &conflict.outcome {
        Outcome::Cancelled { received, returned } if !received.is_zero() => format!(
            "Rendez {received} à {client}, et notez-le ici. {}",
            match returned {
                true => "Si le crédit doit continuer, accordez-en un nouveau.",
                false => "Si le crédit ne devait pas être annulé, rétablissez-le plutôt.",
            }
        ),
        Outcome::Cancelled { returned, .. } => format!(
            "Vérifiez que le crédit devait être annulé. {}",
            match returned {
                true => "Si non, accordez-en un nouveau.",
                false => "Si non, rétablissez-le.",
            }
        ),
        Outcome::GoesOn => "Vérifiez que le crédit doit continuer. Si non, annulez d'abord ses paiements et rendez \
                            l'argent, puis annulez le crédit."
            .to_owned(),
        Outcome::Overpaid(more) if more.is_zero() => {
            "Il n'y a plus rien à rendre : marquez ce conflit comme traité.".to_owned()
        }
        Outcome::Overpaid(more) => {
            format!("Rendez {more} à {client}, et notez-le ici. Si un paiement a été noté deux fois, annulez-le plutôt.")
        }
        Outcome::Overdrawn(share) => {
            let zero = crate::money::Balance::zero(share.currency());
            let lacks = zero.less(*share).unwrap_or(zero).above_zero();
            format!(
                "Comparez avec le solde chez l'opérateur. Puis donnez {lacks} à cet appareil depuis un autre qui en a, ou \
                 notez l'entrée d'argent qui manque."
            )
        }
        Outcome::Suffixed => {
            format!("Donnez un autre numéro au crédit {}, et changez-le aussi sur le papier.", reference(view))
        }
        Outcome::Renumbered => "Il n'y a plus rien à renommer : marquez ce conflit comme traité.".to_owned(),
        Outcome::Stands(_) => "Vérifiez quelle valeur est juste. Si c'est une autre, choisissez-la.".to_owned(),
        Outcome::AllCount => match conflict.kind {
            ConflictKind::ConcurrentEdit => "Vérifiez que la valeur d'aujourd'hui est juste. Si non, choisissez-en une autre.",
            ConflictKind::PossibleDuplicate if conflict.credit.is_some() => {
                "Comptez avec l'agent l'argent reçu. Si un paiement est noté deux fois, annulez celui qui est de trop ; sinon, \
                 marquez ce conflit comme traité."
            }
            ConflictKind::PossibleDuplicate => {
                "Vérifiez chez l'opérateur. Si c'est une seule opération, annulez la capture de trop sur l'appareil qui l'a \
                 notée ; si ce sont plusieurs, marquez ce conflit comme traité."
            }
            ConflictKind::WrongClock => "Mettez cet appareil à l'heure, et vérifiez ce qu'il a noté ce jour-là.",
            ConflictKind::ForkedDevice => {
                "Cherchez le disque ou le dossier copié, et arrêtez la copie. L'appareil continue de lui-même dans une nouvelle \
                 vie, sans part : que le gardien close l'ancienne (`ucash device close`), et ce qu'elle tenait revient au \
                 successeur."
            }
            _ => "Vérifiez ce que cet appareil a noté, puis marquez ce conflit comme traité.",
        }
        .to_owned(),
        Outcome::NoEffect => without_effect(view).to_owned(),
    }
}

fn without_effect(view: &ConflictView) -> &'static str {
    match (view.conflict.kind, view.conflict.sides.first().map(|side| &side.value)) {
        (ConflictKind::ForkedDevice, _) => {
            "Cherchez la copie des données du siège et arrêtez-la. Ce que la suite mise de côté disait (boutiques, appareils, \
             gardiens) est à refaire au siège ; puis marquez ce conflit comme traité."
        }
        (ConflictKind::WrongClock, _) => "Mettez cet appareil à l'heure, et vérifiez ce qu'il a noté ce jour-là.",
        (_, Some(SideValue::Credit { .. })) => {
            "Vérifiez si ce crédit a été donné. Si oui, accordez-le de nouveau avec un appareil dont la part suffit ; puis \
             marquez ce conflit comme traité."
        }
        (_, Some(SideValue::Movement { .. })) => {
            "Vérifiez si cette opération a eu lieu. Si oui, notez-la de nouveau avec un appareil dont la part suffit ; puis \
             marquez ce conflit comme traité."
        }
        (_, Some(SideValue::Entries { reason, .. })) if reason == "right" || reason == "registry" => {
            "Demandez au siège si cet appareil doit pouvoir écrire là. Ce qu'il a noté est à refaire sur un appareil qui en \
             a le droit."
        }
        _ => {
            "Mettez ucash à jour sur cet appareil et sur celui-ci. Si cela continue, prévenez le siège : cet appareil est \
             peut-être abîmé."
        }
    }
}

/// What one side did, to be read after who.
pub(super) fn value(value: &SideValue) -> String {
    match value {
        SideValue::Did(did) => match did {
            ClashValue::Paid(amount) => format!("a noté un paiement de {amount}"),
            ClashValue::PaymentReversed => "a annulé un paiement".to_owned(),
            ClashValue::Cancelled => "a annulé le crédit".to_owned(),
            ClashValue::Returned => "a repris sur la SIM le montant du crédit annulé".to_owned(),
            ClashValue::Reinstated => "a rétabli le crédit".to_owned(),
            ClashValue::Edited(edit) => edited(edit),
            ClashValue::Renumbered(reference) => renumbered(reference),
        },
        SideValue::Credit { shown, amount, .. } => format!("a accordé le crédit {shown} de {amount}"),
        SideValue::Movement { id, what, amount } => format!("a noté {} de {amount} ({id})", movement(what)),
        SideValue::Share(share) => format!("a une part de {share}"),
        SideValue::Sequel { count: 1, first } => format!("a continué par une écriture, la n° {first}"),
        SideValue::Sequel { count, first } => format!("a continué par {count} écritures, à partir de la n° {first}"),
        SideValue::Stamped { count: 1, first } => {
            format!("a noté une opération à cette heure-là (écriture n° {first})")
        }
        SideValue::Stamped { count, first } => {
            format!("a noté {count} opérations à ces heures-là (à partir de l'écriture n° {first})")
        }
        SideValue::Entries { count: 1, first, reason: code } => {
            format!("a écrit une écriture sans effet, la n° {first} ({})", reason(code, Language::French))
        }
        SideValue::Entries { count, first, reason: code } => {
            format!(
                "a écrit {count} écritures sans effet, à partir de la n° {first} ({})",
                reason(code, Language::French)
            )
        }
    }
}

fn edited(edit: &Edit) -> String {
    let field = over(ClashOver::Contact(edit.field()));
    let text = match edit {
        Edit::Name(name) => Some(name.clone()),
        Edit::Phone(text) | Edit::Address(text) | Edit::Notes(text) => text.clone(),
        Edit::DueAt(at) => at.map(short),
    };
    match text {
        Some(text) => format!("a donné « {} » pour {field}", clipped(&text)),
        None => format!("a effacé {field}"),
    }
}

fn renumbered(reference: &Reference) -> String {
    format!("a donné au crédit la référence {reference}")
}

fn over(over: ClashOver) -> &'static str {
    match over {
        ClashOver::Status => "le statut",
        ClashOver::Reference => "la référence",
        ClashOver::Contact(field) => match field {
            ContactField::Name => "le nom du bénéficiaire",
            ContactField::Phone => "le téléphone du bénéficiaire",
            ContactField::Address => "l'adresse du bénéficiaire",
            ContactField::DueAt => "l'échéance",
            ContactField::Notes => "les notes",
        },
    }
}

fn movement(word: &str) -> &str {
    match word {
        "capture" => "une capture",
        "withdrawal" => "un retrait",
        "deposit" => "un dépôt",
        "opening" => "un solde de départ",
        "gift" => "un don de part",
        "moved" => "un départ de la SIM",
        _ => "un mouvement",
    }
}

fn credit(view: &ConflictView) -> String {
    match beneficiary(view) {
        Some(name) => format!("Le crédit {} ({})", reference(view), clipped(name)),
        None => "Un crédit".to_owned(),
    }
}

fn sim(view: &ConflictView) -> String {
    view.conflict.sim.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string)
}

/// Who did what, on which device, when.
fn one(side: &Side, device: &str) -> String {
    let when = side.at.map(|at: Timestamp| short(at));
    let did = value(&side.value);
    match (&side.agent, when) {
        (Some(agent), Some(when)) => format!("{} (appareil « {device} », {when}) {did}", clipped(agent)),
        (Some(agent), None) => format!("{} (appareil « {device} ») {did}", clipped(agent)),
        (None, Some(when)) => format!("l'appareil « {device} » ({when}) {did}"),
        (None, None) => format!("l'appareil « {device} » {did}"),
    }
}

fn all(view: &ConflictView) -> String {
    let (told, more) = told(view);
    let told: Vec<String> = told.into_iter().map(|(side, device)| one(side, device)).collect();
    let more = if more > 0 { format!(" ; et {more} de plus") } else { String::new() };
    capitalised(&format!("{}{more}", told.join(" ; ")))
}
