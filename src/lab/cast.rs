//! Who and what there is in a simulated company.

use crate::membership::{ReadScope, Role};
use crate::model::{DeviceKey, Operator, ShopId, SimNumber};
use crate::money::Amount;

/// A device of the company. Its place in [`Cast::devices`] is its number in traces.
#[derive(Clone, Debug)]
pub struct CastDevice {
    /// What people call it.
    pub name: String,
    /// Its key.
    pub key: DeviceKey,
    /// Its shop.
    pub shop: ShopId,
    /// What it may do.
    pub role: Role,
    /// What it may read.
    pub read: ReadScope,
}

/// A SIM of the company.
#[derive(Clone, Debug)]
pub struct CastSim {
    /// Its number.
    pub number: SimNumber,
    /// Its operator.
    pub operator: Operator,
    /// The shop that owns it at the start.
    pub shop: ShopId,
    /// What it holds at the start.
    pub opening: Vec<Amount>,
}

/// The company: device 0 is the founder's.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Its shops, by number.
    pub shops: Vec<ShopId>,
    /// Its SIMs.
    pub sims: Vec<CastSim>,
    /// Its devices.
    pub devices: Vec<CastDevice>,
}
