//! Whatever the devices of a shop do while some are closed, brought back and closed again: when all have met they
//! show one state, which is sound, and nothing of the balance is lost or there twice.

use proptest::prelude::*;

use super::{BUKAVU, assert_agree, four, shares, to_bear};
use crate::seats::OFFICE;
use crate::shares::random::{Step, act, step};
use crate::shares::{assert_adds_up, sums};

#[derive(Clone, Debug)]
enum Event {
    Work(Step),
    /// Who closes whom, who succeeds, and whether without waiting.
    Close {
        device: usize,
        successor: Option<usize>,
        insist: bool,
    },
    /// A copy of the disk is made.
    Copy,
    /// The last copy comes back.
    BringBack,
}

fn event() -> impl Strategy<Value = Event> {
    let close = (1..5_usize, prop_oneof![Just(None), (1..5_usize).prop_map(Some)], any::<bool>());
    prop_oneof![
        20 => step().prop_map(Event::Work),
        3 => close.prop_map(|(device, successor, insist)| Event::Close { device, successor, insist }),
        1 => Just(Event::Copy),
        1 => Just(Event::BringBack),
    ]
}

/// Runs the events, lets all meet and looks at what they hold.
fn hold_after(events: &[(usize, Event)]) {
    let (mut desk, _) = four();
    let mut excused = false;
    let mut copies: Vec<_> = (0..5).map(|_| None).collect();
    for (number, (seat, event)) in events.iter().enumerate() {
        match event {
            // The head office closes, and does no shop's work.
            Event::Work(Step::Meet(..) | Step::Gather | Step::Reopen | Step::Wait(_)) | Event::Close { .. } => {}
            _ if *seat == OFFICE => continue,
            _ => {}
        }
        match event {
            Event::Work(step) => act(&mut desk, *seat, number, step),
            Event::Close { device, successor, insist } => {
                let lost = desk.device(*device);
                let ended = |seat| desk.replica(seat).book().closings().ends(BUKAVU).any(|one| one.of.device == lost);
                let again = (0..5).any(ended);
                let done = desk.close(*seat, *device, *successor, *insist).is_ok();
                // A person who did not wait, or who moves an end forward, may leave the successor short.
                excused |= done && (*insist || again);
            }
            Event::Copy => copies[*seat] = Some(desk.image(*seat)),
            Event::BringBack => {
                if let Some(image) = copies[*seat].take() {
                    desk.bring_back(*seat, image);
                }
            }
        }
    }
    desk.meet_all();
    assert_agree(&mut desk, &[OFFICE, 1, 2, 3, 4]);
    let held = shares(&mut desk, &[OFFICE, 1, 2, 3, 4]);
    let below = held.iter().any(|share| share.starts_with('-'));
    assert!(excused || !below, "below zero: {held:?}");
    // Two of whom one gave to the other what nobody knew of, both closed without waiting: the gift may end up
    // with neither. More than there is nobody has, once what is to be borne is borne.
    let closings = desk.replica(OFFICE).book().closings();
    if closings.ends(BUKAVU).filter(|closing| closing.insisted).count() < 2 && !below && to_bear(&desk, OFFICE) == 0 {
        assert_adds_up(&desk);
    }
    for (seat, sum, available) in sums(&desk) {
        let to_bear = to_bear(&desk, seat);
        assert!(sum - to_bear <= available, "seat {seat}: {sum} held of {available}, {to_bear} to be borne");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn closing_loses_nothing_and_counts_nothing_twice(
        events in prop::collection::vec((0..5_usize, event()), 1..60)
    ) {
        hold_after(&events);
    }
}

#[test]
fn what_a_successor_that_was_brought_back_has_to_bear_waits_for_its_own() {
    use Event::{BringBack, Close, Copy, Work};
    hold_after(&[
        (4, Work(Step::Gather)),
        (1, Copy),
        (0, Close { device: 2, successor: None, insist: true }),
        (0, Work(Step::Grant(1))),
        (1, Work(Step::Meet(169, Some(8)))),
        (0, Work(Step::Meet(56, Some(10)))),
        (2, Work(Step::Gather)),
        (1, BringBack),
        (0, Close { device: 4, successor: Some(1), insist: true }),
    ]);
}
