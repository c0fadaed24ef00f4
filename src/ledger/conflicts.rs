//! Conflicts: every automatic decision that had a loser, found in what stands (`domain`, rule 4).
//!
//! A conflict follows from the entries alone, and so does its id: it is a hash of what it is about and of its sides. When
//! a side is added it is another conflict, which nobody has looked at yet.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::clocks::Stretch;
use crate::ledger::{Book, Holding};
use crate::model::{
    CaptureState, Clash, ClashOver, ClashSide, ClashValue, Conflict, ConflictId, ConflictKind, Credit, CreditId,
    CreditStatus, MovementId, MovementKind, MovementRecord, Origin, Outcome, Reference, Resolution, ShopId, Side,
    SideValue, SimNumber,
};
use crate::money::Balance;

/// The id of a conflict of that kind about that, with those sides.
pub fn conflict_id<'a>(
    kind: ConflictKind,
    shop: ShopId,
    about: &str,
    sides: impl Iterator<Item = &'a [u8]>,
) -> ConflictId {
    let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/conflict");
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    add(kind.word().as_bytes());
    add(&shop.0.to_be_bytes());
    add(about.as_bytes());
    sides.for_each(add);
    let mut id = ConflictId([0; 10]);
    id.0.copy_from_slice(&hasher.finalize().as_bytes()[..10]);
    id
}

fn place_bytes(origin: &Origin) -> Vec<u8> {
    let place = origin.place();
    let mut bytes = place.holder.device.0.to_vec();
    bytes.extend(place.holder.incarnation.0.to_be_bytes());
    bytes.extend(place.number.to_be_bytes());
    bytes
}

fn id_of_places<'a>(
    kind: ConflictKind,
    shop: ShopId,
    about: &str,
    sides: impl Iterator<Item = &'a Origin>,
) -> ConflictId {
    // Not in the order of their stamps: a clock that is corrected leaves the id as it is.
    let mut places: Vec<Vec<u8>> = sides.map(place_bytes).collect();
    places.sort_unstable();
    conflict_id(kind, shop, about, places.iter().map(Vec::as_slice))
}

/// What people decided about conflicts, and which credits and captures are in one.
#[derive(Clone, Debug, Default)]
pub struct Conflicts {
    resolutions: BTreeMap<ConflictId, (Origin, Resolution)>,
    /// Credits with a conflict of their own: few.
    credits: BTreeSet<CreditId>,
    /// Credits and movements without effect, since a share did not cover them or their log was closed before them.
    void_credits: BTreeSet<CreditId>,
    void_movements: BTreeSet<MovementId>,
    /// Captures by the operator's reference, where there is one, whoever the operator: the SIM may be told of later.
    captures: BTreeMap<(ShopId, String), BTreeSet<MovementId>>,
    /// Those that stand on more than one: few.
    shared_captures: BTreeSet<(ShopId, String)>,
    /// Goes up whenever something changes that may make, change or end a conflict, but for shares and stamps.
    version: u64,
}

/// What tells that conflicts may have changed since it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictsStamp {
    version: u64,
    overdrawn: Vec<(ShopId, SimNumber, Holding)>,
    clocks: u64,
}

impl Book {
    /// A person dealt with a conflict. Of two resolutions the newer is shown.
    pub fn resolve(&mut self, shop: ShopId, resolution: Resolution, origin: Origin) {
        let known = self.conflicts.resolutions.get(&resolution.conflict);
        if known.is_some_and(|(known, _)| *known >= origin) {
            return;
        }
        if let Some((_, old)) = self.conflicts.resolutions.remove(&resolution.conflict) {
            self.count(shop, &old, crate::ledger::SetDigest::remove);
        }
        self.conflicts.version += 1;
        self.count(shop, &resolution, crate::ledger::SetDigest::insert);
        self.conflicts.resolutions.insert(resolution.conflict, (origin, resolution));
    }

    /// How a conflict was dealt with last, and by which entry.
    pub fn resolution(&self, conflict: &ConflictId) -> Option<&(Origin, Resolution)> {
        self.conflicts.resolutions.get(conflict)
    }

