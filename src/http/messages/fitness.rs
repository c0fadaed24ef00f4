//! Why a node is not alive or cannot serve, in both languages: who reads it looks after the machine.

use super::Language;
use crate::http::problem::Unfit;

/// What is wrong and what to do, one sentence after the other.
pub(super) fn told(checks: &[(&'static str, Option<Unfit>)], language: Language) -> String {
    let all: Vec<&str> = checks.iter().filter_map(|(_, unfit)| *unfit).map(|unfit| sentence(unfit, language)).collect();
    all.join(" ")
}

fn sentence(unfit: Unfit, language: Language) -> &'static str {
    let (french, english) = match unfit {
        Unfit::EngineGone => (
            "Le moteur de ce nœud s'est arrêté : rien ne peut être fait ni lu. Redémarrez le nœud, et gardez son journal.",
            "This node's engine has stopped: nothing can be done or read. Start the node again, and keep its log.",
        ),
        Unfit::EngineStuck => (
            "Le moteur de ce nœud est bloqué depuis plus de dix minutes. Redémarrez le nœud, et gardez son journal.",
            "This node's engine has been stuck for over ten minutes. Start the node again, and keep its log.",
        ),
        Unfit::EngineSlow => (
            "Le moteur de ce nœud ne répond pas à temps : il est surchargé ou fait une longue vérification. Attendez ; si cela dure, regardez son journal.",
            "This node's engine does not answer in time: it is overloaded or at a long verification. Wait; if it lasts, look at its log.",
        ),
        Unfit::DiskFull => (
            "Le disque est plein : on peut lire, mais rien n'est plus écrit. Libérez de la place ; le nœud reprend de lui-même.",
            "The disk is full: one can read, but nothing is written. Free some room; the node goes on by itself.",
        ),
        Unfit::DiskFailed => (
            "Le disque a refusé d'écrire : on peut lire, mais rien n'est plus écrit. Vérifiez le disque, puis redémarrez le nœud.",
            "The disk refused to write: one can read, but nothing is written. Check the disk, then start the node again.",
        ),
        Unfit::DiskStalled => (
            "Le disque tarde à confirmer ce qui est écrit : les opérations attendent. Vérifiez le disque ou la carte.",
            "The disk is slow to confirm what is written: operations wait. Check the disk or the card.",
        ),
        Unfit::ClockBefore2020 => (
            "L'horloge de cet appareil indique une date d'avant 2020 : elle est fausse. Réglez la date et l'heure.",
            "This device's clock shows a date before 2020: it is wrong. Set date and time.",
        ),
        Unfit::ClockApart => (
            "L'horloge de cet appareil s'écarte de plus de cinq minutes de celles des autres. Réglez la date et l'heure.",
            "This device's clock is more than five minutes off those of the others. Set date and time.",
        ),
    };
    match language {
        Language::French => french,
        Language::English => english,
    }
}
