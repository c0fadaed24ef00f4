//! Drawing from a seed, and damaging bytes. SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.

/// Numbers from a seed.
#[derive(Clone, Debug)]
pub struct Draw(u64);

/// Numbers at which something overflows, ends or changes its length.
const EDGES: [u64; 20] = [
    0,
    1,
    2,
    0x17,
    0x18,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x3fff,
    0x4000,
    0xffff,
    0x7fff_ffff,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

impl Draw {
    pub fn new(seed: u64) -> Draw {
        Draw(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`; 0 if there is nothing below it.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// Another number: near, at an edge, or any.
    pub fn number(&mut self, near: u64) -> u64 {
        match self.below(6) {
            0 => near.wrapping_add(1),
            1 => near.wrapping_sub(1),
            2 => near ^ (1 << self.below(64)),
            3 => self.next(),
            _ => self.of(&EDGES),
        }
    }

    pub fn bytes(&mut self, end: usize) -> Vec<u8> {
        (0..self.below(end)).map(|_| self.next() as u8).collect()
    }

    pub fn array<const N: usize>(&mut self, near: [u8; N]) -> [u8; N] {
        let mut array = near;
        if self.one_in(2) {
            array[self.below(N)] ^= 1 << self.below(8);
        } else {
            array.iter_mut().for_each(|byte| *byte = self.next() as u8);
        }
        array
    }

    pub fn text(&mut self, near: &str) -> String {
        match self.below(7) {
            0 => String::new(),
            1 => format!("{near}{near}"),
            2 => format!("{near}\u{0}"),
            3 => format!(" {near}\u{202e}"),
            4 => "x".repeat(1 << self.below(15)),
            5 => near.chars().rev().collect(),
            _ => String::from_utf8_lossy(&self.damaged(near.as_bytes())).into_owned(),
        }
    }

    /// The same bytes, damaged once or a few times.
    pub fn damaged(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let until = (at + self.below(16)).min(bytes.len());
            match self.below(8) {
                0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                2 if !bytes.is_empty() => bytes[at] = self.of(&[0, 1, 0x7f, 0x80, 0xff, 0x18, 0x1b, 0x5b, 0x9b]),
                3 if !bytes.is_empty() => bytes[at] = self.next() as u8,
                4 => {
                    let more = self.bytes(12);
                    bytes.splice(at..at, more);
                }
                5 => drop(bytes.drain(at..until)),
                6 => {
                    let again = bytes[at..until].to_vec();
                    bytes.splice(at..at, again);
                }
                _ => bytes.truncate(at),
            }
        }
        bytes
    }
}
