//! What the faces may ask of a replica: commands change something or are refused, queries only look.

use serde::{Deserialize, Serialize};

use crate::ledger::{CreditFilter, StatisticsPeriod};
use crate::membership::{ReadScope, Role};
use crate::model::{
    Beneficiary, CreditStatus, Edit, Grant, MovementKind, Operator, PaymentMode, Reference, ShopId, SimNumber,
    Timestamp,
};
use crate::money::Amount;

/// A command of a person or program on this device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Adds a shop; without a number it takes the next free one. Only the authority's device.
    AddShop {
        /// Its number.
        shop: Option<ShopId>,
        /// Its name.
        name: String,
        /// Its town.
        town: Option<String>,
    },
    /// Makes a SIM known, with what it holds.
    AddSim {
        /// Its number.
        sim: SimNumber,
        /// Its operator.
        operator: Operator,
        /// Its shop; this device's own if absent.
        shop: Option<ShopId>,
        /// What it holds, at most one amount a currency; zero is as good as absent.
        opening: Vec<Amount>,
    },
    /// Records a capture, a withdrawal or a deposit. (An opening balance comes with its SIM only.)
    Move {
        /// The SIM.
        sim: SimNumber,
        /// What happened.
        kind: MovementKind,
        /// Who records it.
        agent: Option<String>,
    },
    /// Confirms a pending capture.
    ValidateCapture {
        /// The movement's id.
        movement: String,
    },
    /// The cash of a withdrawal came back.
    Reimburse {
        /// The movement's id.
        movement: String,
    },
    /// Takes a movement back.
    ReverseMovement {
        /// The movement's id.
        movement: String,
        /// Why.
        why: String,
        /// Who.
        agent: Option<String>,
    },
    /// Grants a credit.
    Grant(GrantRequest),
    /// Records a payment.
    Pay {
        /// Id or reference of the credit.
        credit: String,
        /// Decimal string in the credit's currency.
        amount: String,
        /// How it came in.
        mode: PaymentMode,
        /// The payer's or operator's reference.
        reference: Option<String>,
        /// Who records it.
        agent: Option<String>,
    },
    /// Takes back a mistyped payment.
    ReversePayment {
        /// Id or reference of the credit.
        credit: String,
        /// The payment's id.
        payment: String,
        /// Why.
        why: String,
        /// Who.
        agent: Option<String>,
    },
    /// Calls a credit off.
    Cancel {
        /// Id or reference of the credit.
        credit: String,
        /// Why.
        why: String,
        /// Who.
        agent: Option<String>,
    },
    /// Changes contact fields, due date or notes.
    Edit {
        /// Id or reference of the credit.
        credit: String,
        /// What changes.
        edits: Vec<Edit>,
        /// Who.
        agent: Option<String>,
    },
    /// Takes rows of the old server. Each row goes in whole or not at all.
    Import {
        /// Rows of one request belong to one session; a dry run remembers what its earlier rows would have done.
        session: u64,
        /// Whether to write nothing.
        dry_run: bool,
        /// The rows.
        rows: Vec<ImportRow>,
    },
    /// Makes an invitation to join the network.
    Invite {
        /// The shop the joiner will belong to; this device's own if absent.
        shop: Option<ShopId>,
        /// Adds a shop of that name for the joiner.
        new_shop: Option<String>,
        /// What the joiner may do.
        role: Role,
        /// What the joiner may read.
        read: ReadScope,
        /// How long the invitation holds, in milliseconds.
        expires_in_ms: i64,
        /// Where this device can be reached, as multiaddrs.
        addresses: Vec<String>,
    },
    /// Ends connections with a device.
    RevokeDevice {
        /// Name or key.
        device: String,
    },
    /// Calls a device otherwise.
    RenameDevice {
        /// Name or key.
        device: String,
        /// The new name.
        name: String,
    },
    /// Keeps a small value for this node's shell (a token's hash, say); it is not replicated.
    PutLocal {
        /// Its key, up to 64 characters.
        key: String,
        /// Its value, up to 4 kB; absent removes it.
        value: Option<Vec<u8>>,
    },
}

