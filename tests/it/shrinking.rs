//! A failing seed is made small: it still fails in the same way, by the command that is told, and little of it is left.

use ucash::lab::{Overrides, Places, ddmin, run, shrink};
use ucash::planted::{Bug, with};

/// More than any of these takes.
const RUNS_MAX: u32 = 3_000;

#[test]
fn ddmin_finds_what_is_needed_and_nothing_more() {
    let all: Vec<u32> = (0..100).collect();
    for needed in [vec![], vec![7], vec![0, 99], vec![3, 4, 50, 51, 52, 98]] {
        let mut runs = 0;
        let found = ddmin(all.clone(), &mut |kept| {
            runs += 1;
            needed.iter().all(|one| kept.contains(one))
        });
        assert_eq!(found, needed);
        assert!(runs < 200, "{needed:?}: {runs} runs");
    }
    assert_eq!(ddmin(Vec::<u32>::new(), &mut |_| true), Vec::<u32>::new());
    // What fails only now and then is left as small as it was seen to fail.
    let odd = ddmin(all, &mut |kept| kept.len() % 2 == 1 && kept.contains(&5));
    assert!(odd.contains(&5) && odd.len() % 2 == 1, "{odd:?}");
}

/// Shrinks a seed that a planted bug fails, to at most so many operations and planned faults.
fn shrinks(bug: Bug, seed: u64, operations_max: usize, faults_max: usize) {
    with(bug, || {
        let told = Overrides::default();
        let before = run(seed, &told).result.expect_err("a bug that this seed catches");
        let shrunk = shrink(seed, &told, RUNS_MAX, &mut |_, _| {}).expect("it fails");
        println!("{bug:?}, seed {seed}: {shrunk}");
        assert_eq!(shrunk.failure.invariant, before.invariant);
        assert!(shrunk.runs < RUNS_MAX, "{} runs", shrunk.runs);
        assert!((1..=operations_max).contains(&shrunk.operations.0), "{} operations are left", shrunk.operations.0);
        assert!(shrunk.faults.0 <= faults_max, "{} faults are left", shrunk.faults.0);
        let again = run(seed, &shrunk.overrides).result.expect_err("what is told fails again");
        assert_eq!(again, shrunk.failure);
        for flag in [" --only-operations ", " --only-faults ", " --calm "] {
            assert!(again.replay.contains(flag), "{}", again.replay);
        }
        // Nothing that is left is there for nothing.
        let kept = shrunk.overrides.only_operations.clone().expect("told");
        for place in (0..1_000).filter(|place| kept.contains(*place)) {
            let rest = (0..1_000).filter(|other| *other != place && kept.contains(*other));
            let without = Overrides { only_operations: Some(Places::of(rest)), ..shrunk.overrides.clone() };
            let result = run(seed, &without).result;
            assert!(result.err().is_none_or(|failure| failure.invariant != before.invariant), "{place} is not needed");
        }
    });
    assert!(shrink(seed, &Overrides::default(), RUNS_MAX, &mut |_, _| {}).is_none(), "without the bug it holds");
}

#[test]
fn a_dropped_payment_is_shrunk() {
    shrinks(Bug::PaymentDropped, 1, 3, 0);
}

#[test]
fn a_capture_that_counts_twice_is_shrunk() {
    shrinks(Bug::ValidatedTwice, 1, 3, 0);
}

#[test]
fn a_forgotten_key_is_shrunk() {
    shrinks(Bug::KeyForgotten, 1, 2, 1);
}

#[test]
fn what_is_left_out_moves_nothing_that_is_drawn_for_the_rest() {
    let told =
        Overrides { devices: Some(4), days: Some(1), operations: Some(60), faults: Some(0), ..Overrides::default() };
    let all = Overrides { only_operations: Some(Places::of(0..60)), ..told.clone() };
    assert_eq!(run(5, &told).trace, run(5, &all).trace, "all of them is nothing left out");
    let asked = |only: &Overrides| {
        let (_, lines) = ucash::lab::run_traced(5, only);
        lines.into_iter().filter(|line| line.contains("Asked") && !line.starts_with("-1d")).collect::<Vec<_>>()
    };
    // The first half of what people do is the same, whether the second follows or not.
    let half = Overrides { only_operations: Some(Places::of(0..30)), ..told.clone() };
    let (whole, half) = (asked(&told), asked(&half));
    assert!(half.len() >= 30 && half.len() < whole.len());
    assert_eq!(whole[..half.len()], half);
    let none = Overrides { only_operations: Some(Places::default()), ..told };
    assert_eq!(asked(&none), Vec::<String>::new());
}
