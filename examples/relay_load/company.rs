//! The company under load: an office that founds it, its shops with their devices, and the relay.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ucash::membership::{Invitation, ReadScope, Role};
use ucash::model::ShopId;
use ucash::node::net::Multiaddr;
use ucash::node::{self, FoundOptions, JoinOptions, Online, RunOptions};
use ucash::replica::{Answer, Command, Founder, Query};

use crate::{Error, PATIENCE, bar};

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
    /// As it was written; what is not said is as the relay's issue wants it.
    pub fn read(words: &[String]) -> Result<Plan, Error> {
        let word = |place: usize, default: u64| words.get(place).map_or(Ok(default), |word| word.parse());
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

/// How each node of this measurement runs.
pub fn options(listen: &str, peers: Vec<Multiaddr>) -> Result<RunOptions, Error> {
    Ok(RunOptions {
        http: "127.0.0.1:0".parse()?,
        socket: None,
        tls: false,
        public: Vec::new(),
        relay: None,
        listen: vec![listen.parse()?],
        peers,
        mdns: false,
        sync_every: Duration::from_secs(30),
        return_after: Duration::from_secs(86_400),
    })
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
    let options = options("/ip4/127.0.0.1/tcp/0", Vec::new())?;
    let office = node::run(&home.join("office"), options, Some(FoundOptions { founder })).await?;
    for shop in 0..plan.shops {
        let (shop, name) = (Some(plan.shop_of(shop)), format!("shop {shop}"));
        office.node.command(Command::AddShop { shop, name, town: None }, None).await?;
    }
    let progress = bar(plan.devices as u64, "joining")?;
    for device in 0..plan.devices {
        let directory = device_home(home, device);
        let shop = Some(plan.shop_of(device));
        join(&office, &directory, format!("device-{device}"), shop, Role::Device, ReadScope::Own).await?;
        // Who joined remembers its inviter; here nobody is to know more than the relay.
        let _ = std::fs::remove_file(directory.join("peers.json"));
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

async fn join(
    office: &Online,
    directory: &Path,
    name: String,
    shop: Option<ShopId>,
    role: Role,
    read: ReadScope,
) -> Result<(), Error> {
    let addresses = office.listen.clone();
    let invite = Command::Invite { shop, new_shop: None, role, read, expires_in_ms: 900_000, addresses };
    let Answer::Invitation(view) = office.node.command(invite, None).await? else { return Err("no invitation".into()) };
    let invitation = Invitation::from_text(&view.invitation)?;
    node::join(directory, JoinOptions { invitation, peers: Vec::new(), name, mdns: false }).await?;
    Ok(())
}
