//! Ed25519 keys and signatures (RFC 8032), each signature bound to what it is for.

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
        self.0.sign(&bound(purpose, message)).to_bytes()
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
    let Ok(key) = VerifyingKey::from_bytes(&signer.0) else { return false };
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    let message = bound(purpose, message);
    key.verify_strict(&message, &signature).is_ok()
}

fn bound(purpose: &str, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(purpose.len() + 1 + message.len());
    bytes.extend_from_slice(purpose.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(message);
    bytes
}
