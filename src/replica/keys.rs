//! Where things stand in the store. One letter, then the key; numbers big-endian, so that they sort.
//!
//! | key | value | |
//! | --- | --- | --- |
//! | `e` log(4) number(8) | segment that begins there | truth |
//! | `l` log(4) | log id(45) number(8) hash(32): name and head | truth |
//! | `f` log(4) | of a branch of a forked log: log id as written(45) number(8) hash(32) of the entry it departs after, hash(32) of its first | truth |
//! | `s` name | singletons: the incarnation, the authority, the version of what is derived | truth |
//! | `i` hash(32) | what an idempotency key was used for, and the answer | own |
//! | `v` id(8) | an invitation made here | own |
//! | `r` credit(10) | since when this device knows that it is cancelled, milliseconds | own |
//! | `n` name | a value kept for the shell | own |
//! | `t` token(8), `t` token(8) credit(10) | what is known of an existing app, and what it had of a credit | own |
//! | `c` credit(10) | the credit as it stands, and the entries that made it | derived |
//! | `m` movement(10) | the movement as it stands | derived |
//! | `d` document | the entries that made it | derived |
//! | `w` log(4) number(8) | an entry that waits | derived |
//! | `x` log(4) number(8) | an entry set aside, and why | derived |

use crate::log::document_bytes;
use crate::model::{CreditId, DocumentId, MovementId};
use crate::replica::fold::EntryRef;

/// The letters of what no log holds and nothing can be derived from.
pub(crate) const OWN: [u8; 5] = *b"invrt";

/// Goes up when a derived value is laid out or computed otherwise; the store is then folded anew.
pub(crate) const DERIVED_VERSION: &[u8] = b"5";

/// The last version that kept no [`OWN_SUM`].
pub(crate) const UNCOUNTED_VERSION: &[u8] = b"2";

pub(crate) const SEGMENT: u8 = b'e';
pub(crate) const LOG: u8 = b'l';
pub(crate) const BRANCH: u8 = b'f';
pub(crate) const CREDIT: u8 = b'c';
pub(crate) const MOVEMENT: u8 = b'm';
pub(crate) const DOCUMENT: u8 = b'd';
pub(crate) const WAITING: u8 = b'w';
pub(crate) const SET_ASIDE: u8 = b'x';

/// The letters of what can be rebuilt from entries.
pub(crate) const DERIVED: [u8; 5] = [CREDIT, MOVEMENT, DOCUMENT, WAITING, SET_ASIDE];

pub(crate) const INCARNATION: &[u8] = b"sincarnation";
pub(crate) const AUTHORITY: &[u8] = b"sauthority";
pub(crate) const DEVICE: &[u8] = b"sdevice";
pub(crate) const CREDENTIALS: &[u8] = b"scredentials";
pub(crate) const DERIVED_NOW: &[u8] = b"sderived";
/// The sum of the own records ([`OWN`]): what tells that one of them is gone.
pub(crate) const OWN_SUM: &[u8] = b"sown";
/// The digest of the books that the derived records make: what tells that one of them is gone, or old.
pub(crate) const BOOKS_DIGEST: &[u8] = b"sbooks";
/// How far others are known to hold the own logs.
pub(crate) const CONFIRMED: &[u8] = b"sconfirmed";
/// Heads that an earlier store of this device had reached, of which entries are still to come back.
pub(crate) const EXPECTED: &[u8] = b"sexpected";

pub(crate) fn segment_prefix(log: u32) -> Vec<u8> {
    [&[SEGMENT][..], &log.to_be_bytes()].concat()
}

pub(crate) fn segment(at: EntryRef) -> Vec<u8> {
    entry(SEGMENT, at)
}

pub(crate) fn entry(letter: u8, at: EntryRef) -> Vec<u8> {
    [&[letter][..], &at.log.to_be_bytes(), &at.number.to_be_bytes()].concat()
}

/// The entry that a key of [`entry`]'s form names.
pub(crate) fn read_entry(key: &[u8]) -> Option<EntryRef> {
    let (log, number) = key.get(1..)?.split_first_chunk::<4>()?;
    Some(EntryRef { log: u32::from_be_bytes(*log), number: u64::from_be_bytes(number.try_into().ok()?) })
}

pub(crate) fn log(log: u32) -> Vec<u8> {
    [&[LOG][..], &log.to_be_bytes()].concat()
}

pub(crate) fn branch(log: u32) -> Vec<u8> {
    [&[BRANCH][..], &log.to_be_bytes()].concat()
}

pub(crate) fn credit(id: &CreditId) -> Vec<u8> {
    [&[CREDIT][..], &id.0].concat()
}

pub(crate) fn movement(id: &MovementId) -> Vec<u8> {
    [&[MOVEMENT][..], &id.0].concat()
}

pub(crate) fn document(id: &DocumentId) -> Vec<u8> {
    [&[DOCUMENT][..], &document_bytes(id)].concat()
}

pub(crate) fn idempotency(key: &str) -> Vec<u8> {
    [&b"i"[..], &blake3::derive_key("ucash/v1/idempotency", key.as_bytes())].concat()
}

pub(crate) fn invitation(id: &[u8; 8]) -> Vec<u8> {
    [&b"v"[..], id].concat()
}

pub(crate) fn cancelled_since(credit: &CreditId) -> Vec<u8> {
    [&b"r"[..], &credit.0].concat()
}

/// What is known of an existing app; the beginning of what it had of each credit.
pub(crate) fn app(token: &str) -> Vec<u8> {
    [&b"t"[..], &blake3::derive_key("ucash/v1/app", token.as_bytes())[..8]].concat()
}

pub(crate) fn copy(token: &str, credit: &CreditId) -> Vec<u8> {
    [&app(token)[..], &credit.0].concat()
}

pub(crate) fn local(name: &str) -> Vec<u8> {
    [&b"n"[..], name.as_bytes()].concat()
}
