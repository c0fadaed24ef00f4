//! The company of a scenario, checked and built: everything that can be wrong before the first step is found here.

use std::collections::BTreeMap;

use super::format::{Action, Names, Scenario};
use super::reading::{self, ClockWord};
use super::wrong::{Noun, Place, Why, Wrong};
use crate::lab::{Cast, CastDevice, DEVICES_MAX, Draw, SHOPS_MAX};
use crate::log::SigningKey;
use crate::membership::{ReadScope, Role};
use crate::model::{Operator, ShopId, SimNumber};
use crate::money::{Amount, Currency};

/// Most steps of a story: whoever writes more does not read what comes of them.
const STEPS_MAX: usize = 2_000;

/// A SIM as it will be added.
#[derive(Clone, Debug)]
pub(super) struct NewSim {
    pub number: SimNumber,
    pub operator: Operator,
    pub shop: ShopId,
    pub by: usize,
    pub opening: Vec<Amount>,
}

/// Who and what there is, and by which names.
#[derive(Debug)]
pub(super) struct Company {
    pub cast: Cast,
    pub keys: Vec<SigningKey>,
    pub shop_names: Vec<String>,
    pub sims: Vec<NewSim>,
    /// By device: what its clock is told.
    pub clocks: Vec<Option<ClockWord>>,
    /// How many devices join; after them come copies.
    pub founding: usize,
    pub devices_by_name: BTreeMap<String, usize>,
    pub shops_by_name: BTreeMap<String, ShopId>,
    pub sims_by_name: BTreeMap<String, usize>,
}

fn unique<T>(into: &mut BTreeMap<String, T>, name: &str, value: T, noun: Noun, place: Place) -> Result<(), Wrong> {
    if name.trim().is_empty() || name == "all" || into.contains_key(name) {
        return Err(Wrong::at(place, Why::Twice(noun, name.to_owned())));
    }
    into.insert(name.to_owned(), value);
    Ok(())
}

impl Company {
    /// Reads everything that stands before the steps, and which copies are started in them.
    pub fn of(scenario: &Scenario) -> Result<Company, Wrong> {
        let root = Draw::from_seed(scenario.seed).child("scenario");
        let mut company = Company {
            cast: Cast { shops: Vec::new(), sims: Vec::new(), devices: Vec::new() },
            keys: Vec::new(),
            shop_names: Vec::new(),
            sims: Vec::new(),
            clocks: Vec::new(),
            founding: scenario.device.len(),
            devices_by_name: BTreeMap::new(),
            shops_by_name: BTreeMap::new(),
            sims_by_name: BTreeMap::new(),
        };
        company.shops(scenario)?;
        company.devices(scenario, &root)?;
        company.sims(scenario)?;
        company.copies(scenario)?;
        Ok(company)
    }

    fn shops(&mut self, scenario: &Scenario) -> Result<(), Wrong> {
        if scenario.shop.is_empty() {
            return Err(Wrong::at(Place::File, Why::Nothing(Noun::Shop)));
        }
        if scenario.shop.len() > SHOPS_MAX as usize || scenario.step.len() > STEPS_MAX {
            return Err(Wrong::at(Place::File, Why::TooMany(Noun::Shop)));
        }
        for (index, shop) in scenario.shop.iter().enumerate() {
            let place = Place::Shop(index);
            let number = ShopId(shop.number.unwrap_or(index as u32 + 1));
            // The founder's shop is made with the network, the others by their numbers.
            if number.0 == 0 || self.cast.shops.contains(&number) {
                return Err(Wrong::at(place, Why::Twice(Noun::Shop, number.0.to_string())));
            }
            unique(&mut self.shops_by_name, &shop.name, number, Noun::Shop, place)?;
            self.cast.shops.push(number);
            self.shop_names.push(shop.name.clone());
        }
        Ok(())
    }

