//! A company drawn from a seed, and how it comes to be: founded by device 0, its shops and SIMs added, every other
//! device invited and admitted over the virtual network, while nothing goes wrong.

use crate::lab::auditor::Broken;
use crate::lab::device::{Device, State, Ticks};
use crate::lab::network::{Network, Pair};
use crate::lab::options::Options;
use crate::lab::trace::{Happened, Trace};
use crate::lab::workload::Workload;
use crate::lab::world::{Event, Phase, World};
use crate::lab::{Cast, CastDevice, CastSim, Draw};
use crate::ledger::Refusal;
use crate::log::SigningKey;
use crate::membership::{Invitation, ReadScope, Role};
use crate::model::{Operator, ShopId, SimNumber};
use crate::money::{Amount, Currency};
use crate::replica::{Answer, Command, Founder, Input, Joiner, Replica};

/// The network is founded an hour before people begin.
pub(super) const FOUNDED: i64 = -3_600_000;
/// Time for a joiner to be admitted and to take what there is.
const JOINING_MS: i64 = 12_000;
const INVITED_FOR_MS: i64 = 900_000;
const SHOP_NAMES: [&str; 6] = ["Goma", "Bukavu", "Bunia", "Butembo", "Beni", "Uvira"];
const DEVICE_NAMES: [&str; 4] = ["counter", "phone", "tablet", "second counter"];

pub(super) fn broken(detail: String) -> Broken {
    Broken { invariant: "founding", detail }
}

/// Draws who and what there is, and the keys of the devices.
fn cast(options: &Options, draw: &Draw) -> (Cast, Vec<SigningKey>) {
    let draw = draw.child("cast");
    let key = |number: u32| SigningKey::from_seed(&draw.child(&format!("key {number}")).seed());
    let keys: Vec<SigningKey> = (0..options.devices).map(key).collect();
    let mut own = draw.child("devices");
    let device = |(number, key): (usize, &SigningKey)| {
        let shop = number as u32 % options.shops;
        let place = number as u32 / options.shops;
        // The first of each shop works in any case, the founder's as head office.
        let role = match (number, place, own.below(12)) {
            (0, ..) => Role::HeadOffice,
            (_, 0, _) => Role::Manager,
            (_, _, 0) => Role::Auditor,
            (_, _, 1) => Role::Relay,
            _ => Role::Device,
        };
        let read = if number == 0 || own.below(3) > 0 { ReadScope::All } else { ReadScope::Own };
        let name = format!("{} {}", DEVICE_NAMES[place as usize % DEVICE_NAMES.len()], number);
        CastDevice { name, key: key.public(), shop: ShopId(shop + 1), role, read }
    };
    let devices = keys.iter().enumerate().map(device).collect();
    let shops: Vec<ShopId> = (1..=options.shops).map(ShopId).collect();
    let mut own = draw.child("sims");
    let mut sims = Vec::new();
    for shop in &shops {
        for place in 0..own.between(1, 3) {
            sims.extend(sim(&mut own, *shop, place));
        }
    }
    (Cast { shops, sims, devices }, keys)
}

fn sim(draw: &mut Draw, shop: ShopId, place: i64) -> Option<CastSim> {
    let number = SimNumber::new(&format!("+2439{:02}00{:04}", place, shop.0)).ok()?;
    let operators = [Operator::Airtel, Operator::Vodacom, Operator::Orange, Operator::Africell];
    let operator = *draw.pick(&operators)?;
    let mut opening = Vec::new();
    // Some SIMs hold much, some hardly anything, some nothing in one currency.
    for (currency, most) in [(Currency::Usd, 2_000), (Currency::Cdf, 5_000_000)] {
        let units = if draw.below(4) == 0 { 0 } else { draw.between(1, most) };
        opening.extend(Amount::parse(&format!("{units}.{:02}", draw.below(100)), currency).ok());
    }
    Some(CastSim { number, operator, shop, opening })
}

