//! Entries: which log they stand in, what they say, and the hash that chains them.
//!
//! The formats here are on disks and wires for good; `tests/it/golden.rs` holds their bytes.

use std::fmt;

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::document::Actor;
use crate::log::BODY_BYTES_MAX;
use crate::model::{
    CreditId, DeviceKey, DocumentId, Hlc, Incarnation, Month, MovementId, PaymentId, Scope, ShopId, SimNumber,
    Timestamp,
};

/// BLAKE3 over everything that an entry is and all that came before it.
pub type EntryHash = [u8; 32];

/// A log: one for each device, life of its store, and shop it writes for (or the registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// What the log speaks about.
    pub scope: Scope,
    /// Who writes it.
    pub device: DeviceKey,
    /// In which life of its store.
    pub incarnation: Incarnation,
}

impl fmt::Display for LogId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            Scope::Registry => write!(out, "registry")?,
            Scope::Shop(shop) => write!(out, "shop {shop}")?,
        }
        write!(out, "/{}/{:016x}", self.device, self.incarnation.0)
    }
}

impl LogId {
    /// 45 bytes: kind of scope, shop (0 for the registry), device, incarnation; big-endian, so that they sort as
    /// the ids do.
    pub fn to_bytes(&self) -> [u8; 45] {
        let (kind, shop) = match self.scope {
            Scope::Registry => (0, 0),
            Scope::Shop(shop) => (1, shop.0),
        };
        let mut bytes = [0; 45];
        bytes[0] = kind;
        bytes[1..5].copy_from_slice(&shop.to_be_bytes());
        bytes[5..37].copy_from_slice(&self.device.0);
        bytes[37..].copy_from_slice(&self.incarnation.0.to_be_bytes());
        bytes
    }

    /// Reads what [`LogId::to_bytes`] wrote, and nothing else.
    pub fn from_bytes(bytes: &[u8]) -> Option<LogId> {
        let bytes: &[u8; 45] = bytes.try_into().ok()?;
        let shop = u32::from_be_bytes(bytes[1..5].try_into().ok()?);
        let scope = match (bytes[0], shop) {
            (0, 0) => Scope::Registry,
            (1, 1..) => Scope::Shop(ShopId(shop)),
            _ => return None,
        };
        let incarnation = Incarnation(u64::from_be_bytes(bytes[37..].try_into().ok()?));
        Some(LogId { scope, device: DeviceKey(bytes[5..37].try_into().ok()?), incarnation })
    }
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The hybrid timestamp.
    pub stamp: Hlc,
    /// The device's wall clock.
    pub wall: Timestamp,
    /// Drawn at random at each start of the process: the Automerge actor follows from it.
    pub run: u64,
    /// Which document changes.
    pub document: DocumentId,
    /// The uncompressed Automerge change.
    pub change: Vec<u8>,
}

#[derive(Encode, Decode)]
struct BodyCbor<'a> {
    #[n(0)]
    stamp: u64,
    #[n(1)]
    wall: i64,
    #[cbor(n(2), with = "minicbor::bytes")]
    run: [u8; 8],
    #[cbor(b(3), with = "minicbor::bytes")]
    document: &'a [u8],
    #[cbor(b(4), with = "minicbor::bytes")]
    change: &'a [u8],
}

/// Why bytes are not a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// Longer than [`BODY_BYTES_MAX`].
    #[error("longer than a body may be")]
    TooLong,
    /// Not the CBOR of a body, or more than it.
    #[error("not a body")]
    Malformed,
}

impl Body {
    /// The bytes that are chained and sent: CBOR (RFC 8949), an array of five.
    pub fn to_bytes(&self) -> Vec<u8> {
        let document = document_bytes(&self.document);
        let cbor = BodyCbor {
            stamp: self.stamp.0,
            wall: self.wall.0,
            run: self.run.to_be_bytes(),
            document: &document,
            change: &self.change,
        };
        let mut bytes = Vec::with_capacity(self.change.len() + 64);
        if minicbor::encode(&cbor, &mut bytes).is_err() {
            unreachable!("a body always encodes into memory");
        }
        bytes
    }

