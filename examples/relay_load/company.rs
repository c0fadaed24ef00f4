//! The company under load: an office that founds it, its shops with their devices, and the relay.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ucash::membership::{ReadScope, Role};
use ucash::model::ShopId;
use ucash::node::{self, FoundOptions, Online};
use ucash::replica::{Answer, Command, Founder, Query};

use crate::nodes::{Error, join, options};
use crate::{PATIENCE, bar};

/// How often nodes compare: what `ucash start` does unless told otherwise.
pub const SYNC_EVERY: Duration = Duration::from_secs(30);

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub devices: usize,
    pub shops: usize,
    pub minutes: u64,
    pub processes: usize,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { devices, shops, minutes, processes } = self;
        write!(f, "{devices} devices of {shops} shops in {processes} processes, {minutes} minutes")
    }
}

impl Plan {
    /// As it was written; what is not said is as `docs/performance.md` has it.
    pub fn read(words: &[String]) -> Result<Plan, Error> {
        let word = |place: usize, default: u64| match words.get(place).map(|word| (word, word.parse())) {
            Some((word, Err(_))) => {
                Err(Error::from(format!("{word:?} is no number: [DEVICES] [SHOPS] [MINUTES] [PROCESSES]")))
            }
            Some((_, Ok(number))) => Ok(number),
            None => Ok(default),
        };
        let [devices, shops, processes] = [(0, 500), (1, 50), (3, 5)].map(|(place, default)| word(place, default));
        let size = |number: u64| usize::try_from(number).map(|number| number.max(1));
        Ok(Plan { devices: size(devices?)?, shops: size(shops?)?, minutes: word(2, 10)?, processes: size(processes?)? })
    }

    /// As [`Plan::read`] reads it.
    pub fn words(&self) -> [String; 4] {
        let Plan { devices, shops, minutes, processes } = self;
        [devices.to_string(), shops.to_string(), minutes.to_string(), processes.to_string()]
    }

    /// Shop 1 is the office.
    pub fn shop_of(&self, device: usize) -> ShopId {
        ShopId(2 + (device % self.shops) as u32)
    }

    /// The devices of the same shop, the one that opens it first.
    pub fn colleagues(&self, device: usize) -> impl Iterator<Item = usize> + use<> {
        (device % self.shops..self.devices).step_by(self.shops)
    }

    /// Which process runs a device: those of one shop are spread over all.
    pub fn process_of(&self, device: usize) -> usize {
        device / self.shops % self.processes
    }
}

/// Where a device keeps everything.
pub fn device_home(home: &Path, device: usize) -> PathBuf {
    home.join(format!("device-{device}"))
}

/// Where the relay does.
pub fn relay_home(home: &Path) -> PathBuf {
    home.join("relay")
}

/// Founds the company; all have joined it when this ends, the relay last, and only the office runs.
pub async fn found(home: &Path, plan: Plan) -> Result<Online, Error> {
    let founder = Founder {
        network: "load".to_owned(),
        time_zone: "Africa/Lubumbashi".to_owned(),
        shop: ShopId(1),
        shop_name: "office".to_owned(),
        device_name: "office".to_owned(),
    };
    let options = options("/ip4/127.0.0.1/tcp/0".parse()?, Vec::new(), SYNC_EVERY)?;
    let office = node::run(&home.join("office"), options, Some(FoundOptions { founder })).await?;
    for shop in 0..plan.shops {
        let (shop, name) = (Some(plan.shop_of(shop)), format!("shop {shop}"));
        office.node.command(Command::AddShop { shop, name, town: None }, None).await?;
    }
    let progress = bar(plan.devices as u64, "joining")?;
    for device in 0..plan.devices {
        let (name, shop) = (format!("device-{device}"), Some(plan.shop_of(device)));
        join(&office, &device_home(home, device), name, shop, Role::Device, ReadScope::Own).await?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    join(&office, &relay_home(home), "relay".to_owned(), None, Role::Relay, ReadScope::All).await?;
    Ok(office)
}

/// Waits until the one device connected with the office, the relay, holds what the office holds.
pub async fn hand_over(office: &Online) -> Result<(), Error> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let Answer::Status(status) = office.node.query(Query::Status).await? else { return Err("no status".into()) };
        if status.peers.iter().any(|peer| peer.connected && peer.in_step) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("the relay does not get what the office holds".into())
}
