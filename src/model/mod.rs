//! The nouns of the domain: plain data and the bounds of each field. No rules: those are in `ledger`.
//!
//! An [`Operation`] is what one person did. Everything else on screen is folded from operations.

mod conflict;
mod credit;
mod history;
mod ids;
mod operation;
mod report;
mod sim;
mod text;
mod time;

pub use conflict::{
    Clash, ClashOver, ClashSide, ClashValue, Conflict, ConflictKind, Decision, Outcome, Resolution, Side, SideValue,
};
pub use credit::{Beneficiary, BeneficiaryKind, Credit, CreditStatus, Payment, PaymentMode};
pub use history::{History, Register, Stamped};
pub use ids::{ConflictId, CreditId, DeviceKey, Holder, Incarnation, MovementId, NetworkId, PaymentId, Place, ShopId};
pub use operation::{
    Closing, ContactField, Correction, DocumentId, EXPLAINED_MS, Edit, Grant, Movement, Operation, PaymentMade,
    SEEN_MAX, Scope, Seen,
};
pub use report::{ReportedGrant, ReportedPayment, Reporter, VersionId};
pub use sim::{
    Capture, CaptureState, Deposit, Gift, MovementAct, MovementKind, MovementRecord, Operator, Sim, SimNumber,
    Withdrawal,
};
pub use text::{FieldError, FieldFault, Reference};
pub use time::{Hlc, Month, Origin, Timestamp};
