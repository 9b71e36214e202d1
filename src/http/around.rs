//! What surrounds every handler: the guard before it, the time that it has, the room for its answer, and the count after
//! it.
//!
//! Road not taken: a layer for each. For every request a layer copies all that is beneath it.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::timeout;

use crate::api::{Kind, Problem};

use super::Edge;
use super::access_log::By;
use super::handover::Handover;
use super::manner::Manner;
use super::octets::Share;
use super::principal::Principal;
use super::request::Sender;

/// The layer of all routes of one manner.
pub(super) async fn layer(
    State((edge, manner)): State<(Arc<Edge>, Manner)>,
    sender: Sender,
    Extension(handover): Extension<Handover>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let handler = |principal, mut request: Request| {
        request.extensions_mut().insert(principal);
        next.run(request)
    };
    let (route, share) = (route.as_ref().map(MatchedPath::as_str), handover.share());
    edge.around(sender, share, route, manner, request, handler).await
}

impl Edge {
    /// Lets `handler` answer a request to `route`, or answers it; without a route, the path is none of ours.
    pub(super) async fn around<F: Future<Output = Response>>(
        &self,
        sender: Sender,
        share: &Share,
        route: Option<&str>,
        manner: Manner,
        request: Request,
        handler: impl FnOnce(Principal, Request) -> F,
    ) -> Response {
        let counting = self.requests.begin(route, request.method());
        let (by, answer) = match self.check(&request, sender.0, manner.writes) {
            Ok(principal) => {
                let by = principal.grant.name().map(|name| By(Arc::clone(name)));
                (by, in_time(self.config.request_timeout, handler(principal, request)).await)
            }
            Err(problem) => (None, Err(problem)),
        };
        let answer = answer.and_then(|response| with_room(response, share));
        let mut response = answer.unwrap_or_else(|problem| manner.words.tell(problem));
        if let Some(by) = by {
            response.extensions_mut().insert(by);
        }
        counting.end(response.status());
        response
    }
}

/// Has an answer hold its room of `share`, for as long as it has the extension.
fn with_room(mut response: Response, share: &Share) -> Result<Response, Problem> {
    // What is written while it is taken has no length yet, and costs no more than its pieces.
    if let Some(held) = share.hold(response.body().size_hint().exact().unwrap_or_default())? {
        response.extensions_mut().insert(Arc::new(held));
    }
    Ok(response)
}

/// Ends what takes too long.
async fn in_time(limit: Duration, answer: impl Future<Output = Response>) -> Result<Response, Problem> {
    timeout(limit, answer).await.map_err(|_| {
        let limit = humantime::format_duration(limit);
        let detail = format!("the request was not complete or not done within {limit} (http.request_timeout)");
        Problem::new(Kind::RequestTimeout, detail)
    })
}
