//! What a zone says of itself: SOA, NS and the addresses of its name server.

use std::time::Duration;

use super::Config;
use super::host::Host;
use super::labels::Labels;
use super::reverse::Reverse;
use crate::service::{Address, DomainName};

/// The label of the name server in each zone, as it is on the wire.
pub(super) const NAME_SERVER: &[u8] = b"\x02ns";
/// The mailbox of the one responsible (RFC 2142 §7).
pub(super) const MAILBOX: &[u8] = b"\x0ahostmaster";
/// Seconds between a secondary's questions for the serial.
pub(super) const REFRESH: u32 = 60;
/// Seconds until it asks again after a failure.
pub(super) const RETRY: u32 = 10;
/// Seconds after which it stops answering: a registry that was away for a day knows nothing.
pub(super) const EXPIRE: u32 = 86_400;
/// TTLs are at most 2^31 - 1 (RFC 2181 §8).
const TTL_MAX: u64 = (1 << 31) - 1;

/// What holds for all zones and does not change.
#[derive(Debug)]
pub(super) struct Zones {
    pub(super) all: Box<[Zone]>,
    pub(super) reverse: Box<[Reverse]>,
    /// Seconds.
    pub(super) ttl: u32,
    /// Seconds.
    pub(super) negative_ttl: u32,
    /// Of `ns` in each zone.
    pub(super) name_server: Host,
}

/// One zone.
#[derive(Debug)]
pub(super) struct Zone {
    /// Wire form, case as configured.
    pub(super) name: DomainName,
    /// Wire form in lower case.
    folded: Box<[u8]>,
}

impl Zones {
    pub(super) fn new(config: &Config, name_server: &[Address]) -> Self {
        let ttl = seconds(config.ttl);
        let all = config.domains.iter().map(Zone::new).collect();
        let name_server = Host::of(NAME_SERVER, name_server);
        let reverse = config.reverse.iter().filter_map(Reverse::new).collect();
        Self { all, reverse, ttl, negative_ttl: seconds(config.negative_ttl), name_server }
    }

    /// The first zone, which reverse zones point to.
    pub(super) fn home(&self) -> &Zone {
        self.all.first().expect("there is at least one zone")
    }

    /// The zone that a name in lower case is at or below, and the labels in front of it. It is the only one: no zone
    /// is within another.
    #[inline]
    pub(super) fn enclosing<'q>(&self, name: &'q [u8]) -> Option<(&Zone, Labels<'q>)> {
        self.ends_of(name).find_map(|(zone, front)| Some((zone, Labels::split(front)?)))
    }

    /// The zones that a name in lower case ends with, and what is in front: labels, unless the zone's name was found
    /// within one.
    #[inline]
    pub(super) fn ends_of<'q>(&self, name: &'q [u8]) -> impl Iterator<Item = (&Zone, &'q [u8])> {
        self.all.iter().filter_map(move |zone| Some((zone, name.strip_suffix(&*zone.folded)?)))
    }
}

impl Zone {
    fn new(name: &DomainName) -> Self {
        Self { name: name.clone(), folded: name.as_wire().to_ascii_lowercase().into() }
    }

    /// Wire form in lower case.
    pub(super) fn folded(&self) -> &[u8] {
        &self.folded
    }
}

fn seconds(ttl: Duration) -> u32 {
    u32::try_from(ttl.as_secs().min(TTL_MAX)).expect("at most 2^31 - 1")
}
