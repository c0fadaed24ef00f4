//! The gateway of the existing app (`existing-wire`): what its rows mean, under lost answers, restarts and wrong clocks.

mod app;
mod gateways;
mod random;
mod rights;
mod rows;

use app::{App, Lost};
use ucash::model::ConflictKind;
use ucash::replica::{ConflictFilter, Query};

use crate::seats::{Desk, OFFICE, SHOP};

/// A head office that serves apps of its own shop, whose SIM holds 1000 USD.
fn office() -> Desk {
    Desk::found()
}

fn two_apps() -> (Desk, App, App) {
    (office(), App::new("caisse 1", SHOP), App::new("caisse 2", SHOP))
}

/// A round in which nothing is lost.
fn round(app: &mut App, desk: &mut Desk) {
    app.round(desk, OFFICE, Lost::Nothing);
}

/// The kinds of open conflicts at a seat.
fn conflicts(desk: &mut Desk, seat: usize) -> Vec<ConflictKind> {
    let filter = ConflictFilter { handled: Some(false), limit: 100, ..ConflictFilter::default() };
    match desk.query(seat, Query::Conflicts(filter)) {
        Ok(ucash::replica::Answer::Conflicts(page)) => page.items.iter().map(|one| one.conflict.kind).collect(),
        other => panic!("conflicts: {other:?}"),
    }
}

fn paid(desk: &mut Desk, seat: usize, reference: &str) -> String {
    desk.credit(seat, reference).paid
}
