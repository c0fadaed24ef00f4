//! Documents: every kind of operation is written and read back, and every wrong change is refused by name.
//!
//! The wrong ones are honest changes taken apart by Automerge, altered in one thing, and put together again, so
//! that their checksum is right (findings 4 to 7).

use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, AutoCommit, Change, ChangeHash, ExpandedChange, ObjType, ROOT, ScalarValue};
use ucash::document::{CHANGE_BYTES_MAX, DocumentState, Fault, Malformed, items, operation, parse};
use ucash::model::{CreditId, DocumentId, MovementId, MovementKind, Operation, PaymentId, PaymentMade, ShopId};

use crate::samples::{
    NOW, NotTaken, Paper, cdf, credit_document, every_operation, grant, month_document, movement, payment, placed,
    taken, usd,
};

#[test]
fn every_operation_is_read_as_it_was_written() {
    for (document, before, wanted) in every_operation() {
        assert_eq!(operation(&document, &items(&wanted)).as_ref(), Some(&wanted), "items of {wanted:?}");
        let mut paper = Paper::after(document, &before);
        let bytes = paper.draft(&wanted);
        let parsed = parse(&bytes).expect("our own change");
        assert_eq!(parsed.items, items(&wanted));
        assert_eq!((parsed.actor, parsed.sequence), (paper.actor, before.len() as u64 + 1));
        assert_eq!(parsed.time, NOW.plus_ms(before.len() as i64));
        assert_eq!(parsed.dependencies.len(), before.len().min(1), "it has seen the one before it");
        assert_eq!(taken(&mut paper.state, &bytes).as_ref(), Ok(&wanted));
        assert_eq!(paper.state.operations().last().map(|stamped| &stamped.operation), Some(&wanted));
    }
}

#[test]
fn no_operation_is_read_out_of_another_document() {
    let documents = [DocumentId::Registry, DocumentId::Shop(ShopId(5)), month_document(), credit_document()];
    for (own, _, wanted) in every_operation() {
        for document in documents.iter().filter(|document| **document != own) {
            assert_eq!(operation(document, &items(&wanted)), None, "{wanted:?} on {document:?}");
        }
    }
}

#[test]
fn the_longest_grant_fits_in_a_change() {
    let mut long = grant();
    let letters = |count| "𝄞".repeat(count);
    long.beneficiary.name = letters(255);
    long.beneficiary.phone = Some(letters(20));
    long.beneficiary.address = Some(letters(2_000));
    long.notes = Some(letters(2_000));
    long.agent = Some(letters(255));
    let wanted = Operation::Grant(long);
    wanted.check_fields().expect("within the bounds");
    let paper = Paper::after(credit_document(), &[wanted]);
    assert!(paper.changes[0].len() < CHANGE_BYTES_MAX / 2, "{} bytes", paper.changes[0].len());
}

/// A credit with a grant and a payment, and an honest second payment to be altered.
fn honest() -> (DocumentState, Vec<u8>) {
    let paper = Paper::after(credit_document(), &[Operation::Grant(grant()), Operation::Pay(payment(1, usd("30")))]);
    let bytes = paper.draft(&Operation::Pay(payment(2, usd("20"))));
    (paper.state, bytes)
}

/// Takes a change apart, alters it, and puts it together again.
fn altered(bytes: &[u8], alter: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
    let mut expanded = Change::try_from(bytes).expect("an honest change").decode();
    alter(&mut expanded);
    expanded.hash = None;
    Change::from(expanded).raw_bytes().to_vec()
}

/// Gives the operations other numbers, and the maps that they make with them.
fn renumber(change: &mut ExpandedChange, start_op: u64) {
    let from = change.start_op.get();
    change.start_op = NonZeroU64::new(start_op).expect("not zero");
    for operation in &mut change.operations {
        if let ObjectId::Id(id) = &mut operation.obj {
            *id = OpId::new(id.counter() - from + start_op, id.actor());
        }
    }
}

