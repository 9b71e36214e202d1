//! Speaks HTTP: JSON over HTTP/1.1, and errors as problems (RFC 9457).
//!
//! This page has the whole route table. `listen` accepts connections, which `connections` counts, and drains them;
//! `guard` turns away what a foreign web page or another machine may not do; `request` reads what a request says;
//! `write`, `read` (with `select`) and `about` answer it; `respond` words the answers. What an instance is in JSON is
//! `api`'s matter, and what becomes of it the registry's.
//!
//! Roads not taken: axum's own `serve`, which neither caps nor times connections; its `Json`, which answers 415 to a
//! plain `curl -d`; and a permission for other sites' pages (CORS), which comes with tokens.

mod about;
mod connections;
mod guard;
mod listen;
mod read;
mod request;
mod respond;
mod select;
mod write;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post, put};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::api::Terms;
use crate::listener::Listener;
use crate::registry::Registry;

pub use listen::BindError;

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen; port 0 takes a free one. An IPv6 address takes no IPv4 connections: list both.
    pub listen: Vec<SocketAddr>,
    /// Whether machines other than this one may write without a token.
    pub anonymous_writes: bool,
    /// Host names that requests may be addressed to, besides IP addresses, `localhost`, this machine's host name and
    /// the names in our zones. Others are refused, so that no web page reaches the registry by a name of its own.
    pub hosts: Vec<String>,
    /// Octets of a request body, at most.
    pub body_limit: usize,
    /// Connections, at most; further ones wait to be accepted.
    pub connections: usize,
    /// Connections from one address (of IPv6, one /64), at most; further ones are closed.
    pub connections_per_client: usize,
    /// How long a request may take, its body included.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// How long a connection may take to send the head of its next request.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![(Ipv4Addr::LOCALHOST, 8420).into()],
            anonymous_writes: false,
            hosts: Vec::new(),
            body_limit: 1 << 20,
            connections: 1000,
            connections_per_client: 250,
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(1),
        }
    }
}

/// Bound, not yet running.
#[derive(Debug)]
pub struct Http {
    config: Config,
    listeners: Vec<Listener>,
    addresses: Vec<SocketAddr>,
}

impl Http {
    /// Binds what `config` says; within a Tokio runtime.
    pub fn bind(config: &Config) -> Result<Self, BindError> {
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for &address in &config.listen {
            let listener = listen::bind(address)?;
            addresses.push(listener.address());
            listeners.push(listener);
        }
        Ok(Self { config: config.clone(), listeners, addresses })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Runs until `stop`, then answers what is in flight and returns. Registrations are held to `terms`.
    pub async fn run(self, registry: Registry, terms: Terms, stop: CancellationToken) {
        let guard = guard::Guard::new(&self.config, &terms.zones);
        let edge = Arc::new(Edge { registry, terms, guard, config: self.config, stop });
        listen::run(self.listeners, &edge.config, routes(&edge), &edge.stop).await;
    }
}

/// What every handler is given.
#[derive(Debug)]
struct Edge {
    registry: Registry,
    terms: Terms,
    guard: guard::Guard,
    config: Config,
    stop: CancellationToken,
}

/// Every path. GET routes answer HEAD, too.
fn routes(edge: &Arc<Edge>) -> Router {
    Router::new()
        .route("/", get(about::welcome))
        .route("/healthz", get(about::health))
        .route("/readyz", get(about::readiness))
        .route("/problems", get(about::problems))
        .route("/problems/{kind}", get(about::problem))
        .route("/v1/heartbeat", post(write::heartbeat))
        .route("/v1/services", get(read::services))
        .route("/v1/instances", get(read::instances))
        .route(
            "/v1/instances/{type}/{instance}",
            get(read::instance).put(write::replace).patch(write::patch).delete(write::deregister),
        )
        .route("/v1/instances/{type}/{instance}/renew", post(write::renew))
        .route("/v1/instances/{type}/{instance}/status", put(write::set_status))
        .fallback(respond::no_such_path)
        .method_not_allowed_fallback(respond::method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(edge), guard::check))
        .layer(middleware::from_fn_with_state(Arc::clone(edge), respond::in_time))
        .with_state(Arc::clone(edge))
}
