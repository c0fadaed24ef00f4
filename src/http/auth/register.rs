//! The tokens of this node: kept in its store, held in memory, never replicated.
//!
//! | local key | value |
//! | --- | --- |
//! | `token/<id>` | the record, JSON |
//! | `token-used/<id>` | milliseconds of a use, JSON; apart, so that writing it can never revive a revoked token |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use tokio::sync::OnceCell;

use super::pace::Pace;
use super::token::{self, DRAWN_BYTES};
use super::{TokenRecord, TokenScope};
use crate::http::limits::{LAST_USE_WRITTEN_EVERY_MS, TOKENS_MAX};
use crate::http::problem::ApiError;
use crate::ledger::Refusal;
use crate::model::{ShopId, Timestamp};
use crate::node::NodeHandle;
use crate::replica::{Answer, Command, Query};

const RECORD: &str = "token/";
const USED: &str = "token-used/";

/// What a new token is to hold for.
pub(in crate::http) struct NewToken {
    /// What it is called.
    pub(in crate::http) name: String,
    /// Its shops.
    pub(in crate::http) shops: BTreeSet<ShopId>,
    /// Whether it may only read.
    pub(in crate::http) read_only: bool,
    /// When it ends, if it does.
    pub(in crate::http) expires_at: Option<Timestamp>,
}

/// The tokens of this node.
pub(in crate::http) struct TokenRegister {
    node: NodeHandle,
    tokens: OnceCell<RwLock<BTreeMap<String, Held>>>,
}

/// A token in memory.
#[derive(Clone)]
struct Held {
    record: TokenRecord,
    used_at: Option<Timestamp>,
    use_written_at: Option<Timestamp>,
    pace: Pace,
}

impl TokenRegister {
    pub(in crate::http) fn new(node: NodeHandle) -> TokenRegister {
        TokenRegister { node, tokens: OnceCell::new() }
    }

    /// Reads the tokens from the store, once.
    pub(in crate::http) async fn load(&self) -> Result<(), ApiError> {
        self.tokens().await.map(|_| ())
    }

    async fn tokens(&self) -> Result<&RwLock<BTreeMap<String, Held>>, ApiError> {
        self.tokens
            .get_or_try_init(async || {
                let uses: BTreeMap<String, Timestamp> = self.read(USED).await?;
                let records: BTreeMap<String, TokenRecord> = self.read(RECORD).await?;
                let held = records.into_iter().map(|(id, record)| {
                    let used_at = uses.get(&id).copied();
                    (id, Held { record, used_at, use_written_at: used_at, pace: Pace::UNUSED })
                });
                let held: BTreeMap<String, Held> = held.collect();
                self.node.metrics().tokens(in_use(&held));
                Ok(RwLock::new(held))
            })
            .await
    }

    /// The values below a prefix. One that cannot be read is left out: a token nobody understands admits nobody.
    async fn read<T: serde::de::DeserializeOwned>(&self, prefix: &str) -> Result<BTreeMap<String, T>, ApiError> {
        match self.node.query(Query::Local { prefix: prefix.to_owned() }).await? {
            Answer::Local(values) => Ok(values
                .into_iter()
                .filter_map(|(key, value)| {
                    Some((key.strip_prefix(prefix)?.to_owned(), serde_json::from_slice(&value).ok()?))
                })
                .collect()),
            _ => Err(ApiError::Internal),
        }
    }

    async fn write(&self, key: String, value: &impl serde::Serialize) -> Result<(), ApiError> {
        let value = serde_json::to_vec(value).map_err(|_| ApiError::Internal)?;
        self.node.command(Command::PutLocal { key, value: Some(value) }, None).await?;
        Ok(())
    }

    /// Whose token that is, if it is one and holds.
    ///
    /// # Errors
    ///
    /// `too_many_requests` for one that holds and asks too fast.
    pub(super) async fn identify(&self, text: &str, now: Timestamp) -> Result<Option<TokenScope>, ApiError> {
        let Some((id, secret)) = token::split(text) else { return Ok(None) };
        let tokens = self.tokens().await?;
        let (scope, must_write) = {
            let mut tokens = tokens.write().unwrap_or_else(PoisonError::into_inner);
            let Some(held) = tokens.get_mut(id) else {
                token::compare_with_nothing(secret);
                return Ok(None);
            };
            if !held.record.has_secret(secret) || !held.record.holds(now) {
                return Ok(None);
            }
            // Only after the secret: whoever knows the id alone must not use up what the bearer may ask.
            held.pace.take(now).map_err(|retry_after_s| ApiError::TooManyRequests { retry_after_s })?;
            held.used_at = Some(now);
            let is_due = held.use_written_at.is_none_or(|at| now.0.saturating_sub(at.0) >= LAST_USE_WRITTEN_EVERY_MS);
            if is_due {
                held.use_written_at = Some(now);
            }
            (held.record.scope(id), is_due)
        };
        if must_write {
            // Nobody waits for it, and a node that cannot write now must still let its tokens read.
            let (node, key) = (self.node.clone(), format!("{USED}{id}"));
            let value = now.0.to_string().into_bytes();
            tokio::spawn(async move { node.command(Command::PutLocal { key, value: Some(value) }, None).await });
        }
        Ok(Some(scope))
    }