fn become_actor(change: &mut ExpandedChange, actor: ActorId) {
    for operation in &mut change.operations {
        if let ObjectId::Id(id) = &mut operation.obj {
            *id = OpId::new(id.counter(), &actor);
        }
    }
    change.actor_id = actor;
}

fn last(change: &mut ExpandedChange) -> &mut Op {
    change.operations.last_mut().expect("an operation")
}

fn root(key: &str, action: OpType) -> Op {
    Op { action, obj: ObjectId::Root, key: Key::Map(key.into()), pred: SortedVec::new(), insert: false }
}

fn put(text: &str) -> OpType {
    OpType::Put(ScalarValue::Str(text.into()))
}

#[test]
fn an_honest_change_survives_being_taken_apart() {
    let (state, bytes) = honest();
    assert_eq!(altered(&bytes, |_| {}), bytes);
    assert!(placed(&state, &bytes).is_ok());
}

#[test]
fn each_wrong_change_is_refused_by_name() {
    type Alter = fn(&mut ExpandedChange);
    let malformed = NotTaken::Malformed;
    let wrong = NotTaken::Wrong;
    let structure = || malformed(Malformed::Structure);
    let foreign = || malformed(Malformed::Foreign);
    let nothing = || wrong(Fault::NoOperation);
    let rows: Vec<(&str, Alter, NotTaken)> = vec![
        ("start_op at the end (finding 5)", |c| renumber(c, u64::from(u32::MAX) - 1), structure()),
        ("start_op just before it", |c| renumber(c, u64::from(u32::MAX) - 100), wrong(Fault::StartOp)),
        ("start_op one more", |c| renumber(c, c.start_op.get() + 1), wrong(Fault::StartOp)),
        ("start_op one less", |c| renumber(c, c.start_op.get() - 1), wrong(Fault::StartOp)),
        ("start_op 1", |c| renumber(c, 1), wrong(Fault::StartOp)),
        ("sequence used before (finding 6)", |c| c.seq -= 1, wrong(Fault::Sequence)),
        ("first sequence again", |c| c.seq = 1, wrong(Fault::Sequence)),
        ("sequence skipped", |c| c.seq += 1, wrong(Fault::Sequence)),
        ("sequence 0", |c| c.seq = 0, wrong(Fault::Sequence)),
        ("an actor with a past it has not", |c| become_actor(c, ActorId::from([9; 16])), wrong(Fault::Sequence)),
        ("a short actor", |c| become_actor(c, ActorId::from(&[9; 15][..])), foreign()),
        ("a long actor", |c| become_actor(c, ActorId::from(&[9; 17][..])), foreign()),
        ("a message", |c| c.message = Some("bonjour".to_owned()), foreign()),
        ("extra bytes", |c| c.extra_bytes = vec![1], foreign()),
        ("no operation", |c| c.operations.clear(), foreign()),
        ("what it replaces left out", |c| last(c).pred = SortedVec::new(), wrong(Fault::Replaces)),
        (
            "more replaced than there is",
            |c| {
                let actor = c.actor_id.clone();
                let mut pred: Vec<OpId> = last(c).pred.iter().cloned().collect();
                pred.push(OpId::new(1, &actor));
                last(c).pred = pred.into();
            },
            wrong(Fault::Replaces),
        ),
        (
            "what it replaces, of another actor",
            |c| {
                let counter = last(c).pred.iter().next().expect("one replaced").counter();
                last(c).pred = vec![OpId::new(counter, &ActorId::from([9; 16]))].into();
            },
            wrong(Fault::Replaces),
        ),
        ("a counter", |c| last(c).action = OpType::Put(ScalarValue::counter(5)), structure()),
        ("an increment", |c| last(c).action = OpType::Increment(5), structure()),
        ("a delete", |c| last(c).action = OpType::Delete, structure()),
        ("a list", |c| c.operations.push(root("status", OpType::Make(ObjType::List))), structure()),
        ("a text", |c| c.operations.push(root("status", OpType::Make(ObjType::Text))), structure()),
        ("a float", |c| last(c).action = OpType::Put(ScalarValue::F64(0.1)), structure()),
        ("an unsigned", |c| last(c).action = OpType::Put(ScalarValue::Uint(1)), structure()),
        (
            "an element of a list",
            |c| {
                last(c).key = Key::Seq(ElementId::Head);
                last(c).insert = true;
            },
            structure(),
        ),
        (
            "a map in a map",
            |c| {
                let map = c.operations[1].obj.clone();
                let mut nested = root("nested", OpType::Make(ObjType::Map));
                nested.obj = map;
                let end = c.operations.len() - 1;
                c.operations.insert(end, nested);
            },
            structure(),
        ),
        ("a key more", |c| c.operations.push(root("color", put("red"))), nothing()),
        ("a register more", |c| c.operations.push(root("notes", put("x"))), nothing()),
        (
            "a field more",
            |c| {
                let mut field = c.operations[1].clone();
                field.key = Key::Map("color".into());
                let end = c.operations.len() - 1;
                c.operations.insert(end, field);
            },
            nothing(),
        ),
        (
            "a field twice",
            |c| {
                let field = c.operations[1].clone();
                c.operations.insert(2, field);
            },
            nothing(),
        ),
        ("a field less", |c| drop(c.operations.remove(1)), nothing()),
        ("the status left out", |c| drop(c.operations.pop()), nothing()),
        ("fields in another order", |c| c.operations.swap(1, 2), nothing()),
        ("an amount with three decimals", |c| c.operations[1].action = put("20.001 USD"), nothing()),
        ("an amount below zero", |c| c.operations[1].action = put("-20.00 USD"), nothing()),
        ("an amount spelt otherwise", |c| c.operations[1].action = put("20 USD"), nothing()),
        ("an amount that is a number", |c| c.operations[1].action = OpType::Put(ScalarValue::Int(20)), nothing()),
        ("an unknown mode", |c| c.operations[2].action = put("chèque"), nothing()),
        ("an unknown status", |c| last(c).action = put("payé"), nothing()),
        (
            "a payment that was made before",
            |c| c.operations[0].key = Key::Map(format!("payment/{}", PaymentId([1; 10])).into()),
            wrong(Fault::WrittenOnce),
        ),
        ("causes that are not here", |c| c.deps = vec![ChangeHash([9; 32])], NotTaken::Waits(1)),
        ("a cause that is not here beside one that is", |c| c.deps.push(ChangeHash([0xff; 32])), NotTaken::Waits(1)),
    ];
    let (state, bytes) = honest();
    for (name, alter, wanted) in rows {
        assert_eq!(placed(&state, &altered(&bytes, alter)).map(|_| ()), Err(wanted), "{name}");
    }
}

