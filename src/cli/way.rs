//! How a running node is reached over HTTP: plain or under a certificate, by which names, from which pages.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;
use super::faults;
use super::output::Printer;
use super::settings::Settings;
use crate::http::limits::CERTIFICATE_LOOK_TIME;
use crate::http::{Door, Tls, WebOrigin, keep_current, serve_within};

/// How a running node is reached over HTTP.
pub(super) struct Way {
    pub certificate: Option<Arc<Tls>>,
    pub hosts: Vec<String>,
    pub origins: Vec<WebOrigin>,
}

/// The certificate of the settings, if they name one; read before anything is started.
pub(super) fn open_certificate(settings: &Settings, printer: Printer) -> Result<Option<Arc<Tls>>, Failure> {
    let Some((certificates, key)) = &settings.tls else { return Ok(None) };
    let tls = Tls::open(certificates, key).map_err(|error| {
        let (code, french, english) = faults::certificate(&error);
        Failure::new(code, printer.pick(&french, &english))
    })?;
    Ok(Some(Arc::new(tls)))
}

impl Way {
    /// Serves until `stop`: others on the first listener, the commands of this directory on the second, if there is one.
    pub async fn serve(
        self,
        (listener, for_commands): (TcpListener, Option<TcpListener>),
        router: Router,
        stop: impl Future<Output = ()> + Send,
    ) {
        let stop = stop.shared();
        let keeping = self.certificate.clone().and_then(|tls| {
            // Without it the files are still looked at every so often.
            let told = signal(SignalKind::hangup())
                .inspect_err(|error| tracing::warn!(%error, "SIGHUP cannot be heard, the certificate is not renewed"));
            Some(tokio::spawn(keep_current(tls, CERTIFICATE_LOOK_TIME, told.ok()?)))
        });
        let door = Door { tls: self.certificate, ..Door::default() };
        let commands = async {
            if let Some(listener) = for_commands {
                // A crowd and permits of their own: strangers who take all places keep no command out.
                serve_within(listener, router.clone(), Door::default(), stop.clone()).await;
            }
        };
        tokio::join!(serve_within(listener, router.clone(), door, stop.clone()), commands);
        if let Some(keeping) = keeping {
            keeping.abort();
        }
    }
}
