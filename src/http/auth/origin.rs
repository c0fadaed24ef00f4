//! `Host` and `Origin`: a page of another site, or a name that another made point at this machine, gets nothing.
//!
//! Names of this node are `localhost`, loopback addresses, the address that the connection came to, the address it
//! is bound to, and names that its settings give. An `Origin` must be the page of the very `Host` that is asked, or one
//! that the settings name.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{HOST, ORIGIN};
use axum::http::{Extensions, HeaderMap, Uri};

use crate::http::problem::ApiError;
use crate::http::state::ApiSettings;

/// The address of this machine that a connection came to.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct LocalAddress(pub(in crate::http) SocketAddr);

/// Refuses requests that were not meant for this node, or were made by a foreign page.
pub(super) fn check(
    settings: &ApiSettings,
    uri: &Uri,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<(), ApiError> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().map(|value| value.to_str().unwrap_or(""));
    if hosts.next().is_some() {
        return Err(ApiError::ForeignHost);
    }
    // An absolute request target replaces the header (RFC 9112, 3.2.2).
    let authority = uri.authority().map(|authority| authority.as_str()).or(host);
    let Some(authority) = authority else {
        // Calls within the process name no host; over a socket, HTTP/1.1 demands one.
        return if settings.bound.is_none() && headers.get(ORIGIN).is_none() {
            Ok(())
        } else {
            Err(ApiError::ForeignHost)
        };
    };
    let arrived_at = extensions.get::<LocalAddress>().map(|local| local.0.ip());
    if !is_own(settings, arrived_at, authority) {
        return Err(ApiError::ForeignHost);
    }
    for origin in headers.get_all(ORIGIN) {
        let is_known = |origin: &str| {
            is_same_page(origin, authority) || settings.origins.iter().any(|known| known.eq_ignore_ascii_case(origin))
        };
        if !origin.to_str().is_ok_and(is_known) {
            return Err(ApiError::ForeignOrigin);
        }
    }
    Ok(())
}

fn is_own(settings: &ApiSettings, arrived_at: Option<IpAddr>, authority: &str) -> bool {
    let Some((name, _)) = split(authority) else { return false };
    if name.eq_ignore_ascii_case("localhost") || settings.hosts.iter().any(|host| host.eq_ignore_ascii_case(name)) {
        return true;
    }
    let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() else { return false };
    let own = arrived_at.into_iter().chain(settings.bound.map(|bound| bound.ip()));
    address.is_loopback() || own.map(|ip| ip.to_canonical()).any(|ip| ip == address.to_canonical())
}

/// Whether the page at that origin was served by that authority.
fn is_same_page(origin: &str, authority: &str) -> bool {
    let (rest, default_port) = match (origin.strip_prefix("http://"), origin.strip_prefix("https://")) {
        (Some(rest), _) => (rest, 80),
        (None, Some(rest)) => (rest, 443),
        (None, None) => return false,
    };
    match (split(rest), split(authority)) {
        (Some((page, page_port)), Some((host, host_port))) => {
            page.eq_ignore_ascii_case(host) && page_port.unwrap_or(default_port) == host_port.unwrap_or(default_port)
        }
        _ => false,
    }
}

/// Name and port of `name`, `name:port`, `[v6]` or `[v6]:port`.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let name_end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, rest) = authority.split_at(name_end);
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
    };
    (!name.is_empty()).then_some((name, port))
}
