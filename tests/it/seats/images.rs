//! Copies of the seats' disks: what comes back older, and what goes on twice.

use ucash::replica::{Identity, Replica};
use ucash::store::MemoryStore;

use super::{Desk, Seat};

impl Desk {
    /// The secrets of a seat's device.
    pub fn identity(&self, seat: usize) -> Identity {
        self.seats[seat].identity.clone()
    }

    /// A copy of a seat's disk as it is now.
    pub fn image(&mut self, seat: usize) -> MemoryStore {
        let store = self.seats[seat].replica.take().expect("every seat is taken").into_store().crash();
        self.open_on(seat, store.clone(), Replica::open);
        store
    }

    /// Brings a copy of a seat's disk back: a new life of its store.
    pub fn bring_back(&mut self, seat: usize, image: MemoryStore) {
        self.open_on(seat, image, Replica::open_restored);
    }

    /// A further seat at which a copy of a device's disk goes on as if it were the device: nobody noticed the copying.
    pub fn seat_copy(&mut self, seat: usize, image: MemoryStore) -> usize {
        let identity = self.seats[seat].identity.clone();
        self.seats.push(Seat { replica: None, identity, clock_off_ms: 0, runs: 100 });
        self.open_on(self.seats.len() - 1, image, Replica::open);
        self.seats.len() - 1
    }
}