#[test]
fn an_author_is_refused() {
    // Written by Automerge's own transaction: put together from its parts, a change loses its author.
    let mut document = AutoCommit::new();
    document.set_actor(ActorId::from([1; 16]));
    document.set_author(Some(automerge::Author::from(vec![1; 16])));
    document.put(ROOT, "town", "Goma").expect("a put");
    document.commit_with(CommitOptions::default().with_time(NOW.0));
    let change = document.get_last_local_change().expect("a change");
    assert!(change.author().is_some());
    assert_eq!(parse(change.raw_bytes()), Err(Malformed::Foreign));
}

#[test]
fn a_time_or_a_new_actor_is_judged_elsewhere() {
    // The document takes any time; that it is the entry's is for the one who holds the entry to say.
    let (state, bytes) = honest();
    assert!(placed(&state, &altered(&bytes, |change| change.time = -1)).is_ok());
    let new_actor = altered(&bytes, |change| {
        become_actor(change, ActorId::from([9; 16]));
        change.seq = 1;
    });
    assert!(placed(&state, &new_actor).is_ok());
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let on_credit = |before: &[Operation], next: Operation| {
        let paper = Paper::after(credit_document(), before);
        placed(&paper.state, &paper.draft(&next)).map(|_| ())
    };
    let granted = [Operation::Grant(grant())];
    let paid = [Operation::Grant(grant()), Operation::Pay(payment(1, usd("30")))];
    let pay = || Operation::Pay(payment(1, usd("30")));
    let reverse = |seed| Operation::ReversePayment { payment: PaymentId([seed; 10]), why: "x".to_owned(), agent: None };
    let cancel = || Operation::Cancel { why: "x".to_owned(), agent: None, at: NOW };
    let edit = || Operation::Edit { edits: Vec::new(), agent: None };
    let in_cdf = || Operation::Pay(PaymentMade { amount: cdf("30"), ..payment(2, usd("30")) });
    let wrong = |fault| Err(NotTaken::Wrong(fault));
    assert_eq!(on_credit(&[], pay()), wrong(Fault::Grant), "a payment before the grant");
    assert_eq!(on_credit(&[], cancel()), wrong(Fault::Grant), "a cancellation before the grant");
    assert_eq!(on_credit(&[], edit()), wrong(Fault::Grant), "an edit before the grant");
    assert_eq!(on_credit(&granted, Operation::Grant(grant())), wrong(Fault::WrittenOnce), "a second grant");
    assert_eq!(on_credit(&granted, in_cdf()), wrong(Fault::Currency), "another currency");
    assert_eq!(on_credit(&granted, reverse(1)), wrong(Fault::Unseen), "a reversal of an unseen payment");
    assert_eq!(on_credit(&paid, reverse(2)), wrong(Fault::Unseen), "a reversal of another payment");
    assert_eq!(on_credit(&paid, pay()), wrong(Fault::WrittenOnce), "a payment written twice");
    assert_eq!(on_credit(&paid, reverse(1)), Ok(()));
    let twice = [paid[0].clone(), paid[1].clone(), reverse(1)];
    assert_eq!(on_credit(&twice, reverse(1)), wrong(Fault::WrittenOnce), "a reversal written twice");

    let on_sim = |next: Operation| {
        let paper = Paper::after(month_document(), &[Operation::Move(movement(1, MovementKind::Opening(usd("5"))))]);
        placed(&paper.state, &paper.draft(&next)).map(|_| ())
    };
    let unseen = MovementId([2; 10]);
    assert_eq!(on_sim(Operation::ValidateCapture { movement: unseen, at: NOW }), wrong(Fault::Unseen));
    assert_eq!(on_sim(Operation::Reimburse { movement: unseen, at: NOW }), wrong(Fault::Unseen));
    let reversal = Operation::ReverseMovement { movement: unseen, why: "x".to_owned(), agent: None };
    assert_eq!(on_sim(reversal), wrong(Fault::Unseen));
    assert_eq!(on_sim(Operation::Move(movement(1, MovementKind::Opening(usd("5"))))), wrong(Fault::WrittenOnce));
}

