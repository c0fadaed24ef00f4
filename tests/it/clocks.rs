//! Wrong clocks (`domain`, rule 6): they stop nobody, lose nothing and win nothing.

use proptest::prelude::*;
use ucash::ledger::Book;
use ucash::model::{
    ConflictKind, Correction, CreditStatus, DeviceKey, Edit, Hlc, Holder, Incarnation, Origin, Place, Seen, Timestamp,
};

use crate::conflicts::listed;
use crate::seats::{Desk, OFFICE, SHOP};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
const YEAR: i64 = 365 * DAY;

/// An office, a till and a phone of one shop that know of a credit `C` of 100 USD.
fn three() -> (Desk, [usize; 2]) {
    let mut desk = Desk::found();
    let [till, phone] = ["till", "phone"].map(|name| desk.join(SHOP, name));
    desk.grant(OFFICE, "C", "100 USD").expect("granted");
    desk.hand(OFFICE, till, "200 USD");
    desk.hand(OFFICE, phone, "200 USD");
    desk.meet_all();
    desk.wait(DAY);
    (desk, [till, phone])
}

/// All in contact at once, as on a LAN.
fn gather(desk: &mut Desk) {
    for left in 0..desk.seats() {
        (left + 1..desk.seats()).for_each(|right| desk.connect(left, right));
    }
    desk.carry();
    for _ in 0..2 {
        desk.wait(2 * MINUTE);
        desk.tick();
        desk.carry();
    }
    for left in 0..desk.seats() {
        (left + 1..desk.seats()).for_each(|right| desk.part(left, right));
    }
    desk.meet_all();
}

fn assert_alike(desk: &mut Desk) {
    desk.assert_one_state();
    let first = listed(desk, OFFICE);
    for seat in 0..desk.seats() {
        assert_eq!(listed(desk, seat), first, "seat {seat}");
        assert!(desk.verify(seat).sound, "seat {seat}");
        desk.reopen(seat);
        assert_eq!(listed(desk, seat), first, "seat {seat}, opened again");
    }
    desk.assert_one_state();
}

fn kinds(desk: &mut Desk) -> Vec<ConflictKind> {
    let mut kinds: Vec<ConflictKind> = listed(desk, OFFICE).iter().map(|view| view.conflict.kind).collect();
    kinds.sort_by_key(|kind| kind.word());
    kinds
}

