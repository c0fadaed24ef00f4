//! A store in memory, for tests and simulations.
pub struct MemoryStore;
