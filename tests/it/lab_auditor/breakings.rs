//! For every invariant, ways to break it, which the auditor must call by its name.

use std::collections::BTreeSet;

use ucash::lab::{Broken, INVARIANTS, Shown};
use ucash::ledger::Refusal;
use ucash::model::{CaptureState, CreditStatus, Edit};
use ucash::money::Currency;
use ucash::planted::{Bug, with};
use ucash::replica::{Answer, Command, CreditView, Input, MovementView, ShareView, SharesView};

use crate::lab_auditor::table::{BUKAVU, GOMA, SIM, Table, cancel, day, grant, record};
use crate::seats::{capture, deposit, pay_command, withdrawal};

type Breaking = fn() -> Result<(), Broken>;

/// For each invariant, ways to break it that it must be the first to name.
const BREAKINGS: &[(&str, Breaking)] = &[
    ("answers_match_asks", || {
        let mut table = day();
        let answer = table.ask(0, grant("A9", "1 USD"));
        // An answer to what was never asked.
        table.auditor.answered(0, 99_999, &Ok(answer))
    }),
    ("answers_match_asks", || {
        // Answered twice.
        let mut table = day();
        let answer = table.ask(0, grant("A9", "1 USD"));
        let ticket = table.tickets;
        table.auditor.answered(0, ticket, &Ok(answer))
    }),
    ("answers_match_asks", || {
        let more = |result: &mut Result<Answer, Refusal>| on_credit(result, |view| view.amount = "1.01".to_owned());
        day().ask_as(0, grant("A9", "1 USD"), None, more).map(|_| ())
    }),
    ("answers_match_asks", || {
        // A payment that is acknowledged and not there.
        let none = |result: &mut Result<Answer, Refusal>| on_credit(result, |view| drop(view.payments.pop()));
        day().ask_as(1, pay_command("B1", "1"), None, none).map(|_| ())
    }),
    ("answers_match_asks", || {
        let stands = |result: &mut Result<Answer, Refusal>| {
            on_credit(result, |view| view.status = CreditStatus::Granted);
        };
        day().ask_as(1, cancel("B1"), None, stands).map(|_| ())
    }),
    ("answers_match_asks", || {
        let pending = |result: &mut Result<Answer, Refusal>| on_movement(result, |view| view.counts = false);
        day().ask_as(0, record(capture("1 USD", CaptureState::Validated)), None, pending).map(|_| ())
    }),
    ("answers_match_asks", || {
        day().ask_as(0, grant("A9", "1 USD"), None, |result| *result = Ok(Answer::Done)).map(|_| ())
    }),
    ("one_key_one_answer", || {
        let mut table = day();
        table.ask_as(0, grant("A9", "1 USD"), Some("k"), |_| ())?.expect("granted");
        let later = |result: &mut Result<Answer, Refusal>| on_credit(result, |view| view.seen_by += 1);
        table.ask_as(0, grant("A9", "1 USD"), Some("k"), later).map(|_| ())
    }),
    ("one_key_one_answer", || {
        let mut table = day();
        table.ask_as(0, grant("A9", "1 USD"), Some("k"), |_| ())?.expect("granted");
        // Another command under that key is told so.
        table.ask_as(0, grant("A8", "1 USD"), Some("k"), |_| ())?.expect_err("the key was used");
        let other = |result: &mut Result<Answer, Refusal>| *result = Err(Refusal::NothingToChange);
        table.ask_as(0, grant("A8", "1 USD"), Some("k"), other).map(|_| ())
    }),
    ("rules_are_kept", || {
        // Fault F14 of the replaced system.
        let paid = |result: &mut Result<Answer, Refusal>| on_credit(result, |view| view.paid = "1.00".to_owned());
        day().ask_as(1, cancel("B1"), None, paid).map(|_| ())
    }),
    ("rules_are_kept", || {
        let more = |result: &mut Result<Answer, Refusal>| on_credit(result, |view| view.overpaid = "0.01".to_owned());
        day().ask_as(1, pay_command("B1", "2500.50"), None, more).map(|_| ())
    }),
    ("rules_are_kept", || {
        // One device grants twice under one reference.
        let mut table = day();
        let mut fresh = table.unwatched(0, grant("A9", "1 USD"));
        on_credit(&mut fresh, |view| view.reference = "A1".to_owned());
        table.ask_as(0, grant("A1", "1 USD"), None, |result| *result = fresh.clone()).map(|_| ())
    }),
    ("rules_are_kept", || {
        // A movement is reversed by a device that did not record it.
        let mut table = day();
        let movement = table.movement(0, record(deposit("1 USD"))).id.to_string();
        let reverse = Command::ReverseMovement { movement, why: "mistyped".to_owned(), agent: None };
        let done = table.unwatched(0, reverse.clone());
        table.ask_as(1, reverse, None, |result| *result = done.clone()).map(|_| ())
    }),
    ("acknowledged_once", || {
        // The same credit for two grants.
        let mut table = day();
        let first = table.ask(0, grant("A9", "1 USD"));
        let twice = move |result: &mut Result<Answer, Refusal>| *result = Ok(first.clone());
        table.ask_as(0, grant("A9", "1 USD"), None, twice).map(|_| ())
    }),
    ("acknowledged_once", || {
        let mut table = day();
        let first = table.ask(0, record(deposit("1 USD")));
        let twice = move |result: &mut Result<Answer, Refusal>| *result = Ok(first.clone());
        table.ask_as(0, record(deposit("1 USD")), None, twice).map(|_| ())
    }),
    ("nothing_overdrawn", || {
        // A second device says that it granted what it has no share of.
        let mut table = Table::new(&[]);
        table.ask(0, grant("A1", "400 USD"));
        beyond_the_sim(&mut table)
    }),
    ("nothing_overdrawn", || {
        // All was granted, and one takes a little more.
        let mut table = Table::new(&[]);
        let mut more = table.unwatched(1, record(withdrawal("0.01 USD")));
        on_movement(&mut more, |view| view.amount = "0.02".to_owned());
        table.ask(0, grant("A1", "500 USD"));
        table.ask(1, grant("B1", "499.99 USD"));
        table.ask_as(1, record(withdrawal("0.02 USD")), None, |result| *result = more.clone()).map(|_| ())
    }),
    ("no_own_share_below_zero", || {
        // One spends what is another's; opened again, it counts that.
        let mut table = day();
        with(Bug::SpendsOthersShares, || table.unwatched(1, grant("B9", "600 USD")).expect("granted"));
        with(Bug::UncoveredCounts, || table.power_cut(1, 0));
        table.auditor.stepped(1, table.seats[1].replica.as_ref().expect("taken"))
    }),
    ("everything_is_answered", || {
        // The device has its power, and says nothing.
        let mut table = day();
        table.auditor.asked(1, 1_000, &grant("B9", "1 USD"), None);
        table.healed()
    }),
    ("own_acknowledged_stays", || {
        // Another's replica has not seen what this one acknowledged.
        let mut table = day();
        table.ask(1, grant("B9", "1 USD"));
        table.auditor.stepped(1, table.seats[0].replica.as_ref().expect("taken"))
    }),
    ("own_acknowledged_stays", || {
        // Lost with the power long after it was acknowledged.
        let mut table = Table::new(&[]);
        table.ask(1, grant("B1", "1 USD"));
        table.meet_all();
        (0..20).for_each(|_| drop(table.ask(1, pay_command("B1", "0.01"))));
        table.auditor.stepped(1, table.seats[1].replica.as_ref().expect("taken")).expect("content");
        table.power_cut(1, 0);
        table.auditor.stepped(1, table.seats[0].replica.as_ref().expect("taken"))
    }),
    ("healed_replicas_work", || {
        let mut table = day();
        table.meet_all();
        table.seats[1].fails.set(true);
        table.auditor.asked(1, 1_000, &grant("B9", "1 USD"), None);
        let input = Input::Command { ticket: 1_000, command: Box::new(grant("B9", "1 USD")), key: None };
        let now = table.now;
        table.replica(1).handle(now, input);
        table.seats[1].fails.set(false);
        let replica = table.seats[1].replica.as_mut().expect("taken");
        table.auditor.healed(&mut [(1, replica)], now)
    }),
    ("nothing_set_aside", || doctored(|shown| shown[1].set_aside.push("entry 3".to_owned()))),
    ("nothing_set_aside", || doctored(|shown| shown[3].status.waiting = 1)),
    ("verified_sound", || doctored(|shown| shown[2].verified.as_mut().expect("verified").sound = false)),
    ("verified_sound", || doctored(|shown| shown[2].verified.as_mut().expect("verified").credits += 1)),
    ("acknowledged_is_shown_once", || {
        // A replica that has not heard of the last credit.
        let mut table = day();
        table.meet_all();
        table.ask(0, grant("A9", "1 USD"));
        let now = table.now;
        let shops = table.cast.shops.clone();
        let shown: Vec<Shown> = (0..4)
            .map(|seat| Shown::of(seat, table.replica(seat), &shops, |_| true, true, now).expect("shown"))
            .collect();
        table.auditor.judge(&shown)
    }),
    ("acknowledged_is_shown_once", || doctored(|shown| drop(credit(shown, 1, "A1").payments.pop()))),
    ("acknowledged_is_shown_once", || doctored(|shown| credit(shown, 1, "A1").payments[0].reversed = false)),
    ("acknowledged_is_shown_once", || doctored(|shown| credit(shown, 2, "B1").amount = "2500.51".to_owned())),
    ("acknowledged_is_shown_once", || {
        doctored(|shown| {
            let again = credit(shown, 0, "A1").clone();
            shown[0].credits.push(again);
            shown[0].verified.as_mut().expect("verified").credits += 1;
            shown[0].status.credits += 1;
        })
    }),
    ("acknowledged_is_shown_once", || {
        doctored(|shown| movement(shown, 1, "capture").state = Some("enAttente".to_owned()))
    }),
    ("acknowledged_is_shown_once", || doctored(|shown| drop(shown[3].sims.pop()))),
    ("nothing_unasked_is_shown", || {
        // A command that the auditor knows nothing of.
        let mut table = day();
        table.unwatched(0, grant("A9", "1 USD")).expect("granted");
        table.healed()
    }),
    ("nothing_unasked_is_shown", || {
        let mut table = day();
        table.unwatched(1, pay_command("B1", "1")).expect("paid");
        table.healed()
    }),
    ("nothing_unasked_is_shown", || {
        // Refused, they are told; and it was done.
        let mut table = day();
        let refuse = |result: &mut Result<Answer, Refusal>| *result = Err(Refusal::NothingToChange);
        table.ask_as(0, record(deposit("1 USD")), None, refuse)?.expect_err("refused");
        table.healed()
    }),
    ("nothing_unasked_is_shown", || {
        let mut table = day();
        let refuse = |result: &mut Result<Answer, Refusal>| *result = Err(Refusal::NothingToChange);
        table.ask_as(1, cancel("B1"), None, refuse)?.expect_err("refused");
        table.healed()
    }),
    ("nothing_unasked_is_shown", || doctored(|shown| movement(shown, 0, "opening").amount = "1000.01".to_owned())),
    ("nothing_unasked_is_shown", || doctored(|shown| credit(shown, 1, "A1").payments[1].reversed = true)),
    ("only_what_may_be_read_is_shown", || {
        doctored(|shown| {
            let foreign = credit(shown, 0, "A1").clone();
            shown[3].credits.push(foreign);
            shown[3].verified.as_mut().expect("verified").credits += 1;
            shown[3].status.credits += 1;
        })
    }),
    ("credits_add_up", || doctored(|shown| credit(shown, 1, "A1").paid = "60.51".to_owned())),
    ("credits_add_up", || doctored(|shown| credit(shown, 3, "C1").remaining = "5".to_owned())),
    ("statuses_follow", || doctored(|shown| credit(shown, 2, "A1").status = CreditStatus::Granted)),
    ("statuses_follow", || doctored(|shown| credit(shown, 0, "B2").status = CreditStatus::Granted)),
    ("statuses_follow", || doctored(|shown| credit(shown, 0, "A1").status = CreditStatus::Overdue)),
    ("statuses_follow", || {
        // Either is right, but not both.
        let mut table = Table::new(&[]);
        table.ask(0, grant("A1", "100 USD"));
        table.meet_all();
        table.ask(0, pay_command("A1", "100"));
        table.ask(1, cancel("A1"));
        let mut shown = table.shown();
        assert_eq!(table.auditor.clone().judge(&shown), Ok(()));
        let view = credit(&mut shown, 2, "A1");
        (view.status, view.cancelled_at, view.paid_at) = (CreditStatus::Paid, None, view.cancelled_at.clone());
        table.auditor.judge(&shown)
    }),
    ("words_were_said", || doctored(|shown| credit(shown, 0, "B1").beneficiary.name = "Amani Mumbere".to_owned())),
    ("words_were_said", || doctored(|shown| credit(shown, 0, "B1").notes = None)),
    ("clocks_decide_nothing", || {
        // A word of a clock that is five years ahead stands against a later one.
        with(Bug::UnexplainedDecides, || {
            const AHEAD: i64 = 5 * 365 * 86_400_000;
            let mut table = Table::new(&[]);
            table.auditor.knows_clocks(vec![0, AHEAD, 0, 0], 86_400_000);
            table.ask(0, grant("A1", "10 USD"));
            table.meet_all();
            table.seats[1].clock_off_ms = AHEAD;
            for (seat, word) in [(1, "by the wrong clock"), (0, "an hour later")] {
                let ahead = table.seats[seat].clock_off_ms;
                table.auditor.moment(table.now.0, ahead);
                let edits = vec![Edit::Notes(Some(word.to_owned()))];
                table.ask(seat, Command::Edit { credit: "A1".to_owned(), edits, agent: None });
                table.now = table.now.plus_ms(3_600_000);
            }
            table.healed()
        })
    }),
    ("accounts_add_up", || doctored(|shown| account(shown, 0).available = "869.51".to_owned())),
    ("accounts_add_up", || doctored(|shown| account(shown, 1).captures = "0.00".to_owned())),
    ("statistics_add_up", || doctored(|shown| statistics(shown, 0).granted = "110.00".to_owned())),
    ("statistics_add_up", || doctored(|shown| statistics(shown, 1).overdue_count += 1)),
    ("shares_add_up", || doctored(|shown| share(shown, 0).share = "0.01".to_owned())),
    ("shares_add_up", || doctored(|shown| share(shown, 2).share = "-1.00".to_owned())),
    ("shares_add_up", || doctored(|shown| drop(shares(shown, 1).coming_back.insert(Currency::Cdf, "0.01".to_owned())))),
    ("nothing_overdrawn_when_healed", || {
        // A payment that wins against a return takes the amount again, which was spent meanwhile.
        with(Bug::ReturnOverridden, || {
            let mut table = Table::new(&["nothing_overdrawn", "no_own_share_below_zero", "shares_add_up"]);
            table.ask(0, grant("A1", "500 USD"));
            table.meet_all();
            table.seats[1].clock_off_ms = 240_000;
            table.ask(0, cancel("A1"));
            table.ask(0, Command::ReturnCredit { credit: "A1".to_owned() });
            table.ask(0, grant("A2", "500 USD"));
            table.ask(1, grant("B1", "500 USD"));
            table.ask(1, pay_command("A1", "500"));
            table.healed()
        })
    }),
    ("one_state", || doctored(|shown| shown[1].status.state_digest = "00".to_owned())),
    ("one_state", || doctored(|shown| drop(shown[3].status.shop_digests.insert(BUKAVU, "00".to_owned())))),
];

