//! The registry as DNS sees it: immutable RRsets. (Skeleton.)

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::service::{Address, Change, DomainName};

/// `[zone]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The zones, all serving the same instances.
    pub domains: Vec<DomainName>,
    /// TTL of every record, unless a lease or mDNS makes it shorter. Whole seconds.
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
    /// TTL of negative answers (RFC 2308 §5). Whole seconds.
    #[serde(with = "humantime_serde")]
    pub negative_ttl: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            domains: vec!["registry.local".parse().expect("a valid name")],
            ttl: Duration::from_secs(10),
            negative_ttl: Duration::from_secs(5),
        }
    }
}

/// The zones at one revision. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {}

impl Snapshot {
    /// Zones without instances. `name_server` are the addresses of `ns` in each.
    pub fn new(_config: &Config, _name_server: &[Address]) -> Self {
        Self {}
    }

    /// The zones after `changes`, in their order; shares all that they leave alone. The serial becomes the
    /// revision of the last change that altered a record.
    #[must_use]
    pub fn with(&self, _changes: &[Change]) -> Self {
        self.clone()
    }
}
