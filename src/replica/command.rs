//! What the faces may ask of a replica: commands change something or are refused, queries only look.

use serde::{Deserialize, Serialize};

use crate::ledger::{CreditFilter, CreditRequest, ImportRow, ReportedRow, StatisticsPeriod};
use crate::membership::{ReadScope, Role};
use crate::model::{
    ConflictKind, Decision, Edit, MovementKind, Operator, PaymentMode, Reporter, ShopId, SimNumber, Timestamp,
};
use crate::money::Amount;
use crate::replica::{LogFilter, RowFilter};

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
    Grant(CreditRequest),
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
    /// Decides about a conflict.
    Resolve {
        /// Its id.
        conflict: String,
        /// What is decided.
        decision: Decision,
        /// Why.
        why: String,
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
    /// Names the device that writes for a shop's existing apps.
    NameGateway {
        /// The shop.
        shop: ShopId,
        /// Name or key of the device.
        device: String,
    },
    /// Takes rows that an existing app uploads for a shop. What they say has happened.
    Report {
        /// The app.
        by: Reporter,
        /// The shop it uploads for.
        shop: ShopId,
        /// The rows.
        rows: Vec<ReportedRow>,
    },
    /// The rows of a shop that an existing app has not had, or may have lost; they are remembered as sent.
    Download {
        /// The app.
        by: Reporter,
        /// The shop.
        shop: ShopId,
        /// The mark of its last download, by its clock.
        since: Option<Timestamp>,
    },
    /// Gives some of this device's share to another device of the shop.
    GiveShare {
        /// The SIM.
        sim: SimNumber,
        /// How much.
        amount: Amount,
        /// Name or key of the device.
        to: String,
    },
    /// Asks the shop's other devices for some of their shares; answered when it came, or when it is clear that it does
    /// not.
    AskShare {
        /// The SIM.
        sim: SimNumber,
        /// How much.
        amount: Amount,
    },
    /// Gives a cancelled credit's amount back to this device's share without waiting for the others to know.
    ReturnCredit {
        /// Id or reference of the credit.
        credit: String,
    },
    /// Moves a SIM to another shop, with all that it holds.
    MoveSim {
        /// The SIM.
        sim: SimNumber,
        /// The shop it goes to.
        shop: ShopId,
    },
    /// Closes a lost device: stops it, and closes it once the others have recorded how far they hold its log.
    CloseDevice {
        /// Name or key.
        device: String,
        /// Name or key of who takes over; the keeper if absent.
        successor: Option<String>,
        /// Closes at once, whatever the others hold.
        insist: bool,
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
    /// Derives anew, from the entries, whatever is derived from them.
    Repair,
    /// Keeps a small value for this node's shell (a token's hash, say); it is not replicated.
    PutLocal {
        /// Its key, up to 64 characters.
        key: String,
        /// Its value, up to 4 kB; absent removes it.
        value: Option<Vec<u8>>,
    },
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

/// Which conflicts are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConflictFilter {
    /// Of one shop.
    pub shop: Option<ShopId>,
    /// Of one kind.
    pub kind: Option<ConflictKind>,
    /// Only those that nobody dealt with, or only those that somebody did.
    pub handled: Option<bool>,
    /// 1 to 1,000.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<String>,
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
    /// Who holds how much of a SIM.
    SimShares {
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
    /// A page of conflicts, by id.
    Conflicts(ConflictFilter),
    /// One conflict.
    Conflict {
        /// Its id.
        key: String,
    },
    /// Credits as the existing app knows them.
    Rows(RowFilter),
    /// Sums over a shop and period.
    Statistics(StatisticsPeriod),
    /// The local values whose key starts so.
    Local {
        /// The start of the key.
        prefix: String,
    },
    /// Every entry, chain, signature and total checked anew.
    Verify,
    /// A page of entries, as they are stored.
    Log(LogFilter),
    /// The changes of a credit's document.
    Document {
        /// Id or reference.
        key: String,
    },
    /// What stands at this instant: what a backup is read from.
    Snapshot,
    /// The values of the first of those keys of a snapshot.
    OwnValues {
        /// The keys.
        keys: Vec<Vec<u8>>,
    },
    /// The next entries of a log of a snapshot.
    LogPiece {
        /// Its id, as the snapshot names it.
        log: Vec<u8>,
        /// The number of the first.
        from: u64,
        /// The number of the last that is wanted.
        to: u64,
    },
}
