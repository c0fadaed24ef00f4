//! A virtual credit as it stands: what `ledger` folds from the operations on its document.

use serde::{Deserialize, Serialize};

use crate::model::{
    Clash, CreditId, Origin, PaymentId, Place, Reference, ReportedGrant, ReportedPayment, ShopId, SimNumber, Timestamp,
};
use crate::money::{Amount, Balance};

macro_rules! words {
    ($(#[$docs:meta])* $name:ident { $($(#[$variant_docs:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$docs])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_docs])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of their words.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// The word on screen, wire and in documents.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }

            /// Reads exactly that word.
            pub fn from_word(word: &str) -> Option<$name> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use words;

words!(
    /// Who receives the float and pays the cash later.
    BeneficiaryKind {
        /// Another shop of the company.
        Shop = "shop",
        /// A partner outside.
        Partner = "partenaire",
        /// Anyone else.
        Other = "autre",
    }
);

words!(
    /// How a payment came in.
    PaymentMode {
        /// Bank notes.
        Cash = "cash",
        /// A mobile-money transfer.
        MobileMoney = "mobile_money",
        /// A bank transfer.
        Transfer = "virement",
    }
);

words!(
    /// A credit's status, the French word of the wire. Computed, never stored as an opinion of one device.
    CreditStatus {
        /// Granted, nothing paid.
        Granted = "accorde",
        /// Something paid, not all.
        PartlyPaid = "partiellementPaye",
        /// All paid.
        Paid = "paye",
        /// Cancelled.
        Cancelled = "annule",
        /// Past its due date, neither paid nor cancelled: follows from the time given.
        Overdue = "enRetard",
    }
);

/// Whom a credit was granted to. Editable, newest timestamp wins field by field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beneficiary {
    /// 1 to 255 characters.
    pub name: String,
    /// Up to 20 characters.
    pub phone: Option<String>,
    /// Up to 2,000 characters.
    pub address: Option<String>,
    /// What kind of beneficiary.
    pub kind: BeneficiaryKind,
    /// Which shop of the company, where it is one and known.
    pub shop: Option<ShopId>,
}

/// One payment received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Its identity: a payment recorded again under it is the same payment.
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
    /// The entry that recorded it.
    pub origin: Origin,
    /// Whether a reversal names it.
    pub reversed: bool,
    /// How much of it was handed back, since it was more than was owed.
    pub given_back: Option<Amount>,
    /// That the existing app reported it, if so.
    pub reported: Option<ReportedPayment>,
}

impl Payment {
    /// What of it counts: nothing if it is reversed, else what was not handed back.
    pub fn net(&self) -> Amount {
        let currency = self.amount.currency();
        if self.reversed {
            return Amount::zero(currency);
        }
        let back = self.given_back.unwrap_or(Amount::zero(currency));
        self.amount.balance().less(back.balance()).map_or(self.amount, Balance::above_zero)
    }
}

/// A credit as it stands. `status` is what the sums and the status register say; only [`Credit::status_at`]
/// knows of due dates, since only it is given the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// Its identity.
    pub id: CreditId,
    /// The shop whose SIM it was sent from.
    pub shop: ShopId,
    /// The reference it bears: what it was granted under, unless it was renumbered.
    pub reference: Reference,
    /// The references it bore before or beside that one: it is found by them too.
    pub former_references: Vec<Reference>,
    /// More than zero.
    pub amount: Amount,
    /// The SIM it was sent from.
    pub sim: SimNumber,
    /// Whom it was granted to.
    pub beneficiary: Beneficiary,
    /// Who granted it.
    pub agent: Option<String>,
    /// When it was granted (`date_sortie`).
    pub granted_at: Timestamp,
    /// When it is to be paid (`date_echeance`).
    pub due_at: Option<Timestamp>,
    /// Free text.
    pub notes: Option<String>,
    /// The integer id it had on the old server.
    pub old_id: Option<u64>,
    /// When it was modified last on the old server.
    pub old_modified_at: Option<Timestamp>,
    /// That the existing app reported it, if so.
    pub reported: Option<ReportedGrant>,
    /// Payments, oldest first, reversed ones included.
    pub payments: Vec<Payment>,
    /// Payments less reversals. May exceed the amount after a merge.
    pub paid: Balance,
    /// `Granted`, `PartlyPaid`, `Paid` or `Cancelled`.
    pub status: CreditStatus,
    /// When the payment that completed its amount was received, whatever the status.
    pub completed_at: Option<Timestamp>,
    /// When it was cancelled, while the cancellation stands.
    pub cancelled_at: Option<Timestamp>,
    /// Every entry that cancelled it, whichever value stands now.
    pub cancellations: Vec<Place>,
    /// Every entry that gave its amount back, whether it has effect or not, and when.
    pub returns: Vec<(Place, Timestamp)>,
    /// When its amount was given back to a share: from then on it is cancelled, whatever else comes.
    pub returned_at: Option<Timestamp>,
    /// Whether it has no effect: its granter's share did not cover it, or it stands beyond its log's closing.
    pub void: bool,
    /// What was done to it apart, and disagreed.
    pub clashes: Vec<Clash>,
    /// The entry that granted it.
    pub origin: Origin,
    /// The wall time of the newest operation on it.
    pub updated_at: Timestamp,
}

impl Credit {
    /// What the status is once it is known whether the amount was returned: the return is a cancellation that nothing
    /// overrides (`domain`, rule 3).
    #[must_use]
    pub fn settled(mut self, returned_at: Option<Timestamp>, void: bool) -> Credit {
        self.returned_at = returned_at;
        self.void = void;
        self.status = match (self.cancelled_at.or(returned_at), self.paid.value()) {
            (Some(_), _) => CreditStatus::Cancelled,
            (None, _) if self.paid.covers(self.amount) => CreditStatus::Paid,
            (None, paid) if paid.is_zero() => CreditStatus::Granted,
            (None, _) => CreditStatus::PartlyPaid,
        };
        self
    }

    /// When the payment that completed it was received, if it is paid.
    pub fn paid_at(&self) -> Option<Timestamp> {
        self.completed_at.filter(|_| self.status == CreditStatus::Paid)
    }

    /// When it was cancelled, if it is.
    pub fn annulled_at(&self) -> Option<Timestamp> {
        self.cancelled_at.or(self.returned_at)
    }

    /// The status on screen at that instant (`enRetard` is computed, fault F15 of the replaced system).
    pub fn status_at(&self, now: Timestamp) -> CreditStatus {
        match self.status {
            CreditStatus::Granted | CreditStatus::PartlyPaid if self.due_at.is_some_and(|due| due < now) => {
                CreditStatus::Overdue
            }
            settled => settled,
        }
    }

    /// What is still to be paid (`montant_restant`): never below zero.
    pub fn remaining(&self) -> Amount {
        self.difference(self.amount.balance(), self.paid)
    }

    /// What was paid beyond the amount, after a merge.
    pub fn overpaid(&self) -> Amount {
        self.difference(self.paid, self.amount.balance())
    }

    fn difference(&self, left: Balance, right: Balance) -> Amount {
        let currency = self.amount.currency();
        left.less(right).map_or(Amount::zero(currency), Balance::above_zero)
    }
}
