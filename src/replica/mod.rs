//! One replica as a state machine without IO.

mod command;
mod view;

pub use command::{Command, GrantRequest, ImportRow, ImportedCredit, ImportedPayment, Query, RowOutcome};
pub use view::{
    AccountView, Answer, BalanceView, BeneficiaryView, CreditView, DeviceView, EventView, InvitationView, MovementView,
    Page, PaymentView, PeerView, ShopView, SimView, StatisticsView, StatusView, VerifyView,
};
