//! What can go wrong when a network is started.

use std::io;

use libp2p::Multiaddr;
use thiserror::Error;

/// Why a network did not start, or is not ready.
#[derive(Debug, Error)]
pub enum NetError {
    /// [`super::spawn`] was called outside a tokio runtime.
    #[error("the network needs a running tokio runtime")]
    NoRuntime,
    /// The secret key is unusable.
    #[error("the device's secret key is not usable")]
    SecretKey,
    /// The address is neither plain TCP (`/ip4/../tcp/..`, `/ip6/../tcp/..`) nor QUIC (`../udp/../quic-v1`).
    #[error(
        "cannot listen on {address}: only /ip4/<ip>/tcp/<port> and /ip4/<ip>/udp/<port>/quic-v1, or the same with \
         /ip6/<ip>, are possible"
    )]
    ListenAddress {
        /// The address as it was given.
        address: Multiaddr,
    },
    /// The operating system refused the address: in use, not ours, not allowed.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address as it was given.
        address: Multiaddr,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A listener that had been accepted was closed before it had an address.
    #[error("the listener was closed: {reason}")]
    ListenerClosed {
        /// The library's reason.
        reason: String,
    },
    /// The listeners' real addresses did not become known in time.
    #[error("the listening addresses did not become known in time")]
    NotReady,
    /// The network has stopped.
    #[error("the network has stopped")]
    Stopped,
    /// A part of the network could not be set up.
    #[error("the network could not be set up: {reason}")]
    Setup {
        /// The library's reason.
        reason: String,
    },
}
