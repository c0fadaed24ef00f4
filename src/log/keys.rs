//! Ed25519 keys and signatures (RFC 8032), each signature bound to what it is for.

use std::cell::RefCell;
use std::collections::BTreeSet;

use ed25519_dalek::{Signer, VerifyingKey};

use crate::model::DeviceKey;

/// 64 bytes.
pub type Signature = [u8; 64];

/// A secret key and the public key that names its holder.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key made of that seed.
    pub fn from_seed(seed: &[u8; 32]) -> SigningKey {
        SigningKey(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, to be kept secret.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Its public half.
    pub fn public(&self) -> DeviceKey {
        DeviceKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a message for that purpose; a signature for one purpose is none for another.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> Signature {
        let message = bound(purpose, message);
        let signature = self.0.sign(&message).to_bytes();
        remember(|| fingerprint(&self.public(), &message, &signature));
        signature
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SigningKey(of {:?})", self.public())
    }
}

/// Whether that holder signed that message for that purpose. Strict: no key of small order, no second form of a
/// signature.
pub fn verify(signer: &DeviceKey, purpose: &str, message: &[u8], signature: &Signature) -> bool {
    let message = bound(purpose, message);
    let known = VERIFIED.with_borrow(|known| {
        known.as_ref().is_some_and(|known| known.contains(&fingerprint(signer, &message, signature)))
    });
    if known {
        return true;
    }
    let Ok(key) = VerifyingKey::from_bytes(&signer.0) else { return false };
    let right = key.verify_strict(&message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok();
    if right {
        remember(|| fingerprint(signer, &message, signature));
    }
    right
}

fn fingerprint(signer: &DeviceKey, message: &[u8], signature: &Signature) -> [u8; 32] {
    *blake3::Hasher::new().update(&signer.0).update(signature).update(message).finalize().as_bytes()
}

fn remember(fingerprint: impl FnOnce() -> [u8; 32]) {
    VERIFIED.with_borrow_mut(|known| known.as_mut().map(|known| known.insert(fingerprint())));
}

thread_local! {
    /// What was found right, where it is remembered: see [`remembering_signatures`].
    static VERIFIED: RefCell<Option<BTreeSet<[u8; 32]>>> = const { RefCell::new(None) };
}

/// Does something on this thread during which a signature that was found right once is not verified again. It decides
/// nothing: a right signature stays right. For many replicas in one process, which would all verify the same ones.
pub fn remembering_signatures<T>(run: impl FnOnce() -> T) -> T {
    VERIFIED.set(Some(BTreeSet::new()));
    let result = run();
    VERIFIED.set(None);
    result
}

fn bound(purpose: &str, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(purpose.len() + 1 + message.len());
    bytes.extend_from_slice(purpose.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(message);
    bytes
}
