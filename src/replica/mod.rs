//! One replica as a state machine without IO.

mod command;
mod view;

pub use crate::ledger::{CreditRequest as GrantRequest, ImportRow, ImportedCredit, ImportedPayment};
pub use command::{Command, Query, RowOutcome};
pub use view::{
    AccountView, Answer, BalanceView, BeneficiaryView, CreditView, DeviceView, EventView, InvitationView, MovementView,
    Page, PaymentView, PeerView, ShopView, SimView, StatisticsView, StatusView, VerifyView,
};
