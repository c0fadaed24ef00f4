//! What is measured from outside: memory and time of a process as the system counts them, and a relay's own counters.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::nodes::Error;

/// Ticks of a second in which Linux counts a process's time, on every machine of today.
const TICKS_PER_SECOND: u64 = 100;

/// What a process has used.
pub struct Usage {
    resident_kb: u64,
    ticks: u64,
}

impl Usage {
    /// Of that process, now.
    pub fn of(process: u32) -> Result<Usage, Error> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("the process has ended")?;
        let resident_kb = resident.split_whitespace().next().ok_or("no figure")?.parse()?;
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name, in brackets, may hold anything. Behind it: the state, and at places 12 and 13 user's and system's time.
        let behind: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |place: usize| behind.get(place).ok_or("no figure")?.parse::<u64>().map_err(Error::from);
        Ok(Usage { resident_kb, ticks: ticks(11)? + ticks(12)? })
    }

    /// In memory.
    pub fn resident_mb(&self) -> u64 {
        self.resident_kb / 1_024
    }

    /// How many cores it kept busy since then.
    pub fn cores_since(&self, before: &Usage, lasted: Duration) -> f64 {
        let busy = Duration::from_millis((self.ticks - before.ticks) * 1_000 / TICKS_PER_SECOND);
        busy.as_secs_f64() / lasted.as_secs_f64()
    }
}

/// What a node counts, by name and labels.
pub fn counters(http: &str) -> Result<BTreeMap<String, f64>, Error> {
    let page = ureq::get(format!("http://{http}/metrics")).call()?.body_mut().read_to_string()?;
    let samples = page.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    let counted = samples.filter(|(name, _)| {
        let bare = name.split('{').next().unwrap_or(name);
        ["_total", "_sum", "_count"].iter().any(|end| bare.ends_with(end))
    });
    Ok(counted.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
}

/// The middle, and what few exceed.
pub fn quantiles(mut values: Vec<i64>) -> String {
    if values.is_empty() {
        return "nothing".to_owned();
    }
    values.sort_unstable();
    let at = |per_mille: usize| values[(values.len() - 1) * per_mille / 1_000];
    format!("p50 {}  p90 {}  p99 {}  p99.9 {}  most {}", at(500), at(900), at(990), at(999), at(1_000))
}
