//! Whoever meets whom first, all come to one state.

use super::{copied, forks, meet_apart};
use crate::closings::assert_agree;

#[test]
fn both_sequels_of_a_copied_till_are_everywhere_whatever_the_order_of_meeting() {
    let orders: [&[(usize, usize)]; 6] = [
        &[(0, 1), (2, 3), (0, 2)],
        &[(0, 3), (2, 1), (0, 2)],
        &[(0, 1), (0, 3), (0, 2)],
        &[(0, 3), (0, 1), (0, 2)],
        &[(2, 3), (2, 1), (0, 3), (0, 2)],
        &[(0, 1), (2, 1), (0, 3), (2, 3)],
    ];
    for order in orders {
        let (mut desk, [keeper, till, phone, copy]) = copied();
        let mine = desk.grant(till, "A1", "100 USD").expect("the till's share").id.to_string();
        let theirs = desk.grant(copy, "B1", "50 USD").expect("the copy's share").id.to_string();
        desk.pay(till, &mine, "30.00").expect("a payment");
        desk.pay(copy, &theirs, "10.00").expect("a payment");
        let seats = [keeper, till, phone, copy];
        for (left, right) in order {
            desk.meet(seats[*left], seats[*right]);
        }
        meet_apart(&mut desk, &[keeper, phone], &[till, copy]);
        assert_agree(&mut desk, &seats);
        for seat in seats {
            assert_eq!(desk.credit(seat, &mine).paid, "30.00", "{order:?} seat {seat}");
            assert_eq!(desk.credit(seat, &theirs).paid, "10.00", "{order:?} seat {seat}");
            assert_eq!(forks(&desk, seat).len(), 1, "{order:?} seat {seat}");
        }
    }
}
