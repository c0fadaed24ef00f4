//! What stands: statuses, sums, lists, pages and statistics, each compared with an account of its own.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rust_decimal::Decimal;
use ucash::ledger::{Account, Book, CreditFilter, CreditOrder, StatisticsPeriod, fold_credit};
use ucash::model::{
    Beneficiary, BeneficiaryKind, CaptureState, Credit, CreditId, CreditStatus, DeviceKey, Grant, History, Hlc,
    Incarnation, Operation, Origin, PaymentId, PaymentMade, PaymentMode, Reference, Register, ShopId, Stamped,
    Timestamp,
};
use ucash::money::{Balance, Currency};
use ucash::replica::{Answer, Command, ImportRow, MovementView, Page, Query, StatisticsView};

use crate::seats::{Desk, FOUNDED, OFFICE, SHOP, SIM, amount, capture, deposit, grant_request, sim_number, withdrawal};

const DAY_MS: i64 = 86_400_000;

fn day(number: i64) -> Timestamp {
    FOUNDED.plus_ms(number * DAY_MS)
}

/// A credit of 100 USD granted on day 0, and what was done to it one after the other: `pay 40@1`, `unpay 1`,
/// `cancel@3` (the day after the `@`, the payment's number after `unpay`).
fn credit_of(events: &str, due: Option<Timestamp>) -> Credit {
    let grant = Grant {
        reference: Reference::new("A1").expect("a reference"),
        amount: amount("100 USD"),
        sim: sim_number(SIM),
        beneficiary: Beneficiary {
            name: "Amani".to_owned(),
            phone: None,
            address: None,
            kind: BeneficiaryKind::Other,
            shop: None,
        },
        agent: None,
        granted_at: day(0),
        due_at: due,
        notes: None,
        old_id: None,
    };
    let mut operations = vec![Operation::Grant(grant)];
    let id = |number: u8| PaymentId([number; 10]);
    let mut payments = 0;
    let mut words = events.split_whitespace();
    while let Some(word) = words.next() {
        let at = |text: &str| day(text.parse().expect("a day"));
        operations.push(match word {
            "pay" => {
                payments += 1;
                let (sum, when) = words.next().and_then(|word| word.split_once('@')).expect("40@1");
                let amount = amount(&format!("{sum} USD"));
                let (mode, reference, agent) = (PaymentMode::Cash, None, None);
                Operation::Pay(PaymentMade { id: id(payments), amount, mode, reference, agent, at: at(when) })
            }
            "unpay" => {
                let payment = id(words.next().and_then(|word| word.parse().ok()).expect("a number"));
                Operation::ReversePayment { payment, why: "mistyped".to_owned(), agent: None }
            }
            cancel => {
                let when = cancel.strip_prefix("cancel@").expect("cancel@3");
                Operation::Cancel { why: "called off".to_owned(), agent: None, at: at(when) }
            }
        });
    }
    let last = operations.len() - 1;
    let stamped = |(operation, number): (Operation, u64)| Stamped {
        operation,
        origin: Origin {
            stamp: Hlc(number),
            device: DeviceKey([1; 32]),
            incarnation: Incarnation(1),
            number,
            wall: day(0).plus_ms(number as i64),
        },
    };
    let operations: Vec<Stamped> = operations.into_iter().zip(1..).map(stamped).collect();
    let history = History { operations: &operations, visible: BTreeMap::from([(Register::Status, vec![last])]) };
    fold_credit(CreditId([1; 10]), SHOP, &history).expect("granted")
}

