//! The local link: what announces itself by multicast DNS is in the registry for as long as it does.
//!
//! ```text
//! interfaces ─ Listener ── datagrams ─→ message ─→ Link (a cache each) ─→ announcement ─→ Ledger ─→ Registry
//!                  ↑ listened to                     │ types heard
//!                  └────────────── Asker (mdns-sd) ←─┘
//! ```
//!
//! mdns-sd asks, and we listen. The library is a good citizen on the link: it asks for every service type, for what
//! an announcement lacks and again before a record ends, with jitter and known answers (RFC 6762 §5, §7). But what
//! it shows of the answers is not enough to serve them: it hides priority, weight, TTL and all subtypes but one,
//! drops TXT strings with a repeated or non-UTF-8 key, writes the instance `a.b` as two labels (and asks for it so,
//! in vain), merges links, and believes unicast from anywhere, any port and any opcode. So sockets of our own hear
//! the same answers, hickory-proto decodes them, and a cache per link keeps them by the rules of RFC 6762 §10. Questions
//! for names with a dot or backslash are sent from here as well, and for what the library heard and we did not: an
//! instance that is known and lacks SRV, TXT or addresses is asked for a few times.
//!
//! What stays lost: when the kernel drops a datagram that held the PTR record too, the library, which heard it, does
//! not ask before 80 % of its TTL are over, an hour for most. Until then the instance is not there, unless it announces
//! itself again or another host asks. It takes a burst: the kernel keeps 4 MiB for each of our sockets where
//! `net.core.rmem_max` allows it, which is thousands of announcements, and some hundred by its default.
//!
//! Two roads not taken: the library's events completed from the wire, which leaves two caches to disagree about
//! what is alive; and a querier of our own, which is a craft that the library has learned.
//!
//! Nothing is announced here, so nothing of ours can come back. One loop owns all of it; it never waits for the
//! registry, and no datagram waits for it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::metrics::Metrics;
use crate::registry::Registry;

mod announced;
mod announcement;
mod asker;
mod browsed;
mod ingest;
mod ledger;
mod link;
mod listener;
mod message;
mod metrics;

use ingest::Ingest;
use metrics::Counts;

/// The port of multicast DNS (RFC 6762 §3).
const MDNS_PORT: u16 = 5353;
/// Octets of an interface name, at most (Linux: `IFNAMSIZ` less its zero).
const INTERFACE_NAME_MAX: usize = 15;
/// `[mdns]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether what announces itself on the local links is taken in.
    pub ingest: bool,
    /// Names of the interfaces to listen on. Empty: all that can multicast, as they come and go.
    pub interfaces: Vec<String>,
    /// Instances that are taken in from one link, at most: a device gone mad must not fill the registry.
    pub link_limit: usize,
    /// Instances that are taken in from all links together, at most.
    pub limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { ingest: true, interfaces: Vec::new(), link_limit: 5_000, limit: 20_000 }
    }
}

/// Set up, not yet running.
#[derive(Debug)]
pub struct Mdns {
    config: Config,
    addresses: Vec<SocketAddr>,
    counts: Arc<Counts>,
}

/// Why it cannot run as configured. A machine without multicast is no error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// No interface can have that name.
    #[error("mdns.interfaces has {0:?}, which is no interface name: give 1 to 15 characters such as \"eth0\"")]
    InterfaceName(String),
    /// Nothing would ever be taken in.
    #[error("mdns.{0} is 0; set mdns.ingest = false (or --no-mdns) to take in nothing")]
    NoRoom(&'static str),
}

impl Mdns {
    /// Checks `config`. The sockets are opened when interfaces are there, which is not always at the start.
    pub fn bind(config: &Config) -> Result<Self, BindError> {
        let bad = |name: &&String| name.is_empty() || name.len() > INTERFACE_NAME_MAX || name.contains(['/', '\0']);
        if let Some(name) = config.interfaces.iter().find(bad) {
            return Err(BindError::InterfaceName(name.chars().take(40).collect()));
        }
        for (limit, name) in [(config.link_limit, "link_limit"), (config.limit, "limit")] {
            if limit == 0 {
                return Err(BindError::NoRoom(name));
            }
        }
        let groups = [(listener::GROUP_V4, MDNS_PORT).into(), (listener::GROUP_V6, MDNS_PORT).into()];
        let addresses = if config.ingest { groups.to_vec() } else { Vec::new() };
        Ok(Self { config: config.clone(), addresses, counts: Arc::default() })
    }

    /// The groups that it joins on each link; none if it does not take in anything.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Names its metrics.
    pub fn name_metrics(&self, metrics: &mut Metrics) {
        metrics::name(metrics, Arc::clone(&self.counts));
    }

    /// Runs until `stop`, then takes back what the links said.
    pub async fn run(self, registry: Registry, stop: CancellationToken) {
        if self.config.ingest {
            let ingest = Ingest::new(&self.config, self.counts);
            ingest.run(registry, stop).instrument(tracing::info_span!("mdns")).await;
        } else {
            stop.cancelled().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_interface_has_is_refused() {
        let bind = |name: &str| Mdns::bind(&Config { interfaces: vec![name.to_owned()], ..Config::default() });
        assert!(bind("eth0").is_ok());
        for name in ["", "a-name-of-16-chr", "a/b"] {
            assert_eq!(bind(name).err(), Some(BindError::InterfaceName(name.to_owned())), "{name}");
        }
    }

    #[test]
    fn a_limit_of_nothing_is_refused() {
        let error = Mdns::bind(&Config { limit: 0, ..Config::default() }).unwrap_err();
        assert!(error.to_string().contains("mdns.limit is 0; set mdns.ingest = false"), "{error}");
    }

    #[test]
    fn switched_off_it_joins_no_group() {
        assert_eq!(Mdns::bind(&Config { ingest: false, ..Config::default() }).unwrap().addresses(), []);
        assert_eq!(Mdns::bind(&Config::default()).unwrap().addresses().len(), 2);
    }
}
