//! A small made-up company in the old server's JSON: for the demonstration, the tests and the benches.
//!
//! Everything is drawn from one seed, and adds up: no SIM's balance goes below zero, paid never exceeds granted,
//! and a status never contradicts its amounts. Amounts are written as JSON numbers with exact decimals.

use std::fmt::Write as _;

/// The tables of a company, each the text of a JSON array as `ucash import` reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Company {
    /// File name without ending, and content, in the order in which they are imported.
    pub tables: Vec<(&'static str, String)>,
    /// Number of credits.
    pub credits: u32,
}

/// How large a company is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Shops, 1 to 200.
    pub shops: u32,
    /// SIMs of each shop, 1 to 9.
    pub sims_per_shop: u32,
    /// Captures of each SIM and currency.
    pub captures_per_sim: u32,
    /// Credits, spread over the SIMs.
    pub credits: u32,
}

impl Size {
    /// A company for a demonstration: 2 shops, 3 SIMs each, 60 credits.
    pub const DEMO: Size = Size { shops: 2, sims_per_shop: 3, captures_per_sim: 4, credits: 60 };
}

const TOWNS: [&str; 12] = [
    "Goma",
    "Bukavu",
    "Bunia",
    "Butembo",
    "Beni",
    "Durba",
    "Kisangani",
    "Kinshasa",
    "Lubumbashi",
    "Kolwezi",
    "Uvira",
    "Isiro",
];
const OPERATORS: [&str; 4] = ["Airtel", "Vodacom", "Orange", "Africell"];
const FIRST_NAMES: [&str; 8] = ["Amani", "Chantal", "Divine", "Espérance", "Baraka", "Gloire", "Aimée", "Jean-Bosco"];
const LAST_NAMES: [&str; 6] = ["Mumbere", "N'Singa", "Tshibangu", "Kambale", "Ilunga", "Kasongo"];
const MODES: [&str; 3] = ["cash", "mobile_money", "virement"];

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    /// A time within 2025, as the old server writes it.
    fn time(&mut self) -> String {
        let (month, day) = (1 + self.below(12), 1 + self.below(28));
        let (hour, minute, second, ms) = (self.below(24), self.below(60), self.below(60), self.below(1_000));
        format!("2025-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}")
    }
}

const CENTS: u64 = 100;

fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn array(rows: Vec<String>) -> String {
    format!("[\n{}\n]\n", rows.join(",\n"))
}

struct Sim {
    number: String,
    shop: u32,
    left: [u64; 2],
}

const CURRENCIES: [&str; 2] = ["USD", "CDF"];

