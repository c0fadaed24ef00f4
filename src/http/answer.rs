//! Answers of the engine, written out as they are: the view structs are the interface's shapes.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::problem::ApiError;
use crate::replica::Answer;

/// 200 and that value.
pub(super) fn json(value: &impl Serialize) -> Result<Response, ApiError> {
    let bytes = serde_json::to_vec(value).map_err(|_| ApiError::Internal)?;
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Balances: what a proxy or browser kept would be believed after it stopped being true.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// 200 and what the answer holds, without its name.
pub(super) fn shown(answer: &Answer) -> Result<Response, ApiError> {
    match answer {
        Answer::Credit(credit) => json(credit),
        Answer::Credits(page) => json(page),
        Answer::History(page) => json(page),
        Answer::Status(status) => json(status),
        Answer::Devices(page) => json(page),
        Answer::Shops(page) => json(page),
        Answer::Shop(shop) => json(shop),
        Answer::Sims(page) => json(page),
        Answer::Balance(balance) => json(balance),
        Answer::Shares(shares) => json(shares),
        Answer::Closing(closing) => json(closing),
        Answer::Movements(page) => json(page),
        Answer::Movement(movement) => json(movement),
        Answer::Statistics(sums) => json(sums),
        Answer::Invitation(invitation) => json(invitation),
        Answer::Device(device) => json(device),
        Answer::Verified(found) => json(found),
        Answer::Entries(page) => json(page),
        Answer::Document(document) => json(document),
        Answer::Done => Ok(nothing()),
        // Conflicts are told in sentences, by their own routes.
        Answer::Conflicts(_) | Answer::Conflict(_) => Err(ApiError::Internal),
        // None is an answer for people: imports are reported row by row, local values hold hashes of secrets, and the
        // parts of a backup go into its stream.
        Answer::Imported(_)
        | Answer::Reported(_)
        | Answer::Rows(_)
        | Answer::Local(_)
        | Answer::Snapshot(_)
        | Answer::OwnValues(..)
        | Answer::LogPiece(_) => Err(ApiError::Internal),
    }
}

/// 201, where the new thing stands, and what it is.
pub(super) fn created(mut response: Response, segments: &[&str]) -> Result<Response, ApiError> {
    let mut location = String::from("/api/v1");
    for segment in segments {
        location.push('/');
        location.push_str(&escape(segment));
    }
    *response.status_mut() = StatusCode::CREATED;
    let value = HeaderValue::from_str(&location).map_err(|_| ApiError::Internal)?;
    response.headers_mut().insert(LOCATION, value);
    Ok(response)
}

/// 204.
pub(super) fn nothing() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A path segment, percent-encoded but for unreserved characters and `+` (RFC 3986, 3.3).
fn escape(segment: &str) -> String {
    let mut escaped = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
