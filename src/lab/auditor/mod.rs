//! Somebody who watches what the devices are asked and what they answer, keeps books of their own, and says what does
//! not add up.
//!
//! ```text
//! asked ───► asks ──answered──► books          in cents, from acknowledgements alone
//!              └──lost_power──► in doubt ──► settled by what is shown once everything is healed
//! stepped ───► does the device still show what it acknowledged?
//! healed ────► does everybody show what the books say, and nothing else?
//! ```
//!
//! A thing in doubt was asked and never answered, because the power went: it may be there or not, but wholly and on
//! all devices alike. What is shown settles it.
//!
//! What an auditor must never do, or they would be wrong together with those they audit:
//!
//! - share code with the ledger, or ask it for a sum: all that is read are shown views, decimal strings that are parsed
//!   here, and plain nouns by their ids; of `ledger` only the refusals that answers bear;
//! - look at the time: no stamp, clock or order of arrival decides anything here. Where the rules let timestamps decide
//!   (a payment and a cancellation that did not see each other), either outcome is right, and only that all devices
//!   show the same is asked for;
//! - believe a digest alone: equal digests say that replicas agree, the books say on what;
//! - repair or forgive: what is found is told with the facts, the first thing first.
//!
//! The invariants are listed in [`INVARIANTS`], with what each of them says.

mod asks;
mod books;
mod cents;
mod invariants;
mod seen;
mod shown;
mod sums;
mod taking;

pub use invariants::{INVARIANTS, Invariant, When};
pub use shown::Shown;

use std::collections::{BTreeMap, BTreeSet};

use crate::lab::Cast;
use crate::ledger::Refusal;
use crate::membership::ReadScope;
use crate::model::{DeviceKey, ShopId, Timestamp};
use crate::replica::{Answer, Command, Replica};
use crate::store::Store;
use asks::{Ask, Asks};
use books::Books;
use invariants::{Acknowledged, Answered, Check, Evidence};
use seen::{Glimpse, Proof};

/// How many of a device's latest acknowledgements are looked for after each of its steps.
const RECENT: usize = 8;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its name.
    pub invariant: &'static str,
    /// What was found.
    pub detail: String,
}

/// Who reads what.
#[derive(Clone, Debug)]
struct Readers(Vec<(ShopId, ReadScope)>);

impl Readers {
    /// Whether that device may read that shop's money.
    fn reads(&self, device: usize, shop: ShopId) -> bool {
        self.0.get(device).is_some_and(|(own, read)| *read == ReadScope::All || *own == shop)
    }

    /// Whether that device is one of that shop's: only their records judge its clocks.
    fn is_of(&self, device: usize, shop: ShopId) -> bool {
        self.0.get(device).is_some_and(|(own, _)| *own == shop)
    }

    fn reads_all(&self, device: usize) -> bool {
        self.0.get(device).is_some_and(|(_, read)| *read == ReadScope::All)
    }
}

/// What came of a command that bore a key.
#[derive(Clone, Debug)]
struct KeyUse {
    command: Command,
    result: Result<Answer, Refusal>,
}

/// The auditor of one run.
#[derive(Clone, Debug)]
pub struct Auditor {
    readers: Readers,
    skipped: BTreeSet<String>,
    books: Books,
    asks: Asks,
    keys: BTreeMap<(usize, String), KeyUse>,
    /// Keys that a device may have forgotten, or not: its disk was replaced by an older image.
    forgotten: BTreeMap<(usize, String), KeyUse>,
    /// By device: what it acknowledged, in order.
    proofs: BTreeMap<usize, Vec<Proof>>,
    /// Devices that were opened again and not yet looked at.
    reopened: BTreeSet<usize>,
}

impl Auditor {
    /// An auditor who knows the company. Its SIMs and what they hold at the start are taken as given.
    pub fn new(cast: &Cast) -> Auditor {
        Auditor {
            readers: Readers(cast.devices.iter().map(|device| (device.shop, device.read)).collect()),
            skipped: BTreeSet::new(),
            books: Books::new(cast),
            asks: Asks::default(),
            keys: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            proofs: BTreeMap::new(),
            reopened: BTreeSet::new(),
        }
    }

