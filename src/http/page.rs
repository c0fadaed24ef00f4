//! The page at `/`: three files that are part of the program, with no word of data in them.
//!
//! They are public, as what they show is asked for at `/api/v1`, by its rules: who may not read sees an empty page
//! that asks for a token. Nothing is loaded from elsewhere, no script stands in the page itself, and no other page
//! may hold this one in a frame, where clicks on it could be led.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

use super::auth::Access;
use super::openapi::Operation;
use super::problem::ApiError;
use super::routes::Routes;

/// A file of the page.
#[derive(Clone, Copy)]
pub(super) struct Asset {
    pub(super) content_type: &'static str,
    pub(super) text: &'static str,
}

const INDEX: Asset =
    Asset { content_type: "text/html; charset=utf-8", text: include_str!("../../assets/page/index.html") };
const STYLE: Asset =
    Asset { content_type: "text/css; charset=utf-8", text: include_str!("../../assets/page/page.css") };
const SCRIPT: Asset =
    Asset { content_type: "text/javascript; charset=utf-8", text: include_str!("../../assets/page/page.js") };

pub(super) fn add(routes: Routes) -> Routes {
    let routes = INDEX.at("/", routes);
    SCRIPT.at("/page.js", STYLE.at("/page.css", routes))
}

impl Asset {
    /// Adds its route.
    pub(super) fn at(self, path: &'static str, routes: Routes) -> Routes {
        let described = Operation::new("Un fichier de la page.", "A file of the page.");
        let described = described.sends(self.content_type).or_unchanged();
        routes.get(path, Access::Public, described, async move |headers: HeaderMap| {
            serve(self.content_type, self.text, &headers)
        })
    }
}

/// The file, or 304 to who has it. It may be kept but is asked about each time, so that page and API never differ
/// after an update.
pub(super) fn serve(content_type: &'static str, text: &str, asked: &HeaderMap) -> Result<Response, ApiError> {
    let tag = format!("\"{}\"", &blake3::hash(text.as_bytes()).to_hex()[..32]);
    let is_known = asked
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(text.to_owned()) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::from_str(&tag).map_err(|_| ApiError::Internal)?);
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, "default-src 'self'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
