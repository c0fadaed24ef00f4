//! `Host` and `Origin`: a page of another site, or a name that another made point at this machine, gets nothing.
//!
//! Names of this node are `localhost`, loopback addresses, the address that the connection came to, the address it
//! is bound to, and names that its settings give. An `Origin` must be the page of the very `Host` that is asked, or one
//! that the settings name; a page of the latter is a stranger that brings a token, never the owner.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{Extensions, HeaderMap, HeaderValue, Uri};

use crate::http::problem::ApiError;
use crate::http::state::ApiSettings;

/// The address of this machine that a connection came to.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct LocalAddress(pub(in crate::http) SocketAddr);

/// A page's origin as browsers send it: `https://app.example`, `http://localhost:3000`. Never `null`, never a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin {
    is_https: bool,
    /// In lower case.
    host: String,
    port: u16,
}

/// That text is no origin: it needs a scheme and a name, and perhaps a port, and nothing after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoOrigin;

impl FromStr for WebOrigin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<WebOrigin, NoOrigin> {
        let (is_https, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err(NoOrigin),
        };
        let (host, port) = split(rest).filter(|(host, _)| is_plain_host(host)).ok_or(NoOrigin)?;
        let port = port.unwrap_or(if is_https { 443 } else { 80 });
        Ok(WebOrigin { is_https, host: host.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(formatter, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Whether that is a name or an address as it stands before a port.
pub fn is_plain_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && !host.starts_with(['.', '-'])
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        }
    }
}

/// Whether the settings name that page.
pub(in crate::http) fn is_configured(settings: &ApiSettings, origin: &HeaderValue) -> bool {
    let asked = origin.to_str().ok().and_then(|text| text.parse::<WebOrigin>().ok());
    asked.is_some_and(|asked| settings.origins.contains(&asked))
}

/// From where a request was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum From {
    /// This node's page, or no page.
    Here,
    /// A page that the settings name, or through a name that only who is further away uses.
    Elsewhere,
}

/// Refuses requests that were not meant for this node, or were made by a foreign page.
pub(in crate::http) fn check(
    settings: &ApiSettings,
    uri: &Uri,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<From, ApiError> {
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
            Ok(From::Here)
        } else {
            Err(ApiError::ForeignHost)
        };
    };
    let arrived_at = extensions.get::<LocalAddress>().map(|local| local.0.ip());
    if !is_own(settings, arrived_at, authority) {
        return Err(ApiError::ForeignHost);
    }
    // A public name stands for a proxy in front: a request to it that comes from this machine is the proxy's.
    let is_public = split(authority).is_some_and(|(name, _)| is_named(settings, name));
    let mut from = if is_public { From::Elsewhere } else { From::Here };
    for origin in headers.get_all(ORIGIN) {
        if origin.to_str().is_ok_and(|origin| is_same_page(origin, authority)) {
            continue;
        }
        if !is_configured(settings, origin) {
            return Err(ApiError::ForeignOrigin);
        }
        from = From::Elsewhere;
    }
    Ok(from)
}

fn is_named(settings: &ApiSettings, name: &str) -> bool {
    settings.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
}

fn is_own(settings: &ApiSettings, arrived_at: Option<IpAddr>, authority: &str) -> bool {
    let Some((name, _)) = split(authority) else { return false };
    if name.eq_ignore_ascii_case("localhost") || is_named(settings, name) {
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
