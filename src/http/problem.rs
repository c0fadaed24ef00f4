//! What the API answers when it says no: one closed enum, written out as RFC 9457 problem documents.
//!
//! A handler returns an [`ApiError`]; [`render`], the outermost layer, writes it in the language of the request.
//! No other place writes an error body, so that none can lack its `code`, or repeat what a stranger sent as HTML.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::existing;
use super::messages::{self, Language};
use super::status;
use crate::ledger::Refusal;
use crate::model::ShopId;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// The rules refused it.
    Refused(Refusal),
    /// Nothing stands at that path.
    NotFound,
    /// Something stands there, but not for that method.
    MethodNotAllowed,
    /// No credential, or one that is not (or no longer) valid. Which, is not said.
    Unauthorized,
    /// Too many failures this minute.
    TooManyFailures {
        /// When to try again.
        retry_after_s: u64,
    },
    /// The token asks too fast.
    TooManyRequests {
        /// When to try again.
        retry_after_s: u64,
    },
    /// The token may only read.
    TokenReadsOnly,
    /// Only who sits at this node may do that.
    NotForTokens,
    /// The token does not hold for that shop.
    ShopOutsideToken {
        /// Which.
        shop: ShopId,
    },
    /// The `Host` is no name of this node.
    ForeignHost,
    /// The page that sent this is not this node's.
    ForeignOrigin,
    /// The body is too large.
    BodyTooLarge {
        /// What is allowed, in bytes.
        limit: usize,
    },
    /// The body is not declared to be JSON.
    NotJson,
    /// The body could not be read to its end.
    BodyUnreadable,
    /// The body is not UTF-8.
    NotUtf8,
    /// The body is not JSON.
    MalformedJson {
        /// Where it stops being JSON.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// A field that must be there is not.
    MissingField {
        /// Which.
        field: String,
    },
    /// A field that nobody reads: most often a slip of the pen.
    UnknownField {
        /// Which, cut at 64 characters.
        field: String,
    },
    /// A field is there twice.
    DuplicateField {
        /// Which, cut at 64 characters.
        field: String,
    },
    /// A field that is not what it must be.
    InvalidField {
        /// Which.
        field: String,
        /// What it must be.
        expected: Expected,
    },
    /// The `Idempotency-Key` is too long, or not visible ASCII.
    InvalidIdempotencyKey,
    /// No token of that id.
    UnknownToken {
        /// Which.
        id: String,
    },
    /// Too many tokens are in use.
    TooManyTokens {
        /// What is allowed.
        limit: usize,
    },
    /// Too many read events already.
    TooManyStreams,
    /// Who watches over this node asked whether it is well, and it is not.
    NotReady {
        /// What was looked at, and what is wrong with it.
        checks: Vec<(&'static str, Option<Unfit>)>,
    },
    /// It took too long. What was asked may still be done: the same idempotency key tells.
    TimedOut,
    /// A fault of this program.
    Internal,
}

/// Why a node is not alive or cannot serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The engine has stopped.
    EngineGone,
    /// The engine has been at one thing for longer than anything takes.
    EngineStuck,
    /// The engine did not answer within bounds.
    EngineSlow,
    /// Nothing is written until there is room.
    DiskFull,
    /// Nothing is written any more.
    DiskFailed,
    /// A sync of the disk takes too long.
    DiskStalled,
    /// The clock stands before 2020.
    ClockBefore2020,
    /// The clock differs from those of the others by more than they believe.
    ClockApart,
}

impl Unfit {
    /// The word by which programs know it.
    pub fn code(self) -> &'static str {
        match self {
            Unfit::EngineGone => "engine_gone",
            Unfit::EngineStuck => "engine_stuck",
            Unfit::EngineSlow => "engine_slow",
            Unfit::DiskFull => "disk_full",
            Unfit::DiskFailed => "disk_failed",
            Unfit::DiskStalled => "disk_stalled",
            Unfit::ClockBefore2020 => "clock_before_2020",
            Unfit::ClockApart => "clock_apart",
        }
    }
}

/// What a field must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A text.
    Text,
    /// A decimal number in a text.
    DecimalText,
    /// More than zero.
    AboveZero,
    /// `true` or `false`.
    TrueOrFalse,
    /// A whole number from 0.
    WholeNumber,
    /// A shop's number.
    ShopNumber,
    /// An object.
    Object,
    /// A list of so many at most.
    List {
        /// How many.
        limit: usize,
    },
    /// A list.
    Rows,
    /// An instant with its zone, or a date.
    Time,
    /// A time as the existing app writes it.
    WireTime,
    /// A duration such as `15m`.
    Duration {
        /// The longest, in days.
        days_max: i64,
    },
    /// One of a few words.
    OneOf {
        /// The words.
        words: Vec<&'static str>,
    },
    /// A number of items.
    Limit,
    /// Absent, as another one is there.
    WithoutOther {
        /// The other one.
        other: &'static str,
    },
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        ApiError::Refused(refusal)
    }
}

