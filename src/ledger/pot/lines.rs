//! Who stands for whom in a pot: successors for those they took over, branches of a forked log for what they go on from.
//!
//! It must never count what two branches did twice, nor take from either what covers its own deeds.

use std::collections::BTreeMap;

use super::{Act, Deed, Pot, Rules};
use crate::model::{Holder, ShopId};

impl Pot {
    /// Notes where the branches among the holders depart, and what they depart from in turn.
    pub(super) fn learn_bases(&mut self, shop: ShopId, rules: &Rules) {
        self.bases.clear();
        let forked = self.accounts.keys().filter(|holder| rules.is_forked(holder));
        let mut open: Vec<Holder> = forked.copied().collect();
        while let Some(holder) = open.pop() {
            if let Some(base) = rules.departs(shop, &holder)
                && self.bases.insert(holder, base).is_none()
            {
                open.push(base.0);
            }
        }
    }

    /// Whether all that a branch goes on from is settled.
    pub(super) fn has_begun(&self, holder: &Holder) -> bool {
        self.bases.get(holder).is_none_or(|(of, after)| self.is_settled_to(of, *after) && self.has_begun(of))
    }

    pub(super) fn is_settled_to(&self, holder: &Holder, number: u64) -> bool {
        let account = self.accounts.get(holder);
        account.is_none_or(|account| account.events.get(account.settled).is_none_or(|next| next.number > number))
    }

    /// What covers the first debits of a holder: of a branch, the share where it departs.
    pub(super) fn start_of(&self, holder: &Holder) -> i128 {
        let Some((of, after)) = self.bases.get(holder) else { return 0 };
        if let Some(known) = self.accounts.get(holder).and_then(|account| account.start) {
            return known;
        }
        let events = self.accounts.get(of).into_iter().flat_map(|account| &account.events);
        let within = events.filter(|event| event.number <= *after).map(|event| event.delta + event.cover);
        self.start_of(of) + within.sum::<i128>()
    }

    /// How far another branch, or whoever stands for one, has taken over a log.
    pub(super) fn taken_elsewhere(&self, by: Holder, of: Holder) -> u64 {
        if self.bases.is_empty() {
            return 0;
        }
        let line = self.line(by);
        let others = self.accounts.iter().filter(|(holder, _)| !line.iter().any(|(one, _)| one == *holder));
        let branches = others.filter(|(holder, _)| self.is_branch(holder) || self.is_branch(&by));
        branches.filter_map(|(_, account)| account.taken_over.get(&of)).max().copied().unwrap_or(0)
    }

    /// A holder, and of a branch what it goes on from: each up to which entry.
    pub(super) fn line(&self, by: Holder) -> Vec<(Holder, u64)> {
        let mut line = vec![(by, u64::MAX)];
        let mut holder = by;
        while let Some((of, after)) = self.bases.get(&holder) {
            line.push((*of, *after));
            holder = *of;
        }
        line
    }

    /// Whether a holder's log was continued twice, or is one of the sequels.
    pub(super) fn is_branch(&self, holder: &Holder) -> bool {
        self.bases.contains_key(holder) || self.bases.values().any(|(departed, _)| departed == holder)
    }

    /// Whom a holder, as far as it is settled, has taken over, itself or by one whom it took over; each up to which entry.
    pub(super) fn reach(&self, by: Holder) -> BTreeMap<Holder, u64> {
        self.taken_by(self.line(by))
    }

    pub(super) fn taken_by(&self, mut open: Vec<(Holder, u64)>) -> BTreeMap<Holder, u64> {
        let mut found: BTreeMap<Holder, u64> = BTreeMap::new();
        while let Some((holder, end)) = open.pop() {
            let Some(account) = self.accounts.get(&holder).filter(|account| !account.taken_over.is_empty()) else {
                continue;
            };
            for event in account.events[..account.settled].iter().take_while(|event| event.number <= end) {
                if let Deed::TakeOver { of, end: until } = event.deed
                    && account.taken_over.contains_key(&of)
                    && found.get(&of).is_none_or(|known| *known < until)
                {
                    found.insert(of, until);
                    open.push((of, until));
                }
            }
        }
        found
    }

    /// Whom a holder stands for: whom it has taken over, and what branches among them, or it itself, go on from.
    pub(super) fn stands_for(&self, by: Holder) -> BTreeMap<Holder, u64> {
        let mut found = self.reach(by);
        if self.bases.is_empty() {
            return found;
        }
        loop {
            let known: Vec<(Holder, u64)> =
                found.iter().map(|(holder, end)| (*holder, *end)).chain([(by, u64::MAX)]).collect();
            let lines = known.iter().flat_map(|(holder, end)| {
                self.line(*holder).into_iter().skip(1).map(move |(of, after)| (of, after.min(*end)))
            });
            let mut more: Vec<(Holder, u64)> = lines.collect();
            more.extend(self.taken_by(more.clone()));
            let before = found.clone();
            for (of, until) in more {
                let furthest = found.entry(of).or_insert(until);
                *furthest = until.max(*furthest);
            }
            if found == before {
                return found;
            }
        }
    }

    /// Whether a holder, as far as it is settled, stands for another as that one was at one of its entries.
    pub fn may_act_for(&self, by: Holder, whom: Holder, number: u64) -> bool {
        by == whom || self.stands_for(by).get(&whom).is_some_and(|end| number <= *end)
    }

    /// Whether a holder did that, or one for whom it stands, before it took over.
    pub(super) fn has_done(&self, by: Holder, act: Act) -> bool {
        let others = self.stands_for(by);
        let repeated = |(holder, end): (&Holder, &u64)| {
            let done = self.accounts.get(holder).and_then(|account| account.repeated.get(&act));
            done.is_some_and(|number| number <= end)
        };
        self.did_any(by, act, &others) || others.iter().chain([(&by, &u64::MAX)]).any(repeated)
    }

    pub(super) fn did_any(&self, by: Holder, act: Act, others: &BTreeMap<Holder, u64>) -> bool {
        let did = |holder: &Holder, end: u64| {
            let done = self.accounts.get(holder).and_then(|account| account.done.get(&act));
            done.is_some_and(|number| *number <= end)
        };
        did(&by, u64::MAX) || others.iter().any(|(holder, end)| did(holder, *end))
    }

    /// Whether that was done already where two branches may both think it theirs to do.
    pub(super) fn is_done_elsewhere(&self, act: Act) -> bool {
        !self.bases.is_empty() && self.done.contains(&act)
    }
}