    /// The conflicts that what stands shows, by id, those that were dealt with included. What the logs show besides
    /// (forks, clocks, entries without effect) is the replica's to add.
    pub fn conflicts(&self) -> BTreeMap<ConflictId, Conflict> {
        let of_credits = self.conflicts.credits.iter().filter_map(|id| self.credit(id));
        let mut found: Vec<Conflict> = of_credits.flat_map(conflicts_of_credit).collect();
        found.extend(self.shared_references().filter_map(|(shop, reference)| self.same_reference(shop, reference)));
        found.extend(self.possible_duplicates());
        found.extend(self.conflicts.void_credits.iter().filter_map(|id| Some(void_credit(self.credit(id)?))));
        found.extend(self.conflicts.void_movements.iter().filter_map(|id| Some(void_movement(self.movement(id)?))));
        found.extend(self.overdrawn().into_iter().map(|(shop, sim, holding)| {
            let about = format!("{sim} {} {}", holding.share.currency(), holding.holder.to_text());
            Conflict {
                id: conflict_id(ConflictKind::Overdrawn, shop, &about, std::iter::empty()),
                kind: ConflictKind::Overdrawn,
                shop,
                credit: None,
                sim: Some(sim),
                over: None,
                sides: vec![Side {
                    device: holding.holder.device,
                    agent: None,
                    at: None,
                    value: SideValue::Share(holding.share),
                }],
                outcome: Outcome::Overdrawn(holding.share),
            }
        }));
        found.extend(self.clocks().unexplained().into_iter().map(wrong_clock));
        found.into_iter().map(|conflict| (conflict.id, conflict)).collect()
    }

    /// The conflicts of one credit, by id.
    pub fn conflicts_of(&self, credit: &Credit) -> Vec<Conflict> {
        let mut found = conflicts_of_credit(credit);
        let bears = credit.former_references.iter().chain([&credit.reference]);
        found.extend(bears.filter_map(|reference| self.same_reference(credit.shop, reference)));
        found.sort_by_key(|conflict| conflict.id);
        found
    }

    /// The same as long as no conflict came, changed or went. To look for them is slow; to look at this is not.
    pub fn conflicts_stamp(&self) -> ConflictsStamp {
        ConflictsStamp { version: self.conflicts.version, overdrawn: self.overdrawn(), clocks: self.clocks().version() }
    }

    /// Credits that share a reference are shown by each other's.
    pub(super) fn note_reference(&mut self, reference: &Reference) {
        if self.shared_references.contains(reference) {
            self.conflicts.version += 1;
        }
    }

    /// Notes whether a credit is in a conflict of its own, now that it is shown so.
    pub(super) fn note_credit(&mut self, credit: &Credit) {
        let was_in_one =
            self.conflicts.credits.contains(&credit.id) || self.conflicts.void_credits.contains(&credit.id);
        self.conflicts.version += u64::from(was_in_one || credit.void);
        if credit.void {
            self.conflicts.void_credits.insert(credit.id);
        } else {
            self.conflicts.void_credits.remove(&credit.id);
        }
        if conflicts_of_credit(credit).is_empty() {
            self.conflicts.credits.remove(&credit.id);
        } else {
            self.conflicts.credits.insert(credit.id);
            self.conflicts.version += 1;
        }
    }

    /// Notes a capture under the operator's reference.
    pub(super) fn note_movement(&mut self, movement: &MovementRecord) {
        let was_void = self.conflicts.void_movements.contains(&movement.id);
        self.conflicts.version += u64::from(was_void || movement.void);
        if movement.void {
            self.conflicts.void_movements.insert(movement.id);
        } else {
            self.conflicts.void_movements.remove(&movement.id);
        }
        let MovementKind::Capture(capture) = &movement.kind else { return };
        let Some(reference) = capture.reference.as_ref().map(|text| text.trim().to_uppercase()) else { return };
        let key = (movement.shop, reference);
        let was_shared = self.conflicts.shared_captures.contains(&key);
        if movement.reversed || movement.void || capture.state == CaptureState::Cancelled {
            if let Some(ids) = self.conflicts.captures.get_mut(&key) {
                ids.remove(&movement.id);
                if ids.len() < 2 {
                    self.conflicts.shared_captures.remove(&key);
                }
            }
        } else {
            let ids = self.conflicts.captures.entry(key.clone()).or_default();
            ids.insert(movement.id);
            if ids.len() > 1 {
                self.conflicts.shared_captures.insert(key.clone());
            }
        }
        self.conflicts.version += u64::from(was_shared || self.conflicts.shared_captures.contains(&key));
    }

    fn possible_duplicates(&self) -> Vec<Conflict> {
        let mut found = Vec::new();
        for key in &self.conflicts.shared_captures {
            let (shop, reference) = key;
            let ids = self.conflicts.captures.get(key).into_iter().flatten();
            let mut by_operator: BTreeMap<&'static str, Vec<&MovementRecord>> = BTreeMap::new();
            for capture in ids.filter_map(|id| self.movement(id)) {
                let operator = self.sims().get(&capture.sim).map_or("", |sim| sim.operator.word());
                by_operator.entry(operator).or_default().push(capture);
            }
            let alike = by_operator.into_iter();
            found.extend(alike.filter_map(|(operator, all)| possible_duplicate(*shop, operator, reference, all)));
        }
        found
    }

