//! Everything that was done to one document, as far as it is held: what `ledger` folds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{ContactField, DeviceKey, Operation, Origin, PaymentId};

/// A place in a document that operations set again and again; concurrent values stand side by side until one
/// that has seen them replaces them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Register {
    /// The credit's one status register.
    Status,
    /// One editable field.
    Contact(ContactField),
    /// The credit's number.
    Reference,
    /// How much of a payment was handed back.
    GivenBack(PaymentId),
    /// What people call a device.
    DeviceName(DeviceKey),
    /// Where the shop is.
    Town,
}

/// An operation and who did it when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamped {
    /// What.
    pub operation: Operation,
    /// By whom, when.
    pub origin: Origin,
}

/// Everything that was done to one document: what `ledger` folds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History<'a> {
    /// In an order in which causes come before effects.
    pub operations: &'a [Stamped],
    /// For each register, which of the operations' values nothing has replaced (indices into `operations`).
    pub visible: BTreeMap<Register, Vec<usize>>,
    /// For each operation, which others its writer had seen; empty if each had seen all before it.
    pub seen: Vec<Vec<bool>>,
}

impl History<'_> {
    /// Whether two operations were done apart: neither writer had seen the other's.
    pub fn is_apart(&self, one: usize, other: usize) -> bool {
        let has_seen = |by: usize, what: usize| self.seen.get(by).and_then(|seen| seen.get(what)) == Some(&true);
        !self.seen.is_empty() && one != other && !has_seen(one, other) && !has_seen(other, one)
    }
}
