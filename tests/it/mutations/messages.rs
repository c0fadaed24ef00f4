//! Frames: every kind of message, its fields and bytes mutated, said by a stranger, by an auditor and by a device.
//!
//! Nothing that is said changes what is held: only entries do (`entries`), an invitation that is redeemed
//! (`certificates`), and a gift of a share that is asked for: that one is our own entry, and only a device of the
//! shop gets it.

use ucash::log::{Head, LogId};
use ucash::membership::{Credentials, ReadScope, Role};
use ucash::model::{DeviceKey, Incarnation, NetworkId, Scope, ShopId, Timestamp};
use ucash::replica::{Input, Output};
use ucash::wire::{
    Answered, FRAME_BYTES_MAX, GossipKey, Message, PROTOCOL, Packed, Position, ScopeDigest, Want, decode, encode,
};

use super::draw::Draw;
use super::{Tally, rounds, state_of};
use crate::forge::{COUNTER, Net, Node, admit, device, net};
use crate::samples::{NOW, sim, usd};

const AUDITOR: u8 = 6;
const STRANGER: u8 = 66;
const CASES: usize = 150;

fn scope(draw: &mut Draw) -> Scope {
    match draw.below(4) {
        0 => Scope::Registry,
        1 => Scope::Shop(ShopId(draw.number(5).max(1) as u32 | 1)),
        _ => Scope::Shop(ShopId(draw.of(&[5, 7]))),
    }
}

fn log(draw: &mut Draw, node: &Node) -> LogId {
    let held: Vec<LogId> = node.heads().keys().filter_map(|bytes| LogId::from_bytes(bytes)).collect();
    let mut log = draw.of(&held);
    match draw.below(5) {
        0 => log.scope = scope(draw),
        1 => log.device = DeviceKey(draw.array(log.device.0)),
        2 => log.incarnation = Incarnation(draw.number(log.incarnation.0)),
        _ => {}
    }
    log
}

/// A message of every kind in turn, with drawn fields that are near to what is true.
fn message(draw: &mut Draw, node: &Node, credentials: &Credentials) -> (&'static str, Message) {
    let network = node.registry().network();
    let many = draw.of(&[0, 1, 3, 40]);
    match draw.below(15) {
        0 => {
            let protocol = if draw.one_in(2) { PROTOCOL } else { draw.number(PROTOCOL.into()) as u32 };
            let network = if draw.one_in(2) { network } else { NetworkId(draw.array(network.0)) };
            let wall = Timestamp(draw.number(NOW.0 as u64) as i64);
            let (digest, incarnation) = (draw.array([0; 32]), Incarnation(draw.next()));
            ("hello", Message::Hello { protocol, network, wall, digest, incarnation })
        }
        1 => ("who are you", Message::WhoAreYou),
        2 => {
            let mut other = credentials.clone();
            match draw.below(3) {
                0 => other.authority = DeviceKey(draw.array(other.authority.0)),
                1 => other.certificate = draw.damaged(&other.certificate),
                _ => other.issuer = Some(draw.damaged(&other.certificate)),
            }
            ("credentials", Message::Credentials(Box::new(other)))
        }
        3 => ("digest", Message::Digest(draw.array([0; 32]))),
        4 => ("same", Message::Same(draw.array([0; 32]))),
        5 => {
            let one = |_| ScopeDigest { scope: scope(draw), digest: draw.array([0; 32]) };
            ("scopes", Message::Scopes((0..many).map(one).collect()))
        }
        6 => {
            let scopes = (0..many).map(|_| scope(draw)).collect();
            let one = |_| {
                let log = log(draw, node);
                Position { log, head: Head { number: draw.number(1), hash: draw.array([0; 32]) } }
            };
            let positions = (0..many).map(one).collect();
            ("positions", Message::Positions { scopes, positions, answer: draw.one_in(2) })
        }
        7 => {
            let one = |_| {
                let (log, from) = (log(draw, node), draw.number(1).max(1));
                Want { log, from, to: from.saturating_add(draw.below(5_000) as u64) }
            };
            ("want", Message::Want((0..many).map(one).collect()))
        }
        8 => {
            // Of a log that is not held, or whose signature is not there: `entries` has those that are right.
            let bodies = (0..=many).map(|_| draw.bytes(60)).collect();
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&draw.array([0; 32]));
            let suffix = ucash::log::Suffix { log: log(draw, node), from: draw.number(1), bodies, signature };
            ("entries, not signed", Message::Entries(Packed::pack(&suffix)))
        }
        9 => ("sent", Message::Sent),
        10 => {
            let amount = draw.of(&[usd("0.01"), usd("100"), usd("99999999"), crate::samples::cdf("5")]);
            ("ask", Message::Ask { shop: ShopId(draw.of(&[5, 7, 9])), sim: sim(), amount })
        }
        11 => {
            let amount = draw.of(&[usd("0.01"), usd("100"), usd("99999999"), crate::samples::cdf("5")]);
            ("given", Message::Given { shop: ShopId(draw.of(&[5, 7, 9])), sim: sim(), amount })
        }
        12 => {
            let (invitation, proof) = (draw.array([0; 8]), draw.array([0; 32]));
            ("join", Message::Join { invitation, proof, name: draw.text("intrus") })
        }
        13 => {
            let (credentials, gossip_key) = (Box::new(credentials.clone()), draw.array([0; 32]));
            ("joined", Message::Joined { credentials, gossip_key: GossipKey(gossip_key) })
        }
        _ => {
            let answers = [Answered::Version, Answered::Stranger, Answered::InvitationUsed, Answered::Unable];
            ("refused", Message::Refused(draw.of(&answers)))
        }
    }
}

