//! The refusals of the rules in English.

use super::{listed, named, short};
use crate::ledger::{OtherShare, Refusal};
use crate::model::{CaptureState, FieldFault};
use crate::money::MoneyError;

/// The sentence of a refusal.
pub(super) fn sentence(refusal: &Refusal) -> String {
    match refusal {
        Refusal::ClockBefore2020 { now } => format!(
            "This device's clock says {}, which cannot be: nothing was recorded. Set the clock, then try again.",
            short(*now)
        ),
        Refusal::KeyReused => {
            "This idempotency key was used for another request: nothing was done. Take a new key for \
             each new operation."
                .to_owned()
        }
        Refusal::NotAllowed { needs } => {
            format!(
                "This device has no right to do that: {needs} is needed. Ask the shop's manager or the head office."
            )
        }
        Refusal::Field(error) => {
            format!("The field \"{}\" {}. Correct it, then try again.", error.field, fault(&error.fault))
        }
        Refusal::Money { field, fault } => {
            format!("The field \"{field}\" is refused: {}. Write an amount like 125.50, then try again.", money(fault))
        }
        Refusal::NotGateway { shop, gateway } => match gateway {
            Some(gateway) => format!(
                "The existing apps of shop {shop} are served by the device {gateway}, not by this one. Nothing was recorded: give them the address of {gateway}."
            ),
            None => format!(
                "No device serves the existing apps of shop {shop} yet. Nothing was recorded: the head office or the manager names one with `ucash shop gateway {shop} --device DEVICE`."
            ),
        },
        Refusal::UnknownShop { shop } => format!(
            "No shop of this network has the number {shop}. Check the number, or have the head office add the shop."
        ),
        Refusal::ShopExists { shop, name } => {
            format!("Shop {shop} exists already, as \"{name}\". Choose another number.")
        }
        Refusal::UnknownSim { sim } => {
            format!("No SIM has the number {sim}. Check the number, or add the SIM first.")
        }
        Refusal::SimExists { sim, shop } => {
            format!("SIM {sim} exists already, in shop {shop}. It was not added a second time.")
        }
        Refusal::SimOfAnotherShop { sim, owner, shop } => {
            format!("SIM {sim} belongs to shop {owner}, not to shop {shop}. Choose a SIM of your shop.")
        }
        Refusal::SimInactive { sim } => {
            format!("SIM {sim} is out of use: nothing was sent. Choose another SIM.")
        }
        Refusal::ReferenceTaken { reference, credit } => format!(
            "A credit has the reference {reference} already ({credit}). If it is the same one, it is recorded; if not, \
             give another reference."
        ),
        Refusal::OldIdTaken { old_id, credit } => format!(
            "The old number {old_id} belongs to credit {credit} already: this row was not taken. Check it on the old \
             server."
        ),
        Refusal::RowSaysMore { reference, paid, row_paid, row_cancelled } => format!(
            "Credit {reference} is here already with {paid} paid; the row says {row_paid}{}. Nothing of this row was taken: \
             compare the two, then record here what is missing.",
            if *row_cancelled { " and \"cancelled\"" } else { "" }
        ),
        Refusal::UnknownCredit { key } => {
            format!("No credit answers to \"{key}\". Check the reference, or look for it in the list.")
        }
        Refusal::AmbiguousReference { reference, count } => format!(
            "{count} credits have the reference {reference}. Open the right one in the list: its id (cr_...) names it alone."
        ),
        Refusal::UnknownConflict { key } => {
            format!("No conflict answers to \"{key}\". Look for it in the list: its id changes when something is added to it.")
        }
        Refusal::DecisionNotOpen { decision, open } => format!(
            "\"{decision}\" cannot be decided about this conflict: nothing was done. What can be: {}.",
            open.join(", ")
        ),
        Refusal::CreditCancelled { reference } => format!(
            "Credit {reference} is cancelled: nothing was recorded. If money came in, give it back, or grant a new credit."
        ),
        Refusal::CreditPaid { reference } => {
            format!("Credit {reference} is fully paid already: nothing was recorded.")
        }
        Refusal::CancelWithPayments { reference, paid } => format!(
            "Credit {reference} has received {paid}: it can no longer be cancelled. If a payment is a mistake, reverse \
             that payment first."
        ),
        Refusal::PaymentExceedsRemaining { asked, remaining } => format!(
            "The payment of {asked} is more than the {remaining} that remain. Record {remaining} at most, and give the \
             client the difference."
        ),
        Refusal::UnknownPayment { reference, payment } => {
            format!("Credit {reference} has no payment \"{payment}\". Choose it in the list of its payments.")
        }
        Refusal::PaymentReversed { payment } => {
            format!("Payment {payment} is reversed already. There is nothing left to do.")
        }
        Refusal::NothingToChange => {
            "The values given are the credit's already: nothing changed. Change a field, then try again.".to_owned()
        }
        Refusal::UnknownMovement { key } => {
            format!("No movement answers to \"{key}\". Look for it among the SIM's movements.")
        }
        Refusal::MovementKind { movement, found, expected } => format!(
            "Movement {movement} is of the kind {found}, and the kind {expected} is needed: nothing was done. Choose the \
             right movement."
        ),
        Refusal::MovementOfAnotherDevice { movement, device } => format!(
            "Movement {movement} was recorded by the device \"{device}\": only that device can validate or reverse it. Do \
             it there."
        ),
        Refusal::MovementReversed { movement } => {
            format!("Movement {movement} is reversed already. There is nothing left to do.")
        }
        Refusal::CaptureNotPending { movement, state } => format!(
            "Capture {movement} is {} already: it can no longer be validated.",
            match state {
                CaptureState::Pending => "pending",
                CaptureState::Validated => "validated",
                CaptureState::Cancelled => "cancelled",
            }
        ),
        Refusal::AlreadyReimbursed { movement } => {
            format!("Withdrawal {movement} is reimbursed already. There is nothing left to do.")
        }
        Refusal::WithoutEffect { movement } => format!(
            "Movement {movement} has no effect: the share of the device that recorded it did not cover it, or that device was \
             closed. There is nothing to change about it."
        ),
        Refusal::CreditNotCancelled { reference } => format!(
            "Credit {reference} is not cancelled: nothing is to be given back. Cancel it first, if it is to be."
        ),
        Refusal::CreditReturned { reference } => {
            format!("The amount of credit {reference} is returned already. There is nothing left to do.")
        }
        Refusal::CreditOfAnotherDevice { reference, device } => format!(
            "Credit {reference} was granted by another device ({device}): only that one can give its amount back. Do it \
             there."
        ),
        Refusal::InsufficientShare { asked, share, available, holders, .. } => format!(
            "This device may spend only {share} of this SIM, and {asked} is needed. {}",
            if available.covers(*asked) {
                let rest = rest(holders, "; the rest is on its way");
                format!(
                    "The SIM holds {available}{rest}: a share comes by itself when these devices are in contact; \
                     try again then, or spend less."
                )
            } else {
                format!("The SIM holds only {available}{}: top it up, or spend less.", rest(holders, ""))
            }
        ),
        Refusal::SimNotInHand { sim, share, available } => format!(
            "SIM {sim} holds {available}, of which this device holds only {share}: it changes shops only with its whole \
             balance. Ask the other devices for the rest first."
        ),
        Refusal::DeviceNeverMet { device } => format!(
            "Device \"{device}\" has never been seen from here: nothing can be given to it. Wait until it is connected, then \
             try again."
        ),
        Refusal::NotKeeper { shop, keeper } => format!(
            "Devices of shop {shop} are closed only on its keeper, \"{keeper}\": nothing was done. Give this order on that \
             device; the keeper itself is closed by the head office."
        ),
        Refusal::NothingToClose { device } => format!(
            "Device \"{device}\" has nothing open in this shop: there is nothing to close. If it is lost, revoke it."
        ),
        Refusal::CannotSucceed { device } => format!(
            "Device \"{device}\" cannot take over: it is closed, or is the one to be closed. Name another device of the same \
             shop."
        ),
        Refusal::UnknownDevice { key } => {
            format!("No device of the network answers to \"{key}\". Check its name in the list of devices.")
        }
        Refusal::UnknownInvitation => {
            "This invitation is not one of this device, or was damaged on its way. Make a new \
             one, and copy it whole."
                .to_owned()
        }
        Refusal::InvitationUsed => {
            "This invitation was used already: it holds only once. Ask for a new one.".to_owned()
        }
        Refusal::InvitationExpired { expired_at } => {
            format!("This invitation expired at {}. Ask for a new one.", short(*expired_at))
        }
        Refusal::BadCursor => {
            "This page mark was not given by this node. Start the list again from its beginning.".to_owned()
        }
        Refusal::DiskFull => {
            "This device's disk is full: nothing was recorded, and it can only be read. Free some space; this node goes \
             on by itself within seconds."
                .to_owned()
        }
        Refusal::ReadOnly { detail } => format!(
            "This node cannot write to its disk any more ({detail}): nothing was recorded, and it can only be read. Check \
             or change the disk, then restart."
        ),
        Refusal::Busy => {
            "This node is too busy at the moment: nothing was recorded. Try again in a few seconds.".to_owned()
        }
    }
}

