//! What a browser may do with the pages. Who may see them is decided as for the API, by [`crate::service::guard`].

use axum::{
    http::{HeaderValue, header},
    response::Response,
};

/// No inline script, no inline style, nothing from elsewhere, in nobody's frame.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// Adds the fields that tell the browser.
pub(super) async fn confine(mut response: Response) -> Response {
    let fields = response.headers_mut();
    let mut set = |name, value| {
        fields.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    fields
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
