//! JSON-RPC 2.0: the registry's methods over HTTP (`POST /rpc`) and over a WebSocket (`GET /ws`).
//!
//! `message` has the envelopes, to the letter of the specification, `socket` takes them over a WebSocket, and `spent`
//! says when a batch has been answered enough; doors to other registries use all three with methods of their own.
//! `methods` is the table of ours. A `caller` has each understood as a `task`, of what `params` tell, and done (`write`,
//! `look`); `discover` describes them. Over a WebSocket callers may own instances (`owner`, among the `claims` of all) and
//! be told of changes (`watch`).
//!
//! It is a method that writes, not a request, so the guard asks here who may.
//!
//! Road not taken: jsonrpsee, which counts every HTTP request as a connection, gives all of them one identity, and
//! refuses named parameters to handlers that take positions. What is left of it is `message`.

mod caller;
mod claims;
mod discover;
mod look;
mod message;
mod methods;
mod owner;
mod params;
mod socket;
mod spent;
mod task;
mod watch;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::api::Problem;

use super::Edge;
use super::handover::Handover;
use super::principal::Principal;
use super::request::read_body;
use super::respond::{self, Refused};

use caller::Caller;
use message::dispatch;

pub(super) use claims::Claims;
pub(super) use message::{Answer, Call, Methods, Outcome, Params, refusal};
pub(super) use params::{known, no_params, take};
pub(super) use socket::{Line, open};
pub(super) use spent::Spent;

/// `[rpc]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen for WebSockets alone: our methods at `/ws`, those of a Plexus registry at `/`.
    pub listen: Vec<SocketAddr>,
}

/// `POST /rpc`
pub(super) async fn call(State(edge): State<Arc<Edge>>, principal: Principal, request: Request) -> Response {
    let caller = Caller::new(&edge, principal);
    let reply = posted(&caller, &edge, request).await;
    reply.unwrap_or_else(|| StatusCode::NO_CONTENT.into_response())
}

/// Who is turned away before a call of theirs was read is told so in a reply, under the status of HTTP.
pub(super) fn refuse(problem: Problem) -> Response {
    let reply = refusal::<Caller>(problem.clone());
    Refused::from(problem).said_as(respond::JSON, &reply)
}

/// `GET /ws`
pub(super) async fn connect(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    Extension(handover): Extension<Handover>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    let caller = Caller::with_session(&edge, principal);
    Ok(open(edge, &handover, upgrade, caller)?)
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
