//! Checks of instances that cannot say themselves that they live.
//!
//! ```text
//! Registry ─→ changes ─→ Crew ─→ an Attendant for each checked instance: pause → place → look → verdict ─→ Registry
//! ```
//!
//! An instance with a check is *starting* until one passes, *down* after as many failures in a row as it says, with the
//! reason of the last, and *up* again with the next that passes. Several addresses are looked at in turn, as a client
//! would, and one that answers is enough. What came of it is kept with the registration, so that a restart neither
//! serves what was down nor takes out what was up.
//!
//! **What its lease means.** What is checked needs no heartbeat. Unless it asks for a lease it has none that ends: up or
//! down, it is listed until it is deregistered, and a machine that was off for a night is found again in the morning.
//! Where it asks for one, a check that passes renews it, as a heartbeat would (and one may be sent as well), so that what
//! is down for longer than its lease lapses, and is forgotten like any other.
//!
//! **What a stranger can make us connect to.** Whoever may register may name any address, port and path, and learns from
//! the status whether something answers there. The machine of a registry is one that others trust, so:
//! - A check goes to the addresses and the port of the instance itself, which are shown to all the world, and nowhere
//!   else: no name is looked up, no redirect followed, no proxy asked. A foreign host is not checked.
//! - It goes to addresses within `checks.networks` alone, private ones by default, so that the registry scans nobody
//!   else's network for anybody; where the list is empty nothing is checked that the API registers. Link-local addresses,
//!   where most clouds keep what machines may know of themselves, are no instance's.
//! - It goes to this machine's loopback only for who is on this machine, which he reaches without us.
//! - It sends nothing, or a GET whose path is printable ASCII without a space: one line, and no other.
//! - It reads the head of an answer, 8 KiB at most, and tells the status code, nothing of what is in it.
//! - `checks.concurrency` are under way at once, [`PER_ADDRESS`] of them to one address, so that a machine that never
//!   answers keeps no more places than that. Of `lease.max_checked` instances at most, each is checked once a second at
//!   most, and once more whenever it is registered to be checked otherwise: nobody is flooded by us who could not be
//!   flooded with registrations.
//!
//! What remains: who may write learns which ports are open within these networks, and has GETs sent there. Where writers
//! are not to know that, name fewer networks. What stands in files is an administrator's word, and may be anywhere.
//!
//! Road not taken: one queue for all, ordered by time. A task for each costs a kilobyte or two, and needs neither queue
//! nor books of what is under way; the places bound what happens at once, and they are taken in the order of asking.

mod attendant;
mod crew;
mod look;
mod metrics;
mod places;
mod verdict;

use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span};

use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::service::Reach;

use crew::Crew;
use metrics::Counts;
use places::Places;

/// Checks of one address at once, at most.
pub const PER_ADDRESS: usize = 16;

/// `[checks]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The networks whose addresses are checked at the word of the API.
    pub networks: Vec<IpNet>,
    /// Checks that are under way at once, at most.
    pub concurrency: usize,
}

impl Default for Config {
    fn default() -> Self {
        // RFC 1918 §3, RFC 4193 §3.1, and the loopback addresses. Not those of RFC 6598, which are their provider's.
        let private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
        let networks = private.into_iter().chain(["127.0.0.0/8", "::1/128"]);
        Self {
            networks: networks.map(|network| network.parse().expect("these are networks")).collect(),
            concurrency: 128,
        }
    }
}

impl Config {
    /// Where checks may go at the word of the API.
    pub fn reach(&self) -> Reach {
        Reach::Within(self.networks.as_slice().into())
    }
}

/// Set up, not yet running.
#[derive(Debug)]
pub struct Checks {
    reach: Reach,
    places: Arc<Places>,
    counts: Arc<Counts>,
}

impl Checks {
    /// Nothing is checked yet.
    pub fn bind(config: &Config) -> Self {
        let places = Arc::new(Places::new(config.concurrency, PER_ADDRESS));
        Self { reach: config.reach(), places, counts: Arc::default() }
    }

    /// Names its metrics.
    pub fn name_metrics(&self, metrics: &mut Metrics) {
        self.counts.name(metrics, Arc::clone(&self.places));
    }

    /// Runs until `stop`. What is under way then is given up.
    pub async fn run(self, registry: Registry, stop: CancellationToken) {
        let Self { reach, places, counts } = self;
        let crew = Crew::new(registry, reach, places, counts);
        stop.run_until_cancelled(crew.work()).instrument(info_span!("checks")).await;
    }
}