impl World {
    /// A company in which everybody has joined and knows it.
    pub fn found(seed: u64, options: Options, keep_trace: bool) -> Result<World, (Box<World>, Broken)> {
        let root = Draw::from_seed(seed);
        let (cast, keys) = cast(&options, &root);
        let shops: Vec<usize> = cast.devices.iter().map(|device| device.shop.0 as usize).collect();
        let network = Network::new(&shops, &root);
        let device = |(number, key): (usize, SigningKey)| {
            let mut draw = root.child("device").child(&number.to_string());
            let ticks = Ticks::new(&mut draw.child("ticks"));
            Device::new(key, draw.child("own"), ticks).with_faults(&mut draw, &options)
        };
        let devices = keys.into_iter().enumerate().map(device).collect();
        let workload = Workload::new(root.child("workload"), &cast, options.days, options.operations);
        let mut world = World::new(options, cast, devices, network, workload, Trace::new(keep_trace), FOUNDED);
        match world.gather(&root) {
            Ok(()) => Ok(world),
            Err(broken) => Err((Box::new(world), broken)),
        }
    }

    fn gather(&mut self, root: &Draw) -> Result<(), Broken> {
        let town = |(place, shop): (usize, &ShopId)| match place {
            0 => SHOP_NAMES[0].to_owned(),
            _ => format!("{} {shop}", SHOP_NAMES[place % SHOP_NAMES.len()]),
        };
        let shops: Vec<String> = self.cast.shops.iter().enumerate().map(town).collect();
        self.found_first(root, "Kivu Cash", &shops)?;
        for number in 1..self.devices.len() {
            self.join(number)?;
        }
        self.admit_hostile(root)?;
        self.run_until(self.now + JOINING_MS)?;
        self.run_until(-1)?;
        self.network.rates(self.options.rates.clone());
        for (number, device) in self.devices.iter_mut().enumerate() {
            let Some(replica) = device.replica() else { return Err(broken(format!("device {number} is not there"))) };
            if !replica.has_registry() || replica.registry().members().len() < self.cast.devices.len() {
                return Err(broken(format!("device {number} does not know everybody")));
            }
        }
        for device in &mut self.devices {
            device.ticks.at_leisure(self.options.rates.leisure);
            std::mem::swap(&mut device.clock, &mut device.wrong_clock);
        }
        let days = self.options.days;
        let errors = self.devices.iter().map(|device| device.clock.error_ms(days)).collect();
        // Healing takes minutes.
        self.auditor.knows_clocks(errors, (i64::from(days) + 1) * crate::lab::clock::DAY_MS);
        self.phase = Phase::Safety;
        Ok(())
    }

    /// The founder's device founds the network, and adds the shops (which have those names) and the SIMs.
    pub(super) fn found_first(&mut self, root: &Draw, network: &str, shops: &[String]) -> Result<(), Broken> {
        let authority = SigningKey::from_seed(&root.child("authority").seed());
        let founder = Founder {
            network: network.to_owned(),
            time_zone: "Africa/Lubumbashi".to_owned(),
            shop: self.cast.shops[0],
            shop_name: shops[0].clone(),
            device_name: self.cast.devices[0].name.clone(),
        };
        let first = &mut self.devices[0];
        first.identity.authority_key = Some(authority);
        first.identity.gossip_key = root.child("gossip").seed();
        let (seed, now) = (first.draw.seed(), first.clock.read(FOUNDED));
        let replica = Replica::found(first.disk.clone(), first.identity.clone(), seed, &founder, now);
        let replica = replica.map_err(|error| broken(format!("the network is not founded: {error}")))?;
        first.state = State::Up(Box::new(replica));
        self.trace.note(self.now, 0, &Happened::Founded);
        for (shop, name) in self.cast.shops.clone().into_iter().zip(shops).skip(1) {
            let name = name.clone();
            self.command(0, Command::AddShop { shop: Some(shop), name, town: None })?;
        }
        for sim in self.cast.sims.clone() {
            let CastSim { number: sim, operator, shop, opening } = sim;
            self.command(0, Command::AddSim { sim, operator, shop: Some(shop), opening })?;
        }
        Ok(())
    }

