//! A sorted set that shares what a change leaves alone.
//!
//! Most RRsets have a handful of members, a few have a third of a million. So members lie in sorted runs of at most
//! [`RUN_MAX`]: a small set is one run, of which the first [`IN_PLACE`] take no allocation and a reader no detour; a
//! large one is a persistent sequence of runs, of which a change copies one and the path to it, unless they are its
//! own already. Both are searched by halving.
//!
//! Roads not taken: a persistent sequence of the members themselves (imbl's copies 4,096 of 10,000 members for
//! one that comes in the middle), and a persistent ordered map, which has no positions: an answer that rotates
//! begins at one.

use std::cmp::Ordering;
use std::slice;
use std::sync::Arc;

use smallvec::SmallVec;

use super::chance::Chance;
use crate::service::cmp_folded;

/// Members of a run, at most: a copy of so many pointers costs less than a level of a tree.
const RUN_MAX: usize = 64;
/// Members of two neighbouring runs that become one; well below `RUN_MAX`, so that it is not split again at once.
const JOINED_MAX: usize = RUN_MAX / 2;
/// Draws for a fair beginning, after which any will do: a run is hardly ever less than a quarter full.
const BEGINNINGS: usize = 16;
/// Members that a set keeps in itself: most services have no more instances.
const IN_PLACE: usize = 3;

/// What a [`Set`] holds: cheap to clone, and told apart by a key.
pub(super) trait Keyed: Clone {
    /// Octets that sort it.
    fn key(&self) -> &[u8];

    /// How its key compares: names ignore the case of ASCII letters (RFC 4343 §3).
    fn compare(&self, key: &[u8]) -> Ordering {
        cmp_folded(self.key(), key)
    }
}

/// Members in the order of their keys, each key once.
#[derive(Debug, Clone)]
pub(super) enum Set<T: Clone> {
    Small(SmallVec<[T; IN_PLACE]>),
    /// At least two runs, none of them empty.
    Large(Arc<Runs<T>>),
}

/// The runs of a large set, and how many members they have together.
#[derive(Debug, Clone)]
pub(super) struct Runs<T: Clone> {
    runs: imbl::Vector<Arc<Vec<T>>>,
    len: usize,
}

impl<T: Clone> Runs<T> {
    /// A run and a place in it, so that every member is begun with as often: short runs are begun with less.
    fn begin(&self, chance: &mut Chance) -> (usize, usize) {
        let mut drawn = (chance.index(self.runs.len()), chance.index(RUN_MAX));
        for _ in 0..BEGINNINGS {
            if drawn.1 < self.runs[drawn.0].len() {
                return drawn;
            }
            drawn = (chance.index(self.runs.len()), chance.index(RUN_MAX));
        }
        (drawn.0, drawn.1 % self.runs[drawn.0].len())
    }
}

impl<T: Keyed> Set<T> {
    pub(super) fn new() -> Self {
        Self::Small(SmallVec::new())
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Small(run) => run.len(),
            Self::Large(runs) => runs.len,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The member with this key.
    pub(super) fn get(&self, key: &[u8]) -> Option<&T> {
        let (run, at) = self.locate(key);
        self.run(run).get(at.ok()?)
    }

    /// Puts a member in, in the place of the one with its key.
    pub(super) fn insert(&mut self, member: T) {
        let (n, at) = self.locate(member.key());
        match self {
            Self::Small(run) => {
                match at {
                    Ok(at) => run[at] = member,
                    Err(at) => run.insert(at, member),
                }
                if run.len() > RUN_MAX {
                    let right: Vec<T> = run.drain(RUN_MAX / 2..).collect();
                    let left: Vec<T> = run.drain(..).collect();
                    let len = left.len() + right.len();
                    let runs = imbl::vector![Arc::new(left), Arc::new(right)];
                    *self = Self::Large(Arc::new(Runs { runs, len }));
                }
            }
            Self::Large(all) => {
                let Runs { runs, len } = Arc::make_mut(all);
                let run = Arc::make_mut(&mut runs[n]);
                match at {
                    Ok(at) => run[at] = member,
                    Err(at) => {
                        *len += 1;
                        run.insert(at, member);
                    }
                }
                if run.len() > RUN_MAX {
                    let right = run.split_off(RUN_MAX / 2);
                    run.shrink_to_fit();
                    runs.insert(n + 1, Arc::new(right));
                }
            }
        }
    }

    /// Takes the member with this key out.
    pub(super) fn remove(&mut self, key: &[u8]) {
        let (n, Ok(at)) = self.locate(key) else { return };
        match self {
            Self::Small(run) => {
                run.remove(at);
                if run.is_empty() {
                    // Without what it had allocated while it had more.
                    *run = SmallVec::new();
                }
            }
            Self::Large(all) => {
                let Runs { runs, len } = Arc::make_mut(all);
                *len -= 1;
                Arc::make_mut(&mut runs[n]).remove(at);
                if runs[n].is_empty() {
                    runs.remove(n);
                }
                // What is behind it first: so what is before it keeps its number.
                join(runs, n);
                join(runs, n.saturating_sub(1));
                if let (Some(only), 1) = (runs.front(), runs.len()) {
                    *self = Self::Small(only.iter().cloned().collect());
                }
            }
        }
    }

    /// The one with the lowest key.
    pub(super) fn first(&self) -> Option<&T> {
        self.run(0).first()
    }

    /// Any of them, each with the same chance; `None` in some tries, and always where there is none.
    pub(super) fn any(&self, chance: &mut Chance) -> Option<&T> {
        match self {
            Self::Small(run) if run.is_empty() => None,
            Self::Small(run) => run.get(chance.index(run.len())),
            // Runs are of different lengths: as if all were full.
            Self::Large(all) => all.runs.get(chance.index(all.runs.len()))?.get(chance.index(RUN_MAX)),
        }
    }

    /// In the order of their keys.
    pub(super) fn iter(&self) -> Iter<'_, T> {
        Iter { set: self, current: self.run(0).iter(), next: 1, left: self.runs() - 1, tail: &[] }
    }

