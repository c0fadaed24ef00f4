//! H6, H9: what a certified device in wrong hands can make others do is bounded, and no honest one pays for it.

use ucash::document::CHANGE_BYTES_MAX;
use ucash::log::{Head, LogId};
use ucash::membership::Credentials;
use ucash::model::{Incarnation, Operation, Scope, ShopId};
use ucash::replica::{Input, Output};
use ucash::wire::{ANSWER_BYTES_MAX, Message, POSITIONS_MAX, Packed, Position, SCOPES_MAX, Want, decode, encode};

use crate::forge::{
    COUNTER, FORGER, Forger, Net, Node, OFFICE, device, done, gossip, meet, net, pay_command, shown, signed, status,
};
use crate::samples::NOW;

const SHOP: Scope = Scope::Shop(ShopId(5));

/// What a certified device that is connected is answered.
fn say(node: &mut Node, seed: u8, message: &Message) -> (Vec<Message>, bool) {
    let peer = device(seed);
    node.handle(NOW, Input::Connected { peer });
    let outputs = node.handle(NOW, Input::Frame { peer, bytes: encode(message) });
    node.sync().expect("synced");
    let banned = outputs.iter().any(|output| matches!(output, Output::Ban { .. }));
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Send { bytes, .. } => Some(decode(bytes).expect("our own frame")),
        _ => None,
    });
    (sent.collect(), banned)
}

#[test]
fn whoever_hands_on_bad_gossip_is_not_punished_for_it() {
    let Net { mut office, forger, .. } = net();
    let before = shown(&mut office);
    // More entries than one signature may cover, and a packing that is none: made by the forger, handed on by another.
    let (suffix, _) = signed(forger.log, &forger.key, forger.head, vec![vec![1]; 600]);
    let many = encode(&Message::Entries(Packed::pack(&suffix)));
    let (suffix, _) = signed(forger.log, &forger.key, forger.head, vec![vec![7; 2_000]; 3]);
    let mut broken = encode(&Message::Entries(Packed::pack(&suffix)));
    let length = broken.len();
    broken[length - 20..].fill(0xff);
    for frame in [many, broken] {
        let outputs = gossip(&mut office, &frame);
        assert!(!outputs.iter().any(|output| matches!(output, Output::Ban { .. })), "{outputs:?}");
    }
    assert_eq!(shown(&mut office), before);
}

#[test]
fn a_device_that_opens_thousands_of_logs_stops_no_honest_one() {
    let Net { mut office, mut counter, forger, .. } = net();
    for incarnation in 0..POSITIONS_MAX as u64 + 50 {
        let log = LogId { incarnation: Incarnation(incarnation), ..forger.log };
        let head = Head { number: 0, hash: ucash::log::root_of(&log) };
        let (suffix, _) = signed(log, &forger.key, head, vec![vec![1, 2, 3]]);
        gossip(&mut office, &encode(&Message::Entries(Packed::pack(&suffix))));
    }
    assert!(shown(&mut office).set_aside.len() > POSITIONS_MAX);
    done(&mut counter, NOW.plus_ms(1_000), pay_command("CRED-001", "7"));
    meet(&mut office, &mut counter);
    assert_eq!(shown(&mut office), shown(&mut counter), "they hold the same");
}

#[test]
fn a_scope_named_a_thousand_times_is_answered_once() {
    let mut office = net().office;
    let message = Message::Positions { scopes: vec![SHOP; SCOPES_MAX], positions: Vec::new(), answer: true };
    let (sent, banned) = say(&mut office, FORGER, &message);
    assert!(!banned);
    let told: Vec<_> = sent
        .into_iter()
        .filter_map(|message| match message {
            Message::Positions { scopes, positions, .. } => Some((scopes, positions.len())),
            _ => None,
        })
        .collect();
    let logs = office.heads().keys().filter(|log| log.starts_with(&[1, 0, 0, 0, 5])).count();
    assert_eq!(told, [(vec![SHOP], logs)]);
}

#[test]
fn what_one_answer_holds_is_bounded_in_bytes_and_the_rest_is_asked_for_again() {
    let Net { mut office, mut counter, mut forger, .. } = net();
    let first = forger.number();
    for number in 0..80_u8 {
        // A body at its limit; nothing in it can be pressed together.
        let mut body = vec![0; CHANGE_BYTES_MAX];
        blake3::Hasher::new().update(&[number]).finalize_xof().fill(&mut body);
        gossip(&mut office, &forger.sign(vec![body]));
    }
    let last = forger.number() - 1;
    let want = Message::Want(vec![Want { log: forger.log, from: first, to: last }]);
    let (sent, _) = say(&mut office, COUNTER, &want);
    let bytes: usize = sent.iter().map(|message| encode(message).len()).sum();
    assert!(bytes < ANSWER_BYTES_MAX + 400_000, "{bytes}");
    assert_eq!(sent.last(), Some(&Message::Sent));
    meet(&mut office, &mut counter);
    assert_eq!(shown(&mut office), shown(&mut counter), "all of it comes, piece by piece");
}

#[test]
fn a_certificate_said_again_is_none_that_came() {
    let Net { mut office, forger, .. } = net();
    let admitted = office.registry().admitted();
    let Credentials { certificate, .. } = office.registry().credentials(&device(FORGER)).expect("certified");
    let mut registry: Forger = forger.in_scope(Scope::Registry);
    for _ in 0..5 {
        let operation =
            Operation::Certify { device: device(FORGER), certificate: certificate.clone(), name: "encore".to_owned() };
        let body = registry.write(&ucash::model::DocumentId::Registry, &operation);
        let frame = registry.entry(&body);
        gossip(&mut office, &frame);
    }
    assert_eq!(office.registry().admitted(), admitted, "nothing set aside is judged again for it");
}

#[test]
fn who_claims_to_hold_more_than_there_is_confirms_nothing() {
    let Net { mut office, .. } = net();
    done(&mut office, NOW.plus_ms(1_000), pay_command("CRED-001", "7"));
    let pending = status(&mut office).pending_count;
    assert!(pending > 0, "own entries that nobody has confirmed");
    let own: Vec<LogId> = office
        .heads()
        .keys()
        .filter_map(|log| LogId::from_bytes(log))
        .filter(|log| log.device == device(OFFICE) && log.scope == SHOP)
        .collect();
    let liar = |log: &LogId| Position { log: *log, head: Head { number: u64::MAX, hash: [9; 32] } };
    let ends = |log: &LogId| {
        let (number, _) = office.heads()[&log.to_bytes().to_vec()];
        Position { log: *log, head: Head { number, hash: [9; 32] } }
    };
    let wrong: Vec<Position> = own.iter().map(ends).collect();
    say(&mut office, FORGER, &Message::Positions { scopes: vec![SHOP], positions: wrong, answer: false });
    assert_eq!(status(&mut office).pending_count, pending, "another entry where ours ends is not ours");
    let more: Vec<Position> = own.iter().map(liar).collect();
    say(&mut office, FORGER, &Message::Positions { scopes: vec![SHOP], positions: more, answer: false });
    assert_eq!(status(&mut office).pending_count, pending, "nobody holds more of it than its writer");
}
