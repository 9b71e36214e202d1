//! The metrics of multicast DNS: what came from the links, and what of it is not taken.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::metrics::Counter;
use crate::metrics::Metrics;
use crate::metrics::Page;

/// Why a datagram says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ignored {
    /// It is no responder's (RFC 6762 §6).
    SourcePort,
    /// A question, which others answer, or another operation.
    NoResponse,
    /// Not even its header and questions can be read.
    Unreadable,
}

/// What is counted as it happens, by whoever reads a link and by the loop.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) received: Counter,
    ignored: [Counter; Ignored::ALL.len()],
    /// Records that are refused.
    pub(super) unfit: Counter,
    /// Records of what is beyond a limit.
    pub(super) beyond: Counter,
    /// Instances that the links speak of now.
    pub(super) seen: AtomicUsize,
}

impl Ignored {
    const ALL: [(Self, &str); 3] =
        [(Self::SourcePort, "source-port"), (Self::NoResponse, "no-response"), (Self::Unreadable, "unreadable")];
}

impl Counts {
    pub(super) fn ignored(&self, why: Ignored) {
        self.ignored[why as usize].inc();
    }
}

/// Names the metrics of multicast DNS.
pub(super) fn name(metrics: &mut Metrics, counts: Arc<Counts>) {
    metrics.collect(move |page| write(page, &counts));
}

fn write(page: &mut Page<'_>, counts: &Counts) -> fmt::Result {
    page.counter(
        "mdns_ignored_datagrams",
        "Datagrams of multicast DNS that tell of no service: not from port 5353, no response, or unreadable",
        Ignored::ALL.map(|(why, name)| ([("reason", name)], counts.ignored[why as usize].get())),
    )?;
    // After those that are ignored, so that no page has more of these.
    page.counter(
        "mdns_received_datagrams",
        "Datagrams of multicast DNS from the links, our own questions included",
        [([], counts.received.get())],
    )?;
    page.counter(
        "mdns_ignored_records",
        "Records of services that are passed over: unfit to be served, as the log says, or beyond a limit",
        [([("reason", "unfit")], counts.unfit.get()), ([("reason", "limit")], counts.beyond.get())],
    )?;
    page.gauge(
        "mdns_instances",
        "Instances that the links speak of, also those that are incomplete or found no room in the registry",
        [([], counts.seen.load(Ordering::Relaxed))],
    )
}
