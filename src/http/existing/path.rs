//! The paths that the existing app asks for, in every spelling in which deployed apps ask for them.
//!
//! Their base addresses end in nothing, `/server` or `/server/api`, and the app appends `/api/...`, with or without
//! `.php`. All of them are brought to one spelling before a route is looked for; other paths are left alone.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// The families of paths that only the existing app asks for.
const FAMILIES: [&str; 3] = ["credit-virtuels", "sync", "ping"];
/// What may stand before a family, again and again.
const PREFIXES: [&str; 3] = ["server", "api", ""];

/// The one spelling of a path of the existing app: `/api/<family>...`. Nothing for any other path.
pub fn normalised(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split('/').collect();
    let begin = segments.iter().position(|segment| !PREFIXES.contains(segment))?;
    let (prefix, rest) = segments.split_at(begin);
    if !prefix.contains(&"api") {
        return None;
    }
    let mut rest: Vec<&str> = rest.iter().copied().filter(|segment| !segment.is_empty()).collect();
    if let Some(last) = rest.last_mut() {
        *last = last.strip_suffix(".php").unwrap_or(last);
    }
    rest.first().filter(|family| FAMILIES.contains(family))?;
    Some(format!("/api/{}", rest.join("/")))
}

/// Whether a path in its one spelling is the existing app's.
pub(in crate::http) fn is_ours(path: &str) -> bool {
    let family = path.strip_prefix("/api/").and_then(|rest| rest.split('/').next());
    family.is_some_and(|family| FAMILIES.contains(&family))
}

/// Brings the path of a request to its one spelling, before a route is looked for.
pub(in crate::http) fn normalise(mut request: Request) -> Request {
    let Some(path) = normalised(request.uri().path()) else { return request };
    if path == request.uri().path() {
        return request;
    }
    let mut parts = request.uri().clone().into_parts();
    let text = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    // What was a path before is one without some of its segments; if not, the request stays as it came.
    if let Ok(path) = PathAndQuery::try_from(text) {
        parts.path_and_query = Some(path);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}