fn on_credit(result: &mut Result<Answer, Refusal>, change: impl FnOnce(&mut CreditView)) {
    match result {
        Ok(Answer::Credit(view)) => change(view),
        other => panic!("expected a credit, got {other:?}"),
    }
}

fn on_movement(result: &mut Result<Answer, Refusal>, change: impl FnOnce(&mut MovementView)) {
    match result {
        Ok(Answer::Movement(view)) => change(view),
        other => panic!("expected a movement, got {other:?}"),
    }
}

/// An honest day, of which something else is shown.
fn doctored(change: impl FnOnce(&mut Vec<Shown>)) -> Result<(), Broken> {
    let mut table = day();
    let mut shown = table.shown();
    assert_eq!(table.auditor.clone().judge(&shown), Ok(()));
    change(&mut shown);
    table.auditor.judge(&shown)
}

fn credit<'a>(shown: &'a mut [Shown], seat: usize, reference: &str) -> &'a mut CreditView {
    shown[seat].credits.iter_mut().find(|view| view.reference == reference).expect("shown")
}

fn movement<'a>(shown: &'a mut [Shown], seat: usize, kind: &str) -> &'a mut MovementView {
    shown[seat].movements.iter_mut().find(|view| view.kind == kind).expect("shown")
}

fn shares(shown: &mut [Shown], seat: usize) -> &mut SharesView {
    shown[seat].shares.iter_mut().find(|view| view.sim == SIM).expect("shown")
}