/// The status table of the rules, and what goes with a status.
#[test]
fn statuses_and_sums() {
    //  done                              due      now   status, paid, remaining, overpaid, day completed, day cancelled
    let table = [
        ("", None, 99, "accorde 0.00 100.00 0.00 - -"),
        ("", Some(10), 9, "accorde 0.00 100.00 0.00 - -"),
        ("", Some(10), 10, "accorde 0.00 100.00 0.00 - -"),
        ("", Some(10), 11, "enRetard 0.00 100.00 0.00 - -"),
        ("pay 40@1", None, 99, "partiellementPaye 40.00 60.00 0.00 - -"),
        ("pay 40@1", Some(10), 10, "partiellementPaye 40.00 60.00 0.00 - -"),
        ("pay 40@1", Some(10), 11, "enRetard 40.00 60.00 0.00 - -"),
        ("pay 99.99@1", None, 2, "partiellementPaye 99.99 0.01 0.00 - -"),
        ("pay 100@1", None, 2, "paye 100.00 0.00 0.00 1 -"),
        ("pay 100@20", Some(10), 30, "paye 100.00 0.00 0.00 20 -"),
        ("pay 40@1 pay 60@3", None, 4, "paye 100.00 0.00 0.00 3 -"),
        ("pay 60@3 pay 40@1", None, 4, "paye 100.00 0.00 0.00 3 -"),
        ("pay 40@1 pay 60@3 pay 50@5", None, 6, "paye 150.00 0.00 50.00 3 -"),
        ("pay 50@5 pay 40@1 pay 60@3", None, 6, "paye 150.00 0.00 50.00 3 -"),
        ("pay 100@1 pay 100@2", None, 6, "paye 200.00 0.00 100.00 1 -"),
        ("pay 100@1 pay 100@2 unpay 1", None, 6, "paye 100.00 0.00 0.00 2 -"),
        ("pay 100@1 unpay 1", None, 2, "accorde 0.00 100.00 0.00 - -"),
        ("pay 100@1 unpay 1", Some(10), 11, "enRetard 0.00 100.00 0.00 - -"),
        ("pay 40@1 pay 60@3 unpay 2", None, 4, "partiellementPaye 40.00 60.00 0.00 - -"),
        ("pay 40@1 unpay 1 unpay 1", None, 4, "accorde 0.00 100.00 0.00 - -"),
        ("cancel@3", None, 4, "annule 0.00 100.00 0.00 - 3"),
        ("cancel@3", Some(10), 11, "annule 0.00 100.00 0.00 - 3"),
        ("pay 40@1 cancel@3", Some(10), 11, "annule 40.00 60.00 0.00 - 3"),
        ("pay 100@1 cancel@3", None, 4, "annule 100.00 0.00 0.00 - 3"),
        ("cancel@3 pay 40@4", None, 5, "partiellementPaye 40.00 60.00 0.00 - -"),
    ];
    for (done, due, now, expected) in table {
        let credit = credit_of(done, due.map(day));
        let shown =
            |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| ((time.0 - FOUNDED.0) / DAY_MS).to_string());
        let found = [
            credit.status_at(day(now)).word().to_owned(),
            credit.paid.value().to_string(),
            credit.remaining().to_decimal_string(),
            credit.overpaid().to_decimal_string(),
            shown(credit.paid_at),
            shown(credit.cancelled_at),
        ];
        assert_eq!(found.join(" "), expected, "{done:?}, due {due:?}, on day {now}");
    }
}

/// A payment that stands twice under one identity is one payment, whichever record comes first.
#[test]
fn one_payment_sent_twice_is_counted_once() {
    let made = |at| PaymentMade {
        id: PaymentId([9; 10]),
        amount: amount("40 USD"),
        mode: PaymentMode::Cash,
        reference: None,
        agent: None,
        at,
    };
    let credit = credit_of("pay 10@1", None);
    let origin = |number| Origin { number, stamp: Hlc(number), ..credit.origin };
    let grant = credit_grant(&credit);
    let mut operations = vec![
        Stamped { operation: grant, origin: credit.origin },
        Stamped { operation: Operation::Pay(made(day(2))), origin: origin(5) },
        Stamped { operation: Operation::Pay(made(day(3))), origin: origin(9) },
    ];
    for _ in 0..2 {
        let history = History { operations: &operations, visible: BTreeMap::new() };
        let credit = fold_credit(CreditId([1; 10]), SHOP, &history).expect("granted");
        assert_eq!((credit.payments.len(), credit.payments[0].at), (1, day(2)));
        assert_eq!(credit.paid.to_string(), "40.00 USD");
        operations[1..].reverse();
    }
}

fn credit_grant(credit: &Credit) -> Operation {
    let Credit { reference, amount, sim, beneficiary, agent, granted_at, due_at, notes, old_id, .. } = credit.clone();
    Operation::Grant(Grant { reference, amount, sim, beneficiary, agent, granted_at, due_at, notes, old_id })
}

