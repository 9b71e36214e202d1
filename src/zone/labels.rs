//! The labels of a question's name.

use crate::service::split_string;

/// Labels below the zone, at most, of a name that can exist.
const DEPTH: usize = 4;

/// The labels in front of a zone's name, each with its length in front, in lower case.
pub(super) struct Labels<'q> {
    octets: &'q [u8],
    split: [&'q [u8]; DEPTH + 1],
    /// At most one more than `DEPTH`: nothing lies deeper, and how deep does not matter.
    count: usize,
}

impl<'q> Labels<'q> {
    /// `None` where the octets do not end with a label: the zone's name was found within one.
    #[inline]
    pub(super) fn split(octets: &'q [u8]) -> Option<Self> {
        let mut split = [&octets[..0]; DEPTH + 1];
        let (mut rest, mut count) = (octets, 0);
        while !rest.is_empty() {
            let (label, tail) = split_string(rest)?;
            if let Some(free) = split.get_mut(count) {
                *free = label;
                count += 1;
            }
            rest = tail;
        }
        Some(Self { octets, split, count })
    }

    pub(super) fn as_slice(&self) -> &[&'q [u8]] {
        &self.split[..self.count]
    }

    /// The labels from the `n`th on, in one piece.
    pub(super) fn from(&self, n: usize) -> &'q [u8] {
        let skipped: usize = self.split[..n].iter().map(|label| label.len()).sum();
        &self.octets[skipped..]
    }
}
