//! Every way in which the rules say no: one closed, ordered enum. The order is the order in which the rules are
//! asked, so that a command wrong in two ways is always refused for the same one.
//!
//! A refusal carries its facts; sentences are made of them by the faces.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::{
    CaptureState, CreditId, FieldError, MovementId, PaymentId, Reference, ShopId, SimNumber, Timestamp,
};
use crate::money::{Amount, Balance, MoneyError};

/// Why a command was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Refusal {
    /// This device's clock stands before 2020.
    #[error("the clock stands at {}, before 2020", now.to_rfc3339())]
    ClockBefore2020 {
        /// What it shows.
        now: Timestamp,
    },
    /// The idempotency key was used for another command.
    #[error("the idempotency key was used for another command")]
    KeyReused,
    /// This device has no right to do that.
    #[error("this device may not do that: {needs} is needed")]
    NotAllowed {
        /// The right that is missing.
        needs: String,
    },
    /// A field that cannot be taken.
    #[error(transparent)]
    Field(FieldError),
    /// An amount that cannot be taken.
    #[error("{field}: {fault}")]
    Money {
        /// Which field.
        field: String,
        /// What is wrong.
        fault: MoneyError,
    },
    /// Another device writes for that shop's existing apps, or none was named.
    #[error("the existing apps of shop {shop} are served by {}", gateway.as_deref().unwrap_or("no device yet"))]
    NotGateway {
        /// The shop.
        shop: ShopId,
        /// The device that does, by name.
        gateway: Option<String>,
    },
    /// No shop of that number.
    #[error("no shop has the number {shop}")]
    UnknownShop {
        /// The number.
        shop: ShopId,
    },
    /// A shop has that number already.
    #[error("shop {shop} exists already, as {name}")]
    ShopExists {
        /// The number.
        shop: ShopId,
        /// Its name.
        name: String,
    },
    /// No SIM of that number.
    #[error("no SIM has the number {sim}")]
    UnknownSim {
        /// The number.
        sim: SimNumber,
    },
    /// A SIM has that number already.
    #[error("SIM {sim} exists already, in shop {shop}")]
    SimExists {
        /// The number.
        sim: SimNumber,
        /// Its shop.
        shop: ShopId,
    },
    /// The SIM belongs to another shop.
    #[error("SIM {sim} belongs to shop {owner}, not to shop {shop}")]
    SimOfAnotherShop {
        /// The number.
        sim: SimNumber,
        /// Its shop.
        owner: ShopId,
        /// The shop that acts.
        shop: ShopId,
    },
    /// The SIM is out of use.
    #[error("SIM {sim} is not active")]
    SimInactive {
        /// The number.
        sim: SimNumber,
    },
    /// A credit bears that reference already.
    #[error("a credit has the reference {reference} already")]
    ReferenceTaken {
        /// The reference.
        reference: Reference,
        /// The credit that bears it.
        credit: CreditId,
    },
    /// An import names a credit by its old id, and another credit has it.
    #[error("the old id {old_id} belongs to credit {credit}")]
    OldIdTaken {
        /// The id on the old server.
        old_id: u64,
        /// The credit that has it.
        credit: CreditId,
    },
    /// An import's row says that more was paid than is recorded here, or that the credit was cancelled. Which of the
    /// two is behind is for a person to say: the rest may have been recorded here under another name, or not at all.
    #[error("the row says that {row_paid} was paid on {reference}{}, here {paid} is recorded",
        if *.row_cancelled { " and that it is cancelled" } else { "" })]
    RowSaysMore {
        /// The credit's reference.
        reference: Reference,
        /// What is recorded here.
        paid: Balance,
        /// What the row says.
        row_paid: Amount,
        /// Whether the row says that it is cancelled, and here it is not.
        row_cancelled: bool,
    },
    /// No credit of that id or reference.
    #[error("no credit \"{key}\"")]
    UnknownCredit {
        /// What was asked for.
        key: String,
    },
    /// Several shops have a credit of that reference.
    #[error("{count} credits have the reference {reference}; name one by its id")]
    AmbiguousReference {
        /// The reference.
        reference: Reference,
        /// How many.
        count: usize,
    },
    /// No conflict of that id.
    #[error("no conflict \"{key}\"")]
    UnknownConflict {
        /// What was asked for.
        key: String,
    },
    /// What was decided cannot be done about that conflict, or no longer.
    #[error("{decision} cannot be decided here, but {}", open.join(", "))]
    DecisionNotOpen {
        /// What was asked for.
        decision: String,
        /// What can be decided.
        open: Vec<String>,
    },
    /// The credit is cancelled.
    #[error("credit {reference} is cancelled")]
    CreditCancelled {
        /// Its reference.
        reference: Reference,
    },
    /// The credit is paid.
    #[error("credit {reference} is paid")]
    CreditPaid {
        /// Its reference.
        reference: Reference,
    },
    /// A payment stands, so the credit cannot be cancelled (fault F14 of the replaced system).
    #[error("credit {reference} has payments of {paid}")]
    CancelWithPayments {
        /// Its reference.
        reference: Reference,
        /// What was paid.
        paid: Balance,
    },
    /// More than remains to be paid.
    #[error("{asked} is more than the {remaining} that remain")]
    PaymentExceedsRemaining {
        /// The payment.
        asked: Amount,
        /// What remains.
        remaining: Amount,
    },
    /// The credit has no such payment.
    #[error("credit {reference} has no payment {payment}")]
    UnknownPayment {
        /// Its reference.
        reference: Reference,
        /// What was asked for.
        payment: String,
    },
    /// The payment was reversed before.
    #[error("payment {payment} is reversed already")]
    PaymentReversed {
        /// Which.
        payment: PaymentId,
    },
    /// The edit would change nothing.
    #[error("nothing would change")]
    NothingToChange,
    /// No movement of that id.
    #[error("no movement \"{key}\"")]
    UnknownMovement {
        /// What was asked for.
        key: String,
    },
    /// The movement is of another kind than the command is for.
    #[error("movement {movement} is a {found}, not a {expected}")]
    MovementKind {
        /// Which.
        movement: MovementId,
        /// What it is.
        found: String,
        /// What the command is for.
        expected: String,
    },
    /// Another device recorded the movement: what gives back is done by the device that took.
    #[error("movement {movement} was recorded by another device")]
    MovementOfAnotherDevice {
        /// Which.
        movement: MovementId,
        /// The device that recorded it.
        device: String,
    },
    /// The movement was reversed before.
    #[error("movement {movement} is reversed already")]
    MovementReversed {
        /// Which.
        movement: MovementId,
    },
    /// The capture is not pending.
    #[error("capture {movement} is {}", state.word())]
    CaptureNotPending {
        /// Which.
        movement: MovementId,
        /// Where it stands.
        state: CaptureState,
    },
    /// The withdrawal was reimbursed before.
    #[error("withdrawal {movement} is reimbursed already")]
    AlreadyReimbursed {
        /// Which.
        movement: MovementId,
    },
    /// The movement has no effect, so there is nothing to do to it.
    #[error("movement {movement} has no effect")]
    WithoutEffect {
        /// Which.
        movement: MovementId,
    },
    /// The credit is not cancelled, so nothing is on its way back.
    #[error("credit {reference} is not cancelled")]
    CreditNotCancelled {
        /// Its reference.
        reference: Reference,
    },
    /// The cancelled credit's amount came back before.
    #[error("the amount of credit {reference} is returned already")]
    CreditReturned {
        /// Its reference.
        reference: Reference,
    },
    /// Another device granted the credit: what gives back is done by the device that took.
    #[error("credit {reference} was granted by another device")]
    CreditOfAnotherDevice {
        /// Its reference.
        reference: Reference,
        /// The device that granted it.
        device: String,
    },
    /// More than this device may spend of the SIM.
    #[error("{asked} is more than the {share} that this device may spend")]
    InsufficientShare {
        /// The amount.
        asked: Amount,
        /// What this device may spend.
        share: Balance,
        /// What the SIM holds.
        available: Balance,
        /// The SIM.
        sim: SimNumber,
        /// The shop whose account it is.
        shop: ShopId,
        /// Who holds the rest.
        holders: Vec<OtherShare>,
    },
    /// A SIM moves only with its whole balance in the hand that moves it.
    #[error("SIM {sim} holds {available}, of which this device holds {share}")]
    SimNotInHand {
        /// The SIM.
        sim: SimNumber,
        /// What this device holds.
        share: Balance,
        /// What the SIM holds.
        available: Balance,
    },
    /// No device of that name or key.
    #[error("no device \"{key}\"")]
    UnknownDevice {
        /// What was asked for.
        key: String,
    },
    /// The device has shown no store yet that could hold a share or succeed another.
    #[error("device {device} has never been met")]
    DeviceNeverMet {
        /// Which.
        device: String,
    },
    /// Only the shop's keeper closes its devices.
    #[error("only {keeper} closes devices of shop {shop}")]
    NotKeeper {
        /// The shop.
        shop: ShopId,
        /// What people call its keeper.
        keeper: String,
    },
    /// The device has nothing that could be closed.
    #[error("device {device} has no open log")]
    NothingToClose {
        /// Which.
        device: String,
    },
    /// A device cannot succeed itself, nor can one that is closed.
    #[error("device {device} cannot take over")]
    CannotSucceed {
        /// Which.
        device: String,
    },
    /// The invitation is not one of this device, or was damaged on its way.
    #[error("the invitation is not one that this device made")]
    UnknownInvitation,
    /// The invitation was used.
    #[error("the invitation was used already")]
    InvitationUsed,
    /// The invitation is too old.
    #[error("the invitation expired at {}", expired_at.to_rfc3339())]
    InvitationExpired {
        /// When.
        expired_at: Timestamp,
    },
    /// A cursor that this node did not give.
    #[error("the cursor is not one that this node gave")]
    BadCursor,
    /// The disk has no room: nothing can be recorded until there is some again.
    #[error("the disk is full")]
    DiskFull,
    /// The node cannot write to its disk any more.
    #[error("the node cannot write to its disk: {detail}")]
    ReadOnly {
        /// What the disk said.
        detail: String,
    },
    /// Too much is waiting.
    #[error("too much is waiting; try again")]
    Busy,
}

