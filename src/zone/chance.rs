//! Random numbers for answers, all from the one seed that an answer is given, and for the seeds of one answer after the
//! other.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Knuth's linear congruential generator: not to be trusted with secrets, and this is none.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Begins anywhere.
    pub(crate) fn anywhere() -> Self {
        Self(RandomState::new().hash_one(()))
    }

    pub(super) fn new(seed: usize) -> Self {
        let mut chance = Self(seed as u64 ^ 0x9e37_79b9_7f4a_7c15);
        // Seeds that are neighbours must not begin alike.
        chance.next();
        chance.next();
        chance
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(end);
        u64::try_from(wide >> 64).expect("a 64th power less")
    }

    /// An index into something of this length, which is not 0.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a usize")
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The high bits are the random ones: fold them over the low ones.
        (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}
