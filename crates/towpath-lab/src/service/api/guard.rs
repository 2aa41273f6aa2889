//! Who may use the page's listener: whoever is on this machine, but no web page of others.
//!
//! A page elsewhere could reach a listener on loopback by a name of its own that resolves to 127.0.0.1, so `Host` has to
//! be a name of this machine. It could also send requests blindly, so a request that changes something needs a field
//! that browsers send across origins only after asking, and `Origin` has to be the page's own.

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{super::call::without_port, Wrong};

/// The layer that refuses what comes from elsewhere.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    match check(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(wrong) => wrong.into_response(),
    }
}

fn check(method: &Method, headers: &HeaderMap) -> Result<(), Wrong> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    if !here(without_port(host)) {
        return Err(Wrong::new(
            StatusCode::FORBIDDEN,
            "HostRefused",
            format!("Host {host:?} is no loopback name or address; use localhost"),
        ));
    }
    if headers.contains_key(header::ORIGIN) {
        let origin = text(header::ORIGIN).unwrap_or_default();
        if origin.strip_prefix("http://") != Some(host) {
            return Err(Wrong::new(
                StatusCode::FORBIDDEN,
                "OriginRefused",
                format!("Origin {origin:?} is not http://{host}"),
            ));
        }
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let json = text(header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    });
    if json || headers.contains_key("x-towpath-lab") {
        return Ok(());
    }
    Err(Wrong::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "ContentTypeRefused",
        "a request that changes something needs \"Content-Type: application/json\" or the field X-Towpath-Lab",
    ))
}

/// Whether this name or address is this machine's own, whatever the resolver says.
fn here(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let address = name.parse::<IpAddr>();
    let is_loopback = |it: IpAddr| it.to_canonical().is_loopback();
    name == "localhost" || name.ends_with(".localhost") || address.is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for host in [
            "localhost",
            "LOCALHOST",
            "lab.localhost",
            "localhost.",
            "lab.localhost.",
            "127.0.0.1.",
            "::ffff:127.0.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "::1",
        ] {
            assert!(here(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "::ffff:10.0.0.1",
            "localhost..",
            "evillocalhost",
            "0.0.0.0",
            "::",
        ] {
            assert!(!here(host), "{host}");
        }
    }
}
