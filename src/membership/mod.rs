//! Who belongs to the network: certificates, roles, invitations, and the registry that they make.
//!
//! ```text
//! authority ──certifies──> head office, managers, devices, relays, auditors
//!                          manager ──certifies──> devices and auditors of its own shop
//! ```
//!
//! A certificate proves itself: it is signed, and its issuer's own certificate is signed by the authority. It is
//! also an entry of the registry, and is shown when two devices meet. Expiry and revocation decide connections,
//! never entries.

mod certificate;
mod invitation;
mod registry;
mod role;

pub use certificate::{Certificate, CertificateError, Credentials};
pub use invitation::{Invitation, InvitationError, Secret};
pub use registry::{Founding, Member, Registry, RegistryFault};
pub use role::{ReadScope, Role};
