//! Logs: a stretch of a log is believed only where it continues what is held and its device signed it.

use proptest::prelude::*;
use ucash::log::{
    BODY_BYTES_MAX, Body, BodyError, Head, LogId, SUFFIX_ENTRIES_MAX, Segment, SigningKey, Suffix, SuffixError,
    check_suffix, digest_of, root_of, verify,
};
use ucash::model::{CreditId, DeviceKey, DocumentId, Hlc, Incarnation, Month, Scope, ShopId, SimNumber, Timestamp};

use crate::forge::signed;

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn log() -> LogId {
    LogId { scope: Scope::Shop(ShopId(5)), device: key().public(), incarnation: Incarnation(7) }
}

fn root() -> Head {
    Head { number: 0, hash: root_of(&log()) }
}

fn bodies(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|index| format!("body {index}").into_bytes()).collect()
}

/// Six entries from the root on, and the heads after each number of them.
fn six() -> (Suffix, Vec<Head>) {
    let heads = (0..=6).map(|count| signed(log(), &key(), root(), bodies(count)).1).collect();
    (signed(log(), &key(), root(), bodies(6)).0, heads)
}

#[test]
fn a_suffix_is_believed_where_it_continues_what_is_held() {
    let (suffix, heads) = six();
    for held in 0..6 {
        let entries = check_suffix(&heads[held], &suffix).expect("it continues the log");
        let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, (held as u64 + 1..=6).collect::<Vec<_>>(), "what is held is skipped");
        assert_eq!(entries.last().map(|entry| entry.hash), Some(heads[6].hash));
        assert!(entries.iter().all(|entry| entry.body == Err(BodyError::Malformed)), "what it says is another matter");
    }
    let (later, end) = signed(log(), &key(), heads[3], bodies(2));
    assert_eq!(check_suffix(&heads[3], &later).map(|entries| entries[1].hash), Ok(end.hash));
}

#[test]
fn each_wrong_suffix_is_refused_by_name() {
    let (suffix, heads) = six();
    let from = |from| Suffix { from, ..suffix.clone() };
    let with = |bodies: Vec<Vec<u8>>| Suffix { bodies, ..suffix.clone() };
    let other_key = SigningKey::from_seed(&[2; 32]);
    let mut other_purpose = suffix.clone();
    other_purpose.signature = key().sign("ucash/v1/certificate", &heads[6].hash);
    let mut other_signer = suffix.clone();
    other_signer.signature = other_key.sign("ucash/v1/entry", &heads[6].hash);
    let mut other_device = suffix.clone();
    other_device.log.device = other_key.public();
    let mut no_key = suffix.clone();
    no_key.log.device = DeviceKey([0; 32]);
    let mut of_another_log = {
        let other = LogId { incarnation: Incarnation(8), ..log() };
        signed(other, &key(), Head { number: 0, hash: root_of(&other) }, bodies(6)).0
    };
    of_another_log.log = log();
    let mut swapped = suffix.bodies.clone();
    swapped.swap(1, 2);
    let signature = Err(SuffixError::Signature);
    let rows = [
        ("a gap after the root", &heads[0], from(2), Err(SuffixError::Gap { from: 2, needed: 1 })),
        ("a gap after some", &heads[3], from(5), Err(SuffixError::Gap { from: 5, needed: 4 })),
        (
            "the last number there is",
            &heads[3],
            with_from(&suffix, u64::MAX, 1),
            Err(SuffixError::Gap { from: u64::MAX, needed: 4 }),
        ),
        ("numbers beyond counting", &heads[3], from(u64::MAX), Err(SuffixError::Bounds)),
        ("number 0", &heads[0], from(0), Err(SuffixError::Bounds)),
        ("no entries", &heads[0], with(Vec::new()), Err(SuffixError::Bounds)),
        ("too many", &heads[0], with(bodies(SUFFIX_ENTRIES_MAX + 1)), Err(SuffixError::Bounds)),
        ("all held", &heads[6], suffix.clone(), Err(SuffixError::Old)),
        ("all held, and more besides", &heads[6], with_from(&suffix, 2, 5), Err(SuffixError::Old)),
        ("the same under other numbers", &heads[1], from(2), signature),
        ("an overlap of another history", &Head { number: 2, hash: [9; 32] }, suffix.clone(), signature),
        ("one body less", &heads[0], with(suffix.bodies[..5].to_vec()), signature),
        ("one body more", &heads[0], with([&suffix.bodies[..], &bodies(1)].concat()), signature),
        ("two bodies swapped", &heads[0], with(swapped), signature),
        ("a signature for another purpose", &heads[0], other_purpose, signature),
        ("another signer", &heads[0], other_signer, signature),
        ("another device's log", &heads[0], other_device, signature),
        ("a key that is none", &heads[0], no_key, signature),
        ("signed for another life of the store", &heads[0], of_another_log, signature),
    ];
    for (name, head, suffix, wanted) in rows {
        assert_eq!(check_suffix(head, &suffix).map(|entries| entries.len()), wanted, "{name}");
    }
    let most = signed(log(), &key(), root(), bodies(SUFFIX_ENTRIES_MAX)).0;
    assert_eq!(check_suffix(&root(), &most).map(|entries| entries.len()), Ok(SUFFIX_ENTRIES_MAX));
}