    /// All members, from one that `seed` picks around to the one before it.
    pub(super) fn iter_from(&self, seed: usize) -> Iter<'_, T> {
        let (first, at) = match self {
            Self::Small(run) => (0, if run.is_empty() { 0 } else { seed % run.len() }),
            Self::Large(all) => all.begin(&mut Chance::new(seed)),
        };
        let (tail, current) = self.run(first).split_at(at);
        Iter { set: self, current: current.iter(), next: first + 1, left: self.runs() - 1, tail }
    }

    /// The members whose keys are not below `key`.
    pub(super) fn iter_at(&self, key: &[u8]) -> Iter<'_, T> {
        let (first, at) = self.locate(key);
        let current = &self.run(first)[at.unwrap_or_else(|at| at)..];
        Iter { set: self, current: current.iter(), next: first + 1, left: self.runs() - 1 - first, tail: &[] }
    }

    /// The run that has the key or would have it, and where.
    fn locate(&self, key: &[u8]) -> (usize, Result<usize, usize>) {
        // The first run takes what is below its first member, too: halve among the others.
        let (mut low, mut high) = (0, self.runs() - 1);
        while low < high {
            let middle = (low + high).div_ceil(2);
            match self.run(middle).first() {
                Some(first) if first.compare(key).is_le() => low = middle,
                _ => high = middle - 1,
            }
        }
        (low, self.run(low).binary_search_by(|member| member.compare(key)))
    }
}

impl<T: Clone> Set<T> {
    fn runs(&self) -> usize {
        match self {
            Self::Small(_) => 1,
            Self::Large(all) => all.runs.len(),
        }
    }

    fn run(&self, n: usize) -> &[T] {
        match self {
            Self::Small(run) => run,
            Self::Large(all) => all.runs.get(n).map_or(&[], |run| run),
        }
    }
}

/// Makes one of a run and the next if they are short enough together. Whoever shrinks a run tries both sides: else
/// members that go in their order leave runs of one behind.
fn join<T: Clone>(runs: &mut imbl::Vector<Arc<Vec<T>>>, left: usize) {
    let lengths = runs.get(left).zip(runs.get(left + 1)).map(|(left, right)| left.len() + right.len());
    if lengths.is_some_and(|together| together <= JOINED_MAX) {
        let right = runs.remove(left + 1);
        Arc::make_mut(&mut runs[left]).extend(right.iter().cloned());
    }
}

