//! Who else holds what, who was last heard of when, and what a balance is at least while some are not in step.

use proptest::prelude::*;
use ucash::model::{CaptureState, Timestamp};
use ucash::money::Currency;
use ucash::replica::{AccountView, HeardView};

use crate::seats::{Desk, OFFICE, SHOP, capture, withdrawal};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// An office, a till and a phone of one shop, in this order; the till and the phone hold 200 and 100 of 1000 USD.
fn three() -> (Desk, usize, usize) {
    let mut desk = Desk::found();
    let [till, phone] = ["till", "phone"].map(|name| desk.join(SHOP, name));
    desk.hand(OFFICE, till, "200 USD");
    desk.hand(OFFICE, phone, "100 USD");
    desk.meet_all();
    (desk, till, phone)
}

/// Lets everybody record what was seen, as devices in contact do within a minute or two.
fn record_all(desk: &mut Desk) {
    for _ in 0..3 {
        desk.wait(2 * MINUTE);
        desk.tick();
        desk.meet_all();
    }
}

/// All come in contact, as on a LAN.
fn connect_all(desk: &mut Desk) {
    for left in 0..desk.seats() {
        (left + 1..desk.seats()).for_each(|right| desk.connect(left, right));
    }
    desk.carry();
}

/// The same, and they compare until each knows that it holds what the others hold.
fn gather(desk: &mut Desk) {
    connect_all(desk);
    for _ in 0..30 {
        let silent = |desk: &mut Desk, seat| usd(desk, seat).oldest_heard.is_some();
        if !(0..desk.seats()).any(|seat| silent(desk, seat)) {
            return;
        }
        desk.wait(2_000);
        desk.tick();
        desk.carry();
    }
}

fn usd(desk: &mut Desk, seat: usize) -> AccountView {
    desk.account(seat, Currency::Usd)
}

/// What is at least and at most there, and of whom nothing was heard for longest.
fn bounds(desk: &mut Desk, seat: usize) -> (String, String, Option<HeardView>) {
    let AccountView { at_least, at_most, oldest_heard, .. } = usd(desk, seat);
    (at_least, at_most, oldest_heard)
}

fn cents(text: &str) -> i64 {
    text.replace('.', "").parse().expect("a decimal text with two decimals")
}

fn seen_by(desk: &mut Desk, seat: usize, key: &str) -> (u32, Vec<String>) {
    let view = desk.credit(seat, key);
    (view.seen_by, view.seen_by_devices)
}

// ---- who holds a credit ----

#[test]
fn who_holds_a_credit_is_known_from_the_logs_also_after_a_restart() {
    let (mut desk, till, phone) = three();
    desk.grant(till, "C", "40 USD").expect("granted");
    assert_eq!(seen_by(&mut desk, till, "C"), (1, vec!["till".to_owned()]));
    desk.meet(till, OFFICE);
    let two = (2, vec!["office".to_owned(), "till".to_owned()]);
    // The one wrote it, the other said in contact that it has it.
    assert_eq!(seen_by(&mut desk, till, "C"), two);
    assert_eq!(seen_by(&mut desk, OFFICE, "C"), two);
    // What was only said is not known any more; who wrote it is.
    desk.reopen(till);
    desk.reopen(OFFICE);
    assert_eq!(seen_by(&mut desk, till, "C"), (1, vec!["till".to_owned()]));
    assert_eq!(seen_by(&mut desk, OFFICE, "C"), two);
    record_all(&mut desk);
    let all = (3, ["office", "phone", "till"].map(str::to_owned).to_vec());
    for seat in [OFFICE, till, phone] {
        assert_eq!(seen_by(&mut desk, seat, "C"), all, "seat {seat}");
        desk.reopen(seat);
        assert_eq!(seen_by(&mut desk, seat, "C"), all, "seat {seat}, opened again");
    }
}

