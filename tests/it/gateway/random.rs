//! Two apps and two nodes on one shop at random: lost answers, restarts, clocks that are hours off. What a cashier
//! entered counts, and counts once.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ucash::model::ConflictKind;

use crate::gateway::{App, Lost, conflicts, office};
use crate::seats::{Desk, OFFICE, SHOP};

#[derive(Clone, Debug)]
enum Step {
    Grant { app: usize },
    Pay { app: usize, credit: usize, cents: i128 },
    Note { app: usize, credit: usize, note: u8 },
    PayAt { seat: usize, credit: usize, cents: i128 },
    Round { app: usize, lost: u8 },
    RestartApp { app: usize },
    RestartNode,
    Meet,
    Wait { seconds: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (app, credit, cents) = (0..2_usize, 0..4_usize, 1..40_00_i128);
    prop_oneof![
        1 => app.clone().prop_map(|app| Step::Grant { app }),
        4 => (app.clone(), credit.clone(), cents.clone()).prop_map(|(app, credit, cents)| Step::Pay { app, credit, cents }),
        1 => (app.clone(), credit.clone(), any::<u8>()).prop_map(|(app, credit, note)| Step::Note { app, credit, note }),
        2 => (0..2_usize, credit, cents).prop_map(|(seat, credit, cents)| Step::PayAt { seat, credit, cents }),
        6 => (app.clone(), 0..6_u8).prop_map(|(app, lost)| Step::Round { app, lost }),
        1 => app.prop_map(|app| Step::RestartApp { app }),
        1 => Just(Step::RestartNode),
        2 => Just(Step::Meet),
        4 => (1..90_i64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

struct Run {
    desk: Desk,
    apps: [App; 2],
    seats: [usize; 2],
    /// What was entered of each credit, in cents.
    entered: BTreeMap<String, i128>,
    granted: usize,
}

impl Run {
    fn new(offs_ms: [i64; 2]) -> Run {
        let mut desk = office();
        let till = desk.join(SHOP, "guichet");
        let mut apps = [App::new("caisse 1", SHOP), App::new("caisse 2", SHOP)];
        for (app, off_ms) in apps.iter_mut().zip(offs_ms) {
            app.clock_off_ms = off_ms;
            // A clock that is behind is known before the first row: else what the app edits would be older than what it
            // was sent, and its own rule would forget it (`docs/existing-app.md`).
            if off_ms < 0 {
                app.round(&mut desk, OFFICE, Lost::Nothing);
                app.round(&mut desk, OFFICE, Lost::Nothing);
            }
        }
        Run { desk, apps, seats: [OFFICE, till], entered: BTreeMap::new(), granted: 0 }
    }

    /// A credit that this app knows.
    fn of_app(&self, app: usize, credit: usize) -> Option<(String, i128)> {
        let rows = &self.apps[app].rows;
        let row = rows.get(credit % rows.len().max(1))?;
        Some((row.reference.clone(), row.amount.cents() - row.paid_cents))
    }

    fn take(&mut self, step: &Step) {
        // Nobody enters anything in the very millisecond in which an app takes its mark.
        self.desk.wait(10);
        match *step {
            Step::Grant { app } => {
                self.granted += 1;
                let (reference, now) = (format!("CRED-{}", self.granted), self.apps[app].now(&self.desk, OFFICE));
                self.apps[app].grant(now, &reference, "100 USD");
                self.entered.insert(reference, 0);
                self.desk.wait(1_000);
            }
            Step::Pay { app, credit, cents } => {
                let Some((reference, left)) = self.of_app(app, credit) else { return };
                let cents = cents.min(left);
                if cents > 0 {
                    let now = self.apps[app].now(&self.desk, OFFICE);
                    self.apps[app].pay(now, &reference, cents);
                    *self.entered.entry(reference).or_default() += cents;
                    self.desk.wait(1_000);
                }
            }
            Step::Note { app, credit, note } => {
                let Some((reference, _)) = self.of_app(app, credit) else { return };
                let now = self.apps[app].now(&self.desk, OFFICE);
                self.apps[app].edit(now, &reference, |row| row.notes = Some(format!("note {note}")));
                self.desk.wait(1_000);
            }
            Step::PayAt { seat, credit, cents } => {
                let reference = format!("CRED-{}", credit + 1);
                let sum = format!("{}.{:02}", cents / 100, cents % 100);
                if self.desk.pay(self.seats[seat], &reference, &sum).is_ok() {
                    *self.entered.entry(reference).or_default() += cents;
                }
            }
            Step::Round { app, lost } => {
                let lost = match lost {
                    0 => Lost::Download,
                    1 => Lost::Upload,
                    _ => Lost::Nothing,
                };
                self.apps[app].round(&mut self.desk, OFFICE, lost);
            }
            Step::RestartApp { app } => self.apps[app].restart(),
            Step::RestartNode => self.desk.reopen(OFFICE),
            Step::Meet => self.desk.meet(OFFICE, self.seats[1]),
            Step::Wait { seconds } => self.desk.wait(seconds * 1_000),
        }
    }

    fn end(&mut self) {
        self.desk.meet_all();
        for _ in 0..3 {
            for app in &mut self.apps {
                self.desk.wait(30_000);
                app.round(&mut self.desk, OFFICE, Lost::Nothing);
            }
        }
        self.desk.meet_all();
    }

    fn check(&mut self) {
        let mut doubted = 0;
        for (reference, entered) in &self.entered {
            let credit = self.desk.credit(OFFICE, reference);
            let paid: i128 = credit.paid.replace('.', "").parse().expect("cents");
            assert!(paid >= *entered, "{reference}: {entered} was entered, {paid} counts: money is lost");
            doubted += usize::from(paid > *entered);
            for app in &self.apps {
                assert_eq!(app.row(reference).paid_cents, paid, "{reference} in {}", app.by.label);
            }
        }
        let told = conflicts(&mut self.desk, OFFICE);
        let told = told.iter().filter(|kind| **kind == ConflictKind::PossibleDuplicate).count();
        assert!(told >= doubted, "{doubted} credits have more than was entered, {told} conflicts say so");
        for app in &self.apps {
            assert_eq!(app.forgotten, 0, "{} forgot what its cashier had entered", app.by.label);
        }
        self.desk.assert_one_state();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn what_a_cashier_entered_counts_and_counts_once(
        offs in [prop_oneof![Just(0), -30_000_000..30_000_000_i64], prop_oneof![Just(0), -30_000_000..30_000_000_i64]],
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut run = Run::new(offs);
        run.take(&Step::Grant { app: 0 });
        steps.iter().for_each(|step| run.take(step));
        run.end();
        run.check();
    }
}
