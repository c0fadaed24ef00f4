//! Commands: asked of the rules, written as entries, answered once durable.

use crate::ledger::{Book, CreditStep, ImportRow, Plan, PlannedMovement, Refusal, RowPlan, fold_credit, fold_movement};
use crate::log::{Body, LogId, credit_id, movement_id, payment_id};
use crate::model::{
    CreditId, DocumentId, History, Holder, Month, MovementId, Operation, Origin, Register, Scope, ShopId, Stamped,
    Timestamp,
};
use crate::planted::{self, Bug};
use crate::replica::{Answer, Command, CommandError, Replica, RowOutcome, keys, queries};
use crate::store::Store;

/// Longest idempotency key, in characters.
const KEY_CHARS_MAX: usize = 255;
/// Longest name of a local value, in characters, and longest value, in bytes.
const LOCAL_NAME_MAX: usize = 64;
const LOCAL_BYTES_MAX: usize = 4_096;

/// What an idempotency key was used for, and what came of it.
#[derive(serde::Serialize, serde::Deserialize)]
struct Remembered {
    command: [u8; 32],
    result: String,
}

/// What a plan made: the ids that were drawn for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Made {
    pub credit: Option<CreditId>,
    pub movement: Option<MovementId>,
}

impl<S: Store> Replica<S> {
    /// Does a command, or finds what came of it before. Unless it is the `last` time of asking, a lack of share that
    /// others might mend is not yet a refusal.
    pub(super) fn command(
        &mut self,
        now: Timestamp,
        command: Command,
        key: Option<String>,
        last: bool,
    ) -> Result<Answer, CommandError> {
        if let Some(stopped) = &self.failed {
            return Err(stopped.clone().into());
        }
        let digest = fingerprint(&command);
        self.under_key(key, digest, |replica| replica.carry_or_lack(now, command, last))
    }

    /// Does something under an idempotency key, or finds what came of it before.
    pub(super) fn under_key(
        &mut self,
        key: Option<String>,
        digest: [u8; 32],
        carry: impl FnOnce(&mut Self) -> Result<Answer, CommandError>,
    ) -> Result<Answer, CommandError> {
        let Some(key) = key else { return carry(self) };
        if key.is_empty() || key.chars().count() > KEY_CHARS_MAX {
            let fault = crate::model::FieldError::malformed("idempotency_key", "1 to 255 characters");
            return Err(Refusal::Field(fault).into());
        }
        let place = keys::idempotency(&key);
        if let Some(bytes) = self.get(&place)? {
            return remembered(&bytes, &digest);
        }
        let result = carry(self);
        let told = match &result {
            Ok(answer) => serde_json::to_string(&Ok::<_, Refusal>(answer)),
            Err(CommandError::Refused(refusal)) => serde_json::to_string(&Err::<Answer, _>(refusal)),
            Err(CommandError::Failed(_) | CommandError::Lacks(_)) => return result,
        };
        let unwritable = || super::ReplicaError::damaged("an answer does not encode");
        let record = Remembered { command: digest, result: told.map_err(|_| unwritable())? };
        let bytes = postcard::to_stdvec(&record).map_err(|_| unwritable())?;
        if !planted::is(Bug::KeyForgotten) {
            self.put(place, Some(bytes));
        }
        result
    }

    fn carry_or_lack(&mut self, now: Timestamp, command: Command, last: bool) -> Result<Answer, CommandError> {
        let result = self.carry(now, command);
        match result.map_err(|error| self.rightly(error)) {
            Err(CommandError::Refused(refusal)) if !last && self.can_be_mended(&refusal) => {
                Err(CommandError::Lacks(refusal))
            }
            Err(CommandError::Refused(mut refusal)) => {
                self.name_devices(&mut refusal);
                Err(CommandError::Refused(refusal))
            }
            other => other,
        }
    }

    /// Who may not spend at all is not told that its share is too small.
    fn rightly(&self, error: CommandError) -> CommandError {
        match error {
            CommandError::Refused(refusal) => self.refuse_rightly(*refusal).into(),
            other => other,
        }
    }

