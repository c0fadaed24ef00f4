//! What is gossiped is sealed: libp2p's gossip goes to whoever subscribes, entries to the network's devices only.
//!
//! XChaCha20-Poly1305 (RFC 8439, with the extended nonce) under a key that every device is given when it joins.
//! Entries bear signatures of their own; the seal keeps strangers from reading, and from making us check rubbish.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::clock::random;
use crate::model::NetworkId;

const NONCE_BYTES: usize = 24;
/// Names the kind of message under the seal.
const WHEREABOUTS: &[u8] = b"ucash/1/whereabouts";

/// Seals and opens for one network.
pub(super) struct Seal {
    cipher: XChaCha20Poly1305,
}

impl Seal {
    pub fn new(key: &[u8; 32]) -> Seal {
        Seal { cipher: XChaCha20Poly1305::new(key.into()) }
    }

    /// The nonce and the sealed bytes.
    pub fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = random();
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), plain).ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    /// The same for what says where a device is: another kind, so that neither is ever taken for the other.
    pub fn seal_whereabouts(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = random();
        let payload = Payload { msg: plain, aad: WHEREABOUTS };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    /// What [`Seal::seal_whereabouts`] sealed with the same key.
    pub fn open_whereabouts(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: WHEREABOUTS }).ok()
    }

    /// What was sealed with the same key.
    pub fn open(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        self.cipher.decrypt(&XNonce::from(*nonce), sealed).ok()
    }
}

/// The topic of a network: a hash, so that its name tells nothing.
pub(super) fn topic(network: NetworkId) -> String {
    let hash = blake3::derive_key("ucash/v1/gossip-topic", &network.0);
    format!("ucash/1/{}", data_encoding::HEXLOWER.encode(&hash[..16]))
}
