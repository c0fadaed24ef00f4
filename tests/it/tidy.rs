//! The tree is what `docs/architecture.md` says it is: who imports whom, what the core may not touch, and that
//! everything is explained.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules in reading order, and which others each may name. What a module is not given here it does not know.
const MODULES: &[(&str, &[&str])] = &[
    ("money", &[]),
    ("planted", &[]),
    ("model", &["money"]),
    ("ledger", &["money", "model", "planted"]),
    ("document", &["money", "model", "planted"]),
    // An entry bears a change: the log knows how long one may be and what an actor is, and no more of it.
    ("log", &["model", "document", "planted"]),
    ("membership", &["model", "log", "planted"]),
    ("store", &[]),
    ("wire", &["money", "model", "log", "membership"]),
    ("replica", &["money", "model", "ledger", "document", "log", "membership", "store", "wire", "planted"]),
    ("lab", &["money", "model", "ledger", "document", "log", "membership", "store", "wire", "replica"]),
    // What a row becomes is `ledger`'s word, which the faces know by its name in `replica`.
    ("rows", &["money", "model", "replica"]),
    ("sample", &[]),
    ("node", &["model", "ledger", "log", "membership", "store", "replica", "planted"]),
    ("http", &["money", "model", "ledger", "membership", "rows", "replica", "node"]),
    ("cli", &["model", "membership", "wire", "rows", "replica", "lab", "node", "http"]),
];

/// What only the shell may touch.
const SHELL: &[&str] = &["node", "http", "cli"];

/// What the core does without, and why.
const NOT_IN_THE_CORE: &[(&str, &str)] = &[
    ("SystemTime", "time is handed in"),
    ("Instant", "time is handed in"),
    ("HashMap", "its order differs from run to run"),
    ("HashSet", "its order differs from run to run"),
    ("f32", "money is exact"),
    ("f64", "money is exact"),
    ("getrandom", "randomness is handed in"),
    ("std::fs", "the core opens no file"),
    ("std::net", "the core opens no socket"),
    ("std::thread", "the core starts nothing"),
    ("tokio", "the core waits for nothing"),
    ("tracing", "what happened is in the outputs"),
    ("println", "what happened is in the outputs"),
];

const NOWHERE: &[&str] = &["todo!", "unimplemented!", "dbg!"];

const LINES_MAX: usize = 600;

struct Source {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The top-level module in `src`, if it is in one.
    fn module(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        let name = below.split('/').next()?.trim_end_matches(".rs");
        (!["lib", "main"].contains(&name)).then_some(name)
    }

