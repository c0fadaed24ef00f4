//! What every store must do, run on every store there is.
//!
//! Each rule is a function over any [`Store`]; `suite!` makes a test of each rule for each store. A new store adds one
//! line at the end and nothing else.

use std::{collections::BTreeMap, ops::ControlFlow};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use ucash::store::{Batch, KEY_BYTES_MAX, MemoryStore, Pair, Store, StoreError, VALUE_BYTES_MAX};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keys that orders, prefixes and successors get wrong: empty, prefixes of each other, with 0x00 and 0xff at the ends.
const TRICKY_KEYS: [&[u8]; 16] = [
    b"",
    b"\x00",
    b"\x00\x00",
    b"\x01",
    b"\x01\xff",
    b"\x02",
    b"a",
    b"a\x00",
    b"a\x00\x00\x00\x00",
    b"a\x00\x00\x00\x01",
    b"ab",
    b"a\xff",
    b"a\xff\xff",
    b"b",
    b"\xff",
    b"\xff\xff",
];

fn put(store: &mut impl Store, key: &[u8], value: &[u8]) {
    let mut batch = Batch::default();
    batch.put(key, value);
    store.apply(&batch).expect("put");
}

fn delete(store: &mut impl Store, key: &[u8]) {
    let mut batch = Batch::default();
    batch.delete(key);
    store.apply(&batch).expect("delete");
}

fn scanned(store: &impl Store, prefix: &[u8], from: &[u8], limit: usize) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        pairs.push((key.to_vec(), value.to_vec()));
        if pairs.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    store.scan(prefix, from, visit).expect("scan");
    pairs
}

fn keys(store: &impl Store, prefix: &[u8], from: &[u8]) -> Vec<Vec<u8>> {
    scanned(store, prefix, from, usize::MAX).into_iter().map(|(key, _)| key).collect()
}

/// Bytes that differ from place to place, so that exchanged parts show.
fn long_value(bytes: usize, seed: u8) -> Vec<u8> {
    (0..bytes).map(|at| (at / 251 + at) as u8 ^ seed).collect()
}

fn a_key_has_the_value_last_put(mut store: impl Store) {
    assert_eq!(store.get(b"k").expect("get"), None);
    put(&mut store, b"k", b"one");
    assert_eq!(store.get(b"k").expect("get"), Some(b"one".to_vec()));
    put(&mut store, b"k", b"");
    assert_eq!(store.get(b"k").expect("get"), Some(Vec::new()), "an empty value is a value");
    put(&mut store, b"k", b"two");
    assert_eq!(store.get(b"k").expect("get"), Some(b"two".to_vec()));
    delete(&mut store, b"k");
    assert_eq!(store.get(b"k").expect("get"), None);
    delete(&mut store, b"k");
    store.apply(&Batch::default()).expect("an empty batch");
    store.sync().expect("sync");
    store.sync().expect("sync with nothing new");
}

fn in_a_batch_the_last_write_to_a_key_counts(mut store: impl Store) {
    put(&mut store, b"there", b"before");
    let mut batch = Batch::default();
    batch.put("kept", long_value(20_000, 1));
    batch.put("kept", "last");
    batch.put("gone", "x");
    batch.delete("gone");
    batch.delete("there");
    batch.put("there", long_value(9_000, 2));
    store.apply(&batch).expect("apply");
    let expected = vec![(b"kept".to_vec(), b"last".to_vec()), (b"there".to_vec(), long_value(9_000, 2))];
    assert_eq!(scanned(&store, b"", b"", 9), expected);
}

