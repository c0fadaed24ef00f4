//! What the rows of the existing app mean here (`existing-wire`, "What a row means here").
//!
//! ```text
//! row ──which version had the app when it edited?──▶ start ──difference──▶ payment, cancellation, edits
//! ```
//!
//! A row is an app's opinion of a whole credit; the credit is a history. What the app reports has happened: nothing here
//! refuses it for want of a share or of a balance. Only what is no credit, or breaks the identity of one, is refused.

use serde::{Deserialize, Serialize};

use crate::ledger::decide::is_already;
use crate::ledger::{Book, CreditStep, ImportedPayment, Plan, Refusal};
use crate::model::{
    Credit, CreditId, CreditStatus, Edit, Grant, ReportedGrant, ReportedPayment, Reporter, ShopId, Timestamp, VersionId,
};
use crate::money::Amount;

/// How far the estimate of an app's clock may be wrong at most, in milliseconds: what a request takes on a bad line.
pub const CLOCK_MARGIN_MS: i64 = 2_000;
/// Most versions that are remembered of one credit for one app; of older ones the oldest stands for all.
pub const VERSIONS_MAX: usize = 16;

/// A row that an app uploaded, read and checked for form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedRow {
    /// `id`: ours, or one that the app made up.
    pub id: Option<u64>,
    /// `shop_id`.
    pub shop: ShopId,
    /// The credit as it is granted if it is new.
    pub grant: Grant,
    /// `agent_id`.
    pub agent_number: u64,
    /// `montant_paye`, if above zero, with how and when.
    pub paid: Option<ImportedPayment>,
    /// Whether `statut` is `annule`, and why.
    pub cancelled: Option<String>,
    /// `last_modified_at`, by the app's clock.
    pub modified_at: Option<Timestamp>,
    /// `last_modified_by`.
    pub modified_by: Option<String>,
    /// Whether its status and amounts go together in a new credit.
    pub is_consistent: bool,
}

/// What an app sees of a credit that can change, or says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// `reference`.
    pub reference: String,
    /// `montant_paye`, in cents: above the amount where more was paid than was owed.
    pub paid_cents: i128,
    /// Whether `statut` is `annule`.
    pub cancelled: bool,
    /// `beneficiaire_nom`.
    pub name: String,
    /// `beneficiaire_telephone`.
    pub phone: Option<String>,
    /// `beneficiaire_adresse`.
    pub address: Option<String>,
    /// `date_echeance`.
    pub due_at: Option<Timestamp>,
    /// `notes`.
    pub notes: Option<String>,
}

impl Opinion {
    /// What a credit's row shows.
    pub fn of_credit(credit: &Credit, shown_reference: String) -> Opinion {
        Opinion {
            reference: shown_reference,
            paid_cents: credit.paid.cents(),
            cancelled: credit.status == CreditStatus::Cancelled,
            name: credit.beneficiary.name.clone(),
            phone: credit.beneficiary.phone.clone(),
            address: credit.beneficiary.address.clone(),
            due_at: credit.due_at,
            notes: credit.notes.clone(),
        }
    }

    /// What a row says.
    pub fn of_row(row: &ReportedRow) -> Opinion {
        let Grant { reference, beneficiary, due_at, notes, .. } = row.grant.clone();
        Opinion {
            reference: reference.to_string(),
            paid_cents: row.paid.as_ref().map_or(0, |paid| paid.amount.cents()),
            cancelled: row.cancelled.is_some(),
            name: beneficiary.name,
            phone: beneficiary.phone,
            address: beneficiary.address,
            due_at,
            notes,
        }
    }

    /// What this one edits of that one.
    fn edits_of(&self, start: &Opinion) -> Vec<Edit> {
        let mut edits = Vec::new();
        let mut note = |differs: bool, edit: Edit| {
            if differs {
                edits.push(edit);
            }
        };
        note(self.name != start.name, Edit::Name(self.name.clone()));
        note(self.phone != start.phone, Edit::Phone(self.phone.clone()));
        note(self.address != start.address, Edit::Address(self.address.clone()));
        note(self.due_at != start.due_at, Edit::DueAt(self.due_at));
        note(self.notes != start.notes, Edit::Notes(self.notes.clone()));
        edits
    }
}

