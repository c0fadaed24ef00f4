//! Who only claims another sequel shows none and is left; the authority's own log goes on in one sequel alone; and a
//! backup brings a forked log back whole.

use ucash::log::{Head, LogId, Suffix};
use ucash::model::{DeviceKey, Incarnation, NetworkId, Scope};
use ucash::replica::{Answer, Input, Output, Query};
use ucash::wire::{Message, PROTOCOL, Packed, Position, decode, encode};

use super::{copied, forks, meet_apart};
use crate::closings::assert_agree;
use crate::seats::{Desk, OFFICE};

#[test]
fn of_the_authoritys_log_one_sequel_counts_and_the_other_is_set_aside_everywhere() {
    let mut desk = Desk::found_bare();
    let till = desk.join(crate::seats::SHOP, "till");
    let image = desk.image(OFFICE);
    let copy = desk.seat_copy(OFFICE, image);
    desk.add_shop(ucash::model::ShopId(2), "Bukavu");
    let command =
        ucash::replica::Command::AddShop { shop: Some(ucash::model::ShopId(3)), name: "Uvira".to_owned(), town: None };
    desk.command(copy, command).expect("adding a shop");
    meet_apart(&mut desk, &[till], &[OFFICE, copy]);
    let seats = [OFFICE, till, copy];
    assert_agree(&mut desk, &seats);
    for seat in seats {
        assert_eq!(desk.replica(seat).book().shops().len(), 2, "the first, and that of one sequel");
        assert_eq!(forks(&desk, seat).len(), 1);
        assert_eq!(desk.replica(seat).set_aside().len(), 1);
    }
}

#[test]
fn every_entry_of_both_sequels_is_shown_and_verified() {
    let (mut desk, [keeper, till, phone, copy]) = copied();
    desk.grant(till, "A1", "100 USD").expect("covered");
    desk.grant(copy, "B1", "150 USD").expect("covered");
    meet_apart(&mut desk, &[keeper, phone], &[till, copy]);
    let all = [keeper, till, phone, copy];
    assert_agree(&mut desk, &all);
    for seat in all {
        let filter = ucash::replica::LogFilter { limit: 1_000, ..Default::default() };
        let shown = match desk.query(seat, Query::Log(filter)) {
            Ok(Answer::Entries(page)) => page.items.len() as u64,
            other => panic!("asked for entries, got {other:?}"),
        };
        assert_eq!(shown, desk.status(seat).entries);
    }
}

#[test]
fn who_claims_another_sequel_and_never_shows_it_is_left_and_takes_nothing_along() {
    let mut desk = Desk::found();
    let till = desk.join(crate::seats::SHOP, "till");
    let (office, peer) = (desk.device(OFFICE), desk.device(till));
    desk.grant(OFFICE, "A1", "100 USD").expect("covered");
    desk.meet_all();
    let before = desk.digest(OFFICE);
    let (log, (number, _)) =
        desk.replica(OFFICE).heads().into_iter().find(|(log, _)| log[0] == 1).expect("the office's log of its shop");
    let log = LogId::from_bytes(&log).expect("a log");
    assert_eq!(log.device, office);
    let say = |desk: &mut Desk, message: &Message| desk.handle(OFFICE, Input::Frame { peer, bytes: encode(message) });
    greet(&mut desk, peer);
    let head = Head { number, hash: [9; 32] };
    let claim = Message::Positions { scopes: vec![log.scope], positions: vec![Position { log, head }], answer: false };
    let asked = say(&mut desk, &claim);
    let asked: Vec<Message> = sent(&asked).collect();
    assert!(matches!(asked[..], [Message::Locate { log: of, .. }] if of == log), "{asked:?}");
    let is_left = |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::Ban { .. }));
    // It may take its time to answer, and says what it said before.
    for _ in 0..20 {
        let outputs = say(&mut desk, &claim);
        assert!(!is_left(&outputs) && sent(&outputs).next().is_none(), "asked once");
        desk.wait(2_000);
    }
    desk.wait(60_000);
    let left = (0..100).position(|_| is_left(&say(&mut desk, &claim)));
    assert!(left.is_some(), "nobody signed what it says it holds");
    assert_eq!(desk.digest(OFFICE), before);
}

/// The office is in contact with a device of its network.
fn greet(desk: &mut Desk, peer: DeviceKey) {
    desk.handle(OFFICE, Input::Connected { peer });
    let wall = desk.now(OFFICE);
    let authority = desk.identity(OFFICE).authority_key.expect("the founder's").public();
    let network = NetworkId::of_authority(&authority);
    let hello = Message::Hello { protocol: PROTOCOL, network, wall, digest: [7; 32], incarnation: Incarnation(5) };
    desk.handle(OFFICE, Input::Frame { peer, bytes: encode(&hello) });
}

/// The messages that went out.
fn sent(outputs: &[Output]) -> impl Iterator<Item = Message> {
    outputs.iter().filter_map(|output| match output {
        Output::Send { bytes, .. } => Some(decode(bytes).expect("our own frame")),
        _ => None,
    })
}

#[test]
fn sequels_of_numbers_that_there_are_not_break_nothing_and_end_the_connection() {
    for from in [0, 1, 3, 1 << 40, u64::MAX - 1, u64::MAX] {
        let mut desk = Desk::found();
        let till = desk.join(crate::seats::SHOP, "till");
        let (peer, before) = (desk.device(till), desk.digest(OFFICE));
        let log = LogId { scope: Scope::Shop(crate::seats::SHOP), device: peer, incarnation: Incarnation(7) };
        greet(&mut desk, peer);
        let suffix = Suffix { log, from, bodies: vec![vec![1]; 3], signature: [8; 64] };
        let branch = Message::Branch { after: [4; 32], entries: Packed::pack(&suffix) };
        let places = vec![Head { number: from, hash: [5; 32] }, Head { number: u64::MAX, hash: [6; 32] }];
        for message in [Message::Locate { log, places }, branch] {
            let outputs = desk.handle(OFFICE, Input::Frame { peer, bytes: encode(&message) });
            assert_eq!(sent(&outputs).filter(|said| matches!(said, Message::Branch { .. })).count(), 0);
            let is_left = outputs.iter().any(|output| matches!(output, Output::Ban { .. }));
            assert_eq!(is_left, matches!(message, Message::Branch { .. }), "from {from}: nobody signed that");
        }
        assert_eq!(desk.digest(OFFICE), before, "from {from}");
    }
}
