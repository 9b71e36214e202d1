//! `GET /docs`: a page that shows `/openapi.json`, and sends requests for who wants to try.
//!
//! It is whole: nothing of it is elsewhere, and its policy lets it load and ask nothing but this registry. What the
//! document and answers say it shows as text and never as markup, since names in them are strangers'.
//!
//! Road not taken: one of the viewers that others have, by a crate that embeds them. They are megabytes of program that
//! nobody here reads, for a page that people open on the machine where everybody may write.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};

/// The page runs its own files and asks its own server, and is in no other page's frame (CSP Level 3).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";
/// It belongs to this version: a later one has another.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// `GET /docs`
pub(super) async fn page() -> Response {
    file("text/html; charset=utf-8", include_str!("docs/page.html"))
}

/// `GET /docs/viewer.js`
pub(super) async fn script() -> Response {
    file("text/javascript; charset=utf-8", include_str!("docs/viewer.js"))
}

/// `GET /docs/viewer.css`
pub(super) async fn style() -> Response {
    file("text/css; charset=utf-8", include_str!("docs/viewer.css"))
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CACHE_CONTROL, NO_CACHE),
    ];
    (headers, text).into_response()
}
