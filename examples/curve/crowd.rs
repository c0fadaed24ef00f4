//! Many real nodes in one process: engines, stores on disk and networks, over memory or over loopback sockets.
//!
//! Used by the example that draws the curve and by the test of many nodes. Nodes stand in a chain; each dials only the
//! one before it, and a few one further back, so that nobody knows all. Nothing here judges what comes out.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use ucash::membership::{ReadScope, Role};
use ucash::model::{Operator, PaymentMode, ShopId, SimNumber};
use ucash::money::{Amount, Currency};
use ucash::node::net::Multiaddr;
use ucash::node::{self, FoundOptions, Online, RunOptions};
use ucash::replica::{Answer, Command, Founder, Query, StatusView};

pub use self::nodes::Error;
use self::nodes::{forget_peers, grant, join, options};

#[path = "../shared/nodes.rs"]
mod nodes;

/// Nodes in their places; one that was stopped leaves its place empty.
pub struct Crowd {
    home: TempDir,
    anywhere: Multiaddr,
    sync_every: Duration,
    /// The nodes, the office first.
    pub nodes: Vec<Option<Online>>,
    /// Where each listens, once it has; what stands here is where it listens at its next start.
    pub addresses: Vec<Multiaddr>,
}

const SIM: &str = "+243970000001";

/// The places that the one at `place` dials: the one before, and for every fourth the one three back.
pub fn neighbours(place: usize) -> Vec<usize> {
    let mut earlier: Vec<usize> = place.checked_sub(1).into_iter().collect();
    if place % 4 == 3 {
        earlier.push(place - 3);
    }
    earlier
}

impl Crowd {
    /// Founds a network in the office and lets `count - 1` devices join it. All of them are stopped then, and the
    /// office has granted one credit to each place, `C-0` and so on, of 100 USD. Each listens at `anywhere`, which is
    /// `/memory/0` (of which nodes tell nobody: who dials whom is as it was laid out) or a loopback address with port 0.
    pub async fn gather(count: usize, anywhere: &str, sync_every: Duration) -> Result<Crowd, Error> {
        let home = tempfile::tempdir()?;
        let mut crowd =
            Crowd { home, anywhere: anywhere.parse()?, sync_every, nodes: Vec::new(), addresses: Vec::new() };
        let founder = Founder {
            network: "crowd".to_owned(),
            time_zone: "Africa/Lubumbashi".to_owned(),
            shop: ShopId(1),
            shop_name: "crowd".to_owned(),
            device_name: "device-0".to_owned(),
        };
        let options = crowd.options(Vec::new(), None)?;
        let office = node::run(&crowd.directory(0), options, Some(FoundOptions { founder })).await?;
        let sim = SimNumber::new(SIM)?;
        let opening = vec![Amount::parse("1000000", Currency::Usd)?];
        let add = Command::AddSim { sim: sim.clone(), operator: Operator::Airtel, shop: None, opening };
        office.node.command(add, None).await?;
        for place in 0..count {
            office.node.command(grant(&format!("C-{place}"), &sim)?, None).await?;
        }
        for place in 1..count {
            let name = format!("device-{place}");
            join(&office, &crowd.directory(place), name, None, Role::Device, ReadScope::All).await?;
        }
        office.into_parts().1.stop().await;
        forget_peers(&crowd.directory(0))?;
        crowd.nodes.resize_with(count, || None);
        Ok(crowd)
    }

    /// Starts the node of that place. Those it dials must have been started once.
    pub async fn start(&mut self, place: usize) -> Result<(), Error> {
        let peers = neighbours(place).into_iter().filter_map(|earlier| self.addresses.get(earlier).cloned()).collect();
        let options = self.options(peers, self.addresses.get(place).cloned())?;
        let online = node::run(&self.directory(place), options, None).await?;
        if place == self.addresses.len() {
            let address = online.listen.first().ok_or("no address")?;
            self.addresses.push(address.split("/p2p/").next().unwrap_or(address).parse()?);
        }
        self.nodes[place] = Some(online);
        Ok(())
    }

    /// Stops the node of that place.
    pub async fn stop(&mut self, place: usize) {
        if let Some(online) = self.nodes[place].take() {
            online.into_parts().1.stop().await;
        }
    }

    /// Stops all.
    pub async fn disperse(mut self) {
        for place in 0..self.nodes.len() {
            self.stop(place).await;
        }
    }

    /// Records a payment of ten cents on the credit of another place.
    pub async fn pay(&self, place: usize, credit: usize) -> Result<(), Error> {
        let pay = Command::Pay {
            credit: format!("C-{credit}"),
            amount: "0.10".to_owned(),
            mode: PaymentMode::Cash,
            reference: None,
            agent: None,
        };
        let online = self.nodes[place].as_ref().ok_or("this place is empty")?;
        online.node.command(pay, None).await?;
        Ok(())
    }

    /// What the node of that place says of itself.
    pub async fn status(&self, place: usize) -> Result<StatusView, Error> {
        let online = self.nodes[place].as_ref().ok_or("this place is empty")?;
        match online.node.query(Query::Status).await? {
            Answer::Status(status) => Ok(*status),
            _ => Err("no status".into()),
        }
    }

    /// The different states that the nodes of these places show, each as its digest and its number of entries.
    pub async fn states(&self, places: impl Iterator<Item = usize>) -> Result<BTreeSet<(String, u64)>, Error> {
        let mut states = BTreeSet::new();
        for place in places {
            let status = self.status(place).await?;
            states.insert((status.state_digest, status.entries));
        }
        Ok(states)
    }

    /// Where the node of that place keeps everything.
    pub fn directory(&self, place: usize) -> PathBuf {
        self.home.path().join(format!("device-{place}"))
    }

    fn options(&self, peers: Vec<Multiaddr>, listen: Option<Multiaddr>) -> Result<RunOptions, Error> {
        options(listen.unwrap_or_else(|| self.anywhere.clone()), peers, self.sync_every)
    }
}
