//! `[http]`: where to listen, who may ask, and how much.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::access_log::LogFormat;

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen; port 0 takes a free one. An IPv6 address takes no IPv4 connections: list both.
    pub listen: Vec<SocketAddr>,
    /// Where to listen for HTTP over TLS; all paths are there, too. Needs a certificate (`[tls]`).
    pub tls_listen: Vec<SocketAddr>,
    /// Whether this machine may write without a token. Behind a proxy on it, everybody seems to be here.
    pub loopback_writes: bool,
    /// Whether machines other than this one may write without a token.
    pub anonymous_writes: bool,
    /// Host names that requests may be addressed to, besides IP addresses, `localhost`, this machine's host name and
    /// the names in our zones. Others are refused, so that no web page reaches the registry by a name of its own.
    pub hosts: Vec<String>,
    /// The file that has a line for each request. A relative path begins where the server was started. Empty: none.
    pub access_log: PathBuf,
    /// How its lines look.
    pub access_log_format: LogFormat,
    /// Octets of a request body, at most.
    pub body_limit: usize,
    /// Connections, at most. For a further one the quietest without a request is closed; where all have one, it waits.
    pub connections: usize,
    /// Connections from one address (of IPv6, one /64), at most; further ones are closed.
    pub connections_per_client: usize,
    /// Watchers (`GET /v1/watch`, `registry.watch`), at most, half of them from one address (of IPv6, one /64); further
    /// ones are refused. Over HTTP/1.1 each keeps a connection, so that there should be fewer of them than of these.
    pub watchers: usize,
    /// How long a request may take, its body included; one that waits (`wait=`) may wait nine tenths of it.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// How long a connection may take for its handshake, to send the head of its next request, or to take an answer.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![(Ipv4Addr::LOCALHOST, 8420).into()],
            tls_listen: Vec::new(),
            loopback_writes: true,
            anonymous_writes: false,
            hosts: Vec::new(),
            access_log: PathBuf::new(),
            access_log_format: LogFormat::default(),
            body_limit: 1 << 20,
            connections: 1000,
            connections_per_client: 250,
            watchers: 500,
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(1),
        }
    }
}
