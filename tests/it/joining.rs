//! Invitations: redeemed by the device that made them, once, by its own clock, for the one who proves it.

use ucash::ledger::Refusal;
use ucash::membership::{Invitation, ReadScope, Role, Secret};
use ucash::model::{ShopId, Timestamp};
use ucash::replica::{Command, JoinError, Joiner, Output, Replica, shop_gossip_key};
use ucash::wire::{Answered, Message, decode, encode};

use crate::forge::{
    COUNTER, Net, Node, OFFICE, admit, device, identity, invite, join, key, knock, net, run, shown, status,
};
use crate::samples::NOW;
use crate::seats::{Desk, OFFICE as HEAD_OFFICE, SHOP};

const JOINER: u8 = 40;
const OTHER: u8 = 41;

fn joiner(seed: u8, invitation: &Invitation) -> Joiner {
    Joiner::new(key(seed), invitation.clone(), format!("appareil {seed}"))
}

/// The inviter's answer.
fn answer(node: &mut Node, joiner: &Joiner, seed: u8, now: Timestamp) -> Message {
    let outputs = knock(node, joiner, seed, now);
    let mut sent = outputs.iter().filter_map(|output| match output {
        Output::Send { bytes, .. } => Some(decode(bytes).expect("our own frame")),
        _ => None,
    });
    let first = sent.next().expect("an answer");
    assert_eq!(sent.next(), None, "and nothing else");
    first
}

fn refused(answered: Answered) -> Message {
    Message::Refused(answered)
}

fn office_invites(net: &mut Net) -> Invitation {
    invite(&mut net.office, Some(5), Role::Device, ReadScope::Own)
}

#[test]
fn an_invitation_serves_one_joiner_who_may_ask_again() {
    let mut net = net();
    let invitation = office_invites(&mut net);
    let first = answer(&mut net.office, &joiner(JOINER, &invitation), JOINER, NOW);
    assert!(matches!(first, Message::Joined { .. }));
    let entries = status(&mut net.office).entries;
    // The answer may have been lost: the same joiner gets the same one, even after the end.
    for now in [NOW, NOW.plus_ms(900_001)] {
        assert_eq!(answer(&mut net.office, &joiner(JOINER, &invitation), JOINER, now), first);
    }
    assert_eq!(answer(&mut net.office, &joiner(OTHER, &invitation), OTHER, NOW), refused(Answered::InvitationUsed));
    assert_eq!(status(&mut net.office).entries, entries, "nothing more was written");
    assert!(net.office.registry().member(&device(OTHER)).is_none());

    // Also when it was opened again.
    let mut office = Replica::open(net.office.into_store(), identity(OFFICE), [80; 32]).expect("opened");
    assert_eq!(answer(&mut office, &joiner(JOINER, &invitation), JOINER, NOW), first);
    assert_eq!(answer(&mut office, &joiner(OTHER, &invitation), OTHER, NOW), refused(Answered::InvitationUsed));
}

#[test]
fn each_wrong_joiner_is_refused_by_name() {
    let mut net = net();
    let invitation = office_invites(&mut net);
    let before = shown(&mut net.office);
    let unknown = refused(Answered::InvitationUnknown);
    let with_secret = Invitation { secret: Secret([0; 16]), ..invitation.clone() };
    let with_id = Invitation { id: [0; 8], ..invitation.clone() };
    let for_other = Invitation { inviter: device(COUNTER), ..invitation.clone() };
    assert_eq!(answer(&mut net.office, &joiner(JOINER, &with_secret), JOINER, NOW), unknown, "a wrong secret");
    assert_eq!(answer(&mut net.office, &joiner(JOINER, &with_id), JOINER, NOW), unknown, "no such invitation");
    assert_eq!(answer(&mut net.office, &joiner(JOINER, &for_other), JOINER, NOW), unknown, "proof for another inviter");
    // Who overheard the proof cannot use it with a key of its own.
    assert_eq!(answer(&mut net.office, &joiner(JOINER, &invitation), OTHER, NOW), unknown, "another's proof");
    // Only the device that made it redeems it.
    assert_eq!(answer(&mut net.counter, &joiner(JOINER, &invitation), JOINER, NOW), unknown, "another inviter");
    let late = invitation.expires_at.plus_ms(1);
    let expired = refused(Answered::InvitationExpired);
    assert_eq!(answer(&mut net.office, &joiner(JOINER, &invitation), JOINER, late), expired);
    assert_eq!(shown(&mut net.office), before, "nothing was written");
    let in_time = answer(&mut net.office, &joiner(JOINER, &invitation), JOINER, invitation.expires_at);
    assert!(matches!(in_time, Message::Joined { .. }), "none of that used it up");
}

