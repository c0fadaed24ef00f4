//! What was asked and is not settled: not answered yet, or in doubt since the power went.

use std::collections::BTreeSet;

use crate::lab::auditor::books::{Books, Kind, last_words};
use crate::lab::auditor::cents;
use crate::model::{CaptureState, MovementId, MovementKind, PaymentId};
use crate::money::Currency;
use crate::replica::{Command, CreditView, MovementView, PaymentView};

/// Something that was asked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Its number among all that was asked in the run.
    pub serial: u64,
    pub device: usize,
    pub ticket: u64,
    pub command: Command,
    pub key: Option<String>,
    doubtful: bool,
    /// Something shown was already taken for its doing.
    claimed: bool,
}

/// All that is not settled.
#[derive(Clone, Debug, Default)]
pub struct Asks {
    asks: Vec<Ask>,
    count: u64,
}

impl Asks {
    pub fn put(&mut self, device: usize, ticket: u64, command: &Command, key: Option<&str>) {
        self.count += 1;
        let (command, key) = (command.clone(), key.map(str::to_owned));
        let ask = Ask { serial: self.count, device, ticket, command, key, doubtful: false, claimed: false };
        self.asks.push(ask);
    }

    /// The ask that is answered now.
    pub fn take(&mut self, device: usize, ticket: u64) -> Option<Ask> {
        let found = self.asks.iter().position(|ask| ask.device == device && ask.ticket == ticket && !ask.doubtful)?;
        Some(self.asks.remove(found))
    }

    /// What that device was asked and has not answered.
    pub fn unanswered(&mut self, device: usize) -> Vec<Ask> {
        let (out, rest) =
            std::mem::take(&mut self.asks).into_iter().partition(|ask| ask.device == device && !ask.doubtful);
        self.asks = rest;
        out
    }

    /// It may have happened. What was asked twice under one key may have happened once.
    pub fn doubt(&mut self, ask: Ask, books: &mut Books) {
        let again = |known: &Ask| known.doubtful && known.device == ask.device && known.key == ask.key;
        if ask.key.is_some() && self.asks.iter().any(|known| again(known) && known.command == ask.command) {
            return;
        }
        let ask = Ask { doubtful: true, ..ask };
        may_have(books, &ask);
        self.asks.push(ask);
    }

    /// What may have happened unseen is noted: it may stand behind what is shown later.
    pub fn remember_all(&self, books: &mut Books) {
        self.asks.iter().for_each(|ask| may_have(books, ask));
    }

    /// A command under that key was answered: what the key stood for is no longer in doubt.
    pub fn settle_key(&mut self, device: usize, key: &str) {
        self.asks.retain(|ask| !(ask.doubtful && ask.device == device && ask.key.as_deref() == Some(key)));
    }

    pub fn forget_doubts_of(&mut self, devices: &BTreeSet<usize>) {
        self.asks.retain(|ask| !(ask.doubtful && devices.contains(&ask.device)));
    }

    /// An ask that fits and was not taken for anything yet.
    pub fn claim(&mut self, fits: impl Fn(&Ask) -> bool) -> Option<Ask> {
        let found = self.asks.iter_mut().find(|ask| !ask.claimed && fits(ask))?;
        found.claimed = true;
        Some(found.clone())
    }

    /// What was asked and neither answered nor lost with the power.
    pub fn open(&self) -> impl Iterator<Item = &Ask> {
        self.asks.iter().filter(|ask| !ask.doubtful)
    }

    /// How much more an account may hold than its acknowledgements say, if all went well that is not settled.
    pub fn perhaps(&self, books: &Books, sim: &str, currency: Currency) -> i128 {
        self.asks.iter().filter(|ask| !ask.claimed).map(|ask| ask.adds(books, sim, currency)).sum()
    }
}

impl Ask {
    /// What it may have added to an account.
    fn adds(&self, books: &Books, sim: &str, currency: Currency) -> i128 {
        let movement = |id: &str| {
            let found = MovementId::from_text(id.trim()).and_then(|id| books.movements.get(&id));
            found.filter(|movement| movement.sim == sim && movement.currency == currency && !movement.reversed)
        };
        match &self.command {
            Command::Move { sim: of, kind: MovementKind::Capture(capture), .. } => {
                let here = of.as_str() == sim && capture.amount.currency() == currency;
                if here { cents::of(capture.amount) } else { 0 }
            }
            Command::ValidateCapture { movement: id } => {
                movement(id).filter(|movement| !movement.counts()).map_or(0, |movement| movement.cents)
            }
            Command::ReverseMovement { movement: id, .. } => {
                movement(id).filter(|movement| movement.kind != Kind::Capture).map_or(0, |movement| movement.cents)
            }
            Command::Cancel { credit, .. } => {
                let meant = books.meant(credit).into_iter().filter_map(|id| books.credits.get(&id));
                let here =
                    meant.filter(|credit| credit.sim == sim && credit.currency == currency && !credit.given_back);
                here.map(|credit| credit.cents).sum()
            }
            _ => 0,
        }
    }

