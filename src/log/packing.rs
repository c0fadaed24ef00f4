//! zstd (RFC 8878) for entries on disk and wire, with one working space a thread: making one anew for every few entries
//! costs more than the packing.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

thread_local! {
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Packs bytes; `None` if that makes them no shorter.
pub(crate) fn pack(plain: &[u8]) -> Option<Vec<u8>> {
    let packed = PACKER.with_borrow_mut(|packer| {
        if packer.is_none() {
            *packer = Compressor::new(3).ok();
        }
        packer.as_mut()?.compress(plain).ok()
    });
    packed.filter(|packed| packed.len() < plain.len())
}

/// Unpacks bytes to at most that many; `None` if they are not packed, or hold more. Room is made for what they say they
/// hold, within the limit.
pub(crate) fn unpack(packed: &[u8], limit: usize) -> Option<Vec<u8>> {
    let told = zstd::zstd_safe::get_frame_content_size(packed).ok()?;
    let room = told.map_or(limit, |told| usize::try_from(told).unwrap_or(usize::MAX));
    if room > limit {
        return None;
    }
    UNPACKER.with_borrow_mut(|unpacker| {
        if unpacker.is_none() {
            *unpacker = Decompressor::new().ok();
        }
        unpacker.as_mut()?.decompress(packed, room).ok()
    })
}
