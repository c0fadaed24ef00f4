//! Whatever four devices of a shop do, hear and lose, each sees at every moment that shares, gifts on their way and
//! what is coming back are the balance, and none below zero; and when all have met they show one state.

use proptest::prelude::*;
use ucash::model::CaptureState;
use ucash::replica::{Answer, Command, Query};

use super::assert_adds_up;
use crate::seats::{Desk, OFFICE, SHOP, SIM, amount, capture, deposit, sim_number, withdrawal};

/// What one step may be. Numbers choose among what there is, modulo how much there is.
#[derive(Clone, Debug)]
pub enum Step {
    Grant(u32),
    Withdraw(u32),
    Deposit(u32),
    Capture(u32, CaptureState),
    Pay(u8, u32),
    Cancel(u8),
    Return(u8),
    Validate(u8),
    Undo(u8),
    Give(u8, u32),
    Ask(u32),
    /// With whom, and after how many frames it is cut off.
    Meet(u8, Option<u8>),
    /// All who are there even out.
    Gather,
    Reopen,
    /// So many hours go by.
    Wait(u8),
}

pub fn step() -> impl Strategy<Value = Step> {
    let cents = || 1..40_000_u32;
    let which = any::<u8>;
    let state = prop_oneof![2 => Just(CaptureState::Validated), 1 => Just(CaptureState::Pending)];
    prop_oneof![
        4 => cents().prop_map(Step::Grant),
        1 => cents().prop_map(Step::Withdraw),
        1 => cents().prop_map(Step::Deposit),
        2 => (cents(), state).prop_map(|(cents, state)| Step::Capture(cents, state)),
        2 => (which(), cents()).prop_map(|(one, cents)| Step::Pay(one, cents)),
        4 => which().prop_map(Step::Cancel),
        1 => which().prop_map(Step::Return),
        1 => which().prop_map(Step::Validate),
        3 => which().prop_map(Step::Undo),
        4 => (which(), cents()).prop_map(|(to, cents)| Step::Give(to, cents)),
        1 => cents().prop_map(Step::Ask),
        6 => (which(), proptest::option::of(0..20_u8)).prop_map(|(with, frames)| Step::Meet(with, frames)),
        1 => Just(Step::Gather),
        1 => Just(Step::Reopen),
        1 => (1..30_u8).prop_map(Step::Wait),
    ]
}

fn money(cents: u32) -> String {
    format!("{}.{:02} USD", cents / 100, cents % 100)
}

fn pick(all: &[String], which: u8) -> Option<String> {
    (!all.is_empty()).then(|| all[which as usize % all.len()].clone())
}

/// Does one step at a seat. Whether it is refused is not asked.
pub fn act(desk: &mut Desk, seat: usize, number: usize, step: &Step) {
    let others: Vec<usize> = (0..desk.seats()).filter(|other| *other != seat).collect();
    let book = desk.replica(seat).book();
    let credits: Vec<String> = book.credits().map(|credit| credit.id.to_string()).collect();
    let movements: Vec<String> = book.movements().map(|movement| movement.id.to_string()).collect();
    let credit = |which| pick(&credits, which).unwrap_or_default();
    let movement = |which| pick(&movements, which).unwrap_or_default();
    match *step {
        Step::Grant(cents) => drop(desk.grant(seat, &format!("R{seat}-{number}"), &money(cents))),
        Step::Withdraw(cents) => drop(desk.record(seat, withdrawal(&money(cents)))),
        Step::Deposit(cents) => drop(desk.record(seat, deposit(&money(cents)))),
        Step::Capture(cents, state) => drop(desk.record(seat, capture(&money(cents), state))),
        Step::Pay(one, cents) => drop(desk.pay(seat, &credit(one), money(cents).trim_end_matches(" USD"))),
        Step::Cancel(one) => drop(desk.cancel(seat, &credit(one))),
        Step::Return(one) => drop(desk.give_back(seat, &credit(one))),
        Step::Validate(one) => drop(desk.command(seat, Command::ValidateCapture { movement: movement(one) })),
        Step::Undo(one) => drop(desk.undo(seat, &movement(one))),
        Step::Give(to, cents) => drop(desk.give(seat, others[to as usize % others.len()], &money(cents))),
        Step::Ask(cents) => {
            let command = Command::AskShare { sim: sim_number(SIM), amount: amount(&money(cents)) };
            desk.connect(seat, others[0]);
            desk.carry();
            drop(desk.command(seat, command));
            desk.carry();
            desk.part(seat, others[0]);
        }
        Step::Meet(with, frames) => {
            let frames = frames.map_or(usize::MAX, usize::from);
            desk.meet_for(seat, others[with as usize % others.len()], frames);
        }
        Step::Gather => {
            others.iter().for_each(|other| desk.connect(seat, *other));
            desk.carry();
            desk.wait(5_000);
            desk.tick();
            desk.carry();
            others.iter().for_each(|other| desk.part(seat, *other));
        }
        Step::Reopen => desk.reopen(seat),
        Step::Wait(hours) => {
            desk.wait(i64::from(hours) * 3_600_000);
            desk.tick();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shares_add_up_at_every_moment_on_every_device(
        steps in prop::collection::vec((0..4_usize, step()), 1..70)
    ) {
        let mut desk = Desk::found();
        let others = ["till", "phone", "tablet"].map(|name| desk.join(SHOP, name));
        for (seat, share) in others.into_iter().zip(["300 USD", "200 USD", "100 USD"]) {
            desk.hand(OFFICE, seat, share);
        }
        desk.meet_all();
        for (number, (seat, step)) in steps.iter().enumerate() {
            act(&mut desk, *seat, number, step);
            assert_adds_up(&desk);
        }
        desk.meet_all();
        desk.assert_one_state();
        assert_adds_up(&desk);
        let Ok(Answer::Shares(shown)) = desk.query(OFFICE, Query::SimShares { sim: sim_number(SIM) }) else {
            panic!("no shares")
        };
        prop_assert!(shown.on_the_way.values().all(Vec::is_empty), "all have met, and all that was given is taken");
        let back = shown.coming_back.values().all(|cents| cents == "0.00");
        prop_assert!(back, "all know of every cancellation: {:?}", shown.coming_back);
        let digest = desk.digest(OFFICE);
        for seat in 0..4 {
            desk.reopen(seat);
            prop_assert_eq!(desk.digest(seat), digest.clone(), "seat {} opened again", seat);
        }
    }
}
