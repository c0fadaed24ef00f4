//! Looks at what stands, in the shapes of the interface.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde_json::json;

use crate::ledger::{Refusal, SetDigest, Statistics};
use crate::log::LogId;
use crate::model::{
    Beneficiary, Capture, CaptureState, Credit, DeviceKey, DocumentId, Edit, MovementKind, MovementRecord, Operation,
    Payment, Reporter, Scope, ShopId, SimNumber, Stamped, Timestamp,
};
use crate::money::{Amount, Balance, Currency};
use crate::replica::fold::{Entries, Fold};
use crate::replica::heard::Quiet;
use crate::replica::{
    AccountView, Answer, BalanceView, BeneficiaryView, CreditView, DeviceView, EventView, LostEntries, LostView,
    MovementView, Page, PaymentView, PeerView, Query, Replica, ReplicaError, ShopView, SimView, StatisticsView,
    StatusView, keys,
};
use crate::store::Store;

fn decimal(balance: Balance) -> String {
    balance.value().to_string()
}

fn plain(amount: Amount) -> String {
    amount.to_decimal_string()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

impl Fold {
    /// What two replicas that hold the same entries agree on: money, credits, SIMs, membership, verdicts.
    pub fn state_digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/state");
        for shop in self.book.shops().values() {
            hasher.update(format!("{} {:?} {:?};", shop.id, shop.name, shop.town).as_bytes());
            hasher.update(&self.book.shop_digest(shop.id).to_bytes());
        }
        for sim in self.book.sims().values() {
            hasher.update(format!("{} {:?} {} {};", sim.number, sim.operator, sim.shop, sim.active).as_bytes());
        }
        let mut members = SetDigest::default();
        for (device, member) in self.registry.members() {
            members.insert(&device.0);
            members.insert(format!("{device} {}", member.name).as_bytes());
            member.certificates.iter().for_each(|(_, bytes)| members.insert(bytes));
        }
        for (shop, device) in self.registry.gateways() {
            members.insert(format!("gateway {shop} {device}").as_bytes());
        }
        self.registry.revoked().iter().for_each(|device| members.insert(format!("revoked {device}").as_bytes()));
        hasher.update(&members.to_bytes());
        hasher.update(&self.book.shares_digest());
        *hasher.finalize().as_bytes()
    }
}

impl<S: Store> Replica<S> {
    pub(super) fn query(&self, now: Timestamp, query: &Query) -> Result<Answer, Refusal> {
        let failed = |error: ReplicaError| error.refusal();
        let book = &self.fold.book;
        Ok(match query {
            Query::Status => Answer::Status(Box::new(self.status(now))),
            Query::Devices => {
                let devices = self.fold.registry.members().keys();
                Answer::Devices(Page::whole(devices.filter_map(|device| self.device_view(device).ok()).collect()))
            }
            Query::Shops => {
                let shops = book.shops().keys();
                Answer::Shops(Page::whole(shops.filter_map(|shop| self.shop_view(*shop).ok()).collect()))
            }
            Query::Sims { shop } => {
                let sims = book.sims().values().filter(|sim| shop.is_none_or(|shop| shop == sim.shop));
                let mut quiet: BTreeMap<ShopId, Quiet> = BTreeMap::new();
                let view = |sim: &crate::model::Sim| SimView {
                    sim: sim.number.to_string(),
                    operator: sim.operator.word().to_owned(),
                    shop_id: sim.shop,
                    active: sim.active,
                    balances: {
                        let quiet = quiet.entry(sim.shop).or_insert_with(|| self.quiet(sim.shop, now));
                        self.accounts(sim.shop, &sim.number, quiet, now)
                    },
                };
                Answer::Sims(Page::whole(sims.map(view).collect()))
            }
            Query::Credits(filter) => {
                let (found, next) = book.list(filter, now)?;
                let items = found.into_iter().map(|credit| self.credit_view(credit, now)).collect();
                Answer::Credits(Page { items, next })
            }
            Query::Credit { key } => Answer::Credit(Box::new(self.credit_view(book.find_credit(key)?, now))),
            Query::CreditHistory { key } => {
                let credit = book.find_credit(key)?;
                Answer::History(Page::whole(self.history(credit).map_err(failed)?))
            }
            Query::SimBalance { sim } => Answer::Balance(self.balance_view(sim, now)?),
            Query::SimShares { sim } => Answer::Shares(self.shares_view(sim, now)?),
            Query::Movements { sim, limit, after } => self.movements(sim, *limit, after.as_deref())?,
            Query::Conflicts(filter) => Answer::Conflicts(self.conflicts_page(filter)?),
            Query::Conflict { key } => Answer::Conflict(Box::new(self.conflict_view(&self.find_conflict(key)?))),
            Query::Statistics(period) => {
                let sums = book.statistics(period, now);
                Answer::Statistics(sums.iter().map(|(currency, sum)| (*currency, statistics_view(sum))).collect())
            }
            Query::Rows(filter) => self.rows(filter, now)?,
            Query::Local { prefix } => Answer::Local(self.local(prefix).map_err(failed)?),
            Query::Log(filter) => Answer::Entries(self.entries_page(filter)?),
            Query::Document { key } => Answer::Document(Box::new(self.document_view(key)?)),
            Query::Verify => Answer::Verified(self.verify().map_err(failed)?),
            Query::Snapshot => Answer::Snapshot(Box::new(self.snapshot(now)?)),
            Query::OwnValues { keys } => {
                let (payload, taken) = self.own_values(keys)?;
                Answer::OwnValues(payload, taken)
            }
            Query::LogPiece { log, from, to } => Answer::LogPiece(self.piece(log, *from, *to)?),
        })
    }

