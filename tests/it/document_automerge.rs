//! Documents are Automerge documents: Automerge itself, given our changes, shows what we show.
//!
//! Two or three writers act apart and hear of each other at random. An oracle that knows causes only (which
//! write had seen which) says what must stand under each key; our fold and Automerge must both agree with it.

use std::collections::{BTreeMap, BTreeSet};

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, AutoCommit, Automerge, Change, ObjType, ROOT, ReadDoc, ScalarValue, Value};
use proptest::prelude::*;
use ucash::document::{Content, DocumentState, Item, Scalar, items, parse};
use ucash::model::{ContactField, Edit, Operation, Register};

use crate::samples::{NOW, Paper, credit_document, every_operation, grant, later_operation, payment, taken, usd};

/// One step of a random history: that writer writes, or hears of all that another holds.
#[derive(Clone, Debug)]
enum Step {
    Write(usize, Box<Operation>),
    Hear { from: usize, to: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..3_usize, later_operation()).prop_map(|(who, operation)| Step::Write(who, Box::new(operation))),
        1 => (0..3_usize, 1..3_usize).prop_map(|(from, more)| Step::Hear { from, to: (from + more) % 3 }),
    ];
    proptest::collection::vec(step, 1..24)
}

/// Plays a history; answers the writers. What a writer may not do (a reversal of what it has not seen, a payment
/// made twice) it does not do.
fn play(steps: &[Step]) -> Vec<Paper> {
    let first = Paper::after(credit_document(), &[Operation::Grant(grant())]);
    let mut writers: Vec<Paper> =
        (0..3).map(|index| Paper { actor: [index as u8 * 80 + 10; 16], ..first.clone() }).collect();
    for step in steps {
        match step {
            Step::Write(who, operation) => {
                let bytes = writers[*who].draft(operation);
                let _ = writers[*who].take(&bytes);
            }
            Step::Hear { from, to } => {
                for bytes in writers[*from].changes.clone() {
                    hear(&mut writers[*to], &bytes);
                }
            }
        }
    }
    writers
}

fn hear(writer: &mut Paper, bytes: &[u8]) {
    let parsed = parse(bytes).expect("an honest change");
    if !writer.state.contains(&parsed.hash) {
        writer.take(bytes).expect("an honest change, after its causes");
    }
}

/// All changes of all writers, each after its causes.
fn union(writers: &[Paper]) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    let all = writers.iter().flat_map(|writer| &writer.changes);
    all.filter(|bytes| seen.insert(parse(bytes).expect("honest").hash)).cloned().collect()
}

type Shown = BTreeMap<String, Vec<Content>>;

fn sorted(mut shown: Shown) -> Shown {
    shown.values_mut().for_each(|values| values.sort_by_key(|value| format!("{value:?}")));
    shown
}

/// What must stand under each key: the writes that no write that had seen them replaced.
fn oracle(changes: &[Vec<u8>]) -> Shown {
    let parsed: Vec<_> = changes.iter().map(|bytes| parse(bytes).expect("honest")).collect();
    let place: BTreeMap<_, _> = parsed.iter().enumerate().map(|(index, change)| (change.hash, index)).collect();
    let mut pasts: Vec<BTreeSet<usize>> = Vec::new();
    for change in &parsed {
        let causes = change.dependencies.iter().map(|hash| place[hash]);
        pasts.push(causes.flat_map(|cause| pasts[cause].iter().copied().chain([cause]).collect::<Vec<_>>()).collect());
    }
    let mut shown = Shown::new();
    for (index, change) in parsed.iter().enumerate() {
        for Item { key, content } in &change.items {
            let writes_key = |other: usize| parsed[other].items.iter().any(|item| item.key == *key);
            let replaced = (0..parsed.len()).any(|other| pasts[other].contains(&index) && writes_key(other));
            if !replaced {
                shown.entry(key.clone().into_owned()).or_default().push(content.clone());
            }
        }
    }
    sorted(shown)
}

fn scalar(value: &ScalarValue) -> Scalar {
    match value {
        ScalarValue::Str(text) => Scalar::Text(text.to_string()),
        ScalarValue::Int(number) => Scalar::Int(*number),
        ScalarValue::Timestamp(time) => Scalar::Time(*time),
        ScalarValue::Bytes(bytes) => Scalar::Bytes(bytes.clone()),
        ScalarValue::Boolean(flag) => Scalar::Flag(*flag),
        ScalarValue::Null => Scalar::Null,
        other => panic!("a value of ours never is {other:?}"),
    }
}

