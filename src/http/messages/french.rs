//! The refusals of the rules in French.

use super::{listed, named, short};
use crate::ledger::{OtherShare, Refusal};
use crate::model::CaptureState;
use crate::rows::{fault_in_french, money_in_french};

/// The sentence of a refusal.
pub(super) fn sentence(refusal: &Refusal) -> String {
    match refusal {
        Refusal::ClockBefore2020 { now } => format!(
            "L'horloge de cet appareil indique {}, ce qui est impossible : rien n'a été enregistré. Mettez-la à l'heure, \
             puis recommencez.",
            short(*now)
        ),
        Refusal::KeyReused => {
            "Cette clé d'idempotence a déjà servi pour une autre demande : rien n'a été fait. Prenez \
             une clé nouvelle pour chaque nouvelle opération."
                .to_owned()
        }
        Refusal::NotAllowed { needs } => format!(
            "Cet appareil n'a pas le droit de faire cela : il faut {}. Adressez-vous au gérant du shop ou au siège.",
            right(needs)
        ),
        Refusal::Field(error) => {
            format!("Le champ « {} » {}. Corrigez-le, puis recommencez.", error.field, fault_in_french(&error.fault))
        }
        Refusal::Money { field, fault } => format!(
            "Le champ « {field} » est refusé : {}. Écrivez un montant comme 125.50, puis recommencez.",
            money_in_french(fault)
        ),
        Refusal::NotGateway { shop, gateway } => match gateway {
            Some(gateway) => format!(
                "Les anciennes applications de l'agence {shop} passent par l'appareil {gateway}, pas par celui-ci. Rien n'a été enregistré : donnez-leur l'adresse de {gateway}."
            ),
            None => format!(
                "Aucun appareil ne sert encore les anciennes applications de l'agence {shop}. Rien n'a été enregistré : le siège ou le gérant en désigne un avec « ucash shop gateway {shop} --device APPAREIL »."
            ),
        },
        Refusal::UnknownShop { shop } => format!(
            "Aucun shop ne porte le numéro {shop} dans ce réseau. Vérifiez le numéro, ou faites ajouter le shop par le \
             siège."
        ),
        Refusal::ShopExists { shop, name } => {
            format!("Le shop {shop} existe déjà, sous le nom « {name} ». Choisissez un autre numéro.")
        }
        Refusal::UnknownSim { sim } => {
            format!("Aucune SIM ne porte le numéro {sim}. Vérifiez le numéro, ou ajoutez d'abord la SIM.")
        }
        Refusal::SimExists { sim, shop } => {
            format!("La SIM {sim} existe déjà, au shop {shop}. Elle n'a pas été ajoutée une seconde fois.")
        }
        Refusal::SimOfAnotherShop { sim, owner, shop } => {
            format!("La SIM {sim} appartient au shop {owner}, pas au shop {shop}. Choisissez une SIM de votre shop.")
        }
        Refusal::SimInactive { sim } => {
            format!("La SIM {sim} n'est plus en service : rien n'a été envoyé. Choisissez une autre SIM.")
        }
        Refusal::ReferenceTaken { reference, credit } => format!(
            "Un crédit porte déjà la référence {reference} ({credit}). Si c'est le même, il est déjà enregistré ; sinon, \
             donnez une autre référence."
        ),
        Refusal::OldIdTaken { old_id, credit } => format!(
            "L'ancien numéro {old_id} appartient déjà au crédit {credit} : cette ligne n'a pas été reprise. Vérifiez-la \
             sur l'ancien serveur."
        ),
        Refusal::RowSaysMore { reference, paid, row_paid, row_cancelled } => format!(
            "Le crédit {reference} est déjà ici avec {paid} payés ; la ligne dit {row_paid}{}. Rien n'a été repris de cette \
             ligne : comparez les deux, puis enregistrez ici ce qui manque.",
            if *row_cancelled { " et « annulé »" } else { "" }
        ),
        Refusal::UnknownCredit { key } => {
            format!("Aucun crédit ne répond à « {key} ». Vérifiez la référence, ou cherchez-le dans la liste.")
        }
        Refusal::AmbiguousReference { reference, count } => format!(
            "{count} crédits portent la référence {reference}. Ouvrez le bon dans la liste : son identifiant (cr_…) le \
             désigne seul."
        ),
        Refusal::UnknownConflict { key } => format!(
            "Aucun conflit ne répond à « {key} ». Cherchez-le dans la liste : son identifiant change quand quelque chose \
             s'y ajoute."
        ),
        Refusal::DecisionNotOpen { decision, open } => format!(
            "« {decision} » ne peut pas être décidé pour ce conflit : rien n'a été fait. Décisions possibles : {}.",
            open.join(", ")
        ),
        Refusal::CreditCancelled { reference } => format!(
            "Le crédit {reference} est annulé : rien n'a été enregistré. Si de l'argent a été reçu, rendez-le, ou \
             accordez un nouveau crédit."
        ),
        Refusal::CreditPaid { reference } => {
            format!("Le crédit {reference} est déjà entièrement payé : rien n'a été enregistré.")
        }
        Refusal::CancelWithPayments { reference, paid } => format!(
            "Le crédit {reference} a déjà reçu {paid} : il ne peut plus être annulé. Si un paiement est une erreur, \
             annulez d'abord ce paiement."
        ),
        Refusal::PaymentExceedsRemaining { asked, remaining } => format!(
            "Le paiement de {asked} dépasse ce qui reste à payer, {remaining}. Enregistrez {remaining} au plus, et rendez \
             la différence au client."
        ),
        Refusal::UnknownPayment { reference, payment } => {
            format!(
                "Le crédit {reference} n'a pas de paiement « {payment} ». Choisissez-le dans la liste de ses paiements."
            )
        }
        Refusal::PaymentReversed { payment } => {
            format!("Le paiement {payment} est déjà annulé. Il n'y a plus rien à faire.")
        }
        Refusal::NothingToChange => {
            "Les valeurs données sont déjà celles du crédit : rien n'a changé. Modifiez un champ, puis recommencez."
                .to_owned()
        }
        Refusal::UnknownMovement { key } => {
            format!("Aucun mouvement ne répond à « {key} ». Cherchez-le dans les mouvements de la SIM.")
        }
        Refusal::MovementKind { movement, found, expected } => format!(
            "Le mouvement {movement} est {}, alors qu'il faut {} : rien n'a été fait. Choisissez le bon mouvement.",
            kind(found),
            kind(expected)
        ),
        Refusal::MovementOfAnotherDevice { movement, device } => format!(
            "Le mouvement {movement} a été enregistré par l'appareil « {device} » : lui seul peut le valider ou l'annuler. \
             Faites-le sur cet appareil."
        ),
        Refusal::MovementReversed { movement } => {
            format!("Le mouvement {movement} est déjà annulé. Il n'y a plus rien à faire.")
        }
        Refusal::CaptureNotPending { movement, state } => format!(
            "La capture {movement} est déjà {} : elle ne peut plus être validée.",
            match state {
                CaptureState::Pending => "en attente",
                CaptureState::Validated => "validée",
                CaptureState::Cancelled => "annulée",
            }
        ),
        Refusal::AlreadyReimbursed { movement } => {
            format!("Le retrait {movement} est déjà remboursé. Il n'y a plus rien à faire.")
        }
        Refusal::WithoutEffect { movement } => format!(
            "Le mouvement {movement} est sans effet : la part de l'appareil qui l'a noté ne le couvrait pas, ou cet appareil \
             était fermé. Il n'y a rien à y changer."
        ),
        Refusal::CreditNotCancelled { reference } => format!(
            "Le crédit {reference} n'est pas annulé : rien n'est à rendre. Annulez-le d'abord, s'il doit l'être."
        ),
        Refusal::CreditReturned { reference } => {
            format!("Le montant du crédit {reference} est déjà rendu. Il n'y a plus rien à faire.")
        }
        Refusal::CreditOfAnotherDevice { reference, device } => format!(
            "Le crédit {reference} a été accordé par un autre appareil ({device}) : lui seul peut en rendre le montant. \
             Faites-le sur cet appareil-là."
        ),
        Refusal::InsufficientShare { asked, share, available, holders, .. } => format!(
            "Cet appareil ne peut dépenser que {share} de cette SIM ; il en faut {asked}. {}",
            if available.covers(*asked) {
                let rest = rest(holders, " ; le reste est en chemin");
                format!(
                    "La SIM contient {available}{rest} : une part vient d'elle-même quand ces appareils sont en \
                     contact ; recommencez alors, ou dépensez moins."
                )
            } else {
                format!("La SIM ne contient que {available}{} : rechargez-la, ou dépensez moins.", rest(holders, ""))
            }
        ),
        Refusal::SimNotInHand { sim, share, available } => format!(
            "La SIM {sim} contient {available}, dont cet appareil ne détient que {share} : elle ne change de shop qu'avec \
             tout son solde. Demandez d'abord le reste aux autres appareils."
        ),
        Refusal::DeviceNeverMet { device } => format!(
            "L'appareil « {device} » n'a encore jamais été vu d'ici : on ne peut rien lui donner. Attendez qu'il soit \
             connecté, puis recommencez."
        ),
        Refusal::NotKeeper { shop, keeper } => format!(
            "Les appareils du shop {shop} ne se ferment que sur son gardien, « {keeper} » : rien n'a été fait. Donnez cet \
             ordre sur cet appareil-là ; le gardien lui-même est fermé par le siège."
        ),
        Refusal::NothingToClose { device } => format!(
            "L'appareil « {device} » n'a rien d'ouvert dans ce shop : il n'y a rien à fermer. S'il est perdu, révoquez-le."
        ),
        Refusal::CannotSucceed { device } => format!(
            "L'appareil « {device} » ne peut pas prendre la suite : il est fermé, ou c'est lui que l'on ferme. Nommez un autre \
             appareil du même shop."
        ),
        Refusal::UnknownDevice { key } => {
            format!("Aucun appareil du réseau ne répond à « {key} ». Vérifiez son nom dans la liste des appareils.")
        }
        Refusal::UnknownInvitation => {
            "Cette invitation ne vient pas de cet appareil, ou a été abîmée en chemin. Faites-en \
             une nouvelle, et recopiez-la en entier."
                .to_owned()
        }
        Refusal::InvitationUsed => {
            "Cette invitation a déjà servi : elle ne vaut qu'une fois. Demandez-en une nouvelle.".to_owned()
        }
        Refusal::InvitationExpired { expired_at } => {
            format!("Cette invitation a expiré le {}. Demandez-en une nouvelle.", short(*expired_at))
        }
        Refusal::BadCursor => {
            "Le repère de page n'a pas été donné par ce nœud. Reprenez la liste depuis le début.".to_owned()
        }
        Refusal::DiskFull => {
            "Le disque de cet appareil est plein : rien n'a été enregistré, et on peut seulement lire. Libérez de la \
             place ; ce nœud reprend de lui-même dans les secondes qui suivent."
                .to_owned()
        }
        Refusal::ReadOnly { detail } => format!(
            "Ce nœud ne peut plus écrire sur son disque ({detail}) : rien n'a été enregistré, et on peut seulement lire. \
             Vérifiez ou changez le disque, puis redémarrez."
        ),
        Refusal::Busy => {
            "Ce nœud est trop occupé pour l'instant : rien n'a été enregistré. Recommencez dans quelques secondes."
                .to_owned()
        }
    }
}

