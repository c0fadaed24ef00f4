//! An Automerge change chunk taken into its fields, one of them mutated, lengths and checksum made right again.
//!
//! The layout is that of the Automerge binary format: dependencies, actor, sequence, first operation, time, message,
//! other actors, columns (specification and length each), their data, and what else there is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::legacy::{Key, ObjectId, OpId, OpType};
use automerge::{ActorId, Change, ExpandedChange, ObjType, ScalarValue};

use super::draw::Draw;
use crate::document_hostile::{chunk, contents};

#[derive(Clone, Debug)]
struct Fields {
    dependencies: Vec<[u8; 32]>,
    actor: Vec<u8>,
    sequence: u64,
    start_op: u64,
    time: i64,
    message: Vec<u8>,
    others: Vec<Vec<u8>>,
    columns: Vec<(u64, Vec<u8>)>,
    extra: Vec<u8>,
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken.to_vec())
    }

    fn unsigned(&mut self) -> Option<u64> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte < 0x80 {
                return Some(value);
            }
        }
    }

    fn signed(&mut self) -> Option<i64> {
        let before = self.0.len();
        let value = self.unsigned()? as i64;
        let bits = 7 * (before - self.0.len());
        Some(if bits < 64 { value << (64 - bits) >> (64 - bits) } else { value })
    }

    fn blob(&mut self) -> Option<Vec<u8>> {
        let length = self.unsigned()?;
        self.take(length as usize)
    }
}

