//! The metrics of DNS.
//!
//! A question counts once by transport and response code, and once by service type. Of those the busiest have a series;
//! all others that were asked for are `other`, and a question for no single service type is `none`, `missing` or
//! `refused`, which no service type is called, since those begin with an underscore.
//!
//! Latency is the registry's part: over a stream from the moment that a request was read to the moment that its reply
//! is ready to be written. Over UDP a batch is read and sent as one, and each of its requests is noted with what the
//! batch took until it was handed to the kernel: so the clock is read twice for a batch, and what a request is said to
//! have taken is the most that it can have.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::connections::Connections;
use super::counts::{Aside, Counting, Counts, RCODES};
use super::transport::Transport;
use crate::metrics::Busiest;
use crate::metrics::Distribution;
use crate::metrics::Drops;
use crate::metrics::Metrics;
use crate::metrics::Page;
use crate::metrics::Tally;
use crate::registry::Registry;
use crate::service::strings;

/// Service types with a series of their own, at most. A thousand is what Prometheus takes from one place without
/// anybody noticing, and more than anybody looks at.
const SERIES_MAX: usize = 1_000;

/// Names the metrics of DNS.
pub(super) fn name(
    metrics: &mut Metrics,
    counting: Counting,
    connections: Connections,
    drops: Drops,
    registry: Registry,
) {
    let by_service = ByService { counting: counting.clone(), registry, busiest: Mutex::new(Busiest::new(SERIES_MAX)) };
    metrics.collect(move |page| by_service.write(page));
    metrics.collect(move |page| {
        write(page, &counting.all())?;
        page.counter(
            "dns_dropped_datagrams",
            "Datagrams over UDP, QUIC's included, that the kernel dropped: more came than was taken",
            drops.count().map(|count| ([], count)),
        )?;
        page.gauge("dns_connections", "Connections of DNS over TCP, TLS and QUIC", [([], connections.count())])
    });
}

fn write(page: &mut Page<'_>, counts: &[Arc<Counts>]) -> fmt::Result {
    let sum = |count: &dyn Fn(&Counts) -> &Tally| counts.iter().map(|counts| count(counts).get()).sum::<u64>();
    let transports = || Transport::ALL.into_iter().map(|transport| (transport as usize, transport.as_str()));
    let replies = transports().flat_map(|(row, transport)| {
        let codes = RCODES.iter().enumerate();
        codes.map(move |(at, (_, code))| ([("transport", transport), ("rcode", *code)], (row, at)))
    });
    page.counter(
        "dns_responses",
        "Replies by transport and response code",
        replies.map(|(labels, (row, at))| (labels, sum(&|counts| &counts.replies[row][at]))),
    )?;
    page.counter(
        "dns_truncated_responses",
        "Replies with TC set: the client has to ask again over TCP",
        transports().map(|(row, transport)| ([("transport", transport)], sum(&|counts| &counts.truncated[row]))),
    )?;
    page.counter(
        "dns_ignored_requests",
        "Messages that are due no reply: responses, and what is too short for a header",
        transports().map(|(row, transport)| ([("transport", transport)], sum(&|counts| &counts.ignored[row]))),
    )?;
    page.counter(
        "dns_rate_limited_responses",
        "Replies over UDP that the rate limit (dns.rrl) dropped, or slipped: sent without what was asked for, so that \
         a client whose address is its own can ask again",
        [
            ([("action", "dropped")], sum(&|counts| &counts.dropped)),
            ([("action", "slipped")], sum(&|counts| &counts.slipped)),
        ],
    )?;
    let took = |row: usize| {
        let mut all = Distribution::default();
        for counts in counts {
            all.add(&counts.took[row]);
        }
        all
    };
    page.histogram(
        "dns_response_duration_seconds",
        "Time from a request being read to its reply being ready, over UDP: to the batch that it came in being sent",
        transports().map(|(row, transport)| ([("transport", transport)], took(row))),
    )
}

/// Questions by service type.
#[derive(Debug)]
struct ByService {
    counting: Counting,
    registry: Registry,
    busiest: Mutex<Busiest>,
}

impl ByService {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut busiest = self.busiest.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = self.counting.all();
        // The total before the zone, as `Busiest` wants it.
        let total = counts.iter().map(|counts| counts.services.total()).sum();
        let state = self.registry.state();
        let mut round = busiest.round(total);
        let mut name = String::new();
        for (place, labels) in state.zone.service_types() {
            let count = counts.iter().map(|counts| counts.services.get(place.number, place.generation)).sum();
            spell(labels, &mut name);
            round.see(&name, (place.number, place.generation), count);
        }
        let (series, other) = round.finish();
        let aside = Aside::ALL
            .map(|(aside, name)| (name, counts.iter().map(|counts| counts.aside[aside as usize].get()).sum::<u64>()));
        let all = series.into_iter().chain(aside).chain([("other", other)]);
        page.counter(
            "dns_queries",
            "Questions by service type, of which the busiest 1,000 have a series and the rest are other; for no \
             single one: none, for no name that there is: missing, for what is not ours: refused",
            all.map(|(name, count)| ([("service", name)], count)),
        )
    }
}

/// Writes `_auth._tcp` for labels in wire form, in lower case: another spelling is no other service.
fn spell(labels: &[u8], name: &mut String) {
    name.clear();
    for label in strings(labels) {
        if !name.is_empty() {
            name.push('.');
        }
        let start = name.len();
        // Letters, digits and hyphens (RFC 6335 §5.1).
        name.push_str(str::from_utf8(label).unwrap_or_default());
        name[start..].make_ascii_lowercase();
    }
}