    fn status(&self, now: Timestamp) -> StatusView {
        let registry = &self.fold.registry;
        let founding = registry.founding();
        let device = self.device();
        let standing = self.own_standing();
        let shop_id = standing.map_or(ShopId(0), |(shop, ..)| shop);
        let shop = self.fold.book.shops().get(&shop_id);
        let last_sync = self.seen.values().filter_map(|seen| seen.in_step_at).max();
        let shop_digests = self.fold.book.shops().keys();
        StatusView {
            network: founding.map_or_else(String::new, |founding| founding.network.clone()),
            network_id: registry.network().to_string(),
            time_zone: founding.map_or_else(|| "UTC".to_owned(), |founding| founding.time_zone.clone()),
            shop_id,
            shop: shop.map_or_else(String::new, |shop| shop.name.clone()),
            device: registry.name_of(&device),
            device_key: device.to_text(),
            role: standing.map_or(crate::membership::Role::Auditor, |(_, role, _)| role),
            is_syncing: self.is_syncing(),
            last_sync_time: last_sync.map(Timestamp::to_rfc3339),
            pending_count: self.pending_count(),
            peers: self.peers(now),
            clock_offset_ms: self.clock_offset_ms(),
            conflicts_open: self.conflicts_open(),
            entries: self.logs.entries(),
            set_aside: self.fold.set_aside().len() as u64,
            waiting: self.fold.waiting_count() as u64,
            lost: self.lost().iter().map(|lost| self.lost_view(lost)).collect(),
            credits: self.fold.book.credit_count() as u64,
            state_digest: hex(&self.fold.state_digest()),
            shop_newest: self.fold.book.newest().iter().map(|(shop, at)| (*shop, at.to_rfc3339())).collect(),
            shop_digests: shop_digests
                .map(|shop| (*shop, hex(&self.fold.book.shop_digest(*shop).to_bytes())))
                .collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            now: now.to_rfc3339(),
        }
    }

    /// Lost entries as people know them.
    pub fn lost_view(&self, lost: &LostEntries) -> LostView {
        let shop_id = match lost.log.scope {
            Scope::Registry => None,
            Scope::Shop(shop) => Some(shop),
        };
        LostView { device: self.fold.registry.name_of(&lost.log.device), shop_id, from: lost.from, to: lost.to }
    }

    fn peers(&self, now: Timestamp) -> Vec<PeerView> {
        // Of strangers that misbehave there is no end: they are counted, and not shown.
        let noted = self.conducts.noted().filter(|peer| self.fold.registry.knows(peer));
        let mut peers: Vec<DeviceKey> = self.sessions.keys().chain(self.seen.keys()).copied().chain(noted).collect();
        peers.sort_unstable();
        peers.dedup();
        let certified = |peer: &DeviceKey| self.sessions.get(peer).is_none_or(|session| session.certificate.is_some());
        let banned_until = |peer: &DeviceKey| self.conducts.get(peer)?.banned_until.filter(|end| now < *end);
        peers
            .into_iter()
            .filter(certified)
            .map(|peer| PeerView {
                device: self.fold.registry.name_of(&peer),
                device_key: peer.to_text(),
                shop_id: self.fold.registry.standing(&peer).map(|(shop, ..)| shop),
                connected: self.sessions.contains_key(&peer),
                in_step: self.sessions.get(&peer).is_some_and(|session| session.in_step),
                last_sync_time: self.seen.get(&peer).and_then(|seen| seen.in_step_at).map(Timestamp::to_rfc3339),
                refused: self.conducts.get(&peer).map_or(0, |conduct| conduct.refused),
                banned_until: banned_until(&peer).map(Timestamp::to_rfc3339),
            })
            .collect()
    }

