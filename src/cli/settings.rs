//! What a node is told to do: by default, by `ucash.toml` in its directory, by the environment, by flags; each over the
//! one before. Every value knows where it is from.
//!
//! Values are carried as text until the last layer has spoken, so that each is read in one way only. It must never go
//! on with a setting that it does not understand.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::log::LogFormat;
use super::moments::duration;
use super::output::{Printer, table};
use crate::http::{WebOrigin, is_plain_host};
use crate::node::net::Multiaddr;

/// The file's name in the data directory.
pub(super) const FILE: &str = "ucash.toml";

/// Each setting: its key in the file, what it is unless told (lists: nothing). Its variable is `UCASH_` and the key in
/// capitals, its flag `--` and the key with dashes.
const KEYS: [(&str, &str); 14] = [
    ("http", "127.0.0.1:7070"),
    ("plain_http", "false"),
    ("tls_cert", ""),
    ("tls_key", ""),
    ("hosts", ""),
    ("origins", ""),
    ("listen", ""),
    ("public", ""),
    ("peer", ""),
    ("mdns", "true"),
    ("sync_every", "30s"),
    ("return_after", "24h"),
    ("log_format", "human"),
    ("log", "warn,ucash=info,libp2p_autonat=error"),
];

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Default,
    File,
    Environment(String),
    Flag(String),
}

impl Origin {
    fn kind(&self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::File => "file",
            Origin::Environment(_) => "environment",
            Origin::Flag(_) => "flag",
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Origin::Default => None,
            Origin::File => Some(FILE),
            Origin::Environment(name) | Origin::Flag(name) => Some(name),
        }
    }
}

/// A setting as the last layer left it.
#[derive(Clone, Debug)]
struct Layered {
    key: &'static str,
    values: Vec<String>,
    origin: Origin,
}

/// What flags said: the key, and its values if it was given.
pub(super) type Flags = Vec<(&'static str, Option<Vec<String>>)>;

/// What a node is told to do.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub http: SocketAddr,
    /// Whether plain HTTP may be spoken off loopback.
    pub plain_http: bool,
    /// The certificates and the key by which HTTPS is spoken.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Names by which others reach this node.
    pub hosts: Vec<String>,
    /// Pages of other sites that may ask with a token.
    pub origins: Vec<WebOrigin>,
    pub listen: Vec<Multiaddr>,
    /// Addresses under which others reach it from outside.
    pub public: Vec<Multiaddr>,
    pub peer: Vec<Multiaddr>,
    pub mdns: bool,
    pub sync_every: Duration,
    pub return_after: Duration,
    pub log_format: LogFormat,
    /// Which events are logged (`tracing`'s filter).
    pub log: String,
    layered: Vec<Layered>,
}

/// `ucash.toml`, key for key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    http: Option<String>,
    plain_http: Option<bool>,
    tls_cert: Option<String>,
    tls_key: Option<String>,
    hosts: Option<Vec<String>>,
    origins: Option<Vec<String>>,
    listen: Option<Vec<String>>,
    public: Option<Vec<String>>,
    peer: Option<Vec<String>>,
    mdns: Option<bool>,
    sync_every: Option<String>,
    return_after: Option<String>,
    log_format: Option<String>,
    log: Option<String>,
}

impl File {
    fn read(directory: &Path, printer: Printer) -> Result<File, Failure> {
        let path = directory.join(FILE);
        let bad = |reason: String| {
            let french = format!(
                "Les réglages de {} ne se lisent pas : {reason}. Rien n'a été démarré : corrigez ce fichier, ou retirez-le.",
                path.display()
            );
            let english = format!(
                "The settings in {} cannot be read: {reason}. Nothing was started: correct that file, or remove it.",
                path.display()
            );
            let mut failure = Failure::new("bad_settings", printer.pick(&french, &english));
            failure.facts.insert("file".to_owned(), json!(path.display().to_string()));
            failure
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| {
                let line = error
                    .span()
                    .map_or(0, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
                let mut failure = bad(format!("{} {line}: {}", printer.pick("ligne", "line"), error.message()));
                failure.facts.insert("line".to_owned(), json!(line));
                failure
            }),
            // A directory that is none is told when it is opened.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(File::default()),
            Err(error) => Err(bad(error.to_string())),
        }
    }

