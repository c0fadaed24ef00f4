//! Documents: hostile bytes whose checksum is right neither panic nor pass for anything but what they are.
//!
//! What is accepted has one form: it is, byte for byte, what we would write for what is read in it (findings 4
//! to 7).

use proptest::prelude::*;
use sha2::{Digest, Sha256};
use ucash::document::{DocumentState, items, parse};
use ucash::model::Operation;

use crate::samples::{Paper, credit_document, every_operation, grant, later_operation, placed};

/// A change chunk around these contents, with the checksum that belongs to them.
pub fn chunk(kind: u8, contents: &[u8]) -> Vec<u8> {
    let mut checked = vec![kind];
    let mut length = contents.len();
    while length >= 0x80 {
        checked.push(length as u8 | 0x80);
        length >>= 7;
    }
    checked.push(length as u8);
    checked.extend_from_slice(contents);
    let hash = Sha256::digest(&checked);
    [&[0x85, 0x6f, 0x4a, 0x83][..], &hash[..4], &checked].concat()
}

/// The contents of a chunk: what follows its length.
pub fn contents(bytes: &[u8]) -> &[u8] {
    let length = 1 + bytes[9..].iter().position(|byte| *byte < 0x80).expect("a length");
    &bytes[9 + length..]
}

#[test]
fn the_chunk_is_made_as_automerge_makes_it() {
    for (document, before, wanted) in every_operation() {
        let bytes = Paper::after(document, &before).draft(&wanted);
        assert_eq!(chunk(1, contents(&bytes)), bytes);
    }
}

/// Whatever the bytes: an answer, and what is accepted is in its one form.
fn check(state: &DocumentState, bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(parsed) = parse(bytes) else { return Ok(()) };
    if let Ok((_, operation)) = placed(state, bytes) {
        prop_assert_eq!(&items(&operation), &parsed.items);
        // Our own hand, at the same place with the same actor and time, writes these very bytes.
        let heads = parse(&state.write(&operation, parsed.actor, parsed.time)).expect("our own");
        if heads.dependencies == parsed.dependencies {
            prop_assert_eq!(state.write(&operation, parsed.actor, parsed.time), bytes);
        }
    }
    Ok(())
}

/// A way to damage bytes.
#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        3 => (at(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => (at(), proptest::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => (at(), 1..12_usize).prop_map(|(at, count)| Damage::Remove(at, count)),
        1 => (at(), 1..40_usize).prop_map(|(at, count)| Damage::Repeat(at, count)),
        1 => at().prop_map(Damage::Cut),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match damage {
            Damage::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Damage::Set(at, byte) => bytes[at.index(length)] = *byte,
            Damage::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Damage::Remove(at, count) => {
                let at = at.index(length);
                bytes.drain(at..length.min(at + count));
            }
            Damage::Repeat(at, count) => {
                let at = at.index(length);
                let again = bytes[at..length.min(at + count)].to_vec();
                bytes.splice(at..at, again);
            }
            Damage::Cut(at) => bytes.truncate(at.index(length)),
        }
    }
    bytes
}

/// A credit's document, and an honest change that may follow.
fn honest() -> impl Strategy<Value = (DocumentState, Vec<u8>)> {
    proptest::collection::vec(later_operation(), 1..6).prop_map(|operations| {
        let mut paper = Paper::after(credit_document(), &[Operation::Grant(grant())]);
        let mut next = paper.changes[0].clone();
        let mut before = DocumentState::new(credit_document());
        for operation in &operations {
            let bytes = paper.draft(operation);
            let state = paper.state.clone();
            if paper.take(&bytes).is_ok() {
                (before, next) = (state, bytes);
            }
        }
        (before, next)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0..4_u8) {
        let state = DocumentState::new(credit_document());
        check(&state, &bytes)?;
        check(&state, &chunk(kind, &bytes))?;
    }

    #[test]
    fn damaged_changes_with_a_right_checksum_are_answered(
        (state, bytes) in honest(),
        damages in proptest::collection::vec(damage(), 1..5),
    ) {
        let resealed = chunk(1, &damaged(contents(&bytes).to_vec(), &damages));
        check(&state, &resealed)?;
    }

    #[test]
    fn damaged_changes_of_every_kind_are_answered(
        which in any::<prop::sample::Index>(),
        damages in proptest::collection::vec(damage(), 1..4),
    ) {
        let all = every_operation();
        let (document, before, wanted) = &all[which.index(all.len())];
        let paper = Paper::after(document.clone(), before);
        let bytes = paper.draft(wanted);
        check(&paper.state, &chunk(1, &damaged(contents(&bytes).to_vec(), &damages)))?;
    }

    #[test]
    fn damaged_changes_with_a_wrong_checksum_are_refused(
        (_, bytes) in honest(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut other = bytes.clone();
        let at = at.index(other.len());
        other[at] ^= 1 << bit;
        prop_assert!(parse(&other).is_err());
    }
}

#[test]
fn every_flipped_bit_under_a_right_checksum_is_answered() {
    let paper = Paper::after(credit_document(), &[Operation::Grant(grant())]);
    let bytes = paper.draft(&Operation::Cancel { why: "x".to_owned(), agent: None, at: crate::samples::NOW });
    let contents = contents(&bytes);
    for at in 0..contents.len() {
        for bit in 0..8 {
            let mut other = contents.to_vec();
            other[at] ^= 1 << bit;
            check(&paper.state, &chunk(1, &other)).expect("accepted in another form");
        }
    }
}
