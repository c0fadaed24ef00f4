//! Messages: each comes back as it was said, and no bytes, however hostile, get past the bounds.

use minicbor::bytes::{ByteArray, ByteVec};
use proptest::prelude::*;
use ucash::log::{BODY_BYTES_MAX, Head, LogId, SUFFIX_BYTES_MAX, SUFFIX_ENTRIES_MAX, Suffix};
use ucash::membership::Credentials;
use ucash::model::{DeviceKey, Incarnation, NetworkId, Scope, ShopId, SimNumber, Timestamp};
use ucash::money::{Amount, Currency};
use ucash::wire::{
    Answered, FRAME_BYTES_MAX, GossipKey, Message, NAME_BYTES_MAX, POSITIONS_MAX, Packed, Position, SCOPES_MAX,
    ScopeDigest, UNPACKED_BYTES_MAX, WANT_ENTRIES_MAX, WANTS_MAX, Want, WireError, decode, encode,
};

fn scope() -> impl Strategy<Value = Scope> {
    proptest::option::of(1..=u32::MAX).prop_map(|shop| shop.map_or(Scope::Registry, |shop| Scope::Shop(ShopId(shop))))
}

fn log() -> impl Strategy<Value = LogId> {
    (scope(), any::<[u8; 32]>(), any::<u64>()).prop_map(|(scope, device, incarnation)| LogId {
        scope,
        device: DeviceKey(device),
        incarnation: Incarnation(incarnation),
    })
}

fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..longest)
}

fn credentials() -> impl Strategy<Value = Box<Credentials>> {
    (any::<[u8; 32]>(), bytes(200), proptest::option::of(bytes(200))).prop_map(|(authority, certificate, issuer)| {
        Box::new(Credentials { authority: DeviceKey(authority), certificate, issuer })
    })
}

fn suffix() -> impl Strategy<Value = Suffix> {
    (log(), 1..u64::MAX, proptest::collection::vec(bytes(300), 1..8), any::<[u8; 32]>()).prop_map(
        |(log, from, bodies, half)| {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&half);
            Suffix { log, from, bodies, signature }
        },
    )
}

fn want() -> impl Strategy<Value = Want> {
    (log(), 1..u64::MAX - WANT_ENTRIES_MAX, 0..WANT_ENTRIES_MAX).prop_map(|(log, from, more)| Want {
        log,
        from,
        to: from + more,
    })
}

