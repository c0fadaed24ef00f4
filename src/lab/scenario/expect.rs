//! What a story expects at its end, and what the devices show instead.

use std::collections::{BTreeMap, BTreeSet};

use super::asks::Called;
use super::company::Company;
use super::format::{Expect, Listed, Scenario};
use super::play::{conflicts_of, names_credit};
use super::reading::cents;
use super::wrong::{Place, Why, Wrong};
use crate::lab::START;
use crate::lab::auditor::{Auditor, INVARIANTS};
use crate::lab::device::State;
use crate::lab::disk::Disk;
use crate::lab::world::World;
use crate::membership::ReadScope;
use crate::model::{ConflictKind, CreditStatus, Outcome, ShopId, SimNumber};
use crate::money::Currency;
use crate::replica::{Answer, ConflictView, CreditView, Query, Replica};

/// What an expectation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A credit.
    Credit(String),
    /// A SIM.
    Sim(String),
    /// The list of conflicts.
    Conflicts,
    /// That all agree.
    Agreement,
}

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// On which device; none for what concerns several.
    pub device: Option<usize>,
    /// Which member: `status`, `usd`; a conflict that is missing (`missing`) or not expected (`unexpected`).
    pub key: String,
    /// What was expected.
    pub wanted: String,
    /// What was found.
    pub found: String,
}

/// An expectation, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which, counted from 1.
    pub number: usize,
    /// What it is about.
    pub subject: Subject,
    /// What was expected: members and their values.
    pub wanted: Vec<(String, String)>,
    /// On how many devices it was looked at.
    pub asked: usize,
    /// What is otherwise.
    pub differences: Vec<Difference>,
}

impl Verdict {
    /// Whether it is as expected. Nothing holds where nobody could be asked.
    pub fn holds(&self) -> bool {
        self.asked > 0 && self.differences.is_empty()
    }
}

/// Reads every expectation before anything is played.
pub(super) fn check(company: &Company, scenario: &Scenario) -> Result<(), Wrong> {
    for (index, expect) in scenario.expect.iter().enumerate() {
        let place = Place::Expect(index);
        let of = [expect.credit.is_some(), expect.sim.is_some(), expect.conflicts.is_some(), expect.agree.is_some()];
        if of.into_iter().filter(|is| *is).count() != 1 || expect.agree == Some(false) {
            return Err(Wrong::at(place, Why::ExpectsWhat));
        }
        if let Some(names) = &expect.on {
            company.several(names, place)?;
        }
        if let Some(name) = &expect.sim {
            company.sim(Some(name), ShopId(0), place)?;
        }
        let unreadable =
            |key, text: &str, expected| Err(Wrong::at(place, Why::Unreadable { key, text: text.to_owned(), expected }));
        for (key, text) in amounts(expect) {
            if cents(text).is_none() {
                return unreadable(key, text, "an amount such as 125.50");
            }
        }
        // What is expected of something else than is named would never be looked at.
        let of_credit =
            [&expect.status, &expect.paid, &expect.remaining, &expect.overpaid, &expect.reference, &expect.name];
        let of_sim = [&expect.usd, &expect.cdf, &expect.share_usd, &expect.share_cdf];
        let some = |all: &[&Option<String>]| all.iter().filter(|text| text.is_some()).count();
        let said_of_credit = some(&of_credit) + usize::from(expect.set_aside.is_some());
        let fits = match (&expect.credit, &expect.sim) {
            (Some(_), _) => said_of_credit > 0 && some(&of_sim) == 0,
            (_, Some(_)) => some(&of_sim) > 0 && said_of_credit == 0,
            _ => said_of_credit + some(&of_sim) == 0,
        };
        if !fits {
            return Err(Wrong::at(place, Why::ExpectsWhat));
        }
        if let Some(word) = expect.status.as_deref().filter(|word| CreditStatus::from_word(word).is_none()) {
            return unreadable("status", word, "accorde, partiellementPaye, paye, annule, enRetard");
        }
        for listed in expect.conflicts.iter().flatten() {
            if ConflictKind::from_word(&listed.kind).is_none() {
                return unreadable("kind", &listed.kind, "overpaid, same_reference, concurrent_edit, ...");
            }
            if let Some(name) = &listed.sim {
                company.sim(Some(name), ShopId(0), place)?;
            }
        }
    }
    Ok(())
}

