//! Who asks, and whether they may: judged before a handler or a body is touched.
//!
//! | who | how they are known | may |
//! | --- | --- | --- |
//! | owner | a loopback peer whose request nobody forwarded and no page of elsewhere made, or the local credential | everything |
//! | token | `Authorization: Bearer ucash_<id>_<secret>` | read, and write unless read-only, within its shops |
//!
//! A credential that is presented is judged, on loopback too: a revoked token must not work because of where it
//! was tried. What was wrong with it is never said.

mod failures;
mod origin;
mod pace;
mod register;
mod token;

pub(super) use failures::Failures;
pub(super) use origin::{LocalAddress, check as check_origin, is_configured};
pub use origin::{NoOrigin, WebOrigin, is_plain_host};
pub(super) use register::{NewToken, TokenRegister, bytes_of_key, drawn_bytes};
pub(super) use token::TokenRecord;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Version};
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq;

use self::origin::From;
use super::limits::CREDENTIAL_CHARS_MAX;
use super::problem::ApiError;
use super::state::{ApiSettings, ApiState};
use crate::model::ShopId;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, unknown: says nothing about money.
    Public,
    /// Who may read.
    Read,
    /// Who may write.
    Write,
    /// Who sits at this node: what reaches beyond one shop, or lets others in.
    Owner,
    /// An existing app that may read: by its token and no other way, at this machine too, as who it is decides what its
    /// rows mean.
    AppReads,
    /// An existing app that may write.
    AppWrites,
}

impl Access {
    /// Its word in the description of the interface.
    pub fn word(self) -> &'static str {
        match self {
            Access::Public => "public",
            Access::Read => "read",
            Access::Write => "write",
            Access::Owner => "owner",
            Access::AppReads => "app reads",
            Access::AppWrites => "app writes",
        }
    }

    fn admits(self, identity: &Identity) -> Result<(), ApiError> {
        match (self, identity) {
            (Access::AppReads | Access::AppWrites, Identity::Owner) => Err(ApiError::Unauthorized),
            (Access::Public | Access::Read | Access::AppReads, _) | (_, Identity::Owner) => Ok(()),
            (Access::Write | Access::AppWrites, Identity::Token(scope)) if !scope.read_only => Ok(()),
            (Access::Write | Access::AppWrites, Identity::Token(_)) => Err(ApiError::TokenReadsOnly),
            (Access::Owner, Identity::Token(_)) => Err(ApiError::NotForTokens),
        }
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Who runs this node.
    Owner,
    /// Who bears a token.
    Token(TokenScope),
}

/// What a token holds for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenScope {
    /// Which token.
    pub id: String,
    /// What it was called when it was made.
    pub name: String,
    /// Its shops.
    pub shops: BTreeSet<ShopId>,
    /// Whether it may only read.
    pub read_only: bool,
}

impl Identity {
    /// Whether the data of that shop may be shown.
    pub(super) fn may_see(&self, shop: ShopId) -> bool {
        match self {
            Identity::Owner => true,
            Identity::Token(scope) => scope.shops.contains(&shop),
        }
    }

    /// Refuses another shop's data.
    pub(super) fn require(&self, shop: ShopId) -> Result<(), ApiError> {
        if self.may_see(shop) { Ok(()) } else { Err(ApiError::ShopOutsideToken { shop }) }
    }

    /// The shop to narrow a list by: the one asked for, else the token's one shop.
    pub(super) fn narrow(&self, asked: Option<ShopId>) -> Result<Option<ShopId>, ApiError> {
        match (asked, self) {
            (Some(shop), _) => self.require(shop).map(|()| Some(shop)),
            (None, Identity::Token(scope)) if scope.shops.len() == 1 => Ok(scope.shops.first().copied()),
            (None, _) => Ok(None),
        }
    }

    /// Who is recorded as having acted: what the request says, else the token's name.
    pub(super) fn agent(&self, said: Option<String>) -> Option<String> {
        said.or_else(|| match self {
            Identity::Owner => None,
            Identity::Token(scope) => Some(scope.name.clone()),
        })
    }
}

