//! `GET /metrics`, and what is measured of HTTP itself.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::metrics::Counter;
use crate::metrics::Family;
use crate::metrics::Format;
use crate::metrics::Histogram;
use crate::metrics::Metrics;

use super::Edge;
use super::respond::Refused;

/// Upper bounds in seconds, from a read in memory to what a disk that struggles makes of a write.
const BOUNDS: [f64; 10] = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

type Label = (&'static str, String);

/// Requests that were answered. Clones count together.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    answered: Family<[Label; 3], Counter>,
    took: Family<[Label; 1], Histogram, fn() -> Histogram>,
}

/// `GET /metrics`
pub(super) async fn metrics(State(edge): State<Arc<Edge>>, headers: HeaderMap) -> Result<Response, Refused> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    let metrics = Arc::clone(&edge.neighbours.metrics);
    let page = edge.scraping.take(move || metrics.expose(format)).await?;
    Ok(([(CONTENT_TYPE, format.content_type()), (CACHE_CONTROL, "no-store")], page).into_response())
}

/// Counts a request and its answer.
pub(super) async fn count(
    State(edge): State<Arc<Edge>>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let (method, began) = (request.method().clone(), Instant::now());
    let response = next.run(request).await;
    // What strangers make up is one series.
    let route = route.map_or_else(|| "other".to_owned(), |route| route.as_str().to_owned());
    let took = began.elapsed().as_secs_f64();
    edge.requests.took.get_or_create(&[("route", route.clone())]).observe(took);
    let labels = [("route", route), ("method", known(&method).to_owned()), ("status", class(response.status()))];
    edge.requests.answered.get_or_create(&labels).inc();
    response
}

impl Requests {
    pub(super) fn new() -> Self {
        let took = Family::new_with_constructor((|| Histogram::new(BOUNDS)) as fn() -> Histogram);
        Self { answered: Family::default(), took }
    }

    pub(super) fn name(&self, metrics: &mut Metrics) {
        metrics.register(
            "http_requests",
            "Requests by route (other: no path of ours), method and class of status",
            self.answered.clone(),
        );
        metrics.register(
            "http_request_duration_seconds",
            "Time from the head of a request being read to its answer being ready",
            self.took.clone(),
        );
    }
}

fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// `2xx`
fn class(status: StatusCode) -> String {
    format!("{}xx", status.as_u16() / 100)
}
