//! Who belongs to the network: certificates, roles, invitations, and the registry that they make.

mod role;
pub use role::{ReadScope, Role};
