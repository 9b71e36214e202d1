//! Small numbers for service types, so that what is kept per service lies in arrays.
//!
//! A number is free again when its service type is forgotten, and the one that is free for longest is taken first:
//! so no number is above the most service types that there were at one time, whatever comes and goes. Who counts
//! something under a number tells its owners apart by the generation.

use imbl::GenericVector;
use imbl::shared_ptr::DefaultSharedPtr;

/// Where what is kept of a service type has its place, for as long as the type is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// From 0, below the most service types that were known at one time.
    pub number: u32,
    /// How many service types had the number before; goes round.
    pub generation: u32,
}

/// The places of a snapshot. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// The lowest number that nobody had.
    unused: u32,
    /// Those given back, in that order, each with its next generation.
    free: GenericVector<Place, DefaultSharedPtr>,
}

impl Places {
    pub(super) fn take(&mut self) -> Place {
        self.free.pop_front().unwrap_or_else(|| {
            let number = self.unused;
            self.unused += 1;
            Place { number, generation: 0 }
        })
    }

    pub(super) fn give_back(&mut self, Place { number, generation }: Place) {
        self.free.push_back(Place { number, generation: generation.wrapping_add(1) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_the_most_that_were_taken_at_one_time_and_no_place_is_given_twice() {
        let mut places = Places::default();
        let mut seen = std::collections::HashSet::new();
        let mut taken = Vec::new();
        for round in 0..50 {
            while taken.len() < 7 {
                let place = places.take();
                assert!(place.number < 7 && seen.insert(place), "{place:?} in round {round}");
                taken.push(place);
            }
            let numbers: std::collections::HashSet<_> = taken.iter().map(|place| place.number).collect();
            assert_eq!(numbers.len(), taken.len(), "each has its own");
            for _ in 0..=round % 7 {
                places.give_back(taken.swap_remove(round % taken.len()));
            }
        }
    }

    #[test]
    fn the_number_that_is_free_for_longest_is_taken_first() {
        let mut places = Places::default();
        let [a, b] = [places.take(), places.take()];
        places.give_back(b);
        places.give_back(a);
        assert_eq!([places.take().number, places.take().number, places.take().number], [b.number, a.number, 2]);
    }
}
