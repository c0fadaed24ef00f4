//! Rows for an app: all that it has not, or may have lost. Its mark is a hint and no more (faults F4, F5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ledger::{CreditFilter, Had, Opinion, Refusal, note_sent};
use crate::model::{Beneficiary, Credit, CreditId, CreditStatus, PaymentMode, Reporter, ShopId, Timestamp, VersionId};
use crate::money::{Amount, Balance};
use crate::replica::gateway::memory::{App, Copy};
use crate::replica::{Answer, CommandError, Replica};
use crate::store::Store;

/// Rows in one answer: what a phone takes at once. What is left comes with the next one, whatever mark the app sends.
const ROWS_MAX: usize = 5_000;
/// A credit as the existing app knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowView {
    /// `id`.
    pub server_id: u64,
    /// `reference`, as it is shown.
    pub reference: String,
    /// `montant_credit` and `devise`.
    pub amount: Amount,
    /// `beneficiaire_*`, `type_beneficiaire`.
    pub beneficiary: Beneficiary,
    /// `sim_numero`.
    pub sim: String,
    /// `shop_id`.
    pub shop: ShopId,
    /// `shop_designation`.
    pub shop_name: String,
    /// `agent_id`.
    pub agent_number: u64,
    /// `agent_username`.
    pub agent: Option<String>,
    /// `statut`.
    pub status: CreditStatus,
    /// `date_sortie`.
    pub granted_at: Timestamp,
    /// `date_paiement`.
    pub paid_at: Option<Timestamp>,
    /// `date_echeance`.
    pub due_at: Option<Timestamp>,
    /// `notes`.
    pub notes: Option<String>,
    /// `montant_paye`.
    pub paid: Balance,
    /// `montant_restant`.
    pub remaining: Amount,
    /// `mode_paiement`.
    pub mode: Option<PaymentMode>,
    /// `reference_paiement`.
    pub payment_reference: Option<String>,
    /// `last_modified_at`, as this app is to see it.
    pub modified_at: Timestamp,
    /// `last_modified_by`.
    pub modified_by: String,
}

/// Which rows are listed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowFilter {
    /// As for credits.
    pub credits: CreditFilter,
    /// Only those changed at or after that time.
    pub since: Option<Timestamp>,
}

/// A row that is to be sent.
struct Due {
    /// `last_modified_at`, as the app is to see it.
    stamp: Timestamp,
    credit: CreditId,
    copy: Copy,
    /// Whether the app takes it for certain, if the answer arrives.
    sure: bool,
}

impl<S: Store> Replica<S> {
    /// The rows of a shop that an app is to be sent. They are remembered as sent before they are answered.
    pub(in crate::replica) fn download(
        &mut self,
        now: Timestamp,
        by: &Reporter,
        shop: ShopId,
        since: Option<Timestamp>,
    ) -> Result<Answer, CommandError> {
        self.acting_shop(Some(shop))?;
        let mut app = self.app(&by.token)?;
        app.downloads(now, since);
        let state = self.logs.moves();
        let mut due = Vec::new();
        if app.complete.get(&shop) != Some(&state) {
            let copies = self.copies(&by.token)?;
            let is_all;
            (due, is_all) = self.due_rows(&app, &copies, shop, now);
            if due.is_empty() && is_all {
                app.complete.insert(shop, state);
            }
        }
        let mut rows = Vec::with_capacity(due.len());
        for Due { stamp, credit, mut copy, sure } in due {
            let Some(credit) = self.fold.book.credit(&credit).cloned() else { continue };
            let shown = self.fold.book.shown_reference(&credit);
            let version = credit.version(&shown);
            let opinion = Opinion::of_credit(&credit, shown);
            let had = Had {
                version,
                opinion: opinion.clone(),
                stamp: Some(stamp),
                from: now,
                until: None,
                accepted: false,
                unsure: !sure,
            };
            let is_as_uploaded = shows(&copy, version, &had.opinion);
            if sure || !is_as_uploaded {
                note_sent(&mut copy.had, had);
            }
            if sure {
                copy.shows = Some((Some(version), opinion));
                copy.stamp = Some(stamp);
                copy.uploaded_at = None;
            }
            copy.sent_at = Some(now);
            self.put_copy(&by.token, &credit.id, &copy)?;
            rows.push(self.row_view(&credit, stamp, now));
        }
        app.answered(now, !rows.is_empty());
        self.put_app(&by.token, app, !rows.is_empty())?;
        Ok(Answer::Rows(rows))
    }

    /// What an app is to be sent, the longest unchanged first, each with the stamp that it is to bear; and whether that is
    /// all that it has not.
    fn due_rows(&self, app: &App, copies: &BTreeMap<CreditId, Copy>, shop: ShopId, now: Timestamp) -> (Vec<Due>, bool) {
        let mut is_all = true;
        let mut due: Vec<Due> = Vec::new();
        for credit in self.fold.book.credits_in(shop) {
            let copy = copies.get(&credit.id).cloned().unwrap_or_default();
            let shown = self.fold.book.shown_reference(credit);
            let version = credit.version(&shown);
            let current = Opinion::of_credit(credit, shown);
            let shows_it = shows(&copy, version, &current);
            // Sent since it began to download by this mark: the answer may have been lost.
            let may_be_lost =
                copy.sent_at.is_some_and(|sent| app.since_from.is_some_and(|from| (from..now).contains(&sent)));
            let Some((stamp, sure)) = stamp_for(credit, &copy, shows_it, app, now) else {
                is_all = false;
                continue;
            };
            is_all &= sure;
            let had_at = copy.sent_at.max(copy.uploaded_at);
            let wanted_again =
                app.again.is_some_and(|(from, asked)| stamp >= from && had_at.is_none_or(|had| had < asked));
            if !shows_it || may_be_lost || wanted_again {
                due.push(Due { stamp, credit: credit.id, copy, sure });
            }
        }
        due.sort_by_key(|due| (due.copy.sent_at.is_some(), due.stamp, due.credit));
        is_all &= due.len() <= ROWS_MAX;
        due.truncate(ROWS_MAX);
        (due, is_all)
    }