#[test]
fn a_name_that_cannot_be_taken_uses_nothing_up() {
    let mut net = net();
    let invitation = office_invites(&mut net);
    let named = |name: &str| Joiner::new(key(JOINER), invitation.clone(), name.to_owned());
    assert_eq!(answer(&mut net.office, &named("a\u{7}b"), JOINER, NOW), refused(Answered::Unable));
    assert_eq!(answer(&mut net.office, &named(&"x".repeat(300)), JOINER, NOW), refused(Answered::Unable));
    assert!(matches!(answer(&mut net.office, &named("  "), JOINER, NOW), Message::Joined { .. }));
    let name = net.office.registry().name_of(&device(JOINER));
    assert_eq!(name, device(JOINER).to_text()[..8], "who says no name is called by its key");
}

#[test]
fn who_may_invite_whom() {
    let mut net = net();
    let mut manager = join(&mut net.office, 42, 5, Role::Manager, ReadScope::Own);
    let mut auditor = join(&mut net.office, 43, 5, Role::Auditor, ReadScope::All);
    let mut try_to = |node: &str, shop: Option<u32>, new_shop: Option<&str>, role, read, expires_in_ms| {
        let node = match node {
            "office" => &mut net.office,
            "manager" => &mut manager,
            "auditor" => &mut auditor,
            _ => &mut net.counter,
        };
        let command = Command::Invite {
            shop: shop.map(ShopId),
            new_shop: new_shop.map(str::to_owned),
            role,
            read,
            expires_in_ms,
            addresses: Vec::new(),
        };
        match run(node, NOW, command).0 {
            Ok(_) => "yes",
            Err(Refusal::NotAllowed { .. }) => "not allowed",
            Err(Refusal::Field(_)) => "field",
            Err(Refusal::UnknownShop { .. }) => "no such shop",
            Err(other) => panic!("{other:?}"),
        }
    };
    let (own, all, hour) = (ReadScope::Own, ReadScope::All, 3_600_000);
    let rows = [
        ("office", Some(5), None, Role::Device, own, hour, "yes"),
        ("office", Some(7), None, Role::Manager, all, hour, "yes"),
        ("office", None, Some("Uvira"), Role::Relay, all, hour, "yes"),
        ("office", None, None, Role::Auditor, own, hour, "yes"),
        ("office", Some(99), None, Role::Device, own, hour, "no such shop"),
        ("office", Some(5), None, Role::HeadOffice, all, hour, "not allowed"),
        ("office", Some(5), None, Role::Device, own, 999, "field"),
        ("office", Some(5), None, Role::Device, own, 7 * 24 * hour + 1, "field"),
        ("manager", None, None, Role::Device, own, hour, "yes"),
        ("manager", Some(5), None, Role::Auditor, own, hour, "yes"),
        ("manager", Some(7), None, Role::Device, own, hour, "not allowed"),
        ("manager", None, Some("Uvira"), Role::Device, own, hour, "not allowed"),
        ("manager", None, None, Role::Manager, own, hour, "not allowed"),
        ("manager", None, None, Role::Relay, own, hour, "not allowed"),
        ("manager", None, None, Role::Device, all, hour, "not allowed"),
        ("counter", None, None, Role::Device, own, hour, "not allowed"),
        ("auditor", None, None, Role::Auditor, own, hour, "not allowed"),
    ];
    for (node, shop, new_shop, role, read, expires_in_ms, wanted) in rows {
        let found = try_to(node, shop, new_shop, role, read, expires_in_ms);
        assert_eq!(found, wanted, "{node} invites {role:?} into {shop:?} {new_shop:?}, {read:?}, {expires_in_ms} ms");
    }
}

