//! Conflicts in words: each kind with each outcome that it can have is told in whole sentences, in both languages. What
//! they read like stands in `tests/fixtures/conflicts.txt`: change it by hand where the sentences change on purpose.

use std::collections::BTreeSet;

use ucash::http::Language;
use ucash::http::messages::conflicts::{ConflictText, conflict, decision_named, reason};
use ucash::model::{
    ClashOver, ClashValue, Conflict, ConflictId, ConflictKind, CreditId, DeviceKey, Edit, MovementId, Outcome,
    Reference, ShopId, Side, SideValue, SimNumber, Timestamp,
};
use ucash::money::{Amount, Balance, Currency};
use ucash::replica::{ConflictView, HandledView, SetAside};

const LANGUAGES: [Language; 2] = [Language::French, Language::English];
/// 2026-10-01T08:30:00Z.
const MORNING_MS: i64 = 1_790_843_400_000;

fn usd(text: &str) -> Amount {
    Amount::parse(text, Currency::Usd).expect("an amount")
}

fn reference(text: &str) -> Reference {
    Reference::new(text).expect("a reference")
}

fn side(number: i64, agent: Option<&str>, value: SideValue) -> Side {
    // What the logs show, nobody did at one moment.
    let is_done = matches!(value, SideValue::Did(_) | SideValue::Credit { .. } | SideValue::Movement { .. });
    let agent = agent.filter(|_| is_done);
    let at = is_done.then_some(Timestamp(MORNING_MS + number * 60_000));
    Side { device: DeviceKey([7; 32]), agent: agent.map(str::to_owned), at, value }
}

/// The sides, the first by Marie, the next without a name.
fn sides(values: Vec<SideValue>) -> Vec<Side> {
    let agents = [Some("Marie"), None].into_iter().cycle();
    values.into_iter().zip(agents).zip(1..).map(|((value, agent), number)| side(number, agent, value)).collect()
}

fn did(values: Vec<ClashValue>) -> Vec<SideValue> {
    values.into_iter().map(SideValue::Did).collect()
}

fn view(kind: ConflictKind, over: Option<ClashOver>, values: Vec<SideValue>, outcome: Outcome) -> ConflictView {
    let sides = sides(values);
    let is_of_credit = matches!(
        kind,
        ConflictKind::ConcurrentStatus
            | ConflictKind::PaidCancelled
            | ConflictKind::Overpaid
            | ConflictKind::SameReference
            | ConflictKind::ConcurrentEdit
    ) || sides.iter().any(|side| matches!(side.value, SideValue::Credit { .. }));
    let names = ["caisse", "telephone"].into_iter().cycle();
    let found = Conflict {
        id: ConflictId([1; 10]),
        kind,
        shop: ShopId(1),
        credit: is_of_credit.then_some(CreditId([1; 10])),
        sim: Some(SimNumber::new("+243970000001").expect("a number")).filter(|_| !is_of_credit),
        over,
        sides,
        outcome,
    };
    let shown = if kind == ConflictKind::SameReference { "CRED-001~K7" } else { "CRED-001" };
    let decisions = found.decisions().into_iter().map(str::to_owned).collect();
    ConflictView {
        devices: names.take(found.sides.len()).map(str::to_owned).collect(),
        credit: is_of_credit.then(|| (shown.to_owned(), "Amani".to_owned())),
        conflict: found,
        decisions,
        handled: None,
    }
}

fn of_status() -> Vec<ConflictView> {
    let status = Some(ClashOver::Status);
    let cancelled = |received: &str, returned| Outcome::Cancelled { received: usd(received), returned };
    let paid = || ClashValue::Paid(usd("40"));
    let (paid_cancelled, concurrent) = (ConflictKind::PaidCancelled, ConflictKind::ConcurrentStatus);
    vec![
        view(concurrent, status, did(vec![ClashValue::Cancelled, paid()]), Outcome::GoesOn),
        view(concurrent, status, did(vec![ClashValue::Cancelled, paid()]), cancelled("40", false)),
        view(
            concurrent,
            status,
            did(vec![ClashValue::Reinstated, ClashValue::PaymentReversed, ClashValue::Cancelled]),
            cancelled("0", false),
        ),
        view(concurrent, status, did(vec![ClashValue::Reinstated, ClashValue::Returned]), cancelled("0", true)),
        view(paid_cancelled, status, did(vec![paid(), ClashValue::Cancelled]), cancelled("40", false)),
        view(paid_cancelled, status, did(vec![paid(), ClashValue::Returned]), cancelled("40", true)),
        view(paid_cancelled, status, did(vec![paid(), ClashValue::Cancelled]), cancelled("0", false)),
        view(paid_cancelled, status, did(vec![paid(), ClashValue::Cancelled]), Outcome::GoesOn),
        view(paid_cancelled, None, did(vec![paid()]), cancelled("40", false)),
        view(paid_cancelled, None, did(vec![paid()]), cancelled("0", true)),
    ]
}

