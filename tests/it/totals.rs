//! What a data set adds up to, computed from its JSON in whole cents, and the same as a node shows it.
//!
//! Shares no code with the program: amounts are read digit by digit, and never become a binary fraction.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeZone, Utc};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::process::{Shop, same};

/// A row, its values as they are written.
type Row = BTreeMap<String, Box<RawValue>>;

/// Whole cents of a decimal such as `1112000.0` or `-3.5`.
#[track_caller]
pub fn cents(text: &str) -> i128 {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (kept, rest) = fraction.split_at(fraction.len().min(2));
    assert!(rest.bytes().all(|digit| digit == b'0'), "{text} has more than two decimals");
    let number: i128 = format!("{whole}{kept:0<2}").parse().unwrap_or_else(|_| panic!("{text} is not a number"));
    sign * number
}

/// The cents of a field of an answer.
#[track_caller]
fn cents_of(value: &Value, field: &str) -> i128 {
    cents(value[field].as_str().unwrap_or_else(|| panic!("{field} is no text in {value}")))
}

/// One credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    pub shop: u64,
    pub sim: String,
    pub currency: String,
    pub amount: i128,
    pub paid: i128,
    pub cancelled: bool,
    pub due: Option<DateTime<Utc>>,
}

impl Credit {
    /// Its status at that time.
    fn status(&self, now: DateTime<Utc>) -> &'static str {
        if self.cancelled {
            "annule"
        } else if self.paid >= self.amount {
            "paye"
        } else if self.due.is_some_and(|due| due < now) {
            "enRetard"
        } else if self.paid > 0 {
            "partiellementPaye"
        } else {
            "accorde"
        }
    }
}

/// Sums over the credits of a shop in a currency, cancelled ones left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    credits: u64,
    granted: i128,
    paid: i128,
    waiting: i128,
    overdue: i128,
    paid_count: u64,
    waiting_count: u64,
    overdue_count: u64,
}

/// All that is compared. Keys: SIM or shop, then currency; references of credits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    balances: BTreeMap<(String, String), i128>,
    pub credits: BTreeMap<String, Credit>,
}

fn rows(directory: &Path, table: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(directory.join(format!("{table}.json"))).expect("the table is there");
    serde_json::from_str(&text).expect("the table is an array of objects")
}

fn raw<'a>(row: &'a Row, field: &str) -> Option<&'a str> {
    row.get(field).map(|value| value.get()).filter(|text| *text != "null")
}

fn text(row: &Row, field: &str) -> Option<String> {
    raw(row, field).map(|text| serde_json::from_str(text).expect("a JSON text"))
}

fn amount(row: &Row, field: &str) -> i128 {
    cents(raw(row, field).unwrap_or("0"))
}

/// A time without a zone is one of Lubumbashi: two hours before UTC, summer and winter.
fn time(text: &str) -> DateTime<Utc> {
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").expect("a time without zone");
    let zone = FixedOffset::east_opt(2 * 3_600).expect("two hours");
    zone.from_local_datetime(&naive).single().expect("one instant").with_timezone(&Utc)
}

impl Totals {
    /// What the tables of that directory add up to.
    pub fn of_tables(directory: &Path) -> Totals {
        let mut totals = Totals::default();
        for row in rows(directory, "sims") {
            let sim = text(&row, "numero").expect("a number");
            totals.add(&sim, "USD", amount(&row, "solde_initial_usd"));
            totals.add(&sim, "CDF", amount(&row, "solde_initial_cdf"));
        }
        let outgoing = [("captures", "montant_virtuel", 1), ("retraits", "montant", -1), ("depots", "montant", -1)];
        for (table, field, sign) in outgoing {
            for row in rows(directory, table) {
                // Of captures only those count that were confirmed; of withdrawals all but cancelled ones.
                let state = text(&row, "statut").unwrap_or_default();
                if state == "annulee" || state == "annule" || state == "enAttente" && table == "captures" {
                    continue;
                }
                let currency = text(&row, "devise").unwrap_or_else(|| "USD".to_owned());
                totals.add(&text(&row, "sim_numero").expect("a SIM"), &currency, sign * amount(&row, field));
            }
        }
        for row in rows(directory, "credits") {
            let credit = Credit {
                shop: raw(&row, "shop_id").and_then(|text| text.parse().ok()).expect("a shop"),
                sim: text(&row, "sim_numero").expect("a SIM"),
                currency: text(&row, "devise").expect("a currency"),
                amount: amount(&row, "montant_credit"),
                paid: amount(&row, "montant_paye"),
                cancelled: text(&row, "statut").as_deref() == Some("annule"),
                due: text(&row, "date_echeance").map(|text| time(&text)),
            };
            totals.grant(&text(&row, "reference").expect("a reference"), credit);
        }
        totals
    }

    fn add(&mut self, sim: &str, currency: &str, cents: i128) {
        *self.balances.entry((sim.to_owned(), currency.to_owned())).or_default() += cents;
    }

    /// One credit more.
    pub fn grant(&mut self, reference: &str, credit: Credit) {
        if !credit.cancelled {
            self.add(&credit.sim.clone(), &credit.currency.clone(), -credit.amount);
        }
        let before = self.credits.insert(reference.to_owned(), credit);
        assert_eq!(before, None, "{reference} is there once");
    }

    /// A payment more.
    pub fn pay(&mut self, reference: &str, cents: i128) {
        self.credits.get_mut(reference).expect("a credit").paid += cents;
    }

