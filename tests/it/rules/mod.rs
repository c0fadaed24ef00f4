//! What the rules of the acting device allow and refuse: a table of texts for each rule, each row with the code of
//! its refusal or `ok`. A refusal writes nothing.

mod codes;
mod old_ids;
mod typed;

use std::collections::BTreeSet;

use ucash::ledger::{CreditFilter, Refusal};
use ucash::membership::{ReadScope, Role};
use ucash::model::{Capture, CaptureState, Edit, MovementKind, Operator, ShopId, Timestamp, Withdrawal};
use ucash::replica::{Answer, Command, Query};

use self::old_ids::old_ids;
use self::typed::{add_shop, typed, typed_grant};
use crate::desk::{
    self, DAY, Desk, Outcome, SIM, START, capture, deposit, invite, join, meet, money, number, request,
    reverse_movement, reverse_payment, withdrawal,
};

/// The SIM of shop 2, which holds 300 USD.
const OTHER_SIM: &str = "0990000002";
/// An id of each kind that nothing has.
const NO_CREDIT: &str = "cr_aaaaaaaaaaaaaaaa";
const NO_PAYMENT: &str = "pm_aaaaaaaaaaaaaaaa";
const NO_MOVEMENT: &str = "mv_aaaaaaaaaaaaaaaa";

/// Two shops: in Goma the head office, a manager, a counter and an auditor; in Bukavu a counter.
struct Company {
    office: Desk,
    manager: Desk,
    counter: Desk,
    auditor: Desk,
    bukavu: Desk,
    /// The codes that were met, and what bore them.
    seen: Vec<Refusal>,
}

impl Company {
    fn new() -> Company {
        let mut office = Desk::with_sim("500");
        office.command(add_shop(Some(2), "Bukavu")).unwrap();
        office
            .command(Command::AddSim {
                sim: number(OTHER_SIM),
                operator: Operator::Orange,
                shop: Some(ShopId(2)),
                opening: vec![money("300")],
            })
            .unwrap();
        let manager = join(&mut office, "chef", 1, Role::Manager);
        let mut counter = join(&mut office, "comptoir", 1, Role::Device);
        let auditor = join(&mut office, "audit", 1, Role::Auditor);
        let mut bukavu = join(&mut office, "agence", 2, Role::Device);
        // The counter and Bukavu have all that there is to spend.
        office.give(&mut counter, "500");
        office.give_of(OTHER_SIM, &mut bukavu, "200");
        let mut company = Company { office, manager, counter, auditor, bukavu, seen: Vec::new() };
        company.meet();
        company
    }

    /// Everyone hears of everything.
    fn meet(&mut self) {
        for _ in 0..2 {
            for desk in [&mut self.manager, &mut self.counter, &mut self.auditor, &mut self.bukavu] {
                meet(&mut self.office, desk);
            }
        }
    }

    fn desk(&mut self, who: Who) -> &mut Desk {
        match who {
            Office => &mut self.office,
            Manager => &mut self.manager,
            Counter => &mut self.counter,
            Auditor => &mut self.auditor,
            Bukavu => &mut self.bukavu,
        }
    }

    /// Does the command and compares: `ok`, or the code of its refusal, which must have changed nothing.
    fn check(&mut self, who: Who, row: &str, command: Result<Command, Refusal>, expected: &str) -> Option<Answer> {
        let desk = self.desk(who);
        let before = desk.mark();
        let outcome: Outcome = command.and_then(|command| desk.command(command));
        let after = desk.mark();
        let code = outcome.as_ref().map_or_else(Refusal::code, |_| "ok");
        assert_eq!(code, expected, "{row}: {outcome:?}");
        match outcome {
            Ok(answer) => Some(answer),
            Err(refusal) => {
                assert_eq!(before, after, "{row}: refused, and yet something changed");
                assert!(!refusal.to_string().is_empty(), "{row}: says nothing");
                self.seen.push(refusal);
                None
            }
        }
    }

