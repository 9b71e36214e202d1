//! A sorted set that shares what a change leaves alone.
//!
//! Most RRsets have a handful of members, a few have a third of a million. Up to [`SMALL_MAX`] members lie in one
//! allocation, which a reader walks without a detour and a change copies whole; above that they form a persistent
//! sequence, of which a change copies one path. Both are searched by halving.
//!
//! Road not taken: a persistent ordered map for all sizes. It has no position, and an answer that rotates begins
//! at one.

use std::cmp::Ordering;
use std::iter::Chain;
use std::slice;
use std::sync::Arc;

use crate::service::cmp_folded;

/// Members of one allocation, at most: a copy of so many pointers costs less than a path through a tree.
const SMALL_MAX: usize = 64;
/// Members at which a sequence becomes one allocation again; below `SMALL_MAX`, so that a set that moves about
/// the limit is not converted each time.
const SMALL_AGAIN: usize = SMALL_MAX / 2;

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
    Small(Arc<[T]>),
    Large(Arc<imbl::Vector<T>>),
}

impl<T: Keyed> Set<T> {
    pub(super) fn new() -> Self {
        Self::Small(Arc::new([]))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Small(members) => members.len(),
            Self::Large(members) => members.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The member with this key.
    pub(super) fn get(&self, key: &[u8]) -> Option<&T> {
        let at = self.position(key).ok()?;
        match self {
            Self::Small(members) => members.get(at),
            Self::Large(members) => members.get(at),
        }
    }

    /// Where the key is, or where it would be.
    pub(super) fn position(&self, key: &[u8]) -> Result<usize, usize> {
        let compare = |member: &T| member.compare(key);
        match self {
            Self::Small(members) => members.binary_search_by(compare),
            Self::Large(members) => members.binary_search_by(compare),
        }
    }

    /// Puts a member in, in the place of the one with its key.
    pub(super) fn insert(&mut self, member: T) {
        let position = self.position(member.key());
        match self {
            Self::Small(members) => match position {
                Ok(at) => {
                    let replaced = members.iter().enumerate();
                    *members = replaced.map(|(n, old)| if n == at { member.clone() } else { old.clone() }).collect();
                }
                Err(at) if members.len() < SMALL_MAX => {
                    let (before, after) = members.split_at(at);
                    let all = before.iter().cloned().chain([member]).chain(after.iter().cloned());
                    *members = all.collect();
                }
                Err(at) => {
                    let mut sequence: imbl::Vector<T> = members.iter().cloned().collect();
                    sequence.insert(at, member);
                    *self = Self::Large(Arc::new(sequence));
                }
            },
            Self::Large(members) => {
                let members = Arc::make_mut(members);
                match position {
                    Ok(at) => drop(members.set(at, member)),
                    Err(at) => members.insert(at, member),
                }
            }
        }
    }

    /// Takes the member with this key out.
    pub(super) fn remove(&mut self, key: &[u8]) {
        let Ok(at) = self.position(key) else { return };
        match self {
            Self::Small(members) => {
                let kept = members.iter().enumerate().filter(|(n, _)| *n != at);
                *members = kept.map(|(_, member)| member.clone()).collect();
            }
            Self::Large(members) if members.len() > SMALL_AGAIN => drop(Arc::make_mut(members).remove(at)),
            Self::Large(members) => {
                let kept = members.iter().enumerate().filter(|(n, _)| *n != at);
                *self = Self::Small(kept.map(|(_, member)| member.clone()).collect());
            }
        }
    }

    /// All members, from the one at `start` (modulo their number) around to the one before it.
    pub(super) fn iter_from(&self, start: usize) -> Iter<'_, T> {
        let start = if self.is_empty() { 0 } else { start % self.len() };
        match self {
            Self::Small(members) => {
                let (before, after) = members.split_at(start);
                Iter::Small(after.iter().chain(before))
            }
            Self::Large(members) => Iter::Large { members, next: start, left: members.len() },
        }
    }

    pub(super) fn iter(&self) -> Iter<'_, T> {
        self.iter_from(0)
    }
}

/// The members of a [`Set`].
#[derive(Debug, Clone)]
pub(super) enum Iter<'a, T: Clone> {
    Small(Chain<slice::Iter<'a, T>, slice::Iter<'a, T>>),
    // By index: imbl's own iterator counts a reference on the sequence, which all threads that answer would share.
    Large { members: &'a imbl::Vector<T>, next: usize, left: usize },
}

impl<'a, T: Clone> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        match self {
            Self::Small(members) => members.next(),
            Self::Large { members, next, left } => {
                *left = left.checked_sub(1)?;
                let member = members.get(*next);
                *next = if *next + 1 == members.len() { 0 } else { *next + 1 };
                member
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
        let mut seed = 1_u64;
        for step in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Phases that grow and phases that shrink it, across both limits.
            let grows = (step / 2_000) % 2 == 0;
            let number = (seed >> 40) % 200;
            let key: Arc<str> = if seed & 1 == 0 { format!("K{number:03}") } else { format!("k{number:03}") }.into();
            if (seed >> 20) % 10 < if grows { 8 } else { 2 } {
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

    #[test]
    fn every_start_gives_every_member_once() {
        for size in [1, 3, SMALL_MAX, SMALL_MAX + 1, 200] {
            let mut set: Set<Arc<str>> = Set::new();
            (0..size).for_each(|n| set.insert(format!("{n:03}").into()));
            for start in [0, 1, size / 2, size - 1, size, usize::MAX] {
                let seen: Vec<_> = set.iter_from(start).map(|k| k.parse::<usize>().unwrap()).collect();
                let expected: Vec<_> = (0..size).map(|n| (start % size + n) % size).collect();
                assert_eq!(seen, expected);
            }
        }
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