#[test]
fn it_is_the_latest_change_that_is_held() {
    let (mut desk, till, phone) = three();
    desk.grant(till, "C", "40 USD").expect("granted");
    desk.meet_all();
    record_all(&mut desk);
    desk.pay(OFFICE, "C", "10").expect("paid");
    assert_eq!(seen_by(&mut desk, OFFICE, "C"), (1, vec!["office".to_owned()]));
    desk.meet(OFFICE, phone);
    let two = (2, vec!["office".to_owned(), "phone".to_owned()]);
    assert_eq!(seen_by(&mut desk, OFFICE, "C"), two);
    record_all(&mut desk);
    desk.reopen(phone);
    assert_eq!(seen_by(&mut desk, phone, "C").0, 3);
}

#[test]
fn a_closed_device_holds_nothing_any_more() {
    let (mut desk, till, phone) = three();
    desk.grant(till, "C", "40 USD").expect("granted");
    record_all(&mut desk);
    assert_eq!(seen_by(&mut desk, OFFICE, "C").0, 3);
    desk.close(OFFICE, phone, Some(OFFICE), true).expect("closed");
    desk.reopen(OFFICE);
    assert_eq!(seen_by(&mut desk, OFFICE, "C"), (2, vec!["office".to_owned(), "till".to_owned()]));
}

// ---- what nobody else holds ----

#[test]
fn what_others_hold_is_not_pending_again_after_a_restart() {
    let (mut desk, till, phone) = three();
    assert_eq!(desk.status(till).pending_count, 0);
    desk.grant(till, "A", "10 USD").expect("granted");
    desk.grant(till, "B", "10 USD").expect("granted");
    assert_eq!(desk.status(till).pending_count, 2);
    desk.reopen(till);
    assert_eq!(desk.status(till).pending_count, 2, "nothing was heard in between");
    desk.meet(till, phone);
    assert_eq!(desk.status(till).pending_count, 0);
    record_all(&mut desk);
    for seat in [OFFICE, till, phone] {
        assert_eq!(desk.status(seat).pending_count, 0, "seat {seat}");
        desk.reopen(seat);
        // The office's also in the register, of which nobody records what was seen.
        assert_eq!(desk.status(seat).pending_count, 0, "seat {seat}, opened again");
    }
    desk.grant(till, "C", "10 USD").expect("granted");
    desk.reopen(till);
    assert_eq!(desk.status(till).pending_count, 1);
}

#[test]
fn a_record_of_what_was_seen_is_not_pending() {
    let (mut desk, till, phone) = three();
    record_all(&mut desk);
    desk.grant(till, "A", "10 USD").expect("granted");
    desk.meet(till, phone);
    let before = desk.status(phone).entries;
    desk.wait(2 * MINUTE);
    desk.tick();
    assert_eq!(desk.status(phone).entries, before + 1, "the phone records that it has seen the grant");
    assert_eq!(desk.status(phone).pending_count, 0);
    desk.reopen(phone);
    assert_eq!(desk.status(phone).pending_count, 0, "opened again");
    desk.pay(phone, "A", "1").expect("paid");
    assert_eq!(desk.status(phone).pending_count, 1);
}

#[test]
fn what_was_to_be_recorded_is_recorded_after_a_restart() {
    let (mut desk, till, phone) = three();
    record_all(&mut desk);
    desk.grant(till, "A", "10 USD").expect("granted");
    desk.meet(till, phone);
    desk.reopen(phone);
    let before = desk.status(phone).entries;
    desk.wait(2 * MINUTE);
    desk.tick();
    assert_eq!(desk.status(phone).entries, before + 1, "the grant came before the restart");
    desk.wait(2 * MINUTE);
    desk.tick();
    assert_eq!(desk.status(phone).entries, before + 1, "and once is enough");
}

// ---- when somebody was last heard of ----

