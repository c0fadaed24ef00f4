//! A conflict told to people: what happened, who did it, when and on which device, what was decided by which rule, what
//! is left to do. In whole sentences, since who reads them was not there.
//!
//! It must never decide anything: the facts are the view's, and here they only get words.

mod english;
mod french;
mod reasons;

pub use reasons::reason;

use schemars::JsonSchema;
use serde::Serialize;

use super::Language;
use crate::model::{Conflict, ConflictId, ConflictKind, CreditId, ShopId, Side, SideValue, Timestamp};
use crate::replica::{ConflictView, HandledView, Page};

/// Sides told in one summary: more cannot be taken in at a glance, and the list has them all.
const TOLD_MAX: usize = 4;

/// Letters of a text that somebody wrote, in a sentence.
const QUOTED_MAX: usize = 60;

/// A conflict as the API shows it (`interface`, "conflict").
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ConflictText {
    /// The same on every device that holds the same entries.
    pub id: ConflictId,
    /// What kind.
    pub kind: ConflictKind,
    /// In which shop; none for what concerns the register of devices and shops.
    pub shop_id: Option<ShopId>,
    /// About which credit.
    pub credit: Option<CreditNamed>,
    /// About which SIM.
    pub sim: Option<String>,
    /// What happened.
    pub summary: String,
    /// Who said what.
    pub sides: Vec<SideText>,
    /// What was decided without a person.
    pub decision: String,
    /// By which rule.
    pub rule: String,
    /// What is left to a person.
    pub todo: String,
    /// What a person may decide: words that a resolution takes.
    pub decisions: Vec<String>,
    /// Who dealt with it.
    pub handled: Option<HandledView>,
}

/// Which credit.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CreditNamed {
    /// Its id.
    pub id: CreditId,
    /// Its reference, as it is shown.
    pub reference: String,
}

/// One side of a conflict.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SideText {
    /// On which device.
    pub device: String,
    /// Who.
    pub agent: Option<String>,
    /// When, by that device's clock.
    pub at: Option<String>,
    /// What was done, to be read after who did it.
    pub value: String,
}

/// A conflict in the language of who asks.
pub fn conflict(view: &ConflictView, language: Language) -> ConflictText {
    let found = &view.conflict;
    let pick = |french: fn(&ConflictView) -> String, english: fn(&ConflictView) -> String| match language {
        Language::French => french(view),
        Language::English => english(view),
    };
    let side = |(side, device): (&Side, &String)| SideText {
        device: device.clone(),
        agent: side.agent.clone(),
        at: side.at.map(Timestamp::to_rfc3339),
        value: match language {
            Language::French => french::value(&side.value),
            Language::English => english::value(&side.value),
        },
    };
    ConflictText {
        id: found.id,
        kind: found.kind,
        shop_id: (found.shop != ShopId(0)).then_some(found.shop),
        credit: found.credit.map(|id| CreditNamed { id, reference: reference(view).to_owned() }),
        sim: found.sim.as_ref().map(ToString::to_string),
        summary: pick(french::summary, english::summary),
        sides: found.sides.iter().zip(&view.devices).map(side).collect(),
        decision: pick(french::decision, english::decision),
        rule: pick(french::rule, english::rule),
        todo: pick(french::todo, english::todo),
        decisions: view.decisions.clone(),
        handled: view.handled.clone(),
    }
}

/// A page of them.
pub fn conflicts(page: &Page<ConflictView>, language: Language) -> Page<ConflictText> {
    Page { items: page.items.iter().map(|view| conflict(view, language)).collect(), next: page.next.clone() }
}

/// What a person decides by that word, for whom it is offered.
pub fn decision_named(word: &str, language: Language) -> &str {
    let (french, english) = match word {
        "handled" => ("marquer comme traité", "mark as dealt with"),
        "give_back" => ("noter que l'argent est rendu", "record that the money is given back"),
        "reinstate" => ("rétablir le crédit", "reinstate the credit"),
        "cancel" => ("annuler le crédit", "cancel the credit"),
        "renumber" => ("donner un autre numéro au crédit", "give the credit another number"),
        "take" => ("prendre la valeur d'un autre côté", "take the value of another side"),
        other => (other, other),
    };
    match language {
        Language::French => french,
        Language::English => english,
    }
}

/// Whether an operation on a credit or SIM is without effect, rather than entries that nobody can read.
fn is_void(conflict: &Conflict) -> bool {
    let is_entries = |side: &Side| matches!(side.value, SideValue::Entries { .. });
    conflict.kind == ConflictKind::SetAside && !conflict.sides.iter().any(is_entries)
}

fn reference(view: &ConflictView) -> &str {
    view.credit.as_ref().map_or("?", |(reference, _)| reference)
}

fn beneficiary(view: &ConflictView) -> Option<&str> {
    view.credit.as_ref().map(|(_, name)| name.as_str())
}

/// The sides with their devices' names, as many as a sentence tells, and how many more there are.
fn told(view: &ConflictView) -> (Vec<(&Side, &str)>, usize) {
    let all = view.conflict.sides.iter().zip(view.devices.iter().map(String::as_str));
    let told: Vec<(&Side, &str)> = all.take(TOLD_MAX).collect();
    let more = view.conflict.sides.len().saturating_sub(told.len());
    (told, more)
}

/// What somebody wrote, as much of it as a sentence bears.
fn clipped(text: &str) -> String {
    let mut cut: String = text.chars().take(QUOTED_MAX).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}
