//! JSON-RPC 2.0: the registry's methods over HTTP (`POST /rpc`) and over a WebSocket (`GET /ws`).
//!
//! `message` has the envelopes, to the letter of the specification, and doors to other registries use it with methods
//! of their own. `methods` is the table of ours: `caller` does what they say with what `params` tell, and `discover`
//! describes them. A WebSocket (`socket`) is a session, which may own instances (`claims`).
//!
//! It is a method that writes, not a request, so the guard asks here who may.
//!
//! Road not taken: jsonrpsee, which counts every HTTP request as a connection, gives all of them one identity, and
//! refuses named parameters to handlers that take positions. What is left of it is `message`.

mod caller;
mod claims;
mod discover;
mod message;
mod methods;
mod params;
mod socket;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Edge;
use super::request::{Sender, read_body};
use super::respond;

use caller::Caller;
use message::{dispatch, refusal};

pub(super) use claims::Claims;
pub(super) use message::{Call, Methods, Outcome, Params};
pub(super) use socket::open;

/// Where calls are posted.
pub(super) const PATH: &str = "/rpc";

/// `POST /rpc`
pub(super) async fn call(State(edge): State<Arc<Edge>>, Sender(sender): Sender, request: Request) -> Response {
    let caller = Caller { edge: &edge, sender, session: None };
    let reply = posted(&caller, &edge, request).await;
    reply.unwrap_or_else(|| StatusCode::NO_CONTENT.into_response())
}

/// The reply to what was posted, `None` where nothing may be said. The status is 200, whatever the reply says: the
/// transport did its part.
pub(super) async fn posted<M: Methods>(methods: &M, edge: &Edge, request: Request) -> Option<Response> {
    let (parts, body) = request.into_parts();
    let reply = match read_body(&parts.headers, body, edge.config.body_limit, "http.body_limit").await {
        Ok(octets) => dispatch(methods, &octets).await?,
        Err(problem) => refusal::<M>(problem),
    };
    Some(respond::document(StatusCode::OK, &reply))
}