#[test]
fn what_was_not_seen_does_not_count_as_seen() {
    // The payment is here, but the reversal's writer has not seen it.
    let mut here = Paper::after(credit_document(), &[Operation::Grant(grant())]);
    let mut apart = Paper { actor: [2; 16], ..here.clone() };
    here.write(&Operation::Pay(payment(1, usd("30"))));
    let reversal = Operation::ReversePayment { payment: PaymentId([1; 10]), why: "x".to_owned(), agent: None };
    let bytes = apart.draft(&reversal);
    assert_eq!(placed(&here.state, &bytes).map(|_| ()), Err(NotTaken::Wrong(Fault::Unseen)));
    let bytes = apart.write(&Operation::Pay(payment(1, usd("30"))));
    assert!(here.take(&bytes).is_ok(), "one payment recorded by two who had not seen each other is no fault");
}

#[test]
fn an_edit_names_each_field_once_and_ends_with_its_editor() {
    let (state, _) = honest();
    let paper = Paper { state, actor: [1; 16], changes: Vec::new() };
    let edit = Operation::Edit { edits: vec![ucash::model::Edit::Name("B".to_owned())], agent: None };
    let bytes = paper.draft(&edit);
    assert!(placed(&paper.state, &bytes).is_ok());
    let nothing = Err(NotTaken::Wrong(Fault::NoOperation));
    let twice = altered(&bytes, |change| {
        let name = change.operations[0].clone();
        change.operations.insert(1, name);
    });
    assert_eq!(placed(&paper.state, &twice).map(|_| ()), nothing, "a field twice");
    let unsigned = altered(&bytes, |change| drop(change.operations.pop()));
    assert_eq!(placed(&paper.state, &unsigned).map(|_| ()), nothing, "no editor");
    let nameless = altered(&bytes, |change| change.operations[0].action = OpType::Put(ScalarValue::Null));
    assert_eq!(placed(&paper.state, &nameless).map(|_| ()), nothing, "a name taken away");
    let status = altered(&bytes, |change| change.operations[0].key = Key::Map("status".into()));
    assert_eq!(placed(&paper.state, &status).map(|_| ()), nothing, "the status edited");
    let amount = altered(&bytes, |change| change.operations[0].key = Key::Map("amount".into()));
    assert_eq!(placed(&paper.state, &amount).map(|_| ()), nothing, "the amount edited");
}

