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

/// How many entries of one device, over all its logs, may be here without effect (waiting or set aside) before no more of
/// its are taken: its logs stay where they are until fewer are. About 30 MB of memory; one payment every ten seconds for
/// two weeks, all of them wrong.
pub const WITHOUT_EFFECT_MAX: u64 = 131_072;

/// Longest name of a device, in bytes.
pub const NAME_BYTES_MAX: usize = 1_024;

/// What one device may make another send again, in bytes, before it has to wait: ten comparisons of as many logs as may
/// be told. What it has not been sent before is not counted: of that there is only so much.
pub const ALLOWANCE_BYTES_MAX: i64 = 64 << 20;

/// How often in a day one device may be given all that is held, connection by connection, before it counts as given
/// again: once, and once more to a device that was put up anew.
pub const GIVEN_TIMES_A_DAY_MAX: u64 = 2;

/// By how much the allowance grows again, in bytes a second: three times what the largest company needs that compares
/// four times a second. A weak machine's processor hashes and sends it beside its work.
pub const ALLOWANCE_BYTES_A_SECOND: i64 = 2 << 20;

/// What a frame that nobody asked for costs beside its answer, in bytes: reading it is work, however short it is.
pub const FRAME_COST_BYTES: i64 = 1 << 10;

/// How much one that has not shown that it is one of us may say in one connection: a joiner says four things, and may
/// have mistyped its invitation some times.
pub const STRANGER_FRAMES_MAX: u32 = 64;

/// How much misbehaviour ends a connection, in points: what only hostile or broken programs do counts as much at once.
pub const MISCONDUCT_POINTS_MAX: u32 = 20;

/// How many points are forgiven in a minute: two promises that were not kept, and a little. An honest device that is out
/// of luck once in each comparison, every half minute, is never left for it.
pub const MISCONDUCT_FORGIVEN_A_MINUTE: i64 = 12;

/// For how long a device is left alone that is none of ours, speaks another version or misbehaves for the first time, in
/// milliseconds.
pub const BAN_MS: u64 = 60_000;

/// The longest ban, in milliseconds. A device whose memory is bad misbehaves as a hostile one does, and what it records
/// is money all the same: every hour it gets another chance, which costs us one frame.
pub const BAN_MS_MAX: u64 = 3_600_000;

/// How long after a ban's end one of the bans before is forgotten, in milliseconds: after a quiet day all are.
pub const BAN_FORGOTTEN_MS: i64 = 4 * 3_600_000;

/// Devices whose conduct is remembered: as many as the largest company has, below a megabyte.
pub const CONDUCTS_MAX: usize = 4_096;
