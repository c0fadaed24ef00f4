//! What a replica shows: the shapes of the interface, field for field. `http` writes them out as they are, `cli`
//! prints them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::membership::{ReadScope, Role};
use crate::model::{Conflict, CreditId, CreditStatus, MovementId, PaymentId, PaymentMode, ShopId};
use crate::money::Currency;
use crate::replica::{ReportOutcome, RowOutcome, RowView, Snapshot};

/// What a command or query answered. Serialised without its name: each shape is recognised by where it was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// A credit, after a command or on its own.
    Credit(Box<CreditView>),
    /// A page of credits.
    Credits(Page<CreditView>),
    /// What was done to a credit.
    History(Page<EventView>),
    /// The node at a glance.
    Status(Box<StatusView>),
    /// Devices.
    Devices(Page<DeviceView>),
    /// Shops.
    Shops(Page<ShopView>),
    /// One shop, after it was added.
    Shop(ShopView),
    /// SIMs.
    Sims(Page<SimView>),
    /// What a SIM holds.
    Balance(BalanceView),
    /// Who holds how much of a SIM.
    Shares(SharesView),
    /// How far the closing of a device has come.
    Closing(ClosingView),
    /// A page of movements.
    Movements(Page<MovementView>),
    /// One movement, after a command.
    Movement(MovementView),
    /// Sums of credits.
    Statistics(BTreeMap<Currency, StatisticsView>),
    /// An invitation, shown once.
    Invitation(InvitationView),
    /// One device, after a command.
    Device(DeviceView),
    /// What became of imported rows, in their order.
    Imported(Vec<RowOutcome>),
    /// What became of rows that an app reported, in their order.
    Reported(Vec<ReportOutcome>),
    /// Credits as the existing app knows them.
    Rows(Vec<RowView>),
    /// Local values by key.
    Local(BTreeMap<String, Vec<u8>>),
    /// What a verification found.
    Verified(VerifyView),
    /// A page of entries.
    Entries(Page<EntryView>),
    /// A credit's document.
    Document(Box<DocumentView>),
    /// What stands at an instant.
    Snapshot(Box<Snapshot>),
    /// A frame's payload of own values, and of how many keys.
    OwnValues(Vec<u8>, usize),
    /// A frame's payload of entries and the number after their last; nothing where the log does not go there.
    LogPiece(Option<(Vec<u8>, u64)>),
    /// Conflicts.
    Conflicts(Page<ConflictView>),
    /// One conflict.
    Conflict(Box<ConflictView>),
    /// Done, nothing to show.
    Done,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins; absent after the last.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A list that fits on one page.
    pub fn whole(items: Vec<T>) -> Page<T> {
        Page { items, next: None }
    }
}

/// A credit (`interface`, "Shapes scripts rely on").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are the interface's, which defines them")]
pub struct CreditView {
    pub id: CreditId,
    pub reference: String,
    pub status: CreditStatus,
    pub currency: Currency,
    pub amount: String,
    pub paid: String,
    pub remaining: String,
    pub overpaid: String,
    pub shop_id: ShopId,
    pub sim: String,
    pub beneficiary: BeneficiaryView,
    pub agent: Option<String>,
    pub device: String,
    pub granted_at: String,
    pub due_at: Option<String>,
    pub paid_at: Option<String>,
    pub cancelled_at: Option<String>,
    pub notes: Option<String>,
    pub payments: Vec<PaymentView>,
    pub updated_at: String,
    /// How many devices hold all of its changes, this one included, as far as is known.
    pub seen_by: u32,
    /// Which devices, by name.
    #[serde(default)]
    pub seen_by_devices: Vec<String>,
    pub conflicts: Vec<String>,
    /// Whether it has no effect: its granter's share did not cover it, or its granter was closed before it.
    #[serde(default)]
    pub set_aside: bool,
}