fn share(shown: &mut [Shown], seat: usize) -> &mut ShareView {
    shares(shown, seat).shares.get_mut(&Currency::Usd).and_then(|held| held.first_mut()).expect("somebody's")
}

/// The second device answers that it granted more than the SIM still holds; it has not.
fn beyond_the_sim(table: &mut Table) -> Result<(), Broken> {
    let mut more = table.unwatched(1, grant("B9", "1 USD"));
    on_credit(&mut more, |view| {
        (view.reference, view.amount, view.remaining) = ("B1".to_owned(), "601.00".to_owned(), "601.00".to_owned());
    });
    table.ask_as(1, grant("B1", "601 USD"), None, |result| *result = more.clone()).map(|_| ())
}

fn account(shown: &mut [Shown], seat: usize) -> &mut ucash::replica::AccountView {
    let sim = shown[seat].sims.iter_mut().find(|view| view.sim == SIM).expect("shown");
    sim.balances.get_mut(&Currency::Usd).expect("an account")
}

fn statistics(shown: &mut [Shown], seat: usize) -> &mut ucash::replica::StatisticsView {
    shown[seat].statistics.get_mut(&GOMA).and_then(|sums| sums.get_mut(&Currency::Usd)).expect("sums")
}

#[test]
fn whatever_is_broken_is_named() {
    for (number, (name, broken)) in BREAKINGS.iter().enumerate() {
        let found = broken().expect_err(&format!("case {number} breaks {name}"));
        assert_eq!(found.invariant, *name, "case {number}: {}", found.detail);
    }
}

#[test]
fn every_invariant_is_broken_by_a_case() {
    let listed: BTreeSet<&str> = INVARIANTS.iter().map(|invariant| invariant.name).collect();
    let broken: BTreeSet<&str> = BREAKINGS.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, broken);
    assert_eq!(listed.len(), INVARIANTS.len(), "no name twice");
}

#[test]
fn what_is_skipped_is_not_told() {
    let looked = |skipped: &[&str]| {
        let mut table = Table::new(skipped);
        table.ask(0, grant("A1", "400 USD"));
        beyond_the_sim(&mut table).and_then(|()| table.healed()).map_err(|broken| broken.invariant)
    };
    assert_eq!(looked(&[]), Err("nothing_overdrawn"));
    assert_eq!(looked(&["nothing_overdrawn"]), Err("acknowledged_is_shown_once"));
}
