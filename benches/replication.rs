//! What the replica costs without any network: `cargo bench --bench replication [CREDITS]`.
//!
//! A head office imports a made-up company; an empty replica receives it by frames carried by hand, both on sled,
//! synced as a node syncs. Then the check with nothing new, and durable grants one by one and 64 to a sync.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chrono_tz::Africa::Lubumbashi;
use ucash::log::SigningKey;
use ucash::membership::{Invitation, ReadScope, Role};
use ucash::model::{Beneficiary, BeneficiaryKind, DeviceKey, Reference, ShopId, SimNumber, Timestamp};
use ucash::money::{Amount, Currency};
use ucash::node::storage::SledStore;
use ucash::replica::{
    Answer, Command, Founder, GrantRequest, Identity, Input, Joiner, Output, Query, Replica, RowOutcome,
};
use ucash::rows::{RowContext, Table, read_row, split};
use ucash::sample::{Size, company};

type Error = Box<dyn std::error::Error>;
type Node = Replica<SledStore>;

const NOW: Timestamp = Timestamp(1_780_000_000_000);

fn main() -> Result<(), Error> {
    // Cargo hands its own `--bench` to a bench without harness.
    let credits = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(5_000);
    let home = tempfile::tempdir()?;
    let store = |name: &str| SledStore::open(&home.path().join(name), 48 << 20);
    let mut office = found(store("office")?)?;
    let started = Instant::now();
    let sim = import(&mut office, credits)?;
    println!("import of {credits} credits: {:.2?}", started.elapsed());

    let (mut phone, key) = join(&mut office, store("phone")?)?;
    let started = Instant::now();
    let carried = meet(&mut office, &mut phone, key)?;
    let took = started.elapsed();
    let entries = entries(&mut phone)?;
    println!(
        "first sync of {credits} credits, {entries} entries: {took:.2?}, {} bytes, {} a credit",
        carried.bytes,
        carried.bytes / u64::from(credits)
    );
    println!("  of that: giver {:.2?}, receiver {:.2?}", carried.left, carried.right);
    let started = Instant::now();
    let carried = meet(&mut office, &mut phone, key)?;
    println!("reconnecting with nothing new: {:.2?}, {} bytes", started.elapsed(), carried.bytes);

    let started = Instant::now();
    drop(phone);
    let identity = Identity { key: SigningKey::from_seed(&[2; 32]), authority_key: None, gossip_key: [7; 32] };
    let _phone = Replica::open(store("phone")?, identity, [4; 32])?;
    println!("open again: {:.2?}", started.elapsed());

    for group in [1, 64] {
        let rounds = 1_000 / group;
        let started = Instant::now();
        for round in 0..rounds {
            for index in 0..group {
                let reference = Reference::new(&format!("bench-{group}-{round}-{index}"))?;
                office.handle(NOW, Input::Command { ticket: 1, command: Box::new(grant(reference, &sim)?), key: None });
            }
            office.sync()?;
        }
        let per_second = f64::from(rounds * group) / started.elapsed().as_secs_f64();
        println!("durable grants, {group} to a sync: {per_second:.0} a second");
    }
    Ok(())
}

fn found(store: SledStore) -> Result<Node, Error> {
    let identity = Identity {
        key: SigningKey::from_seed(&[1; 32]),
        authority_key: Some(SigningKey::from_seed(&[9; 32])),
        gossip_key: [7; 32],
    };
    let founder = Founder {
        network: "bench".to_owned(),
        time_zone: "Africa/Lubumbashi".to_owned(),
        shop: ShopId(1),
        shop_name: "bench".to_owned(),
        device_name: "office".to_owned(),
    };
    Ok(Replica::found(store, identity, [1; 32], &founder, NOW)?)
}

/// Imports a company of that many credits; answers one of its SIMs.
fn import(office: &mut Node, credits: u32) -> Result<SimNumber, Error> {
    let company = company(7, Size { shops: 12, sims_per_shop: 2, captures_per_sim: 30, credits });
    let context = RowContext { zone: Lubumbashi, now: NOW };
    let mut sim = None;
    for (name, text) in &company.tables {
        let table = Table::from_word(name).ok_or("no such table")?;
        let rows: Result<Vec<_>, _> = split(text)?.into_iter().map(|row| read_row(table, row, &context)).collect();
        for chunk in rows?.chunks(500) {
            let command = Command::Import { session: 1, dry_run: false, rows: chunk.to_vec() };
            let outputs = office.handle(NOW, Input::Command { ticket: 1, command: Box::new(command), key: None });
            office.sync()?;
            let Answer::Imported(outcomes) = answer(outputs)? else { return Err("not imported".into()) };
            if let Some(RowOutcome::Refused(refusal)) =
                outcomes.iter().find(|outcome| matches!(outcome, RowOutcome::Refused(_)))
            {
                return Err(refusal.to_string().into());
            }
        }
        if table == Table::Sims {
            sim = office.book().sims().keys().next().cloned();
        }
    }
    Ok(sim.ok_or("no SIM")?)
}

