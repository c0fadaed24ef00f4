//! The invariants, each a function with what it holds to; [`INVARIANTS`] lists them in the order in which they are
//! asked. The numbers are those of the invariants of the network (I1 to I10); those without a function here are held
//! to elsewhere: that nothing panics (I7) by the run itself, and evidence of forks (I10) once forks are kept.

use std::collections::BTreeMap;

use crate::lab::auditor::asks::{Ask, Asks, bears, names};
use crate::lab::auditor::books::{Books, Kind, Said, Standing, Words, last_words, not_looked_at, shown_word};
use crate::lab::auditor::seen::{Glimpse, Proof};
use crate::lab::auditor::sums::{
    accounts_add_up, credits_add_up, nothing_overdrawn_when_healed, shares_add_up, statistics_add_up,
};
use crate::lab::auditor::{Readers, Shown, asks, cents, taking};
use crate::ledger::Refusal;
use crate::model::{CreditStatus, ShopId};
use crate::replica::{Answer, Command, CreditView, MovementView};

/// What is found: nothing, or a sentence.
pub type Found = Result<(), String>;

/// A function that holds to an invariant, and what it is given.
pub enum Check {
    /// An answer has come; the books do not know it yet.
    Answered(fn(&Answered<'_>) -> Found),
    /// An answer was taken in.
    Acknowledged(fn(&Acknowledged<'_>) -> Found),
    /// A device has made a step: which of its own shares are below zero.
    Held(fn(&[String]) -> Found),
    /// A device has made a step.
    Stepped(fn(&Proof, &Glimpse<'_>) -> Found),
    /// Replicas were asked for all that they show.
    Looked(fn(&Result<Vec<Shown>, String>) -> Found),
    /// Everything was healed and is shown.
    Healed(fn(&Evidence<'_>) -> Found),
}

/// When an invariant is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At every answer.
    Answer,
    /// After every step of a device.
    Step,
    /// When everything was healed and is quiet.
    Healed,
}

/// Something that always holds.
pub struct Invariant {
    /// Its name, by which a failure is told.
    pub name: &'static str,
    /// Its number.
    pub number: &'static str,
    /// What it says.
    pub says: &'static str,
    pub(super) check: Check,
}

impl Invariant {
    /// When it is asked.
    pub fn when(&self) -> When {
        match self.check {
            Check::Answered(_) | Check::Acknowledged(_) => When::Answer,
            Check::Stepped(_) | Check::Held(_) => When::Step,
            Check::Looked(_) | Check::Healed(_) => When::Healed,
        }
    }
}

macro_rules! invariants {
    ($($number:literal $when:ident $check:ident, $says:literal;)+) => {
        /// Every invariant, in the order in which they are asked.
        pub const INVARIANTS: &[Invariant] = &[
            $(Invariant { name: stringify!($check), number: $number, says: $says, check: Check::$when($check) }),+
        ];
    };
}

invariants! {
    "I1" Answered answers_match_asks, "an answer is to something asked, once, and shows what was asked";
    "I1" Answered one_key_one_answer, "the same command under the same key has the same answer";
    "I9" Answered rules_are_kept, "a device does nothing that the rules refuse by what it shows itself";
    "I1" Answered acknowledged_once, "what is acknowledged as new was not there before";
    "I4" Acknowledged nothing_overdrawn, "no SIM is overdrawn by what was acknowledged anywhere";
    "I4" Held no_own_share_below_zero, "no device has spent more than its share, whatever it has not heard of";
    "I8" Stepped own_acknowledged_stays, "a device goes on showing what it acknowledged";
    "I8" Looked healed_replicas_work, "a healed replica writes, and shows what it is asked for";
    "I1" Healed everything_is_answered, "what was asked of a device that kept its power was answered";
    "I3" Healed nothing_set_aside, "of honest devices no entry is without effect, and none waits";
    "I8" Healed verified_sound, "every chain, signature and total is sound";
    "I1" Healed acknowledged_is_shown_once, "what was acknowledged is shown once by all who may read it";
    "I2" Healed nothing_unasked_is_shown, "nothing is shown that nobody asked for";
    "I3" Healed only_what_may_be_read_is_shown, "no device shows the money of a shop that it may not read";
    "I2" Healed credits_add_up, "what is paid, remains and is overpaid of each credit";
    "I6" Healed statuses_follow, "a status follows from sums and cancellations, alike everywhere";
    "I6" Healed words_were_said, "an edited field shows the last word of one who edited it";
    "I6" Healed clocks_decide_nothing, "of edits made apart the later stands, whatever a clock shows that is years off";
    "I2" Healed accounts_add_up, "what each SIM holds, and of what it is made";
    "I4" Healed shares_add_up, "shares, gifts on their way and amounts coming back make the balance";
    "I2" Healed statistics_add_up, "the sums of each shop";
    "I4" Healed nothing_overdrawn_when_healed, "no SIM is below zero by what stands";
    "I5" Healed one_state, "replicas that read the same agree on the state of it";
}

/// An answer that has come.
pub struct Answered<'a> {
    pub books: &'a Books,
    /// What it answers, if that was asked.
    pub ask: Option<&'a Ask>,
    pub ticket: u64,
    /// What came of the same key before.
    pub used: Option<(&'a Command, &'a Result<Answer, Refusal>)>,
    pub result: &'a Result<Answer, Refusal>,
}

/// An answer that was taken in.
pub struct Acknowledged<'a> {
    pub books: &'a Books,
    pub asks: &'a Asks,
    pub answer: &'a Answer,
}

/// What all show.
pub struct Evidence<'a> {
    pub books: &'a Books,
    pub readers: &'a Readers,
    pub shown: &'a [Shown],
    /// What was asked, not answered, and not lost.
    pub unanswered: Vec<String>,
}

fn must(holds: bool, sentence: impl FnOnce() -> String) -> Found {
    if holds { Ok(()) } else { Err(sentence()) }
}

/// I1, "every acknowledged credit is present": an acknowledgement that shows something other than what was asked for
/// acknowledges nothing.
fn answers_match_asks(answered: &Answered<'_>) -> Found {
    let Some(ask) = answered.ask else { return Err(format!("ticket {} was not asked", answered.ticket)) };
    let Ok(answer) = answered.result else { return Ok(()) };
    let fits = match (&ask.command, answer) {
        (Command::Grant(_), Answer::Credit(view)) => ask.grants(view),
        (Command::Pay { credit, .. }, Answer::Credit(view)) => {
            let again = answered.used.is_some() && view.payments.iter().any(|payment| ask.pays(view, payment));
            names(credit, view) && (again || taking::made_by(answered.books, ask, view).is_some())
        }
        (Command::ReversePayment { credit, .. }, Answer::Credit(view)) => {
            names(credit, view) && view.payments.iter().any(|payment| payment.reversed && ask.reverses(&payment.id))
        }
        (Command::Cancel { credit, .. }, Answer::Credit(view)) => {
            names(credit, view) && view.status == CreditStatus::Cancelled
        }
        (Command::Edit { credit, edits, .. }, Answer::Credit(view)) => {
            names(credit, view) && last_words(edits).iter().all(|(field, word)| shown_word(view, *field) == *word)
        }
        (Command::Move { kind, .. }, Answer::Movement(view)) => {
            let counts = asks::kept_kind(kind).is_some_and(|(_, _, counts)| counts);
            ask.moves(view) && view.counts == counts
        }
        (Command::ValidateCapture { .. }, Answer::Movement(view)) => ask.is_on(&view.id) && view.counts,
        (Command::Reimburse { .. }, Answer::Movement(view)) => {
            ask.is_on(&view.id) && view.state.as_deref() == Some("rembourse")
        }
        (Command::ReverseMovement { .. }, Answer::Movement(view)) => {
            ask.is_on(&view.id) && view.reversed && !view.counts
        }
        (Command::AddSim { sim, .. }, Answer::Balance(view)) => view.sim == sim.as_str(),
        (
            Command::Grant(_)
            | Command::Pay { .. }
            | Command::ReversePayment { .. }
            | Command::Cancel { .. }
            | Command::Edit { .. }
            | Command::Move { .. }
            | Command::ValidateCapture { .. }
            | Command::Reimburse { .. }
            | Command::ReverseMovement { .. }
            | Command::AddSim { .. },
            _,
        ) => false,
        // What moves no money is not audited.
        _ => true,
    };
    must(fits, || format!("{}: {:?} was answered {answer:?}", ask.name(), ask.command))
}

/// I1, "present, once": a command asked again under its key is the same command, and a key is not used for another.
fn one_key_one_answer(answered: &Answered<'_>) -> Found {
    let (Some(ask), Some((command, before))) = (answered.ask, answered.used) else { return Ok(()) };
    if matches!(answered.result, Err(refusal) if not_looked_at(refusal)) {
        return Ok(());
    }
    let expected = if *command == ask.command { before } else { &Err(Refusal::KeyReused) };
    must(answered.result == expected, || {
        format!("{}, key {:?}: {:?}, and before {expected:?}", ask.name(), ask.key, answered.result)
    })
}

/// I9, a refused item leaves the books unchanged, so what must be refused is never acknowledged. Judged by what the
/// device itself shows in its answer, since what others did apart it cannot know.
fn rules_are_kept(answered: &Answered<'_>) -> Found {
    let (Some(ask), None, Ok(answer)) = (answered.ask, answered.used, answered.result) else { return Ok(()) };
    let books = answered.books;
    let zero = |text: &str| cents::shown(text) == Ok(0);
    // Or by who took over from a device that was closed.
    let recorder = |view: &MovementView| {
        let kept = books.movements.get(&view.id);
        kept.is_none_or(|kept| kept.device == ask.device || books.is_shaken(kept.shop))
    };
    let kept = match (&ask.command, answer) {
        (Command::Grant(request), Answer::Credit(view)) => {
            let first = books.granted_as(ask.device, view.shop_id, request.reference.as_str());
            cents::of(request.amount) > 0 && first.is_none_or(|first| first == view.id)
        }
        (Command::Pay { amount, .. }, Answer::Credit(view)) => {
            let positive = cents::typed(amount).is_some_and(|cents| cents > 0);
            positive && zero(&view.overpaid) && view.status != CreditStatus::Cancelled
        }
        (Command::ReversePayment { .. }, Answer::Credit(view)) => view.status != CreditStatus::Cancelled,
        (Command::Cancel { .. }, Answer::Credit(view)) => zero(&view.paid),
        (Command::Move { .. }, Answer::Movement(view)) => cents::shown(&view.amount)? > 0,
        (Command::ValidateCapture { .. } | Command::ReverseMovement { .. }, Answer::Movement(view)) => recorder(view),
        _ => true,
    };
    must(kept, || format!("{}: {:?} is against the rules and was answered {answer:?}", ask.name(), ask.command))
}

/// I1, "present, once": two grants are never one credit, two movements never one movement.
fn acknowledged_once(answered: &Answered<'_>) -> Found {
    let (Some(ask), None, Ok(answer)) = (answered.ask, answered.used, answered.result) else { return Ok(()) };
    let known = match (&ask.command, answer) {
        (Command::Grant(_), Answer::Credit(view)) => {
            answered.books.credits.get(&view.id).is_some_and(|known| !known.claimed)
        }
        (Command::Move { .. }, Answer::Movement(view)) => {
            answered.books.movements.get(&view.id).is_some_and(|known| !known.claimed)
        }
        _ => false,
    };
    must(!known, || format!("{} was answered with what was acknowledged before: {answer:?}", ask.name()))
}

/// I4, "for every SIM, spent <= share at every device, always (also mid-partition)": over the union of all that was
/// acknowledged anywhere, what was taken never exceeds what was put in. What is in doubt counts in the devices' favour.
fn nothing_overdrawn(acknowledged: &Acknowledged<'_>) -> Found {
    let (sim, currency) = match acknowledged.answer {
        Answer::Credit(view) => (&view.sim, view.currency),
        Answer::Movement(view) => (&view.sim, view.currency),
        _ => return Ok(()),
    };
    let shop = acknowledged.books.sims.get(sim).map(|sim| sim.shop);
    if shop.is_some_and(|shop| acknowledged.books.is_shaken(shop)) {
        return Ok(());
    }
    let Some(room) = acknowledged.books.room(sim, currency) else { return Ok(()) };
    let perhaps = acknowledged.asks.perhaps(acknowledged.books, sim, currency);
    must(room + perhaps >= 0, || {
        format!("SIM {sim} is overdrawn by {} {currency}, over all that was acknowledged", cents::text(-room - perhaps))
    })
}

/// I8, "after crash, open() gives acked prefix or a loud error, never a shorter ledger silently"; and at any other time.
fn own_acknowledged_stays(proof: &Proof, glimpse: &Glimpse<'_>) -> Found {
    must(proof.is_in(glimpse), || format!("the device acknowledged {proof:?} and does not show it"))
}

/// I8, "open() gives acked prefix or a loud error": a replica whose disk failed was opened again by the time all is
/// healed, and refuses no look.
fn healed_replicas_work(looked: &Result<Vec<Shown>, String>) -> Found {
    looked.as_ref().map(|_| ()).map_err(Clone::clone)
}

/// I4, "spent <= share at every device, always (also mid-partition)".
fn no_own_share_below_zero(below: &[String]) -> Found {
    must(below.is_empty(), || format!("the device has spent more than its share: {below:?}"))
}

/// I1: a command that waits for others to give is answered in the end.
fn everything_is_answered(evidence: &Evidence<'_>) -> Found {
    must(evidence.unanswered.is_empty(), || format!("never answered: {:?}", evidence.unanswered))
}

/// I3 and I9: without hostile devices nothing is kept without effect, and nothing waits for what never comes.
fn nothing_set_aside(evidence: &Evidence<'_>) -> Found {
    for shown in evidence.shown {
        must(shown.set_aside.is_empty(), || format!("device {} has set aside {:?}", shown.device, shown.set_aside))?;
        must(shown.status.waiting == 0, || {
            format!("on device {} {} entries wait", shown.device, shown.status.waiting)
        })?;
    }
    Ok(())
}

/// I3 and I8: what each replica holds proves itself, and what it shows is all that it holds.
fn verified_sound(evidence: &Evidence<'_>) -> Found {
    for Shown { device, verified, credits, movements, status, .. } in evidence.shown {
        let listed = [credits.len() as u64, movements.len() as u64];
        must(status.credits == listed[0], || {
            format!("device {device} says that it holds {} credits and lists {}", status.credits, listed[0])
        })?;
        let Some(verified) = verified else { continue };
        must(verified.sound && verified.faults.is_empty(), || format!("device {device}: {:?}", verified.faults))?;
        let held = [verified.credits, verified.movements];
        must(held == listed, || format!("device {device} holds credits, movements {held:?} and lists {listed:?}"))?;
    }
    Ok(())
}

/// I1, "every acknowledged credit is present, once, on every replica authorised for it, after healing"; and every
/// payment, reversal, SIM and movement likewise.
fn acknowledged_is_shown_once(evidence: &Evidence<'_>) -> Found {
    let books = evidence.books;
    for shown in evidence.shown {
        let device = shown.device;
        let once = |what: &dyn std::fmt::Display, count: usize| {
            must(count == 1, || format!("device {device} shows {what} {count} times"))
        };
        let credits = shown.by_credit();
        let movements = shown.by_movement();
        let asked_for = |shop: ShopId| evidence.readers.reads(device, shop) && !books.is_shaken(shop);
        for (id, kept) in books.credits.iter().filter(|(_, kept)| asked_for(kept.shop)) {
            let views = credits.get(id).map(Vec::as_slice).unwrap_or_default();
            once(id, views.len())?;
            for view in views {
                let same = bears(&view.reference, &kept.reference)
                    && cents::shown(&view.amount)? == kept.cents
                    && (view.currency, view.sim.as_str(), view.shop_id)
                        == (kept.currency, kept.sim.as_str(), kept.shop);
                must(same, || format!("device {device} shows {view:?}, acknowledged was {kept:?}"))?;
                for payment in &kept.payments {
                    once(payment, view.payments.iter().filter(|shown| shown.id == *payment).count())?;
                }
            }
        }
        for (id, kept) in &books.payments {
            let credit = books.credits.get(&kept.credit).filter(|credit| evidence.readers.reads(device, credit.shop));
            let views = credit.and_then(|_| credits.get(&kept.credit)).into_iter().flatten();
            // What took it back may be from beyond the end of a closed log.
            let shaken = credit.is_some_and(|credit| books.is_shaken(credit.shop));
            for payment in views.flat_map(|view| &view.payments).filter(|payment| payment.id == *id) {
                let reversed = payment.reversed >= kept.reversed || shaken;
                let same = cents::shown(&payment.amount)? == kept.cents && reversed;
                must(same, || format!("device {device} shows {payment:?}, acknowledged was {kept:?}"))?;
            }
        }
        for (id, kept) in books.movements.iter().filter(|(_, kept)| asked_for(kept.shop)) {
            let views = movements.get(id).map(Vec::as_slice).unwrap_or_default();
            once(id, views.len())?;
            for view in views {
                let validated = view.state.as_deref() == Some("validee");
                let reimbursed = view.state.as_deref() == Some("rembourse");
                let same = view.kind == kept.kind.word()
                    && cents::shown(&view.amount)? == kept.cents
                    && (view.currency, view.sim.as_str(), view.shop_id)
                        == (kept.currency, kept.sim.as_str(), kept.shop)
                    && view.reversed >= kept.reversed
                    && (kept.kind != Kind::Capture || validated >= kept.validated)
                    && reimbursed >= kept.reimbursed;
                must(same, || format!("device {device} shows {view:?}, acknowledged was {kept:?}"))?;
            }
        }
        for number in books.sims.keys() {
            once(number, shown.sims.iter().filter(|view| view.sim == *number).count())?;
        }
    }
    Ok(())
}

/// I2, "sum of entries == model ledger", and I9, "a refused item leaves the books unchanged": what is shown was
/// acknowledged, or was in doubt.
fn nothing_unasked_is_shown(evidence: &Evidence<'_>) -> Found {
    for shown in evidence.shown {
        let unasked = |what: String| format!("device {} shows {what}, which nobody asked for", shown.device);
        for view in &shown.credits {
            let kept = evidence.books.credits.get(&view.id);
            let kept = kept.ok_or_else(|| unasked(format!("credit {} ({})", view.id, view.reference)))?;
            for payment in &view.payments {
                let known = evidence.books.payments.get(&payment.id).filter(|known| known.credit == view.id);
                let known = known.ok_or_else(|| unasked(format!("payment {payment:?} of {}", view.id)))?;
                let known_reversed = known.reversed || evidence.books.is_shaken(kept.shop);
                must(known_reversed || !payment.reversed, || unasked(format!("the reversal of {payment:?}")))?;
            }
            let cancellation = !kept.cancellations.is_empty() || kept.perhaps_cancelled;
            must(cancellation || view.status != CreditStatus::Cancelled, || {
                unasked(format!("the cancellation of {}", view.id))
            })?;
        }
        for view in &shown.sims {
            must(evidence.books.sims.contains_key(&view.sim), || unasked(format!("SIM {}", view.sim)))?;
        }
        for view in shown.movements.iter().filter(|view| !taking::is_share(view)) {
            unasked_movement(evidence.books, view).map_err(unasked)?;
        }
        for (number, sim) in &evidence.books.sims {
            let openings = shown.movements.iter().filter(|view| view.kind == "opening" && view.sim == *number);
            let mut found: Vec<_> = openings.map(|view| (view.currency, cents::shown(&view.amount))).collect();
            found.sort();
            let kept: Vec<_> = sim.opening.iter().map(|(currency, cents)| (*currency, Ok(*cents))).collect();
            let reads = evidence.readers.reads(shown.device, sim.shop) && !evidence.books.has_moved(number);
            must(!reads || found == kept, || unasked(format!("opening balances {found:?} of {number}, not {kept:?}")))?;
        }
    }
    Ok(())
}

fn unasked_movement(books: &Books, view: &MovementView) -> Result<(), String> {
    let Some(kept) = books.movements.get(&view.id) else { return Err(format!("movement {view:?}")) };
    let shaken = books.is_shaken(kept.shop);
    let fits = shaken || (kept.reversed || !view.reversed) && view.counts == kept.counts() && !view.set_aside;
    must(fits, || format!("movement {view:?} (acknowledged was {kept:?})"))
}

/// I3: what a device may not read does not reach it.
fn only_what_may_be_read_is_shown(evidence: &Evidence<'_>) -> Found {
    for Shown { device, credits, movements, .. } in evidence.shown {
        let credits = credits.iter().map(|view| (view.shop_id, view.id.to_string()));
        let movements = movements.iter().map(|view| (view.shop_id, view.id.to_string()));
        for (shop, what) in credits.chain(movements) {
            must(evidence.readers.reads(*device, shop), || format!("device {device} shows {what} of shop {shop}"))?;
        }
    }
    Ok(())
}

/// I6, "a wrong clock changes no decision beyond what the rules allow": where no cancellation competes with anything,
/// the sums decide, or the cancellation stands, whatever the clocks said; where one does, all decide alike.
fn statuses_follow(evidence: &Evidence<'_>) -> Found {
    let mut statuses = BTreeMap::new();
    for shown in evidence.shown {
        for view in &shown.credits {
            let Some(kept) = evidence.books.credits.get(&view.id) else { continue };
            if evidence.books.is_shaken(kept.shop) {
                continue;
            }
            let cancelled = view.status == CreditStatus::Cancelled;
            let fits = match evidence.books.standing(kept) {
                Standing::Cancelled => cancelled,
                Standing::Stands => follows(view, evidence.books.paid(kept), kept.cents),
                Standing::Either => cancelled || follows(view, evidence.books.paid(kept), kept.cents),
            };
            let times = view.cancelled_at.is_some() == cancelled
                && view.paid_at.is_some() == (view.status == CreditStatus::Paid);
            must(fits && times, || format!("device {} shows {view:?}, kept is {kept:?}", shown.device))?;
            let first = *statuses.entry(view.id).or_insert(view.status);
            must(first == view.status, || {
                format!("device {} shows {} as {:?}, another as {first:?}", shown.device, view.id, view.status)
            })?;
        }
    }
    Ok(())
}

/// Whether a status is what the sums make it. That a credit is overdue is a matter of time: it may be, if it has a due
/// date and is not paid.
fn follows(view: &CreditView, paid: i128, amount: i128) -> bool {
    match view.status {
        CreditStatus::Paid => paid >= amount,
        CreditStatus::PartlyPaid => 0 < paid && paid < amount,
        CreditStatus::Granted => paid == 0,
        CreditStatus::Overdue => paid < amount && view.due_at.is_some(),
        CreditStatus::Cancelled => false,
    }
}

/// I6 and I1: of each edited field one of the devices' last words stands, on all replicas.
fn words_were_said(evidence: &Evidence<'_>) -> Found {
    for shown in evidence.shown {
        for view in &shown.credits {
            let Some(kept) = evidence.books.credits.get(&view.id) else { continue };
            if evidence.books.is_shaken(kept.shop) {
                continue;
            }
            for (field, words) in &kept.words {
                let word = shown_word(view, *field);
                must(words.allow(&word), || {
                    format!("device {} shows {field:?} of {} as {word:?}; said was {words:?}", shown.device, view.id)
                })?;
            }
        }
    }
    Ok(())
}

/// I6: where all clocks of a shop are within bounds, the last word by a true clock stands; where one device's is further ahead
/// than the run is long, nothing that it said before stands against a later word of another.
fn clocks_decide_nothing(evidence: &Evidence<'_>) -> Found {
    let errors = &evidence.books.clock_errors;
    let wrong: Vec<usize> = (0..errors.len()).filter(|device| errors[*device] > BOUNDED_MS).collect();
    let within = errors.iter().copied().filter(|error| *error <= BOUNDED_MS).max().unwrap_or(0);
    for shown in evidence.shown {
        for view in &shown.credits {
            let Some(kept) = evidence.books.credits.get(&view.id) else { continue };
            // Two that are wrong may bear each other out.
            if wrong.iter().filter(|device| evidence.readers.is_of(**device, kept.shop)).count() > 1 {
                continue;
            }
            for (field, Words { said, doubtful, .. }) in &kept.words {
                let word = shown_word(view, *field);
                let said_once = |one: &Said| said.iter().filter(|other| other.word == one.word).count() == 1;
                // What says nothing new is not written.
                let is_plain = doubtful.is_empty() && said.iter().all(said_once);
                let Some(stands) = said.iter().find(|one| one.word == word).filter(|_| is_plain) else { continue };
                let last = said.iter().filter(|one| !wrong.contains(&one.device)).max_by_key(|one| one.at);
                let Some(last) = last.filter(|_| !evidence.books.is_shaken(kept.shop)) else { continue };
                let is_bound = !wrong.contains(&stands.device) || stands.ahead > evidence.books.run_ms;
                must(!is_bound || last.at - stands.at <= 2 * within + ANSWERED_MS, || {
                    let Said { word: later, at, .. } = last;
                    format!("{field:?} of {} is {word:?}, said at {}, and not {later:?} of {at}", view.id, stands.at)
                })?;
            }
        }
    }
    Ok(())
}

/// A clock is within bounds up to here: what others explain, less what they may be off themselves.
const BOUNDED_MS: i64 = 2 * 60_000;
/// Within this an edit is answered after it was stamped: a sync takes seconds.
const ANSWERED_MS: i64 = 60_000;

/// I5, "all healed replicas byte-equal (state root hash)": those that read all agree on all, and those that read a shop
/// on that shop.
fn one_state(evidence: &Evidence<'_>) -> Found {
    let mut all = None;
    let mut shops = BTreeMap::new();
    for Shown { device, status, .. } in evidence.shown {
        if evidence.readers.reads_all(*device) {
            let (first, digest) = *all.get_or_insert((*device, &status.state_digest));
            must(*digest == status.state_digest, || format!("devices {first} and {device} show different states"))?;
        }
        for (shop, digest) in status.shop_digests.iter().filter(|(shop, _)| evidence.readers.reads(*device, **shop)) {
            let (first, known) = *shops.entry(*shop).or_insert((*device, digest));
            must(known == digest, || format!("devices {first} and {device} show shop {shop} differently"))?;
        }
    }
    Ok(())
}
