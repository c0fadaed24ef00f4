//! Typed identifiers: a shop number is never mistaken for a device, nor a payment for a credit.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};

fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

fn from_base32<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?;
    bytes.try_into().ok()
}

/// A device's Ed25519 public key (RFC 8032). It signs the device's entries and is its libp2p identity.
/// The network's authority has one too, of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceKey(pub [u8; 32]);

impl DeviceKey {
    /// The 52 letters by which people and programs name a device: base32 of the key, lower case, unpadded.
    pub fn to_text(&self) -> String {
        base32(&self.0)
    }

    /// Reads what [`DeviceKey::to_text`] wrote, in either case.
    pub fn from_text(text: &str) -> Option<DeviceKey> {
        from_base32(text.trim()).map(DeviceKey)
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

/// Which life of a device's store wrote something: drawn at random when the store is made, so that a fresh,
/// restored or cloned store never continues the numbers of an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(pub u64);

/// Who holds a share of a balance and writes logs: one life of one device's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The device.
    pub device: DeviceKey,
    /// The life of its store.
    pub incarnation: Incarnation,
}

impl Holder {
    /// The device's letters, a dot, and the incarnation in 16 hexadecimal digits.
    pub fn to_text(&self) -> String {
        format!("{}.{:016x}", self.device, self.incarnation.0)
    }

    /// Reads exactly what [`Holder::to_text`] wrote.
    pub fn from_text(text: &str) -> Option<Holder> {
        let (device, incarnation) = text.split_once('.')?;
        let device = DeviceKey::from_text(device)?;
        let holder = Holder { device, incarnation: Incarnation(u64::from_str_radix(incarnation, 16).ok()?) };
        (holder.to_text() == text).then_some(holder)
    }
}

/// An entry by whose log of a shop it stands in, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Whose log.
    pub holder: Holder,
    /// The number in it.
    pub number: u64,
}

/// A shop's number, `shop_id` on the wire: 1 and up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShopId(pub u32);

impl fmt::Display for ShopId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// Which company of shops: the hash of its authority's public key, so that it cannot be claimed by another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NetworkId(pub [u8; 16]);

impl NetworkId {
    /// The network that this authority founded.
    pub fn of_authority(authority: &DeviceKey) -> NetworkId {
        let hash = blake3::derive_key("ucash/v1/network", &authority.0);
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        NetworkId(id)
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&base32(&self.0))
    }
}

impl fmt::Debug for NetworkId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NetworkId({self})")
    }
}

macro_rules! short_id {
    ($(#[$docs:meta])* $name:ident, $prefix:literal) => {
        $(#[$docs])*
        ///
        /// 80 random bits: among a million, the chance that two are equal is below 10^-12.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 10]);

        impl $name {
            /// Reads what `Display` writes.
            pub fn from_text(text: &str) -> Option<$name> {
                let id = $name(from_base32(text.strip_prefix($prefix)?)?);
                (id.to_string() == text).then_some(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!($prefix, "{}"), base32(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    $name::from_text(&text).ok_or_else(|| serde::de::Error::custom("not an id of this kind"))
                } else {
                    <[u8; 10]>::deserialize(deserializer).map($name)
                }
            }
        }
    };
}

short_id!(
    /// A credit and its document: `cr_` and 16 letters.
    CreditId, "cr_"
);
short_id!(
    /// A payment of a credit: `pm_` and 16 letters.
    PaymentId, "pm_"
);
short_id!(
    /// A movement of a SIM's balance: `mv_` and 16 letters.
    MovementId, "mv_"
);
short_id!(
    /// A conflict, the same on every device that holds the same entries: `cf_` and 16 letters.
    ConflictId, "cf_"
);
