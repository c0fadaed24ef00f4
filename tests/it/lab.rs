//! The laboratory itself: one seed is one run, what is told is obeyed and printed, and the first seeds hold.

use ucash::lab::{Counts, Options, Overrides, Places, run, run_traced};

/// Smaller than what a seed draws, for a program built without optimisation.
const SMALL: Overrides = Overrides {
    devices: Some(5),
    shops: None,
    days: Some(1),
    operations: Some(80),
    faults: None,
    lying_disks: false,
    skipped: Vec::new(),
    only_operations: None,
    only_faults: None,
    calm: Vec::new(),
};

#[test]
fn one_seed_is_one_run() {
    for seed in [1, 2] {
        let (first, second) = (run(seed, &SMALL), run_traced(seed, &SMALL));
        println!("seed {seed}: {}", first.trace_text());
        assert_eq!(first, second.0, "whether the trace is kept changes nothing either");
        assert_eq!(second.1.len() as u64, first.events, "every event has a line");
    }
    assert_ne!(run(1, &SMALL).trace, run(2, &SMALL).trace, "seeds differ");
}

#[test]
fn the_first_seeds_hold() {
    let mut asked = 0;
    for seed in 1..=20 {
        let outcome = run(seed, &SMALL);
        if let Err(failure) = &outcome.result {
            panic!("{failure}\n{}", outcome.options);
        }
        assert!(outcome.counts.rounds >= 1, "seed {seed}: all came to agree");
        asked += outcome.counts.done;
    }
    assert!(asked > 400, "people did something: {asked}");
}

#[test]
fn trouble_happens_where_it_is_wanted_and_nowhere_else() {
    let heavy = Overrides { faults: Some(1_000), ..SMALL };
    let none = Overrides { faults: Some(0), ..SMALL };
    let (mut power_cuts, mut disk_errors) = (0, 0);
    for seed in 1..=12 {
        let counts = run(seed, &heavy).counts;
        power_cuts += counts.power_cuts;
        disk_errors += counts.disk_errors;
        let Counts { power_cuts, disk_errors, bans, .. } = run(seed, &none).counts;
        assert_eq!((power_cuts, disk_errors, bans), (0, 0, 0), "seed {seed}");
    }
    assert!(power_cuts > disk_errors && disk_errors > 0, "{power_cuts} losses of power, {disk_errors} bad disks");
}

#[test]
fn a_disk_that_lies_is_noticed() {
    let lying = Overrides { faults: Some(1_000), lying_disks: true, ..SMALL };
    let failures: Vec<_> = (1..=12).filter_map(|seed| run(seed, &lying).result.err()).collect();
    assert!(!failures.is_empty(), "what was answered and lost is missed by somebody");
    for failure in failures {
        let replay = format!(
            "ucash lab run --seed {} --devices 5 --days 1 --operations 80 --faults 1000 --lying-disks",
            failure.seed
        );
        assert_eq!(failure.replay, replay);
        assert!(failure.to_string().ends_with(&replay), "{failure}");
    }
}

#[test]
fn what_is_told_changes_nothing_else_that_is_drawn() {
    let told = Overrides { operations: Some(7), ..Overrides::default() };
    let (drawn, told) = (Options::draw(9, &Overrides::default()), Options::draw(9, &told));
    assert_eq!(told, Options { operations: 7, ..drawn });
    let all = Overrides {
        devices: Some(3),
        shops: Some(2),
        days: Some(4),
        operations: Some(5),
        faults: Some(6),
        lying_disks: true,
        skipped: vec!["one_state".to_owned()],
        only_operations: Some(Places::of([3, 17, 18, 19])),
        only_faults: Some(Places::default()),
        calm: vec!["grouped".to_owned(), "disk_errors".to_owned()],
    };
    assert_eq!(
        all.flags(),
        " --devices 3 --shops 2 --days 4 --operations 5 --faults 6 --lying-disks --skip one_state \
         --only-operations 3,17-19 --only-faults none --calm grouped,disk_errors"
    );
    for text in ["none", "0", "3,17-19"] {
        assert_eq!(Places::parse(text).expect("places").to_string(), text);
    }
    for text in ["", "3,", "5-4", "-1", "a", "0-4000000000"] {
        assert_eq!(Places::parse(text), None, "{text:?}");
    }
    let crowded = Overrides { devices: Some(2), shops: Some(9), ..Overrides::default() };
    assert_eq!(Options::draw(9, &crowded).shops, 2, "every shop has a device");
}

#[cfg(feature = "node")]
mod through_the_program {
    use serde_json::Value;

    use crate::process::ucash;

    const SMALL: [&str; 8] = ["--devices", "3", "--shops", "1", "--days", "1", "--operations", "20"];

    fn lab(words: &[&str]) -> (Option<i32>, Vec<Value>, String) {
        let ran = ucash(&[&["lab", "run", "--json"], &SMALL[..], words].concat());
        let lines = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect();
        (ran.code, lines, ran.stderr)
    }

    #[test]
    fn a_range_of_seeds_includes_both_ends() {
        let (code, lines, _) = lab(&["--seeds", "3..5"]);
        let seeds: Vec<u64> = lines.iter().filter_map(|line| line["seed"].as_u64()).collect();
        assert_eq!((code, seeds), (Some(0), vec![3, 4, 5]));
        assert_eq!(lines[3]["summary"]["seeds"], 3);
        assert_eq!(lines.len(), 4, "a line for each seed, and the last for all");
        let (_, one, _) = lab(&["--seeds", "4"]);
        assert_eq!(one[0], lines[1], "a seed alone is the seed among others");
        let (_, same, _) = lab(&["--seed", "4"]);
        assert_eq!(same, one);
    }

    #[test]
    fn what_is_told_is_printed() {
        let (_, lines, _) = lab(&["--faults", "heavy"]);
        let options = &lines[0]["options"];
        let told = ["devices", "shops", "days", "operations", "faults"].map(|name| options[name].clone());
        assert_eq!(told, [3, 1, 1, 20, 1_000]);
        assert_eq!(lines[0]["seed"], 1, "without a seed it is the first");
        let people = ucash(&[&["lab", "run"], &SMALL[..]].concat());
        assert!(people.stdout.contains("devices=3 shops=1 days=1 operations=20"), "{people:?}");
    }

    #[test]
    fn what_is_skipped_must_have_that_name() {
        let (code, lines, stderr) = lab(&["--skip", "one_stat"]);
        assert_eq!((code, lines.len()), (Some(2), 0));
        assert!(stderr.contains("one_stat"), "{stderr}");
        for name in ["one_state", "liveness"] {
            let (code, lines, _) = lab(&["--skip", name]);
            assert_eq!((code, &lines[0]["options"]["skipped"][0]), (Some(0), &name.into()), "{name}");
        }
    }

    #[test]
    fn words_that_mean_nothing_are_misuse() {
        for words in [["--seeds", "5..3"], ["--seeds", "a..b"], ["--faults", "1001"], ["--devices", "0"]] {
            let (code, lines, stderr) = lab(&words);
            assert_eq!((code, lines.len()), (Some(2), 0), "{words:?}: {stderr}");
        }
    }
}
