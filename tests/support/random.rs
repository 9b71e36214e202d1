//! Chance that can be had again: what a test drew shows when it fails, and `PORTOLAN_TEST_SEED` draws the same.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// A sequence of numbers that a seed decides.
#[derive(Debug)]
pub struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// Of the seed in the environment, or of any.
    pub fn new() -> Self {
        let given = std::env::var("PORTOLAN_TEST_SEED").ok();
        let seed = given.map_or_else(|| RandomState::new().hash_one(()), |text| text.parse().expect("a number"));
        Self { seed, state: seed }
    }

    /// One of these.
    pub fn within(&mut self, range: Range<usize>) -> usize {
        // SplitMix64 (Steele, Lea, Flood 2014): one multiplication more than enough for tests.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let width = u64::try_from(range.len()).unwrap();
        range.start + usize::try_from((z ^ (z >> 31)) % width).unwrap()
    }

    /// True once in `often`.
    pub fn once_in(&mut self, often: usize) -> bool {
        self.within(0..often) == 0
    }

    pub fn octet(&mut self) -> u8 {
        u8::try_from(self.within(0..256)).unwrap()
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.within(0..from.len())]
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the same again: PORTOLAN_TEST_SEED={}", self.seed);
        }
    }
}
