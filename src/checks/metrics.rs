//! The metrics of checks.

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::{Counter, Histogram, Metrics};

use super::look::{Failure, Kind};
use super::places::Places;

/// Upper bounds in seconds: from what loopback takes to the longest that a check may.
const BOUNDS: [f64; 8] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 30.0];

/// What is counted as it happens.
#[derive(Debug)]
pub(super) struct Counts {
    passed: Counter,
    failed: [Counter; Kind::ALL.len()],
    took: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        Self { passed: Counter::default(), failed: Default::default(), took: Histogram::new(BOUNDS) }
    }
}

impl Counts {
    /// One more.
    pub(super) fn note(&self, result: &Result<(), Failure>, took: Duration) {
        match result {
            Ok(()) => &self.passed,
            Err(failure) => &self.failed[failure.kind as usize],
        }
        .inc();
        self.took.observe(took.as_secs_f64());
    }

    /// Names the metrics of checks.
    pub(super) fn name(self: &Arc<Self>, metrics: &mut Metrics, places: Arc<Places>) {
        metrics.register("check_duration_seconds", "Time that a check of one address takes", self.took.clone());
        let counts = Arc::clone(self);
        metrics.collect(move |page| {
            let failed = Kind::ALL.map(|(kind, name)| ([("result", name)], counts.failed[kind as usize].get()));
            page.counter(
                "checks",
                "Checks of instances by the registry, each of one address, by what came of them",
                [([("result", "passed")], counts.passed.get())].into_iter().chain(failed),
            )?;
            page.gauge("checks_under_way", "Checks that are being made", [([], places.taken())])?;
            page.gauge(
                "checks_waiting",
                "Checks that are due and wait until fewer are under way: all, or those of their address",
                [([], places.waiting())],
            )
        });
    }
}