/// What is needed to grant a credit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRequest {
    /// The reference, checked.
    pub reference: Reference,
    /// The amount.
    pub amount: Amount,
    /// The SIM.
    pub sim: SimNumber,
    /// To whom.
    pub beneficiary: Beneficiary,
    /// When it is to be paid.
    pub due_at: Option<Timestamp>,
    /// Free text.
    pub notes: Option<String>,
    /// Who grants.
    pub agent: Option<String>,
}

/// A row of the old server, read and checked for form; whether it fits what is known is decided by the replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImportRow {
    /// `shops.json`.
    Shop {
        /// `id`.
        shop: ShopId,
        /// `designation`.
        name: String,
        /// `localisation`.
        town: Option<String>,
    },
    /// `sims.json`.
    Sim {
        /// `numero`.
        sim: SimNumber,
        /// `operateur`.
        operator: Operator,
        /// `shop_id`.
        shop: ShopId,
        /// `solde_initial_usd`, `solde_initial_cdf`, those above zero.
        opening: Vec<Amount>,
        /// `date_creation`.
        at: Timestamp,
    },
    /// `captures.json`, `retraits.json`, `depots.json`.
    Movement {
        /// `id`, in the table of its kind.
        old_id: u64,
        /// `shop_id` or `shop_source_id`.
        shop: ShopId,
        /// `sim_numero`.
        sim: SimNumber,
        /// What happened, with `statut`.
        kind: MovementKind,
        /// Whether a withdrawal's `statut` is `annule`.
        reversed: bool,
        /// `date_enregistrement`, `date_retrait`, `date_depot`.
        at: Timestamp,
        /// `agent_username`.
        agent: Option<String>,
    },
    /// `credits.json`.
    Credit(ImportedCredit),
}

/// A credit row of the old server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedCredit {
    /// `shop_id`.
    pub shop: ShopId,
    /// The credit as it was granted.
    pub grant: Grant,
    /// `montant_paye`, if above zero.
    pub paid: Option<ImportedPayment>,
    /// Whether `statut` is `annule`, and when and why.
    pub cancelled: Option<(Timestamp, String)>,
    /// `statut`, which must not contradict the amounts.
    pub status: CreditStatus,
}

/// What a credit row says of its payments: only their total is known (fault F11 of the replaced system).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedPayment {
    /// `montant_paye`.
    pub amount: Amount,
    /// `mode_paiement`; missing means cash.
    pub mode: PaymentMode,
    /// `reference_paiement`.
    pub reference: Option<String>,
    /// `date_paiement`, else `last_modified_at`.
    pub at: Timestamp,
}

/// What became of an imported row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOutcome {
    /// It was taken.
    Created,
    /// It was here already.
    Unchanged,
    /// It was not taken.
    Refused(crate::ledger::Refusal),
}

/// A look at what the replica holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// The node at a glance.
    Status,
    /// The devices of the network.
    Devices,
    /// The shops.
    Shops,
    /// The SIMs, of one shop if named.
    Sims {
        /// Which shop.
        shop: Option<ShopId>,
    },
    /// A page of credits.
    Credits(CreditFilter),
    /// One credit, by id or reference.
    Credit {
        /// Id or reference.
        key: String,
    },
    /// What was done to a credit, oldest first.
    CreditHistory {
        /// Id or reference.
        key: String,
    },
    /// What a SIM holds.
    SimBalance {
        /// The SIM.
        sim: SimNumber,
    },
    /// A page of a SIM's movements, newest first.
    Movements {
        /// The SIM.
        sim: SimNumber,
        /// 1 to 1,000.
        limit: usize,
        /// Where the page before ended.
        after: Option<String>,
    },
    /// Sums over a shop and period.
    Statistics(StatisticsPeriod),
    /// The local values whose key starts so.
    Local {
        /// The start of the key.
        prefix: String,
    },
    /// Every entry, chain, signature and total checked anew.
    Verify,
}
