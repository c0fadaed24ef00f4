//! Bodies and keys of requests, bounded and checked for form before anything reads their fields.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::auth::Identity;
use super::fields::Fields;
use super::limits::IDEMPOTENCY_KEY_CHARS_MAX;
use super::problem::ApiError;
use super::serve::Times;
use super::state::ApiState;

/// The text of a JSON body of at most so many bytes.
pub(super) struct JsonText<const BYTES_MAX: usize>(String);

impl<const BYTES_MAX: usize> JsonText<BYTES_MAX> {
    /// Its fields.
    pub(super) fn fields(&self) -> Result<Fields<'_>, ApiError> {
        Fields::of_body(&self.0)
    }
}

impl<const BYTES_MAX: usize> FromRequest<ApiState> for JsonText<BYTES_MAX> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &ApiState) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::NotJson);
        }
        let longest = request.extensions().get::<Times>().copied().unwrap_or_default().body;
        let bytes = read(request.into_body(), BYTES_MAX, longest).await?;
        String::from_utf8(bytes).map(JsonText).map_err(|_| ApiError::NotUtf8)
    }
}

/// The text of a body of at most so many bytes, whatever it is declared to be: for requests that no page of another
/// site can make, as they bear a token.
pub(super) struct PlainText<const BYTES_MAX: usize>(pub(super) String);

impl<const BYTES_MAX: usize> FromRequest<ApiState> for PlainText<BYTES_MAX> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &ApiState) -> Result<Self, ApiError> {
        let longest = request.extensions().get::<Times>().copied().unwrap_or_default().body;
        let bytes = read(request.into_body(), BYTES_MAX, longest).await?;
        String::from_utf8(bytes).map(PlainText).map_err(|_| ApiError::NotUtf8)
    }
}

/// Reads a body to its end, or to its limit in bytes, or until it stands still for too long.
async fn read(mut body: Body, bytes_max: usize, longest: Duration) -> Result<Vec<u8>, ApiError> {
    let too_large = ApiError::BodyTooLarge { limit: bytes_max };
    if body.size_hint().lower() > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
        return Err(too_large);
    }
    let mut read = Vec::new();
    loop {
        // One that sends a byte now and then is ended by the time of the request as a whole.
        let Ok(frame) = timeout(longest, body.frame()).await else { return Err(ApiError::BodyUnreadable) };
        let Some(frame) = frame else { return Ok(read) };
        let frame = frame.map_err(|_| ApiError::BodyUnreadable)?;
        let Some(bytes) = frame.data_ref() else { continue };
        if read.len() + bytes.len() > bytes_max {
            return Err(too_large);
        }
        read.extend_from_slice(bytes);
    }
}

/// Whether the body is declared to be `application/json`, or JSON of some kind.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The `Idempotency-Key` of a request, if it has one.
///
/// Two tokens may draw the same key for different things: a token's key is hashed together with its id, so that
/// none gets another's answer.
pub(super) struct IdempotencyKey(pub(super) Option<String>);

impl FromRequestParts<ApiState> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else { return Ok(IdempotencyKey(None)) };
        let text = value.as_bytes();
        let is_visible = text.iter().all(u8::is_ascii_graphic);
        if values.next().is_some() || text.is_empty() || text.len() > IDEMPOTENCY_KEY_CHARS_MAX || !is_visible {
            return Err(ApiError::InvalidIdempotencyKey);
        }
        let key = String::from_utf8_lossy(text).into_owned();
        match Identity::from_request_parts(parts, state).await? {
            Identity::Owner => Ok(IdempotencyKey(Some(key))),
            Identity::Token(scope) => {
                let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/idempotency-key-of-token");
                hasher.update(scope.id.as_bytes()).update(b"\0").update(key.as_bytes());
                Ok(IdempotencyKey(Some(format!("token:{}", hasher.finalize().to_hex()))))
            }
        }
    }
}
