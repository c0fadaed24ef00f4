//! A process of devices: each pays on a credit of its own, and the first of each shop grants now and then. All watch what
//! the others of their shop do.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ucash::model::{Operator, PaymentMode, SimNumber};
use ucash::money::{Amount, Currency};
use ucash::node::{self, NodeHandle, Online};
use ucash::replica::{Answer, Change, Command, Query};

use crate::PATIENCE;
use crate::company::{Plan, SYNC_EVERY, device_home};
use crate::nodes::{Error, grant, options};

/// From one operation of a device to its next.
const PAUSE: Duration = Duration::from_secs(12);
/// How often a device grants instead of taking a payment, if it opened its shop.
const GRANT_EVERY: u64 = 5;
/// How long, once the load is over, a device waits for what it has not seen.
const REST: Duration = Duration::from_secs(60);

/// Runs the devices of a process: says `ready` when all show their shop's credits, waits for a line, works, says what was
/// written and seen, and when, and `done`, and ends at the next line.
pub async fn run(home: &Path, process: usize, relay: &str, plan: Plan) -> Result<(), Error> {
    let devices: Vec<usize> = (0..plan.devices).filter(|device| plan.process_of(*device) == process).collect();
    let mut nodes: Vec<Online> = Vec::new();
    for device in &devices {
        // Heard by nobody: the relay is all there is.
        let options = options("/memory/0".parse()?, vec![relay.parse()?], SYNC_EVERY)?;
        nodes.push(node::run(&device_home(home, *device), options, None).await?);
        if plan.colleagues(*device).next() == Some(*device) {
            open(plan, *device, &nodes[nodes.len() - 1].node).await?;
        }
    }
    for (device, online) in devices.iter().zip(&nodes) {
        let begun = Instant::now();
        for colleague in plan.colleagues(*device) {
            let key = own_credit(colleague);
            while online.node.query(Query::Credit { key: key.clone() }).await.is_err() {
                if begun.elapsed() > PATIENCE {
                    return Err(format!("device {device} never saw {key}").into());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    println!("ready");
    told().await?;

    let count = plan.minutes * 60 / PAUSE.as_secs();
    let mut at_work = Vec::new();
    for (device, online) in devices.iter().zip(&nodes) {
        let (write, watch) = (online.node.clone(), online.node.clone());
        let first = PAUSE * (*device as u32) / (plan.devices as u32);
        at_work.push(tokio::spawn(write_all(write, *device, plan, count, first)));
        at_work.push(tokio::spawn(watch_all(watch, *device, plan, count)));
    }
    for work in at_work {
        for line in work.await?? {
            println!("{line}");
        }
    }
    println!("done");
    told().await?;
    for online in nodes {
        online.into_parts().1.stop().await;
    }
    Ok(())
}

/// Waits for a line, or until nobody can say one any more.
async fn told() -> Result<(), Error> {
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    Ok(())
}

fn own_credit(device: usize) -> String {
    format!("C-{device}")
}

/// What a device does as its operation of that number: its name, wherever it is seen.
fn operation(device: usize, number: u64) -> String {
    format!("O-{device}-{number}")
}

fn is_grant(plan: Plan, device: usize, number: u64) -> bool {
    plan.colleagues(device).next() == Some(device) && number.is_multiple_of(GRANT_EVERY)
}

fn microseconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn sim(plan: Plan, device: usize) -> Result<SimNumber, Error> {
    Ok(SimNumber::new(&format!("+24397{:07}", plan.shop_of(device).0))?)
}

/// The first device of a shop opens it: with a SIM, and a credit for each of its devices to take payments on.
async fn open(plan: Plan, device: usize, node: &NodeHandle) -> Result<(), Error> {
    let opening = vec![Amount::parse("1000000", Currency::Usd)?];
    let add = Command::AddSim { sim: sim(plan, device)?, operator: Operator::Airtel, shop: None, opening };
    node.command(add, None).await?;
    for colleague in plan.colleagues(device) {
        node.command(grant(&own_credit(colleague), &sim(plan, device)?)?, None).await?;
    }
    Ok(())
}

async fn write_all(
    node: NodeHandle,
    device: usize,
    plan: Plan,
    count: u64,
    first: Duration,
) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    let mut clock = tokio::time::interval_at(tokio::time::Instant::now() + first, PAUSE);
    for number in 0..count {
        clock.tick().await;
        let name = operation(device, number);
        let command = if is_grant(plan, device, number) {
            grant(&name, &sim(plan, device)?)?
        } else {
            let (credit, reference) = (own_credit(device), Some(name.clone()));
            Command::Pay { credit, amount: "0.10".to_owned(), mode: PaymentMode::Cash, reference, agent: None }
        };
        let asked = microseconds();
        node.command(command, None).await?;
        lines.push(format!("wrote {name} {asked} {}", microseconds()));
    }
    Ok(lines)
}

/// Notes when each operation of the other devices of the shop can be read here.
async fn watch_all(node: NodeHandle, device: usize, plan: Plan, count: u64) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    let others = plan.colleagues(device).filter(|colleague| *colleague != device);
    let mut wanted: BTreeSet<String> =
        others.flat_map(|colleague| (0..count).map(move |number| operation(colleague, number))).collect();
    let end = Instant::now() + Duration::from_secs(plan.minutes * 60) + REST;
    let mut told = node.changes().watch();
    let mut number = *told.borrow();
    while !wanted.is_empty() {
        if tokio::time::timeout_at(end.into(), told.changed()).await.is_err() {
            lines.push(format!("missed {device} {}", wanted.len()));
            break;
        }
        let mut credits = BTreeSet::new();
        loop {
            let changes = node.changes().after(number, 256).ok_or("more changes than are kept")?;
            let Some((last, _)) = changes.last() else { break };
            number = *last;
            credits.extend(changes.into_iter().filter_map(|(_, change)| match change {
                Change::Credit { id, .. } => Some(id),
                _ => None,
            }));
        }
        for id in credits {
            let Answer::Credit(view) = node.query(Query::Credit { key: id.to_string() }).await? else { continue };
            let at = microseconds();
            let names = view.payments.iter().filter_map(|payment| payment.reference.as_ref()).chain([&view.reference]);
            for name in names {
                if wanted.remove(name) {
                    lines.push(format!("saw {name} {at}"));
                }
            }
        }
    }
    Ok(lines)
}
