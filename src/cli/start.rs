//! `start`: run this node until it is told to stop.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::Context;
use super::failure::Failure;
use super::founding::{ZONE_DEFAULT, device_name};
use super::log::{LogFormat, begin};
use super::moments::duration;
use super::output::print_line;
use crate::http::{ApiSettings, ApiState, router, serve};
use crate::model::ShopId;
use crate::node::net::Multiaddr;
use crate::node::{self, FoundOptions, Online, RunOptions};
use crate::replica::Founder;

#[derive(Debug, clap::Args)]
pub(super) struct Start {
    /// Où servir l'API et la page ; le port 0 en prend un libre.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070")]
    http: SocketAddr,
    /// Où les autres appareils joignent celui-ci ; remplace les adresses par défaut.
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<Multiaddr>,
    /// Un appareil à toujours joindre.
    #[arg(long, value_name = "MULTIADDR")]
    peer: Vec<Multiaddr>,
    /// Ne pas chercher d'appareils sur le réseau local.
    #[arg(long)]
    no_mdns: bool,
    /// À quel rythme comparer avec les appareils connectés.
    #[arg(long, value_name = "DURÉE", default_value = "30s", value_parser = duration)]
    sync_every: Duration,
    /// Après combien de temps le montant d'un crédit annulé revient, même si tous les autres ne l'ont pas encore su.
    #[arg(long, value_name = "DURÉE", default_value = "24h", value_parser = duration, env = "UCASH_RETURN_AFTER")]
    return_after: Duration,
    /// La forme du journal.
    #[arg(long, value_enum, default_value = "human")]
    log_format: LogFormat,
}

impl Start {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        begin(self.log_format);
        let printer = context.printer;
        let system = |error: std::io::Error| Failure::system(printer.language, "tokio", error);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(system)?;
        runtime.block_on(async {
            // Before anything is announced: whoever reads the ready line may stop the node at once.
            let mut terminated = signal(SignalKind::terminate()).map_err(system)?;
            let mut interrupted = signal(SignalKind::interrupt()).map_err(system)?;
            let founded = !node::holds_device(&context.data);
            let options = RunOptions {
                http: self.http,
                listen: self.listen,
                peers: self.peer,
                mdns: !self.no_mdns,
                sync_every: self.sync_every,
                return_after: self.return_after,
            };
            let online = node::run(&context.data, options, Some(first_start())).await;
            let online = online.map_err(|error| Failure::of_node(&error, printer.language))?;
            if founded {
                printer.remark(printer.pick(
                    "Répertoire vide : un réseau d'une agence y a été fondé. (ucash init choisit les noms.)",
                    "Empty directory: a network of one shop was founded in it. (ucash init chooses the names.)",
                ));
            }
            if let Some(original) = &online.copied_from {
                context.tell_copied(original);
            }
            run_until(context, online, async {
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

async fn run_until(context: &Context, online: Online, stop: impl Future<Output = ()>) {
    let state = ApiState::new(ApiSettings {
        node: online.node.clone(),
        local_credential: online.credential.clone(),
        bound: Some(online.http),
        hosts: Vec::new(),
        clock: node::now,
        draw: node::draw,
        addresses: Arc::clone(&online.addresses),
    });
    if let Err(error) = state.load_tokens().await {
        tracing::warn!(?error, "the tokens could not be read");
    }
    announce(context, &online);
    let (listener, rest) = online.into_parts();
    serve(listener, router(state), stop).await;
    context.printer.remark(context.printer.pick("Arrêt.", "Stopping."));
    rest.stop().await;
}

fn announce(context: &Context, online: &Online) {
    if context.printer.json {
        let ready = json!({
            "event": "ready", "http": online.http.to_string(), "listen": online.listen, "peer_id": online.peer_id,
        });
        return print_line(&ready.to_string());
    }
    print_line(&format!("{} http://{}/", context.printer.pick("Page :", "Page:"), online.http));
    print_line(&format!("{} {}", context.printer.pick("À l'écoute :", "Listening:"), online.listen.join(" ")));
}
