//! H6, H9: what a certified device in wrong hands can make others do is bounded, and no honest one pays for it.

use ucash::document::CHANGE_BYTES_MAX;
use ucash::log::{Head, LogId};
use ucash::membership::Credentials;
use ucash::model::{Incarnation, Operation, Scope, ShopId, Timestamp};
use ucash::replica::{Input, Output, PeerView};
use ucash::wire::{
    ALLOWANCE_BYTES_MAX, ANSWER_BYTES_MAX, BAN_MS, FRAME_COST_BYTES, Message, POSITIONS_MAX, Packed, Position,
    SCOPES_MAX, STRANGER_FRAMES_MAX, WITHOUT_EFFECT_MAX, Want, decode, encode,
};

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

/// "What waits is bounded": one device that writes nothing but what has no effect.
#[test]
fn who_writes_without_effect_and_without_end_is_taken_only_so_far() {
    let Net { mut office, mut counter, mut forger, .. } = net();
    for _ in 0..WITHOUT_EFFECT_MAX / 512 + 8 {
        let (suffix, head) = signed(forger.log, &forger.key, forger.head, vec![vec![1]; 512]);
        forger.head = head;
        gossip(&mut office, &encode(&Message::Entries(Packed::pack(&suffix))));
    }
    assert_eq!(status(&mut office).set_aside, WITHOUT_EFFECT_MAX, "and not one more");
    // Another log of the same device is no way around it, and nobody else is in its way.
    let other = LogId { incarnation: Incarnation(0xabc), ..forger.log };
    let head = Head { number: 0, hash: ucash::log::root_of(&other) };
    let (suffix, _) = signed(other, &forger.key, head, vec![vec![1]]);
    gossip(&mut office, &encode(&Message::Entries(Packed::pack(&suffix))));
    assert_eq!(status(&mut office).set_aside, WITHOUT_EFFECT_MAX);
    done(&mut counter, NOW, pay_command("CRED-001", "10"));
    meet(&mut office, &mut counter);
    let (mine, theirs) = (status(&mut office), status(&mut counter));
    assert_eq!(mine.state_digest, theirs.state_digest, "what counts is the same everywhere");
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

/// Everything a device that is connected already says at one time, until it is left. Answers the bytes sent to it, how
/// many of its frames were heard, and for how long it is left, in minutes.
fn flood(node: &mut Node, seed: u8, message: &Message, now: Timestamp, frames: usize) -> (usize, usize, Option<u64>) {
    let peer = device(seed);
    let bytes = encode(message);
    let mut sent = 0;
    for number in 1..=frames {
        for output in node.handle(now, Input::Frame { peer, bytes: bytes.clone() }) {
            match output {
                Output::Send { bytes, .. } => sent += bytes.len(),
                Output::Ban { for_ms, .. } => return (sent, number, Some(for_ms / BAN_MS)),
                _ => {}
            }
        }
    }
    (sent, frames, None)
}

fn peer_view(node: &mut Node, seed: u8) -> PeerView {
    let key = device(seed).to_text();
    status(node).peers.into_iter().find(|peer| peer.device_key == key).expect("shown")
}

fn ask_again_and_again(frames: usize) {
    let Net { mut office, mut counter, mut forger, .. } = net();
    let first = forger.number();
    for number in 0..8_u8 {
        let mut body = vec![0; CHANGE_BYTES_MAX];
        blake3::Hasher::new().update(&[number]).finalize_xof().fill(&mut body);
        gossip(&mut office, &forger.sign(vec![body]));
    }
    let before = shown(&mut office);
    let peer = device(FORGER);
    let want = Message::Want(vec![Want { log: forger.log, from: first, to: first + 7 }]);
    let (mut sent, mut banned) = (0, None);
    for _ in 0..1_000 {
        office.handle(NOW, Input::Connected { peer });
        let (bytes, _, minutes) = flood(&mut office, FORGER, &want, NOW, frames);
        sent += bytes;
        banned = banned.or(minutes);
        office.handle(NOW, Input::Disconnected { peer });
        if banned.is_some() {
            break;
        }
    }
    assert_eq!(banned, Some(1));
    // What is new to it is free, twice a day; the rest is not.
    assert!(sent < 2 * ALLOWANCE_BYTES_MAX as usize, "{sent}");
    let view = peer_view(&mut office, FORGER);
    assert_eq!((view.refused, view.connected), (20, false));
    assert_eq!(view.banned_until, Some(NOW.plus_ms(BAN_MS as i64).to_rfc3339()));
    assert_eq!(shown(&mut office), before);

    done(&mut counter, NOW.plus_ms(1_000), pay_command("CRED-001", "7"));
    meet(&mut office, &mut counter);
    assert_eq!(shown(&mut office), shown(&mut counter), "an honest one is served meanwhile");
    let view = peer_view(&mut office, COUNTER);
    assert_eq!((view.refused, view.banned_until), (0, None));
}

#[test]
fn who_asks_for_the_same_again_and_again_is_left() {
    ask_again_and_again(100);
}

#[test]
fn hanging_up_after_each_answer_does_not_help() {
    ask_again_and_again(1);
}

#[test]
fn short_words_that_are_dear_to_answer_run_out() {
    let Net { mut office, .. } = net();
    let before = shown(&mut office);
    let rows = [
        Message::Digest([7; 32]),
        Message::Scopes(Vec::new()),
        Message::Positions { scopes: vec![SHOP, Scope::Registry], positions: Vec::new(), answer: true },
        Message::WhoAreYou,
        Message::Want(vec![Want {
            log: LogId { scope: SHOP, device: device(99), incarnation: Incarnation(1) },
            from: 1,
            to: 9,
        }]),
        Message::Sent,
    ];
    let most = (ALLOWANCE_BYTES_MAX / FRAME_COST_BYTES) as usize;
    let mut later = NOW;
    for (row, message) in rows.iter().enumerate() {
        office.handle(later, Input::Connected { peer: device(FORGER) });
        let (sent, heard, minutes) = flood(&mut office, FORGER, message, later, 2 * most);
        assert!(heard <= most + 20 && sent <= ALLOWANCE_BYTES_MAX as usize, "{message:?}: {heard}, {sent}");
        assert_eq!(minutes, Some(1 << row), "{message:?}: longer each time");
        later = later.plus_ms((BAN_MS << row) as i64);
    }
    assert_eq!(shown(&mut office), before);
}

#[test]
fn who_says_it_holds_what_it_does_not_is_left_and_once_in_a_comparison_is_forgiven() {
    let Net { mut office, forger, .. } = net();
    let peer = device(FORGER);
    let log = LogId { incarnation: Incarnation(77), ..forger.log };
    let claim = Position { log, head: Head { number: 9, hash: [3; 32] } };
    let claim = encode(&Message::Positions { scopes: vec![SHOP], positions: vec![claim], answer: false });
    let lie = |office: &mut Node, now: Timestamp| {
        office.handle(now, Input::Frame { peer, bytes: claim.clone() });
        let outputs = office.handle(now, Input::Frame { peer, bytes: encode(&Message::Sent) });
        outputs.iter().any(|output| matches!(output, Output::Ban { .. }))
    };
    office.handle(NOW, Input::Connected { peer });
    for step in 0..100 {
        assert!(!lie(&mut office, NOW.plus_ms(step * 30_000)), "bad luck in each comparison");
    }
    let now = NOW.plus_ms(100 * 30_000);
    let left: Vec<bool> = (0..4).map(|_| lie(&mut office, now)).collect();
    assert_eq!(left, [false, false, false, true]);
    // A `Sent` that nobody waits for is no promise.
    office.handle(now, Input::Connected { peer });
    let view = peer_view(&mut office, FORGER).refused;
    office.handle(now, Input::Frame { peer, bytes: encode(&Message::Sent) });
    assert_eq!(peer_view(&mut office, FORGER).refused, view);
}

#[test]
fn a_stranger_says_only_so_much_and_is_not_remembered_for_it() {
    let Net { mut office, .. } = net();
    let peer = device(66);
    office.handle(NOW, Input::Connected { peer });
    let (_, heard, minutes) = flood(&mut office, 66, &Message::WhoAreYou, NOW, 1_000);
    assert_eq!((heard, minutes), (STRANGER_FRAMES_MAX as usize + 1, Some(1)));
    office.handle(NOW, Input::Connected { peer });
    office.handle(NOW, Input::Frame { peer, bytes: vec![0xff] });
    let key = peer.to_text();
    assert!(status(&mut office).peers.iter().all(|peer| peer.device_key != key), "of strangers there is no end");
    assert!(office.tally().refused > 0, "but they are counted");
}

#[test]
fn bans_grow_for_who_goes_on_and_who_hands_on_bad_entries_has_none() {
    let Net { mut office, mut counter, mut forger, .. } = net();
    let peer = device(FORGER);
    let (mut now, mut minutes) = (NOW, Vec::new());
    for _ in 0..7 {
        office.handle(now, Input::Connected { peer });
        let outputs = office.handle(now, Input::Frame { peer, bytes: vec![0xff] });
        let banned = outputs.iter().find_map(|output| match output {
            Output::Ban { for_ms, .. } => Some(*for_ms),
            _ => None,
        });
        let for_ms = banned.expect("left");
        minutes.push(for_ms / BAN_MS);
        now = now.plus_ms(for_ms as i64);
    }
    assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60]);
    // What the forger wrote wrongly is kept and handed on by honest ones: none of them is charged.
    for frame in [forger.sign(vec![vec![1, 2, 3]]), forger.sign(vec![vec![9; 40]])] {
        gossip(&mut counter, &frame);
    }
    meet(&mut office, &mut counter);
    assert_eq!(shown(&mut office).set_aside.len(), 2);
    assert_eq!(shown(&mut office), shown(&mut counter));
    assert_eq!((peer_view(&mut office, COUNTER).refused, peer_view(&mut counter, OFFICE).refused), (0, 0));
}
