//! Chance from one seed: a tree of generators, each named, so that a new draw in one place shifts no other.

/// A generator. Its children follow from its name and theirs alone, not from what was drawn of it.
#[derive(Clone, Debug)]
pub struct Draw {
    key: [u8; 32],
    state: u64,
}

impl Draw {
    /// The root of everything that one seed decides.
    pub fn from_seed(seed: u64) -> Draw {
        Draw::from_key(blake3::derive_key("ucash/lab/v1/seed", &seed.to_be_bytes()))
    }

    /// The generator of that name under this one.
    #[must_use]
    pub fn child(&self, label: &str) -> Draw {
        Draw::from_key(*blake3::keyed_hash(&self.key, label.as_bytes()).as_bytes())
    }

    fn from_key(key: [u8; 32]) -> Draw {
        let mut state = [0; 8];
        state.copy_from_slice(&key[..8]);
        Draw { key, state: u64::from_be_bytes(state) }
    }

    /// The next 64 bits: SplitMix64 (Steele, Lea and Flood, 2014), the same on every machine.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below that bound; 0 if the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound.max(1)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.saturating_sub(low).max(0).cast_unsigned();
        low.saturating_add(self.below(span.saturating_add(1)).cast_signed())
    }

    /// Yes, in that many of a thousand.
    pub fn permille(&mut self, chance: u32) -> bool {
        self.below(1_000) < u64::from(chance)
    }

    /// One of these; `None` of none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len() as u64) as usize)
    }

    /// 32 bytes: the seed of a key or of a run.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for chunk in seed.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.bits().to_be_bytes());
        }
        seed
    }
}
