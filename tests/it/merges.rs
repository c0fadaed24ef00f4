//! Devices that act apart and then meet: what the replaced system lost, overwrote or brought back (faults F1, F8,
//! F11, F14, F16), and that all show one state whatever the order of meeting.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::Config;
use ucash::membership::Role;
use ucash::model::{CaptureState, CreditStatus, Edit, Timestamp};
use ucash::money::Currency;
use ucash::replica::{AccountView, Answer, Command, CreditView};

use crate::desk::{
    DAY, Desk, SIM, all, cancel, capture, cents, deposit, join, meet, meet_and_agree, money, number, pay, request,
    reverse_movement, withdrawal,
};

/// Two counters of one shop, with 500 USD, that know of a credit `C` of 100; 100 of the rest are the phone's to spend.
fn pair() -> (Desk, Desk) {
    let mut office = Desk::with_sim("500");
    let mut phone = join(&mut office, "telephone", 1, Role::Device);
    office.grant("C", "100").unwrap();
    office.give(&mut phone, "100");
    meet_and_agree(&mut office, &mut phone);
    (office, phone)
}

/// What both show of `C`, checked to be the same.
fn shown(left: &mut Desk, right: &mut Desk) -> CreditView {
    let (mut mine, other) = (left.credit("C"), right.credit("C"));
    // How many devices are known to have seen it is each device's own knowledge.
    mine.seen_by = other.seen_by;
    assert_eq!(mine, other);
    mine
}

#[test]
fn f1_two_partial_payments_recorded_apart_both_stand() {
    for left_first in [true, false] {
        let (mut office, mut phone) = pair();
        let (first, second) = if left_first { (&mut office, &mut phone) } else { (&mut phone, &mut office) };
        first.pay("C", "50").unwrap();
        second.pay("C", "50").unwrap();
        assert_eq!(first.credit("C").status, CreditStatus::PartlyPaid);
        meet_and_agree(first, second);
        let credit = shown(first, second);
        assert_eq!((credit.paid.as_str(), credit.remaining.as_str()), ("100.00", "0.00"));
        assert_eq!((credit.status, credit.payments.len()), (CreditStatus::Paid, 2));
        let devices: Vec<&str> = credit.payments.iter().map(|payment| payment.device.as_str()).collect();
        assert_eq!(devices, if left_first { ["siege", "telephone"] } else { ["telephone", "siege"] });
        assert_eq!(credit.paid_at, Some(credit.payments[1].at.clone()), "the later one completed it");
        for desk in [first, second] {
            desk.reopen();
            assert_eq!(desk.credit("C").paid, "100.00");
            desk.assert_sound();
        }
    }
}

#[test]
fn f1_meeting_again_and_again_counts_a_payment_once() {
    let (mut office, mut phone) = pair();
    phone.pay("C", "30").unwrap();
    for _ in 0..3 {
        meet_and_agree(&mut office, &mut phone);
        office.reopen();
        meet_and_agree(&mut phone, &mut office);
    }
    let credit = shown(&mut office, &mut phone);
    assert_eq!((credit.paid.as_str(), credit.payments.len()), ("30.00", 1));
}

#[test]
fn f8_many_small_payments_from_both_sides_are_exact() {
    let mut office = Desk::with_sim("500");
    let mut phone = join(&mut office, "telephone", 1, Role::Device);
    office.grant("C", "0.30").unwrap();
    office.grant("D", "4.20").unwrap();
    meet(&mut office, &mut phone);
    office.pay("C", "0.10").unwrap();
    phone.pay("C", "0.20").unwrap();
    for _ in 0..21 {
        office.pay("D", "0.07").unwrap();
        phone.pay("D", "0.13").unwrap();
    }
    meet_and_agree(&mut office, &mut phone);
    let credit = shown(&mut office, &mut phone);
    assert_eq!((credit.paid.as_str(), credit.status), ("0.30", CreditStatus::Paid));
    let credit = office.credit("D");
    assert_eq!((credit.paid.as_str(), credit.overpaid.as_str(), credit.payments.len()), ("4.20", "0.00", 42));
    assert_eq!(credit.status, CreditStatus::Paid);
}

