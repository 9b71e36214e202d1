//! The registry as DNS sees it: zones that all serve the same instances, as immutable snapshots.
//!
//! A [`Snapshot`] is told of changes and answers questions. It holds no records and no zone's names: it holds
//! instances, packed as records want them (`member`), in sorted sets (`set`) under their service types and subtypes
//! (`group`), and finds types and hosts by their labels (`index`). Nearly every host has one instance, which has the
//! addresses with it; only those of several are counted (`host`). Beside a type there is what is told of all its
//! instances without a look at any: the shortest TTL (`ttl`), who serves them (`source`), and a number for those who
//! count its questions (`place`).
//!
//! A question's name is cut into labels (`labels`), and what is there (`lookup`, `glob`) is handed out as views
//! (`answer`, `rrset`, `additionals`): owner names, PTR targets and the zone's own records (`apex`) are put together
//! while a message is written, and the addresses of a service are gathered from its instances (`pool`). Instances come
//! in turn, or where priorities and weights differ, drawn (`draw`) from lots of similar weight (`lots`), with random
//! numbers that all follow from one seed (`chance`). What several of them repeat is given once: addresses and hosts
//! (`seen`), SRV records (`distinct`); and one gives up where nothing new comes. What a name is, for people, is told
//! apart from its records (`subject`).
//!
//! Reverse zones (`reverse`) have no instances but addresses, each with the hosts that have it (`pointer`).
//!
//! So a zone more costs nothing, a change costs what it changes, and an answer neither locks nor waits nor reads a
//! clock.
//!
//! The layout follows the question for SRV, which clients that balance ask: type, instances, and with each instance
//! all that is written of it. So a million instances cost it three places in memory more that are in no cache, one
//! behind the other, for which those of a batch wait together (`ahead`), and an instance takes some 200 octets.
//!
//! Octets of messages are the matter of `dns`; who may ask for what as well.
//!
//! Road not taken: a map from owner names to ready RRsets, as servers of zone files have it. It answers a little
//! sooner and pays for it with a third of a million copied records when one instance of a large service comes,
//! with every zone's own copy, and with several times the memory.

mod additionals;
mod ahead;
mod answer;
mod apex;
mod chance;
mod distinct;
mod draw;
mod glob;
mod group;
mod host;
mod index;
mod labels;
mod lookup;
mod lots;
mod member;
mod place;
mod pointer;
mod pool;
mod reverse;
mod rrset;
mod seen;
mod set;
mod snapshot;
mod source;
mod subject;
mod ttl;

#[cfg(test)]
mod tests;

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::service::{DomainName, NAME_MAX};

pub use additionals::{Additional, SoleHost};
pub use ahead::{Ahead, Way};
pub use answer::{Answer, Records, Remark};
pub(crate) use chance::Chance;
pub use glob::Globs;
pub use lookup::Question;
pub use place::Place;
pub use reverse::reverse_name;
pub(crate) use rrset::rotated;
pub use rrset::{Name, Rdata, Rrset, rtype};
pub use snapshot::{Sizes, Snapshot};
pub use subject::Subject;
#[cfg(test)]
pub(crate) use tests::{serving, serving_backwards, serving_in};

/// Octets of a zone's name in wire form, at most: 117, so that the longest name below it is a name (RFC 1035 §2.3.4).
/// That is a subtype's: its own label (64 with the length), `_sub` (5), the service (64) and `_tcp` (5).
pub const DOMAIN_MAX: usize = NAME_MAX - (64 + 5 + 64 + 5);

/// `[zone]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The zones, all serving the same instances: none within another, each of at most [`DOMAIN_MAX`] octets.
    pub domains: Vec<DomainName>,
    /// TTL of every record, unless a lease or mDNS makes it shorter. Whole seconds.
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
    /// TTL of negative answers (RFC 2308 §5). Whole seconds.
    #[serde(with = "humantime_serde")]
    pub negative_ttl: Duration,
    /// Prefixes whose addresses are answered with the hosts that have them, as reverse zones. They begin and end
    /// where names have labels: see [`reverse_name`].
    pub reverse: Vec<IpNet>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            domains: vec!["registry.local".parse().expect("a valid name")],
            ttl: Duration::from_secs(10),
            negative_ttl: Duration::from_secs(5),
            reverse: Vec::new(),
        }
    }
}
