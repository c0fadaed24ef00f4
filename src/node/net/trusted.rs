//! Which devices we trust, as the behaviours of the swarm ask it: one set, that the network's loop replaces whenever the
//! address book changes.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use libp2p::PeerId;

/// See the module's documentation. Clones are the same set.
#[derive(Clone, Default)]
pub(super) struct Trusted(Arc<RwLock<BTreeSet<PeerId>>>);

impl Trusted {
    /// These are trusted from now on, and no others.
    pub(super) fn replace(&self, peers: BTreeSet<PeerId>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = peers;
    }

    /// Whether this one is.
    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(peer)
    }
}