#[test]
fn f11_payments_are_kept_one_by_one_with_who_and_when() {
    let (mut office, mut phone) = pair();
    let mut times = Vec::new();
    for (desk, amount, agent) in [(&mut office, "10", "esperance"), (&mut phone, "20", "gloire")] {
        let mut command = pay("C", amount);
        if let Command::Pay { agent: who, reference, .. } = &mut command {
            *who = Some(agent.to_owned());
            *reference = Some(format!("REF-{amount}"));
        }
        desk.command(command).unwrap();
        times.push(desk.now().to_rfc3339());
    }
    meet_and_agree(&mut office, &mut phone);
    phone.reverse_payment("C", 0).unwrap();
    meet_and_agree(&mut office, &mut phone);
    let kept: Vec<_> = shown(&mut office, &mut phone)
        .payments
        .into_iter()
        .map(|payment| (payment.amount, payment.agent, payment.reference, payment.device, payment.at, payment.reversed))
        .collect();
    let text = |text: &str| Some(text.to_owned());
    let expected = [
        ("10.00".to_owned(), text("esperance"), text("REF-10"), "siege".to_owned(), times[0].clone(), true),
        ("20.00".to_owned(), text("gloire"), text("REF-20"), "telephone".to_owned(), times[1].clone(), false),
    ];
    assert_eq!(kept, expected, "a payment taken back is still shown");
    assert_eq!(office.credit("C").paid, "20.00");
}

#[test]
fn f14_once_any_payment_stands_nobody_cancels() {
    let (mut office, mut phone) = pair();
    phone.pay("C", "0.01").unwrap();
    meet_and_agree(&mut office, &mut phone);
    for desk in [&mut office, &mut phone] {
        let before = desk.mark();
        assert_eq!(desk.cancel("C").unwrap_err().code(), "cancel_with_payments");
        assert_eq!(desk.mark(), before);
    }
    office.reverse_payment("C", 0).unwrap();
    assert_eq!(phone.cancel("C").unwrap_err().code(), "cancel_with_payments", "the phone has not heard yet");
    meet_and_agree(&mut office, &mut phone);
    phone.cancel("C").unwrap();
    meet_and_agree(&mut office, &mut phone);
    assert_eq!(shown(&mut office, &mut phone).status, CreditStatus::Cancelled);
    assert_eq!(office.available(), "500.00");
}

#[test]
fn f16_a_cancelled_credit_stays_cancelled() {
    let (mut office, mut phone) = pair();
    let mut tablet = join(&mut office, "tablette", 1, Role::Device);
    // The tablet edits what it does not know to be cancelled, and comes back late.
    tablet.command(notes("C", "call on Monday")).unwrap();
    office.cancel("C").unwrap();
    for text in ["call on Tuesday", "call on Friday"] {
        meet_and_agree(&mut office, &mut phone);
        meet_and_agree(&mut phone, &mut tablet);
        meet_and_agree(&mut tablet, &mut office);
        for desk in [&mut office, &mut phone, &mut tablet] {
            desk.reopen();
            assert_eq!(desk.credit("C").status, CreditStatus::Cancelled);
            assert_eq!(desk.available(), "500.00");
            assert_eq!(desk.pay("C", "1").unwrap_err().code(), "credit_cancelled");
        }
        tablet.command(notes("C", text)).unwrap();
    }
}

#[test]
fn f16_taking_back_a_payment_that_lost_does_not_reinstate_its_credit() {
    let (mut office, mut phone) = pair();
    phone.pay("C", "40").unwrap();
    office.cancel("C").unwrap();
    meet_and_agree(&mut office, &mut phone);
    let credit = shown(&mut office, &mut phone);
    assert_eq!((credit.status, credit.paid.as_str()), (CreditStatus::Cancelled, "40.00"), "the cash stays recorded");
    for desk in [&mut office, &mut phone] {
        let before = desk.mark();
        assert_eq!(desk.reverse_payment("C", 0).unwrap_err().code(), "credit_cancelled");
        assert_eq!(desk.mark(), before);
    }
    meet_and_agree(&mut office, &mut phone);
    assert_eq!(shown(&mut office, &mut phone).status, CreditStatus::Cancelled);
    assert_eq!(office.available(), "500.00");
}

