//! What surrounds every handler: the guard before it, the time that it has, and the count after it.
//!
//! Road not taken: a layer for each. For every request a layer copies all that is beneath it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::timeout;

use crate::api::{Kind, Problem};

use super::Edge;
use super::access_log::By;
use super::manner::Manner;
use super::principal::Principal;
use super::request::Sender;

/// The layer of all routes of one manner.
pub(super) async fn layer(
    State((edge, manner)): State<(Arc<Edge>, Manner)>,
    sender: Sender,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let handler = |principal, mut request: Request| {
        request.extensions_mut().insert(principal);
        next.run(request)
    };
    edge.around(sender, route.as_ref().map(MatchedPath::as_str), manner, request, handler).await
}

impl Edge {
    /// Lets `handler` answer a request to `route`, or answers it; without a route, the path is none of ours.
    pub(super) async fn around<F: Future<Output = Response>>(
        &self,
        sender: Sender,
        route: Option<&str>,
        manner: Manner,
        request: Request,
        handler: impl FnOnce(Principal, Request) -> F,
    ) -> Response {
        let counting = self.requests.begin(route, request.method());
        let mut response = match self.check(&request, sender.0, manner.writes) {
            Ok(principal) => {
                let by = principal.grant.name().map(|name| By(Arc::clone(name)));
                let answer = in_time(self.config.request_timeout, handler(principal, request)).await;
                let mut response = answer.unwrap_or_else(|problem| manner.words.tell(problem));
                if let Some(by) = by {
                    response.extensions_mut().insert(by);
                }
                response
            }
            Err(problem) => manner.words.tell(problem),
        };
        manner.words.mark(&mut response);
        counting.end(response.status());
        response
    }
}

/// Ends what takes too long.
async fn in_time(limit: Duration, answer: impl Future<Output = Response>) -> Result<Response, Problem> {
    timeout(limit, answer).await.map_err(|_| {
        let limit = humantime::format_duration(limit);
        let detail = format!("the request was not complete or not done within {limit} (http.request_timeout)");
        Problem::new(Kind::RequestTimeout, detail)
    })
}