    fn refuse_rightly(&self, refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::InsufficientShare { shop, .. } if !self.may_write(Scope::Shop(shop)) => {
                Refusal::NotAllowed { needs: format!("a device of shop {shop}") }
            }
            other => other,
        }
    }

    fn carry(&mut self, now: Timestamp, command: Command) -> Result<Answer, CommandError> {
        let holder = self.holder();
        match command {
            Command::AddShop { shop, name, town } => {
                self.need_authority()?;
                let (shop, plans) = self.fold.book.plan_shop(shop, &name, town.as_deref())?;
                self.carry_all(now, &plans)?;
                Ok(Answer::Shop(self.shop_view(shop)?))
            }
            Command::AddSim { sim, operator, shop, opening } => {
                let shop = self.acting_shop(shop)?;
                let plans = self.fold.book.plan_sim(&sim, operator, shop, &opening, now)?;
                self.carry_all(now, &plans)?;
                Ok(Answer::Balance(self.balance_view(&sim, now)?))
            }
            Command::Move { sim, kind, agent } => {
                let shop = self.shop_of_sim(&sim)?;
                let planned = PlannedMovement { shop, sim, kind, at: now, agent, old_id: None, reversed: None };
                let plan = self.fold.book.plan_movement(shop, planned, &holder)?;
                self.do_movement(now, &plan)
            }
            Command::ValidateCapture { movement } => {
                let plan = self.fold.book.plan_validation(&movement, holder, now)?;
                self.do_movement(now, &plan)
            }
            Command::Reimburse { movement } => {
                let plan = self.fold.book.plan_reimbursement(&movement, now)?;
                self.do_movement(now, &plan)
            }
            Command::ReverseMovement { movement, why, agent } => {
                let plan = self.fold.book.plan_movement_reversal(&movement, holder, &why, agent)?;
                self.do_movement(now, &plan)
            }
            Command::Grant(request) => {
                let shop = self.shop_of_sim(&request.sim)?;
                let plan = self.fold.book.plan_grant(shop, request, &holder, now)?;
                self.do_credit(now, &plan)
            }
            Command::Pay { credit, amount, mode, reference, agent } => {
                let plan = self.fold.book.plan_payment(&credit, &amount, mode, reference, agent, now)?;
                self.do_credit(now, &plan)
            }
            Command::ReversePayment { credit, payment, why, agent } => {
                let plan = self.fold.book.plan_payment_reversal(&credit, &payment, &why, agent)?;
                self.do_credit(now, &plan)
            }
            Command::Cancel { credit, why, agent } => {
                let plan = self.fold.book.plan_cancellation(&credit, &why, agent, now)?;
                self.do_credit(now, &plan)
            }
            Command::Edit { credit, edits, agent } => {
                let plan = self.fold.book.plan_edit(&credit, &edits, agent)?;
                self.do_credit(now, &plan)
            }
            Command::Resolve { conflict, decision, why, agent } => {
                let found = self.find_conflict(&conflict)?;
                let plans = self.fold.book.plan_resolution(&found, decision, &why, agent, now)?;
                self.carry_all(now, &plans)?;
                let found = self.conflict_now(found);
                Ok(Answer::Conflict(Box::new(self.conflict_view(&found))))
            }
            Command::Import { session, dry_run, rows } => self.import(now, session, dry_run, &rows),
            Command::NameGateway { shop, device } => self.name_gateway(now, shop, &device),
            Command::Report { by, shop, rows } => self.take_report(now, &by, shop, &rows),
            Command::Download { by, shop, since } => self.download(now, &by, shop, since),
            Command::Invite { shop, new_shop, role, read, expires_in_ms, addresses } => {
                self.invite(now, shop, new_shop, role, read, expires_in_ms, addresses)
            }
            Command::GiveShare { sim, amount, to } => self.give_share(now, &sim, amount, &to),
            Command::AskShare { sim, amount } => self.ask_share(&sim, amount),
            Command::ReturnCredit { credit } => {
                let plan = self.fold.book.plan_return(&credit, holder, now)?;
                self.do_credit(now, &plan)
            }
            Command::MoveSim { sim, shop } => {
                let plans = self.fold.book.plan_sim_move(&sim, shop, &holder, now)?;
                self.carry_all(now, &plans)?;
                Ok(Answer::Balance(self.balance_view(&sim, now)?))
            }
            Command::CloseDevice { device, successor, insist } => {
                self.close_device(now, &device, successor.as_deref(), insist)
            }
            Command::RevokeDevice { device } => self.revoke(now, &device),
            Command::RenameDevice { device, name } => self.rename(now, &device, &name),
            Command::PutLocal { key, value } => self.put_local(&key, value),
            Command::Repair => {
                // What this step has staged so far is part of the entries.
                self.write()?;
                self.rebuild()?;
                Ok(Answer::Done)
            }
        }
    }

    fn do_movement(&mut self, now: Timestamp, plan: &Plan) -> Result<Answer, CommandError> {
        let made = self.carry_out(now, plan)?;
        let movement = match plan {
            Plan::OnMovement { movement, .. } => Some(*movement),
            _ => made.movement,
        };
        let record = movement.and_then(|id| self.fold.book.movement(&id));
        let record = record.ok_or_else(|| super::ReplicaError::damaged("a movement just written is not there"))?;
        Ok(Answer::Movement(queries::movement_view(&self.fold, record)))
    }

    fn do_credit(&mut self, now: Timestamp, plan: &Plan) -> Result<Answer, CommandError> {
        let made = self.carry_out(now, plan)?;
        let id = match plan {
            Plan::OnCredit { credit, .. } => Some(*credit),
            _ => made.credit,
        };
        let credit = id.and_then(|id| self.fold.book.credit(&id));
        let credit = credit.ok_or_else(|| super::ReplicaError::damaged("a credit just written is not there"))?;
        Ok(Answer::Credit(Box::new(self.credit_view(credit, now))))
    }

    pub(super) fn carry_all(&mut self, now: Timestamp, plans: &[Plan]) -> Result<(), CommandError> {
        // Rights and fields first, for all: a command is done whole or not at all.
        plans.iter().try_for_each(|plan| self.check_plan(plan))?;
        plans.iter().try_for_each(|plan| self.carry_out(now, plan).map(|_| ()))
    }

    /// Whether a plan may be written: by right, and by what its fields hold.
    pub(super) fn check_plan(&self, plan: &Plan) -> Result<(), Refusal> {
        self.check_right(plan)?;
        plan.check_fields()
    }

    fn check_right(&self, plan: &Plan) -> Result<(), Refusal> {
        let scope = match plan {
            Plan::Registry { operation, by_authority } => return self.check_registry_right(operation, *by_authority),
            Plan::Shop { shop, .. } | Plan::Grant { shop, .. } | Plan::OnCredit { shop, .. } => Scope::Shop(*shop),
            Plan::Movement(movement) => Scope::Shop(movement.shop),
            Plan::OnMovement { movement, .. } => match self.fold.book.movement(movement) {
                Some(record) => Scope::Shop(record.shop),
                None => return Err(Refusal::UnknownMovement { key: movement.to_string() }),
            },
        };
        if self.may_write(scope) {
            return Ok(());
        }
        let needs = match scope {
            Scope::Registry => "a device that writes".to_owned(),
            Scope::Shop(shop) => format!("a device of shop {shop}"),
        };
        Err(Refusal::NotAllowed { needs })
    }

    /// Asks of an own operation on the registry what every other device will ask of it.
    fn check_registry_right(&self, operation: &Operation, by_authority: bool) -> Result<(), Refusal> {
        let writer = match (&self.identity.authority_key, by_authority) {
            (Some(authority), true) => authority.public(),
            (None, true) => return self.need_authority(),
            (_, false) => self.device(),
        };
        let writes = self.fold.registry.may_write(&writer, Scope::Registry);
        // The founding itself makes the first certificate; until then only the authority's log exists.
        if !writes || self.fold.registry.judge(operation, &writer).is_err() {
            return Err(Refusal::NotAllowed { needs: needed_for(operation) });
        }
        Ok(())
    }

    /// Writes a plan that was decided: its entries, and what they make of the books.
    pub(super) fn carry_out(&mut self, now: Timestamp, plan: &Plan) -> Result<Made, CommandError> {
        self.check_right(plan)?;
        let mut made = Made::default();
        match plan {
            Plan::Registry { operation, by_authority } => {
                let log = if *by_authority { self.authority_log() } else { None };
                let log = log.unwrap_or_else(|| self.own_log(Scope::Registry));
                self.write_operation(now, &log, &DocumentId::Registry, operation)?;
            }
            Plan::Shop { shop, operation } => {
                let log = self.own_log(Scope::Shop(*shop));
                self.write_operation(now, &log, &DocumentId::Shop(*shop), operation)?;
            }
            Plan::Movement(movement) => made.movement = Some(self.write_movement(now, movement)?),
            Plan::OnMovement { movement, operation } => {
                let record = self.fold.book.movement(movement);
                let record = record.ok_or_else(|| Refusal::UnknownMovement { key: movement.to_string() })?;
                let document =
                    DocumentId::SimMonth { shop: record.shop, sim: record.sim.clone(), month: Month::of(record.at) };
                let log = self.own_log(Scope::Shop(record.shop));
                self.write_operation(now, &log, &document, operation)?;
            }
            Plan::Grant { shop, grant, then } => {
                let id = self.write_grant(now, *shop, grant)?;
                for step in then {
                    self.write_step(now, *shop, id, step)?;
                }
                made.credit = Some(id);
            }
            Plan::OnCredit { shop, credit, step } => self.write_step(now, *shop, *credit, step)?,
        }
        Ok(made)
    }

    fn write_movement(&mut self, now: Timestamp, planned: &PlannedMovement) -> Result<MovementId, CommandError> {
        let log = self.own_log(Scope::Shop(planned.shop));
        let id = movement_id(&log, self.run, self.logs.head(&log).number + 1);
        let document =
            DocumentId::SimMonth { shop: planned.shop, sim: planned.sim.clone(), month: Month::of(planned.at) };
        self.write_operation(now, &log, &document, &Operation::Move(planned.with_id(id)))?;
        if let Some(why) = &planned.reversed {
            let operation = Operation::ReverseMovement { movement: id, why: why.clone(), agent: planned.agent.clone() };
            self.write_operation(now, &log, &document, &operation)?;
        }
        Ok(id)
    }

    fn write_grant(
        &mut self,
        now: Timestamp,
        shop: ShopId,
        grant: &crate::model::Grant,
    ) -> Result<CreditId, CommandError> {
        let log = self.own_log(Scope::Shop(shop));
        let stamp = self.clock.next(now);
        let operation = Operation::Grant(grant.clone());
        let empty = DocumentId::Credit { shop, id: CreditId([0; 10]) };
        let change = crate::document::DocumentState::new(empty).write(&operation, self.actor(&log), stamp.time());
        let id = credit_id(&log, self.logs.head(&log).number + 1, &change);
        self.append(now, &log, DocumentId::Credit { shop, id }, stamp, change)?;
        Ok(id)
    }

    fn write_step(
        &mut self,
        now: Timestamp,
        shop: ShopId,
        credit: CreditId,
        step: &CreditStep,
    ) -> Result<(), CommandError> {
        let log = self.own_log(Scope::Shop(shop));
        let id = match step {
            CreditStep::Pay { reported: Some(reported), .. } => reported.payment_id(&credit),
            _ => payment_id(&log, self.run, self.logs.head(&log).number + 1),
        };
        self.write_operation(now, &log, &DocumentId::Credit { shop, id: credit }, &step.operation(id))
    }

    fn write_operation(
        &mut self,
        now: Timestamp,
        log: &LogId,
        document: &DocumentId,
        operation: &Operation,
    ) -> Result<(), CommandError> {
        operation.check_fields().map_err(Refusal::from)?;
        let stamp = self.clock.next(now);
        self.fold.open(&self.logs, document)?;
        let actor = self.actor(log);
        let state = self.fold.document(document);
        let state = state.ok_or_else(|| super::ReplicaError::damaged("a document did not open"))?;
        let change = state.write(operation, actor, stamp.time());
        self.append(now, log, document.clone(), stamp, change)
    }

    fn append(
        &mut self,
        now: Timestamp,
        log: &LogId,
        document: DocumentId,
        stamp: crate::model::Hlc,
        change: Vec<u8>,
    ) -> Result<(), CommandError> {
        let body = Body { stamp, wall: now, run: self.run, document, change };
        self.clock = stamp;
        let (at, _) = self.logs.append(log, &body);
        self.fold.take(&self.logs, at, log, &Ok(body))?;
        self.fold.finish(&self.logs)?;
        // What was decided here must hold here: an own entry that does not is taken back before anyone hears of it.
        if self.fold.set_aside().contains_key(&at) || self.fold.is_waiting(&at) {
            let actor = self.actor(log);
            self.fold.forget(&at, &actor);
            self.logs.retract(log);
            return Err(Refusal::NotAllowed { needs: "what the documents already say".to_owned() }.into());
        }
        Ok(())
    }

    /// The shop a command acts for: that named, else this device's own.
    pub(super) fn acting_shop(&self, named: Option<ShopId>) -> Result<ShopId, Refusal> {
        let own = self.own_standing().map(|(shop, ..)| shop);
        let shop = named.or(own).ok_or_else(|| Refusal::NotAllowed { needs: "a certificate".to_owned() })?;
        self.fold.book.shops().get(&shop).map(|_| shop).ok_or(Refusal::UnknownShop { shop })
    }

    /// The shop that a command on a SIM acts for: this device's own, or the SIM's where the device writes for all.
    pub(super) fn shop_of_sim(&self, sim: &crate::model::SimNumber) -> Result<ShopId, Refusal> {
        let owner = self.fold.book.sims().get(sim).map(|known| known.shop);
        match owner {
            Some(owner) if self.may_write(Scope::Shop(owner)) => Ok(owner),
            _ => self.acting_shop(None),
        }
    }

    pub(super) fn need_authority(&self) -> Result<(), Refusal> {
        if self.identity.authority_key.is_some() {
            return Ok(());
        }
        Err(Refusal::NotAllowed { needs: "the head office's device".to_owned() })
    }

    fn put_local(&mut self, name: &str, value: Option<Vec<u8>>) -> Result<Answer, CommandError> {
        let too_long = name.is_empty()
            || name.len() > LOCAL_NAME_MAX
            || value.as_ref().is_some_and(|value| value.len() > LOCAL_BYTES_MAX);
        if too_long {
            let fault = crate::model::FieldError::malformed("local", "a short name and at most 4 kB");
            return Err(Refusal::Field(fault).into());
        }
        self.put(keys::local(name), value);
        Ok(Answer::Done)
    }

    fn import(
        &mut self,
        now: Timestamp,
        session: u64,
        dry_run: bool,
        rows: &[ImportRow],
    ) -> Result<Answer, CommandError> {
        if dry_run {
            return Ok(Answer::Imported(self.rehearse(now, session, rows)));
        }
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in rows {
            let planned = self.fold.book.plan_row(row, &self.holder());
            outcomes.push(match planned {
                Err(refusal) => RowOutcome::Refused(self.refuse_rightly(refusal)),
                Ok(RowPlan::Unchanged) => RowOutcome::Unchanged,
                Ok(RowPlan::Do(plans)) => match self.carry_all(now, &plans) {
                    Ok(()) => RowOutcome::Created,
                    Err(CommandError::Refused(refusal)) => RowOutcome::Refused(*refusal),
                    Err(failed) => return Err(failed),
                },
            });
        }
        Ok(Answer::Imported(outcomes))
    }

    /// Judges rows against books of their own, in which what earlier rows of the session would have done is done.
    fn rehearse(&mut self, now: Timestamp, session: u64, rows: &[ImportRow]) -> Vec<RowOutcome> {
        let (_, mut book) = match self.rehearsal.take() {
            Some(rehearsal) if rehearsal.0 == session => rehearsal,
            _ => (session, self.fold.book.clone()),
        };
        let holder = self.holder();
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in rows {
            outcomes.push(match book.plan_row(row, &holder) {
                Err(refusal) => RowOutcome::Refused(self.refuse_rightly(refusal)),
                Ok(RowPlan::Unchanged) => RowOutcome::Unchanged,
                Ok(RowPlan::Do(plans)) => match plans.iter().try_for_each(|plan| {
                    self.check_right(plan)?;
                    plan.check_fields()
                }) {
                    Err(refusal) => RowOutcome::Refused(refusal),
                    Ok(()) => {
                        plans.iter().for_each(|plan| rehearse(&mut book, plan, holder, now));
                        book.settle();
                        RowOutcome::Created
                    }
                },
            });
        }
        self.rehearsal = Some((session, book));
        outcomes
    }
}

