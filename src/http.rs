//! Speaks HTTP: JSON over HTTP/1.1 and HTTP/2, plain or over TLS, and errors as problems (RFC 9457).
//!
//! This page has the whole route table, `config` the settings. `listen` accepts connections, which `connections`
//! counts, and drains them; `protocol` serves each for as long as there is `activity`, then whatever it has become
//! (`handover`); bodies are `metered`, and count as `octets`; `routed` leads to the handlers. `around` each, in the
//! `manner` of its route, `guard` turns away what a foreign web page or another machine may not do, and tells who asks
//! (`principal`); `request` reads what a request says; `audit` tells of who changed what, and `access_log` of all that
//! was asked; `write`, `read` (with `select`, `listing`, `pick` and `wait`), `explain` (with `concern`), `watch`,
//! `history`, `doh`, `reload`, `about`, `pages`, `openapi` (which `docs` shows) and `metrics` answer it, in `turn` or in
//! `pieces` where that takes long; for requests that last there are `places`; `rpc` answers calls, and `doors` the clients
//! of earlier registries; `schemas` are of what all of them say and hear; `respond` words the answers. What an instance is
//! in JSON is `api`'s matter, and what becomes of it the registry's.
//!
//! Roads not taken: axum's own `serve`, which neither caps nor times connections; its `Json`, which answers 415 to a
//! plain `curl -d`; and a permission for other sites' pages (CORS), which have no business here.

mod about;
mod access_log;
mod activity;
mod around;
mod audit;
mod concern;
mod config;
mod connections;
mod docs;
mod doh;
mod doors;
mod explain;
mod guard;
mod handover;
mod history;
mod listen;
mod listing;
mod manner;
mod metered;
mod metrics;
mod octets;
mod openapi;
mod pages;
mod pick;
mod pieces;
mod places;
mod principal;
mod protocol;
mod read;
mod reload;
mod request;
mod respond;
mod routed;
mod rpc;
mod schemas;
mod select;
mod turn;
mod wait;
mod watch;
mod write;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::http::Uri;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post, put};
use tokio_util::sync::CancellationToken;

use crate::api::Terms;
use crate::listener::Listener;
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::tls::Identity;
use crate::tokens::Keyring;

use audit::Audit;
use connections::Connections;
use doors::{plexus, registro, servreg};
use manner::{Manner, Words, Writes};
use metrics::Requests;
use octets::Octets;
use pick::Rounds;
use places::Places;
use routed::Routed;
use rpc::Claims;
use turn::Turn;
use watch::Watchers;

pub use access_log::{AccessLog, LogFormat};
pub use config::Config;
pub use doh::NameServer;
pub use listen::BindError;
pub use reload::Reloader;
pub use rpc::Config as RpcConfig;

/// What clients choose from over TLS (RFC 9113 §3.2, RFC 7301 §6).
const ALPN: &[&[u8]] = &[b"h2", b"http/1.1"];

/// Bound, not yet running.
#[derive(Debug)]
pub struct Http {
    config: Config,
    plain: Vec<Listener>,
    over_tls: Vec<Listener>,
    for_calls: Vec<Listener>,
    requests: Requests,
    connections: Connections,
    watchers: Arc<Watchers>,
    waiters: Places,
    access_log: Option<AccessLog>,
}

impl Http {
    /// Binds what `config` and `rpc` say; within a Tokio runtime.
    pub fn bind(config: &Config, rpc: &RpcConfig) -> Result<Self, BindError> {
        let (plain, over_tls) = (listen::bind(&config.listen)?, listen::bind_tls(&config.tls_listen)?);
        let for_calls = listen::bind_for_calls(&rpc.listen)?;
        let connections =
            Connections::new(config.connections, config.connections_per_client, Octets::new(config.body_limit));
        let (requests, waiters) = (Requests::new(), wait::places());
        let watchers = Arc::new(Watchers::new(config.watchers));
        let access_log = match config.access_log.as_path() {
            none if none.as_os_str().is_empty() => None,
            path => {
                let opened = AccessLog::open(path, config.access_log_format);
                Some(opened.map_err(|source| BindError::AccessLog { path: path.to_owned(), source })?)
            }
        };
        let config = config.clone();
        Ok(Self { config, plain, over_tls, for_calls, requests, connections, watchers, waiters, access_log })
    }

