//! The first lines of a trace: what makes the same run again, and the digest that it must have.

use std::path::{Path, PathBuf};

use crate::lab::Overrides;

/// The first line. Another number is another format.
const MAGIC: &str = "# ucash lab trace 1";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a run is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A seed, and what was told beside it.
    Seed(u64, String),
    /// A story: how its file was called, and its text.
    Scenario(PathBuf, String),
}

/// What stands at the head of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub version: String,
    pub source: Source,
    pub digest: String,
}

impl Header {
    pub fn of_seed(seed: u64, overrides: &Overrides, digest: String) -> Header {
        let flags = overrides.flags().trim().to_owned();
        Header { version: VERSION.to_owned(), source: Source::Seed(seed, flags), digest }
    }

    pub fn of_scenario(path: &Path, text: &str, digest: String) -> Header {
        let source = Source::Scenario(path.to_owned(), text.to_owned());
        Header { version: VERSION.to_owned(), source, digest }
    }

    /// Whether this program makes the same run: another version may draw otherwise from the same seed.
    pub fn is_ours(&self) -> bool {
        self.version == VERSION
    }

    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![MAGIC.to_owned(), format!("# version {}", self.version)];
        match &self.source {
            Source::Seed(seed, flags) => {
                lines.push(format!("# seed {seed}"));
                lines.push(format!("# flags {flags}").trim_end().to_owned());
            }
            Source::Scenario(path, text) => {
                lines.push(format!("# scenario {}", path.display()));
                lines.extend(text.lines().map(|line| format!("#| {line}").trim_end().to_owned()));
            }
        }
        lines.push(format!("# digest {}", self.digest));
        lines
    }

    /// Reads the head of a trace; nothing if there is none.
    pub fn read(text: &str) -> Option<Header> {
        let mut lines = text.lines();
        if lines.next()? != MAGIC {
            return None;
        }
        let (mut version, mut seed, mut flags, mut path, mut digest) = (None, None, None, None, None);
        let mut story = String::new();
        for line in lines.take_while(|line| line.starts_with('#')) {
            if let Some(told) = line.strip_prefix("#|") {
                story.push_str(told.strip_prefix(' ').unwrap_or(told));
                story.push('\n');
                continue;
            }
            let (key, value) = line.strip_prefix("# ")?.split_once(' ').unwrap_or((line.strip_prefix("# ")?, ""));
            match key {
                "version" => version = Some(value.to_owned()),
                "seed" => seed = Some(value.parse().ok()?),
                "flags" => flags = Some(value.to_owned()),
                "scenario" => path = Some(PathBuf::from(value)),
                "digest" => digest = Some(value.to_owned()),
                _ => return None,
            }
        }
        let source = match (seed, path) {
            (Some(seed), None) => Source::Seed(seed, flags.unwrap_or_default()),
            (None, Some(path)) => Source::Scenario(path, story),
            _ => return None,
        };
        Some(Header { version: version?, source, digest: digest? })
    }
}