/// Numbers of entries that are never written.
const REHEARSED: u64 = 1 << 62;

/// Does a plan to a book that is only a rehearsal: nothing has an entry, so ids are made of counts.
fn rehearse(book: &mut Book, plan: &Plan, holder: Holder, now: Timestamp) {
    let count = book.credit_count() as u64 + book.movement_count() as u64;
    let mut id = [0xff; 10];
    id[..8].copy_from_slice(&count.to_be_bytes());
    let origin = Origin {
        stamp: crate::model::Hlc::at(now),
        device: holder.device,
        incarnation: holder.incarnation,
        // After every entry that is there: a share is counted in the order of its holder's log.
        number: REHEARSED + 2 * count,
        wall: now,
    };
    let stamped = |operation| Stamped { operation, origin };
    let next = |operation| Stamped { operation, origin: Origin { number: origin.number + 1, ..origin } };
    match plan {
        Plan::Registry { operation: Operation::AddShop { shop, name }, .. } => {
            book.put_shop(crate::ledger::Shop { id: *shop, name: name.clone(), town: None, origin });
        }
        Plan::Registry { operation: Operation::AddSim { sim, operator, shop }, .. } => {
            let (number, operator, shop) = (sim.clone(), *operator, *shop);
            book.put_sim(crate::model::Sim { number, operator, shop, active: true, origin });
        }
        Plan::Shop { shop, operation: Operation::DescribeShop { town } } => book.set_town(*shop, town.clone()),
        Plan::Movement(planned) => {
            let movement = MovementId(id);
            let mut operations = vec![stamped(Operation::Move(planned.with_id(movement)))];
            if let Some(why) = &planned.reversed {
                let why = why.clone();
                operations.push(next(Operation::ReverseMovement { movement, why, agent: None }));
            }
            if let Some(record) = fold_movement(movement, planned.shop, &planned.sim, &operations, |_| true) {
                book.put_movement(record);
            }
        }
        Plan::Grant { shop, grant, then } => {
            let mut operations = vec![stamped(Operation::Grant(grant.clone()))];
            operations.extend(then.iter().map(|step| next(step.operation(crate::model::PaymentId(id)))));
            let visible = std::collections::BTreeMap::from([(Register::Status, vec![operations.len() - 1])]);
            let history = History { operations: &operations, visible, seen: Vec::new() };
            if let Some(credit) = fold_credit(CreditId(id), *shop, &history, |_| true) {
                book.put_credit(credit);
            }
        }
        // An import plans nothing else.
        _ => {}
    }
}

/// The right that an operation on the registry needs.
fn needed_for(operation: &Operation) -> String {
    match operation {
        Operation::AddSim { shop, .. } => format!("a device of shop {shop}"),
        Operation::AddShop { .. } | Operation::Found { .. } => "the head office's device".to_owned(),
        _ => "the shop's manager's or the head office's device".to_owned(),
    }
}

/// What identifies a command: the same key with another command is a mistake to be told of.
pub(super) fn fingerprint(command: &Command) -> [u8; 32] {
    let bytes = postcard::to_stdvec(command).unwrap_or_else(|error| unreachable!("commands encode: {error}"));
    blake3::derive_key("ucash/v1/command", &bytes)
}

fn remembered(bytes: &[u8], digest: &[u8; 32]) -> Result<Answer, CommandError> {
    let unreadable = |_| super::ReplicaError::damaged("a remembered answer is unreadable");
    let record: Remembered =
        postcard::from_bytes(bytes).map_err(|_| super::ReplicaError::damaged("a remembered answer is unreadable"))?;
    if record.command != *digest {
        return Err(Refusal::KeyReused.into());
    }
    let result: Result<Answer, Refusal> = serde_json::from_str(&record.result).map_err(unreadable)?;
    Ok(result?)
}