    /// A SIM of that shop that can bear a credit of that many cents of USD.
    #[track_caller]
    pub fn sim_with(&self, shop: u64, cents: i128) -> String {
        let sims = self.credits.values().filter(|credit| credit.shop == shop).map(|credit| &credit.sim);
        let able = |sim: &&String| self.balances[&((*sim).clone(), "USD".to_owned())] >= cents;
        sims.filter(able).min().expect("a SIM of the shop holds enough").clone()
    }

    fn sums(&self, shop: u64, now: DateTime<Utc>) -> BTreeMap<String, Sums> {
        let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
        for credit in self.credits.values().filter(|credit| credit.shop == shop && !credit.cancelled) {
            let sum = sums.entry(credit.currency.clone()).or_default();
            sum.credits += 1;
            sum.granted += credit.amount;
            sum.paid += credit.paid;
            match credit.status(now) {
                "paye" => sum.paid_count += 1,
                status => {
                    sum.waiting += credit.amount - credit.paid;
                    sum.waiting_count += 1;
                    if status == "enRetard" {
                        sum.overdue += credit.amount - credit.paid;
                        sum.overdue_count += 1;
                    }
                }
            }
        }
        sums
    }

    /// Compares with all that a node shows: balances, statistics of every shop, and each credit. The clock goes on
    /// between the question and the answer, so that a credit may have become overdue: ask again then.
    pub fn compare(&self, shop: &Shop) -> Result<(), String> {
        let status = shop.get("/api/v1/status");
        let now: DateTime<Utc> = status["now"].as_str().and_then(|now| now.parse().ok()).expect("a time");
        same(status["credits"].as_u64(), Some(self.credits.len() as u64))?;
        same(shown_balances(shop), self.balances.clone())?;
        for number in self.credits.values().map(|credit| credit.shop).collect::<std::collections::BTreeSet<_>>() {
            let shown = shown_sums(&shop.get(&format!("/api/v1/statistics?shop={number}")));
            same((number, shown), (number, self.sums(number, now)))?;
        }
        let mut seen = 0;
        let mut after = String::new();
        loop {
            let page = shop.get(&format!("/api/v1/credits?limit=1000{after}"));
            for credit in page["items"].as_array().expect("a list") {
                self.compare_credit(credit, now)?;
                seen += 1;
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return same(seen, self.credits.len()),
            }
        }
    }

    fn compare_credit(&self, shown: &Value, now: DateTime<Utc>) -> Result<(), String> {
        let reference = shown["reference"].as_str().expect("a reference");
        let credit = self.credits.get(reference).ok_or_else(|| format!("{reference} is not of the data set"))?;
        same((reference, shown["status"].as_str()), (reference, Some(credit.status(now))))?;
        let seen = Credit {
            shop: shown["shop_id"].as_u64().expect("a shop"),
            sim: shown["sim"].as_str().expect("a SIM").to_owned(),
            currency: shown["currency"].as_str().expect("a currency").to_owned(),
            amount: cents_of(shown, "amount"),
            paid: cents_of(shown, "paid"),
            cancelled: shown["status"] == "annule",
            due: shown["due_at"].as_str().map(|due| due.parse().expect("a time")),
        };
        same((reference, &seen), (reference, credit))?;
        let payments = shown["payments"].as_array().expect("a list").iter();
        same((reference, payments.map(|payment| cents_of(payment, "amount")).sum()), (reference, credit.paid))?;
        same((reference, cents_of(shown, "remaining")), (reference, credit.amount - credit.paid))
    }
}

fn shown_balances(shop: &Shop) -> BTreeMap<(String, String), i128> {
    let sims = shop.get("/api/v1/sims");
    let mut balances = BTreeMap::new();
    for sim in sims["items"].as_array().expect("a list") {
        let number = sim["sim"].as_str().expect("a number");
        for (currency, account) in sim["balances"].as_object().expect("accounts") {
            balances.insert((number.to_owned(), currency.clone()), cents_of(account, "available"));
        }
    }
    balances
}

fn shown_sums(answer: &Value) -> BTreeMap<String, Sums> {
    let count = |sum: &Value, field: &str| sum[field].as_u64().expect("a number");
    let read = |(currency, sum): (&String, &Value)| {
        let sums = Sums {
            credits: count(sum, "credits"),
            granted: cents_of(sum, "granted"),
            paid: cents_of(sum, "paid"),
            waiting: cents_of(sum, "waiting"),
            overdue: cents_of(sum, "overdue"),
            paid_count: count(sum, "paid_count"),
            waiting_count: count(sum, "waiting_count"),
            overdue_count: count(sum, "overdue_count"),
        };
        (currency.clone(), sums)
    };
    answer.as_object().expect("sums").iter().map(read).collect()
}

/// Writes a made-up company into the shop's home and gives the directory.
pub fn made_up(shop: &Shop, seed: u64, size: ucash::sample::Size) -> std::path::PathBuf {
    let directory = shop.beside(&format!("tables-{seed}"));
    std::fs::create_dir_all(&directory).expect("the directory is made");
    for (name, content) in &ucash::sample::company(seed, size).tables {
        std::fs::write(directory.join(format!("{name}.json")), content).expect("the table is written");
    }
    directory
}

/// The data set that stands outside the project, if it is there; else says why a test is skipped.
pub fn shared_data_set(test: &str) -> Option<std::path::PathBuf> {
    let named = std::env::var_os("UCASH_DATA_SET").map(std::path::PathBuf::from);
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let directory = named.unwrap_or(usual);
    if directory.join("credits.json").exists() {
        return Some(directory);
    }
    println!("{test}: skipped, for there is no data set in {} (UCASH_DATA_SET names another)", directory.display());
    None
}
