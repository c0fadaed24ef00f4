//! What a device may do and read.

use serde::{Deserialize, Serialize};

use crate::model::{Scope, ShopId};

/// What a device may do. Ordered: who certifies must stand above whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads, writes nothing.
    Auditor,
    /// Carries entries for others, writes nothing.
    Relay,
    /// Writes its shop's money.
    Device,
    /// Writes its shop's money, and certifies its shop's devices.
    Manager,
    /// The founder's device: also adds shops and writes for every shop (imports, gateways).
    HeadOffice,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 5] = [Role::Auditor, Role::Relay, Role::Device, Role::Manager, Role::HeadOffice];

    /// Its word in the interface.
    pub fn word(self) -> &'static str {
        match self {
            Role::Auditor => "auditor",
            Role::Relay => "relay",
            Role::Device => "device",
            Role::Manager => "manager",
            Role::HeadOffice => "headoffice",
        }
    }

    /// Whether a device of that role and shop may write entries of that scope.
    pub fn may_write(self, own_shop: ShopId, scope: Scope) -> bool {
        match (self, scope) {
            (Role::Auditor | Role::Relay, _) => false,
            (Role::Device | Role::Manager, Scope::Shop(shop)) => shop == own_shop,
            (Role::Device | Role::Manager, Scope::Registry) => true,
            (Role::HeadOffice, _) => true,
        }
    }
}

/// Which shops' entries a device receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadScope {
    /// Its own shop's and the registry.
    Own,
    /// Everything.
    All,
}
