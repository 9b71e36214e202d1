//! How long something took, as a histogram that one thread writes.

use std::time::Duration;

use super::tally::Tally;

/// Upper bounds in nanoseconds. The first are what an answer takes, the last what a client may be made to wait: an
/// operator looks for what is neither.
const BOUNDS: [u64; 12] = [
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    5_000_000,
    20_000_000,
    100_000_000,
    500_000_000,
    2_000_000_000,
];
const BUCKETS: usize = BOUNDS.len() + 1;

/// Durations of which one thread takes note, and which any thread reads.
#[derive(Debug, Default)]
pub struct Latencies {
    /// By the bound that is not exceeded, the last without any.
    buckets: [Tally; BUCKETS],
    /// Nanoseconds.
    sum: Tally,
}

/// Durations by how long they were.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution {
    buckets: [u64; BUCKETS],
    /// Nanoseconds.
    sum: u64,
}

impl Latencies {
    /// Notes that each of so many took so long; for the one thread that writes.
    #[inline]
    pub fn note(&self, took: Duration, times: u64) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().take_while(|bound| took > **bound).count();
        self.buckets[bucket].add(times);
        self.sum.add(took.saturating_mul(times));
    }
}

impl Distribution {
    /// Adds what a thread took note of.
    pub fn add(&mut self, latencies: &Latencies) {
        for (count, bucket) in self.buckets.iter_mut().zip(&latencies.buckets) {
            *count += bucket.get();
        }
        self.sum += latencies.sum.get();
    }

    /// How many.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Seconds.
    pub(super) fn sum(&self) -> f64 {
        seconds(self.sum)
    }

    /// Upper bound in seconds and how many are between the one before it and it.
    pub(super) fn buckets(&self) -> [(f64, u64); BUCKETS] {
        std::array::from_fn(|n| (BOUNDS.get(n).map_or(f64::INFINITY, |bound| seconds(*bound)), self.buckets[n]))
    }
}

fn seconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_up_to_the_first_bound_that_it_does_not_exceed() {
        let latencies = Latencies::default();
        latencies.note(Duration::from_micros(10), 3);
        latencies.note(Duration::from_nanos(10_001), 1);
        latencies.note(Duration::from_mins(1), 2);
        let mut all = Distribution::default();
        all.add(&latencies);
        all.add(&latencies);
        let counts: Vec<_> = all.buckets().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, [(0.000_01, 6), (0.000_02, 2), (f64::INFINITY, 4)]);
        assert_eq!(all.count(), 12);
        assert!((all.sum() - 240.000_080_002).abs() < 1e-9, "{}", all.sum());
    }
}
