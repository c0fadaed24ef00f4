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

/// The disk of a device fails while all is healed: it used to stay without power for hours, and healing to end before.
#[test]
fn a_disk_that_fails_while_all_is_healed_keeps_nobody_away() {
    let told = Overrides { devices: Some(3), shops: Some(1), operations: Some(20), faults: Some(1_000), ..SMALL };
    let mut disk_errors = 0;
    for seed in 1..=40 {
        let outcome = run(seed, &told);
        disk_errors += outcome.counts.disk_errors;
        assert_eq!(outcome.result, Ok(()), "{}", outcome.options);
    }
    assert!(disk_errors > 0, "no disk failed in so many runs");
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

    #[test]
    fn a_failing_seed_is_shrunk_and_its_command_shows_it_again() {
        let flags = ["--devices", "4", "--days", "1", "--operations", "60", "--faults", "heavy", "--lying-disks"];
        let failing = (1..=12).find_map(|seed| {
            let seed = u32::to_string(&seed);
            let words = [&["lab", "run", "--json", "--shrink", "--seed", &seed], &flags[..]].concat();
            let ran = ucash(&words);
            (ran.code == Some(1)).then_some(ran.stdout)
        });
        let failing = failing.expect("a disk that lies is noticed");
        let lines: Vec<Value> = failing.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
        let [run, shrunk, _] = lines.as_slice() else { panic!("a run, what is left of it, and the sum: {failing}") };
        let shrunk = &shrunk["shrunk"];
        assert_eq!(shrunk["invariant"], run["failure"]["invariant"]);
        assert!(shrunk["operations"].as_u64() < Some(30), "not half of its 60: {shrunk}");
        let command = shrunk["replay"].as_str().expect("a command");
        let words: Vec<&str> = command.split(' ').skip(1).chain(["--json"]).collect();
        let again = ucash(&words);
        let first: Value = serde_json::from_str(again.stdout.lines().next().expect("a line")).expect("an object");
        assert_eq!((again.code, &first["failure"]["detail"]), (Some(1), &shrunk["detail"]), "{command}");
        // What has no such name is not left out in silence.
        for (flag, text) in [("--calm", "power_cut"), ("--only-faults", "1,,2"), ("--only-operations", "x")] {
            assert_eq!(ucash(&["lab", "run", flag, text]).code, Some(2), "{flag} {text}");
        }
    }

    fn traced(directory: &std::path::Path, words: &[&str]) -> String {
        let path = directory.join("trace.txt").to_str().expect("a path").to_owned();
        let ran = ucash(&[&["lab", "run", "--trace", &path], words].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        path
    }

    #[test]
    fn a_trace_is_run_again_and_is_the_same() {
        let directory = tempfile::tempdir().expect("a directory");
        let story = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scenarios/concurrent_edit.toml");
        let seeded =
            [&SMALL[..], &["--seed", "6", "--faults", "heavy", "--only-operations", "0-15", "--calm", "grouped"]]
                .concat();
        for words in [seeded, vec![story]] {
            let path = traced(directory.path(), &words);
            let ran = ucash(&["lab", "replay", "--json", &path]);
            assert_eq!((ran.code, &ran.answer()["same"]), (Some(0), &Value::Bool(true)), "{ran:?}");
            // A digest that is another is told, whatever made it so.
            let text = std::fs::read_to_string(&path).expect("a trace");
            let other = text.replacen("# digest ", "# digest 0", 1);
            std::fs::write(&path, other).expect("written");
            let ran = ucash(&["lab", "replay", "--json", &path]);
            assert_eq!((ran.code, &ran.answer()["same"]), (Some(1), &Value::Bool(false)), "{ran:?}");
            // Another version's trace means something else here.
            let version = concat!("# version ", env!("CARGO_PKG_VERSION"));
            assert!(text.contains(version), "{text}");
            std::fs::write(&path, text.replacen(version, "# version 0.0.1", 1)).expect("written");
            let ran = ucash(&["--lang", "en", "lab", "replay", "--json", &path]);
            let error: Value = serde_json::from_str(&ran.stderr).expect("an error");
            assert_eq!((ran.code, &error["error"]["code"]), (Some(1), &"another_version".into()));
            assert!(error["error"]["message"].as_str().expect("a sentence").contains("0.0.1"), "{error}");
            // What is no trace is no trace, at whatever line it ends.
            for lines in 0..4 {
                let cut: Vec<&str> = text.lines().take(lines).collect();
                std::fs::write(&path, cut.join("\n")).expect("written");
                let ran = ucash(&["lab", "replay", &path]);
                assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{lines} lines: {ran:?}");
            }
        }
    }

    #[test]
    fn a_trace_is_looked_at_step_by_step() {
        let directory = tempfile::tempdir().expect("a directory");
        let story = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scenarios/overpaid.toml");
        let path = traced(directory.path(), &[story]);
        let stepped = |input: &str| -> Vec<Value> {
            let ran = crate::process::ucash_told(&["lab", "replay", "--json", "--step", &path], input);
            assert_eq!(ran.code, Some(0), "{ran:?}");
            ran.stdout.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
        };
        assert_eq!(stepped("q\n").len(), 1, "the first stop is shown before anything is asked");
        assert_eq!(stepped("").len(), 1, "nobody there to ask is an end");
        assert_eq!(stepped("\n\nx\ns guichet\n\nq\n").iter().filter(|stop| stop["stop"].is_u64()).count(), 4);
        let all = stepped(&"\n".repeat(100_000));
        let phone = stepped(&"n téléphone\n".repeat(100_000));
        assert!(phone.len() > 2 && phone.len() < all.len(), "{} of {}", phone.len(), all.len());
        assert!(phone[1..].iter().all(|stop| stop["device"] == "téléphone"));
        let changed: Vec<String> = all.iter().map(|stop| stop["changed"].to_string()).collect();
        for words in [
            "CRED-001: + accorde 0.00/100.00 USD",
            "accorde 0.00/100.00 USD → partiellementPaye 60.00/100.00 USD",
            "conflicts: 0 → 1",
        ] {
            assert!(changed.iter().any(|text| text.contains(words)), "{words}");
        }
        assert!(all.iter().any(|stop| stop["in_flight"][0]["bytes"].as_u64() > Some(0)), "something is on its way");
        let clock = &all[0]["devices"][0]["clock"];
        assert!(clock.as_str().expect("a time").starts_with("2026-06-01T08:0"), "{clock}");
    }
}
