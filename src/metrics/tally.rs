//! A count that one thread writes.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that one thread writes and any thread reads.
///
/// Adding is a load and a store: were there a second writer, counts would be lost. Whoever needs several lets them
/// take turns behind a lock.
#[derive(Debug, Default)]
pub struct Tally(AtomicU64);

impl Tally {
    /// Adds `times`; for the one thread that writes.
    #[inline]
    pub fn add(&self, times: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(times), Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