impl ApiError {
    /// A field that is not what it must be.
    pub(super) fn field(field: &str, expected: Expected) -> ApiError {
        ApiError::InvalidField { field: field.to_owned(), expected }
    }

    /// The stable code by which programs know it.
    pub fn code(&self) -> &'static str {
        match self {
            ApiError::Refused(refusal) => refusal.code(),
            ApiError::NotFound => "not_found",
            ApiError::MethodNotAllowed => "method_not_allowed",
            ApiError::Unauthorized => "unauthorized",
            ApiError::TooManyFailures { .. } => "too_many_failures",
            ApiError::TooManyRequests { .. } => "too_many_requests",
            ApiError::TokenReadsOnly => "token_reads_only",
            ApiError::NotForTokens => "not_for_tokens",
            ApiError::ShopOutsideToken { .. } => "shop_outside_token",
            ApiError::ForeignHost => "foreign_host",
            ApiError::ForeignOrigin => "foreign_origin",
            ApiError::BodyTooLarge { .. } => "body_too_large",
            ApiError::NotJson => "not_json",
            ApiError::BodyUnreadable => "body_unreadable",
            ApiError::NotUtf8 => "not_utf8",
            ApiError::MalformedJson { .. } => "malformed_json",
            ApiError::MissingField { .. } => "missing_field",
            ApiError::UnknownField { .. } => "unknown_field",
            ApiError::DuplicateField { .. } => "duplicate_field",
            ApiError::InvalidField { .. } => "invalid_field",
            ApiError::InvalidIdempotencyKey => "invalid_idempotency_key",
            ApiError::UnknownToken { .. } => "unknown_token",
            ApiError::TooManyTokens { .. } => "too_many_tokens",
            ApiError::TooManyStreams => "too_many_streams",
            ApiError::NotReady { .. } => "not_ready",
            ApiError::TimedOut => "timed_out",
            ApiError::Internal => "internal",
        }
    }

    /// The facts that it carries, as members of the problem document.
    pub fn facts(&self) -> Map<String, Value> {
        let members = match self {
            ApiError::Refused(refusal) => return messages::facts(refusal),
            ApiError::ShopOutsideToken { shop } => json!({ "shop_id": shop }),
            ApiError::BodyTooLarge { limit } => json!({ "limit_bytes": limit }),
            ApiError::MalformedJson { line, column } => json!({ "line": line, "column": column }),
            ApiError::MissingField { field }
            | ApiError::UnknownField { field }
            | ApiError::DuplicateField { field }
            | ApiError::InvalidField { field, .. } => json!({ "field": field }),
            ApiError::InvalidIdempotencyKey => json!({ "field": "Idempotency-Key" }),
            ApiError::UnknownToken { id } => json!({ "token": id }),
            ApiError::TooManyTokens { limit } => json!({ "limit": limit }),
            ApiError::TooManyFailures { retry_after_s } | ApiError::TooManyRequests { retry_after_s } => {
                json!({ "retry_after_s": retry_after_s })
            }
            ApiError::NotReady { checks } => {
                let one = |(name, unfit): &(&str, Option<Unfit>)| json!({ "name": name, "ok": unfit.is_none(), "fault": unfit.map(Unfit::code) });
                json!({ "checks": checks.iter().map(one).collect::<Vec<_>>() })
            }
            ApiError::NotFound
            | ApiError::MethodNotAllowed
            | ApiError::Unauthorized
            | ApiError::TokenReadsOnly
            | ApiError::NotForTokens
            | ApiError::ForeignHost
            | ApiError::ForeignOrigin
            | ApiError::NotJson
            | ApiError::BodyUnreadable
            | ApiError::NotUtf8
            | ApiError::TooManyStreams
            | ApiError::TimedOut
            | ApiError::Internal => json!({}),
        };
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// The problem document.
    pub fn document(&self, language: Language) -> Value {
        let code = self.code();
        let status = status::of(self);
        let mut document = self.facts();
        document.insert("type".to_owned(), json!(format!("urn:ucash:problem:{code}")));
        document.insert("title".to_owned(), json!(messages::title(status, language)));
        document.insert("status".to_owned(), json!(status.as_u16()));
        document.insert("detail".to_owned(), json!(messages::detail(self, language)));
        document.insert("code".to_owned(), json!(code));
        Value::Object(document)
    }
}

impl IntoResponse for ApiError {
    /// The status and the headers; `render` writes the body.
    fn into_response(self) -> Response {
        let status = status::of(&self);
        let mut response = status.into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = status::retry_after_s(&self) {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the problem document of an [`ApiError`], in the request's language, and tells the handlers that language.
pub async fn render(mut request: Request, next: Next) -> Response {
    let accepted = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = Language::from_accept(accepted);
    request.extensions_mut().insert(language);
    let is_existing = existing::is_ours(request.uri().path());
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        if is_existing {
            return existing::render(&error, response);
        }
        *response.body_mut() = Body::from(error.document(language).to_string());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
    }
    response
}