/// A conflict: the facts, of which the faces make sentences in the language of who asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConflictView {
    /// What was found.
    pub conflict: Conflict,
    /// The names of the devices of its sides, in their order.
    pub devices: Vec<String>,
    /// The reference of its credit as it is shown, and to whom it was granted.
    pub credit: Option<(String, String)>,
    /// What a person may decide.
    pub decisions: Vec<String>,
    /// Who dealt with it.
    pub handled: Option<HandledView>,
}

/// How a conflict was dealt with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct HandledView {
    pub decision: String,
    pub why: String,
    pub agent: Option<String>,
    pub device: String,
    pub at: String,
}

/// A credit's beneficiary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are the interface's, which defines them")]
pub struct BeneficiaryView {
    pub name: String,
    pub phone: Option<String>,
    pub address: Option<String>,
    pub kind: crate::model::BeneficiaryKind,
    pub shop_id: Option<ShopId>,
}

/// A credit's payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are the interface's, which defines them")]
pub struct PaymentView {
    pub id: PaymentId,
    pub amount: String,
    pub mode: PaymentMode,
    pub reference: Option<String>,
    pub agent: Option<String>,
    pub device: String,
    pub at: String,
    pub reversed: bool,
}

/// One thing that was done to a credit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct EventView {
    /// `grant`, `pay`, `reverse_payment`, `cancel`, `return`, `edit`.
    pub kind: String,
    /// The recording device's wall time.
    pub at: String,
    /// The device's name.
    pub device: String,
    /// Who did it.
    pub agent: Option<String>,
    /// What exactly, by kind.
    pub details: serde_json::Value,
}

/// The node at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are the interface's, which defines them")]
pub struct StatusView {
    pub network: String,
    pub network_id: String,
    pub time_zone: String,
    pub shop_id: ShopId,
    pub shop: String,
    pub device: String,
    pub device_key: String,
    pub role: Role,
    pub is_syncing: bool,
    pub last_sync_time: Option<String>,
    /// Own operations that no other device has confirmed.
    pub pending_count: u64,
    pub peers: Vec<PeerView>,
    pub clock_offset_ms: Option<i64>,
    pub conflicts_open: u64,
    pub entries: u64,
    /// Entries kept without effect, or waiting for what they rest on.
    pub set_aside: u64,
    pub waiting: u64,
    /// Entries that a damaged store of this device lost, and that no other device has brought back yet.
    #[serde(default)]
    pub lost: Vec<LostView>,
    pub credits: u64,
    pub state_digest: String,
    pub shop_digests: BTreeMap<ShopId, String>,
    /// When something was last done with the money of each shop, by the clock of who did it, as far as is known here.
    #[serde(default)]
    pub shop_newest: BTreeMap<ShopId, String>,
    pub version: String,
    /// This device's wall clock.
    pub now: String,
}

/// Entries that were held here and are not any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct LostView {
    /// Who wrote them.
    pub device: String,
    /// For which shop; none for the registry.
    pub shop_id: Option<ShopId>,
    /// The number of the first in its log.
    pub from: u64,
    /// The number of the last.
    pub to: u64,
}

/// A device this node is or was connected to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "each name says it")]
pub struct PeerView {
    pub device: String,
    pub device_key: String,
    pub shop_id: Option<ShopId>,
    pub connected: bool,
    pub in_step: bool,
    pub last_sync_time: Option<String>,
    /// How often something it said or did was refused, since this node was started.
    #[serde(default)]
    pub refused: u64,
    /// Until when this node leaves it alone for that.
    #[serde(default)]
    pub banned_until: Option<String>,
}

/// A device of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "each name says it")]
pub struct DeviceView {
    pub name: String,
    pub key: String,
    pub shop_id: ShopId,
    pub role: Role,
    pub read: ReadScope,
    pub this_device: bool,
    pub connected: bool,
    pub revoked: bool,
    pub certified_at: String,
    pub expires_at: Option<String>,
}

/// A shop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "each name says it")]
pub struct ShopView {
    pub id: ShopId,
    pub name: String,
    pub town: Option<String>,
    pub devices: u32,
    pub sims: u32,
    pub credits: u64,
    /// The device that writes for its existing apps, by name.
    #[serde(default)]
    pub gateway: Option<String>,
}

