//! What people do with credits.

use crate::lab::Draw;
use crate::lab::workload::{Act, Counter, cents_of, decimal, money};
use crate::ledger::{CreditFilter, CreditOrder, CreditRequest};
use crate::model::{
    Beneficiary, BeneficiaryKind, Credit, CreditStatus, Edit, PaymentId, PaymentMode, Reference, SimNumber,
};
use crate::money::Currency;
use crate::replica::Command;

/// How many credits a person looks through: the latest, and a few of the oldest.
const LATEST: usize = 40;
const OLDEST: usize = 10;
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

impl Counter<'_> {
    /// The credits of the shop that somebody has on the screen.
    pub(super) fn credits(&self) -> Vec<&Credit> {
        let page = |order, limit| {
            let filter = CreditFilter { shop: Some(self.shop), order, limit, ..CreditFilter::default() };
            self.book.list(&filter, self.now).map(|(found, _)| found).unwrap_or_default()
        };
        let mut found = page(CreditOrder::NewestFirst, LATEST);
        found.extend(page(CreditOrder::OldestFirst, OLDEST));
        found.sort_by_key(|credit| credit.id);
        found.dedup_by_key(|credit| credit.id);
        found
    }

    pub(super) fn pick_credit(&mut self, fits: impl Fn(&Credit) -> bool) -> Option<Credit> {
        let found: Vec<Credit> = self.credits().into_iter().filter(|credit| fits(credit)).cloned().collect();
        self.draw.pick(&found).cloned()
    }

    /// The SIMs of the shop, as this device knows them.
    pub(super) fn sims(&self) -> Vec<SimNumber> {
        let sims = self.book.sims().values().filter(|sim| sim.shop == self.shop);
        sims.map(|sim| sim.number.clone()).collect()
    }

    /// What this device may spend of a SIM, in cents.
    pub(super) fn spendable(&self, sim: &SimNumber, currency: Currency) -> i64 {
        cents_of(self.book.spendable(self.shop, sim, currency, &self.holder).above_zero())
    }

    pub(super) fn grant(&mut self) -> Option<Command> {
        let sim = self.draw.pick(&self.sims()).cloned()?;
        let currency = self.currency();
        let spendable = self.spendable(&sim, currency);
        let cents = self.cents_within(currency, spendable);
        let reference = format!("C{}-{}.{}", self.shop, self.moment, self.asked);
        self.grant_of(&reference, sim, currency, cents)
    }

    pub(super) fn grant_of(
        &mut self,
        reference: &str,
        sim: SimNumber,
        currency: Currency,
        cents: i64,
    ) -> Option<Command> {
        let amount = money(cents, currency)?;
        let kind = self.draw.pick(&[BeneficiaryKind::Shop, BeneficiaryKind::Partner, BeneficiaryKind::Other]).copied();
        let shops: Vec<_> = self.book.shops().keys().copied().collect();
        let kind = kind.unwrap_or(BeneficiaryKind::Other);
        let shop = if kind == BeneficiaryKind::Shop { self.draw.pick(&shops).copied() } else { None };
        let name = self.draw.pick(&["Amani Mumbere", "Furaha Kavira", "Ets. Baraka & Fils", "Neema Zawadi"]);
        let beneficiary = Beneficiary {
            name: name.map_or_else(String::new, |name| format!("{name} {}", self.moment)),
            phone: self.draw.permille(600).then(|| format!("+24399{:07}", self.moment)),
            address: self.draw.permille(200).then(|| "Avenue du Lac, Goma".to_owned()),
            kind,
            shop,
        };
        let due = self.draw.permille(500).then(|| self.draw.between(1, 20));
        Some(Command::Grant(CreditRequest {
            reference: Reference::new(reference).ok()?,
            amount,
            sim,
            beneficiary,
            due_at: due.map(|days| self.now.plus_ms(days * DAY)),
            notes: self.draw.permille(150).then(|| "à rappeler\nle matin".to_owned()),
            agent: self.agent(),
        }))
    }

    pub(super) fn pay(&mut self, credit: &Credit, cents: i64) -> Command {
        // People name a credit by its reference; programs by its id.
        let id = credit.id.to_string();
        let credit = if self.draw.permille(300) { credit.reference.to_string() } else { id };
        let mode = self.draw.pick(&[PaymentMode::Cash, PaymentMode::MobileMoney, PaymentMode::Transfer]).copied();
        Command::Pay {
            credit,
            amount: decimal(cents),
            mode: mode.unwrap_or(PaymentMode::Cash),
            reference: self.draw.permille(800).then(|| format!("P{}.{}", self.moment, self.asked)),
            agent: self.agent(),
        }
    }

    pub(super) fn pay_part(&mut self) -> Option<Command> {
        let credit = self.pick_credit(is_open)?;
        let remaining = cents_of(credit.remaining());
        let cents = if self.draw.permille(60) { 1 } else { self.draw.between(1, remaining) };
        Some(self.pay(&credit, cents))
    }

    pub(super) fn pay_rest(&mut self) -> Option<Command> {
        let credit = self.pick_credit(is_open)?;
        Some(self.pay(&credit, cents_of(credit.remaining())))
    }

    pub(super) fn pay_elsewhere(&mut self) -> Option<Command> {
        let device = self.device;
        let credit = self.pick_credit(|credit| is_open(credit) && credit.origin.device != device)?;
        let remaining = cents_of(credit.remaining());
        let cents = if self.draw.permille(500) { remaining } else { self.draw.between(1, remaining) };
        Some(self.pay(&credit, cents))
    }

    pub(super) fn reverse_payment(&mut self) -> Option<Command> {
        let credit = self.pick_credit(may_reverse)?;
        let payments: Vec<_> = credit.payments.iter().filter(|payment| !payment.reversed).collect();
        let payment = self.draw.pick(&payments)?.id;
        Some(self.reverse_of(&credit, payment))
    }

    pub(super) fn reverse_of(&mut self, credit: &Credit, payment: PaymentId) -> Command {
        let payment = payment.to_string();
        let why = "saisi deux fois".to_owned();
        Command::ReversePayment { credit: credit.id.to_string(), payment, why, agent: self.agent() }
    }

    pub(super) fn cancel(&mut self) -> Option<Command> {
        let credit = self.pick_credit(|credit| credit.status == CreditStatus::Granted)?;
        Some(self.cancel_of(&credit))
    }

    pub(super) fn cancel_of(&mut self, credit: &Credit) -> Command {
        Command::Cancel { credit: credit.id.to_string(), why: "le client renonce".to_owned(), agent: self.agent() }
    }

    pub(super) fn edit(&mut self) -> Option<Command> {
        let credit = self.pick_credit(|_| true)?;
        let text = format!("corrigé {}.{}", self.moment, self.asked);
        let absent = self.draw.permille(150);
        let some = |text: String| (!absent).then_some(text);
        let (days, phone) = (self.draw.between(-3, 10), format!("+24381{:07}", self.moment));
        let all = [
            Edit::Name(text.clone()),
            Edit::Phone(some(phone)),
            Edit::Address(some(text.clone())),
            Edit::DueAt((!absent).then(|| self.now.plus_ms(days * DAY))),
            Edit::Notes(some(text)),
        ];
        let mut edits: Vec<Edit> = all.iter().filter(|_| self.draw.permille(300)).cloned().collect();
        if edits.is_empty() {
            edits.extend(self.draw.pick(&all).cloned());
        }
        Some(Command::Edit { credit: credit.id.to_string(), edits, agent: self.agent() })
    }

    // ---- what two devices do at once ----

    /// The credit that both sides find, as far as both show it: the one whose own number in that race is least.
    fn credit_for_race(&self, race: &Draw, fits: impl Fn(&Credit) -> bool) -> Option<Credit> {
        let found = self.credits().into_iter().filter(|credit| fits(credit));
        found.min_by_key(|credit| race.child(&credit.id.to_string()).bits()).cloned()
    }

    pub(super) fn pay_for_race(&mut self, race: &Draw, act: Act) -> Option<Command> {
        let untouched = |credit: &Credit| act == Act::BothPayAll || credit.status == CreditStatus::Granted;
        let credit = self.credit_for_race(race, |credit| is_open(credit) && untouched(credit))?;
        Some(self.pay(&credit, cents_of(credit.remaining())))
    }

    pub(super) fn cancel_for_race(&mut self, race: &Draw) -> Option<Command> {
        let credit = self.credit_for_race(race, |credit| credit.status == CreditStatus::Granted)?;
        Some(self.cancel_of(&credit))
    }

    pub(super) fn reverse_for_race(&mut self, race: &Draw) -> Option<Command> {
        let credit = self.credit_for_race(race, may_reverse)?;
        let payments = credit.payments.iter().filter(|payment| !payment.reversed).map(|payment| payment.id);
        let payment = payments.min_by_key(|id| race.child(&id.to_string()).bits())?;
        Some(self.reverse_of(&credit, payment))
    }

    pub(super) fn grant_for_race(&mut self, race: &Draw) -> Option<Command> {
        let sim = self.draw.pick(&self.sims()).cloned()?;
        let currency = self.currency();
        let cents = self.draw.between(1, 20_00);
        let number = race.child("reference").below(1_000_000);
        self.grant_of(&format!("R{}-{number}", self.shop), sim, currency, cents)
    }

    pub(super) fn overdraw_for_race(&mut self, race: &Draw) -> Option<Command> {
        let sim = race.child("sim").pick(&self.sims()).cloned()?;
        let currency = if race.child("currency").permille(500) { Currency::Usd } else { Currency::Cdf };
        let spendable = self.spendable(&sim, currency);
        let cents = spendable.saturating_sub(self.draw.between(0, spendable / 10));
        let reference = format!("O{}-{}.{}", self.shop, self.moment, self.asked);
        self.grant_of(&reference, sim, currency, cents)
    }
}

/// Whether a payment of it may be taken back.
fn may_reverse(credit: &Credit) -> bool {
    credit.status != CreditStatus::Cancelled && credit.payments.iter().any(|payment| !payment.reversed)
}

/// Whether something remains to be paid.
pub(super) fn is_open(credit: &Credit) -> bool {
    matches!(credit.status, CreditStatus::Granted | CreditStatus::PartlyPaid)
}
