//! Every decoder of foreign or stored bytes: arbitrary bytes, and honest ones damaged. Each answers with an error, or
//! with a value that, written again, is read as the same; and none takes much more room than it was given bytes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono_tz::Tz;
use serde_json::value::RawValue;
use ucash::document::{items, operation, parse};
use ucash::log::{Body, LogId, Segment, Suffix, root_of};
use ucash::membership::{Certificate, Invitation, ReadScope, Role};
use ucash::model::{NetworkId, Scope, ShopId, SimNumber};
use ucash::money::Amount;
use ucash::rows::{Members, RowContext, Table, WireTime, name_row, read_row, split};
use ucash::wire::{Message, Packed, UNPACKED_BYTES_MAX, Want, decode, encode};

use super::draw::Draw;
use super::{Tally, rounds};
use crate::document_hostile::{chunk, contents};
use crate::forge::{AUTHORITY, device, key};
use crate::samples::{NOW, Paper, every_operation, sim};

type Read = fn(&[u8]) -> bool;

const PREFIX: &str = "ucash1";

/// Bech32m around any bytes, by the definition (BIP 350) and not by our library.
fn word(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let human = &PREFIX.as_bytes()[..PREFIX.len() - 1];
    let (mut fives, mut rest, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in bytes {
        rest = rest << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            fives.push((rest >> bits & 31) as u8);
        }
        rest &= (1 << bits) - 1;
    }
    if bits > 0 {
        fives.push((rest << (5 - bits) & 31) as u8);
    }
    let expanded = human.iter().map(|c| c >> 5).chain([0]).chain(human.iter().map(|c| c & 31));
    let checked: Vec<u8> = expanded.chain(fives.iter().copied()).chain([0; 6]).collect();
    let mut sum = 1_u32;
    for five in checked {
        let top = sum >> 25;
        sum = (sum & 0x01ff_ffff) << 5 ^ u32::from(five);
        (0..5).filter(|bit| top >> bit & 1 == 1).for_each(|bit| sum ^= GENERATOR[bit]);
    }
    sum ^= 0x2bc8_30a3;
    let check = (0..6).map(|place| (sum >> (5 * (5 - place)) & 31) as u8);
    let letters = fives.iter().copied().chain(check).map(|five| char::from(LETTERS[usize::from(five)]));
    PREFIX.chars().chain(letters).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read_invitation(word: &str) -> bool {
    let Ok(read) = Invitation::from_text(word) else { return false };
    assert_eq!(Invitation::from_text(&read.to_text()), Ok(read), "an invitation has one meaning");
    true
}

fn read_message(bytes: &[u8]) -> bool {
    let Ok(message) = decode(bytes) else { return false };
    let again = encode(&message);
    assert_eq!(decode(&again), Ok(message.clone()), "a message has one meaning");
    assert!(again.len() <= bytes.len() + 64, "and needs no more room than it came in");
    if let Message::Entries(packed) = &message {
        read_packed(packed);
    }
    true
}

fn read_packed(packed: &Packed) {
    let Ok(suffix) = packed.unpack() else { return };
    let room: usize = suffix.bodies.iter().map(Vec::len).sum();
    assert!(room <= UNPACKED_BYTES_MAX, "{room} bytes unpacked");
    assert_eq!(Packed::pack(&suffix).unpack(), Ok(suffix), "entries have one meaning");
}

/// The decoders, by name. `true` if the bytes were something.
const DECODERS: [(&str, Read); 15] = [
    ("message", read_message),
    ("entries", |bytes| {
        // Packed or not, under the flag that says so: the header right, the bodies any bytes.
        let log = LogId { scope: Scope::Registry, device: device(1), incarnation: ucash::model::Incarnation(1) };
        let count = every_operation().len();
        let plain = Suffix { log, from: 1, bodies: vec![Vec::new(); count], signature: [7; 64] };
        let frame = encode(&Message::Entries(Packed::pack(&plain)));
        // The last are the head of a byte string, the head of an array, and as many empty bodies.
        let body = frame.len() - count - 2;
        let zstd = bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        let mut other = frame[..body - 3].to_vec();
        other.push(if zstd { 0xf5 } else { 0xf4 });
        other.extend([0x59, (bytes.len() >> 8) as u8, bytes.len() as u8]);
        other.extend_from_slice(bytes);
        read_message(&other);
        matches!(decode(&other), Ok(Message::Entries(packed)) if packed.unpack().is_ok())
    }),
    ("body", |bytes| match Body::from_bytes(bytes) {
        Ok(body) => {
            assert_eq!(body.to_bytes(), bytes, "a body has one spelling");
            true
        }
        Err(_) => false,
    }),
    ("change", |bytes| match parse(bytes) {
        Ok(change) => {
            assert_eq!(parse(bytes), Ok(change.clone()));
            for (document, _, _) in every_operation() {
                if let Some(found) = operation(&document, &change.items) {
                    assert_eq!(items(&found), change.items, "an operation has one layout");
                }
            }
            true
        }
        Err(_) => false,
    }),
    ("certificate", |bytes| match Certificate::from_bytes(bytes) {
        Ok(certificate) => {
            let again = certificate.sign(&key(AUTHORITY));
            let expected = (certificate.issuer == device(AUTHORITY)).then_some(certificate);
            assert_eq!(Certificate::from_bytes(&again).ok(), expected, "a certificate has one meaning");
            true
        }
        Err(_) => false,
    }),
    ("invitation, any text", |bytes| read_invitation(&text(bytes))),
    ("invitation, right checksum", |bytes| read_invitation(&word(bytes))),
    ("segment", |bytes| match Segment::from_bytes(bytes) {
        Ok(segment) => {
            assert_eq!(Segment::from_bytes(&segment.to_bytes()), Ok(segment), "a segment has one meaning");
            true
        }
        Err(_) => false,
    }),
    ("log id", |bytes| LogId::from_bytes(bytes).is_some_and(|log| log.to_bytes() == bytes)),
    ("rows", |bytes| {
        let text = text(bytes);
        let Ok(rows) = split(&text) else { return false };
        let context = RowContext { zone: Tz::Africa__Lubumbashi, now: NOW };
        let mut read = false;
        for row in rows {
            name_row(row);
            for table in
                [Table::Shops, Table::Sims, Table::Captures, Table::Withdrawals, Table::Deposits, Table::Credits]
            {
                read |= read_row(table, row, &context).is_ok();
            }
        }
        read
    }),
    ("row", |bytes| {
        let context = RowContext { zone: Tz::Africa__Lubumbashi, now: NOW };
        let text = text(bytes);
        let Ok(row) = serde_json::from_str::<&RawValue>(&text) else { return false };
        read_row(Table::Credits, row, &context).is_ok()
    }),
    ("members", |bytes| {
        let text = text(bytes);
        Members::read(&text).is_ok_and(|members| members.names().all(|name| members.get(name).is_some()))
    }),
    ("time", |bytes| WireTime::read(&text(bytes)).is_some_and(|time| time.instant(Tz::Africa__Kinshasa).is_some())),
    ("SIM number", |bytes| match SimNumber::new(&text(bytes)) {
        Ok(number) => {
            assert_eq!(SimNumber::new(number.as_str()), Ok(number), "a number has one spelling");
            true
        }
        Err(_) => false,
    }),
    ("amount", |bytes| match Amount::from_document(&text(bytes)) {
        Some(amount) => {
            assert_eq!(amount.to_string().as_bytes(), bytes, "an amount has one spelling");
            true
        }
        None => false,
    }),
];

/// Honest bytes for each decoder.
fn honest() -> Vec<Vec<Vec<u8>>> {
    let log = LogId { scope: Scope::Shop(ShopId(5)), device: device(1), incarnation: ucash::model::Incarnation(1) };
    let mut changes = Vec::new();
    let mut bodies = Vec::new();
    for (document, before, wanted) in every_operation() {
        let change = Paper::after(document.clone(), &before).draft(&wanted);
        let body = Body { stamp: ucash::model::Hlc::at(NOW), wall: NOW, run: 1, document, change: change.clone() };
        changes.push(change);
        bodies.push(body.to_bytes());
    }
    let certificate = Certificate {
        network: NetworkId::of_authority(&device(AUTHORITY)),
        subject: device(1),
        shop: ShopId(5),
        role: Role::Device,
        read: ReadScope::All,
        issued_at: NOW,
        expires_at: Some(NOW),
        issuer: device(AUTHORITY),
    };
    let certificates = vec![certificate.sign(&key(AUTHORITY))];
    let invitation = Invitation {
        network: certificate.network,
        inviter: device(1),
        id: [1; 8],
        secret: ucash::membership::Secret([2; 16]),
        shop: ShopId(5),
        expires_at: NOW,
        addresses: vec!["/ip4/10.0.0.1/tcp/4001".to_owned(), "/dns4/siege.local/tcp/4001".to_owned()],
    };
    let invitation_text = invitation.to_text();
    let checked = bech32::primitives::decode::UncheckedHrpstring::new(&invitation_text).expect("a word");
    let fives: Vec<u8> = checked
        .data_part_ascii()
        .iter()
        .map(|c| bech32::Fe32::from_char(char::from(*c)).expect("a letter").to_u8())
        .collect();
    let bits = fives[..fives.len() - 6].iter().fold(String::new(), |bits, five| bits + &format!("{five:05b}"));
    let plain: Vec<u8> =
        bits.as_bytes().chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | (bit - b'0'))).collect();
    assert_eq!(word(&plain), invitation_text, "the test's own Bech32m is the right one");
    let signature = [7; 64];
    let suffix = Suffix { log, from: 1, bodies: bodies.clone(), signature };
    let messages = vec![
        encode(&Message::Entries(Packed::pack(&suffix))),
        encode(&Message::Entries(Packed::pack(&Suffix { bodies: bodies[..1].to_vec(), ..suffix.clone() }))),
        encode(&Message::Want(vec![Want { log, from: 1, to: 9 }; 3])),
        encode(&Message::Positions {
            scopes: vec![Scope::Registry, log.scope],
            positions: vec![ucash::wire::Position { log, head: ucash::log::Head { number: 3, hash: root_of(&log) } }],
            answer: true,
        }),
        encode(&Message::Ask { shop: ShopId(5), sim: sim(), amount: crate::samples::usd("5") }),
        encode(&Message::Join { invitation: [1; 8], proof: [2; 32], name: "comptoir".to_owned() }),
        encode(&Message::Credentials(Box::new(ucash::membership::Credentials {
            authority: device(AUTHORITY),
            certificate: certificates[0].clone(),
            issuer: None,
        }))),
    ];
    // An array of byte strings, as it is packed.
    let mut packed = vec![0x98, bodies.len() as u8];
    for body in &bodies {
        packed.extend([0x59, (body.len() >> 8) as u8, body.len() as u8]);
        packed.extend_from_slice(body);
    }
    let squeezed = zstd::bulk::compress(&packed, 3).expect("packed");
    let segments = vec![
        Segment { bodies: bodies[..2].to_vec(), signature: Some(signature) }.to_bytes(),
        Segment { bodies: bodies.clone(), signature: None }.to_bytes(),
    ];
    let row = br#"{"id":7,"reference":"CRED-1","montant_credit":100.0,"devise":"USD","beneficiaire_nom":"Amani",
        "beneficiaire_telephone":"+243810000000","beneficiaire_adresse":null,"type_beneficiaire":"partenaire",
        "sim_numero":"+243971777631","shop_id":1,"agent_id":11,"agent_username":"agent_goma_1","statut":"accorde",
        "date_sortie":"2025-06-01T10:00:00.000","date_paiement":null,"date_echeance":null,"notes":null,
        "montant_paye":0.0,"mode_paiement":null,"reference_paiement":null,
        "last_modified_at":"2025-06-02T10:00:00.000","is_synced":1}"#;
    let rows = [b"[", &row[..], b"]"].concat();
    let times = [&b"2025-06-01T10:00:00.000"[..], b"2025-06-01T10:00:00Z", b"2025-06-01T10:00:00+02:00"];
    vec![
        messages,
        vec![packed, squeezed],
        bodies,
        changes,
        certificates,
        vec![invitation_text.into_bytes()],
        vec![plain],
        segments,
        vec![log.to_bytes().to_vec()],
        vec![rows],
        vec![row.to_vec()],
        vec![row.to_vec()],
        times.map(<[u8]>::to_vec).to_vec(),
        vec![b"+243971777631".to_vec(), b"0971777631".to_vec()],
        ["100", "0.01"].map(|text| crate::samples::usd(text).to_string().into_bytes()).to_vec(),
    ]
}

fn round(draw: &mut Draw, tally: &mut Tally) {
    let honest = honest();
    for _ in 0..600 {
        let which = draw.below(DECODERS.len());
        let (name, read) = DECODERS[which];
        let good = draw.of(&honest[which]);
        let bytes = match draw.below(8) {
            0 => draw.bytes(300),
            1 => good.clone(),
            2 if name == "change" => chunk(1, &draw.bytes(200)),
            3..=5 if name == "change" => chunk(1, &draw.damaged(contents(&good))),
            _ => draw.damaged(&good),
        };
        let answered = catch_unwind(AssertUnwindSafe(|| read(&bytes)));
        let Ok(something) = answered else {
            panic!("{name} of {}", data_encoding::HEXLOWER.encode(&bytes));
        };
        assert!(something || bytes != good, "{name}: what is honest is read");
        tally.count(name, if something { "read" } else { "refused" });
    }
}

#[test]
fn decoders_answer_whatever_the_bytes() {
    let tally = rounds("decoders", "UCASH_FUZZ_SECONDS", 20, round);
    for (name, _) in DECODERS {
        assert!(tally.of(name, "read") > 0 && tally.of(name, "refused") > 0, "{name}: both ends were seen");
    }
}
