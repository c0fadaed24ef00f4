//! All that one replica shows, asked for as a face would.

use std::collections::BTreeMap;

use crate::ledger::Refusal;
use crate::model::{CreditId, DeviceKey, MovementId, ShopId, SimNumber, Timestamp};
use crate::money::Currency;
use crate::replica::{
    Answer, CreditView, Input, MovementView, Output, Query, Replica, SharesView, SimView, StatisticsView, StatusView,
    VerifyView,
};
use crate::store::Store;

/// The ticket of the auditor's looks.
const TICKET: u64 = u64::MAX;
/// How much is on a page.
const PAGE: usize = 1_000;

/// What one replica shows.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Whose it is: the device's number in the cast.
    pub device: usize,
    /// The node at a glance.
    pub status: StatusView,
    /// What its verification found, if it was asked to verify.
    pub verified: Option<VerifyView>,
    /// The entries it keeps without effect.
    pub set_aside: Vec<String>,
    /// Its credits.
    pub credits: Vec<CreditView>,
    /// Its SIMs and what they hold.
    pub sims: Vec<SimView>,
    /// The movements of all SIMs.
    pub movements: Vec<MovementView>,
    /// Who holds how much of each SIM.
    pub shares: Vec<SharesView>,
    /// The sums of each shop.
    pub statistics: BTreeMap<ShopId, BTreeMap<Currency, StatisticsView>>,
}

impl Shown {
    /// Asks a replica for all that it shows of those shops; of what is set aside, what the honest devices wrote. An error says what it answered instead.
    pub fn of<S: Store>(
        device: usize,
        replica: &mut Replica<S>,
        shops: &[ShopId],
        honest: impl Fn(&DeviceKey) -> bool,
        thoroughly: bool,
        now: Timestamp,
    ) -> Result<Shown, String> {
        if let Some(why) = replica.failure() {
            return Err(format!("device {device} writes nothing any more: {why}"));
        }
        let mut look = |query: Query| ask(device, replica, now, query);
        let status = match look(Query::Status)? {
            Answer::Status(status) => *status,
            other => return Err(strange(device, "the status", &other)),
        };
        let verified = match thoroughly.then(|| look(Query::Verify)).transpose()? {
            Some(Answer::Verified(verified)) => Some(verified),
            Some(other) => return Err(strange(device, "a verification", &other)),
            None => None,
        };
        let sims = match look(Query::Sims { shop: None })? {
            Answer::Sims(page) => page.items,
            other => return Err(strange(device, "the SIMs", &other)),
        };
        let mut credits = Vec::new();
        let mut after = None;
        loop {
            // The filter's type is the ledger's: it is made without its name.
            let mut query = Query::Credits(Default::default());
            if let Query::Credits(filter) = &mut query {
                (filter.limit, filter.after) = (PAGE, after);
            }
            match look(query)? {
                Answer::Credits(page) => {
                    credits.extend(page.items);
                    after = page.next;
                }
                other => return Err(strange(device, "credits", &other)),
            }
            if after.is_none() {
                break;
            }
        }
        let mut movements = Vec::new();
        for view in &sims {
            let sim = SimNumber::new(&view.sim).map_err(|fault| format!("device {device} shows a SIM: {fault}"))?;
            let mut after = None;
            loop {
                match look(Query::Movements { sim: sim.clone(), limit: PAGE, after })? {
                    Answer::Movements(page) => {
                        movements.extend(page.items);
                        after = page.next;
                    }
                    other => return Err(strange(device, "movements", &other)),
                }
                if after.is_none() {
                    break;
                }
            }
        }
        let mut shares = Vec::with_capacity(sims.len());
        for view in &sims {
            let sim = SimNumber::new(&view.sim).map_err(|fault| format!("device {device} shows a SIM: {fault}"))?;
            match look(Query::SimShares { sim })? {
                Answer::Shares(view) => shares.push(view),
                other => return Err(strange(device, "shares", &other)),
            }
        }
        let mut statistics = BTreeMap::new();
        for shop in shops {
            let mut query = Query::Statistics(Default::default());
            if let Query::Statistics(period) = &mut query {
                period.shop = Some(*shop);
            }
            match look(query)? {
                Answer::Statistics(sums) => statistics.insert(*shop, sums),
                other => return Err(strange(device, "statistics", &other)),
            };
        }
        let aside = replica.set_aside();
        let honest = aside.iter().filter(|(log, ..)| honest(&log.device));
        let set_aside: Vec<String> =
            honest.map(|(log, number, why)| format!("entry {number} of {log:?}: {why:?}")).collect();
        Ok(Shown { device, status, verified, set_aside, credits, sims, movements, shares, statistics })
    }
}

impl Shown {
    /// The views of each credit: one, unless it is shown twice.
    pub(super) fn by_credit(&self) -> BTreeMap<CreditId, Vec<&CreditView>> {
        let mut found: BTreeMap<CreditId, Vec<&CreditView>> = BTreeMap::new();
        self.credits.iter().for_each(|view| found.entry(view.id).or_default().push(view));
        found
    }

    /// The views of each movement.
    pub(super) fn by_movement(&self) -> BTreeMap<MovementId, Vec<&MovementView>> {
        let mut found: BTreeMap<MovementId, Vec<&MovementView>> = BTreeMap::new();
        self.movements.iter().for_each(|view| found.entry(view.id).or_default().push(view));
        found
    }
}

fn ask<S: Store>(device: usize, replica: &mut Replica<S>, now: Timestamp, query: Query) -> Result<Answer, String> {
    let named = format!("{query:?}");
    let outputs = replica.handle(now, Input::Query { ticket: TICKET, query: Box::new(query) });
    let answer = outputs.into_iter().find_map(|output| match output {
        Output::Answer { ticket: TICKET, result } => Some(result),
        _ => None,
    });
    let refused = |refusal: Refusal| format!("device {device} refuses {named}: {refusal}");
    answer.ok_or_else(|| format!("device {device} does not answer {named}"))?.map_err(refused)
}

fn strange(device: usize, asked: &str, answer: &Answer) -> String {
    format!("device {device} was asked for {asked} and answers {answer:?}")
}
