//! Stories in files: every one of `examples/scenarios` ends as it says, each kind of conflict is told by one, and a file
//! that is wrong is refused where it is wrong.

use std::path::{Path, PathBuf};

use serde_json::Value;
use ucash::model::ConflictKind;

use crate::process::ucash;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scenarios")
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).expect("the folder of scenarios");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).expect("a scenario")
}

/// A file of that text, in a directory that is gone after the test.
fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("story.toml");
    std::fs::write(&path, text).expect("written");
    (directory, path)
}

fn play(path: &Path) -> (Option<i32>, Value) {
    let ran = ucash(&["lab", "run", "--json", path.to_str().expect("a path")]);
    let value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{path:?}: {error}: {}", ran.stderr));
    (ran.code, value)
}

fn refused(text: &str) -> Value {
    let (_directory, path) = written(text);
    let ran = ucash(&["--lang", "en", "lab", "run", "--json", path.to_str().expect("a path")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{text}");
    let value: Value = serde_json::from_str(&ran.stderr).expect("an error is an object");
    assert_eq!(value["error"]["code"], "bad_scenario", "{value}");
    value["error"].clone()
}

#[test]
fn every_story_ends_as_it_says() {
    let mut told = 0;
    for path in files() {
        let (code, value) = play(&path);
        assert_eq!((code, &value["ok"]), (Some(0), &Value::Bool(true)), "{path:?}: {value:#}");
        let expectations = value["expectations"].as_array().expect("a list");
        assert!(expectations.iter().any(|one| one["ok"] == true), "{path:?} expects nothing");
        told += 1;
    }
    assert!(told >= 12, "only {told} stories");
}

#[test]
fn every_kind_of_conflict_has_a_story() {
    let mut kinds: Vec<String> = Vec::new();
    for path in files() {
        let (_, value) = play(&path);
        let listed = value["conflicts"].as_array().expect("a list");
        kinds.extend(listed.iter().map(|one| one["kind"].as_str().expect("a word").to_owned()));
    }
    for kind in ConflictKind::ALL {
        assert!(kinds.iter().any(|word| word == kind.word()), "no story ends with {}", kind.word());
    }
}

#[test]
fn one_file_is_one_text() {
    let path = folder().join("same_reference.toml");
    let path = path.to_str().expect("a path");
    let runs: Vec<String> = (0..2).map(|_| ucash(&["--lang", "fr", "lab", "run", path]).stdout).collect();
    assert_eq!(runs[0], runs[1]);
    for words in [
        "Deux crédits sous un seul numéro",
        "téléphone (Joël) : accorde le crédit CRED-007",
        "✓ crédit celui du guichet",
    ] {
        assert!(runs[0].contains(words), "{words:?} is not in {}", runs[0]);
    }
    let english = ucash(&["--lang", "en", "lab", "run", path]).stdout;
    assert!(english.contains("Everything is as expected."), "{english}");
    assert_eq!(english.lines().last(), runs[0].lines().last(), "the same trace in every language");
}

#[test]
fn what_is_expected_wrongly_is_told() {
    let story = text("overpaid.toml");
    let wrong: [(&str, &str, &str, &str); 7] = [
        ("status = \"paye\"", "status = \"accorde\"", "status", "paye"),
        ("usd = \"400\"", "usd = \"400.01\"", "usd", "400.00"),
        ("overpaid = \"0\"", "overpaid = \"20\"", "overpaid", "0.00"),
        ("kind = \"overpaid\", credit", "kind = \"overdrawn\", credit", "missing", "-"),
        ("decided = \"overpaid\"", "decided = \"stands=2\"", "missing", "-"),
        ("handled = \"give_back\"", "handled = \"no\"", "missing", "-"),
        ("[\"guichet\", \"téléphone\"], handled", "[\"téléphone\", \"guichet\"], handled", "missing", "-"),
    ];
    for (right, instead, key, found) in wrong {
        assert!(story.contains(right), "{right}");
        let (_directory, path) = written(&story.replacen(right, instead, 1));
        let (code, value) = play(&path);
        assert_eq!((code, &value["ok"]), (Some(1), &Value::Bool(false)), "{instead}");
        let failed: Vec<&Value> =
            value["expectations"].as_array().expect("a list").iter().filter(|one| one["ok"] == false).collect();
        let [failed] = failed.as_slice() else { panic!("{instead}: {value:#}") };
        let of = failed["differences"].as_array().expect("a list");
        assert!(of.iter().any(|one| one["key"] == key && one["found"] == found), "{instead}: {failed:#}");
    }
}

#[test]
fn a_conflict_that_is_not_expected_is_told() {
    let story = text("concurrent_status.toml");
    let (start, end) = (story.find("conflicts = [").expect("there"), story.find("\n]\n").expect("there"));
    let silent = format!("{}conflicts = []{}", &story[..start], &story[end + 2..]);
    let (_directory, path) = written(&silent);
    let (code, value) = play(&path);
    assert_eq!(code, Some(1), "{value:#}");
    assert!(value.to_string().contains("\"unexpected\""), "{value:#}");
}

#[test]
fn a_step_that_goes_otherwise_is_told() {
    let story = text("scarce_share.toml");
    let otherwise = [
        ("refused = \"insufficient_share\"", ""),
        ("refused = \"insufficient_share\"", "refused = \"reference_taken\""),
        ("amount = \"200\"", "amount = \"501\""),
    ];
    for (right, instead) in otherwise {
        assert!(story.contains(right), "{right}");
        let (_directory, path) = written(&story.replacen(right, instead, 1));
        let (code, value) = play(&path);
        assert_eq!(code, Some(1), "{instead}");
        assert!(value["steps"].as_array().expect("a list").iter().any(|step| step["ok"] == false), "{instead}");
    }
}

#[test]
fn devices_that_never_met_again_do_not_agree() {
    let story = text("overpaid.toml");
    let apart = story.replacen("heal = \"all\"", "wait = \"2m\"", 1);
    assert_ne!(story, apart);
    let (_directory, path) = written(&apart);
    let (code, value) = play(&path);
    assert_eq!(code, Some(1));
    let agree = value["expectations"].as_array().expect("a list").last().expect("one").clone();
    assert_eq!(agree["ok"], false, "{value:#}");
    let found = agree["differences"][0]["found"].as_str().expect("a sentence");
    assert!(found.contains("guichet") && found.contains("téléphone"), "devices are told by name: {found}");
}

#[test]
fn devices_that_list_conflicts_otherwise_are_told() {
    let story = text("overpaid.toml");
    let apart = story.replacen("heal = \"all\"", "heal = \"all\"\n\n[[step]]\ncut = \"all\"", 1);
    let (_directory, path) = written(&apart);
    let (code, value) = play(&path);
    assert_eq!(code, Some(1), "only one of them knows that it was dealt with");
    let all = value["expectations"].as_array().expect("a list");
    let listed = all.iter().find(|one| one["wanted"].to_string().contains("overpaid credit")).expect("of conflicts");
    let of = listed["differences"].as_array().expect("a list");
    let apart = of.iter().find(|one| one["key"] == "same_list").expect("the lists differ");
    assert_eq!(apart["device"], "téléphone");
    assert!(apart["wanted"].as_str().expect("a text").starts_with("guichet: cf_"), "{apart}");
}

/// The example of `docs/lab.md` is a scenario, and holds.
#[test]
fn the_documented_story_holds() {
    let page = include_str!("../../docs/lab.md");
    let story = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a story");
    let (_directory, path) = written(story);
    let (code, value) = play(&path);
    assert_eq!(code, Some(0), "{value:#}");
}

#[test]
fn a_wrong_file_is_refused_with_its_line() {
    let story = text("overpaid.toml");
    let line_of = |part: &str| story.lines().position(|line| line.contains(part)).expect("a line") as u64 + 1;
    let wrong: [(&str, &str, u64, &str); 9] = [
        ("cut = \"all\"", "kut = \"all\"", line_of("cut = \"all\""), "\"kut\""),
        ("agent = \"Joël\"", "agente = \"Joël\"", line_of("agent = \"Joël\""), "\"agente\""),
        ("pay = { credit", "pay = { kredit", line_of("pay = { credit"), "\"kredit\""),
        ("usd = \"500\"", "usd = \"5 0 0\"", line_of("[[sim]]"), "5 0 0"),
        ("cut = \"all\"", "cut = [\"guichet\", \"caisse\"]", line_of("say = \"Le réseau tombe.\"") - 1, "\"caisse\""),
        ("heal = \"all\"", "heal = \"all\"\nwait = \"2m\"", line_of("heal = \"all\"") - 1, "heal, wait"),
        ("status = \"paye\"", "status = \"payé\"", line_of("status = \"paye\"") - 2, "payé"),
        ("agree = true", "agree = false", line_of("agree = true") - 1, "agree = true"),
        ("by = \"téléphone\"\n", "", line_of("by = \"téléphone\"") - 1, "by ="),
    ];
    for (right, instead, line, word) in wrong {
        assert!(story.contains(right), "{right}");
        let error = refused(&story.replacen(right, instead, 1));
        let message = error["message"].as_str().expect("a sentence");
        assert!(message.contains(word), "{instead}: {message}");
        assert_eq!(error["line"].as_u64(), Some(line), "{instead}: {message}");
    }
    assert!(
        refused("name = \"x\"\nshop = []\ndevice = []\n")["message"].as_str().expect("a sentence").contains("shop")
    );
}

/// A wrong clock, and one device that runs twice.
#[test]
fn a_clock_may_be_wrong_and_a_device_may_run_twice() {
    let story = text("overpaid.toml");
    let clock = story.replacen("name = \"téléphone\"\n", "name = \"téléphone\"\nclock = \"+3h\"\n", 1);
    let (_directory, path) = written(&clock);
    let (_, value) = play(&path);
    let at =
        |value: &Value, side: usize| value["conflicts"][0]["sides"][side]["at"].as_str().expect("a time").to_owned();
    assert!(
        at(&value, 0).starts_with("2026-06-01T08:02") && at(&value, 1).starts_with("2026-06-01T11:03"),
        "{value:#}"
    );

    let old = story.replacen("name = \"téléphone\"\n", "name = \"téléphone\"\nclock = \"2017-01-01\"\n", 1);
    let (_directory, path) = written(&old);
    let (code, value) = play(&path);
    // It is the network that is younger, so the phone knows that its clock is wrong, and corrects what it wrote.
    assert_eq!(code, Some(0), "{value:#}");
    assert!(at(&value, 1).starts_with("2026-06-01T08:0"), "{value:#}");

    let twice = "copy = { device = \"téléphone\", to = \"copie\" }\n\n[[step]]\nstart = { copy = \"copie\", name = \"double\" }\n\n\
                 [[step]]\nby = \"double\"\npay = { credit = \"CRED-001\", amount = \"1\" }\n\n[[step]]\nheal = \"all\"";
    let (_directory, path) = written(&story.replacen("heal = \"all\"", twice, 1));
    let (_, value) = play(&path);
    assert_eq!(value["steps"][6]["device"], "double", "{value:#}");
    assert_eq!(value["steps"][6]["done"], true, "the copy does not know that it is one");
    assert_eq!(value["broken"], Value::Null);
}

/// The page of a run, and what was said of it.
fn drawn(words: &[&str]) -> (String, Value) {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("page.html");
    let ran = ucash(&[&["lab", "report", "--json", "--out", out.to_str().expect("a path")], words].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    (std::fs::read_to_string(&out).expect("a page"), ran.answer())
}

/// Nothing of a page comes from elsewhere: no address but those within it, and no script but its own.
fn assert_stands_alone(page: &str) {
    for part in ["http:", "https:", "src=", "@import", "url(", "<link"] {
        assert!(!page.contains(part), "the page names {part}");
    }
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(page.trim_end().ends_with("</html>"));
    for used in page.split("href=\"").skip(1) {
        let id = used.split('"').next().expect("a target").strip_prefix('#').expect("within the page");
        assert!(page.contains(&format!("<symbol id=\"{id}\"")), "no symbol {id}");
    }
}

#[test]
fn every_story_can_be_drawn() {
    for path in files() {
        let path = path.to_str().expect("a path");
        let (page, answer) = drawn(&[path]);
        assert_stands_alone(&page);
        assert_eq!(answer["ok"], true);
        let (_, value) = play(Path::new(path));
        for conflict in value["conflicts"].as_array().expect("a list") {
            let id = conflict["id"].as_str().expect("an id");
            let marks = page.matches(id).count();
            assert!(marks >= 2, "{path}: {id} has a card and a mark on the lanes, not {marks}");
        }
        for step in value["steps"].as_array().expect("a list") {
            let did = step["did"].as_str().expect("a sentence").replace('\'', "&#39;");
            assert!(page.contains(&did), "{path} does not show {did:?}");
        }
    }
    let (page, _) = drawn(&[folder().join("set_aside.toml").to_str().expect("a path")]);
    for part in ["lane off", "use href=\"#cut\"", "class=\"arrow\"", "messages (", "<span lang=\"en\">Decision</span>"]
    {
        let is_there = page.contains(part);
        // Nothing loses power in this story: the first is seen in another.
        assert_eq!(is_there, part != "lane off", "{part}");
    }
    let (page, _) = drawn(&[folder().join("overdrawn.toml").to_str().expect("a path")]);
    assert!(page.contains("class=\"lane off\"") && page.contains("use href=\"#off\""), "a device without power");
}

#[test]
fn what_people_write_is_text_on_the_page() {
    let story = text("overpaid.toml").replace("to = \"Amani\"", "to = \"<b onclick='x()'>&amp;\"");
    let (_directory, path) = written(&story);
    let (page, _) = drawn(&[path.to_str().expect("a path")]);
    assert!(page.contains("&lt;b onclick=&#39;x()&#39;&gt;&amp;amp;") && !page.contains("<b onclick"));
}

#[test]
fn a_seed_is_drawn_and_many_messages_are_few_arrows() {
    let words = ["--seed", "7", "--devices", "5", "--days", "1", "--operations", "25", "--faults", "heavy"];
    let (page, answer) = drawn(&words);
    assert_stands_alone(&page);
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(page, drawn(&words).0, "one seed is one page");
    let rows = answer["rows"].as_u64().expect("a number");
    assert!((26..400).contains(&rows), "{rows} rows");
    assert!(page.matches("class=\"arrow\"").count() < 1_500);
    assert!(page.matches("use href=\"#done\"").count() > 10, "what people did");
}
