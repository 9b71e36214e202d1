//! Counts of many things that have small numbers, come and go, and leave their numbers to others.
//!
//! A count and the generation of its owner share one word, so that a reader never sees the count of one owner under
//! another: 48 bits of count last nine years at a million a second, and 16 bits of generation tell owners apart unless
//! exactly 65,536 had the number while nobody asked this thread for any of them. When another owner comes, what
//! the old one had goes to those `former`: nothing is lost, and the memory is that of the highest number.
//!
//! Numbers lie in runs of which each is twice as long as the one before it. So none moves as more are made, and
//! adding to one that is there allocates nothing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The first run has 64 numbers.
const FIRST_BITS: u32 = 6;
/// Runs for 2^32 numbers.
const RUNS: usize = 27;
/// Bits of a count.
const COUNT_BITS: u32 = 48;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// Counts by number and generation, which one thread writes and any thread reads.
#[derive(Debug, Default)]
pub struct Numbered {
    runs: [OnceLock<Box<[AtomicU64]>>; RUNS],
    former: AtomicU64,
}

impl Numbered {
    /// Adds one to what has this number in this generation; for the one thread that writes.
    #[inline]
    pub fn add(&self, number: u32, generation: u32) {
        let (run, at) = locate(number);
        let entry = &self.runs[run].get_or_init(|| new_run(run))[at];
        let (word, mark) = (entry.load(Ordering::Relaxed), mark(generation));
        if word & !COUNT == mark {
            entry.store(word + 1, Ordering::Relaxed);
        } else {
            self.hand_over(entry, word & COUNT, mark);
        }
    }

    #[cold]
    fn hand_over(&self, entry: &AtomicU64, count: u64, mark: u64) {
        entry.store(mark | 1, Ordering::Relaxed);
        // After the entry, and read before it: what is on its way from one to the other is missed, never seen twice.
        self.former.store(self.former.load(Ordering::Relaxed) + count, Ordering::Release);
    }

    /// The count of what has this number in this generation.
    pub fn get(&self, number: u32, generation: u32) -> u64 {
        let (run, at) = locate(number);
        let word = self.runs[run].get().map_or(0, |run| run[at].load(Ordering::Relaxed));
        if word & !COUNT == mark(generation) { word & COUNT } else { 0 }
    }

    /// Everything that was ever added; while another thread adds, perhaps a little less, and never more.
    pub fn total(&self) -> u64 {
        let former = self.former.load(Ordering::Acquire);
        let runs = self.runs.iter().filter_map(OnceLock::get);
        former + runs.flatten().map(|entry| entry.load(Ordering::Relaxed) & COUNT).sum::<u64>()
    }
}

/// Run and place in it.
fn locate(number: u32) -> (usize, usize) {
    let shifted = u64::from(number) + (1 << FIRST_BITS);
    let bits = shifted.ilog2();
    let at = usize::try_from(shifted - (1 << bits)).expect("less than 2^32");
    ((bits - FIRST_BITS) as usize, at)
}

/// All zero: generation 0, and nothing counted.
#[cold]
fn new_run(run: usize) -> Box<[AtomicU64]> {
    std::iter::repeat_with(AtomicU64::default).take(1 << (run + FIRST_BITS as usize)).collect()
}

fn mark(generation: u32) -> u64 {
    u64::from(generation) << COUNT_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for number in 0..100_000 {
            assert_eq!(locate(number), expected, "{number}");
            expected.1 += 1;
            if expected.1 == 64 << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        let (run, at) = locate(u32::MAX);
        assert!(run < RUNS && at < 64 << run);
    }

    #[test]
    fn counts_are_kept_apart_by_number_and_generation() {
        let counts = Numbered::default();
        for number in 0..1000 {
            for _ in 0..=number {
                counts.add(number, 0);
            }
        }
        assert_eq!((counts.get(0, 0), counts.get(999, 0), counts.get(1000, 0)), (1, 1000, 0));
        assert_eq!(counts.get(999, 1), 0, "of the next owner nothing is counted yet");
        counts.add(999, 1);
        assert_eq!((counts.get(999, 0), counts.get(999, 1)), (0, 1));
        assert_eq!(counts.total(), 500_501);
    }

    #[test]
    fn a_generation_that_goes_round_is_still_another() {
        let counts = Numbered::default();
        for generation in [u32::MAX, 0, 1, 70_000] {
            counts.add(7, generation);
            counts.add(7, generation);
            assert_eq!(counts.get(7, generation), 2, "{generation}");
        }
        assert_eq!(counts.total(), 8);
    }

    #[test]
    fn a_total_that_is_read_meanwhile_is_never_too_high_and_at_last_exact() {
        const ADDED: u32 = 200_000;
        let counts = Numbered::default();
        let added = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for n in 0..ADDED {
                    // Before it is counted: so at any moment this is the most that there can be.
                    added.fetch_add(1, Ordering::SeqCst);
                    // Each number goes to another owner over and over.
                    counts.add(n % 3, n / 3);
                }
            });
            while !writer.is_finished() {
                let total = counts.total();
                assert!(total <= added.load(Ordering::SeqCst));
            }
        });
        assert_eq!(counts.total(), u64::from(ADDED));
    }
}