#[test]
fn chunks_of_other_kinds_are_refused_unread() {
    let (_, bytes) = honest();
    let with_type = |kind: u8| {
        let mut bytes = bytes.clone();
        bytes[8] = kind;
        bytes
    };
    let mut bad_magic = bytes.clone();
    bad_magic[0] ^= 1;
    for (name, bytes) in [
        ("a document", with_type(0)),
        ("a compressed change (finding 7)", with_type(2)),
        ("a bundle", with_type(3)),
        ("no such type", with_type(255)),
        ("another magic", bad_magic),
        ("nothing", Vec::new()),
        ("the magic alone", bytes[..4].to_vec()),
        ("a head cut short", bytes[..8].to_vec()),
    ] {
        assert_eq!(parse(&bytes), Err(Malformed::NotAChange), "{name}");
    }
    assert_eq!(parse(&bytes[..9]), Err(Malformed::Unreadable), "a body cut away");
    assert_eq!(parse(&vec![0; CHANGE_BYTES_MAX + 1]), Err(Malformed::TooLong));
    let mut checksum = bytes.clone();
    checksum[4] ^= 1;
    assert_eq!(parse(&checksum), Err(Malformed::NotCanonical), "a wrong checksum");
    let mut trailing = bytes.clone();
    trailing.push(0);
    assert!(parse(&trailing).is_err(), "bytes after the change");
    let two = [bytes.clone(), bytes].concat();
    assert!(parse(&two).is_err(), "two changes");
}

#[test]
fn a_truly_compressed_change_is_refused() {
    let mut long = grant();
    long.notes = Some("a".repeat(2_000));
    let paper = Paper::after(credit_document(), &[Operation::Grant(long)]);
    let mut change = Change::try_from(&paper.changes[0][..]).expect("our own change");
    let compressed = change.bytes().to_vec();
    assert_ne!(compressed, paper.changes[0], "Automerge did not compress it");
    assert_eq!(compressed[8], 2);
    assert_eq!(parse(&compressed), Err(Malformed::NotAChange));
}

#[test]
fn numbers_have_one_spelling_in_keys() {
    // `shop/5` must not also be written `shop/05` or `shop/+5`: one thing, two keys.
    let paper = Paper::new(DocumentId::Registry, 1);
    let bytes = paper.draft(&Operation::AddShop { shop: ShopId(5), name: "Goma".to_owned() });
    for key in ["shop/05", "shop/+5", "shop/ 5", "shop/", "shop", "shop/5/", "shop/4294967296", "Shop/5"] {
        let other = altered(&bytes, |change| change.operations[0].key = Key::Map(key.into()));
        assert_eq!(placed(&paper.state, &other).map(|_| ()), Err(NotTaken::Wrong(Fault::NoOperation)), "{key}");
    }
    let credit = CreditId([7; 10]).to_string();
    assert_eq!(CreditId::from_text(&credit.to_uppercase()), None, "nor an id in capitals");
}
