//! The items of a list, page after page, as the API shows them.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::{Value, json};

use super::What;
use crate::http::Language;
use crate::http::auth::Identity;
use crate::http::messages::conflicts::conflict;
use crate::http::problem::ApiError;
use crate::http::state::ApiState;
use crate::ledger::CreditFilter;
use crate::model::{ShopId, SimNumber, Timestamp};
use crate::money::Currency;
use crate::replica::{Answer, ConflictFilter, CreditView, MovementView, Query};

/// Items asked for at once: others are answered in between, and a page is far below a megabyte.
const PAGE_ITEMS: usize = 500;

/// What movements are narrowed by.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct MovementFilter {
    pub shop: Option<ShopId>,
    pub sim: Option<SimNumber>,
    pub currency: Option<Currency>,
    /// Made at or after.
    pub from: Option<Timestamp>,
    /// Made before.
    pub to: Option<Timestamp>,
}

/// A list that is read page by page.
pub(in crate::http) struct Rows {
    state: ApiState,
    identity: Identity,
    source: Source,
}

enum Source {
    Credits(Box<CreditFilter>),
    /// Of the credits that the filter finds, those made in that time.
    Payments(Box<CreditFilter>, Option<Timestamp>, Option<Timestamp>),
    /// Of these SIMs one after the other, the first from that place on.
    Movements(Box<MovementFilter>, VecDeque<SimNumber>, Option<String>),
    /// Told in that language.
    Conflicts(Box<ConflictFilter>, Language),
    Ended,
}

impl Rows {
    /// The credits that a list with this filter shows, or their payments; the time then means the payments'.
    pub fn of_credits(state: ApiState, identity: Identity, what: What, mut filter: CreditFilter) -> Rows {
        filter.limit = PAGE_ITEMS;
        filter.after = None;
        let source = match what {
            What::Payments => {
                let (from, to) = (filter.from.take(), filter.to.take());
                Source::Payments(Box::new(filter), from, to)
            }
            _ => Source::Credits(Box::new(filter)),
        };
        Rows { state, identity, source }
    }

    /// The movements of all SIMs, or of one.
    pub async fn of_movements(state: ApiState, identity: Identity, filter: MovementFilter) -> Result<Rows, ApiError> {
        let sims = match &filter.sim {
            Some(sim) => VecDeque::from([sim.clone()]),
            // A SIM that has moved to another shop keeps what was recorded before, so that each is looked at.
            None => match state.node().query(Query::Sims { shop: None }).await? {
                Answer::Sims(page) => {
                    let numbers = page.items.iter().map(|view| SimNumber::new(&view.sim));
                    numbers.collect::<Result<_, _>>().map_err(|_| ApiError::Internal)?
                }
                _ => return Err(ApiError::Internal),
            },
        };
        Ok(Rows { state, identity, source: Source::Movements(Box::new(filter), sims, None) })
    }

    /// The conflicts that a list with this filter shows.
    pub fn of_conflicts(state: ApiState, identity: Identity, filter: ConflictFilter, language: Language) -> Rows {
        let filter = ConflictFilter { limit: PAGE_ITEMS, after: None, ..filter };
        Rows { state, identity, source: Source::Conflicts(Box::new(filter), language) }
    }

    /// The next items, perhaps none of a page; `None` after the last page.
    pub async fn next(&mut self) -> Result<Option<Vec<Value>>, ApiError> {
        match std::mem::replace(&mut self.source, Source::Ended) {
            Source::Ended => Ok(None),
            Source::Credits(filter) => {
                let (credits, next) = self.credits(*filter).await?;
                self.source = next.map_or(Source::Ended, |filter| Source::Credits(Box::new(filter)));
                credits.iter().map(as_shown).collect::<Result<_, _>>().map(Some)
            }
            Source::Payments(filter, from, to) => {
                let (credits, next) = self.credits(*filter).await?;
                self.source = next.map_or(Source::Ended, |filter| Source::Payments(Box::new(filter), from, to));
                let payments = credits.iter().flat_map(payments_of);
                Ok(Some(payments.filter(|payment| is_within(payment, from, to)).collect()))
            }
            Source::Conflicts(filter, language) => {
                let page = match self.state.node().query(Query::Conflicts((*filter).clone())).await? {
                    Answer::Conflicts(page) => page,
                    _ => return Err(ApiError::Internal),
                };
                let seen = page.items.iter().filter(|view| self.identity.may_see(view.conflict.shop));
                let items = seen.map(|view| as_shown(&conflict(view, language))).collect::<Result<_, _>>()?;
                self.source = page.next.map_or(Source::Ended, |after| {
                    Source::Conflicts(Box::new(ConflictFilter { after: Some(after), ..*filter }), language)
                });
                Ok(Some(items))
            }
            Source::Movements(filter, mut sims, after) => {
                let Some(sim) = sims.front().cloned() else { return Ok(None) };
                let query = Query::Movements { sim, limit: PAGE_ITEMS, after };
                let page = match self.state.node().query(query).await? {
                    Answer::Movements(page) => page,
                    _ => return Err(ApiError::Internal),
                };
                if page.next.is_none() {
                    sims.pop_front();
                }
                let shown = |view: &&MovementView| {
                    self.identity.may_see(view.shop_id)
                        && filter.shop.is_none_or(|shop| shop == view.shop_id)
                        && filter.currency.is_none_or(|currency| currency == view.currency)
                };
                let items = page.items.iter().filter(shown).map(as_shown).collect::<Result<Vec<_>, _>>()?;
                let (from, to) = (filter.from, filter.to);
                self.source = Source::Movements(filter, sims, page.next);
                Ok(Some(items.into_iter().filter(|item| is_within(item, from, to)).collect()))
            }
        }
    }

    /// A page of credits, and where the next one begins.
    async fn credits(&self, filter: CreditFilter) -> Result<(Vec<CreditView>, Option<CreditFilter>), ApiError> {
        match self.state.node().query(Query::Credits(filter.clone())).await? {
            Answer::Credits(mut page) => {
                page.items.retain(|credit| self.identity.may_see(credit.shop_id));
                let next = page.next.map(|after| CreditFilter { after: Some(after), ..filter });
                Ok((page.items, next))
            }
            _ => Err(ApiError::Internal),
        }
    }
}

fn as_shown(view: &impl Serialize) -> Result<Value, ApiError> {
    serde_json::to_value(view).map_err(|_| ApiError::Internal)
}

/// The payments of a credit, each with what it needs to stand alone.
fn payments_of(credit: &CreditView) -> Vec<Value> {
    let shown = |payment| {
        let mut item = serde_json::to_value(payment).unwrap_or_default();
        item["credit"] = json!({ "id": credit.id, "reference": credit.reference });
        item["currency"] = json!(credit.currency);
        item["shop_id"] = json!(credit.shop_id);
        item["sim"] = json!(credit.sim);
        item
    };
    credit.payments.iter().map(shown).collect()
}

/// Whether its `at` lies in that time; an instant beyond the calendar is a plain number of milliseconds.
fn is_within(item: &Value, from: Option<Timestamp>, to: Option<Timestamp>) -> bool {
    if (from, to) == (None, None) {
        return true;
    }
    let text = item.get("at").and_then(Value::as_str).unwrap_or_default();
    let at = match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(Timestamp(time.timestamp_millis())),
        Err(_) => text.parse().ok().map(Timestamp),
    };
    at.is_some_and(|at| from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to))
}