proptest! {
    /// The order in which operations arrived decides nothing about payments.
    #[test]
    fn folds_do_not_depend_on_the_order_of_arrival(seed in prop::collection::vec(any::<u32>(), 7)) {
        let events = "pay 40@1 pay 60@3 pay 5@2 unpay 2 pay 70@6 unpay 1";
        let whole = credit_of(events, None);
        let payments = |number| PaymentMade {
            id: PaymentId([number; 10]),
            amount: whole.payments.iter().find(|one| one.id == PaymentId([number; 10])).expect("made").amount,
            mode: PaymentMode::Cash,
            reference: None,
            agent: None,
            at: whole.payments.iter().find(|one| one.id == PaymentId([number; 10])).expect("made").at,
        };
        let unpay = |number| Operation::ReversePayment {
            payment: PaymentId([number; 10]), why: "mistyped".to_owned(), agent: None,
        };
        let mut operations: Vec<Stamped> = [
            credit_grant(&whole), Operation::Pay(payments(1)), Operation::Pay(payments(2)),
            Operation::Pay(payments(3)), unpay(2), Operation::Pay(payments(4)), unpay(1),
        ]
        .into_iter()
        .zip(1..)
        .map(|(operation, number)| {
            let wall = day(0).plus_ms(number as i64);
            Stamped { operation, origin: Origin { number, stamp: Hlc(number), wall, ..whole.origin } }
        })
        .collect();
        let mut keyed: Vec<_> = seed.into_iter().zip(operations.drain(..)).collect();
        keyed.sort_by_key(|(key, _)| *key);
        let operations: Vec<Stamped> = keyed.into_iter().map(|(_, stamped)| stamped).collect();
        let history = History { operations: &operations, visible: BTreeMap::new() };
        prop_assert_eq!(fold_credit(whole.id, whole.shop, &history), Some(whole));
    }
}

#[test]
fn f13_an_unknown_status_is_no_status() {
    for status in CreditStatus::ALL {
        assert_eq!(CreditStatus::from_word(status.word()), Some(*status));
    }
    for word in ["", "inconnu", "ACCORDE", "Accorde", " accorde", "accordé", "granted", "paid", "0"] {
        assert_eq!(CreditStatus::from_word(word), None, "{word:?}");
        let json = serde_json::to_string(word).expect("a text");
        assert!(serde_json::from_str::<CreditStatus>(&json).is_err(), "{word:?}");
    }
}

#[test]
fn the_formula_of_a_balance() {
    //  initial, captures, credits, withdrawals, deposits -> available
    let table = [
        (["0", "0", "0", "0", "0"], "0.00"),
        (["1000", "0", "0", "0", "0"], "1000.00"),
        (["1000", "50.50", "0", "0", "0"], "1050.50"),
        (["1000", "0", "100", "0", "0"], "900.00"),
        (["1000", "0", "0", "30.25", "0"], "969.75"),
        (["1000", "0", "0", "0", "7.01"], "992.99"),
        (["1000", "50.50", "100", "30.25", "7.01"], "913.24"),
        (["0", "0", "0.01", "0", "0"], "-0.01"),
        (["9999999999999.99", "9999999999999.99", "0", "0", "0"], "19999999999999.98"),
    ];
    for (sums, available) in table {
        let [initial, captures, credits, withdrawals, deposits] =
            sums.map(|sum| amount(&format!("{sum} USD")).balance());
        let account = Account { initial, captures, credits, withdrawals, deposits };
        assert_eq!(account.available().value().to_string(), available, "{sums:?}");
    }
    assert_eq!(Account::empty(Currency::Cdf).available(), Balance::zero(Currency::Cdf));
}

