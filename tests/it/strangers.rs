//! Strangers, devices of other networks and revoked devices get nothing, and can write nothing.

use ucash::log::{Head, LogId, digest_of, root_of};
use ucash::membership::{Certificate, Credentials, ReadScope, Role};
use ucash::model::{Incarnation, NetworkId, Scope, ShopId, Timestamp};
use ucash::replica::{Change, Command, Input, Output};
use ucash::wire::{Answered, GossipKey, Message, PROTOCOL, Packed, Position, ScopeDigest, Want, decode, encode};

use crate::forge::{
    AUTHORITY, COUNTER, FORGER, Forger, Net, Node, OFFICE, SOUTH, admit, device, done, found, gossip, grant_command,
    key, meet, net, pay_command, shown,
};
use crate::samples::{NOW, grant};

const STRANGER: u8 = 66;

/// What goes out to a device in answer to one message, without the greeting that every connection gets.
fn answer(node: &mut Node, peer: u8, message: &[u8]) -> (Vec<Message>, bool) {
    let peer = device(peer);
    node.handle(NOW, Input::Connected { peer });
    said(node, peer, message)
}

fn said(node: &mut Node, peer: ucash::model::DeviceKey, message: &[u8]) -> (Vec<Message>, bool) {
    let outputs = node.handle(NOW, Input::Frame { peer, bytes: message.to_vec() });
    let mut banned = false;
    let mut messages = Vec::new();
    for output in outputs {
        match output {
            Output::Send { bytes, peer: to } => {
                assert_eq!(to, peer);
                messages.push(decode(&bytes).expect("our own frame"));
            }
            Output::Ban { peer: whom, .. } => {
                assert_eq!(whom, peer);
                banned = true;
            }
            // That it came or went, and nothing else.
            Output::Changed { changes } => {
                assert!(changes.iter().all(|change| matches!(change, Change::Peer { .. })), "{changes:?}");
            }
            Output::Publish { .. } | Output::Trust { .. } | Output::Answer { .. } | Output::Synced { .. } => {
                panic!("nothing of the kind follows from a stranger's word: {output:?}")
            }
        }
    }
    (messages, banned)
}

fn hello(network: NetworkId, protocol: u32) -> Message {
    Message::Hello { protocol, network, wall: NOW, digest: [0; 32], incarnation: Incarnation(5) }
}

fn network() -> NetworkId {
    NetworkId::of_authority(&device(AUTHORITY))
}

#[test]
fn a_greeting_tells_a_stranger_nothing() {
    let mut net = net();
    let outputs = net.office.handle(NOW, Input::Connected { peer: device(STRANGER) });
    let [Output::Send { bytes, .. }] = &outputs[..] else { panic!("one greeting: {outputs:?}") };
    let wanted = Message::Hello {
        protocol: PROTOCOL,
        network: network(),
        wall: NOW,
        digest: [0; 32],
        incarnation: net.office.holder().incarnation,
    };
    assert_eq!(decode(bytes), Ok(wanted), "the digest of nothing");
}

