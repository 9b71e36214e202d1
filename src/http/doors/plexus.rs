//! The Plexus registry's door: JSON-RPC over a WebSocket at `/`, where every backend has a name of its own.
//!
//! A backend is the instance of its name (`substrate` of the service `substrate`), and stays until it is deleted; what
//! other doors registered is there as `SERVICE/INSTANCE`, and to `get` a service is to get one that is served. What
//! there is to do with them is a `verb`, however it is spelled (`spelling`).
//!
//! Unlike there, a backend that comes back under its name and at its place is no error.

mod backend;
mod spelling;
mod verb;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::UPGRADE;
use axum::response::{IntoResponse, Response};

use crate::http::handover::Handover;
use crate::http::principal::Principal;
use crate::http::respond::Refused;
use crate::http::rpc::{Call, Line, Methods, Outcome, Spent, open};
use crate::http::{Edge, about};

/// `GET /`: for who asks for a WebSocket the door, for others the welcome.
pub(in crate::http) async fn root(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    Extension(handover): Extension<Handover>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Result<Response, Refused> {
    // Some clients offer HTTP/2 so, which is no matter of a page (RFC 9110 §7.8).
    let wants = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    if !request.headers().get_all(UPGRADE).iter().any(wants) {
        return Ok(about::welcome(&edge, &request).into_response());
    }
    let hub = Hub { edge: Arc::clone(&edge), principal, subscriptions: Arc::default() };
    Ok(open(edge, &handover, upgrade, hub)?)
}

/// The registry, as one connection sees it.
#[derive(Debug, Clone)]
struct Hub {
    edge: Arc<Edge>,
    principal: Principal,
    /// The last number of one.
    subscriptions: Arc<AtomicU64>,
}

impl Line for Hub {
    fn is_over(&self) -> bool {
        self.renewed().is_none()
    }
}

impl Methods for Hub {
    async fn answer(&self, calls: Vec<Call>) -> Vec<Outcome> {
        let hub = self.renewed().unwrap_or_else(|| self.clone());
        let mut outcomes = Vec::with_capacity(calls.len());
        let mut spent = Spent::default();
        for call in calls {
            outcomes.push(hub.obey(call, &mut spent).await);
            // A batch takes its time; others have theirs.
            tokio::task::consume_budget().await;
        }
        outcomes
    }
}

impl Hub {
    /// The same as its client may be by now, `None` where the token is one no more.
    fn renewed(&self) -> Option<Self> {
        Some(Self { principal: self.edge.guard.renewed(&self.principal)?, ..self.clone() })
    }
}
