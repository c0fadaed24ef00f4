//! A SIM, and the movements of its balance other than credits.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::credit::words;
use crate::model::{FieldError, Holder, MovementId, Origin, Place, ShopId, Timestamp};
use crate::money::Amount;

/// The number by which a SIM is known, as written: 3 to 20 characters, digits with an optional leading `+`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SimNumber(String);

impl SimNumber {
    /// Trims and checks what was typed.
    pub fn new(text: &str) -> Result<SimNumber, FieldError> {
        let number = text.trim();
        let digits = number.strip_prefix('+').unwrap_or(number);
        if (3..=19).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(SimNumber(number.to_owned()))
        } else {
            Err(FieldError::malformed("sim", "3 to 19 digits, with or without a leading +"))
        }
    }

    /// The number.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SimNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for SimNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

words!(
    /// The mobile-money operators of the DR Congo.
    Operator {
        /// Airtel Money.
        Airtel = "Airtel",
        /// M-Pesa.
        Vodacom = "Vodacom",
        /// Orange Money.
        Orange = "Orange",
        /// Afrimoney.
        Africell = "Africell",
    }
);

/// A SIM and who owns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sim {
    /// Its number.
    pub number: SimNumber,
    /// Its operator.
    pub operator: Operator,
    /// The shop it belongs to.
    pub shop: ShopId,
    /// Whether it may be used.
    pub active: bool,
    /// The entry that made it known; of two, the earlier counts.
    pub origin: Origin,
}

words!(
    /// Where a capture stands.
    CaptureState {
        /// The transfer is not yet confirmed: does not count.
        Pending = "enAttente",
        /// Confirmed and served: counts.
        Validated = "validee",
        /// Given up: does not count.
        Cancelled = "annulee",
    }
);

/// A client's transfer that arrived on the SIM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// What arrived (`montant_virtuel`).
    pub amount: Amount,
    /// What was handed out (`montant_cash`), same currency.
    pub cash: Option<Amount>,
    /// What the shop kept (`frais`), same currency.
    pub fee: Option<Amount>,
    /// The operator's reference of the transfer.
    pub reference: Option<String>,
    /// The client.
    pub client: Option<String>,
    /// The client's phone.
    pub phone: Option<String>,
    /// Where it stood when it was recorded.
    pub state: CaptureState,
}

/// Float sent out against cash that another shop owes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// What left the SIM.
    pub amount: Amount,
    /// The shop that owes the cash.
    pub owed_by: Option<ShopId>,
    /// Whether it was reimbursed when it was recorded (an imported one may be).
    pub reimbursed: bool,
}

/// Float sent to a client who paid cash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    /// What left the SIM.
    pub amount: Amount,
    /// The client's phone.
    pub phone: Option<String>,
}

/// A share that changes hands within the shop: the balance stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gift {
    /// How much of the giver's share.
    pub amount: Amount,
    /// Who may take it, by name, once.
    pub to: Holder,
}

/// What a movement is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MovementKind {
    /// What the SIM held when it was made known.
    Opening(Amount),
    /// A client's transfer in.
    Capture(Capture),
    /// Float out against cash owed.
    Withdrawal(Withdrawal),
    /// Float out against cash in hand.
    Deposit(Deposit),
    /// A share on its way to another holder.
    Gift(Gift),
    /// What the SIM took along when it moved to another shop.
    Moved(Amount),
}

impl MovementKind {
    /// Its amount.
    pub fn amount(&self) -> Amount {
        match self {
            MovementKind::Opening(amount) => *amount,
            MovementKind::Capture(capture) => capture.amount,
            MovementKind::Withdrawal(withdrawal) => withdrawal.amount,
            MovementKind::Deposit(deposit) => deposit.amount,
            MovementKind::Gift(gift) => gift.amount,
            MovementKind::Moved(amount) => *amount,
        }
    }

    /// Its word in the interface.
    pub fn word(&self) -> &'static str {
        match self {
            MovementKind::Opening(_) => "opening",
            MovementKind::Capture(_) => "capture",
            MovementKind::Withdrawal(_) => "withdrawal",
            MovementKind::Deposit(_) => "deposit",
            MovementKind::Gift(_) => "gift",
            MovementKind::Moved(_) => "moved",
        }
    }
}

/// A movement as it stands: what was recorded, and what was done to it since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovementRecord {
    /// Its identity.
    pub id: MovementId,
    /// The shop whose account it moves.
    pub shop: ShopId,
    /// The SIM whose account it moves.
    pub sim: SimNumber,
    /// What was recorded.
    pub kind: MovementKind,
    /// When it happened.
    pub at: Timestamp,
    /// Who recorded it.
    pub agent: Option<String>,
    /// Its id on the old server, in the table of its kind.
    pub old_id: Option<u64>,
    /// The entry that recorded it. Only its device may validate or reverse it (`domain`, rule 2).
    pub origin: Origin,
    /// Whether a capture counts: recorded as validated, or validated since.
    pub validated: bool,
    /// Whether the cash of a withdrawal came back.
    pub reimbursed: bool,
    /// Whether it was reversed.
    pub reversed: bool,
    /// Who took it, if it is a gift that was taken.
    pub taken_by: Option<Holder>,
    /// Whether it has no effect: its recorder's share did not cover it, or it stands beyond its log's closing.
    pub void: bool,
    /// What was done to it, whether it has effect or not.
    pub acts: Vec<(MovementAct, Place)>,
}

/// What may be done to a movement once it is recorded, by who has the right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MovementAct {
    /// A pending capture is confirmed.
    Validate,
    /// It is taken back.
    Reverse,
    /// A gift is taken.
    Take,
    /// A gift made beyond its giver's closing, and taken, is borne by the successor.
    Bear,
}

impl MovementRecord {
    /// Whether it moves the balance as it stands. A gift never does.
    pub fn counts(&self) -> bool {
        let moves = match self.kind {
            MovementKind::Capture(_) => self.validated,
            MovementKind::Gift(_) => false,
            _ => true,
        };
        moves && !self.reversed && !self.void
    }
}
