//! Tests written as tables: each line a command and what comes of it.
//!
//! ```text
//! grant   A1 100 USD        => accorde 0.00 100.00        status, paid, remaining
//! till: pay A1 101          => ! payment_exceeds_remaining
//! balance USD               => 900.00
//! ```
//!
//! A line may begin with the device that acts (`till:`; else the office) and an idempotency key (`[key]`). In a
//! value, `_` is a space. Movements bear names (`m1`), payments numbers. The network: shop 1 with office and till,
//! shop 2 with branch; SIM 1 (`+243971777631`, 1000 USD, 500000 CDF) and SIM 2 (`+243990000002`, 100 USD).

use std::collections::BTreeMap;

use ucash::ledger::{CreditFilter, Refusal};
use ucash::membership::{ReadScope, Role};
use ucash::model::{
    CaptureState, Deposit, Edit, Grant, MovementKind, Operator, PaymentMode, Reference, ShopId, Timestamp, Withdrawal,
};
use ucash::replica::{Answer, Command, CreditView, ImportRow, ImportedCredit, ImportedPayment, Query, RowOutcome};

use crate::refusals;
use crate::seats::{Answered, Desk, FOUNDED, OFFICE, SHOP, SIM, amount, capture, grant_request, sim_number};

/// The SIM of shop 2.
pub const SIM_2: &str = "+243990000002";
const DEVICES: [&str; 3] = ["office", "till", "branch"];
const DAY_MS: i64 = 86_400_000;

/// Runs every line of a table on a fresh network; panics at the first that comes out otherwise.
pub fn check(table: &str) {
    let mut desk = Desk::found();
    desk.add_shop(ShopId(2), "Bukavu");
    desk.add_sim_to(OFFICE, Some(ShopId(2)), SIM_2, "100", "0");
    desk.join(SHOP, "till");
    desk.join(ShopId(2), "branch");
    desk.meet_all();
    let mut run = Run { desk, movements: BTreeMap::new() };
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (action, expected) = line.split_once("=>").unwrap_or((line, "ok"));
        let before = run.desk.digest(OFFICE);
        let found = run.line(action.trim());
        let expected = expected.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(found, expected, "in the line\n    {line}\n");
        if found.starts_with('!') {
            assert_eq!(run.desk.digest(OFFICE), before, "a refusal changed something:\n    {line}\n");
        }
    }
    for seat in 0..run.desk.seats() {
        run.desk.set_clock_off(seat, 0);
    }
    run.desk.meet_all();
    run.desk.assert_one_state();
}

struct Run {
    desk: Desk,
    movements: BTreeMap<String, String>,
}

/// The words of a line: bare ones in order, and `name=value` ones.
struct Words<'a> {
    bare: Vec<&'a str>,
    named: BTreeMap<&'a str, String>,
}

impl Words<'_> {
    fn at(&self, index: usize) -> &str {
        self.bare.get(index).copied().unwrap_or_else(|| panic!("a word is missing after {:?}", self.bare))
    }

    fn sum(&self, index: usize) -> String {
        format!("{} {}", self.at(index), self.at(index + 1))
    }

    fn named(&self, name: &str) -> Option<String> {
        self.named.get(name).cloned()
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.named.get(name).map(|text| text.parse().expect("a number"))
    }

    fn days(&self, name: &str) -> Option<Timestamp> {
        self.number(name).map(|days| FOUNDED.plus_ms(i64::from(days) * DAY_MS))
    }
}