    /// The lines of code with their numbers, without comments, and without unit tests, which stand at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let lines = lines.take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
        lines.map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn sources(directories: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for directory in directories.iter().map(|name| root().join(name)).filter(|path| path.is_dir()) {
        collect(&directory, &mut paths);
    }
    paths.sort();
    let read = |path: &PathBuf| Source {
        path: path.strip_prefix(root()).expect("in the repository").to_string_lossy().replace('\\', "/"),
        text: std::fs::read_to_string(path).expect("a readable file"),
    };
    paths.iter().map(read).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether that word stands there by itself.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(is_part)
            && !line[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

/// The top-level modules that a line names: `crate::x`, and `crate::{x, y}`.
fn named(line: &str) -> Vec<String> {
    let head = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, found) in line.match_indices("crate::") {
        let rest = &line[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(list.trim_end_matches(['}', ';']).split(',').map(head)),
            None => names.push(head(rest)),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn modules_import_only_what_stands_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = MODULES.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources(&["src"]) {
        let Some(module) = source.module() else { continue };
        let Some(may) = allowed.get(module) else {
            wrong.push(format!("{}: the module {module} has no place in tests/it/tidy.rs", source.path));
            continue;
        };
        for (number, line) in source.code() {
            for name in named(line).iter().filter(|name| *name != module && !may.contains(&name.as_str())) {
                wrong.push(format!("{}:{number}: {module} may not know {name}", source.path));
            }
        }
    }
    none(&wrong);
}

#[test]
fn the_arrows_go_one_way() {
    for (index, (module, may)) in MODULES.iter().enumerate() {
        for name in *may {
            let place = MODULES.iter().position(|(other, _)| other == name).expect("a module of the table");
            assert!(place < index, "{module} may know {name}, which comes after it");
        }
    }
}

#[test]
fn every_arrow_that_is_allowed_is_used() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources(&["src"]) {
        let Some(module) = source.module() else { continue };
        used.entry(module.to_owned()).or_default().extend(source.code().flat_map(|(_, line)| named(line)));
    }
    for (module, may) in MODULES {
        let used = used.get(*module).unwrap_or_else(|| panic!("there is no module {module}"));
        for name in *may {
            assert!(used.contains(*name), "{module} no longer names {name}: take the arrow out of the table");
        }
    }
}

#[test]
fn the_core_touches_no_clock_chance_disk_or_float() {
    let mut wrong = Vec::new();
    for source in sources(&["src"]) {
        if source.module().is_none_or(|module| SHELL.contains(&module)) {
            continue;
        }
        for (number, line) in source.code() {
            for (word, why) in NOT_IN_THE_CORE.iter().filter(|(word, _)| has_word(line, word)) {
                wrong.push(format!("{}:{number}: {word} in the core: {why}", source.path));
            }
        }
    }
    none(&wrong);
}

#[test]
fn every_module_is_named_in_the_architecture() {
    let text = read("docs/architecture.md");
    let mut wrong = Vec::new();
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let folders: BTreeSet<String> = sources(&["src"]).iter().filter_map(|source| folder(&source.path)).collect();
    for folder in folders.iter().filter(|folder| *folder != "src") {
        if !text.contains(&format!("`{folder}/`")) {
            wrong.push(format!("docs/architecture.md does not name the folder `{folder}/`"));
        }
    }
    for (module, _) in MODULES {
        if !text.contains(&format!("`{module}`")) {
            wrong.push(format!("docs/architecture.md does not name the module `{module}`"));
        }
    }
    none(&wrong);
}

#[test]
fn every_file_says_what_it_is_and_is_short_and_finished() {
    let mut wrong = Vec::new();
    for source in sources(&["src", "tests", "benches", "examples"]) {
        if !source.text.starts_with("//! ") {
            wrong.push(format!("{}: begins without saying what it is", source.path));
        }
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{}: {lines} lines, more than {LINES_MAX}", source.path));
        }
        for (number, line) in source.code().filter(|_| !source.path.ends_with("tidy.rs")) {
            for word in NOWHERE.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{}:{number}: {word}", source.path));
            }
        }
    }
    none(&wrong);
}

#[test]
fn decisions_are_numbered_without_gaps_and_listed() {
    let list = read("docs/adr/README.md");
    let mut names: Vec<String> = std::fs::read_dir(root().join("docs/adr"))
        .expect("docs/adr")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name != "README.md")
        .collect();
    names.sort();
    for (index, name) in names.iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}-", index + 1)), "{name} is not number {}", index + 1);
        assert!(list.contains(&format!("({name})")), "docs/adr/README.md does not list {name}");
        let text = read(&format!("docs/adr/{name}"));
        for part in ["## Context", "## Decision", "## Consequences"] {
            assert!(text.contains(part), "{name} has no \"{part}\"");
        }
    }
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let mut pages: Vec<PathBuf> = ["README.md", "CHANGELOG.md"].iter().map(|name| root().join(name)).collect();
    for folder in ["docs", "docs/adr"] {
        let entries = std::fs::read_dir(root().join(folder)).expect("a folder of documents");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        pages.extend(paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    let mut wrong = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a readable page");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
            if !page.parent().expect("a folder").join(target).exists() {
                wrong.push(format!("{}: leads to {target}, which is not there", page.display()));
            }
        }
    }
    none(&wrong);
}