    fn get(&self, key: &str) -> Option<Vec<String>> {
        let one = |text: &Option<String>| text.clone().map(|text| vec![text]);
        match key {
            "http" => one(&self.http),
            "plain_http" => self.plain_http.map(|plain| vec![plain.to_string()]),
            "tls_cert" => one(&self.tls_cert),
            "tls_key" => one(&self.tls_key),
            "hosts" => self.hosts.clone(),
            "origins" => self.origins.clone(),
            "listen" => self.listen.clone(),
            "public" => self.public.clone(),
            "peer" => self.peer.clone(),
            "mdns" => self.mdns.map(|mdns| vec![mdns.to_string()]),
            "sync_every" => one(&self.sync_every),
            "return_after" => one(&self.return_after),
            "log_format" => one(&self.log_format),
            "log" => one(&self.log),
            _ => None,
        }
    }
}

fn variable(key: &str) -> String {
    format!("UCASH_{}", key.to_uppercase())
}

fn flag(key: &str) -> String {
    match key {
        "mdns" => "--no-mdns".to_owned(),
        "hosts" => "--host".to_owned(),
        "origins" => "--origin".to_owned(),
        _ => format!("--{}", key.replace('_', "-")),
    }
}

fn is_list(key: &str) -> bool {
    matches!(key, "listen" | "public" | "peer" | "hosts" | "origins")
}

impl Settings {
    /// The settings of a directory, under what environment and flags say.
    ///
    /// # Errors
    ///
    /// `bad_settings` for a file that cannot be read, or a value that is none, with the key and where it stands.
    pub fn gather(
        directory: &Path,
        environment: impl Fn(&str) -> Option<String>,
        flags: &Flags,
        printer: Printer,
    ) -> Result<Settings, Failure> {
        let file = File::read(directory, printer)?;
        let layered: Vec<Layered> = KEYS
            .iter()
            .map(|(key, default)| {
                let given = flags.iter().find(|(name, _)| name == key).and_then(|(_, values)| values.clone());
                let set = environment(&variable(key)).filter(|text| !text.is_empty());
                let (values, origin) = match (given, set, file.get(key)) {
                    (Some(values), ..) => (values, Origin::Flag(flag(key))),
                    (None, Some(text), _) if is_list(key) => {
                        let values = text.split(',').map(|part| part.trim().to_owned()).collect();
                        (values, Origin::Environment(variable(key)))
                    }
                    (None, Some(text), _) => (vec![text], Origin::Environment(variable(key))),
                    (None, None, Some(values)) => (values, Origin::File),
                    (None, None, None) if is_list(key) => (Vec::new(), Origin::Default),
                    (None, None, None) => (vec![(*default).to_owned()], Origin::Default),
                };
                Layered { key, values, origin }
            })
            .collect();
        let read = Reader { layered: &layered, printer };
        Ok(Settings {
            http: read.one("http", |text| text.parse().ok())?,
            plain_http: read.one("plain_http", |text| text.parse().ok())?,
            tls: read.tls()?,
            hosts: read.list("hosts", |text| is_plain_host(text).then(|| text.to_owned()))?,
            origins: read.list("origins", |text| text.parse().ok())?,
            listen: read.list("listen", |text| text.parse().ok())?,
            public: read.list("public", |text| text.parse().ok())?,
            peer: read.list("peer", |text| text.parse().ok())?,
            mdns: read.one("mdns", |text| text.parse().ok())?,
            sync_every: read.one("sync_every", |text| duration(text).ok())?,
            return_after: read.one("return_after", |text| duration(text).ok())?,
            log_format: read.one("log_format", |text| LogFormat::from_str(text, false).ok())?,
            log: read
                .one("log", |text| tracing_subscriber::EnvFilter::try_new(text).is_ok().then(|| text.to_owned()))?,
            layered,
        })
    }

