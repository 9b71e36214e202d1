//! The runs of a large set, and how many members they have together.

use std::sync::Arc;

use super::super::chance::Chance;

/// Members of a run, at most: a copy of so many pointers costs less than a level of a tree.
pub(super) const RUN_MAX: usize = 64;
/// Members of two neighbouring runs that become one; well below `RUN_MAX`, so that it is not split again at once.
pub(super) const JOINED_MAX: usize = RUN_MAX / 2;
/// Draws for a fair beginning, after which any will do: a run is hardly ever less than a quarter full.
const BEGINNINGS: usize = 16;

/// Sorted runs, none of them empty.
#[derive(Debug, Clone)]
pub(in super::super) struct Runs<T: Clone> {
    runs: imbl::Vector<Arc<Vec<T>>>,
    len: usize,
}

impl<T: Clone> Runs<T> {
    /// Two halves of what is too much for one run.
    pub(super) fn of(mut left: Vec<T>) -> Self {
        let len = left.len();
        let right = split(&mut left);
        Self { runs: imbl::vector![Arc::new(left), right], len }
    }

    /// How many members there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many runs there are.
    pub(super) fn count(&self) -> usize {
        self.runs.len()
    }

    /// The `n`th; empty behind the last.
    pub(super) fn run(&self, n: usize) -> &[T] {
        self.runs.get(n).map_or(&[], |run| run)
    }

    /// Puts a member into the `n`th run, in the place of another or before it.
    pub(super) fn insert(&mut self, n: usize, at: Result<usize, usize>, member: T) {
        let run = Arc::make_mut(&mut self.runs[n]);
        match at {
            Ok(at) => run[at] = member,
            Err(at) => {
                self.len += 1;
                run.insert(at, member);
            }
        }
        if run.len() > RUN_MAX {
            let right = split(run);
            self.runs.insert(n + 1, right);
        }
    }

    /// Takes a member out of the `n`th run. Afterwards there may be no more than one.
    pub(super) fn remove(&mut self, n: usize, at: usize) {
        self.len -= 1;
        Arc::make_mut(&mut self.runs[n]).remove(at);
        if self.runs[n].is_empty() {
            self.runs.remove(n);
        }
        // What is behind it first: so what is before it keeps its number.
        self.join(n);
        self.join(n.saturating_sub(1));
    }

    /// Any member; `None` in some tries: runs are of different lengths, and it is as if all were full.
    pub(super) fn any(&self, chance: &mut Chance) -> Option<&T> {
        self.runs.get(chance.index(self.runs.len()))?.get(chance.index(RUN_MAX))
    }

    /// A run and a place in it, so that every member is begun with as often: short runs are begun with less.
    pub(super) fn begin(&self, chance: &mut Chance) -> (usize, usize) {
        let mut drawn = (chance.index(self.runs.len()), chance.index(RUN_MAX));
        for _ in 0..BEGINNINGS {
            if drawn.1 < self.runs[drawn.0].len() {
                return drawn;
            }
            drawn = (chance.index(self.runs.len()), chance.index(RUN_MAX));
        }
        (drawn.0, drawn.1 % self.runs[drawn.0].len())
    }

    /// Makes one of a run and the next if they are short enough together. Whoever shrinks a run tries both sides: else
    /// members that go in their order leave runs of one behind.
    fn join(&mut self, left: usize) {
        let lengths = self.runs.get(left).zip(self.runs.get(left + 1)).map(|(left, right)| left.len() + right.len());
        if lengths.is_some_and(|together| together <= JOINED_MAX) {
            let right = self.runs.remove(left + 1);
            Arc::make_mut(&mut self.runs[left]).extend(right.iter().cloned());
        }
    }
}

/// Leaves the first half, and gives the other.
fn split<T>(run: &mut Vec<T>) -> Arc<Vec<T>> {
    let right = run.split_off(RUN_MAX / 2);
    run.shrink_to_fit();
    Arc::new(right)
}
