//! A log continued twice (a copied disk, two nodes on one key): both sequels are kept, shown as a conflict, and agreed
//! upon by all, whatever the order in which they meet (`domain`, rules 2 and 7).

mod claims;
mod kept;
mod meeting;
mod money;
mod random;
mod twins;

use ucash::model::{Conflict, ConflictKind};

use crate::closings::{meet_among, shop};
use crate::seats::Desk;

/// The closings' shop; the till's disk was copied, and the copy goes on as the till: keeper, till, phone, copy.
pub fn copied() -> (Desk, [usize; 4]) {
    let (mut desk, [keeper, till, phone]) = shop();
    let image = desk.image(till);
    let copy = desk.seat_copy(till, image);
    (desk, [keeper, till, phone, copy])
}

/// The forks that a seat lists.
pub fn forks(desk: &Desk, seat: usize) -> Vec<Conflict> {
    let found = desk.replica(seat).conflicts().into_values();
    found.filter(|conflict| conflict.kind == ConflictKind::ForkedDevice).collect()
}

/// All but the two copies of one device meet one another, and each copy them, until nothing is new to any.
pub fn meet_apart(desk: &mut Desk, others: &[usize], copies: &[usize]) {
    let mut before = Vec::new();
    for _ in 0..20 {
        for copy in copies {
            let with: Vec<usize> = others.iter().copied().chain([*copy]).collect();
            meet_among(desk, &with);
        }
        let heads: Vec<_> = others.iter().chain(copies).map(|seat| desk.replica(*seat).heads()).collect();
        if heads == before && heads.iter().all(|one| *one == heads[0]) {
            return;
        }
        before = heads;
    }
    panic!("they never hold the same");
}