    /// The rows that a list asks for, all of them: the app knows no pages.
    pub(in crate::replica) fn rows(&self, filter: &RowFilter, now: Timestamp) -> Result<Answer, Refusal> {
        let mut rows = Vec::new();
        let mut page = CreditFilter { limit: 1_000, after: None, ..filter.credits.clone() };
        loop {
            let (found, next) = self.fold.book.list(&page, now)?;
            let changed = |credit: &&&Credit| filter.since.is_none_or(|since| credit.updated_at >= since);
            rows.extend(found.iter().filter(changed).map(|credit| self.row_view(credit, credit.updated_at, now)));
            if next.is_none() {
                return Ok(Answer::Rows(rows));
            }
            page.after = next;
        }
    }

    fn row_view(&self, credit: &Credit, stamp: Timestamp, now: Timestamp) -> RowView {
        let last = credit.last_payment();
        let reported = credit.reported.as_ref().map(|reported| reported.agent_number);
        let shop_name = self.fold.book.shops().get(&credit.shop).map(|shop| shop.name.clone());
        RowView {
            server_id: credit.server_id(),
            reference: self.fold.book.shown_reference(credit),
            amount: credit.amount,
            beneficiary: credit.beneficiary.clone(),
            sim: credit.sim.to_string(),
            shop: credit.shop,
            shop_name: shop_name.unwrap_or_default(),
            agent_number: reported.unwrap_or_else(|| number_of(credit.agent.as_deref())),
            agent: credit.agent.clone(),
            status: credit.status_at(now),
            granted_at: credit.granted_at,
            paid_at: credit.paid_at(),
            due_at: credit.due_at,
            notes: credit.notes.clone(),
            paid: credit.paid,
            remaining: credit.remaining(),
            mode: last.map(|(mode, _)| mode),
            payment_reference: last.and_then(|(_, reference)| reference.map(str::to_owned)),
            modified_at: stamp,
            modified_by: self.last_hand(credit),
        }
    }

    /// Who did the last thing to a credit that says who did it.
    fn last_hand(&self, credit: &Credit) -> String {
        let paid = credit.payments.iter().max_by_key(|payment| payment.origin);
        let (agent, device) = match paid {
            Some(payment) => (&payment.agent, payment.origin.device),
            None => (&credit.agent, credit.origin.device),
        };
        agent.clone().unwrap_or_else(|| self.fold.registry.name_of(&device))
    }
}

/// Whether an app's copy shows a credit as it stands.
fn shows(copy: &Copy, version: VersionId, current: &Opinion) -> bool {
    let shown = copy.shows.as_ref();
    shown.is_some_and(|(sent, opinion)| *sent == Some(version) || sent.is_none() && opinion == current)
}

/// The stamp of a row that is sent. The app takes a row that is newer than its own, and then forgets what it had edited
/// and not uploaded yet: so the stamp is just after what its copy bears, and no later than what it has uploaded by now.
/// (ADR 26: the time of the change itself would lose payments that are still in the app.) `None`: what its copy bears is
/// not known before it ends this round. Said with it: whether the app takes the row for certain, if it takes any.
fn stamp_for(credit: &Credit, copy: &Copy, shows_it: bool, app: &App, now: Timestamp) -> Option<(Timestamp, bool)> {
    let changed = credit.updated_at;
    // A copy of the old server's, from before this node knew the app.
    let Some(borne) = copy.stamp.or(credit.old_modified_at) else {
        // It has no copy. What its cashier does next must be newer, by its own clock.
        return Some((changed.min(app.by_its_clock_at_least(now)), true));
    };
    let is_as_imported = credit.old_modified_at.is_some() && copy.stamp.is_none() && is_untouched(credit);
    if is_as_imported || shows_it && copy.uploaded_at.is_none() {
        return Some((borne, true));
    }
    let mut stamp = borne.plus_ms(1);
    if let Some(uploaded) = copy.uploaded_at {
        // It stamped the row when its upload was answered, and took its mark after that; or it was never answered.
        let mark = app.since.filter(|mark| app.by_our_clock(*mark) >= uploaded);
        match mark {
            Some(mark) => stamp = stamp.max(mark.plus_ms(1)),
            // Its rows may be gone with its mark: then it takes this one, and else it keeps its own, which is not older.
            None if shows_it || !app.has_mark() => return Some((borne, false)),
            None => return None,
        }
    }
    let uploaded = app.uploaded_until.map(|until| until.min(changed));
    Some((uploaded.map_or(stamp, |uploaded| stamp.max(uploaded)), true))
}

/// Whether nothing was done to a credit since it was imported.
fn is_untouched(credit: &Credit) -> bool {
    credit.updated_at == credit.origin.wall
}

/// An agent's number on the wire: that which the replaced server gave, else one that follows from the name.
fn number_of(agent: Option<&str>) -> u64 {
    let name = agent.unwrap_or_default();
    if let Some(number) = name.strip_prefix("agent ").and_then(|digits| digits.parse().ok()).filter(|id| *id > 0) {
        return number;
    }
    let hash = blake3::derive_key("ucash/v1/agent-number", name.as_bytes());
    u64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) >> 1).max(1)
}