    fn movement(&mut self, who: Who, kind: MovementKind) -> String {
        self.desk(who).moved(kind)
    }
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Office,
    Manager,
    Counter,
    Auditor,
    Bukavu,
}
use Who::{Auditor, Bukavu, Counter, Manager, Office};

fn granting(company: &mut Company) {
    let (fifty, fifty_one) = ("L".repeat(50), "L".repeat(51));
    let rows: [(Who, &str, &str, &str, &str); 30] = [
        (Counter, "CRED-1", "100", SIM, "ok"),
        (Counter, "CRED-1", "5", SIM, "reference_taken"),
        (Counter, "  cred-1 ", "5", SIM, "reference_taken"),
        (Counter, "", "5", SIM, "invalid_field"),
        (Counter, " \t ", "5", SIM, "invalid_field"),
        (Counter, "A\u{7}B", "5", SIM, "invalid_field"),
        (Counter, &fifty_one, "5", SIM, "invalid_field"),
        (Counter, &fifty, "5", SIM, "ok"),
        (Counter, "CRED-2", "0", SIM, "invalid_field"),
        (Counter, "CRED-2", "-0", SIM, "invalid_field"),
        (Counter, "CRED-2", "-5", SIM, "amount_negative"),
        (Counter, "CRED-2", "1.005", SIM, "amount_too_many_decimals"),
        (Counter, "CRED-2", "cent", SIM, "amount_not_a_number"),
        (Counter, "CRED-2", "10000000000000", SIM, "amount_too_large"),
        (Counter, "CRED-2", "5 EUR", SIM, "unknown_currency"),
        (Counter, "CRED-2", "5", "0990000009", "unknown_sim"),
        (Counter, "CRED-2", "5", OTHER_SIM, "sim_of_another_shop"),
        (Counter, "CRED-1", "5", OTHER_SIM, "sim_of_another_shop"),
        (Counter, "CRED-2", "395.01", SIM, "insufficient_share"),
        (Counter, "CRED-2", "9999999999999.99", SIM, "insufficient_share"),
        (Counter, "CRED-2", "0.01 CDF", SIM, "insufficient_share"),
        (Counter, "CRED-1", "9999", SIM, "reference_taken"),
        (Counter, "CRED-2", "394.99", SIM, "ok"),
        (Counter, "CRED-3", "0.02", SIM, "insufficient_share"),
        (Counter, "CRED-3", "0.01", SIM, "ok"),
        (Counter, "CRED-4", "0.01", SIM, "insufficient_share"),
        (Auditor, "CRED-5", "5", SIM, "not_allowed"),
        (Auditor, "CRED-5", "5", OTHER_SIM, "sim_of_another_shop"),
        (Bukavu, "CRED-5", "5", SIM, "sim_of_another_shop"),
        (Office, "CRED-5", "5", OTHER_SIM, "ok"),
    ];
    for (who, reference, amount, sim, expected) in rows {
        let row = format!("{who:?} grants {reference:?} of {amount} from {sim}");
        company.check(who, &row, typed_grant(reference, amount, sim).map(Command::Grant), expected);
    }
    assert_eq!(company.counter.available(), "0.00");

    let long = "n".repeat(256);
    let beneficiaries: [(&str, &str, Option<u32>, &str); 7] = [
        ("Chantal", "", Some(2), "ok"),
        ("Chantal", "", Some(99), "unknown_shop"),
        ("", "", None, "invalid_field"),
        ("  ", "", None, "invalid_field"),
        (&long, "", None, "invalid_field"),
        ("Chan\ntal", "", None, "invalid_field"),
        ("Chantal", "+24381000000100000000", None, "invalid_field"),
    ];
    for (place, (name, phone, shop, expected)) in beneficiaries.into_iter().enumerate() {
        let mut request = request(&format!("BEN-{place}"), OTHER_SIM, "1");
        request.beneficiary.name = name.to_owned();
        request.beneficiary.phone = (!phone.is_empty()).then(|| phone.to_owned());
        request.beneficiary.shop = shop.map(ShopId);
        company.check(Bukavu, &format!("to {name:?} {phone}, {shop:?}"), Ok(Command::Grant(request)), expected);
    }
}