/// Draws a company.
pub fn company(seed: u64, size: Size) -> Company {
    let mut dice = Dice(seed);
    let size = Size { shops: size.shops.clamp(1, 200), sims_per_shop: size.sims_per_shop.clamp(1, 9), ..size };
    let town = |shop: u32| TOWNS[(shop as usize - 1) % TOWNS.len()];
    let shops = (1..=size.shops).map(|shop| {
        format!(r#"{{"id": {shop}, "designation": "UCASH {} {shop}", "localisation": "{}"}}"#, town(shop), town(shop))
    });
    let shops = array(shops.collect());

    let mut sims = Vec::new();
    let mut sim_rows = Vec::new();
    for shop in 1..=size.shops {
        for index in 0..size.sims_per_shop {
            let number = format!("+2439{:03}{index}{:04}", shop, dice.below(10_000));
            let opening = [(100 + dice.below(400)) * CENTS, (10_000 + dice.below(500_000)) * CENTS];
            sim_rows.push(format!(
                r#"{{"id": {}, "numero": "{number}", "operateur": "{}", "shop_id": {shop}, "solde_initial_usd": {}, "solde_initial_cdf": {}, "statut": "active", "date_creation": "2025-01-01T08:00:00.000"}}"#,
                sims.len() + 1,
                dice.pick(&OPERATORS),
                money(opening[0]),
                money(opening[1]),
            ));
            sims.push(Sim { number, shop, left: opening });
        }
    }
    let captures = captures(&mut dice, &mut sims, size);
    let (withdrawals, deposits) = outgoings(&mut dice, &mut sims, size);
    let credits = credits(&mut dice, &mut sims, size);
    let tables = vec![
        ("shops", shops),
        ("sims", array(sim_rows)),
        ("captures", captures),
        ("retraits", withdrawals),
        ("depots", deposits),
        ("credits", credits),
    ];
    Company { tables, credits: size.credits }
}

fn captures(dice: &mut Dice, sims: &mut [Sim], size: Size) -> String {
    let mut rows = Vec::new();
    // Enough comes in for what goes out: a credit is at most 900 USD or 900,000 CDF.
    let per_sim = u64::from(size.credits / sims.len() as u32 + 8);
    for sim in sims {
        for (currency, code) in CURRENCIES.iter().enumerate() {
            let unit: u64 = if currency == 0 { 1_000 * CENTS } else { 1_000_000 * CENTS };
            let each = per_sim * unit / u64::from(size.captures_per_sim.max(1));
            for _ in 0..size.captures_per_sim {
                let (id, amount) = (rows.len() + 1, each + dice.below(100));
                let state = ["validee", "validee", "validee", "enAttente", "annulee"][rows.len() % 5];
                if state == "validee" {
                    sim.left[currency] += amount;
                }
                let (fee, at) = (amount / 50, dice.time());
                rows.push(format!(
                    r#"{{"id": {id}, "reference": "cap{id:08}", "montant_virtuel": {}, "frais": {}, "montant_cash": {}, "devise": "{code}", "sim_numero": "{}", "shop_id": {}, "agent_id": {}1, "agent_username": "agent_{}", "client_nom": "{} {}", "client_telephone": "+24381{id:07}", "statut": "{state}", "date_enregistrement": "{at}", "date_validation": "{at}"}}"#,
                    money(amount), money(fee), money(amount - fee), sim.number, sim.shop, sim.shop, sim.shop,
                    dice.pick(&FIRST_NAMES), dice.pick(&LAST_NAMES),
                ));
            }
        }
    }
    array(rows)
}

fn outgoings(dice: &mut Dice, sims: &mut [Sim], size: Size) -> (String, String) {
    let (mut withdrawals, mut deposits) = (Vec::new(), Vec::new());
    for sim in sims {
        let (id, amount) = (withdrawals.len() + 1, 1 + dice.below(50 * CENTS));
        sim.left[0] -= amount;
        let (owed_by, state) = (1 + dice.below(u64::from(size.shops)), ["rembourse", "enAttente"][id % 2]);
        withdrawals.push(format!(
            r#"{{"id": {id}, "sim_numero": "{}", "shop_source_id": {}, "shop_debiteur_id": {owed_by}, "montant": {}, "devise": "USD", "agent_username": "agent_{}", "statut": "{state}", "date_retrait": "{}"}}"#,
            sim.number, sim.shop, money(amount), sim.shop, dice.time(),
        ));
        let (id, amount) = (deposits.len() + 1, 1 + dice.below(40 * CENTS));
        sim.left[0] -= amount;
        deposits.push(format!(
            r#"{{"id": {id}, "shop_id": {}, "sim_numero": "{}", "montant": {}, "telephone_client": "+24389{id:07}", "date_depot": "{}"}}"#,
            sim.shop, sim.number, money(amount), dice.time(),
        ));
    }
    (array(withdrawals), array(deposits))
}

fn credits(dice: &mut Dice, sims: &mut [Sim], size: Size) -> String {
    let mut rows = Vec::new();
    let count = sims.len() as u64;
    for id in 1..=size.credits {
        let mut index = dice.below(count) as usize;
        let currency = usize::from(dice.below(10) < 3);
        let wanted =
            if currency == 0 { CENTS + dice.below(900 * CENTS) } else { (1 + dice.below(9_000)) * 100 * CENTS };
        // The next SIM that can bear it; together they hold more than all credits.
        for _ in 0..count {
            if sims[index].left[currency] >= wanted {
                break;
            }
            index = (index + 1) % sims.len();
        }
        let sim = &mut sims[index];
        let amount = wanted.min(sim.left[currency]).max(1);
        let (status, paid) = match dice.below(20) {
            0..8 => ("accorde", 0),
            8..16 => ("paye", amount),
            16..19 if amount > 1 => ("partiellementPaye", 1 + dice.below(amount - 1)),
            _ => ("annule", 0),
        };
        if status != "annule" {
            sim.left[currency] = sim.left[currency].saturating_sub(amount);
        }
        let (granted, mode) = (dice.time(), dice.pick(&MODES));
        let mut row = format!(
            r#"{{"id": {id}, "reference": "CRED-{id:06}", "montant_credit": {}, "devise": "{}", "beneficiaire_nom": "{} {}", "beneficiaire_telephone": "+24390{id:07}", "beneficiaire_adresse": {}, "type_beneficiaire": "{}", "sim_numero": "{}", "shop_id": {}, "agent_id": {}1, "agent_username": "agent_{}", "statut": "{status}", "date_sortie": "{granted}""#,
            money(amount),
            CURRENCIES[currency],
            dice.pick(&FIRST_NAMES),
            dice.pick(&LAST_NAMES),
            dice.pick(&["null", "\"Avenue Mobutu 12\"", "\"Q. Himbi, Goma\""]),
            dice.pick(&["partenaire", "autre"]),
            sim.number,
            sim.shop,
            sim.shop,
            sim.shop,
        );
        let due =
            if dice.below(4) == 0 { "null".to_owned() } else { format!("\"2026-01-{:02}T12:00:00.000\"", 1 + id % 28) };
        let (paid_at, mode) = match paid {
            0 => ("null".to_owned(), "null".to_owned()),
            _ => ("\"2025-12-30T09:30:00.000\"".to_owned(), format!("\"{mode}\"")),
        };
        // Writing to a string does not fail.
        let _ = write!(
            row,
            r#", "date_paiement": {paid_at}, "date_echeance": {due}, "notes": null, "montant_paye": {}, "mode_paiement": {mode}, "reference_paiement": null, "last_modified_at": "2025-12-31T08:00:00.000", "last_modified_by": "agent_{}", "is_synced": true, "synced_at": null}}"#,
            money(paid),
            sim.shop,
        );
        rows.push(row);
    }
    array(rows)
}