/// A device comes; what it says first is right: who never greets is given no share.
fn greet(node: &mut Node, peer: DeviceKey, life: Incarnation) {
    node.handle(NOW, Input::Connected { peer });
    let network = node.registry().network();
    let hello = Message::Hello { protocol: PROTOCOL, network, wall: NOW, digest: [0; 32], incarnation: life };
    node.handle(NOW, Input::Frame { peer, bytes: encode(&hello) });
    node.sync().expect("synced");
}

fn round(draw: &mut Draw, tally: &mut Tally) {
    let Net { mut office, counter, .. } = net();
    let own =
        counter.heads().keys().filter_map(|bytes| LogId::from_bytes(bytes)).find(|log| log.device == device(COUNTER));
    let life = own.map_or(Incarnation(1), |log| log.incarnation);
    let auditor = admit(&mut office, AUDITOR, 5, Role::Auditor, ReadScope::All);
    let key = office.gossip_key();
    for speaker in [STRANGER, AUDITOR, COUNTER] {
        let peer = device(speaker);
        greet(&mut office, peer, life);
        for _ in 0..CASES / 3 {
            let before = state_of(&mut office);
            let (class, said) = message(draw, &office, &auditor);
            let mut bytes = encode(&said);
            let mut ended = "said";
            if draw.one_in(2) {
                bytes = draw.damaged(&bytes);
                ended = "said, damaged";
            }
            if let Ok(read) = decode(&bytes) {
                assert_eq!(decode(&encode(&read)), Ok(read), "one meaning");
            }
            let outputs = office.handle(NOW, Input::Frame { peer, bytes: bytes.clone() });
            office.sync().expect("synced");
            let mut sent = 0;
            for output in &outputs {
                match output {
                    Output::Send { bytes, peer: to } => {
                        // Where the clocks of two agree that this one is wrong, all who are there are greeted again.
                        let greets = matches!(decode(bytes), Ok(Message::Hello { .. }));
                        assert!(*to == peer || greets, "only who speaks is answered");
                        assert!(bytes.len() <= FRAME_BYTES_MAX && decode(bytes).is_ok(), "a frame of ours");
                        let secret = speaker == STRANGER && bytes.windows(32).any(|window| window == key);
                        assert!(!secret, "a stranger does not learn the gossip key");
                        let told = matches!(decode(bytes), Ok(Message::Entries(_) | Message::Positions { .. }));
                        assert!(speaker != STRANGER || !told, "a stranger is told nothing: {class}");
                        sent += bytes.len();
                    }
                    Output::Ban { peer: whom, .. } => assert_eq!(*whom, peer, "only who speaks is banned"),
                    _ => {}
                }
            }
            assert!(sent <= 16 * FRAME_BYTES_MAX, "the answer is bounded: {sent} bytes to {class}");
            let after = state_of(&mut office);
            let asked = speaker == COUNTER && matches!(decode(&bytes), Ok(Message::Ask { .. }));
            if after != before {
                // Two whose clocks agree outvote this one: it says so in its own log, and nothing else changes.
                let hello = speaker != STRANGER && matches!(decode(&bytes), Ok(Message::Hello { .. }));
                assert!(asked || hello, "{class} of {speaker} changed what is held");
                assert_eq!((after.2, after.3), (before.2, before.3), "what was written here is right");
                ended = if asked { "a share given" } else { "its clock corrected" };
            }
            tally.count(class, ended);
            // Banned or not: a device that comes again is heard again.
            if outputs.iter().any(|output| matches!(output, Output::Ban { .. })) {
                office.handle(NOW, Input::Disconnected { peer });
                greet(&mut office, peer, life);
            }
        }
    }
    // It goes on: what is honest still has its effect. A payment needs no share: that may all be given away by now.
    let before = state_of(&mut office);
    crate::forge::done(&mut office, NOW, crate::forge::pay_command("CRED-001", "1"));
    assert_eq!(state_of(&mut office).1, before.1 + 1, "the node works on");
}

#[test]
fn mutated_frames_change_nothing() {
    let tally = rounds("frames", "UCASH_MUTATION_SECONDS", 8, round);
    assert!(tally.ends("said") > 0 && tally.ends("said, damaged") > 0, "both were said");
}