    pub(super) fn device_view(&self, device: &DeviceKey) -> Result<DeviceView, Refusal> {
        let member = self.fold.registry.member(device);
        let member = member.ok_or_else(|| Refusal::UnknownDevice { key: device.to_text() })?;
        let certificate = member.certificate();
        Ok(DeviceView {
            name: member.name.clone(),
            key: device.to_text(),
            shop_id: certificate.shop,
            role: certificate.role,
            read: certificate.read,
            this_device: *device == self.device(),
            connected: self.sessions.get(device).is_some_and(|session| session.certificate.is_some()),
            revoked: self.fold.registry.is_revoked(device),
            certified_at: certificate.issued_at.to_rfc3339(),
            expires_at: certificate.expires_at.map(Timestamp::to_rfc3339),
        })
    }

    pub(super) fn shop_view(&self, shop: ShopId) -> Result<ShopView, Refusal> {
        let known = self.fold.book.shops().get(&shop).ok_or(Refusal::UnknownShop { shop })?;
        let devices = self.fold.registry.members().values().filter(|member| member.certificate().shop == shop);
        let sims = self.fold.book.sims().values().filter(|sim| sim.shop == shop);
        Ok(ShopView {
            id: shop,
            name: known.name.clone(),
            town: known.town.clone(),
            devices: devices.count() as u32,
            sims: sims.count() as u32,
            credits: self.fold.book.credits_of(shop) as u64,
            gateway: self.fold.registry.gateway(shop).map(|device| self.fold.registry.name_of(&device)),
        })
    }

    fn accounts(
        &self,
        shop: ShopId,
        sim: &SimNumber,
        quiet: &Quiet,
        now: Timestamp,
    ) -> BTreeMap<Currency, AccountView> {
        let view = |currency: Currency| {
            let account = self.fold.book.account(shop, sim, currency);
            let mut view = AccountView {
                available: decimal(account.available()),
                at_least: String::new(),
                at_most: String::new(),
                oldest_heard: None,
                this_device: decimal(self.fold.book.spendable(shop, sim, currency, &self.holder())),
                initial: decimal(account.initial),
                captures: decimal(account.captures),
                credits: decimal(account.credits),
                withdrawals: decimal(account.withdrawals),
                deposits: decimal(account.deposits),
            };
            self.add_bounds(&mut view, shop, sim, currency, quiet, now);
            (currency, view)
        };
        Currency::ALL.into_iter().map(view).collect()
    }

    pub(super) fn balance_view(&self, sim: &SimNumber, now: Timestamp) -> Result<BalanceView, Refusal> {
        let known = self.fold.book.sims().get(sim).ok_or_else(|| Refusal::UnknownSim { sim: sim.clone() })?;
        Ok(BalanceView {
            sim: sim.to_string(),
            shop_id: known.shop,
            operator: known.operator.word().to_owned(),
            balances: self.accounts(known.shop, sim, &self.quiet(known.shop, now), now),
        })
    }