fn paying(company: &mut Company) {
    for reference in ["P-1", "P-OFF"] {
        company.counter.grant(reference, "100").unwrap();
    }
    company.counter.cancel("P-OFF").unwrap();
    // Two devices of a shop use one reference apart: both are valid money.
    company.counter.give(&mut company.manager, "10");
    company.meet();
    company.manager.grant("TWICE", "10").unwrap();
    company.counter.grant("TWICE", "20").unwrap();
    // Two shops do too: who reads both has to say which.
    company.counter.grant("BOTH", "10").unwrap();
    company.bukavu.command(Command::Grant(request("BOTH", OTHER_SIM, "10"))).unwrap();
    company.meet();
    let id = company.counter.credit("P-1").id.to_string();
    let rows = [
        (Counter, "P-1", "0", "invalid_field"),
        (Counter, "P-1", "-1", "amount_negative"),
        (Counter, "P-1", "0.001", "amount_too_many_decimals"),
        (Counter, "P-1", "1e1", "amount_not_a_number"),
        (Counter, "P-1", "", "amount_not_a_number"),
        (Counter, "P-1", "99999999999999", "amount_too_large"),
        (Counter, "P-1", "100.01", "payment_exceeds_remaining"),
        (Bukavu, "P-1", "10", "not_allowed"),
        (Auditor, "P-1", "10", "not_allowed"),
        (Counter, " p-1 ", "60", "ok"),
        (Counter, "P-1", "40.01", "payment_exceeds_remaining"),
        (Counter, &id, "39.99", "ok"),
        (Counter, "P-1", "0.01", "ok"),
        (Counter, "P-1", "0.01", "credit_paid"),
        (Counter, "P-1", "0", "invalid_field"),
        (Counter, "P-OFF", "10", "credit_cancelled"),
        (Counter, "P-404", "10", "unknown_credit"),
        (Counter, NO_CREDIT, "10", "unknown_credit"),
        (Counter, "", "10", "unknown_credit"),
        // Within a shop the plain name is the earlier one's.
        (Counter, "TWICE", "10", "ok"),
        (Office, "BOTH", "10", "ambiguous_reference"),
    ];
    for (who, credit, amount, expected) in rows {
        company.check(who, &format!("{who:?} pays {amount} of {credit:?}"), Ok(desk::pay(credit, amount)), expected);
    }
    for (reference, agent, expected) in
        [(300, 0, "invalid_field"), (0, 300, "invalid_field"), (256, 0, "invalid_field")]
    {
        let mut command = desk::pay("P-1", "1");
        if let Command::Pay { reference: text, agent: who, .. } = &mut command {
            *text = Some("r".repeat(reference));
            *who = Some("a".repeat(agent));
        }
        company.check(Counter, &format!("pays with {reference} and {agent} letters"), Ok(command), expected);
    }
    let credit = company.counter.credit("P-1");
    assert_eq!((credit.paid.as_str(), credit.payments.len()), ("100.00", 3));
}

