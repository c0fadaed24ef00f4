//! The connections: HTTP/1.1 only, every one of them bounded in time, number and size.
//!
//! `axum::serve` is not used: it sets no timer, without which hyper's limit on the time for a request head has no
//! effect. HTTP/2 is not spoken: on a LAN it gains nothing, and its streams would need bounds of their own.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Extension, Request};
use axum::middleware::map_request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::auth::LocalAddress;
use super::limits::{
    BODY_READ_TIME, CONNECTIONS_A_HOST_MAX, CONNECTIONS_MAX, HEAD_BYTES_MAX, HEADER_READ_TIME, HEARTBEAT_TIME,
    LONG_REQUEST_TIME, REQUEST_TIME, SHUTDOWN_TIME, WRITE_TIME,
};
use super::patience::Patient;
use super::tls::Tls;

/// How long accepting rests after the system refused it (too many open files): at once it would refuse again.
const ACCEPT_REST: Duration = Duration::from_millis(200);

/// How long a connection that never asked anything is waited for when the node ends: what a request head takes on its way.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// How long a connection is waited for at each of its steps. The defaults are those of [`super::limits`].
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For a request head, and for the next one of a connection that is kept open.
    pub head: Duration,
    /// For the next bytes of a body.
    pub body: Duration,
    /// For a reader to take some of an answer.
    pub write: Duration,
    /// For a request in all, its body included.
    pub request: Duration,
    /// For an import or a verification in all.
    pub long_request: Duration,
    /// Between signs of life of a stream of events that has none to tell.
    pub heartbeat: Duration,
    /// For what is open when the node ends.
    pub shutdown: Duration,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            head: HEADER_READ_TIME,
            body: BODY_READ_TIME,
            write: WRITE_TIME,
            request: REQUEST_TIME,
            long_request: LONG_REQUEST_TIME,
            heartbeat: HEARTBEAT_TIME,
            shutdown: SHUTDOWN_TIME,
        }
    }
}

/// Tells handlers that would go on without end that the node is ending.
#[derive(Clone, Debug)]
pub(super) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Waits until the node ends; for ever where nobody would say so.
    pub(super) async fn wait(stopping: Option<&mut Stopping>) {
        match stopping {
            // An error means that who would say so is gone.
            Some(Stopping(stopped)) => drop(stopped.wait_for(|stopped| *stopped).await),
            None => std::future::pending().await,
        }
    }
}

/// Serves the router until `shutdown` completes, then lets open requests end for a while.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    serve_over(listener, None, router, shutdown).await;
}

/// [`serve`], over TLS where there is a certificate.
pub async fn serve_over(listener: TcpListener, tls: Option<Tls>, router: Router, shutdown: impl Future<Output = ()>) {
    accept(listener, tls, router, Times::default(), shutdown).await;
}

/// [`serve`] with other times, for tests that would wait too long.
pub async fn serve_within(listener: TcpListener, router: Router, times: Times, shutdown: impl Future<Output = ()>) {
    accept(listener, None, router, times, shutdown).await;
}

async fn accept(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    times: Times,
    shutdown: impl Future<Output = ()>,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let hosts = Arc::new(Hosts::default());
    let (stop, stopped) = watch::channel(false);
    tokio::pin!(shutdown);
    loop {
        // The permit first: beyond the limit, connections wait in the system's queue and cost this process nothing.
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            () = &mut shutdown => break,
            (permit, accepted) = accepted => match (permit, accepted) {
                (Ok(permit), Ok((stream, peer))) => {
                    // Closed at once: one host must not take every place.
                    let Some(place) = hosts.place_of(peer.ip()) else { continue };
                    let (router, stopped) = (router.clone(), stopped.clone());
                    let acceptor = tls.as_ref().map(Tls::acceptor);
                    tokio::spawn(async move {
                        meet(stream, acceptor, peer, router, times, stopped).await;
                        drop((permit, place));
                    });
                }
                _ => tokio::time::sleep(ACCEPT_REST).await,
            },
        }
    }
    drop(listener);
    drop(stopped);
    let _ = stop.send(true);
    let _ = tokio::time::timeout(times.shutdown, stop.closed()).await;
}

/// How many connections each host has. This machine's own programs, and a proxy on it, are not counted.
#[derive(Debug, Default)]
struct Hosts(Mutex<BTreeMap<IpAddr, usize>>);

/// A place among the connections of a host, given back when it is dropped.
struct HostPlace(Arc<Hosts>, IpAddr);

impl Hosts {
    fn place_of(self: &Arc<Self>, host: IpAddr) -> Option<HostPlace> {
        let host = host.to_canonical();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(host).or_default();
        if *count >= CONNECTIONS_A_HOST_MAX && !host.is_loopback() {
            return None;
        }
        *count += 1;
        Some(HostPlace(Arc::clone(self), host))
    }
}

impl Drop for HostPlace {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

/// One connection from its first byte to its last: its TLS handshake if there is one, no longer than a request head.
async fn meet(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    peer: SocketAddr,
    router: Router,
    times: Times,
    stopped: watch::Receiver<bool>,
) {
    let Ok(local) = stream.local_addr() else { return };
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => converse(stream, (local, peer), router, times, stopped).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(times.head, acceptor.accept(stream)).await {
                converse(stream, (local, peer), router, times, stopped).await;
            }
        }
    }
}

/// The requests of one connection.
async fn converse<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: T,
    (local, peer): (SocketAddr, SocketAddr),
    router: Router,
    times: Times,
    mut stopped: watch::Receiver<bool>,
) {
    let (began, mut begun) = watch::channel(false);
    let service = router
        .layer(map_request(move |request: Request| {
            began.send_replace(true);
            ready(request)
        }))
        .layer(Extension(ConnectInfo(peer)))
        .layer(Extension(LocalAddress(local)))
        .layer(Extension(Stopping(stopped.clone())))
        .layer(Extension(times))
        .into_service::<Incoming>();
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(times.head)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream, times.write)), TowerToHyperService::new(service));
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    // Who has just come in is about to ask, and is answered before the door is closed.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = tokio::time::timeout(FIRST_REQUEST, begun.wait_for(|begun| *begun)) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
