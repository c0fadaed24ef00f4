//! A scenario played: devices, disks, clocks and links of the lab, and only what the story says.
//!
//! Between two steps time passes as it does in a shop: what is in contact agrees, shares even out. Nothing goes wrong by
//! chance, and nothing is judged but at the end, by what the story expects.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::around::{check_around, duration};
use super::asks::{Called, Desk, action};
use super::company::Company;
use super::expect::{Verdict, verdicts};
use super::format::{Action, Resolve, Scenario, Step};
use super::reading;
use super::wrong::{Place, Why, Wrong};
use crate::document::remembering_changes;
use crate::lab::auditor::Broken;
use crate::lab::device::{Device, State, Ticks};
use crate::lab::founding::FOUNDED;
use crate::lab::glance::Watcher;
use crate::lab::network::Network;
use crate::lab::options::{Options, Overrides, Rates};
use crate::lab::tape::{Mark, What};
use crate::lab::trace::{Happened, Trace};
use crate::lab::workload::Workload;
use crate::lab::world::{Phase, World};
use crate::lab::{Draw, START};
use crate::ledger::Refusal;
use crate::log::remembering_signatures;
use crate::model::ConflictKind;
use crate::replica::{Answer, Command, ConflictFilter, ConflictView, Input, Query, Replica};
use crate::store::MemoryStore;

/// The first step: 08:00 UTC, which is how times are told.
const MORNING_MS: i64 = 8 * 3_600_000;
/// What an operation takes.
const OPERATION_MS: i64 = 60_000;
/// What a meeting takes: two regular comparisons and more.
pub(super) const MEETING_MS: i64 = 120_000;
/// How long somebody waits for an answer.
const ANSWER_MS: i64 = 120_000;
/// Time for a SIM to be known to all, and its shares to even out.
const OPENING_MS: i64 = 120_000;
/// Conflicts that are looked at.
const CONFLICTS_MAX: usize = 1_000;

/// What was done in a step.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A device was asked to do something.
    Asked(Box<Command>),
    /// Something happened around the devices.
    Around(Box<Action>),
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Came {
    /// It was done.
    Done,
    /// It was refused.
    Refused(Box<Refusal>),
    /// Nobody answered: the device has no power, or is stuck.
    NoAnswer,
    /// It could not even be asked: something that it names did not come about.
    Impossible(Why),
}

/// A step that was played.
#[derive(Clone, Debug)]
pub struct Played {
    /// Which, counted from 1.
    pub number: usize,
    /// When it began, in milliseconds since the start.
    pub at_ms: i64,
    /// The device on which it was done.
    pub device: Option<usize>,
    /// Who did it.
    pub agent: Option<String>,
    /// A word to the reader.
    pub say: Option<String>,
    /// What was done.
    pub deed: Deed,
    /// What came of it.
    pub came: Came,
    /// The code of the refusal that was expected.
    pub expected: Option<String>,
    /// Conflicts that some device listed for the first time, or otherwise than before.
    pub conflicts: Vec<ConflictView>,
}

impl Played {
    /// Whether it went as the story says.
    pub fn holds(&self) -> bool {
        match (&self.came, &self.expected) {
            (Came::Done, None) => true,
            (Came::Refused(refusal), Some(code)) => refusal.code() == code,
            _ => false,
        }
    }
}

/// A story that was played.
#[derive(Clone, Debug)]
pub struct Play {
    /// What the devices are called, by their numbers.
    pub devices: Vec<String>,
    /// What the story calls things: names by ids and keys.
    pub names: BTreeMap<String, String>,
    /// What happened.
    pub steps: Vec<Played>,
    /// The conflicts at the end, as the first device that lists each shows it.
    pub conflicts: Vec<ConflictView>,
    /// What was expected, and what was found.
    pub verdicts: Vec<Verdict>,
    /// A promise of the world that was broken; the story ends there.
    pub broken: Option<(&'static str, String)>,
    /// What happened, to be drawn.
    pub tape: Vec<Mark>,
    /// The digest of all that happened, in order.
    pub trace: [u8; 32],
    /// What happened, a line each, if that was wanted.
    pub lines: Vec<String>,
    /// When the last step was over.
    pub ended_ms: i64,
}

impl Play {
    /// Whether every step and every expectation held.
    pub fn holds(&self) -> bool {
        self.broken.is_none() && self.steps.iter().all(Played::holds) && self.verdicts.iter().all(Verdict::holds)
    }

    /// The digest as 64 digits.
    pub fn trace_text(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.trace)
    }
}

/// Plays a scenario; the lines of the trace are kept if somebody wants to read them.
///
/// # Errors
///
/// What is wrong with the scenario, before anything of it is played.
pub fn play(scenario: &Scenario, keep_trace: bool) -> Result<Play, Wrong> {
    play_with(scenario, keep_trace, None)
}