/// Forty credits of two shops, three SIMs and both currencies, of every status, some granted in one instant.
fn busy_desk() -> Desk {
    let mut desk = Desk::found();
    desk.add_shop(ShopId(2), "Bukavu");
    desk.add_sim(OFFICE, SIMS[1], "1000", "1000");
    desk.add_sim_to(OFFICE, Some(ShopId(2)), SIMS[2], "1000", "1000");
    for number in 0..40_i64 {
        let reference = format!("C{number}");
        let currency = if number % 3 == 0 { "CDF" } else { "USD" };
        let mut request = grant_request(&reference, &format!("{}.50 {currency}", number + 1));
        request.sim = sim_number(SIMS[number as usize % 3]);
        request.due_at = (number % 4 != 0).then(|| day(number % 11));
        request.beneficiary.name = ["Espérance N'Singa", "Amani Mumbere"][number as usize % 2].to_owned();
        request.beneficiary.phone = (number % 5 == 0).then(|| format!("+24381{number:07}"));
        desk.command(OFFICE, Command::Grant(request)).expect("granting");
        if number % 7 == 0 {
            // The next is granted in the same instant.
            desk.wait(-1_000);
        } else {
            desk.wait(3_600_000);
        }
    }
    for number in 0..40 {
        let reference = format!("C{number}");
        match number % 5 {
            1 => drop(desk.pay(OFFICE, &reference, &format!("{}.50", number + 1)).expect("paying")),
            2 => drop(desk.pay(OFFICE, &reference, "0.75").expect("paying")),
            3 if number % 2 == 0 => drop(desk.cancel(OFFICE, &reference).expect("cancelling")),
            _ => {}
        }
    }
    desk
}

const SIMS: [&str; 3] = [SIM, "+243990000008", "+243990000009"];

/// What a filter must find, from all credits and nothing else.
fn expected<'a>(book: &'a Book, filter: &CreditFilter, now: Timestamp) -> Vec<&'a Credit> {
    let is_open = |credit: &Credit| matches!(credit.status, CreditStatus::Granted | CreditStatus::PartlyPaid);
    let is_overdue = |credit: &Credit| is_open(credit) && credit.due_at.is_some_and(|due| due < now);
    let status = |credit: &Credit| if is_overdue(credit) { CreditStatus::Overdue } else { credit.status };
    let mut found: Vec<&Credit> = book.credits().collect();
    found.retain(|credit| filter.shop.is_none_or(|shop| credit.shop == shop));
    found.retain(|credit| filter.sim.as_ref().is_none_or(|sim| credit.sim == *sim));
    found.retain(|credit| filter.status.is_none_or(|wanted| status(credit) == wanted));
    found.retain(|credit| !filter.overdue || is_overdue(credit));
    found.retain(|credit| filter.currency.is_none_or(|currency| credit.amount.currency() == currency));
    found.retain(|credit| filter.from.is_none_or(|from| credit.granted_at >= from));
    found.retain(|credit| filter.to.is_none_or(|to| credit.granted_at < to));
    found.retain(|credit| filter.reference.as_ref().is_none_or(|reference| credit.reference == *reference));
    if let Some(part) = filter.beneficiary.as_ref().map(|part| part.to_lowercase()) {
        found.retain(|credit| {
            let phone = credit.beneficiary.phone.clone().unwrap_or_default();
            credit.beneficiary.name.to_lowercase().contains(&part) || phone.contains(&part)
        });
    }
    match filter.order {
        CreditOrder::OldestFirst => found.sort_by_key(|credit| (credit.granted_at, credit.id)),
        CreditOrder::NewestFirst => {
            found.sort_by_key(|credit| (credit.granted_at, credit.id));
            found.reverse();
        }
        CreditOrder::DueFirst => {
            found.retain(|credit| is_open(credit) && credit.due_at.is_some());
            found.sort_by_key(|credit| (credit.due_at, credit.id));
        }
    }
    found
}

/// All that a list shows, page by page.
fn paged(book: &Book, filter: &CreditFilter, now: Timestamp, limit: usize) -> Vec<CreditId> {
    let mut filter = CreditFilter { limit, after: None, ..filter.clone() };
    let mut found = Vec::new();
    loop {
        let (page, next) = book.list(&filter, now).expect("its own cursors are read");
        assert!(page.len() <= limit.max(1), "{filter:?}: a page of {}", page.len());
        assert!(next.is_none() || page.len() == limit.max(1), "{filter:?}: only the last page is not full");
        found.extend(page.iter().map(|credit| credit.id));
        assert!(found.len() <= book.credit_count(), "{filter:?}: some are shown twice");
        let Some(next) = next else { return found };
        filter.after = Some(next);
    }
}

