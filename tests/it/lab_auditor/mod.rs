//! The auditor is audited: honest histories content them, and whatever is broken they name. And the people whom they
//! watch do all that people do.

mod breakings;
mod people;
mod table;

use ucash::model::{CaptureState, CreditStatus, Edit};
use ucash::replica::{Command, Input};

use crate::seats::{capture, pay_command};
use table::{Table, cancel, day, grant, record, run};

#[test]
fn an_honest_day_contents_the_auditor() {
    let mut table = day();
    assert_eq!(table.healed(), Ok(()));
    // And again, after what they saw.
    table.ask(1, pay_command("B1", "2500.50"));
    assert_eq!(table.healed(), Ok(()));
}

#[test]
fn what_competes_is_right_either_way() {
    let mut table = Table::new(&[]);
    table.ask(0, grant("A1", "100 USD"));
    table.ask(0, grant("A2", "100 USD"));
    table.meet_all();
    for (credit, off) in [("A1", -3_600_000), ("A2", 3_600_000)] {
        table.seats[1].clock_off_ms = off;
        table.ask(0, pay_command(credit, "100"));
        table.ask(1, cancel(credit));
    }
    table.seats[1].clock_off_ms = 0;
    assert_eq!(table.healed(), Ok(()));
    let shown = table.shown();
    let status = |reference| shown[0].credits.iter().find(|view| view.reference == reference).map(|view| view.status);
    assert_eq!([status("A1"), status("A2")], [Some(CreditStatus::Paid), Some(CreditStatus::Cancelled)]);
}

#[test]
fn what_was_in_doubt_may_have_happened_or_not() {
    for spared in [0, 1] {
        let mut table = day();
        let commands = [
            grant("D1", "7 USD"),
            pay_command("B1", "1"),
            record(capture("9 USD", CaptureState::Validated)),
            cancel("A1"),
            Command::Edit { credit: "B1".to_owned(), edits: vec![Edit::Address(None)], agent: None },
        ];
        table.meet_all();
        for (number, command) in commands.into_iter().enumerate() {
            let (ticket, key) = (1_000 + number as u64, format!("key {number}"));
            table.auditor.asked(1, ticket, &command, Some(&key));
            let now = table.now(1);
            let input = Input::Command { ticket, command: Box::new(command.clone()), key: Some(key.clone()) };
            table.replica(1).handle(now, input);
            table.power_cut(1, spared);
            if number % 2 == 0 {
                // Nobody saw an answer, so they ask again.
                let again = table.ask_as(1, command, Some(&key), |_| ()).expect("content");
                assert!(again.is_ok() || number == 4, "{again:?}");
            }
        }
        assert_eq!(table.healed(), Ok(()), "spared {spared}");
    }
}

#[test]
fn days_of_work_content_the_auditor() {
    for seed in 0..8 {
        let (found, _) = run(seed, 3, 250, &[]);
        assert_eq!(found, Ok(()), "seed {seed}");
    }
}
