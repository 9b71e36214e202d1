//! What reports write on.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::latency::Distribution;

/// Takes metrics with all their samples. Names are without prefix, helps without the full stop at their end.
#[derive(Debug)]
pub struct Page<'p>(DescriptorEncoder<'p>);

/// Names and values of the labels of a sample.
type Labels<'l, const N: usize> = [(&'l str, &'l str); N];

impl<'p> Page<'p> {
    pub(super) fn new(encoder: DescriptorEncoder<'p>) -> Self {
        Self(encoder)
    }

    /// A count that only grows; `name` is without its `_total`.
    pub fn counter<'l, const N: usize, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l, N>, V)>,
    ) -> fmt::Result {
        self.write(name, help, MetricType::Counter, samples, |metric, value| {
            metric.encode_counter::<NoLabelSet, V, u64>(&value, None)
        })
    }

    /// What is so much now.
    pub fn gauge<'l, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l, N>, V)>,
    ) -> fmt::Result {
        self.write(name, help, MetricType::Gauge, samples, |metric, value| metric.encode_gauge(&value))
    }

    /// How long things took.
    pub fn histogram<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l, N>, Distribution)>,
    ) -> fmt::Result {
        self.write(name, help, MetricType::Histogram, samples, |metric, took| {
            metric.encode_histogram::<NoLabelSet>(took.sum(), took.count(), &took.buckets(), None)
        })
    }

    fn write<'l, const N: usize, V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: impl IntoIterator<Item = (Labels<'l, N>, V)>,
        value: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let (name, unit) = unit(name);
        let mut metric = self.0.encode_descriptor(name, &format!("{help}."), unit.as_ref(), kind)?;
        samples.into_iter().try_for_each(|(labels, sample)| {
            // An empty set would be written as one.
            if N == 0 { value(&mut metric, sample) } else { value(&mut metric.encode_family(&labels)?, sample) }
        })
    }
}

/// A name and the unit at its end, which OpenMetrics wants to be told.
pub(super) fn unit(name: &str) -> (&str, Option<Unit>) {
    for unit in [Unit::Seconds, Unit::Bytes] {
        if let Some(rest) = name.strip_suffix(unit.as_str()).and_then(|rest| rest.strip_suffix('_')) {
            return (rest, Some(unit));
        }
    }
    (name, None)
}
