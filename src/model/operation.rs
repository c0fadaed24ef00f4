//! What one person did, and where it is written.
//!
//! An entry of a log bears one operation on one document. The set is closed: a device that meets an operation
//! it does not know keeps the entry without effect.

use serde::{Deserialize, Serialize};

use crate::model::text::{self, FieldError, FieldFault};
use crate::model::{
    Beneficiary, CreditId, DeviceKey, Holder, Month, MovementId, MovementKind, Operator, PaymentId, PaymentMode,
    Reference, ReportedGrant, ReportedPayment, Resolution, ShopId, SimNumber, Timestamp,
};
use crate::money::Amount;

/// What a log speaks about: who may write it and who may read it follow from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Shops, devices, SIMs' owners: read by everybody.
    Registry,
    /// The money of one shop.
    Shop(ShopId),
}

/// An Automerge document of the network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DocumentId {
    /// The network's one registry.
    Registry,
    /// What a shop says of itself.
    Shop(ShopId),
    /// The movements of one SIM in one month: a document of thousands of changes is slow to open.
    SimMonth {
        /// The shop whose account it is.
        shop: ShopId,
        /// The SIM.
        sim: SimNumber,
        /// The month in UTC of the movements' own times.
        month: Month,
    },
    /// One credit.
    Credit {
        /// The shop that granted it.
        shop: ShopId,
        /// Which one.
        id: CreditId,
    },
}

impl DocumentId {
    /// The scope of the logs that may bear entries on it.
    pub fn scope(&self) -> Scope {
        match self {
            DocumentId::Registry => Scope::Registry,
            DocumentId::Shop(shop) | DocumentId::SimMonth { shop, .. } | DocumentId::Credit { shop, .. } => {
                Scope::Shop(*shop)
            }
        }
    }
}

/// The granting of a credit: everything about it that never changes, and the first value of what may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Unique within the shop as far as the granter knew.
    pub reference: Reference,
    /// More than zero.
    pub amount: Amount,
    /// The SIM it is sent from.
    pub sim: SimNumber,
    /// Whom it is granted to.
    pub beneficiary: Beneficiary,
    /// Who granted it.
    pub agent: Option<String>,
    /// When (`date_sortie`).
    pub granted_at: Timestamp,
    /// When it is to be paid.
    pub due_at: Option<Timestamp>,
    /// Free text.
    pub notes: Option<String>,
    /// The integer id it had on the old server.
    pub old_id: Option<u64>,
    /// When it was modified last on the old server, by that server's clock: copies in existing apps bear this stamp.
    pub old_modified_at: Option<Timestamp>,
    /// That the existing app reported it through a gateway, if so.
    pub reported: Option<ReportedGrant>,
}

/// The recording of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMade {
    /// Its identity.
    pub id: PaymentId,
    /// More than zero, in the credit's currency.
    pub amount: Amount,
    /// How it came in.
    pub mode: PaymentMode,
    /// The payer's or operator's reference.
    pub reference: Option<String>,
    /// Who recorded it.
    pub agent: Option<String>,
    /// When it was received.
    pub at: Timestamp,
    /// That the existing app reported it through a gateway, if so.
    pub reported: Option<ReportedPayment>,
}

/// A field of a credit that may be edited; concurrent edits merge field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ContactField {
    /// The beneficiary's name.
    Name,
    /// The beneficiary's phone.
    Phone,
    /// The beneficiary's address.
    Address,
    /// The due date.
    DueAt,
    /// The notes.
    Notes,
}

/// One field's new value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    /// The beneficiary's name; it cannot be taken away.
    Name(String),
    /// The beneficiary's phone.
    Phone(Option<String>),
    /// The beneficiary's address.
    Address(Option<String>),
    /// The due date.
    DueAt(Option<Timestamp>),
    /// The notes.
    Notes(Option<String>),
}

impl Edit {
    /// Which field it sets.
    pub fn field(&self) -> ContactField {
        match self {
            Edit::Name(_) => ContactField::Name,
            Edit::Phone(_) => ContactField::Phone,
            Edit::Address(_) => ContactField::Address,
            Edit::DueAt(_) => ContactField::DueAt,
            Edit::Notes(_) => ContactField::Notes,
        }
    }
}