#[test]
fn f6_a_clock_in_the_future_wins_no_conflict_whoever_meets_first() {
    let orders = [
        [(0, 1), (0, 2), (1, 2)],
        [(0, 2), (0, 1), (1, 2)],
        [(0, 2), (1, 2), (0, 1)],
        [(1, 2), (0, 1), (0, 2)],
        [(1, 2), (0, 2), (0, 1)],
        [(0, 1), (1, 2), (0, 2)],
    ];
    let mut ids = Vec::new();
    for order in orders {
        let (mut desk, [till, phone]) = three();
        desk.set_clock_off(phone, 3 * YEAR);
        desk.cancel(phone, "C").expect("it works all day");
        desk.edit(phone, "C", &[Edit::Notes(Some("from the future".to_owned()))]).expect("edited");
        desk.wait(MINUTE);
        desk.pay(till, "C", "40").expect("paid");
        desk.edit(till, "C", &[Edit::Notes(Some("by a right clock".to_owned()))]).expect("edited");
        for (left, right) in order {
            desk.meet(left, right);
        }
        desk.meet_all();
        let credit = desk.credit(OFFICE, "C");
        assert_eq!((credit.status, credit.paid.as_str()), (CreditStatus::PartlyPaid, "40.00"), "{order:?}");
        assert_eq!(credit.notes.as_deref(), Some("by a right clock"), "{order:?}");
        let expected = [ConflictKind::ConcurrentEdit, ConflictKind::ConcurrentStatus, ConflictKind::WrongClock];
        assert_eq!(kinds(&mut desk), expected, "{order:?}");
        assert_alike(&mut desk);
        let sides = |view: &ucash::replica::ConflictView| (view.conflict.kind, view.conflict.sides.len());
        ids.push(listed(&mut desk, OFFICE).iter().map(sides).collect::<std::collections::BTreeSet<_>>());
    }
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_cancellation_from_the_future_is_not_returned_before_somebody_looked() {
    // The only other device is the granter, which could give the amount back as soon as it hears of the cancellation.
    let mut desk = Desk::found();
    let phone = desk.join(SHOP, "phone");
    desk.grant(OFFICE, "C", "100 USD").expect("granted");
    desk.meet_all();
    desk.set_clock_off(phone, 3 * YEAR);
    desk.cancel(phone, "C").expect("cancelled");
    desk.wait(MINUTE);
    desk.pay(OFFICE, "C", "40").expect("paid");
    desk.meet_all();
    let credit = desk.credit(OFFICE, "C");
    assert_eq!((credit.status, credit.paid.as_str()), (CreditStatus::PartlyPaid, "40.00"));
    assert_eq!(kinds(&mut desk), [ConflictKind::ConcurrentStatus, ConflictKind::WrongClock]);
    assert_alike(&mut desk);
}

#[test]
fn a_clock_in_the_future_wins_no_reference_and_no_share() {
    let (mut desk, [till, phone]) = three();
    desk.set_clock_off(phone, 3 * YEAR);
    let ahead = desk.grant(phone, "SAME", "10 USD").expect("granted");
    desk.wait(MINUTE);
    let right = desk.grant(till, "SAME", "20 USD").expect("granted");
    desk.meet(OFFICE, phone);
    desk.meet_all();
    // Nobody can say which was earlier: the one that can be explained keeps the reference.
    assert_eq!(desk.credit(OFFICE, "SAME").id, right.id);
    assert!(desk.credit(OFFICE, &ahead.id.to_string()).reference.starts_with("SAME~"));
    assert_eq!(desk.account(OFFICE, ucash::money::Currency::Usd).available, "870.00");
    assert_alike(&mut desk);
}

/// A phone whose clock is off by so much works for a day, then meets all others at once.
fn a_day_apart(off_ms: i64) {
    let (mut desk, [till, phone]) = three();
    desk.set_clock_off(phone, off_ms);
    // Field by field: who wrote last by a true clock is to win.
    let notes = |text: &str| [Edit::Notes(Some(text.to_owned()))];
    let address = |text: &str| [Edit::Address(Some(text.to_owned()))];
    desk.edit(phone, "C", &notes("phone, first")).expect("edited");
    desk.edit(till, "C", &address("till, first")).expect("edited");
    desk.wait(60 * MINUTE);
    desk.edit(till, "C", &notes("till, last")).expect("edited");
    desk.edit(phone, "C", &address("phone, last")).expect("edited");
    let granted = desk.grant(phone, "BY-PHONE", "30 USD").expect("granted");
    desk.pay(phone, "BY-PHONE", "10").expect("paid");
    let truly = desk.now(OFFICE);
    desk.wait(6 * 60 * MINUTE);
    gather(&mut desk);
    let credit = desk.credit(OFFICE, "C");
    assert_eq!(credit.notes.as_deref(), Some("till, last"), "{off_ms}");
    assert_eq!(credit.beneficiary.address.as_deref(), Some("phone, last"), "{off_ms}");
    let credit = desk.credit(OFFICE, "BY-PHONE");
    assert_eq!((credit.paid.as_str(), credit.status), ("10.00", CreditStatus::PartlyPaid));
    // Its times are told as they were, within the minute that people take to look.
    let shown = chrono::DateTime::parse_from_rfc3339(&credit.granted_at).expect("a time").timestamp_millis();
    assert!((shown - truly.0).abs() < 10 * MINUTE, "{off_ms}: {} is not {}", credit.granted_at, truly.to_rfc3339());
    assert_ne!(granted.granted_at, credit.granted_at);
    assert_eq!(kinds(&mut desk), [ConflictKind::ConcurrentEdit; 2], "{off_ms}: the clock is explained");
    // It goes on by the right time, though its clock still stands wrong.
    desk.connect(OFFICE, phone);
    desk.connect(till, phone);
    desk.carry();
    let later = desk.grant(phone, "LATER", "1 USD").expect("granted");
    let shown = chrono::DateTime::parse_from_rfc3339(&later.granted_at).expect("a time").timestamp_millis();
    assert!((shown - desk.now(OFFICE).0).abs() < MINUTE, "{off_ms}");
    desk.carry();
    desk.part(OFFICE, phone);
    desk.part(till, phone);
    desk.meet_all();
    assert_eq!(kinds(&mut desk), [ConflictKind::ConcurrentEdit; 2], "{off_ms}: still");
    assert_alike(&mut desk);
}

#[test]
fn a_phone_that_woke_up_in_2017_works_all_day_and_corrects_what_it_wrote() {
    a_day_apart(-9 * YEAR);
}

#[test]
fn a_phone_that_woke_up_in_2031_works_all_day_and_corrects_what_it_wrote() {
    a_day_apart(5 * YEAR);
}

#[test]
fn a_phone_that_woke_up_in_1970_works_all_day_and_corrects_what_it_wrote() {
    a_day_apart(-56 * YEAR);
}

#[test]
fn a_phone_in_2017_that_meets_one_other_knows_that_it_is_the_wrong_one() {
    let (mut desk, [_, phone]) = three();
    desk.set_clock_off(phone, -9 * YEAR);
    desk.grant(phone, "BY-PHONE", "30 USD").expect("granted");
    desk.meet(phone, OFFICE);
    let shown = desk.credit(OFFICE, "BY-PHONE").granted_at;
    assert!(shown.starts_with("2026-"), "{shown}: the network is younger than 2017");
    assert_eq!(desk.status(phone).clock_offset_ms, None, "nobody is in contact");
    desk.meet_all();
    assert_alike(&mut desk);
}

#[test]
fn one_slow_clock_alone_makes_nobody_elses_stamp_unexplained() {
    let (mut desk, [till, phone]) = three();
    desk.set_clock_off(till, -60 * MINUTE);
    desk.cancel(phone, "C").expect("cancelled by a right clock");
    // The slow one hears it first, and is alone to record it.
    desk.meet(phone, till);
    assert_eq!(kinds_at(&mut desk, till), [ConflictKind::WrongClock], "one of one");
    desk.meet(phone, OFFICE);
    desk.wait(2 * MINUTE);
    desk.tick();
    desk.meet_all();
    assert_eq!(kinds(&mut desk), [], "one of two is not more than half");
    assert_alike(&mut desk);
}

fn kinds_at(desk: &mut Desk, seat: usize) -> Vec<ConflictKind> {
    listed(desk, seat).iter().map(|view| view.conflict.kind).collect()
}

#[test]
fn what_others_had_seen_is_corrected_no_more() {
    let (mut desk, [till, phone]) = three();
    desk.set_clock_off(phone, 3 * YEAR);
    desk.cancel(phone, "C").expect("cancelled");
    // One other: no majority yet, and its entry is out.
    desk.meet(phone, OFFICE);
    desk.wait(MINUTE);
    desk.pay(till, "C", "40").expect("paid");
    gather(&mut desk);
    assert_eq!(desk.credit(OFFICE, "C").status, CreditStatus::PartlyPaid);
    assert!(kinds(&mut desk).contains(&ConflictKind::WrongClock));
    // What it does from then on is explained.
    desk.connect(OFFICE, phone);
    desk.connect(till, phone);
    desk.carry();
    let before = listed(&mut desk, OFFICE);
    desk.grant(phone, "AFTER", "1 USD").expect("granted");
    desk.carry();
    desk.wait(2 * MINUTE);
    desk.tick();
    desk.carry();
    assert_eq!(listed(&mut desk, OFFICE), before);
    desk.part(OFFICE, phone);
    desk.part(till, phone);
    desk.meet_all();
    assert_alike(&mut desk);
}

#[test]
fn a_clock_that_was_set_right_again_leaves_nothing_ahead() {
    let (mut desk, [till, phone]) = three();
    desk.set_clock_off(phone, 3 * YEAR);
    desk.grant(phone, "AHEAD", "10 USD").expect("granted");
    // A person sets it before it meets anyone.
    desk.set_clock_off(phone, 0);
    desk.wait(MINUTE);
    desk.grant(phone, "RIGHT", "10 USD").expect("granted");
    desk.wait(MINUTE);
    let now = desk.now(OFFICE).to_rfc3339();
    desk.meet(phone, till);
    desk.meet_all();
    for reference in ["AHEAD", "RIGHT"] {
        let shown = desk.credit(OFFICE, reference).granted_at;
        assert!(shown[..10] == now[..10], "{reference} {shown}, not {now}");
    }
    assert_eq!(kinds(&mut desk), []);
    assert_alike(&mut desk);
}

#[test]
fn sightings_and_corrections_of_numbers_at_the_ends_of_the_range_break_nothing() {
    let holder = |seed| Holder { device: DeviceKey([seed; 32]), incarnation: Incarnation(1) };
    let seen = |number, ahead| Seen { of: holder(1), number, registry: u64::MAX, stop: false, ahead };
    let ends = [0, 1, 2, u64::MAX - 1, u64::MAX];
    for number in ends {
        for ahead in ends.map(Some).into_iter().chain([None]) {
            let mut book = Book::default();
            for (by, record) in [(2, 1), (3, u64::MAX), (2, 2)] {
                let by = Place { holder: holder(by), number: record };
                book.sight(SHOP, by, &[seen(number, ahead)], true);
                book.sight(SHOP, by, &[seen(u64::MAX, Some(number))], true);
            }
            for add_ms in [i64::MIN, -1, 0, i64::MAX] {
                let correction = Correction { from: number.max(1), to: u64::MAX, add_ms };
                let at = Place { holder: holder(1), number: u64::MAX };
                book.correct_clock(SHOP, at, correction, [(holder(2), number)].into_iter());
            }
            for conflict in book.conflicts().into_values() {
                assert_eq!(conflict.kind, ConflictKind::WrongClock, "{number} {ahead:?}");
            }
            let origin = Origin {
                stamp: Hlc(u64::MAX),
                device: holder(1).device,
                incarnation: holder(1).incarnation,
                number: number.max(1),
                wall: Timestamp(i64::MAX),
            };
            book.clocks().judged(SHOP, &origin);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two clocks are right and one is anything: of changes made apart, further apart than five minutes, the later by a
    /// true clock stands, or the one whose stamp can be explained.
    #[test]
    fn concurrent_changes_are_decided_as_exact_clocks_would(
        off in prop_oneof![-4 * MINUTE..4 * MINUTE, -10 * YEAR..10 * YEAR],
        gap in 10 * MINUTE..DAY,
        wrong_first in any::<bool>(),
        together in any::<bool>(),
    ) {
        let (mut desk, [till, phone]) = three();
        desk.set_clock_off(phone, off);
        let (first, second) = if wrong_first { (phone, till) } else { (till, phone) };
        desk.edit(first, "C", &[Edit::Notes(Some("first".to_owned()))]).expect("edited");
        desk.wait(gap);
        desk.edit(second, "C", &[Edit::Notes(Some("second".to_owned()))]).expect("edited");
        desk.wait(10 * MINUTE);
        if together { gather(&mut desk) } else { desk.meet(OFFICE, phone) }
        desk.meet_all();
        let notes = desk.credit(OFFICE, "C").notes;
        let within = off.abs() <= 4 * MINUTE;
        let is_explained = !kinds(&mut desk).contains(&ConflictKind::WrongClock);
        if within || together {
            prop_assert!(is_explained);
            prop_assert_eq!(notes.as_deref(), Some("second"));
        } else if !is_explained {
            prop_assert_eq!(notes.as_deref(), Some(if wrong_first { "second" } else { "first" }));
        }
        assert_alike(&mut desk);
    }
}

#[test]
fn a_clock_that_is_set_right_while_it_is_known_to_be_wrong_is_believed_as_it_stands() {
    let (mut desk, [_, phone]) = three();
    desk.set_clock_off(phone, 5 * YEAR);
    gather(&mut desk);
    let shown = |desk: &mut Desk, reference: &str| desk.grant(phone, reference, "1 USD").expect("granted").granted_at;
    let is_now = |desk: &Desk, shown: &str| {
        let shown = chrono::DateTime::parse_from_rfc3339(shown).expect("a time").timestamp_millis();
        (shown - desk.now(OFFICE).0).abs() < MINUTE
    };
    let wrong = shown(&mut desk, "KNOWN");
    assert!(is_now(&desk, &wrong), "{wrong}: known to be wrong, and made up for");
    desk.set_clock_off(phone, 0);
    let right = shown(&mut desk, "SET");
    assert!(is_now(&desk, &right), "{right}: set right, and taken as it is");
    desk.meet_all();
    assert_eq!(kinds(&mut desk), []);
}