    fn movements(&self, sim: &SimNumber, limit: usize, after: Option<&str>) -> Result<Answer, Refusal> {
        if !self.fold.book.sims().contains_key(sim) {
            return Err(Refusal::UnknownSim { sim: sim.clone() });
        }
        let after = after.map(|id| self.fold.book.find_movement(id).map_err(|_| Refusal::BadCursor)).transpose()?;
        let limit = limit.clamp(1, 1_000);
        let mut found: Vec<&MovementRecord> = self.fold.book.movements_of(sim, after).take(limit + 1).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|record| record.id.to_string());
        let items = found.into_iter().map(|record| movement_view(&self.fold, record)).collect();
        Ok(Answer::Movements(Page { items, next }))
    }

    pub(super) fn credit_view(&self, credit: &Credit, now: Timestamp) -> CreditView {
        let Beneficiary { name, phone, address, kind, shop } = credit.beneficiary.clone();
        let seen_by = self.credit_seen_by(credit);
        let mut names: Vec<String> = seen_by.iter().map(|device| self.fold.registry.name_of(device)).collect();
        names.sort();
        CreditView {
            id: credit.id,
            reference: self.fold.book.shown_reference(credit),
            status: credit.status_at(now),
            currency: credit.amount.currency(),
            amount: plain(credit.amount),
            paid: decimal(credit.paid),
            remaining: plain(credit.remaining()),
            overpaid: plain(credit.overpaid()),
            shop_id: credit.shop,
            sim: credit.sim.to_string(),
            beneficiary: BeneficiaryView { name, phone, address, kind, shop_id: shop },
            agent: credit.agent.clone(),
            device: self.device_or_app(&credit.origin.device, credit.reported.as_ref().map(|reported| &reported.by)),
            granted_at: credit.granted_at.to_rfc3339(),
            due_at: credit.due_at.map(Timestamp::to_rfc3339),
            paid_at: credit.paid_at().map(Timestamp::to_rfc3339),
            cancelled_at: credit.annulled_at().map(Timestamp::to_rfc3339),
            notes: credit.notes.clone(),
            payments: credit.payments.iter().map(|payment| self.payment_view(payment)).collect(),
            updated_at: credit.updated_at.to_rfc3339(),
            seen_by: seen_by.len() as u32,
            seen_by_devices: names,
            conflicts: self.conflict_ids(credit),
            set_aside: credit.void,
        }
    }

    /// The name of a device; of what the existing app reported through it, the app's.
    fn device_or_app(&self, device: &DeviceKey, app: Option<&Reporter>) -> String {
        let name = self.fold.registry.name_of(device);
        app.map_or(name.clone(), |app| format!("{} ({name})", app.label))
    }

    fn payment_view(&self, payment: &Payment) -> PaymentView {
        PaymentView {
            id: payment.id,
            amount: plain(payment.amount),
            mode: payment.mode,
            reference: payment.reference.clone(),
            agent: payment.agent.clone(),
            device: self.device_or_app(&payment.origin.device, payment.reported.as_ref().map(|reported| &reported.by)),
            at: payment.at.to_rfc3339(),
            reversed: payment.reversed,
        }
    }

    fn credit_seen_by(&self, credit: &Credit) -> BTreeSet<DeviceKey> {
        let id = DocumentId::Credit { shop: credit.shop, id: credit.id };
        let positions = match self.fold.positions(&id) {
            Some(positions) => positions.to_vec(),
            None => self.logs.positions(&id).unwrap_or_default(),
        };
        let entries: Vec<(LogId, u64)> =
            positions.iter().filter_map(|at| self.logs.log(at.log).map(|log| (log, at.number))).collect();
        self.seen_by(credit.shop, &entries)
    }

    fn history(&self, credit: &Credit) -> Result<Vec<EventView>, ReplicaError> {
        let id = DocumentId::Credit { shop: credit.shop, id: credit.id };
        // A fold of its own: a look must not change which documents are open.
        let mut fold = Fold::new(self.fold.registry.authority());
        let staged = self.fold.document(&id);
        let mut operations: Vec<Stamped> = match staged {
            Some(document) => document.operations().to_vec(),
            None => {
                fold.book.put_credit(credit.clone());
                fold.open(&self.logs, &id)?;
                fold.document(&id).map(|document| document.operations().to_vec()).unwrap_or_default()
            }
        };
        operations.sort_by_key(|stamped| stamped.origin);
        Ok(operations.iter().map(|stamped| self.event_view(stamped)).collect())
    }

    fn event_view(&self, stamped: &Stamped) -> EventView {
        let (kind, agent, details) = match &stamped.operation {
            Operation::Grant(grant) => (
                "grant",
                grant.agent.clone(),
                json!({ "amount": plain(grant.amount), "currency": grant.amount.currency(), "sim": grant.sim }),
            ),
            Operation::Pay(payment) => (
                "pay",
                payment.agent.clone(),
                json!({
                    "payment": payment.id, "amount": plain(payment.amount), "mode": payment.mode,
                    "reference": payment.reference, "at": payment.at.to_rfc3339(),
                }),
            ),
            Operation::ReversePayment { payment, why, agent } => {
                ("reverse_payment", agent.clone(), json!({ "payment": payment, "why": why }))
            }
            Operation::Cancel { why, agent, .. } => ("cancel", agent.clone(), json!({ "why": why })),
            Operation::Return { .. } => ("return", None, json!({})),
            Operation::Edit { edits, agent } => {
                let fields: serde_json::Map<_, _> = edits.iter().map(edited).collect();
                ("edit", agent.clone(), serde_json::Value::Object(fields))
            }
            _ => ("other", None, serde_json::Value::Null),
        };
        EventView {
            kind: kind.to_owned(),
            at: stamped.origin.wall.to_rfc3339(),
            device: self.device_or_app(&stamped.origin.device, reporter(&stamped.operation)),
            agent,
            details,
        }
    }

    fn local(&self, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>, ReplicaError> {
        let start = keys::local(prefix);
        let mut found = BTreeMap::new();
        self.logs.store.scan(&start, &start, &mut |key, value| {
            found.insert(String::from_utf8_lossy(&key[1..]).into_owned(), value.to_vec());
            ControlFlow::Continue(())
        })?;
        for (key, value) in self.pending.iter().filter(|(key, _)| key.starts_with(&start)) {
            let name = String::from_utf8_lossy(&key[1..]).into_owned();
            match value {
                Some(value) => found.insert(name, value.clone()),
                None => found.remove(&name),
            };
        }
        Ok(found)
    }
}

