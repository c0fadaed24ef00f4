//! Entries and documents as people read them: what a log holds, what a credit's document is made of.
//!
//! It shows what is stored, whatever it is worth: an entry without effect as well as one that counts. It changes nothing.

use serde_json::{Map, Value, json};

use crate::document::{Content, Scalar, operation, parse};
use crate::ledger::Refusal;
use crate::log::{Body, LogId};
use crate::model::{DocumentId, Operation, Register, Resolution, Scope, ShopId};
use crate::replica::fold::{Entries, EntryRef, Fold};
use crate::replica::{ChangeView, DocumentView, EntryView, Page, Replica, ReplicaError};
use crate::store::Store;

/// Which entries are to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Of the registry alone.
    pub registry: bool,
    /// Of this shop alone.
    pub shop: Option<ShopId>,
    /// Of this device alone: its name or key.
    pub device: Option<String>,
    /// From this number of each log on.
    pub from: u64,
    /// Only those kept without effect.
    pub set_aside: bool,
    /// 1 to 1,000.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<String>,
}

impl<S: Store> Replica<S> {
    /// A page of entries: log by log, each in the order in which it was written.
    pub(super) fn entries_page(&self, filter: &LogFilter) -> Result<Page<EntryView>, Refusal> {
        let device = filter.device.as_deref().map(|device| self.find_device(device)).transpose()?;
        let after = filter.after.as_deref().map(read_cursor).transpose()?;
        let limit = filter.limit.clamp(1, 1_000);
        let logs = self.logs.held().iter().filter(|(log, _)| match log.scope {
            Scope::Registry => filter.shop.is_none(),
            Scope::Shop(shop) => !filter.registry && filter.shop.is_none_or(|wanted| wanted == shop),
        });
        let mut items = Vec::new();
        for (log, held) in logs.filter(|(log, _)| device.is_none_or(|device| device == log.device)) {
            let first = match &after {
                Some((of, _)) if log < of => continue,
                Some((of, number)) if log == of => number + 1,
                _ => 1,
            };
            for number in first.max(filter.from).max(self.logs.first(held.index))..=held.head.number {
                let at = EntryRef { log: held.index, number };
                if filter.set_aside && !self.fold.set_aside().contains_key(&at) {
                    continue;
                }
                if items.len() == limit {
                    let next = items.last().map(|last: &EntryView| last.cursor.clone());
                    return Ok(Page { items, next });
                }
                items.push(self.entry_view(log, at).map_err(|error| error.refusal())?);
            }
        }
        Ok(Page { items, next: None })
    }

    fn entry_view(&self, log: &LogId, at: EntryRef) -> Result<EntryView, ReplicaError> {
        let bytes = self.logs.body_bytes(at)?;
        let body = Body::from_bytes(&bytes).ok();
        let change = body.as_ref().and_then(|body| Some((body, parse(&body.change).ok()?)));
        let read = change.as_ref().and_then(|(body, change)| operation(&body.document, &change.items));
        let sets = change.as_ref().map(|(_, change)| {
            change.items.iter().map(|item| (item.key.to_string(), content(&item.content))).collect::<Map<_, _>>()
        });
        let reason = self.fold.set_aside().get(&at);
        let verdict = match reason {
            Some(_) => "set_aside",
            None if self.fold.is_waiting(&at) => "waits",
            None => "counts",
        };
        Ok(EntryView {
            device: self.fold.registry.name_of(&log.device),
            device_key: log.device.to_text(),
            incarnation: format!("{:016x}", log.incarnation.0),
            shop_id: match log.scope {
                Scope::Registry => None,
                Scope::Shop(shop) => Some(shop),
            },
            number: at.number,
            wall: body.as_ref().map(|body| body.wall.to_rfc3339()),
            stamp: body.as_ref().map(|body| body.stamp.time().to_rfc3339()),
            document: body.as_ref().map(|body| document_name(&body.document)),
            kind: read.as_ref().map_or("unreadable", kind).to_owned(),
            agent: read.as_ref().and_then(agent),
            sets: Value::Object(sets.unwrap_or_default()),
            bytes: bytes.len() as u64,
            verdict: verdict.to_owned(),
            reason: reason.map(|reason| format!("{reason:?}").to_lowercase()),
            cursor: format!("{}.{}", data_encoding::HEXLOWER.encode(&log.to_bytes()), at.number),
        })
    }

