//! `GET /metrics`, and what is measured of HTTP itself.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use foldhash::fast::RandomState;

use crate::metrics::Counter;
use crate::metrics::Family;
use crate::metrics::Format;
use crate::metrics::Histogram;
use crate::metrics::Metrics;

use super::Edge;
use super::principal::Principal;
use super::respond::Refused;

/// Upper bounds in seconds, from a read in memory to what a disk that struggles makes of a write.
const BOUNDS: [f64; 10] = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// What is none of the others.
const OTHER: &str = "other";
/// As they are labelled.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER];
/// Of status codes (RFC 9110 §15).
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

type Label = (&'static str, String);

/// Requests that were answered. Clones count together.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    answered: Family<[Label; 3], Counter>,
    took: Family<[Label; 1], Histogram, fn() -> Histogram>,
    /// The same, found without writing labels first.
    routes: Arc<RwLock<HashMap<String, Arc<Route>, RandomState>>>,
}

/// Those of one route.
#[derive(Debug)]
struct Route {
    took: Histogram,
    /// By method and class of status.
    answered: [[OnceLock<Counter>; CLASSES.len()]; METHODS.len()],
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Counting<'a> {
    requests: &'a Requests,
    route: Arc<Route>,
    name: &'a str,
    method: usize,
    began: Instant,
}

/// `GET /metrics`
pub(super) async fn metrics(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    let metrics = Arc::clone(&edge.neighbours.metrics);
    let page = edge.scraping.take(principal.sender, move || metrics.expose(format)).await?;
    Ok(([(CONTENT_TYPE, format.content_type()), (CACHE_CONTROL, "no-store")], page).into_response())
}

impl Requests {
    pub(super) fn new() -> Self {
        let took = Family::new_with_constructor((|| Histogram::new(BOUNDS)) as fn() -> Histogram);
        Self { answered: Family::default(), took, routes: Arc::default() }
    }

    /// A request to `route` has come; without one, its path is none of ours.
    pub(super) fn begin<'a>(&'a self, route: Option<&'a str>, method: &Method) -> Counting<'a> {
        let began = Instant::now();
        // What strangers make up is one series.
        let name = route.unwrap_or(OTHER);
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
        Counting { requests: self, route: self.route(name), name, method, began }
    }

    fn route(&self, name: &str) -> Arc<Route> {
        // Whoever panicked left the map whole.
        if let Some(route) = self.routes.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(route);
        }
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let made = || {
            let took = self.took.get_or_create_owned(&[("route", name.to_owned())]);
            Arc::new(Route { took, answered: Default::default() })
        };
        Arc::clone(routes.entry(name.to_owned()).or_insert_with(made))
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

impl Counting<'_> {
    /// It is answered with this.
    pub(super) fn end(self, status: StatusCode) {
        self.route.took.observe(self.began.elapsed().as_secs_f64());
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        let answered = self.route.answered[self.method][class].get_or_init(|| {
            let (method, status) = (METHODS[self.method].to_owned(), CLASSES[class].to_owned());
            let labels = [("route", self.name.to_owned()), ("method", method), ("status", status)];
            self.requests.answered.get_or_create_owned(&labels)
        });
        answered.inc();
    }
}