/// Of a payment and a cancellation made apart, the newest stamp decides, on both alike; the cash stays recorded.
#[test]
fn a_payment_and_a_cancellation_apart_are_decided_by_the_newest_stamp() {
    for payment_is_newer in [true, false] {
        for canceller_calls in [true, false] {
            let (mut office, mut phone) = pair();
            if payment_is_newer {
                office.cancel("C").unwrap();
                phone.pay("C", "40").unwrap();
            } else {
                phone.pay("C", "40").unwrap();
                office.cancel("C").unwrap();
            }
            if canceller_calls {
                meet_and_agree(&mut office, &mut phone);
            } else {
                meet_and_agree(&mut phone, &mut office);
            }
            let credit = shown(&mut office, &mut phone);
            let (status, available) = if payment_is_newer {
                (CreditStatus::PartlyPaid, "400.00")
            } else {
                (CreditStatus::Cancelled, "500.00")
            };
            assert_eq!((credit.status, credit.paid.as_str()), (status, "40.00"));
            assert_eq!(credit.cancelled_at.is_some(), !payment_is_newer);
            for desk in [&mut office, &mut phone] {
                desk.reopen();
                assert_eq!((desk.credit("C").status, desk.available().as_str()), (status, available));
                desk.assert_sound();
            }
        }
    }
}

/// What one had seen is replaced, whatever the stamps: a clock that is behind does not undo a cancellation.
#[test]
fn a_payment_after_a_cancellation_that_was_seen_is_refused_even_by_a_clock_that_is_behind() {
    let (mut office, mut phone) = pair();
    office.cancel("C").unwrap();
    meet_and_agree(&mut office, &mut phone);
    let now = phone.now();
    phone.set_now(Timestamp(now.0 - DAY));
    assert_eq!(phone.pay("C", "40").unwrap_err().code(), "credit_cancelled");
    phone.set_now(now);
}

#[test]
fn two_cancellations_apart_give_the_amount_back_once() {
    let (mut office, mut phone) = pair();
    assert_eq!(office.available(), "400.00");
    office.cancel("C").unwrap();
    phone.cancel("C").unwrap();
    meet_and_agree(&mut office, &mut phone);
    assert_eq!(shown(&mut office, &mut phone).status, CreditStatus::Cancelled);
    assert_eq!((office.available().as_str(), phone.available().as_str()), ("500.00", "500.00"));
}

fn notes(credit: &str, text: &str) -> Command {
    edit(credit, vec![Edit::Notes(Some(text.to_owned()))])
}

fn edit(credit: &str, edits: Vec<Edit>) -> Command {
    Command::Edit { credit: credit.to_owned(), edits, agent: None }
}

#[test]
fn edits_made_apart_merge_field_by_field() {
    let (mut office, mut phone) = pair();
    let due = Timestamp(office.now().0 + DAY);
    let name = |name: &str| Edit::Name(name.to_owned());
    let phone_number = |number: &str| Edit::Phone(Some(number.to_owned()));
    office.command(edit("C", vec![name("Amani M."), phone_number("+243810000009")])).unwrap();
    phone.command(edit("C", vec![name("A. Mumbere"), Edit::DueAt(Some(due))])).unwrap();
    office.command(edit("C", vec![Edit::Address(Some("Q. Katindo".to_owned()))])).unwrap();
    meet_and_agree(&mut office, &mut phone);
    let credit = shown(&mut office, &mut phone);
    let beneficiary = credit.beneficiary;
    assert_eq!(beneficiary.name, "A. Mumbere", "the newest of the names");
    assert_eq!(beneficiary.phone.as_deref(), Some("+243810000009"), "only one said anything of it");
    assert_eq!(beneficiary.address.as_deref(), Some("Q. Katindo"));
    assert_eq!(credit.due_at, Some(due.to_rfc3339()));
    // Taking away is a value like others.
    phone.command(edit("C", vec![Edit::Phone(None)])).unwrap();
    office.command(edit("C", vec![Edit::DueAt(None)])).unwrap();
    meet_and_agree(&mut office, &mut phone);
    let credit = shown(&mut office, &mut phone);
    assert_eq!((credit.beneficiary.phone, credit.due_at), (None, None));
}

