//! Who only claims another sequel shows none and is left; the authority's own log goes on in one sequel alone; and a
//! backup brings a forked log back whole.

use ucash::replica::{Answer, Query};

use super::{copied, forks, meet_apart};
use crate::closings::assert_agree;
use crate::seats::{Desk, OFFICE};

#[test]
fn of_the_authoritys_log_one_sequel_counts_and_the_other_is_set_aside_everywhere() {
    let mut desk = Desk::found_bare();
    let till = desk.join(crate::seats::SHOP, "till");
    let image = desk.image(OFFICE);
    let copy = desk.seat_copy(OFFICE, image);
    desk.add_shop(ucash::model::ShopId(2), "Bukavu");
    let command =
        ucash::replica::Command::AddShop { shop: Some(ucash::model::ShopId(3)), name: "Uvira".to_owned(), town: None };
    desk.command(copy, command).expect("adding a shop");
    meet_apart(&mut desk, &[till], &[OFFICE, copy]);
    let seats = [OFFICE, till, copy];
    assert_agree(&mut desk, &seats);
    for seat in seats {
        assert_eq!(desk.replica(seat).book().shops().len(), 2, "the first, and that of one sequel");
        assert_eq!(forks(&desk, seat).len(), 1);
        assert_eq!(desk.replica(seat).set_aside().len(), 1);
    }
}

#[test]
fn every_entry_of_both_sequels_is_shown_and_verified() {
    let (mut desk, [keeper, till, phone, copy]) = copied();
    desk.grant(till, "A1", "100 USD").expect("covered");
    desk.grant(copy, "B1", "150 USD").expect("covered");
    meet_apart(&mut desk, &[keeper, phone], &[till, copy]);
    let all = [keeper, till, phone, copy];
    assert_agree(&mut desk, &all);
    for seat in all {
        let filter = ucash::replica::LogFilter { limit: 1_000, ..Default::default() };
        let shown = match desk.query(seat, Query::Log(filter)) {
            Ok(Answer::Entries(page)) => page.items.len() as u64,
            other => panic!("asked for entries, got {other:?}"),
        };
        assert_eq!(shown, desk.status(seat).entries);
    }
}
