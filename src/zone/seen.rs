//! What an answer has given already.

use std::collections::HashSet;
use std::hash::Hash;

use smallvec::SmallVec;

/// More than fit into a datagram: an A record takes 16 octets of 1,232.
const IN_PLACE: usize = 80;

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

    pub(super) fn has(&self, it: T) -> bool {
        match self {
            Self::Few(few) => few.contains(&it),
            Self::Many(many) => many.contains(&it),
        }
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