#[test]
fn a_managers_joiner_is_believed_by_all() {
    let mut net = net();
    let mut manager = join(&mut net.office, 42, 5, Role::Manager, ReadScope::Own);
    let credentials = admit(&mut manager, JOINER, 5, Role::Device, ReadScope::Own);
    assert!(credentials.issuer.is_some(), "with the manager's own certificate");
    let mut phone = Replica::join(Default::default(), identity(JOINER), [JOINER; 32], &credentials).expect("joined");
    // The south has not heard of the manager's entry yet: the credentials prove themselves.
    crate::forge::meet(&mut net.south, &mut phone);
    assert!(phone.registry().founding().is_some(), "it was given the registry");
    crate::forge::meet(&mut manager, &mut phone);
    crate::forge::meet(&mut net.office, &mut phone);
    assert!(phone.has_registry());
    assert_eq!(shown(&mut phone).set_aside, []);
    assert!(net.office.registry().member(&device(JOINER)).is_some());
}

#[test]
fn a_joiner_believes_only_what_leads_to_it() {
    let mut net = net();
    let invitation = office_invites(&mut net);
    let one = joiner(JOINER, &invitation);
    let Message::Joined { credentials, gossip_key } = answer(&mut net.office, &one, JOINER, NOW) else {
        panic!("joined")
    };
    let joined = |credentials| encode(&Message::Joined { credentials: Box::new(credentials), gossip_key });
    assert_eq!(one.answer(&joined((*credentials).clone())), Ok(Some(((*credentials).clone(), gossip_key.0))));
    let other = net.office.registry().credentials(&device(COUNTER)).expect("certified");
    assert_eq!(one.answer(&joined(other)), Err(JoinError::Unbelievable), "another device's certificate");
    let mut foreign = (*credentials).clone();
    foreign.authority = device(77);
    assert_eq!(one.answer(&joined(foreign)), Err(JoinError::Unbelievable), "another authority");
    assert_eq!(one.answer(&[0xff]), Err(JoinError::Unbelievable));
    assert_eq!(one.answer(&encode(&Message::WhoAreYou)), Ok(None), "a greeting is no answer");
    let no = encode(&Message::Refused(Answered::InvitationUsed));
    assert_eq!(one.answer(&no), Err(JoinError::Refused(Answered::InvitationUsed)));
}

#[test]
fn who_is_to_read_one_shop_is_given_the_gossip_key_of_that_shop_and_no_other() {
    const NORTH: ShopId = ShopId(7);
    let mut desk = Desk::found();
    let network = desk.replica(HEAD_OFFICE).gossip_key();
    desk.add_shop(NORTH, "Nord");
    let all = desk.join(NORTH, "all");
    let blind = desk.join_as(HEAD_OFFICE, NORTH, Role::Manager, ReadScope::Own, "blind");
    let invited_by_blind = desk.join_as(blind, NORTH, Role::Device, ReadScope::Own, "of blind");
    let of_north = shop_gossip_key(&network, NORTH);
    assert_eq!(desk.replica(all).gossip_key(), network);
    assert_eq!(desk.replica(blind).gossip_key(), of_north);
    assert_eq!(desk.replica(invited_by_blind).gossip_key(), of_north);
    assert_ne!(of_north, network);
    assert_ne!(of_north, shop_gossip_key(&network, SHOP));
}
