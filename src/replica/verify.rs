//! Everything checked anew: every chain, every signature, and all that was derived from the entries.

use crate::log::{Head, next_hash, verify_head};
use crate::replica::fold::Fold;
use crate::replica::{Replica, ReplicaError, VerifyView};
use crate::store::Store;

/// Most faults told one by one.
const FAULTS_MAX: usize = 100;

impl<S: Store> Replica<S> {
    /// Reads every entry again: chains, signatures, verdicts, balances. Changes nothing.
    pub fn verify(&self) -> Result<VerifyView, ReplicaError> {
        let mut faults = Vec::new();
        for (log, held) in self.logs.held() {
            let mut head = self.logs.base(log);
            let mut signed = head.number;
            let mut bad_signature = None;
            let read = self.logs.each_segment(held.index, &mut |_, segment| {
                for body in &segment.bodies {
                    head = Head { number: head.number + 1, hash: next_hash(&head, body) };
                }
                if let Some(signature) = &segment.signature {
                    if verify_head(&log.device, &head.hash, signature) {
                        signed = head.number;
                    } else {
                        bad_signature = Some(head.number);
                    }
                }
                Ok(())
            });
            let name = format!("{}, {:?}", self.fold.registry.name_of(&log.device), log.scope);
            if let Err(error) = read {
                faults.push(format!("log {name}: after entry {}: {error}", head.number));
            }
            if head.number < held.head.number {
                faults.push(format!("log {name}: entries {} to {} are missing", head.number + 1, held.head.number));
            } else if head != held.head {
                faults.push(format!("log {name}: the chain does not lead to the head that was recorded"));
            }
            if let Some(number) = bad_signature {
                faults.push(format!("log {name}: the signature on entry {number} is wrong"));
            } else if signed < held.head.number && head == held.head {
                faults.push(format!("log {name}: entries after {signed} are not signed"));
            }
        }
        let strays = self.logs.strays()?;
        if strays > 0 {
            faults.push(format!("{strays} segments stand beyond the end of their logs"));
        }
        for lost in self.lost() {
            faults.push(format!(
                "log {}, {:?}: entries {} to {} were held here, were lost with a damaged store, and no other device has \
                 brought them back yet",
                self.fold.registry.name_of(&lost.log.device),
                lost.log.scope,
                lost.from,
                lost.to
            ));
        }
        if faults.is_empty() {
            self.verify_derived(&mut faults)?;
        }
        faults.truncate(FAULTS_MAX);
        Ok(VerifyView {
            entries: self.logs.entries(),
            logs: self.logs.held().len() as u64,
            credits: self.fold.book.credit_count() as u64,
            movements: self.fold.book.movement_count() as u64,
            sound: faults.is_empty(),
            faults,
        })
    }

    fn verify_derived(&self, faults: &mut Vec<String>) -> Result<(), ReplicaError> {
        let fresh = self.fold_all(Fold::with_capacity(self.fold.registry.authority(), usize::MAX))?;
        let (ours, again) = (&self.fold.book, &fresh.book);
        if ours.credit_count() != again.credit_count() {
            faults.push(format!(
                "{} credits are shown, the entries make {}",
                ours.credit_count(),
                again.credit_count()
            ));
        }
        for credit in again.credits().filter(|credit| ours.credit(&credit.id) != Some(credit)) {
            faults.push(format!("credit {} is not shown as its entries make it", credit.reference));
        }
        for movement in again.movements().filter(|movement| ours.movement(&movement.id) != Some(movement)) {
            faults.push(format!("movement {} is not shown as its entries make it", movement.id));
        }
        for ((shop, sim, currency), account) in again.accounts() {
            if ours.account(*shop, sim, *currency) != *account {
                faults.push(format!("the balance of SIM {sim} in {currency} is not what the entries make it"));
            }
        }
        if self.fold.set_aside() != fresh.set_aside() {
            faults.push("other entries are set aside than should be".to_owned());
        }
        if self.fold.state_digest() != fresh.state_digest() {
            faults.push("the state's digest is not what the entries make it".to_owned());
        }
        Ok(())
    }
}