    /// Whether it may have granted that credit.
    pub fn grants(&self, view: &CreditView) -> bool {
        let Command::Grant(request) = &self.command else { return false };
        bears(&view.reference, request.reference.as_str())
            && cents::shown(&view.amount) == Ok(cents::of(request.amount))
            && view.currency == request.amount.currency()
            && view.sim == request.sim.as_str()
            && view.agent == request.agent
    }

    /// Whether it may have recorded that payment of that credit.
    pub fn pays(&self, view: &CreditView, payment: &PaymentView) -> bool {
        let Command::Pay { credit, amount, mode, reference, agent } = &self.command else { return false };
        names(credit, view)
            && cents::typed(amount).is_some_and(|cents| cents::shown(&payment.amount) == Ok(cents))
            && payment.mode == *mode
            && payment.reference == *reference
            && payment.agent == *agent
    }

    /// Whether it may have taken that payment back.
    pub fn reverses(&self, payment: &PaymentId) -> bool {
        matches!(&self.command, Command::ReversePayment { payment: id, .. }
            if PaymentId::from_text(id.trim()) == Some(*payment))
    }

    /// Whether it may have recorded that movement.
    pub fn moves(&self, view: &MovementView) -> bool {
        let Command::Move { sim, kind, agent } = &self.command else { return false };
        let Some((kind, amount, _)) = kept_kind(kind) else { return false };
        view.kind == kind.word()
            && view.sim == sim.as_str()
            && view.currency == amount.currency()
            && cents::shown(&view.amount) == Ok(cents::of(amount))
            && view.agent == *agent
    }

    /// Whether it is about that movement.
    pub fn is_on(&self, movement: &MovementId) -> bool {
        match &self.command {
            Command::ValidateCapture { movement: id }
            | Command::Reimburse { movement: id }
            | Command::ReverseMovement { movement: id, .. } => MovementId::from_text(id.trim()) == Some(*movement),
            _ => false,
        }
    }
}

/// Kind, amount, and whether it counts at once. (An opening balance is never asked for by itself.)
pub fn kept_kind(kind: &MovementKind) -> Option<(Kind, crate::money::Amount, bool)> {
    Some(match kind {
        // Shares and SIMs that move are no income and no expense.
        MovementKind::Opening(_) | MovementKind::Gift(_) | MovementKind::Moved(_) => return None,
        MovementKind::Capture(capture) => (Kind::Capture, capture.amount, capture.state == CaptureState::Validated),
        MovementKind::Withdrawal(withdrawal) => (Kind::Withdrawal, withdrawal.amount, true),
        MovementKind::Deposit(deposit) => (Kind::Deposit, deposit.amount, true),
    })
}

/// Whether a person who said that means the credit shown.
pub fn names(key: &str, view: &CreditView) -> bool {
    key.trim() == view.id.to_string() || bears(&view.reference, &key.trim().to_uppercase())
}

/// Whether a credit that was granted under `granted` may be shown under `shown`: of two with one reference, the later
/// gets a suffix.
pub fn bears(shown: &str, granted: &str) -> bool {
    shown == granted || shown.strip_prefix(granted).is_some_and(|suffix| suffix.starts_with('~'))
}

/// Notes in the books what an ask may have done that cannot always be seen from what is shown.
fn may_have(books: &mut Books, ask: &Ask) {
    books.unsettled_by(&ask.command, ask.device);
    match &ask.command {
        Command::Cancel { credit, .. } => {
            for id in books.meant(credit) {
                if let Some(credit) = books.credits.get_mut(&id) {
                    credit.perhaps_cancelled = true;
                }
            }
        }
        Command::ReversePayment { payment, .. } => {
            let payment = PaymentId::from_text(payment.trim()).and_then(|id| books.payments.get_mut(&id));
            if let Some(payment) = payment {
                payment.reversals.insert(ask.serial);
            }
        }
        Command::Edit { credit, edits, .. } => {
            for id in books.meant(credit) {
                let Some(credit) = books.credits.get_mut(&id) else { continue };
                for (field, word) in last_words(edits) {
                    credit.words.entry(field).or_default().doubtful.insert(word);
                }
            }
        }
        _ => {}
    }
}
