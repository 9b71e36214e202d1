//! (Skeleton: `Config` and the signatures are as they stay.)

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::api::Terms;
use crate::registry::Registry;

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
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
    /// Connections from one address, at most; further ones are closed.
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
pub struct Http {}

/// Why it did not bind; names the address and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BindError {}

impl Http {
    /// Binds what `config` says.
    pub fn bind(_config: &Config) -> Result<Self, BindError> {
        Ok(Self {})
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &[]
    }

    /// Runs until `stop`, then drains. Registrations are held to `terms`.
    pub async fn run(self, _registry: Registry, _terms: Terms, stop: CancellationToken) {
        stop.cancelled().await;
    }
}