fn reversing_payments(company: &mut Company) {
    company.counter.grant("R-1", "50").unwrap();
    company.counter.grant("R-2", "50").unwrap();
    company.counter.pay("R-1", "50").unwrap();
    company.counter.pay("R-2", "20").unwrap();
    let [first, second] = ["R-1", "R-2"].map(|key| company.counter.credit(key).payments[0].id.to_string());
    company.meet();
    let rows = [
        (Counter, "R-1", NO_PAYMENT, "why", "unknown_payment"),
        (Counter, "R-1", "", "why", "unknown_payment"),
        (Counter, "R-1", second.as_str(), "why", "unknown_payment"),
        (Counter, "R-404", first.as_str(), "why", "unknown_credit"),
        (Counter, "R-1", first.as_str(), " ", "invalid_field"),
        (Counter, "R-1", first.as_str(), "a\nb", "invalid_field"),
        (Bukavu, "R-1", first.as_str(), "why", "not_allowed"),
        (Auditor, "R-1", first.as_str(), "why", "not_allowed"),
        (Manager, "R-1", first.as_str(), "why", "ok"),
        (Manager, "R-1", first.as_str(), "why", "payment_reversed"),
    ];
    for (who, credit, payment, why, expected) in rows {
        let mut command = reverse_payment(credit, payment);
        if let Command::ReversePayment { why: text, .. } = &mut command {
            *text = why.to_owned();
        }
        company.check(who, &format!("{who:?} takes {payment:?} of {credit} back: {why:?}"), Ok(command), expected);
    }
    let credit = company.manager.credit("R-1");
    assert_eq!((credit.paid.as_str(), credit.remaining.as_str(), credit.paid_at), ("0.00", "50.00", None));
}

fn cancelling(company: &mut Company) {
    company.counter.grant("A-1", "100").unwrap();
    company.counter.grant("A-2", "100").unwrap();
    company.counter.pay("A-1", "0.01").unwrap();
    company.counter.pay("A-2", "100").unwrap();
    company.meet();
    let rows = [
        (Counter, "A-1", "why", "cancel_with_payments"),
        (Counter, "A-2", "why", "cancel_with_payments"),
        (Counter, "A-404", "why", "unknown_credit"),
        (Counter, "A-1", "", "invalid_field"),
        (Bukavu, "A-1", "why", "cancel_with_payments"),
    ];
    let command =
        |credit: &str, why: &str| Ok(Command::Cancel { credit: credit.to_owned(), why: why.to_owned(), agent: None });
    for (who, credit, why, expected) in rows {
        company.check(who, &format!("{who:?} cancels {credit}: {why:?}"), command(credit, why), expected);
    }
    company.counter.reverse_payment("A-1", 0).unwrap();
    company.meet();
    assert_eq!(company.counter.available(), "300.00");
    for (who, expected) in [(Bukavu, "not_allowed"), (Auditor, "not_allowed"), (Counter, "ok")] {
        company.check(who, &format!("{who:?} cancels A-1 again"), command("A-1", "why"), expected);
    }
    assert_eq!(company.counter.available(), "400.00", "what was cancelled is back, once");
    company.check(Counter, "a second time", command("A-1", "why"), "credit_cancelled");
    assert_eq!(company.counter.available(), "400.00");
}

fn editing(company: &mut Company) {
    company.counter.grant("E-1", "10").unwrap();
    company.meet();
    let some = |text: &str| Some(text.to_owned());
    let rows: Vec<(Who, &str, Vec<Edit>, &str)> = vec![
        (Counter, "E-1", vec![], "nothing_to_change"),
        (Counter, "E-1", vec![Edit::Name("Amani Mumbere".to_owned())], "nothing_to_change"),
        (Counter, "E-1", vec![Edit::Notes(None), Edit::DueAt(None)], "nothing_to_change"),
        (Counter, "E-1", vec![Edit::Name(" ".to_owned())], "invalid_field"),
        (Counter, "E-1", vec![Edit::Name("n".repeat(256))], "invalid_field"),
        (Counter, "E-1", vec![Edit::Phone(Some("1".repeat(21)))], "invalid_field"),
        (Counter, "E-1", vec![Edit::Notes(Some("n".repeat(2_001)))], "invalid_field"),
        (Counter, "E-1", vec![Edit::Notes(some("a\u{0}b"))], "invalid_field"),
        (Counter, "E-1", vec![Edit::Address(some("Q. Katindo")), Edit::Name(String::new())], "invalid_field"),
        (Counter, "E-404", vec![Edit::Notes(some("x"))], "unknown_credit"),
        (Bukavu, "E-1", vec![Edit::Notes(some("x"))], "not_allowed"),
        (Auditor, "E-1", vec![Edit::Notes(some("x"))], "not_allowed"),
        (Counter, "E-1", vec![Edit::Notes(some("two\nlines")), Edit::DueAt(Some(START))], "ok"),
        (Counter, "E-1", vec![Edit::Notes(some("two\nlines"))], "nothing_to_change"),
        (Counter, "E-1", vec![Edit::Notes(None), Edit::Phone(None)], "ok"),
    ];
    for (who, credit, edits, expected) in rows {
        let row = format!("{who:?} edits {credit}: {edits:?}");
        company.check(who, &row, Ok(Command::Edit { credit: credit.to_owned(), edits, agent: None }), expected);
    }
    let credit = company.counter.credit("E-1");
    assert_eq!((credit.notes, credit.beneficiary.phone, credit.beneficiary.address), (None, None, None));
    assert_eq!(credit.due_at, Some(START.to_rfc3339()));
}

