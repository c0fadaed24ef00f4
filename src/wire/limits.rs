//! The bounds of what is said between nodes, each with its reason.

/// Longest frame, in bytes: one piece of entries at its limit, and room to spare. Checked before anything is read.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// Most scopes in one message: a company of 4,000 shops.
pub const SCOPES_MAX: usize = 4_096;

/// Most positions in one message: 4,000 logs of 45 bytes and a head of 40 still fit in a frame.
pub const POSITIONS_MAX: usize = 8_192;

/// Most logs that one device may claim to hold. Each incarnation of a device has logs of its own, so that one in wrong
/// hands makes as many as it cares to write: past this many, 6 MB of a node's memory, who tells of them is left.
pub const LOGS_TOLD_MAX: usize = 65_536;

/// Most bytes of bodies sent in answer to one request; what is left is asked for again. Well below what may wait for one
/// connection.
pub const ANSWER_BYTES_MAX: usize = 2 << 20;

/// Most logs asked for at once.
pub const WANTS_MAX: usize = 256;

/// Most entries asked for at once: about eight pieces, so that one is always under way while another is stored.
pub const WANT_ENTRIES_MAX: u64 = 4_096;

/// What one piece of entries may unpack to, in bytes.
pub const UNPACKED_BYTES_MAX: usize = crate::log::SUFFIX_BYTES_MAX + crate::log::BODY_BYTES_MAX + 4_096;

/// Longest name of a device, in bytes.
pub const NAME_BYTES_MAX: usize = 1_024;
