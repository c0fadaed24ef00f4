//! What the people of a company do all day: who acts when, and what they ask of their device.
//!
//! ```text
//! Workload::new ──► moments: (milliseconds, device)      when the shops are open, a rush in the morning
//! act(moment)   ──► Asked, Asked, ...                     chosen by what that device shows at that moment
//! ```
//!
//! People know what their screen shows and nothing else, so most of what they ask is sensible and some of it is wrong.
//! Now and then two devices of a shop do things within the same seconds that cannot both be right: these moments are
//! planned in pairs, and each side finds the same credit or SIM by the pair's own generator, without a word between
//! them.
//!
//! Each act is drawn from a generator named after its moment: what one act draws shifts no other. A workload never
//! looks at a replica other than the one that acts, and never learns what was answered; people who saw no answer ask
//! again under the same key, which is what `retry` does.

mod act;
mod credits;
mod days;
mod movements;
mod shares;
mod wrong;

pub use act::Act;

use std::collections::{BTreeMap, VecDeque};

use crate::lab::{Cast, Draw};
use crate::ledger::Book;
use crate::membership::Role;
use crate::model::{DeviceKey, Holder, ShopId, Timestamp};
use crate::money::{Amount, Currency};
use crate::replica::{Command, Replica};
use crate::store::Store;
use days::Plan;

/// How many commands with a key each device's people remember, to ask them again.
const REMEMBERED: usize = 12;
/// In how many of a thousand cases a command bears an idempotency key.
const KEYED_PERMILLE: u32 = 400;

/// What is asked of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What.
    pub command: Command,
    /// The idempotency key, if there is one.
    pub key: Option<String>,
}

/// The people of a company over some days.
#[derive(Clone, Debug)]
pub struct Workload {
    draw: Draw,
    devices: Vec<(DeviceKey, ShopId)>,
    head_office: Vec<bool>,
    moments: Vec<(i64, usize)>,
    plans: Vec<Plan>,
    /// What was asked of each device under a key, latest last.
    keyed: BTreeMap<usize, VecDeque<Asked>>,
    done: BTreeMap<Act, u32>,
}

impl Workload {
    /// Plans so many acts over so many days. The run starts at midnight, shop time.
    pub fn new(draw: Draw, cast: &Cast, days: u32, operations: u32) -> Workload {
        let (moments, plans) = days::plan(&draw, cast, days, operations);
        Workload {
            draw,
            devices: cast.devices.iter().map(|device| (device.key, device.shop)).collect(),
            head_office: cast.devices.iter().map(|device| device.role == Role::HeadOffice).collect(),
            moments,
            plans,
            keyed: BTreeMap::new(),
            done: BTreeMap::new(),
        }
    }

    /// When who acts: (milliseconds since the start of the run, device number), ascending.
    pub fn moments(&self) -> &[(i64, usize)] {
        &self.moments
    }

    /// How often each kind of act was asked so far.
    pub fn done(&self) -> &BTreeMap<Act, u32> {
        &self.done
    }

    /// What the device's people do at that moment, judging by what that device shows. Empty: nothing to do. Several:
    /// deliberate retries under one key, or several commands in one step.
    pub fn act<S: Store>(&mut self, moment: usize, device: usize, replica: &Replica<S>, now: Timestamp) -> Vec<Asked> {
        let Some((key, shop)) = self.devices.get(device).copied() else { return Vec::new() };
        let mut draw = self.draw.child(&format!("act {moment}"));
        let plan = self.plans.get(moment).cloned().unwrap_or(Plan::Free);
        // The head office writes for every shop, and sometimes does.
        let visits = self.head_office.get(device).copied().unwrap_or_default() && draw.permille(120);
        let shops: Vec<ShopId> = replica.book().shops().keys().copied().collect();
        let shop = if visits { draw.pick(&shops).copied().unwrap_or(shop) } else { shop };
        let act = match &plan {
            Plan::Free => act::draw_one(&mut draw),
            Plan::Race { act, .. } => *act,
        };
        let colleagues = self.devices.iter().filter(|(_, of)| *of == shop).map(|(key, _)| *key).collect();
        let holder = replica.holder();
        let book = replica.book();
        let mut counter = Counter { book, device: key, holder, shop, colleagues, moment, asked: 0, now, draw };
        let remembered = self.keyed.get(&device);
        let (act, commands) = match &plan {
            Plan::Race { race, side, .. } => (act, counter.race(act, race, *side)),
            Plan::Free if counter.sees_to_closings() => counter.free(Act::CloseDevice, remembered),
            Plan::Free => counter.free(act, remembered),
        };
        let asked = counter.with_keys(act, commands);
        if !asked.is_empty() {
            *self.done.entry(act).or_default() += 1;
        }
        let remembered = self.keyed.entry(device).or_default();
        for one in asked.iter().filter(|one| one.key.is_some() && act.is_new()) {
            remembered.push_back(one.clone());
        }
        while remembered.len() > REMEMBERED {
            remembered.pop_front();
        }
        asked
    }
}