fn message() -> impl Strategy<Value = Message> {
    use proptest::collection::vec;
    let head = (any::<u64>(), any::<[u8; 32]>()).prop_map(|(number, hash)| Head { number, hash });
    let position = (log(), head).prop_map(|(log, head)| Position { log, head });
    let scope_digest = (scope(), any::<[u8; 32]>()).prop_map(|(scope, digest)| ScopeDigest { scope, digest });
    let answers = [
        Answered::Version,
        Answered::Stranger,
        Answered::InvitationUnknown,
        Answered::InvitationUsed,
        Answered::InvitationExpired,
        Answered::Unable,
    ];
    prop_oneof![
        (any::<u32>(), any::<[u8; 16]>(), any::<i64>(), any::<[u8; 32]>(), any::<u64>()).prop_map(
            |(protocol, network, wall, digest, incarnation)| Message::Hello {
                protocol,
                network: NetworkId(network),
                wall: Timestamp(wall),
                digest,
                incarnation: Incarnation(incarnation),
            }
        ),
        (1..u32::MAX, any::<bool>(), 0..1_000_000_i128).prop_map(|(shop, ask, cents)| {
            let sim = SimNumber::new("+243971777631").expect("a number");
            let (shop, amount) = (ShopId(shop), Amount::from_cents(cents, Currency::Cdf).expect("an amount"));
            if ask { Message::Ask { shop, sim, amount } } else { Message::Given { shop, sim, amount } }
        }),
        Just(Message::WhoAreYou),
        Just(Message::Sent),
        credentials().prop_map(Message::Credentials),
        any::<[u8; 32]>().prop_map(Message::Digest),
        any::<[u8; 32]>().prop_map(Message::Same),
        vec(scope_digest, 0..20).prop_map(Message::Scopes),
        (vec(scope(), 0..20), vec(position, 0..20), any::<bool>())
            .prop_map(|(scopes, positions, answer)| Message::Positions { scopes, positions, answer }),
        vec(want(), 0..20).prop_map(Message::Want),
        suffix().prop_map(|suffix| Message::Entries(Packed::pack(&suffix))),
        (any::<[u8; 32]>(), suffix())
            .prop_map(|(after, suffix)| Message::Branch { after, entries: Packed::pack(&suffix) }),
        vec((any::<u64>(), any::<[u8; 32]>()), 0..64).prop_map(|places| Message::Locate {
            log: a_log(),
            places: places.into_iter().map(|(number, hash)| Head { number, hash }).collect(),
        }),
        (any::<[u8; 8]>(), any::<[u8; 32]>(), "\\PC{0,40}").prop_map(|(invitation, proof, name)| Message::Join {
            invitation,
            proof,
            name
        }),
        (credentials(), any::<[u8; 32]>())
            .prop_map(|(credentials, key)| Message::Joined { credentials, gossip_key: GossipKey(key) }),
        proptest::sample::select(answers.to_vec()).prop_map(Message::Refused),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn messages_come_back(message in message()) {
        prop_assert_eq!(decode(&encode(&message)), Ok(message));
    }

    #[test]
    fn suffixes_come_back(suffix in suffix()) {
        let packed = Packed::pack(&suffix);
        prop_assert_eq!(packed.log(), suffix.log);
        prop_assert_eq!(packed.from(), suffix.from);
        prop_assert_eq!(packed.last(), suffix.from.saturating_add(suffix.bodies.len() as u64 - 1));
        prop_assert_eq!(packed.unpack(), Ok(suffix));
    }

    #[test]
    fn random_bytes_are_answered(bytes in bytes(300)) {
        if let Ok(message) = decode(&bytes) {
            prop_assert_eq!(decode(&encode(&message)), Ok(message));
        }
    }

    #[test]
    fn damaged_frames_are_answered(
        message in message(),
        damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut bytes = encode(&message);
        for (at, byte, how) in damages {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => {}
            }
        }
        if let Ok(message) = decode(&bytes) {
            if let Message::Entries(packed) = &message {
                let _ = packed.unpack();
            }
            prop_assert_eq!(decode(&encode(&message)), Ok(message));
        }
    }

    #[test]
    fn a_cut_frame_is_refused(message in message(), at in any::<prop::sample::Index>()) {
        let bytes = encode(&message);
        prop_assert_eq!(decode(&bytes[..at.index(bytes.len())]), Err(WireError::Malformed));
        prop_assert_eq!(decode(&[&bytes[..], &[0]].concat()), Err(WireError::Malformed));
    }
}

fn a_log() -> LogId {
    LogId { scope: Scope::Shop(ShopId(5)), device: DeviceKey([1; 32]), incarnation: Incarnation(7) }
}

fn packed(bodies: Vec<Vec<u8>>) -> Packed {
    Packed::pack(&Suffix { log: a_log(), from: 1, bodies, signature: [0; 64] })
}

/// The frame of a message with these CBOR fields: what [`encode`] would never write.
fn raw(kind: u32, fields: impl FnOnce(&mut minicbor::Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut bytes);
    encoder.array(2).and_then(|encoder| encoder.u32(kind)).expect("in memory");
    fields(&mut encoder);
    bytes
}

/// A frame of entries that claims what it likes.
fn raw_entries(from: u64, count: u32, zstd: bool, bodies: Vec<u8>) -> Vec<u8> {
    let log = ByteArray::from(a_log().to_bytes());
    raw(8, |encoder| {
        encoder.encode((log, from, count, ByteArray::from([0; 64]), zstd, ByteVec::from(bodies))).expect("in memory");
    })
}

fn cbor_bodies(bodies: &[Vec<u8>]) -> Vec<u8> {
    let bodies: Vec<ByteVec> = bodies.iter().map(|body| ByteVec::from(body.clone())).collect();
    minicbor::to_vec(bodies).expect("in memory")
}

fn unpacked(frame: &[u8]) -> Result<usize, WireError> {
    match decode(frame)? {
        Message::Entries(packed) => Ok(packed.unpack()?.bodies.len()),
        other => panic!("not entries: {other:?}"),
    }
}

#[test]
fn the_raw_frame_is_made_as_ours_is() {
    let bodies = vec![vec![1; 50], vec![2; 60]];
    assert_eq!(raw_entries(1, 2, false, cbor_bodies(&bodies)), encode(&Message::Entries(packed(bodies))));
}