fn unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn signed(out: &mut Vec<u8>, mut value: i64) {
    while !(-64..64).contains(&value) {
        out.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    out.push(value as u8 & 0x7f);
}

fn blob(out: &mut Vec<u8>, bytes: &[u8]) {
    unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

impl Fields {
    fn read(bytes: &[u8]) -> Option<Fields> {
        let mut reader = Reader(bytes);
        let count = reader.unsigned()?;
        let dependencies = (0..count).map(|_| reader.take(32)?.try_into().ok()).collect::<Option<_>>()?;
        let (actor, sequence, start_op) = (reader.blob()?, reader.unsigned()?, reader.unsigned()?);
        let (time, message) = (reader.signed()?, reader.blob()?);
        let count = reader.unsigned()?;
        let others = (0..count).map(|_| reader.blob()).collect::<Option<_>>()?;
        let count = reader.unsigned()?;
        let specs = (0..count).map(|_| Some((reader.unsigned()?, reader.unsigned()?))).collect::<Option<Vec<_>>>()?;
        let columns = specs.into_iter().map(|(spec, length)| Some((spec, reader.take(length as usize)?)));
        let columns = columns.collect::<Option<_>>()?;
        let extra = reader.0.to_vec();
        Some(Fields { dependencies, actor, sequence, start_op, time, message, others, columns, extra })
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        unsigned(&mut out, self.dependencies.len() as u64);
        out.extend(self.dependencies.iter().flatten());
        blob(&mut out, &self.actor);
        unsigned(&mut out, self.sequence);
        unsigned(&mut out, self.start_op);
        signed(&mut out, self.time);
        blob(&mut out, &self.message);
        unsigned(&mut out, self.others.len() as u64);
        self.others.iter().for_each(|other| blob(&mut out, other));
        unsigned(&mut out, self.columns.len() as u64);
        for (spec, data) in &self.columns {
            unsigned(&mut out, *spec);
            unsigned(&mut out, data.len() as u64);
        }
        self.columns.iter().for_each(|(_, data)| out.extend(data));
        out.extend(&self.extra);
        out
    }

    fn mutate(&mut self, draw: &mut Draw) -> &'static str {
        match draw.below(10) {
            0 => {
                let at = draw.below(self.dependencies.len() + 1);
                let hash = draw.array([0; 32]);
                match self.dependencies.get_mut(at) {
                    Some(known) if draw.one_in(2) => *known = draw.array(*known),
                    Some(_) if draw.one_in(2) => drop(self.dependencies.remove(at)),
                    Some(known) => {
                        let again = *known;
                        self.dependencies.push(again);
                    }
                    None => self.dependencies.push(hash),
                }
                "change: dependencies"
            }
            1 => {
                self.actor = draw.damaged(&self.actor);
                "change: actor"
            }
            2 => {
                self.sequence = draw.number(self.sequence);
                "change: sequence"
            }
            3 => {
                self.start_op = draw.number(self.start_op);
                "change: first operation"
            }
            4 => {
                self.time = draw.number(self.time as u64) as i64;
                "change: time"
            }
            5 => {
                self.message = draw.bytes(40);
                "change: message"
            }
            6 => {
                let other = draw.bytes(20);
                match self.others.first_mut() {
                    Some(known) if draw.one_in(2) => *known = draw.damaged(known),
                    _ => self.others.push(other),
                }
                "change: other actors"
            }
            7 => {
                let at = draw.below(self.columns.len());
                match self.columns.get_mut(at) {
                    Some((spec, _)) if draw.one_in(2) => *spec = draw.number(*spec),
                    Some(_) if draw.one_in(2) => drop(self.columns.remove(at)),
                    Some(column) => {
                        let again = column.clone();
                        self.columns.insert(at, again);
                    }
                    None => self.columns.push((draw.next(), draw.bytes(9))),
                }
                "change: columns"
            }
            8 => {
                let at = draw.below(self.columns.len());
                if let Some((_, data)) = self.columns.get_mut(at) {
                    *data = draw.damaged(data);
                }
                "change: data of a column"
            }
            _ => {
                self.extra = draw.bytes(30);
                "change: extra bytes"
            }
        }
    }
}

#[test]
fn a_chunk_is_taken_apart_and_put_together_again() {
    for (document, before, wanted) in crate::samples::every_operation() {
        let bytes = crate::samples::Paper::after(document, &before).draft(&wanted);
        let fields = Fields::read(contents(&bytes)).expect("a change's fields");
        assert!(fields.extra.is_empty() && fields.actor.len() == 16, "{fields:?}");
        assert_eq!(chunk(1, &fields.write()), bytes);
    }
}

/// A field of the chunk, mutated; the lengths and the checksum right.
pub fn mutate_field(draw: &mut Draw, change: &[u8]) -> (&'static str, Vec<u8>) {
    let Some(mut fields) = Fields::read(contents(change)) else { return ("change: not read", change.to_vec()) };
    let class = fields.mutate(draw);
    (class, chunk(1, &fields.write()))
}

/// Any bytes of the chunk, damaged; its length and checksum right.
pub fn mutate_bytes(draw: &mut Draw, change: &[u8]) -> Vec<u8> {
    let kind = if draw.one_in(12) { draw.next() as u8 } else { 1 };
    chunk(kind, &draw.damaged(contents(change)))
}

/// An operation or what stands around it, mutated; written by Automerge itself, in order. Nothing, if Automerge will
/// not write it.
pub fn mutate_operation(draw: &mut Draw, change: &[u8]) -> Option<Vec<u8>> {
    let mut expanded = Change::try_from(change).ok()?.decode();
    for _ in 0..=draw.below(3) {
        alter(draw, &mut expanded);
    }
    catch_unwind(AssertUnwindSafe(|| Change::from(expanded).raw_bytes().to_vec())).ok()
}

fn alter(draw: &mut Draw, change: &mut ExpandedChange) {
    let at = draw.below(change.operations.len());
    let actor = change.actor_id.clone();
    let start = change.start_op.get();
    let Some(operation) = change.operations.get_mut(at) else { return };
    match draw.below(9) {
        0 | 1 => {
            if let OpType::Put(value) = &operation.action {
                operation.action = OpType::Put(other_value(draw, value));
            }
        }
        2 => {
            let name = if let Key::Map(name) = &operation.key { name.to_string() } else { String::new() };
            operation.key = Key::Map(draw.text(&name).as_str().into());
        }
        3 => {
            let number = draw.number(start);
            let actor = if draw.one_in(2) { actor } else { ActorId::from(draw.array([0; 16])) };
            operation.pred = std::iter::once(OpId::new(number & 0xffff_ffff, &actor)).collect();
        }
        4 => operation.insert = !operation.insert,
        5 => {
            operation.obj = if draw.one_in(2) {
                ObjectId::Root
            } else {
                ObjectId::Id(OpId::new(start + draw.below(4) as u64, &actor))
            };
        }
        6 => {
            operation.action = match draw.below(5) {
                0 => OpType::Delete,
                1 => OpType::Increment(draw.next() as i64),
                2 => OpType::Make(ObjType::List),
                3 => OpType::Make(ObjType::Text),
                _ => OpType::Make(ObjType::Map),
            }
        }
        7 => drop(change.operations.remove(at)),
        _ => {
            let again = operation.clone();
            let to = draw.below(change.operations.len());
            change.operations.insert(to, again);
        }
    }
}

fn other_value(draw: &mut Draw, value: &ScalarValue) -> ScalarValue {
    const TEXTS: [&str; 14] = [
        "0.00 USD",
        "-1.00 USD",
        "1.00 USD",
        "1 USD",
        "01.00 USD",
        "1.00 CDF",
        "1.00 EUR",
        "99999999999999999999.99 USD",
        "NaN",
        "actif",
        "annule",
        "cash",
        "",
        "+243971777631",
    ];
    match (value, draw.below(4)) {
        (ScalarValue::Str(text), 0 | 1) => ScalarValue::Str(draw.text(text).as_str().into()),
        (ScalarValue::Int(number), 0 | 1) => ScalarValue::Int(draw.number(*number as u64) as i64),
        (ScalarValue::Timestamp(number), 0 | 1) => ScalarValue::Timestamp(draw.number(*number as u64) as i64),
        (ScalarValue::Bytes(bytes), 0 | 1) => ScalarValue::Bytes(draw.damaged(bytes)),
        (_, 2) => match draw.below(8) {
            0 => ScalarValue::Null,
            1 => ScalarValue::Boolean(draw.one_in(2)),
            2 => ScalarValue::Int(draw.number(0) as i64),
            3 => ScalarValue::Uint(draw.number(0)),
            4 => ScalarValue::F64(f64::from_bits(draw.next())),
            5 => ScalarValue::counter(draw.next() as i64),
            6 => ScalarValue::Timestamp(draw.number(0) as i64),
            _ => ScalarValue::Bytes(draw.bytes(40)),
        },
        _ => ScalarValue::Str(draw.of(&TEXTS).into()),
    }
}
