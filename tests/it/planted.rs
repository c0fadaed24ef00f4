//! Bugs on purpose: the lab must find every one of them, or it watches too little.
//!
//! A change of the lab moves all that is drawn, and another seed may then be the first to catch a bug: the recorded one
//! is tried first, then all. What each test prints is the table of `docs/lab.md`; `examples/planted_seeds.rs` finds the
//! seeds anew.

use ucash::lab::{Overrides, run};
use ucash::planted::{Bug, with};

/// How many seeds a bug may take to be found.
const SEEDS: u64 = 1_000;

/// Each bug, and a seed that catches it.
macro_rules! planted {
    ($($test:ident: $bug:ident, $seed:literal;)+) => {
        const RECORDED: &[(Bug, u64)] = &[$((Bug::$bug, $seed)),+];

        $(
            #[test]
            fn $test() {
                is_caught(Bug::$bug, $seed);
            }
        )+
    };
}

planted! {
    a_device_spends_what_is_others: SpendsOthersShares, 1;
    what_is_not_covered_counts: UncoveredCounts, 3;
    a_gift_is_taken_twice: GiftTakenTwice, 1;
    a_gift_is_taken_by_anyone: GiftTakenByAnyone, 1;
    an_amount_is_returned_twice: ReturnedTwice, 1;
    a_return_is_overridden: ReturnOverridden, 24;
    a_restored_store_keeps_its_shares: RestoreKeepsShares, 35;
    what_is_beyond_an_end_counts: LateEntryCounts, 91;
    two_succeed_one: TwoSuccessors, 5;
    a_successor_takes_over_twice: TakesOverTwice, 5;
    currencies_are_mixed: CurrenciesMixed, 1;
    no_sync_is_made: SyncSkipped, 1;
    a_payment_is_dropped: PaymentDropped, 1;
    the_last_to_arrive_wins: LastToArriveWins, 3;
    what_waits_is_forgotten: WaitingForgotten, 1;
    a_forged_shape_is_accepted: ForgedShapeAccepted, 3;
    nobody_looks_at_rights: RightNotChecked, 3;
    nobody_looks_at_signatures: SignatureNotChecked, 31;
    a_key_is_forgotten: KeyForgotten, 1;
    a_capture_counts_twice: ValidatedTwice, 1;
}

fn is_caught(bug: Bug, recorded: u64) {
    let caught = |seed| with(bug, || run(seed, &Overrides::default())).result.err();
    let Some(failure) = std::iter::once(recorded).chain(1..=SEEDS).find_map(caught) else {
        panic!("{bug:?} is not caught within {SEEDS} seeds");
    };
    println!("{bug:?}: seed {}, {}: {}", failure.seed, failure.invariant, failure.detail);
}

#[test]
fn every_bug_has_its_test() {
    let tested: Vec<Bug> = RECORDED.iter().map(|(bug, _)| *bug).collect();
    assert_eq!(tested, Bug::ALL);
}

#[test]
fn without_a_bug_the_same_seeds_hold() {
    let mut seeds: Vec<u64> = RECORDED.iter().map(|(_, seed)| *seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    for seed in seeds {
        let outcome = run(seed, &Overrides::default());
        assert_eq!(outcome.result, Ok(()), "{}", outcome.options);
    }
}