/// A version of a credit that an app has had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Had {
    /// Which.
    pub version: VersionId,
    /// What it shows.
    pub opinion: Opinion,
    /// `last_modified_at` as it was sent, or came.
    pub stamp: Option<Timestamp>,
    /// By this node's clock: when it was sent, or when the app had edited it.
    pub from: Timestamp,
    /// Since when the app had it for certain, and nothing of its own beside; `None` if that is not known.
    pub until: Option<Timestamp>,
    /// Whether it came from the app.
    pub accepted: bool,
    /// Whether it was sent with a stamp that the app's copy may have outdone: then the app has kept its own.
    pub unsure: bool,
}

/// What of a row differs from the version in which its edit began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing happened.
    Nothing,
    /// It says that less was paid than the app knew of: no app can take money back.
    Smaller,
    /// This happened.
    Happened {
        /// The version in which the edit began.
        start: VersionId,
        /// A payment of so many cents.
        paid_cents: Option<i128>,
        /// Whether the edit may as well have begun in another version, by which this is no payment or another one.
        doubtful: bool,
        /// Whether the credit is called off.
        cancels: bool,
        /// What changed of contact fields, due date and notes.
        edits: Vec<Edit>,
    },
}

/// Notes what an app is now known to have, since it uploaded it: what was sent after its edit began it did not take.
pub fn note_accepted(had: &mut Vec<Had>, accepted: Had) {
    while had.last().is_some_and(|one| !one.accepted && one.from > accepted.from) {
        had.pop();
    }
    match had.last_mut().filter(|last| last.accepted && last.opinion == accepted.opinion) {
        Some(last) => last.stamp = accepted.stamp,
        None => had.push(accepted),
    }
    trim(had);
}

/// Notes what is sent to an app.
pub fn note_sent(had: &mut Vec<Had>, sent: Had) {
    match had.last_mut().filter(|last| !last.accepted && last.version == sent.version) {
        Some(last) => (last.stamp, last.until) = (sent.stamp, sent.until),
        None => had.push(sent),
    }
    trim(had);
}

fn trim(had: &mut Vec<Had>) {
    let surplus = had.len().saturating_sub(VERSIONS_MAX);
    had.drain(..surplus);
}

/// When an app edited a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EditTime {
    /// By this node's clock.
    pub at: Timestamp,
    /// How far that may be wrong, in milliseconds. The times by which the app had something certainly are of its own
    /// clock as well, and as wrong as this one is.
    pub error_ms: i64,
    /// From when on it surely came after the app's last download, if the credit was sent with that one.
    pub fresh_from: Option<Timestamp>,
}

/// Judges what an app says against the versions that it had, oldest first. `had` holds at least one.
pub fn judge(had: &[Had], said: &Opinion, stamp: Option<Timestamp>, edited: EditTime) -> Judgement {
    let last_accepted = had.iter().rfind(|one| one.accepted);
    let is_unedited = |one: &&Had| one.opinion == *said && one.stamp.is_some() && one.stamp == stamp;
    if last_accepted.is_some_and(|one| one.opinion == *said) || had.iter().any(|one| is_unedited(&one)) {
        return Judgement::Nothing;
    }
    let candidates = starts(had, edited);
    // Of several the oldest: a payment too much is seen and reversed, one too few is money lost.
    let pays = |one: &&&Had| said.paid_cents > one.opinion.paid_cents;
    let paying = fresh(&candidates, edited).filter(|one| pays(one)).or_else(|| candidates.iter().rfind(pays));
    let same = candidates.iter().find(|one| said.paid_cents == one.opinion.paid_cents);
    let Some(start) = paying.or(same) else { return Judgement::Smaller };
    let more = said.paid_cents - start.opinion.paid_cents;
    let cancels = said.cancelled && !start.opinion.cancelled;
    let edits = said.edits_of(&start.opinion);
    if more == 0 && !cancels && edits.is_empty() {
        return Judgement::Nothing;
    }
    let differs = |one: &&Had| one.opinion.paid_cents != start.opinion.paid_cents;
    Judgement::Happened {
        start: start.version,
        paid_cents: (more > 0).then_some(more),
        doubtful: more > 0 && candidates.iter().any(differs),
        cancels,
        edits,
    }
}

