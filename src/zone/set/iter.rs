//! The members of a set, one after the other.

use std::slice;

use super::Set;

/// The members of a [`Set`].
#[derive(Debug, Clone)]
pub(in super::super) struct Iter<'a, T: Clone> {
    // Runs by number: imbl's own iterator counts a reference on the sequence, which all threads that answer would
    // write to.
    pub(super) set: &'a Set<T>,
    pub(super) current: slice::Iter<'a, T>,
    pub(super) next: usize,
    /// Whole runs to come.
    pub(super) left: usize,
    /// What comes after them: the beginning of the run that was begun with.
    pub(super) tail: &'a [T],
}

impl<'a, T: Clone> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(member) = self.current.next() {
                return Some(member);
            }
            let run = if self.left > 0 {
                self.left -= 1;
                let n = if self.next == self.set.runs() { 0 } else { self.next };
                self.next = n + 1;
                self.set.run(n)
            } else {
                std::mem::take(&mut self.tail)
            };
            if run.is_empty() {
                return None;
            }
            self.current = run.iter();
        }
    }
}