fn amounts(expect: &Expect) -> Vec<(&'static str, &str)> {
    let of = [
        ("paid", &expect.paid),
        ("remaining", &expect.remaining),
        ("overpaid", &expect.overpaid),
        ("usd", &expect.usd),
        ("cdf", &expect.cdf),
        ("share_usd", &expect.share_usd),
        ("share_cdf", &expect.share_cdf),
    ];
    of.into_iter().filter_map(|(key, text)| Some((key, text.as_deref()?))).collect()
}

/// Looks at everything that is expected.
pub(super) fn verdicts(world: &mut World, company: &Company, called: &Called, scenario: &Scenario) -> Vec<Verdict> {
    let mut found = Vec::new();
    for (index, expect) in scenario.expect.iter().enumerate() {
        let number = index + 1;
        found.push(if expect.agree.is_some() {
            agreement(number, world)
        } else {
            let asker = Asker { world, company, called, expect, place: Place::Expect(index) };
            asker.verdict(number)
        });
    }
    found
}

struct Asker<'a> {
    world: &'a World,
    company: &'a Company,
    called: &'a Called,
    expect: &'a Expect,
    place: Place,
}

impl Asker<'_> {
    fn replica(&self, device: usize) -> Option<&Replica<Disk>> {
        match &self.world.devices[device].state {
            State::Up(replica) => Some(replica),
            _ => None,
        }
    }

    /// The devices that are asked: those named, or all that run.
    fn asked(&self) -> Vec<usize> {
        let named = self.expect.on.as_ref().and_then(|names| self.company.several(names, self.place).ok());
        let all = named.unwrap_or_else(|| (0..self.world.devices.len()).collect());
        all.into_iter().filter(|device| self.replica(*device).is_some()).collect()
    }

    fn look(&self, device: usize, query: &Query) -> Option<Answer> {
        self.replica(device)?.look(START.plus_ms(self.world.now), query).ok()
    }

    fn verdict(&self, number: usize) -> Verdict {
        match (&self.expect.credit, &self.expect.sim, &self.expect.conflicts) {
            (Some(name), ..) => self.of_credit(number, name),
            (_, Some(name), _) => self.of_sim(number, name),
            (_, _, listed) => self.of_conflicts(number, listed.as_deref().unwrap_or_default()),
        }
    }

    fn of_credit(&self, number: usize, name: &str) -> Verdict {
        let key = self.called.get(name).cloned().unwrap_or_else(|| name.to_owned());
        let Expect { status, paid, remaining, overpaid, reference, name: beneficiary, set_aside, .. } = self.expect;
        let set_aside = set_aside.map(|is| is.to_string());
        let of = [
            ("status", status),
            ("paid", paid),
            ("remaining", remaining),
            ("overpaid", overpaid),
            ("reference", reference),
            ("name", beneficiary),
            ("set_aside", &set_aside),
        ];
        let wanted = wanted(&of);
        let mut differences = Vec::new();
        let mut asked = 0;
        for device in self.asked() {
            let shown = match self.look(device, &Query::Credit { key: key.clone() }) {
                Some(Answer::Credit(view)) => Some(view),
                // One that reads another shop only is not asked, unless it is named.
                _ if self.expect.on.is_none() && !self.reads_all(device) => continue,
                _ => None,
            };
            asked += 1;
            for (key, text) in &wanted {
                let found = shown.as_ref().map_or_else(|| "-".to_owned(), |view| member(view, key));
                if !is_alike(key, text, &found) {
                    let (key, wanted) = (key.clone(), text.clone());
                    differences.push(Difference { device: Some(device), key, wanted, found });
                }
            }
        }
        Verdict { number, subject: Subject::Credit(name.to_owned()), wanted, asked, differences }
    }

    fn reads_all(&self, device: usize) -> bool {
        self.company.cast.devices[device].read == ReadScope::All
    }

    fn of_sim(&self, number: usize, name: &str) -> Verdict {
        let Expect { usd, cdf, share_usd, share_cdf, .. } = self.expect;
        let wanted = wanted(&[("usd", usd), ("cdf", cdf), ("share_usd", share_usd), ("share_cdf", share_cdf)]);
        let sim: Option<SimNumber> = self.company.sim(Some(name), ShopId(0), self.place).ok();
        let mut differences = Vec::new();
        let mut asked = 0;
        for device in self.asked() {
            let view = sim.clone().and_then(|sim| self.look(device, &Query::SimBalance { sim }));
            let view = match view {
                Some(Answer::Balance(view)) => Some(view),
                _ => None,
            };
            let shop = view.as_ref().map(|view| view.shop_id);
            let reads = self.reads_all(device) || shop == Some(self.company.cast.devices[device].shop);
            if self.expect.on.is_none() && !reads {
                continue;
            }
            asked += 1;
            for (key, text) in &wanted {
                let currency = if key.ends_with("usd") { Currency::Usd } else { Currency::Cdf };
                let account = view.as_ref().and_then(|view| view.balances.get(&currency));
                let found = account.map_or_else(
                    || "0".to_owned(),
                    |account| {
                        if key.starts_with("share") { account.this_device.clone() } else { account.available.clone() }
                    },
                );
                if !is_alike(key, text, &found) {
                    let (key, wanted) = (key.clone(), text.clone());
                    differences.push(Difference { device: Some(device), key, wanted, found });
                }
            }
        }
        Verdict { number, subject: Subject::Sim(name.to_owned()), wanted, asked, differences }
    }

    fn of_conflicts(&self, number: usize, expected: &[Listed]) -> Verdict {
        let wanted = expected.iter().map(|listed| ("conflict".to_owned(), listed_text(listed))).collect();
        let mut differences = Vec::new();
        let devices = self.asked();
        for device in &devices {
            let Some(replica) = self.replica(*device) else { continue };
            let mut listed = conflicts_of(replica, self.world.now);
            let mut missing = Vec::new();
            for one in expected {
                match listed.iter().position(|view| self.is_expected(one, view)) {
                    Some(place) => drop(listed.remove(place)),
                    None => missing.push(listed_text(one)),
                }
            }
            // One that reads its own shop only lists no conflicts of others.
            let blind = self.expect.on.is_none() && !self.reads_all(*device);
            let difference = |key: &str, wanted: String, found: String| {
                let key = key.to_owned();
                Difference { device: Some(*device), key, wanted, found }
            };
            if !blind {
                differences.extend(missing.into_iter().map(|text| difference("missing", text, "-".to_owned())));
            }
            let unexpected = listed.iter().map(|view| difference("unexpected", "-".to_owned(), view_text(view)));
            differences.extend(unexpected);
        }
        differences.extend(self.apart(&devices));
        Verdict { number, subject: Subject::Conflicts, wanted, asked: devices.len(), differences }
    }

    fn is_expected(&self, expected: &Listed, view: &ConflictView) -> bool {
        let Listed { kind, credit, sim, decided, sides, handled } = expected;
        let handled_as = view.handled.as_ref().map_or("no", |handled| handled.decision.as_str());
        let called = |name: &String| self.called.get(name).unwrap_or(name).clone();
        kind == view.conflict.kind.word()
            && credit.as_ref().is_none_or(|name| names_credit(view, &called(name)))
            && sim.as_ref().is_none_or(|name| {
                let number = self.company.sim(Some(name), ShopId(0), self.place).ok();
                number.is_some() && view.conflict.sim == number
            })
            && decided.as_ref().is_none_or(|word| *word == outcome_word(&view.conflict.outcome))
            && sides.as_ref().is_none_or(|names| *names == view.devices)
            && handled.as_ref().is_none_or(|word| word == handled_as)
    }

    /// Devices that read a shop alike and list its conflicts differently.
    fn apart(&self, devices: &[usize]) -> Vec<Difference> {
        let mut first: BTreeMap<ShopId, (usize, BTreeSet<String>)> = BTreeMap::new();
        let mut found = Vec::new();
        for device in devices {
            let Some(replica) = self.replica(*device) else { continue };
            let own = self.company.cast.devices[*device].shop;
            let listed = conflicts_of(replica, self.world.now);
            for shop in self.company.cast.shops.iter().filter(|shop| self.reads_all(*device) || **shop == own) {
                let ids: BTreeSet<String> = listed
                    .iter()
                    .filter(|view| view.conflict.shop == *shop)
                    .map(|view| format!("{} {}", view.conflict.id, view_text(view)))
                    .collect();
                let (known, theirs) = first.entry(*shop).or_insert_with(|| (*device, ids.clone()));
                if *theirs != ids {
                    let join = |ids: &BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>().join(", ");
                    let wanted = format!("{}: {}", self.company.cast.devices[*known].name, join(theirs));
                    found.push(Difference {
                        device: Some(*device),
                        key: "same_list".to_owned(),
                        wanted,
                        found: join(&ids),
                    });
                }
            }
        }
        found
    }
}