/// What was sent with the last download, if the edit came after that: an app uploads what it kept right after it
/// downloaded, and downloads again before it uploads anything else.
fn fresh<'a, 'b>(candidates: &'a [&'b Had], edited: EditTime) -> Option<&'a &'b Had> {
    candidates
        .first()
        .filter(|one| !one.accepted && !one.unsure && edited.fresh_from.is_some_and(|from| from <= edited.at))
}

/// The versions in which an edit of that time may have begun, the newest first: the newest that the app had for certain,
/// and those that may have reached it before.
fn starts(had: &[Had], edited: EditTime) -> Vec<&Had> {
    let latest = edited.at.plus_ms(edited.error_ms);
    let certain = |one: &&Had| one.until.is_some_and(|until| until <= edited.at);
    let mut found = Vec::new();
    for one in had.iter().rev().filter(|one| one.from <= latest) {
        found.push(one);
        // What came from the app is what it had: it edited that, or what was sent later.
        if one.accepted || certain(&one) {
            return found;
        }
    }
    // Edited before anything that is known of was sent: by the oldest, which stands for what the app brought along.
    if found.is_empty() {
        found.extend(had.first());
    }
    found
}

/// What an app is known to have had of a credit from the entries alone, oldest first: what was accepted from it.
pub fn had_by_entries(credit: &Credit, shown_reference: String, token: &str) -> Vec<Had> {
    let mut opinion = Opinion::of_credit(credit, shown_reference);
    opinion.cancelled = false;
    let mut found = Vec::new();
    let mut add = |version: VersionId, paid_cents: i128, at: Timestamp| {
        let opinion = Opinion { paid_cents, ..opinion.clone() };
        found.push(Had { version, opinion, stamp: None, from: at, until: Some(at), accepted: true, unsure: false });
    };
    if credit.reported.as_ref().is_some_and(|reported| reported.by.token == token) {
        add(VersionId::NONE, 0, credit.origin.wall);
    }
    let mut payments: Vec<_> = credit.payments.iter().collect();
    payments.sort_by_key(|payment| payment.origin);
    for payment in payments {
        if let Some(reported) = payment.reported.as_ref().filter(|reported| reported.by.token == token) {
            add(reported.version_after(&credit.id), reported.total.cents(), payment.origin.wall);
        }
    }
    found
}

/// The version that an app has once such a row was accepted from it.
pub fn accepted_version(by: &Reporter, credit: &CreditId, start: VersionId, total: Amount) -> VersionId {
    ReportedPayment { by: by.clone(), start, total, doubtful: false }.version_after(credit)
}

impl Book {
    /// The credit that a row means: by its id together with any reference that the credit bore or was shown under; else
    /// by its reference.
    pub fn meant_by(&self, row: &ReportedRow) -> Option<&Credit> {
        let found = self.ever_shown(row.shop, &row.grant.reference);
        let by_id = row.id.and_then(|id| found.iter().find(|credit| credit.server_id() == id));
        let shown = |credit: &&&Credit| self.shown_reference(credit) == row.grant.reference.as_str();
        by_id.or_else(|| found.iter().find(shown)).or(found.first()).copied()
    }

