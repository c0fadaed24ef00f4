//! HTTPS: the certificate and key of two PEM files, replaced while the node runs when the files change.
//!
//! A connection goes on with what it began with; each new one gets what was read last. A pair that does not fit is told
//! once in the log, and the one before stays. It must never show, log or keep apart a byte of the key.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use thiserror::Error;
use tokio::signal::unix::Signal;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{Error as RustlsError, ServerConfig};

use super::limits::PEM_BYTES_MAX;

/// Why two files are no certificate and key to serve with. What stands in the key's file is never repeated.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No certificate in the file.
    #[error("no certificate in PEM in {}", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// No private key in the file, or one under a passphrase.
    #[error("no private key in PEM (without a passphrase) in {}", path.display())]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// The key is another certificate's.
    #[error("the key in {} is not that of the certificate in {}", key.display(), certificates.display())]
    OtherKey {
        /// The certificates.
        certificates: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// A certificate or key that is not understood.
    #[error("the certificate or its key cannot be used: {0}")]
    Unfit(RustlsError),
}

/// What looking at the files again came to.
#[derive(Debug)]
pub enum Reload {
    /// They are as they were.
    Same,
    /// They changed, and what they hold now is served from here on.
    Replaced,
    /// They changed to what cannot be served: what was before is served on.
    Kept(TlsError),
}

/// The certificate and key that are served, and the files they are from.
pub struct Tls {
    certificates: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
    /// Hash of what the files held when they were last looked at, good or bad.
    seen: Mutex<[u8; 32]>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Tls { certificates, key, .. } = self;
        formatter.debug_struct("Tls").field("certificates", certificates).field("key", key).finish_non_exhaustive()
    }
}

/// What the two files held, or why they could not be read.
struct Files {
    certificates: Result<Vec<u8>, std::io::Error>,
    key: Result<Vec<u8>, std::io::Error>,
}

impl Files {
    fn read(certificates: &Path, key: &Path) -> Files {
        Files { certificates: bytes_of(certificates), key: bytes_of(key) }
    }

    fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for file in [&self.certificates, &self.key] {
            let hash = match file {
                Ok(bytes) => blake3::hash(bytes),
                Err(error) => blake3::hash(error.to_string().as_bytes()),
            };
            hasher.update(&[u8::from(file.is_ok())]).update(hash.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}

/// A file, up to a bound: a device file or a log given by mistake has no end.
fn bytes_of(path: &Path) -> Result<Vec<u8>, std::io::Error> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(PEM_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > PEM_BYTES_MAX { Err(ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

impl Tls {
    /// Reads certificates (the server's first) and key.
    ///
    /// # Errors
    ///
    /// If they cannot be read or served.
    pub fn open(certificates: &Path, key: &Path) -> Result<Tls, TlsError> {
        let files = Files::read(certificates, key);
        let seen = files.hash();
        let config = config(files, certificates, key)?;
        Ok(Tls {
            certificates: certificates.to_owned(),
            key: key.to_owned(),
            config: RwLock::new(Arc::new(config)),
            seen: Mutex::new(seen),
        })
    }

    /// Looks at the files again. Something bad that was told once is [`Reload::Same`] until it changes.
    pub fn reload(&self) -> Reload {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let files = Files::read(&self.certificates, &self.key);
        let hash = files.hash();
        if hash == *seen {
            return Reload::Same;
        }
        *seen = hash;
        match config(files, &self.certificates, &self.key) {
            Ok(config) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                Reload::Replaced
            }
            Err(error) => Reload::Kept(error),
        }
    }

    /// Greets one connection with what was read last.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

/// The crypto is named, not taken from the process: libraries beside us may have set another.
fn config(files: Files, certificates: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Unreadable { path, source }
    };
    let chain = files.certificates.map_err(unreadable(certificates))?;
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| TlsError::NoCertificate { path: certificates.to_owned() })?;
    let secret = files.key.map_err(unreadable(key))?;
    let secret = PrivateKeyDer::from_pem_slice(&secret).map_err(|_| TlsError::NoKey { path: key.to_owned() })?;
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Unfit)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, secret).map_err(|error| match error {
        RustlsError::InconsistentKeys(_) => {
            TlsError::OtherKey { certificates: certificates.to_owned(), key: key.to_owned() }
        }
        other => TlsError::Unfit(other),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Looks at the files every so often, and at once when the process is told to (SIGHUP). Never ends.
pub async fn keep_current(tls: Arc<Tls>, every: Duration, mut told: Signal) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            // Nobody can tell any more: the time alone is left.
            told = told.recv() => if told.is_none() { tokio::time::sleep(every).await },
        }
        let looked = Arc::clone(&tls);
        match tokio::task::spawn_blocking(move || looked.reload()).await {
            Ok(Reload::Replaced) => tracing::info!("the TLS certificate was replaced"),
            Ok(Reload::Kept(error)) => tracing::warn!(%error, "the TLS certificate before is kept"),
            Ok(Reload::Same) | Err(_) => {}
        }
    }
}