#[test]
fn every_filter_in_every_order_shows_each_credit_once() {
    let desk = busy_desk();
    let (book, now) = (desk.replica(OFFICE).book(), day(6));
    let statuses: Vec<Option<CreditStatus>> =
        std::iter::once(None).chain(CreditStatus::ALL.iter().copied().map(Some)).collect();
    let mut filters = vec![CreditFilter::default()];
    let mut widen = |change: &dyn Fn(&mut CreditFilter, usize), ways: usize| {
        let wider = |filter: &CreditFilter| {
            (0..ways)
                .map(|way| {
                    let mut filter = filter.clone();
                    change(&mut filter, way);
                    filter
                })
                .collect::<Vec<_>>()
        };
        filters = filters.iter().flat_map(wider).collect();
    };
    let orders = [CreditOrder::NewestFirst, CreditOrder::OldestFirst, CreditOrder::DueFirst];
    widen(&|filter, way| filter.shop = [None, Some(SHOP), Some(ShopId(2)), Some(ShopId(9))][way], 4);
    widen(&|filter, way| filter.sim = [None, Some(sim_number(SIMS[0])), Some(sim_number(SIMS[2]))][way].clone(), 3);
    widen(&|filter, way| filter.status = statuses[way], 6);
    widen(&|filter, way| filter.overdue = way == 1, 2);
    widen(&|filter, way| filter.currency = [None, Some(Currency::Cdf)][way], 2);
    widen(&|filter, way| (filter.from, filter.to) = [(None, None), (Some(day(0)), Some(day(1)))][way], 2);
    widen(
        &|filter, way| filter.beneficiary = [None, Some("ESPÉR".to_owned()), Some("+2438".to_owned())][way].clone(),
        3,
    );
    widen(&|filter, way| filter.order = orders[way], 3);
    let mut found_some = 0;
    for filter in &filters {
        let expected: Vec<CreditId> = expected(book, filter, now).iter().map(|credit| credit.id).collect();
        found_some += usize::from(!expected.is_empty());
        for limit in [1, 7, 1_000] {
            assert_eq!(paged(book, filter, now, limit), expected, "{filter:?}, {limit} a page");
        }
    }
    assert!(found_some > 500, "the filters find something: {found_some} of {}", filters.len());
}

#[test]
fn a_reference_is_found_whatever_the_limit() {
    let desk = busy_desk();
    let book = desk.replica(OFFICE).book();
    let reference = Some(Reference::new("c7").expect("a reference"));
    for limit in [0, 1, 1_000, usize::MAX] {
        for overdue in [false, true] {
            let filter = CreditFilter { reference: reference.clone(), limit, overdue, ..CreditFilter::default() };
            let (found, next) = book.list(&filter, day(30)).expect("no cursor");
            assert_eq!((found.len(), next), (1, None), "{filter:?}");
        }
        let filter = CreditFilter { limit, overdue: true, ..CreditFilter::default() };
        let (found, next) = book.list(&filter, day(30)).expect("no cursor");
        assert!(!found.is_empty() && (found.len() > 1 || next.is_some()), "{filter:?}");
    }
}

#[test]
fn f15_the_filter_on_en_retard_finds_what_is_overdue() {
    let mut desk = Desk::found();
    let mut request = grant_request("A1", "10 USD");
    request.due_at = Some(day(3));
    desk.command(OFFICE, Command::Grant(request)).expect("granting");
    desk.grant(OFFICE, "A2", "10 USD").expect("granting");
    for order in [CreditOrder::NewestFirst, CreditOrder::OldestFirst, CreditOrder::DueFirst] {
        for (status, overdue) in
            [(Some(CreditStatus::Overdue), false), (None, true), (Some(CreditStatus::Overdue), true)]
        {
            let filter = CreditFilter { status, overdue, order, limit: 10, ..CreditFilter::default() };
            let book = desk.replica(OFFICE).book();
            let found = |now| book.list(&filter, now).expect("no cursor").0.len();
            assert_eq!(found(day(3)), 0, "{filter:?}: due today is not overdue");
            assert_eq!(found(day(3).plus_ms(1)), 1, "{filter:?}");
        }
    }
    // As the interface asks.
    desk.wait(4 * DAY_MS);
    let filter = CreditFilter { status: Some(CreditStatus::Overdue), limit: 10, ..CreditFilter::default() };
    match desk.query(OFFICE, Query::Credits(filter)).expect("a list") {
        Answer::Credits(Page { items, next: None }) => {
            assert_eq!(items.len(), 1);
            assert_eq!((items[0].reference.as_str(), items[0].status), ("A1", CreditStatus::Overdue));
        }
        other => panic!("asked for credits, got {other:?}"),
    }
}

