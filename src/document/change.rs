//! One Automerge change: bytes to parts and back.
//!
//! Foreign bytes come in here. Automerge's parser and encoder are called inside `catch_unwind` and nowhere else
//! on foreign bytes.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{ActorId, Change, ExpandedChange, ObjType, ScalarValue};
use thiserror::Error;

use crate::document::CHANGE_BYTES_MAX;
use crate::document::layout::{Content, Item, Scalar};
use crate::model::Timestamp;
use crate::planted::{self, Bug};

/// SHA-256 of a change's bytes, as Automerge computes it.
pub type ChangeHash = [u8; 32];

/// Who made a change, for Automerge: fresh for every run of a process.
pub type Actor = [u8; 16];

/// Most keys a change may set.
const ITEMS_MAX: usize = 32;
/// Most documents' heads a change may name: more than any honest device meets at once.
const DEPENDENCIES_MAX: usize = 256;

/// Why bytes are not a change of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Longer than [`CHANGE_BYTES_MAX`].
    #[error("longer than a change may be")]
    TooLong,
    /// Not an uncompressed change chunk: compressed ones can grow without bound before their checksum is looked
    /// at (finding 7).
    #[error("not an uncompressed change")]
    NotAChange,
    /// Automerge cannot read it, or panicked over it.
    #[error("not readable by Automerge")]
    Unreadable,
    /// An actor that is not 16 bytes, a message, an author or extra bytes.
    #[error("bears what a change of ours never bears")]
    Foreign,
    /// Operations other than setting keys of the root map to values or flat maps.
    #[error("does more than set keys of the root")]
    Structure,
    /// Not the bytes that this content has when we write it.
    #[error("not in the one form that such a change has")]
    NotCanonical,
}

/// The change of one operation, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedChange {
    /// Its identity.
    pub hash: ChangeHash,
    /// The changes that its writer had seen last.
    pub dependencies: Vec<ChangeHash>,
    /// Who made it.
    pub actor: Actor,
    /// The how-manieth of its actor in this document, from 1.
    pub sequence: u64,
    /// The number of its first operation.
    pub start_op: u64,
    /// The number of its last operation.
    pub max_op: u64,
    /// Its time in milliseconds.
    pub time: Timestamp,
    /// What it sets.
    pub items: Vec<Item>,
    /// For each item, which operations its key's values bore that it replaces.
    pub replaces: Vec<Vec<(u64, Actor)>>,
}

/// What is needed beside the items to write a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub dependencies: Vec<ChangeHash>,
    pub actor: Actor,
    pub sequence: u64,
    pub start_op: u64,
    pub time: Timestamp,
}

/// Writes a change.
pub(super) fn encode(frame: &Frame, items: &[Item], replaces: &[Vec<(u64, Actor)>]) -> Vec<u8> {
    let actor = ActorId::from(frame.actor);
    let mut operations = Vec::new();
    let mut counter = frame.start_op;
    for (item, replaced) in items.iter().zip(replaces) {
        let id = OpId::new(counter, &actor);
        let pred: SortedVec<OpId> =
            replaced.iter().map(|(counter, actor)| OpId::new(*counter, &ActorId::from(*actor))).collect();
        let (action, fields) = match &item.content {
            Content::Value(value) => (OpType::Put(to_automerge(value)), &[][..]),
            Content::Map(fields) => (OpType::Make(ObjType::Map), fields.as_slice()),
        };
        operations.push(op(ObjectId::Root, &item.key, action, pred));
        counter += 1;
        for (name, value) in fields {
            operations.push(op(ObjectId::Id(id.clone()), name, OpType::Put(to_automerge(value)), SortedVec::new()));
            counter += 1;
        }
    }
    let expanded = ExpandedChange {
        operations,
        actor_id: actor,
        hash: None,
        seq: frame.sequence,
        start_op: NonZeroU64::new(frame.start_op).unwrap_or(NonZeroU64::MIN),
        time: frame.time.0,
        message: None,
        deps: frame.dependencies.iter().map(|hash| automerge::ChangeHash(*hash)).collect(),
        extra_bytes: Vec::new(),
        author: None,
    };
    Change::from(expanded).raw_bytes().to_vec()
}

fn op(obj: ObjectId, key: &str, action: OpType, pred: SortedVec<OpId>) -> Op {
    Op { action, obj, key: Key::Map(key.into()), pred, insert: false }
}

fn to_automerge(value: &Scalar) -> ScalarValue {
    match value {
        Scalar::Text(text) => ScalarValue::Str(text.as_str().into()),
        Scalar::Int(number) => ScalarValue::Int(*number),
        Scalar::Time(time) => ScalarValue::Timestamp(*time),
        Scalar::Bytes(bytes) => ScalarValue::Bytes(bytes.clone()),
        Scalar::Flag(flag) => ScalarValue::Boolean(*flag),
        Scalar::Null => ScalarValue::Null,
    }
}

fn from_automerge(value: ScalarValue) -> Result<Scalar, Malformed> {
    match value {
        ScalarValue::Str(text) => Ok(Scalar::Text(text.to_string())),
        ScalarValue::Int(number) => Ok(Scalar::Int(number)),
        ScalarValue::Timestamp(time) => Ok(Scalar::Time(time)),
        ScalarValue::Bytes(bytes) => Ok(Scalar::Bytes(bytes)),
        ScalarValue::Boolean(flag) => Ok(Scalar::Flag(flag)),
        ScalarValue::Null => Ok(Scalar::Null),
        _ => Err(Malformed::Structure),
    }
}

