//! How acknowledgements get into the books, and how what was in doubt does once it is seen.

use crate::lab::auditor::Shown;
use crate::lab::auditor::asks::{Ask, Asks, kept_kind};
use crate::lab::auditor::books::{Books, KeptMovement};
use crate::lab::auditor::cents;
use crate::lab::auditor::seen::Proof;
use crate::model::{CreditStatus, MovementId, PaymentId, ShopId};
use crate::replica::{Answer, Command, CreditView, MovementView, PaymentView};

/// Takes in what an answer acknowledges. Says what its device must show from now on.
pub fn take(books: &mut Books, asks: &mut Asks, ask: &Ask, answer: &Answer) -> Vec<Proof> {
    let mut proofs = Vec::new();
    books.unsettled_by(&ask.command, ask.device);
    match (&ask.command, answer) {
        (Command::Grant(request), Answer::Credit(view)) => {
            let shop = shop_of(books, request.sim.as_str(), view.shop_id);
            books.credit_in(view.id, ask.device, shop, request, false);
            proofs.push(Proof::Credit(view.id));
        }
        (Command::Pay { amount, .. }, Answer::Credit(view)) => {
            claim_credit(books, asks, view, false);
            if let (Some(payment), Some(cents)) = (made_by(books, ask, view).map(|made| made.id), cents::typed(amount))
            {
                books.payment_in(payment, view.id, cents, false);
                proofs.push(Proof::Payment(view.id, payment));
            }
        }
        (Command::ReversePayment { payment, .. }, Answer::Credit(view)) => {
            // The payment itself may have been in doubt until now.
            claim_credit(books, asks, view, false);
            claim_payments(books, asks, view);
            if let Some(payment) = PaymentId::from_text(payment.trim()) {
                books.reversed(&payment, ask.serial);
                proofs.push(Proof::Reversal(view.id, payment));
            }
        }
        (Command::Cancel { .. }, Answer::Credit(view)) => {
            claim_credit(books, asks, view, false);
            books.cancelled(view);
        }
        (Command::Edit { edits, .. }, Answer::Credit(view)) => {
            claim_credit(books, asks, view, false);
            books.edited(&view.id, ask.device, edits);
        }
        (Command::AddSim { sim, opening, .. }, Answer::Balance(view)) => {
            books.sim_in(sim.to_string(), view.shop_id, opening);
        }
        (command, Answer::Movement(view)) => {
            if let Some(movement) = recorded(books, ask, view, false) {
                books.movement_in(view.id, movement);
            } else {
                claim_movement(books, asks, view, false);
            }
            proofs.extend(change(books, command, &view.id));
        }
        _ => {}
    }
    match answer {
        Answer::Credit(view) => claim_credit(books, asks, view, true),
        Answer::Movement(view) => claim_movement(books, asks, view, true),
        _ => {}
    }
    proofs
}

/// Takes in what a replica shows of what was in doubt.
pub fn claim_shown(books: &mut Books, asks: &mut Asks, shown: &Shown) {
    for view in &shown.sims {
        let known = books.sims.contains_key(&view.sim);
        let adds = |ask: &Ask| matches!(&ask.command, Command::AddSim { sim, .. } if sim.as_str() == view.sim);
        if let Some(Command::AddSim { opening, .. }) =
            (!known).then(|| asks.claim(adds)).flatten().map(|ask| ask.command)
        {
            books.sim_in(view.sim.clone(), view.shop_id, &opening);
        }
    }
    shown.credits.iter().for_each(|view| claim_credit(books, asks, view, true));
    shown.movements.iter().for_each(|view| claim_movement(books, asks, view, true));
    asks.remember_all(books);
}

/// Whether a movement is one that nobody asks for by itself: what a SIM held or took along, or a share that moves.
pub fn is_share(view: &MovementView) -> bool {
    matches!(view.kind.as_str(), "opening" | "moved" | "gift")
}

/// The payment in a view that this ask made: one that nobody acknowledged before.
pub fn made_by<'a>(books: &Books, ask: &Ask, view: &'a CreditView) -> Option<&'a PaymentView> {
    let fits = |payment: &&PaymentView| ask.pays(view, payment);
    let unknown = |payment: &&PaymentView| !books.payments.contains_key(&payment.id);
    let claimed = |payment: &&PaymentView| books.payments.get(&payment.id).is_some_and(|known| known.claimed);
    let found = view.payments.iter().filter(fits).rfind(unknown);
    found.or_else(|| view.payments.iter().filter(fits).rfind(claimed))
}

