//! A sorted set that shares what a change leaves alone.
//!
//! Most RRsets have a handful of members, a few have a third of a million. So members lie in sorted runs of at most
//! [`RUN_MAX`]: a small set is one run, of which the first [`IN_PLACE`] take no allocation and a reader no detour; a
//! large one is a persistent sequence of runs (`runs`), of which a change copies one and the path to it, unless they
//! are its own already. Both are searched by halving.
//!
//! Roads not taken: a persistent sequence of the members themselves (imbl's copies 4,096 of 10,000 members for
//! one that comes in the middle), and a persistent ordered map, which has no positions: an answer that rotates
//! begins at one.

mod iter;
mod runs;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use super::chance::Chance;
use crate::service::cmp_folded;

pub(super) use iter::Iter;
use runs::{RUN_MAX, Runs};

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
    /// At least two runs.
    Large(Arc<Runs<T>>),
}

impl<T: Keyed> Set<T> {
    pub(super) fn new() -> Self {
        Self::Small(SmallVec::new())
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Small(run) => run.len(),
            Self::Large(all) => all.len(),
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
                    let all = Runs::of(std::mem::take(run).into_vec());
                    *self = Self::Large(Arc::new(all));
                }
            }
            Self::Large(all) => Arc::make_mut(all).insert(n, at, member),
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
                let all = Arc::make_mut(all);
                all.remove(n, at);
                if all.count() == 1 {
                    *self = Self::Small(all.run(0).iter().cloned().collect());
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
            Self::Large(all) => all.any(chance),
        }
    }

    /// In the order of their keys.
    pub(super) fn iter(&self) -> Iter<'_, T> {
        Iter { set: self, current: self.run(0).iter(), next: 1, left: self.runs() - 1, tail: &[] }
    }

    /// All members, from one that `seed` picks around to the one before it.
    #[inline]
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
            Self::Large(all) => all.count(),
        }
    }

    fn run(&self, n: usize) -> &[T] {
        match self {
            Self::Small(run) => run,
            Self::Large(all) => all.run(n),
        }
    }
}
