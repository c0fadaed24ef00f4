//! Which keys a scan or a floor may touch.
//!
//! Pure arithmetic on keys, shared by the implementations so that a prefix of 0xff bytes or a start beyond the
//! prefix means the same everywhere. A range is never inverted: what would hold no key is `None`, because ordered
//! maps panic on an inverted range.

use std::ops::Bound;

/// From, to.
pub(crate) type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The keys that start with `prefix` and are at or after `from`; `None` if there can be none.
pub(crate) fn scan_range(prefix: &[u8], from: &[u8]) -> Option<KeyRange> {
    if from > prefix && !from.starts_with(prefix) {
        return None;
    }
    Some((Bound::Included(prefix.max(from).to_vec()), end_of(prefix)))
}

/// The keys that start with `prefix` and are at or before `key`; `None` if there can be none.
pub(crate) fn floor_range(prefix: &[u8], key: &[u8]) -> Option<KeyRange> {
    if key < prefix {
        return None;
    }
    let end = if key.starts_with(prefix) { Bound::Included(key.to_vec()) } else { end_of(prefix) };
    Some((Bound::Included(prefix.to_vec()), end))
}

/// The end of all keys that start with `prefix`: its successor among the keys that are no longer.
fn end_of(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_skips_bytes_that_cannot_grow() {
        assert_eq!(end_of(b"ab"), Bound::Excluded(b"ac".to_vec()));
        assert_eq!(end_of(b"a\xff\xff"), Bound::Excluded(b"b".to_vec()));
        assert_eq!(end_of(b"\xff"), Bound::Unbounded);
        assert_eq!(end_of(b""), Bound::Unbounded);
    }

    #[test]
    fn ranges_that_hold_nothing_are_none() {
        assert_eq!(scan_range(b"a", b"b"), None);
        assert_eq!(floor_range(b"b", b"a"), None);
        assert!(scan_range(b"b", b"a").is_some());
        assert!(floor_range(b"a", b"b").is_some());
    }
}