#[test]
fn what_a_message_may_hold_is_bounded() {
    let digest = |count| {
        let one = |shop: u32| ScopeDigest { scope: Scope::Shop(ShopId(shop + 1)), digest: [0; 32] };
        Message::Scopes((0..count as u32).map(one).collect())
    };
    let position = Position { log: a_log(), head: Head { number: 1, hash: [0; 32] } };
    let positions = |scopes: usize, count: usize| Message::Positions {
        scopes: vec![Scope::Registry; scopes],
        positions: vec![position; count],
        answer: false,
    };
    let wants = |count| Message::Want(vec![Want { log: a_log(), from: 1, to: 1 }; count]);
    let want = |from, to| Message::Want(vec![Want { log: a_log(), from, to }]);
    let join = |length| Message::Join { invitation: [0; 8], proof: [0; 32], name: "x".repeat(length) };
    let rows = [
        ("scopes", digest(SCOPES_MAX), digest(SCOPES_MAX + 1)),
        ("scopes of positions", positions(SCOPES_MAX, 0), positions(SCOPES_MAX + 1, 0)),
        ("positions", positions(0, POSITIONS_MAX), positions(0, POSITIONS_MAX + 1)),
        ("wants", wants(WANTS_MAX), wants(WANTS_MAX + 1)),
        ("entries of a want", want(1, WANT_ENTRIES_MAX), want(1, WANT_ENTRIES_MAX + 1)),
        ("entries of a want from far", want(u64::MAX - 5, u64::MAX), want(1, u64::MAX)),
        ("a want's beginning", want(1, 1), want(0, 1)),
        ("a want's end", want(5, 5), want(5, 4)),
        ("a name", join(NAME_BYTES_MAX), join(NAME_BYTES_MAX + 1)),
    ];
    for (name, within, beyond) in rows {
        assert_eq!(decode(&encode(&within)).as_ref(), Ok(&within), "{name} within");
        assert_eq!(decode(&encode(&beyond)), Err(WireError::TooMany), "{name} beyond");
        assert!(encode(&within).len() <= FRAME_BYTES_MAX, "{name} fits in a frame");
    }
}

#[test]
fn a_frame_is_bounded_before_it_is_read() {
    assert_eq!(decode(&vec![0xff; FRAME_BYTES_MAX + 1]), Err(WireError::TooLong));
    assert_eq!(decode(&vec![0xff; FRAME_BYTES_MAX]), Err(WireError::Malformed));
}

#[test]
fn each_claim_of_a_giant_length_is_refused() {
    // An array, a text or bytes that claim 2^63 or 2^32 elements: were room made for them, the process would end.
    let arrays = [0x9b_u8, 0x9a];
    let strings = [(0x5b_u8, 0x5a_u8), (0x7b, 0x7a)];
    for kind in 0..13 {
        for head in arrays.into_iter().chain(strings.into_iter().flat_map(|(long, short)| [long, short])) {
            let length = if head & 0x1f == 0x1b { vec![0x7f; 8] } else { vec![0xff; 4] };
            let claim = [&[head][..], &length].concat();
            for prefix in [vec![], vec![0x81], vec![0x82], vec![0x83, 0x80], vec![0x86]] {
                let frame = [&[0x82, kind][..], &prefix, &claim].concat();
                assert_eq!(decode(&frame), Err(WireError::Malformed), "message {kind}, {prefix:x?}, {head:x}");
            }
        }
    }
}

#[test]
fn deep_nesting_is_refused_without_recursion() {
    for opening in [0x81_u8, 0x9f, 0xa1, 0xbf, 0xc1] {
        let deep = vec![opening; FRAME_BYTES_MAX - 10];
        assert!(decode(&deep).is_err());
        for kind in 0..13 {
            assert!(decode(&[&[0x82, kind][..], &deep].concat()).is_err());
            // As a field that this version does not know, which is skipped.
            assert!(decode(&[&[0x82, kind, 0x88][..], &deep].concat()).is_err());
        }
    }
}

