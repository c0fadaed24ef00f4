//! How cost grows with the number of devices: `cargo run --release --example curve [NODES] [memory|tcp] [OPERATIONS]`.
//!
//! Real nodes in one process, each with its engine, its store on disk and its network. They stand in a chain with a few
//! chords. Printed: how long from the first start until all show the same, and, once each has recorded some payments
//! (also on one credit, all at once), how long until all show the same again; frames, bytes, connections, dials and
//! memory. The figures go into `docs/performance.md`.

mod crowd;

use std::time::{Duration, Instant};

use crowd::{Crowd, Error};

/// How long is waited at most for all to show the same.
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let count: usize = words.next().and_then(|word| word.parse().ok()).unwrap_or(50);
    let anywhere = if words.next().as_deref() == Some("tcp") { "/ip4/127.0.0.1/tcp/0" } else { "/memory/0" };
    let operations = words.next().and_then(|word| word.parse().ok()).unwrap_or(5);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(count.max(2), anywhere, operations))
}

async fn measure(count: usize, anywhere: &str, operations: usize) -> Result<(), Error> {
    let begun = Instant::now();
    let mut crowd = Crowd::gather(count, anywhere, Duration::from_secs(30)).await?;
    println!("{count} nodes at {anywhere}: joined one after the other in {:.1?}", begun.elapsed());

    let begun = Instant::now();
    for place in 0..count {
        crowd.start(place).await?;
    }
    println!("all started: {:.2?}", begun.elapsed());
    let entries = same_everywhere(&crowd).await?;
    println!("all show the same {entries} entries: {:.2?} after the first start", begun.elapsed());
    let before = counted(&crowd).await?;

    let begun = Instant::now();
    for number in 0..operations {
        for place in 0..count {
            // Every other payment is on the credit that all pay on.
            let credit = if number % 2 == 0 { place } else { 0 };
            crowd.pay(place, credit).await?;
        }
    }
    println!("{} payments recorded: {:.2?}", operations * count, begun.elapsed());
    let entries = same_everywhere(&crowd).await?;
    println!("all show the same {entries} entries: {:.2?} after the first payment", begun.elapsed());
    let after = counted(&crowd).await?;

    let mut peers = Vec::new();
    for place in 0..count {
        peers.push(crowd.status(place).await?.peers.iter().filter(|peer| peer.connected).count());
    }
    peers.sort_unstable();
    println!(
        "peers connected per node: {} at least, {} in the middle, {} at most",
        peers[0],
        peers[count / 2],
        peers[count - 1]
    );
    for (name, before, after) in before.iter().zip(&after).map(|((name, before), (_, after))| (name, before, after)) {
        println!("{name}: {before} until all had started, {} for the payments", after - before);
    }
    println!("resident memory of the process: {} MB", resident_mb().unwrap_or(0));
    crowd.disperse().await;
    Ok(())
}

/// Waits until all show one state, and answers how many entries it has.
async fn same_everywhere(crowd: &Crowd) -> Result<u64, Error> {
    let begun = Instant::now();
    let places = crowd.nodes.len();
    loop {
        let states = crowd.states(0..places).await?;
        if let [(_, entries)] = states.iter().collect::<Vec<_>>()[..] {
            return Ok(*entries);
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("{} different states after {PATIENCE:?}", states.len()).into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What all nodes together count of what goes over their connections.
async fn counted(crowd: &Crowd) -> Result<Vec<(&'static str, u64)>, Error> {
    const NAMES: [(&str, &str); 5] = [
        ("frames", "ucash_frames_total{direction=\"out\"}"),
        ("bytes of frames", "ucash_frame_bytes_total{direction=\"out\"}"),
        ("gossip said", "ucash_gossip_total{direction=\"out\"}"),
        ("gossip heard", "ucash_gossip_total{direction=\"in\"}"),
        ("dials", "ucash_dials_total"),
    ];
    let mut sums = NAMES.map(|(name, _)| (name, 0));
    for (place, online) in crowd.nodes.iter().enumerate() {
        let Some(online) = online else { continue };
        let page = online.node.metrics().page(&crowd.status(place).await?);
        for ((_, sum), (_, sample)) in sums.iter_mut().zip(NAMES) {
            let line = page.lines().find_map(|line| line.strip_prefix(sample));
            *sum += line.ok_or(sample)?.trim().parse::<u64>()?;
        }
    }
    Ok(sums.to_vec())
}

/// What the system says this process holds in memory.
fn resident_mb() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb / 1_024)
}