impl Run {
    fn line(&mut self, line: &str) -> String {
        let mut seat = OFFICE;
        let mut rest = line;
        for (index, device) in DEVICES.iter().enumerate() {
            if let Some(after) = line.strip_prefix(&format!("{device}:")) {
                (seat, rest) = (index, after.trim());
            }
        }
        let mut key = None;
        if let Some((found, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            (key, rest) = (Some(found), after.trim());
        }
        let (named, bare): (Vec<&str>, Vec<&str>) = rest.split_whitespace().partition(|word| word.contains('='));
        let split = |word| str::split_once(word, '=').expect("partitioned by it");
        let named = named.into_iter().map(split).map(|(name, value)| (name, value.replace('_', " ")));
        let words = Words { bare, named: named.collect() };
        if let Some(done) = self.outside(&words) {
            return done;
        }
        if let Some(query) = self.query(&words) {
            let answered = self.desk.query(seat, query);
            return self.shown(&words, answered);
        }
        let command = self.command(&words);
        let answered = match key {
            Some(key) => self.desk.keyed(seat, key, command),
            None => self.desk.command(seat, command),
        };
        self.shown(&words, answered)
    }

    /// What is no command: meetings and clocks.
    fn outside(&mut self, words: &Words<'_>) -> Option<String> {
        let seat = |index| DEVICES.iter().position(|device| *device == words.at(index)).expect("a device");
        match words.at(0) {
            "meet" => self.desk.meet_all(),
            "wait_days" => self.desk.wait(words.at(1).parse::<i64>().expect("days") * DAY_MS),
            "clock_off_days" => {
                self.desk.set_clock_off(seat(1), words.at(2).parse::<i64>().expect("days") * DAY_MS);
            }
            _ => return None,
        }
        Some("ok".to_owned())
    }

    fn query(&mut self, words: &Words<'_>) -> Option<Query> {
        Some(match words.at(0) {
            "balance" => {
                let sim = sim_number(words.named.get("sim").map_or(SIM, String::as_str));
                Query::SimBalance { sim }
            }
            "show" => Query::Credit { key: words.at(1).to_owned() },
            "history" => Query::CreditHistory { key: words.at(1).to_owned() },
            "list" => {
                Query::Credits(CreditFilter { after: words.named("after"), limit: 10, ..CreditFilter::default() })
            }
            "movements" => {
                let sim = sim_number(words.named.get("sim").map_or(SIM, String::as_str));
                Query::Movements { sim, limit: 10, after: words.named("after") }
            }
            _ => return None,
        })
    }

    fn command(&mut self, words: &Words<'_>) -> Command {
        let agent = words.named("agent");
        let why = words.named("why").unwrap_or_else(|| "a reason".to_owned());
        let credit = || words.at(1).to_owned();
        let sim = || sim_number(words.named.get("sim").map_or(SIM, String::as_str));
        match words.at(0) {
            "grant" => {
                let mut request = grant_request(words.at(1), &words.sum(2));
                request.sim = sim();
                request.due_at = words.days("due");
                request.beneficiary.name = words.named("name").unwrap_or(request.beneficiary.name);
                request.beneficiary.phone = words.named("phone");
                request.beneficiary.address = words.named("address");
                request.beneficiary.shop = words.number("to_shop").map(ShopId);
                request.notes = words.named("notes");
                Command::Grant(request)
            }
            "pay" => {
                let reference = words.named("reference");
                Command::Pay {
                    credit: credit(),
                    amount: words.at(2).to_owned(),
                    mode: PaymentMode::Cash,
                    reference,
                    agent,
                }
            }
            "unpay" => {
                let payment = self.payment(words.at(1), words.at(2));
                Command::ReversePayment { credit: credit(), payment, why, agent }
            }
            "cancel" => Command::Cancel { credit: credit(), why, agent },
            "edit" => {
                let some = |text: &String| (text != "-").then(|| text.clone());
                let edits = words.named.iter().map(|(field, value)| match *field {
                    "name" => Edit::Name(value.clone()),
                    "phone" => Edit::Phone(some(value)),
                    "address" => Edit::Address(some(value)),
                    "notes" => Edit::Notes(some(value)),
                    "due" => Edit::DueAt(words.days("due").filter(|_| value != "-")),
                    other => panic!("no field {other}"),
                });
                Command::Edit { credit: credit(), edits: edits.collect(), agent }
            }
            "capture" => {
                let state = CaptureState::from_word(words.at(4)).expect("a capture's state");
                let mut kind = capture(&words.sum(2), state);
                if let MovementKind::Capture(capture) = &mut kind {
                    capture.cash = words.named("cash").map(|text| amount(&text));
                    capture.phone = words.named("phone");
                }
                Command::Move { sim: sim(), kind, agent }
            }
            "withdraw" => {
                let owed_by = words.number("owed_by").map(ShopId);
                let withdrawal = Withdrawal { amount: amount(&words.sum(2)), owed_by, reimbursed: false };
                Command::Move { sim: sim(), kind: MovementKind::Withdrawal(withdrawal), agent }
            }
            "deposit" => {
                let deposit = Deposit { amount: amount(&words.sum(2)), phone: words.named("phone") };
                Command::Move { sim: sim(), kind: MovementKind::Deposit(deposit), agent }
            }
            "opening" => Command::Move { sim: sim(), kind: MovementKind::Opening(amount(&words.sum(2))), agent },
            "validate" => Command::ValidateCapture { movement: self.movement(words.at(1)) },
            "reimburse" => Command::Reimburse { movement: self.movement(words.at(1)) },
            "undo" => Command::ReverseMovement { movement: self.movement(words.at(1)), why, agent },
            "shop" => {
                let shop = words.number("number").map(ShopId);
                let name = words.named("name").unwrap_or_else(|| "Uvira".to_owned());
                Command::AddShop { shop, name, town: words.named("town") }
            }
            "sim" => {
                let opening = words.named("opening").map(|text| amount(&text)).into_iter().collect();
                let shop = words.number("shop").map(ShopId);
                Command::AddSim { sim: sim_number(words.at(1)), operator: Operator::Orange, shop, opening }
            }
            "invite" => Command::Invite {
                shop: words.number("shop").map(ShopId),
                new_shop: words.named("new_shop"),
                role: Role::ALL.into_iter().find(|role| role.word() == words.at(1)).expect("a role"),
                read: ReadScope::Own,
                expires_in_ms: words.number("seconds").map_or(60_000, |seconds| i64::from(seconds) * 1_000),
                addresses: Vec::new(),
            },
            "revoke" => Command::RevokeDevice { device: words.at(1).to_owned() },
            "rename" => {
                Command::RenameDevice { device: words.at(1).to_owned(), name: words.named("name").expect("a name") }
            }
            "keep" => Command::PutLocal { key: words.at(1).to_owned(), value: Some(vec![1]) },
            "import" => Command::Import { session: 1, dry_run: false, rows: vec![import_row(words)] },
            other => panic!("no command {other}"),
        }
    }

    /// The id of a credit's n-th payment, or the text itself.
    fn payment(&mut self, credit: &str, number: &str) -> String {
        let Ok(number) = number.parse::<usize>() else { return number.to_owned() };
        self.desk.credit(OFFICE, credit).payments[number - 1].id.to_string()
    }

    fn movement(&self, name: &str) -> String {
        self.movements.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    fn shown(&mut self, words: &Words<'_>, answered: Answered) -> String {
        match answered {
            Err(refusal) => told(&refusal),
            Ok(Answer::Credit(credit)) => {
                let CreditView { status, paid, remaining, overpaid, .. } = *credit;
                let over = if overpaid == "0.00" { String::new() } else { format!(" over {overpaid}") };
                format!("{} {paid} {remaining}{over}", status.word())
            }
            Ok(Answer::Movement(view)) => {
                if matches!(words.at(0), "capture" | "withdraw" | "deposit") {
                    self.movements.insert(words.at(1).to_owned(), view.id.to_string());
                }
                let counts = if view.counts { "counts" } else { "idle" };
                let reversed = if view.reversed { " reversed" } else { "" };
                view.state.map_or(format!("{counts}{reversed}"), |state| format!("{counts} {state}{reversed}"))
            }
            Ok(Answer::Balance(view)) if words.at(0) == "balance" => {
                let currency = ucash::money::Currency::parse(words.at(1)).expect("a currency");
                view.balances[&currency].available.clone()
            }
            Ok(Answer::History(page)) => {
                page.items.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>().join(" ")
            }
            Ok(Answer::Imported(outcomes)) => match &outcomes[..] {
                [RowOutcome::Created] => "created".to_owned(),
                [RowOutcome::Unchanged] => "unchanged".to_owned(),
                [RowOutcome::Refused(refusal)] => told(refusal),
                other => panic!("one row came to {other:?}"),
            },
            Ok(_) => "ok".to_owned(),
        }
    }
}

/// The code of a refusal, which must be one that its variant is known to have.
fn told(refusal: &Refusal) -> String {
    refusals::assert_known(refusal);
    format!("! {}", refusal.code())
}

/// `import credit 7 A1 100 USD paid=40 status=annule`, `import capture 7 50 USD`, `import shop 3`, ...
fn import_row(words: &Words<'_>) -> ImportRow {
    let shop = ShopId(words.number("shop").unwrap_or(1));
    let sim = sim_number(words.named.get("sim").map_or(SIM, String::as_str));
    let old_id = || words.at(2).parse().expect("an old id");
    let at = FOUNDED.plus_ms(-DAY_MS);
    let movement = |kind| ImportRow::Movement {
        old_id: old_id(),
        shop,
        sim: sim.clone(),
        kind,
        reversed: words.named.contains_key("reversed"),
        at,
        agent: None,
    };
    match words.at(1) {
        "shop" => {
            let name = words.named("name").unwrap_or_else(|| "Uvira".to_owned());
            ImportRow::Shop { shop: ShopId(old_id() as u32), name, town: words.named("town") }
        }
        "sim" => {
            let opening = words.named("opening").map(|text| amount(&text)).into_iter().collect();
            ImportRow::Sim { sim: sim_number(words.at(2)), operator: Operator::Airtel, shop, opening, at }
        }
        "capture" => movement(capture(
            &words.sum(3),
            CaptureState::from_word(&words.named("state").unwrap_or_else(|| "validee".to_owned())).expect("a state"),
        )),
        "withdrawal" => movement(MovementKind::Withdrawal(Withdrawal {
            amount: amount(&words.sum(3)),
            owed_by: words.number("owed_by").map(ShopId),
            reimbursed: words.named.contains_key("reimbursed"),
        })),
        "deposit" => movement(MovementKind::Deposit(Deposit { amount: amount(&words.sum(3)), phone: None })),
        "credit" => {
            let request = grant_request(words.at(3), &words.sum(4));
            let paid = words.named("paid").map(|text| ImportedPayment {
                amount: amount(&format!("{text} {}", words.at(5))),
                mode: PaymentMode::Cash,
                reference: words.named("payment_reference"),
                at: at.plus_ms(3_600_000),
            });
            let grant = Grant {
                reference: Reference::new(words.at(3)).expect("a reference"),
                amount: request.amount,
                sim,
                beneficiary: request.beneficiary,
                agent: None,
                granted_at: at,
                due_at: words.days("due"),
                notes: None,
                old_id: (words.at(2) != "-").then(old_id),
            };
            let cancelled = words.named("cancelled").map(|why| (at.plus_ms(7_200_000), why));
            let status = ucash::model::CreditStatus::Granted;
            ImportRow::Credit(ImportedCredit { shop, grant, paid, cancelled, status })
        }
        other => panic!("no table {other}"),
    }
}
