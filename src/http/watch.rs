//! `GET /v1/watch`: changes as they happen, as server-sent events (HTML Living Standard §9.2).
//!
//! A watcher is the body of an answer: it has no task and no queue of its own. What it is told it reads from the
//! registry (`following`) when its client has room for more (`stream`), and what many are told is put into words once
//! (`frames`). So a client that is slow or stands still costs no memory; where the changes that it has not taken are no longer kept,
//! it is told to list again.
//!
//! Every event has the position after it as its id: a browser sends the last one when it connects again
//! (`Last-Event-ID`), and goes on without a gap. So that this also holds of a filter that rarely lets something pass,
//! the comments that keep a silent connection alive have an id, too.

mod following;
mod frames;
mod stream;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};

use crate::api::{Event, Filter, Instance, Kind, News, Position, Problem, invalid_parameter, unknown_parameter};
use crate::metrics::Counter;
use crate::metrics::Metrics;
use crate::registry::{Announced, History};
use crate::service::Revision;

use self::frames::Frames;
use self::stream::{Stream, Watching};

pub(super) use self::following::Following;

use super::Edge;
use super::places::{Full, Place, Places};
use super::principal::Principal;
use super::request::Pairs;
use super::respond::Refused;
use super::select::Selection;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Parameters that only lists have.
const OF_LISTS: [&str; 4] = ["limit", "cursor", "pick", "wait"];
/// Every parameter.
const PARAMETERS: &str = "service, instance, version, status, served, tag, txt.KEY, source, since";

/// All who watch over HTTP.
#[derive(Debug)]
pub(super) struct Watchers {
    places: Places,
    frames: Frames,
    /// How often one was told to list again.
    lost: Counter,
}

/// What a change is to somebody who sees only what a filter lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Added,
    Changed,
    Removed,
}

/// `GET /v1/watch`
pub(super) async fn watch(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    headers: HeaderMap,
    Query(query): Query<Pairs>,
) -> Result<Response, Refused> {
    let last = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or("?")).filter(|id| !id.is_empty());
    let (since, filter) = read(last, query)?;
    let body = Body::new(Stream::new(Watching::new(Following::begin(&edge, &principal, &filter, since)?)));
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

/// Where to begin, and what to look at. A client that connects again repeats its query, so the `last` that it has seen
/// is what counts.
pub(super) fn read(last: Option<&str>, query: Pairs) -> Result<(Option<Position>, Filter), Problem> {
    if let Some((key, _)) = query.iter().find(|(key, _)| OF_LISTS.contains(&key.as_str())) {
        return Err(unknown_parameter(key, PARAMETERS));
    }
    let (since, conditions): (Pairs, Pairs) = query.into_iter().partition(|(key, _)| key == "since");
    let filter = Filter::from_query(&conditions)?;
    let parse = |field: &str, text: &str| {
        let position = text.parse::<Position>();
        position.map(Some).map_err(|error| invalid_parameter(field, &error.to_string()))
    };
    let since = match (last, &since[..]) {
        (Some(last), _) => parse(LAST_EVENT_ID.as_str(), last)?,
        (None, []) => None,
        (None, [(key, value)]) => parse(key, value)?,
        (None, _) => return Err(invalid_parameter("since", "is given twice")),
    };
    Ok((since, filter))
}

impl Watchers {
    pub(super) fn new(most: usize) -> Self {
        // Half is left to others, whoever is first.
        Self { places: Places::new(most, most.div_ceil(2)), frames: Frames::default(), lost: Counter::default() }
    }

    /// A place that is taken until it is dropped.
    fn enter(&self, address: IpAddr) -> Result<Place, Problem> {
        self.places.enter(address).map_err(|full| {
            let detail = match full {
                Full::ForAll => "there are as many watchers as there may be (http.watchers)",
                Full::ForClient => "this client has as many watchers as one may have (half of http.watchers)",
            };
            Problem::new(Kind::Busy, detail)
        })
    }

    pub(super) fn name_metrics(watchers: &Arc<Self>, metrics: &mut Metrics) {
        let counted = Arc::clone(watchers);
        metrics.collect(move |page| {
            page.gauge("http_watchers", "Clients that watch over HTTP", [([], counted.places.count())])?;
            page.counter(
                "http_lost_watchers",
                "Watchers that were told to list again: they were too slow, or away for too long",
                [([], counted.lost.get())],
            )
        });
    }
}

impl Effect {
    fn of(change: &Announced, selection: &Selection) -> Option<Self> {
        let matched = |side: &Option<_>| side.as_deref().is_some_and(|instance| selection.matches(instance));
        match (matched(&change.before), matched(&change.after)) {
            (false, true) => Some(Self::Added),
            (true, true) => Some(Self::Changed),
            (true, false) => Some(Self::Removed),
            (false, false) => None,
        }
    }
}

impl Edge {
    /// What `change` is to a watcher.
    fn event(&self, effect: Effect, change: &Announced) -> Event {
        let shown = change.after.as_ref().or(change.before.as_ref()).expect("a change has a side");
        let instance = Instance::of(shown, self.registry.expires_at(shown), &self.terms);
        let news = News::of(change, change.at, self.position(change.revision), instance);
        match effect {
            Effect::Added => Event::Added(news),
            Effect::Changed => Event::Changed(news),
            Effect::Removed => Event::Removed(news),
        }
    }

    fn position(&self, revision: Revision) -> Position {
        position(self.registry.history(), revision)
    }
}

/// A place in the registry's run of changes, as it is shown.
pub(super) fn position(history: History, revision: Revision) -> Position {
    Position { revision: revision.0, history: Some(history.0) }
}