#[test]
fn whatever_a_stranger_says_first_it_gets_nothing() {
    let Net { mut office, counter, forger, .. } = net();
    drop(counter);
    let before = shown(&mut office);
    let shop = Scope::Shop(ShopId(5));
    let office_log = LogId { scope: shop, device: device(OFFICE), ..forger.log };
    let head = Head { number: 9, hash: [1; 32] };
    let mut own = Forger::new(STRANGER, shop);
    let body = own.grant(grant());
    let own_entries = own.entry(&body);
    let certificate = |issuer: u8, subject: u8| Certificate {
        network: network(),
        subject: device(subject),
        shop: ShopId(5),
        role: Role::HeadOffice,
        read: ReadScope::All,
        issued_at: NOW,
        expires_at: None,
        issuer: device(issuer),
    };
    let credentials = |certificate: Certificate, signer: u8| {
        let (authority, certificate) = (device(AUTHORITY), certificate.sign(&key(signer)));
        Message::Credentials(Box::new(Credentials { authority, certificate, issuer: None }))
    };
    let other_network = Credentials {
        authority: device(77),
        certificate: Certificate { network: NetworkId::of_authority(&device(77)), ..certificate(77, STRANGER) }
            .sign(&key(77)),
        issuer: None,
    };
    let of_office = office.registry().credentials(&device(OFFICE)).expect("certified");
    let expired = Certificate { expires_at: Some(NOW), ..certificate(AUTHORITY, STRANGER) };
    let joined = Message::Joined { credentials: Box::new(of_office.clone()), gossip_key: GossipKey([1; 32]) };
    let positions = |answer| Message::Positions {
        scopes: vec![Scope::Registry, shop],
        positions: vec![Position { log: office_log, head }],
        answer,
    };
    let refused = |answered| (vec![Message::Refused(answered)], true);
    let who = || (vec![Message::WhoAreYou], false);
    let quiet = || (Vec::new(), true);
    let stranger = || refused(Answered::Stranger);
    let unknown = || (vec![Message::Refused(Answered::InvitationUnknown)], false);
    type Answer = (Vec<Message>, bool);
    let rows: Vec<(&str, Message, Answer)> = vec![
        ("hello", hello(network(), PROTOCOL), who()),
        ("hello of another network", hello(NetworkId([1; 16]), PROTOCOL), stranger()),
        ("hello of another version", hello(network(), PROTOCOL + 1), refused(Answered::Version)),
        ("digest", Message::Digest([0; 32]), who()),
        ("same", Message::Same([0; 32]), who()),
        ("scopes", Message::Scopes(vec![ScopeDigest { scope: shop, digest: [0; 32] }]), who()),
        ("positions", positions(true), who()),
        ("positions, without asking", positions(false), who()),
        ("want", Message::Want(vec![Want { log: office_log, from: 1, to: 9 }]), who()),
        ("entries of its own", decode(&own_entries).expect("ours"), who()),
        ("sent", Message::Sent, who()),
        ("joined", joined, who()),
        ("refused", Message::Refused(Answered::Unable), quiet()),
        ("join", Message::Join { invitation: [1; 8], proof: [1; 32], name: "x".to_owned() }, unknown()),
        ("another's credentials", Message::Credentials(Box::new(of_office)), stranger()),
        ("credentials of another network", Message::Credentials(Box::new(other_network)), stranger()),
        ("its own signature", credentials(certificate(AUTHORITY, STRANGER), STRANGER), stranger()),
        ("a device's signature", credentials(certificate(FORGER, STRANGER), FORGER), stranger()),
        ("expired credentials", credentials(expired, AUTHORITY), stranger()),
    ];
    for (name, message, wanted) in rows {
        assert_eq!(answer(&mut office, STRANGER, &encode(&message)), wanted, "{name}");
        office.handle(NOW, Input::Disconnected { peer: device(STRANGER) });
        assert_eq!(shown(&mut office), before, "{name}: nothing written");
    }
    for garbage in [&[][..], &[0xff], &[0x82, 0x63]] {
        assert_eq!(answer(&mut office, STRANGER, garbage), quiet());
    }
    // Whom it shows its own credentials is no secret: anyone may know that it is a device of the network.
    let (shown_to_all, _) = answer(&mut office, STRANGER, &encode(&Message::WhoAreYou));
    assert!(matches!(&shown_to_all[..], [Message::Credentials(_)]));
}

#[test]
fn a_stranger_that_goes_on_talking_is_left() {
    let mut net = net();
    let peer = device(STRANGER);
    net.office.handle(NOW, Input::Connected { peer });
    let want = encode(&Message::Digest([0; 32]));
    let mut banned = false;
    for _ in 0..100 {
        let (messages, now_banned) = said(&mut net.office, peer, &want);
        assert!(messages.iter().all(|message| matches!(message, Message::WhoAreYou | Message::Refused(_))));
        banned |= now_banned;
        if now_banned {
            break;
        }
    }
    assert!(banned);
    assert_eq!(said(&mut net.office, peer, &want), (Vec::new(), false), "it is not heard any more");
}

#[test]
fn a_stranger_that_says_nothing_is_left() {
    let mut net = net();
    net.office.handle(NOW, Input::Connected { peer: device(STRANGER) });
    let bans = |outputs: Vec<Output>| outputs.iter().filter(|output| matches!(output, Output::Ban { .. })).count();
    assert_eq!(bans(net.office.handle(NOW.plus_ms(9_000), Input::Tick)), 0);
    assert_eq!(bans(net.office.handle(NOW.plus_ms(11_000), Input::Tick)), 1);
}

#[test]
fn two_networks_that_meet_exchange_nothing() {
    let mut net = net();
    let mut other = found(70, 71);
    let (before, theirs) = (shown(&mut net.office), shown(&mut other));
    assert_eq!(meet(&mut net.office, &mut other), 4, "two greetings, two refusals");
    assert_eq!((shown(&mut net.office), shown(&mut other)), (before, theirs));
}