fn wanted(of: &[(&str, &Option<String>)]) -> Vec<(String, String)> {
    let said = of.iter().filter_map(|(key, text)| Some(((*key).to_owned(), text.as_ref()?.clone())));
    said.collect()
}

fn member(view: &CreditView, key: &str) -> String {
    match key {
        "status" => view.status.word().to_owned(),
        "paid" => view.paid.clone(),
        "remaining" => view.remaining.clone(),
        "overpaid" => view.overpaid.clone(),
        "reference" => view.reference.clone(),
        "name" => view.beneficiary.name.clone(),
        _ => view.set_aside.to_string(),
    }
}

fn is_alike(key: &str, wanted: &str, found: &str) -> bool {
    match key {
        "status" | "name" | "set_aside" => wanted == found,
        "reference" => match wanted.strip_suffix("~*") {
            Some(plain) => found.split_once('~').is_some_and(|(start, _)| start == plain),
            None => wanted == found,
        },
        _ => cents(wanted).is_some() && cents(wanted) == cents(found),
    }
}

/// The word of an outcome: that of its variant, and the side that stands.
pub fn outcome_word(outcome: &Outcome) -> String {
    let (name, with) = match serde_json::to_value(outcome) {
        Ok(serde_json::Value::String(name)) => (name, None),
        Ok(serde_json::Value::Object(members)) => match members.into_iter().next() {
            Some((name, with)) => (name, with.as_u64()),
            None => return String::new(),
        },
        _ => return String::new(),
    };
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    with.map_or(word.clone(), |with| format!("{word}={with}"))
}

