//! Conflicts in English, as one cashier would tell another.

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
            "{credit} was cancelled by some and carried on by others, on devices that did not see each other. {sides}."
        ),
        ConflictKind::PaidCancelled if conflict.over.is_some() => {
            format!("{credit} was paid and cancelled, by devices that did not see each other. {sides}.")
        }
        ConflictKind::PaidCancelled => format!("{credit} is cancelled, but money was received. {sides}."),
        ConflictKind::Overpaid => format!("{credit} received more than its amount. {sides}."),
        ConflictKind::Overdrawn => {
            format!("A share of the SIM {} is below zero: more was spent than it held. {sides}.", sim(view))
        }
        ConflictKind::SameReference => {
            format!("The same reference was given to {count} credits, by devices that did not see each other. {sides}.")
        }
        ConflictKind::ConcurrentEdit => format!(
            "{credit}: devices that did not see each other gave different values for {}. {sides}.",
            conflict.over.map_or("a field", over)
        ),
        ConflictKind::PossibleDuplicate if conflict.credit.is_some() => {
            format!("{credit}: the existing app has perhaps sent one payment twice. {sides}.")
        }
        ConflictKind::PossibleDuplicate => format!(
            "The same reference of the operator stands on {count} captures of the SIM {}: perhaps they are one operation, \
             recorded more than once. {sides}.",
            sim(view)
        ),
        ConflictKind::WrongClock => {
            format!("A device's clock showed a time that the other devices cannot explain. {sides}.")
        }
        ConflictKind::ForkedDevice => {
            format!("A device wrote two different sequels of its log: its data were probably copied. {sides}.")
        }
        ConflictKind::SetAside if is_void(conflict) => format!(
            "An operation is without effect: the share of the device that recorded it did not cover it, or that device was \
             closed. {sides}."
        ),
        ConflictKind::SetAside => format!("What a device wrote is without effect. {sides}."),
    }
}

/// What was decided without a person.
pub(super) fn decision(view: &ConflictView) -> String {
    let conflict = &view.conflict;
    match &conflict.outcome {
        Outcome::Cancelled { received, returned } => {
            let back = if *returned { ", and its amount has come back to the SIM" } else { "" };
            let money = match (received.is_zero(), conflict.kind) {
                (false, _) => format!(" The {received} received stay recorded, and are to be given back."),
                (true, ConflictKind::PaidCancelled) => " The money received was given back.".to_owned(),
                (true, _) => String::new(),
            };
            format!("The credit is cancelled{back}.{money}")
        }
        Outcome::GoesOn => "The credit goes on, and all that was paid counts.".to_owned(),
        Outcome::Overpaid(more) if more.is_zero() => {
            "All payments count; what was too much has been given back.".to_owned()
        }
        Outcome::Overpaid(more) => format!("All payments count: {more} too much was received."),
        Outcome::Overdrawn(share) => format!(
            "The device \"{}\" can spend nothing more of this SIM in {}: what it receives first makes up for what lacks.",
            view.devices.first().map_or("?", String::as_str),
            share.currency()
        ),
        Outcome::Suffixed => format!(
            "All the credits are valid: the first keeps the reference, and the other is shown as {}.",
            reference(view)
        ),
        Outcome::Renumbered => "Each credit has a reference of its own by now.".to_owned(),
        Outcome::Stands(number) => {
            let index = usize::from(*number).saturating_sub(1);
            match conflict.sides.get(index).zip(view.devices.get(index)) {
                Some((side, device)) if index + 1 == conflict.sides.len() => {
                    format!("One value counts, the last: {}.", one(side, device))
                }
                Some((side, device)) => format!("One value counts, chosen since: {}.", one(side, device)),
                None => "One value counts.".to_owned(),
            }
        }
        Outcome::AllCount => match conflict.kind {
            ConflictKind::ConcurrentEdit => "None of these values counts any more: another was written since.",
            ConflictKind::PossibleDuplicate if conflict.credit.is_some() => "All the payments count.",
            ConflictKind::PossibleDuplicate => "All the captures count in the balance.",
            ConflictKind::ForkedDevice => "All sequels are kept, and the money recorded in each counts.",
            _ => "All that was written counts.",
        }
        .to_owned(),
        Outcome::NoEffect if conflict.kind == ConflictKind::ForkedDevice => {
            "Only one sequel counts. The others are kept and passed on, but change nothing.".to_owned()
        }
        Outcome::NoEffect if is_void(conflict) => "It does not count: the SIM's balance stayed the same.".to_owned(),
        Outcome::NoEffect => "It is kept and passed on, but changes nothing.".to_owned(),
    }
}

