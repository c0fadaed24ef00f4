//! The messages and their codec.

use std::fmt;

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::log::{
    Digest, EntryHash, Head, LOCATE_MAX, LogId, SUFFIX_BYTES_MAX, SUFFIX_ENTRIES_MAX, Signature, Suffix, pack, unpack,
};
use crate::membership::Credentials;
use crate::model::{DeviceKey, Incarnation, NetworkId, Scope, ShopId, SimNumber, Timestamp};
use crate::money::Amount;
use crate::wire::limits::{
    FRAME_BYTES_MAX, NAME_BYTES_MAX, POSITIONS_MAX, SCOPES_MAX, UNPACKED_BYTES_MAX, WANT_ENTRIES_MAX, WANTS_MAX,
};

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The first thing said on a connection, by both sides.
    Hello {
        /// The version spoken.
        protocol: u32,
        /// The network.
        network: NetworkId,
        /// The speaker's wall clock, for measuring offsets.
        wall: Timestamp,
        /// The digest of all that the speaker holds.
        digest: Digest,
        /// Which life of its store speaks: to whom a share can be given.
        incarnation: Incarnation,
    },
    /// The listener does not know the speaker's key.
    WhoAreYou,
    /// The speaker's certificate, and its issuer's.
    Credentials(Box<Credentials>),
    /// The digest of all that the speaker holds: is yours equal?
    Digest(Digest),
    /// The digests are equal.
    Same(Digest),
    /// They are not: here is the digest of each scope.
    Scopes(Vec<ScopeDigest>),
    /// How far the speaker holds every log of these scopes.
    Positions {
        /// The scopes that are told in full: a log not named in them is not held at all.
        scopes: Vec<Scope>,
        /// The logs held.
        positions: Vec<Position>,
        /// Whether the listener is to tell its own.
        answer: bool,
    },
    /// Please send.
    Want(Vec<Want>),
    /// Entries, packed.
    Entries(Packed),
    /// All that was wanted has been sent.
    Sent,
    /// What the listener sent of that log does not continue what the speaker holds: here is where the speaker stands,
    /// newest first. Please send yours from the last of these on that both have.
    Locate {
        /// The log, under the name by which the listener told of it.
        log: LogId,
        /// Entries of the speaker's chain.
        places: Vec<Head>,
    },
    /// Entries of a log from a place on that the listener may hold another sequel of: two sequels that one device signed
    /// prove a fork.
    Branch {
        /// The hash of the entry before the first.
        after: EntryHash,
        /// The entries, of the log as its device wrote it.
        entries: Packed,
    },
    /// The speaker runs short of a SIM's balance: please give some of your share.
    Ask {
        /// The shop.
        shop: ShopId,
        /// The SIM.
        sim: SimNumber,
        /// How much is lacking.
        amount: Amount,
    },
    /// What was given of what was asked for; the gift itself is an entry. Nothing, if it is zero.
    Given {
        /// The shop.
        shop: ShopId,
        /// The SIM.
        sim: SimNumber,
        /// How much.
        amount: Amount,
    },
    /// A joiner proves that it was invited.
    Join {
        /// Which invitation.
        invitation: [u8; 8],
        /// The proof, bound to both keys.
        proof: [u8; 32],
        /// What the joiner wants to be called.
        name: String,
    },
    /// The joiner is a device now.
    Joined {
        /// Its credentials.
        credentials: Box<Credentials>,
        /// The key that opens the network's gossip.
        gossip_key: GossipKey,
    },
    /// The speaker will not; the connection ends.
    Refused(Answered),
}

/// The key that opens a network's gossip: a secret, never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GossipKey(pub [u8; 32]);

/// Without the secret, so that a message may be logged whole.
impl fmt::Debug for GossipKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GossipKey(..)")
    }
}

/// Why a speaker will not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Answered {
    /// Another version is spoken.
    #[error("another version of the protocol is spoken there")]
    Version,
    /// Another network, or not a device of this one.
    #[error("not a device of this network")]
    Stranger,
    /// No such invitation, or a wrong proof.
    #[error("the invitation is not known there")]
    InvitationUnknown,
    /// The invitation was used.
    #[error("the invitation was used already")]
    InvitationUsed,
    /// The invitation is over.
    #[error("the invitation has expired")]
    InvitationExpired,
    /// The node cannot do that now.
    #[error("the node cannot do that now")]
    Unable,
}

const ANSWERS: [Answered; 6] = [
    Answered::Version,
    Answered::Stranger,
    Answered::InvitationUnknown,
    Answered::InvitationUsed,
    Answered::InvitationExpired,
    Answered::Unable,
];