fn with_from(suffix: &Suffix, from: u64, count: usize) -> Suffix {
    Suffix { from, bodies: suffix.bodies[..count].to_vec(), ..suffix.clone() }
}

#[test]
fn a_wrong_head_is_found_at_the_end_of_numbers() {
    let (suffix, _) = six();
    let head = Head { number: u64::MAX, hash: [0; 32] };
    assert_eq!(check_suffix(&head, &suffix).map(|entries| entries.len()), Err(SuffixError::Old));
}

#[test]
fn a_signature_of_small_order_proves_nothing() {
    // The neutral point as key, a signature of zeros: lax verifiers accept it for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(!verify(&DeviceKey(neutral), "ucash/v1/entry", b"anything", &signature));
}

#[test]
fn purpose_and_message_do_not_run_into_each_other() {
    let signature = key().sign("ab", b"c");
    assert!(verify(&key().public(), "ab", b"c", &signature));
    assert!(!verify(&key().public(), "a", b"bc", &signature));
    assert!(!verify(&key().public(), "abc", b"", &signature));
}

fn document() -> impl Strategy<Value = DocumentId> {
    let shop = || any::<u32>().prop_map(ShopId);
    prop_oneof![
        Just(DocumentId::Registry),
        shop().prop_map(DocumentId::Shop),
        (shop(), "\\+?[0-9]{3,19}", 1970..=9999_u16, 1..=12_u8).prop_map(|(shop, sim, year, month)| {
            DocumentId::SimMonth { shop, sim: SimNumber::new(&sim).expect("digits"), month: Month { year, month } }
        }),
        (shop(), any::<[u8; 10]>()).prop_map(|(shop, id)| DocumentId::Credit { shop, id: CreditId(id) }),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    let change = proptest::collection::vec(any::<u8>(), 0..200);
    (any::<u64>(), any::<i64>(), any::<u64>(), document(), change).prop_map(|(stamp, wall, run, document, change)| {
        Body { stamp: Hlc(stamp), wall: Timestamp(wall), run, document, change }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_flipped_bit_is_refused(which in 0..7_usize, at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (mut suffix, heads) = six();
        let bytes = match which {
            6 => &mut suffix.signature[..],
            body => &mut suffix.bodies[body][..],
        };
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(check_suffix(&heads[0], &suffix), Err(SuffixError::Signature));
    }

    #[test]
    fn any_flipped_bit_of_the_log_or_head_is_refused(at in 0..77_usize, bit in 0..8_u8) {
        let (mut suffix, heads) = six();
        let mut head = heads[0];
        if at < 32 {
            suffix.log.device.0[at] ^= 1 << bit;
        } else if at < 64 {
            head.hash[at - 32] ^= 1 << bit;
        } else {
            // The root of a log covers its scope and incarnation.
            suffix.log.incarnation.0 ^= 1 << (at - 64);
            head.hash = root_of(&suffix.log);
        }
        prop_assert_eq!(check_suffix(&head, &suffix), Err(SuffixError::Signature));
    }

    #[test]
    fn bodies_come_back(body in body()) {
        prop_assert_eq!(Body::from_bytes(&body.to_bytes()), Ok(body));
    }

    #[test]
    fn random_bytes_are_no_second_spelling_of_a_body(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(body) = Body::from_bytes(&bytes) {
            prop_assert_eq!(body.to_bytes(), bytes);
        }
    }

    #[test]
    fn damaged_bodies_are_no_second_spelling(
        body in body(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        insert in any::<bool>(),
    ) {
        let mut bytes = body.to_bytes();
        let at = at.index(bytes.len());
        if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
        if let Ok(body) = Body::from_bytes(&bytes) {
            prop_assert_eq!(body.to_bytes(), bytes);
        }
    }

    #[test]
    fn log_ids_come_back_and_sort_as_their_bytes(
        left in (any::<Option<u32>>(), any::<[u8; 32]>(), any::<u64>()),
        right in (any::<Option<u32>>(), any::<[u8; 32]>(), any::<u64>()),
    ) {
        let id = |(shop, device, incarnation): (Option<u32>, [u8; 32], u64)| LogId {
            scope: shop.map_or(Scope::Registry, |shop| Scope::Shop(ShopId(shop.max(1)))),
            device: DeviceKey(device),
            incarnation: Incarnation(incarnation),
        };
        let (left, right) = (id(left), id(right));
        prop_assert_eq!(LogId::from_bytes(&left.to_bytes()), Some(left));
        prop_assert_eq!(left.cmp(&right), left.to_bytes().cmp(&right.to_bytes()));
    }

    #[test]
    fn random_bytes_are_no_second_spelling_of_a_log_id(bytes in proptest::collection::vec(any::<u8>(), 43..48)) {
        if let Some(log) = LogId::from_bytes(&bytes) {
            prop_assert_eq!(&log.to_bytes()[..], &bytes[..]);
        }
    }

    #[test]
    fn segments_come_back(
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..12),
        signed in any::<bool>(),
    ) {
        let segment = Segment { bodies, signature: signed.then_some([7; 64]) };
        prop_assert_eq!(Segment::from_bytes(&segment.to_bytes()), Ok(segment));
    }

    #[test]
    fn segments_are_total(bytes in proptest::collection::vec(any::<u8>(), 0..200), tag in 0..3_u8) {
        let _ = Segment::from_bytes(&bytes);
        let _ = Segment::from_bytes(&[&[tag][..], &bytes].concat());
    }

    #[test]
    fn the_digest_sees_every_head(number in 1..u64::MAX, hash in any::<[u8; 32]>(), at in 0..32_usize, bit in 0..8_u8) {
        let head = Head { number, hash };
        let mut other = head;
        other.hash[at] ^= 1 << bit;
        let digest = |head: Head| digest_of([(&log(), &head)].into_iter());
        prop_assert_ne!(digest(head), digest(other));
        prop_assert_ne!(digest(head), digest(Head { number: number - 1, hash }));
        prop_assert_eq!(digest(Head { number: 0, hash }), digest_of(std::iter::empty()));
    }
}

#[test]
fn each_wrong_body_is_refused() {
    let honest = Body { stamp: Hlc(1), wall: Timestamp(2), run: 3, document: DocumentId::Registry, change: vec![1] };
    assert_eq!(Body::from_bytes(&vec![0; BODY_BYTES_MAX + 1]), Err(BodyError::TooLong));
    let bytes = honest.to_bytes();
    // [array of 5, stamp, wall, bytes(8) run, bytes(1) document, bytes(1) change]
    assert_eq!(bytes.len(), 1 + 1 + 1 + 9 + 2 + 2);
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        bytes
    };
    let rows = [
        ("nothing", Vec::new()),
        ("bytes after it", [&bytes[..], &[0]].concat()),
        ("cut short", bytes[..bytes.len() - 1].to_vec()),
        ("an array of six", [&[0x86], &bytes[1..], &[0xf6]].concat()),
        ("an open array", [&[0x9f], &bytes[1..], &[0xff]].concat()),
        ("a long spelling of a number", [&bytes[..1], &[0x18, 1], &bytes[2..]].concat()),
        ("a stamp below zero", with(1, 0x20)),
        ("a run of seven bytes", [&bytes[..3], &[0x47], &bytes[5..]].concat()),
        ("a document of no kind", with(13, 9)),
        ("a shop without its number", with(13, 1)),
        ("an empty document", [&bytes[..12], &[0x40], &bytes[14..]].concat()),
        ("a giant length", [&bytes[..14], &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat()),
    ];
    for (name, bytes) in rows {
        assert_eq!(Body::from_bytes(&bytes), Err(BodyError::Malformed), "{name}");
    }
    let month = |year: u16, month: u8, sim: &str| {
        let document = [&[2][..], &5_u32.to_be_bytes(), &year.to_be_bytes(), &[month], sim.as_bytes()].concat();
        let mut bytes = bytes[..12].to_vec();
        bytes.push(0x40 + document.len() as u8);
        bytes.extend(document);
        bytes.extend([0x41, 1]);
        Body::from_bytes(&bytes)
    };
    assert!(month(2026, 5, "0971").is_ok());
    for (year, number, sim) in [
        (2026, 0, "0971"),
        (2026, 13, "0971"),
        (1969, 1, "0971"),
        (10_000, 1, "0971"),
        (2026, 5, " 971"),
        (2026, 5, ""),
    ] {
        assert_eq!(month(year, number, sim), Err(BodyError::Malformed), "{year}-{number} {sim:?}");
    }
}

#[test]
fn each_wrong_log_id_is_refused() {
    let bytes = log().to_bytes();
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes;
        bytes[at] = byte;
        LogId::from_bytes(&bytes)
    };
    assert_eq!(with(0, 0), None, "a registry with a shop");
    assert_eq!(with(4, 0), None, "a shop without a number");
    assert_eq!(with(0, 2), None, "no such kind of scope");
    assert_eq!(LogId::from_bytes(&bytes[..44]), None);
}

#[test]
fn a_segment_that_would_unpack_to_too_much_is_refused() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).expect("in memory");
    assert!(bomb.len() < 16_384);
    assert!(Segment::from_bytes(&[&[1][..], &bomb].concat()).is_err());
    assert!(Segment::from_bytes(&[0, 0x82, 0x80, 0xf6]).is_err(), "a segment of nothing");
}
