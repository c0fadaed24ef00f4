//! `start`: run this node until it is told to stop.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ValueEnum, ValueHint};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::Context;
use super::failure::Failure;
use super::founding::{ZONE_DEFAULT, device_name};
use super::log::{LogFormat, begin};
use super::moments::duration;
use super::node::tell_rescue;
use super::output::print_line;
use super::settings::{Flags, Settings};
use super::way::{Way, open_certificate};
use crate::http::{ApiSettings, ApiState, router};
use crate::model::ShopId;
use crate::node::net::{CircuitLimits, Multiaddr};
use crate::node::{self, FoundOptions, Online, RunOptions};
use crate::replica::Founder;

#[derive(Debug, clap::Args)]
pub(super) struct Start {
    /// Où servir l'API et la page (127.0.0.1:7070 par défaut) ; le port 0 en prend un libre.
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Servir en HTTP simple aux autres machines aussi : pour un proxy placé devant, qui parle HTTPS.
    #[arg(long)]
    plain_http: bool,
    /// Le certificat (PEM, celui du serveur d'abord) par lequel servir en HTTPS.
    #[arg(long, value_name = "PEM", value_hint = ValueHint::FilePath)]
    tls_cert: Option<String>,
    /// La clé de ce certificat (PEM, sans phrase secrète).
    #[arg(long, value_name = "PEM", value_hint = ValueHint::FilePath)]
    tls_key: Option<String>,
    /// Un nom par lequel ce nœud est joint (plusieurs fois s'il y en a plusieurs).
    #[arg(long, value_name = "NOM")]
    host: Vec<String>,
    /// Une page d'un autre site qui peut demander avec un jeton, comme https://app.example.cd.
    #[arg(long, value_name = "URL")]
    origin: Vec<String>,
    /// Où les autres appareils joignent celui-ci ; remplace les adresses par défaut.
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<Multiaddr>,
    /// Une adresse par laquelle les autres joignent celui-ci de l'extérieur ; elle leur est dite.
    #[arg(long, value_name = "MULTIADDR")]
    public: Vec<Multiaddr>,
    /// Un appareil à toujours joindre.
    #[arg(long, value_name = "MULTIADDR")]
    peer: Vec<Multiaddr>,
    /// Ne pas chercher d'appareils sur le réseau local.
    #[arg(long)]
    no_mdns: bool,
    /// À quel rythme comparer avec les appareils connectés (30s par défaut).
    #[arg(long, value_name = "DURÉE", value_parser = written_duration)]
    sync_every: Option<String>,
    /// Après combien de temps le montant d'un crédit annulé revient, même si tous les autres ne l'ont pas encore su
    /// (24h par défaut).
    #[arg(long, value_name = "DURÉE", value_parser = written_duration)]
    return_after: Option<String>,
    /// La forme du journal (human par défaut).
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    /// Imprimer les réglages et d'où vient chacun (options, environnement, ucash.toml), sans rien démarrer.
    #[arg(long)]
    print_config: bool,
}

/// A duration as it was written, once it is known to be one.
fn written_duration(text: &str) -> Result<String, String> {
    duration(text).map(|_| text.to_owned())
}

/// `relay`: the same node in the part of the central server.
#[derive(Debug, clap::Args)]
pub(super) struct Relay {
    #[command(flatten)]
    start: Start,
}

impl Relay {
    /// Runs a directory that is a device already: a relay founds no network.
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        if !self.start.print_config && !node::holds_device(&context.data) {
            let printer = context.printer;
            let path = context.data.display();
            let french = format!(
                "{path} ne contient pas d'appareil : un relais fait partie d'un réseau qui existe. Rien n'a été démarré. Au siège : « ucash invite --role relay » ; puis ici : « ucash join INVITATION », et de nouveau « ucash relay »."
            );
            let english = format!(
                "{path} holds no device: a relay is part of a network that exists. Nothing was started. At the head office: `ucash invite --role relay`; then here: `ucash join INVITATION`, and `ucash relay` again."
            );
            return Err(Failure::new("no_device", printer.pick(&french, &english)));
        }
        self.start.run_as(context, None, Some(CircuitLimits::default()))
    }
}

