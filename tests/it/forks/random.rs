//! Whatever the devices of a shop do while disks are copied and the copies work on beside the originals, some are closed
//! and all meet at random: in the end they show one state, which is sound, and nothing of the balance is lost or there
//! twice.

use proptest::prelude::*;

use super::meet_apart;
use crate::closings::{assert_agree, four, to_bear};
use crate::seats::OFFICE;
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

/// Runs the events, lets all meet and looks at what they hold.
fn agree_after(events: &[(usize, Event)]) {
    let (mut desk, [keeper, ..]) = four();
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
        // Closed without waiting, a gift that nobody knew of may end up with neither; and what a life of the keeper has to
        // bear waits for that life to be closed if the keeper itself goes on as another.
        let to_bear = to_bear(&desk, seat);
        let is_closed = closed && sum - to_bear <= available;
        assert!(sum == available || is_closed, "seat {seat}: {sum} held of {available}, {to_bear} to be borne");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn copied_disks_lose_nothing_and_count_nothing_twice(
        events in prop::collection::vec((0..9_usize, event()), 1..60)
    ) {
        agree_after(&events);
    }
}

#[test]
fn a_gift_that_another_copy_of_the_keeper_took_waits_to_be_borne() {
    use Event::{Close, Copy, Work};
    agree_after(&[(1, Copy), (8, Work(Step::Give(29, 1))), (8, Copy), (5, Work(Step::Meet(44, None))), (0, Close(2))]);
}

#[test]
fn three_copies_that_part_at_the_root_of_their_log() {
    use Event::{Close, Copy, Work};
    let state = ucash::model::CaptureState::Validated;
    agree_after(&[
        (6, Work(Step::Grant(1))),
        (0, Close(2)),
        (1, Copy),
        (1, Work(Step::Meet(131, None))),
        (2, Copy),
        (2, Work(Step::Cancel(183))),
        (6, Work(Step::Capture(34_913, state))),
    ]);
}

#[test]
fn what_another_copy_did_beyond_the_end_of_its_log_counts_for_nothing() {
    use Event::{Close, Copy, Work};
    let pending = ucash::model::CaptureState::Pending;
    let mut events = vec![(1, Close(4)), (4, Work(Step::Capture(25_552, pending))), (4, Copy)];
    events.extend((0..4).map(|which| (4, Work(Step::Validate(which)))));
    events.extend([(5, Work(Step::Grant(1))), (5, Work(Step::Validate(0)))]);
    agree_after(&events);
}

/// A return from beyond the end of a closed log kept the successor's from counting: it was said again and again, as fast as
/// its company listened.
#[test]
fn what_is_given_back_by_right_is_said_once() {
    use Event::{Close, Copy, Work};
    use ucash::model::CaptureState::Validated;
    agree_after(&[
        (1, Work(Step::Give(255, 33999))),
        (2, Work(Step::Grant(38727))),
        (4, Work(Step::Meet(234, None))),
        (3, Work(Step::Undo(206))),
        (3, Work(Step::Grant(34539))),
        (8, Work(Step::Grant(35526))),
        (4, Work(Step::Gather)),
        (6, Work(Step::Gather)),
        (3, Work(Step::Grant(9439))),
        (8, Work(Step::Validate(115))),
        (3, Work(Step::Undo(208))),
        (5, Work(Step::Meet(214, Some(12)))),
        (3, Work(Step::Cancel(131))),
        (0, Work(Step::Cancel(155))),
        (3, Copy),
        (7, Work(Step::Grant(19191))),
        (6, Work(Step::Grant(5587))),
        (8, Copy),
        (8, Work(Step::Meet(20, None))),
        (2, Work(Step::Grant(5360))),
        (2, Work(Step::Wait(13))),
        (5, Work(Step::Capture(15567, Validated))),
        (8, Work(Step::Capture(13195, Validated))),
        (8, Work(Step::Withdraw(7980))),
        (6, Work(Step::Wait(12))),
        (1, Work(Step::Cancel(47))),
        (0, Work(Step::Meet(17, None))),
        (3, Work(Step::Withdraw(32816))),
        (8, Work(Step::Gather)),
        (2, Work(Step::Meet(14, Some(5)))),
        (2, Work(Step::Grant(34747))),
        (7, Copy),
        (7, Copy),
        (4, Work(Step::Grant(19181))),
        (4, Work(Step::Cancel(145))),
        (3, Work(Step::Undo(221))),
        (6, Work(Step::Return(89))),
        (0, Work(Step::Capture(27951, Validated))),
        (2, Work(Step::Give(94, 11103))),
        (8, Close(3)),
        (1, Work(Step::Capture(3853, Validated))),
        (4, Work(Step::Grant(27140))),
        (6, Work(Step::Grant(14057))),
    ]);
}
