//! Idle shares even out among the devices of a shop that are in contact and in step.

use ucash::model::{CaptureState, ShopId};
use ucash::money::Currency;

use super::assert_adds_up;
use crate::seats::{Desk, OFFICE, SHOP, SIM, capture};

/// A shop of that many devices, of which the office holds so much, all in contact with all.
fn shop(devices: usize, usd: &str, cdf: &str) -> Desk {
    let mut desk = Desk::found_bare();
    desk.add_sim(OFFICE, SIM, usd, cdf);
    for number in 1..devices {
        desk.join(SHOP, &format!("device {number}"));
    }
    desk.meet_all();
    for left in 0..devices {
        (left + 1..devices).for_each(|right| desk.connect(left, right));
    }
    desk.carry();
    desk
}

/// Time passes, as much as idle shares are left alone, and what is given is taken.
fn pass(desk: &mut Desk) {
    desk.wait(5_000);
    desk.tick();
    desk.carry();
    assert_adds_up(desk);
}

fn held(desk: &mut Desk, currency: Currency) -> Vec<String> {
    (0..desk.seats()).map(|seat| desk.account(seat, currency).this_device).collect()
}

#[test]
fn idle_shares_even_out_to_equal_parts_in_each_currency() {
    // How many devices, what the office holds, and what each has afterwards.
    type Row = (usize, &'static str, &'static [&'static str], &'static str, &'static [&'static str]);
    let rows: [Row; 7] = [
        (1, "1000", &["1000.00"], "500000", &["500000.00"]),
        (2, "1000", &["500.00", "500.00"], "500000", &["250000.00", "250000.00"]),
        (3, "1000", &["333.34", "333.33", "333.33"], "0", &["0.00", "0.00", "0.00"]),
        (2, "0.01", &["0.01", "0.00"], "0.02", &["0.01", "0.01"]),
        (3, "0.02", &["0.02", "0.00", "0.00"], "0.03", &["0.01", "0.01", "0.01"]),
        (3, "0.05", &["0.03", "0.01", "0.01"], "0", &["0.00", "0.00", "0.00"]),
        (
            10,
            "1000",
            &["100.00"; 10],
            "0.09",
            &["0.09", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00"],
        ),
    ];
    for (devices, usd, dollars, cdf, francs) in rows {
        let mut desk = shop(devices, usd, cdf);
        pass(&mut desk);
        assert_eq!(held(&mut desk, Currency::Usd), dollars, "{usd} USD among {devices}");
        assert_eq!(held(&mut desk, Currency::Cdf), francs, "{cdf} CDF among {devices}");
        let movements = desk.replica(OFFICE).book().movement_count();
        (0..3).for_each(|_| pass(&mut desk));
        assert_eq!(desk.replica(OFFICE).book().movement_count(), movements, "what is even is left alone");
        desk.assert_one_state();
    }
}

#[test]
fn nothing_moves_unless_a_device_is_below_half_of_an_equal_part() {
    for (till, expected) in [
        ("500", ["500.00", "500.00"]),
        ("250", ["750.00", "250.00"]),
        ("249.99", ["500.00", "500.00"]),
        ("750", ["250.00", "750.00"]),
        ("750.01", ["500.00", "500.00"]),
        ("1000", ["500.00", "500.00"]),
    ] {
        let mut desk = Desk::found();
        let seat = desk.join(SHOP, "till");
        desk.hand(OFFICE, seat, &format!("{till} USD"));
        desk.connect(OFFICE, seat);
        desk.carry();
        pass(&mut desk);
        assert_eq!(held(&mut desk, Currency::Usd), expected, "the till had {till}");
    }
}

#[test]
fn each_gives_what_is_above_its_part_and_what_is_on_its_way_counts() {
    let mut desk = shop(3, "900", "0");
    pass(&mut desk);
    // The office and the first hold more than an equal part; each gives of that, and keeps its part.
    desk.grant(2, "A1", "300 USD").expect("its own");
    desk.carry();
    desk.record(OFFICE, capture("100 USD", CaptureState::Validated)).expect("capturing");
    desk.carry();
    desk.wait(5_000);
    desk.tick();
    desk.wait(5_000);
    // Before the gift is taken, nobody gives again.
    desk.tick();
    desk.carry();
    assert_eq!(held(&mut desk, Currency::Usd), ["233.33", "233.33", "233.34"], "once each");
    assert_adds_up(&desk);
}

#[test]
fn a_device_that_is_away_is_given_nothing_and_gives_nothing() {
    let mut desk = shop(3, "900", "0");
    [(OFFICE, 2), (1, 2)].into_iter().for_each(|(left, right)| desk.part(left, right));
    pass(&mut desk);
    assert_eq!(held(&mut desk, Currency::Usd), ["450.00", "450.00", "0.00"], "among those who are there");
    desk.connect(1, 2);
    desk.record(1, capture("10 USD", CaptureState::Validated)).expect("capturing");
    desk.carry();
    // The first is in contact with both, and holds most: it gives what it has above its part of 910.
    pass(&mut desk);
    assert_eq!(held(&mut desk, Currency::Usd), ["450.00", "303.33", "156.67"]);
    assert_adds_up(&desk);
}

#[test]
fn idle_shares_are_left_alone_for_five_seconds() {
    let mut desk = shop(2, "1000", "0");
    desk.tick();
    desk.carry();
    assert_eq!(held(&mut desk, Currency::Usd), ["500.00", "500.00"], "the first time at once");
    desk.grant(1, "A1", "500 USD").expect("its own");
    desk.carry();
    let began = desk.now(OFFICE);
    desk.tick();
    desk.carry();
    assert_eq!(desk.share(1), "0.00", "too soon");
    desk.wait(5_000 - (desk.now(OFFICE).0 - began.0));
    // They have recorded what they saw of each other meanwhile, and compare before they give.
    pass(&mut desk);
    pass(&mut desk);
    assert_eq!(held(&mut desk, Currency::Usd), ["250.00", "250.00"]);
}

/// The head office brings another shop's balances in, and is none of its devices: it keeps nothing.
#[test]
fn who_only_imported_hands_over_all_to_the_one_that_holds_least() {
    let mut desk = Desk::found_bare();
    let shop = ShopId(2);
    desk.add_shop(shop, "Bukavu");
    desk.add_sim_to(OFFICE, Some(shop), SIM, "700", "90000");
    let [first, second] = ["first", "second"].map(|name| desk.join(shop, name));
    desk.meet_all();
    pass(&mut desk);
    assert_eq!(held(&mut desk, Currency::Usd)[OFFICE], "700.00", "nobody of the shop is there");
    desk.connect(OFFICE, first);
    desk.carry();
    pass(&mut desk);
    assert_eq!(held(&mut desk, Currency::Usd), ["0.00", "700.00", "0.00"]);
    assert_eq!(held(&mut desk, Currency::Cdf), ["0.00", "90000.00", "0.00"]);
    // Nothing evens out towards it; among the shop's own it does.
    desk.connect(first, second);
    desk.connect(OFFICE, second);
    desk.carry();
    pass(&mut desk);
    assert_eq!(held(&mut desk, Currency::Usd), ["0.00", "350.00", "350.00"]);
    desk.assert_one_state();
}