    /// A command of the founding, answered at once.
    pub(super) fn command(&mut self, device: usize, command: Command) -> Result<Answer, Broken> {
        self.run_until(self.now + 1_000)?;
        let ticket = self.devices[device].ticket();
        self.deliver(device, Input::Command { ticket, command: Box::new(command), key: None })?;
        let answers: Vec<Result<Answer, Refusal>> = std::mem::take(&mut self.answers);
        match answers.into_iter().next() {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(refusal)) => Err(broken(format!("device {device} refuses: {refusal:?}"))),
            None => Err(broken(format!("device {device} does not answer"))),
        }
    }

    /// Invited by the founder, or by its shop's manager where that one may and is there.
    fn inviter(&mut self, number: usize) -> usize {
        let one = &self.cast.devices[number];
        let may = |other: &CastDevice| {
            other.role == Role::Manager
                && other.shop == one.shop
                && matches!(one.role, Role::Device | Role::Auditor)
                && (other.read == ReadScope::All || one.read == ReadScope::Own)
        };
        let manager = self.cast.devices[..number].iter().position(may);
        manager.filter(|_| self.devices[number].draw.below(2) == 0).unwrap_or(0)
    }

    pub(super) fn join(&mut self, number: usize) -> Result<(), Broken> {
        let inviter = self.inviter(number);
        let CastDevice { name, shop, role, read, .. } = self.cast.devices[number].clone();
        let (shop, new_shop, addresses) = (Some(shop), None, Vec::new());
        let invite = Command::Invite { shop, new_shop, role, read, expires_in_ms: INVITED_FOR_MS, addresses };
        let text = match self.command(inviter, invite)? {
            Answer::Invitation(view) => view.invitation,
            other => return Err(broken(format!("asked for an invitation, got {other:?}"))),
        };
        let invitation = Invitation::from_text(&text).map_err(|error| broken(format!("the invitation: {error}")))?;
        let key = self.devices[number].identity.key.clone();
        self.devices[number].state = State::Joining(Box::new(Joiner::new(key, invitation, name)), inviter);
        self.consider(Pair::new(number, inviter));
        self.run_until(self.now + JOINING_MS)?;
        if self.devices[number].is_up() { Ok(()) } else { Err(broken(format!("device {number} is not admitted"))) }
    }

    /// What a device does that is not yet a replica: it asks, and waits for what the inviter says.
    pub(super) fn joiner_hears(&mut self, device: usize, input: Input) -> Result<(), Broken> {
        let State::Joining(joiner, inviter) = &self.devices[device].state else { return Ok(()) };
        let inviter = *inviter;
        match input {
            Input::Connected { .. } => {
                let bytes = joiner.request();
                if let Some((at, epoch)) = self.network.send(self.now, device, inviter) {
                    self.plan(at, Event::Frame { from: device, to: inviter, epoch, bytes });
                }
            }
            Input::Frame { bytes, .. } => {
                let answered = joiner.answer(&bytes);
                let answered = answered.map_err(|error| broken(format!("device {device}: {error}")))?;
                let Some((credentials, gossip_key)) = answered else { return Ok(()) };
                let one = &mut self.devices[device];
                one.identity.gossip_key = gossip_key;
                let seed = one.draw.seed();
                let joined = Replica::join(one.disk.clone(), one.identity.clone(), seed, &credentials);
                let replica = joined.map_err(|error| broken(format!("device {device} does not begin: {error}")))?;
                one.state = State::Up(Box::new(replica));
                self.trace.note(self.now, device, &Happened::Joined);
                // It hangs up, and comes again as one of us.
                self.end(Pair::new(device, inviter));
                self.consider_all(device);
            }
            _ => {}
        }
        Ok(())
    }
}
