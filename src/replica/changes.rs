//! What a step changed for who looks at this node: told after the sync, so that nobody is shown what may yet be lost.
//!
//! It says what to look at again, never what it holds now: who may see it is judged when they look. It may name more
//! than changed; it must not name less.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Conflict, ConflictId, CreditId, DeviceKey, DocumentId, Origin, ShopId, SimNumber};
use crate::replica::Replica;
use crate::store::Store;

/// Something that looks different now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A credit: itself, its payments, or who has seen it.
    Credit {
        /// The shop that granted it.
        shop: ShopId,
        /// Which.
        id: CreditId,
    },
    /// What a SIM holds, or who may spend how much of it.
    Balance {
        /// The shop whose account it is.
        shop: ShopId,
        /// Which.
        sim: SimNumber,
    },
    /// A conflict: it came up, changed, was dealt with, or is none any more.
    Conflict {
        /// The shop that it concerns; 0 is the register.
        shop: ShopId,
        /// Which.
        id: ConflictId,
    },
    /// A device came, or went.
    Peer {
        /// Which.
        device: DeviceKey,
        /// Its shop, where it is known.
        shop: Option<ShopId>,
        /// Whether it is there now.
        connected: bool,
    },
    /// A device holds what this one holds, which it did not before.
    Synced {
        /// Which.
        device: DeviceKey,
        /// Its shop, where it is known.
        shop: Option<ShopId>,
    },
}

/// The conflicts as they were when changes were last looked for, each with who dealt with it.
pub(super) type Known = BTreeMap<ConflictId, (Conflict, Option<Origin>)>;

/// What was last told of a device in contact: its shop, and whether it holds the same.
pub(super) type Told = BTreeMap<DeviceKey, (Option<ShopId>, bool)>;

impl<S: Store> Replica<S> {
    /// What this step's operations changed. To be asked before the touched are taken.
    pub(super) fn changed_books(&self) -> BTreeSet<Change> {
        let book = &self.fold.book;
        let mut changes = BTreeSet::new();
        for document in &self.fold.touched.documents {
            match document {
                DocumentId::Credit { shop, id } => {
                    changes.insert(Change::Credit { shop: *shop, id: *id });
                    changes
                        .extend(book.credit(id).map(|credit| Change::Balance { shop: *shop, sim: credit.sim.clone() }));
                }
                DocumentId::SimMonth { shop, sim, .. } => {
                    changes.insert(Change::Balance { shop: *shop, sim: sim.clone() });
                }
                // Sightings and closings give back what cancelled credits and lost devices held, of any SIM.
                DocumentId::Shop(shop) => {
                    let sims = book.pots_of(*shop).map(|(sim, _)| Change::Balance { shop: *shop, sim: sim.clone() });
                    changes.extend(sims);
                }
                DocumentId::Registry => {}
            }
        }
        changes
    }

    /// The conflicts as they are, each with who dealt with it.
    pub(super) fn known_conflicts(&self) -> Known {
        let origin = |id: &ConflictId| self.fold.book.resolution(id).map(|(origin, _)| *origin);
        self.conflicts().into_iter().map(|(id, conflict)| (id, (conflict, origin(&id)))).collect()
    }

    /// Which conflicts look different than when this was last asked. To be asked before the touched are taken.
    pub(super) fn changed_conflicts(&mut self) -> BTreeSet<Change> {
        let touched = &self.fold.touched;
        if touched.documents.is_empty() && touched.movements.is_empty() && touched.verdicts.is_empty() {
            return BTreeSet::new();
        }
        // Entries without effect are conflicts too, and the books do not know of them.
        let stamp = self.fold.book.conflicts_stamp();
        if touched.verdicts.is_empty() && self.known_as_of.as_ref() == Some(&stamp) {
            return BTreeSet::new();
        }
        self.known_as_of = Some(stamp);
        let now = self.known_conflicts();
        let before = std::mem::take(&mut self.known);
        let fresh = now.iter().filter(|(id, found)| before.get(id) != Some(found));
        let gone = before.iter().filter(|(id, _)| !now.contains_key(id));
        let change = |(id, (conflict, _)): (&ConflictId, &(Conflict, Option<Origin>))| Change::Conflict {
            shop: conflict.shop,
            id: *id,
        };
        let changes = fresh.chain(gone).map(change).collect();
        self.known = now;
        changes
    }

    /// Who came, went or caught up since this was last asked.
    pub(super) fn changed_company(&mut self) -> BTreeSet<Change> {
        let there: Told = self
            .sessions
            .iter()
            .filter_map(|(device, session)| {
                let certificate = session.certificate.as_ref()?;
                Some((*device, (Some(certificate.shop), session.in_step)))
            })
            .collect();
        if there == self.company {
            return BTreeSet::new();
        }
        let before = std::mem::replace(&mut self.company, there);
        let mut changes = BTreeSet::new();
        for (device, (shop, in_step)) in &self.company {
            let (device, shop) = (*device, *shop);
            let known = before.get(&device);
            if known.is_none() {
                changes.insert(Change::Peer { device, shop, connected: true });
            }
            if *in_step && !known.is_some_and(|(_, in_step)| *in_step) {
                changes.insert(Change::Synced { device, shop });
            }
        }
        for (device, (shop, _)) in before {
            if !self.company.contains_key(&device) {
                changes.insert(Change::Peer { device, shop, connected: false });
            }
        }
        changes
    }
}