    fn devices(&mut self, scenario: &Scenario, root: &Draw) -> Result<(), Wrong> {
        if scenario.device.is_empty() {
            return Err(Wrong::at(Place::File, Why::Nothing(Noun::Device)));
        }
        if scenario.device.len() > DEVICES_MAX as usize {
            return Err(Wrong::at(Place::File, Why::TooMany(Noun::Device)));
        }
        for (index, device) in scenario.device.iter().enumerate() {
            let place = Place::Device(index);
            let unreadable =
                |key, text: &str, expected| Wrong::at(place, Why::Unreadable { key, text: text.to_owned(), expected });
            unique(&mut self.devices_by_name, &device.name, index, Noun::Device, place)?;
            let shop = self.shop(&device.shop, place)?;
            if index == 0 && shop != self.cast.shops[0] {
                return Err(unreadable("shop", &device.shop, "the first shop, for the first device"));
            }
            let role = match (index, device.role.as_deref()) {
                (0, None | Some("headoffice")) => Role::HeadOffice,
                (0, Some(word)) => return Err(unreadable("role", word, "headoffice, for the first device")),
                (_, None | Some("device")) => Role::Device,
                (_, Some("relay")) => Role::Relay,
                (_, Some("auditor")) => Role::Auditor,
                (_, Some("manager")) => Role::Manager,
                (_, Some(word)) => return Err(unreadable("role", word, "device, manager, auditor, relay")),
            };
            let read = match device.read.as_deref() {
                None | Some("all") => ReadScope::All,
                Some("own") => ReadScope::Own,
                Some(word) => return Err(unreadable("read", word, "all, own")),
            };
            let clock = device.clock.as_deref().map(|text| {
                reading::clock(text).ok_or_else(|| unreadable("clock", text, "+5m, -2h, 2017-01-01, right"))
            });
            self.clocks.push(clock.transpose()?);
            let key = SigningKey::from_seed(&root.child(&format!("key {}", device.name)).seed());
            self.cast.devices.push(CastDevice { name: device.name.clone(), key: key.public(), shop, role, read });
            self.keys.push(key);
        }
        Ok(())
    }

    fn sims(&mut self, scenario: &Scenario) -> Result<(), Wrong> {
        for (index, sim) in scenario.sim.iter().enumerate() {
            let place = Place::Sim(index);
            let unreadable =
                |key, text: &str, expected| Wrong::at(place, Why::Unreadable { key, text: text.to_owned(), expected });
            let number = SimNumber::new(&sim.number)
                .map_err(|_| unreadable("number", &sim.number, "a number such as +243990000001"))?;
            let word = sim.operator.as_deref().unwrap_or("airtel");
            let known = Operator::ALL.iter().find(|operator| operator.word().eq_ignore_ascii_case(word));
            let operator = *known.ok_or_else(|| unreadable("operator", word, "airtel, vodacom, orange, africell"))?;
            let shop = match &sim.shop {
                Some(name) => self.shop(name, place)?,
                None => self.cast.shops[0],
            };
            let by = match &sim.by {
                Some(name) => self.device(name, place)?,
                None => {
                    let writes =
                        |one: &CastDevice| one.shop == shop && !matches!(one.role, Role::Auditor | Role::Relay);
                    self.cast.devices.iter().position(writes).unwrap_or(0)
                }
            };
            let mut opening = Vec::new();
            for (key, text, currency) in [("usd", &sim.usd, Currency::Usd), ("cdf", &sim.cdf, Currency::Cdf)] {
                let Some(text) = text else { continue };
                let amount = Amount::parse(text, currency).ok();
                opening.push(amount.ok_or_else(|| unreadable(key, text, "an amount such as 125.50"))?);
            }
            let known = self.sims.len();
            unique(&mut self.sims_by_name, &sim.number, known, Noun::Sim, place)?;
            if let Some(name) = sim.name.as_deref().filter(|name| *name != sim.number) {
                unique(&mut self.sims_by_name, name, known, Noun::Sim, place)?;
            }
            self.sims.push(NewSim { number, operator, shop, by, opening });
        }
        Ok(())
    }