    /// A credit's document: its changes, causes before effects, and which of them stand.
    pub(super) fn document_view(&self, key: &str) -> Result<DocumentView, Refusal> {
        let credit = self.fold.book.find_credit(key)?;
        let id = DocumentId::Credit { shop: credit.shop, id: credit.id };
        let failed = |error: ReplicaError| error.refusal();
        // A fold of its own: a look must not change which documents are open.
        let mut fold = Fold::new(self.fold.registry.authority());
        fold.book.put_credit(credit.clone());
        let known = self.fold.document(&id).zip(self.fold.positions(&id));
        let (document, positions) = match known {
            Some(known) => known,
            None => {
                fold.open(&self.logs, &id).map_err(failed)?;
                let opened = fold.document(&id).zip(fold.positions(&id));
                opened.ok_or_else(|| Refusal::UnknownCredit { key: key.to_owned() })?
            }
        };
        let visible = document.history(|_| true).visible;
        let mut changes = Vec::with_capacity(positions.len());
        for (index, at) in positions.iter().enumerate() {
            let log = self.logs.log(at.log).ok_or_else(|| failed(ReplicaError::damaged("a log has no name")))?;
            let entry = self.entry_view(&log, *at).map_err(failed)?;
            let body = Body::from_bytes(&self.logs.body_bytes(*at).map_err(failed)?).ok();
            let Some(change) = body.and_then(|body| parse(&body.change).ok()) else { continue };
            let short = |bytes: &[u8]| data_encoding::HEXLOWER.encode(&bytes[..6]);
            let stands_in = visible.iter().filter(|(_, standing)| standing.contains(&index));
            changes.push(ChangeView {
                entry,
                hash: short(&change.hash),
                dependencies: change.dependencies.iter().map(|hash| short(hash)).collect(),
                actor: short(&change.actor),
                sequence: change.sequence,
                start_op: change.start_op,
                stands_in: stands_in.map(|(register, _)| register_name(register)).collect(),
            });
        }
        Ok(DocumentView { id: credit.id, reference: credit.reference.to_string(), shop_id: credit.shop, changes })
    }
}

fn read_cursor(text: &str) -> Result<(LogId, u64), Refusal> {
    let read = || {
        let (log, number) = text.split_once('.')?;
        let log = data_encoding::HEXLOWER.decode(log.as_bytes()).ok()?;
        Some((LogId::from_bytes(&log)?, number.parse::<u64>().ok().filter(|number| *number < u64::MAX)?))
    };
    read().ok_or(Refusal::BadCursor)
}

fn document_name(document: &DocumentId) -> String {
    match document {
        DocumentId::Registry => "registry".to_owned(),
        DocumentId::Shop(shop) => format!("shop {shop}"),
        DocumentId::SimMonth { sim, month, .. } => format!("sim {sim} {}-{:02}", month.year, month.month),
        DocumentId::Credit { id, .. } => format!("credit {id}"),
    }
}

fn register_name(register: &Register) -> String {
    match register {
        Register::Status => "status".to_owned(),
        Register::Contact(field) => format!("{field:?}").to_lowercase(),
        Register::Reference => "reference".to_owned(),
        Register::GivenBack(payment) => format!("given back of {payment}"),
        Register::DeviceName(_) => "device name".to_owned(),
        Register::Town => "town".to_owned(),
    }
}

fn content(content: &Content) -> Value {
    match content {
        Content::Value(scalar) => value(scalar),
        Content::Map(fields) => {
            Value::Object(fields.iter().map(|(name, scalar)| (name.to_string(), value(scalar))).collect())
        }
    }
}

fn value(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Text(text) => json!(text),
        Scalar::Int(number) => json!(number),
        Scalar::Time(milliseconds) => json!(crate::model::Timestamp(*milliseconds).to_rfc3339()),
        // Certificates and keys: where they begin is enough to tell one from another.
        Scalar::Bytes(bytes) => json!(data_encoding::HEXLOWER.encode(&bytes[..bytes.len().min(16)])),
        Scalar::Flag(flag) => json!(flag),
        Scalar::Null => Value::Null,
    }
}

fn kind(operation: &Operation) -> &'static str {
    match operation {
        Operation::Found { .. } => "found",
        Operation::AddShop { .. } => "add_shop",
        Operation::Certify { .. } => "certify",
        Operation::Revoke { .. } => "revoke",
        Operation::RenameDevice { .. } => "rename_device",
        Operation::AddSim { .. } => "add_sim",
        Operation::NameKeeper { .. } => "name_keeper",
        Operation::NameGateway { .. } => "name_gateway",
        Operation::Stop { .. } => "stop",
        Operation::Close(_) => "close",
        Operation::MoveSim { .. } => "move_sim",
        Operation::Sight { .. } => "sight",
        Operation::CorrectClock { .. } => "correct_clock",
        Operation::TakeOver { .. } => "take_over",
        Operation::DescribeShop { .. } => "describe_shop",
        Operation::Move(_) => "move",
        Operation::ValidateCapture { .. } => "validate_capture",
        Operation::Reimburse { .. } => "reimburse",
        Operation::ReverseMovement { .. } => "reverse_movement",
        Operation::TakeGift { .. } => "take_gift",
        Operation::BearGift { .. } => "bear_gift",
        Operation::Grant(_) => "grant",
        Operation::Pay(_) => "pay",
        Operation::ReversePayment { .. } => "reverse_payment",
        Operation::Cancel { .. } => "cancel",
        Operation::Return { .. } => "return",
        Operation::Edit { .. } => "edit",
        Operation::GiveBack { .. } => "give_back",
        Operation::Reinstate { .. } => "reinstate",
        Operation::Renumber { .. } => "renumber",
        Operation::Resolve(_) => "resolve",
    }
}

fn agent(operation: &Operation) -> Option<String> {
    match operation {
        Operation::Grant(grant) => grant.agent.clone(),
        Operation::Pay(payment) => payment.agent.clone(),
        Operation::Move(movement) => movement.agent.clone(),
        Operation::ReversePayment { agent, .. }
        | Operation::Cancel { agent, .. }
        | Operation::Edit { agent, .. }
        | Operation::GiveBack { agent, .. }
        | Operation::Reinstate { agent, .. }
        | Operation::Renumber { agent, .. }
        | Operation::Resolve(Resolution { agent, .. })
        | Operation::ReverseMovement { agent, .. } => agent.clone(),
        _ => None,
    }
}