#[test]
fn a_strangers_log_is_not_kept_whoever_hands_it_on() {
    let mut net = net();
    let before = shown(&mut net.office);
    for scope in [Scope::Registry, Scope::Shop(ShopId(5)), Scope::Shop(ShopId(99))] {
        let mut stranger = Forger::new(STRANGER, scope);
        let frame = stranger.sign(vec![vec![1, 2, 3]]);
        gossip(&mut net.office, &frame);
        let peer = device(COUNTER);
        net.office.handle(NOW, Input::Connected { peer });
        net.office.handle(NOW, Input::Frame { peer, bytes: frame });
        assert_eq!(shown(&mut net.office), before, "{scope:?}");
    }
    // Nor is gossip that is not entries, or not signed, or has a gap.
    gossip(&mut net.office, &encode(&Message::Sent));
    gossip(&mut net.office, &[0xff, 0xff]);
    let mut unsigned = net.forger.clone();
    unsigned.key = key(STRANGER);
    let frame = unsigned.sign(vec![vec![1]]);
    gossip(&mut net.office, &frame);
    net.forger.sign(vec![vec![1]]);
    let gap = net.forger.sign(vec![vec![2]]);
    gossip(&mut net.office, &gap);
    assert_eq!(shown(&mut net.office), before);
}

#[test]
fn a_log_continued_elsewhere_with_the_devices_own_key_is_left_to_that_copy() {
    // A copied disk went on, or this one is the copy: the node takes what was signed, and goes on as another life.
    let mut net = net();
    let before = shown(&mut net.office);
    let published = done(&mut net.office, NOW.plus_ms(1_000), pay_command("CRED-001", "1"));
    let Ok(Message::Entries(packed)) = decode(&published[0]) else { panic!("entries") };
    let log = packed.log();
    let heads = net.office.heads();
    let (number, hash) = heads[&log.to_bytes().to_vec()];
    let mut twin = Forger { log, key: key(OFFICE), head: Head { number, hash }, ..net.forger.clone() };
    let frame = twin.sign(vec![vec![1]]);
    let after = shown(&mut net.office);
    assert_eq!(after.entries, before.entries + 1);
    let life = net.office.holder();
    gossip(&mut net.office, &frame);
    assert_ne!(net.office.holder(), life, "another incarnation");
    assert_eq!(shown(&mut net.office).entries, after.entries + 1);
    // A signature of anybody else brings nothing of the kind.
    let (mut forged, life) = (twin.clone(), net.office.holder());
    forged.key = key(STRANGER);
    let frame = forged.sign(vec![vec![1]]);
    gossip(&mut net.office, &frame);
    assert_eq!((net.office.holder(), shown(&mut net.office).entries), (life, after.entries + 1));
}

#[test]
fn a_device_of_another_shop_learns_nothing_of_this_one() {
    let Net { mut office, mut south, .. } = net();
    done(&mut office, NOW.plus_ms(1_000), grant_command("CRED-002", "10"));
    let shop_5 = Scope::Shop(ShopId(5));
    let log = *office
        .heads()
        .keys()
        .filter_map(|log| LogId::from_bytes(log))
        .collect::<Vec<_>>()
        .iter()
        .find(|log| log.scope == shop_5)
        .expect("a log of shop 5");
    let peer = device(SOUTH);
    office.handle(NOW, Input::Connected { peer });
    let mut say = |message: Message| {
        let outputs = office.handle(NOW, Input::Frame { peer, bytes: encode(&message) });
        let sent = outputs.into_iter().filter_map(|output| match output {
            Output::Send { bytes, .. } => Some(decode(&bytes).expect("our own frame")),
            _ => None,
        });
        sent.collect::<Vec<Message>>()
    };
    let want = Message::Want(vec![Want { log, from: 1, to: 5 }]);
    assert_eq!(say(want), [Message::Sent], "nothing is sent");
    let positions = Message::Positions { scopes: vec![shop_5], positions: Vec::new(), answer: true };
    for message in say(positions) {
        let Message::Positions { scopes, positions, .. } = message else { continue };
        assert!(scopes.is_empty() && positions.is_empty(), "no position of shop 5");
    }
    for message in say(Message::Digest([9; 32])) {
        let Message::Scopes(scopes) = message else { panic!("scopes: {message:?}") };
        assert!(scopes.iter().all(|scope| scope.scope != shop_5), "not even its digest");
    }
    meet(&mut office, &mut south);
    assert!(south.heads().keys().all(|log| LogId::from_bytes(log).is_some_and(|log| log.scope != shop_5)));
    assert_eq!(south.book().credit_count(), 0);
    // And takes none that is pushed upon it.
    let mut pushed = Forger::new(FORGER, shop_5);
    let frame = pushed.sign(vec![vec![1]]);
    let before = shown(&mut south);
    gossip(&mut south, &frame);
    assert_eq!(shown(&mut south), before);
}

