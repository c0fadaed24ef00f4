//! Whatever the devices of a shop do while disks are copied and the copies work on beside the originals, some are closed
//! and all meet at random: in the end they show one state, which is sound, and nothing of the balance is lost or there
//! twice.

use proptest::prelude::*;

use super::meet_apart;
use crate::closings::{BUKAVU, assert_agree};
use crate::seats::{Desk, OFFICE, SIM};
use crate::shares::random::{Step, act, step};
use crate::shares::sums;

#[derive(Clone, Debug)]
enum Event {
    Work(Step),
    /// The disk is copied, and the copy goes on beside it.
    Copy,
    /// The keeper closes a device's lives that are not in contact, without waiting.
    Close(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => step().prop_map(Event::Work),
        2 => Just(Event::Copy),
        1 => (2..5_usize).prop_map(Event::Close),
    ]
}

/// Most copies at work beside their originals.
const COPIES_MAX: usize = 4;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn copied_disks_lose_nothing_and_count_nothing_twice(
        events in prop::collection::vec((0..9_usize, event()), 1..60)
    ) {
        let mut desk = Desk::found_bare();
        desk.add_shop(BUKAVU, "Bukavu");
        let [keeper, others @ ..] = ["keeper", "till", "phone", "tablet"].map(|name| desk.join(BUKAVU, name));
        desk.add_sim(keeper, SIM, "1000", "500000");
        for (seat, share) in others.into_iter().zip(["300 USD", "200 USD", "100 USD"]) {
            desk.hand(keeper, seat, share);
        }
        desk.meet_all();
        let mut closed = false;
        for (number, (seat, event)) in events.iter().enumerate() {
            let seat = seat % desk.seats();
            match event {
                Event::Work(Step::Meet(..) | Step::Reopen | Step::Wait(_)) | Event::Close(_) => {}
                // The head office does no shop's work.
                _ if seat == OFFICE => continue,
                _ => {}
            }
            match event {
                // Two copies of one device are never in contact with one other at once: it would take them for one.
                Event::Work(Step::Gather | Step::Ask(_)) => {}
                Event::Work(step) => act(&mut desk, seat, number, step),
                Event::Copy if desk.seats() < 5 + COPIES_MAX => {
                    let image = desk.image(seat);
                    desk.seat_copy(seat, image);
                }
                Event::Copy => {}
                Event::Close(device) => closed |= desk.close(keeper, *device, None, true).is_ok(),
            }
        }
        let copies: Vec<usize> = (1..desk.seats()).collect();
        meet_apart(&mut desk, &[OFFICE], &copies);
        let all: Vec<usize> = (0..desk.seats()).collect();
        assert_agree(&mut desk, &all);
        for (seat, sum, available) in sums(&desk) {
            // Closed without waiting, a gift that nobody knew of may end up with neither.
            prop_assert!(sum == available || closed && sum < available, "seat {}: {} held of {}", seat, sum, available);
        }
    }
}
