//! How a logical pair is laid out in the one tree of the database.
//!
//! The database stores values beyond some size in files of their own, which it never makes durable. So nothing longer
//! than [`PIECE_BYTES_MAX`] is handed to it: a longer value is cut into parts, written in the same batch.
//!
//! ```text
//! key in the tree                  value in the tree
//! 01 | key                         00 | value                                   short: key and value fit
//!                                  01 | length u32 BE | blake3 of value (32)    long: the value is in the parts
//! 02 | key | index u32 BE          part 0, 1, 2 … of a long value
//! ```
//!
//! Under 01 the order of the tree is the order of the logical keys, and no part ever stands among them. A part is
//! only ever read by its exact key, and since the index has a fixed length, two parts of different keys never share
//! one. The hash is there because the database can lose keys without saying so: a long value comes back whole or not
//! at all. Short values carry none; who needs proof of them keeps it in the value.
//!
//! Pure: nothing here touches a disk.

use crate::store::StoreError;

/// Longest key and value together that is handed to the database.
pub(super) const PIECE_BYTES_MAX: usize = 3_900;

const DATA: u8 = 0x01;
const PART: u8 = 0x02;
const SHORT: u8 = 0x00;
const LONG: u8 = 0x01;
const LENGTH_BYTES: usize = 4;
const HASH_BYTES: usize = 32;
const INDEX_BYTES: usize = 4;

/// What stands under a data key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// The value itself.
    Short(&'a [u8]),
    /// A value kept in parts.
    Long(Long),
}

/// What is known of a value kept in parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Long {
    length: u32,
    hash: [u8; HASH_BYTES],
}

/// The tree's key of a logical key.
pub(super) fn data_key(key: &[u8]) -> Vec<u8> {
    [&[DATA], key].concat()
}

/// The logical key of one of the tree's data keys.
pub(super) fn logical_key(data_key: &[u8]) -> &[u8] {
    data_key.get(1..).unwrap_or_default()
}

/// The tree's key of one part.
pub(super) fn part_key(key: &[u8], index: u32) -> Vec<u8> {
    [&[PART], key, &index.to_be_bytes()].concat()
}

/// How many bytes of a value one part holds.
fn part_bytes(key: &[u8]) -> usize {
    PIECE_BYTES_MAX - 1 - key.len() - INDEX_BYTES
}

/// The record and the parts of a value, whose length the caller has checked.
pub(super) fn encode<'a>(key: &[u8], value: &'a [u8]) -> (Vec<u8>, impl Iterator<Item = (Vec<u8>, &'a [u8])>) {
    let short = 1 + key.len() + 1 + value.len() <= PIECE_BYTES_MAX;
    let (record, cut) = if short {
        ([&[SHORT], value].concat(), &[][..])
    } else {
        // VALUE_BYTES_MAX is far below u32::MAX.
        let length = (value.len() as u32).to_be_bytes();
        ([&[LONG], &length[..], blake3::hash(value).as_bytes()].concat(), value)
    };
    let parts = cut.chunks(part_bytes(key)).zip(0..).map(|(part, index)| (part_key(key, index), part));
    (record, parts.collect::<Vec<_>>().into_iter())
}

/// Reads the record of a key.
pub(super) fn decode<'a>(key: &[u8], record: &'a [u8]) -> Result<Record<'a>, StoreError> {
    match record.split_first() {
        Some((&SHORT, value)) => Ok(Record::Short(value)),
        Some((&LONG, rest)) => {
            let (length, hash) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or_else(|| unreadable(key))?;
            let hash = hash.try_into().map_err(|_| unreadable(key))?;
            Ok(Record::Long(Long { length: u32::from_be_bytes(*length), hash }))
        }
        _ => Err(unreadable(key)),
    }
}

impl Long {
    /// How many parts there are.
    pub(super) fn parts(&self, key: &[u8]) -> u32 {
        self.length.div_ceil(part_bytes(key) as u32)
    }

    /// Joins the parts, which `part` looks up, and proves them.
    pub(super) fn join<P: AsRef<[u8]>>(
        &self,
        key: &[u8],
        mut part: impl FnMut(&[u8]) -> Result<Option<P>, StoreError>,
    ) -> Result<Vec<u8>, StoreError> {
        let mut value = Vec::new();
        for index in 0..self.parts(key) {
            let piece = part(&part_key(key, index))?;
            let piece = piece.ok_or_else(|| StoreError::Damaged(format!("part {index} of {} is gone", name(key))))?;
            value.extend_from_slice(piece.as_ref());
        }
        if value.len() != self.length as usize || *blake3::hash(&value).as_bytes() != self.hash {
            return Err(StoreError::Damaged(format!("the parts of {} do not make up its value", name(key))));
        }
        Ok(value)
    }
}

fn unreadable(key: &[u8]) -> StoreError {
    StoreError::Damaged(format!("the record of {} cannot be read", name(key)))
}

/// A key as an operator can quote it.
fn name(key: &[u8]) -> String {
    format!("key {}", data_encoding::HEXLOWER.encode(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KEY_BYTES_MAX;

    #[test]
    fn nothing_handed_to_the_database_is_longer_than_a_piece() {
        for key in [&b""[..], b"k", &[0xff; KEY_BYTES_MAX]] {
            for length in [0, 1, 3_600, 3_700, 3_897, 3_898, 3_899, 3_900, 4_096, 100_000] {
                let value = vec![7; length];
                let (record, parts) = encode(key, &value);
                assert!(data_key(key).len() + record.len() <= PIECE_BYTES_MAX);
                let mut joined = Vec::new();
                for (part_key, part) in parts {
                    assert!(part_key.len() + part.len() <= PIECE_BYTES_MAX);
                    joined.extend_from_slice(part);
                }
                match decode(key, &record).expect("our own record") {
                    Record::Short(short) => assert_eq!((short, joined.len()), (&value[..], 0)),
                    Record::Long(long) => assert_eq!((long.length as usize, joined), (length, value)),
                }
            }
        }
    }

    #[test]
    fn records_that_were_never_written_are_damage() {
        for record in [&b""[..], b"\x02", b"\x01", b"\x01\0\0\0\x05short hash"] {
            assert!(matches!(decode(b"k", record), Err(StoreError::Damaged(_))), "{record:?}");
        }
    }

    #[test]
    fn parts_that_are_missing_or_foreign_are_damage() {
        let value = vec![9; 5_000];
        let (record, _) = encode(b"k", &value);
        let Ok(Record::Long(long)) = decode(b"k", &record) else { panic!("a long record") };
        let gone = long.join(b"k", |_| Ok(None::<Vec<u8>>));
        let foreign = long.join(b"k", |_| Ok(Some(vec![8; 2_500])));
        assert!(matches!(gone, Err(StoreError::Damaged(_))));
        assert!(matches!(foreign, Err(StoreError::Damaged(_))));
        assert_eq!(long.parts(b"k"), 2);
    }
}