/// Plays a scenario while somebody looks on.
///
/// # Errors
///
/// What is wrong with the scenario, before anything of it is played.
pub fn play_watched(scenario: &Scenario, watcher: Box<dyn Watcher>) -> Result<Play, Wrong> {
    play_with(scenario, true, Some(watcher))
}

fn play_with(scenario: &Scenario, keep_trace: bool, watcher: Option<Box<dyn Watcher>>) -> Result<Play, Wrong> {
    let company = Company::of(scenario)?;
    check(&company, scenario)?;
    let played = remembering_signatures(|| {
        remembering_changes(|| {
            let mut stage = Stage::new(company, scenario, keep_trace);
            stage.watcher = watcher;
            let result = catch_unwind(AssertUnwindSafe(|| stage.play()));
            let result = result.unwrap_or_else(|_| Err(Broken { invariant: "panic", detail: String::new() }));
            stage.end(result)
        })
    });
    Ok(played)
}

/// Reads every step and expectation without playing them.
fn check(company: &Company, scenario: &Scenario) -> Result<(), Wrong> {
    let mut called = Called::new();
    for (index, step) in scenario.step.iter().enumerate() {
        let place = Place::Step(index);
        let (key, action) = action(step, place)?;
        let doer = step.by.as_ref().map(|name| company.device(name, place)).transpose()?;
        let shop = company.cast.devices[doer.unwrap_or(0)].shop;
        let desk = Desk { company, called: &called, shop, agent: step.agent.clone(), place };
        let command = desk.command(&action, &|_| None)?;
        let beside = [("by", &step.by), ("agent", &step.agent), ("as", &step.named), ("refused", &step.refused)];
        match (command, doer) {
            (Some(_), None) => return Err(Wrong::at(place, Why::NoDoer(key))),
            (None, _) => {
                if let Some((name, _)) = beside.into_iter().find(|(_, text)| text.is_some()) {
                    return Err(Wrong::at(place, Why::NotAnOperation(name)));
                }
            }
            (Some(_), Some(_)) => {}
        }
        check_around(company, &action, place)?;
        if let Some(text) = &step.takes {
            duration(text, "takes", place)?;
        }
        if let Some(name) = &step.named {
            called.insert(name.clone(), name.clone());
        }
    }
    super::expect::check(company, scenario)
}

/// A copy of a disk that was put aside.
pub(super) struct Copied {
    pub of: usize,
    pub image: MemoryStore,
}

/// The story while it is played.
pub(super) struct Stage<'a> {
    pub company: Company,
    scenario: &'a Scenario,
    root: Draw,
    pub world: World,
    pub copies: BTreeMap<String, Copied>,
    called: Called,
    steps: Vec<Played>,
    tape: Vec<Mark>,
    /// Who looks on, from the first step.
    watcher: Option<Box<dyn Watcher>>,
    /// The conflicts as they were last told.
    told: BTreeMap<String, ConflictView>,
}