    /// Looks away from those invariants. For tests, and for what the network cannot do yet.
    #[must_use]
    pub fn skipping(mut self, names: &[&str]) -> Auditor {
        self.skipped.extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    /// By how much each device's clock may be off at most, and more than the run takes, in milliseconds: what a wrong
    /// one may not decide is asked for only where that is known.
    pub fn knows_clocks(&mut self, errors: Vec<i64>, run_ms: i64) {
        self.books.clock_errors = errors;
        self.books.run_ms = run_ms;
    }

    /// The true time in milliseconds, and by how much the clock of the device is ahead that is about to answer.
    pub fn moment(&mut self, at: i64, ahead: i64) {
        self.books.moment = Some((at, ahead));
    }

    /// A device was asked something.
    pub fn asked(&mut self, device: usize, ticket: u64, command: &Command, key: Option<&str>) {
        self.asks.put(device, ticket, command, key);
    }

    /// A device answered.
    pub fn answered(&mut self, device: usize, ticket: u64, result: &Result<Answer, Refusal>) -> Result<(), Broken> {
        let ask = self.asks.take(device, ticket);
        if let Some(place) = ask.as_ref().and_then(|ask| Some((device, ask.key.clone()?)))
            && let Some(known) = self.forgotten.remove(&place)
            && known.result == *result
        {
            self.keys.insert(place, known);
            return Ok(());
        }
        let used = ask.as_ref().and_then(|ask| self.keys.get(&(device, ask.key.clone()?)));
        let answered =
            Answered { books: &self.books, ask: ask.as_ref(), ticket, used: used.map(KeyUse::facts), result };
        self.check(|check| match check {
            Check::Answered(check) => Some(check(&answered)),
            _ => None,
        })?;
        let Some(ask) = ask else { return Ok(()) };
        match result {
            // Nothing was looked at: neither the command nor what its key was used for.
            Err(Refusal::ClockBefore2020 { .. } | Refusal::Busy) => return Ok(()),
            Err(Refusal::KeyReused) if ask.key.is_some() => return Ok(()),
            // The disk failed, before or after it was written.
            Err(Refusal::DiskFull | Refusal::ReadOnly { .. }) => {
                self.doubt(ask);
                return Ok(());
            }
            _ => {}
        }
        if let Some(key) = &ask.key {
            self.asks.settle_key(device, key);
            let use_of = KeyUse { command: ask.command.clone(), result: result.clone() };
            if self.keys.insert((device, key.clone()), use_of).is_some() {
                return Ok(());
            }
        }
        let Ok(answer) = result else { return Ok(()) };
        let proof = taking::take(&mut self.books, &mut self.asks, &ask, answer);
        self.proofs.entry(device).or_default().extend(proof);
        let acknowledged = Acknowledged { books: &self.books, asks: &self.asks, answer };
        self.check(|check| match check {
            Check::Acknowledged(check) => Some(check(&acknowledged)),
            _ => None,
        })
    }

    /// The device lost power: what was asked of it and not answered is in doubt (it may or may not have happened, but
    /// never by half).
    pub fn lost_power(&mut self, device: usize) {
        for ask in self.asks.unanswered(device) {
            self.doubt(ask);
        }
        self.reopened.insert(device);
    }

    /// A device's disk is replaced by an older image of itself: what it acknowledged since, it learns from others again,
    /// and what its keys were used for since then it does not know.
    pub fn brought_back(&mut self, device: usize) {
        self.proofs.remove(&device);
        let forgotten = self.keys.extract_if(.., |(of, _), _| *of == device);
        self.forgotten.extend(forgotten);
    }

    /// It may have happened; not if it was only asked again.
    fn doubt(&mut self, ask: Ask) {
        let used = ask.key.clone().is_some_and(|key| self.keys.contains_key(&(ask.device, key)));
        if !used {
            self.asks.doubt(ask, &mut self.books);
        }
    }

    /// After a step of that device: it still shows what it acknowledged, the latest of it, and all of it when it was
    /// just opened again.
    pub fn stepped<S: Store>(&mut self, device: usize, replica: &Replica<S>) -> Result<(), Broken> {
        let all = self.reopened.remove(&device);
        let Some(proofs) = self.proofs.get(&device) else { return Ok(()) };
        let recent = if all { 0 } else { proofs.len().saturating_sub(RECENT) };
        let overdrawn = replica.book().overdrawn();
        let own = overdrawn
            .iter()
            .filter(|(shop, _, holding)| holding.holder == replica.holder() && !self.books.was_insisted(*shop));
        let own: Vec<String> = own.map(|(_, sim, holding)| format!("{} of SIM {sim}", holding.share)).collect();
        self.check(|check| match check {
            Check::Held(check) => Some(check(&own)),
            _ => None,
        })?;
        for proof in proofs.iter().skip(recent) {
            let glimpse = Glimpse {
                credit: proof.credit().and_then(|id| replica.book().credit(&id)),
                movement: proof.movement().and_then(|id| replica.book().movement(&id)),
            };
            let shop = glimpse.credit.map(|credit| credit.shop).or(glimpse.movement.map(|record| record.shop));
            if shop.is_some_and(|shop| self.books.is_shaken(shop)) {
                continue;
            }
            self.check(|check| match check {
                Check::Stepped(check) => Some(check(proof, &glimpse)),
                _ => None,
            })?;
        }
        Ok(())
    }

    /// After everything was healed and is quiet: the whole set of invariants.
    pub fn healed<S: Store>(
        &mut self,
        replicas: &mut [(usize, &mut Replica<S>)],
        now: Timestamp,
    ) -> Result<(), Broken> {
        let shops = self.books.shops();
        let honest = |device: &DeviceKey| self.books.is_honest(device);
        // Those that hold the same compare equal below: it is enough that the first and the last prove it in full.
        let last = replicas.len().saturating_sub(1);
        let read = |(place, (device, replica)): (usize, &mut (usize, &mut Replica<S>))| {
            // All at one moment, also those who make up for a clock that is wrong.
            let now = now.plus_ms(replica.clock_correction_ms().saturating_neg());
            Shown::of(*device, replica, &shops, honest, place == 0 || place == last, now)
        };
        let shown: Result<Vec<Shown>, String> = replicas.iter_mut().enumerate().map(read).collect();
        self.check(|check| match check {
            Check::Looked(check) => Some(check(&shown)),
            _ => None,
        })?;
        // An error was told just now, unless nobody wants to know.
        shown.map_or(Ok(()), |shown| self.judge(&shown))
    }

    /// What [`Auditor::healed`] says of what it was shown.
    pub fn judge(&mut self, shown: &[Shown]) -> Result<(), Broken> {
        self.asks.remember_all(&mut self.books);
        for one in shown {
            taking::claim_shown(&mut self.books, &mut self.asks, one);
        }
        let unanswered = self.asks.open().map(Ask::name).collect();
        let evidence = Evidence { books: &self.books, readers: &self.readers, shown, unanswered };
        self.check(|check| match check {
            Check::Healed(check) => Some(check(&evidence)),
            _ => None,
        })?;
        self.books.statuses_are(shown);
        // All that happened was shown: what is still in doubt did not happen.
        let present: BTreeSet<usize> = shown.iter().map(|one| one.device).collect();
        self.asks.forget_doubts_of(&present);
        Ok(())
    }

    /// Asks those invariants that concern the matter; the first that fails is told.
    fn check(&self, matter: impl Fn(&Check) -> Option<Result<(), String>>) -> Result<(), Broken> {
        for invariant in INVARIANTS.iter().filter(|invariant| !self.skipped.contains(invariant.name)) {
            if let Some(Err(detail)) = matter(&invariant.check) {
                return Err(Broken { invariant: invariant.name, detail });
            }
        }
        Ok(())
    }
}

impl KeyUse {
    fn facts(&self) -> (&Command, &Result<Answer, Refusal>) {
        (&self.command, &self.result)
    }
}

impl Ask {
    /// How it is named in what is told.
    fn name(&self) -> String {
        format!("ticket {} of device {}", self.ticket, self.device)
    }
}
