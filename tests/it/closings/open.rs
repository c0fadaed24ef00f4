//! Interleavings that once broke a rule, found by going through the proof in `docs/shares.md`.

use ucash::model::CaptureState;
use ucash::replica::{Command, Input};

use super::{meet_among, shop};
use crate::seats::{capture, withdrawal};
use crate::shares::assert_adds_up;

/// The lost device had confirmed a pending capture, which its successor took back: it gives to neither.
#[test]
fn a_pending_capture_confirmed_by_the_one_and_taken_back_by_the_other_gives_nothing() {
    let (mut desk, [keeper, till, phone]) = shop();
    let pending = desk.record(till, capture("100 USD", CaptureState::Pending)).expect("capture").id.to_string();
    desk.meet_all();
    desk.command(till, Command::ValidateCapture { movement: pending.clone() }).expect("validating");
    desk.close(keeper, till, None, false).expect("stopping");
    meet_among(&mut desk, &[keeper, phone]);
    desk.undo(keeper, &pending).expect("taking back");
    desk.meet_all();
    desk.close(keeper, till, None, false).expect("closing again");
    desk.meet_all();
    assert_adds_up(&desk);
}

/// A debit of the closed log that still waits for what it rests on is not taken over as if it were not there.
#[test]
fn nobody_takes_over_a_log_of_which_an_entry_waits() {
    let (mut desk, [keeper, till, phone]) = shop();
    desk.record(phone, capture("10 USD", CaptureState::Validated)).expect("capture");
    desk.meet(till, phone);
    desk.record(till, withdrawal("60 USD")).expect("withdrawal");
    let bytes = desk.published.last().expect("published").clone();
    let from = desk.device(till);
    desk.handle(keeper, Input::Gossip { from, bytes });
    assert!(desk.status(keeper).waiting > 0, "it rests on what the phone did");
    desk.close(keeper, till, None, true).expect("closing");
    assert_eq!(desk.share(keeper), "500.00", "nothing is taken over yet");
    desk.grant(keeper, "ALL", "500 USD").expect("granting its own");
    desk.meet_all();
    assert!(desk.replica(keeper).book().credits().all(|credit| !credit.void));
    assert_eq!(desk.share(keeper), "240.00", "what the till had left");
    assert_adds_up(&desk);
}