#[test]
fn when_a_device_was_last_heard_of_survives_a_restart_and_comes_through_others() {
    let (mut desk, till, phone) = three();
    desk.wait(3 * HOUR);
    desk.grant(phone, "A", "10 USD").expect("granted");
    let written = desk.now(phone);
    desk.meet(phone, till);
    desk.wait(3 * HOUR);
    desk.grant(till, "B", "10 USD").expect("granted");
    // The office hears of the phone through the till alone.
    desk.meet(till, OFFICE);
    for _ in 0..2 {
        let last_seen = |desk: &mut Desk, name: &str| {
            let shares = desk.shares(OFFICE).shares[&Currency::Usd].clone();
            shares.into_iter().find(|one| one.device == name).and_then(|one| one.last_seen).expect("it was seen")
        };
        assert_eq!(last_seen(&mut desk, "phone"), written.to_rfc3339());
        let heard = HeardView { device: "phone".to_owned(), at: Some(written.to_rfc3339()) };
        assert_eq!(bounds(&mut desk, OFFICE).2, Some(heard));
        desk.reopen(OFFICE);
    }
}

#[test]
fn a_clock_that_is_ahead_was_not_heard_of_in_the_future() {
    let (mut desk, _, phone) = three();
    desk.set_clock_off(phone, 1_000 * HOUR);
    desk.grant(phone, "A", "10 USD").expect("granted");
    desk.meet(phone, OFFICE);
    desk.reopen(OFFICE);
    let now = desk.now(OFFICE);
    let shares = desk.shares(OFFICE).shares[&Currency::Usd].clone();
    let phone = shares.into_iter().find(|one| one.device == "phone").and_then(|one| one.last_seen);
    let (at, now) = (phone.expect("it was seen"), now.to_rfc3339());
    // Written alike, times sort as texts.
    assert!(at <= now, "{at} is after {now}");
    assert!(bounds(&mut desk, OFFICE).2.and_then(|heard| heard.at).is_some_and(|at| at <= now));
}

// ---- at least, at most ----

#[test]
fn a_balance_is_as_shown_where_all_are_in_step_and_else_without_what_the_others_may_spend() {
    let (mut desk, till, phone) = three();
    gather(&mut desk);
    for seat in [OFFICE, till, phone] {
        assert_eq!(bounds(&mut desk, seat), ("1000.00".to_owned(), "1000.00".to_owned(), None), "seat {seat}");
    }
    desk.part(OFFICE, phone);
    desk.part(till, phone);
    let heard = |at: Timestamp| Some(HeardView { device: "phone".to_owned(), at: Some(at.to_rfc3339()) });
    let (at_least, at_most, oldest) = bounds(&mut desk, OFFICE);
    assert_eq!((at_least.as_str(), at_most.as_str()), ("900.00", "1000.00"));
    assert!(oldest.is_some_and(|one| one.device == "phone"));
    let francs = desk.account(OFFICE, Currency::Cdf);
    assert_eq!((francs.at_least, francs.at_most), ("500000.00".to_owned(), "500000.00".to_owned()));
    // It spends all it has: the bound is met, and it was the best one.
    desk.wait(HOUR);
    desk.record(phone, withdrawal("60 USD")).expect("covered");
    desk.grant(phone, "A", "40 USD").expect("covered");
    let last = desk.now(phone);
    assert_eq!(bounds(&mut desk, OFFICE).0, "900.00");
    desk.meet(phone, till);
    desk.carry();
    desk.wait(2_000);
    desk.tick();
    desk.carry();
    // By way of the till the office knows, and that the phone can spend no more.
    let (at_least, at_most, oldest) = bounds(&mut desk, OFFICE);
    assert_eq!((at_least.as_str(), at_most.as_str()), ("900.00", "900.00"));
    assert_eq!(oldest, heard(last));
    // To the phone the others are silent: of 900 only its own nothing is sure.
    assert_eq!(bounds(&mut desk, phone).0, "0.00");
    gather(&mut desk);
    assert_eq!(bounds(&mut desk, OFFICE), ("900.00".to_owned(), "900.00".to_owned(), None));
}

#[test]
fn of_two_that_are_silent_the_one_silent_for_longer_is_named() {
    let (mut desk, till, phone) = three();
    for (seat, other) in [(phone, till), (till, phone)] {
        desk.wait(HOUR);
        desk.grant(other, &format!("of-{other}"), "1 USD").expect("granted");
        desk.meet(OFFICE, other);
        assert_eq!(bounds(&mut desk, OFFICE).2.expect("both are silent").device, desk.status(seat).device);
    }
    let (at_least, ..) = bounds(&mut desk, OFFICE);
    assert_eq!(at_least, "700.00");
}