fn moving(company: &mut Company) {
    let mixed = |fee: &str| {
        let fee = Some(money(fee));
        let MovementKind::Capture(plain) = capture("50", CaptureState::Validated) else { unreachable!() };
        MovementKind::Capture(Capture { fee, ..plain })
    };
    let owed = |shop: u32| {
        MovementKind::Withdrawal(Withdrawal { amount: money("10"), owed_by: Some(ShopId(shop)), reimbursed: false })
    };
    let rows: Vec<(Who, &str, MovementKind, &str)> = vec![
        (Counter, SIM, MovementKind::Opening(money("5")), "not_allowed"),
        (Counter, SIM, capture("0", CaptureState::Validated), "invalid_field"),
        (Counter, SIM, mixed("1 CDF"), "invalid_field"),
        (Counter, SIM, withdrawal("0"), "invalid_field"),
        (Counter, SIM, deposit("0"), "invalid_field"),
        (Counter, "0990000009", capture("5", CaptureState::Pending), "unknown_sim"),
        (Counter, OTHER_SIM, capture("5", CaptureState::Pending), "sim_of_another_shop"),
        (Auditor, SIM, capture("5", CaptureState::Pending), "not_allowed"),
        (Counter, SIM, withdrawal("500.01"), "insufficient_share"),
        (Counter, SIM, deposit("500.01"), "insufficient_share"),
        (Counter, SIM, deposit("0.01 CDF"), "insufficient_share"),
        (Counter, SIM, owed(99), "unknown_shop"),
        (Counter, SIM, owed(2), "ok"),
        (Counter, SIM, deposit("490"), "ok"),
        (Counter, SIM, deposit("0.01"), "insufficient_share"),
        (Counter, SIM, capture("5", CaptureState::Pending), "ok"),
        (Counter, SIM, capture("5", CaptureState::Cancelled), "ok"),
        (Counter, SIM, deposit("0.01"), "insufficient_share"),
        (Counter, SIM, mixed("1"), "ok"),
        (Counter, SIM, capture("700 CDF", CaptureState::Validated), "ok"),
        (Counter, SIM, withdrawal("700.01 CDF"), "insufficient_share"),
        (Counter, SIM, withdrawal("700 CDF"), "ok"),
    ];
    for (who, sim, kind, expected) in rows {
        let row = format!("{who:?} moves {sim}: {kind:?}");
        company.check(who, &row, Ok(Command::Move { sim: number(sim), kind, agent: None }), expected);
    }
    assert_eq!(company.counter.available(), "50.00");
}

