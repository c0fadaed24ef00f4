//! A digest of a set that is kept up to date as things come and go, whatever the order.

/// The sum, lane by lane, of the BLAKE3 hashes of what is in the set. Equal sets have equal digests; two replicas
/// that differ by honest work have different ones. It is no proof against someone who may choose the contents
/// freely: what is believed rests on signed logs, this is for people and tests to compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetDigest([u64; 4]);

impl SetDigest {
    /// Adds a thing.
    pub fn insert(&mut self, thing: &[u8]) {
        self.lanes(thing, u64::wrapping_add);
    }

    /// Takes away a thing that was added.
    pub fn remove(&mut self, thing: &[u8]) {
        self.lanes(thing, u64::wrapping_sub);
    }

    /// The digest as bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, lane) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&lane.to_be_bytes());
        }
        bytes
    }

    fn lanes(&mut self, thing: &[u8], combine: fn(u64, u64) -> u64) {
        let hash = blake3::hash(thing);
        for (lane, bytes) in self.0.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
            let mut word = [0; 8];
            word.copy_from_slice(bytes);
            *lane = combine(*lane, u64::from_be_bytes(word));
        }
    }
}
