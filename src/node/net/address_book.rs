//! Where trusted peers were last met, kept across restarts.
//!
//! ```json
//! { "version": 1, "peers": [ { "device": "<52 letters>", "addresses": ["/ip4/192.168.1.7/tcp/4001"] } ] }
//! ```
//!
//! The book is a convenience: a damaged one is read as empty, with a warning, and nothing depends on it being
//! right. It never holds a key's secret half, and never an address of a peer that was not trusted.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use libp2p::Multiaddr;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::warn;

use super::keys::{peer_of, split_peer};
use super::limits::{ADDRESS_BYTES_MAX, BOOK_BYTES_MAX, BOOK_PEERS_MAX, PEER_ADDRESSES_MAX};
use crate::model::DeviceKey;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct BookFile {
    version: u32,
    peers: Vec<PeerFile>,
}

#[derive(Serialize, Deserialize)]
struct PeerFile {
    device: String,
    addresses: Vec<String>,
}

/// Trusted peers and their addresses, the one trusted longest ago first.
#[derive(Default)]
pub(super) struct AddressBook {
    peers: Vec<(DeviceKey, Vec<Multiaddr>)>,
}

impl AddressBook {
    /// Reads a book, or starts an empty one if there is none or it cannot be read.
    pub(super) fn load(path: &Path) -> AddressBook {
        match read(path) {
            Ok(book) => book,
            Err(error) if error.kind() == io::ErrorKind::NotFound => AddressBook::default(),
            Err(error) => {
                warn!(%error, "the address book cannot be read, starting with an empty one");
                AddressBook::default()
            }
        }
    }

    /// Every peer with its addresses.
    pub(super) fn peers(&self) -> impl Iterator<Item = &(DeviceKey, Vec<Multiaddr>)> {
        self.peers.iter()
    }

    /// Whether the peer was trusted once.
    pub(super) fn contains(&self, device: &DeviceKey) -> bool {
        self.peers.iter().any(|(known, _)| known == device)
    }

    /// Remembers a trusted peer, the given addresses before those known already. Says whether anything changed
    /// that is worth writing.
    pub(super) fn remember(&mut self, device: DeviceKey, addresses: &[Multiaddr]) -> bool {
        let position = self.peers.iter().position(|(known, _)| *known == device);
        let before = position.map(|position| self.peers.remove(position).1);
        let mut merged: Vec<Multiaddr> = Vec::new();
        for address in addresses.iter().chain(before.iter().flatten()) {
            if merged.len() < PEER_ADDRESSES_MAX && !merged.contains(address) {
                merged.push(address.clone());
            }
        }
        let changed = before.as_ref() != Some(&merged);
        self.peers.push((device, merged));
        if self.peers.len() > BOOK_PEERS_MAX {
            self.peers.remove(0);
        }
        changed
    }

    /// The file's text.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let peers = self.peers.iter().map(|(device, addresses)| PeerFile {
            device: device.to_text(),
            addresses: addresses.iter().map(Multiaddr::to_string).collect(),
        });
        // Serialising strings and numbers to memory cannot fail; an empty file would be read as a damaged one.
        serde_json::to_vec_pretty(&BookFile { version: VERSION, peers: peers.collect() }).unwrap_or_default()
    }
}

fn read(path: &Path) -> io::Result<AddressBook> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BOOK_BYTES_MAX).read_to_end(&mut bytes)?;
    let file: BookFile = serde_json::from_slice(&bytes)?;
    if file.version != VERSION {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("version {} is not known", file.version)));
    }
    let mut book = AddressBook::default();
    for peer in file.peers {
        // One bad line costs that line only.
        let Some(device) = DeviceKey::from_text(&peer.device).filter(|device| peer_of(device).is_some()) else {
            continue;
        };
        let addresses = peer.addresses.iter().filter_map(|text| text.parse::<Multiaddr>().ok());
        let addresses: Vec<Multiaddr> = addresses
            .map(|address| split_peer(address).0)
            .filter(|address| address.len() <= ADDRESS_BYTES_MAX)
            .collect();
        book.remember(device, &addresses);
    }
    Ok(book)
}

/// Writes the latest book beside the network loop, so that a slow disk delays no connection.
pub(super) struct BookWriter {
    latest: watch::Sender<Vec<u8>>,
    task: JoinHandle<()>,
}

impl BookWriter {
    /// Starts the writer on the current runtime.
    pub(super) fn start(path: PathBuf) -> BookWriter {
        let (latest, mut waiting) = watch::channel(Vec::new());
        let task = tokio::spawn(async move {
            while waiting.changed().await.is_ok() {
                let bytes = waiting.borrow_and_update().clone();
                let path = path.clone();
                match tokio::task::spawn_blocking(move || replace_file(&path, &bytes)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => warn!(%error, "the address book cannot be written"),
                    Err(error) => warn!(%error, "the address book's writer failed"),
                }
            }
        });
        BookWriter { latest, task }
    }

    /// Hands over a new text; an older one that is still waiting is skipped.
    pub(super) fn write(&self, bytes: Vec<u8>) {
        self.latest.send_replace(bytes);
    }

    /// Waits until the last text is on disk.
    pub(super) async fn finish(self) {
        drop(self.latest);
        let _ = self.task.await;
    }
}

/// Replaces a file as a whole: after a crash the old or the new one is there.
fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    // Without this the rename itself may be forgotten. Windows cannot open a directory this way and needs not to.
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(seed: u8) -> DeviceKey {
        DeviceKey(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes())
    }

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/192.168.1.7/tcp/{port}").parse().expect("a well-formed address")
    }

    #[test]
    fn what_was_written_is_read() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("peers.json");
        let mut book = AddressBook::default();
        assert!(book.remember(device(1), &[address(1), address(2)]));
        assert!(!book.remember(device(1), &[address(1)]), "nothing new");
        assert!(book.remember(device(2), &[address(3)]));
        replace_file(&path, &book.to_json()).expect("a writable directory");
        let read = AddressBook::load(&path);
        assert_eq!(read.peers, book.peers);
    }

    #[test]
    fn it_is_bounded() {
        let mut book = AddressBook::default();
        for port in 1..20 {
            book.remember(device(1), &[address(port)]);
        }
        assert_eq!(book.peers[0].1.len(), PEER_ADDRESSES_MAX);
        assert_eq!(book.peers[0].1[0], address(19), "the latest address comes first");
        for seed in 0..=BOOK_PEERS_MAX as u16 {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&seed.to_be_bytes());
            book.remember(DeviceKey(key), &[address(1)]);
        }
        assert_eq!(book.peers.len(), BOOK_PEERS_MAX);
        assert!(!book.contains(&device(1)), "the one trusted longest ago went");
    }

    #[test]
    fn a_damaged_book_is_empty() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("peers.json");
        for damage in ["", "{", "[]", r#"{"version":2,"peers":[]}"#] {
            fs::write(&path, damage).expect("a writable directory");
            assert_eq!(AddressBook::load(&path).peers.len(), 0, "{damage}");
        }
        let line = r#"{"version":1,"peers":[{"device":"nonsense","addresses":[]}]}"#;
        fs::write(&path, line).expect("a writable directory");
        assert_eq!(AddressBook::load(&path).peers.len(), 0);
    }
}
