//! The people of the lab: the same from one seed, at work when shops are open, and up to everything.

use std::collections::{BTreeMap, BTreeSet};

use ucash::lab::{Act, Asked, Draw, Workload};

use crate::lab_auditor::table::{Table, run};

#[test]
fn one_seed_is_one_run() {
    let (first, second) = (run(3, 2, 120, &[]), run(3, 2, 120, &[]));
    assert_eq!(first, second);
}

#[test]
fn one_seed_asks_the_same_twice_and_another_something_else() {
    let asked = |seed| {
        let table = Table::new(&[]);
        let mut workload = Workload::new(Draw::from_seed(seed), &table.cast, 2, 150);
        let replica = table.seats[0].replica.as_ref().expect("taken");
        let moments = workload.moments().to_vec();
        let acts = (0..moments.len()).map(|moment| workload.act(moment, moments[moment].1, replica, table.now));
        (moments.clone(), acts.collect::<Vec<_>>())
    };
    assert_eq!(asked(1), asked(1));
    assert_ne!(asked(1).0, asked(2).0);
}

#[test]
fn an_act_shifts_no_other() {
    let table = Table::new(&[]);
    let workload = Workload::new(Draw::from_seed(1), &table.cast, 1, 100);
    let replica = table.seats[0].replica.as_ref().expect("taken");
    let acts = |moments: &mut dyn Iterator<Item = usize>| -> BTreeMap<usize, Vec<Asked>> {
        let mut workload = workload.clone();
        moments.map(|moment| (moment, workload.act(moment, 0, replica, table.now))).collect()
    };
    let (forth, back) = (acts(&mut (0..100)), acts(&mut (0..100).rev()));
    // Only what is asked again depends on what was asked before.
    let shifted = forth.iter().filter(|(moment, asked)| back[moment] != **asked).count();
    assert!(shifted <= 10, "{shifted} of 100");
}

#[test]
fn people_act_when_shops_are_open() {
    const MINUTE: i64 = 60_000;
    let table = Table::new(&[]);
    let workload = Workload::new(Draw::from_seed(5), &table.cast, 10, 2_000);
    assert_eq!(workload.moments().len(), 2_000);
    assert!(workload.moments().is_sorted_by_key(|(at, _)| *at));
    let minutes: Vec<i64> = workload.moments().iter().map(|(at, _)| at / MINUTE % 1_440).collect();
    // The second of two who act at once may do so seconds after closing.
    assert!(minutes.iter().all(|minute| (450..=1_080).contains(minute)));
    let rush = minutes.iter().filter(|minute| **minute < 600).count();
    assert!((700..1_100).contains(&rush), "{rush} of 2000 in the morning rush, a quarter of the hours");
    let days: BTreeSet<i64> = workload.moments().iter().map(|(at, _)| at / MINUTE / 1_440).collect();
    assert_eq!(days.len(), 10);
}

#[test]
fn everything_is_done_within_thirty_seeds() {
    let mut done: BTreeSet<Act> = BTreeSet::new();
    for seed in 100..130 {
        let (found, acts) = run(seed, 1, 60, &[]);
        assert_eq!(found, Ok(()), "seed {seed}");
        done.extend(acts.keys());
    }
    assert_eq!(done, BTreeSet::from(Act::ALL));
}
