//! Sets beside maps, at any size and through all that comes and goes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::runs::JOINED_MAX;
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
        let key: Arc<str> = if chance.index(2) == 0 { format!("K{number:03}") } else { format!("k{number:03}") }.into();
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