fn of_fields() -> Vec<ConflictView> {
    let text = |text: &str| Some(text.to_owned());
    let pairs = [
        [Edit::Name("Amani".to_owned()), Edit::Name("Amani Kasongo".to_owned())],
        [Edit::Phone(text("+243990000001")), Edit::Phone(None)],
        [Edit::Address(None), Edit::Address(text("Avenue du Lac 4"))],
        [Edit::DueAt(Some(Timestamp(MORNING_MS))), Edit::DueAt(None)],
        [Edit::Notes(text("à rappeler")), Edit::Notes(text("a payé la moitié"))],
    ];
    let kind = ConflictKind::ConcurrentEdit;
    let mut found = Vec::new();
    for pair in pairs {
        let over = Some(ClashOver::Contact(pair[0].field()));
        let values = did(pair.map(ClashValue::Edited).to_vec());
        found.push(view(kind, over, values.clone(), Outcome::Stands(2)));
        found.push(view(kind, over, values, Outcome::AllCount));
    }
    let numbers = did(["CRED-002", "CRED-003"].map(|text| ClashValue::Renumbered(reference(text))).to_vec());
    found.push(view(kind, Some(ClashOver::Reference), numbers.clone(), Outcome::Stands(1)));
    found.push(view(kind, Some(ClashOver::Reference), numbers, Outcome::AllCount));
    found
}

fn of_the_rest() -> Vec<ConflictView> {
    let paid = |text: &str| ClashValue::Paid(usd(text));
    let granted = |letter: u8, shown: &str, sum: &str| SideValue::Credit {
        id: CreditId([letter; 10]),
        shown: shown.to_owned(),
        amount: usd(sum),
    };
    let moved = |what: &str| SideValue::Movement { id: MovementId([3; 10]), what: what.to_owned(), amount: usd("100") };
    let below = Balance::zero(Currency::Usd).minus(usd("20")).expect("small");
    let entries = |count, reason: &str| vec![SideValue::Entries { count, first: 45, reason: reason.to_owned() }];
    let sequels = vec![SideValue::Sequel { count: 12, first: 45 }, SideValue::Sequel { count: 1, first: 45 }];
    let both = vec![granted(1, "CRED-001", "100"), granted(2, "CRED-001~K7", "50")];
    let mut found = vec![
        view(ConflictKind::Overpaid, None, did(vec![paid("60"), paid("55")]), Outcome::Overpaid(usd("15"))),
        view(ConflictKind::Overpaid, None, did(vec![paid("60"), paid("55")]), Outcome::Overpaid(usd("0"))),
        view(ConflictKind::Overdrawn, None, vec![SideValue::Share(below)], Outcome::Overdrawn(below)),
        view(ConflictKind::SameReference, Some(ClashOver::Reference), both.clone(), Outcome::Suffixed),
        view(ConflictKind::SameReference, Some(ClashOver::Reference), both, Outcome::Renumbered),
        view(ConflictKind::PossibleDuplicate, None, vec![moved("capture"), moved("capture")], Outcome::AllCount),
        view(ConflictKind::SetAside, None, vec![granted(1, "CRED-001", "100")], Outcome::NoEffect),
    ];
    for what in ["opening", "capture", "withdrawal", "deposit", "gift", "moved"] {
        found.push(view(ConflictKind::SetAside, None, vec![moved(what)], Outcome::NoEffect));
    }
    for code in reasons() {
        found.push(view(ConflictKind::SetAside, None, entries(1, &code), Outcome::NoEffect));
    }
    found.push(view(ConflictKind::SetAside, None, entries(12, "right"), Outcome::NoEffect));
    found.push(view(ConflictKind::WrongClock, None, entries(12, "time"), Outcome::NoEffect));
    found.push(view(ConflictKind::ForkedDevice, None, sequels.clone(), Outcome::AllCount));
    found.push(view(ConflictKind::ForkedDevice, None, sequels, Outcome::NoEffect));
    found
}

/// Why entries are set aside: as the list of conflicts names each. A new reason does not compile until it is here.
fn reasons() -> Vec<String> {
    let all = [
        SetAside::Body,
        SetAside::Scope,
        SetAside::Right,
        SetAside::Shape,
        SetAside::Actor,
        SetAside::Time,
        SetAside::Place,
        SetAside::Field,
        SetAside::Id,
        SetAside::Registry,
        SetAside::Branch,
    ];
    let is_listed = |reason: SetAside| match reason {
        SetAside::Body
        | SetAside::Scope
        | SetAside::Right
        | SetAside::Shape
        | SetAside::Actor
        | SetAside::Time
        | SetAside::Place
        | SetAside::Field
        | SetAside::Id
        | SetAside::Registry
        | SetAside::Branch => all.contains(&reason),
    };
    assert!(all.into_iter().all(is_listed));
    all.map(|reason| format!("{reason:?}").to_lowercase()).to_vec()
}