/// What Automerge shows. A map's fields come sorted by name; ours are written in the layout's order.
fn automerge_shows(document: &Automerge) -> Shown {
    let mut shown = Shown::new();
    for key in document.keys(ROOT) {
        for (value, id) in document.get_all(ROOT, &key).expect("a key of the root") {
            let content = match value {
                Value::Scalar(value) => Content::Value(scalar(&value)),
                Value::Object(ObjType::Map) => Content::Map(
                    document
                        .keys(&id)
                        .map(|name| {
                            let all = document.get_all(&id, &name).expect("a field");
                            assert_eq!(all.len(), 1, "a field of a map is written once");
                            let Value::Scalar(value) = &all[0].0 else { panic!("a map in a map") };
                            (name.into(), scalar(value))
                        })
                        .collect(),
                ),
                Value::Object(other) => panic!("a value of ours never is {other:?}"),
            };
            shown.entry(key.clone()).or_default().push(content);
        }
    }
    sorted(shown)
}

/// The same with every map's fields sorted by name.
fn by_name(mut shown: Shown) -> Shown {
    for content in shown.values_mut().flatten() {
        if let Content::Map(fields) = content {
            fields.sort_by(|(left, _), (right, _)| left.cmp(right));
        }
    }
    sorted(shown)
}

fn key_of(register: Register) -> &'static str {
    match register {
        Register::Status => "status",
        Register::Contact(ContactField::Name) => "name",
        Register::Contact(ContactField::Phone) => "phone",
        Register::Contact(ContactField::Address) => "address",
        Register::Contact(ContactField::DueAt) => "due_at",
        Register::Contact(ContactField::Notes) => "notes",
        Register::Reference => "reference",
        Register::GivenBack(_) | Register::DeviceName(_) | Register::Town => panic!("no register of a credit"),
    }
}

/// What our fold shows: what `history` says of registers.
fn we_show(state: &DocumentState) -> Shown {
    let history = state.history(|_| true);
    let mut shown = Shown::new();
    for (register, visible) in &history.visible {
        for index in visible {
            let written = items(&history.operations[*index].operation);
            let item = written.into_iter().find(|item| item.key == key_of(*register)).expect("it set the register");
            shown.entry(key_of(*register).to_owned()).or_default().push(item.content);
        }
    }
    sorted(shown)
}

fn in_automerge(changes: &[Vec<u8>]) -> Automerge {
    let mut document = Automerge::new();
    let changes: Vec<Change> = changes.iter().map(|bytes| Change::try_from(&bytes[..]).expect("a change")).collect();
    document.apply_changes(changes).expect("Automerge takes our changes");
    document
}

