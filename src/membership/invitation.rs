//! Invitations: a secret of 128 bits for one joiner, as one word that can be read out, typed or scanned.
//!
//! `ucash1...` is Bech32m (BIP 350): lower case, no look-alike letters, and a checksum that finds typing errors.

use bech32::{Bech32m, Checksum, Hrp};
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::model::{DeviceKey, NetworkId, ShopId, Timestamp};

/// The secret that makes an invitation one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 16]);

impl Secret {
    /// What a joiner sends instead of the secret: bound to both keys, so that it is worth nothing to anyone who
    /// listens or stands between.
    pub fn proof(&self, inviter: &DeviceKey, joiner: &DeviceKey) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/join");
        hasher.update(&self.0);
        hasher.update(&inviter.0);
        hasher.update(&joiner.0);
        *hasher.finalize().as_bytes()
    }

    /// Compares in constant time.
    pub fn proves(&self, inviter: &DeviceKey, joiner: &DeviceKey, proof: &[u8; 32]) -> bool {
        self.proof(inviter, joiner).ct_eq(proof).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// What the joiner is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Into which network.
    pub network: NetworkId,
    /// By which device: only it redeems the invitation.
    pub inviter: DeviceKey,
    /// Which of its invitations.
    pub id: [u8; 8],
    /// What proves that one was invited.
    pub secret: Secret,
    /// Into which shop.
    pub shop: ShopId,
    /// Until when, by the inviter's clock.
    pub expires_at: Timestamp,
    /// Where the inviter was reachable, as multiaddrs.
    pub addresses: Vec<String>,
}

/// Why a text is not an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvitationError {
    /// Does not begin with `ucash1`.
    #[error("not an invitation of ucash")]
    NotAnInvitation,
    /// The checksum fails: mistyped or cut.
    #[error("mistyped or incomplete")]
    Mistyped,
    /// Made by a version that this one does not understand.
    #[error("made by another version")]
    Malformed,
}

/// Most addresses that an invitation carries, and how long each may be: it must still fit in a QR code.
const ADDRESSES_MAX: usize = 6;
const ADDRESS_BYTES_MAX: usize = 160;

#[derive(Encode, Decode)]
struct Fields {
    #[n(0)]
    network: ByteArray<16>,
    #[n(1)]
    inviter: ByteArray<32>,
    #[n(2)]
    id: ByteArray<8>,
    #[n(3)]
    secret: ByteArray<16>,
    #[n(4)]
    shop: u32,
    #[n(5)]
    expires_at: i64,
    #[n(6)]
    addresses: Vec<String>,
}

/// Bech32m without its limit of 90 characters, which serves hand-copied payment addresses; ours are longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LongBech32m {}

impl Checksum for LongBech32m {
    type MidstateRepr = <Bech32m as Checksum>::MidstateRepr;
    type CorrectionField = <Bech32m as Checksum>::CorrectionField;
    const ROOT_GENERATOR: Self::CorrectionField = Bech32m::ROOT_GENERATOR;
    const ROOT_EXPONENTS: std::ops::RangeInclusive<usize> = Bech32m::ROOT_EXPONENTS;
    const CODE_LENGTH: usize = 4_000;
    const CHECKSUM_LENGTH: usize = Bech32m::CHECKSUM_LENGTH;
    const GENERATOR_SH: [Self::MidstateRepr; 5] = Bech32m::GENERATOR_SH;
    const TARGET_RESIDUE: Self::MidstateRepr = Bech32m::TARGET_RESIDUE;
}

const PREFIX: &str = "ucash";

impl Invitation {
    /// The word to hand over. Addresses beyond the sixth are left out.
    pub fn to_text(&self) -> String {
        let fits = |address: &&String| address.len() <= ADDRESS_BYTES_MAX;
        let fields = Fields {
            network: self.network.0.into(),
            inviter: self.inviter.0.into(),
            id: self.id.into(),
            secret: self.secret.0.into(),
            shop: self.shop.0,
            expires_at: self.expires_at.0,
            addresses: self.addresses.iter().filter(fits).take(ADDRESSES_MAX).cloned().collect(),
        };
        let bytes = minicbor::to_vec(fields).unwrap_or_else(|error| unreachable!("writing to memory: {error}"));
        bech32::encode::<LongBech32m>(Hrp::parse_unchecked(PREFIX), &bytes)
            .unwrap_or_else(|error| unreachable!("six addresses fit: {error}"))
    }

    /// Reads such a word, white space around and within it ignored.
    pub fn from_text(text: &str) -> Result<Invitation, InvitationError> {
        let word: String = text.chars().filter(|c| !c.is_whitespace()).take(4_100).collect();
        if !word.to_ascii_lowercase().starts_with("ucash1") {
            return Err(InvitationError::NotAnInvitation);
        }
        let checked = bech32::primitives::decode::CheckedHrpstring::new::<LongBech32m>(&word)
            .map_err(|_| InvitationError::Mistyped)?;
        let bytes: Vec<u8> = checked.byte_iter().collect();
        let fields: Fields = minicbor::decode(&bytes).map_err(|_| InvitationError::Malformed)?;
        if fields.addresses.len() > ADDRESSES_MAX {
            return Err(InvitationError::Malformed);
        }
        Ok(Invitation {
            network: NetworkId(fields.network.into()),
            inviter: DeviceKey(fields.inviter.into()),
            id: fields.id.into(),
            secret: Secret(fields.secret.into()),
            shop: ShopId(fields.shop),
            expires_at: Timestamp(fields.expires_at),
            addresses: fields.addresses,
        })
    }
}