    /// The access log, if there is one.
    pub fn access_log(&self) -> Option<AccessLog> {
        self.access_log.clone()
    }

    /// Where it listens for plain HTTP.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.plain.iter().map(Listener::address).collect()
    }

    /// Where it listens for HTTP over TLS.
    pub fn tls_addresses(&self) -> Vec<SocketAddr> {
        self.over_tls.iter().map(Listener::address).collect()
    }

    /// Where it listens for WebSockets alone.
    pub fn rpc_addresses(&self) -> Vec<SocketAddr> {
        self.for_calls.iter().map(Listener::address).collect()
    }

    /// Names its metrics.
    pub fn name_metrics(&self, metrics: &mut Metrics) {
        self.requests.name(metrics);
        Watchers::name_metrics(&self.watchers, metrics);
        let (connections, waiters) = (self.connections.clone(), self.waiters.clone());
        metrics.collect(move |page| {
            page.gauge("http_waiting_requests", "Requests that wait for something to list", [([], waiters.count())])?;
            page.gauge("http_connections", "Connections of HTTP, plain and over TLS", [([], connections.open_now())])?;
            page.counter(
                "http_refused_connections",
                "Connections that were closed at once: their client had http.connections_per_client already",
                [([], connections.refused())],
            )?;
            page.counter(
                "http_recalled_connections",
                "Connections that were closed to make room for another client: there were http.connections",
                [([], connections.recalled())],
            )
        });
        if let Some(log) = self.access_log.clone() {
            metrics.collect(move |page| {
                let help = "Requests that are not in the access log: it could not be written, or not as fast";
                page.counter("http_unlogged_requests", help, [([], log.lost())])
            });
        }
    }

    /// Runs until `stop`, then answers what is in flight and returns. Registrations are held to `terms`; what other
    /// rooms answer is asked of `neighbours`.
    pub async fn run(
        self,
        registry: Registry,
        terms: Terms,
        neighbours: Neighbours,
        identity: Identity,
        stop: CancellationToken,
    ) {
        let edge = Arc::new(Edge::new(&self, registry, terms, neighbours, stop));
        let acceptor = identity.acceptor(ALPN);
        let logged = |routes: Router, log: &AccessLog| {
            routes.layer(middleware::from_fn_with_state(log.clone(), access_log::log))
        };
        // What is logged goes through the layer that logs, heartbeats as well.
        let (all, calls) = match &self.access_log {
            Some(log) => (Routed::new(logged(routes(&edge), log)), Routed::new(logged(calls(&edge), log))),
            None => (Routed::with_heartbeats(routes(&edge), &edge), Routed::new(calls(&edge))),
        };
        let plain = self.plain.into_iter().map(|listener| (listener, None, all.clone()));
        let over_tls = self.over_tls.into_iter().map(|listener| (listener, Some(acceptor.clone()), all.clone()));
        let for_calls = self.for_calls.into_iter().map(|listener| (listener, None, calls.clone()));
        let doors = plain.chain(over_tls).chain(for_calls).collect();
        listen::run(doors, &edge.config, &self.connections, &edge.stop).await;
        if let Some(log) = &self.access_log {
            log.finish().await;
        }
    }
}

/// What is answered here and known elsewhere.
#[derive(Debug)]
pub struct Neighbours {
    /// Answers DNS messages.
    pub name_server: Arc<dyn NameServer>,
    /// Reads the files of services again.
    pub reloader: Arc<dyn Reloader>,
    /// Knows who may do what.
    pub tokens: Keyring,
    /// What whoever asks is shown.
    pub metrics: Arc<Metrics>,
}

/// What every handler is given.
#[derive(Debug)]
struct Edge {
    registry: Registry,
    terms: Terms,
    neighbours: Neighbours,
    guard: guard::Guard,
    audit: Audit,
    scraping: Turn,
    explaining: Turn,
    counting: Turn,
    listing: Turn,
    looking: Turn,
    rounds: Rounds,
    waiters: Places,
    surveying: Turn,
    requests: Requests,
    watchers: Arc<Watchers>,
    claims: Arc<Claims>,
    /// Written when it is asked for.
    openapi: OnceLock<Bytes>,
    config: Config,
    stop: CancellationToken,
}

