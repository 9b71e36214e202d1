//! Answers: JSON documents, and problems in the place of errors.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::api::{Invalid, Kind, Problem};
use crate::registry::Refusal;
use crate::service::Revision;

/// What documents are.
pub(super) const JSON: &str = "application/json";
/// Octets that most documents fit: what a heartbeat is answered.
const SMALL: usize = 512;

/// A problem as an answer.
#[derive(Debug)]
pub(super) struct Refused(Problem);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        Self(invalid.into())
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(problem_of(&refusal))
    }
}

/// What the registry refused, for whoever asked over HTTP.
pub(super) fn problem_of(refusal: &Refusal) -> Problem {
    let said = refusal.to_string();
    match refusal {
        Refusal::Unknown(_) => {
            Problem::new(Kind::NotRegistered, format!("{said} through the API; register it with POST /v1/heartbeat"))
        }
        Refusal::Exists(found) => {
            let detail = format!("{said}; choose another instance name, or leave If-None-Match out to replace it");
            Problem { revision: Some(found.revision.0), ..Problem::new(Kind::AlreadyRegistered, detail) }
        }
        Refusal::Stale(found) => {
            let detail = format!("{said}, not the one in If-Match; get it, look at what changed and try again");
            Problem { revision: Some(found.revision.0), ..Problem::new(Kind::RevisionDiffers, detail) }
        }
        Refusal::OutOfScope(_) => {
            let detail = format!("{said}; show one that has it in its `write`, or add it there ([[token]])");
            Problem::new(Kind::OutOfScope, detail)
        }
        Refusal::NotYours(_) => {
            Problem::new(Kind::NotYours, format!("{said}; show that one, or one with admin = true"))
        }
        Refusal::HostTaken(_) => Problem::new(Kind::NotYours, format!("{said}; choose another `host`")),
        Refusal::Store(_) => Problem::new(Kind::StoreFailed, said),
        Refusal::Busy => Problem::new(Kind::Busy, said),
        Refusal::Full(_) | Refusal::ChecksFull(_) => Problem::new(Kind::Full, said),
        Refusal::Stopped => Problem::new(Kind::ShuttingDown, said),
    }
}

impl From<Refused> for Problem {
    fn from(Refused(problem): Refused) -> Self {
        problem
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.said_as("application/problem+json", &self.0)
    }
}

impl Refused {
    /// With the status and headers of HTTP, and a body in somebody's own words.
    pub(super) fn said_as(&self, content_type: &'static str, body: &impl Serialize) -> Response {
        let status = StatusCode::from_u16(self.0.status).expect("kinds have statuses of HTTP");
        let mut response = json(status, content_type, body);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // A queue is soon shorter; a disk or a restart takes people longer.
            let seconds = if self.0.known() == Some(Kind::Busy) { "1" } else { "5" };
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if let Some(challenge) = self.0.known().and_then(challenge) {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// What to authenticate with, and what was wrong with it (RFC 6750 §3).
fn challenge(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::TokenNeeded => Some(r#"Bearer realm="portolan""#),
        Kind::InvalidToken => Some(r#"Bearer realm="portolan", error="invalid_token""#),
        Kind::OutOfScope => Some(r#"Bearer realm="portolan", error="insufficient_scope""#),
        _ => None,
    }
}

/// A document.
pub(super) fn document(status: StatusCode, body: &impl Serialize) -> Response {
    json(status, JSON, body)
}

/// A document about an instance at `revision`, which is its entity tag: the times of its lease aside, it changes
/// with the instance.
pub(super) fn tagged(status: StatusCode, revision: Revision, body: &impl Serialize) -> Response {
    let mut response = document(status, body);
    response.headers_mut().insert(ETAG, etag(revision));
    response
}

fn etag(revision: Revision) -> HeaderValue {
    format!("\"{revision}\"").try_into().expect("digits in quotes")
}

fn json(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Response {
    let mut octets = Vec::with_capacity(SMALL);
    serde_json::to_writer(&mut octets, body).expect("our types have texts for keys");
    // For terminals.
    octets.push(b'\n');
    text(status, content_type, octets)
}

/// A text that is written already, or is being written.
pub(super) fn text(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store")];
    (status, headers, body.into()).into_response()
}

pub(super) fn no_such_path(uri: &Uri) -> Response {
    let detail = format!("there is nothing at {}; GET / says what there is", excerpt(uri.path()));
    Refused::from(Problem::new(Kind::NoSuchPath, detail)).into_response()
}

/// The router adds `Allow`.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Refused {
    let (path, method) = (excerpt(uri.path()), excerpt(method.as_str()));
    let detail = format!("{path} does not take {method}; the Allow header says what it takes");
    Problem::new(Kind::MethodNotAllowed, detail).into()
}

/// What a problem may repeat of a stranger's text.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Adds where to find what was created.
pub(super) fn locate(response: &mut Response, path: &str) {
    response.headers_mut().insert(LOCATION, path.try_into().expect("percent-encoded"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::HostLabel;

    #[test]
    fn what_the_registry_refuses_has_a_status_and_says_when_to_come_again() {
        let store = || Refusal::Store("disk full".into());
        for (refusal, status, retry_after) in [
            (Refusal::HostTaken(HostLabel::new("web1").unwrap()), 409, None),
            (store(), 503, Some("5")),
            (Refusal::Busy, 503, Some("1")),
            (Refusal::Full(7), 507, None),
            (Refusal::ChecksFull(7), 507, None),
            (Refusal::Stopped, 503, Some("5")),
        ] {
            let response = Refused::from(refusal.clone()).into_response();
            assert_eq!(response.status(), status, "{refusal}");
            let header = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap());
            assert_eq!(header, retry_after, "{refusal}");
        }
        assert!(problem_of(&store()).detail.contains("disk full"));
    }
}