/// Takes a change apart. Total: whatever the bytes, it answers.
pub fn parse(bytes: &[u8]) -> Result<ParsedChange, Malformed> {
    if bytes.len() > CHANGE_BYTES_MAX {
        return Err(Malformed::TooLong);
    }
    // Automerge's storage format: magic (4 bytes), checksum (4), type of chunk; 1 is an uncompressed change.
    if bytes.get(..4) != Some(&[0x85, 0x6f, 0x4a, 0x83]) || bytes.get(8) != Some(&1) {
        return Err(Malformed::NotAChange);
    }
    let key = READ.with_borrow(|known| known.as_ref().map(|_| *blake3::hash(bytes).as_bytes()));
    let known = key.and_then(|key| READ.with_borrow(|known| known.as_ref().and_then(|known| known.get(&key).cloned())));
    if let Some(known) = known {
        return Ok(known);
    }
    let read = catch_unwind(AssertUnwindSafe(|| take_apart(bytes))).unwrap_or(Err(Malformed::Unreadable));
    if let (Some(key), Ok(change)) = (key, &read) {
        READ.with_borrow_mut(|known| known.as_mut().map(|known| known.insert(key, change.clone())));
    }
    read
}

thread_local! {
    /// What was taken apart, where it is remembered: see [`remembering_changes`].
    static READ: RefCell<Option<BTreeMap<[u8; 32], ParsedChange>>> = const { RefCell::new(None) };
}

/// Does something on this thread during which bytes that were taken apart once are not taken apart again: what they are
/// depends on nothing else. For many replicas in one process, which would all read the same ones.
pub fn remembering_changes<T>(run: impl FnOnce() -> T) -> T {
    READ.set(Some(BTreeMap::new()));
    let result = run();
    READ.set(None);
    result
}

fn take_apart(bytes: &[u8]) -> Result<ParsedChange, Malformed> {
    let change = Change::try_from(bytes).map_err(|_| Malformed::Unreadable)?;
    if change.len() > ITEMS_MAX * 16 || change.deps().len() > DEPENDENCIES_MAX {
        return Err(Malformed::Structure);
    }
    let expanded = change.decode();
    let actor = Actor::try_from(expanded.actor_id.to_bytes()).map_err(|_| Malformed::Foreign)?;
    let plain = expanded.message.is_none() && expanded.author.is_none() && expanded.extra_bytes.is_empty();
    if !plain || expanded.operations.is_empty() {
        return Err(Malformed::Foreign);
    }
    let start_op = expanded.start_op.get();
    let length = expanded.operations.len() as u64;
    let max_op = start_op.checked_add(length - 1).filter(|last| *last < u64::from(u32::MAX));
    let max_op = max_op.ok_or(Malformed::Structure)?;

    let mut items: Vec<Item> = Vec::new();
    let mut replaces = Vec::new();
    let mut open_map = 0;
    for (operation, counter) in expanded.operations.into_iter().zip(start_op..) {
        let key = match operation.key {
            Key::Map(key) if !operation.insert => Cow::<'static, str>::Owned(key.to_string()),
            _ => return Err(Malformed::Structure),
        };
        match (operation.obj, operation.action) {
            (ObjectId::Root, action) => {
                let content = match action {
                    OpType::Put(value) => Content::Value(from_automerge(value)?),
                    OpType::Make(ObjType::Map) => Content::Map(Vec::new()),
                    _ => return Err(Malformed::Structure),
                };
                let replaced: Result<Vec<_>, Malformed> = operation
                    .pred
                    .iter()
                    .map(|id| {
                        let actor = Actor::try_from(id.actor().to_bytes()).map_err(|_| Malformed::Foreign)?;
                        Ok((id.counter(), actor))
                    })
                    .collect();
                open_map = counter;
                items.push(Item { key, content });
                replaces.push(replaced?);
            }
            (ObjectId::Id(map), OpType::Put(value)) => {
                let own = map.counter() == open_map && map.actor().to_bytes() == actor;
                match items.last_mut().map(|item| &mut item.content) {
                    Some(Content::Map(fields)) if own && operation.pred.is_empty() => {
                        fields.push((key, from_automerge(value)?));
                    }
                    _ => return Err(Malformed::Structure),
                }
            }
            _ => return Err(Malformed::Structure),
        }
    }
    if items.len() > ITEMS_MAX {
        return Err(Malformed::Structure);
    }
    let frame = Frame {
        dependencies: expanded.deps.iter().map(|hash| hash.0).collect(),
        actor,
        sequence: expanded.seq,
        start_op,
        time: Timestamp(expanded.time),
    };
    if encode(&frame, &items, &replaces) != bytes && !planted::is(Bug::ForgedShapeAccepted) {
        return Err(Malformed::NotCanonical);
    }
    Ok(ParsedChange {
        hash: change.hash().0,
        dependencies: frame.dependencies,
        actor,
        sequence: frame.sequence,
        start_op,
        max_op,
        time: frame.time,
        items,
        replaces,
    })
}