/// A SIM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "each name says it")]
pub struct SimView {
    pub sim: String,
    pub operator: String,
    pub shop_id: ShopId,
    pub active: bool,
    pub balances: BTreeMap<Currency, AccountView>,
}

/// What a SIM holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are the interface's, which defines them")]
pub struct BalanceView {
    pub sim: String,
    pub shop_id: ShopId,
    pub operator: String,
    pub balances: BTreeMap<Currency, AccountView>,
}

/// A SIM's account in one currency: decimal strings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are the interface's, which defines them")]
pub struct AccountView {
    pub available: String,
    /// What it is at least, whatever the devices have spent that are not in step now: `available` less what those may
    /// spend. A device that was closed and does more is not counted.
    #[serde(default)]
    pub at_least: String,
    /// What it is at most as far as is known: `available`. What nobody here has heard of besides (a capture, a credit
    /// called off) can only add to it.
    #[serde(default)]
    pub at_most: String,
    /// Of the shop's devices that are not in step now, the one that was not heard of for longest; absent if all are.
    #[serde(default)]
    pub oldest_heard: Option<HeardView>,
    pub this_device: String,
    pub initial: String,
    pub captures: String,
    pub credits: String,
    pub withdrawals: String,
    pub deposits: String,
}

/// A device that is not in step, and when it was last heard of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct HeardView {
    /// Its name.
    pub device: String,
    /// When it was last in contact or wrote the newest of what is held of it, whoever brought that; absent if never.
    pub at: Option<String>,
}

/// A movement of a SIM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "each name says it")]
pub struct MovementView {
    pub id: MovementId,
    pub kind: String,
    pub sim: String,
    pub shop_id: ShopId,
    pub amount: String,
    pub currency: Currency,
    pub at: String,
    pub agent: Option<String>,
    pub device: String,
    /// Whether it moves the balance as it stands.
    pub counts: bool,
    pub reversed: bool,
    /// Whether it has no effect: its recorder's share did not cover it, or its recorder was closed before it.
    #[serde(default)]
    pub set_aside: bool,
    pub reference: Option<String>,
    pub client: Option<String>,
    pub phone: Option<String>,
    pub cash: Option<String>,
    pub fee: Option<String>,
    pub owed_by: Option<ShopId>,
    pub to: Option<String>,
    /// A capture's `enAttente`, `validee`, `annulee`; a withdrawal's `enAttente`, `rembourse`.
    pub state: Option<String>,
}

/// Sums of the credits of a shop and period in one currency, cancelled ones left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are the interface's, which defines them")]
pub struct StatisticsView {
    pub credits: u64,
    pub granted: String,
    pub paid: String,
    pub waiting: String,
    pub overdue: String,
    pub paid_count: u64,
    pub waiting_count: u64,
    pub overdue_count: u64,
    /// Paid by granted, four decimals; absent where nothing was granted.
    pub recovery_rate: Option<String>,
}

/// An invitation, shown once.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are the interface's, which defines them")]
pub struct InvitationView {
    pub invitation: String,
    pub shop_id: ShopId,
    pub role: Role,
    pub expires_at: String,
}

/// Without the invitation: whoever has it is let in, and what is shown ends in logs.
impl std::fmt::Debug for InvitationView {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("InvitationView").field("shop_id", &self.shop_id).finish_non_exhaustive()
    }
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "each name says it")]
pub struct VerifyView {
    pub entries: u64,
    pub logs: u64,
    pub credits: u64,
    pub movements: u64,
    /// Whether nothing is wrong.
    pub sound: bool,
    /// What is wrong, one sentence each, at most 100.
    pub faults: Vec<String>,
}