    /// Reads a body; one body has one spelling.
    pub fn from_bytes(bytes: &[u8]) -> Result<Body, BodyError> {
        if bytes.len() > BODY_BYTES_MAX {
            return Err(BodyError::TooLong);
        }
        let cbor: BodyCbor<'_> = minicbor::decode(bytes).map_err(|_| BodyError::Malformed)?;
        let body = Body {
            stamp: Hlc(cbor.stamp),
            wall: Timestamp(cbor.wall),
            run: u64::from_be_bytes(cbor.run),
            document: document_from_bytes(cbor.document).ok_or(BodyError::Malformed)?,
            change: cbor.change.to_vec(),
        };
        if body.to_bytes() == bytes { Ok(body) } else { Err(BodyError::Malformed) }
    }
}

/// What the first entry of a log names as the hash before it.
pub fn root_of(log: &LogId) -> EntryHash {
    blake3::derive_key("ucash/v1/log", &log.to_bytes())
}

/// The hash of the entry that stands in that log after `previous`, under that number, with that body.
pub(super) fn chain(previous: &EntryHash, number: u64, body: &[u8]) -> EntryHash {
    let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/entry");
    hasher.update(previous);
    hasher.update(&number.to_be_bytes());
    hasher.update(body);
    *hasher.finalize().as_bytes()
}

/// The Automerge actor of a run: fresh for every run, and nobody else's. It is bound to the log's writer, so that
/// using another's actor is seen on the entry itself, in whatever order entries arrive.
pub fn actor_of(log: &LogId, run: u64) -> Actor {
    let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/actor");
    hasher.update(&log.to_bytes());
    hasher.update(&run.to_be_bytes());
    let mut actor = Actor::default();
    actor.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    actor
}

/// The id of the credit that a granting change makes: bound to its log, number and content, so that no other
/// entry can grant into the same document.
pub fn credit_id(log: &LogId, number: u64, change: &[u8]) -> CreditId {
    CreditId(short_id("ucash/v1/credit", log, number, change))
}

/// The id of the movement that an entry records: bound to its log, run and number.
pub fn movement_id(log: &LogId, run: u64, number: u64) -> MovementId {
    MovementId(short_id("ucash/v1/movement", log, number, &run.to_be_bytes()))
}

/// The id of a payment recorded on a device: bound to its log, run and number.
pub fn payment_id(log: &LogId, run: u64, number: u64) -> PaymentId {
    PaymentId(short_id("ucash/v1/payment", log, number, &run.to_be_bytes()))
}

fn short_id(purpose: &str, log: &LogId, number: u64, content: &[u8]) -> [u8; 10] {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    hasher.update(&log.to_bytes());
    hasher.update(&number.to_be_bytes());
    hasher.update(content);
    let mut id = [0; 10];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..10]);
    id
}

/// A document's id as bytes: a tag, then fixed-width fields, the SIM's number last.
pub(crate) fn document_bytes(document: &DocumentId) -> Vec<u8> {
    match document {
        DocumentId::Registry => vec![0],
        DocumentId::Shop(shop) => [&[1][..], &shop.0.to_be_bytes()].concat(),
        DocumentId::SimMonth { shop, sim, month } => {
            let (year, month) = (month.year.to_be_bytes(), [month.month]);
            [&[2][..], &shop.0.to_be_bytes(), &year, &month, sim.as_str().as_bytes()].concat()
        }
        DocumentId::Credit { shop, id } => [&[3][..], &shop.0.to_be_bytes(), &id.0].concat(),
    }
}

/// Reads what [`document_bytes`] wrote, and nothing else.
pub(crate) fn document_from_bytes(bytes: &[u8]) -> Option<DocumentId> {
    let (tag, rest) = bytes.split_first()?;
    if *tag == 0 {
        return rest.is_empty().then_some(DocumentId::Registry);
    }
    let (shop, rest) = rest.split_first_chunk::<4>()?;
    let shop = ShopId(u32::from_be_bytes(*shop));
    let document = match tag {
        1 if rest.is_empty() => DocumentId::Shop(shop),
        2 => {
            let (year, rest) = rest.split_first_chunk::<2>()?;
            let (month, sim) = rest.split_first()?;
            let month = Month { year: u16::from_be_bytes(*year), month: *month };
            let sim = SimNumber::new(std::str::from_utf8(sim).ok()?).ok()?;
            ((1..=12).contains(&month.month) && (1970..=9999).contains(&month.year))
                .then_some(DocumentId::SimMonth { shop, sim, month })?
        }
        3 => DocumentId::Credit { shop, id: CreditId(rest.try_into().ok()?) },
        _ => return None,
    };
    (document_bytes(&document) == bytes).then_some(document)
}