fn edited(edit: &Edit) -> (String, serde_json::Value) {
    let (name, value) = match edit {
        Edit::Name(name) => ("name", json!(name)),
        Edit::Phone(phone) => ("phone", json!(phone)),
        Edit::Address(address) => ("address", json!(address)),
        Edit::DueAt(due) => ("due_at", json!(due.map(Timestamp::to_rfc3339))),
        Edit::Notes(notes) => ("notes", json!(notes)),
    };
    (name.to_owned(), value)
}

/// A movement as the interface shows it.
pub(super) fn movement_view(fold: &Fold, record: &MovementRecord) -> MovementView {
    let amount = record.kind.amount();
    let mut view = MovementView {
        id: record.id,
        kind: record.kind.word().to_owned(),
        sim: record.sim.to_string(),
        shop_id: record.shop,
        amount: plain(amount),
        currency: amount.currency(),
        at: record.at.to_rfc3339(),
        agent: record.agent.clone(),
        device: fold.registry.name_of(&record.origin.device),
        counts: record.counts(),
        reversed: record.reversed,
        set_aside: record.void,
        reference: None,
        client: None,
        phone: None,
        cash: None,
        fee: None,
        owed_by: None,
        to: None,
        state: None,
    };
    match &record.kind {
        MovementKind::Opening(_) | MovementKind::Moved(_) => {}
        MovementKind::Gift(gift) => {
            view.to = Some(fold.registry.name_of(&gift.to.device));
            view.state = Some(if record.taken_by.is_some() { "pris" } else { "enRoute" }.to_owned());
        }
        MovementKind::Capture(Capture { cash, fee, reference, client, phone, state, .. }) => {
            view.reference.clone_from(reference);
            view.client.clone_from(client);
            view.phone.clone_from(phone);
            view.cash = cash.map(plain);
            view.fee = fee.map(plain);
            let state = if record.validated { CaptureState::Validated } else { *state };
            view.state = Some(state.word().to_owned());
        }
        MovementKind::Withdrawal(withdrawal) => {
            view.owed_by = withdrawal.owed_by;
            view.state = Some(if record.reimbursed { "rembourse" } else { "enAttente" }.to_owned());
        }
        MovementKind::Deposit(deposit) => view.phone.clone_from(&deposit.phone),
    }
    view
}

fn statistics_view(sum: &Statistics) -> StatisticsView {
    StatisticsView {
        credits: sum.credits,
        granted: decimal(sum.granted),
        paid: decimal(sum.paid),
        waiting: decimal(sum.waiting),
        overdue: decimal(sum.overdue),
        paid_count: sum.paid_count,
        waiting_count: sum.waiting_count,
        overdue_count: sum.overdue_count,
        recovery_rate: sum.recovery_rate().map(|rate| rate.to_string()),
    }
}

/// The app that reported an operation, if one did.
fn reporter(operation: &Operation) -> Option<&Reporter> {
    match operation {
        Operation::Grant(grant) => grant.reported.as_ref().map(|reported| &reported.by),
        Operation::Pay(payment) => payment.reported.as_ref().map(|reported| &reported.by),
        _ => None,
    }
}