fn validating_and_reversing(company: &mut Company) {
    let opening = company.counter.movements(SIM, 10)[0].id.to_string();
    let pending = company.movement(Counter, capture("40", CaptureState::Pending));
    let given_up = company.movement(Counter, capture("40", CaptureState::Cancelled));
    let counted = company.movement(Counter, capture("40", CaptureState::Validated));
    let spent = company.movement(Counter, withdrawal("30"));
    let deposited = company.movement(Counter, deposit("20"));
    let mistaken = company.movement(Counter, capture("1", CaptureState::Pending));
    company.meet();
    assert_eq!(company.counter.available(), "490.00");
    let validate = |id: &str| Command::ValidateCapture { movement: id.to_owned() };
    let reimburse = |id: &str| Command::Reimburse { movement: id.to_owned() };
    let rows = [
        (Office, validate(&pending), "movement_of_another_device"),
        (Manager, validate(&pending), "movement_of_another_device"),
        (Counter, validate(NO_MOVEMENT), "unknown_movement"),
        (Counter, validate("nonsense"), "unknown_movement"),
        (Counter, validate(&spent), "movement_kind"),
        (Counter, validate(&counted), "capture_not_pending"),
        (Counter, validate(&given_up), "capture_not_pending"),
        (Counter, validate(&pending), "ok"),
        (Counter, validate(&pending), "capture_not_pending"),
        (Counter, reimburse(&pending), "movement_kind"),
        (Counter, reimburse(NO_MOVEMENT), "unknown_movement"),
        (Auditor, reimburse(&spent), "not_allowed"),
        (Bukavu, reimburse(&spent), "not_allowed"),
        (Manager, reimburse(&spent), "ok"),
        (Manager, reimburse(&spent), "already_reimbursed"),
        (Counter, reverse_movement(NO_MOVEMENT), "unknown_movement"),
        (Counter, reverse_movement(&opening), "movement_kind"),
        (Office, reverse_movement(&opening), "movement_kind"),
        (Office, reverse_movement(&deposited), "movement_of_another_device"),
        (Counter, reverse_movement(&mistaken), "ok"),
        (Counter, validate(&mistaken), "movement_reversed"),
        (Counter, reverse_movement(&deposited), "ok"),
        (Counter, reverse_movement(&deposited), "movement_reversed"),
        (Counter, reverse_movement(&spent), "ok"),
        (Counter, reimburse(&spent), "movement_reversed"),
        (Counter, Command::Grant(request("ALL", SIM, "550")), "ok"),
        (Counter, reverse_movement(&counted), "insufficient_share"),
        (Counter, desk::cancel("ALL"), "ok"),
        (Counter, reverse_movement(&counted), "insufficient_share"),
        (Counter, Command::ReturnCredit { credit: "ALL".to_owned() }, "ok"),
        (Counter, reverse_movement(&counted), "ok"),
        (
            Counter,
            Command::ReverseMovement { movement: pending.clone(), why: " ".to_owned(), agent: None },
            "invalid_field",
        ),
    ];
    for (who, command, expected) in rows {
        company.check(who, &format!("{who:?}: {command:?}"), Ok(command), expected);
    }
    assert_eq!(company.counter.available(), "540.00", "500 and the capture that was validated");
}