/// What is granted while somebody pages shows no credit twice and hides none that was there.
#[test]
fn paging_holds_while_credits_are_granted() {
    let mut desk = busy_desk();
    let before: BTreeSet<CreditId> = desk.replica(OFFICE).book().credits().map(|credit| credit.id).collect();
    let mut filter = CreditFilter { limit: 7, ..CreditFilter::default() };
    let mut seen = Vec::new();
    loop {
        let number = seen.len();
        let (page, next) = {
            let (page, next) = desk.replica(OFFICE).book().list(&filter, day(6)).expect("its own cursor");
            (page.iter().map(|credit| credit.id).collect::<Vec<_>>(), next)
        };
        seen.extend(page);
        assert!(seen.len() <= before.len(), "some are shown twice");
        desk.grant(OFFICE, &format!("NEW-{number}"), "0.01 USD").expect("granting");
        desk.pay(OFFICE, &format!("NEW-{number}"), "0.01").expect("paying");
        let Some(next) = next else { break };
        filter.after = Some(next);
    }
    assert_eq!(seen.len(), before.len());
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), before);
}

fn movements(desk: &mut Desk, limit: usize) -> Vec<MovementView> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let query = Query::Movements { sim: sim_number(SIM), limit, after };
        match desk.query(OFFICE, query).expect("its own cursor") {
            Answer::Movements(Page { items, next }) => {
                assert!(next.is_none() || items.len() == limit, "only the last page is not full");
                found.extend(items);
                assert!(found.len() <= 1_000, "some are shown twice");
                match next {
                    Some(next) => after = Some(next),
                    None => return found,
                }
            }
            other => panic!("asked for movements, got {other:?}"),
        }
    }
}

#[test]
fn movements_page_by_page_are_each_shown_once_latest_first() {
    let mut desk = Desk::found();
    for number in 0..7 {
        desk.record(OFFICE, deposit(&format!("{number}.10 USD"))).expect("recording");
        desk.record(OFFICE, capture("1 CDF", CaptureState::Pending)).expect("recording");
        desk.wait(20 * DAY_MS);
    }
    // Five of one instant, and over the turn of a month.
    let rows = (1..=5).map(|old_id| ImportRow::Movement {
        old_id,
        shop: SHOP,
        sim: sim_number(SIM),
        kind: withdrawal("1 USD"),
        reversed: old_id == 3,
        at: day(45),
        agent: None,
    });
    let import = Command::Import { session: 1, dry_run: false, rows: rows.collect() };
    desk.command(OFFICE, import).expect("importing");
    let whole = movements(&mut desk, 1_000);
    assert_eq!(whole.len(), 2 + 14 + 5, "with both opening balances");
    assert!(whole.is_sorted_by(|left, right| left.at >= right.at), "latest first");
    let ids: BTreeSet<_> = whole.iter().map(|movement| movement.id).collect();
    assert_eq!(ids.len(), whole.len());
    for limit in [1, 2, 4, 20, 21] {
        assert_eq!(movements(&mut desk, limit), whole, "{limit} a page");
    }
}

fn cents(decimal: Decimal) -> i128 {
    let mut decimal = decimal;
    decimal.rescale(2);
    decimal.mantissa()
}

fn text(cents: i128) -> String {
    Decimal::from_i128_with_scale(cents, 2).to_string()
}