fn table() -> Vec<ConflictView> {
    [of_status(), of_fields(), of_the_rest()].concat()
}

fn sentences(told: &ConflictText) -> [&str; 4] {
    [&told.summary, &told.decision, &told.rule, &told.todo]
}

#[test]
fn every_kind_and_outcome_is_told_in_whole_sentences() {
    let table = table();
    let kinds: BTreeSet<ConflictKind> = table.iter().map(|view| view.conflict.kind).collect();
    assert_eq!(kinds, ConflictKind::ALL.iter().copied().collect(), "each kind is told");
    for view in &table {
        let [french, english] = LANGUAGES.map(|language| conflict(view, language));
        for (one, other) in sentences(&french).into_iter().zip(sentences(&english)) {
            assert_ne!(one, other, "one of them is not in its language");
            for text in [one, other] {
                assert!(text.ends_with('.') && !text.ends_with(".."), "{text}");
                assert!(text.chars().next().is_some_and(char::is_uppercase), "{text}");
                assert!(!text.contains(['{', '}', '?', '_', '\n']) || text.contains("mv_"), "{text}");
                assert!(!text.contains("  ") && !text.contains(" ."), "{text}");
            }
        }
        for told in [&french, &english] {
            assert_eq!(told.sides.len(), view.conflict.sides.len());
            for side in &told.sides {
                assert!(!side.value.is_empty() && !side.value.contains(['{', '}', '?']), "{}", side.value);
                assert!(told.summary.contains(&side.value), "{} in {}", side.value, told.summary);
                assert!(told.summary.contains(&side.device), "{} in {}", side.device, told.summary);
            }
            if told.sides[0].at.is_some() {
                let who = told.summary.contains("Marie") && told.summary.contains("2026-10-01 08:31 UTC");
                assert!(who, "who and when: {}", told.summary);
            }
        }
        for word in &view.decisions {
            assert!(LANGUAGES.iter().all(|language| decision_named(word, *language) != word), "{word} has no name");
        }
    }
    for code in reasons() {
        let [french, english] = LANGUAGES.map(|language| reason(&code, language));
        assert!(french != code && english != code && french != english, "{code}");
    }
}

#[test]
fn what_was_dealt_with_asks_for_nothing_more() {
    for view in table() {
        let handled = HandledView {
            decision: "handled".to_owned(),
            why: "vu".to_owned(),
            agent: None,
            device: "caisse".to_owned(),
            at: "2026-10-01T09:00:00.000Z".to_owned(),
        };
        let view = ConflictView { handled: Some(handled), ..view };
        assert_eq!(conflict(&view, Language::French).todo, "Plus rien : ce conflit est traité.");
        assert_eq!(conflict(&view, Language::English).todo, "Nothing more: this conflict was dealt with.");
    }
}

#[test]
fn many_sides_and_long_texts_do_not_make_a_long_sentence() {
    let long = "x".repeat(400);
    let edits = (0..9).map(|number| ClashValue::Edited(Edit::Notes(Some(format!("{number}{long}")))));
    let over = Some(ClashOver::Contact(ucash::model::ContactField::Notes));
    let view = view(ConflictKind::ConcurrentEdit, over, did(edits.collect()), Outcome::Stands(9));
    for language in LANGUAGES {
        let told = conflict(&view, language);
        assert!(told.summary.chars().count() < 800, "{}", told.summary);
        assert!(told.summary.contains("5 de plus") || told.summary.contains("5 more"), "{}", told.summary);
        assert_eq!(told.sides.len(), 9, "the list has them all");
    }
}

#[test]
fn what_concerns_the_register_is_no_shops() {
    let mut view = view(ConflictKind::SetAside, None, Vec::new(), Outcome::NoEffect);
    assert_eq!(conflict(&view, Language::French).shop_id, Some(ShopId(1)));
    view.conflict.shop = ShopId(0);
    assert_eq!(conflict(&view, Language::French).shop_id, None);
}

#[test]
fn they_read_so() {
    let mut text = String::new();
    for view in table() {
        text.push_str(&format!("== {} {:?}\n", view.conflict.kind.word(), view.conflict.outcome));
        for language in LANGUAGES {
            for sentence in sentences(&conflict(&view, language)) {
                text.push_str(sentence);
                text.push('\n');
            }
        }
        text.push('\n');
    }
    let expected = include_str!("../fixtures/conflicts.txt");
    let changed: Vec<&str> = text.lines().filter(|line| !expected.contains(line)).collect();
    assert!(text == expected, "the sentences changed; new: {changed:#?}\nall:\n{text}");
}