impl Start {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        self.run_as(context, Some(first_start()), None)
    }

    fn run_as(
        self,
        context: &Context,
        found: Option<FoundOptions>,
        relay: Option<CircuitLimits>,
    ) -> Result<ExitCode, Failure> {
        let printer = context.printer;
        let environment = |name: &str| std::env::var(name).ok();
        let mut settings = Settings::gather(&context.data, environment, &self.flags(), printer)?;
        if self.print_config {
            settings.print(&context.data, printer);
            return Ok(ExitCode::SUCCESS);
        }
        let system = |error: std::io::Error| Failure::system(printer.language, "systemd", error);
        let socket = node::handed_over().map_err(system)?;
        if let Some(address) = socket.as_ref().and_then(|socket| socket.local_addr().ok()) {
            // Who can reach it is asked of the socket that is served, whatever the setting says.
            settings.http = address;
        }
        settings.check_reach(printer)?;
        let certificate = open_certificate(&settings, printer)?;
        begin(settings.log_format, &settings.log);
        let system = |error: std::io::Error| Failure::system(printer.language, "tokio", error);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(system)?;
        runtime.block_on(async {
            // Before anything is announced: whoever reads the ready line may stop the node at once.
            let mut terminated = signal(SignalKind::terminate()).map_err(system)?;
            let mut interrupted = signal(SignalKind::interrupt()).map_err(system)?;
            let founded = !node::holds_device(&context.data);
            let options = RunOptions {
                http: settings.http,
                socket,
                tls: certificate.is_some(),
                listen: settings.listen,
                public: settings.public,
                relay,
                peers: settings.peer,
                mdns: settings.mdns,
                sync_every: settings.sync_every,
                return_after: settings.return_after,
            };
            let online = node::run(&context.data, options, found).await;
            let online = online.map_err(|error| Failure::of_node(&error, printer.language))?;
            if founded {
                printer.remark(printer.pick(
                    "Répertoire vide : un réseau d'une agence y a été fondé. (ucash init choisit les noms.)",
                    "Empty directory: a network of one shop was founded in it. (ucash init chooses the names.)",
                ));
            }
            online.rescue.iter().for_each(|rescue| tell_rescue(context, rescue));
            if let Some(original) = &online.copied_from {
                context.tell_copied(original);
            }
            let way = Way { certificate, hosts: settings.hosts, origins: settings.origins };
            run_until(context, online, way, async {
                tokio::select! {
                    _ = terminated.recv() => {}
                    _ = interrupted.recv() => {}
                }
            })
            .await;
            Ok(ExitCode::SUCCESS)
        })
    }
}

impl Start {
    /// What was said on the command line.
    fn flags(&self) -> Flags {
        let one = |text: Option<String>| text.map(|text| vec![text]);
        let all = |given: &[Multiaddr]| {
            (!given.is_empty()).then(|| given.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let format = self.log_format.and_then(|format| Some(format.to_possible_value()?.get_name().to_owned()));
        vec![
            ("http", one(self.http.map(|http| http.to_string()))),
            ("plain_http", self.plain_http.then(|| vec!["true".to_owned()])),
            ("tls_cert", one(self.tls_cert.clone())),
            ("tls_key", one(self.tls_key.clone())),
            ("hosts", (!self.host.is_empty()).then(|| self.host.clone())),
            ("origins", (!self.origin.is_empty()).then(|| self.origin.clone())),
            ("listen", all(&self.listen)),
            ("public", all(&self.public)),
            ("peer", all(&self.peer)),
            ("mdns", self.no_mdns.then(|| vec!["false".to_owned()])),
            ("sync_every", one(self.sync_every.clone())),
            ("return_after", one(self.return_after.clone())),
            ("log_format", one(format)),
        ]
    }
}

/// What a first start in an empty directory founds, so that one command shows a working node.
fn first_start() -> FoundOptions {
    FoundOptions {
        founder: Founder {
            network: "UCASH".to_owned(),
            time_zone: ZONE_DEFAULT.to_owned(),
            shop: ShopId(1),
            shop_name: "Agence 1".to_owned(),
            device_name: device_name(),
        },
    }
}

async fn run_until(context: &Context, mut online: Online, way: Way, stop: impl Future<Output = ()> + Send) {
    let state = ApiState::new(ApiSettings {
        node: online.node.clone(),
        local_credential: online.credential.clone(),
        bound: Some(online.http),
        hosts: way.hosts.clone(),
        origins: way.origins.clone(),
        clock: node::now,
        draw: node::draw,
        addresses: Arc::clone(&online.addresses),
    });
    if let Err(error) = state.load_tokens().await {
        tracing::warn!(?error, "the tokens could not be read");
    }
    announce(context, &online, way.certificate.is_some());
    let for_commands = online.for_commands.take();
    let (listener, rest) = online.into_parts();
    way.serve((listener, for_commands), router(state), stop).await;
    context.printer.remark(context.printer.pick("Arrêt.", "Stopping."));
    rest.stop().await;
}

fn announce(context: &Context, online: &Online, is_https: bool) {
    if context.printer.json {
        let ready = json!({
            "event": "ready", "http": online.http.to_string(), "listen": online.listen, "peer_id": online.peer_id,
        });
        return print_line(&ready.to_string());
    }
    let scheme = if is_https { "https" } else { "http" };
    print_line(&format!("{} {scheme}://{}/", context.printer.pick("Page :", "Page:"), online.http));
    print_line(&format!("{} {}", context.printer.pick("À l'écoute :", "Listening:"), online.listen.join(" ")));
}