/// Who holds how much of a SIM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are the interface's, which defines them")]
pub struct SharesView {
    pub sim: String,
    pub shop_id: ShopId,
    /// By currency, the largest share first.
    pub shares: BTreeMap<Currency, Vec<ShareView>>,
    /// Gifts that their receivers have not taken yet.
    pub on_the_way: BTreeMap<Currency, Vec<GiftView>>,
    /// Amounts of cancelled credits that their granters have not returned yet.
    pub coming_back: BTreeMap<Currency, String>,
}

/// One device's share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are the interface's, which defines them")]
pub struct ShareView {
    pub device: String,
    pub device_key: String,
    pub share: String,
    pub this_device: bool,
    pub connected: bool,
    /// When it was last in contact, or wrote the newest of what is held of it.
    pub last_seen: Option<String>,
    /// Whether it was closed, and its successor has not taken this over yet.
    pub closed: bool,
}

/// A gift on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are the interface's, which defines them")]
pub struct GiftView {
    pub from: String,
    pub to: String,
    pub amount: String,
}

/// How far the closing of a device has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are the interface's, which defines them")]
pub struct ClosingView {
    pub device: String,
    pub device_key: String,
    pub shop_id: ShopId,
    /// `stopped` until every other device has recorded how far it holds the log, then `closed`.
    pub state: String,
    pub successor: String,
    /// The devices that have not recorded it yet.
    pub waiting_for: Vec<String>,
    /// Up to which entry the log counts, once it is closed.
    pub end: Option<u64>,
    pub insisted: bool,
    /// What it held when it was last heard of: what is at stake until it is closed.
    pub exposure: Vec<ExposureView>,
}

/// What a lost device holds of a SIM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are the interface's, which defines them")]
pub struct ExposureView {
    pub sim: String,
    pub currency: Currency,
    pub share: String,
}

impl ClosingView {
    /// What the closing of the same device in another shop adds.
    pub(super) fn and_elsewhere(&mut self, other: ClosingView) {
        if other.state != "closed" {
            self.state = other.state;
        }
        self.waiting_for.extend(other.waiting_for);
        self.waiting_for.sort();
        self.waiting_for.dedup();
        self.insisted |= other.insisted;
        self.exposure.extend(other.exposure);
    }
}

/// An entry of a log, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct EntryView {
    /// Who wrote it.
    pub device: String,
    /// Its key.
    pub device_key: String,
    /// Which life of its store.
    pub incarnation: String,
    /// For which shop; none for the registry.
    pub shop_id: Option<ShopId>,
    /// Its number in its log.
    pub number: u64,
    /// The device's wall clock; none where the entry is no entry of ours.
    pub wall: Option<String>,
    /// Its hybrid timestamp.
    pub stamp: Option<String>,
    /// Which document it changes.
    pub document: Option<String>,
    /// What it does, in a word; `unreadable` where nothing can be read in it.
    pub kind: String,
    /// Who acted.
    pub agent: Option<String>,
    /// The keys that it sets in the document, and to what.
    pub sets: serde_json::Value,
    /// How long it is.
    pub bytes: u64,
    /// `counts`, `waits` for what it rests on, or `set_aside`.
    pub verdict: String,
    /// Why it is set aside.
    pub reason: Option<String>,
    /// Where it stands, for the page after it.
    pub cursor: String,
}

/// A credit's document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct DocumentView {
    /// The credit.
    pub id: CreditId,
    /// Its reference.
    pub reference: String,
    /// Its shop.
    pub shop_id: ShopId,
    /// Its changes, causes before effects.
    pub changes: Vec<ChangeView>,
}

/// One change of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct ChangeView {
    /// The entry that bears it.
    pub entry: EntryView,
    /// The beginning of its hash.
    pub hash: String,
    /// The changes that its writer had seen last.
    pub dependencies: Vec<String>,
    /// The beginning of the Automerge actor.
    pub actor: String,
    /// The how-manieth of its actor in this document.
    pub sequence: u64,
    /// The number of its first operation.
    pub start_op: u64,
    /// The registers in which its value stands; several changes may stand in one, side by side.
    pub stands_in: Vec<String>,
}