#[test]
fn too_much_paid_apart_is_all_kept_and_shown_as_overpaid() {
    let (mut office, mut phone) = pair();
    office.pay("C", "70").unwrap();
    phone.pay("C", "60.50").unwrap();
    meet_and_agree(&mut office, &mut phone);
    let credit = shown(&mut office, &mut phone);
    let sums = [&credit.paid, &credit.remaining, &credit.overpaid].map(String::as_str);
    assert_eq!((credit.status, sums), (CreditStatus::Paid, ["130.50", "0.00", "30.50"]));
    assert_eq!(office.available(), "400.00", "cash is no float");
    office.reverse_payment("C", 0).unwrap();
    meet_and_agree(&mut office, &mut phone);
    let credit = shown(&mut office, &mut phone);
    let sums = [&credit.paid, &credit.remaining, &credit.overpaid].map(String::as_str);
    assert_eq!((credit.status, sums), (CreditStatus::PartlyPaid, ["60.50", "39.50", "0.00"]));
}

#[test]
fn one_payment_reversed_on_two_desks_is_taken_off_once() {
    let (mut office, mut phone) = pair();
    office.pay("C", "30").unwrap();
    office.pay("C", "20").unwrap();
    meet_and_agree(&mut office, &mut phone);
    office.reverse_payment("C", 0).unwrap();
    phone.reverse_payment("C", 0).unwrap();
    meet_and_agree(&mut office, &mut phone);
    let credit = shown(&mut office, &mut phone);
    assert_eq!((credit.paid.as_str(), credit.status), ("20.00", CreditStatus::PartlyPaid));
}

#[test]
fn one_reference_used_apart_is_two_credits_that_both_stand_and_names_the_earlier() {
    let (mut office, mut phone) = pair();
    office.grant("SAME", "10").unwrap();
    phone.grant("same", "20").unwrap();
    meet_and_agree(&mut office, &mut phone);
    assert_eq!(office.available(), "370.00");
    let ids: Vec<String> = office.list(&all()).into_iter().map(|credit| credit.id.to_string()).collect();
    assert_eq!(ids.len(), 3);
    for desk in [&mut office, &mut phone] {
        let Ok(Answer::Credit(paid)) = desk.pay("SAME", "1") else { panic!("a credit") };
        assert_eq!(paid.amount, "10.00");
        for id in &ids {
            desk.pay(id, "1").unwrap();
        }
    }
    meet_and_agree(&mut office, &mut phone);
    let earlier = |credit: &CreditView| credit.reference == "SAME";
    assert!(office.list(&all()).iter().all(|credit| credit.paid == if earlier(credit) { "4.00" } else { "2.00" }));
}

/// Something that a person at one of three desks does; places are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    Grant { cents: u32, francs: bool },
    Pay { credit: usize, cents: u32 },
    PayRest { credit: usize },
    ReversePayment { credit: usize, payment: usize },
    Cancel { credit: usize },
    Edit { credit: usize, notes: u8 },
    Capture { cents: u32, state: CaptureState },
    Withdraw { cents: u32 },
    Deposit { cents: u32 },
    Validate { movement: usize },
    Reimburse { movement: usize },
    ReverseMovement { movement: usize },
    Meet { with: usize },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let cents = 1..20_000_u32;
    let place = 0..8_usize;
    let state = prop_oneof![Just(CaptureState::Pending), Just(CaptureState::Validated), Just(CaptureState::Cancelled)];
    let step = prop_oneof![
        4 => (cents.clone(), proptest::bool::weighted(0.2))
            .prop_map(|(cents, francs)| Step::Grant { cents, francs }),
        4 => (place.clone(), cents.clone()).prop_map(|(credit, cents)| Step::Pay { credit, cents }),
        2 => place.clone().prop_map(|credit| Step::PayRest { credit }),
        2 => (place.clone(), 0..3_usize).prop_map(|(credit, payment)| Step::ReversePayment { credit, payment }),
        3 => place.clone().prop_map(|credit| Step::Cancel { credit }),
        1 => (place.clone(), any::<u8>()).prop_map(|(credit, notes)| Step::Edit { credit, notes }),
        2 => (cents.clone(), state).prop_map(|(cents, state)| Step::Capture { cents, state }),
        1 => cents.clone().prop_map(|cents| Step::Withdraw { cents }),
        1 => cents.prop_map(|cents| Step::Deposit { cents }),
        1 => place.clone().prop_map(|movement| Step::Validate { movement }),
        1 => place.clone().prop_map(|movement| Step::Reimburse { movement }),
        2 => place.prop_map(|movement| Step::ReverseMovement { movement }),
        4 => (1..3_usize).prop_map(|with| Step::Meet { with }),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec((0..3_usize, step), 1..40)
}

