//! From a request to its handler: the router, and a way past it for what is asked most.
//!
//! Nearly all that a registry hears are heartbeats, and one that renews is done in little more time than it takes to be
//! routed: to match its path, and to move it from layer to layer, of which each allocates. So heartbeats are known here
//! by their method and path, and have the same handler, within the same limits. The router has their route, too: it
//! answers other methods.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::Edge;
use super::handover::Handover;
use super::manner::Manner;
use super::request::Sender;
use super::write;

/// Where heartbeats go, as the table of routes has it.
const HEARTBEAT: &str = "/v1/heartbeat";

/// What a listener answers.
#[derive(Clone)]
pub(super) struct Routed {
    router: TowerToHyperService<Router>,
    /// Where heartbeats are taken.
    edge: Option<Arc<Edge>>,
}

impl Routed {
    /// All that `router` has, heartbeats among them.
    pub(super) fn with_heartbeats(router: Router, edge: &Arc<Edge>) -> Self {
        Self { edge: Some(Arc::clone(edge)), ..Self::new(router) }
    }

    /// All that `router` has.
    pub(super) fn new(router: Router) -> Self {
        Self { router: TowerToHyperService::new(router), edge: None }
    }

    pub(super) async fn answer(&self, mut request: Request, sender: Sender, handover: &Handover) -> Response {
        if let Some(edge) = &self.edge
            && request.method() == Method::POST
            && request.uri().path() == HEARTBEAT
        {
            let handler = async |principal, request| {
                write::heartbeat(State(Arc::clone(edge)), principal, request).await.into_response()
            };
            // Elsewhere: every connection keeps the room of its largest request.
            let (share, manner) = (handover.share(), Manner::default());
            return Box::pin(edge.around(sender, share, Some(HEARTBEAT), manner, request, handler)).await;
        }
        request.extensions_mut().insert(sender);
        request.extensions_mut().insert(handover.clone());
        let Ok(response) = self.router.call(request).await;
        response
    }
}
