//! What an answer has given already, and how long it looks for more.

use std::collections::HashSet;
use std::hash::Hash;
use std::ops::ControlFlow;

use smallvec::SmallVec;

/// More than fit into a datagram: an A record takes 16 octets of 1,232.
const IN_PLACE: usize = 80;
/// Octets of the shortest record, which is an A record: the most that a message has room for follows from it.
const RECORD: usize = 16;
/// Repeats for each record that a message has room for: 616 for a datagram of 1,232 octets, which is some ten
/// microseconds, and 32,760 for what is longest over a stream.
const REPEATS: usize = 8;

/// How many repeats an answer bears until it gives up. Many instances may have the same few addresses, and one
/// question must not cost a walk over all of them: so a datagram is truncated there, as if the next record were too
/// large, and a stream has what was found. A service whose instances repeat less is never cut.
#[derive(Debug)]
pub(super) struct Patience(usize);

impl Patience {
    /// For a message with room for so many octets.
    pub(super) fn of(room: usize) -> Self {
        Self(room / RECORD * REPEATS)
    }

    /// Bears one that is nothing new; breaks when it was one too many.
    pub(super) fn bear(&mut self) -> ControlFlow<()> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        }
    }
}

/// A set that is made for nothing and mostly stays small: it lies on the stack as long as that goes, and more than
/// that is only in answers over a stream, which may allocate.
pub(super) enum Seen<T> {
    Few(SmallVec<[T; IN_PLACE]>),
    Many(HashSet<T>),
}

impl<T: Copy + Eq + Hash> Seen<T> {
    pub(super) fn new() -> Self {
        Self::Few(SmallVec::new())
    }

    /// Takes it in; whether it was not in before.
    pub(super) fn is_new(&mut self, it: T) -> bool {
        match self {
            Self::Few(few) if few.contains(&it) => false,
            Self::Few(few) if few.len() < IN_PLACE => {
                few.push(it);
                true
            }
            Self::Few(few) => {
                *self = Self::Many(few.iter().copied().chain([it]).collect());
                true
            }
            Self::Many(many) => many.insert(it),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_not_new_however_much_there_is() {
        let mut seen = Seen::new();
        assert!((0..3 * IN_PLACE).all(|n| seen.is_new(n)));
        assert!(!(0..3 * IN_PLACE).any(|n| seen.is_new(n)));
    }
}