impl Edge {
    /// Before anybody has asked anything.
    fn new(http: &Http, registry: Registry, terms: Terms, neighbours: Neighbours, stop: CancellationToken) -> Self {
        Self {
            guard: guard::Guard::new(&http.config, &terms.zones, neighbours.tokens.clone()),
            registry,
            terms,
            neighbours,
            audit: Audit::default(),
            scraping: Turn::default(),
            explaining: Turn::default(),
            counting: Turn::default(),
            listing: Turn::default(),
            looking: Turn::default(),
            rounds: Rounds::default(),
            waiters: http.waiters.clone(),
            surveying: Turn::default(),
            requests: http.requests.clone(),
            watchers: Arc::clone(&http.watchers),
            claims: Arc::default(),
            openapi: OnceLock::new(),
            config: http.config.clone(),
            stop,
        }
    }
}

/// Every path, and in which manner its requests are met. GET routes answer HEAD, too.
fn routes(edge: &Arc<Edge>) -> Router {
    let ours = Router::new()
        .route("/", get(plexus::root))
        .route("/healthz", get(about::health))
        .route("/readyz", get(about::readiness))
        .route("/status", get(about::status))
        .route("/services", get(pages::services))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi::get))
        .route("/docs", get(docs::page))
        .route("/docs/viewer.js", get(docs::script))
        .route("/docs/viewer.css", get(docs::style))
        .route("/problems", get(about::problems))
        .route("/problems/{kind}", get(about::problem))
        .route("/ws", get(rpc::connect))
        .route("/v1/explain", get(explain::explain))
        .route("/v1/reload", post(reload::reload))
        .route("/v1/heartbeat", post(write::heartbeat))
        .route("/v1/services", get(read::services))
        .route("/v1/watch", get(watch::watch))
        .route("/v1/instances", get(read::instances))
        .route(
            "/v1/instances/{type}/{instance}",
            get(read::instance).put(write::replace).patch(write::patch).delete(write::deregister),
        )
        .route("/v1/instances/{type}/{instance}/history", get(history::history))
        .route("/v1/instances/{type}/{instance}/renew", post(write::renew))
        .route("/v1/instances/{type}/{instance}/status", put(write::set_status));
    // As every client has it by default (RFC 8484 §4.1.1 gives it as an example).
    let dns = Router::new().route("/dns-query", get(doh::get).post(doh::post));
    let calls = Router::new().route("/rpc", post(rpc::call));
    let of_servreg = Router::new().route("/api", post(servreg::call));
    let of_registro = Router::new()
        .route("/registro/1.0/apps", get(registro::apps).post(registro::declare))
        .route("/registro/1.0/apps/{app}", get(registro::app).post(registro::register).delete(registro::forget))
        .route(
            "/registro/1.0/apps/{app}/{id}",
            get(registro::instance).put(registro::heartbeat).delete(registro::leave),
        );
    let usual = Manner::default();
    within_limits(ours.fallback(nowhere), usual, edge)
        .merge(within_limits(dns, Manner { writes: Writes::Never, ..usual }, edge))
        .merge(within_limits(calls, Manner { writes: Writes::ByCall, words: Words::Theirs(rpc::refuse) }, edge))
        .merge(within_limits(
            of_servreg,
            Manner { writes: Writes::ByCall, words: Words::Theirs(servreg::refuse) },
            edge,
        ))
        .merge(within_limits(of_registro, Manner { words: Words::Theirs(registro::refuse), ..usual }, edge))
}

/// What there is where only WebSockets are expected.
fn calls(edge: &Arc<Edge>) -> Router {
    let routes = Router::new().route("/", get(plexus::root)).route("/ws", get(rpc::connect));
    within_limits(routes.fallback(nowhere), Manner::default(), edge)
}

/// Where no path leads.
async fn nowhere(uri: Uri) -> Response {
    registro::without_slash(&uri).unwrap_or_else(|| respond::no_such_path(&uri))
}

/// What holds for every path.
fn within_limits(routes: Router<Arc<Edge>>, manner: Manner, edge: &Arc<Edge>) -> Router {
    routes
        .method_not_allowed_fallback(respond::method_not_allowed)
        .layer(middleware::from_fn_with_state((Arc::clone(edge), manner), around::layer))
        .with_state(Arc::clone(edge))
}
