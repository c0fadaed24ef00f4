//! What a store holds of a log continued twice stays, whatever is cut off, copied or damaged.

use std::collections::{BTreeMap, VecDeque};

use ucash::model::Timestamp;
use ucash::replica::{Answer, Input, Output, Query, Replica, Restorer};
use ucash::store::{MemoryStore, Store};

use super::{copied, forks, meet_apart};
use crate::closings::assert_agree;
use crate::failing_store::{Call, Failing};
use crate::seats::Desk;

const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// Carries frames between two until both are quiet. One that fails says so at its next step and asks for nothing more.
fn talk<A: Store, B: Store>(left: &mut Replica<A>, right: &mut Replica<B>) {
    let keys = [left.device(), right.device()];
    let mut under_way: VecDeque<(usize, Input)> =
        (0..2).map(|seat| (seat, Input::Connected { peer: keys[1 - seat] })).collect();
    for _ in 0..10_000 {
        let Some((seat, input)) = under_way.pop_front() else {
            left.handle(NOW, Input::Disconnected { peer: keys[1] });
            right.handle(NOW, Input::Disconnected { peer: keys[0] });
            return;
        };
        let outputs = if seat == 0 { left.handle(NOW, input) } else { right.handle(NOW, input) };
        let _ = (left.sync(), right.sync());
        for output in outputs {
            match output {
                Output::Send { bytes, .. } => under_way.push_back((1 - seat, Input::Frame { peer: keys[seat], bytes })),
                Output::Ban { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
    }
    panic!("they never fall silent");
}

fn ask<S: Store>(replica: &mut Replica<S>, query: Query) -> Answer {
    let outputs = replica.handle(NOW, Input::Query { ticket: 1, query: Box::new(query) });
    let answer = outputs.into_iter().find_map(|output| match output {
        Output::Answer { result, .. } => Some(result),
        _ => None,
    });
    answer.expect("an answer").unwrap_or_else(|refusal| panic!("{refusal:?}"))
}

fn digest<S: Store>(replica: &mut Replica<S>) -> String {
    match ask(replica, Query::Status) {
        Answer::Status(status) => status.state_digest,
        other => panic!("asked for the status, got {other:?}"),
    }
}

fn assert_sound<S: Store>(replica: &mut Replica<S>, what: &str) {
    match ask(replica, Query::Verify) {
        Answer::Verified(view) => assert!(view.sound, "{what}: {:?}", view.faults),
        other => panic!("asked to verify, got {other:?}"),
    }
}

/// The till granted, its copy too; the phone has met the one, the keeper the other.
fn apart() -> (Desk, [usize; 4]) {
    let (mut desk, [keeper, till, phone, copy]) = copied();
    desk.grant(till, "A1", "100 USD").expect("covered");
    desk.grant(till, "A2", "10 USD").expect("covered");
    desk.grant(copy, "B1", "50 USD").expect("covered");
    desk.meet(phone, till);
    desk.meet(keeper, copy);
    (desk, [keeper, till, phone, copy])
}

#[test]
fn the_lower_sequel_may_come_second_and_be_cut_off_at_every_write() {
    let mut cut = 0;
    for failing in [2, 0] {
        let (mut desk, seats) = apart();
        let (failing, other) = (seats[failing], seats[2 - failing]);
        let images = [failing, other].map(|seat| desk.image(seat));
        let identities = [failing, other].map(|seat| desk.identity(seat));
        let open = |place: usize, store: MemoryStore, seed: u8| {
            Replica::open(store, identities[place].clone(), [seed; 32]).expect("opened")
        };
        for (call, for_good) in [(Call::Apply, true), (Call::Apply, false), (Call::Sync, true)] {
            for at in 1.. {
                let store = Failing { store: images[0].clone(), call, at, for_good, full: false, seen: 0 };
                let mut peer = open(1, images[1].clone(), 81);
                // A store that fails while it is opened is another test.
                let Ok(mut replica) = Replica::open(store, identities[0].clone(), [82; 32]) else { continue };
                talk(&mut replica, &mut peer);
                let has_failed = replica.failure().is_some();
                cut += u32::from(has_failed);
                let left = replica.into_store().store;
                for kept in [0, left.unsynced()] {
                    let what = format!("{call:?} {at} for good {for_good}, {kept} kept");
                    let mut again = open(0, left.clone().crash_keeping(kept), 83);
                    assert_sound(&mut again, &what);
                    let mut peer = open(1, images[1].clone(), 84);
                    talk(&mut again, &mut peer);
                    talk(&mut again, &mut peer);
                    assert_sound(&mut again, &what);
                    assert_eq!(digest(&mut again), digest(&mut peer), "{what}");
                    let credits = again.book().credit_count();
                    assert_eq!((credits, again.conflicts().len()), (3, 1), "{what}: both sequels, and the fork");
                }
                if !has_failed {
                    break;
                }
            }
        }
    }
    assert!(cut > 10, "{cut} talks were cut off");
}

/// A backup of a replica, read as the program reads it, in a store of its own.
fn restored<S: Store>(replica: &mut Replica<S>, identity: ucash::replica::Identity) -> Replica<MemoryStore> {
    let Answer::Snapshot(snapshot) = ask(replica, Query::Snapshot) else { panic!("asked for a snapshot") };
    let header = serde_json::to_vec(&snapshot.header).expect("a header");
    let mut restorer = Restorer::begin(MemoryStore::default(), &header).expect("a header");
    let mut keys = &snapshot.own[..];
    while !keys.is_empty() {
        let Answer::OwnValues(payload, taken) = ask(replica, Query::OwnValues { keys: keys.to_vec() }) else {
            panic!("asked for own values")
        };
        restorer.own(&payload).expect("own values");
        keys = &keys[taken..];
    }
    for (name, (last, _)) in &snapshot.header.logs {
        let log = data_encoding::HEXLOWER.decode(name.as_bytes()).expect("a log's name");
        let mut from = 1;
        while from <= *last {
            match ask(replica, Query::LogPiece { log: log.clone(), from, to: *last }) {
                Answer::LogPiece(Some((frame, next))) => {
                    restorer.entries(&frame).expect("entries");
                    from = next;
                }
                other => panic!("asked for a piece of {name} from {from}, got {other:?}"),
            }
        }
    }
    restorer.finish(identity, [90; 32]).expect("restored")
}

#[test]
fn a_backup_and_a_salvaged_store_hold_both_sequels() {
    let (mut desk, [keeper, till, phone, copy]) = apart();
    desk.pay(copy, "B1", "20.00").expect("a payment");
    let third = desk.image(copy);
    let third = desk.seat_copy(copy, third);
    desk.pay(copy, "B1", "5.00").expect("a payment");
    desk.pay(third, "B1", "7.00").expect("a payment");
    meet_apart(&mut desk, &[keeper, phone], &[till, copy, third]);
    assert_agree(&mut desk, &[keeper, phone, till, copy, third]);
    assert_eq!(forks(&desk, keeper).iter().map(|fork| fork.sides.len()).collect::<Vec<_>>(), [3]);
    let shown = desk.digest(keeper);
    let identity = desk.identity(keeper);
    let image = desk.image(keeper);
    let authority = desk.identity(0).authority_key.expect("the founder's").public();
    let mut source = Replica::open(image.clone(), identity.clone(), [91; 32]).expect("opened");
    let mut again = restored(&mut source, identity.clone());
    assert_sound(&mut again, "restored");
    assert_eq!(digest(&mut again), shown, "restored");
    let store = MemoryStore::default();
    let salvaged = Replica::salvage(&image, store, identity, authority, [92; 32], &BTreeMap::new());
    let (mut again, report) = salvaged.expect("salvaged");
    assert_eq!((report.lost, report.entries), (Vec::new(), desk.status(keeper).entries));
    assert_sound(&mut again, "salvaged");
    assert_eq!(digest(&mut again), shown, "salvaged");
}