/// A conflict in the words in which one is expected.
fn view_text(view: &ConflictView) -> String {
    let mut text = view.conflict.kind.word().to_owned();
    if let Some((reference, _)) = &view.credit {
        text.push_str(&format!(" credit={reference}"));
    }
    if let Some(sim) = &view.conflict.sim {
        text.push_str(&format!(" sim={sim}"));
    }
    let handled = view.handled.as_ref().map_or("no", |handled| handled.decision.as_str());
    let sides = view.devices.join("+");
    text.push_str(&format!(" decided={} sides={sides} handled={handled}", outcome_word(&view.conflict.outcome)));
    text
}

fn listed_text(listed: &Listed) -> String {
    let Listed { kind, credit, sim, decided, sides, handled } = listed;
    let sides = sides.as_ref().map(|names| names.join("+"));
    let of = [("credit", credit), ("sim", sim), ("decided", decided), ("sides", &sides), ("handled", handled)];
    let mut text = kind.clone();
    for (key, value) in of {
        if let Some(value) = value {
            text.push_str(&format!(" {key}={value}"));
        }
    }
    text
}

/// The auditor's agreement check, over all that run.
fn agreement(number: usize, world: &mut World) -> Verdict {
    let others: Vec<&str> =
        INVARIANTS.iter().map(|invariant| invariant.name).filter(|name| *name != "one_state").collect();
    let mut auditor = Auditor::new(&world.cast).skipping(&others);
    let names: Vec<String> = world.cast.devices.iter().map(|device| device.name.clone()).collect();
    let now = START.plus_ms(world.now);
    let up = world.devices.iter_mut().enumerate();
    let mut replicas: Vec<_> = up.filter_map(|(number, one)| Some((number, one.replica()?))).collect();
    let asked = replicas.len();
    let result = auditor.healed(&mut replicas, now);
    let wanted = vec![("agree".to_owned(), "true".to_owned())];
    let difference = result.err().map(|broken| Difference {
        device: None,
        key: "agree".to_owned(),
        wanted: "true".to_owned(),
        found: named(&broken.detail, &names),
    });
    Verdict { number, subject: Subject::Agreement, wanted, asked, differences: difference.into_iter().collect() }
}

/// The auditor numbers devices; the reader knows them by name.
fn named(detail: &str, names: &[String]) -> String {
    let word = |word: &str| word.parse::<usize>().ok().and_then(|number| names.get(number)).cloned();
    let words: Vec<String> = detail.split(' ').map(|one| word(one).unwrap_or_else(|| one.to_owned())).collect();
    words.join(" ")
}