/// The members of a [`Set`].
#[derive(Debug, Clone)]
pub(super) struct Iter<'a, T: Clone> {
    // Runs by number: imbl's own iterator counts a reference on the sequence, which all threads that answer would
    // write to.
    set: &'a Set<T>,
    current: slice::Iter<'a, T>,
    next: usize,
    /// Whole runs to come.
    left: usize,
    /// What comes after them: the beginning of the run that was begun with.
    tail: &'a [T],
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    impl Keyed for Arc<str> {
        fn key(&self) -> &[u8] {
            self.as_bytes()
        }
    }

    #[test]
    fn a_set_of_any_size_does_what_a_map_does() {
        let mut set: Set<Arc<str>> = Set::new();
        let mut model = BTreeMap::new();
        let mut chance = Chance::new(1);
        for step in 0..20_000 {
            // Phases that grow and phases that shrink it, across all limits.
            let grows = (step / 2_000) % 2 == 0;
            let number = chance.index(200);
            let key: Arc<str> =
                if chance.index(2) == 0 { format!("K{number:03}") } else { format!("k{number:03}") }.into();
            if chance.index(10) < if grows { 8 } else { 2 } {
                set.insert(key.clone());
                model.insert(number, key);
            } else {
                set.remove(key.as_bytes());
                model.remove(&number);
            }
            assert_eq!(set.len(), model.len());
            assert_eq!(set.get(format!("K{number:03}").as_bytes()), model.get(&number));
        }
        assert!(set.iter().eq(model.values()));
    }

    impl Set<Arc<str>> {
        /// Whether runs are as they are said to be, and no two neighbours should be one.
        fn is_sound(&self) -> bool {
            let lengths: Vec<_> = (0..self.runs()).map(|n| self.run(n).len()).collect();
            lengths.iter().all(|length| *length <= RUN_MAX)
                && match self {
                    Self::Small(_) => true,
                    Self::Large(_) => {
                        lengths.len() > 1
                            && !lengths.contains(&0)
                            && lengths.windows(2).all(|pair| pair[0] + pair[1] > JOINED_MAX)
                    }
                }
        }
    }

    fn keyed(number: u32) -> Arc<str> {
        format!("{number:04}").into()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Ranges that lie side by side come and go as wholes, from either end: so runs are emptied beside full ones.
        #[test]
        fn ranges_that_come_and_go_leave_what_they_leave_in_a_map(
            steps in prop::collection::vec((0..600_u32, 1..200_u32, any::<bool>(), any::<bool>()), 1..40),
            seed: usize,
        ) {
            let mut set: Set<Arc<str>> = Set::new();
            let mut model = BTreeMap::new();
            for (first, count, comes, backwards) in steps {
                let turn = |n: u32| if backwards { first + count - 1 - n } else { first + n };
                for number in (0..count).map(turn) {
                    if comes {
                        set.insert(keyed(number));
                        model.insert(number, keyed(number));
                    } else {
                        set.remove(keyed(number).as_bytes());
                        model.remove(&number);
                    }
                }
                prop_assert!(set.is_sound());
                prop_assert_eq!(set.len(), model.len());
                prop_assert_eq!(set.first(), model.values().next());
                prop_assert!(set.iter().eq(model.values()));
                prop_assert!((0..800).all(|n| set.get(keyed(n).as_bytes()) == model.get(&n)));
                prop_assert!(set.iter_at(keyed(first).as_bytes()).eq(model.range(first..).map(|(_, member)| member)));
                let mut turned: Vec<_> = set.iter_from(seed).cloned().collect();
                turned.sort();
                prop_assert!(turned.iter().eq(model.values()));
            }
        }
    }

    fn numbers(members: Iter<'_, Arc<str>>) -> Vec<usize> {
        members.map(|member| member.parse().unwrap()).collect()
    }

    #[test]
    fn every_seed_gives_every_member_once_and_every_member_is_first_for_some() {
        for size in [1, 3, RUN_MAX, RUN_MAX + 1, 200] {
            let mut set: Set<Arc<str>> = Set::new();
            (0..size).for_each(|n| set.insert(format!("{n:03}").into()));
            let mut firsts = vec![false; size];
            for seed in (0..5000).chain([usize::MAX]) {
                let seen = numbers(set.iter_from(seed));
                firsts[seen[0]] = true;
                assert!(seen.iter().copied().eq((0..size).map(|n| (seen[0] + n) % size)), "{seed}: {seen:?}");
            }
            assert!(firsts.iter().all(|first| *first), "of {size}");
        }
        assert_eq!(Set::<Arc<str>>::new().iter_from(7).count(), 0);
    }

    #[test]
    fn members_from_a_key_on_are_those_not_below_it() {
        for size in [0, 3, 200] {
            let mut set: Set<Arc<str>> = Set::new();
            (0..size).for_each(|n| set.insert(format!("{n:03}").into()));
            for key in ["", "000", "001x", "150", "999"] {
                let expected: Vec<_> = (0..size).filter(|n| format!("{n:03}").as_str() >= key).collect();
                assert_eq!(numbers(set.iter_at(key.as_bytes())), expected, "{key} of {size}");
            }
        }
    }

    #[test]
    fn a_change_of_a_large_set_copies_a_path_and_not_the_set() {
        let mut set: Set<Arc<str>> = Set::new();
        (0..10_000).for_each(|n| set.insert(format!("{n:05}").into()));
        let before = set.clone();
        set.insert("05000x".into());
        let copied = before.iter().filter(|member| Arc::strong_count(member) > 1).count();
        assert!(copied < 300, "{copied} of {} members were copied", before.len());
    }

    #[test]
    fn a_clone_does_not_see_later_changes() {
        let mut set: Set<Arc<str>> = Set::new();
        (0..100).for_each(|n| set.insert(format!("{n:03}").into()));
        let before = set.clone();
        set.remove(b"050");
        assert!(before.get(b"050").is_some() && set.get(b"050").is_none());
    }
}
