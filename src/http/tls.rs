//! TLS for the HTTP face: certificate and key from files, read again when they change, so that renewing a certificate
//! restarts nothing.
//!
//! A pair that is of no use never replaces one that is: it is said in the log once, and the old one goes on.

use std::fmt;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use thiserror::Error;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{Error as RustlsError, ServerConfig};

use super::limits::TLS_LOOK;

/// Why a certificate and key are of no use.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file that cannot be read, or is no PEM of its kind.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// They do not go together, or are not of a kind that is known.
    #[error("{0}")]
    Pair(#[from] RustlsError),
}

/// A certificate and its key, as the files held them last.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    held: Mutex<Held>,
}

struct Held {
    acceptor: TlsAcceptor,
    files: Files,
    looked_at: Instant,
}

/// What tells that a file was written anew.
type Stamp = Option<(Option<SystemTime>, u64)>;
type Files = [Stamp; 2];

/// Without the key.
impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// [`TlsError`]: a file that is not there or holds something else, or a key of another certificate.
    pub fn open(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
        let files = stamps(certificate, key);
        let acceptor = read(certificate, key)?;
        let held = Held { acceptor, files, looked_at: Instant::now() };
        Ok(Tls { certificate: certificate.to_owned(), key: key.to_owned(), held: Mutex::new(held) })
    }

    /// What the next connection is met with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.looked_at.elapsed() >= TLS_LOOK {
            held.looked_at = Instant::now();
            let files = stamps(&self.certificate, &self.key);
            if files != held.files {
                held.files = files;
                match read(&self.certificate, &self.key) {
                    Ok(acceptor) => {
                        tracing::info!(certificate = %self.certificate.display(), "the TLS certificate was read anew");
                        held.acceptor = acceptor;
                    }
                    Err(error) => tracing::warn!(%error, "the new TLS certificate is of no use, the old one goes on"),
                }
            }
        }
        held.acceptor.clone()
    }
}

fn stamps(certificate: &Path, key: &Path) -> Files {
    let stamp = |metadata: Metadata| (metadata.modified().ok(), metadata.len());
    [certificate, key].map(|path| std::fs::metadata(path).ok().map(stamp))
}

fn read(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let bad = |path: &Path, error: &PemError| TlsError::File {
        path: path.display().to_string(),
        reason: match error {
            PemError::Io(error) => error.to_string(),
            PemError::NoItemsFound => "no PEM of this kind in it".to_owned(),
            other => format!("{other:?}"),
        },
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| bad(certificate, &error))?;
    if chain.is_empty() {
        return Err(bad(certificate, &PemError::NoItemsFound));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, &error))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, secret)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