fn shop_of(books: &Books, sim: &str, otherwise: ShopId) -> ShopId {
    if books.has_moved(sim) {
        return otherwise;
    }
    books.sims.get(sim).map_or(otherwise, |sim| sim.shop)
}

fn claim_credit(books: &mut Books, asks: &mut Asks, view: &CreditView, whole: bool) {
    if !books.credits.contains_key(&view.id)
        && let Some(ask) = asks.claim(|ask| ask.grants(view))
        && let Command::Grant(request) = ask.command
    {
        let shop = shop_of(books, &view.sim, view.shop_id);
        books.credit_in(view.id, ask.device, shop, &request, true);
        asks.remember_all(books);
    }
    if !whole {
        return;
    }
    claim_payments(books, asks, view);
    for payment in view.payments.iter().filter(|payment| payment.reversed) {
        let known = books.payments.get(&payment.id).is_some_and(|known| !known.reversed);
        if known && let Some(ask) = asks.claim(|ask| ask.reverses(&payment.id)) {
            books.reversed(&payment.id, ask.serial);
        }
    }
    if view.status == CreditStatus::Cancelled {
        asks.remember_all(books);
    }
}

fn claim_payments(books: &mut Books, asks: &mut Asks, view: &CreditView) {
    for payment in &view.payments {
        if !books.payments.contains_key(&payment.id)
            && let Some(Command::Pay { amount, .. }) = asks.claim(|ask| ask.pays(view, payment)).map(|ask| ask.command)
            && let Some(cents) = cents::typed(&amount)
        {
            books.payment_in(payment.id, view.id, cents, true);
        }
    }
}

fn claim_movement(books: &mut Books, asks: &mut Asks, view: &MovementView, whole: bool) {
    if !books.movements.contains_key(&view.id)
        && !is_share(view)
        && let Some(ask) = asks.claim(|ask| ask.moves(view))
        && let Some(movement) = recorded(books, &ask, view, true)
    {
        books.movement_in(view.id, movement);
    }
    let Some(known) = books.movements.get(&view.id).filter(|_| whole) else { return };
    let state = view.state.as_deref();
    let validated = state == Some("validee") && !known.validated;
    let reimbursed = state == Some("rembourse") && !known.reimbursed;
    let reversed = view.reversed && !known.reversed;
    let missing = |command: &Command| match command {
        Command::ValidateCapture { .. } => validated,
        Command::Reimburse { .. } => reimbursed,
        Command::ReverseMovement { .. } => reversed,
        _ => false,
    };
    while let Some(ask) = asks.claim(|ask| ask.is_on(&view.id) && missing(&ask.command)) {
        change(books, &ask.command, &view.id);
    }
}

/// The movement that a command records.
fn recorded(books: &Books, ask: &Ask, view: &MovementView, claimed: bool) -> Option<KeptMovement> {
    let Command::Move { sim, kind, .. } = &ask.command else { return None };
    let reimbursed = matches!(kind, crate::model::MovementKind::Withdrawal(withdrawal) if withdrawal.reimbursed);
    let (kind, amount, validated) = kept_kind(kind)?;
    Some(KeptMovement {
        device: ask.device,
        shop: shop_of(books, sim.as_str(), view.shop_id),
        sim: sim.to_string(),
        kind,
        cents: cents::of(amount),
        currency: amount.currency(),
        validated,
        reversed: false,
        reimbursed,
        claimed,
    })
}

/// What a command does to a movement.
fn change(books: &mut Books, command: &Command, id: &MovementId) -> Option<Proof> {
    match command {
        Command::Move { .. } => Some(Proof::Movement(*id)),
        Command::ValidateCapture { .. } => {
            books.change_movement(id, |movement| movement.validated = true);
            Some(Proof::Validated(*id))
        }
        Command::Reimburse { .. } => {
            books.change_movement(id, |movement| movement.reimbursed = true);
            Some(Proof::Reimbursed(*id))
        }
        Command::ReverseMovement { .. } => {
            books.change_movement(id, |movement| movement.reversed = true);
            Some(Proof::Reversed(*id))
        }
        _ => None,
    }
}