fn grant(reference: Reference, sim: &SimNumber) -> Result<Command, Error> {
    Ok(Command::Grant(GrantRequest {
        reference,
        amount: Amount::parse("0.01", Currency::Usd)?,
        sim: sim.clone(),
        beneficiary: Beneficiary {
            name: "Amani Mumbere".to_owned(),
            phone: Some("+243810000000".to_owned()),
            address: None,
            kind: BeneficiaryKind::Partner,
            shop: None,
        },
        due_at: Some(NOW),
        notes: None,
        agent: Some("agent_goma_1".to_owned()),
    }))
}

fn join(office: &mut Node, store: SledStore) -> Result<(Node, [DeviceKey; 2]), Error> {
    let invite = Command::Invite {
        shop: None,
        new_shop: None,
        role: Role::Device,
        read: ReadScope::All,
        expires_in_ms: 900_000,
        addresses: Vec::new(),
    };
    let outputs = office.handle(NOW, Input::Command { ticket: 1, command: Box::new(invite), key: None });
    let Answer::Invitation(invitation) = answer(outputs)? else { return Err("no invitation".into()) };
    let key = SigningKey::from_seed(&[2; 32]);
    let peer = key.public();
    let joiner = Joiner::new(key.clone(), Invitation::from_text(&invitation.invitation)?, "phone".to_owned());
    office.handle(NOW, Input::Connected { peer });
    let outputs = office.handle(NOW, Input::Frame { peer, bytes: joiner.request() });
    office.handle(NOW, Input::Disconnected { peer });
    let admitted = outputs.iter().find_map(|output| match output {
        Output::Send { bytes, .. } => joiner.answer(bytes).ok().flatten(),
        _ => None,
    });
    let (credentials, gossip_key) = admitted.ok_or("not admitted")?;
    let phone = Replica::join(store, Identity { key, authority_key: None, gossip_key }, [2; 32], &credentials)?;
    Ok((phone, [office.device(), peer]))
}

struct Carried {
    bytes: u64,
    left: Duration,
    right: Duration,
}

/// Carries frames until nobody says anything more.
fn meet(left: &mut Node, right: &mut Node, keys: [DeviceKey; 2]) -> Result<Carried, Error> {
    let mut carried = Carried { bytes: 0, left: Duration::ZERO, right: Duration::ZERO };
    let mut inputs = VecDeque::from([(0, Input::Connected { peer: keys[1] }), (1, Input::Connected { peer: keys[0] })]);
    while let Some((to, input)) = inputs.pop_front() {
        if let Input::Frame { bytes, .. } = &input {
            carried.bytes += bytes.len() as u64;
        }
        let started = Instant::now();
        let (node, time) = if to == 0 { (&mut *left, &mut carried.left) } else { (&mut *right, &mut carried.right) };
        let outputs = node.handle(NOW, input);
        node.sync()?;
        *time += started.elapsed();
        inputs.extend(outputs.into_iter().filter_map(|output| match output {
            Output::Send { bytes, .. } => Some((1 - to, Input::Frame { peer: keys[to], bytes })),
            _ => None,
        }));
    }
    left.handle(NOW, Input::Disconnected { peer: keys[1] });
    right.handle(NOW, Input::Disconnected { peer: keys[0] });
    Ok(carried)
}

fn answer(outputs: Vec<Output>) -> Result<Answer, Error> {
    let found = outputs.into_iter().find_map(|output| match output {
        Output::Answer { result, .. } => Some(result),
        _ => None,
    });
    Ok(found.ok_or("no answer")??)
}

fn entries(node: &mut Node) -> Result<u64, Error> {
    match answer(node.handle(NOW, Input::Query { ticket: 1, query: Box::new(Query::Status) }))? {
        Answer::Status(status) => Ok(status.entries),
        _ => Err("no status".into()),
    }
}
