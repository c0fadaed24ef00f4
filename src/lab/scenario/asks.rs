//! An operation of a scenario as the command that a device is given.

use std::collections::BTreeMap;

use super::company::Company;
use super::format::{Action, Edits, Grant, Resolve, Step};
use super::reading;
use super::wrong::{Noun, Place, Why, Wrong};
use crate::ledger::CreditRequest;
use crate::model::{
    Beneficiary, BeneficiaryKind, Capture, CaptureState, ConflictKind, Decision, Deposit, Edit, MovementKind,
    PaymentMode, Reference, ShopId, Withdrawal,
};
use crate::money::Amount;
use crate::replica::Command;

/// What `as` called things: their ids.
pub(super) type Called = BTreeMap<String, String>;

/// Somebody at a device who is to do something.
pub(super) struct Desk<'a> {
    pub company: &'a Company,
    pub called: &'a Called,
    /// The shop of the device.
    pub shop: ShopId,
    pub agent: Option<String>,
    pub place: Place,
}

impl Desk<'_> {
    /// The command of an operation, the conflict that it decides about found by `find`; none of what is no operation.
    pub fn command(
        &self,
        action: &Action,
        find: &dyn Fn(&Resolve) -> Option<String>,
    ) -> Result<Option<Command>, Wrong> {
        let agent = self.agent.clone();
        Ok(Some(match action {
            Action::Grant(grant) => Command::Grant(self.grant(grant)?),
            Action::Pay(pay) => Command::Pay {
                credit: self.credit(&pay.credit),
                amount: pay.amount.clone(),
                mode: match &pay.mode {
                    None => PaymentMode::Cash,
                    Some(word) => PaymentMode::from_word(word)
                        .ok_or_else(|| self.unreadable("mode", word, "cash, mobile_money, virement"))?,
                },
                reference: pay.reference.clone(),
                agent,
            },
            Action::ReversePayment(reverse) => Command::ReversePayment {
                credit: self.credit(&reverse.credit),
                payment: self.named(&reverse.payment)?,
                why: why(reverse.why.as_deref()),
                agent,
            },
            Action::Cancel(of) => {
                Command::Cancel { credit: self.credit(&of.credit), why: why(of.why.as_deref()), agent }
            }
            Action::ReturnCredit(of) => Command::ReturnCredit { credit: self.credit(&of.credit) },
            Action::Edit(edits) => {
                Command::Edit { credit: self.credit(&edits.credit), edits: self.edits(edits)?, agent }
            }
            Action::Capture(capture) => {
                let money = |text: &Option<String>| {
                    text.as_deref().map(|text| self.amount(text, capture.currency.as_deref())).transpose()
                };
                let kind = MovementKind::Capture(Capture {
                    amount: self.amount(&capture.amount, capture.currency.as_deref())?,
                    cash: money(&capture.cash)?,
                    fee: money(&capture.fee)?,
                    reference: capture.reference.clone(),
                    client: capture.client.clone(),
                    phone: None,
                    state: if capture.pending { CaptureState::Pending } else { CaptureState::Validated },
                });
                self.movement(capture.sim.as_deref(), kind)?
            }
            Action::Withdraw(withdraw) => {
                let kind = MovementKind::Withdrawal(Withdrawal {
                    amount: self.amount(&withdraw.amount, withdraw.currency.as_deref())?,
                    owed_by: match &withdraw.owed_by {
                        Some(name) => Some(self.company.shop(name, self.place)?),
                        None => None,
                    },
                    reimbursed: false,
                });
                self.movement(withdraw.sim.as_deref(), kind)?
            }
            Action::Deposit(deposit) => {
                let kind = MovementKind::Deposit(Deposit {
                    amount: self.amount(&deposit.amount, deposit.currency.as_deref())?,
                    phone: deposit.phone.clone(),
                });
                self.movement(deposit.sim.as_deref(), kind)?
            }
            Action::Validate(movement) => Command::ValidateCapture { movement: self.named(movement)? },
            Action::Reimburse(movement) => Command::Reimburse { movement: self.named(movement)? },
            Action::Reverse(reverse) => Command::ReverseMovement {
                movement: self.named(&reverse.movement)?,
                why: why(reverse.why.as_deref()),
                agent,
            },
            Action::Give(give) => {
                let to = self.company.device(&give.to, self.place)?;
                Command::GiveShare {
                    sim: self.company.sim(give.sim.as_deref(), self.shop, self.place)?,
                    amount: self.amount(&give.amount, give.currency.as_deref())?,
                    to: self.company.cast.devices[to].key.to_text(),
                }
            }
            Action::Ask(ask) => Command::AskShare {
                sim: self.company.sim(ask.sim.as_deref(), self.shop, self.place)?,
                amount: self.amount(&ask.amount, ask.currency.as_deref())?,
            },
            Action::MoveSim(to) => Command::MoveSim {
                sim: self.company.sim(to.sim.as_deref(), self.shop, self.place)?,
                shop: self.company.shop(&to.to, self.place)?,
            },
            Action::Close(close) => Command::CloseDevice {
                device: self.key(&close.device)?,
                successor: close.successor.as_ref().map(|name| self.key(name)).transpose()?,
                insist: close.insist,
            },
            Action::Revoke(name) => Command::RevokeDevice { device: self.key(name)? },
            Action::Resolve(resolve) => self.resolve(resolve, find)?,
            Action::Cut(_)
            | Action::Heal(_)
            | Action::Meet(_)
            | Action::Wait(_)
            | Action::SetClock(_)
            | Action::PowerCut(_)
            | Action::PowerOn(_)
            | Action::Copy(_)
            | Action::Start(_)
            | Action::Restore(_) => return Ok(None),
        }))
    }

    fn unreadable(&self, key: &'static str, text: &str, expected: &'static str) -> Wrong {
        Wrong::at(self.place, Why::Unreadable { key, text: text.to_owned(), expected })
    }

    /// The id of what `as` called so, or the reference itself.
    fn credit(&self, name: &str) -> String {
        self.called.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    fn named(&self, name: &str) -> Result<String, Wrong> {
        let found = self.called.get(name).cloned();
        found.ok_or_else(|| Wrong::at(self.place, Why::Unknown(Noun::Named, name.to_owned())))
    }

    fn key(&self, name: &str) -> Result<String, Wrong> {
        let device = self.company.device(name, self.place)?;
        Ok(self.company.cast.devices[device].key.to_text())
    }

    fn amount(&self, text: &str, currency: Option<&str>) -> Result<Amount, Wrong> {
        reading::amount(text, currency)
            .ok_or_else(|| self.unreadable("amount", text, "an amount such as 125.50, of USD or CDF"))
    }

    fn grant(&self, grant: &Grant) -> Result<CreditRequest, Wrong> {
        let due = |text: &String| {
            reading::due(text).ok_or_else(|| self.unreadable("due", text, "2026-06-30, 2026-06-30T12:00:00Z"))
        };
        Ok(CreditRequest {
            reference: Reference::new(&grant.reference)
                .map_err(|_| self.unreadable("reference", &grant.reference, "1 to 50 characters"))?,
            amount: self.amount(&grant.amount, grant.currency.as_deref())?,
            sim: self.company.sim(grant.sim.as_deref(), self.shop, self.place)?,
            beneficiary: Beneficiary {
                name: grant.to.clone().unwrap_or_else(|| "Amani".to_owned()),
                phone: None,
                address: None,
                kind: BeneficiaryKind::Other,
                shop: None,
            },
            due_at: grant.due.as_ref().map(due).transpose()?,
            notes: grant.note.clone(),
            agent: self.agent.clone(),
        })
    }

    fn edits(&self, edits: &Edits) -> Result<Vec<Edit>, Wrong> {
        let Edits { credit: _, name, phone, address, due, note } = edits;
        let set = |text: &String| (!text.is_empty()).then(|| text.clone());
        let mut found = Vec::new();
        found.extend(name.clone().map(Edit::Name));
        found.extend(phone.as_ref().map(|text| Edit::Phone(set(text))));
        found.extend(address.as_ref().map(|text| Edit::Address(set(text))));
        if let Some(text) = due {
            let read = reading::due(text);
            let wrong = || self.unreadable("due", text, "2026-06-30, 2026-06-30T12:00:00Z");
            found.push(Edit::DueAt(if text.is_empty() { None } else { Some(read.ok_or_else(wrong)?) }));
        }
        found.extend(note.as_ref().map(|text| Edit::Notes(set(text))));
        Ok(found)
    }

    fn movement(&self, sim: Option<&str>, kind: MovementKind) -> Result<Command, Wrong> {
        let sim = self.company.sim(sim, self.shop, self.place)?;
        Ok(Command::Move { sim, kind, agent: self.agent.clone() })
    }

    fn resolve(&self, resolve: &Resolve, find: &dyn Fn(&Resolve) -> Option<String>) -> Result<Command, Wrong> {
        if ConflictKind::from_word(&resolve.conflict).is_none() {
            return Err(self.unreadable("conflict", &resolve.conflict, "overpaid, same_reference, ..."));
        }
        let text = resolve.decision.as_deref().unwrap_or("handled");
        let decision = Decision::from_text(text).ok_or_else(|| {
            self.unreadable("decision", text, "handled, give_back, reinstate, cancel, renumber=R, take=N")
        })?;
        // What is not listed has no id, and the device says that it does not know it.
        let conflict = find(resolve).unwrap_or_else(|| resolve.conflict.clone());
        Ok(Command::Resolve { conflict, decision, why: why(resolve.why.as_deref()), agent: self.agent.clone() })
    }
}

/// Why something is done, where the story does not say.
fn why(text: Option<&str>) -> String {
    text.unwrap_or("lab").to_owned()
}

/// The one action of a step, and whether what stands beside it belongs to it.
pub(super) fn action(step: &Step, place: Place) -> Result<(&'static str, Action), Wrong> {
    let mut actions = step.actions();
    if actions.len() > 1 {
        let keys = actions.iter().map(|(key, _)| *key).collect();
        return Err(Wrong::at(place, Why::SeveralActions(keys)));
    }
    actions.pop().ok_or(Wrong::at(place, Why::NoAction))
}