impl FromRequestParts<ApiState> for TokenScope {
    type Rejection = ApiError;

    /// The token of who asks, behind a rule that admits nobody else.
    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        match Identity::from_request_parts(parts, state).await? {
            Identity::Token(scope) => Ok(scope),
            Identity::Owner => Err(ApiError::Unauthorized),
        }
    }
}

impl FromRequestParts<ApiState> for Identity {
    type Rejection = ApiError;

    /// What `guard` found out. Its absence is a fault of the router, never of the request.
    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        parts.extensions.get::<Identity>().cloned().ok_or(ApiError::Internal)
    }
}

/// Stands before every route: Host and Origin, then who asks, then the route's rule.
pub(super) async fn guard(
    State((state, access)): State<(ApiState, Access)>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if access == Access::Public {
        return Ok(next.run(request).await);
    }
    let from = origin::check(state.settings(), request.uri(), request.headers(), request.extensions())?;
    let may_be_near = from == From::Here && request.version() != Version::HTTP_10;
    let identity = identify(&state, request.headers(), request.extensions(), may_be_near).await?;
    access.admits(&identity)?;
    request.extensions_mut().insert(identity);
    Ok(next.run(request).await)
}

/// Finds out who asks. HTTP/1.0 is what a proxy speaks that was set up without a thought, and that says nothing of whom
/// it asks for: who speaks it is not taken for the owner.
async fn identify(
    state: &ApiState,
    headers: &HeaderMap,
    extensions: &Extensions,
    may_be_near: bool,
) -> Result<Identity, ApiError> {
    let mut credentials = headers.get_all(AUTHORIZATION).iter();
    let presented = credentials.next();
    if presented.is_none() && may_be_near && is_local(state.settings(), headers, extensions) {
        return Ok(Identity::Owner);
    }
    let bearer = presented.and_then(|value| value.to_str().ok()).and_then(bearer_of);
    let identity = match bearer.filter(|_| credentials.next().is_none()) {
        None => None,
        Some(credential) if is_local_credential(state.settings(), credential) => Some(Identity::Owner),
        Some(credential) => state.tokens().identify(credential, state.now()).await?.map(Identity::Token),
    };
    if identity.is_none() {
        state.node().metrics().identity_refused();
    }
    identity.ok_or_else(|| match state.failures().count(state.now()) {
        None => ApiError::Unauthorized,
        Some(retry_after_s) => ApiError::TooManyFailures { retry_after_s },
    })
}

/// The credential of `Bearer <credential>`; the scheme in any case (RFC 9110, 11.1).
fn bearer_of(value: &str) -> Option<&str> {
    let (scheme, credential) = value.split_once(' ')?;
    let credential = credential.trim();
    (scheme.eq_ignore_ascii_case("bearer") && credential.len() <= CREDENTIAL_CHARS_MAX).then_some(credential)
}

/// Compared as hashes and in constant time, so that neither length nor prefix can be measured.
fn is_local_credential(settings: &ApiSettings, credential: &str) -> bool {
    let (known, asked) = (blake3::hash(settings.local_credential.as_bytes()), blake3::hash(credential.as_bytes()));
    !settings.local_credential.is_empty() && bool::from(known.as_bytes().ct_eq(asked.as_bytes()))
}

/// Whether the request comes from a process of this machine, and from nobody further away through it.
fn is_local(settings: &ApiSettings, headers: &HeaderMap, extensions: &Extensions) -> bool {
    let is_forwarded = headers.keys().any(|name| {
        let name = name.as_str();
        name.starts_with("x-forwarded") || matches!(name, "forwarded" | "via" | "x-real-ip")
    });
    let is_near = match (extensions.get::<ConnectInfo<SocketAddr>>(), settings.bound) {
        (Some(ConnectInfo(peer)), _) => peer.ip().to_canonical().is_loopback(),
        (None, bound) => bound.is_none(),
    };
    is_near && !is_forwarded
}
