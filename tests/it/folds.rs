//! What stands, shown from what was done: statuses, sums, lists and their pages, statistics, balances.

use std::collections::BTreeSet;

use ucash::ledger::{CreditFilter, CreditOrder, StatisticsPeriod};
use ucash::membership::Role;
use ucash::model::{CaptureState, CreditStatus, Edit, Operator, Reference, ShopId, Timestamp};
use ucash::money::Currency;
use ucash::replica::{Answer, Command, Query, StatisticsView};

use crate::desk::{
    DAY, Desk, SIM, all, capture, deposit, join, meet, money, number, request, reverse_movement, withdrawal,
};

const OTHER_SIM: &str = "0990000002";

fn granted(desk: &mut Desk, reference: &str, amount: &str, due_at: Option<Timestamp>) {
    desk.command(Command::Grant(ucash::replica::GrantRequest { due_at, ..request(reference, SIM, amount) })).unwrap();
}

/// Each status, by what was paid, whether it was cancelled, and how far the due date is when one looks.
#[test]
fn f15_statuses_follow_from_sums_cancellation_and_the_time_given() {
    use CreditStatus::{Cancelled, Granted, Overdue, Paid, PartlyPaid};
    type Row = (&'static str, &'static [&'static str], bool, Option<i64>, CreditStatus);
    let rows: [Row; 17] = [
        ("nothing paid, no due date", &[], false, None, Granted),
        ("nothing paid, due later", &[], false, Some(1), Granted),
        ("nothing paid, due this instant", &[], false, Some(0), Granted),
        ("nothing paid, due a moment ago", &[], false, Some(-1), Overdue),
        ("a cent paid", &["0.01"], false, None, PartlyPaid),
        ("a cent missing", &["99.99"], false, None, PartlyPaid),
        ("a cent missing, due later", &["99.99"], false, Some(1), PartlyPaid),
        ("a cent missing, overdue", &["99.99"], false, Some(-1), Overdue),
        ("paid at once", &["100"], false, None, Paid),
        ("paid in parts", &["33.33", "33.33", "33.34"], false, None, Paid),
        ("paid, due long ago", &["100"], false, Some(-DAY), Paid),
        ("cancelled", &[], true, None, Cancelled),
        ("cancelled, due long ago", &[], true, Some(-DAY), Cancelled),
        ("paid and taken back", &["-100"], false, None, Granted),
        ("paid and taken back, overdue", &["-100"], false, Some(-1), Overdue),
        ("one part taken back", &["60", "-40"], false, None, PartlyPaid),
        ("paid, taken back and cancelled", &["-100"], true, None, Cancelled),
    ];
    for (row, payments, cancelled, due, expected) in rows {
        let mut desk = Desk::with_sim("100");
        let look = desk.now().plus_ms(DAY);
        granted(&mut desk, "C", "100", due.map(|due| look.plus_ms(due)));
        for (place, payment) in payments.iter().enumerate() {
            desk.pay("C", payment.trim_start_matches('-')).unwrap();
            if payment.starts_with('-') {
                desk.reverse_payment("C", place).unwrap();
            }
        }
        if cancelled {
            desk.cancel("C").unwrap();
        }
        desk.set_now(look);
        assert_eq!(desk.credit("C").status, expected, "{row}");
        for status in CreditStatus::ALL {
            for order in [CreditOrder::NewestFirst, CreditOrder::OldestFirst] {
                for shop in [None, Some(ShopId(1))] {
                    let filter = CreditFilter { status: Some(*status), shop, order, ..all() };
                    let found = desk.list(&filter).len();
                    assert_eq!(found, usize::from(*status == expected), "{row}, listed as {status:?}");
                }
            }
        }
        for order in [CreditOrder::NewestFirst, CreditOrder::OldestFirst, CreditOrder::DueFirst] {
            let found = desk.list(&CreditFilter { overdue: true, order, ..all() }).len();
            assert_eq!(found, usize::from(expected == Overdue), "{row}, listed as overdue, {order:?}");
        }
    }
}

#[test]
fn f15_a_credit_becomes_overdue_by_time_alone_and_an_edit_ends_it() {
    let mut desk = Desk::with_sim("100");
    let due = desk.now().plus_ms(DAY);
    granted(&mut desk, "C", "100", Some(due));
    let overdue = CreditFilter { overdue: true, ..all() };
    let (digest, heads) = desk.mark();
    assert_eq!(desk.references(&overdue).len(), 0);
    desk.set_now(due.plus_ms(1));
    assert_eq!(desk.references(&overdue), ["C"]);
    assert_eq!(desk.mark(), (digest, heads), "nothing was written for it");
    let later = Edit::DueAt(Some(due.plus_ms(DAY)));
    desk.command(Command::Edit { credit: "C".to_owned(), edits: vec![later], agent: None }).unwrap();
    assert_eq!(desk.references(&overdue).len(), 0);
    assert_eq!(desk.credit("C").status, CreditStatus::Granted);
    desk.wait(DAY);
    assert_eq!(desk.references(&overdue), ["C"]);
}

#[test]
fn paid_remaining_and_the_time_of_the_payment_that_completed_it() {
    let mut desk = Desk::with_sim("100");
    granted(&mut desk, "C", "100", None);
    let sums = |desk: &mut Desk| {
        let credit = desk.credit("C");
        assert_eq!(credit.overpaid, "0.00");
        (credit.paid, credit.remaining, credit.paid_at)
    };
    let expect = |paid: &str, remaining: &str, at: Option<Timestamp>| {
        (paid.to_owned(), remaining.to_owned(), at.map(Timestamp::to_rfc3339))
    };
    assert_eq!(sums(&mut desk), expect("0.00", "100.00", None));
    desk.pay("C", "30").unwrap();
    assert_eq!(sums(&mut desk), expect("30.00", "70.00", None));
    desk.pay("C", "70").unwrap();
    let completed = desk.now();
    desk.wait(DAY);
    assert_eq!(sums(&mut desk), expect("100.00", "0.00", Some(completed)));
    desk.reverse_payment("C", 0).unwrap();
    assert_eq!(sums(&mut desk), expect("70.00", "30.00", None));
    desk.pay("C", "30").unwrap();
    let completed = desk.now();
    assert_eq!(sums(&mut desk), expect("100.00", "0.00", Some(completed)));
    desk.reopen();
    assert_eq!(sums(&mut desk), expect("100.00", "0.00", Some(completed)));
}

#[test]
fn a_credits_history_tells_all_that_was_done_oldest_first() {
    let mut desk = Desk::with_sim("100");
    granted(&mut desk, "C", "100", None);
    desk.pay("C", "30").unwrap();
    desk.reverse_payment("C", 0).unwrap();
    let note = Edit::Notes(Some("twice at the door".to_owned()));
    desk.command(Command::Edit { credit: "C".to_owned(), edits: vec![note], agent: None }).unwrap();
    desk.cancel("C").unwrap();
    for _ in 0..2 {
        let Ok(Answer::History(page)) = desk.ask(Query::CreditHistory { key: "c".to_owned() }) else {
            panic!("no history");
        };
        let kinds: Vec<&str> = page.items.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, ["grant", "pay", "reverse_payment", "edit", "cancel", "return"]);
        // A shop of one returns in the step that cancels.
        assert!(page.items.windows(2).all(|pair| pair[0].at <= pair[1].at));
        desk.reopen();
    }
}

/// Two shops, two currencies, 40 credits of all kinds, several granted in one millisecond.
fn many() -> (Desk, Timestamp) {
    let mut desk = Desk::found();
    desk.add_sim(SIM, &["10000", "10000 CDF"]).unwrap();
    desk.command(Command::AddShop { shop: Some(ShopId(2)), name: "Bukavu".to_owned(), town: None }).unwrap();
    let (sim, operator) = (number(OTHER_SIM), Operator::Orange);
    let opening = vec![money("10000")];
    desk.command(Command::AddSim { sim, operator, shop: Some(ShopId(2)), opening }).unwrap();
    let begin = desk.now();
    for place in 0..40_u32 {
        let (sim, currency) = match place % 3 {
            0 => (OTHER_SIM, ""),
            1 => (SIM, ""),
            _ => (SIM, " CDF"),
        };
        let mut grant = request(&format!("C-{place:02}"), sim, &format!("{}{currency}", 10 + place));
        grant.due_at = (place % 4 < 2).then(|| begin.plus_ms(DAY * i64::from(place % 8 + 1)));
        grant.beneficiary.name = format!("{} {place:02}", if place % 5 == 0 { "Espérance" } else { "Divine" });
        grant.beneficiary.phone = Some(format!("+24381{place:07}"));
        // Groups of four are granted in the same millisecond.
        desk.set_now(begin.plus_ms(i64::from(place / 4) * 60_000 - 1_000));
        desk.command(Command::Grant(grant)).unwrap();
    }
    desk.set_now(begin.plus_ms(3_600_000));
    for place in 0..40_u32 {
        let reference = format!("C-{place:02}");
        match place % 7 {
            0 => drop(desk.pay(&reference, "5").unwrap()),
            1 => drop(desk.pay(&reference, &format!("{}", 10 + place)).unwrap()),
            2 => drop(desk.cancel(&reference).unwrap()),
            _ => {}
        }
    }
    desk.set_now(begin.plus_ms(3 * DAY + 1));
    (desk, begin)
}

#[test]
fn every_filter_finds_what_looking_at_all_would_find_and_pages_cover_each_once() {
    let (mut desk, begin) = many();
    let whole = desk.list(&CreditFilter { limit: 1_000, ..CreditFilter::default() });
    assert_eq!(whole.len(), 40);
    let time = |minutes: i64| Some(begin.plus_ms(minutes * 60_000));
    let name = |part: &str| Some(part.to_owned());
    let plain = CreditFilter::default;
    let mut filters = vec![
        plain(),
        CreditFilter { shop: Some(ShopId(1)), ..plain() },
        CreditFilter { shop: Some(ShopId(2)), ..plain() },
        CreditFilter { shop: Some(ShopId(9)), ..plain() },
        CreditFilter { sim: Some(number(SIM)), ..plain() },
        CreditFilter { sim: Some(number(OTHER_SIM)), shop: Some(ShopId(1)), ..plain() },
        CreditFilter { currency: Some(Currency::Cdf), ..plain() },
        CreditFilter { currency: Some(Currency::Usd), shop: Some(ShopId(1)), ..plain() },
        CreditFilter { from: time(2), ..plain() },
        CreditFilter { to: time(2), ..plain() },
        CreditFilter { from: time(2), to: time(5), ..plain() },
        CreditFilter { from: time(5), to: time(2), ..plain() },
        CreditFilter { from: time(2), to: time(8), shop: Some(ShopId(1)), status: Some(CreditStatus::Paid), ..plain() },
        CreditFilter { beneficiary: name("ESPÉRANCE"), ..plain() },
        CreditFilter { beneficiary: name("divine 1"), sim: Some(number(SIM)), ..plain() },
        CreditFilter { beneficiary: name("0000007"), ..plain() },
        CreditFilter { reference: Some(Reference::new("c-07").unwrap()), ..plain() },
        CreditFilter { reference: Some(Reference::new("C-07").unwrap()), shop: Some(ShopId(2)), ..plain() },
        CreditFilter { reference: Some(Reference::new("C-99").unwrap()), ..plain() },
        CreditFilter { overdue: true, ..plain() },
        CreditFilter { overdue: true, shop: Some(ShopId(1)), ..plain() },
        CreditFilter { overdue: true, status: Some(CreditStatus::Overdue), from: time(3), ..plain() },
        CreditFilter { overdue: true, status: Some(CreditStatus::Paid), ..plain() },
    ];
    for status in CreditStatus::ALL {
        filters.push(CreditFilter { status: Some(*status), ..plain() });
        filters.push(CreditFilter { status: Some(*status), shop: Some(ShopId(1)), ..plain() });
    }
    let mut met = BTreeSet::new();
    for filter in filters {
        // The same filter, over what each credit shows.
        let wanted: BTreeSet<String> = whole
            .iter()
            .filter(|credit| {
                let at = |time: Timestamp| time.to_rfc3339();
                let part = filter.beneficiary.as_ref().map(|part| part.to_lowercase());
                filter.shop.is_none_or(|shop| credit.shop_id == shop)
                    && filter.sim.as_ref().is_none_or(|sim| credit.sim == sim.as_str())
                    && filter.status.is_none_or(|status| credit.status == status)
                    && (!filter.overdue || credit.status == CreditStatus::Overdue)
                    && filter.currency.is_none_or(|currency| credit.currency == currency)
                    && filter.from.is_none_or(|from| credit.granted_at >= at(from))
                    && filter.to.is_none_or(|to| credit.granted_at < at(to))
                    && filter.reference.as_ref().is_none_or(|reference| credit.reference == reference.as_str())
                    && part.is_none_or(|part| {
                        credit.beneficiary.name.to_lowercase().contains(&part)
                            || credit.beneficiary.phone.as_ref().is_some_and(|phone| phone.contains(&part))
                    })
            })
            .map(|credit| credit.reference.clone())
            .collect();
        for limit in [1, 2, 3, 39, 40, 41, 1_000, usize::MAX] {
            for order in [CreditOrder::NewestFirst, CreditOrder::OldestFirst] {
                let filter = CreditFilter { limit, order, ..filter.clone() };
                let found = desk.list(&filter);
                let references: BTreeSet<String> = found.iter().map(|credit| credit.reference.clone()).collect();
                assert_eq!(references.len(), found.len(), "each once: {filter:?}");
                assert_eq!(references, wanted, "{filter:?}");
                let times: Vec<&String> = found.iter().map(|credit| &credit.granted_at).collect();
                let in_order = match order {
                    CreditOrder::NewestFirst => times.is_sorted_by(|left, right| left >= right),
                    _ => times.is_sorted(),
                };
                assert!(in_order, "{filter:?}: {times:?}");
                met.extend(found.iter().map(|credit| credit.status));
            }
            let filter = CreditFilter { limit, order: CreditOrder::DueFirst, ..filter.clone() };
            if filter.reference.is_some() {
                continue;
            }
            let found = desk.list(&filter);
            let due = whole.iter().filter(|credit| {
                use CreditStatus::{Granted, Overdue, PartlyPaid};
                credit.due_at.is_some() && matches!(credit.status, Granted | PartlyPaid | Overdue)
            });
            let wanted: BTreeSet<&String> =
                due.map(|credit| &credit.reference).filter(|reference| wanted.contains(*reference)).collect();
            assert_eq!(found.iter().map(|credit| &credit.reference).collect::<BTreeSet<_>>(), wanted, "{filter:?}");
            assert_eq!(found.len(), wanted.len(), "each once: {filter:?}");
            assert!(found.is_sorted_by_key(|credit| credit.due_at.clone()), "{filter:?}");
        }
    }
    assert_eq!(met.len(), CreditStatus::ALL.len(), "the lists were of all kinds");
}

#[test]
fn a_page_holds_at_least_one_credit_and_at_most_what_was_asked() {
    let (mut desk, _) = many();
    for overdue in [false, true] {
        for (limit, most) in [(0, 1), (1, 1), (5, 5)] {
            let (items, next) = desk.page(CreditFilter { limit, overdue, ..CreditFilter::default() });
            assert_eq!((items.len(), next.is_some()), (most, true), "{limit}, overdue: {overdue}");
        }
    }
    let reference = Some(Reference::new("C-07").unwrap());
    assert_eq!(desk.page(CreditFilter { reference, ..CreditFilter::default() }).0.len(), 1, "no limit given");
}

/// A credit granted, paid or cancelled between two pages moves nobody to another page.
#[test]
fn pages_stay_in_place_while_credits_come_and_change() {
    let (mut desk, _) = many();
    let filter = CreditFilter { order: CreditOrder::OldestFirst, limit: 10, ..CreditFilter::default() };
    let before: BTreeSet<String> = desk.references(&filter).into_iter().collect();
    let (first, mut after) = desk.page(filter.clone());
    let mut found: Vec<String> = first.into_iter().map(|credit| credit.reference).collect();
    for place in 0..3 {
        granted(&mut desk, &format!("NEW-{place}"), "1", None);
        desk.pay("C-39", "1").unwrap();
        let (items, next) = desk.page(CreditFilter { after, ..filter.clone() });
        found.extend(items.into_iter().map(|credit| credit.reference));
        after = next;
    }
    let known: Vec<String> = found.into_iter().filter(|reference| before.contains(reference)).collect();
    assert_eq!((known.len(), known.into_iter().collect::<BTreeSet<_>>()), (40, before));
}

#[test]
fn movements_are_paged_newest_first_each_once() {
    let mut desk = Desk::with_sim("500");
    let mut ids = BTreeSet::from([desk.movements(SIM, 10)[0].id.to_string()]);
    for place in 1..=24_i64 {
        // Pairs within a millisecond, and two months.
        let at = desk.now();
        ids.insert(desk.moved(capture(&format!("{place}"), CaptureState::Validated)));
        desk.set_now(at);
        ids.insert(desk.moved(if place % 2 == 0 { withdrawal("1") } else { deposit("1") }));
        desk.wait(2 * DAY);
    }
    for limit in [1, 2, 3, 48, 49, 50, 1_000, usize::MAX] {
        let found = desk.movements(SIM, limit);
        assert_eq!(found.len(), 49, "{limit}");
        assert!(found.is_sorted_by(|left, right| left.at >= right.at));
        assert_eq!(found.iter().map(|movement| movement.id.to_string()).collect::<BTreeSet<_>>(), ids);
    }
    desk.add_sim(OTHER_SIM, &[]).unwrap();
    assert_eq!(desk.movements(OTHER_SIM, 5).len(), 0, "a SIM that held nothing");
}

/// The balance after each step, and the part it is made of.
#[test]
fn f9_the_balance_is_the_domains_formula_with_withdrawals_and_deposits_a_currency_at_a_time() {
    let mut desk = Desk::found();
    desk.add_sim(SIM, &["100", "9000 CDF", "0"]).unwrap();
    let check = |desk: &mut Desk, step: &str, parts: [&str; 6]| {
        for _ in 0..2 {
            let accounts = desk.accounts(SIM);
            let usd = &accounts[&Currency::Usd];
            let shown = [&usd.initial, &usd.captures, &usd.credits, &usd.withdrawals, &usd.deposits, &usd.available];
            assert_eq!(shown.map(|part| part.trim_end_matches(".00")), parts, "{step}");
            let cdf = &accounts[&Currency::Cdf];
            assert_eq!((cdf.available.as_str(), cdf.credits.as_str()), ("9000.00", "0.00"), "{step}");
            desk.reopen();
        }
    };
    check(&mut desk, "opening", ["100", "0", "0", "0", "0", "100"]);
    let pending = desk.moved(capture("50", CaptureState::Pending));
    desk.moved(capture("7", CaptureState::Cancelled));
    check(&mut desk, "a capture pending, one cancelled", ["100", "0", "0", "0", "0", "100"]);
    desk.command(Command::ValidateCapture { movement: pending.clone() }).unwrap();
    check(&mut desk, "validated", ["100", "50", "0", "0", "0", "150"]);
    desk.grant("A", "60").unwrap();
    desk.grant("B", "10").unwrap();
    check(&mut desk, "granted", ["100", "50", "70", "0", "0", "80"]);
    desk.pay("A", "60").unwrap();
    check(&mut desk, "paid: cash is no float", ["100", "50", "70", "0", "0", "80"]);
    desk.cancel("B").unwrap();
    check(&mut desk, "cancelled: comes back", ["100", "50", "60", "0", "0", "90"]);
    let withdrawn = desk.moved(withdrawal("20"));
    desk.command(Command::Reimburse { movement: withdrawn.clone() }).unwrap();
    check(&mut desk, "withdrawn, and reimbursed in cash", ["100", "50", "60", "20", "0", "70"]);
    let deposited = desk.moved(deposit("30"));
    check(&mut desk, "a client's deposit", ["100", "50", "60", "20", "30", "40"]);
    for (movement, step, parts) in [
        (withdrawn, "the withdrawal reversed", ["100", "50", "60", "0", "30", "60"]),
        (pending, "the capture reversed", ["100", "0", "60", "0", "30", "10"]),
        (deposited, "the deposit reversed", ["100", "0", "60", "0", "0", "40"]),
    ] {
        desk.command(reverse_movement(&movement)).unwrap();
        check(&mut desk, step, parts);
    }
    desk.assert_sound();
}

fn statistics(desk: &mut Desk, period: StatisticsPeriod, currency: Currency) -> Option<StatisticsView> {
    match desk.ask(Query::Statistics(period)) {
        Ok(Answer::Statistics(sums)) => sums.get(&currency).cloned(),
        other => panic!("no statistics: {other:?}"),
    }
}

#[test]
fn statistics_add_up_per_currency_and_leave_cancelled_credits_out() {
    let mut desk = Desk::found();
    desk.add_sim(SIM, &["1000", "9000 CDF"]).unwrap();
    let begin = desk.now();
    let due = Some(begin.plus_ms(DAY));
    granted(&mut desk, "PAID", "100", due);
    granted(&mut desk, "PART", "90", None);
    granted(&mut desk, "LATE", "50", due);
    granted(&mut desk, "LATE-PART", "40", due);
    granted(&mut desk, "OFF", "77", due);
    granted(&mut desk, "FRANCS", "9000 CDF", None);
    desk.pay("PAID", "100").unwrap();
    desk.pay("PART", "30").unwrap();
    desk.pay("LATE-PART", "15.50").unwrap();
    desk.cancel("OFF").unwrap();
    desk.set_now(begin.plus_ms(2 * DAY));
    let mut expected = StatisticsView {
        credits: 4,
        granted: "280.00".to_owned(),
        paid: "145.50".to_owned(),
        waiting: "134.50".to_owned(),
        overdue: "74.50".to_owned(),
        paid_count: 1,
        waiting_count: 3,
        overdue_count: 2,
        recovery_rate: Some("0.5196".to_owned()),
    };
    let period = StatisticsPeriod::default;
    assert_eq!(statistics(&mut desk, period(), Currency::Usd), Some(expected.clone()));
    let francs = statistics(&mut desk, period(), Currency::Cdf).unwrap();
    assert_eq!((francs.credits, francs.granted.as_str(), francs.overdue.as_str()), (1, "9000.00", "0.00"));
    assert_eq!(francs.recovery_rate.as_deref(), Some("0.0000"));

    desk.set_now(begin.plus_ms(3_600_000));
    (expected.overdue, expected.overdue_count) = ("0.00".to_owned(), 0);
    assert_eq!(statistics(&mut desk, period(), Currency::Usd), Some(expected.clone()), "before the due date");

    let shop = |shop: u32| StatisticsPeriod { shop: Some(ShopId(shop)), ..period() };
    assert_eq!(statistics(&mut desk, shop(1), Currency::Usd), Some(expected));
    assert_eq!(statistics(&mut desk, shop(2), Currency::Usd), None);
    // PAID was granted a second after the beginning, PART two: from is included, to is not.
    let at = |from: i64, to: i64| StatisticsPeriod {
        shop: None,
        from: Some(begin.plus_ms(from * 1_000)),
        to: Some(begin.plus_ms(to * 1_000)),
    };
    for (from, to, granted) in [
        (0, 1, None),
        (1, 2, Some("100.00")),
        (1, 3, Some("190.00")),
        (2, 5, Some("180.00")),
        (5, 6, None),
        (5, 2, None),
    ] {
        let found = statistics(&mut desk, at(from, to), Currency::Usd).map(|sums| sums.granted);
        assert_eq!(found.as_deref(), granted, "from {from} to {to}");
    }
}

/// What is paid beyond an amount after a merge waits nowhere.
#[test]
fn statistics_of_an_overpaid_credit_wait_for_nothing() {
    let mut office = Desk::with_sim("100");
    let mut phone = join(&mut office, "telephone", 1, Role::Device);
    granted(&mut office, "C", "100", None);
    meet(&mut office, &mut phone);
    office.pay("C", "80").unwrap();
    phone.pay("C", "80").unwrap();
    meet(&mut office, &mut phone);
    let sums = statistics(&mut phone, StatisticsPeriod::default(), Currency::Usd).unwrap();
    assert_eq!((sums.paid.as_str(), sums.waiting.as_str()), ("160.00", "0.00"));
    assert_eq!((sums.paid_count, sums.waiting_count), (1, 0));
}
