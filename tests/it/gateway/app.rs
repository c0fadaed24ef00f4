//! The existing app, as `existing-wire` describes its loop: rows of its own, downloads first, keeps its own row where it
//! is the newer one, uploads after, marks as sent and stamps, takes its mark last.

use ucash::model::{
    Beneficiary, BeneficiaryKind, CreditStatus, Grant, PaymentMode, Reference, Reporter, ShopId, SimNumber, Timestamp,
};
use ucash::money::Amount;
use ucash::replica::{Answer, Command, ImportedPayment, ReportOutcome, ReportedRow, RowView};

use crate::seats::{Desk, SIM, amount};

/// The mark of an app that has none.
const NO_MARK: Timestamp = Timestamp(1_577_836_800_000);

/// A row as the app keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: u64,
    pub reference: String,
    pub amount: Amount,
    pub paid_cents: i128,
    pub is_cancelled: bool,
    pub name: String,
    pub notes: Option<String>,
    pub granted_at: Timestamp,
    pub modified_at: Timestamp,
    pub is_unsent: bool,
}

/// What of a round is lost on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    Nothing,
    Download,
    Upload,
}

/// One installed app.
#[derive(Clone, Debug)]
pub struct App {
    pub by: Reporter,
    pub shop: ShopId,
    pub rows: Vec<Row>,
    pub clock_off_ms: i64,
    since: Timestamp,
    next_id: u64,
    /// Edits that it forgot since a row that came was newer.
    pub forgotten: u32,
    /// Rows in the last upload.
    pub uploaded: usize,
}

impl App {
    pub fn new(name: &str, shop: ShopId) -> App {
        let by = Reporter { token: format!("token-{name}"), label: name.to_owned() };
        let (rows, clock_off_ms) = (Vec::new(), 0);
        App { by, shop, rows, clock_off_ms, since: NO_MARK, next_id: 1, forgotten: 0, uploaded: 0 }
    }

    pub fn now(&self, desk: &Desk, seat: usize) -> Timestamp {
        desk.now(seat).plus_ms(self.clock_off_ms)
    }

    /// It is started anew: rows stay, the mark does not.
    pub fn restart(&mut self) {
        self.since = NO_MARK;
    }

    pub fn row(&self, reference: &str) -> &Row {
        self.rows.iter().find(|row| row.reference == reference).unwrap_or_else(|| panic!("no row {reference}"))
    }

    /// The cashier grants.
    pub fn grant(&mut self, now: Timestamp, reference: &str, sum: &str) {
        let id = self.next_id;
        self.next_id += 1;
        self.rows.push(Row {
            id,
            reference: reference.to_owned(),
            amount: amount(sum),
            paid_cents: 0,
            is_cancelled: false,
            name: "Amani".to_owned(),
            notes: None,
            granted_at: now,
            modified_at: now,
            is_unsent: true,
        });
    }

    /// The cashier edits a row.
    pub fn edit(&mut self, now: Timestamp, reference: &str, edit: impl FnOnce(&mut Row)) {
        let row = self.rows.iter_mut().find(|row| row.reference == reference).unwrap_or_else(|| panic!("{reference}"));
        edit(row);
        row.modified_at = now;
        row.is_unsent = true;
    }

    /// The cashier takes money.
    pub fn pay(&mut self, now: Timestamp, reference: &str, cents: i128) {
        self.edit(now, reference, |row| row.paid_cents += cents);
    }

    /// One round against the gateway at that seat. Answers what became of each row that was uploaded, by reference.
    pub fn round(&mut self, desk: &mut Desk, seat: usize, lost: Lost) -> Vec<(String, ReportOutcome)> {
        self.uploaded = 0;
        let (by, shop, since) = (self.by.clone(), self.shop, Some(self.since));
        let rows = match desk.command(seat, Command::Download { by, shop, since }) {
            Ok(Answer::Rows(rows)) => rows,
            other => panic!("download: {other:?}"),
        };
        if lost == Lost::Download {
            return Vec::new();
        }
        rows.into_iter().for_each(|row| self.take(row));
        let unsent: Vec<Row> = self.rows.iter().filter(|row| row.is_unsent).cloned().collect();
        self.uploaded = unsent.len();
        let mut told = Vec::new();
        if !unsent.is_empty() {
            let rows = unsent.iter().map(|row| self.report(row)).collect();
            let (by, shop) = (self.by.clone(), self.shop);
            let outcomes = match desk.command(seat, Command::Report { by, shop, rows }) {
                Ok(Answer::Reported(outcomes)) => outcomes,
                other => panic!("upload: {other:?}"),
            };
            if lost == Lost::Upload {
                return Vec::new();
            }
            desk.wait(200);
            let now = self.now(desk, seat);
            for (sent, outcome) in unsent.iter().zip(outcomes) {
                self.mark(sent, &outcome, now);
                told.push((sent.reference.clone(), outcome));
            }
        }
        self.since = self.now(desk, seat);
        told
    }

    fn mark(&mut self, sent: &Row, outcome: &ReportOutcome, now: Timestamp) {
        let (ReportOutcome::Created { server_id }
        | ReportOutcome::Updated { server_id }
        | ReportOutcome::Skipped { server_id, .. }) = outcome
        else {
            return;
        };
        if let Some(row) = self.rows.iter_mut().find(|row| row.id == sent.id) {
            row.id = *server_id;
            row.is_unsent = false;
            row.modified_at = now;
        }
    }

    fn take(&mut self, view: RowView) {
        let row = Row {
            id: view.server_id,
            reference: view.reference,
            amount: view.amount,
            paid_cents: view.paid.cents(),
            is_cancelled: view.status == CreditStatus::Cancelled,
            name: view.beneficiary.name,
            notes: view.notes,
            granted_at: view.granted_at,
            modified_at: view.modified_at,
            is_unsent: false,
        };
        let known = self.rows.iter_mut().find(|one| one.id == row.id || one.reference == row.reference);
        match known {
            None => self.rows.push(row),
            Some(known) if row.modified_at > known.modified_at => {
                self.forgotten += u32::from(known.is_unsent);
                *known = row;
            }
            Some(_) => {}
        }
    }

    fn report(&self, row: &Row) -> ReportedRow {
        let paid = Amount::from_cents(row.paid_cents, row.amount.currency()).filter(|paid| !paid.is_zero());
        ReportedRow {
            id: Some(row.id),
            shop: self.shop,
            grant: Grant {
                reference: Reference::new(&row.reference).expect("a reference"),
                amount: row.amount,
                sim: SimNumber::new(SIM).expect("a SIM"),
                beneficiary: Beneficiary {
                    name: row.name.clone(),
                    phone: None,
                    address: None,
                    kind: BeneficiaryKind::Partner,
                    shop: None,
                },
                agent: Some("marie".to_owned()),
                granted_at: row.granted_at,
                due_at: None,
                notes: row.notes.clone(),
                old_id: None,
                old_modified_at: None,
                reported: None,
            },
            agent_number: 7,
            paid: paid.map(|amount| ImportedPayment {
                amount,
                mode: PaymentMode::Cash,
                reference: None,
                at: row.modified_at,
            }),
            cancelled: row.is_cancelled.then(|| "annulé".to_owned()),
            modified_at: Some(row.modified_at),
            modified_by: Some("marie".to_owned()),
            is_consistent: true,
        }
    }
}
