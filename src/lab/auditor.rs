//! Who watches. (A stand-in.)

use crate::lab::Cast;
use crate::ledger::Refusal;
use crate::model::Timestamp;
use crate::replica::{Answer, Command, Input, Output, Query, Replica};
use crate::store::Store;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub invariant: &'static str,
    /// How.
    pub detail: String,
}

/// Who watches.
#[derive(Debug)]
pub struct Auditor;

impl Auditor {
    /// One who knows the company.
    pub fn new(_cast: &Cast) -> Auditor {
        Auditor
    }

    /// Looks away from those invariants.
    #[must_use]
    pub fn skipping(self, _names: &[&str]) -> Auditor {
        self
    }

    /// Something was asked.
    pub fn asked(&mut self, _device: usize, _ticket: u64, _command: &Command, _key: Option<&str>) {}

    /// And answered.
    pub fn answered(&mut self, _: usize, _: u64, _result: &Result<Answer, Refusal>) -> Result<(), Broken> {
        Ok(())
    }

    /// The device lost power.
    pub fn lost_power(&mut self, _device: usize) {}

    /// After a step.
    pub fn stepped<S: Store>(&mut self, _device: usize, _replica: &Replica<S>) -> Result<(), Broken> {
        Ok(())
    }

    /// After everything was healed.
    pub fn healed<S: Store>(
        &mut self,
        replicas: &mut [(usize, &mut Replica<S>)],
        now: Timestamp,
    ) -> Result<(), Broken> {
        for (device, replica) in replicas.iter_mut().take(1) {
            for output in replica.handle(now, Input::Query { ticket: 0, query: Box::new(Query::Verify) }) {
                if let Output::Answer { result: Ok(Answer::Verified(view)), .. } = output
                    && !view.sound
                {
                    return Err(Broken { invariant: "sound", detail: format!("{device}: {:?}", view.faults) });
                }
            }
        }
        Ok(())
    }
}