    fn same_reference(&self, shop: ShopId, reference: &Reference) -> Option<Conflict> {
        let credits = self.rivals(shop, reference);
        if credits.len() < 2 {
            return None;
        }
        let kind = ConflictKind::SameReference;
        let id = id_of_places(kind, shop, reference.as_str(), credits.iter().map(|credit| &credit.origin));
        let sides = credits.iter().map(|credit| {
            let value = SideValue::Credit { id: credit.id, shown: self.shown_reference(credit), amount: credit.amount };
            side_of(&credit.origin, credit.agent.clone(), value)
        });
        let bearing: Vec<&Credit> = credits.iter().copied().filter(|credit| credit.reference == *reference).collect();
        let is_shared = bearing.len() > 1;
        Some(Conflict {
            id,
            kind,
            shop,
            // The one to renumber: the latest that still bears it, while it is not the only one.
            credit: if is_shared { bearing.last() } else { credits.last() }.map(|credit| credit.id),
            sim: None,
            over: Some(ClashOver::Reference),
            sides: sides.collect(),
            outcome: if is_shared { Outcome::Suffixed } else { Outcome::Renumbered },
        })
    }
}

/// It stays the same conflict while more is written by the same wrong clock: it is one thing to look at.
fn wrong_clock((shop, of, first, last): Stretch) -> Conflict {
    let about = format!("{} {first}", of.to_text());
    Conflict {
        id: conflict_id(ConflictKind::WrongClock, shop, &about, std::iter::empty()),
        kind: ConflictKind::WrongClock,
        shop,
        credit: None,
        sim: None,
        over: None,
        sides: vec![Side {
            device: of.device,
            agent: None,
            at: None,
            value: SideValue::Stamped { count: last - first + 1, first },
        }],
        outcome: Outcome::AllCount,
    }
}

fn void_credit(credit: &Credit) -> Conflict {
    let value = SideValue::Credit { id: credit.id, shown: credit.reference.to_string(), amount: credit.amount };
    let (kind, about) = (ConflictKind::SetAside, credit.id.to_string());
    Conflict {
        id: id_of_places(kind, credit.shop, &about, [&credit.origin].into_iter()),
        kind,
        shop: credit.shop,
        credit: Some(credit.id),
        sim: Some(credit.sim.clone()),
        over: None,
        sides: vec![side_of(&credit.origin, credit.agent.clone(), value)],
        outcome: Outcome::NoEffect,
    }
}

fn void_movement(movement: &MovementRecord) -> Conflict {
    let value =
        SideValue::Movement { id: movement.id, what: movement.kind.word().to_owned(), amount: movement.kind.amount() };
    let (kind, about) = (ConflictKind::SetAside, movement.id.to_string());
    Conflict {
        id: id_of_places(kind, movement.shop, &about, [&movement.origin].into_iter()),
        kind,
        shop: movement.shop,
        credit: None,
        sim: Some(movement.sim.clone()),
        over: None,
        sides: vec![side_of(&movement.origin, movement.agent.clone(), value)],
        outcome: Outcome::NoEffect,
    }
}

fn side_of(origin: &Origin, agent: Option<String>, value: SideValue) -> Side {
    Side { device: origin.device, agent, at: Some(origin.wall), value }
}

fn conflicts_of_credit(credit: &Credit) -> Vec<Conflict> {
    if credit.void {
        return Vec::new();
    }
    let mut found: Vec<Conflict> = credit.clashes.iter().map(|clash| of_clash(credit, clash)).collect();
    found.extend(overpaid(credit));
    found.extend(paid_twice(credit));
    let is_told = found.iter().any(|conflict| conflict.kind == ConflictKind::PaidCancelled);
    if !is_told {
        found.extend(paid_cancelled(credit));
    }
    found
}

fn conflict(
    credit: &Credit,
    kind: ConflictKind,
    over: Option<ClashOver>,
    sides: &[ClashSide],
    outcome: Outcome,
) -> Conflict {
    let about = match over {
        Some(over) => format!("{} {over:?}", credit.id),
        None => credit.id.to_string(),
    };
    let side = |side: &ClashSide| side_of(&side.origin, side.agent.clone(), SideValue::Did(side.value.clone()));
    Conflict {
        id: id_of_places(kind, credit.shop, &about, sides.iter().map(|side| &side.origin)),
        kind,
        shop: credit.shop,
        credit: Some(credit.id),
        sim: None,
        over,
        sides: sides.iter().map(side).collect(),
        outcome,
    }
}

/// What stands of a credit's status now.
fn outcome(credit: &Credit) -> Outcome {
    if credit.status == CreditStatus::Cancelled {
        Outcome::Cancelled { received: credit.paid.above_zero(), returned: credit.returned_at.is_some() }
    } else {
        Outcome::GoesOn
    }
}

