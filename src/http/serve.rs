//! The connections: HTTP/1.1 only, every one of them bounded in time, number and size.
//!
//! `axum::serve` is not used: it sets no timer, without which hyper's limit on the time for a request head has no
//! effect. HTTP/2 is not spoken: on a LAN it gains nothing, and its streams would need bounds of their own.

use std::future::{Future, ready};
use std::net::SocketAddr;
use std::sync::Arc;
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

use super::auth::LocalAddress;
use super::crowd::Crowd;
use super::limits::{
    BODY_READ_TIME, CONNECTIONS_MAX, HANDSHAKE_TIME, HEAD_BYTES_MAX, HEADER_READ_TIME, HEARTBEAT_TIME,
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
    /// For agreeing on TLS.
    pub handshake: Duration,
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
            handshake: HANDSHAKE_TIME,
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

/// What every connection to one address goes through.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// How long each step may take.
    pub times: Times,
    /// HTTPS is spoken where this is there, else plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// Who is connected.
    pub crowd: Crowd,
}

/// Serves the router until `shutdown` completes, then lets open requests end for a while.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    serve_within(listener, router, Door::default(), shutdown).await;
}

/// [`serve`] through that door.
pub async fn serve_within(listener: TcpListener, router: Router, door: Door, shutdown: impl Future<Output = ()>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
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
                    // Whoever holds too many is hung up on: an answer would be work, and with TLS a lot of it.
                    let Some(place) = door.crowd.admit(peer.ip()) else { continue };
                    let connection = receive(stream, peer, router.clone(), door.clone(), stopped.clone());
                    tokio::spawn(async move {
                        connection.await;
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
    let _ = tokio::time::timeout(door.times.shutdown, stop.closed()).await;
}

/// One connection from its first byte to its last.
async fn receive(stream: TcpStream, peer: SocketAddr, router: Router, door: Door, mut stopped: watch::Receiver<bool>) {
    let Ok(local) = stream.local_addr() else { return };
    let _ = stream.set_nodelay(true);
    let Some(tls) = door.tls else {
        return converse(stream, (peer, local), router, door.times, stopped).await;
    };
    let greeting = tokio::time::timeout(door.times.handshake, tls.acceptor().accept(stream));
    tokio::pin!(greeting);
    let greeted = tokio::select! {
        greeted = greeting.as_mut() => greeted,
        // Who has just come in is greeted and answered yet: nobody else will see this connection.
        () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => match tokio::time::timeout(FIRST_REQUEST, greeting).await {
            Ok(greeted) => greeted,
            Err(_) => return,
        },
    };
    if let Ok(Ok(stream)) = greeted {
        converse(stream, (peer, local), router, door.times, stopped).await;
    }
}

/// Requests and answers, once the way is agreed on.
async fn converse<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: T,
    (peer, local): (SocketAddr, SocketAddr),
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