fn decimal(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn do_step(desks: &mut [Desk; 3], at: usize, step: &Step, count: usize) {
    if let Step::Meet { with } = step {
        let other = (at + with) % 3;
        let [left, right] = desks.get_disjoint_mut([at, other]).unwrap();
        meet(left, right);
        return;
    }
    let desk = &mut desks[at];
    let credits = desk.list(&all());
    let movements = desk.movements(SIM, 1_000);
    let credit = |place: usize| credits.get(place % credits.len().max(1)).map(|credit| credit.id.to_string());
    let movement = |place: usize| movements.get(place % movements.len().max(1)).map(|found| found.id.to_string());
    let moved = |kind| Some(Command::Move { sim: number(SIM), kind, agent: None });
    let command = match step {
        Step::Grant { cents, francs } => {
            let amount = format!("{}{}", decimal(*cents), if *francs { " CDF" } else { "" });
            // A few references, so that some are used twice, together and apart.
            Some(Command::Grant(request(&format!("C-{}", count % 9), SIM, &amount)))
        }
        Step::Pay { credit: place, cents } => credit(*place).map(|id| pay(&id, &decimal(*cents))),
        Step::PayRest { credit: place } => credit(*place).map(|id| pay(&id, &credits[place % credits.len()].remaining)),
        Step::ReversePayment { credit: place, payment } => credit(*place).and_then(|id| {
            let payment = credits[place % credits.len()].payments.get(*payment)?.id.to_string();
            Some(crate::desk::reverse_payment(&id, &payment))
        }),
        Step::Cancel { credit: place } => credit(*place).map(|id| cancel(&id)),
        Step::Edit { credit: place, notes: text } => credit(*place).map(|id| notes(&id, &text.to_string())),
        Step::Capture { cents, state } => moved(capture(&decimal(*cents), *state)),
        Step::Withdraw { cents } => moved(withdrawal(&decimal(*cents))),
        Step::Deposit { cents } => moved(deposit(&decimal(*cents))),
        Step::Validate { movement: place } => movement(*place).map(|movement| Command::ValidateCapture { movement }),
        Step::Reimburse { movement: place } => movement(*place).map(|movement| Command::Reimburse { movement }),
        Step::ReverseMovement { movement: place } => movement(*place).map(|id| reverse_movement(&id)),
        Step::Reopen => {
            desk.reopen();
            None
        }
        Step::Meet { .. } => None,
    };
    let Some(command) = command else { return };
    let before = desk.mark();
    match desk.command(command) {
        Ok(_) => assert_ne!(desk.mark(), before, "{step:?}: accepted, and nothing was written"),
        Err(_) => assert_eq!(desk.mark(), before, "{step:?}: refused, and something was written"),
    }
}

/// What a SIM holds by the formula of the domain, computed from what is listed, in whole cents.
fn computed(desk: &mut Desk, currency: Currency) -> i128 {
    let mut sum = 0;
    for movement in desk.movements(SIM, 3) {
        if movement.currency != currency || movement.reversed {
            continue;
        }
        let amount = cents(&movement.amount);
        sum += match (movement.kind.as_str(), movement.state.as_deref()) {
            ("opening", _) | ("capture", Some("validee")) => amount,
            ("capture" | "gift", _) => 0,
            ("withdrawal" | "deposit", _) => -amount,
            (kind, state) => panic!("a movement of kind {kind}, {state:?}"),
        };
    }
    for credit in desk.list(&all()) {
        let paid: i128 =
            credit.payments.iter().filter(|payment| !payment.reversed).map(|payment| cents(&payment.amount)).sum();
        let amount = cents(&credit.amount);
        assert_eq!(cents(&credit.paid), paid);
        assert_eq!(cents(&credit.remaining), (amount - paid).max(0));
        assert_eq!(cents(&credit.overpaid), (paid - amount).max(0));
        let status = match (credit.cancelled_at.is_some(), paid) {
            (true, _) => CreditStatus::Cancelled,
            (false, 0) => CreditStatus::Granted,
            (false, paid) if paid >= amount => CreditStatus::Paid,
            (false, _) => CreditStatus::PartlyPaid,
        };
        assert_eq!(credit.status, status);
        assert_eq!(credit.paid_at.is_some(), status == CreditStatus::Paid);
        if credit.currency == currency && status != CreditStatus::Cancelled {
            sum -= amount;
        }
    }
    sum
}

/// The SIM's accounts, without what each device may spend of it.
fn shown_to_all(desk: &mut Desk) -> BTreeMap<Currency, AccountView> {
    let mut accounts = desk.accounts(SIM);
    for account in accounts.values_mut() {
        // What the device itself holds, and whom it has not heard of.
        (account.this_device, account.at_least, account.oldest_heard) = (String::new(), String::new(), None);
    }
    accounts
}

proptest! {
    #![proptest_config(Config { cases: 96, failure_persistence: None, ..Config::default() })]

    #[test]
    fn desks_that_did_anything_apart_show_one_state_once_all_have_met(steps in steps()) {
        let mut office = Desk::found();
        office.add_sim(SIM, &["300", "250 CDF"]).unwrap();
        let mut phone = join(&mut office, "telephone", 1, Role::Device);
        let mut tablet = join(&mut office, "tablette", 1, Role::Manager);
        for desk in [&mut phone, &mut tablet] {
            office.give(desk, "100");
            office.give(desk, "80 CDF");
            meet(&mut office, desk);
        }
        let mut desks = [office, phone, tablet];
        for (count, (at, step)) in steps.iter().enumerate() {
            do_step(&mut desks, *at, step, count);
        }
        let [office, phone, tablet] = &mut desks;
        for desk in [&mut *office, &mut *phone, &mut *tablet] {
            let computed = Currency::ALL.map(|currency| computed(desk, currency));
            let shown = desk.accounts(SIM);
            prop_assert_eq!(computed, Currency::ALL.map(|currency| cents(&shown[&currency].available)), "still apart");
        }
        // Once around tells all; what is then said of cancellations, and what comes back, goes around twice more.
        for _ in 0..3 {
            meet(office, phone);
            meet(phone, tablet);
            meet(tablet, office);
        }
        let (digest, accounts) = (office.digest(), shown_to_all(office));
        for desk in [&mut *office, &mut *phone, &mut *tablet] {
            prop_assert_eq!(desk.digest(), digest.clone());
            prop_assert_eq!(shown_to_all(desk), accounts.clone());
            desk.assert_sound();
            for currency in Currency::ALL {
                prop_assert_eq!(computed(desk, currency), cents(&accounts[&currency].available));
            }
            desk.reopen();
            prop_assert_eq!(desk.digest(), digest.clone(), "after opening again");
        }
    }
}

#[test]
fn shops_that_only_meet_through_a_third_hear_of_each_other() {
    let mut office = Desk::with_sim("500");
    let mut phone = join(&mut office, "telephone", 1, Role::Device);
    let mut tablet = join(&mut office, "tablette", 1, Role::Device);
    office.give(&mut phone, "20");
    meet(&mut office, &mut phone);
    phone.grant("FAR", "12.34").unwrap();
    meet(&mut phone, &mut tablet);
    meet_and_agree(&mut tablet, &mut office);
    assert_eq!(office.credit("FAR").amount, money("12.34").to_decimal_string());
    assert_eq!(office.credit("FAR").device, "telephone");
}