#[test]
fn statistics_add_up_for_every_shop_and_period() {
    let mut desk = busy_desk();
    let now = desk.now(OFFICE);
    let periods = [
        (None, None),
        (Some(day(0)), Some(day(1))),
        (Some(day(1)), None),
        (None, Some(day(0))),
        (Some(day(2)), Some(day(1))),
    ];
    let mut seen = 0;
    for shop in [None, Some(SHOP), Some(ShopId(2)), Some(ShopId(9))] {
        for (from, to) in periods {
            let mut sums: BTreeMap<Currency, StatisticsView> = BTreeMap::new();
            for currency in Currency::ALL {
                let filter = CreditFilter { shop, from, to, currency: Some(currency), ..CreditFilter::default() };
                let mut credits = expected(desk.replica(OFFICE).book(), &filter, now);
                credits.retain(|credit| credit.status != CreditStatus::Cancelled);
                if credits.is_empty() {
                    continue;
                }
                let sum = |of: &dyn Fn(&Credit) -> i128| credits.iter().map(|credit| of(credit)).sum::<i128>();
                let count = |of: &dyn Fn(&Credit) -> bool| credits.iter().filter(|credit| of(credit)).count() as u64;
                let left = |credit: &Credit| (cents(credit.amount.value()) - cents(credit.paid.value())).max(0);
                let is_overdue = |credit: &Credit| credit.status_at(now) == CreditStatus::Overdue;
                let (granted, paid) =
                    (sum(&|credit| cents(credit.amount.value())), sum(&|credit| cents(credit.paid.value())));
                // To the nearest of four decimals.
                let rate = Decimal::from_i128_with_scale((2 * 10_000 * paid + granted) / (2 * granted), 4);
                sums.insert(
                    currency,
                    StatisticsView {
                        credits: credits.len() as u64,
                        granted: text(granted),
                        paid: text(paid),
                        waiting: text(sum(&left)),
                        overdue: text(sum(&|credit| if is_overdue(credit) { left(credit) } else { 0 })),
                        paid_count: count(&|credit| left(credit) == 0),
                        waiting_count: count(&|credit| left(credit) > 0),
                        overdue_count: count(&is_overdue),
                        recovery_rate: Some(rate.to_string()),
                    },
                );
            }
            seen += sums.len();
            let period = StatisticsPeriod { shop, from, to };
            match desk.query(OFFICE, Query::Statistics(period)) {
                Ok(Answer::Statistics(found)) => assert_eq!(found, sums, "{shop:?} from {from:?} to {to:?}"),
                other => panic!("asked for statistics, got {other:?}"),
            }
        }
    }
    assert!(seen > 10, "most have something to add up");
}

#[test]
fn statistics_of_a_day_by_hand() {
    let mut desk = Desk::found();
    desk.grant(OFFICE, "A1", "100 USD").expect("granting");
    desk.grant(OFFICE, "A2", "50 USD").expect("granting");
    desk.grant(OFFICE, "A3", "30 USD").expect("granting");
    desk.grant(OFFICE, "A4", "9000 CDF").expect("granting");
    let mut late = grant_request("A5", "20 USD");
    late.due_at = Some(desk.now(OFFICE));
    desk.command(OFFICE, Command::Grant(late)).expect("granting");
    desk.pay(OFFICE, "A1", "100").expect("paying");
    desk.pay(OFFICE, "A2", "20.05").expect("paying");
    desk.cancel(OFFICE, "A3").expect("cancelling");
    let Ok(Answer::Statistics(found)) = desk.query(OFFICE, Query::Statistics(StatisticsPeriod::default())) else {
        panic!("asked for statistics")
    };
    let shown = |view: &StatisticsView| {
        format!(
            "{} of {}, paid {} ({}), waiting {} ({}), overdue {} ({}), rate {}",
            view.credits,
            view.granted,
            view.paid,
            view.paid_count,
            view.waiting,
            view.waiting_count,
            view.overdue,
            view.overdue_count,
            view.recovery_rate.as_deref().unwrap_or("none")
        )
    };
    assert_eq!(
        shown(&found[&Currency::Usd]),
        "3 of 170.00, paid 120.05 (1), waiting 49.95 (2), overdue 20.00 (1), rate 0.7062"
    );
    assert_eq!(
        shown(&found[&Currency::Cdf]),
        "1 of 9000.00, paid 0.00 (0), waiting 9000.00 (1), overdue 0.00 (0), rate 0.0000"
    );
}