/// The digest of one scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeDigest {
    /// Which.
    pub scope: Scope,
    /// Over its logs' heads.
    pub digest: Digest,
}

/// How far a log is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which log.
    pub log: LogId,
    /// Its last entry held: two heads of one number and two hashes are a fork.
    pub head: Head,
}

/// A stretch of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Which log.
    pub log: LogId,
    /// The first number.
    pub from: u64,
    /// The last number.
    pub to: u64,
}

/// A suffix as it travels: its bodies are packed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    log: LogId,
    from: u64,
    count: u32,
    signature: Signature,
    zstd: bool,
    bodies: Vec<u8>,
}

impl Packed {
    /// Packs a suffix.
    pub fn pack(suffix: &Suffix) -> Packed {
        let bodies: Vec<ByteVec> = suffix.bodies.iter().map(|body| ByteVec::from(body.clone())).collect();
        let plain = cbor(&bodies);
        let packed = if plain.len() > 400 { pack(&plain) } else { None };
        Packed {
            log: suffix.log,
            from: suffix.from,
            count: suffix.bodies.len() as u32,
            signature: suffix.signature,
            zstd: packed.is_some(),
            bodies: packed.unwrap_or(plain),
        }
    }

    /// Which log it is of.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// The number of its first entry.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The number of its last entry.
    pub fn last(&self) -> u64 {
        self.from.saturating_add(u64::from(self.count)).saturating_sub(1)
    }

    /// Unpacks it, within the limits whatever it claims.
    pub fn unpack(&self) -> Result<Suffix, WireError> {
        let unpacked;
        let plain = if self.zstd {
            unpacked = unpack(&self.bodies, UNPACKED_BYTES_MAX).ok_or(WireError::Malformed)?;
            &unpacked
        } else {
            &self.bodies
        };
        let bodies: Vec<ByteVec> = decode_all(plain)?;
        if bodies.is_empty() || bodies.len() > SUFFIX_ENTRIES_MAX || bodies.len() != self.count as usize {
            return Err(WireError::TooMany);
        }
        let bytes: usize = bodies.iter().map(|body| body.len()).sum();
        if bodies.len() > 1 && bytes > SUFFIX_BYTES_MAX + crate::log::BODY_BYTES_MAX {
            return Err(WireError::TooMany);
        }
        Ok(Suffix {
            log: self.log,
            from: self.from,
            bodies: bodies.into_iter().map(Into::into).collect(),
            signature: self.signature,
        })
    }
}

/// Why bytes are not a message. The peer that sent them is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// Longer than a frame may be.
    #[error("longer than a frame may be")]
    TooLong,
    /// Not a message of this protocol.
    #[error("not a message of this protocol")]
    Malformed,
    /// More of something than a message may hold.
    #[error("holds more than a message may")]
    TooMany,
}

