//! When the shops are busy.
//!
//! Within a day the acts fall as by chance alone, at a rate that depends on the hour: their number is given, and each
//! is put at a moment drawn by that rate, which makes of a fixed number of acts what a Poisson process would.

use crate::lab::workload::{Act, act};
use crate::lab::{Cast, Draw};
use crate::membership::Role;

/// Milliseconds of a minute.
const MINUTE: i64 = 60_000;
/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * MINUTE;
/// The hours of a shop: from, to (minutes after midnight), how busy. A rush in the morning, a quiet noon.
const HOURS: [(i64, i64, i64); 4] = [(450, 600, 6), (600, 720, 3), (720, 840, 2), (840, 1_080, 3)];
/// Of a thousand moments, how many begin something that two devices do at once.
const RACE_PERMILLE: u32 = 60;
/// How far apart the two may act.
const RACE_MS: i64 = 4_000;

/// What is planned for a moment.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    /// Whatever comes.
    Free,
    /// One side of what two devices do at once.
    Race {
        /// What.
        act: Act,
        /// Of both sides: what they are to find alike is drawn from this.
        race: Draw,
        /// 0 or 1.
        side: usize,
    },
}

/// The moments, ascending, and what is planned for each.
pub(super) fn plan(draw: &Draw, cast: &Cast, days: u32, operations: u32) -> (Vec<(i64, usize)>, Vec<Plan>) {
    let writes = |role: Role| matches!(role, Role::Device | Role::Manager | Role::HeadOffice);
    let writers: Vec<usize> =
        cast.devices.iter().enumerate().filter(|(_, device)| writes(device.role)).map(|(index, _)| index).collect();
    let mut planned: Vec<(i64, usize, Plan)> = Vec::new();
    let mut number = 0_u32;
    while planned.len() < operations as usize && !writers.is_empty() {
        let mut draw = draw.child(&format!("moment {number}"));
        number += 1;
        let at = i64::from(days.max(1)).saturating_sub(1);
        let at = draw.between(0, at) * DAY + time_of_day(&mut draw);
        let Some(device) = draw.pick(&writers).copied() else { break };
        let shop = cast.devices.get(device).map(|device| device.shop);
        let others: Vec<usize> = writers
            .iter()
            .copied()
            .filter(|other| *other != device && cast.devices.get(*other).map(|device| device.shop) == shop)
            .collect();
        let race = draw.permille(RACE_PERMILLE);
        match draw.pick(&others).copied().filter(|_| race) {
            Some(other) => {
                let (act, race) = (act::draw_race(&mut draw), draw.child("race"));
                let later = at + draw.between(0, RACE_MS);
                planned.push((at, device, Plan::Race { act, race: race.clone(), side: 0 }));
                planned.push((later, other, Plan::Race { act, race, side: 1 }));
            }
            None => planned.push((at, device, Plan::Free)),
        }
    }
    planned.truncate(operations as usize);
    planned.sort_by_key(|(at, device, _)| (*at, *device));
    planned.into_iter().map(|(at, device, plan)| ((at, device), plan)).unzip()
}

/// A time when the shop is open, drawn by how busy it is.
fn time_of_day(draw: &mut Draw) -> i64 {
    let weight = |(from, to, busy): &(i64, i64, i64)| (to - from) * MINUTE * busy;
    let mut at = draw.between(0, HOURS.iter().map(weight).sum::<i64>() - 1);
    for hours in &HOURS {
        if at < weight(hours) {
            return hours.0 * MINUTE + at / hours.2;
        }
        at -= weight(hours);
    }
    HOURS[0].0 * MINUTE
}
