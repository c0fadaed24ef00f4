//! The connections: HTTP/1.1 only, every one of them bounded in time, number and size.
//!
//! `axum::serve` is not used: it sets no timer, without which hyper's limit on the time for a request head has no
//! effect. HTTP/2 is not spoken: on a LAN it gains nothing, and its streams would need bounds of their own.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Extension};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::auth::LocalAddress;
use super::limits::{CONNECTIONS_MAX, HEAD_BYTES_MAX, HEADER_READ_TIME, SHUTDOWN_TIME};

/// How long accepting rests after the system refused it (too many open files): at once it would refuse again.
const ACCEPT_REST: Duration = Duration::from_millis(200);

/// Serves the router until `shutdown` completes, then lets open requests end for a while.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
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
                    let connection = converse(stream, peer, router.clone(), stopped.clone());
                    tokio::spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                _ => tokio::time::sleep(ACCEPT_REST).await,
            },
        }
    }
    drop(listener);
    drop(stopped);
    let _ = stop.send(true);
    let _ = tokio::time::timeout(SHUTDOWN_TIME, stop.closed()).await;
}

/// One connection from its first byte to its last.
async fn converse(stream: TcpStream, peer: SocketAddr, router: Router, mut stopped: watch::Receiver<bool>) {
    let Ok(local) = stream.local_addr() else { return };
    let _ = stream.set_nodelay(true);
    let service =
        router.layer(Extension(ConnectInfo(peer))).layer(Extension(LocalAddress(local))).into_service::<Incoming>();
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIME)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