/// Somebody at a counter, at one moment.
struct Counter<'a> {
    book: &'a Book,
    device: DeviceKey,
    holder: Holder,
    shop: ShopId,
    /// The devices of the shop, its own among them.
    colleagues: Vec<DeviceKey>,
    moment: usize,
    /// How many commands were made at this moment: names what must be told apart.
    asked: usize,
    now: Timestamp,
    draw: Draw,
}

/// What somebody decided to ask: commands that get keys by chance, or what was asked before.
enum Wish {
    New(Vec<Command>),
    Again(Vec<Asked>),
}

impl Counter<'_> {
    /// Does that act, or grants a credit where there is nothing to do it to.
    fn free(&mut self, act: Act, remembered: Option<&VecDeque<Asked>>) -> (Act, Wish) {
        let wish = match act {
            Act::Retry => {
                let asked: Vec<Asked> = remembered.into_iter().flatten().cloned().collect();
                let one = self.draw.pick(&asked).cloned();
                Some(Wish::Again(one.into_iter().collect()))
            }
            Act::KeyReused => {
                let keys: Vec<String> = remembered.into_iter().flatten().filter_map(|one| one.key.clone()).collect();
                let key = self.draw.pick(&keys).cloned();
                let asked = key.and_then(|key| Some(Asked { command: self.grant()?, key: Some(key) }));
                Some(Wish::Again(asked.into_iter().collect()))
            }
            Act::Several => {
                let count = self.draw.between(2, 4);
                let commands = (0..count).filter_map(|_| {
                    let act = act::draw_simple(&mut self.draw);
                    self.simple(act)
                });
                Some(Wish::New(commands.collect()))
            }
            Act::TwiceAtOnce => {
                let simple = act::draw_simple(&mut self.draw);
                self.simple(simple).map(|command| Wish::New(vec![command]))
            }
            _ => self.simple(act).map(|command| Wish::New(vec![command])),
        };
        match wish {
            Some(Wish::Again(asked)) if !asked.is_empty() => (act, Wish::Again(asked)),
            Some(Wish::New(commands)) if !commands.is_empty() => (act, Wish::New(commands)),
            _ => (Act::Grant, Wish::New(self.grant().into_iter().collect())),
        }
    }

    /// One command of that kind; `None` where this device shows nothing to do it to.
    fn simple(&mut self, act: Act) -> Option<Command> {
        self.asked += 1;
        match act {
            Act::Grant => self.grant(),
            Act::PayPart => self.pay_part(),
            Act::PayRest => self.pay_rest(),
            Act::PayElsewhere => self.pay_elsewhere(),
            Act::ReversePayment => self.reverse_payment(),
            Act::Cancel => self.cancel(),
            Act::Edit => self.edit(),
            Act::CapturePending => self.capture(crate::model::CaptureState::Pending),
            Act::CaptureValidated => self.capture(crate::model::CaptureState::Validated),
            Act::Validate => self.validate(),
            Act::Withdraw => self.withdraw(),
            Act::Deposit => self.deposit(),
            Act::ReverseMovement => self.reverse_movement(),
            Act::Reimburse => self.reimburse(),
            Act::GiveShare => self.give_share(),
            Act::AskShare => self.ask_share(),
            Act::ReturnCredit => self.return_credit(),
            Act::CloseDevice => self.close_device(),
            Act::MoveSim => self.move_sim(),
            Act::Wrong => self.wrong(),
            // Made of others, or only ever done in pairs.
            Act::Retry
            | Act::KeyReused
            | Act::TwiceAtOnce
            | Act::Several
            | Act::BothPayAll
            | Act::PayAndCancel
            | Act::BothReverse
            | Act::OneReference
            | Act::Overdraw => None,
        }
    }

    /// One side of something that two devices do at once.
    fn race(&mut self, act: Act, race: &Draw, side: usize) -> Wish {
        let command = match (act, side) {
            (Act::PayAndCancel, 0) => self.cancel_for_race(race),
            (Act::BothPayAll | Act::PayAndCancel, _) => self.pay_for_race(race, act),
            (Act::BothReverse, _) => self.reverse_for_race(race),
            (Act::OneReference, _) => self.grant_for_race(race),
            _ => self.overdraw_for_race(race),
        };
        let mut commands: Vec<Command> = command.into_iter().collect();
        // Some do not wait until the others have seen that it was called off.
        if let Some(Command::Cancel { credit, .. }) = commands.first()
            && self.draw.permille(400)
        {
            commands.push(Command::ReturnCredit { credit: credit.clone() });
        }
        Wish::New(commands)
    }

    fn with_keys(&mut self, act: Act, wish: Wish) -> Vec<Asked> {
        let commands = match wish {
            Wish::Again(asked) => return asked,
            Wish::New(commands) => commands,
        };
        let mut asked = Vec::with_capacity(commands.len());
        for (number, command) in commands.into_iter().enumerate() {
            let keyed = act == Act::TwiceAtOnce || self.draw.permille(KEYED_PERMILLE);
            let key = keyed.then(|| format!("key {}.{number}", self.moment));
            asked.push(Asked { command, key });
        }
        if act == Act::TwiceAtOnce {
            asked.extend(asked.clone());
        }
        asked
    }

    /// Who acts, if the person says so.
    fn agent(&mut self) -> Option<String> {
        self.draw
            .pick(&["espérance", "joël", "mwamini", "patrick", ""])
            .filter(|name| !name.is_empty())
            .map(|name| (*name).to_owned())
    }

    /// From one cent to more than most SIMs hold, in the proportions of a shop.
    fn cents(&mut self, currency: Currency) -> i64 {
        let dollars = match self.draw.below(100) {
            0..4 => return self.draw.between(1, 99),
            4..60 => self.draw.between(1, 50),
            60..90 => self.draw.between(50, 300),
            90..98 => self.draw.between(300, 2_000),
            _ => self.draw.between(10_000, 1_000_000),
        };
        let whole = match currency {
            Currency::Usd => dollars,
            Currency::Cdf => dollars * 2_800,
        };
        whole * 100 + if self.draw.permille(150) { self.draw.between(1, 99) } else { 0 }
    }

    /// An amount to take from a SIM of which this device may spend so much: mostly one that it covers.
    fn cents_within(&mut self, currency: Currency, spendable: i64) -> i64 {
        let cents = self.cents(currency);
        if cents <= spendable || spendable < 1 || self.draw.permille(100) {
            return cents;
        }
        // A tenth of what there is, so that a day does not empty the SIM at once.
        self.draw.between(1, (spendable / 10).max(1))
    }

    fn currency(&mut self) -> Currency {
        if self.draw.permille(650) { Currency::Usd } else { Currency::Cdf }
    }
}

/// The amount of so many cents.
fn money(cents: i64, currency: Currency) -> Option<Amount> {
    Amount::parse(&decimal(cents), currency).ok()
}

/// `12.05` of 1205.
fn decimal(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// 1205 of `12.05`; none of what is below zero.
fn cents_of(amount: Amount) -> i64 {
    amount.to_decimal_string().replace('.', "").parse().unwrap_or(0)
}