fn shops_and_sims(company: &mut Company) {
    let shops = [
        (Office, Some(1), "Goma", "shop_exists"),
        (Office, Some(2), "Elsewhere", "shop_exists"),
        (Office, Some(0), "Nowhere", "invalid_field"),
        (Office, None, " ", "invalid_field"),
        (Counter, None, "Uvira", "not_allowed"),
        (Manager, None, "Uvira", "not_allowed"),
        (Auditor, Some(1), "Uvira", "not_allowed"),
        (Office, Some(7), "Uvira", "ok"),
        (Office, None, "Beni", "ok"),
        (Office, Some(8), "Bunia", "shop_exists"),
    ];
    for (who, shop, name, expected) in shops {
        company.check(who, &format!("{who:?} adds shop {shop:?} {name:?}"), Ok(add_shop(shop, name)), expected);
    }
    let blank_town = Command::AddShop { shop: None, name: "Isiro".to_owned(), town: Some(" ".to_owned()) };
    company.check(Office, "a shop in no town", Ok(blank_town), "invalid_field");
    let sims = [
        (Counter, SIM, None, "5", "sim_exists"),
        (Counter, OTHER_SIM, None, "0", "sim_exists"),
        (Counter, "12", None, "0", "invalid_field"),
        (Counter, "+24397177763x", None, "0", "invalid_field"),
        (Counter, "0990000010", Some(99), "0", "unknown_shop"),
        (Counter, "0990000010", Some(2), "5", "not_allowed"),
        (Auditor, "0990000010", None, "0", "not_allowed"),
        (Counter, "0990000010", None, "-5", "amount_negative"),
        (Counter, "0990000010", None, "5", "ok"),
        (Counter, "0990000010", None, "5", "sim_exists"),
        (Office, "0990000011", Some(2), "0", "ok"),
    ];
    for (who, sim, shop, opening, expected) in sims {
        let command = || {
            let (sim, opening) = (ucash::model::SimNumber::new(sim)?, vec![typed(opening)?]);
            Ok(Command::AddSim { sim, operator: Operator::Airtel, shop: shop.map(ShopId), opening })
        };
        company.check(who, &format!("{who:?} adds SIM {sim} to {shop:?} with {opening}"), command(), expected);
    }
}

fn invitations_and_devices(company: &mut Company) {
    type Change<'a> = &'a dyn Fn(&mut Option<ShopId>, &mut Option<String>, &mut ReadScope, &mut i64);
    let with = |change: Change<'_>| {
        let mut command = invite(1, Role::Device);
        if let Command::Invite { shop, new_shop, read, expires_in_ms, .. } = &mut command {
            change(shop, new_shop, read, expires_in_ms);
        }
        command
    };
    let revoke = |device: &str| Command::RevokeDevice { device: device.to_owned() };
    let rename = |device: &str, name: &str| Command::RenameDevice { device: device.to_owned(), name: name.to_owned() };
    let local = |key: &str, bytes: usize| Command::PutLocal { key: key.to_owned(), value: Some(vec![0; bytes]) };
    let rows = [
        (Office, invite(1, Role::HeadOffice), "not_allowed"),
        (Office, invite(99, Role::Device), "unknown_shop"),
        (Office, with(&|_, _, _, expires| *expires = 999), "invalid_field"),
        (Office, with(&|_, _, _, expires| *expires = 7 * DAY + 1), "invalid_field"),
        (Office, with(&|_, _, _, expires| *expires = 7 * DAY), "ok"),
        (Office, with(&|shop, name, _, _| (*shop, *name) = (None, Some(" ".to_owned()))), "invalid_field"),
        (Office, with(&|_, name, _, _| *name = Some("Goma again".to_owned())), "shop_exists"),
        (Office, with(&|shop, name, _, _| (*shop, *name) = (None, Some("Kolwezi".to_owned()))), "ok"),
        (Counter, invite(1, Role::Device), "not_allowed"),
        (Auditor, invite(1, Role::Auditor), "not_allowed"),
        (Manager, invite(1, Role::Manager), "not_allowed"),
        (Manager, invite(1, Role::Relay), "not_allowed"),
        (Manager, invite(2, Role::Device), "not_allowed"),
        (Manager, with(&|shop, name, _, _| (*shop, *name) = (None, Some("Beni".to_owned()))), "not_allowed"),
        (Manager, with(&|_, _, read, _| *read = ReadScope::Own), "ok"),
        (Office, revoke("siege"), "not_allowed"),
        (Office, revoke("nobody"), "unknown_device"),
        (Counter, revoke("audit"), "not_allowed"),
        (Manager, revoke("agence"), "not_allowed"),
        (Manager, revoke("siege"), "not_allowed"),
        (Office, rename("nobody", "x"), "unknown_device"),
        (Office, rename("comptoir", " "), "invalid_field"),
        (Counter, rename("chef", "x"), "not_allowed"),
        (Counter, rename("comptoir", "comptoir 2"), "ok"),
        (Counter, local("", 1), "invalid_field"),
        (Counter, local(&"k".repeat(65), 1), "invalid_field"),
        (Counter, local("k", 4_097), "invalid_field"),
        (Counter, local(&"k".repeat(64), 4_096), "ok"),
    ];
    for (who, command, expected) in rows {
        company.check(who, &format!("{who:?}: {command:?}"), Ok(command), expected);
    }
}