#[test]
fn what_is_on_its_way_to_somebody_may_be_spent_there() {
    let (mut desk, _, phone) = three();
    desk.give(OFFICE, phone, "50 USD").expect("given");
    // 300 that the others hold, and the gift.
    assert_eq!(bounds(&mut desk, OFFICE).0, "650.00");
    desk.meet(OFFICE, phone);
    desk.record(phone, withdrawal("150 USD")).expect("the gift was taken");
    assert_eq!(bounds(&mut desk, OFFICE).0, "650.00");
}

#[test]
fn what_comes_back_may_yet_be_owed() {
    let (mut desk, till, phone) = three();
    desk.grant(OFFICE, "A", "100 USD").expect("granted");
    desk.meet_all();
    desk.cancel(OFFICE, "A").expect("called off");
    let shown = usd(&mut desk, OFFICE);
    // 200 and 100 with the others, and 100 that came back, unless somebody took a payment for it.
    assert_eq!((shown.available.as_str(), shown.at_least.as_str()), ("1000.00", "600.00"));
    desk.wait(MINUTE);
    desk.pay(phone, "A", "5").expect("it does not know");
    desk.record(till, withdrawal("200 USD")).expect("covered");
    desk.record(phone, withdrawal("100 USD")).expect("covered");
    gather(&mut desk);
    assert_eq!(usd(&mut desk, OFFICE).available, "600.00");
    assert_eq!(bounds(&mut desk, OFFICE), ("600.00".to_owned(), "600.00".to_owned(), None));
}

#[test]
fn what_a_closed_device_left_is_with_its_successor() {
    let (mut desk, till, phone) = three();
    desk.close(OFFICE, phone, Some(till), true).expect("closed");
    desk.connect(OFFICE, till);
    desk.carry();
    assert_eq!(bounds(&mut desk, OFFICE), ("1000.00".to_owned(), "1000.00".to_owned(), None), "the phone is no more");
    desk.part(OFFICE, till);
    assert_eq!(bounds(&mut desk, OFFICE).0, "700.00");

    let (mut desk, till, phone) = three();
    desk.close(OFFICE, phone, Some(OFFICE), true).expect("closed");
    assert_eq!(bounds(&mut desk, OFFICE).0, "800.00", "only the till is silent");
    desk.meet(OFFICE, till);
    desk.close(OFFICE, till, Some(OFFICE), true).expect("closed");
    assert_eq!(bounds(&mut desk, OFFICE), ("1000.00".to_owned(), "1000.00".to_owned(), None));
}

#[test]
fn a_life_that_was_left_may_have_spent_though_its_device_is_there() {
    let (mut desk, till, _) = three();
    let image = desk.image(till);
    desk.wait(HOUR);
    desk.record(till, withdrawal("150 USD")).expect("covered");
    desk.bring_back(till, image);
    connect_all(&mut desk);
    let (at_least, at_most, oldest) = bounds(&mut desk, OFFICE);
    assert_eq!((at_least.as_str(), at_most.as_str()), ("800.00", "1000.00"));
    let oldest = oldest.expect("a life that is silent");
    assert_eq!(oldest.device, "till");
    assert!(oldest.at.is_some_and(|at| at < desk.now(OFFICE).plus_ms(-HOUR + MINUTE).to_rfc3339()));
}

#[test]
fn what_is_not_heard_of_can_only_add_to_the_most() {
    let (mut desk, till, _) = three();
    desk.record(till, capture("30 USD", CaptureState::Validated)).expect("recorded");
    assert_eq!(bounds(&mut desk, OFFICE).1, "1000.00");
    gather(&mut desk);
    assert_eq!(bounds(&mut desk, OFFICE), ("1030.00".to_owned(), "1030.00".to_owned(), None));
}