fn fault(fault: &FieldFault) -> String {
    match fault {
        FieldFault::Blank => "is empty".to_owned(),
        FieldFault::TooLong { length, limit } => format!("has {length} characters, {limit} at most are allowed"),
        FieldFault::ControlCharacter => "contains a control character".to_owned(),
        FieldFault::Malformed { expected } => format!("is not of its form: {expected}"),
    }
}

fn money(fault: &MoneyError) -> String {
    match fault {
        MoneyError::UnknownCurrency { text } => format!("\"{text}\" is not a known currency (USD or CDF)"),
        MoneyError::NotANumber { text } => format!("\"{text}\" is not a number"),
        MoneyError::Negative { value } => format!("{value} is below zero"),
        MoneyError::TooManyDecimals { value } => format!("{value} has more than two decimals"),
        MoneyError::TooLarge { value } => format!("{value} is too large (below 10,000,000,000,000)"),
        MoneyError::CurrencyMismatch { left, right } => format!("{left} and {right} cannot be combined"),
    }
}

/// Who holds the rest, to be put after what the SIM holds; `nobody` where no other device holds any.
fn rest(holders: &[OtherShare], nobody: &str) -> String {
    let one = |other: &OtherShare| {
        let seen = other.last_seen.map_or_else(|| "never seen".to_owned(), |at| format!("seen {}", short(at)));
        format!("{} with \"{}\" ({seen})", other.share, other.device)
    };
    match named(holders) {
        (named, _) if named.is_empty() => nobody.to_owned(),
        (named, false) => format!(", of which {}", listed(&named, one)),
        (named, true) => format!(", of which {} and others besides", listed(&named, one)),
    }
}