    /// Copies that are started are devices of their own with another's key; they are there from the first, unused.
    fn copies(&mut self, scenario: &Scenario) -> Result<(), Wrong> {
        let mut copied: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, step) in scenario.step.iter().enumerate() {
            let place = Place::Step(index);
            for (_, action) in step.actions() {
                match action {
                    Action::Copy(copy) => {
                        let of = self.device(&copy.device, place)?;
                        if let Some((_, copy)) = step.copy.as_ref().map(|copy| (of, copy)) {
                            copied.insert(copy.to.as_str(), of);
                        }
                    }
                    Action::Start(start) => {
                        let unknown = || Wrong::at(place, Why::Unknown(Noun::Copy, start.copy.clone()));
                        let of = *copied.get(start.copy.as_str()).ok_or_else(unknown)?;
                        if self.cast.devices.len() >= DEVICES_MAX as usize {
                            return Err(Wrong::at(place, Why::TooMany(Noun::Device)));
                        }
                        let number = self.cast.devices.len();
                        unique(&mut self.devices_by_name, &start.name, number, Noun::Device, place)?;
                        let twin = CastDevice { name: start.name.clone(), ..self.cast.devices[of].clone() };
                        self.cast.devices.push(twin);
                        self.keys.push(self.keys[of].clone());
                        self.clocks.push(None);
                    }
                    Action::Restore(restored) if !copied.contains_key(restored.copy.as_str()) => {
                        return Err(Wrong::at(place, Why::Unknown(Noun::Copy, restored.copy)));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    pub fn shop(&self, name: &str, place: Place) -> Result<ShopId, Wrong> {
        let found = self.shops_by_name.get(name).copied();
        found.ok_or_else(|| Wrong::at(place, Why::Unknown(Noun::Shop, name.to_owned())))
    }

    pub fn device(&self, name: &str, place: Place) -> Result<usize, Wrong> {
        let found = self.devices_by_name.get(name).copied();
        found.ok_or_else(|| Wrong::at(place, Why::Unknown(Noun::Device, name.to_owned())))
    }

    /// The SIM of that name; without one, the only one of that shop.
    pub fn sim(&self, name: Option<&str>, shop: ShopId, place: Place) -> Result<SimNumber, Wrong> {
        if let Some(name) = name {
            let found = self.sims_by_name.get(name).and_then(|index| self.sims.get(*index));
            let unknown = || Wrong::at(place, Why::Unknown(Noun::Sim, name.to_owned()));
            return found.map(|sim| sim.number.clone()).ok_or_else(unknown);
        }
        let mut own = self.sims.iter().filter(|sim| sim.shop == shop);
        match (own.next(), own.next()) {
            (Some(only), None) => Ok(only.number.clone()),
            _ => Err(Wrong::at(place, Why::WhichSim)),
        }
    }

    /// The pairs that such names mean.
    pub fn pairs(&self, names: &Names, place: Place) -> Result<Vec<(usize, usize)>, Wrong> {
        let all = || 0..self.cast.devices.len();
        let apart = |(left, right): &(usize, usize)| left < right;
        match names {
            Names::One(name) if name == "all" => {
                Ok(all().flat_map(|left| all().map(move |right| (left, right))).filter(apart).collect())
            }
            Names::One(name) => {
                let one = self.device(name, place)?;
                Ok(all().filter(|other| *other != one).map(|other| (one.min(other), one.max(other))).collect())
            }
            Names::Many(_) => {
                let several = self.several(names, place)?;
                let pair = |left: usize| several.iter().map(move |right| (left, *right));
                Ok(several.iter().flat_map(|left| pair(*left)).filter(apart).collect())
            }
        }
    }

    /// The devices that such names mean.
    pub fn several(&self, names: &Names, place: Place) -> Result<Vec<usize>, Wrong> {
        match names {
            Names::One(name) if name == "all" => Ok((0..self.cast.devices.len()).collect()),
            Names::One(name) => Ok(vec![self.device(name, place)?]),
            Names::Many(names) => names.iter().map(|name| self.device(name, place)).collect(),
        }
    }
}
