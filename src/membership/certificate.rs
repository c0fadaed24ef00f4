//! Certificates: that a key is a device of the network, for which shop, in which role.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::log::{SigningKey, verify};
use crate::membership::{ReadScope, Role};
use crate::model::{DeviceKey, NetworkId, ShopId, Timestamp};

const PURPOSE: &str = "ucash/v1/certificate";

/// Longest certificate in bytes: the format has no field that grows.
const BYTES_MAX: usize = 512;

/// That a key is a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Of which network.
    pub network: NetworkId,
    /// The device.
    pub subject: DeviceKey,
    /// Its shop.
    pub shop: ShopId,
    /// What it may do.
    pub role: Role,
    /// What it receives.
    pub read: ReadScope,
    /// When it was issued, by the issuer's clock.
    pub issued_at: Timestamp,
    /// From when on connections with it end, if ever.
    pub expires_at: Option<Timestamp>,
    /// Who issued it: the authority, or a manager of the shop.
    pub issuer: DeviceKey,
}

/// Why bytes are not a certificate to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Not the bytes of a certificate.
    #[error("not a certificate")]
    Malformed,
    /// Of another network.
    #[error("of another network")]
    OtherNetwork,
    /// The issuer did not sign it.
    #[error("not signed by its issuer")]
    Signature,
    /// The issuer had no right to issue it.
    #[error("its issuer may not issue it")]
    Issuer,
    /// It is for another device than the one that shows it.
    #[error("for another device")]
    OtherDevice,
    /// It is over.
    #[error("expired")]
    Expired,
}

#[derive(Encode, Decode)]
struct Fields {
    #[n(0)]
    network: ByteArray<16>,
    #[n(1)]
    subject: ByteArray<32>,
    #[n(2)]
    shop: u32,
    #[n(3)]
    role: u8,
    #[n(4)]
    read_all: bool,
    #[n(5)]
    issued_at: i64,
    #[n(6)]
    expires_at: Option<i64>,
    #[n(7)]
    issuer: ByteArray<32>,
}

#[derive(Encode, Decode)]
struct Signed {
    #[n(0)]
    fields: ByteVec,
    #[n(1)]
    signature: ByteArray<64>,
}

fn cbor(value: &impl Encode<()>) -> Vec<u8> {
    minicbor::to_vec(value).unwrap_or_else(|error| unreachable!("writing to memory does not fail: {error}"))
}

impl Certificate {
    /// Signs it with its issuer's key.
    pub fn sign(&self, issuer: &SigningKey) -> Vec<u8> {
        let fields = cbor(&Fields {
            network: self.network.0.into(),
            subject: self.subject.0.into(),
            shop: self.shop.0,
            role: self.role as u8,
            read_all: self.read == ReadScope::All,
            issued_at: self.issued_at.0,
            expires_at: self.expires_at.map(|time| time.0),
            issuer: self.issuer.0.into(),
        });
        let signature = issuer.sign(PURPOSE, &fields).into();
        cbor(&Signed { fields: fields.into(), signature })
    }

    /// Reads a certificate and checks that its issuer signed it; whether the issuer might is another question.
    pub fn from_bytes(bytes: &[u8]) -> Result<Certificate, CertificateError> {
        if bytes.len() > BYTES_MAX {
            return Err(CertificateError::Malformed);
        }
        let signed: Signed = minicbor::decode(bytes).map_err(|_| CertificateError::Malformed)?;
        let fields: Fields = minicbor::decode(&signed.fields).map_err(|_| CertificateError::Malformed)?;
        let role = Role::ALL.into_iter().find(|role| *role as u8 == fields.role);
        let certificate = Certificate {
            network: NetworkId(fields.network.into()),
            subject: DeviceKey(fields.subject.into()),
            shop: ShopId(fields.shop),
            role: role.ok_or(CertificateError::Malformed)?,
            read: if fields.read_all { ReadScope::All } else { ReadScope::Own },
            issued_at: Timestamp(fields.issued_at),
            expires_at: fields.expires_at.map(Timestamp),
            issuer: DeviceKey(fields.issuer.into()),
        };
        if cbor(&signed) != bytes {
            return Err(CertificateError::Malformed);
        }
        let signature = signed.signature.into();
        if !verify(&certificate.issuer, PURPOSE, &signed.fields, &signature) {
            return Err(CertificateError::Signature);
        }
        Ok(certificate)
    }

    /// Whether a holder of `self` might issue `other`: rights only shrink on the way down.
    pub fn may_issue(&self, other: &Certificate) -> bool {
        let own_shop = self.role == Role::Manager && other.shop == self.shop;
        let lower = matches!(other.role, Role::Device | Role::Auditor);
        self.network == other.network
            && self.subject == other.issuer
            && own_shop
            && lower
            && (other.read == ReadScope::Own || self.read == ReadScope::All)
    }
}

/// What a device shows to be talked to: its certificate, and its issuer's where that is not the authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The authority's public key: its hash is the network's id.
    pub authority: DeviceKey,
    /// The device's certificate.
    pub certificate: Vec<u8>,
    /// The issuer's certificate.
    pub issuer: Option<Vec<u8>>,
}

impl Credentials {
    /// Believes them if they lead from the network's authority to that device.
    pub fn check(&self, network: NetworkId, device: &DeviceKey) -> Result<Certificate, CertificateError> {
        if NetworkId::of_authority(&self.authority) != network {
            return Err(CertificateError::OtherNetwork);
        }
        let certificate = Certificate::from_bytes(&self.certificate)?;
        if certificate.network != network {
            return Err(CertificateError::OtherNetwork);
        }
        if certificate.subject != *device {
            return Err(CertificateError::OtherDevice);
        }
        if certificate.issuer == self.authority {
            return Ok(certificate);
        }
        let issuer = Certificate::from_bytes(self.issuer.as_deref().ok_or(CertificateError::Issuer)?)?;
        if issuer.issuer == self.authority && issuer.may_issue(&certificate) {
            Ok(certificate)
        } else {
            Err(CertificateError::Issuer)
        }
    }
}