/// The recording of a movement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// Its identity.
    pub id: MovementId,
    /// What it is.
    pub kind: MovementKind,
    /// When it happened.
    pub at: Timestamp,
    /// Who recorded it.
    pub agent: Option<String>,
    /// Its id on the old server, in the table of its kind.
    pub old_id: Option<u64>,
}

/// How far a device holds another's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Whose logs.
    pub of: Holder,
    /// The last entry held of its log of the shop.
    pub number: u64,
    /// The last entry held of its log of the registry.
    pub registry: u64,
    /// Whether this answers a stop: from here on the writer takes no gift from beyond that entry.
    pub stop: bool,
    /// From which entry of its log of the shop on the stamps are more than [`EXPLAINED_MS`] after the writer's own
    /// clock, if any are that it had not recorded before.
    pub ahead: Option<u64>,
}

/// By how much a stamp may be later than the clock of who sees it, in milliseconds (`domain`, rule 6).
pub const EXPLAINED_MS: i64 = 5 * 60_000;

/// That a stretch of a log was written by a wrong clock (`domain`, rule 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// The first entry of the stretch.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// What is to be added to the clock's time, in milliseconds.
    pub add_ms: i64,
}

/// The end of a lost device's logs, and who goes on with what it held (`domain`, rule 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Closing {
    /// Of which shop.
    pub shop: ShopId,
    /// Whose logs end.
    pub of: Holder,
    /// The last entry of its log of the shop that counts.
    pub end: u64,
    /// The last entry of its log of the registry in which a stop or closing of its own counts.
    pub registry_end: u64,
    /// Who takes over.
    pub successor: Holder,
    /// Whether a person insisted before every device had recorded how far it holds the log.
    pub insisted: bool,
}