/// What another device holds of a SIM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherShare {
    /// What people call it.
    pub device: String,
    /// How much it may spend.
    pub share: Balance,
    /// When it was last in contact, if it ever was.
    pub last_seen: Option<Timestamp>,
}

impl Refusal {
    /// The stable code by which programs know it.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::ClockBefore2020 { .. } => "clock_before_2020",
            Refusal::KeyReused => "idempotency_key_reused",
            Refusal::NotAllowed { .. } => "not_allowed",
            Refusal::Field(_) => "invalid_field",
            Refusal::Money { fault, .. } => match fault {
                MoneyError::UnknownCurrency { .. } => "unknown_currency",
                MoneyError::NotANumber { .. } => "amount_not_a_number",
                MoneyError::Negative { .. } => "amount_negative",
                MoneyError::TooManyDecimals { .. } => "amount_too_many_decimals",
                MoneyError::TooLarge { .. } => "amount_too_large",
                MoneyError::CurrencyMismatch { .. } => "currency_mismatch",
            },
            Refusal::NotGateway { .. } => "not_gateway",
            Refusal::UnknownShop { .. } => "unknown_shop",
            Refusal::ShopExists { .. } => "shop_exists",
            Refusal::UnknownSim { .. } => "unknown_sim",
            Refusal::SimExists { .. } => "sim_exists",
            Refusal::SimOfAnotherShop { .. } => "sim_of_another_shop",
            Refusal::SimInactive { .. } => "sim_inactive",
            Refusal::ReferenceTaken { .. } => "reference_taken",
            Refusal::OldIdTaken { .. } => "old_id_taken",
            Refusal::RowSaysMore { .. } => "row_says_more",
            Refusal::UnknownCredit { .. } => "unknown_credit",
            Refusal::AmbiguousReference { .. } => "ambiguous_reference",
            Refusal::UnknownConflict { .. } => "unknown_conflict",
            Refusal::DecisionNotOpen { .. } => "decision_not_open",
            Refusal::CreditCancelled { .. } => "credit_cancelled",
            Refusal::CreditPaid { .. } => "credit_paid",
            Refusal::CancelWithPayments { .. } => "cancel_with_payments",
            Refusal::PaymentExceedsRemaining { .. } => "payment_exceeds_remaining",
            Refusal::UnknownPayment { .. } => "unknown_payment",
            Refusal::PaymentReversed { .. } => "payment_reversed",
            Refusal::NothingToChange => "nothing_to_change",
            Refusal::UnknownMovement { .. } => "unknown_movement",
            Refusal::MovementKind { .. } => "movement_kind",
            Refusal::MovementOfAnotherDevice { .. } => "movement_of_another_device",
            Refusal::MovementReversed { .. } => "movement_reversed",
            Refusal::CaptureNotPending { .. } => "capture_not_pending",
            Refusal::AlreadyReimbursed { .. } => "already_reimbursed",
            Refusal::WithoutEffect { .. } => "without_effect",
            Refusal::CreditNotCancelled { .. } => "credit_not_cancelled",
            Refusal::CreditReturned { .. } => "credit_returned",
            Refusal::CreditOfAnotherDevice { .. } => "credit_of_another_device",
            Refusal::InsufficientShare { .. } => "insufficient_share",
            Refusal::SimNotInHand { .. } => "sim_not_in_hand",
            Refusal::UnknownDevice { .. } => "unknown_device",
            Refusal::DeviceNeverMet { .. } => "device_never_met",
            Refusal::NotKeeper { .. } => "not_keeper",
            Refusal::NothingToClose { .. } => "nothing_to_close",
            Refusal::CannotSucceed { .. } => "cannot_succeed",
            Refusal::UnknownInvitation => "unknown_invitation",
            Refusal::InvitationUsed => "invitation_used",
            Refusal::InvitationExpired { .. } => "invitation_expired",
            Refusal::BadCursor => "bad_cursor",
            Refusal::DiskFull => "disk_full",
            Refusal::ReadOnly { .. } => "read_only",
            Refusal::Busy => "busy",
        }
    }
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Refusal {
        Refusal::Field(error)
    }
}
