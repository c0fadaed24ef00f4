//! A dozen real nodes in one process, in a chain with chords, where nobody knows all: cut in two and healed.

use std::future::Future;
use std::time::Duration;

use ucash::ledger::CreditFilter;
use ucash::model::Reference;
use ucash::replica::{Answer, Query};

use self::crowd::Crowd;

#[path = "../../examples/curve/crowd.rs"]
pub mod crowd;

const COUNT: usize = 12;
/// Without the one at this place, those before it and those behind it have no connection.
const BRIDGE: usize = 4;
/// The end of every wait; on an idle machine the whole test takes a twentieth of it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Waits until all of these show one state, and answers its digest.
async fn same_at(crowd: &Crowd, places: &[usize], what: &str) -> String {
    let same = async {
        loop {
            let states = crowd.states(places.iter().copied()).await.expect("every node answers");
            if let [(digest, _)] = states.iter().collect::<Vec<_>>()[..] {
                return digest.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    patiently(what, same).await
}

async fn remaining(crowd: &Crowd, place: usize, reference: &str) -> String {
    let reference = Some(Reference::new(reference).expect("a reference"));
    let filter = CreditFilter { reference, limit: 1, ..CreditFilter::default() };
    let online = crowd.nodes[place].as_ref().expect("it runs");
    match online.node.query(Query::Credits(filter)).await {
        Ok(Answer::Credits(page)) => page.items[0].remaining.clone(),
        other => panic!("{other:?}"),
    }
}

/// Waits until all of these have heard of so many payments of ten cents on the credit on which all pay. That they show
/// the same is not enough: they may do so before anything has arrived anywhere.
async fn paid_everywhere(crowd: &Crowd, places: &[usize], dimes: usize) {
    let left = 1_000 - dimes;
    let wanted = format!("{}.{}0", left / 10, left % 10);
    for place in places {
        let arrived = async {
            while remaining(crowd, *place, "C-0").await != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        patiently("the payments", arrived).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dozen_nodes_in_a_sparse_mesh_show_the_same_after_a_cut() {
    let mut crowd = Crowd::gather(COUNT, "/memory/0", Duration::from_secs(30)).await.expect("a crowd");
    for place in 0..COUNT {
        crowd.start(place).await.expect("it starts");
    }
    let all: Vec<usize> = (0..COUNT).collect();
    let before = same_at(&crowd, &all, "all to show the same at first").await;
    for place in 0..COUNT {
        let peers = crowd.status(place).await.expect("it answers").peers;
        let connected = peers.iter().filter(|peer| peer.connected).count();
        assert!((1..=4).contains(&connected), "device {place} has {connected} connections");
    }

    crowd.stop(BRIDGE).await;
    let (near, far) = all.split_at(BRIDGE);
    let far = &far[1..];
    // Everyone pays on its own credit, and on one that all pay on.
    for place in near.iter().chain(far) {
        crowd.pay(*place, *place).await.expect("paid");
        crowd.pay(*place, 0).await.expect("paid");
    }
    for (side, dimes) in [(near, near.len() + 1), (far, far.len())] {
        paid_everywhere(&crowd, side, dimes).await;
    }
    let states = [same_at(&crowd, near, "the near side").await, same_at(&crowd, far, "the far side").await];
    assert_ne!(states[0], states[1], "they were cut off from each other");
    assert!(!states.contains(&before), "and went on");

    crowd.start(BRIDGE).await.expect("it starts again");
    paid_everywhere(&crowd, &all, near.len() + 1 + far.len()).await;
    same_at(&crowd, &all, "all to show the same again").await;
    crowd.disperse().await;
}
