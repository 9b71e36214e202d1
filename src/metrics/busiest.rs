//! Of many things with a count each, the busiest get a series; what the rest do is summed up as `other`.
//!
//! Prometheus takes a counter that goes back for a program that began anew, and a series that comes and goes costs
//! it memory. So who is in stays in, unless an outsider was asked for twice as often as the least busy member; and
//! whatever is counted is shown once, in the series that it had first: what a thing did before it got a series stays
//! in `other`, and what a series showed goes with it. No series that stays ever goes back, and rates are right.
//!
//! A thing that was forgotten and comes back between two looks goes on where its series was. Memory is that of
//! the members, however many things there are.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Which of many counts are shown by name.
#[derive(Debug)]
pub struct Busiest {
    /// How many get a series.
    most: usize,
    /// By name.
    members: HashMap<Box<str>, Member>,
    /// What is shown for all others.
    other: u64,
    /// What those showed who lost their series.
    gone: u64,
    /// Whether all who had a count were in after the last look: then what a newcomer has was never shown as `other`.
    complete: bool,
}

/// Which thing has a name: another one of that name counts from 0.
type Key = (u32, u32);

#[derive(Debug)]
struct Member {
    key: Key,
    count: u64,
    /// What of the count is not shown here, since `other` has it.
    hidden: u64,
    /// What things of that name showed that were there before.
    inherited: u64,
    /// What the series is at.
    value: u64,
    /// What it was at when it was shown last.
    shown: u64,
    /// In this round.
    seen: bool,
}

/// One look at all counts.
#[derive(Debug)]
pub struct Round<'b> {
    busiest: &'b mut Busiest,
    total: u64,
    /// The busiest of those that are not in, the least busy on top.
    outsiders: BinaryHeap<Reverse<(u64, Box<str>, Key)>>,
    outside: usize,
}

impl Busiest {
    /// None is in yet.
    pub fn new(most: usize) -> Self {
        Self { most, members: HashMap::new(), other: 0, gone: 0, complete: true }
    }

    /// Begins to look. `total` is the sum of all counts that there ever were, read before it is looked up what there
    /// is to see.
    pub fn round(&mut self, total: u64) -> Round<'_> {
        self.members.values_mut().for_each(|member| member.seen = false);
        Round { busiest: self, total, outsiders: BinaryHeap::new(), outside: 0 }
    }

    fn take_in(&mut self, name: Box<str>, key: Key, count: u64) {
        let hidden = if self.complete { 0 } else { count };
        let member = Member { key, count, hidden, inherited: 0, value: count - hidden, shown: 0, seen: true };
        self.members.insert(name, member);
    }

    fn remove(&mut self, name: &str) {
        self.gone += self.members.remove(name).map_or(0, |member| member.shown);
    }
}

impl<'b> Round<'b> {
    /// Looks at one thing.
    pub fn see(&mut self, name: &str, key: Key, count: u64) {
        if let Some(member) = self.busiest.members.get_mut(name) {
            member.see(key, count);
        } else if count > 0 {
            self.outside += 1;
            let is_busier = |least: &Reverse<(u64, _, _)>| least.0.0 < count;
            if self.outsiders.len() >= self.busiest.most && self.outsiders.peek().is_some_and(is_busier) {
                self.outsiders.pop();
            }
            if self.outsiders.len() < self.busiest.most {
                self.outsiders.push(Reverse((count, name.into(), key)));
            }
        }
    }

