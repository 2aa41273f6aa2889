//! The style sheet, the scripts and the icon: compiled in, so that the page needs nothing from anywhere.

use axum::{
    Router,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};

/// A file that the page loads.
#[derive(Debug, Clone, Copy)]
struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const ASSETS: [Asset; 4] = [
    Asset {
        path: "/assets/lab.css",
        kind: "text/css; charset=utf-8",
        text: include_str!("assets/lab.css"),
    },
    Asset {
        path: "/assets/lab.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("assets/lab.js"),
    },
    Asset {
        path: "/assets/theme.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("assets/theme.js"),
    },
    Asset {
        path: "/assets/icon.svg",
        kind: "image/svg+xml",
        text: include_str!("assets/icon.svg"),
    },
];

pub(super) fn routes() -> Router {
    ASSETS.into_iter().fold(Router::new(), |routes, asset| {
        routes.route(
            asset.path,
            get(move |fields: HeaderMap| async move { asset.answer(&fields) }),
        )
    })
}

impl Asset {
    /// The file, or that the browser's copy of it is still good: a newer lab may have another one at the same port.
    fn answer(&self, asked: &HeaderMap) -> Response {
        let tag = self.tag();
        let same = asked
            .get(header::IF_NONE_MATCH)
            .is_some_and(|have| have.as_bytes() == tag.as_bytes());
        let mut response = if same {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.kind)], self.text).into_response()
        };
        let fields = response.headers_mut();
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            fields.insert(header::ETAG, tag);
        }
        response
    }

    /// FNV-1a of the text: it tells two editions apart, which is all that it is for.
    fn tag(&self) -> String {
        let mixed =
            |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = self
            .text
            .as_bytes()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, mixed);
        format!("\"{hash:016x}\"")
    }
}