/// A right that a command needs, in French. The replica names it in English.
fn right(needs: &str) -> String {
    let french = match needs {
        "the head office's device" => "l'appareil du siège",
        "the head office's device: this one is the shop's keeper" => {
            "l'appareil du siège, car il s'agit du gardien du shop"
        }
        "the founder's own device" => "l'appareil du fondateur",
        "a manager's or the head office's device" => "l'appareil d'un gérant ou du siège",
        "the shop's manager's or the head office's device" => "l'appareil du gérant du shop ou du siège",
        "another device: this one cannot revoke itself" => "un autre appareil, car nul ne se révoque lui-même",
        "a device that writes" => "un appareil qui écrit",
        "a certificate" => "un certificat",
        "the authority's key" => "la clé du siège",
        other => match other.strip_prefix("a device of shop ") {
            Some(shop) => return format!("un appareil du shop {shop}"),
            None => other,
        },
    };
    french.to_owned()
}

fn kind(word: &str) -> &str {
    match word {
        "opening" => "un solde initial",
        "capture" => "une capture",
        "withdrawal" => "un retrait",
        "deposit" => "un dépôt",
        other => other,
    }
}

/// Who holds the rest, to be put after what the SIM holds; `nobody` where no other device holds any.
fn rest(holders: &[OtherShare], nobody: &str) -> String {
    let one = |other: &OtherShare| {
        let seen = other.last_seen.map_or_else(|| "jamais vu".to_owned(), |at| format!("vu le {}", short(at)));
        format!("{} chez « {} » ({seen})", other.share, other.device)
    };
    match named(holders) {
        (named, _) if named.is_empty() => nobody.to_owned(),
        (named, false) => format!(", dont {}", listed(&named, one)),
        (named, true) => format!(", dont {} et d'autres encore", listed(&named, one)),
    }
}
