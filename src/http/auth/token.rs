//! One bearer token: `ucash_<id>_<secret>`. The secret is 256 random bits and is shown once; kept is its hash.
//! A fast hash is enough, as nobody guesses 256 bits.

use std::collections::BTreeSet;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::TokenScope;
use crate::model::{ShopId, Timestamp};

/// What all tokens begin with, so that scanners find one that leaked.
const PREFIX: &str = "ucash";
const ID_BYTES: usize = 10;
const SECRET_BYTES: usize = 32;
/// How many random bytes make a token.
pub(super) const DRAWN_BYTES: usize = ID_BYTES + SECRET_BYTES;

/// A token as it is kept, under the local key `token/<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::http) struct TokenRecord {
    /// What it is called.
    pub(in crate::http) name: String,
    /// BLAKE3 of the secret, in hexadecimal.
    hash: String,
    /// What it holds for.
    pub(in crate::http) shops: BTreeSet<ShopId>,
    /// Whether it may only read.
    pub(in crate::http) read_only: bool,
    /// When it was made.
    pub(in crate::http) created_at: Timestamp,
    /// When it ends, if it does.
    pub(in crate::http) expires_at: Option<Timestamp>,
    /// Whether it was revoked. Kept, so that a repeated creation under its idempotency key cannot revive it.
    pub(in crate::http) revoked: bool,
}

impl TokenRecord {
    /// A token of the drawn bytes: its id, its text, and what is kept of it.
    pub(super) fn make(
        drawn: &[u8; DRAWN_BYTES],
        name: String,
        shops: BTreeSet<ShopId>,
        read_only: bool,
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> (String, String, TokenRecord) {
        let (id, secret) = drawn.split_at(ID_BYTES);
        let (id, secret) = (letters(id), letters(secret));
        let text = format!("{PREFIX}_{id}_{secret}");
        let hash = hash(&secret);
        (id, text, TokenRecord { name, hash, shops, read_only, created_at, expires_at, revoked: false })
    }

    /// Whether that is its secret, compared in constant time.
    pub(super) fn has_secret(&self, secret: &str) -> bool {
        self.hash.as_bytes().ct_eq(hash(secret).as_bytes()).into()
    }

    /// Whether it holds at that time.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        !self.revoked && self.expires_at.is_none_or(|end| now < end)
    }

    /// What it holds for.
    pub(super) fn scope(&self, id: &str) -> TokenScope {
        TokenScope { id: id.to_owned(), name: self.name.clone(), shops: self.shops.clone(), read_only: self.read_only }
    }
}

/// Id and secret of a token's text.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix(PREFIX)?.strip_prefix('_')?.split_once('_')
}

/// What is computed for an id that nobody has, so that it takes as long as one that somebody has.
pub(super) fn compare_with_nothing(secret: &str) {
    let _: bool = hash("").as_bytes().ct_eq(hash(secret).as_bytes()).into();
}

fn letters(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

fn hash(secret: &str) -> String {
    blake3::Hasher::new_derive_key("ucash/v1/token-secret").update(secret.as_bytes()).finalize().to_hex().to_string()
}