#[test]
fn a_revoked_device_is_left_and_its_entries_stay() {
    let Net { mut office, mut counter, mut south, .. } = net();
    done(&mut counter, NOW.plus_ms(1_000), pay_command("CRED-001", "10"));
    meet(&mut office, &mut counter);
    let late = done(&mut counter, NOW.plus_ms(2_000), pay_command("CRED-001", "11"));
    let peer = device(COUNTER);
    office.handle(NOW, Input::Connected { peer });
    let revoke = Command::RevokeDevice { device: peer.to_text() };
    let outputs = office.handle(NOW, Input::Command { ticket: 1, command: Box::new(revoke), key: None });
    office.sync().expect("synced");
    assert!(outputs.iter().any(|output| matches!(output, Output::Ban { peer: whom, .. } if *whom == peer)));
    let refusal = encode(&Message::Refused(Answered::Stranger));
    assert!(outputs.iter().any(|output| matches!(output, Output::Send { bytes, .. } if *bytes == refusal)));

    // It comes back, and shows the certificate that it has.
    let hello = encode(&hello(network(), PROTOCOL));
    assert_eq!(answer(&mut office, COUNTER, &hello), (vec![Message::WhoAreYou], false));
    let credentials = counter.registry().credentials(&peer).expect("certified");
    let credentials = encode(&Message::Credentials(Box::new(credentials)));
    let (messages, banned) = said(&mut office, peer, &credentials);
    assert_eq!((messages, banned), (vec![Message::Refused(Answered::Stranger)], true));

    // A revocation judges no entry: what it wrote counts, and so does what others bring of it.
    gossip(&mut office, &late[0]);
    let credit = office.book().credits().next().expect("the credit");
    assert_eq!(credit.paid.value().to_string(), "21.00");
    assert_eq!(office.set_aside(), []);

    // Whoever hears of the revocation leaves it too.
    meet(&mut office, &mut south);
    assert!(south.registry().is_revoked(&peer));
    assert_eq!(answer(&mut south, COUNTER, &hello), (vec![Message::WhoAreYou], false));
    assert_eq!(said(&mut south, peer, &credentials), (vec![Message::Refused(Answered::Stranger)], true));
}

#[test]
fn an_expired_certificate_ends_connections_and_judges_no_entry() {
    let Net { mut office, forger, .. } = net();
    let credentials = admit(&mut office, 30, 5, Role::Device, ReadScope::Own);
    let known = Certificate::from_bytes(&credentials.certificate).expect("certified");
    // Renewed with an end.
    let renewed = Certificate { issued_at: NOW.plus_ms(5), expires_at: Some(NOW.plus_ms(1_000)), ..known };
    let operation = ucash::model::Operation::Certify {
        device: device(30),
        certificate: renewed.sign(&key(AUTHORITY)),
        name: "x".to_owned(),
    };
    let mut registrar = forger.in_scope(Scope::Registry);
    let body = registrar.write(&ucash::model::DocumentId::Registry, &operation);
    gossip(&mut office, &registrar.entry(&body));
    assert_eq!(office.set_aside(), [], "a good certificate may be handed on by any device");
    let trusted = |node: &mut Node, now: Timestamp| {
        let peer = device(30);
        node.handle(now, Input::Connected { peer });
        let outputs = node.handle(now, Input::Frame { peer, bytes: encode(&hello(network(), PROTOCOL)) });
        outputs.iter().any(|output| matches!(output, Output::Trust { .. }))
    };
    assert!(trusted(&mut office, NOW.plus_ms(999)));
    assert!(!trusted(&mut office, NOW.plus_ms(1_000)));
    let mut late = Forger { documents: forger.documents.clone(), ..Forger::new(30, Scope::Shop(ShopId(5))) };
    let body = late.grant(grant());
    gossip(&mut office, &late.entry(&body));
    // It is judged like any other: it counts as an entry, and its share does not cover it.
    assert_eq!((office.set_aside(), office.book().credits().count()), (Vec::new(), 2));
    assert_eq!(office.book().credit_count(), 1);
}

#[test]
fn wrong_entries_that_were_asked_for_end_the_connection() {
    let mut net = net();
    let peer = device(FORGER);
    let mut unsigned = net.forger.clone();
    unsigned.key = key(STRANGER);
    let bad = unsigned.sign(vec![vec![1]]);
    assert_eq!(answer(&mut net.office, FORGER, &bad), (Vec::new(), true));
    let before = shown(&mut net.office);
    let log = LogId { incarnation: Incarnation(99), ..net.forger.log };
    let none = Head { number: 0, hash: root_of(&log) };
    assert_eq!(digest_of([(&log, &none)].into_iter()), digest_of(std::iter::empty()));
    // Too many under one signature, and a number that does not exist.
    let honest = crate::forge::signed(log, &key(FORGER), none, vec![vec![1]]).0;
    for from in [0, u64::MAX] {
        let suffix = ucash::log::Suffix { from, bodies: vec![vec![1], vec![2]], ..honest.clone() };
        let frame = encode(&Message::Entries(Packed::pack(&suffix)));
        net.office.handle(NOW, Input::Connected { peer });
        let (messages, banned) = said(&mut net.office, peer, &frame);
        assert!(messages.is_empty() && banned, "from {from}");
    }
    assert_eq!(shown(&mut net.office), before);
}