impl<'a> Stage<'a> {
    fn new(company: Company, scenario: &'a Scenario, keep_trace: bool) -> Stage<'a> {
        let root = Draw::from_seed(scenario.seed).child("scenario");
        let devices = company.cast.devices.len();
        let told = Overrides {
            devices: Some(devices as u32),
            shops: Some(company.cast.shops.len() as u32),
            days: Some(1),
            operations: Some(0),
            faults: Some(0),
            ..Overrides::default()
        };
        let mut options = Options::draw(scenario.seed, &told);
        options.rates = Rates { leisure: 0, ..Rates::none() };
        let mut network = Network::new(&vec![0; devices], &root);
        for pair in network.pairs() {
            network.link(pair).exists = true;
        }
        let device = |(number, key): (usize, &crate::log::SigningKey)| {
            let draw = root.child("device").child(&number.to_string());
            let ticks = Ticks::new(&mut draw.child("ticks"));
            Device::new(key.clone(), draw.child("own"), ticks)
        };
        let devices = company.keys.iter().enumerate().map(device).collect();
        let workload = Workload::new(root.child("workload"), &company.cast, 1, 0);
        let trace = Trace::new(keep_trace);
        let mut world = World::new(options, company.cast.clone(), devices, network, workload, trace, FOUNDED);
        world.trace.record();
        let (copies, called, told) = (BTreeMap::new(), Called::new(), BTreeMap::new());
        Stage {
            company,
            scenario,
            root,
            world,
            copies,
            called,
            steps: Vec::new(),
            tape: Vec::new(),
            watcher: None,
            told,
        }
    }

    fn play(&mut self) -> Result<(), Broken> {
        self.gather()?;
        self.world.begin_watching(self.watcher.take());
        for index in 0..self.scenario.step.len() {
            self.step(index)?;
        }
        Ok(())
    }

    /// Everybody joins, the SIMs are made known, and clocks go wrong.
    fn gather(&mut self) -> Result<(), Broken> {
        let world = &mut self.world;
        world.found_first(&self.root, &self.scenario.name, &self.company.shop_names)?;
        for number in 1..self.company.founding {
            world.join(number)?;
        }
        for sim in self.company.sims.clone() {
            let shop = Some(sim.shop);
            let command = Command::AddSim { sim: sim.number, operator: sim.operator, shop, opening: sim.opening };
            world.command(sim.by, command)?;
        }
        world.run_until(world.now + OPENING_MS)?;
        world.phase = Phase::Staged;
        world.run_until(MORNING_MS)?;
        for (device, clock) in self.company.clocks.clone().into_iter().enumerate() {
            if let Some(clock) = clock {
                self.set_clock(device, clock);
            }
        }
        Ok(())
    }

    fn step(&mut self, index: usize) -> Result<(), Broken> {
        let place = Place::Step(index);
        let scenario = self.scenario;
        let step = &scenario.step[index];
        // It was checked before the first step.
        let Ok((_, action)) = action(step, place) else { return Ok(()) };
        let (at_ms, doer) = (self.world.now, step.by.as_ref().and_then(|name| self.company.device(name, place).ok()));
        let takes_ms = step.takes.as_deref().and_then(reading::duration_ms);
        let command = doer.map_or(Ok(None), |doer| self.command(doer, step, &action, place));
        let (device, deed, came) = match (doer, command) {
            (Some(doer), Ok(Some(command))) => {
                let came = self.ask(doer, &command, step.named.as_deref())?;
                (Some(doer), Deed::Asked(Box::new(command)), came)
            }
            (_, Err(wrong)) => (doer, Deed::Around(Box::new(action.clone())), Came::Impossible(wrong.why)),
            (_, Ok(_)) => {
                let device = self.around(&action, place, takes_ms)?;
                (device, Deed::Around(Box::new(action.clone())), Came::Done)
            }
        };
        let usual_ms = match action {
            Action::Wait(_) | Action::Meet(_) => 0,
            Action::Heal(_) => MEETING_MS,
            _ => OPERATION_MS,
        };
        let takes_ms =
            if matches!(action, Action::Wait(_) | Action::Meet(_)) { 0 } else { takes_ms.unwrap_or(usual_ms) };
        self.world.run_until(self.world.now.max(at_ms + takes_ms))?;
        let (number, say, expected) = (index + 1, step.say.clone(), step.refused.clone());
        let agent = step.agent.clone();
        let conflicts = self.news();
        self.steps.push(Played { number, at_ms, device, agent, say, deed, came, expected, conflicts });
        Ok(())
    }

    fn command(&self, doer: usize, step: &Step, action: &Action, place: Place) -> Result<Option<Command>, Wrong> {
        let shop = self.company.cast.devices[doer].shop;
        let desk = Desk { company: &self.company, called: &self.called, shop, agent: step.agent.clone(), place };
        let listed = self.listed(doer);
        desk.command(action, &|resolve: &Resolve| self.find(&listed, resolve, shop, place))
    }

    /// The conflict that somebody means: the first that nobody dealt with, of that kind, credit and SIM.
    fn find(
        &self,
        listed: &[ConflictView],
        resolve: &Resolve,
        shop: crate::model::ShopId,
        place: Place,
    ) -> Option<String> {
        let kind = ConflictKind::from_word(&resolve.conflict)?;
        let credit = resolve.credit.as_ref().map(|name| self.called.get(name).unwrap_or(name));
        let sim = resolve.sim.as_deref().and_then(|name| self.company.sim(Some(name), shop, place).ok());
        let is_meant = |view: &&ConflictView| {
            view.conflict.kind == kind
                && credit.is_none_or(|name| names_credit(view, name))
                && sim.as_ref().is_none_or(|sim| view.conflict.sim.as_ref() == Some(sim))
        };
        let mut found: Vec<&ConflictView> = listed.iter().filter(is_meant).collect();
        found.sort_by_key(|view| view.handled.is_some());
        found.first().map(|view| view.conflict.id.to_string())
    }

    fn listed(&self, device: usize) -> Vec<ConflictView> {
        match &self.world.devices[device].state {
            State::Up(replica) => conflicts_of(replica, self.world.now),
            _ => Vec::new(),
        }
    }

    /// The conflicts that somebody lists since this was last asked, or lists otherwise.
    fn news(&mut self) -> Vec<ConflictView> {
        let tape = self.world.trace.take_tape();
        let is_told = tape.iter().any(|mark| matches!(mark.what, What::Conflict(_)));
        self.tape.extend(tape);
        if !is_told {
            return Vec::new();
        }
        let mut news = BTreeMap::new();
        for device in 0..self.world.devices.len() {
            for view in self.listed(device) {
                let id = view.conflict.id.to_string();
                if self.told.get(&id) != Some(&view) && !news.contains_key(&id) {
                    news.insert(id, view);
                }
            }
        }
        self.told.extend(news.clone());
        news.into_values().collect()
    }

    /// Asks a device, and waits for what it answers.
    fn ask(&mut self, device: usize, command: &Command, named: Option<&str>) -> Result<Came, Broken> {
        let before = self.payments(device, command);
        let world = &mut self.world;
        world.answers.clear();
        if !world.devices[device].is_up() {
            return Ok(Came::NoAnswer);
        }
        let ticket = world.devices[device].ticket();
        world.counts.asked += 1;
        world.trace.note(world.now, device, &Happened::Asked { ticket, key: None, command });
        let input = Input::Command { ticket, command: Box::new(command.clone()), key: None };
        world.deliver(device, input)?;
        let until = world.now + ANSWER_MS;
        while world.answers.is_empty() && world.now < until {
            world.run_until(world.now + 1_000)?;
        }
        let answer = std::mem::take(&mut world.answers).into_iter().next();
        Ok(match answer {
            None => Came::NoAnswer,
            Some(Err(refusal)) => Came::Refused(Box::new(refusal)),
            Some(Ok(answer)) => {
                let id = match answer {
                    Answer::Credit(view) if matches!(command, Command::Pay { .. }) => {
                        let new = view.payments.iter().map(|payment| payment.id.to_string());
                        new.into_iter().find(|id| !before.contains(id))
                    }
                    Answer::Credit(view) => Some(view.id.to_string()),
                    Answer::Movement(view) => Some(view.id.to_string()),
                    _ => None,
                };
                self.called.extend(named.map(str::to_owned).zip(id));
                Came::Done
            }
        })
    }

    /// The payments that a device shows of the credit that is to be paid.
    fn payments(&self, device: usize, command: &Command) -> Vec<String> {
        let (Command::Pay { credit, .. }, State::Up(replica)) = (command, &self.world.devices[device].state) else {
            return Vec::new();
        };
        match replica.look(START.plus_ms(self.world.now), &Query::Credit { key: credit.clone() }) {
            Ok(Answer::Credit(view)) => view.payments.iter().map(|payment| payment.id.to_string()).collect(),
            _ => Vec::new(),
        }
    }

    fn end(mut self, result: Result<(), Broken>) -> Play {
        let now_ms = self.world.now;
        let mut conflicts = BTreeMap::new();
        for device in 0..self.world.devices.len() {
            for view in self.listed(device) {
                conflicts.entry(view.conflict.id).or_insert(view);
            }
        }
        self.tape.extend(self.world.trace.take_tape());
        let verdicts = match &result {
            Ok(()) => verdicts(&mut self.world, &self.company, &self.called, self.scenario),
            Err(_) => Vec::new(),
        };
        let (trace, lines) = self.world.trace.end();
        let mut names: BTreeMap<String, String> =
            self.called.iter().map(|(name, id)| (id.clone(), name.clone())).collect();
        // Of a device that runs twice, the first is meant.
        for device in self.company.cast.devices.iter().rev() {
            names.insert(device.key.to_text(), device.name.clone());
        }
        Play {
            devices: self.company.cast.devices.iter().map(|device| device.name.clone()).collect(),
            names,
            steps: self.steps,
            conflicts: conflicts.into_values().collect(),
            verdicts,
            broken: result.err().map(|Broken { invariant, detail }| (invariant, detail)),
            tape: self.tape,
            trace,
            lines,
            ended_ms: now_ms,
        }
    }
}

/// The conflicts that a replica lists.
pub(in crate::lab) fn conflicts_of<S: crate::store::Store>(replica: &Replica<S>, now: i64) -> Vec<ConflictView> {
    let filter = ConflictFilter { limit: CONFLICTS_MAX, ..ConflictFilter::default() };
    match replica.look(START.plus_ms(now), &Query::Conflicts(filter)) {
        Ok(Answer::Conflicts(page)) => page.items,
        _ => Vec::new(),
    }
}

/// Whether a conflict is about that credit: its id, the reference as it is shown, or one of the sides.
pub(super) fn names_credit(view: &ConflictView, name: &str) -> bool {
    let by_id = view.conflict.credit.is_some_and(|id| id.to_string() == name);
    let by_reference = view.credit.as_ref().is_some_and(|(reference, _)| {
        reference == name || reference.split_once('~').is_some_and(|(plain, _)| plain == name)
    });
    by_id || by_reference
}
