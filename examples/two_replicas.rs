//! Two replicas driven by hand, without network, disk or clock: `cargo run --example two_replicas`.
//!
//! The head office founds a network and grants a credit; a second device joins, hears of it, and takes a payment
//! while the two cannot see each other. When they meet again both show one state.

use std::collections::VecDeque;

use ucash::log::SigningKey;
use ucash::membership::{Invitation, ReadScope, Role};
use ucash::model::{
    Beneficiary, BeneficiaryKind, DeviceKey, Operator, PaymentMode, Reference, ShopId, SimNumber, Timestamp,
};
use ucash::money::{Amount, Currency};
use ucash::replica::{
    Answer, Command, CreditView, Founder, GrantRequest, Identity, Input, Joiner, Output, Query, Replica, StatusView,
};
use ucash::store::MemoryStore;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let mut now = Timestamp(1_780_000_000_000);
    let identity = |seed: u8, authority: Option<u8>| Identity {
        key: SigningKey::from_seed(&[seed; 32]),
        authority_key: authority.map(|seed| SigningKey::from_seed(&[seed; 32])),
        gossip_key: [7; 32],
    };
    let founder = Founder {
        network: "Kivu Cash".to_owned(),
        time_zone: "Africa/Lubumbashi".to_owned(),
        shop: ShopId(1),
        shop_name: "Goma".to_owned(),
        device_name: "comptoir".to_owned(),
    };
    let mut office = Replica::found(MemoryStore::default(), identity(1, Some(9)), [1; 32], &founder, now)?;

    let sim: SimNumber = SimNumber::new("+243971777631")?;
    let opening = vec![Amount::parse("500", Currency::Usd)?];
    ask(&mut office, now, Command::AddSim { sim: sim.clone(), operator: Operator::Airtel, shop: None, opening })?;
    let grant = Command::Grant(GrantRequest {
        reference: Reference::new("cred-001")?,
        amount: Amount::parse("100", Currency::Usd)?,
        sim,
        beneficiary: Beneficiary {
            name: "Amani Mumbere".to_owned(),
            phone: None,
            address: None,
            kind: BeneficiaryKind::Partner,
            shop: None,
        },
        due_at: None,
        notes: None,
        agent: Some("esperance".to_owned()),
    });
    ask(&mut office, now, grant)?;

    // A second device is invited and joins; the frames are carried by hand.
    let invite = Command::Invite {
        shop: None,
        new_shop: None,
        role: Role::Device,
        read: ReadScope::All,
        expires_in_ms: 900_000,
        addresses: Vec::new(),
    };
    let Answer::Invitation(invitation) = ask(&mut office, now, invite)? else { return Err("no invitation".into()) };
    let key = SigningKey::from_seed(&[2; 32]);
    let joiner = Joiner::new(key, Invitation::from_text(&invitation.invitation)?, "telephone".to_owned());
    let phone_key = DeviceKey(SigningKey::from_seed(&[2; 32]).public().0);
    office.handle(now, Input::Connected { peer: phone_key });
    let answers = office.handle(now, Input::Frame { peer: phone_key, bytes: joiner.request() });
    office.sync()?;
    let admitted = answers.iter().find_map(|output| match output {
        Output::Send { bytes, .. } => joiner.answer(bytes).ok().flatten(),
        _ => None,
    });
    let (credentials, gossip_key) = admitted.ok_or("not admitted")?;
    office.handle(now, Input::Disconnected { peer: phone_key });
    let phone_identity = Identity { gossip_key, ..identity(2, None) };
    let mut phone = Replica::join(MemoryStore::default(), phone_identity, [2; 32], &credentials)?;
    meet(&mut office, &mut phone, &mut now)?;

    // Apart, each takes 50 on the same credit.
    for replica in [&mut office, &mut phone] {
        now = now.plus_ms(1_000);
        let pay = Command::Pay {
            credit: "CRED-001".to_owned(),
            amount: "50".to_owned(),
            mode: PaymentMode::Cash,
            reference: None,
            agent: None,
        };
        ask(replica, now, pay)?;
        show("apart", replica, now)?;
    }
    meet(&mut office, &mut phone, &mut now)?;
    show("office", &mut office, now)?;
    show("phone ", &mut phone, now)?;
    let digests = [status(&mut office, now)?.state_digest, status(&mut phone, now)?.state_digest];
    assert_eq!(digests[0], digests[1], "two replicas that hold the same entries show the same state");
    println!("one state: {}", &digests[0][..16]);
    Ok(())
}

fn ask(replica: &mut Replica<MemoryStore>, now: Timestamp, command: Command) -> Result<Answer, Error> {
    let outputs = replica.handle(now, Input::Command { ticket: 1, command: Box::new(command), key: None });
    replica.sync()?;
    answer(outputs)
}

fn query(replica: &mut Replica<MemoryStore>, now: Timestamp, query: Query) -> Result<Answer, Error> {
    answer(replica.handle(now, Input::Query { ticket: 1, query: Box::new(query) }))
}

fn answer(outputs: Vec<Output>) -> Result<Answer, Error> {
    let found = outputs.into_iter().find_map(|output| match output {
        Output::Answer { result, .. } => Some(result),
        _ => None,
    });
    Ok(found.ok_or("no answer")??)
}

fn status(replica: &mut Replica<MemoryStore>, now: Timestamp) -> Result<StatusView, Error> {
    match query(replica, now, Query::Status)? {
        Answer::Status(status) => Ok(*status),
        _ => Err("no status".into()),
    }
}

fn show(when: &str, replica: &mut Replica<MemoryStore>, now: Timestamp) -> Result<(), Error> {
    let Answer::Credit(credit) = query(replica, now, Query::Credit { key: "CRED-001".to_owned() })? else {
        return Err("no credit".into());
    };
    let CreditView { reference, amount, paid, remaining, status, payments, .. } = *credit;
    println!("{when}: {reference} {amount}, paid {paid} in {}, remaining {remaining}: {status:?}", payments.len());
    Ok(())
}

/// Carries frames between the two until neither has anything more to say.
fn meet(left: &mut Replica<MemoryStore>, right: &mut Replica<MemoryStore>, now: &mut Timestamp) -> Result<(), Error> {
    let keys = [left.device(), right.device()];
    let mut under_way: VecDeque<(usize, Vec<u8>)> = VecDeque::new();
    let mut inputs = VecDeque::from([(0, Input::Connected { peer: keys[1] }), (1, Input::Connected { peer: keys[0] })]);
    let mut bytes_carried = 0;
    for _ in 0..10_000 {
        let Some((to, input)) = inputs.pop_front().or_else(|| {
            let (to, bytes) = under_way.pop_front()?;
            bytes_carried += bytes.len();
            Some((to, Input::Frame { peer: keys[1 - to], bytes }))
        }) else {
            break;
        };
        let replica = if to == 0 { &mut *left } else { &mut *right };
        let outputs = replica.handle(*now, input);
        replica.sync()?;
        for output in outputs {
            if let Output::Send { bytes, .. } = output {
                under_way.push_back((1 - to, bytes));
            }
        }
        *now = now.plus_ms(1);
    }
    left.handle(*now, Input::Disconnected { peer: keys[1] });
    right.handle(*now, Input::Disconnected { peer: keys[0] });
    println!("met: {bytes_carried} bytes carried");
    Ok(())
}
