//! References: unique on screen within a shop, whatever devices apart gave twice (`domain`, rule 5).

use std::collections::BTreeSet;

use crate::ledger::{Book, Refusal};
use crate::model::{Credit, CreditId, Reference, ShopId};

/// Fewest letters of a suffix.
const SUFFIX_MIN: usize = 2;

/// What stands between a reference and its suffix.
const MARK: char = '~';

/// The letters of a credit's id, as a suffix takes them.
fn letters(id: &CreditId) -> String {
    id.to_string().trim_start_matches("cr_").to_uppercase()
}

impl Book {
    /// The credits of a shop that bear or bore a reference, the earliest first; those without effect left out.
    pub(super) fn rivals(&self, shop: ShopId, reference: &Reference) -> Vec<&Credit> {
        let mut found: Vec<&Credit> =
            self.credits_with(reference).filter(|credit| credit.shop == shop && !credit.void).collect();
        // A stamp that nobody can explain wins nothing: here the earlier wins.
        found.sort_by_key(|credit| (self.clocks.is_unexplained(shop, &credit.origin.place()), credit.origin));
        found
    }

    /// A credit is found by the references that it bears and bore.
    pub(super) fn bear(&mut self, credit: &Credit) {
        for reference in credit.former_references.iter().chain([&credit.reference]) {
            let ids = self.references.entry(reference.clone()).or_default();
            ids.insert(credit.id);
            if ids.len() > 1 {
                self.shared_references.insert(reference.clone());
            }
            self.note_reference(reference);
        }
    }

    /// A credit is no longer found by what it bore: it is about to be shown anew.
    pub(super) fn bear_no_more(&mut self, credit: &Credit) {
        for reference in credit.former_references.iter().chain([&credit.reference]) {
            self.note_reference(reference);
            let Some(ids) = self.references.get_mut(reference) else { continue };
            ids.remove(&credit.id);
            if ids.len() < 2 {
                self.shared_references.remove(reference);
            }
            if ids.is_empty() {
                self.references.remove(reference);
            }
        }
    }

    /// References that more than one credit of a shop bears or bore.
    pub(super) fn shared_references(&self) -> impl Iterator<Item = (ShopId, &Reference)> {
        self.shared_references.iter().flat_map(|reference| {
            let shops: BTreeSet<ShopId> = self.credits_with(reference).map(|credit| credit.shop).collect();
            shops.into_iter().map(move |shop| (shop, reference))
        })
    }

    /// The reference as it is shown: of those of a shop that bear one, the earliest bears it plain, each other with as
    /// many letters of its id as tell it from the rest.
    pub fn shown_reference(&self, credit: &Credit) -> String {
        let plain = credit.reference.to_string();
        if self.references.get(&credit.reference).is_none_or(|ids| ids.len() < 2) {
            return plain;
        }
        let bearing: Vec<&Credit> = self
            .rivals(credit.shop, &credit.reference)
            .into_iter()
            .filter(|rival| rival.reference == credit.reference)
            .collect();
        if credit.void || bearing.first().is_none_or(|first| first.id == credit.id) {
            return plain;
        }
        let own = letters(&credit.id);
        let others: Vec<String> =
            bearing.iter().filter(|rival| rival.id != credit.id).map(|rival| letters(&rival.id)).collect();
        let is_told = |length: usize| others.iter().all(|other| other.get(..length) != own.get(..length));
        let length = (SUFFIX_MIN..own.len()).find(|length| is_told(*length)).unwrap_or(own.len());
        format!("{plain}{MARK}{}", own.get(..length).unwrap_or(&own))
    }

    /// The credits that are meant by what a person typed: an id, a reference as it is shown, one that a credit bears, or
    /// one that it ever bore or was shown under.
    pub(super) fn named(&self, key: &str) -> Vec<&Credit> {
        if let Some(credit) = CreditId::from_text(key.trim()).and_then(|id| self.credit(&id)) {
            return vec![credit];
        }
        let Ok(reference) = Reference::new(key) else { return Vec::new() };
        let found: Vec<&Credit> = self.credits_with(&reference).collect();
        let shown: Vec<&Credit> =
            found.iter().copied().filter(|credit| self.shown_reference(credit) == reference.as_str()).collect();
        if !shown.is_empty() {
            return shown;
        }
        if !found.is_empty() {
            return found;
        }
        let Some((plain, suffix)) = reference.as_str().rsplit_once(MARK) else { return Vec::new() };
        let Ok(plain) = Reference::new(plain) else { return Vec::new() };
        let is_meant = |credit: &&Credit| suffix.len() >= SUFFIX_MIN && letters(&credit.id).starts_with(suffix);
        self.credits_with(&plain).filter(is_meant).collect()
    }

    /// The credits of a shop that bear that reference, or ever bore it or were shown under it, the earliest first; those
    /// without effect left out.
    pub(super) fn ever_shown(&self, shop: ShopId, reference: &Reference) -> Vec<&Credit> {
        let mut found = self.rivals(shop, reference);
        if let Some((plain, suffix)) = reference.as_str().rsplit_once(MARK)
            && let Ok(plain) = Reference::new(plain)
            && suffix.len() >= SUFFIX_MIN
        {
            found.extend(self.rivals(shop, &plain).into_iter().filter(|one| letters(&one.id).starts_with(suffix)));
        }
        found
    }

    /// The credit that has that id or reference.
    ///
    /// # Errors
    /// None has, or more than one.
    pub fn find_credit(&self, key: &str) -> Result<&Credit, Refusal> {
        match self.named(key).as_slice() {
            [] => Err(Refusal::UnknownCredit { key: key.chars().take(64).collect() }),
            [one] => Ok(one),
            several => match Reference::new(key) {
                Ok(reference) => Err(Refusal::AmbiguousReference { reference, count: several.len() }),
                Err(_) => Err(Refusal::UnknownCredit { key: key.chars().take(64).collect() }),
            },
        }
    }
}
