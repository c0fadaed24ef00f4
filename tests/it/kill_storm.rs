//! A node killed in a storm of grants (fault K1), again and again: what was acknowledged is there once, and a retry
//! under the same key makes nothing new and gives the same answer (fault A2).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};
use ucash::sample::Size;

use crate::process::{Answer, Face, Shop, eventually, one_digest, same};
use crate::totals::{Credit, Totals, made_up};

const CLIENTS: usize = 8;
/// Grants that the other node makes while this one is dead.
const MISSED: usize = 5;
const COMPANY: Size = Size { shops: 2, sims_per_shop: 2, captures_per_sim: 3, credits: 40 };

/// A grant as a client sent it, and what it was told if it was told anything.
#[derive(Debug)]
struct Sent {
    key: String,
    body: Value,
    answer: Option<Answer>,
}

fn rounds() -> usize {
    std::env::var("UCASH_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

fn grant(reference: &str, sim: &str) -> Value {
    json!({
        "reference": reference, "amount": "1.01", "currency": "USD", "sim": sim,
        "beneficiary": { "name": "Kambale" }, "agent": "orage",
    })
}

/// One client: grants without pause until the node no longer answers.
fn client(face: &Face, round: usize, client: usize, sim: &str, acknowledged: &AtomicUsize) -> Vec<Sent> {
    let mut sent = Vec::new();
    loop {
        let reference = format!("ORAGE-{round}-{client}-{}", sent.len());
        let (key, body) = (format!("key-{reference}"), grant(&reference, sim));
        match face.post("/api/v1/credits", &key, &body) {
            Ok(answer) => {
                assert_eq!(answer.status, 201, "{answer:?}");
                sent.push(Sent { key, body, answer: Some(answer) });
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            // Perhaps done, perhaps not: only a retry can tell.
            Err(_) => {
                sent.push(Sent { key, body, answer: None });
                return sent;
            }
        }
    }
}

/// Sends grants from all clients, kills the node when so many were acknowledged, and gives all that was sent.
fn storm(victim: &mut Shop, round: usize, sim: &str) -> Vec<Sent> {
    let acknowledged = AtomicUsize::new(0);
    // Another moment every round: in the first batch, and well within.
    let enough = [1, 40, 17, 90, 5][round % 5] + round;
    thread::scope(|scope| {
        let (ended, all) = mpsc::channel();
        for number in 0..CLIENTS {
            let (face, ended, acknowledged) = (victim.face().clone(), ended.clone(), &acknowledged);
            scope.spawn(move || ended.send(client(&face, round, number, sim, acknowledged)));
        }
        eventually("enough acknowledged grants", || match acknowledged.load(Ordering::Relaxed) {
            count if count >= enough => Ok(()),
            count => Err(format!("{count} of {enough}")),
        });
        victim.kill();
        drop(ended);
        all.iter().flatten().collect()
    })
}

#[test]
fn a_node_killed_in_a_storm_of_grants_loses_and_doubles_nothing() {
    let mut head = Shop::found("siege", "Orage", 1);
    let tables = made_up(&head, 5, COMPANY);
    let mut expected = Totals::of_tables(&tables);
    head.ok(&["import", tables.to_str().expect("a path in Unicode")]);
    head.start(&[]);
    let mut victim = Shop::join("victime", &head, 2);
    victim.start(&["--sync-every", "2s"]);
    one_digest(&[&head, &victim]);
    let (ours, theirs) = (expected.sim_with(1, 100_000), expected.sim_with(2, 100_000));
    let credit = |shop, sim: &str| Credit {
        shop,
        sim: sim.to_owned(),
        currency: "USD".to_owned(),
        amount: 101,
        paid: 0,
        cancelled: false,
        due: None,
    };

    for round in 0..rounds() {
        let sent = storm(&mut victim, round, &theirs);
        for number in 0..MISSED {
            let reference = format!("CALME-{round}-{number}");
            let granted = head.face().post("/api/v1/credits", &reference, &grant(&reference, &ours));
            assert_eq!(granted.map(|answer| answer.status), Ok(201));
            expected.grant(&reference, credit(1, &ours));
        }
        victim.start(&["--sync-every", "2s"]);

        // Before any retry: all that was acknowledged is there, as it was answered.
        let mut ids = BTreeMap::new();
        for Sent { body, answer, .. } in &sent {
            let reference = body["reference"].as_str().expect("a text");
            let shown = victim.credit(reference);
            if let Some(answer) = answer {
                let shown = shown.unwrap_or_else(|lost| panic!("round {round}: acknowledged and lost: {lost}"));
                assert_eq!(shown["id"], answer.json()["id"]);
                ids.insert(reference, shown["id"].clone());
            }
        }
        // Each is sent again twice under its key: the first answer stands.
        for Sent { key, body, answer } in &sent {
            let reference = body["reference"].as_str().expect("a text");
            let again = victim.face().post("/api/v1/credits", key, body).expect("an answer");
            assert_eq!(again.status, 201, "round {round}: {again:?}");
            if let Some(answer) = answer {
                assert_eq!(again, *answer, "round {round}: the same key gives the same answer");
            }
            assert_eq!(victim.face().post("/api/v1/credits", key, body), Ok(again.clone()), "round {round}");
            let id = again.json()["id"].clone();
            assert_eq!(*ids.entry(reference).or_insert(id.clone()), id, "round {round}");
            expected.grant(reference, credit(2, &theirs));
        }
        // The same key with something else in it is told so, and does nothing.
        let other = grant("ORAGE-AUTRE", &theirs);
        let refused = victim.face().post("/api/v1/credits", &sent[0].key, &other).expect("an answer");
        assert_eq!((refused.status, refused.code().as_str()), (409, "idempotency_key_reused"));

        one_digest(&[&head, &victim]);
        for shop in [&head, &victim] {
            eventually("every grant once, on both", || expected.compare(shop));
        }
        let told = sent.iter().filter(|sent| sent.answer.is_some()).count();
        println!("round {round}: {told} acknowledged, {} untold", sent.len() - told);
    }
    victim.assert_sound();
    head.assert_sound();
    eventually("nothing of the victim waits to be confirmed", || {
        same(victim.status()["pending_count"].as_u64(), Some(0))
    });
}

/// Fifty clients at once under one key: one credit, one answer.
#[test]
fn one_key_sent_by_many_at_once_is_one_grant() {
    let mut shop = Shop::found("siege", "Orage", 1);
    shop.ok(&["sim", "add", "+243970000001", "--operator", "Airtel", "--initial-usd", "100.00"]);
    shop.start(&[]);
    let body = grant("UNE-FOIS", "+243970000001");
    let answers: Vec<Answer> = thread::scope(|scope| {
        let send = || scope.spawn(|| shop.face().post("/api/v1/credits", "une-fois", &body).expect("an answer"));
        let sent: Vec<_> = (0..50).map(|_| send()).collect();
        sent.into_iter().map(|answer| answer.join().expect("the client ends")).collect()
    });
    assert_eq!(answers[0].status, 201, "{:?}", answers[0]);
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
    assert_eq!(shop.status()["credits"], 1);
    assert_eq!(shop.get("/api/v1/sims/+243970000001/balance")["balances"]["USD"]["available"], "98.99");
}
