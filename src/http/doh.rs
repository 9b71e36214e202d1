//! DNS over HTTPS (RFC 8484): a DNS message in, a DNS message out, over HTTP/1.1 and HTTP/2.
//!
//! What is answered is not known here: whoever starts this room gives it a [`NameServer`]. Asking is reading, also
//! with POST.

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::api::{Explained, Kind, Problem};
use crate::service::DomainName;
use crate::zone::Snapshot;

use super::Edge;
use super::request::{self, Sender};
use super::respond::Refused;

const MEDIA_TYPE: &str = "application/dns-message";
/// Octets of a request, at most: ten times what a question with all its options takes.
const REQUEST_MAX: usize = 4096;

/// Answers DNS messages.
pub trait NameServer: Debug + Send + Sync {
    /// The reply to a message in wire form, and for how many seconds it may be kept; `None` where none is due.
    fn answer(&self, request: &[u8], client: IpAddr) -> Option<(Vec<u8>, u32)>;

    /// What a client would be told of a name by `zone`; without a type, of the usual one.
    fn explain(&self, zone: &Snapshot, name: &DomainName, rtype: Option<u16>, client: IpAddr) -> Explained;
}

/// `GET /dns-query?dns=…`: the message in Base64 for URLs, without padding (RFC 8484 §6).
pub(super) async fn get(
    State(edge): State<Arc<Edge>>,
    Sender(sender): Sender,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let refuse = |detail: String| Problem::new(Kind::InvalidParameter, detail);
    let query = query.unwrap_or_default();
    let Some(text) = query.split('&').find_map(|pair| pair.strip_prefix("dns=")) else {
        return Err(refuse("`dns` is missing; give a DNS message in base64url, or POST one".into()).into());
    };
    let request = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|error| refuse(format!("`dns` is no base64url without padding: {error}")))?;
    if request.len() > REQUEST_MAX {
        let detail = format!("`dns` is {} octets; no request has more than {REQUEST_MAX}", request.len());
        return Err(refuse(detail).into());
    }
    edge.answer(&request, sender)
}

/// `POST /dns-query`: the message as it is.
pub(super) async fn post(
    State(edge): State<Arc<Edge>>,
    Sender(sender): Sender,
    request: Request,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    check_media_type(&parts.headers)?;
    let request = request::read_body(&parts.headers, body, REQUEST_MAX, "a DNS request").await?;
    edge.answer(&request, sender)
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let media_type = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    // What comes behind a semicolon are parameters, of which it has none.
    let named = media_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if named.eq_ignore_ascii_case(MEDIA_TYPE) {
        return Ok(());
    }
    Err(Problem::new(Kind::MediaType, format!("the body is to be a DNS message; send it as {MEDIA_TYPE}")))
}

impl Edge {
    fn answer(&self, request: &[u8], sender: IpAddr) -> Result<Response, Refused> {
        let Some((message, max_age)) = self.neighbours.name_server.answer(request, sender) else {
            return Err(Problem::new(Kind::MalformedRequest, "that is no DNS request").into());
        };
        let headers = [(CONTENT_TYPE, MEDIA_TYPE.to_owned()), (CACHE_CONTROL, format!("max-age={max_age}"))];
        Ok((headers, message).into_response())
    }
}
