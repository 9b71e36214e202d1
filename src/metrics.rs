//! What is measured, for who is paged: the registry of metrics, and what the rooms make theirs of.
//!
//! Every room names its own metrics and says how they are read ([`Metrics::collect`], [`Metrics::register`]). Here is
//! the page that they are written on (`page`, `exposition`), and what the system says of the process (`process`) and of
//! UDP sockets ([`Drops`]).
//!
//! What counts on the way of a packet is written by one thread alone and read by anybody: [`Tally`], [`Latencies`], and
//! [`Numbered`], which holds a count for each of many things that come and go. Writing costs a load and a store, no
//! lock and no lock prefix; whoever reads adds up the threads. [`Busiest`] picks of the many those that get a
//! series. What is off that way counts with [`Counter`], [`Family`] and [`Histogram`], whose cost is an atomic
//! operation that threads contend for.
//!
//! Names follow Prometheus' rules (<https://prometheus.io/docs/practices/naming/>): `portolan_` in front, base units,
//! `_total`, `_seconds`, `_bytes`. The stories hold every name to them.
//!
//! Road not taken: a global recorder behind macros (the crate `metrics`), which looks every name and label up in a
//! map where it counts.

mod busiest;
mod drops;
mod exposition;
mod latency;
mod numbered;
mod page;
mod process;
mod tally;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::{Metric, Registry};

pub use busiest::{Busiest, Round};
pub use drops::Drops;
pub use exposition::Format;
pub use latency::{Distribution, Latencies};
pub use numbered::Numbered;
pub use page::Page;
pub use process::Usage;
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::family::Family;
pub use prometheus_client::metrics::histogram::Histogram;
pub use tally::Tally;

/// The metrics of all rooms.
#[derive(Debug)]
pub struct Metrics {
    /// Those that begin with `portolan_`.
    ours: Registry,
    /// Those that every process has, by the same names.
    process: Registry,
}

/// What writes metrics when they are asked for.
struct Report<F>(F);

impl Metrics {
    /// Those of the process and the build, to which the rooms add theirs.
    pub fn new() -> Self {
        let mut process = Registry::default();
        process.register_collector(Box::new(Report(process::report)));
        let mut metrics = Self { ours: Registry::with_prefix("portolan"), process };
        metrics.collect(|page| {
            let version = [("version", env!("CARGO_PKG_VERSION"))];
            page.gauge("build_info", "Always 1; the version that runs is in the label", [(version, 1_u32)])
        });
        metrics
    }

    /// Adds metrics that `report` writes whenever they are asked for.
    pub fn collect(&mut self, report: impl Fn(&mut Page<'_>) -> fmt::Result + Send + Sync + 'static) {
        self.ours.register_collector(Box::new(Report(report)));
    }

    /// Adds a metric that keeps its own value. `name` is without `portolan_` and, of a counter, without `_total`;
    /// `help` without the full stop at its end.
    pub fn register(&mut self, name: &str, help: &str, metric: impl Metric) {
        match page::unit(name) {
            (name, None) => self.ours.register(name, help, metric),
            (name, Some(unit)) => self.ours.register_with_unit(name, help, unit, metric),
        }
    }

    /// All of it, as it is now. What it takes grows with the number of service types: not for a thread that others wait
    /// for.
    pub fn expose(&self, format: Format) -> String {
        let mut text = String::new();
        // A String takes all that is written to it.
        let _ = encode_registry(&mut text, &self.ours)
            .and_then(|()| encode_registry(&mut text, &self.process))
            .and_then(|()| encode_eof(&mut text));
        format.of(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Fn(&mut Page<'_>) -> fmt::Result + Send + Sync + 'static> Collector for Report<F> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)(&mut Page::new(encoder))
    }
}

impl<F> fmt::Debug for Report<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Report")
    }
}