#[test]
fn each_wrong_frame_is_refused() {
    let log = a_log().to_bytes();
    let rows = [
        ("no such message", raw(13, |encoder| drop(encoder.array(0)))),
        ("a message without its fields", raw(3, |encoder| drop(encoder.array(0)))),
        ("a digest of 31 bytes", raw(3, |encoder| drop(encoder.encode((ByteArray::from([0; 31]),))))),
        ("a refusal of no kind", raw(12, |encoder| drop(encoder.encode((6_u8,))))),
        (
            "a log of no kind",
            raw(7, |encoder| {
                let mut wrong = log;
                wrong[0] = 2;
                encoder.encode((vec![(ByteArray::from(wrong), 1_u64, 1_u64)],)).expect("in memory");
            }),
        ),
        ("a name that is not UTF-8", {
            let mut bytes = encode(&Message::Join { invitation: [0; 8], proof: [0; 32], name: "abc".to_owned() });
            let last = bytes.len() - 1;
            bytes[last] = 0xff;
            bytes
        }),
        ("nothing", Vec::new()),
        ("a bare number", vec![0x01]),
    ];
    for (name, frame) in rows {
        assert_eq!(decode(&frame), Err(WireError::Malformed), "{name}");
    }
}

#[test]
fn entries_are_bounded_whatever_they_claim() {
    let one = || cbor_bodies(&[vec![1; 10]]);
    let many = |count: usize| cbor_bodies(&vec![Vec::new(); count]);
    let pack = |plain: &[u8]| zstd::bulk::compress(plain, 3).expect("in memory");
    let most = SUFFIX_ENTRIES_MAX;
    assert_eq!(unpacked(&raw_entries(1, 1, false, one())), Ok(1));
    assert_eq!(unpacked(&raw_entries(1, 1, true, pack(&one()))), Ok(1));
    assert_eq!(unpacked(&raw_entries(1, most as u32, true, pack(&many(most)))), Ok(most));
    let rows = [
        ("no entry", raw_entries(1, 0, false, many(0)), WireError::TooMany),
        ("too many", raw_entries(1, most as u32 + 1, true, pack(&many(most + 1))), WireError::TooMany),
        ("more claimed than there are", raw_entries(1, 2, false, one()), WireError::TooMany),
        ("fewer claimed than there are", raw_entries(1, 1, false, many(2)), WireError::TooMany),
        ("a claim of 2^32", raw_entries(1, u32::MAX, false, one()), WireError::TooMany),
        ("plain said to be packed", raw_entries(1, 1, true, one()), WireError::Malformed),
        ("packed said to be plain", raw_entries(1, 1, false, pack(&one())), WireError::Malformed),
        ("bytes after the bodies", raw_entries(1, 1, false, [one(), vec![0]].concat()), WireError::Malformed),
        ("nothing at all", raw_entries(1, 1, false, Vec::new()), WireError::Malformed),
        ("nothing at all, packed", raw_entries(1, 1, true, Vec::new()), WireError::Malformed),
        (
            "bodies longer together than one signature's reach",
            raw_entries(1, 7, true, pack(&cbor_bodies(&vec![vec![0; BODY_BYTES_MAX]; 7]))),
            WireError::Malformed,
        ),
    ];
    for (name, frame, wanted) in rows {
        assert_eq!(unpacked(&frame), Err(wanted), "{name}");
    }
    let longest = SUFFIX_BYTES_MAX + BODY_BYTES_MAX;
    let alone = raw_entries(1, 1, true, pack(&cbor_bodies(&[vec![0; longest]])));
    assert_eq!(unpacked(&alone), Ok(1), "an entry too long for a body is refused later, as a body");
}

#[test]
fn a_bomb_does_not_go_off() {
    let bomb = zstd::bulk::compress(&vec![0; 256 << 20], 19).expect("in memory");
    assert!(bomb.len() < FRAME_BYTES_MAX / 8, "{} bytes unpack to 256 MiB", bomb.len());
    assert_eq!(unpacked(&raw_entries(1, 1, true, bomb.clone())), Err(WireError::Malformed));
    // A frame after a frame, each within the limit: both count.
    let half = zstd::bulk::compress(&vec![0; UNPACKED_BYTES_MAX - 1], 3).expect("in memory");
    assert_eq!(unpacked(&raw_entries(1, 1, true, [half.clone(), half].concat())), Err(WireError::Malformed));
}

#[test]
fn the_last_number_does_not_overflow() {
    let frame = raw_entries(u64::MAX, u32::MAX, false, cbor_bodies(&[vec![1]]));
    let Ok(Message::Entries(packed)) = decode(&frame) else { panic!("it decodes") };
    assert_eq!(packed.last(), u64::MAX - 1, "held at the end of the range");
    let none = raw_entries(0, 0, false, cbor_bodies(&[]));
    let Ok(Message::Entries(packed)) = decode(&none) else { panic!("it decodes") };
    assert_eq!(packed.last(), 0);
}