/// The changes that no other names: the heads.
fn heads(changes: &[Vec<u8>]) -> BTreeSet<[u8; 32]> {
    let parsed: Vec<_> = changes.iter().map(|bytes| parse(bytes).expect("honest")).collect();
    let named: BTreeSet<_> = parsed.iter().flat_map(|change| change.dependencies.clone()).collect();
    parsed.iter().map(|change| change.hash).filter(|hash| !named.contains(hash)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn automerge_shows_what_we_show(steps in steps()) {
        let writers = play(&steps);
        let changes = union(&writers);
        let mut state = DocumentState::new(credit_document());
        for bytes in &changes {
            taken(&mut state, bytes).expect("in an order of causes");
        }
        let wanted = oracle(&changes);
        let document = in_automerge(&changes);
        prop_assert_eq!(by_name(wanted.clone()), automerge_shows(&document));
        let registers = ["status", "reference", "name", "phone", "address", "due_at", "notes"];
        let wanted_registers: Shown =
            wanted.into_iter().filter(|(key, _)| registers.contains(&key.as_str())).collect();
        prop_assert_eq!(wanted_registers, we_show(&state));
        let theirs: BTreeSet<[u8; 32]> = document.get_heads().iter().map(|hash| hash.0).collect();
        prop_assert_eq!(&theirs, &heads(&changes));

        // Ours say the same of heads: the next change names them.
        let next = parse(&state.write(&Operation::Edit { edits: vec![Edit::Notes(None)], agent: None }, [77; 16], NOW));
        let named: BTreeSet<[u8; 32]> = next.expect("honest").dependencies.into_iter().collect();
        prop_assert_eq!(theirs, named);

        // What Automerge saves, it loads again: the same values, heads and changes.
        let loaded = Automerge::load(&document.save()).expect("Automerge loads what it saved");
        prop_assert_eq!(automerge_shows(&document), automerge_shows(&loaded));
        prop_assert_eq!(document.get_heads(), loaded.get_heads());
        let saved: BTreeSet<Vec<u8>> = loaded.get_changes(&[]).iter().map(|change| change.raw_bytes().to_vec()).collect();
        prop_assert_eq!(saved, changes.into_iter().collect::<BTreeSet<_>>());
    }

    #[test]
    fn the_order_of_arrival_is_not_seen(steps in steps(), seed in any::<u64>()) {
        let changes = union(&play(&steps));
        let mut in_order = DocumentState::new(credit_document());
        changes.iter().for_each(|bytes| drop(taken(&mut in_order, bytes)));
        // Any other order: what waits is offered again later.
        let mut left: Vec<&Vec<u8>> = changes.iter().collect();
        let mut shuffled = DocumentState::new(credit_document());
        let mut draw = seed;
        while !left.is_empty() {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let index = (draw >> 33) as usize % left.len();
            if taken(&mut shuffled, left[index]).is_ok() {
                left.remove(index);
            }
        }
        prop_assert_eq!(we_show(&in_order), we_show(&shuffled));
    }
}

fn automerge_value(value: &Scalar) -> ScalarValue {
    match value {
        Scalar::Text(text) => ScalarValue::Str(text.as_str().into()),
        Scalar::Int(number) => ScalarValue::Int(*number),
        Scalar::Time(time) => ScalarValue::Timestamp(*time),
        Scalar::Bytes(bytes) => ScalarValue::Bytes(bytes.clone()),
        Scalar::Flag(flag) => ScalarValue::Boolean(*flag),
        Scalar::Null => ScalarValue::Null,
    }
}

/// What Automerge's own transaction writes for these items after these changes.
fn automerge_writes(before: &[Vec<u8>], actor: [u8; 16], wanted: &Operation) -> Vec<u8> {
    let mut document = AutoCommit::new();
    document.set_actor(ActorId::from(actor));
    let changes: Vec<Change> = before.iter().map(|bytes| Change::try_from(&bytes[..]).expect("a change")).collect();
    document.apply_changes(changes).expect("honest changes");
    for Item { key, content } in items(wanted) {
        match content {
            Content::Value(value) => document.put(ROOT, key.as_ref(), automerge_value(&value)).expect("a put"),
            Content::Map(fields) => {
                let map = document.put_object(ROOT, key.as_ref(), ObjType::Map).expect("a map");
                for (name, value) in fields {
                    document.put(&map, name.as_ref(), automerge_value(&value)).expect("a put");
                }
            }
        }
    }
    let time = NOW.plus_ms(before.len() as i64).0;
    document.commit_with(CommitOptions::default().with_time(time));
    document.get_last_local_change().expect("a change").raw_bytes().to_vec()
}

#[test]
fn our_changes_are_those_that_automerge_writes() {
    for (document, before, wanted) in every_operation() {
        let paper = Paper::after(document, &before);
        let theirs = automerge_writes(&paper.changes, paper.actor, &wanted);
        let ours = paper.draft(&wanted);
        let repeats_status = match &wanted {
            Operation::Pay(payment) => payment.reported.is_none(),
            Operation::ReversePayment { .. } => true,
            _ => false,
        };
        if repeats_status {
            // Automerge leaves out a put of the very value that stands. We write it, since a payment must be
            // seen to compete with a cancellation made elsewhere (`domain`, rule 3): one operation more.
            assert_ne!(ours, theirs);
            let theirs = Change::try_from(&theirs[..]).expect("a change").decode();
            let mut ours = Change::try_from(&ours[..]).expect("a change").decode();
            ours.operations.pop();
            assert_eq!(ours.operations, theirs.operations, "{wanted:?}");
            assert_eq!((ours.deps, ours.start_op, ours.seq), (theirs.deps, theirs.start_op, theirs.seq));
        } else {
            assert_eq!(ours, theirs, "{wanted:?}");
        }
    }
}

#[test]
fn a_payment_beside_a_cancellation_shows_both_in_automerge() {
    let mut counter = Paper::after(credit_document(), &[Operation::Grant(grant())]);
    let mut phone = Paper { actor: [9; 16], ..counter.clone() };
    let paid = counter.write(&Operation::Pay(payment(1, usd("30"))));
    let cancelled = phone.write(&Operation::Cancel { why: "erreur".to_owned(), agent: None, at: NOW });
    let document = in_automerge(&[counter.changes[0].clone(), paid, cancelled]);
    assert_eq!(document.get_all(ROOT, "status").expect("the register").len(), 2);
}

#[test]
fn an_edit_of_what_two_wrote_apart_replaces_both_as_automerge_would() {
    let mut counter = Paper::after(credit_document(), &[Operation::Grant(grant())]);
    let mut phone = Paper { actor: [9; 16], ..counter.clone() };
    // Each by another agent: where a value equals one of those that stand, Automerge deletes the others instead.
    let name = |name: &str| {
        let edits = vec![Edit::Name(name.to_owned())];
        Operation::Edit { edits, agent: Some(format!("agent of {name}")) }
    };
    counter.write(&name("A"));
    let theirs = phone.write(&name("B"));
    counter.take(&theirs).expect("honest");
    let wanted = name("C");
    assert_eq!(counter.draft(&wanted), automerge_writes(&counter.changes, counter.actor, &wanted));
    let both = parse(&counter.draft(&wanted)).expect("honest");
    assert_eq!(both.replaces[0].len(), 2);
}