fn clocks_keys_and_cursors(company: &mut Company) {
    let now = company.counter.now();
    company.counter.set_now(Timestamp(Timestamp::YEAR_2020.0 - 1_001));
    company.check(Counter, "in 2019", Ok(Command::Grant(request("K-0", SIM, "1"))), "ok");
    company.counter.set_now(now);
    company.check(Counter, "today", Ok(Command::Grant(request("K-1", SIM, "1"))), "ok");

    company.counter.keyed("key", desk::pay("K-1", "0.50")).unwrap();
    let before = company.counter.mark();
    for (key, expected) in
        [("key", "idempotency_key_reused"), ("", "invalid_field"), (&"k".repeat(256), "invalid_field")]
    {
        let refusal = company.counter.keyed(key, desk::pay("K-1", "0.40")).unwrap_err();
        assert_eq!(refusal.code(), expected, "{key:?}");
        company.seen.push(refusal);
    }
    for after in ["", "x", "0", "0.cr_", "1780000000000.pm_aaaaaaaaaaaaaaaa", "x.cr_aaaaaaaaaaaaaaaa"] {
        let filter = CreditFilter { after: Some(after.to_owned()), limit: 5, ..CreditFilter::default() };
        let refusal = company.counter.ask(Query::Credits(filter)).unwrap_err();
        assert_eq!(refusal.code(), "bad_cursor", "{after:?}");
        company.seen.push(refusal);
    }
    for after in ["", "x", NO_MOVEMENT] {
        let query = Query::Movements { sim: number(SIM), limit: 5, after: Some(after.to_owned()) };
        assert_eq!(company.counter.ask(query).unwrap_err(), Refusal::BadCursor, "{after:?}");
    }
    for (query, expected) in [
        (Query::Credit { key: "K-404".to_owned() }, "unknown_credit"),
        (Query::CreditHistory { key: NO_CREDIT.to_owned() }, "unknown_credit"),
        (Query::SimBalance { sim: number("0990000009") }, "unknown_sim"),
        (Query::Movements { sim: number("0990000009"), limit: 5, after: None }, "unknown_sim"),
    ] {
        assert_eq!(company.counter.ask(query).unwrap_err().code(), expected);
    }
    assert_eq!(company.counter.mark(), before);
}

type Table = fn(&mut Company);

const TABLES: [(&str, Table); 11] = [
    ("granting", granting),
    ("paying", paying),
    ("reversing payments", reversing_payments),
    ("cancelling", cancelling),
    ("editing", editing),
    ("moving", moving),
    ("validating and reversing", validating_and_reversing),
    ("shops and SIMs", shops_and_sims),
    ("invitations and devices", invitations_and_devices),
    ("clocks, keys and cursors", clocks_keys_and_cursors),
    ("old ids", old_ids),
];

#[test]
fn each_rule_allows_and_refuses_what_its_table_says() {
    let mut codes = BTreeSet::new();
    for (name, table) in TABLES {
        eprintln!("table: {name}");
        let mut company = Company::new();
        table(&mut company);
        company.meet();
        for who in [Office, Manager, Counter, Auditor, Bukavu] {
            company.desk(who).assert_sound();
        }
        for refusal in &company.seen {
            assert_eq!(codes::met(refusal), codes::Met::InTables, "{refusal}");
            codes.insert(refusal.code());
        }
    }
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), codes::CODES, "every refusal of a command has a row");
}