fn a_batch_with_anything_too_large_writes_nothing(mut store: impl Store) {
    let mut value = Batch::default();
    value.put("a", "1");
    value.put("b", vec![0; VALUE_BYTES_MAX + 1]);
    let mut key = Batch::default();
    key.put("a", "1");
    key.put([b'k'; KEY_BYTES_MAX + 1], "2");
    let mut gone = Batch::default();
    gone.put("a", "1");
    gone.delete([b'k'; KEY_BYTES_MAX + 1]);
    for (batch, named, length) in
        [(value, "value", VALUE_BYTES_MAX), (key, "key", KEY_BYTES_MAX), (gone, "key", KEY_BYTES_MAX)]
    {
        match store.apply(&batch) {
            Err(StoreError::TooLarge { what, bytes, limit }) => {
                assert_eq!((what, bytes, limit), (named, length + 1, length));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(keys(&store, b"", b""), Vec::<Vec<u8>>::new());
    }
    put(&mut store, b"a", b"still written to");
}

fn what_is_as_large_as_allowed_is_kept(mut store: impl Store) {
    let (key, value) = ([0xff; KEY_BYTES_MAX], long_value(VALUE_BYTES_MAX, 3));
    put(&mut store, &key, &value);
    assert!(store.get(&key).expect("get") == Some(value));
}

fn a_scan_visits_a_prefix_in_order_from_a_key_until_told_to_stop(mut store: impl Store) {
    for key in ["a", "b1", "b2", "b3", "c"] {
        put(&mut store, key.as_bytes(), key.as_bytes());
    }
    let scan = |prefix: &str, from: &str, limit| {
        let pairs = scanned(&store, prefix.as_bytes(), from.as_bytes(), limit);
        pairs
            .into_iter()
            .map(|(key, value)| {
                assert_eq!(key, value);
                String::from_utf8(key).expect("our own key")
            })
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (prefix, from, limit, expected) in [
        ("", "", 9, "a b1 b2 b3 c"),
        ("b", "", 9, "b1 b2 b3"),
        ("b", "a", 9, "b1 b2 b3"),
        ("b", "b2", 9, "b2 b3"),
        ("b", "b21", 9, "b3"),
        ("b", "c", 9, ""),
        ("b", "b", 2, "b1 b2"),
        ("", "b3", 1, "b3"),
        ("", "d", 9, ""),
        ("x", "", 9, ""),
    ] {
        assert_eq!(scan(prefix, from, limit), expected, "prefix {prefix:?} from {from:?} limit {limit}");
    }
}

fn floor_is_the_last_key_of_a_prefix_at_or_before(mut store: impl Store) {
    for key in ["a", "b1", "b3", "c"] {
        put(&mut store, key.as_bytes(), b"v");
    }
    for (prefix, key, expected) in [
        ("", "", None),
        ("", "a", Some("a")),
        ("", "zz", Some("c")),
        ("b", "b0", None),
        ("b", "b1", Some("b1")),
        ("b", "b2", Some("b1")),
        ("b", "b3x", Some("b3")),
        ("b", "c", Some("b3")),
        ("b", "a", None),
        ("x", "z", None),
    ] {
        let found = store.floor(prefix.as_bytes(), key.as_bytes()).expect("floor");
        let expected = expected.map(|key| (key.as_bytes().to_vec(), b"v".to_vec()));
        assert_eq!(found, expected, "prefix {prefix:?} key {key:?}");
    }
}

fn tricky_keys_keep_their_order(mut store: impl Store) {
    let mut sorted: Vec<Vec<u8>> = TRICKY_KEYS.iter().map(|key| key.to_vec()).collect();
    for (index, key) in TRICKY_KEYS.iter().enumerate().rev() {
        // Every third is long, so that parts stand beside keys that look like theirs.
        put(&mut store, key, &long_value(if index % 3 == 0 { 9_000 } else { index }, index as u8));
    }
    sorted.sort();
    assert_eq!(keys(&store, b"", b""), sorted);
    for prefix in TRICKY_KEYS {
        for key in TRICKY_KEYS {
            let held = |found: &&Vec<u8>| found.starts_with(prefix);
            let after: Vec<_> = sorted.iter().filter(held).filter(|found| &found[..] >= key).cloned().collect();
            assert_eq!(keys(&store, prefix, key), after, "prefix {prefix:?} from {key:?}");
            let last = sorted.iter().filter(held).rfind(|found| &found[..] <= key).cloned();
            let found = store.floor(prefix, key).expect("floor").map(|(key, _)| key);
            assert_eq!(found, last, "prefix {prefix:?} key {key:?}");
        }
    }
}

fn long_values_come_back_whole_after_every_overwrite(mut store: impl Store) {
    put(&mut store, b"j", b"before");
    put(&mut store, b"l", b"after");
    for (seed, bytes) in [10_000, 3, 1 << 20, 3_895, 3_896, 3_897, 3_898, 10_000, 0, 7_800].into_iter().enumerate() {
        let value = long_value(bytes, seed as u8);
        put(&mut store, b"k", &value);
        assert!(store.get(b"k").expect("get").as_ref() == Some(&value), "get of {bytes} bytes");
        assert_eq!(keys(&store, b"", b""), [b"j", b"k", b"l"]);
        assert!(scanned(&store, b"k", b"", 9) == [(b"k".to_vec(), value.clone())], "scan of {bytes} bytes");
        assert!(store.floor(b"", b"kk").expect("floor") == Some((b"k".to_vec(), value)), "floor of {bytes} bytes");
    }
    delete(&mut store, b"k");
    assert_eq!(keys(&store, b"", b""), [b"j", b"l"]);
}

fn thousands_of_keys_stay_in_order(mut store: impl Store) {
    let mut batch = Batch::default();
    for index in 0..3_000_u32 {
        batch.put(index.wrapping_mul(2_654_435_761).to_be_bytes(), index.to_be_bytes());
    }
    store.apply(&batch).expect("apply");
    let found = keys(&store, b"", b"");
    assert_eq!(found.len(), 3_000);
    assert!(found.is_sorted());
    for pair in found.windows(2) {
        let floor = store.floor(b"", &[&pair[0][..], &[0]].concat()).expect("floor");
        assert_eq!(floor.map(|(key, _)| key).as_ref(), Some(&pair[0]));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Apply(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Sync,
    Scan { prefix: Vec<u8>, from: Vec<u8>, limit: usize },
    Floor { prefix: Vec<u8>, key: Vec<u8> },
}

fn any_key() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0x00), Just(0x01), Just(b'a'), Just(0xff)];
    prop_oneof![vec(byte, 0..5), proptest::sample::select(&TRICKY_KEYS[..]).prop_map(<[u8]>::to_vec)]
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![6 => 0..40_usize, 1 => 3_850..3_950_usize, 1 => 4_000..20_000_usize];
    (bytes, any::<u8>()).prop_map(|(bytes, seed)| long_value(bytes, seed))
}

fn any_step() -> impl Strategy<Value = Step> {
    let write = (any_key(), prop_oneof![3 => any_value().prop_map(Some), 1 => Just(None)]);
    prop_oneof![
        4 => vec(write, 1..8).prop_map(Step::Apply),
        1 => Just(Step::Sync),
        2 => (any_key(), any_key(), 1..20_usize).prop_map(|(prefix, from, limit)| Step::Scan { prefix, from, limit }),
        2 => (any_key(), any_key()).prop_map(|(prefix, key)| Step::Floor { prefix, key }),
    ]
}

fn take(store: &mut impl Store, model: &mut Model, step: Step) -> Result<(), TestCaseError> {
    match step {
        Step::Apply(writes) => {
            let mut batch = Batch::default();
            for (key, value) in writes {
                match value {
                    Some(value) => {
                        batch.put(key.clone(), value.clone());
                        model.insert(key, value);
                    }
                    None => {
                        batch.delete(key.clone());
                        model.remove(&key);
                    }
                }
            }
            store.apply(&batch).map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
        Step::Sync => store.sync().map_err(|error| TestCaseError::fail(error.to_string()))?,
        Step::Scan { prefix, from, limit } => {
            let all = model.iter().filter(|(key, _)| key.starts_with(&prefix) && **key >= from);
            let expected: Vec<Pair> = all.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect();
            prop_assert!(scanned(store, &prefix, &from, limit) == expected, "scan {prefix:?} from {from:?}");
        }
        Step::Floor { prefix, key } => {
            let last = model.iter().rfind(|(found, _)| found.starts_with(&prefix) && **found <= key);
            let expected = last.map(|(key, value)| (key.clone(), value.clone()));
            prop_assert!(store.floor(&prefix, &key).expect("floor") == expected, "floor {prefix:?} {key:?}");
        }
    }
    Ok(())
}

/// Compares the store with a map over random steps. One store serves a whole case; a new one is made for the next.
fn behaves_like_an_ordered_map<S: Store>(cases: u32, fresh: impl Fn() -> S) {
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let checked = runner.run(&vec(any_step(), 1..60), |steps| {
        let (mut store, mut model) = (fresh(), Model::new());
        for step in steps {
            take(&mut store, &mut model, step)?;
        }
        let expected: Vec<Pair> = model.clone().into_iter().collect();
        prop_assert!(scanned(&store, b"", b"", usize::MAX) == expected, "the whole of it");
        for (key, value) in model {
            prop_assert!(store.get(&key).expect("get") == Some(value), "get {key:?}");
        }
        Ok(())
    });
    if let Err(failure) = checked {
        panic!("{failure}");
    }
}

macro_rules! suite {
    ($store:ident, $cases:expr, $fresh:expr) => {
        mod $store {
            suite!(@rules $fresh,
                a_key_has_the_value_last_put
                in_a_batch_the_last_write_to_a_key_counts
                a_batch_with_anything_too_large_writes_nothing
                what_is_as_large_as_allowed_is_kept
                a_scan_visits_a_prefix_in_order_from_a_key_until_told_to_stop
                floor_is_the_last_key_of_a_prefix_at_or_before
                tricky_keys_keep_their_order
                long_values_come_back_whole_after_every_overwrite
                thousands_of_keys_stay_in_order
            );

            #[test]
            fn behaves_like_an_ordered_map() {
                super::behaves_like_an_ordered_map($cases, $fresh);
            }
        }
    };
    (@rules $fresh:expr, $($rule:ident)+) => {
        $(
            #[test]
            fn $rule() {
                super::$rule($fresh());
            }
        )+
    };
}

suite!(memory, 256, super::MemoryStore::default);
#[cfg(feature = "node")]
suite!(sled, 24, crate::store_sled::temporary);

#[test]
fn a_crash_leaves_what_was_synced_and_whole_batches_after_it() {
    let mut store = MemoryStore::default();
    put(&mut store, b"a", b"synced");
    store.sync().expect("sync");
    put(&mut store, b"a", b"newer");
    let mut batch = Batch::default();
    batch.put("b", "1");
    batch.delete("a");
    store.apply(&batch).expect("apply");
    assert_eq!(store.unsynced(), 2);
    let left = |batches| scanned(&store.clone().crash_keeping(batches), b"", b"", 9);
    let pair = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!(scanned(&store.clone().crash(), b"", b"", 9), [pair("a", "synced")]);
    assert_eq!(left(1), [pair("a", "newer")]);
    assert_eq!(left(2), [pair("b", "1")]);
}