    /// Decides who is in, and gives what is shown: the series by name, and the rest.
    pub fn finish(self) -> (Vec<(&'b str, u64)>, u64) {
        let Self { busiest, total, outsiders, outside } = self;
        let forgotten: Vec<_> = busiest.members.iter().filter(|(_, m)| !m.seen).map(|(name, _)| name.clone()).collect();
        for name in forgotten {
            busiest.remove(&name);
        }

        let mut least: Vec<_> = busiest.members.iter().map(|(name, m)| (m.count, name.clone())).collect();
        least.sort_unstable();
        let mut least = least.into_iter();
        let mut taken_in = 0;
        let mut free = busiest.most - busiest.members.len();
        // The busiest first, since the order is reversed.
        for Reverse((count, name, key)) in outsiders.into_sorted_vec() {
            if free > 0 {
                free -= 1;
                taken_in += 1;
            } else {
                match least.next() {
                    Some((beaten, member)) if count > beaten.saturating_mul(2) => busiest.remove(&member),
                    _ => break,
                }
            }
            busiest.take_in(name, key, count);
        }
        busiest.complete = taken_in == outside;

        busiest.members.values_mut().for_each(|member| member.shown = member.value);
        let mut series: Vec<_> = busiest.members.iter().map(|(name, member)| (&**name, member.shown)).collect();
        series.sort_unstable();
        let shown: u64 = series.iter().map(|(_, shown)| shown).sum();
        // Never back: while threads count on, the total may miss a little that it had before.
        busiest.other = busiest.other.max(total.saturating_sub(shown + busiest.gone));
        (series, busiest.other)
    }
}

impl Member {
    fn see(&mut self, key: Key, count: u64) {
        if self.key != key {
            *self = Self { key, hidden: 0, inherited: self.value, ..*self };
        }
        self.count = count;
        self.value = self.value.max((self.inherited + count).saturating_sub(self.hidden));
        self.seen = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The series and the rest, of things with their counts. What is counted of things that are gone is `former`.
    fn look(busiest: &mut Busiest, things: &[(&str, u32, u64)], former: u64) -> (Vec<(String, u64)>, u64) {
        let total = things.iter().map(|(.., count)| count).sum::<u64>() + former;
        let mut round = busiest.round(total);
        for (name, number, count) in things {
            round.see(name, (*number, 0), *count);
        }
        let (series, other) = round.finish();
        (series.into_iter().map(|(name, shown)| (name.to_owned(), shown)).collect(), other)
    }

    fn series(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
        expected.iter().map(|(name, shown)| ((*name).to_owned(), *shown)).collect()
    }

    #[test]
    fn with_room_for_all_each_has_its_exact_count_and_what_was_not_asked_for_has_no_series() {
        let mut busiest = Busiest::new(3);
        let seen = look(&mut busiest, &[("a", 0, 5), ("b", 1, 0), ("c", 2, 1)], 0);
        assert_eq!(seen, (series(&[("a", 5), ("c", 1)]), 0));
        let seen = look(&mut busiest, &[("a", 0, 6), ("b", 1, 7), ("c", 2, 1)], 0);
        assert_eq!(seen, (series(&[("a", 6), ("b", 7), ("c", 1)]), 0));
    }

    #[test]
    fn without_room_the_busiest_are_shown_and_the_rest_is_other() {
        let mut busiest = Busiest::new(2);
        let seen = look(&mut busiest, &[("a", 0, 5), ("b", 1, 9), ("c", 2, 1), ("d", 3, 8)], 0);
        assert_eq!(seen, (series(&[("b", 9), ("d", 8)]), 6));
        // Busier, but not twice as busy.
        let seen = look(&mut busiest, &[("a", 0, 15), ("b", 1, 9), ("c", 2, 1), ("d", 3, 8)], 0);
        assert_eq!(seen, (series(&[("b", 9), ("d", 8)]), 16));
        // Now it is: it begins at 0, what it had stays where it was shown; and what `d` showed goes.
        let seen = look(&mut busiest, &[("a", 0, 20), ("b", 1, 9), ("c", 2, 1), ("d", 3, 8)], 0);
        assert_eq!(seen, (series(&[("a", 0), ("b", 9)]), 21));
        let seen = look(&mut busiest, &[("a", 0, 23), ("b", 1, 9), ("c", 2, 1), ("d", 3, 10)], 0);
        assert_eq!(seen, (series(&[("a", 3), ("b", 9)]), 23));
    }

    #[test]
    fn a_thing_that_is_gone_takes_its_series_along_and_makes_room() {
        let mut busiest = Busiest::new(2);
        look(&mut busiest, &[("a", 0, 5), ("b", 1, 9), ("c", 2, 1)], 0);
        // Two more for `a` before it went, which nobody saw: they are counted, as `other`.
        let seen = look(&mut busiest, &[("b", 1, 9), ("c", 2, 4)], 7);
        assert_eq!(seen, (series(&[("b", 9), ("c", 0)]), 6));
        let seen = look(&mut busiest, &[("b", 1, 9), ("c", 2, 5)], 7);
        assert_eq!(seen, (series(&[("b", 9), ("c", 1)]), 6));
    }

    #[test]
    fn a_thing_that_comes_back_under_its_name_goes_on_where_it_was() {
        let mut busiest = Busiest::new(2);
        look(&mut busiest, &[("a", 0, 5)], 0);
        let seen = look(&mut busiest, &[("a", 7, 1)], 6);
        assert_eq!(seen, (series(&[("a", 6)]), 1), "one was not seen of the former");
        let seen = look(&mut busiest, &[("a", 7, 3)], 6);
        assert_eq!(seen, (series(&[("a", 8)]), 1));
        // Anew after it was seen to be gone.
        assert_eq!(look(&mut busiest, &[], 9), (series(&[]), 1));
        assert_eq!(look(&mut busiest, &[("a", 8, 2)], 9), (series(&[("a", 2)]), 1));
    }

    /// Whatever comes and goes: no series that stays goes back, and what all of them grew by is what was counted.
    #[test]
    fn everything_that_is_counted_is_shown_once() {
        let mut busiest = Busiest::new(4);
        let mut things: Vec<(String, u32, u64)> = Vec::new();
        let (mut seed, mut made, mut former) = (1_u64, 0, 0);
        let mut before = (Vec::<(String, u64)>::new(), 0);
        let mut counted = 0;
        let mut grown = 0;
        for _ in 0..5_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pick = usize::try_from(seed >> 40).unwrap();
            match (seed >> 34) % 16 {
                0 if things.len() < 12 => {
                    let free = (b'a'..=b'z').find(|c| things.iter().all(|t| t.0.as_bytes()[0] != *c)).unwrap();
                    things.push((char::from(free).to_string(), made, 0));
                    made += 1;
                }
                1 if !things.is_empty() => former += things.swap_remove(pick % things.len()).2,
                _ if things.is_empty() => {}
                _ => {
                    let busy = pick % things.len().min(1 + pick % 7);
                    things[busy].2 += 1 + u64::from(pick % 5 == 0) * 10;
                }
            }
            if pick % 3 > 0 {
                continue;
            }
            let borrowed: Vec<_> = things.iter().map(|(name, number, count)| (&**name, *number, *count)).collect();
            let after = look(&mut busiest, &borrowed, former);
            assert!(after.0.len() <= 4 && after.1 >= before.1);
            for (name, shown) in &after.0 {
                let had = before.0.iter().find(|(other, _)| other == name).map_or(0, |(_, had)| *had);
                // One that left and came back between two looks is not to be told from one that stayed.
                assert!(*shown >= had, "{name} went from {had} back to {shown}");
                grown += shown - had;
            }
            grown += after.1 - before.1;
            counted = borrowed.iter().map(|(.., count)| count).sum::<u64>() + former;
            assert_eq!(grown, counted);
            before = after;
        }
        assert!(counted > 2_000 && made > 100, "{counted} counts of {made} things");
    }
}
