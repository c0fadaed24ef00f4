//! Typed identifiers: a shop number is never mistaken for a device.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A device's Ed25519 public key (RFC 8032). It signs the device's entries and is its libp2p identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceKey(pub [u8; 32]);

impl DeviceKey {
    /// The 52 letters by which people and programs name a device: base32 of the key, lower case, unpadded.
    pub fn to_text(&self) -> String {
        data_encoding::BASE32_NOPAD.encode(&self.0).to_ascii_lowercase()
    }

    /// Reads what [`DeviceKey::to_text`] wrote, in either case.
    pub fn from_text(text: &str) -> Option<DeviceKey> {
        let bytes = data_encoding::BASE32_NOPAD.decode(text.trim().to_ascii_uppercase().as_bytes()).ok()?;
        bytes.try_into().ok().map(DeviceKey)
    }
}

impl fmt::Display for DeviceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_text())
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DeviceKey({}..)", &self.to_text()[..8])
    }
}