#[derive(Encode, Decode)]
enum Wire {
    #[n(0)]
    Hello(#[n(0)] u32, #[n(1)] ByteArray<16>, #[n(2)] i64, #[n(3)] ByteArray<32>, #[n(4)] ByteArray<8>),
    #[n(1)]
    WhoAreYou,
    #[n(2)]
    Credentials(#[n(0)] WireCredentials),
    #[n(3)]
    Digest(#[n(0)] ByteArray<32>),
    #[n(4)]
    Same(#[n(0)] ByteArray<32>),
    #[n(5)]
    Scopes(#[n(0)] Vec<(u32, ByteArray<32>)>),
    #[n(6)]
    Positions(#[n(0)] Vec<u32>, #[n(1)] Vec<(ByteArray<45>, u64, ByteArray<32>)>, #[n(2)] bool),
    #[n(7)]
    Want(#[n(0)] Vec<(ByteArray<45>, u64, u64)>),
    #[n(8)]
    Entries(#[n(0)] ByteArray<45>, #[n(1)] u64, #[n(2)] u32, #[n(3)] ByteArray<64>, #[n(4)] bool, #[n(5)] ByteVec),
    #[n(9)]
    Sent,
    #[n(10)]
    Join(#[n(0)] ByteArray<8>, #[n(1)] ByteArray<32>, #[n(2)] String),
    #[n(11)]
    Joined(#[n(0)] WireCredentials, #[n(1)] ByteArray<32>),
    #[n(12)]
    Refused(#[n(0)] u8),
    #[n(13)]
    Ask(#[n(0)] u32, #[n(1)] String, #[n(2)] String),
    #[n(14)]
    Given(#[n(0)] u32, #[n(1)] String, #[n(2)] String),
    #[n(15)]
    Locate(#[n(0)] ByteArray<45>, #[n(1)] Vec<(u64, ByteArray<32>)>),
    #[n(16)]
    Branch(
        #[n(0)] ByteArray<32>,
        #[n(1)] ByteArray<45>,
        #[n(2)] u64,
        #[n(3)] u32,
        #[n(4)] ByteArray<64>,
        #[n(5)] bool,
        #[n(6)] ByteVec,
    ),
}

#[derive(Encode, Decode)]
struct WireCredentials {
    #[n(0)]
    authority: ByteArray<32>,
    #[n(1)]
    certificate: ByteVec,
    #[n(2)]
    issuer: Option<ByteVec>,
}

fn cbor(value: &impl Encode<()>) -> Vec<u8> {
    minicbor::to_vec(value).unwrap_or_else(|error| unreachable!("writing to memory does not fail: {error}"))
}

fn decode_all<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, WireError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode().map_err(|_| WireError::Malformed)?;
    if decoder.position() == bytes.len() { Ok(value) } else { Err(WireError::Malformed) }
}

/// A scope as a number: 0 for the registry, a shop's own otherwise.
fn scope_number(scope: Scope) -> u32 {
    match scope {
        Scope::Registry => 0,
        Scope::Shop(shop) => shop.0,
    }
}

fn scope_of(number: u32) -> Scope {
    if number == 0 { Scope::Registry } else { Scope::Shop(ShopId(number)) }
}

fn log_of(bytes: ByteArray<45>) -> Result<LogId, WireError> {
    LogId::from_bytes(&*bytes).ok_or(WireError::Malformed)
}

fn to_wire(credentials: &Credentials) -> WireCredentials {
    WireCredentials {
        authority: credentials.authority.0.into(),
        certificate: credentials.certificate.clone().into(),
        issuer: credentials.issuer.clone().map(Into::into),
    }
}

fn from_wire(wire: WireCredentials) -> Box<Credentials> {
    Box::new(Credentials {
        authority: DeviceKey(wire.authority.into()),
        certificate: wire.certificate.into(),
        issuer: wire.issuer.map(Into::into),
    })
}

/// The bytes of a message.
pub fn encode(message: &Message) -> Vec<u8> {
    let wire = match message {
        Message::Hello { protocol, network, wall, digest, incarnation } => {
            let incarnation = incarnation.0.to_be_bytes();
            Wire::Hello(*protocol, network.0.into(), wall.0, (*digest).into(), incarnation.into())
        }
        Message::WhoAreYou => Wire::WhoAreYou,
        Message::Credentials(credentials) => Wire::Credentials(to_wire(credentials)),
        Message::Digest(digest) => Wire::Digest((*digest).into()),
        Message::Same(digest) => Wire::Same((*digest).into()),
        Message::Scopes(scopes) => {
            Wire::Scopes(scopes.iter().map(|one| (scope_number(one.scope), one.digest.into())).collect())
        }
        Message::Positions { scopes, positions, answer } => Wire::Positions(
            scopes.iter().map(|scope| scope_number(*scope)).collect(),
            positions.iter().map(|one| (one.log.to_bytes().into(), one.head.number, one.head.hash.into())).collect(),
            *answer,
        ),
        Message::Want(wants) => {
            Wire::Want(wants.iter().map(|want| (want.log.to_bytes().into(), want.from, want.to)).collect())
        }
        Message::Entries(packed) => Wire::Entries(
            packed.log.to_bytes().into(),
            packed.from,
            packed.count,
            packed.signature.into(),
            packed.zstd,
            packed.bodies.clone().into(),
        ),
        Message::Sent => Wire::Sent,
        Message::Locate { log, places } => {
            Wire::Locate(log.to_bytes().into(), places.iter().map(|place| (place.number, place.hash.into())).collect())
        }
        Message::Branch { after, entries } => Wire::Branch(
            (*after).into(),
            entries.log.to_bytes().into(),
            entries.from,
            entries.count,
            entries.signature.into(),
            entries.zstd,
            entries.bodies.clone().into(),
        ),
        Message::Ask { shop, sim, amount } => Wire::Ask(shop.0, sim.to_string(), amount.to_string()),
        Message::Given { shop, sim, amount } => Wire::Given(shop.0, sim.to_string(), amount.to_string()),
        Message::Join { invitation, proof, name } => Wire::Join((*invitation).into(), (*proof).into(), name.clone()),
        Message::Joined { credentials, gossip_key } => Wire::Joined(to_wire(credentials), gossip_key.0.into()),
        Message::Refused(answer) => {
            let code = ANSWERS.iter().position(|known| known == answer).unwrap_or(ANSWERS.len() - 1);
            Wire::Refused(code as u8)
        }
    };
    cbor(&wire)
}

/// Reads a message. Total, and within the limits: what it holds in memory is a small multiple of the frame.
pub fn decode(bytes: &[u8]) -> Result<Message, WireError> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(WireError::TooLong);
    }
    let message = match decode_all::<Wire>(bytes)? {
        Wire::Hello(protocol, network, wall, digest, incarnation) => Message::Hello {
            protocol,
            network: NetworkId(network.into()),
            wall: Timestamp(wall),
            digest: digest.into(),
            incarnation: Incarnation(u64::from_be_bytes(incarnation.into())),
        },
        Wire::WhoAreYou => Message::WhoAreYou,
        Wire::Credentials(credentials) => Message::Credentials(from_wire(credentials)),
        Wire::Digest(digest) => Message::Digest(digest.into()),
        Wire::Same(digest) => Message::Same(digest.into()),
        Wire::Scopes(scopes) => {
            at_most(scopes.len(), SCOPES_MAX)?;
            let one =
                |(number, digest): (u32, ByteArray<32>)| ScopeDigest { scope: scope_of(number), digest: digest.into() };
            Message::Scopes(scopes.into_iter().map(one).collect())
        }
        Wire::Positions(scopes, positions, answer) => {
            at_most(scopes.len(), SCOPES_MAX)?;
            at_most(positions.len(), POSITIONS_MAX)?;
            let one = |(log, number, hash): (ByteArray<45>, u64, ByteArray<32>)| {
                Ok(Position { log: log_of(log)?, head: Head { number, hash: hash.into() } })
            };
            Message::Positions {
                scopes: scopes.into_iter().map(scope_of).collect(),
                positions: positions.into_iter().map(one).collect::<Result<_, WireError>>()?,
                answer,
            }
        }
        Wire::Want(wants) => {
            at_most(wants.len(), WANTS_MAX)?;
            let one = |(log, from, to): (ByteArray<45>, u64, u64)| {
                let wanted = to.checked_sub(from).filter(|more| *more < WANT_ENTRIES_MAX && from > 0);
                wanted.ok_or(WireError::TooMany)?;
                Ok(Want { log: log_of(log)?, from, to })
            };
            Message::Want(wants.into_iter().map(one).collect::<Result<_, WireError>>()?)
        }
        Wire::Entries(log, from, count, signature, zstd, bodies) => Message::Entries(Packed {
            log: log_of(log)?,
            from,
            count,
            signature: signature.into(),
            zstd,
            bodies: bodies.into(),
        }),
        Wire::Sent => Message::Sent,
        Wire::Locate(log, places) => {
            at_most(places.len(), LOCATE_MAX)?;
            let place = |(number, hash): (u64, ByteArray<32>)| Head { number, hash: hash.into() };
            Message::Locate { log: log_of(log)?, places: places.into_iter().map(place).collect() }
        }
        Wire::Branch(after, log, from, count, signature, zstd, bodies) => {
            let (log, signature, bodies) = (log_of(log)?, signature.into(), bodies.into());
            let entries = Packed { log, from, count, signature, zstd, bodies };
            Message::Branch { after: after.into(), entries }
        }
        Wire::Ask(shop, sim, amount) => {
            let (shop, sim, amount) = portion(shop, &sim, &amount)?;
            Message::Ask { shop, sim, amount }
        }
        Wire::Given(shop, sim, amount) => {
            let (shop, sim, amount) = portion(shop, &sim, &amount)?;
            Message::Given { shop, sim, amount }
        }
        Wire::Join(invitation, proof, name) => {
            at_most(name.len(), NAME_BYTES_MAX)?;
            Message::Join { invitation: invitation.into(), proof: proof.into(), name }
        }
        Wire::Joined(credentials, gossip_key) => {
            Message::Joined { credentials: from_wire(credentials), gossip_key: GossipKey(gossip_key.into()) }
        }
        Wire::Refused(code) => Message::Refused(ANSWERS.get(usize::from(code)).copied().ok_or(WireError::Malformed)?),
    };
    Ok(message)
}

fn portion(shop: u32, sim: &str, amount: &str) -> Result<(ShopId, SimNumber, Amount), WireError> {
    let sim = SimNumber::new(sim).ok().filter(|known| known.as_str() == sim).ok_or(WireError::Malformed)?;
    let amount = Amount::from_document(amount).ok_or(WireError::Malformed)?;
    if shop == 0 { Err(WireError::Malformed) } else { Ok((ShopId(shop), sim, amount)) }
}

fn at_most(count: usize, limit: usize) -> Result<(), WireError> {
    if count <= limit { Ok(()) } else { Err(WireError::TooMany) }
}
