//! What the app of the replaced system reports through a gateway: who reported it, and from which version of the credit
//! its opinion began (`existing-wire`, "What a row means here").
//!
//! It stands in the entry, so that a row which comes again is recognised after a restart and by another gateway. It
//! must never decide whether something counts: what was reported has happened.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::text::{self, FieldError};
use crate::model::{Credit, CreditId, PaymentId, PaymentMode};
use crate::money::Amount;

/// Longest id of a token, in characters.
const TOKEN_CHARS_MAX: usize = 64;
/// The ids of credits that the replaced server never had begin here: above all that it could have given.
const FIRST_DERIVED_ID: u64 = 1 << 40;
/// Every JSON reader keeps numbers below this.
const ID_LIMIT: u64 = 1 << 53;

/// One installed app: the token that it bears.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reporter {
    /// The token's public part: nobody else has it.
    pub token: String,
    /// What the token was called: shown in the place of a device's name.
    pub label: String,
}

impl Reporter {
    fn check_fields(&self) -> Result<(), FieldError> {
        text::line("token", &self.token, TOKEN_CHARS_MAX)?;
        text::line("label", &self.label, text::NAME_CHARS_MAX)
    }
}

/// A version of a credit that an app has had.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct VersionId(pub [u8; 16]);

impl VersionId {
    /// No version: the row made the credit.
    pub const NONE: VersionId = VersionId([0; 16]);

    /// 32 hexadecimal digits.
    pub fn to_text(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// Reads exactly what [`VersionId::to_text`] wrote.
    pub fn from_text(text: &str) -> Option<VersionId> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(VersionId)
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_text())
    }
}

/// That a grant was reported, and not decided by who wrote it: it counts whether a share covers it or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedGrant {
    /// By which app.
    pub by: Reporter,
    /// `agent_id`, which only the app knows the meaning of.
    pub agent_number: u64,
}

impl ReportedGrant {
    pub(super) fn check_fields(&self) -> Result<(), FieldError> {
        if !(1..ID_LIMIT).contains(&self.agent_number) {
            return Err(FieldError::malformed("agent_id", "a whole number from 1"));
        }
        self.by.check_fields()
    }
}

/// That a payment was reported, by an app that saw only totals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedPayment {
    /// By which app.
    pub by: Reporter,
    /// The version in which its edit began.
    pub start: VersionId,
    /// `montant_paye` of the row.
    pub total: Amount,
    /// Whether its edit may as well have begun in another version, by which this is no payment or another one.
    pub doubtful: bool,
}

impl ReportedPayment {
    pub(super) fn check_fields(&self, amount: Amount) -> Result<(), FieldError> {
        let fits = self.total.currency() == amount.currency() && self.total.balance().covers(amount);
        if !fits {
            return Err(FieldError::malformed("total", "a total that holds the payment"));
        }
        self.by.check_fields()
    }

    /// The payment's identity: the same row of the same app, from the same version, is the same payment, whichever
    /// gateway takes it and however often.
    pub fn payment_id(&self, credit: &CreditId) -> PaymentId {
        let mut id = PaymentId([0; 10]);
        id.0.copy_from_slice(&self.hash("ucash/v1/reported-payment", credit)[..10]);
        id
    }

    /// The version that the app has once this was accepted from it.
    pub fn version_after(&self, credit: &CreditId) -> VersionId {
        let mut id = VersionId::NONE;
        id.0.copy_from_slice(&self.hash("ucash/v1/accepted-version", credit)[..16]);
        id
    }

    fn hash(&self, purpose: &str, credit: &CreditId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        hasher.update(&(self.by.token.len() as u64).to_be_bytes());
        hasher.update(self.by.token.as_bytes());
        hasher.update(&credit.0);
        hasher.update(&self.start.0);
        hasher.update(&self.total.cents().to_be_bytes());
        *hasher.finalize().as_bytes()
    }
}

impl Credit {
    /// The integer by which the existing app knows it: that of the replaced server, else one derived from its document,
    /// from 2^40 up to 2^53. The same on every node, for ever.
    pub fn server_id(&self) -> u64 {
        self.old_id.unwrap_or_else(|| {
            let hash = blake3::derive_key("ucash/v1/server-id", &self.id.0);
            let number = u64::from_be_bytes(std::array::from_fn(|index| hash[index]));
            FIRST_DERIVED_ID + number % (ID_LIMIT - FIRST_DERIVED_ID)
        })
    }

    /// The version of it that an app has once it was sent as it stands: another as soon as anything that a row shows, or
    /// that made it, changes. A payment taken back and made anew is another version, though the total is the same.
    pub fn version(&self, shown_reference: &str) -> VersionId {
        let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/sent-version");
        let mut add = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        add(&self.id.0);
        add(shown_reference.as_bytes());
        for payment in &self.payments {
            add(&payment.id.0);
            add(&payment.net().cents().to_be_bytes());
        }
        add(self.status.word().as_bytes());
        let contact =
            [&Some(self.beneficiary.name.clone()), &self.beneficiary.phone, &self.beneficiary.address, &self.notes];
        for text in contact {
            add(text.as_deref().unwrap_or("\0").as_bytes());
        }
        add(&self.due_at.map_or(i64::MIN, |due| due.0).to_be_bytes());
        let mut version = VersionId::NONE;
        version.0.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        version
    }

    /// The last payment that stands, whose mode and reference a row shows.
    pub fn last_payment(&self) -> Option<(PaymentMode, Option<&str>)> {
        let standing = self.payments.iter().rfind(|payment| !payment.reversed)?;
        Some((standing.mode, standing.reference.as_deref()))
    }
}