/// By which rule.
pub(super) fn rule(view: &ConflictView) -> String {
    let conflict = &view.conflict;
    let returned = conflict.sides.iter().any(|side| side.value == SideValue::Did(ClashValue::Returned));
    match conflict.kind {
        ConflictKind::ConcurrentStatus | ConflictKind::PaidCancelled if returned => {
            "A cancelled credit whose amount has come back to the SIM stays cancelled, even if a payment arrives; money \
             received stays recorded."
        }
        ConflictKind::ConcurrentStatus | ConflictKind::PaidCancelled if conflict.over.is_some() => {
            "Between cancelling and going on, decided apart, the newest counts; money received stays recorded either way."
        }
        ConflictKind::ConcurrentStatus | ConflictKind::PaidCancelled => {
            "Money received stays recorded, even when the credit is cancelled."
        }
        ConflictKind::Overpaid => "Payments do not exclude each other: all count, and add up.",
        ConflictKind::Overdrawn => "A share below zero is not spent, and is made up for before it serves again.",
        ConflictKind::SameReference => {
            "The credit that was granted first keeps the reference; the others are shown with a suffix taken from their id."
        }
        ConflictKind::ConcurrentEdit => "Of concurrent values the newest counts; what a person chooses afterwards prevails.",
        ConflictKind::PossibleDuplicate => {
            "Nothing is deleted without a person: everything counts until somebody reverses what is too much."
        }
        ConflictKind::WrongClock => "A time that nobody can explain wins no conflict until somebody has looked.",
        ConflictKind::ForkedDevice => "No sequel of a log is lost: the money recorded in each counts once. In head office's log only the one with the \
             lower hash counts.",
        ConflictKind::SetAside if is_void(conflict) => {
            "What a device's share does not cover, and what comes after the closing of the device, is set aside everywhere \
             alike."
        }
        ConflictKind::SetAside => {
            "An entry that does not follow the rules is set aside everywhere alike, and is never deleted."
        }
    }
    .to_owned()
}

/// What is left to a person.
pub(super) fn todo(view: &ConflictView) -> String {
    if view.handled.is_some() {
        return "Nothing more: this conflict was dealt with.".to_owned();
    }
    let conflict = &view.conflict;
    let client = beneficiary(view).map_or_else(|| "the person who paid".to_owned(), clipped);
    match &conflict.outcome {
        Outcome::Cancelled { received, returned } if !received.is_zero() => format!(
            "Give {received} back to {client}, and record it here. {}",
            match returned {
                true => "If the credit is to go on, grant a new one.",
                false => "If the credit was not to be cancelled, reinstate it instead.",
            }
        ),
        Outcome::Cancelled { returned, .. } => format!(
            "Check that the credit was to be cancelled. {}",
            match returned {
                true => "If not, grant a new one.",
                false => "If not, reinstate it.",
            }
        ),
        Outcome::GoesOn => "Check that the credit is to go on. If not, first reverse its payments and give the money back, \
                            then cancel the credit."
            .to_owned(),
        Outcome::Overpaid(more) if more.is_zero() => {
            "Nothing is left to give back: mark this conflict as dealt with.".to_owned()
        }
        Outcome::Overpaid(more) => {
            format!("Give {more} back to {client}, and record it here. If a payment was recorded twice, reverse it instead.")
        }
        Outcome::Overdrawn(share) => {
            let zero = crate::money::Balance::zero(share.currency());
            let lacks = zero.less(*share).unwrap_or(zero).above_zero();
            format!(
                "Compare with the balance at the operator. Then give {lacks} to this device from another that has some, or \
                 record the money in that is missing."
            )
        }
        Outcome::Suffixed => {
            format!("Give the credit {} another number, and change it on paper too.", reference(view))
        }
        Outcome::Renumbered => "Nothing is left to renumber: mark this conflict as dealt with.".to_owned(),
        Outcome::Stands(_) => "Check which value is right. If it is another, choose that one.".to_owned(),
        Outcome::AllCount => match conflict.kind {
            ConflictKind::ConcurrentEdit => "Check that today's value is right. If not, choose another.",
            ConflictKind::PossibleDuplicate if conflict.credit.is_some() => {
                "Count with the agent what was received. If a payment was recorded twice, reverse the one that is too much; \
                 if not, mark this conflict as dealt with."
            }
            ConflictKind::PossibleDuplicate => {
                "Check with the operator. If it is one operation, reverse the capture that is too much on the device that \
                 recorded it; if they are several, mark this conflict as dealt with."
            }
            ConflictKind::WrongClock => "Set that device's clock, and check what it recorded that day.",
            ConflictKind::ForkedDevice => {
                "Look for the copied disk or directory, and stop the copy. The device goes on by itself as another life, \
                 without a share: have the keeper close the old one (`ucash device close`), and what that held goes to the \
                 successor."
            }
            _ => "Check what that device recorded, then mark this conflict as dealt with.",
        }
        .to_owned(),
        Outcome::NoEffect => without_effect(view).to_owned(),
    }
}