/// Something that a device does and the office does not hear of.
#[derive(Clone, Debug)]
enum Apart {
    Grant(usize, u32),
    Withdraw(usize, u32),
    Give(usize, usize, u32),
    Cancel(usize, usize),
    Pay(usize, usize),
    Meet(usize, usize),
    Reopen(usize),
}

fn apart() -> impl Strategy<Value = Apart> {
    let seat = 0..4_usize;
    let sum = 1..400_u32;
    prop_oneof![
        3 => (seat.clone(), sum.clone()).prop_map(|(seat, sum)| Apart::Grant(seat, sum)),
        3 => (seat.clone(), sum.clone()).prop_map(|(seat, sum)| Apart::Withdraw(seat, sum)),
        4 => (seat.clone(), seat.clone(), sum).prop_map(|(from, to, sum)| Apart::Give(from, to, sum)),
        1 => (0..1_usize, 0..3_usize).prop_map(|(seat, credit)| Apart::Cancel(seat, credit)),
        2 => (seat.clone(), 0..3_usize).prop_map(|(seat, credit)| Apart::Pay(seat, credit)),
        2 => (seat.clone(), seat.clone()).prop_map(|(left, right)| Apart::Meet(left, right)),
        1 => seat.prop_map(Apart::Reopen),
    ]
}

/// What each does that may: what it cannot do is refused, which is as good.
fn act(desk: &mut Desk, step: usize, what: &Apart) {
    match what {
        Apart::Grant(seat, sum) => drop(desk.grant(*seat, &format!("R{step}"), &format!("{sum} USD"))),
        Apart::Withdraw(seat, sum) => drop(desk.record(*seat, withdrawal(&format!("{sum} USD")))),
        Apart::Give(from, to, sum) if from != to => drop(desk.give(*from, *to, &format!("{sum} USD"))),
        Apart::Cancel(seat, credit) => drop(desk.cancel(*seat, &format!("K{credit}"))),
        Apart::Pay(seat, credit) => drop(desk.pay(*seat, &format!("K{credit}"), "1")),
        Apart::Meet(left, right) if left != right => desk.meet(*left, *right),
        Apart::Reopen(seat) => desk.reopen(*seat),
        Apart::Give(..) | Apart::Meet(..) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn at_least_is_never_more_than_what_is_left_when_all_have_met(
        before in proptest::collection::vec(apart(), 0..12),
        after in proptest::collection::vec(apart(), 0..16),
    ) {
        let (mut desk, till, phone) = three();
        desk.join(SHOP, "tablet");
        for (index, seat) in [OFFICE, till, phone].into_iter().enumerate() {
            desk.grant(seat, &format!("K{index}"), "30 USD").expect("granted");
        }
        desk.meet_all();
        for (step, what) in before.iter().enumerate() {
            act(&mut desk, step, what);
        }
        let shown = usd(&mut desk, OFFICE);
        // From here on the office hears of nothing, and does nothing itself.
        for (step, what) in after.iter().enumerate() {
            let touches = match what {
                Apart::Grant(seat, _) | Apart::Withdraw(seat, _) | Apart::Cancel(seat, _) | Apart::Pay(seat, _) => *seat == OFFICE,
                Apart::Give(from, _, _) => *from == OFFICE,
                Apart::Meet(left, right) => *left == OFFICE || *right == OFFICE,
                Apart::Reopen(_) => false,
            };
            if !touches {
                act(&mut desk, 100 + step, what);
            }
        }
        prop_assert_eq!(&usd(&mut desk, OFFICE).at_least, &shown.at_least);
        gather(&mut desk);
        for seat in 0..desk.seats() {
            let (at_least, at_most, oldest) = bounds(&mut desk, seat);
            let left = usd(&mut desk, seat).available;
            prop_assert!(cents(&shown.at_least) <= cents(&left), "{:?}, and {} were left", shown, left);
            prop_assert!(cents(&shown.at_most) >= cents(&left), "{:?}, and {} were left", shown, left);
            prop_assert_eq!((&at_least, &at_most, oldest), (&left, &left, None));
        }
    }
}