    /// Refuses what would send tokens over a network in the clear without having been asked to.
    ///
    /// # Errors
    ///
    /// `plain_http` for an address off loopback where HTTPS is not spoken and plain HTTP not asked for.
    pub fn check_reach(&self, printer: Printer) -> Result<(), Failure> {
        let Settings { http, plain_http, tls, .. } = self;
        if *plain_http || tls.is_some() || http.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        let french = format!(
            "{http} se joint depuis d'autres machines, et l'HTTP simple y ferait passer les jetons en clair. Rien n'a été démarré : donnez un certificat (--tls-cert et --tls-key), ou --plain-http si un proxy placé devant parle HTTPS."
        );
        let english = format!(
            "{http} is reached from other machines, and plain HTTP would show the tokens to whoever listens between. Nothing was started: give a certificate (--tls-cert and --tls-key), or --plain-http if a proxy in front speaks HTTPS."
        );
        let mut failure = Failure::new("plain_http", printer.pick(&french, &english));
        failure.facts.insert("http".to_owned(), json!(http.to_string()));
        Err(failure)
    }

    /// Each value and where it is from, for `--print-config`.
    pub fn print(&self, directory: &Path, printer: Printer) {
        let mut shown = Map::new();
        for Layered { key, values, origin } in &self.layered {
            let value = if is_list(key) { json!(values) } else { json!(values.first()) };
            shown.insert((*key).to_owned(), json!({ "value": value, "origin": origin.kind(), "name": origin.name() }));
        }
        printer.answer(&Value::Object(shown), |_| {
            let rows: Vec<Vec<String>> = self
                .layered
                .iter()
                .map(|Layered { key, values, origin }| {
                    let from = match origin {
                        Origin::Default => printer.pick("par défaut", "default").to_owned(),
                        Origin::File => directory.join(FILE).display().to_string(),
                        Origin::Environment(name) | Origin::Flag(name) => name.clone(),
                    };
                    vec![(*key).to_owned(), values.join(", "), from]
                })
                .collect();
            let head =
                [printer.pick("Réglage", "Setting"), printer.pick("Valeur", "Value"), printer.pick("D'où", "From")];
            table(&head, &rows, &[])
        });
    }
}

struct Reader<'a> {
    layered: &'a [Layered],
    printer: Printer,
}

impl Reader<'_> {
    fn one<T>(&self, key: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
        let layered = self.layered.iter().find(|layered| layered.key == key);
        let value = layered.and_then(|layered| layered.values.first()).map_or("", String::as_str);
        read(value).ok_or_else(|| self.bad(key, value))
    }

    /// The two files, or neither.
    fn tls(&self) -> Result<Option<(PathBuf, PathBuf)>, Failure> {
        let path = |key| self.one(key, |text| Some(PathBuf::from(text)));
        let (certificates, key) = (path("tls_cert")?, path("tls_key")?);
        match (certificates.as_os_str().is_empty(), key.as_os_str().is_empty()) {
            (true, true) => Ok(None),
            (false, false) => Ok(Some((certificates, key))),
            (true, false) => Err(self.bad("tls_cert", "")),
            (false, true) => Err(self.bad("tls_key", "")),
        }
    }

    fn list<T>(&self, key: &str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Failure> {
        let values = self.layered.iter().filter(|layered| layered.key == key).flat_map(|layered| &layered.values);
        values.map(|value| read(value).ok_or_else(|| self.bad(key, value))).collect()
    }

    fn bad(&self, key: &str, value: &str) -> Failure {
        let origin = self.layered.iter().find(|layered| layered.key == key);
        let from = origin.and_then(|layered| layered.origin.name()).unwrap_or(key);
        let expected = match key {
            "http" => "127.0.0.1:7070",
            "public" => "/ip4/203.0.113.7/tcp/7071",
            "listen" | "peer" => "/ip4/192.168.1.20/tcp/7071",
            "mdns" | "plain_http" => "true, false",
            "tls_cert" => "/etc/ucash/fullchain.pem",
            "tls_key" => "/etc/ucash/privkey.pem",
            "hosts" => "relais.example.cd",
            "origins" => "https://app.example.cd",
            "sync_every" | "return_after" => "30s, 15m, 24h",
            "log_format" => "human, json",
            _ => "warn,ucash=info",
        };
        let french = format!(
            "Le réglage « {key} » de {from} vaut « {value} », ce qui ne se comprend pas (exemple : {expected}). Rien n'a été démarré : corrigez-le."
        );
        let english = format!(
            "The setting `{key}` of {from} is `{value}`, which cannot be understood (example: {expected}). Nothing was started: correct it."
        );
        let mut failure = Failure::new("bad_settings", self.printer.pick(&french, &english));
        failure.facts.insert("key".to_owned(), json!(key));
        failure.facts.insert("from".to_owned(), json!(from));
        failure
    }
}