    /// Whether the token of that id still holds.
    pub(in crate::http) async fn holds(&self, id: &str, now: Timestamp) -> bool {
        let Ok(tokens) = self.tokens().await else { return false };
        let tokens = tokens.read().unwrap_or_else(PoisonError::into_inner);
        tokens.get(id).is_some_and(|held| held.record.holds(now))
    }

    /// Makes a token of drawn bytes: its id and text.
    ///
    /// The same bytes, drawn from an idempotency key, give the same token again; for another request they are
    /// refused.
    pub(in crate::http) async fn create(
        &self,
        new: NewToken,
        drawn: &[u8; DRAWN_BYTES],
        now: Timestamp,
    ) -> Result<(String, String, TokenRecord), ApiError> {
        let tokens = self.tokens().await?;
        let NewToken { name, shops, read_only, expires_at } = new;
        let (id, text, record) = TokenRecord::make(drawn, name, shops, read_only, now, expires_at);
        {
            let tokens = tokens.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(Held { record: known, .. }) = tokens.get(&id) {
                let is_same = known.name == record.name
                    && known.shops == record.shops
                    && known.read_only == record.read_only
                    && known.expires_at.is_some() == record.expires_at.is_some()
                    && !known.revoked;
                return if is_same { Ok((id, text, known.clone())) } else { Err(Refusal::KeyReused.into()) };
            }
            if in_use(&tokens) >= TOKENS_MAX {
                return Err(ApiError::TooManyTokens { limit: TOKENS_MAX });
            }
        }
        self.write(format!("{RECORD}{id}"), &record).await?;
        let held = Held { record: record.clone(), used_at: None, use_written_at: None, pace: Pace::UNUSED };
        let mut tokens = tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(id.clone(), held);
        self.node.metrics().tokens(in_use(&tokens));
        Ok((id, text, record))
    }

    /// The tokens that were not revoked, with their last use.
    pub(in crate::http) async fn list(&self) -> Result<Vec<(String, TokenRecord, Option<Timestamp>)>, ApiError> {
        let tokens = self.tokens().await?.read().unwrap_or_else(PoisonError::into_inner);
        let valid = tokens.iter().filter(|(_, held)| !held.record.revoked);
        Ok(valid.map(|(id, held)| (id.clone(), held.record.clone(), held.used_at)).collect())
    }

    /// Ends a token. It stops working before the store is written, and again after a restart.
    pub(in crate::http) async fn revoke(&self, id: &str) -> Result<(), ApiError> {
        let tokens = self.tokens().await?;
        let record = {
            let mut tokens = tokens.write().unwrap_or_else(PoisonError::into_inner);
            let held = tokens.get_mut(id).filter(|held| !held.record.revoked);
            let Some(held) = held else {
                return Err(ApiError::UnknownToken { id: id.chars().take(64).collect() });
            };
            held.record.revoked = true;
            held.record.clone()
        };
        let written = self.write(format!("{RECORD}{id}"), &record).await;
        if written.is_err() {
            // The store still says that it holds: what is answered and what a restart would find must agree.
            let mut tokens = tokens.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(held) = tokens.get_mut(id) {
                held.record.revoked = false;
            }
        }
        self.node.metrics().tokens(in_use(&tokens.read().unwrap_or_else(PoisonError::into_inner)));
        written
    }
}

fn in_use(tokens: &BTreeMap<String, Held>) -> usize {
    tokens.values().filter(|held| !held.record.revoked).count()
}

/// Bytes of a token that follow from an idempotency key and this node's secret alone, so that a repeated request
/// gets the same token although its secret is not kept.
pub(in crate::http) fn bytes_of_key(local_credential: &str, key: &str) -> [u8; DRAWN_BYTES] {
    let mut hasher =
        blake3::Hasher::new_keyed(&blake3::derive_key("ucash/v1/token-of-key", local_credential.as_bytes()));
    hasher.update(key.as_bytes());
    let mut bytes = [0; DRAWN_BYTES];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// Bytes of a token drawn at random.
pub(in crate::http) fn drawn_bytes(draw: fn(&mut [u8])) -> [u8; DRAWN_BYTES] {
    let mut bytes = [0; DRAWN_BYTES];
    draw(&mut bytes);
    bytes
}
