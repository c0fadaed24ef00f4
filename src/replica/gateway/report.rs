//! Rows that an app uploads, judged one by one: a bad one never sinks the good ones.

use serde::{Deserialize, Serialize};

use crate::ledger::{
    Had, Judgement, Opinion, Plan, Refusal, ReportedRow, accepted_version, had_by_entries, judge_report, note_accepted,
};
use crate::model::{Credit, CreditId, Reporter, ShopId, Timestamp, VersionId};
use crate::money::Amount;
use crate::replica::gateway::memory::{App, Copy};
use crate::replica::{Answer, CommandError, Replica};
use crate::store::Store;

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportOutcome {
    /// It is a credit that was not known.
    Created {
        /// By which the app is to know it.
        server_id: u64,
    },
    /// Something happened to a known one.
    Updated {
        /// By which the app is to know it.
        server_id: u64,
    },
    /// Nothing happened.
    Skipped {
        /// By which the app is to know it.
        server_id: u64,
        /// Whether it says that less was paid than it knew of.
        smaller: bool,
    },
    /// Its status and amounts contradict each other, and no credit is known that they could stand for.
    Contradicts,
    /// It was not taken.
    Refused(Box<Refusal>),
}

impl<S: Store> Replica<S> {
    /// Takes rows of one app. What it says has happened; each is judged by what the app had when it edited.
    pub(in crate::replica) fn take_report(
        &mut self,
        now: Timestamp,
        by: &Reporter,
        shop: ShopId,
        rows: &[ReportedRow],
    ) -> Result<Answer, CommandError> {
        self.need_gateway(shop)?;
        let mut app = self.app(&by.token)?;
        rows.iter().for_each(|row| app.stamped(row.modified_at, now));
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in rows {
            let outcome = match self.need_gateway(row.shop) {
                Ok(()) => self.report_row(now, by, &app, row),
                Err(refusal) => Err(refusal.into()),
            };
            outcomes.push(match outcome {
                Ok(outcome) => outcome,
                Err(CommandError::Refused(refusal) | CommandError::Lacks(refusal)) => ReportOutcome::Refused(refusal),
                Err(failed) => return Err(failed),
            });
        }
        app.complete.clear();
        app.answered(now, false);
        self.put_app(&by.token, app, true)?;
        Ok(Answer::Reported(outcomes))
    }

    fn report_row(
        &mut self,
        now: Timestamp,
        by: &Reporter,
        app: &App,
        row: &ReportedRow,
    ) -> Result<ReportOutcome, CommandError> {
        // The app moves its copy's stamp whenever it likes; its edit is what its clock says, read by ours.
        let edited_at = app.instant(row.modified_at, now);
        let Some(credit) = self.fold.book.meant_by(row).cloned() else {
            return self.report_new(now, by, row, edited_at);
        };
        self.fold.book.check_identity(&credit, row)?;
        let mut copy = self.copy_of(&by.token, &credit.id)?;
        let said = Opinion::of_row(row);
        let had = self.versions_had(&copy, &credit, by, app, now);
        let judgement = judge_report(&had, &said, row.modified_at, app.edit_time(edited_at, &copy));
        let plans = self.fold.book.plan_reported(&credit, row, by, &judgement, now)?;
        self.carry_all(now, &plans)?;
        let total = row.paid.as_ref().map_or(Amount::zero(credit.amount.currency()), |paid| paid.amount);
        let version = match &judgement {
            Judgement::Happened { start, .. } => Some(accepted_version(by, &credit.id, *start, total)),
            Judgement::Nothing => had.iter().rfind(|one| one.opinion == said).map(|one| one.version),
            Judgement::Smaller => None,
        };
        let version = version.or((judgement == Judgement::Nothing).then_some(VersionId::NONE));
        if let Some(version) = version {
            copy.had = had;
            let accepted = Had {
                version,
                opinion: said.clone(),
                stamp: row.modified_at,
                from: edited_at,
                until: Some(now),
                accepted: true,
                unsure: false,
            };
            note_accepted(&mut copy.had, accepted);
        }
        self.note_upload(by, &credit.id, copy, said, row.modified_at, now)?;
        let server_id = credit.server_id();
        Ok(match (judgement, plans.is_empty()) {
            (Judgement::Smaller, _) => ReportOutcome::Skipped { server_id, smaller: true },
            (_, true) => ReportOutcome::Skipped { server_id, smaller: false },
            (_, false) => ReportOutcome::Updated { server_id },
        })
    }

    fn report_new(
        &mut self,
        now: Timestamp,
        by: &Reporter,
        row: &ReportedRow,
        edited_at: Timestamp,
    ) -> Result<ReportOutcome, CommandError> {
        if !row.is_consistent {
            return Ok(ReportOutcome::Contradicts);
        }
        let plan: Plan = self.fold.book.plan_reported_grant(row, by, now)?;
        self.check_plan(&plan)?;
        let made = self.carry_out(now, &plan)?;
        let credit = made.credit.ok_or_else(|| crate::replica::ReplicaError::damaged("a grant made no credit"))?;
        let server_id = self.fold.book.credit(&credit).map(Credit::server_id);
        let server_id =
            server_id.ok_or_else(|| crate::replica::ReplicaError::damaged("a credit just written is not there"))?;
        let said = Opinion::of_row(row);
        let total = row.paid.as_ref().map_or(Amount::zero(row.grant.amount.currency()), |paid| paid.amount);
        let version = match total.is_zero() {
            true => VersionId::NONE,
            false => accepted_version(by, &credit, VersionId::NONE, total),
        };
        let stamp = row.modified_at;
        let accepted = Had {
            version,
            opinion: said.clone(),
            stamp,
            from: edited_at,
            until: Some(now),
            accepted: true,
            unsure: false,
        };
        let copy = Copy { had: vec![accepted], ..Copy::default() };
        self.note_upload(by, &credit, copy, said, stamp, now)?;
        Ok(ReportOutcome::Created { server_id })
    }

    /// The versions that an app had of a credit: as the entries show and as remembered, else as it stands now.
    fn versions_had(&self, copy: &Copy, credit: &Credit, by: &Reporter, app: &App, now: Timestamp) -> Vec<Had> {
        let mut had = copy.had.clone();
        for one in had.iter_mut().filter(|one| !one.accepted) {
            one.until = if one.unsure { None } else { app.had_by(one.from) };
        }
        let shown = self.fold.book.shown_reference(credit);
        // What it had by another gateway, or before this one lost its memory.
        let first = had.first().map_or(Timestamp(i64::MAX), |one| one.from);
        let mut before = had_by_entries(credit, shown.clone(), &by.token);
        before.retain(|one| one.from < first && had.iter().all(|known| known.version != one.version));
        had.splice(0..0, before);
        if had.is_empty() {
            let version = credit.version(&shown);
            let opinion = Opinion::of_credit(credit, shown);
            had.push(Had { version, opinion, stamp: None, from: now, until: None, accepted: false, unsure: false });
        }
        had
    }

    fn note_upload(
        &mut self,
        by: &Reporter,
        credit: &CreditId,
        mut copy: Copy,
        said: Opinion,
        stamp: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        copy.shows = Some((None, said));
        copy.stamp = copy.stamp.max(stamp);
        copy.uploaded_at = Some(now);
        Ok(self.put_copy(&by.token, credit, &copy)?)
    }
}
