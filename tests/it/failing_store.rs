//! D2: the k-th write or sync fails, for every k of a script, once or for good: what was acknowledged is there when the
//! store is opened again, nothing is acknowledged from then on, and a disk that works again is not believed.

use ucash::ledger::Refusal;
use ucash::replica::{Input, Output, Query, Replica};
use ucash::store::{Batch, MemoryStore, Pair, Store, StoreError, Visit};

use crate::forge::{Node, OFFICE, ask, grant_command, identity, net, pay_command, verified};
use crate::samples::NOW;

const COMMANDS: i64 = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Apply,
    Sync,
}

/// Fails at one call, or from it on.
#[derive(Debug)]
pub struct Failing {
    pub store: MemoryStore,
    pub call: Call,
    pub at: u64,
    pub for_good: bool,
    pub full: bool,
    pub seen: u64,
}

impl Failing {
    fn check(&mut self, call: Call) -> Result<(), StoreError> {
        if call != self.call {
            return Ok(());
        }
        self.seen += 1;
        match self.seen == self.at || (self.for_good && self.seen > self.at) {
            true if self.full => Err(StoreError::Full),
            true => Err(StoreError::Failed("EIO".to_owned())),
            false => Ok(()),
        }
    }
}

impl Store for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key)
    }
    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        self.store.scan(prefix, from, visit)
    }
    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Pair>, StoreError> {
        self.store.floor(prefix, key)
    }
    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.check(Call::Apply)?;
        self.store.apply(batch)
    }
    fn sync(&mut self) -> Result<(), StoreError> {
        self.check(Call::Sync)?;
        self.store.sync()
    }
}

/// Runs the script on a failing store: the references acknowledged, and what a loss of power leaves then.
fn run(failing: Failing) -> (Vec<String>, MemoryStore, Option<Refusal>) {
    let wanted = if failing.full { Refusal::DiskFull } else { Refusal::ReadOnly { detail: "EIO".to_owned() } };
    let what = format!("{:?} {} for good: {}", failing.call, failing.at, failing.for_good);
    let mut office = Replica::open(failing, identity(OFFICE), [70; 32]).expect("opened");
    let mut acknowledged = Vec::new();
    let mut refused = None;
    for number in 0..COMMANDS {
        let reference = format!("R-{number}");
        let command = match number % 3 {
            2 => pay_command(&format!("R-{}", number - 1), "1"),
            _ => grant_command(&reference, "2"),
        };
        let key = Some(format!("key {number}"));
        let input = Input::Command { ticket: 1, command: Box::new(command), key };
        let outputs = office.handle(NOW.plus_ms(number * 1_000), input);
        let synced = office.sync();
        let answer = outputs.into_iter().find_map(|output| match output {
            Output::Answer { result, .. } => Some(result),
            _ => None,
        });
        match answer.expect("an answer").map_err(Some).and_then(|answer| synced.map(|()| answer).map_err(|_| None)) {
            Ok(_) => {
                assert_eq!(refused, None, "{what}: acknowledged after a failure");
                acknowledged.push(reference);
            }
            Err(refusal) => {
                let refusal = refusal.unwrap_or_else(|| office.failure().expect("stopped").clone());
                assert_eq!(refusal, wanted, "{what}");
                refused = Some(refusal);
            }
        }
    }
    (acknowledged, office.into_store().store, refused)
}

#[test]
fn d2_every_write_and_every_sync_may_fail() {
    let base = net().office.into_store();
    let mut failed = 0;
    for call in [Call::Apply, Call::Sync] {
        for at in 1.. {
            let mut reached = false;
            for (for_good, full) in [(false, false), (true, false), (false, true)] {
                let failing = Failing { store: base.clone(), call, at, for_good, full, seen: 0 };
                let (acknowledged, store, refused) = run(failing);
                reached |= refused.is_some();
                failed += u32::from(refused.is_some());
                for kept in [0, store.unsynced()] {
                    let what = format!("{call:?} {at} for good: {for_good}, {kept} kept");
                    let image = store.clone().crash_keeping(kept);
                    let mut again: Node = Replica::open(image, identity(OFFICE), [71; 32])
                        .unwrap_or_else(|error| panic!("{what}: {error}"));
                    for reference in acknowledged.iter().filter(|reference| !is_payment(reference)) {
                        let _ = ask(&mut again, Query::Credit { key: reference.clone() });
                    }
                    assert_eq!(verified(&mut again).faults, Vec::<String>::new(), "{what}");
                }
            }
            if !reached {
                break;
            }
        }
    }
    assert!(failed > 100, "{failed} runs met a failure");
}

fn is_payment(reference: &str) -> bool {
    let number: i64 = reference.trim_start_matches("R-").parse().expect("a number");
    number % 3 == 2
}