fn without_effect(view: &ConflictView) -> &'static str {
    match (view.conflict.kind, view.conflict.sides.first().map(|side| &side.value)) {
        (ConflictKind::ForkedDevice, _) => {
            "Look for the copy of head office's data and stop it. What the sequel that was set aside said (shops, devices, \
             keepers) is to be done again at head office; then mark this conflict as dealt with."
        }
        (ConflictKind::WrongClock, _) => "Set that device's clock, and check what it recorded that day.",
        (_, Some(SideValue::Credit { .. })) => {
            "Check whether this credit was handed out. If so, grant it again with a device whose share is enough; then mark \
             this conflict as dealt with."
        }
        (_, Some(SideValue::Movement { .. })) => {
            "Check whether this operation took place. If so, record it again with a device whose share is enough; then mark \
             this conflict as dealt with."
        }
        (_, Some(SideValue::Entries { reason, .. })) if reason == "right" || reason == "registry" => {
            "Ask head office whether that device is to write there. What it recorded is to be done again on a device that \
             may."
        }
        _ => {
            "Update ucash on that device and on this one. If it goes on, tell head office: that device may be damaged."
        }
    }
}

/// What one side did, to be read after who.
pub(super) fn value(value: &SideValue) -> String {
    match value {
        SideValue::Did(did) => match did {
            ClashValue::Paid(amount) => format!("recorded a payment of {amount}"),
            ClashValue::PaymentReversed => "reversed a payment".to_owned(),
            ClashValue::Cancelled => "cancelled the credit".to_owned(),
            ClashValue::Returned => "took the cancelled credit's amount back to the SIM".to_owned(),
            ClashValue::Reinstated => "reinstated the credit".to_owned(),
            ClashValue::Edited(edit) => edited(edit),
            ClashValue::Renumbered(reference) => renumbered(reference),
        },
        SideValue::Credit { shown, amount, .. } => format!("granted the credit {shown} of {amount}"),
        SideValue::Movement { id, what, amount } => format!("recorded {} of {amount} ({id})", movement(what)),
        SideValue::Share(share) => format!("has a share of {share}"),
        SideValue::Sequel { count: 1, first } => format!("went on with one entry, no. {first}"),
        SideValue::Sequel { count, first } => format!("went on with {count} entries, from no. {first} on"),
        SideValue::Stamped { count: 1, first } => format!("recorded one operation at that time (entry no. {first})"),
        SideValue::Stamped { count, first } => {
            format!("recorded {count} operations at those times (from entry no. {first} on)")
        }
        SideValue::Entries { count: 1, first, reason: code } => {
            format!("wrote one entry without effect, no. {first} ({})", reason(code, Language::English))
        }
        SideValue::Entries { count, first, reason: code } => {
            format!("wrote {count} entries without effect, from no. {first} on ({})", reason(code, Language::English))
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
        Some(text) => format!("gave \"{}\" for {field}", clipped(&text)),
        None => format!("took away {field}"),
    }
}

fn renumbered(reference: &Reference) -> String {
    format!("gave the credit the reference {reference}")
}

fn over(over: ClashOver) -> &'static str {
    match over {
        ClashOver::Status => "the status",
        ClashOver::Reference => "the reference",
        ClashOver::Contact(field) => match field {
            ContactField::Name => "the beneficiary's name",
            ContactField::Phone => "the beneficiary's phone",
            ContactField::Address => "the beneficiary's address",
            ContactField::DueAt => "the due date",
            ContactField::Notes => "the notes",
        },
    }
}

fn movement(word: &str) -> &str {
    match word {
        "opening" => "an opening balance",
        "capture" => "a capture",
        "withdrawal" => "a withdrawal",
        "deposit" => "a deposit",
        "gift" => "a gift of share",
        "moved" => "a move of the SIM",
        _ => "a movement",
    }
}

fn credit(view: &ConflictView) -> String {
    match beneficiary(view) {
        Some(name) => format!("The credit {} ({})", reference(view), clipped(name)),
        None => "A credit".to_owned(),
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
        (Some(agent), Some(when)) => format!("{} (device \"{device}\", {when}) {did}", clipped(agent)),
        (Some(agent), None) => format!("{} (device \"{device}\") {did}", clipped(agent)),
        (None, Some(when)) => format!("the device \"{device}\" ({when}) {did}"),
        (None, None) => format!("the device \"{device}\" {did}"),
    }
}

fn all(view: &ConflictView) -> String {
    let (told, more) = told(view);
    let told: Vec<String> = told.into_iter().map(|(side, device)| one(side, device)).collect();
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    capitalised(&format!("{}{more}", told.join("; ")))
}