fn of_clash(credit: &Credit, clash: &Clash) -> Conflict {
    let over = Some(clash.over);
    match clash.over {
        ClashOver::Status => {
            let returned = clash.sides.iter().any(|side| side.value == ClashValue::Returned);
            let is_cancelled = returned || clash.sides.last().is_some_and(|side| side.value.is_cancellation());
            let is_paid = clash.sides.iter().any(|side| matches!(side.value, ClashValue::Paid(_)));
            let kind = match is_cancelled && is_paid {
                true => ConflictKind::PaidCancelled,
                false => ConflictKind::ConcurrentStatus,
            };
            conflict(credit, kind, over, &clash.sides, outcome(credit))
        }
        ClashOver::Contact(_) | ClashOver::Reference => {
            let stands = clash.sides.iter().rposition(|side| match &side.value {
                ClashValue::Edited(edit) => crate::ledger::decide::is_already(credit, edit),
                ClashValue::Renumbered(reference) => *reference == credit.reference,
                _ => false,
            });
            let outcome =
                stands.and_then(|index| u8::try_from(index + 1).ok()).map_or(Outcome::AllCount, Outcome::Stands);
            conflict(credit, ConflictKind::ConcurrentEdit, over, &clash.sides, outcome)
        }
    }
}

fn payments(credit: &Credit) -> Vec<ClashSide> {
    let standing = credit.payments.iter().filter(|payment| !payment.reversed);
    let side = |payment: &crate::model::Payment| ClashSide {
        origin: payment.origin,
        agent: payment.agent.clone(),
        value: ClashValue::Paid(payment.amount),
    };
    standing.map(side).collect()
}

/// What was received, whatever was handed back since.
fn received(credit: &Credit) -> Balance {
    let standing = credit.payments.iter().filter(|payment| !payment.reversed);
    let zero = Balance::zero(credit.amount.currency());
    standing.fold(zero, |sum, payment| sum.plus(payment.amount).unwrap_or(sum))
}

fn overpaid(credit: &Credit) -> Option<Conflict> {
    let more = received(credit).less(credit.amount.balance()).ok()?.above_zero();
    if more.is_zero() || credit.status == CreditStatus::Cancelled {
        return None;
    }
    let outcome = Outcome::Overpaid(credit.overpaid());
    Some(conflict(credit, ConflictKind::Overpaid, None, &payments(credit), outcome))
}

/// Payments that the existing app may have sent twice: it edited while another version was on its way to it, and from
/// that one it would be another payment, or none. All count until somebody reverses one.
fn paid_twice(credit: &Credit) -> Vec<Conflict> {
    let is_doubtful = |payment: &&crate::model::Payment| {
        !payment.reversed && payment.reported.as_ref().is_some_and(|reported| reported.doubtful)
    };
    let mut doubtful = credit.payments.iter().filter(is_doubtful).peekable();
    // Looked for whenever a credit changes, and hardly ever there.
    if doubtful.peek().is_none() {
        return Vec::new();
    }
    let sides = payments(credit);
    if sides.len() < 2 {
        return Vec::new();
    }
    let told = |payment: &crate::model::Payment| {
        let mut told = conflict(credit, ConflictKind::PossibleDuplicate, None, &sides, Outcome::AllCount);
        // Not its sides but the one payment makes it the conflict that it is: another payment makes it no other.
        let about = format!("{} {}", credit.id, payment.id);
        told.id = conflict_id(ConflictKind::PossibleDuplicate, credit.shop, &about, std::iter::empty());
        told
    };
    doubtful.map(told).collect()
}

fn paid_cancelled(credit: &Credit) -> Option<Conflict> {
    if credit.status != CreditStatus::Cancelled || received(credit).above_zero().is_zero() {
        return None;
    }
    Some(conflict(credit, ConflictKind::PaidCancelled, None, &payments(credit), outcome(credit)))
}

fn possible_duplicate(
    shop: ShopId,
    operator: &str,
    reference: &str,
    mut captures: Vec<&MovementRecord>,
) -> Option<Conflict> {
    if captures.len() < 2 {
        return None;
    }
    captures.sort_by_key(|capture| capture.origin);
    let kind = ConflictKind::PossibleDuplicate;
    let about = format!("{operator} {reference}");
    let side = |capture: &&MovementRecord| {
        let (id, what, amount) = (capture.id, capture.kind.word().to_owned(), capture.kind.amount());
        side_of(&capture.origin, capture.agent.clone(), SideValue::Movement { id, what, amount })
    };
    Some(Conflict {
        id: id_of_places(kind, shop, &about, captures.iter().map(|capture| &capture.origin)),
        kind,
        shop,
        credit: None,
        sim: captures.first().map(|capture| capture.sim.clone()),
        over: None,
        sides: captures.iter().map(side).collect(),
        outcome: Outcome::AllCount,
    })
}