    /// What a row that means no credit here makes.
    ///
    /// # Errors
    /// Its shop or SIM is not known, the SIM is another shop's, a credit of another shop bears its reference, or a field is
    /// out of bounds.
    pub fn plan_reported_grant(&self, row: &ReportedRow, by: &Reporter, now: Timestamp) -> Result<Plan, Refusal> {
        self.check_sim_of_shop(&row.grant.sim, row.shop)?;
        // Its shop is part of a credit's identity. In its own shop no credit has that reference, or the row would mean it.
        let elsewhere = |credit: &&Credit| credit.shop != row.shop && !credit.void;
        if let Some(known) = self.credits_with(&row.grant.reference).find(elsewhere) {
            return Err(Refusal::ReferenceTaken { reference: row.grant.reference.clone(), credit: known.id });
        }
        let reported = ReportedGrant { by: by.clone(), agent_number: row.agent_number };
        let grant = Grant { reported: Some(reported), old_id: None, ..row.grant.clone() };
        let mut then = Vec::new();
        if let Some(paid) = &row.paid {
            then.push(reported_payment(row, by, paid, paid.amount, VersionId::NONE, false));
        }
        if let Some(why) = &row.cancelled {
            then.push(CreditStep::Cancel { why: why.clone(), agent: actor(row, by), at: now });
        }
        Ok(Plan::Grant { shop: row.shop, grant, then })
    }

    /// What a row of a known credit makes of it, judged.
    ///
    /// # Errors
    /// It differs in what identifies a credit.
    pub fn plan_reported(
        &self,
        credit: &Credit,
        row: &ReportedRow,
        by: &Reporter,
        judgement: &Judgement,
        now: Timestamp,
    ) -> Result<Vec<Plan>, Refusal> {
        let Judgement::Happened { start, paid_cents, doubtful, cancels, edits } = judgement else {
            return Ok(Vec::new());
        };
        let mut steps = Vec::new();
        let more = paid_cents.and_then(|cents| Amount::from_cents(cents, credit.amount.currency()));
        if let (Some(more), Some(paid)) = (more, &row.paid) {
            steps.push(reported_payment(row, by, paid, more, *start, *doubtful));
        }
        let is_known = |step: &CreditStep| match step {
            CreditStep::Pay { reported: Some(reported), .. } => {
                let id = reported.payment_id(&credit.id);
                credit.payments.iter().any(|payment| payment.id == id)
            }
            _ => false,
        };
        steps.retain(|step| !is_known(step));
        if let (true, Some(why)) = (*cancels && credit.status != CreditStatus::Cancelled, &row.cancelled) {
            steps.push(CreditStep::Cancel { why: why.clone(), agent: actor(row, by), at: now });
        }
        let edits: Vec<Edit> = edits.iter().filter(|edit| !is_already(credit, edit)).cloned().collect();
        if !edits.is_empty() {
            steps.push(CreditStep::Edit { edits, agent: actor(row, by) });
        }
        Ok(steps.into_iter().map(|step| crate::ledger::decide::on(credit, step)).collect())
    }

    /// Refuses a row that bears a known reference and is another credit.
    ///
    /// # Errors
    /// Its amount, currency, SIM or shop differs. When it was granted may.
    pub fn check_identity(&self, credit: &Credit, row: &ReportedRow) -> Result<(), Refusal> {
        let grant = &row.grant;
        let same = credit.amount == grant.amount && credit.sim == grant.sim && credit.shop == row.shop;
        if same {
            return Ok(());
        }
        Err(Refusal::ReferenceTaken { reference: grant.reference.clone(), credit: credit.id })
    }
}

fn reported_payment(
    row: &ReportedRow,
    by: &Reporter,
    paid: &ImportedPayment,
    amount: Amount,
    start: VersionId,
    doubtful: bool,
) -> CreditStep {
    let reported = ReportedPayment { by: by.clone(), start, total: paid.amount, doubtful };
    CreditStep::Pay {
        amount,
        mode: paid.mode,
        reference: paid.reference.clone(),
        agent: row.modified_by.clone().or_else(|| row.grant.agent.clone()),
        at: paid.at,
        reported: Some(reported),
    }
}

/// Who did it, and by which app: what has no place of its own for that.
fn actor(row: &ReportedRow, by: &Reporter) -> Option<String> {
    Some(match row.modified_by.as_ref().or(row.grant.agent.as_ref()) {
        Some(agent) => format!("{agent} ({})", by.label).chars().take(255).collect(),
        None => by.label.clone(),
    })
}
