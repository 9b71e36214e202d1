//! The metrics of the registry: what it holds, what happens to it, and how its store does.
//!
//! Counts are the writer's own, or read from what is published; only renewals, which whoever takes the call does
//! on the spot, are counted by many.

use std::fmt;

use super::Registry;
use crate::metrics::Counter;
use crate::metrics::Distribution;
use crate::metrics::Latencies;
use crate::metrics::Metrics;
use crate::metrics::Page;
use crate::metrics::Tally;
use crate::service::{Cause, Change};

/// What is counted as it happens; all but renewals by the writer.
#[derive(Debug, Default)]
pub(super) struct Counts {
    changes: [Tally; Cause::ALL.len()],
    pub(super) renewals: Counter,
    /// From a save being handed over to the store's answer.
    pub(super) commits: Latencies,
    pub(super) failures: Tally,
}

impl Counts {
    pub(super) fn changed(&self, changes: &[Change]) {
        for change in changes {
            self.changes[change.cause as usize].add(1);
        }
    }
}

/// Names the metrics of a registry.
pub(super) fn name(metrics: &mut Metrics, registry: Registry) {
    metrics.collect(move |page| {
        content(page, &registry)?;
        life(page, &registry)?;
        store(page, &registry)
    });
}

fn content(page: &mut Page<'_>, registry: &Registry) -> fmt::Result {
    let state = registry.state();
    let instances = state.census.counts();
    page.gauge(
        "instances",
        "Instances by source and status, those that a higher source hides included",
        instances.map(|(source, status, count)| ([("source", source.as_str()), ("status", status.as_str())], count)),
    )?;
    page.gauge(
        "guarded_instances",
        "Instances that lapsed and are in DNS for one more lease, since most of their service did (lease.guard)",
        [([], state.census.kept)],
    )?;
    page.gauge("checked_instances", "Instances that the registry checks", [([], state.census.checked())])?;
    let sizes = state.zone.sizes();
    page.gauge(
        "service_types",
        "Service types: listed, having an instance of any status, and served, having one that is up",
        [([("state", "listed")], sizes.types), ([("state", "served")], sizes.served)],
    )?;
    page.gauge("hosts", "Host names with addresses in the zones, the name server aside", [([], sizes.hosts)])?;
    page.gauge("revision", "Number of the last change", [([], state.revision.0)])?;
    page.gauge("zone_serial", "SOA serial of the zones: the last change of a record", [([], state.zone.serial())])
}

fn life(page: &mut Page<'_>, registry: &Registry) -> fmt::Result {
    let counts = &registry.shared.counts;
    page.counter(
        "changes",
        "Changes of what is listed or served, by cause: many that lapsed are services that died or cannot reach us",
        Cause::ALL.map(|cause| ([("cause", cause.as_str())], counts.changes[cause as usize].get())),
    )?;
    page.gauge("watchable_changes", "Changes that who watches can go back to", [([], registry.shared.backlog.len())])?;
    page.counter("renewals", "Renewals that moved the end of a lease and nothing else", [([], counts.renewals.get())])?;
    let waiting = |queue: &tokio::sync::mpsc::Sender<_>| queue.max_capacity() - queue.capacity();
    page.gauge(
        "writer_queued_calls",
        "Calls that wait for the one writer, of at most 1,024: durable ones are saved before they are answered",
        [([("queue", "durable")], waiting(&registry.durable)), ([("queue", "volatile")], waiting(&registry.volatile))],
    )
}

fn store(page: &mut Page<'_>, registry: &Registry) -> fmt::Result {
    let counts = &registry.shared.counts;
    let mut commits = Distribution::default();
    commits.add(&counts.commits);
    page.histogram("store_commit_duration_seconds", "Time that saving takes, many calls together", [([], commits)])?;
    page.counter(
        "store_failures",
        "Saves that failed; each was told to those who waited for it",
        [([], counts.failures.get())],
    )?;
    let writable = u32::from(registry.shared.store_error.load().is_none());
    page.gauge("store_writable", "1 while the store takes changes, 0 while it fails or hangs", [([], writable)])
}