/// What one person did, on one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Registry, by the authority, once: the network begins.
    Found {
        /// The company's name.
        network: String,
        /// IANA name of the zone that reads times that bear none.
        time_zone: String,
        /// When.
        at: Timestamp,
    },
    /// Registry: a shop exists.
    AddShop {
        /// Its number.
        shop: ShopId,
        /// Its name.
        name: String,
    },
    /// Registry: a key is a device of the network. The certificate's bytes prove it by themselves; see
    /// `membership`.
    Certify {
        /// The device.
        device: DeviceKey,
        /// The signed certificate.
        certificate: Vec<u8>,
        /// What people call the device.
        name: String,
    },
    /// Registry: connections with that device end. Judges no entry.
    Revoke {
        /// The device.
        device: DeviceKey,
    },
    /// Registry: people call the device otherwise.
    RenameDevice {
        /// The device.
        device: DeviceKey,
        /// The new name.
        name: String,
    },
    /// Registry: a SIM exists and belongs to that shop.
    AddSim {
        /// Its number.
        sim: SimNumber,
        /// Its operator.
        operator: Operator,
        /// The shop.
        shop: ShopId,
    },
    /// Registry, by the authority: that device is the shop's keeper.
    NameKeeper {
        /// The shop.
        shop: ShopId,
        /// The device.
        device: DeviceKey,
    },
    /// Registry, by the head office or the shop's manager: that device writes for the shop's existing apps.
    NameGateway {
        /// The shop.
        shop: ShopId,
        /// The device.
        device: DeviceKey,
    },
    /// Registry, by the keeper or the authority: the first step of closing.
    Stop {
        /// Of which shop.
        shop: ShopId,
        /// Whose logs.
        of: Holder,
        /// Who is to take over.
        successor: Holder,
    },
    /// Registry, by the keeper or the authority: the second step of closing.
    Close(Closing),
    /// Registry: a SIM goes to another shop.
    MoveSim {
        /// The SIM.
        sim: SimNumber,
        /// Its shop so far.
        from: ShopId,
        /// Its new shop.
        to: ShopId,
    },
    /// Shop: how far the writer holds others' logs.
    Sight {
        /// The writer, so that each has a place of its own in the document.
        by: Holder,
        /// At least one, each holder at most once, in the order of their names.
        seen: Vec<Seen>,
    },
    /// Shop: the writer's clock was wrong while it wrote a part of this log.
    CorrectClock {
        /// The writer, so that each has a place of its own in the document.
        by: Holder,
        /// Which part, and by how much.
        correction: Correction,
    },
    /// Shop: the successor takes over what a closed log held.
    TakeOver {
        /// The successor itself.
        by: Holder,
        /// Whose log was closed.
        of: Holder,
        /// Up to which entry.
        end: u64,
    },
    /// Shop: where the shop is.
    DescribeShop {
        /// Its town.
        town: String,
    },
    /// Shop: a person dealt with a conflict.
    Resolve(Resolution),
    /// SIM and month: a movement happened.
    Move(Movement),
    /// SIM and month: a pending capture is confirmed.
    ValidateCapture {
        /// Which.
        movement: MovementId,
        /// When.
        at: Timestamp,
    },
    /// SIM and month: the cash of a withdrawal came back.
    Reimburse {
        /// Which.
        movement: MovementId,
        /// When.
        at: Timestamp,
    },
    /// SIM and month: a movement is taken back.
    ReverseMovement {
        /// Which.
        movement: MovementId,
        /// Why.
        why: String,
        /// Who.
        agent: Option<String>,
    },
    /// SIM and month: a gift is taken by the one it was made for.
    TakeGift {
        /// Which.
        movement: MovementId,
        /// When.
        at: Timestamp,
    },
    /// SIM and month: the successor bears a gift that was made beyond a closing and taken.
    BearGift {
        /// Which.
        movement: MovementId,
        /// When.
        at: Timestamp,
    },
    /// Credit: the document's first.
    Grant(Grant),
    /// Credit: money came in.
    Pay(PaymentMade),
    /// Credit: a payment was mistyped.
    ReversePayment {
        /// Which.
        payment: PaymentId,
        /// Why.
        why: String,
        /// Who.
        agent: Option<String>,
    },
    /// Credit: it is called off.
    Cancel {
        /// Why.
        why: String,
        /// Who.
        agent: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// Credit: some or all of a payment is handed back to who paid, since it was more than was owed. It leaves the status
    /// as it is; said twice of one payment, the newer counts.
    GiveBack {
        /// Which.
        payment: PaymentId,
        /// How much of it.
        amount: Amount,
        /// Why.
        why: String,
        /// Who.
        agent: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// Credit: a cancellation is taken back.
    Reinstate {
        /// Why.
        why: String,
        /// Who.
        agent: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// Credit: it gets another number, because another credit bears its own.
    Renumber {
        /// The new one.
        reference: Reference,
        /// Who.
        agent: Option<String>,
    },
    /// Credit: the amount of a cancelled credit is given back to its granter's share, once.
    Return {
        /// When.
        at: Timestamp,
    },
    /// Credit: contact fields, due date or notes change.
    Edit {
        /// At least one, each field at most once.
        edits: Vec<Edit>,
        /// Who.
        agent: Option<String>,
    },
}

/// Most holders of whom one sighting speaks.
pub const SEEN_MAX: usize = 64;

impl Operation {
    /// Checks the bounds of every field: what a person types and what another device signed obey the same.
    pub fn check_fields(&self) -> Result<(), FieldError> {
        let name = text::NAME_CHARS_MAX;
        match self {
            Operation::Found { network, time_zone, .. } => {
                text::line("network", network, name)?;
                text::line("time_zone", time_zone, name)
            }
            Operation::AddShop { shop, name: shop_name } => {
                if shop.0 == 0 {
                    return Err(FieldError::malformed("shop_id", "a number from 1"));
                }
                text::line("name", shop_name, name)
            }
            Operation::Certify { name: device_name, .. } | Operation::RenameDevice { name: device_name, .. } => {
                text::line("name", device_name, name)
            }
            Operation::Revoke { .. } | Operation::AddSim { .. } | Operation::MoveSim { .. } => Ok(()),
            Operation::NameKeeper { .. }
            | Operation::NameGateway { .. }
            | Operation::Stop { .. }
            | Operation::Close(_) => Ok(()),
            Operation::ValidateCapture { .. } | Operation::Reimburse { .. } => Ok(()),
            Operation::TakeGift { .. } | Operation::BearGift { .. } | Operation::Return { .. } => Ok(()),
            Operation::TakeOver { .. } => Ok(()),
            Operation::CorrectClock { correction: Correction { from, to, .. }, .. } => {
                if (1..=*to).contains(from) {
                    Ok(())
                } else {
                    Err(FieldError::malformed("clock", "a stretch of entries"))
                }
            }
            Operation::Sight { seen, .. } => {
                let sorted = seen.windows(2).all(|pair| pair[0].of < pair[1].of);
                if sorted && !seen.is_empty() && seen.len() <= SEEN_MAX {
                    Ok(())
                } else {
                    Err(FieldError::malformed("seen", "some holders, each once, in order"))
                }
            }
            Operation::DescribeShop { town } => text::line("town", town, name),
            Operation::Move(movement) => movement.check_fields(),
            Operation::ReverseMovement { why, agent, .. }
            | Operation::ReversePayment { why, agent, .. }
            | Operation::Cancel { why, agent, .. }
            | Operation::Reinstate { why, agent, .. }
            | Operation::Resolve(Resolution { why, agent, .. }) => {
                text::line("why", why, text::NOTES_CHARS_MAX)?;
                text::optional_line("agent", agent.as_deref(), name)
            }
            Operation::GiveBack { amount, why, agent, .. } => {
                above_zero("amount", *amount)?;
                text::line("why", why, text::NOTES_CHARS_MAX)?;
                text::optional_line("agent", agent.as_deref(), name)
            }
            Operation::Renumber { agent, .. } => text::optional_line("agent", agent.as_deref(), name),
            Operation::Grant(grant) => grant.check_fields(),
            Operation::Pay(payment) => {
                above_zero("amount", payment.amount)?;
                text::optional_line("reference", payment.reference.as_deref(), name)?;
                payment.reported.as_ref().map_or(Ok(()), |reported| reported.check_fields(payment.amount))?;
                text::optional_line("agent", payment.agent.as_deref(), name)
            }
            Operation::Edit { edits, agent } => {
                if edits.is_empty() {
                    return Err(FieldError::new("edits", FieldFault::Blank));
                }
                edits.iter().try_for_each(Edit::check_fields)?;
                text::optional_line("agent", agent.as_deref(), name)
            }
        }
    }
}

impl Grant {
    fn check_fields(&self) -> Result<(), FieldError> {
        above_zero("amount", self.amount)?;
        let Beneficiary { name, phone, address, .. } = &self.beneficiary;
        text::line("beneficiary.name", name, text::NAME_CHARS_MAX)?;
        text::optional_line("beneficiary.phone", phone.as_deref(), text::PHONE_CHARS_MAX)?;
        text::notes("beneficiary.address", address.as_deref())?;
        text::notes("notes", self.notes.as_deref())?;
        self.reported.as_ref().map_or(Ok(()), ReportedGrant::check_fields)?;
        text::optional_line("agent", self.agent.as_deref(), text::NAME_CHARS_MAX)
    }
}

impl Edit {
    fn check_fields(&self) -> Result<(), FieldError> {
        match self {
            Edit::Name(name) => text::line("beneficiary.name", name, text::NAME_CHARS_MAX),
            Edit::Phone(phone) => text::optional_line("beneficiary.phone", phone.as_deref(), text::PHONE_CHARS_MAX),
            Edit::Address(address) => text::notes("beneficiary.address", address.as_deref()),
            Edit::Notes(notes) => text::notes("notes", notes.as_deref()),
            Edit::DueAt(_) => Ok(()),
        }
    }
}

impl Movement {
    fn check_fields(&self) -> Result<(), FieldError> {
        above_zero("amount", self.kind.amount())?;
        text::optional_line("agent", self.agent.as_deref(), text::NAME_CHARS_MAX)?;
        match &self.kind {
            MovementKind::Opening(_) | MovementKind::Withdrawal(_) => Ok(()),
            MovementKind::Gift(_) | MovementKind::Moved(_) => Ok(()),
            MovementKind::Deposit(deposit) => {
                text::optional_line("phone", deposit.phone.as_deref(), text::PHONE_CHARS_MAX)
            }
            MovementKind::Capture(capture) => {
                let currency = capture.amount.currency();
                for (field, amount) in [("cash", capture.cash), ("fee", capture.fee)] {
                    if amount.is_some_and(|amount| amount.currency() != currency) {
                        return Err(FieldError::malformed(field, "the currency of the capture"));
                    }
                }
                text::optional_line("reference", capture.reference.as_deref(), text::NAME_CHARS_MAX)?;
                text::optional_line("client", capture.client.as_deref(), text::NAME_CHARS_MAX)?;
                text::optional_line("phone", capture.phone.as_deref(), text::PHONE_CHARS_MAX)
            }
        }
    }
}

fn above_zero(field: &str, amount: Amount) -> Result<(), FieldError> {
    if amount.is_zero() { Err(FieldError::malformed(field, "more than zero")) } else { Ok(()) }
}
